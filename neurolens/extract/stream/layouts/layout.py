"""The position of the stimuli in one result."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from neurolens.errors import InputError


@dataclass(frozen=True, slots=True)
class Layout:
    """The position of the stimuli in one result.

    The stimulus axis is ``axis``. Where it is shared with other things (windows, heads), it holds
    ``group`` of them per stimulus, stimulus by stimulus when ``major``, else interleaved; they
    become an axis of their own. ``shares`` names the result that this one only views or passes on:
    the same values per stimulus, perhaps in another order.
    """

    op: str
    output: int
    axis: int
    group: int
    major: bool
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    dtype: torch.dtype
    shares: str

    @property
    def name(self) -> str:
        """Label of this result: the op's name, with ``.k`` for the k-th of several."""
        return self.op if self.output < 0 else f"{self.op}.{self.output}"

    def put_stimuli_first(self, tensor: torch.Tensor, n_stimuli: int) -> torch.Tensor:
        """Return the result with shape (stimulus, *shape).

        Raises
        ------
        InputError
            When the result's shape is not the one found for the first stimuli.
        """
        if self.group > 1:
            split = [n_stimuli, self.group] if self.major else [self.group, n_stimuli]
            axis = self.axis if self.major else self.axis + 1
        else:
            split = [n_stimuli]
            axis = self.axis
        tensor = read_numbers(tensor)
        expected = list(self.shape)
        expected.insert(axis, n_stimuli)
        sizes = list(tensor.shape)
        if 0 <= self.axis < len(sizes) and sizes[self.axis] == n_stimuli * self.group:
            sizes[self.axis : self.axis + 1] = split
        if sizes != expected:
            raise InputError(
                f"{self.name!r} has shape {tuple(tensor.shape)} for {n_stimuli} stimuli, expected "
                f"{self.shape} per stimulus as for the first ones: its shape depends on the "
                "stimuli. Leave it out of ops=.",
                anchor="no-result-per-stimulus",
            )
        if tensor.dtype != self.dtype:
            raise InputError(
                f"{self.name!r} has dtype {tensor.dtype} for these stimuli, expected {self.dtype} "
                "as for the first ones: its dtype depends on the stimuli. Leave it out of ops=.",
                anchor="no-result-per-stimulus",
            )
        return tensor.reshape(sizes).movedim(axis, 0)  # (stimulus, *shape)


def read_numbers(tensor: torch.Tensor) -> torch.Tensor:
    """Return a result outside of autograd and of a class of its own.

    A quantized one is returned as the numbers that it stands for.
    """
    plain = tensor.dequantize() if tensor.is_quantized else tensor.detach()
    return plain if type(plain) is torch.Tensor else plain.as_subclass(torch.Tensor)


def holds_values(tensor: torch.Tensor) -> bool:
    """Return whether torch holds a tensor's values, and no wrapper class nor device "meta"."""
    is_wrapper = type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__
    return not (is_wrapper or tensor.is_meta)


def iterate_rows(
    layouts: Sequence[Layout], n_stimuli: int, tensors: Sequence[torch.Tensor | None]
) -> Iterator[tuple[Layout, torch.Tensor]]:
    """Yield each layout of an op's results with its rows (stimulus, ...), where there are any."""
    for layout in layouts:
        k = max(layout.output, 0)
        tensor = tensors[k] if k < len(tensors) else None
        if tensor is None:
            continue
        try:
            rows = layout.put_stimuli_first(tensor, n_stimuli)
        except InputError:
            continue
        yield layout, rows
