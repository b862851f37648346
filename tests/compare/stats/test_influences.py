"""Variances and draws from influences, against every draw that there is."""

import itertools

import numpy as np
import pytest

from neurolens.compare.stats.bootstrap import RESAMPLED, combine_variances
from neurolens.compare.stats.influences import (
    average_influences,
    center_units,
    check_units,
    count_units,
    draw_scores,
    fill_absent,
    read_units,
    split_variance,
    vary_units,
)
from neurolens.errors import InputError


def list_counts(n):
    """Return how often each of ``n`` is drawn in each of the n^n equally likely draws."""
    return [np.bincount(drawn, minlength=n) for drawn in itertools.product(range(n), repeat=n)]


def test_variances_are_those_over_all_draws(rng):
    """Of the score to first order, for every draw of four stimuli and of three subjects."""
    score = rng.normal(size=3)
    influences = center_units(rng.normal(size=(3, 4)))
    means = {name: [] for name in RESAMPLED}
    for stimuli, subjects in itertools.product(list_counts(4), list_counts(3)):
        drawn = score + influences @ (stimuli - 1)
        means["both"].append((drawn * subjects).mean())
        means["subjects"].append((score * subjects).mean())
        means["stimuli"].append(drawn.mean())
    expected = [np.var(means[name]) for name in RESAMPLED]
    np.testing.assert_allclose(split_variance(score, influences), expected, rtol=1e-12)


def test_a_variance_over_units_has_its_small_sample_factor(rng):
    """That of a mean of numbers is their variance over n - 1, by n."""
    numbers = rng.normal(size=9)
    influences = center_units(numbers / 9)
    assert vary_units(influences) == pytest.approx(numbers.var(ddof=1) / 9)
    one = combine_variances(split_variance(np.zeros(1), influences[None]), 1, 9)
    assert one == pytest.approx(numbers.var(ddof=1) / 9)


def test_units_that_are_not_part_of_a_score_do_not_count(rng):
    influences = rng.normal(size=(2, 6))
    influences[1, [2, 5]] = np.nan
    found = center_units(influences)
    assert count_units(found).tolist() == [6, 4]
    np.testing.assert_allclose(np.nansum(found, axis=1), 0, atol=1e-12)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(influences))


def test_groups_occur_as_often_as_their_stimuli():
    units = read_units(np.array([0, 0, 1, 2, 2, 1]), np.array([[2, 2, 0, 1, 1, 0]]))
    assert units.counts.tolist() == [[2, 0, 1]]
    single = read_units(None, np.array([[2, 0, 1]]))
    assert single.number.tolist() == [0, 1, 2]
    assert single.counts.tolist() == [[2, 0, 1]]


def test_a_mean_over_subjects_who_saw_different_stimuli(rng):
    influences = np.array([[0.5, -0.5, np.nan, np.nan], [np.nan, 1.0, -1.0, np.nan]])
    found = average_influences(influences)
    np.testing.assert_allclose(found, [0.25, 0.25, -0.5, np.nan])


def test_draws_are_linear(rng):
    score = rng.normal(size=(2, 3))
    influences = rng.normal(size=(2, 3, 5))
    influences[0, 0, 4] = np.nan
    counts = rng.multinomial(5, np.full(5, 0.2), size=7)
    found = draw_scores(score, influences, counts)
    for draw, count in enumerate(counts):
        expected = score + np.nansum(influences * (count - 1), axis=-1)
        np.testing.assert_allclose(found[draw], expected)


def test_too_few_units():
    with pytest.raises(InputError, match="at least 4 groups of stimuli, got 3"):
        check_units(3, "groups of stimuli")
    check_units(4, "stimuli")


def test_a_score_whose_influences_are_unknown_has_no_draws_and_no_variance(rng):
    """Zeros in their place would be a score that does not vary."""
    influences = rng.normal(size=(3, 5))
    influences[0, 2] = np.nan
    influences[1] = np.nan
    filled = fill_absent(influences)
    assert filled[0, 2] == 0
    assert np.isnan(filled[1]).all()
    np.testing.assert_array_equal(filled[2], influences[2])
    assert np.isnan(average_influences(influences)).all()
    assert np.isnan(average_influences(influences[[0, 2]])).sum() == 0
    _, subjects, stimuli = split_variance(np.arange(3.0), influences)
    assert np.isnan(stimuli)
    assert subjects == pytest.approx(2 / 9)
    drawn = draw_scores(np.arange(3.0), influences, np.ones((4, 5)))
    np.testing.assert_array_equal(np.isnan(drawn), [[False, True, False]] * 4)
