"""What a subcommand prints with: sentences for people, or one JSON document for programs."""

import json
import math
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import click


@dataclass(frozen=True)
class Console:
    """How a subcommand was asked to speak.

    Attributes
    ----------
    as_json : bool
        Print one JSON document on standard output, and nothing else there.
    quiet : bool
        Print the answer only, no progress.
    """

    as_json: bool = False
    quiet: bool = False
    # Where the answer goes, also while other output is kept from there.
    _stream: TextIO = field(default_factory=lambda: sys.stdout, repr=False, compare=False)

    @property
    def hides_progress(self) -> bool:
        """Whether progress stays away: asked for, or standard error is no terminal."""
        return self.quiet or self.as_json or not sys.stderr.isatty()

    def tell(self, text: str) -> None:
        """Print what happens on the way, unless ``--quiet`` or ``--json`` is given."""
        if not (self.quiet or self.as_json):
            click.echo(text, file=self._stream)

    def answer(self, text: str, facts: Any) -> None:
        """Print the answer: ``text`` for people, ``facts`` where JSON is asked for."""
        if self.as_json:
            encoding = getattr(self._stream, "encoding", None) or "utf-8"
            escapes = not encoding.lower().startswith("utf")
            text = json.dumps(simplify(facts), indent=2, ensure_ascii=escapes, allow_nan=False)
        click.echo(text, file=self._stream)


def simplify(value: Any) -> Any:
    """Return a value as JSON has it: numbers that are not finite and missing ones are null."""
    if isinstance(value, Mapping):
        return {str(key): simplify(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [simplify(one) for one in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numbers and arrays of NumPy, torch and pandas
        return simplify(value.tolist())
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)


def add_console(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options ``--json`` and ``--quiet``, as its argument ``console``.

    With ``--json``, whatever else prints goes to standard error.
    """

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
    @click.option("--quiet", is_flag=True, help="Print the answer only, no progress.")
    def run(*args: Any, as_json: bool, quiet: bool, **settings: Any) -> Any:
        console = Console(as_json, quiet)
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            return command(*args, console=console, **settings)

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    # Options that stand above in the source are kept by click as this attribute.
    run.__click_params__ = [  # type: ignore[attr-defined]
        *getattr(command, "__click_params__", []),
        *run.__click_params__,  # type: ignore[attr-defined]
    ]
    return run
