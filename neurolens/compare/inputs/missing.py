"""Presentations that were not recorded: NaN of single neuroids, made up for by other repeats."""

import numpy as np

# The coordinate (neuroid,) with the number of presentations behind a response, where neuroids
# differ in it.
NEUROID_REPEATS = "neuroid_repeats"


def sum_repeats(values: np.ndarray, codes: np.ndarray, n_stimuli: int) -> np.ndarray:
    """Return the sums (n, v), float64, over the rows of ``values`` (q, v) of each of ``codes``."""
    from scipy.sparse import csr_array

    shape = (n_stimuli, len(codes))
    adding = csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=shape)
    return adding @ values.astype(np.float64)


def count_repeats(present: np.ndarray, codes: np.ndarray, n_stimuli: int) -> np.ndarray:
    """Return the number (n, v) of presentations of each stimulus in which ``present`` (q, v)."""
    if present.all():
        counts = np.bincount(codes, minlength=n_stimuli).astype(np.float64)
        return np.repeat(counts[:, None], present.shape[1], axis=1)
    return sum_repeats(present, codes, n_stimuli)


def average_repeats(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the mean (n, ...), float64, over the rows (q, ...) of each of ``codes`` (q,).

    A mean is over the rows that are not NaN; it is NaN where all are.
    """
    n_stimuli = codes.max() + 1
    rows = values.reshape(len(values), -1).astype(np.float64)  # (q, ...) -> (q, v)
    missing = np.isnan(rows)
    if missing.any():
        counts = count_repeats(~missing, codes, n_stimuli)
        rows = np.where(missing, 0.0, rows)
    else:
        counts = np.bincount(codes, minlength=n_stimuli)[:, None]
    means = sum_repeats(rows, codes, n_stimuli) / np.where(counts > 0, counts, np.nan)
    return means.reshape(-1, *values.shape[1:])


def average_counts(counts: np.ndarray, used: np.ndarray | None = None) -> np.ndarray:
    """Return the harmonic mean (v,) over stimuli of ``counts`` (n, v), of those that are ``used``.

    By default all stimuli with a presentation are; NaN where there is none.
    """
    used = counts > 0 if used is None else used
    n_used = used.sum(axis=0)
    inverse = np.where(used, 1 / np.maximum(counts, 1), 0.0).sum(axis=0)
    return n_used / np.where(n_used > 0, inverse, np.nan)


def summarize_counts(repeats: np.ndarray) -> float:
    """Return the number of presentations behind a response of most of the neuroids, the median.

    ``repeats`` (v,) are those of each neuroid, NaN for those without any. A few neuroids that
    missed a presentation do not change it, so that scores and ceilings of the others still fit.
    """
    known = repeats[~np.isnan(repeats)]
    return float(np.median(known)) if len(known) else np.nan


def find_complete(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which rows and columns of ``values`` (row, neuroid) hold no NaN together.

    A row that is NaN throughout is left out, so that the neuroids stay, and then each neuroid that
    is NaN in another row.
    """
    missing = np.isnan(values)
    rows = ~missing.all(axis=1)
    return rows, ~missing[rows].any(axis=0) & rows.any()
