"""TVSD, on a copy of the published layout made here: files of MATLAB 7.3, axes turned round."""

import h5py
import numpy as np
import pytest
from PIL import Image

import neurolens as nl
from neurolens.errors import DataError, LabelError, UnknownNameError

TRAIN = ["aardvark_01b", "ice_cream_02s"]
TEST = ["dog_12s", "mango_01n", "zebra_03s"]
N_REPETITIONS = 4


def plant(monkey, kind):
    """Return values as MATLAB has them: (electrode, stimulus) or (electrode, stimulus, repetition)."""
    base = 10_000.0 * (1 + ["monkeyF", "monkeyN"].index(monkey))
    electrodes = base + np.arange(1, 1025)
    if kind == "train":
        return electrodes[:, None] + np.array([0.25, 0.5])
    stimuli = np.array([100_000, 200_000, 300_000])
    return electrodes[:, None, None] + stimuli[:, None] + np.arange(N_REPETITIONS) / 8


def write_names(file, group, names):
    """Write names as MATLAB 7.3 does a field of a struct array: references to characters."""
    held = file.create_dataset(f"{group}/things_path", (len(names), 1), dtype=h5py.ref_dtype)
    for row, name in enumerate(names):
        text = f"{name.rpartition('_')[0]}\\{name}.jpg"
        codes = np.array([[ord(letter)] for letter in text], dtype="u2")
        held[row, 0] = file.create_dataset(f"#refs#/{group}{row}", data=codes).ref


def write_monkey(folder, monkey, *, train=TRAIN, test=TEST):
    root = folder / monkey
    (root / "_logs").mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "_logs/things_imgs.mat", "w") as file:
        write_names(file, "train_imgs", train)
        write_names(file, "test_imgs", test)
    numbers = np.arange(1024.0)
    with h5py.File(root / "THINGS_normMUA.mat", "w") as file:
        file["train_MUA"] = plant(monkey, "train").T
        file["test_MUA_reps"] = plant(monkey, "test").T
        file["reliab"] = np.stack([numbers, numbers + 1])
        file["oracle"] = numbers[None] / 2
        # A vector that stood the other way in MATLAB.
        file["SNR_max"] = numbers[:, None] / 4
    return root


def load(folder, **options):
    return nl.load_dataset("tvsd", folder=folder, **options)


def test_responses_are_the_planted_numbers(tmp_path):
    write_monkey(tmp_path, "monkeyF")
    brain = load(tmp_path)
    responses = brain.responses
    assert responses.sizes == {"presentation": 2 + 3 * N_REPETITIONS, "neuroid": 1024}
    assert list(responses.stimulus_id.values[:5]) == [*TRAIN, *TEST]
    assert list(responses.repetition.values) == [0, 0, *[r for r in range(4) for _ in TEST]]
    column = responses.isel(neuroid=int(np.flatnonzero(responses.electrode == 700)[0]))
    assert str(column.region.values) == "IT"
    assert int(column.array) == 11
    np.testing.assert_array_equal(column[:2], plant("monkeyF", "train")[699].astype("f4"))
    np.testing.assert_array_equal(column[2:], plant("monkeyF", "test")[699].T.ravel().astype("f4"))
    assert float(column.reliability) == 699.5
    assert float(column.oracle) == 349.5
    assert float(column.snr_max) == 174.75
    assert str(column.neuroid_id.values) == "monkeyF.0700"
    assert brain.splits["tvsd"] == {"train": TRAIN, "test": TEST}


@pytest.mark.parametrize(
    ("monkey", "region", "first", "last"),
    [
        ("monkeyF", "V1", 1, 512), ("monkeyF", "IT", 513, 832), ("monkeyF", "V4", 833, 1024),
        ("monkeyN", "V1", 1, 512), ("monkeyN", "V4", 513, 768), ("monkeyN", "IT", 769, 1024),
    ],
)  # fmt: skip
def test_regions_are_the_authors_stretches_of_electrodes(tmp_path, monkey, region, first, last):
    write_monkey(tmp_path, monkey)
    responses = load(tmp_path, regions=region, split="train").responses
    assert list(responses.electrode.values) == list(range(first, last + 1))
    assert set(responses.region.values) == {region}
    expected = plant(monkey, "train")[first - 1 : last].T
    np.testing.assert_array_equal(responses, expected.astype("f4"))


def test_both_monkeys_meet_by_stimulus_and_repetition_whatever_the_order(tmp_path):
    write_monkey(tmp_path, "monkeyF")
    write_monkey(tmp_path, "monkeyN", train=TRAIN[::-1], test=TEST[::-1])
    both = load(tmp_path, regions="V4").responses
    assert both.sizes == {"presentation": 2 + 3 * N_REPETITIONS, "neuroid": 192 + 256}
    own = load(tmp_path, subjects="monkeyN", regions="V4").responses
    keys = list(zip(both.stimulus_id.values, both.repetition.values, strict=True))
    for row in range(own.sizes["presentation"]):
        here = keys.index((own.stimulus_id.values[row], own.repetition.values[row]))
        np.testing.assert_array_equal(both[here, 192:], own[row])
    assert not np.isnan(both).any()
    assert both.subject.values[191:193].tolist() == ["monkeyF", "monkeyN"]


def test_only_what_is_asked_for_is_read(tmp_path):
    write_monkey(tmp_path, "monkeyF")
    (tmp_path / "monkeyN").mkdir()
    (tmp_path / "monkeyN/THINGS_normMUA.mat").write_bytes(b"not read")
    test = load(tmp_path, subjects="monkeyF", regions="V4", split="test")
    assert set(test.responses.stimulus_id.values) == set(TEST)
    assert test.splits["tvsd"] == {"train": [], "test": TEST}
    everything = load(tmp_path, subjects="monkeyF")
    assert test.bytes_read < everything.bytes_read
    with pytest.raises(UnknownNameError, match="no split named 'tests'. Choose one of all, train"):
        load(tmp_path, split="tests")


def test_pictures_come_along_where_there_are_any(tmp_path):
    write_monkey(tmp_path, "monkeyF")
    for number, name in enumerate([*TRAIN, *TEST]):
        path = tmp_path / f"object_images/{name.rpartition('_')[0]}/{name}.jpg"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (50 * number, 0, 0)).save(path)
    stimuli = load(tmp_path, regions="V4").stimuli
    assert list(stimuli.ids) == [*TRAIN, *TEST]
    reds = [stimuli[name][0].mean().item() for name in stimuli.ids]
    assert reds == sorted(reds)
    path.unlink()
    with pytest.raises(DataError, match="there is no object_images/zebra/zebra_03s.jpg"):
        load(tmp_path, regions="V4")


def change(path, name, value):
    with h5py.File(path, "a") as file:
        del file[name]
        if value is not None:
            file[name] = value


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("train_MUA", plant("monkeyF", "train"), r"THINGS_normMUA.mat must be \(electrode, stim"),
        ("test_MUA_reps", plant("monkeyF", "test"), r"test_MUA_reps in .*THINGS_normMUA.mat must"),
        ("train_MUA", None, "THINGS_normMUA.mat holds no array 'train_MUA'"),
        ("reliab", None, "THINGS_normMUA.mat holds no array 'reliab'"),
        ("oracle", np.zeros((1000, 1)), "oracle in .*THINGS_normMUA.mat must have 1024 electrodes"),
    ],
)
def test_responses_unlike_the_published_ones_are_named(tmp_path, name, value, problem):
    root = write_monkey(tmp_path, "monkeyF")
    change(root / "THINGS_normMUA.mat", name, value)
    with pytest.raises(DataError, match=problem):
        load(tmp_path)


def test_a_damaged_copy_is_named(tmp_path):
    with pytest.raises(DataError, match="there is no monkeyF/THINGS_normMUA.mat.*gin.g-node.org"):
        load(tmp_path)
    root = write_monkey(tmp_path, "monkeyF", test=TEST[:2])
    with pytest.raises(DataError, match="test_MUA_reps in .*THINGS_normMUA.mat must be"):
        load(tmp_path)
    write_monkey(tmp_path, "monkeyF", test=["dog_12s"] * 3)
    with pytest.raises(LabelError, match="the pictures in .*things_imgs.mat must be unique"):
        load(tmp_path)
    write_monkey(tmp_path, "monkeyF", test=[TRAIN[0], *TEST[1:]])
    with pytest.raises(DataError, match="'aardvark_01b' of monkeyF are to train and to test on"):
        load(tmp_path)
    write_monkey(tmp_path, "monkeyF", test=["nofolder", *TEST[1:]])
    with pytest.raises(
        DataError, match="things_imgs.mat names the picture .*nofolder.jpg.*, unlike"
    ):
        load(tmp_path)
    write_monkey(tmp_path, "monkeyF")
    change(root / "_logs/things_imgs.mat", "test_imgs/things_path", np.zeros((3, 1)))
    with pytest.raises(DataError, match="test_imgs/things_path in .* must be names"):
        load(tmp_path)
    (root / "_logs/things_imgs.mat").unlink()
    with pytest.raises(DataError, match="needs one file monkeyF/_logs/things_imgs.mat"):
        load(tmp_path)
