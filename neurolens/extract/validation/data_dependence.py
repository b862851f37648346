"""What steers a pass that the graph does not hold: values and sizes that Python read."""

from collections.abc import Collection

import torch

from neurolens.extract.capture.events import Recording
from neurolens.extract.validation.findings import _COMPARISONS, Finding
from neurolens.extract.validation.replay import find_fixed


def find_steering(recording: Recording, resized: Collection[int]) -> set[tuple[str, str]]:
    """Return (function, place) of the host reads that another input could change."""
    is_fixed = find_fixed(recording, resized) if recording.host_reads else bool
    return {
        (r[0], r[2]) for r in recording.host_reads if r[0] in _COMPARISONS or not is_fixed(r[1])
    }


def list_fixed(recording: Recording) -> dict[int, torch.Tensor]:
    """Return the tensors, by id, that are the same in every pass: the model's own.

    And those made from no input.
    """
    is_fixed = find_fixed(recording, ())
    values = [
        v for e in recording.events for v in (*(parent for parent, _ in e.parents), *e.outputs)
    ]
    return {id(live): live for v in values if (live := v.ref()) is not None and is_fixed(v)}


def find_unseen(
    recording: Recording, held: dict[int, torch.Tensor], reads: set[tuple[str, str]]
) -> list[Finding]:
    """Return a finding for each op fed by a tensor that something unseen made, or that an earlier pass left.

    ``held`` are the fixed tensors of an earlier pass, ``reads`` the host reads that steered it: a
    tensor that the model holds (an attribute, a closure), or made once from no input, was there in
    the earlier pass. A host read that was not repeated may have been kept, too.
    """
    text = "was made during the pass by something unseen, or kept from an earlier pass"
    unseen = [
        (event.name, "origin", "unverified", f"argument {position} {text}")
        for event in recording.events
        for value, position in event.parents
        if value.kind == "constant" and id(value.ref()) not in held
    ]
    lost = reads - {(read[0], read[2]) for read in recording.host_reads}
    return unseen + [
        ("", "host read", "unverified", f"{f} at {at} ran in an earlier pass only")
        for f, at in lost
    ]
