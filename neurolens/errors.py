"""Every error NeuroLens raises on purpose, and the warning that points at the user's line.

Each error is also the builtin a caller would expect to catch, so ``except ValueError`` keeps
working.
"""

import os
import sys
import warnings
from pathlib import Path

_PACKAGE = f"{Path(__file__).parent}{os.sep}"


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
    """Warn (RuntimeWarning) at the line outside this package that called into it."""
    level = 1
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    warnings.warn(message, RuntimeWarning, stacklevel=level)
