"""The axis of a result that holds the stimuli, found by comparing two batches."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from neurolens.extract.capture.differences import measure_difference
from neurolens.extract.stream.follow import Counts
from neurolens.extract.stream.layouts.axes import StimulusAxis
from neurolens.extract.stream.layouts.layout import Layout

# A stimulus's values in two batches: equal up to 1 (see `measure_difference`), clearly other
# above 10.
_EQUAL = 1
_OTHER = 10
_OF_NONE = "its stimuli share an axis with other things in an order that cannot be told"
_OF_ANY = (
    "its stimuli share an axis with other things, and those looked at do not tell in which order"
)
# Why there is no layout, as the values of the stimuli that were looked at have it.
ORDER_UNKNOWN = frozenset((_OF_NONE, _OF_ANY))


class AxisMatch(NamedTuple):
    """The stimulus axis of a result, and its shape per stimulus."""

    stimuli: StimulusAxis
    shape: tuple[int, ...]


def match_axes(
    few: torch.Tensor,
    more: torch.Tensor,
    counts: Counts,
    places: Sequence[int],
    parents: list[Layout],
    precision: float = 0.0,
) -> AxisMatch | str:
    """Return the stimulus axis of an op's result, or why it cannot be determined.

    Parameters
    ----------
    few, more : Tensor
        The result for the smaller and for the larger batch.
    counts : Counts
    places : sequence of int
        Where the first stimuli of the smaller batch, or all of them, are in the larger.
    parents : list of Layout
        Of the results that fed the op.
    precision : float
        As for `measure_difference`.
    """
    is_nested = few.is_nested or more.is_nested
    if is_nested or {few.layout, more.layout} != {torch.strided}:
        return "is not a dense tensor"
    if few.ndim != more.ndim:
        return "its number of axes depends on the batch size"
    grown = [i for i, (m, n) in enumerate(zip(few.shape, more.shape, strict=True)) if n != m]
    if not grown:
        return "does not grow with the number of stimuli"
    axis = grown[0]
    length = few.shape[axis]
    in_proportion = length * counts.more == more.shape[axis] * counts.few
    is_whole = length % counts.few == 0
    if not (len(grown) == 1 and in_proportion and is_whole):
        return "mixes the stimuli: it does not grow along one axis in proportion to their number"
    if length > counts.few:
        return _match_shared(few, more, axis, counts, places, parents, precision)
    shape = list(few.shape)
    del shape[axis]
    return AxisMatch(StimulusAxis(axis, 1, True), tuple(shape))


def _match_shared(
    few: torch.Tensor,
    more: torch.Tensor,
    axis: int,
    counts: Counts,
    places: Sequence[int],
    parents: list[Layout],
    precision: float,
) -> AxisMatch | str:
    """Return how the stimuli share ``axis`` with other things, or why this is unknown."""
    length = few.shape[axis]
    group = length // counts.few
    shape = list(few.shape)
    shape[axis] = group
    firsts = range(len(places))
    by_stimulus, interleaved = (
        measure_difference(
            _take_stimuli(more, axis, counts.more, places, major),
            _take_stimuli(few, axis, counts.few, firsts, major),
            precision,
        )
        for major in (True, False)
    )
    if min(by_stimulus, interleaved) > _EQUAL:
        return _OF_NONE
    if max(by_stimulus, interleaved) > _OTHER:
        major = by_stimulus < interleaved
        return AxisMatch(StimulusAxis(axis, group, major), tuple(shape))
    alike = [layout.major for layout in parents if (layout.axis, layout.group) == (axis, group)]
    if not alike:
        return _OF_ANY
    return AxisMatch(StimulusAxis(axis, group, alike[0]), tuple(shape))


def _take_stimuli(
    tensor: torch.Tensor, axis: int, n_stimuli: int, places: Sequence[int], major: bool
) -> torch.Tensor:
    """Return the stimuli at some places of a shared axis, where they come in this order."""
    order = torch.arange(tensor.shape[axis], device=tensor.device)
    chosen = torch.tensor(list(places), device=tensor.device)
    if major:
        entries = order.reshape(n_stimuli, -1)[chosen]
    else:
        entries = order.reshape(-1, n_stimuli)[:, chosen]
    return tensor.index_select(axis, entries.reshape(-1))
