"""Fitted RDMs: features or ops weighted to match a brain RDM, and RDMs of predicted responses."""

import numpy as np
import xarray as xr
from scipy.optimize import nnls

from neurolens.compare.accuracy import FLAT
from neurolens.compare.comparators import Comparator, compare_whole, find_comparator
from neurolens.compare.distances import METRICS
from neurolens.compare.features import check_numbers, read_features
from neurolens.compare.rdms import compute_one, compute_rdms
from neurolens.compare.responses import match_neuroids, number_labels
from neurolens.compare.settings import Seed, check_name, warn_user
from neurolens.compare.timing import fit_bins, merge_bins
from neurolens.compare.triangles import expand_leading, take_brain_pairs, take_model_pairs
from neurolens.errors import InputError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    TIME_BIN,
    align_stimuli,
    check_dims,
    get_ids,
    list_names,
)

PENALTIES = np.logspace(-4, 4, 9)
DEFAULTS = {REGION: "brain", SUBJECT: "group"}
# What the fold of each stimulus may be called, the second by fit_encoding.
FOLDS = ("fold", "stimulus_fold")


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
        Seed of the folds and of the halves, which are random too.

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

    Warns
    -----
    RuntimeWarning
        A region and subject gets NaN, because in some fold its RDM or the fitted one does not vary (all weights are 0).

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
    generator = np.random.default_rng(rng)
    fold_of = generator.permutation(len(ids)) % n_folds
    # Training stimuli of each fold in halves, -1 for its test stimuli; the last row has all stimuli.
    half = np.full((n_folds + 1, len(ids)), -1)
    for fold, row in enumerate(half):
        row[fold_of != fold] = generator.permutation((fold_of != fold).sum()) % 2
    scores = np.full((n_folds, *brain.present.shape), np.nan)
    weights = np.full((*brain.present.shape, len(names)), np.nan)
    for region, subject in np.argwhere(brain.present):
        target = brain.pairs[region, subject]
        for fold in range(n_folds):
            test = _pair_within(fold_of == fold)
            predicted = components[test] @ _choose_weights(components, target, half[fold])
            scores[fold, region, subject] = compare_whole(predicted[None], target[None, test], kernel)[0, 0]
        weights[region, subject] = _choose_weights(components, target, half[n_folds])
    score = scores.mean(axis=0)
    if lost := [f"{brain.regions[r]}, {brain.subjects[s]}" for r, s in np.argwhere(np.isnan(score) & brain.present)]:
        warn_user(
            f"no score for {list_names(lost)}: in some fold all weights are 0, or one of the RDMs does not vary over "
            "pairs. Pass other features, or use fewer folds.",
            depth=3,
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


def compare_predicted(
    predicted: xr.DataArray, measured: xr.DataArray, *, metric: str = "correlation", comparator: str = "pearson"
) -> xr.DataArray:
    """Similarity of the RDM of predicted responses to that of measured ones: voxel-encoding RSA (veRSA).

    Parameters
    ----------
    predicted : DataArray (stimulus, neuroid) or (op, stimulus, neuroid)
        Responses to held-out stimuli: ``fit_encoding(..., predictions=True)["prediction"]``, or those of any other
        encoding model, with ``neuroid_id`` on neuroid, and ``fold`` on stimulus where different fits predicted
        different stimuli. Stimuli and neuroids that are NaN throughout take no part.
    measured : DataArray (presentation or stimulus, neuroid)
        Responses to the same stimuli, as for ``compute_rdms``, of the same neuroids by id. Both may have ``time_bin``
        besides; then the scores have it too.
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

    Warns
    -----
    RuntimeWarning
        An op gets NaN in a region and subject where, in some fold, its predictions do not vary over stimuli, or the
        RDM of either side does not vary over pairs or is undefined.

    References
    ----------
    Conwell et al. (2024) Nat. Commun. 15:9383, on veRSA; Khaligh-Razavi et al. (2017).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.compare import fit_encoding
    >>> rng = np.random.default_rng(0)
    >>> features = xr.DataArray(rng.normal(size=(30, 4)), dims=("stimulus", "feature"),
    ...                         coords={"stimulus": [f"s{i}" for i in range(30)]})
    >>> responses = features @ xr.DataArray(rng.normal(size=(4, 5)), dims=("feature", "neuroid"))
    >>> responses = responses.assign_coords(neuroid_id=("neuroid", list("abcde")))
    >>> scores = fit_encoding(features, responses, predictions=True)
    >>> float(compare_predicted(scores["prediction"], responses).squeeze().round(2))
    1.0
    """
    kernel = find_comparator(comparator)
    check_name(metric, METRICS, "metric")
    for name, side in (("predicted", predicted), ("measured", measured)):
        if not isinstance(side, xr.DataArray):
            raise InputError(
                f"{name} must be a DataArray, got {type(side).__name__}. Pass "
                'compare_predicted(fit_encoding(features, responses, predictions=True)["prediction"], responses).'
            )
    timed = TIME_BIN in measured.dims
    predicted = expand_leading(predicted, {OP: "model"})
    check_dims(predicted, (OP, STIMULUS, NEUROID, *([TIME_BIN] if timed else [])), "predicted")
    if timed:
        if TIME_BIN in measured.coords:
            times = measured[TIME_BIN].values.tolist()
            predicted = align_stimuli(predicted, times, name="predicted", other="measured", dims=[TIME_BIN])
        flat, keys = merge_bins(predicted), {"metric": metric, "comparator": comparator}
        return fit_bins(lambda bins: compare_predicted(flat, bins, **keys).to_dataset(), measured)["score"]
    # As fit_encoding names it.
    if (own := predicted.coords.get(f"neuroid_{SUBJECT}")) is not None:
        predicted = predicted.assign_coords({SUBJECT: own.variable})
    order = match_neuroids(predicted, measured, "predicted", "measured")
    ids, ops = (get_ids(predicted, dim, "predicted") for dim in (STIMULUS, OP))
    fold = next((predicted[name].values for name in FOLDS if name in predicted.coords), np.zeros(len(ids)))
    values = predicted.transpose(OP, STIMULUS, NEUROID).values
    unknown = np.isnan(values)
    held, known = ~unknown.all(axis=(0, 2)), ~unknown.all(axis=(0, 1))[order]
    sides = {NEUROID_ID: "", **DEFAULTS}
    neuroids, *columns = (
        np.broadcast_to(measured[dim].values if dim in measured.coords else name, len(order))
        for dim, name in sides.items()
    )
    codes, labels = zip(*map(number_labels, columns), strict=True)
    coords = dict(zip(DEFAULTS, labels, strict=True))
    truth = compute_rdms(measured.isel({NEUROID: known}), metric=metric)
    truth = align_stimuli(truth, ids.tolist(), name="measured", other="predicted").isel(stimulus=held, stimulus_2=held)
    # A region or subject of which no neuroid is known keeps its place, as NaN.
    brain, fold = take_brain_pairs(expand_leading(truth, DEFAULTS).reindex(coords)), fold[held]
    groups = [(fold == number, _pair_within(fold == number)) for number in np.unique(fold)]
    scores = np.full((len(ops), *brain.present.shape), np.nan)
    for k, op in enumerate(ops):
        one = check_numbers(
            values[k][np.ix_(held, order[known])], ids[held], f"what op {str(op)!r} predicts", neuroids[known]
        )
        for place in np.argwhere(brain.present):
            inside = (np.array(codes)[:, known] == place[:, None]).all(axis=0)
            parts = [(one[rows][:, inside], brain.pairs[*place][pairs]) for rows, pairs in groups]
            scores[k, *place] = np.mean([_score_geometry(*part, metric, kernel) for part in parts])
    lost = [
        f"{ops[k]} in {brain.regions[r]}, {brain.subjects[s]}"
        for k, r, s in np.argwhere(np.isnan(scores) & brain.present)
    ]
    if lost:
        warn_user(
            f"no score for {list_names(lost)}: in some fold the predictions do not vary over stimuli, or an RDM does "
            "not vary over pairs. Leave those out, or use fewer folds.",
            depth=3,
        )
    coords = {OP: ops, **coords}
    attrs = {"method": "veRSA", "metric": metric, "comparator": comparator}
    return xr.DataArray(scores, dims=tuple(coords), coords=coords, name="score", attrs=attrs)


def _score_geometry(predicted: np.ndarray, target: np.ndarray, metric: str, kernel: Comparator) -> float:
    """Return the similarity of the RDM of ``predicted`` (n, v) to the pairs ``target``; NaN if it does not vary."""
    # Of equal rows an RDM would be rounding.
    if (np.ptp(predicted, axis=0) <= FLAT * np.abs(predicted).max(axis=0)).all():
        return np.nan
    pairs = compute_one(predicted, metric)[np.triu_indices(len(predicted), 1)]
    return float(compare_whole(pairs[None], target[None], kernel)[0, 0])


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


def _choose_weights(components: np.ndarray, target: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return weights from pairs of stimuli in ``half`` (n,) 0 or 1, the penalty chosen between pairs within each."""
    train, *halves = (_pair_within(member) for member in (half >= 0, half == 0, half == 1))
    return _fit_weights(components[train], target[train], _choose_penalty(components, target, halves))


def _pair_within(member: np.ndarray) -> np.ndarray:
    """Return which pairs (pair,) are of two stimuli that are both ``member`` (n,)."""
    first, second = np.triu_indices(len(member), 1)
    return member[first] & member[second]
