"""Running recorded ops again: one by one from saved values, with a changed parent.

Or as a whole program.
"""

from collections.abc import Callable, Collection
from contextlib import ExitStack

import torch

from neurolens.extract.capture.events import Event, Recording, Value, read_random_state
from neurolens.extract.capture.restore import open_attention, preserve_random_states
from neurolens.extract.capture.trees import iterate_tensors, replace_leaves

UNINITIALISED = frozenset(
    {"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"}
)
# New tensors whose values do not follow from those of their first argument.
_FACTORIES = frozenset("zeros_like ones_like full_like new_zeros new_ones new_full".split())


def replay_event(event: Event) -> tuple[str, str] | None:
    """Run one op again from saved values; return (status.

    Reason) unless it gives its saved result, bit for bit.
    """
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
            return (
                "failed",
                "run again from its parents' saved values it does not give its saved value",
            )
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
        while (
            value is not None
            and value.kind != "input"
            and (value.kind != "op" or value.source in fixed)
        ):
            value = value.previous
        return value is None

    with preserve_random_states(), open_attention(), torch.no_grad():
        for i, event in enumerate(recording.events):
            free = ("0", "input") if event.call.exact in _FACTORIES and i not in resized else ()
            if event.call.function in UNINITIALISED or not all(
                is_fixed(v) for v, p in event.parents if p not in free
            ):
                continue
            if replay_event(event) is None:
                before = event.random_state
                after = read_random_state()
                if all(map(torch.equal, (before[0], *before[1]), (after[0], *after[1]))):
                    fixed.add(i)
    return is_fixed


def run_program(
    recording: Recording,
    inputs: dict[str, torch.Tensor],
    follow: Callable[[int, list[torch.Tensor]], None],
) -> list[torch.Tensor]:
    """Run the recorded program on a new tensor for each of ``recording.inputs`` and return its outputs.

    In-place ops work on the program's own tensors, so aliases see each other's changes as they did
    in the model. ``follow`` is called with each event's index and what it made, at once.
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
                state[id(found)] = (
                    found.tensor.clone() if found.kind == "buffer" or live is None else found.tensor
                )
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
    """Run an event on its parents' saved values, some of them replaced.

    What it writes to are copies.
    """
    fresh = (
        event.call.mutates
        or event.call.writes
        or event.call.updates_statistics
        or "out" in event.kwargs
    )
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
    """Call what an event called.

    With autocast as it was then but for its cache of converted weights.
    """
    args, kwargs = replace_leaves(
        (event.args, event.kwargs), Value, lambda value, _: resolve(value)
    )
    with ExitStack() as stack:
        for device, dtype in event.random_state[2] if event.random_state is not None else []:
            stack.enter_context(torch.autocast(device, dtype=dtype, cache_enabled=False))
        result = event.func(*args, **kwargs)
    return list(iterate_tensors(args[0] if result is None else result))
