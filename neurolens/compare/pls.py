"""Partial least squares from a kernel: pure tensors.

PLS without feature scaling does not change when the feature space is rotated, so the n coordinates U sqrt(d) of the
centred kernel stand for any number of features, exactly.
"""

import torch
from sklearn.cross_decomposition import PLSRegression

from neurolens.compare.ridge import Spectrum


def predict_pls(spectrum: Spectrum, targets: torch.Tensor, n_components: int) -> torch.Tensor:
    """Return predictions (t, v) for the test rows, from ``targets`` (n, v), centred.

    All columns share their components; fewer components where the features have fewer dimensions. Runs on the CPU.
    """
    seen = spectrum.values > 0
    rank = min(int(seen.sum()), n_components)
    if rank == 0:
        return targets.new_zeros((len(spectrum.test), targets.shape[1]))
    scale = spectrum.values[seen].sqrt()
    train, test = spectrum.vectors[:, seen] * scale, spectrum.test[:, seen] / scale
    model = PLSRegression(n_components=rank, scale=False).fit(train.cpu().numpy(), targets.cpu().numpy())
    return torch.from_numpy(model.predict(test.cpu().numpy())).reshape(len(test), -1).to(targets)
