"""Files for Model Explorer: its published fields, every node once, every edge between nodes."""

import json

import numpy as np
import pytest
from graphs import HOSTILE, GraphBuilder, build_branches, build_hostile, build_residual, fake_best
from graphs import fake_scores as fake

from neurolens.errors import DataError, InputError, LabelError
from neurolens.extract.graph.graph import Graph
from neurolens.view.annotation import annotate_ops
from neurolens.view.exchange.explorer import to_model_explorer
from neurolens.view.style import format_score, measure_contrast, pick_color

# Fields of its package's graph_builder and node_data_builder, version 0.1.34.
NODE = {"id", "label", "namespace", "attrs", "incomingEdges", "outputsMetadata"}
EDGE = {"sourceNodeId", "sourceNodeOutputId", "targetNodeInputId"}
DATA = {"name", "results", "thresholds"}
COLORED = {"value", "bgColor", "textColor"}


def check_graph(files):
    """Assert that every node and edge is as Model Explorer reads it, and return the nodes."""
    assert set(files.graph) == {"label", "graphs"}
    [graph] = files.graph["graphs"]
    nodes = {node["id"]: node for node in graph["nodes"]}
    assert len(nodes) == len(graph["nodes"])
    for node in graph["nodes"]:
        assert set(node) <= NODE
        assert node["id"]
        assert node["label"]
        assert ";" not in node["namespace"]
        assert all(node["namespace"].split("/")) or node["namespace"] == ""
        assert all(set(pair) == {"key", "value"} for pair in node.get("attrs", []))
        assert all(isinstance(pair["value"], str) for pair in node.get("attrs", []))
        for edge in node.get("incomingEdges", []):
            assert set(edge) == EDGE
            assert edge["sourceNodeId"] in nodes
            assert all(isinstance(value, str) for value in edge.values())
    for data in files.node_data.values():
        assert set(data) == {graph["id"]}
        one = data[graph["id"]]
        assert set(one) == DATA
        assert set(one["results"]) <= set(nodes)
        assert all(set(result) == COLORED for result in one["results"].values())
        values = [step["value"] for step in one["thresholds"]]
        assert values == sorted(values)
    return nodes


@pytest.mark.parametrize("build", [build_residual, build_branches, build_hostile])
def test_graphs_and_scores_have_the_published_fields(build, rng):
    graph = build()
    scores = fake(graph, rng)
    nodes = check_graph(to_model_explorer(graph, scores=scores, best=fake_best(scores)))
    assert {op.name for op in graph} <= set(nodes)
    n_edges = sum(len(node.get("incomingEdges", [])) for node in nodes.values())
    read = [parent for op in graph for parent in op.parents if parent.kind in ("op", "input")]
    assert n_edges == len(read) + len(graph.outputs)


def test_modules_are_layers(rng):
    nodes = check_graph(to_model_explorer(build_residual()))
    node = nodes["layer2.0.downsample.0/conv2d"]
    assert node["namespace"] == "layer2/0/downsample/0"
    assert node["label"] == "conv2d"


def test_separators_in_names_are_replaced():
    builder = GraphBuilder()
    builder.add("a/b;c.d", "relu")
    [_, node, _] = to_model_explorer(builder.build()).graph["graphs"][0]["nodes"]
    assert node["namespace"] == "a_b_c/d"


def test_a_color_is_the_same_score_in_every_region(rng):
    graph = build_residual()
    scores = fake(graph, rng, without_ceiling=("IT",))
    files = to_model_explorer(graph, scores=scores)
    ceilings = {"V1": ".55–.65", "IT": "none"}
    for region, ceiling in ceilings.items():
        data = files.node_data[region]["model"]
        name = graph.ops[7].name
        mean = float(scores.score_mean.sel(op=name, region=region))
        assert data["results"][name]["value"] == mean
        end = annotate_ops(scores).scale_end
        assert data["results"][name]["bgColor"] == pick_color(mean / end)
        words = f"(full color {format_score(end)}; noise ceiling {ceiling})"
        assert data["name"] == f"{region}, rho-a {words}"
        assert data["thresholds"][0]["value"] == pytest.approx(end / 16)
        for result in data["results"].values():
            assert measure_contrast(result["bgColor"], result["textColor"]) >= 4.5


def test_every_score_is_below_the_last_threshold(rng):
    graph = build_residual()
    scores = fake(graph, rng)
    scores["score_mean"] = scores.score_mean + 1
    for data in to_model_explorer(graph, scores=scores).node_data.values():
        largest = max(one["value"] for one in data["model"]["results"].values())
        assert data["model"]["thresholds"][-1]["value"] >= largest > 1


def test_nan_has_no_data(rng):
    graph = build_residual()
    scores = fake(graph, rng)
    scores["score_mean"] = scores.score_mean.where(scores.op != graph.ops[3].name)
    files = to_model_explorer(graph, scores=scores)
    assert graph.ops[3].name not in files.node_data["V1"]["model"]["results"]
    json.dumps(files.node_data, allow_nan=False)


def test_best_ops_and_ties_are_attributes(rng):
    graph = build_residual()
    scores = fake(graph, rng)
    best = fake_best(scores)
    nodes = check_graph(to_model_explorer(graph, scores=scores, best=best))
    attributes = nodes[str(best.best_op.values[0])]["attrs"]
    assert {"key": "best op of", "value": "V1"} in attributes


def test_files_of_regions_never_replace_each_other(rng, tmp_path):
    graph = build_hostile()
    scores = fake(graph, rng, regions=("a/b", "a:b", "A b", "../x"))
    paths = to_model_explorer(graph, scores=scores).save(tmp_path / "new")
    assert [path.parent for path in paths] == [tmp_path / "new"] * 5
    assert len({path.name.casefold() for path in paths}) == 5
    read = [json.loads(path.read_text())["model"]["name"] for path in paths[1:]]
    assert [name.split(",")[0] for name in read] == ["a/b", "a:b", "A b", "../x"]
    assert HOSTILE in json.loads(paths[1].read_text())["model"]["results"]


def test_what_cannot_be_written_is_told(rng, tmp_path):
    graph = build_residual()
    with pytest.raises(LabelError, match="must name ops of this graph"):
        to_model_explorer(build_hostile(), scores=fake(graph, rng))
    with pytest.raises(InputError, match="has no ops"):
        to_model_explorer(Graph(()))
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be made"):
        to_model_explorer(graph).save(tmp_path / "file" / "folder")
    with pytest.raises(DataError, match=r"File exists. Several files .* \.save\('explorer'\)"):
        to_model_explorer(graph).save(tmp_path / "file")
    assert np.all([len(to_model_explorer(graph).node_data) == 0])
