"""Whether each row of a result follows its stimulus, whatever else is in the batch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from neurolens.extract.capture.differences import measure_difference
from neurolens.extract.stream.layouts.layout import Layout

MIXES = (
    "its values for a stimulus depend on the other stimuli of the batch, on their order or on the "
    "batch size"
)
_N_SAMPLED = 64


class RowComparison:
    """Compares the results of a batch with those of another that shares stimuli with it.

    Parameters
    ----------
    reference : dict of str
        Result -> its values (stimulus, ...) in the other batch.
    reference_ids, ids : sequence of str
        The stimuli of the other batch, and of this one.
    precisions : dict of str
        Result -> the coarsest machine precision of what it was computed from.
    keeps_values : bool
        Whether to keep the values of all results.

    Attributes
    ----------
    shared_ids : list of str
        The stimuli of both.
    mixing : list of str
        The results whose values differ between the two batches for a stimulus of both.
    values : dict of str
        Result -> its values here for the stimuli of both, where they are kept.
    samples : dict of str
        Result -> some of its values (stimulus, k) for all stimuli of this batch.
    """

    def __init__(
        self,
        reference: Mapping[str, torch.Tensor],
        reference_ids: Sequence[str],
        ids: Sequence[str],
        precisions: Mapping[str, float],
        keeps_values: bool = False,
    ) -> None:
        self.mixing: list[str] = []
        self.values: dict[str, torch.Tensor] = {}
        self.samples: dict[str, torch.Tensor] = {}
        self._reference = reference
        self.shared_ids = [stimulus for stimulus in reference_ids if stimulus in ids]
        self._rows = [ids.index(stimulus) for stimulus in self.shared_ids]
        self._reference_rows = [reference_ids.index(stimulus) for stimulus in self.shared_ids]
        self._precisions = precisions
        self._keeps_values = keeps_values

    def compare(self, layout: Layout, rows: torch.Tensor) -> None:
        """Take a result of this batch, (stimulus, ...)."""
        name = layout.name
        rows = rows.detach()
        here = rows[self._rows]
        there = take_rows(self._reference[name], self._reference_rows).detach()
        if measure_difference(here, there, self._precisions[name]) > 1:
            self.mixing.append(name)
        if self._keeps_values:
            self.values[name] = here.clone()
        self.samples[name] = sample_values(rows)


@dataclass(frozen=True)
class KnownRows:
    """Some values of every result for some stimuli, with which batches of a run are compared.

    ``samples`` holds them by result, (stimulus, k), for the stimuli ``ids``.
    """

    samples: Mapping[str, torch.Tensor]
    ids: Sequence[str]
    precisions: Mapping[str, float]

    def differ(self, layout: Layout, rows: torch.Tensor, ids: Sequence[str]) -> bool:
        """Return whether a result (stimulus, ...) has other values for a known stimulus."""
        samples = self.samples.get(layout.name)
        if samples is None:
            return False
        precision = self.precisions[layout.name]
        for i, stimulus in enumerate(ids):
            if stimulus in self.ids:
                known = samples[self.ids.index(stimulus)]
                here = sample_values(rows[i : i + 1].detach())[0]
                if measure_difference(here, known, precision) > 1:
                    return True
        return False


def take_rows(tensor: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
    """Return some rows of a tensor, without a copy where they are consecutive."""
    start = rows[0] if rows else 0
    if list(rows) == list(range(start, start + len(rows))):
        return tensor[start : start + len(rows)]
    return tensor[list(rows)]


def sample_values(rows: torch.Tensor) -> torch.Tensor:
    """Return up to 64 evenly spread values of each stimulus (stimulus, k)."""
    flat = rows.reshape(len(rows), math.prod(rows.shape[1:]))
    n_features = flat.shape[1]
    n_taken = min(n_features, _N_SAMPLED)
    # In float32 the last of many would be one too far.
    features = torch.linspace(0, max(n_features - 1, 0), n_taken, dtype=torch.float64)
    return flat[:, features.long().to(rows.device)]


def spread_rows(n_stimuli: int, n_rows: int) -> list[int]:
    """Return up to so many rows, spread evenly over a set, in order."""
    n_rows = min(n_rows, n_stimuli)
    return [round(i * (n_stimuli - 1) / (n_rows - 1)) for i in range(n_rows)]


def shuffle_rows(n_stimuli: int, rows: Sequence[int], n_rows: int) -> list[int]:
    """Return rows of a batch that ends with some of ``rows`` in reverse order, others before them.

    Where the set has other stimuli, at least one of them is in the batch.

    Parameters
    ----------
    n_stimuli : int
        In the set.
    rows : sequence of int
    n_rows : int
        Of the batch, where the set has so many.
    """
    others = [row for row in range(n_stimuli) if row not in rows]
    n_shared = min(len(rows), max(n_rows - 1, 1)) if others else min(len(rows), n_rows)
    n_others = min(n_rows - n_shared, len(others))
    picked = spread_rows(len(others), n_others) if n_others > 1 else range(n_others)
    return [*[others[i] for i in picked], *reversed(rows[:n_shared])]
