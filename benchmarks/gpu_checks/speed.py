"""Ratios to the bare forward pass on the same device, throughput, and memory."""

import time
from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from capture import Hooks, count_bytes
from machine import compare_times, read_peak, synchronize, time_call, time_rounds
from scaling_studies.encodings import make_problem
from torch import nn

import neurolens as nl
from gpu_checks.agreement import build_model
from gpu_checks.rows import Row, report_number, require_least, require_most
from gpu_checks.sizes import Sizes, find_memory

MIB = 2**20
# What is aimed at.
MOST_TRACE, MOST_STREAM, LEAST_THROUGHPUT = 1.1, 1.05, 0.8


def measure_capture(sizes: Sizes, device: str) -> list[Row]:
    """Measure a trace beside hooks that keep as much, for one picture and for a batch."""
    rows = []
    for batch in (1, sizes.batch_size):
        x = torch.randn(batch, 3, sizes.side, sizes.side, device=device)
        bare, hooked = build_model(sizes, device), build_model(sizes, device)
        kept = count_bytes(value for op in nl.trace(bare, x) for value in op.values)
        hooks = Hooks(hooked, total=kept, example=x)
        methods = {
            "bare": lambda bare=bare, x=x: bare(x),
            "hooks": lambda hooks=hooks, x=x: hooks(x),
            "trace": lambda bare=bare, x=x: nl.trace(bare, x),
        }
        times = time_rounds(methods, sizes.rounds)
        to_hooks = list_ratios(times["trace"], times["hooks"])
        to_bare = list_ratios(times["trace"], times["bare"])
        label = f"trace of {sizes.model}, batch {batch}"
        rows += [
            require_most(f"{label} / hooks that keep as much", to_hooks, MOST_TRACE),
            report_number(f"{label} / bare forward", to_bare),
            *measure_trace_peak(label, bare, x, kept, device),
        ]
    return rows


def measure_trace_peak(
    label: str, model: nn.Module, x: torch.Tensor, kept: int, device: str
) -> list[Row]:
    start = read_peak(device, reset=True)
    made = nl.trace(model, x)
    synchronize()
    peak = read_peak(device) - start
    del made
    return [report_number(f"{label}: peak / what it keeps", [peak / kept])]


def list_ratios(times: list[float], base: list[float]) -> list[float]:
    return [a / b for a, b in zip(times, base, strict=True)]


def make_pictures(sizes: Sizes) -> np.ndarray:
    shape = (sizes.pictures, 3, sizes.side, sizes.side)
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def run_bare(model: nn.Module, pictures: np.ndarray, batch_size: int, device: str) -> None:
    """Run bare forwards over pictures that lie in the CPU's memory, as those of a set do."""
    for start in range(0, len(pictures), batch_size):
        model(torch.from_numpy(pictures[start : start + batch_size]).to(device))


def measure_stream(sizes: Sizes, device: str) -> list[Row]:
    """Measure all ReLUs, pooled, and one op, over the set, beside bare forwards over it."""
    model, pictures = build_model(sizes, device), make_pictures(sizes)
    stimuli = nl.load_stimuli(pictures)
    settings = {"batch_size": sizes.batch_size, "device": device, "quiet": True}

    def extract(**how: object) -> Callable[[], object]:
        return lambda: nl.extract_activations(model, stimuli, **how, **settings)

    methods = {
        "bare": lambda: run_bare(model, pictures, sizes.batch_size, device),
        "pooled": extract(ops="*relu*", reducer="mean"),
        "one": extract(ops="layer3.1.conv2/conv2d"),
    }
    times = time_rounds(methods, sizes.rounds)
    ratios = compare_times(times, "bare")
    pooled = list_ratios(times["pooled"], times["bare"])
    label = f"{sizes.pictures:,} pictures"
    return [
        require_most(f"all ReLUs, pooled, {label} / bare forwards", pooled, MOST_STREAM),
        report_number(f"one op, {label} / bare forwards", list(ratios["one"])),
    ]


def measure_rdms(sizes: Sizes, device: str) -> list[Row]:
    """Measure RDMs of all ops over the set: throughput, passes, and the peak beside the budget."""
    model, pictures = build_model(sizes, device), make_pictures(sizes)
    stimuli = nl.load_stimuli(pictures)
    budget = find_memory(sizes, device)
    run_bare(model, pictures, sizes.batch_size, device)
    bare = time_call(lambda: run_bare(model, pictures, sizes.batch_size, device))
    start_bytes = read_peak(device, reset=True)
    start = time.perf_counter()
    grams = nl.extract_grams(
        model, stimuli, memory=budget, batch_size=sizes.batch_size, device=device, quiet=True
    )
    synchronize()
    seconds = time.perf_counter() - start
    peak = read_peak(device) - start_bytes
    rdms_seconds = time_call(lambda: nl.compute_rdms(grams))
    return [
        *describe_grams(sizes, grams, seconds, bare),
        report_number("RDMs from these Grams, on the CPU", [rdms_seconds], "s"),
        report_number("peak above the model", [peak / MIB], "MiB", f"of a budget of {budget}"),
    ]


def describe_grams(sizes: Sizes, grams: xr.Dataset, seconds: float, bare: float) -> list[Row]:
    label = f"Grams of all {grams.sizes['op']} ops of {sizes.model}, {sizes.pictures:,} pictures"
    return [
        report_number(label, [sizes.pictures / seconds], "pictures/s"),
        require_least(f"{label}: throughput / bare", [bare / seconds], LEAST_THROUGHPUT),
        require_most(f"{label}: passes", [grams.attrs["n_passes"]], 1),
    ]


def measure_ridge(sizes: Sizes, device: str) -> list[Row]:
    """Measure cross-validated ridge beside the products that it needs, once over all stimuli."""
    n, n_features, n_voxels = sizes.ridge
    features, responses = make_problem(n, n_features, n_voxels)
    products = time_products(features["op0"]["activation"].values, responses.values, device)
    start_bytes = read_peak(device, reset=True)
    seconds = time_call(
        lambda: nl.fit_encoding(features, responses, n_bootstrap=0, n_splits=0, device=device)
    )
    peak = read_peak(device) - start_bytes
    label = f"ridge in 5 folds, {n:,} x {n_features:,}, {n_voxels:,} voxels"
    return [
        report_number(label, [seconds], "s"),
        report_number(f"{label} / products in float64", [seconds / products]),
        report_number(f"{label}: peak", [peak / MIB], "MiB"),
    ]


def time_products(features: np.ndarray, values: np.ndarray, device: str) -> float:
    """Return the seconds of X'X and X'Y in float64, the fastest of three."""
    x = torch.from_numpy(features).double().to(device)
    y = torch.from_numpy(values).double().to(device)
    return min(time_call(lambda: (x.T @ x, x.T @ y)) for _ in range(3))
