"""The layouts of recorded results, read op by op from the recordings of two batches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from neurolens.extract.capture.differences import measure_difference
from neurolens.extract.capture.events import Event
from neurolens.extract.graph.ops import Op
from neurolens.extract.stream.batches import list_batch_inputs
from neurolens.extract.stream.follow import Counts
from neurolens.extract.stream.layouts.axes import name_dims
from neurolens.extract.stream.layouts.layout import Layout, read_numbers
from neurolens.extract.stream.layouts.matching import AxisMatch, match_axes
from neurolens.extract.stream.layouts.naming import Result, name_results
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

    def __init__(self, counts: Counts, may_share: bool) -> None:
        self.layouts: dict[str, Layout] = {}
        self.skipped: dict[str, str] = {}
        self.precisions: dict[str, float] = {}
        self.differing: list[str] = []
        self._counts = counts
        self._may_share = may_share
        # Result of this group -> its values in the larger batch, (stimulus, *shape).
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
        before = [self.layouts[name] for name in op.parent_ops if name in self.layouts]
        for k, (a, b) in enumerate(zip(small.outputs, large.outputs, strict=True)):
            assert a.tensor is not None, "recordings without keep= hold all values"
            assert b.tensor is not None, "recordings without keep= hold all values"
            few = read_numbers(a.tensor)
            more = read_numbers(b.tensor)
            precision = self._follow_precision(op, more.dtype)
            match = match_axes(few, more, self._counts, before, precision)
            if isinstance(match, str):
                self.skipped.setdefault(op.name, match)
                continue
            layout = self._add(op, first, k, match, more)
            self.precisions[layout.name] = precision
            fewer_rows = layout.put_stimuli_first(few, self._counts.few)
            same_rows = self._rows[layout.name][: self._counts.few]
            if measure_difference(fewer_rows, same_rows, precision) > 1:
                self.differing.append(layout.name)

    def _follow_precision(self, op: Op, dtype: torch.dtype) -> float:
        """Return the coarsest machine precision of a result and of what it was computed from."""
        coarsest = max((self._coarsest.get(name, 0.0) for name in op.parent_ops), default=0.0)
        if dtype.is_floating_point or dtype.is_complex:
            coarsest = max(coarsest, torch.finfo(dtype).eps)
        self._coarsest[op.name] = max(coarsest, self._coarsest.get(op.name, 0.0))
        return coarsest

    def _add(self, op: Op, event: Event, k: int, match: AxisMatch, tensor: torch.Tensor) -> Layout:
        """Add the layout of the k-th result, given for the larger batch as ``tensor``."""
        self._results.append(Result(op, event, k, tuple(tensor.shape), match.stimuli))
        layout = Layout(
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
        rows = layout.put_stimuli_first(tensor, self._counts.more)
        self._rows[layout.name] = rows
        if layout.output < 0 and self._may_share:
            layout = replace(layout, shares=self._find_source(op, event, rows))
        self.layouts[layout.name] = layout
        return layout

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
