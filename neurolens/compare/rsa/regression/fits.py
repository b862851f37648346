"""Regressions on RDMs over all stimuli, draws and folds of stimuli, and under permutation."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import put_on
from neurolens.compare.rdms.vectors import BrainRDMs, ModelRDMs, mean_subjects
from neurolens.compare.rsa.comparators.moments import weigh_pairs
from neurolens.compare.rsa.regression.coefficients import (
    Coefficients,
    correlate_pairs,
    solve_coefficients,
)
from neurolens.compare.rsa.regression.freedman_lane import correlate_orders, explain_orders
from neurolens.compare.rsa.regression.held_out import predict_held_out
from neurolens.compare.rsa.regression.residuals import (
    MIN_FREEDOM,
    Controls,
    scale_rows,
    span_controls,
    take_residuals,
)
from neurolens.compare.rsa.regression.weighted_ranks import Rows, sort_rows
from neurolens.compare.stats.intervals import infer_mean, percentile_interval
from neurolens.compare.stats.null import rank_among, rank_null
from neurolens.labels import OP, REGION, SUBJECT
from neurolens.scores import BOOTSTRAP, PER_REGION, PER_SUBJECT

PER_BRAIN = (REGION, SUBJECT)


class Plan(NamedTuple):
    """What is fitted, stimuli in the order of the RDMs.

    ``counts`` (draw, n) of stimuli, or of groups of which there are ``n_units``; ``fold_of``
    (division, n); ``orders`` (1 + permutation, n); whether pairs are ranked and coefficients 0 or
    above; ``confidence`` of the intervals.
    """

    counts: np.ndarray
    n_units: int
    fold_of: np.ndarray
    orders: np.ndarray
    ranked: bool
    nonnegative: bool
    confidence: float


class Fits(NamedTuple):
    """Variables of the result by name, on (op, region, subject), (region, subject) and so on."""

    by_op: dict[str, np.ndarray]
    by_brain: dict[str, np.ndarray]
    by_region: dict[str, np.ndarray]
    p_r2: np.ndarray | None
    bootstrap_mean: np.ndarray


class Drawn(NamedTuple):
    """Coefficients and unique variance (draw, op, region, subject) of draws of stimuli."""

    beta: np.ndarray
    unique: np.ndarray


def estimate_fits(x: np.ndarray, brain: BrainRDMs, plan: Plan) -> Fits:
    """Return all that the regression of ``brain`` on ``x`` (k, p) gives."""
    y = brain.pairs[brain.present]
    once = np.ones((1, plan.fold_of.shape[1]), dtype=int)
    whole = _solve_draws(sort_rows(x), sort_rows(y), once, plan)[0]
    drawn = _fit_draws(x, brain, plan)
    held_out = predict_held_out(x, y, plan.fold_of, plan.ranked, plan.nonnegative)
    by_op = {
        "score": _spread(whole.beta, brain),
        "unique": _spread(whole.unique, brain),
        "unique_heldout": _spread(held_out.unique, brain),
    }
    by_op["ci_low"], by_op["ci_high"] = percentile_interval(drawn.beta, plan.confidence)
    by_brain = {
        "r2": _spread(whole.r2, brain),
        "shared": _spread(whole.r2 - whole.unique.sum(axis=0), brain),
        "r2_heldout": _spread(held_out.r2, brain),
        "shared_heldout": _spread(held_out.r2 - held_out.unique.sum(axis=0), brain),
    }
    beta_mean = mean_subjects(drawn.beta, brain.present)
    by_region = {"score_mean": mean_subjects(by_op["score"], brain.present)}
    low, high = percentile_interval(beta_mean, plan.confidence)
    by_region |= {"mean_ci_low": low, "mean_ci_high": high}
    by_region |= _bound_unique(by_op["unique_heldout"], drawn.unique, brain, plan)
    tests = _test_coefficients(x, brain, plan) if len(plan.orders) > 1 else {}
    by_region |= {name: tests[name] for name in ("p", "q", "p_max") if tests}
    p_r2 = _test_fit(x, brain, plan) if tests else None
    return Fits(by_op, by_brain, by_region, p_r2, beta_mean.astype(np.float32))


def _spread(values: np.ndarray, brain: BrainRDMs) -> np.ndarray:
    """Return ``values`` (..., brain RDM) by region and subject, NaN where there is no RDM."""
    by_subject = np.full((*values.shape[:-1], *brain.present.shape), np.nan)
    by_subject[..., brain.present] = values
    return by_subject


def _solve_draws(x: Rows, y: Rows, counts: np.ndarray, plan: Plan) -> list[Coefficients]:
    """Return the fit in each draw of ``counts`` (d, n), NaN where there are too few pairs."""
    fits = []
    for _, weights in weigh_pairs(counts):
        for weight in weights:
            if np.count_nonzero(weight) < len(x.values) + 1 + MIN_FREEDOM:
                lost = np.full((len(x.values), len(y.values)), np.nan)
                fits.append(Coefficients(lost, lost[0], lost))
                continue
            correlations = correlate_pairs(
                scale_rows(x, weight, plan.ranked), scale_rows(y, weight, plan.ranked), weight
            )
            fits.append(solve_coefficients(correlations, plan.nonnegative))
    return fits


def _fit_draws(x: np.ndarray, brain: BrainRDMs, plan: Plan) -> Drawn:
    """Return the coefficients and unique variance of each draw."""
    y = brain.pairs[brain.present]
    fits = _solve_draws(sort_rows(x), sort_rows(y), plan.counts, plan)
    shape = (len(fits), len(x), len(y))
    beta = np.array([fit.beta for fit in fits]).reshape(shape)
    unique = np.array([fit.unique for fit in fits]).reshape(shape)
    return Drawn(_spread(beta, brain), _spread(unique, brain))


def _bound_unique(
    unique: np.ndarray, drawn: np.ndarray, brain: BrainRDMs, plan: Plan
) -> dict[str, np.ndarray]:
    """Return the mean of ``unique`` (op, region, subject) over subjects, with an interval.

    Its deviation is that of the fitted unique variance ``drawn`` (draw, op, region, subject).
    """
    mean = mean_subjects(unique, brain.present)
    if len(drawn):
        kept = np.ma.masked_invalid(mean_subjects(drawn, brain.present))
        variance = np.ma.filled(kept.var(axis=0, ddof=1), np.nan)
    else:
        variance = np.full(mean.shape, np.nan)
    bounds = infer_mean(mean, variance, plan.n_units - 1, plan.confidence)
    return {"unique_mean": mean, "unique_ci_low": bounds.low, "unique_ci_high": bounds.high}


def _test_coefficients(x: np.ndarray, brain: BrainRDMs, plan: Plan) -> dict[str, np.ndarray]:
    """Return the tests (op, region) of each coefficient, given all others."""
    y = sort_rows(brain.pairs[brain.present])
    weight = np.ones(x.shape[1])
    scores = np.empty((len(plan.orders), len(x), *brain.present.shape))
    for k in range(len(x)):
        others = np.arange(len(x)) != k
        controls = Controls(sort_rows(x[others]), degree=1, ranked=plan.ranked)
        basis = span_controls(controls, weight)
        own = scale_rows(sort_rows(x[[k]]), weight, plan.ranked)
        left_x = take_residuals(own, basis, weight)
        left_y = take_residuals(scale_rows(y, weight, plan.ranked), basis, weight)
        drawn = correlate_orders(left_x, left_y, basis, plan.orders)
        scores[:, k] = _spread(drawn[:, 0], brain)
    return rank_null(mean_subjects(scores, brain.present)).variables


def _test_fit(x: np.ndarray, brain: BrainRDMs, plan: Plan) -> np.ndarray:
    """Return p (region,) of the mean R^2 over subjects."""
    weight = np.ones(x.shape[1])
    controls = Controls(sort_rows(x), degree=1, ranked=plan.ranked)
    basis = span_controls(controls, weight)
    y = scale_rows(sort_rows(brain.pairs[brain.present]), weight, plan.ranked)
    centered = take_residuals(y, basis[:1], weight)
    shares = _spread(explain_orders(centered, basis[1:], plan.orders), brain)
    means = mean_subjects(shares, brain.present)  # (order, region)
    return np.array([rank_among(column[0], column, 1e-12) for column in means.T])


def label_fits(model: ModelRDMs, brain: BrainRDMs, fits: Fits, inflation: np.ndarray) -> xr.Dataset:
    """Return the fits on labelled dimensions."""
    variables: dict = {
        **put_on(PER_SUBJECT, **fits.by_op),
        **put_on(PER_BRAIN, **fits.by_brain),
        **put_on(PER_REGION, **fits.by_region),
        "vif": (OP, inflation),
        "bootstrap_mean": ((BOOTSTRAP, *PER_REGION), fits.bootstrap_mean),
    }
    if fits.p_r2 is not None:
        variables["p_r2"] = (REGION, fits.p_r2)
    coords = {OP: model.ops, REGION: brain.regions, SUBJECT: brain.subjects}
    return xr.Dataset(variables, coords=coords)
