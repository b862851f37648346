"""Groups of the stimuli of RDMs, and warnings where stimuli are no independent draws."""

import numpy as np
import xarray as xr

from neurolens.compare.inputs.dependence import (
    MIN_TORN,
    RECORDED,
    Torn,
    find_exchanged,
    is_series,
    warn_copies,
)
from neurolens.compare.inputs.exchange import Exchange, read_exchange
from neurolens.compare.inputs.groups import GroupsBy, read_groups
from neurolens.compare.rdms.vectors import BrainRDMs, ModelRDMs
from neurolens.compare.stats.autocorrelation import resemble_members
from neurolens.compare.stats.lags import remove_lag_means
from neurolens.compare.stats.linalg import expand_pairs
from neurolens.errors import InputError, warn_user
from neurolens.labels import STIMULUS, list_names

# Only the first stimuli of the brain RDMs are looked at.
MAX_STIMULI = 1000
# What to do where a test or resampling takes stimuli for independent draws.
PERMUTING_FIX = (
    "Permute by scheme='shift' for a series, or whole groups, by=... (a label per stimulus), or "
    "within groups, scheme='within'."
)
# What a test by shifts compares.
TESTED_SERIES = "brain RDMs less their mean at each distance in time"
RESAMPLING_FIX = (
    "Resample whole groups, such as runs, pieces of a series or copies of a picture, by=... (a "
    "label per stimulus)."
)


def read_sides_groups(
    by: GroupsBy | None, model: ModelRDMs, *rdms: xr.DataArray
) -> np.ndarray | None:
    """Return the group (n,) of each stimulus of ``model``, numbered from 0; None without ``by``."""
    if by is None:
        return None
    return read_groups(by, model.ids, *rdms)


def locate_rows(model: ModelRDMs, brain_rdms: xr.DataArray) -> np.ndarray:
    """Return the positions among the stimuli of ``model`` in the order of the brain RDMs' rows."""
    position = {name: k for k, name in enumerate(model.ids.tolist())}
    return np.array([position[name] for name in brain_rdms[STIMULUS].values.tolist()])


def read_sides_exchange(
    scheme: str | None,
    by: GroupsBy | None,
    model: ModelRDMs,
    brain: BrainRDMs,
    brain_rdms: xr.DataArray,
    model_rdms: xr.DataArray,
) -> Exchange:
    """Return which stimuli a test permutes, checked; warn where they depend on each other."""
    ids = model.ids
    default = Exchange("stimuli", np.zeros(len(ids), dtype=int))
    rows = locate_rows(model, brain_rdms)
    exchange = read_exchange(scheme, by, default, ids, brain_rdms, model_rdms, rows=rows)
    exchanged = find_exchanged(exchange.scheme, exchange.group)
    if exchanged is not None:
        warn_sides(model, brain, brain_rdms, exchanged, PERMUTING_FIX)
    return exchange


def remove_lags(brain: BrainRDMs, exchange: Exchange) -> BrainRDMs:
    """Return brain RDMs less their mean at each distance in time, which shifts are compared by.

    Raises InputError where nothing is left.
    """
    rows = np.arange(len(exchange.group)) if exchange.rows is None else exchange.rows
    pairs = brain.pairs.copy()
    pairs[brain.present] = remove_lag_means(brain.pairs[brain.present], rows, exchange.group)
    empty = brain.present & (np.nan_to_num(pairs) == 0).all(axis=-1)
    if empty.any():
        names = [f"{brain.regions[r]}, {brain.subjects[s]}" for r, s in np.argwhere(empty)]
        raise InputError(
            f"scheme='shift' needs RDMs that are more than a function of the distance in time, "
            f"and these are not: {list_names(names)}. Leave them out, or pass another scheme=."
        )
    return brain._replace(pairs=pairs)


def warn_sides(
    model: ModelRDMs, brain: BrainRDMs, brain_rdms: xr.DataArray, group: np.ndarray, fix: str
) -> None:
    """Warn where stimuli that are resampled or permuted singly depend on each other on both sides.

    Stimuli of RDMs may be sorted by category, so only those that change gradually in the order of
    the brain RDMs' rows count as a series. ``group`` (n,): stimuli of the same are treated as
    independent; ``fix`` says what to pass.
    """
    rows = locate_rows(model, brain_rdms)[:MAX_STIMULI]
    group = group[rows]
    of_model = _mean_square(model.pairs)[np.ix_(rows, rows)]
    # Stimuli that some op says nothing of are no copies for being alike in the others.
    unknown = np.isnan(model.pairs).any(axis=0).astype(float)
    apart = np.where(expand_pairs(unknown[None])[0][np.ix_(rows, rows)] > 0, np.nan, of_model)
    of_brain = _mean_square(brain.pairs[brain.present])[np.ix_(rows, rows)]
    if is_series(-of_model, -of_brain, np.arange(len(rows)), group, in_catalog=True):
        warn_user(
            "RDMs of model and brain are both autocorrelated in the order of stimuli (the rows of "
            "brain_rdms, as if in order of presentation): neighbors are more alike than in any of "
            "999 random orders, and change gradually. Such series are related without any "
            f"relation: intervals are too narrow, and p too small. {fix}"
        )
    torn = Torn(group[:, None] == group)
    warn_copies(apart, 0.0, -of_brain, model.ids[rows], torn)
    _warn_runs(-of_model, -of_brain, brain_rdms, group)


def _warn_runs(
    model: np.ndarray, brain: np.ndarray, brain_rdms: xr.DataArray, group: np.ndarray
) -> None:
    """Warn where stimuli of a run, which ``brain_rdms`` name, are closer (n, n) on both sides."""
    for name in RECORDED:
        coord = brain_rdms.coords.get(name)
        if coord is None or coord.dims != (STIMULUS,):
            continue
        names, run = np.unique(coord.values.astype(str)[: len(group)], return_inverse=True)
        differ = run[:, None] != run
        exchanged = differ & (group[:, None] == group)
        if not 1 < len(names) <= len(run) / 2 or exchanged.sum() < MIN_TORN * differ.sum():
            continue
        if resemble_members(model, run) and resemble_members(brain, run):
            warn_user(
                f"stimuli of the same {name!r} are more alike in RDMs of model and brain than "
                f"others, and are taken for independent. Permute within, by={name!r}, "
                f"scheme='within', or permute and resample whole groups, by={name!r}."
            )


def _mean_square(pairs: np.ndarray) -> np.ndarray:
    """Return the mean square (n, n) of RDMs (k, pair), each divided by its mean.

    Pairs that none of them holds get the mean.
    """
    count = np.zeros(pairs.shape[1])
    total = np.zeros(pairs.shape[1])
    # One RDM at a time, which fits a processor's cache.
    for row in pairs:
        known = ~np.isnan(row)
        size = np.where(known, np.abs(row), 0.0).sum() / max(known.sum(), 1)
        if size > 0:
            total += np.where(known, row, 0.0) / size
            count += known
    mean = np.where(count > 0, total / np.maximum(count, 1), 1.0)
    return expand_pairs(mean[None])[0]
