"""Simulations that check the statistics where the truth is known; writes docs/simulation.md.

    python benchmarks/simulate.py
    python benchmarks/simulate.py --quick --only rdms series

The studies are the files of benchmarks/simulations/; the docstring of each is its text on the page.
"""

import argparse
import inspect
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

from simulations import (
    ceilings,
    choice,
    encoding,
    groups,
    intervals,
    networks,
    partial,
    rdms,
    reliability,
    series,
    subjects,
    ties,
)
from simulations.table import BAND, CONSERVATIVE, FAILS, HOLDS, MOST, WARNS, Row

PAGE = Path(__file__).resolve().parents[1] / "docs" / "simulation.md"
STUDIES = {
    "rdms": rdms,
    "intervals": intervals,
    "encoding": encoding,
    "choice": choice,
    "networks": networks,
    "ceilings": ceilings,
    "reliability": reliability,
    "subjects": subjects,
    "ties": ties,
    "partial": partial,
    "groups": groups,
    "series": series,
}
COLUMNS = ["| what | runs | found | should be | holds |", "|---|---:|---:|---:|---|"]


def write_study(study: ModuleType, rows: list[Row]) -> list[str]:
    """Return the lines of one study: its docstring, and the table of its rows."""
    heading, text = inspect.cleandoc(study.__doc__ or "").split("\n", 1)
    return [
        f"## {heading.removesuffix('.')}",
        text.replace("``", "`"),
        "",
        *COLUMNS,
        *(row.write() for row in rows),
        "",
    ]


def write_summary(rows: list[Row]) -> list[str]:
    """Return the lines that say what the page is, and how many rows hold."""
    counts = Counter(row.verdict for row in rows)
    return [
        "# Do the statistics keep their promises?",
        "",
        "Written by `make simulate`. The truth is known; stimuli and subjects, or noise, are drawn "
        "anew in each run. Error rates are at 5 %, coverage is of 95 % intervals. A band is what "
        f"chance allows in {BAND:.1%} of rows; means may miss what they should be by as much as "
        "chance allows.",
        "",
        "Each study draws from a seed of its own; `benchmarks/simulate.py --only` repeats single "
        "ones.",
        "",
        f"- **yes**: {counts[HOLDS]} rows are as they should be.",
        f"- **conservative**: {counts[CONSERVATIVE]} find too little, or cover too much, by what "
        "the row says: a finding counts, and its absence says less than it seems to.",
        f"- **warns**: {counts[WARNS]} are wrong by what the row says, at settings that do not fit "
        f"the data, and a warning with the way out says so in {MOST:.0%} of runs or more.",
        f"- **no**: {counts[FAILS]} find too much, or cover too little, without a warning.",
        "",
    ]


def main() -> None:
    """Run the studies and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer simulations, printed only")
    parser.add_argument("--only", nargs="+", choices=STUDIES, help="some studies, printed only")
    parser.add_argument("--times", type=int, default=400, help="simulations of quick studies")
    options = parser.parse_args()
    times = 60 if options.quick else options.times
    rows: list[Row] = []
    lines: list[str] = []
    for name, study in STUDIES.items():
        if options.only is None or name in options.only:
            start = time.perf_counter()
            found = study.list_rows(times)
            lines += write_study(study, found)
            rows += found
            print("\n".join(row.write() for row in found))
            print(f"{name}: {time.perf_counter() - start:.0f} s\n", flush=True)
    if not options.quick and options.only is None:
        PAGE.write_text("\n".join([*write_summary(rows), *lines]))
    sys.exit(0 if all(row.verdict != FAILS for row in rows) else 1)


if __name__ == "__main__":
    main()
