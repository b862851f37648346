"""Extraction spread over the workers of a dask cluster: batches into one store.

Groups of ops for Grams.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from neurolens.extract.stream.fill import group_slots, run_groups
from neurolens.extract.stream.grams.plan import FeatureSlice
from neurolens.extract.stream.grams.sums import GramSums, run_gram_groups
from neurolens.extract.stream.passes import show_progress
from neurolens.extract.stream.plan import (
    ModelSource,
    Plan,
    materialize_model,
    open_plan,
    read_bytes,
)
from neurolens.extract.stream.store import ActivationStore, compare_provenance, describe_provenance
from neurolens.parallel import count_shards, run_tasks, split_evenly
from neurolens.stimuli import StimulusSet


@dataclass(frozen=True)
class Job:
    """What a worker needs to make the same plan again."""

    source: ModelSource
    stimuli: StimulusSet
    settings: dict[str, Any]
    provenance: dict[str, Any]

    @contextmanager
    def open(self) -> Iterator[Plan]:
        """Make the plan on a worker; DataError where it turns out to be another one."""
        with open_plan(materialize_model(self.source), self.stimuli, **self.settings) as plan:
            compare_provenance(describe_provenance(plan), self.provenance)
            yield plan


def fill_store(
    client: Any, job: Job, held: ActivationStore, resources: dict[str, float] | None, quiet: bool
) -> None:
    """Fill a store from a cluster; a task whose worker dies runs again elsewhere.

    Without the batches that are done.
    """
    n = len(job.stimuli)
    sizes = [len(rows) for rows in held.plan.batches]
    n_groups = len(held.groups)
    todo = [
        number
        for number in range(len(sizes))
        if not all(held.is_done(g, number) for g in range(n_groups))
    ]
    with show_progress(n, "activations, on the cluster", quiet) as progress:
        progress.update(n - sum(sizes[number] for number in todo))

        def count(numbers: list[int]) -> None:
            progress.update(sum(sizes[number] for number in numbers))

        shards = split_evenly(todo, count_shards(client))
        run_tasks(client, _fill_shard, (job, held.path, held.token), shards, resources, count)


def map_grams(
    client: Any,
    job: Job,
    groups: Sequence[Sequence[FeatureSlice]],
    resources: dict[str, float] | None,
) -> GramSums:
    """Return the sums of groups of slices; consecutive groups that share a result are one task."""
    sums = GramSums()
    for part in run_tasks(client, _multiply_groups, (job,), chain_groups(groups), resources):
        sums.add(part)
    return sums


def chain_groups(groups: Sequence[Sequence[FeatureSlice]]) -> list[list[list[tuple]]]:
    """Return the tasks of a cluster: groups as (name, start, stop, sketch) of each slice.

    Consecutive groups with a result in common stay together, so that its sums are added up in the
    same order as on one machine.
    """
    chains: list[list[list[tuple]]] = []
    last_names: set[str] = set()
    for group in groups:
        slices = [(one.name, one.start, one.stop, one.sketch) for one in group]
        names = {one.name for one in group}
        if last_names & names:
            chains[-1].append(slices)
        else:
            chains.append([slices])
        last_names = names
    return chains


def _fill_shard(common: tuple, numbers: list[int]) -> None:
    job, path, token = common
    with job.open() as plan:
        groups = group_slots(plan, read_bytes(job.settings["memory"]))
        run_groups(
            plan, groups, ActivationStore(path, plan, groups, token).open(), numbers, quiet=True
        )


def _multiply_groups(common: tuple, groups: list) -> GramSums:
    (job,) = common
    with job.open() as plan:
        found = []
        for group in groups:
            slices = [FeatureSlice(plan.layouts.by_name[name], *rest) for name, *rest in group]
            found.append(slices)
        return run_gram_groups(plan, found)
