"""Rows of the table: a number with its range, what is wanted of it, and whether it is so."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

COLUMNS = ["| what | found | wanted | holds |", "|---|---:|---|---|"]


class Row(NamedTuple):
    """One number; ``holds`` is None where nothing is wanted of it, ``note`` says why none is."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    wanted: str = ""
    holds: bool | None = None
    note: str = ""

    def write(self) -> str:
        """Return the line of a Markdown table."""
        verdict = {None: "", True: "yes", False: "**no**"}[self.holds]
        return f"| {self.name} | {self.write_value()} | {self.wanted} | {verdict} |"

    def write_value(self) -> str:
        """Return the number, its range and its unit."""
        if self.value is None:
            return self.note
        text = f"{self.value:.3g}"
        if self.low is not None and self.low != self.high:
            text += f" ({self.low:.3g} to {self.high:.3g})"
        return " ".join(filter(None, [text, self.unit, self.note]))


def report_number(name: str, values: Sequence[float], unit: str = "", note: str = "") -> Row:
    """Return a row on the median of values, of which nothing is wanted."""
    return Row(name, statistics.median(values), min(values), max(values), unit, note=note)


def require_most(name: str, values: Sequence[float], most: float, unit: str = "") -> Row:
    """Return a row on a median that must be ``most`` or less; NaN never is."""
    row = report_number(name, values, unit)
    return row._replace(wanted=f"at most {most:g}", holds=bool(row.value <= most))


def require_least(name: str, values: Sequence[float], least: float, unit: str = "") -> Row:
    """Return a row on a median that must be ``least`` or more; NaN never is."""
    row = report_number(name, values, unit)
    return row._replace(wanted=f"at least {least:g}", holds=bool(row.value >= least))


def require_text(name: str, found: str, wanted: str) -> Row:
    """Return a row on a word."""
    return Row(name, None, wanted=wanted, holds=found == wanted, note=found)
