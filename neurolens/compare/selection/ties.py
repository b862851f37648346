"""Ops that cannot be told apart from the best one of each region, and what is in doubt."""

from functools import partial

import numpy as np
import xarray as xr

from neurolens.compare.selection.draws import Errors
from neurolens.compare.stats.model_sets import find_best_set, has_enough_draws
from neurolens.labels import OP, REGION, list_names

# Named ops that fewer halves than this share choose are in doubt.
LEAST_AGREEMENT = 0.5


def find_ties(
    scores: xr.Dataset, best_op: np.ndarray, errors: Errors, level: float
) -> dict[str, xr.Variable]:
    """Return ``indistinguishable`` (region, op) and ``margin`` (region).

    Regions without a ``best_op`` (region,) have no set.
    """
    mean = scores["score_mean"].transpose(REGION, OP).values
    ops = scores[OP].values.astype(str)
    member = np.zeros(mean.shape, dtype=bool)
    margin = np.full(len(mean), np.nan)
    for region, name in enumerate(best_op):
        if name:
            found = find_best_set(
                mean[region],
                errors.values[..., region],
                partial(errors.combine, region=region),
                errors.freedom[region],
                level,
            )
            member[region] = found.member | (ops == name)
            margin[region] = found.margin
    attrs = {"level": level, "over": errors.over, "kind": "simultaneous set"}
    return {
        "indistinguishable": xr.Variable((REGION, OP), member, attrs),
        "margin": xr.Variable(REGION, margin),
    }


def describe_ties(errors: Errors, level: float) -> str:
    """Return in a sentence or two what the set of ``indistinguishable`` ops is."""
    if not has_enough_draws(errors.values.shape[1], level):
        return (
            "Cannot be told apart from the best op: all ops with a score, because the scores hold "
            "too few draws or none."
        )
    return (
        f"Cannot be told apart from the best op: simultaneous {100 * level:g} % set over "
        f"{errors.over}, which holds all ops that are truly best at once."
    )


def find_doubts(agreement: np.ndarray) -> np.ndarray:
    """Return whether fewer than half of the halves choose the named op (region,)."""
    return agreement < LEAST_AGREEMENT


def describe_doubts(doubtful: np.ndarray, regions: np.ndarray) -> str:
    """Return in a sentence which best ops are in doubt, "" where none is."""
    if not doubtful.any():
        return ""
    return (
        f"The best op is in doubt in {list_names(regions[doubtful])}: fewer than half of the "
        "random halves of the stimuli choose it, and the held-out score is mostly that of other "
        "ops."
    )
