"""Both sides of a comparison as pairs, and their scores, computed in blocks of ops."""

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import warn_no_score
from neurolens.compare.rdms.vectors import (
    BrainRDMs,
    ModelRDMs,
    read_brain_rdms,
    read_model_rdms,
)
from neurolens.compare.rsa.comparators.orders import rank_rows, rank_whole
from neurolens.compare.rsa.comparators.partial import group_masks
from neurolens.compare.rsa.comparators.table import (
    Comparator,
    compare_pairs,
    find_comparator,
    influence_pairs,
)
from neurolens.errors import warn_user
from neurolens.labels import list_names
from neurolens.scores import PARTIAL_PAIRS, PER_SUBJECT

# Limits of a block: pairs times ops, of which comparators make several copies, while brain RDMs are
# ranked anew for each block; and draws times ops times brain RDMs.
BLOCK_PAIRS = 2**23
BLOCK_DRAWS = 2**23
# Limit of a block whose influences are computed: pairs times ops, and ops, brain RDMs and stimuli.
BLOCK_INFLUENCES = 2**23


class Sides(NamedTuple):
    """The comparator, and both sides as pairs, their stimuli in the same order."""

    comparator: Comparator
    model: ModelRDMs
    brain: BrainRDMs


def read_sides(model_rdms: xr.DataArray, brain_rdms: xr.DataArray, comparator: str) -> Sides:
    """Return the comparator and both RDMs, checked; warn once of those that lack some pairs."""
    row = find_comparator(comparator)
    model = read_model_rdms(model_rdms)
    sides = Sides(row, model, read_brain_rdms(brain_rdms, model.ids))
    warn_gaps(_list_gaps(sides), "; n_pairs of the result says how many")
    return sides


def rank_sides(sides: Sides) -> Sides:
    """Return both sides as mid-ranks, where the comparator sees only these.

    RDMs are sorted once then, instead of whenever they are compared. Those that lack pairs stay as
    they are: they are ranked among the pairs that both sides have. Ranks are written over the
    dissimilarities, so that memory does not grow.
    """
    if sides.comparator.standardize is not rank_rows:
        return sides
    model = sides.model._replace(pairs=rank_whole(sides.model.pairs, in_place=True))
    pairs = sides.brain.pairs
    ranked = rank_whole(pairs.reshape(-1, pairs.shape[-1]), in_place=True)
    brain = sides.brain._replace(pairs=ranked.reshape(pairs.shape))
    return sides._replace(model=model, brain=brain)


def find_gaps(has_pair: np.ndarray) -> np.ndarray:
    """Return which RDMs (...,) lack some pairs and not all, of ``has_pair`` (..., pair)."""
    n_pairs = has_pair.sum(axis=-1)
    return (n_pairs > 0) & (n_pairs < has_pair.shape[-1])


def has_gaps(sides: Sides) -> bool:
    """Return whether some RDM lacks some pairs, so that not all scores are of the same pairs."""
    gaps = [find_gaps(side.has_pair).any() for side in (sides.model, sides.brain)]
    return any(gaps)


def _list_gaps(sides: Sides) -> list[str]:
    """Return the ops, and the regions and subjects, whose RDMs lack some pairs."""
    return list_op_gaps(sides.model) + list_brain_gaps(sides.brain)


def list_op_gaps(model: ModelRDMs) -> list[str]:
    """Return the ops whose RDMs lack some pairs."""
    return [f"op {op}" for op in model.ops[find_gaps(model.has_pair)]]


def list_brain_gaps(brain: BrainRDMs) -> list[str]:
    """Return the regions and subjects whose RDMs lack some pairs."""
    places = np.argwhere(find_gaps(brain.has_pair))
    return [f"{brain.regions[region]}, {brain.subjects[subject]}" for region, subject in places]


def warn_gaps(names: list[str], more: str = "") -> None:
    """Warn once of the RDMs called ``names``, which lack some pairs; ``more`` is said last."""
    if names:
        warn_user(
            f"some pairs are NaN in the RDMs of {list_names(names)}. Each score is of the pairs "
            f"that both of its RDMs have{more}."
        )


def count_pairs(sides: Sides) -> np.ndarray:
    """Return how many pairs both RDMs have (op, region, subject)."""
    of_model = sides.model.has_pair
    of_brain = sides.brain.has_pair
    if has_gaps(sides):
        counts = np.tensordot(of_model.astype(float), of_brain.astype(float), axes=(1, 2))
        return np.rint(counts).astype(int)
    has_rdm = of_model.sum(axis=1) > 0
    return (has_rdm[:, None, None] & sides.brain.present) * of_model.shape[1]


def describe_pairs(sides: Sides) -> dict[str, str]:
    """Return the attribute of scores that says which pairs they are of."""
    n_pairs = sides.model.pairs.shape[1]
    if has_gaps(sides):
        return {"pairs": f"{PARTIAL_PAIRS}, of {n_pairs}; see n_pairs"}
    return {"pairs": f"all {n_pairs}"}


def name_dissimilarity(rdms: xr.DataArray) -> str:
    """Return how RDMs were made according to their attributes, empty where these do not say."""
    return str(rdms.attrs.get("metric", ""))


def name_variables(values: xr.Dataset, sides: Sides | None = None) -> dict[str, Any]:
    """Return the variables of ``values`` with their labels, by name.

    With ``sides`` the numbers of pairs that scores are of are among them.
    """
    variables: dict[str, Any] = {str(name): array for name, array in values.data_vars.items()}
    if sides is not None:
        variables["n_pairs"] = (PER_SUBJECT, count_pairs(sides))
    return variables


def count_ops(model: ModelRDMs, brain: BrainRDMs, n_draws: int) -> int:
    """Return how many ops to compare at once, so that memory does not grow with their number."""
    by_pairs = BLOCK_PAIRS // model.pairs.shape[1]
    by_draws = BLOCK_DRAWS // (max(1, n_draws) * int(brain.present.sum()))
    return max(1, min(by_pairs, by_draws))


def count_draw_steps(sides: Sides, n_draws: int, n_halves: int) -> int:
    """Return how many steps it is to compare draws and halves: each in each block of ops.

    Ceilings are drawn too, in each region that has them.
    """
    width = count_ops(sides.model, sides.brain, n_draws)
    n_blocks = math.ceil(len(sides.model.ops) / width)
    n_bounded = int((sides.brain.present.sum(axis=1) > 1).sum())
    return n_blocks * (1 + n_halves + n_draws) + n_bounded * (1 + n_draws)


def count_influenced(model: ModelRDMs, brain: BrainRDMs) -> int:
    """Return for how many ops to compute influences at once."""
    by_pairs = BLOCK_INFLUENCES // model.pairs.shape[1]
    by_stimuli = BLOCK_INFLUENCES // (brain.present.size * len(model.ids))
    return max(1, min(by_pairs, by_stimuli))


def compare_draws(
    x: np.ndarray, brain: BrainRDMs, counts: np.ndarray, comparator: Comparator
) -> np.ndarray:
    """Return the similarity (d, m, region, subject) of ``x`` (m, p) to each brain RDM.

    Stimuli occur ``counts`` (d, n) times. The similarity is over the pairs that both have; it is
    NaN for a subject without the region, and for draws of fewer than three stimuli or pairs.
    """
    usable = ~np.isnan(x).all(axis=1)
    enough = (counts > 0).sum(axis=1) >= 3
    scores = np.full((len(counts), len(x), brain.present.sum()), np.nan)
    scores[np.ix_(enough, usable)] = compare_pairs(
        x if usable.all() else x[usable], brain.pairs[brain.present], counts[enough], comparator
    )
    by_subject = np.full((*scores.shape[:2], *brain.present.shape), np.nan)
    by_subject[:, :, brain.present] = scores
    return by_subject


def influence_sides(
    x: np.ndarray, brain: BrainRDMs, unit: np.ndarray, comparator: Comparator
) -> np.ndarray:
    """Return the influence (m, region, subject, u) of each unit on ``compare_draws``.

    ``x`` is (m, p), ``unit`` (n,) numbers the stimuli's. It is NaN where there is no score, and for
    units that are not part of it.
    """
    influences = influence_pairs(x, brain.pairs[brain.present], unit, comparator)
    by_subject = np.full((len(x), *brain.present.shape, influences.shape[-1]), np.nan)
    by_subject[:, brain.present] = influences
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
        "the RDM does not vary over pairs, or has fewer than 3 in common with one of the brain",
        "Leave those ops out",
    )


def warn_lost_intervals(values: xr.Dataset) -> None:
    """Warn of ops with a mean score that has no interval from influences."""
    is_lost = values["score_mean"].notnull() & values["mean_ci_low"].isnull()
    lost = values["op"].values[is_lost.any("region").values]
    if len(lost):
        warn_user(
            f"no interval for {list_names(lost)}: without one of the stimuli there is no score, or "
            "a subject has too few. interval='bootstrap' scores draws of stimuli instead"
        )


def count_fewest_units(sides: Sides, group: np.ndarray | None) -> int:
    """Return of how many stimuli, or groups of them, the RDM with the fewest has pairs.

    That is of a model's and a brain's RDM together. Those without any pair are not counted.
    ``group`` (stimulus,) are the numbers of groups.
    """
    n_stimuli = len(sides.model.ids)
    unit = np.arange(n_stimuli) if group is None else group
    model = _list_masks(sides.model.has_pair)
    brain = _list_masks(sides.brain.has_pair.reshape(-1, model.shape[-1]))
    fewest = int(unit.max()) + 1
    first, second = np.triu_indices(n_stimuli, k=1)
    for ours, theirs in itertools.product(model, brain):
        shared = ours & theirs
        if shared.any() and not shared.all():
            seen = np.union1d(unit[first[shared]], unit[second[shared]])
            fewest = min(fewest, len(seen))
    return fewest


def _list_masks(has_pair: np.ndarray) -> np.ndarray:
    """Return the different rows (mask, pair) of those (RDM, pair) that have some of the pairs.

    One that has all of them is always among them.
    """
    n_pairs = has_pair.sum(axis=1)
    is_part = (n_pairs > 0) & (n_pairs < has_pair.shape[1])
    whole = np.ones((1, has_pair.shape[1]), dtype=bool)
    partial = [mask[None] for mask, _ in group_masks(has_pair[is_part])]
    return np.concatenate([whole, *partial])
