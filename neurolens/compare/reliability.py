"""How reliable responses are, per neuroid, and scores as a share of what reliability allows."""

import warnings

import numpy as np
import xarray as xr

from neurolens.compare.responses import Responses, read_responses
from neurolens.errors import InputError, LabelError
from neurolens.labels import NEUROID, TIME_BIN, list_names

NO_REPEATS = "No ceiling: too few stimuli were shown more than once, so nothing can be said about noise."
KINDS = ("reliability", "ncsnr", "r", "r2")


def compute_split_half(
    responses: xr.DataArray, *, n_splits: int = 100, rng: int | np.random.Generator = 0
) -> xr.DataArray:
    """Reliability of each neuroid's mean response, from random halves of the repeats, Spearman-Brown corrected.

    rho = 2 r / (1 + r), r the correlation over stimuli between the means of two halves, averaged over splits.

    Parameters
    ----------
    responses : DataArray (presentation, neuroid) or (presentation, neuroid, time_bin)
        With ``stimulus_id`` on presentation; stimuli with one presentation are left out, and of an odd number of
        presentations one is left out at random in each split.
    n_splits : int
        Random splits; each stimulus' presentations are split on their own.
    rng : int or Generator
        Seed of the splits.

    Returns
    -------
    DataArray (neuroid) or (neuroid, time_bin)
        Named "ceiling", in (0, 1]; it bounds r^2 of a model with the mean over all repeats, so its root bounds r. NaN
        where the halves do not correlate (r <= 0), which a warning names, and without repeats. Attributes: ``kind``
        "reliability", ``n_repeats`` (the harmonic mean over stimuli), ``note``.

    Raises
    ------
    InputError, LabelError
        As for brain responses in ``compute_rdms``; ``n_splits`` is below 1.

    Notes
    -----
    Time O(splits presentations neuroids).

    References
    ----------
    Spearman (1910); Brown (1910) Br. J. Psychol. 3:271-322. Checked against loops and simulated noise.
    """
    if n_splits < 1:
        raise InputError(f"n_splits must be 1 or more, got {n_splits}. Pass e.g. n_splits=100.")
    read = read_responses(responses)
    repeats = np.bincount(read.codes)
    kept = np.flatnonzero(repeats > 1)
    if len(kept) < 3:
        return _label_ceiling(
            np.full(read.values.shape[1:], np.nan), responses, read, "reliability", repeats.astype(float), NO_REPEATS
        )
    generator = np.random.default_rng(rng)
    rows = [np.flatnonzero(read.codes == k) for k in kept]
    values = read.values.reshape(len(read.codes), -1).astype(np.float64)
    total = np.zeros(values.shape[1])
    for _ in range(n_splits):
        order = [generator.permutation(row) for row in rows]
        halves = [
            np.stack([values[row[part]].mean(axis=0) for row, part in zip(order, parts, strict=True)])
            for parts in zip(*(_halve(len(row)) for row in rows), strict=True)
        ]
        total += correlate_columns(*halves)
    r = total / n_splits
    constant = np.ptp(values, axis=0) == 0
    _warn_unreliable(read, (~(r > 0)).reshape(read.values.shape[1:]), constant.reshape(read.values.shape[1:]))
    rho = np.where(r > 0, 2 * r / (1 + np.where(r > 0, r, 1)), np.nan).reshape(read.values.shape[1:])
    note = f"Spearman-Brown of {n_splits} random halves over {len(kept)} stimuli with repeats."
    return _label_ceiling(rho, responses, read, "reliability", repeats[kept].astype(float), note)


def compute_ncsnr(responses: xr.DataArray, *, min_repeats: int = 2) -> xr.DataArray:
    """Signal over noise of each neuroid: NSD's noise ceiling signal-to-noise ratio.

    noise^2 = mean over stimuli of the variance over their presentations (ddof 1), pooled by degrees of freedom;
    signal^2 = max(total variance of single presentations - noise^2, 0); ncsnr = signal / noise.

    Parameters
    ----------
    responses : DataArray (presentation, neuroid) or (presentation, neuroid, time_bin)
        With ``stimulus_id`` on presentation, z-scored per session by the caller: differences between sessions count
        as noise otherwise (in NSD .07 in place of .26).
    min_repeats : int
        Stimuli with fewer presentations are left out, as NSD keeps those with all three.

    Returns
    -------
    DataArray (neuroid) or (neuroid, time_bin)
        Named "ceiling", 0 or more. Attributes: ``kind`` "ncsnr", ``n_repeats`` 1 (it is of single presentations;
        ``normalize_scores`` turns it into the ceiling of any average), ``inverse_repeats``, mean over stimuli of 1/n
        for those used. NaN without repeats, with ``note`` saying so, and for a constant neuroid, with a warning.

    Raises
    ------
    InputError, LabelError
        As for brain responses in ``compute_rdms``.

    Notes
    -----
    NC(n) = ncsnr^2 / (ncsnr^2 + 1/n) bounds r^2 with the mean of n presentations; where stimuli have different numbers
    1/n becomes the mean of 1/n_i. With unit total variance the formula is that of the paper.

    References
    ----------
    Allen et al. (2022) Nat. Neurosci. 25:116, Methods, "Noise ceiling estimation". Checked against a loop and
    simulated signal and noise.
    """
    read = read_responses(responses)
    repeats = np.bincount(read.codes)
    kept = repeats >= max(2, min_repeats)
    shape = read.values.shape[1:]
    if not kept.any():
        return _label_ceiling(np.full(shape, np.nan), responses, read, "ncsnr", repeats.astype(float), NO_REPEATS)
    used = kept[read.codes]
    values = read.values[used].astype(np.float64)
    codes = read.codes[used]
    means = np.stack([values[codes == k].mean(axis=0) for k in np.flatnonzero(kept)])
    place = np.cumsum(kept) - 1
    left = values - means[place[codes]]
    noise = (left**2).sum(axis=0) / (len(codes) - kept.sum())
    signal = np.maximum(values.var(axis=0, ddof=1) - noise, 0.0)
    constant = np.ptp(values, axis=0) == 0
    if constant.any():
        _warn_unreliable(read, constant, constant)
    ncsnr = np.sqrt(np.where(constant, np.nan, signal) / np.where(noise > 0, noise, np.nan))
    note = f"{int(kept.sum())} stimuli with {max(2, min_repeats)} or more presentations."
    ceiling = _label_ceiling(ncsnr, responses, read, "ncsnr", repeats[kept].astype(float), note)
    return ceiling.assign_attrs(n_repeats=1, inverse_repeats=float((1 / repeats[kept]).mean()))


def normalize_scores(scores: xr.DataArray, ceilings: xr.DataArray) -> xr.DataArray:
    """Scores as a share of their ceilings, if the two belong together; an error if they do not.

    A score r is divided by the root of a ceiling on r^2 ("reliability", "r2", "ncsnr" turned into NC(n)) or by one on r
    ("r"); a score r2 by a ceiling on r^2, or by the square of one on r.

    Parameters
    ----------
    scores : DataArray
        With attributes ``kind``, "r" or "r2", and ``n_repeats``: how many presentations the responses it was computed
        with are the mean of (1 for single trials, the harmonic mean where that differs).
    ceilings : DataArray
        With attributes ``kind`` (reliability, ncsnr, r, r2) and ``n_repeats``; shares dimensions with ``scores``.

    Returns
    -------
    DataArray
        1 where the score is all that the noise allows; NaN where the ceiling is NaN, 0 or below: such a neuroid is
        excluded, never divided. Above 1 where the score exceeds the estimate of its ceiling.

    Raises
    ------
    InputError
        A kind is missing or unknown; the two are of different numbers of repeats, or of different comparators.
    LabelError
        Labels of a shared dimension differ.

    Examples
    --------
    >>> import xarray as xr
    >>> r = xr.DataArray([0.6, 0.3], dims="neuroid", attrs={"kind": "r", "n_repeats": 4})
    >>> rho = xr.DataArray([0.64, 0.0], dims="neuroid", attrs={"kind": "reliability", "n_repeats": 4})
    >>> normalize_scores(r, rho).round(3).values.tolist()
    [0.75, nan]
    """
    kind, n_repeats = _read_kind(scores, "scores", ("r", "r2"))
    ceiling_kind, ceiling_repeats = _read_kind(ceilings, "ceilings", KINDS)
    if scores.attrs.get("comparator") != ceilings.attrs.get("comparator"):
        raise InputError(
            f"scores are of comparator {scores.attrs.get('comparator')!r}, ceilings of "
            f"{ceilings.attrs.get('comparator')!r}. Compute the ceilings with the comparator of the scores."
        )
    if ceiling_kind == "ncsnr" and not isinstance(n_repeats, str):
        bound = ceilings**2 / (ceilings**2 + 1 / n_repeats)
    elif n_repeats == ceiling_repeats or (
        not isinstance(n_repeats, str)
        and not isinstance(ceiling_repeats, str)
        and np.isclose(n_repeats, ceiling_repeats)
    ):
        bound = ceilings
    else:
        raise InputError(
            f"scores are of the mean of {n_repeats} presentations, ceilings of {ceiling_repeats}. Compute both with "
            "the same responses, or use compute_ncsnr, which serves any number."
        )
    bound = bound.where(bound > 0)
    if kind == "r" and ceiling_kind != "r":
        bound = bound**0.5
    elif kind == "r2" and ceiling_kind == "r":
        bound = bound**2
    for dim in set(scores.dims) & set(bound.dims):
        if dim in scores.coords and dim in bound.coords and not scores[dim].equals(bound[dim].reset_coords(drop=True)):
            raise LabelError(f"scores and ceilings differ in their labels along {dim!r}. Align them first, by label.")
    share = scores / bound.reset_coords(drop=True)
    return share.rename(scores.name).assign_attrs({**scores.attrs, "kind": f"share of ceiling ({ceiling_kind})"})


def correlate_columns(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each column of ``a`` with that of ``b``; 0 where one does not vary."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return (a * b).sum(axis=0) / np.where(scale > 0, scale, np.inf)


def _halve(n: int) -> tuple[slice, slice]:
    return slice(0, n // 2), slice(n // 2, 2 * (n // 2))


def _read_kind(array: xr.DataArray, name: str, known: tuple[str, ...]) -> tuple[str, float | str]:
    """Return the kind and the number of repeats that ``array`` says it has."""
    kind = array.attrs.get("kind")
    if kind not in known or "n_repeats" not in array.attrs:
        raise InputError(
            f"{name} must say what they are: attrs['kind'] one of {known} and attrs['n_repeats'], got kind {kind!r} "
            f"and n_repeats {array.attrs.get('n_repeats')!r}. Set them with "
            f"{name}.assign_attrs(kind='...', n_repeats=...)."
        )
    return str(kind), array.attrs["n_repeats"]


def _label_ceiling(
    values: np.ndarray, responses: xr.DataArray, read: Responses, kind: str, repeats: np.ndarray, note: str
) -> xr.DataArray:
    """Return ``values`` (neuroid, time_bin) with the coordinates of the responses and what kind of ceiling they are."""
    dims = (NEUROID, TIME_BIN) if read.time else (NEUROID,)
    coords = {name: c.variable for name, c in responses.coords.items() if set(c.dims) <= set(dims)}
    n_repeats = float(1 / (1 / repeats).mean())
    attrs = {"kind": kind, "n_repeats": n_repeats, "note": note}
    return xr.DataArray(values if read.time else values[:, 0], dims=dims, coords=coords, name="ceiling", attrs=attrs)


def _warn_unreliable(read: Responses, bad: np.ndarray, constant: np.ndarray) -> None:
    """Warn once, naming the neuroids (rows of ``bad``) without a ceiling."""
    names = read.neuroids[bad.any(axis=1)]
    if len(names):
        reason = "they do not vary" if constant[bad].all() else "their halves do not correlate"
        warnings.warn(
            f"no ceiling for {len(names)} neuroids, because {reason}: {list_names(names)}. They are NaN: leave "
            "them out.",
            RuntimeWarning,
            stacklevel=3,
        )
