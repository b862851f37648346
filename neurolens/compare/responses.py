"""Brain responses to checked arrays, and to one RDM per region, subject and time bin."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.distances import METRICS, Metric, compute_gram
from neurolens.compare.features import average_repeats, check_count, check_numbers
from neurolens.compare.noise import NOISE_METRICS, NOISES, Design
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    PRESENTATION,
    REGION,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    SUBJECT,
    TIME_BIN,
    check_dims,
    get_ids,
    list_names,
    suggest_name,
)

FLOAT64_EPS = float(np.finfo(np.float64).eps)


class Responses(NamedTuple):
    """``values`` (presentation, neuroid, time_bin) and what its axes mean.

    ``ids`` are the stimuli in order of appearance, ``codes`` (presentation,) the place of each in them. ``groups`` has
    for each of region and subject that is known one label per neuroid; ``time`` the coordinates of time bins, or none.
    """

    values: np.ndarray
    ids: np.ndarray
    codes: np.ndarray
    neuroids: np.ndarray
    groups: dict[str, np.ndarray]
    time: dict[str, xr.DataArray]

    def list_groups(self) -> tuple[dict[str, list], dict[tuple[int, ...], np.ndarray]]:
        """Return the labels of region and subject, and which neuroids lie at each place; empty places are left out."""
        labels = {dim: list(dict.fromkeys(column.tolist())) for dim, column in self.groups.items()}
        members = {}
        for place in np.ndindex(*map(len, labels.values())):
            member = np.ones(len(self.neuroids), dtype=bool)
            for (dim, column), k in zip(self.groups.items(), place, strict=True):
                member &= column == labels[dim][k]
            if member.any():
                members[place] = member
        return labels, members


def read_responses(responses: xr.DataArray) -> Responses:
    """Return checked responses (presentation or stimulus, neuroid) or (..., neuroid, time_bin)."""
    rows = PRESENTATION if PRESENTATION in responses.dims else STIMULUS
    if NEUROID not in responses.dims:
        flat = [dim for dim in responses.dims if dim not in (rows, TIME_BIN)]
        responses = responses.stack({NEUROID: flat}, create_index=False)
    timed = TIME_BIN in responses.dims
    check_dims(responses, (rows, NEUROID, TIME_BIN) if timed else (rows, NEUROID), "responses")
    responses = responses.transpose(rows, NEUROID, ...)
    if rows == STIMULUS:
        presented = get_ids(responses, STIMULUS, "responses").tolist()
    elif STIMULUS_ID in responses.coords:
        presented = responses[STIMULUS_ID].values.tolist()
    else:
        raise LabelError(
            "responses have no 'stimulus_id' on 'presentation', so they cannot be matched to stimuli. "
            "Add it with responses.assign_coords(stimulus_id=('presentation', ids))."
        )
    if not responses.sizes[NEUROID]:
        raise InputError("responses hold no neuroids. Select a region that has some.")
    neuroids = responses[NEUROID_ID].values if NEUROID_ID in responses.coords else np.arange(responses.sizes[NEUROID])
    values = check_numbers(responses.values, presented, "responses", neuroids)
    ids = np.asarray(list(dict.fromkeys(presented)))
    check_count(ids, "responses")
    place = {stimulus: k for k, stimulus in enumerate(ids.tolist())}
    groups = {
        dim: np.broadcast_to(responses[dim].values, neuroids.shape)
        for dim in (REGION, SUBJECT)
        if dim in responses.coords
    }
    time = {str(name): c.variable for name, c in responses.coords.items() if c.dims == (TIME_BIN,)}
    if timed:
        time.setdefault(TIME_BIN, xr.Variable(TIME_BIN, np.arange(responses.sizes[TIME_BIN])))
    codes = np.array([place[stimulus] for stimulus in presented])
    return Responses(values.reshape(*values.shape[:2], -1), ids, codes, neuroids, groups, time)


def compute_from_responses(responses: xr.DataArray, metric: str, runs: str | None, noise: str) -> xr.DataArray:
    """Return one RDM for each (region, subject, time_bin) that the responses have."""
    read = read_responses(responses)
    design = read_design(responses, read.codes, metric, runs) if metric in NOISE_METRICS else None
    values = read.values if design else average_repeats(read.values, read.codes, range(len(read.ids)))
    labels, members = read.list_groups()
    n, n_times = len(read.ids), values.shape[2]
    squares = np.full((*map(len, labels.values()), n_times, n, n), np.nan)
    for place, member in members.items():
        for t in range(n_times):
            squares[(*place, t)] = compute_one(values[:, member, t], metric, design, noise)
    coords = {**labels, **({TIME_BIN: read.time[TIME_BIN]} if read.time else {}), STIMULUS: read.ids}
    coords[STIMULUS_2] = read.ids
    return xr.DataArray(
        squares if read.time else squares[..., 0, :, :], dims=tuple(coords), coords={**coords, **read.time}
    )


def compute_one(values: np.ndarray, metric: str, design: Design | None = None, noise: str = "identity") -> np.ndarray:
    """Return the RDM (n, n) of features (n, p), or of single presentations (q, p) with their ``design``."""
    if design is not None:
        gram, _ = compute_gram(values, values.mean(axis=0, keepdims=True))
        return measure_noisy(gram, values.shape[1], metric, design, noise)
    kernel: Metric = METRICS[metric]
    gram, row_sum = compute_gram(values, kernel.shift(values))
    return kernel.distance(gram, row_sum, values.shape[1], FLOAT64_EPS)


def measure_noisy(gram: np.ndarray, n_features: int, metric: str, design: Design, noise: str) -> np.ndarray:
    """Return the RDM (n, n) of a metric of ``NOISE_METRICS`` from a Gram of presentations (q, q)."""
    try:
        return NOISE_METRICS[metric](gram, n_features, design, NOISES[noise])
    except InputError as error:
        raise InputError(
            f"metric {metric!r} with noise={noise!r}: {error}. Pass more repeats, or noise='identity'."
        ) from None


def read_design(data: xr.DataArray | xr.Dataset, codes: np.ndarray, metric: str, runs: str | None) -> Design:
    """Return which presentation showed which stimulus in which run, from the coordinates of its dimension."""
    repeats = np.bincount(codes)
    if repeats.max() < 2:
        raise InputError(
            f"metric {metric!r} measures noise over repeats, and no stimulus repeats. Pass single presentations with "
            "'stimulus_id' on 'presentation', or use metric='euclidean'."
        )
    known = [name for name, c in data.coords.items() if c.shape == codes.shape and name not in (NEUROID_ID, REGION)]
    chosen = runs or next((name for name in ("run", "repetition") if name in known), None)
    if metric == "crossnobis" and chosen not in known:
        error = suggest_name(str(runs), map(str, known), "coordinate on presentation") if runs else LabelError("")
        raise LabelError(
            f"crossnobis needs a coordinate that tells which run each presentation was in: {error} "
            f"Name it with runs='...'; there are {list_names(known)}."
        )
    labels = data[chosen].values if metric == "crossnobis" else np.zeros(len(codes))
    _, runs_ = np.unique(labels, return_inverse=True)
    if metric == "crossnobis" and runs_.max() == 0:
        raise InputError(
            f"crossnobis needs at least 2 runs, and {chosen!r} has one value. Name another with runs='...'."
        )
    return Design(codes, len(repeats), runs_)


def check_noise(metric: str, runs: str | None, noise: str) -> None:
    """Raise UnknownNameError or InputError for a metric or settings that cannot be used."""
    if metric not in METRICS | NOISE_METRICS:
        known = [*METRICS, *NOISE_METRICS]
        raise suggest_name(str(metric), known, "metric", f"Choose one of {', '.join(known)}.")
    if noise not in NOISES:
        raise suggest_name(str(noise), NOISES, "noise", f"Choose one of {', '.join(NOISES)}.")
    if runs is not None and metric != "crossnobis":
        raise InputError(f"runs= is for metric='crossnobis'; {metric!r} does not use it. Leave it out.")
