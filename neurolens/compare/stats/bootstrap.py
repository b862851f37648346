"""The two-factor bootstrap of Schuett et al. (2023): pure arrays.

Stimuli, subjects, and both are resampled with the same draws; the three variances combine into one
that holds for new stimuli and new subjects at once. Axes: d draws, m ops, s subjects.
"""

import hashlib

import numpy as np

from neurolens.errors import InputError

# What was drawn anew, in the order of the first axis of the arrays below.
RESAMPLED = ("both", "subjects", "stimuli")


def draw_stimuli(n_stimuli: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each stimulus occurs in each of ``size`` draws with replacement, (d, n).

    Fewer than 4 stimuli are refused: with three, all draws of three different ones are the same.
    """
    if size and n_stimuli < 4:
        raise InputError(
            f"a bootstrap needs at least 4 stimuli, got {n_stimuli}. Pass more, or n_bootstrap=0 "
            f"to compare_rdms.",
            anchor="too-few-stimuli",
        )
    return rng.multinomial(n_stimuli, np.full(n_stimuli, 1 / n_stimuli), size=size)


def draw_groups(group: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each stimulus occurs in each of ``size`` draws of whole groups, (d, n).

    All stimuli of a ``group`` (n,), numbered from 0, occur equally often. Fewer than 4 groups are
    refused.
    """
    n_groups = int(group.max()) + 1
    if size and n_groups < 4:
        raise InputError(
            f"a bootstrap of groups needs at least 4 of them, got {n_groups}. Pass more groups, "
            f"n_bootstrap=0 to compare_rdms, or resample stimuli, without by=.",
            anchor="too-few-stimuli",
        )
    return rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=size)[:, group]


def hash_draws(counts: np.ndarray, ids: np.ndarray) -> str:
    """Return the sha256, as hex, of how often each of ``ids`` (n,) occurs in ``counts`` (d, n).

    It does not depend on the order of the stimuli. Where it is the same, draw k of one result is of
    the same stimuli as draw k of the other, and scores can be compared draw by draw.
    """
    names = [repr(name) for name in ids.tolist()]
    order = sorted(range(len(names)), key=names.__getitem__)
    digest = hashlib.sha256("\n".join(names[k] for k in order).encode())
    digest.update(np.ascontiguousarray(counts[:, order], dtype="<i4").tobytes())
    return digest.hexdigest()


def halve_units(unit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a mask (n,), True in half a, that halves stimuli at random with each ``unit`` whole.

    Units are dealt in random order, the largest first, each to the half that holds fewer stimuli,
    and halves are named at random, so they differ by the largest unit at most.
    """
    numbers, inverse, sizes = np.unique(unit, return_inverse=True, return_counts=True)
    order = rng.permutation(len(numbers))
    order = order[np.argsort(-sizes[order], kind="stable")]
    in_first = np.zeros(len(numbers), dtype=bool)
    filled = [0, 0]
    for place in order:
        half = int(filled[1] < filled[0])
        in_first[place] = half == 0
        filled[half] += sizes[place]
    return (in_first if rng.random() < 0.5 else ~in_first)[inverse]


def draw_subjects(present: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return the share (d, region, s) of each subject in each draw of the ``present`` (region, s).

    Shares in a region sum to 1. Regions with the same subjects get the same draws.
    """
    chance = rng.random((size, present.shape[1]))
    shares = np.zeros((size, *present.shape))
    for region, here in enumerate(present):
        members = np.flatnonzero(here)
        picked = members[(chance[:, : len(members)] * len(members)).astype(int)]
        for column in picked.T:
            shares[np.arange(size), region, column] += 1 / len(members)
    return shares


def resample_means(score: np.ndarray, drawn: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the means over subjects (3, d, m) under each kind of RESAMPLED.

    ``score`` (m, s) is of all stimuli, ``drawn`` (d, m, s) of draws of stimuli; ``shares`` (d, s)
    are the weights of the subjects in each draw.
    """
    both = np.einsum("dms,ds->dm", drawn, shares)
    subjects = np.einsum("ms,ds->dm", score, shares)
    return np.stack([both, subjects, drawn.mean(axis=-1)])


def covary_means(means: np.ndarray) -> np.ndarray:
    """Return the covariance between ops (3, m, m) over the draws of ``means`` (3, d, m).

    A draw without a value for one of the ops that have any is left out, so that all ops use the
    same draws.
    """
    scored = ~np.isnan(means).all(axis=(0, 1))
    kept = means[:, ~np.isnan(means[:, :, scored]).any(axis=(0, 2))]
    if kept.shape[1] < 2:
        return np.full((len(means), means.shape[2], means.shape[2]), np.nan)
    kept = kept - kept.mean(axis=1, keepdims=True)
    return np.swapaxes(kept, 1, 2) @ kept / (kept.shape[1] - 1)


def vary_draws(drawn: np.ndarray) -> np.ndarray:
    """Return the variance over the first axis of ``drawn``, leaving undefined draws out.

    It is NaN where fewer than two are left.
    """
    is_defined = ~np.isnan(drawn)
    n_defined = is_defined.sum(axis=0)
    count = np.where(n_defined > 1, n_defined, np.nan)
    mean = np.where(is_defined, drawn, 0.0).sum(axis=0) / count
    spread = np.where(is_defined, drawn - mean, 0.0)
    return (spread**2).sum(axis=0) / (count - 1)


def combine_variances(variances: np.ndarray, n_subjects: int, n_stimuli: int) -> np.ndarray:
    """Return the variance over new stimuli and subjects from ``variances`` (3, ...).

    ``variances`` are those of the bootstraps, in the order of RESAMPLED. They combine as S/(S-1)
    V_s + C/(C-1) V_c - S C/((S-1)(C-1)) (V_b - V_s - V_c), the small-sample form of 2 (V_s + V_c) -
    V_b, not below the larger of its first two terms and not above V_b. With one subject it is
    C/(C-1) V_c: for new stimuli only.
    """
    both, subjects, stimuli = variances
    by_stimuli = n_stimuli / (n_stimuli - 1) * stimuli
    if n_subjects < 2:
        return by_stimuli
    by_subjects = n_subjects / (n_subjects - 1) * subjects
    scale = n_subjects * n_stimuli / ((n_subjects - 1) * (n_stimuli - 1))
    variance = by_subjects + by_stimuli - scale * (both - subjects - stimuli)
    return np.minimum(np.maximum(variance, np.maximum(by_subjects, by_stimuli)), both)
