"""One stimulus-by-stimulus Gram matrix per op, for all ops, within a memory budget and with nothing stored."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.axes import Layout
from neurolens.extract.guards import evaluation_mode, preserve_buffers
from neurolens.extract.passes import (
    Tally,
    choose_layouts,
    find_device,
    is_named,
    read_layouts,
    run_set,
    show_progress,
)
from neurolens.labels import OP, STIMULUS, STIMULUS_2, list_names
from neurolens.stimuli import StimulusSet

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_CHUNK_BYTES = 64 * 2**20
# Up to here a Gram is summed in float64 throughout; beyond, products are float32 and their sums float64.
EXACT_STIMULI = 512


def extract_grams(
    model: nn.Module,
    stimuli: StimulusSet,
    *,
    ops: str | list[str] | Callable[[Any], bool] = "all",
    memory: str | int = "4GiB",
    batch_size: int = 16,
    device: str | torch.device | None = None,
    quiet: bool = False,
) -> xr.Dataset:
    """Return the Gram matrix of every op, from which RDMs, CKA and ridge follow exactly.

    For one op with activations A (stimulus, feature): ``G = A A'``, ``s = A 1`` and the number of features p. Every
    stimulus must meet every other, so the set is run as many times as the budget asks for, each time keeping a group of
    consecutive ops and ending after its last.

    Parameters
    ----------
    model, stimuli, ops, batch_size, device, quiet
        As for `extract_activations`. Ops whose results are complex or not finite are left out of ``"all"`` and of
        patterns and listed in the attributes.
    memory : str or int
        Budget for the activations held at once, the Grams and the workspace of their products: ``"4GiB"``, ``"500MB"``
        or bytes. The model and one batch of its forward pass come on top. An op that does not fit is taken in parts
        along its features, one per pass.

    Returns
    -------
    Dataset
        ``gram`` (op, stimulus, stimulus_2) and ``row_sum`` (op, stimulus), float64; ``n_features`` (op); coordinate
        ``alias_of`` (op): the op whose Gram this one shares because it is a view of it or did nothing.

    Raises
    ------
    InputError
        When an op asked for by name has results that are complex or not finite, or does not run for all stimuli; when
        the budget cannot be read or does not even hold the Grams.

    Notes
    -----
    Time: passes x forward + ``2 n^2 p`` floating-point operations per op. Memory: the budget.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from neurolens.stimuli import load_stimuli
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5), torch.nn.ReLU())
    >>> grams = extract_grams(net, load_stimuli(np.ones((4, 12), np.float32)), quiet=True)
    >>> grams.gram.sizes
    Frozen({'op': 3, 'stimulus': 4, 'stimulus_2': 4})
    """
    budget = read_bytes(memory)
    target = find_device(model, device)
    n = len(stimuli)
    tally = Tally()
    with evaluation_mode(model), preserve_buffers(model), torch.no_grad():
        layouts = read_layouts(model, stimuli, target)
        skipped = dict(layouts.skipped)
        chosen = choose_layouts(layouts, ops)
        named = is_named(ops)
        for layout in [x for x in chosen if x.dtype.is_complex]:
            _skip_op(layout.name, "is complex, and a Gram wants real features", named, skipped)
        chosen = [x for x in chosen if not x.dtype.is_complex]
        shared = {x.name: x.shares for x in chosen if x.shares in {y.name for y in chosen}}
        own = [x for x in chosen if x.name not in shared]
        grams, totals = np.zeros((len(own), n, n)), np.zeros((len(own), n))
        groups = plan_groups(own, n, budget)
        row_of = {layout.name: i for i, layout in enumerate(own)}
        with show_progress(n * len(groups), "grams", quiet) as progress:
            for number, group in enumerate(groups, 1):
                progress.set_description(f"grams, pass {number} of {len(groups)}")
                held: dict[str, torch.Tensor] = {}
                parts = {piece.layout.name: piece for piece in group}

                def take(
                    layout: Layout, rows: slice, tensor: torch.Tensor | None, held: dict = held, parts: dict = parts
                ) -> None:
                    if tensor is None:
                        return
                    piece = parts[layout.name]
                    if layout.name not in held:
                        held[layout.name] = tensor.new_empty((n, piece.stop - piece.start))
                    held[layout.name][rows] = tensor.reshape(len(tensor), -1)[:, piece.start : piece.stop]

                # fmt: off
                run_set(model, stimuli, layouts, [p.layout for p in group], take, batch_size=batch_size, device=target,
                        progress=progress, tally=tally)
                # fmt: on
                for name in list(held):
                    add_products(held.pop(name), grams[row_of[name]], totals[row_of[name]])
    for layout in own:
        bad = ~np.isfinite(np.diag(grams[row_of[layout.name]]))
        if layout.name in tally.absent:
            lacking = tally.absent[layout.name]
            reason = f"does not run for {len(lacking)} stimuli, first {lacking[0]!r}"
            _skip_op(layout.name, reason, named, skipped)
        elif bad.any():
            first = stimuli.ids[int(bad.argmax())]
            reason = f"has values that are not finite for {int(bad.sum())} stimuli, first {first!r}"
            _skip_op(layout.name, reason, named, skipped)
    kept = [layout for layout in chosen if shared.get(layout.name, layout.name) not in skipped]
    if not kept:
        raise InputError(f"none of the {len(chosen)} selected ops has a Gram: {list_names(skipped.values())}")
    names = [layout.name for layout in kept]
    order = [row_of[shared.get(name, name)] for name in names]
    if order != list(range(len(own))):
        grams, totals = grams[order], totals[order]
    ids = np.array(stimuli.ids, dtype=object)
    return xr.Dataset(
        {
            "gram": ((OP, STIMULUS, STIMULUS_2), grams),
            "row_sum": ((OP, STIMULUS), totals),
            "n_features": (OP, np.array([int(np.prod(layout.shape)) for layout in kept])),
        },
        coords={
            OP: np.array(names, dtype=object),
            STIMULUS: ids,
            STIMULUS_2: ids,
            "alias_of": (OP, np.array([shared.get(name, "") for name in names], dtype=object)),
        },
        attrs={
            "model": type(model).__name__,
            "stimulus_hash": stimuli.hash_content(),
            "n_passes": len(groups),
            "eps": float(np.finfo(np.float64 if n <= EXACT_STIMULI else np.float32).eps),
            "skipped_ops": [f"{name}: {reason}" for name, reason in skipped.items()],
            **tally.describe(),
        },
    )


def read_bytes(memory: str | int) -> int:
    """Return a number of bytes from ``"4GiB"``, ``"500 MB"`` or an int."""
    if isinstance(memory, int) and not isinstance(memory, bool) and memory > 0:
        return memory
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B)\s*", str(memory))
    if not match or match[2] not in _UNITS or float(match[1]) <= 0:
        raise InputError(f"memory must be a size such as '4GiB', '500MB' or a number of bytes, got {memory!r}")
    return int(float(match[1]) * _UNITS[match[2]])


@dataclass(frozen=True, slots=True)
class Piece:
    """The features ``start`` to ``stop`` of one result."""

    layout: Layout
    start: int
    stop: int


def plan_groups(layouts: Sequence[Layout], n_stimuli: int, budget: int) -> list[list[Piece]]:
    """Split results, in execution order, into passes whose activations over all stimuli fit what the budget leaves.

    Raises
    ------
    InputError
        When the Grams alone take the budget.
    """
    needed = len(layouts) * 8 * n_stimuli * (n_stimuli + 1)
    left = budget - needed - 2 * min(_CHUNK_BYTES, budget // 8)
    if left < 8 * n_stimuli:
        raise InputError(
            f"memory={budget} bytes is too little: the Grams of {len(layouts)} ops over {n_stimuli} stimuli take "
            f"{needed} themselves. Give more ({2 * needed + 2**20} or above), or choose fewer ops with ops=."
        )
    groups: list[list[Piece]] = []
    free = 0
    for layout in layouts:
        n_features = int(np.prod(layout.shape))
        column = n_stimuli * layout.dtype.itemsize
        widest = max(1, left // column)
        for start in range(0, n_features, widest):
            piece = Piece(layout, start, min(start + widest, n_features))
            size = (piece.stop - piece.start) * column
            if not groups or size > free:
                groups.append([])
                free = left
            groups[-1].append(piece)
            free -= size
    return groups


def add_products(rows: torch.Tensor, gram: np.ndarray, total: np.ndarray) -> None:
    """Add A A' and A 1 of some features of all stimuli, A (stimulus, feature), to float64 arrays.

    Products are float64 up to 512 stimuli. Beyond, they are float32 of rows freed from their means, which are put back
    exactly: a large common offset would cost digits.
    """
    n, p = rows.shape
    double = n <= EXACT_STIMULI and rows.device.type != "mps"
    home = rows.device if double else torch.device("cpu")
    found, sums = torch.from_numpy(gram).to(home), torch.from_numpy(total).to(home)
    step = max(1, _CHUNK_BYTES // (8 * n))
    chunks = [slice(start, start + step) for start in range(0, p, step)]
    if double:
        for chunk in chunks:
            part = rows[:, chunk].to(torch.float64)
            sums += part.sum(1)
            found.addmm_(part, part.T)
    else:
        own = sum((rows[:, c].to(home, torch.float64).sum(1) for c in chunks), torch.zeros_like(sums))
        sums += own
        mean = (own / max(p, 1)).float().to(rows.device)
        for chunk in chunks:
            part = rows[:, chunk].float() - mean[:, None]
            found += (part @ part.T).to(home, torch.float64)
        mean64 = mean.to(home, torch.float64)
        found += torch.outer(mean64, own) + torch.outer(own, mean64) - p * torch.outer(mean64, mean64)
    gram[:] = ((found + found.T) / 2).cpu().numpy()
    total[:] = sums.cpu().numpy()


def _skip_op(name: str, reason: str, named: bool, skipped: dict[str, str]) -> None:
    """Leave an op out with its reason, or raise when it was asked for by name."""
    if named:
        raise InputError(f"{name!r} {reason}. Leave it out of ops=, or look at the model's output for this stimulus.")
    skipped[name] = reason
