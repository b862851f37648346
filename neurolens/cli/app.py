"""Finding the subcommand, running it, and saying how it ended."""

import io
import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import click
from click.shell_completion import CompletionItem

from neurolens.errors import NeuroLensError
from neurolens.support.versions import __version__

# How a call ended.
DONE = 0
FAILED = 1  # the message says why
MISUSED = 2  # the command line cannot be read; nothing was run
REFUTED = 3  # a check ran, and its answer is no
INTERRUPTED = 130

# Warnings about code, which a user of the command line cannot change.
FOR_PROGRAMMERS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ResourceWarning)

ROOM = "neurolens.cli.commands"


class Entry(NamedTuple):
    """A subcommand: the module that holds it, and its line in the list."""

    module: str
    help: str


# In the order in which an analysis uses them.
COMMANDS = {
    "demo": Entry(f"{ROOM}.demo", "The main job, end to end, with pictures and a report."),
    "models": Entry(f"{ROOM}.networks.models", "Models that can be loaded by name."),
    "ops": Entry(f"{ROOM}.networks.ops", "Every operation of a model: table, tree, picture."),
    "validate": Entry(f"{ROOM}.networks.validate", "Check a recording against the model itself."),
    "run": Entry(f"{ROOM}.run", "A whole analysis from a file, with a lock of what made it."),
    "init": Entry(f"{ROOM}.init", "An example of the file that run takes."),
    "datasets": Entry(f"{ROOM}.datasets", "Data sets: list, describe, fetch."),
    "forecast": Entry(f"{ROOM}.extraction.forecast", "What a run over stimuli will cost."),
    "extract": Entry(f"{ROOM}.extraction.extract", "Activations of operations, in a store."),
    "grams": Entry(f"{ROOM}.extraction.grams", "Gram matrices of operations, in a file."),
    "rdms": Entry(f"{ROOM}.scoring.rdms", "RDMs of Grams, activations or responses."),
    "compare": Entry(f"{ROOM}.scoring.compare", "RDMs of a model against those of a brain."),
    "encode": Entry(f"{ROOM}.scoring.encode", "Responses predicted from each operation."),
    "report": Entry(f"{ROOM}.scoring.report", "Scores on the graph, on one interactive page."),
    "doctor": Entry(f"{ROOM}.doctor", "What works on this machine, and what to do about the rest."),
    "explain": Entry(f"{ROOM}.explain", "More about an error: the last word of its message."),
    "completion": Entry(f"{ROOM}.completion", "Completion of names for bash, zsh or fish."),
}


class CommandGroup(click.Group):
    """The subcommands of `COMMANDS`, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else _mark_blocks(import_module(entry.module).command)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; a reader that has gone, as after ``| head``, ends it quietly."""
        try:
            status = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # So that nothing is written to the closed pipe when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        return status

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a subcommand from the table."""
        found = [
            CompletionItem(name, help=entry.help)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found or click.Command.shell_complete(self, ctx, incomplete)


def _mark_blocks(command: click.Command) -> click.Command:
    r"""Return a command whose ``\b`` in a raw docstring begins a block that is not filled."""
    command.help = command.help and command.help.replace("\\b\n", "\b\n")
    for inner in getattr(command, "commands", {}).values():
        _mark_blocks(inner)
    return command


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="neurolens %(version)s")
def root() -> None:
    """Find the operation of a network that represents stimuli the way a brain region does."""


@contextmanager
def show_warnings() -> Iterator[None]:
    """Print warnings as sentences on standard error, each once."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        print(f"neurolens: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for category in FOR_PROGRAMMERS:
            warnings.simplefilter("ignore", category)
        warnings.showwarning = show
        yield


def accept_any_text() -> None:
    r"""Have letters that the encoding of standard output lacks written as escapes (``\xd7``)."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        The exit status: 0 done, 1 an error that the message tells, 2 a command line that cannot be
        read, 3 a check whose answer is no, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    _write_any_letter()
    as_json = "--json" in words
    accept_any_text()
    try:
        with show_warnings():
            status = root.main(args=words, prog_name="neurolens", standalone_mode=False)
    except click.ClickException as error:
        if as_json:
            _show_json("UsageError", error.format_message())
        else:
            error.show()
        return MISUSED
    except NeuroLensError as error:
        if as_json:
            _show_json(type(error).__name__, error.message, error.anchor)
        else:
            print(f"neurolens: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        return _tell_failure(as_json, type(error).__name__, describe_system_error(error))
    except (KeyboardInterrupt, click.Abort):
        sentence = "interrupted; nothing was left half-written, run the same command again"
        _tell_failure(as_json, "KeyboardInterrupt", sentence)
        return INTERRUPTED
    except Exception as error:
        if not as_json:
            traceback.print_exc()
        return _tell_failure(as_json, type(error).__name__, describe_fault(error))
    return status if isinstance(status, int) else DONE


def _write_any_letter() -> None:
    """Let streams that do not know a letter write its number, instead of failing late."""
    for stream in (sys.stdout, sys.stderr):
        encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
        if not encoding.startswith("utf") and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def describe_system_error(error: OSError) -> str:
    """Return a sentence on what the system refused, such as on a full disk."""
    where = "" if error.filename is None else f" {str(error.filename)!r}"
    return f"the system refuses{where}: {error.strerror or error}"


def describe_fault(error: Exception) -> str:
    """Return a sentence on an error that nothing foresaw, with the place that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"an error that NeuroLens does not foresee{where}: {text}"


def _tell_failure(as_json: bool, kind: str, message: str) -> int:
    """Print why a call failed, and return its exit status."""
    if as_json:
        _show_json(kind, message)
    else:
        print(f"neurolens: {message}", file=sys.stderr)
    return FAILED


def _show_json(kind: str, message: str, anchor: str | None = None) -> None:
    facts = {"kind": kind, "message": message}
    if anchor is not None:
        facts["anchor"] = anchor
    print(json.dumps({"error": facts}), file=sys.stderr)
