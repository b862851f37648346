"""Responses on fsaverage5, on a small grid, and scores of their places, for tests of brain maps."""

import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg

from neurolens.brain.images.grayordinates import build_surfaces
from neurolens.brain.images.grids import Grid
from neurolens.scores import build_scores

N_VERTICES = 10242
OPS = ("conv1/conv2d", "relu/relu", "fc/linear")
# 4 mm voxels around the occipital pole of MNI space, left to right reversed as images often are.
AFFINE = np.array([[-4.0, 0, 0, 40], [0, 4, 0, -108], [0, 0, 4, -40], [0, 0, 0, 1]])
SHAPE = (20, 15, 14)


def label_places(space) -> xr.DataArray:
    """Return responses of 0 at all places of a space."""
    rows = np.arange(space.size)
    values = np.zeros((1, space.size), dtype=np.float32)
    dims = ("presentation", "neuroid")
    return xr.DataArray(
        values, dims=dims, coords=space.label_places(rows), attrs=space.list_attrs()
    )


def make_surface(n_left=N_VERTICES, n_right=N_VERTICES) -> xr.DataArray:
    """Return responses at the vertices of both hemispheres."""
    return label_places(build_surfaces({"CORTEX_LEFT": n_left, "CORTEX_RIGHT": n_right}))


def make_volume(affine=AFFINE, shape=SHAPE) -> xr.DataArray:
    """Return responses at all voxels of a grid."""
    return label_places(Grid(shape, np.asarray(affine)))


def score_places(like, values, **form) -> xr.Dataset:
    """Return scores of searchlights: ``values`` (op, place)."""
    coords = {"op": list(OPS[: len(values)]), "region": like.neuroid_id.values, "subject": ["s1"]}
    score = xr.DataArray(np.asarray(values)[:, :, None], coords, ("op", "region", "subject"))
    return build_scores(score, method="rsa", measure="rho-a", n_stimuli=92, **form)


def score_gradient(like, rng, **form) -> xr.Dataset:
    """Return scores whose best op changes from the first place to the last."""
    place = np.linspace(0, 1, like.sizes["neuroid"])
    values = [np.exp(-(((place - k / 2) / 0.3) ** 2)) for k in range(len(OPS))]
    return score_places(like, np.array(values) * 0.4 + rng.normal(0, 0.01, (3, len(place))), **form)


def read_figure(figure):
    """Return all texts of a figure, and its pixels."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        texts.append(axes.get_title())
        texts += [label.get_text() for label in axes.get_yticklabels()]
    return texts, np.asarray(canvas.buffer_rgba())[..., :3]
