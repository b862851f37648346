"""Searchlight: one RDM around each voxel, of the voxels within a radius."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.repeats import average_repeats
from neurolens.compare.inputs.responses import read_responses
from neurolens.compare.rdms.crossnobis import (
    Design,
    NoiseSettings,
    choose_design,
    choose_noise,
)
from neurolens.compare.rdms.noise import read_covariance
from neurolens.compare.rdms.rounding import find_constant
from neurolens.compare.rdms.single import compute_one
from neurolens.compare.rdms.vectors import read_model_rdms
from neurolens.compare.rsa.comparators.table import compare_whole, find_comparator
from neurolens.compare.rsa.searchlight_time import each_time_bin
from neurolens.compare.rsa.sides import (
    find_gaps,
    list_op_gaps,
    name_dissimilarity,
    warn_gaps,
    warn_ops,
)
from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    align_labels,
    check_unique,
    get_marks,
    list_names,
)
from neurolens.scores import GROUP, PER_SUBJECT, Ceiling, build_scores
from neurolens.support.progress import count_steps, share_progress, show_progress

AXES = ("voxel_x", "voxel_y", "voxel_z")
BATCH_BYTES = 2**26


@each_time_bin
def compute_searchlight_rdms(
    responses: xr.DataArray,
    *,
    radius: float,
    centers: Sequence | None = None,
    metric: str = "correlation",
    runs: str | None = None,
    noise: str | np.ndarray | xr.DataArray | None = None,
    quiet: bool = False,
) -> xr.DataArray:
    """Compute the RDM of the voxels around each voxel of one subject.

    Parameters
    ----------
    responses : DataArray (presentation or stimulus, neuroid)
        As for ``compute_rdms``, of one subject, with ``voxel_x``, ``voxel_y``, ``voxel_z`` on
        neuroid, in one unit. With ``time_bin`` besides, there is one map for each time, and the
        result has time_bin too.
    radius : float
        In the unit of the coordinates; voxels at this distance belong to the neighborhood.
    centers : sequence, optional
        The ``neuroid_id`` of the voxels to put at the center; default: all.
    metric, runs, noise
        As for ``compute_rdms``.
    quiet : bool
        Show no progress.

    Returns
    -------
    DataArray (neuroid, stimulus, stimulus_2)
        Named "rdm"; ``neuroid`` holds the ids of the centers, with ``voxel_x/y/z`` and
        ``n_voxels``, how many voxels the RDM is of. NaN where a metric is undefined: a center
        without neighbors has no correlation distance. Distances within rounding of 0 are 0. To
        compare with a model: ``compare_searchlight``, or ``compare_rdms(model,
        rdms.rename(neuroid="region"))``.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compute_rdms``; there is more than one subject; coordinates or ids are missing or
        not finite.

    Warns
    -----
    RuntimeWarning
        RDMs hold NaN, or do not vary; the message says of how many centers, and names some.

    Notes
    -----
    Time O(centers n^2 neighbors). Memory: the result, 8 n^2 bytes per center;
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
    ...             "voxel_x": ("neuroid", where), "voxel_y": ("neuroid", zero),
    ...             "voxel_z": ("neuroid", zero)})
    >>> rdms = compute_searchlight_rdms(responses, radius=1, metric="euclidean")
    >>> dict(rdms.sizes), rdms.n_voxels.values.tolist()
    ({'neuroid': 4, 'stimulus': 3, 'stimulus_2': 3}, [2, 3, 3, 2])
    """
    settings = choose_noise(metric, runs, noise)
    search = _read_search(responses, radius, centers, metric, runs, settings)
    squares = np.empty((len(search.members), len(search.ids), len(search.ids)))
    undefined = np.zeros(len(search.members), dtype=bool)
    constant = np.zeros_like(undefined)
    first, second = np.triu_indices(len(search.ids), 1)
    for batch, rdms in _iterate_rdms(search, metric, quiet):
        squares[batch] = rdms
        undefined[batch] = np.isnan(rdms).any(axis=(1, 2))
        constant[batch] = find_constant(rdms[:, first, second])
    _warn_centers(search, undefined, "are NaN in part, where the metric is undefined")
    _warn_centers(search, constant, "do not vary over pairs, but for rounding")
    coords = search.coords | {STIMULUS: search.ids, STIMULUS_2: search.ids}
    attrs = settings.attrs | {"radius": radius}
    return xr.DataArray(
        squares, dims=(NEUROID, STIMULUS, STIMULUS_2), coords=coords, name="rdm", attrs=attrs
    )


@each_time_bin
def compare_searchlight(
    model_rdms: xr.DataArray,
    responses: xr.DataArray,
    *,
    radius: float,
    comparator: str = "rho-a",
    centers: Sequence | None = None,
    metric: str = "correlation",
    runs: str | None = None,
    noise: str | np.ndarray | xr.DataArray | None = None,
    quiet: bool = False,
) -> xr.Dataset:
    """Map the similarity of each op's RDM to the RDM around each voxel.

    Parameters
    ----------
    model_rdms : DataArray (op, stimulus, stimulus_2) or (stimulus, stimulus_2)
        The same stimuli as the responses, by id.
    responses, radius, centers, metric, runs, noise
        As for ``compute_searchlight_rdms``.
    comparator : str
        A key of ``COMPARATORS``; ``rho-a``, the default, does not reward models for ties.
    quiet : bool
        Show no progress.

    Returns
    -------
    Dataset
        Scores in the form that ``build_scores`` defines, in the unit of the comparator, where each
        center is a region: ``score`` (op, region, subject), ``score_mean`` (op, region), with the
        ``neuroid_id`` of the center as ``region``, and ``voxel_x/y/z`` and ``n_voxels`` on it. NaN
        where an RDM, of the op or around the voxel, is undefined or does not vary, but for
        rounding; ``n_pairs`` (op, region, subject) says how many pairs a score is of, those that
        both RDMs have. Without intervals and ceilings.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compute_searchlight_rdms`` and ``compare_rdms``.

    Warns
    -----
    RuntimeWarning
        Centers, or ops, have no score, or lack some pairs; the message says how many, and names
        some.

    Notes
    -----
    RDMs of a batch of centers at a time are in memory (64 MB), whatever the number of voxels.
    """
    row = find_comparator(comparator)
    model = read_model_rdms(model_rdms)
    settings = choose_noise(metric, runs, noise)
    search = _read_search(responses, radius, centers, metric, runs, settings)
    order = _order_stimuli(search.ids, model.ids)
    first, second = np.triu_indices(len(order), 1)
    scores = np.full((len(model.ops), len(search.members)), np.nan)
    n_pairs = np.zeros(scores.shape, dtype=int)
    undefined = np.zeros(len(search.members), dtype=bool)
    has_gap = np.zeros_like(undefined)
    for batch, squares in _iterate_rdms(search, metric, quiet):
        pairs = squares[:, order[first], order[second]]  # (center, pair)
        pairs[find_constant(pairs)] = np.nan
        has_pair = ~np.isnan(pairs)
        scores[:, batch] = compare_whole(model.pairs, pairs, row)
        n_pairs[:, batch] = np.rint(model.has_pair.astype(float) @ has_pair.T.astype(float))
        undefined[batch] = ~has_pair.any(axis=1)
        has_gap[batch] = find_gaps(has_pair)
    _warn_centers(
        search, undefined, "are undefined or do not vary over pairs, so that there is no score"
    )
    gaps = [f"center {center}" for center in search.coords[NEUROID][has_gap]]
    warn_gaps(list_op_gaps(model) + gaps, "; n_pairs of the result says how many")
    warn_ops(model.ops[np.isnan(scores[:, ~undefined]).any(axis=1)])
    coords = {OP: model.ops, SUBJECT: [search.subject]} | search.coords
    by_center = xr.DataArray(scores[:, :, None], dims=(OP, NEUROID, SUBJECT), coords=coords)
    details = {name: value for name, value in settings.attrs.items() if name != "metric"}
    return build_scores(
        by_center.rename({NEUROID: REGION}),
        method="rsa",
        measure=comparator,
        n_stimuli=len(model.ids),
        variables={"n_pairs": (PER_SUBJECT, n_pairs[:, :, None])},
        dissimilarity=name_dissimilarity(model_rdms),
        ceiling=Ceiling(note="No noise ceiling was computed: the responses are of one subject."),
        details={
            "brain_dissimilarity": metric,
            "radius": radius,
            **details,
            **get_marks(model_rdms),
        },
    )


class Search(NamedTuple):
    """Checked responses of one subject, and which neuroids surround each center.

    ``values`` (row, neuroid): rows are stimuli, in the order of ``ids``, or presentations as in
    ``design``, whitened by ``noise`` or the ``covariance`` (neuroid, neuroid). ``members``: the
    columns around each center. ``coords``: labels of the centers.
    """

    values: np.ndarray
    ids: np.ndarray
    design: Design | None
    noise: str
    covariance: np.ndarray | None
    members: list[np.ndarray]
    coords: dict
    subject: str


def _read_search(
    responses: xr.DataArray,
    radius: float,
    centers: Sequence | None,
    metric: str,
    runs: str | None,
    settings: NoiseSettings,
) -> Search:
    """Return the checked input of a searchlight."""
    from scipy.spatial import cKDTree

    read = read_responses(responses)
    _check_searchlight(responses, radius)
    design = choose_design(read.codes, read.presented.columns, metric, runs, settings.noise)
    covariance = None
    if settings.covariance is not None:
        covariance = read_covariance(settings.covariance, read.neuroids)
    values = read.values[:, :, 0]  # (row, neuroid)
    if not design:
        values = average_repeats(values, read.codes)
    complete = _find_recorded(values, read.neuroids)
    points = np.stack([responses[axis].values.astype(np.float64) for axis in AXES], axis=1)
    columns = _find_centers(read.neuroids, centers)
    reach = radius * (1 + 1e-9)
    found = cKDTree(points[complete]).query_ball_point(points[columns], reach, return_sorted=True)
    members = [complete[around] for around in found]
    coords: dict = {NEUROID: read.neuroids[columns]}
    for k, axis in enumerate(AXES):
        coords[axis] = (NEUROID, points[columns, k])
    coords["n_voxels"] = (NEUROID, [len(member) for member in members])
    subject = _list_subjects(responses)[0]
    return Search(values, read.ids, design, settings.noise, covariance, members, coords, subject)


def _find_recorded(values: np.ndarray, neuroids: np.ndarray) -> np.ndarray:
    """Return the columns of ``values`` (row, neuroid) without NaN; a warning names the others."""
    is_lost = np.isnan(values).any(axis=0)
    if is_lost.all():
        raise InputError(
            "responses hold no voxel that was recorded throughout: each is NaN for some stimulus. "
            "Drop those stimuli.",
            anchor="missing-values",
        )
    if is_lost.any():
        warn_user(
            f"{is_lost.sum()} of {len(is_lost)} voxels are NaN where others are not, and are left "
            f"out around every center: {list_names(neuroids[is_lost])}. Drop them, or those "
            f"presentations."
        )
    return np.flatnonzero(~is_lost)


def _find_centers(neuroids: np.ndarray, centers: Sequence | None) -> np.ndarray:
    """Return the columns of the neuroids ``centers``; of all by default."""
    if centers is None:
        return np.arange(len(neuroids))
    column = {neuroid: k for k, neuroid in enumerate(neuroids.tolist())}
    missing = [center for center in centers if center not in column]
    if missing:
        raise LabelError(
            f"centers must be ids of neuroids; {len(missing)} are not, such as {missing[0]!r}. "
            f"Pass some of responses.neuroid_id.values."
        )
    return np.array([column[center] for center in centers], dtype=int)


def _order_stimuli(ids: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the positions of the stimuli ``wanted`` among ``ids``, which must be the same."""
    positions = xr.DataArray(np.arange(len(ids)), dims=STIMULUS, coords={STIMULUS: ids})
    return align_labels(positions, wanted.tolist(), name="responses", other="model_rdms").values


def _warn_centers(search: Search, undefined: np.ndarray, what: str) -> None:
    """Warn once, naming the centers whose RDM is ``undefined``."""
    if undefined.any():
        warn_user(
            f"the RDMs around {undefined.sum()} of {len(undefined)} centers {what}: "
            f"{list_names(search.coords[NEUROID][undefined])}. Pass a larger radius, "
            f"metric='euclidean' or other centers."
        )


def _iterate_rdms(search: Search, metric: str, quiet: bool) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (centers, RDMs) a batch at a time; progress is shown unless ``quiet``."""
    step = max(1, BATCH_BYTES // (8 * len(search.ids) ** 2))
    with show_progress(len(search.members), "searchlight", quiet=quiet):
        for start in range(0, len(search.members), step):
            members = search.members[start : start + step]
            squares = [_compute_center(search, member, metric) for member in members]
            with share_progress(0):
                yield slice(start, start + len(members)), np.stack(squares)
            count_steps(len(members))


def _compute_center(search: Search, member: np.ndarray, metric: str) -> np.ndarray:
    """Return the RDM (stimulus, stimulus) of the voxels ``member``, NaN where there is none."""
    if not len(member):
        return np.full((len(search.ids), len(search.ids)), np.nan)
    noise = search.covariance
    part = None if noise is None else noise[np.ix_(member, member)]
    return compute_one(search.values[:, member], metric, search.design, search.noise, part)


def _list_subjects(responses: xr.DataArray) -> list[str]:
    """Return the names of the subjects of ``responses``."""
    if SUBJECT not in responses.coords:
        return [GROUP]
    return np.unique(responses[SUBJECT].values).astype(str).tolist()


def _check_searchlight(responses: xr.DataArray, radius: float) -> None:
    """Raise for responses or a radius that a searchlight cannot use.

    Such responses lack voxel coordinates, or are of several subjects.
    """
    missing = [name for name in (NEUROID_ID, *AXES) if name not in responses.coords]
    if missing:
        raise LabelError(
            f"a searchlight needs {', '.join(missing)} on 'neuroid'. Add them with "
            "responses.assign_coords(voxel_x=('neuroid', x)).",
            anchor="ids-missing",
        )
    subjects = _list_subjects(responses)
    if len(subjects) > 1:
        raise LabelError(
            f"a searchlight is of one subject, got {len(subjects)}. Select with "
            f"responses.sel(neuroid=responses.subject == {subjects[0]!r}).",
            anchor="several-subjects",
        )
    check_unique(responses[NEUROID_ID].values.tolist(), "the 'neuroid_id' of responses")
    finite = [np.isfinite(responses[axis].values.astype(np.float64)).all() for axis in AXES]
    if not all(finite):
        raise InputError(
            "voxel coordinates must be finite. Drop the voxels without coordinates.",
            anchor="missing-values",
        )
    if not radius > 0:
        raise InputError(
            f"radius must be above 0, in the unit of the voxel coordinates, got {radius!r}."
        )
