"""The layouts of recorded results, read op by op from two recordings, or guessed from one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from neurolens.extract.capture.differences import measure_difference
from neurolens.extract.capture.events import Event, Recording
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op
from neurolens.extract.stream.batches import list_batch_inputs
from neurolens.extract.stream.follow import Counts
from neurolens.extract.stream.layouts.axes import Axes, StimulusAxis, name_dims
from neurolens.extract.stream.layouts.dims import follow_axes
from neurolens.extract.stream.layouts.layout import Layout, holds_values, read_numbers
from neurolens.extract.stream.layouts.matching import AxisMatch, match_axes
from neurolens.extract.stream.layouts.naming import (
    Result,
    find_axes,
    name_results,
    open_inputs,
)
from neurolens.extract.stream.layouts.rows import take_rows
from neurolens.extract.validation.unwritten import ON_META, find_unwritten
from neurolens.stimuli.batches.inputs import Batch

# Only these may share a Gram with what they view, and only when the values agree too.
_VIEWS = frozenset(
    "view reshape flatten permute transpose t T mT squeeze unsqueeze contiguous dropout movedim "
    "unflatten swapaxes identity to detach alias clone feature_dropout alpha_dropout".split()
)


class RecordedRows(NamedTuple):
    """What two recordings tell of the results of some consecutive ops.

    ``layouts`` are theirs, without names of axes, and ``rows`` their values in the larger batch,
    stimuli first; ``precisions`` and ``differing`` are those of `LayoutReader`.
    """

    layouts: dict[str, Layout]
    rows: dict[str, torch.Tensor]
    precisions: dict[str, float]
    differing: list[str]


class LayoutReader:
    """Reads two recordings op by op, in order, and finds the layouts of their results.

    Parameters
    ----------
    counts : Counts
    recording : Recording
        Of either batch, the whole pass.
    may_share : bool
        Whether views surely have their source's values.
    places : sequence of int, optional
        Where the first stimuli of the smaller batch, or all of them, are in the larger; by default
        it begins with them. With places, no values of the larger batch are held.

    Attributes
    ----------
    layouts : dict of str
        By label of the result.
    skipped : dict of str
        Op -> why a result of it has no layout.
    precisions : dict of str
        Result -> the coarsest machine precision of what it was computed from.
    differing : list of str
        The results whose values for a stimulus differ between the two batches.
    """

    def __init__(
        self,
        counts: Counts,
        recording: Recording,
        may_share: bool,
        places: Sequence[int] | None = None,
    ) -> None:
        self.layouts: dict[str, Layout] = {}
        self.skipped: dict[str, str] = {}
        self.precisions: dict[str, float] = {}
        self.differing: list[str] = []
        self._counts = counts
        self._unwritten = find_unwritten(recording)
        self._may_share = may_share
        self._holds_more = places is None
        self._places = range(counts.few) if places is None else places
        # Result of this group -> its values in the batch that is held, (stimulus, *shape).
        self._rows: dict[str, torch.Tensor] = {}
        # Result of an earlier group that a later one views -> its fingerprint.
        self._fingerprints: dict[str, tuple] = {}
        self._n_differing = 0
        self._coarsest: dict[str, float] = {}
        self._results: list[Result] = []

    def read(self, op: Op, first: Event, small: Event | None, large: Event | None) -> None:
        """Find the layouts of an op's results from its events in the two recordings.

        ``first`` is its event in the first recording of the larger batch, which says what it was
        called with.
        """
        if small is None or large is None or len(small.outputs) != len(large.outputs):
            self.skipped[op.name] = "runs only for some batch sizes"
            return
        results = []
        for value in large.outputs:
            assert value.tensor is not None, "recordings without keep= hold all values"
            results.append(value.tensor)
        self.read_results(op, first, small, results)

    def read_results(
        self, op: Op, first: Event, small: Event, results: Sequence[torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Find the layouts of an op's results, given for the larger batch, as `read` does.

        Returns
        -------
        dict of str
            Result -> its values in the larger batch (stimulus, *shape).
        """
        before = [self.layouts[name] for name in op.parent_ops if name in self.layouts]
        rows = {}
        for k, (a, b) in enumerate(zip(small.outputs, results, strict=True)):
            assert a.tensor is not None, "recordings without keep= hold all values"
            if not (holds_values(a.tensor) and holds_values(b)):
                self.skipped.setdefault(op.name, _explain_no_values(b))
                continue
            few = read_numbers(a.tensor)
            more = read_numbers(b)
            precision = self._follow_precision(op, more.dtype)
            match = match_axes(few, more, self._counts, self._places, before, precision)
            if op.name in self._unwritten:
                self.skipped.setdefault(op.name, self._unwritten[op.name])
                if not isinstance(match, str):
                    self._results.append(Result(op, first, k, tuple(more.shape), match.stimuli))
                continue
            if isinstance(match, str):
                self.skipped.setdefault(op.name, match)
                continue
            layout = _make_layout(op, first, k, match, more)
            fewer_rows = layout.put_stimuli_first(few, self._counts.few)
            more_rows = layout.put_stimuli_first(more, self._counts.more)
            self._rows[layout.name] = more_rows if self._holds_more else fewer_rows
            self._results.append(Result(op, first, k, tuple(more.shape), match.stimuli))
            self.layouts[layout.name] = self._mark_shared(layout, op, first)
            self.precisions[layout.name] = precision
            shared_rows = fewer_rows[: len(self._places)]
            if _differ(shared_rows, more_rows, self._places, precision):
                self.differing.append(layout.name)
            rows[layout.name] = more_rows
        return rows

    def add(self, layout: Layout, op: Op, event: Event) -> None:
        """Take a layout of a result that the larger batch has and did not make here."""
        k = max(layout.output, 0)
        stimuli = StimulusAxis(layout.axis, layout.group, layout.major)
        self.layouts[layout.name] = layout
        self._results.append(Result(op, event, k, tuple(event.specs[k].shape), stimuli))

    def _follow_precision(self, op: Op, dtype: torch.dtype) -> float:
        """Return the coarsest machine precision of a result and of what it was computed from."""
        coarsest = max((self._coarsest.get(name, 0.0) for name in op.parent_ops), default=0.0)
        if dtype.is_floating_point or dtype.is_complex:
            coarsest = max(coarsest, torch.finfo(dtype).eps)
        self._coarsest[op.name] = max(coarsest, self._coarsest.get(op.name, 0.0))
        return coarsest

    def _mark_shared(self, layout: Layout, op: Op, event: Event) -> Layout:
        """Return a layout with the result that it only views, where it views one."""
        if layout.output >= 0 or not self._may_share:
            return layout
        return replace(layout, shares=self._find_source(op, event, self._rows[layout.name]))

    def close_group(self, later: Iterable[Op]) -> RecordedRows:
        """Return what was read of a group, whose values are not held here any more.

        Of results that ops of ``later`` groups view, the fingerprints are.
        """
        rows = self._rows
        viewed = {op.alias_of for op in later if op.function in _VIEWS}
        for name in viewed.intersection(rows):
            self._fingerprints[name] = fingerprint_rows(rows[name])
        self._rows = {}
        differing = self.differing[self._n_differing :]
        self._n_differing = len(self.differing)
        return RecordedRows(
            {name: self.layouts[name] for name in rows},
            rows,
            {name: self.precisions[name] for name in rows},
            differing,
        )

    def name_dims(self, batch: Batch, given: Mapping[str, Sequence[str]]) -> None:
        """Name the axes of all results; ``given`` are a user's names for those of inputs."""
        shapes = {key: tensor.shape for key, tensor in list_batch_inputs(batch).items()}
        axes = name_results(self._results, shapes, given)
        for name, layout in self.layouts.items():
            found = axes[layout.op, max(layout.output, 0)]
            self.layouts[name] = replace(layout, dims=name_dims(found, len(layout.shape)))

    def list_skipped(self) -> dict[str, str]:
        """Return the ops none of whose results has a layout, each with the reason."""
        with_layout = {layout.op for layout in self.layouts.values()}
        return {name: why for name, why in self.skipped.items() if name not in with_layout}

    def _find_source(self, op: Op, event: Event, rows: torch.Tensor) -> str:
        """Return the label of the result that an op only views, or ""."""
        if op.function not in _VIEWS or event.call.mutates:
            return ""
        source = self.layouts.get(op.alias_of)
        if source is None or fingerprint_rows(rows) != self._find_fingerprint(source.name):
            return ""
        return source.shares or source.name

    def _find_fingerprint(self, name: str) -> tuple:
        """Return the fingerprint of a result of this group, or of an earlier one."""
        rows = self._rows.get(name)
        return self._fingerprints[name] if rows is None else fingerprint_rows(rows)


def _explain_no_values(tensor: torch.Tensor) -> str:
    if tensor.is_meta:
        return ON_META
    return f"is a {type(tensor).__name__}, a tensor whose class computes its values itself"


def _differ(few: torch.Tensor, more: torch.Tensor, places: Sequence[int], precision: float) -> bool:
    """Return whether rows are others than those at some places of a larger batch."""
    # As a rule they are equal, which is told without a copy.
    if all(_are_equal(row, more[place]) for row, place in zip(few, places, strict=True)):
        return False
    return measure_difference(few, take_rows(more, places), precision) > 1


def _are_equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether values are equal; False also where torch cannot tell, as of complex halves."""
    try:
        return torch.equal(a, b)
    except (NotImplementedError, RuntimeError):
        return False


def _make_layout(op: Op, event: Event, k: int, match: AxisMatch, tensor: torch.Tensor) -> Layout:
    """Return the layout of the k-th result of an op, without names of axes."""
    return Layout(
        op=op.name,
        output=k if len(event.outputs) > 1 else -1,
        axis=match.stimuli.axis,
        group=match.stimuli.group,
        major=match.stimuli.major,
        shape=match.shape,
        dims=(),
        dtype=tensor.dtype,
        shares="",
    )


def fingerprint_rows(rows: torch.Tensor) -> tuple:
    """Return a fingerprint of each stimulus that does not change when its values are reordered.

    It consists of dtype, count, and exact sums over the bits of (stimulus, ...).
    """
    flat = rows.resolve_conj().resolve_neg().reshape(len(rows), -1).contiguous()
    if flat.is_complex():
        flat = torch.view_as_real(flat).flatten(1)  # (stimulus, 2 * feature)
    elif flat.dtype in (torch.bool, torch.bfloat16):
        flat = flat.float()
    width = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[flat.dtype.itemsize]
    sums = []
    for row in flat.view(width):
        bits = row.to(torch.int64)
        sums.append(tuple(int((bits**power).sum()) for power in (1, 2, 3)))
    return rows.dtype, flat.shape[1], tuple(sums)


def guess_layouts(
    recording: Recording,
    graph: Graph,
    n_stimuli: int,
    batch: Batch,
    dim_names: Mapping[str, Sequence[str]],
) -> dict[str, Layout]:
    """Return layouts by label of the result, with the names of their axes.

    Of the axes whose length is a multiple of the number of stimuli, one on which what the op does
    with its arguments leaves the stimuli is theirs, else the first. ``dim_names`` are a user's, of
    inputs' axes.
    """
    inputs = {key: tensor.shape for key, tensor in list_batch_inputs(batch).items()}
    follower = _Follower(open_inputs(inputs, dim_names), n_stimuli)
    unwritten = find_unwritten(recording)
    layouts: list[Layout] = []
    results: list[Result] = []
    for event in recording.events:
        op = graph.by_name[event.name]
        for k, value in enumerate(event.outputs):
            if value.tensor is None or not holds_values(value.tensor):
                continue
            tensor = read_numbers(value.tensor)
            stimuli = follower.find(op, event, k, tensor)
            if stimuli is None:
                continue
            shape = list(tensor.shape)
            shape[stimuli.axis : stimuli.axis + 1] = [stimuli.group] if stimuli.group > 1 else []
            output = k if len(event.outputs) > 1 else -1
            results.append(Result(op, event, k, tuple(tensor.shape), stimuli))
            if op.name in unwritten:
                continue
            layouts.append(Layout(op.name, output, *stimuli, tuple(shape), (), tensor.dtype, ""))
    axes = name_results(results, inputs, dim_names)
    named = {}
    for layout in layouts:
        found = axes[layout.op, max(layout.output, 0)]
        named[layout.name] = replace(layout, dims=name_dims(found, len(layout.shape)))
    return named


class _Follower:
    """Follows the axis of the stimuli from op to op."""

    def __init__(self, inputs: Mapping[str, Axes | None], n_stimuli: int) -> None:
        self._inputs = inputs
        self._n_stimuli = n_stimuli
        self._found: dict[tuple[str, int], Axes | None] = {}

    def find(self, op: Op, event: Event, k: int, tensor: torch.Tensor) -> StimulusAxis | None:
        """Return the position of the stimuli in the k-th result of an op, or None."""
        if tensor.is_nested or tensor.layout != torch.strided:
            return None
        parents = []
        for parent, (value, _) in zip(op.parents, event.parents, strict=True):
            parents.append(find_axes(parent, value, self._inputs, self._found))
        candidates = list(_list_candidates(tensor.shape, self._n_stimuli))
        for stimuli in candidates:
            axes = follow_axes(op, event, parents, tensor.shape, stimuli)
            if axes is not None:
                self._found[op.name, k] = axes
                return stimuli
        return candidates[0] if candidates else None


def _list_candidates(shape: Sequence[int], n_stimuli: int) -> Iterator[StimulusAxis]:
    """Yield where the stimuli may be: axes that are theirs alone come first."""
    for axis, length in enumerate(shape):
        if length == n_stimuli:
            yield StimulusAxis(axis, 1, True)
    for axis, length in enumerate(shape):
        if length > n_stimuli and length % n_stimuli == 0:
            yield StimulusAxis(axis, length // n_stimuli, True)
            yield StimulusAxis(axis, length // n_stimuli, False)
