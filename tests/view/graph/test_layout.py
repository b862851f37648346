"""Layout of a graph: kinds of arrows, folding, clusters, columns."""

import itertools

import pytest
from graphs import GraphBuilder, build_branches, build_chain, build_residual
from hypothesis import given
from hypothesis import strategies as st

from neurolens.errors import InputError
from neurolens.view.graph.layout import find_module_paths, find_shortcuts, lay_out, number_parts

GRAPHS = {
    "chain": build_chain(40),
    "long chain": build_chain(600),
    "residual": build_residual(),
    "branches": build_branches(),
}


@pytest.mark.parametrize("layout", ["auto", "columns", "flow"])
@pytest.mark.parametrize("depth", [None, 1, 2])
@pytest.mark.parametrize("name", GRAPHS)
def test_every_op_and_every_box_appears_once(name, depth, layout):
    graph = GRAPHS[name]
    plan = lay_out(graph, depth=depth, layout=layout)
    assert [op.name for node in plan.nodes for op in node.ops] == [op.name for op in graph]
    assert list(itertools.chain(*plan.columns)) == list(range(len(plan.nodes)))
    assert all(edge.tail < edge.head for edge in plan.edges)
    assert len(plan.wires) == len(plan.columns) - 1


def test_edges_of_ops_are_their_parents():
    graph = build_residual()
    plan = lay_out(graph)
    drawn = {(plan.nodes[e.tail].ops[0].name, plan.nodes[e.head].ops[0].name) for e in plan.edges
             if plan.nodes[e.tail].kind == plan.nodes[e.head].kind == "op"}  # fmt: skip
    assert drawn == {(parent, op.name) for op in graph for parent in op.parent_ops}


def test_shortcuts_are_arrows_beside_a_longer_path(rng):
    pairs = [(a, b) for b in range(14) for a in range(b) if rng.random() < 0.3]

    def longest(a, b):
        return (
            max((1 + longest(c, b) for t, c in pairs if t == a and c <= b), default=-99)
            if a != b
            else 0
        )

    assert find_shortcuts(14, pairs) == {(a, b) for a, b in pairs if longest(a, b) > 1}


def test_residual_blocks_without_downsampling_have_shortcuts():
    plan = lay_out(build_residual())
    heads = [plan.nodes[edge.head].ops[0].name for edge in plan.edges if edge.shortcut]
    assert heads == ["layer1.0/add", "layer1.1/add", "layer2.1/add", "layer3.1/add", "layer4.1/add"]


def test_resnet_is_cut_at_its_stages():
    plan = lay_out(build_residual())
    assert len(plan.columns) == 6
    firsts = [plan.nodes[column[0]].address for column in plan.columns]
    assert firsts == [
        "",
        "layer1.0.conv1",
        "layer2.0.conv1",
        "layer3.0.conv1",
        "layer4.0.conv1",
        "avgpool",
    ]
    crossing = {i: k for k, column in enumerate(plan.columns) for i in column}
    assert all(edge.wired == (crossing[edge.tail] != crossing[edge.head]) for edge in plan.edges)


def test_long_skips_fall_back_to_flow():
    builder = GraphBuilder()
    down = [builder.add(f"down{i}.conv", "conv2d") for i in range(10)]
    for i, skipped in enumerate(reversed(down)):
        builder.add(f"up{i}.conv", "conv2d")
        builder.add(f"up{i}", "cat", [builder.ops[-1].name, skipped])
    graph = builder.build()
    assert len(lay_out(graph).columns) == 1
    assert len(lay_out(graph, layout="columns").columns) > 1


def test_many_ops_are_folded_to_blocks():
    plan = lay_out(build_chain(600))
    assert plan.depth == 2
    assert {len(node.ops) for node in plan.nodes if node.kind == "module"} == {5}
    assert len(plan.nodes) <= 160


def test_few_ops_are_not_folded():
    plan = lay_out(build_residual())
    assert plan.depth is None
    assert {node.kind for node in plan.nodes} == {"input", "op", "output"}


def test_depth_one_folds_stages():
    plan = lay_out(build_residual(), depth=1)
    assert [n.label for n in plan.nodes if n.kind == "module"] == [
        "layer1",
        "layer2",
        "layer3",
        "layer4",
    ]
    assert [len(n.ops) for n in plan.nodes if n.kind == "module"] == [14, 16, 16, 16]


def test_wrapper_modules_do_not_count():
    builder = GraphBuilder()
    for block, function in itertools.product("ab", ("conv2d", "relu")):
        builder.add(f"model.net.{block}", function)
    paths, root = find_module_paths(builder.build())
    assert root == "model.net"
    assert paths["model.net.a/relu"] == ("model.net.a",)


def test_a_module_called_again_opens_a_second_area():
    builder = GraphBuilder()
    for block in ("a", "b", "a"):
        builder.add(f"{block}.conv", "conv2d")
        builder.add(f"{block}.relu", "relu")
    plan = lay_out(builder.build())
    assert [cluster.title for cluster in plan.clusters] == ["a", "b", "a@2"]
    folded = lay_out(builder.build(), depth=1)
    assert [node.address for node in folded.nodes if node.kind == "module"] == ["a", "b", "a"]


def test_parts_of_a_container_that_is_called_once_are_numbered():
    builder = GraphBuilder()
    for block in ("down.0", "mid", "down.1", "mid", "down.0", "mid"):
        builder.add(block, "conv2d")
        builder.add(block, "relu")
    plan = lay_out(builder.build(), layout="flow")
    titles = {
        (cluster.title, plan.parts[i, 0])
        for i, cluster in enumerate(plan.clusters)
        if "down" in cluster.address and cluster.depth == 0
    }
    assert titles == {("down", "1 of 2"), ("down", "2 of 2"), ("down@2", "")}
    folded = lay_out(builder.build(), depth=1)
    labels = [node.label for node in folded.nodes if node.kind == "module"]
    assert labels == ["down 1 of 2", "mid", "down 2 of 2", "mid@2", "down@2", "mid@3"]


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_numbered_parts_count_up_to_how_often_a_key_occurs(keys):
    parts = number_parts(keys)
    for i, (key, part) in enumerate(zip(keys, parts, strict=True)):
        total = keys.count(key)
        expected = f"{keys[: i + 1].count(key)} of {total}" if total > 1 else ""
        assert part == expected


def test_areas_split_by_columns_are_parts_too():
    plan = lay_out(build_branches())
    columns = {k for i, k in plan.parts if plan.clusters[i].address == "features"}
    n = len(columns)
    assert n > 1
    assert {plan.parts[0, k] for k in columns} == {f"{k + 1} of {n}" for k in range(n)}


def test_ops_without_input_are_generated_and_dead_ends_stay():
    builder = GraphBuilder()
    builder.add("", "conv2d")
    builder.add("", "arange", [])
    builder.add("", "add", ["/conv2d", "/arange"])
    builder.add("", "argmax", ["/conv2d"])
    plan = lay_out(builder.build(outputs=["/add"]))
    assert [n.ops[0].function for n in plan.nodes if n.generated] == ["arange"]
    assert [n.ops[0].function for n in plan.nodes if n.ops] == ["conv2d", "arange", "add", "argmax"]


def test_single_op_modules_are_labels_not_areas():
    plan = lay_out(build_residual())
    labels = {node.ops[0].name: node.label for node in plan.nodes if node.ops}
    assert labels["layer2.0.downsample.0/conv2d"] == "downsample.0"
    assert labels["layer1.0.relu/relu@2"] == "@2"
    assert {cluster.title for cluster in plan.clusters} == {
        "layer1",
        "layer2",
        "layer3",
        "layer4",
        ".0",
        ".1",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "tree"}, "layout must be one of auto, columns, flow"),
        ({"depth": 0}, "depth must be a whole number"),
    ],
)
def test_wrong_options_say_what_to_pass(options, message):
    with pytest.raises(InputError, match=message):
        lay_out(build_chain(4), **options)


def test_empty_graph_is_refused():
    from neurolens.extract.graph.graph import Graph

    with pytest.raises(InputError, match="no ops"):
        lay_out(Graph(()))
