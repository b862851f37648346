"""Values and sizes that Python read, which steer a pass and which the graph does not hold."""

import gc
import types
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import torch

from neurolens.extract.capture.events import (
    Event,
    Recording,
    Value,
    read_random_state,
    read_storage,
)
from neurolens.extract.capture.forward import ModelCall
from neurolens.extract.capture.restore import (
    PROCESS_GENERATORS,
    open_attention,
    preserve_random_states,
)
from neurolens.extract.capture.trees import iterate_tensors
from neurolens.extract.validation.findings import Finding
from neurolens.extract.validation.replay import UNINITIALISED, replay_event

# Reads of two tensors, of which only the first is noted.
_COMPARISONS = frozenset("equal allclose __contains__".split())
# New tensors whose values do not follow from those of their first argument.
_FACTORIES = frozenset("zeros_like ones_like full_like new_zeros new_ones new_full".split())
# What an input refers to without being made of it.
_NOT_SEARCHED = (type, types.ModuleType, types.FrameType, torch.nn.Module)
_MOST_OBJECTS = 10_000


class ReadSite(NamedTuple):
    """A function that read a value into Python, and ``file:line`` of where."""

    function: str
    source: str


def find_fixed(recording: Recording, resized: Collection[int]) -> Callable[[Value], bool]:
    """Return a function that tells whether a value is the same in every pass.

    It is when no input and no random number feeds it. ``resized`` are events whose size follows
    from values: factories of such a size are not fixed.
    """
    fixed: set[int] = set()

    def is_fixed(value: Value | None) -> bool:
        # A write may leave parts of the earlier value.
        while value is not None and _is_fixed_itself(value, fixed):
            value = value.previous
        return value is None

    with preserve_random_states(), open_attention(), torch.no_grad():
        for i, event in enumerate(recording.events):
            if _has_fixed_parents(event, is_fixed, i in resized) and _draws_nothing(event):
                fixed.add(i)
    return is_fixed


def _is_fixed_itself(value: Value, fixed: Collection[int]) -> bool:
    """Return whether what made a value is the same in every pass, its earlier content aside."""
    if value.kind == "input":
        return False
    return value.kind != "op" or value.source in fixed


def _has_fixed_parents(event: Event, is_fixed: Callable[[Value], bool], is_resized: bool) -> bool:
    if event.call.function in UNINITIALISED:
        return False
    is_factory = event.call.exact in _FACTORIES and not is_resized
    unread = ("0", "input") if is_factory else ()
    return all(is_fixed(value) for value, position in event.parents if position not in unread)


def _draws_nothing(event: Event) -> bool:
    """Return whether an op gives its saved value again and leaves the generators unchanged."""
    if replay_event(event) is not None:
        return False
    before = event.random_state
    after = read_random_state()
    if before is None or len(before.cuda) != len(after.cuda):
        return False
    return all(map(torch.equal, (before.cpu, *before.cuda), (after.cpu, *after.cuda)))


def find_steering(recording: Recording, resized: Collection[int]) -> set[ReadSite]:
    """Return the host reads that another input could change."""
    is_fixed = find_fixed(recording, resized) if recording.host_reads else bool
    sites = set()
    for read in recording.host_reads:
        if read.function in _COMPARISONS or not is_fixed(read.value):
            sites.add(ReadSite(read.function, read.source))
    return sites


def list_fixed(recording: Recording) -> dict[int, torch.Tensor]:
    """Return the tensors, by id, that are the same in every pass.

    These are the model's own and those made from no input.
    """
    is_fixed = find_fixed(recording, ())
    tensors = {}
    for value in _iterate_values(recording):
        tensor = value.ref()
        if tensor is not None and is_fixed(value):
            tensors[id(tensor)] = tensor
    return tensors


def _iterate_values(recording: Recording) -> Iterator[Value]:
    for event in recording.events:
        for parent, _ in event.parents:
            yield parent
        yield from event.outputs


def find_unseen(
    recording: Recording, fixed: dict[int, torch.Tensor], earlier_reads: set[ReadSite]
) -> list[Finding]:
    """Return a finding for each op fed by a tensor that no recorded op made.

    Such a tensor was made by unrecorded code during the pass, or in an earlier pass. ``fixed`` are
    the fixed tensors of an earlier pass, ``earlier_reads`` the host reads that steered that: a
    tensor that the model holds (an attribute, a closure), or made once from no input, existed in
    the earlier pass. A host read that was not repeated may have been kept, too.
    """
    text = "was made during the pass by something unseen, or kept from an earlier pass"
    findings = []
    for event in recording.events:
        for value, position in event.parents:
            if value.kind == "constant" and id(value.ref()) not in fixed:
                reason = f"argument {position} {text}"
                findings.append(Finding(event.name, "origin", "unverified", reason))
    reads = {ReadSite(read.function, read.source) for read in recording.host_reads}
    for function, source in earlier_reads - reads:
        reason = f"{function} at {source} ran in an earlier pass only"
        findings.append(Finding("", "host read", "unverified", reason))
    return findings


def find_draws(recording: Recording) -> list[Finding]:
    """Return a finding for each random generator held by the model that the pass drew from."""
    findings = []
    for address in recording.drawn:
        if address not in PROCESS_GENERATORS:
            reason = f"random numbers come from {address!r}, which the model holds: not recorded"
            findings.append(Finding("", "random", "unverified", reason))
    return findings


def find_history(recording: Recording) -> list[Finding]:
    """Return a finding for each thing of the model that the pass changed.

    It is exempt where it was put back.
    """
    findings = []
    for address in recording.changed:
        if address in recording.depends_on_history:
            reason = "and it could not be put back: later passes follow from this one"
            findings.append(
                Finding("", "history", "unverified", f"the pass changed {address!r} {reason}")
            )
        else:
            reason = "which was put back: every pass here begins with the same state"
            findings.append(
                Finding("", "history", "exempt", f"the pass changed {address!r}, {reason}")
            )
    return findings


def find_unseen_inputs(recording: Recording, call: ModelCall) -> list[Finding]:
    """Return a finding where the model's arguments hold tensors that are not followed, or none.

    What objects hold is searched wherever it is: in slots, sets and closures too.
    """
    if not recording.inputs:
        reason = "no tensor was found in what the model was called with: no input was changed"
        return [Finding("", "inputs", "unverified", reason)]
    followed = {read_storage(tensor) for tensor in iterate_tensors((call.args, call.kwargs))}
    n_hidden = 0
    for tensor in find_held_tensors((call.args, call.kwargs)):
        n_hidden += read_storage(tensor) not in followed
    if not n_hidden:
        return []
    reason = f"{n_hidden} tensors within the inputs are not followed; pass them as arguments"
    return [Finding("", "inputs", "unverified", reason)]


def find_held_tensors(tree: Any) -> list[torch.Tensor]:
    """Return the tensors that an object refers to, over any number of others, up to a limit."""
    seen: set[int] = set()
    tensors = []
    waiting = [tree]
    while waiting and len(seen) < _MOST_OBJECTS:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, _NOT_SEARCHED):
            continue
        seen.add(id(one))
        if isinstance(one, torch.Tensor):
            tensors.append(one)
        elif isinstance(one, types.FunctionType):
            waiting += one.__closure__ or ()
        else:
            waiting += gc.get_referents(one)
    return tensors


def judge_host_reads(recording: Recording, resized: Collection[int]) -> list[Finding]:
    """Return a finding for each value that left torch, exempt where it is fixed."""
    steering = find_steering(recording, resized)
    findings = []
    for read in recording.host_reads:
        result = str(read.result)[:40]
        reason = f"{read.function} took a value out of torch at {read.source} ({result})"
        status = "unverified"
        if ReadSite(read.function, read.source) not in steering:
            status = "exempt"
            reason += "; no input feeds it, so it is the same in every pass"
        findings.append(Finding("", "host read", status, reason))
    return findings
