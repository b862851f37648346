"""Arrays and Datasets are read when they are used, in parts, and always as copies."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import neurolens as nl
from neurolens.errors import InputError

N = 12


class Items(Dataset):
    """A Dataset of what ``make`` returns for each position."""

    def __init__(self, make, n=N):
        self.make = make
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, row):
        if not 0 <= row < self.n:
            raise IndexError(row)
        return self.make(row)


class Counted:
    """An array that counts the entries it gives at once, and cannot be taken whole."""

    def __init__(self, values):
        self.values = values
        self.shape = values.shape
        self.dtype = values.dtype
        self.largest = 0

    def __len__(self):
        return len(self.values)

    def __getitem__(self, where):
        part = self.values[where]
        self.largest = max(self.largest, part.size)
        return part

    def __array__(self, *args, **kwargs):
        pytest.fail("taken whole")


@pytest.fixture
def values(rng):
    return rng.standard_normal((N, 5))


def make_memmap(values, folder):
    array = np.memmap(folder / "a.bin", values.dtype, "w+", shape=values.shape)
    array[:] = values
    return array


def make_hdf5(values, folder):
    h5py = pytest.importorskip("h5py")
    file = h5py.File(folder / "a.h5", "w")
    return file.create_dataset("images", data=values, chunks=(4, 5), compression="gzip")


def make_zarr(values, folder):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(folder / "a.zarr", shape=values.shape, dtype="f8", chunks=(4, 5))
    array[:] = values
    return array


SOURCES = {
    "float64": lambda values, folder: values,
    "other order of bytes": lambda values, folder: values.astype(">f8"),
    "Fortran order": lambda values, folder: np.asfortranarray(values),
    "memory map": make_memmap,
    "HDF5": make_hdf5,
    "Zarr": make_zarr,
    "tensor": lambda values, folder: torch.from_numpy(values),
    "parameter": lambda values, folder: torch.nn.Parameter(torch.from_numpy(values)),
    "sparse tensor": lambda values, folder: torch.from_numpy(values).to_sparse(),
    "Dataset": lambda values, folder: TensorDataset(torch.from_numpy(values)),
    "Dataset with labels": lambda values, folder: TensorDataset(
        torch.from_numpy(values), torch.arange(N)
    ),
    "Dataset of arrays": lambda values, folder: Items(lambda row: (values[row], f"label {row}")),
    "Dataset of lists": lambda values, folder: Items(lambda row: values[row].tolist()),
    "list of tensors": lambda values, folder: list(torch.from_numpy(values)),
    "list of pairs": lambda values, folder: [(row, 1) for row in values],
    "any array": lambda values, folder: Counted(values),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_all_sources_are_the_array_that_they_hold(kind, values, tmp_path):
    expected = torch.from_numpy(values.astype(np.float32))
    stimuli = nl.load_stimuli(SOURCES[kind](values, tmp_path))
    assert torch.equal(stimuli.read_rows(range(N)), expected)
    assert torch.equal(stimuli["stim003"], expected[3])
    chosen = stimuli.select(["stim009", "stim002"]).select(["stim002", "stim009"])
    assert torch.equal(chosen.read_rows(range(2)), expected[[2, 9]])
    assert stimuli.hash_items() == nl.load_stimuli(values).hash_items()


@pytest.mark.parametrize("kind", ["float64", "memory map", "HDF5", "Zarr", "tensor", "Dataset"])
def test_batches_share_nothing_with_the_source(kind, values, tmp_path):
    source = SOURCES[kind](values.astype(np.float64), tmp_path)
    stimuli = nl.load_stimuli(source)
    before = stimuli.hash_items()
    stimuli.read_rows(range(3)).fill_(7)
    stimuli.read_rows(range(1)).fill_(7)
    stimuli["stim001"].fill_(7)

    def overwrite(x):
        x[:] = 7
        return torch.from_numpy(x)

    stimuli.use_transform(overwrite).read_rows(range(N))
    assert stimuli.hash_items() == before


@pytest.mark.parametrize("as_tensor", [False, True])
def test_batches_of_float32_share_nothing_with_the_source(as_tensor):
    array = np.ones((N, 3), np.float32)
    for source in (torch.from_numpy(array), TensorDataset(torch.from_numpy(array)), array):
        stimuli = nl.load_stimuli(source, transform=torch.as_tensor if as_tensor else None)
        stimuli["stim001"].zero_()
        stimuli.read_rows(range(1)).zero_()
    assert array.all()


def test_arrays_are_read_in_parts():
    source = Counted(np.zeros((N, 5)))
    stimuli = nl.load_stimuli(source)
    list(stimuli.iterate_batches(4))
    stimuli.select(["stim001", "stim007"]).read_rows(range(2))
    stimuli.hash_content()
    assert source.largest <= 4 * 5


def test_an_array_is_hashed_in_blocks(values, monkeypatch):
    expected = nl.load_stimuli(values).hash_items()
    monkeypatch.setattr("neurolens.stimuli.rows._BLOCK_BYTES", 3 * 5 * 4)
    assert nl.load_stimuli(values).hash_items() == expected


@pytest.mark.parametrize("kind", ["HDF5", "Zarr", "memory map", "Dataset"])
def test_sources_go_to_other_processes(kind, values, tmp_path):
    source = SOURCES[kind](values, tmp_path)
    if kind == "HDF5":
        source.file.flush()
    stimuli = nl.load_stimuli(source)
    loader = DataLoader(
        [range(4), range(4, N)], batch_size=None, collate_fn=stimuli.read_rows, num_workers=2
    )
    assert torch.equal(torch.cat(list(loader)), stimuli.read_rows(range(N)))
    copied = pickle.loads(pickle.dumps(stimuli))
    assert torch.equal(copied.read_rows(range(N)), stimuli.read_rows(range(N)))


def test_a_file_that_was_closed_is_told(values, tmp_path):
    source = make_hdf5(values, tmp_path)
    stimuli = nl.load_stimuli(source)
    source.file.close()
    with pytest.raises(InputError, match="cannot be read any more .*Keep its file open"):
        stimuli.read_rows(range(2))
    with pytest.raises(InputError, match="the file of the HDF5 array is closed; open it"):
        nl.load_stimuli(source)


def test_whole_numbers_stay_whole():
    tokens = torch.arange(12).reshape(3, 4)
    for source in (tokens, list(tokens), TensorDataset(tokens), tokens.numpy()):
        batch = nl.load_stimuli(source).read_rows(range(3))
        assert batch.dtype == torch.int64
        assert torch.equal(batch, tokens)


@pytest.mark.parametrize("kind", ["PIL", "array", "pairs"])
def test_pictures_in_datasets_are_shown_as_such(kind, rng):
    pixels = rng.integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    make = {
        "PIL": lambda row: Image.fromarray(pixels[row]),
        "array": lambda row: pixels[row],
        "pairs": lambda row: (Image.fromarray(pixels[row]), row),
    }[kind]
    stimuli = nl.load_stimuli(Items(make, 3))
    assert torch.equal(stimuli.read_rows(range(3)), nl.load_stimuli(pixels).read_rows(range(3)))
    assert stimuli.preprocessing.parts["pictures"].startswith("turned as EXIF says, transparent")


def test_transparent_pictures_in_datasets_are_composed():
    clear = Image.new("RGBA", (8, 8), (9, 9, 9, 0))
    stimuli = nl.load_stimuli(Items(lambda row: clear, 2), transform=None, background=(1, 2, 3))
    assert stimuli["stim000"][0, 0].tolist() == [1, 2, 3]


def test_a_dataset_that_is_random_is_refused(rng):
    with pytest.raises(InputError, match="the Items gives another first stimulus each time"):
        nl.load_stimuli(Items(lambda row: torch.from_numpy(rng.standard_normal(3))))
    noise = Items(lambda row: Image.fromarray(rng.integers(0, 255, (4, 4)).astype(np.uint8)))
    with pytest.raises(InputError, match="the Items gives another first stimulus each time"):
        nl.load_stimuli(noise)


def test_an_item_that_fails_is_named():
    def make(row):
        if row == 2:
            raise KeyError("gone")
        return torch.ones(3)

    stimuli = nl.load_stimuli(Items(make))
    with pytest.raises(
        InputError, match="stimulus 2 of the Items cannot be read .KeyError: 'gone'"
    ):
        stimuli.read_rows(range(4))


class Stream(IterableDataset):
    def __iter__(self):
        return iter([torch.ones(3)])


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (DataLoader(TensorDataset(torch.ones(3, 2))), r"Type load_stimuli\(loader.dataset\)"),
        (Stream(), "Pass a Dataset whose items have numbers"),
        (Items(lambda row: {1, 2}), "stimulus 0 must be an array, .* got set"),
        (Items(lambda row: [torch.ones(2), "a"]), "got a list of Tensor, str"),
        (Items(lambda row: np.array(["a"])), "must hold numbers, got <U1"),
        (Items(lambda row: np.ones((4, 4), np.uint8)), "uint8 arrays are read as pictures"),
        (np.ma.masked_array(np.ones((2, 2)), np.eye(2)), "has masked values. Fill them"),
        ([Image.new("RGB", (2, 2)), "a.png"], "begins with pictures must hold pictures only"),
        (["a.png", Image.new("RGB", (2, 2))], "begins with paths of files must hold"),
        ([], "the stimulus set is empty"),
        (pd.Series(["a.png"]), "these stimulus files do not exist: 'a.png'"),
    ],
    ids=lambda _: "",
)
def test_sources_that_cannot_be_shown(source, sentence):
    with pytest.raises(InputError, match=sentence):
        nl.load_stimuli(source)


def test_groups_of_arrays_ask_for_one_of_them(values, tmp_path):
    group = make_hdf5(values, tmp_path).file
    with pytest.raises(InputError, match=r"got File. Type load_stimuli\(...\) of one array in it"):
        nl.load_stimuli(group)


def test_stimuli_of_two_dtypes_are_refused():
    stimuli = nl.load_stimuli([torch.ones(3), torch.arange(3)])
    with pytest.raises(InputError, match="must have one dtype, got 'torch.float32', 'torch.int64'"):
        stimuli.read_rows(range(2))


def test_the_usual_transform_names_an_array_that_is_no_picture():
    stimuli = nl.load_stimuli(np.ones((2, 3), np.float32), transform=nl.ImageTransform())
    with pytest.raises(InputError, match="ImageTransform takes pictures, and 'stim000' is an arr"):
        stimuli["stim000"]


def test_a_selection_of_several_inputs_says_what_is_done_to_its_pictures(tmp_path):
    modes = ("L", "RGBA", "L")
    for i, mode in enumerate(modes):
        Image.new(mode, (4 + i, 4)).save(tmp_path / f"{i}.png")
    files = sorted(tmp_path.iterdir())
    stimuli = nl.load_stimuli({"x": files, "n": np.arange(3)}, ids=["a", "b", "c"])
    assert stimuli.select(["b", "a"]).preprocessing == stimuli.preprocessing
    chosen = stimuli.select(["c", "b"]).select(["c"])
    assert "pictures of L, 8 bits" in chosen.preprocessing.parts
    assert "pictures of RGBA, 8 bits, with alpha" not in chosen.preprocessing.parts
    assert int(chosen["c"]["n"]) == 2
    assert torch.equal(chosen["c"]["x"], stimuli["c"]["x"])
    assert chosen.hash_each() == [stimuli.hash_each()[2]]
