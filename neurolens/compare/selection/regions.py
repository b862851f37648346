"""Which op for which region: chosen on one half of the stimuli, scored on the other."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_kind, put_on, warn_user
from neurolens.compare.inputs.time_bins import expand_leading, refuse_bins
from neurolens.compare.rsa.bootstrap import bootstrap_rdms
from neurolens.compare.selection.depth import find_peaks, locate_peaks
from neurolens.compare.stats.intervals import infer_mean, percentile_interval
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    align_stimuli,
    get_ids,
    list_names,
)

NEEDED = ("split_score", "score_mean", "bootstrap_mean")


def assign_regions(
    scores: xr.Dataset,
    *,
    rdms: tuple[xr.DataArray, xr.DataArray] | None = None,
    control: Sequence[xr.Dataset] = (),
    depth: Mapping[str, float] | None = None,
    split: int = 0,
) -> xr.Dataset:
    """Best op for each region, with the score it has on stimuli that did not choose it.

    The largest of many noisy scores is too large: that it was chosen for its score is why. Here the
    op with the largest subject mean on half a of the stimuli is reported with its score on half b.

    Parameters
    ----------
    scores : Dataset
        From ``compare_rdms`` or ``fit_encoding``, with ``n_splits`` above 0: ``split_score``
        (split, half, op, region), ``score_mean`` (op, region), ``bootstrap_mean`` (bootstrap, op,
        region). Any unit.
    rdms : (model_rdms, brain_rdms), optional
        Those the scores were made from, of 7 stimuli or more, with all ops and regions of the
        scores or more; with them the held-out score gets an interval. Not for encoding scores.
    control : sequence of Dataset
        Scores of the same regions for models with random weights (``randomize_weights``), one per
        seed, made like ``scores``.
    depth : mapping of op to number, optional
        As for ``locate_peaks``.
    split : int
        Which random half split names the op.

    Returns
    -------
    Dataset over region (and op)
        ``best_op`` (region): chosen on half a; "" where nothing could be chosen.
        ``selection_score``: its score on half a (biased up); ``heldout_score``: on half b, the
        honest number. ``heldout_ci_low``, ``heldout_ci_high``, ``heldout_p``: over stimuli and
        subjects, as ``bootstrap_rdms`` on half b, with as many draws as the scores have or, where
        they have none, 1000; only with ``rdms``; of encoding over stimuli, from the halves as in
        ``fit_encoding``. ``naive_op``, ``naive_score``: largest score on all stimuli, biased up;
        for comparison only. ``agreement``: fraction of the ``2 n_splits`` halves that choose
        ``best_op``; in [0, 1]. ``heldout_mean``: mean over splits and both directions of the score
        on the half that did not choose. It belongs to the procedure, not to ``best_op``: each half
        may choose another op. ``nested_score``: the same with the op chosen by the other subjects
        and scored in the subject left out, mean over subjects; NaN for fewer than two. Honest about
        subjects too. ``control_score`` (control, region): ``heldout_mean`` of each control; only
        with ``control``. ``peak_depth``, ``hierarchy`` and their intervals: as ``locate_peaks``.
        ``indistinguishable`` (region, op): True where the bootstrap interval of (best_op - op)
        includes 0, and for best_op itself. Without bootstrap draws nothing can be told apart, so
        every op with a score is True.

    Raises
    ------
    InputError
        The scores hold no half splits (``n_splits=0``) or a single draw, ``split`` is not one of
        them, there are several time bins, or ``rdms`` go with encoding scores.
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
    half the stimuli train each fit. ``heldout_score`` is honest about stimuli, not about subjects:
    both halves have the same ones.

    References
    ----------
    Kriegeskorte et al. (2009) Nat. Neurosci. 12:535, on selection; checked by simulation
    (``test_regions.py``).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> scores = xr.Dataset(
    ...     {"split_score": (("split", "half", "op", "region"), np.array([[[[0.5], [0.2]], [[0.3], [0.4]]]])),
    ...      "score_mean": (("op", "region"), np.array([[0.4], [0.3]])),
    ...      "bootstrap_mean": (("bootstrap", "op", "region"), np.array([[[0.4], [0.3]], [[0.3], [0.4]]]))},
    ...     coords={"op": ["conv", "relu"], "region": ["IT"]}, attrs={"confidence": 0.95})
    >>> best = assign_regions(scores)
    >>> best.best_op.values.tolist(), best.selection_score.values.tolist(), best.heldout_score.values.tolist()
    (['conv'], [0.5], [0.3])
    """
    check_kind(scores, "scores", "scores")
    refuse_bins(scores, "assign_regions")
    missing = [name for name in NEEDED if name not in scores]
    n_splits = scores.sizes.get("split", 0)
    if missing or n_splits == 0:
        raise InputError(
            f"scores must hold half splits and draws; missing: {list_names(missing)}, number of "
            f"splits: {n_splits}. "
            "Make them with compare_rdms(..., n_splits=20) or fit_encoding(..., n_splits=20)."
        )
    if rdms is not None and scores.attrs.get("method") == "encoding":
        raise InputError("rdms= bounds scores of RDMs, and these are of encoding. Leave rdms= out.")
    if not 0 <= split < n_splits:
        raise InputError(
            f"split must be in 0..{n_splits - 1}, got {split}. Pass one of the splits the scores "
            f"hold."
        )
    ops = scores[OP].values.astype(str)
    halves = _pair_halves(scores["split_score"]).transpose("split", "half", OP, REGION).values
    overall = scores["score_mean"].transpose(OP, REGION).values
    draws = scores["bootstrap_mean"].transpose("bootstrap", OP, REGION).values
    regions = scores[REGION].values
    confidence = float(scores.attrs.get("confidence", 0.95))

    best = _choose_ops(ops, halves, overall, draws, split, confidence).assign_coords(
        {REGION: regions, OP: ops}
    )
    kept = {
        key: scores.attrs[key] for key in ("method", "comparator", "metric") if key in scores.attrs
    }
    best.attrs = {**kept, "split": split, "n_splits": n_splits, "confidence": confidence}
    empty = regions[best.best_op.values == ""]
    if len(empty):
        warn_user(
            f"no op could be chosen, for want of a score, in: {list_names(empty)}. Drop those "
            f"regions, or look at "
            "their RDMs.",
        )
    if "split_subject_score" in scores:
        by_subject = (
            _pair_halves(scores["split_subject_score"])
            .transpose(REGION, "split", "half", OP, SUBJECT)
            .values
        )
        best["nested_score"] = (REGION, [_nest_subjects(score) for score in by_subject])
    if control:
        again = [assign_regions(other)["heldout_mean"] for other in control]
        again = [
            align_stimuli(x, regions.tolist(), name="control", other="scores", dims=[REGION])
            for x in again
        ]
        best["control_score"] = (("control", REGION), np.stack(again))
    if rdms is not None:
        best = best.assign(_bound_heldout(best.best_op, scores, rdms, split))
    elif scores.attrs.get("method") == "encoding":
        best = best.assign(_bound_encoding(best, scores, halves, confidence))
    return best.assign(locate_peaks(scores, depth=depth).drop_vars("peak_op").data_vars)


def _pair_halves(halves: xr.DataArray) -> xr.DataArray:
    """Return ``halves`` with NaN where the other half has none.

    What it cannot be scored on must not choose.
    """
    return halves.where(halves.notnull().all("half"))


def _select_labels(
    rdms: xr.DataArray, dim: str, default: str, wanted: Sequence[str], name: str
) -> xr.DataArray:
    """Return ``rdms`` at the labels ``wanted`` along ``dim``, in that order.

    Without ``dim`` they are ``default``.
    """
    rdms = expand_leading(rdms, {dim: default})
    have = set(get_ids(rdms, dim, name).tolist())
    if missing := [label for label in wanted if label not in have]:
        raise LabelError(
            f"{name} must hold each {dim} of scores, and lack {list_names(missing)}. Pass the RDMs "
            f"that the scores "
            "were made from."
        )
    return rdms.sel({dim: list(wanted)})


def _bound_heldout(
    best_op: xr.DataArray, scores: xr.Dataset, rdms: tuple[xr.DataArray, xr.DataArray], split: int
) -> dict[str, tuple[str, np.ndarray]]:
    """Return the interval and p of the score that ``best_op`` (region) has on half b of ``split``."""
    member = scores["split_member"].isel(split=split)
    ids = member[STIMULUS].values.tolist()
    names = ("model_rdms", "brain_rdms")
    model, brain = (
        align_stimuli(x, ids, name=name, other="scores")
        for x, name in zip(rdms, names, strict=True)
    )
    half_b = member[STIMULUS].values[~member.values]
    part = {STIMULUS: half_b, STIMULUS_2: half_b}
    chosen = [op for op in scores[OP].values if op in set(best_op.values)]
    told = {
        "heldout_ci_low": "mean_ci_low",
        "heldout_ci_high": "mean_ci_high",
        "heldout_p": "mean_p",
    }
    if not chosen:
        return {name: (REGION, np.full(len(best_op), np.nan)) for name in told}
    model = _select_labels(model, OP, "model", chosen, "model_rdms")
    brain = _select_labels(brain, REGION, "brain", scores[REGION].values.tolist(), "brain_rdms")
    settings = {name: scores.attrs[name] for name in ("comparator", "confidence")}
    # Scores without draws of their own leave the default number.
    n_bootstrap = int(scores.attrs["n_bootstrap"]) or 1000
    found = bootstrap_rdms(model.sel(part), brain.sel(part), n_bootstrap=n_bootstrap, **settings)
    there = best_op != ""
    picked = found.sel({OP: best_op.where(there, chosen[0])}).where(there)
    return {name: (REGION, picked[source].values) for name, source in told.items()}


def _bound_encoding(
    best: xr.Dataset, scores: xr.Dataset, halves: np.ndarray, confidence: float
) -> dict[str, xr.Variable]:
    """Return the interval and p of the held-out score of each region, from ``halves`` (split, half, op, region).

    Two halves are independent, so half their mean squared difference is the variance of one.
    """
    place = {op: k for k, op in enumerate(best[OP].values.tolist())}
    chosen = np.array([place.get(op, 0) for op in best.best_op.values.tolist()])
    gap = (halves[:, 0] - halves[:, 1])[:, chosen, np.arange(len(chosen))]
    freedom = 1 / (
        1 / len(gap) + 1 / max(1, scores.sizes[STIMULUS] // 2 - int(scores.attrs["n_folds"]))
    )
    bounds = infer_mean(best.heldout_score.values, (gap**2).mean(axis=0) / 2, freedom, confidence)
    return put_on(
        REGION, **dict(zip(("heldout_ci_low", "heldout_ci_high", "heldout_p"), bounds, strict=True))
    )


def _nest_subjects(halves: np.ndarray) -> float:
    """Return the mean score in the subject and the half that did not choose, of ``halves`` (split, half, op, subject).

    The other subjects choose on the other half.
    """
    halves = halves[..., ~np.isnan(halves).all(axis=(0, 1, 2))]
    n_subjects = halves.shape[-1]
    if n_subjects < 2:
        return np.nan
    others = (halves.sum(axis=-1, keepdims=True) - halves) / (n_subjects - 1)
    # Only an op that every subject has a score of can be chosen.
    if np.isnan(others).all(axis=2).any():
        return np.nan
    chosen = np.nanargmax(others, axis=2)[:, ::-1, None]
    return float(np.take_along_axis(halves, chosen, axis=2).mean())


def _choose_ops(
    ops: np.ndarray,
    halves: np.ndarray,
    overall: np.ndarray,
    draws: np.ndarray,
    split: int,
    confidence: float,
) -> xr.Dataset:
    """Return the choice in each region from ``halves`` (split, half, op, region), ``overall`` (op, region), ``draws``.

    An op is indistinguishable where the percentile interval of (best - op) over ``draws``
    (bootstrap, op, region) includes 0.
    """
    n_ops, n_regions = overall.shape
    every = np.arange(n_regions)
    chosen = find_peaks(halves.reshape(-1, n_ops, n_regions), np.zeros(n_ops)).reshape(
        -1, 2, n_regions
    )
    best = chosen[split, 0]
    naive = find_peaks(overall[None], np.zeros(n_ops))[0]
    known = (chosen >= 0).all(axis=(0, 1)) & (naive >= 0)
    # Half a is scored with what half b chose, and the other way round.
    crossed = np.take_along_axis(halves, chosen[:, ::-1, None], axis=2)
    numbers = {
        "selection_score": halves[split, 0, best, every],
        "heldout_score": halves[split, 1, best, every],
        "naive_score": overall[naive, every],
        "agreement": (chosen == best).mean(axis=(0, 1)),
        "heldout_mean": crossed.mean(axis=(0, 1, 2)),
    }
    low, high = percentile_interval(
        draws[:, best, every][:, None].astype(np.float64) - draws, confidence
    )
    same = ~((low > 0) | (high < 0))
    same[best, every] = True
    names = put_on(
        REGION, best_op=np.where(known, ops[best], ""), naive_op=np.where(known, ops[naive], "")
    )
    scores = put_on(
        REGION, **{name: np.where(known, values, np.nan) for name, values in numbers.items()}
    )
    return xr.Dataset(
        {
            **names,
            **scores,
            "indistinguishable": ((REGION, OP), (same & known & ~np.isnan(overall)).T),
        }
    )
