"""The order of layers whose passes share a node."""

from collections import Counter

import torch
from graphs import build_residual
from hypothesis import given
from structures import Recurrent, draw_graphs, trace_net
from torch import nn

from neurolens import trace
from neurolens.view.structure.order import order_layers


@given(draw_graphs())
def test_every_layer_is_there_once(graph):
    ordered = [tuple(op.name for op in layer) for layer in order_layers(graph)]
    assert Counter(ordered) == Counter(layer.ops for layer in graph.layers)


@given(draw_graphs())
def test_layers_that_do_not_start_late_keep_their_order(graph):
    first = [layer[0] for layer in order_layers(graph)]
    early = [op.index for op in first if (op.time_step or 1) == 1]
    assert early == sorted(early)


def test_without_recurrence_the_order_is_that_of_execution():
    graph = build_residual()
    assert [layer[0] for layer in order_layers(graph)] == list(graph)


def test_a_late_layer_stands_before_what_it_feeds():
    names = [layer[0].site for layer in order_layers(trace_net("recurrent").graph)]
    assert names[:5] == ["stem/conv2d", "V1.conv/conv2d", "V1.rec/conv2d", "V1/add", "V1.relu/relu"]


def test_two_loops_are_kept_apart():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = Recurrent()
            self.two = Recurrent()

        def forward(self, x):
            return self.one(x), self.two(x)

    graph = trace(Twice(), torch.zeros(1, 3, 4, 4)).graph
    halves = [layer[0].site.split(".")[0].split("/")[0] for layer in order_layers(graph)]
    assert halves == ["one"] * 11 + ["two"] * 11
