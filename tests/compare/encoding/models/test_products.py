"""Sums over blocks, less those of what is left out, give what the features themselves give."""

import numpy as np
import oracles
import pytest
import torch
from brains import label_features
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV

from neurolens.compare.encoding.models import products
from neurolens.compare.encoding.models.penalties import Settings, scale_alphas
from neurolens.compare.encoding.models.products import BlockedFeatures, ProductSpectrum, is_exact
from neurolens.compare.encoding.models.ridge import SELECTORS, fit_ridge
from neurolens.compare.encoding.models.spectrum import Spectrum, split_features
from neurolens.compare.encoding.ops.features import FeatureBlocks

ALPHAS = torch.logspace(-3, 4, 8, dtype=torch.float64)
MEMORY = 3000  # bytes: blocks of a few stimuli


def open_blocks(x, memory=MEMORY):
    array = label_features(x)
    return BlockedFeatures(FeatureBlocks(array, array.stimulus.values, "features", memory), "cpu")


def build_problem(rng, n=60, p=7, v=5):
    x = rng.normal(size=(n, p)) * np.logspace(0, 1, p) + 20
    noise = np.logspace(-1, 1.5, v) * rng.normal(size=(n, v))
    return x, x @ rng.normal(size=(p, v)) / 10 + noise + 3


def split_both(x, y, rows, train, test, memory=MEMORY):
    """Return the spectrum of products over ``rows`` less what is not ``train``, and of features."""
    blocked = open_blocks(x, memory).begin(torch.from_numpy(y), rows).split(train, test)
    parts = [torch.from_numpy(part) for part in (train, test)]
    return blocked, split_features(torch.from_numpy(x - x.mean(axis=0)), *parts)


def fit_both(x, y, rows, train, test, select, blocks=(), memory=MEMORY, alphas=ALPHAS):
    """Return (chosen, predictions, U times the coefficients) of both."""
    targets = torch.from_numpy(y[train] - y[train].mean(axis=0))
    found = []
    for spectrum in split_both(x, y, rows, train, test, memory):
        fit = fit_ridge(spectrum, targets, alphas, select, blocks)
        weights = torch.zeros_like(targets)
        for part in spectrum.iterate_rows():
            weights[part.positions] = part.vectors @ fit.coefficients
        found.append((fit.chosen.numpy(), (spectrum.test @ fit.coefficients).numpy(), weights))
    return found


def deal(n, sizes):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    return list(order[: sum(sizes)].split(sizes))


@pytest.mark.parametrize("select", list(SELECTORS))
@pytest.mark.parametrize("kind", ["plain", "collinear", "one", "dead column"])
def test_they_choose_and_predict_as_features_do(rng, select, kind):
    x, y = build_problem(rng)
    if kind == "collinear":
        x[:, 3] = 2 * x[:, 1] - x[:, 0]
    if kind == "one":
        x = x[:, :1]
    if kind == "dead column":
        x[:, 2] = 0.1
    order = rng.permutation(60)
    train, test = order[:45], order[45:]
    blocks = deal(45, [3, 12, 20, 10])
    blocked, whole = fit_both(x, y, np.arange(60), train, test, select, blocks)
    np.testing.assert_array_equal(blocked[0], whole[0])
    assert len(set(whole[0])) > 1 or kind == "one"
    np.testing.assert_allclose(blocked[1], whole[1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(blocked[2], whole[2], rtol=1e-9, atol=1e-9)


@given(
    seed=st.integers(0, 2**32 - 1),
    memory=st.integers(1, 20_000),
    n_left_out=st.integers(0, 50),
    select=st.sampled_from(list(SELECTORS)),
)
def test_no_size_of_blocks_and_no_part_changes_the_answer(seed, memory, n_left_out, select):
    """Training sets that leave out more than they hold are summed, others are down-dated."""
    rng = np.random.default_rng(seed)
    x, y = build_problem(rng, p=int(rng.integers(1, 6)))
    rows = rng.permutation(60)[:58]
    train = rng.permutation(rows[: 58 - n_left_out])
    test = rows[58 - n_left_out :]
    blocks = deal(len(train), [len(train) // 4] * 4)
    blocked, whole = fit_both(x, y, rows, train, test, select, blocks, memory)
    np.testing.assert_array_equal(blocked[0], whole[0])
    np.testing.assert_allclose(blocked[1], whole[1], rtol=1e-8, atol=1e-8)


def test_sklearn_chooses_and_predicts_the_same(rng):
    x, y = build_problem(rng, n=80, v=12)
    train, test = np.arange(60), np.arange(60, 80)
    peer = RidgeCV(alphas=ALPHAS.numpy(), alpha_per_target=True).fit(x[train], y[train])
    (chosen, predicted, _), _ = fit_both(x, y, np.arange(80), train, test, "loo")
    np.testing.assert_array_equal(ALPHAS.numpy()[chosen], peer.alpha_)
    assert len(set(chosen)) > 1
    expected = peer.predict(x[test]) - y[train].mean(axis=0)
    np.testing.assert_allclose(predicted, expected, rtol=1e-7)


@pytest.mark.parametrize(
    ("where", "size"),
    [
        ("features", 1e3),
        ("features", 1e9),
        ("responses", 1e6),
        ("responses", 1e12),
        ("both", 1e3),
        ("both", 1e9),
    ],
)
def test_a_huge_stimulus_that_is_left_out_costs_no_digits(rng, size, where):
    """The difference of two sums that are nearly equal would be rounding."""
    x, y = build_problem(rng)
    train, test = np.arange(45), np.arange(45, 60)
    if where != "responses":
        x[50] *= size
    if where != "features":
        y[55, 1:3] *= size
    blocked, _ = split_both(x, y, np.arange(60), train, test)
    targets = torch.from_numpy(y[train] - y[train].mean(axis=0))
    alphas = torch.tensor([1e-2], dtype=torch.float64)
    found = (blocked.test @ fit_ridge(blocked, targets, alphas).coefficients).numpy()
    peer = Ridge(alpha=1e-2).fit(x[train], y[train])
    # At the features of the huge one itself, the prediction is as large as they are.
    expected = peer.predict(x[test]) - y[train].mean(axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_training_features_far_from_all_others_cost_no_digits(rng):
    x, y = build_problem(rng)
    x[:45] += 1e6
    train, test = np.arange(45), np.arange(45, 60)
    blocked, _ = split_both(x, y, np.arange(60), train, test)
    targets = torch.from_numpy(y[train] - y[train].mean(axis=0))
    alphas = torch.tensor([1e-1], dtype=torch.float64)
    fit = fit_ridge(blocked, targets, alphas)
    near = x[:45] - x[:45].mean(axis=0)
    peer = Ridge(alpha=1e-1).fit(near, y[train])
    rows = [(part.positions, part.vectors) for part in blocked.iterate_rows()]
    predicted = np.empty_like(y[train])
    for positions, vectors in rows:
        predicted[positions] = vectors @ (blocked.values[:, None] * fit.coefficients)
    np.testing.assert_allclose(predicted, peer.predict(near) - y[train].mean(axis=0), atol=1e-6)


def test_features_that_do_not_vary_have_no_directions(rng):
    _, y = build_problem(rng)
    spectrum, _ = split_both(np.full((60, 3), 0.1), y, np.arange(60), np.arange(45), np.arange(15))
    targets = torch.from_numpy(y[:45] - y[:45].mean(axis=0))
    for select in SELECTORS:
        fit = fit_ridge(spectrum, targets, ALPHAS, select, deal(45, [20, 25]))
        assert not (spectrum.test @ fit.coefficients).any()
    scaled = scale_alphas(spectrum, Settings("ridge", None, "gcv", 0))
    assert (scaled > 0).all()


def test_responses_without_noise_keep_their_smallest_penalty(rng):
    """The residual is far below the rounding of the responses' squared length."""
    x, _ = build_problem(rng)
    y = x @ rng.normal(size=(7, 3))
    everything = np.arange(60)
    spectrum, _ = split_both(x, y, everything, everything, everything[:0])
    tiny = torch.logspace(-6, 4, 11, dtype=torch.float64)
    targets = torch.from_numpy(y - y.mean(axis=0))
    for select in SELECTORS:
        fit = fit_ridge(spectrum, targets, tiny, select, deal(60, [20, 20, 20]))
        assert (fit.chosen == 0).all()


def test_no_more_stimuli_than_features_go_through_the_kernel(rng):
    x, y = build_problem(rng, n=20, p=12)
    blocked, whole = split_both(x, y, np.arange(20), np.arange(10), np.arange(10, 20))
    assert isinstance(blocked, Spectrum)
    torch.testing.assert_close(blocked.values, whole.values)
    assert isinstance(
        split_both(x, y, np.arange(20), np.arange(13), np.arange(3))[0], ProductSpectrum
    )


def test_penalties_below_what_products_are_exact_for(rng):
    """At the limit the fit is still within the stated error; below it, products are not used."""
    x, y = build_problem(rng)
    x[:, 0] *= 1e4
    spread = float(((x - x.mean(axis=0)) ** 2).sum())
    least = np.finfo(float).eps * spread / products.MAX_ERROR
    assert is_exact(spread, least * 1.001)
    assert not is_exact(spread, least * 0.999)
    train, test = np.arange(45), np.arange(45, 60)
    alphas = torch.tensor([least], dtype=torch.float64)
    blocked, whole = fit_both(x, y, np.arange(60), train, test, "gcv", alphas=alphas)
    np.testing.assert_allclose(blocked[1], whole[1], rtol=products.MAX_ERROR, atol=1e-6)


def test_sums_of_responses_do_not_depend_on_blocks_of_voxels(rng, monkeypatch):
    x, y = build_problem(rng, v=9)
    train, test = np.arange(45), np.arange(45, 60)
    whole, _ = fit_both(x, y, np.arange(60), train, test, "gcv")
    monkeypatch.setattr(products, "BLOCK_NUMBERS", 20)
    parts, _ = fit_both(x, y, np.arange(60), train, test, "gcv")
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("memory", [1, 2**30])
def test_losses_of_a_slow_loop(rng, memory):
    x, y = build_problem(rng, n=45)
    everything = np.arange(45)
    targets = torch.from_numpy(y - y.mean(axis=0))
    spectrum = split_both(x, y, everything, everything, everything[:0], memory)[0]
    slow = [[i] for i in range(45)]
    for alpha in ALPHAS:
        grid = torch.stack([alpha, 10 * alpha])
        for select in ("gcv", "loo"):
            chosen = fit_ridge(spectrum, targets, grid, select).chosen
            losses = [
                oracles.gcv(x, y, one)
                if select == "gcv"
                else oracles.left_out_error(x, y, one, slow)
                for one in grid.tolist()
            ]
            np.testing.assert_array_equal(chosen, np.argmin(losses, axis=0))
