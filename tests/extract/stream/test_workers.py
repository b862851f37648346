"""Several workers: the same result as one, also when one of them dies."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import neurolens as nl
from neurolens.errors import DataError, InputError
from neurolens.parallel import split_evenly

distributed = pytest.importorskip("distributed", reason="needs the extra 'cluster'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class Net(nn.Module):
    def __init__(self, pause=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3)
        self.pause = pause

    def forward(self, x):
        time.sleep(self.pause)
        return self.conv(x).relu().flatten(1)


@pytest.fixture(scope="module")
def client():
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=None,
        ) as cluster,
        distributed.Client(cluster) as found,
    ):
        warnings.simplefilter("ignore")
        found.run(torch.set_num_threads, 1)
        yield found


@pytest.fixture
def stimuli(rng):
    return nl.load_stimuli(rng.standard_normal((30, 3, 6, 6)).astype(np.float32))


def assert_same_activations(a, b):
    for node in a.subtree:
        if "activation" in node:
            np.testing.assert_array_equal(node["activation"], b[node.path]["activation"])


def test_a_store_filled_by_workers_equals_one_filled_here(client, stimuli, tmp_path):
    here = nl.extract_activations(Net(), stimuli, batch_size=4, reducer="float16", quiet=True)
    # fmt: off
    there = nl.extract_activations(Net(), stimuli, batch_size=4, reducer="float16", store=tmp_path / "a.zarr",
                                   client=client, quiet=True)
    # fmt: on
    assert_same_activations(here, there)


def test_grams_by_groups_equal_those_of_one_machine(client, stimuli):
    here = nl.extract_grams(Net(), stimuli, memory="40KB", batch_size=4, quiet=True)
    there = nl.extract_grams(Net, stimuli, memory="40KB", batch_size=4, client=client, quiet=True)
    assert there.attrs["n_passes"] > 1
    xr.testing.assert_identical(here, there)


def test_a_worker_killed_half_way_costs_only_its_shard(client, stimuli, tmp_path):
    path = tmp_path / "a.zarr"
    pids = client.run(os.getpid)

    def kill():
        end = time.monotonic() + 60
        while len(list(path.glob("checks/done/c/0/*"))) < 3 and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(next(iter(pids.values())), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    # fmt: off
    there = nl.extract_activations(Net(0.05), stimuli, batch_size=2, store=path, client=client, quiet=True)
    # fmt: on
    killer.join()
    assert set(client.run(os.getpid).values()) != set(pids.values())
    assert_same_activations(nl.extract_activations(Net(), stimuli, batch_size=2, quiet=True), there)


def test_what_cannot_run_on_a_cluster_is_refused(client, stimuli, tmp_path):
    with pytest.raises(InputError, match="client= writes into a store that all workers reach"):
        nl.extract_activations(Net(), stimuli, client=client, quiet=True)
    with pytest.raises(InputError, match=r"model must be a torch.nn.Module, got int"):
        nl.extract_activations(
            lambda: 3, stimuli, client=client, store=tmp_path / "a.zarr", quiet=True
        )
    with pytest.raises(InputError, match=r"model must be a torch.nn.Module, got int"):
        nl.extract_grams(3, stimuli, client=client, quiet=True)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as crowded,
        pytest.raises(
            InputError, match="has several threads; start workers with threads_per_worker=1"
        ),
    ):
        nl.extract_activations(
            Net(), stimuli, client=crowded, store=tmp_path / "b.zarr", quiet=True
        )


def test_a_worker_that_would_run_something_else_is_refused(client, stimuli, tmp_path):
    def make_another():
        net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
        nn.init.constant_(net[1].weight, os.getpid())
        return net

    with pytest.raises(DataError, match="weights_sha256 was"):
        nl.extract_activations(
            make_another, stimuli, client=client, store=tmp_path / "a.zarr", quiet=True
        )
    with pytest.raises(
        InputError, match="no worker has 1 'GPU'; start workers with --resources 'GPU=1'"
    ):
        nl.extract_grams(Net, stimuli, client=client, resources={"GPU": 1}, quiet=True)


def test_shards_are_even_and_whole():
    assert split_evenly(list(range(7)), 3) == [[0, 1], [2, 3], [4, 5, 6]]
    assert split_evenly([4], 6) == [[4]]
    assert split_evenly([], 2) == []
