"""Ids that would be the same if they were written alike: they are told, and never matched."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

_NUMBER = re.compile(r"[0-9]+")
_SUFFIX = re.compile(r"\.[A-Za-z]\w{0,4}$")
_FOLDER = re.compile(r"^.*[/\\]")


class Difference(NamedTuple):
    """Two ids that differ in the way they are ``written`` only."""

    id_a: Any
    id_b: Any
    written: str


def _read_text(label: Any) -> str:
    """Return an id as text; a whole number without its decimal point."""
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


def _compose(text: str) -> str:
    """Return a text with one form for each accented letter."""
    return unicodedata.normalize("NFC", text)


def _drop_folder(text: str) -> str:
    return _FOLDER.sub("", text)


def _drop_suffix(text: str) -> str:
    return _SUFFIX.sub("", text)


def _drop_zeros(text: str) -> str:
    """Return a text with its numbers without leading zeros, and a whole number without decimals."""
    whole = re.sub(r"^([0-9]+)\.0+$", r"\1", text)
    return _NUMBER.sub(lambda match: match.group().lstrip("0") or "0", whole)


# How ids can differ -> what makes them alike. The first that does is told.
WAYS: dict[str, Callable[[str], str]] = {
    "type": str,
    "spaces": str.strip,
    "form of accented letters": _compose,
    "case": str.casefold,
    "suffix": _drop_suffix,
    "folder": _drop_folder,
    "zeros before a number": _drop_zeros,
}


def _change_all(text: str) -> str:
    for change in WAYS.values():
        text = change(text)
    return text


def find_differences(ids: Sequence[Any], others: Sequence[Any]) -> list[Difference]:
    """Return the ids that are the same as one of ``others`` but for how they are written.

    Only those that would be paired one to one are returned. Neither side may hold ids of the other.
    """
    found = []
    left = list(ids)
    rest = list(others)
    for written, change in (WAYS | {"several of these": _change_all}).items():
        pairs = _pair_ids(left, rest, change)
        found += [Difference(one, other, written) for one, other in pairs]
        taken = {pair[0] for pair in pairs}
        theirs = {pair[1] for pair in pairs}
        left = [one for one in left if one not in taken]
        rest = [one for one in rest if one not in theirs]
    position = {one: k for k, one in enumerate(ids)}
    return sorted(found, key=lambda pair: position[pair.id_a])


def _pair_ids(
    ids: list[Any], others: list[Any], change: Callable[[str], str]
) -> list[tuple[Any, Any]]:
    """Return the pairs of one id of each side that a change makes alike, and no further one."""
    by_text: dict[str, list[Any]] = {}
    for one in ids:
        by_text.setdefault(change(_read_text(one)), []).append(one)
    others_by_text: dict[str, list[Any]] = {}
    for one in others:
        others_by_text.setdefault(change(_read_text(one)), []).append(one)
    pairs = []
    for text, alike in by_text.items():
        theirs = others_by_text.get(text, [])
        if len(alike) == 1 and len(theirs) == 1:
            pairs.append((alike[0], theirs[0]))
    return pairs


def describe_differences(differences: Sequence[Difference]) -> str:
    """Return a sentence on ids that differ in how they are written, empty where there are none."""
    if not differences:
        return ""
    ways: dict[str, list[Difference]] = {}
    for one in differences:
        ways.setdefault(one.written, []).append(one)
    parts = [
        f"{len(alike)} in {written}, such as {alike[0].id_a!r} and {alike[0].id_b!r}"
        for written, alike in ways.items()
    ]
    return (
        f"{len(differences)} ids would be the same if they were written alike: they differ "
        f"{'; '.join(parts)}. If they name the same stimuli, rename them on one side."
    )
