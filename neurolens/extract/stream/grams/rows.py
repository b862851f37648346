"""Rows of one slice of a result, filled batch by batch, and their products."""

from typing import NamedTuple

import numpy as np
import torch

from neurolens.errors import RecordingError
from neurolens.extract.stream.grams.arena import Arena, count_row_bytes
from neurolens.extract.stream.grams.bands import measure_eps
from neurolens.extract.stream.grams.products import LARGEST_EPS, Multiplier, ProductSums
from neurolens.extract.stream.grams.sketches import Sketch
from neurolens.extract.stream.grams.slices import FeatureSlice
from neurolens.extract.stream.grams.streams import SideStreams
from neurolens.extract.stream.grams.totals import GramSums
from neurolens.extract.stream.plan import Step


class _Pending(NamedTuple):
    """Sums on a GPU that may not be complete yet, of the result ``name``."""

    name: str
    sums: ProductSums


class ProductAdder:
    """Adds products of rows to the sums of their results, with the memory that all passes share.

    Parameters
    ----------
    sums : GramSums
    step : int
        Features that are multiplied at once.
    n_bytes : int
        Of all rows that a pass holds.
    """

    def __init__(self, sums: GramSums, step: int, n_bytes: int) -> None:
        self.sums = sums
        self.arena = Arena(n_bytes)
        self._step = step
        self._sketches: dict[tuple[int, torch.device], Sketch] = {}
        self._multipliers = {True: Multiplier(step, is_exact=True), False: Multiplier(step)}
        self._streams = SideStreams()
        self._pending: list[_Pending] = []
        self._eps: dict[torch.device, float] = {}

    def take_rows(
        self, n_stimuli: int, n_features: int, dtype: torch.dtype, device: torch.device
    ) -> torch.Tensor:
        """Return memory for rows (stimulus, feature) that is theirs until the next pass."""
        # Products of the last pass may still read from it.
        self._streams.precede(device)
        width = count_row_bytes(n_features, dtype.itemsize) // dtype.itemsize
        return self.arena.take((n_stimuli, width), dtype, device)[:, :n_features]

    def open_sketch(self, part: FeatureSlice, device: torch.device) -> Sketch:
        """Return the sketch of a slice; those of results of the same size are the same."""
        assert part.sketch is not None
        if (part.width, device) not in self._sketches:
            self._sketches[part.width, device] = Sketch(part.width, part.sketch, device)
        return self._sketches[part.width, device]

    def add(self, part: FeatureSlice, rows: torch.Tensor) -> None:
        """Add the products between stimuli of the rows (stimulus, feature) of a slice.

        On a GPU they are computed beside what the model does next; ``collect`` waits for them.
        """
        device = rows.device
        is_exact = part.is_exact or self._find_eps(len(rows), device) > LARGEST_EPS
        multiplier = self._multipliers[is_exact]
        if not is_exact and multiplier.is_single(rows):
            self.sums.eps = max(self.sums.eps, self._eps[device])
        if not self._streams.are_used(device):
            multiplier.add(rows, self.sums.share(part.name))
            return
        if part.name in [pending.name for pending in self._pending]:
            self.collect()
        with self._streams.use(device):
            sums = self.sums.share(part.name).move(device)
            multiplier.add(rows, sums)
            self._streams.hold(rows)
        self._pending.append(_Pending(part.name, sums))

    def collect(self) -> None:
        """Wait for products on a GPU and take their sums."""
        self._streams.finish()
        for pending in self._pending:
            for target, values in zip(self.sums.share(pending.name), pending.sums, strict=True):
                target.copy_(values)
        self._pending.clear()

    def _find_eps(self, n_stimuli: int, device: torch.device) -> float:
        """Return the error of float32 products on a device, measured once."""
        if device not in self._eps:
            self._eps[device] = measure_eps(n_stimuli, self._step, device)
            if self._eps[device] > LARGEST_EPS:
                self.sums.inexact = max(self.sums.inexact, self._eps[device])
        return self._eps[device]


class SliceRows:
    """The activations (stimulus, feature) of one slice of a result, filled batch by batch.

    Of several samples the mean is kept.
    """

    def __init__(self, part: FeatureSlice, n_stimuli: int, adder: ProductAdder) -> None:
        self.part = part
        self.totals = np.zeros(n_stimuli)
        self.ran = np.ones(n_stimuli, bool)
        self._adder = adder
        self._rows: torch.Tensor | None = None
        self._n_filled = np.zeros(n_stimuli, int)

    def keep(self, step: Step, tensor: torch.Tensor | None) -> None:
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
            self._take(rows, tensor.detach())

    def _take(self, rows: slice, tensor: torch.Tensor) -> None:
        part = self.part
        values = tensor.reshape(len(tensor), -1)[:, part.start : part.stop]  # (stimulus, feature)
        if part.sketch:
            totals = values.double().sum(1).cpu().numpy()
            self.totals[rows] = totals if part.n_samples == 1 else self.totals[rows] + totals
            values = self._adder.open_sketch(part, values.device).reduce(values)  # (stimulus, sum)
        if self._rows is None:
            on_mps = values.device.type == "mps"  # which has no float64
            dtype = values.dtype
            if part.n_samples > 1:
                dtype = torch.float32 if on_mps else torch.float64
            self._rows = self._adder.take_rows(
                len(self._n_filled), values.shape[1], dtype, values.device
            )
            if part.n_samples > 1:
                self._rows.zero_()
        if part.n_samples == 1:
            self._rows[rows] = values
        else:
            self._rows[rows] += values

    def add_products(self) -> None:
        """Add the products between stimuli to the sums, and let go of the activations.

        Where the op did not run for some stimuli, there is no Gram, and ``sums.ran`` says so.

        Raises
        ------
        RecordingError
            When a stimulus is missing.
        """
        name = self.part.name
        sums = self._adder.sums
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
        if self.part.sketch:
            # A sketch is of rows without their means, which are added exactly.
            sums.grams[name] += np.outer(self.totals, self.totals) / self.part.width
        self._adder.add(self.part, values)
        if self.part.sketch:
            self._adder.collect()
            # Not those of the sketch.
            sums.totals[name][:] = self.totals
