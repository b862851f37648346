"""Null distributions: p values by rank, over families of tests, false discovery rate.

Pure arrays.
"""

from typing import NamedTuple

import numpy as np

# The scores under permutation, where they are returned, and their dimensions.
NULL_SCORE = "null_score"
NULL_DIMS = ("permutation", "op", "region")


class StandardNull(NamedTuple):
    """Scores as ``deviations`` from the ``mean`` of their null distribution, in units of ``sd``."""

    deviations: np.ndarray
    mean: np.ndarray
    sd: np.ndarray


class RankedNull(NamedTuple):
    """The result of a permutation test.

    ``variables`` (op, region) are of the observed scores, by name. ``deviations`` and ``p_draws``
    (1 + permutation, op, region) are of all scores: their deviations from the mean in units of the
    sd, and the p that each would have if it were the observed one.
    """

    variables: dict[str, np.ndarray]
    deviations: np.ndarray
    p_draws: np.ndarray


def control_discoveries(p: np.ndarray) -> np.ndarray:
    """Return the q of Benjamini & Hochberg (1995) over the ``p`` that are not NaN.

    q is the smallest false discovery rate at which a test counts as a discovery.
    """
    q = np.full(p.shape, np.nan)
    is_tested = ~np.isnan(p)
    tested = p[is_tested]
    order = np.argsort(tested)[::-1]
    n_tests = len(tested)
    shares = tested[order] * n_tests / np.arange(n_tests, 0, -1)
    in_place = np.empty(n_tests)
    in_place[order] = np.minimum.accumulate(np.minimum(shares, 1.0))
    q[is_tested] = in_place
    return q


def control_families(p: np.ndarray) -> np.ndarray:
    """Return the p of Holm (1979) over the ``p`` that are not NaN.

    It is the smallest chance of any false discovery at which a test counts as a discovery.
    """
    corrected = np.full(p.shape, np.nan)
    is_tested = ~np.isnan(p)
    tested = p[is_tested]
    order = np.argsort(tested)
    steps = np.maximum.accumulate(tested[order] * np.arange(len(tested), 0, -1))
    in_place = np.empty(len(tested))
    in_place[order] = np.minimum(steps, 1.0)
    corrected[is_tested] = in_place
    return corrected


def rank_null(scores: np.ndarray) -> RankedNull:
    """Return the test of ``scores`` (1 + permutation, op, region), the observed ones first."""
    null = standardize_null(scores)
    p_draws = rank_draws(scores)
    largest = np.nanmax(null.deviations, axis=(1, 2), initial=-np.inf)  # (1 + permutation,)
    variables = {
        "score_mean": scores[0],
        "null_mean": null.mean,
        "null_sd": null.sd,
        "p": p_draws[0],
        "q": control_discoveries(p_draws[0]),
        "p_max": rank_among(null.deviations[0], largest),
    }
    return RankedNull(variables, null.deviations, p_draws)


def standardize_null(scores: np.ndarray) -> StandardNull:
    """Return (score - mean) / sd over the first axis, observed and permuted scores alike.

    A draw without a score is left out of the mean and sd of its op and region, and reaches no
    maximum.
    """
    masked = np.ma.masked_invalid(scores)
    mean = np.ma.filled(masked.mean(axis=0), np.nan)
    sd = np.ma.filled(masked.std(axis=0), np.nan)
    return StandardNull((scores - mean) / np.where(sd > 0, sd, np.nan), mean, sd)


def rank_draws(scores: np.ndarray) -> np.ndarray:
    """Return the share of draws that reach each of ``scores`` (1 + permutation, m, r).

    This is the p that each would have if it were the observed one. Permutations that change
    nothing, of which small sets have many, count whatever the rounding. NaN stays NaN.
    """
    p = np.empty_like(scores)
    for place in np.ndindex(scores.shape[1:]):
        p[:, *place] = rank_among(scores[:, *place], scores[:, *place], 1e-12)
    return p


def rank_among(observed: np.ndarray, draws: np.ndarray, slack: float = 1e-9) -> np.ndarray:
    """Return the share of ``draws`` (draw,), the observed among them, that reach ``observed``."""
    p = (len(draws) - np.searchsorted(np.sort(draws), observed - slack, side="left")) / len(draws)
    return np.where(np.isnan(observed), np.nan, p)
