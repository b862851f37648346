"""The table of comparators of RDMs, each a formula over weighted moments."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neurolens.compare.rsa.comparators import quadratic
from neurolens.compare.rsa.comparators.bures import divide_mean, overlap_shapes
from neurolens.compare.rsa.comparators.kendall import average_concordance, count_concordance
from neurolens.compare.rsa.comparators.moments import (
    Moments,
    centered_moments,
    correlate,
    count_once,
    divide_rms,
    raw_moments,
    standardize_rows,
)
from neurolens.compare.rsa.comparators.ranks import average_ties, rank_moments, rank_rows
from neurolens.compare.rsa.comparators.whitened import (
    divide_whitened,
    divide_whitened_centered,
    whiten_centered,
    whiten_raw,
)
from neurolens.labels import check_name


class Comparator(NamedTuple):
    """One row of the table of comparators.

    ``moments(x, y, counts)`` reduces pair vectors, ``score(moments)`` turns that into a similarity
    (draw, model, brain). ``standardize(pairs)`` puts RDMs (rdm, pair) on the scale on which this
    comparator averages subjects, for ceilings. ``rsatoolbox`` is rsatoolbox's name for it.
    ``embed(pairs)`` returns squares (rdm, n, n) whose sums of products are similarities, where the
    comparator can be written so. ``exceeds`` says which model RDMs can be more similar, on average,
    to the subjects than the mean of the subjects is; none can where it is empty.
    """

    name: str
    moments: Callable[[np.ndarray, np.ndarray, np.ndarray], Moments]
    score: Callable[[Moments], np.ndarray]
    standardize: Callable[[np.ndarray], np.ndarray]
    rsatoolbox: str
    embed: Callable[[np.ndarray], np.ndarray] | None = None
    exceeds: str = ""

    @property
    def bound(self) -> str:
        """Whether the upper ceiling bounds the score of every model: "exact" or "none"."""
        return "none" if self.exceeds else "exact"


ROWS = (
    Comparator(
        name="spearman",
        moments=rank_moments,
        score=correlate,
        standardize=rank_rows,
        rsatoolbox="spearman",
        embed=quadratic.embed_ranks,
        exceeds="a model RDM with ties can exceed it",
    ),
    Comparator(
        name="pearson",
        moments=centered_moments,
        score=correlate,
        standardize=standardize_rows,
        rsatoolbox="corr",
        embed=quadratic.embed_centered,
    ),
    Comparator(
        name="cosine",
        moments=raw_moments,
        score=correlate,
        standardize=divide_rms,
        rsatoolbox="cosine",
        embed=quadratic.embed_raw,
    ),
    Comparator(
        name="rho-a",
        moments=rank_moments,
        score=average_ties,
        standardize=rank_rows,
        rsatoolbox="rho-a",
        embed=quadratic.embed_scaled_ranks,
    ),
    Comparator(
        name="tau-a",
        moments=count_concordance,
        score=average_concordance,
        standardize=rank_rows,
        rsatoolbox="tau-a",
        exceeds="some model RDMs can exceed it",
    ),
    Comparator(
        name="whitened-pearson",
        moments=whiten_centered,
        score=correlate,
        standardize=divide_whitened_centered,
        rsatoolbox="corr_cov",
        embed=quadratic.embed_whitened_centered,
    ),
    Comparator(
        name="whitened-cosine",
        moments=whiten_raw,
        score=correlate,
        standardize=divide_whitened,
        rsatoolbox="cosine_cov",
        embed=quadratic.embed_whitened,
    ),
    Comparator(
        name="bures",
        moments=overlap_shapes,
        score=correlate,
        standardize=divide_mean,
        rsatoolbox="bures",
        exceeds="some model RDMs can exceed it",
    ),
)
COMPARATORS: dict[str, Comparator] = {row.name: row for row in ROWS}


def find_comparator(name: str) -> Comparator:
    """Return the row of COMPARATORS called ``name``."""
    check_name(name, COMPARATORS, "comparator")
    return COMPARATORS[name]


def compare_pairs(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, comparator: Comparator
) -> np.ndarray:
    """Return the similarity (d, m, b) of ``x`` (m, p) and ``y`` (b, p).

    Stimuli occur ``counts`` (d, n) times.
    """
    return comparator.score(comparator.moments(x, y, counts))


def compare_whole(x: np.ndarray, y: np.ndarray, comparator: Comparator) -> np.ndarray:
    """Return the similarity (m, b) of ``x`` (m, p) and ``y`` (b, p), all stimuli once.

    It is NaN where either holds NaN.
    """
    whole_x = ~np.isnan(x).any(axis=1)
    whole_y = ~np.isnan(y).any(axis=1)
    similarity = np.full((len(x), len(y)), np.nan)
    similarity[np.ix_(whole_x, whole_y)] = compare_pairs(
        x[whole_x], y[whole_y], count_once(x), comparator
    )[0]
    return similarity
