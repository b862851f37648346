"""The cost of whole stimulus sets beside hooks by hand, peers and the disk, as ratios.

    python benchmarks/streaming.py                 # all rows: some 15 minutes on two cores
    python benchmarks/streaming.py --row relus-96  # one row, written into the table of the others
    python benchmarks/streaming.py --quick         # fewer images
    python benchmarks/streaming.py --thingsvision .venv/thingsvision/bin/python

Runs of NeuroLens, hooks by hand and bare passes over the same images, read the same way, are each a
process of its own, since what ran before decides how much freed memory the C library keeps. Peers
and the bare forward pass take turns in one process; their ratios are to the mean of the bare passes
before and after. Peak memory is what the process held above the model and the images. THINGSvision
needs other versions of torch and numpy: `--thingsvision` names the Python of an environment that
has it. Rows are kept in benchmarks/results/, each with the commit that it was measured at."""

import argparse
import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from deadlines import Deadline, add_minutes
from kept_rows import WHERE, KeptTable, Section
from machine import read_peak
from stream_ways import (
    BATCH,
    ONE_OP,
    ROUNDS,
    SIDE,
    build_resnet,
    compare_alone,
    extract_ours,
    make_images,
    run_bare,
)
from torch import nn


def measure_ways(
    model: nn.Module,
    images: np.ndarray,
    batch_size: int,
    ways: dict[str, Callable[[np.ndarray], Any]],
    deadline: Deadline,
    rounds: int = ROUNDS,
) -> tuple[dict[str, Any], Any]:
    """Return seconds of each way and of the bare forwards around it, and peak bytes of the first.

    The second is the result of the first way. They take up to ``rounds`` turns, the first in any
    case, and others that end before the deadline. A few batches of all are run first: once large
    results were freed, the C library keeps memory, and everything that runs later is faster for it.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    ratios: dict[str, list[float]] = {name: [] for name in ways}
    peaks, kept = [], None
    with torch.no_grad():
        few = images[: 2 * batch_size]
        run_bare(model, few, batch_size)
        for way in ways.values():
            way(few)
        before = time_bare(model, images, batch_size)
        longest = 0.0
        for turn in range(rounds):
            if turn and not deadline.can_take(longest):
                break
            start = time.perf_counter()
            for number, (name, way) in enumerate(ways.items()):
                start_bytes, begun = read_peak("cpu", reset=True), time.perf_counter()
                made = way(images)
                seconds[name].append(time.perf_counter() - begun)
                peaks.append(read_peak("cpu") - start_bytes)
                kept = kept if turn or number else made
                del made
                after = time_bare(model, images, batch_size)
                ratios[name].append(2 * seconds[name][-1] / (before + after))
                before = after
            longest = max(longest, time.perf_counter() - start)
    # The result of an earlier turn is still held while the next runs, so only the first is valid.
    return {"seconds": seconds, "ratios": ratios, "bare": before, "peak": peaks[0]}, kept


def time_bare(model: nn.Module, images: np.ndarray, batch_size: int) -> float:
    start = time.perf_counter()
    run_bare(model, images, batch_size)
    return time.perf_counter() - start


def measure_one_op(n: int, deadline: Deadline) -> list[str]:
    """Return rows of one op by name, which ends each pass."""
    names = {
        "one op": f"one op ({ONE_OP})",
        "one op, hook": "one op, a hook by hand that ends the pass",
    }
    return describe_alone(names, n, deadline)


def measure_relus(n: int, deadline: Deadline) -> list[str]:
    """Return rows of all ReLUs, pooled."""
    names = {
        "ReLUs": "all ReLUs, pooled",
        "ReLUs, hooks": "all ReLUs, pooled, hooks by hand",
    }
    return describe_alone(names, n, deadline)


def describe_alone(names: dict[str, str], n: int, deadline: Deadline) -> list[str]:
    """Return a row of the table for each of some ways, measured in processes of their own."""
    lines = []
    for way, ratios in compare_alone(list(names), n, deadline).items():
        peak = "" if ratios.peak is None else f"{ratios.peak / 2**20:.0f}"
        over_bare = describe_range(ratios.over_bare)
        over_kept = describe_range(ratios.over_kept)
        lines.append(f"| {names[way]}, {n} images | {over_bare} | {over_kept} | {peak} | |")
    return lines


def measure_torchlens(n: int, deadline: Deadline) -> list[str]:
    """Return rows of TorchLens's extract_dataset, for one op and its ReLU operations."""
    torchlens = importlib.import_module("torchlens")
    model, images = build_resnet("resnet50"), make_images(n)
    labels = torchlens.trace(model, torch.from_numpy(images[:1])).layer_labels
    relus = [label for label in labels if label.startswith("relu")]

    def run(shown: np.ndarray, **wanted: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            torchlens.extract_dataset(
                model,
                torch.from_numpy(shown),
                batch_size=BATCH,
                output_dir=folder,
                progress=False,
                **wanted,
            )

    ways = {
        "one op, TorchLens extract_dataset": lambda shown: run(shown, layers=["layer3.2.conv2"]),
        "all ReLUs, pooled, TorchLens extract_dataset": lambda shown: run(
            shown, layers=relus, pool="spatial_mean"
        ),
    }
    return describe_ways(measure_ways(model, images, BATCH, ways, deadline, rounds=1)[0], n)


def measure_thingsvision(n: int, deadline: Deadline) -> list[str]:
    """Return rows of THINGSvision, which keeps modules.

    Of a ReLU that runs three times it keeps the last result.
    """
    thingsvision = importlib.import_module("thingsvision")
    model, images = build_resnet("resnet50"), make_images(n)
    relus = [key for key, module in model.named_modules() if isinstance(module, nn.ReLU)]
    extractor = thingsvision.get_extractor_from_model(model=model, device="cpu", backend="pt")

    def run(shown: np.ndarray, names: list[str]) -> Any:
        loader = torch.utils.data.DataLoader(torch.from_numpy(shown), batch_size=BATCH)
        return extractor.extract_features(batches=loader, module_names=names, flatten_acts=False)

    ways = {
        "one op, THINGSvision": lambda shown: run(shown, ["layer3.2.conv2"]),
        "17 ReLU modules whole, THINGSvision": lambda shown: run(shown, relus),
    }
    return describe_ways(measure_ways(model, images, BATCH, ways, deadline, rounds=1)[0], n)


def measure_store(n: int, deadline: Deadline) -> list[str]:
    """Return a row of all ops to zarr, beside a plain write of files of the same sizes.

    Everything is on the disk when the time of a round ends. As many bytes are written and removed
    first: some disks take what they hold no blocks for at a fraction of their speed.
    """
    model, images = build_resnet("resnet50"), make_images(n)
    rounds: dict[str, list[float]] = {"plain": [], "ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        few = Path(folder) / "few.zarr"
        extract_ours(model, reducer="float16", store=few)(images[:BATCH])
        sizes = [file.stat().st_size for file in few.rglob("*") if file.is_file()]
        filler = Path(folder) / "filler"
        filler.mkdir()
        write_plain(filler, sizes * -(-n // BATCH))
        os.sync()
        shutil.rmtree(few)
        shutil.rmtree(filler)
        run_bare(model, images, BATCH)
        longest = 0.0
        for number in range(ROUNDS):
            if number and not deadline.can_take(longest):
                break
            start = time.perf_counter()
            rounds["bare"].append(time_bare(model, images, BATCH))
            path = Path(folder) / f"{number}.zarr"
            store = extract_ours(model, reducer="float16", store=path)
            rounds["ours"].append(_time_to_disk(lambda store=store: store(images)))
            sizes = [file.stat().st_size for file in path.rglob("*") if file.is_file()]
            shutil.rmtree(path)
            plain = Path(folder) / f"{number}"
            plain.mkdir()
            rounds["plain"].append(_time_to_disk(lambda to=plain, s=sizes: write_plain(to, s)))
            shutil.rmtree(plain)
            longest = max(longest, time.perf_counter() - start)
    speed = [p / o for p, o in zip(rounds["plain"], rounds["ours"], strict=True)]
    pairs = zip(rounds["bare"], rounds["plain"], rounds["ours"], strict=True)
    both = [(bare + plain) / ours for bare, plain, ours in pairs]
    ratios = [o / b for o, b in zip(rounds["ours"], rounds["bare"], strict=True)]
    return [
        f"| all ops to zarr, float16, {n} images | {describe_range(ratios)} | | | "
        f"{sum(sizes) / 2**20:.0f} MiB; throughput / that of a plain write "
        f"{describe_range(speed)}; (bare forward + plain write) / extraction "
        f"{describe_range(both)}; plain write {sum(sizes) / 2**20 / max(rounds['plain']):.0f} to "
        f"{sum(sizes) / 2**20 / min(rounds['plain']):.0f} MiB/s |"
    ]


def write_plain(folder: Path, sizes: Sequence[int]) -> None:
    """Write files of these sizes, one after the other."""
    content = memoryview(np.random.default_rng(0).integers(0, 255, max(sizes), dtype=np.uint8))
    for number, size in enumerate(sizes):
        (folder / str(number)).write_bytes(content[:size])


def _time_to_disk(call: Callable[[], Any]) -> float:
    os.sync()
    start = time.perf_counter()
    call()
    os.sync()
    return time.perf_counter() - start


class Run(NamedTuple):
    """What measures a row, its images, those with --quick, and its least time in bare passes."""

    measure: Callable[[int, Deadline], list[str]]
    images: int
    quick_images: int
    passes: float


# The longest comes last: it is the first that is left out when there is no time.
ROWS = {
    "relus-96": Run(measure_relus, 96, 48, 8),
    "one-op": Run(measure_one_op, 96, 48, 7),
    "zarr": Run(measure_store, 64, 16, 25),
    "torchlens": Run(measure_torchlens, 32, 16, 20),
    "thingsvision": Run(measure_thingsvision, 128, 32, 8),
    "one-op-512": Run(measure_one_op, 512, 64, 5),
    "relus": Run(measure_relus, 512, 64, 6),
}


def run_child(row: str, n: int, deadline: Deadline, python: str = sys.executable) -> list[str]:
    seconds = f"{deadline.seconds:.0f}"
    command = [python, __file__, "--measure", row, str(n), seconds]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        lines = [f"ended with {done.returncode}", *done.stderr.strip().splitlines()]
        reason = lines[-1][:150]
        return [f"| {row} | fails: {reason} | | | |"]
    return json.loads(done.stdout.splitlines()[-1])


def time_image() -> float:
    """Return the seconds that a bare pass takes for an image."""
    model, images = build_resnet("resnet50"), make_images(BATCH)
    with torch.no_grad():
        run_bare(model, images, BATCH)
        return time_bare(model, images, BATCH) / BATCH


def describe_range(values: Sequence[float]) -> str:
    """Return the median and the range."""
    spread = f" ({min(values):.2f}-{max(values):.2f})" if len(values) > 1 else ""
    return f"{np.median(values):.2f}{spread}"


def describe_ways(found: dict[str, Any], n: int) -> list[str]:
    """Return a row of the table for each way; the peak is known of the first."""
    lines = []
    for name, ratios in found["ratios"].items():
        peak = "" if lines else f"{found['peak'] / 2**20:.0f}"
        lines.append(f"| {name}, {n} images | {describe_range(ratios)} | | {peak} | |")
    return lines


def open_table(is_kept: bool) -> KeptTable:
    """Return the table of all rows."""
    head = (
        f"ResNet-50 where no other is named, images of {SIDE} pixels, batches of {BATCH}.",
        "",
        "Memory kept: the C library keeps all memory that is freed from the start of the run on, as",
        "NeuroLens has it do within the budget, in bare passes and hooks too; without, it returns what",
        "large results leave to the system, which clears it. So the first ratio is what each takes as",
        "it comes, and the second what the code takes: beside hooks that keep memory NeuroLens takes",
        "as long or longer. Peers and stores were measured as they come.",
        "",
        f"| run | time / bare forward, as it comes | both with memory kept | peak MiB | | {WHERE} |",
        "|---|---:|---:|---:|---|---|",
    )
    name = "streaming-cpu" if is_kept else None
    return KeptTable(name, "What whole stimulus sets cost", [Section(head, tuple(ROWS))])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--row", choices=list(ROWS), action="append", help="measure only this")
    parser.add_argument(
        "--thingsvision", metavar="PYTHON", help="Python of an environment with THINGSvision"
    )
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    add_minutes(parser)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.measure:
        row, n, seconds = options.measure
        with contextlib.redirect_stdout(sys.stderr):
            found = ROWS[row].measure(int(n), Deadline(float(seconds) / 60))
        print(json.dumps(found))
        return
    deadline = Deadline(options.minutes)
    rows = options.row or [row for row in ROWS if row != "thingsvision" or options.thingsvision]
    table = open_table(is_kept=not options.quick)
    seconds = time_image()
    for done, row in enumerate(rows):
        run = ROWS[row]
        n = run.quick_images if options.quick else run.images
        if not deadline.can_take(seconds * n * run.passes):
            table.skip(row)
            continue
        python = options.thingsvision if row == "thingsvision" else sys.executable
        table.put(row, run_child(row, n, deadline.share_time(len(rows) - done), python))


if __name__ == "__main__":
    main()
