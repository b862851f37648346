"""Which thread a model belongs to while NeuroLens runs it: passes of two threads take turns."""

import threading
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager

from torch import nn

from neurolens.errors import InputError
from neurolens.extract.capture.modules.parts import iterate_modules

_GENERATORS = "random generators"


class _Owners:
    """The thread that holds each thing, and how often it took hold of it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._owner: dict[Hashable, int] = {}
        self._depth: dict[Hashable, int] = {}
        self._waits_for: dict[int, int] = {}

    def acquire(self, things: Iterable[Hashable]) -> None:
        """Take hold of all things at once, as soon as no other thread holds one of them."""
        me = threading.get_ident()
        with self._changed:
            while (other := self._find_other(things, me)) is not None:
                self._refuse_circle(other, me)
                self._waits_for[me] = other
                try:
                    self._changed.wait()
                finally:
                    del self._waits_for[me]
            for thing in things:
                self._owner[thing] = me
                self._depth[thing] = self._depth.get(thing, 0) + 1

    def release(self, things: Iterable[Hashable]) -> None:
        """Let go of things as often as they were taken hold of."""
        with self._changed:
            for thing in things:
                self._depth[thing] -= 1
                if not self._depth[thing]:
                    del self._depth[thing]
                    del self._owner[thing]
            self._changed.notify_all()

    def _find_other(self, things: Iterable[Hashable], me: int) -> int | None:
        for thing in things:
            other = self._owner.get(thing, me)
            if other != me:
                return other
        return None

    def _refuse_circle(self, other: int, me: int) -> None:
        """Raise InputError where the other thread waits, in the end, for this one."""
        thread: int | None = other
        while thread is not None:
            thread = self._waits_for.get(thread)
            if thread == me:
                raise InputError(
                    "the model is in use in another thread, which waits for a model that this one "
                    "runs: neither could go on. Run one after the other, or give each thread a "
                    "copy.deepcopy(model)."
                )


_OWNERS = _Owners()


@contextmanager
def hold_model(model: nn.Module) -> Iterator[None]:
    """Wait until no other thread holds a module of the model, and hold all of them.

    The same thread may do so again.

    Raises
    ------
    InputError
        When the thread that holds one waits for this thread.
    """
    modules = [id(module) for module in iterate_modules(model)]
    _OWNERS.acquire(modules)
    try:
        yield
    finally:
        _OWNERS.release(modules)


@contextmanager
def hold_generators() -> Iterator[None]:
    """Wait until no other thread puts back random generators of the process, and hold them."""
    _OWNERS.acquire([_GENERATORS])
    try:
        yield
    finally:
        _OWNERS.release([_GENERATORS])
