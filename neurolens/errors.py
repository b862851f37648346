"""Errors that NeuroLens raises on purpose, and its warnings.

Each error is also the builtin that a caller would expect to catch, so ``except ValueError`` keeps
working. Its text ends with a line such as ``More: neurolens explain ids-differ``: the word is the
heading of a section of ``docs/errors.md``, which that command prints. Warnings point at the line
of the user's code that led to them.
"""

import os
import re
import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import ClassVar

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
POINTER = "More: neurolens explain "
_QUOTED_POINTER = re.compile(rf"\n{POINTER}([a-z][a-z-]*)")


class NeuroLensError(Exception):
    """Base of all errors raised by NeuroLens.

    Parameters
    ----------
    message : str
        What was expected, what came, and what to type next. Where it quotes another error of
        NeuroLens, the last line of that one is dropped.
    anchor : str, optional
        The section of ``docs/errors.md`` that tells more. By default that of the quoted error,
        and without one that of the class.

    Attributes
    ----------
    message : str
        The message alone, to be put into other sentences. ``str(error)`` ends with the line that
        names the section.
    anchor : str
        The section.
    """

    default_anchor: ClassVar[str] = "argument"

    def __init__(self, message: str = "", *, anchor: str | None = None):
        quoted = _QUOTED_POINTER.search(message)
        self.message = _QUOTED_POINTER.sub("", message)
        self.anchor = anchor or (quoted[1] if quoted else self.default_anchor)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}\n{POINTER}{self.anchor}"


class InputError(NeuroLensError, ValueError):
    """An argument cannot be used; the message says what to pass instead."""


class LabelError(NeuroLensError, ValueError):
    """Dimensions or labels do not match: ids are missing, repeated or different."""

    default_anchor = "labels"


class UnknownNameError(NeuroLensError, LookupError):
    """A name is unknown; the message lists the closest ones."""

    default_anchor = "unknown-name"


class RecordingError(NeuroLensError, RuntimeError):
    """The model raised while it was being recorded, or cannot be recorded."""

    default_anchor = "model-raised"


class DataError(NeuroLensError, RuntimeError):
    """A file is missing, damaged, or cannot be fetched or written."""

    default_anchor = "file-unusable"


class DifferenceError(NeuroLensError, RuntimeError):
    """What is used, or comes out, is not what a lock says.

    Parameters
    ----------
    message : str
    differences : sequence of str
        A line for each, which the message is followed by.
    anchor : str, optional

    Attributes
    ----------
    differences : tuple of str
    """

    default_anchor = "lock-differs"

    def __init__(
        self, message: str = "", differences: Sequence[str] = (), *, anchor: str | None = None
    ):
        lines = [f"  {line}" for line in differences]
        super().__init__("\n".join([message, *lines]), anchor=anchor)
        self.differences = tuple(differences)


class MissingToolError(NeuroLensError, RuntimeError):
    """An optional program or package that this call needs is not installed."""

    default_anchor = "missing-package"


def tell_error(error: BaseException) -> str:
    """Return the message of any error, without the line that names a section."""
    return error.message if isinstance(error, NeuroLensError) else str(error)


def warn_user(message: str) -> None:
    """Warn with a RuntimeWarning at the innermost line outside the package."""
    depth = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
        depth += 1
    warnings.warn(message, RuntimeWarning, stacklevel=depth)
