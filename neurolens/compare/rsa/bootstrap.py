"""Scores with intervals and p values for new stimuli and new subjects at once."""

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import (
    Seed,
    check_share,
    check_whole,
    describe_rsa,
    make_generator,
    put_on,
    rank_ids,
)
from neurolens.compare.inputs.time_bins import compare_bins
from neurolens.compare.rdms.vectors import mean_subjects
from neurolens.compare.rsa.ceilings import bound_scores
from neurolens.compare.rsa.compare import compare_draws, count_ops, read_sides, warn_undefined
from neurolens.compare.stats.bootstrap import (
    RESAMPLED,
    combine_variances,
    covary_means,
    draw_stimuli,
    draw_subjects,
    resample_means,
    vary_draws,
)
from neurolens.compare.stats.intervals import count_freedom, infer_mean
from neurolens.compare.stats.null import control_discoveries
from neurolens.labels import OP, REGION, SUBJECT, TIME_BIN

RESAMPLE = "resampled"


def bootstrap_rdms(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "spearman",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: Seed = 0,
) -> xr.Dataset:
    """Similarity of each op's RDM to each region's, with intervals and tests over stimuli and subjects.

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
        A key of ``COMPARATORS``.
    n_bootstrap : int
        Draws, 2 or more.
    confidence : float
        Of the intervals, in (0, 1).
    rng : int or Generator
        Seed of the draws, which belong to the ids of stimuli and subjects: the same ids and seed
        give the same draws, whatever their order in the RDMs.

    Returns
    -------
    Dataset
        ``score``, ``ci_low``, ``ci_high``, ``p``, ``q`` (op, region, subject): for new stimuli,
        that subject. ``score_mean``, ``mean_ci_low``, ``mean_ci_high``, ``mean_p``, ``mean_q`` (op,
        region): mean over the subjects that have the region, for new stimuli and new subjects; for
        new stimuli only where a region has one subject. p: one-sided, of a score above 0, NaN where
        it does not vary over draws; q: Benjamini-Hochberg over all ops, regions, time bins (and
        subjects). ``freedom``, ``n_subjects``, ``ceiling_lower``, ``ceiling_upper`` (region).
        ``draws`` (resampled, bootstrap, op, region): means under "both", "subjects", "stimuli".
        Unit of scores: that of the comparator, in [-1, 1].

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_rdms``; ``n_bootstrap`` below 2; fewer than 4 stimuli.

    Notes
    -----
    Drawing stimulus i c_i times is a weight c_i c_j on the pair (i, j), so no RDM is ever copied;
    pairs of a stimulus with its own copy are dropped, and draws of fewer than three different
    stimuli left out. With few subjects the interval is wide, as it should be: report each subject
    too. The cosine of two RDMs without negative dissimilarities is above 0 whatever they hold, so
    its p says nothing: use ``permute_rdms``. Time O(draws ops brains n^2), three bootstraps for
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
    >>> brain = xr.DataArray(squares[1:], dims=("subject", *dims), coords={"subject": ["A", "B", "C"], **coords})
    >>> scores = bootstrap_rdms(model, brain, n_bootstrap=100)
    >>> scores.mean_p.dims, bool(scores.mean_p[0, 0] < 0.05), int(scores.freedom[0])
    (('op', 'region'), True, 2)
    """
    generator = make_generator(rng)
    if isinstance(brain_rdms, xr.DataArray) and TIME_BIN in brain_rdms.dims:
        again: Any = {
            "comparator": comparator,
            "n_bootstrap": n_bootstrap,
            "confidence": confidence,
            "rng": rng,
        }
        return compare_bins(partial(bootstrap_rdms, model_rdms, **again), brain_rdms)
    kernel, model, brain = read_sides(model_rdms, brain_rdms, comparator)
    n_stimuli = len(model.ids)
    n_ops = len(model.ops)
    present = brain.present
    check_whole(n_bootstrap, "n_bootstrap", 2, 1000)
    check_share(confidence, "confidence", 0.95)

    stimulus_rng, subject_rng = generator.spawn(2)
    counts = draw_stimuli(n_stimuli, n_bootstrap, stimulus_rng).take(rank_ids(model.ids), axis=1)
    rank = rank_ids(brain.subjects)
    shares = draw_subjects(present[:, np.argsort(rank)], n_bootstrap, subject_rng).take(
        rank, axis=2
    )
    score, variance = np.full((2, n_ops, *present.shape), np.nan)
    draws = np.full((3, n_bootstrap, n_ops, len(present)), np.nan)
    n_subjects = present.sum(axis=1)
    width = count_ops(model, brain, n_bootstrap)
    for ops in (slice(start, start + width) for start in range(0, n_ops, width)):
        score[ops] = compare_draws(model.pairs[ops], brain, np.ones_like(counts[:1]), kernel)[0]
        drawn = compare_draws(model.pairs[ops], brain, counts, kernel)
        variance[ops] = vary_draws(drawn) * n_stimuli / (n_stimuli - 1)
        for region, here in enumerate(present):
            if here.any():
                parts = score[ops, region, here], drawn[:, :, region, here], shares[:, region, here]
                draws[:, :, ops, region] = resample_means(*parts)
    warn_undefined(model.ops[np.isnan(score[:, present]).any(axis=1)])

    mean = mean_subjects(score, present)
    mean_variance = np.empty((n_ops, len(present)))
    for region, n_here in enumerate(n_subjects):
        power = np.diagonal(covary_means(draws[..., region]), axis1=1, axis2=2)
        mean_variance[:, region] = combine_variances(power, n_here, n_stimuli)
    freedom = np.array([count_freedom(n_here, n_stimuli) for n_here in n_subjects])
    low, high, p = infer_mean(score, variance, n_stimuli - 1, confidence)
    mean_low, mean_high, mean_p = infer_mean(mean, mean_variance, freedom, confidence)
    q, mean_q = map(control_discoveries, (p, mean_p))
    ceilings = bound_scores(brain, kernel, comparator)
    kind = ceilings["ceiling_lower"].attrs
    numbers = {"n_bootstrap": int(n_bootstrap), "confidence": float(confidence)}
    return xr.Dataset(
        {
            "score": ((OP, REGION, SUBJECT), score, kind),
            **put_on((OP, REGION, SUBJECT), ci_low=low, ci_high=high, p=p, q=q),
            "score_mean": ((OP, REGION), mean, kind),
            **put_on((OP, REGION), mean_ci_low=mean_low, mean_ci_high=mean_high),
            **put_on((OP, REGION), mean_p=mean_p, mean_q=mean_q),
            "freedom": (REGION, freedom),
            "draws": ((RESAMPLE, "bootstrap", OP, REGION), draws),
            **ceilings.data_vars,
        },
        coords={
            OP: model.ops,
            REGION: brain.regions,
            SUBJECT: brain.subjects,
            RESAMPLE: list(RESAMPLED),
        },
        attrs=ceilings.attrs | describe_rsa(model_rdms, n_stimuli, rng, **numbers),
    )
