"""Where passes start: what is alive there, and which position costs least."""

import itertools

import pytest
import torch

from neurolens.extract.stream.resume.cuts import Cut, Span, choose_cuts, explain_start
from neurolens.extract.stream.resume.script import MadeTensor, Script

PLENTY = 10**9


def make_tensor(position, n_bytes, last_use, memory=None, flaw=""):
    memory = 100 + position if memory is None else memory
    return MadeTensor((position, 0), memory, (torch.float32,), n_bytes, last_use, flaw)


def make_script(tensors, n_ops):
    script = Script(tensors=list(tensors), own_memories={1})
    sizes = {one.place[0]: one.n_bytes for one in tensors}
    script.op_bytes = [sizes.get(i, 0) for i in range(n_ops)]
    return script


def find_cut_slowly(script, first, last):
    """Return the cheapest position, from all that are possible, by the definition."""
    work = [4 * sum(script.op_bytes[i:first]) for i in range(first + 1)]
    best, found = work[0], None
    if last is not None and work[last.position] + last.n_bytes <= best:
        best, found = work[last.position] + last.n_bytes, last.position
    for position in range(1 if last is None else last.position + 1, first + 1):
        alive = [t for t in script.tensors if t.place[0] < position <= t.last_use]
        shared = any(a.memory == b.memory for a, b in itertools.combinations(alive, 2))
        if shared or any(t.memory == 1 or t.flaw for t in alive) or position > script.limit:
            continue
        cost = work[position] + 2 * sum(t.n_bytes for t in alive)
        if cost <= best:
            best, found = cost, position
    return found


def test_little_is_alive_at_the_end_of_a_block():
    block = [make_tensor(0, 100, 4), make_tensor(1, 400, 2), make_tensor(2, 400, 3)]
    block += [make_tensor(3, 400, 4), make_tensor(4, 100, 8), make_tensor(5, 10, 6)]
    script = make_script(block, 9)
    first, second = choose_cuts(script, [Span(0, 4), Span(5, 8)], PLENTY)
    assert first is None
    assert second == Cut(5, frozenset([(4, 0)]), 100)


def test_positions_are_the_cheapest(rng):
    for _ in range(200):
        n_ops = int(rng.integers(3, 12))
        tensors = []
        for i in range(n_ops):
            last = int(rng.integers(i, n_ops))
            memory = rng.choice([None, 1, 7], p=[0.8, 0.1, 0.1])
            flaw = str(rng.choice(["", "bad"], p=[0.9, 0.1]))
            tensors.append(make_tensor(i, int(rng.integers(1, 9)), last, memory, flaw))
        script = make_script(tensors, n_ops)
        script.limit = int(rng.integers(0, 2 * n_ops))
        middle, end = sorted(rng.integers(0, n_ops, 2).tolist())
        spans = [Span(0, 0), Span(middle, n_ops), Span(end, n_ops)]
        _, second, third = choose_cuts(script, spans, PLENTY)
        wanted = find_cut_slowly(script, middle, None)
        assert (second and second.position) == wanted
        assert (third and third.position) == find_cut_slowly(script, end, second)


@pytest.mark.parametrize(
    ("flaw", "memory"), [("is no strided tensor", None), ("", 1)], ids=["flaw", "own memory"]
)
def test_what_cannot_be_saved_is_not_alive_at_a_cut(flaw, memory):
    script = make_script([make_tensor(0, 8, 3, memory, flaw), make_tensor(1, 8, 1)], 4)
    assert choose_cuts(script, [Span(0, 1), Span(3, 3)], PLENTY) == [None, None]
    told = explain_start(script, Span(3, 3), PLENTY)
    assert told == "tensors that are alive at once share memory, or one cannot be saved"


def test_limits_are_kept_and_explained():
    script = make_script([make_tensor(i, 8, i + 1) for i in range(6)], 6)
    script.forbid(3, "draws")
    script.forbid(5, "later")
    _, cut = choose_cuts(script, [Span(0, 1), Span(5, 5)], PLENTY)
    assert cut is not None
    assert cut.position == 3
    assert explain_start(script, Span(5, 5), PLENTY) == "draws"
    assert choose_cuts(script, [Span(0, 1), Span(5, 5)], 7) == [None, None]
    script.limit = 9
    assert explain_start(script, Span(5, 5), 7) == "the disk has no room for what is alive"
    big = make_script([make_tensor(0, 1, 0), make_tensor(1, 900, 0), make_tensor(0, 99, 3)], 3)
    big.op_bytes = [1, 1, 1]
    assert explain_start(big, Span(2, 2), PLENTY).startswith("saving what is alive would cost")
