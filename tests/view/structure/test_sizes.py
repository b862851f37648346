"""Sizes of cards: everything on them finds room, and Python and the page agree."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import build_residual, fake_best, fake_scores
from javascript import run_javascript
from structures import NETS, trace_net

from neurolens.errors import InputError
from neurolens.extract.graph.ops import HostRead
from neurolens.view.annotation import annotate_ops
from neurolens.view.layout.records import Size
from neurolens.view.layout.text import measure_text
from neurolens.view.structure.building import build_structure
from neurolens.view.structure.cards import build_card, pick_passes, write_marks
from neurolens.view.structure.sizes import (
    list_ties,
    measure_card,
    measure_cell,
    measure_title,
    write_ties,
)
from neurolens.view.style import shorten_text

REGIONS = [
    [],
    ["IT"],
    ["V1", "V2"],
    ["V1", "V2", "V4", "IT"],
    [f"7Networks_LH_Vis_{i}" for i in range(30)],
]


def build_cards(graph, rng, regions):
    """Return structure and cards of all nodes, then of all runs, and the marks on them."""
    structure = build_structure(graph)
    annotation = None
    if regions:
        scores = fake_scores(graph, rng, regions=regions)
        annotation = annotate_ops(scores, best=fake_best(scores))
    return structure, [
        build_card(structure, shown, annotation) for shown in [*structure.nodes, *structure.runs]
    ]


def test_the_sizes_of_the_specification(rng):
    graph = build_residual()
    _, (_, conv, *_) = build_cards(graph, rng, ["V1", "V2", "V4", "IT"])
    bare = replace(conv, tags=(), ties=())
    assert measure_card(bare) == Size(140, 20 + 16 + 4)
    assert measure_card(replace(bare, rows=bare.rows * 3)).width == 168
    assert measure_card(replace(bare, rows=bare.rows * 3)).height == 20 + 3 * 16 + 4
    assert measure_card(replace(bare, marks=("chose the path: True",))).height == 40 + 16
    assert measure_card(replace(bare, regions=(), rows=())) == Size(146, 24)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("regions", REGIONS, ids=len)
def test_what_stands_on_a_card_finds_room(name, regions, rng):
    _, cards = build_cards(trace_net(name).graph, rng, regions)
    for card in cards:
        size = measure_card(card)
        assert size.width == int(size.width)
        assert isinstance(size.width, float)
        assert isinstance(size.height, float)
        head = measure_text(card.name, 12, True) + measure_text(card.label, 11) * (
            card.kind != "module"
        )
        for mark in card.marks:
            assert 14 + measure_text(mark, 11) + 16 <= size.width
        for tag in card.tags:
            assert measure_text(tag.short, 11, True) + 16 <= size.width
        assert size.height >= 24 + 16 * (len(card.marks) + len(card.tags))
        if card.kind == "op" and len(regions) == 1 and len(card.rows) == 1:
            texts = measure_text(card.rows[0].cells[0].long_text, 11) + measure_text(card.shape, 11)
            assert texts + 16 + 5 <= size.width
        if card.kind == "op" and regions:
            lead = 28 if len(card.rows) > 1 else 0
            assert size.width >= 16 + lead + len(regions) * min(measure_cell(len(regions)), 32) - 4
            head += measure_text(write_ties(card), 11, True) if card.ties else 0
        assert head + 16 <= size.width


def test_many_regions_get_narrow_cells():
    assert [measure_cell(n) for n in (1, 8, 9, 20, 40, 160)] == [32, 32, 16, 16, 8, 2]
    with pytest.raises(
        InputError, match="161 regions do not fit .* room for 160. Choose some with regions="
    ):
        measure_cell(161)


def test_many_ties_are_counted(rng):
    graph = build_residual()
    _, (_, conv, *_) = build_cards(graph, rng, ["V1", "V2", "V4", "IT"])
    assert write_ties(replace(conv, ties=(1, 3))) == "≈ V2 IT"
    assert write_ties(replace(conv, ties=(0, 1, 2, 3))) == "≈ V1 V2 V4 +1"
    long = replace(conv, regions=("V1", "V2", "language network", "IT"), ties=(1, 2))
    assert list_ties(long) == [("≈", None), ("V2", 1), ("lang…network", 2)]


def describe_node(structure, i, card):
    """Return a node or run as the page knows it, and what is shown on it."""
    shown = {
        "nRegions": len(card.regions),
        "nRows": len(card.rows),
        "ties": [card.regions[k] for k in card.ties],
        "tags": [tag.short for tag in card.tags],
        "marks": list(card.marks),
    }
    if i < len(structure.nodes):
        node = structure.nodes[i]
        fields = {"kind": node.kind, "name": node.name, "label": node.label, "shape": node.shape}
        fields |= {"ops": list(node.ops), "nOutputs": node.n_outputs}
        return {"node": fields, "shown": shown}
    run = structure.runs[i - len(structure.nodes)]
    fields = {"title": run.title, "part": run.part, "ops": ["op"] * card.n_ops}
    return {"run": fields, "shown": shown}


def test_the_page_measures_alike(rng, tmp_path):
    given = []
    expected = []
    titles = []
    for name in NETS:
        graph = trace_net(name).graph
        for regions in REGIONS:
            structure, cards = build_cards(graph, rng, regions)
            given += [describe_node(structure, i, card) for i, card in enumerate(cards)]
            sizes = [measure_card(card) for card in cards]
            expected += [[size.width, size.height] for size in sizes]
            titles += [0] * len(structure.nodes) + [measure_title(run) for run in structure.runs]
    assert len(given) > 300
    script = """
import { measureCard, measureFolded, measureTitle } from "./assets/structure/cards.js";
return given.map(({ node, run, shown }) => {
  return node ? [measureCard(node, shown), 0] : [measureFolded(run, shown), measureTitle(run)];
});
"""
    found = run_javascript(script, given, tmp_path)
    assert [size for size, _ in found] == expected
    np.testing.assert_allclose([title for _, title in found], titles)


def test_the_page_writes_alike(rng, tmp_path):
    reads = [trace_net("gated").graph.host_reads]
    values = ["True", "12345.678901234", "0.000123456789", "-3.14159265358979", "1.23456789e-12"]
    values += ["[1.5, 2.5, 3.5, 4.5]", "9999.9612345678", "tensor(🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂)"]
    for value in values:
        reads.append([HostRead("item", "a", "", 1, value), HostRead("__bool__", "a", "", 1, value)])
    expected = [[list(write_marks(some)) for some in reads], [shorten_text(v, 7) for v in values]]
    rows = [[{"function": r.function, "value": r.value} for r in some] for some in reads]
    script = """
import { cutMiddle, measureCell, pickPasses, writeMarks, writeTag, writeTies } from "./assets/structure/cards.js";
return {
  written: [given.reads.map(writeMarks), given.values.map((value) => cutMiddle(value, 7))],
  tags: [writeTag("V1", ".12", true), writeTag("IT", ".40", false)],
  ties: [writeTies(["V2", "IT"]), writeTies(["V1", "V2", "V4", "IT"]), writeTies(["language network"])],
  passes: [pickPasses(4, [1]), pickPasses(13, []), pickPasses(100, [50, 0])],
  cells: [1, 8, 9, 20, 40, 160].map(measureCell),
};
"""
    found = run_javascript(script, {"reads": rows, "values": values}, tmp_path)
    assert found["written"] == expected
    assert found["tags"] == [
        {"text": "★ best V1, held-out .12 (in doubt)", "short": "★ V1 .12 (in doubt)"},
        {"text": "★ best IT, held-out .40", "short": "★ IT .40 held-out"},
    ]
    assert found["ties"] == ["≈ V2 IT", "≈ V1 V2 V4 +1", "≈ lang…network"]
    assert found["passes"] == [pick_passes(4, [1]), pick_passes(13, []), pick_passes(100, [50, 0])]
    assert found["cells"] == [32, 32, 16, 16, 8, 2]
