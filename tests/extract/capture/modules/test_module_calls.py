"""Hooks of users are called in pairs, also in passes that end before the model does."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import neurolens as nl
from neurolens.extract.capture.modules.module_calls import has_foreign_hooks


def make_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4)).eval()


def stop(net, x):
    nl.trace(net, x, stop_after="0")


def extract(net, x):
    nl.extract_activations(net, nl.load_stimuli(x.numpy()), ops="0", batch_size=3, quiet=True)


def hook_model(net, opened):
    net.register_forward_pre_hook(lambda *_: opened.append(1))
    net.register_forward_hook(lambda *_: opened.pop() and None)


def hook_apart(net, opened):
    net.register_forward_pre_hook(lambda *_: opened.append(1))
    net[2].register_forward_hook(lambda *_: opened.pop() and None)


def wrap_forward(net, opened):
    forward = net.forward

    def run(*args):
        opened.append(1)
        result = forward(*args)
        opened.pop()
        return result

    net.forward = run


@pytest.mark.parametrize("run", [stop, extract])
@pytest.mark.parametrize("put", [hook_model, hook_apart, wrap_forward])
def test_hooks_are_called_in_pairs(run, put, rng):
    net, opened = make_net(), []
    put(net, opened)
    run(net, torch.as_tensor(rng.standard_normal((7, 6), np.float32)))
    assert opened == []


def test_without_pairs_a_pass_ends_early(rng):
    net, seen = make_net(), []
    net[2].register_forward_hook(lambda *_: seen.append(1))
    trace = nl.trace(net, torch.ones(2, 6), stop_after="0")
    assert len(seen) == 1  # the pass that finds the ops
    assert len(trace) == 1


def test_a_pass_that_goes_on_for_hooks_records_no_more(rng):
    net = make_net()
    hook_model(net, [])
    trace = nl.trace(net, torch.ones(2, 6), stop_after="0")
    assert [op.name for op in trace.graph] == ["0/linear"]
    assert trace.output is None


class Turns(nn.Module):
    """Takes another way for some stimuli."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = x * 2 if float(x[0, 0]) > 0 else x + 1 - 1
        return self.fc(x)


def test_batches_that_deviate_keep_hooks_in_pairs(rng):
    net, opened = Turns().eval(), []
    hook_model(net, opened)
    x = torch.as_tensor(rng.standard_normal((8, 6), np.float32))
    acts = nl.extract_activations(
        net, nl.load_stimuli(x.numpy()), ops="fc", batch_size=1, quiet=True
    )
    assert opened == []
    truth = torch.cat([net(row[None]) for row in x]).detach()
    np.testing.assert_allclose(acts["fc/linear"]["activation"], truth, rtol=1e-5, atol=1e-6)


def test_hooks_are_foreign_unless_they_are_those_of_torch():
    def list_modules(prepare):
        net = nn.Sequential(nn.Linear(2, 2))
        prepare(net)
        return net.modules()

    def prune_weights(net):
        prune.l1_unstructured(net[0], "weight", 1)

    assert not has_foreign_hooks(list_modules(lambda net: None))
    assert not has_foreign_hooks(list_modules(prune_weights))
    hook = partial(print, end="")
    assert has_foreign_hooks(list_modules(lambda net: net[0].register_forward_hook(print)))
    assert has_foreign_hooks(list_modules(lambda net: net[0].register_forward_hook(hook)))
    assert has_foreign_hooks(list_modules(lambda net: net.register_forward_pre_hook(len)))
