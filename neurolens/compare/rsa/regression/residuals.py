"""RDMs less what control RDMs explain, and the correlation of what is left: pure arrays.

Drawing stimulus i c_i times gives the pair (i, j) the weight c_i c_j; pairs of a stimulus with its
own copy do not exist. Axes: d draws, n stimuli, p pairs, m model RDMs, b brain RDMs, k controls, q
columns of the controls' basis.
"""

from typing import NamedTuple

import numpy as np

from neurolens.compare.rsa.comparators.moments import weigh_pairs
from neurolens.compare.rsa.regression.weighted_ranks import (
    Rows,
    center_weighted,
    rank_weighted,
    sort_rows,
)

# An RDM of which controls leave less than this share of the variance is theirs, but for rounding.
EXPLAINED = 1e-6
# A row whose deviation is below this share of its size is constant, but for rounding.
FLAT = 1e-6
# Directions of the basis that are smaller than this share of the largest are rounding.
DEPENDENT = 1e-10
# Pairs beyond the columns of the basis that a partial correlation needs.
MIN_FREEDOM = 3


class Controls(NamedTuple):
    """Control RDMs ``rows`` (k, p), and how they are regressed out.

    ``degree`` is that of the polynomial in the mid-ranks of each; with ``ranked`` the RDMs that are
    compared are mid-ranks too.
    """

    rows: Rows
    degree: int
    ranked: bool

    @property
    def n_columns(self) -> int:
        """The largest number of columns that the basis can have, with the constant."""
        of_each = self.degree if self.ranked or self.degree == 1 else self.degree + 1
        return 1 + of_each * len(self.rows.values)


def span_controls(controls: Controls, weight: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis (q, p) of the constant and the controls, times sqrt(weight)."""
    root = np.sqrt(weight)
    constant = root / np.sqrt(weight.sum())
    columns = []
    if not controls.ranked:
        columns.append(controls.rows.values)
    if controls.ranked or controls.degree > 1:
        ranks = rank_weighted(controls.rows, weight)
        columns += [ranks**power for power in range(1, controls.degree + 1)]
    stacked = np.concatenate(columns)
    sizes = np.sqrt((stacked**2) @ weight)
    centered = center_weighted(stacked, weight) * root
    norms = np.sqrt((centered**2).sum(axis=1))
    varies = norms > FLAT * sizes
    centered = centered[varies] / norms[varies, None]
    power, vectors = np.linalg.eigh(centered @ centered.T)
    kept = power > DEPENDENT * max(power.max(initial=0.0), 1.0)
    basis = (vectors[:, kept] / np.sqrt(power[kept])).T @ centered
    return np.concatenate([constant[None], basis])


def take_residuals(values: np.ndarray, basis: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return what ``basis`` (q, p) leaves of ``values`` (k, p), times sqrt(weight), at unit norm.

    A row of which it leaves nothing but rounding is NaN.
    """
    centered = center_weighted(values, weight) * np.sqrt(weight)
    whole = (centered**2).sum(axis=1)
    # Twice, because the first projection leaves the rounding of a large one.
    rest = centered - (centered @ basis.T) @ basis
    rest -= (rest @ basis.T) @ basis
    power = (rest**2).sum(axis=1)
    flat = whole <= FLAT**2 * ((values**2) @ weight)
    power[flat | (power <= EXPLAINED * whole)] = np.nan
    return rest / np.sqrt(power)[:, None]


def scale_rows(rows: Rows, weight: np.ndarray, ranked: bool) -> np.ndarray:
    """Return mid-ranks (k, p) if ``ranked``, otherwise the values."""
    return rank_weighted(rows, weight) if ranked else rows.values


def correlate_partially(
    x: np.ndarray, y: np.ndarray, controls: Controls, counts: np.ndarray
) -> np.ndarray:
    """Return the partial correlation (d, m, b) of ``x`` (m, p) and ``y`` (b, p).

    Stimuli occur ``counts`` (d, n) times. It is NaN for draws of too few pairs, and where controls
    explain all of an RDM. Time O(d (m + b) p q).
    """
    x_rows = sort_rows(x)
    y_rows = sort_rows(y)
    scores = np.full((len(counts), len(x), len(y)), np.nan)
    for draws, weights in weigh_pairs(counts):
        for draw, weight in zip(range(draws.start, draws.stop), weights, strict=True):
            if np.count_nonzero(weight) < controls.n_columns + MIN_FREEDOM:
                continue
            basis = span_controls(controls, weight)
            left_x = take_residuals(scale_rows(x_rows, weight, controls.ranked), basis, weight)
            left_y = take_residuals(scale_rows(y_rows, weight, controls.ranked), basis, weight)
            scores[draw] = left_x @ left_y.T
    return np.clip(scores, -1.0, 1.0)


def find_flat(pairs: np.ndarray) -> np.ndarray:
    """Return which rows of ``pairs`` (k, p) do not vary, but for rounding; those with NaN do."""
    return np.ptp(pairs, axis=1) <= FLAT * np.abs(pairs).max(axis=1)
