"""Stable names of ops, from the place in the model's source that called them."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType

import torch
from torch import nn

# Code objects whose instructions are known between passes.
_N_CODES = 1024
_MODULE_CALL = nn.Module._call_impl.__code__
# Code of torch and of this package: the places that call torch are outside of it. Frames of torch,
# and of all folders of ``extract``, are not the caller that an op is named for.
_ENGINE = (torch.__path__[0] + os.sep, f"{Path(__file__).parents[2]}{os.sep}")


# Code object and instruction that called torch; no code where no Python frame outside torch did.
Caller = tuple[CodeType | None, int]


@dataclass(eq=False, slots=True)
class Site:
    """A place in the source of one module that makes one kind of call, and how often it has run."""

    base: str
    code: CodeType | None
    offset: int
    count: int = 0

    def next_name(self) -> str:
        """Count one more execution and return its name."""
        count = self.count = self.count + 1
        return self.base if count == 1 else f"{self.base}@{count}"

    @property
    def source(self) -> str:
        """``file:line`` of the call, ``""`` when no Python frame outside torch made it."""
        return (
            ""
            if self.code is None
            else f"{self.code.co_filename}:{find_line(self.code, self.offset)}"
        )


@dataclass(eq=False, slots=True)
class _Place:
    """Frames that call one kind of function, whichever module they run in.

    ``caller`` is None where torch's own code calls, in a module of torch; ``sites`` are by the
    address of the module.
    """

    caller: Caller | None
    sites: dict[str, Site] = field(default_factory=dict)


class CallSites:
    """Gives each place that calls torch a name of its own within its module.

    A place is the chain of (code object, instruction offset) from the module's ``forward`` to
    torch, so that a loop over one line is one site and two lines calling the same function are two.
    """

    def __init__(self, handler: CodeType, runner: CodeType) -> None:
        self._handler = handler
        self._runner = runner
        self._places: dict[tuple, _Place] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._numbers: dict[tuple, int] = {}
        # Results for sequences of frames, so that each place is determined once.
        self._seen: dict[tuple, _Place] = {}
        self._seen_numbers: dict[tuple, int] = {}
        self._codes: dict[int, CodeType] = {}
        self._foreign: dict[int, bool] = {}
        self._firsts: dict[int, Sequence[int]] = {}

    def restart(self) -> "CallSites":
        """Count the executions of every place from the beginning again, for another pass.

        Names are kept.
        """
        for place in self._places.values():
            for site in place.sites.values():
                site.count = 0
        return self

    def read_place(self, outer: int) -> int:
        """Return the number of the place that called torch.

        ``outer`` is that of the composite it runs in, or 0.
        """
        key = self._read_frames([outer], 2)
        number = self._seen_numbers.get(key)
        if number is None:
            self._find_caller()
            number = self._seen_numbers[key] = self._numbers.setdefault(
                self._merge_spots(key, 1), len(self._numbers) + 1
            )
        return number

    def find_site(self, address: str, function: str, outer: int) -> Site:
        """Return the site for a function called now in the module at ``address``.

        ``outer`` is the place of the composite that it runs in, or 0.
        """
        key = self._read_frames([function, outer], 5)
        place = self._seen.get(key)
        if place is None:
            caller, is_read = self._find_caller()
            merged = self._merge_spots(key, 2)
            place = self._places.get(merged)
            if place is None:
                place = self._places[merged] = _Place(caller if is_read else None)
            self._seen[key] = place
        site = place.sites.get(address)
        if site is None:
            number = self._counts.get((address, function), 0) + 1
            self._counts[address, function] = number
            base = f"{address}/{function}" if number == 1 else f"{address}/{function}_{number}"
            code, offset = place.caller or self._find_caller()[0]
            site = place.sites[address] = Site(base, code, offset)
        return site

    def _read_frames(self, key: list, depth: int) -> tuple:
        """Append code and instruction of each frame from the handler's caller to the module's call.

        ``depth`` is where the handler should be: looking at a frame costs more than anything else
        here.
        """
        expected = sys._getframe(depth)
        frame: FrameType | None = expected
        handler = self._handler
        runner = self._runner
        if expected.f_code is not handler:
            frame = sys._getframe(1)
            while frame is not None and frame.f_code is not handler:
                frame = frame.f_back
        frame = frame and frame.f_back
        while frame is not None:
            code = frame.f_code
            if code is _MODULE_CALL or code is handler or code is runner:
                break
            key.append(id(code))
            key.append(frame.f_lasti)
            frame = frame.f_back
        return tuple(key)

    def _merge_spots(self, key: tuple, start: int) -> tuple:
        """Return the frames from ``start`` on, each instruction as the first of its source text.

        This merges the condition of a while loop, which is compiled twice.
        """
        merged = list(key)
        for i in range(start, len(key), 2):
            firsts = self._firsts.get(key[i])
            if firsts is None:
                firsts = self._firsts[key[i]] = _list_firsts(self._codes[key[i]])
            merged[i + 1] = 2 * firsts[key[i + 1] // 2]
        return tuple(merged)

    def _find_caller(self) -> tuple[Caller, bool]:
        """Return the innermost frame outside torch, and whether `_read_frames` reads it.

        Every code object up to there is kept, so that no id is reused.
        """
        frame: FrameType | None = sys._getframe(2)
        handler = self._handler
        found: Caller = (None, 0)
        inside = True
        n_handlers = 0
        is_read = False
        while (
            frame is not None and frame.f_code is not self._runner and (inside or found[0] is None)
        ):
            code = frame.f_code
            foreign = self._foreign.get(id(code))
            if foreign is None:
                self._codes[id(code)] = code
                foreign = self._foreign[id(code)] = not code.co_filename.startswith(_ENGINE)
            n_handlers += code is handler
            if foreign and found[0] is None:
                found = (code, frame.f_lasti)
                is_read = inside and n_handlers == 1
            inside = inside and code is not _MODULE_CALL
            frame = frame.f_back
        return found, is_read


@lru_cache(_N_CODES)
def _list_firsts(code: CodeType) -> tuple[int, ...]:
    """Return for each instruction the number of the first with the same source text."""
    found: dict[tuple, int] = {}
    firsts = []
    for n, position in enumerate(code.co_positions()):
        firsts.append(n if None in position else found.setdefault(position, n))
    return tuple(firsts)


def find_line(code: CodeType, offset: int) -> int:
    """Return the source line of the instruction at ``offset``."""
    return _list_lines(code)[offset // 2] or code.co_firstlineno


@lru_cache(_N_CODES)
def _list_lines(code: CodeType) -> tuple[int | None, ...]:
    """Return the source line of each instruction."""
    return tuple([line for line, *_ in code.co_positions()])
