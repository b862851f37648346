"""One RDM around each voxel: the neighbours within a radius."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import warn_user
from neurolens.compare.inputs.responses import average_repeats, read_responses
from neurolens.compare.rdms.crossnobis import Design, choose_noise, read_design
from neurolens.compare.rdms.dissimilarity import compute_one
from neurolens.compare.rdms.vectors import take_model_pairs
from neurolens.compare.rsa.comparators.table import compare_whole, find_comparator
from neurolens.compare.rsa.compare import warn_undefined
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    OP,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    align_stimuli,
    check_unique,
    list_names,
)

AXES = ("voxel_x", "voxel_y", "voxel_z")
BATCH_BYTES = 2**26


def compute_searchlight_rdms(
    responses: xr.DataArray,
    *,
    radius: float,
    centers: Sequence | None = None,
    metric: str = "correlation",
    runs: str | None = None,
    noise: str | None = None,
) -> xr.DataArray:
    """RDM of the voxels around each voxel of one subject.

    Parameters
    ----------
    responses : DataArray (presentation or stimulus, neuroid)
        As for ``compute_rdms``, of one subject, with ``voxel_x``, ``voxel_y``, ``voxel_z`` on
        neuroid, in one unit.
    radius : float
        In the unit of the coordinates; voxels at this distance belong to the neighbourhood.
    centers : sequence, optional
        The ``neuroid_id`` of the voxels to put at the centre; default: all.
    metric, runs, noise
        As for ``compute_rdms``.

    Returns
    -------
    DataArray (neuroid, stimulus, stimulus_2)
        Named "rdm"; ``neuroid`` holds the ids of the centres, with ``voxel_x/y/z`` and
        ``n_voxels``, how many voxels the RDM is of. NaN where a metric is undefined: a centre
        without neighbours has no correlation distance. To compare with a model:
        ``compare_searchlight``, or ``compare_rdms(model, rdms.rename(neuroid="region"))``.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compute_rdms``; there is more than one subject; coordinates or ids are missing or
        not finite.

    Warns
    -----
    RuntimeWarning
        RDMs hold NaN; the message says of how many centres, and names some.

    Notes
    -----
    Time O(centres n^2 neighbours). Memory: the result, 8 n^2 bytes per centre;
    ``compare_searchlight`` keeps a batch.

    References
    ----------
    Kriegeskorte, Goebel & Bandettini (2006) PNAS 103:3863. Checked against rsatoolbox
    ``get_searchlight_RDMs``.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> where, zero = np.arange(4.0), np.zeros(4)
    >>> responses = xr.DataArray(
    ...     np.random.default_rng(0).normal(size=(3, 4)), dims=("stimulus", "neuroid"),
    ...     coords={"stimulus": ["cat", "dog", "cup"], "neuroid_id": ("neuroid", list("abcd")),
    ...             "voxel_x": ("neuroid", where), "voxel_y": ("neuroid", zero), "voxel_z": ("neuroid", zero)})
    >>> rdms = compute_searchlight_rdms(responses, radius=1, metric="euclidean")
    >>> dict(rdms.sizes), rdms.n_voxels.values.tolist()
    ({'neuroid': 4, 'stimulus': 3, 'stimulus_2': 3}, [2, 3, 3, 2])
    """
    noise, attrs = choose_noise(metric, runs, noise)
    search = _read_search(responses, radius, centers, metric, runs)
    squares = np.empty((len(search.members), len(search.ids), len(search.ids)))
    lost = np.zeros(len(search.members), dtype=bool)
    for batch, part in _iterate_rdms(search, metric, noise):
        squares[batch] = part
        lost[batch] = np.isnan(part).any(axis=(1, 2))
    _warn_centers(search, lost, "are NaN in part, where the metric is undefined")
    coords = search.coords | {STIMULUS: search.ids, STIMULUS_2: search.ids}
    attrs |= {"radius": radius}
    return xr.DataArray(
        squares, dims=(NEUROID, STIMULUS, STIMULUS_2), coords=coords, name="rdm", attrs=attrs
    )


def compare_searchlight(
    model_rdms: xr.DataArray,
    responses: xr.DataArray,
    *,
    radius: float,
    comparator: str = "spearman",
    centers: Sequence | None = None,
    metric: str = "correlation",
    runs: str | None = None,
    noise: str | None = None,
) -> xr.DataArray:
    """Map of how similar each op's RDM is to the RDM around each voxel.

    Parameters
    ----------
    model_rdms : DataArray (op, stimulus, stimulus_2) or (stimulus, stimulus_2)
        The same stimuli as the responses, by id.
    responses, radius, centers, metric, runs, noise
        As for ``compute_searchlight_rdms``.
    comparator : str
        A key of ``COMPARATORS``.

    Returns
    -------
    DataArray (op, neuroid)
        Named "score", with ``voxel_x/y/z`` and ``n_voxels``; NaN where an RDM, of the op or around
        the voxel, is undefined.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compute_searchlight_rdms`` and ``compare_rdms``.

    Warns
    -----
    RuntimeWarning
        Centres, or ops, have no score; the message says how many, and names some.

    Notes
    -----
    RDMs of a batch of centres at a time are held (64 MB), whatever the number of voxels.
    """
    kernel = find_comparator(comparator)
    model = take_model_pairs(model_rdms)
    noise, attrs = choose_noise(metric, runs, noise)
    search = _read_search(responses, radius, centers, metric, runs)
    places = xr.DataArray(np.arange(len(search.ids)), dims=STIMULUS, coords={STIMULUS: search.ids})
    order = align_stimuli(places, model.ids.tolist(), name="responses", other="model_rdms").values
    first, second = np.triu_indices(len(order), 1)
    scores = np.full((len(model.ops), len(search.members)), np.nan)
    lost = np.zeros(len(search.members), dtype=bool)
    for batch, squares in _iterate_rdms(search, metric, noise):
        pairs = squares[:, order[first], order[second]]
        pairs[np.ptp(pairs, axis=1) == 0] = np.nan
        lost[batch] = np.isnan(pairs).any(axis=1)
        scores[:, batch] = compare_whole(model.pairs, pairs, kernel)
    _warn_centers(
        search, lost, "are undefined or do not vary over pairs, so that there is no score"
    )
    warn_undefined(model.ops[np.isnan(scores[:, ~lost]).any(axis=1)])
    attrs |= {"comparator": comparator, "radius": radius}
    return xr.DataArray(
        scores,
        dims=(OP, NEUROID),
        coords={OP: model.ops} | search.coords,
        name="score",
        attrs=attrs,
    )


class Search(NamedTuple):
    """Checked responses ``values`` (row, neuroid) of one subject, which ``members`` surround each centre, and labels.

    Rows are stimuli, in the order of ``ids``, or presentations as in ``design``; ``coords`` are
    those of the centres.
    """

    values: np.ndarray
    ids: np.ndarray
    design: Design | None
    members: list[list[int]]
    coords: dict


def _read_search(
    responses: xr.DataArray, radius: float, centers: Sequence | None, metric: str, runs: str | None
) -> Search:
    """Return what a searchlight needs, checked."""
    from scipy.spatial import cKDTree

    read = read_responses(responses)
    _check_searchlight(responses, radius)
    design = read_design(responses, read.codes, metric, runs)
    values = read.values[:, :, 0] if design else average_repeats(read.values[:, :, 0], read.codes)
    points = np.stack([responses[axis].values.astype(np.float64) for axis in AXES], axis=1)
    known = {neuroid: k for k, neuroid in enumerate(read.neuroids.tolist())}
    missing = [c for c in centers if c not in known] if centers is not None else []
    if missing:
        raise LabelError(
            f"centers must be ids of neuroids; {len(missing)} are not, such as {missing[0]!r}."
        )
    places = np.array([known[c] for c in (known if centers is None else centers)], dtype=int)
    members = cKDTree(points).query_ball_point(
        points[places], radius * (1 + 1e-9), return_sorted=True
    )
    columns = {axis: (NEUROID, points[places, k]) for k, axis in enumerate(AXES)}
    coords = {
        NEUROID: read.neuroids[places],
        **columns,
        "n_voxels": (NEUROID, [len(member) for member in members]),
    }
    return Search(values, read.ids, design, members, coords)


def _warn_centers(search: Search, lost: np.ndarray, what: str) -> None:
    """Warn once, naming the centres that are ``lost``."""
    if lost.any():
        warn_user(
            f"the RDMs around {lost.sum()} of {len(lost)} centres {what}: "
            f"{list_names(search.coords[NEUROID][lost])}. Pass a larger radius, metric='euclidean' "
            f"or other centers."
        )


def _iterate_rdms(search: Search, metric: str, noise: str) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (centres, RDMs) a batch at a time."""
    step = max(1, BATCH_BYTES // (8 * len(search.ids) ** 2))
    for start in range(0, len(search.members), step):
        members = search.members[start : start + step]
        squares = [
            compute_one(search.values[:, member], metric, search.design, noise)
            for member in members
        ]
        yield slice(start, start + len(members)), np.stack(squares)


def _check_searchlight(responses: xr.DataArray, radius: float) -> None:
    """Raise for responses without voxel coordinates, of several subjects, or with time.

    For a radius that is none.
    """
    missing = [name for name in (NEUROID_ID, *AXES) if name not in responses.coords]
    if missing:
        raise LabelError(
            f"a searchlight needs {', '.join(missing)} on 'neuroid'. Add them with "
            "responses.assign_coords(voxel_x=('neuroid', x))."
        )
    if responses.ndim != 2:
        raise LabelError(
            f"a searchlight takes one time bin, got {tuple(responses.dims)}. Select "
            f".isel(time_bin=0)."
        )
    subjects = np.unique(responses[SUBJECT].values) if SUBJECT in responses.coords else [""]
    if len(subjects) > 1:
        raise LabelError(
            f"a searchlight is of one subject, got {len(subjects)}. Select with "
            f"responses.sel(neuroid=responses.subject == {str(subjects[0])!r})."
        )
    check_unique(responses[NEUROID_ID].values.tolist(), "the 'neuroid_id' of responses")
    if not all(np.isfinite(responses[axis].values.astype(np.float64)).all() for axis in AXES):
        raise InputError("voxel coordinates must be finite. Drop the voxels without a place.")
    if not radius > 0:
        raise InputError(
            f"radius must be above 0, in the unit of the voxel coordinates, got {radius!r}."
        )
