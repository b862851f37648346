"""Validation must report each single error that is put into a correct recording."""

import pytest
import torch
from torch import nn

from neurolens.extract.capture.forward import prepare_call, record_forward, run_plain
from neurolens.extract.capture.modules.module_calls import Scope
from neurolens.extract.validation.program import compare_program
from neurolens.extract.validation.verdict import judge_recording


class Positive(nn.Module):
    """A model that has equal values in different ops on positive inputs.

    Equal are /mul and /mul_2, and the input and fc/linear. The ops /add and /exp lead to no output.
    """

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4, bias=False)
        nn.init.eye_(self.fc.weight)

    def forward(self, x):
        a, b = x * 2, x.abs() * 2
        c = self.fc(x)
        d = a - b * 3
        (a + 1).exp()
        e = d.clone()
        e.mul_(2)
        return e + c, a


def find_event(recording, name):
    return next(event for event in recording.events if event.name == name)


def feed(recording, name, position, source):
    event, value = find_event(recording, name), find_event(recording, source).outputs[0]
    event.args = tuple(value if i == position else arg for i, arg in enumerate(event.args))
    event.parents = [(value if p == str(position) else v, p) for v, p in event.parents]


def drop(recording, name):
    index = next(i for i, event in enumerate(recording.events) if event.name == name)
    del recording.events[index]
    for value in (v for event in recording.events for v in event.outputs):
        value.source -= value.source > index


def swap_arguments(recording):
    event = find_event(recording, "/sub")
    event.args = event.args[::-1]
    event.parents = [(value, str(i)) for i, value in enumerate(event.args)]


def swap_positions(recording):
    event = find_event(recording, "/sub")
    event.parents = [(v, {"0": "1", "1": "0"}[p]) for v, p in event.parents]


def forget_a_parent(recording):
    event = find_event(recording, "/sub")
    event.parents = event.parents[:1]


def freeze_a_parent(recording):
    event = find_event(recording, "/sub")
    event.args, event.parents = (event.args[0], event.args[1].tensor), event.parents[:1]


def change_a_number(recording):
    event = find_event(recording, "/mul")
    event.args = (event.args[0], 3)


def change_the_function(recording):
    find_event(recording, "/abs").func = torch.Tensor.clone


def change_the_shape(recording):
    event = find_event(recording, "/sub")
    event.specs = (event.specs[0]._replace(shape=torch.Size([9])),)


def drop_an_in_place_op(recording):
    feed(recording, "/add_2", 0, "/clone")
    drop(recording, "/mul_4")


DAMAGE = {
    "arguments swapped": swap_arguments,
    "positions swapped": swap_positions,
    "a parent forgotten": forget_a_parent,
    "a parent frozen": freeze_a_parent,
    "an equal parent": lambda r: feed(r, "/sub", 0, "/mul_2"),
    "an equal parent of an op without output": lambda r: feed(r, "/add", 0, "/mul_2"),
    "an equal value for the input": lambda r: feed(r, "fc/linear", 0, "/abs"),
    "a later parent": lambda r: feed(r, "/abs", 0, "fc/linear"),
    "an equal output": lambda r: r.outputs.__setitem__(
        1, (find_event(r, "/mul_2").outputs[0], "output.1")
    ),
    "another number": change_a_number,
    "another function, equal here": change_the_function,
    "another shape": change_the_shape,
    "another module": lambda r: setattr(
        find_event(r, "fc/linear"), "scope", Scope("other", "Linear", 1)
    ),
    "another call of the module": lambda r: setattr(
        find_event(r, "fc/linear"), "scope", Scope("fc", "Linear", 2)
    ),
    "an in-place op missing": drop_an_in_place_op,
}


def judge(damage):
    model, x = Positive(), torch.linspace(0.1, 1, 12).reshape(3, 4)
    call = prepare_call(model, x)
    recording = record_forward(call, random_states=True)
    damage(recording)
    program, resized = compare_program(recording, call, blind=False)
    return judge_recording(recording, run_plain(call), program, resized)


def test_the_recording_is_right_as_it_was():
    assert judge(lambda recording: None).status == "verified"


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_fails(damage):
    assert judge(damage).status == "failed"


def test_an_op_without_output_missing_is_not_verified():
    verdict = judge(lambda recording: drop(recording, "/exp"))
    assert verdict.status == "unverified"
    assert verdict.reasons.reason.str.contains("the model runs other ops").any()
