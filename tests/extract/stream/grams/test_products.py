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
    np.testing.assert_allclose(gram, exact, atol=1e-4)


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
