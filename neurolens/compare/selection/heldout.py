"""Intervals of scores on stimuli that did not choose the op, over stimuli or subjects too."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.inputs.time_bins import expand_leading
from neurolens.compare.rsa.bootstrap import bootstrap_rdms
from neurolens.compare.rsa.estimates.choice import read_interval
from neurolens.compare.selection.draws import Errors, count_units, read_level
from neurolens.compare.stats.intervals import Inference, infer_mean
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    UNNAMED,
    align_labels,
    get_ids,
    list_names,
)
from neurolens.scores import DRAWS_HASH, read_scores

# Draws for scores that have none of their own.
DEFAULT_DRAWS = 1000


def bound_heldout(
    heldout_mean: np.ndarray, shares: np.ndarray, errors: Errors, level: float
) -> Inference:
    """Return the interval and p of ``heldout_mean`` (region,), one-sided, above 0.

    ``shares`` (op, region) are the fractions of halves that choose each op. What is estimated is
    the mean true score of the ops that the halves choose.
    """
    return infer_mean(heldout_mean, vary_heldout(shares, errors), errors.freedom, level)


def vary_heldout(shares: np.ndarray, errors: Errors) -> np.ndarray:
    """Return an upper bound (region,) of the variance of held-out scores.

    One split has the variance of the scores of the ops that its halves choose; the mean of that
    over splits bounds the variance of the mean over splits.
    """
    parts = np.where(shares > 0, shares * errors.variance, 0.0)
    # Sorted, so that the order of the ops does not change the last bit of their sum.
    return np.sort(parts, axis=0).sum(axis=0)


def resample_subjects(
    scores: xr.Dataset,
    rdms: tuple[xr.DataArray, xr.DataArray],
    by: GroupsBy | None,
    consumer: str,
) -> xr.Dataset:
    """Return ``scores`` with draws of stimuli and subjects, those of ``bootstrap_rdms``.

    They are scored, or from influences, as those of the scores were.

    Raises InputError where scores are not of RDMs, lack the stimuli of halves, or resampled groups
    and ``by`` does not say which; ``consumer`` is the function that takes them.
    """
    if (method := scores.attrs["method"]) != "rsa":
        raise InputError(
            f"rdms= bounds scores of RDMs, and these are of {method}. Leave rdms= out.",
            anchor="scores-made-differently",
        )
    read_scores(scores, consumer, needs=["split_member"])
    if by is None and count_units(scores) < int(scores.attrs["n_stimuli"]):
        raise InputError(
            "these scores resampled groups of stimuli, and so must rdms=. Pass by=, as to "
            "compare_rdms.",
            anchor="scores-made-differently",
        )
    model, brain = rdms
    ids = scores["split_member"][STIMULUS].values.tolist()
    model = align_labels(model, ids, name="model_rdms", other="scores")
    brain = align_labels(brain, ids, name="brain_rdms", other="scores")
    ops = scores[OP].values.tolist()
    regions = scores[REGION].values.tolist()
    drawn = bootstrap_rdms(
        _select_labels(model, OP, "model", ops, "model_rdms"),
        _select_labels(brain, REGION, UNNAMED[REGION], regions, "brain_rdms"),
        comparator=scores.attrs["measure"],
        by=by,
        interval=read_interval(scores),
        confidence=read_level(scores),
        n_bootstrap=int(scores.attrs.get("n_bootstrap", 0)) or DEFAULT_DRAWS,
    )
    names = ["draws", "n_subjects"]
    scores = scores.drop_vars("bootstrap_mean", errors="ignore").assign(drawn[names].data_vars)
    kept = ("n_units", "n_bootstrap", "interval_over", DRAWS_HASH)
    return scores.assign_attrs({name: drawn.attrs[name] for name in kept})


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
            "that the scores were made from.",
            anchor="ids-differ",
        )
    return rdms.sel({dim: list(wanted)})
