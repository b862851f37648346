"""Representational dissimilarity matrices of activations, Grams and brain responses."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import xarray as xr

from neurolens import labels
from neurolens.compare.inputs import features
from neurolens.compare.inputs.checks import warn_user
from neurolens.compare.inputs.features import Features
from neurolens.compare.inputs.op_groups import map_ops
from neurolens.compare.inputs.responses import average_repeats, number_labels, read_responses
from neurolens.compare.rdms.crossnobis import (
    NOISE_METRICS,
    Design,
    choose_noise,
    measure_noisy,
    read_design,
)
from neurolens.compare.rdms.distances import METRICS, compute_gram_for
from neurolens.compare.stats.linalg import centre_twice, compute_gram
from neurolens.errors import InputError
from neurolens.labels import (
    NEUROID,
    OP,
    PRESENTATION,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    TIME_BIN,
    list_names,
)

FLOAT64_EPS = float(np.finfo(np.float64).eps)


def compute_rdms(
    data: Features,
    *,
    metric: str = "correlation",
    runs: str | None = None,
    noise: str | None = None,
    client: Any = None,
) -> xr.DataArray:
    """Dissimilarity of every pair of stimuli, for each op or for each (region, subject, time_bin).

    With features A (stimulus, feature), G = A A', s = A 1 and p features:
    ``correlation`` = 1 - C_ij / sqrt(C_ii C_jj) with C = G - s s'/p; ``cosine`` = 1 - G_ij /
    sqrt(G_ii G_jj); ``euclidean`` = (G_ii + G_jj - 2 G_ij) / p, which is the SQUARED euclidean
    distance DIVIDED BY the number of features (as rsatoolbox's method ``euclidean``), not the
    distance of a ruler. With single presentations and S their noise covariance: ``mahalanobis`` =
    (x_i - x_j)' inv(S) (x_i - x_j) / p for stimulus means x, biased upwards by noise;
    ``crossnobis`` = mean over runs of (x_i - x_j)' inv(S) (y_i - y_j) / p, x from that run and y
    from all others: unbiased, so it may be negative, and is 0 on average where two stimuli do not
    differ.

    Parameters
    ----------
    data : Dataset, DataTree or DataArray
        One of: Grams, a Dataset with ``gram`` (op, stimulus, stimulus_2), ``row_sum`` (op,
        stimulus) and ``n_features`` (op); activations, a DataTree whose op nodes hold
        ``activation`` (stimulus, ...); one feature array (stimulus, ...); brain responses
        (presentation, neuroid) or (stimulus, neuroid), with ``stimulus_id`` on presentation and,
        where known, ``region`` and ``subject`` on neuroid; either with a ``time_bin`` dimension
        besides. Any unit. Finite numbers only. Presentations of the same stimulus are averaged
        first.
    metric : str
        A key of ``METRICS``: "correlation", "cosine", "euclidean"; or, for data that hold repeats,
        of ``NOISE_METRICS``: "mahalanobis", "crossnobis". Those take responses or features
        (presentation, ...) with ``stimulus_id``, or Grams whose ``stimulus`` entries are
        presentations, with ``stimulus_id`` on them.
    runs : str, optional
        For crossnobis: the coordinate of the presentations that says which belong to one fold.
        Default: "run" if it is there, else "repetition".
    noise : str, optional
        Of mahalanobis and crossnobis; per region, subject and time bin. "ledoit-wolf": the
        covariance over features of what is left of each presentation after its stimulus' mean,
        shrunk towards a multiple of the identity (Ledoit & Wolf 2004, as rsatoolbox's
        "shrinkage_eye" with ``cov_from_unbalanced``); the default for mahalanobis.
        "ledoit-wolf-per-run": the same for each run anew, on all other runs, which must repeat
        stimuli: 3 runs will do; the default for crossnobis (mahalanobis has no runs, so for it the
        same as "ledoit-wolf"). "identity": no whitening, for data that are whitened already.
    client : dask.distributed.Client, optional
        Divide the ops among its workers, each with one thread. Activations in a store are read
        there.

    Returns
    -------
    DataArray (op, stimulus, stimulus_2), (region, subject, time_bin, stimulus, stimulus_2) or
    (stimulus, stimulus_2)
        Named "rdm", float64, exactly symmetric, exactly 0 on the diagonal; in [0, 2] for
        correlation and cosine, in squared units of the data for euclidean, none for whitened ones.
        Leading dimensions are those the data has, labels in order of first appearance. NaN where a
        stimulus has no variance (correlation), no length (cosine), or where no run has both stimuli
        of a pair and other runs have them too (crossnobis), with a RuntimeWarning; a (region,
        subject) that does not exist is NaN throughout.

    Raises
    ------
    InputError
        Values are complex, not numbers, NaN or infinite; there are fewer than 3 stimuli; the type
        is none of these; a noise metric finds no repeats, no second run or no noise.
    LabelError
        Stimulus labels are missing or repeated, or differ between ops; the coordinate of runs is
        not there.
    UnknownNameError
        ``metric`` or ``noise`` is not known.

    Notes
    -----
    Time O(n^2 p) per op. Memory: one op's activations in their own dtype (of 512 stimuli or fewer
    and below 512 MiB, those of up to four ops, side by side), 4 MB float64 blocks, and the result.
    With "ledoit-wolf" the noise is measured on the very presentations that are compared, and
    crossnobis stays above 0 where nothing differs (docs/real_data.md), so by default each run is
    whitened by the noise of the others. With 2 runs that hold each stimulus once there are none to
    measure it on: an error asks for another ``noise``, which the attribute "noise" of the result
    then tells. For q presentations noise metrics take time O(q^2 p + q^3) (per run: each run) and
    memory O(q^2), however many features there are. From activations in a large common offset (mean
    much larger than spread) correlation and euclidean stay accurate because the offset is removed
    before the Gram; a Gram made elsewhere keeps whatever precision it came with.

    References
    ----------
    Kriegeskorte, Mur & Bandettini (2008) Front. Syst. Neurosci. 2:4; Walther et al. (2016)
    NeuroImage 137:188, eq. 7, on crossnobis; Ledoit & Wolf (2004) J. Multivar. Anal. 88:365.
    Checked against rsatoolbox ``calc_rdm`` and loops.

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
    noise, attrs = choose_noise(metric, runs, noise)
    features.check_features(data, "gram", "row_sum", "n_features")
    if client is not None:
        return map_ops(client, compute_rdms, data, metric=metric, runs=runs, noise=noise)
    if isinstance(data, xr.DataTree):
        rdms = _compute_from_activations(data, metric)
    elif isinstance(data, xr.Dataset):
        rdms = _compute_from_grams(data, metric, runs, noise)
    elif PRESENTATION in data.dims or NEUROID in data.dims:
        rdms = _compute_from_responses(data, metric, runs, noise)
    else:
        _refuse_noise(metric, "a feature array (stimulus, ...)")
        ids, square = _compute_from_features(data, metric, "the feature array")
        rdms = _label_rdms(square, {}, ids)
    _warn_undefined(rdms, metric)
    return rdms.rename("rdm").assign_attrs(attrs)


def compute_one(
    values: np.ndarray, metric: str, design: Design | None = None, noise: str = "identity"
) -> np.ndarray:
    """Return the RDM (n, n) of features (n, p), or of single presentations (q.

    P) with their ``design``.
    """
    if design is not None:
        gram, _ = compute_gram(values, values.mean(axis=0, keepdims=True))
        return measure_noisy(gram, values.shape[1], metric, design, noise)
    gram, row_sum = compute_gram_for(values, metric)
    return METRICS[metric].distance(gram, row_sum, values.shape[1], FLOAT64_EPS)


def _refuse_noise(metric: str, what: str) -> None:
    """Raise InputError for a metric that needs repeats of data that have none."""
    if metric in NOISE_METRICS:
        raise InputError(
            f"metric {metric!r} measures noise over repeats, and {what} holds each stimulus once. "
            f"Pass data with the "
            "dimension 'presentation' and the coordinate 'stimulus_id', or use metric='euclidean'."
        )


def _compute_from_responses(
    responses: xr.DataArray, metric: str, runs: str | None, noise: str
) -> xr.DataArray:
    """Return one RDM for each (region, subject, time_bin) that the responses have."""
    read = read_responses(responses)
    design = read_design(responses, read.codes, metric, runs)
    values = read.values if design else average_repeats(read.values, read.codes)
    n = len(read.ids)
    n_times = values.shape[2]
    squares = np.full((*map(len, read.labels.values()), n_times, n, n), np.nan)
    for place, member in read.members.items():
        for t in range(n_times):
            squares[(*place, t)] = compute_one(values[:, member, t], metric, design, noise)
    if not read.time:
        return _label_rdms(squares[..., 0, :, :], read.labels, read.ids)
    return _label_rdms(
        squares, read.labels | {TIME_BIN: read.time[TIME_BIN]}, read.ids
    ).assign_coords(read.time)


def _compute_from_activations(tree: xr.DataTree, metric: str) -> xr.DataArray:
    """Return (op, stimulus, stimulus_2), loading few ops at a time."""
    _refuse_noise(metric, "a DataTree of activations")
    arrays = features.list_arrays(tree)
    ops = [op for op, _ in arrays]
    labels.check_unique(ops, "the op names of the activations")
    # Products of few stimuli are too small for threads of their own, so several ops run side by
    # side.
    small = all(
        array.sizes.get(STIMULUS, 0) <= 512 and array.nbytes <= 2**29 for _, array in arrays
    )
    n_threads = min(4, os.cpu_count() or 1) if small else 1
    with ThreadPoolExecutor(n_threads) as pool:
        found = list(
            pool.map(
                lambda held: _compute_from_features(held[1], metric, f"op {held[0]!r}"), arrays
            )
        )
    ids = found[0][0]
    squares = []
    for op, (own, square) in zip(ops, found, strict=True):
        if own.tolist() != ids.tolist():
            one = _label_rdms(square, {}, own)
            square = labels.align_stimuli(
                one, ids.tolist(), name=f"op {op!r}", other="the first op"
            ).values
        squares.append(square)
    return _label_rdms(np.stack(squares), {OP: ops}, ids)


def _compute_from_features(
    array: xr.DataArray, metric: str, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids and the RDM of one array (stimulus, ...)."""
    ids, values = features.flatten_features(array, name)
    # The square of NaN or inf is NaN or inf, so the diagonal tells of them: large arrays are read
    # only once.
    with np.errstate(all="ignore"):
        gram, row_sum = compute_gram_for(values, metric)
    if not np.isfinite(np.diag(gram)).all():
        features.check_numbers(values, ids, name)
        raise InputError(
            f"{name} holds numbers too large to square: up to {np.abs(values).max():.3g}. Scale it "
            f"first."
        )
    return ids, METRICS[metric].distance(gram, row_sum, values.shape[1], FLOAT64_EPS)


def _compute_from_grams(
    grams: xr.Dataset, metric: str, runs: str | None, noise: str
) -> xr.DataArray:
    """Return (op, stimulus, stimulus_2), or (stimulus, stimulus_2) for the Gram of one op."""
    if OP not in grams["gram"].dims:
        return _compute_from_grams(grams.expand_dims(OP), metric, runs, noise).isel({OP: 0})
    gram = features.read_gram(grams, "gram")
    ids = gram[STIMULUS].values
    ops = labels.get_ids(gram, OP, "gram")
    design = None
    if metric in NOISE_METRICS:
        if STIMULUS_ID not in gram.coords or gram[STIMULUS_ID].dims != (STIMULUS,):
            _refuse_noise(metric, "a Gram without the coordinate 'stimulus_id' on 'stimulus'")
        codes, ids = number_labels(gram[STIMULUS_ID].values, "'stimulus_id' of the Gram")
        features.check_count(ids, "gram")
        design = read_design(gram, codes, metric, runs)
    row_sum = grams["row_sum"].transpose(OP, STIMULUS)
    squares = np.empty((len(ops), len(ids), len(ids)))
    for k, op in enumerate(ops):
        one = features.check_numbers(
            gram[k].values, gram[STIMULUS].values, f"the Gram of op {str(op)!r}"
        )
        square = one.astype(np.float64)
        count = int(grams["n_features"].values[k])
        if design:
            squares[k] = measure_noisy(centre_twice(square), count, metric, design, noise)
            continue
        sums = features.check_numbers(
            row_sum[k].values[:, None], ids, f"the row sums of op {str(op)!r}"
        )[:, 0]
        squares[k] = METRICS[metric].distance(
            square, sums.astype(np.float64), count, features.read_eps(grams)
        )
    return _label_rdms(squares, {OP: ops}, ids) if design else gram.copy(data=squares).drop_attrs()


def _label_rdms(squares: np.ndarray, lead: Mapping[str, Any], ids: np.ndarray) -> xr.DataArray:
    """Return ``squares`` with its labels along ``lead`` and the stimulus ids on both sides."""
    coords: dict[str, Any] = {**lead, STIMULUS: ids, STIMULUS_2: ids}
    return xr.DataArray(squares, dims=tuple(coords), coords=coords)


def _warn_undefined(rdms: xr.DataArray, metric: str) -> None:
    """Warn once.

    Naming each op (or region and subject) and its stimuli whose distances are undefined.
    """
    noisy = metric in NOISE_METRICS
    lead = rdms.dims[:-2]
    found = []
    for place in np.ndindex(rdms.shape[:-2]):
        missing = np.isnan(rdms.values[place])
        # A stimulus without variance is 0 to itself; an absent (region, subject) is NaN there too.
        dead = (
            missing.any(axis=1) & ~missing.all()
            if noisy
            else missing.sum(axis=1) == len(missing) - 1
        )
        if dead.any():
            label = ", ".join(
                f"{dim} {rdms[dim].values.tolist()[k]!r}"
                for dim, k in zip(lead, place, strict=True)
            )
            found.append(
                f"{label or 'the data'}: stimuli {list_names(rdms[STIMULUS].values[dead])}"
            )
    if found:
        reason = "a stimulus does not vary over features"
        fix = "use metric='euclidean'"
        if noisy:
            reason = "no run has both stimuli of a pair and other runs have them too"
            fix = "try runs='repetition'"
        warn_user(
            f"the {metric} distance is undefined where {reason}; NaN in {'; '.join(found[:5])}"
            f"{f'; and {len(found) - 5} more' if len(found) > 5 else ''}. Drop those, or {fix}."
        )
