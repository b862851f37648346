"""Influences on products of ranks: Spearman and rho-a. Pure arrays.

With R the mid-rank of a pair less the mean rank, weighing pair q more adds R_x R_y of that pair to
S = sum R_x R_y, and changes the ranks of all other pairs p, by 1/2 sign(x_p - x_q).
"""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rsa.comparators.influences.incidence import Incidence
from neurolens.compare.rsa.comparators.influences.running import displace
from neurolens.compare.rsa.comparators.orders import SortedPairs, sort_pairs


class Ranked(NamedTuple):
    """RDMs in order: ``rows``, each sorted, and their mid-ranks ``centered`` (k, p) about 0."""

    rows: list[SortedPairs]
    centered: np.ndarray


def influence_rho_a(x: np.ndarray, y: np.ndarray, incidence: Incidence) -> np.ndarray:
    """Return the influences (m, b, u) on rho-a of ``x`` (m, p) and ``y`` (b, p).

    Time O(m b p) and a sort of each RDM.
    """
    n_pairs = x.shape[1]
    scale = n_pairs**3 - n_pairs
    of_x = _rank_pairs(x)
    of_y = _rank_pairs(y)
    rho = 12 * of_x.centered @ of_y.centered.T / scale
    # The denominator grows with each pair too.
    growth = (3 * n_pairs**2 - 1) / scale * incidence.degree  # (n,)
    change = _change_products(of_x, of_y, incidence)
    return incidence.add_units(12 / scale * change - rho[:, :, None] * growth)


def influence_spearman(x: np.ndarray, y: np.ndarray, incidence: Incidence) -> np.ndarray:
    """Return the influences (m, b, u) on Spearman's r of ``x`` (m, p) and ``y`` (b, p)."""
    of_x = _rank_pairs(x)
    of_y = _rank_pairs(y)
    power_x = (of_x.centered**2).sum(axis=1)
    power_y = (of_y.centered**2).sum(axis=1)
    scale = np.sqrt(np.outer(power_x, power_y))
    r = of_x.centered @ of_y.centered.T / scale
    change = _change_products(of_x, of_y, incidence)
    change_x = _change_powers(of_x, incidence) / power_x[:, None]  # (m, n)
    change_y = _change_powers(of_y, incidence) / power_y[:, None]
    influences = change / scale[:, :, None] - r[:, :, None] / 2 * (change_x[:, None] + change_y)
    return incidence.add_units(influences)


def _rank_pairs(values: np.ndarray) -> Ranked:
    """Return RDMs (k, p) in order, and their ranks."""
    rows = [sort_pairs(row[None]) for row in values]
    centered = np.empty(values.shape)
    for ranks, pairs in zip(centered, rows, strict=True):
        ranks[:] = pairs.center_ranks()[0]
    return Ranked(rows, centered)


def _change_products(x: Ranked, y: Ranked, incidence: Incidence) -> np.ndarray:
    """Return the influences (m, b, n) on the sums of products of ranks."""
    change = incidence.sum_products(x.centered, y.centered)
    change += displace(x.rows, y.centered, incidence)
    change += np.swapaxes(displace(y.rows, x.centered, incidence), 0, 1)
    return change


def _change_powers(ranked: Ranked, incidence: Incidence) -> np.ndarray:
    """Return the influences (k, n) on the sums of squared ranks."""
    change = incidence.sum_rows(ranked.centered**2)
    for k, (pairs, own) in enumerate(zip(*ranked, strict=True)):
        change[k] += 2 * displace([pairs], own[None], incidence)[0, 0]
    return change
