"""The document of the page holds the numbers of the Datasets, and refuses what does not match."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from graphs import HOSTILE, build_hostile, build_residual, fake_best, fake_scores
from results import add_contrasts, fake_brain, fake_rdms
from scores import make_scores

from neurolens.errors import InputError, LabelError
from neurolens.view.page.document import build_document


def significant(value, digits=4):
    """Return a number with four significant digits, None for NaN, by another way than the code."""
    return (
        None
        if np.isnan(value)
        else float(np.format_float_positional(value, digits, fractional=False, unique=False))
    )


@pytest.fixture
def parts(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng)
    return graph, scores, add_contrasts(fake_best(scores))


def test_every_score_is_that_of_the_dataset(parts):
    graph, scores, best = parts
    document = build_document(graph, scores, best=best)
    names = [op["name"] for op in document["graph"]["ops"]]
    assert names == [op.name for op in graph]
    variables = {"mean": "score_mean", "low": "mean_ci_low", "high": "mean_ci_high"}
    for region in ("V1", "V2", "V4", "IT"):
        shown = document["models"][0]["scores"][region]
        for key, variable in variables.items():
            wanted = [significant(v) for v in scores[variable].sel(region=region, op=names).values]
            assert shown[key] == wanted, (region, key)


def test_each_subject_has_its_scores(parts):
    graph, scores, best = parts
    shown = build_document(graph, scores, best=best)["models"][0]["scores"]["V4"]["subjects"]
    assert shown["names"] == ["s0", "s1", "s2", "s3"]
    wanted = scores.score.sel(region="V4", subject="s2").values
    assert shown["values"][2] == [significant(v) for v in wanted]


def test_best_ops_show_the_held_out_score_and_not_the_biased_one(parts):
    graph, scores, best = parts
    document = build_document(graph, scores, best=best)
    for region in document["regions"]:
        row = best.sel(region=region["id"])
        shown = region["best"]
        assert document["graph"]["ops"][shown["op"]]["name"] == row.best_op.item()
        assert shown["heldout"] == significant(row.heldout_mean.item())
        assert shown["naive"] == significant(row.naive_score.item()) != shown["heldout"]
        assert shown["low"] == significant(row.heldout_ci_low.item())
        assert shown["high"] == significant(row.heldout_ci_high.item())
        assert shown["p"] == 0.004
        assert shown["agreement"] == 0.75
        assert shown["depth"] == significant(row.peak_depth.item())


def test_ties_are_those_of_the_set_without_the_best_op(parts):
    graph, scores, best = parts
    document = build_document(graph, scores, best=best)
    names = np.array([op.name for op in graph])
    for region in document["regions"]:
        row = best.sel(region=region["id"])
        tied = set(row.op.values[row.indistinguishable.values]) - {row.best_op.item()}
        ties = document["models"][0]["scores"][region["id"]]["ties"]
        assert set(names[ties]) == tied


def test_order_of_regions_of_best_does_not_matter(parts):
    graph, scores, best = parts
    turned = best.isel(region=[2, 0, 3, 1], op=slice(None, None, -1))
    assert build_document(graph, scores, best=turned) == build_document(graph, scores, best=best)


def test_ops_without_scores_and_nan_are_null(parts):
    graph, scores, _ = parts
    some = scores.isel(op=slice(3, 10)).copy(deep=True)
    some["score_mean"][0, 0] = np.nan
    shown = build_document(graph, some)["models"][0]["scores"]["V1"]["mean"]
    assert [i for i, value in enumerate(shown) if value is not None] == list(range(4, 10))


def test_a_region_without_any_score_stays_empty(parts):
    graph, scores, best = parts
    empty = scores.copy(deep=True)
    for name in ("score", "score_mean", "mean_ci_low", "mean_ci_high"):
        empty[name].loc[{"region": "V2"}] = np.nan
    best = best.copy(deep=True)
    best["best_op"] = best.best_op.astype(object)
    best["best_op"].loc[{"region": "V2"}] = ""
    document = build_document(graph, empty, best=best)
    assert document["regions"][1]["best"] is None
    assert set(document["models"][0]["scores"]["V2"]["mean"]) == {None}
    assert "V2" not in json.dumps(document["summary"])


def test_p_and_q_are_there_where_a_test_was_made(parts):
    graph, scores, _ = parts
    document = build_document(graph, scores)
    assert document["models"][0]["scores"]["V1"]["q"] is None
    tested = scores.assign(p=scores.score_mean / 10, q=scores.score_mean / 5)
    shown = build_document(graph, tested)["models"][0]["scores"]["V1"]
    assert shown["q"] == [significant(v) for v in tested.q.sel(region="V1").values]


def test_without_scores_there_is_the_graph_alone(parts):
    graph, _, _ = parts
    document = build_document(graph)
    assert document["regions"] == document["models"] == document["summary"] == []
    assert document["title"] == "model"
    assert len(document["graph"]["ops"]) == len(graph)


def test_scores_over_time_show_the_bin_of_the_best_fit(parts):
    graph, scores, _ = parts
    later = scores.copy(deep=True)
    for name in ("score", "score_mean", "mean_ci_low", "mean_ci_high"):
        later[name] = later[name] * 0.5
    timed = xr.concat([later, scores, later], xr.IndexVariable("time_bin", [0, 50, 100]))
    timed = timed.assign_attrs(scores.attrs)
    document = build_document(graph, timed)
    shown = document["models"][0]["scores"]["IT"]
    assert shown["times"]["labels"] == ["0", "50", "100"]
    assert shown["times"]["shown"] == 1
    for i, part in enumerate((later, scores, later)):
        wanted = [significant(v) for v in part.score_mean.sel(region="IT").values]
        assert shown["times"]["mean"][i] == wanted
    assert shown["mean"] == shown["times"]["mean"][1]
    start = "Largest scores on all stimuli in time bin 50, biased upwards"
    assert document["summary"][0][0].startswith(start)
    # Of a control the same bin is shown, not its own largest.
    turned = timed.isel(time_bin=[1, 0, 2]).assign_coords(time_bin=[0, 50, 100])
    again = build_document(graph, timed, control=turned)["models"][1]["scores"]["IT"]
    assert again["times"]["shown"] == 1
    assert again["mean"] == shown["times"]["mean"][0]
    assert document["regions"][0]["ceilings"] == [[0.55, 0.65]] * 3


def test_controls_stand_beside_with_their_contrasts(parts):
    graph, scores, best = parts
    best = add_contrasts(fake_best(scores), ("seed 1", "seed 0")).isel(control=[1, 0])
    weaker = scores.copy(deep=True)
    weaker["score_mean"] = weaker.score_mean * 0.3
    pair = [("seed 0", weaker), ("seed 1", weaker)]
    document = build_document(graph, scores, best=best, control=pair)
    assert [model["label"] for model in document["models"]] == ["model", "seed 0", "seed 1"]
    wanted = [significant(v) for v in weaker.score_mean.sel(region="V4").values]
    assert document["models"][1]["scores"]["V4"]["mean"] == wanted
    for i, name in enumerate(("other1", "other2")):
        contrast = document["contrasts"][name]["V4"]
        difference = best.control_difference.sel(region="V4", control=f"seed {i}").item()
        assert contrast["difference"] == significant(difference)
        assert f"above seed {i} by " in contrast["text"]
    # What is above the closest control is above both.
    closest = document["regions"][2]["best"]
    assert closest["controlName"] == "seed 0"
    assert closest["control"] == significant(best.control_score.sel(control="seed 0").values[2])
    assert document["measure"]["control"] == "the closest control"
    turned = {"seed 1": weaker, "seed 0": weaker}
    again = build_document(graph, scores, best=best, control=turned)["contrasts"]
    assert again == {"other1": document["contrasts"]["other2"]} | {
        "other2": document["contrasts"]["other1"]
    }


def test_controls_that_cannot_be_matched_with_those_of_best_are_refused(parts):
    graph, scores, best = parts
    with pytest.raises(LabelError, match=r"with controls 'control', but control has 'random'"):
        build_document(graph, scores, best=best, control=("random", scores))
    best = add_contrasts(fake_best(scores), ("control 1", "control 2"))
    with pytest.raises(LabelError, match=r"several controls need labels .* 'control 1', 'control"):
        build_document(graph, scores, best=best, control=[scores, scores])
    with pytest.raises(LabelError, match="the labels of control"):
        build_document(graph, scores, control=[("a", scores), ("a", scores)])
    # A network of its own need not be among them.
    other = {"other": (scores, graph)}
    assert build_document(graph, scores, best=best, control=other)["contrasts"] == {}


def test_regions_of_a_control_are_matched_by_name(parts):
    graph, scores, _ = parts
    turned = scores.isel(region=[3, 1, 0, 2])
    document = build_document(graph, scores, control=turned)
    assert document["models"][1]["scores"] == document["models"][0]["scores"]
    assert document["models"][1]["label"] == "control"


def test_another_network_brings_its_own_graph(parts, rng):
    graph, scores, _ = parts
    other = build_residual(2)
    theirs = fake_scores(other, rng)
    document = build_document(graph, scores, control=("smaller", theirs, other))
    model = document["models"][1]
    assert [op["name"] for op in model["graph"]["ops"]] == [op.name for op in other]
    assert len(model["scores"]["V1"]["mean"]) == len(other)
    assert document["models"][0]["graph"] is None


def test_a_control_that_was_made_otherwise_is_refused(parts, rng):
    graph, scores, _ = parts
    for key, value in {"method": "encoding", "measure": "spearman", "n_stimuli": 40}.items():
        with pytest.raises(InputError, match=f"made like scores, with the {key} .*got {value!r}"):
            build_document(graph, scores, control=scores.assign_attrs({key: value}))
    with pytest.raises(LabelError, match="control and scores must hold the same 4 ids"):
        build_document(graph, scores, control=scores.isel(region=[0, 1, 2]))
    strange = scores.assign_coords(op=[f"x{i}" for i in range(len(graph))])
    with pytest.raises(LabelError, match=r"no 'x0', 'x1', .*control=\(label, scores, trace\)"):
        build_document(graph, scores, control=strange)
    with pytest.raises(InputError, match=r"got a tuple of \['Dataset', 'str'\]"):
        build_document(graph, scores, control=(scores, "label"))
    with pytest.raises(InputError, match=r"control= takes scores"):
        build_document(graph, scores, control="random")
    timed = scores.expand_dims(time_bin=[0])
    with pytest.raises(InputError, match="must both have time bins, or neither"):
        build_document(graph, scores, control=timed)


def test_scores_of_unknown_ops_and_wrong_best_are_refused(parts):
    graph, scores, best = parts
    strange = scores.assign_coords(op=["nowhere", *scores.op.values[1:]])
    with pytest.raises(LabelError, match="it has no 'nowhere'"):
        build_document(graph, strange)
    with pytest.raises(LabelError, match="best and scores must hold the same 4 ids"):
        build_document(graph, scores, best=best.isel(region=[0, 1, 2]))
    with pytest.raises(InputError, match="best must be the Dataset that assign_regions returns"):
        build_document(graph, scores, best=scores)
    with pytest.raises(InputError, match="a Trace or a Graph is needed"):
        build_document("model", scores)
    with pytest.raises(InputError, match="the page takes scores"):
        build_document(graph, "scores")


def test_encoding_scores_are_not_told_as_rdms(rng):
    graph = build_residual()
    labels = {"ops": [op.name for op in graph], "subjects": ("a", "b")}
    values = rng.random((len(graph), 2, 2))
    scores = make_scores(
        values, method="encoding", measure="r2", estimator="ridge regression", labels=labels
    )
    document = build_document(graph, scores)
    assert document["measure"]["symbol"] == "R²"
    assert document["measure"]["interval"] == ""
    assert document["models"][0]["scores"]["V1"]["subjects"]["names"] == ["a", "b"]
    text = json.dumps([document["methods"], document["facts"], document["summary"]])
    assert "ridge regression" in text
    for word in ("RDM", "issimilarit", "ceiling of", "95 %"):
        assert word not in text.replace("No noise ceiling", ""), word


def test_hostile_names_stay_text(rng):
    graph = build_hostile()
    scores = fake_scores(graph, rng, regions=("<b>V1", "I&T \U0001f9e0"))
    best = add_contrasts(fake_best(scores), ['"quoted" <i>'])
    document = build_document(
        graph, scores, best=best, control=('"quoted" <i>', scores), title="</title><script>"
    )
    assert HOSTILE in [op["name"] for op in document["graph"]["ops"]]
    assert [region["id"] for region in document["regions"]] == ["<b>V1", "I&T \U0001f9e0"]
    assert json.loads(json.dumps(document)) == document


def test_the_summary_of_thirty_regions_stays_short(rng):
    graph = build_residual()
    regions = tuple(f"region-{i}" for i in range(30))
    scores = fake_scores(graph, rng, regions=regions)
    document = build_document(graph, scores, best=add_contrasts(fake_best(scores)))
    assert len(document["regions"]) == 30
    assert len(json.dumps(document["summary"])) < 1200


def test_rdms_stimuli_and_card_of_the_brain_are_used(parts, rng):
    graph, scores, best = parts
    rdms = fake_rdms(best.best_op.values[:2], rng)
    brain = fake_brain(["V1", "IT"], rng)
    document = build_document(graph, scores, best=best, rdms=rdms, brain=brain)
    assert document["title"] == "model and Planted <data>"
    assert list(document["rdms"]["brain"]) == ["V1", "IT"]
    assert document["stimuli"]["ids"] == [f"s{i}" for i in range(6)]
    assert document["stimuli"]["category"] == ["face", "house"] * 3
    assert document["stimuli"]["numbered"]
    alone = build_document(graph, scores, best=best, rdms=rdms, brain=brain.rdms)
    assert alone["rdms"] == document["rdms"]
    assert alone["title"] == "model"


def test_maps_of_more_stimuli_than_fit_are_left_out_with_a_word(parts, rng):
    graph, scores, _ = parts
    rdms = fake_rdms(scores.op.values[:1], rng, n=500)
    ids = rdms.stimulus.values[:2].tolist()
    document = build_document(graph, scores, rdms=rdms, activations=(graph, ids))
    assert document["activations"] is None
    assert "Activation maps are not in this file" in document["notes"][-1]


def test_facts_settings_and_badges_reach_the_page(parts):
    graph, scores, _ = parts
    scores = scores.assign_attrs(badge="scores invented", rng=7)
    facts = {"command": "make demo", "weights": "IMAGENET1K_V1"}
    document = build_document(graph, scores, facts=facts)
    assert document["command"] == "make demo"
    assert document["badges"] == ["scores invented"]
    pairs = dict(document["provenance"])
    assert pairs["weights"] == "IMAGENET1K_V1"
    assert pairs["seed"] == "7"
    assert facts == {"command": "make demo", "weights": "IMAGENET1K_V1"}
    assert re.match(r"python 3", document["versions"][0])


def test_costs_are_those_of_a_trace_and_unknown_of_a_graph(parts):
    graph, _, _ = parts
    assert build_document(graph)["graph"]["ops"][0]["flops"] is None
    costs = {op.name: (op.index, 10 * op.index) for op in graph}
    trace = SimpleNamespace(graph=graph, model_name="Net", count_costs=lambda: costs)
    ops = build_document(trace)["graph"]["ops"]
    assert [(op["params"], op["flops"]) for op in ops] == list(costs.values())
