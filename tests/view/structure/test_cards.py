"""What stands on the cards of ops and folded modules."""

import numpy as np
import pytest
import torch
import xarray as xr
from graphs import GraphBuilder, build_chain, build_residual, fake_best, fake_scores, name_best
from structures import LSTM, trace_net

from neurolens import trace
from neurolens.extract.graph.ops import HostRead
from neurolens.view.annotation import annotate_ops
from neurolens.view.structure.building import build_structure
from neurolens.view.structure.cards import MOST_STRIPS, build_card, write_marks


@pytest.fixture
def graph():
    return build_residual()


@pytest.fixture
def structure(graph):
    return build_structure(graph)


@pytest.fixture
def scores(graph, rng):
    return fake_scores(graph, rng)


def find_card(structure, name, *rest):
    return build_card(structure, structure.nodes[structure.node_of[name]], *rest)


def test_a_card_without_scores_says_what_ran(structure):
    card = find_card(structure, "layer2.0.downsample.0/conv2d")
    assert (card.kind, card.name, card.label, card.shape) == (
        "op",
        "conv2d",
        "downsample.0",
        "128×28²",
    )
    assert (card.rows, card.regions, card.tags, card.ties, card.marks) == ((), (), (), (), ())
    assert card.full_name == "layer2.0.downsample.0/conv2d"


def test_ends_have_their_shape(structure):
    cards = [build_card(structure, structure.nodes[i]) for i in (0, -1)]
    assert [(c.kind, c.name, c.label) for c in cards] == [
        ("input", "input", "3×224²"), ("output", "output", "1000")
    ]  # fmt: skip


def test_cells_have_scores_in_the_order_of_the_annotation(structure, scores):
    name = "layer1.0.conv1/conv2d"
    annotation = annotate_ops(scores, regions=["IT", "V1"])
    (row,) = find_card(structure, name, annotation).rows
    expected = scores.score_mean.sel(op=name, region=["IT", "V1"]).values
    np.testing.assert_array_equal([cell.value for cell in row.cells], expected)
    np.testing.assert_array_equal(
        [cell.share for cell in row.cells], expected / annotation.scale_end
    )
    assert row.cells[1].text == f"{expected[1]:.2f}".lstrip("0")
    assert row.cells[1].long_text.startswith(f"{row.cells[1].text} [")


def test_scores_with_q_above_the_level_are_in_parentheses(structure, scores):
    scores["q"] = xr.full_like(scores.score_mean, 0.05)
    scores["q"].loc[{"region": "V2"}] = 0.0501
    scores["q"].loc[{"region": "V4"}] = np.nan
    (row,) = find_card(structure, "fc/linear", annotate_ops(scores)).rows
    assert [cell.text[0] == "(" for cell in row.cells] == [False, True, False, False]
    assert row.cells[1].long_text[0] + row.cells[1].long_text[-1] == "()"


def test_an_op_without_scores_has_dashes(structure, scores):
    scores["score_mean"] = scores.score_mean.where(scores.op != "fc/linear")
    for given in (scores, scores.isel(op=slice(5))):
        (row,) = find_card(structure, "fc/linear", annotate_ops(given)).rows
        assert [cell.text for cell in row.cells] == ["–"] * 4
        assert not any(cell.has_color for cell in row.cells)


def test_tags_have_held_out_scores_and_doubts(structure, scores):
    best = fake_best(scores)
    best = name_best(best, scores, ["fc/linear", "", "fc/linear", "conv1/conv2d"])
    best["heldout_mean"] = ("region", [0.123, np.nan, 0.4, 0.5])
    best["doubtful"] = ("region", [True, False, False, False])
    card = find_card(structure, "fc/linear", annotate_ops(scores, best=best))
    assert [tag.region for tag in card.tags] == [0, 2]
    assert [tag.text for tag in card.tags] == [
        "★ best V1, held-out .12 (in doubt)", "★ best V4, held-out .40"
    ]  # fmt: skip
    assert [tag.short for tag in card.tags] == ["★ V1 .12 (in doubt)", "★ V4 .40 held-out"]
    chosen = annotate_ops(scores, best=best, regions=["IT", "V4"])
    assert [tag.text for tag in find_card(structure, "fc/linear", chosen).tags] == [
        "★ best V4, held-out .40"
    ]


def test_ties_are_those_of_other_ops(structure, scores):
    best = fake_best(scores)
    best = name_best(best, scores, ["fc/linear"] * 4)
    tied = best["indistinguishable"] & False
    tied.loc["V2", ["fc/linear", "conv1/conv2d"]] = True
    tied.loc["IT", "layer1.0.conv1/conv2d"] = True
    annotation = annotate_ops(scores, best=best.assign(indistinguishable=tied))
    assert find_card(structure, "conv1/conv2d", annotation).ties == (1,)
    assert find_card(structure, "fc/linear", annotation).ties == ()
    folded = build_card(structure, structure.runs[0], annotation)
    assert folded.ties == (3,)
    best = name_best(best, scores, ["fc/linear"] * 3 + ["layer1.1.conv1/conv2d"])
    annotation = annotate_ops(scores, best=best.assign(indistinguishable=tied))
    assert build_card(structure, structure.runs[0], annotation).ties == ()


def test_each_pass_has_a_row(rng):
    graph = trace_net("recurrent").graph
    structure = build_structure(graph)
    scores = fake_scores(graph, rng)
    best = fake_best(scores)
    best = name_best(best, scores, ["V1.rec/conv2d@2"] * 4)
    card = find_card(structure, "V1.rec/conv2d", annotate_ops(scores, best=best))
    assert card.n_ops == 3
    assert [row.label for row in card.rows] == ["t2", "t3★", "t4"]
    means = scores.score_mean.sel(op=["V1.rec/conv2d", "V1.rec/conv2d@2", "V1.rec/conv2d@3"]).values
    np.testing.assert_array_equal([[c.value for c in row.cells] for row in card.rows], means)
    nothing = scores.assign(score_mean=scores.score_mean * np.nan)
    assert len(find_card(structure, "V1.rec/conv2d", annotate_ops(nothing)).rows) == 1


def test_some_of_many_passes_have_rows(rng):
    graph = trace(LSTM(), torch.zeros(1, 120, 4)).graph
    structure = build_structure(graph)
    scores = fake_scores(graph, rng, regions=("V1", "IT"))
    best = fake_best(scores)
    best = name_best(best, scores, ["cell/lstm_cell@50", "cell/lstm_cell@101"])
    card = find_card(structure, "cell/lstm_cell", annotate_ops(scores, best=best))
    assert card.n_ops == 120
    labels = [row.label for row in card.rows]
    assert len(labels) == 14
    assert (labels[0], labels[-1]) == ("t1", "t120")
    assert {"t50★", "t101"} < set(labels)
    by_op = {row.op: row.cells[0].value for row in card.rows}
    assert by_op["cell/lstm_cell@50"] == scores.score_mean.sel(op="cell/lstm_cell@50")[0]


def test_a_folded_module_has_a_strip_of_its_ops(structure, scores):
    annotation = annotate_ops(scores)
    run = structure.runs[structure.run_of["layer2#1"]]
    card = build_card(structure, run, annotation)
    ops = [name for node in structure.nodes[run.first : run.last + 1] for name in node.ops]
    assert (card.kind, card.name, card.label, card.n_ops) == ("module", "layer2", "Sequential", 16)
    expected = scores.score_mean.sel(op=ops).values.T / annotation.scale_end
    np.testing.assert_array_equal(card.strip, expected)
    assert card.rows == ()


def test_a_long_strip_shows_the_best_of_neighbors(rng):
    b = GraphBuilder()
    for i in range(95):
        b.add("stage", f"f{i}")
    b.add("", "relu")
    graph = b.build()
    structure = build_structure(graph)
    scores = fake_scores(graph, rng)
    scores["score_mean"] = scores.score_mean.where(scores.op != "stage/f0")
    annotation = annotate_ops(scores)
    strip = build_card(structure, structure.runs[0], annotation).strip
    assert [len(row) for row in strip] == [MOST_STRIPS] * 4
    shares = scores.score_mean.values[:95].T / annotation.scale_end
    assert strip[0][0] == np.nanmax(shares[0][:3])
    np.testing.assert_array_equal(np.max(strip, axis=1), np.nanmax(shares, axis=1))


def test_parts_are_told_on_folded_modules():
    structure = build_structure(trace_net("unet").graph)
    card = build_card(structure, structure.runs[structure.run_of["down#2"]])
    assert (card.name, card.n_ops) == ("down 2 of 3", 4)


def test_marks_say_what_python_read():
    structure = build_structure(trace_net("gated").graph)
    assert find_card(structure, "/gt").marks == ("chose the path: False",)
    (mark,) = find_card(structure, "/linalg_vector_norm").marks
    assert mark.startswith("read by item(): ")
    assert len(mark) <= len("read by item(): ") + 12


def test_many_reads_are_shortened():
    reads = [HostRead("__bool__", "a", "", 1, value) for value in ("True", "True", "False")]
    reads += [HostRead("item", "a", "", 1, str(i)) for i in range(5)]
    reads.append(HostRead("tolist", "a", "", 1, "[1, 2, 3, 4, 5, 6]"))
    assert write_marks(reads) == (
        "chose the path: True, False", "read by item(), tolist(): 0, 1, 2, …"
    )  # fmt: skip
    assert write_marks(reads[-1:]) == ("read by tolist(): [1, …, 5, 6]",)


def test_costs_count_a_layer_once_and_every_pass():
    trace = trace_net("recurrent")
    structure = build_structure(trace.graph)
    costs = {op.name: (6, 10) for op in trace.graph}
    card = find_card(structure, "V1.rec/conv2d", None, costs)
    assert (card.n_parameters, card.flops) == (6, 30)
    folded = build_card(structure, structure.runs[0], None, costs)
    assert (folded.n_parameters, folded.flops) == (24, 140)
    costs["V1.rec/conv2d@2"] = (6, None)
    assert build_card(structure, structure.runs[0], None, costs).flops is None
    assert find_card(structure, "V1.rec/conv2d").n_parameters is None


def test_long_names_are_shortened():
    b = GraphBuilder()
    b.add("a" * 50 + ".end", "f" * 50)
    b.add("", "relu")
    structure = build_structure(b.build())
    card = build_card(structure, structure.nodes[1])
    assert (len(card.name), len(card.label)) == (28, 20)
    assert card.label.endswith("a.end")


def test_a_chain_of_a_hundred_ops_has_a_card_each(rng):
    graph = build_chain(100)
    structure = build_structure(graph)
    annotation = annotate_ops(fake_scores(graph, rng))
    cards = [build_card(structure, node, annotation) for node in structure.nodes]
    assert [card.full_name for card in cards[1:-1]] == [op.name for op in graph]
