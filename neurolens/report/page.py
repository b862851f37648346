"""One self-contained HTML page with the results of a run, without network access or date.

The same input gives the same bytes.
"""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import xarray as xr

from neurolens.errors import InputError
from neurolens.report.methods import write_paragraph
from neurolens.report.sections import (
    embed_drawing,
    embed_figure,
    find_categories,
    list_best_ops,
    list_cells,
    list_versions,
    pick_matrices,
)
from neurolens.scores import list_references, read_scores
from neurolens.view import style
from neurolens.view.annotation import (
    Annotation,
    annotate_ops,
    describe_interval,
    describe_method,
)
from neurolens.view.graph.dot import check_path, draw_graph, write_file
from neurolens.view.graph.layout import read_graph
from neurolens.view.plots.profile import plot_profile
from neurolens.view.plots.rdms import plot_rdms

CARD_FIELDS = ("title", "citation", "licence")


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
    """Write the results of a run into one self-contained HTML file.

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
        More for the row of facts, such as ``{"weights": "IMAGENET1K_V1"}``.
    notes : sequence of str
        Shown in a frame at the top: what a reader must know before believing a number.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    DataError
        When the file cannot be written.
    InputError, LabelError
        When the parts are not what they should be, or do not match.
    """
    path = check_path(path, "the report", "write_report('report.html', trace=trace, scores=scores)")
    if isinstance(notes, str):
        raise InputError(
            f"notes must be a list of sentences, got one string. Write notes=[{notes!r}]."
        )
    graph = read_graph(trace)
    scores = read_scores(scores, "write_report")
    annotation = annotate_ops(scores, ops=list(graph.by_name), best=best)
    model = str(getattr(trace, "model_name", "") or "model")
    card = getattr(brain, "card", None) or {}
    data = card.get("title") or "brain"
    profile = plot_profile(scores, best=best, graph=graph, control=control)
    values = {
        "title": title or f"{model} and {data}",
        "summary": f"{model} compared with {data}. {describe_method(annotation.attrs)}",
        "notes": notes,
        "facts": _list_facts(model, len(graph), annotation) | dict(facts or {}),
        "best": list_best_ops(scores, best) if best is not None else [],
        "best_notes": list(annotation.notes.values()),
        "colors": annotation.colors,
        "graph": embed_drawing(draw_graph(trace, scores=scores, best=best)),
        "profile": embed_figure(profile, "svg"),
        "matrices": _draw_matrices(annotation, rdms, brain),
        "interval": describe_interval(annotation.attrs),
        "meaning": annotation.describe_colors(),
        "regions": list(annotation.regions),
        "scores": [
            (op, style.format_shape(op.shape), list_cells(annotation, op.name))
            for op in graph
            if op.name in annotation.means
        ],
        "methods": write_paragraph(annotation, has_best=best is not None),
        "card": [f"{key}: {card[key]}" for key in CARD_FIELDS if card.get(key)],
        "sources": list_references(annotation.attrs),
        "versions": list_versions(),
    }
    return write_file(path, _fill_template(values).encode(), "the report")


def _fill_template(values: Mapping[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined

    text = resources.files("neurolens.report").joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(text).render(values)


def _list_facts(model: str, n_ops: int, annotation: Annotation) -> dict[str, Any]:
    """Return the row of facts; the template leaves out empty ones."""
    attrs = annotation.attrs
    return {
        "model": model,
        "ops": n_ops,
        "ops with scores": len(annotation.means),
        "stimuli": attrs.get("n_stimuli", ""),
        "regions": ", ".join(annotation.regions),
        "method": attrs["method"],
        "measure": attrs["measure"],
        "dissimilarity": attrs.get("dissimilarity", ""),
        "estimator": attrs.get("estimator", ""),
    }


def _draw_matrices(
    annotation: Annotation, rdms: xr.DataArray | None, brain: Any
) -> dict[str, Any] | None:
    """Return the RDMs of best ops and regions as a picture, where both sides have some."""
    brain_rdms = getattr(brain, "rdms", None)
    if rdms is None or brain_rdms is None:
        return None
    categories = find_categories(brain, rdms)
    ops = pick_matrices(annotation, rdms)
    return embed_figure(plot_rdms(rdms, ops=ops, brain=brain_rdms, categories=categories), "png")
