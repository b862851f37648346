"""Work that is divided and joined again gives the same result as undivided work."""

import contextlib
import itertools
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from resumed import TOLD
from torch import nn

import neurolens as nl
from neurolens.extract import PCA, Project, Subsample, open_activations
from neurolens.extract.stream.fill import count_fitted_bytes, group_outputs
from neurolens.extract.stream.plan import RunSettings, make_plan
from neurolens.support.sizes import pack_items

WIDTH = (3, 4)


class Many(nn.Module):
    """Results of many kinds, each of one stimulus alone, so that batches cannot change them.

    Parameters
    ----------
    stop : int
        The forward call at which it is interrupted, counted from 1; 0 for none.
    """

    def __init__(self, stop=0):
        super().__init__()
        self.stop, self.calls = stop, 0

    def forward(self, x):
        self.calls += 1
        if self.calls == self.stop:
            raise KeyboardInterrupt
        y = x * 3
        whole = (y * 10).long()
        small = y.half() * 1000
        parts = y.split([1, 2], 1)
        empty = y[:, :0] + 1
        turned = torch.complex(y, -y) * 2
        low, place = y.flatten(1).sort(1)
        y.relu_()
        first = y.transpose(0, 1) + 1
        merged = first.reshape(-1, WIDTH[1]) * 2
        return (
            whole,
            small > 0,
            parts,
            empty,
            turned,
            low,
            place,
            merged,
            (y / (x - x.round())).bfloat16(),
        )


class Branches(nn.Module):
    """Runs other ops for a batch that holds a stimulus with a negative first value."""

    def forward(self, x):
        y = x * 3
        z = y.cos() if (x[:, 0, 0] >= 0).all() else y.sin()
        return z * 2


def make_stimuli(n, seed):
    x = np.random.default_rng(seed).standard_normal((n, *WIDTH)).astype(np.float32)
    x[np.abs(x) > 2] = 2  # where Many divides by zero
    return nl.load_stimuli(x)


def run(net, stimuli, **how):
    """Return activations, without the warnings that some values are not finite."""
    with warnings_left_out():
        return nl.extract_activations(net, stimuli, quiet=True, **how)


@contextlib.contextmanager
def warnings_left_out():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*hold NaN or infinite values|.*narrower dtype")
        yield


def assert_same(one, other, ignored=(), rtol=0.0):
    names = {node.path for node in one.subtree}
    assert names == {node.path for node in other.subtree}
    for node in one.subtree:
        there = other[node.path]
        assert set(node.data_vars) == set(there.data_vars)
        for name in node.data_vars:
            assert node[name].dtype == there[name].dtype
            assert node[name].dims == there[name].dims
            if rtol:
                scale = np.abs(np.nan_to_num(node[name].values)).max(initial=0)
                np.testing.assert_allclose(there[name], node[name], rtol=0, atol=rtol * scale)
            else:
                np.testing.assert_array_equal(
                    there[name], node[name], err_msg=f"{node.path}/{name}"
                )
            assert node[name].attrs == there[name].attrs
    left = {"complete", "provenance", *TOLD, *ignored}
    ours = {key: value for key, value in one.attrs.items() if key not in left}
    assert ours == {key: value for key, value in other.attrs.items() if key not in left}


def read_files(path):
    return {str(p.relative_to(path)): p.read_bytes() for p in Path(path).rglob("*") if p.is_file()}


sizes = st.integers(2, 23)
batch_sizes = st.integers(1, 25)
seeds = st.integers(0, 5)
EXACT = [
    None,
    "float16",
    "bfloat16",
    "max",
    Subsample(5, seed=2),
    ["max", "float16"],
    [Subsample(9), "bfloat16"],
]
reducers = st.sampled_from(EXACT)


@given(n=st.integers(1, 300), batch_size=st.integers(1, 310))
@settings(max_examples=300)
def test_batches_hold_every_stimulus_once_in_order(n, batch_size):
    rows = nl.load_stimuli(np.zeros((n, 1), np.float32)).split_rows(batch_size)
    assert [row for batch in rows for row in batch] == list(range(n))
    lengths = [len(batch) for batch in rows]
    assert all(length == batch_size for length in lengths[:-1])
    assert 1 <= lengths[-1] <= batch_size + 1
    if n > 1 and batch_size > 1:
        assert lengths[-1] > 1


@pytest.mark.slow
@given(n=sizes, batch_size=batch_sizes, reducer=reducers, seed=seeds)
def test_batches_put_together_are_the_set_in_one_piece(n, batch_size, reducer, seed):
    stimuli = make_stimuli(n, seed)
    whole = run(Many(), stimuli, reducer=reducer, batch_size=n + 1)
    parts = run(Many(), stimuli, reducer=reducer, batch_size=batch_size)
    assert_same(whole, parts, ["batch_size"])


@given(n=st.integers(2, 9), batch_size=st.integers(1, 10), seed=seeds)
@settings(max_examples=6, phases=[Phase.generate])
def test_every_row_is_the_stimulus_alone_beside_itself(n, batch_size, seed):
    """The reference does not use batches: each stimulus goes through the model by itself."""
    stimuli = make_stimuli(n, seed)
    acts = run(Many(), stimuli, batch_size=batch_size)
    for row, name in enumerate(stimuli.ids):
        trace = nl.trace(Many(), stimuli[name][None])
        for op in ("/long", "/half", "/sort", "/complex", "/bfloat16", "/div"):
            values = trace[op].value
            place = op[1:] + (".0" if op == "/sort" else "")
            found = acts[place]["activation"].values[row]
            values = values.float() if values.dtype == torch.bfloat16 else values
            np.testing.assert_array_equal(found.reshape(-1), values.numpy().reshape(-1), err_msg=op)


@given(n=sizes, batch_size=batch_sizes, reducer=reducers, seed=seeds)
@settings(max_examples=6)
def test_a_store_in_blocks_is_the_set_in_memory(n, batch_size, reducer, seed):
    stimuli = make_stimuli(n, seed)
    how = {
        "ops": ["/long", "/half", "/split*", "/complex"],
        "reducer": reducer,
        "batch_size": batch_size,
    }
    memory = run(Many(), stimuli, **how)
    with tempfile.TemporaryDirectory() as folder:
        stored = run(Many(), stimuli, store=f"{folder}/a.zarr", **how)
        assert_same(memory, stored)
        cut = slice(n // 3, n - n // 4)
        for node in memory.subtree:
            if "activation" in node:
                part = stored[node.path]["activation"][cut]
                np.testing.assert_array_equal(part, node["activation"][cut])


def choose_reducer(kind, stimuli, n_fit):
    ids = stimuli.ids[-n_fit:]
    chains = {
        "none": None,
        "subsample": Subsample(5, seed=2),
        "pca": PCA(2, fit_on=ids),
        "pca of some": [Subsample(9), PCA(2, fit_on=ids), "float16"],
    }
    return chains[kind]


class Plain(Many):
    """Gives real and finite results only, as PCA requires."""

    def forward(self, x):
        self.calls += 1
        if self.calls == self.stop:
            raise KeyboardInterrupt
        y = x * 3
        y = torch.relu(y) + 1
        return y.flatten(1).cumsum(1), y * 2


kinds = st.sampled_from(["none", "subsample", "pca", "pca of some"])


@pytest.mark.slow
@given(
    n=st.integers(5, 20),
    batch_size=st.integers(1, 8),
    kind=kinds,
    seed=seeds,
    stop=st.integers(1, 40),
    budgets=st.tuples(*[st.integers(300, 20_000)] * 2),
)
@settings(max_examples=6)
def test_a_run_that_was_cut_off_goes_on_to_the_bytes_of_one_that_was_not(
    n, batch_size, kind, seed, stop, budgets
):
    """The budget differs from before, so that reducers are fitted in other groups of ops."""
    stimuli = make_stimuli(n, seed)
    how = {"reducer": choose_reducer(kind, stimuli, 4), "batch_size": batch_size}
    with tempfile.TemporaryDirectory() as folder:
        whole = run(Plain(), stimuli, store=f"{folder}/whole.zarr", **how)
        with contextlib.suppress(KeyboardInterrupt):
            run(Plain(stop), stimuli, store=f"{folder}/cut.zarr", memory=budgets[0], **how)
        with contextlib.suppress(KeyboardInterrupt):
            run(Plain(stop + 3), stimuli, store=f"{folder}/cut.zarr", memory=budgets[1], **how)
        ended = run(Plain(), stimuli, store=f"{folder}/cut.zarr", **how)
        assert_same(whole, ended)
        assert_same(whole, open_activations(f"{folder}/cut.zarr"))
        # The results of two networks agree; the files too, where each was written only once.
        assert read_files(f"{folder}/cut.zarr") == read_files(f"{folder}/whole.zarr")


@pytest.mark.slow
@given(
    n=st.integers(5, 20), batch_size=st.integers(1, 8), seed=seeds, budget=st.integers(1, 20_000)
)
def test_reducers_fitted_in_groups_are_those_fitted_at_once(n, batch_size, seed, budget):
    stimuli = make_stimuli(n, seed)
    how = {"reducer": choose_reducer("pca", stimuli, 4), "batch_size": batch_size}
    one = run(Plain(), stimuli, memory="1GiB", **how)
    many = run(Plain(), stimuli, memory=budget, **how)
    assert_same(one, many)


@given(batch_size=st.integers(1, 14), n_fit=st.integers(4, 12), seed=seeds)
def test_components_are_those_of_all_fitted_stimuli_in_any_batches(batch_size, n_fit, seed):
    stimuli = make_stimuli(14, seed)
    acts = run(
        Plain(),
        stimuli,
        ops="/mul_2",
        reducer=PCA(2, fit_on=stimuli.ids[:n_fit]),
        batch_size=batch_size,
    )
    x = np.stack([stimuli[i].numpy() for i in stimuli.ids]).astype(np.float64).reshape(14, -1)
    values = (np.maximum(x * 3, 0) + 1) * 2
    mean = values[:n_fit].mean(0)
    axes = np.linalg.svd(values[:n_fit] - mean, full_matrices=False)[2][:2]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)
    expected = (values - mean) @ (axes * np.sign(largest)).T
    scale = np.abs(expected).max()
    np.testing.assert_allclose(acts["mul_2/activation"], expected, rtol=0, atol=2e-4 * scale)


@pytest.mark.slow
@given(
    n=st.integers(5, 20),
    batch_size=st.integers(1, 8),
    seed=seeds,
    reducer=st.sampled_from(["mean", Project(3, seed=1), ["mean", "float16"]]),
)
def test_sums_over_units_change_with_the_batch_by_rounding_only(n, batch_size, seed, reducer):
    stimuli = make_stimuli(n, seed)
    whole = run(Plain(), stimuli, reducer=reducer, batch_size=n + 1)
    parts = run(Plain(), stimuli, reducer=reducer, batch_size=batch_size)
    assert_same(whole, parts, ["batch_size"], rtol=1e-3 if isinstance(reducer, list) else 2e-6)


@pytest.mark.slow
@given(
    n=st.integers(4, 16),
    batch_size=st.integers(1, 6),
    seed=seeds,
    reducer=st.sampled_from([None, "float16"]),
)
@settings(max_examples=8)
def test_stimuli_that_run_other_ops_are_told_batch_by_batch(n, batch_size, seed, reducer):
    stimuli = make_stimuli(n, seed)
    x = np.stack([stimuli[i].numpy() for i in stimuli.ids])
    # The first three are used to plan the run, so they must agree.
    x[:3, 0, 0] = np.abs(x[:3, 0, 0])
    stimuli = nl.load_stimuli(x)
    batches = stimuli.split_rows(batch_size)
    straight = np.concatenate([np.full(len(rows), (x[rows, 0, 0] >= 0).all()) for rows in batches])
    memory = run(Branches(), stimuli, reducer=reducer, batch_size=batch_size)
    kind = np.float16 if reducer else np.float32
    expected = np.where(straight[:, None, None], np.cos(x * np.float32(3)), np.nan)
    np.testing.assert_allclose(
        memory["cos/activation"], expected.astype(kind), rtol=2e-3 if reducer else 1e-5
    )
    assert ("ran" in memory["cos"]) == (not straight.all())
    if not straight.all():
        assert memory["cos/ran"].values.tolist() == straight.tolist()
        assert memory.attrs["ops_only_some_stimuli_have"] == ["/sin"]
    changed = [stimuli.ids[rows[0]] for rows in batches if not straight[rows[0]]]
    assert [text.partition(":")[0] for text in memory.attrs.get("changed_batches", [])] == changed
    with tempfile.TemporaryDirectory() as folder:
        stored = run(
            Branches(), stimuli, reducer=reducer, batch_size=batch_size, store=f"{folder}/a.zarr"
        )
        assert_same(memory, stored)


@given(
    n=sizes,
    batch_size=batch_sizes,
    seed=seeds,
    reducer=st.sampled_from(["float16", ["float16", "bfloat16"]]),
)
@settings(max_examples=10)
def test_what_is_counted_of_values_is_counted_of_all(n, batch_size, seed, reducer):
    """The reference is numpy over the whole set."""
    stimuli = make_stimuli(n, seed)
    x = np.stack([stimuli[i].numpy() for i in stimuli.ids])
    acts = run(Many(), stimuli, ops=["/div", "/half"], reducer=reducer, batch_size=batch_size)
    bad = {}
    for place in ("div", "half"):
        count = int((~np.isfinite(acts[place]["activation"].values)).sum())
        if count:
            bad[f"/{place}"] = count
    told = dict(text.rsplit(": ", 1) for text in acts.attrs.get("ops_not_finite", []))
    assert {name: int(count) for name, count in told.items()} == bad
    y = np.maximum(x * np.float32(3), 0)
    with np.errstate(all="ignore"):
        exact = y / (x - np.round(x))
    overflow = np.isfinite(exact) & (np.abs(exact) >= 65520)
    told = dict(text.rsplit(": ", 1) for text in acts.attrs.get("ops_overflowed", []))
    assert int(told.get("/div", 0)) == overflow.sum()


@given(sizes=st.lists(st.integers(0, 50), max_size=30), budget=st.integers(1, 80))
@settings(max_examples=200)
def test_groups_hold_every_item_once_and_are_full(sizes, budget):
    items = list(enumerate(sizes))
    groups = pack_items(items, lambda item: item[1], budget)
    assert [item for group in groups for item in group] == items
    for group in groups:
        assert (
            sum(size for _, size in group) <= budget
            or len([size for _, size in group if size]) <= 1
        )
    for one, following in itertools.pairwise(groups):
        assert sum(size for _, size in one) + following[0][1] > budget


@given(budget=st.integers(1, 30_000))
def test_slots_to_fit_are_grouped_within_the_budget(budget):
    stimuli = make_stimuli(8, 0)
    chosen = RunSettings(reducer=PCA(2, fit_on=stimuli.ids[:4]), batch_size=3, memory=budget)
    with torch.no_grad():
        plan = make_plan(Plain().eval(), stimuli, chosen)
    groups = group_outputs(plan)
    names = [output.name for group in groups for output in group]
    assert names == [output.name for output in plan.outputs]
    assert all(count_fitted_bytes(plan, group) <= budget or len(group) == 1 for group in groups)


@pytest.mark.parametrize("workers", [1, 2])
def test_stimuli_read_by_processes_are_those_read_here(workers):
    stimuli = make_stimuli(11, 0)
    here = run(Many(), stimuli, batch_size=2, workers=0)
    assert_same(here, run(Many(), stimuli, batch_size=2, workers=workers))
