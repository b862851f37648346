"""The whole picture: readable text on everything, arrows, areas, titles."""

import pytest
from graphs import build_branches, build_hostile, build_residual, fake_best, fake_scores
from pictures import list_grounds, list_touching
from structures import build_dense, trace_net

from neurolens.view.graph.drawing import draw_graph
from neurolens.view.graph.shapes.records import Group, Line, Rect, Text, iterate_shapes
from neurolens.view.style import THEMES, measure_contrast

GRAPHS = {
    "residual": build_residual(),
    "branches": build_branches(),
    "hostile": build_hostile(),
    "dense": build_dense(),
    "recurrent": trace_net("recurrent").graph,
    "gated": trace_net("gated").graph,
    "unet": trace_net("unet").graph,
}
OPTIONS = {
    "bare": None,
    "scored": {},
    "one region": {"regions": "V4"},
    "folded": {"fold": 1},
    "unrolled": {"rolled": False},
}


def draw(graph, rng, name="scored", **options):
    if OPTIONS[name] is None:
        return draw_graph(graph, **options)
    scores = fake_scores(graph, rng)
    best = fake_best(scores)
    best["indistinguishable"] = scores.score_mean > 0.42
    return draw_graph(graph, scores=scores, best=best, **(OPTIONS[name] | options))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", GRAPHS)
def test_every_text_is_readable_and_touches_no_other(name, options, theme, rng):
    picture = draw(GRAPHS[name], rng, options, theme=theme).picture
    for text, ground in list_grounds(picture):
        assert measure_contrast(text.color, ground) >= 4.5, text
        assert text.size >= 11
    assert list_touching(picture.shapes) == []


@pytest.mark.parametrize("theme", THEMES)
def test_the_backing_is_opaque_and_covers_everything(theme, rng):
    picture = draw(GRAPHS["residual"], rng, theme=theme).picture
    backing = picture.shapes[0]
    assert backing.fill == THEMES[theme].page
    assert (backing.x, backing.y) == (0, 0)
    assert (backing.width, backing.height) == (picture.width, picture.height)
    for shape in iterate_shapes(picture.shapes[1:]):
        if isinstance(shape, Rect):
            assert shape.x >= 0
            assert shape.x + shape.width <= picture.width
            assert shape.y + shape.height <= picture.height


def test_each_card_and_arrow_has_a_tooltip(rng):
    graph = GRAPHS["residual"]
    groups = [s for s in draw(graph, rng).picture.shapes if isinstance(s, Group)]
    cards = {group.id: group for group in groups if group.kind.startswith("card")}
    assert {f"op-{i}" for i in range(len(graph))} <= cards.keys()
    assert cards["op-3"].tooltip.startswith("maxpool/max_pool2d\n")
    assert "IT" in cards["op-3"].tooltip
    arrows = [group.tooltip for group in groups if group.kind.startswith("arrow")]
    assert "conv1/conv2d → bn1/batch_norm" in arrows
    assert "maxpool/max_pool2d → layer1.0/add (shortcut)" in arrows
    areas = [group.tooltip for group in groups if group.kind == "area"]
    assert "layer1.0, BasicBlock" in areas


def test_loops_are_blue_and_shortcuts_dashed(rng):
    theme = THEMES["light"]
    shapes = draw(GRAPHS["recurrent"], rng).picture.shapes
    groups = [s for s in shapes if isinstance(s, Group) and s.kind.startswith("arrow")]
    loops = [group for group in groups if group.kind == "arrow loop"]
    assert loops
    assert {group.shapes[0].stroke for group in loops} == {theme.accent}
    assert all(group.tooltip.endswith("(next pass)") for group in loops)
    shapes = draw(GRAPHS["residual"], rng).picture.shapes
    lines = [s for s in iterate_shapes(shapes) if isinstance(s, Line)]
    assert {line.stroke for line in lines if line.is_dashed} == {theme.shortcut}


def test_areas_cut_by_columns_are_numbered(rng):
    texts = [
        s.text
        for s in iterate_shapes(draw(GRAPHS["branches"], rng).picture.shapes)
        if isinstance(s, Text)
    ]
    n_parts = texts.count("features")
    assert n_parts > 1
    assert {f"{i + 1} of {n_parts}" for i in range(n_parts)} <= set(texts)


def test_the_label_says_what_is_shown(rng):
    label = draw(GRAPHS["residual"], rng, title="ResNet").picture.label
    assert label.startswith("ResNet: graph of 69 ops. RSA")
    assert label.endswith("scores for V1, V2, V4, IT")
