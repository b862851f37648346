"""What the legend says: only what the picture shows, in the words of the scores."""

import numpy as np
import pytest
from graphs import GraphBuilder, build_chain, build_residual, fake_best, fake_scores
from structures import build_dense, trace_net

from neurolens.scores import build_scores
from neurolens.view.annotation import annotate_ops
from neurolens.view.graph.legend import build_legend, build_scale, write_tick
from neurolens.view.graph.plan import build_deck
from neurolens.view.structure.building import build_structure


def describe(graph, scores=None, best=None, lines=("ResNet",), folded=False, **options):
    annotation = annotate_ops(scores, best=best, **options) if scores is not None else None
    structure = build_structure(graph)
    deck = build_deck(graph, structure, annotation)
    boxes = [*deck.nodes, *(deck.runs if folded else ())]
    return build_legend(structure, annotation, [box.card for box in boxes], lines)


def list_words(legend):
    return " | ".join(mark.sign + mark.meaning for mark in legend.marks)


def test_below_the_title_stands_what_the_attributes_say(rng):
    graph = build_chain(12)
    scores = fake_scores(graph, rng)
    legend = describe(graph, scores)
    assert legend.title == "ResNet"
    assert legend.subtitle == (
        "RSA · rho-a · correlation dissimilarity · 92 stimuli",
        "95 % intervals (bootstrap percentile) over stimuli and subjects",
    )
    encoding = build_scores(
        scores.score, method="encoding", measure="r2", estimator="ridge regression", n_stimuli=40
    )
    legend = describe(graph, encoding)
    assert legend.subtitle == ("encoding · r2 · ridge regression · 40 stimuli",)
    assert legend.scale.name == "r2"
    assert describe(graph, scores, lines=("A", "b", "c")).subtitle == ("b", "c")


def test_a_picture_without_scores_has_no_scale_and_no_regions():
    legend = describe(build_residual())
    assert legend.scale is None
    assert legend.regions == ()
    assert list_words(legend) == "shortcut: a longer path leads there too"


def test_the_scale_is_raw_and_the_same_for_all_regions(rng):
    graph = build_chain(12)
    scores = fake_scores(graph, rng, regions=("V1", "FFA"), without_ceiling=("FFA",))
    scale = build_scale(annotate_ops(scores))
    assert scale.top == pytest.approx(0.55)
    assert scale.ticks == pytest.approx((0, 0.1, 0.2, 0.3, 0.4, 0.5))
    assert [(c.region, c.value) for c in scale.ceilings] == [(0, 0.55)]
    assert "no lower noise ceiling: FFA" in describe(graph, scores).notes


def test_ceilings_of_regions_whose_subjects_disagree_are_said_not_marked(rng):
    graph = build_chain(12)
    scores = fake_scores(graph, rng, regions=("V1", "V2", "FFA"))
    scores["ceiling_lower"] = scores.ceiling_lower.copy(data=[0.55, 0.0, -0.1])
    assert [c.region for c in build_scale(annotate_ops(scores)).ceilings] == [0]
    words = "subjects do not agree (lower noise ceiling ≤ 0): V2, FFA"
    assert words in describe(graph, scores).notes


@pytest.mark.parametrize("top", [0.004, 0.03, 0.12, 0.2, 0.3, 0.97, 3.0, 40.0, 70.0, 5e4, 1e12])
def test_scales_of_any_size_have_a_few_ticks(rng, top):
    graph = build_chain(6)
    scores = fake_scores(graph, rng, without_ceiling=("V1", "V2", "V4", "IT"))
    scores["score_mean"] = scores.score_mean / scores.score_mean.max() * top
    scale = build_scale(annotate_ops(scores))
    assert 2 <= len(scale.ticks) <= 7
    assert scale.ticks[-1] <= scale.top * (1 + 1e-9)
    written = [write_tick(scale, value) for value in scale.ticks]
    assert written[0] == "≤ 0"
    assert [float(text) for text in written[1:]] == pytest.approx(scale.ticks[1:])


def test_marks_are_named_only_where_the_picture_uses_them(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng)
    assert "★" not in list_words(describe(graph, scores))
    best = fake_best(scores)
    best["indistinguishable"] = scores.score_mean > 0.45
    legend = describe(graph, scores, best)
    assert "★best op of a region, with its held-out score" in list_words(legend)
    assert "≈cannot be told apart from the best op" in list_words(legend)
    assert "no score" not in list_words(legend)
    assert "folded" not in list_words(legend)
    assert best.attrs["best_note"] in legend.notes
    assert "one column per op" in list_words(describe(graph, scores, folded=True))


def test_scores_that_are_not_significant_and_ops_without_scores_are_explained(rng):
    graph = build_chain(12)
    scores = fake_scores(graph, rng).isel(op=slice(0, 9))
    scores["q"] = scores.score_mean * 0 + 0.5
    words = list_words(describe(graph, scores))
    assert "(.03)q > .05" in words
    assert "no score" in words
    many = fake_scores(graph, rng, regions=[f"R{i}" for i in range(20)])
    many["q"] = many.score_mean * 0 + 0.5
    assert "q >" not in list_words(describe(graph, many))


def test_shortcuts_that_are_left_out_are_counted():
    legend = describe(build_dense())
    structure = build_structure(build_dense())
    assert structure.n_left_out > 5
    assert f"{structure.n_left_out} shortcuts of dense blocks not drawn." in legend.notes


def test_rolled_graphs_are_explained():
    legend = describe(trace_net("recurrent").graph)
    assert "to the next pass" in list_words(legend)
    assert legend.notes[-1].startswith("Rolled: ops that run several times with the same weights")


def test_values_that_chose_the_path_are_explained():
    legend = describe(trace_net("gated").graph)
    assert "this value chose the path; other inputs may run other ops" in list_words(legend)


def test_regions_that_are_chosen_are_the_only_ones(rng):
    graph = build_chain(12)
    legend = describe(graph, fake_scores(graph, rng), regions=["IT", "V1"])
    assert legend.regions == ("IT", "V1")
    assert len(legend.scale.ceilings) == 2


def test_scores_that_are_all_unknown_still_have_a_scale(rng):
    graph = GraphBuilder()
    graph.add("a", "conv2d")
    graph = graph.build()
    scores = fake_scores(graph, rng)
    scores["score_mean"] = scores.score_mean * np.nan
    scores["ceiling_lower"] = scores.ceiling_lower * np.nan
    legend = describe(graph, scores)
    assert legend.scale.top == 1.0
    assert "no score" in list_words(legend)
    assert "no region has a lower noise ceiling" in legend.notes
