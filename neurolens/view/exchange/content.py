"""A graph, and what scores say about its ops, read once for every format."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.errors import InputError
from neurolens.extract.graph.graph import Graph
from neurolens.labels import OP, REGION
from neurolens.scores import read_scores
from neurolens.view.annotation import Annotation, annotate_ops, fold_outputs

TESTS = ("p", "q", "p_max")


class Content(NamedTuple):
    """``scores`` and ``note`` are None without scores; ``costs`` (parameters, FLOPs) by op."""

    graph: Graph
    model: str
    costs: dict[str, tuple[int | None, int | None]]
    scores: xr.Dataset | None
    note: Annotation | None


def read_content(trace: Any, scores: Any = None, best: Any = None) -> Content:
    """Return a trace or graph with its scores, checked against each other.

    Raises
    ------
    InputError
        One of them is something else, or there is ``best`` without scores.
    LabelError
        Scores or best ops name ops that the graph lacks.
    """
    graph = getattr(trace, "graph", trace)
    if not isinstance(graph, Graph):
        raise InputError(
            f"a Trace or a Graph is needed, got {type(trace).__name__}. Pass trace(model, inputs).",
            anchor="wrong-object",
        )
    if best is not None and scores is None:
        raise InputError("best= are best ops of scores. Pass scores= too.")
    note = None
    if scores is not None:
        scores = read_scores(scores, "an export")
        ops = [op.name for op in graph]
        note = annotate_ops(scores, ops=ops, best=best)
        scores = fold_outputs(scores, ops)
    model = str(getattr(trace, "model_name", ""))
    return Content(graph, model, _read_costs(trace), scores, note)


def _read_costs(trace: Any) -> dict[str, tuple[int | None, int | None]]:
    """Return parameters and FLOPs by op; none of a Graph, which does not know them."""
    if not hasattr(trace, "table"):
        return {}
    table = trace.table()
    columns = [table[name].tolist() for name in ("n_parameters", "flops")]
    rows = zip(table.index, *columns, strict=True)
    return {str(name): (_read_count(n), _read_count(flops)) for name, n, flops in rows}


def _read_count(value: Any) -> int | None:
    """Return a count, None where it is unknown."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def list_rows(content: Content) -> dict[str, dict[str, dict[str, float]]]:
    """Return what is known of each op and region: op -> region -> name of the number -> number.

    Numbers are ``mean``, ``low``, ``high``, ``share`` of the lower ceiling, and p, q, p_max where
    they were computed; NaN where there is none.
    """
    if content.scores is None or content.note is None:
        return {}
    note = content.note
    scores = content.scores
    ceiling = np.where(note.has_ceiling, note.ceiling_lower, np.nan)
    tables = {
        "mean": np.array(list(note.means.values())),
        "low": np.array(list(note.lows.values())),
        "high": np.array(list(note.highs.values())),
    }
    tables["share"] = tables["mean"] / ceiling
    for name in TESTS:
        if name in scores:
            tables[name] = scores[name].transpose(OP, REGION).values.astype(float)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for row, op in enumerate(note.means):
        rows[op] = {}
        for i, region in enumerate(note.regions):
            rows[op][region] = {name: float(table[row, i]) for name, table in tables.items()}
    return rows


def find_marks(marks: dict[str, tuple[int, ...]], op: str, note: Annotation) -> list[str]:
    """Return the regions by which an op is marked, as best op or tie."""
    return [note.regions[i] for i in marks.get(op, ())]
