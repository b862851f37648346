"""Results that hold memory which nothing has been written to, or follow from such memory."""

from typing import Any

import torch

from neurolens.extract.capture.events import Event, Recording, Value
from neurolens.extract.capture.trees import replace_leaves
from neurolens.extract.validation.perturb import SHAPE_OF_SECOND, SHAPE_ONLY
from neurolens.extract.validation.replay import UNINITIALISED

# Why memory that is handed out, and written to later, is no result.
NO_VALUES = "has no values of its own: it is memory that holds whatever was there before"
# Why what is read from it before, or written to a part of it, is none.
OF_NO_VALUES = "reads memory that holds whatever was there before"
PARTS_OF_NO_VALUES = "has values in a part of it: the rest is memory that holds whatever was there"

WITHOUT_VALUES = frozenset({NO_VALUES, OF_NO_VALUES, PARTS_OF_NO_VALUES})


def find_unwritten(recording: Recording) -> dict[str, str]:
    """Return the ops whose results hold values that nothing has written, each with the reason.

    These are allocations, views of them and all else that reads them before anything is written
    into the same elements, and allocations of which some elements were set. Whatever another op
    writes into counts as written, and so does what is computed from memory that was set in part.
    Where values of such memory left torch, anything may have been written there, and only the
    allocation itself is returned.
    """
    exposed = {read.value.memory for read in recording.host_reads}
    unwritten: set[int] = set()
    # Allocation, or the last op that set elements of it -> which elements were set.
    masks: dict[int, torch.Tensor] = {}
    found = {}
    for i, event in enumerate(recording.events):
        if event.call.function in UNINITIALISED:
            found[event.name] = NO_VALUES
            form = event.specs[0]
            if form.shape.numel() and event.outputs[0].memory not in exposed:
                unwritten.add(i)
                masks[i] = torch.zeros(form.shape, dtype=torch.bool, device=form.device)
        elif unwritten and _reads(event, unwritten):
            found[event.name] = OF_NO_VALUES
            unwritten.add(i)
        elif masks and event.call.function in ("setitem", "getitem"):
            reason = _follow_elements(i, event, masks)
            if reason:
                found[event.name] = reason
                if reason == OF_NO_VALUES:
                    unwritten.add(i)
    return found


def _reads(event: Event, unwritten: set[int]) -> bool:
    """Return whether the values of an op's results follow from those of these ops' results."""
    call = event.call
    if call.mutates or call.writes or "out" in event.kwargs:
        return False
    if call.function in SHAPE_ONLY or call.exact in SHAPE_ONLY:
        return False
    return any(
        value.kind == "op"
        and value.source in unwritten
        and not (position != "0" and call.function in SHAPE_OF_SECOND)
        for value, position in event.parents
    )


def _follow_elements(i: int, event: Event, masks: dict[int, torch.Tensor]) -> str:
    """Return why the result of setting or getting elements lacks values, "" where it has all.

    What was set is added to the masks.
    """
    whole = event.args[0]
    if not isinstance(whole, Value) or whole.kind != "op" or whole.source not in masks:
        return ""
    mask = masks[whole.source]
    try:
        index = replace_leaves(event.args[1], Value, _read_tensor)
        if event.call.function == "getitem":
            return "" if bool(mask[index].all()) else OF_NO_VALUES
        mask = mask.clone()
        mask[index] = True
    except (IndexError, RuntimeError, TypeError):
        return ""  # an index that is not known
    if bool(mask.all()):
        return ""
    masks[i] = mask
    return PARTS_OF_NO_VALUES


def _read_tensor(value: Value, _: str) -> Any:
    if value.tensor is None:
        raise IndexError("the values of an index are not kept")
    return value.tensor
