"""Gram matrices as they are added up, pass by pass, with the account of what went into them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from tqdm import tqdm

from neurolens.errors import RecordingError
from neurolens.extract.capture.restore import release_memory
from neurolens.extract.stream.axes import Layout
from neurolens.extract.stream.grams import products
from neurolens.extract.stream.grams.plan import FeatureSlice
from neurolens.extract.stream.passes import BatchDeviation, run_set
from neurolens.extract.stream.plan import Plan, count_elements


@dataclass
class GramSums:
    """What some passes gave, by result.

    Attributes
    ----------
    grams : dict of str
        ``A A'`` (stimulus, stimulus_2), float64, upper triangle.
    totals : dict of str
        ``A 1`` (stimulus,), float64.
    added : dict of str
        The ranges of features that the two are sums of.
    ran : dict of str
        Which stimuli (stimulus,) ran the op, in all passes.
    notes : dict of int
        What batches did otherwise than the recorded pass, by first row.
    """

    grams: dict[str, np.ndarray] = field(default_factory=dict)
    totals: dict[str, np.ndarray] = field(default_factory=dict)
    added: dict[str, list[range]] = field(default_factory=dict)
    ran: dict[str, np.ndarray] = field(default_factory=dict)
    notes: dict[int, BatchDeviation] = field(default_factory=dict)

    def open_result(self, name: str, n_stimuli: int) -> None:
        """Make the zero sums of a result, unless they are there."""
        if name not in self.grams:
            self.grams[name] = np.zeros((n_stimuli, n_stimuli))
            self.totals[name] = np.zeros(n_stimuli)
            self.added[name] = []
            self.ran[name] = np.ones(n_stimuli, bool)

    def add(self, other: "GramSums") -> None:
        """Add what other passes gave; sums of results that both have are added up."""
        for name, gram in other.grams.items():
            if name not in self.grams:
                self.grams[name] = gram
                self.totals[name] = other.totals[name]
                self.added[name] = other.added[name]
                self.ran[name] = other.ran[name]
                continue
            self.grams[name] += gram
            self.totals[name] += other.totals[name]
            self.added[name] += other.added[name]
            self.ran[name] &= other.ran[name]
        self.notes |= other.notes

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
            "the model, the number of stimuli, memory= and batch_size=; another memory= may work."
        )


class HeldSlice:
    """The activations (stimulus, feature) of one slice of a result, filled batch by batch."""

    def __init__(self, piece: FeatureSlice, n_stimuli: int) -> None:
        self.piece = piece
        self.totals = np.zeros(n_stimuli)
        self.ran = np.ones(n_stimuli, bool)
        self._rows: torch.Tensor | None = None
        self._taken = np.zeros(n_stimuli, bool)

    def take(
        self, rows: slice, tensor: torch.Tensor | None, sketches: dict[int, products.Sketch]
    ) -> None:
        """Keep what a batch gave, (stimulus, *shape), or that the op did not run for it."""
        self._taken[rows] = True
        self.ran[rows] = tensor is not None
        if tensor is None:
            return
        piece = self.piece
        values = tensor.reshape(len(tensor), -1)[:, piece.start : piece.stop]
        if piece.sketch:
            if piece.width not in sketches:
                sketches[piece.width] = products.Sketch(piece.width, piece.sketch, values.device)
            self.totals[rows] = values.double().sum(1).cpu().numpy()
            values = sketches[piece.width].reduce(values)
        if self._rows is None:
            self._rows = values.new_empty((len(self._taken), values.shape[1]))
        self._rows[rows] = values

    def add_to(self, sums: GramSums) -> None:
        """Add the products between stimuli to the sums; RecordingError when a stimulus lacks.

        Activations are given up. Where the op did not run for some stimuli, there is no Gram, and
        ``sums.ran`` says so.
        """
        name = self.piece.name
        if not self._taken.all():
            n_missing = int((~self._taken).sum())
            raise RecordingError(
                f"{name!r}: {n_missing} stimuli gave nothing in a pass over the set. No Gram is "
                "returned. This is a fault of NeuroLens: please report the model and the call."
            )
        sums.ran[name] &= self.ran
        held = self._rows
        self._rows = None
        if held is None or not self.ran.all():
            return
        sums.added[name].append(range(self.piece.start, self.piece.stop))
        if not self.piece.sketch:
            products.add_products(held, sums.grams[name], sums.totals[name])
            return
        # A sketch is of rows without their means, which are put back exactly.
        products.add_products(held, sums.grams[name], np.zeros(len(self.ran)))
        sums.grams[name] += np.outer(self.totals, self.totals) / self.piece.width
        sums.totals[name] += self.totals


def run_gram_groups(
    plan: Plan, groups: Sequence[Sequence[FeatureSlice]], progress: tqdm | None = None
) -> GramSums:
    """Run the set once per group, adding up the products of its slices."""
    sums = GramSums()
    n_stimuli = len(plan.stimuli)
    sketches: dict[int, products.Sketch] = {}
    for number, group in enumerate(groups, 1):
        if progress is not None:
            progress.set_description(f"grams, pass {number} of {len(groups)}")
        _run_group(plan, group, sums, sketches, n_stimuli, progress)
        release_memory()
    return sums


def _run_group(
    plan: Plan,
    group: Sequence[FeatureSlice],
    sums: GramSums,
    sketches: dict[int, products.Sketch],
    n_stimuli: int,
    progress: tqdm | None,
) -> None:
    held: dict[str, list[HeldSlice]] = {}
    for piece in group:
        sums.open_result(piece.name, n_stimuli)
        held.setdefault(piece.name, []).append(HeldSlice(piece, n_stimuli))

    def take(layout: Layout, rows: slice, tensor: torch.Tensor | None) -> None:
        for one in held[layout.name]:
            one.take(rows, tensor, sketches)

    def close(rows: range, note: BatchDeviation) -> None:
        if note.changed:
            sums.notes[rows.start] = note

    layouts = list({piece.name: piece.layout for piece in group}.values())
    run_set(plan, layouts, take, batches=plan.batches, progress=progress, close=close)
    release_memory()
    for name in list(held):
        for one in held.pop(name):
            one.add_to(sums)
