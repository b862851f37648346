"""Reliability of the responses of each neuroid, from repeated presentations."""

from typing import NamedTuple

import numpy as np
import torch
import xarray as xr

from neurolens.compare.inputs.checks import Seed, check_whole, make_generator, rank_ids
from neurolens.compare.inputs.repeats import (
    NEUROID_REPEATS,
    average_counts,
    count_repeats,
    sum_repeats,
    summarize_counts,
)
from neurolens.compare.inputs.responses import Presented, Responses, read_responses
from neurolens.compare.stats.correlation import FLAT, correlate_columns
from neurolens.errors import warn_user
from neurolens.labels import NEUROID, TIME_BIN, list_names

NO_REPEATS = (
    "No ceiling: too few stimuli were shown more than once, so nothing can be said about noise."
)
# Numbers of responses of which halves are averaged at a time.
BLOCK_NUMBERS = 2**22


def compute_split_half(
    responses: xr.DataArray, *, n_splits: int = 100, rng: Seed = 0
) -> xr.DataArray:
    """Compute the reliability of each neuroid's mean response from random halves of the repeats.

    The Spearman-Brown correction gives rho = k r / (1 + (k - 1) r), where r is the correlation over
    stimuli between the means of two halves, averaged over splits, and k is the number of all
    presentations over that of a half: 2 where all numbers are even, 3 for three.

    Parameters
    ----------
    responses : DataArray (presentation, neuroid) or (presentation, neuroid, time_bin)
        With ``stimulus_id`` on presentation; stimuli with one presentation are left out, and of an
        odd number of presentations one is left out at random in each split, which k makes up for.
        NaN is a presentation that was not recorded: presentations are counted for each neuroid.
    n_splits : int
        Random splits; each stimulus' presentations are split on their own.
    rng : int or Generator
        Seed of the splits. They belong to the stimulus ids and, within a stimulus, to
        ``repetition`` on presentation; without it, to the order in which the presentations of that
        stimulus stand.

    Returns
    -------
    DataArray (neuroid) or (neuroid, time_bin)
        Named "ceiling", in (0, 1]; it bounds r^2 of a model with the mean over all repeats, so its
        root bounds r. NaN where the halves do not correlate (r <= 0) and with fewer than three
        stimuli that repeat, which a warning names. Attributes: ``kind`` "reliability",
        ``n_repeats`` (the harmonic mean over stimuli; the median where neuroids differ in it, and
        then the coordinate ``neuroid_repeats`` tells that of each), ``note``.

    Raises
    ------
    InputError, LabelError
        As for brain responses in ``compute_rdms``; ``n_splits`` is below 1.

    Notes
    -----
    Time O(splits presentations neuroids). The correlation between halves is that of Pearson over
    stimuli; with n of them it is too small by about (1 - r^2) r / 2n: a planted reliability of .78
    gave on average .75 with 8 stimuli of 12 presentations, .47 gave .46 with 30 or 100 of 3. Where
    many neuroids do not correlate and are left out, the mean of the others is too large: .37 gave
    .52 with 8 stimuli of 2.

    References
    ----------
    Spearman (1910); Brown (1910) Br. J. Psychol. 3:271-322. Checked against loops and simulated
    noise.
    """
    check_whole(n_splits, "n_splits", 1, 100)
    generator = make_generator(rng)
    read = read_responses(responses)
    repeats = _count_presentations(read, 2)
    if repeats.is_unknown.all():
        return _label_ceiling(None, responses, read, "reliability", repeats, NO_REPEATS)
    order = _order_presentations(read.presented)
    # Random numbers are assigned to stimuli in sorted order of their ids.
    by_id = np.argsort(rank_ids(read.ids))
    n_presented = np.bincount(read.codes)
    rows = [order[read.codes[order] == k] for k in by_id if n_presented[k] > 1]
    # (presentation, neuroid and time_bin)
    values = read.values.reshape(len(read.codes), -1).astype(np.float64)
    r = _correlate_halves(values, read.codes, rows, n_splits, generator)
    # Noise is proportional to the mean of 1 / n over stimuli, in halves and in the whole.
    times = average_counts(repeats.counts, repeats.used) / average_counts(
        repeats.counts // 2, repeats.used
    )
    half = np.where((r > 0) & ~repeats.is_unknown, r, np.nan)
    rho = times * half / (1 + (times - 1) * half)
    _warn_unreliable(read, np.isnan(rho), repeats.is_unknown, "their halves do not correlate")
    n_used = int(repeats.used.any(axis=1).sum())
    note = f"Spearman-Brown of {n_splits} random halves over {n_used} stimuli with repeats."
    return _label_ceiling(rho, responses, read, "reliability", repeats, note)


def compute_ncsnr(responses: xr.DataArray, *, min_repeats: int = 2) -> xr.DataArray:
    """Compute the noise ceiling signal-to-noise ratio (ncsnr, as in NSD) of each neuroid.

    By analysis of variance: with n_i presentations of stimulus i of a stimuli, N in all, and means
    m_i, noise^2 = MSW = sum_i sum_j (x_ij - m_i)^2 / (N - a), MSB = sum_i n_i (m_i - m)^2 / (a -
    1), m the mean of all, k = (N - sum_i n_i^2 / N) / (a - 1), which is the number of presentations
    where it is the same for all; signal^2 = max((MSB - MSW) / k, 0); ncsnr = signal / noise.

    Parameters
    ----------
    responses : DataArray (presentation, neuroid) or (presentation, neuroid, time_bin)
        With ``stimulus_id`` on presentation, z-scored per session by the caller: otherwise
        differences between sessions count as noise where a stimulus is shown in several sessions,
        and as signal where all of its presentations lie in one. NaN is a presentation that was not
        recorded: presentations are counted for each neuroid.
    min_repeats : int
        Stimuli with fewer presentations are left out, as NSD keeps those with all three.

    Returns
    -------
    DataArray (neuroid) or (neuroid, time_bin)
        Named "ceiling", 0 or more. Attributes: ``kind`` "ncsnr", ``n_repeats`` 1 (it is of single
        presentations; ``normalize_scores`` turns it into the ceiling of any average),
        ``inverse_repeats``, mean over stimuli of 1/n for those used (the median over neuroids where
        they differ in it; the coordinate ``neuroid_repeats`` then tells the harmonic mean of each).
        NaN with fewer than three stimuli that repeat, with ``note`` saying so where no neuroid has
        more, and for a neuroid that is constant or without any noise, with a warning.

    Raises
    ------
    InputError, LabelError
        As for brain responses in ``compute_rdms``.

    Notes
    -----
    NC(n) = ncsnr^2 / (ncsnr^2 + 1/n) bounds r^2 with the mean of n presentations; where stimuli
    have different numbers 1/n becomes the mean of 1/n_i.

    Both variances are unbiased for any number of stimuli and presentations, but for the bound at 0.
    Their ratio is still too large where N - a is small, by about 1 in N - a: a planted ncsnr^2 of
    .30 gave on average .30 with 8 stimuli of 12 presentations, .32 with 30 of 3, .62 with 8 of 2.
    Allen et al. (2022)
    take the total variance of single presentations (1 after z-scoring) less noise^2 for signal^2.
    Presentations of one stimulus share their signal, so the total variance is too small by
    signal^2 (k - 1) / (a k - 1), and their signal^2 is on average (a - 1) k / (a k - 1) of the true
    one: .88 with 8 stimuli of 12 presentations, .993 with 100 of 3, and the same with the thousands
    of NSD.

    References
    ----------
    Searle, Casella & McCulloch (1992) Variance Components, ch. 3.6, on uneven numbers; Allen et al.
    (2022) Nat. Neurosci. 25:116, Methods, "Noise ceiling estimation". Checked against a loop and
    simulated signal and noise.
    """
    check_whole(min_repeats, "min_repeats", 1, 3)
    read = read_responses(responses)
    n_needed = max(2, min_repeats)
    repeats = _count_presentations(read, n_needed)
    if repeats.is_unknown.all():
        ceiling = _label_ceiling(None, responses, read, "ncsnr", repeats, NO_REPEATS)
        return ceiling.assign_attrs(n_repeats=1)
    values = read.values.reshape(len(read.codes), -1).astype(np.float64)
    variances = _split_variances(values, read.codes, repeats)
    signal = np.maximum(variances.between - variances.within, 0.0) / variances.n_presented
    # Without any noise, the deviation from the mean is only rounding error.
    without_noise = variances.within <= FLAT**2 * variances.power
    _warn_unreliable(
        read,
        without_noise | repeats.is_unknown,
        repeats.is_unknown,
        "all presentations of a stimulus are alike, as if averaged before",
    )
    without = without_noise | repeats.is_unknown
    ncsnr = np.sqrt(signal / np.where(without, np.nan, variances.within))
    n_used = int(repeats.used.any(axis=1).sum())
    note = f"{n_used} stimuli with {n_needed} or more presentations."
    ceiling = _label_ceiling(ncsnr, responses, read, "ncsnr", repeats, note)
    return ceiling.assign_attrs(n_repeats=1, inverse_repeats=1 / ceiling.attrs["n_repeats"])


class Counts(NamedTuple):
    """Presentations of each stimulus that each neuroid, at each time, was recorded in.

    ``counts`` (stimulus, v), ``used`` (stimulus, v): whether they are enough; ``is_unknown`` (v,):
    whether fewer than three stimuli are.
    """

    counts: np.ndarray
    used: np.ndarray
    is_unknown: np.ndarray


class Variances(NamedTuple):
    """Mean squares (v,) ``between`` stimuli and ``within`` them, and the mean square, ``power``.

    ``n_presented`` (v,) is the number of presentations per stimulus that the first is the multiple
    of.
    """

    between: np.ndarray
    within: np.ndarray
    power: np.ndarray
    n_presented: np.ndarray


def _count_presentations(read: Responses, n_needed: int) -> Counts:
    """Return the presentations of each stimulus, of which ``n_needed`` or more are enough."""
    present = ~np.isnan(read.values.reshape(len(read.codes), -1))
    counts = count_repeats(present, read.codes, len(read.ids))
    used = counts >= n_needed
    return Counts(counts, used, used.sum(axis=0) < 3)


def _split_variances(values: np.ndarray, codes: np.ndarray, repeats: Counts) -> Variances:
    """Return the mean squares of ``values`` (presentation, v), NaN where not recorded."""
    counts = np.where(repeats.used, repeats.counts, 0)  # (stimulus, v)
    total = np.maximum(counts.sum(axis=0), 1)  # (v,)
    rows = repeats.used[codes] & ~np.isnan(values)
    known = np.where(rows, values, 0.0)
    # Large offsets would cost the mean squares their digits.
    offset = known.sum(axis=0) / total
    known = np.where(rows, known - offset, 0.0)
    means = sum_repeats(known, codes, len(counts)) / np.maximum(counts, 1)
    within = np.where(rows, known - means[codes], 0.0)
    mean = (counts * means).sum(axis=0) / total
    n_stimuli = np.maximum(repeats.used.sum(axis=0), 2)
    between = (counts * (means - mean) ** 2).sum(axis=0) / (n_stimuli - 1)
    return Variances(
        between,
        (within**2).sum(axis=0) / np.maximum(total - n_stimuli, 1),
        (known**2).sum(axis=0) / total + offset**2,
        (total - (counts**2).sum(axis=0) / total) / (n_stimuli - 1),
    )


def _correlate_halves(
    values: np.ndarray,
    codes: np.ndarray,
    rows: list[np.ndarray],
    n_splits: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the mean over splits of the correlation (v,) between the means of two halves.

    ``values`` are (presentation, v), ``codes`` (presentation,) their stimuli, ``rows`` the
    presentations of each stimulus that repeats. An undefined correlation counts as 0.
    """
    splits = []
    for _ in range(n_splits):
        drawn = [rng.permutation(row) for row in rows]
        splits.append(np.concatenate(drawn))
    r = np.zeros(values.shape[1])
    step = max(1, BLOCK_NUMBERS // len(values))
    for start in range(0, values.shape[1], step):
        block = slice(start, start + step)
        here = values[:, block]
        for split in splits:
            halves = _average_halves(here[split], np.unique(codes[split], return_inverse=True)[1])
            correlation = correlate_columns(*map(torch.from_numpy, halves))
            r[block] += np.nan_to_num(correlation.numpy()) / n_splits
    return r


def _average_halves(values: np.ndarray, codes: np.ndarray) -> list[np.ndarray]:
    """Return the means (stimulus, v) of the first half of the presentations, and of the second.

    ``values`` (presentation, v) are in the order drawn. Those of a stimulus without halves are the
    mean over the others, which leaves a correlation over stimuli as it is.
    """
    n_stimuli = codes.max() + 1
    present = ~np.isnan(values)
    if present.all():
        present = present[:, :1]
    half = count_repeats(present, codes, n_stimuli) // 2  # (stimulus, v)
    halved = half > 0
    before = _count_before(present, codes)
    known = np.where(present, values, 0.0)
    means = []
    for number in (0, 1):
        inside = before // np.maximum(half, 1)[codes] == number
        mean = sum_repeats(np.where(inside, known, 0.0), codes, n_stimuli) / np.maximum(half, 1)
        others = np.where(halved, mean, 0.0).sum(axis=0) / np.maximum(halved.sum(axis=0), 1)
        means.append(np.where(halved, mean, others))
    return means


def _count_before(present: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return how many presentations (q, v) of the same stimulus ``present`` have come before."""
    by_stimulus = np.argsort(codes, kind="stable")
    running = np.cumsum(present[by_stimulus], axis=0) - present[by_stimulus]
    starts = np.searchsorted(codes[by_stimulus], np.arange(codes.max() + 1))
    before = np.empty(present.shape, dtype=int)
    before[by_stimulus] = running - running[starts][codes[by_stimulus]]
    return before


def _order_presentations(presented: Presented) -> np.ndarray:
    """Return the indices that sort the rows by ``repetition``, or keep their order without it."""
    if "repetition" not in presented.columns:
        return np.arange(len(presented.codes))
    return np.argsort(rank_ids(presented.columns["repetition"]))


def _label_ceiling(
    values: np.ndarray | None,
    responses: xr.DataArray,
    read: Responses,
    kind: str,
    repeats: Counts,
    note: str,
) -> xr.DataArray:
    """Return ``values`` (neuroid and time_bin) with the coordinates of the responses and a kind.

    None is NaN throughout.
    """
    dims = (NEUROID, TIME_BIN) if read.time else (NEUROID,)
    coords = {name: c.variable for name, c in responses.coords.items() if set(c.dims) <= set(dims)}
    used = None if repeats.is_unknown.all() else repeats.used
    counts = average_counts(repeats.counts, used)  # (neuroid and time_bin)
    known = counts[~np.isnan(counts)]
    shape = read.values.shape[1:] if read.time else read.values.shape[1:2]
    if len(np.unique(known)) > 1:
        coords[NEUROID_REPEATS] = xr.Variable(dims, counts.reshape(shape))
    attrs = {"kind": kind, "n_repeats": summarize_counts(counts), "note": note}
    values = np.full(shape, np.nan) if values is None else values.reshape(shape)
    return xr.DataArray(values, dims=dims, coords=coords, name="ceiling", attrs=attrs)


def _warn_unreliable(
    read: Responses, without: np.ndarray, is_unknown: np.ndarray, otherwise: str
) -> None:
    """Warn once, naming the neuroids ``without`` a ceiling at some time, and why.

    ``without`` and ``is_unknown``, for want of repeats, are (neuroid and time_bin).
    """
    shape = read.values.shape[1:]
    lost = without.reshape(shape).any(axis=1)
    unknown = lost & is_unknown.reshape(shape).any(axis=1)
    constant = lost & ~unknown & _is_constant(read).any(axis=1)
    reasons = {
        "they do not vary": constant,
        "fewer than three of their stimuli have enough presentations": unknown,
        otherwise: lost & ~unknown & ~constant,
    }
    sentences = [f"{why}: {list_names(read.neuroids[x])}" for why, x in reasons.items() if x.any()]
    if sentences:
        warn_user(
            f"no ceiling for {lost.sum()} neuroids, because {'; '.join(sentences)}. They are NaN: "
            f"leave them out."
        )


def _is_constant(read: Responses) -> np.ndarray:
    """Return which (neuroid, time_bin) have the same response in all presentations."""
    missing = np.isnan(read.values)
    lowest = np.where(missing, np.inf, read.values).min(axis=0)
    return np.where(missing, -np.inf, read.values).max(axis=0) <= lowest
