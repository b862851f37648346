"""Model RDMs against brain RDMs: scores, intervals and halves, for every comparator."""

from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import (
    Seed,
    check_draws,
    check_share,
    describe_rng,
    make_generator,
)
from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.inputs.op_groups import over_ops
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rsa.ceilings.bounds import (
    Variables,
    bound_subjects,
    label_spreads,
    spread_stimuli,
)
from neurolens.compare.rsa.ceilings.influences import Influenced, influence_bounds, spread_units
from neurolens.compare.rsa.ceilings.subjects import bound_scores, read_ceiling
from neurolens.compare.rsa.comparators.table import Comparator
from neurolens.compare.rsa.dependence import RESAMPLING_FIX, read_sides_groups, warn_sides
from neurolens.compare.rsa.estimates.choice import (
    choose_influences,
    describe_choice,
    name_procedure,
    warn_bias,
)
from neurolens.compare.rsa.estimates.single import (
    Estimates,
    Resampling,
    check_splits,
    describe_draws,
    estimate_scores,
    label_estimates,
    resample_stimuli,
    spread_estimates,
)
from neurolens.compare.rsa.sides import (
    Sides,
    compare_draws,
    count_draw_steps,
    count_fewest_units,
    describe_pairs,
    name_dissimilarity,
    name_variables,
    rank_sides,
    read_sides,
    warn_lost_intervals,
    warn_undefined,
)
from neurolens.compare.stats.influences import Units, check_units, read_units
from neurolens.labels import get_marks
from neurolens.scores import (
    Intervals,
    build_scores,
)
from neurolens.support.progress import show_progress


@over_ops("model_rdms")
@over_time_bins("brain_rdms")
def compare_rdms(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "rho-a",
    by: GroupsBy | None = None,
    interval: str = "auto",
    n_bootstrap: int = 1000,
    n_splits: int = 20,
    confidence: float = 0.95,
    rng: Seed = 0,
    client: Any = None,
    quiet: bool = False,
) -> xr.Dataset:
    """Compare each op's RDM with each region's, per subject, with intervals and noise ceilings.

    Over the pairs p of stimuli, x = model and y = brain dissimilarities: ``pearson`` r(x, y);
    ``spearman`` r of their mid-ranks; ``cosine`` sum x y / sqrt(sum x^2 sum y^2); ``rho-a`` = 12 /
    (N^3 - N) sum (R_x - mean)(R_y - mean) for N pairs and mid-ranks R, the mean Spearman under
    random tie breaking; ``tau-a`` = (concordant - discordant) / all comparisons of pairs, for the
    same purpose, but slow; ``whitened-pearson``,
    ``whitened-cosine``: without the covariance of pairs that share a stimulus; ``bures``: fidelity
    of the Grams behind squared distances, which is the Procrustes similarity of the points.

    Parameters
    ----------
    model_rdms : DataArray (op, stimulus, stimulus_2) or (stimulus, stimulus_2)
        Dissimilarities in any unit, symmetric, 0 on the diagonal. Pairs that are NaN are left out
        of the op's scores, with a warning.
    brain_rdms : DataArray (region, subject, stimulus, stimulus_2)
        The same stimuli by id, in any order; region, subject or both may be missing (then "brain",
        "group"). A (region, subject) that does not exist is NaN throughout; a pair that a subject
        lacks (stimuli not seen, crossnobis without a common run) is NaN and left out of the
        subject's scores, with a warning. With ``time_bin`` besides, every result that has region
        has time_bin too: maps of op by time.
    comparator : str
        A key of ``COMPARATORS``. The default, ``rho-a``, does not reward ties: under Spearman a
        model that predicts many equal dissimilarities, such as one of categories, can score above
        a model that orders all pairs as the brain's true RDM does.
    by : str or DataArray, optional
        Groups of stimuli that belong together, such as views of a picture or runs: a label per
        stimulus or presentation (``responses["run"]``), or the name of such a coordinate of either
        side's RDMs. Draws are then of whole groups, 4 or more, halves keep groups whole, and
        intervals are for new groups.
    interval : str
        ``"bootstrap"``: percentiles over the scores of ``n_bootstrap`` draws. ``"influence"``: t
        intervals from the influence of each stimulus on a score, at the cost of some draws: for
        ranks and bures its derivative by how often the stimulus occurs, for the others what leaving
        the stimulus out changes. ``"auto"``: influences of 16 stimuli or more, or groups of them,
        where these intervals cover as well in simulations, and of any for bures, of which draws, in
        which stimuli are repeated, score too high; else draws. ``interval_kind`` says which,
        ``interval_note`` why draws, or what these intervals lack.
    n_bootstrap : int
        Draws of stimuli with replacement, of 4 stimuli or more; 2 or more draws, or 0 for NaN
        intervals, unless ``interval="influence"``. By influences only ``bootstrap_mean`` and
        ``bootstrap_ceiling`` are of draws: to first order, from one matrix product.
    n_splits : int
        Random splits of the stimuli into halves, for ``assign_regions``; needs 6 stimuli, 0 leaves
        them out.
    confidence : float
        Of the intervals, in (0, 1).
    rng : int or Generator
        Seed of draws and splits. Both belong to the stimulus ids: the same ids and seed give the
        same ones, whatever the order of the RDMs' stimuli.
    client : dask.distributed.Client, optional
        Divide the ops among its workers, each with one thread; ``rng`` must then be a number.
    quiet : bool
        Show no progress.

    Returns
    -------
    Dataset
        Scores in the form that ``build_scores`` defines, in the unit of the comparator, in [-1, 1]:
        ``score``, ``ci_low``, ``ci_high`` (op, region, subject); ``score_mean``, ``mean_ci_low``,
        ``mean_ci_high`` (op, region), mean over the subjects that have the region;
        ``ceiling_lower``, ``ceiling_upper`` (region), see ``compute_rdm_ceilings``, with the
        intervals ``ceiling_lower_ci_low``, ``..._ci_high``, ``ceiling_upper_ci_low``,
        ``..._ci_high`` for the same stimuli, and the draws of the lower one,
        ``bootstrap_ceiling`` (bootstrap, region), for ``compare_ops(scores, against="ceiling")``;
        ``split_score`` (split, half, op, region), mean over subjects; ``split_member`` (split,
        stimulus), True in half a; ``n_pairs`` (op, region, subject), how many pairs a score is of:
        those that both RDMs have. Besides: ``bootstrap_mean`` (bootstrap, op, region), float32;
        ``split_subject_score`` (split, half, op, region, subject). Attributes say how the scores
        were made.

    Raises
    ------
    LabelError
        Dimensions differ from these, or the two sides do not hold exactly the same stimuli.
    InputError
        An RDM is asymmetric, not 0 on the diagonal, infinite; a brain RDM is constant or has fewer
        than 3 pairs; single pairs are NaN and the comparator (bures, a whitened one) needs all
        pairs of the stimuli it compares; a number of draws, splits or a confidence cannot be used.
    UnknownNameError
        ``comparator`` is not in ``COMPARATORS``.

    Warns
    -----
    RuntimeWarning
        The score of an op is undefined: its RDM does not vary, but for rounding. RDMs hold NaN for
        some pairs. The messages name them. Stimuli that are resampled singly are no independent
        draws on either side: neighbors in the order of the rows of ``brain_rdms`` resemble each
        other and change gradually, as in a series, or stimuli are copies of each other. Draws are
        asked for of a comparator in which they score too high, bures.

    Notes
    -----
    Dissimilarities that are equal up to rounding (1e-13 of the largest; in single precision 1e-6)
    are tied, and an RDM that is constant up to rounding has no score. Where RDMs lack pairs, each
    draw and half is of the pairs that both have too; comparisons take a pass for each set of pairs.
    Intervals are over stimuli only: they say how scores would change with other stimuli, not with
    other subjects; for both, and for p values, see ``bootstrap_rdms``. Pairs of a stimulus with its
    own copy are dropped (bures: lie at distance 0). A draw of fewer than three different stimuli,
    or in which a score is undefined, is left out of its interval. By influences, the variance of a
    score is n / (n - 1) sum_i U_i^2 over the influences U_i of n stimuli, less their mean, with n -
    1 degrees of freedom; a draw is the score plus sum_i (c_i - 1) U_i, which can exceed 1. U_i is
    dr/dc_i (infinitesimal jackknife: spearman, rho-a, tau-a, bures) or (n - 1) / n (r - r without
    i) (jackknife). Where r is undefined without some i, or is of fewer than 4 stimuli (or groups),
    there are no intervals and no draws: NaN. Time O(draws ops brains n^2), by influences O(ops
    brains n^2), linear in each (tau-a: n^2 log n with a large constant, bures: n^3; with these keep
    ``n_bootstrap`` small). Memory: half of the squares of all RDMs, as float64; the result, mostly
    ``bootstrap_mean`` and ``split_subject_score``; and a block of ops, some hundreds of MB, however
    many there are.

    References
    ----------
    Kriegeskorte et al. (2008) Front. Syst. Neurosci. 2:4; Schuett et al. (2023) eLife 12:e82566,
    Methods, on rho-a and the bootstrap; Diedrichsen et al. (2021) Neurons Behav. Data Anal. Theory
    5(3), on whitening; Hampel (1974) J. Am. Stat. Assoc. 69:383, on influences; Efron (1981)
    Biometrika 68:589, on both jackknives; Harvey et al. (2024) PMLR 243:11, on Bures; Nili et al.
    (2014) for the ceilings. Checked against scipy, rsatoolbox ``compare`` and a loop that resamples
    the rows of the RDMs; influences against numerical derivatives, and scores without each
    stimulus.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> ids = ["cat", "dog", "cup", "car"]
    >>> square = np.abs(np.subtract.outer([0, 1, 5, 7], [0, 1, 5, 7]))
    >>> model = xr.DataArray(square[None], dims=("op", "stimulus", "stimulus_2"),
    ...                      coords={"op": ["relu"], "stimulus": ids, "stimulus_2": ids})
    >>> brain = (model.isel(op=0, drop=True) ** 2).isel(stimulus=[3, 2, 1, 0])
    >>> scores = compare_rdms(model, brain, n_splits=0, n_bootstrap=10)
    >>> scores.score.dims
    ('op', 'region', 'subject')
    >>> float(scores.score.sel(op="relu", region="brain", subject="group").round(3))
    1.0
    """
    generator = make_generator(rng)
    sides = read_sides(model_rdms, brain_rdms, comparator)
    n_stimuli = len(sides.model.ids)
    check_draws(n_bootstrap)
    check_splits(n_splits, n_stimuli)
    check_share(confidence, "confidence", 0.95)

    group = read_sides_groups(by, sides.model, brain_rdms, model_rdms)
    n_units = n_stimuli if group is None else int(group.max()) + 1
    fewest = count_fewest_units(sides, group)
    by_influences = choose_influences(interval, sides.comparator, fewest, n_bootstrap)
    warn_bias(interval, sides.comparator, n_bootstrap)
    unit_name = "stimuli" if group is None else "groups of stimuli"
    if by_influences:
        check_units(n_units, unit_name)
    if group is None and (n_bootstrap or n_splits or by_influences):
        alone = np.zeros(n_stimuli, dtype=int)
        warn_sides(sides.model, sides.brain, brain_rdms, alone, RESAMPLING_FIX)
    sides = rank_sides(sides)
    resampling = resample_stimuli(sides.model.ids, group, n_bootstrap, n_splits, generator)
    units = read_units(group, resampling.counts)
    total = _count_steps(sides, resampling, by_influences=by_influences)
    with show_progress(total, "comparing RDMs", quiet=quiet):
        if by_influences:
            estimates = _estimate_influences(sides, resampling, units, confidence)
        else:
            estimates = _estimate_scores(sides, resampling, confidence)
        warn_undefined(sides, estimates.score)
        if by_influences:
            bounds = influence_bounds(sides.brain, sides.comparator, units.number)
            ceilings = bound_scores(sides.brain, sides.comparator, bounds.whole)
            spreads = _spread_influences(sides, bounds, units, confidence)
        else:
            ceilings = bound_scores(sides.brain, sides.comparator)
            spreads = _spread_ceilings(sides, resampling.counts, confidence)
    values = _label_estimates(sides, resampling, estimates, ceilings).assign(spreads)
    if by_influences:
        warn_lost_intervals(values)
    return build_scores(
        values["score"],
        method="rsa",
        measure=comparator,
        n_stimuli=n_stimuli,
        variables=name_variables(values, sides),
        dissimilarity=name_dissimilarity(model_rdms),
        intervals=_name_intervals(
            n_bootstrap, confidence, unit_name, sides.comparator, by_influences=by_influences
        ),
        ceiling=read_ceiling(ceilings, sides.model),
        details={
            "n_bootstrap": int(n_bootstrap),
            "n_splits": int(n_splits),
            "n_units": n_units,
            "rng": describe_rng(rng),
            **describe_choice(interval, sides.comparator, fewest, n_bootstrap),
            **describe_draws(resampling, sides.model.ids),
            **describe_pairs(sides),
            **get_marks(model_rdms),
        },
    )


def _count_steps(sides: Sides, resampling: Resampling, *, by_influences: bool) -> int:
    """Return how many steps the comparison takes: of draws, and of ops for influences."""
    n_halves = 2 * len(resampling.member)
    if by_influences:
        return count_draw_steps(sides, 0, n_halves) + len(sides.model.ops)
    return count_draw_steps(sides, len(resampling.counts), n_halves)


def _estimate_scores(sides: Sides, resampling: Resampling, confidence: float) -> Estimates:
    """Return the scores of both sides over all stimuli, over draws and over halves."""
    comparator, model, brain = sides

    def score_draws(ops: np.ndarray, counts: np.ndarray) -> np.ndarray:
        return compare_draws(model.pairs[ops], brain, counts, comparator)

    usable = np.flatnonzero(model.has_pair.any(axis=1))
    return estimate_scores(model, brain, score_draws, usable, resampling, confidence)


def _label_estimates(
    sides: Sides, resampling: Resampling, estimates: Estimates, ceilings: xr.Dataset
) -> xr.Dataset:
    """Return the estimates and ceilings on labelled dimensions."""
    bounds = {name: ceilings[name] for name in ("ceiling_lower", "ceiling_upper")}
    values = label_estimates(sides.model, sides.brain, resampling, estimates, bounds)
    for name in ("score", "score_mean"):
        values[name].attrs = dict(ceilings["ceiling_lower"].attrs)
    return values


def _spread_ceilings(sides: Sides, counts: np.ndarray, confidence: float) -> Variables:
    """Return the percentiles and draws of the ceilings when stimuli occur ``counts`` times."""
    if not len(counts):
        return {}
    drawn = bound_subjects(sides.brain, sides.comparator, counts)
    lower = spread_stimuli(drawn.lower, sides.brain.present, confidence)
    upper = spread_stimuli(drawn.upper, sides.brain.present, confidence)
    return label_spreads(lower, upper)


def _estimate_influences(
    sides: Sides, resampling: Resampling, units: Units, confidence: float
) -> Estimates:
    """Return the scores of both sides, their halves, and intervals and draws from influences."""
    no_draws = resampling._replace(counts=resampling.counts[:0])
    estimates = _estimate_scores(sides, no_draws, confidence)
    return spread_estimates(estimates, sides, units, confidence)


def _spread_influences(
    sides: Sides, bounds: Influenced, units: Units, confidence: float
) -> Variables:
    """Return the intervals and draws of the ceilings, from influences."""
    spreads = [
        spread_units(whole[0], influences, sides.brain.present, units, confidence)
        for whole, influences in zip(bounds.whole, bounds.influences, strict=True)
    ]
    return label_spreads(*spreads)


def _name_intervals(
    n_bootstrap: int, confidence: float, units: str, comparator: Comparator, *, by_influences: bool
) -> Intervals:
    """Return a description of the intervals over ``units``; if there are none, of their level."""
    if by_influences:
        kind = f"t interval of the {name_procedure(comparator)}"
        return Intervals(kind, units, float(confidence))
    if n_bootstrap:
        return Intervals("bootstrap percentile", units, float(confidence))
    return Intervals(level=float(confidence))
