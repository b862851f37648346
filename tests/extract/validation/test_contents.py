"""What follows from memory without values shows, whatever is asked of it, as in random fillings."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from written_memory import Steps

import neurolens as nl
from neurolens.errors import InputError
from neurolens.extract.capture.forward import prepare_call, record_forward
from neurolens.extract.validation.unwritten import find_unwritten

N_FILLINGS = 12


class Filled:
    """Makes memory with numbers of either sign, others in each call and for each seed.

    Numbers without sign are 0 and 1, as they may be indices.
    """

    def __init__(self, seed):
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, *shape, dtype=torch.float32):
        low, high = (-2, 3) if dtype.is_floating_point else (0, 2)
        return torch.randint(low, high, shape, generator=self._generator, dtype=dtype)


def make_memory(*shape, dtype=torch.float32):
    """Return memory without values, which holds 1 as it happens."""
    memory = torch.empty(*shape, dtype=dtype)
    with torch._C.DisableTorchFunction():
        memory.numpy()[...] = 1
    return memory


def solve_partly(y, make):
    matrix = make(4, 4)
    matrix[:3] = torch.eye(4)[:3]
    return torch.linalg.solve(matrix, y[:4]), y * 2


def argmax_partly(y, make):
    memory = make(5, 4)
    memory[:, :3] = 0.0
    return memory.argmax(1) + y[:, 0]


def choose_rows(y, make):
    return y[make(4, dtype=torch.int64)]


# Not within the model, whose state is put back after each pass.
CALLS = []


def apply_count(y, make):
    def count(number):
        CALLS.append(number)
        return 1.0

    return y + make(4).apply_(count)


ASKED = {
    "difference of two": lambda y, make: (make(5, 4) - make(5, 4)) + y,
    "equality of two": lambda y, make: (make(5, 4) == make(5, 4)) * y,
    "loss of two": lambda y, make: F.mse_loss(make(5, 4), make(5, 4), reduction="none") + y,
    "likeness of two": lambda y, make: F.cosine_similarity(make(5, 4), make(5, 4)),
    "sign of one": lambda y, make: (make(1) < 0) * y,
    "positive one": lambda y, make: (make(1) > 0) * y,
    "one from above": lambda y, make: make(1).clamp(max=0) * y,
    "length": lambda y, make: F.normalize(make(5, 4), dim=1).abs() * y,
    "partly largest": argmax_partly,
    "rows": choose_rows,
}
OF_NUMBERS = {
    "order": lambda memory: memory.argsort(dim=1, stable=True),
    "largest": lambda memory: memory.argmax(1, keepdim=True),
    "smallest": lambda memory: memory.argmin(1, keepdim=True),
    "steps": lambda memory: memory.float().diff(dim=1),
    "same as the first": lambda memory: memory == memory[:, :1],
    "spread": lambda memory: memory.float().std(1, keepdim=True),
    "shares": lambda memory: memory.float().softmax(1),
    "about the mean": lambda memory: memory.float() - memory.float().mean(1, keepdim=True),
    "about the mean, scaled": lambda memory: F.layer_norm(memory.float(), (4,)),
    "halves": lambda memory: memory[:, :2] != memory[:, 2:],
}


def find_differing(ask, x):
    """Return the ops whose results are not the same for all fillings of the memory."""
    recordings = [
        record_forward(prepare_call(Steps(ask, Filled(seed)).eval(), x))
        for seed in range(N_FILLINGS)
    ]
    differing = set()
    for other in recordings[1:]:
        for i, (a, b) in enumerate(zip(recordings[0].events, other.events, strict=True)):
            pairs = zip(a.outputs, b.outputs, strict=True)
            if not all(torch.equal(one.tensor, two.tensor) for one, two in pairs):
                differing.add(i)
    return sorted(differing)


def find_ops(ask, x):
    recording = record_forward(prepare_call(Steps(ask, make_memory).eval(), x))
    names = recording.list_names()
    return [names.index(name) for name in find_unwritten(recording)]


@pytest.fixture
def x(rng):
    return torch.from_numpy(rng.standard_normal((5, 6))).float()


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_of_memory_without_values_is_found(asked, x):
    differing = find_differing(ASKED[asked], x)
    assert differing
    assert find_ops(ASKED[asked], x) == differing


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32])
@pytest.mark.parametrize("asked", OF_NUMBERS)
def test_comparisons_of_places_in_it_are_found(asked, dtype, x):
    def ask(y, make):
        memory = make(5, 4, dtype=dtype)
        if dtype == torch.bool:
            memory = memory.to(torch.uint8)
        return OF_NUMBERS[asked](memory) * y[:, :1]

    differing = find_differing(ask, x)
    assert differing
    assert find_ops(ask, x) == differing


def test_results_that_only_some_contents_have_are_found(x):
    """With 0 in its last row the matrix is singular."""
    recording = record_forward(prepare_call(Steps(solve_partly, make_memory).eval(), x))
    found = find_unwritten(recording)
    assert "/linalg_solve" in found
    assert recording.list_names()[-1] not in found


def test_statistics_of_memory_without_values_have_none(x):
    """They are written into, and are no result of the op that does."""

    def ask(y, make):
        mean = torch.zeros(4)
        F.batch_norm(make(5, 4), mean, torch.ones(4), training=True)
        return y + mean, y * 2

    recording = record_forward(prepare_call(Steps(ask, make_memory).eval(), x))
    found = find_unwritten(recording)
    assert "/batch_norm" in found
    assert "/add" in found
    assert "/mul" not in found


def test_a_view_that_cannot_be_made_again_writes_nothing(x):
    def ask(y, make):
        memory = torch.empty_strided((5, 4), (8, 1))
        beyond = memory.as_strided((36,), (1,))  # as it is kept, memory has no gaps
        memory[:, 0] = y[:, 0]
        return beyond.shape[0] * y, memory[:, 1] + 1

    recording = record_forward(prepare_call(Steps(ask, make_memory).eval(), x))
    last = recording.list_names()[-1]
    assert last in find_unwritten(recording)


def test_functions_of_the_model_are_not_called_again(x):
    CALLS.clear()
    recording = record_forward(prepare_call(Steps(apply_count, make_memory).eval(), x))
    assert len(CALLS) == 4
    assert list(find_unwritten(recording)) == ["/empty"]
    assert len(CALLS) == 4


def test_sparse_memory_holds_nothing_but_what_is_put_into_it(x):
    def ask(y, make):
        return y + torch.empty(5, 4, layout=torch.sparse_coo).to_dense()

    recording = record_forward(prepare_call(Steps(ask, make_memory).eval(), x))
    assert find_unwritten(recording) == {}


def test_a_model_of_nothing_else_is_told_why_it_has_no_results(rng):
    class Nothing(nn.Module):
        def forward(self, x):
            return torch.empty_like(x) + x

    stimuli = nl.load_stimuli(rng.standard_normal((8, 6)).astype("float32"))
    with pytest.raises(InputError, match="has a result per stimulus: .*whatever was there before"):
        nl.extract_activations(Nothing(), stimuli, quiet=True)
