"""DOT text: valid for any names, clusters for open modules, the same marks as the picture."""

import importlib.util
import re
import shutil

import numpy as np
import pytest
from graphs import (
    GraphBuilder,
    build_branches,
    build_chain,
    build_hostile,
    build_residual,
    fake_best,
    fake_scores,
)
from pictures import SVG, read_svg
from structures import trace_net

from neurolens.view.graph.dot.engines import render_dot
from neurolens.view.graph.drawing import draw_graph
from neurolens.view.style import DARK, LIGHT, assign_region_colors

needs_engine = pytest.mark.skipif(
    not (shutil.which("dot") or importlib.util.find_spec("pygraphviz")),
    reason="needs Graphviz: neither dot nor pygraphviz is installed",
)
GRAPHS = {
    "chain": build_chain(30),
    "residual": build_residual(),
    "branches": build_branches(),
    "hostile": build_hostile(),
    "recurrent": trace_net("recurrent").graph,
    "gated": trace_net("gated").graph,
}


@needs_engine
@pytest.mark.parametrize("fold", [None, 1])
@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("name", GRAPHS)
def test_graphviz_reads_every_label(name, scored, fold, rng):
    graph = GRAPHS[name]
    scores = fake_scores(graph, rng) if scored else None
    best = fake_best(scores) if scored else None
    drawing = draw_graph(graph, scores=scores, best=best, layout="flow", fold=fold)
    root, texts = read_svg(drawing.render_svg())
    boxes = [g for g in root.iter(f"{SVG}g") if g.get("class", "").endswith(" box")]
    assert len(boxes) == drawing.n_boxes
    # A label that Graphviz cannot read is replaced by the name of its node.
    assert not [text for text in texts if re.fullmatch(r"[nm]\d+", text)]
    assert any("★" in text for text in texts) == scored


def test_ids_have_no_ports_and_one_font():
    source = draw_graph(build_hostile()).source
    assert set(re.findall(r'fontname="?([^" \]]+)', source)) == {"Arial"}
    assert re.findall(r"^\s*(\S+) -> (\S+)", source, re.MULTILINE)[0] == ("n0", "n1")
    # Graphviz's SVG writer cuts sizes that are not whole.
    assert all(float(size).is_integer() for size in re.findall(r'POINT-SIZE="([^"]+)"', source))


def test_open_modules_are_clusters_and_folded_ones_are_boxes():
    source = draw_graph(build_residual(), fold=2).source
    assert source.count("subgraph cluster_") == 4
    assert source.count('class="module box"') == 8
    assert len(re.findall(r"^\s*n\d+ \[", source, re.MULTILINE)) == 9


def test_edges_between_folded_modules_are_drawn_once():
    builder = GraphBuilder()
    first = builder.add("a.b", "conv2d")
    other = builder.add("a.c", "conv2d", [first])
    builder.add("d.e", "add", [first, other])
    builder.add("d.f", "relu")
    source = draw_graph(builder.build(), fold=1).source
    assert re.findall(r"(\S+) -> (\S+)", source) == [("n0", "m0"), ("m0", "m1"), ("m1", "n5")]


def test_ops_without_score_stay_gray_in_both_themes(rng):
    graph = build_chain(12)
    scores = fake_scores(graph, rng).isel(op=slice(0, 5))
    scores["score_mean"][0] = np.nan
    for theme in (LIGHT, DARK):
        source = draw_graph(graph, scores=scores, theme=theme.name).source
        assert source.count(f'BGCOLOR="{theme.empty}"') == 4 * 8
        assert f'bgcolor="{theme.page}"' in source


def test_best_ops_are_framed_and_tagged(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng)
    best = fake_best(scores)
    best["indistinguishable"] = scores.score_mean > 0.45
    source = draw_graph(graph, scores=scores, best=best).source
    lines = {
        op.index: line
        for op in graph
        for line in source.splitlines()
        if f'id="op-{op.index}"' in line
    }
    for region, color in assign_region_colors(scores.region.values.tolist()).items():
        op = graph.by_name[best.best_op.sel(region=region).item()]
        assert f'color="{color}"' in lines[op.index]
        assert f"★ best {region}, held-out" in lines[op.index]
    assert "<B>≈</B>" in source


def test_loops_and_marks_of_values_are_there():
    source = draw_graph(trace_net("recurrent").graph).source
    assert f'color="{LIGHT.accent}"' in source
    assert "constraint=false" in source
    gated = draw_graph(trace_net("gated").graph).source
    assert "chose the path: " in gated


def test_dense_graphs_limit_the_search():
    builder = GraphBuilder()
    made: list[str] = []
    for i in range(40):
        made.append(builder.add(f"m{i}", "add", made[-20:] or ["input"]))
    graph = builder.build()
    drawing = draw_graph(graph)
    assert ("nslimit" in drawing.source) == (drawing.structure.n_left_out < 300)
    assert "nslimit" not in draw_graph(build_chain(40)).source


@needs_engine
@pytest.mark.parametrize("size", [1, 31, 90])
def test_long_strips_are_cut_to_what_a_label_holds(size, rng):
    builder = GraphBuilder()
    for i in range(size + 1):
        builder.add(f"a.b{i}", "relu")
    builder.add("c", "linear")
    graph = builder.build()
    source = draw_graph(graph, scores=fake_scores(graph, rng), fold=1).source
    strips = re.findall(r"(?:<TD WIDTH=\"5\" HEIGHT=\"8\"[^>]*>.*?</TD>)+", source)
    assert len(strips) == 4
    assert all(strip.count("<TD") <= 24 for strip in strips)
    assert render_dot(source, "svg")
