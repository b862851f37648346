"""Extraction spread over the workers of a dask cluster: batches into one store, groups of ops for Grams."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from neurolens.cluster import count_shards, run_tasks, split_evenly
from neurolens.errors import InputError
from neurolens.extract.activations import describe_run, explain_interrupts, group_slots, run_groups
from neurolens.extract.grams import Piece, Products
from neurolens.extract.grams import run_groups as run_gram_groups
from neurolens.extract.guards import evaluation_mode, preserve_buffers
from neurolens.extract.passes import show_progress
from neurolens.extract.plan import make_plan, read_bytes
from neurolens.extract.store import ActivationStore, compare_provenance, describe_provenance
from neurolens.stimuli import StimulusSet

ModelSource = nn.Module | Callable[[], nn.Module]


def materialize_model(source: ModelSource) -> nn.Module:
    """Return a model from itself or from a function that makes it."""
    model = source if isinstance(source, nn.Module) else source()
    if not isinstance(model, nn.Module):
        raise InputError(f"model must be a torch.nn.Module or make one, got {type(model).__name__}")
    return model


def extract_on_cluster(
    client: Any,
    source: ModelSource,
    stimuli: StimulusSet,
    settings: dict[str, Any],
    path: Path,
    resources: dict[str, float] | None,
    workers: int | None,
    quiet: bool,
) -> None:
    """Fill a store from a cluster; a task whose worker dies runs again elsewhere, without the batches that are done."""
    model = materialize_model(source)
    with evaluation_mode(model), preserve_buffers(model), torch.no_grad():
        plan = make_plan(model, stimuli, **settings)
    groups = group_slots(plan, read_bytes(settings["memory"]))
    held = ActivationStore(path, plan, stimuli, groups)
    settings = settings | {"batch_size": plan.batch_size}
    provenance = describe_provenance(model, stimuli, plan)
    with held.hold(provenance), explain_interrupts(held):
        todo = [
            number
            for number in range(len(plan.batches))
            if not all(held.is_done(g, number) for g in range(len(groups)))
        ]
        shards = split_evenly(todo, count_shards(client))
        with show_progress(len(stimuli), "activations, on the cluster", quiet) as progress:
            progress.update(len(stimuli) - sum(len(plan.batches[number]) for number in todo))

            def count(numbers: list[int]) -> None:
                progress.update(sum(len(plan.batches[number]) for number in numbers))

            common = (source, stimuli, settings, provenance, path, held.token, workers)
            run_tasks(client, _fill_shard, common, shards, resources, count)
        held.finish(describe_run(plan, stimuli))


def map_grams(
    client: Any,
    source: ModelSource,
    stimuli: StimulusSet,
    settings: dict[str, Any],
    provenance: dict[str, Any],
    groups: Sequence[Sequence[tuple[str, int, int]]],
    sketch: int | None,
    resources: dict[str, float] | None,
    workers: int | None,
) -> Products:
    """Return the products of groups of (result, start, stop); groups that have a result in common are one task."""
    chains: list[list] = []
    for group in groups:
        if chains and {name for name, _, _ in chains[-1][-1]} & {name for name, _, _ in group}:
            chains[-1].append(group)
        else:
            chains.append([group])
    made = Products()
    common = (source, stimuli, settings, provenance, sketch, workers)
    for part in run_tasks(client, _multiply_groups, common, chains, resources):
        made.grams |= part.grams
        made.totals |= part.totals
        made.ran |= part.ran
        made.notes |= part.notes
    return made


def _fill_shard(common: tuple, numbers: list[int]) -> None:
    source, stimuli, settings, provenance, path, token, workers = common
    model = materialize_model(source)
    with evaluation_mode(model), preserve_buffers(model), torch.no_grad():
        plan = make_plan(model, stimuli, **settings)
        compare_provenance(describe_provenance(model, stimuli, plan), provenance)
        groups = group_slots(plan, read_bytes(settings["memory"]))
        held = ActivationStore(path, plan, stimuli, groups, token).open()
        run_groups(model, stimuli, plan, groups, held, numbers=numbers, workers=workers, quiet=True)


def _multiply_groups(common: tuple, groups: list) -> Products:
    source, stimuli, settings, provenance, sketch, workers = common
    model = materialize_model(source)
    with evaluation_mode(model), preserve_buffers(model), torch.no_grad():
        plan = make_plan(model, stimuli, **settings)
        compare_provenance(describe_provenance(model, stimuli, plan), provenance)
        layouts = plan.layouts.by_name
        pieces = [[Piece(layouts[name], start, stop) for name, start, stop in group] for group in groups]
        return run_gram_groups(model, stimuli, plan, pieces, sketch, workers)
