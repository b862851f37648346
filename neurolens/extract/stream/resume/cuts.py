"""Where passes start: the positions at which little is alive."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from neurolens.extract.stream.resume.script import MadeTensor, Place, Script

# The cost of writing a byte of a result anew, of saving one, and of reading a saved one. Results of
# convolutions cost more than others; the ratio only says how far before the first wanted op a pass
# starts.
_COMPUTE = 4
_SAVE = 1
_LOAD = 1


class Span(NamedTuple):
    """The positions of the first and the last op that a pass wants."""

    first: int
    last: int


class Cut(NamedTuple):
    """A position at which a pass starts, and what of the ops before it is used from there on.

    ``n_bytes`` are those of the batch that the script was read from.
    """

    position: int
    places: frozenset[Place]
    n_bytes: int


def choose_cuts(script: Script, spans: Sequence[Span], most_bytes: int) -> list[Cut | None]:
    """Return where each pass starts, None for one that starts at the input.

    A pass starts at or before its first wanted op, and no earlier than the one before it. Chosen is
    the position for which least is computed again, saved and loaded.

    Parameters
    ----------
    script : Script
    spans : sequence of Span
        Of the passes, in order.
    most_bytes : int
        That can be saved of a batch like that of the script.
    """
    alive = _measure_alive(script)
    before = [0, *accumulate(script.op_bytes)]
    cuts: list[Cut | None] = [None]
    for span in spans[1:]:
        last = cuts[-1]
        first = min(span.first, len(before) - 1)
        best = _COMPUTE * before[first]
        chosen = None
        if last is not None:
            again = _COMPUTE * (before[first] - before[last.position]) + _LOAD * last.n_bytes
            if again <= best:
                best = again
                chosen = last
        start = 1 if last is None else last.position + 1
        for position in range(start, min(first, script.limit, len(alive) - 1) + 1):
            n_bytes = alive[position]
            if n_bytes is None or n_bytes > most_bytes:
                continue
            cost = _COMPUTE * (before[first] - before[position]) + (_SAVE + _LOAD) * n_bytes
            if cost <= best:
                best = cost
                chosen = Cut(position, frozenset(), n_bytes)
        if chosen is not None and chosen is not last:
            chosen = chosen._replace(places=_list_places(script, chosen.position))
        cuts.append(chosen)
    return cuts


def _measure_alive(script: Script) -> list[int | None]:
    """Return the bytes that are alive before each op; None where they cannot be saved."""
    n_ops = len(script.op_bytes) + 1
    made: dict[int, list[MadeTensor]] = {}
    for tensor in script.tensors:
        made.setdefault(tensor.place[0], []).append(tensor)
    alive: list[MadeTensor] = []
    sizes: list[int | None] = []
    for position in range(n_ops):
        alive = [one for one in alive if one.last_use >= position]
        sizes.append(_measure_tensors(alive, script))
        alive += made.get(position, ())
    return sizes


def _measure_tensors(tensors: Sequence[MadeTensor], script: Script) -> int | None:
    """Return the bytes of tensors alive at once, or None.

    That is where some share memory, with each other or with what no op made, and where the values
    of one cannot be saved.
    """
    memories = {one.memory for one in tensors}
    if len(memories) < len(tensors) or not memories.isdisjoint(script.own_memories):
        return None
    if any(one.flaw for one in tensors):
        return None
    return sum(one.n_bytes for one in tensors)


def _list_places(script: Script, position: int) -> frozenset[Place]:
    return frozenset(one.place for one in script.tensors if one.place[0] < position <= one.last_use)


def explain_start(script: Script, span: Span, most_bytes: int) -> str:
    """Return why a pass starts at the input, or earlier than it might."""
    if script.reason and script.limit < span.first:
        return script.reason
    sizes = [size for size in _measure_alive(script)[1 : span.first + 1] if size is not None]
    if not sizes:
        return "tensors that are alive at once share memory, or one cannot be saved"
    if min(sizes) > most_bytes:
        return "the disk has no room for what is alive"
    return "saving what is alive would cost more than computing it again"
