"""State in buffers and plain attributes is as before after every pass, however the pass ends."""

import dataclasses
from collections import OrderedDict, deque

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import neurolens as nl
from neurolens.errors import RecordingError
from neurolens.extract.capture.forward import prepare_call, record_forward
from neurolens.extract.capture.restore import ModelState, preserve_state


@dataclasses.dataclass
class Membrane:
    v: torch.Tensor
    n_spikes: int = 0


class Slotted:
    __slots__ = ("v",)

    def __init__(self, v):
        self.v = v


# kind -> (what is held at first, what a pass does to it, its content as plain values)
def _replace(net):
    net.held = net.held * 0.5 + 1


def _fill(net):
    net.held[:] = 7


def _grow(net):
    net.held.append(torch.ones(2))
    net.held[0].add_(1)


def _swap_memory(net):
    net.held.data = torch.ones(5)


def _integrate(net):
    net.held.v = net.held.v + 1
    net.held.n_spikes += 3


def _integrate_slot(net):
    net.held.v.add_(1)
    net.held.v = net.held.v * 2


def _rename(net):
    net.held["new"] = net.held.pop("a")
    net.held["n"] += 1


STATES = {
    "tensor replaced": (lambda: torch.zeros(3), _replace, lambda h: h.tolist()),
    "tensor written to": (lambda: torch.zeros(3), _fill, lambda h: h.tolist()),
    "not a number": (lambda: torch.full((3,), torch.nan), _fill, lambda h: str(h.tolist())),
    "integers": (lambda: torch.arange(3), _fill, lambda h: h.tolist()),
    "eight bits": (
        lambda: torch.zeros(3).to(torch.float8_e4m3fn),
        _fill,
        lambda h: h.float().tolist(),
    ),
    "other memory": (lambda: torch.zeros(3), _swap_memory, lambda h: h.tolist()),
    "number": (lambda: 1.5, _replace, float),
    "numpy": (lambda: np.zeros(3), _fill, lambda h: h.tolist()),
    "list": (lambda: [torch.zeros(2)], _grow, lambda h: [t.tolist() for t in h]),
    "deque": (lambda: deque([torch.zeros(2)], 3), _grow, lambda h: [t.tolist() for t in h]),
    "dict": (
        lambda: OrderedDict(a=torch.zeros(2), n=0),
        _rename,
        lambda h: (list(h), h["a"].tolist(), h["n"]),
    ),
    "dataclass": (
        lambda: Membrane(torch.zeros(2)),
        _integrate,
        lambda h: (h.v.tolist(), h.n_spikes),
    ),
    "slots": (lambda: Slotted(torch.zeros(2)), _integrate_slot, lambda h: h.v.tolist()),
    "tuple": (
        lambda: (torch.zeros(2), [1]),
        lambda net: (net.held[0].add_(1), net.held[1].append(2)),
        lambda h: (h[0].tolist(), h[1]),
    ),
    "module in a list": (
        lambda: [nn.BatchNorm1d(2)],
        lambda net: net.held[0](torch.ones(4, 2)),
        lambda h: h[0].running_mean.tolist(),
    ),
    "deleted": (lambda: 3, lambda net: delattr(net, "held"), int),
    "none": (lambda: None, lambda net: setattr(net, "held", torch.ones(2)), lambda h: h),
}


class Remembers(nn.Module):
    def __init__(self, kind, fails=False):
        super().__init__()
        self.fc = nn.Linear(4, 3)
        make, self.change, _ = STATES[kind]
        self.held = make()
        self.fails = fails

    def forward(self, x):
        y = self.fc(x)
        self.change(self)
        self.appeared = y
        if self.fails:
            raise RuntimeError("after the change")
        return y


RUNS = {
    "trace": lambda net, x: nl.trace(net, x),
    "trace an op": lambda net, x: nl.trace(net, x, ops="fc"),
    "trace kernels": lambda net, x: nl.trace(net, x, level="aten"),
    "trace gradients": lambda net, x: nl.trace(net, x, grad=True),
    "validate": lambda net, x: nl.validate(net, x),
    "extract": lambda net, x: nl.extract_activations(
        net, nl.load_stimuli(x.numpy()), batch_size=2, quiet=True
    ),
}


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("kind", STATES)
def test_a_pass_leaves_attributes_as_they_were(kind, fails):
    net, x, read = Remembers(kind, fails).eval(), torch.ones(2, 4), STATES[kind][2]
    held, before = net.held, read(net.held)
    call = prepare_call(net, x)
    if fails:
        with pytest.raises(RecordingError, match="after the change"):
            record_forward(call)
    else:
        recording = record_forward(call)
        assert {"held", "appeared"} <= set(recording.changed)
        assert recording.depends_on_history == []
    assert net.held is held
    assert read(net.held) == before
    assert not hasattr(net, "appeared")


@pytest.mark.parametrize("what", RUNS)
@pytest.mark.parametrize("kind", ["tensor replaced", "tensor written to", "list", "dataclass"])
def test_every_kind_of_run_leaves_attributes_as_they_were(kind, what, rng):
    net, read = Remembers(kind).eval(), STATES[kind][2]
    held, before = net.held, read(net.held)
    RUNS[what](net, torch.as_tensor(rng.standard_normal((6, 4), np.float32)))
    assert net.held is held
    assert read(net.held) == before


class Cache(nn.Module):
    """Writes into a buffer and an attribute, and returns views of them."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.register_buffer("rows", torch.zeros(8, 3))
        self.total = torch.zeros(3)

    def forward(self, x):
        y = self.fc(x)
        self.rows[: len(x)] = y
        self.total += y.sum(0)
        return self.rows[: len(x)], self.total.view(3)


@pytest.mark.parametrize("grad", [False, True])
def test_recorded_values_outlive_the_state_they_view(grad):
    net, x = Cache(), torch.ones(2, 4)
    if not grad:
        net.requires_grad_(False)
    y = net.fc(x)
    trace = nl.trace(net, x, grad=False)
    assert torch.equal(trace.output[0], y)
    assert torch.equal(trace["/getitem"].value, y)
    assert torch.equal(trace["/view"].value, y.sum(0))
    assert not net.rows.any()
    assert not net.total.any()
    assert nl.validate(net, x).status == "verified"


def test_gradients_of_batch_statistics_after_they_were_put_back():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).train()
    x = torch.randn(5, 4)
    trace = nl.trace(net, x, grad=True)
    assert net[1].num_batches_tracked == 0
    trace.output.square().sum().backward()
    got = net[0].weight.grad.clone()
    net.zero_grad()
    net(x).square().sum().backward()
    torch.testing.assert_close(got, net[0].weight.grad)


class Learns(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        with torch.no_grad():
            self.fc.weight.add_(0.1)
        return self.fc(x)


def test_parameters_that_a_pass_writes_into_are_put_back():
    net, x = Learns(), torch.randn(2, 4)
    before = net.fc.weight.detach().clone()
    expected = F.linear(x, before + 0.1, net.fc.bias)
    recording = record_forward(prepare_call(net, x))
    assert recording.changed == ["fc.weight"]
    assert recording.depends_on_history == []
    assert torch.equal(net.fc.weight, before)
    # What was recorded is what the pass computed from, not what was put back.
    (linear,) = [event for event in recording.events if event.call.function == "linear"]
    weight = next(v for v, _ in linear.parents if v.source == "fc.weight" or v.kind == "op")
    assert torch.equal(weight.tensor, before + 0.1)
    torch.testing.assert_close(recording.result, expected)
    verdict = nl.validate(net, x)
    assert torch.equal(net.fc.weight, before)
    assert verdict.reasons.reason.str.contains("'fc.weight', which was put back").any()


class Rescales(nn.Module):
    """Divides its weights once, as RWKV of transformers does in evaluation mode."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(4, 3)
        self.is_rescaled = False

    def forward(self, x):
        if not self.is_rescaled:
            with torch.no_grad():
                self.fc.weight.div_(4)
            self.is_rescaled = True
        return self.fc(x)


def test_weights_that_are_rescaled_once_are_rescaled_once(rng):
    net, plain = Rescales(), Rescales()
    x = rng.standard_normal((7, 4)).astype(np.float32)
    expected = plain(torch.from_numpy(x)).detach().numpy()
    acts = nl.extract_activations(net, nl.load_stimuli(x), batch_size=2, quiet=True)
    np.testing.assert_allclose(acts["fc/linear"].activation.values, expected, rtol=1e-6)
    assert "depends_on_history" not in acts.attrs
    assert not net.is_rescaled
    assert torch.equal(net.fc.weight, Rescales().fc.weight)
    assert nl.validate(net, torch.from_numpy(x)).status == "verified"


class Constrains(nn.Module):
    """Bounds the norm of its weights by ``.data``, as networks for EEG do."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        self.fc.weight.data = torch.renorm(self.fc.weight.data, 2, 0, 0.1)
        return self.fc(x)


def test_parameters_that_are_given_other_data_are_put_back(rng):
    net, plain = Constrains(), Constrains()
    x = torch.from_numpy(rng.standard_normal((5, 4)).astype(np.float32))
    trace = nl.trace(net, x)
    assert torch.equal(net.fc.weight, plain.fc.weight)
    assert torch.equal(trace["fc"].value, plain(x))
    assert nl.validate(net, x).status == "verified"
    assert torch.equal(net.fc.weight, Constrains().fc.weight)


class Decays(nn.Module):
    """Writes into its weights by ``.data``, which torch's counters of changes do not see."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        self.fc.weight.data.mul_(0.9)
        return self.fc(x)


def test_parameters_that_are_written_by_their_data_are_put_back(rng):
    net = Decays()
    x = torch.from_numpy(rng.standard_normal((5, 4)).astype(np.float32))
    recording = record_forward(prepare_call(net, x))
    assert recording.changed == ["fc.weight"]
    assert torch.equal(net.fc.weight, Decays().fc.weight)
    assert torch.equal(recording.result, Decays()(x))


class LearnsUnseen(Learns):
    """Writes where torch's functions are not seen, as code in C does."""

    def forward(self, x):
        with torch.no_grad(), torch._C.DisableTorchFunction():
            self.fc.weight.add_(0.1)
        return self.fc(x)


def test_what_cannot_be_put_back_is_said():
    recording = record_forward(prepare_call(LearnsUnseen(), torch.ones(2, 4)))
    assert recording.depends_on_history == ["fc.weight"]
    verdict = nl.validate(LearnsUnseen(), torch.ones(2, 4))
    assert verdict.status != "verified"
    assert verdict.reasons.reason.str.contains("'fc.weight' and it could not be put back").any()


class Builds(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = None
        self.is_built = False

    def forward(self, x):
        if not self.is_built:
            self.fc = nn.Linear(x.shape[1], 3)
            self.is_built = True
        return self.fc(x)


def test_a_model_keeps_the_layers_that_it_made():
    net, x = Builds(), torch.ones(2, 4)
    trace = nl.trace(net, x)
    assert net.is_built
    assert torch.equal(trace.output, net(x))


def test_parameters_and_registered_modules_are_not_copied():
    net = nn.Sequential(nn.Linear(4, 3))
    net.parent, net.tied, net.view = [net], net[0].weight, net[0].weight.T.detach()
    assert ModelState(net).list_storages() == set()


def test_threads_and_files_are_left_alone(tmp_path):
    import threading

    net = nn.Sequential(nn.Linear(4, 3))
    with (tmp_path / "log.txt").open("w") as file:
        net.lock, net.file, net.thread = threading.Lock(), file, threading.Thread()
        with net.lock, preserve_state(net) as state:
            net.file.write("a line")
        assert state.changed == []
        assert state.lost == []


class Scripted(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("n", torch.zeros(2))
        self.register_buffer("m", torch.zeros(2))

    def forward(self, x):
        self.n.add_(1)
        self.m = self.m + 1
        return x * self.n


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*is deprecated")
def test_buffers_of_scripted_children_are_put_back():
    net = nn.Sequential(nn.BatchNorm1d(2), torch.jit.script(Scripted()))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    recording = record_forward(prepare_call(net, torch.randn(3, 2)))
    assert {"1.n", "1.m"} <= set(recording.changed)
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert torch.equal(net.eval()(torch.ones(3, 2)), net.eval()(torch.ones(3, 2)) / 2)
