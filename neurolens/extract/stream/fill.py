"""One run over the set into a writer: reducers are fitted, results reduced, counted and written."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.reducers.chain import Chain
from neurolens.extract.stream.layouts.layout import Layout
from neurolens.extract.stream.passes import BatchDeviation, run_set, show_progress
from neurolens.extract.stream.plan import (
    Output,
    Plan,
    RunSettings,
    Step,
    open_plan,
)
from neurolens.extract.stream.resume.runs import Resumption
from neurolens.extract.stream.stores.reduced import FirstBatch, Reduced, fill_rows, reduce_rows
from neurolens.extract.stream.stores.writer import ArrayWriter, Checks, Writer
from neurolens.stimuli import StimulusSet
from neurolens.stimuli.batches.masks import find_positions
from neurolens.support.sizes import pack_items

LEAST_HELD = 2**24  # bytes of fitted stimuli that are held whatever the budget


def fill_arrays(
    model: nn.Module, stimuli: StimulusSet, settings: RunSettings, quiet: bool
) -> xr.DataTree:
    """Return the labelled results of a run, in memory."""
    first = FirstBatch(settings)
    with open_plan(model, stimuli, settings, first) as plan:
        writer = ArrayWriter(plan)
        run_groups(plan, group_outputs(plan), writer, quiet=quiet, first=first.find_results(plan))
        return writer.label()


def group_outputs(plan: Plan) -> list[list[Output]]:
    """Return the outputs of each run over the set.

    That is one run, unless reducers that are fitted first take more than the budget.
    """
    return pack_items(plan.outputs, lambda output: _plan_fit(plan, output).n_bytes, plan.budget)


def count_group_samples(group: Iterable[Output]) -> int:
    """Return how often the model runs over the set for a group of outputs."""
    return max(output.n_samples for output in group)


def count_fitted_bytes(plan: Plan, group: Sequence[Output]) -> int:
    """Return the bytes that fitting a group's reducers takes; 0 if none is fitted."""
    return sum(_plan_fit(plan, output).n_bytes for output in group)


def count_fit_passes(plan: Plan, group: Sequence[Output]) -> int:
    """Return how many times the stimuli to fit on run for a group; 0 if none is fitted."""
    return max(_plan_fit(plan, output).n_passes for output in group)


class _Fit(NamedTuple):
    """The cost of fitting one output: bytes, units held at once, and passes."""

    n_bytes: int
    width: int
    n_passes: int


def _plan_fit(plan: Plan, output: Output) -> _Fit:
    """Return the cost of fitting one output; where the budget is too small, units are sliced."""
    rows = output.chain.fitted
    if plan.fit_on is None or rows is None:
        return _Fit(0, 0, 0)
    n_stimuli = len(plan.fit_on)
    # The mean and the components, as they are added up and as they are kept; the products, their
    # decomposition and its workspace.
    lasting = (8 + 12 * output.kept.size) * rows.size + 3 * 8 * min(n_stimuli, rows.size) ** 2
    by_unit = n_stimuli * rows.dtype.itemsize
    free = max(plan.budget - lasting, plan.budget // 8, LEAST_HELD)
    width = min(rows.size, max(1, free // by_unit))
    n_slices = math.ceil(rows.size / width)
    return _Fit(lasting + width * by_unit, width, 1 if n_slices == 1 else n_slices + 1)


def run_groups(
    plan: Plan,
    groups: Sequence[Sequence[Output]],
    writer: Writer,
    numbers: Sequence[int] | None = None,
    quiet: bool = False,
    first: Mapping[str, Reduced] | None = None,
) -> None:
    """Run those steps, all or those with ``numbers``, that are not done yet, into the writer.

    ``first`` are the results of the first step, where they were computed before.
    """
    steps = [plan.split_step(i) for i in (range(plan.n_steps) if numbers is None else numbers)]
    # Those of one batch together, whose stimuli are then read once.
    steps.sort(key=lambda step: (step.rows.start, step.sample))
    runs = []
    for i, group in enumerate(groups):
        todo = _list_todo(steps, group, writer, i)
        if todo:
            runs.append((_GroupRun(plan, group, writer, i, quiet), todo))
    if not runs:
        return
    resumption = _plan_resumption(plan, [run for run, _ in runs])
    try:
        for run, todo in runs:
            if first:
                run.write_first(todo[0], first)
                todo = todo[1:]
            if todo:
                title = f"activations, pass {run.number + 1} of {len(groups)}"
                run.run(todo, title, resumption)
            writer.flush()
    finally:
        writer.abandon()
        resumption.close()
    writer.note_passes(resumption.report)


def predict_forward(plan: Plan, groups: Sequence[Sequence[Output]]) -> float:
    """Return how often ops run for some groups, relative to one run of the set.

    It costs one batch where there are several runs.
    """
    runs = [_GroupRun(plan, group, Writer(), i, True) for i, group in enumerate(groups)]
    resumption = _plan_resumption(plan, runs)
    n_samples: list[int] = []
    n_apart = 0.0
    for run, group in zip(runs, groups, strict=True):
        n_fits = len(run.list_wanted()) - 1
        n_samples += [1] * n_fits + [count_group_samples(group)]
        if not n_fits:
            n_apart += count_fit_passes(plan, group) * len(plan.fit_on or ())
    try:
        return resumption.predict_forward(n_samples) + n_apart / len(plan.stimuli)
    finally:
        resumption.close()


def _plan_resumption(plan: Plan, runs: Sequence["_GroupRun"]) -> Resumption:
    """Return where some runs start."""
    return Resumption(
        plan,
        [layouts for run in runs for layouts in run.list_wanted()],
        [run.count_free_bytes() for run in runs for _ in run.list_wanted()],
    )


def _list_todo(
    steps: Sequence[Step], group: Sequence[Output], writer: Writer, number: int
) -> list[Step]:
    """Return the steps of a group of outputs that are not done yet."""
    n_samples = count_group_samples(group)
    return [
        step
        for step in steps
        if step.sample < n_samples and not writer.is_done(number, step.number)
    ]


class _GroupRun:
    """One run over the set for a group of outputs, number ``number`` of all groups."""

    def __init__(
        self, plan: Plan, group: Sequence[Output], writer: Writer, number: int, quiet: bool
    ) -> None:
        self._plan = plan
        self._writer = writer
        self.number = number
        self._quiet = quiet
        self._layouts = [output.layout for output in group]
        self._outputs = {output.name: output for output in group}
        self._n_passes = count_fit_passes(plan, group)
        self._checks: Checks = {}
        self._counts = _CountedRows(plan.stimuli)
        shared: dict[Any, Any] = {}
        self._chains: dict[str, Chain] = {
            output.name: output.chain.open(plan.device, shared) for output in group
        }
        for output in group:
            axes = self._chains[output.name].axes
            if axes is not None:
                axes.hold_units(_plan_fit(plan, output).width)

    def list_wanted(self) -> list[list[Layout]]:
        """Return the results that each run of all stimuli wants, fitting included."""
        n_fits = self._n_passes if self._fits_all() else 0
        return [self._list_fitted()] * n_fits + [self._layouts]

    def count_free_bytes(self) -> int:
        """Return the bytes that the budget leaves beside a batch and what is fitted."""
        plan = self._plan
        longest = max(len(rows) for rows in plan.batches)
        taken = count_fitted_bytes(plan, list(self._outputs.values()))
        return max(0, plan.budget - taken - plan.layouts.predict_live_bytes(longest))

    def _fits_all(self) -> bool:
        """Return whether reducers are fitted on the batches that are run."""
        return self._plan.fit_on == self._plan.stimuli.ids and bool(self._list_fitted())

    def _list_fitted(self) -> list[Layout]:
        return [layout for layout in self._layouts if self._chains[layout.name].axes]

    def run(self, todo: Sequence[Step], title: str, resumption: Resumption) -> None:
        """Fit the reducers where needed, in sample 0, and run these steps."""
        plan = self._plan
        if plan.fit_on is not None:
            self._fit(plan.fit_on, resumption if self._fits_all() else None)

        def close(step: Step, deviation: BatchDeviation) -> None:
            self._writer.close_step(self.number, step, deviation, self._checks)
            self._checks.clear()

        total = len(plan.stimuli) * count_group_samples(self._outputs.values())
        with show_progress(total, title, self._quiet) as progress:
            progress.update(total - sum(len(step.rows) for step in todo))
            resumption.begin_next()
            run_set(
                plan,
                self._layouts,
                self._handle,
                steps=todo,
                progress=progress,
                close=close,
                resumption=resumption,
            )

    def _fit(self, fit_on: tuple[str, ...], resumption: Resumption | None) -> None:
        """Run the stimuli that reducers are fitted on, as often as needed, and fit them."""
        plan = replace(self._plan, stimuli=self._plan.stimuli.select(fit_on))
        layouts = self._list_fitted()
        counts = _CountedRows(plan.stimuli)

        def handle(layout: Layout, step: Step, tensor: torch.Tensor | None) -> None:
            if tensor is not None:
                chain = self._chains[layout.name]
                counted = counts.read(step.rows) if chain.leaves_padding else None
                chain.fit(tensor, step.rows.start, counted)

        batches = plan.stimuli.split_rows(plan.batch_size)
        steps = [Step(number, 0, rows) for number, rows in enumerate(batches)]
        total = len(plan.stimuli) * self._n_passes
        with show_progress(total, "fitting", self._quiet) as progress:
            for _ in range(self._n_passes):
                if resumption is not None:
                    resumption.begin_next()
                run_set(
                    plan, layouts, handle, steps=steps, progress=progress, resumption=resumption
                )
                self._end_pass(layouts)

    def _end_pass(self, layouts: Sequence[Layout]) -> None:
        """End a pass over the stimuli to fit on, for each op; an error names the op."""
        for layout in layouts:
            axes = self._chains[layout.name].axes
            if axes is None:
                continue
            try:
                axes.end_pass()
            except InputError as error:
                raise InputError(f"{layout.name!r}: {error}") from None

    def _handle(self, layout: Layout, step: Step, tensor: torch.Tensor | None) -> None:
        """Reduce, count and write one result of a batch, (stimulus, *shape)."""
        name = layout.name
        output = self._outputs[name]
        n_rows = len(step.rows)
        if tensor is None:
            reduced = fill_rows(output, n_rows)
        else:
            chain = self._chains[name]
            counted = self._counts.read(step.rows) if chain.leaves_padding else None
            reduced = reduce_rows(chain, tensor, counted)
        self._write(output, step, reduced, has_run=tensor is not None)

    def _write(self, output: Output, step: Step, reduced: Reduced, has_run: bool) -> None:
        """Count and write one reduced result of a batch."""
        checks = self._checks
        checks.setdefault("n_nonfinite", {})[output.name] = reduced.n_nonfinite
        checks.setdefault("n_overflowed", {})[output.name] = reduced.n_overflowed
        checks.setdefault("ran", {})[output.name] = np.full(len(step.rows), has_run)
        self._writer.write(output, step, reduced.values, reduced.is_view)

    def write_first(self, step: Step, results: Mapping[str, Reduced]) -> None:
        """Write the results of the first batch, which were reduced while the run was planned."""
        for name, reduced in results.items():
            self._write(self._outputs[name], step, reduced, has_run=True)
        self._writer.close_step(self.number, step, BatchDeviation(), self._checks)
        self._checks.clear()


class _CountedRows:
    """Which positions of padded stimuli count, read once for each batch."""

    def __init__(self, stimuli: StimulusSet) -> None:
        self._stimuli = stimuli
        self._positions = find_positions(stimuli)
        self._rows = range(0)
        self._counted = torch.zeros(0, 0, dtype=torch.bool)

    def read(self, rows: range) -> torch.Tensor | None:
        """Return which positions count (row, position); None where no axis is padded."""
        if self._positions is None:
            return None
        if rows != self._rows:
            self._counted = self._positions.read_counted(self._stimuli, rows)
            self._rows = rows
        return self._counted
