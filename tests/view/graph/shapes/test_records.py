"""Shapes: arrows end at their heads, corners are round, groups move as one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolens.view.graph.shapes.records import (
    Group,
    Line,
    Polygon,
    Rect,
    Text,
    draw_arrow,
    drop_repeats,
    iterate_shapes,
    move_shape,
    round_corners,
)

numbers = st.floats(-500, 500, allow_nan=False).map(lambda value: round(value, 1))
points = st.tuples(numbers, numbers)


@given(st.lists(points, min_size=2, max_size=8))
def test_arrows_point_at_the_end_of_their_way(way):
    line, head = draw_arrow(way, "#000000")
    end = drop_repeats(way)[-1]
    assert head.points[0] == end
    assert line.points[0] == way[0]
    # The line stops inside the head, on its way to the tip.
    assert math.dist(line.points[-1], end) <= 5.0 + 1e-9
    sides = [math.dist(corner, end) for corner in head.points[1:]]
    assert sides[0] == pytest.approx(sides[1], abs=1e-6)


@given(st.lists(points, min_size=2, max_size=8))
def test_round_lines_keep_their_ends_and_stay_near_their_corners(way):
    line = Line(tuple(drop_repeats(way)), "#000000", radius=6)
    pieces = round_corners(line)
    assert pieces[0] == (line.points[0],)
    assert pieces[-1][-1] == line.points[-1]
    bends = [piece for piece in pieces if len(piece) == 2]
    assert [corner for corner, _ in bends] == list(line.points[1:-1])
    assert all(math.dist(*bend) <= 6 + 1e-9 for bend in bends)


def test_points_on_each_other_still_make_an_arrow():
    assert len(drop_repeats([(1.0, 1.0), (1.0, 1.1)])) == 2


def test_groups_move_with_all_that_is_in_them():
    shapes = (
        Rect(0, 0, 4, 4, "#FFFFFF"),
        Line(((0, 0), (1, 1)), "#000000"),
        Polygon(((0, 0), (1, 0), (0, 1)), "#000000"),
        Text(1, 2, "a", "#000000"),
    )
    moved = list(iterate_shapes([move_shape(Group((Group(shapes),)), 10, 20)]))
    assert (moved[0].x, moved[0].y) == (10, 20)
    assert moved[1].points == ((10, 20), (11, 21))
    assert moved[2].points[2] == (10, 21)
    assert (moved[3].x, moved[3].y) == (11, 22)
