"""One self-contained HTML page with everything a run found: no network, no date, same input gives same bytes."""

import base64
import io
import platform
from collections.abc import Mapping, Sequence
from html import escape
from importlib import metadata, resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from neurolens.errors import DataError, InputError, MissingToolError
from neurolens.labels import OP, REGION
from neurolens.view.annotation import Annotation, annotate_ops, describe_interval, describe_method
from neurolens.view.dot import draw_graph
from neurolens.view.layout import read_graph
from neurolens.view.plots import plot_profile, plot_rdms
from neurolens.view.style import (
    apply_style,
    assign_region_colors,
    format_interval,
    format_score,
    format_shape,
    pick_color,
    pick_text_color,
)

PACKAGES = ("neurolens", "python", "torch", "numpy", "xarray")
RSA = (
    "Kriegeskorte N, Mur M, Bandettini P (2008). Representational similarity analysis – connecting the branches of "
    "systems neuroscience. Frontiers in Systems Neuroscience 2:4. https://doi.org/10.3389/neuro.06.004.2008"
)
CEILINGS = (
    "Nili H, Wingfield C, Walther A, Su L, Marslen-Wilson W, Kriegeskorte N (2014). A toolbox for representational "
    "similarity analysis. PLoS Computational Biology 10(4):e1003553. https://doi.org/10.1371/journal.pcbi.1003553"
)
INFERENCE = (
    "Schütt HH, Kipnis AD, Diedrichsen J, Kriegeskorte N (2023). Statistical inference on representational geometries. "
    "eLife 12:e82566. https://doi.org/10.7554/eLife.82566"
)


def write_report(
    path: str | Path,
    *,
    trace: Any,
    scores: xr.Dataset,
    rdms: xr.DataArray | None = None,
    brain: Any = None,
    best: xr.Dataset | None = None,
    control: xr.Dataset | None = None,
    title: str | None = None,
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write everything a run found into one HTML file that needs nothing else.

    Parameters
    ----------
    path : str or Path
        The file to write, usually ending in .html.
    trace : Trace or Graph
    scores : Dataset
        What ``compare_rdms`` or ``fit_encoding`` returned.
    rdms : DataArray (op, stimulus, stimulus_2), optional
        With ``brain.rdms``, drawn for the best op of each region.
    brain : loaded dataset, optional
        Its ``card`` (title, citation, licence) is quoted.
    best : Dataset, optional
        What ``assign_regions`` returned.
    control : Dataset, optional
        Scores of the same ops to draw beside, such as those of an untrained model.
    title : str, optional
    facts : mapping, optional
        More to say in the row of facts, such as ``{"weights": "IMAGENET1K_V1"}``.
    notes : sequence of str
        Said in a frame at the top: what a reader must know before believing a number.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    DataError
        When the file cannot be written.
    InputError, LabelError
        When the parts do not match.
    """
    if isinstance(notes, str):
        raise InputError(f"notes must be a list of sentences, got one string. Write notes=[{notes!r}].")
    graph = read_graph(trace)
    note = annotate_ops(scores, ops=list(graph.by_name), best=best)
    model = str(getattr(trace, "model_name", "") or "model")
    card = dict(getattr(brain, "card", None) or {})
    data = str(card.get("title", "")) or "brain"
    sections = []
    if best is not None:
        sections.append(_write_section("Best op per region", _write_best(note, best, scores)))
    sections.append(_write_section("Every op of the network", _write_graph(trace, scores, best)))
    profile = plot_profile(scores, best=best, graph=graph, control=control)
    sections.append(
        _write_section("Score along the network", _embed_figure(profile, "svg", "score of every op, by region"))
    )
    if rdms is not None and getattr(brain, "rdms", None) is not None:
        grid = plot_rdms(rdms, ops=_pick_ops(note, rdms), brain=brain.rdms, categories=_find_categories(brain, rdms))
        sections.append(
            _write_section("Dissimilarity matrices", _embed_figure(grid, "png", "matrices of model and brain"))
        )
    sections.append(_write_section("All scores", _write_scores(graph, note)))
    sections.append(_write_section("Methods", _write_methods(note, best, card)))
    template = Template(resources.files("neurolens.view").joinpath("assets/report.html").read_text(encoding="utf-8"))
    known = [
        ("model", model),
        ("ops", len(graph)),
        ("ops with scores", len(note.means)),
        ("stimuli", note.attrs.get("n_stimuli", "")),
        ("regions", ", ".join(note.regions)),
        ("comparator", note.attrs.get("comparator", "")),
        ("metric", note.attrs.get("metric", "")),
        *(facts or {}).items(),
    ]
    page = template.substitute(
        title=escape(title or f"{model} and {data}"),
        summary=escape(f"{model} compared with {data}. {describe_method(note.attrs)}"),
        notices=f'<ul class="notices">{"".join(f"<li>{escape(n)}</li>" for n in notes)}</ul>' if notes else "",
        facts="".join(f"<div><dt>{escape(k)}</dt><dd>{escape(str(v))}</dd></div>" for k, v in known if v != ""),
        sections="\n".join(sections),
    )
    path = Path(path)
    try:
        path.write_bytes(page.encode())
    except OSError as error:
        raise DataError(
            f"the report could not be written to {str(path)!r}: {error.strerror}. "
            "Give a path in an existing folder that you may write to."
        ) from None
    return path


def _write_section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{body}\n</section>"


def _write_best(note: Annotation, best: xr.Dataset, scores: xr.Dataset) -> str:
    colors = assign_region_colors(note.regions)
    heads = (
        "region", "op chosen on one half", "score on that half", "score held out", "noise ceiling", "splits agreeing",
        "naive maximum (biased: chosen and scored on the same stimuli)",
    )  # fmt: skip
    rows = []
    for i, region in enumerate(note.regions):
        row = best.sel({REGION: region})

        def show(key: str, digits: int = 3, row: xr.Dataset = row) -> str:
            return format_score(float(row[key]), digits) if key in row else "–"

        ceiling = format_interval(note.ceiling_lower[i], note.ceiling_upper[i]).strip(" []").replace(", ", "–")
        agreement = f"{float(row['agreement']):.0%}".replace("nan%", "–") if "agreement" in row else "–"
        naive = f"{row['naive_op'].item()} {show('naive_score')}" if "naive_op" in row else "–"
        rows.append(
            f'<tr><td class="text"><span class="dot" style="background:{colors[region]}"></span>{escape(region)}</td>'
            f'<td class="name"><b>{escape(str(row["best_op"].item()))}</b></td><td>{show("selection_score")}</td>'
            f"<td><b>{show('heldout_score')}</b></td><td>{ceiling or 'none'}</td><td>{agreement}</td>"
            f'<td class="name biased">{escape(naive)}</td></tr>'
        )
    sides = ("text", "text", "", "", "", "", "text")
    head = "".join(f'<th class="{side}">{escape(text)}</th>' for text, side in zip(heads, sides, strict=True))
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _write_graph(trace: Any, scores: xr.Dataset, best: xr.Dataset | None) -> str:
    drawing = draw_graph(trace, scores=scores, best=best)
    try:
        # Inside HTML the parser knows what svg means; the declarations would be the page's only addresses.
        svg = drawing.render_svg().replace(' xmlns="http://www.w3.org/2000/svg"', "")
        svg = svg.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
        return f'<div class="figure wide">{svg}</div>'
    except (MissingToolError, DataError) as error:
        return (
            f"<p>The graph is not drawn here: {escape(str(error))}</p>\n<details><summary>The graph as DOT text"
            f"</summary><pre>{escape(drawing.source)}</pre></details>"
        )


def _embed_figure(figure: Figure, fmt: str, alt: str) -> str:
    buffer = io.BytesIO()
    # No date and no program version, so that the same input gives the same bytes.
    keys = ("Date", "Creator", "Format", "Type") if fmt == "svg" else ("Software",)
    with apply_style():
        figure.savefig(buffer, format=fmt, dpi=180, metadata=dict.fromkeys(keys))
    kind = "svg+xml" if fmt == "svg" else fmt
    width = round(figure.get_figwidth() * 125)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<div class="figure"><img width="{width}" alt="{escape(alt)}" src="data:image/{kind};base64,{data}"></div>'


def _pick_ops(note: Annotation, rdms: xr.DataArray) -> dict[str, str] | None:
    known = {str(name) for name in rdms[OP].values}
    chosen = {note.regions[i]: name for name, places in note.best.items() for i in places if name in known}
    return {region: chosen[region] for region in note.regions if region in chosen} or None


def _find_categories(brain: Any, rdms: xr.DataArray) -> list[str] | None:
    table = getattr(getattr(brain, "stimuli", None), "metadata", None)
    ids = rdms["stimulus"].values.tolist()
    if table is None or "category" not in table or not set(ids) <= set(getattr(table, "index", ())):
        return None
    return [str(value) for value in table["category"].loc[ids]]


def _write_scores(graph: Any, note: Annotation) -> str:
    heads = [("#", "number", ""), ("op", "text", "text"), ("output", "text", "text")]
    heads += [(region, "number", "") for region in note.regions]
    head = "".join(
        f'<th data-kind="{kind}" class="{side}" scope="col"><button type="button">{escape(text)}</button></th>'
        for text, kind, side in heads
    )
    rows = []
    for op in graph:
        if op.name not in note.means:
            continue
        shape = format_shape(op.shape)
        cells = [
            f'<td data-value="{op.index}">{op.index}</td>'
            f'<td class="name" data-value="{escape(op.name)}">{escape(op.name)}</td>'
            f'<td class="text" data-value="{shape}">{shape}</td>'
        ]
        for i, (mean, share) in enumerate(zip(note.means[op.name], note.get_shares(op.name), strict=True)):
            fill = pick_color(share)
            star = "★ " if i in note.best.get(op.name, ()) else ""
            value = "" if np.isnan(mean) else f"{mean:.6g}"
            interval = format_interval(note.lows[op.name][i], note.highs[op.name][i])
            cells.append(
                f'<td data-value="{value}" style="background:{fill};color:{pick_text_color(fill)}">'
                f"{star}{format_score(mean)}{interval}</td>"
            )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<p class="muted">Mean score and {describe_interval(note.attrs)}; colour as in the graph. '
        "Click a heading to sort.</p>"
        f'<div class="scroll"><table class="sortable"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _write_methods(note: Annotation, best: xr.Dataset | None, card: dict[str, Any]) -> str:
    attrs = note.attrs
    sentences, sources = [], []
    if attrs.get("metric"):
        sentences.append(
            f"Representational dissimilarity matrices ({attrs['metric']}) of every op were compared with those of each "
            f"region by {attrs.get('comparator', 'the comparator named above')} (Kriegeskorte et al., 2008)."
        )
        sources.append(RSA)
    elif attrs.get("comparator"):
        sentences.append(f"Ops were compared with each region by {attrs['comparator']}.")
    if attrs.get("method") not in (None, "", "rsa"):
        sentences.append(f"Method: {str(attrs['method']).rstrip('.')}.")
    if note.has_ceiling.any():
        kind = f" ({attrs['ceiling_kind']})" if attrs.get("ceiling_kind") else ""
        sentences.append(f"Noise ceilings{kind} bound what any model can reach (Nili et al., 2014).")
        sentences.append("Colours show the score divided by the lower ceiling, clamped to 0–1.")
        sources.append(CEILINGS)
    if attrs.get("ceiling_note"):
        sentences.append(str(attrs["ceiling_note"]))
    if lacking := [r for r, has in zip(note.regions, note.has_ceiling, strict=True) if not has]:
        sentences.append(f"No noise ceiling for {', '.join(lacking)}: colours show raw scores from 0 to their maximum.")
    if any(np.isfinite(row).any() for row in note.lows.values()):
        sentences.append(f"Intervals are {describe_interval(attrs)}s; for what they cover see Schütt et al. (2023).")
        sources.append(INFERENCE)
    if best is not None:
        sentences.append(
            "The best op of a region was chosen on one half of the stimuli and scored on the other, with the same "
            "subjects in both; the maximum over all ops on all stimuli is biased upwards and given for comparison only."
        )
    parts = [f"<p>{escape(' '.join(sentences))}</p>"]
    if card:
        lines = [f"{key}: {card[key]}" for key in ("title", "citation", "licence") if card.get(key)]
        parts.append("<h2>Data</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>")
    if sources:
        parts.append("<h2>References</h2><ul>" + "".join(f"<li>{escape(text)}</li>" for text in sources) + "</ul>")
    parts.append(f'<p class="muted">{escape(_list_versions())}</p>')
    return "\n".join(parts)


def _list_versions() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {platform.python_version() if name == 'python' else metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} (not installed as a package)")
    return "Made with " + ", ".join(found) + "."
