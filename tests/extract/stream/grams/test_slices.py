"""A Gram is that of all features of its op, each counted once, whatever the budget."""

import itertools
from importlib import metadata

import numpy as np
import torch
import torchvision
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import multiply_rows_slowly
from small_grams import Widths, make_layout, small_chunks

import neurolens as nl
from neurolens.errors import InputError
from neurolens.extract.stream.grams.arena import count_row_bytes
from neurolens.extract.stream.grams.products import PRECISIONS, count_chunk_features
from neurolens.extract.stream.grams.slices import (
    count_activation_bytes,
    count_slice_bytes,
    predict_overhead,
    split_passes,
)
from neurolens.extract.stream.layouts.finding import find_layouts
from neurolens.extract.stream.plan import RunSettings, make_plan

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool)


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
        answer = len(layouts) * 8 * n_stimuli * (n_stimuli + 2)
        budget = answer + int(share * total) + max(2 * chunk_bytes, 8 * n_stimuli)
        budget += 8 * n_stimuli
        budget += budget // 11 + 1  # the reserve, a twelfth of the whole at most
        left = count_activation_bytes(len(layouts), n_stimuli, budget, 0)
        step = count_chunk_features(n_stimuli, budget)
        try:
            groups = split_passes(layouts, n_stimuli, budget, 0, sketch)
        except InputError:
            assert sketch is not None
            assert n_stimuli * count_row_bytes(sketch, 4) > left
            return
    parts = {layout.name: [] for layout in layouts}
    for group in groups:
        assert group
        names = [part.name for part in group]
        assert len(set(names)) == len(names)
        assert sum(count_slice_bytes(part, n_stimuli) for part in group) <= left
        for part in group:
            parts[part.name].append(part)
    assert list(dict.fromkeys(p.name for group in groups for p in group)) == list(parts)
    for layout in layouts:
        found = parts[layout.name]
        features = [i for part in found for i in range(part.start, part.stop)]
        assert features == list(range(layout.shape[0]))
        if sketch is not None and layout.shape[0] > sketch:
            assert len(found) == 1
    # No pass ends while the next result, or a chunk of it, would still fit.
    for group, after in itertools.pairwise(groups):
        free = left - sum(count_slice_bytes(part, n_stimuli) for part in group)
        following = after[0]
        if following.sketch:
            assert count_slice_bytes(following, n_stimuli) > free
            continue
        last = group[-1]
        held = last.width if last.name == following.name else 0
        itemsize = following.layout.dtype.itemsize
        rest = following.layout.shape[0] - following.start
        for n_features in (rest, step):
            longer = count_row_bytes(held + n_features, itemsize) - count_row_bytes(held, itemsize)
            assert n_stimuli * longer > free


@given(
    channels=st.lists(st.integers(1, 24), min_size=1, max_size=5),
    n_double=st.integers(0, 2),
    n_stimuli=st.integers(3, 30),
    batch_size=st.integers(2, 9),
    share=st.floats(0.02, 1.1),
    chunk_bytes=st.sampled_from([2048, 4096, 10000]),
    precision=st.sampled_from(PRECISIONS),
)
def test_grams_are_those_of_the_features_at_any_budget(
    channels, n_double, n_stimuli, batch_size, share, chunk_bytes, precision
):
    torch.manual_seed(0)
    net = Widths(channels, n_double)
    values = np.random.default_rng(0).standard_normal((n_stimuli, 3, 5, 4)) + 1
    stimuli = nl.load_stimuli(values.astype(np.float32))
    settings = {"batch_size": batch_size, "precision": precision, "quiet": True}
    with small_chunks(chunk_bytes):
        one = nl.extract_grams(net, stimuli, **settings)
        n_bytes = n_stimuli * int((one.n_features * 8).sum())
        fixed = one.sizes["op"] * 8 * n_stimuli * (n_stimuli + 2) + 2 * chunk_bytes
        forward = 40 * 5 * 4 * (batch_size + 1) * 8 * 6
        budget = fixed + forward + int(share * n_bytes)
        try:
            many = nl.extract_grams(net, stimuli, memory=budget, **settings)
        except InputError:
            assume(False)
    assert one.attrs["n_passes"] == 1
    assert one.attrs["neurolens_version"] == metadata.version("neurolens-brain")
    acts = nl.extract_activations(net, stimuli, batch_size=batch_size, quiet=True)
    for name in one.op.values.tolist():
        gram, total, p = multiply_rows_slowly(acts[name]["activation"].values)
        assert many.n_features.sel(op=name) == p
        scale = np.abs(gram).max()
        tolerance = max(1e-12, one.attrs["eps"])
        np.testing.assert_allclose(many.gram.sel(op=name), gram, rtol=0, atol=tolerance * scale)
        atol = tolerance * np.sqrt(p * scale) + 1e-12
        np.testing.assert_allclose(many.row_sum.sel(op=name), total, rtol=1e-12, atol=atol)
    if share * n_bytes > 2 * chunk_bytes and budget >= 8 * chunk_bytes:  # cuts are at chunks then
        np.testing.assert_array_equal(many.gram, one.gram)
        np.testing.assert_array_equal(many.row_sum, one.row_sum)
        if "residual" in one:
            np.testing.assert_array_equal(many.residual, one.residual)


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
        fixed = one.sizes["op"] * 8 * n_stimuli * (n_stimuli + 2) + 2 * 4096
        budget = fixed + 20000 + n_stimuli * 4 * sketch + int(share * n_bytes)
        many = nl.extract_grams(
            net, stimuli, sketch=sketch, batch_size=3, memory=budget, quiet=True
        )
    np.testing.assert_array_equal(many.gram, one.gram)
    np.testing.assert_array_equal(many.row_sum, one.row_sum)


def test_the_live_bytes_of_a_pass_are_those_of_its_tensors(rng):
    class Diamond(torch.nn.Module):
        def forward(self, x):
            a = x + 1  # 1 alive
            b = a * 2  # 2
            c = (a + b).relu_()  # 3: a, b, c; then only c
            return c.reshape(-1, 2, 5).sum(1)

    stimuli = nl.load_stimuli(np.ones((4, 10), np.float32))
    plan = make_plan(Diamond(), stimuli, RunSettings(batch_size=4, memory="1GiB"))
    assert predict_overhead(plan) == (3 * 40 + 40) * 4 + 2 * 40 * 4


def test_passes_are_in_order_and_within_the_budget(rng):
    torch.manual_seed(0)
    resnet = torchvision.models.resnet18(weights=None)
    values = rng.standard_normal((7, 3, 32, 32)).astype(np.float32)
    images = nl.load_stimuli(values, ids=list("abcdefg"))
    x = torch.stack([images["a"], images["b"]])
    with torch.no_grad():
        layouts = list(find_layouts(resnet.eval(), x[:1], x).by_name.values())
    results = len(layouts) * 8 * 7 * 9
    budget = 400_000 + results
    groups = split_passes(layouts, 7, budget)
    slices = [part for group in groups for part in group]
    covered = {}
    for part in slices:
        assert covered.get(part.layout.name, 0) == part.start < part.stop
        covered[part.layout.name] = part.stop
    assert covered == {x.name: int(np.prod(x.shape)) for x in layouts}
    assert list(covered) == [x.name for x in layouts]
    assert len(slices) > len(layouts)  # the first ops are larger than the budget
    for group in groups:
        assert len({part.layout.name for part in group}) == len(group)
        assert results + sum(7 * (part.stop - part.start) * 4 for part in group) <= budget
