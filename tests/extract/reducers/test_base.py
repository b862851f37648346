"""Reducers against numpy or scikit-learn, properties of random projections, and errors."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import decomposition
from sklearn.random_projection import johnson_lindenstrauss_min_dim
from torch import nn

import neurolens as nl
from neurolens.errors import InputError, LabelError, UnknownNameError
from neurolens.extract.reducers.base import Rows
from neurolens.extract.reducers.cast import Cast
from neurolens.extract.reducers.chain import (
    REDUCERS,
    count_overflow,
    plan_chain,
    read_reducer,
)
from neurolens.extract.reducers.pca import PCA
from neurolens.extract.reducers.pool import Pool
from neurolens.extract.reducers.project import Project, count_components, draw_projection
from neurolens.extract.reducers.subsample import Subsample

CPU = torch.device("cpu")
MAPS = Rows((4, 5, 6), ("channel", "y", "x"), torch.float32)
TOKENS = Rows((5, 8), ("token", "feature"), torch.float32)
WIDE = Rows((400,), ("feature",), torch.float32)
IDS = tuple(f"s{i}" for i in range(40))


def make_batch(rows, n=7, seed=0):
    values = np.random.default_rng(seed).standard_normal((n, *rows.shape)) * 3
    return torch.as_tensor(values).to(rows.dtype)


def open_one(reducer, rows, n=7, shared=None):
    return reducer.plan_step(rows, n).open(CPU, {} if shared is None else shared)


READY = [read_reducer(key)[0] for key in REDUCERS if key not in ("subsample", "pca")]


@pytest.mark.parametrize("reducer", [*READY, Subsample(9), Project(16)], ids=repr)
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool]
)
@pytest.mark.parametrize(
    "rows", [MAPS, TOKENS, Rows((), (), torch.float32)], ids=["maps", "tokens", "scalar"]
)
def test_what_comes_out_is_what_was_planned(reducer, dtype, rows):
    rows = Rows(rows.shape, rows.dims, dtype)
    planned, found = reducer.plan_step(rows, 7).after, open_one(reducer, rows)(make_batch(rows))
    assert (tuple(found.shape), found.dtype) == ((7, *planned.shape), planned.dtype)
    assert len(planned.dims) == len(planned.shape)
    told = reducer.plan_step(rows, 7).explain()
    assert ("stayed_whole" in told) == (planned == rows)
    told.pop("kept_units", None)
    assert json.loads(json.dumps(told))["shape_after"] == list(planned.shape)


def test_a_cast_rounds_as_numpy_does_and_leaves_integers():
    batch = make_batch(MAPS)
    found = open_one(Cast("float16"), MAPS)(batch)
    np.testing.assert_array_equal(found.numpy(), batch.numpy().astype(np.float16))
    counts = Rows((3,), ("feature",), torch.int64)
    assert (
        open_one(Cast("float16"), counts)(torch.full((2, 3), 70000)).tolist() == [[70000] * 3] * 2
    )
    assert "only floating-point" in Cast("float16").plan_step(counts, 2).explain()["stayed_whole"]


def test_values_beyond_the_narrow_dtype_are_counted_per_stimulus():
    before = torch.tensor([[1.0, 7e4, -7e4], [torch.inf, 65504, torch.nan], [1e30, 0, 0]])
    assert count_overflow(before, before.half()).tolist() == [2, 0, 1]
    chain = plan_chain(read_reducer(["max", "float16"]), MAPS, 3).open(CPU, {})
    chain(torch.ones(3, *MAPS.shape).index_fill(0, torch.tensor([1]), 1e6))
    assert chain.overflow.tolist() == [0, 4, 0]
    chain(torch.ones(3, *MAPS.shape))
    assert chain.overflow.tolist() == [0, 0, 0]


@given(
    sizes=st.lists(st.integers(1, 4), min_size=4, max_size=4),
    dims=st.permutations(["channel", "y", "token", "frame"]),
    how=st.sampled_from(["mean", "max"]),
)
def test_pooling_equals_numpy_over_the_named_axes_wherever_they_are(sizes, dims, how):
    rows = Rows(tuple(sizes), tuple(dims), torch.float64)
    batch = make_batch(rows)
    axes = tuple(i + 1 for i, dim in enumerate(dims) if dim != "channel")
    expected = getattr(np, how)(batch.numpy(), axis=axes)
    np.testing.assert_allclose(open_one(Pool(how), rows)(batch), expected, rtol=1e-12)
    assert Pool(how).plan_step(rows, 7).after.dims == ("channel",)
    assert sorted(Pool(how).plan_step(rows, 7).explain()["pooled"]) == ["frame", "token", "y"]


def test_cls_takes_token_0_of_the_axis_of_that_name():
    batch = make_batch(TOKENS)
    np.testing.assert_array_equal(open_one(Pool("cls"), TOKENS)(batch), batch[:, 0])
    turned = Rows((8, 5), ("feature", "token"), torch.float32)
    np.testing.assert_array_equal(open_one(Pool("cls"), turned)(batch.mT), batch[:, 0])
    assert Pool("cls").plan_step(turned, 7).explain()["pooled"] == ["token"]


@pytest.mark.parametrize(
    ("how", "rows"),
    [("cls", MAPS), ("mean", WIDE), ("max", Rows((2, 3), ("dim_1", "dim_2"), torch.float32))],
)
def test_what_has_no_such_axis_stays_whole(how, rows):
    batch = make_batch(rows)
    assert open_one(Pool(how), rows)(batch) is batch
    assert "has no axis named" in Pool(how).plan_step(rows, 7).explain()["stayed_whole"]


def test_the_mean_of_booleans_is_a_share():
    rows = Rows((2,), ("x",), torch.bool)
    found = open_one(Pool("mean"), rows)(torch.tensor([[True, False], [True, True]]))
    assert found.tolist() == [0.5, 1.0]
    assert found.dtype == torch.float32


@given(p=st.integers(5, 300), n_units=st.integers(1, 4), seed=st.integers(0, 9))
def test_ops_of_equal_size_keep_the_same_units(p, n_units, seed):
    reducer, shared = Subsample(n_units, seed), {}
    flat, deep = (
        Rows((p,), ("feature",), torch.float32),
        Rows((p, 1, 1), ("channel", "y", "x"), torch.float32),
    )
    batch = torch.arange(2 * p).reshape(2, p).float()
    first = open_one(reducer, flat, shared=shared)(batch)
    second = open_one(reducer, deep, shared=shared)(batch.reshape(2, p, 1, 1))
    units = reducer.plan_step(flat, 2).explain()["kept_units"]
    np.testing.assert_array_equal(first, batch[:, units])
    np.testing.assert_array_equal(first, second)
    assert len(set(units)) == n_units
    assert list(units) == sorted(units)
    assert len(shared) == 1


def test_every_unit_can_be_drawn_and_the_seed_decides():
    drawn = np.concatenate([Subsample(20, seed).draw_units(60).numpy() for seed in range(60)])
    assert np.bincount(drawn, minlength=60).min() > 5
    assert not torch.equal(Subsample(20, 1).draw_units(60), Subsample(20, 2).draw_units(60))


@pytest.mark.parametrize("n", [2, 100, 1000, 73_000])
@pytest.mark.parametrize("epsilon", [0.1, 0.3, 0.5])
def test_the_number_of_components_is_that_of_the_lemma(n, epsilon):
    k = count_components(n, epsilon)
    assert k - 1 <= johnson_lindenstrauss_min_dim(n, eps=epsilon) <= k  # scikit-learn rounds down
    bound = 4 * np.log(n) / (epsilon**2 / 2 - epsilon**3 / 3)
    assert k - 1 < bound <= k


@pytest.mark.parametrize(("p", "k"), [(2, 1), (10_000, 64), (50_176, 300)])
def test_a_projection_is_what_li_and_colleagues_say(p, k):
    matrix = draw_projection(p, k, 3).to_dense().numpy()
    assert matrix.shape == (k, p)
    assert set(np.unique(np.abs(matrix))) <= {0, np.float32(np.sqrt(np.sqrt(p) / k))}
    if k > 1:
        expected = k * np.sqrt(p)
        assert abs((matrix != 0).sum() - expected) < 5 * np.sqrt(expected)
        assert abs((matrix > 0).sum() - expected / 2) < 5 * np.sqrt(expected)
        by_row, by_place = (matrix != 0).sum(1), (matrix != 0).reshape(k, 8, -1).sum((0, 2))
        assert abs(by_row.var() / by_row.mean() - 1) < 0.8
        assert abs(by_place / by_place.mean() - 1).max() < 5 * np.sqrt(8 / expected)


def test_every_entry_of_a_projection_is_drawn_as_often():
    share = (
        torch.stack([draw_projection(4, 2, seed).to_dense() != 0 for seed in range(300)])
        .float()
        .mean(0)
    )
    np.testing.assert_allclose(share, 0.5, atol=0.12)


@pytest.mark.parametrize(
    "reducer", [Subsample(400), Project(400), PCA(400, tuple(map(str, range(401))))], ids=type
)
def test_as_many_units_as_asked_for_stay_as_they_are(reducer):
    batch = make_batch(WIDE)
    assert open_one(reducer, WIDE)(batch) is batch
    assert reducer.plan_step(WIDE, 7).explain()["stayed_whole"] == "has 400 units, no more than 400"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64])
def test_projecting_is_a_product_with_that_matrix(dtype):
    rows = Rows((20, 5, 6), ("channel", "y", "x"), dtype)
    batch = make_batch(rows, 9)
    found = open_one(Project(32, seed=4), rows, 9)(batch)
    expected = (
        batch.reshape(9, -1).double().numpy()
        @ draw_projection(600, 32, 4).to_dense().double().numpy().T
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert found.dtype == torch.float32


def test_distances_are_kept(rng):
    epsilon, n, p = 0.3, 40, 30_000
    reducer, rows = Project(epsilon=epsilon, seed=1), Rows((p,), ("feature",), torch.float32)
    batch = torch.as_tensor(np.maximum(rng.standard_normal((n, p)), 0), dtype=torch.float32)
    found = open_one(reducer, rows, n)(batch)
    assert found.shape == (n, count_components(n, epsilon))
    ratios = (torch.pdist(found) / torch.pdist(batch)) ** 2
    assert ((ratios - 1).abs() < epsilon).float().mean() > 0.99
    assert abs(ratios.mean() - 1) < 0.05


@given(a=st.floats(-4, 4), b=st.floats(-4, 4), seed=st.integers(0, 5))
def test_a_projection_is_linear(a, b, seed):
    project = open_one(Project(24, seed=seed), WIDE)
    x, y = make_batch(WIDE, seed=1), make_batch(WIDE, seed=2)
    np.testing.assert_allclose(
        project(a * x + b * y), a * project(x) + b * project(y), rtol=1e-4, atol=1e-4
    )


def test_a_projection_depends_on_size_and_seed_only_and_is_shared():
    shared = {}
    deep = Rows((4, 10, 10), ("channel", "y", "x"), torch.float32)
    batch = make_batch(WIDE)
    one, two = (
        open_one(Project(30), WIDE, shared=shared),
        open_one(Project(30), deep, shared=shared),
    )
    assert len(shared) == 1
    np.testing.assert_array_equal(one(batch), two(batch.reshape(7, 4, 10, 10)))
    np.testing.assert_array_equal(one(batch), open_one(Project(30, epsilon=0.2), WIDE)(batch))
    other = open_one(Project(30, seed=1), WIDE, shared=shared)(batch)
    assert not np.allclose(one(batch), other)
    state = torch.random.get_rng_state()
    open_one(Project(31), WIDE)
    Subsample(3).draw_units(9)
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_stimulus_is_projected_alike_in_any_company():
    rows = Rows((3000,), ("feature",), torch.float32)
    project, batch = open_one(Project(50), rows), make_batch(rows, 17)
    alone = torch.cat([project(batch[i : i + 1]) for i in range(17)])
    np.testing.assert_allclose(project(batch), alone, rtol=1e-4, atol=1e-4)


def test_projecting_warns_of_nothing():
    code = (
        "import torch; from neurolens.extract.reducers.base import Rows; "
        "from neurolens.extract.reducers.project import Project; torch.set_warn_always(True);"
        "rows = Rows((900,), ('feature',), torch.float32); "
        "print(Project(5).plan_step(rows, 2).open(torch.device('cpu'), {})(torch.ones(2, 900)).shape)"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert run.stdout == "torch.Size([2, 5])\n", run.stderr
    assert "Warning" not in run.stderr


def test_a_chain_applies_plans_and_explains_in_order():
    chain = read_reducer(["mean", Subsample(3), "float16"])
    batch = make_batch(MAPS)
    opened = plan_chain(chain, MAPS, 7).open(CPU, {})
    expected = batch.numpy().mean((2, 3))[:, Subsample(3).draw_units(4)].astype(np.float16)
    np.testing.assert_allclose(opened(batch), expected, rtol=1e-3)
    assert plan_chain(chain, MAPS, 7).kept == Rows((3,), ("unit",), torch.float16)
    assert [told["kind"] for told in plan_chain(chain, MAPS, 7).explain()] == [
        "pool",
        "subsample",
        "cast",
    ]
    assert [told["shape_before"] for told in plan_chain(chain, MAPS, 7).explain()] == [
        [4, 5, 6],
        [4],
        [3],
    ]
    assert plan_chain((), MAPS, 7).kept == MAPS
    assert plan_chain((), MAPS, 7).open(CPU, {})(batch) is batch


def test_pca_in_a_chain_is_fitted_on_what_stands_before_it():
    chain = read_reducer([Project(50, seed=2), PCA(3, IDS[:12]), "float16"])
    opened, batch = plan_chain(chain, WIDE, 12).open(CPU, {}), make_batch(WIDE, 12)
    for start in (0, 5, 10):
        opened.fit(batch[start : start + 5], start)
    opened.axes.end_pass()
    before = open_one(Project(50, seed=2), WIDE)(batch).double().numpy()
    expected = decomposition.PCA(3, svd_solver="full").fit(before)
    assert opened(batch).dtype == torch.float16
    np.testing.assert_allclose(opened(batch), expected.transform(before), rtol=1e-2, atol=2e-2)
    assert plan_chain(read_reducer("mean"), MAPS, 7).open(CPU, {}).axes is None


def test_what_read_reducer_takes():
    assert read_reducer(None) == ()
    assert read_reducer("mean") == (Pool("mean"),)
    assert read_reducer(Cast("float16")) == (Cast("float16"),)
    assert read_reducer(["max", ("project", "float16")]) == (
        Pool("max"),
        Project(),
        Cast("float16"),
    )
    assert set(REDUCERS) == {
        "float16",
        "bfloat16",
        "float32",
        "mean",
        "max",
        "cls",
        "subsample",
        "project",
        "pca",
    }
    assert repr(PCA(2, fit_on=["a", "b", "c"])) == repr(PCA(2, fit_on=("a", "b", "c")))
    assert PCA(2, fit_on=["a", "b", "c"]).fit_on == ("a", "b", "c")
    assert Project().fit_on is None


COMPLEX = Rows((400, 3), ("feature", "y"), torch.complex64)
REFUSED = [
    (
        lambda: read_reducer("mena"),
        UnknownNameError,
        "no reducer named 'mena'.*'mean'.*Choose one of float16, .*pca",
    ),
    (
        lambda: read_reducer("subsample"),
        InputError,
        r"needs settings. Type Subsample\(n_units=..., seed=...\)",
    ),
    (
        lambda: read_reducer(["pca"]),
        InputError,
        r"needs settings. Type PCA\(n_components=..., fit_on=...\)",
    ),
    (lambda: read_reducer(Subsample), InputError, "Subsample needs settings"),
    (lambda: read_reducer(7), InputError, "reducer must be one of float16, .* got 7"),
    (
        lambda: read_reducer([PCA(1, IDS), "mean"]),
        InputError,
        "only casts may follow PCA, got Pool. Type reducer=",
    ),
    (
        lambda: read_reducer([PCA(1, IDS), "float16", PCA(1, IDS)]),
        InputError,
        "only casts may follow PCA, got PCA",
    ),
    (
        lambda: Cast("int8"),
        UnknownNameError,
        "no dtype to cast to named 'int8'.*Choose one of float16, bfloat16",
    ),
    (
        lambda: Pool("median"),
        UnknownNameError,
        "no way to pool named 'median'.*Choose one of mean, max, cls",
    ),
    (lambda: Subsample(0), InputError, "n_units must be an int of at least 1, got 0"),
    (lambda: Subsample(2.5), InputError, "n_units must be an int of at least 1, got 2.5"),
    (lambda: Project(0), InputError, "n_components must be an int of at least 1, got 0"),
    (lambda: Project(epsilon=1.5), InputError, "epsilon must be a float between 0 and 1, got 1.5"),
    (
        lambda: PCA(3, ("a", "b", "c")),
        InputError,
        r"got 3 ids for 3 components. Type PCA\(3, fit_on=stimuli.ids",
    ),
    (
        lambda: PCA(1, tuple(map(str, range(25_000)))),
        InputError,
        r"on 10,000 stimuli at most, got 25,000 ids in fit_on. Choose .*stimuli.ids\[::3\]",
    ),
    (lambda: PCA(1), InputError, "more ids in fit_on than n_components, got 0 ids"),
    (lambda: PCA(1, "abc"), InputError, "more ids in fit_on than n_components, got 0 ids"),
    (
        lambda: PCA(1, ("a", "b", "a")),
        LabelError,
        "the ids in fit_on must be unique, but these repeat: 'a'",
    ),
    (
        lambda: Project(5).plan_step(COMPLEX, 3),
        InputError,
        "wants real values, got torch.complex64",
    ),
    (
        lambda: PCA(5, IDS).plan_step(COMPLEX, 3).open(CPU, {}),
        InputError,
        "wants real values, got torch.complex64",
    ),
    (
        lambda: Pool("max").plan_step(COMPLEX, 3),
        InputError,
        "'max' wants values that can be ordered",
    ),
]


@pytest.mark.parametrize(
    ("call", "error", "match"), REFUSED, ids=[match[:40] for _, _, match in REFUSED]
)
def test_what_cannot_be_done_is_refused_with_what_to_type(call, error, match):
    with pytest.raises(error, match=match):
        call()


class Autocasts(nn.Module):
    """Runs a part of its forward in bfloat16, as some models do."""

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return x * 2


@pytest.mark.parametrize("reducer", [Project(20), PCA(2, IDS[:6])], ids=["project", "pca"])
def test_reducers_do_not_follow_an_autocast_of_the_model(reducer, rng):
    values = rng.standard_normal((6, 900)).astype(np.float32)
    stimuli = nl.load_stimuli(values, ids=list(IDS[:6]))
    acts = nl.extract_activations(Autocasts(), stimuli, ops="/mul", reducer=reducer, quiet=True)
    plain = nl.extract_activations(Doubles(), stimuli, ops="/mul", reducer=reducer, quiet=True)
    np.testing.assert_array_equal(acts["mul/activation"], plain["mul/activation"])


class Doubles(nn.Module):
    def forward(self, x):
        return x * 2
