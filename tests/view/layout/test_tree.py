"""What is visible: cards in boxes, one arrow for edges between the same cards."""

from layouts import build_plan

from neurolens.view.layout.tree import build_tree, list_runs_around


def tell(tree):
    """Return kind, index and depth of every spot."""
    return [(spot.kind, spot.index, spot.depth) for spot in tree.spots]


def test_boxes_stand_around_the_nodes_of_their_runs():
    tree = build_tree(build_plan([-1, 1, 1, 0], [], runs=[-1, 0]), [0] * 4)
    assert tell(tree) == [
        ("node", 0, 1),
        ("box", 0, 1),
        ("box", 1, 2),
        ("node", 1, 3),
        ("node", 2, 3),
        ("node", 3, 2),
    ]
    assert [spot.weight for spot in tree.spots] == [1, 3, 2, 1, 1, 1]


def test_a_folded_run_is_one_card_with_all_its_nodes():
    tree = build_tree(build_plan([-1, 1, 1, 0, -1], [], runs=[-1, 0], folded=[0, 1]), [0] * 5)
    assert tell(tree) == [("node", 0, 1), ("module", 0, 1), ("node", 4, 1)]
    assert tree.spots[1].weight == 3


def test_a_run_in_two_columns_is_two_boxes():
    tree = build_tree(build_plan([0, 0], [(0, 1)], runs=[-1]), [0, 1])
    assert tell(tree) == [("box", 0, 1), ("node", 0, 2), ("box", 0, 1), ("node", 1, 2)]
    assert not tree.links[0].inside


def test_edges_between_the_same_cards_are_one_arrow_of_the_strongest_role():
    plan = build_plan([0, 0, 1, 1], [(0, 2), (1, 3), (0, 1)], runs=[-1, -1], folded=[0, 1])
    plan = type(plan)(
        plan.nodes,
        plan.is_end,
        plan.runs,
        plan.titles,
        plan.folded_sizes,
        plan.folded,
        ((0, 2, "shortcut"), (1, 3, "main"), (0, 1, "main")),
    )
    links = build_tree(plan, [0] * 4).links
    assert [(link.tail.index, link.head.index, link.role) for link in links] == [(0, 1, "main")]


def test_links_name_the_siblings_between_which_they_lead():
    tree = build_tree(build_plan([0, 0, 1], [(0, 2), (1, 2)], runs=[-1, -1]), [0] * 3)
    assert all(link.start.index == 0 and link.end.index == 1 for link in tree.links)
    assert [spot.index for spot in tree.links[0].end.sources] == [0]


def test_runs_around_are_listed_from_the_outside():
    assert list_runs_around(build_plan([2], [], runs=[-1, 0, 1])) == [(0,), (0, 1), (0, 1, 2)]


def test_a_thousand_runs_within_each_other():
    runs = [k - 1 for k in range(1000)]
    assert len(build_tree(build_plan([999], [], runs=runs), [0]).spots) == 1001
