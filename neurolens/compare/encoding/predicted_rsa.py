"""Encoding RSA: the geometry of responses that were predicted, beside that of the measured ones."""

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import warn_user
from neurolens.compare.inputs.features import check_numbers
from neurolens.compare.inputs.responses import match_neuroids, number_labels
from neurolens.compare.inputs.time_bins import expand_leading, fit_bins, merge_bins
from neurolens.compare.rdms.dissimilarity import compute_one, compute_rdms
from neurolens.compare.rdms.distances import METRICS
from neurolens.compare.rdms.vectors import pair_within, take_brain_pairs
from neurolens.compare.rsa.comparators.table import Comparator, compare_whole, find_comparator
from neurolens.compare.stats.correlation import FLAT
from neurolens.errors import InputError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    OP,
    STIMULUS,
    SUBJECT,
    TIME_BIN,
    UNNAMED,
    align_stimuli,
    check_dims,
    check_name,
    get_ids,
    list_names,
)

# What the fold of each stimulus may be called, the second by fit_encoding.
FOLDS = ("fold", "stimulus_fold")


def compare_predicted(
    predicted: xr.DataArray,
    measured: xr.DataArray,
    *,
    metric: str = "correlation",
    comparator: str = "pearson",
) -> xr.DataArray:
    """Similarity of the RDM of predicted responses to that of measured ones: voxel-encoding RSA (veRSA).

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
    metric, comparator : str
        Keys of ``METRICS`` and ``COMPARATORS``.

    Returns
    -------
    DataArray (op, region, subject)
        Named "score"; each region and subject against its own. With folds, the mean over folds of
        the similarity of pairs within the fold: predictions of different fits are not one geometry.

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
    >>> float(compare_predicted(scores["prediction"], responses).squeeze().round(2))
    1.0
    """
    kernel = find_comparator(comparator)
    check_name(metric, METRICS, "metric")
    for name, side in (("predicted", predicted), ("measured", measured)):
        if not isinstance(side, xr.DataArray):
            raise InputError(
                f"{name} must be a DataArray, got {type(side).__name__}. Pass "
                "compare_predicted(fit_encoding(features, responses, "
                'predictions=True)["prediction"], responses).'
            )
    timed = TIME_BIN in measured.dims
    predicted = expand_leading(predicted, {OP: "model"})
    check_dims(predicted, (OP, STIMULUS, NEUROID, *([TIME_BIN] if timed else [])), "predicted")
    if timed:
        if TIME_BIN in measured.coords:
            times = measured[TIME_BIN].values.tolist()
            predicted = align_stimuli(
                predicted, times, name="predicted", other="measured", dims=[TIME_BIN]
            )
        flat = merge_bins(predicted)
        keys = {"metric": metric, "comparator": comparator}
        return fit_bins(lambda bins: compare_predicted(flat, bins, **keys).to_dataset(), measured)[
            "score"
        ]
    # As fit_encoding names it.
    if (own := predicted.coords.get(f"neuroid_{SUBJECT}")) is not None:
        predicted = predicted.assign_coords({SUBJECT: own.variable})
    order = match_neuroids(predicted, measured, "predicted", "measured")
    ids, ops = (get_ids(predicted, dim, "predicted") for dim in (STIMULUS, OP))
    fold = next(
        (predicted[name].values for name in FOLDS if name in predicted.coords), np.zeros(len(ids))
    )
    values = predicted.transpose(OP, STIMULUS, NEUROID).values
    unknown = np.isnan(values)
    held = ~unknown.all(axis=(0, 2))
    known = ~unknown.all(axis=(0, 1))[order]
    sides = {NEUROID_ID: "", **UNNAMED}
    neuroids, *columns = (
        np.broadcast_to(measured[dim].values if dim in measured.coords else name, len(order))
        for dim, name in sides.items()
    )
    codes, labels = zip(*map(number_labels, columns), strict=True)
    coords = dict(zip(UNNAMED, labels, strict=True))
    truth = compute_rdms(measured.isel({NEUROID: known}), metric=metric)
    truth = align_stimuli(truth, ids.tolist(), name="measured", other="predicted").isel(
        stimulus=held, stimulus_2=held
    )
    # A region or subject of which no neuroid is known keeps its place, as NaN.
    brain = take_brain_pairs(expand_leading(truth, UNNAMED).reindex(coords))
    fold = fold[held]
    groups = [(fold == number, pair_within(fold == number)) for number in np.unique(fold)]
    scores = np.full((len(ops), *brain.present.shape), np.nan)
    for k, op in enumerate(ops):
        one = check_numbers(
            values[k][np.ix_(held, order[known])],
            ids[held],
            f"what op {str(op)!r} predicts",
            neuroids[known],
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
            f"no score for {list_names(lost)}: in some fold the predictions do not vary over "
            f"stimuli, or an RDM does "
            "not vary over pairs. Leave those out, or use fewer folds.",
        )
    coords = {OP: ops, **coords}
    attrs = {"method": "veRSA", "metric": metric, "comparator": comparator}
    return xr.DataArray(scores, dims=tuple(coords), coords=coords, name="score", attrs=attrs)


def _score_geometry(
    predicted: np.ndarray, target: np.ndarray, metric: str, kernel: Comparator
) -> float:
    """Return the similarity of the RDM of ``predicted`` (n, v) to the pairs ``target``.

    NaN if it does not vary.
    """
    # Of equal rows an RDM would be rounding.
    if (np.ptp(predicted, axis=0) <= FLAT * np.abs(predicted).max(axis=0)).all():
        return np.nan
    pairs = compute_one(predicted, metric)[np.triu_indices(len(predicted), 1)]
    return float(compare_whole(pairs[None], target[None], kernel)[0, 0])
