"""One RDM of features, or of presentations with a design."""

import numpy as np

from neurolens.compare.rdms.crossnobis import Design, measure_noisy
from neurolens.compare.rdms.distances import METRICS, compute_gram_for
from neurolens.compare.rdms.noise import whiten_rows
from neurolens.compare.stats.linalg import compute_gram

# A neuroid whose spread is below this share of its size is constant up to rounding.
FLAT = 1e-12


def compute_one(
    values: np.ndarray,
    metric: str,
    design: Design | None = None,
    noise: str = "identity",
    covariance: np.ndarray | None = None,
) -> np.ndarray:
    """Return the RDM (n, n) of features (n, p), or of presentations (q, p) and their ``design``.

    ``covariance`` (p, p) is the noise that the user gave, if any.
    """
    if design is not None:
        rows = values - values.mean(axis=0, dtype=np.float64, keepdims=True)
        # A neuroid that never changes differs from its mean by rounding.
        rows[:, np.abs(rows).max(axis=0) <= FLAT * np.abs(values).max(axis=0)] = 0.0
        if covariance is not None:
            rows = whiten_rows(rows, covariance)
        gram, _ = compute_gram(rows)
        return measure_noisy(gram, values.shape[1], metric, design, noise)
    shifted = compute_gram_for(values, metric)
    return METRICS[metric].distance(
        shifted.gram, shifted.row_sum, values.shape[1], shifted.precision
    )
