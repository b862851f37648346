"""Comparisons on several workers: the same result as on one."""

import os
import signal
import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import neurolens as nl
from neurolens.compare.inputs import op_groups
from neurolens.errors import InputError, LabelError
from neurolens.support.parallel import run_tasks

distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")
# dask's own warnings depend on the load of the machine
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:::distributed")]


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=None,
        ) as cluster,
        distributed.Client(cluster) as found,
    ):
        found.run(torch.set_num_threads, 1)
        yield found


@pytest.fixture
def stimuli(rng):
    return nl.load_stimuli(rng.standard_normal((20, 3, 8, 8)).astype(np.float32))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(80, 12),
        nn.Tanh(),
    )


@pytest.fixture
def responses(rng, stimuli):
    labels = {
        "region": ("neuroid", ["V1"] * 4 + ["IT"] * 4),
        "subject": ("neuroid", ["s1", "s2"] * 4),
    }
    ids = ("presentation", list(stimuli.ids)[::-1])
    values = rng.normal(size=(20, 8))
    return xr.DataArray(
        values, dims=("presentation", "neuroid"), coords={"stimulus_id": ids} | labels
    )


@pytest.mark.slow
def test_rdms_of_a_store_and_of_grams(client, net, stimuli, tmp_path):
    nl.extract_activations(net, stimuli, store=tmp_path / "a.zarr", batch_size=6, quiet=True)
    lazy, grams = (
        nl.open_activations(tmp_path / "a.zarr"),
        nl.extract_grams(net, stimuli, quiet=True),
    )
    for data in (lazy, lazy.load(), grams):
        here, there = nl.compute_rdms(data), nl.compute_rdms(data, client=client)
        assert len(here.op) == 7
        xr.testing.assert_identical(here, there)


def test_data_of_one_op_or_of_a_brain_stay_here(client, responses, rng):
    xr.testing.assert_identical(
        nl.compute_rdms(responses), nl.compute_rdms(responses, client=client)
    )
    one = xr.DataArray(
        rng.normal(size=(5, 4)), dims=("stimulus", "unit"), coords={"stimulus": list("abcde")}
    )
    xr.testing.assert_identical(nl.compute_rdms(one), nl.compute_rdms(one, client=client))


def test_stimuli_are_matched_by_id_between_workers(client, rng):
    first = xr.DataArray(
        rng.normal(size=(6, 4)), dims=("stimulus", "unit"), coords={"stimulus": list("abcdef")}
    )
    nodes = {f"op{i}": first.to_dataset(name="activation") for i in range(7)}
    nodes["op6"] = nodes["op6"].isel(stimulus=slice(None, None, -1))
    rdms = nl.compute_rdms(xr.DataTree.from_dict(nodes), client=client)
    np.testing.assert_allclose(rdms.sel(op="op6"), rdms.sel(op="op0"), atol=1e-12)
    nodes["op6"] = nodes["op6"].isel(stimulus=slice(1, None))
    with pytest.raises(LabelError, match="must hold the same 6 ids"):
        nl.compute_rdms(xr.DataTree.from_dict(nodes), client=client)


def test_scores_with_intervals_and_halves(client, net, stimuli, responses):
    models, brains = (
        nl.compute_rdms(nl.extract_grams(net, stimuli, quiet=True)),
        nl.compute_rdms(responses),
    )
    settings = {"n_bootstrap": 40, "n_splits": 3, "rng": 5}
    here = nl.compare_rdms(models, brains, **settings)
    there = nl.compare_rdms(models, brains, **settings, client=client)
    xr.testing.assert_allclose(here, there, rtol=1e-6)
    assert there.attrs == here.attrs
    assert {name: array.dims for name, array in there.items()} == {
        name: array.dims for name, array in here.items()
    }


@pytest.mark.slow
def test_encoding_of_grams_over_time(client, net, stimuli, responses):
    grams = nl.extract_grams(net, stimuli, quiet=True)
    timed = xr.concat([responses, responses * 2 + 1], "time_bin")
    for brain in (responses, timed):
        here, there = (
            nl.fit_encoding(grams, brain, cv=2, n_splits=2, predictions=True, client=one)
            for one in (None, client)
        )
        xr.testing.assert_allclose(here, there)
        assert there.attrs == here.attrs
        assert {name: array.attrs for name, array in there.items()} == {
            name: array.attrs for name, array in here.items()
        }
        assert {name: array.dims for name, array in there.items()} == {
            name: array.dims for name, array in here.items()
        }


def test_what_workers_warn_of_is_told_here(client, net, stimuli, responses):
    models, brains = (
        nl.compute_rdms(nl.extract_grams(net, stimuli, quiet=True)),
        nl.compute_rdms(responses),
    )
    models[3] = 0.0
    with pytest.warns(RuntimeWarning, match=f"no score for '{models.op.values[3]}'"):
        nl.compare_rdms(
            models, brains, comparator="spearman", n_bootstrap=0, n_splits=0, client=client
        )


def test_a_generator_that_workers_would_each_copy_is_refused(client, net, stimuli, responses, rng):
    models, brains = (
        nl.compute_rdms(nl.extract_grams(net, stimuli, quiet=True)),
        nl.compute_rdms(responses),
    )
    with pytest.raises(InputError, match="pass rng= a whole number"):
        nl.compare_rdms(models, brains, rng=rng, client=client)


def test_what_cannot_be_used_is_told_as_without_workers(client, net, stimuli, responses):
    grams = nl.extract_grams(net, stimuli, quiet=True)
    for settings, message in (
        ({"device": "foo"}, "got 'foo'"),
        ({"rng": "a"}, "rng must be a whole number"),
    ):
        with pytest.raises(InputError, match=message):
            nl.fit_encoding(grams, responses, cv=2, client=client, **settings)


def test_ops_that_share_a_name_are_refused(client, net, stimuli):
    grams = nl.extract_grams(net, stimuli, quiet=True)
    twice = xr.concat([grams, grams], "op")
    with pytest.raises(LabelError, match="the names of the ops must be unique"):
        nl.compute_rdms(twice, client=client)


def test_an_error_is_told_once_and_not_tried_again(client, tmp_path):
    def fail(common, task):
        with open(common[0], "a") as file:
            file.write("tried\n")
        raise InputError("no")

    with pytest.raises(InputError, match="^no\n"):
        run_tasks(client, fail, (tmp_path / "tries",), [0], None)
    assert (tmp_path / "tries").read_text() == "tried\n"


def test_a_worker_killed_on_the_way_costs_only_its_ops(client, net, stimuli):
    grams = nl.extract_grams(net, stimuli, quiet=True)
    before = set(client.run(os.getpid).values())
    os.kill(min(before), signal.SIGKILL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        there = nl.compute_rdms(grams, client=client)
    xr.testing.assert_identical(nl.compute_rdms(grams), there)


@pytest.fixture
def two_workers(monkeypatch):
    """Run two groups of ops one after the other in this process."""

    def run(client, function, common, tasks, resources):
        return [function(common, task) for task in tasks]

    monkeypatch.setattr(op_groups, "count_shards", lambda client: 2)
    monkeypatch.setattr(op_groups, "run_tasks", run)
    return "client"


def test_a_decorated_function_sees_a_group_of_ops_and_no_client(two_workers, rng):
    calls = []

    @op_groups.over_ops("model_rdms")
    def double(scale, model_rdms, *, rng=0, client=None):
        """Say it."""
        calls.append((scale, model_rdms.op.values.tolist(), rng, client))
        return scale * model_rdms

    rdms = xr.DataArray(rng.normal(size=(3, 4)), dims=("op", "pair"), coords={"op": list("abc")})
    for arguments in ((2, rdms), (2,)):
        more = {} if len(arguments) == 2 else {"model_rdms": rdms}
        calls.clear()
        found = double(*arguments, **more, rng=5, client=two_workers)
        xr.testing.assert_identical(found, 2 * rdms)
        assert [ops for _, ops, _, _ in calls] == [["a"], ["b", "c"]]
        assert {(scale, seed, client) for scale, _, seed, client in calls} == {(2, 5, None)}
    calls.clear()
    assert double(2, rdms).identical(2 * rdms)
    assert calls == [(2, ["a", "b", "c"], 0, None)]
    assert double.__doc__ == "Say it."
    with pytest.raises(InputError, match="pass rng= a whole number"):
        double(2, rdms, rng=rng, client=two_workers)
    with pytest.raises(LabelError, match="the names of the ops must be unique"):
        double(2, rdms.assign_coords(op=list("aba")), client=two_workers)


@pytest.fixture
def marked(rng):
    """Activations of three ops, of which the last has samples, with marks."""
    ids = [f"s{i}" for i in range(8)]
    nodes = {}
    for i, op in enumerate("abc"):
        dims = ("stimulus", "sample", "unit") if op == "c" else ("stimulus", "unit")
        shape = (8, 2, 5) if op == "c" else (8, 5)
        attributes = {"op": op, "position": i} | ({"n_samples": 2} if op == "c" else {})
        array = xr.DataArray(rng.normal(size=shape), dims=dims, coords={"stimulus": ids})
        nodes[op] = array.assign_attrs(attributes).to_dataset(name="activation")
    tree = xr.DataTree.from_dict(nodes)
    tree.attrs = {"batch_dependent_ops": ["b"], "random_ops": ["c"], "depends_on_history": ["n"]}
    return tree


def test_marks_of_activations_go_on_into_what_groups_make(two_workers, marked, rng):
    here = nl.compute_rdms(marked)
    there = nl.compute_rdms(marked, client=two_workers)
    assert here.attrs["batch_dependent_ops"] == ["b"]
    assert here.attrs["samples"] == "mean of 2"
    assert there.attrs == here.attrs
    responses = xr.DataArray(
        rng.normal(size=(8, 3)),
        dims=("stimulus", "neuroid"),
        coords={"stimulus": marked["a"].stimulus.values},
    )
    settings = {"cv": 2, "n_splits": 0, "rng": 0}
    here = nl.fit_encoding(marked, responses, **settings)
    there = nl.fit_encoding(marked, responses, **settings, client=two_workers)
    assert "Values of 1 operations depend on the other stimuli" in there.attrs["methods_text"]
    assert there.attrs == here.attrs
