"""Fitted RDMs: features or ops weighted to match a brain RDM, and RDMs of predicted responses."""

import numpy as np
import xarray as xr
from scipy.optimize import nnls

from neurolens.compare.comparators import compare_pairs, find_comparator
from neurolens.compare.features import read_features
from neurolens.compare.rdms import compute_rdms
from neurolens.compare.triangles import take_brain_pairs, take_model_pairs
from neurolens.errors import InputError
from neurolens.labels import NEUROID, OP, REGION, STIMULUS, STIMULUS_2, SUBJECT, align_stimuli, get_ids

PENALTIES = np.logspace(-4, 4, 9)


def fit_reweighted_rdms(
    model: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "pearson",
    n_folds: int = 4,
    rng: int | np.random.Generator = 0,
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
    first, second = np.triu_indices(len(ids), 1)
    scores = np.full((n_folds, *brain.present.shape), np.nan)
    weights = np.full((*brain.present.shape, len(names)), np.nan)
    for region, subject in np.argwhere(brain.present):
        target = brain.pairs[region, subject]
        for fold in range(n_folds):
            test = (fold_of[first] == fold) & (fold_of[second] == fold)
            train = (fold_of[first] != fold) & (fold_of[second] != fold)
            inner = np.where(fold_of == fold, -1, np.arange(len(ids)) % 2)
            halves = [train & (inner[first] == h) & (inner[second] == h) for h in (0, 1)]
            weight = _fit_weights(components[train], target[train], _choose_penalty(components, target, halves))
            here = np.ones((1, (fold_of == fold).sum()), dtype=int)
            predicted = components[test] @ weight
            scores[fold, region, subject] = compare_pairs(predicted[None], target[None, test], here, kernel)[0, 0, 0]
        halves = [(first % 2 == h) & (second % 2 == h) for h in (0, 1)]
        weights[region, subject] = _fit_weights(components, target, _choose_penalty(components, target, halves))
    by_brain = (REGION, SUBJECT)
    return xr.Dataset(
        {
            "score": (by_brain, scores.mean(axis=0)),
            "fold_score": (("fold", *by_brain), scores),
            "weight": ((*by_brain, "component"), weights),
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
    predicted = (
        predicted if OP in predicted.dims else predicted.expand_dims(OP if OP in predicted.coords else {OP: ["model"]})
    )
    ids = get_ids(predicted, STIMULUS, "predicted")
    truth = align_stimuli(truth, ids.tolist(), name="measured", other="predicted")
    predicted = _match_neuroids(predicted, measured)
    folds = predicted["fold"].values if "fold" in predicted.coords else np.zeros(len(ids))
    brain = take_brain_pairs(truth)
    first, second = np.triu_indices(len(ids), 1)
    scores = np.full((predicted.sizes[OP], *brain.present.shape), np.nan)
    for k in range(predicted.sizes[OP]):
        ours = take_brain_pairs(compute_rdms(predicted.isel({OP: k}, drop=True), metric=metric))
        for region, subject in np.argwhere(brain.present):
            parts = []
            for fold in np.unique(folds):
                here = (folds[first] == fold) & (folds[second] == fold)
                x, y = (side.pairs[region, subject, here][None] for side in (ours, brain))
                parts.append(compare_pairs(x, y, np.ones((1, (folds == fold).sum()), dtype=int), kernel)[0, 0, 0])
            scores[k, region, subject] = np.mean(parts)
    return xr.DataArray(
        scores,
        dims=(OP, REGION, SUBJECT),
        coords={OP: predicted[OP].values, REGION: brain.regions, SUBJECT: brain.subjects},
        name="score",
        attrs={"method": "veRSA", "metric": metric, "comparator": comparator},
    )


def _match_neuroids(predicted: xr.DataArray, measured: xr.DataArray) -> xr.DataArray:
    """Return ``predicted`` in the order of the neuroids of ``measured``, with their region and subject."""
    sides = []
    for array, name in ((predicted, "predicted"), (measured, "measured")):
        if "neuroid_id" not in array.coords:
            raise InputError(f"{name} must have 'neuroid_id' on 'neuroid'. Add it with {name}.assign_coords(...).")
        sides.append(array.reset_coords(drop=True).assign_coords({NEUROID: array["neuroid_id"].values}))
    ids = get_ids(sides[1], NEUROID, "measured").tolist()
    aligned = align_stimuli(sides[0], ids, name="predicted", other="measured", dims=(NEUROID,))
    kept = {dim: measured[dim].variable for dim in ("neuroid_id", REGION, SUBJECT) if dim in measured.coords}
    fold = {"fold": predicted["fold"].variable} if "fold" in predicted.coords else {}
    return aligned.drop_vars(NEUROID).assign_coords({**kept, **fold})


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
