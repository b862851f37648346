"""Whatever the budget, a Gram is that of all features of its op, each once."""

import itertools
from contextlib import contextmanager
from importlib import metadata

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import multiply_rows_slowly
from torch import nn

import neurolens as nl
from neurolens.errors import InputError, RecordingError
from neurolens.extract.stream.axes import Layout
from neurolens.extract.stream.grams import products
from neurolens.extract.stream.grams import sums as gram_sums
from neurolens.extract.stream.grams.plan import (
    FeatureSlice,
    count_activation_bytes,
    count_held_bytes,
    plan_groups,
)
from neurolens.extract.stream.grams.products import EXACT_STIMULI, add_products, mirror_triangle
from neurolens.extract.stream.grams.sums import GramSums, run_gram_groups
from neurolens.extract.stream.workers import chain_groups

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool)


def make_layout(name, n_features, dtype=torch.float32):
    return Layout(name, -1, 0, 1, True, (n_features,), ("feature",), True, dtype, "")


@contextmanager
def small_chunks(n_bytes, exact_stimuli=EXACT_STIMULI):
    """Multiply few features at once, so that small nets are cut as large ones are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "CHUNK_BYTES", n_bytes)
        patch.setattr(products, "EXACT_STIMULI", exact_stimuli)
        yield


widths = st.lists(st.tuples(st.integers(0, 5000), st.sampled_from(DTYPES)), min_size=1, max_size=12)


@given(
    widths=widths,
    n_stimuli=st.integers(2, 600),
    share=st.floats(0.0, 1.2),
    chunk_bytes=st.sampled_from([64, 4096, 2**16, 2**20]),
    sketch=st.none() | st.integers(1, 400),
)
def test_a_plan_takes_each_feature_once_and_stays_within_its_budget(
    widths, n_stimuli, share, chunk_bytes, sketch
):
    layouts = [make_layout(f"op{i}", p, dtype) for i, (p, dtype) in enumerate(widths)]
    total = sum(n_stimuli * p * dtype.itemsize for p, dtype in widths)
    with small_chunks(chunk_bytes):
        answer = len(layouts) * 8 * n_stimuli * (n_stimuli + 1)
        budget = answer + int(share * total) + 2 * chunk_bytes + 8 * n_stimuli
        left = count_activation_bytes(len(layouts), n_stimuli, budget, 0)
        try:
            groups = plan_groups(layouts, n_stimuli, budget, 0, sketch)
        except InputError:
            assert sketch is not None
            assert n_stimuli * 4 * sketch > left
            return
    parts = {layout.name: [] for layout in layouts}
    for group in groups:
        assert group
        names = [piece.name for piece in group]
        assert len(set(names)) == len(names)
        assert sum(count_held_bytes(piece, n_stimuli) for piece in group) <= left
        for piece in group:
            parts[piece.name].append(piece)
    assert list(dict.fromkeys(p.name for group in groups for p in group)) == list(parts)
    for layout in layouts:
        found = parts[layout.name]
        features = [i for piece in found for i in range(piece.start, piece.stop)]
        assert features == list(range(layout.shape[0]))
        if sketch is not None and layout.shape[0] > sketch:
            assert len(found) == 1
    # No pass is left while the next result, or a chunk of it, would still fit.
    step = max(1, chunk_bytes // (8 * n_stimuli))
    for group, after in itertools.pairwise(groups):
        free = left - sum(count_held_bytes(piece, n_stimuli) for piece in group)
        assert count_held_bytes(after[0], n_stimuli) > free
        if not after[0].sketch:
            assert step * n_stimuli * after[0].layout.dtype.itemsize > free


class Widths(nn.Module):
    """Convolutions of the given widths one after the other, the first ``n_double`` in float64."""

    def __init__(self, channels, n_double=0):
        super().__init__()
        self.n_double = n_double
        sizes = [3, *channels]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1, dtype=torch.float64 if i < n_double else torch.float32)
            for i, (a, b) in enumerate(zip(sizes, channels, strict=False))
        )

    def forward(self, x):
        x = x.double() if self.n_double else x
        for i, layer in enumerate(self.layers):
            x = layer(x if i < self.n_double else x.float())
        return x


@given(
    channels=st.lists(st.integers(1, 24), min_size=1, max_size=5),
    n_double=st.integers(0, 2),
    n_stimuli=st.integers(3, 30),
    batch_size=st.integers(2, 9),
    share=st.floats(0.02, 1.1),
    chunk_bytes=st.sampled_from([2048, 4096, 10000]),
    exact=st.booleans(),
)
def test_grams_are_those_of_the_features_at_any_budget(
    channels, n_double, n_stimuli, batch_size, share, chunk_bytes, exact
):
    torch.manual_seed(0)
    net = Widths(channels, n_double)
    values = np.random.default_rng(0).standard_normal((n_stimuli, 3, 5, 4)) + 1
    stimuli = nl.load_stimuli(values.astype(np.float32))
    with small_chunks(chunk_bytes, EXACT_STIMULI if exact else 2):
        one = nl.extract_grams(net, stimuli, batch_size=batch_size, quiet=True)
        n_bytes = n_stimuli * int((one.n_features * 8).sum())
        fixed = one.sizes["op"] * 8 * n_stimuli * (n_stimuli + 1) + 2 * chunk_bytes
        forward = 40 * 5 * 4 * (batch_size + 1) * 8 * 6
        budget = fixed + forward + int(share * n_bytes)
        try:
            many = nl.extract_grams(net, stimuli, batch_size=batch_size, memory=budget, quiet=True)
        except InputError:
            assume(False)
    assert one.attrs["n_passes"] == 1
    assert one.attrs["neurolens_version"] == metadata.version("neurolens-brain")
    acts = nl.extract_activations(net, stimuli, batch_size=batch_size, quiet=True)
    for name in one.op.values.tolist():
        gram, total, p = multiply_rows_slowly(acts[name]["activation"].values)
        assert many.n_features.sel(op=name) == p
        scale = np.abs(gram).max()
        tolerance = 1e-12 if exact else 1e-5
        np.testing.assert_allclose(many.gram.sel(op=name), gram, rtol=0, atol=tolerance * scale)
        np.testing.assert_allclose(many.row_sum.sel(op=name), total, rtol=1e-12, atol=1e-9 * p)
    if share * n_bytes > 2 * chunk_bytes:  # cuts are at chunks then
        np.testing.assert_array_equal(many.gram, one.gram)
        np.testing.assert_array_equal(many.row_sum, one.row_sum)


@given(
    n_stimuli=st.integers(3, 20),
    sketch=st.integers(1, 60),
    share=st.floats(0.02, 1.1),
)
def test_sketches_do_not_depend_on_the_budget(n_stimuli, sketch, share):
    torch.manual_seed(0)
    net = Widths([4, 9, 2])
    values = np.random.default_rng(0).standard_normal((n_stimuli, 3, 5, 4))
    stimuli = nl.load_stimuli(values.astype(np.float32))
    with small_chunks(4096):
        one = nl.extract_grams(net, stimuli, sketch=sketch, batch_size=3, quiet=True)
        n_bytes = n_stimuli * int(one.n_features.sum()) * 4
        fixed = one.sizes["op"] * 8 * n_stimuli * (n_stimuli + 1) + 2 * 4096
        budget = fixed + 20000 + n_stimuli * 4 * sketch + int(share * n_bytes)
        many = nl.extract_grams(
            net, stimuli, sketch=sketch, batch_size=3, memory=budget, quiet=True
        )
    np.testing.assert_allclose(many.gram, one.gram, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(many.row_sum, one.row_sum)


@given(
    widths=st.lists(st.integers(1, 200), min_size=1, max_size=8),
    room=st.integers(1, 400),
)
def test_tasks_of_a_cluster_hold_every_slice_once_and_a_result_in_one_task(widths, room):
    layouts = [make_layout(f"op{i}", p) for i, p in enumerate(widths)]
    n_stimuli = 3
    with small_chunks(64):
        answer = len(layouts) * 8 * n_stimuli * (n_stimuli + 1)
        groups = plan_groups(layouts, n_stimuli, answer + 128 + 24 + 12 * room)
    chains = chain_groups(groups)
    sent = [part for chain in chains for group in chain for part in group]
    assert sent == [(p.name, p.start, p.stop, p.sketch) for group in groups for p in group]
    homes = [{name for group in chain for name, *_ in group} for chain in chains]
    assert sum(map(len, homes)) == len(layouts)


def make_sums(layout, parts, gram=1.0):
    sums = GramSums()
    sums.open_result(layout.name, 2)
    sums.grams[layout.name] += gram
    sums.added[layout.name] += parts
    return sums


@pytest.mark.parametrize(
    "parts",
    [
        [range(0, 4)],
        [range(4, 10)],
        [range(0, 4), range(5, 10)],
        [range(0, 6), range(4, 10)],
        [range(0, 10), range(0, 10)],
        [range(0, 11)],
        [],
    ],
    ids=["end", "start", "middle", "overlap", "twice", "beyond", "nothing"],
)
def test_features_that_are_missing_or_doubled_are_an_error(parts):
    layout = make_layout("conv", 10)
    with pytest.raises(RecordingError, match="the Gram of 'conv' is not that of its 10 features"):
        make_sums(layout, parts).check_features(layout)


@pytest.mark.parametrize("parts", [[range(0, 10)], [range(4, 10), range(0, 4)]])
def test_features_that_are_all_there_pass(parts):
    layout = make_layout("conv", 10)
    make_sums(layout, parts).check_features(layout)


def test_sums_of_one_result_from_several_tasks_are_added_up():
    layout = make_layout("conv", 10)
    sums = make_sums(layout, [range(0, 4)], gram=1.0)
    sums.add(make_sums(layout, [range(4, 10)], gram=2.0))
    sums.add(make_sums(make_layout("relu", 3), [range(0, 3)], gram=5.0))
    np.testing.assert_array_equal(sums.grams["conv"], np.full((2, 2), 3.0))
    np.testing.assert_array_equal(sums.grams["relu"], np.full((2, 2), 5.0))
    sums.check_features(layout)


def test_a_slice_that_gets_lost_ends_the_extraction(monkeypatch, rng):
    def lose_the_first(plan, groups, progress=None):
        return run_gram_groups(
            plan, [group[1:] if i == 0 else group for i, group in enumerate(groups)]
        )

    monkeypatch.setattr("neurolens.extract.grams.run_gram_groups", lose_the_first)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU())
    stimuli = nl.load_stimuli(rng.standard_normal((4, 12)).astype(np.float32))
    with pytest.raises((RecordingError, KeyError)):
        nl.extract_grams(net, stimuli, quiet=True)


def test_two_slices_of_a_result_in_one_pass_are_both_added(rng):
    """The plan never asks for it; if it did, nothing would be lost."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 7))
    stimuli = nl.load_stimuli(rng.standard_normal((5, 12)).astype(np.float32))
    whole = nl.extract_grams(net, stimuli, ops="1", quiet=True)

    def cut_in_two(plan, groups, progress=None):
        (piece,) = groups[0]
        return run_gram_groups(
            plan, [[FeatureSlice(piece.layout, 0, 3), FeatureSlice(piece.layout, 3, 7)]]
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neurolens.extract.grams.run_gram_groups", cut_in_two)
        cut = nl.extract_grams(net, stimuli, ops="1", quiet=True)
    np.testing.assert_allclose(cut.gram, whole.gram, rtol=1e-12)
    np.testing.assert_allclose(cut.row_sum, whole.row_sum, rtol=1e-12)


def test_a_batch_that_gives_nothing_ends_the_extraction(monkeypatch, rng):
    run_set = gram_sums.run_set

    def skip_a_batch(plan, layouts, take, *, batches, **settings):
        run_set(plan, layouts, take, batches=batches[:-1], **settings)

    monkeypatch.setattr(gram_sums, "run_set", skip_a_batch)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    stimuli = nl.load_stimuli(rng.standard_normal((6, 12)).astype(np.float32))
    with pytest.raises(RecordingError, match="2 stimuli gave nothing in a pass over the set"):
        nl.extract_grams(net, stimuli, batch_size=2, quiet=True)


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


@pytest.mark.slow
def test_grams_of_slices_by_a_cluster_equal_those_of_one_machine(rng):
    distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")
    torch.manual_seed(0)
    stimuli = nl.load_stimuli(rng.standard_normal((12, 3, 5, 4)).astype(np.float32))
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        small_chunks(4096),
    ):
        net = Widths([6, 20, 11])
        for memory in (60_000, 75_000, 90_000, 130_000):
            here = nl.extract_grams(net, stimuli, memory=memory, batch_size=3, quiet=True)
            there = nl.extract_grams(
                net, stimuli, memory=memory, batch_size=3, client=client, quiet=True
            )
            assert here.attrs["n_passes"] > 1
            xr.testing.assert_identical(here, there)
