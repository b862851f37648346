"""Ratios of costs that matter beside the committed ones: which moved by more than the noise?

    python benchmarks/ratios.py            # under five minutes, one thread
    python benchmarks/ratios.py --write    # and keep them as those to compare with

Each repeat is an interpreter of its own, in which each group of ratios is a process of its own: the
layout of memory, and the order of sets, differ from one interpreter to the next, and ratios with
them. The committed repeats are in benchmarks/results/ratios.json. Exits with 1 where a ratio is
worse. Linux only."""

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from deadlines import Deadline, add_minutes
from machine import RESULTS, describe_machine, write_result
from processes import fork_call, import_rooms
from ratio_studies.alarms import describe_alarms, simulate_alarms
from ratio_studies.judgement import WORSE, count_verdict, judge_ratios, write_changes
from ratio_studies.measures import MEASURES, UNFORKED, Ratios
from ratio_studies.repeats import Repeats, read_repeats, write_repeats
from threadpoolctl import threadpool_limits

NUMBERS = RESULTS / "ratios.json"
# A group that takes longer is left out, with a line that says so.
PATIENCE = 120.0


def measure_repeats(
    measure: Callable[[], Ratios], repeats: int, deadline: Deadline
) -> dict[str, list[float]]:
    """Return the ratios of each repeat, as many as end before the deadline, two at least."""
    found: dict[str, list[float]] = {}
    longest = 0.0
    for number in range(repeats):
        begun = time.monotonic()
        if number > 1 and not deadline.can_take(longest):
            break
        for name, value in measure().items():
            found.setdefault(name, []).append(value)
        longest = max(longest, time.monotonic() - begun)
        print(f"repeat {number + 1}: {time.monotonic() - begun:.0f} s", file=sys.stderr)
    return found


def start_repeat(arguments: Sequence[str] = ("--repeat",)) -> Ratios:
    """Return the ratios of one repeat, measured by another interpreter."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def measure_groups(
    measures: Sequence[Callable[[], Ratios]], unforked: Sequence[Callable[[], Ratios]] = ()
) -> Ratios:
    """Return the ratios of all groups, each in a process of its own; of ``unforked`` in this."""
    found: Ratios = {}
    for measure in measures:
        ratios = fork_call(lambda measure=measure: run_alone(measure), PATIENCE)
        if ratios is None:
            print(f"{measure.__name__} took more than {PATIENCE:.0f} s", file=sys.stderr)
        found |= ratios or {}
    for measure in unforked:
        found |= run_alone(measure)
    return found


def run_alone(measure: Callable[[], Ratios]) -> Ratios:
    """Return what one group measures, with one thread."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with threadpool_limits(1), torch.no_grad():
        return measure()


def report_changes(path: Path, machine: str, ratios: dict[str, list[float]]) -> tuple[str, bool]:
    """Return what moved against the committed ratios, as text, and whether any is worse."""
    committed: Repeats = read_repeats(path)
    changes = judge_ratios(committed.ratios, ratios)
    rate = simulate_alarms(changes, np.random.default_rng(0))
    lines = [f"- now: {machine}", f"- committed: {committed.machine or 'nothing yet'}"]
    if committed.ratios and drop_commit(committed.machine) != drop_commit(machine):
        lines.append("- These are different machines or versions: ratios move with them too.")
    lines += ["", *write_changes(changes), "", describe_alarms(rate)]
    return "\n".join(lines), count_verdict(changes, WORSE) > 0


def drop_commit(machine: str) -> str:
    return machine.rpartition("; commit")[0] or machine


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="keep these ratios")
    parser.add_argument("--repeats", type=int, default=7)
    add_minutes(parser)
    parser.set_defaults(minutes=4.5)
    parser.add_argument("--repeat", action="store_true", help="print one repeat, as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.repeat:
        import_rooms()
        print(json.dumps(measure_groups(MEASURES, UNFORKED)))
        return
    deadline = Deadline(options.minutes)
    machine = describe_machine()
    ratios = measure_repeats(start_repeat, options.repeats, deadline)
    text, is_worse = report_changes(NUMBERS, machine, ratios)
    if options.write:
        write_result("ratios", f"# Ratios that matter\n\n{text}")
        write_repeats(NUMBERS, machine, ratios)
    else:
        print(text)
    sys.exit(1 if is_worse and not options.write else 0)


if __name__ == "__main__":
    main()
