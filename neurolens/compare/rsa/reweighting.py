"""Fitted RDMs: features or ops weighted to match a brain RDM."""

import numpy as np
import xarray as xr
from scipy.optimize import nnls

from neurolens.compare.inputs.checks import Seed, check_kind, make_generator, rank_ids, warn_user
from neurolens.compare.inputs.features import read_features
from neurolens.compare.rdms.vectors import pair_within, take_brain_pairs, take_model_pairs
from neurolens.compare.rsa.comparators.table import compare_whole, find_comparator
from neurolens.errors import InputError
from neurolens.labels import (
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    list_names,
)

PENALTIES = np.logspace(-4, 4, 9)


def fit_reweighted_rdms(
    model: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "pearson",
    n_folds: int = 4,
    rng: Seed = 0,
) -> xr.Dataset:
    """Similarity to brain RDMs of a weighted sum of feature RDMs, on stimuli that had no part in the weights.

    d_ij = sum_k w_k (f_ik - f_jk)^2 for features f, or sum_k w_k D^k_ij for the RDMs of ops, with w
    >= 0. Weights minimise the squared error plus alpha |w|^2 on pairs of training stimuli; a pair
    with any test stimulus is in none of them, and scores are of pairs of two test stimuli.

    Parameters
    ----------
    model : DataArray (stimulus, ...) or (op, stimulus, stimulus_2)
        Features of one op, each with a weight, or RDMs, each with a weight (mixed RSA).
    brain_rdms : DataArray (region, subject, stimulus, stimulus_2)
        As for ``compare_rdms``.
    comparator : str
        A key of ``COMPARATORS``.
    n_folds : int
        Folds of stimuli, of at least 3 stimuli each; alpha is chosen inside the training stimuli,
        by splitting them into halves.
    rng : int or Generator
        Seed of the folds and of the halves, which are random too. Both belong to the stimulus ids,
        whatever their order.

    Returns
    -------
    Dataset
        ``score`` (region, subject), the mean of ``fold_score`` (fold, region, subject); ``weight``
        (region, subject, component), fitted on all stimuli, 0 or more, in units of brain
        dissimilarity per model dissimilarity scaled to unit deviation; ``fold_member`` (fold,
        stimulus), True for its test stimuli.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_rdms``; there are too few stimuli for the folds.

    Warns
    -----
    RuntimeWarning
        A region and subject gets NaN, because in some fold its RDM or the fitted one does not vary
        (all weights are 0).

    Notes
    -----
    An intercept is fitted with the weights. Time O(folds brains (pairs p^2 + p^3)) for p
    components; meant for up to a thousand: reduce many features first.

    References
    ----------
    Kaniuth & Hebart (2022) NeuroImage 257:119294; Khaligh-Razavi et al. (2017) J. Math. Psychol.
    76:184 on mixed RSA.
    """
    kernel = find_comparator(comparator)
    generator = make_generator(rng)
    check_kind(model, "reweightable", "model")
    components, names, ids = _read_components(model)
    brain = take_brain_pairs(brain_rdms, ids)
    if n_folds < 2 or len(ids) < max(3 * n_folds, 8):
        raise InputError(
            f"n_folds must be 2 or more with 3 stimuli and more in each, got {n_folds} folds of "
            f"{len(ids)} stimuli. "
            "Pass fewer folds or more stimuli."
        )
    rank = rank_ids(ids)
    fold_of, half = (dealt[..., rank] for dealt in deal_folds(len(ids), n_folds, generator))
    scores = np.full((n_folds, *brain.present.shape), np.nan)
    weights = np.full((*brain.present.shape, len(names)), np.nan)
    for region, subject in np.argwhere(brain.present):
        target = brain.pairs[region, subject]
        for fold in range(n_folds):
            test = pair_within(fold_of == fold)
            predicted = components[test] @ _choose_weights(components, target, half[fold])
            scores[fold, region, subject] = compare_whole(
                predicted[None], target[None, test], kernel
            )[0, 0]
        weights[region, subject] = _choose_weights(components, target, half[n_folds])
    score = scores.mean(axis=0)
    if lost := [
        f"{brain.regions[r]}, {brain.subjects[s]}"
        for r, s in np.argwhere(np.isnan(score) & brain.present)
    ]:
        warn_user(
            f"no score for {list_names(lost)}: in some fold all weights are 0, or one of the RDMs "
            f"does not vary over "
            "pairs. Pass other features, or use fewer folds.",
        )
    return xr.Dataset(
        {
            "score": ((REGION, SUBJECT), score),
            "fold_score": (("fold", REGION, SUBJECT), scores),
            "weight": ((REGION, SUBJECT, "component"), weights),
            "fold_member": (("fold", STIMULUS), fold_of == np.arange(n_folds)[:, None]),
        },
        coords={REGION: brain.regions, SUBJECT: brain.subjects, "component": names, STIMULUS: ids},
        attrs={"method": "feature-reweighted rsa", "comparator": comparator, "n_folds": n_folds},
    )


def deal_folds(
    n_stimuli: int, n_folds: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the fold (n,) of each stimulus, and in which half (fold + 1, n) of the training stimuli it is.

    Halves are 0 and 1, and -1 for the test stimuli of the fold; the last row has all stimuli.
    """
    fold_of = generator.permutation(n_stimuli) % n_folds
    half = np.full((n_folds + 1, n_stimuli), -1)
    for fold, row in enumerate(half):
        train = fold_of != fold
        row[train] = generator.permutation(train.sum()) % 2
    return fold_of, half


def _read_components(model: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return components (pair, k) scaled to unit deviation, their names and the stimulus ids."""
    if STIMULUS_2 in model.dims:
        read = take_model_pairs(model)
        components = read.pairs.T
        names = read.ops
        ids = read.ids
        if np.isnan(components).any():
            raise InputError("the RDMs of some ops hold NaN. Leave those ops out.")
    else:
        ids, values = read_features(model, "model")
        first, second = np.triu_indices(len(ids), 1)
        components = (values[first].astype(np.float64) - values[second]) ** 2
        names = np.arange(values.shape[1])
    deviation = components.std(axis=0)
    return components / np.where(deviation > 0, deviation, 1), names, ids


def _fit_weights(components: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    """Return w >= 0 (k,) minimising |d - mean - (Z - mean) w|^2 + penalty m |w|^2 over m pairs."""
    centred = components - components.mean(axis=0)
    power = centred.T @ centred + penalty * len(target) * np.eye(components.shape[1])
    root = np.linalg.cholesky(power)
    return nnls(root.T, np.linalg.solve(root, centred.T @ (target - target.mean())))[0]


def _choose_penalty(components: np.ndarray, target: np.ndarray, halves: list[np.ndarray]) -> float:
    """Return the penalty whose weights from each half of the pairs predict the other best."""
    errors = []
    for penalty in PENALTIES:
        error = 0.0
        for train, test in (halves, halves[::-1]):
            weight = _fit_weights(components[train], target[train], penalty)
            left = (
                target[test]
                - target[train].mean()
                - (components[test] - components[train].mean(axis=0)) @ weight
            )
            error += float((left**2).mean())
        errors.append(error)
    return float(PENALTIES[int(np.argmin(errors))])


def _choose_weights(components: np.ndarray, target: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return weights from pairs of stimuli in ``half`` (n,) 0 or 1.

    The penalty chosen between pairs within each.
    """
    train, *halves = (pair_within(member) for member in (half >= 0, half == 0, half == 1))
    return _fit_weights(
        components[train], target[train], _choose_penalty(components, target, halves)
    )
