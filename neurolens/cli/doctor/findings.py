"""The form of what a check tells: a state, a sentence, and what to do about it."""

from dataclasses import asdict, dataclass
from typing import Any

OK = "ok"
MISSING = "missing"  # optional, and not there
FAULT = "fault"  # there, and broken; or needed, and not there
SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    name : str
    state : str
        "ok", "missing" (optional and not there), "fault" or "skipped".
    text : str
        What is there.
    advice : str
        What to do about it; empty where nothing is to be done.
    needed : bool
        Whether NeuroLens as a whole does not work without it.
    """

    name: str
    state: str
    text: str
    advice: str = ""
    needed: bool = False

    @property
    def is_harmful(self) -> bool:
        """Whether something that is needed is broken."""
        return self.needed and self.state == FAULT

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return asdict(self)


def tell_failure(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message."""
    line = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def format_bytes(n_bytes: float) -> str:
    """Return a number of bytes in the unit that fits."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit == "bytes" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} TiB"
