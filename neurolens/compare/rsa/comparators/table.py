"""How two RDMs are compared: the table of comparators, each a formula over weighted moments."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neurolens.compare.rsa.comparators.bures import overlap_shapes
from neurolens.compare.rsa.comparators.kendall import average_concordance, count_concordance
from neurolens.compare.rsa.comparators.moments import (
    Moments,
    centre_rows,
    centred_moments,
    count_once,
    raw_moments,
)
from neurolens.compare.rsa.comparators.ranks import rank_moments
from neurolens.compare.rsa.comparators.whitened import whiten_centred, whiten_raw
from neurolens.compare.stats.linalg import keep_positive
from neurolens.labels import check_name


class Comparator(NamedTuple):
    """One row of COMPARATORS.

    ``moments(x, y, counts)`` reduces pair vectors, ``score(moments)`` turns that into a similarity
    (draw, model, brain), and ``standardise(pairs)`` puts RDMs (rdm, pair) on the scale on which
    this comparator pools subjects. ``exact`` says whether no RDM can be more similar, on average,
    to the subjects than their pool.
    """

    moments: Callable[[np.ndarray, np.ndarray, np.ndarray], Moments]
    score: Callable[[Moments], np.ndarray]
    standardise: Callable[[np.ndarray], np.ndarray]
    exact: bool = True


def correlate(moments: Moments) -> np.ndarray:
    """Return cross / sqrt(power_x power_y); NaN where either does not vary."""
    scale = np.sqrt(moments.power_x[:, :, None] * moments.power_y[:, None, :])
    return np.clip(moments.cross / keep_positive(scale), -1.0, 1.0)


def average_ties(moments: Moments) -> np.ndarray:
    """Return rho-a = 12 / (N^3 - N) sum (R1 - mean)(R2 - mean) over N drawn pairs: Spearman.

    Ties broken at random.
    """
    return 12 * moments.cross / keep_positive(moments.total**2 - 1)[:, None, None]


def divide_rms(pairs: np.ndarray) -> np.ndarray:
    """Return each row divided by its root mean square."""
    return pairs / np.sqrt((pairs**2).mean(axis=1, keepdims=True))


def rank_rows(pairs: np.ndarray) -> np.ndarray:
    """Return the mid-ranks of each row."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(pairs, axis=1), dtype=np.float64)


def divide_whitened(pairs: np.ndarray, moments: Callable[..., Moments] = whiten_raw) -> np.ndarray:
    """Return each row divided by its whitened norm."""
    return pairs / np.sqrt(moments(pairs, pairs[:0], count_once(pairs)).power_x[0, :, None])


COMPARATORS: dict[str, Comparator] = {
    "spearman": Comparator(rank_moments, correlate, rank_rows),
    "pearson": Comparator(centred_moments, correlate, lambda pairs: divide_rms(centre_rows(pairs))),
    "cosine": Comparator(raw_moments, correlate, divide_rms),
    "rho-a": Comparator(rank_moments, average_ties, rank_rows),
    "tau-a": Comparator(count_concordance, average_concordance, rank_rows, exact=False),
    "whitened-pearson": Comparator(
        whiten_centred, correlate, lambda pairs: divide_whitened(centre_rows(pairs), whiten_centred)
    ),
    "whitened-cosine": Comparator(whiten_raw, correlate, divide_whitened),
    "bures": Comparator(
        overlap_shapes,
        correlate,
        lambda pairs: pairs / pairs.mean(axis=1, keepdims=True),
        exact=False,
    ),
}


def find_comparator(name: str) -> Comparator:
    """Return the row of COMPARATORS called ``name``."""
    check_name(name, COMPARATORS, "comparator")
    return COMPARATORS[name]


def compare_pairs(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, comparator: Comparator
) -> np.ndarray:
    """Return the similarity (d, m, b) of ``x`` (m, p) and ``y`` (b.

    P) when stimuli occur ``counts`` (d, n) times.
    """
    return comparator.score(comparator.moments(x, y, counts))


def compare_whole(x: np.ndarray, y: np.ndarray, comparator: Comparator) -> np.ndarray:
    """Return the similarity (m, b) of ``x`` (m, p) and ``y`` (b, p), all stimuli once.

    NaN where either holds NaN.
    """
    result = np.full((len(x), len(y)), np.nan)
    known = np.ix_(*(~np.isnan(side).any(axis=1) for side in (x, y)))
    result[known] = compare_pairs(
        x[known[0].ravel()], y[known[1].ravel()], count_once(x), comparator
    )[0]
    return result
