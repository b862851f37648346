"""Recorded ops run again: one by one from saved values, or as a whole program."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import torch

from neurolens.errors import tell_error
from neurolens.extract.capture.events import Event, Recording, Value
from neurolens.extract.capture.restore import open_attention, preserve_random_states
from neurolens.extract.capture.trees import iterate_tensors, replace_leaves

UNINITIALISED = frozenset(
    "empty empty_like new_empty empty_strided new_empty_strided empty_permuted".split()
)


class Obstacle(NamedTuple):
    """Why an op did not give its saved value: ``status`` is ``"failed"`` or ``"unverified"``."""

    status: str
    reason: str


def replay_event(event: Event) -> Obstacle | None:
    """Run one op again from saved values; return None if it gives its saved value, bit for bit."""
    if event.call.function in UNINITIALISED:
        return None
    reason = find_obstacle(event)
    if reason:
        return Obstacle("unverified", reason)
    try:
        tensors = run_event(event, {})
    except Exception as error:
        reason = f"running it again raised {type(error).__name__}: {tell_error(error)}"
        return Obstacle("failed", reason)
    saved = [value.tensor for value in event.outputs]
    if len(tensors) != len(saved):
        reason = f"it gave {len(tensors)} tensors when run again, {len(saved)} were saved"
        return Obstacle("failed", reason)
    for tensor, before, spec in zip(tensors, saved, event.specs, strict=True):
        if before is None or tensor.shape != spec.shape or not equal_bits(tensor, before):
            reason = "run again from its parents' saved values it does not give its saved value"
            return Obstacle("failed", reason)
    return None


def find_obstacle(event: Event) -> str:
    """Return why an op cannot be run again by itself, or an empty string."""
    # It reads the autograd graph rather than its arguments.
    if getattr(event.func, "__module__", "") == "torch.autograd" or event.call.exact == "backward":
        return "it differentiates what was recorded, which a replay of single ops cannot"
    if any(isinstance(arg, torch.Generator) for arg in (*event.args, *event.kwargs.values())):
        return "it draws from a generator of its own, whose state is not kept"
    return ""


def run_program(
    recording: Recording,
    inputs: dict[str, torch.Tensor],
    follow: Callable[[int, list[torch.Tensor]], None],
) -> list[torch.Tensor]:
    """Run the recorded ops on a new tensor for each of ``recording.inputs``; return the outputs.

    In-place ops work on the program's own tensors, so aliases see each other's changes as they did
    in the model. ``follow`` is called with each event's index and what it made, at once.
    """
    state: dict[int, torch.Tensor] = {}

    def resolve(value: Value) -> torch.Tensor:
        current: Value | None = value
        while current is not None and current.kind == "op" and id(current) not in state:
            current = current.previous
        if current is None:
            raise LookupError(f"a value of op {value.source} was made by nothing in the program")
        if id(current) not in state:
            _begin_value(current, inputs, state)
        return state[id(current)]

    with preserve_random_states(), open_attention(), torch.no_grad():
        for i, event in enumerate(recording.events):
            tensors = call_event(event, resolve)
            follow(i, tensors)
            for value, tensor in zip(event.outputs, tensors, strict=True):
                state[id(value)] = tensor
        return [resolve(value) for value, _ in recording.outputs]


def _begin_value(
    value: Value, inputs: dict[str, torch.Tensor], state: dict[int, torch.Tensor]
) -> None:
    """Put a value that no op of the program makes into its state: an input or the model's own."""
    if value.kind == "input":
        state[id(value)] = inputs[value.source].clone()
    elif value.tensor is not None:
        # What was overwritten during the pass is overwritten by the program too.
        is_copied = value.kind == "buffer" or value.tensor is not value.ref()
        state[id(value)] = value.tensor.clone() if is_copied else value.tensor


def equal_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two tensors have equal shape, dtype and values, NaN equal to NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.layout != torch.strided or b.layout != torch.strided:
        return a.layout == b.layout and equal_bits(a.to_dense(), b.to_dense())
    if a.is_meta or b.is_meta:
        return a.is_meta and b.is_meta
    if is_small_float(a):
        return bool(torch.equal(_read_bytes(a), _read_bytes(b)))
    if torch.equal(a, b):
        return True
    if not (a.is_floating_point() or a.is_complex()):
        return False
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


def is_small_float(tensor: torch.Tensor) -> bool:
    """Return whether a tensor holds numbers of eight bits or fewer, which few kernels accept."""
    return tensor.is_floating_point() and tensor.element_size() == 1


def _read_bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().contiguous().view(torch.uint8)


def run_event(event: Event, replaced: dict[int, torch.Tensor]) -> list[torch.Tensor]:
    """Run an event on its parents' saved values, those in ``replaced`` by id of the value replaced.

    Values that it writes to are copied first.
    """
    call = event.call
    writes = call.mutates or call.writes or call.updates_statistics or "out" in event.kwargs
    shared: dict[int, torch.Tensor] = {}

    def resolve(value: Value) -> torch.Tensor:
        if id(value) not in shared:
            tensor = replaced.get(id(value), value.tensor)
            assert tensor is not None, "events are replayed with all values kept"
            shared[id(value)] = tensor.clone() if writes else tensor
        return shared[id(value)]

    state = event.random_state
    if state is not None:
        torch.set_rng_state(state.cpu)
        if state.cuda:
            torch.cuda.set_rng_state_all(state.cuda)
    return call_event(event, resolve)


def call_event(event: Event, resolve: Callable[[Value], torch.Tensor]) -> list[torch.Tensor]:
    """Call what an event called, with autocast as it was then but without its weight cache."""
    args, kwargs = replace_leaves(
        (event.args, event.kwargs), Value, lambda value, _: resolve(value)
    )
    with ExitStack() as stack:
        autocast = event.random_state.autocast if event.random_state is not None else []
        for device, dtype in autocast:
            stack.enter_context(torch.autocast(device, dtype=dtype, cache_enabled=False))
        result = event.func(*args, **kwargs)
    return list(iterate_tensors(args[0] if result is None else result))
