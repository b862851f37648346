"""Representatives of the torchvision families: outputs equal a plain run, and the verdict holds."""

import pytest
import torch
from torchvision import models

import neurolens as nl
from neurolens.extract.capture.forward import prepare_call, run_plain
from neurolens.extract.capture.trees import iterate_tensors

IMAGE = (1, 3, 64, 64)
# name -> (settings of the builder, shapes of the arguments)
ZOO = {
    "alexnet": ({}, [IMAGE]),
    "resnet18": ({}, [IMAGE]),
    "densenet121": ({}, [IMAGE]),
    "mobilenet_v3_small": ({}, [IMAGE]),
    "shufflenet_v2_x0_5": ({}, [IMAGE]),
    "efficientnet_b0": ({}, [IMAGE]),
    "convnext_tiny": ({}, [IMAGE]),
    "swin_t": ({}, [IMAGE]),
    "vit_b_32": ({"image_size": 64}, [IMAGE]),
    "lraspp_mobilenet_v3_large": ({"weights_backbone": None}, [IMAGE]),
    "ssdlite320_mobilenet_v3_large": ({"weights_backbone": None}, [(1, 3, 320, 320)]),
    "r3d_18": ({}, [(1, 3, 8, 32, 32)]),
    "raft_small": ({}, [(1, 3, 128, 128), (1, 3, 128, 128)]),
}


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: small inputs on several threads wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build_representative(name):
    settings, shapes = ZOO[name]
    torch.manual_seed(0)
    model = models.get_model(name, weights=None, **settings).eval()
    tensors = [torch.rand(shape) for shape in shapes]
    if name.startswith("ssdlite"):
        return model, (list(tensors[0]),), {}
    return model, tuple(tensors), {"num_flow_updates": 2} if name.startswith("raft") else {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_a_representative_is_traced_and_verified(name):
    model, inputs, kwargs = build_representative(name)
    trace = nl.trace(model, inputs, kwargs=kwargs)
    plain = list(iterate_tensors(run_plain(prepare_call(model, inputs, kwargs))))
    traced = list(iterate_tensors(trace.output))
    assert plain
    assert len(plain) == len(traced)
    assert all(torch.equal(a, b) for a, b in zip(plain, traced, strict=True))
    names = [op.name for op in trace.graph]
    assert len(names) == len(set(names)) > 10
    verdict = nl.extract.validate(model, inputs, kwargs=kwargs)
    assert verdict.n_ops == len(names)
    # A value that left torch may have steered the pass: then the verdict can only be "unverified".
    unchecked = {row.check for row in verdict.reasons.itertuples()} - {"host read"}
    assert verdict.status in ("verified", "unverified"), verdict
    assert verdict.status == "verified" or not unchecked, verdict
