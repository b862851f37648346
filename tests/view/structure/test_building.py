"""Every op has one node, every read an edge; runs are nested and unbroken."""

import pytest
import torch
from behaviours import merge_tables
from graphs import GraphBuilder, build_hostile, build_residual
from hypothesis import given
from hypothesis import strategies as st
from structures import draw_graphs, trace_net, trace_torchvision

from neurolens import trace
from neurolens.errors import InputError
from neurolens.extract.graph.graph import Graph
from neurolens.view.structure.building import build_structure

BEHAVIOURS = [
    "nested loops",
    "two loops in sequence with equal ops",
    "loop body varying per pass",
    "inner module of a reused module called directly",
    "one module registered twice",
    "model in a model",
    "output is a buffer",
]


def list_names(structure):
    return [name for node in structure.nodes for name in node.ops]


def check_structure(graph, structure):
    assert sorted(list_names(structure)) == sorted(op.name for op in graph)
    for i, run in enumerate(structure.runs):
        assert run.parent < i
        inside = range(run.first, run.last + 1)
        assert len(inside) > 1
        assert [
            n for n, node in enumerate(structure.nodes) if i in structure.list_around(node.run)
        ] == [*inside]
        if run.parent >= 0:
            outer = structure.runs[run.parent]
            assert outer.first <= run.first
            assert run.last <= outer.last
            assert run.depth == outer.depth + 1
            assert run.address.startswith(outer.address + ".")
        else:
            assert run.depth == 0
        assert all(structure.nodes[n].kind == "op" for n in inside)
    assert len(structure.run_of) == len(structure.runs)
    check_edges(graph, structure)


def check_edges(graph, structure):
    inputs = {node.name: i for i, node in enumerate(structure.nodes) if node.kind == "input"}
    expected = set()
    for op in graph:
        for parent in op.parents:
            tail = (
                inputs.get(parent.source)
                if parent.kind == "input"
                else structure.node_of.get(parent.source)
            )
            if parent.kind in ("op", "input"):
                expected.add((tail, structure.node_of[op.name]))
    for parent in graph.outputs:
        if parent.kind in ("op", "input"):
            tail = inputs if parent.kind == "input" else structure.node_of
            expected.add((tail[parent.source], len(structure.nodes) - 1))
    assert {(edge.tail, edge.head) for edge in structure.edges} == expected
    assert len(structure.edges) == len(expected)
    for edge in structure.edges:
        assert (edge.role == "loop") == (edge.tail >= edge.head)
        assert edge.role == "shortcut" or not edge.left_out


@given(draw_graphs(), st.sampled_from([None, True, False]))
def test_nothing_is_lost_and_runs_are_nested_and_unbroken(graph, rolled):
    structure = build_structure(graph, rolled=rolled)
    check_structure(graph, structure)
    assert structure.rolled == (
        len(structure.node_of) > sum(n.kind == "op" for n in structure.nodes)
    )


@pytest.mark.parametrize("name", ["recurrent", "lstm", "gated", "unet", "shared"])
@pytest.mark.parametrize("rolled", [True, False])
def test_small_networks_are_whole(name, rolled):
    graph = trace_net(name).graph
    check_structure(graph, build_structure(graph, rolled=rolled))


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("rolled", [None, False])
def test_loops_calls_and_outputs_of_any_kind(name, rolled):
    behaviour = merge_tables()[name]
    graph = trace(behaviour.build(), behaviour.inputs[0], **behaviour.kwargs).graph
    check_structure(graph, build_structure(graph, rolled=rolled))


def test_order_is_that_of_execution():
    graph = build_residual()
    structure = build_structure(graph)
    assert list_names(structure) == [op.name for op in graph]
    assert [node.kind for node in structure.nodes[:1] + structure.nodes[-1:]] == ["input", "output"]
    first = structure.nodes[0]
    assert (first.name, first.shape, first.run) == ("input", "3×224²", -1)
    assert structure.nodes[-1].shape == "1000"


def test_residual_blocks_have_one_shortcut_each():
    structure = build_structure(build_residual())
    shortcuts = [edge for edge in structure.edges if edge.role == "shortcut"]
    # where the shortcut has layers of its own, both ways are as long as they are
    assert len(shortcuts) == 5
    assert structure.n_left_out == 0


def test_a_module_around_one_op_gives_its_name_to_the_card():
    structure = build_structure(build_residual())
    labels = [(node.name, node.label) for node in structure.nodes[1:6]]
    assert labels == [
        ("conv2d", "conv1"), ("batch_norm", "bn1"), ("relu", ""), ("max_pool2d", "maxpool"),
        ("conv2d", "conv1"),
    ]  # fmt: skip
    assert [run.title for run in structure.runs[:3]] == ["layer1", ".0", ".1"]
    assert [run.module_class for run in structure.runs[:2]] == ["Sequential", "BasicBlock"]


class MaskWriter(torch.nn.Module):
    """Writes a mask in a loop, without parameters, as Swin does."""

    def forward(self, x):
        mask = torch.zeros_like(x)
        for i in range(3):
            mask[:, i] = float(i)
        return x + mask


def test_a_loop_without_parameters_is_rolled_only_on_request():
    graph = trace(MaskWriter(), torch.randn(1, 4)).graph
    assert any(edge.recurrent for edge in graph.layer_edges)
    assert not build_structure(graph).rolled
    assert build_structure(graph, rolled=True).rolled


def test_passes_of_a_recurrent_layer_share_a_node():
    graph = trace_net("recurrent").graph
    structure = build_structure(graph)
    assert structure.rolled
    by_label = {}
    for node in structure.nodes:
        if node.run >= 0:
            by_label[structure.runs[node.run].address, node.name, node.label] = node
    assert by_label["V1", "conv2d", "conv"].steps == (1, 2, 3, 4)
    rec = by_label["V1", "conv2d", "rec"]
    assert rec.ops == ("V1.rec/conv2d", "V1.rec/conv2d@2", "V1.rec/conv2d@3")
    assert rec.steps == (2, 3, 4)


def test_layers_that_start_late_stand_in_their_module():
    structure = build_structure(trace_net("recurrent").graph)
    assert [(run.title, run.part, run.call) for run in structure.runs] == [
        ("V1", "", 1),
        ("V2", "", 1),
    ]
    inside = [node.label or node.name for node in structure.nodes if node.run == 0]
    assert inside == ["conv", "rec", "add", "relu"]
    loops = [edge for edge in structure.edges if edge.role == "loop"]
    assert [(structure.nodes[e.tail].name, structure.nodes[e.head].label) for e in loops] == [
        ("relu", "rec")
    ] * 2


def test_a_cell_that_reads_itself_has_a_loop():
    structure = build_structure(trace_net("lstm").graph)
    loops = [edge for edge in structure.edges if edge.role == "loop"]
    assert len(loops) == 1
    assert loops[0].tail == loops[0].head
    assert structure.nodes[loops[0].tail].steps == (1, 2, 3)


def test_unrolled_calls_are_numbered_and_their_ops_are_not_numbered_again():
    structure = build_structure(trace_net("recurrent").graph, rolled=False)
    assert not structure.rolled
    titles = [run.title for run in structure.runs]
    assert titles == ["V1", "V2", "V1@2", "V2@2", "V1@3", "V2@3", "V1@4", "V2@4"]
    assert [run.key for run in structure.runs[:4]] == ["V1#1", "V2#1", "V1#2", "V2#2"]
    third = structure.run_of["V1#3"]
    labels = [node.label for node in structure.nodes if node.run == third]
    # in the third call runs the second execution of those that begin in the second
    assert labels == ["conv", "rec @2", "@2", ""]


def test_calls_that_follow_each_other_are_runs_of_their_own():
    structure = build_structure(trace_net("shared").graph, rolled=False)
    assert structure.root == "net"
    assert [run.title for run in structure.runs] == ["block", "block@2", "block@3"]
    assert {run.part for run in structure.runs} == {""}
    assert [node.label for node in structure.nodes if node.name == "batch_norm"] == ["norm"]


def test_a_container_that_is_never_called_has_parts_and_no_calls():
    structure = build_structure(trace_net("unet").graph)
    outer = [run for run in structure.runs if run.depth == 0]
    told = [(run.title, run.part) for run in outer]
    assert told == [
        ("down", "1 of 3"), ("down", "2 of 3"), ("down", "3 of 3"), ("middle", ""),
        ("up", "1 of 3"), ("up", "2 of 3"), ("up", "3 of 3"),
    ]  # fmt: skip
    assert {run.call for run in structure.runs} == {1}
    pools = [node.label for node in structure.nodes if node.name == "max_pool2d"]
    assert pools == ["pool", "pool @2", "pool @3"]


def test_values_that_python_read_are_told_on_their_nodes():
    structure = build_structure(trace_net("gated").graph)
    chosen = [structure.nodes[i] for i in structure.chosen_paths]
    assert [(node.name, node.reads[0].value) for node in chosen] == [("gt", "False")]
    read = [node for node in structure.nodes if node.reads and not node.chose_path]
    assert [(node.name, node.reads[0].function) for node in read] == [
        ("linalg_vector_norm", "item")
    ]


def test_what_no_input_reaches_is_generated():
    b = GraphBuilder()
    b.add("", "arange", [])
    b.add("", "sin")
    b.add("", "conv2d", ["input"])
    b.add("", "add", ["/sin", "/conv2d"])
    nodes = build_structure(b.build()).nodes
    assert [node.name for node in nodes if node.generated] == ["arange", "sin"]


def test_several_outputs_are_counted():
    b = GraphBuilder()
    names = [b.add("", "conv2d", ["input"]), b.add("", "relu")]
    structure = build_structure(b.build(names))
    assert (structure.nodes[-1].label, structure.nodes[-1].shape) == ("2 tensors", "")
    assert (
        build_structure(b.build()).nodes[-1].label,
        build_structure(b.build()).nodes[-1].shape,
    ) == ("", "8×4²")


def test_names_are_kept_as_they_are():
    graph = build_hostile()
    check_structure(graph, build_structure(graph))


def test_real_networks_keep_every_op():
    for name in ("resnet18", "densenet121"):
        graph = trace_torchvision(name).graph
        check_structure(graph, build_structure(graph))


def test_dense_blocks_leave_out_what_would_hide_the_rest():
    structure = build_structure(trace_torchvision("densenet121").graph)
    assert structure.n_left_out == 535
    drawn = [edge for edge in structure.edges if not edge.left_out]
    assert {edge.role for edge in drawn} == {"main"}
    assert len(drawn) == 432


def test_what_is_no_graph_is_refused():
    with pytest.raises(InputError, match=r"a Graph is needed to draw, got str. Pass trace\(model"):
        build_structure("resnet18")
    with pytest.raises(InputError, match="the graph has no ops"):
        build_structure(Graph(()))
    with pytest.raises(InputError, match="rolled must be True, False or None, got 'yes'"):
        build_structure(build_residual(), rolled="yes")
