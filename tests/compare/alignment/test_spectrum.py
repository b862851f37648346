"""Spectra are those of centered features."""

import numpy as np
import pytest
from brains import build_grams, label_features

from neurolens.compare import compute_spectrum
from neurolens.errors import InputError


@pytest.mark.parametrize("n_features", [3, 50])
def test_shares_are_squared_singular_values_of_centered_features(rng, n_features):
    values = rng.normal(size=(12, n_features)) * rng.uniform(0.1, 3, n_features) + 5
    spectrum = compute_spectrum(build_grams({"a": label_features(values)}))
    singular = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)
    share = np.zeros(11)
    share[: min(11, n_features)] = (singular**2 / (singular**2).sum())[:11]
    np.testing.assert_allclose(spectrum.share[0], share, atol=1e-10)
    assert float(spectrum.effective_dimensionality[0]) == pytest.approx(1 / (share**2).sum())
    assert spectrum.attrs["n_stimuli"] == 12


def test_equal_variances_count_as_many_as_there_are():
    values = np.concatenate([np.eye(4), -np.eye(4)])
    spectrum = compute_spectrum(build_grams({"a": label_features(values)}))
    assert float(spectrum.effective_dimensionality[0]) == pytest.approx(4)
    np.testing.assert_allclose(spectrum.share[0, :4], 0.25)


def test_what_does_not_vary_has_no_spectrum(rng):
    grams = build_grams(
        {"a": label_features(np.ones((6, 3))), "b": label_features(rng.normal(size=(6, 3)))}
    )
    with pytest.warns(RuntimeWarning, match="no spectrum of 'a'"):
        spectrum = compute_spectrum(grams)
    assert spectrum.effective_dimensionality.isnull().values.tolist() == [True, False]


def test_anything_but_grams_is_refused(rng):
    with pytest.raises(InputError, match="grams must be"):
        compute_spectrum(rng.normal(size=(4, 4)))
