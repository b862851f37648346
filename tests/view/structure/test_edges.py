"""Roles of edges, and the shortcuts of dense blocks."""

import tracemalloc

import pytest
from graphs import GraphBuilder, build_branches
from hypothesis import given
from hypothesis import strategies as st
from structures import build_dense, trace_net, trace_torchvision

from neurolens.view.structure.building import build_structure
from neurolens.view.structure.edges import find_shortcuts


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_a_shortcut_is_an_edge_between_ends_of_a_longer_path(pairs):
    pairs = sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})
    reach = {}
    for tail in range(9, -1, -1):
        below = [head for t, head in pairs if t == tail]
        reach[tail] = set(below).union(*[reach[head] for head in below])
    expected = {
        (tail, head)
        for tail, head in pairs
        if any(head in reach[other] for t, other in pairs if t == tail and other != head)
    }
    assert find_shortcuts(10, pairs) == expected


def test_memory_of_shortcuts_grows_with_the_nodes():
    peaks = []
    for n_nodes in (4_000, 16_000):
        pairs = [(node, node + 1) for node in range(n_nodes - 1)]
        tracemalloc.start()
        find_shortcuts(n_nodes, pairs)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 5 * peaks[0]


def test_every_shortcut_of_a_dense_block_is_left_out():
    structure = build_structure(build_dense())
    shortcuts = [edge for edge in structure.edges if edge.role == "shortcut"]
    assert len(shortcuts) == 8 * 9 // 2
    assert all(edge.left_out for edge in shortcuts)


def test_what_is_left_out_cuts_nothing_off():
    structure = build_structure(build_dense())
    drawn = [edge for edge in structure.edges if not edge.left_out]
    assert {edge.head for edge in drawn} == set(range(1, len(structure.nodes)))


def test_a_few_shortcuts_are_drawn():
    structure = build_structure(build_dense(2))
    assert [edge.role for edge in structure.edges].count("shortcut") == 3
    assert structure.n_left_out == 0


def test_branches_that_join_are_no_shortcuts():
    structure = build_structure(build_branches())
    assert {edge.role for edge in structure.edges} == {"main"}


def test_long_shortcuts_of_a_u_shaped_network_are_drawn():
    structure = build_structure(trace_net("unet").graph)
    shortcuts = [edge for edge in structure.edges if edge.role == "shortcut"]
    assert [structure.nodes[edge.head].name for edge in shortcuts] == ["cat"] * 3
    assert structure.n_left_out == 0


@pytest.mark.slow
def test_shortcuts_of_a_chain_of_residual_blocks_are_drawn():
    """Half of the edges between the blocks of a transformer are shortcuts, one for each."""
    structure = build_structure(trace_torchvision("vit_b_16", 224).graph)
    assert [edge.role for edge in structure.edges].count("shortcut") == 24
    assert structure.n_left_out == 0


def test_what_all_layers_read_is_drawn():
    b = GraphBuilder()
    b.add("mask", "ones", [])
    b.add("stem", "conv2d", ["input"])
    for i in range(12):
        b.add(f"layers.{i}", "mul", [b.ops[-1].name, "mask/ones"])
        b.add(f"layers.{i}.conv", "conv2d")
    assert build_structure(b.build()).n_left_out == 0
