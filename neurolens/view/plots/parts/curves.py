"""Scores of one model or several, read and put in order for profiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.extract.graph.graph import Graph
from neurolens.labels import OP, REGION, TIME_BIN, align_labels, list_names
from neurolens.scores import read_scores
from neurolens.view.annotation import annotate_ops, fold_best, fold_outputs
from neurolens.view.plots.parts.bands import Band, find_bands, name_modules

# More lines in one panel cannot be told apart.
MOST_MODELS = 8
# Attributes that scores on one axis must share.
ALIKE = ("method", "measure")


@dataclass(frozen=True)
class Curve:
    """The scores of one model along its ops.

    Attributes
    ----------
    label : str
        ``""`` for a single model.
    scores : Dataset
        Ops in the order of drawing.
    best : Dataset or None
        With the regions of the scores.
    modules : list of str
        The module of each op.
    in_order : bool
        Whether ops stand in the order in which the user passed them.
    """

    label: str
    scores: xr.Dataset
    best: xr.Dataset | None
    modules: list[str]
    in_order: bool

    @property
    def ops(self) -> list[str]:
        """Names of ops, in the order of drawing."""
        return [str(name) for name in self.scores[OP].values]

    @property
    def bands(self) -> list[Band]:
        """The modules along the network."""
        return find_bands(self.modules)

    def get_places(self, *, relative: bool) -> np.ndarray:
        """Return where ops stand on the x axis: 0, 1, 2 ..., or from 0 to 1."""
        n = self.scores.sizes[OP]
        return np.arange(n) / max(1, n - 1) if relative else np.arange(float(n))


def read_curves(scores: Any, best: Any, graph: Any, *, time_bin: Any, consumer: str) -> list[Curve]:
    """Return one curve, or one per model of a mapping, all with the same regions in one order."""
    if isinstance(scores, list | tuple):
        raise InputError(
            f"{consumer} takes scores, or several by name, got a {type(scores).__name__}. Pass "
            "{'trained': scores, 'random weights': control}.",
            anchor="wrong-object",
        )
    if isinstance(scores, xr.Dataset) or not isinstance(scores, Mapping):
        return [_read_curve("", scores, best, graph, time_bin, consumer)]
    _check_models(scores, {"best": best, "graph": graph}, consumer)
    curves = []
    for name, one in scores.items():
        chosen = best.get(name) if best is not None else None
        own = graph.get(name) if graph is not None else None
        curves.append(_read_curve(str(name), one, chosen, own, time_bin, consumer))
    for name in ALIKE:
        kinds = {str(curve.scores.attrs[name]) for curve in curves}
        if len(kinds) > 1:
            raise InputError(
                f"{consumer} draws models on one axis, which needs scores of one {name}, got "
                f"{list_names(sorted(kinds))}. Make all of them in the same way.",
                anchor="scores-made-differently",
            )
    first = [str(name) for name in curves[0].scores[REGION].values]
    for curve in curves[1:]:
        aligned = align_labels(
            curve.scores, first, name=curve.label, other=curves[0].label, dims=[REGION]
        )
        curves[curves.index(curve)] = Curve(
            curve.label, aligned, curve.best, curve.modules, curve.in_order
        )
    return curves


def _check_models(scores: Mapping, others: Mapping[str, Any], consumer: str) -> None:
    """Raise InputError unless all of ``others`` are mappings with names of models too."""
    if not 1 <= len(scores) <= MOST_MODELS:
        raise InputError(
            f"{consumer} draws 1 to {MOST_MODELS} models on one axis, got {len(scores)}. Pass "
            f"fewer."
        )
    labels = [str(name) for name in scores]
    if len(set(labels)) < len(labels):
        raise InputError(f"names of models must differ as text, got {list_names(labels)}.")
    for name, other in others.items():
        is_named = isinstance(other, Mapping) and not isinstance(other, xr.Dataset)
        if other is not None and not (is_named and set(other) <= set(scores)):
            got = list_names(list(other)) if is_named else type(other).__name__
            raise InputError(
                f"with several models {name} must be a mapping with the names of models, "
                f"{list_names(list(scores))}, got {got}. Pass {name}={{name: ..., ...}}."
            )


def _read_curve(
    label: str, scores: Any, best: Any, graph: Any, time_bin: Any, consumer: str
) -> Curve:
    scores = select_time(read_scores(scores, consumer, over_time=True), time_bin, consumer)
    graph = None if graph is None else read_graph(graph)
    ops = None if graph is None else list(graph.by_name)
    annotate_ops(scores, ops=ops, best=best)
    if ops is not None:
        scores = fold_outputs(scores, ops)
        best = fold_best(best, ops)
    given = [str(name) for name in scores[OP].values]
    modules = None
    ordered = given
    if graph is not None:
        modules = {op.name: op.module for op in graph}
        ordered = [op.name for op in graph if op.name in set(given)]
    if best is not None:
        regions = [str(name) for name in scores[REGION].values]
        best = align_labels(best, regions, name="best", other="scores", dims=[REGION])
    scores = scores.sel({OP: ordered})
    return Curve(label, scores, best, name_modules(ordered, modules), ordered == given)


def read_graph(graph: Any) -> Graph:
    """Return the Graph of a trace, or the Graph itself; raise InputError for anything else."""
    found = getattr(graph, "graph", graph)
    if not isinstance(found, Graph):
        raise InputError(
            f"graph must be a Trace or a Graph, got {type(graph).__name__}. Pass "
            f"graph=trace(model, inputs).",
            anchor="wrong-object",
        )
    return found


def select_time(scores: xr.Dataset, time_bin: Any, consumer: str) -> xr.Dataset:
    """Return the scores of one time bin, by its label; raise an error that lists them."""
    if TIME_BIN not in scores.dims:
        if time_bin is not None:
            raise InputError(
                f"these scores have no time bins, got time_bin={time_bin!r}. Leave it out.",
                anchor="one-time-bin",
            )
        return scores
    labels = scores[TIME_BIN].values.tolist()
    if time_bin is None:
        raise InputError(
            f"{consumer} takes one time bin, and these scores have {len(labels)}: "
            f"{list_names(labels)}. Pass time_bin={labels[0]!r}, or draw all with "
            f"neurolens.view.plot_times(scores).",
            anchor="one-time-bin",
        )
    if time_bin not in labels:
        raise LabelError(
            f"these scores have no time bin {time_bin!r}; they have {list_names(labels)}. Pass one "
            f"of these.",
            anchor="one-time-bin",
        )
    return scores.isel({TIME_BIN: labels.index(time_bin)}, drop=True)


def align_control(control: Any, curve: Curve, time_bin: Any, consumer: str) -> xr.Dataset:
    """Return scores of a control for the ops and regions of a curve, matched by label."""
    caller = f"{consumer}(control=...)"
    if isinstance(control, Mapping) and not isinstance(control, xr.Dataset):
        if len(control) != 1:
            raise InputError(
                f"{consumer} draws one control, got {list_names(control)}. Pass several as models: "
                "{'trained': scores, 'random weights': control}."
            )
        [(label, control)] = control.items()
        control = read_scores(control, caller, over_time=True).assign_attrs(label=str(label))
    control = select_time(read_scores(control, caller, over_time=True), time_bin, caller)
    for name in ALIKE:
        if control.attrs[name] != curve.scores.attrs[name]:
            raise InputError(
                f"control is of {name} {control.attrs[name]!r}, scores are of "
                f"{curve.scores.attrs[name]!r}. Make both in the same way.",
                anchor="scores-made-differently",
            )
    regions = [str(name) for name in curve.scores[REGION].values]
    control = control.sel({REGION: control[REGION].isin(regions)})
    control = fold_outputs(control, curve.ops)
    control = align_labels(control, curve.ops, name="control", other="scores", dims=[OP])
    return align_labels(control, regions, name="control", other="scores", dims=[REGION])


def describe_ceilings(curves: Sequence[Curve], region: str) -> tuple[float, float, str]:
    """Return the ceilings of a region and what is to be said where there are none.

    Those of several models must be the same: they are of the same recordings then.
    """
    columns = []
    for name in ("ceiling_lower", "ceiling_upper"):
        columns.append([float(curve.scores[name].sel({REGION: region})) for curve in curves])
    bounds = np.array(columns).T  # (model, lower or upper)
    if not np.allclose(bounds, bounds[0], equal_nan=True):
        return np.nan, np.nan, "noise ceilings differ between models"
    lower, upper = bounds[0]
    if lower <= 0:
        return np.nan, np.nan, "subjects do not agree (ceiling ≤ 0)"
    if np.isnan(lower) and np.isnan(upper):
        return np.nan, np.nan, "no noise ceiling"
    return float(lower), float(upper), ""
