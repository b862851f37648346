"""The table of comparators of RDMs, each a formula over weighted moments."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neurolens.compare.rdms.rounding import find_constant
from neurolens.compare.rsa.comparators import quadratic
from neurolens.compare.rsa.comparators.bures import divide_trace, overlap_shapes
from neurolens.compare.rsa.comparators.influences.bures import influence_bures
from neurolens.compare.rsa.comparators.influences.concordance import influence_tau_a
from neurolens.compare.rsa.comparators.influences.incidence import Incidence
from neurolens.compare.rsa.comparators.influences.products import (
    influence_cosine,
    influence_pearson,
)
from neurolens.compare.rsa.comparators.influences.ranks import influence_rho_a, influence_spearman
from neurolens.compare.rsa.comparators.influences.whitened import (
    influence_whitened,
    influence_whitened_centered,
)
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
from neurolens.compare.rsa.comparators.orders import rank_rows
from neurolens.compare.rsa.comparators.partial import compare_partial, influence_partial
from neurolens.compare.rsa.comparators.ranks import average_ties, rank_moments
from neurolens.compare.rsa.comparators.whitened import (
    divide_whitened,
    divide_whitened_centered,
    whiten_centered,
    whiten_raw,
)
from neurolens.errors import InputError
from neurolens.labels import check_name


class Comparator(NamedTuple):
    """One row of the table of comparators.

    ``moments(x, y, counts)`` reduces pair vectors, and if ``partial`` takes as a fourth argument
    which pairs (p,) count, for RDMs that lack some. ``score(moments)`` turns that into a similarity
    (draw, model, brain). ``standardize(pairs)`` puts RDMs (rdm, pair) on the scale on which this
    comparator averages subjects, for ceilings. ``rsatoolbox`` is rsatoolbox's name for it.
    ``embed(pairs)`` returns squares (rdm, n, n) whose sums of products are similarities, where the
    comparator can be written so. ``mean_is_best`` says whether no RDM, with ties or without, is
    more similar to the subjects, on average, than the mean of the subjects on that scale is.
    ``partial`` says whether RDMs can lack single pairs; the others need whole squares.
    ``has_reliability`` says whether it is a correlation or a cosine, whose noise averages out as
    the Spearman-Brown formula says. ``influence(x, y, incidence)`` returns the influence (model,
    brain, unit) of stimuli, or groups of them, on the similarity, and ``leaves_out`` says whether
    that is what leaving one out changes, not a derivative. ``draws_are_biased`` says whether draws,
    in which stimuli are repeated, score so much higher that their percentiles often miss the score.
    ``chance_is_above_zero`` says whether RDMs that have nothing to do with each other score above 0
    as a rule.
    """

    name: str
    moments: Callable[..., Moments]
    score: Callable[[Moments], np.ndarray]
    standardize: Callable[[np.ndarray], np.ndarray]
    rsatoolbox: str
    influence: Callable[[np.ndarray, np.ndarray, Incidence], np.ndarray]
    embed: Callable[[np.ndarray], np.ndarray] | None = None
    mean_is_best: bool = True
    has_reliability: bool = True
    partial: bool = True
    leaves_out: bool = False
    draws_are_biased: bool = False
    chance_is_above_zero: bool = False


ROWS = (
    Comparator(
        name="spearman",
        moments=rank_moments,
        score=correlate,
        standardize=rank_rows,
        rsatoolbox="spearman",
        embed=quadratic.embed_ranks,
        mean_is_best=False,
        influence=influence_spearman,
    ),
    Comparator(
        name="pearson",
        moments=centered_moments,
        score=correlate,
        standardize=standardize_rows,
        rsatoolbox="corr",
        embed=quadratic.embed_centered,
        influence=influence_pearson,
        leaves_out=True,
    ),
    Comparator(
        name="cosine",
        moments=raw_moments,
        score=correlate,
        standardize=divide_rms,
        rsatoolbox="cosine",
        embed=quadratic.embed_raw,
        influence=influence_cosine,
        leaves_out=True,
        chance_is_above_zero=True,
    ),
    Comparator(
        name="rho-a",
        moments=rank_moments,
        score=average_ties,
        standardize=rank_rows,
        rsatoolbox="rho-a",
        embed=quadratic.embed_scaled_ranks,
        influence=influence_rho_a,
    ),
    Comparator(
        name="tau-a",
        moments=count_concordance,
        score=average_concordance,
        standardize=rank_rows,
        rsatoolbox="tau-a",
        mean_is_best=False,
        has_reliability=False,
        influence=influence_tau_a,
    ),
    Comparator(
        name="whitened-pearson",
        moments=whiten_centered,
        score=correlate,
        standardize=divide_whitened_centered,
        rsatoolbox="corr_cov",
        embed=quadratic.embed_whitened_centered,
        partial=False,
        influence=influence_whitened_centered,
        leaves_out=True,
    ),
    Comparator(
        name="whitened-cosine",
        moments=whiten_raw,
        score=correlate,
        standardize=divide_whitened,
        rsatoolbox="cosine_cov",
        embed=quadratic.embed_whitened,
        partial=False,
        influence=influence_whitened,
        leaves_out=True,
        chance_is_above_zero=True,
    ),
    Comparator(
        name="bures",
        moments=overlap_shapes,
        score=correlate,
        standardize=divide_trace,
        rsatoolbox="bures",
        mean_is_best=False,
        has_reliability=False,
        partial=False,
        influence=influence_bures,
        draws_are_biased=True,
        chance_is_above_zero=True,
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

    Stimuli occur ``counts`` (d, n) times. RDMs that hold NaN are compared over the pairs that both
    have; if the comparator is not ``partial``, these must be all pairs of some stimuli.
    """
    if not (np.isnan(x).any() or np.isnan(y).any()):
        return comparator.score(comparator.moments(x, y, counts))

    def compare(
        x: np.ndarray, y: np.ndarray, counts: np.ndarray, kept: np.ndarray | None
    ) -> np.ndarray:
        if kept is None:
            return comparator.score(comparator.moments(x, y, counts))
        if not comparator.partial:
            raise _refuse_gaps(comparator)
        return comparator.score(comparator.moments(x, y, counts, kept))

    return compare_partial(x, y, counts, compare)


def influence_pairs(
    x: np.ndarray, y: np.ndarray, unit: np.ndarray, comparator: Comparator
) -> np.ndarray:
    """Return the influence (m, b, u) of each unit on the similarity of ``x`` and ``y``.

    RDMs are ``x`` (m, p) and ``y`` (b, p); stimuli are of units ``unit`` (n,), numbered from 0.
    RDMs that hold NaN are compared over the pairs that both have; a unit without any has the
    influence NaN, and so have all where there is no similarity.
    """
    return influence_partial(x, y, unit, comparator.influence)


def _refuse_gaps(comparator: Comparator) -> InputError:
    """Return the error for RDMs that lack single pairs and a comparator that needs all."""
    others = ", ".join(repr(row.name) for row in ROWS if row.partial)
    return InputError(
        f"comparator {comparator.name!r} needs every pair of the stimuli that it compares, and "
        f"some pairs are NaN. Use one of {others}, which leave those pairs out, or drop their "
        f"stimuli.",
        anchor="missing-values",
    )


def compare_whole(x: np.ndarray, y: np.ndarray, comparator: Comparator) -> np.ndarray:
    """Return the similarity (m, b) of ``x`` (m, p) and ``y`` (b, p), all stimuli once.

    It is over the pairs that both have, NaN where these are fewer than three or do not vary.
    """
    varies_x = ~find_constant(x)
    varies_y = ~find_constant(y)
    similarity = np.full((len(x), len(y)), np.nan)
    similarity[np.ix_(varies_x, varies_y)] = compare_pairs(
        x[varies_x], y[varies_y], count_once(x), comparator
    )[0]
    return similarity
