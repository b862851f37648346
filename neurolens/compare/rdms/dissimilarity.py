"""Representational dissimilarity matrices of activations, Grams and brain responses."""

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens import labels
from neurolens.compare.inputs.checks import check_count, check_numbers
from neurolens.compare.inputs.dependence import list_recorded
from neurolens.compare.inputs.features import (
    Activations,
    FeatureData,
    Grams,
    Products,
    flatten_features,
    list_metadata,
    open_features,
)
from neurolens.compare.inputs.op_groups import over_ops
from neurolens.compare.inputs.recorded import iterate_groups
from neurolens.compare.inputs.regions import number_labels
from neurolens.compare.inputs.repeats import list_presentations
from neurolens.compare.inputs.responses import Responses, read_responses
from neurolens.compare.rdms.components import warn_components
from neurolens.compare.rdms.crossnobis import (
    NOISE_METRICS,
    NoiseSettings,
    choose_design,
    choose_noise,
    make_design,
    measure_noisy,
    refuse_covariance,
    refuse_noise,
    select_rows,
)
from neurolens.compare.rdms.distances import METRICS, Precision, compute_gram_for
from neurolens.compare.rdms.noise import read_covariance
from neurolens.compare.rdms.rounding import FEATURE_NOISE
from neurolens.compare.rdms.single import compute_one
from neurolens.compare.rdms.undefined import warn_constant, warn_undefined
from neurolens.compare.stats.linalg import blank_rounding, bound_rounding, center_twice
from neurolens.errors import InputError
from neurolens.labels import (
    NEUROID,
    OP,
    PRESENTATION,
    SAMPLE,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    TIME_BIN,
)
from neurolens.support.progress import count_steps, show_progress

# What progress says is done.
WHAT = "computing RDMs"


class Square(NamedTuple):
    """The RDM (n, n) of one op, and the ``ids`` of its stimuli."""

    ids: np.ndarray
    rdm: np.ndarray


@over_ops("data")
def compute_rdms(
    data: FeatureData,
    *,
    metric: str = "correlation",
    runs: str | None = None,
    noise: str | np.ndarray | xr.DataArray | None = None,
    client: Any = None,
    quiet: bool = False,
) -> xr.DataArray:
    """Compute the dissimilarity of every pair of stimuli, per op or (region, subject, time_bin).

    With features A (stimulus, feature), G = A A', s = A 1 and p features: ``correlation`` = 1 -
    C_ij / sqrt(C_ii C_jj) with C = G - s s'/p; ``cosine`` = 1 - G_ij / sqrt(G_ii G_jj);
    ``euclidean`` = (G_ii + G_jj - 2 G_ij) / p, which is the SQUARED euclidean distance DIVIDED BY
    the number of features (as rsatoolbox's method ``euclidean``), not the euclidean distance
    itself. With single presentations and S their noise covariance: ``mahalanobis`` = (x_i - x_j)'
    inv(S) (x_i - x_j) / p for stimulus means x, biased upwards by noise; ``crossnobis`` = mean over
    runs of (x_i - x_j)' inv(S) (y_i - y_j) / p, x from that run and y from all others: unbiased, so
    it may be negative, and is 0 on average where two stimuli do not differ.

    Parameters
    ----------
    data : Dataset, DataTree or DataArray
        One of: Grams, a Dataset with ``gram`` (op, stimulus, stimulus_2), ``row_sum`` (op,
        stimulus) and ``n_features`` (op); activations, a DataTree whose op nodes hold
        ``activation`` (stimulus, ...); one feature array (stimulus, ...); brain responses
        (presentation, neuroid) or (stimulus, neuroid), with ``stimulus_id`` on presentation and,
        where known, ``region`` and ``subject`` on neuroid; either with a ``time_bin`` dimension
        besides. Regions that overlap are coordinates of True and False, ``region_V1``,
        ``region_FFA``, instead of ``region``. Any unit. Finite numbers only; NaN in responses is
        what was not recorded. Presentations of the same stimulus are averaged first, and so are
        samples of a stochastic model (`extract_activations` with ``n_samples=``), which the
        attribute ``samples`` of the result says.
    metric : str
        A key of ``METRICS``: "correlation", "cosine", "euclidean"; or, for data that hold repeats,
        of ``NOISE_METRICS``: "mahalanobis", "crossnobis". Those take responses or features
        (presentation, ...) with ``stimulus_id``, or Grams whose ``stimulus`` entries are
        presentations, with ``stimulus_id`` on them, or activations with samples, each of which
        counts as a presentation, and as a run unless ``runs`` says otherwise.
    runs : str, optional
        For crossnobis: the coordinate of the presentations that says which belong to one fold.
        Default: "run" if it is there, else "repetition".
    noise : str, array or DataArray, optional
        Of mahalanobis and crossnobis; per region, subject and time bin. "ledoit-wolf": the
        covariance over features of what is left of each presentation after its stimulus' mean,
        shrunk towards a multiple of the identity (Ledoit & Wolf 2004, as rsatoolbox's
        "shrinkage_eye" with ``cov_from_unbalanced``); the default for mahalanobis.
        "ledoit-wolf-per-run": the same for each run anew, on all other runs, which must repeat
        stimuli: 3 runs are enough; the default for crossnobis (mahalanobis has no runs, so for it
        the same as "ledoit-wolf"). "identity": no whitening, for data that are whitened already. Or
        a covariance S of your own over all neuroids of the responses (of the residuals of a GLM,
        say): an array (neuroid, neuroid) in their order, or a DataArray ("neuroid", "neuroid_2")
        labelled by ``neuroid_id``, in any order; regions use their part of it. With "identity" or a
        covariance of your own mahalanobis needs no repeats.
    client : dask.distributed.Client, optional
        Divide the ops among its workers, each with one thread. Activations in a store are read
        there.
    quiet : bool
        Show no progress.

    Returns
    -------
    DataArray (op, stimulus, stimulus_2), (region, subject, time_bin, stimulus, stimulus_2) or
    (stimulus, stimulus_2)
        Named "rdm", float64, exactly symmetric, exactly 0 on the diagonal and wherever a distance
        is within rounding of 0; distances equal up to rounding are equal. In [0, 2] for
        correlation and cosine, in squared units of the data for euclidean, none for whitened ones.
        Leading dimensions are those the data has, labels in order of first appearance; coordinates
        along the stimuli of a model's data (metadata, such as "category") go on. NaN where a
        stimulus has no variance (correlation), no length (cosine), or where no run has both stimuli
        of a pair and other runs have them too (crossnobis), with a RuntimeWarning; a (region,
        subject) that does not exist is NaN throughout. Where responses hold NaN, means are over the
        presentations that were recorded. A stimulus that no neuroid of a region and subject has is
        NaN there, also on the diagonal; and a neuroid that lacks another stimulus (of noise
        metrics, another presentation) is left out, with a RuntimeWarning that names both.

    Raises
    ------
    InputError
        Values are complex, not numbers or infinite, or, in features, NaN; a stimulus is NaN in all
        responses; there are fewer than 3 stimuli; the type is none of these; a noise metric finds
        no repeats, no second run or no noise; a covariance is not of these neuroids, symmetric and
        positive definite.
    LabelError
        Stimulus labels are missing or repeated, or differ between ops; the coordinate of runs is
        not there.
    UnknownNameError
        ``metric`` or ``noise`` is not known.

    Warns
    -----
    RuntimeWarning
        Activations are components (`Project`, `PCA`) that do not keep this metric: named.
        Distances are undefined, or all distances of an op (or region and subject) are equal, as
        those of a representation that is the same for every stimulus: named.

    Notes
    -----
    A distance is within rounding of 0 if it is below what the rounding of products in the Gram's
    precision, and of features in theirs (2e-6 of a row in single precision), can make of none.
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
    settings = choose_noise(metric, runs, noise)
    if isinstance(data, xr.DataArray) and {PRESENTATION, NEUROID} & set(data.dims):
        responses = read_responses(data)
        n_rdms = math.prod(len(names) for names in responses.labels.values())
        n_rdms *= responses.values.shape[2]
        with show_progress(n_rdms, WHAT, quiet=quiet):
            rdms = _compute_from_responses(responses, metric, runs, settings)
            # Not every subject has every region.
            count_steps(n_rdms)
    else:
        features = open_features(data, "gram", "row_sum", "n_features")
        if settings.covariance is not None:
            refuse_covariance()
        if isinstance(features, Grams):
            with show_progress(features.grams.sizes.get(OP, 1), WHAT, quiet=quiet):
                rdms = _compute_from_grams(features, metric, runs, settings.noise)
        else:
            warn_components(features.arrays, features.names, metric)
            with show_progress(len(features.arrays), WHAT, quiet=quiet):
                rdms = _compute_from_activations(features, metric, runs, settings.noise)
    marks = labels.get_marks(data)
    if metric in NOISE_METRICS and not isinstance(data, xr.Dataset):
        marks.pop(labels.SAMPLES, None)  # they are presentations
    rdms = rdms.rename("rdm").assign_attrs({**marks, **settings.attrs})
    warn_undefined(rdms, metric in NOISE_METRICS)
    warn_constant(rdms)
    return rdms


def _compute_from_responses(
    responses: Responses, metric: str, runs: str | None, settings: NoiseSettings
) -> xr.DataArray:
    """Return one RDM for each (region, subject, time_bin) that the responses have."""
    presented = responses.presented
    noise = settings.noise
    design = choose_design(presented.codes, presented.columns, metric, runs, noise)
    covariance = None
    if settings.covariance is not None:
        covariance = read_covariance(settings.covariance, responses.neuroids)
    n_stimuli = len(presented.ids)
    n_times = responses.values.shape[2]
    shape = [len(names) for names in responses.labels.values()]
    squares = np.full((*shape, n_times, n_stimuli, n_stimuli), np.nan)
    for group in iterate_groups(responses, single=design is not None):
        if len(group.stimuli) < 3 or not group.values.size:
            continue
        selected = design if design is None else select_rows(design, group.rows)
        part = None if covariance is None else covariance[np.ix_(group.members, group.members)]
        square = compute_one(group.values, metric, selected, noise, part)
        squares[group.place][np.ix_(group.stimuli, group.stimuli)] = square
        count_steps()
    recorded = {name: (STIMULUS, labels) for name, labels in list_recorded(presented).items()}
    if not responses.time:
        whole = _label_rdms(squares[..., 0, :, :], responses.labels, presented.ids)
        return whole.assign_coords(recorded)
    lead = responses.labels | {TIME_BIN: responses.time[TIME_BIN]}
    labelled = _label_rdms(squares, lead, presented.ids)
    return labelled.assign_coords({**responses.time, **recorded})


def _compute_from_activations(
    features: Activations, metric: str, runs: str | None, noise: str
) -> xr.DataArray:
    """Return RDMs (op, stimulus, stimulus_2), or (stimulus, stimulus_2) for a single array.

    Few ops are loaded at a time.
    """
    pairs = zip(features.arrays, features.names, strict=True)
    once = [name for array, name in pairs if SAMPLE not in array.dims]
    if once:
        is_whole = len(once) == len(features.arrays) and not features.alone
        refuse_noise(metric, "a DataTree of activations" if is_whole else once[0])
    labels.check_unique(features.ops, "the op names of the activations")
    with ThreadPoolExecutor(_count_threads(features.arrays)) as pool:
        squares = []
        for square in pool.map(
            lambda array, name: (
                _compute_from_samples(array, metric, runs, noise, name)
                if metric in NOISE_METRICS
                else _compute_from_features(array, metric, name)
            ),
            features.arrays,
            features.names,
        ):
            squares.append(square)
            count_steps()
    ids = squares[0].ids
    metadata = list_metadata(features.arrays[0])
    if features.alone:
        return _label_rdms(squares[0].rdm, {}, ids).assign_coords(metadata)
    aligned = [
        _align_square(square, ids, name)
        for square, name in zip(squares, features.names, strict=True)
    ]
    return _label_rdms(np.stack(aligned), {OP: features.ops}, ids).assign_coords(metadata)


def _count_threads(arrays: list[xr.DataArray]) -> int:
    """Return how many ops to compute side by side.

    Products of few stimuli are too small for threads of their own.
    """
    small = all(array.sizes.get(STIMULUS, 0) <= 512 and array.nbytes <= 2**29 for array in arrays)
    return min(4, os.cpu_count() or 1) if small else 1


def _align_square(square: Square, ids: np.ndarray, name: str) -> np.ndarray:
    """Return the RDM (n, n) of one op with its stimuli in the order of ``ids``."""
    if square.ids.tolist() == ids.tolist():
        return square.rdm
    labelled = _label_rdms(square.rdm, {}, square.ids)
    return labels.align_labels(labelled, ids.tolist(), name=name, other="the first op").values


def _compute_from_features(array: xr.DataArray, metric: str, name: str) -> Square:
    """Return the RDM of one array (stimulus, ...)."""
    ids, values = flatten_features(array, name)
    # The square of NaN or inf is NaN or inf, so the diagonal shows them, and large arrays are read
    # only once.
    with np.errstate(all="ignore"):
        gram, row_sum, precision = compute_gram_for(values, metric)
    if not np.isfinite(np.diag(gram)).all():
        check_numbers(values, ids, name)
        raise InputError(
            f"{name} holds numbers too large to square: up to {np.abs(values).max():.3g}. Scale it "
            f"first."
        )
    return Square(ids, METRICS[metric].distance(gram, row_sum, values.shape[1], precision))


def _compute_from_samples(
    array: xr.DataArray, metric: str, runs: str | None, noise: str, name: str
) -> Square:
    """Return the RDM of one array (stimulus, sample, ...), samples as presentations."""
    presented = list_presentations(array, name)
    check_count(presented.ids, name)
    columns = {SAMPLE: presented.samples}
    crossed = (runs or SAMPLE) if metric == "crossnobis" else None
    design = make_design(presented.codes, columns, metric, crossed, noise)
    return Square(presented.ids, compute_one(presented.values, metric, design, noise))


def _compute_from_grams(features: Grams, metric: str, runs: str | None, noise: str) -> xr.DataArray:
    """Return RDMs (op, stimulus, stimulus_2), or (stimulus, stimulus_2) for the Gram of one op."""
    products = features.read()
    gram = products.gram
    if metric in NOISE_METRICS:
        rdms = _compute_from_presentations(products, metric, runs, noise)
    else:
        squares = np.empty(gram.shape)
        noise_of_rows = _find_gram_noise(features.grams)
        for k, product in enumerate(products.iterate()):
            blur = noise_of_rows**2 * np.diag(product.gram)
            residual = None if products.residual is None else products.residual[k]
            precision = Precision(products.eps, blur, residual)
            squares[k] = METRICS[metric].distance(*product, precision)
            count_steps()
        rdms = gram.copy(data=squares).drop_attrs()
    return rdms.isel({OP: 0}) if products.alone else rdms


def _find_gram_noise(grams: xr.Dataset) -> float:
    """Return the relative rounding of the features behind Grams.

    Those whose precision is recorded were made of what a network computed in single precision.
    """
    is_network = "eps" in grams.attrs
    return FEATURE_NOISE[4 if is_network else min(8, max(4, grams["gram"].dtype.itemsize))]


def _compute_from_presentations(
    products: Products, metric: str, runs: str | None, noise: str
) -> xr.DataArray:
    """Return RDMs (op, stimulus, stimulus_2) from Grams of presentations along 'stimulus'."""
    gram = products.gram
    columns = {str(name): c.values for name, c in gram.coords.items() if c.dims == (STIMULUS,)}
    if STIMULUS_ID not in columns:
        refuse_noise(metric, "a Gram without the coordinate 'stimulus_id' on 'stimulus'")
    codes, ids = number_labels(columns[STIMULUS_ID], "'stimulus_id' of the Gram")
    check_count(ids, "gram")
    design = make_design(codes, columns, metric, runs, noise)
    squares = np.empty((gram.sizes[OP], len(ids), len(ids)))
    for k, product in enumerate(products.iterate()):
        residual = None if products.residual is None else products.residual[k]
        rounding = bound_rounding(product.gram, products.eps, residual)
        square = center_twice(blank_rounding(product.gram, rounding))
        squares[k] = measure_noisy(square, product.n_features, metric, design, noise)
        count_steps()
    return _label_rdms(squares, {OP: gram[OP].values}, ids)


def _label_rdms(squares: np.ndarray, lead: Mapping[str, Any], ids: np.ndarray) -> xr.DataArray:
    """Return ``squares`` with its labels along ``lead`` and the stimulus ids on both sides."""
    coords: dict[str, Any] = {**lead, STIMULUS: ids, STIMULUS_2: ids}
    return xr.DataArray(squares, dims=tuple(coords), coords=coords)
