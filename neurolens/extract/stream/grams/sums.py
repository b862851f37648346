"""Passes over the set that add up Gram matrices."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from neurolens.extract.capture.events import read_storage
from neurolens.extract.capture.restore import release_memory
from neurolens.extract.stream.grams.products import count_chunk_features
from neurolens.extract.stream.grams.rows import ProductAdder, SliceRows
from neurolens.extract.stream.grams.slices import (
    Pass,
    count_pass_bytes,
    count_pass_samples,
    list_free_bytes,
)
from neurolens.extract.stream.grams.totals import GramSums
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.passes import BatchDeviation, run_set
from neurolens.extract.stream.plan import Plan, Step
from neurolens.extract.stream.resume.runs import Resumption


class Memory(NamedTuple):
    """Which elements of which memory a tensor has, and how often that memory was written to."""

    storage: int
    version: int
    offset: int
    span: int
    n_elements: int


def read_memory(tensor: torch.Tensor) -> Memory | None:
    """Return the memory behind a strided tensor; None where that cannot be told."""
    storage = read_storage(tensor)
    if not storage or tensor.layout != torch.strided or tensor.is_inference():
        return None
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    span = sum((size - 1) * stride for size, stride in steps) * tensor.element_size()
    offset = int(tensor.storage_offset()) * tensor.element_size()
    return Memory(storage, tensor._version, offset, span, tensor.numel())


class ViewCheck:
    """Checks in every batch that a result is a view of the one whose Gram it shares.

    Both must then have the same elements of one memory, which was not written to in between.
    """

    def __init__(self, sums: GramSums, n_stimuli: int) -> None:
        self._sums = sums
        self._n_stimuli = n_stimuli
        self._memory: dict[str, Memory | None] = {}

    def note_source(self, layout: Layout, tensor: torch.Tensor | None) -> None:
        """Take the result that is shared, as it is in this batch."""
        self._memory[layout.name] = None if tensor is None else read_memory(tensor)

    def compare(self, layout: Layout, rows: slice, tensor: torch.Tensor | None) -> None:
        """Take a view, as it is in this batch."""
        ran = self._sums.ran.setdefault(layout.name, np.ones(self._n_stimuli, bool))
        ran[rows] &= tensor is not None
        if tensor is None:
            return
        memory = read_memory(tensor)
        if memory is None or memory != self._memory.get(layout.shares):
            self._sums.unlike.add(layout.name)


def run_passes(plan: Plan, passes: Sequence[Pass], progress: tqdm | None = None) -> GramSums:
    """Run the set once per pass, adding up the products of its slices.

    A pass starts where the last one ended, as far as it can.
    """
    sums = GramSums()
    n_stimuli = len(plan.stimuli)
    step = count_chunk_features(n_stimuli, plan.budget)
    n_bytes = max((count_pass_bytes(slices, n_stimuli) for slices in passes), default=0)
    adder = ProductAdder(sums, step, n_bytes)
    resumption = plan_resumption(plan, passes)
    sums.report = resumption.report
    # What planning freed would stay beside the rows.
    release_memory()
    try:
        for number, slices in enumerate(passes, 1):
            if progress is not None:
                progress.set_description(f"grams, pass {number} of {len(passes)}")
            resumption.begin_next()
            _run_pass(plan, slices, adder, progress, resumption)
        adder.collect()
    finally:
        resumption.close()
    return sums


def plan_resumption(plan: Plan, passes: Sequence[Pass]) -> Resumption:
    """Return where some passes start; the first batch runs once where there are several."""
    wanted = []
    for slices in passes:
        wanted.append([layout for part in slices for layout in (part.layout, *part.views)])
    return Resumption(plan, wanted, list_free_bytes(plan, passes))


def _run_pass(
    plan: Plan,
    slices: Pass,
    adder: ProductAdder,
    progress: tqdm | None,
    resumption: Resumption,
) -> None:
    n_stimuli = len(plan.stimuli)
    sums = adder.sums
    by_result: dict[str, list[SliceRows]] = {}
    layouts: dict[str, Layout] = {}
    for part in slices:
        sums.open_result(part.name, n_stimuli)
        by_result.setdefault(part.name, []).append(SliceRows(part, n_stimuli, adder))
        layouts |= {layout.name: layout for layout in (part.layout, *part.views)}
    views = ViewCheck(sums, n_stimuli)

    def handle(layout: Layout, step: Step, tensor: torch.Tensor | None) -> None:
        rows = slice(step.rows.start, step.rows.stop)
        if layout.name not in by_result:
            views.compare(layout, rows, tensor)
            return
        views.note_source(layout, tensor)
        for one in by_result[layout.name]:
            one.keep(step, tensor)

    def close(step: Step, deviation: BatchDeviation) -> None:
        sums.note_deviation(step.rows.start, deviation)

    wanted = list(layouts.values())
    n_samples = count_pass_samples(slices)
    steps = [Step(0, sample, rows) for rows in plan.batches for sample in range(n_samples)]
    run_set(
        plan, wanted, handle, steps=steps, progress=progress, close=close, resumption=resumption
    )
    release_memory()
    # Before the products of this pass, those of the last must be done.
    adder.collect()
    for name in list(by_result):
        for one in by_result.pop(name):
            one.add_products()
    adder.arena.clear()
