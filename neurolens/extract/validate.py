"""Is what was recorded what the model computes? Verified, failed or unverified, with the reasons."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import nn

from neurolens.extract.forward import record_forward, run_plain
from neurolens.extract.guards import open_attention, preserve_buffers, preserve_random_states
from neurolens.extract.records import Event, Recording, Value, iterate_tensors

_UNINITIALISED = frozenset({"empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided"})


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
        One row per finding: ``op``, ``check``, ``status``, ``reason``.
    """

    status: str
    n_ops: int
    n_replayed: int
    reasons: pd.DataFrame

    def __repr__(self) -> str:
        text = f"{self.status}: {self.n_replayed} of {self.n_ops} ops replayed bit for bit"
        for row in self.reasons.head(5).itertuples():
            text += f"\n  {row.status} ({row.check}) {row.op}: {row.reason}"
        return text + (f"\n  and {len(self.reasons) - 5} more in .reasons" if len(self.reasons) > 5 else "")


def validate(model: nn.Module, inputs: Any, *, kwargs: dict | None = None) -> Verdict:
    """Check a recording against the model itself.

    The model runs plainly and recorded, from the same random state: outputs must be equal bit for bit. Then each
    recorded op runs again from the saved values of its parents and must give its saved value, bit for bit.
    A kept value that something changed unseen fails. A value that left torch (``item``, ``bool``, numpy) or a tensor
    made by something unseen makes the verdict *unverified*: the graph does not hold the whole computation.

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
    Costs two passes and a replay, and the memory of all values. Buffers, mode and random state are put back.

    Examples
    --------
    >>> import torch
    >>> validate(torch.nn.Linear(4, 3), torch.ones(2, 4)).status
    'verified'
    """
    with preserve_buffers(model):
        plain = run_plain(model, inputs, kwargs)
    with preserve_buffers(model):
        recording = record_forward(model, inputs, kwargs, random_states=True)
        findings = _find_overwritten(recording)
    return judge_recording(recording, plain, findings + _find_unseen_tensors(recording, model, inputs, kwargs))


def judge_recording(recording: Recording, plain: Any, findings: list[tuple[str, str, str, str]]) -> Verdict:
    """Return the verdict on a recording made with ``random_states=True``, given the plain run's output."""
    findings = list(findings)
    ours, theirs = list(iterate_tensors(recording.result)), list(iterate_tensors(plain))
    if len(ours) != len(theirs) or not all(equal_bits(a, b) for a, b in zip(ours, theirs, strict=True)):
        findings.append(("", "output", "failed", "the recorded pass and a plain pass gave different outputs"))
    n_replayed = 0
    with preserve_random_states(), open_attention(), torch.no_grad():
        for event in recording.events:
            reason = _replay_event(event)
            if reason is None:
                n_replayed += 1
            else:
                findings.append((event.name, "replay", *reason))
    for function, _, source, _, _ in recording.host_reads:
        findings.append(("", "host read", "unverified", f"{function} took a value out of torch at {source}"))
    statuses = {row[2] for row in findings}
    status = "failed" if "failed" in statuses else "unverified" if "unverified" in statuses else "verified"
    table = pd.DataFrame(findings, columns=["op", "check", "status", "reason"])
    return Verdict(status, len(recording.events), n_replayed, table)


def equal_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two tensors have equal shape, dtype and values, NaN equal to NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if torch.equal(a, b):
        return True
    if not (a.is_floating_point() or a.is_complex()):
        return False
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


def _replay_event(event: Event) -> tuple[str, str] | None:
    """Run one op again from saved values; return (status, reason) unless it gives its saved result."""
    if event.call.function in _UNINITIALISED:
        return None
    fresh = event.call.mutates or event.call.updates_statistics or "out" in event.kwargs
    clone: Callable = (lambda t: t.clone()) if fresh else (lambda t: t)
    shared: dict[int, torch.Tensor] = {}
    try:
        args = _restore_values(event.args, clone, shared)
        kwargs = _restore_values(event.kwargs, clone, shared)
        if event.random_state is not None:
            torch.set_rng_state(event.random_state[0])
            if event.random_state[1]:
                torch.cuda.set_rng_state_all(event.random_state[1])
        result = event.func(*args, **kwargs)
    except Exception as error:
        return "failed", f"running it again raised {type(error).__name__}: {error}"
    made = list(iterate_tensors(args[0] if result is None else result))
    saved = [value.tensor for value in event.outputs]
    if len(made) != len(saved):
        return "failed", f"it gave {len(made)} tensors when run again, {len(saved)} were saved"
    for again, before in zip(made, saved, strict=True):
        if before is None or not equal_bits(again, before):
            return "failed", "run again from its parents' saved values it does not give its saved value"
    return None


def _restore_values(arg: Any, clone: Callable, shared: dict[int, torch.Tensor]) -> Any:
    if isinstance(arg, Value):
        if id(arg) not in shared:
            shared[id(arg)] = clone(arg.tensor)
        return shared[id(arg)]
    kind = type(arg)
    if kind is tuple or kind is list:
        return kind(_restore_values(a, clone, shared) for a in arg)
    if kind is dict:
        return {k: _restore_values(a, clone, shared) for k, a in arg.items()}
    return arg


def _find_overwritten(recording: Recording) -> list[tuple[str, str, str, str]]:
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


def _find_unseen_tensors(
    recording: Recording, model: nn.Module, inputs: Any, kwargs: dict | None
) -> list[tuple[str, str, str, str]]:
    """Return a finding for each op fed by a tensor that was made during the pass by something unseen.

    A tensor the model already held (an attribute, a closure) is the same object in a second pass.
    """

    def list_constants(r: Recording) -> dict[tuple[str, str], int]:
        return {(e.name, p): id(v.tensor) for e in r.events for v, p in e.parents if v.kind == "constant"}

    first = list_constants(recording)
    if not first:
        return []
    with preserve_buffers(model):
        second = list_constants(record_forward(model, inputs, kwargs))
    return [
        (name, "origin", "unverified", f"argument {position} was made during the pass by something unseen")
        for (name, position), identity in first.items()
        if second.get((name, position)) != identity
    ]
