"""Which op for which region: chosen on one half of the stimuli, scored on the other."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.bootstrap import bootstrap_scores
from neurolens.compare.peaks import locate_peaks
from neurolens.compare.weights import percentile_interval
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, STIMULUS, STIMULUS_2, SUBJECT, TIME_BIN, align_stimuli, list_names

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

    The largest of many noisy scores is too large: that it was chosen for its score is why. Here the op with the
    largest subject mean on half a of the stimuli is reported with its score on half b.

    Parameters
    ----------
    scores : Dataset
        From ``compare_rdms``: ``split_score`` (split, half, op, region), ``score_mean`` (op, region),
        ``bootstrap_mean`` (bootstrap, op, region). Any unit.
    rdms : (model_rdms, brain_rdms), optional
        Those the scores were made from; with them the held-out score gets an interval.
    control : sequence of Dataset
        Scores of the same regions for models with random weights (``randomize``), one per seed, made like ``scores``.
    depth : mapping of op to number, optional
        As for ``locate_peaks``.
    split : int
        Which random half split names the op.

    Returns
    -------
    Dataset over region (and op)
        ``best_op`` (region): chosen on half a; "" where nothing could be chosen.
        ``selection_score``: its score on half a (biased up); ``heldout_score``: on half b, the honest number.
        ``heldout_ci_low``, ``heldout_ci_high``, ``heldout_p``: over stimuli and subjects, as ``bootstrap_scores`` on
        half b; only with ``rdms``.
        ``naive_op``, ``naive_score``: largest score on all stimuli, biased up; for comparison only.
        ``agreement``: fraction of the ``2 n_splits`` halves that choose ``best_op``; in [0, 1].
        ``heldout_mean``: mean over splits and both directions of the score on the half that did not choose. It
        belongs to the procedure, not to ``best_op``: each half may choose another op.
        ``nested_score``: the same with the op chosen by the other subjects and scored in the subject left out, mean
        over subjects; NaN for fewer than two. Honest about subjects too.
        ``control_score`` (control, region): ``heldout_mean`` of each control; only with ``control``.
        ``peak_depth``, ``hierarchy`` and their intervals: as ``locate_peaks``.
        ``indistinguishable`` (region, op): True where the bootstrap interval of (best_op - op) includes 0, and for
        best_op itself. Without bootstrap draws nothing can be told apart, so every op with a score is True.

    Raises
    ------
    InputError
        The scores hold no half splits (``n_splits=0``), ``split`` is not one of them, or there are several time bins.
    LabelError
        Regions of a control, or labels of ``rdms``, differ from those of ``scores``.

    Warns
    -----
    RuntimeWarning
        A region has no score at all; the message names it.

    Notes
    -----
    Halves hold half the stimuli, so scores on them are noisier than ``score_mean``, but neither larger nor smaller in
    expectation for an op fixed in advance. ``heldout_score`` is honest about stimuli, not about subjects: both halves
    have the same ones.

    References
    ----------
    Kriegeskorte et al. (2009) Nat. Neurosci. 12:535, on selection; checked by simulation (``test_regions.py``).

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
    if TIME_BIN in scores.dims:
        raise InputError("assign_regions takes one time bin. Select with scores.isel(time_bin=0, drop=True).")
    missing = [name for name in NEEDED if name not in scores]
    n_splits = scores.sizes.get("split", 0)
    if missing or n_splits == 0:
        raise InputError(
            f"scores must hold half splits and draws; missing: {list_names(missing)}, number of splits: {n_splits}. "
            "Make them with compare_rdms(..., n_splits=20)."
        )
    if not 0 <= split < n_splits:
        raise InputError(f"split must be in 0..{n_splits - 1}, got {split}. Pass one of the splits the scores hold.")
    ops = scores[OP].values.astype(str)
    halves = scores["split_score"].transpose("split", "half", OP, REGION).values
    overall = scores["score_mean"].transpose(OP, REGION).values
    draws = scores["bootstrap_mean"].transpose("bootstrap", OP, REGION).values
    regions = scores[REGION].values
    confidence = float(scores.attrs.get("confidence", 0.95))

    found = [
        _choose_op(ops, halves[..., r], overall[:, r], draws[..., r], split, confidence)
        for r in range(scores.sizes[REGION])
    ]
    empty = [region for region, choice in zip(regions, found, strict=True) if not choice["best_op"]]
    if empty:
        warnings.warn(
            f"no op could be chosen, for want of a score, in: {list_names(empty)}. Drop those regions, or look at "
            "their RDMs.",
            RuntimeWarning,
            stacklevel=2,
        )
    best = xr.Dataset(
        {
            name: ((REGION, OP) if np.ndim(value) else REGION, np.array([choice[name] for choice in found]))
            for name, value in found[0].items()
        },
        coords={REGION: regions, OP: ops},
        attrs={
            **{key: scores.attrs[key] for key in ("method", "comparator", "metric") if key in scores.attrs},
            "split": split,
            "n_splits": n_splits,
            "confidence": confidence,
        },
    )
    if "split_subject_score" in scores:
        by_subject = scores["split_subject_score"].transpose(REGION, "split", "half", OP, SUBJECT).values
        best["nested_score"] = (REGION, [_nest_subjects(score) for score in by_subject])
    if control:
        found_again = [assign_regions(other)["heldout_mean"] for other in control]
        aligned = [
            align_stimuli(x, regions.tolist(), name="control", other="scores", dims=[REGION]) for x in found_again
        ]
        best["control_score"] = (("control", REGION), np.stack(aligned))
    if rdms is not None:
        best = best.assign(_bound_heldout(best.best_op, scores, rdms, split))
    return best.assign(locate_peaks(scores, depth=depth).drop_vars("peak_op").data_vars)


def _bound_heldout(
    best_op: xr.DataArray, scores: xr.Dataset, rdms: tuple[xr.DataArray, xr.DataArray], split: int
) -> dict[str, tuple[str, np.ndarray]]:
    """Return the interval and p of the score that ``best_op`` (region) has on half b of ``split``."""
    member = scores["split_member"].isel(split=split)
    ids = member[STIMULUS].values.tolist()
    model, brain = (
        align_stimuli(side, ids, name=name, other="scores")
        for side, name in zip(rdms, ("model_rdms", "brain_rdms"), strict=True)
    )
    half_b = member[STIMULUS].values[~member.values]
    part = {STIMULUS: half_b, STIMULUS_2: half_b}
    chosen = [op for op in scores[OP].values if op in set(best_op.values)]
    names = {"heldout_ci_low": "mean_ci_low", "heldout_ci_high": "mean_ci_high", "heldout_p": "mean_p"}
    if not chosen:
        return {name: (REGION, np.full(len(best_op), np.nan)) for name in names}
    found = bootstrap_scores(
        model.sel({OP: chosen, **part}),
        brain.sel(part),
        comparator=scores.attrs["comparator"],
        n_bootstrap=max(2, int(scores.attrs["n_bootstrap"])),
        confidence=float(scores.attrs["confidence"]),
    )
    there = best_op != ""
    picked = found.sel({OP: best_op.where(there, chosen[0])}).where(there)
    return {name: (REGION, picked[source].values) for name, source in names.items()}


def _nest_subjects(halves: np.ndarray) -> float:
    """Return the mean score in the subject and the half that did not choose, of ``halves`` (split, half, op, subject).

    The other subjects choose on the other half.
    """
    halves = halves[..., ~np.isnan(halves).all(axis=(0, 1, 2))]
    n_subjects = halves.shape[-1]
    if n_subjects < 2 or np.isnan(halves).all(axis=2).any():
        return np.nan
    others = (halves.sum(axis=-1, keepdims=True) - halves) / (n_subjects - 1)
    chosen = np.nanargmax(others, axis=2)[:, ::-1, None]
    return float(np.take_along_axis(halves, chosen, axis=2).mean())


def _choose_op(
    ops: np.ndarray, halves: np.ndarray, overall: np.ndarray, draws: np.ndarray, split: int, confidence: float
) -> dict[str, Any]:
    """Return one region's results from ``halves`` (split, half, op), ``overall`` (op,), ``draws`` (bootstrap, op)."""
    names = ("selection_score", "heldout_score", "naive_score", "agreement", "heldout_mean")
    if np.isnan(halves).all(axis=-1).any() or np.isnan(overall).all():
        nothing = np.zeros(len(ops), dtype=bool)
        return {"best_op": "", "naive_op": "", **dict.fromkeys(names, np.nan), "indistinguishable": nothing}
    chosen = np.nanargmax(halves, axis=-1)
    # Half a is scored with what half b chose, and the other way round.
    crossed = np.take_along_axis(halves, chosen[:, ::-1, None], axis=-1)
    best, naive = int(chosen[split, 0]), int(np.nanargmax(overall))
    numbers = (*halves[split, :, best], overall[naive], (chosen == best).mean(), crossed.mean())
    return {
        "best_op": str(ops[best]),
        "naive_op": str(ops[naive]),
        **dict(zip(names, map(float, numbers), strict=True)),
        "indistinguishable": _find_indistinguishable(draws, best, confidence) & ~np.isnan(overall),
    }


def _find_indistinguishable(draws: np.ndarray, best: int, confidence: float) -> np.ndarray:
    """Return for each op whether the percentile interval of (best - op) over ``draws`` (bootstrap, op) includes 0."""
    if len(draws) == 0:
        return np.ones(draws.shape[1], dtype=bool)
    difference = draws[:, best, None].astype(np.float64) - draws
    low, high = percentile_interval(difference, confidence)
    same = (low <= 0) & (high >= 0)
    same[best] = True
    return same
