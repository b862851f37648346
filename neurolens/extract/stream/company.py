"""Batches in which Python read other values than in those compared: tested in other company."""

from collections.abc import Mapping, Sequence
from functools import partial

import torch

from neurolens.extract.capture.differences import measure_difference
from neurolens.extract.capture.forward import record_forward
from neurolens.extract.stream.batches import call_with_batch, read_batch
from neurolens.extract.stream.follow import PassDeviated, Read, follow_forward
from neurolens.extract.stream.layouts.layout import Layout, iterate_rows
from neurolens.extract.stream.layouts.rows import sample_values
from neurolens.extract.stream.plan import Plan, Step

Samples = dict[str, torch.Tensor]


class CompanyTest:
    """Tests whether what Python reads of a whole batch changes rows (``if x.max() > 5``).

    Where it reads something that it read in no batch compared before, every second stimulus of the
    batch is run again, together with stimuli whose values are known from batches in which it read
    something else. Whatever it reads then, some of these rows were made after one reading and after
    another, and must be the same.

    Parameters
    ----------
    plan : Plan
    by_op : dict of str
        Op -> the wanted results of it.
    """

    def __init__(self, plan: Plan, by_op: Mapping[str, Sequence[Layout]]) -> None:
        self._plan = plan
        self._by_op = by_op
        positions = plan.layouts.expected.positions
        self._last = max((positions[op] for op in by_op), default=0)
        self._compared = {self._cut_reads(reads) for reads in plan.layouts.reads}

    def _cut_reads(self, reads: Sequence[Read]) -> tuple[Read, ...]:
        """Return what was read before the last wanted op, with which passes end."""
        return tuple(read for read in reads if read.after <= self._last)

    def find_mixing(self, step: Step, reads: Sequence[Read]) -> list[str]:
        """Return the results that are others in other company, for a batch with these reads."""
        plan = self._plan
        known = plan.layouts.known
        read = self._cut_reads(reads)
        if known is None or step.sample or read in self._compared:
            return []
        self._compared.add(read)
        ids = plan.stimuli.ids
        # The first stays the first, from which generators of the batch may be seeded.
        own = list(step.rows)[::2]
        n_others = max(len(step.rows), 2) - len(own)
        others = [ids.index(name) for name in known.ids if name in ids]
        others = [row for row in others if row not in step.rows][:n_others]
        before = self._sample_batch(list(step.rows))
        mixed = [*own, *others]
        after = self._sample_batch(mixed)
        mixing = []
        for name, samples in after.items():
            references = []
            for row in mixed:
                if row in step.rows:
                    there = before.get(name)
                    references.append(None if there is None else there[row - step.rows.start])
                else:
                    rows = known.samples.get(name)
                    place = known.ids.index(ids[row])
                    references.append(None if rows is None else rows.values[place])
            if self._differ(name, samples, references):
                mixing.append(name)
        return mixing

    def _differ(
        self, name: str, samples: torch.Tensor, references: Sequence[torch.Tensor | None]
    ) -> bool:
        """Return whether values of a result (stimulus, k) are others than before, where known."""
        layouts = self._plan.layouts
        follows_batch = bool(layouts.drawn) and layouts.by_name[name].op in layouts.random
        if name in layouts.mixing or follows_batch or layouts.known is None:
            return False
        precision = layouts.known.precisions[name]
        for here, there in zip(samples, references, strict=True):
            if there is not None and measure_difference(here, there, precision) > 1:
                return True
        return False

    def _sample_batch(self, rows: Sequence[int]) -> Samples:
        """Run some stimuli in one batch; return some values of each wanted result."""
        plan = self._plan
        expected = plan.layouts.expected
        ids = [plan.stimuli.ids[row] for row in rows]
        samples: Samples = {}
        take = partial(_take_samples, samples, len(rows))
        by_op = self._by_op
        handlers = {expected.positions[op]: partial(take, group) for op, group in by_op.items()}
        settings = (plan.kwargs, plan.layouts.gradients)
        call = call_with_batch(plan.model, read_batch(plan.stimuli, rows, plan.device), *settings)
        plan.noise.begin(ids)
        try:
            follow_forward(call, expected, len(rows), handlers, plan.noise)
        except PassDeviated:
            samples.clear()
            batch = read_batch(plan.stimuli, rows, plan.device)
            call = call_with_batch(plan.model, batch, *settings)
            plan.noise.begin(ids)
            keep = by_op.__contains__
            recording = record_forward(call, keep=keep, sites=expected.sites, noise=plan.noise)
            for event in recording.events:
                if event.name in by_op:
                    take(by_op[event.name], [value.tensor for value in event.outputs])
        return samples


def _take_samples(
    samples: Samples,
    n_stimuli: int,
    layouts: Sequence[Layout],
    tensors: Sequence[torch.Tensor | None],
) -> None:
    """Take some values of the results of an op; such as have no rows here are left to the run."""
    for layout, rows in iterate_rows(layouts, n_stimuli, tensors):
        samples[layout.name] = sample_values(rows.detach())
