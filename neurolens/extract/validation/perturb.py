"""Check that an op reads its recorded parents: it is run again with other values in a parent."""

from typing import NamedTuple

import torch

from neurolens.extract.capture.events import Event, Value
from neurolens.extract.validation.replay import equal_bits, is_small_float, run_event

SHAPE_OF_SECOND = frozenset({"type_as", "expand_as", "view_as", "reshape_as", "resize_as", "to"})
# Functions of a tensor's shape, dtype or device alone: no other value can change their result.
SHAPE_ONLY = frozenset(
    (
        "zeros_like ones_like full_like empty_like rand_like randn_like randint_like new_zeros "
        "new_ones new_full new_empty new_empty_strided zero_ fill_ normal_ uniform_ bernoulli_ "
        "random_ kaiming_uniform_ kaiming_normal_ xavier_uniform_ xavier_normal_ trunc_normal_ "
        "orthogonal_ exponential_ log_normal_ cauchy_ geometric_ resize_ data.__set__"
    ).split()
)
_ATTENTION = "scaled_dot_product_attention"
_ATTENTION_WEIGHTS = frozenset({"0", "1", "query", "key"})
_DROPOUTS = frozenset({"dropout", "feature_dropout", "alpha_dropout"})
_WRITERS = frozenset(
    {"copy", "setitem", "index_put", "index_copy", "scatter", "masked_fill", "where"}
)


class Perturbation(NamedTuple):
    """The effect of other values in the arguments of an op.

    ``ignored`` are the positions whose other values left the result unchanged; ``exempt`` those for
    which that is excused, each with the reason.
    """

    ignored: list[str]
    exempt: list[str]


class Attempt(NamedTuple):
    """Whether a value changed the result; if not, was any accepted, and which error if none."""

    changed: bool
    accepted: bool
    refusal: str


def perturb_event(event: Event) -> Perturbation:
    """Replace each parent op or input in turn by other plausible values and run the op again."""
    result = Perturbation([], [])
    if event.call.exact in SHAPE_ONLY:
        return result
    saved = [value.tensor for value in event.outputs if value.tensor is not None]
    if not any(map(_has_values, saved)):
        return result
    for value, position in _list_parents(event):
        if value.tensor is None or not _has_values(value.tensor):
            continue
        if value.tensor.layout != torch.strided:
            reason = f"other values are not made for layout {value.tensor.layout}"
            result.exempt.append(f"{position}: {reason}")
            continue
        try:
            attempt = _try_others(event, value, value.tensor, saved)
            reason = "" if attempt.changed else _explain_attempt(event, value, position, attempt)
        except NotImplementedError as error:
            dtype = value.tensor.dtype
            result.exempt.append(f"{position}: other values are not made for {dtype} ({error})")
            continue
        if attempt.changed:
            continue
        if reason:
            result.exempt.append(f"{position}: {reason}")
        else:
            result.ignored.append(position)
    return result


def _has_values(tensor: torch.Tensor) -> bool:
    return tensor.numel() > 0 and not tensor.is_meta


def _list_parents(event: Event) -> list[tuple[Value, str]]:
    """Return the ops and inputs that feed an op, each once, with its first position."""
    parents: dict[int, tuple[Value, str]] = {}
    for value, position in event.parents:
        if value.kind in ("op", "input"):
            parents.setdefault(id(value), (value, position))
    return list(parents.values())


def _try_others(
    event: Event, value: Value, tensor: torch.Tensor, saved: list[torch.Tensor]
) -> Attempt:
    """Run an op with other values in place of one, until one changes the result."""
    accepted = False
    refusal = ""
    for other in make_others(tensor):
        if equal_bits(other, tensor):
            continue
        try:
            tensors = run_event(event, {id(value): other})
        except Exception as error:
            refusal = type(error).__name__
            continue
        accepted = True
        if len(tensors) != len(saved) or not all(map(equal_bits, tensors, saved)):
            return Attempt(True, accepted, refusal)
    return Attempt(False, accepted, refusal)


def _explain_attempt(event: Event, value: Value, position: str, attempt: Attempt) -> str:
    """Return why no value changed the result, or an empty string where that is not excused."""
    if not attempt.accepted:
        return f"no other value was accepted ({attempt.refusal})"
    reason = find_excuse(event, value, position)
    is_index = event.call.function == "getitem" and bool(attempt.refusal)
    if not reason and is_index and value.tensor is not None:
        largest = value.tensor.max()
        if torch.equal(value.tensor, largest.expand_as(value.tensor)):
            return "no other index is in range"
    return reason


def make_others(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Return plausible other values of the same kind: permuted, moved, of another scale."""
    if tensor.is_quantized:
        scale = tensor.q_scale()
        zero = tensor.q_zero_point()
        others = make_others(tensor.dequantize())
        return [torch.quantize_per_tensor(one, scale, zero, tensor.dtype) for one in others]
    if is_small_float(tensor):
        return [other.to(tensor.dtype) for other in make_others(tensor.float())]
    if tensor.dtype == torch.bool:
        return [~tensor, torch.ones_like(tensor), torch.zeros_like(tensor)]
    if tensor.is_floating_point() or tensor.is_complex():
        return _make_other_numbers(tensor)
    return _make_other_integers(tensor)


def _make_other_integers(tensor: torch.Tensor) -> list[torch.Tensor]:
    flat = tensor.detach().reshape(-1)
    low = int(flat.min())
    high = int(flat.max())
    reach = high - low + 1
    shifted = tensor + 1
    others = []
    if high > low:
        shifted = (tensor - low + 1) % reach + low
        rolled = flat.roll(1).reshape(tensor.shape)
        others = [rolled, torch.full_like(tensor, low), torch.full_like(tensor, high)]
    # An index out of range is an error on the CPU; on other devices it would make the device
    # unusable for the process.
    far = [tensor + reach, tensor - reach] if tensor.device.type == "cpu" else []
    nearest = shifted.to(tensor.dtype)
    return [nearest, *others, (tensor - 1).abs(), torch.zeros_like(tensor), *far]


def _make_other_numbers(tensor: torch.Tensor) -> list[torch.Tensor]:
    flat = tensor.detach().reshape(-1)
    step = _make_steps(tensor)
    scale = 1.0
    if not tensor.is_complex():
        scale = float(flat.abs().float().nan_to_num(0, 0, 0).max())
    noise = (step * (scale or 1.0)).to(tensor.dtype)
    turned = noise.flip(tuple(range(noise.ndim))) * 3 if noise.ndim else noise + 3
    others = [
        tensor + noise,
        turned,
        tensor + step.to(tensor.dtype),
        tensor + (step * 1000).to(tensor.dtype),
        torch.zeros_like(tensor),
        flat.roll(1).reshape(tensor.shape),
    ]
    return [*others, tensor[:1].expand_as(tensor)] if tensor.ndim else others


def renew_input(tensor: torch.Tensor, way: int) -> torch.Tensor:
    """Return a new input in place of ``tensor``.

    With ``way`` 0 the same values are drawn unevenly and permuted; with 1 signs and sets of zero,
    positive and negative numbers differ; with 2 values are a little smaller, for models that accept
    neither, and all but floating-point numbers are kept.
    """
    if not tensor.numel() or tensor.layout != torch.strided:
        return tensor.clone()
    if tensor.is_quantized:
        plain = renew_input(tensor.dequantize(), way)
        scale = tensor.q_scale()
        return torch.quantize_per_tensor(plain, scale, tensor.q_zero_point(), tensor.dtype)
    if is_small_float(tensor):
        return renew_input(tensor.float(), way).to(tensor.dtype)
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
    steps = torch.linspace(-1, 1, tensor.numel(), device=tensor.device, dtype=torch.float32)
    return steps.reshape(tensor.shape)


def find_excuse(event: Event, value: Value, position: str) -> str:
    """Return why an op's result need not depend on a parent, or an empty string."""
    function = event.call.function
    if position == "out":
        return "it is overwritten entirely"
    if function in SHAPE_OF_SECOND and position != "0":
        return "only its shape or type is used"
    if function == _ATTENTION and position in _ATTENTION_WEIGHTS and _has_single_key(event):
        return "attention over a single key gives its value"
    reason = _excuse_by_operands(event, value)
    if reason:
        return reason
    if function in _DROPOUTS:
        return "dropout left nothing"
    if function in _WRITERS:
        return "it is overwritten entirely or not chosen"
    if all(map(_is_constant, event.outputs)):
        return "the result is constant: everything was clipped, masked or rounded to one value"
    return ""


def _has_single_key(event: Event) -> bool:
    for value, position in event.parents:
        if position in ("1", "key"):
            return value.tensor is not None and value.tensor.shape[-2] == 1
    return False


def _excuse_by_operands(event: Event, value: Value) -> str:
    """Return why the values of an op's other operands hide one of them, or an empty string."""
    others = []
    for other, _ in event.parents:
        if other is not value and other.tensor is not None and other.tensor.numel():
            others.append(other.tensor)
    if any(not t.to(torch.bool).any() for t in others if not t.is_quantized):
        return "another operand is all zero"
    if any(t.all() or not t.any() for t in others if t.dtype == torch.bool):
        return "a mask leaves it out entirely"
    return ""


def _is_constant(value: Value) -> bool:
    """Return whether a result holds one number only, or none."""
    tensor = value.tensor
    if tensor is None or not tensor.numel():
        return True
    return bool((tensor == tensor.reshape(-1)[:1]).all())
