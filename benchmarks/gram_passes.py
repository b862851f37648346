"""What Grams within a budget cost beside bare forward passes: benchmarks/results/gram_passes.md.

    python benchmarks/gram_passes.py
    python benchmarks/gram_passes.py --only resnet50-2GiB vit_b_16 --resumed

Every row is measured in a process of its own and kept in gram_passes.json beside the table, with
its commit and machine; ``--only`` measures some rows again. Bare passes are timed before and after
the extraction, and so is a square float32 product, which tells what the Gram arithmetic (1.25 n^2
operations per feature of n stimuli) takes at least. Weights are random.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torchvision
from deadlines import MESSAGE, Deadline, add_minutes
from loops import RecurrentNet, SmallUNet
from machine import describe_machine, time_call
from torch.overrides import TorchFunctionMode

import neurolens as nl
from neurolens.extract.capture.memory import watch_memory
from neurolens.extract.stream.resume import runs
from neurolens.support.heap import keep_freed_memory
from neurolens.support.sizes import read_bytes

RESULTS = Path(__file__).parent / "results"
SIDE = 2000


@dataclass(frozen=True)
class Case:
    """A row: a model, the number of images, the budget and the batch size.

    ``exact_images`` is how many images are taken to compare Grams in float64, 0 for none;
    ``exact_memory`` is the budget in which those take several passes.
    """

    model: str
    images: int
    memory: str
    batch_size: int = 20
    exact_images: int = 10
    exact_memory: str = "500MiB"


CASES = {
    "resnet50-2GiB": Case("resnet50", 200, "2GiB"),
    "resnet50-8GiB": Case("resnet50", 200, "8GiB"),
    "vit_b_16": Case("vit_b_16", 30, "700MiB", 10, exact_images=5),
    "swin_t": Case("swin_t", 60, "1GiB", 10),
    "densenet121": Case("densenet121", 60, "1GiB", 10),
    "recurrent": Case("recurrent", 60, "1GiB", 10),
    "unet": Case("unet", 60, "1500MiB", 10, exact_memory="700MiB"),
    "resnet18-1000": Case("resnet18", 1000, "8GiB", 25),
}
OWN: dict[str, Callable[[], torch.nn.Module]] = {"recurrent": RecurrentNet, "unet": SmallUNet}


def make_model(name: str) -> torch.nn.Module:
    """Return a model with random weights that are always the same."""
    torch.manual_seed(0)
    if name in OWN:
        return OWN[name]().eval()
    return torchvision.models.get_model(name, weights=None).eval()


def run_bare(model: torch.nn.Module, images: np.ndarray, batch_size: int) -> None:
    """Run forward passes of all images."""
    with torch.no_grad():
        for row in range(0, len(images), batch_size):
            model(torch.from_numpy(images[row : row + batch_size]))


def measure_speed() -> float:
    """Return the floating-point operations per second of square float32 products."""
    values = torch.randn(SIDE, SIDE)
    seconds = min(time_call(lambda: values @ values) for _ in range(3))
    return 2 * SIDE**3 / seconds


class _CopyMode(TorchFunctionMode):
    """Copies every new result of a call one after the other into ``memory``, round and round."""

    def __init__(self, memory: torch.Tensor) -> None:
        super().__init__()
        self._memory = memory
        self._at = 0

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        is_made = isinstance(result, torch.Tensor) and not result._is_view()
        if is_made and result.dtype == torch.float32:
            flat = result.detach().reshape(-1)
            self._at = 0 if self._at + len(flat) > len(self._memory) else self._at
            self._memory[self._at : self._at + len(flat)] = flat
            self._at += len(flat)
        return result


def time_by_hand(
    model: torch.nn.Module, images: np.ndarray, batch_size: int, n_features: float
) -> tuple[float, float]:
    """Return the seconds of one pass that copies each result, and of products of as many features.

    They are what the least code takes without any budget: no names, no checks, no passes, results
    in the same 2 GiB over and over, and ``torch.mm`` in four bands without the products below them.
    """
    memory = torch.zeros(2**29)
    start = time.perf_counter()
    with _CopyMode(memory):
        run_bare(model, images, batch_size)
    copied = time.perf_counter()
    n_stimuli = len(images)
    height = -(-n_stimuli // 4)
    width = 16_384
    rows = memory[: n_stimuli * width * (len(memory) // (n_stimuli * width))].view(n_stimuli, -1)
    done = 0
    while done < n_features:
        chunk = rows[:, done % rows.shape[1] :][:, :width]
        for top in range(0, n_stimuli, height):
            chunk[top : top + height] @ chunk[top:].T
        done += chunk.shape[1]
    return copied - start, time.perf_counter() - copied


def count_features(grams: Any) -> float:
    """Return the features of all Grams that were computed, not shared."""
    return float(grams.n_features.where(grams.alias_of == "", 0).sum())


def compare_with_one_pass(model: torch.nn.Module, images: np.ndarray, case: Case) -> dict[str, Any]:
    """Return how Grams of several passes differ from those of one, in both precisions."""
    stimuli = nl.load_stimuli(images[: case.exact_images])
    found: dict[str, Any] = {}
    for precision in ("float32", "float64"):
        settings = {"batch_size": 5, "precision": precision, "quiet": True}
        one = nl.extract_grams(model, stimuli, memory="10GiB", **settings)
        more = nl.extract_grams(model, stimuli, memory=case.exact_memory, **settings)
        lengths = np.sqrt(np.einsum("oii->oi", one.gram.values))
        scale = lengths[:, :, None] * lengths[:, None, :]
        difference = np.abs(one.gram.values - more.gram.values)
        bound = 5 * one.attrs["eps"] * scale
        share = np.divide(difference, bound, out=np.zeros_like(bound), where=bound > 0)
        found[precision] = float(share.max())
        found[f"{precision}_equal"] = bool((one.gram.values == more.gram.values).all())
        found["compared_passes"] = [one.attrs["n_passes"], more.attrs["n_passes"]]
    return found


def make_images(case: Case) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((case.images, 3, 224, 224), dtype=np.float32)


def time_bare(name: str, *options: str) -> float:
    """Return the seconds of a bare pass in a process of its own.

    There nothing has run but its first batch: what ran before decides which freed memory the C
    library keeps, and with it how fast later passes are.
    """
    command = [sys.executable, __file__, "--only", name, "--bare", *options]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def print_bare(case: Case, is_kept: bool) -> None:
    """Print the seconds of a bare pass, with all freed memory kept where ``is_kept``."""
    model = make_model(case.model)
    images = make_images(case)
    with keep_freed_memory(2**40) if is_kept else contextlib.nullcontext():
        run_bare(model, images[: case.batch_size], case.batch_size)
        print(time_call(lambda: run_bare(model, images, case.batch_size)))


def measure_case(name: str, is_plain: bool) -> dict[str, Any]:
    """Return the measurements of one row.

    Those without resuming are taken instead where ``is_plain``: every pass starts at the input.
    """
    case = CASES[name]
    images = make_images(case)
    model = make_model(case.model)
    stimuli = nl.load_stimuli(images)
    run_bare(model, images[: case.batch_size], case.batch_size)
    speeds = [measure_speed()]
    bare = [time_bare(name)]
    reason = "switched off" if is_plain else None
    find = mock.Mock(return_value=reason) if is_plain else runs.find_obstacle
    start = time.perf_counter()
    cpu = time.process_time()
    switch = mock.patch.object(runs, "find_obstacle", find)
    with switch, watch_memory(torch.device("cpu")) as peak:
        grams = nl.extract_grams(
            model, stimuli, memory=case.memory, batch_size=case.batch_size, quiet=True
        )
    cpu = time.process_time() - cpu
    seconds = time.perf_counter() - start
    bare.append(time_bare(name))
    speeds.append(measure_speed())
    n_features = count_features(grams)
    copy_seconds, product_seconds = time_by_hand(model, images, case.batch_size, n_features)
    row: dict[str, Any] = {
        "machine": describe_machine(),
        "seconds": seconds,
        "processor_seconds": cpu,
        "bare": bare,
        "kept_bare": time_bare(name, "--kept"),
        "gram_seconds": 1.25 * case.images**2 * n_features / float(np.mean(speeds)),
        "hand_seconds": copy_seconds + product_seconds,
        "product_seconds": product_seconds,
        "passes": grams.attrs["n_passes"],
        "forward_passes": grams.attrs["forward_passes"],
        "cuts": grams.attrs.get("resume_cuts", []),
        "alive_bytes": grams.attrs.get("resume_bytes", []),
        "spilled_bytes": grams.attrs.get("spilled_bytes", 0),
        "peak": (peak.n_bytes or 0) / read_bytes(case.memory),
        "reason": list(grams.attrs.get("recompute_reason", [])),
    }
    if not is_plain and case.exact_images:
        row |= compare_with_one_pass(model, images, case)
    return row


def write_row(name: str, case: Case, row: dict[str, Any], plain: dict[str, Any] | None) -> str:
    """Return a row of the table."""
    bare = row["bare"]
    over_bare = [row["seconds"] / one for one in (float(np.mean(bare)), max(bare), min(bare))]
    over_both = [
        row["seconds"] / (one + row["gram_seconds"])
        for one in (float(np.mean(bare)), max(bare), min(bare))
    ]
    over_products = "-"
    if "product_seconds" in row:
        over_products = f"{row['seconds'] / (float(np.mean(bare)) + row['product_seconds']):.2f}"
    gain = "-"
    if plain is not None:
        # Relative to bare passes beside each, since the machine is not always as fast.
        gain = f"{plain['seconds'] / np.mean(plain['bare']) / over_bare[0]:.2f}"
    alive = [n_bytes / 2**20 for n_bytes in row["alive_bytes"]]
    cuts = f"{len(row['cuts'])}"
    if alive:
        cuts += f" ({min(alive):.0f} to {max(alive):.0f})"
    same = "-"
    if "float32" in row:
        exact = "equal" if row["float64_equal"] else f"{row['float64']:.1e}"
        single = "equal" if row["float32_equal"] else f"{row['float32']:.1e}"
        same = f"{single}; {exact} ({row['compared_passes'][1]} passes)"
    cells = [
        case.model,
        str(case.images),
        case.memory,
        gain,
        str(row["passes"]),
        f"{row['forward_passes']:.2f}",
        cuts,
        f"{row['spilled_bytes'] / 1e9:.1f}",
        "{:.2f} ({:.2f} to {:.2f})".format(*over_bare),
        f"{row['seconds'] / row['kept_bare']:.2f}" if "kept_bare" in row else "-",
        "{:.2f} ({:.2f} to {:.2f})".format(*over_both),
        over_products,
        f"{row['seconds'] / row['hand_seconds']:.2f}",
        f"{row['peak']:.3f}",
        same,
        "; ".join(row["reason"]) or "-",
        f"{row['machine'].rpartition('commit ')[2]}, {row['machine'].partition(',')[0]}",
    ]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| model | images | budget | gain | passes | forward passes | cuts (MiB alive) | spilled GB "
    "| time / bare | time / bare with memory kept | time / (bare + Gram arithmetic) "
    "| time / (bare + products by hand) | time / by hand | peak / budget | difference to one pass, of the bound: float32; float64 "
    "| not resumed because | commit, processor |"
)
NOTES = """
gain: time without resuming (every pass starts at the input) over time with it, each relative to
bare passes beside it. Times are on the clock, with bare passes before and after, each in a process
of its own; ranges are over these. Memory kept: a bare pass for which the C library keeps all freed
memory, as NeuroLens has it do within the budget; without, it returns what large results leave to
the system. Gram arithmetic: 1.25 n^2 operations per feature at the speed of square float32 products of
side 2000 in the same run. By hand: one pass that copies each result over and over into the same
2 GiB, and then torch.mm of as many features: without budget, names or checks. Products by hand: these
products alone, which torch.mm does not take at the speed of square ones. Peak: memory of the
process above that before. Differences to Grams of one pass are those of a few images (see CASES),
largest of all entries, relative to the stated bound, "equal" where every bit is. Bare passes that
differ by much tell that other programs ran.
"""


def write_table(measured: dict[str, Any]) -> None:
    """Write the table of all rows that were measured."""
    rows = []
    machines = set()
    for name, case in CASES.items():
        if name in measured:
            rows.append(write_row(name, case, measured[name], measured.get(f"{name}, plain")))
            machines.add(measured[name]["machine"].partition("; commit")[0])
    rule = "|---|---:|---:|---:|---:|---:|---:|---:|---|---:|---|---:|---:|---:|---|---|---|"
    title = "# Grams of all operations within a budget, beside bare forward passes"
    text = "\n".join([title, "", *sorted(machines), "", HEAD, rule, *rows, NOTES])
    (RESULTS / "gram_passes.md").write_text(text)


def read_measured() -> dict[str, Any]:
    """Return the rows measured so far."""
    path = RESULTS / "gram_passes.json"
    return json.loads(path.read_text()) if path.exists() else {}


def main() -> None:
    """Measure rows, each in a process of its own, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--plain", action="store_true", help="only without resuming")
    parser.add_argument("--resumed", action="store_true", help="only with resuming")
    parser.add_argument("--here", action="store_true", help="measure one row in this process")
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--kept", action="store_true", help=argparse.SUPPRESS)
    add_minutes(parser)
    arguments = parser.parse_args()
    if arguments.bare:
        print_bare(CASES[arguments.only[0]], arguments.kept)
        return
    deadline = Deadline(arguments.minutes)
    longest = 0.0
    kinds = [plain for plain in (False, True) if not (arguments.resumed and plain)]
    kinds = [plain for plain in kinds if plain or not arguments.plain]
    for name in arguments.only:
        for is_plain in kinds:
            if not arguments.here:
                if not deadline.can_take(longest):
                    print(f"{name}: {MESSAGE}", flush=True)
                    continue
                begun = time.monotonic()
                kind = "--plain" if is_plain else "--resumed"
                command = [sys.executable, __file__, "--only", name, kind, "--here"]
                subprocess.run(command, check=True)
                longest = max(longest, time.monotonic() - begun)
                continue
            measured = read_measured()
            row = measure_case(name, is_plain)
            measured[f"{name}, plain" if is_plain else name] = row
            path = RESULTS / "gram_passes.json"
            path.write_text(json.dumps(measured, indent=1) + "\n")
            write_table(measured)
            print(name, json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
