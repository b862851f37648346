"""Models of which parts cannot be seen, and models that differentiate in their forward."""

import threading
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import RecordingError


class Energy(nn.Module):
    """Goes down the gradient of an energy, as energy models and predictive coding do."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))

    def forward(self, x):
        x = x.detach().requires_grad_(True)
        for _ in range(2):
            (slope,) = torch.autograd.grad(self.net(x).sum(), x)
            x = (x - 0.1 * slope).detach().requires_grad_(True)
        return x * 2


class Adapts(nn.Module):
    """Takes a step of training for each row, and uses the adapted weights, as MAML does."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 3))

    def forward(self, x):
        loss = (x @ self.weight).pow(2).mean(1)
        steps = [torch.autograd.grad(one, self.weight, create_graph=True)[0] for one in loss]
        adapted = self.weight - 0.1 * torch.stack(steps)
        return torch.einsum("ni,nij->nj", x, adapted)


class RunsBackward(nn.Module):
    """Makes its input a leaf in place, and runs backward."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x):
        x.requires_grad_()
        self.layer(x).pow(2).sum().backward()
        return x.grad * 2


@pytest.fixture
def values(rng):
    return rng.standard_normal((7, 6)).astype(np.float32)


@pytest.mark.filterwarnings("ignore:.*computed from values of the whole batch")
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("kind", [Energy, Adapts, RunsBackward])
def test_models_that_differentiate_run_with_gradients(kind, mode, values):
    model = kind()
    before = [torch.ones_like(one) for one in model.parameters()]
    for one, gradient in zip(model.parameters(), before, strict=True):
        one.grad = gradient.clone()
    stimuli = nl.load_stimuli(values)
    with mode():
        tree = nl.extract_activations(model, stimuli, batch_size=3, quiet=True)
        grams = nl.extract_grams(model, stimuli, batch_size=3, quiet=True)
        costs = nl.forecast(model, stimuli, batch_size=3)
    for one, gradient in zip(model.parameters(), before, strict=True):
        assert torch.equal(one.grad, gradient)
        assert one.requires_grad
    assert tree.attrs["ran_with_gradients"] == grams.attrs["ran_with_gradients"] == 1
    assert "unseen_sources" not in tree.attrs
    last = tree.attrs["ops"][-1]
    result = tree[last.removeprefix("/")]["activation"].values
    expected = model(torch.from_numpy(values)).detach().numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grams.gram.sel(op=last), expected @ expected.T, rtol=1e-4, atol=1e-5)
    assert last in costs.index


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("kind", [Energy, Adapts, RunsBackward])
def test_they_are_traced_and_validated_with_gradients(kind, mode, values):
    model = kind()
    x = torch.from_numpy(values)
    expected = model(x.clone()).detach()
    gradients = [one.grad for one in model.parameters()]
    with mode():
        traces = [
            nl.trace(model, x),
            nl.trace(model, x, ops=["/mul", "/einsum"] if kind is Adapts else "/mul*"),
            nl.trace(model, x, level="aten"),
        ]
        assert nl.validate(model, x).status == "unverified"
    for trace in traces:
        assert not trace.output.requires_grad
        torch.testing.assert_close(trace.output, expected)
    last = traces[0].graph.ops[-1]
    assert torch.equal(traces[1][last.name].value, expected)
    assert not traces[0][last.name].value.requires_grad
    assert not x.requires_grad
    for one, before in zip(model.parameters(), gradients, strict=True):
        assert one.grad is before


def test_other_models_run_without_gradients(values):
    seen = []

    class Asks(nn.Linear):
        def forward(self, x):
            seen.append(torch.is_grad_enabled())
            return super().forward(x)

    tree = nl.extract_activations(Asks(6, 3), nl.load_stimuli(values), quiet=True)
    assert "ran_with_gradients" not in tree.attrs
    assert not any(seen)


def test_a_model_that_cannot_differentiate_at_all_says_so(values):
    class Fails(nn.Module):
        def forward(self, x):
            return torch.autograd.grad(x.detach().sum(), x)[0]

    with pytest.raises(RecordingError, match=r"the model raised RuntimeError.*require grad"):
        nl.extract_activations(Fails(), nl.load_stimuli(values), quiet=True)
    with pytest.raises(RecordingError, match=r"the model raised RuntimeError.*require grad"):
        nl.trace(Fails(), torch.from_numpy(values))


class Threaded(nn.Module):
    def forward(self, x):
        made = []
        thread = threading.Thread(target=lambda: made.append(torch.sin(x)))
        thread.start()
        thread.join()
        return made[0] * 2


class Mapped(nn.Module):
    def forward(self, x):
        return torch.vmap(lambda row: row.sin() * row.sum())(x) + 1


class MappedLast(nn.Module):
    def forward(self, x):
        return torch.vmap(lambda row: row.sin() * row.sum())(x * 2)


class InNumpy(nn.Module):
    def forward(self, x):
        return torch.from_numpy(np.sin(x.detach().numpy())) * 2


def make_scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(lambda_free_relu)

    class Scripted(nn.Module):
        def forward(self, x):
            return scripted(x + 1) - 1

    return Scripted()


def lambda_free_relu(x):
    return torch.relu(x) * 2


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (Threaded, "argument 0 of /mul"),
        (Mapped, "argument 0 of /add"),
        (MappedLast, "the model's output"),
        (InNumpy, "argument 0 of /mul"),
        (make_scripted, "argument 0 of /sub"),
    ],
)
def test_what_something_unseen_made_is_told_as_by_validate(make, where, values):
    model = make()
    stimuli = nl.load_stimuli(values)
    assert nl.validate(model, torch.from_numpy(values)).status == "unverified"
    for run in (nl.extract_activations, nl.extract_grams):
        with pytest.warns(RuntimeWarning, match=f"something unseen.*{where}"):
            result = run(model, stimuli, quiet=True)
        assert result.attrs["unseen_sources"] == [where]


class Holds(nn.Module):
    """Uses tensors of its own, of a closure, made in the pass from no input, and of numpy."""

    def __init__(self):
        super().__init__()
        self.scale = torch.ones(6)
        self.cache = None
        self.others = [torch.ones(6)]

    def forward(self, x):
        if self.cache is None:
            self.cache = torch.arange(6.0)
        x = x * self.scale + self.cache + self.others[0]
        return x + torch.tensor(3.0) + torch.from_numpy(np.ones(6, np.float32))


def test_tensors_that_a_model_holds_are_not_taken_for_unseen_ones(values):
    tree = nl.extract_activations(Holds(), nl.load_stimuli(values), quiet=True)
    assert "unseen_sources" not in tree.attrs


def test_random_numbers_that_go_through_unseen_code_reach_all_samples(values):
    class Hidden(nn.Module):
        def forward(self, x):
            noisy = x + torch.randn_like(x)
            return torch.vmap(lambda row: row * 2)(noisy) + 1

    with pytest.warns(RuntimeWarning, match="something unseen"):
        tree = nl.extract_activations(Hidden(), nl.load_stimuli(values), n_samples=3, quiet=True)
    result = tree["add_2"]["activation"]
    assert result.sizes["sample"] == 3
    assert (result.std("sample") > 0).all()
