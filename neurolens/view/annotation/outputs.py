"""Scores of ops with several outputs, on a graph where such an op is one node."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurolens.labels import OP, REGION

OUTPUTS_NOTE = "outputs_note"
MOST_NAMES = 3


def fold_outputs(scores: xr.Dataset, ops: Sequence[str]) -> xr.Dataset:
    """Return scores by op of a graph, where those of the outputs of one op share its name.

    ``extract_grams`` names the outputs of an op that has several ``"/unbind.0"``, ``"/unbind.1"``,
    and so on. Per region, an op has the scores of that output whose score is largest; the attribute
    ``outputs_note`` says so.

    Parameters
    ----------
    scores : Dataset
        As `read_scores` returns them.
    ops : sequence of str
        Those of the graph. What is neither an op nor an output of one keeps its name.
    """
    names = [str(name) for name in scores[OP].values]
    groups = _group_names(names, set(ops))
    if list(groups) == names:
        return scores
    chosen = _choose_outputs(scores["score_mean"], groups)  # (op, region)
    folded = scores.drop_dims(OP)
    for name, values in scores.data_vars.items():
        if {OP, REGION} <= set(values.dims):
            taken = values.drop_vars(OP).isel({OP: chosen})
            folded[name] = taken.transpose(*values.dims)
    several = [name for name, members in groups.items() if len(members) > 1]
    if several:
        folded.attrs[OUTPUTS_NOTE] = _describe_outputs(several)
    return folded


def fold_best(best: Any, ops: Sequence[str]) -> Any:
    """Return best ops by the names of a graph's ops, as `fold_outputs` returns their scores.

    What ``assign_regions`` chose is not chosen again; an op cannot be told apart from the best one
    if one of its outputs cannot. What ``assign_regions`` did not return is returned as it came, for
    the checks that follow.
    """
    is_best = isinstance(best, xr.Dataset) and {"best_op", "indistinguishable"} <= set(best)
    if not is_best or OP not in best.coords:
        return best
    names = [str(name) for name in best[OP].values]
    groups = _group_names(names, set(ops))
    if list(groups) == names:
        return best
    op_of: dict[str, str] = {}
    for op, members in groups.items():
        op_of |= {names[i]: op for i in members}
    chosen = [op_of.get(str(name), str(name)) for name in best["best_op"].values]
    tied = best["indistinguishable"].transpose(OP, ...)
    rows = [tied.isel({OP: members}).any(OP) for members in groups.values()]
    folded = best.drop_dims(OP).assign(best_op=(best["best_op"].dims, chosen))
    along = xr.concat(rows, OP).assign_coords({OP: list(groups)})
    return folded.assign(indistinguishable=along.transpose(*best["indistinguishable"].dims))


def _group_names(names: Sequence[str], ops: set[str]) -> dict[str, list[int]]:
    """Return the positions of the names that belong to each op, in order of first appearance."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        groups.setdefault(find_op(name, ops), []).append(i)
    return groups


def find_op(name: str, ops: Collection[str]) -> str:
    """Return the op that a name of one of its outputs belongs to; any other name as it is."""
    op, dot, output = name.rpartition(".")
    is_output = bool(dot) and output.isdigit() and op in ops and name not in ops
    return op if is_output else name


def _choose_outputs(means: xr.DataArray, groups: dict[str, list[int]]) -> xr.DataArray:
    """Return the position of the output with the largest mean score, by op and region."""
    over = [dim for dim in means.dims if dim not in (OP, REGION)]
    table = np.nan_to_num(means.mean(over).transpose(OP, REGION).values, nan=-np.inf)
    rows = []
    for members in groups.values():
        rows.append(np.array(members)[np.argmax(table[members], axis=0)])
    coords = {OP: list(groups), REGION: means[REGION]}
    return xr.DataArray(rows, dims=[OP, REGION], coords=coords)


def _describe_outputs(several: Sequence[str]) -> str:
    names = ", ".join(several[:MOST_NAMES])
    rest = len(several) - MOST_NAMES
    more = f" and {rest} more" if rest > 0 else ""
    return (
        f"Operations with several scored outputs ({names}{more}) have in each region the score of "
        "the output that fits it best."
    )
