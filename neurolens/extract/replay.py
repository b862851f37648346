"""Running recorded ops again: one by one from saved values, with a changed parent, or as a whole program."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from neurolens.extract.guards import open_attention, preserve_random_states
from neurolens.extract.records import Event, Recording, Value, iterate_tensors

UNINITIALISED = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"})
SHAPE_OF_SECOND = frozenset({"type_as", "expand_as", "view_as", "reshape_as", "resize_as", "to"})
# Functions of a tensor's shape, dtype or device alone: no other value can change their result.
SHAPE_ONLY = frozenset(
    (
        "zeros_like ones_like full_like empty_like rand_like randn_like randint_like new_zeros new_ones "
        "new_full new_empty new_empty_strided zero_ fill_ normal_ uniform_ bernoulli_ random_ "
        "kaiming_uniform_ kaiming_normal_ xavier_uniform_ xavier_normal_ trunc_normal_ orthogonal_ "
        "exponential_ log_normal_ cauchy_ geometric_ resize_ data.__set__"
    ).split()
)


def replay_event(event: Event) -> tuple[str, str] | None:
    """Run one op again from saved values; return (status, reason) unless it gives its saved result, bit for bit."""
    if event.call.function in UNINITIALISED:
        return None
    if is_differentiation(event):
        return "unverified", "it differentiates what was recorded, which a replay of single ops cannot"
    try:
        made = _run_event(event, {})
    except Exception as error:
        return "failed", f"running it again raised {type(error).__name__}: {error}"
    saved = [value.tensor for value in event.outputs]
    if len(made) != len(saved):
        return "failed", f"it gave {len(made)} tensors when run again, {len(saved)} were saved"
    for again, before in zip(made, saved, strict=True):
        if before is None or not equal_bits(again, before):
            return "failed", "run again from its parents' saved values it does not give its saved value"
    return None


def is_differentiation(event: Event) -> bool:
    """Return whether the op computes gradients of others, by walking the autograd graph rather than its arguments."""
    return getattr(event.func, "__module__", "") == "torch.autograd" or event.call.exact == "backward"


def perturb_event(event: Event) -> tuple[list[str], list[str]]:
    """Replace each parent op or input in turn by another plausible value and run the op again.

    Returns
    -------
    ignored, exempt : lists of str
        Positions whose other values left the result as it was without a known reason, and those excused, with why.
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
        changed, refused = False, ""
        for other in make_others(value.tensor):
            try:
                made = _run_event(event, {id(value): other})
            except Exception as error:
                refused = type(error).__name__
                continue
            if len(made) != len(saved) or not all(equal_bits(a, b) for a, b in zip(made, saved, strict=True)):
                changed = True
                break
        if changed:
            continue
        reason = f"no other value was accepted ({refused})" if refused else find_excuse(event, value, position)
        (exempt if reason else ignored).append(f"{position}: {reason}" if reason else position)
    return ignored, exempt


def make_others(tensor: torch.Tensor) -> list[torch.Tensor]:
    """Return plausible other values of the same kind: permuted, moved, and for numbers of another scale."""
    if tensor.is_quantized:
        scale, zero = tensor.q_scale(), tensor.q_zero_point()
        plain = tensor.dequantize()
        return [torch.quantize_per_tensor(other, scale, zero, tensor.dtype) for other in make_others(plain)]
    flat = tensor.detach().reshape(-1)
    if tensor.dtype == torch.bool:
        return [~tensor, torch.ones_like(tensor), torch.zeros_like(tensor)]
    if not (tensor.is_floating_point() or tensor.is_complex()):
        low, high = int(flat.min()), int(flat.max())
        rolled = flat.roll(1).reshape(tensor.shape)
        shifted = (tensor - low + 1) % (high - low + 1) + low if high > low else tensor + 1
        if high > low:
            return [shifted.to(tensor.dtype), rolled, torch.full_like(tensor, low), torch.full_like(tensor, high)]
        return [shifted.to(tensor.dtype), (tensor - 1).abs()]
    step = torch.linspace(-1, 1, flat.numel(), device=flat.device, dtype=torch.float32)
    scale = float(flat.abs().float().nan_to_num(0, 0, 0).max()) if not tensor.is_complex() else 1.0
    noise = (step * (scale or 1.0)).to(tensor.dtype).reshape(tensor.shape)
    rolled = flat.roll(1).reshape(tensor.shape)
    others = [tensor + noise, noise.flip(tuple(range(noise.ndim))) * 3 if noise.ndim else noise + 3]
    return [*others, tensor + step.to(tensor.dtype).reshape(tensor.shape), torch.zeros_like(tensor), rolled]


def find_excuse(event: Event, value: Value, position: str) -> str:
    """Return why an op's result need not depend on a parent, or an empty string."""
    if position == "out":
        return "it is overwritten entirely"
    if event.call.function in SHAPE_OF_SECOND and position != "0":
        return "only its shape or type is used"
    others = [v.tensor for v, _ in event.parents if v is not value and v.tensor is not None]
    if any(t.numel() and not t.to(torch.bool).any() for t in others if not t.is_quantized):
        return "another operand is all zero"
    if any(t.dtype == torch.bool and (t.all() or not t.any()) for t in others if t.numel()):
        return "a mask leaves it out entirely"
    if event.call.function in ("dropout", "feature_dropout", "alpha_dropout"):
        return "dropout left nothing"
    if event.call.function in ("copy", "setitem", "index_put", "index_copy", "scatter", "masked_fill", "where"):
        return "it is overwritten entirely or not chosen"
    if all((s == s.reshape(-1)[:1]).all() for s in (v.tensor for v in event.outputs) if s is not None and s.numel()):
        return "the result is constant: everything was clipped, masked or rounded to one value"
    return ""


def run_program(recording: Recording, inputs: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Run the recorded program on new inputs and return its output tensors.

    Parameters
    ----------
    recording : Recording
        With all values kept; its constants and settings are part of the program.
    inputs : dict
        A new tensor for each of ``recording.inputs``.

    Notes
    -----
    In-place ops work on the program's own tensors, so aliases see each other's changes as they did in the model.
    """
    state: dict[int, torch.Tensor] = {}

    def resolve(value: Value) -> torch.Tensor:
        found: Value | None = value
        while found is not None and id(found) not in state:
            if found.kind != "op":
                break
            found = found.previous
        if found is None:
            raise LookupError(f"a value of op {value.source} was made by nothing in the program")
        if id(found) not in state:
            if found.kind == "input":
                state[id(found)] = inputs[found.source].clone()
            elif found.tensor is not None:
                live = found.ref()
                state[id(found)] = found.tensor.clone() if found.kind == "buffer" or live is None else found.tensor
        return state[id(found)]

    with preserve_random_states(), open_attention(), torch.no_grad():
        for event in recording.events:
            args = _substitute(event.args, resolve)
            kwargs = _substitute(event.kwargs, resolve)
            with repeat_autocast(event):
                result = event.func(*args, **kwargs)
            made = list(iterate_tensors(args[0] if result is None else result))
            for value, tensor in zip(event.outputs, made, strict=True):
                state[id(value)] = tensor
        return [resolve(value) for value, _ in recording.outputs]


@contextmanager
def repeat_autocast(event: Event) -> Iterator[None]:
    """Set autocast as it was when the op ran, without its cache of converted weights."""
    recorded = event.random_state[2] if event.random_state is not None else []
    with ExitStack() as stack:
        for device, dtype in recorded:
            stack.enter_context(torch.autocast(device, dtype=dtype, cache_enabled=False))
        yield


def equal_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two tensors have equal shape, dtype and values, NaN equal to NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.layout != torch.strided or b.layout != torch.strided:
        return a.layout == b.layout and equal_bits(a.to_dense(), b.to_dense())
    if torch.equal(a, b):
        return True
    if not (a.is_floating_point() or a.is_complex()):
        return False
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


def _run_event(event: Event, replaced: dict[int, torch.Tensor]) -> list[torch.Tensor]:
    """Run an event on its parents' saved values, some of them replaced; what it writes to are copies."""
    fresh = event.call.mutates or event.call.writes or event.call.updates_statistics or "out" in event.kwargs
    shared: dict[int, torch.Tensor] = {}

    def resolve(value: Value) -> torch.Tensor:
        if id(value) not in shared:
            tensor = replaced.get(id(value), value.tensor)
            shared[id(value)] = tensor.clone() if fresh else tensor  # type: ignore[union-attr, assignment]
        return shared[id(value)]

    if event.random_state is not None:
        torch.set_rng_state(event.random_state[0])
        if event.random_state[1]:
            torch.cuda.set_rng_state_all(event.random_state[1])
    args = _substitute(event.args, resolve)
    with repeat_autocast(event):
        result = event.func(*args, **_substitute(event.kwargs, resolve))
    return list(iterate_tensors(args[0] if result is None else result))


def _substitute(arg: Any, resolve: Callable[[Value], torch.Tensor]) -> Any:
    if isinstance(arg, Value):
        return resolve(arg)
    kind = type(arg)
    if kind is tuple or kind is list:
        return kind(_substitute(a, resolve) for a in arg)
    if kind is dict:
        return {k: _substitute(a, resolve) for k, a in arg.items()}
    return arg
