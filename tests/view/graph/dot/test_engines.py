"""Graphviz: found where it is, named where it is not; SVG that shrinks with its page."""

import importlib.util
import re
import shutil

import pytest
from graphs import build_chain

from neurolens.errors import DataError, MissingToolError
from neurolens.view.graph.dot import engines
from neurolens.view.graph.drawing import draw_graph

needs_engine = pytest.mark.skipif(
    not (shutil.which("dot") or importlib.util.find_spec("pygraphviz")),
    reason="needs Graphviz: neither dot nor pygraphviz is installed",
)


@pytest.fixture
def no_engine(monkeypatch, tmp_path):
    """Hide both ways of running Graphviz."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    engines.render_dot.cache_clear()


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_without_graphviz_the_message_names_the_default_and_both_cures(no_engine, tmp_path, suffix):
    drawing = draw_graph(build_chain(4), layout="flow")
    with pytest.raises(
        MissingToolError, match=r'Leave layout out: the default, layout="columns".*pip install'
    ):
        drawing.save(tmp_path / f"graph{suffix}")
    assert drawing.save(tmp_path / "graph.gv").read_text() == drawing.source


def test_a_notebook_without_graphviz_shows_why(no_engine):
    shown = draw_graph(build_chain(4), layout="flow")._repr_mimebundle_()
    assert list(shown) == ["text/plain"]
    assert "pip install" in shown["text/plain"]


@needs_engine
def test_svg_shrinks_with_its_page_and_names_fonts():
    svg = draw_graph(build_chain(6), layout="flow").render_svg()
    assert re.match(r'<svg width="100%" style="max-width:[\d.]+pt;height:auto"\s+viewBox=', svg)
    assert "'Liberation Sans'" in svg


@pytest.mark.skipif(
    importlib.util.find_spec("pygraphviz") is None, reason="needs the package pygraphviz"
)
def test_pygraphviz_draws_without_dot(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    engines.render_dot.cache_clear()
    drawing = draw_graph(build_chain(4), layout="flow")
    assert "<svg" in drawing.render_svg()
    assert drawing.save(tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")


@needs_engine
def test_broken_dot_gives_the_reason_of_the_engine():
    with pytest.raises(DataError, match="Graphviz could not draw this graph"):
        engines.render_dot("digraph { a -> ", "svg")
