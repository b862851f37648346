"""Partial least squares from a kernel: pure tensors.

PLS without feature scaling does not change when the feature space is rotated, so the coordinates X
= U sqrt(d) of the centered kernel stand for any number of features, exactly.
"""

import torch

from neurolens.compare.encoding.ridge import Spectrum


def predict_pls(spectrum: Spectrum, targets: torch.Tensor, n_components: int) -> torch.Tensor:
    """Return predictions (t, v) for the test rows, from centered ``targets`` Y (n, v).

    All columns of Y share their components. Each component t = X w has the w with the largest
    covariance to Y, the first eigenvector of X' Y Y' X; X then loses what t explains of it. Fewer
    components are used where the features have fewer dimensions. Time O(n^2 v + n_components n^3).
    Wold, Sjostrom & Eriksson (2001) Chemom. Intell. Lab. Syst. 58:109.
    """
    varies = spectrum.values > 0
    scale = spectrum.values[varies].sqrt()
    x = spectrum.vectors[:, varies] * scale  # (n, dimension)
    test = spectrum.test[:, varies] / scale  # (t, dimension)
    shared = targets @ targets.T  # (n, n)
    weights = []
    loadings = []
    components = []
    for _ in range(min(n_components, x.shape[1])):
        weight = torch.linalg.eigh(x.T @ shared @ x)[1][:, -1]
        component = x @ weight
        component = component / component.norm()
        loading = x.T @ component
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
