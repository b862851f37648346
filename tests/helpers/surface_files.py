"""Small GIFTI and CIFTI files of a made-up brain: 12 vertices left, 10 right, 8 voxels."""

import nibabel
import numpy as np
from nibabel import gifti
from nibabel.cifti2 import cifti2_axes as axes

N_LEFT = 12
N_RIGHT = 10
# Vertices that are no medial wall.
LEFT = np.array([0, 1, 2, 4, 5, 8, 9, 11])
RIGHT = np.array([1, 2, 3, 6, 7, 9])
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]])
SHAPE = (5, 6, 4)
STRUCTURES = {"left": "CortexLeft", "right": "CortexRight"}


def save_gifti(path, maps, side=None, labels=None, intent="NIFTI_INTENT_NONE"):
    """Write maps (map, vertex); with ``labels`` {number: name} as a file of labels."""
    maps = np.atleast_2d(maps)
    dtype = np.float32 if labels is None else np.int32
    if labels is not None:
        intent = "NIFTI_INTENT_LABEL"
    arrays = [gifti.GiftiDataArray(one.astype(dtype), intent=intent) for one in maps]
    meta = {"AnatomicalStructurePrimary": STRUCTURES[side]} if side else {}
    image = gifti.GiftiImage(darrays=arrays, meta=gifti.GiftiMetaData(meta))
    for number, name in (labels or {}).items():
        label = gifti.GiftiLabel(number, 0.5, 0.5, 0.5, 1.0)
        label.label = name
        image.labeltable.labels.append(label)
    nibabel.save(image, path)
    return path


def build_axis(volume=True, n_left=N_LEFT):
    """Return the places: vertices without the medial wall, and 8 voxels of the thalamus."""
    surface = axes.BrainModelAxis.from_surface(LEFT, n_left, "CORTEX_LEFT")
    surface += axes.BrainModelAxis.from_surface(RIGHT, N_RIGHT, "CORTEX_RIGHT")
    if not volume:
        return surface
    inside = np.zeros(SHAPE, dtype=bool)
    inside[1:3, 2:4, 1:3] = True
    return surface + axes.BrainModelAxis.from_mask(inside, "THALAMUS_LEFT", AFFINE)


def save_cifti(path, maps, rows, places, intent):
    """Write maps (map, place) with an axis of rows."""
    image = nibabel.Cifti2Image(np.asarray(maps), header=(rows, places))
    image.nifti_header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_{intent}")
    image.update_headers()
    nibabel.save(image, path)
    return path


def save_scalars(path, maps, places):
    """Write a .dscalar.nii."""
    names = axes.ScalarAxis([f"map {k}" for k in range(len(maps))])
    return save_cifti(path, np.asarray(maps, np.float32), names, places, "DENSE_SCALARS")


def save_series(path, maps, places, step=2.0):
    """Write a .dtseries.nii."""
    rows = axes.SeriesAxis(0, step, len(maps))
    return save_cifti(path, np.asarray(maps, np.float32), rows, places, "DENSE_SERIES")


def save_labels(path, numbers, names, places):
    """Write a .dlabel.nii of one map."""
    table = {number: (name, (0.5, 0.5, 0.5, 1.0)) for number, name in names.items()}
    rows = axes.LabelAxis(["parcels"], table)
    return save_cifti(path, np.asarray(numbers, np.int32)[None], rows, places, "DENSE_LABELS")
