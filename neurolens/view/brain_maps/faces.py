"""A surface drawn from one side: its faces from the farthest to the nearest, lit from the front."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neurolens.view.brain_maps.meshes import Mesh, compute_normals
from neurolens.view.brain_maps.scales import Scale
from neurolens.view.style import Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Toward the viewer, and up, in MNI coordinates (right, anterior, superior) of the left hemisphere;
# the right one is seen in a mirror.
VIEWS = {
    "lateral": ((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "medial": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "ventral": ((0.0, 0.0, -1.0), (-1.0, 0.0, 0.0)),
    "dorsal": ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0)),
    "posterior": ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    "anterior": ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}
MIRROR = (-1.0, 1.0, 1.0)
# Lightness of gyri and sulci where nothing is shown.
SHADES = {"light": (0.84, 0.70), "dark": (0.36, 0.24)}
# Share of light that does not depend on the angle.
AMBIENT = 0.72


class Picture(NamedTuple):
    """Visible faces, the farthest first: ``corners`` (face, 3, 2) in mm, ``colors`` (face, rgb)."""

    corners: np.ndarray
    colors: np.ndarray


def project_faces(
    mesh: Mesh, side: str, view: str, values: np.ndarray, scale: Scale, theme: Theme
) -> Picture:
    """Return a surface with a map as it looks from one side."""
    toward = np.array(VIEWS[view][0])
    up = np.array(VIEWS[view][1])
    if side == "right":
        toward = toward * MIRROR
        up = up * MIRROR
    right = np.cross(up, toward)
    facing = compute_normals(mesh) @ toward
    visible = np.flatnonzero(facing > 0)
    depth = mesh.vertices[mesh.faces[visible]].mean(axis=1) @ toward
    order = visible[np.argsort(depth)]
    faces = mesh.faces[order]
    corners = mesh.vertices[faces] @ np.stack([right, up], axis=1)  # (face, corner, xy)
    colors = color_faces(faces, values, scale) if scale.names else _mix_colors(faces, values, scale)
    empty = ~np.isfinite(colors[:, 0])
    colors[empty] = _shade_empty(mesh, faces[empty], theme)
    light = AMBIENT + (1 - AMBIENT) * facing[order]
    return Picture(corners, np.clip(colors * light[:, None], 0, 1))


def color_faces(faces: np.ndarray, values: np.ndarray, scale: Scale) -> np.ndarray:
    """Return the color (face, rgb) of what most corners of a face are: names are not mixed."""
    at = values[faces]  # (face, corner)
    second_agrees = at[:, 1] == at[:, 2]
    chosen = np.where(second_agrees, at[:, 1], at[:, 0])
    return scale.color(chosen)


def _mix_colors(faces: np.ndarray, values: np.ndarray, scale: Scale) -> np.ndarray:
    """Return the color (face, rgb) of the mean value of a face, where two corners have one."""
    at = values[faces]
    known = np.isfinite(at)
    total = np.where(known, at, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    return scale.color(np.where(count >= 2, total / np.maximum(count, 1), np.nan))


def _shade_empty(mesh: Mesh, faces: np.ndarray, theme: Theme) -> np.ndarray:
    """Return gray (face, rgb) where nothing is shown, darker in sulci."""
    gyrus, sulcus = SHADES[theme.name]
    if mesh.sulci is None:
        gray = np.full(len(faces), gyrus)
    else:
        gray = np.where(mesh.sulci[faces].mean(axis=1) > 0, sulcus, gyrus)
    return np.repeat(gray[:, None], 3, axis=1)


def draw_picture(axes: "Axes", picture: Picture, reach: tuple[float, float]) -> None:
    """Draw faces into axes, as pixels also in vector files: there are ten thousand of them.

    ``reach`` is half of the width and height of the axes in mm, the same for all views.
    """
    from matplotlib.collections import PolyCollection

    faces = PolyCollection(
        list(picture.corners),
        facecolors=picture.colors,
        edgecolors=picture.colors,
        linewidths=0.25,
        rasterized=True,
    )
    axes.add_collection(faces)
    axes.set_aspect("equal")
    middle = (picture.corners.min(axis=(0, 1)) + picture.corners.max(axis=(0, 1))) / 2
    axes.set_xlim(middle[0] - reach[0], middle[0] + reach[0])
    axes.set_ylim(middle[1] - reach[1], middle[1] + reach[1])
    axes.set_axis_off()


def measure_reach(pictures: Iterable[Picture]) -> tuple[float, float]:
    """Return half of the largest width and height of pictures in mm."""
    sizes = [np.ptp(picture.corners, axis=(0, 1)) for picture in pictures]
    width, height = np.max(sizes, axis=0) / 2
    return float(width), float(height)
