"""Whether values rise along a given order: pure arrays."""

from itertools import permutations
from math import factorial

import numpy as np

# Up to so many values all orders are tried, beyond that as many random ones as below.
MOST_EXACT = 8
N_ORDERS = 40_000
ROUNDING = 1e-9


def permute_order(values: np.ndarray) -> float:
    """Return the p of Spearman's correlation of ``values`` (k,) with their order, one-sided.

    It is the share of orders of the values whose correlation is as large, all k! of them up to 8
    values and 40,000 random ones, with the observed order, beyond. NaN for fewer than three values,
    an undefined one, or values that are all equal.
    """
    from scipy.stats import rankdata

    n_values = len(values)
    if n_values < 3 or np.isnan(values).any() or np.ptp(values) == 0:
        return np.nan
    ranks = rankdata(values)
    places = np.arange(n_values)
    sums = ranks[list_orders(n_values)] @ places
    return float((sums >= ranks @ places - ROUNDING).mean())


def count_orders(n_values: int) -> int:
    """Return how many orders ``permute_order`` tries."""
    return factorial(n_values) if n_values <= MOST_EXACT else N_ORDERS


def list_orders(n_values: int) -> np.ndarray:
    """Return orders (order, k) of ``n_values`` values, the given one first."""
    if n_values <= MOST_EXACT:
        return np.array(list(permutations(range(n_values))))
    rng = np.random.default_rng(0)
    orders = np.tile(np.arange(n_values), (N_ORDERS, 1))
    orders[1:] = rng.permuted(orders[1:], axis=1)
    return orders
