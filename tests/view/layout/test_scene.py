"""Everything has its place: nothing overlaps, no arrow meets a card that it does not belong to."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from layout_vectors import read_cases
from layouts import (
    TOUCH,
    build_plan,
    find_crossings,
    find_overlaps,
    holds,
    make_plans,
    touches,
)
from layouts_page import read_plan, write_scene

from neurolens.view.layout.records import Frame
from neurolens.view.layout.scene import lay_out, list_columns, place_in_columns

FRAMES = st.sampled_from(
    [
        Frame(1400.0, 600.0),
        Frame(400.0, 3000.0),
        Frame(900.0, 300.0),
        Frame(800.0, 600.0, single=True),
    ]
)


@given(plan=make_plans(), frame=FRAMES)
def test_nothing_overlaps_and_no_arrow_meets_a_card(plan, frame):
    scene = lay_out(plan, frame)
    assert not find_overlaps(scene)
    assert not find_crossings(scene)


@given(plan=make_plans(), frame=FRAMES)
def test_arrows_are_square_and_lead_from_border_to_border(plan, frame):
    scene = lay_out(plan, frame)
    for arrow in scene.arrows:
        assert len(arrow.points) > 1
        assert touches(scene.items[arrow.tail], arrow.points[0])
        assert touches(scene.items[arrow.head], arrow.points[-1])
        assert all((a[0] == b[0]) != (a[1] == b[1]) for a, b in pairwise(arrow.points))


@given(plan=make_plans(), frame=FRAMES)
def test_the_scene_holds_everything_and_boxes_hold_their_content(plan, frame):
    scene = lay_out(plan, frame)
    for item in scene.items:
        assert item.x >= 0
        assert item.y >= 0
        assert item.x + item.width <= scene.width + TOUCH
        assert item.y + item.height <= scene.height + TOUCH
    for arrow in scene.arrows:
        assert all(0 <= x <= scene.width and 0 <= y <= scene.height for x, y in arrow.points)
    boxes = {(i.index, i.column): i for i in scene.items if i.kind == "box"}
    for item in scene.items:
        run = plan.nodes[item.index][0] if item.kind == "node" else plan.runs[item.index]
        if run >= 0:
            assert holds(boxes[run, item.column], item)


@given(plan=make_plans(), frame=FRAMES)
def test_every_visible_card_and_edge_is_there_once(plan, frame):
    scene = lay_out(plan, frame)
    nodes = [i.index for i in scene.items if i.kind == "node"]
    assert len(nodes) == len(set(nodes))
    columns = list_columns(plan, scene)
    assert columns == sorted(columns)
    assert set(columns) == set(range(scene.n_columns))
    assert scene.n_columns == 1 or not frame.single
    pairs = [(arrow.tail, arrow.head) for arrow in scene.arrows]
    assert len(pairs) == len(set(pairs))


@given(plan=make_plans(), frame=FRAMES)
def test_it_is_the_same_again_and_in_given_columns(plan, frame):
    scene = lay_out(plan, frame)
    assert lay_out(plan, frame) == scene
    assert place_in_columns(plan, list_columns(plan, scene)) == scene


def test_scenes_are_known_ones():
    for case in read_cases("scenes"):
        scene = lay_out(read_plan(case["plan"]), Frame(**case["frame"]))
        assert write_scene(scene) == case["answer"], case["name"]


def test_an_empty_plan_has_an_empty_scene():
    scene = lay_out(build_plan([], []), Frame(100.0, 100.0))
    assert (scene.items, scene.arrows) == ((), ())


def test_only_the_columns_of_a_folded_module_change():
    nodes = [run for run in range(6) for _ in range(5)]
    edges = [(i, i + 1) for i in range(29)]
    plan = build_plan(nodes, edges, runs=[-1] * 6)
    before = lay_out(plan, Frame(900.0, 600.0))
    folded = build_plan(nodes, edges, runs=[-1] * 6, folded=[2])
    after = place_in_columns(folded, list_columns(plan, before))
    changed = {item.column for item in before.items if item.kind == "box" and item.index == 2}
    assert after.n_columns == before.n_columns > 2
    for column in set(range(before.n_columns)) - changed:
        assert tell_places(before, column) == tell_places(after, column)


def tell_places(scene, column):
    """Return where everything of a column stands, from its left."""
    items = [item for item in scene.items if item.column == column]
    left = min(item.x for item in items)
    return [(i.kind, i.index, round(i.x - left, 2), i.y, i.width, i.height) for i in items]
