"""Influences on whitened comparators: pure arrays.

With G the double-centered Gram of an RDM (``whitened``), the product of two RDMs is the sum of Gx
Gy. Where stimuli g are left out and r are left, the Gram of these is G centered anew: with s_j the
sum of G over j and g, and t that over g and g, the product is sum_jk Gx Gy - 2/r sum_j sx sy + tx
ty / r^2, over j and k that are left, because rows of G add up to 0. Dissimilarities less their mean
d have a Gram that is less by d / 2 in each direction about the mean.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neurolens.compare.rsa.comparators.influences.incidence import Incidence
from neurolens.compare.rsa.comparators.influences.products import compare_left
from neurolens.compare.rsa.comparators.moments import center_rows
from neurolens.compare.stats.linalg import center_twice, expand_pairs
from neurolens.support.units import bring_near

# Share of a sum of squares below which what is left of it is rounding.
ROUNDING = 1e-10
# Sums of products of arrays of k RDMs.
Products = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Whitened(NamedTuple):
    """Grams (k, n, n) of norm 1, and the dissimilarities ``pairs`` (k, p) in the same unit."""

    grams: np.ndarray
    pairs: np.ndarray


class Rest(NamedTuple):
    """What the product of Grams (k, n, n) is made from where g stimuli are left out.

    ``rows`` (k, g, n) are the rows that are left out, ``inside`` (k, g, g) their part of the Gram,
    ``sums`` (k, r) and ``total`` (k,) the s_j and t of above; ``trace`` (k,) is that of the Gram
    centered anew, ``mean`` (k,) that of the dissimilarities that are left.
    """

    rows: np.ndarray
    inside: np.ndarray
    sums: np.ndarray
    total: np.ndarray
    trace: np.ndarray
    mean: np.ndarray


def influence_whitened(x: np.ndarray, y: np.ndarray, incidence: Incidence) -> np.ndarray:
    """Return the influences (m, b, u) on whitened cosines of ``x`` (m, p) and ``y`` (b, p).

    All pairs of the stimuli must be there.
    """
    return _leave_out(_whiten(x), _whiten(y), incidence, centered=False)


def influence_whitened_centered(x: np.ndarray, y: np.ndarray, incidence: Incidence) -> np.ndarray:
    """Return the influences (m, b, u) on whitened Pearson correlations, all pairs given."""
    return _leave_out(_whiten(center_rows(x)), _whiten(center_rows(y)), incidence, centered=True)


def _whiten(pairs: np.ndarray) -> Whitened:
    pairs = bring_near(pairs, axis=1)
    grams = center_twice(expand_pairs(pairs) / -2)
    norm = np.sqrt((grams**2).sum(axis=(1, 2)))
    return Whitened(grams / norm[:, None, None], pairs / norm[:, None])


def _leave_out(x: Whitened, y: Whitened, incidence: Incidence, *, centered: bool) -> np.ndarray:
    """Return the influences on whitened cosines, of RDMs of mean 0 if ``centered``.

    Time O(m b n^2).
    """
    cosine = _sum_products(x.grams, y.grams)
    left = np.empty((*cosine.shape, incidence.n_units))
    for unit, member in enumerate(incidence.members):
        touched = incidence.touched[unit]
        of_x = _restrict(x, member, touched, centered=centered)
        of_y = _restrict(y, member, touched, centered=centered)
        power_x = _keep_whole(_multiply(of_x, of_x, 1.0, _sum_own))
        power_y = _keep_whole(_multiply(of_y, of_y, 1.0, _sum_own))
        product = _multiply(of_x, of_y, cosine, _sum_products)
        left[..., unit] = product / np.sqrt(np.outer(power_x, power_y))
    return compare_left(cosine, left)


def _restrict(side: Whitened, member: np.ndarray, touched: np.ndarray, *, centered: bool) -> Rest:
    """Return what is left without the stimuli ``member`` (g,), whose pairs are ``touched``."""
    n_stimuli = side.grams.shape[1]
    rows = side.grams[:, member]
    inside = rows[:, :, member]
    sums = np.delete(rows.sum(axis=1), member, axis=1)
    total = inside.sum(axis=(1, 2))
    diagonal = np.trace(side.grams, axis1=1, axis2=2) - np.trace(inside, axis1=1, axis2=2)
    trace = diagonal - total / (n_stimuli - len(member))
    mean = np.zeros(len(rows))
    if centered:
        # The mean of all is 0.
        n_left = side.pairs.shape[1] - len(touched)
        mean = -side.pairs[:, touched].sum(axis=1) / max(n_left, 1)
    return Rest(rows, inside, sums, total, trace, mean)


def _multiply(x: Rest, y: Rest, whole: np.ndarray | float, add: Products) -> np.ndarray:
    """Return the product of the Grams that are left; ``whole`` is that of all stimuli."""
    n_left = x.sums.shape[1]
    product = whole - 2 * add(x.rows, y.rows) + add(x.inside, y.inside)
    product += add(x.total, y.total) / n_left**2 - 2 / n_left * add(x.sums, y.sums)
    product -= (add(x.trace, y.mean) + add(x.mean, y.trace)) / 2
    return product + add(x.mean, y.mean) * (n_left - 1) / 4


def _sum_products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the sums of products (m, b) of each of ``x`` (m, ...) with each of ``y`` (b, ...)."""
    return x.reshape(len(x), -1) @ y.reshape(len(y), -1).T


def _sum_own(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the sums of products (m,) of each of ``x`` (m, ...) with its like of ``y``."""
    return (x * y).reshape(len(x), -1).sum(axis=1)


def _keep_whole(power: np.ndarray) -> np.ndarray:
    """Return sums of squares, NaN where they are no more than rounding of that of all, 1."""
    return np.where(power > ROUNDING, power, np.nan)
