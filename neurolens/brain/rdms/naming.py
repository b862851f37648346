"""Squares of RDMs with the labels of their regions, subjects and stimuli."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurolens.brain.rdms.squares import Stack
from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels import (
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    UNNAMED,
    align_labels,
    check_unique,
    list_names,
)

Names = str | Sequence[str] | None


def label_rdms(
    stack: Stack, ids: Sequence[Any] | None, subjects: Names, regions: Names, name: str
) -> xr.DataArray:
    """Return RDMs (region, subject, stimulus, stimulus_2) of a stack called ``name`` in messages.

    Raises
    ------
    InputError
        The numbers of labels and RDMs differ, or RDMs are not named.
    LabelError
        Nothing names the stimuli; ids, or pairs of region and subject, repeat; ids are others than
        those in the file.
    """
    own = _find_ids(stack, ids, name)
    if len(stack.shape) == 2:
        placed = _place_grid(stack, subjects, regions, name)
    elif len(stack.shape) < 2:
        placed = _place_entries(stack, subjects, regions, name)
    else:
        raise InputError(
            f"{name} must hold one RDM, several, or RDMs (region, subject), got the leading axes "
            f"{stack.shape}. Select or average first.",
            anchor="ids-missing",
        )
    region_of, subject_of = placed
    pairs = list(zip(region_of, subject_of, strict=True))
    if len(set(pairs)) < len(pairs):
        repeated = [pair for k, pair in enumerate(pairs) if pair in pairs[:k]]
        raise LabelError(
            f"{name} must hold one RDM for each region and subject, but these repeat: "
            f"{list_names(repeated)}. Average them first, or name them apart with subjects= or "
            "regions=.",
            anchor="ids-repeat",
        )
    region_names = list(dict.fromkeys(region_of))
    subject_names = list(dict.fromkeys(subject_of))
    n = stack.squares.shape[-1]
    values = np.full((len(region_names), len(subject_names), n, n), np.nan)
    for square, (region, subject) in zip(stack.squares, pairs, strict=True):
        values[region_names.index(region), subject_names.index(subject)] = square
    coords = {
        REGION: np.array(region_names, dtype=object),
        SUBJECT: np.array(subject_names, dtype=object),
        STIMULUS: own,
        STIMULUS_2: own,
    }
    rdms = xr.DataArray(values, dims=tuple(coords), coords=coords, name="rdm")
    if ids is not None and stack.ids is not None:
        rdms = align_labels(rdms, list(ids), name=name, other="ids")
    return rdms


def _find_ids(stack: Stack, ids: Sequence[Any] | None, name: str) -> np.ndarray:
    """Return the ids in the file, or else those given."""
    n = stack.squares.shape[-1]
    found = stack.ids if stack.ids is not None else ids
    if found is None:
        raise LabelError(
            f"{name} does not name its {n} stimuli. Pass their ids in the order of the RDM, ids=.",
            anchor="ids-missing",
        )
    labels = [one.item() if isinstance(one, np.generic) else one for one in list(found)]
    if len(labels) != n:
        raise InputError(f"{name} is of {n} stimuli, got {len(labels)} ids.", anchor="ids-missing")
    check_unique(labels, f"the ids of {name}")
    is_text = all(isinstance(one, str) for one in labels)
    return np.array(labels, dtype=object) if is_text else np.array(labels)


def _place_grid(
    stack: Stack, subjects: Names, regions: Names, name: str
) -> tuple[list[str], list[str]]:
    """Return the region and subject of each RDM of a stack (region, subject)."""
    n_regions, n_subjects = stack.shape
    region_names = _list_names(regions, n_regions, REGION, name)
    subject_names = _list_names(subjects, n_subjects, SUBJECT, name)
    if region_names is None or subject_names is None:
        raise InputError(
            f"{name} holds RDMs ({n_regions} regions, {n_subjects} subjects) by its axes. Name "
            "them, regions=[...] and subjects=[...].",
            anchor="ids-missing",
        )
    return np.repeat(region_names, n_subjects).tolist(), subject_names * n_regions


def _place_entries(
    stack: Stack, subjects: Names, regions: Names, name: str
) -> tuple[list[str], list[str]]:
    """Return the region and subject of each RDM of a stack (rdm)."""
    n = len(stack.squares)
    region_names = _list_names(regions, n, REGION, name)
    subject_names = _list_names(subjects, n, SUBJECT, name)
    are_named = isinstance(regions, list | tuple | np.ndarray) and len(regions) == n
    if subjects is None and not are_named and stack.names is not None:
        subject_names = list(stack.names)
    if n > 1 and subjects is None and not are_named and stack.names is None:
        raise InputError(
            f"{name} holds {n} RDMs without names. Name them in their order, subjects=[...] or "
            "regions=[...].",
            anchor="ids-missing",
        )
    return (
        region_names or [UNNAMED[REGION]] * n,
        subject_names or [UNNAMED[SUBJECT]] * n,
    )


def _list_names(names: Names, n: int, dim: str, where: str) -> list[str] | None:
    """Return a label for each of ``n`` RDMs, None where there are none."""
    if names is None:
        return [UNNAMED[dim]] if n == 1 else None
    if isinstance(names, str):
        return [names] * n
    labels = [str(one) for one in names]
    if len(labels) != n:
        raise InputError(
            f"{dim}s must name each of the {n} RDMs of {where}, got {len(labels)}: "
            f"{list_names(labels)}.",
            anchor="ids-missing",
        )
    return labels


def tell_numbers(rdms: xr.DataArray, metric: str | None, name: str) -> None:
    """Warn of pairs that are NaN, and of dissimilarities below 0 where no metric explains them."""
    values = rdms.values
    n = values.shape[-1]
    pairs = values[..., *np.triu_indices(n, 1)]
    present = ~np.isnan(pairs).all(axis=-1)
    n_missing = int(np.isnan(pairs[present]).sum())
    if n_missing:
        warn_user(f"{n_missing} pairs of {name} are NaN, and left out of comparisons.")
    n_below = int((pairs < 0).sum())
    if n_below and "crossnobis" not in str(metric):
        warn_user(
            f"{n_below} of {pairs.size} numbers of {name} are below 0, as in similarities, whose "
            "order is the opposite. If these are correlations pass 1 - x; if they are cross-"
            "validated distances say so, metric='crossnobis'."
        )
