"""How time and peak memory grow with ops, stimuli, features, voxels and subjects; writes docs/scaling.md.

    python benchmarks/scaling.py                       # some fifteen minutes
    python benchmarks/scaling.py --quick               # fewer sizes, one round, printed only
    python benchmarks/scaling.py --only ops --rounds 1 # printed only
    python benchmarks/scaling.py --draw                # page and picture from the last numbers

The studies are in benchmarks/scaling_studies/. Numbers are kept in benchmarks/results/scaling.json.
Linux only: peaks are those that its kernel reports."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from machine import RESULTS, describe_machine
from processes import import_rooms
from scaling_studies import comparisons, encodings, networks
from scaling_studies.files import Results, read_measurements, write_measurements
from scaling_studies.growth import N_FITTED
from scaling_studies.page import COLUMNS, write_page, write_row
from scaling_studies.picture import draw_picture
from scaling_studies.running import measure_study
from scaling_studies.study import Study

DOCS = Path(__file__).resolve().parents[1] / "docs"
NUMBERS = RESULTS / "scaling.json"
PAGE = DOCS / "scaling.md"
PICTURE = DOCS / "images" / "scaling.svg"
KINDS = ("ops", "stimuli", "features", "voxels", "subjects")
QUICK_SECONDS = 4.0


def list_studies() -> list[Study]:
    """Return all studies, by what they are against."""
    studies = [*networks.STUDIES, *comparisons.STUDIES, *encodings.STUDIES]
    return sorted(studies, key=lambda study: KINDS.index(study.against))


def measure_studies(
    studies: list[Study],
    rounds: int,
    seconds: float,
    n_sizes: int,
    keep: Callable[[Results], None] = lambda results: None,
) -> Results:
    """Return what was measured of each study; print its row, and keep what there is so far."""
    results: Results = []
    import_rooms()
    print("\n".join(COLUMNS))
    for study in studies:
        start = time.perf_counter()
        found = measure_study(study, rounds, seconds, study.sizes[:n_sizes])
        results.append((study, found))
        keep(results)
        print(f"{study.against}: {write_row(study, found)} {time.perf_counter() - start:.0f} s")
        sys.stdout.flush()
    return results


def write_results(results: Results, settings: dict) -> None:
    """Write the numbers, the page and the picture."""
    write_measurements(NUMBERS, results, settings)
    PAGE.write_text(write_page(results, settings))
    draw_picture(results, PICTURE)


def write_command(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """Return what repeats the measurement."""
    numbers = [
        f"--{name} {getattr(options, name):g}"
        for name in ("rounds", "seconds")
        if getattr(options, name) != parser.get_default(name)
    ]
    return " ".join(["python benchmarks/scaling.py", *numbers]) if numbers else "make scaling"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer sizes, printed only")
    parser.add_argument("--only", nargs="+", choices=KINDS, help="some sizes, printed only")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0, help="one measurement may take")
    parser.add_argument("--note", default="", help="a sentence on the page, on how it was measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.draw:
        write_results(*read_measurements(NUMBERS, list_studies()))
        return
    studies = [s for s in list_studies() if options.only is None or s.against in options.only]
    if options.quick:
        measure_studies(studies, 1, QUICK_SECONDS, N_FITTED)
        return
    most = max(len(study.sizes) for study in studies)
    if options.only is not None:
        measure_studies(studies, options.rounds, options.seconds, most)
        return
    settings = {
        "command": write_command(options, parser),
        "machine": describe_machine(),
        "note": options.note,
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    # A run that is interrupted leaves its numbers, for `--draw`.
    write_results(
        measure_studies(
            studies,
            options.rounds,
            options.seconds,
            most,
            lambda results: write_measurements(NUMBERS, results, settings),
        ),
        settings,
    )


if __name__ == "__main__":
    main()
