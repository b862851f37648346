"""The answer does not depend on the side it is solved on: features or their kernel."""

import numpy as np
import oracles
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from neurolens.compare.encoding.cross_validation import score_heldout
from neurolens.compare.encoding.models.penalties import Settings
from neurolens.compare.encoding.models.pls import predict_pls
from neurolens.compare.encoding.models.ridge import SELECTORS, fit_ridge
from neurolens.compare.encoding.models.spectrum import (
    Sides,
    Size,
    describe_solvers,
    split_features,
    split_kernel,
)
from neurolens.compare.inputs.folds import Folds

ALPHAS = torch.logspace(-3, 4, 8, dtype=torch.float64)


def build_problem(rng, n=60, p=7, v=5):
    """Return features with a mean and unequal scales, and responses from signal to noise."""
    x = rng.normal(size=(n, p)) * np.logspace(0, 1, p) + 20
    noise = np.logspace(-1, 1.5, v) * rng.normal(size=(n, v))
    return x, x @ rng.normal(size=(p, v)) / 10 + noise + 3


def split_both(x, train, test):
    """Return the spectra of the same features, primal and through the kernel."""
    train, test = torch.as_tensor(train), torch.as_tensor(test)
    centered = torch.from_numpy(x - x.mean(axis=0))
    return (
        split_features(torch.from_numpy(x), train, test),
        split_kernel(centered @ centered.T, train, test),
    )


def deal(n, sizes):
    """Return blocks of those ``sizes`` among ``n`` rows."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    return list(order[: sum(sizes)].split(sizes))


@pytest.mark.parametrize("select", list(SELECTORS))
@pytest.mark.parametrize("kind", ["plain", "collinear", "one"])
def test_both_sides_choose_and_predict_alike(rng, select, kind):
    x, y = build_problem(rng)
    if kind == "collinear":
        x[:, 3] = 2 * x[:, 1] - x[:, 0]
    if kind == "one":
        x = x[:, :1]
    blocks = deal(45, [3, 12, 20, 10])
    targets = torch.from_numpy(y[:45] - y[:45].mean(axis=0))
    fits, predictions = [], []
    for spectrum in split_both(x, np.arange(45), np.arange(45, 60)):
        fits.append(fit_ridge(spectrum, targets, ALPHAS, select, blocks))
        predictions.append(spectrum.test @ fits[-1].coefficients)
    np.testing.assert_array_equal(fits[0].chosen, fits[1].chosen)
    assert len(set(fits[0].chosen.tolist())) > 1
    torch.testing.assert_close(predictions[0], predictions[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("select", "blocks"),
    [("gcv", []), ("loo", []), ("folds", [5] * 9), ("folds", [20, 25]), ("folds", [2, 40])],
)
def test_losses_of_a_slow_loop(rng, select, blocks):
    """Blocks of fewer and of more rows than features, and rows that are in no block."""
    x, y = build_problem(rng, n=45)
    blocks = deal(45, blocks)
    targets = torch.from_numpy(y - y.mean(axis=0))
    spectrum = split_both(x, np.arange(45), np.arange(0))[0]
    assert spectrum.vectors.shape == (45, 7)
    slow = [b.tolist() for b in blocks] or [[i] for i in range(45)]
    for alpha in ALPHAS:
        grid = torch.stack([alpha, 10 * alpha])
        chosen = fit_ridge(spectrum, targets, grid, select, blocks).chosen
        losses = [
            oracles.gcv(x, y, one) if select == "gcv" else oracles.left_out_error(x, y, one, slow)
            for one in grid.tolist()
        ]
        np.testing.assert_array_equal(chosen, np.argmin(losses, axis=0))


def test_responses_without_noise_keep_their_smallest_penalty(rng):
    """The residual is far below the rounding of the responses' squared length."""
    x, _ = build_problem(rng)
    y = torch.from_numpy(x @ rng.normal(size=(7, 3)))
    targets = y - y.mean(0)
    everything = np.arange(60)
    tiny = torch.logspace(-9, 1, 11, dtype=torch.float64)
    for spectrum in split_both(x, everything, everything[:0]):
        for select in SELECTORS:
            blocks = deal(60, [20, 20, 20])
            assert (fit_ridge(spectrum, targets, tiny, select, blocks).chosen == 0).all()


def test_pls_is_the_same(rng):
    x, y = build_problem(rng, v=30)
    targets = torch.from_numpy(y[:45] - y[:45].mean(axis=0))
    primal, kernel = split_both(x, np.arange(45), np.arange(45, 60))
    for n_components in (1, 3, 7, 20):
        torch.testing.assert_close(
            predict_pls(primal, targets, n_components),
            predict_pls(kernel, targets, n_components),
            rtol=1e-7,
            atol=1e-7,
        )


def test_a_fold_with_fewer_stimuli_than_features_goes_through_the_kernel(rng):
    x, _ = build_problem(rng, n=20, p=12)
    primal, kernel = split_both(x, np.arange(10), np.arange(10, 20))
    assert primal.vectors.shape == (10, 10)
    torch.testing.assert_close(primal.values, kernel.values, rtol=1e-9, atol=1e-9)


class Largest(TorchDispatchMode):
    """Records the numbers of the largest tensor that is made."""

    numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else [made]:
            if isinstance(one, torch.Tensor):
                self.numbers = max(self.numbers, one.numel())
        return made


@pytest.mark.parametrize(
    ("method", "select"), [("ridge", "gcv"), ("ridge", "loo"), ("ridge", "folds"), ("pls", "gcv")]
)
def test_no_square_of_stimuli(rng, method, select):
    x, y = build_problem(rng, n=400)
    folds = Folds(np.arange(400) % 4)
    with Largest() as largest:
        score_heldout(
            Sides(torch.from_numpy(x), False),
            torch.from_numpy(y),
            folds,
            Settings(method, None, select, 3),
            [np.arange(5)],
        )
    assert 400 * 5 <= largest.numbers <= 400 * 8


def test_solvers_are_told():
    primal, wide, kernel = Size("primal", 12), Size("primal", 64), Size("kernel", 90)
    assert describe_solvers([primal]) == "primal (12 features)"
    assert describe_solvers([kernel, kernel]) == "kernel (90 stimuli)"
    assert describe_solvers([primal, kernel, wide]) == (
        "primal (12 to 64 features) for 2 ops; kernel (90 stimuli) for 1 ops"
    )
