import numpy as np
import pytest
import scipy.stats

from neurolens.compare.stats.model_sets import count_dimensions, find_best_set, has_enough_draws


def take_first(variances):
    """Return the variance of the only kind of errors."""
    return variances[0]


def find_slowly(scores, errors, factor, freedom, level):
    """Return the members of the set and its margin by loops over pairs, ops and draws."""
    left = list(range(len(scores)))
    while True:
        pairs = [(i, j) for i in left for j in left if i < j]
        gaps = np.array([errors[:, i] - errors[:, j] for i, j in pairs])
        ranges = np.abs(gaps).max(axis=0) * np.sqrt(factor)
        inside = errors[:, left] - errors[:, left].mean(axis=1, keepdims=True)
        values = np.linalg.eigvalsh(inside.T @ inside)
        f = freedom * values.sum() ** 2 / (values**2).sum()
        ratios = [np.sqrt(f / scipy.stats.chi2.ppf((k + 0.5) / 200, f)) for k in range(200)]
        every = sorted(r * ratio for r in ranges for ratio in ratios)
        margin = np.quantile(every, min(1, level * (1 + 1 / len(errors))))
        kept = [i for i in left if max(scores[left]) - scores[i] <= margin]
        if kept == left:
            return kept, margin
        left = kept


@pytest.mark.parametrize(("level", "freedom"), [(0.9, 19), (0.8, 3)])
def test_set_of_a_slow_loop(rng, level, freedom):
    errors = rng.normal(size=(60, 7)) * np.array([1, 1, 1, 1, 1, 3, 1]) + rng.normal(size=(60, 1))
    errors -= errors.mean(axis=0)
    scores = np.array([4.0, 2, 3.5, 0, -4, -14, -30])
    found = find_best_set(
        scores, np.stack([errors, 9 * errors]), lambda v: 1.3 * v[0], freedom, level
    )
    kept, margin = find_slowly(scores, errors, 1.3, freedom, level)
    assert np.flatnonzero(found.member).tolist() == kept
    assert found.margin == pytest.approx(margin)
    assert 0 < len(kept) < 7


def test_an_op_left_out_no_longer_widens_the_margin(rng):
    errors = rng.normal(size=(1, 200, 4)) * np.array([1, 1, 1, 8])
    near = find_best_set(np.array([3.0, 2, -5, -60]), errors, take_first, 100, 0.95)
    wide = find_best_set(np.array([3.0, 2, -5, -10]), errors, take_first, 100, 0.95)
    assert near.member.tolist() == [True, True, False, False]
    assert wide.member.tolist() == [True, True, True, True]
    assert near.margin < wide.margin / 2


def test_ops_without_scores_or_draws(rng):
    errors = rng.normal(size=(1, 100, 4)) * 0.01
    errors[:, :, 1] = np.nan
    errors[:, :5, 2] = np.nan
    scores = np.array([1.0, 5.0, 0.5, np.nan])
    found = find_best_set(scores, errors, take_first, 50, 0.95)
    assert found.member.tolist() == [True, True, False, False]
    alone = find_best_set(np.array([1.0, np.nan]), errors[..., :2], take_first, 50, 0.95)
    assert alone.member.tolist() == [True, False]
    assert np.isnan(alone.margin)
    none = find_best_set(scores, errors[:, :0], take_first, 50, 0.95)
    assert none.member.tolist() == [True, True, True, False]


def test_equal_ops_that_never_differ_are_not_told_apart(rng):
    errors = np.repeat(rng.normal(size=(1, 50, 1)), 3, axis=2)
    scores = np.array([0.5, 0.5 - 1e-12, 0.499])
    found = find_best_set(scores, errors, take_first, 20, 0.95)
    assert found.member.tolist() == [True, True, False]
    assert found.margin == pytest.approx(5e-7)


def test_draws_that_a_level_needs():
    assert [has_enough_draws(n, 0.95) for n in (18, 19)] == [False, True]
    assert [has_enough_draws(n, 0.99) for n in (98, 99)] == [False, True]


def test_dimensions(rng):
    assert count_dimensions(rng.normal(size=(50, 1)) * np.ones(9)) == pytest.approx(1)
    assert count_dimensions(rng.normal(size=(20_000, 5))) == pytest.approx(5, rel=0.01)
    few = rng.normal(size=(4, 9))
    values = np.linalg.eigvalsh(few.T @ few)
    assert count_dimensions(few) == pytest.approx(values.sum() ** 2 / (values**2).sum())


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_all_equal_ops_are_in_the_set_and_worse_ones_are_not(rng, correlation):
    """Scores are means over 30 stimuli; forty ops are equal, the last is worse.

    Errors of neighbors are correlated in the second case.
    """
    n_whole, n_without = 0, 0
    for _ in range(100):
        parts = rng.normal(size=(41, 30))
        for op in range(1, 41):
            parts[op] = correlation * parts[op - 1] + np.sqrt(1 - correlation**2) * parts[op]
        parts[40] -= 2.0
        counts = rng.multinomial(30, np.full(30, 1 / 30), size=100)
        draws = counts @ parts.T / 30  # (draw, op)
        errors = (draws - draws.mean(axis=0))[None]
        found = find_best_set(parts.mean(axis=1), errors, lambda v: v[0] * 30 / 29, 29, 0.95)
        n_whole += found.member[:40].all()
        n_without += not found.member[40]
    assert n_whole >= 91
    assert n_without >= 95
