"""Best op for each region, chosen on one half of the stimuli and scored on the other."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import put_on
from neurolens.compare.selection.choice import find_peaks, nest_subjects
from neurolens.compare.selection.depth import locate_peaks
from neurolens.compare.selection.draws import read_draws, read_level
from neurolens.compare.selection.heldout import bound_encoding, bound_rdms
from neurolens.compare.stats.intervals import percentile_interval
from neurolens.errors import InputError, warn_user
from neurolens.labels import OP, REGION, SUBJECT, align_stimuli, list_names
from neurolens.scores import BOOTSTRAP, HALF, PER_REGION, SPLIT, find_remedy, read_scores

CONTROL = "control"
# Attributes of the scores that the result keeps.
KEPT = ("method", "measure", "dissimilarity")


def assign_regions(
    scores: xr.Dataset,
    *,
    rdms: tuple[xr.DataArray, xr.DataArray] | None = None,
    control: xr.Dataset | Sequence[xr.Dataset] = (),
    depth: Mapping[str, float] | None = None,
    split: int = 0,
) -> xr.Dataset:
    """Choose the best op for each region, and score it on stimuli not used for the choice.

    The largest of many noisy scores is biased upwards, because it was chosen for being the largest.
    Here the op with the largest subject mean on half a of the stimuli is reported with its score on
    half b.

    Parameters
    ----------
    scores : Dataset
        Any scores that hold half splits: from ``compare_rdms`` or ``fit_encoding``, with
        ``n_splits`` above 0. Any unit.
    rdms : (model_rdms, brain_rdms), optional
        Those the scores were made from, of 7 stimuli or more, with all ops and regions of the
        scores or more; with them the held-out score gets an interval. Not for encoding scores.
    control : Dataset or sequence of Dataset
        Scores of the same regions for a model with random weights (``randomize_weights``), or for
        several, one per seed; made like ``scores``.
    depth : mapping of op to number, optional
        As for ``locate_peaks``.
    split : int
        Which random half split names the op.

    Returns
    -------
    Dataset over region (and op)
        ``best_op`` (region): chosen on half a; "" where nothing could be chosen.
        ``selection_score``: its score on half a (biased up); ``heldout_score``: on half b, without
        that bias. ``heldout_ci_low``, ``heldout_ci_high``, ``heldout_p``: over stimuli and
        subjects, as ``bootstrap_rdms`` on half b, with as many draws as the scores have or, where
        they have none, 1000; only with ``rdms``; of encoding over stimuli, from the halves as in
        ``fit_encoding``. ``naive_op``, ``naive_score``: largest score on all stimuli, biased up;
        for comparison only. ``agreement``: fraction of the ``2 n_splits`` halves that choose
        ``best_op``; in [0, 1]. ``heldout_mean``: mean over splits and both directions of the score
        on the half that did not choose. It belongs to the procedure, not to ``best_op``: each half
        may choose another op. ``nested_score``: the same with the op chosen by the other subjects
        and scored in the subject left out, mean over subjects; NaN for fewer than two. It is not
        biased by a choice on the same subjects either. ``control_score`` (control, region):
        ``heldout_mean`` of each control; only with ``control``. ``peak_depth``, ``hierarchy`` and
        their intervals: as ``locate_peaks``. ``indistinguishable`` (region, op): True where the
        bootstrap interval of (best_op - op) includes 0, and for best_op itself. Without bootstrap
        draws nothing can be told apart, so every op with a score is True.

    Raises
    ------
    InputError
        The scores, or those of a control, are no scores or hold no half splits (``n_splits=0``) or
        a single draw; ``split`` is not one of them; there are several time bins; ``rdms`` go with
        scores of another method; or a control is of another method or measure.
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
    half the stimuli train each fit. ``heldout_score`` generalizes to other stimuli, not to other
    subjects: both halves have the same subjects.

    References
    ----------
    Kriegeskorte et al. (2009) Nat. Neurosci. 12:535, on selection; checked by simulation
    (``test_regions.py``).

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
    >>> best.best_op.item(), best.selection_score.item(), best.heldout_score.item()
    ('conv', 0.5, 0.3)
    """
    scores = _read_halves(scores, "assign_regions")
    n_splits = scores.sizes[SPLIT]
    if not 0 <= split < n_splits:
        raise InputError(
            f"split must be in 0..{n_splits - 1}, got {split}. Pass one of the splits the scores "
            "hold."
        )
    method = scores.attrs["method"]
    if rdms is not None and method != "rsa":
        raise InputError(
            f"rdms= bounds scores of RDMs, and these are of {method}. Leave rdms= out."
        )
    best = _choose_ops(scores, split)
    _warn_empty(best)
    best["indistinguishable"] = _find_ties(best, scores)
    if "split_subject_score" in scores:
        best["nested_score"] = _score_nested(scores)
    if controls := _list_controls(control):
        best["control_score"] = _score_controls(controls, scores)
    if rdms is not None:
        read_scores(scores, "assign_regions", needs=["split_member"])
        best = best.assign(bound_rdms(best["best_op"], scores, rdms, split))
    elif method == "encoding":
        best = best.assign(bound_encoding(best, scores, _list_halves(scores)))
    best = best.assign(locate_peaks(scores, depth=depth).drop_vars("peak_op").data_vars)
    attrs = {key: scores.attrs[key] for key in KEPT if key in scores.attrs}
    attrs |= {"split": split, "n_splits": n_splits, "interval_level": read_level(scores)}
    return best.assign_attrs(attrs)


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


def _choose_ops(scores: xr.Dataset, split: int) -> xr.Dataset:
    """Return the choice in each region, and its scores on the half that chose and on the other."""
    ops = scores[OP].values.astype(str)
    halves = _list_halves(scores)
    overall = scores["score_mean"].transpose(OP, REGION).values
    n_ops, n_regions = overall.shape
    eligible = np.ones(n_ops, dtype=bool)
    every = np.arange(n_regions)
    chosen = find_peaks(halves.reshape(-1, n_ops, n_regions), eligible)
    chosen = chosen.reshape(-1, 2, n_regions)  # (split, half, region)
    naive = find_peaks(overall[None], eligible)[0]
    best = chosen[split, 0]
    is_known = (chosen >= 0).all(axis=(0, 1)) & (naive >= 0)
    # Half a scores the op that half b chose, and the other way round.
    crossed = np.take_along_axis(halves, chosen[:, ::-1, None], axis=2)
    numbers = {
        "selection_score": halves[split, 0, best, every],
        "heldout_score": halves[split, 1, best, every],
        "naive_score": overall[naive, every],
        "agreement": (chosen == best).mean(axis=(0, 1)),
        "heldout_mean": crossed.mean(axis=(0, 1, 2)),
    }
    names = {"best_op": ops[best], "naive_op": ops[naive]}
    return xr.Dataset(
        {
            **put_on(REGION, **{k: np.where(is_known, v, "") for k, v in names.items()}),
            **put_on(REGION, **{k: np.where(is_known, v, np.nan) for k, v in numbers.items()}),
        },
        coords={REGION: scores[REGION].values, OP: ops},
    )


def _warn_empty(best: xr.Dataset) -> None:
    """Warn, naming the regions in which nothing could be chosen."""
    empty = best[REGION].values[best["best_op"].values == ""]
    if len(empty):
        warn_user(
            "no op could be chosen, because no op has a score in every half, in: "
            f"{list_names(empty)}. Drop those regions, or look at their RDMs."
        )


def _find_ties(best: xr.Dataset, scores: xr.Dataset) -> xr.DataArray:
    """Return (region, op) True where the interval of (best op - op) over draws includes 0."""
    draws = read_draws(scores, "assign_regions", least=0).values[0]  # (draw, op, region)
    has_score = scores["score_mean"].transpose(OP, REGION).notnull().values
    ties = np.zeros(has_score.shape, dtype=bool)
    ops = best[OP].values.tolist()
    for region, name in enumerate(best["best_op"].values.tolist()):
        if name:
            drawn = draws[..., region]
            gap = drawn[:, [ops.index(name)]] - drawn  # (draw, op)
            low, high = percentile_interval(gap, read_level(scores))
            ties[:, region] = has_score[:, region] & ~((low > 0) | (high < 0))
    return xr.DataArray(ties.T, dims=(REGION, OP))


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
        best = align_stimuli(
            _choose_ops(control, 0), regions, name="control", other="scores", dims=[REGION]
        )
        _warn_empty(best)
        means.append(best["heldout_mean"].values)
    return xr.DataArray(np.stack(means), dims=(CONTROL, REGION))
