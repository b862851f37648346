"""Slices and glass brains: voxels at their places, the largest value where several lie behind."""

import numpy as np
import pytest
import xarray as xr
from maps import AFFINE, OPS, make_surface, make_volume, read_figure, score_gradient
from plotted import find_cut

import neurolens as nl
from neurolens.errors import InputError
from neurolens.view.style import LIGHT, read_hex

pytest.importorskip("nibabel", reason="needs the extra 'brain'")


@pytest.fixture
def like():
    return make_volume()


def show_one(like, place, value=1.0):
    """Return values that are known at one voxel (x, y, z)."""
    there = np.ones(like.sizes["neuroid"], dtype=bool)
    for axis, wanted in zip("xyz", place, strict=True):
        there &= like[f"voxel_{axis}"].values == wanted
    assert there.sum() == 1
    values = np.where(there, value, np.nan)
    return xr.DataArray(values, {"neuroid_id": like.neuroid_id}, "neuroid", name="r")


def find_color(axes, color):
    """Return the place (across, along) of the pixels of a color in an image of axes."""
    [image] = axes.get_images()
    pixels = np.asarray(image.get_array())
    left, right, bottom, top = image.get_extent()
    rows, columns = np.nonzero(np.isclose(pixels[..., :3], color, atol=1e-3).all(axis=-1))
    across = left + (columns + 0.5) * (right - left) / pixels.shape[1]
    along = bottom + (rows + 0.5) * (top - bottom) / pixels.shape[0]
    return np.stack([across, along], axis=1)


FULL = read_hex((LIGHT.ramp[-1],))[0]


def test_a_voxel_is_drawn_at_its_place_in_every_slice(like):
    place = (-12.0, -80.0, -8.0)
    values = show_one(like, place)
    slices = {"x": [-12], "y": [-80], "z": [-8]}
    figure = nl.view.plot_slices(values, like=like, slices=slices, limits=(0, 1))
    assert [axes.get_title() for axes in figure.axes[:3]] == [
        "x = -12 mm",
        "y = -80 mm",
        "z = -8 mm",
    ]
    for axes, (first, second) in zip(figure.axes, ((1, 2), (0, 2), (0, 1)), strict=False):
        assert np.allclose(find_color(axes, FULL), [[place[first], place[second]]])
        assert axes.get_xlim()[0] < axes.get_xlim()[1]  # left is left


def test_slices_spread_over_the_values(like, rng):
    figure = nl.view.plot_slices(score_gradient(like, rng), like=like, show="best op", slices=5)
    texts, _ = read_figure(figure)
    assert sum(text.startswith("z = ") for text in texts) == 5
    assert set(OPS) <= set(texts)


def test_a_slice_outside_is_told(like, rng):
    scores = score_gradient(like, rng)
    with pytest.raises(InputError, match="no slice at z = 200 mm; the volume reaches from"):
        nl.view.plot_slices(scores, like=like, slices={"z": [200]})
    for wrong in (0, True, "z", {}, {"q": [1]}):
        with pytest.raises(InputError, match="slices must be a number of slices"):
            nl.view.plot_slices(scores, like=like, slices=wrong)
    surface = score_gradient(make_surface(12, 12), rng)
    with pytest.raises(InputError, match="Use plot_surface"):
        nl.view.plot_slices(surface, like=make_surface(12, 12))


def test_oblique_grids_say_so(rng):
    turn = np.eye(4)
    angle = np.deg2rad(20)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    like = make_volume(turn @ AFFINE)
    scores = score_gradient(like, rng)
    texts, _ = read_figure(nl.view.plot_slices(scores, like=like, slices=2))
    assert "axes of the grid are oblique" in " ".join(texts[0].split())
    with pytest.raises(InputError, match="oblique, so the outline does not fit"):
        nl.view.plot_glass_brain(scores, like=like)


def test_a_glass_brain_shows_the_largest_value_behind(like):
    pytest.importorskip("nilearn", reason="needs the extra 'maps'")
    one = show_one(like, (-12, -80, -8), 0.2)
    other = show_one(like, (20, -80, -8), 0.9)
    values = one.fillna(other)
    figure = nl.view.plot_glass_brain(values, like=like)
    side, back, top = figure.axes[:3]
    assert np.allclose(find_color(side, FULL), [[-80, -8]])
    assert np.allclose(find_color(back, FULL), [[20, -8]])
    assert np.allclose(find_color(top, FULL), [[20, -80]])
    texts, _ = read_figure(figure)
    assert "the largest value along each line of sight" in " ".join(texts[0].split())


def test_names_have_no_largest(like, rng):
    with pytest.raises(InputError, match="names have none. Use plot_slices"):
        nl.view.plot_glass_brain(score_gradient(like, rng), like=like, show="best op")


@pytest.mark.parametrize("n_lines", [1, 2, 4])
def test_the_title_of_the_color_bar_is_whole(like, n_lines):
    values = show_one(like, (-12.0, -80.0, -8.0)).rename(
        " ".join(["held-out score of r"] * n_lines)
    )
    figure = nl.view.plot_slices(values, like=like, slices={"z": [-8]})
    assert find_cut(figure) == []
