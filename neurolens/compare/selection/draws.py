"""Scores of resampled data, from any method."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.stats.bootstrap import RESAMPLED, combine_variances, vary_draws
from neurolens.compare.stats.intervals import count_freedom
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, SUBJECT
from neurolens.scores import BOOTSTRAP, HALF, SPLIT, find_remedy

# Used for scores that do not state the confidence of their intervals.
DEFAULT_LEVEL = 0.95
# Draws of errors from the differences between halves.
N_ERRORS = 1000


class Draws(NamedTuple):
    """Mean scores under resampling.

    ``values`` (resampled, draw, op, region), the first axis in the order of RESAMPLED: all three
    are the same where only stimuli were drawn. ``n_subjects`` (region,): over how many subjects
    they generalize, 1 where only stimuli were drawn.
    """

    values: np.ndarray
    n_subjects: np.ndarray


class Errors(NamedTuple):
    """Draws of the deviation of mean scores from what they estimate.

    ``values`` (kind, draw, op, region), about 0: kinds as in RESAMPLED, or one where they come from
    halves. ``series`` (kind, sample, op, region) is what variances are computed from: the same
    values, or, where ``from_halves``, half the difference between halves of each split.
    ``variance`` (op, region) of the scores, with ``freedom`` (region,); ``n_subjects`` (region,)
    over how many subjects they generalize, 1 for stimuli only; ``n_units`` stimuli, or groups of
    them, were resampled. ``over`` says over what the errors are, "" where there are none.
    """

    values: np.ndarray
    series: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray
    n_subjects: np.ndarray
    n_units: int
    over: str
    from_halves: bool

    def combine(self, variances: np.ndarray, region: int) -> np.ndarray:
        """Return the variance of scores from ``variances`` (kind, ...) of errors."""
        if len(variances) == 1:
            return variances[0]
        return combine_variances(variances, self.n_subjects[region], self.n_units)

    def vary(self, series: np.ndarray, region: int) -> np.ndarray:
        """Return the variance (...) of what has the errors ``series`` (kind, sample, ...)."""
        if self.from_halves:
            return (series[0] ** 2).mean(axis=0)
        return self.combine(vary_draws(np.moveaxis(series, 1, 0)), region)


def read_draws(scores: xr.Dataset, consumer: str, *, least: int) -> Draws:
    """Return the draws that scores hold, which must be ``least`` or more, and not a single one.

    Raises InputError, naming the function that needs them, where scores hold too few or none.
    """
    names = [name for name in ("draws", "bootstrap_mean") if name in scores]
    n_draws = scores[names[0]].sizes[BOOTSTRAP] if names else 0
    if not names or n_draws < least or n_draws == 1:
        raise InputError(
            f"{consumer} needs resampled scores: scores must hold 'draws' or 'bootstrap_mean', two "
            f"of them or more, got {n_draws}. Make scores with "
            f"{find_remedy('draws', scores.attrs['method'])}.",
            anchor="scores-incomplete",
        )
    name = names[0]
    draws = scores[name].transpose(..., BOOTSTRAP, OP, REGION).values.astype(np.float64)
    # (draw, op, region) to (resampled, draw, op, region)
    values = np.broadcast_to(draws, (len(RESAMPLED), *draws.shape[-3:]))
    if name == "draws":
        return Draws(values, _count_subjects(scores))
    return Draws(values, np.ones(scores.sizes[REGION], dtype=int))


def read_errors(scores: xr.Dataset, consumer: str) -> Errors:
    """Return draws of the errors of mean scores, none where scores hold no draws.

    Those of encoding scores come from the differences between halves, others from the draws.
    """
    if scores.attrs["method"] == "encoding":
        return _read_halved_errors(scores)
    draws = read_draws(scores, consumer, least=0)
    n_units = count_units(scores)
    variances = vary_draws(np.moveaxis(draws.values, 1, 0))  # (resampled, op, region)
    variance = np.empty(variances.shape[1:])
    for region, count in enumerate(draws.n_subjects):
        variance[:, region] = combine_variances(variances[..., region], count, n_units)
    is_defined = ~np.isnan(draws.values)
    sums = np.where(is_defined, draws.values, 0.0).sum(axis=1, keepdims=True)
    mean = sums / np.maximum(1, is_defined.sum(axis=1, keepdims=True))
    freedom = [count_freedom(count, n_units) for count in draws.n_subjects]
    values = draws.values - mean
    return Errors(
        values=values,
        series=values,
        variance=variance,
        freedom=np.array(freedom, float),
        n_subjects=draws.n_subjects,
        n_units=n_units,
        over=_describe_errors(scores, draws),
        from_halves=False,
    )


def _describe_errors(scores: xr.Dataset, draws: Draws) -> str:
    """Return over what draws are, "" where there are none."""
    if not draws.values.shape[1]:
        return ""
    over = str(scores.attrs.get("interval_over") or "stimuli")
    new_subjects = (draws.n_subjects > 1).any() and "subjects" not in over
    return f"{over} and subjects" if new_subjects else over


def _read_halved_errors(scores: xr.Dataset) -> Errors:
    """Return errors from the differences between halves, as for the intervals of encoding scores.

    Halves are independent, and each varies twice as much as the whole.
    """
    halves = scores["split_score"].transpose(SPLIT, HALF, OP, REGION).values
    gap = (halves[:, 0] - halves[:, 1]) / 2  # (split, op, region)
    n_splits, _, n_regions = gap.shape
    weights = np.random.default_rng(0).normal(size=(N_ERRORS, n_splits)) / np.sqrt(n_splits)
    n_units = count_units(scores)
    # Each fold takes one degree of freedom for its mean.
    n_free = max(1, n_units - int(scores.attrs.get("n_folds", 0)))
    freedom = 1 / (1 / n_splits + 1 / n_free)
    return Errors(
        values=np.tensordot(weights, gap, 1)[None],
        series=gap[None],
        variance=(gap**2).mean(axis=0),
        freedom=np.full(n_regions, freedom),
        n_subjects=np.ones(n_regions, dtype=int),
        n_units=n_units,
        over=str(scores.attrs.get("interval_over") or "stimuli"),
        from_halves=True,
    )


def count_units(scores: xr.Dataset) -> int:
    """Return how many stimuli, or groups of stimuli, were resampled."""
    return int(scores.attrs.get("n_units", scores.attrs["n_stimuli"]))


def read_level(scores: xr.Dataset) -> float:
    """Return the confidence of the intervals of scores."""
    level = float(scores.attrs.get("interval_level", np.nan))
    return level if np.isfinite(level) else DEFAULT_LEVEL


def _count_subjects(scores: xr.Dataset) -> np.ndarray:
    """Return the number of subjects (region,) that scores are the mean of."""
    if "n_subjects" in scores:
        return scores["n_subjects"].values.astype(int)
    present = scores["score"].notnull().any(OP)  # (region, subject)
    return present.sum(SUBJECT).values.astype(int)
