"""Validation of a recording: verified, failed or unverified, with reasons."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import nn

from neurolens.extract.capture.events import Event, Recording, Value
from neurolens.extract.capture.forward import (
    ModelCall,
    prepare_call,
    record_forward,
    run_plain,
    run_with_needed,
)
from neurolens.extract.capture.restore import (
    hold_model,
    open_attention,
    preserve_random_states,
)
from neurolens.extract.capture.trees import iterate_tensors, replace_leaves
from neurolens.extract.graph.build import name_parent
from neurolens.extract.validation.batches import find_mixing
from neurolens.extract.validation.data_dependence import (
    find_draws,
    find_history,
    find_steering,
    find_unseen,
    find_unseen_inputs,
    judge_host_reads,
    list_fixed,
)
from neurolens.extract.validation.findings import (
    Finding,
    equal_results,
    find_unrecorded_kernels,
    refuse_unreadable,
)
from neurolens.extract.validation.perturb import perturb_event
from neurolens.extract.validation.program import compare_program
from neurolens.extract.validation.replay import replay_event
from neurolens.support.tables import MOST_ROWS, write_block, write_folded, write_table

REASON_COLUMNS = ("op", "check", "status", "reason")


@dataclass(frozen=True)
class Verdict:
    """The result of validation.

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

    def _repr_html_(self) -> str:
        mark = {"verified": "✓", "failed": "✗"}.get(self.status, "?")
        head = f"{mark} {self.status}: {self.n_replayed} of {self.n_ops} ops replayed bit for bit"
        parts = []
        for label, is_meant in (("found", False), ("exempt, with a reason", True)):
            table = self.reasons[(self.reasons.status == "exempt") == is_meant]
            if len(table):
                rows = table[list(REASON_COLUMNS)].head(MOST_ROWS).itertuples(index=False)
                body = write_table(REASON_COLUMNS, rows, len(table))
                parts.append(write_folded(f"{label} ({len(table):,})", body, is_open=not is_meant))
        return write_block(head, parts)


def validate(model: nn.Module, inputs: Any, *, kwargs: dict | None = None) -> Verdict:
    """Check a recording against the model itself.

    1. *Output*: a plain and a recorded pass from the same random state give the same output, bit
       for bit.
    2. *Census*: every aten kernel that ran did so inside a recorded op.
    3. *Replay*: each op, run again from its parents' saved values, gives its saved value, bit for
       bit.
    4. *Perturbation*: with another plausible value in place of a parent op, the result changes;
       exempt, with a written reason, where it cannot.
    5. *Program*: the recorded ops, run in order on two new inputs, give what each op of the model
       gives on them.
    6. *Host reads*: a value that left torch (``item``, ``bool``, numpy), a size that follows from
       values and was read, or a tensor made by unrecorded code, means that the graph does not hold
       the whole computation: *unverified* rather than true. A value that no input and no random
       number feeds is the same in every pass, and exempt.
    7. *Inputs*: a call in which no input tensor was seen, or in which an input holds a tensor where
       it is not followed, is *unverified*: not everything that the model is shown was changed. So
       is a model that a pass changes for good, such as its parameters.
    7. *Batch*: where the output grows with the first axis of the inputs, each row of it is the same
       in another order and with other rows beside it; else *unverified*: results that are listed by
       stimulus would not be the stimulus's own.

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
    Costs eight passes (one more where plain passes differ, and for each new input that the model
    refuses; four where a value read by Python steers the pass), two or three runs of each op, and
    the memory of all values twice. Buffers, plain attributes, mode and random states are put back,
    those of generators that the model's modules hold included; a model that draws from such a
    generator is unverified.

    Examples
    --------
    >>> import torch
    >>> validate(torch.nn.Linear(4, 3), torch.ones(2, 4)).status
    'verified'
    """
    call = prepare_call(model, inputs, kwargs)
    refuse_unreadable(call)
    # Ops that are run again may draw from generators that the model holds.
    with hold_model(call.model), preserve_random_states(call.model):
        return run_with_needed(_check_model, call)


def _check_model(call: ModelCall) -> Verdict:
    """Run the passes of all checks and judge them."""
    earlier = record_forward(call.copy_inputs(), random_states=True)
    fixed = list_fixed(earlier)
    earlier_reads = find_steering(earlier, ())
    del earlier
    plain = run_plain(call.copy_inputs())
    recording = record_forward(call.copy_inputs(), random_states=True)
    findings = find_overwritten(recording)
    unseen = find_unseen(recording, fixed, earlier_reads)
    if not equal_results(recording.result, plain):
        repeated = run_plain(call.copy_inputs())
        if not equal_results(repeated, plain):
            reason = "plain passes on one input differ: it cannot be compared"
            unseen.append(Finding("", "output", "unverified", reason))
            plain = recording.result
    if call.gradients:
        reason = "it differentiates in its forward, which a replay of single ops cannot follow"
        unseen.append(Finding("", "program", "unverified", reason))
    unseen += find_draws(recording) + find_history(recording)
    unseen += find_unseen_inputs(recording, call)
    unseen += find_unrecorded_kernels(call)
    program, resized = compare_program(recording, call, blind=bool(unseen))
    if not find_steering(recording, ()):
        program += find_mixing(call)
    return judge_recording(recording, plain, findings + unseen + program, resized)


def judge_recording(
    recording: Recording,
    plain: Any,
    findings: Sequence[Finding],
    resized: Collection[int] = (),
) -> Verdict:
    """Return the verdict on a recording that was made with ``random_states``.

    Parameters
    ----------
    recording : Recording
    plain
        What a plain pass returned.
    findings : sequence of Finding
        Of checks that were made before.
    resized : collection of int
        Events whose size follows from values.
    """
    rows = [*findings, *_judge_output(recording, plain)]
    n_replayed = 0
    with preserve_random_states(), open_attention(), torch.no_grad():
        for event in recording.events:
            obstacle = replay_event(event)
            if obstacle is not None:
                rows.append(Finding(event.name, "replay", obstacle.status, obstacle.reason))
                continue
            n_replayed += 1
            rows += _judge_perturbation(event)
    rows += find_wrong_parents(recording)
    rows += judge_host_reads(recording, resized)
    found = {row.status for row in rows}
    status = next((one for one in ("failed", "unverified") if one in found), "verified")
    table = pd.DataFrame(rows, columns=list(Finding._fields))
    return Verdict(status, len(recording.events), n_replayed, table)


def _judge_output(recording: Recording, plain: Any) -> list[Finding]:
    """Return findings on what the model returned."""
    findings = []
    if not equal_results(recording.result, plain):
        reason = "the recorded pass and a plain pass gave different outputs"
        findings.append(Finding("", "output", "failed", reason))
    if next(iterate_tensors(recording.result), None) is None:
        reason = "no tensor was found in what the model returned"
        findings.append(Finding("", "output", "unverified", reason))
    return findings


def _judge_perturbation(event: Event) -> list[Finding]:
    """Return findings on the arguments of an op that can be changed without changing its result."""
    findings = []
    perturbation = perturb_event(event)
    for position in perturbation.ignored:
        reason = f"argument {position} can be changed without changing the result"
        findings.append(Finding(event.name, "perturbation", "unverified", reason))
    for text in perturbation.exempt:
        findings.append(Finding(event.name, "perturbation", "exempt", f"argument {text}"))
    return findings


def find_overwritten(recording: Recording) -> list[Finding]:
    """Return a finding for each kept value that was written to since, unseen."""
    reason = "its saved value was changed in place by something unseen"
    findings = []
    for event in recording.events:
        for value in event.outputs:
            tensor = value.tensor
            if tensor is None or tensor is not value.ref():
                continue
            if 0 <= value.version != tensor._version:
                findings.append(Finding(event.name, "overwritten", "failed", reason))
    return findings


def find_wrong_parents(recording: Recording) -> list[Finding]:
    """Return a finding for each parent that runs after its child or is none of its arguments."""
    findings = []
    names = [event.name for event in recording.events]
    for i, event in enumerate(recording.events):
        arguments: list[Value] = []
        collect = partial(_collect_value, arguments)
        replace_leaves((event.args, event.kwargs), Value, collect)
        for value, position in event.parents:
            if value not in arguments or (value.kind == "op" and value.source >= i):
                parent = name_parent(value, position, names).source
                reason = f"{parent!r} cannot be its argument {position}"
                findings.append(Finding(event.name, "parents", "failed", reason))
    return findings


def _collect_value(arguments: list[Value], value: Value, _: str) -> None:
    arguments.append(value)
