"""Selection of ops: every form of selection, and errors that list similar names."""

import re

import pytest
import torch
from nets import make_net

import neurolens as nl
from neurolens.errors import InputError, UnknownNameError
from neurolens.extract.graph.select import is_named, select_ops


@pytest.fixture
def graph():
    net, x = make_net("reused")
    return nl.trace(net, x).graph


def is_exponential(op) -> bool:
    return op.function == "exp"


def is_never(op) -> bool:
    return False


def name_case(value) -> str:
    """Return a name that is the same in every process, which that of a function's object is not."""
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ("fc", ["fc/linear", "fc/linear@2"]),
        ("fc@*", ["fc/linear", "fc/linear@2"]),
        ("fc@2", ["fc/linear@2"]),
        ("fc@last", ["fc/linear@2"]),
        ("fc@1:2", ["fc/linear"]),
        ("fc/linear", ["fc/linear"]),
        ("/tanh@*", ["/tanh", "/tanh@2", "/tanh@3"]),
        ("/tanh@2:", ["/tanh@2", "/tanh@3"]),
        ("*@2", ["fc/linear@2", "relu/relu@2", "/tanh@2"]),
        ("/tanh@[23]", ["/tanh@2", "/tanh@3"]),
        ("*relu*", ["relu/relu", "relu/relu@2"]),
        (re.compile(r"^/(tanh|add)"), ["/tanh", "/tanh@2", "/tanh@3", "/add"]),
        (slice(None, None, 3), ["fc/linear", "relu/relu@2", "/tanh@3", "/add"]),
        (is_exponential, ["/exp", "/exp_2"]),
        ("modules", ["fc/linear", "relu/relu", "fc/linear@2", "relu/relu@2", "/add"]),
        (["/add", "fc@1", re.compile("exp_2")], ["fc/linear", "/exp_2", "/add"]),
    ],
    ids=name_case,
)
def test_ops_are_found_in_the_order_they_ran(graph, ops, expected):
    assert select_ops(graph, ops) == expected


def test_all_is_every_op(graph):
    assert select_ops(graph, "all") == [op.name for op in graph]


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ("relo/relu", "no op or module named 'relo/relu'. Closest: 'relu/relu'"),
        ("fc@3", "'fc@3' takes none of the executions: 'fc' ran 2 times"),
        ("*conv*", "no op matching the pattern named"),
        ([], "an empty list of ops"),
        (re.compile("conv"), r"no op of 10 matches re.compile\('conv'\)"),
        (slice(50, None), r"no op of 10 matches slice\(50, None, None\)"),
        (is_never, "no op of 10 matches <function"),
    ],
    ids=name_case,
)
def test_a_miss_says_so(graph, ops, message):
    with pytest.raises(UnknownNameError, match=message):
        select_ops(graph, ops)


def test_a_class_of_modules_is_told_what_to_type(graph):
    with pytest.raises(InputError, match=r"type ops=lambda op: op.module_class == 'ReLU'"):
        select_ops(graph, torch.nn.ReLU)


def test_only_names_count_as_named():
    assert is_named("fc")
    assert is_named(["fc", "/add"])
    assert is_named(["fc@*", "fc@last", "/tanh@1:3"])
    assert not any(
        is_named(ops)
        for ops in (
            "all",
            "modules",
            "*x",
            "*x@*",
            "fc@[2]",
            ["fc", "*x"],
            slice(2),
            re.compile("x"),
            callable,
        )
    )


def test_traces_and_extraction_take_the_same_words(rng):
    net, x = make_net("reused")
    kept = nl.trace(net, x, ops=re.compile("tanh"))
    assert [op.name for op in kept] == ["/tanh", "/tanh@2", "/tanh@3"]
    acts = nl.extract_activations(
        net, nl.load_stimuli(torch.randn(4, 4)), ops=slice(0, 2), quiet=True
    )
    assert [n["activation"].attrs["op"] for n in acts.subtree if "activation" in n] == [
        "fc/linear",
        "relu/relu",
    ]
