"""Words and windows of a text, as they stand in it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_WORD = re.compile(r"\S+")


class Unit(NamedTuple):
    """A part of a text: its words from ``first`` to ``last``, and where they begin.

    ``text`` is as it stands in the text, blanks and line breaks between words included; it begins
    with the ``n_before`` words before ``first``, which are its context.
    """

    text: str
    first: int
    last: int
    n_before: int
    position: int


def find_words(text: str) -> list[tuple[int, int]]:
    """Return where each word begins and ends; words are what stands between blanks."""
    return [match.span() for match in _WORD.finditer(text)]


def split_words(text: str, context: int) -> Iterator[Unit]:
    """Yield each word of a text behind the ``context`` words before it, or fewer at the start."""
    words = find_words(text)
    for i, (start, stop) in enumerate(words):
        first = max(0, i - context)
        yield Unit(text[words[first][0] : stop], i, i, i - first, start)


def split_windows(text: str, length: int, step: int) -> Iterator[Unit]:
    """Yield windows of ``length`` words, one every ``step``, until one holds the last word.

    The last may be shorter; with ``step`` up to ``length``, every word is in a window.
    """
    words = find_words(text)
    for first in range(0, len(words), step):
        last = min(first + length, len(words)) - 1
        start = words[first][0]
        yield Unit(text[start : words[last][1]], first, last, 0, start)
        if last == len(words) - 1:
            return
