"""Executions at one place that follow each other as passes, against a slow version."""

import tracemalloc
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neurolens.extract.graph import passes


def make_op(number, sources, site, weights):
    """Return what of an op decides its place, and what it reads."""
    parents = [SimpleNamespace(kind="op", source=str(source)) for source in sources]
    parents += [SimpleNamespace(kind="parameter", source=name) for name in weights]
    return SimpleNamespace(name=str(number), parents=parents, site=site, call=0, settings="")


@st.composite
def list_programs(draw):
    """Draw ops that read some ops before them, at few places, with few parameters."""
    ops = []
    for number in range(draw(st.integers(1, 16))):
        ahead = draw(st.sets(st.integers(1, 16), max_size=2))
        sources = [number - distance for distance in sorted(ahead) if distance <= number]
        site = draw(st.integers(0, 1))
        weights = draw(st.sampled_from([(), (), (), ("a",), ("b",), ("c",), ("a", "b")]))
        ops.append(make_op(number, sources, site, weights))
    return ops


def find_near(i, neighbors, weights):
    """Return the parameters of the first ops with any on the ways from an op."""
    found = set()
    for neighbor in neighbors[i]:
        below = find_near(neighbor, neighbors, weights)
        found |= {weights[neighbor]} if weights[neighbor] else below
    return found


def find_ancestors(i, parents):
    """Return the ops on all ways that lead to an op."""
    found = set(parents[i])
    for parent in parents[i]:
        found |= find_ancestors(parent, parents)
    return found


def group_slowly(ops, flow, weights):
    """Return the groups of each place, each execution beside the last of every group."""
    by_place = {}
    for i, op in enumerate(ops):
        groups = by_place.setdefault((op.site, weights[i]), [])
        for group in groups:
            last = group[-1]
            is_same = bool(weights[i])
            for neighbors in (flow.parents, flow.children):
                near = [find_near(k, neighbors, weights) for k in (i, last)]
                is_same |= near[0] == near[1]
            if is_same and last in find_ancestors(i, flow.parents):
                group.append(i)
                break
        else:
            groups.append([i])
    return list(by_place.values())


# The last reads an execution that is no longer the last of its group.
FORK = [make_op(number, sources, 0, ()) for number, sources in enumerate([[], [0], [0]])]


@example(ops=FORK, few=0)
@given(ops=list_programs(), few=st.integers(0, 8))
def test_groups_are_those_of_a_slow_version(ops, few):
    flow = passes.trace_flow(ops)
    weights = passes.list_weights(ops)
    with mock.patch.object(passes, "_FEW_GROUPS", few):
        found = passes.group_passes(ops, flow, weights)
    assert list(found.values()) == group_slowly(ops, flow, weights)


# How many ops from one with parameters to the next, 0 for none at all, and how many places there are.
@pytest.mark.parametrize(("distance", "n_places"), [(0, 16_000), (1, 16_000), (2, 7)])
@pytest.mark.parametrize("n_read", [1, 2])
def test_memory_of_groups_grows_with_the_ops(distance, n_places, n_read):
    peaks = []
    for n_ops in (4_000, 16_000):
        ops = []
        for i in range(n_ops):
            names = (f"weight {i}",) if distance and i % distance == 0 else ()
            ops.append(make_op(i, range(max(0, i - n_read), i), i % n_places, names))
        weights = passes.list_weights(ops)
        tracemalloc.start()
        passes.group_passes(ops, passes.trace_flow(ops), weights)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 5 * peaks[0]
