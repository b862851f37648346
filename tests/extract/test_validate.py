"""A verdict that is earned: right recordings pass, wrong ones do not."""

import pytest
import torch
import torchvision
from nets import NETS, Branching, make_net
from torch import nn

import neurolens as nl
from neurolens.extract.forward import record_forward, run_plain
from neurolens.extract.validate import judge_recording


@pytest.mark.parametrize("name", NETS)
def test_small_nets_are_verified(name):
    net, x = make_net(name)
    verdict = nl.validate(net, x)
    assert verdict.status == "verified", verdict
    assert verdict.n_replayed == verdict.n_ops > 0


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "vit_b_16", "googlenet"])
def test_torchvision_models_are_verified(name):
    options = {"init_weights": False} if name == "googlenet" else {}
    size = 224 if name == "vit_b_16" else 96
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None, **options).eval()
    verdict = nl.validate(net, torch.randn(1, 3, size, size))
    assert verdict.status == "verified", verdict
    assert verdict.n_replayed == verdict.n_ops


def test_training_mode_is_verified_and_buffers_are_put_back():
    net, x = make_net("batch-norm")
    net.train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert nl.validate(net, x).status == "verified"
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_a_value_read_by_python_leaves_the_verdict_open():
    verdict = nl.validate(Branching(), torch.ones(2))
    assert verdict.status == "unverified"
    assert verdict.reasons.reason.str.contains("__bool__ took a value out of torch").any()


def test_a_tensor_made_by_something_unseen_leaves_the_verdict_open():
    class Hidden(nn.Module):
        def forward(self, x):
            with torch._C.DisableTorchFunction():
                hidden = torch.ones(2) + 1
            return x * hidden

    verdict = nl.validate(Hidden(), torch.ones(2))
    assert verdict.status == "unverified"
    assert verdict.reasons.reason.str.contains("made during the pass by something unseen").any()


def record_chain():
    net, x = make_net("chain")
    return record_forward(net, x, random_states=True), run_plain(net, x)


def test_judge_accepts_an_untouched_recording():
    recording, plain = record_chain()
    assert judge_recording(recording, plain, []).status == "verified"


@pytest.mark.parametrize("damage", ["value", "parent", "position", "output"])
def test_judge_catches_a_damaged_recording(damage):
    recording, plain = record_chain()
    event = next(e for e in recording.events if e.call.function == "linear")
    if damage == "value":
        event.outputs[0].tensor = event.outputs[0].tensor + 1e-6
    elif damage == "parent":
        event.args = (recording.events[-1].outputs[0], *event.args[1:])
        recording.events[-1].outputs[0].tensor = torch.zeros(2, 4)
    elif damage == "position":
        relu = next(e for e in recording.events if e.call.function == "mean")
        relu.args = (relu.args[0], (1, 2))
    else:
        plain = plain + 1e-6
    verdict = judge_recording(recording, plain, [])
    assert verdict.status == "failed"
    assert "failed" in repr(verdict)


def test_a_kept_value_overwritten_unseen_fails():
    class Sneaky(nn.Module):
        def forward(self, x):
            y = x + 1
            z = y * 2
            with torch._C.DisableTorchFunction():
                y.zero_()
            return z

    verdict = nl.validate(Sneaky(), torch.ones(2))
    assert verdict.status == "failed"
    assert verdict.reasons.reason.str.contains("changed in place by something unseen").any()
