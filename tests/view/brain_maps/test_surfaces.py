"""Figures of the surface: panels, words and colors."""

import numpy as np
import pytest
from maps import OPS, make_surface, make_volume, read_figure, score_gradient

import neurolens as nl
from neurolens.errors import InputError, UnknownNameError

pytest.importorskip("nilearn", reason="needs the extra 'maps'")


@pytest.fixture(scope="module")
def like():
    return make_surface()


@pytest.fixture
def scores(like, rng):
    return score_gradient(like, rng)


def test_both_sides_from_three_views_with_a_bar_and_notes(like, scores):
    texts, pixels = read_figure(nl.view.plot_surface(scores, like=like))
    assert {
        f"{side} {view}" for side in ("left", "right") for view in ("lateral", "medial", "ventral")
    } <= set(texts)
    assert "rho-a" in texts
    caption = " ".join(texts[0].split())
    assert "the largest score of 3 ops at each place" in caption
    assert "no place was tested for significance" in caption
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 1000


def test_best_ops_are_named_in_order(like, scores):
    figure = nl.view.plot_surface(scores, like=like, show="best op", views="lateral", theme="dark")
    texts, pixels = read_figure(figure)
    assert [text for text in texts if text in OPS] == list(OPS)
    assert np.array_equal(pixels[0, 0], [0x10, 0x15, 0x1D])


def test_text_stays_inside_of_the_figure(like, scores):
    names = [f"very.long.name.of.a.module.{i}/conv2d" for i in range(3)]
    figure = nl.view.plot_surface(scores.assign_coords(op=names), like=like, show="best op")
    figure.canvas.draw()
    width, height = figure.bbox.size
    bar = figure.axes[-1]
    for text in [*figure.texts, *bar.get_yticklabels(), *(axes.title for axes in figure.axes)]:
        box = text.get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= width
        assert box.y0 >= 0
        assert box.y1 <= height


def test_names_are_no_formulas(like, scores):
    odd = scores.assign_coords(op=["$x_{", "a$b$", "<&>"])
    figure = nl.view.plot_surface(odd, like=like, show="best op", views=["lateral"])
    assert {"$x_{", "a$b$", "<&>"} <= set(read_figure(figure)[0])
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_one_hemisphere_has_one_row(scores, like):
    left = like.isel(neuroid=slice(0, 10242)).assign_attrs(
        surface_structures=["CORTEX_LEFT"], surface_vertices=[10242]
    )
    part = scores.isel(region=slice(0, 10242))
    figure = nl.view.plot_surface(part, like=left, views=["medial"])
    assert [axes.get_title() for axes in figure.axes] == ["left medial", ""]


def test_bad_settings_are_told(like, scores):
    with pytest.raises(UnknownNameError, match="no view of a surface named 'side'"):
        nl.view.plot_surface(scores, like=like, views=["side"])
    with pytest.raises(InputError, match="views must name at least one"):
        nl.view.plot_surface(scores, like=like, views=[])
    with pytest.raises(InputError, match="theme must be one of light, dark"):
        nl.view.plot_surface(scores, like=like, theme="red")
    volume = make_volume()
    with pytest.raises(InputError, match="Pass space='MNI152'"):
        nl.view.plot_surface(score_gradient(volume, np.random.default_rng(0)), like=volume)
