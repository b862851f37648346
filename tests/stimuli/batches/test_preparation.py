"""What a transform cannot take is told with the id of the stimulus, by an error of the project."""

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

import neurolens as nl
from neurolens.errors import InputError

PRESET = models.ResNet18_Weights.DEFAULT.transforms()


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 3, 8, 8), np.float32),
        np.zeros((2, 3, 8, 8), np.uint8),
        np.zeros((2, 8, 8, 1), np.uint8),
        torch.zeros(2, 3, 8, 8),
    ],
    ids=["float", "channels first", "gray", "tensor"],
)
def test_arrays_that_a_transform_of_pictures_cannot_take(values):
    stimuli = nl.load_stimuli(values, ids=["cat", "dog"], transform=PRESET)
    with pytest.raises(InputError, match=r"cannot prepare 'cat', an array of \w+ of") as found:
        stimuli["cat"]
    assert f"of shape {tuple(values.shape[1:])} (TypeError: " in str(found.value)
    assert "uint8 of shape (n, height, width, 3)" in str(found.value)
    assert isinstance(found.value.__cause__, TypeError)


def test_arrays_in_a_file_that_a_transform_cannot_take(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["x"] = np.zeros((2, 3, 8, 8), np.float32)
    stimuli = nl.load_stimuli(f"{tmp_path / 'a.hdf5'}::x", transform=PRESET)
    with pytest.raises(InputError, match="cannot prepare 'stim000', an array of float32"):
        list(stimuli.iterate_batches(2))


def fail(stimulus):
    raise KeyError("size")


@pytest.mark.parametrize("is_compound", [False, True])
def test_a_picture_on_which_a_transform_fails_is_named(is_compound):
    picture = Image.fromarray(np.zeros((8, 8, 3), np.uint8))
    source = {"x": [picture], "n": [1]} if is_compound else [picture]
    stimuli = nl.load_stimuli(source, ids=["cat"], transform=fail)
    with pytest.raises(InputError, match=r"cannot prepare 'cat' \(KeyError: 'size'\)"):
        stimuli["cat"]


def run_out(stimulus):
    raise MemoryError("full")


def test_memory_that_is_full_is_not_the_stimulus_s_fault():
    stimuli = nl.load_stimuli(np.zeros((2, 3), np.float32), transform=run_out)
    with pytest.raises(MemoryError, match="full"):
        stimuli["stim000"]
