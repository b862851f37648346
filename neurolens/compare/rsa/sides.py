"""Both sides of a comparison as pairs, and their scores, computed in blocks of ops."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import warn_no_score
from neurolens.compare.rdms.vectors import (
    BrainRDMs,
    ModelRDMs,
    read_brain_rdms,
    read_model_rdms,
)
from neurolens.compare.rsa.comparators.table import Comparator, compare_pairs, find_comparator

# Limits of a block: pairs times ops, of which comparators make several copies; and draws times ops
# times brain RDMs.
BLOCK_PAIRS = 2**22
BLOCK_DRAWS = 2**23


class Sides(NamedTuple):
    """The comparator, and both sides as pairs, their stimuli in the same order."""

    comparator: Comparator
    model: ModelRDMs
    brain: BrainRDMs


def read_sides(model_rdms: xr.DataArray, brain_rdms: xr.DataArray, comparator: str) -> Sides:
    """Return the comparator and both RDMs, checked."""
    row = find_comparator(comparator)
    model = read_model_rdms(model_rdms)
    return Sides(row, model, read_brain_rdms(brain_rdms, model.ids))


def name_dissimilarity(rdms: xr.DataArray) -> str:
    """Return how RDMs were made according to their attributes, empty where these do not say."""
    return str(rdms.attrs.get("metric", ""))


def name_variables(values: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the variables of ``values`` with their labels, by name."""
    return {str(name): array for name, array in values.data_vars.items()}


def count_ops(model: ModelRDMs, brain: BrainRDMs, n_draws: int) -> int:
    """Return how many ops to compare at once, so that memory does not grow with their number."""
    by_pairs = BLOCK_PAIRS // model.pairs.shape[1]
    by_draws = BLOCK_DRAWS // (max(1, n_draws) * int(brain.present.sum()))
    return max(1, min(by_pairs, by_draws))


def compare_draws(
    x: np.ndarray, brain: BrainRDMs, counts: np.ndarray, comparator: Comparator
) -> np.ndarray:
    """Return the similarity (d, m, region, subject) of ``x`` (m, p) to each brain RDM.

    Stimuli occur ``counts`` (d, n) times. The similarity is NaN for those of ``x`` with NaN, for a
    subject without the region, and for draws of fewer than three stimuli.
    """
    usable = ~np.isnan(x).any(axis=1)
    enough = (counts > 0).sum(axis=1) >= 3
    scores = np.full((len(counts), len(x), brain.present.sum()), np.nan)
    scores[np.ix_(enough, usable)] = compare_pairs(
        x[usable], brain.pairs[brain.present], counts[enough], comparator
    )
    by_subject = np.full((*scores.shape[:2], *brain.present.shape), np.nan)
    by_subject[:, :, brain.present] = scores
    return by_subject


def score_whole(sides: Sides) -> np.ndarray:
    """Return the similarity (op, region, subject) over all stimuli."""
    pairs = sides.model.pairs
    once = np.ones((1, len(sides.model.ids)), dtype=int)
    width = count_ops(sides.model, sides.brain, 1)
    scores = np.full((len(pairs), *sides.brain.present.shape), np.nan)
    for start in range(0, len(pairs), width):
        ops = slice(start, start + width)
        scores[ops] = compare_draws(pairs[ops], sides.brain, once, sides.comparator)[0]
    return scores


def warn_undefined(sides: Sides, score: np.ndarray) -> None:
    """Warn once, naming the ops without a ``score`` (op, region, subject) where there are RDMs."""
    warn_ops(sides.model.ops[np.isnan(score[:, sides.brain.present]).any(axis=1)])


def warn_ops(ops: np.ndarray) -> None:
    """Warn once, naming the ops without a score."""
    warn_no_score(
        ops,
        "the RDM holds NaN or does not vary over pairs",
        "Leave those ops out, or drop the stimuli that compute_rdms warned about",
    )
