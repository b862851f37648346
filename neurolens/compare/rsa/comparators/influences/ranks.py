"""Influences on products of ranks: Spearman and rho-a. Pure arrays.

With R the mid-rank of a pair less the mean rank, weighing pair q more adds R_x R_y of that pair to
S = sum R_x R_y, and changes the ranks of all other pairs p, by 1/2 sign(x_p - x_q).
"""

from typing import Any, NamedTuple

import numpy as np
import torch

from neurolens.compare.rsa.comparators.influences.incidence import Incidence
from neurolens.compare.rsa.comparators.ranks import SortedPairs, sort_pairs

# Running sums at once, few enough for a processor's cache.
BLOCK_COLUMNS = 12


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
        below = pairs.below[0]
        upto = below + 1 if pairs.upto is None else pairs.upto[0]
        ranks[:] = (below + upto - values.shape[1]) / 2
    return Ranked(rows, centered)


def _change_products(x: Ranked, y: Ranked, incidence: Incidence) -> np.ndarray:
    """Return the influences (m, b, n) on the sums of products of ranks."""
    change = incidence.sum_products(x.centered, y.centered)
    change += _displace(x.rows, y.centered, incidence)
    change += np.swapaxes(_displace(y.rows, x.centered, incidence), 0, 1)
    return change


def _change_powers(ranked: Ranked, incidence: Incidence) -> np.ndarray:
    """Return the influences (k, n) on the sums of squared ranks."""
    change = incidence.sum_rows(ranked.centered**2)
    for k, (pairs, own) in enumerate(zip(*ranked, strict=True)):
        change[k] += 2 * _displace([pairs], own[None], incidence)[0, 0]
    return change


def _displace(rows: list[SortedPairs], others: np.ndarray, incidence: Incidence) -> np.ndarray:
    """Return sum_q sum_p 1/2 sign(x_p - x_q) others_p, (k, l, n), for each x of k ``rows``.

    q are the pairs of each stimulus and p all pairs; each of ``others`` (l, p) adds up to 0. Sums
    over the pairs with smaller values, and over those with larger ones, are running sums along the
    sorted order of x.
    """
    n_pairs = others.shape[1]
    result = np.empty((len(rows), len(others), incidence.n))
    gathers = [_gather_places(pairs, incidence) for pairs in rows]
    for start in range(0, len(others), BLOCK_COLUMNS):
        block = slice(start, start + BLOCK_COLUMNS)
        columns = np.ascontiguousarray(others[block].T)  # (p, l)
        running = np.zeros((n_pairs + 1, columns.shape[1]))
        own = incidence.sum_rows(others[block])  # (l, n)
        for row, pairs in enumerate(rows):
            in_order = torch.from_numpy(columns.take(pairs.order[0], axis=0))
            torch.cumsum(in_order, 0, out=torch.from_numpy(running)[1:])
            # Sums over larger values are those over values no larger, negated.
            total = (gathers[row] @ running).T  # (l, n)
            result[row, block] = -(2 * total + own if pairs.upto is None else total) / 2
    return result


def _gather_places(pairs: SortedPairs, incidence: Incidence) -> Any:
    """Return the sparse matrix that adds up running sums where the pairs of a stimulus stand.

    It takes sums over smaller values, and over values no larger where there are ties; without ties
    the latter are the pair itself more.
    """
    places = (pairs.below[0],) if pairs.upto is None else (pairs.below[0], pairs.upto[0])
    return incidence.gather(pairs.order.shape[1] + 1, *places)
