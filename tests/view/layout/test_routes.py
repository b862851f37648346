"""Arrows within a column: straight, over an elbow, along a channel, or around as a loop."""

from layouts import build_chain, build_plan, find_crossings

from neurolens.view.layout.records import Frame
from neurolens.view.layout.scene import lay_out

TALL = Frame(600.0, 6000.0, single=True)


def find_arrow(scene, tail, head):
    """Return the arrow between two nodes and their cards."""
    for arrow in scene.arrows:
        ends = (scene.items[arrow.tail], scene.items[arrow.head])
        if (ends[0].index, ends[1].index) == (tail, head):
            return arrow, *ends
    raise AssertionError((tail, head))


def test_the_next_card_is_reached_straight_from_below():
    arrow, tail, head = find_arrow(lay_out(build_chain(3), TALL), 0, 1)
    assert arrow.points == ((tail.axis, tail.y + tail.height), (head.axis, head.y))


def test_a_branch_is_reached_over_one_elbow():
    plan = build_plan([-1] * 5, [(0, 1), (1, 2), (2, 4), (0, 3), (3, 4)])
    scene = lay_out(plan, TALL)
    out, _, branch = find_arrow(scene, 0, 3)
    assert len(out.points) == 4
    assert out.points[-1] == (branch.axis, branch.y)
    back, _, join = find_arrow(scene, 3, 4)
    assert len(back.points) == 4
    assert back.points[-1] == (join.axis, join.y)


def test_what_passes_cards_of_its_lane_arrives_from_the_right():
    plan = build_plan([-1] * 4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    scene = lay_out(plan, TALL)
    arrow, _, head = find_arrow(scene, 0, 3)
    assert arrow.points[-1] == (head.x + head.width, head.y + head.height / 2)
    assert min(x for x, _ in arrow.points[2:-1]) > head.x + head.width


def test_a_loop_leads_up_on_the_right():
    scene = lay_out(build_plan([-1] * 3, [(0, 1), (1, 2), (2, 0)]), TALL)
    arrow, tail, head = find_arrow(scene, 2, 0)
    assert arrow.role == "loop"
    assert arrow.points[0][0] == tail.x + tail.width
    assert arrow.points[-1] == (head.x + head.width, head.y + head.height / 2)


def test_a_card_may_feed_itself():
    scene = lay_out(build_plan([-1], [(0, 0)]), TALL)
    (arrow,) = scene.arrows
    card = scene.items[0]
    assert [x for x, _ in arrow.points] == [120 + card.x, 127 + card.x, 127 + card.x, 120 + card.x]


def test_arrows_of_a_box_leave_beside_what_is_below_them():
    # 1 is read inside its box by 2, and by 4 outside.
    plan = build_plan([-1, 0, 0, 0, -1, -1], [(0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (4, 5)], [-1])
    scene = lay_out(plan, TALL)
    assert not find_crossings(scene)
    arrow, tail, _ = find_arrow(scene, 1, 5)
    assert arrow.points[0] == (tail.axis, tail.y + tail.height)


def test_arrows_between_far_lanes_pass_between_cards():
    # Four branches of different lengths; the last reads the first in its middle.
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (6, 7), (0, 8), (8, 9), (9, 10)]
    edges += [(0, 11), (11, 12), (1, 12), (12, 13), (4, 14), (7, 14), (10, 14), (13, 14), (2, 13)]
    scene = lay_out(build_plan([-1] * 15, edges), TALL)
    assert not find_crossings(scene)
