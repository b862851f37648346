"""Products between stimuli in float32, within their stated error, and in float64."""

import platform
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import multiply_rows_slowly
from torch import nn

import neurolens as nl
from neurolens.errors import UnknownNameError
from neurolens.extract.stream.grams import bands, products
from neurolens.extract.stream.grams.bands import SINGLE_EPS, find_block_kernel, measure_eps
from neurolens.extract.stream.grams.products import (
    Multiplier,
    count_chunk_features,
    mirror_triangle,
    share_sums,
)

# A subtraction of two float32 numbers rounds as much as the numbers were rounded themselves; three
# of them make less than this share of a row.
FEATURE_EPS = 4 * 2.0**-24
FLOAT64_EPS = 2.0**-52


def multiply(rows, step=None, is_exact=False):
    n_stimuli = len(rows)
    gram = np.zeros((n_stimuli, n_stimuli))
    total, residual = np.zeros((2, n_stimuli))
    step = count_chunk_features(n_stimuli) if step is None else step
    Multiplier(step, is_exact).add(rows, share_sums(gram, total, residual))
    mirror_triangle(gram)
    return gram, total, residual


def multiply_exactly(rows):
    rows = rows.double()
    return (rows @ rows.T).numpy(), rows.sum(1).numpy()


def compute_distances(rows):
    """Return squared distances from differences, which lose no digits."""
    rows = rows.double()
    distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    return (distances**2).numpy()


def standardize(rows):
    rows = rows.double() - rows.double().mean(1, keepdim=True)
    return rows / rows.norm(dim=1, keepdim=True)


def make_values(kind, n_stimuli, n_features, generator):
    """Return values such as operations have."""
    noise = torch.randn(n_stimuli, n_features, generator=generator)
    pattern = torch.randn(n_features, generator=generator)
    stimulus = torch.randn(n_stimuli, 1, generator=generator)
    half = (torch.arange(n_stimuli) % 2)[:, None]
    kinds = {
        "ReLU": lambda: (noise + pattern).relu(),
        "batch norm": lambda: noise + 1000 * pattern,
        "batch norm, half of them": lambda: noise + 1000 * pattern * half,
        "offset": lambda: noise + 1000,
        "offset of each stimulus": lambda: noise + 1000 * stimulus,
        "logits": lambda: 3 * noise + 20 * (pattern > 1),
        "one value": lambda: 0.7 * noise.sign(),
        "constant rows": lambda: torch.where(half == 1, noise, stimulus),
        "scales": lambda: noise * torch.logspace(-4, 4, n_stimuli)[:, None],
        "heavy tails": lambda: noise**5,
        "one of many": lambda: (
            (1 + noise[:, :1] ** 2) * (torch.arange(n_features) == n_features // 2)
        ),
    }
    return kinds[kind]()


KINDS = (
    "ReLU",
    "batch norm",
    "batch norm, half of them",
    "offset",
    "offset of each stimulus",
    "logits",
    "one value",
    "constant rows",
    "scales",
    "heavy tails",
    "one of many",
)


def check_errors(rows, step=None):
    """Compare products and distances with their stated errors."""
    n_features = rows.shape[1]
    gram, total, residual = multiply(rows, step)
    exact, sums = multiply_exactly(rows)
    length = np.sqrt(np.diag(exact))
    tiny = 1e-300
    assert (np.abs(gram - exact) <= 5 * SINGLE_EPS * np.outer(length, length) + tiny).all()
    assert (np.abs(total - sums) <= SINGLE_EPS * np.sqrt(n_features) * length + tiny).all()
    own = SINGLE_EPS * residual + FLOAT64_EPS * (4 + np.sqrt(n_features) / 16) * length**2
    pairs = np.add.outer(own, own)
    moved = FEATURE_EPS * np.add.outer(length, length)
    power = np.diag(gram)
    found = power[:, None] + power - 2 * gram
    distances = compute_distances(rows)
    bound = 8 * pairs + SINGLE_EPS * distances + 2 * np.sqrt(distances) * moved + moved**2
    assert (np.abs(found - distances) <= bound + tiny).all()
    centered = gram - np.outer(total, total) / n_features
    variance = np.diag(exact - np.outer(sums, sums) / n_features)
    kept = np.flatnonzero(variance > 1e-9 * np.diag(exact))
    if len(kept) < 2 or n_features < 2:
        return
    norm = np.sqrt(np.diag(centered)[kept])
    found = 1 - centered[np.ix_(kept, kept)] / np.outer(norm, norm)
    distances = compute_distances(standardize(rows[torch.as_tensor(kept)])) / 2
    share = own[kept] / variance[kept]
    moved = FEATURE_EPS * length[kept] / np.sqrt(variance[kept])
    moved = np.add.outer(moved, moved)
    bound = 3 * np.add.outer(share, share) + np.sqrt(2 * distances) * moved + moved**2
    assert (np.abs(found - distances) <= bound).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shape", [(5, 1), (6, 3), (9, 10), (70, 2), (40, 700), (70, 5000), (300, 40)]
)
def test_errors_are_below_the_stated_ones(kind, shape):
    check_errors(make_values(kind, *shape, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("kind", ["ReLU", "batch norm", "logits"])
def test_errors_of_a_thousand_stimuli_are_below_the_stated_ones(kind):
    generator = torch.Generator().manual_seed(0)
    rows = make_values(kind, 1000, 600, generator)
    gram, _, residual = multiply(rows, 256)
    exact, _ = multiply_exactly(rows)
    length = np.sqrt(np.diag(exact))
    assert (np.abs(gram - exact) <= SINGLE_EPS * np.outer(length, length)).all()
    some = torch.arange(0, 1000, 25)
    power = np.diag(gram)[some]
    found = power[:, None] + power - 2 * gram[np.ix_(some, some)]
    distances = compute_distances(rows[some])
    own = SINGLE_EPS * residual[some] + 10 * FLOAT64_EPS * length[some] ** 2
    moved = FEATURE_EPS * np.add.outer(length[some], length[some])
    bound = 2 * np.add.outer(own, own) + 2 * np.sqrt(distances) * moved + moved**2
    assert (np.abs(found - distances) <= bound).all()


@given(
    kind=st.sampled_from(KINDS),
    n_stimuli=st.integers(2, 40),
    n_features=st.integers(1, 200),
    step=st.sampled_from([7, 64, 200]),
    exponent=st.integers(-12, 12),
    seed=st.integers(0, 1000),
)
def test_no_values_have_larger_errors_than_stated(
    kind, n_stimuli, n_features, step, exponent, seed
):
    rows = make_values(kind, n_stimuli, n_features, torch.Generator().manual_seed(seed))
    check_errors(rows * 2.0**exponent, step)


def test_the_residual_is_no_longer_than_rows_about_their_mean(rng):
    for kind in KINDS:
        rows = make_values(kind, 30, 90, torch.Generator().manual_seed(1))
        residual = multiply(rows, 40)[2]
        centered = rows.double() - rows.double().mean(1, keepdim=True)
        limit = (
            1.001 * centered.square().sum(1).numpy() + 1e-12 * rows.double().square().sum(1).numpy()
        )
        assert (residual <= limit + 1e-30).all(), kind


def test_what_all_stimuli_share_is_no_part_of_the_residual(rng):
    noise = rng.standard_normal((50, 300))
    rows = torch.as_tensor(noise + 1000 * rng.standard_normal(300)).float()
    residual = multiply(rows)[2]
    assert residual.max() < 2 * 300


def test_a_row_with_the_pattern_of_the_others_but_not_their_mean_keeps_its_digits(rng):
    pattern = torch.as_tensor(rng.standard_normal(10))
    rows = pattern + 0.01 * torch.as_tensor(rng.standard_normal((30, 10)))
    rows[1:] += 1000
    check_errors(rows.float())


def test_products_in_float64_are_exact(rng):
    rows = torch.as_tensor(rng.standard_normal((7, 50)) + 30).float()
    gram, total, residual = multiply(rows, 16, is_exact=True)
    exact, sums, _ = multiply_rows_slowly(rows.numpy())
    np.testing.assert_allclose(gram, exact, rtol=1e-14)
    np.testing.assert_allclose(total, sums, rtol=1e-14)
    assert not residual.any()


@contextmanager
def legacy_setting():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def backend_setting():
    if not hasattr(torch.backends.mkldnn, "matmul"):
        pytest.skip("this torch has no setting for each kind of device")
    try:
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        yield
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = "none"
        torch.backends.cuda.matmul.fp32_precision = "none"


def read_settings():
    if not hasattr(torch.backends.mkldnn, "matmul"):
        return torch.get_float32_matmul_precision()
    return [m.matmul.fp32_precision for m in (torch.backends.mkldnn, torch.backends.cuda)]


@pytest.mark.parametrize(
    "surround",
    [lambda: torch.autocast("cpu", dtype=torch.bfloat16), legacy_setting, backend_setting],
    ids=["autocast", "matmul precision", "precision of a device"],
)
def test_products_do_not_follow_the_precision_that_is_set_for_the_model(surround, rng):
    rows = torch.as_tensor(rng.standard_normal((80, 4000)), dtype=torch.float32)
    with surround():
        before = read_settings()
        assert measure_eps(80, 4000, torch.device("cpu")) == SINGLE_EPS
        check_errors(rows)
        assert read_settings() == before


def test_a_device_that_multiplies_inexactly_gets_float64_and_that_is_told(monkeypatch, rng):
    def multiply_inexactly(left, right):
        if left.dtype == torch.float64:
            return left @ right.T
        return (left.bfloat16() @ right.bfloat16().T).float()

    monkeypatch.setattr(bands, "_multiply", multiply_inexactly)
    x = rng.standard_normal((6, 40)).astype(np.float32)
    grams = nl.extract_grams(nn.Flatten(), nl.load_stimuli(x), quiet=True)
    assert grams.attrs["precision"] == "float64"
    assert "products of the device have an error of 0.00" in grams.attrs["precision_note"]
    assert "residual" not in grams
    np.testing.assert_allclose(grams.gram[0], x.astype(float) @ x.T.astype(float), rtol=1e-12)


def test_a_device_that_is_a_little_inexact_states_its_own_error(monkeypatch, rng):
    exact = bands._multiply
    monkeypatch.setattr(bands, "_multiply", lambda left, right: exact(left, right) * (1 + 4.5e-5))
    x = rng.standard_normal((6, 40)).astype(np.float32)
    grams = nl.extract_grams(nn.Flatten(), nl.load_stimuli(x), quiet=True)
    assert grams.attrs["precision"] == "float32"
    assert grams.attrs["eps"] == pytest.approx(9e-5, rel=0.2)


NARROW = "MKL without AVX-512"


def use_kernel(monkeypatch, name):
    """Let products be those of a processor on which this kernel is used, or skip."""
    if name == NARROW:
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    elif torch.backends.cpu.get_cpu_capability() != "AVX512":
        pytest.skip("this processor has no AVX-512, with which this kernel is used")
    monkeypatch.setattr(bands, "_is_intel", lambda: name == "MKL")
    monkeypatch.setattr(bands, "_find_kernel", bands._find_kernel.__wrapped__)
    if bands._find_kernel() is None:
        pytest.skip(f"this torch has no {name}")


@pytest.mark.parametrize(
    ("name", "n_features", "fewest"), [("oneDNN", 512, 96), ("MKL", 2048, 96), (NARROW, 4096, 160)]
)
def test_each_processor_gets_its_kernel(name, n_features, fewest, monkeypatch):
    cpu = torch.device("cpu")
    use_kernel(monkeypatch, name)
    assert find_block_kernel(fewest, n_features, cpu).n_features == n_features
    assert find_block_kernel(fewest - 1, n_features, cpu) is None
    assert find_block_kernel(fewest, n_features - 1, cpu) is None
    assert find_block_kernel(fewest, n_features, torch.device("meta")) is None
    assert (find_block_kernel(501, n_features, cpu) is None) == (name == NARROW)
    # Sums of equal values within a block are within the stated error.
    assert measure_eps(200, 2 * n_features, cpu) == SINGLE_EPS


@pytest.mark.parametrize("text", ["vendor_id\t: GenuineIntel\n", "vendor_id\t: AuthenticAMD\n"])
@pytest.mark.parametrize("has_file", [True, False])
def test_the_maker_of_a_processor_is_read(text, has_file, monkeypatch):
    def read_text(path):
        if not has_file:
            raise PermissionError(13, "Permission denied")
        return text

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(platform, "processor", lambda: "" if has_file else text)
    assert bands._is_intel() == ("Intel" in text)


@pytest.mark.parametrize(
    "shape",
    [
        (100, 511),
        (100, 512),
        (130, 3000),
        (170, 1024),
        (600, 600),
        (600, 2100),
        (100, 20_000),
        (160, 4096),
        (230, 9000),
    ],
)
@pytest.mark.parametrize("kind", ["ReLU", "batch norm, half of them", "scales"])
@pytest.mark.parametrize("kernel", ["oneDNN", "MKL", NARROW])
def test_blocks_have_the_products_of_bands(kernel, kind, shape, monkeypatch):
    use_kernel(monkeypatch, kernel)
    rows = make_values(kind, *shape, torch.Generator().manual_seed(0))
    if shape[0] < 300:
        check_errors(rows)
    gram, total, residual = multiply(rows)
    monkeypatch.setattr(products, "find_block_kernel", lambda *sizes: None)
    other = multiply(rows)
    length = np.sqrt(np.diag(other[0]))
    assert (np.abs(gram - other[0]) <= 5 * SINGLE_EPS * np.outer(length, length)).all()
    np.testing.assert_allclose(total, other[1], atol=1e-3 * length.max())
    np.testing.assert_allclose(residual, other[2], rtol=SINGLE_EPS)


def refuse_bands(*rows):
    raise AssertionError("multiplied anew")


@pytest.mark.parametrize("kind", ["zeros", "the typical row", "NaN"])
@pytest.mark.parametrize("kernel", ["oneDNN", "MKL", NARROW])
def test_a_few_rows_without_length_are_not_multiplied_anew(kernel, kind, monkeypatch):
    use_kernel(monkeypatch, kernel)
    rows = make_values("ReLU", 170, 5000, torch.Generator().manual_seed(0))
    rows[5] = {"zeros": 0.0, "the typical row": rows.mean(0), "NaN": float("nan")}[kind]
    monkeypatch.setattr(products, "multiply_bands", refuse_bands)
    gram = multiply(rows)[0]
    others = [row for row in range(170) if row != 5]
    exact = rows[others].double() @ rows[others].double().T
    length = exact.diagonal().sqrt()
    found = torch.from_numpy(gram[np.ix_(others, others)]).triu()
    error = (found - exact.triu()).abs()
    assert (error <= 5 * SINGLE_EPS * torch.outer(length, length)).all()
    assert np.isnan(gram[5, 5]) == (kind == "NaN")
    rows[7] *= 1e-25
    with pytest.raises(AssertionError, match="multiplied anew"):
        multiply(rows)


def test_a_processor_without_kernels_for_blocks_uses_bands(monkeypatch):
    monkeypatch.setattr(bands, "_find_kernel", bands._find_kernel.__wrapped__)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert find_block_kernel(200, 5000, torch.device("cpu")) is None


@pytest.mark.parametrize("n_stimuli", [4, 40, 100])
@pytest.mark.parametrize("powers", [(-20, 20), (-37, 3), (0, 37), (-44, -4)])
def test_rows_of_very_different_magnitude_have_their_products(n_stimuli, powers):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(n_stimuli, 600, generator=generator)
    scales = torch.logspace(*powers, n_stimuli, dtype=torch.float64)
    scaled = (rows.double() * scales[:, None]).float()
    gram, total, residual = multiply(scaled)
    exact, sums = multiply_exactly(scaled)
    length = np.sqrt(np.diag(exact))
    assert length.min() > 0
    assert (np.abs(gram - exact) <= 5 * SINGLE_EPS * np.outer(length, length)).all()
    assert (np.abs(total - sums) <= SINGLE_EPS * np.sqrt(600) * length).all()
    assert (residual > 0).all()
    assert (residual <= np.diag(exact) * (1 + SINGLE_EPS)).all()


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_attributes_tell_the_precision(precision, rng):
    x = rng.standard_normal((6, 40)).astype(np.float32)
    stimuli = nl.load_stimuli(x)
    grams = nl.extract_grams(nn.Flatten(), stimuli, precision=precision, quiet=True)
    assert grams.attrs["precision"] == precision
    assert grams.attrs["eps"] == (SINGLE_EPS if precision == "float32" else FLOAT64_EPS)
    assert ("residual" in grams) == (precision == "float32")
    assert "precision_note" not in grams.attrs


def test_a_precision_that_is_not_known_is_refused(rng):
    stimuli = nl.load_stimuli(rng.standard_normal((6, 40)).astype(np.float32))
    with pytest.raises(UnknownNameError, match="no precision of products named 'float16'"):
        nl.extract_grams(nn.Flatten(), stimuli, precision="float16", quiet=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_values_that_float32_does_not_hold_keep_their_differences(dtype, rng):
    rows = torch.as_tensor(rng.integers(0, 50, (30, 30)) + 2**27).to(dtype)
    gram, total, residual = multiply(rows)
    centered = rows.double() - rows.double().mean(1, keepdim=True)
    exact = (centered @ centered.T).numpy()
    # The offset itself takes 54 bits of each entry, so a few units are rounding of float64.
    found = gram - np.outer(total, total) / rows.shape[1]
    np.testing.assert_allclose(found, exact, atol=60 * 2**5 * 30**0.5)
    assert not residual.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.bool, torch.uint8])
def test_small_dtypes_are_held_exactly(dtype, rng):
    rows = torch.as_tensor(rng.integers(0, 2, (20, 70))).to(dtype)
    gram, _, _ = multiply(rows)
    np.testing.assert_allclose(gram, multiply_exactly(rows)[0], atol=18 * SINGLE_EPS)


@pytest.mark.parametrize("scale", [1e-25, 1e-22, 1e-10, 1.0, 1e10, 1e19, 1e30])
def test_products_do_not_depend_on_the_unit(scale, rng):
    rows = torch.as_tensor(rng.standard_normal((40, 60)) * scale).float()
    gram, _, _ = multiply(rows)
    exact, _ = multiply_exactly(rows)
    np.testing.assert_allclose(gram, exact, rtol=0, atol=SINGLE_EPS * exact.max())


@pytest.mark.parametrize("n_stimuli", [20, 150])
def test_values_that_are_not_finite_spoil_their_own_rows_only(n_stimuli, rng):
    rows = torch.as_tensor(rng.standard_normal((n_stimuli, 30))).float()
    rows[3, 5] = float("inf")
    rows[7, 0] = float("nan")
    gram, total, _ = multiply(rows)
    assert np.flatnonzero(~np.isfinite(np.diag(gram))).tolist() == [3, 7]
    assert np.flatnonzero(~np.isfinite(total)).tolist() == [3, 7]
    others = np.delete(np.arange(len(rows)), [3, 7])
    exact, _ = multiply_exactly(rows[others])
    np.testing.assert_allclose(gram[np.ix_(others, others)], exact, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_are_left_as_they_were(dtype, rng):
    rows = torch.as_tensor(rng.standard_normal((20, 30))).to(dtype)
    before = rows.clone()
    multiply(rows)
    assert torch.equal(rows, before)


@pytest.mark.parametrize("is_exact", [False, True])
@pytest.mark.parametrize("n_stimuli", [6, 90])
def test_sums_do_not_depend_on_how_features_are_divided_at_chunks(n_stimuli, is_exact, rng):
    rows = torch.as_tensor(rng.standard_normal((n_stimuli, 500)) + 2).float()
    whole = multiply(rows, 100, is_exact)
    gram = np.zeros((n_stimuli, n_stimuli))
    total, residual = np.zeros((2, n_stimuli))
    for part in (rows[:, :300], rows[:, 300:]):
        multiplier = Multiplier(100, is_exact)
        multiplier.add(part.clone(), share_sums(gram, total, residual))
    mirror_triangle(gram)
    np.testing.assert_array_equal(gram, whole[0])
    np.testing.assert_array_equal(total, whole[1])
    np.testing.assert_array_equal(residual, whole[2])


def test_chunks_do_not_depend_on_a_budget_that_holds_eight_of_them():
    assert count_chunk_features(200) == 16_384
    assert count_chunk_features(1000) == 4_192
    assert count_chunk_features(10_000) == 2_048
    for n_stimuli in (20, 200, 1000, 2000):
        assert count_chunk_features(n_stimuli, 2**27) == count_chunk_features(n_stimuli)
    assert count_chunk_features(200, 2**20) == 160
    assert count_chunk_features(2**15, 2**20) == 1
