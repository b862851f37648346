"""Stores: the same bytes after any interruption, the same values as in memory, no mixed runs."""

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import filelock
import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import neurolens as nl
from neurolens.errors import DataError, InputError
from neurolens.extract import PCA, Project, Subsample, open_activations
from neurolens.extract.stream.plan import RunSettings, make_plan
from neurolens.extract.stream.stores import store
from neurolens.extract.stream.stores.headers import SEAL, compute_seal
from neurolens.extract.stream.stores.store import ActivationStore
from neurolens.support import disk
from neurolens.support.disk import DiskWriter


class Net(nn.Module):
    """A convolution, an in-place ReLU, functional ops of the model itself, a linear layer."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.conv = nn.Conv2d(3, 4, 3)
        self.act = nn.ReLU(inplace=True)
        self.fc = nn.Linear(36, 5)

    def forward(self, x):
        return self.fc(torch.flatten(self.act(self.conv(x)).exp(), 1))


@pytest.fixture
def stimuli(rng):
    return nl.load_stimuli(
        rng.standard_normal((11, 3, 5, 5)).astype(np.float32), ids=[f"bild_ä{i}" for i in range(11)]
    )


def read_files(path):
    return {
        str(p.relative_to(path)): p.read_bytes()
        for p in sorted(Path(path).rglob("*"))
        if p.is_file()
    }


def assert_same_trees(a, b):
    assert [n.path for n in a.subtree] == [n.path for n in b.subtree]
    for node in a.subtree:
        other = b[node.path]
        assert set(node.data_vars) == set(other.data_vars)
        for name in node.data_vars:
            np.testing.assert_array_equal(node[name], other[name])
            assert (node[name].dims, node[name].dtype) == (other[name].dims, other[name].dtype)
            assert node[name].attrs == other[name].attrs


@pytest.mark.parametrize(
    "reducer",
    [
        None,
        "mean",
        ["mean", "float16"],
        "bfloat16",
        Subsample(7, seed=3),
        [Subsample(20), Project(5)],
        Project(n_components=6, seed=1),
        "pca",
    ],
    ids=str,
)
def test_a_store_holds_what_memory_would(stimuli, tmp_path, reducer):
    if reducer == "pca":
        reducer = [PCA(3, fit_on=stimuli.ids[:6]), "float16"]
    memory = nl.extract_activations(Net(), stimuli, reducer=reducer, batch_size=4, quiet=True)
    stored = nl.extract_activations(
        Net(), stimuli, reducer=reducer, batch_size=4, store=tmp_path / "a.zarr", quiet=True
    )
    assert_same_trees(memory, stored)
    assert list(stored.stimulus.values) == list(stimuli.ids)
    assert {
        k: v for k, v in stored.attrs.items() if k not in ("complete", "provenance")
    } == memory.attrs
    assert stored["fc/linear"]["activation"].attrs["op"] == "fc/linear"
    again = nl.extract_activations(
        Net(), stimuli, reducer=reducer, batch_size=4, store=tmp_path / "a.zarr", quiet=True
    )
    assert_same_trees(stored, again)


def test_a_store_is_read_only_where_it_is_used(stimuli, tmp_path):
    tree = nl.extract_activations(
        Net(), stimuli, store=tmp_path / "a.zarr", batch_size=4, quiet=True
    )
    assert not tree["conv/conv2d"]["activation"].variable._in_memory
    with open(tmp_path / "a.zarr/ops/conv/conv2d/activation/c/2/0/0/0", "wb"):
        pass
    part = open_activations(tmp_path / "a.zarr")["conv/conv2d"]["activation"][:4]
    assert part.notnull().all()


def test_reducers_fitted_first_go_through_the_set_in_groups(stimuli, tmp_path):
    reducer = PCA(3, fit_on=stimuli.ids[:6])
    settings = {"reducer": reducer, "batch_size": 4}
    small = {**settings, "memory": 4000}
    one = nl.extract_activations(Net(), stimuli, **settings, quiet=True)
    many = nl.extract_activations(Net(), stimuli, **small, store=tmp_path / "a.zarr", quiet=True)
    assert nl.forecast(Net(), stimuli, **small).activations.passes > 2
    assert_same_trees(one, many)


def test_groups_of_another_budget_go_on_where_a_run_was_cut_off(stimuli, tmp_path):
    calls = []

    class Stops(nn.Module):
        def __init__(self, at):
            super().__init__()
            calls.clear()
            self.net, self.at = Net(), at

        def forward(self, x):
            calls.append(1)
            if len(calls) == self.at:
                raise KeyboardInterrupt
            return self.net(x)

    settings = {"reducer": PCA(3, fit_on=stimuli.ids[:6]), "batch_size": 4, "quiet": True}
    whole = nl.extract_activations(Stops(0), stimuli, **settings)
    with pytest.raises(KeyboardInterrupt):
        nl.extract_activations(
            Stops(8), stimuli, memory=4000, store=tmp_path / "a.zarr", **settings
        )
    assert_same_trees(
        whole, nl.extract_activations(Stops(0), stimuli, store=tmp_path / "a.zarr", **settings)
    )


def test_rdms_of_a_store_are_those_of_memory(stimuli, tmp_path):
    stored = nl.extract_activations(Net(), stimuli, store=tmp_path / "a.zarr", quiet=True)
    memory = nl.extract_activations(Net(), stimuli, quiet=True)
    xr.testing.assert_equal(nl.compute_rdms(stored), nl.compute_rdms(memory))
    grams = nl.extract_grams(Net(), stimuli, quiet=True)
    assert nl.compute_rdms(stored).op.values.tolist() == grams.op.values.tolist()


def test_a_store_can_be_written_as_netcdf(stimuli, tmp_path):
    stored = nl.extract_activations(
        Net(), stimuli, ops="fc", reducer="float16", store=tmp_path / "a.zarr", quiet=True
    )
    stored.attrs.pop("provenance")
    stored.attrs.pop("complete")
    stored.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    read = xr.open_datatree(tmp_path / "a.nc", engine="h5netcdf")
    np.testing.assert_array_equal(read["fc/linear/activation"], stored["fc/linear/activation"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda k: k.update(model=Net(seed=1)), "the weights differ: 4 changed, first 'conv.bias'"),
        (lambda k: k.update(ops="conv"), "the ops differ: 4 no longer there, first 'act/relu'"),
        (lambda k: k.update(reducer="float16"), "reducer was"),
        (lambda k: k.update(batch_size=5), "batch_size was 4, is now 5"),
        (
            lambda k: k.update(stimuli=k["stimuli"].select(k["stimuli"].ids[::-1])),
            "the stimuli differ: their order, first 'bild_ä10' where 'bild_ä0' was",
        ),
        (
            lambda k: k.update(stimuli=k["stimuli"].use_transform(torch.as_tensor)),
            "preprocessing was 'None'",
        ),
    ],
    ids=["weights", "ops", "reducer", "batch size", "stimuli", "preprocessing"],
)
def test_a_store_made_differently_is_refused_and_stays_as_it_was(stimuli, tmp_path, change, named):
    path = tmp_path / "a.zarr"
    settings = {"model": Net(), "stimuli": stimuli, "ops": "all", "batch_size": 4}
    nl.extract_activations(**settings, store=path, quiet=True)
    before = read_files(path)
    change(settings)
    with pytest.raises(DataError, match=named):
        nl.extract_activations(**settings, store=path, quiet=True)
    assert read_files(path) == before


def test_what_is_no_store_is_left_alone(stimuli, tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr/diary.txt").write_text("mine")
    with pytest.raises(DataError, match="exists and is not a NeuroLens store. Give another store="):
        nl.extract_activations(Net(), stimuli, store=tmp_path / "a.zarr", quiet=True)
    assert (tmp_path / "a.zarr/diary.txt").read_text() == "mine"


def test_a_store_that_another_process_writes_is_refused(stimuli, tmp_path):
    with (
        filelock.FileLock(tmp_path / "a.zarr.lock"),
        pytest.raises(
            DataError,
            match="is being written by another process. Wait for it, or give another store=",
        ),
    ):
        nl.extract_activations(Net(), stimuli, store=tmp_path / "a.zarr", quiet=True)


def test_opening_what_is_not_there_not_complete_or_damaged(stimuli, tmp_path):
    with pytest.raises(DataError, match=r"no store .*make one with extract_activations"):
        open_activations(tmp_path / "none.zarr")
    nl.extract_activations(Net(), stimuli, store=tmp_path / "a.zarr", batch_size=4, quiet=True)
    top = tmp_path / "a.zarr/zarr.json"
    header = json.loads(top.read_text())
    del header["attributes"][SEAL]
    top.write_text(json.dumps(header))
    with pytest.raises(DataError, match="is not complete: 3 of 3 batches are done"):
        open_activations(tmp_path / "a.zarr")
    top.write_text("{}")
    with pytest.raises(DataError, match="is damaged or not a NeuroLens store"):
        open_activations(tmp_path / "a.zarr")


CALLS: list[int] = []  # not held by the model, whose state every pass puts back


class StopsOnce(nn.Module):
    """Raises what it is given at the n-th call, once."""

    def __init__(self, error, at):
        super().__init__()
        CALLS.clear()
        self.net, self.error, self.at = Net(), error, at

    def forward(self, x):
        CALLS.append(1)
        if len(CALLS) == self.at:
            raise self.error
        return self.net(x)


def test_an_interrupt_says_where_it_goes_on_and_it_does(stimuli, tmp_path):
    whole = nl.extract_activations(
        StopsOnce(None, 0), stimuli, store=tmp_path / "b.zarr", batch_size=4, quiet=True
    )
    net = StopsOnce(KeyboardInterrupt(), 4)
    with pytest.raises(KeyboardInterrupt) as caught:
        nl.extract_activations(net, stimuli, store=tmp_path / "a.zarr", batch_size=4, quiet=True)
    assert "the same call goes on from there" in caught.value.__notes__[0]
    assert torch._C._len_torch_function_stack() == 0
    n_calls = len(CALLS)
    with pytest.raises(DataError, match="is not complete: 1 of 3 batches are done"):
        open_activations(tmp_path / "a.zarr")
    resumed = nl.extract_activations(
        net, stimuli, store=tmp_path / "a.zarr", batch_size=4, quiet=True
    )
    assert len(CALLS) - n_calls == 2 + 2
    assert_same_trees(whole, resumed)
    assert read_files(tmp_path / "a.zarr") == read_files(tmp_path / "b.zarr")


def test_a_stimulus_that_disappears_half_way_is_named_and_can_come_back(tmp_path, rng):
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(9):
        Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).save(folder / f"i{i}.png")
    stimuli = nl.load_stimuli(folder, transform=nl.ImageTransform(resize=5, crop=5))
    missing = folder / "i7.png"
    content = missing.read_bytes()

    calls = itertools.count(1)

    class Deletes(Net):
        def forward(self, x):
            if next(calls) == 4:
                missing.unlink(missing_ok=True)
            return super().forward(x)

    with pytest.raises(
        InputError, match=r"stimulus file .*i7.png' does not exist any more; restore it"
    ):
        nl.extract_activations(
            Deletes(), stimuli, store=tmp_path / "a.zarr", batch_size=3, quiet=True
        )
    missing.write_bytes(content)
    tree = nl.extract_activations(
        Net(), stimuli, store=tmp_path / "b.zarr", batch_size=3, quiet=True
    )
    assert tree["fc/linear"]["activation"].shape == (9, 5)


@pytest.mark.parametrize("is_direct", [False, True])
def test_large_chunks_are_stored_in_either_way(is_direct, tmp_path, monkeypatch, rng):
    monkeypatch.setattr(DiskWriter, "_choose", lambda writer: is_direct)
    monkeypatch.setattr(disk, "PIECE_BYTES", 2**20 + disk.ALIGNMENT)
    written = []
    write = DiskWriter.write

    def note(writer, path, *parts):
        written.append(sum(map(len, parts)))
        write(writer, path, *parts)

    monkeypatch.setattr(DiskWriter, "write", note)
    pictures = nl.load_stimuli(rng.standard_normal((5, 3, 96, 101)).astype(np.float32))
    path = tmp_path / "a.zarr"
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU()).eval()
    stored = nl.extract_activations(net, pictures, store=path, batch_size=3, quiet=True)
    chunks = [file for file in path.glob("ops/**/activation/c/*/*/*/*") if file.is_file()]
    assert sorted(written) == sorted(chunk.stat().st_size for chunk in chunks)
    assert max(written) > disk.LEAST_BYTES
    assert_same_trees(stored, nl.extract_activations(net, pictures, batch_size=3, quiet=True))


def test_a_full_disk_is_told_and_what_was_done_is_safe(stimuli, tmp_path, monkeypatch):
    path, written = tmp_path / "a.zarr", []
    original = store.write_file

    def write(file, *content, disk):
        written.append(file)
        if len(written) == 6:
            raise OSError(28, "No space left on device")
        original(file, *content, disk=disk)

    monkeypatch.setattr(store, "write_file", write)
    with pytest.raises(
        DataError, match=r"could not be written: .*No space left on device.*run the same call again"
    ):
        nl.extract_activations(Net(), stimuli, store=path, batch_size=2, quiet=True)
    monkeypatch.undo()
    resumed = nl.extract_activations(Net(), stimuli, store=path, batch_size=2, quiet=True)
    assert_same_trees(resumed, nl.extract_activations(Net(), stimuli, batch_size=2, quiet=True))


@pytest.mark.parametrize("lost", ["ops/fc", "checks/done", ""])
def test_a_store_that_is_removed_while_it_is_written_is_told(lost, stimuli, tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    flush = ActivationStore.flush

    def lose(held):
        flush(held)
        shutil.rmtree(path / lost)

    monkeypatch.setattr(ActivationStore, "flush", lose)
    with pytest.raises(DataError, match=r"could not be written: .*moved or removed while it was"):
        nl.extract_activations(Net(), stimuli, store=path, batch_size=2, quiet=True)


def test_a_store_that_is_moved_while_it_is_written_can_be_put_back(stimuli, tmp_path, monkeypatch):
    path, moved = tmp_path / "a.zarr", tmp_path / "b.zarr"
    written = []
    write = ActivationStore._write_result

    def move(held, *args):
        written.append(args)
        if len(written) == 9:
            path.rename(moved)
        write(held, *args)

    monkeypatch.setattr(ActivationStore, "_write_result", move)
    with pytest.raises(DataError, match=r"could not be written: .*moved or removed while it was"):
        nl.extract_activations(Net(), stimuli, store=path, batch_size=2, quiet=True)
    monkeypatch.undo()
    assert not path.exists()
    moved.rename(path)
    resumed = nl.extract_activations(Net(), stimuli, store=path, batch_size=2, quiet=True)
    assert_same_trees(resumed, nl.extract_activations(Net(), stimuli, batch_size=2, quiet=True))


class Logs(nn.Module):
    def forward(self, x):
        return (x.log() * 1e3).exp() * 0 + x * 1e3


def test_values_that_are_not_finite_are_kept_counted_and_reported(tmp_path):
    x = np.ones((6, 3), np.float32)
    x[2, 0] = 0
    x[4] = 200
    stimuli = nl.load_stimuli(x)
    with (
        pytest.warns(
            RuntimeWarning, match=r"hold NaN or infinite values \(kept as they are\): '/log: 1'"
        ),
        pytest.warns(RuntimeWarning, match="finite values that a narrower dtype made infinite"),
    ):
        tree = nl.extract_activations(
            Logs(), stimuli, reducer="float16", store=tmp_path / "a.zarr", quiet=True
        )
    assert np.isneginf(tree["log/activation"][2, 0])
    assert "/mul_3: 3" in tree.attrs["ops_overflowed"]
    checks = xr.open_zarr(tmp_path / "a.zarr", group="checks", consolidated=True, chunks=None)
    assert checks.n_nonfinite.sel(op="/log").values.tolist() == [0, 0, 1, 0, 0, 0]
    assert checks.n_overflowed.sel(op="/mul_3").values.tolist() == [0, 0, 0, 0, 3, 0]


class Picks(nn.Module):
    def forward(self, x):
        y = x.cos() if x.sum() > 0 else x.sin()
        return y * 2


def test_a_graph_that_changes_is_told_after_a_resume_too(tmp_path):
    x = np.ones((6, 3), np.float32)
    x[3] = -5
    stimuli = nl.load_stimuli(x)
    memory = nl.extract_activations(Picks(), stimuli, batch_size=1, quiet=True)
    stored = nl.extract_activations(
        Picks(), stimuli, batch_size=1, store=tmp_path / "a.zarr", quiet=True
    )
    assert_same_trees(memory, stored)
    assert (
        stored.attrs["changed_batches"]
        == memory.attrs["changed_batches"]
        == ["stim003: ran '/sin' where '/cos' was expected"]
    )
    again = nl.extract_activations(
        Picks(), stimuli, batch_size=1, store=tmp_path / "a.zarr", quiet=True
    )
    assert again.attrs["ops_some_stimuli_lack"] == ["/cos: 'stim003'"]
    assert again["cos"]["ran"].values.tolist() == [True, True, True, False, True, True]


@pytest.mark.parametrize("name", ["stimulus", "partial", "activation", "a@b"])
def test_modules_of_any_name_have_a_place(stimuli, tmp_path, name):
    net = nn.Sequential()
    net.add_module(name, Net())
    memory = nl.extract_activations(net, stimuli, quiet=True)
    for _ in range(2):
        stored = nl.extract_activations(net, stimuli, store=tmp_path / "a.zarr", quiet=True)
    assert_same_trees(memory, stored)


def test_a_making_that_was_cut_off_is_begun_again(stimuli, tmp_path):
    (tmp_path / "a.zarr/ops").mkdir(parents=True)
    (tmp_path / f"a.zarr/zarr.{'0' * 32}.partial").write_text("{")
    tree = nl.extract_activations(Net(), stimuli, store=tmp_path / "a.zarr", quiet=True)
    assert_same_trees(tree, nl.extract_activations(Net(), stimuli, quiet=True))


def test_who_belongs_to_a_run_that_ended_writes_nothing(stimuli, tmp_path):
    with torch.no_grad():
        plan = make_plan(Net().eval(), stimuli, RunSettings(batch_size=4, memory="1GiB"))
    held = ActivationStore(tmp_path / "a.zarr", plan, [plan.outputs])
    output = plan.outputs[0]
    step = plan.split_step(0)
    with held.hold({"made": "so"}, {}):
        worker = ActivationStore(held.path, plan, [plan.outputs], held.token).open()
        worker.write(output, step, np.ones((4, *output.kept.shape), np.float32))
        worker.flush()
        with pytest.raises(
            DataError, match="only 0 of 3 batches are done; run the same call again"
        ):
            held.finish()
    worker.write(output, step, np.zeros((4, *output.kept.shape), np.float32))
    with pytest.raises(DataError, match="has ended; nothing more is written for it"):
        worker.flush()


class Held(nn.Module):
    """A model that holds numbers outside parameters and buffers.

    They are a tensor that is registered nowhere, a numpy number, and a tensor held by the call
    only.
    """

    def __init__(self, offset=1.0, factor=2):
        super().__init__()
        self.offset, self.factor = torch.full((5,), offset), np.float32(factor)

    def forward(self, x):
        return (x * self.factor + self.offset)[..., : torch.tensor(5)]


@pytest.mark.parametrize("change", [{"offset": 3.0}, {"factor": 4}], ids=str)
def test_what_a_model_holds_unregistered_is_part_of_how_a_store_was_made(stimuli, tmp_path, change):
    nl.extract_activations(Held(), stimuli, store=tmp_path / "a.zarr", quiet=True)
    nl.extract_activations(Held(), stimuli, store=tmp_path / "a.zarr", quiet=True)
    with pytest.raises(
        DataError, match="model holds beside its weights differ|ops that the model runs differ"
    ):
        nl.extract_activations(Held(**change), stimuli, store=tmp_path / "a.zarr", quiet=True)


def test_conjugate_views_are_written_as_their_values(tmp_path):
    class Conjugates(nn.Module):
        def forward(self, x):
            return torch.fft.fft(x).conj().imag

    x = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    tree = nl.extract_activations(
        Conjugates(), nl.load_stimuli(x), store=tmp_path / "a.zarr", quiet=True
    )
    np.testing.assert_allclose(tree["imag/activation"], -np.fft.fft(x).imag, atol=1e-5)


SCRIPT = textwrap.dedent(
    """
    import os, sys
    import numpy as np, torch, zarr
    torch.set_num_threads(1)
    import neurolens as nl
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(inplace=True), torch.nn.Flatten())
    x = np.random.default_rng(0).standard_normal((400, 3, 8, 8)).astype(np.float32)
    stimuli = nl.load_stimuli(x)
    nl.extract_activations(net, stimuli.select(stimuli.ids[:4]), quiet=True)
    for path in sys.stdin:
        child = os.fork()
        if not child:
            nl.extract_activations(net, stimuli, store=path.strip(), batch_size=2, quiet=True)
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    """
)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9")
def test_twenty_kills_leave_the_bytes_of_an_uninterrupted_run(tmp_path):
    """A process that imported everything once forks for each run, so that twenty runs are fast."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=-1, stdout=-1, text=True, bufsize=1
    ) as parent:

        def count_batches(path):
            """A file that is still being written has another ending, and does not count."""
            done = path / "checks/done/c/0"
            return sum(file.name.isdigit() for file in done.iterdir()) if done.exists() else 0

        def run(path, n_batches=None, seconds=0.0):
            """Run to the end, or kill a while after so many batches are done."""
            parent.stdin.write(f"{path}\n")
            child = int(parent.stdout.readline())
            while n_batches is not None:
                with contextlib.suppress(ProcessLookupError):
                    if count_batches(path) < n_batches:
                        os.kill(child, 0)
                        time.sleep(0.001)
                        continue
                    time.sleep(seconds)
                    os.kill(child, signal.SIGKILL)
                break
            return int(parent.stdout.readline())

        whole, path, states, ends = tmp_path / "whole.zarr", tmp_path / "killed.zarr", [], []
        began = time.monotonic()
        assert run(whole) == 0
        length = time.monotonic() - began
        n_batches = count_batches(whole)
        chance = random.Random(0)
        for k in range(20):
            place = min(count_batches(path) + (k % 2), n_batches - 1)
            ends.append(run(path, place, chance.uniform(0, 0.02) * length))
            states.append(count_batches(path))
        assert ends.count(-signal.SIGKILL) >= 10
        assert set(ends) <= {0, -signal.SIGKILL}
        assert len(set(states)) > 4  # killed at different places, and each run continued from there
        assert states == sorted(states)
        assert run(path) == 0
        parent.stdin.close()
    assert read_files(path) == read_files(whole)


def write_provenance(path, change):
    """Change what a store says of how it was made, as another version would have written it."""
    meta = json.loads((path / "zarr.json").read_text())
    provenance = meta["attributes"]["provenance"]
    change(provenance)
    meta["attributes"][SEAL] = compute_seal(meta)
    (path / "zarr.json").write_text(json.dumps(meta))


def write_as_first_version(provenance):
    """Write the record as NeuroLens 0.1.0 wrote it."""
    provenance["versions"]["neurolens"] = "0.1.0"
    provenance["preprocessing"] = "None"
    provenance["stimuli_sha256"] = "another"
    provenance["first_stimuli_sha256"] = provenance.pop("sampled_stimuli_sha256")


def write_another_version(provenance):
    provenance["versions"]["neurolens"] = "0.1.9"
    provenance["preprocessing"] = {f"part {i}": "of a long text" for i in range(100)}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            write_as_first_version,
            "was made with something else: NeuroLens 0.1.0 wrote its record, which cannot be "
            r"compared with one of NeuroLens [\d.]+: it lacks 'sampled_stimuli_sha256' and has "
            "'first_stimuli_sha256' beside the rest. Give another store=, or remove this one",
        ),
        (
            write_another_version,
            r"was made with something else: versions: neurolens was 0.1.9, is now [\d.]+; pre",
        ),
    ],
    ids=["another form", "another version"],
)
def test_a_store_of_another_version_is_refused_and_can_be_read(stimuli, tmp_path, change, sentence):
    settings = {"store": tmp_path / "a.zarr", "batch_size": 4, "quiet": True}
    stored = nl.extract_activations(Net(), stimuli, **settings)
    write_provenance(tmp_path / "a.zarr", change)
    with pytest.raises(DataError, match=sentence):
        nl.extract_activations(Net(), stimuli, **settings)
    assert_same_trees(stored, open_activations(tmp_path / "a.zarr"))


def test_a_store_path_that_is_a_file_is_left_alone(stimuli, tmp_path):
    (tmp_path / "a.zarr").write_text("mine")
    with pytest.raises(DataError, match="exists and is not a NeuroLens store. Give another store="):
        nl.extract_activations(Net(), stimuli, store=tmp_path / "a.zarr", quiet=True)
    assert (tmp_path / "a.zarr").read_text() == "mine"
