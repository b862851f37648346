"""Results without values, against models run with one and with another content of that memory."""

import numpy as np
import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.extract.capture.forward import prepare_call, record_forward
from neurolens.extract.validation.unwritten import find_unwritten


class Steps(nn.Module):
    """A layer, and steps with its output and a function that makes memory."""

    def __init__(self, steps, make=torch.empty_like):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(6, 4)
        self.steps = steps
        self.make = make

    def forward(self, x):
        return self.steps(self.linear(x), self.make)


def write_through_views(y, make):
    memory = make(y)
    left = memory[:, :2]
    right = memory[:, 2:]
    left.copy_(y[:, :2] * 2)
    right.copy_(y[:, 2:])
    return memory.relu() + torch.cat([left, right], 1)


def write_one_view(y, make):
    memory = make(y)
    left = memory[:, :2]
    right = memory[:, 2:]
    left.copy_(y[:, :2])
    return right + 1, left + 1


def write_parts(y, make):
    memory = make(y)
    left, right = memory.split(2, 1)
    left.copy_(y[:, :2])
    right.fill_(3)
    return torch.cat([left, right], 1)


def read_before(y, make):
    memory = make(y)
    total = memory.T.sum(0)
    return y + total[:, None], y * 2


def write_out(y, make):
    memory = make(y)
    torch.mul(y, 2, out=memory)
    return memory + 1


def take_form(y, make):
    memory = make(y)
    same = y.expand_as(memory).type_as(memory) + torch.zeros_like(memory)
    return same + memory.new_ones(4) + torch.ones_like(memory).to(memory)


def set_all(y, make):
    memory = make(y)
    memory[:, :2] = y[:, :2]
    memory[..., 2:] = 1
    return memory * 2


def set_by_tensor(y, make):
    memory = make(y)
    for columns in torch.arange(4).split(2):
        memory[:, columns] = y[:, columns]
    return memory * 2


def grow_cache(y, make):
    memory = make(y.repeat(1, 4))
    found = []
    for start in range(0, 12, 4):
        memory[:, start : start + 4] = y + start
        found.append(memory[:, : start + 4].mean(1))
    return torch.stack(found)


def read_beyond(y, make):
    memory = make(y)
    memory[:, 0] = y[:, 0]
    return memory[:, 1] + 1, memory[:, 0] + 1


def append_to_nothing(y, make):
    found = make(y[:, :0])
    for column in y.split(1, 1):
        found = torch.cat([found, column], 1)
    return found * 2


STEPS = [
    write_through_views,
    write_one_view,
    write_parts,
    read_before,
    write_out,
    take_form,
    set_all,
    set_by_tensor,
    grow_cache,
    read_beyond,
    append_to_nothing,
]


def record(steps, x, make=torch.empty_like):
    return record_forward(prepare_call(Steps(steps, make).eval(), x))


@pytest.mark.parametrize("steps", STEPS)
def test_they_follow_what_was_in_the_memory(steps, rng):
    """Whatever differs between two contents holds them, and nothing else does."""
    x = torch.from_numpy(rng.standard_normal((5, 6)).astype(np.float32))
    ones = record(steps, x, lambda y: torch.full_like(y, 1.5))
    twos = record(steps, x, lambda y: torch.full_like(y, 2.5))
    differing = []
    for i, (a, b) in enumerate(zip(ones.events, twos.events, strict=True)):
        pairs = zip(a.outputs, b.outputs, strict=True)
        if not all(torch.equal(one.tensor, two.tensor) for one, two in pairs):
            differing.append(i)
    recording = record(steps, x)
    names = recording.list_names()
    found = [names.index(name) for name in find_unwritten(recording)]
    if steps is append_to_nothing:  # no elements, which are told all the same
        differing = [names.index("/empty_like")]
    assert found == differing


@pytest.mark.parametrize("batch_size", [1, 4, None])
@pytest.mark.parametrize("steps", STEPS)
def test_they_are_left_out_and_mark_nothing(steps, batch_size, rng):
    x = rng.standard_normal((10, 6)).astype(np.float32)
    unwritten = find_unwritten(record(steps, torch.from_numpy(x[:3])))
    settings = {"batch_size": batch_size, "quiet": True}
    grams = nl.extract_grams(Steps(steps).eval(), nl.load_stimuli(x), **settings)
    assert unwritten.keys().isdisjoint(grams.op.values.tolist())
    skipped = grams.attrs["skipped_ops"]
    for name, reason in unwritten.items():
        assert f"{name}: {reason}" in skipped
    assert "ops_after_mixing" not in grams.attrs
    assert not len(grams.attrs.get("batch_dependent_ops", ()))


def test_what_numpy_may_have_written_is_kept(rng):
    def steps(y, make):
        memory = make(y)
        memory.numpy()[:] = y.detach().numpy() * 2
        return memory + 1

    x = rng.standard_normal((10, 6)).astype(np.float32)
    grams = nl.extract_grams(Steps(steps).eval(), nl.load_stimuli(x), quiet=True)
    assert "/add" in grams.op.values
    (skipped,) = grams.attrs["skipped_ops"]
    assert skipped.startswith("/empty_like: has no values of its own")
