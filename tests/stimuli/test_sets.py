"""Stimuli: ids, files, preprocessing, and every way they can be wrong."""

import functools
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torchvision import transforms

import neurolens as nl
from neurolens.errors import InputError, LabelError, UnknownNameError


@pytest.fixture
def folder(tmp_path, rng):
    for name in ("b_dog", "a_cat", "c_car"):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3)).astype(np.uint8)).save(
            tmp_path / f"{name}.png"
        )
    return tmp_path


def test_a_folder_gives_ids_from_sorted_file_names(folder):
    stimuli = nl.load_stimuli(folder)
    assert stimuli.ids == ("a_cat", "b_dog", "c_car")
    [(ids, batch)] = stimuli.iterate_batches(3)
    assert ids == stimuli.ids
    assert batch.shape == (3, 3, 224, 224)
    assert batch.dtype == torch.float32


def test_the_default_preprocessing_is_torchvisions(folder):
    import torchvision

    preset = torchvision.models.get_model_weights("resnet18").IMAGENET1K_V1.transforms()
    ours, theirs = (
        nl.load_stimuli(folder)["a_cat"],
        nl.load_stimuli(folder, transform=preset)["a_cat"],
    )
    torch.testing.assert_close(ours, theirs)


def test_a_broken_image_is_named(folder):
    (folder / "d_broken.png").write_bytes(b"not a png")
    with pytest.raises(
        InputError, match=r"d_broken.png' cannot be read as an image.*move it out of the folder"
    ):
        nl.load_stimuli(folder)


def test_an_image_cut_short_is_found_when_it_is_read(folder):
    path = folder / "a_cat.png"
    stimuli = nl.load_stimuli(folder)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"a_cat.png' cannot be read as an image"):
        list(stimuli.iterate_batches(2))
    path.unlink()
    with pytest.raises(InputError, match=r"a_cat.png' does not exist any more; restore it"):
        list(stimuli.iterate_batches(2))


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_an_image_that_was_cut_short_is_found_when_stimuli_are_loaded(folder, suffix, share, rng):
    path = folder / f"d_cut.{suffix}"
    Image.fromarray(rng.integers(0, 255, (60, 50, 3)).astype(np.uint8)).save(path)
    assert "d_cut" in nl.load_stimuli(folder).ids
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        InputError, match=rf"d_cut.{suffix}' cannot be read as an image.*Repair it or move it"
    ):
        nl.load_stimuli(folder)


@pytest.mark.parametrize("tail", [b"\0\0\r\n", b"a note", bytes(9000)])
def test_what_stands_behind_a_whole_jpeg_does_no_harm(folder, tail, rng):
    path = folder / "d_whole.jpg"
    Image.fromarray(rng.integers(0, 255, (60, 50, 3)).astype(np.uint8)).save(path)
    with path.open("ab") as file:
        file.write(tail)
    assert nl.load_stimuli(folder)["d_whole"].shape == (3, 224, 224)


def test_a_picture_damaged_inside_is_found_when_it_is_read(folder, rng):
    """A TIFF is opened by its header; what its rows hold is seen only when they are decoded."""
    path = folder / "d_damaged.tiff"
    Image.fromarray(rng.integers(0, 255, (60, 50, 3)).astype(np.uint8)).save(
        path, compression="tiff_lzw"
    )
    content = bytearray(path.read_bytes())
    content[200:5000] = b"\xff" * 4800
    path.write_bytes(content)
    stimuli = nl.load_stimuli(folder)
    with pytest.raises(InputError, match=r"d_damaged.tiff' cannot be read as an image"):
        stimuli["d_damaged"]


@pytest.mark.parametrize(
    ("n", "batch_size", "edges"),
    [
        (1, 4, [0, 1]),
        (2, 1, [0, 1, 2]),
        (4, 4, [0, 4]),
        (5, 4, [0, 5]),
        (9, 4, [0, 4, 9]),
        (10, 4, [0, 4, 8, 10]),
        (3, 2, [0, 3]),
        (5, 2, [0, 2, 5]),
        (3, 50, [0, 3]),
    ],
)
def test_a_last_batch_of_one_joins_the_one_before(n, batch_size, edges):
    stimuli = nl.load_stimuli(np.zeros((n, 2), np.float32))
    expected = [range(start, stop) for start, stop in itertools.pairwise(edges)]
    assert stimuli.split_rows(batch_size) == expected


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True, "4"])
def test_a_batch_size_that_cannot_be_used_is_refused(batch_size):
    stimuli = nl.load_stimuli(np.zeros((3, 2), np.float32))
    with pytest.raises(InputError, match="batch_size must be a whole number, at least 1, got"):
        stimuli.split_rows(batch_size)


def test_duplicate_ids_are_named(folder):
    with pytest.raises(LabelError, match=r"stimulus ids must be unique, but these repeat: 'x'"):
        nl.load_stimuli(folder, ids=["x", "y", "x"])
    Image.new("RGB", (8, 8)).save(folder / "a_cat.jpg")
    with pytest.raises(LabelError, match="these repeat: 'a_cat'"):
        nl.load_stimuli(folder)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no/such/folder", "no folder 'no/such/folder'"),
        (["x.png"], "these stimulus files do not exist: 'x.png'"),
        (np.ones(3), r"needs them along its first axis, got shape \(3,\)"),
        (np.ones((0, 3, 4, 4)), "the stimulus set is empty"),
    ],
)
def test_sources_that_hold_nothing_are_refused(source, message):
    with pytest.raises(InputError, match=message):
        nl.load_stimuli(source)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no images, sounds or videos in"):
        nl.load_stimuli(tmp_path)


def test_images_of_different_sizes_need_a_transform(tmp_path):
    for i, size in enumerate([8, 9]):
        Image.new("RGB", (size, size)).save(tmp_path / f"{i}.png")
    with pytest.raises(InputError, match=r"must have one shape.*Pass transform="):
        list(nl.load_stimuli(tmp_path, transform=None).iterate_batches(2))


def test_metadata_follows_the_ids(folder):
    table = pd.DataFrame({"kind": ["car", "cat", "dog"]}, index=["c_car", "a_cat", "b_dog"])
    assert list(nl.load_stimuli(folder, metadata=table).metadata.kind) == ["cat", "dog", "car"]
    with pytest.raises(InputError, match="exactly one row per stimulus id; without a row: 'c_car'"):
        nl.load_stimuli(folder, metadata=table.drop("c_car"))


def test_select_keeps_the_asked_order(folder):
    stimuli = nl.load_stimuli(folder).select(["c_car", "a_cat"])
    assert stimuli.ids == ("c_car", "a_cat")
    with pytest.raises(UnknownNameError, match="no stimulus named 'a_cap'. Closest: 'a_cat'"):
        stimuli.select(["a_cap"])


def test_the_hash_follows_content_ids_and_preprocessing(rng):
    x = rng.standard_normal((3, 2, 4)).astype(np.float32)
    base = nl.load_stimuli(x).hash_content()
    assert nl.load_stimuli(x.copy()).hash_content() == base
    assert nl.load_stimuli(x, ids=list("abc")).hash_content() != base
    assert nl.load_stimuli(x + 1).hash_content() != base
    pictures = rng.integers(0, 255, (2, 8, 8, 3)).astype(np.uint8)
    stimuli = nl.load_stimuli(pictures)
    assert (
        stimuli.use_transform(nl.ImageTransform(crop=200)).hash_content() != stimuli.hash_content()
    )


def scale(x, factor=1.0):
    return torch.as_tensor(x) * factor


def make_scaler(factor):
    return lambda x: torch.as_tensor(x) * factor


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (make_scaler(1.0), make_scaler(2.0)),
        (functools.partial(scale, factor=1.0), functools.partial(scale, factor=2.0)),
        (transforms.Lambda(make_scaler(1.0)), transforms.Lambda(make_scaler(2.0))),
        (
            transforms.Compose([transforms.Normalize([0], [1])]),
            transforms.Compose([transforms.Normalize([0], [2])]),
        ),
    ],
    ids=["closure", "partial", "lambda in an object", "object in an object"],
)
def test_preprocessing_is_told_apart_by_what_it_holds(one, other):
    x = nl.load_stimuli(np.ones((2, 3), np.float32), transform=one)
    assert x.hash_content() == x.use_transform(one).hash_content()
    assert x.hash_content() != x.use_transform(other).hash_content()


@pytest.mark.parametrize("how", ["sorted in place", "sorted and assigned"])
def test_metadata_that_were_sorted_stay_with_their_stimuli(how):
    kinds = pd.DataFrame({"kind": ["z", "y", "x"]}, index=["a", "b", "c"])
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    stimuli = nl.load_stimuli(values, ids=["a", "b", "c"], metadata=kinds)
    ordered = stimuli.metadata.sort_values("kind")
    if how == "sorted and assigned":
        stimuli.metadata = ordered
    else:
        held = stimuli.metadata
        held[:] = ordered.to_numpy()
        held.index = ordered.index
    assert list(stimuli.metadata.index) == ["a", "b", "c"]
    results = nl.extract_activations(torch.nn.Flatten(), stimuli, quiet=True)
    [node] = [node for node in results.subtree if "kind" in node.coords and node.data_vars]
    found = dict(zip(node.stimulus.values.tolist(), node["kind"].values.tolist(), strict=True))
    assert found == {"a": "z", "b": "y", "c": "x"}
    assert stimuli.select(["c", "a"]).metadata.kind.tolist() == ["x", "z"]


def test_metadata_can_be_changed_and_are_checked():
    kinds = pd.DataFrame({"kind": ["z", "y"]}, index=["a", "b"])
    stimuli = nl.load_stimuli(np.zeros((2, 3), np.float32), ids=["a", "b"], metadata=kinds)
    stimuli.metadata["size"] = [1, 2]
    assert list(stimuli.metadata.columns) == ["kind", "size"]
    assert list(kinds.columns) == ["kind"]
    with pytest.raises(InputError, match=r"must be a DataFrame indexed by stimulus id, got list"):
        stimuli.metadata = ["z", "y"]
    with pytest.raises(InputError, match=r"one row per stimulus id; without a row: 'a', 'b'"):
        stimuli.metadata = kinds.reset_index()
    stimuli.metadata.index = [0, 1]
    with pytest.raises(InputError, match=r"one row per stimulus id; without a row: 'a', 'b'"):
        stimuli.select(["a"])


def test_a_thumbnail_is_the_stimulus_as_it_is_by_id(folder):
    stimuli = nl.load_stimuli(folder)
    picture = stimuli.get_thumbnail("b_dog")
    original = Image.open(folder / "b_dog.png")
    np.testing.assert_array_equal(np.asarray(picture), np.asarray(original))
    with pytest.raises(UnknownNameError, match="b_do"):
        stimuli.get_thumbnail("b_do")
