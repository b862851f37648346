"""All benchmarks in one piece, unattended, in under 40 minutes on two cores.

    python benchmarks/bench.py
    python benchmarks/bench.py --only ratios capture    # some, without the summary

Each part is a script of this folder, which writes its tables into benchmarks/results/ with the
machine, the commit and ranges, and begins nothing that would end after its time: what it has not
reached is missing, or of the commit that its row names. Time that a part leaves goes to those after
it. A part that does not end by itself is ended. The summary is benchmarks/results/bench.md."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from machine import describe_machine, write_result

FOLDER = Path(__file__).resolve().parent
MOST_MINUTES = 40
# Minutes after its time when a part is ended, if it has not ended by itself; for that some are left
# aside, and the last are for what is between the parts.
GRACE = 1.5
RESERVE = 3.0
MARGIN = 0.3


class Part(NamedTuple):
    """A script of this folder, its arguments, and the minutes that it may take, or the share.

    ``is_limited`` tells that it takes ``--minutes``.
    """

    name: str
    arguments: tuple[str, ...]
    minutes: float
    is_limited: bool = True


# The first takes no time where there is no GPU.
PARTS = (
    Part("gpu", ("gpu.py",), 4.5, is_limited=False),
    Part("ratios", ("ratios.py", "--write"), 3.5),
    Part("capture", ("capture.py",), 6),
    Part("streaming", ("streaming.py",), 6),
    Part("passes", ("gram_passes.py", "--resumed"), 6),
    Part("rdms", ("comparing_rdms.py",), 0.5),
    Part("bootstrap", ("comparing_bootstrap.py",), 2.5),
    Part("influence", ("comparing_influence.py",), 2),
    Part("ridge", ("comparing_ridge.py",), 3.5),
    Part("store", ("encoding_store.py", "--himalaya"), 5),
)


class Outcome(NamedTuple):
    """How long a part took, of the minutes that it had, and how it ended."""

    part: Part
    seconds: float
    minutes: float
    ending: str


def share_minutes(parts: Sequence[Part], left: float) -> float:
    """Return what the first of the parts gets of the minutes that are left for all."""
    return max(left, 0.0) * parts[0].minutes / sum(part.minutes for part in parts)


def run_part(
    part: Part, minutes: float, extra: Sequence[str] = (), most_minutes: float = MOST_MINUTES
) -> Outcome:
    """Run a part, and end it with all its processes some time after its own is over.

    That is after ``most_minutes`` at the latest.
    """
    start = time.monotonic()
    command = [sys.executable, str(FOLDER / part.arguments[0]), *part.arguments[1:], *extra]
    if part.is_limited:
        command += ["--minutes", f"{minutes:.2f}"]
    process = subprocess.Popen(command, cwd=FOLDER.parent, start_new_session=True)
    try:
        code = process.wait(60 * min(minutes + GRACE, most_minutes))
        ending = "done" if code == 0 else f"**failed** with exit status {code}"
    except subprocess.TimeoutExpired:
        end_group(process)
        ending = "**ended** when its time was over: what it had not reached is missing, or older"
    except BaseException:
        end_group(process)
        raise
    return Outcome(part, time.monotonic() - start, minutes, ending)


def end_group(process: subprocess.Popen) -> None:
    """Kill a running process and those that it started, which share its group."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def write_summary(outcomes: Sequence[Outcome], machine: str) -> str:
    """Return a table of the parts."""
    total = sum(outcome.seconds for outcome in outcomes) / 60
    lines = [
        "# All benchmarks in one piece",
        "",
        machine,
        "",
        f"Written by `make bench`, which took {total:.1f} of at most {MOST_MINUTES} minutes.",
        "",
        "| part | minutes | of at most | |",
        "|---|---:|---:|---|",
    ]
    for part, seconds, minutes, ending in outcomes:
        script = f"`benchmarks/{part.arguments[0]}`"
        lines.append(f"| {script} | {seconds / 60:.1f} | {minutes:.1f} | {ending} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [part.name for part in PARTS]
    parser.add_argument("--only", nargs="+", choices=names, help="some parts, without the summary")
    parser.add_argument(
        "--thingsvision", metavar="PYTHON", help="Python of an environment with THINGSvision"
    )
    options = parser.parse_args()
    machine = describe_machine()
    outcomes: list[Outcome] = []
    start = time.monotonic()
    parts = [part for part in PARTS if options.only is None or part.name in options.only]
    left = min(sum(part.minutes for part in parts), MOST_MINUTES - RESERVE)
    while parts:
        part = parts[0]
        is_stream = part.name == "streaming" and options.thingsvision
        extra = ["--thingsvision", options.thingsvision] if is_stream else []
        remaining = MOST_MINUTES - MARGIN - (time.monotonic() - start) / 60
        if remaining <= 0:
            outcomes.append(Outcome(part, 0.0, 0.0, "**left out**: no time was left"))
            parts = parts[1:]
            continue
        outcomes.append(run_part(part, share_minutes(parts, left), extra, remaining))
        print(f"\n{part.name}: {outcomes[-1].ending}\n", flush=True)
        left -= outcomes[-1].seconds / 60
        parts = parts[1:]
    if options.only is None:
        write_result("bench", write_summary(outcomes, machine))
    sys.exit(0 if all(outcome.ending == "done" for outcome in outcomes) else 1)


if __name__ == "__main__":
    main()
