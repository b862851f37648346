"""Encoding RSA: RDMs of predicted responses compared with those of measured responses."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_kind, check_numbers, warn_no_score
from neurolens.compare.inputs.regions import Places, group_neuroids
from neurolens.compare.inputs.responses import match_neuroids
from neurolens.compare.inputs.time_bins import expand_leading, over_time_bins
from neurolens.compare.rdms.dissimilarity import compute_rdms
from neurolens.compare.rdms.distances import METRICS
from neurolens.compare.rdms.single import compute_one
from neurolens.compare.rdms.vectors import BrainRDMs, pair_within, read_brain_rdms
from neurolens.compare.rsa.comparators.table import Comparator, compare_whole, find_comparator
from neurolens.compare.stats.correlation import FLAT
from neurolens.errors import InputError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    OP,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    UNNAMED,
    align_labels,
    check_dims,
    check_name,
    get_ids,
    get_marks,
)
from neurolens.scores import build_scores

# Names that the fold of each stimulus may have; the second is that of fit_encoding.
FOLDS = ("fold", "stimulus_fold")


@over_time_bins("measured", "predicted")
def compare_predicted(
    predicted: xr.DataArray,
    measured: xr.DataArray,
    *,
    metric: str = "correlation",
    comparator: str = "rho-a",
) -> xr.Dataset:
    """Compare the RDMs of predicted and of measured responses: voxel-encoding RSA (veRSA).

    Parameters
    ----------
    predicted : DataArray (stimulus, neuroid) or (op, stimulus, neuroid)
        Responses to held-out stimuli: ``fit_encoding(..., predictions=True)["prediction"]``, or
        those of any other encoding model, with ``neuroid_id`` on neuroid, and ``fold`` on stimulus
        where different fits predicted different stimuli. Stimuli and neuroids that are NaN
        throughout take no part.
    measured : DataArray (presentation or stimulus, neuroid)
        Responses to the same stimuli, as for ``compute_rdms``, of the same neuroids by id. Both may
        have ``time_bin`` besides; then the scores have it too.
    metric : str
        Dissimilarity, a key of ``METRICS``.
    comparator : str
        Similarity of RDMs, a key of ``COMPARATORS``; ``rho-a``, the default, does not reward models
        for ties.

    Returns
    -------
    Dataset
        In the form of ``neurolens.scores``. ``score`` (op, region, subject): each region and
        subject against its own. With folds, the mean over folds of the similarity of pairs within
        the fold: predictions of different fits are not one geometry. Intervals and ceilings are
        NaN.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compute_rdms`` and ``compare_rdms``; neuroids or stimuli differ.

    Warns
    -----
    RuntimeWarning
        An op gets NaN in a region and subject where, in some fold, its predictions do not vary over
        stimuli, or the RDM of either side does not vary over pairs or is undefined.

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
    >>> float(compare_predicted(scores["prediction"], responses).score_mean.squeeze().round(2))
    1.0
    """
    kernel = find_comparator(comparator)
    check_name(metric, METRICS, "metric")
    _check_types(predicted, measured)
    predicted = expand_leading(predicted, {OP: "model"})
    check_dims(predicted, (OP, STIMULUS, NEUROID), "predicted")
    predictions = _read_predictions(predicted, measured)
    brain = _measure_brain(predictions, measured, metric)
    scores = _score_folds(predictions, brain, metric, kernel)
    _warn_undefined(predictions.ops, brain, np.isnan(scores) & brain.present)
    coords = {OP: predictions.ops, **predictions.labels}
    return build_scores(
        xr.DataArray(scores, dims=tuple(coords), coords=coords),
        method="predicted-rsa",
        measure=comparator,
        n_stimuli=int(predictions.held_out.sum()),
        dissimilarity=metric,
        estimator=predicted.attrs.get("estimator", ""),
        details={"n_folds": len(np.unique(predictions.fold)), **get_marks(predicted)},
    )


class Predictions(NamedTuple):
    """The predictions that are compared, and the labels of their neuroids.

    ``held_out`` marks which of the stimuli ``ids`` are predicted, ``is_predicted`` which measured
    neuroids; ``values`` (op, stimulus, neuroid) and ``fold`` (stimulus,) are of those, as are
    ``neuroids``, their ids. ``labels`` are the regions and subjects of all measured neuroids,
    ``members`` the places of the predicted ones of each region and subject.
    """

    ops: np.ndarray
    ids: np.ndarray
    held_out: np.ndarray
    neuroids: np.ndarray
    values: np.ndarray
    fold: np.ndarray
    is_predicted: np.ndarray
    labels: dict[str, list]
    members: Places


def _check_types(predicted: Any, measured: Any) -> None:
    """Raise InputError unless both sides have the types that this function takes."""
    if not isinstance(predicted, xr.DataArray):
        raise InputError(
            f"predicted must be a DataArray, got {type(predicted).__name__}. Pass "
            "compare_predicted(fit_encoding(features, responses, "
            'predictions=True)["prediction"], responses).'
        )
    check_kind(measured, "responses", "measured")


def _read_predictions(predicted: xr.DataArray, measured: xr.DataArray) -> Predictions:
    """Return the predictions of the neuroids of ``measured``, in their order.

    Stimuli and neuroids that are NaN throughout take no part.
    """
    # As fit_encoding names it.
    subjects = predicted.coords.get(f"neuroid_{SUBJECT}")
    if subjects is not None:
        predicted = predicted.assign_coords({SUBJECT: subjects.variable})
    order = match_neuroids(predicted, measured, "predicted", "measured")
    ids = get_ids(predicted, STIMULUS, "predicted")
    values = predicted.transpose(OP, STIMULUS, NEUROID).values[:, :, order]
    unknown = np.isnan(values)
    held_out = ~unknown.all(axis=(0, 2))  # (stimulus,)
    is_predicted = ~unknown.all(axis=(0, 1))  # (neuroid,)
    groups = group_neuroids(measured, UNNAMED)
    place = np.cumsum(is_predicted) - 1
    return Predictions(
        ops=get_ids(predicted, OP, "predicted"),
        ids=ids,
        held_out=held_out,
        neuroids=_list_labels(measured, NEUROID_ID, "")[is_predicted],
        values=values[:, held_out][:, :, is_predicted],
        fold=_read_fold(predicted)[held_out],
        is_predicted=is_predicted,
        labels=groups.names,
        members={key: place[group[is_predicted[group]]] for key, group in groups.members.items()},
    )


def _list_labels(measured: xr.DataArray, name: str, default: str) -> np.ndarray:
    """Return the coordinate ``name`` (neuroid,), which may be one label for all or missing."""
    labels = measured[name].values if name in measured.coords else default
    return np.broadcast_to(labels, measured.sizes[NEUROID])


def _read_fold(predicted: xr.DataArray) -> np.ndarray:
    """Return the fold (stimulus,) of each stimulus, 0 for all where there are none."""
    for name in FOLDS:
        if name in predicted.coords:
            return predicted[name].values
    return np.zeros(predicted.sizes[STIMULUS])


def _measure_brain(predictions: Predictions, measured: xr.DataArray, metric: str) -> BrainRDMs:
    """Return the measured RDMs of the neuroids and stimuli that are predicted."""
    rdms = compute_rdms(measured.isel({NEUROID: predictions.is_predicted}), metric=metric)
    rdms = align_labels(rdms, predictions.ids.tolist(), name="measured", other="predicted")
    rdms = rdms.isel({STIMULUS: predictions.held_out, STIMULUS_2: predictions.held_out})
    # A region or subject without any predicted neuroid is kept, as NaN.
    return read_brain_rdms(expand_leading(rdms, UNNAMED).reindex(predictions.labels))


def _score_folds(
    predictions: Predictions, brain: BrainRDMs, metric: str, kernel: Comparator
) -> np.ndarray:
    """Return scores (op, region, subject): means over folds of the similarity within the fold."""
    folds = [predictions.fold == number for number in np.unique(predictions.fold)]
    pairs = [pair_within(fold) for fold in folds]
    scores = np.full((len(predictions.ops), *brain.present.shape), np.nan)
    for k, op in enumerate(predictions.ops):
        values = check_numbers(
            predictions.values[k],
            predictions.ids[predictions.held_out],
            f"what op {str(op)!r} predicts",
            predictions.neuroids,
        )
        for region, subject in np.argwhere(brain.present):
            inside = predictions.members[(region, subject)]
            target = brain.pairs[region, subject]
            by_fold = [
                score_geometry(values[fold][:, inside], target[within], metric, kernel)
                for fold, within in zip(folds, pairs, strict=True)
            ]
            scores[k, region, subject] = np.mean(by_fold)
    return scores


def score_geometry(
    predicted: np.ndarray, target: np.ndarray, metric: str, kernel: Comparator
) -> float:
    """Return the similarity of the RDM of ``predicted`` (n, v) to the pairs ``target``.

    It is NaN if the predictions do not vary, or some of their distances are undefined.
    """
    # The RDM of equal rows would be only rounding error.
    if (np.ptp(predicted, axis=0) <= FLAT * np.abs(predicted).max(axis=0)).all():
        return np.nan
    pairs = compute_one(predicted, metric)[np.triu_indices(len(predicted), 1)]
    if np.isnan(pairs).any():
        return np.nan
    return float(compare_whole(pairs[None], target[None], kernel)[0, 0])


def _warn_undefined(ops: np.ndarray, brain: BrainRDMs, undefined: np.ndarray) -> None:
    """Warn, naming the op, region and subject where ``undefined`` (op, region, subject)."""
    names = [
        f"{ops[k]} in {brain.regions[region]}, {brain.subjects[subject]}"
        for k, region, subject in np.argwhere(undefined)
    ]
    warn_no_score(
        names,
        "in some fold the predictions do not vary over stimuli, or an RDM does not vary over pairs",
        "Leave those out, or use fewer folds",
    )
