"""Labels of voxels as neuroids: ids, places, subjects and regions."""

from typing import Any, NamedTuple

import numpy as np

from neurolens.labels import NEUROID, NEUROID_ID, REGION, SUBJECT


class Voxels(NamedTuple):
    """Voxels of a subject: ``places`` (voxel, 3), indices in C order; region -> (voxel,) of bool.

    ``affine`` (4, 4) leads from indices to mm, and ``shape`` (3,) is that of the volume.
    """

    places: np.ndarray
    members: dict[str, np.ndarray]
    affine: np.ndarray
    shape: tuple[int, ...]

    def select(self, usable: np.ndarray) -> "Voxels":
        """Return those that are ``usable`` (voxel,)."""
        members = {name: inside[usable] for name, inside in self.members.items()}
        return self._replace(places=self.places[usable], members=members)


def find_voxels(masks: dict[str, np.ndarray], affine: np.ndarray) -> Voxels:
    """Return the voxels of any of some masks (x, y, z), by region."""
    inside = np.any(list(masks.values()), axis=0)
    places = np.argwhere(inside)
    members = {name: mask[inside] for name, mask in masks.items()}
    return Voxels(places, members, affine, inside.shape)


def label_voxels(by_subject: dict[str, Voxels]) -> dict[str, Any]:
    """Return the coordinates along neuroid of the voxels of subjects, one after the other.

    ``neuroid_id`` is "subject.x-y-z"; ``index_i`` ... are indices and ``voxel_x`` ... mm. Regions
    are the coordinate ``region``, or, where a voxel is in several or none, one of True and False
    for each: ``region_V1`` ...
    """
    subjects = np.repeat(
        np.array(list(by_subject), dtype=object),
        [len(voxels.places) for voxels in by_subject.values()],
    )
    index = np.concatenate([voxels.places for voxels in by_subject.values()])
    names = [
        f"{subject}.{'-'.join(map(str, place))}"
        for subject, place in zip(subjects, index.tolist(), strict=True)
    ]
    where = np.concatenate(
        [
            voxels.places @ voxels.affine[:3, :3].T + voxels.affine[:3, 3]
            for voxels in by_subject.values()
        ]
    )
    coords: dict[str, Any] = {
        NEUROID_ID: (NEUROID, np.array(names, dtype=object)),
        SUBJECT: (NEUROID, subjects),
    }
    for k, (letter, axis) in enumerate(zip("ijk", "xyz", strict=True)):
        coords[f"index_{letter}"] = (NEUROID, index[:, k])
        coords[f"voxel_{axis}"] = (NEUROID, where[:, k])
    return coords | _label_regions(by_subject)


def _label_regions(by_subject: dict[str, Voxels]) -> dict[str, Any]:
    """Return the coordinates that say which voxels are of which region."""
    regions: list[str] = []
    for voxels in by_subject.values():
        regions += [name for name in voxels.members if name not in regions]
    inside = np.zeros((len(regions), sum(len(v.places) for v in by_subject.values())), dtype=bool)
    start = 0
    for voxels in by_subject.values():
        stop = start + len(voxels.places)
        for name, members in voxels.members.items():
            inside[regions.index(name), start:stop] = members
        start = stop
    if (inside.sum(axis=0) == 1).all():
        labels = np.array(regions, dtype=object)[inside.argmax(axis=0)]
        return {REGION: (NEUROID, labels)}
    return {f"{REGION}_{name}": (NEUROID, here) for name, here in zip(regions, inside, strict=True)}
