"""Reliability of the responses of each neuroid, from repeated presentations."""

import numpy as np
import torch
import xarray as xr

from neurolens.compare.inputs.checks import Seed, check_whole, make_generator, rank_ids
from neurolens.compare.inputs.responses import (
    Responses,
    average_repeats,
    number_labels,
    read_responses,
)
from neurolens.compare.stats.correlation import FLAT, correlate_columns
from neurolens.errors import warn_user
from neurolens.labels import NEUROID, PRESENTATION, STIMULUS, TIME_BIN, list_names

NO_REPEATS = (
    "No ceiling: too few stimuli were shown more than once, so nothing can be said about noise."
)


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
        root bounds r. NaN where the halves do not correlate (r <= 0), which a warning names, and
        without repeats. Attributes: ``kind`` "reliability", ``n_repeats`` (the harmonic mean over
        stimuli), ``note``.

    Raises
    ------
    InputError, LabelError
        As for brain responses in ``compute_rdms``; ``n_splits`` is below 1.

    Notes
    -----
    Time O(splits presentations neuroids).

    References
    ----------
    Spearman (1910); Brown (1910) Br. J. Psychol. 3:271-322. Checked against loops and simulated
    noise.
    """
    check_whole(n_splits, "n_splits", 1, 100)
    generator = make_generator(rng)
    read = read_responses(responses)
    shape = read.values.shape[1:]
    repeats = np.bincount(read.codes)
    # Random numbers are assigned to stimuli in sorted order of their ids.
    by_id = np.argsort(rank_ids(read.ids))
    repeated = by_id[repeats[by_id] > 1]
    if len(repeated) < 3:
        return _label_ceiling(
            np.full(shape, np.nan), responses, read, "reliability", repeats, NO_REPEATS
        )
    in_order = _order_presentations(responses)
    codes = read.codes[in_order]
    rows = [in_order[codes == stimulus] for stimulus in repeated]
    # (presentation, neuroid and time_bin)
    values = read.values.reshape(len(read.codes), -1).astype(np.float64)
    r = _correlate_halves(values, rows, n_splits, generator).reshape(shape)
    # Noise is proportional to the mean of 1 / n over stimuli, in halves and in the whole.
    times = (1 / (repeats[repeated] // 2)).mean() / (1 / repeats[repeated]).mean()
    half = np.where(r > 0, r, np.nan)
    rho = times * half / (1 + (times - 1) * half)
    _warn_unreliable(
        read, np.isnan(rho), np.ptp(read.values, axis=0) == 0, "their halves do not correlate"
    )
    note = f"Spearman-Brown of {n_splits} random halves over {len(repeated)} stimuli with repeats."
    return _label_ceiling(rho, responses, read, "reliability", repeats[repeated], note)


def compute_ncsnr(responses: xr.DataArray, *, min_repeats: int = 2) -> xr.DataArray:
    """Compute the noise ceiling signal-to-noise ratio (ncsnr, as in NSD) of each neuroid.

    noise^2 = mean over stimuli of the variance over their presentations (ddof 1), pooled by degrees
    of freedom; signal^2 = max(total variance of single presentations - noise^2, 0); ncsnr = signal
    / noise.

    Parameters
    ----------
    responses : DataArray (presentation, neuroid) or (presentation, neuroid, time_bin)
        With ``stimulus_id`` on presentation, z-scored per session by the caller: otherwise
        differences between sessions count as noise where a stimulus is shown in several sessions,
        and as signal where all of its presentations lie in one.
    min_repeats : int
        Stimuli with fewer presentations are left out, as NSD keeps those with all three.

    Returns
    -------
    DataArray (neuroid) or (neuroid, time_bin)
        Named "ceiling", 0 or more. Attributes: ``kind`` "ncsnr", ``n_repeats`` 1 (it is of single
        presentations; ``normalize_scores`` turns it into the ceiling of any average),
        ``inverse_repeats``, mean over stimuli of 1/n for those used. NaN with fewer than three
        stimuli that repeat, with ``note`` saying so, and for a neuroid that is constant or without
        any noise, with a warning.

    Raises
    ------
    InputError, LabelError
        As for brain responses in ``compute_rdms``.

    Notes
    -----
    NC(n) = ncsnr^2 / (ncsnr^2 + 1/n) bounds r^2 with the mean of n presentations; where stimuli
    have different numbers 1/n becomes the mean of 1/n_i. With unit total variance the formula is
    that of the paper.

    References
    ----------
    Allen et al. (2022) Nat. Neurosci. 25:116, Methods, "Noise ceiling estimation". Checked against
    a loop and simulated signal and noise.
    """
    read = read_responses(responses)
    shape = read.values.shape[1:]
    repeats = np.bincount(read.codes)
    n_needed = max(2, min_repeats)
    used = repeats >= n_needed  # (stimulus,)
    if used.sum() < 3:
        return _label_ceiling(np.full(shape, np.nan), responses, read, "ncsnr", repeats, NO_REPEATS)
    rows = used[read.codes]
    values = read.values[rows].astype(np.float64)  # (presentation, neuroid, time_bin)
    codes = number_labels(read.codes[rows])[0]
    deviation = values - average_repeats(values, codes)[codes]
    noise = (deviation**2).sum(axis=0) / (len(codes) - used.sum())
    signal = np.maximum(values.var(axis=0, ddof=1) - noise, 0.0)
    constant = np.ptp(values, axis=0) == 0
    # Without any noise, the deviation from the mean is only rounding error.
    without_noise = noise <= FLAT**2 * (values**2).mean(axis=0)
    _warn_unreliable(
        read,
        without_noise,
        constant,
        "all presentations of a stimulus are alike, as if averaged before",
    )
    ncsnr = np.sqrt(signal / np.where(without_noise, np.nan, noise))
    note = f"{int(used.sum())} stimuli with {n_needed} or more presentations."
    ceiling = _label_ceiling(ncsnr, responses, read, "ncsnr", repeats[used], note)
    return ceiling.assign_attrs(n_repeats=1, inverse_repeats=float((1 / repeats[used]).mean()))


def _correlate_halves(
    values: np.ndarray, rows: list[np.ndarray], n_splits: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the mean over splits of the correlation (v,) between the means of two halves.

    ``values`` are (presentation, v), ``rows`` the presentations of each stimulus. An undefined
    correlation counts as 0.
    """
    r = np.zeros(values.shape[1])
    for _ in range(n_splits):
        first = np.empty((len(rows), values.shape[1]))
        second = np.empty_like(first)
        for k, presentations in enumerate(rows):
            drawn = rng.permutation(presentations)
            half = len(drawn) // 2
            first[k] = values[drawn[:half]].mean(axis=0)
            second[k] = values[drawn[half : 2 * half]].mean(axis=0)
        correlation = correlate_columns(torch.from_numpy(first), torch.from_numpy(second))
        r += np.nan_to_num(correlation.numpy()) / n_splits
    return r


def _order_presentations(responses: xr.DataArray) -> np.ndarray:
    """Return the indices that sort the rows by ``repetition``, or keep their order without it."""
    rows = PRESENTATION if PRESENTATION in responses.dims else STIMULUS
    if "repetition" not in responses.coords or responses["repetition"].dims != (rows,):
        return np.arange(responses.sizes[rows])
    return np.argsort(rank_ids(responses["repetition"].values))


def _label_ceiling(
    values: np.ndarray,
    responses: xr.DataArray,
    read: Responses,
    kind: str,
    repeats: np.ndarray,
    note: str,
) -> xr.DataArray:
    """Return ``values`` (neuroid, time_bin) with the coordinates of the responses and a kind."""
    dims = (NEUROID, TIME_BIN) if read.time else (NEUROID,)
    coords = {name: c.variable for name, c in responses.coords.items() if set(c.dims) <= set(dims)}
    n_repeats = float(1 / (1 / repeats).mean())
    attrs = {"kind": kind, "n_repeats": n_repeats, "note": note}
    return xr.DataArray(
        values if read.time else values[:, 0], dims=dims, coords=coords, name="ceiling", attrs=attrs
    )


def _warn_unreliable(
    read: Responses, without: np.ndarray, constant: np.ndarray, otherwise: str
) -> None:
    """Warn once, naming the neuroids that are ``without`` (neuroid, time_bin) a ceiling."""
    names = read.neuroids[without.any(axis=1)]
    if len(names):
        reason = "they do not vary" if constant[without].all() else otherwise
        warn_user(
            f"no ceiling for {len(names)} neuroids, because {reason}: {list_names(names)}. They "
            f"are NaN: leave them out."
        )
