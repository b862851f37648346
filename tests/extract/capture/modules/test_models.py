"""What ``load_model`` returns stands for its model wherever a model is taken."""

import numpy as np
import pytest
import torch

import neurolens as nl
from neurolens.errors import InputError
from neurolens.stimuli import ImageTransform


@pytest.fixture(scope="module")
def loaded():
    return nl.load_model("torchvision/squeezenet1_1", weights=None, rng=1)


@pytest.fixture
def pictures(rng):
    return [rng.integers(0, 256, (80, 90, 3), dtype=np.uint8) for _ in range(3)]


def test_every_front_takes_what_load_model_returned(loaded, pictures):
    stimuli = nl.load_stimuli(pictures, model=loaded)
    first = stimuli[stimuli.ids[0]][None]
    assert len(nl.trace(loaded, first).graph) == len(nl.trace(loaded.model, first).graph)
    assert nl.validate(loaded, first).status == "verified"
    runs = []
    for model in (loaded, loaded.model):
        acts = nl.extract_activations(model, stimuli, ops="classifier", quiet=True)
        runs.append(acts.leaves[0]["activation"])
    assert np.array_equal(*runs)
    grams = nl.extract_grams(loaded, stimuli, ops="classifier", quiet=True)
    assert grams.identical(nl.extract_grams(loaded.model, stimuli, ops="classifier", quiet=True))
    assert nl.forecast(loaded, stimuli, ops="classifier").batch_size > 0
    twin = nl.randomize_weights(loaded, rng=2)
    assert isinstance(twin, torch.nn.Module)
    assert twin is not loaded.model


def test_stimuli_prepared_in_another_way_are_warned_of(loaded, pictures):
    other = nl.load_stimuli(pictures, transform=ImageTransform(resize=64, crop=64))
    with pytest.warns(
        RuntimeWarning, match="not prepared as torchvision/squeezenet1_1 was trained"
    ):
        nl.extract_grams(loaded, other, ops="classifier", quiet=True)
    nl.extract_grams(loaded.model, other, ops="classifier", quiet=True)
    own = loaded._replace(identity=None)
    with pytest.warns(RuntimeWarning, match="not prepared as SqueezeNet was trained"):
        nl.extract_grams(own, other, ops="classifier", quiet=True)


def test_an_equal_transform_is_no_other_way(loaded, pictures):
    again = nl.load_model("torchvision/squeezenet1_1", weights=None, rng=1)
    stimuli = nl.load_stimuli(pictures, transform=again.transform)
    nl.extract_grams(loaded, stimuli, ops="classifier", quiet=True)


def test_a_pair_without_a_module_is_no_model(pictures):
    stimuli = nl.load_stimuli(pictures)
    with pytest.raises(InputError, match=r"must be a torch\.nn\.Module, got StimulusSet"):
        nl.trace(stimuli, torch.zeros(1, 3, 64, 64))
