"""Cards: labels neither touch nor leave their card, whatever is written on them."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import GraphBuilder, build_chain, build_residual, fake_best, fake_scores
from hypothesis import given
from hypothesis import strategies as st
from pictures import list_labels, list_touching

from neurolens.view.annotation import annotate_ops
from neurolens.view.graph.shapes.cards import CardPainter
from neurolens.view.graph.shapes.records import Polygon, Rect, Text
from neurolens.view.layout.records import Item
from neurolens.view.structure.building import build_structure
from neurolens.view.structure.cards import Card, Cell, Row, Tag, build_card
from neurolens.view.structure.sizes import measure_card
from neurolens.view.style import DARK, LIGHT, assign_region_colors, pick_color

REGIONS = ("V1", "V2", "V4", "IT")
NAN = float("nan")
BASE = build_card(build_structure(build_residual()), build_structure(build_residual()).nodes[1])

names = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["a<b>&c:0/f\"oo'@2", "🧠🧠🧠", "x" * 200, "視覚野", "a b", "", "é" * 40]),
)
values = st.one_of(st.floats(-1, 1), st.just(NAN))


def make_cell(value, doubtful=False):
    text = "–" if np.isnan(value) else f"{value:.2f}"
    return Cell(value, value, f"({text})" if doubtful else text, f"{text} [-.10, .90]")


def paint(card, theme=LIGHT, size=None):
    size = size or measure_card(card)
    item = Item("node", 0, 0, 100.0, 50.0, size.width, size.height, 100 + size.width / 2)
    colors = list(assign_region_colors(card.regions, theme).values())
    return item, CardPainter(card, item, theme, colors).draw()


def check_labels(item, shapes):
    assert list_touching(shapes) == []
    for label in list_labels(shapes):
        assert label.left >= item.x
        assert label.right <= item.x + item.width + 1e-6
        assert label.top >= item.y
        assert label.bottom <= item.y + item.height


@st.composite
def cards(draw):
    """Draw a card of an op or folded module, with names, scores, tags and marks of any kind."""
    regions = tuple(draw(st.lists(names.filter(bool), max_size=10, unique=True)))
    kind = draw(st.sampled_from(["op", "module"]))
    n_ops = draw(st.integers(1, 5))
    numbers = range(len(regions))
    some = st.sets(st.sampled_from(numbers)) if regions else st.just(set())
    rows = []
    for i in range(n_ops if kind == "op" and regions else 0):
        cells = tuple(make_cell(draw(values), draw(st.booleans())) for _ in regions)
        rows.append(Row(f"op{i}", f"t{i + 1}", cells))
    shares = tuple(tuple(draw(values) for _ in range(n_ops)) for _ in regions)
    tags = [Tag(i, "op", f"★ best {regions[i]}, held-out .32", "★ .32") for i in draw(some)]
    return replace(
        BASE,
        kind=kind,
        name=draw(names),
        label=draw(names),
        shape=draw(st.sampled_from(["", "64×56²", "197×768", "scalar +3"])),
        n_ops=draw(st.sampled_from([n_ops, 100_000])),
        regions=regions,
        rows=tuple(rows),
        strip=shares if kind == "module" else (),
        tags=tuple(tags),
        ties=tuple(sorted(draw(some))),
        marks=tuple(draw(st.lists(names, max_size=2))),
    )


@given(cards(), st.sampled_from([LIGHT, DARK]))
def test_labels_never_touch_nor_leave_their_card(card, theme):
    check_labels(*paint(card, theme))


@given(st.sampled_from(["input", "output"]), names, names)
def test_ends_hold_their_labels(kind, name, label):
    card = replace(BASE, kind=kind, name=name, label=label, shape="")
    check_labels(*paint(card))


def test_labels_give_way_to_a_large_number_of_passes():
    card = replace(BASE, name="batch_norm", label="n" * 20, shape="", n_ops=1_000_000)
    item, shapes = paint(card)
    check_labels(item, shapes)
    texts = [s.text for s in shapes if isinstance(s, Text)]
    assert texts[0] == "×1000000"
    assert texts[2].endswith("…")


def test_cells_have_the_color_of_their_score_and_gray_without_one():
    cells = tuple(make_cell(value) for value in (0.2, 0.9, NAN))
    card = replace(BASE, regions=REGIONS[:3], rows=(Row("a", "t1", cells),))
    _, shapes = paint(card)
    fills = [s.fill for s in shapes if isinstance(s, Rect)][-3:]
    assert fills == [pick_color(0.2), pick_color(0.9), LIGHT.empty]
    assert [s.text for s in shapes if isinstance(s, Text)][-3:] == ["0.20", "0.90", "–"]


def test_a_single_region_fills_the_card_and_shows_the_interval():
    card = replace(BASE, regions=("IT",), rows=(Row("a", "t1", (make_cell(0.9),)),))
    _, shapes = paint(card)
    assert shapes[0].fill == pick_color(0.9)
    assert "0.90 [-.10, .90]" in [s.text for s in shapes if isinstance(s, Text)]
    unknown = replace(card, rows=(Row("a", "t1", (make_cell(NAN),)),))
    assert paint(unknown)[1][0].fill == LIGHT.card


@given(st.floats(-1e9, 1e9), st.booleans())
def test_a_number_of_any_length_fits_its_cell(value, doubtful):
    graph = build_chain(2)
    scores = fake_scores(graph, np.random.default_rng(0), regions=("V1", "V2", "V4"))
    op = str(scores.op.values[0])
    scores["score_mean"].loc[{"op": op}] = value
    scores["q"] = scores.score_mean.copy(data=np.full((len(graph), 3), 0.5 if doubtful else 0.01))
    structure = build_structure(graph)
    node = structure.nodes[structure.node_of[op]]
    for regions in (["V1", "V2", "V4"], ["V1"]):
        card = build_card(structure, node, annotate_ops(scores, regions=regions))
        check_labels(*paint(card))
        (row,) = card.rows
        number = float(row.cells[0].text.strip("()").replace("−", "-"))
        assert number == pytest.approx(value, rel=0.5, abs=0.0051)


def test_passes_have_rows_and_a_star_where_they_are_best():
    rows = [Row(f"a@{i}", f"t{i}{'★' if i == 3 else ''}", (make_cell(0.1),) * 4) for i in (1, 2, 3)]
    card = replace(BASE, n_ops=3, regions=REGIONS, rows=tuple(rows))
    _, shapes = paint(card)
    texts = [s.text for s in shapes if isinstance(s, Text)]
    assert [text for text in texts if text.startswith("t")] == ["t1", "t2", "t3★"]
    assert "×3" in texts


def test_numbers_are_left_out_of_all_cells_where_cells_are_narrow():
    regions = tuple(f"R{i}" for i in range(12))
    cells = tuple(make_cell(i / 12) for i in range(12))
    card = replace(BASE, regions=regions, rows=(Row("a", "t1", cells),), label="x" * 80)
    _, shapes = paint(card)
    texts = [s.text for s in shapes if isinstance(s, Text)]
    assert not [text for text in texts if text.startswith("0.")]


def test_best_ops_have_a_tag_and_a_frame_in_the_color_of_their_region():
    tags = tuple(Tag(i, "a", f"★ best {REGIONS[i]}, held-out .3", "★ .3") for i in (1, 3))
    row = Row("a", "t1", tuple(make_cell(0.5) for _ in REGIONS))
    card = replace(BASE, regions=REGIONS, rows=(row,), tags=tags)
    item, shapes = paint(card)
    colors = list(assign_region_colors(REGIONS).values())
    frames = [s for s in shapes if isinstance(s, Rect) and s.stroke == colors[1]]
    assert [(s.width, s.height) for s in frames] == [(item.width, item.height)]
    assert {colors[1], colors[3]} <= {s.fill for s in shapes if isinstance(s, Rect)}
    assert "★ best V2, held-out .3" in [s.text for s in shapes if isinstance(s, Text)]


def test_values_that_chose_the_path_have_an_amber_mark():
    card = replace(BASE, marks=("chose the path: True", "read by item(): 3"))
    _, shapes = paint(card)
    assert [s.fill for s in shapes if isinstance(s, Polygon)] == [LIGHT.branch, LIGHT.soft]
    assert "chose the path: True" in [s.text for s in shapes if isinstance(s, Text)]


def test_tied_regions_are_named():
    row = Row("a", "t1", tuple(make_cell(0.5) for _ in REGIONS))
    card = replace(BASE, name="add", label="", regions=REGIONS, rows=(row,), ties=(0, 3))
    _, shapes = paint(card)
    shown = {s.text: s.color for s in shapes if isinstance(s, Text)}
    colors = assign_region_colors(REGIONS)
    assert "≈" in shown
    assert (shown["V1"], shown["IT"]) == (colors["V1"], colors["IT"])


def test_tied_regions_of_several_words_keep_their_color_and_the_rest_is_counted():
    regions = ("early area", "V4", "IT", "FFA", "PPA")
    row = Row("a", "t1", tuple(make_cell(0.5) for _ in regions))
    card = replace(BASE, name="add", label="", regions=regions, rows=(row,), ties=(0, 1, 3, 4))
    item, shapes = paint(card)
    check_labels(item, shapes)
    shown = {s.text: s.color for s in shapes if isinstance(s, Text)}
    assert shown["early area"] == assign_region_colors(regions)["early area"]
    assert shown["+1"] == LIGHT.ink


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_ops_made_without_input_have_a_gray_name(theme):
    _, shapes = paint(replace(BASE, name="zeros", generated=True), theme)
    assert [s.color for s in shapes if isinstance(s, Text) and s.text == "zeros"] == [theme.soft]


def test_folded_modules_show_one_row_per_region_and_one_column_per_op(rng):
    builder = GraphBuilder()
    for i in range(6):
        builder.add("a.b", "conv2d" if i % 2 else "relu")
    builder.add("c", "linear")
    graph = builder.build()
    structure = build_structure(graph)
    scores = fake_scores(graph, rng)
    annotation = annotate_ops(scores, best=fake_best(scores))
    card: Card = build_card(structure, structure.runs[0], annotation)
    item, shapes = paint(card)
    cells = [s for s in shapes if isinstance(s, Rect) and s.height == 7]
    assert len(cells) == 4 * 6
    assert [s.y - item.y for s in cells[::6]] == [23, 31, 39, 47]
    assert len({s.x for s in cells}) == 6
    assert [s.fill for s in cells[:6]] == [
        pick_color(annotation.get_shares(op.name)[0]) for op in graph.ops[:6]
    ]
    assert "6 ops" in [s.text for s in shapes if isinstance(s, Text)]
