"""Memories are told apart, whether or not the values in them are kept."""

import pytest
import torch
from torch import nn

import neurolens as nl
from neurolens.errors import RecordingError
from neurolens.extract.capture.tracking.tensor_tracker import TensorTracker

N_TENSORS = 200


def note(tracker, tensor, index, keep=True):
    value = tracker.make_value("op", index, 0, tensor, keep)
    return tracker.set_value(value, tensor)


@pytest.mark.parametrize("way", ["copied", "not copied", "let go", "never kept"])
def test_freed_memory_is_not_taken_for_another(way):
    tracker = TensorTracker({}, copies=way != "not copied")
    tensor = torch.ones(3)
    value = note(tracker, tensor, 0, keep=way != "never kept")

    if way == "let go":
        tracker.let_go(value)
    tracker.preserve_values([tensor])
    tensor.data = torch.zeros(3)
    others = [torch.ones(3) for _ in range(N_TENSORS)]
    memories = [note(tracker, other, 1 + i).memory for i, other in enumerate(others)]

    assert value.memory not in memories
    assert len(set(memories)) == N_TENSORS


def test_values_in_one_memory_are_preserved_together():
    tracker = TensorTracker({})
    base = torch.zeros(4)
    view = base[:2]
    values = [note(tracker, base, 0), note(tracker, view, 1)]

    tracker.preserve_values([view])
    view.fill_(1)

    assert values[0].memory == values[1].memory
    assert [value.tensor.tolist() for value in values] == [[0, 0, 0, 0], [0, 0]]
    assert values[0].ref() is base
    assert values[1].ref() is view


def test_a_reference_to_a_kept_tensor_outlives_no_tensor():
    tracker = TensorTracker({})
    tensor = torch.zeros(2)
    value = note(tracker, tensor, 0)

    assert value.ref() is tensor
    tracker.let_go(value)
    assert value.ref() is tensor
    del tensor
    assert value.ref() is None


def test_a_memory_that_was_left_unseen_has_no_more_values():
    """Code in C may give a tensor another memory; the identity of the first is then used again."""
    tracker = TensorTracker({})
    tensor = torch.ones(3)
    value = note(tracker, tensor, 0)

    tensor.set_(torch.zeros(3))
    others = [torch.ones(3) for _ in range(N_TENSORS)]
    assert value.storage in {other.untyped_storage()._cdata for other in others}
    found = [tracker.get_value(other) for other in others]

    assert {one.kind for one in found} == {"constant"}
    assert value not in [one.previous for one in found]
    written = next(other for other in others if other.untyped_storage()._cdata == value.storage)
    tracker.renew_aliases([written], 5, keep=True)
    assert tracker.look_up(tensor) is value


class Swap(nn.Module):
    def forward(self, x):
        twice = x * 2
        thrice = x * 3
        torch.utils.swap_tensors(twice, thrice)
        return twice - thrice


@pytest.mark.parametrize("function", [nl.trace, nl.validate])
def test_tensors_that_exchange_their_content_are_refused(function):
    with pytest.raises(RecordingError, match="Cannot swap t1 because it has weakref"):
        function(Swap(), torch.ones(2))
