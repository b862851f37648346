"""Arrays in HDF5 files: only rows that are used are read, in any process."""

import pickle

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader

import neurolens as nl
from neurolens.errors import InputError, UnknownNameError
from neurolens.stimuli.sources.bricks import Brick

N = 40


@pytest.fixture
def pixels(rng):
    return rng.integers(0, 256, (N, 6, 5, 3)).astype(np.uint8)


@pytest.fixture
def path(tmp_path, pixels):
    """A file laid out as the pictures of the Natural Scenes Dataset are."""
    with h5py.File(tmp_path / "stimuli.hdf5", "w") as file:
        file.create_dataset("imgBrick", data=pixels, chunks=(1, 6, 5, 3))
        file["note"] = "pictures"
    return tmp_path / "stimuli.hdf5"


def test_pictures_are_those_of_the_array(path, pixels):
    for source in (f"{path}::imgBrick", str(path), path):
        stimuli = nl.load_stimuli(source, transform=None)
        assert np.array_equal(stimuli.read_rows(range(N)), pixels)
    usual = nl.load_stimuli(f"{path}::imgBrick").read_rows(range(2))
    assert torch.equal(usual, nl.load_stimuli(pixels).read_rows(range(2)))
    assert stimuli.hash_items() == nl.load_stimuli(pixels).hash_items()


def test_ids_and_metadata_by_id(path, pixels):
    ids = [f"nsd{i:05d}" for i in range(N)]
    table = pd.DataFrame({"shared": np.arange(N) % 2 == 0}, index=ids[::-1])
    stimuli = nl.load_stimuli(f"{path}::imgBrick", ids=ids, metadata=table, transform=None)
    assert not stimuli.metadata.shared["nsd00000"]
    assert np.array_equal(stimuli["nsd00007"], pixels[7])
    with pytest.raises(InputError, match="40 stimuli but 3 ids; pass one id per stimulus"):
        nl.load_stimuli(f"{path}::imgBrick", ids=ids[:3])


def test_a_selection_reads_its_rows_alone(path, pixels, monkeypatch):
    seen = []
    plain = Brick.__getitem__

    def note(brick, where):
        seen.append(where)
        return plain(brick, where)

    monkeypatch.setattr(Brick, "__getitem__", note)
    chosen = nl.load_stimuli(path, transform=None).select(["stim031", "stim004"])
    seen.clear()
    assert np.array_equal(chosen.read_rows(range(2)), pixels[[31, 4]])
    chosen.hash_content()
    chosen.hash_each()
    chosen._repr_html_()
    assert set(seen) == {31, 4}


def test_rows_in_order_are_read_at_once(path, monkeypatch):
    stimuli = nl.load_stimuli(path, transform=None)
    seen = []
    plain = Brick.__getitem__
    monkeypatch.setattr(Brick, "__getitem__", lambda b, w: seen.append(w) or plain(b, w))
    stimuli.read_rows(range(8, 16))
    assert seen[-1] == slice(8, 16)


def test_other_processes_open_the_file_for_themselves(path, pixels):
    stimuli = nl.load_stimuli(path, transform=None)
    stimuli["stim000"]
    loader = DataLoader(
        [range(20), range(20, N)], batch_size=None, collate_fn=stimuli.read_rows, num_workers=2
    )
    assert np.array_equal(torch.cat(list(loader)), pixels)
    copied = pickle.loads(pickle.dumps(stimuli))
    assert np.array_equal(copied["stim003"], pixels[3])


def test_a_process_that_was_forked_opens_its_own_file(path, monkeypatch):
    brick = Brick(path, "imgBrick")
    first = brick._open()
    assert brick._open() is first
    monkeypatch.setattr("neurolens.stimuli.sources.bricks.os.getpid", lambda: -1)
    assert brick._open() is not first


def test_a_run_goes_on_where_it_ended(path, tmp_path):
    net = torch.nn.Flatten()
    stimuli = nl.load_stimuli(path, transform=lambda x: torch.from_numpy(np.array(x)).float())
    for _ in range(2):
        acts = nl.extract_activations(net, stimuli, store=tmp_path / "a.zarr", quiet=True)
    found = acts[acts.attrs["ops"][0]].activation
    assert np.array_equal(found.values[3], stimuli["stim003"].flatten())


def test_an_array_that_is_passed_is_read_the_same(path, pixels):
    with h5py.File(path) as file:
        stimuli = nl.load_stimuli(file["imgBrick"], transform=None)
        assert np.array_equal(stimuli["stim009"], pixels[9])


def test_names_that_are_not_there(path):
    with pytest.raises(UnknownNameError, match="no array in .*named 'imgbrick'. Closest: 'imgBri"):
        nl.load_stimuli(f"{path}::imgbrick")
    with h5py.File(path, "a") as file:
        file["other/images"] = np.zeros((3, 4))
    with pytest.raises(InputError, match="holds 2 arrays that may be stimuli: 'imgBrick', 'other/"):
        nl.load_stimuli(path)
    assert len(nl.load_stimuli(f"{path}::other/images")) == 3
    with pytest.raises(InputError, match="no file 'no.h5'; the array in it is named behind '::'"):
        nl.load_stimuli("no.h5::a")


def test_a_file_that_was_cut_short_is_named(path):
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"stimuli.hdf5' cannot be read as HDF5 \(.*cut short"):
        nl.load_stimuli(path)
