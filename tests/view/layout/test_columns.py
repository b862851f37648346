"""Columns fill the frame, and are cut between modules, where few arrows pass."""

import pytest
from layouts import build_chain, build_plan, build_unet

from neurolens.view.layout.columns import choose_columns
from neurolens.view.layout.records import Frame
from neurolens.view.layout.scene import lay_out

WIDE = Frame(1400.0, 600.0)


def test_what_fits_in_one_column_stays_there():
    assert choose_columns(build_chain(4), Frame(400.0, 900.0)) == [0] * 4


def test_a_long_chain_fills_the_frame():
    scene = lay_out(build_chain(100), WIDE)
    zoom = min(WIDE.width / scene.width, WIDE.height / scene.height)
    single = lay_out(build_chain(100), Frame(1400.0, 600.0, single=True))
    assert single.n_columns == 1
    assert zoom > 5 * WIDE.height / single.height
    assert 0.5 < scene.width / scene.height / (WIDE.width / WIDE.height) < 2


def test_columns_are_cut_between_modules():
    runs = [-1] * 8
    nodes = [run for run in range(8) for _ in range(5)]
    plan = build_plan(nodes, [(i, i + 1) for i in range(39)], runs=runs)
    columns = choose_columns(plan, WIDE)
    assert max(columns) > 1
    for run in runs:
        inside = [column for node, column in zip(nodes, columns, strict=True) if node == run]
        assert len(set(inside)) <= 1


def test_a_very_tall_module_is_cut():
    plan = build_plan([0] * 60, [(i, i + 1) for i in range(59)], runs=[-1])
    assert max(choose_columns(plan, WIDE)) > 1


def test_branches_stay_together():
    branches = [(1, 2 * k) for k in range(1, 18)] + [(2 * k, 2 * k + 1) for k in range(1, 18)]
    joined = [(2 * k + 1, 36) for k in range(1, 18)]
    edges = [(0, 1), *branches, *joined, (36, 37), (37, 38), (38, 39)]
    columns = choose_columns(build_plan([-1] * 40, edges), Frame(1400.0, 700.0))
    assert len(set(columns[2:36])) == 1


@pytest.mark.parametrize("plan", [build_chain(1), build_plan([], []), build_unet()])
def test_columns_never_fall(plan):
    columns = choose_columns(plan, WIDE)
    assert len(columns) == len(plan.nodes)
    assert columns == sorted(columns)


@pytest.mark.slow
def test_twenty_thousand_ops():
    columns = choose_columns(build_chain(20_000), WIDE)
    assert max(columns) > 50


def test_a_column_rather_ends_between_modules_than_within_one():
    sizes = [[3, 3, 3, 2], [2, 1, 2], [2, 3, 2, 3, 3], [3, 1, 3], [2, 2, 1], [1, 1, 3, 1]]
    runs = []
    nodes = []
    for blocks in sizes:
        runs.append(-1)
        outer = len(runs) - 1
        for n_nodes in blocks:
            runs.append(outer)
            nodes += [len(runs) - 1] * n_nodes
    edges = [(i, i + 1) for i in range(len(nodes) - 1)]
    columns = choose_columns(build_plan(nodes, edges, runs=runs), WIDE)
    cuts = [i for i in range(1, len(nodes)) if columns[i] != columns[i - 1]]
    within = [i for i in cuts if runs[nodes[i]] == runs[nodes[i - 1]]]
    assert (len(cuts), len(within)) == (7, 2)
