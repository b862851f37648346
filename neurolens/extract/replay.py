"""Running recorded ops again: one by one from saved values, with a changed parent, or as a whole program."""

from collections.abc import Callable, Collection
from contextlib import ExitStack

import torch

from neurolens.extract.guards import open_attention, preserve_random_states
from neurolens.extract.records import Event, Recording, Value, iterate_tensors, read_random_state, replace_leaves

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
# New tensors whose values do not follow from those of their first argument.
_FACTORIES = frozenset("zeros_like ones_like full_like new_zeros new_ones new_full".split())


def replay_event(event: Event) -> tuple[str, str] | None:
    """Run one op again from saved values; return (status, reason) unless it gives its saved result, bit for bit."""
    if event.call.function in UNINITIALISED:
        return None
    reason = find_obstacle(event)
    if reason:
        return "unverified", reason
    try:
        made = _run_event(event, {})
    except Exception as error:
        return "failed", f"running it again raised {type(error).__name__}: {error}"
    saved = [value.tensor for value in event.outputs]
    if len(made) != len(saved):
        return "failed", f"it gave {len(made)} tensors when run again, {len(saved)} were saved"
    for again, before, spec in zip(made, saved, event.specs, strict=True):
        if before is None or again.shape != spec[0] or not equal_bits(again, before):
            return "failed", "run again from its parents' saved values it does not give its saved value"
    return None


def find_obstacle(event: Event) -> str:
    """Return why an op cannot be run again by itself, or an empty string."""
    # It walks the autograd graph rather than its arguments.
    if getattr(event.func, "__module__", "") == "torch.autograd" or event.call.exact == "backward":
        return "it differentiates what was recorded, which a replay of single ops cannot"
    if any(isinstance(arg, torch.Generator) for arg in (*event.args, *event.kwargs.values())):
        return "it draws from a generator of its own, whose state is not kept"
    return ""


def find_fixed(recording: Recording, resized: Collection[int]) -> Callable[[Value], bool]:
    """Return a function that tells whether a value is the same in every pass: no input and no random number feeds it.

    ``resized`` are events whose size follows from values: factories of such a size are not fixed.
    """
    fixed: set[int] = set()

    def is_fixed(value: Value | None) -> bool:
        # What a write left of the value before is still in it.
        while value is not None and value.kind != "input" and (value.kind != "op" or value.source in fixed):
            value = value.previous
        return value is None

    with preserve_random_states(), open_attention(), torch.no_grad():
        for i, event in enumerate(recording.events):
            free = ("0", "input") if event.call.exact in _FACTORIES and i not in resized else ()
            if event.call.function in UNINITIALISED or not all(is_fixed(v) for v, p in event.parents if p not in free):
                continue
            if replay_event(event) is None:
                before, after = event.random_state, read_random_state()
                if all(map(torch.equal, (before[0], *before[1]), (after[0], *after[1]))):
                    fixed.add(i)
    return is_fixed


def perturb_event(event: Event) -> tuple[list[str], list[str]]:
    """Replace each parent op or input in turn by another plausible value and run the op again.

    Returns the positions whose other values left the result as it was, and those for which that is excused, with why.
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
        accepted, refused = False, ""
        for other in make_others(value.tensor):
            if equal_bits(other, value.tensor):
                continue
            try:
                made = _run_event(event, {id(value): other})
            except Exception as error:
                refused = type(error).__name__
                continue
            accepted = True
            if len(made) != len(saved) or not all(equal_bits(a, b) for a, b in zip(made, saved, strict=True)):
                break
        else:
            reason = find_excuse(event, value, position) if accepted else f"no other value was accepted ({refused})"
            indexed = not reason and refused and event.call.function == "getitem"
            if indexed and (value.tensor == value.tensor.max()).all():
                reason = "no other index is in range"
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
        near = [rolled, torch.full_like(tensor, low), torch.full_like(tensor, high)] if high > low else []
        # An index out of range is an error on the CPU; on other devices it would end the process's use of them.
        reach = high - low + 1
        far = [tensor + reach, tensor - reach] if tensor.device.type == "cpu" else []
        return [shifted.to(tensor.dtype), *near, (tensor - 1).abs(), torch.zeros_like(tensor), *far]
    step = _make_steps(tensor)
    scale = float(flat.abs().float().nan_to_num(0, 0, 0).max()) if not tensor.is_complex() else 1.0
    noise = (step * (scale or 1.0)).to(tensor.dtype)
    rolled = flat.roll(1).reshape(tensor.shape)
    others = [tensor + noise, noise.flip(tuple(range(noise.ndim))) * 3 if noise.ndim else noise + 3]
    others += [*(tensor + (step * k).to(tensor.dtype) for k in (1, 1000)), torch.zeros_like(tensor), rolled]
    return [*others, tensor[:1].expand_as(tensor)] if tensor.ndim else others


def renew_input(tensor: torch.Tensor, way: int) -> torch.Tensor:
    """Return a new input in place of ``tensor``.

    By ``way``, 0: the same values drawn unevenly and permuted; 1: other signs, and other sets of zero, positive and
    negative numbers; 2: a little less, for models that accept neither, with all but floating-point numbers kept.
    """
    if not tensor.numel() or tensor.layout != torch.strided:
        return tensor.clone()
    if tensor.is_quantized:
        plain = renew_input(tensor.dequantize(), way)
        return torch.quantize_per_tensor(plain, tensor.q_scale(), tensor.q_zero_point(), tensor.dtype)
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor.clone() if way == 2 else make_others(tensor)[1 - way].clone()
    if way == 2:
        return tensor * 0.75
    if way == 1:
        moved = tensor.abs() * 3 + 0.5
        moved = -moved if tensor.is_complex() or (tensor > 0).any() else moved
        return moved.to(tensor.dtype) * (_make_steps(tensor) > -0.3)
    flat, count = tensor.detach().reshape(-1), torch.arange(tensor.numel(), device=tensor.device)
    drawn = flat[count**2 // tensor.numel()].flip(0).reshape(tensor.shape)
    return make_others(tensor)[0] if equal_bits(drawn, tensor) else drawn


def _make_steps(tensor: torch.Tensor) -> torch.Tensor:
    """Return numbers from -1 to 1 in the tensor's shape."""
    return torch.linspace(-1, 1, tensor.numel(), device=tensor.device, dtype=torch.float32).reshape(tensor.shape)


def find_excuse(event: Event, value: Value, position: str) -> str:
    """Return why an op's result need not depend on a parent, or an empty string."""
    if position == "out":
        return "it is overwritten entirely"
    if event.call.function in SHAPE_OF_SECOND and position != "0":
        return "only its shape or type is used"
    if event.call.function == "scaled_dot_product_attention" and position in ("0", "1", "query", "key"):
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
    if event.call.function in ("copy", "setitem", "index_put", "index_copy", "scatter", "masked_fill", "where"):
        return "it is overwritten entirely or not chosen"
    if all((s == s.reshape(-1)[:1]).all() for s in (v.tensor for v in event.outputs) if s is not None and s.numel()):
        return "the result is constant: everything was clipped, masked or rounded to one value"
    return ""


def run_program(
    recording: Recording, inputs: dict[str, torch.Tensor], follow: Callable[[int, list[torch.Tensor]], None]
) -> list[torch.Tensor]:
    """Run the recorded program on a new tensor for each of ``recording.inputs`` and return its outputs.

    In-place ops work on the program's own tensors, so aliases see each other's changes as they did in the model.
    ``follow`` is called with each event's index and what it made, at once.
    """
    state: dict[int, torch.Tensor] = {}

    def resolve(value: Value) -> torch.Tensor:
        found: Value | None = value
        while found is not None and found.kind == "op" and id(found) not in state:
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
        for i, event in enumerate(recording.events):
            made = _call_function(event, resolve)
            follow(i, made)
            for value, tensor in zip(event.outputs, made, strict=True):
                state[id(value)] = tensor
        return [resolve(value) for value, _ in recording.outputs]


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
    return _call_function(event, resolve)


def _call_function(event: Event, resolve: Callable[[Value], torch.Tensor]) -> list[torch.Tensor]:
    """Call what an event called, with autocast as it was then but for its cache of converted weights."""
    args, kwargs = replace_leaves((event.args, event.kwargs), Value, lambda value, _: resolve(value))
    with ExitStack() as stack:
        for device, dtype in event.random_state[2] if event.random_state is not None else []:
            stack.enter_context(torch.autocast(device, dtype=dtype, cache_enabled=False))
        result = event.func(*args, **kwargs)
    return list(iterate_tensors(args[0] if result is None else result))
