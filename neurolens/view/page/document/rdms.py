"""RDMs in the document: ranks of dissimilarities, a character for each pair of stimuli."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import LabelError
from neurolens.labels import (
    OP,
    STIMULUS,
    STIMULUS_2,
    align_labels,
    check_dims,
    get_ids,
    list_names,
)
from neurolens.view.annotation.brain_rdms import average_brain, check_array, rank_pairs
from neurolens.view.annotation.outputs import find_op
from neurolens.view.page.document.budget import RDM_CHARACTERS
from neurolens.view.page.document.numbers import LEVELS, encode_levels

HIGHEST_RANK = len(LEVELS) - 1


def describe_rdms(
    rdms: xr.DataArray | None,
    brain: xr.DataArray | None,
    index: Mapping[str, int],
    first: Sequence[int] = (),
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the RDMs of ops and regions, and sentences on what is left out.

    Parameters
    ----------
    rdms : DataArray (op, stimulus, stimulus_2) or None
    brain : DataArray ([region, subject,] stimulus, stimulus_2) or None
        Averaged over the subjects that have the region.
    index : mapping of op name to its position in the graph
    first : sequence of int
        Ops to keep first where not all fit: best ops, and those that cannot be told apart.

    Raises
    ------
    InputError
        For anything else than a DataArray.
    LabelError
        When dimensions or stimuli do not match, or an op is not in the graph.
    """
    if rdms is None:
        return None, []
    rdms, notes = _leave_out_outputs(rdms, index)
    rdms = _read_rdms(rdms, index)
    ids = rdms[STIMULUS].values.tolist()
    names = [str(name) for name in rdms[OP].values]
    matrices = {} if brain is None else average_brain(brain, ids, "brain.rdms")
    pairs = np.triu_indices(len(ids), 1)
    upper = rdms.values[:, *pairs]  # (op, pair)
    defined = np.isfinite(upper).any(axis=1)
    ops = sorted(index[name] for name, is_there in zip(names, defined, strict=True) if is_there)
    room = RDM_CHARACTERS // max(len(pairs[0]), 1) - len(matrices)
    kept = choose_ops(ops, first, room)
    if not kept:
        why = f"those of {len(ids)} stimuli would make it too large" if ops else "none is defined"
        return None, [*notes, f"RDMs are not in this file: {why}."]
    notes += _describe_gaps(rdms.values[defined], matrices)
    row_of = {index[name]: i for i, name in enumerate(names)}
    left_out = {
        "undefined, because its values do not vary": sorted(set(row_of) - set(ops)),
        "left out to keep the file small": sorted(set(ops) - set(kept)),
    }
    described = {
        "n": len(ids),
        "ops": kept,
        "model": "".join(code_ranks(rdms.values[row_of[op]]) for op in kept),
        "brain": {name: code_ranks(values) for name, values in matrices.items()},
        "leftOut": [[reason, those] for reason, those in left_out.items() if those],
    }
    if len(kept) == len(ops):
        return described, notes
    return described, [
        *notes,
        f"This file holds the RDMs of {len(kept)} of {len(ops)} ops: best ops, those that cannot "
        "be told apart from them, and others spread evenly along the network.",
    ]


def _leave_out_outputs(rdms: Any, index: Mapping[str, int]) -> tuple[Any, list[str]]:
    """Return RDMs without those of single outputs of an op, which is one node; and a note."""
    if not isinstance(rdms, xr.DataArray) or OP not in rdms.coords or OP not in rdms.dims:
        return rdms, []
    is_output = [find_op(str(name), index) != str(name) for name in rdms[OP].values]
    if not any(is_output):
        return rdms, []
    note = "RDMs of ops with several outputs are not in this file."
    return rdms.isel({OP: np.flatnonzero(~np.array(is_output))}), [note]


def _describe_gaps(model: np.ndarray, brain: Mapping[str, np.ndarray]) -> list[str]:
    """Return a note on pairs of stimuli without a dissimilarity, which are drawn all the same."""
    sides = {"ops": model, **brain}
    gaps = []
    for name, matrices in sides.items():
        upper = matrices[..., *np.triu_indices(matrices.shape[-1], 1)]
        if np.isnan(upper).any():
            gaps.append(name)
    if not gaps:
        return []
    return [
        f"Some pairs of stimuli have no dissimilarity ({', '.join(gaps)}): RDMs show them in the "
        "middle of the scale."
    ]


def _read_rdms(rdms: xr.DataArray, index: Mapping[str, int]) -> xr.DataArray:
    """Return RDMs (op, stimulus, stimulus_2) of ops of the graph, both sides in one order."""
    check_array(rdms, "rdms", "compute_rdms returned")
    check_dims(rdms, (OP, STIMULUS, STIMULUS_2), "rdms")
    ids = get_ids(rdms, STIMULUS, "rdms").tolist()
    strange = [str(name) for name in get_ids(rdms, OP, "rdms") if str(name) not in index]
    if strange:
        raise LabelError(
            f"rdms must be of ops of the graph, but it has no {list_names(strange)}. Trace the "
            "model that the RDMs are of.",
            anchor="scores-of-another-network",
        )
    rdms = align_labels(rdms, ids, name="rdms", other="rdms.stimulus", dims=[STIMULUS_2])
    return rdms.transpose(OP, STIMULUS, STIMULUS_2)


def code_ranks(matrix: np.ndarray) -> str:
    """Return a character for the rank of each pair; a pair without a value has the middle one."""
    ranks = np.nan_to_num(rank_pairs(matrix), nan=0.5)
    return encode_levels(np.rint(HIGHEST_RANK * ranks).astype(np.uint8))


def choose_ops(ops: Sequence[int], first: Sequence[int], room: int) -> list[int]:
    """Return at most ``room`` of ``ops``: those of ``first``, then others spread evenly."""
    if len(ops) <= room:
        return list(ops)
    there = set(ops)
    kept = [op for op in dict.fromkeys(first) if op in there][: max(room, 0)]
    others = [op for op in ops if op not in kept]
    n_others = min(len(others), max(room, 0) - len(kept))
    if n_others > 0:
        kept += [others[i] for i in np.linspace(0, len(others) - 1, n_others).astype(int)]
    return sorted(kept)
