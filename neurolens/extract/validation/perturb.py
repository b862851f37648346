"""Does an op read what the recording says it reads? Run again with other values in a parent."""

import torch

from neurolens.extract.capture.events import Event, Value
from neurolens.extract.validation.replay import _run_event, equal_bits

SHAPE_OF_SECOND = frozenset({"type_as", "expand_as", "view_as", "reshape_as", "resize_as", "to"})

# Functions of a tensor's shape, dtype or device alone: no other value can change their result.
SHAPE_ONLY = frozenset(
    (
        "zeros_like ones_like full_like empty_like rand_like randn_like randint_like new_zeros "
        "new_ones "
        "new_full new_empty new_empty_strided zero_ fill_ normal_ uniform_ bernoulli_ random_ "
        "kaiming_uniform_ kaiming_normal_ xavier_uniform_ xavier_normal_ trunc_normal_ orthogonal_ "
        "exponential_ log_normal_ cauchy_ geometric_ resize_ data.__set__"
    ).split()
)


def perturb_event(event: Event) -> tuple[list[str], list[str]]:
    """Replace each parent op or input in turn by another plausible value and run the op again.

    Returns the positions whose other values left the result as it was, and those for which that is
    excused, with why.
    """
    ignored: list[str] = []
    exempt: list[str] = []
    if event.call.exact in SHAPE_ONLY:
        return ignored, exempt
    saved = [v.tensor for v in event.outputs if v.tensor is not None]
    for value in {id(v): v for v, _ in event.parents if v.kind in ("op", "input")}.values():
        position = next(p for v, p in event.parents if v is value)
        if value.tensor is None or value.tensor.numel() == 0 or all(s.numel() == 0 for s in saved):
            continue
        if value.tensor.layout != torch.strided:
            exempt.append(f"{position}: other values are not made for layout {value.tensor.layout}")
            continue
        accepted = False
        refused = ""
        for other in make_others(value.tensor):
            if equal_bits(other, value.tensor):
                continue
            try:
                made = _run_event(event, {id(value): other})
            except Exception as error:
                refused = type(error).__name__
                continue
            accepted = True
            if len(made) != len(saved) or not all(
                equal_bits(a, b) for a, b in zip(made, saved, strict=True)
            ):
                break
        else:
            reason = (
                find_excuse(event, value, position)
                if accepted
                else f"no other value was accepted ({refused})"
            )
            indexed = not reason and refused and event.call.function == "getitem"
            if indexed and (value.tensor == value.tensor.max()).all():
                reason = "no other index is in range"
            (exempt if reason else ignored).append(f"{position}: {reason}" if reason else position)
    return ignored, exempt


def make_others(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Return plausible other values of the same kind: permuted, moved.

    And for numbers of another scale.
    """
    if tensor.is_quantized:
        scale = tensor.q_scale()
        zero = tensor.q_zero_point()
        plain = tensor.dequantize()
        return [
            torch.quantize_per_tensor(other, scale, zero, tensor.dtype)
            for other in make_others(plain)
        ]
    flat = tensor.detach().reshape(-1)
    if tensor.dtype == torch.bool:
        return [~tensor, torch.ones_like(tensor), torch.zeros_like(tensor)]
    if not (tensor.is_floating_point() or tensor.is_complex()):
        low = int(flat.min())
        high = int(flat.max())
        rolled = flat.roll(1).reshape(tensor.shape)
        shifted = (tensor - low + 1) % (high - low + 1) + low if high > low else tensor + 1
        near = (
            [rolled, torch.full_like(tensor, low), torch.full_like(tensor, high)]
            if high > low
            else []
        )
        # An index out of range is an error on the CPU; on other devices it would end the process's
        # use of them.
        reach = high - low + 1
        far = [tensor + reach, tensor - reach] if tensor.device.type == "cpu" else []
        return [shifted.to(tensor.dtype), *near, (tensor - 1).abs(), torch.zeros_like(tensor), *far]
    step = _make_steps(tensor)
    scale = float(flat.abs().float().nan_to_num(0, 0, 0).max()) if not tensor.is_complex() else 1.0
    noise = (step * (scale or 1.0)).to(tensor.dtype)
    rolled = flat.roll(1).reshape(tensor.shape)
    others = [tensor + noise, noise.flip(tuple(range(noise.ndim))) * 3 if noise.ndim else noise + 3]
    others += [
        *(tensor + (step * k).to(tensor.dtype) for k in (1, 1000)),
        torch.zeros_like(tensor),
        rolled,
    ]
    return [*others, tensor[:1].expand_as(tensor)] if tensor.ndim else others


def renew_input(tensor: torch.Tensor, way: int) -> torch.Tensor:
    """Return a new input in place of ``tensor``.

    By ``way``, 0: the same values drawn unevenly and permuted; 1: other signs, and other sets of
    zero, positive and negative numbers; 2: a little less, for models that accept neither, with all
    but floating-point numbers kept.
    """
    if not tensor.numel() or tensor.layout != torch.strided:
        return tensor.clone()
    if tensor.is_quantized:
        plain = renew_input(tensor.dequantize(), way)
        return torch.quantize_per_tensor(
            plain, tensor.q_scale(), tensor.q_zero_point(), tensor.dtype
        )
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor.clone() if way == 2 else make_others(tensor)[1 - way].clone()
    if way == 2:
        return tensor * 0.75
    if way == 1:
        moved = tensor.abs() * 3 + 0.5
        moved = -moved if tensor.is_complex() or (tensor > 0).any() else moved
        return moved.to(tensor.dtype) * (_make_steps(tensor) > -0.3)
    flat = tensor.detach().reshape(-1)
    count = torch.arange(tensor.numel(), device=tensor.device)
    drawn = flat[count**2 // tensor.numel()].flip(0).reshape(tensor.shape)
    return make_others(tensor)[0] if equal_bits(drawn, tensor) else drawn


def _make_steps(tensor: torch.Tensor) -> torch.Tensor:
    """Return numbers from -1 to 1 in the tensor's shape."""
    return torch.linspace(-1, 1, tensor.numel(), device=tensor.device, dtype=torch.float32).reshape(
        tensor.shape
    )


def find_excuse(event: Event, value: Value, position: str) -> str:
    """Return why an op's result need not depend on a parent, or an empty string."""
    if position == "out":
        return "it is overwritten entirely"
    if event.call.function in SHAPE_OF_SECOND and position != "0":
        return "only its shape or type is used"
    if event.call.function == "scaled_dot_product_attention" and position in (
        "0",
        "1",
        "query",
        "key",
    ):
        keys = next((v.tensor for v, p in event.parents if p in ("1", "key")), None)
        if keys is not None and keys.shape[-2] == 1:
            return "attention over a single key gives its value"
    others = [v.tensor for v, _ in event.parents if v is not value and v.tensor is not None]
    if any(t.numel() and not t.to(torch.bool).any() for t in others if not t.is_quantized):
        return "another operand is all zero"
    if any(t.dtype == torch.bool and (t.all() or not t.any()) for t in others if t.numel()):
        return "a mask leaves it out entirely"
    if event.call.function in ("dropout", "feature_dropout", "alpha_dropout"):
        return "dropout left nothing"
    if event.call.function in (
        "copy",
        "setitem",
        "index_put",
        "index_copy",
        "scatter",
        "masked_fill",
        "where",
    ):
        return "it is overwritten entirely or not chosen"
    if all(
        (s == s.reshape(-1)[:1]).all()
        for s in (v.tensor for v in event.outputs)
        if s is not None and s.numel()
    ):
        return "the result is constant: everything was clipped, masked or rounded to one value"
    return ""
