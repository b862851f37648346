"""JSON of our own holds what the graph and the scores hold, as docs/exchange.md says."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from graphs import HOSTILE, build_hostile, build_residual, fake_best, fake_scores

import neurolens as nl
from neurolens.errors import InputError, LabelError
from neurolens.view.exchange.plain import to_json

PAGE = Path(__file__).parents[3] / "docs" / "exchange.md"


@pytest.fixture
def graph():
    return build_residual()


@pytest.fixture
def scores(graph, rng):
    return fake_scores(graph, rng, without_ceiling=("IT",))


def test_the_file_holds_the_graph_and_the_scores(graph, scores, tmp_path):
    best = fake_best(scores)
    path = to_json(graph, scores=scores, best=best).save(tmp_path / "g.json")
    read = json.loads(path.read_text())
    assert (read["format"], read["version"], read["model"]) == ("neurolens-graph", 1, None)
    assert [op["name"] for op in read["ops"]] == [op.name for op in graph]
    assert read["edges"] == [[p, op.name] for op in graph for p in op.parent_ops]
    name = graph.ops[5].name
    cell = read["scores"]["by_op"][name]["V4"]
    at = scores.sel(op=name, region="V4")
    assert cell["mean"] == float(at.score_mean)
    assert cell["low"] == float(at.mean_ci_low)
    assert cell["share"] == pytest.approx(float(at.score_mean / at.ceiling_lower))
    assert read["scores"]["by_op"][name]["IT"]["share"] is None
    assert read["scores"]["by_subject"][name][2] == at.score.values.tolist()
    assert read["scores"]["ceilings"]["IT"] == {"lower": None, "upper": None}
    assert read["scores"]["attributes"]["measure"] == "rho-a"
    chosen = read["best"]["regions"]["V1"]
    assert chosen["op"] == str(best.best_op.values[0])
    assert chosen["heldout"] == float(best.heldout_mean[0])
    assert chosen["doubtful"] is False
    tied = best.indistinguishable.sel(region="V1")
    assert set(chosen["ties"]) == set(tied.op.values[tied.values]) - {chosen["op"]}


def test_the_order_of_scores_does_not_matter(graph, scores):
    turned = scores.isel(op=slice(None, None, -1), region=[3, 1, 0, 2])
    one = to_json(graph, scores=scores)["scores"]["by_op"]
    other = to_json(graph, scores=turned)["scores"]["by_op"]
    assert one == other


def test_a_trace_has_costs():
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    read = to_json(nl.trace(net, torch.ones(2, 4)))
    assert read["model"] == "Sequential"
    assert read["ops"][0]["n_parameters"] == 15
    assert read["ops"][0]["flops"] == 48
    assert read["ops"][0]["outputs"] == [{"shape": [2, 3], "dtype": "float32"}]
    assert read["scores"] is None
    assert read["best"] is None


def test_of_source_lines_the_folder_is_left_out():
    graph = build_residual()
    ops = [replace(op, source="/home/someone/model.py:12") for op in graph]
    other = replace(graph, ops=tuple(ops))
    assert {op["source"] for op in to_json(other)["ops"]} == {"model.py:12"}


def test_scores_of_some_ops_and_tests_are_kept(graph, scores):
    q = scores.score_mean * 0 + 0.5
    read = to_json(graph, scores=scores.assign(q=q).isel(op=[2, 4]))
    assert list(read["scores"]["by_op"]) == [graph.ops[2].name, graph.ops[4].name]
    assert read["scores"]["by_op"][graph.ops[2].name]["V1"]["q"] == 0.5


def test_any_name_is_text(rng):
    graph = build_hostile()
    read = json.loads(json.dumps(to_json(graph, scores=fake_scores(graph, rng))))
    assert HOSTILE in read["scores"]["by_op"]


def test_ops_that_the_graph_lacks_are_refused(graph, scores):
    other = scores.assign_coords(op=["nope", *scores.op.values[1:]])
    with pytest.raises(
        LabelError, match="scores must name ops of this graph, but it has no 'nope'"
    ):
        to_json(graph, scores=other)
    with pytest.raises(InputError, match="a Trace or a Graph is needed, got str"):
        to_json("resnet")
    with pytest.raises(InputError, match="Pass scores= too"):
        to_json(graph, best=fake_best(scores))
    with pytest.raises(InputError, match="an export takes scores"):
        to_json(graph, scores=scores.score_mean)


def test_every_key_is_documented(graph, scores):
    text = PAGE.read_text()
    document = to_json(graph, scores=scores, best=fake_best(scores))
    keys = {*document, *document["ops"][0], *document["scores"], *document["best"]}
    keys |= {*document["ops"][1]["parents"][0], *document["best"]["regions"]["V1"]}
    keys |= {*document["scores"]["by_op"][graph.ops[0].name]["V1"]}
    missing = [key for key in keys if not re.search(rf"[`{{ ]{key}[`,}} ]", text)]
    assert not missing
    assert np.isfinite(document["version"])
