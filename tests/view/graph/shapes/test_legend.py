"""The drawn legend: within its width, nothing touching, every ceiling marked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import list_labels, list_touching

from neurolens.view.graph.legend import Ceiling, Legend, Mark, Scale
from neurolens.view.graph.shapes.legend import SCALE_WIDTH, place_legend, wrap_text
from neurolens.view.graph.shapes.records import Line, Polygon, Rect, Text
from neurolens.view.layout.text import measure_text
from neurolens.view.style import DARK, LIGHT, assign_region_colors

MARKS = (
    Mark("text", "★", "best op of a region, with its held-out score"),
    Mark("text", "≈", "cannot be told apart from the best op"),
    Mark("shortcut", "", "shortcut: a longer path leads there too"),
    Mark("loop", "", "to the next pass"),
    Mark("branch", "", "this value chose the path; other inputs may run other ops"),
    Mark("stack", "", "folded module, one column per op"),
    Mark("empty", "", "no score"),
)


def build_legend(regions, bounds=None, **options):
    bounds = bounds if bounds is not None else [0.3 + 0.01 * i for i in range(len(regions))]
    ceilings = tuple(Ceiling(i, bound) for i, bound in enumerate(bounds) if bound is not None)
    scale = Scale("rho-a", 0.6, (0.0, 0.2, 0.4, 0.6), ceilings)
    parts = {
        "title": "ResNet", "subtitle": ("RSA · rho-a",), "scale": scale, "heading": "cells",
        "regions": tuple(regions), "marks": MARKS, "notes": ("no lower noise ceiling: EVC",),
    }  # fmt: skip
    return Legend(**(parts | options))


def check_legend(legend, width, theme=LIGHT):
    shapes, height = place_legend(legend, width, theme)
    assert list_touching(shapes) == []
    labels = list_labels(shapes)
    assert max(label.right for label in labels) <= width + 1e-6
    assert min(label.left for label in labels) >= -1e-6
    assert max(label.bottom for label in labels) <= height
    return shapes


NAMES = [f"17Networks_LH_SomMotA_{i}" for i in range(30)]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("width", [420.0, 900.0, 2000.0])
@pytest.mark.parametrize("regions", [(), ("IT",), ("V1", "V2", "V4", "IT"), NAMES], ids=len)
def test_nothing_touches_nor_leaves_the_width(regions, width, theme):
    check_legend(build_legend(regions), width, theme)


@given(
    st.lists(st.text(min_size=1, max_size=40), max_size=12, unique=True),
    st.floats(420, 1500),
    st.text(max_size=200),
)
def test_names_and_titles_of_any_kind_fit(regions, width, title):
    check_legend(build_legend(regions, title=title), width)


def test_every_lower_ceiling_is_marked_where_it_stands_on_the_scale():
    regions = ("V1", "EVC", "IT")
    shapes = check_legend(build_legend(regions, [0.15, None, 0.45]), 900.0)
    colors = assign_region_colors(regions)
    marks = {s.stroke: s.points[0][0] for s in shapes if isinstance(s, Line) and s.line == 2}
    assert marks == {
        colors["V1"]: pytest.approx(SCALE_WIDTH * 0.25),
        colors["IT"]: pytest.approx(SCALE_WIDTH * 0.75),
    }
    texts = [s.text for s in shapes if isinstance(s, Text)]
    assert texts.count("V1") == 2  # above the scale, and in the order of cells
    assert texts.count("EVC") == 1
    assert "lower noise ceilings" in texts


def test_many_ceilings_stand_beside_the_names():
    shapes = check_legend(build_legend(NAMES), 900.0)
    texts = [s.text for s in shapes if isinstance(s, Text)]
    assert texts.count(NAMES[3]) == 1
    assert ".33" in texts
    assert "cells, with their lower noise ceilings (–: none):" in texts


def test_the_scale_runs_over_the_whole_ramp():
    shapes = check_legend(build_legend(("V1", "IT")), 900.0)
    fills = [s.fill for s in shapes if isinstance(s, Rect) and s.height == 11]
    assert fills[0] != fills[-1]
    assert len(set(fills)) >= 50
    texts = [s.text for s in shapes if isinstance(s, Text)]
    assert [text for text in texts if text in ("≤ 0", ".2", ".4", ".6")] == [
        "≤ 0",
        ".2",
        ".4",
        ".6",
    ]


def test_signs_that_are_drawn_have_the_colors_of_the_picture():
    shapes = check_legend(build_legend(()), 900.0)
    assert LIGHT.branch in [s.fill for s in shapes if isinstance(s, Polygon)]
    assert [s.is_dashed for s in shapes if isinstance(s, Line) and s.stroke == LIGHT.shortcut] == [
        True
    ]


@given(st.text(alphabet="ab 🧠W", max_size=80), st.floats(40, 300))
def test_wrapped_lines_fit_and_lose_only_what_fits_no_line(text, width):
    lines = wrap_text(text, width, 11)
    assert all(measure_text(line, 11) <= width for line in lines)
    if all(measure_text(word, 11) <= width for word in text.split()):
        assert " ".join(lines).split() == text.split()
