"""Orders of stimuli under permutation, by what may be exchanged: pure arrays.

Axes: n stimuli, numbered as the caller has them; ``group`` (n,) whole numbers.
"""

import math

import numpy as np

# Scheme -> what attributes call it.
SCHEMES = {
    "stimuli": "all stimuli",
    "within": "within groups",
    "groups": "whole groups",
    "shift": "circular shifts",
}


def draw_orders(
    scheme: str, group: np.ndarray, n_permutations: int, rng: np.random.Generator
) -> np.ndarray:
    """Return orders (1 + permutation, n) of stimuli: as they are, then permuted.

    Under "stimuli" all stimuli are exchanged, under "within" those of the same ``group``; under
    "groups" whole groups exchange places with others of the same size, each keeping the order of
    its stimuli; under "shift" each group is shifted circularly by a random number of places.
    One group of n stimuli has n shifts, each of which is taken once at most, so there may be fewer
    orders.
    """
    if scheme == "groups":
        return _exchange_groups(group, n_permutations, rng)
    if scheme == "shift":
        return _shift_groups(group, n_permutations, rng)
    orders = np.tile(np.arange(len(group)), (1 + n_permutations, 1))
    parts = np.zeros_like(group) if scheme == "stimuli" else group
    for number in np.unique(parts):
        inside = np.flatnonzero(parts == number)
        orders[1:, inside] = rng.permuted(orders[1:, inside], axis=1)
    return orders


def count_orders(scheme: str, group: np.ndarray) -> float:
    """Return how many different orders a scheme has, infinity where these are very many."""
    sizes = np.unique(group, return_counts=True)[1]
    if scheme == "shift":
        logs = np.log(sizes)
    elif scheme == "groups":
        logs = np.array([math.lgamma(1 + k) for k in np.unique(sizes, return_counts=True)[1]])
    elif scheme == "within":
        logs = np.array([math.lgamma(1 + k) for k in sizes])
    else:
        logs = np.array([math.lgamma(1 + len(group))])
    total = logs.sum()
    return float(round(math.exp(total))) if total < 30 else math.inf


def count_fixed(group: np.ndarray) -> int:
    """Return how many groups have a size that no other group has."""
    counts = np.unique(np.unique(group, return_counts=True)[1], return_counts=True)[1]
    return int((counts == 1).sum())


def _exchange_groups(
    group: np.ndarray, n_permutations: int, rng: np.random.Generator
) -> np.ndarray:
    """Return orders in which whole groups of equal size have exchanged places."""
    orders = np.tile(np.arange(len(group)), (1 + n_permutations, 1))
    numbers, sizes = np.unique(group, return_counts=True)
    for size in np.unique(sizes):
        alike = numbers[sizes == size]
        members = np.stack([np.flatnonzero(group == number) for number in alike])  # (group, size)
        places = np.tile(np.arange(len(alike)), (n_permutations, 1))
        moved = members[rng.permuted(places, axis=1)]  # (permutation, group, size)
        orders[1:, members.ravel()] = moved.reshape(n_permutations, -1)
    return orders


def _shift_groups(group: np.ndarray, n_permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Return orders in which each group is shifted circularly, the last to the front."""
    numbers, sizes = np.unique(group, return_counts=True)
    if len(numbers) == 1:
        n_shifts = min(n_permutations, len(group) - 1)
        if n_shifts == len(group) - 1:
            steps = np.arange(len(group))[:, None]
        else:
            chosen = rng.choice(np.arange(1, len(group)), n_shifts, replace=False)
            steps = np.r_[0, chosen][:, None]
    else:
        steps = rng.integers(0, sizes, size=(1 + n_permutations, len(sizes)))
        steps[0] = 0
    orders = np.tile(np.arange(len(group)), (len(steps), 1))
    for column, number in enumerate(numbers):
        inside = np.flatnonzero(group == number)
        places = np.arange(len(inside)) - steps[:, [column]]
        orders[:, inside] = inside[places % len(inside)]
    return orders
