"""A surface seen from one side: near before far, left left, colors where the values are."""

import numpy as np
import pytest

from neurolens.view.brain_maps.faces import AMBIENT, VIEWS, color_faces, project_faces
from neurolens.view.brain_maps.meshes import Mesh
from neurolens.view.brain_maps.places import PlacedMap
from neurolens.view.brain_maps.scales import build_scale
from neurolens.view.style import LIGHT


def build_sphere(n=24):
    """Return a sphere of radius 50 around the origin with faces outward."""
    angles = np.linspace(0, 2 * np.pi, n, endpoint=False)
    heights = np.linspace(-np.pi / 2, np.pi / 2, n)
    points = [
        (np.cos(h) * np.cos(a), np.cos(h) * np.sin(a), np.sin(h)) for h in heights for a in angles
    ]
    faces = []
    for row in range(n - 1):
        for k in range(n):
            a, b = row * n + k, row * n + (k + 1) % n
            faces += [(a, b, b + n), (a, b + n, a + n)]
    return Mesh(50 * np.array(points), np.array(faces), None)


SPHERE = build_sphere()


def scale_of(values, names=()):
    return build_scale(PlacedMap({"left": values}, list(names), "r", None, []), LIGHT)


# Where the first coordinate of the picture leads, by side and view.
ANTERIOR = {
    ("left", "lateral"): -1,
    ("left", "medial"): 1,
    ("right", "lateral"): 1,
    ("right", "medial"): -1,
    ("left", "ventral"): -1,
    ("right", "ventral"): 1,
}


@pytest.mark.parametrize(("side", "view"), list(ANTERIOR))
def test_anterior_is_where_it_belongs(side, view):
    values = np.where(SPHERE.vertices[:, 1] > 0, 1.0, np.nan)
    picture = project_faces(SPHERE, side, view, values, scale_of(values), LIGHT)
    gray = np.ptp(picture.colors, axis=1) < 1e-6
    where = picture.corners.mean(axis=1)[~gray, 0].mean()
    assert np.sign(where) == ANTERIOR[side, view]


@pytest.mark.parametrize("view", ["lateral", "medial", "posterior", "anterior"])
def test_superior_is_above(view):
    values = np.where(SPHERE.vertices[:, 2] > 0, 1.0, np.nan)
    picture = project_faces(SPHERE, "left", view, values, scale_of(values), LIGHT)
    gray = np.ptp(picture.colors, axis=1) < 1e-6
    assert picture.corners.mean(axis=1)[~gray, 1].mean() > 0


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_only_the_near_half_is_seen(view, side):
    toward = np.array(VIEWS[view][0]) * (np.array([-1, 1, 1]) if side == "right" else 1)
    near = SPHERE.vertices @ toward > 5
    values = np.where(near, 1.0, np.nan)
    picture = project_faces(SPHERE, side, view, values, scale_of(values), LIGHT)
    gray = np.ptp(picture.colors, axis=1) < 1e-6
    # Gray is left only at the rim.
    rim = np.linalg.norm(picture.corners.mean(axis=1), axis=1) > 40
    assert not (gray & ~rim).any()
    assert 0.3 < len(picture.colors) / len(SPHERE.faces) < 0.6


def test_a_face_toward_the_viewer_has_the_color_of_the_bar():
    values = np.full(len(SPHERE.vertices), 0.7)
    scale = scale_of(values)
    picture = project_faces(SPHERE, "left", "lateral", values, scale, LIGHT)
    front = np.linalg.norm(picture.corners.mean(axis=1), axis=1).argmin()
    assert np.allclose(picture.colors[front], scale.color(np.array([0.7])), atol=0.03)
    assert (picture.colors >= AMBIENT * scale.color(np.array([0.7])) - 1e-9).all()


def test_names_are_those_of_most_corners():
    faces = np.array([[0, 1, 2]])
    scale = scale_of(np.array([1.0, 3.0]), "abc")
    for values in ([1, 1, 3], [1, 3, 1], [3, 1, 1]):
        assert np.array_equal(
            color_faces(faces, np.array(values, float), scale), scale.color(np.array([1.0]))
        )
    three = color_faces(faces, np.array([2.0, 1, 3]), scale)
    assert np.array_equal(three, scale.color(np.array([2.0])))


def test_sulci_are_darker():
    sulci = np.where(SPHERE.vertices[:, 2] > 0, 1.0, -1.0)
    values = np.full(len(SPHERE.vertices), np.nan)
    scale = scale_of(np.array([1.0]))
    picture = project_faces(SPHERE._replace(sulci=sulci), "left", "lateral", values, scale, LIGHT)
    upper = picture.corners.mean(axis=1)[:, 1] > 10
    lower = picture.corners.mean(axis=1)[:, 1] < -10
    assert picture.colors[upper].mean() < picture.colors[lower].mean() - 0.08


def test_the_nearest_face_is_drawn_last():
    square = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]], float)
    near = square - [10, 0, 0]
    faces = np.array([[0, 1, 2], [3, 2, 1]])
    # The near square comes first among the faces.
    mesh = Mesh(np.concatenate([near, square]), np.concatenate([faces, faces + 4]), None)
    values = np.repeat([1.0, 2.0], 4)
    scale = scale_of(values)
    picture = project_faces(mesh, "left", "lateral", values, scale, LIGHT)
    assert len(picture.colors) == 4
    assert np.allclose(picture.colors[:2], scale.color(np.array([2.0])))
    assert np.allclose(picture.colors[2:], scale.color(np.array([1.0])))
