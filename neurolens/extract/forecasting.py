"""What a run over a stimulus set will take, before it runs: shapes, bytes, passes, disk.

Memory and time.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from neurolens.extract.capture.forward import record_forward
from neurolens.extract.capture.restore import evaluation_mode, preserve_buffers
from neurolens.extract.graph.flops import count_flops
from neurolens.extract.graph.select import OpSelection
from neurolens.extract.reducers.chain import ChainPlan
from neurolens.extract.stream.axes import Layout
from neurolens.extract.stream.fill import count_fitted_bytes, group_slots, run_groups
from neurolens.extract.stream.grams.plan import (
    FeatureSlice,
    count_activation_bytes,
    count_held_bytes,
    plan_groups,
    predict_overhead,
)
from neurolens.extract.stream.grams.products import CHUNK_BYTES, EXACT_STIMULI, add_products
from neurolens.extract.stream.grams.results import GramPlan
from neurolens.extract.stream.memory import watch_memory
from neurolens.extract.stream.passes import run_set
from neurolens.extract.stream.plan import (
    Plan,
    count_elements,
    find_device,
    find_numpy_dtype,
    make_plan,
    read_bytes,
)
from neurolens.extract.stream.store import Writer
from neurolens.stimuli import StimulusSet


class Cost(NamedTuple):
    """What one way of running takes: forward passes over the set, seconds.

    And bytes of memory and disk.
    """

    passes: int
    seconds: float
    peak_bytes: int
    disk_bytes: int


class Forecast(pd.DataFrame):
    """One row per result, and what a whole run takes.

    Columns: ``function``; ``shape`` and ``n_bytes`` per stimulus as the op gives them;
    ``kept_shape``, ``kept_dtype`` and ``kept_bytes`` (all stimuli) as they would be stored;
    ``flops`` per stimulus; ``alias_of`` the op it only views; ``gram_pass``, in which pass its Gram
    begins.

    Attributes
    ----------
    activations, grams : Cost
        Of `extract_activations` into a store and of `extract_grams`; ``grams`` is None where the
        budget is too small.
    batch_size : int
    flops : int
        Of one forward pass over the set.
    stimuli_per_second : float
        In the batch that was timed.
    """

    _metadata = ["activations", "batch_size", "flops", "grams", "stimuli_per_second"]  # noqa: RUF012

    @property
    def _constructor(self) -> Any:
        return Forecast

    def summarize(self) -> str:
        """Return the costs in a few lines."""
        lines = [
            f"{len(self)} results, batches of {self.batch_size}, {self.flops / 1e9:.1f} GFLOPs for "
            f"the set"
        ]
        for name, cost in (("activations", self.activations), ("grams", self.grams)):
            if cost is None:
                lines.append(f"{name:12} the budget does not hold them")
                continue
            lines.append(
                f"{name:12} {cost.passes} passes, about {cost.seconds:.0f} s, "
                f"{cost.peak_bytes / 2**20:.0f} MiB of "
                f"memory beside the model, {cost.disk_bytes / 2**20:.0f} MiB of disk"
            )
        return "\n".join(lines)


def forecast(
    model: nn.Module,
    stimuli: StimulusSet,
    *,
    ops: OpSelection = "all",
    reducer: Any = None,
    memory: str | int = "4GiB",
    sketch: int | None = None,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
) -> Forecast:
    """Return what a run takes, before it runs; the run itself follows the same plan.

    Parameters
    ----------
    model, stimuli, ops, reducer, memory, sketch, batch_size, device
        As for `extract_activations` and `extract_grams`.

    Returns
    -------
    Forecast
        A DataFrame with one row per result; ``print(found.summarize())`` tells the whole.

    Raises
    ------
    InputError, UnknownNameError
        As the run would.

    Notes
    -----
    Costs three small passes, up to four batches, and a short matrix product. Bytes on disk are
    exactly those of the stored values; labels, checks and metadata take some 20 kB and 4 kB per
    result more. Memory is the larger of what the planning passes took and what the batch took,
    workspace of torch's kernels included, as seen now, with what is held beside it; where the
    system does not tell, what the results alive at one moment take. Seconds leave out reading the
    stimuli and writing to disk.
    """
    budget = read_bytes(memory)
    n = len(stimuli)
    settings = {
        "ops": ops,
        "reducer": reducer,
        "batch_size": batch_size,
        "memory": memory,
        "device": device,
    }
    with evaluation_mode(model), preserve_buffers(model), torch.no_grad():
        with watch_memory(find_device(model, device)) as planning:
            plan = make_plan(model, stimuli, **settings)
        tally = GramPlan(plan, False, sketch)
        overhead = predict_overhead(plan) + len(tally.shared) * 8 * n**2
        fits = count_activation_bytes(len(tally.own), n, budget, overhead) >= 8 * n
        groups = plan_groups(tally.own, n, budget, overhead, sketch) if fits else []
        per_stimulus, batch = _run_batch(plan)
        first = _hold_batch(plan, groups[0]) if groups else 0
        flops = _count_flops(plan)
    first_pass = {
        piece.layout.name: i for i, group in reversed(list(enumerate(groups, 1))) for piece in group
    }
    rows = {}
    for slot in plan.slots:
        op = plan.layouts.graph.by_name[slot.layout.op]
        rows[slot.name] = {
            "function": op.function,
            "shape": slot.layout.shape,
            "n_bytes": count_elements(slot.layout.shape) * slot.layout.dtype.itemsize,
            "kept_shape": slot.kept.shape,
            "kept_dtype": str(find_numpy_dtype(slot.kept.dtype)),
            "kept_bytes": n * slot.n_bytes,
            "flops": flops.get(op.name),
            "alias_of": tally.shared.get(slot.name, ""),
            "gram_pass": first_pass.get(tally.shared.get(slot.name, slot.name)),
        }
    found = Forecast(pd.DataFrame.from_dict(rows, orient="index").rename_axis("op"))
    found = found.astype({"flops": "Int64", "gram_pass": "Int64"})
    found.batch_size = plan.batch_size
    found.flops = n * sum(f for f in flops.values() if f is not None)
    found.stimuli_per_second = 1 / per_stimulus
    chunk = min(plan.batch_size, n)
    padded = math.ceil(n / chunk) * chunk
    runs = group_slots(plan, budget)
    shown = n + len(plan.fit_on or ())
    axes = max(count_fitted_bytes(plan, group) for group in runs)
    disk = padded * sum(slot.n_bytes for slot in plan.slots)
    passes = len(runs) * (1 if plan.fit_on is None else 2)
    peak = max(planning.n_bytes or 0, batch + axes)
    found.activations = Cost(passes, len(runs) * shown * per_stimulus, peak, disk)
    found.grams = None
    if groups:
        held = [sum(count_held_bytes(piece, n) for piece in group) for group in groups]
        work = sum(
            float(n) ** 2 * min(p.stop - p.start, p.sketch or p.stop)
            for group in groups
            for p in group
        )
        seconds = len(groups) * n * per_stimulus + work / _measure_products(n, plan.device)
        chunks = 2 * min(CHUNK_BYTES, budget // 8)
        before = (n - len(plan.batches[0])) / n
        passes_peak = max(max(int(size * before) + batch, size + chunks) for size in held)
        passes_peak = max(passes_peak, int(held[0] * before) + first) + len(tally.own) * 8 * n * (
            n + 1
        )
        answer = (len(tally.own) + len(tally.shared)) * 8 * n * (n + 1)
        found.grams = Cost(len(groups), seconds, max(planning.n_bytes or 0, passes_peak, answer), 0)
    return found


def _run_batch(plan: Plan) -> tuple[float, int]:
    """Return seconds per stimulus of a batch as it will run, and the bytes that two take.

    Reducers to fit left out.
    """
    if plan.fit_on is not None:
        plan = replace(
            plan,
            reducers=(),
            fit_on=None,
            slots=tuple(replace(slot, chain=ChainPlan(slot.raw, ())) for slot in plan.slots),
        )
    first_two = range(min(2, len(plan.batches)))
    with watch_memory(plan.device) as seen:
        run_groups(plan, [plan.slots], Writer(), first_two, quiet=True)
    start = time.perf_counter()
    run_groups(plan, [plan.slots], Writer(), [0], quiet=True)
    return (time.perf_counter() - start) / len(plan.batches[0]), seen.n_bytes or predict_overhead(
        plan
    )


def _hold_batch(plan: Plan, group: Sequence[FeatureSlice]) -> int:
    """Return the bytes that a batch takes when the slices of a group are held."""
    held = []
    slices = {one.name: one for one in group}

    def take(layout: Layout, rows: slice, tensor: torch.Tensor | None) -> None:
        if tensor is not None:
            one = slices[layout.name]
            values = tensor.reshape(len(tensor), -1)[:, one.start : one.stop]
            held.append(values[:, : one.sketch].clone())

    layouts = [piece.layout for piece in group]
    with watch_memory(plan.device) as seen:
        run_set(plan, layouts, take, batches=plan.batches[:1])
    return seen.n_bytes or 0


def _count_flops(plan: Plan) -> dict[str, int | None]:
    """Return the floating-point operations of each op per stimulus."""
    n = plan.layouts.script.counts[1]
    small = plan.stimuli.read_rows(range(n)).to(plan.device)
    with preserve_buffers(plan.model):
        recording = record_forward(plan.model, small, keep=lambda name: False)
    counts = {event.name: count_flops(event, recording) for event in recording.events}
    return {name: None if c is None else c // n for name, c in counts.items()}


def _measure_products(n_stimuli: int, device: torch.device) -> float:
    """Return multiplications and additions per second of this device's products of rows.

    Counting half a square.
    """
    dtype = torch.float64 if n_stimuli <= EXACT_STIMULI else torch.float32
    width = max(64, 2**23 // n_stimuli)
    rows = torch.ones((n_stimuli, width), dtype=dtype, device=device)
    gram = np.zeros((n_stimuli, n_stimuli))
    total = np.zeros(n_stimuli)
    add_products(rows, gram, total)
    start = time.perf_counter()
    add_products(rows, gram, total)
    return float(n_stimuli) ** 2 * width / (time.perf_counter() - start)
