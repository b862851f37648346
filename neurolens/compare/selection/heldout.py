"""Intervals of the score of a chosen op on stimuli that were not used for the choice."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import put_on
from neurolens.compare.inputs.time_bins import expand_leading
from neurolens.compare.rsa.bootstrap import bootstrap_rdms
from neurolens.compare.selection.draws import read_level
from neurolens.compare.stats.intervals import infer_mean
from neurolens.errors import LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    UNNAMED,
    align_stimuli,
    get_ids,
    list_names,
)

# Result of assign_regions -> what it is called in scores of the other half.
BOUNDS = {"heldout_ci_low": "mean_ci_low", "heldout_ci_high": "mean_ci_high", "heldout_p": "p"}
# Draws for scores that have none of their own.
DEFAULT_DRAWS = 1000


def bound_rdms(
    best_op: xr.DataArray, scores: xr.Dataset, rdms: tuple[xr.DataArray, xr.DataArray], split: int
) -> dict[str, xr.Variable]:
    """Return the interval and p of the score that ``best_op`` (region) has on half b of ``split``.

    They are those of ``bootstrap_rdms``, over stimuli and subjects.
    """
    model, brain = rdms
    member = scores["split_member"].isel(split=split)
    ids = member[STIMULUS].values.tolist()
    model = align_stimuli(model, ids, name="model_rdms", other="scores")
    brain = align_stimuli(brain, ids, name="brain_rdms", other="scores")
    chosen = [op for op in scores[OP].values if op in set(best_op.values)]
    if not chosen:
        unknown = np.full(len(best_op), np.nan)
        return put_on(REGION, **dict.fromkeys(BOUNDS, unknown))
    model = _select_labels(model, OP, "model", chosen, "model_rdms")
    regions = scores[REGION].values.tolist()
    brain = _select_labels(brain, REGION, UNNAMED[REGION], regions, "brain_rdms")
    half_b = member[STIMULUS].values[~member.values]
    part = {STIMULUS: half_b, STIMULUS_2: half_b}
    heldout = bootstrap_rdms(
        model.sel(part),
        brain.sel(part),
        comparator=scores.attrs["measure"],
        confidence=read_level(scores),
        n_bootstrap=int(scores.attrs.get("n_bootstrap", 0)) or DEFAULT_DRAWS,
    )
    is_chosen = best_op != ""
    of_best = heldout.sel({OP: best_op.where(is_chosen, chosen[0])}).where(is_chosen)
    return put_on(REGION, **{name: of_best[source].values for name, source in BOUNDS.items()})


def bound_encoding(
    best: xr.Dataset, scores: xr.Dataset, halves: np.ndarray
) -> dict[str, xr.Variable]:
    """Return the interval and p of the held-out score of each region, for new stimuli.

    ``halves`` is (split, half, op, region). The two halves are independent, so half their mean
    squared difference is the variance of one.
    """
    positions = {op: k for k, op in enumerate(scores[OP].values.tolist())}
    chosen = np.array([positions.get(op, 0) for op in best["best_op"].values.tolist()])
    gap = (halves[:, 0] - halves[:, 1])[:, chosen, np.arange(len(chosen))]  # (split, region)
    # Each fold takes one degree of freedom of a half for its mean.
    n_free = int(scores.attrs["n_stimuli"]) // 2 - int(scores.attrs.get("n_folds", 0))
    freedom = 1 / (1 / len(gap) + 1 / max(1, n_free))
    variance = (gap**2).mean(axis=0) / 2
    bounds = infer_mean(best["heldout_score"].values, variance, freedom, read_level(scores))
    return put_on(REGION, **dict(zip(BOUNDS, bounds, strict=True)))


def _select_labels(
    rdms: xr.DataArray, dim: str, default: str, wanted: Sequence[str], name: str
) -> xr.DataArray:
    """Return ``rdms`` at the labels ``wanted`` along ``dim``, in that order.

    RDMs without ``dim`` count as having the one label ``default``.
    """
    rdms = expand_leading(rdms, {dim: default})
    labels = set(get_ids(rdms, dim, name).tolist())
    if missing := [label for label in wanted if label not in labels]:
        raise LabelError(
            f"{name} must hold each {dim} of scores, and lack {list_names(missing)}. Pass the RDMs "
            "that the scores were made from."
        )
    return rdms.sel({dim: list(wanted)})
