"""Values that something unseen made during a pass: a thread, vmap, scripted or compiled code."""

import torch

from neurolens.extract.capture.events import Recording, Value, read_storage


def find_unseen(earlier: Recording, recording: Recording) -> tuple[str, ...]:
    """Return what takes a tensor that no recorded op made, as sentences, in order.

    Such a tensor is no input, no parameter or buffer, and did not exist in the earlier pass: not as
    what the model holds (an attribute, a closure), and not as what was made from no input and kept.
    Memory of numpy does not count where the pass handed no values out of torch: it then follows
    from no input.
    """
    known = _list_known(earlier)
    follows_numpy = bool(recording.host_reads)
    found = []
    for event in recording.events:
        for value, position in event.parents:
            if _is_unseen(value, known, follows_numpy):
                found.append(f"argument {position} of {event.name}")
    for value, position in recording.outputs:
        if _is_unseen(value, known, follows_numpy):
            found.append("the model's output" if position == "output" else position)
    return tuple(dict.fromkeys(found))


def _list_known(recording: Recording) -> dict[int, torch.Tensor]:
    """Return the tensors, by id, that a pass took from outside or made from no input."""
    known: dict[int, torch.Tensor] = {}
    fed: set[int] = set()
    random = set(recording.random)
    for i, event in enumerate(recording.events):
        parents = [value for value, _ in event.parents]
        if event.name in random or any(one.kind == "input" or one.source in fed for one in parents):
            fed.add(i)
        values = [one for one in parents if one.kind == "constant"]
        for value in values if i in fed else (*values, *event.outputs):
            tensor = value.ref()
            if tensor is not None:
                known[id(tensor)] = tensor
    return known


def _is_unseen(value: Value, known: dict[int, torch.Tensor], follows_numpy: bool) -> bool:
    if value.kind != "constant" or id(value.ref()) in known:
        return False
    return follows_numpy or not _is_numpy(value.tensor)


def _is_numpy(tensor: torch.Tensor | None) -> bool:
    """Return whether a tensor's memory is that of a numpy array, which cannot be resized."""
    if tensor is None or tensor.device.type != "cpu" or not read_storage(tensor):
        return False
    return not tensor.untyped_storage().resizable()
