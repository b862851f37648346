"""Groups of the stimuli of RDMs, and warnings where stimuli are no independent draws."""

import numpy as np
import xarray as xr

from neurolens.compare.inputs.dependence import Torn, is_series, warn_copies
from neurolens.compare.inputs.groups import GroupsBy, read_groups
from neurolens.compare.rsa.sides import Sides
from neurolens.compare.stats.linalg import expand_pairs
from neurolens.errors import warn_user
from neurolens.labels import STIMULUS

# Only the first stimuli of the brain RDMs are looked at.
MAX_STIMULI = 1000
# What to do where resampling takes stimuli for independent draws.
RESAMPLING_FIX = (
    "Resample whole groups, such as runs, pieces of a series or copies of a picture, by=... (a "
    "label per stimulus)."
)


def read_sides_groups(by: GroupsBy | None, sides: Sides, *rdms: xr.DataArray) -> np.ndarray | None:
    """Return the group (n,) of each stimulus of ``sides``, numbered from 0; None without ``by``."""
    if by is None:
        return None
    return read_groups(by, sides.model.ids, *rdms)


def locate_rows(sides: Sides, brain_rdms: xr.DataArray) -> np.ndarray:
    """Return the positions among the stimuli of ``sides`` in the order of the brain RDMs' rows."""
    position = {name: k for k, name in enumerate(sides.model.ids.tolist())}
    return np.array([position[name] for name in brain_rdms[STIMULUS].values.tolist()])


def warn_sides(sides: Sides, brain_rdms: xr.DataArray, group: np.ndarray, fix: str) -> None:
    """Warn where stimuli that are resampled or permuted singly depend on each other on both sides.

    Stimuli of RDMs may be sorted by category, so only those that change gradually in the order of
    the brain RDMs' rows count as a series. ``group`` (n,): stimuli of the same are treated as
    independent; ``fix`` says what to pass.
    """
    rows = locate_rows(sides, brain_rdms)[:MAX_STIMULI]
    group = group[rows]
    model = _mean_square(sides.model.pairs)[np.ix_(rows, rows)]
    # Stimuli that some op says nothing of are no copies for being alike in the others.
    unknown = np.isnan(sides.model.pairs).any(axis=0).astype(float)
    apart = np.where(expand_pairs(unknown[None])[0][np.ix_(rows, rows)] > 0, np.nan, model)
    brain = _mean_square(sides.brain.pairs[sides.brain.present])[np.ix_(rows, rows)]
    if is_series(-model, -brain, np.arange(len(rows)), group, in_catalog=True):
        warn_user(
            "RDMs of model and brain are both autocorrelated in the order of stimuli (the rows of "
            "brain_rdms, as if in order of presentation): neighbors are more alike than in any of "
            "999 random orders, and change gradually. Such series are related without any "
            f"relation: intervals are too narrow, and p too small. {fix}"
        )
    torn = Torn(group[:, None] == group)
    warn_copies(apart, 0.0, -brain, sides.model.ids[rows], torn)


def _mean_square(pairs: np.ndarray) -> np.ndarray:
    """Return the mean square (n, n) of RDMs (k, pair), each divided by its mean.

    Pairs that none of them holds get the mean.
    """
    known = ~np.isnan(pairs)
    total = np.where(known, np.abs(pairs), 0.0).sum(axis=1, keepdims=True)
    size = total / np.maximum(known.sum(axis=1, keepdims=True), 1)
    known &= size > 0
    scaled = np.where(known, pairs, 0.0) / np.where(size > 0, size, 1.0)
    count = known.sum(axis=0)
    total = scaled.sum(axis=0)
    mean = np.where(count > 0, total / np.maximum(count, 1), 1.0)
    return expand_pairs(mean[None])[0]
