"""The values of images at the places that are neuroids, and the coordinates of these."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurolens.brain.images.opening import Image
from neurolens.brain.images.regions import Neuroids, find_neuroids
from neurolens.errors import InputError, warn_user
from neurolens.labels import NEUROID, REGION, SUBJECT, list_names

LEFT_OUT = "left_out"


def read_values(
    images: Sequence[Image],
    mask: Any,
    regions: Any,
    *,
    what: str = "responses",
    whole: bool = False,
) -> tuple[list[np.ndarray], Neuroids, dict[str, Any]]:
    """Return the values (volume, neuroid) of each image, the neuroids, and attributes of them.

    Of a mask or regions, neuroids are the places that are not NaN throughout, or, of a ``whole``
    series, never, nor 0 throughout, as images are outside of the brain; without them, those that
    are finite and change over the images' volumes.

    Raises
    ------
    InputError
        No place can be used.

    Warns
    -----
    RuntimeWarning
        Places of the mask are NaN or 0 throughout, and left out.
    """
    space = images[0].space
    chosen = find_neuroids(images[0], mask, regions)
    neuroids = chosen or Neuroids(np.arange(space.size), {})
    values = [image.read_rows(neuroids.rows) for image in images]
    usable = _find_known(values, whole) if chosen else _find_changing(values)
    if not usable.any():
        raise InputError(
            f"no {space.noun} hold numbers that change over the {what}. Pass betas, one per trial, "
            "or another mask."
        )
    if chosen:
        _tell_lost(values, usable, neuroids, space.noun, whole=whole)
    n_lost = int((~usable).sum())
    attrs = space.list_attrs() | images[0].header
    if n_lost and not chosen:
        attrs[LEFT_OUT] = (
            f"{n_lost} of {len(usable)} {space.noun}, which do not change or are not finite, as "
            "outside the brain or in the medial wall"
        )
    members = {name: inside[usable] for name, inside in neuroids.members.items()}
    members = {name: inside for name, inside in members.items() if inside.any()}
    kept = [block[:, usable] for block in values]
    return kept, Neuroids(neuroids.rows[usable], members), attrs


def _find_known(values: list[np.ndarray], whole: bool) -> np.ndarray:
    """Return which neuroids (neuroid,) are not NaN throughout, or finite in all volumes, nor 0."""
    is_empty = _find_empty(values)
    if whole:
        return ~is_empty & np.all([np.isfinite(block).all(axis=0) for block in values], axis=0)
    unknown = [np.isnan(block).all(axis=0) for block in values]
    return ~is_empty & ~np.all(unknown, axis=0)


def _find_empty(values: list[np.ndarray]) -> np.ndarray:
    """Return which neuroids (neuroid,) are 0 in all of several volumes."""
    if sum(map(len, values)) < 2:
        return np.zeros(values[0].shape[1], dtype=bool)
    return np.all([(block == 0).all(axis=0) for block in values], axis=0)


def _tell_lost(
    values: list[np.ndarray], usable: np.ndarray, neuroids: Neuroids, noun: str, *, whole: bool
) -> None:
    """Warn of places of a mask that are left out, and of regions of which none is left."""
    is_empty = _find_empty(values)
    unknown = "not finite in some volume" if whole else "NaN throughout"
    for lost, why in ((~usable & ~is_empty, unknown), (is_empty, "0 throughout")):
        if lost.any():
            warn_user(
                f"{int(lost.sum())} {noun} of {len(usable)} in the mask are {why}, and left out."
            )
    gone = [name for name, inside in neuroids.members.items() if not (inside & usable).any()]
    if gone:
        warn_user(f"no {noun} are left of the regions {list_names(gone)}, which are left out.")


def _find_changing(values: list[np.ndarray]) -> np.ndarray:
    """Return which neuroids (neuroid,) are finite throughout and change."""
    finite = np.all([np.isfinite(block).all(axis=0) for block in values], axis=0)
    first = values[0][0]
    return finite & np.any([(block != first).any(axis=0) for block in values], axis=0)


def label_neuroids(neuroids: Neuroids, space: Any, subject: str | None) -> dict[str, Any]:
    """Return the coordinates of neuroids: ids, places, regions and subject."""
    coords = space.label_places(neuroids.rows) | label_regions(neuroids.members)
    if subject is not None:
        coords[SUBJECT] = (NEUROID, np.full(len(neuroids.rows), subject, dtype=object))
    return coords


def label_regions(members: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the coordinate ``region``, or one per region where a neuroid is in several or none."""
    if not members:
        return {}
    inside = np.stack(list(members.values()))  # (region, neuroid)
    if (inside.sum(axis=0) == 1).all():
        names = np.array(list(members), dtype=object)
        return {REGION: (NEUROID, names[inside.argmax(axis=0)])}
    return {f"{REGION}_{name}": (NEUROID, here) for name, here in members.items()}
