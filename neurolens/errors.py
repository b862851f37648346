"""Every error NeuroLens raises on purpose.

Each is also the builtin a caller would expect to catch, so ``except ValueError`` keeps working.
"""


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
