import sys

import numpy as np
import pytest
import small_models
import torch
import torchvision
from PIL import Image

import neurolens as nl
from neurolens.errors import (
    DataError,
    InputError,
    MissingToolError,
    NeuroLensError,
    UnknownNameError,
)
from neurolens.models.identity import hash_state

NAME = "torchvision/squeezenet1_1"


def build(**options):
    torch.manual_seed(3)
    return torchvision.models.squeezenet1_1(weights=None, **options)


def test_random_weights_belong_to_their_seed():
    before = torch.get_rng_state()
    first, again, other = (nl.load_model(NAME, weights=None, rng=k) for k in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.identity == again.identity
    assert first.identity.sha256 != other.identity.sha256
    assert first.identity.sha256 == hash_state(build())
    assert first.identity.weights == "random, rng=3"
    assert first.identity.n_parameters == sum(p.numel() for p in build().parameters())
    assert not first.model.training


def test_preprocessing_is_that_of_the_weights(rng):
    """Of random weights it is that of the default ones."""
    loaded = nl.load_model("torchvision/resnet50", weights=None)
    picture = Image.fromarray(rng.integers(0, 255, (300, 260, 3)).astype(np.uint8))
    weights = torchvision.models.ResNet50_Weights.DEFAULT
    torch.testing.assert_close(loaded.transform(picture), weights.transforms()(picture))
    assert loaded.identity.preprocessing == "that of the weights IMAGENET1K_V2"
    pixels = np.asarray(picture)[None]
    stimuli = nl.load_stimuli(pixels, model=loaded)
    torch.testing.assert_close(stimuli["stim000"], loaded.transform(picture))
    assert stimuli.preprocessing.parts["transform.resize_size"] == "list (232)"


def test_weights_of_the_source_are_read_from_its_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = torchvision.models.SqueezeNet1_1_Weights.DEFAULT
    file = tmp_path / "hub" / "checkpoints" / weights.url.rpartition("/")[2]
    file.parent.mkdir(parents=True)
    torch.save(build().state_dict(), file)
    for name in (NAME, f"{NAME}:IMAGENET1K_V1"):
        loaded = nl.load_model(name)
        assert loaded.identity.sha256 == hash_state(build())
        assert loaded.identity.weights == "IMAGENET1K_V1"
    torch.save({"a": small_models.Bomb()}, file)
    with pytest.raises(DataError, match=r"the weights IMAGENET1K_V1 at .* could not be loaded"):
        nl.load_model(NAME)


def test_the_name_says_the_preprocessing_of_weights_in_a_file():
    for tag, size in (("IMAGENET1K_V1", 256), ("IMAGENET1K_V2", 232)):
        loaded = nl.load_model(f"torchvision/resnet50:{tag}", weights=None)
        assert loaded.transform.resize_size == [size]
        assert loaded.identity.preprocessing == f"that of the weights {tag}"


def test_clips(rng):
    loaded = nl.load_model("torchvision/r3d_18", weights=None)
    clips = rng.integers(0, 255, (2, 4, 130, 180, 3)).astype(np.uint8)
    stimuli = nl.load_stimuli(clips, model=loaded)
    weights = torchvision.models.video.R3D_18_Weights.DEFAULT
    expected = weights.transforms()(torch.from_numpy(clips[0]).permute(0, 3, 1, 2))
    torch.testing.assert_close(stimuli["stim000"], expected)
    with pytest.raises(InputError, match="a clip must be frames of uint8"):
        loaded.transform(np.zeros((4, 8, 8, 3), np.float32))


def test_a_part_of_a_model():
    loaded = nl.load_model(NAME, weights=None, part="features")
    assert isinstance(loaded.model, torch.nn.Sequential)
    assert loaded.identity.part == "features"
    assert loaded.identity.sha256 == hash_state(loaded.model)
    with pytest.raises(UnknownNameError, match="no part of SqueezeNet named 'feature'"):
        nl.load_model(NAME, weights=None, part="feature")


@pytest.mark.parametrize("name", ["fasterrcnn_resnet50_fpn", "googlenet"])
def test_random_weights_fetch_nothing(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert nl.load_model(f"torchvision/{name}", weights=None).identity.weights == "random, rng=0"
    assert not list(tmp_path.rglob("*.pth"))


def test_what_cannot_be_loaded():
    with pytest.raises(UnknownNameError, match="no model of torchvision named 'resnet5'"):
        nl.load_model("torchvision/resnet5")
    with pytest.raises(UnknownNameError, match="no weights of resnet50 named 'V2'"):
        nl.load_model("torchvision/resnet50:V2")
    with pytest.raises(InputError, match="weights are named twice"):
        nl.load_model("torchvision/resnet50:IMAGENET1K_V2", weights="IMAGENET1K_V1")
    with pytest.raises(UnknownNameError, match="no weights of resnet50 named 'V3'"):
        nl.load_model("torchvision/resnet50:V3", weights=None)
    with pytest.raises(InputError, match=r"with the options \(num_clases=3\): .*num_clases"):
        nl.load_model(NAME, weights=None, num_clases=3)
    with pytest.raises(InputError, match="there is no device 'gpu' here"):
        nl.load_model(NAME, weights=None, device="gpu")
    with pytest.raises(InputError, match="part must be the address of a submodule, got 3"):
        nl.load_model(NAME, weights=None, part=3)
    with pytest.raises(InputError, match="rng must be a whole number, 0 or more, got -1"):
        nl.load_model(NAME, weights=None, rng=-1)
    with pytest.raises(InputError, match="weights must be 'pretrained', a name, .* got 3"):
        nl.load_model(NAME, weights=3)


def test_models_that_were_not_loaded_by_name_have_no_transform():
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="model must be what load_model returned, got SqueezeNet"):
        nl.load_stimuli(pixels, model=build())
    loaded = nl.load_model(NAME, weights=None)
    with pytest.raises(InputError, match="model= and transform= both say"):
        nl.load_stimuli(pixels, model=loaded, transform=None)


def test_options_are_part_of_the_identity():
    loaded = nl.load_model(NAME, weights=None, num_classes=7, dropout=0.1)
    assert loaded.identity.options == "num_classes=7, dropout=0.1"
    assert loaded.identity.describe().startswith(f"{NAME}, with num_classes=7, dropout=0.1 (torch")
    assert "with" not in nl.load_model(NAME, weights=None).identity.describe()


def test_a_run_goes_on_only_with_the_preprocessing_it_was_begun_with(tmp_path, rng):
    """The store holds each part of it."""
    pixels = rng.integers(0, 255, (4, 70, 70, 3)).astype(np.uint8)
    first = nl.load_model(NAME, weights=None)
    stimuli = nl.load_stimuli(pixels, model=first)
    settings = {"ops": "classifier", "batch_size": 2, "quiet": True, "store": tmp_path / "acts"}
    nl.extract_activations(first, stimuli, **settings)
    nl.extract_activations(first, nl.load_stimuli(pixels, model=first), **settings)
    other = nl.load_stimuli(pixels, transform=nl.stimuli.ImageTransform(64))
    with pytest.raises(NeuroLensError, match="transform"):
        nl.extract_activations(first.model, other, **settings)


@pytest.mark.parametrize(
    ("name", "package"), [("timm/test_vit", "timm"), ("hf/owner/repo", "transformers")]
)
def test_libraries_that_are_not_installed(name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingToolError, match=f"need the package '{package}'.*pip install"):
        nl.load_model(name)
    assert len(nl.list_models("resnet18")) >= 1


def test_pictures_for_a_model_without_preprocessing_are_told(rng):
    loaded = nl.load_model(NAME, weights=None)._replace(transform=None)
    pictures = [rng.integers(0, 256, (70, 80, 3), dtype=np.uint8)]
    with pytest.warns(RuntimeWarning, match=r"squeezenet1_1 does not say how pictures are prepare"):
        stimuli = nl.load_stimuli(pictures, model=loaded)
    assert isinstance(stimuli.transform, nl.stimuli.ImageTransform)
    arrays = rng.standard_normal((2, 3, 8, 8)).astype(np.float32)
    assert nl.load_stimuli(arrays, model=loaded).transform is None
