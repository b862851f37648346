"""Is what was recorded what the model computes? Verified, failed or unverified, with the reasons."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import pandas as pd
import torch
from torch import nn

from neurolens.errors import InputError, RecordingError
from neurolens.extract import replay
from neurolens.extract.assemble import name_parent
from neurolens.extract.forward import record_forward, record_kernels, run_plain, split_inputs, unwrap_model
from neurolens.extract.guards import PROCESS_GENERATORS, open_attention, preserve_buffers, preserve_random_states
from neurolens.extract.kernels import UNSEEN
from neurolens.extract.records import Event, Recording, Value, iterate_tensors, read_storage, replace_leaves

Finding = tuple[str, str, str, str]
# Reads of two tensors, of which only the first is noted.
_COMPARISONS = frozenset("equal allclose __contains__".split())


@dataclass(frozen=True)
class Verdict:
    """What validation found.

    Attributes
    ----------
    status : str
        ``"verified"``: everything checked holds. ``"failed"``: something recorded is wrong. ``"unverified"``:
        nothing is wrong, but something could not be checked.
    n_ops, n_replayed : int
        Ops recorded, and those that gave their saved value again, bit for bit, from their parents' saved values.
    reasons : DataFrame
        One row per finding: ``op``, ``check``, ``status`` (``"failed"``, ``"unverified"`` or ``"exempt"``), ``reason``.
    """

    status: str
    n_ops: int
    n_replayed: int
    reasons: pd.DataFrame

    def __repr__(self) -> str:
        text = f"{self.status}: {self.n_replayed} of {self.n_ops} ops replayed bit for bit"
        shown = self.reasons[self.reasons.status != "exempt"]
        for row in shown.head(5).itertuples():
            text += f"\n  {row.status} ({row.check}) {row.op}: {row.reason}"
        return text + (f"\n  and {len(shown) - 5} more in .reasons" if len(shown) > 5 else "")


def validate(model: nn.Module, inputs: Any, *, kwargs: dict | None = None) -> Verdict:
    """Check a recording against the model itself.

    1. *Output*: a plain and a recorded pass from the same random state give the same output, bit for bit.
    2. *Census*: every aten kernel that ran did so inside a recorded op.
    3. *Replay*: each op, run again from its parents' saved values, gives its saved value, bit for bit.
    4. *Perturbation*: with another plausible value in place of a parent op, the result changes; exempt, with a written
       reason, where it cannot.
    5. *Program*: the recorded ops, run in order on two new inputs, give what each op of the model gives on them.
    6. *Host reads*: a value that left torch (``item``, ``bool``, numpy), a size that follows from values and was read,
       or a tensor made by something unseen, means that the graph does not hold the whole computation: *unverified*
       rather than true. A value that no input and no random number feeds is the same in every pass, and exempt.

    Parameters
    ----------
    model, inputs, kwargs
        As for `trace`.

    Returns
    -------
    Verdict

    Raises
    ------
    RecordingError
        When the model raises.

    Notes
    -----
    Costs six passes (one more where plain passes differ, and for each new input that the model refuses; four where a
    value read by Python steers the pass), two or three runs of each op, and the memory of all values twice. Buffers,
    mode and random states are put back, those of generators that the model's modules hold included; a model that draws
    from such a generator is unverified.

    Examples
    --------
    >>> import torch
    >>> validate(torch.nn.Linear(4, 3), torch.ones(2, 4)).status
    'verified'
    """
    model = unwrap_model(model)
    refuse_unreadable(inputs, kwargs)
    # Ops that are run again may draw from generators that the model holds.
    with preserve_random_states(model):
        return _check_model(model, inputs, kwargs)


def _check_model(model: nn.Module, inputs: Any, kwargs: dict | None) -> Verdict:
    with preserve_buffers(model):
        earlier = record_forward(model, copy_inputs(inputs), kwargs, random_states=True)
    held, reads = list_fixed(earlier), find_steering(earlier, ())
    del earlier
    with preserve_buffers(model):
        plain = run_plain(model, copy_inputs(inputs), kwargs)
    with preserve_buffers(model):
        recording = record_forward(model, copy_inputs(inputs), kwargs, random_states=True)
        findings = find_overwritten(recording)
        keep_buffer_views(recording, model)
    unseen = find_unseen(recording, held, reads)
    if not equal_results(recording.result, plain):
        with preserve_buffers(model):
            again = run_plain(model, copy_inputs(inputs), kwargs)
        if not equal_results(again, plain):
            unseen.append(("", "output", "unverified", "plain passes on one input differ: it cannot be compared"))
            plain = recording.result
    unseen += find_draws(recording)
    unseen += take_census(model, copy_inputs(inputs), kwargs)
    program, resized = compare_program(recording, model, inputs, kwargs, blind=bool(unseen))
    return judge_recording(recording, plain, findings + unseen + program, resized)


def judge_recording(recording: Recording, plain: Any, findings: list[Finding], resized: Collection = ()) -> Verdict:
    """Return the verdict on a recording with ``random_states``: given the plain output, findings, resized events."""
    findings = list(findings)
    if not equal_results(recording.result, plain):
        findings.append(("", "output", "failed", "the recorded pass and a plain pass gave different outputs"))
    if not any(True for _ in iterate_tensors(recording.result)):
        findings.append(("", "output", "unverified", "no tensor was found in what the model returned"))
    n_replayed = 0
    with preserve_random_states(), open_attention(), torch.no_grad():
        for event in recording.events:
            reason = replay.replay_event(event)
            if reason is not None:
                findings.append((event.name, "replay", *reason))
                continue
            n_replayed += 1
            ignored, exempt = replay.perturb_event(event)
            for position in ignored:
                text = f"argument {position} can be changed without changing the result"
                findings.append((event.name, "perturbation", "unverified", text))
            findings += [(event.name, "perturbation", "exempt", f"argument {text}") for text in exempt]
    findings += find_wrong_parents(recording)
    steering = find_steering(recording, resized)
    for function, _, source, _, read in recording.host_reads:
        free = (function, source) not in steering
        text = f"{function} took a value out of torch at {source} ({str(read)[:40]})"
        text += "; no input feeds it, so it is the same in every pass" if free else ""
        findings.append(("", "host read", "exempt" if free else "unverified", text))
    statuses = {row[2] for row in findings}
    status = "failed" if "failed" in statuses else "unverified" if "unverified" in statuses else "verified"
    table = pd.DataFrame(findings, columns=["op", "check", "status", "reason"])
    return Verdict(status, len(recording.events), n_replayed, table)


def refuse_unreadable(inputs: Any, kwargs: dict | None) -> None:
    """Raise InputError for inputs whose values cannot be compared bit for bit."""
    for tensor in iterate_tensors((inputs, kwargs)):
        if tensor.is_meta:
            raise InputError(
                "validation compares values, and a meta tensor has none. Pass inputs with values; trace accepts these."
            )
        if tensor.is_nested:
            raise InputError(
                "validation makes new inputs of the same shape, and a nested tensor has none. "
                "Pass a padded tensor, and a mask if the model takes one."
            )


def find_overwritten(recording: Recording) -> list[Finding]:
    """Return a finding for each kept value that is still the live tensor but was written to since."""
    reason = "its saved value was changed in place by something unseen"
    return [
        (event.name, "overwritten", "failed", reason)
        for event in recording.events
        for value in event.outputs
        if value.tensor is not None
        and value.tensor is value.ref()
        and value.version >= 0
        and value.tensor._version != value.version
    ]


def find_wrong_parents(recording: Recording) -> list[Finding]:
    """Return a finding for each parent that runs after its child, or that the noted arguments do not hold."""
    findings = []
    held: list[Value] = []
    names = [event.name for event in recording.events]
    for i, event in enumerate(recording.events):
        held.clear()
        replace_leaves((event.args, event.kwargs), Value, lambda value, _: held.append(value))
        for value, position in event.parents:
            if value not in held or (value.kind == "op" and value.source >= i):
                parent = name_parent(value, position, names).source
                findings.append((event.name, "parents", "failed", f"{parent!r} cannot be its argument {position}"))
    return findings


def find_steering(recording: Recording, resized: Collection[int]) -> set[tuple[str, str]]:
    """Return (function, place) of the host reads that another input could change."""
    is_fixed = replay.find_fixed(recording, resized) if recording.host_reads else bool
    return {(r[0], r[2]) for r in recording.host_reads if r[0] in _COMPARISONS or not is_fixed(r[1])}


def list_fixed(recording: Recording) -> dict[int, torch.Tensor]:
    """Return the tensors, by id, that are the same in every pass: the model's own, and those made from no input."""
    is_fixed = replay.find_fixed(recording, ())
    values = [v for e in recording.events for v in (*(parent for parent, _ in e.parents), *e.outputs)]
    return {id(live): live for v in values if (live := v.ref()) is not None and is_fixed(v)}


def find_unseen(recording: Recording, held: dict[int, torch.Tensor], reads: set[tuple[str, str]]) -> list[Finding]:
    """Return a finding for each op fed by a tensor that something unseen made, or that an earlier pass left.

    ``held`` are the fixed tensors of an earlier pass, ``reads`` the host reads that steered it: a tensor that the model
    holds (an attribute, a closure), or made once from no input, was there in the earlier pass. A host read that was not
    repeated may have been kept, too.
    """
    text = "was made during the pass by something unseen, or kept from an earlier pass"
    unseen = [
        (event.name, "origin", "unverified", f"argument {position} {text}")
        for event in recording.events
        for value, position in event.parents
        if value.kind == "constant" and id(value.ref()) not in held
    ]
    lost = reads - {(read[0], read[2]) for read in recording.host_reads}
    return unseen + [("", "host read", "unverified", f"{f} at {at} ran in an earlier pass only") for f, at in lost]


def find_draws(recording: Recording) -> list[Finding]:
    """Return a finding for each random generator held by the model that the pass drew from."""
    return [
        ("", "random", "unverified", f"random numbers come from {address!r}, which the model holds: not recorded")
        for address in recording.drawn
        if address not in PROCESS_GENERATORS
    ]


def keep_buffer_views(recording: Recording, model: nn.Module) -> None:
    """Clone kept values that are views of the model's buffers, which are about to be put back."""
    storages = {read_storage(buffer) for buffer in model.buffers()}
    for value in (v for event in recording.events for v in event.outputs):
        if value.tensor is not None and value.storage in storages:
            value.tensor = value.tensor.detach().clone()


def equal_results(a: Any, b: Any) -> bool:
    """Return whether two results hold the same tensors, bit for bit."""
    ours, theirs = list(iterate_tensors(a)), list(iterate_tensors(b))
    return len(ours) == len(theirs) and all(map(replay.equal_bits, ours, theirs))


def take_census(model: nn.Module, inputs: Any, kwargs: dict | None) -> list[Finding]:
    """Return a finding for each aten kernel that ran while no recorded function did."""
    try:
        with preserve_buffers(model):
            recording = record_kernels(model, inputs, kwargs, keep=None)
    except RecordingError as error:
        return [("", "census", "unverified", f"the kernels could not be watched: {error}")]
    return [
        (event.name, "census", "unverified", f"kernel {event.call.exact} ran outside every recorded op")
        for event in recording.events
        if event.composite.endswith(f"/{UNSEEN}")
    ]


def compare_program(
    recording: Recording, model: nn.Module, inputs: Any, kwargs: dict | None, *, blind: bool
) -> tuple[list[Finding], set[int]]:
    """Return findings where the recorded ops and the model differ on new inputs, and the events that changed size.

    Failed, or unverified where the graph is known not to hold everything: sizes that follow from values, gradients,
    generators, or ``blind``. Nothing is run where a host read steers the pass: on other inputs it may never end.
    """
    resized: set[int] = set()
    if not recording.inputs or not recording.outputs or find_steering(recording, ()):
        return [], resized
    found: list[Finding | None] = []
    for way in range(3):
        args, new = renew_inputs(recording, inputs, kwargs, way)
        try:
            with preserve_buffers(model):
                expected = record_forward(model, *args)
        except RecordingError:
            continue
        found.append(run_again(recording, expected, new, resized))
        if len(found) == 2:
            break
    if not found:
        return [("", "program", "exempt", "the model does not accept other inputs of the same kind")], resized
    steers = "sizes read from values steer the pass unseen"
    cut = blind or bool(resized) or any(map(replay.find_obstacle, recording.events))
    findings = [
        (name, check, "unverified" if cut else status, f"{reason} ({steers})" if resized else reason)
        for name, check, status, reason in dict.fromkeys(row for row in found if row is not None)
    ]
    read = resized & {v.source for v in recording.size_reads if v.kind == "op"}
    text = f"its size follows from values and was read by Python: {steers}"
    return findings + [(recording.events[i].name, "program", "unverified", text) for i in sorted(read)], resized


def renew_inputs(recording: Recording, inputs: Any, kwargs: dict | None, way: int) -> tuple[tuple, dict]:
    """Return new (inputs, kwargs) for the model, and the same tensors by name for the program."""
    args, kwargs = split_inputs(inputs, kwargs)
    made: dict[int, torch.Tensor] = {}
    reached: set[str] = set()

    def renew(tensor: torch.Tensor, name: str) -> torch.Tensor:
        reached.add(name)
        return made.setdefault(id(tensor), replay.renew_input(tensor, way))

    given = args[0] if len(args) == 1 else args
    changed = [replace_leaves(tree, torch.Tensor, renew, "input") for tree in (given, kwargs)]
    # What an object of the user's own holds stays as it is, in the model and in the program.
    tensors = {v.source: v.tensor for v in recording.inputs.values() if v.tensor is not None}
    new = {name: replay.renew_input(t, way) if name in reached else t for name, t in tensors.items()}
    return (changed[0] if args else None, changed[1]), new


def run_again(recording: Recording, expected: Recording, inputs: dict, resized: set[int]) -> Finding | None:
    """Run the recorded ops on new inputs, adding to ``resized``; return how the first op differs from the model's."""
    events = recording.events
    alike = list(takewhile(lambda pair: pair[0].name == pair[1].name, zip(events, expected.events, strict=False)))
    resized.update(i for i, (a, b) in enumerate(alike) if [s[0] for s in a.specs] != [s[0] for s in b.specs])
    if len(alike) < max(len(events), len(expected.events)):
        return "", "program", "unverified", "on new inputs the model runs other ops: something unseen steers the pass"
    differing: list[str] = []
    unset: set[int] = set()

    def follow(i: int, made: list[torch.Tensor]) -> None:
        event, other = events[i], expected.events[i]
        if event.call.function in replay.UNINITIALISED or any(
            v.kind == "op" and v.source in unset for v, _ in event.parents
        ):
            unset.add(i)
            return
        values = [v.tensor for v in other.outputs]
        if not equal_results(made, values) or describe_place(event) != describe_place(other):
            differing.append(event.name)

    try:
        outputs = replay.run_program(recording, inputs, follow)
    except Exception as error:
        return "", "program", "failed", f"the recorded ops raised {type(error).__name__} on new inputs: {error}"
    if differing or not equal_results(outputs, expected.result):
        text = "on new inputs the recorded ops and the model differ in values, parents or modules"
        return (differing or [""])[0], "program", "failed", text
    return None


def describe_place(event: Event) -> tuple:
    """Return the module call an op ran in and what fed it."""
    parents = [(v.kind, v.source, v.output, position) for v, position in event.parents]
    return event.scope.address, event.scope.call, parents


def copy_inputs(inputs: Any) -> Any:
    """Return the inputs with each tensor cloned, for models that write into them; one given twice stays one."""
    copies: dict[int, torch.Tensor] = {}

    def copy(tensor: torch.Tensor, _: str) -> torch.Tensor:
        return copies.setdefault(id(tensor), tensor.detach().clone())

    return replace_leaves(inputs, torch.Tensor, copy)
