"""Simulations that check the statistics where the truth is known; writes docs/simulation.md.

    python benchmarks/simulate.py
    python benchmarks/simulate.py --quick --only rdms

The studies are the files of benchmarks/simulations/.
"""

import argparse
import sys
import time
from pathlib import Path

from simulations import choice, encoding, rdms
from simulations.brains import N_NEUROIDS, N_OPS, N_SHOWN, N_STIMULI, N_SUBJECTS, REGIONS
from simulations.encoding import N_LAYERS
from simulations.table import Row

PAGE = Path(__file__).resolve().parents[1] / "docs" / "simulation.md"
STUDIES = {"rdms": rdms, "encoding": encoding, "choice": choice}


def write_page(rows: list[Row], times: int) -> str:
    """Return the page with the table of all rows."""
    return "\n".join(
        [
            "# Do the statistics keep their promises?",
            "",
            f"Written by `make simulate`: {times} simulations, half as many for intervals, in "
            f"which stimuli and subjects are drawn anew. Null and choice: {N_STIMULI} stimuli, "
            f"{N_SUBJECTS} subjects; {N_OPS} ops on a graph with a skip and a branch and "
            f"{len(REGIONS)} regions, or 30 ops and one. Spearman; for the choice Pearson. Bands "
            "of error rates and means are what chance allows in 99 % of tables. With few stimuli "
            "and subjects the intervals are too wide, which errs on the safe side. Encoding: the "
            f"same neuroids under new stimuli and noise; null and choice: {N_SHOWN} stimuli in 3 "
            f"folds, {N_NEUROIDS} neuroids in two regions, {N_LAYERS} ops that share half their "
            "variance, or 6 unrelated ones (half as many simulations); intervals from 20 halvings, "
            "4 folds; those of R^2 are known to be too wide. Categories: six, which shape features "
            "and responses alike. Depth: ten ops, the sixth shares most with the brain. Ceilings "
            "of neuroids: 200 stimuli shown three times (a tenth as many simulations).",
            "",
            "| what | found | should be | holds |",
            "|---|---:|---:|---|",
            *(row.write() for row in rows),
        ]
    )


def main() -> None:
    """Run the studies and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer simulations, printed only")
    parser.add_argument("--only", choices=STUDIES, help="one study, printed only")
    parser.add_argument("--times", type=int, default=1000, help="simulations of each study")
    options = parser.parse_args()
    start = time.perf_counter()
    times = 100 if options.quick else options.times
    rows: list[Row] = []
    for name, study in STUDIES.items():
        if options.only in (None, name):
            rows += study.list_rows(times)
    text = write_page(rows, times)
    print(f"{text}\n\n{time.perf_counter() - start:.0f} s")
    if not options.quick and options.only is None:
        PAGE.write_text(text + "\n")
    sys.exit(0 if all(row.holds for row in rows) else 1)


if __name__ == "__main__":
    main()
