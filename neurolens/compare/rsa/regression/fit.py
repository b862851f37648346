"""Multiple regression of brain RDMs on several model RDMs, with unique and shared variance."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import (
    Seed,
    check_draws,
    check_share,
    check_whole,
    describe_rng,
    make_generator,
    rank_ids,
)
from neurolens.compare.inputs.exchange import Exchange, describe_exchange, warn_few_draws
from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rdms.vectors import BrainRDMs, ModelRDMs, read_brain_rdms, read_model_rdms
from neurolens.compare.rsa.dependence import read_sides_exchange, read_sides_groups
from neurolens.compare.rsa.regression.coefficients import SINGULAR, inflate_variance
from neurolens.compare.rsa.regression.fits import Plan, estimate_fits, label_fits
from neurolens.compare.rsa.regression.held_out import deal_divisions
from neurolens.compare.rsa.regression.partial import name_intervals, refuse_gaps
from neurolens.compare.rsa.regression.residuals import MIN_FREEDOM, find_flat
from neurolens.compare.rsa.regression.weighted_ranks import merge_ties, rank_rows_once
from neurolens.compare.rsa.sides import name_dissimilarity, name_variables
from neurolens.compare.stats.bootstrap import draw_groups, draw_stimuli
from neurolens.errors import InputError, warn_user
from neurolens.labels import check_name, get_marks, list_names
from neurolens.scores import Ceiling, build_scores
from neurolens.support.progress import show_progress

# What is regressed: dissimilarities or their mid-ranks.
TRANSFORMS = {"z-score": False, "rank": True}
# An RDM whose variance is inflated more than this has hardly a coefficient of its own.
MAX_INFLATION = 10
MIN_FOLD = 3
# Random divisions of the stimuli into folds, over which held-out variance is averaged.
N_DIVISIONS = 10
NO_CEILING = "No noise ceiling was computed for coefficients of a regression."


class Settings(NamedTuple):
    """The settings of a fit, checked."""

    ranked: bool
    nonnegative: bool
    n_folds: int
    n_bootstrap: int
    n_permutations: int
    confidence: float


@over_time_bins("brain_rdms")
def fit_rdm_regression(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    transform: str = "z-score",
    nonnegative: bool = False,
    scheme: str | None = None,
    by: GroupsBy | None = None,
    n_folds: int = 4,
    n_bootstrap: int = 1000,
    n_permutations: int = 1000,
    confidence: float = 0.95,
    rng: Seed = 0,
    quiet: bool = False,
) -> xr.Dataset:
    """Regress each region's RDM on all model RDMs together, with unique and shared variance.

    Over the pairs of stimuli, y = sum_k beta_k x_k + e, with y and every x at mean 0 and variance
    1, by least squares. The unique variance of an op is R^2 less that without it; the shared
    variance is R^2 less the unique ones of all ops.

    Parameters
    ----------
    model_rdms : DataArray (op, stimulus, stimulus_2)
        One or more, in any unit: of ops, of ``compute_metadata_rdms``, of both joined with
        ``xr.concat([a, b], "op")``.
    brain_rdms : DataArray (region, subject, stimulus, stimulus_2)
        As for ``compare_rdms``; with ``time_bin`` besides, every result that has region has it too.
    transform : str
        ``"z-score"`` for the dissimilarities; ``"rank"`` for their mid-ranks. The sum of
        dissimilarities is not the sum of their ranks, so that ranks give an RDM variance, and low
        p, that only others explain: see Notes.
    nonnegative : bool
        Coefficients are 0 or above; p are those of the coefficients without that bound.
    scheme : str, optional
        What is permuted, as for ``permute_rdms``, but for "shift", which ``compare_partial_rdms``
        takes.
    by : str or DataArray, optional
        Groups of stimuli, such as runs or views of a picture, as for ``permute_rdms``; whole groups
        are resampled and held out, too.
    n_folds : int
        Folds of stimuli for held-out variance, 3 stimuli or more each; ten random divisions into
        folds are averaged.
    n_bootstrap : int
        Draws of stimuli, 2 or more, or 0 for NaN intervals.
    n_permutations : int
        Permutations for p; 0 leaves the tests out.
    confidence : float
        Of the intervals, in (0, 1).
    rng : int or Generator
        Seed of draws, folds and permutations, which belong to the stimulus ids, whatever their
        order.
    quiet : bool
        Show no progress.

    Returns
    -------
    Dataset
        Scores in the form that ``build_scores`` defines, the score being beta: ``score``,
        ``ci_low``, ``ci_high`` (op, region, subject); ``score_mean``, ``mean_ci_low``,
        ``mean_ci_high``, ``p``, ``q``, ``p_max`` (op, region); ``bootstrap_mean``. Without ceilings
        and halves. Besides, in shares of variance: ``r2``, ``shared`` (region, subject) and
        ``unique`` (op, region, subject) of the data that were fitted, never below those of chance;
        ``r2_heldout``, ``shared_heldout``, ``unique_heldout`` on held-out stimuli, negative where
        an RDM only adds noise; ``unique_mean`` (op, region): ``unique_heldout`` averaged over
        subjects, with ``unique_ci_low``, ``unique_ci_high``; ``p_r2`` (region), of the mean R^2;
        ``vif`` (op): 1 / (1 - R^2) of the op's RDM regressed on the other models'.

    Raises
    ------
    InputError, LabelError
        As for ``compare_rdms``; a model RDM holds NaN, does not vary, or is a combination of the
        others; there are too few stimuli for the folds or for so many RDMs.
    UnknownNameError
        ``transform`` is neither of the two.

    Warns
    -----
    RuntimeWarning
        ``vif`` of some RDMs exceeds 10: their coefficients can hardly be told from others'. Stimuli
        that are permuted or resampled singly depend on each other, as for ``permute_rdms``; there
        are few permutations.

    Notes
    -----
    Intervals of beta are percentiles over draws of stimuli, pairs of a stimulus with its own copy
    dropped; those of ``unique_mean`` are its value plus and minus t times the deviation of the
    fitted unique variance over draws. Held-out R^2 = 1 - sum SSE / sum SST: coefficients are of
    pairs of training stimuli, errors of pairs of test stimuli; with ``"rank"`` a test value becomes
    its mid-rank among the training pairs.

    p of an op, one-sided, beta above 0: stimuli of what the other RDMs leave of the brain's are
    permuted, rows and columns together, and regressed on them again (Freedman & Lane); the
    statistic is the mean partial correlation over subjects. p of R^2: stimuli of the brain's RDM
    are permuted. With ``"rank"``, p was below .05 for RDMs without an effect in up to 30 % of
    simulations in which effects added up in dissimilarities; ``compare_partial_rdms`` takes curves
    out as well. Time O((draws + permutations ops) brains ops n^2).

    References
    ----------
    Freedman & Lane (1983) J. Bus. Econ. Stat. 1:292; Dekker et al. (2007) Psychometrika 72:563, on
    permutation in the regression of matrices; Groen et al. (2018) eLife 7:e32962, on unique
    variance of RDMs. Checked against numpy ``lstsq`` and scikit-learn (``test_fit.py``).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from neurolens.compare import compute_metadata_rdms
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame(rng.normal(size=(24, 2)), columns=["size", "speed"],
    ...                      index=[f"s{i}" for i in range(24)])
    >>> models = compute_metadata_rdms(table, ["size", "speed"])
    >>> brain = 2 * models.sel(op="size", drop=True) + models.sel(op="speed", drop=True)
    >>> fit = fit_rdm_regression(models, brain, n_bootstrap=20, n_permutations=19)
    >>> float(fit.r2[0, 0].round(3)), bool(fit.unique_mean[0, 0] > fit.unique_mean[1, 0])
    (1.0, True)
    """
    generator = make_generator(rng)
    check_name(transform, TRANSFORMS, "transform")
    settings = Settings(
        TRANSFORMS[transform],
        bool(nonnegative),
        n_folds,
        n_bootstrap,
        n_permutations,
        float(confidence),
    )
    model = read_model_rdms(model_rdms)
    brain = read_brain_rdms(brain_rdms, model.ids)
    _check_settings(settings, len(model.ids))
    refuse_gaps(brain)
    _check_models(model)
    if settings.ranked:
        model = model._replace(pairs=merge_ties(model.pairs))
        brain = _merge_brain_ties(brain)
    inflation = _check_inflation(model, settings.ranked)

    exchange = _read_exchange(scheme, by, model, brain, brain_rdms, model_rdms)
    group = read_sides_groups(by, model, brain_rdms, model_rdms)
    plan = _plan_fits(model.ids, group, exchange, settings, generator)
    # Draws; each op, and all of them, under each permutation.
    total = 1 + n_bootstrap + len(plan.orders) * (len(model.ops) + 1)
    with show_progress(total, "regression of RDMs", quiet=quiet):
        fits = estimate_fits(model.pairs, brain, plan)
    values = label_fits(model, brain, fits, inflation)
    tests = {}
    if n_permutations:
        p = values["p"].values
        warn_few_draws(p, values["q"].values, len(plan.orders), exchange)
        tests = describe_exchange(exchange, len(plan.orders), p)
    return build_scores(
        values["score"],
        method="regression-rsa",
        measure="beta",
        n_stimuli=len(model.ids),
        variables=name_variables(values),
        dissimilarity=name_dissimilarity(model_rdms),
        intervals=name_intervals(n_bootstrap, confidence, in_groups=group is not None),
        ceiling=Ceiling(note=NO_CEILING),
        details={
            "transform": transform,
            "nonnegative": int(nonnegative),
            "n_folds": int(n_folds),
            "n_bootstrap": int(n_bootstrap),
            "n_units": plan.n_units,
            "n_permutations": int(n_permutations),
            **tests,
            "rng": describe_rng(rng),
            **get_marks(model_rdms),
        },
    )


def _check_settings(settings: Settings, n_stimuli: int) -> None:
    """Raise InputError for settings that cannot be used."""
    check_draws(settings.n_bootstrap)
    check_whole(settings.n_permutations, "n_permutations", 0, 1000)
    check_whole(settings.n_folds, "n_folds", 2, 4)
    check_share(settings.confidence, "confidence", 0.95)
    if n_stimuli < MIN_FOLD * settings.n_folds:
        raise InputError(
            f"held-out variance needs {MIN_FOLD} stimuli or more in each fold, got "
            f"{settings.n_folds} folds of {n_stimuli} stimuli. Pass fewer folds or more stimuli.",
            anchor="folds",
        )


def _check_models(model: ModelRDMs) -> None:
    """Raise InputError for model RDMs that cannot be regressors."""
    unusable = np.isnan(model.pairs).any(axis=1) | find_flat(model.pairs)
    if unusable.any():
        raise InputError(
            "all model RDMs of a regression must be numbers that vary over pairs, but these hold "
            f"NaN or do not vary: {list_names(model.ops[unusable])}. Leave them out.",
            anchor="rdms-not-separable",
        )
    n_fold = len(model.ids) // 2
    if n_fold * (n_fold - 1) // 2 < len(model.ops) + MIN_FREEDOM:
        raise InputError(
            f"regression on {len(model.ops)} RDMs needs more pairs than half of "
            f"{len(model.ids)} stimuli have. Pass fewer RDMs or more stimuli.",
            anchor="too-few-stimuli",
        )


def _check_inflation(model: ModelRDMs, ranked: bool) -> np.ndarray:
    """Return the variance inflation (op,) of each RDM; refuse dependent ones, warn of similar."""
    values = rank_rows_once(model.pairs) if ranked else model.pairs
    inflation = inflate_variance(np.atleast_2d(np.corrcoef(values)))
    if (inflation >= SINGULAR).any():
        raise InputError(
            "model RDMs of a regression must not be combinations of each other, and these are: "
            f"{list_names(model.ops[inflation >= SINGULAR])}. Leave one of them out.",
            anchor="rdms-not-separable",
        )
    if (inflation > MAX_INFLATION).any():
        warn_user(
            "the coefficients of some RDMs can hardly be told apart, because their variance "
            f"inflation exceeds {MAX_INFLATION}: {list_names(model.ops[inflation > MAX_INFLATION])}"
            ". Look at 'shared', or leave out some of them."
        )
    return inflation


def _merge_brain_ties(brain: BrainRDMs) -> BrainRDMs:
    """Return brain RDMs whose values are equal where they are tied but for rounding."""
    pairs = brain.pairs.copy()
    pairs[brain.present] = merge_ties(pairs[brain.present])
    return brain._replace(pairs=pairs)


def _read_exchange(
    scheme: str | None,
    by: GroupsBy | None,
    model: ModelRDMs,
    brain: BrainRDMs,
    brain_rdms: xr.DataArray,
    model_rdms: xr.DataArray,
) -> Exchange:
    """Return which stimuli are permuted, but for shifts, which are refused."""
    if scheme == "shift":
        raise InputError(
            "fit_rdm_regression has no test by shifts: distances of a series grow with time, and "
            "models explain that of each other. Pass by=, whole pieces of the series, or use "
            "compare_partial_rdms(..., scheme='shift')."
        )
    return read_sides_exchange(scheme, by, model, brain, brain_rdms, model_rdms)


def _plan_fits(
    ids: np.ndarray,
    group: np.ndarray | None,
    exchange: Exchange,
    settings: Settings,
    generator: np.random.Generator,
) -> Plan:
    """Return the draws, folds and orders of stimuli, which belong to ``ids``, or of groups."""
    draw_rng, fold_rng, order_rng = generator.spawn(3)
    if group is None:
        n_units = len(ids)
        rank = rank_ids(ids)
        counts = draw_stimuli(n_units, settings.n_bootstrap, draw_rng).take(rank, axis=1)
        fold_of = deal_divisions(n_units, settings.n_folds, N_DIVISIONS, fold_rng)
        fold_of = fold_of.take(rank, axis=1)
    else:
        n_units = int(group.max()) + 1
        counts = draw_groups(group, settings.n_bootstrap, draw_rng)
        fold_of = deal_divisions(n_units, settings.n_folds, N_DIVISIONS, fold_rng)[:, group]
        _check_group_folds(fold_of, n_units, settings.n_folds)
    return Plan(
        counts,
        n_units,
        fold_of,
        exchange.draw_orders(settings.n_permutations, order_rng),
        settings.ranked,
        settings.nonnegative,
        settings.confidence,
    )


def _check_group_folds(fold_of: np.ndarray, n_groups: int, n_folds: int) -> None:
    """Raise InputError where a fold of whole groups, ``fold_of`` (division, n), is too small."""
    sizes = [np.bincount(folds, minlength=n_folds).min() for folds in fold_of]
    if min(sizes) < MIN_FOLD:
        raise InputError(
            f"held-out variance needs {MIN_FOLD} stimuli or more in each fold, got {min(sizes)} in "
            f"some of {n_folds} folds of {n_groups} groups. Pass fewer folds or more groups.",
            anchor="folds",
        )
