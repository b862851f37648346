"""One self-contained HTML page with everything a run found: no network, no date.

Same input gives same bytes.
"""

import base64
import io
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

from neurolens.errors import DataError, InputError, MissingToolError
from neurolens.labels import OP, REGION, STIMULUS
from neurolens.view import style
from neurolens.view.annotation import Annotation, annotate_ops, describe_interval, describe_method
from neurolens.view.graph.dot import Drawing, draw_graph, write_file
from neurolens.view.graph.layout import read_graph
from neurolens.view.plots.profile import plot_profile, plot_rdms

PACKAGES = ("neurolens", "torch", "numpy", "xarray")
RSA = (
    "Kriegeskorte N, Mur M, Bandettini P (2008). Representational similarity analysis – connecting "
    "the branches of "
    "systems neuroscience. Frontiers in Systems Neuroscience 2:4. "
    "https://doi.org/10.3389/neuro.06.004.2008"
)
CEILINGS = (
    "Nili H, Wingfield C, Walther A, Su L, Marslen-Wilson W, Kriegeskorte N (2014). A toolbox for "
    "representational "
    "similarity analysis. PLoS Computational Biology 10(4):e1003553. "
    "https://doi.org/10.1371/journal.pcbi.1003553"
)
INFERENCE = (
    "Schütt HH, Kipnis AD, Diedrichsen J, Kriegeskorte N (2023). Statistical inference on "
    "representational geometries. "
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
        raise InputError(
            f"notes must be a list of sentences, got one string. Write notes=[{notes!r}]."
        )
    graph = read_graph(trace)
    note = annotate_ops(scores, ops=list(graph.by_name), best=best)
    model = str(getattr(trace, "model_name", "") or "model")
    card = getattr(brain, "card", None) or {}
    data = card.get("title") or "brain"
    matrices = None
    if rdms is not None and getattr(brain, "rdms", None) is not None:
        categories = _find_categories(brain, rdms)
        grid = plot_rdms(rdms, ops=_pick_ops(note, rdms), brain=brain.rdms, categories=categories)
        matrices = _embed_figure(grid, "png")
    methods, sources = _describe_methods(note, best is not None)
    text = (
        resources.files("neurolens.view").joinpath("assets/report.html").read_text(encoding="utf-8")
    )
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(
        text
    )
    html = page.render(
        title=title or f"{model} and {data}",
        summary=f"{model} compared with {data}. {describe_method(note.attrs)}",
        notes=notes,
        facts={
            "model": model,
            "ops": len(graph),
            "ops with scores": len(note.means),
            "stimuli": note.attrs.get("n_stimuli", ""),
            "regions": ", ".join(note.regions),
            "comparator": note.attrs.get("comparator", ""),
            "metric": note.attrs.get("metric", ""),
            **(facts or {}),
        },
        best=list_best_ops(scores, best) if best is not None else [],
        colors=note.colors,
        graph=_embed_drawing(draw_graph(trace, scores=scores, best=best)),
        profile=_embed_figure(plot_profile(scores, best=best, graph=graph, control=control), "svg"),
        matrices=matrices,
        interval=describe_interval(note.attrs),
        regions=list(note.regions),
        scores=[
            (op, style.format_shape(op.shape), _list_cells(note, op.name))
            for op in graph
            if op.name in note.means
        ],
        methods=methods,
        card=[f"{key}: {card[key]}" for key in ("title", "citation", "licence") if card.get(key)],
        sources=sources,
        versions=[f"python {platform.python_version()}", *map(_name_version, PACKAGES)],
    )
    return write_file(path, html.encode(), "the report")


def list_best_ops(scores: xr.Dataset, best: xr.Dataset) -> list[list[str]]:
    """Return a row of text per region, to be shown as a table.

    Its cells: region, best op, its score where it was chosen and where it was held out, noise
    ceiling, share of splits that agree, naive maximum.
    """
    rows = []
    for region in scores[REGION].values:
        row = best.sel({REGION: region})
        chosen, held_out, naive = (
            style.format_score(row[f"{kind}_score"].item(), 3)
            for kind in ("selection", "heldout", "naive")
        )
        bounds = (
            scores[f"ceiling_{side}"].sel({REGION: region}).item() for side in ("lower", "upper")
        )
        ceiling = style.format_interval(*bounds).strip(" []").replace(", ", "–") or "none"
        agreement = f"{row['agreement'].item():.0%}".replace("nan%", "–")
        naive = f"{row['naive_op'].item()} {naive}"
        rows.append(
            [str(region), str(row["best_op"].item()), chosen, held_out, ceiling, agreement, naive]
        )
    return rows


def _embed_drawing(drawing: Drawing) -> dict[str, str]:
    try:
        # Inside HTML the parser knows what svg means; the declarations would be the page's only
        # addresses.
        svg = drawing.render_svg().replace(' xmlns="http://www.w3.org/2000/svg"', "")
        return {"svg": svg.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")}
    except (MissingToolError, DataError) as error:
        return {"svg": "", "reason": str(error), "source": drawing.source}


def _embed_figure(figure: Figure, fmt: str) -> dict[str, Any]:
    buffer = io.BytesIO()
    # No date and no program version, so that the same input gives the same bytes.
    keys = ("Date", "Creator", "Format", "Type") if fmt == "svg" else ("Software",)
    with style.apply_style():
        figure.savefig(buffer, format=fmt, dpi=180, metadata=dict.fromkeys(keys))
    kind = "svg+xml" if fmt == "svg" else fmt
    data = base64.b64encode(buffer.getvalue()).decode()
    return {
        "width": round(figure.get_figwidth() * 125),
        "source": f"data:image/{kind};base64,{data}",
    }


def _pick_ops(note: Annotation, rdms: xr.DataArray) -> dict[str, str] | None:
    known = {str(name) for name in rdms[OP].values}
    chosen = {
        note.regions[i]: name for name, places in note.best.items() for i in places if name in known
    }
    return {region: chosen[region] for region in note.regions if region in chosen} or None


def _find_categories(brain: Any, rdms: xr.DataArray) -> list[str] | None:
    table = getattr(getattr(brain, "stimuli", None), "metadata", None)
    ids = rdms[STIMULUS].values.tolist()
    if table is None or "category" not in table or not set(ids) <= set(table.index):
        return None
    return [str(value) for value in table["category"].loc[ids]]


def _list_cells(note: Annotation, name: str) -> list[dict[str, str]]:
    """Return, per region, the text of an op's score, its colours and the value to sort by."""
    cells = []
    for i, (mean, share) in enumerate(zip(note.means[name], note.get_shares(name), strict=True)):
        fill = style.pick_color(share)
        star = "★ " if i in note.best.get(name, ()) else ""
        text = (
            star
            + style.format_score(mean)
            + style.format_interval(note.lows[name][i], note.highs[name][i])
        )
        value = "" if np.isnan(mean) else f"{mean:.6g}"
        cells.append(
            {"text": text, "value": value, "fill": fill, "ink": style.pick_text_color(fill)}
        )
    return cells


def _describe_methods(note: Annotation, has_best: bool) -> tuple[list[str], list[str]]:
    """Return sentences on how the scores were made, and the papers they cite."""
    attrs = {key: str(value) for key, value in note.attrs.items() if value}
    comparator = attrs.get("comparator", "")
    kind = f" ({attrs['ceiling_kind']})" if "ceiling_kind" in attrs else ""
    lacking = ", ".join(r for r, has in zip(note.regions, note.has_ceiling, strict=True) if not has)
    sentences = []
    sources = []
    if "metric" in attrs:
        sentences.append(
            f"Representational dissimilarity matrices ({attrs['metric']}) of every op were "
            f"compared with those of each "
            f"region by {comparator or 'the comparator named above'} (Kriegeskorte et al., 2008)."
        )
        sources.append(RSA)
    elif comparator:
        sentences.append(f"Ops were compared with each region by {comparator}.")
    if attrs.get("method", "rsa") != "rsa":
        sentences.append(f"Method: {attrs['method'].rstrip('.')}.")
    if note.has_ceiling.any():
        sentences.append(
            f"Noise ceilings{kind} bound what any model can reach (Nili et al., 2014)."
        )
        sentences.append("Colours show the score divided by the lower ceiling, clamped to 0–1.")
        sources.append(CEILINGS)
    if "ceiling_note" in attrs:
        sentences.append(attrs["ceiling_note"])
    if lacking:
        sentences.append(
            f"No noise ceiling for {lacking}: colours show raw scores from 0 to their maximum."
        )
    if note.has_intervals:
        sentences.append(
            f"Intervals are {describe_interval(attrs)}s; for what they cover see Schütt et al. "
            f"(2023)."
        )
        sources.append(INFERENCE)
    if has_best:
        sentences.append(
            "The best op of a region was chosen on one half of the stimuli and scored on the "
            "other, with the same "
            "subjects in both; the maximum over all ops on all stimuli is biased upwards and given "
            "for comparison only."
        )
    return sentences, sources


def _name_version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} (not installed as a package)"
