"""Similarities do not depend on the units of responses and of RDMs, however large or small."""

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from squares import label_squares, measure_square

from neurolens.compare import COMPARATORS, compare_rdms
from neurolens.compare.rsa.comparators.moments import correlate, raw_moments
from neurolens.compare.rsa.comparators.table import COMPARATORS as COMPARATOR_TABLE
from neurolens.compare.stats.correlation import correlate_columns, correlate_subsets
from neurolens.compare.stats.jackknife import leave_out_r
from neurolens.support.units import bring_near, find_powers

EXPONENTS = st.integers(-900, 900)


def test_numbers_near_one_are_left_alone():
    assert find_powers(np.array([1.0, 1e-29, 1e29, 0.0, np.nan, np.inf])) is None
    values = np.array([[3.0, np.nan]])
    assert bring_near(values, axis=1) is values


@given(exponent=st.integers(-1070, 1023))
def test_powers_bring_any_number_near_one(exponent):
    size = np.ldexp(1.0, exponent)
    powers = find_powers(np.array([size, 1.0]))
    if powers is None:
        assert 1e-30 <= size <= 1e30
        return
    assert powers[1] == 1
    assert np.frexp(powers[0])[0] == 0.5
    assert 2.0**-80 <= powers[0] * size <= 2.0**24


@given(of_x=EXPONENTS, of_y=EXPONENTS, seed=st.integers(0, 2**16))
def test_r_has_the_same_bits_in_any_units(of_x, of_y, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((12, 3))
    y = 0.5 * x + rng.standard_normal((12, 3))
    inside = torch.from_numpy(rng.random((5, 12)) < 0.7)
    block = np.repeat(np.arange(4), 3)

    def measure(x, y):
        columns = (torch.from_numpy(x), torch.from_numpy(y))
        whole = correlate_columns(*columns).numpy()
        halves = correlate_subsets(*columns, inside).numpy()
        return np.concatenate([whole[None], halves, leave_out_r(x, y, block)])

    expected = measure(x, y)
    np.testing.assert_array_equal(measure(np.ldexp(x, of_x), np.ldexp(y, of_y)), expected)
    np.testing.assert_allclose(expected[0], [np.corrcoef(x[:, v], y[:, v])[0, 1] for v in range(3)])


@given(of_x=st.integers(-120, 110), of_y=st.integers(-120, 110))
def test_r_of_single_precision_has_the_same_bits(of_x, of_y):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((12, 3)).astype(np.float32)
    y = (x + rng.standard_normal((12, 3))).astype(np.float32)
    inside = torch.from_numpy(rng.random((5, 12)) < 0.7)

    def measure(x, y):
        columns = (torch.from_numpy(x), torch.from_numpy(y))
        return correlate_columns(*columns).numpy(), correlate_subsets(*columns, inside).numpy()

    expected = measure(x, y)
    found = measure(np.ldexp(x, of_x), np.ldexp(y, of_y))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.float32
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("exponent", [75, 80, 100, 140])
def test_a_draw_without_the_largest_pair_is_as_similar(exponent, rng):
    x = rng.random((1, 15)) + 0.1
    y = rng.random((1, 15)) + 0.1
    counts = np.ones((1, 6))
    counts[0, 0] = 0
    expected = correlate(raw_moments(x, y, counts))
    x[0, 0] = y[0, 0] = 10.0**exponent
    np.testing.assert_allclose(correlate(raw_moments(x, y, counts)), expected, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Draws.*score higher in bures:RuntimeWarning")
@pytest.mark.parametrize("of_brain", [-640, 0, 640])
@pytest.mark.parametrize("of_model", [-640, 640])
@pytest.mark.parametrize("comparator", COMPARATORS)
def test_rdms_are_as_similar_in_any_units(comparator, of_model, of_brain, rng):
    latent = rng.standard_normal((9, 3))
    squares = [measure_square(rng, latent, rng.standard_normal((3, 20)), 1.0) for _ in range(4)]
    model = label_squares(squares[:2], op=["conv", "relu"])
    brain = label_squares([squares[2:]], region=["V1"], subject=["A", "B"])
    intervals = ["bootstrap"]
    if COMPARATOR_TABLE[comparator].influence is not None:
        intervals.append("influence")
    for interval in intervals:
        settings = {
            "comparator": comparator,
            "interval": interval,
            "n_bootstrap": 30,
            "quiet": True,
        }
        expected = compare_rdms(model, brain, **settings)
        found = compare_rdms(
            model.copy(data=np.ldexp(model.values, of_model)),
            brain.copy(data=np.ldexp(brain.values, of_brain)),
            **settings,
        )
        xr.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_responses_of_tiny_units_are_predicted_as_well(rng):
    """They had an r of 1 whatever the features, as large ones had 0."""
    features = rng.standard_normal((40, 3))
    responses = features @ rng.standard_normal((3, 2)) + rng.standard_normal((40, 2))
    x = torch.from_numpy(features[:, :2])
    y = torch.from_numpy(responses)
    expected = correlate_columns(y, x)
    for unit in (1e-82, 1e80):
        assert torch.allclose(correlate_columns(y * unit, x * unit), expected, rtol=1e-12)
