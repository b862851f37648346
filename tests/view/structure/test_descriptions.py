"""Cards in words."""

import pytest
from graphs import GraphBuilder, build_residual, fake_best, fake_scores, name_best
from structures import trace_net

from neurolens.view.annotation import annotate_ops, describe_interval
from neurolens.view.structure.building import build_structure
from neurolens.view.structure.cards import build_card
from neurolens.view.structure.descriptions import describe_card, write_count


def test_a_card_is_told_whole(rng):
    graph = build_residual()
    structure = build_structure(graph)
    scores = fake_scores(graph, rng, regions=("V1", "IT"))
    best = fake_best(scores)
    best = name_best(best, scores, ["fc/linear", "conv1/conv2d"])
    tied = best["indistinguishable"] & False
    tied.loc["IT", "fc/linear"] = True
    annotation = annotate_ops(scores, best=best.assign(indistinguishable=tied))
    node = structure.nodes[structure.node_of["fc/linear"]]
    card = build_card(structure, node, annotation, {"fc/linear": (513_000, 1_024_000)})
    cells = card.rows[0].cells
    assert describe_card(card, describe_interval(annotation.attrs)) == (
        "fc/linear",
        "1000",
        "513 k parameters, 1.02 M FLOPs",
        f"V1 {cells[0].long_text}; IT {cells[1].long_text}",
        card.tags[0].text,
        "cannot be told apart from the best op for IT",
        "95 % intervals (bootstrap percentile) over stimuli and subjects",
    )


def test_what_there_is_not_is_not_told():
    structure = build_structure(build_residual())
    assert describe_card(build_card(structure, structure.nodes[3]), "95 %") == (
        "relu/relu",
        "64×112²",
    )
    assert describe_card(build_card(structure, structure.nodes[0])) == ("input 3×224²",)
    free = build_card(structure, structure.nodes[3], None, {"relu/relu": (0, 0)})
    assert describe_card(free) == ("relu/relu", "64×112²")


def test_folded_modules_and_passes_are_told():
    structure = build_structure(trace_net("recurrent").graph)
    assert describe_card(build_card(structure, structure.runs[0])) == ("V1", "Area, 14 ops, folded")
    node = structure.nodes[structure.node_of["V1.rec/conv2d"]]
    assert describe_card(build_card(structure, node)) == ("V1.rec/conv2d", "2×16², 3 passes")


def test_every_pass_is_told(rng):
    graph = trace_net("recurrent").graph
    structure = build_structure(graph)
    card = build_card(
        structure,
        structure.nodes[structure.node_of["V1.rec/conv2d"]],
        annotate_ops(fake_scores(graph, rng)),
    )
    told = [line[:6] for line in describe_card(card) if ": " in line]
    assert told == ["t2: V1", "t3: V1", "t4: V1"]


def test_the_first_of_many_regions_are_told(rng):
    graph = build_residual()
    structure = build_structure(graph)
    regions = [f"R{i}" for i in range(30)]
    annotation = annotate_ops(fake_scores(graph, rng, regions=regions))
    line = describe_card(build_card(structure, structure.nodes[2], annotation))[2]
    assert line.count(";") == 11
    assert line.endswith(" and 18 more")


def test_branches_and_constants_are_told():
    structure = build_structure(trace_net("gated").graph)
    node = structure.nodes[structure.node_of["/gt"]]
    assert describe_card(build_card(structure, node))[-1] == "chose the path: False"
    b = GraphBuilder()
    b.add("", "arange", [])
    structure = build_structure(b.build())
    assert describe_card(build_card(structure, structure.nodes[0]))[-1] == "made without the input"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (999, "999"), (999_600, "1 M"), (25.5e6, "25.5 M"), (3e12, "3 T")]
)
def test_large_counts_have_three_digits(count, text):
    assert write_count(count) == text
