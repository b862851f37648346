"""Is what was recorded what the model computes? Verified, failed or unverified, with the reasons."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.assemble import name_parent
from neurolens.extract.forward import record_forward, record_kernels, run_plain, split_inputs, unwrap_model
from neurolens.extract.guards import open_attention, preserve_buffers, preserve_random_states
from neurolens.extract.kernels import UNSEEN
from neurolens.extract.records import Recording, iterate_tensors, replace_tensors
from neurolens.extract.replay import (
    equal_bits,
    is_differentiation,
    make_others,
    perturb_event,
    replay_event,
    run_program,
)

Finding = tuple[str, str, str, str]


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
    5. *Program*: the recorded ops, run in order on new inputs, give what the model gives on them.
    6. *Host reads*: a value that left torch (``item``, ``bool``, numpy), or a tensor made by something unseen, means
       that the graph does not hold the whole computation: *unverified* rather than true.

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
    Costs five passes and two or three runs of each op, and the memory of all values. Buffers, mode and random state are
    put back.

    Examples
    --------
    >>> import torch
    >>> validate(torch.nn.Linear(4, 3), torch.ones(2, 4)).status
    'verified'
    """
    model = unwrap_model(model)
    refuse_unreadable(inputs, kwargs)
    with preserve_buffers(model):
        plain = run_plain(model, copy_inputs(inputs), kwargs)
    with preserve_buffers(model):
        inputs_used = copy_inputs(inputs)
        recording = record_forward(model, inputs_used, kwargs, random_states=True)
        findings = find_overwritten(recording)
    unseen = find_unseen_tensors(recording, model, inputs_used, kwargs)
    unseen += take_census(model, copy_inputs(inputs), kwargs)
    findings += unseen + compare_program(recording, model, inputs, kwargs, blind=bool(unseen))
    return judge_recording(recording, plain, findings)


def judge_recording(recording: Recording, plain: Any, findings: list[Finding]) -> Verdict:
    """Return the verdict on a recording made with ``random_states=True``, given the plain run's output."""
    findings = list(findings)
    ours, theirs = list(iterate_tensors(recording.result)), list(iterate_tensors(plain))
    if len(ours) != len(theirs) or not all(equal_bits(a, b) for a, b in zip(ours, theirs, strict=True)):
        findings.append(("", "output", "failed", "the recorded pass and a plain pass gave different outputs"))
    if not ours:
        findings.append(("", "output", "unverified", "no tensor was found in what the model returned"))
    n_replayed = 0
    with preserve_random_states(), open_attention(), torch.no_grad():
        for event in recording.events:
            reason = replay_event(event)
            if reason is not None:
                findings.append((event.name, "replay", *reason))
                continue
            n_replayed += 1
            ignored, exempt = perturb_event(event)
            for position in ignored:
                text = f"argument {position} can be changed without changing the result"
                findings.append((event.name, "perturbation", "unverified", text))
            findings += [(event.name, "perturbation", "exempt", f"argument {text}") for text in exempt]
    findings += find_wrong_parents(recording)
    for function, _, source, _, read in recording.host_reads:
        text = f"{function} took a value out of torch at {source} ({str(read)[:40]})"
        findings.append(("", "host read", "unverified", text))
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
    names = [event.name for event in recording.events]
    for i, event in enumerate(recording.events):
        held = {id(v) for v in iterate_values((event.args, event.kwargs))}
        for value, position in event.parents:
            if id(value) not in held or (value.kind == "op" and value.source >= i):
                parent = name_parent(value, position, names).source
                findings.append((event.name, "parents", "failed", f"{parent!r} cannot be its argument {position}"))
    return findings


def iterate_values(arg: Any) -> list:
    """Return the Values in noted arguments."""
    if isinstance(arg, (tuple, list)):
        return [v for a in arg for v in iterate_values(a)]
    if isinstance(arg, dict):
        return [v for a in arg.values() for v in iterate_values(a)]
    return [arg] if hasattr(arg, "previous") else []


def find_unseen_tensors(recording: Recording, model: nn.Module, inputs: Any, kwargs: dict | None) -> list[Finding]:
    """Return a finding for each op fed by a tensor that was made during the pass by something unseen.

    A tensor the model already held (an attribute, a closure) is the same object in a second pass.
    """

    def list_constants(r: Recording) -> dict[tuple[str, str], int]:
        return {(e.name, p): id(v.ref()) for e in r.events for v, p in e.parents if v.kind == "constant"}

    first = list_constants(recording)
    if not first:
        return []
    with preserve_buffers(model):
        repeated = record_forward(model, inputs, kwargs)
        second = list_constants(repeated)
    return [
        (name, "origin", "unverified", f"argument {position} was made during the pass by something unseen")
        for (name, position), identity in first.items()
        if second.get((name, position)) != identity
    ]


def take_census(model: nn.Module, inputs: Any, kwargs: dict | None) -> list[Finding]:
    """Return a finding for each aten kernel that ran while no recorded function did."""
    with preserve_buffers(model):
        recording = record_kernels(model, inputs, kwargs, keep=None)
    unseen = [e for e in recording.events if e.composite.endswith(f"/{UNSEEN}")]
    return [
        (event.name, "census", "unverified", f"kernel {event.call.exact} ran outside every recorded op")
        for event in unseen
    ]


def compare_program(
    recording: Recording, model: nn.Module, inputs: Any, kwargs: dict | None, *, blind: bool
) -> list[Finding]:
    """Return a finding when the recorded ops and the model differ on new inputs.

    Failed, or unverified where the graph is known not to hold everything: host reads, gradients, or ``blind``.
    """
    args, kwargs = split_inputs(inputs, kwargs)
    others = {id(v.tensor): v for v in recording.inputs.values()}
    if not others or not recording.outputs:
        return []
    new: dict[str, torch.Tensor] = {}

    same: dict[int, torch.Tensor] = {}

    def renew(tensor: torch.Tensor, name: str) -> torch.Tensor:
        if id(tensor) in same:
            return same[id(tensor)]
        kinds = make_others(tensor) if tensor.numel() and tensor.layout == torch.strided else [tensor]
        new[name] = kinds[-1].clone() if tensor.is_floating_point() else kinds[1 % len(kinds)].clone()
        same[id(tensor)] = new[name].clone()
        return same[id(tensor)]

    changed_args = replace_tensors(args[0] if len(args) == 1 else args, "input", renew)
    changed_kwargs = replace_tensors(kwargs, "input", renew)
    cut = recording.host_reads or any(map(is_differentiation, recording.events)) or blind
    for name, value in recording.inputs.items():
        # Held by an object of the user's own: it stays as it is, in the model and in the program.
        if name not in new and value.source == name and value.tensor is not None:
            new[name] = value.tensor
    status = "unverified" if cut else "failed"
    try:
        with preserve_buffers(model):
            expected = list(iterate_tensors(run_plain(model, changed_args, changed_kwargs)))
    except Exception:
        return [("", "program", "exempt", "the model does not accept other inputs of the same kind")]
    try:
        found = run_program(recording, new)
    except Exception as error:
        return [("", "program", status, f"the recorded ops raised {type(error).__name__} on new inputs: {error}")]
    if len(found) == len(expected) and all(equal_bits(a, b) for a, b in zip(found, expected, strict=True)):
        return []
    return [("", "program", status, "on new inputs the recorded ops and the model give different outputs")]


def copy_inputs(inputs: Any) -> Any:
    """Return the inputs with each tensor cloned, for models that write into them; one given twice stays one."""
    copies: dict[int, torch.Tensor] = {}

    def copy(tensor: torch.Tensor, _: str) -> torch.Tensor:
        return copies.setdefault(id(tensor), tensor.detach().clone())

    return replace_tensors(inputs, "", copy)
