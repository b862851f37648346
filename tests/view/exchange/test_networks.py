"""The graph in networkx: the same nodes and edges, scores as plain attributes."""

import sys

import pytest
from graphs import build_branches, build_hostile, build_residual, fake_best, fake_scores

from neurolens.errors import LabelError, MissingToolError
from neurolens.view.exchange.networks import to_networkx

networkx = pytest.importorskip("networkx", reason="networkx is not installed")


@pytest.mark.parametrize("build", [build_residual, build_branches, build_hostile])
def test_nodes_and_edges_are_those_of_the_graph(build):
    graph = build()
    network = to_networkx(graph)
    ops = [name for name, kind in network.nodes(data="kind") if kind == "op"]
    assert ops == [op.name for op in graph]
    expected = {(parent, op.name) for op in graph for parent in op.parent_ops}
    inner = {edge for edge in network.edges if not edge[0].startswith("input:")}
    assert inner == expected
    assert networkx.is_directed_acyclic_graph(network)


def test_scores_are_attributes(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng, without_ceiling=("V1",))
    best = fake_best(scores)
    network = to_networkx(graph, scores=scores, best=best)
    name = str(best.best_op.values[3])
    node = network.nodes[name]
    assert node["IT mean"] == float(scores.score_mean.sel(op=name, region="IT"))
    assert node["best_of"] == "IT"
    assert "V1 share" not in node
    assert node["shape"].startswith("1x512x")


def test_graphml_and_gexf_come_back(rng, tmp_path):
    graph = build_hostile()
    network = to_networkx(graph, scores=fake_scores(graph, rng))
    networkx.write_graphml(network, tmp_path / "a.graphml")
    networkx.write_gexf(network, tmp_path / "a.gexf")
    read = networkx.read_graphml(tmp_path / "a.graphml")
    assert set(read.nodes) == set(network.nodes)
    assert set(read.edges) == set(network.edges)


def test_refusals(rng, monkeypatch):
    with pytest.raises(LabelError, match="must name ops of this graph"):
        to_networkx(build_hostile(), scores=fake_scores(build_residual(), rng))
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(MissingToolError, match="Type pip install networkx"):
        to_networkx(build_hostile())
