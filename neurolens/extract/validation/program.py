"""The recorded ops run as a program on new inputs, beside the model."""

from itertools import takewhile
from typing import Any

import torch
from torch import nn

from neurolens.errors import RecordingError
from neurolens.extract.capture.events import Event, Recording
from neurolens.extract.capture.forward import record_forward, split_inputs
from neurolens.extract.capture.restore import preserve_buffers
from neurolens.extract.capture.trees import replace_leaves
from neurolens.extract.validation.data_dependence import find_steering
from neurolens.extract.validation.findings import Finding, equal_results
from neurolens.extract.validation.perturb import renew_input
from neurolens.extract.validation.replay import UNINITIALISED, find_obstacle, run_program


def compare_program(
    recording: Recording, model: nn.Module, inputs: Any, kwargs: dict | None, *, blind: bool
) -> tuple[list[Finding], set[int]]:
    """Return findings where the recorded ops and the model differ on new inputs, and the events that changed size.

    Failed, or unverified where the graph is known not to hold everything: sizes that follow from
    values, gradients, generators, or ``blind``. Nothing is run where a host read steers the pass:
    on other inputs it may never end.
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
        return [
            ("", "program", "exempt", "the model does not accept other inputs of the same kind")
        ], resized
    steers = "sizes read from values steer the pass unseen"
    cut = blind or bool(resized) or any(map(find_obstacle, recording.events))
    findings = [
        (
            name,
            check,
            "unverified" if cut else status,
            f"{reason} ({steers})" if resized else reason,
        )
        for name, check, status, reason in dict.fromkeys(row for row in found if row is not None)
    ]
    read = resized & {v.source for v in recording.size_reads if v.kind == "op"}
    text = f"its size follows from values and was read by Python: {steers}"
    return findings + [
        (recording.events[i].name, "program", "unverified", text) for i in sorted(read)
    ], resized


def renew_inputs(
    recording: Recording, inputs: Any, kwargs: dict | None, way: int
) -> tuple[tuple, dict]:
    """Return new (inputs, kwargs) for the model, and the same tensors by name for the program."""
    args, kwargs = split_inputs(inputs, kwargs)
    made: dict[int, torch.Tensor] = {}
    reached: set[str] = set()

    def renew(tensor: torch.Tensor, name: str) -> torch.Tensor:
        reached.add(name)
        return made.setdefault(id(tensor), renew_input(tensor, way))

    given = args[0] if len(args) == 1 else args
    changed = [replace_leaves(tree, torch.Tensor, renew, "input") for tree in (given, kwargs)]
    # What an object of the user's own holds stays as it is, in the model and in the program.
    tensors = {v.source: v.tensor for v in recording.inputs.values() if v.tensor is not None}
    new = {name: renew_input(t, way) if name in reached else t for name, t in tensors.items()}
    return (changed[0] if args else None, changed[1]), new


def run_again(
    recording: Recording, expected: Recording, inputs: dict, resized: set[int]
) -> Finding | None:
    """Run the recorded ops on new inputs, adding to ``resized``.

    Return how the first op differs from the model's.
    """
    events = recording.events
    alike = list(
        takewhile(
            lambda pair: pair[0].name == pair[1].name, zip(events, expected.events, strict=False)
        )
    )
    resized.update(
        i for i, (a, b) in enumerate(alike) if [s[0] for s in a.specs] != [s[0] for s in b.specs]
    )
    if len(alike) < max(len(events), len(expected.events)):
        return (
            "",
            "program",
            "unverified",
            "on new inputs the model runs other ops: something unseen steers the pass",
        )
    differing: list[str] = []
    unset: set[int] = set()

    def follow(i: int, made: list[torch.Tensor]) -> None:
        event = events[i]
        other = expected.events[i]
        if event.call.function in UNINITIALISED or any(
            v.kind == "op" and v.source in unset for v, _ in event.parents
        ):
            unset.add(i)
            return
        values = [v.tensor for v in other.outputs]
        if not equal_results(made, values) or describe_place(event) != describe_place(other):
            differing.append(event.name)

    try:
        outputs = run_program(recording, inputs, follow)
    except Exception as error:
        return (
            "",
            "program",
            "failed",
            f"the recorded ops raised {type(error).__name__} on new inputs: {error}",
        )
    if differing or not equal_results(outputs, expected.result):
        text = "on new inputs the recorded ops and the model differ in values, parents or modules"
        return (differing or [""])[0], "program", "failed", text
    return None


def describe_place(event: Event) -> tuple:
    """Return the module call an op ran in and what fed it."""
    parents = [(v.kind, v.source, v.output, position) for v, position in event.parents]
    return event.scope.address, event.scope.call, parents


def copy_inputs(inputs: Any) -> Any:
    """Return the inputs with each tensor cloned, for models that write into them.

    One given twice stays one.
    """
    copies: dict[int, torch.Tensor] = {}

    def copy(tensor: torch.Tensor, _: str) -> torch.Tensor:
        return copies.setdefault(id(tensor), tensor.detach().clone())

    return replace_leaves(inputs, torch.Tensor, copy)
