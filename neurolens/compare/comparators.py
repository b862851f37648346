"""How two RDMs are compared: the table of comparators, each a formula over weighted moments."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from neurolens.compare.concordance import average_concordance, count_concordance
from neurolens.compare.shapes import overlap_shapes
from neurolens.compare.weights import Moments, centred_moments, count_stimuli, rank_moments, raw_moments
from neurolens.compare.whitening import whiten_centred, whiten_raw
from neurolens.labels import suggest_name


class Comparator(NamedTuple):
    """One row of COMPARATORS.

    ``moments(x, y, counts)`` reduces pair vectors, ``score(moments)`` turns that into a similarity (draw, model,
    brain), and ``standardise(pairs)`` puts RDMs (rdm, pair) on the scale on which this comparator pools subjects.
    ``exact`` says whether no RDM can be more similar, on average, to the subjects than their pool.
    """

    moments: Callable[[np.ndarray, np.ndarray, np.ndarray], Moments]
    score: Callable[[Moments], np.ndarray]
    standardise: Callable[[np.ndarray], np.ndarray]
    exact: bool = True


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


def divide_mean(pairs: np.ndarray) -> np.ndarray:
    """Return each row divided by its mean: Grams of equal trace."""
    return pairs / pairs.mean(axis=1, keepdims=True)


def divide_whitened(pairs: np.ndarray) -> np.ndarray:
    """Return each row divided by its whitened norm."""
    return pairs / np.sqrt(_measure_power(pairs, whiten_raw))


def standardise_whitened(pairs: np.ndarray) -> np.ndarray:
    """Return each row less its mean, divided by the whitened norm of what is left."""
    return (pairs - pairs.mean(axis=1, keepdims=True)) / np.sqrt(_measure_power(pairs, whiten_centred))


def _measure_power(pairs: np.ndarray, moments: Callable[..., Moments]) -> np.ndarray:
    everything = np.ones((1, count_stimuli(pairs.shape[1])), dtype=int)
    return moments(pairs, pairs[:0], everything).power_x[0, :, None]


COMPARATORS: dict[str, Comparator] = {
    "spearman": Comparator(rank_moments, correlate, rank_rows),
    "pearson": Comparator(centred_moments, correlate, standardise_rows),
    "cosine": Comparator(raw_moments, correlate, divide_rms),
    "rho-a": Comparator(rank_moments, average_ties, rank_rows),
    "tau-a": Comparator(count_concordance, average_concordance, rank_rows, exact=False),
    "whitened-pearson": Comparator(whiten_centred, correlate, standardise_whitened),
    "whitened-cosine": Comparator(whiten_raw, correlate, divide_whitened),
    "bures": Comparator(overlap_shapes, correlate, divide_mean, exact=False),
}


def find_comparator(name: str) -> Comparator:
    """Return the row of COMPARATORS called ``name``."""
    if name not in COMPARATORS:
        raise suggest_name(str(name), COMPARATORS, "comparator", f"Choose one of {', '.join(COMPARATORS)}.")
    return COMPARATORS[name]


def compare_pairs(x: np.ndarray, y: np.ndarray, counts: np.ndarray, comparator: Comparator) -> np.ndarray:
    """Return the similarity (d, m, b) of ``x`` (m, p) and ``y`` (b, p) when stimuli occur ``counts`` (d, n) times."""
    return comparator.score(comparator.moments(x, y, counts))
