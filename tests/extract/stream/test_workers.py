"""Several workers give the same result as one, also when one of them dies."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from resumed import leave_out_told
from small_grams import Widths, make_layout, small_chunks
from torch import nn

import neurolens as nl
from neurolens.errors import DataError, InputError
from neurolens.extract.stream.grams.slices import split_passes
from neurolens.extract.stream.workers import chain_passes
from neurolens.support.parallel import Cluster

pytestmark = pytest.mark.filterwarnings("ignore")


def import_distributed():
    return pytest.importorskip("distributed", reason="needs the extra 'cluster'")


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
    distributed = import_distributed()
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
        # The order of the terms of a sum may follow the number of threads: one here too.
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        found.run(torch.set_num_threads, 1)
        yield found
        torch.set_num_threads(n_threads)


@pytest.fixture
def stimuli(rng):
    return nl.load_stimuli(rng.standard_normal((30, 3, 6, 6)).astype(np.float32))


def assert_same_activations(a, b):
    for node in a.subtree:
        if "activation" in node:
            np.testing.assert_array_equal(node["activation"], b[node.path]["activation"])


@pytest.mark.slow
def test_a_store_filled_by_workers_equals_one_filled_here(client, stimuli, tmp_path):
    path = tmp_path / "a.zarr"
    options = {"batch_size": 4, "reducer": "float16", "quiet": True}
    here = nl.extract_activations(Net(), stimuli, **options)
    there = nl.extract_activations(Net(), stimuli, store=path, client=client, **options)
    assert_same_activations(here, there)


@pytest.mark.slow
def test_grams_by_groups_equal_those_of_one_machine(client, stimuli):
    options = {"memory": "40KB", "batch_size": 4, "quiet": True}
    here = nl.extract_grams(Net(), stimuli, **options)
    there = nl.extract_grams(Net, stimuli, client=client, **options)
    assert there.attrs["n_passes"] > 1
    xr.testing.assert_identical(leave_out_told(here), leave_out_told(there))


@pytest.mark.slow
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
    there = nl.extract_activations(
        Net(0.05), stimuli, batch_size=2, store=path, client=client, quiet=True
    )
    killer.join()
    assert set(client.run(os.getpid).values()) != set(pids.values())
    assert_same_activations(nl.extract_activations(Net(), stimuli, batch_size=2, quiet=True), there)


@pytest.mark.slow
def test_what_cannot_run_on_a_cluster_is_refused(client, stimuli, tmp_path):
    distributed = import_distributed()
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


@pytest.mark.slow
def test_a_worker_that_would_run_something_else_is_refused(client, stimuli, tmp_path):
    def make_another():
        net = nn.Sequential(nn.Flatten(), nn.Linear(108, 4))
        nn.init.constant_(net[1].weight, os.getpid())
        return net

    with pytest.raises(DataError, match="the weights differ"):
        nl.extract_activations(
            make_another, stimuli, client=client, store=tmp_path / "a.zarr", quiet=True
        )
    with pytest.raises(
        InputError, match="no worker has 1 'GPU'; start workers with --resources 'GPU=1'"
    ):
        nl.extract_grams(Net, stimuli, client=Cluster(client, {"GPU": 1}), quiet=True)


@given(
    widths=st.lists(st.integers(1, 200), min_size=1, max_size=8),
    room=st.integers(1, 400),
)
def test_tasks_of_a_cluster_hold_every_slice_once_and_a_result_in_one_task(widths, room):
    layouts = [make_layout(f"op{i}", p) for i, p in enumerate(widths)]
    n_stimuli = 3
    with small_chunks(64):
        answer = len(layouts) * 8 * n_stimuli * (n_stimuli + 2)
        groups = split_passes(layouts, n_stimuli, answer + 128 + 24 + 12 * room)
    chains = chain_passes(groups)
    sent = [part for chain in chains for group in chain for part in group]
    parts = [part for group in groups for part in group]
    assert sent == [(p.name, p.start, p.stop, p.sketch, (), 1, False) for p in parts]
    homes = [{name for group in chain for name, *_ in group} for chain in chains]
    assert sum(map(len, homes)) == len(layouts)


@pytest.mark.slow
def test_grams_of_slices_by_a_cluster_equal_those_of_one_machine(rng):
    distributed = import_distributed()
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
        for memory, n_passes in ((60_000, 3), (75_000, 2), (90_000, 2), (130_000, 1)):
            here = nl.extract_grams(net, stimuli, memory=memory, batch_size=3, quiet=True)
            there = nl.extract_grams(
                net, stimuli, memory=memory, batch_size=3, client=client, quiet=True
            )
            assert here.attrs["n_passes"] == n_passes
            xr.testing.assert_identical(leave_out_told(here), leave_out_told(there))
