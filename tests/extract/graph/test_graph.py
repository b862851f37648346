"""Ops found by module address: which call, and why a call has no op as its output."""

import numpy as np
import pytest
import torch
from nets import make_net
from torch import nn

import neurolens as nl
from neurolens.errors import UnknownNameError


class Returns(nn.Module):
    """A module that returns what ``make`` makes of its input."""

    def __init__(self, make):
        super().__init__()
        self.make = make
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.make(self, x)


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.same = nn.Identity()
        self.idle = nn.Linear(4, 4)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.silent = Returns(lambda module, x: None)
        self.counts = Returns(lambda module, x: len(x * 2))
        self.own = Returns(lambda module, x: module.weight)
        self.outside = Returns(lambda module, x: torch.from_numpy(np.ones((2, 4), np.float32)))

    def forward(self, x):
        x = self.same(x)
        for block in self.blocks:
            x = block(x)
        self.silent(x)
        self.counts(x)
        x = x * self.own(x) + self.outside(x)
        return self.same(x)


@pytest.fixture(scope="module")
def odd():
    return nl.trace(Odd().eval(), torch.ones(2, 4))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("idle", r"module 'idle' \(Linear\) did not run in this pass.*one that ran: 'blocks.0'"),
        (
            "blocks",
            r"module 'blocks' \(ModuleList\) was not called itself, only what it contains. Ask for "
            r"that: 'blocks.0', 'blocks.1', or the pattern 'blocks.\*'",
        ),
        ("same", r"call 1 of module 'same' \(Identity\) returned 'input' as it.*'same@2'"),
        ("same@1", "returned 'input' as it came in"),
        ("same@3", "'same@3' takes none of the executions: 'same' ran 2 times"),
        ("silent", "call 1 of module 'silent' .* returned no tensor.*Ask for another module"),
        ("counts", "returned no tensor.*Ask for ops within it: 'counts/mul'"),
        ("own", "returned the parameter 'own.weight' itself.*Ask for what reads it: '/mul'"),
        ("outside", "returned a tensor that no recorded op made.*Ask for another module"),
    ],
)
def test_an_address_without_an_op_says_which_case_it_is(odd, key, message):
    with pytest.raises(UnknownNameError, match=message):
        odd[key]
    with pytest.raises(UnknownNameError, match=message):
        nl.trace(Odd().eval(), torch.ones(2, 4), ops=key)


def test_an_output_that_an_op_outside_the_module_made_is_that_op(odd):
    assert odd["same@2"].name == "/add"
    assert odd["same@last"].name == "/add"


def test_a_file_says_the_same(odd, tmp_path):
    read = nl.load_trace(odd.save(tmp_path / "odd.safetensors"))
    assert read.graph.other_outputs == odd.graph.other_outputs
    with pytest.raises(UnknownNameError, match="returned the parameter 'own.weight' itself"):
        read["own"]


def test_a_pass_that_was_ended_says_so():
    trace = nl.trace(Odd().eval(), torch.ones(2, 4), stop_after="blocks.0")
    with pytest.raises(UnknownNameError, match="only what it contains. Ask for that: 'blocks.0'"):
        trace["blocks"]
    with pytest.raises(UnknownNameError, match="'blocks.1' .* did not run in this pass"):
        trace["blocks.1"]


def test_one_op_is_found_for_one_name():
    net, x = make_net("reused")
    trace = nl.trace(net, x)
    found = {key: trace[key].name for key in ("fc", "fc@1", "fc@2", "fc@last", "fc@-2", "")}
    assert found == {
        "fc": "fc/linear",
        "fc@1": "fc/linear",
        "fc@2": "fc/linear@2",
        "fc@last": "fc/linear@2",
        "fc@-2": "fc/linear",
        "": "/add",
    }
    assert trace["/tanh@last"].name == "/tanh@3"
    with pytest.raises(UnknownNameError, match=r"'fc@\*' stands for 2 ops: 'fc/linear', 'fc/li"):
        trace["fc@*"]
