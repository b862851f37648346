"""Batches of stimuli, read ahead by worker processes while the model computes."""

import copy
import multiprocessing
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from neurolens.errors import DataError, InputError, NeuroLensError
from neurolens.extract.capture.forward import ModelCall
from neurolens.extract.capture.trees import copy_tensors, iterate_tensors, replace_tensors
from neurolens.labels import list_names
from neurolens.stimuli import StimulusSet
from neurolens.stimuli.batches.inputs import Batch, is_compound, list_inputs, map_inputs

# How torch says that a worker process has ended.
_WORKER_ENDED = re.compile(r"DataLoader worker \(pid")


def load_batches(
    stimuli: StimulusSet, batches: Sequence[range], device: torch.device, workers: int | None = None
) -> Iterator[tuple[range, Batch]]:
    """Yield (rows, stimuli of these rows on the device), each stimulus read once.

    ``workers`` processes read ahead; by default none for a CPU, whose cores the model needs itself,
    and up to four for a GPU, to which batches then go from pinned memory while it computes. Without
    workers a batch is read when it is asked for.
    """
    pinned = device.type == "cuda"
    if workers is None:
        workers = min(4, os.cpu_count() or 1) if pinned else 0
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise InputError(f"workers must be a number of processes, 0 or more, got {workers!r}")
    if multiprocessing.current_process().daemon:
        workers = 0  # the worker of a cluster may have no processes of its own
    # Each item is the rows of a batch. With a generator of its own the loader does not use the
    # global one.
    loader: DataLoader = DataLoader(
        batches,  # type: ignore[arg-type]
        batch_size=None,
        collate_fn=partial(_try_reading, stimuli),
        num_workers=min(workers, len(batches)),
        pin_memory=pinned,
        generator=torch.Generator(),
    )
    for rows, batch in zip(batches, loader, strict=True):
        if isinstance(batch, NeuroLensError):
            raise batch
        yield rows, move_batch(batch, device, non_blocking=pinned)


@contextmanager
def telling_ended_processes() -> Iterator[None]:
    """Say what to type where a process that reads stimuli has ended, while a set is run.

    torch raises that wherever this process is then: as it waits for stimuli, or within the model.

    Raises
    ------
    DataError
        As where the system has no memory left.
    """
    try:
        yield
    except RuntimeError as error:
        cause: BaseException | None = error
        while cause is not None and not _WORKER_ENDED.match(str(cause)):
            cause = cause.__cause__
        if cause is None or isinstance(error, DataError):
            raise
        raise DataError(
            f"a process that reads stimuli has ended: {cause}. The system ends processes when its "
            "memory is used up: pass fewer workers=, or workers=0 to read in this process.",
            anchor="stimulus-unreadable",
        ) from error


def _try_reading(stimuli: StimulusSet, rows: Sequence[int]) -> Batch | NeuroLensError:
    """Return the stimuli of some rows, or the error that says why they cannot be read.

    An error that a worker process raises would have its traceback as its message.
    """
    try:
        return stimuli.read_rows(rows)
    except NeuroLensError as error:
        return error


def read_batch(stimuli: StimulusSet, rows: Sequence[int], device: torch.device) -> Batch:
    """Return the stimuli of some rows on a device."""
    return move_batch(stimuli.read_rows(rows), device)


def move_batch(batch: Batch, device: torch.device, non_blocking: bool = False) -> Batch:
    """Return a batch on a device."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=non_blocking)
    return map_inputs(lambda part: part.to(device, non_blocking=non_blocking), batch)


def count_rows(batch: Batch) -> int:
    """Return the number of stimuli of a batch."""
    return len(next(iterate_tensors(batch)))


def slice_rows(batch: Batch, rows: slice) -> Batch:
    """Return some stimuli of a batch, consecutive ones; views of its tensors."""
    if isinstance(batch, torch.Tensor):
        return batch[rows]
    return map_inputs(lambda part: part[rows], batch)


def take_places(batch: Batch, places: Sequence[int]) -> Batch:
    """Return the stimuli at some places of a batch, copied; a place may come several times."""
    if isinstance(batch, torch.Tensor):
        return batch[list(places)]
    return map_inputs(lambda part: part[list(places)], batch)


def copy_batch(batch: Batch) -> Batch:
    """Return a batch with its tensors cloned, for a model that writes into its inputs."""
    if isinstance(batch, torch.Tensor):
        return batch.clone()
    return map_inputs(torch.clone, batch)


def are_alike(batch: Batch) -> bool:
    """Return whether all stimuli of a batch are the same."""
    return all(bool((tensor == tensor[:1]).all()) for tensor in iterate_tensors(batch))


def prepare_kwargs(kwargs: Any, device: torch.device) -> dict[str, Any]:
    """Return keyword arguments of the model with their tensors on a device.

    Raises
    ------
    InputError
        For something else than a dict by name, or None.
    """
    if kwargs is None:
        return {}
    if not isinstance(kwargs, dict) or not all(isinstance(key, str) for key in kwargs):
        raise InputError(
            "kwargs must be a dict of the model's keyword arguments, by name, got "
            f"{type(kwargs).__name__}. Type e.g. kwargs={{'gain': 2.0}}."
        )
    moved = {id(tensor): tensor.detach().to(device) for tensor in iterate_tensors(kwargs)}
    return replace_tensors(kwargs, moved)


def copy_kwargs(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments copied, so that a pass cannot change those of the next.

    Modules are kept. Where something cannot be copied, only tensors and what holds them are.
    """
    modules = {id(value): value for value in kwargs.values() if isinstance(value, nn.Module)}
    try:
        return copy.deepcopy(kwargs, modules)
    except Exception:
        return copy_tensors(dict(kwargs))


def call_with_batch(
    model: nn.Module,
    batch: Batch,
    kwargs: dict[str, Any] | None = None,
    gradients: bool = False,
) -> ModelCall:
    """Return the call of a model with a batch of stimuli.

    A dict is the keyword arguments, a tuple the positional ones. ``kwargs`` are those that are the
    same for all stimuli; ``gradients`` is as for `ModelCall`, and lets the inputs be copied, which
    such a model may make leaves of its graph.

    Raises
    ------
    InputError
        When an argument is among both.
    """
    shared = copy_kwargs(kwargs or {})
    if not isinstance(batch, dict):
        args = batch if isinstance(batch, tuple) else (batch,)
        call = ModelCall(model, args, shared, gradients)
        return call.copy_inputs() if gradients else call
    repeated = [key for key in batch if key in shared]
    if repeated:
        raise InputError(
            f"{list_names(repeated)} of kwargs= is an input of the stimuli too. Leave it out of "
            "one of them."
        )
    call = ModelCall(model, (), {**batch, **shared}, gradients)
    return call.copy_inputs() if gradients else call


def list_batch_inputs(batch: Batch) -> dict[str, torch.Tensor]:
    """Return the tensors of a batch by the names that recordings give them as inputs."""
    if not is_compound(batch) or (isinstance(batch, tuple) and len(batch) == 1):
        return {"input": next(iterate_tensors(batch))}
    return {f"input.{key}": tensor for key, tensor in list_inputs(batch)}


def list_versions(call: ModelCall) -> list[int]:
    """Return how often each input of a call was written to, as far as torch counts it."""
    return [t._version for t in iterate_tensors((call.args, call.kwargs)) if not t.is_inference()]
