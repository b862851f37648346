"""Which runs are folded, how they are asked for, and what is seen then."""

import numpy as np
import pytest
from graphs import GraphBuilder, build_residual
from hypothesis import given
from hypothesis import strategies as st
from structures import draw_graphs, trace_net

from neurolens.errors import InputError, LabelError
from neurolens.view.structure.building import build_structure
from neurolens.view.structure.folding import (
    find_visible,
    fold_matching,
    fold_to_depth,
    read_fold,
    unfold_matching,
)


@pytest.fixture(scope="module")
def resnet():
    return build_structure(build_residual())


def list_addresses(structure, keys):
    return sorted(structure.runs[structure.run_of[key]].address for key in keys)


@given(draw_graphs(), st.data())
def test_folding_any_set_loses_no_op(graph, data):
    structure = build_structure(graph)
    keys = [run.key for run in structure.runs]
    folded = data.draw(st.sets(st.sampled_from(keys))) if keys else set()
    seen = find_visible(structure, folded)
    ops = [name for i in seen.nodes for name in structure.nodes[i].ops]
    for i in seen.folded:
        run = structure.runs[i]
        assert run.key in folded
        for node in structure.nodes[run.first : run.last + 1]:
            ops += node.ops
    assert sorted(ops) == sorted(op.name for op in graph)
    for i, holder in enumerate(seen.holders):
        around = [
            r
            for r in structure.list_around(structure.nodes[i].run)
            if structure.runs[r].key in folded
        ]
        assert holder == (around[-1] if around else -1)
    assert not {structure.runs[i].key for i in seen.opened} & folded


def test_levels_count_from_the_outermost(resnet):
    assert read_fold("ops", resnet) == frozenset()
    # downsample holds two ops, for which there is no area at this level
    assert read_fold(3, resnet) == frozenset()
    assert len(read_fold(2, resnet)) == 8
    assert read_fold(np.int64(2), resnet) == read_fold(2, resnet)
    assert read_fold("modules", resnet) == read_fold(1, resnet) == fold_to_depth(resnet, 1)
    seen = find_visible(resnet, read_fold(1, resnet))
    assert [resnet.runs[i].title for i in seen.folded] == ["layer1", "layer2", "layer3", "layer4"]
    assert seen.opened == ()
    assert len(seen.nodes) == 5 + 4


@pytest.mark.parametrize("depth", [0, -1, True])
def test_other_levels_are_refused(resnet, depth):
    with pytest.raises(
        InputError, match="level of folding must be a whole number from 1.*fold='ops'"
    ):
        fold_to_depth(resnet, depth)


def test_patterns_fit_addresses(resnet):
    assert list_addresses(resnet, read_fold("layer3", resnet)) == ["layer3"]
    assert list_addresses(resnet, read_fold("layer?.1", resnet)) == [
        "layer1.1", "layer2.1", "layer3.1", "layer4.1"
    ]  # fmt: skip
    both = read_fold(["layer1", "layer4.*"], resnet)
    assert list_addresses(resnet, both) == ["layer1", "layer4.0", "layer4.1"]
    assert read_fold([], resnet) == frozenset()


def test_one_call_can_be_folded():
    structure = build_structure(trace_net("recurrent").graph, rolled=False)
    assert read_fold("V1@3", structure) == {"V1#3"}
    assert read_fold("V1", structure) == {"V1#1", "V1#2", "V1#3", "V1#4"}
    assert read_fold("V2#2", structure) == {"V2#2"}


def test_brackets_in_a_name_are_part_of_the_name():
    b = GraphBuilder()
    for function in ("conv2d", "relu"):
        b.add("net[0]", function)
    b.add("", "add")
    assert read_fold("net[0]", build_structure(b.build())) == {"net[0]#1"}


def test_a_function_chooses(resnet):
    keys = read_fold(lambda run: run.module_class == "BasicBlock", resnet)
    assert keys == read_fold(2, resnet)
    with pytest.raises(
        InputError, match="passed as fold must return True or False.*None for 'layer1'"
    ):
        read_fold(lambda run: None, resnet)


def test_an_unknown_module_is_told_with_those_that_there_are(resnet):
    with pytest.raises(
        LabelError, match="fold='layer9' fits no module.*Did you mean 'layer4'.*'layer1.0'"
    ):
        read_fold("layer9", resnet)
    with pytest.raises(LabelError, match="unfold='conv1' fits no module .* one around a single op"):
        unfold_matching(resnet, [], "conv1")
    b = GraphBuilder()
    b.add("conv1", "conv2d")
    with pytest.raises(LabelError, match="no module of this graph has an area.*Leave fold out"):
        read_fold("conv1", build_structure(b.build()))


@pytest.mark.parametrize("fold", [2.0, None, {"layer1": True}, [1, 2], b"layer1"])
def test_other_types_are_refused(resnet, fold):
    with pytest.raises(InputError, match="fold takes a level .*, 'ops', 'modules', a pattern"):
        read_fold(fold, resnet)


def test_no_level_can_be_unfolded(resnet):
    with pytest.raises(InputError, match="unfold takes 'ops', a pattern or several .* got 2"):
        unfold_matching(resnet, [], 2)


def test_unfolding_opens_what_is_around(resnet):
    folded = fold_to_depth(resnet, 1)
    opened = folded - unfold_matching(resnet, folded, "layer3.1")
    assert list_addresses(resnet, opened) == ["layer3", "layer3.1"]
    assert unfold_matching(resnet, folded, "ops") == frozenset()
    by_function = unfold_matching(resnet, folded, lambda run: run.address == "layer1")
    assert folded - by_function == {"layer1#1"}


def test_unfolding_takes_names_of_ops(resnet):
    folded = fold_to_depth(resnet, 1)
    opened = folded - unfold_matching(resnet, folded, ["layer2.0.conv2/conv2d", "layer4"])
    assert list_addresses(resnet, opened) == ["layer2", "layer2.0", "layer4"]
    # what stands in no run is seen anyway
    assert unfold_matching(resnet, folded, "fc/linear") == folded


def test_keys_of_another_graph_are_refused(resnet):
    with pytest.raises(LabelError, match=r"no runs with the keys 'features#1'.*read_fold\(fold"):
        find_visible(resnet, {"features#1"})


def test_what_is_inside_stays_folded(resnet):
    folded = fold_matching(resnet, "layer*") - {"layer1#1"}
    seen = find_visible(resnet, folded)
    assert [resnet.runs[i].address for i in seen.folded] == [
        "layer1.0", "layer1.1", "layer2", "layer3", "layer4"
    ]  # fmt: skip
    assert [resnet.runs[i].address for i in seen.opened] == ["layer1"]


def test_unfold_takes_no_level_and_says_so(resnet):
    for choice in (2, b"layer1"):
        with pytest.raises(InputError, match=r"unfold takes 'ops', a pattern .* got (2|b'layer1')"):
            unfold_matching(resnet, frozenset(), choice)
    assert read_fold(lambda run: np.bool_(run.depth == 0), resnet) == read_fold(
        lambda run: run.depth == 0, resnet
    )
