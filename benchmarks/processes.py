"""Calls in forked processes, so that the time and the peak of each are its own.

A process that is forked from one that has run no tensor operation starts with what was imported,
and nothing else. Linux only.
"""

import contextlib
import gc
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from machine import read_peak

import neurolens as nl

T = TypeVar("T")
# How often the memory of children is looked at.
LOOK_SECONDS = 0.05


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
    with _fork(_send_result, call) as forked:
        return forked.receiver.recv() if forked.receiver.poll(seconds) else None


class _Forked(NamedTuple):
    """A process that runs a call, and where its answer comes from."""

    process: BaseProcess
    receiver: Connection


@contextmanager
def _fork(target: Callable[..., None], call: Callable[[], object]) -> Iterator[_Forked]:
    """Run ``target`` of the call in a process, which ends with the block."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(call, sender))
    process.start()
    sender.close()
    try:
        yield _Forked(process, receiver)
    except EOFError:
        raise RuntimeError("a process ended without a result: see above") from None
    finally:
        process.kill()
        process.join()
        receiver.close()


class Measured(NamedTuple):
    """What a call returned, and the peak of the memory of its process and all of its children."""

    value: Any
    peak: int


def fork_measured(call: Callable[[], object], seconds: float) -> Measured | None:
    """Return what a call returns in a process of its own, with the peak of its process tree.

    It is None where it takes too long. The peak of the process is what the kernel says; its
    children are looked at 20 times per second, so that short peaks of these can be missed.

    Raises
    ------
    RuntimeError
        When the process ends without a result; it has printed why.
    """
    end = time.monotonic() + seconds
    peak = 0
    with _fork(_send_measured, call) as forked:
        while not forked.receiver.poll(LOOK_SECONDS):
            peak = max(peak, sum_memory(forked.process.pid))
            if time.monotonic() > end:
                return None
        value, own = forked.receiver.recv()
    return Measured(value, max(peak, own))


def sum_memory(process: int | None) -> int:
    """Return the bytes that a process and all that it started hold in memory now."""
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in parentheses, may hold blanks.
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(status.parent.name))
    total = 0
    waiting = [process]
    while waiting:
        number = waiting.pop()
        waiting += parents.get(number, [])
        with contextlib.suppress(OSError):
            pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
            total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def _send_measured(call: Callable[[], object], sender: Connection) -> None:
    gc.freeze()
    value = call()
    sender.send((value, read_peak("cpu")))
    sender.close()


def _send_result(call: Callable[[], T], sender: Connection) -> None:
    # The garbage collector would go through all that was imported, each time.
    gc.freeze()
    sender.send(call())
    sender.close()
