"""Differences between test sets against Welch's formulas."""

import numpy as np
import pytest
from brains import label_features, label_responses
from scipy import stats

from neurolens.compare import compare_test_sets, fit_encoding, fit_test_sets
from neurolens.errors import InputError

NAMES = np.repeat(["train", "test", "sketch", "far"], [40, 30, 15, 3])


def fit(rng, **settings):
    x = rng.normal(size=(len(NAMES), 5))
    y = x @ rng.normal(size=(5, 4)) + rng.normal(size=(len(NAMES), 4))
    y[NAMES == "sketch"] = rng.normal(size=(15, 4))
    places = {"region": ["V1", "V1", "IT", "IT"]}
    responses = label_responses(y, **places).assign_coords(set=("presentation", NAMES))
    return fit_test_sets(label_features(x), responses, split="set", **settings)


def test_welch(rng):
    fits = fit(rng, confidence=0.9)
    found = compare_test_sets(fits)
    assert found.test_set.values.tolist() == ["test", "sketch", "far"]
    one = found.sel(test_set="test", test_set_2="sketch")
    for region in ("V1", "IT"):
        a, b = (fits[name].sel(op="model", region=region) for name in ("test", "sketch"))
        right = stats.ttest_ind_from_stats(
            a.score_mean,
            a.score_mean_se * 30**0.5,
            30,
            b.score_mean,
            b.score_mean_se * 15**0.5,
            15,
            False,
        )
        here = one.sel(op="model", region=region)
        np.testing.assert_allclose(here.p, right.pvalue)
        np.testing.assert_allclose(here.difference, a.score_mean - b.score_mean)
        variances = a.score_mean_se.item() ** 2, b.score_mean_se.item() ** 2
        welch = sum(variances) ** 2 / (variances[0] ** 2 / 29 + variances[1] ** 2 / 14)
        reach = stats.t.ppf(0.95, welch) * sum(variances) ** 0.5
        np.testing.assert_allclose(here.ci_high - here.difference, reach)


def test_signs_and_the_diagonal(rng):
    found = compare_test_sets(fit(rng))
    turned = found.rename(test_set="test_set_2", test_set_2="test_set").transpose(*found.dims)
    np.testing.assert_allclose(found.difference, -turned.difference)
    np.testing.assert_allclose(found.ci_low, -turned.ci_high)
    np.testing.assert_allclose(found.q, turned.q)
    here = {"test_set": "test", "test_set_2": "test"}
    assert found.sel(here).p.isnull().all()
    assert (found.sel(here).difference == 0).all()
    # Three stimuli have no interval.
    assert found.sel(test_set="far").p.isnull().all()
    assert found.sel(test_set="far").difference.notnull().all()


def test_attributes_are_those_of_all_sets(rng):
    attrs = compare_test_sets(fit(rng)).attrs
    assert attrs["n_training"] == 40
    assert "n_stimuli" not in attrs
    assert "test_set" not in attrs


def test_sets_of_several_fits_are_refused(rng):
    first, second = fit(rng), fit(rng)
    with pytest.raises(InputError, match=r"test sets of one fit, .*\. Pass what one call"):
        compare_test_sets({"a": first["test"], "b": second["sketch"]})
    scores = fit_encoding(
        label_features(rng.normal(size=(30, 3))), label_responses(rng.normal(size=(30, 2)))
    )
    with pytest.raises(InputError, match="test sets of one fit"):
        compare_test_sets({"a": scores, "b": scores})
    with pytest.raises(InputError, match=r"two test sets or more, by name, got 1 sets\. Pass"):
        compare_test_sets({"test": first["test"]})
    with pytest.raises(InputError, match="two test sets or more, by name, got Dataset"):
        compare_test_sets(first["test"])
    with pytest.raises(InputError, match="compare_test_sets takes scores"):
        compare_test_sets({"a": 1, "b": 2})
