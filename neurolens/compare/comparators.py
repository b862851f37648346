"""How two RDMs are compared: the table of comparators, each a formula over weighted moments."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from neurolens.compare.weights import Moments, centred_moments, rank_moments, raw_moments
from neurolens.labels import suggest_name


class Comparator(NamedTuple):
    """One row of COMPARATORS.

    ``moments(x, y, counts)`` reduces pair vectors, ``score(moments)`` turns that into a similarity (draw, model,
    brain), and ``standardise(pairs)`` puts RDMs (rdm, pair) on the scale on which this comparator pools subjects.
    """

    moments: Callable[[np.ndarray, np.ndarray, np.ndarray], Moments]
    score: Callable[[Moments], np.ndarray]
    standardise: Callable[[np.ndarray], np.ndarray]


def correlate(moments: Moments) -> np.ndarray:
    """Return cross / sqrt(power_x power_y); NaN where either does not vary."""
    scale = np.sqrt(moments.power_x[:, :, None] * moments.power_y[:, None, :])
    return np.clip(moments.cross / np.where(scale > 0, scale, np.nan), -1.0, 1.0)


def average_ties(moments: Moments) -> np.ndarray:
    """Return rho-a = 12 / (N^3 - N) sum (R1 - mean)(R2 - mean) over N drawn pairs: Spearman, ties broken at random."""
    pairs = np.where(moments.total > 1, moments.total, np.nan)
    return 12 * moments.cross / (pairs**2 - 1)[:, None, None]


def divide_rms(pairs: np.ndarray) -> np.ndarray:
    """Return each row divided by its root mean square."""
    return pairs / np.sqrt((pairs**2).mean(axis=1, keepdims=True))


def standardise_rows(pairs: np.ndarray) -> np.ndarray:
    """Return each row z-scored."""
    return divide_rms(pairs - pairs.mean(axis=1, keepdims=True))


def rank_rows(pairs: np.ndarray) -> np.ndarray:
    """Return the mid-ranks of each row."""
    return np.asarray(rankdata(pairs, axis=1), dtype=np.float64)


COMPARATORS: dict[str, Comparator] = {
    "spearman": Comparator(rank_moments, correlate, rank_rows),
    "pearson": Comparator(centred_moments, correlate, standardise_rows),
    "cosine": Comparator(raw_moments, correlate, divide_rms),
    "rho-a": Comparator(rank_moments, average_ties, rank_rows),
}


def find_comparator(name: str) -> Comparator:
    """Return the row of COMPARATORS called ``name``."""
    if name not in COMPARATORS:
        raise suggest_name(str(name), COMPARATORS, "comparator", f"Choose one of {', '.join(COMPARATORS)}.")
    return COMPARATORS[name]


def compare_pairs(x: np.ndarray, y: np.ndarray, counts: np.ndarray, comparator: Comparator) -> np.ndarray:
    """Return the similarity (d, m, b) of ``x`` (m, p) and ``y`` (b, p) when stimuli occur ``counts`` (d, n) times."""
    return comparator.score(comparator.moments(x, y, counts))
