"""What ends a pass that started in the middle, without being the fault of the model."""

from neurolens.extract.capture.events import StopForward
from neurolens.extract.stream.follow import PassDeviated
from neurolens.extract.stream.resume.placeholders import PlaceholderRead

FAILURES = (Exception, PassDeviated, PlaceholderRead)


class WrongValuesError(Exception):
    """Ends a pass that started in the middle and has other results than a whole one.

    It is never raised to callers outside this package.
    """


def raise_interrupt(failure: BaseException, handled: BaseException | None) -> None:
    """Raise what interrupted a pass, such as KeyboardInterrupt, if that is why it failed.

    Calls that run while a pass is left because of it (``finally``, the end of ``with``) can fail in
    turn, and their error then stands in its place. ``handled`` is what the caller is handling
    itself.
    """
    error = failure.__context__
    while error is not None and error is not handled:
        if not isinstance(error, (*FAILURES, StopForward)):
            raise error.with_traceback(None) from None
        error = error.__context__


def explain_failure(failure: BaseException) -> str:
    """Return why a pass that started in the middle failed, by the first of errors in a chain."""
    while isinstance(failure.__context__, PlaceholderRead):
        failure = failure.__context__
    return f"starting in the middle failed: {failure}"
