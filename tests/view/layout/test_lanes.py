"""The longest path runs straight down, and what runs beside it has lanes of its own."""

from itertools import pairwise

import pytest
from layouts import build_chain, build_fan, build_plan

from neurolens.view.layout.lanes import GAP, MAX_LANES, SIDE, TOP, place_rows
from neurolens.view.layout.tree import build_tree
from neurolens.view.layout.widths import place_lanes


def place(plan):
    tree = build_tree(plan, [0] * len(plan.nodes))
    place_rows(tree)
    place_lanes(tree, plan)
    return tree.spots


def test_a_chain_is_straight_with_gaps_between():
    spots = place(build_chain(4, ends={0}))
    assert [spot.lane for spot in spots] == [0, 0, 0, 0]
    assert len({spot.x + spot.axis for spot in spots}) == 1
    assert all(b.y == a.bottom + GAP for a, b in pairwise(spots))


def test_cards_of_a_lane_are_equally_wide_but_inputs_keep_their_width():
    spots = place(build_plan([-1, 0, -1], [(0, 1), (1, 2)], runs=[-1], folded=[0], ends={0}))
    assert [spot.width for spot in spots] == [80, 140, 140]


def test_a_branch_has_a_lane_and_keeps_it():
    spots = place(build_plan([-1] * 7, [(0, 1), (1, 2), (2, 3), (3, 6), (0, 4), (4, 5), (5, 6)]))
    assert [spot.lane for spot in spots] == [0, 0, 0, 0, 1, 1, 0]
    assert spots[4].y == spots[1].y


def test_the_first_of_equally_long_paths_is_the_spine():
    spots = place(build_fan(3))
    assert [spot.lane for spot in spots] == [0, 0, 0, 1, 1, 2, 2, 0]


def test_many_branches_stand_in_rows_of_lanes():
    spots = place(build_fan(20))
    assert max(spot.lane for spot in spots) == MAX_LANES - 1
    assert spots[-1].y > max(spot.bottom for spot in spots[:-1])


def test_what_has_no_input_stands_above_its_reader():
    spots = place(build_plan([-1] * 5, [(0, 1), (1, 2), (2, 4), (3, 4)]))
    assert spots[3].lane == 1
    assert spots[3].bottom + GAP == spots[4].y


def test_a_lane_is_left_to_the_branch_that_goes_on_in_it():
    # 1 - 2 - 3 is the spine; 4 goes on in 7; 5 comes between.
    edges = [(0, 1), (1, 2), (2, 3), (3, 8), (0, 4), (1, 5), (5, 8), (4, 6), (6, 7), (7, 8)]
    spots = place(build_plan([-1] * 9, edges))
    assert spots[4].lane == spots[6].lane == spots[7].lane
    assert spots[5].lane != spots[4].lane


def test_a_box_holds_its_content_and_its_title():
    box, card = place(build_plan([0], [], runs=[-1], titles=300.0))
    assert (box.height, card.y) == (card.height + TOP + SIDE, TOP)
    assert box.width == 318
    assert card.x == SIDE


@pytest.mark.parametrize("n", [1, 2])
def test_parts_without_edges_do_not_overlap(n):
    spots = place(build_plan([-1] * n, []))
    assert len({(spot.x, spot.y) for spot in spots}) == n
