"""Is what was recorded what the model computes? Verified, failed or unverified.

With the reasons.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import nn

from neurolens.extract.capture.events import Recording, Value
from neurolens.extract.capture.forward import record_forward, run_plain, unwrap_model
from neurolens.extract.capture.restore import (
    PROCESS_GENERATORS,
    open_attention,
    preserve_buffers,
    preserve_random_states,
)
from neurolens.extract.capture.trees import iterate_tensors, replace_leaves
from neurolens.extract.graph.build import name_parent
from neurolens.extract.validation.data_dependence import find_steering, find_unseen, list_fixed
from neurolens.extract.validation.findings import (
    Finding,
    equal_results,
    keep_buffer_views,
    refuse_unreadable,
    take_census,
)
from neurolens.extract.validation.perturb import perturb_event
from neurolens.extract.validation.program import compare_program, copy_inputs
from neurolens.extract.validation.replay import replay_event


@dataclass(frozen=True)
class Verdict:
    """What validation found.

    Attributes
    ----------
    status : str
        ``"verified"``: everything checked holds. ``"failed"``: something recorded is wrong.
        ``"unverified"``: nothing is wrong, but something could not be checked.
    n_ops, n_replayed : int
        Ops recorded, and those that gave their saved value again, bit for bit, from their parents'
        saved values.
    reasons : DataFrame
        One row per finding: ``op``, ``check``, ``status`` (``"failed"``, ``"unverified"`` or
        ``"exempt"``), ``reason``.
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
       or a tensor made by something unseen, means that the graph does not hold the whole
       computation: *unverified* rather than true. A value that no input and no random number feeds
       is the same in every pass, and exempt.

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
    Costs six passes (one more where plain passes differ, and for each new input that the model
    refuses; four where a value read by Python steers the pass), two or three runs of each op, and
    the memory of all values twice. Buffers, mode and random states are put back, those of
    generators that the model's modules hold included; a model that draws from such a generator is
    unverified.

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
    held = list_fixed(earlier)
    reads = find_steering(earlier, ())
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
            unseen.append(
                (
                    "",
                    "output",
                    "unverified",
                    "plain passes on one input differ: it cannot be compared",
                )
            )
            plain = recording.result
    unseen += find_draws(recording)
    unseen += take_census(model, copy_inputs(inputs), kwargs)
    program, resized = compare_program(recording, model, inputs, kwargs, blind=bool(unseen))
    return judge_recording(recording, plain, findings + unseen + program, resized)


def judge_recording(
    recording: Recording, plain: Any, findings: list[Finding], resized: Collection = ()
) -> Verdict:
    """Return the verdict on a recording with ``random_states``: given the plain output, findings.

    Resized events.
    """
    findings = list(findings)
    if not equal_results(recording.result, plain):
        findings.append(
            ("", "output", "failed", "the recorded pass and a plain pass gave different outputs")
        )
    if not any(True for _ in iterate_tensors(recording.result)):
        findings.append(
            ("", "output", "unverified", "no tensor was found in what the model returned")
        )
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
            findings += [
                (event.name, "perturbation", "exempt", f"argument {text}") for text in exempt
            ]
    findings += find_wrong_parents(recording)
    steering = find_steering(recording, resized)
    for function, _, source, _, read in recording.host_reads:
        free = (function, source) not in steering
        text = f"{function} took a value out of torch at {source} ({str(read)[:40]})"
        text += "; no input feeds it, so it is the same in every pass" if free else ""
        findings.append(("", "host read", "exempt" if free else "unverified", text))
    statuses = {row[2] for row in findings}
    status = (
        "failed"
        if "failed" in statuses
        else "unverified"
        if "unverified" in statuses
        else "verified"
    )
    table = pd.DataFrame(findings, columns=["op", "check", "status", "reason"])
    return Verdict(status, len(recording.events), n_replayed, table)


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
    """Return a finding for each parent that runs after its child.

    Or that the noted arguments do not hold.
    """
    findings = []
    held: list[Value] = []
    names = [event.name for event in recording.events]
    for i, event in enumerate(recording.events):
        held.clear()
        replace_leaves((event.args, event.kwargs), Value, lambda value, _: held.append(value))
        for value, position in event.parents:
            if value not in held or (value.kind == "op" and value.source >= i):
                parent = name_parent(value, position, names).source
                findings.append(
                    (
                        event.name,
                        "parents",
                        "failed",
                        f"{parent!r} cannot be its argument {position}",
                    )
                )
    return findings


def find_draws(recording: Recording) -> list[Finding]:
    """Return a finding for each random generator held by the model that the pass drew from."""
    return [
        (
            "",
            "random",
            "unverified",
            f"random numbers come from {address!r}, which the model holds: not recorded",
        )
        for address in recording.drawn
        if address not in PROCESS_GENERATORS
    ]
