"""Forecast of the cost of a run over a stimulus set: bytes, passes, disk, memory, time."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import nn

from neurolens.extract.capture.calls.attention import FUSED, use_attention
from neurolens.extract.capture.forward import record_forward
from neurolens.extract.capture.memory import watch_memory
from neurolens.extract.capture.modules.models import unwrap_model
from neurolens.extract.capture.restore import evaluation_mode
from neurolens.extract.graph.flops import count_flops
from neurolens.extract.graph.select import OpSelection
from neurolens.extract.reducers.chain import ChainPlan
from neurolens.extract.stream.batches import call_with_batch, read_batch
from neurolens.extract.stream.checks import check_inputs, find_device
from neurolens.extract.stream.fill import (
    count_fit_passes,
    count_fitted_bytes,
    count_group_samples,
    group_outputs,
    predict_forward,
    run_groups,
)
from neurolens.extract.stream.grams.plan import GramPlan, plan_grams
from neurolens.extract.stream.grams.products import (
    DOUBLE,
    SINGLE,
    measure_speed,
)
from neurolens.extract.stream.grams.slices import (
    FeatureSlice,
    Pass,
    count_gram_bytes,
    count_pass_samples,
    count_runs,
    count_slice_bytes,
    count_workspace_bytes,
    predict_overhead,
)
from neurolens.extract.stream.grams.sums import plan_resumption
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.passes import run_set
from neurolens.extract.stream.plan import (
    Plan,
    RunSettings,
    Step,
    count_elements,
    find_numpy_dtype,
    make_plan,
)
from neurolens.extract.stream.stores.chunks import N_CHECKSUM
from neurolens.extract.stream.stores.queue import limit_waiting
from neurolens.extract.stream.stores.writer import Writer
from neurolens.stimuli import StimulusSet
from neurolens.support.tables import (
    MOST_ROWS,
    write_block,
    write_facts,
    write_folded,
    write_table,
)


class Cost(NamedTuple):
    """The cost of one kind of run: passes over the set, seconds, bytes of memory and disk.

    ``forward_passes`` is how often ops run, relative to one whole pass: passes start where the last
    one ended.
    """

    passes: int
    seconds: float
    peak_bytes: int
    disk_bytes: int
    forward_passes: float


class Forecast(pd.DataFrame):
    """One row per result, and the cost of a whole run.

    Columns: ``function``; ``shape`` and ``n_bytes`` per stimulus as the op gives them;
    ``kept_shape`` and ``kept_dtype`` as they would be stored, ``n_samples`` of each stimulus, and
    ``kept_bytes`` of all stimuli and samples;
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
    skipped_ops : list of str
        The ops that a run leaves out, each with the reason, as in the attributes of its result.
    stimuli_per_second : float
        In the batch that was timed.
    """

    _metadata = [  # noqa: RUF012
        "activations",
        "batch_size",
        "flops",
        "grams",
        "skipped_ops",
        "stimuli_per_second",
    ]

    @property
    def _constructor(self) -> Any:
        return Forecast

    def summarize(self) -> str:
        """Return the costs in a few lines."""
        lines = [
            f"{len(self)} results, batches of {self.batch_size}, {self.flops / 1e9:.1f} GFLOPs for "
            "the set"
        ]
        for name, cost in (("activations", self.activations), ("grams", self.grams)):
            if cost is None:
                lines.append(f"{name:12} the budget does not hold them")
                continue
            lines.append(
                f"{name:12} {_count_passes(cost.passes)}, about {cost.seconds:.0f} s, "
                f"{cost.peak_bytes / 2**20:.0f} MiB of memory beside the model, "
                f"{cost.disk_bytes / 2**20:.0f} MiB of disk"
            )
        if self.skipped_ops:
            lines.append(f"{len(self.skipped_ops)} ops are left out; see .skipped_ops")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if any(getattr(self, name, None) is None for name in ("batch_size", "flops")):
            return super()._repr_html_()  # a part of a forecast, without the whole run's costs
        head, *lines = self.summarize().splitlines()
        pairs = [line.split(maxsplit=1) for line in lines]
        columns = [str(name) for name in self.columns]
        rows = ((name, *row) for name, *row in self.head(MOST_ROWS).itertuples())
        table = write_table(["result", *columns], rows, len(self))
        facts = write_facts((name, rest) for name, rest in pairs)
        return write_block(head, [facts, write_folded(f"results ({len(self):,})", table)])


def _count_passes(n: int) -> str:
    return f"{n} pass" if n == 1 else f"{n} passes"


def forecast(
    model: nn.Module,
    stimuli: StimulusSet,
    *,
    ops: OpSelection = "all",
    reducer: Any = None,
    memory: str | int = "4GiB",
    sketch: int | None = None,
    precision: str = SINGLE,
    batch_size: int | None = None,
    device: str | torch.device | None = None,
    batch_dependent: bool = False,
    attention: str = FUSED,
    kwargs: dict[str, Any] | None = None,
    n_samples: int = 1,
) -> Forecast:
    """Return the cost of a run before it starts; the run itself follows the same plan.

    Parameters
    ----------
    model, stimuli, ops, reducer, memory, sketch, precision, batch_size
        As for `extract_activations` and `extract_grams`.
    device, batch_dependent, attention, kwargs, n_samples
        As for `extract_activations` and `extract_grams`.

    Returns
    -------
    Forecast
        A DataFrame with one row per result; ``print(costs.summarize())`` prints the total.

    Raises
    ------
    InputError, UnknownNameError
        As the run would.

    Notes
    -----
    Costs three small passes (five where planning needs more than two, see `extract_activations`),
    up to four batches (one more where Grams take several passes, and one where activations do), and
    a short matrix product; with ``n_samples`` of a stochastic model three small passes more; and
    more where ``memory`` does not hold the results of all ops for a few stimuli, as in
    `extract_activations`.
    A pass is one run of the model over the set; after sample 0 it ends with the last op that random
    numbers feed, which the seconds leave out. That passes start where the last one ended is counted
    (``forward_passes``). The chunks that Grams are multiplied in are those of the run: below 128
    MiB (64 kB per stimulus from 2,048 stimuli on) they depend on ``memory``. Bytes on disk are
    exactly those of the stored values; labels, checks and metadata take some 20 kB and 4 kB per
    result more. Memory is the larger of that of the planning passes and that of the batch, as
    measured now, workspace of torch's kernels included, plus what is kept meanwhile; where the
    system does not report it, the memory of the results alive at one moment is used. Seconds leave
    out reading the stimuli and writing to disk, and the temporary file of `extract_grams`.
    """
    check_inputs(model, stimuli)
    model = unwrap_model(model)
    settings = RunSettings(
        ops,
        reducer,
        batch_size,
        memory,
        device,
        batch_dependent=batch_dependent,
        attention=attention,
        kwargs=kwargs,
        n_samples=n_samples,
    )
    with use_attention(attention), evaluation_mode(model), torch.no_grad():
        with watch_memory(find_device(model, device)) as planning:
            plan = make_plan(model, stimuli, settings)
        gram_plan = plan_grams(plan, sketch, precision=precision)
        passes = gram_plan.split_passes() if gram_plan.fits else []
        batch = _run_batch(plan)
        first_pass_bytes = _hold_batch(plan, passes[0]) if passes else 0
        n_forward = _predict_forward(plan, passes) if passes else 0.0
        n_activations = predict_forward(plan, group_outputs(plan))
        flops = _count_flops(plan)
    measured = Measured(planning.n_bytes or 0, batch, first_pass_bytes)
    rows = _describe_outputs(gram_plan, passes, flops)
    costs = Forecast(pd.DataFrame.from_dict(rows, orient="index").rename_axis("op"))
    costs = costs.astype({"flops": "Int64", "gram_pass": "Int64"})
    costs.batch_size = plan.batch_size
    costs.skipped_ops = [f"{name}: {reason}" for name, reason in gram_plan.skipped.items()]
    costs.flops = len(stimuli) * sum(count for count in flops.values() if count is not None)
    costs.stimuli_per_second = 1 / batch.seconds_per_stimulus
    costs.activations = _sum_activations(plan, measured, n_activations)
    costs.grams = _sum_grams(gram_plan, passes, measured, n_forward) if passes else None
    return costs


class BatchCost(NamedTuple):
    """Seconds per stimulus of a batch as it will run, and the bytes that two take."""

    seconds_per_stimulus: float
    n_bytes: int


class Measured(NamedTuple):
    """The measurements made before a run.

    They are the bytes that planning takes; the cost of a batch; and the bytes of a batch whose
    slices for the first pass of Grams are kept.
    """

    planning_bytes: int
    batch: BatchCost
    first_pass_bytes: int


def _describe_outputs(
    gram_plan: GramPlan, passes: Sequence[Pass], flops: dict[str, int | None]
) -> dict[str, dict[str, Any]]:
    """Return the row of each result."""
    plan = gram_plan.plan
    gram_pass: dict[str, int] = {}
    for number, slices in enumerate(passes, 1):
        for part in slices:
            gram_pass.setdefault(part.name, number)
    rows = {}
    for output in plan.outputs:
        layout = output.layout
        op = plan.layouts.graph.by_name[layout.op]
        rows[output.name] = {
            "function": op.function,
            "shape": layout.shape,
            "n_bytes": count_elements(layout.shape) * layout.dtype.itemsize,
            "kept_shape": output.kept.shape,
            "kept_dtype": str(find_numpy_dtype(output.kept.dtype)),
            "n_samples": output.n_samples,
            "kept_bytes": len(plan.stimuli) * output.n_bytes,
            "flops": flops.get(op.name),
            "alias_of": gram_plan.shared.get(output.name, ""),
            "gram_pass": gram_pass.get(gram_plan.find_source(output.name)),
        }
    return rows


def _sum_activations(plan: Plan, measured: Measured, n_forward: float) -> Cost:
    """Return the cost of `extract_activations` into a store."""
    n_stimuli = len(plan.stimuli)
    groups = group_outputs(plan)
    fit_passes = sum(count_fit_passes(plan, group) for group in groups)
    set_passes = sum(count_group_samples(group) for group in groups)
    seconds = n_forward * n_stimuli * measured.batch.seconds_per_stimulus
    fitted_bytes = max(count_fitted_bytes(plan, group) for group in groups)
    # Every chunk of a store is a whole batch in one sample and its checksum.
    chunk = min(plan.batch_size, n_stimuli)
    waiting = min(limit_waiting(plan.budget), chunk * sum(one.n_bytes for one in plan.outputs))
    peak = max(measured.planning_bytes, measured.batch.n_bytes + fitted_bytes + waiting)
    n_chunks = math.ceil(n_stimuli / chunk)
    disk = n_chunks * sum(
        chunk * output.n_bytes + output.n_samples * N_CHECKSUM for output in plan.outputs
    )
    return Cost(set_passes + fit_passes, seconds, peak, disk, n_forward)


def _predict_forward(plan: Plan, passes: Sequence[Pass]) -> float:
    """Return how often ops run in passes of Grams, relative to one whole pass."""
    n_samples = [count_pass_samples(slices) for slices in passes]
    return plan_resumption(plan, passes).predict_forward(n_samples)


def _sum_grams(
    gram_plan: GramPlan, passes: Sequence[Pass], measured: Measured, n_forward: float
) -> Cost:
    """Return the cost of `extract_grams`."""
    plan = gram_plan.plan
    n = len(plan.stimuli)
    n_products = 0.0
    kept_bytes = []
    for slices in passes:
        kept_bytes.append(sum(count_slice_bytes(part, n) for part in slices))
        n_products += sum(
            float(n) ** 2 * min(part.width, part.sketch or part.stop) for part in slices
        )
    forward_seconds = n_forward * n * measured.batch.seconds_per_stimulus
    is_exact = gram_plan.precision == DOUBLE
    seconds = forward_seconds + n_products / measure_speed(n, plan.device, is_exact)
    workspace = count_workspace_bytes(n, plan.budget)
    # While the last batch of the first pass runs, all others are kept; later passes find memory
    # that was written to before.
    share = (n - len(plan.batches[0])) / n if len(passes) == 1 else 1.0
    during_pass = max(
        max(int(size * share) + measured.batch.n_bytes, size + workspace) for size in kept_bytes
    )
    during_pass = max(during_pass, int(kept_bytes[0] * share) + measured.first_pass_bytes)
    during_pass += count_gram_bytes(len(gram_plan.own), n)
    answer = count_gram_bytes(len(gram_plan.own) + len(gram_plan.shared), n)
    peak = max(measured.planning_bytes, during_pass, answer)
    return Cost(count_runs(passes), seconds, peak, 0, n_forward)


def _run_batch(plan: Plan) -> BatchCost:
    """Measure a batch as it will run; reducers that are fitted first are left out."""
    if plan.fit_on is not None:
        whole = tuple(replace(output, chain=ChainPlan(output.raw, ())) for output in plan.outputs)
        plan = replace(plan, reducers=(), fit_on=None, outputs=whole)
    first_two = range(min(2, len(plan.batches)))
    with watch_memory(plan.device) as peak:
        run_groups(plan, [plan.outputs], Writer(), first_two, quiet=True)
    start = time.perf_counter()
    run_groups(plan, [plan.outputs], Writer(), [0], quiet=True)
    seconds = time.perf_counter() - start
    return BatchCost(seconds / len(plan.batches[0]), peak.n_bytes or predict_overhead(plan))


def _hold_batch(plan: Plan, slices: Pass) -> int:
    """Return the bytes that a batch takes when the slices of a pass are kept."""
    kept = []
    by_name: dict[str, FeatureSlice] = {part.name: part for part in slices}

    def handle(layout: Layout, step: Step, tensor: torch.Tensor | None) -> None:
        if tensor is not None:
            part = by_name[layout.name]
            values = tensor.reshape(len(tensor), -1)[:, part.start : part.stop]
            values = values[:, : part.sketch]  # (stimulus, feature)
            kept.append(values.double() if part.n_samples > 1 else values.clone())

    layouts = [part.layout for part in slices]
    with watch_memory(plan.device) as peak:
        run_set(plan, layouts, handle, steps=[plan.split_step(0)])
    return peak.n_bytes or 0


def _count_flops(plan: Plan) -> dict[str, int | None]:
    """Return the floating-point operations of each op per stimulus."""
    n_stimuli = plan.layouts.expected.counts.more
    batch = read_batch(plan.stimuli, range(n_stimuli), plan.device)
    call = call_with_batch(plan.model, batch, plan.kwargs, plan.layouts.gradients)
    recording = record_forward(call, keep=lambda name: False)
    counts = {event.name: count_flops(event, recording) for event in recording.events}
    return {name: None if count is None else count // n_stimuli for name, count in counts.items()}
