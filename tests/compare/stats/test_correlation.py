import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurolens.compare.stats import correlation
from neurolens.compare.stats.correlation import correlate_columns, correlate_subsets


def correlate_each(x, y, inside):
    """Return the correlations within one subset after the other."""
    return torch.stack([correlate_columns(x[rows], y[rows]) for rows in inside])


def draw_subsets(rng, n_subsets, n):
    """Return halves, each with at least three of the rows."""
    order = np.argsort(rng.random((n_subsets, n)), axis=1)
    return torch.from_numpy(order < max(3, n // 2))


@given(st.integers(0, 10**6), st.integers(6, 40), st.floats(-9, 9), st.floats(-9, 9))
def test_subsets_are_correlated_as_each_by_itself(seed, n, offset, spread):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(10.0**offset + 10.0**spread * rng.normal(size=(n, 5)))
    y = x + torch.from_numpy(10.0**spread * rng.normal(size=(n, 5)))
    inside = draw_subsets(rng, 4, n)
    found = correlate_subsets(x, y, inside)
    expected = correlate_each(x, y, inside)
    # Digits that the values themselves do not hold follow from the order in which they are added.
    error = 1e-11 + 1e-14 * 10 ** max(0, offset - spread)
    torch.testing.assert_close(found, expected, rtol=0, atol=error, equal_nan=True)


def test_columns_that_vary_without_a_subset_only_have_no_correlation_in_it(rng):
    x = torch.from_numpy(rng.normal(size=(12, 4)))
    y = torch.from_numpy(rng.normal(size=(12, 4)))
    x[:6, 0] = 0.1
    y[:6, 1] = 3.0
    x[:6, 2] = 0.1 + 1e-7 * torch.arange(6.0, dtype=torch.float64)
    y[:6, 2] = -torch.arange(6.0)
    inside = torch.zeros(2, 12, dtype=torch.bool)
    inside[0, :6] = inside[1, 6:] = True
    found = correlate_subsets(x, y, inside)
    assert found[0, :2].isnan().all()
    assert found[0, 2].item() == pytest.approx(-1)
    torch.testing.assert_close(found[1], correlate_each(x, y, inside)[1])
    torch.testing.assert_close(found[0, 3], correlate_each(x, y, inside)[0, 3])


def test_values_that_are_not_finite_stay_in_their_subset(rng):
    x = torch.from_numpy(rng.normal(size=(10, 2)))
    y = torch.from_numpy(rng.normal(size=(10, 2)))
    y[0, 0] = torch.nan
    inside = torch.zeros(2, 10, dtype=torch.bool)
    inside[0, :5] = inside[1, 5:] = True
    found = correlate_subsets(x, y, inside)
    assert found.isnan().tolist() == [[True, False], [False, False]]
    torch.testing.assert_close(found[1], correlate_each(x, y, inside)[1])


def test_no_column_is_computed_by_itself_as_a_rule(rng, monkeypatch):
    monkeypatch.setattr(correlation, "correlate_columns", None)
    x = torch.from_numpy(1e6 + rng.normal(size=(30, 50)))
    assert correlate_subsets(x, x, draw_subsets(rng, 8, 30)).min().item() == pytest.approx(1)


def test_no_subsets(rng):
    x = torch.from_numpy(rng.normal(size=(6, 3)))
    assert correlate_subsets(x, x, torch.zeros(0, 6, dtype=torch.bool)).shape == (0, 3)
