"""One stimulus-by-stimulus Gram matrix per op, for all ops, within a memory budget and with nothing stored."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from neurolens.errors import InputError
from neurolens.extract.axes import Layout
from neurolens.extract.guards import evaluation_mode, preserve_buffers
from neurolens.extract.passes import (
    choose_layouts,
    find_device,
    is_named,
    iterate_results,
    read_layouts,
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
        Budget for the activations held at once: ``"4GiB"``, ``"500MB"`` or bytes. The model, one batch and the Grams
        themselves come on top. An op larger than the budget gets a pass of its own.

    Returns
    -------
    Dataset
        ``gram`` (op, stimulus, stimulus_2) and ``row_sum`` (op, stimulus), float64; ``n_features`` (op); coordinate
        ``alias_of`` (op): the op whose Gram this one shares because it is a view of it or did nothing.

    Raises
    ------
    InputError
        When an op asked for by name has results that are complex or not finite, or the budget cannot be read.

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
    with evaluation_mode(model), preserve_buffers(model), torch.no_grad():
        layouts = read_layouts(model, stimuli, target)
        skipped = dict(layouts.skipped)
        chosen = choose_layouts(layouts, ops)
        named = is_named(ops)
        for layout in [x for x in chosen if x.dtype.is_complex]:
            _skip_op(layout.name, "is complex, and a Gram wants real features", named, skipped)
        chosen = [x for x in chosen if not x.dtype.is_complex]
        shared = {x.name: x.shares for x in chosen if x.shares in {y.name for y in chosen}}
        groups = plan_groups([x for x in chosen if x.name not in shared], n, budget)
        computed: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}
        with show_progress(n * len(groups), "grams", quiet) as progress:
            for number, group in enumerate(groups, 1):
                progress.set_description(f"grams, pass {number} of {len(groups)}")
                held: dict[str, torch.Tensor] = {}
                for rows, results in iterate_results(
                    model, stimuli, layouts.graph, group, batch_size=batch_size, device=target, progress=progress
                ):
                    for name, tensor in results.items():
                        if name not in held:
                            held[name] = tensor.new_empty((n, tensor[0].numel()))
                        held[name][rows] = tensor.reshape(len(tensor), -1)
                for name in list(held):
                    computed[name] = multiply_rows(held.pop(name))
                    bad = ~np.isfinite(np.diag(computed[name][0]))
                    if bad.any():
                        first = stimuli.ids[int(bad.argmax())]
                        reason = f"has values that are not finite for {int(bad.sum())} stimuli, first {first!r}"
                        _skip_op(name, reason, named, skipped)
    names = [layout.name for layout in chosen if shared.get(layout.name, layout.name) not in skipped]
    if not names:
        raise InputError(f"none of the {len(chosen)} selected ops has a Gram: {list_names(skipped.values())}")
    found = [computed[shared.get(name, name)] for name in names]
    ids = np.array(stimuli.ids, dtype=object)
    return xr.Dataset(
        {
            "gram": ((OP, STIMULUS, STIMULUS_2), np.stack([g for g, _, _ in found])),
            "row_sum": ((OP, STIMULUS), np.stack([s for _, s, _ in found])),
            "n_features": (OP, np.array([p for _, _, p in found])),
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


def plan_groups(layouts: Sequence[Layout], n_stimuli: int, budget: int) -> list[list[Layout]]:
    """Split results, in execution order, into groups whose activations over all stimuli fit the budget."""
    groups: list[list[Layout]] = []
    used = 0
    for layout in layouts:
        size = n_stimuli * int(np.prod(layout.shape)) * layout.dtype.itemsize
        if not groups or used + size > budget:
            groups.append([])
            used = 0
        groups[-1].append(layout)
        used += size
    return groups


def multiply_rows(rows: torch.Tensor) -> tuple[np.ndarray, np.ndarray, int]:
    """Return (A A', A 1, p) of A (stimulus, feature), summed over chunks of features in float64.

    Products are float64 up to 512 stimuli. Beyond, they are float32 of rows freed from their means, which are put back
    exactly: a large common offset would cost digits.
    """
    n, p = rows.shape
    double = n <= EXACT_STIMULI and rows.device.type != "mps"
    home = rows.device if double else torch.device("cpu")
    gram = torch.zeros((n, n), dtype=torch.float64, device=home)
    step = max(1, _CHUNK_BYTES // (8 * n))
    chunks = [slice(start, start + step) for start in range(0, p, step)]
    total = sum(
        (rows[:, c].to(home, torch.float64).sum(1) for c in chunks), torch.zeros(n, dtype=torch.float64).to(home)
    )
    if double:
        for chunk in chunks:
            part = rows[:, chunk].to(torch.float64)
            gram += part @ part.T
    else:
        mean = (total / max(p, 1)).float().to(rows.device)
        for chunk in chunks:
            part = rows[:, chunk].float() - mean[:, None]
            gram += (part @ part.T).to(home, torch.float64)
        mean64 = mean.to(home, torch.float64)
        gram += torch.outer(mean64, total) + torch.outer(total, mean64) - p * torch.outer(mean64, mean64)
    gram = (gram + gram.T) / 2
    return gram.cpu().numpy(), total.cpu().numpy(), p


def _skip_op(name: str, reason: str, named: bool, skipped: dict[str, str]) -> None:
    """Leave an op out with its reason, or raise when it was asked for by name."""
    if named:
        raise InputError(f"{name!r} {reason}. Leave it out of ops=, or look at the model's output for this stimulus.")
    skipped[name] = reason
