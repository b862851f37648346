"""RDMs made by hand or at random for the tests of comparing."""

import numpy as np
import xarray as xr
from scipy.spatial.distance import pdist, squareform


def label_squares(squares, *, ids=None, **labels) -> xr.DataArray:
    """Return ``squares`` with stimuli "s0", "s1", ...

    There is one label list per leading dimension, in order.
    """
    ids = ids or [f"s{i}" for i in range(np.shape(squares)[-1])]
    coords = {**labels, "stimulus": ids, "stimulus_2": ids}
    return xr.DataArray(np.asarray(squares, dtype=float), dims=tuple(coords), coords=coords)


def draw_square(rng, n, *, ties=False) -> np.ndarray:
    """Return a random RDM; with ``ties`` of whole numbers, many of them equal."""
    values = rng.integers(1, 5, n * (n - 1) // 2) if ties else rng.random(n * (n - 1) // 2) + 0.1
    return squareform(values.astype(float))


def measure_square(rng, latent, readout, noise) -> np.ndarray:
    """Return the squared euclidean RDM of noisy units that read ``latent`` (n, k).

    The weights of the units are (k, unit).
    """
    signal = latent @ readout
    return (
        squareform(pdist(signal + noise * rng.normal(size=signal.shape), "sqeuclidean"))
        / readout.shape[1]
    )
