"""The cost of whole stimulus sets beside peers: one op, all ReLUs, all ops to disk, Grams.

    python benchmarks/streaming.py            # about thirteen minutes on two cores
    python benchmarks/streaming.py --quick    # fewer images
    python benchmarks/streaming.py --thingsvision .venv/thingsvision/bin/python

Times are ratios to the bare forward pass over the same images, read the same way, in the same
process, turn by turn; peers run in processes of their own with their own bare forward. Peak memory
is what the process held above the model and the images. THINGSvision needs other versions of torch
and numpy: `--thingsvision` names the Python of an environment that has it, and its ratios are to a
bare forward pass there. The tables are kept in benchmarks/results/."""

import argparse
import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from machine import describe_machine, read_peak, write_result
from torch import nn

SIDE = 224
ONE_OP = "layer3.2.conv2/conv2d"
# Turns of each method, fewer where they take longer than this together.
ROUNDS, MOST_SECONDS = 3, 75.0
# Peers many times slower than the bare forward run over this share of the images.
PEER_SHARE = 4


def make_images(n: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, 3, SIDE, SIDE), dtype=np.float32)


def run_bare(model: nn.Module, images: np.ndarray, batch_size: int) -> None:
    for start in range(0, len(images), batch_size):
        model(torch.from_numpy(images[start : start + batch_size]))


def build_resnet(name: str) -> nn.Module:
    torch.manual_seed(0)
    kind = torchvision.models.resnet18 if "resnet18" in name else torchvision.models.resnet50
    return kind(weights=None).eval()


def measure_way(
    model: nn.Module,
    images: np.ndarray,
    batch_size: int,
    way: Callable[[np.ndarray], Any],
    rounds: int = ROUNDS,
) -> tuple[dict[str, Any], Any]:
    """Return seconds of ``way`` and of the bare forwards around it, peak bytes, and the result.

    It takes up to ``rounds`` turns, the first in any case, until `MOST_SECONDS` are over. A few batches of both are run first: once large results were freed, the C library keeps memory,
    and everything that runs later is faster for it.
    """
    seconds, bare, peaks = [], [], []
    with torch.no_grad():
        few = images[: 6 * batch_size]
        run_bare(model, few, batch_size)
        way(few)
        bare.append(time_bare(model, images, batch_size))
        while not seconds or (len(seconds) < rounds and sum(seconds) + sum(bare) < MOST_SECONDS):
            start_bytes, start = read_peak("cpu", reset=True), time.perf_counter()
            made = way(images)
            seconds.append(time.perf_counter() - start)
            peaks.append(read_peak("cpu") - start_bytes)
            bare.append(time_bare(model, images, batch_size))
    # The result of an earlier turn is still held while the next runs, so only the first is valid.
    return {"seconds": seconds, "bare": bare, "peak": peaks[0]}, made


def time_bare(model: nn.Module, images: np.ndarray, batch_size: int) -> float:
    start = time.perf_counter()
    run_bare(model, images, batch_size)
    return time.perf_counter() - start


def measure_ours(name: str, n: int, batch_size: int, memory: str) -> dict[str, Any]:
    """Return the cost of one way of running NeuroLens, and its forecast."""
    import neurolens as nl

    model, images = build_resnet(name), make_images(n)
    settings = {"batch_size": batch_size, "quiet": True}
    with tempfile.TemporaryDirectory() as folder:

        def extract(**how: Any) -> Callable[[np.ndarray], Any]:
            return lambda shown: nl.extract_activations(
                model, nl.load_stimuli(shown), **how, **settings
            )

        def store(shown: np.ndarray) -> Any:
            return extract(reducer="float16", store=Path(folder) / f"{len(shown)}.zarr")(shown)

        ways: dict[str, Callable[[np.ndarray], Any]] = {
            "one op": extract(ops=ONE_OP),
            "all ReLUs, pooled": extract(ops="*relu*", reducer="mean"),
            "all ops to zarr": store,
            "grams": lambda shown: nl.extract_grams(
                model, nl.load_stimuli(shown), memory=memory, **settings
            ),
        }
        # A store that exists is continued, so that a second turn would write nothing.
        rounds = 1 if "zarr" in name else ROUNDS
        facts, made = measure_way(
            model, images, batch_size, ways[name.removesuffix(" resnet18")], rounds
        )
        found = nl.forecast(
            model,
            nl.load_stimuli(images),
            ops={"one op": ONE_OP, "all ReLUs, pooled": "*relu*"}.get(name, "all"),
            reducer={"all ReLUs, pooled": "mean", "all ops to zarr": "float16"}.get(name),
            memory=memory,
            batch_size=batch_size,
        )
        expected = found.grams if "grams" in name else found.activations
        facts["peak_forecast"] = expected.peak_bytes
        if "grams" in name:
            facts |= {
                "passes": made.attrs["n_passes"],
                "features": int(made.n_features[made.alias_of == ""].sum()),
            }
        if "zarr" in name:
            files = (Path(folder) / f"{n}.zarr").rglob("*")
            facts["disk"] = sum(p.stat().st_size for p in files if p.is_file())
            facts["disk_forecast"] = expected.disk_bytes
        return facts


def measure_hooks(name: str, n: int, batch_size: int, memory: str) -> dict[str, Any]:
    """Return the same for forward hooks written by hand: kept on all ReLUs, pooled.

    Results are stacked at the end.
    """
    model, images = build_resnet(name), make_images(n)

    def run_hooks(shown: np.ndarray) -> dict[str, torch.Tensor]:
        kept: dict[str, list[torch.Tensor]] = {}
        handles = [
            module.register_forward_hook(
                lambda m, i, o, key=key: kept.setdefault(f"{key} {o.shape[1]}", []).append(
                    o.clone() if "one" in name else o.mean((2, 3))
                )
            )
            for key, module in model.named_modules()
            if (key == "layer3.2.conv2" if "one" in name else isinstance(module, nn.ReLU))
        ]
        run_bare(model, shown, batch_size)
        for handle in handles:
            handle.remove()
        return {key: torch.cat(parts) for key, parts in kept.items()}

    return measure_way(model, images, batch_size, run_hooks)[0]


def measure_torchlens(name: str, n: int, batch_size: int, memory: str) -> dict[str, Any]:
    """Return the same for TorchLens's extract_dataset over its ReLU operations."""
    torchlens = importlib.import_module("torchlens")
    model, images = build_resnet(name), make_images(n)
    if "one" in name:
        wanted = {"layers": ["layer3.2.conv2"]}
    else:
        labels = torchlens.trace(model, torch.from_numpy(images[:1])).layer_labels
        wanted = {"layers": [x for x in labels if x.startswith("relu")], "pool": "spatial_mean"}

    def run_torchlens(shown: np.ndarray) -> None:
        with tempfile.TemporaryDirectory() as folder:
            torchlens.extract_dataset(
                model,
                torch.from_numpy(shown),
                batch_size=batch_size,
                output_dir=folder,
                progress=False,
                **wanted,
            )

    return measure_way(model, images, batch_size, run_torchlens)[0]


def measure_thingsvision(name: str, n: int, batch_size: int, memory: str) -> dict[str, Any]:
    """Return the same for THINGSvision, which keeps modules.

    Of a ReLU that runs three times it keeps the last result.
    """
    thingsvision = importlib.import_module("thingsvision")
    model, images = build_resnet(name), make_images(n)
    relus = [key for key, module in model.named_modules() if isinstance(module, nn.ReLU)]
    extractor = thingsvision.get_extractor_from_model(model=model, device="cpu", backend="pt")

    def run_thingsvision(shown: np.ndarray) -> Any:
        loader = torch.utils.data.DataLoader(torch.from_numpy(shown), batch_size=batch_size)
        names = ["layer3.2.conv2"] if "one" in name else relus
        return extractor.extract_features(batches=loader, module_names=names, flatten_acts=False)

    return measure_way(model, images, batch_size, run_thingsvision)[0]


MEASURES = {
    "ours": measure_ours,
    "hooks": measure_hooks,
    "torchlens": measure_torchlens,
    "thingsvision": measure_thingsvision,
}


def run_child(
    measure: str, name: str, n: int, batch_size: int, memory: str, python: str = sys.executable
) -> Any:
    command = [python, __file__, "--measure", measure, name, str(n), str(batch_size), memory]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        return {
            "failed": (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][
                :150
            ]
        }
    return json.loads(done.stdout.splitlines()[-1])


def measure_matmul(n: int) -> float:
    """Return the operations per second of float32 (n, p) x (p, n) products on this machine.

    A multiply-add counts as two.
    """
    rows = torch.randn(n, 16384)
    rows @ rows.T
    best = min(_time(lambda: rows @ rows.T) for _ in range(5))
    return 2 * n * n * 16384 / best


def _time(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def divide_bare(found: dict[str, Any]) -> list[float]:
    """Return the seconds of each turn over the mean of the bare forwards before and after it."""
    bare = found["bare"]
    return [2 * s / (a + b) for s, a, b in zip(found["seconds"], bare[:-1], bare[1:], strict=True)]


def describe_row(label: str, found: dict[str, Any]) -> str:
    if "failed" in found:
        return f"| {label} | fails: {found['failed']} | | |"
    bare, ratios = found["bare"], divide_bare(found)
    spread = f" ({min(ratios):.2f}-{max(ratios):.2f})" if len(ratios) > 1 else ""
    extra = [f"{found['passes']} passes"] if "passes" in found else []
    if "disk" in found:
        extra.append(
            f"{found['disk'] / 2**20:.0f} MiB on disk, forecast "
            f"{found['disk_forecast'] / found['disk']:.3f}"
        )
    if "peak_forecast" in found:
        extra.append(f"forecast / seen peak {found['peak_forecast'] / found['peak']:.2f}")
    extra.append(f"bare forward after / before {bare[-1] / bare[0]:.2f}")
    return f"| {label} | {np.median(ratios):.2f}{spread} | {found['peak'] / 2**20:.0f} | {', '.join(extra)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument(
        "--thingsvision", metavar="PYTHON", help="Python of an environment with THINGSvision"
    )
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.measure:
        measure, name, n, batch_size, memory = options.measure
        with contextlib.redirect_stdout(sys.stderr):
            found = MEASURES[measure](name, int(n), int(batch_size), memory)
        print(json.dumps(found))
        return
    n, small, large = (64, 48, 96) if options.quick else (512, 200, 1000)
    lines = ["# What whole stimulus sets cost", "", describe_machine(), ""]
    lines += [f"## ResNet-50 over {n} images of {SIDE} pixels, batches of 16", ""]
    lines += ["| run | time / bare forward | peak MiB | |", "|---|---:|---:|---|"]
    rows = [
        (f"one op ({ONE_OP})", "ours", "one op"),
        ("one op, a hook by hand", "hooks", "one op"),
        ("one op, TorchLens extract_dataset", "torchlens", "one op"),
        ("all ReLUs, pooled", "ours", "all ReLUs, pooled"),
        ("all ReLUs, pooled, hooks by hand", "hooks", "all ReLUs"),
        ("all ReLUs, pooled, TorchLens extract_dataset", "torchlens", "all ReLUs"),
    ]
    if options.thingsvision:
        rows += [
            ("one op, THINGSvision", "thingsvision", "one op"),
            ("17 ReLU modules whole, THINGSvision", "thingsvision", "all ReLUs"),
        ]
    for label, measure, name in rows:
        python = options.thingsvision if measure == "thingsvision" else sys.executable
        shown = n // PEER_SHARE if measure in ("torchlens", "thingsvision") else n
        label = label if shown == n else f"{label}, {shown} images"
        lines.append(describe_row(label, run_child(measure, name, shown, 16, "4GiB", python)))
        print(lines[-1], flush=True)
    lines += ["", f"## All ops of ResNet-50 over {small} images", ""]
    lines += ["| run | time / bare forward | peak MiB | |", "|---|---:|---:|---|"]
    lines.append(
        describe_row(
            "all ops to zarr, float16", run_child("ours", "all ops to zarr", small, 16, "4GiB")
        )
    )
    for memory in ("2GiB", "8GiB"):
        lines.append(
            describe_row(
                f"Grams of all ops in {memory}", run_child("ours", "grams", small, 16, memory)
            )
        )
        print(lines[-1], flush=True)
    lines += ["", f"## All ops of ResNet-18 over {large} images, as Grams in 8 GiB", ""]
    found = run_child("ours", "grams resnet18", large, 16, "8GiB")
    speed = measure_matmul(large)
    if "failed" in found:
        lines.append(f"fails: {found['failed']}")
    else:
        bare = np.mean(found["bare"])
        parts = found["passes"] * bare + 2 * large**2 * found["features"] / speed
        lines.append(
            f"time {np.median(found['seconds']) / parts:.2f} of ({found['passes']} passes x bare forward + "
            f"Gram arithmetic at the {speed / 1e9:.0f} GFLOP/s of a float32 matrix product here); "
            f"peak {found['peak'] / 2**20:.0f} MiB, forecast / seen "
            f"{found['peak_forecast'] / found['peak']:.2f}"
        )
    write_result("streaming-cpu", "\n".join(lines))


if __name__ == "__main__":
    main()
