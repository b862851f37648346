"""Scores as a share of what a perfect model would reach, for neuroids and for whole regions."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.sparse import csr_array

from neurolens.compare.inputs.responses import Targets
from neurolens.errors import InputError, warn_user
from neurolens.labels import NEUROID, list_names

# Kinds of ceiling that follow from the repeats of the responses themselves.
FROM_REPEATS = ("ncsnr", "reliability")
# What is divided by what, by measure; NC is the share of variance that can be explained.
RATIOS = {"r": "r / sqrt(NC)", "r2": "r2 / NC"}
POOLED = {
    "r": "sqrt(mean of r|r| / mean of NC), over neuroids",
    "r2": "mean of r2 / mean of NC, over neuroids",
}


# Neuroids from which on their spread says whether their mean ceiling is above 0.
MIN_NEUROIDS = 10


class Explainable(NamedTuple):
    """The share of variance that can be explained, NC, for each neuroid.

    ``bound`` (neuroid,) is NaN where a ceiling is 0 or less, for neuroids one by one. ``signed``
    (neuroid,) is for means over neuroids: ``is_unbiased`` if it was estimated from repeats without
    cutting it at 0, so that noise falls below 0 as often as above.
    """

    bound: np.ndarray
    signed: np.ndarray
    is_unbiased: bool


class Pooled(NamedTuple):
    """The normalised score of a group of neuroids and its standard error."""

    value: np.ndarray
    error: np.ndarray


def check_least(min_ceiling: float) -> float:
    """Return the least share that is divided by, or raise InputError for what is no share."""
    if not 0 <= min_ceiling < 1:
        raise InputError(
            f"min_ceiling must be a share of variance from 0 to 1, got {min_ceiling!r}. Pass e.g. "
            "min_ceiling=0.1."
        )
    return float(min_ceiling)


def read_explainable(share: xr.DataArray, responses: xr.DataArray, targets: Targets) -> Explainable:
    """Return what can be explained, given what ``read_ceiling`` returned.

    A ceiling is cut at 0, so its mean over neuroids of nothing but noise is above 0. Where it is of
    the kind that follows from the repeats, and ``responses`` hold repeats, the mean is taken over
    an estimate that is not cut.
    """
    bound = share.values
    if share.attrs["kind"] in FROM_REPEATS:
        signed = estimate_share(responses, targets)
        if signed is not None:
            return Explainable(bound, np.where(np.isnan(signed), bound, signed), True)
    return Explainable(bound, np.nan_to_num(bound), False)


def estimate_share(responses: xr.DataArray, targets: Targets) -> np.ndarray | None:
    """Return an unbiased estimate (neuroid,) of the share of variance that can be explained.

    1 - (a - 3) / (a - 1) MSW mean(1 / n_i) / V, of the means of a stimuli with n_i presentations: V
    is their variance and MSW that of presentations of a stimulus. It can be negative. None where
    no stimulus was shown twice.

    Notes
    -----
    For normal responses V / E(V) is chi^2 / (a - 1), with E(1 / chi^2) = 1 / (a - 3). With the
    same n for all, 1 - MSW / (n V) is one less the inverse of F of an analysis of variance.
    """
    codes = targets.presented.codes
    rows = responses.transpose(targets.presented.dim, NEUROID).values
    n_stimuli = len(targets.ids)
    if len(rows) == n_stimuli or n_stimuli < 4:
        return None
    known = np.isfinite(rows)
    values = np.where(known, rows, 0.0).astype(np.float64)
    summing = csr_array(
        (np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(n_stimuli, len(codes))
    )
    counts = summing @ known.astype(np.float64)  # (stimulus, neuroid)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (summing @ values) / counts
        freedom = (counts - 1).clip(min=0).sum(axis=0)
        inside = np.where(known, values - means[codes], 0.0)
        noise = (inside**2).sum(axis=0) / freedom
        lost = (n_stimuli - 3) / (n_stimuli - 1) * noise * (1 / counts).mean(axis=0)
        return 1 - lost / means.var(axis=0, ddof=1)


def normalize_neuroids(
    measured: np.ndarray, measure: str, share: np.ndarray, min_ceiling: float
) -> np.ndarray:
    """Return scores (..., neuroid) divided by their ceilings, NaN below ``min_ceiling``."""
    kept = np.where(share >= min_ceiling, share, np.nan)
    return measured / (np.sqrt(kept) if measure == "r" else kept)


def pool_normalized(
    measured: np.ndarray, measure: str, signed: np.ndarray, is_unbiased: bool
) -> Pooled:
    """Return the normalised score (op,) of a group from scores (op, neuroid) and NC (neuroid,).

    The sum of what is explained over the sum of what can be. It is NaN where the latter is not
    above 0; if it ``is_unbiased``, and of enough neuroids, by two standard errors over neuroids.
    The standard error is that of a ratio of means, with neuroids as independent.
    """
    explained = measured * np.abs(measured) if measure == "r" else measured
    used = ~np.isnan(explained).all(axis=0) & ~np.isnan(signed)
    n = int(used.sum())
    blank = np.full(len(measured), np.nan)
    if not n:
        return Pooled(blank, blank)
    explained = explained[:, used]
    share = signed[used]
    doubt = share.std(ddof=1) / np.sqrt(n) if n >= MIN_NEUROIDS and is_unbiased else 0.0
    if share.mean() <= 2 * doubt:
        return Pooled(blank, blank)
    ratio = explained.mean(axis=1) / share.mean()
    left = explained - ratio[:, None] * share
    error = left.std(axis=1, ddof=1) / np.sqrt(n) / share.mean() if n > 1 else blank
    if measure != "r":
        return Pooled(ratio, error)
    root = np.sqrt(np.abs(ratio))
    return Pooled(np.sign(ratio) * root, error / (2 * np.where(root > 0, root, np.nan)))


def warn_unknown(names: list[str]) -> None:
    """Warn, naming the regions and subjects in which hardly anything can be explained."""
    if names:
        warn_user(
            f"no normalised score for {list_names(names)}: the noise ceiling of their neuroids is "
            "on average not above 0, or not by two standard errors. Take more reliable neuroids, "
            "or more repeats."
        )


def describe_normalization(
    explainable: Explainable, measure: str, min_ceiling: float, usable: np.ndarray
) -> dict[str, str]:
    """Return attributes that say how scores were normalised and how noisy neuroids count."""
    share = np.nan_to_num(explainable.bound[usable])
    n_low = int((share < max(min_ceiling, np.finfo(float).tiny)).sum())
    how = (
        "with NC estimated from the repeats and not cut at 0, so that noisy neuroids do not bias it"
        if explainable.is_unbiased
        else "with NC as given, cut at 0, so that it is too low where many neuroids are noise"
    )
    return {
        "normalization": RATIOS[measure],
        "normalization_note": (
            f"normalised, of one neuroid: {RATIOS[measure]}, without the {n_low} of {len(share)} "
            f"neuroids with NC below {min_ceiling:g} (min_ceiling). score_normalised, of a region: "
            f"{POOLED[measure]}, over all neuroids, {how}. Its standard error is over neuroids, "
            "taken as independent; it is NaN where the mean of NC is not above 0."
        ),
    }
