"""Scores with intervals and p values for new stimuli and new subjects at once."""

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import (
    Seed,
    check_share,
    check_whole,
    describe_rng,
    make_generator,
    rank_ids,
)
from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rdms.vectors import mean_subjects
from neurolens.compare.rsa.ceilings.bounds import (
    Variables,
    bound_subjects,
    label_spreads,
    spread_both,
)
from neurolens.compare.rsa.ceilings.influences import (
    Influenced,
    influence_bounds,
    spread_units_and_subjects,
)
from neurolens.compare.rsa.ceilings.subjects import bound_scores, read_ceiling
from neurolens.compare.rsa.comparators.table import Comparator
from neurolens.compare.rsa.dependence import RESAMPLING_FIX, read_sides_groups, warn_sides
from neurolens.compare.rsa.estimates.choice import (
    choose_influences,
    describe_choice,
    name_procedure,
    warn_bias,
)
from neurolens.compare.rsa.estimates.two_factors import (
    Estimates,
    Resampling,
    estimate_draws,
    estimate_influences,
)
from neurolens.compare.rsa.sides import (
    Sides,
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
from neurolens.compare.stats.bootstrap import (
    RESAMPLED,
    draw_groups,
    draw_stimuli,
    draw_subjects,
    hash_draws,
)
from neurolens.compare.stats.influences import Units, check_units, read_units
from neurolens.compare.stats.intervals import count_freedom, infer_mean
from neurolens.compare.stats.null import control_discoveries
from neurolens.errors import warn_user
from neurolens.labels import OP, REGION, SUBJECT, get_marks
from neurolens.scores import (
    BOOTSTRAP,
    DRAWS_HASH,
    PER_REGION,
    PER_SUBJECT,
    Intervals,
    build_scores,
)
from neurolens.scores import RESAMPLED as RESAMPLED_DIM
from neurolens.support.progress import show_progress


@over_time_bins("brain_rdms")
def bootstrap_rdms(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "rho-a",
    by: GroupsBy | None = None,
    interval: str = "auto",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: Seed = 0,
    quiet: bool = False,
) -> xr.Dataset:
    """Compare each op's RDM with each region's, with inference to new stimuli and new subjects.

    Stimuli (V_c), subjects (V_s) and both (V_b) are resampled with the same draws. The variance of
    the mean over S subjects and C stimuli is V = S/(S-1) V_s + C/(C-1) V_c - S C/((S-1)(C-1)) (V_b
    - V_s - V_c), at least the larger of the first two terms and at most V_b; intervals and p are
    those of t with min(S, C) - 1 degrees of freedom.

    Parameters
    ----------
    model_rdms, brain_rdms : DataArray
        As for ``compare_rdms``. To compare models, concatenate their RDMs along "op" under names of
        their own. With ``time_bin`` besides, every result that has region has time_bin too; all
        share the draws of stimuli.
    comparator : str
        A key of ``COMPARATORS``; ``rho-a``, the default, does not reward models for ties.
    by : str or DataArray, optional
        Groups of stimuli that belong together, such as views of a picture or runs: a label per
        stimulus or presentation (``responses["run"]``), or the name of such a coordinate of either
        side's RDMs. Whole groups are resampled, C counts groups, and intervals and p are for new
        groups.
    interval : str
        ``"bootstrap"``: variances over draws. ``"influence"``: what they are to first order over
        infinitely many draws, from the influence of each stimulus on the scores; ``draws`` are then
        to first order too. ``"auto"``: as for ``compare_rdms``.
    n_bootstrap : int
        Draws, 2 or more.
    confidence : float
        Of the intervals, in (0, 1).
    rng : int or Generator
        Seed of the draws, which belong to the ids of stimuli and subjects: the same ids and seed
        give the same draws, whatever their order in the RDMs.
    quiet : bool
        Show no progress.

    Returns
    -------
    Dataset
        Scores in the form that ``build_scores`` defines, in the unit of the comparator, in [-1, 1]:
        ``score_mean``, ``mean_ci_low``, ``mean_ci_high``, ``p``, ``q`` (op, region): mean over the
        subjects that have the region, for new stimuli and new subjects; for new stimuli only where
        a region has one subject. ``score``, ``ci_low``, ``ci_high``, and ``subject_p``,
        ``subject_q`` (op, region, subject): for new stimuli, that subject. p: one-sided, of a score
        above 0 (see Notes), NaN where it does not vary over draws; q: Benjamini-Hochberg over all
        ops, regions, time bins (and subjects). ``ceiling_lower``, ``ceiling_upper`` (region), see
        ``compute_rdm_ceilings``; ``ceiling_lower_ci_low``, ``..._ci_high``,
        ``ceiling_upper_ci_low``, ``..._ci_high``: their intervals, for new stimuli and subjects, of
        the same draws as those of scores. Besides: ``freedom``, ``n_subjects`` (region),
        ``left_out``, ``kept_in`` (region, subject); ``draws`` (resampled, bootstrap, op, region):
        means under "both", "subjects", "stimuli"; ``ceiling_draws`` (resampled, bootstrap, region):
        the same of the lower ceiling. No halves: choose ops with ``compare_rdms``.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_rdms``; ``n_bootstrap`` below 2; fewer than 4 stimuli, or groups.

    Warns
    -----
    RuntimeWarning
        As ``compare_rdms``; for comparators of which p is no test.

    Notes
    -----
    Drawing stimulus i c_i times is a weight c_i c_j on the pair (i, j), so no RDM is ever copied;
    pairs of a stimulus with its own copy are dropped, and draws of fewer than three different
    stimuli left out. With few subjects the interval is wide, as it should be: report each subject
    too. RDMs that have nothing to do with each other have a cosine, whitened-cosine and bures above
    0 as a rule, so that p and q are no test of these: ``score_note`` and a warning say so, and
    ``permute_rdms`` has one. Time O(draws ops brains n^2), three bootstraps for
    one; memory is mostly ``draws``, 24 bytes per draw, op, region and time.

    References
    ----------
    Schuett et al. (2023) eLife 12:e82566, Methods, "2-factor bootstrap"; Benjamini & Hochberg
    (1995) J. R. Stat. Soc. B 57:289. Checked against rsatoolbox ``eval_dual_bootstrap`` with
    identical draws (``test_bootstrap.py``).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(0)
    >>> ids = [f"s{i}" for i in range(12)]
    >>> points = rng.normal(size=(4, 12, 3)) + 3 * rng.normal(size=(12, 3))
    >>> squares = ((points[:, :, None] - points[:, None]) ** 2).sum(-1)
    >>> dims, coords = ("stimulus", "stimulus_2"), {"stimulus": ids, "stimulus_2": ids}
    >>> model = xr.DataArray(squares[0], dims=dims, coords=coords)
    >>> brain = xr.DataArray(squares[1:], dims=("subject", *dims),
    ...                      coords={"subject": ["A", "B", "C"], **coords})
    >>> scores = bootstrap_rdms(model, brain, n_bootstrap=100)
    >>> scores.p.dims, bool(scores.p[0, 0] < 0.05), int(scores.freedom[0])
    (('op', 'region'), True, 2)
    """
    generator = make_generator(rng)
    sides = read_sides(model_rdms, brain_rdms, comparator)
    check_whole(n_bootstrap, "n_bootstrap", 2, 1000)
    check_share(confidence, "confidence", 0.95)

    group = read_sides_groups(by, sides.model, brain_rdms, model_rdms)
    if group is None:
        alone = np.zeros(len(sides.model.ids), dtype=int)
        warn_sides(sides.model, sides.brain, brain_rdms, alone, RESAMPLING_FIX)
    sides = rank_sides(sides)
    unit_name = "stimuli" if group is None else "groups of stimuli"
    resampling = _resample_both(sides, group, n_bootstrap, generator)
    n_units = resampling.n_units
    fewest = count_fewest_units(sides, group)
    by_influences = choose_influences(interval, sides.comparator, fewest, n_bootstrap)
    warn_bias(interval, sides.comparator, n_bootstrap)
    units = read_units(group, resampling.counts)
    if by_influences:
        check_units(n_units, unit_name)
    total = _count_steps(sides, n_bootstrap, by_influences=by_influences)
    with show_progress(total, "resampling RDMs", quiet=quiet):
        if by_influences:
            estimates = estimate_influences(sides, units, resampling.shares)
        else:
            estimates = estimate_draws(sides, resampling)
        warn_undefined(sides, estimates.score)
        if by_influences:
            bounds = influence_bounds(sides.brain, sides.comparator, units.number)
            ceilings = bound_scores(sides.brain, sides.comparator, bounds.whole)
            spreads = _spread_influences(bounds, units, resampling.shares, confidence)
        else:
            ceilings = bound_scores(sides.brain, sides.comparator)
            spreads = _spread_ceilings(sides, resampling, ceilings, confidence)
    values = _infer_scores(sides, estimates, n_units, confidence, ceilings)
    values = values.assign(spreads)
    if by_influences:
        warn_lost_intervals(values)
    for note in _describe_test(sides.comparator).values():
        warn_user(note)
    new_subjects = bool((ceilings["n_subjects"] > 1).any())
    procedure = name_procedure(sides.comparator) if by_influences else "bootstrap"
    return build_scores(
        values["score"],
        method="rsa",
        measure=comparator,
        n_stimuli=len(sides.model.ids),
        variables=name_variables(values, sides),
        dissimilarity=name_dissimilarity(model_rdms),
        intervals=Intervals(
            kind=f"t interval of the two-factor {procedure}",
            over=f"{unit_name} and subjects" if new_subjects else unit_name,
            level=float(confidence),
        ),
        ceiling=read_ceiling(ceilings, sides.model),
        details={
            "n_bootstrap": int(n_bootstrap),
            "n_units": n_units,
            "rng": describe_rng(rng),
            **describe_choice(interval, sides.comparator, fewest, n_bootstrap),
            **_describe_test(sides.comparator),
            DRAWS_HASH: hash_draws(resampling.counts, sides.model.ids),
            **describe_pairs(sides),
            **get_marks(model_rdms),
        },
    )


def _describe_test(comparator: Comparator) -> dict[str, str]:
    """Return the attribute that says why p of a score is no test, where it is none."""
    if not comparator.chance_is_above_zero:
        return {}
    note = (
        f"RDMs that have nothing to do with each other score above 0 in {comparator.name} as a "
        "rule, so a p of a score above 0 is no test of a relation; permute_rdms has one."
    )
    return {"score_note": note}


def _count_steps(sides: Sides, n_bootstrap: int, *, by_influences: bool) -> int:
    """Return how many steps the work takes: of draws, or of ops for influences."""
    if by_influences:
        return count_draw_steps(sides, 0, 0) + len(sides.model.ops)
    return count_draw_steps(sides, n_bootstrap, 0)


def _resample_both(
    sides: Sides, group: np.ndarray | None, n_bootstrap: int, generator: np.random.Generator
) -> Resampling:
    """Return draws of stimuli and subjects, which belong to their ids and not to their order.

    With ``group`` (n,) whole groups are drawn.
    """
    stimulus_rng, subject_rng = generator.spawn(2)
    ids = sides.model.ids
    if group is None:
        n_units = len(ids)
        counts = draw_stimuli(n_units, n_bootstrap, stimulus_rng).take(rank_ids(ids), axis=1)
    else:
        n_units = int(group.max()) + 1
        counts = draw_groups(group, n_bootstrap, stimulus_rng)
    rank = rank_ids(sides.brain.subjects)
    present = sides.brain.present[:, np.argsort(rank)]
    shares = draw_subjects(present, n_bootstrap, subject_rng).take(rank, axis=2)
    return Resampling(counts, shares, n_units)


def _spread_ceilings(
    sides: Sides, resampling: Resampling, ceilings: xr.Dataset, confidence: float
) -> Variables:
    """Return the intervals and draws of the ceilings, for new stimuli and subjects."""
    drawn = bound_subjects(sides.brain, sides.comparator, resampling.counts)
    spreads = [
        spread_both(
            ceilings[whole].values, of_draws, resampling.shares, resampling.n_units, confidence
        )
        for whole, of_draws in (("left_out", drawn.lower), ("kept_in", drawn.upper))
    ]
    return label_spreads(*spreads)


def _spread_influences(
    bounds: Influenced, units: Units, shares: np.ndarray, confidence: float
) -> Variables:
    """Return the intervals and draws of the ceilings from influences."""
    spreads = [
        spread_units_and_subjects(whole[0], influences, units, shares, confidence)
        for whole, influences in zip(bounds.whole, bounds.influences, strict=True)
    ]
    return label_spreads(*spreads)


def _infer_scores(
    sides: Sides, estimates: Estimates, n_units: int, confidence: float, ceilings: xr.Dataset
) -> xr.Dataset:
    """Return scores with their intervals, tests and ceilings, on labelled dimensions."""
    brain = sides.brain
    n_subjects = brain.present.sum(axis=1)
    mean = mean_subjects(estimates.score, brain.present)
    freedom = np.array([count_freedom(count, n_units) for count in n_subjects])
    low, high, subject_p = infer_mean(
        estimates.score, estimates.variance, estimates.freedom, confidence
    )
    mean_low, mean_high, p = infer_mean(mean, estimates.mean_variance, freedom, confidence)
    kind = ceilings["ceiling_lower"].attrs
    return xr.Dataset(
        {
            "score": (PER_SUBJECT, estimates.score, kind),
            "score_mean": (PER_REGION, mean, kind),
            "ci_low": (PER_SUBJECT, low),
            "ci_high": (PER_SUBJECT, high),
            "mean_ci_low": (PER_REGION, mean_low),
            "mean_ci_high": (PER_REGION, mean_high),
            "p": (PER_REGION, p),
            "q": (PER_REGION, control_discoveries(p)),
            "subject_p": (PER_SUBJECT, subject_p),
            "subject_q": (PER_SUBJECT, control_discoveries(subject_p)),
            "freedom": (REGION, freedom),
            "draws": ((RESAMPLED_DIM, BOOTSTRAP, *PER_REGION), estimates.draws),
            **ceilings.data_vars,
        },
        coords={
            OP: sides.model.ops,
            REGION: brain.regions,
            SUBJECT: brain.subjects,
            RESAMPLED_DIM: list(RESAMPLED),
        },
    )
