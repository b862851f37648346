"""A picture opens with as few modules folded as keep it readable."""

import pytest
from hypothesis import given
from layout_vectors import read_cases
from layouts import build_plan, list_depths, make_plans
from layouts_page import read_plan

from neurolens.view.layout.choice import choose_folds, is_readable
from neurolens.view.layout.records import Frame
from neurolens.view.layout.scene import measure_zoom

# Six stages of two blocks of five ops.
RUNS = [parent for stage in range(6) for parent in (-1, 3 * stage, 3 * stage)]
NODES = [3 * stage + block for stage in range(6) for block in (1, 2) for _ in range(5)]
PLAN = build_plan(NODES, [(i, i + 1) for i in range(59)], runs=RUNS)
DEPTHS = list_depths(PLAN)
STAGES = frozenset(range(0, 18, 3))


def fold(plan, folded):
    return type(plan)(
        plan.nodes,
        plan.is_end,
        plan.runs,
        plan.titles,
        plan.folded_sizes,
        frozenset(folded),
        plan.edges,
    )


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (Frame(4000.0, 2000.0), frozenset()),
        (Frame(700.0, 600.0), frozenset(range(18)) - STAGES),
        (Frame(300.0, 600.0), frozenset(range(18))),
        (Frame(10.0, 10.0), frozenset(range(18))),
    ],
)
def test_the_deepest_readable_level_is_shown(frame, expected):
    assert choose_folds(PLAN, frame, [], DEPTHS) == expected


def test_modules_of_wanted_nodes_are_opened_in_order_while_there_is_room():
    frame = Frame(850.0, 600.0)
    first = choose_folds(PLAN, frame, [12, 33, 50, 0, 20], DEPTHS)
    assert NODES[12] not in first
    opened = frozenset(range(18)) - STAGES - first
    assert 0 < len(opened) < 5
    assert measure_zoom(fold(PLAN, first), frame) >= 1


def test_folds_are_known_ones():
    for case in read_cases("folds"):
        frame = Frame(**case["frame"])
        found = choose_folds(read_plan(case["plan"]), frame, case["wanted"], case["depths"])
        assert sorted(found) == case["answer"]


@given(plan=make_plans())
def test_what_is_shown_is_readable_or_all_is_folded(plan):
    frame = Frame(600.0, 400.0, least=0.8)
    found = choose_folds(plan, frame, range(len(plan.nodes)), list_depths(plan))
    assert is_readable(fold(plan, found), frame) or found == frozenset(range(len(plan.runs)))
