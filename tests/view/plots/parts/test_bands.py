"""Bands are runs of modules; their names do not touch."""

from itertools import pairwise

from neurolens.view.plots.parts.bands import (
    Band,
    find_bands,
    fit_labels,
    fit_levels,
    name_modules,
)


def test_a_module_that_holds_most_ops_is_divided():
    modules = ["stem"] + ["encoder.layers.0"] * 4 + ["encoder.layers.1"] * 4 + ["head"]
    assert find_bands(modules) == [
        Band("stem", 0, 0), Band("layers.0", 1, 4), Band("layers.1", 5, 8), Band("head", 9, 9),
    ]  # fmt: skip
    assert find_bands(["a.x", "a.y", "b"], largest=0.9) == [Band("a", 0, 1), Band("b", 2, 2)]
    assert find_bands([""]) == [Band("", 0, 0)]


def test_modules_are_those_of_the_graph_or_of_the_names():
    assert name_modules(["a.b/relu", "/flatten"]) == ["a.b", ""]
    assert name_modules(["x"], {"x": "a.b"}) == ["a.b"]


def test_names_that_differ_by_a_number_are_numbers_where_they_lack_room():
    bands = [Band(f"encoder_layer_{i}", 10 * i, 10 * i + 9) for i in range(12)]
    labels, stem = fit_labels(bands, 120, 2.6)
    assert stem == "encoder_layer_"
    assert [one.text for one in labels] == [str(i) for i in range(12)]
    labels, stem = fit_labels(bands, 120, 30.0)
    assert stem == ""
    assert [one.text for one in labels] == [band.name for band in bands]


def test_labels_do_not_touch():
    bands = [Band(f"block{'x' * (i % 5)}", i, i) for i in range(30)]
    for labels in (fit_labels(bands, 30, 2.0).labels, fit_levels(bands, 30, 1.0).labels):
        assert len(labels) > 2
        for one, other in pairwise(labels):
            assert other.center - one.center >= one.half + other.half - 1e-9
