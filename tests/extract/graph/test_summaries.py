"""A graph in a notebook: its ops in a folded table, whatever their number and names."""

import re

from graphs import build_chain, build_hostile, build_large

from neurolens.extract.graph.summaries import summarize_graph, write_graph


def test_inputs_outputs_and_functions_are_told():
    page = write_graph("Graph", build_chain(10))
    text = re.sub("<[^>]+>", " ", page)
    assert "input 1 × 3 × 224 × 224" in text
    assert "conv2d 5, relu 5" in text
    assert "ops (10)" in text
    assert "stage0.1/relu@2" in text
    assert "<details>" in page


def test_a_graph_of_any_size_is_short():
    graph = build_large(20_000)
    page = write_graph("Graph", graph)
    assert 10_000 < len(page) <= 100_000
    assert len(graph._repr_html_()) <= 100_000
    shown = page.count("<tr>") - 1
    assert f"and {20_000 - shown:,} more" in page


def test_names_are_no_tags():
    page = write_graph("<b>", build_hostile())
    assert "<f<o>" not in page
    assert "&lt;f&lt;o&gt;" in page or "f&lt;o&gt;" in page


def test_the_summary_counts_ops_and_modules():
    text = summarize_graph("Net", build_chain(10))
    assert text.startswith("Net: 10 ops in 2 modules")
    assert "conv2d x5, relu x5" in text
    assert "repeats  6 ops" in text
