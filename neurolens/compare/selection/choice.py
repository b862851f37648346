"""Which op has the largest score: pure arrays."""

import numpy as np


def find_peaks(scores: np.ndarray, eligible: np.ndarray) -> np.ndarray:
    """Return which op (draw, region) has the largest of ``scores`` (draw, op, region).

    Only ops that are ``eligible`` (op,) count; -1 where none of them has a score.
    """
    usable = ~np.isnan(scores) & eligible[:, None]
    largest = np.where(usable, scores, -np.inf).argmax(axis=1)
    return np.where(usable.any(axis=1), largest, -1)


def share_choices(chosen: np.ndarray, n_ops: int) -> np.ndarray:
    """Return the fraction (op, region) of ``chosen`` (choice, region) that each op is."""
    return (chosen[:, None] == np.arange(n_ops)[:, None]).mean(axis=0)


def nest_subjects(halves: np.ndarray) -> float:
    """Return the mean score in the subject and the half that did not choose.

    ``halves`` is (split, half, op, subject): the op for a subject is chosen by the other subjects
    on the other half. The mean is NaN for fewer than two subjects.
    """
    halves = halves[..., ~np.isnan(halves).all(axis=(0, 1, 2))]
    n_subjects = halves.shape[-1]
    if n_subjects < 2:
        return np.nan
    others = (halves.sum(axis=-1, keepdims=True) - halves) / (n_subjects - 1)
    # Only an op with a score in every subject can be chosen.
    if np.isnan(others).all(axis=2).any():
        return np.nan
    # (split, half, op, subject) to (split, other half, 1, subject)
    chosen = np.nanargmax(others, axis=2)[:, ::-1, None]
    return float(np.take_along_axis(halves, chosen, axis=2).mean())
