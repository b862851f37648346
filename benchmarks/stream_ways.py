"""Ways to get results of ResNet-50 over a stimulus set, each timed in a process of its own.

NeuroLens is imported where it is used, because environments of peers have other versions of torch.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
import torchvision
from deadlines import Deadline
from machine import read_peak
from torch import nn

SIDE = 224
ONE_OP = "layer3.2.conv2/conv2d"
BATCH = 16
ROUNDS = 3  # turns of each method at most
# Of one process; those of a slow machine take minutes.
_MOST_SECONDS = 900.0

# Takes the images, and returns results of them.
Way = Callable[[np.ndarray], Any]


class Timed(NamedTuple):
    """Seconds of a run over all images, and the most bytes that it held above the start."""

    seconds: float
    n_bytes: int


class Ratios(NamedTuple):
    """Times of a way over those of bare passes, in each round, and the most bytes of ours.

    ``over_kept`` are those where the C library keeps all freed memory.
    """

    over_bare: list[float]
    over_kept: list[float]
    peak: int | None


def make_images(n: int) -> np.ndarray:
    """Return n images of noise (image, channel, y, x)."""
    return np.random.default_rng(0).standard_normal((n, 3, SIDE, SIDE), dtype=np.float32)


def build_resnet(name: str) -> nn.Module:
    """Return a model of torchvision with random weights that are always the same."""
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None).eval()


def run_bare(model: nn.Module, images: np.ndarray, batch_size: int) -> None:
    """Run forward passes of all images."""
    for start in range(0, len(images), batch_size):
        model(torch.from_numpy(images[start : start + batch_size]))


def extract_ours(model: nn.Module, **how: Any) -> Way:
    """Return an extraction by NeuroLens."""
    import neurolens as nl

    return lambda shown: nl.extract_activations(
        model, nl.load_stimuli(shown), batch_size=BATCH, quiet=True, **how
    )


class _EndedError(Exception):
    """Ends a forward pass after the op that a hook by hand wants."""


def hook_by_hand(model: nn.Module, one: bool) -> Way:
    """Return forward hooks written by hand: pooled on all ReLUs, or on one op, which ends the pass.

    Results are stacked at the end.
    """

    def run_hooks(shown: np.ndarray) -> dict[str, torch.Tensor]:
        kept: dict[str, list[torch.Tensor]] = {}

        def keep(key: str, output: torch.Tensor) -> None:
            made = output.clone() if one else output.mean((2, 3))
            kept.setdefault(f"{key} {output.shape[1]}", []).append(made)
            if one:
                raise _EndedError

        handles = [
            module.register_forward_hook(lambda m, i, o, key=key: keep(key, o))
            for key, module in model.named_modules()
            if (key == "layer3.2.conv2" if one else isinstance(module, nn.ReLU))
        ]
        for start in range(0, len(shown), BATCH):
            with contextlib.suppress(_EndedError):
                model(torch.from_numpy(shown[start : start + BATCH]))
        for handle in handles:
            handle.remove()
        return {key: torch.cat(parts) for key, parts in kept.items()}

    return run_hooks


WAYS: dict[str, Callable[[nn.Module], Way]] = {
    "bare": lambda model: partial(run_bare, model, batch_size=BATCH),
    "one op": partial(extract_ours, ops=ONE_OP),
    "one op, hook": partial(hook_by_hand, one=True),
    "ReLUs": partial(extract_ours, ops="*relu*", reducer="mean"),
    "ReLUs, hooks": partial(hook_by_hand, one=False),
}
# Those that keep freed memory by themselves.
OURS = frozenset({"one op", "ReLUs"})


def time_way(name: str, n: int, is_kept: bool) -> Timed:
    """Return what a way takes over n images, with all freed memory kept where ``is_kept``.

    Two batches run first. It is kept from the start of the run on, as NeuroLens has it done: what
    those batches freed is given back to the system.
    """
    from neurolens.support.heap import keep_freed_memory

    images = make_images(n)
    way = WAYS[name](build_resnet("resnet50"))
    keep = partial(keep_freed_memory, 2**40) if is_kept else contextlib.nullcontext
    with torch.no_grad():
        with keep():
            way(images[: 2 * BATCH])
        start_bytes = read_peak("cpu", reset=True)
        start = time.perf_counter()
        with keep():
            way(images)
        return Timed(time.perf_counter() - start, read_peak("cpu") - start_bytes)


def compare_alone(ways: Sequence[str], n: int, deadline: Deadline) -> dict[str, Ratios]:
    """Return how ways compare with bare passes, in up to ``ROUNDS`` rounds.

    Each time is that of a process of its own. Rounds go through them forwards and backwards in
    turn; more than the first are made where they end before the deadline. NeuroLens keeps memory by
    itself.
    """
    from processes import fork_call, import_rooms

    import_rooms()
    kept_ways = [way for way in ways if way not in OURS]
    runs = [("bare", False), ("bare", True)]
    runs += [(way, False) for way in ways] + [(way, True) for way in kept_ways]
    found = {way: Ratios([], [], None) for way in ways}
    longest = 0.0
    for number in range(ROUNDS):
        if number and not deadline.can_take(longest):
            break
        start = time.perf_counter()
        timed: dict[tuple[str, bool], Timed] = {}
        for run in runs if number % 2 == 0 else runs[::-1]:
            one = fork_call(partial(time_way, run[0], n, run[1]), _MOST_SECONDS)
            if one is None:
                raise RuntimeError(f"{run[0]} took more than {_MOST_SECONDS:.0f} seconds")
            timed[run] = one
        for way in ways:
            kept = timed[way, way in kept_ways].seconds / timed["bare", True].seconds
            found[way].over_bare.append(timed[way, False].seconds / timed["bare", False].seconds)
            found[way].over_kept.append(kept)
            if way in OURS:
                peak = max(found[way].peak or 0, timed[way, False].n_bytes)
                found[way] = found[way]._replace(peak=peak)
        longest = max(longest, time.perf_counter() - start)
    return found
