"""Contents that stand for memory which nothing was written to, and whether they differ."""

import torch

from neurolens.extract.capture.events import TensorForm, Value
from neurolens.extract.validation.replay import equal_bits

# Tensors that stand for one, with other values where nothing was written. Views of a tensor, and
# what is written into it, are those of these.
Contents = tuple[torch.Tensor, ...]
# Memory is 0, drawn numbers, or their opposites, so that signs, orders and comparisons differ too.
N_CONTENTS = 3


def fill_memory(value: Value, form: TensorForm, seed: int) -> Contents | None:
    """Return contents of memory; None where it has no elements, or numbers of unusual kind."""
    tensor = value.tensor
    if not form.shape.numel():
        return None
    drawn, opposite = _draw_numbers(form, seed)
    filled = []
    try:
        for numbers in (torch.zeros_like(drawn), drawn, opposite):
            memory = torch.empty(form.shape, dtype=form.dtype, device=form.device)
            if tensor is not None:
                memory = torch.empty_strided(
                    form.shape, tensor.stride(), dtype=form.dtype, device=form.device
                )
            filled.append(memory.copy_(numbers))
    except (NotImplementedError, RuntimeError):
        return None
    contents = tuple(filled)
    return contents if may_differ(contents) else None


def _draw_numbers(form: TensorForm, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return numbers for memory, and their opposites.

    Whole numbers are 0 and 1, which are indices that are there as a rule; the first is 1, and of
    several the last is 0.
    """
    generator = torch.Generator().manual_seed(seed)
    if form.dtype.is_floating_point or form.dtype.is_complex:
        wide = torch.complex64 if form.dtype.is_complex else torch.float32
        numbers = torch.randn(form.shape, generator=generator, dtype=wide)
        return numbers, -numbers
    bits = torch.randint(0, 2, form.shape, generator=generator, dtype=torch.uint8)
    bits.view(-1)[-1] = 0
    bits.view(-1)[0] = 1
    return bits, 1 - bits


def may_differ(contents: Contents) -> bool:
    """Return whether contents differ; not where they are of a kind that cannot be compared."""
    try:
        return any(_differ(contents[0], other) for other in contents[1:])
    except (NotImplementedError, RuntimeError):
        return False


def _differ(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Return whether two contents differ: whether there is something that was not written."""
    # The last elements are written last, as a rule.
    last = (-1,) * one.dim()
    has_last = one.shape == other.shape and one.numel() > 0
    if has_last and not equal_bits(one[last], other[last]):
        return True
    return not equal_bits(one, other)
