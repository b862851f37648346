"""Results of a batch as they are kept: reduced and counted, of the first while a run is planned."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from neurolens.errors import NeuroLensError
from neurolens.extract.capture.events import read_storage
from neurolens.extract.graph.select import select_ops
from neurolens.extract.reducers.chain import Chain, are_finite, read_reducer
from neurolens.extract.stream.layouts.finding import Layouts
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.layouts.pair import Wanted
from neurolens.extract.stream.plan import (
    Output,
    Plan,
    RunSettings,
    find_host_dtype,
    find_numpy_dtype,
    fit_batch_size,
    plan_outputs,
)
from neurolens.stimuli import StimulusSet
from neurolens.stimuli.batches.masks import find_positions
from neurolens.support.sizes import read_bytes

_NOTHING = Wanted(0, frozenset())


class Reduced(NamedTuple):
    """A result of a batch as it is kept, (stimulus, *kept shape).

    ``n_nonfinite`` and ``n_overflowed`` (stimulus,) count values that are not finite, and finite
    ones that a cast made infinite. ``is_view`` says that the values may be the model's own memory,
    which it may overwrite.
    """

    values: np.ndarray
    n_nonfinite: np.ndarray
    n_overflowed: np.ndarray
    is_view: bool


def reduce_rows(chain: Chain, rows: torch.Tensor, counted: torch.Tensor | None) -> Reduced:
    """Return a result (stimulus, *shape) of a batch as it is kept.

    ``counted`` (stimulus, position) says which positions do not only pad a stimulus, where a step
    of the chain leaves others out.
    """
    kept = chain(rows, counted)  # (stimulus, *kept shape)
    values = to_numpy(kept)
    is_view = read_storage(kept) == read_storage(rows)
    return Reduced(values, count_nonfinite(kept), chain.overflow.cpu().numpy(), is_view)


def fill_rows(output: Output, n_rows: int) -> Reduced:
    """Return what stands for a result that some stimuli do not have: NaN, 0 or False."""
    dtype = find_numpy_dtype(output.kept.dtype)
    filler = np.nan if dtype.kind in "fc" else 0
    none = np.zeros(n_rows, np.int32)
    return Reduced(np.full((n_rows, *output.kept.shape), filler, dtype), none, none, False)


def count_nonfinite(tensor: torch.Tensor) -> np.ndarray:
    """Return per stimulus (stimulus,), int32, how many values are NaN or infinite."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return np.zeros(len(tensor), np.int32)
    tensor = tensor.to(find_host_dtype(tensor.dtype))
    if are_finite(tensor):
        return np.zeros(len(tensor), np.int32)
    return (~tensor.isfinite()).reshape(len(tensor), -1).sum(1).cpu().numpy()


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor as numpy, as float32 where numpy has no such dtype."""
    tensor = tensor.detach().resolve_conj().resolve_neg().cpu()
    return tensor.to(find_host_dtype(tensor.dtype)).numpy()


class FirstBatch:
    """Takes the results that a run keeps of its first batch, so that planning shows it only once.

    The form in which they are kept is planned from a guess of their layouts; where the run keeps
    one in another form, none of them is used.

    Parameters
    ----------
    settings : RunSettings
    """

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self._budget = read_bytes(settings.memory)
        self._outputs: dict[str, Output] = {}
        # What the chains of the ops have in common.
        self._shared: dict[Any, Any] = {}
        self._results: dict[str, Reduced] = {}
        self._n_rows = 0
        self._is_confirmed = False

    def begin(self, layouts: Layouts, stimuli: StimulusSet) -> Wanted:
        """Return what is wanted of the first batch.

        Nothing is where reducers are fitted first, where there are several samples or padded
        stimuli, and where the results take more than a quarter of the budget.
        """
        settings = self._settings
        reducers = read_reducer(settings.reducer)
        is_fitted = any(reducer.fit_on for reducer in reducers)
        is_padded = bool(stimuli.padding.shapes) or find_positions(stimuli) is not None
        if is_fitted or is_padded or settings.n_samples > 1:
            return _NOTHING
        batch_size = settings.batch_size or self._fit_batch_size(layouts)
        try:
            outputs = plan_outputs(layouts, settings, reducers, stimuli)
        except NeuroLensError:
            return _NOTHING  # the whole plan raises it
        n_rows = len(stimuli.split_rows(batch_size)[0])
        if n_rows * sum(output.n_bytes for output in outputs) > self._budget // 4:
            return _NOTHING
        self._outputs = {output.name: output for output in outputs}
        self._n_rows = n_rows
        return Wanted(n_rows, self._list_ops(layouts))

    def _list_ops(self, layouts: Layouts) -> frozenset[str]:
        """Return the ops that may be selected: all where a user's function chooses some.

        It may choose others once it sees the sizes of the larger batch.
        """
        ops = self._settings.ops
        if any(map(callable, ops if isinstance(ops, (list, tuple)) else [ops])):
            return frozenset(layouts.graph.by_name)
        return frozenset(select_ops(layouts.graph, ops))

    def _fit_batch_size(self, layouts: Layouts) -> int:
        live_bytes = layouts.live_bytes
        n_few = layouts.expected.counts.few
        return fit_batch_size(lambda n: live_bytes.few * n // n_few, self._budget)

    def take(self, layout: Layout, rows: torch.Tensor) -> None:
        """Take a result of the first batch, (stimulus, *shape); its axes have no names yet."""
        output = self._outputs.get(layout.name)
        if output is None or (layout.shape, layout.dtype) != (output.raw.shape, output.raw.dtype):
            return
        chain = output.chain.open(rows.device, self._shared)
        reduced = reduce_rows(chain, rows, None)
        if reduced.is_view:
            reduced = reduced._replace(values=reduced.values.copy(), is_view=False)
        self._results[layout.name] = reduced

    def confirm(self) -> None:
        """Learn that every row that was compared follows its stimulus, and nothing is unusual."""
        self._is_confirmed = True

    def find_results(self, plan: Plan) -> Mapping[str, Reduced]:
        """Return the results of the first step of a plan; none where one was not taken as it is."""
        is_same = self._is_confirmed and self._n_rows == len(plan.batches[0])
        for output in plan.outputs:
            guessed = self._outputs.get(output.name)
            is_alike = guessed is not None and guessed.chain == output.chain
            is_same = is_same and is_alike and output.name in self._results
        return {output.name: self._results[output.name] for output in plan.outputs if is_same}
