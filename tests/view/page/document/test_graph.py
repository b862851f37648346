"""The graph in the document is that of the trace."""

from dataclasses import replace

from graphs import GraphBuilder, build_residual
from torch import nn

import neurolens as nl
from neurolens.extract.graph.ops import HostRead
from neurolens.view.page.document.graph import describe_graph
from neurolens.view.structure.building import build_structure


def test_every_op_is_told_as_it_is():
    graph = build_residual()
    described = describe_graph(graph, graph)
    op = described["ops"][4]
    assert op["name"] == "layer1.0.conv1/conv2d"
    assert (op["site"], op["pass"], op["function"]) == (op["name"], 1, "conv2d")
    assert (op["module"], op["label"]) == ("layer1.0.conv1", "conv1")
    assert op["shape"] == "64×56²"
    assert op["dtype"] == "float32"
    assert described["inputs"] == [{"name": "input", "shape": "3×224²"}]
    assert described["outputs"] == [len(graph) - 1]
    assert described["modules"] == graph.modules


def test_views_are_the_structure():
    graph = build_residual()
    structure = build_structure(graph)
    (view,) = describe_graph(graph, graph)["views"]
    names = [op.name for op in graph]
    for node, shown in zip(structure.nodes, view["nodes"], strict=True):
        assert shown[:3] == [node.kind, node.name, node.label]
        assert tuple(names[i] for i in shown[3]) == node.ops
        assert shown[4:7] == [node.run, node.shape, node.generated]
    for run, shown in zip(structure.runs, view["runs"], strict=True):
        assert shown[0] == run.key
        assert shown[6:] == [run.parent, run.depth, run.first, run.last]
    edges = [[edge.tail, edge.head, edge.role, edge.left_out] for edge in structure.edges]
    assert view["edges"] == edges


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(4, 4)

    def forward(self, x):
        for _ in range(3):
            x = self.cell(x).relu()
        return x


def test_recurrent_networks_have_a_rolled_and_an_unrolled_view(rng):
    import torch

    traced = nl.trace(Loop(), torch.zeros(2, 4))
    rolled, unrolled = describe_graph(traced, traced.graph)["views"]
    assert rolled["rolled"]
    assert not unrolled["rolled"]
    assert [node[3] for node in rolled["nodes"]] == [[], [0, 2, 4], [1, 3, 5], []]
    assert len(unrolled["nodes"]) == 8
    ops = describe_graph(traced, traced.graph)["ops"]
    assert [op["params"] for op in ops] == [20, 0] * 3
    assert ops[0]["flops"] == 2 * 2 * 4 * 4


def test_values_that_python_read_are_told_without_folders():
    builder = GraphBuilder()
    name = builder.add("gate", "gt")
    read = HostRead("__bool__", name, "/home/someone/project/nets/gate.py:7", 1, "True")
    graph = replace(builder.build(), host_reads=(read,))
    (op,) = describe_graph(graph, graph)["ops"]
    shown = {"function": "__bool__", "value": "True", "source": "project/nets/gate.py:7"}
    assert op["reads"] == [shown]
