"""Random numbers drawn for each stimulus."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

import neurolens as nl
from neurolens.errors import InputError

N_STIMULI = 11


class Draws(nn.Module):
    """Adds what a function draws to the input."""

    def __init__(self, draw):
        super().__init__()
        self.draw = draw
        self.held = torch.Generator().manual_seed(4)

    def forward(self, x):
        return x + self.draw(self, x)


def bernoulli(x, p):
    return torch.bernoulli(torch.full_like(x, p))


# name -> (draw(model, x), the distribution of the numbers)
DRAWS = {
    "randn_like": (lambda m, x: torch.randn_like(x), stats.norm()),
    "rand_like": (lambda m, x: torch.rand_like(x), stats.uniform()),
    "randn": (lambda m, x: torch.randn(*x.shape), stats.norm()),
    "rand, size and dtype": (
        lambda m, x: torch.rand(x.shape, dtype=torch.float64),
        stats.uniform(),
    ),
    "randn, generator": (lambda m, x: torch.randn(x.shape, generator=m.held), stats.norm()),
    "randint": (lambda m, x: torch.randint(3, 8, x.shape), stats.randint(3, 8)),
    "randint, low left out": (lambda m, x: torch.randint(5, x.shape), stats.randint(0, 5)),
    "randint_like": (lambda m, x: torch.randint_like(x, 2, 6), stats.randint(2, 6)),
    "randint_like, names": (lambda m, x: torch.randint_like(x, high=6), stats.randint(0, 6)),
    "normal_": (lambda m, x: torch.zeros_like(x).normal_(1, 2), stats.norm(1, 2)),
    "normal_, names": (lambda m, x: torch.zeros_like(x).normal_(mean=1, std=2), stats.norm(1, 2)),
    "uniform_": (lambda m, x: torch.zeros_like(x).uniform_(-1, 1), stats.uniform(-1, 2)),
    "exponential_": (lambda m, x: torch.zeros_like(x).exponential_(2), stats.expon(0, 0.5)),
    "bernoulli": (lambda m, x: bernoulli(x, 0.3), stats.bernoulli(0.3)),
    "bernoulli, method": (lambda m, x: torch.full_like(x, 0.3).bernoulli(), stats.bernoulli(0.3)),
    "bernoulli_": (lambda m, x: torch.zeros_like(x).bernoulli_(0.3), stats.bernoulli(0.3)),
    "bernoulli_, array": (
        lambda m, x: torch.zeros_like(x).bernoulli_(torch.full_like(x, 0.3)),
        stats.bernoulli(0.3),
    ),
    "poisson": (lambda m, x: torch.poisson(torch.full_like(x, 2.0)), stats.poisson(2)),
    "normal, arrays": (
        lambda m, x: torch.normal(torch.ones_like(x), 2 * torch.ones_like(x)),
        stats.norm(1, 2),
    ),
    "normal, numbers": (lambda m, x: torch.normal(1.0, 2.0, x.shape), stats.norm(1, 2)),
    "multinomial": (
        lambda m, x: torch.multinomial(
            torch.tensor([[1.0, 2.0, 1.0]]).repeat(len(x), 1), 200, True
        ),
        stats.rv_discrete(values=([0, 1, 2], [0.25, 0.5, 0.25])),
    ),
    "dropout": (
        lambda m, x: F.dropout(torch.ones_like(x), 0.25, training=True) * 0.75,
        stats.bernoulli(0.75),
    ),
    "dropout, in place": (
        lambda m, x: F.dropout(torch.ones_like(x), 0.25, training=True, inplace=True) * 0.75,
        stats.bernoulli(0.75),
    ),
}


def extract_noise(draw, batch_size=4, rng=0, n_stimuli=N_STIMULI, **settings):
    """Return the numbers drawn for each stimulus (stimulus, feature)."""
    stimuli = nl.load_stimuli(np.zeros((n_stimuli, 200), np.float32))
    acts = nl.extract_activations(
        Draws(draw), stimuli, batch_size=batch_size, rng=rng, quiet=True, **settings
    )
    assert "random_numbers_from" not in acts.attrs
    assert "/add" in acts.attrs["random_ops"]
    return acts["add/activation"].values.astype(float)


@pytest.mark.parametrize("name", DRAWS)
def test_numbers_follow_the_stimulus_and_not_the_batch(name):
    draw, _ = DRAWS[name]
    values = extract_noise(draw, 4)
    for batch_size in (1, 3, N_STIMULI):
        np.testing.assert_array_equal(extract_noise(draw, batch_size), values)
    assert (extract_noise(draw, 4, rng=1) != values).any()
    correlations = np.corrcoef(values) - np.eye(N_STIMULI)
    assert np.abs(correlations).max() < 0.5  # 200 numbers each: a standard error of .07


@pytest.mark.parametrize("name", DRAWS)
def test_numbers_have_their_distribution(name):
    draw, distribution = DRAWS[name]
    values = extract_noise(draw, 8, n_stimuli=40).ravel()
    error = distribution.std() / np.sqrt(values.size)
    assert abs(values.mean() - distribution.mean()) < 5 * error
    assert abs(values.std() / distribution.std() - 1) < 0.05
    if hasattr(distribution, "pdf"):
        assert stats.kstest(values, distribution.cdf).pvalue > 1e-4
    else:
        assert set(np.unique(values.round(6))) <= set(np.arange(-1, 20))


def test_features_of_a_channel_are_dropped_together():
    stimuli = nl.load_stimuli(np.ones((6, 50, 3, 3), np.float32))
    net = Draws(lambda m, x: F.dropout2d(x, 0.5, training=True))
    values = {}
    for batch_size in (2, 6):
        acts = nl.extract_activations(net, stimuli, batch_size=batch_size, quiet=True)
        (name,) = [leaf.path for leaf in acts.leaves if "dropout" in leaf.path]
        values[batch_size] = acts[name]["activation"].values
    np.testing.assert_array_equal(values[2], values[6])
    assert set(np.unique(values[2])) == {0.0, 2.0}
    assert (values[2] == values[2][..., :1, :1]).all()
    assert len(np.unique(values[2][..., 0, 0], axis=0)) == 6


def test_numbers_without_an_axis_of_the_stimuli_are_those_of_all():
    class Shared(nn.Module):
        def forward(self, x):
            return x + torch.randn(x.shape[1])

    stimuli = nl.load_stimuli(np.zeros((7, 4), np.float32))
    whole = nl.extract_activations(Shared(), stimuli, batch_size=7, quiet=True)
    parts = nl.extract_activations(Shared(), stimuli, batch_size=3, quiet=True)
    values = whole["add/activation"].values
    np.testing.assert_array_equal(parts["add/activation"], values)
    assert len(np.unique(values, axis=0)) == 1


def test_the_axis_of_the_stimuli_need_not_be_the_first():
    class TokensFirst(nn.Module):
        def forward(self, x):
            return x.transpose(0, 1) + torch.randn(x.shape[1], len(x), x.shape[2])

    stimuli = nl.load_stimuli(np.zeros((7, 6, 5), np.float32))
    whole = nl.extract_activations(TokensFirst(), stimuli, batch_size=7, quiet=True)
    parts = nl.extract_activations(TokensFirst(), stimuli, batch_size=3, quiet=True)
    assert whole.attrs["skipped_ops"] == []
    values = whole["add/activation"].values
    np.testing.assert_array_equal(parts["add/activation"], values)
    assert len(np.unique(values.reshape(7, -1), axis=0)) == 7


def test_a_second_call_of_one_function_draws_other_numbers():
    values = extract_noise(lambda m, x: torch.stack([torch.randn_like(x) for _ in range(2)]).sum(0))
    one = extract_noise(lambda m, x: 2 * torch.randn_like(x))
    assert np.abs(np.corrcoef(values[0], one[0])[0, 1]) < 0.95


def test_numbers_follow_ids_into_another_set():
    draw = DRAWS["randn_like"][0]
    stimuli = nl.load_stimuli(np.zeros((6, 9), np.float32), ids=list("abcdef"))
    all_of_them = nl.extract_activations(Draws(draw), stimuli, quiet=True)
    some = nl.extract_activations(Draws(draw), stimuli.select(["e", "b"]), quiet=True)
    np.testing.assert_array_equal(
        some["add/activation"], all_of_them["add/activation"].sel(stimulus=["e", "b"])
    )


def test_grams_and_stores_get_the_same_numbers(tmp_path):
    stimuli = nl.load_stimuli(np.zeros((9, 30), np.float32))
    net = Draws(DRAWS["randn_like"][0])
    acts = nl.extract_activations(net, stimuli, batch_size=4, quiet=True)
    values = acts["add/activation"].values.astype(float)
    grams = nl.extract_grams(net, stimuli, batch_size=2, memory="100KB", quiet=True)
    np.testing.assert_allclose(grams.gram.sel(op="/add"), values @ values.T, rtol=1e-6, atol=1e-5)
    path = tmp_path / "a.zarr"
    nl.extract_activations(net, stimuli, batch_size=3, store=path, quiet=True)
    np.testing.assert_array_equal(nl.open_activations(path)["add/activation"], values)


def test_nothing_is_drawn_from_generators_of_the_process_or_the_model():
    torch.manual_seed(0)
    net = Draws(DRAWS["randn, generator"][0])
    before = torch.get_rng_state()
    held = net.held.get_state()
    nl.extract_activations(net, nl.load_stimuli(np.zeros((5, 9), np.float32)), quiet=True)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(net.held.get_state(), held)


@pytest.mark.parametrize("rng", [-1, 1.5, "0", True, None])
def test_a_seed_is_a_whole_number(rng):
    stimuli = nl.load_stimuli(np.zeros((3, 4), np.float32))
    with pytest.raises(InputError, match="rng must be a whole number of 0 or more"):
        nl.extract_activations(nn.ReLU(), stimuli, rng=rng, quiet=True)
    with pytest.raises(InputError, match="rng must be a whole number of 0 or more"):
        nl.extract_grams(nn.ReLU(), stimuli, rng=rng, quiet=True)
