"""Arrows between columns run in gutters and above the columns."""

import pytest
from layouts import build_chain, build_plan, build_unet, find_crossings, find_shared

from neurolens.view.layout.scene import place_in_columns


def test_a_wire_leaves_below_and_enters_from_above():
    scene = place_in_columns(build_chain(4), [0, 0, 1, 1])
    (wire,) = [arrow for arrow in scene.arrows if arrow.wire]
    tail = scene.items[wire.tail]
    head = scene.items[wire.head]
    assert wire.points[0] == (tail.axis, tail.y + tail.height)
    assert wire.points[-1] == (head.axis, head.y)
    assert min(y for _, y in wire.points) < head.y
    assert tail.x + tail.width < wire.points[2][0] < head.x


def test_a_wire_to_a_card_in_the_middle_enters_from_the_left():
    scene = place_in_columns(
        build_plan([-1] * 5, [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)]), [0, 0, 1, 1, 1]
    )
    wire = next(a for a in scene.arrows if scene.items[a.head].index == 4 and a.wire)
    head = scene.items[wire.head]
    tail = scene.items[wire.tail]
    assert wire.points[0][0] == tail.x + tail.width
    assert wire.points[-1] == (head.x, head.y + head.height / 2)


def test_a_loop_to_an_earlier_column_enters_from_the_right():
    scene = place_in_columns(build_plan([-1] * 4, [(0, 1), (1, 2), (2, 3), (3, 1)]), [0, 0, 1, 1])
    wire = next(a for a in scene.arrows if a.role == "loop")
    head = scene.items[wire.head]
    assert wire.points[-1] == (head.x + head.width, head.y + head.height / 2)


@pytest.mark.parametrize("n_levels", [1, 2, 3, 5])
def test_a_u_shaped_net_has_its_wires_apart(n_levels):
    plan = build_unet(n_levels)
    n_nodes = len(plan.nodes)
    scene = place_in_columns(plan, [node * 5 // n_nodes for node in range(n_nodes)])
    assert not find_crossings(scene)
    assert not find_shared(scene)
