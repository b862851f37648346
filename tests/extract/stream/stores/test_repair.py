"""Damage of finished stores: told when they are read, and computed again by the same call."""

import itertools
import json
import os
import pickle
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import DataError, InputError
from neurolens.extract import Subsample, open_activations


class Picks(nn.Module):
    """A layer, an op that gives zeros for some stimuli, and one that only others run."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        y = self.fc(torch.relu(x))
        return y.cos() if x.sum() > 0 else y


SETTINGS = {"batch_size": 4, "reducer": Subsample(3), "quiet": True}


@pytest.fixture
def stimuli(rng):
    x = rng.standard_normal((9, 6)).astype(np.float32)
    x[:4] = np.abs(x[:4])
    x[4:] = -np.abs(x[4:])
    return nl.load_stimuli(x, ids=[f"s{i}" for i in range(9)])


def read_files(path):
    return {p.relative_to(path): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def assert_same_values(a, b):
    assert [node.path for node in a.subtree] == [node.path for node in b.subtree]
    for node in a.subtree:
        assert node.to_dataset().identical(b[node.path].to_dataset())


def delete(file):
    file.unlink()


def truncate(file):
    file.write_bytes(file.read_bytes()[:-3])


def empty(file):
    file.write_bytes(b"")


def flip_bit(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


DAMAGES = [delete, truncate, empty, flip_bit]


def extract(stimuli, path, model=None, **settings):
    """Return the activations, and the warnings that speak of damage."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tree = nl.extract_activations(
            Picks() if model is None else model, stimuli, store=path, **{**SETTINGS, **settings}
        ).load()
    return tree, [str(one.message) for one in caught if "was damaged" in str(one.message)]


@pytest.mark.slow
def test_damage_of_any_file_is_told_or_harmless_and_the_same_call_repairs_it(stimuli, tmp_path):
    truth, told = extract(stimuli, tmp_path / "whole.zarr", ops="/cos")
    assert not told
    whole = read_files(tmp_path / "whole.zarr")
    names = [name for name in whole if "parts" not in name.parts]
    for name, damage in zip(names, itertools.cycle(DAMAGES), strict=False):
        path = tmp_path / "a.zarr"
        shutil.copytree(tmp_path / "whole.zarr", path)
        damage(path / name)
        try:
            assert_same_values(open_activations(path).load(), truth)
        except DataError as error:
            if "damaged" not in str(error):
                raise
        repaired, told = extract(stimuli, path, ops="/cos")
        assert len(told) == 1, (name, damage)
        assert_same_values(repaired, truth)
        assert read_files(path) == whole, (name, damage)
        shutil.rmtree(path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_chunk_is_an_error_that_names_the_op_and_the_stimuli(stimuli, tmp_path, damage):
    path = tmp_path / "a.zarr"
    truth, _ = extract(stimuli, path)
    damage(path / "ops/fc/linear/activation/c/1/0")
    tree = open_activations(path)
    held = tree["fc/linear/activation"]
    np.testing.assert_array_equal(held[:4], truth["fc/linear/activation"][:4])
    match = (
        "is damaged: 'fc/linear' for stimuli 's4' to 's7' cannot be read, the file "
        "ops/fc/linear/activation/c/1/0 .*Run the same extract_activations call again"
    )
    with pytest.raises(DataError, match=match):
        _ = pickle.loads(pickle.dumps(held)).values
    with pytest.raises(DataError, match=match):
        _ = held.values
    with pytest.raises(DataError, match=match):
        tree.load()
    repaired, told = extract(stimuli, path)
    assert "'fc/linear' for stimuli 's4' to 's7' (the file" in told[0]
    assert "what was damaged is computed again" in told[0]
    assert_same_values(repaired, truth)


def test_chunks_of_zeros_are_written_so_that_a_missing_one_is_known(stimuli, tmp_path):
    path = tmp_path / "a.zarr"
    tree, _ = extract(stimuli, path)
    assert not tree["relu/activation"][4:].any()
    (path / "ops/relu/activation/c/1/0").unlink()
    with pytest.raises(DataError, match="'/relu' for stimuli 's4' to 's7' cannot be read.*missing"):
        open_activations(path).load()


def test_damaged_headers_and_labels_are_told_on_opening(stimuli, tmp_path):
    path = tmp_path / "a.zarr"
    truth, _ = extract(stimuli, path)
    header = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(header.replace('"s0', '"s1').replace("float32", "float16"))
    with pytest.raises(DataError, match="damaged: its header zarr.json has changed since"):
        open_activations(path)
    (path / "zarr.json").write_text(header[:400])
    with pytest.raises(DataError, match="damaged or not a NeuroLens store: its header zarr.json"):
        open_activations(path)
    (path / "zarr.json").write_text(header)
    flip_bit(path / "ops/stimulus/c/0")
    with pytest.raises(DataError, match="the ids of the stimuli cannot be read"):
        open_activations(path)
    repaired, _ = extract(stimuli, path)
    assert_same_values(repaired, truth)
    for name in ("zarr.json", "checks/zarr.json"):
        truncate(path / name)
    with pytest.raises(DataError, match="exists and is not a NeuroLens store"):
        extract(stimuli, path)


def test_only_what_is_damaged_is_computed_again(stimuli, tmp_path):
    calls = []

    class Counts(Picks):
        def forward(self, x):
            calls.append(1)
            return super().forward(x)

    path = tmp_path / "a.zarr"
    extract(stimuli, path, Counts())
    calls.clear()
    extract(stimuli, path, Counts())
    planning = len(calls)
    flip_bit(path / "ops/fc/linear/activation/c/0/0")
    extract(stimuli, path, Counts())
    assert len(calls) - planning == planning + 1


CALLS_LEFT = []


class Stops(Picks):
    """Is interrupted in the last of the calls that are left, if any are counted."""

    def forward(self, x):
        if CALLS_LEFT:
            CALLS_LEFT.pop()
            if not CALLS_LEFT:
                raise KeyboardInterrupt
        return super().forward(x)


def test_damage_of_a_store_that_is_not_finished_is_repaired_too(stimuli, tmp_path):
    extract(stimuli, tmp_path / "whole.zarr", Stops(), ops="fc")
    CALLS_LEFT[:] = [None] * 6  # four of planning, one batch, and one that ends
    path = tmp_path / "a.zarr"
    with pytest.raises(KeyboardInterrupt):
        extract(stimuli, path, Stops(), ops="fc")
    assert not CALLS_LEFT
    chunk = path / "ops/fc/linear/activation/c/0/0"
    assert chunk.exists()
    chunk.unlink()
    (path / "ops/fc/zarr.json").unlink()
    _, told = extract(stimuli, path, Stops(), ops="fc")
    assert "the header of the ops; 'fc/linear' for stimuli 's0' to 's3'" in told[0]
    assert read_files(path) == read_files(tmp_path / "whole.zarr")


def test_files_of_the_user_stay(stimuli, tmp_path):
    path = tmp_path / "a.zarr"
    extract(stimuli, path)
    mine = ["notes.txt", "my.partial", "ops/notes.txt", "ops/fc/linear/activation/c/mine.partial"]
    for name in mine:
        (path / name).write_text("mine")
    (path / "folder").mkdir()
    flip_bit(path / "ops/fc/linear/activation/c/0/0")
    extract(stimuli, path)
    (path / "zarr.json").unlink()
    extract(stimuli, path)
    assert [(path / name).read_text() for name in mine] == ["mine"] * len(mine)
    assert (path / "folder").is_dir()


def test_a_making_that_was_cut_off_takes_nothing_of_the_users_along(stimuli, tmp_path):
    path = tmp_path / "a.zarr"
    extract(stimuli, path, ops="fc")
    truth, _ = extract(stimuli, tmp_path / "b.zarr")
    header = (path / "checks/zarr.json").read_text()
    (path / "zarr.json").write_text(header[: header.index(",")] + '}, "zarr_format": 3}')
    (path / "ops/fc/notes.txt").write_text("mine")
    tree, told = extract(stimuli, path)
    assert not told
    assert_same_values(tree, truth)
    assert (path / "ops/fc/notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["my.partial", "ops/zarr.json", "zarr.json.partial"])
def test_a_folder_with_somebody_elses_files_is_refused(stimuli, tmp_path, name):
    file = tmp_path / "a.zarr" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(DataError, match="exists and is not a NeuroLens store"):
        extract(stimuli, tmp_path / "a.zarr")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("suffix", [".run", ".lock"])
def test_files_beside_the_store_are_not_overwritten(stimuli, tmp_path, suffix):
    file = tmp_path / f"a.zarr{suffix}"
    file.write_text("mine")
    with pytest.raises(
        DataError, match="is needed while the store is written, and holds something"
    ):
        extract(stimuli, tmp_path / "a.zarr")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("address", ["s3://bucket/acts.zarr", "gs://a", Path("s3://bucket/a")])
def test_addresses_are_refused_and_no_folder_of_that_name_is_made(
    stimuli, tmp_path, monkeypatch, address
):
    monkeypatch.chdir(tmp_path)
    for call in (lambda: extract(stimuli, address), lambda: open_activations(address)):
        with pytest.raises(InputError, match="must be a folder on this machine's disks, got the"):
            call()
    assert not list(tmp_path.iterdir())


def test_a_finished_store_is_returned_where_nothing_can_be_written(stimuli, tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    truth, _ = extract(stimuli, path)
    Path(f"{path}.lock").unlink()

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Read-only file system")

    writing = (os.O_WRONLY, os.O_RDWR)
    original = os.open

    def open_to_read(file, flags, *args, **kwargs):
        if flags & (writing[0] | writing[1]):
            refuse(None)
        return original(file, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", open_to_read)
    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(Path, "write_bytes", refuse)
    tree, _ = extract(stimuli, path)
    assert_same_values(tree, truth)
    monkeypatch.undo()
    flip_bit(path / "ops/fc/linear/activation/c/0/0")
    monkeypatch.setattr(os, "open", open_to_read)
    with pytest.raises(
        DataError, match=r"is damaged \('fc/linear' for stimuli 's0' to 's3'.* cannot be written"
    ):
        extract(stimuli, path)


def test_stores_of_the_first_version_are_read_and_not_continued(stimuli, tmp_path):
    path = tmp_path / "a.zarr"
    truth, _ = extract(stimuli, path)
    make_earlier(path)
    assert_same_values(open_activations(path).load(), truth)
    with pytest.raises(DataError, match="written by an earlier version of NeuroLens, whose stores"):
        extract(stimuli, path)
    truncate(path / "ops/fc/linear/activation/c/1/0")
    with pytest.raises(DataError, match=r"'fc/linear' for stimuli 's4' to 's7'.* has 45 bytes"):
        open_activations(path).load()


def make_earlier(path):
    """Turn a store into one of the first version: no checksums, no seal."""
    for file in path.rglob("c/**/*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:-4])
    for file in path.rglob("zarr.json"):
        header = json.loads(file.read_text(), object_hook=strip_checksum)
        header["attributes"].pop("sha256", None)
        if "format" in header["attributes"]:
            header["attributes"]["format"] = "neurolens-activations-1"
        file.write_text(json.dumps(header))


def strip_checksum(header):
    if "codecs" in header:
        header["codecs"] = [one for one in header["codecs"] if one["name"] != "crc32c"]
    return header
