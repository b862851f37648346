"""Fitted RDMs: features or ops weighted to match a brain RDM."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import (
    Seed,
    check_kind,
    check_whole,
    describe_rng,
    make_generator,
    rank_ids,
    warn_no_score,
)
from neurolens.compare.inputs.features import read_features
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rdms.rounding import find_constant
from neurolens.compare.rdms.vectors import (
    MIN_PAIRS,
    BrainRDMs,
    mean_subjects,
    pair_within,
    read_brain_rdms,
    read_model_rdms,
)
from neurolens.compare.rsa.comparators.table import Comparator, compare_whole, find_comparator
from neurolens.compare.rsa.sides import (
    list_brain_gaps,
    list_op_gaps,
    name_dissimilarity,
    name_variables,
    warn_gaps,
)
from neurolens.errors import InputError, warn_user
from neurolens.labels import OP, REGION, STIMULUS, STIMULUS_2, SUBJECT, get_marks, list_names
from neurolens.scores import PER_REGION, PER_SUBJECT, Ceiling, build_scores
from neurolens.support.progress import count_steps, show_progress

PENALTIES = np.logspace(-4, 4, 9)
# The name of a weighted sum as an op.
REWEIGHTED = "reweighted"
MIN_FOLD = 3
MIN_STIMULI = 8
NO_CEILING = "No noise ceiling was computed for means over folds of stimuli."


@over_time_bins("brain_rdms")
def fit_reweighted_rdms(
    model: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "rho-a",
    n_folds: int = 4,
    rng: Seed = 0,
    quiet: bool = False,
) -> xr.Dataset:
    """Compare brain RDMs with a fitted weighted sum of feature RDMs, on held-out stimuli.

    d_ij = sum_k w_k (f_ik - f_jk)^2 for features f, or sum_k w_k D^k_ij for the RDMs of ops, with w
    >= 0. Weights minimize the squared error plus alpha |w|^2 on pairs of training stimuli; a pair
    with any test stimulus is not used for fitting, and scores are of pairs of two test stimuli.

    Parameters
    ----------
    model : DataArray (stimulus, ...) or (op, stimulus, stimulus_2)
        Features of one op, each with a weight, or RDMs, each with a weight (mixed RSA).
    brain_rdms : DataArray (region, subject, stimulus, stimulus_2)
        As for ``compare_rdms``; with ``time_bin`` besides, every result that has region has it too.
    comparator : str
        A key of ``COMPARATORS``; ``rho-a``, the default, does not reward models for ties.
    n_folds : int
        Folds of stimuli, of at least 3 stimuli each; alpha is chosen inside the training stimuli,
        by splitting them into halves.
    rng : int or Generator
        Seed of the folds and of the halves, which are random too. Both belong to the stimulus ids,
        whatever their order.
    quiet : bool
        Show no progress.

    Returns
    -------
    Dataset
        Scores in the form that ``build_scores`` defines, of one op, ``"reweighted"``, in the unit
        of the comparator: ``score`` (op, region, subject), the mean of ``fold_score``, which is 0
        where all weights are 0 and nothing is predicted, and
        ``score_mean`` (op, region); without intervals and ceilings. Besides: ``fold_score`` (fold,
        op, region, subject); ``weight`` (region, subject, component), fitted on all stimuli, 0 or
        more, in units of brain dissimilarity per model dissimilarity scaled to unit deviation;
        ``fold_member`` (fold, stimulus), True for its test stimuli.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_rdms``; there are too few stimuli for the folds.

    Warns
    -----
    RuntimeWarning
        A region and subject gets NaN, because in some fold its RDM does not vary, or too few pairs
        are left. RDMs hold NaN for some pairs, which are left out. No component varies.

    Notes
    -----
    An intercept is fitted with the weights. Time O(folds brains (pairs p^2 + p^3)) for p
    components; meant for up to a thousand: reduce many features first.

    References
    ----------
    Kaniuth & Hebart (2022) NeuroImage 257:119294; Khaligh-Razavi et al. (2017) J. Math. Psychol.
    76:184 on mixed RSA.
    """
    row = find_comparator(comparator)
    generator = make_generator(rng)
    check_kind(model, "reweightable", "model")
    components = _read_components(model)
    brain = read_brain_rdms(brain_rdms, components.ids)
    warn_gaps(list_brain_gaps(brain))
    _check_folds(n_folds, len(components.ids))
    rank = rank_ids(components.ids)
    dealt = deal_folds(len(components.ids), n_folds, generator)
    folds = Folds(dealt.fold_of[rank], dealt.half[:, rank])
    _warn_constant(components)
    n_fits = int(brain.present.sum()) * len(folds.half)
    with show_progress(n_fits, "fitting weights", quiet=quiet):
        fits = _fit_folds(components.pairs, brain, folds, row)
    _warn_undefined(brain, fits.scores.mean(axis=0))
    values = _label_fits(components, brain, folds, fits)
    return build_scores(
        values["score"],
        method="reweighted-rsa",
        measure=comparator,
        n_stimuli=len(components.ids),
        variables=name_variables(values),
        dissimilarity=components.dissimilarity,
        ceiling=Ceiling(note=NO_CEILING),
        details={"n_folds": int(n_folds), "rng": describe_rng(rng), **get_marks(model)},
    )


class Components(NamedTuple):
    """What is weighted: ``pairs`` (pair, k) scaled to unit deviation, and their ``names`` (k,).

    ``ids`` are those of the stimuli; ``dissimilarity`` says how ``pairs`` were made.
    """

    pairs: np.ndarray
    names: np.ndarray
    ids: np.ndarray
    dissimilarity: str


class Folds(NamedTuple):
    """The fold ``fold_of`` (n,) of each stimulus, and halves of the training stimuli.

    ``half`` (fold + 1, n) is 0 or 1, and -1 for the test stimuli of the fold; the last row has all
    stimuli.
    """

    fold_of: np.ndarray
    half: np.ndarray


class Fits(NamedTuple):
    """``scores`` (fold, region, subject), and ``weights`` (region, subject, k) of all stimuli."""

    scores: np.ndarray
    weights: np.ndarray


def deal_folds(n_stimuli: int, n_folds: int, generator: np.random.Generator) -> Folds:
    """Return random folds, and random halves of the training stimuli of each."""
    fold_of = generator.permutation(n_stimuli) % n_folds
    half = np.full((n_folds + 1, n_stimuli), -1)
    for fold, row in enumerate(half):
        train = fold_of != fold
        row[train] = generator.permutation(train.sum()) % 2
    return Folds(fold_of, half)


def _check_folds(n_folds: int, n_stimuli: int) -> None:
    """Raise InputError for a number of folds that cannot be used."""
    check_whole(n_folds, "n_folds", 2, 4)
    if n_stimuli < max(MIN_FOLD * n_folds, MIN_STIMULI):
        raise InputError(
            f"reweighting needs {MIN_FOLD} stimuli or more in each fold and {MIN_STIMULI} or more "
            f"in all, got {n_folds} folds of {n_stimuli} stimuli. Pass fewer folds or more "
            "stimuli.",
            anchor="folds",
        )


def _read_components(model: xr.DataArray) -> Components:
    """Return the checked components that are to be weighted."""
    if STIMULUS_2 in model.dims:
        rdms = read_model_rdms(model)
        # An RDM that does not vary gets no weight.
        pairs = np.where(rdms.constant[:, None], 0.0, rdms.pairs)
        empty = rdms.ops[np.isnan(pairs).all(axis=1)]
        if len(empty):
            raise InputError(
                f"the RDMs of some ops are NaN throughout: {list_names(empty)}. Leave those out.",
                anchor="missing-values",
            )
        warn_gaps(list_op_gaps(rdms))
        pairs = _scale_columns(pairs.T)
        return Components(pairs, rdms.ops, rdms.ids, name_dissimilarity(model))
    ids, values = read_features(model, "model")
    first, second = np.triu_indices(len(ids), 1)
    pairs = (values[first].astype(np.float64) - values[second]) ** 2  # (pair, feature)
    names = np.arange(values.shape[1])
    return Components(_scale_columns(pairs), names, ids, "squared difference of each feature")


def _warn_constant(components: Components) -> None:
    """Warn where no component varies over pairs, so that every score is 0."""
    if not (np.nanstd(components.pairs, axis=0) > 0).any():
        warn_user(
            "the model does not vary over stimuli: nothing can be weighted, and every score is 0. "
            "Leave it out, or choose another op."
        )


def _scale_columns(pairs: np.ndarray) -> np.ndarray:
    """Return each column divided by its deviation, where it has one; NaN stays NaN."""
    deviation = np.nanstd(pairs, axis=0)
    return pairs / np.where(deviation > 0, deviation, 1)


def _fit_folds(
    components: np.ndarray, brain: BrainRDMs, folds: Folds, comparator: Comparator
) -> Fits:
    """Return the score of each fold with weights of the others, and the weights of all stimuli.

    Pairs that the brain or any of the components lack are left out.
    """
    n_folds = len(folds.half) - 1
    scores = np.full((n_folds, *brain.present.shape), np.nan)
    weights = np.full((*brain.present.shape, components.shape[1]), np.nan)
    for region, subject in np.argwhere(brain.present):
        target = brain.pairs[region, subject]
        for fold in range(n_folds):
            test = pair_within(folds.fold_of == fold)
            weight = _choose_weights(components, target, folds.half[fold])
            predicted = components[test] @ weight
            scores[fold, region, subject] = _score_fold(predicted, target[test], comparator)
            count_steps()
        weights[region, subject] = _choose_weights(components, target, folds.half[n_folds])
        count_steps()
    return Fits(scores, weights)


def _score_fold(predicted: np.ndarray, target: np.ndarray, comparator: Comparator) -> float:
    """Return the similarity of the pairs (pair,) of test stimuli.

    It is 0 where weights of 0 predict the same for all pairs: leaving such fits out would favor
    those that find weights by luck.
    """
    there = ~np.isnan(target) & ~np.isnan(predicted)
    if there.sum() < MIN_PAIRS or find_constant(target[there]):
        return np.nan
    if find_constant(predicted[there]):
        return 0.0
    return float(compare_whole(predicted[None], target[None], comparator)[0, 0])


def _warn_undefined(brain: BrainRDMs, score: np.ndarray) -> None:
    """Warn once, naming the regions and subjects without a ``score`` (region, subject)."""
    undefined = [
        f"{brain.regions[region]}, {brain.subjects[subject]}"
        for region, subject in np.argwhere(np.isnan(score) & brain.present)
    ]
    warn_no_score(
        undefined,
        "in some fold the brain RDM does not vary over pairs, or too few pairs are not NaN",
        "Use fewer folds",
    )


def _label_fits(components: Components, brain: BrainRDMs, folds: Folds, fits: Fits) -> xr.Dataset:
    """Return scores, weights and folds on labelled dimensions."""
    score = fits.scores.mean(axis=0)
    n_folds = len(fits.scores)
    return xr.Dataset(
        {
            "score": (PER_SUBJECT, score[None]),
            "score_mean": (PER_REGION, mean_subjects(score, brain.present)[None]),
            "fold_score": (("fold", *PER_SUBJECT), fits.scores[:, None]),
            "weight": ((REGION, SUBJECT, "component"), fits.weights),
            "fold_member": (("fold", STIMULUS), folds.fold_of == np.arange(n_folds)[:, None]),
        },
        coords={
            OP: [REWEIGHTED],
            REGION: brain.regions,
            SUBJECT: brain.subjects,
            "component": components.names,
            STIMULUS: components.ids,
        },
    )


def fit_weights(components: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    """Return w >= 0 (k,) minimizing |d - mean - (Z - mean) w|^2 + penalty m |w|^2 over m pairs."""
    from scipy.optimize import nnls

    centered = components - components.mean(axis=0)
    power = centered.T @ centered + penalty * len(target) * np.eye(components.shape[1])
    root = np.linalg.cholesky(power)
    return nnls(root.T, np.linalg.solve(root, centered.T @ (target - target.mean())))[0]


def _choose_penalty(components: np.ndarray, target: np.ndarray, halves: list[np.ndarray]) -> float:
    """Return the penalty whose weights from each half of the pairs predict the other best."""
    errors = [_cross_validate(components, target, halves, penalty) for penalty in PENALTIES]
    return float(PENALTIES[int(np.argmin(errors))])


def _cross_validate(
    components: np.ndarray, target: np.ndarray, halves: list[np.ndarray], penalty: float
) -> float:
    """Return the sum over halves of the mean squared error of predicting one from the other."""
    error = 0.0
    for train, test in (halves, halves[::-1]):
        weight = fit_weights(components[train], target[train], penalty)
        centered = components[test] - components[train].mean(axis=0)
        residual = target[test] - target[train].mean() - centered @ weight
        error += float((residual**2).mean())
    return error


def _choose_weights(components: np.ndarray, target: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return weights from pairs of stimuli in ``half`` (n,) 0 or 1.

    The penalty is chosen between pairs within each half.
    """
    there = ~np.isnan(target) & ~np.isnan(components).any(axis=1)
    train = pair_within(half >= 0) & there
    halves = [pair_within(half == number) & there for number in (0, 1)]
    if min(pairs.sum() for pairs in halves) < MIN_PAIRS:
        return np.full(components.shape[1], np.nan)
    penalty = _choose_penalty(components, target, halves)
    return fit_weights(components[train], target[train], penalty)
