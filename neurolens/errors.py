"""Every error NeuroLens raises on purpose, and how it warns.

Each error is also the builtin a caller would expect to catch, so ``except ValueError`` keeps
working. Warnings point at the line of the user's that led to them.
"""

import os
import sys
import warnings
from types import FrameType

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class NeuroLensError(Exception):
    """Base of all errors raised by NeuroLens."""


class InputError(NeuroLensError, ValueError):
    """An argument that cannot be used; the message says what to pass instead."""


class LabelError(NeuroLensError, ValueError):
    """Dimensions or labels that do not match: missing, repeated or different ids."""


class UnknownNameError(NeuroLensError, LookupError):
    """A name that is not there; the message lists the closest ones."""


class RecordingError(NeuroLensError, RuntimeError):
    """The model raised while it was being recorded, or cannot be recorded."""


class DataError(NeuroLensError, RuntimeError):
    """A file that is missing, damaged, cannot be fetched or cannot be written."""


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
