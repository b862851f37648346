"""What a recording knows of results that it does not keep."""

import pytest
import torch
from torch import nn

from neurolens.extract.capture.forward import prepare_call, record_forward
from neurolens.extract.graph.build import assemble_graph
from neurolens.extract.stream.layouts.finding import measure_live_bytes


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.eye(6))

    def forward(self, x):
        return self.function(x, self.weight)


def chain(x, weight):
    """Make results one after the other, so that memory is freed and given out again."""
    for _ in range(6):
        x = x.sin()
    return x.view(-1).cos()


def make_weights(x, weight):
    return nn.functional.linear(x, nn.Parameter(torch.ones(6, 6)), nn.Parameter(torch.zeros(6)))


def write(x, weight):
    y = x.exp()
    y.mul_(2)
    return y.reshape(3, 4).t().add_(1).relu_()


FUNCTIONS = {
    "chain": chain,
    "weights made in the pass": make_weights,
    "writing": write,
    "views of weights": lambda x, weight: (x @ weight.t()).sin() @ weight.view(6, 6),
}


def record(name, **settings):
    return record_forward(prepare_call(Function(FUNCTIONS[name]), torch.ones(2, 6)), **settings)


@pytest.mark.parametrize(
    "keep", [lambda name: False, lambda name: "sin" in name], ids=["no", "some"]
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_fed_what_and_what_shares_memory_is_known_of_results_not_kept(name, keep):
    whole = record(name)
    some = record(name, keep=keep)
    seen = []
    for recording in (whole, some):
        ops = [(op.name, op.alias_of, op.parents) for op in assemble_graph(recording)]
        seen.append((ops, measure_live_bytes(recording)))
    assert seen[0] == seen[1]
    assert some.list_kept() == [op for op in whole.list_names() if keep(op)]


# Of (2, 6) float32, 48 bytes each.
@pytest.mark.parametrize(
    ("name", "room", "n_kept"),
    [
        ("chain", 47, 0),
        ("chain", 48, 1),
        ("chain", 3 * 48 - 1, 2),
        ("chain", 6 * 48, 7),  # the view takes nothing
        ("chain", 7 * 48, 8),
        ("writing", 48, 1),
        ("writing", 2 * 48, 4),  # what mul_ writes over is copied; reshape and t take nothing
        ("writing", 3 * 48, 5),
        ("views of weights", 48, 2),
        ("views of weights", 3 * 48, 5),
    ],
)
def test_the_first_results_are_kept_as_far_as_there_is_room(name, room, n_kept):
    recording = record(name, room=room)
    assert recording.list_kept() == recording.list_names()[:n_kept]
    assert recording.list_names() == record(name).list_names()
    recording.release_values()
    assert recording.list_kept() == []
