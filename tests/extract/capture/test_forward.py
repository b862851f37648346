"""Lazy modules are made before anything is recorded."""

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import InputError, RecordingError


def make_lazy():
    return nn.Sequential(
        nn.LazyConv2d(3, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2)
    ).train()


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("how", ["trace", "kernels", "validate", "extract", "forecast"])
def test_lazy_modules_get_the_weights_of_a_plain_call(how, rng):
    net, twin = make_lazy(), make_lazy()
    x = torch.as_tensor(rng.standard_normal((4, 2, 5, 5), np.float32))
    torch.manual_seed(4)
    twin(x)
    torch.manual_seed(4)
    runs = {
        "trace": lambda: nl.trace(net, x),
        "kernels": lambda: nl.trace(net, x, level="aten"),
        "validate": lambda: nl.validate(net, x),
        "extract": lambda: nl.extract_activations(net, nl.load_stimuli(x.numpy()), quiet=True),
        "forecast": lambda: nl.forecast(net, nl.load_stimuli(x.numpy())),
    }
    result = runs[how]()
    assert type(net[3]) is nn.Linear
    assert all(map(torch.equal, net.parameters(), twin.parameters()))
    assert net[1].num_batches_tracked == 0
    assert net.training
    if how == "trace":
        assert "0/conv2d" in result.graph.by_name
        assert not any("uniform" in op.name for op in result.graph)


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_a_lazy_model_that_fails_is_told():
    net = nn.Sequential(nn.LazyLinear(3), nn.Linear(4, 2))
    with pytest.raises(RecordingError, match="has lazy modules, and the call that gives them"):
        nl.trace(net, torch.ones(2, 5))


def test_weights_that_hold_no_values_are_refused_in_a_sentence():
    net = nn.Sequential(nn.Linear(4, 3)).to("meta")
    stimuli = nl.load_stimuli(np.ones((3, 4), np.float32))
    with pytest.raises(InputError, match="weights are on device 'meta', which holds no values"):
        nl.extract_activations(net, stimuli, quiet=True)
    assert nl.trace(net, torch.ones(2, 4, device="meta"))["0"].value.is_meta


@pytest.mark.parametrize("run", [nl.trace, nl.validate])
def test_a_stimulus_set_is_not_the_input_of_one_pass(run):
    stimuli = nl.load_stimuli(np.ones((3, 4), np.float32))
    with pytest.raises(InputError, match=r"got a StimulusSet. Type batch = stimuli.read_rows"):
        run(torch.nn.Linear(4, 2), stimuli)
    assert len(nl.trace(torch.nn.Linear(4, 2), stimuli.read_rows(range(3))).graph) == 1
