"""Whether each row of a result follows its stimulus, whatever else is in the batch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch

from neurolens.extract.capture.differences import find_tolerances, measure_difference
from neurolens.extract.stream.layouts.layout import Layout

MIXES = (
    "its values for a stimulus depend on the other stimuli of the batch, on their order or on the "
    "batch size"
)
_N_SAMPLED = 64
# Values of a stimulus that are added up, each with a sign.
_SUMMED = 1024
# Values that are looked at together, where stimuli have few.
_TOGETHER = 2**16


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
        Result -> what is kept of its values for all stimuli of this batch.
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
        self.samples: dict[str, RowSamples] = {}
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
        self.samples[name] = sample_rows(rows)


class RowSamples(NamedTuple):
    """Values of some stimuli, by which a difference in any of them is noticed.

    ``values`` (stimulus, k) are some, as they are. ``sums`` (stimulus, block) are of all that are
    not whole numbers, each with a sign, over blocks of features; ``norms`` (stimulus, block) are
    the lengths of the blocks and ``largest`` (stimulus,) the largest magnitudes. ``n_other``
    (stimulus,) counts values that are not finite, which are 0 in the sums.
    """

    values: torch.Tensor
    sums: torch.Tensor
    norms: torch.Tensor
    largest: torch.Tensor
    n_other: torch.Tensor

    def differ(
        self, rows: Sequence[int], other: "RowSamples", other_rows: Sequence[int], precision: float
    ) -> bool:
        """Return whether a stimulus has other values than that of others, but for rounding.

        Stimulus ``rows[i]`` here is compared with ``other_rows[i]`` of the others. Roundings in
        another batch have no common sign, so that in a sum over n values they make the square root
        of n as much as in one. In half precision, where a value may round by a hundredth and more,
        a difference in a single one is noticed among ``values`` only.
        """
        for row, other_row in zip(rows, other_rows, strict=True):
            values = other.values[other_row]
            if measure_difference(self.values[row], values, precision) > 1:
                return True
        if not self.sums.numel():
            return False
        tolerances = find_tolerances(self.values.dtype, precision)
        largest = take_rows(other.largest, other_rows)[:, None]
        allowed = tolerances.of_value * take_rows(other.norms, other_rows)
        allowed = allowed + tolerances.of_scale * _SUMMED**0.5 * largest
        difference = take_rows(self.sums, rows) - take_rows(other.sums, other_rows)
        is_other = take_rows(self.n_other, rows) != take_rows(other.n_other, other_rows)
        return bool((difference.abs() > allowed).any() | is_other.any())


@dataclass(frozen=True)
class KnownRows:
    """What is known of every result for some stimuli, with which batches of a run are compared.

    ``samples`` holds it by result, for the stimuli ``ids``.
    """

    samples: Mapping[str, RowSamples]
    ids: Sequence[str]
    precisions: Mapping[str, float]

    def differ(self, layout: Layout, rows: torch.Tensor, ids: Sequence[str]) -> bool:
        """Return whether a result (stimulus, ...) has other values for a known stimulus."""
        samples = self.samples.get(layout.name)
        if samples is None:
            return False
        precision = self.precisions[layout.name]
        shared = [i for i, stimulus in enumerate(ids) if stimulus in self.ids]
        n_together = _count_together(rows)
        for start in range(0, len(shared), n_together):
            some = shared[start : start + n_together]
            here = sample_rows(take_rows(rows.detach(), some))
            known = [self.ids.index(ids[i]) for i in some]
            if here.differ(range(len(some)), samples, known, precision):
                return True
        return False


def sample_rows(rows: torch.Tensor) -> RowSamples:
    """Return what is kept of results (stimulus, ...) to compare them with those of other batches.

    Stimuli of many values are taken one after the other, in as much memory as these at most.
    """
    values = sample_values(rows)
    if not (rows.is_floating_point() or rows.is_complex()) or not values.numel():
        none = torch.zeros((len(rows), 0), device=rows.device)
        return RowSamples(values, none, none, none, none)
    parts = [_sum_blocks(part) for part in rows.split(_count_together(rows))]
    return RowSamples(values, *(torch.cat(part) for part in zip(*parts, strict=True)))


def _count_together(rows: torch.Tensor) -> int:
    """Return how many stimuli of results (stimulus, ...) are looked at together."""
    return max(1, _TOGETHER // max(1, math.prod(rows.shape[1:])))


def _sum_blocks(rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return sums, norms, largest magnitudes and numbers of other values of stimuli."""
    flat = torch.view_as_real(rows.resolve_conj()) if rows.is_complex() else rows
    flat = flat.reshape(len(flat), -1)
    if flat.dtype not in (torch.float32, torch.float64):
        flat = flat.float()
    largest = _find_largest(flat)
    n_other = torch.zeros(len(flat), dtype=torch.int64, device=flat.device)
    if not bool(largest.isfinite().all()):
        n_other = (~flat.isfinite()).sum(1)
        flat = flat.nan_to_num(0, 0, 0)
        largest = _find_largest(flat)
    n_whole = flat.shape[1] // _SUMMED
    signs = _draw_signs(flat.dtype, flat.device)
    sums = []
    norms = []
    if n_whole:
        whole = flat[:, : n_whole * _SUMMED].unflatten(1, (n_whole, _SUMMED))
        sums.append(whole @ signs)
        norms.append(torch.linalg.vector_norm(whole, dim=2))
    rest = flat[:, n_whole * _SUMMED :]
    if rest.shape[1]:
        sums.append((rest @ signs[: rest.shape[1]])[:, None])
        norms.append(torch.linalg.vector_norm(rest, dim=1, keepdim=True))
    return torch.cat(sums, 1), torch.cat(norms, 1), largest, n_other


def _find_largest(rows: torch.Tensor) -> torch.Tensor:
    """Return the largest magnitude of each row (row, feature), NaN where one is."""
    if len(rows) == 1:
        low, high = torch.aminmax(rows)
        return torch.maximum(-low, high)[None]
    # In one call, ``torch.aminmax(dim=1)`` takes several times as long.
    return torch.maximum(-rows.amin(1), rows.amax(1))


@cache
def _draw_signs(dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return as many signs as there are values in a block, always the same."""
    generator = torch.Generator().manual_seed(0)
    bits = torch.randint(0, 2, (_SUMMED,), generator=generator)
    return (2 * bits - 1).to(device, dtype)


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

    Where the set has other stimuli, at least one of them is in the batch. A single one stands
    before the last, so that none of ``rows`` keeps its place in the middle.

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
    shared = list(reversed(rows[:n_shared]))
    if n_others == 1:
        return [*shared[:-1], others[0], *shared[-1:]]
    picked = spread_rows(len(others), n_others) if n_others else ()
    return [*[others[i] for i in picked], *shared]
