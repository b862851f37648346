"""Extraction spread over the workers of a dask cluster: batches into one store, groups of ops for Grams."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from neurolens.cluster import count_shards, run_tasks, split_evenly
from neurolens.extract.activations import group_slots, run_groups
from neurolens.extract.grams import Piece, Products
from neurolens.extract.grams import run_groups as run_gram_groups
from neurolens.extract.passes import show_progress
from neurolens.extract.plan import ModelSource, Plan, materialize_model, open_plan, read_bytes
from neurolens.extract.store import ActivationStore, compare_provenance, describe_provenance
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


def fill_store(client: Any, job: Job, held: ActivationStore, resources: dict[str, float] | None, quiet: bool) -> None:
    """Fill a store from a cluster; a task whose worker dies runs again elsewhere, without the batches that are done."""
    n, sizes, n_groups = len(job.stimuli), [len(rows) for rows in held.plan.batches], len(held.groups)
    todo = [number for number in range(len(sizes)) if not all(held.is_done(g, number) for g in range(n_groups))]
    with show_progress(n, "activations, on the cluster", quiet) as progress:
        progress.update(n - sum(sizes[number] for number in todo))

        def count(numbers: list[int]) -> None:
            progress.update(sum(sizes[number] for number in numbers))

        shards = split_evenly(todo, count_shards(client))
        run_tasks(client, _fill_shard, (job, held.path, held.token), shards, resources, count)


def map_grams(client: Any, job: Job, groups: Sequence[Sequence[Piece]], resources: dict[str, float] | None) -> Products:
    """Return the products of groups of pieces; groups that have a result in common are one task."""
    chains: list[list] = []
    for group in groups:
        pieces = [(piece.layout.name, piece.start, piece.stop, piece.sketch) for piece in group]
        if chains and {name for name, *_ in chains[-1][-1]} & {name for name, *_ in pieces}:
            chains[-1].append(pieces)
        else:
            chains.append([pieces])
    made = Products()
    for part in run_tasks(client, _multiply_groups, (job,), chains, resources):
        for name, held in vars(made).items():
            held |= getattr(part, name)
    return made


def _fill_shard(common: tuple, numbers: list[int]) -> None:
    job, path, token = common
    with job.open() as plan:
        groups = group_slots(plan, read_bytes(job.settings["memory"]))
        run_groups(plan, groups, ActivationStore(path, plan, groups, token).open(), numbers, quiet=True)


def _multiply_groups(common: tuple, groups: list) -> Products:
    (job,) = common
    with job.open() as plan:
        layouts = plan.layouts.by_name
        return run_gram_groups(plan, [[Piece(layouts[name], *rest) for name, *rest in group] for group in groups])
