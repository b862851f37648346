"""Best op for each region, and the score that such a choice has on stimuli not used for it."""

from collections.abc import Mapping, Sequence

import xarray as xr

from neurolens.compare.inputs.checks import put_on
from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.selection.choice import nest_subjects
from neurolens.compare.selection.depth import locate_peaks
from neurolens.compare.selection.draws import read_errors, read_level
from neurolens.compare.selection.halves import choose_ops, pair_halves, read_halves, warn_empty
from neurolens.compare.selection.heldout import bound_heldout, resample_subjects
from neurolens.compare.selection.networks import (
    contrast_choices,
    describe_pairing,
    find_over,
    match_scores,
    read_choice,
)
from neurolens.compare.selection.ties import (
    describe_doubts,
    describe_ties,
    find_doubts,
    find_ties,
)
from neurolens.errors import InputError, LabelError
from neurolens.labels import OP, REGION, SUBJECT, list_names
from neurolens.scores import HALF, SPLIT

CONTROL = "control"
Controls = xr.Dataset | Sequence[xr.Dataset] | Mapping[str, xr.Dataset]
# What takes controls, in messages.
CONSUMER = "assign_regions(control=...)"
# Endings of the names of differences to controls, and what they are of a Difference.
DIFFERENCES = {"": "value", "_ci_low": "low", "_ci_high": "high", "_p": "p"}
# Attributes of the scores that the result keeps.
KEPT = ("method", "measure", "dissimilarity")


def assign_regions(
    scores: xr.Dataset,
    *,
    rdms: tuple[xr.DataArray, xr.DataArray] | None = None,
    by: GroupsBy | None = None,
    control: Controls = (),
    control_rdms: xr.DataArray | Sequence[xr.DataArray] = (),
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
    control : Dataset, sequence of Dataset, or mapping of label to Dataset
        Scores of the same regions, subjects and stimuli for a model with random weights
        (``randomize_weights``), or for several, one per seed; made like ``scores``, with the same
        ``rng``, ``n_splits`` and ``n_bootstrap``, by which they are paired. Labels, which the
        result keeps, are the keys or the attribute ``label`` of each; else "control", of several
        with a number from 1.
    control_rdms : DataArray or sequence of DataArray, optional
        The model RDMs of each control, with ``rdms``: the test against controls is then over
        stimuli and subjects too. Without them it is over what the scores resampled, stimuli.
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
        each control, by its label; only with ``control``, as all of these. ``control_difference``
        (control, region): ``heldout_mean`` minus that, with ``control_difference_ci_low``,
        ``..._ci_high`` and ``..._p``, one-sided, of a difference above 0;
        ``control_mean_difference`` (region) and the same of it: against the mean of the controls.
        NaN without draws, as above.
        ``control_paired`` (control,): whether both are of the same halves and draws; where they are
        not, intervals are wider, see ``compare_choices``. ``peak_depth``, ``hierarchy``, their
        intervals and p: as ``locate_peaks``. ``indistinguishable`` (region, op): the ops that
        cannot be told apart from the best one, a simultaneous set: at the level of the intervals,
        it holds all ops that are truly best at once. ``margin`` (region): ops whose score on all
        stimuli is further than this below the largest are not in it. Without enough draws (19 at 95
        %) nothing can be told apart: every op with a score is in the set and ``margin`` is NaN.
        Attributes ``best_note``, ``set_note``, ``doubt_note``, ``control_note`` and
        ``hierarchy_note`` say this in sentences; ``interval_over``: over what intervals and sets
        are, "" where there are none; ``control_over``: the same of differences to controls.

    Raises
    ------
    InputError
        The scores, or those of a control, are no scores or hold no half splits (``n_splits=0``) or
        a single draw; there are several time bins; ``rdms`` go with scores of another method, or
        lack the groups ``by`` which the scores were resampled; a control is of another method or
        measure, or, by its noise ceilings, of other brain data; or ``control_rdms`` come without
        ``rdms``, or are not as many as controls.
    LabelError
        Regions, subjects or stimuli of a control, or stimuli of ``rdms``, differ from those of
        ``scores``, ``rdms`` lack an op or region, or two controls have one label.

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

    Differences to controls are paired: both choose on the same half and are scored on the same
    other half, and what the stimuli do to both cancels. The variance is that of
    ``compare_choices``. p are not corrected for the number of controls or regions. The mean of
    several controls is that of these: how far random weights scatter, ``control_score`` shows.

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
    scores = as_given = read_halves(scores, "assign_regions")
    if rdms is not None:
        scores = resample_subjects(scores, rdms, by, "assign_regions")
    best = choose_ops(scores)
    warn_empty(best)
    best = _infer_choice(best, scores)
    if "split_subject_score" in scores:
        best["nested_score"] = _score_nested(scores)
    controls = _list_controls(control)
    others = _list_rdms(control_rdms, len(controls), rdms)
    if controls:
        matched = [_match_control(one, as_given) for one in controls.values()]
        if others:
            sides = zip(matched, others, strict=True)
            matched = [resample_subjects(one, side, by, CONSUMER) for one, side in sides]
        base = scores if others else as_given
        best = _contrast_controls(best, base, dict(zip(controls, matched, strict=True)))
    peaks = locate_peaks(scores, depth=depth)
    best = best.assign(peaks.drop_vars("peak_op").data_vars)
    attrs = {key: scores.attrs[key] for key in KEPT if key in scores.attrs}
    attrs["n_splits"] = scores.sizes[SPLIT]
    attrs["best_note"] = _describe_choice(scores)
    return best.assign_attrs(attrs | peaks.attrs)


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
    return best.drop_vars(["share", "chosen"]).assign(variables).assign(ties).assign_attrs(attrs)


def _describe_choice(scores: xr.Dataset) -> str:
    """Return in sentences how ops are named and scored."""
    return (
        f"Best op: largest {scores.attrs['measure']} on all stimuli. Held-out score: mean over "
        f"{scores.sizes[SPLIT]} random splits of the stimuli of the score on the half that did not "
        "choose the op."
    )


def _score_nested(scores: xr.Dataset) -> xr.DataArray:
    """Return the mean score (region) in the subject, and on the half, that did not choose."""
    halves = pair_halves(scores["split_subject_score"])
    by_region = halves.transpose(REGION, SPLIT, HALF, OP, SUBJECT).values
    return xr.DataArray([nest_subjects(score) for score in by_region], dims=REGION)


def _list_controls(control: Controls) -> dict[str, xr.Dataset]:
    """Return the scores of each control by its label; one Dataset is one control."""
    if isinstance(control, Mapping) and not isinstance(control, xr.Dataset):
        return {str(label): one for label, one in control.items()}
    listed = list(control) if isinstance(control, Sequence) else [control]
    labels = []
    for number, one in enumerate(listed, 1):
        default = CONTROL if len(listed) == 1 else f"{CONTROL} {number}"
        labels.append(str(getattr(one, "attrs", {}).get("label") or default))
    if len(set(labels)) < len(labels):
        raise LabelError(
            f"labels of controls must differ, got {list_names(labels)}, from their attribute "
            "'label'. Pass a mapping: control={'seed 0': scores_0, 'seed 1': scores_1}.",
            anchor="ids-repeat",
        )
    return dict(zip(labels, listed, strict=True))


def _match_control(control: xr.Dataset, scores: xr.Dataset) -> xr.Dataset:
    """Return the scores of a control, checked to be made like ``scores``."""
    control = read_halves(control, CONSUMER)
    return match_scores(control, scores, name="control", other="scores")


def _list_rdms(
    control_rdms: xr.DataArray | Sequence[xr.DataArray],
    n_controls: int,
    rdms: tuple[xr.DataArray, xr.DataArray] | None,
) -> list[tuple[xr.DataArray, xr.DataArray]]:
    """Return (model_rdms, brain_rdms) of each control, none where they were not given."""
    given = [control_rdms] if isinstance(control_rdms, xr.DataArray) else list(control_rdms)
    if not given:
        return []
    if rdms is None or len(given) != n_controls:
        raise InputError(
            f"control_rdms are the model RDMs of each control, beside rdms=(model_rdms, "
            f"brain_rdms); got {len(given)} of them for {n_controls} controls, "
            f"{'without' if rdms is None else 'with'} rdms=. Pass one for each control, and rdms=."
        )
    return [(one, rdms[1]) for one in given]


def _contrast_controls(
    best: xr.Dataset, scores: xr.Dataset, controls: Mapping[str, xr.Dataset]
) -> xr.Dataset:
    """Return ``best`` with the scores of ``controls``, and the differences to them."""
    first, *others = (read_choice(one, CONSUMER) for one in (scores, *controls.values()))
    for one in others:
        warn_empty(one.best)
    single = [contrast_choices(first, [other]) for other in others]
    whole = contrast_choices(first, others)
    dims = (CONTROL, REGION)
    variables = put_on(dims, control_score=[one.best["heldout_mean"].values for one in others])
    for end, field in DIFFERENCES.items():
        variables[f"control_difference{end}"] = xr.Variable(
            dims, [getattr(one, field) for one in single]
        )
        variables[f"control_mean_difference{end}"] = xr.Variable(REGION, getattr(whole, field))
    paired = [one.is_paired for one in single]
    variables["control_paired"] = xr.Variable(CONTROL, paired)
    unpaired = [label for label, is_paired in zip(controls, paired, strict=True) if not is_paired]
    bounds = variables["control_difference_ci_low"].values
    over = find_over([first, *others], bounds)
    note = describe_pairing(over, unpaired, "one-sided")
    best = best.assign_coords({CONTROL: list(controls)})
    return best.assign(variables).assign_attrs(control_over=over, control_note=note)
