"""A noise covariance that the user gives: checked, matched by neuroid, and used to whiten."""

from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import NEUROID, NEUROID_ID, align_labels

# What the attribute "noise" of RDMs says.
GIVEN = "given"
# Triangles of a covariance in single precision differ by this share of its largest number.
ASYMMETRY = 1e-5


def is_given(noise: Any) -> bool:
    """Return whether ``noise`` is a covariance rather than a name."""
    return isinstance(noise, np.ndarray | xr.DataArray)


def read_covariance(noise: np.ndarray | xr.DataArray, neuroids: np.ndarray) -> np.ndarray:
    """Return the covariance (neuroid, neuroid), float64, in the order of ``neuroids``.

    Raises
    ------
    LabelError
        It is labelled, and not by exactly these neuroids on both sides.
    InputError
        It is not square, of as many neuroids, finite and symmetric.
    """
    if isinstance(noise, xr.DataArray):
        noise = _order_neuroids(noise, neuroids)
    n = len(neuroids)
    if noise.shape != (n, n) or noise.dtype.kind not in "fiu":
        raise InputError(
            f"noise must be a covariance of real numbers (neuroid, neuroid), here {(n, n)}, got "
            f"{noise.shape} of {noise.dtype}. Pass np.cov(residuals, rowvar=False)."
        )
    covariance = noise.astype(np.float64)
    if not np.isfinite(covariance).all():
        raise InputError("noise must be finite. Drop the neuroids whose noise is not known.")
    if np.abs(covariance - covariance.T).max() > ASYMMETRY * np.abs(covariance).max():
        raise InputError("noise must be symmetric. Pass a covariance, or (x + x.T) / 2.")
    return (covariance + covariance.T) / 2


def _order_neuroids(noise: xr.DataArray, neuroids: np.ndarray) -> np.ndarray:
    """Return the numbers of a labelled covariance in the order of ``neuroids``."""
    if noise.ndim != 2 or len(set(noise.dims)) < 2:
        raise LabelError(
            f"noise must have two dimensions of different names, such as ('neuroid', "
            f"'neuroid_2'), got {tuple(noise.dims)}. Rename one, or pass noise.values in the order "
            f"of the neuroids."
        )
    for dim in noise.dims:
        ids = _list_ids(noise, str(dim))
        labelled = xr.DataArray(np.arange(len(ids)), dims=NEUROID, coords={NEUROID: ids})
        order = align_labels(
            labelled, neuroids.tolist(), name="noise", other="the responses", dims=(NEUROID,)
        )
        noise = noise.isel({dim: order.values})
    return noise.values


def _list_ids(noise: xr.DataArray, dim: str) -> np.ndarray:
    """Return the neuroid of each entry along ``dim``."""
    for name in (NEUROID_ID, f"{NEUROID_ID}_2", dim):
        if name in noise.coords and noise[name].dims == (dim,):
            return noise[name].values
    raise LabelError(
        f"noise needs the ids of neuroids along {dim!r}. Add them with "
        f".assign_coords({dim}=responses.neuroid_id.values), or pass noise.values in the order of "
        f"the neuroids."
    )


def factor_covariance(covariance: np.ndarray) -> np.ndarray:
    """Return the lower root L, L L' = ``covariance``; InputError if it is not positive definite."""
    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        root = np.zeros_like(covariance)
    smallest = np.diag(root) ** 2
    if (smallest <= 1e-13 * np.abs(np.diag(covariance))).any():
        raise InputError(
            "noise must be positive definite, and it is not: some sum of neuroids has no noise. "
            "Shrink it towards its diagonal, such as 0.9 * x + 0.1 * np.diag(np.diag(x))."
        )
    return root


def whiten_rows(values: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return ``values`` (q, v) inv(L)', whose products are x inv(S) y for S = ``covariance``."""
    from scipy.linalg import solve_triangular

    root = factor_covariance(covariance)
    return solve_triangular(root, values.T, lower=True).T
