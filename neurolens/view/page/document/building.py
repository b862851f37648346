"""The whole document, from results: `build_document`."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from neurolens.errors import InputError
from neurolens.extract.graph.graph import Graph
from neurolens.labels import REGION, STIMULUS
from neurolens.scores import read_scores
from neurolens.view.annotation import (
    OUTPUTS_NOTE,
    Annotation,
    annotate_ops,
    describe_interval,
    describe_method,
    fold_best,
    fold_outputs,
)
from neurolens.view.graph.reading import read_graph
from neurolens.view.page.document.activations import describe_activations
from neurolens.view.page.document.graph import describe_graph
from neurolens.view.page.document.measure import describe_measure
from neurolens.view.page.document.methods import write_paragraphs
from neurolens.view.page.document.provenance import list_provenance, list_versions
from neurolens.view.page.document.rdms import describe_rdms
from neurolens.view.page.document.regions import (
    describe_contrast,
    describe_regions,
    list_controls_of,
)
from neurolens.view.page.document.scores import (
    Compared,
    check_ops,
    describe_scores,
    find_shown_bin,
    list_controls,
    match_controls,
    select_bin,
)
from neurolens.view.page.document.stimuli import describe_stimuli
from neurolens.view.page.document.summary import write_summary

SCHEMA = 2
BRAIN_PARTS = ("rdms", "stimuli", "card")
NO_MEASURE = {
    "name": "", "symbol": "", "stimuli": None, "interval": "", "heldoutInterval": "",
    "splits": None, "permutations": None, "control": None,
}  # fmt: skip


def build_document(
    trace: Any,
    scores: xr.Dataset | None = None,
    *,
    best: xr.Dataset | None = None,
    control: Any = None,
    rdms: xr.DataArray | None = None,
    brain: Any = None,
    stimuli: Any = None,
    activations: Any = None,
    title: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all that the page shows, ready to be written as JSON.

    Parameters
    ----------
    trace : Trace or Graph
        A Trace has the costs of its ops as well.
    scores : Dataset, optional
        Any that functions of ``compare`` return. The attribute ``badge`` is shown beside the title
        ("scores invented").
    best : Dataset, optional
        What ``assign_regions`` returned.
    control : Dataset, (label, Dataset), (label, Dataset, trace), a list or mapping, optional
        Scores made in the same way from the same stimuli: of random weights, or with its trace of
        another network. Their labels are those of the controls of ``best``, if it has any.
    rdms : DataArray (op, stimulus, stimulus_2), optional
    brain : loaded dataset or DataArray, optional
        Its ``rdms``, ``stimuli`` and ``card`` are used where they are there; or RDMs alone.
    stimuli : StimulusSet or array, optional
        As for `describe_stimuli`; ``()`` for none, also where ``brain`` has some.
    activations : (trace, ids), optional
        As for `describe_activations`.
    title : str, optional
    facts : mapping, optional
        Names and values for the table of provenance.

    Returns
    -------
    dict
        Schema 2; `neurolens.view.page.document` lists its parts. Numbers have four significant
        digits, NaN is None.

    Raises
    ------
    InputError, LabelError
        When a part is not what it should be, or does not match the others.
    """
    graph = read_graph(trace)
    facts = dict(facts or {})
    model = str(getattr(trace, "model_name", "") or "model")
    card = getattr(brain, "card", None) or {}
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "title": title or _name_page(model, card),
        "badges": [],
        "facts": [f"{len(graph)} operations"],
        "notes": [],
        "methods": [],
        "references": [],
        "command": str(facts.pop("command", "")),
        "provenance": [],
        "versions": list_versions(),
        "summary": [],
        "measure": dict(NO_MEASURE),
        "regions": [],
        "models": [],
        "contrasts": {},
        "graph": describe_graph(trace, graph),
        "brain": None,
        "sections": [],
        "downloads": [],
    }
    attrs: Mapping[str, Any] = {}
    if scores is not None:
        scores = read_scores(scores, "the page", over_time=True)
        attrs = scores.attrs
        document |= _describe_results(graph, scores, best, list_controls(control, scores), model)
    document["provenance"] = list_provenance(facts, attrs, getattr(rdms, "attrs", {}))
    return document | _describe_stimuli(
        graph, document, rdms, brain, stimuli=stimuli, activations=activations
    )


def _name_page(model: str, card: Mapping[str, Any]) -> str:
    return f"{model} and {card['title']}" if card.get("title") else model


def _describe_results(
    graph: Graph,
    scores: xr.Dataset,
    best: xr.Dataset | None,
    controls: list[Compared],
    model: str,
) -> dict[str, Any]:
    """Return the parts that follow from scores."""
    ops = [op.name for op in graph]
    index = {name: i for i, name in enumerate(ops)}
    shown = find_shown_bin(scores)
    scores = fold_outputs(scores, ops)
    best = fold_best(best, ops)
    check_ops(scores, ops, "scores")
    annotation = annotate_ops(select_bin(scores, shown), ops=ops, best=best)
    if best is not None:
        best = best.sel(region=list(annotation.regions))
    match_controls(controls, [] if best is None else list_controls_of(best))
    described: dict[str, Any] = {
        "badges": [str(scores.attrs["badge"])] if scores.attrs.get("badge") else [],
        "facts": _list_facts(annotation, len(graph)),
        "notes": [str(scores.attrs[name]) for name in (OUTPUTS_NOTE,) if name in scores.attrs],
        "methods": write_paragraphs(annotation, best, len(graph), model),
        "measure": describe_measure(scores, best, name_controls(best, controls)),
        "regions": describe_regions(scores, best, index, shown),
        "models": [_describe_model(Compared("model", model, scores), ops, shown, best)],
        "contrasts": _describe_contrasts(best, controls),
    }
    for one in controls:
        described["models"].append(_describe_model(one, ops, shown, None))
    described["summary"] = write_summary(described, scores.attrs, best)
    return described


def _describe_model(
    one: Compared, ops: list[str], shown: int | None, best: xr.Dataset | None
) -> dict[str, Any]:
    """Return the scores of one model, and its graph where it has one of its own."""
    own = None
    if one.trace is not None:
        graph = read_graph(one.trace)
        own = describe_graph(one.trace, graph)
        ops = [op.name for op in graph]
    scores = fold_outputs(one.scores, ops)
    if one.id != "model":
        check_ops(scores, ops, "control")
    return {
        "id": one.id,
        "label": one.label,
        "scores": describe_scores(scores, ops, shown, best),
        "graph": own,
        "rdms": None,
    }


def _describe_contrasts(
    best: xr.Dataset | None, controls: list[Compared]
) -> dict[str, dict[str, Any]]:
    """Return the paired tests against each control that ``best`` holds."""
    contrasts: dict[str, dict[str, Any]] = {}
    if best is None:
        return contrasts
    tested = list_controls_of(best)
    for one in controls:
        for region in map(str, best[REGION].values) if one.label in tested else ():
            contrast = describe_contrast(best.sel(region=region), one.label)
            if contrast is not None:
                contrasts.setdefault(one.id, {})[region] = contrast
    return contrasts


def name_controls(best: xr.Dataset | None, controls: list[Compared]) -> str | None:
    """Return the label of the control, words for several, None without any."""
    labels = [] if best is None else list_controls_of(best)
    labels = labels or [one.label for one in controls]
    return labels[0] if len(labels) == 1 else "the closest control" if labels else None


def _list_facts(annotation: Annotation, n_ops: int) -> list[str]:
    n_scored = len(annotation.means)
    scored = "" if n_scored == n_ops else f", {n_scored} with scores"
    facts = [
        f"{n_ops} operations{scored}",
        describe_method(annotation.attrs),
        describe_interval(annotation.attrs),
    ]
    return [fact for fact in facts if fact]


def _find_rdms(brain: Any) -> Any:
    """Return the RDMs that are a brain, or that it holds; raise InputError for what is neither."""
    if isinstance(brain, xr.DataArray):
        return brain
    if brain is not None and not any(hasattr(brain, name) for name in BRAIN_PARTS):
        raise InputError(
            f"brain must be what load_dataset returned, or RDMs of the brain, got "
            f"{type(brain).__name__}. Pass brain=load_dataset(...), or "
            "brain=compute_rdms(responses).",
            anchor="wrong-object",
        )
    return getattr(brain, "rdms", None)


def _describe_stimuli(
    graph: Graph,
    document: Mapping[str, Any],
    rdms: xr.DataArray | None,
    brain: Any,
    *,
    stimuli: Any,
    activations: Any,
) -> dict[str, Any]:
    """Return RDMs, small pictures of stimuli, activation maps, and notes on what is left out."""
    index = {op.name: op.index for op in graph}
    stimuli = getattr(brain, "stimuli", None) if stimuli is None else stimuli
    if isinstance(stimuli, tuple) and not stimuli:
        stimuli = None
    matrices, notes = describe_rdms(rdms, _find_rdms(brain), index, _list_first(document))
    ids = None if rdms is None else rdms[STIMULUS].values.tolist()
    sheet, more = describe_stimuli(stimuli, ids, _find_category(rdms))
    names = sheet["ids"] if sheet else []
    maps, rest = describe_activations(activations, graph, names, hidden=bool(more))
    return {
        "rdms": matrices,
        "stimuli": sheet,
        "activations": maps,
        "notes": [*document["notes"], *notes, *more, *rest],
    }


def _list_first(document: Mapping[str, Any]) -> list[int]:
    """Return the ops whose RDMs are in the file first: best ops, and those tied with them."""
    first = [region["best"]["op"] for region in document["regions"] if region["best"]]
    for scores in document["models"][0]["scores"].values() if document["models"] else ():
        first += scores["ties"]
    return first


def _find_category(rdms: xr.DataArray | None) -> list | None:
    """Return the category of each stimulus of RDMs, where they have it."""
    if rdms is None or "category" not in rdms.coords or rdms["category"].dims != (STIMULUS,):
        return None
    return rdms["category"].values.tolist()
