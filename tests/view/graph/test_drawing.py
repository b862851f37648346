"""draw_graph: what can be asked for, what is saved, and what is said when it cannot be."""

import pytest
from graphs import build_chain, build_hostile, build_residual, fake_best, fake_scores
from pictures import read_svg
from structures import trace_net

from neurolens.errors import DataError, InputError, LabelError
from neurolens.extract.graph.graph import Graph
from neurolens.view import draw_graph


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png", ".gv"])
def test_saving_goes_by_suffix(suffix, tmp_path):
    drawing = draw_graph(build_chain(6))
    path = drawing.save(tmp_path / f"graph{suffix}")
    starts = {".svg": b"<svg", ".pdf": b"%PDF", ".png": b"\x89PNG", ".gv": b"digraph"}
    assert path.read_bytes().startswith(starts[suffix])
    assert path == drawing.save(str(path))


def test_html_is_a_page_that_needs_nothing_else(tmp_path, rng):
    graph = build_residual()
    scores = fake_scores(graph, rng)
    drawing = draw_graph(graph, scores=scores, best=fake_best(scores), title="<Res> & Net")
    page = drawing.save(tmp_path / "graph.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert "&lt;Res&gt; &amp; Net" in page
    assert "layer1.0/add" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_drawing_is_short_in_words_and_shows_itself():
    drawing = draw_graph(build_chain(12))
    assert repr(drawing) == "<Drawing: 14 boxes; .save('graph.svg') writes it>"
    shown = drawing._repr_mimebundle_()
    assert shown == {"image/svg+xml": drawing.render_svg(), "text/plain": repr(drawing)}


def test_names_with_markup_are_drawn_as_they_are():
    svg = draw_graph(build_hostile(), title="<i>&").render_svg()
    _, texts = read_svg(svg)
    assert {"f<o>", "back\\slash]]>", "<i>&"} <= set(texts)
    assert "<i>" not in svg


def test_title_is_the_name_of_the_model_and_further_lines_stand_below():
    trace = trace_net("gated")
    assert draw_graph(trace).legend.title == trace.model_name
    legend = draw_graph(trace, title="Gate\nmade by hand").legend
    assert (legend.title, legend.subtitle) == ("Gate", ("made by hand",))
    with pytest.raises(InputError, match="title must be text, got int"):
        draw_graph(trace, title=3)


@pytest.mark.parametrize(
    ("fold", "unfold", "n_modules"),
    [
        ("ops", None, 0),
        (1, None, 4),
        (2, None, 8),
        ("layer?.1", None, 4),
        (["layer1", "layer2.0"], None, 2),
        (lambda run: run.module_class == "BasicBlock", None, 8),
        (1, "layer2.1", 4),
        (1, "layer2.1/add", 4),
        ("ops", "layer1", 0),
    ],
)
def test_folding_follows_what_is_asked_for(fold, unfold, n_modules):
    drawing = draw_graph(build_residual(), fold=fold, unfold=unfold)
    assert sum(item.kind == "module" for item in drawing.scene.items) == n_modules
    assert len([i for i in drawing.scene.items if i.kind != "box"]) == drawing.n_boxes


def test_regions_are_drawn_in_the_order_asked_for(rng):
    graph = build_chain(6)
    scores = fake_scores(graph, rng)
    drawing = draw_graph(graph, scores=scores, regions=["IT", "V1"])
    assert drawing.legend.regions == ("IT", "V1")
    assert {len(box.card.regions) for box in drawing.deck.nodes} == {0, 2}
    with pytest.raises(LabelError, match="no 'V9'"):
        draw_graph(graph, scores=scores, regions="V9")
    with pytest.raises(InputError, match="regions chooses among those of scores"):
        draw_graph(graph, regions="V1")


def test_recurrent_graphs_are_rolled_unless_told_otherwise():
    graph = trace_net("recurrent").graph
    rolled = draw_graph(graph)
    unrolled = draw_graph(graph, rolled=False)
    assert rolled.structure.rolled
    assert len(unrolled.structure.nodes) > len(rolled.structure.nodes)
    assert draw_graph(graph, rolled=True).n_boxes == rolled.n_boxes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "tree"}, "layout must be one of auto, columns, flow, got 'tree'"),
        ({"theme": "sepia"}, "theme must be one of light, dark, got 'sepia'"),
        ({"fold": 0}, "must be a whole number from 1"),
        ({"fold": 2.5}, "fold takes a level"),
        ({"rolled": "yes"}, "rolled must be True, False or None"),
    ],
)
def test_wrong_options_say_what_to_pass(options, message):
    with pytest.raises(InputError, match=message):
        draw_graph(build_residual(), **options)


def test_unknown_modules_are_named_with_those_that_there_are():
    with pytest.raises(LabelError, match=r"fold='layer9' fits no module.*'layer1'"):
        draw_graph(build_residual(), fold="layer9")
    with pytest.raises(LabelError, match=r"unfold='layer9' fits no module"):
        draw_graph(build_residual(), unfold="layer9")


def test_scores_of_another_kind_are_refused_in_a_sentence(rng):
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
    with pytest.raises(InputError, match="best needs the scores"):
        draw_graph(graph, best=fake_best(scores))
    with pytest.raises(InputError, match="ceiling_lower is missing"):
        draw_graph(graph, scores=scores.drop_vars("ceiling_lower"))


def test_scores_of_other_ops_are_refused(rng):
    scores = fake_scores(build_chain(12), rng)
    with pytest.raises(
        LabelError, match=r"it has no 'stage0\.1/relu'.*Trace the model that was scored"
    ):
        draw_graph(build_chain(5), scores=scores)


def test_something_else_than_a_trace_is_refused(rng):
    with pytest.raises(InputError, match="a Trace or a Graph is needed to draw, got dict"):
        draw_graph({})
    with pytest.raises(InputError, match="no ops"):
        draw_graph(Graph(()))


def test_paths_are_checked(tmp_path):
    drawing = draw_graph(build_chain(4))
    with pytest.raises(InputError, match="a drawing is written to a path, .* got Graph"):
        drawing.save(build_chain(4))
    with pytest.raises(InputError, match=r"\.svg, \.pdf, \.png, \.gv, \.html, got 'graph\.jpg'"):
        drawing.save(tmp_path / "graph.jpg")
    with pytest.raises(DataError, match="existing folder"):
        drawing.save(tmp_path / "missing" / "graph.gv")


def test_the_page_has_the_regions_that_are_drawn(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng)
    drawing = draw_graph(graph, scores=scores, best=fake_best(scores), regions=["IT", "V1"])
    page = drawing.write_page()
    for region in scores.region.values:
        assert (f'"id":"{region}"' in page) == (region in ("IT", "V1"))
