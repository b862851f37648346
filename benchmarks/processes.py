"""Calls in forked processes, so that the time and the peak of each are its own.

A process that is forked from one that has run no tensor operation starts with what was imported,
and nothing else. Linux only.
"""

import gc
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

import neurolens as nl

T = TypeVar("T")


def import_rooms() -> None:
    """Import all that the package imports when it is used, once for all processes."""
    for room in nl.__all__:
        for name in getattr(getattr(nl, room), "__all__", ()):
            getattr(getattr(nl, room), name)


def fork_call(call: Callable[[], T], seconds: float) -> T | None:
    """Return what a call returns in a process of its own, or None where it takes too long.

    Raises
    ------
    RuntimeError
        When the process ends without a result; it has printed why.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_result, args=(call, sender))
    process.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            return None
        return receiver.recv()
    except EOFError:
        raise RuntimeError("a process ended without a result: see above") from None
    finally:
        process.kill()
        process.join()
        receiver.close()


def _send_result(call: Callable[[], T], sender: Connection) -> None:
    # The garbage collector would go through all that was imported, each time.
    gc.freeze()
    sender.send(call())
    sender.close()
