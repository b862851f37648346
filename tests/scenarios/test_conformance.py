"""Every behaviour of the table: outputs, names, parents, values, modules, loops, verdict.

The model must be left unchanged.
"""

import copy
import random

import numpy as np
import pytest
import torch
from behaviours import merge_tables

import neurolens as nl
from neurolens.extract.capture.forward import prepare_call, run_plain
from neurolens.extract.capture.trees import iterate_tensors

BEHAVIOURS = merge_tables()


def make_model(behaviour):
    torch.manual_seed(0)
    return behaviour.build().train(behaviour.train)


def make_inputs(behaviour):
    torch.manual_seed(1)
    inputs = behaviour.inputs() if callable(behaviour.inputs) else copy.deepcopy(behaviour.inputs)
    kwargs = copy.deepcopy(dict(behaviour.kwargs)) or None
    # None stands for a call with keyword arguments only.
    return (inputs or None), kwargs


def seed_generators():
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    random.seed(2)


def run_trace(behaviour):
    model = make_model(behaviour)
    inputs, kwargs = make_inputs(behaviour)
    seed_generators()
    return nl.trace(model, inputs, kwargs=kwargs)


def assert_same(a, b, where="output"):
    assert type(a) is type(b), where
    if isinstance(a, torch.Tensor):
        assert (a.shape, a.dtype, a.device, a.layout) == (b.shape, b.dtype, b.device, b.layout), (
            where
        )
        assert a.requires_grad == b.requires_grad, where
        assert torch.equal(a, b) or (
            torch.equal(a.isnan(), b.isnan()) and torch.equal(a[~a.isnan()], b[~b.isnan()])
        )
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}.{i}")
    elif isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
        if type(a) is not dict:
            assert_same(vars(a), vars(b), where)
    elif hasattr(a, "__dict__") and not isinstance(a, type):
        assert_same(vars(a), vars(b), where)
    else:
        assert a == b, where


@pytest.fixture(params=BEHAVIOURS)
def behaviour(request):
    return BEHAVIOURS[request.param]


def test_outputs_equal_a_plain_run_in_bits_and_structure(behaviour):
    model = make_model(behaviour)
    inputs, kwargs = make_inputs(behaviour)
    seed_generators()
    plain = run_plain(prepare_call(model, inputs, kwargs))
    assert_same(run_trace(behaviour).output, plain)


def test_ops_parents_values_and_modules(behaviour):
    trace = run_trace(behaviour)
    names = [op.name for op in trace.graph]
    if behaviour.ops is not None:
        assert names == list(behaviour.ops)
    assert len(names) == len(set(names))
    assert {
        name: trace.graph.find_op(name).parent_ops for name in behaviour.parents
    } == behaviour.parents
    sources = {
        name: tuple(p.source for p in trace.graph.find_op(name).parents)
        for name in behaviour.sources
    }
    assert sources == behaviour.sources
    modules = {
        name: (trace.graph.find_op(name).module, trace.graph.find_op(name).module_call)
        for name in behaviour.modules
    }
    assert modules == behaviour.modules
    assert {key: trace.graph.find_op(key).name for key in behaviour.found} == behaviour.found
    inputs, kwargs = make_inputs(behaviour)
    for name, expected in behaviour.values.items():
        value = trace[name].value
        if callable(expected):
            with torch.no_grad():
                expected = expected(*(inputs or ()), **(kwargs or {}))
            assert value.dtype == expected.dtype, name
            assert torch.equal(value, expected), name
        else:
            assert value.tolist() == expected, name


def test_every_parent_ran_before_and_every_value_has_its_recorded_shape(behaviour):
    trace = run_trace(behaviour)
    index = {op.name: op.index for op in trace.graph}
    for op in trace.graph:
        assert all(index[name] < op.index for name in op.parent_ops), op.name
        assert [v.shape for v in trace[op.name].values] == [o.shape for o in op.outputs], op.name


def test_what_the_model_returned_is_linked(behaviour):
    graph = run_trace(behaviour).graph
    if behaviour.outputs is not None:
        assert {p.position: p.source for p in graph.outputs} == behaviour.outputs
    if behaviour.reads is not None:
        assert tuple((r.function, r.value) for r in graph.host_reads) == behaviour.reads


def test_loops_are_rolled_and_nothing_else_is(behaviour):
    graph = run_trace(behaviour).graph
    assert sorted(name for layer in graph.layers for name in layer.ops) == sorted(
        op.name for op in graph
    )
    if behaviour.layers is not None:
        assert tuple(layer.ops for layer in graph.layers if len(layer.ops) > 1) == behaviour.layers


def read_surroundings(model):
    return {
        "training": [m.training for m in model.modules()],
        "hooks": [
            [
                len(getattr(m, name))
                for name in vars(m)
                if name.endswith("_hooks") or "_hooks_" in name
            ]
            for m in model.modules()
        ],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "grads": [p.grad is None for p in model.parameters()],
        "torch": torch.get_rng_state().tolist(),
        "numpy": str(np.random.get_state()),  # noqa: NPY002
        "random": random.getstate(),
        "modes": torch._C._len_torch_function_stack() + torch._C._len_torch_dispatch_stack(),
        "relu": id(torch.nn.functional.relu),
        "fastpath": torch.backends.mha.get_fastpath_enabled(),
        "grad mode": torch.is_grad_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "default dtype": torch.get_default_dtype(),
    }


def test_nothing_is_left_changed_that_a_plain_run_leaves_alone(behaviour):
    plain, traced = make_model(behaviour), make_model(behaviour)
    inputs, kwargs = make_inputs(behaviour)
    seed_generators()
    run_plain(prepare_call(plain, inputs, kwargs))
    inputs, kwargs = make_inputs(behaviour)
    seed_generators()
    before = read_surroundings(traced)
    nl.trace(traced, inputs, kwargs=kwargs)
    after = read_surroundings(traced)
    assert before == after
    for read in (torch.nn.Module.named_parameters, torch.nn.Module.named_buffers):
        assert_same(dict(read(traced)), dict(read(plain)))


def test_inputs_are_left_as_they_were(behaviour):
    given = make_inputs(behaviour)
    inputs, kwargs = given
    nl.trace(make_model(behaviour), inputs, kwargs=kwargs)
    assert_same(*(list(iterate_tensors(tree)) for tree in (given, make_inputs(behaviour))))


def test_the_verdict(behaviour):
    inputs, kwargs = make_inputs(behaviour)
    seed_generators()
    verdict = nl.validate(make_model(behaviour), inputs, kwargs=kwargs)
    assert verdict.status == behaviour.verdict, verdict
