import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

import neurolens as nl
from neurolens.errors import DataError, InputError, UnknownNameError
from neurolens.models.identity import hash_state

NAME = "torchvision/squeezenet1_1"


class Bomb:
    """Would run code when unpickled."""

    def __reduce__(self):
        return pytest.fail, ("code was run",)


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
    torch.save({"a": Bomb()}, file)
    with pytest.raises(DataError, match=r"the weights IMAGENET1K_V1 at .* could not be loaded"):
        nl.load_model(NAME)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module.model."])
def test_state_dicts_in_files(tmp_path, suffix, prefix):
    state = {prefix + name: value for name, value in build().state_dict().items()}
    path = tmp_path / f"mine{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state, "epoch": 3}, path)
    else:
        save_file(state, path)
    for given in (path, str(path)):
        loaded = nl.load_model(NAME, weights=given)
        assert loaded.identity.sha256 == hash_state(build())
        assert loaded.identity.weights == str(path)


def test_files_that_are_no_weights_of_the_model(tmp_path):
    path = tmp_path / "mine.pth"
    with pytest.raises(DataError, match="there is no file of weights at .*mine.pth"):
        nl.load_model(NAME, weights=path)
    torch.save(build(num_classes=7).state_dict(), path)
    with pytest.raises(InputError, match=r"'classifier.1.weight' has shape .*num_classes="):
        nl.load_model(NAME, weights=path)
    assert nl.load_model(NAME, weights=path, num_classes=7).identity.n_parameters > 0
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), path)
    with pytest.raises(InputError, match=r"of another model than SqueezeNet: it lacks 'features"):
        nl.load_model(NAME, weights=path)
    torch.save({"a": 1}, path)
    with pytest.raises(DataError, match="holds no state dict: 'a' are no tensors"):
        nl.load_model(NAME, weights=path)
    torch.save({"a": Bomb()}, path)
    with pytest.raises(DataError, match="without running code"):
        nl.load_model(NAME, weights=path)
    for content in (b"", path.read_bytes()[:100]):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot be read as weights"):
            nl.load_model(NAME, weights=path)


def test_numbers_of_another_kind(tmp_path):
    state = {name: value.to(torch.int8) for name, value in build().state_dict().items()}
    torch.save(state, tmp_path / "mine.ckpt")
    with pytest.raises(InputError, match=r"as torch.int8, which torch.float32 of the model cannot"):
        nl.load_model(NAME, weights=str(tmp_path / "mine.ckpt"))


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
    with pytest.raises(InputError, match="runs the code of the repository owner/repo"):
        nl.load_model("hub/owner/repo:entry")


def test_models_that_were_not_loaded_by_name_have_no_transform():
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="model must be what load_model returned, got SqueezeNet"):
        nl.load_stimuli(pixels, model=build())
    loaded = nl.load_model(NAME, weights=None)
    with pytest.raises(InputError, match="model= and transform= both say"):
        nl.load_stimuli(pixels, model=loaded, transform=None)
