"""Division of a run: batches into one store, or passes of Grams, here or on a cluster."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from neurolens.extract.stream.fill import group_outputs, run_groups
from neurolens.extract.stream.grams.slices import FeatureSlice, Pass, count_runs
from neurolens.extract.stream.grams.sums import run_passes
from neurolens.extract.stream.grams.totals import GramSums
from neurolens.extract.stream.metadata import warn_of_others
from neurolens.extract.stream.passes import show_progress
from neurolens.extract.stream.plan import (
    ModelSource,
    Plan,
    RunSettings,
    materialize_model,
    open_plan,
)
from neurolens.extract.stream.stores.provenance import (
    compare_provenance,
    describe_provenance,
    list_parts,
    warn_of_unseen,
)
from neurolens.extract.stream.stores.store import ActivationStore
from neurolens.stimuli import StimulusSet
from neurolens.support.parallel import count_shards, run_tasks, split_evenly


@dataclass(frozen=True)
class Job:
    """Everything that a worker needs to make the same plan again."""

    source: ModelSource
    stimuli: StimulusSet
    settings: RunSettings
    provenance: dict[str, Any]

    @contextmanager
    def open(self) -> Iterator[Plan]:
        """Make the plan on a worker; raise DataError if it differs."""
        with open_plan(materialize_model(self.source), self.stimuli, self.settings) as plan:
            compare_provenance(describe_provenance(plan), self.provenance)
            yield plan


def make_job(
    source: ModelSource, plan: Plan, settings: RunSettings, provenance: dict[str, Any]
) -> Job:
    """Return the job of a plan; every worker takes the batch size of the plan."""
    settings = replace(settings, batch_size=plan.batch_size)
    return Job(source, plan.stimuli, settings, provenance)


def fill_store(
    source: ModelSource,
    stimuli: StimulusSet,
    settings: RunSettings,
    path: Path,
    client: Any,
    quiet: bool,
) -> None:
    """Write the results of a run into a store, or those that it still lacks.

    Parameters
    ----------
    source : Module or function that makes one
    stimuli, settings
    path : Path
        Absolute.
    client : dask.distributed.Client, Cluster or None
        None runs everything in this process.
    quiet : bool
    """
    model = source if client is None else materialize_model(source)
    with open_plan(model, stimuli, settings) as plan:
        parts = list_parts(plan)
        job = make_job(source, plan, settings, describe_provenance(plan, parts))
        warn_of_unseen(plan)
        warn_of_others(plan.stimuli.metadata)
        store = ActivationStore(path, plan, group_outputs(plan))
        flaws = store.inspect(job.provenance, parts)
        if flaws == []:
            return
        with store.hold(job.provenance, parts, flaws or ()):
            if client is None:
                run_groups(plan, store.groups, store, quiet=quiet)
            else:
                _fill_on_cluster(client, job, store, quiet)
            store.finish()


def _fill_on_cluster(client: Any, job: Job, store: ActivationStore, quiet: bool) -> None:
    """Fill a store from a cluster; a task whose worker dies runs again without what is done."""
    sizes = [len(store.plan.split_step(number).rows) for number in range(store.plan.n_steps)]
    todo = []
    for number in range(len(sizes)):
        if not all(store.is_done(i, number) for i in range(len(store.groups))):
            todo.append(number)
    total = sum(sizes)
    with show_progress(total, "activations, on the cluster", quiet) as progress:
        progress.update(total - sum(sizes[number] for number in todo))

        def count(numbers: list[int]) -> None:
            progress.update(sum(sizes[number] for number in numbers))

        shards = split_evenly(todo, count_shards(client))
        run_tasks(client, _fill_shard, (job, store.path, store.token), shards, count)


def _fill_shard(common: tuple[Job, Path, str], numbers: list[int]) -> None:
    job, path, token = common
    with job.open() as plan:
        groups = group_outputs(plan)
        store = ActivationStore(path, plan, groups, token).open()
        run_groups(plan, groups, store, numbers, quiet=True)


def sum_products(
    source: ModelSource,
    plan: Plan,
    settings: RunSettings,
    passes: Sequence[Pass],
    client: Any,
    quiet: bool,
) -> GramSums:
    """Return the sums of products of all passes of a plan, run here or on a cluster.

    Parameters
    ----------
    source : Module or function that makes one
    plan : Plan
    settings : RunSettings
        That the plan was made from.
    passes : sequence of Pass
    client : dask.distributed.Client, Cluster or None
        None runs everything in this process; else consecutive passes that share a result are one
        task.
    quiet : bool
    """
    if client is None:
        total = len(plan.stimuli) * count_runs(passes)
        with show_progress(total, "grams", quiet) as progress:
            return run_passes(plan, passes, progress)
    job = make_job(source, plan, settings, describe_provenance(plan))
    sums = GramSums()
    for part in run_tasks(client, _run_chain, (job,), chain_passes(passes)):
        sums.add(part)
    return sums


class SentSlice(NamedTuple):
    """A `FeatureSlice` on its way to a worker, which knows its layout by name."""

    name: str
    start: int
    stop: int
    sketch: int | None
    views: tuple[str, ...]
    n_samples: int
    is_exact: bool


def chain_passes(passes: Sequence[Pass]) -> list[list[list[SentSlice]]]:
    """Return the tasks of a cluster, each a list of passes.

    Consecutive passes with a result in common stay together, so that its sums are added up in the
    same order as on one machine.
    """
    chains: list[list[list[SentSlice]]] = []
    last_names: set[str] = set()
    for slices in passes:
        sent = [_send_slice(one) for one in slices]
        names = {one.name for one in slices}
        if last_names & names:
            chains[-1].append(sent)
        else:
            chains.append([sent])
        last_names = names
    return chains


def _run_chain(common: tuple[Job], chain: list[list[SentSlice]]) -> GramSums:
    (job,) = common
    with job.open() as plan:
        passes = []
        for sent in chain:
            passes.append([_read_slice(plan, one) for one in sent])
        return run_passes(plan, passes)


def _send_slice(part: FeatureSlice) -> SentSlice:
    views = tuple(layout.name for layout in part.views)
    return SentSlice(
        part.name, part.start, part.stop, part.sketch, views, part.n_samples, part.is_exact
    )


def _read_slice(plan: Plan, sent: SentSlice) -> FeatureSlice:
    layouts = plan.layouts.by_name
    views = tuple(layouts[name] for name in sent.views)
    return FeatureSlice(
        layouts[sent.name],
        sent.start,
        sent.stop,
        sent.sketch,
        views,
        sent.n_samples,
        sent.is_exact,
    )
