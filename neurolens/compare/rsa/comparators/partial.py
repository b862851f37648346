"""RDMs that lack some pairs: each two are compared over the pairs that both have. Pure arrays."""

import itertools
from collections.abc import Callable

import numpy as np

from neurolens.compare.rdms.rounding import find_constant
from neurolens.compare.rdms.vectors import MIN_PAIRS, pair_within
from neurolens.compare.rsa.comparators.influences.incidence import Incidence
from neurolens.compare.stats.influences import MIN_UNITS
from neurolens.support.progress import share_progress

# (x, y, counts, kept) to similarities (d, m, b); ``kept`` (p,) says which pairs count, None if all.
Compare = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]

# (x, y, pairs) to influences (m, b, u).
Influence = Callable[[np.ndarray, np.ndarray, Incidence], np.ndarray]


def compare_partial(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, compare: Compare
) -> np.ndarray:
    """Return the similarity (d, m, b) of ``x`` (m, p) and ``y`` (b, p), which may hold NaN.

    Stimuli occur ``counts`` (d, n) times. RDMs that lack the same pairs are compared together; the
    similarity is that of the pairs which both have, NaN where fewer than three different ones are
    drawn.
    """
    scores = np.full((len(counts), len(x), len(y)), np.nan)
    groups_x = group_masks(~np.isnan(x))
    groups_y = group_masks(~np.isnan(y))
    groups = list(itertools.product(groups_x, groups_y))
    # There are none where no RDM of one side varies.
    with share_progress(1 / max(1, len(groups))):
        for (has_x, rows), (has_y, columns) in groups:
            kept = has_x & has_y
            if kept.sum() >= MIN_PAIRS:
                place = np.ix_(np.arange(len(counts)), rows, columns)
                scores[place] = _compare_group(x[rows], y[columns], counts, kept, compare)
    return scores


def influence_partial(
    x: np.ndarray, y: np.ndarray, unit: np.ndarray, influence: Influence
) -> np.ndarray:
    """Return the influences (m, b, u) on the similarity of ``x`` (m, p) and ``y`` (b, p).

    Stimuli are of units ``unit`` (n,), numbered from 0. RDMs may hold NaN, as for
    ``compare_partial``. Influences are NaN where the similarity is, and those of units without a
    pair that both RDMs have.
    """
    n_stimuli = len(unit)
    first, second = np.triu_indices(n_stimuli, 1)
    found = np.full((len(x), len(y), int(unit.max()) + 1), np.nan)
    groups_x = group_masks(~np.isnan(x))
    groups_y = group_masks(~np.isnan(y))
    for (has_x, rows), (has_y, columns) in itertools.product(groups_x, groups_y):
        kept = has_x & has_y
        if kept.sum() < MIN_PAIRS:
            continue
        of_x, rows_here = _select_varying(x, rows, kept)
        of_y, columns_here = _select_varying(y, columns, kept)
        if not (len(rows_here) and len(columns_here)):
            continue
        member = np.unique(np.concatenate([first[kept], second[kept]]))
        place = np.full(n_stimuli, -1)
        place[member] = np.arange(len(member))
        units, of_units = np.unique(unit[member], return_inverse=True)
        if len(units) < MIN_UNITS:
            continue
        incidence = Incidence(place[first[kept]], place[second[kept]], of_units)
        found[np.ix_(rows_here, columns_here, units)] = influence(of_x, of_y, incidence)
    return found


def _select_varying(
    pairs: np.ndarray, rows: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return those of the ``rows`` of ``pairs`` (k, p) that vary, and their positions.

    Of the pairs only those ``kept`` (p,) are returned. Where that is all, nothing is copied.
    """
    chosen = pairs if len(rows) == len(pairs) else pairs[rows]
    if not kept.all():
        chosen = chosen[:, kept]
    varies = ~find_constant(chosen)
    if varies.all():
        return chosen, rows
    return chosen[varies], rows[varies]


def group_masks(masks: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each different row of ``masks`` (k, p), and the positions of the rows like it."""
    positions: dict[bytes, list[int]] = {}
    for k, mask in enumerate(masks):
        positions.setdefault(mask.tobytes(), []).append(k)
    return [(masks[rows[0]], np.array(rows)) for rows in positions.values()]


def _compare_group(
    x: np.ndarray, y: np.ndarray, counts: np.ndarray, kept: np.ndarray, compare: Compare
) -> np.ndarray:
    """Return the similarity (d, m, b) over the pairs ``kept`` (p,), which all RDMs have."""
    n_stimuli = counts.shape[1]
    first, second = np.triu_indices(n_stimuli, 1)
    has_pair = np.zeros((n_stimuli, n_stimuli))
    has_pair[first[kept], second[kept]] = has_pair[second[kept], first[kept]] = 1
    # Stimuli without any pair are left out, which often leaves RDMs without gaps.
    member = has_pair.sum(axis=0) > 0
    drawn = (counts > 0).astype(np.float64)
    n_drawn = np.einsum("di,ij,dj->d", drawn, has_pair, drawn, optimize=True) / 2
    enough = n_drawn >= MIN_PAIRS
    inside = pair_within(member)
    kept = kept[inside]
    x = _fill_gaps(x[:, inside], kept)
    y = _fill_gaps(y[:, inside], kept)
    varies_x = ~find_constant(x)
    varies_y = ~find_constant(y)
    scores = np.full((len(counts), len(x), len(y)), np.nan)
    scores[np.ix_(enough, varies_x, varies_y)] = compare(
        x[varies_x], y[varies_y], counts[np.ix_(enough, member)], None if kept.all() else kept
    )
    return scores


def _fill_gaps(pairs: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return rows (k, p) in which pairs that do not count hold a number that occurs anyway."""
    return np.where(kept, pairs, pairs[:, [kept.argmax()]])
