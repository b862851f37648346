"""Partial least squares from a spectrum: pure tensors.

PLS without feature scaling does not change when the feature space is rotated, so the coordinates X
= U sqrt(d) of the centered predictors stand for any number of features, exactly.
"""

import torch

from neurolens.compare.encoding.models.spectrum import Spectrum


def predict_pls(spectrum: Spectrum, targets: torch.Tensor, n_components: int) -> torch.Tensor:
    """Return predictions (t, v) for the test rows, from centered ``targets`` Y (n, v).

    All columns of Y share their components. Each component t = X w has the w with the largest
    covariance to Y, the first eigenvector of X' Y Y' X; X then loses what t explains of it. Fewer
    components are used where the features have fewer dimensions. Time O(n k v + n_components (k^3 +
    n k)) for k dimensions. Wold, Sjostrom & Eriksson (2001) Chemom. Intell. Lab. Syst. 58:109.
    """
    varies = spectrum.values > 0
    scale = spectrum.values[varies].sqrt()
    x = spectrum.vectors[:, varies] * scale  # (n, dimension)
    test = spectrum.test[:, varies] / scale  # (t, dimension)
    # X' Y up to a rotation of the columns of Y, (dimension, dimension or fewer).
    root = _shorten(x.T @ targets)
    weights = []
    loadings = []
    components = []
    for _ in range(min(n_components, x.shape[1])):
        weight = torch.linalg.eigh(root @ root.T)[1][:, -1]
        component = x @ weight
        length = component.norm()
        component = component / length
        loading = x.T @ component
        # The component' Y is weight' X' Y / length.
        root = root - torch.outer(loading, weight @ root / length)
        x = x - torch.outer(component, loading)
        weights.append(weight)
        loadings.append(loading)
        components.append(component)
    if not weights:
        return targets.new_zeros((len(test), targets.shape[1]))
    w = torch.stack(weights, dim=1)
    p = torch.stack(loadings, dim=1)
    t = torch.stack(components, dim=1)
    return test @ w @ torch.linalg.solve(p.T @ w, t.T @ targets)


def _shorten(products: torch.Tensor) -> torch.Tensor:
    """Return M (k, k) with M M' that of ``products`` (k, v), or these where k >= v."""
    if products.shape[0] >= products.shape[1]:
        return products
    return torch.linalg.qr(products.T, mode="r")[1].T
