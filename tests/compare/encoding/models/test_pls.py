import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import PLSRegression

from neurolens.compare.encoding.models.pls import predict_pls
from neurolens.compare.encoding.models.spectrum import split_kernel


def split(x, n):
    return split_kernel(torch.from_numpy(x @ x.T), torch.arange(n), torch.arange(n, len(x)))


@pytest.mark.parametrize(
    ("p", "v", "n_components"), [(80, 5, 1), (80, 5, 8), (80, 1, 3), (80, 40, 8), (6, 5, 6)]
)
def test_sklearn(rng, p, v, n_components):
    x = rng.normal(size=(40, p)) + 2
    y = x @ rng.normal(size=(p, v)) + 3 * rng.normal(size=(40, v))
    mean = y[:30].mean(axis=0)
    found = predict_pls(split(x, 30), torch.from_numpy(y[:30] - mean), n_components).numpy() + mean
    peer = PLSRegression(n_components, scale=False, tol=1e-24, max_iter=100_000).fit(x[:30], y[:30])
    np.testing.assert_allclose(found, peer.predict(x[30:]).reshape(10, v), rtol=1e-5)


def test_no_more_components_than_dimensions(rng):
    x, y = rng.normal(size=(20, 3)), torch.from_numpy(rng.normal(size=(15, 2)))
    spectrum = split(x, 15)
    np.testing.assert_allclose(predict_pls(spectrum, y, 25), predict_pls(spectrum, y, 3))
    # All components together are least squares.
    centre = x[:15].mean(axis=0)
    weights = np.linalg.lstsq(x[:15] - centre, y.numpy() - y.numpy().mean(axis=0), rcond=None)[0]
    np.testing.assert_allclose(predict_pls(spectrum, y - y.mean(0), 3), (x[15:] - centre) @ weights)
    assert not predict_pls(split(x * 0, 15), y, 3).any()
