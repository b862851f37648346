"""Fitted RDMs: features or ops weighted to match a brain RDM, and RDMs of predicted responses."""

import numpy as np
import xarray as xr
from scipy.optimize import nnls

from neurolens.compare.comparators import compare_whole, find_comparator
from neurolens.compare.features import read_features
from neurolens.compare.rdms import compute_rdms
from neurolens.compare.responses import match_neuroids
from neurolens.compare.settings import Seed
from neurolens.compare.triangles import expand_leading, take_brain_pairs, take_model_pairs
from neurolens.errors import InputError
from neurolens.labels import NEUROID, NEUROID_ID, OP, REGION, STIMULUS, STIMULUS_2, SUBJECT, align_stimuli, get_ids

PENALTIES = np.logspace(-4, 4, 9)


def fit_reweighted_rdms(
    model: xr.DataArray, brain_rdms: xr.DataArray, *, comparator: str = "pearson", n_folds: int = 4, rng: Seed = 0
) -> xr.Dataset:
    """Similarity to brain RDMs of a weighted sum of feature RDMs, on stimuli that had no part in the weights.

    d_ij = sum_k w_k (f_ik - f_jk)^2 for features f, or sum_k w_k D^k_ij for the RDMs of ops, with w >= 0. Weights
    minimise the squared error plus alpha |w|^2 on pairs of training stimuli; a pair with any test stimulus is in none
    of them, and scores are of pairs of two test stimuli.

    Parameters
    ----------
    model : DataArray (stimulus, ...) or (op, stimulus, stimulus_2)
        Features of one op, each with a weight, or RDMs, each with a weight (mixed RSA).
    brain_rdms : DataArray (region, subject, stimulus, stimulus_2)
        As for ``compare_rdms``.
    comparator : str
        A key of ``COMPARATORS``.
    n_folds : int
        Folds of stimuli, of at least 3 stimuli each; alpha is chosen inside the training stimuli, by splitting them
        into halves.
    rng : int or Generator
        Seed of the folds.

    Returns
    -------
    Dataset
        ``score`` (region, subject), the mean of ``fold_score`` (fold, region, subject); ``weight`` (region, subject,
        component), fitted on all stimuli, 0 or more, in units of brain dissimilarity per model dissimilarity scaled to
        unit deviation; ``fold_member`` (fold, stimulus), True for its test stimuli.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_rdms``; there are too few stimuli for the folds.

    Notes
    -----
    An intercept is fitted with the weights. Time O(folds brains (pairs p^2 + p^3)) for p components; meant for up to a
    thousand: reduce many features first.

    References
    ----------
    Kaniuth & Hebart (2022) NeuroImage 257:119294; Khaligh-Razavi et al. (2017) J. Math. Psychol. 76:184 on mixed RSA.
    """
    kernel = find_comparator(comparator)
    components, names, ids = _read_components(model)
    brain = take_brain_pairs(brain_rdms, ids)
    if n_folds < 2 or len(ids) < max(3 * n_folds, 8):
        raise InputError(
            f"n_folds must be 2 or more with 3 stimuli and more in each, got {n_folds} folds of {len(ids)} stimuli. "
            "Pass fewer folds or more stimuli."
        )
    fold_of = np.random.default_rng(rng).permutation(len(ids)) % n_folds
    scores = np.full((n_folds, *brain.present.shape), np.nan)
    weights = np.full((*brain.present.shape, len(names)), np.nan)
    for region, subject in np.argwhere(brain.present):
        target = brain.pairs[region, subject]
        for fold in range(n_folds):
            test, train = _pair_within(fold_of == fold), _pair_within(fold_of != fold)
            weight = _choose_weights(components, target, train, np.where(fold_of == fold, -1, np.arange(len(ids)) % 2))
            predicted = components[test] @ weight
            scores[fold, region, subject] = compare_whole(predicted[None], target[None, test], kernel)[0, 0]
        every = np.ones_like(target, dtype=bool)
        weights[region, subject] = _choose_weights(components, target, every, np.arange(len(ids)) % 2)
    return xr.Dataset(
        {
            "score": ((REGION, SUBJECT), scores.mean(axis=0)),
            "fold_score": (("fold", REGION, SUBJECT), scores),
            "weight": ((REGION, SUBJECT, "component"), weights),
            "fold_member": (("fold", STIMULUS), fold_of == np.arange(n_folds)[:, None]),
        },
        coords={REGION: brain.regions, SUBJECT: brain.subjects, "component": names, STIMULUS: ids},
        attrs={"method": "feature-reweighted rsa", "comparator": comparator, "n_folds": n_folds},
    )


def compare_predicted(
    predicted: xr.DataArray, measured: xr.DataArray, *, metric: str = "correlation", comparator: str = "pearson"
) -> xr.DataArray:
    """Similarity of the RDM of predicted responses to that of measured ones: voxel-encoding RSA (veRSA).

    Parameters
    ----------
    predicted : DataArray (stimulus, neuroid) or (op, stimulus, neuroid)
        Responses to held-out stimuli, predicted by any encoding model; with ``neuroid_id`` on neuroid, and ``fold`` on
        stimulus where different fits predicted different stimuli.
    measured : DataArray (presentation or stimulus, neuroid)
        Responses to the same stimuli, as for ``compute_rdms``, of the same neuroids by id.
    metric, comparator : str
        Keys of ``METRICS`` and ``COMPARATORS``.

    Returns
    -------
    DataArray (op, region, subject)
        Named "score"; each region and subject against its own. With folds, the mean over folds of the similarity of
        pairs within the fold: predictions of different fits are not one geometry.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compute_rdms`` and ``compare_rdms``; neuroids or stimuli differ.

    References
    ----------
    Conwell et al. (2024) Nat. Commun. 15:9383, on veRSA; Khaligh-Razavi et al. (2017).
    """
    kernel = find_comparator(comparator)
    truth = compute_rdms(measured, metric=metric)
    predicted = expand_leading(predicted, {OP: "model"})
    ids = get_ids(predicted, STIMULUS, "predicted")
    brain = take_brain_pairs(align_stimuli(truth, ids.tolist(), name="measured", other="predicted"))
    predicted = _order_neuroids(predicted, measured)
    folds = predicted["fold"].values if "fold" in predicted.coords else np.zeros(len(ids))
    within = [_pair_within(folds == fold) for fold in np.unique(folds)]
    coords = {OP: predicted[OP].values, REGION: brain.regions, SUBJECT: brain.subjects}
    scores = np.full([len(names) for names in coords.values()], np.nan)
    for k in range(len(scores)):
        ours = take_brain_pairs(compute_rdms(predicted.isel({OP: k}, drop=True), metric=metric))
        for place in np.argwhere(brain.present):
            x, y = (side.pairs[*place][None] for side in (ours, brain))
            scores[k, *place] = np.mean([compare_whole(x[:, here], y[:, here], kernel) for here in within])
    attrs = {"method": "veRSA", "metric": metric, "comparator": comparator}
    return xr.DataArray(scores, dims=tuple(coords), coords=coords, name="score", attrs=attrs)


def _order_neuroids(predicted: xr.DataArray, measured: xr.DataArray) -> xr.DataArray:
    """Return ``predicted`` in the order of the neuroids of ``measured``, with their region and subject."""
    aligned = predicted.isel({NEUROID: match_neuroids(predicted, measured, "predicted", "measured")})
    kept = {dim: measured[dim].variable for dim in (NEUROID_ID, REGION, SUBJECT) if dim in measured.coords}
    fold = {"fold": predicted["fold"].variable} if "fold" in predicted.coords else {}
    return aligned.reset_coords(drop=True).assign_coords({**kept, **fold})


def _read_components(model: xr.DataArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return components (pair, k) scaled to unit deviation, their names and the stimulus ids."""
    if STIMULUS_2 in model.dims:
        read = take_model_pairs(model)
        components, names, ids = read.pairs.T, read.ops, read.ids
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
            left = target[test] - target[train].mean() - (components[test] - components[train].mean(axis=0)) @ weight
            error += float((left**2).mean())
        errors.append(error)
    return float(PENALTIES[int(np.argmin(errors))])


def _choose_weights(components: np.ndarray, target: np.ndarray, train: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return weights from the pairs ``train``, with the penalty chosen between the pairs within each ``half`` (n,)."""
    halves = [_pair_within(half == h) for h in (0, 1)]
    return _fit_weights(components[train], target[train], _choose_penalty(components, target, halves))


def _pair_within(member: np.ndarray) -> np.ndarray:
    """Return which pairs (pair,) are of two stimuli that are both ``member`` (n,)."""
    first, second = np.triu_indices(len(member), 1)
    return member[first] & member[second]
