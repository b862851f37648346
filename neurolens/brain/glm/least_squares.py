"""Least squares for many voxels at once, from products of regressors."""

from typing import NamedTuple

import numpy as np

# Bytes of double precision that are worked on at once.
BLOCK_BYTES = 2**27
# Eigenvalues of correlations between regressors below this are rounding: nothing tells them apart.
SINGULAR = 1e-8


class Products(NamedTuple):
    """``inner`` (response, response), ``outer`` (response, neuroid) products with the data.

    ``energy`` (response,): of the regressors about their means, before nuisance was removed.
    """

    inner: np.ndarray
    outer: np.ndarray
    energy: np.ndarray


class Fit(NamedTuple):
    """``betas`` (response, neuroid), and ``inflation`` (response,) of their variance.

    ``inflation`` is how many times that of a response without others, drifts and confounds; NaN
    where it is not known.
    """

    betas: np.ndarray
    inflation: np.ndarray


def multiply(regressors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the products (response, neuroid) of regressors with data (volume, neuroid).

    Regressors must be centered; means are taken from the data, whose offset would round.
    """
    n_volumes, n_neuroids = values.shape
    products = np.empty((regressors.shape[1], n_neuroids))
    step = max(1, BLOCK_BYTES // (8 * n_volumes))
    for start in range(0, n_neuroids, step):
        block = values[:, start : start + step].astype(np.float64)
        block -= block.mean(axis=0)
        products[:, start : start + step] = regressors.T @ block
    return products


def find_confused(inner: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """Return the responses that nothing tells from each other, or from nuisance; none where all.

    Those that make up the directions without variance, largest share first.
    """
    size = np.sqrt(np.maximum(energy, np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(inner / np.outer(size, size))
    empty = values < SINGULAR
    if not empty.any():
        return np.array([], dtype=int)
    share = (vectors[:, empty] ** 2).sum(axis=1)
    order = np.argsort(-share, kind="stable")
    return order[share[order] > 1e-6]


def fit_all(products: Products) -> Fit:
    """Return the responses of one model with all regressors (least squares - all, LSA)."""
    size = np.sqrt(products.energy)
    scaled = products.inner / np.outer(size, size)
    inverse = np.linalg.inv(scaled)
    betas = inverse @ (products.outer / size[:, None]) / size[:, None]
    return Fit(betas, np.diag(inverse).copy())


def fit_separate(products: Products) -> Fit:
    """Return each response of a model with its regressor and the sum of all others (LSS).

    Mumford et al., NeuroImage 2012, doi:10.1016/j.neuroimage.2011.08.076.
    """
    inner = products.inner
    own = np.diag(inner)
    with_all = inner.sum(axis=1)
    cross = with_all - own
    others = inner.sum() - 2 * with_all + own
    outer_others = products.outer.sum(axis=0) - products.outer
    if len(own) == 1:
        return Fit(products.outer / own[:, None], products.energy / own)
    determinant = own * others - cross**2
    betas = others[:, None] * products.outer - cross[:, None] * outer_others
    inflation = products.energy * others / determinant
    return Fit(betas / determinant[:, None], inflation)
