"""Casts that make values infinite, and values that are not finite: found by the extremes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from neurolens.extract.reducers.chain import are_finite, count_overflow
from neurolens.extract.stream.stores.reduced import count_nonfinite

ODD = st.sampled_from([float("nan"), float("inf"), float("-inf"), 7e4, -7e4, 6e4, 0.0])
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64]


@st.composite
def draw_rows(draw):
    """Return a batch (stimulus, feature) with some odd values, not contiguous in half of cases."""
    n_features = draw(st.integers(0, 40))
    rows = torch.randn(4, 2 * n_features, generator=torch.Generator().manual_seed(0))
    rows = rows[:, ::2] if draw(st.booleans()) else rows[:, :n_features].clone()
    for _ in range(draw(st.integers(0, 3)) if n_features else 0):
        place = draw(st.integers(0, 3)), draw(st.integers(0, n_features - 1))
        rows[place] = draw(ODD)
    return rows


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(rows=draw_rows())
def test_what_is_not_finite_is_counted(dtype, rows):
    rows = rows.to(dtype)
    if dtype.is_complex:
        rows = rows * torch.tensor(1j)
    expected = [int((~row.isfinite()).sum()) for row in rows]
    assert count_nonfinite(rows).tolist() == expected
    assert are_finite(rows) == (sum(expected) == 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32], ids=str)
@given(rows=draw_rows())
def test_what_a_cast_makes_infinite_is_counted(dtype, rows):
    rows = rows.double() * 1e34
    after = rows.to(dtype)
    before = rows.numpy()
    expected = (np.isfinite(before) & np.isinf(after.double().numpy())).sum(1)
    assert count_overflow(rows, after).tolist() == expected.tolist()


def test_many_large_values_whose_sum_is_infinite_are_finite():
    assert are_finite(torch.full((3, 10), 6e4, dtype=torch.float16))
    assert count_nonfinite(torch.full((3, 10), 3e38)).tolist() == [0, 0, 0]


def test_whole_numbers_are_finite():
    assert are_finite(torch.arange(3))
    assert count_nonfinite(torch.arange(3) > 1).tolist() == [0, 0, 0]
