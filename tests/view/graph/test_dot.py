"""The drawing: valid DOT for any names, colours that follow scores, errors without Graphviz."""

import importlib.util
import re
import shutil
import xml.etree.ElementTree as ElementTree

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

from neurolens.errors import DataError, InputError, LabelError, MissingToolError
from neurolens.scores import build_scores
from neurolens.view import draw_graph
from neurolens.view.annotation import annotate_ops
from neurolens.view.graph import engines
from neurolens.view.graph.layout import lay_out
from neurolens.view.style import (
    EMPTY,
    RAMP,
    assign_region_colors,
    measure_contrast,
    pick_color,
    pick_text_color,
)

needs_engine = pytest.mark.skipif(
    not (shutil.which("dot") or importlib.util.find_spec("pygraphviz")),
    reason="needs Graphviz: neither dot nor pygraphviz is installed",
)
GRAPHS = {
    "chain": build_chain(30),
    "folded": build_chain(300),
    "residual": build_residual(),
    "branches": build_branches(),
    "hostile": build_hostile(),
}


@needs_engine
@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("name", GRAPHS)
def test_every_graph_becomes_svg_with_all_boxes(name, scored, rng):
    graph = GRAPHS[name]
    scores = fake_scores(graph, rng) if scored else None
    best = fake_best(scores) if scored else None
    svg = draw_graph(graph, scores=scores, best=best).render_svg()
    root = ElementTree.fromstring(svg)
    boxes = [
        g for g in root.iter("{http://www.w3.org/2000/svg}g") if g.get("class", "").endswith(" box")
    ]
    assert len(boxes) == len(lay_out(graph).nodes)
    text = "".join(root.itertext())
    # A label Graphviz cannot read is replaced by the name of its node.
    assert not [
        t
        for t in root.iter("{http://www.w3.org/2000/svg}text")
        if re.fullmatch(r"n\d+", t.text or "")
    ]
    assert ("★" in text) == scored


@needs_engine
@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png", ".gv"])
def test_saving_goes_by_suffix(suffix, tmp_path):
    drawing = draw_graph(build_chain(6))
    data = drawing.save(tmp_path / f"graph{suffix}").read_bytes()
    starts = {".svg": b"<svg", ".pdf": b"%PDF", ".png": b"\x89PNG", ".gv": b"digraph"}
    assert data.startswith(starts[suffix])


@needs_engine
def test_svg_shrinks_with_its_page_and_names_fonts():
    drawing = draw_graph(build_chain(6))
    svg = drawing.render_svg()
    assert re.match(r'<svg width="100%" style="max-width:[\d.]+pt;height:auto"\s+viewBox=', svg)
    assert "'Liberation Sans'" in svg
    assert drawing._repr_mimebundle_() == {"image/svg+xml": svg}


@needs_engine
def test_names_with_markup_are_drawn_as_they_are():
    svg = draw_graph(build_hostile(), title="<i>&").render_svg()
    text = "".join(ElementTree.fromstring(svg).itertext()).replace("\xa0", " ")
    assert "f<o>" in text
    assert "back\\slash]]>" in text
    assert "<i>&" in text
    assert "<i>" not in svg


def test_ids_have_no_ports_and_one_font():
    source = draw_graph(build_hostile()).source
    assert set(re.findall(r'fontname="?([^" \]]+)', source)) == {"Arial"}
    assert re.findall(r"^\s*(\S+) -> (\S+)", source, re.MULTILINE)[0] == ("n0", "n1")


def test_cells_are_shares_of_ceilings_or_raw_scores_of_all_regions(rng):
    graph = build_chain(12)
    scores = fake_scores(graph, rng, regions=("V1", "FFA"), without_ceiling=("FFA",))
    note = annotate_ops(scores)
    op = graph.ops[3].name
    mean = scores.score_mean.sel(op=op)
    raw_top = scores.score_mean.max().item()
    np.testing.assert_allclose(note.get_shares(op), [mean[0] / raw_top, mean[1] / raw_top])
    source = draw_graph(graph, scores=scores).source
    card = next(line for line in source.splitlines() if line.strip().startswith("n4 "))
    assert [f'BGCOLOR="{pick_color(share)}"' in card for share in note.get_shares(op)] == [
        True,
        True,
    ]
    assert "score (rho-a), one scale for all regions" in source
    assert "no lower noise ceiling: FFA" in source
    assert "share of" not in source
    scores["ceiling_lower"] = scores.ceiling_lower.fillna(0.4)
    note = annotate_ops(scores)
    np.testing.assert_allclose(note.get_shares(op), [mean[0] / 0.55, mean[1] / 0.4])
    source = draw_graph(graph, scores=scores).source
    assert "score as a share of the lower noise ceiling" in source
    assert "no lower noise ceiling" not in source


def test_raw_scores_share_one_scale_when_no_region_has_a_ceiling(rng):
    graph = build_chain(12)
    scores = fake_scores(graph, rng, regions=("A", "B"), without_ceiling=("A", "B"))
    assert set(annotate_ops(scores).scale) == {scores.score_mean.max().item()}
    source = draw_graph(graph, scores=scores).source
    assert "no region has a lower noise ceiling" in source
    assert "= lower noise ceiling" not in source


def test_regions_whose_subjects_disagree_are_not_colored_and_said_once(rng):
    graph = build_chain(12)
    scores = fake_scores(graph, rng, regions=("V1", "V2", "FFA"))
    scores["ceiling_lower"] = scores.ceiling_lower.copy(data=[0.55, 0.0, -0.1])
    note = annotate_ops(scores)
    op = graph.ops[3].name
    shares = note.get_shares(op)
    assert shares[0] == scores.score_mean.sel(op=op, region="V1") / 0.55
    assert np.isnan(shares[1:]).all()
    source = draw_graph(graph, scores=scores).source
    assert source.count("subjects do not agree") == 1
    assert "≤ 0), not colored: V2, FFA" in source
    assert source.count(f'BGCOLOR="{EMPTY}"') == 2 * 12
    scores["ceiling_lower"] = scores.ceiling_lower.copy(data=[np.nan, 0.0, -0.1])
    top = scores.score_mean.sel(region="V1").max().item()
    np.testing.assert_array_equal(annotate_ops(scores).scale, [top, np.nan, np.nan])
    scores["ceiling_lower"] = scores.ceiling_lower.copy(data=[-0.1, 0.0, -0.1])
    assert "no cell is colored" in draw_graph(graph, scores=scores).source


def test_legend_says_what_the_attributes_say(rng):
    graph = build_chain(12)
    rdm_scores = fake_scores(graph, rng)
    source = draw_graph(graph, scores=rdm_scores).source
    assert "RSA · rho-a · correlation dissimilarity · 92 stimuli" in source
    encoding = build_scores(
        rdm_scores.score,
        method="encoding",
        measure="r2",
        estimator="ridge regression",
        n_stimuli=40,
    )
    source = draw_graph(graph, scores=encoding).source
    assert "encoding · r2 · ridge regression · 40 stimuli" in source
    for word in ("RSA", "dissimilarity", "rho-a", "intervals"):
        assert word not in source


def test_stars_show_the_held_out_score_and_the_legend_says_so(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng)
    best = fake_best(scores)
    best["heldout_mean"] = best.heldout_mean.copy(data=[0.11, 0.12, 0.13, 0.14])
    source = draw_graph(graph, scores=scores, best=best).source
    tags = re.findall(r"★ best (\w+) </B></FONT><FONT[^>]*> held out (\.\d+) <", source)
    assert sorted(tags) == [("IT", ".14"), ("V1", ".11"), ("V2", ".12"), ("V4", ".13")]
    assert "Held-out score: beside the star." in source


def test_folded_cards_show_the_held_out_score_too(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng, regions=("V2",))
    best = fake_best(scores)
    best["heldout_mean"] = best.heldout_mean.copy(data=[0.11])
    source = draw_graph(graph, scores=scores, best=best, depth=1).source
    assert "underlined" not in source
    assert re.search(r"★ best V2 </B></FONT><FONT[^>]*> \S+: held out \.11 <", source)


def test_scores_over_time_or_of_another_kind_are_refused_in_a_sentence(rng):
    graph = build_chain(12)
    scores = fake_scores(graph, rng)
    timed = scores.expand_dims(time_bin=[100, 200])
    with pytest.raises(InputError, match=r"draw_graph takes .*one time.*isel\(time_bin=0"):
        draw_graph(graph, scores=timed)
    with pytest.raises(InputError, match="draw_graph takes scores, .* got ndarray"):
        draw_graph(graph, scores=scores.score.values)
    with pytest.raises(InputError, match="draw_graph takes scores, .* got a Dataset with"):
        draw_graph(graph, scores=fake_best(scores))
    with pytest.raises(InputError, match="best must be the Dataset that assign_regions returns"):
        draw_graph(graph, scores=scores, best=scores)
    with pytest.raises(InputError, match="a Trace or a Graph is needed to draw, got Dataset"):
        draw_graph(scores, scores=graph)
    with pytest.raises(InputError, match="a drawing is written to a path, .* got Graph"):
        draw_graph(graph).save(graph)


def test_a_drawing_is_short_in_words():
    assert repr(draw_graph(build_chain(12))) == "<Drawing: 14 boxes; .save('graph.svg') writes it>"


def test_parts_of_a_container_are_numbered_in_words(rng):
    builder = GraphBuilder()
    for block in ("down.0", "pool", "down.1", "pool"):
        builder.add(block, "conv2d", classes=("ModuleList",) if "." in block else ())
        builder.add(block, "relu", classes=("ModuleList",) if "." in block else ())
    source = draw_graph(builder.build()).source
    assert re.findall(r"<B>([\w.@]+)</B></FONT><FONT[^>]*>  (\d of \d)<", source) == [
        ("down", "1 of 2"),
        ("down", "2 of 2"),
    ]
    assert "<B>pool@2</B>" in source
    assert "down@2" not in source


def test_ops_without_score_stay_grey(rng):
    graph = build_chain(12)
    scores = fake_scores(graph, rng).isel(op=slice(0, 5))
    scores["score_mean"][0] = np.nan
    source = draw_graph(graph, scores=scores).source
    assert source.count(f'BGCOLOR="{EMPTY}"') == 4 * 8


def test_best_ops_are_framed_and_ties_underlined(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng)
    best = fake_best(scores)
    source = draw_graph(graph, scores=scores, best=best).source
    for region, color in assign_region_colors(scores.region.values.tolist()).items():
        place = lay_out(graph).nodes.index(
            next(
                n
                for n in lay_out(graph).nodes
                if n.ops and n.ops[0].name == best.best_op.sel(region=region).item()
            )
        )
        card = next(line for line in source.splitlines() if line.strip().startswith(f"n{place} "))
        assert f'color="{color}"' in card
        assert "penwidth=2.2" in card
        assert f"★ best {region}" in card
    assert "Cannot be told apart from the best op: a set made by hand." in source


def test_text_on_every_colour_is_readable():
    for share in np.linspace(0, 1, 201):
        fill = pick_color(share)
        assert measure_contrast(pick_text_color(fill), fill) >= 4.5
    assert [pick_color(i / 16) for i in range(17)] == list(RAMP)


def test_region_colours_are_readable_and_different():
    colors = assign_region_colors(["V1", "V3", "V4", "FFA", "PPA", "LOC", "IT"])
    used = [colors[name] for name in ("V1", "V3", "V4", "FFA", "PPA", "LOC", "IT")]
    assert len(set(used)) == 7
    assert min(measure_contrast(color, "#FFFFFF") for color in used) >= 4.5
    assert colors["V1"] == "#C8431B"


def test_dense_graphs_limit_the_search():
    builder = GraphBuilder()
    names: list[str] = []
    for i in range(40):
        names.append(builder.add(f"m{i}", "cat", names[-20:] or ["input"]))
    assert "nslimit" in draw_graph(builder.build()).source
    assert "nslimit" not in draw_graph(build_chain(40)).source


def test_scores_of_other_ops_are_refused(rng):
    scores = fake_scores(build_chain(12), rng)
    with pytest.raises(
        LabelError, match=r"it has no 'stage0\.1/relu'.*Trace the model that was scored"
    ):
        draw_graph(build_chain(5), scores=scores)


def test_best_without_scores_is_refused(rng):
    graph = build_chain(12)
    with pytest.raises(InputError, match="best needs the scores"):
        draw_graph(graph, best=fake_best(fake_scores(graph, rng)))


def test_scores_without_means_are_refused(rng):
    graph = build_chain(12)
    with pytest.raises(InputError, match="ceiling_lower is missing"):
        draw_graph(graph, scores=fake_scores(graph, rng).drop_vars("ceiling_lower"))


def test_something_else_than_a_trace_is_refused():
    with pytest.raises(InputError, match="a Trace or a Graph is needed to draw, got dict"):
        draw_graph({})


def test_unknown_suffix_lists_the_known_ones(tmp_path):
    with pytest.raises(InputError, match=r"\.svg, \.pdf, \.png, \.gv, got 'graph\.html'"):
        draw_graph(build_chain(4)).save(tmp_path / "graph.html")


def test_unwritable_path_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="existing folder"):
        draw_graph(build_chain(4)).save(tmp_path / "missing" / "graph.gv")


@pytest.fixture
def no_engine(monkeypatch, tmp_path):
    """Hide both ways of drawing."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    engines.render_dot.cache_clear()


def test_without_engine_the_message_names_both_cures(no_engine, tmp_path):
    drawing = draw_graph(build_chain(4))
    with pytest.raises(
        MissingToolError,
        match=r"system package graphviz, or run: pip install pygraphviz",
    ):
        drawing.save(tmp_path / "graph.svg")
    assert drawing.save(tmp_path / "graph.gv").read_text() == drawing.source
    shown = drawing._repr_mimebundle_()
    assert list(shown) == ["text/plain"]
    assert "pip install" in shown["text/plain"]


@pytest.mark.skipif(
    importlib.util.find_spec("pygraphviz") is None, reason="needs the package pygraphviz"
)
def test_pygraphviz_draws_without_dot(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    engines.render_dot.cache_clear()
    assert "<svg" in draw_graph(build_chain(4)).render_svg()
    assert (
        draw_graph(build_chain(4)).save(tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    )


@needs_engine
def test_broken_dot_gives_the_engine_reason():
    with pytest.raises(DataError, match="Graphviz could not draw this graph"):
        engines.render_dot("digraph { a -> ", "svg")
