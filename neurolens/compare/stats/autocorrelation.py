"""Whether neighbours in a sequence, or members of a group, resemble each other: pure arrays.

Closeness (n, n) is any similarity of stimuli, larger for closer ones; only pairs of different
stimuli count. A mean over pairs is compared with that of the same places after stimuli are
shuffled, which is exact for stimuli in random order, whatever their similarities are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Resemblance is a mean that none of so many shuffles reaches: p = 1/1000.
N_SHUFFLES = 999
# Of more pairs than this, as many are compared.
MAX_PAIRS = 5000
# Distances that count as 0 and as very small, in units of the median distance, and how much larger
# distances may be for a gap between the two.
SAME = 1e-9
NEAR = 0.03
GAPS = {SAME: 1000.0, NEAR: 10.0}
# Of the distances below the wider limit, the share below the narrower one where there is a gap.
MIN_GAP = 0.5
# Places between the stimuli of the triples that tell a series, and how many triples are enough.
STEPS = (1, 2)
MIN_TRIPLES = 9
# Stimuli that have a very near one, as a share of how many at least, for copies that are not exact.
MIN_NEAR = 0.05
MIN_STIMULI = 30


class Copies(NamedTuple):
    """Pairs (pair, 2) of different stimuli of the same content; ``exact`` if up to rounding."""

    pairs: np.ndarray
    exact: bool


def resemble_neighbours(
    closeness: np.ndarray, sequence: np.ndarray, group: np.ndarray | None = None
) -> bool:
    """Return whether neighbours in ``sequence`` (q,) of stimuli are closer than in any shuffle.

    With ``group`` (n,) neighbours of the same group are compared, after shuffles within groups.
    """
    pairs = np.stack([sequence[:-1], sequence[1:]])
    pairs = pairs[:, pairs[0] != pairs[1]]
    if group is not None:
        pairs = pairs[:, group[pairs[0]] == group[pairs[1]]]
    return resemble_pairs(closeness, pairs, group)


def resemble_members(closeness: np.ndarray, group: np.ndarray) -> bool:
    """Return whether stimuli of the same ``group`` (n,) are closer than in any shuffle."""
    first, second = np.triu_indices(len(group), 1)
    same = group[first] == group[second]
    return resemble_pairs(closeness, np.stack([first[same], second[same]]))


def resemble_pairs(
    closeness: np.ndarray, pairs: np.ndarray, group: np.ndarray | None = None
) -> bool:
    """Return whether ``pairs`` (2, k) of stimuli are closer on average than in any shuffle.

    For stimuli in random order, within each ``group`` (n,) if given, that is true with a chance of
    1 / (1 + N_SHUFFLES).
    """
    if not pairs.shape[1]:
        return False
    rng = np.random.default_rng(0)
    pairs = pairs[:, :: 1 + pairs.shape[1] // MAX_PAIRS]
    observed = closeness[pairs[0], pairs[1]].mean()
    place = None if group is None else np.argsort(group, kind="stable")
    for _ in range(N_SHUFFLES):
        order = rng.permutation(len(closeness))
        if place is not None and group is not None:
            shuffled = np.empty_like(order)
            shuffled[place] = order[np.argsort(group[order], kind="stable")]
            order = shuffled
        if closeness[order[pairs[0]], order[pairs[1]]].mean() >= observed:
            return False
    return True


def drift_together(sides: Sequence[np.ndarray]) -> bool:
    """Return whether stimuli drift apart gradually in the order in which they stand, on all sides.

    Of three stimuli at equal distances in that order, the first and the last are the least close in
    a third of all cases in random order, in a half at most where stimuli are sorted into blocks of
    categories, and in more where they are a series that changes slowly. True if the share is above
    a half on each side (n, n), and their mean by two standard errors. In simulations of unrelated
    series of 24 stimuli or more with 8 features or more and an autocorrelation of .5 or more that
    was so in all, of stimuli sorted by category in none.
    """
    shares = []
    variances = []
    for closeness in sides:
        values = _share_least_close(closeness)
        if len(values) < MIN_TRIPLES:
            return False
        shares.append(values.mean())
        variances.append(_vary_mean(values))
    error = np.sqrt(sum(variances)) / len(sides)
    return min(shares) > 0.5 and float(np.mean(shares)) - 0.5 > 2 * error


def _share_least_close(closeness: np.ndarray) -> np.ndarray:
    """Return how often (middle,) first and last are the least close, about each middle stimulus.

    Of three stimuli that are neighbors, or every second one.
    """
    n = len(closeness)
    hits = np.zeros(n)
    count = np.zeros(n)
    for step in STEPS:
        first = np.arange(n - 2 * step)
        middle = first + step
        last = middle + step
        near = np.minimum(closeness[first, middle], closeness[middle, last])
        hits[middle] += closeness[first, last] < near
        count[middle] += 1
    return hits[count > 0] / count[count > 0]


def _vary_mean(values: np.ndarray) -> float:
    """Return the variance of the mean of ``values`` (n,), neighbors of which depend on each other.

    By the autocovariances up to the lag at which two values share no stimulus (Newey & West 1987),
    but no less than half of what independent values would give.
    """
    n = len(values)
    deviation = values - values.mean()
    longest = min(2 * max(STEPS), n - 1)
    own = float(deviation @ deviation) / n
    total = own
    for lag in range(1, longest + 1):
        covariance = float(deviation[:-lag] @ deviation[lag:]) / n
        total += 2 * (1 - lag / (longest + 1)) * covariance
    return max(0.5 * own, total) / n


def find_copies(squares: np.ndarray, rounding: float = 0.0) -> Copies:
    """Return the pairs of stimuli that are copies, from squared distances (n, n).

    Distances between different stimuli become rare towards 0; where there are copies, some are
    small and none are a little larger. Exact copies differ by ``rounding`` at most. Other copies
    count if they concern one in twenty stimuli or more. Features that take few values, such as
    category labels, are equal for different stimuli, and have no copies.
    """
    first, second = np.triu_indices(len(squares), 1)
    distance = squares[first, second]
    known = distance[np.isfinite(distance) & (distance > rounding)]
    nothing = Copies(np.empty((0, 2), dtype=int), exact=True)
    if len(known) < 3:
        return nothing
    scale = float(np.median(known))
    for limit, gap in GAPS.items():
        reach = max(limit * scale, rounding)
        inside = distance <= reach
        if not inside.any() or inside.sum() < MIN_GAP * (distance <= gap * reach).sum():
            continue
        pairs = np.stack([first[inside], second[inside]], axis=1)
        exact = limit == SAME
        if exact and _takes_few_values(squares, pairs):
            return nothing
        n_near = len(np.unique(pairs)) if len(squares) >= MIN_STIMULI else 0
        if exact or n_near >= max(4, MIN_NEAR * len(squares)):
            return Copies(pairs, exact)
    return nothing


def _takes_few_values(squares: np.ndarray, pairs: np.ndarray) -> bool:
    """Return whether distances between stimuli that are no copies repeat, as with categories."""
    kept = np.setdiff1d(np.arange(len(squares)), pairs[:, 1])
    if len(kept) < 4:
        return True
    rest = squares[np.ix_(kept, kept)][np.triu_indices(len(kept), 1)]
    scaled = np.round(rest / np.nanmedian(rest), 6)
    return len(np.unique(scaled)) < 0.5 * len(scaled)
