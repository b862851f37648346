"""Surfaces of the cortex: fsaverage5, as nilearn ships it, or a mesh of the user's.

Nothing is downloaded: only the mesh of 10,242 vertices is in nilearn's package.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from neurolens.errors import DataError, InputError, MissingToolError

SIDES = ("left", "right")
N_VERTICES = 10242
# Vertices of the finer meshes of FreeSurfer, whose first ones are those of fsaverage5.
FINER = {40962: "fsaverage6", 163842: "fsaverage"}


class Mesh(NamedTuple):
    """``vertices`` (vertex, 3) in mm, ``faces`` (face, 3); ``sulci`` (vertex,): depth, or None."""

    vertices: np.ndarray
    faces: np.ndarray
    sulci: np.ndarray | None


def import_nilearn(part: str) -> Any:
    """Return a module of nilearn, or raise MissingToolError saying what to install."""
    try:
        import importlib

        return importlib.import_module(f"nilearn.{part}")
    except ImportError as error:
        raise MissingToolError(
            "brain maps need nilearn, which is not installed. Type pip install nilearn."
        ) from error


def load_fsaverage(kind: str = "infl") -> dict[str, Mesh]:
    """Return fsaverage5 by side; ``kind`` is "infl", "pial" or "white".

    Raises
    ------
    MissingToolError
        nilearn is not installed.
    """
    files = import_nilearn("datasets").fetch_surf_fsaverage("fsaverage5")
    surface = import_nilearn("surface")
    meshes = {}
    for side in SIDES:
        mesh = surface.load_surf_mesh(files[f"{kind}_{side}"])
        sulci = np.asarray(surface.load_surf_data(files[f"sulc_{side}"]), dtype=float)
        meshes[side] = Mesh(np.asarray(mesh.coordinates, float), np.asarray(mesh.faces), sulci)
    return meshes


def load_meshes(paths: Mapping[str, Any]) -> dict[str, Mesh]:
    """Return the meshes in files by side.

    Raises
    ------
    InputError
        ``paths`` are not by "left" and "right".
    DataError
        A file cannot be read as a mesh.
    """
    if not isinstance(paths, Mapping) or not paths or set(paths) - set(SIDES):
        raise InputError(
            'space must be "MNI152", or a mapping of "left" and "right" to files of meshes, got '
            f"{paths!r}."
        )
    surface = import_nilearn("surface")
    meshes = {}
    for side in SIDES:
        if side not in paths:
            continue
        try:
            mesh = surface.load_surf_mesh(paths[side])
        except Exception as error:
            raise DataError(
                f"the mesh {paths[side]} cannot be read ({error}). Pass a .surf.gii or a surface "
                "of FreeSurfer, e.g. lh.inflated."
            ) from error
        meshes[side] = Mesh(np.asarray(mesh.coordinates, float), np.asarray(mesh.faces), None)
    return meshes


def compute_normals(mesh: Mesh) -> np.ndarray:
    """Return the unit normal (face, 3) of each face, pointing out of the hemisphere."""
    corners = mesh.vertices[mesh.faces]  # (face, corner, xyz)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.where(lengths > 0, lengths, 1.0)
    # The volume of a closed surface is positive where its normals point outward.
    volume = np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    return normals if volume >= 0 else -normals
