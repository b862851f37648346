"""Scores of resampled data, from any method."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.stats.bootstrap import RESAMPLED
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, SUBJECT
from neurolens.scores import BOOTSTRAP, find_remedy

# Used for scores that do not state the confidence of their intervals.
DEFAULT_LEVEL = 0.95


class Draws(NamedTuple):
    """Mean scores under resampling.

    ``values`` (resampled, draw, op, region), the first axis in the order of RESAMPLED: all three
    are the same where only stimuli were drawn. ``n_subjects`` (region,): over how many subjects
    they generalize, 1 where only stimuli were drawn.
    """

    values: np.ndarray
    n_subjects: np.ndarray


def read_draws(scores: xr.Dataset, consumer: str, *, least: int) -> Draws:
    """Return the draws that scores hold, which must be ``least`` or more, and not a single one.

    Raises InputError, naming the function that needs them, where scores hold too few or none.
    """
    names = [name for name in ("draws", "bootstrap_mean") if name in scores]
    n_draws = scores[names[0]].sizes[BOOTSTRAP] if names else 0
    if not names or n_draws < least or n_draws == 1:
        raise InputError(
            f"{consumer} needs resampled scores: scores must hold 'draws' or 'bootstrap_mean', two "
            f"of them or more, got {n_draws}. Make scores with "
            f"{find_remedy('draws', scores.attrs['method'])}."
        )
    name = names[0]
    draws = scores[name].transpose(..., BOOTSTRAP, OP, REGION).values.astype(np.float64)
    # (draw, op, region) to (resampled, draw, op, region)
    values = np.broadcast_to(draws, (len(RESAMPLED), *draws.shape[-3:]))
    if name == "draws":
        return Draws(values, _count_subjects(scores))
    return Draws(values, np.ones(scores.sizes[REGION], dtype=int))


def read_level(scores: xr.Dataset) -> float:
    """Return the confidence of the intervals of scores."""
    level = float(scores.attrs.get("interval_level", np.nan))
    return level if np.isfinite(level) else DEFAULT_LEVEL


def _count_subjects(scores: xr.Dataset) -> np.ndarray:
    """Return the number of subjects (region,) that scores are the mean of."""
    if "n_subjects" in scores:
        return scores["n_subjects"].values.astype(int)
    present = scores["score"].notnull().any(OP)  # (region, subject)
    return present.sum(SUBJECT).values.astype(int)
