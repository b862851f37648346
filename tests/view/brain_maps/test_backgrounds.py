"""Volumes turned to right, anterior, superior, and images behind maps."""

import itertools

import numpy as np
import pytest
from maps import AFFINE, SHAPE

from neurolens.brain.images.grids import Grid
from neurolens.errors import DataError, InputError
from neurolens.view.brain_maps.backgrounds import crop, load_background, orient
from neurolens.view.style import DARK, LIGHT

nibabel = pytest.importorskip("nibabel", reason="needs the extra 'brain'")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)])
def test_every_voxel_keeps_its_place(order, signs, rng):
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) * (2, 3, 4) * signs)[:, list(order)]
    affine[:3, 3] = rng.normal(size=3)
    values = rng.normal(size=(3, 4, 5))
    turned, grid = orient(values, Grid(values.shape, affine))
    assert (np.diag(grid.affine)[:3] > 0).all()
    for index in itertools.product(range(3), range(4), range(5)):
        place = affine @ [*index, 1]
        there = np.rint(np.linalg.inv(grid.affine) @ place)[:3].astype(int)
        assert turned[tuple(there)] == values[index]


def test_a_part_keeps_its_places():
    inside = np.zeros((10, 10, 10), dtype=bool)
    inside[4, 5, 6] = True
    values = np.arange(1000.0).reshape(10, 10, 10)
    part, there, grid = crop(values, inside, Grid(values.shape, np.eye(4)))
    assert part.shape == (5, 5, 5)
    [index] = np.argwhere(there)
    assert np.array_equal(grid.affine[:3, 3] + index, [4, 5, 6])
    assert part[tuple(index)] == values[4, 5, 6]


def test_the_template_is_dark_outside_of_the_head():
    pytest.importorskip("nilearn", reason="needs the extra 'maps'")
    for theme in (LIGHT, DARK):
        gray = load_background(
            "MNI152",
            Grid(
                (30, 36, 30),
                np.diag([6, 6, 6, 1])
                - [[0, 0, 0, 90], [0, 0, 0, 126], [0, 0, 0, 72], [0, 0, 0, 0]],
            ),
            theme,
        )
        page = [int(theme.page[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        assert np.allclose(gray[0, 0, 0], page)
        assert np.abs(gray[15, 18, 14] - page).max() > 0.2


def test_what_is_no_image_is_told(tmp_path):
    pytest.importorskip("nilearn", reason="needs the extra 'maps'")
    grid = Grid(SHAPE, AFFINE)
    with pytest.raises(DataError, match="cannot be read"):
        load_background(tmp_path / "none.nii", grid, LIGHT)
    with pytest.raises(InputError, match="image of three dimensions"):
        load_background(np.zeros((2, 2)), grid, LIGHT)
