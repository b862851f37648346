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
from neurolens.extract.guards import evaluation_mode
from neurolens.extract.passes import choose_layouts, find_device, iterate_results, read_layouts, show_progress
from neurolens.labels import OP, STIMULUS, STIMULUS_2
from neurolens.stimuli import StimulusSet

_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_CHUNK_BYTES = 64 * 2**20
# Up to here a Gram is summed in float64 throughout; beyond, products are float32 and their sums float64.
_EXACT_STIMULI = 512


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
        As for `extract_activations`. Ops with complex results are refused.
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
        When an op's values are not finite or complex, or the budget cannot be read.

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
    with evaluation_mode(model), torch.no_grad():
        layouts = read_layouts(model, stimuli, target)
        chosen = choose_layouts(layouts, ops)
        shared = find_shared(chosen, {op.name: op.alias_of for op in layouts.graph})
        groups = plan_groups([x for x in chosen if x.name not in shared], n, budget)
        computed: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}
        with show_progress(n * len(groups), "grams", quiet) as progress:
            for number, group in enumerate(groups, 1):
                progress.set_description(f"grams, pass {number} of {len(groups)}")
                held: dict[str, torch.Tensor] = {}
                for rows, results in iterate_results(
                    model, stimuli, group, batch_size=batch_size, device=target, progress=progress
                ):
                    for name, tensor in results.items():
                        if name not in held:
                            _check_dtype(name, tensor)
                            held[name] = tensor.new_empty((n, tensor[0].numel()))
                        held[name][rows] = tensor.flatten(1) if tensor.ndim > 1 else tensor[:, None]
                for name in list(held):
                    computed[name] = multiply_rows(held.pop(name), name, stimuli.ids)
    names = [layout.name for layout in chosen]
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
            "skipped_ops": [f"{name}: {reason}" for name, reason in layouts.skipped.items()],
        },
    )


def read_bytes(memory: str | int) -> int:
    """Return a number of bytes from ``"4GiB"``, ``"500 MB"`` or an int."""
    if isinstance(memory, int) and memory > 0:
        return memory
    match = re.fullmatch(r"\s*([\d.]+)\s*([KMGT]?i?B)\s*", str(memory))
    if not match or match[2] not in _UNITS or float(match[1]) <= 0:
        raise InputError(f"memory must be a size such as '4GiB', '500MB' or a number of bytes, got {memory!r}")
    return int(float(match[1]) * _UNITS[match[2]])


def find_shared(layouts: Sequence[Layout], alias_of: dict[str, str]) -> dict[str, str]:
    """Map each result that only views another one to that one, so that it is computed once.

    A result shares its source's Gram when both have one output, as many features, and the same values: a view that
    reorders or reshapes. In-place ops share memory but not values, and are not shared.
    """
    by_name = {layout.name: layout for layout in layouts}
    shared: dict[str, str] = {}
    for layout in layouts:
        source = alias_of.get(layout.op, "")
        function = layout.op.rsplit("/", 1)[-1].split("@")[0].rstrip("0123456789").rstrip("_")
        if source not in by_name or function not in _VIEWS or layout.output >= 0:
            continue
        if np.prod(by_name[source].shape) == np.prod(layout.shape):
            shared[layout.name] = shared.get(source, source)
    return shared


def plan_groups(layouts: Sequence[Layout], n_stimuli: int, budget: int) -> list[list[Layout]]:
    """Split results, in execution order, into groups whose activations over all stimuli fit the budget."""
    groups: list[list[Layout]] = []
    used = 0
    for layout in layouts:
        size = n_stimuli * int(np.prod(layout.shape)) * 4
        if not groups or used + size > budget:
            groups.append([])
            used = 0
        groups[-1].append(layout)
        used += size
    return groups


def multiply_rows(rows: torch.Tensor, name: str, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray, int]:
    """Return (A A', A 1, p) of A (stimulus, feature), summed over chunks of features."""
    n, p = rows.shape
    exact = torch.float64 if n <= _EXACT_STIMULI and rows.device.type != "mps" else torch.float32
    gram = torch.zeros((n, n), dtype=torch.float64, device=rows.device if exact == torch.float64 else "cpu")
    total = torch.zeros(n, dtype=torch.float64, device=gram.device)
    step = max(1, _CHUNK_BYTES // (8 * n))
    for start in range(0, p, step):
        chunk = rows[:, start : start + step].to(exact)
        gram += (chunk @ chunk.T).to(gram)
        total += chunk.sum(1, dtype=torch.float64 if exact == torch.float64 else None).to(total)
    bad = ~torch.isfinite(gram.diagonal())
    if bad.any():
        first = ids[int(bad.nonzero()[0, 0])]
        raise InputError(
            f"{name!r} has values that are not finite for {int(bad.sum())} stimuli, first {first!r}. "
            "Leave it out of ops=, or look at the model's output for this stimulus."
        )
    gram = (gram + gram.T) / 2
    return gram.cpu().numpy(), total.cpu().numpy(), p


def _check_dtype(name: str, tensor: torch.Tensor) -> None:
    if tensor.is_complex():
        raise InputError(f"{name!r} is complex, and RDMs want real features. Leave it out of ops=.")


_VIEWS = frozenset(
    (
        "view reshape flatten permute transpose T mT squeeze unsqueeze contiguous dropout movedim unflatten "
        "swapaxes identity to detach alias clone feature_dropout alpha_dropout"
    ).split()
)
