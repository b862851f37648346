"""Distances corrected for noise, from the Gram of single presentations: Mahalanobis and crossnobis.

For features A (presentation, feature) with G = A A', the residuals about the mean of each stimulus
are E = Q A, so the noise covariance enters only through G: A inv(a I + b E'E) A' = (G - G Q inv(a/b
I + Q G Q) Q G) / a (Woodbury). No matrix of features by features is ever formed, and a Gram of
presentations gives the same result as the features themselves.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from neurolens.compare.inputs.responses import number_labels
from neurolens.compare.rdms.distances import (
    FLOAT64_EPS,
    METRICS,
    Precision,
    euclidean_distance,
)
from neurolens.compare.rdms.noise import GIVEN, is_given
from neurolens.errors import InputError, LabelError
from neurolens.labels import check_name, list_names, suggest_name


class Design(NamedTuple):
    """The stimulus, ``codes``, that each presentation showed, and its run, ``runs``.

    Both are whole numbers (presentation,); stimuli are numbered below ``n_stimuli``.
    """

    codes: np.ndarray
    n_stimuli: int
    runs: np.ndarray


def average_rows(codes: np.ndarray, n_stimuli: int) -> np.ndarray:
    """Return the matrix (stimulus, presentation) that averages the presentations of each stimulus.

    A stimulus without presentations has a row of 0.
    """
    hits = codes == np.arange(n_stimuli)[:, None]
    return hits / np.maximum(hits.sum(axis=1, keepdims=True), 1)


def whiten_gram(
    gram: np.ndarray, n_features: int, codes: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Return A inv(S) A' with the noise covariance S of Ledoit & Wolf (2004).

    S is shrunk towards a multiple of the identity. Residuals are those of the presentations
    ``rows`` about each stimulus' mean over them, with rows - stimuli degrees of freedom.
    """
    used = codes[rows]
    n = len(rows)
    n_stimuli = codes.max() + 1
    dof = n - len(np.unique(used))
    if dof < 2:
        raise InputError(
            f"repeats leave {dof} degrees of freedom, and noise needs at least 2",
            anchor="repeats-needed",
        )
    averaging = average_rows(used, n_stimuli)[used]
    crossed = gram[:, rows] - gram[:, rows] @ averaging.T
    residual = crossed[rows] - averaging @ crossed[rows]
    power = np.diag(residual)
    if power.sum() <= 1e-12 * np.trace(gram):
        raise InputError(
            "repeats do not differ, so there is no noise to measure", anchor="repeats-needed"
        )
    size = (residual**2).sum() / n**2
    variance = power.sum() / (n * n_features)
    off = size - n_features * variance**2
    error = ((power**2).mean() - size) / n
    shrinkage = min(1.0, error / off) if off > 0 else 1.0
    if shrinkage <= 1e-12:
        raise InputError("repeats are too few to shrink their covariance", anchor="repeats-needed")
    ridge = shrinkage * variance * n / dof
    if shrinkage == 1:
        return gram / ridge
    inner = residual + np.eye(n) * (ridge * dof / (1 - shrinkage))
    return (gram - crossed @ np.linalg.solve(inner, crossed.T)) / ridge


class Noise(NamedTuple):
    """One row of NOISES: ``whiten(gram, n_features, codes, rows)``, and whether it is done per run.

    ``per_run`` measures the noise about the means of the other runs. For normal noise that is
    independent of those means and of the run itself, so that noise leaves no bias in the distance.
    """

    whiten: Callable[[np.ndarray, int, np.ndarray, np.ndarray], np.ndarray]
    per_run: bool


def mahalanobis_distance(
    gram: np.ndarray, n_features: int, design: Design, noise: Noise
) -> np.ndarray:
    """Return the SQUARED distance of stimulus means per feature, from a Gram of presentations."""
    mean = average_rows(design.codes, design.n_stimuli)
    whitened = noise.whiten(gram, n_features, design.codes, np.arange(len(gram)))
    no_sums = np.zeros(design.n_stimuli)
    precision = Precision(FLOAT64_EPS, no_sums)
    return euclidean_distance(mean @ whitened @ mean.T, no_sums, n_features, precision)


def crossnobis_distance(
    gram: np.ndarray, n_features: int, design: Design, noise: Noise
) -> np.ndarray:
    """Return the mean over runs of (x_i - x_j)'(y_i - y_j) per feature.

    x is from that run and y from all others. The distance is NaN for a pair that no run has
    together with another run; its expectation is 0 where two stimuli do not differ.
    """
    total = np.zeros((design.n_stimuli, design.n_stimuli))
    folds = np.zeros_like(total)
    whitened = gram
    if not noise.per_run:
        whitened = noise.whiten(gram, n_features, design.codes, np.arange(len(gram)))
    for run in np.unique(design.runs):
        here = design.runs == run
        if noise.per_run:
            whitened = noise.whiten(gram, n_features, design.codes, np.flatnonzero(~here))
        test = np.zeros((design.n_stimuli, len(gram)))
        train = np.zeros_like(test)
        test[:, here] = average_rows(design.codes[here], design.n_stimuli)
        train[:, ~here] = average_rows(design.codes[~here], design.n_stimuli)
        shared = test.any(axis=1) & train.any(axis=1)
        both = np.outer(shared, shared)
        inner = test @ whitened @ train.T
        total += np.where(both, np.add.outer(np.diag(inner), np.diag(inner)) - inner - inner.T, 0.0)
        folds += both
    distance = (total + total.T) / 2 / np.where(folds > 0, folds, np.nan) / n_features
    np.fill_diagonal(distance, 0.0)
    return distance


NOISES: dict[str, Noise] = {
    "ledoit-wolf": Noise(whiten_gram, per_run=False),
    "ledoit-wolf-per-run": Noise(whiten_gram, per_run=True),
    # Noise that is equal and independent over features.
    "identity": Noise(lambda gram, *_: gram, per_run=False),
}

NoiseMetric = Callable[[np.ndarray, int, Design, Noise], np.ndarray]
NOISE_METRICS: dict[str, NoiseMetric] = {
    "mahalanobis": mahalanobis_distance,
    "crossnobis": crossnobis_distance,
}


def measure_noisy(
    gram: np.ndarray, n_features: int, metric: str, design: Design, noise: str
) -> np.ndarray:
    """Return the RDM (n, n) of a metric of ``NOISE_METRICS`` from the Gram of presentations.

    Where no presentation differs from another all distances are 0, whatever the noise.
    """
    if not gram.any():
        return np.zeros((design.n_stimuli, design.n_stimuli))
    try:
        return NOISE_METRICS[metric](gram, n_features, design, NOISES[noise])
    except InputError as error:
        fix = "More repeats, or noise='identity', would do."
        if NOISES[noise].per_run:
            fix = (
                "Noise per run is that of the other runs, which must repeat stimuli: have 3 runs, "
                "or pass noise='identity' (no whitening) or noise='ledoit-wolf' (of all runs: the "
                "distance is biased upwards)."
            )
        raise InputError(
            f"metric {metric!r}, noise={noise!r}: {error}. {fix}", anchor="repeats-needed"
        ) from None


def choose_design(
    codes: np.ndarray,
    columns: Mapping[str, np.ndarray],
    metric: str,
    runs: str | None,
    noise: str,
) -> Design | None:
    """Return the design that ``metric`` needs, None for a metric that averages presentations."""
    return make_design(codes, columns, metric, runs, noise) if metric in NOISE_METRICS else None


def make_design(
    codes: np.ndarray,
    columns: Mapping[str, np.ndarray],
    metric: str,
    runs: str | None,
    noise: str,
) -> Design:
    """Return the stimulus and the run of each presentation.

    ``codes`` and the coordinates ``columns`` are along presentations.
    """
    n_stimuli = codes.max() + 1
    is_measured = metric == "crossnobis" or noise != "identity"
    if is_measured and len(codes) == n_stimuli:
        raise InputError(
            f"metric {metric!r} measures noise over repeats, and no stimulus repeats. Pass single "
            f"presentations with 'stimulus_id' on 'presentation', or use metric='euclidean'.",
            anchor="repeats-needed",
        )
    if metric != "crossnobis":
        return Design(codes, n_stimuli, np.zeros_like(codes))
    chosen = runs or next((name for name in ("run", "repetition") if name in columns), None)
    if chosen is None or chosen not in columns:
        error = f" {suggest_name(runs, columns, 'coordinate on presentation')}" if runs else ""
        raise LabelError(
            f"crossnobis needs a coordinate that tells which run each presentation was in:{error} "
            f"Name it with runs='...'; there are {list_names(columns)}.",
            anchor="repeats-needed",
        )
    numbers, _ = number_labels(columns[chosen], f"the run {chosen!r} of presentations")
    if numbers.max() == 0:
        raise InputError(
            f"crossnobis needs at least 2 runs, and {chosen!r} has one value. Name another: "
            f"runs='...'.",
            anchor="repeats-needed",
        )
    return Design(codes, n_stimuli, numbers)


def select_rows(design: Design, rows: np.ndarray) -> Design:
    """Return the design of the presentations ``rows``, their stimuli numbered anew in order."""
    numbers, codes = np.unique(design.codes[rows], return_inverse=True)
    return Design(codes, len(numbers), design.runs[rows])


class NoiseSettings(NamedTuple):
    """The ``noise`` to use, and ``attrs`` of the RDMs that are made with it.

    ``covariance`` is what the user gave, if any; responses whitened by it have the ``noise``
    "identity".
    """

    noise: str
    covariance: Any
    attrs: dict[str, Any]


def choose_noise(metric: str, runs: str | None, noise: Any) -> NoiseSettings:
    """Return the noise to use, by default one that adds no bias.

    Raises UnknownNameError or InputError for a metric or settings that cannot be used.
    """
    check_name(metric, [*METRICS, *NOISE_METRICS], "metric")
    if runs is not None and metric != "crossnobis":
        raise InputError(
            f"runs= is for metric='crossnobis'; {metric!r} does not use it. Leave it out.",
            anchor="repeats-needed",
        )
    if is_given(noise):
        if metric not in NOISE_METRICS:
            raise InputError(
                f"a noise covariance is for metric='mahalanobis' or 'crossnobis'; {metric!r} does "
                f"not use it. Leave it out.",
                anchor="repeats-needed",
            )
        return NoiseSettings("identity", noise, {"metric": metric, "noise": GIVEN})
    if noise is None:
        noise = "ledoit-wolf-per-run" if metric == "crossnobis" else "ledoit-wolf"
    check_name(noise, NOISES, "noise")
    attrs = {"metric": metric} | ({"noise": noise} if metric in NOISE_METRICS else {})
    return NoiseSettings(noise, None, attrs)


def refuse_covariance() -> None:
    """Raise InputError because data without neuroids cannot be whitened by a given covariance."""
    raise InputError(
        "a noise covariance of your own is over neuroids, and Grams and activations have none. "
        "Pass responses (presentation, neuroid), or use noise='ledoit-wolf'.",
        anchor="repeats-needed",
    )


def refuse_noise(metric: str, what: str) -> None:
    """Raise InputError because ``metric`` needs repeats and the data have none."""
    if metric in NOISE_METRICS:
        raise InputError(
            f"metric {metric!r} measures noise over repeats, and {what} holds each stimulus once. "
            f"Pass data with the dimension 'presentation' and the coordinate 'stimulus_id', or use "
            f"metric='euclidean'.",
            anchor="repeats-needed",
        )
