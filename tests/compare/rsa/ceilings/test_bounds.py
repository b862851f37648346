import tracemalloc

import numpy as np
import oracles
import pytest
import scipy.spatial.distance
import scipy.stats
import xarray as xr
from squares import draw_square, label_squares

from neurolens.compare import COMPARATORS, bootstrap_rdms, compare_ops, compare_rdms
from neurolens.compare.rsa.ceilings import bounds
from neurolens.compare.rsa.ceilings.bounds import bound_region

SPREAD = [
    "ceiling_lower_ci_low",
    "ceiling_lower_ci_high",
    "ceiling_upper_ci_low",
    "ceiling_upper_ci_high",
]


def build_subjects(rng, n_subjects, n=9):
    shared = draw_square(rng, n)
    return [shared + draw_square(rng, n) for _ in range(n_subjects)]


@pytest.mark.parametrize("n_held", [30, 2**18])
@pytest.mark.parametrize("comparator", COMPARATORS)
def test_parts_of_draws_are_those_of_resampled_rdms(rng, monkeypatch, comparator, n_held):
    """Pools are those of all stimuli; rows and columns are copied as they are drawn."""
    monkeypatch.setattr(bounds, "BLOCK_SIMILARITIES", n_held)
    monkeypatch.setattr(bounds, "BLOCK_RDMS", 0)
    squares = build_subjects(rng, 3, n=6)
    triangles = [oracles.triangle(square) for square in squares]
    counts = np.array(
        [[1, 1, 1, 1, 1, 1], [2, 0, 1, 1, 0, 2], [0, 3, 0, 2, 1, 0], [4, 2, 0, 0, 0, 0]]
    )
    found = bound_region(np.array(triangles), COMPARATORS[comparator], counts)

    def score(triangle, s, count):
        square = scipy.spatial.distance.squareform(np.array(triangle))
        return oracles.resampled_score(square, squares[s], count, comparator)

    for draw, count in enumerate(counts[:3]):
        for s in range(3):
            others = oracles.pool(triangles[:s] + triangles[s + 1 :], comparator)
            assert found.lower[draw, s] == pytest.approx(score(others, s, count), abs=2e-7)
        if COMPARATORS[comparator].mean_is_best:
            pool = oracles.pool(triangles, comparator)
            upper = oracles.mean([score(pool, s, count) for s in range(3)])
        else:
            both = [score(triangles[t], s, count) for s in range(3) for t in range(3)]
            upper = np.sqrt(oracles.mean(both))
        assert found.upper[draw].mean() == pytest.approx(upper, abs=2e-7)
    # Two different stimuli have one pair.
    assert np.isnan(found.lower[3]).all()
    assert np.isnan(found.upper[3]).all()


def test_rdms_of_many_subjects_are_compared_in_few_blocks(rng, monkeypatch):
    """Each block sorts all RDMs: their number must not grow with the square of the subjects."""
    n_draws, n_subjects, n_pairs = 40, 300, 780
    sizes = []
    compare = bounds.compare_pools

    def count_draws(x, y, counts, comparator):
        sizes.append(len(counts))
        return compare(x, y, counts, comparator)

    monkeypatch.setattr(bounds, "compare_pools", count_draws)
    pairs = rng.random((n_subjects, n_pairs))
    counts = rng.multinomial(40, np.full(40, 1 / 40), size=n_draws)
    bound_region(pairs, COMPARATORS["rho-a"], counts)
    assert sum(sizes) == n_draws
    assert len(sizes) <= np.ceil(n_draws * n_subjects / (4 * n_pairs))


@pytest.mark.parametrize("comparator", ["pearson", "spearman"])
def test_memory_does_not_grow_with_the_square_of_subjects(rng, comparator):
    n_draws, n_subjects = 200, 150
    pairs = rng.random((n_subjects, 45))
    counts = np.ones((n_draws, 10), dtype=int)
    tracemalloc.start()
    try:
        bound_region(pairs, COMPARATORS[comparator], counts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * n_draws * n_subjects**2


@pytest.mark.parametrize("comparator", ["rho-a", "spearman", "pearson"])
def test_ceilings_are_drawn_with_the_scores(rng, comparator):
    """Of two subjects each is the pool of the other: the ceiling is the score of one's RDM."""
    first, second = build_subjects(rng, 2)
    brain = label_squares(
        [[first, second], [first, first]], region=["V1", "IT"], subject=["A", "B"]
    )
    brain[1, 1] = np.nan
    options = {"comparator": comparator, "n_bootstrap": 40, "n_splits": 0, "rng": 3}
    scores = compare_rdms(label_squares(first), brain, **options)
    alone = compare_rdms(label_squares(second), label_squares(first), **options)
    drawn = scores.bootstrap_ceiling.sel(region="V1").values
    np.testing.assert_allclose(drawn, alone.bootstrap_mean.values.ravel(), atol=1e-6)
    assert scores.ceiling_lower_ci_low.sel(region="V1") == pytest.approx(
        alone.mean_ci_low.item(), abs=1e-6
    )
    assert scores.ceiling_lower_ci_high.sel(region="V1") == pytest.approx(
        alone.mean_ci_high.item(), abs=1e-6
    )
    low, upper, high = (
        scores[name].sel(region="V1").item()
        for name in ("ceiling_upper_ci_low", "ceiling_upper", "ceiling_upper_ci_high")
    )
    assert low < upper < high
    # IT has one subject, and no ceiling.
    assert all(np.isnan(scores[name].sel(region="IT").item()) for name in SPREAD)
    assert scores.attrs["interval_over"] == "stimuli"


def test_without_draws_ceilings_have_no_intervals(rng):
    brain = label_squares(build_subjects(rng, 2), subject=["A", "B"])
    scores = compare_rdms(brain.isel(subject=0, drop=True), brain, n_bootstrap=0, n_splits=0)
    assert not {*SPREAD, "bootstrap_ceiling"} & set(scores.data_vars)
    assert np.isfinite(scores.ceiling_lower.item())


def test_intervals_for_new_subjects_come_from_all_three_kinds_of_draws(rng):
    squares = build_subjects(rng, 3)
    brain = label_squares([squares, squares], region=["V1", "IT"], subject=list("ABC"))
    brain[1, 1:] = np.nan
    scores = bootstrap_rdms(label_squares(squares[0]), brain, n_bootstrap=30)
    draws = scores.ceiling_draws.sel(region="V1")
    assert draws.dims == ("resampled", "bootstrap")
    both, subjects, stimuli = draws.values.var(axis=1, ddof=1)
    variance = oracles.dual_variance(both, subjects, stimuli, 3, 9)
    reach = scipy.stats.t.ppf(0.975, 2) * np.sqrt(variance)
    lower = scores.ceiling_lower.sel(region="V1").item()
    assert scores.ceiling_lower_ci_low.sel(region="V1") == pytest.approx(lower - reach)
    assert scores.ceiling_lower_ci_high.sel(region="V1") == pytest.approx(lower + reach)
    upper = scores.ceiling_upper.sel(region="V1").item()
    middle = [scores[name].sel(region="V1").item() for name in SPREAD[2:]]
    assert np.mean(middle) == pytest.approx(upper)
    assert all(np.isnan(scores[name].sel(region="IT").item()) for name in SPREAD)
    # Where only subjects are drawn, their parts are averaged anew.
    parts = scores.left_out.sel(region="V1").values
    shares = np.array([[a, b, 3 - a - b] for a in range(4) for b in range(4 - a)]) / 3
    possible = shares @ parts
    of_subjects = draws.sel(resampled="subjects").values
    assert np.abs(of_subjects[:, None] - possible).min(axis=1).max() < 1e-12


def test_stimuli_are_drawn_with_those_of_scores_for_new_subjects_too(rng):
    first, second = build_subjects(rng, 2)
    brain = label_squares([first, second], subject=["A", "B"])
    both = bootstrap_rdms(label_squares(first), brain, n_bootstrap=20)
    alone = bootstrap_rdms(label_squares(second), label_squares(first), n_bootstrap=20)
    drawn, scored = (
        one.sel(resampled="stimuli").squeeze(drop=True).values
        for one in (both.ceiling_draws, alone.draws)
    )
    np.testing.assert_allclose(drawn, scored)
    # With both subjects in a draw their shares of the one similarity are the same.
    np.testing.assert_allclose(both.ceiling_draws.sel(resampled="both").squeeze().values, scored)


def test_groups_of_stimuli_are_drawn_whole(rng):
    """Ceilings are those of the same groups as scores; fewer units make wider intervals."""
    squares = build_subjects(rng, 3, n=12)
    brain = label_squares(squares, subject=list("ABC"))
    by = xr.DataArray(
        np.repeat(list("wxyz"), 3), dims="stimulus", coords={"stimulus": brain.stimulus}
    )
    options = {"n_bootstrap": 40, "by": by}
    scores = bootstrap_rdms(label_squares(squares[0]), brain, **options)
    assert scores.attrs["n_units"] == 4
    variances = scores.ceiling_draws.values[..., 0].var(axis=1, ddof=1)
    reach = scipy.stats.t.ppf(0.975, 2) * np.sqrt(oracles.dual_variance(*variances, 3, 4))
    high = scores.ceiling_lower_ci_high.item()
    assert high - scores.ceiling_lower.item() == pytest.approx(reach)
    pair = label_squares(squares[:2], subject=["A", "B"])
    drawn = compare_rdms(label_squares(squares[1]), pair, n_splits=0, **options)
    alone = compare_rdms(label_squares(squares[1]), pair[0], n_splits=0, **options)
    np.testing.assert_allclose(
        drawn.bootstrap_ceiling.values, alone.bootstrap_mean.values[:, 0], atol=1e-6
    )
    assert drawn.attrs["n_units"] == 4


def test_the_mean_of_the_others_is_at_the_lower_ceiling_and_noise_below(rng):
    squares = build_subjects(rng, 7, n=14)
    brain = label_squares(squares, subject=list("ABCDEFG"))
    model = label_squares([np.mean(squares, axis=0), draw_square(rng, 14)], op=["mean", "noise"])
    for scores in (
        bootstrap_rdms(model, brain, n_bootstrap=60),
        compare_rdms(model, brain, n_bootstrap=60, n_splits=0),
    ):
        found = compare_ops(scores, against="ceiling")
        gap = scores.score_mean - scores.ceiling_lower
        np.testing.assert_allclose(found.difference.values, gap.values)
        assert found.p.sel(op="mean").item() > 0.5
        assert found.p.sel(op="noise").item() < 0.05
        assert found.ci_high.sel(op="noise").item() < 0


@pytest.mark.parametrize("comparator", ["whitened-pearson", "whitened-cosine", "bures"])
def test_comparators_of_whole_squares_get_the_stimuli_that_all_subjects_have(rng, comparator):
    squares = np.array(build_subjects(rng, 3))
    pairs = np.array([oracles.triangle(square) for square in squares])
    counts = rng.multinomial(9, np.full(9, 1 / 9), size=4)
    first, second = np.triu_indices(9, 1)
    gapped = pairs.copy()
    gapped[0, (first == 2) | (second == 2)] = np.nan
    gapped[1, (first == 6) | (second == 6)] = np.nan
    kept = np.delete(np.arange(9), [2, 6])
    smaller = np.array([oracles.triangle(square[np.ix_(kept, kept)]) for square in squares])
    found = bound_region(gapped, COMPARATORS[comparator], counts)
    expected = bound_region(smaller, COMPARATORS[comparator], counts[:, kept])
    np.testing.assert_allclose(found.lower, expected.lower)
    np.testing.assert_allclose(found.upper, expected.upper)
    gapped[2, 0] = np.nan
    assert np.isnan(bound_region(gapped, COMPARATORS[comparator], counts).upper).all()
