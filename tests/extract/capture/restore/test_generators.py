"""Random generators that a model holds are restored after every pass and named where used."""

import random
import threading

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import RecordingError
from neurolens.extract.capture.restore import RandomStates, preserve_random_states

# kind -> (what makes a generator, what draws from it, its state as plain values)
KINDS = {
    "torch": (
        lambda: torch.Generator().manual_seed(1),
        lambda g: torch.rand(3, generator=g),
        lambda g: g.get_state().tolist(),
    ),
    "numpy": (
        lambda: np.random.default_rng(1),
        lambda g: torch.as_tensor(g.random(3, np.float32)),
        lambda g: repr(g.bit_generator.state),
    ),
    "numpy's Mersenne twister": (
        lambda: np.random.Generator(np.random.MT19937(1)),
        lambda g: torch.as_tensor(g.random(3, np.float32)),
        lambda g: repr(g.bit_generator.state["state"]["key"].tolist()),
    ),
    "numpy's bits": (
        lambda: np.random.PCG64(1),
        lambda g: torch.tensor(float(g.random_raw() % 1000)),
        lambda g: repr(g.state),
    ),
    "numpy's old": (
        lambda: np.random.RandomState(1),
        lambda g: torch.as_tensor(g.rand(3).astype(np.float32)),
        lambda g: (g.get_state()[1].tolist(), g.get_state()[2]),
    ),
    "python": (
        lambda: random.Random(1),
        lambda g: g.random(),
        lambda g: g.getstate(),
    ),
}
PLACES = {
    "attribute": ("noise.held", lambda g: g, lambda held: held),
    "list": ("noise.held[1]", lambda g: [None, g], lambda held: held[1]),
    "dict in a tuple": ("noise.held[0]['a']", lambda g: ({"a": g},), lambda held: held[0]["a"]),
}


class Noise(nn.Module):
    def __init__(self, kind, place, fails):
        super().__init__()
        make, self.draw, self.read = KINDS[kind]
        _, put, self.take = PLACES[place]
        self.held = put(make())
        self.fails = fails

    def forward(self, x):
        y = x + self.draw(self.take(self.held))
        if self.fails:
            raise RuntimeError("after drawing")
        return y

    def tell(self):
        return self.read(self.take(self.held))


class Noisy(nn.Module):
    def __init__(self, kind="torch", place="attribute", fails=False):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.noise = Noise(kind, place, fails)

    def forward(self, x):
        return self.noise(self.fc(x)) * 2


X = torch.ones(4, 3)
RUNS = {
    "trace": lambda net, x: nl.trace(net, X),
    "trace of some ops": lambda net, x: nl.trace(net, X, ops="/mul"),
    "trace of kernels": lambda net, x: nl.trace(net, X, level="aten"),
    "trace that ends early": lambda net, x: nl.trace(net, X, stop_after="noise/add"),
    "trace with gradients": lambda net, x: nl.trace(net, X, grad=True),
    "validate": lambda net, x: nl.validate(net, X),
    "extract_activations": lambda net, x: nl.extract_activations(net, x, batch_size=2, quiet=True),
    "extract_activations, ended early": lambda net, x: nl.extract_activations(
        net, x, ops="noise", batch_size=2, quiet=True
    ),
    "extract_grams": lambda net, x: nl.extract_grams(net, x, batch_size=2, quiet=True),
    "forecast": lambda net, x: nl.forecast(net, x, batch_size=2),
}


@pytest.fixture
def stimuli(rng):
    return nl.load_stimuli(rng.standard_normal((5, 3)).astype(np.float32))


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_is_where_it_was_afterwards(run, kind, stimuli):
    net = Noisy(kind)
    before = net.noise.tell()
    RUNS[run](net, stimuli)
    assert net.noise.tell() == before
    net(X)
    assert net.noise.tell() != before


@pytest.mark.parametrize("run", ["trace", "validate", "extract_activations"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_put_back_after_an_error_too(run, kind, stimuli):
    net = Noisy(kind, fails=True)
    before = net.noise.tell()
    with pytest.raises((RecordingError, RuntimeError), match="after drawing"):
        RUNS[run](net, stimuli)
    assert net.noise.tell() == before


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_equal_calls_give_equal_results_and_say_where_numbers_come_from(kind, place, stimuli):
    net = Noisy(kind, place)
    one, two = (nl.extract_activations(net, stimuli, batch_size=2, quiet=True) for _ in range(2))
    np.testing.assert_array_equal(one["noise/add/activation"], two["noise/add/activation"])
    grams = nl.extract_grams(net, stimuli, batch_size=2, quiet=True)
    for result in (one, grams):
        assert "noise/add" in result.attrs["random_ops"]
        # The numbers of torch's generators are drawn for each stimulus instead.
        drawn = [] if kind == "torch" else [PLACES[place][0]]
        assert result.attrs.get("random_numbers_from", []) == drawn
    assert nl.trace(net, X).output.tolist() == nl.trace(net, X).output.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_draws_from_its_own_is_not_verified(kind):
    verdict = nl.validate(Noisy(kind), X)
    assert verdict.status == "unverified"
    told = verdict.reasons[verdict.reasons.check == "random"]
    assert told.reason.tolist() == [
        "random numbers come from 'noise.held', which the model holds: not recorded"
    ]


def test_the_processes_own_generators_are_named_too(stimuli):
    class Draws(nn.Module):
        def forward(self, x):
            return x * random.random() + torch.rand(3) + float(np.random.rand())  # noqa: NPY002

    tree = nl.extract_activations(Draws(), stimuli, quiet=True)
    assert tree.attrs["random_numbers_from"] == ["numpy", "python"]
    assert tree.attrs["random_ops"] == ["/mul", "/rand", "/add", "/add_2"]


def test_a_model_that_draws_nothing_says_nothing(stimuli):
    net = nn.Sequential(nn.Linear(3, 3))
    net.unused = torch.Generator()
    net.system = random.SystemRandom()
    tree = nl.extract_activations(net, stimuli, quiet=True)
    assert "random_numbers_from" not in tree.attrs
    assert "random_numbers_from" not in nl.extract_grams(net, stimuli, quiet=True).attrs
    assert nl.validate(net, X).status == "verified"
    assert list(RandomStates(net).held) == ["unused"]


def test_a_batch_that_is_recorded_again_begins_where_it_began(stimuli):
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.generator = np.random.default_rng(1)

        def forward(self, x):
            noise = torch.as_tensor(self.generator.random(3, np.float32))
            y = x * 0 + noise
            return y.cos() if (x < 5).all() else y.sin()

    x = np.ones((6, 3), np.float32)
    x[4] = 9
    tree = nl.extract_activations(
        Branches(), nl.load_stimuli(x), ops="/add", batch_size=2, quiet=True
    )
    values = tree["add/activation"].values
    assert "changed_batches" not in tree.attrs
    tree = nl.extract_activations(Branches(), nl.load_stimuli(x), batch_size=2, quiet=True)
    assert len(tree.attrs["changed_batches"]) == 1
    np.testing.assert_array_equal(tree["add/activation"], values)
    # Numbers that cannot be drawn for each stimulus are those of the batch.
    np.testing.assert_array_equal(values[::2], values[1::2])
    assert len(np.unique(values, axis=0)) == 3


def test_states_are_put_back_as_they_were():
    with preserve_random_states() as states:
        assert states.list_drawn() == []
        torch.rand(1)
        assert states.list_drawn() == ["torch"]
        random.random()
        assert states.list_drawn() == ["torch", "python"]
    assert RandomStates().list_drawn() == []
    assert states.list_drawn() == []


class Draws(nn.Module):
    """Another thread draws from torch's generator while this runs."""

    def __init__(self, draws_itself):
        super().__init__()
        self.drop = nn.Dropout(0.5).train(draws_itself)

    def forward(self, x):
        thread = threading.Thread(target=torch.rand, args=(4,))
        thread.start()
        thread.join()
        return self.drop(x)


def test_numbers_that_another_thread_drew_do_not_come_again():
    net, x = Draws(False), torch.ones(3)
    before = torch.get_rng_state()
    trace = nl.trace(net, x)
    assert not torch.equal(torch.get_rng_state(), before)
    assert torch.equal(trace.output, x)


def test_numbers_that_the_pass_drew_come_again():
    before = torch.get_rng_state()
    nl.trace(Draws(True), torch.ones(3))
    assert torch.equal(torch.get_rng_state(), before)
