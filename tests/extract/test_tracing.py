"""Traces: names, values and parents are right, and the model is unchanged."""

import threading

import pytest
import torch
import torchvision
from nets import (
    NETS,
    Branching,
    Complains,
    InPlace,
    MultiOutput,
    Raises,
    Reused,
    SliceWrite,
    make_net,
)
from torch import nn

import neurolens as nl
from neurolens.errors import InputError, RecordingError, UnknownNameError
from neurolens.extract.capture.forward import prepare_call, run_plain
from neurolens.extract.capture.trees import iterate_tensors


def make_resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(weights=None).eval(), torch.randn(2, 3, 64, 64)


@pytest.mark.parametrize("name", NETS)
def test_outputs_equal_a_plain_run_bit_for_bit(name):
    net, x = make_net(name)
    torch.manual_seed(3)
    plain = run_plain(prepare_call(net, x))
    torch.manual_seed(3)
    traced = nl.trace(net, x).output
    pairs = zip(iterate_tensors(plain), iterate_tensors(traced), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("name", NETS)
def test_nothing_is_left_changed(name):
    net, x = make_net(name)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()]
    random_state, relu = torch.get_rng_state(), torch.nn.functional.relu
    fastpath, requires = (
        torch.backends.mha.get_fastpath_enabled(),
        [p.requires_grad for p in net.parameters()],
    )
    nl.trace(net, x)
    assert not net.training
    assert torch.equal(torch.get_rng_state(), random_state)
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules()] == hooks
    assert torch.backends.mha.get_fastpath_enabled() == fastpath
    assert torch.nn.functional.relu is relu
    assert [p.requires_grad for p in net.parameters()] == requires
    assert torch.is_grad_enabled()
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_resnet18_has_69_ops_with_every_add_and_both_calls_of_each_relu():
    net, x = make_resnet()
    trace = nl.trace(net, x)
    names = [op.name for op in trace.graph]
    assert len(names) == len(set(names)) == 69
    assert sum(op.function == "add" for op in trace.graph) == 8
    for block in ("layer1.0", "layer2.1", "layer4.1"):
        assert f"{block}.relu/relu" in names
        assert f"{block}.relu/relu@2" in names
    assert trace["layer1.0/add"].op.parent_ops == ("layer1.0.bn2/batch_norm", "maxpool/max_pool2d")
    assert trace["layer1.0.relu/relu@2"].op.parent_ops == ("layer1.0/add",)
    assert torch.equal(trace.output, run_plain(prepare_call(net, x)))


def test_values_before_an_in_place_relu_keep_their_negatives():
    net, x = make_resnet()
    trace = nl.trace(net, x)
    value = trace["layer1.0.bn1/batch_norm"].value
    assert value.min() < 0
    expected = net.layer1[0].bn1(net.layer1[0].conv1(net.maxpool(net.relu(net.bn1(net.conv1(x))))))
    assert torch.equal(value, expected)


def test_each_in_place_step_has_a_value_of_its_own():
    x = torch.tensor([[-1.0, 2.0], [3.0, -4.0]])
    trace = nl.trace(InPlace(), x)
    values = {op.name: op.value.tolist() for op in trace}
    assert values == {
        "/mul": [[-2, 4], [6, -8]],
        "/relu": [[0, 4], [6, 0]],
        "/add": [[1, 5], [7, 1]],
        "/setitem": [[7, 7], [7, 1]],
    }
    assert [op.parent_ops for op in trace.graph] == [(), ("/mul",), ("/relu",), ("/add",)]
    assert [op.call for op in trace.graph] == ["mul", "relu_", "add_", "__setitem__"]


def test_reading_a_base_after_writing_into_its_slice_depends_on_the_write():
    trace = nl.trace(SliceWrite(), torch.ones(3, 4))
    assert trace["/sum"].op.parent_ops == ("/mul",)
    assert trace["/add"].value.tolist() == [[1.0] * 4] * 3
    assert trace["/sum"].value == 3 * (3 + 3 + 1 + 1)


def test_names_tell_sites_from_repeats():
    trace = nl.trace(Reused(), torch.ones(1, 4))
    assert [op.name for op in trace.graph] == [
        "fc/linear",
        "relu/relu",
        "fc/linear@2",
        "relu/relu@2",
        "/tanh",
        "/tanh@2",
        "/tanh@3",
        "/exp",
        "/exp_2",
        "/add",
    ]
    assert trace["/tanh@3"].op.parent_ops == ("/tanh@2",)
    assert trace["relu@2"].name == "relu/relu@2"
    assert trace["relu/relu@1"].name == "relu/relu"
    assert trace["/exp_1"].name == "/exp"
    assert trace[-1].name == "/add"


def test_several_results_are_all_kept():
    x = torch.arange(8.0).reshape(2, 4)
    trace = nl.trace(MultiOutput(), x)
    assert [v.shape for v in trace["/split"].values] == [(2, 2), (2, 2)]
    assert [(p.source, p.output) for p in trace["/mul"].op.parents] == [
        ("/split", 0),
        ("/split", 1),
    ]
    assert [p.position for p in trace.graph.outputs] == ["output.product", "output.values"]


def test_attention_is_opened():
    net, x = make_net("attention")
    functions = [op.function for op in nl.trace(net, x).graph]
    assert "scaled_dot_product_attention" in functions or "softmax" in functions
    assert functions.count("linear") == 4


def test_unknown_names_list_the_closest():
    net, x = make_resnet()
    trace = nl.trace(net, x)
    with pytest.raises(
        UnknownNameError, match=r"no op or module named 'layer1.0.bn/batch_norm'.*'layer1.0.bn1/"
    ):
        trace["layer1.0.bn/batch_norm"]
    with pytest.raises(UnknownNameError, match=r"no op matching the pattern named '\*gelu\*'"):
        nl.trace(net, x, ops="*gelu*")
    with pytest.raises(UnknownNameError, match="op 99 asked for, but there are 69"):
        trace[99]
    with pytest.raises(UnknownNameError, match=r".layer1.0.relu. ran 2 times"):
        trace["layer1.0.relu@3"]


def test_only_selected_values_are_kept():
    net, x = make_resnet()
    trace = nl.trace(net, x, ops=["fc", "layer1.*/add"])
    assert len(trace) == 69
    assert [op.name for op in trace] == ["layer1.0/add", "layer1.1/add", "fc/linear"]
    assert torch.equal(trace["fc"].value, trace.output)
    with pytest.raises(UnknownNameError, match="the value of 'conv1/conv2d' was not kept"):
        trace["conv1/conv2d"]


def test_an_error_says_while_recording_which_op():
    with pytest.raises(
        RecordingError, match=r"RuntimeError while recording op 'inner/linear', after '/cos'"
    ):
        nl.trace(Raises(), torch.ones(2, 4))
    with pytest.raises(
        RecordingError, match=r"KeyError in the forward of module 'the model itself'.*after '/cos'"
    ):
        nl.trace(Complains(), torch.ones(2, 4))
    net = Raises()
    with pytest.raises(RecordingError):
        nl.trace(net, torch.ones(2, 4))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_what_cannot_be_recorded_is_refused():
    with pytest.raises(InputError, match=r"must be a torch.nn.Module, got function"):
        nl.trace(lambda x: x, torch.ones(1))
    exported = torch.export.export(nn.Linear(4, 2), (torch.ones(1, 4),))
    with pytest.raises(InputError, match=r"pass program.module\(\)"):
        nl.trace(exported, torch.ones(1, 4))


def test_several_and_keyword_inputs_are_named():
    class TwoInputs(nn.Module):
        def forward(self, a, b, *, mask):
            return a * b["x"] * mask

    graph = nl.trace(
        TwoInputs(), (torch.ones(2), {"x": torch.ones(2)}), kwargs={"mask": torch.zeros(2)}
    ).graph
    assert list(graph.inputs) == ["input.0", "input.1.x", "input.mask"]
    assert [p.source for op in graph for p in op.parents] == [
        "input.0",
        "input.1.x",
        "/mul",
        "input.mask",
    ]


def test_a_value_that_leaves_torch_is_noted_with_its_line():
    graph = nl.trace(Branching(), torch.ones(2)).graph
    assert [r.function for r in graph.host_reads] == ["__bool__"]
    assert graph.host_reads[0].parent == "/gt"
    assert "nets.py:" in graph.host_reads[0].source


class ReadsTwice(torch.nn.Module):
    """Two values leave torch on two lines of one function, and two more in a loop over one line."""

    def forward(self, x):
        low = x.min().item()
        high = x.max().item()
        for step in range(2):
            low += float(x[step, 0])
        return x * (high - low)


def test_values_that_leave_torch_on_two_lines_have_two_sources():
    reads = nl.trace(ReadsTwice(), torch.tensor([[1.0, 2.0], [3.0, 4.0]])).graph.host_reads
    lines = [int(read.source.rpartition(":")[2]) for read in reads]
    first = ReadsTwice.forward.__code__.co_firstlineno
    assert [line - first for line in lines] == [1, 2, 4, 4]
    assert [read.value for read in reads] == ["1.0", "4.0", "1.0", "3.0"]


def test_two_threads_record_at_once():
    net, x = make_resnet()
    expected = [op.name for op in nl.trace(net, x).graph]
    found = {}

    def record(i):
        found[i] = [op.name for op in nl.trace(net, x).graph]

    threads = [threading.Thread(target=record, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {0: expected, 1: expected}


def test_a_trace_inside_a_traced_model():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 4)

        def forward(self, x):
            return nl.trace(self.inner, x).output + 1

    trace = nl.trace(Outer(), torch.ones(1, 4))
    assert [op.function for op in trace.graph] == ["linear", "add"]


def test_a_loss_that_is_no_number_of_the_trace_is_refused():
    trace = nl.trace(torch.nn.Linear(3, 2), torch.ones(2, 3), grad=True)
    for loss in ("x", 1.0, None, [trace.output]):
        told = f"loss must be a tensor computed from the trace, got {type(loss).__name__}"
        with pytest.raises(InputError, match=told):
            trace.gradients(loss)
    with pytest.raises(
        InputError, match=r"loss must be one number that depends on the trace, got shape \(2, 2\)"
    ):
        trace.gradients(trace.output)
    with pytest.raises(InputError, match="loss must be one number that depends on the trace"):
        trace.gradients(torch.ones(()))
    assert trace.gradients(trace.output.sum())["/linear"].tolist() == [[1, 1], [1, 1]]


def test_table_and_summary():
    net, x = make_resnet()
    trace = nl.trace(net, x)
    table = trace.table()
    assert list(table.index) == [op.name for op in trace.graph]
    row = table.loc["layer2.0.downsample.0/conv2d"]
    assert row["module_class"] == "Conv2d"
    assert row["shape"] == (2, 128, 8, 8)
    assert row["n_bytes"] == 2 * 128 * 8 * 8 * 4
    assert row["parameters"] == ("layer2.0.downsample.0.weight",)
    assert row["children"] == ("layer2.0.downsample.1/batch_norm",)
    assert "resnet.py:" in row["source"]
    assert table.loc["/flatten", "alias_of"] == "avgpool/adaptive_avg_pool2d"
    assert "69 ops" in trace.summary()
    assert "8 ops are second or later" in trace.summary()


@pytest.mark.parametrize("level", ["function", "aten"])
@pytest.mark.parametrize("ops", ["all", "0/*"])
def test_running_statistics_are_put_back(level, ops):
    net = nn.Sequential(nn.BatchNorm1d(3)).train()
    nl.trace(net, torch.ones(4, 3), ops=ops, level=level)
    assert net[0].num_batches_tracked == 0
    assert net[0].running_mean.tolist() == [0, 0, 0]


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        for _ in range(3):
            x = self.fc(x).relu()
        return x + 1


def test_layers_say_what_feeds_them_and_what_recurs():
    graph = nl.trace(Loop().eval(), torch.ones(2, 4)).graph
    assert [
        (edge.source, edge.target, edge.times, edge.recurrent) for edge in graph.layer_edges
    ] == [
        ("fc/linear", "/relu", 3, False),
        ("/relu", "fc/linear", 2, True),
        ("/relu", "/add", 1, False),
    ]


def test_kernels_say_which_function_ran_them():
    graph = nl.trace(Loop().eval(), torch.ones(2, 4), level="aten").graph
    assert graph.by_composite["fc/linear@2"] == ("fc/linear@2/t", "fc/linear@2/addmm")
    assert sum(map(len, graph.by_composite.values())) == len(graph)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing when gradients are computed")
@pytest.mark.parametrize("needs_grad", [False, True])
def test_gradients_beside_hooks_on_gradients(needs_grad):
    net, seen = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), []
    for module in net.modules():
        module.register_full_backward_hook(lambda one, *_: seen.append(type(one).__name__))
    x = torch.ones(2, 3, requires_grad=needs_grad)
    trace = nl.trace(net, x, grad=True)
    gradients = trace.gradients(trace.output.sum())
    assert torch.equal(gradients["0/linear"], (trace["0/linear"].value > 0).float())
    assert {"Linear", "ReLU"} <= set(seen)
    assert all(gradient is not None for gradient in gradients.values())
