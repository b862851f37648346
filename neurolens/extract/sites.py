"""Stable names: where in the model's source an op was called."""

import dis
import os
import sys
from types import CodeType, FrameType
from typing import Any

import torch
from torch import nn

_MODULE_CALL = nn.Module._call_impl.__code__
_TORCH = torch.__path__[0] + os.sep


class Site:
    """A place in the source of one module that makes one kind of call, and how often it has run."""

    __slots__ = ("base", "code", "count", "offset")

    def __init__(self, base: str, code: CodeType | None, offset: int) -> None:
        self.base = base
        self.count = 0
        self.code = code
        self.offset = offset

    def next_name(self) -> str:
        """Count one more execution and return its name."""
        self.count += 1
        return self.base if self.count == 1 else f"{self.base}@{self.count}"

    @property
    def source(self) -> str:
        """``file:line`` of the call, ``""`` when no Python frame outside torch made it."""
        return "" if self.code is None else f"{self.code.co_filename}:{find_line(self.code, self.offset)}"


class SiteBook:
    """Gives each place that calls torch a name of its own within its module.

    A place is the chain of (code object, instruction offset) from the module's ``forward`` to torch, so that a
    loop over one line is one site and two lines calling the same function are two.
    """

    def __init__(self, handler: CodeType, runner: CodeType) -> None:
        self._handler = handler
        self._runner = runner
        self._sites: dict[Any, Site] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._kept: list[CodeType] = []
        self._spots: dict[tuple[int, int], tuple[int, int]] = {}

    def restart(self) -> "SiteBook":
        """Count every place's executions from the beginning again, for another pass; names stay what they are."""
        for site in self._sites.values():
            site.count = 0
        return self

    def read_place(self, outer: Any) -> tuple:
        """Return a key for the place that called torch; ``outer`` is the place of the composite it runs in."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not self._handler:
            frame = frame.f_back
        frame = frame and frame.f_back
        key: list[Any] = [outer]
        while frame is not None:
            code = frame.f_code
            if code is self._handler or code is _MODULE_CALL or code is self._runner:
                break
            spot = (id(code), frame.f_lasti)
            key.append(self._spots.get(spot) or self._find_spot(spot, code))
            frame = frame.f_back
        return tuple(key)

    def _find_spot(self, spot: tuple[int, int], code: CodeType) -> tuple[int, int]:
        """Return the first instruction of the same source text: a while loop's condition is compiled twice."""
        positions = list(code.co_positions())
        wanted = positions[spot[1] // 2]
        first = spot[1] if None in wanted else 2 * positions.index(wanted)
        self._kept.append(code)
        found = self._spots[spot] = (spot[0], first)
        return found

    def find_site(self, address: str, function: str, place: tuple) -> Site:
        """Return the site for a function called at ``place`` in the module at ``address``."""
        key = (address, function, place)
        site = self._sites.get(key)
        if site is None:
            count = self._counts[address, function] = self._counts.get((address, function), 0) + 1
            base = f"{address}/{function}" if count == 1 else f"{address}/{function}_{count}"
            code, offset = self._find_caller()
            site = self._sites[key] = Site(base, code, offset)
        return site

    def _find_caller(self) -> tuple[CodeType | None, int]:
        """Return the innermost frame outside torch, keeping every code object seen so that no id is reused."""
        frame: FrameType | None = sys._getframe(2)
        found: tuple[CodeType | None, int] = (None, 0)
        while frame is not None and frame.f_code is not self._runner:
            code = frame.f_code
            self._kept.append(code)
            if found[0] is None and code is not self._handler and not is_engine_code(code):
                found = (code, frame.f_lasti)
            frame = frame.f_back
        return found


def is_engine_code(code: CodeType) -> bool:
    """Return whether code belongs to torch or to this package's extraction engine."""
    return code.co_filename.startswith(_TORCH) or code.co_filename.startswith(_HERE)


def find_line(code: CodeType, offset: int) -> int:
    """Return the source line of the instruction at ``offset``."""
    line = code.co_firstlineno
    for start, number in dis.findlinestarts(code):
        if start > offset:
            break
        line = number or line
    return line


_HERE = os.path.dirname(__file__) + os.sep
