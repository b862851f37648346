"""Batches of stimuli, read ahead by worker processes while the model computes."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence

import torch
from torch import nn
from torch.utils.data import DataLoader

from neurolens.errors import InputError
from neurolens.extract.capture.forward import ModelCall
from neurolens.extract.capture.trees import iterate_tensors
from neurolens.stimuli import StimulusSet


def load_batches(
    stimuli: StimulusSet, batches: Sequence[range], device: torch.device, workers: int | None = None
) -> Iterator[tuple[range, torch.Tensor]]:
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
        collate_fn=stimuli.read_rows,
        num_workers=min(workers, len(batches)),
        pin_memory=pinned,
        generator=torch.Generator(),
    )
    for rows, batch in zip(batches, loader, strict=True):
        yield rows, batch.to(device, non_blocking=pinned)


def call_with_batch(model: nn.Module, batch: torch.Tensor) -> ModelCall:
    """Return the call of a model with a batch of stimuli."""
    return ModelCall(model, (batch,), {})


def list_versions(call: ModelCall) -> list[int]:
    """Return how often each input of a call was written to, as far as torch counts it."""
    return [t._version for t in iterate_tensors((call.args, call.kwargs)) if not t.is_inference()]
