"""Verdicts: correct recordings pass, incorrect ones do not."""

import numpy as np
import pytest
import torch
import torchvision
from nets import NETS, Branching, make_net
from torch import nn

import neurolens as nl
from neurolens.extract.capture.forward import prepare_call, record_forward, run_plain
from neurolens.extract.validation.verdict import judge_recording


@pytest.mark.parametrize("name", NETS)
def test_small_nets_are_verified(name):
    net, x = make_net(name)
    verdict = nl.validate(net, x)
    # One of them writes into the first row of the batch, whichever that is.
    expected = "unverified" if name == "in-place" else "verified"
    assert verdict.status == expected, verdict
    assert verdict.n_replayed == verdict.n_ops > 0


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "vit_b_16", "googlenet"])
def test_torchvision_models_are_verified(name):
    options = {"googlenet": {"init_weights": False}, "vit_b_16": {"image_size": 96}}
    torch.manual_seed(0)
    net = torchvision.models.get_model(name, weights=None, **options.get(name, {})).eval()
    verdict = nl.validate(net, torch.randn(1, 3, 96, 96))
    assert verdict.status == "verified", verdict
    assert verdict.n_replayed == verdict.n_ops


def test_training_mode_mixes_the_batch_and_buffers_are_put_back():
    net, x = make_net("batch-norm")
    net.train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    verdict = nl.validate(net, x)
    assert verdict.status == "unverified"
    assert verdict.reasons[verdict.reasons.status != "exempt"].check.tolist() == ["batch"]
    assert verdict.n_replayed == verdict.n_ops
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


CALLS: list[int] = []  # not held by the model, whose state every pass puts back


class Counts(torch.nn.Module):
    """Counts how often it is run."""

    def __init__(self, net):
        super().__init__()
        CALLS.clear()
        self.net = net

    def forward(self, *args):
        CALLS.append(1)
        return self.net(*args)


class Steered(torch.nn.Module):
    def forward(self, x):
        return x + 1 if x.sum() > 0 else x - 1


@pytest.mark.parametrize(
    ("name", "passes"), [("chain", 8), ("attention", 8), ("noisy", 8), ("reused", 8)]
)
def test_the_passes_it_costs(name, passes):
    net, x = make_net(name)
    counted = Counts(net).eval()
    assert nl.validate(counted, x).status == "verified"
    assert len(CALLS) == passes


def test_the_passes_it_costs_where_python_steers():
    counted = Counts(Steered())
    assert nl.validate(counted, torch.ones(2, 3)).status == "unverified"
    assert len(CALLS) == 4


def test_a_value_read_by_python_leaves_the_verdict_open():
    verdict = nl.validate(Branching(), torch.ones(2))
    assert verdict.status == "unverified"
    assert verdict.reasons.reason.str.contains("__bool__ took a value out of torch").any()


def test_a_tensor_made_by_something_unseen_leaves_the_verdict_open():
    class Hidden(nn.Module):
        def forward(self, x):
            with torch._C.DisableTorchFunction():
                hidden = torch.ones(2) + 1
            return x * hidden

    verdict = nl.validate(Hidden(), torch.ones(2))
    assert verdict.status == "unverified"
    assert verdict.reasons.reason.str.contains("made during the pass by something unseen").any()


def record_chain():
    net, x = make_net("chain")
    return record_forward(prepare_call(net, x), random_states=True), run_plain(prepare_call(net, x))


def test_judge_accepts_an_untouched_recording():
    recording, plain = record_chain()
    assert judge_recording(recording, plain, []).status == "verified"


@pytest.mark.parametrize("damage", ["value", "parent", "position", "output"])
def test_judge_catches_a_damaged_recording(damage):
    recording, plain = record_chain()
    event = next(e for e in recording.events if e.call.function == "linear")
    if damage == "value":
        event.outputs[0].tensor = event.outputs[0].tensor + 1e-6
    elif damage == "parent":
        event.args = (recording.events[-1].outputs[0], *event.args[1:])
        recording.events[-1].outputs[0].tensor = torch.zeros(2, 4)
    elif damage == "position":
        relu = next(e for e in recording.events if e.call.function == "mean")
        relu.args = (relu.args[0], (1, 2))
    else:
        plain = plain + 1e-6
    verdict = judge_recording(recording, plain, [])
    assert verdict.status == "failed"
    assert "failed" in repr(verdict)


def test_a_kept_value_overwritten_unseen_fails():
    class Sneaky(nn.Module):
        def forward(self, x):
            y = x + 1
            z = y * 2
            with torch._C.DisableTorchFunction():
                y.zero_()
            return z

    verdict = nl.validate(Sneaky(), torch.ones(2))
    assert verdict.status == "failed"
    assert verdict.reasons.reason.str.contains("changed in place by something unseen").any()


def test_autocast_inside_a_model_is_repeated():
    class Casts(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.b(self.a(x))

    verdict = nl.validate(Casts(), torch.randn(2, 4))
    assert verdict.status == "verified", verdict


def test_gradients_taken_inside_a_model_are_said_not_to_be_replayed():
    class Differentiates(nn.Module):
        def forward(self, x):
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                return torch.autograd.grad((x * x).sum(), x)[0]

    verdict = nl.validate(Differentiates(), torch.randn(4))
    assert verdict.status == "unverified"
    assert verdict.reasons.reason.str.contains("differentiates what was recorded").any()


def test_what_vmap_hides_is_said_to_be_unseen():
    class Maps(nn.Module):
        def forward(self, x):
            return torch.vmap(lambda row: row.sin() * 2)(x) + 1

    assert nl.validate(Maps(), torch.randn(3, 4)).status == "unverified"


def test_an_output_without_tensors_is_not_called_verified():
    class Hides(nn.Module):
        def forward(self, x):
            (x + 1).sum()
            return lambda: x

    verdict = nl.validate(Hides(), torch.randn(2))
    assert verdict.status == "unverified"
    assert verdict.reasons.reason.str.contains("no tensor was found").any()


def test_a_buffer_replaced_and_written_is_put_back_as_the_same_tensor():
    class Replaces(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("k", torch.ones(3))

        def forward(self, x):
            self.k = self.k + 1
            self.k[0].mul_(2)
            return x * self.k

    net = Replaces()
    before = net.k
    assert nl.validate(net, torch.randn(3)).status == "verified"
    assert net.k is before
    assert net.k.tolist() == [1, 1, 1]


def test_custom_ops_that_write_are_seen():
    if not hasattr(torch.ops, "neurolens_tests") or not hasattr(torch.ops.neurolens_tests, "bump"):

        @torch.library.custom_op("neurolens_tests::bump", mutates_args=("x",))
        def bump(x: torch.Tensor) -> None:
            x.add_(1)

    class Bumps(nn.Module):
        def forward(self, x):
            y = x * 2
            torch.ops.neurolens_tests.bump(y)
            return y + 0

    trace = nl.trace(Bumps(), torch.ones(2))
    assert trace["/mul"].value.tolist() == [2, 2]
    assert trace["/bump"].value.tolist() == [3, 3]
    assert trace["/add"].op.parent_ops == ("/bump",)
    assert nl.validate(Bumps(), torch.ones(2)).status == "verified"


class Parcel:
    """An input that holds its tensor where `trace` does not look."""

    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


class Unpacks(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, parcel, mask=None):
        y = self.layer(next(iter(parcel)).x if isinstance(parcel, set) else parcel.x)
        return y if mask is None else y * mask


@pytest.mark.parametrize("wrap", [lambda parcel: parcel, lambda parcel: {parcel}])
def test_without_an_input_tensor_nothing_is_verified(wrap):
    verdict = nl.validate(Unpacks(), wrap(Parcel(torch.ones(2, 3))))
    assert verdict.status == "unverified"
    assert verdict.reasons.reason.str.contains("no tensor was found in what the model was").any()


def test_inputs_of_which_some_tensors_are_not_followed_are_not_verified():
    kwargs = {"mask": torch.tensor([[1.0, 2.0]])}
    verdict = nl.validate(Unpacks(), (Parcel(torch.ones(2, 3)),), kwargs=kwargs)
    assert verdict.status == "unverified"
    assert verdict.reasons.reason.str.contains("1 tensors within the inputs").any()


class Narrow(torch.nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.a, self.b, self.dtype = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2), dtype

    def forward(self, x):
        return self.b(self.a(x.float()).to(self.dtype).float())


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("is_input", [False, True])
def test_numbers_of_eight_bits_are_checked(dtype, is_input, rng):
    x = torch.as_tensor(rng.standard_normal((4, 3), np.float32))
    verdict = nl.validate(Narrow(dtype), x.to(dtype) if is_input else x)
    assert verdict.status == "verified"
    assert verdict.n_replayed == verdict.n_ops


class Accumulates(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.total = torch.zeros(3)

    def forward(self, x):
        self.total.add_(x.mean(0))
        return x + self.total


def test_state_that_is_written_to_is_verified():
    assert nl.validate(Accumulates(), torch.ones(2, 3)).status == "verified"
