"""Representational dissimilarity matrices of activations, Grams and brain responses."""

import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from neurolens.compare.distances import METRICS, Metric, compute_gram
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    OP,
    PRESENTATION,
    REGION,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    SUBJECT,
    align_stimuli,
    check_dims,
    check_unique,
    get_ids,
    list_names,
    suggest_name,
)

FLOAT64_EPS = float(np.finfo(np.float64).eps)


def compute_rdms(data: xr.Dataset | xr.DataTree | xr.DataArray, *, metric: str = "correlation") -> xr.DataArray:
    """Dissimilarity of every pair of stimuli, for each op or for each (region, subject).

    With features A (stimulus, feature), G = A A', s = A 1 and p features:
    ``correlation`` = 1 - C_ij / sqrt(C_ii C_jj) with C = G - s s'/p; ``cosine`` = 1 - G_ij / sqrt(G_ii G_jj);
    ``euclidean`` = (G_ii + G_jj - 2 G_ij) / p, which is the SQUARED euclidean distance DIVIDED BY the number of
    features (as rsatoolbox's method ``euclidean``), not the distance of a ruler.

    Parameters
    ----------
    data : Dataset, DataTree or DataArray
        One of: Grams, a Dataset with ``gram`` (op, stimulus, stimulus_2), ``row_sum`` (op, stimulus) and
        ``n_features`` (op); activations, a DataTree whose op nodes hold ``activation`` (stimulus, ...); one feature
        array (stimulus, ...); brain responses (presentation, neuroid) or (stimulus, neuroid), with ``stimulus_id``
        on presentation and, where known, ``region`` and ``subject`` on neuroid. Any unit. Finite numbers only.
        Presentations of the same stimulus are averaged first.
    metric : str
        A key of ``METRICS``: "correlation", "cosine" or "euclidean".

    Returns
    -------
    DataArray (op, stimulus, stimulus_2), (region, subject, stimulus, stimulus_2) or (stimulus, stimulus_2)
        Named "rdm", float64, exactly symmetric, exactly 0 on the diagonal; in [0, 2] for correlation and cosine,
        in squared units of the data for euclidean. Leading dimensions are those the data has, in order of first
        appearance. NaN where a stimulus has no variance (correlation) or no length (cosine), with a RuntimeWarning;
        a (region, subject) that does not exist is NaN throughout.

    Raises
    ------
    InputError
        Values are complex, not numbers, NaN or infinite; there are fewer than 3 stimuli; the type is none of these.
    LabelError
        Stimulus labels are missing or repeated, or differ between ops.
    UnknownNameError
        ``metric`` is not in ``METRICS``.

    Notes
    -----
    Time O(n^2 p) per op. Memory: one op's activations in their own dtype, a 32 MB float64 block, and the result.
    From activations in a large common offset (mean much larger than spread) correlation and euclidean stay accurate
    because the offset is removed before the Gram; a Gram made elsewhere keeps whatever precision it came with.

    References
    ----------
    Kriegeskorte, Mur & Bandettini (2008) Front. Syst. Neurosci. 2:4. Checked against rsatoolbox ``calc_rdm`` and
    loops over pairs.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> features = xr.DataArray(
    ...     [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0]],
    ...     dims=("stimulus", "feature"), coords={"stimulus": ["cat", "dog", "cup"]})
    >>> rdm = compute_rdms(features)
    >>> rdm.dims
    ('stimulus', 'stimulus_2')
    >>> float(rdm.sel(stimulus="cat", stimulus_2="dog").round(3))
    2.0
    >>> rdm.sel(stimulus="cat").values.round(3).tolist()
    [0.0, 2.0, 0.5]
    """
    if metric not in METRICS:
        raise suggest_name(str(metric), METRICS, "metric", f"Choose one of {', '.join(METRICS)}.")
    kernel = METRICS[metric]
    if isinstance(data, xr.DataTree):
        rdms = _compute_from_activations(data, kernel)
    elif isinstance(data, xr.Dataset):
        rdms = _compute_from_grams(data, kernel)
    elif not isinstance(data, xr.DataArray):
        raise InputError(
            f"compute_rdms takes a Dataset of Grams, a DataTree of activations or a DataArray, got "
            f"{type(data).__name__}. Label an array first: "
            "xr.DataArray(values, dims=('stimulus', 'feature'), coords={'stimulus': ids})."
        )
    elif PRESENTATION in data.dims or NEUROID in data.dims:
        rdms = _compute_from_responses(data, kernel)
    else:
        ids, values = read_features(data, "the feature array")
        rdms = _label_rdms(_compute_one(values, kernel), {}, ids)
    _warn_undefined(rdms, metric)
    return rdms.rename("rdm").assign_attrs(metric=metric)


def _compute_one(values: np.ndarray, kernel: Metric) -> np.ndarray:
    """Return the RDM (n, n) of features (n, p)."""
    gram, row_sum = compute_gram(values, kernel.shift(values))
    return kernel.distance(gram, row_sum, values.shape[1], FLOAT64_EPS)


def _compute_from_activations(tree: xr.DataTree, kernel: Metric) -> xr.DataArray:
    """Return (op, stimulus, stimulus_2), loading one op at a time."""
    squares: dict[str, np.ndarray] = {}
    ids: np.ndarray | None = None
    for node in tree.subtree:
        if "activation" not in node.data_vars:
            continue
        array = node.dataset["activation"]
        op = str(array.attrs.get("op", node.path.strip("/")))
        check_unique([*squares, op], "the op names of the activations")
        if ids is not None:
            array = align_stimuli(array, ids.tolist(), name=f"op {op!r}", other="the first op", dims=(STIMULUS,))
        ids, values = read_features(array, f"op {op!r}")
        squares[op] = _compute_one(values, kernel)
    if ids is None:
        raise InputError(
            "the DataTree holds no variable 'activation', so there is nothing to compare. "
            "Pass what extract_activations returns."
        )
    return _label_rdms(np.stack(list(squares.values())), {OP: list(squares)}, ids)


def _compute_from_grams(grams: xr.Dataset, kernel: Metric) -> xr.DataArray:
    """Return (op, stimulus, stimulus_2), or (stimulus, stimulus_2) for the Gram of one op."""
    missing = [name for name in ("gram", "row_sum", "n_features") if name not in grams]
    if missing:
        raise InputError(
            f"a Dataset of Grams holds 'gram', 'row_sum' and 'n_features'; missing: {list_names(missing)}, got "
            f"{list_names(map(str, grams.data_vars))}. Pass what extract_grams returns, or one DataArray."
        )
    if OP not in grams["gram"].dims:
        return _compute_from_grams(grams.expand_dims(OP), kernel).isel({OP: 0})
    check_dims(grams["gram"], (OP, STIMULUS, STIMULUS_2), "gram")
    ops = get_ids(grams["gram"], OP, "gram")
    ids = get_ids(grams["gram"], STIMULUS, "gram")
    _check_count(ids, "gram")
    gram = align_stimuli(grams["gram"], ids.tolist(), name="gram", other="its 'stimulus' labels", dims=(STIMULUS_2,))
    gram = gram.transpose(OP, STIMULUS, STIMULUS_2)
    row_sum = grams["row_sum"].transpose(OP, STIMULUS)
    squares = np.empty(gram.shape)
    for k, op in enumerate(ops):
        one = check_numbers(gram[k].values, ids, f"the Gram of op {str(op)!r}")
        eps = grams.attrs.get("eps", float(np.finfo(one.dtype).eps) if one.dtype.kind == "f" else FLOAT64_EPS)
        sums = check_numbers(row_sum[k].values[:, None], ids, f"the row sums of op {str(op)!r}")[:, 0]
        count = int(grams["n_features"].values[k])
        squares[k] = kernel.distance(one.astype(np.float64), sums.astype(np.float64), count, eps)
    return gram.copy(data=squares).drop_attrs()


def _compute_from_responses(responses: xr.DataArray, kernel: Metric) -> xr.DataArray:
    """Return one RDM for each (region, subject) that the neuroids have."""
    rows = PRESENTATION if PRESENTATION in responses.dims else STIMULUS
    check_dims(responses, (rows, NEUROID), "responses")
    responses = responses.transpose(rows, NEUROID)
    if rows == STIMULUS:
        presented = get_ids(responses, STIMULUS, "responses").tolist()
    elif STIMULUS_ID in responses.coords:
        presented = responses[STIMULUS_ID].values.tolist()
    else:
        raise LabelError(
            "responses have no 'stimulus_id' on 'presentation', so they cannot be matched to stimuli. "
            "Add it with responses.assign_coords(stimulus_id=('presentation', ids))."
        )
    neuroids = responses[NEUROID_ID].values if NEUROID_ID in responses.coords else np.arange(responses.sizes[NEUROID])
    values = check_numbers(responses.values, presented, "responses", neuroids)
    ids = np.asarray(list(dict.fromkeys(presented)))
    _check_count(ids, "responses")
    means = average_repeats(values, presented, ids.tolist())
    groups = {
        dim: np.broadcast_to(responses[dim].values, neuroids.shape)
        for dim in (REGION, SUBJECT)
        if dim in responses.coords
    }
    labels = {dim: list(dict.fromkeys(column.tolist())) for dim, column in groups.items()}
    squares = np.full((*map(len, labels.values()), len(ids), len(ids)), np.nan)
    for place in np.ndindex(squares.shape[:-2]):
        member = np.ones(len(neuroids), dtype=bool)
        for (dim, column), k in zip(groups.items(), place, strict=True):
            member &= column == labels[dim][k]
        if member.any():
            squares[place] = _compute_one(means[:, member], kernel)
    return _label_rdms(squares, labels, ids)


def average_repeats(values: np.ndarray, presented: list, ids: list) -> np.ndarray:
    """Return the mean over the rows of each stimulus, (len(ids), n_columns), float64."""
    place = {stimulus: k for k, stimulus in enumerate(ids)}
    codes = np.array([place[stimulus] for stimulus in presented])
    counts = np.bincount(codes)
    averaging = csr_array((1 / counts[codes], (codes, np.arange(len(codes)))), shape=(len(ids), len(codes)))
    return averaging @ values.astype(np.float64)


def read_features(array: xr.DataArray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids and the checked features (n, p) of one array (stimulus, ...)."""
    if STIMULUS not in array.dims:
        raise LabelError(
            f"{name} must have the dimension 'stimulus', got {tuple(array.dims)} with sizes {dict(array.sizes)}. "
            "Rename with .rename(old='stimulus')."
        )
    ids = get_ids(array, STIMULUS, name)
    _check_count(ids, name)
    values = array.transpose(STIMULUS, ...).values.reshape(len(ids), -1)
    if values.shape[1] == 0:
        raise InputError(f"{name} has no features: sizes {dict(array.sizes)}. Pass at least one value per stimulus.")
    return ids, check_numbers(values, ids, name)


def _check_count(ids: Sequence[Any] | np.ndarray, name: str) -> None:
    """Raise InputError for fewer than 3 stimuli, of which an RDM has no pattern to compare."""
    if len(ids) < 3:
        raise InputError(f"{name} must hold at least 3 stimuli, got {len(ids)}: {list_names(ids)}. Pass more stimuli.")


def check_numbers(
    values: np.ndarray, ids: Sequence[Any] | np.ndarray, name: str, columns: np.ndarray | None = None
) -> np.ndarray:
    """Return ``values`` (n, p) if they are real and finite; name the stimuli (and ``columns``) that are not."""
    if values.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be real numbers, got dtype {values.dtype}. Take a real part first, e.g. abs(x) or x.real."
        )
    finite = np.isfinite(values)
    if not finite.all():
        where = (
            f"stimuli {list_names(dict.fromkeys(i for i, ok in zip(ids, finite.all(axis=1), strict=True) if not ok))}"
        )
        if columns is not None:
            where += f"; neuroids {list_names(columns[~finite.all(axis=0)])}"
        raise InputError(f"{name} must be finite, but there is NaN or inf in {where}. Drop or repair those first.")
    return values


def _label_rdms(squares: np.ndarray, labels: Mapping[str, list], ids: np.ndarray) -> xr.DataArray:
    """Return ``squares`` with its leading ``labels`` and the stimulus ids on both sides."""
    coords: dict[str, Any] = {**labels, STIMULUS: ids, STIMULUS_2: ids}
    return xr.DataArray(squares, dims=tuple(coords), coords=coords)


def _warn_undefined(rdms: xr.DataArray, metric: str) -> None:
    """Warn once, naming each op (or region and subject) and its stimuli whose distances are undefined."""
    lead = rdms.dims[:-2]
    found = []
    for place in itertools.product(*(range(rdms.sizes[dim]) for dim in lead)):
        square = rdms.values[place]
        # A stimulus without variance is 0 to itself; an absent (region, subject) is NaN there too.
        dead = np.isnan(square).sum(axis=1) == len(square) - 1
        if dead.any():
            label = ", ".join(f"{dim} {rdms[dim].values.tolist()[k]!r}" for dim, k in zip(lead, place, strict=True))
            found.append(f"{label or 'the data'}: stimuli {list_names(rdms[STIMULUS].values[dead])}")
    if found:
        warnings.warn(
            f"the {metric} distance is undefined where a stimulus does not vary over features; NaN in "
            f"{'; '.join(found[:5])}{f'; and {len(found) - 5} more' if len(found) > 5 else ''}. "
            "Drop those, or use metric='euclidean'.",
            RuntimeWarning,
            stacklevel=3,
        )
