import numpy as np
import pytest
import torch
from PIL import Image

import neurolens as nl
from neurolens.errors import DataError, InputError, UnknownNameError

timm = pytest.importorskip("timm")


def test_preprocessing_is_timms_own(rng):
    loaded = nl.load_model("timm/test_vit", weights=None, rng=2)
    torch.manual_seed(2)
    model = timm.create_model("test_vit", pretrained=False).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    pixels = rng.integers(0, 255, (3, 200, 180, 3)).astype(np.uint8)
    stimuli = nl.load_stimuli(pixels, model=loaded)
    inputs = torch.stack([transform(Image.fromarray(one)) for one in pixels])
    acts = nl.extract_activations(loaded.model, stimuli, ops="head", quiet=True)
    with torch.no_grad():
        np.testing.assert_allclose(acts["head/linear"].activation, model(inputs), atol=1e-5)
    assert loaded.identity.preprocessing.startswith("timm's data config of test_vit")


def test_pictures_have_the_size_that_was_asked_for(rng):
    loaded = nl.load_model("timm/test_vit", weights=None, img_size=64)
    picture = Image.fromarray(rng.integers(0, 255, (200, 180, 3)).astype(np.uint8))
    assert loaded.transform(picture).shape == (3, 64, 64)
    assert nl.load_model("timm/test_vit", weights=None).transform(picture).shape == (3, 160, 160)


def test_weights_that_are_not_there(monkeypatch, tmp_path):
    with pytest.raises(UnknownNameError, match="no model of timm named 'convnext_ato'"):
        nl.load_model("timm/convnext_ato")
    with pytest.raises(UnknownNameError, match=r"no weights of timm's convnext_atto named"):
        nl.load_model("timm/convnext_atto:nothing")
    with pytest.raises(InputError, match="weights are named twice, 'd2_in1k', 'a2_in1k'"):
        nl.load_model("timm/convnext_atto.d2_in1k:a2_in1k")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        DataError, match=r"timm's weights of 'test_vit' .*Without a network.*--weights none"
    ):
        nl.load_model("timm/test_vit")


def test_weights_that_options_leave_random_are_told_and_belong_to_the_seed(monkeypatch):
    """With another number of classes timm draws a new last layer, without a word."""
    create = timm.create_model

    def create_trained(name, pretrained, **options):
        model = create(name, pretrained=False, **options)
        for entry, value in model.state_dict().items():
            is_trained = not entry.startswith("head.") or not options
            if is_trained and value.is_floating_point():
                torch.nn.init.constant_(value, 0.5)
        return model

    monkeypatch.setattr(timm, "create_model", create_trained)
    with pytest.warns(RuntimeWarning, match=r"with num_classes=7 has 1 of .* 'head.weight'"):
        first, again, other = (
            nl.load_model("timm/test_vit", num_classes=7, rng=rng).identity for rng in (1, 1, 2)
        )
    assert first == again
    assert first.weights == "r160_in1k, 1 entries random, rng=1"
    assert first.sha256 != other.sha256
    assert nl.load_model("timm/test_vit").identity.weights == "r160_in1k"
