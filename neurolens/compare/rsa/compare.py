"""Model RDMs against brain RDMs: scores, intervals and halves, for every comparator."""

from typing import Any, NamedTuple

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
from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.inputs.op_groups import over_ops
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rdms.vectors import mean_subjects
from neurolens.compare.rsa.ceilings.bounds import (
    Variables,
    bound_subjects,
    label_spreads,
    spread_stimuli,
)
from neurolens.compare.rsa.ceilings.subjects import bound_scores, read_ceiling
from neurolens.compare.rsa.dependence import RESAMPLING_FIX, read_sides_groups, warn_sides
from neurolens.compare.rsa.sides import (
    Sides,
    compare_draws,
    count_ops,
    describe_pairs,
    name_dissimilarity,
    name_variables,
    read_sides,
    warn_undefined,
)
from neurolens.compare.stats.bootstrap import draw_groups, draw_stimuli, halve_units
from neurolens.compare.stats.intervals import percentile_interval
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, STIMULUS, SUBJECT, get_marks
from neurolens.scores import (
    BOOTSTRAP,
    HALF,
    PER_REGION,
    PER_SUBJECT,
    SPLIT,
    Intervals,
    build_scores,
)

# Fewer stimuli have no halves of three.
MIN_SPLIT_STIMULI = 6


@over_ops("model_rdms")
@over_time_bins("brain_rdms")
def compare_rdms(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "rho-a",
    by: GroupsBy | None = None,
    n_bootstrap: int = 1000,
    n_splits: int = 20,
    confidence: float = 0.95,
    rng: Seed = 0,
    client: Any = None,
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
    n_bootstrap : int
        Draws of stimuli with replacement, of 4 stimuli or more; 2 or more draws, or 0 for NaN
        intervals.
    n_splits : int
        Random splits of the stimuli into halves, for ``assign_regions``; needs 6 stimuli, 0 leaves
        them out.
    confidence : float
        Of the percentile intervals, in (0, 1).
    rng : int or Generator
        Seed of draws and splits. Both belong to the stimulus ids: the same ids and seed give the
        same ones, whatever the order of the RDMs' stimuli.
    client : dask.distributed.Client, optional
        Divide the ops among its workers, each with one thread; ``rng`` must then be a number.

    Returns
    -------
    Dataset
        Scores in the form that ``build_scores`` defines, in the unit of the comparator, in [-1, 1]:
        ``score``, ``ci_low``, ``ci_high`` (op, region, subject); ``score_mean``, ``mean_ci_low``,
        ``mean_ci_high`` (op, region), mean over the subjects that have the region;
        ``ceiling_lower``, ``ceiling_upper`` (region), see ``compute_rdm_ceilings``, with the
        percentiles ``ceiling_lower_ci_low``, ``..._ci_high``, ``ceiling_upper_ci_low``,
        ``..._ci_high`` over the same draws of stimuli, and the draws of the lower one,
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
        other and change gradually, as in a series, or stimuli are copies of each other.

    Notes
    -----
    Dissimilarities that are equal up to rounding (1e-13 of the largest; in single precision 1e-6)
    are tied, and an RDM that is constant up to rounding has no score. Where RDMs lack pairs, each
    draw and half is of the pairs that both have too; comparisons take a pass for each set of pairs.
    Intervals are over stimuli only: they say how scores would change with other stimuli, not with
    other subjects; for both, and for p values, see ``bootstrap_rdms``. Pairs of a stimulus with its
    own copy are dropped (bures: lie at distance 0). A draw of fewer than three different stimuli,
    or in which a score is undefined, is left out of its interval. Time O(draws ops brains n^2),
    linear in each (tau-a: n^2 log n with a large constant, bures: n^3; with these keep
    ``n_bootstrap`` small). Memory: half of the squares of all RDMs, as float64; the result, mostly
    ``bootstrap_mean`` and ``split_subject_score``; and a block of ops, some hundreds of MB, however
    many there are.

    References
    ----------
    Kriegeskorte et al. (2008) Front. Syst. Neurosci. 2:4; Schuett et al. (2023) eLife 12:e82566,
    Methods, on rho-a and the bootstrap; Diedrichsen et al. (2021) Neurons Behav. Data Anal. Theory
    5(3), on whitening; Harvey et al. (2024) PMLR 243:11, on Bures; Nili et al. (2014) for the
    ceilings. Checked against scipy, rsatoolbox ``compare`` and a loop that resamples the rows of
    the RDMs.

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
    _check_splits(n_splits, n_stimuli)
    check_share(confidence, "confidence", 0.95)

    group = read_sides_groups(by, sides, brain_rdms, model_rdms)
    if group is None and (n_bootstrap or n_splits):
        warn_sides(sides, brain_rdms, np.zeros(len(sides.model.ids), dtype=int), RESAMPLING_FIX)
    resampling = _resample_stimuli(sides.model.ids, group, n_bootstrap, n_splits, generator)
    estimates = _estimate_scores(sides, resampling, confidence)
    warn_undefined(sides, estimates.score)
    ceilings = bound_scores(sides.brain, sides.comparator)
    values = _label_estimates(sides, resampling, estimates, ceilings)
    values = values.assign(_spread_ceilings(sides, resampling.counts, confidence))
    return build_scores(
        values["score"],
        method="rsa",
        measure=comparator,
        n_stimuli=n_stimuli,
        variables=name_variables(values, sides),
        dissimilarity=name_dissimilarity(model_rdms),
        intervals=_name_intervals(n_bootstrap, confidence, in_groups=group is not None),
        ceiling=read_ceiling(ceilings),
        details={
            "n_bootstrap": int(n_bootstrap),
            "n_splits": int(n_splits),
            "n_units": n_stimuli if group is None else int(group.max()) + 1,
            "rng": describe_rng(rng),
            **describe_pairs(sides),
            **get_marks(model_rdms),
        },
    )


class Resampling(NamedTuple):
    """Stimuli drawn and split, in the order of the RDMs.

    ``counts`` (draw, stimulus): how often each occurs in a draw; ``member`` (split, stimulus): True
    in half a.
    """

    counts: np.ndarray
    member: np.ndarray


class Estimates(NamedTuple):
    """Scores and their spread, pure arrays.

    ``score``, ``low``, ``high`` (op, region, subject); ``mean_low``, ``mean_high`` (op, region);
    ``bootstrap_mean`` (bootstrap, op, region); ``split_score`` (split, half, op, region, subject).
    """

    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean_low: np.ndarray
    mean_high: np.ndarray
    bootstrap_mean: np.ndarray
    split_score: np.ndarray


def _check_splits(n_splits: Any, n_stimuli: int) -> None:
    """Raise InputError for a number of splits that cannot be used."""
    check_whole(n_splits, "n_splits", 0, 20)
    if n_splits and n_stimuli < MIN_SPLIT_STIMULI:
        raise InputError(
            f"half splits need at least {MIN_SPLIT_STIMULI} stimuli, got {n_stimuli}. Pass "
            f"n_splits=0 or more stimuli."
        )


def _resample_stimuli(
    ids: np.ndarray,
    group: np.ndarray | None,
    n_bootstrap: int,
    n_splits: int,
    generator: np.random.Generator,
) -> Resampling:
    """Return draws and halves of stimuli, which belong to ``ids`` and not to their order.

    With ``group`` (n,) they are of whole groups.
    """
    draw_rng, split_rng = generator.spawn(2)
    n_stimuli = len(ids)
    member = np.zeros((n_splits, n_stimuli), dtype=bool)
    if group is not None:
        for row in member:
            row[:] = halve_units(group, split_rng)
        _check_halves(member)
        return Resampling(draw_groups(group, n_bootstrap, draw_rng), member)
    rank = rank_ids(ids)
    counts = draw_stimuli(n_stimuli, n_bootstrap, draw_rng).take(rank, axis=1)
    for row in member:
        row[split_rng.permutation(n_stimuli)[: n_stimuli // 2]] = True
    return Resampling(counts, member.take(rank, axis=1))


def _check_halves(member: np.ndarray) -> None:
    """Raise InputError where a half of whole groups, ``member`` (split, n), is too small."""
    smallest = np.minimum(member.sum(axis=1), (~member).sum(axis=1)).min(initial=member.shape[1])
    if smallest < MIN_SPLIT_STIMULI // 2:
        raise InputError(
            f"halves made of whole groups need at least {MIN_SPLIT_STIMULI // 2} stimuli each, got "
            f"{smallest}. Pass n_splits=0, or more groups with by=."
        )


def _estimate_scores(sides: Sides, resampling: Resampling, confidence: float) -> Estimates:
    """Return scores over all stimuli, over draws and over halves, a block of ops at a time."""
    comparator, model, brain = sides
    counts, member = resampling
    estimates = _allocate_estimates(sides, len(counts), len(member))
    once = np.ones((1, len(model.ids)), dtype=int)
    halves = np.stack([member, ~member], axis=1)  # (split, half, stimulus)
    flat_halves = halves.reshape(-1, len(model.ids))
    usable = np.flatnonzero(model.has_pair.any(axis=1))
    width = count_ops(model, brain, len(counts))
    for ops in np.split(usable, range(width, len(usable), width)):
        pairs = model.pairs[ops]
        estimates.score[ops] = compare_draws(pairs, brain, once, comparator)[0]
        of_halves = compare_draws(pairs, brain, flat_halves, comparator)
        estimates.split_score[:, :, ops] = of_halves.reshape(
            *halves.shape[:2], *of_halves.shape[1:]
        )
        drawn = compare_draws(pairs, brain, counts, comparator)
        drawn_mean = mean_subjects(drawn, brain.present)  # (draw, op, region)
        estimates.low[ops], estimates.high[ops] = percentile_interval(drawn, confidence)
        mean_interval = percentile_interval(drawn_mean, confidence)
        estimates.mean_low[ops], estimates.mean_high[ops] = mean_interval
        estimates.bootstrap_mean[:, ops] = drawn_mean
    return estimates


def _allocate_estimates(sides: Sides, n_draws: int, n_splits: int) -> Estimates:
    """Return estimates that are NaN throughout."""
    n_ops = len(sides.model.ops)
    by_subject = (n_ops, *sides.brain.present.shape)
    by_region = by_subject[:2]
    return Estimates(
        score=np.full(by_subject, np.nan),
        low=np.full(by_subject, np.nan),
        high=np.full(by_subject, np.nan),
        mean_low=np.full(by_region, np.nan),
        mean_high=np.full(by_region, np.nan),
        bootstrap_mean=np.full((n_draws, *by_region), np.nan, dtype=np.float32),
        split_score=np.full((n_splits, 2, *by_subject), np.nan),
    )


def _label_estimates(
    sides: Sides, resampling: Resampling, estimates: Estimates, ceilings: xr.Dataset
) -> xr.Dataset:
    """Return the estimates on labelled dimensions."""
    brain = sides.brain
    kind = ceilings["ceiling_lower"].attrs
    split_mean = mean_subjects(estimates.split_score, brain.present)
    return xr.Dataset(
        {
            "score": (PER_SUBJECT, estimates.score, kind),
            "score_mean": (PER_REGION, mean_subjects(estimates.score, brain.present), kind),
            "ci_low": (PER_SUBJECT, estimates.low),
            "ci_high": (PER_SUBJECT, estimates.high),
            "mean_ci_low": (PER_REGION, estimates.mean_low),
            "mean_ci_high": (PER_REGION, estimates.mean_high),
            "ceiling_lower": ceilings["ceiling_lower"],
            "ceiling_upper": ceilings["ceiling_upper"],
            "bootstrap_mean": ((BOOTSTRAP, *PER_REGION), estimates.bootstrap_mean),
            "split_score": ((SPLIT, HALF, *PER_REGION), split_mean),
            "split_subject_score": ((SPLIT, HALF, *PER_SUBJECT), estimates.split_score),
            "split_member": ((SPLIT, STIMULUS), resampling.member),
        },
        coords={
            OP: sides.model.ops,
            REGION: brain.regions,
            SUBJECT: brain.subjects,
            STIMULUS: sides.model.ids,
            HALF: ["a", "b"],
        },
    )


def _spread_ceilings(sides: Sides, counts: np.ndarray, confidence: float) -> Variables:
    """Return the percentiles and draws of the ceilings when stimuli occur ``counts`` times."""
    if not len(counts):
        return {}
    drawn = bound_subjects(sides.brain, sides.comparator, counts)
    lower = spread_stimuli(drawn.lower, sides.brain.present, confidence)
    upper = spread_stimuli(drawn.upper, sides.brain.present, confidence)
    return label_spreads(lower, upper)


def _name_intervals(n_bootstrap: int, confidence: float, *, in_groups: bool) -> Intervals:
    """Return a description of the intervals; without draws it holds only their level."""
    if n_bootstrap:
        over = "groups of stimuli" if in_groups else "stimuli"
        return Intervals("bootstrap percentile", over, float(confidence))
    return Intervals(level=float(confidence))
