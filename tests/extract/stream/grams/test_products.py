"""Products between stimuli: exact, or of features hashed into fewer."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.extract.stream.grams.products import (
    EXACT_STIMULI,
    Sketch,
    add_products,
    find_sketch_error,
    mirror_triangle,
)


@pytest.mark.parametrize(
    ("n_stimuli", "is_exact"), [(EXACT_STIMULI, True), (EXACT_STIMULI + 1, False)]
)
def test_products_are_exact_up_to_512_stimuli_and_the_attribute_says_so(n_stimuli, is_exact, rng):
    assert EXACT_STIMULI == 512
    x = rng.standard_normal((n_stimuli, 40)).astype(np.float32)
    grams = nl.extract_grams(nn.Flatten(), nl.load_stimuli(x), batch_size=64, quiet=True)
    exact = x.astype(np.float64) @ x.T.astype(np.float64)
    error = np.abs(grams.gram.values[0] - exact).max() / np.abs(exact).max()
    assert grams.attrs["eps"] == np.finfo(np.float64 if is_exact else np.float32).eps
    assert error < 40 * grams.attrs["eps"]
    assert (error < 1e-12) == is_exact


@contextmanager
def bfloat16_products():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize(
    "surround",
    [lambda: torch.autocast("cpu", dtype=torch.bfloat16), bfloat16_products],
    ids=["autocast", "matmul precision"],
)
def test_products_do_not_follow_the_precision_that_is_set_for_the_model(surround, rng):
    rows = torch.as_tensor(rng.standard_normal((EXACT_STIMULI + 8, 200)), dtype=torch.float32)
    exact = (rows.double() @ rows.double().T).numpy()
    gram = np.zeros(exact.shape)
    with surround():
        precision = torch.get_float32_matmul_precision()
        add_products(rows, gram, np.zeros(len(gram)))
        assert torch.get_float32_matmul_precision() == precision
    mirror_triangle(gram)
    np.testing.assert_allclose(gram, exact, atol=5e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_values_that_float32_does_not_hold_keep_their_differences(dtype, rng):
    rows = torch.as_tensor(rng.integers(0, 50, (EXACT_STIMULI + 4, 30)) + 2**27).to(dtype)
    gram = np.zeros((len(rows), len(rows)))
    total = np.zeros(len(rows))
    add_products(rows, gram, total)
    mirror_triangle(gram)
    centered = rows.double() - rows.double().mean(1, keepdim=True)
    exact = (centered @ centered.T).numpy()
    # The offset itself takes 54 bits of each entry, so a few units are rounding of float64.
    found = gram - np.outer(total, total) / rows.shape[1]
    np.testing.assert_allclose(found, exact, atol=60 * 2**5 * 30**0.5)


@pytest.mark.parametrize("offset", [0, 10, 1000])
def test_grams_of_many_stimuli_keep_their_precision(offset, rng):
    rows = (rng.standard_normal((EXACT_STIMULI + 8, 300)) + offset).astype(np.float32)
    n, p = rows.shape
    gram, total = np.zeros((n, n)), np.zeros(n)
    for part in (rows[:, :180], rows[:, 180:]):
        add_products(torch.as_tensor(part), gram, total)
    mirror_triangle(gram)
    exact = rows.astype(np.float64)
    centred = gram - np.outer(total, total) / p
    true = exact - exact.mean(1, keepdims=True)
    np.testing.assert_allclose(centred, true @ true.T, atol=2e-4 * 300)


def test_sketches_keep_grams_within_their_stated_error(rng):
    rows = (
        torch.as_tensor(
            rng.standard_normal((40, 3000)) * rng.exponential(size=3000), dtype=torch.float32
        )
        + 5
    )
    exact = (rows - rows.mean(1, keepdim=True)).double()
    norms = exact.norm(dim=1)
    errors = []
    for seed in range(20):
        made = Sketch(3000, 256, torch.device("cpu"), seed).reduce(rows).double()
        errors.append(
            ((made @ made.T - exact @ exact.T) / torch.outer(norms, norms)).triu(1).flatten()
        )
    spread = torch.cat(errors)
    spread = spread[spread != 0]
    assert 0.5 * find_sketch_error(256) < spread.std() < find_sketch_error(256)
    assert abs(spread.mean()) < 0.01


@pytest.mark.parametrize("scale", [1e-25, 1e-22, 1e-10, 1.0, 1e10, 1e19])
def test_products_of_many_stimuli_do_not_depend_on_the_unit(scale, rng):
    rows = torch.as_tensor(rng.standard_normal((EXACT_STIMULI + 8, 60)) * scale).float()
    gram = np.zeros((len(rows), len(rows)))
    add_products(rows, gram, np.zeros(len(rows)))
    mirror_triangle(gram)
    exact = (rows.double() @ rows.double().T).numpy()
    np.testing.assert_allclose(gram, exact, rtol=0, atol=1e-6 * exact.max())


@pytest.mark.parametrize("size", [10.0, 1e3, 1e4])
def test_a_pattern_that_all_stimuli_share_costs_no_digits(size, rng):
    noise = rng.standard_normal((EXACT_STIMULI + 8, 64))
    rows = torch.as_tensor(noise + size * rng.standard_normal(64)).float()
    gram = np.zeros((len(rows), len(rows)))
    add_products(rows, gram, np.zeros(len(rows)))
    mirror_triangle(gram)
    power = np.diag(gram)
    distances = power[:, None] + power - 2 * gram
    exact = torch.cdist(rows.double(), rows.double()).numpy() ** 2
    np.testing.assert_allclose(distances, exact, rtol=0, atol=1e-5 * exact.max())


def test_values_that_are_not_finite_spoil_their_own_rows_only(rng):
    rows = torch.as_tensor(rng.standard_normal((EXACT_STIMULI + 8, 30))).float()
    rows[3, 5] = float("inf")
    rows[7, 0] = float("nan")
    gram = np.zeros((len(rows), len(rows)))
    add_products(rows, gram, np.zeros(len(rows)))
    mirror_triangle(gram)
    assert np.flatnonzero(~np.isfinite(np.diag(gram))).tolist() == [3, 7]
    others = np.delete(np.arange(len(rows)), [3, 7])
    exact = (rows[others].double() @ rows[others].double().T).numpy()
    np.testing.assert_allclose(gram[np.ix_(others, others)], exact, atol=1e-4)


def test_rows_are_left_as_they_were(rng):
    rows = torch.as_tensor(rng.standard_normal((EXACT_STIMULI + 8, 30)))
    before = rows.clone()
    add_products(rows, np.zeros((len(rows), len(rows))), np.zeros(len(rows)))
    assert torch.equal(rows, before)


def test_a_sketch_does_not_follow_the_default_dtype(rng):
    rows = torch.as_tensor(rng.standard_normal((4, 90))).float()
    sketch = Sketch(90, 8, torch.device("cpu")).reduce(rows)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        again = Sketch(90, 8, torch.device("cpu")).reduce(rows)
    finally:
        torch.set_default_dtype(before)
    assert torch.equal(sketch, again)
