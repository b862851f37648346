"""Best op for each region, and the score that such a choice has on stimuli not used for it."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import put_on
from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.selection.choice import find_peaks, nest_subjects, share_choices
from neurolens.compare.selection.depth import locate_peaks
from neurolens.compare.selection.draws import read_errors, read_level
from neurolens.compare.selection.heldout import bound_heldout, resample_subjects
from neurolens.compare.selection.ties import (
    describe_doubts,
    describe_ties,
    find_doubts,
    find_ties,
)
from neurolens.errors import InputError, warn_user
from neurolens.labels import OP, REGION, SUBJECT, align_labels, list_names
from neurolens.scores import BOOTSTRAP, HALF, PER_REGION, SPLIT, find_remedy, read_scores

CONTROL = "control"
# Attributes of the scores that the result keeps.
KEPT = ("method", "measure", "dissimilarity")


def assign_regions(
    scores: xr.Dataset,
    *,
    rdms: tuple[xr.DataArray, xr.DataArray] | None = None,
    by: GroupsBy | None = None,
    control: xr.Dataset | Sequence[xr.Dataset] = (),
    depth: Mapping[str, float] | None = None,
) -> xr.Dataset:
    """Name the best op of each region, and score the choice on stimuli not used for it.

    The largest of many noisy scores is biased upwards, because it was chosen for being the largest.
    The op named is that with the largest subject mean on all stimuli. How good such a choice is
    comes from half splits: each half of the stimuli chooses an op, which is scored on the other.

    Parameters
    ----------
    scores : Dataset
        Any scores that hold half splits: from ``compare_rdms`` or ``fit_encoding``, with
        ``n_splits`` above 0. Any unit.
    rdms : (model_rdms, brain_rdms), optional
        Those the scores were made from, with all ops and regions of the scores or more; with them
        all intervals and sets are over stimuli and subjects, by ``bootstrap_rdms`` with as many
        draws as the scores have or, where they have none, 1000. Not for encoding scores.
    by : str or DataArray, optional
        Groups of stimuli, as for ``compare_rdms``; with ``rdms`` only, where scores were made so.
    control : Dataset or sequence of Dataset
        Scores of the same regions for a model with random weights (``randomize_weights``), or for
        several, one per seed; made like ``scores``.
    depth : mapping of op to number, optional
        As for ``locate_peaks``.

    Returns
    -------
    Dataset over region (and op)
        ``best_op`` (region): largest score on all stimuli, of the ops with a score on both halves
        of some split; "" where nothing could be chosen. ``naive_score``: its score on all stimuli,
        biased up; for comparison only. ``heldout_mean``: mean over splits and both directions of
        the score on the half that did not choose, without that bias. It belongs to the choice, not
        to ``best_op``: each half may choose another op. ``selection_score``: the mean score on the
        half that did choose, biased up further. ``heldout_ci_low``, ``heldout_ci_high``,
        ``heldout_p``: interval of ``heldout_mean``, and p of one above 0, for the mean true score
        of the ops that halves choose; NaN without draws. ``agreement``: fraction of the ``2
        n_splits`` halves that choose ``best_op``, in [0, 1]; ``doubtful``: whether it is below a
        half. ``nested_score``: as ``heldout_mean``, the op chosen by the other subjects and scored
        in the subject left out, mean over subjects; NaN for fewer than two. It is not biased by a
        choice on the same subjects either. ``control_score`` (control, region): ``heldout_mean`` of
        each control; only with ``control``. ``peak_depth``, ``hierarchy``, their intervals and p:
        as ``locate_peaks``. ``indistinguishable`` (region, op): the ops that cannot be told apart
        from the best one, a simultaneous set: at the level of the intervals, it holds all ops that
        are truly best at once. ``margin`` (region): ops whose score on all stimuli is further than
        this below the largest are not in it. Without enough draws (19 at 95 %) nothing can be told
        apart: every op with a score is in the set and ``margin`` is NaN.
        Attributes ``best_note``, ``set_note``, ``doubt_note`` and ``hierarchy_note`` say this in
        sentences; ``interval_over``: over what intervals and sets are, "" where there are none.

    Raises
    ------
    InputError
        The scores, or those of a control, are no scores or hold no half splits (``n_splits=0``) or
        a single draw; there are several time bins; ``rdms`` go with scores of another method, or
        lack the groups ``by`` which the scores were resampled; or a control is of another method or
        measure.
    LabelError
        Regions of a control, or stimuli of ``rdms``, differ from those of ``scores``, or ``rdms``
        lack an op or region.

    Warns
    -----
    RuntimeWarning
        A region has no score at all; the message names it.

    Notes
    -----
    Halves hold half the stimuli, so scores on them are noisier than ``score_mean``, but neither
    larger nor smaller in expectation for an op fixed in advance; of encoding they are smaller, for
    half the stimuli train each fit. A choice by all stimuli is better than one by half of them, so
    ``heldout_mean`` errs on the low side for ``best_op``. It generalizes to other stimuli, not to
    other subjects: both halves have the same subjects. Its interval is too wide where halves choose
    different ops (docs/simulation.md).

    The set compares the gap to the largest score with the range that errors of equally good ops
    have over draws, one margin for all ops; ``compare_ops`` tells two ops fixed in advance apart
    more sharply. Errors of encoding scores come from the differences between halves. Time O(draws
    ops regions); with ``rdms`` that of ``bootstrap_rdms``.

    References
    ----------
    Kriegeskorte et al. (2009) Nat. Neurosci. 12:535, on selection; Hansen, Lunde & Nason (2011)
    Econometrica 79:453, on model confidence sets; checked by simulation (``test_regions.py``,
    ``test_model_sets.py``).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.scores import build_scores
    >>> labels = {"op": ["conv", "relu"], "region": ["IT"]}
    >>> mean = xr.DataArray([[0.4], [0.3]], dims=("op", "region"), coords=labels)
    >>> halves = np.array([[[[0.5], [0.2]], [[0.3], [0.4]]]])
    >>> splits = {"split_score": (("split", "half", "op", "region"), halves)}
    >>> scores = build_scores(mean, method="rsa", measure="spearman", n_stimuli=20,
    ...                       variables=splits)
    >>> best = assign_regions(scores)
    >>> best.best_op.item(), best.naive_score.item(), best.heldout_mean.item()
    ('conv', 0.4, 0.25)
    >>> best.agreement.item(), best.doubtful.item()
    (0.5, False)
    """
    scores = _read_halves(scores, "assign_regions")
    method = scores.attrs["method"]
    if rdms is not None and method != "rsa":
        raise InputError(
            f"rdms= bounds scores of RDMs, and these are of {method}. Leave rdms= out."
        )
    if rdms is not None:
        read_scores(scores, "assign_regions", needs=["split_member"])
        scores = resample_subjects(scores, rdms, by)
    best = _choose_ops(scores)
    _warn_empty(best)
    best = _infer_choice(best, scores)
    if "split_subject_score" in scores:
        best["nested_score"] = _score_nested(scores)
    if controls := _list_controls(control):
        best["control_score"] = _score_controls(controls, scores)
    peaks = locate_peaks(scores, depth=depth)
    best = best.assign(peaks.drop_vars("peak_op").data_vars)
    attrs = {key: scores.attrs[key] for key in KEPT if key in scores.attrs}
    attrs["n_splits"] = scores.sizes[SPLIT]
    attrs["best_note"] = _describe_choice(scores)
    return best.assign_attrs(attrs | peaks.attrs)


def _read_halves(scores: xr.Dataset, consumer: str) -> xr.Dataset:
    """Return scores that hold half splits, and draws or an empty set of them."""
    scores = read_scores(scores, consumer)
    n_splits = scores.sizes.get(SPLIT, 0)
    missing = [name for name in ("split_score", "bootstrap_mean") if name not in scores]
    if "split_score" in missing or n_splits == 0:
        raise InputError(
            f"{consumer} chooses and scores on different halves of the stimuli, so scores must "
            f"hold half splits; missing: {list_names(missing)}, number of splits: {n_splits}. "
            f"Make scores with {find_remedy('split_score', scores.attrs['method'])}."
        )
    if "bootstrap_mean" in missing and "draws" not in scores:
        shape = (0, *(scores.sizes[dim] for dim in PER_REGION))
        scores = scores.assign(bootstrap_mean=((BOOTSTRAP, *PER_REGION), np.empty(shape)))
    return scores


def _list_halves(scores: xr.Dataset) -> np.ndarray:
    """Return scores on halves (split, half, op, region)."""
    halves = _pair_halves(scores["split_score"])
    return halves.transpose(SPLIT, HALF, OP, REGION).values


def _pair_halves(halves: xr.DataArray) -> xr.DataArray:
    """Return ``halves`` with NaN where the other half has none.

    An op that cannot be scored on the other half must not be chosen.
    """
    return halves.where(halves.notnull().all(HALF))


def _choose_ops(scores: xr.Dataset) -> xr.Dataset:
    """Return the choices of all stimuli and of halves, and their scores.

    ``share`` (op, region) is the fraction of halves that choose each op.
    """
    ops = scores[OP].values.astype(str)
    halves = _list_halves(scores)
    n_ops, n_regions = halves.shape[2:]
    every = np.arange(n_regions)
    eligible = np.ones(n_ops, dtype=bool)
    chosen = find_peaks(halves.reshape(-1, n_ops, n_regions), eligible)
    chosen = chosen.reshape(-1, 2, n_regions)  # (split, half, region)
    overall = scores["score_mean"].transpose(OP, REGION).values
    overall = np.where(np.isnan(halves).all(axis=(0, 1)), np.nan, overall)
    best = find_peaks(overall[None], eligible)[0]
    is_known = (chosen >= 0).all(axis=(0, 1)) & (best >= 0)
    own = np.take_along_axis(halves, chosen[:, :, None], axis=2)
    # Half a scores the op that half b chose, and the other way round.
    crossed = np.take_along_axis(halves, chosen[:, ::-1, None], axis=2)
    share = share_choices(chosen.reshape(-1, n_regions), n_ops)
    numbers = {
        "naive_score": overall[best, every],
        "selection_score": own.mean(axis=(0, 1, 2)),
        "heldout_mean": crossed.mean(axis=(0, 1, 2)),
        "agreement": share[best, every],
    }
    return xr.Dataset(
        {
            **put_on(REGION, best_op=np.where(is_known, ops[best], "")),
            **put_on(REGION, **{k: np.where(is_known, v, np.nan) for k, v in numbers.items()}),
            "share": ((OP, REGION), np.where(is_known, share, np.nan)),
        },
        coords={REGION: scores[REGION].values, OP: ops},
    )


def _infer_choice(best: xr.Dataset, scores: xr.Dataset) -> xr.Dataset:
    """Return ``best`` with intervals, ties and doubts in place of the shares of ops."""
    errors = read_errors(scores, "assign_regions")
    level = read_level(scores)
    bounds = bound_heldout(best["heldout_mean"].values, best["share"].values, errors, level)
    ties = find_ties(scores, best["best_op"].values, errors, level)
    doubtful = find_doubts(best["agreement"].values)
    variables = put_on(
        REGION,
        heldout_ci_low=bounds.low,
        heldout_ci_high=bounds.high,
        heldout_p=bounds.p,
        doubtful=doubtful,
    )
    attrs = {
        "interval_over": errors.over,
        "set_note": describe_ties(errors, level),
        "doubt_note": describe_doubts(doubtful, best[REGION].values),
    }
    return best.drop_vars("share").assign(variables).assign(ties).assign_attrs(attrs)


def _describe_choice(scores: xr.Dataset) -> str:
    """Return in sentences how ops are named and scored."""
    return (
        f"Best op: largest {scores.attrs['measure']} on all stimuli. Held-out score: mean over "
        f"{scores.sizes[SPLIT]} random splits of the stimuli of the score on the half that did not "
        "choose the op."
    )


def _warn_empty(best: xr.Dataset) -> None:
    """Warn, naming the regions in which nothing could be chosen."""
    empty = best[REGION].values[best["best_op"].values == ""]
    if len(empty):
        warn_user(
            "no op could be chosen, because no op has a score in every half, in: "
            f"{list_names(empty)}. Drop those regions, or look at their RDMs."
        )


def _score_nested(scores: xr.Dataset) -> xr.DataArray:
    """Return the mean score (region) in the subject, and on the half, that did not choose."""
    halves = _pair_halves(scores["split_subject_score"])
    by_region = halves.transpose(REGION, SPLIT, HALF, OP, SUBJECT).values
    return xr.DataArray([nest_subjects(score) for score in by_region], dims=REGION)


def _list_controls(control: xr.Dataset | Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Return the scores of each control; one Dataset is one control."""
    return list(control) if isinstance(control, Sequence) else [control]


def _score_controls(controls: list[xr.Dataset], scores: xr.Dataset) -> xr.DataArray:
    """Return ``heldout_mean`` (control, region) of each control."""
    regions = scores[REGION].values.tolist()
    means = []
    for control in controls:
        control = _read_halves(control, "assign_regions(control=...)")
        for key in ("method", "measure"):
            if control.attrs.get(key) != scores.attrs.get(key):
                raise InputError(
                    f"control must be made like scores, with the {key} {scores.attrs.get(key)!r}, "
                    f"got {control.attrs.get(key)!r}. Make both with the same function and "
                    "settings."
                )
        best = align_labels(
            _choose_ops(control), regions, name="control", other="scores", dims=[REGION]
        )
        _warn_empty(best)
        means.append(best["heldout_mean"].values)
    return xr.DataArray(np.stack(means), dims=(CONTROL, REGION))
