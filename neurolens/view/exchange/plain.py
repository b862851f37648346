"""The graph and its scores as JSON of our own; docs/exchange.md documents it."""

from pathlib import PurePath
from typing import Any

import xarray as xr

from neurolens.extract.graph.ops import Op, Parent, TensorSpec
from neurolens.labels import OP, REGION, SUBJECT
from neurolens.view.exchange.content import Content, find_marks, list_rows, read_content
from neurolens.view.exchange.documents import JsonDocument, make_plain

FORMAT = "neurolens-graph"
VERSION = 1


def to_json(
    trace: Any, *, scores: xr.Dataset | None = None, best: xr.Dataset | None = None
) -> JsonDocument:
    """Return the graph, and what scores say about each op, as plain values for JSON.

    >>> to_json(trace, scores=scores).save("graph.json")  # doctest: +SKIP

    Parameters
    ----------
    trace : Trace or Graph
    scores : Dataset, optional
        Of ops of this graph, in any order.
    best : Dataset, optional
        What ``assign_regions`` returned.

    Returns
    -------
    JsonDocument
        A dict as docs/exchange.md documents it, with ``version``; ``.save(path)`` writes it. NaN is
        null. Numbers are not rounded. Of source lines, the file's name is kept and not its folder.

    Raises
    ------
    InputError, LabelError
        An argument is something else; scores or best ops name ops that the graph lacks.
    """
    content = read_content(trace, scores, best)
    graph = content.graph
    document = {
        "format": FORMAT,
        "version": VERSION,
        "model": content.model or None,
        "inputs": [{"name": name, **_describe_tensor(one)} for name, one in graph.inputs.items()],
        "outputs": [_describe_parent(parent) for parent in graph.outputs],
        "modules": dict(graph.modules),
        "ops": [_describe_op(op, content) for op in graph],
        "edges": [[parent, op.name] for op in graph for parent in op.parent_ops],
        "host_reads": [
            {"function": read.function, "parent": read.parent, "after": read.after}
            for read in graph.host_reads
        ],
        "scores": _describe_scores(content),
        "best": _describe_best(content),
    }
    return JsonDocument(make_plain(document))


def _describe_tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"shape": list(spec.shape), "dtype": spec.dtype}


def _describe_parent(parent: Parent) -> dict[str, Any]:
    return {
        "kind": parent.kind,
        "source": parent.source,
        "output": parent.output,
        "position": parent.position,
    }


def _describe_op(op: Op, content: Content) -> dict[str, Any]:
    n_parameters, flops = content.costs.get(op.name, (None, None))
    return {
        "name": op.name,
        "index": op.index,
        "function": op.function,
        "call": op.call,
        "settings": op.settings,
        "module": op.module,
        "module_class": op.module_class,
        "module_call": op.module_call,
        "site": op.site,
        "pass": op.pass_number,
        "time_step": op.time_step,
        "parents": [_describe_parent(parent) for parent in op.parents],
        "outputs": [_describe_tensor(spec) for spec in op.outputs],
        "alias_of": op.alias_of or None,
        "n_parameters": n_parameters,
        "flops": flops,
        "source": PurePath(op.source.replace("\\", "/")).name,
    }


def _describe_scores(content: Content) -> dict[str, Any] | None:
    """Return scores by op and region, with their attributes."""
    if content.scores is None or content.note is None:
        return None
    scores = content.scores
    note = content.note
    table = scores["score"].transpose(OP, REGION, SUBJECT)
    return {
        "attributes": {str(key): value for key, value in scores.attrs.items()},
        "regions": list(note.regions),
        "subjects": [str(name) for name in scores[SUBJECT].values],
        "ceilings": {
            region: {"lower": float(note.ceiling_lower[i]), "upper": float(note.ceiling_upper[i])}
            for i, region in enumerate(note.regions)
        },
        "by_op": list_rows(content),
        "by_subject": {
            str(op): values for op, values in zip(scores[OP].values, table.values, strict=True)
        },
    }


def _describe_best(content: Content) -> dict[str, Any] | None:
    """Return the best op of each region, its held-out score, and ops that tie with it."""
    note = content.note
    if note is None or not (note.best or note.ties or note.notes):
        return None
    regions = {}
    for i, region in enumerate(note.regions):
        chosen = [op for op in note.best if region in find_marks(note.best, op, note)]
        regions[region] = {
            "op": chosen[0] if chosen else None,
            "heldout": float(note.heldout[i]),
            "doubtful": bool(note.doubtful[i]),
            "ties": [op for op in note.ties if region in find_marks(note.ties, op, note)],
        }
    return {"regions": regions, "notes": note.notes}
