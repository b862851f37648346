"""Memory for held rows that is taken again."""

import torch

from neurolens.extract.stream.grams.arena import (
    Arena,
    count_aligned_bytes,
    count_row_bytes,
    floor_row_bytes,
)
from neurolens.extract.stream.grams.rows import ProductAdder
from neurolens.extract.stream.grams.sums import GramSums

CPU = torch.device("cpu")


def test_memory_that_was_given_back_is_taken_again():
    arena = Arena(1000)
    first = arena.take((5, 4), torch.float32, CPU)
    first.fill_(3)
    arena.clear()
    again = arena.take((2, 10), torch.float64, CPU)
    assert again.data_ptr() == first.data_ptr()
    assert again.shape == (2, 10)
    assert again.dtype == torch.float64


def test_tensors_that_are_held_at_once_do_not_overlap():
    shapes = [((3, 5), torch.float32), ((3, 1), torch.bool), ((3, 7), torch.float64)]
    sizes = [shape[0] * shape[1] * dtype.itemsize for shape, dtype in shapes]
    arena = Arena(sum(map(count_aligned_bytes, sizes)))
    taken = [arena.take(shape, dtype, CPU) for shape, dtype in shapes]
    for number, one in enumerate(taken):
        one.fill_(number)
    assert [float(one.float().mean()) for one in taken] == [0, 1, 2]
    assert len({one.untyped_storage().data_ptr() for one in taken}) == 1


def test_what_does_not_fit_has_memory_of_its_own():
    arena = Arena(64)
    inside = arena.take((1, 16), torch.float32, CPU)
    outside = arena.take((1, 17), torch.float32, CPU)
    assert inside.untyped_storage().data_ptr() != outside.untyped_storage().data_ptr()
    assert outside.shape == (1, 17)


def test_rows_without_features_take_nothing():
    assert Arena(0).take((3, 0), torch.float32, CPU).shape == (3, 0)


def test_long_rows_are_aligned_and_short_ones_are_not_padded():
    assert [count_row_bytes(n, 4) for n in (0, 1, 15, 16, 17, 33)] == [0, 4, 60, 64, 128, 192]
    assert count_row_bytes(63, 1) == 63
    assert count_row_bytes(65, 1) == 128
    for n_bytes in range(300):
        n_features = floor_row_bytes(n_bytes) // 4
        assert count_row_bytes(n_features, 4) <= n_bytes


def test_rows_of_a_slice_are_aligned_whatever_its_width():
    adder = ProductAdder(GramSums(), 16, 10_000)
    for width in (17, 33, 100):
        rows = adder.take_rows(5, width, torch.float32, CPU)
        assert rows.shape == (5, width)
        assert rows.stride(0) * 4 % 64 == 0
        assert rows.data_ptr() % 64 == 0
