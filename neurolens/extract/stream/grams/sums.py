"""Gram matrices that are summed pass by pass, with a record of the features in each sum."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from neurolens.errors import RecordingError
from neurolens.extract.capture.events import read_storage
from neurolens.extract.capture.restore import release_memory
from neurolens.extract.stream.grams import products
from neurolens.extract.stream.grams.slices import FeatureSlice, Pass, count_pass_samples
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.passes import BatchDeviation, merge_deviations, run_set
from neurolens.extract.stream.plan import Plan, Step, count_elements


@dataclass
class GramSums:
    """The sums of some passes, by result.

    Attributes
    ----------
    grams : dict of str
        ``A A'`` (stimulus, stimulus_2), float64, upper triangle.
    totals : dict of str
        ``A 1`` (stimulus,), float64.
    added : dict of str
        The ranges of features that the two are sums of.
    ran : dict of str
        Which stimuli (stimulus,) ran the op, in all passes; of views too.
    unlike : set of str
        Results that for some stimuli were no view of the result whose Gram they were to share.
    deviations : dict of int
        How batches deviated from the recorded pass, by first row.
    """

    grams: dict[str, np.ndarray] = field(default_factory=dict)
    totals: dict[str, np.ndarray] = field(default_factory=dict)
    added: dict[str, list[range]] = field(default_factory=dict)
    ran: dict[str, np.ndarray] = field(default_factory=dict)
    unlike: set[str] = field(default_factory=set)
    deviations: dict[int, BatchDeviation] = field(default_factory=dict)

    def open_result(self, name: str, n_stimuli: int) -> None:
        """Make the zero sums of a result, unless they exist."""
        if name not in self.grams:
            self.grams[name] = np.zeros((n_stimuli, n_stimuli))
            self.totals[name] = np.zeros(n_stimuli)
            self.added[name] = []
            self.ran[name] = np.ones(n_stimuli, bool)

    def add(self, other: "GramSums") -> None:
        """Add the sums of other passes; sums of results that both have are added up."""
        for name, gram in other.grams.items():
            if name not in self.grams:
                self.grams[name] = gram
                self.totals[name] = other.totals[name]
                self.added[name] = other.added[name]
                continue
            self.grams[name] += gram
            self.totals[name] += other.totals[name]
            self.added[name] += other.added[name]
        for name, ran in other.ran.items():
            self.ran[name] = self.ran[name] & ran if name in self.ran else ran
        self.unlike |= other.unlike
        for row, deviation in other.deviations.items():
            self.note_deviation(row, deviation)

    def note_deviation(self, row: int, deviation: BatchDeviation) -> None:
        """Note how the batch with this first row deviated, in one more run."""
        if deviation != BatchDeviation():
            before = self.deviations.get(row, BatchDeviation())
            self.deviations[row] = merge_deviations(before, deviation)

    def check_features(self, layout: Layout) -> None:
        """Raise unless each feature of a result was added exactly once.

        Raises
        ------
        RecordingError
            When the ranges added are not those of all features, one after the other.
        """
        n_features = count_elements(layout.shape)
        expected = 0
        for part in sorted(self.added[layout.name], key=lambda part: (part.start, part.stop)):
            if part.start != expected:
                break
            expected = part.stop
        else:
            if expected == n_features:
                return
        parts = ", ".join(f"{part.start} to {part.stop}" for part in self.added[layout.name])
        raise RecordingError(
            f"the Gram of {layout.name!r} is not that of its {n_features} features: added were "
            f"{parts or 'none'}. No Gram is returned. This is a fault of NeuroLens: please report "
            "the model, the number of stimuli, memory= and batch_size=; another memory= may work.",
            anchor="fault-of-neurolens",
        )


class SliceRows:
    """The activations (stimulus, feature) of one slice of a result, filled batch by batch.

    Of several samples the mean is kept.
    """

    def __init__(self, part: FeatureSlice, n_stimuli: int) -> None:
        self.part = part
        self.totals = np.zeros(n_stimuli)
        self.ran = np.ones(n_stimuli, bool)
        self._rows: torch.Tensor | None = None
        self._n_filled = np.zeros(n_stimuli, int)

    def keep(
        self,
        step: Step,
        tensor: torch.Tensor | None,
        sketches: dict[int, products.Sketch],
    ) -> None:
        """Keep the result of a step, (stimulus, *shape), or that the op did not run for it.

        A batch that did something else than the recorded pass is run again, with the same random
        numbers: what was added to a sum before is not added again.
        """
        rows = slice(step.rows.start, step.rows.stop)
        if step.sample == 0:
            self.ran[rows] = True
        if self.part.n_samples > 1 and self._n_filled[rows.start] > step.sample:
            return
        self._n_filled[rows] = step.sample + 1
        self.ran[rows] &= tensor is not None
        if tensor is None:
            return
        # The model may be under inference mode or gradients here.
        with torch.inference_mode(False), torch.no_grad():
            self._take(rows, tensor.detach(), sketches)

    def _take(
        self, rows: slice, tensor: torch.Tensor, sketches: dict[int, products.Sketch]
    ) -> None:
        part = self.part
        values = tensor.reshape(len(tensor), -1)[:, part.start : part.stop]  # (stimulus, feature)
        if part.sketch:
            if part.width not in sketches:
                sketches[part.width] = products.Sketch(part.width, part.sketch, values.device)
            totals = values.double().sum(1).cpu().numpy()
            self.totals[rows] = totals if part.n_samples == 1 else self.totals[rows] + totals
            values = sketches[part.width].reduce(values)  # (stimulus, sum)
        shape = (len(self._n_filled), values.shape[1])
        if part.n_samples == 1:
            if self._rows is None:
                self._rows = values.new_empty(shape)
            self._rows[rows] = values
            return
        if self._rows is None:
            on_mps = values.device.type == "mps"  # which has no float64
            dtype = torch.float32 if on_mps else torch.float64
            self._rows = torch.zeros(shape, dtype=dtype, device=values.device)
        self._rows[rows] += values

    def add_to(self, sums: GramSums, step: int) -> None:
        """Add the products between stimuli, ``step`` features at once, and free the activations.

        Where the op did not run for some stimuli, there is no Gram, and ``sums.ran`` says so.

        Raises
        ------
        RecordingError
            When a stimulus is missing.
        """
        name = self.part.name
        is_filled = self._n_filled == self.part.n_samples
        if not is_filled.all():
            n_missing = int((~is_filled).sum())
            raise RecordingError(
                f"{name!r}: {n_missing} stimuli gave nothing in a pass over the set. No Gram is "
                "returned. This is a fault of NeuroLens: please report the model and the call.",
                anchor="fault-of-neurolens",
            )
        sums.ran[name] &= self.ran
        values = self._rows
        self._rows = None
        if values is None or not self.ran.all():
            return
        if self.part.n_samples > 1:
            values /= self.part.n_samples
            self.totals /= self.part.n_samples
        sums.added[name].append(range(self.part.start, self.part.stop))
        if not self.part.sketch:
            products.add_products(values, sums.grams[name], sums.totals[name], step)
            return
        # A sketch is of rows without their means, which are added again exactly.
        products.add_products(values, sums.grams[name], np.zeros(len(self.ran)), step)
        sums.grams[name] += np.outer(self.totals, self.totals) / self.part.width
        sums.totals[name] += self.totals


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
    """Run the set once per pass, adding up the products of its slices."""
    sums = GramSums()
    sketches: dict[int, products.Sketch] = {}
    for number, slices in enumerate(passes, 1):
        if progress is not None:
            progress.set_description(f"grams, pass {number} of {len(passes)}")
        _run_pass(plan, slices, sums, sketches, progress)
        release_memory()
    return sums


def _run_pass(
    plan: Plan,
    slices: Pass,
    sums: GramSums,
    sketches: dict[int, products.Sketch],
    progress: tqdm | None,
) -> None:
    n_stimuli = len(plan.stimuli)
    step = products.count_chunk_features(n_stimuli, plan.budget)
    by_result: dict[str, list[SliceRows]] = {}
    layouts: dict[str, Layout] = {}
    for part in slices:
        sums.open_result(part.name, n_stimuli)
        by_result.setdefault(part.name, []).append(SliceRows(part, n_stimuli))
        layouts |= {layout.name: layout for layout in (part.layout, *part.views)}
    views = ViewCheck(sums, n_stimuli)

    def handle(layout: Layout, step: Step, tensor: torch.Tensor | None) -> None:
        rows = slice(step.rows.start, step.rows.stop)
        if layout.name not in by_result:
            views.compare(layout, rows, tensor)
            return
        views.note_source(layout, tensor)
        for one in by_result[layout.name]:
            one.keep(step, tensor, sketches)

    def close(step: Step, deviation: BatchDeviation) -> None:
        sums.note_deviation(step.rows.start, deviation)

    wanted = list(layouts.values())
    n_samples = count_pass_samples(slices)
    steps = [Step(0, sample, rows) for rows in plan.batches for sample in range(n_samples)]
    run_set(plan, wanted, handle, steps=steps, progress=progress, close=close)
    release_memory()
    for name in list(by_result):
        for one in by_result.pop(name):
            one.add_to(sums, step)
