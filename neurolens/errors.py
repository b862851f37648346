"""Errors that NeuroLens raises on purpose, and its warnings.

Each error is also the builtin that a caller would expect to catch, so ``except ValueError`` keeps
working. Warnings point at the line of the user's code that led to them.
"""

import os
import sys
import warnings
from types import FrameType

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class NeuroLensError(Exception):
    """Base of all errors raised by NeuroLens."""


class InputError(NeuroLensError, ValueError):
    """An argument cannot be used; the message says what to pass instead."""


class LabelError(NeuroLensError, ValueError):
    """Dimensions or labels do not match: ids are missing, repeated or different."""


class UnknownNameError(NeuroLensError, LookupError):
    """A name is unknown; the message lists the closest ones."""


class RecordingError(NeuroLensError, RuntimeError):
    """The model raised while it was being recorded, or cannot be recorded."""


class DataError(NeuroLensError, RuntimeError):
    """A file is missing, damaged, or cannot be fetched or written."""


class MissingToolError(NeuroLensError, RuntimeError):
    """An optional program or package that this call needs is not installed."""


def warn_user(message: str) -> None:
    """Warn with a RuntimeWarning at the innermost line outside the package."""
    depth = 1
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
        depth += 1
    warnings.warn(message, RuntimeWarning, stacklevel=depth)
