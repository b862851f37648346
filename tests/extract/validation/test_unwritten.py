"""Results without values, against models run with one and with another content of that memory."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from written_memory import Steps

import neurolens as nl
from neurolens.extract.capture.forward import prepare_call, record_forward
from neurolens.extract.validation.unwritten import find_unwritten


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


def ignore_by_beta(y, make):
    squares = y.view(-1, 2, 2)
    products = torch.baddbmm(make(squares), squares, squares.mT, beta=0, alpha=0.5)
    return torch.softmax(products, -1).flatten(1) * 2


def choose_none(y, make):
    memory = make(y)
    chosen = torch.where(torch.ones_like(y, dtype=torch.bool), y, memory)
    return chosen + memory.masked_fill(torch.ones_like(y, dtype=torch.bool), 0.0)


def take_other_result(y, make):
    beside, same = torch.broadcast_tensors(make(y), y)
    return same * 2, beside * 2


def change_in_place(y, make):
    memory = make(y)
    memory.mul_(2)
    memory += y
    return F.relu(memory, inplace=True) + 1, y * 3


def add_to_nothing(y, make):
    memory = make(y)
    for column in range(4):
        memory[:, column] += y[:, column]
    return memory * 2


def copy_nothing(y, make):
    memory = make(y)
    copied = torch.zeros_like(y)
    copied.copy_(memory)
    other = torch.zeros_like(y)
    other[:, :2] = memory[:, :2]
    return copied + 1, other[:, :2] + 1, other[:, 2:] + 1


def convert_and_set(y, make):
    memory = make(y).to(torch.float64).clone().view(-1, 4)
    memory[:, :2] = y[:, :2]
    before = memory + 1
    memory[:, 2:] = y[:, 2:]
    return before, memory + 1


def read_numbers(y, make):
    memory = make(y)
    float(memory[0, 0])
    memory.requires_grad_(False)
    memory[:, :2] = y[:, :2]
    return memory + 1, memory[:, :2] + 1, memory[:, :0] + 1


def set_where(y, make):
    memory = make(y)
    is_positive = y > 0
    memory[is_positive] = 1.0
    before = memory + 1
    memory[~is_positive] = 0.0
    return before, memory + 1


def divide_set_part(y, make):
    memory = make(y)
    memory[:, :2] = y[:, :2]
    left, right = memory.unbind(1)[1::2]
    return left[:, None] + 1, right[:, None] + 1, memory.flatten()[None].view(-1, 4)


def copy_into_views(y, make):
    memory = make(y)
    for column in range(4):
        memory[:, column].copy_(y[:, column])
    found = memory.sum(1, keepdim=True)
    other = make(y)
    torch.mul(y[:, :2], 2, out=other[:, :2])
    torch.mul(y[:, 2:], 2, out=other.narrow(1, 2, 2))
    return found, other + 1


def draw_into(y, make):
    kept = make(y[:, :1]).fill_(0.5).bernoulli_(1.0)
    weight = nn.init.uniform_(make(y), 0.5, 0.5)
    return y * kept + weight


def fill_from_nothing(y, make):
    memory = make(y)
    filled = torch.zeros_like(y).fill_(memory[0, 0])
    return filled + 1, y * 2


def resize_nothing(y, make):
    memory = make(y)
    return memory.resize_(len(y), 2, 2) + 1, y * 2


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
    ignore_by_beta,
    choose_none,
    take_other_result,
    change_in_place,
    add_to_nothing,
    copy_nothing,
    convert_and_set,
    read_numbers,
    set_where,
    divide_set_part,
    copy_into_views,
    draw_into,
    fill_from_nothing,
    resize_nothing,
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


def test_what_was_written_unseen_is_kept(rng):
    def steps(y, make):
        memory = make(y.to(torch.complex64))
        memory.real = y
        memory.imag = y * 2
        return memory.abs() + 1

    x = torch.from_numpy(rng.standard_normal((5, 6)).astype(np.float32))
    recording = record(steps, x)
    assert list(find_unwritten(recording)) == ["/empty_like"]


def test_memory_on_no_device_is_left(rng):
    def steps(y, make):
        memory = torch.empty(len(y), 4, device="meta")
        memory[:, :2] = 1
        return y * 2

    x = torch.from_numpy(rng.standard_normal((5, 6)).astype(np.float32))
    assert list(find_unwritten(record(steps, x))) == ["/empty"]


def test_numbers_drawn_whatever_was_there_are_kept(rng):
    def steps(y, make):
        return y * torch.bernoulli(make(y), 0.5)

    x = torch.from_numpy(rng.standard_normal((5, 6)).astype(np.float32))
    state = torch.get_rng_state()
    assert list(find_unwritten(record(steps, x))) == ["/empty_like"]
    assert torch.equal(torch.get_rng_state(), state)


ASKED = {
    "all": lambda memory: memory.bool().all(1, keepdim=True),
    "any": lambda memory: memory.bool().any(1, keepdim=True),
    "not zero": lambda memory: memory != 0,
    "largest": lambda memory: memory.amax(1),
    "sign": lambda memory: memory > 0,
}


@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
@pytest.mark.parametrize("question", ASKED)
def test_answers_about_nothing_are_found(question, dtype, rng):
    def steps(y, make):
        memory = torch.empty(len(y), 4, dtype=dtype)
        memory[:, 0] = question == "all"
        return ASKED[question](memory) * y[:, :1]

    x = torch.from_numpy(rng.standard_normal((5, 6)).astype(np.float32))
    recording = record(steps, x)
    assert recording.list_names()[-1] in find_unwritten(recording)


def reach_half_complex(memory, y):
    memory = memory.to(torch.complex32)
    return memory.real + 1


def reach_mkldnn(memory, y):
    return memory.to_mkldnn().to_dense() + 1


def reach_blocks(memory, y):
    return torch.empty(4, 4).to_sparse_bsr((2, 2)).to_dense() + 1


def reach_channels(memory, y):
    scales, zeros = torch.ones(4), torch.zeros(4, dtype=torch.int64)
    return torch.quantize_per_channel(memory, scales, zeros, 1, torch.qint8).dequantize() + 1


@pytest.mark.filterwarnings("ignore:Sparse BSR:UserWarning")
@pytest.mark.filterwarnings("ignore:ComplexHalf:UserWarning")
@pytest.mark.parametrize("reach", [reach_half_complex, reach_mkldnn, reach_blocks, reach_channels])
def test_kinds_that_torch_cannot_compare_end_nothing(reach, rng):
    def steps(y, make):
        reach(make(y), y)
        return y * 2

    x = rng.standard_normal((12, 6)).astype(np.float32)
    grams = nl.extract_grams(Steps(steps).eval(), nl.load_stimuli(x), quiet=True)
    assert {"linear", "/mul"} & set(grams.op.values.tolist())


def test_numbers_of_a_generator_of_the_model_are_kept_as_it_is(rng):
    generator = torch.Generator().manual_seed(7)

    def steps(y, make):
        memory = torch.empty(4)
        torch.randn(4, generator=generator, out=memory)
        return y + memory

    x = torch.from_numpy(rng.standard_normal((5, 6)).astype(np.float32))
    recording = record(steps, x)
    state = generator.get_state()
    assert list(find_unwritten(recording)) == ["/empty"]
    assert torch.equal(generator.get_state(), state)


def test_what_was_written_without_its_source_counts_as_written(rng):
    def steps(y, make):
        memory = torch.empty(len(y), 2, 4)
        memory[:, 0] = y
        memory[:, 1] = y * 3
        return memory + 1

    x = torch.from_numpy(rng.standard_normal((5, 6)).astype(np.float32))
    call = prepare_call(Steps(steps).eval(), x)
    recording = record_forward(call, keep=lambda name: not name.startswith(("linear", "/mul")))
    assert list(find_unwritten(recording)) == ["/empty"]
