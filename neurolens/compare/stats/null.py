"""Null distributions: p values by rank, over families of tests, false discovery rate.

Pure arrays.
"""

import numpy as np


def control_discoveries(p: np.ndarray) -> np.ndarray:
    """Return the q of Benjamini & Hochberg (1995) over the ``p`` that are not NaN.

    The smallest FDR that admits it.
    """
    from scipy.stats import false_discovery_control

    q = np.full(p.shape, np.nan)
    known = ~np.isnan(p)
    q[known] = false_discovery_control(p[known]) if known.any() else np.nan
    return q


def rank_null(scores: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Return what is told of ``scores`` (1 + permutation, op, region), the observed ones first, by name.

    And all of them as deviations from their mean in units of their sd, and the p that each would
    have.
    """
    deviation, centre, spread = standardise_null(scores)
    reached = rank_draws(scores)
    p = reached[0]
    q = control_discoveries(reached[0])
    p_max = rank_among(deviation[0], np.nanmax(deviation, axis=(1, 2), initial=-np.inf))
    found = {
        "score_mean": scores[0],
        "null_mean": centre,
        "null_sd": spread,
        "p": p,
        "q": q,
        "p_max": p_max,
    }
    return found, deviation, reached


def standardise_null(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (score - mean) / sd over the first axis, observed and permuted alike, with that mean and sd.

    A draw without a score is left out of its place's mean and sd, and reaches no maximum.
    """
    known = np.ma.masked_invalid(scores)
    centre, spread = (
        np.ma.filled(found, np.nan) for found in (known.mean(axis=0), known.std(axis=0))
    )
    return (scores - centre) / np.where(spread > 0, spread, np.nan), centre, spread


def rank_draws(scores: np.ndarray) -> np.ndarray:
    """Return the share of draws that reach each of ``scores`` (1 + permutation, m, r): its p, were it observed.

    Permutations that change nothing, of which small sets have many, count whatever the rounding.
    NaN stays NaN.
    """
    p = np.empty_like(scores)
    for place in np.ndindex(scores.shape[1:]):
        p[:, *place] = rank_among(scores[:, *place], scores[:, *place], 1e-12)
    return p


def rank_among(observed: np.ndarray, draws: np.ndarray, slack: float = 1e-9) -> np.ndarray:
    """Return the share of ``draws`` (draw,), the observed one among them.

    That reach each of ``observed``.
    """
    p = (len(draws) - np.searchsorted(np.sort(draws), observed - slack, side="left")) / len(draws)
    return np.where(np.isnan(observed), np.nan, p)
