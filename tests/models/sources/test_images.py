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


def test_weights_that_are_not_there(monkeypatch, tmp_path):
    with pytest.raises(UnknownNameError, match="no model of timm named 'convnext_ato'"):
        nl.load_model("timm/convnext_ato")
    with pytest.raises(UnknownNameError, match=r"no weights of timm's convnext_atto named"):
        nl.load_model("timm/convnext_atto:nothing")
    with pytest.raises(InputError, match="weights are named twice, 'd2_in1k', 'a2_in1k'"):
        nl.load_model("timm/convnext_atto.d2_in1k:a2_in1k")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"timm's weights of 'test_vit' .*Without a network"):
        nl.load_model("timm/test_vit")
