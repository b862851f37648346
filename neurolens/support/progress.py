"""Progress of long work, as a bar on standard error."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tqdm import tqdm

# Work that is done sooner shows no bar, in seconds.
DELAY = 1.0
_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"


class _Part:
    """A share of the work of a bar, of which steps are counted."""

    def __init__(self, bar: tqdm, share: float) -> None:
        self.bar = bar
        self.share = share


_PART: ContextVar[_Part | None] = ContextVar("part of the work under way", default=None)


def hides_progress(quiet: bool) -> bool:
    """Tell if bars are unwanted: by ``quiet``, or by tqdm's own variable ``TQDM_DISABLE``.

    As for tqdm, any text in it hides them.
    """
    return quiet or bool(os.environ.get("TQDM_DISABLE"))


@contextmanager
def show_progress(total: float, what: str, *, quiet: bool) -> Iterator[None]:
    """Show a bar while ``total`` steps are made, which ``count_steps`` counts, wherever it is.

    It shows a share of the work and goes away when the work is done or interrupted. Work that is
    done within a second shows none, and neither does work inside of other work.
    """
    is_inside = _PART.get() is not None
    with tqdm(
        total=total,
        desc=what,
        bar_format=_FORMAT,
        delay=DELAY,
        disable=hides_progress(quiet) or is_inside,
        leave=False,
        miniters=0,
    ) as bar:
        before = _PART.set(_Part(bar, 1.0))
        try:
            yield
        finally:
            _PART.reset(before)


@contextmanager
def share_progress(share: float) -> Iterator[None]:
    """Count each step that is made inside as ``share`` of one."""
    part = _PART.get()
    if part is None:
        yield
        return
    before = _PART.set(_Part(part.bar, part.share * share))
    try:
        yield
    finally:
        _PART.reset(before)


def count_steps(number: float = 1) -> None:
    """Count steps of the work that ``show_progress`` shows, if any; never more than the whole."""
    part = _PART.get()
    if part is not None and not part.bar.disable:
        part.bar.update(min(number * part.share, part.bar.total - part.bar.n))
