"""Executions of places and calls of modules, and the words by which they are asked for."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neurolens.errors import UnknownNameError

_GLOB = "*?["
_NUMBER = r"-?\d+"
_CHOICE = re.compile(rf"\*|last|{_NUMBER}|(?:{_NUMBER})?:(?:{_NUMBER})?(?::\d*)?")


@dataclass(frozen=True)
class Executions:
    """The executions of each place and the calls of each module, in order.

    ``sites`` maps a place (``"V1/conv2d"``) to the names of its executions. ``modules`` maps an
    address (``"V1"``) to the op that made the output of each call, None where no op did; it is
    empty for a module that was not called.
    """

    sites: Mapping[str, Sequence[str | None]]
    modules: Mapping[str, Sequence[str | None]]

    def find(self, text: str) -> dict[int, str | None] | None:
        """Return by number, from 1, the executions that a text stands for.

        The text is a place or the address of a module, alone or followed by ``@`` and the choice:
        ``@2``, ``@-2`` (counted from the last), ``@last``, ``@*``, or a slice, ``@2:4``, which
        leaves out its end as in Python. An address alone stands for every call, a place alone for
        its first execution, whose name it is.

        Returns
        -------
        dict of int, or None
            None where the text is neither. Empty for a module that was not called.

        Raises
        ------
        UnknownNameError
            For a choice that cannot be read, or executions that there were not.
        """
        whole = self._find_place(text)
        if whole is not None:
            return _number(whole if text in self.modules else whole[:1])
        base, choice = split_choice(text)
        place = self._find_place(base)
        if place is None:
            return None
        if not choice:
            if is_glob(text):
                return None
            raise UnknownNameError(
                f"{text!r} cannot be read: after '@' comes a number from 1, 'last', '*' or a slice."
                f" Type e.g. '{base}@2', '{base}@last', '{base}@*' or '{base}@2:4'.",
                anchor="unknown-op",
            )
        numbered = _number(place)
        return {number: numbered[number] for number in _choose(base, choice, len(place))}

    def _find_place(self, base: str) -> Sequence[str | None] | None:
        for name in (base, base.removesuffix("_1")):
            if name in self.sites:
                return self.sites[name]
        return self.modules.get(base)

    def describe(self) -> dict[str, str]:
        """Return for each op, as JSON text, which execution of which places it is.

        The text lists place, number and how many there were, the op's own place first; by it
        `read_executions` finds ops again among those that were kept.
        """
        described: dict[str, list[tuple[str, int, int]]] = {}
        for places in (self.sites, self.modules):
            for place, names in places.items():
                for number, name in enumerate(names, 1):
                    if name is not None:
                        described.setdefault(name, []).append((place, number, len(names)))
        return {name: json.dumps(entries) for name, entries in described.items()}


def read_executions(described: Mapping[str, str]) -> Executions:
    """Return the executions from the texts of `Executions.describe` by op, of some of the ops.

    Executions that are not among these are None. An op without a text is the first and only one of
    a place of its name.
    """
    sites: dict[str, list[str | None]] = {}
    modules: dict[str, list[str | None]] = {}
    for name, text in described.items():
        entries = json.loads(text) if text else [(name, 1, 1)]
        for position, (place, number, total) in enumerate(entries):
            places = modules if position else sites
            places.setdefault(place, [None] * total)[number - 1] = name
    return Executions(sites, modules)


def split_choice(text: str) -> tuple[str, str]:
    """Return the place of a text and the choice after ``@``, which is empty where there is none."""
    base, mark, choice = text.rpartition("@")
    if not mark:
        return text, ""
    return base, choice if _CHOICE.fullmatch(choice) else ""


def is_glob(text: str) -> bool:
    """Return whether a text holds a character of glob patterns."""
    return any(character in text for character in _GLOB)


def _number(executions: Sequence[str | None]) -> dict[int, str | None]:
    return dict(enumerate(executions, 1))


def _choose(base: str, choice: str, n: int) -> list[int]:
    """Return the numbers, from 1, that a choice takes of ``n`` executions."""
    numbers = list(range(1, n + 1))
    if n == 0 or choice == "*":
        return numbers
    if choice == "last":
        return numbers[-1:]
    parts = [int(part) if part else None for part in choice.split(":")]
    if 0 in parts:
        raise UnknownNameError(
            f"'{base}@{choice}' asks for number 0, but executions are numbered from 1: the first "
            f"is '{base}@1', the last '{base}@last'",
            anchor="unknown-op",
        )
    chosen = _slice(numbers, parts) if len(parts) > 1 else _pick(numbers, parts[0])
    if not chosen:
        times = "once" if n == 1 else f"{n} times"
        raise UnknownNameError(
            f"'{base}@{choice}' takes none of the executions: {base!r} ran {times}. Type "
            f"'{base}@{n}' or '{base}@last' for the last, '{base}@*' for all.",
            anchor="unknown-op",
        )
    return chosen


def _pick(numbers: list[int], number: int | None) -> list[int]:
    """Return the one with a number, or with a negative one counted from the last."""
    return [one for one in numbers if number in (one, one - len(numbers) - 1)]


def _slice(numbers: list[int], parts: list[int | None]) -> list[int]:
    """Return the numbers from a start to before a stop, with a step."""
    bounds = []
    for number in parts[:2]:
        # A positive bound is a number from 1, a negative one counts from the end as Python's do.
        bounds.append(number - 1 if number is not None and number > 0 else number)
    return numbers[slice(*bounds, *parts[2:])]
