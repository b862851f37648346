"""A GPU beside the CPU: the same values, and what recording, streaming, RDMs and ridge cost there.

    python benchmarks/gpu.py                         # under four and a half minutes
    python benchmarks/gpu.py --device cpu --quick    # the same steps, small, on a CPU

Values are compared in full float32 precision; costs are ratios on the same device in the same
round, with torch's own settings. On a GPU the table is kept in benchmarks/results/gpu.md and
gpu.json. Without a GPU nothing is measured. Exits with 1 where values differ or a part fails."""

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from gpu_checks import agreement, speed
from gpu_checks.rows import COLUMNS, Row
from gpu_checks.sizes import FULL, QUICK, Sizes
from machine import RESULTS, describe_machine

Part = Callable[[Sizes, str], list[Row]]
CHECKS: dict[str, Part] = {
    "trace and validate": agreement.check_trace,
    "Grams, RDMs and bootstraps": agreement.check_grams,
    "ridge": agreement.check_ridge,
}
MEASURES: dict[str, Part] = {
    "capture": speed.measure_capture,
    "stream": speed.measure_stream,
    "RDMs of all ops": speed.measure_rdms,
    "ridge of a large set": speed.measure_ridge,
}
# No part is begun after so many seconds, so that the whole stays under four and a half minutes.
LAST_START = 180.0


def run_part(name: str, part: Part, sizes: Sizes, device: str) -> list[Row]:
    """Return the rows of a part, or one that says how it failed."""
    try:
        with torch.no_grad():
            return part(sizes, device)
    except Exception as error:  # the other parts are measured, and the exit status tells
        note = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return [Row(name, None, wanted="runs", holds=False, note=note.replace("|", "/"))]


def run_parts(sizes: Sizes, device: str, last_start: float = LAST_START) -> dict[str, list[Row]]:
    """Return the rows of all parts, those that are left out for want of time among them."""
    rows: dict[str, list[Row]] = {}
    start = time.monotonic()
    for name, part in (CHECKS | MEASURES).items():
        if time.monotonic() - start > last_start:
            rows[name] = [Row(name, None, note="left out: no time was left")]
        elif name in CHECKS:
            with agreement.full_precision():
                rows[name] = run_part(name, part, sizes, device)
        else:
            rows[name] = run_part(name, part, sizes, device)
        print("\n".join(row.write() for row in rows[name]), flush=True)
    return rows


def write_table(rows: dict[str, list[Row]], machine: str, seconds: float) -> str:
    """Return all rows as one Markdown table."""
    lines = [
        "# A GPU beside the CPU",
        "",
        f"{machine}. Measured in {seconds:.0f} s.",
        "",
        "Differences are from the CPU, relative to the largest value, in full float32 precision. "
        "Costs are on the GPU, as ratios in the same round (median, range); what is wanted of "
        "them is what is aimed at.",
        "",
        *COLUMNS,
    ]
    return "\n".join([*lines, *(row.write() for part in rows.values() for row in part)])


def write_json(rows: dict[str, list[Row]], machine: str, seconds: float) -> str:
    """Return the same as JSON."""
    parts = {name: [row._asdict() for row in part] for name, part in rows.items()}
    return json.dumps({"machine": machine, "seconds": round(seconds, 1), "parts": parts}, indent=1)


def has_failed(rows: dict[str, list[Row]]) -> bool:
    """Return whether values differ, or any part ended with an error; slow is no failure."""
    checked = [row for name in CHECKS for row in rows.get(name, [])]
    ended = [row for part in rows.values() for row in part if row.wanted == "runs"]
    return any(row.holds is False for row in [*checked, *ended])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="small, to try the steps")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="where the table is kept")
    options = parser.parse_args()
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("No GPU was found, so that nothing was measured.")
        return
    warnings.simplefilter("ignore")
    start = time.monotonic()
    machine = describe_machine(options.device)
    rows = run_parts(QUICK if options.quick else FULL, options.device)
    seconds = time.monotonic() - start
    is_kept = options.device.startswith("cuda") and not options.quick
    folder = options.write or (RESULTS if is_kept else None)
    if folder is not None:
        (folder / "gpu.md").write_text(write_table(rows, machine, seconds) + "\n")
        (folder / "gpu.json").write_text(write_json(rows, machine, seconds) + "\n")
    sys.exit(1 if has_failed(rows) else 0)


if __name__ == "__main__":
    main()
