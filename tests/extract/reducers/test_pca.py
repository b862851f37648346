"""Principal components against scikit-learn's full decomposition, whatever batches and memory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import decomposition
from torch import nn

import neurolens as nl
from neurolens.errors import InputError
from neurolens.extract import PCA
from neurolens.extract.reducers.base import Rows
from neurolens.extract.reducers.pca import PrincipalAxes
from neurolens.extract.stream import fill

CPU = torch.device("cpu")
IDS = tuple(f"s{i}" for i in range(60))


def fit_axes(x, n_components, batch_size=None, width=None):
    """Return the axes of x, shown in batches from the last to the first."""
    x = torch.as_tensor(x)
    rows = Rows(tuple(x.shape[1:]), ("feature",), x.dtype)
    axes = PCA(n_components, IDS[: len(x)]).plan_step(rows, len(x)).open(CPU, {})
    assert isinstance(axes, PrincipalAxes)
    axes.hold_units(width or x[0].numel())
    batch_size = batch_size or len(x)
    for _ in range(axes.n_passes):
        for start in reversed(range(0, len(x), batch_size)):
            axes.fit(x[start : start + batch_size], start)
        axes.end_pass()
    return axes


def draw(rng, n, p, offset=5.0):
    """Return stimuli whose spectrum falls slowly, far from the origin."""
    return (rng.standard_normal((n, p)) * np.linspace(3, 0.5, p) + offset).astype(np.float32)


@given(
    n=st.integers(4, 40),
    p=st.integers(4, 90),
    batch_size=st.integers(1, 40),
    width=st.integers(1, 90),
    seed=st.integers(0, 99),
)
def test_components_are_those_of_the_full_decomposition(n, p, batch_size, width, seed):
    x = draw(np.random.default_rng(seed), n, p)
    k = min(n, p) - 2
    axes = fit_axes(x, k, batch_size, width)
    oracle = decomposition.PCA(k, svd_solver="full").fit(x.astype(np.float64))
    np.testing.assert_allclose(axes.mean, oracle.mean_, rtol=1e-12)
    np.testing.assert_allclose(axes.singular_values, oracle.singular_values_, rtol=1e-9)
    # Each component is determined as far as its singular value differs from the next.
    values = np.append(oracle.singular_values_, 0)
    gaps = np.minimum(np.append(np.inf, -np.diff(values)[:-1]), -np.diff(values))
    certain = gaps > 1e-3 * values[0]
    agreement = np.sum(axes.components.double().numpy() * oracle.components_, axis=1)
    assert np.all(np.abs(np.abs(agreement[certain]) - 1) < 1e-6)
    whole = axes(torch.as_tensor(x)).double().numpy()
    expected = x.astype(np.float64) - oracle.mean_
    np.testing.assert_allclose(
        whole @ axes.components.double().numpy(),
        oracle.inverse_transform(oracle.transform(x.astype(np.float64))) - oracle.mean_,
        atol=2e-4 * np.abs(expected).max(),
    )


@pytest.mark.parametrize("shape", [(40, 90), (50, 20)], ids=["wide", "tall"])
def test_batches_and_memory_change_rounding_only(shape, rng):
    x = draw(rng, *shape)
    whole = fit_axes(x, 10)
    for batch_size, width in [(7, None), (1, 3), (None, 11), (40, 19)]:
        axes = fit_axes(x, 10, batch_size, width)
        np.testing.assert_allclose(axes.components, whole.components, atol=1e-6)
        np.testing.assert_allclose(axes.singular_values, whole.singular_values, rtol=1e-12)
        np.testing.assert_allclose(axes(torch.as_tensor(x)), whole(torch.as_tensor(x)), atol=1e-4)


def test_signs_are_those_of_scikit_learn(rng):
    x = draw(rng, 20, 50)
    components = fit_axes(x, 5).components
    assert (components.gather(1, components.abs().argmax(1, keepdim=True)) > 0).all()
    oracle = decomposition.PCA(5, svd_solver="full").fit(x.astype(np.float64))
    np.testing.assert_allclose(components, oracle.components_, atol=1e-5)


def test_a_large_mean_takes_nothing_from_small_components(rng):
    x = rng.standard_normal((30, 80)).astype(np.float32) + np.float32(1e4)
    axes = fit_axes(x, 20, 8)
    oracle = decomposition.PCA(20, svd_solver="full").fit(x.astype(np.float64))
    np.testing.assert_allclose(axes.singular_values, oracle.singular_values_, rtol=1e-9)
    np.testing.assert_allclose(
        axes(torch.as_tensor(x)), oracle.transform(x.astype(np.float64)), atol=1e-4
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_results_of_any_real_type_are_taken_as_they_are(dtype, rng):
    x = torch.as_tensor(rng.standard_normal((20, 30)) * 40).to(dtype)
    axes = fit_axes(x, 6, 7)
    oracle = decomposition.PCA(6, svd_solver="full").fit(x.double().numpy())
    np.testing.assert_allclose(axes.components, oracle.components_, atol=1e-5)
    assert axes(x).dtype == torch.float32


@pytest.mark.parametrize("width", [None, 7])
def test_directions_without_variance_are_zero_and_not_noise(width, rng):
    x = (rng.standard_normal((20, 2)) @ rng.standard_normal((2, 60))).astype(np.float32)
    axes = fit_axes(x, 5, 8, width)
    assert (axes.singular_values > 0).tolist() == [True, True, False, False, False]
    assert not axes(torch.ones(3, 60))[:, 2:].any()
    constant = fit_axes(np.ones((6, 60), np.float32), 5, 4, width)
    assert not constant(torch.as_tensor(rng.standard_normal((7, 60)))).any()


def test_pca_sees_only_what_it_was_fitted_on(rng):
    x = draw(rng, 10, 80)
    axes = fit_axes(x, 3)
    before = axes.components.clone()
    axes(torch.as_tensor(rng.standard_normal((30, 80)), dtype=torch.float32))
    np.testing.assert_array_equal(axes.components, before)
    np.testing.assert_allclose(axes(torch.as_tensor(x)).mean(0), 0, atol=1e-5)


def test_a_fit_that_cannot_be_trusted_is_refused(rng):
    rows = Rows((400,), ("feature",), torch.float32)
    axes = PCA(2, IDS[:5]).plan_step(rows, 40).open(CPU, {})
    with pytest.raises(
        InputError, match=r"fitted on 0 stimuli, expected the 5 of fit_on.*leave it out of ops="
    ):
        axes(torch.ones(3, 400))
    axes.fit(torch.ones(3, 400), 0)
    axes.fit(torch.ones(3, 400), 0)
    with pytest.raises(InputError, match="fitted on 3 stimuli, expected the 5 of fit_on"):
        axes.end_pass()
    axes.fit(torch.full((2, 400), torch.nan), 3)
    with pytest.raises(InputError, match="PCA wants finite values"):
        axes.end_pass()


class Layers(nn.Module):
    """Two convolutions and a pooled layer: ops that are wide and ops that are narrow."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 8, 3)
        self.second = nn.Conv2d(8, 5, 3)
        self.last = nn.Linear(5, 20)

    def forward(self, x):
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.last(x.mean((2, 3)))


@pytest.mark.parametrize(
    "settings", [{"batch_size": 8}, {"batch_size": 5, "memory": 60_000}], ids=str
)
def test_extracted_components_are_exact_at_any_batch_size_and_memory(settings, rng, monkeypatch):
    monkeypatch.setattr(fill, "LEAST_HELD", 1000)
    scale = np.linspace(0.2, 3, 50)[:, None, None, None]
    images = (rng.standard_normal((50, 3, 12, 12)) * scale).astype(np.float32)
    stimuli = nl.load_stimuli(images, ids=list(IDS[:50]))
    fit_on = stimuli.ids[:40]
    whole = nl.extract_activations(Layers(), stimuli, quiet=True)
    reduced = nl.extract_activations(
        Layers(), stimuli, reducer=PCA(10, fit_on=fit_on), quiet=True, **settings
    )
    for op in ("first/conv2d", "second/conv2d", "last/linear"):
        x = whole[f"{op}/activation"].values.reshape(50, -1).astype(np.float64)
        oracle = decomposition.PCA(10, svd_solver="full").fit(x[:40])
        found = reduced[f"{op}/activation"].values
        for i, expected in enumerate(oracle.transform(x).T):
            if oracle.singular_values_[i] > 1e-5 * oracle.singular_values_[0]:
                assert np.corrcoef(found[:, i], expected)[0, 1] > 0.9999, (op, i)


def test_an_op_larger_than_the_budget_is_shown_the_stimuli_several_times(rng, monkeypatch):
    monkeypatch.setattr(fill, "LEAST_HELD", 1000)
    images = rng.standard_normal((30, 3, 12, 12)).astype(np.float32)
    stimuli = nl.load_stimuli(images, ids=list(IDS[:30]))
    settings = {"ops": "first/conv2d", "reducer": PCA(5, fit_on=stimuli.ids[:20])}
    # 20 stimuli of 800 float32 are 64,000 bytes; beside components and products, 16,000 are left.
    sliced = nl.forecast(Layers(), stimuli, memory=80_000, **settings).activations
    assert sliced.passes == 1 + 4 + 1
    assert nl.forecast(Layers(), stimuli, **settings).activations.passes == 2


class Skips(nn.Module):
    """A second op that runs for stimuli with a positive sum only."""

    def forward(self, x):
        y = x * 2
        return y.cos() if x.sum() > 0 else y


def test_an_op_that_some_fitted_stimuli_lack_is_named(rng):
    x = np.abs(rng.standard_normal((8, 6))).astype(np.float32)
    x[5] *= -1
    stimuli = nl.load_stimuli(x)
    with pytest.raises(InputError, match="'/cos': PCA was fitted on 5 stimuli, expected the 6"):
        nl.extract_activations(
            Skips(), stimuli, reducer=PCA(2, fit_on=stimuli.ids[:6]), batch_size=1, quiet=True
        )
