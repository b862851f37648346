"""Scores with intervals and p values for new stimuli and new subjects at once."""

import numpy as np
import xarray as xr

from neurolens.compare.ceilings import bound_scores
from neurolens.compare.comparators import Comparator, compare_pairs, find_comparator
from neurolens.compare.resampling import (
    RESAMPLED,
    combine_variances,
    control_discoveries,
    count_freedom,
    covary_means,
    draw_stimuli,
    draw_subjects,
    find_interval,
    find_p_above,
    resample_means,
    vary_draws,
)
from neurolens.compare.similarity import mean_subjects, warn_undefined
from neurolens.compare.triangles import take_brain_pairs, take_model_pairs
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, SUBJECT

RESAMPLE = "resampled"
# Draws times ops times brain RDMs that one block of ops may hold.
BLOCK_DRAWS = 2**23


def bootstrap_scores(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "spearman",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: int | np.random.Generator = 0,
) -> xr.Dataset:
    """Similarity of each op's RDM to each region's, with intervals and tests over stimuli and subjects.

    Stimuli (V_c), subjects (V_s) and both (V_b) are resampled with the same draws. The variance of the mean over S
    subjects and C stimuli is V = S/(S-1) V_s + C/(C-1) V_c - S C/((S-1)(C-1)) (V_b - V_s - V_c), at least the larger
    of the first two terms and at most V_b; intervals and p are those of t with min(S, C) - 1 degrees of freedom.

    Parameters
    ----------
    model_rdms, brain_rdms : DataArray
        As for ``compare_rdms``. To compare models, concatenate their RDMs along "op" under names of their own.
    comparator : str
        A key of ``COMPARATORS``.
    n_bootstrap : int
        Draws, 2 or more.
    confidence : float
        Of the intervals, in (0, 1).
    rng : int or Generator
        Seed of the draws.

    Returns
    -------
    Dataset
        ``score``, ``ci_low``, ``ci_high``, ``p``, ``q`` (op, region, subject): for new stimuli, that subject.
        ``score_mean``, ``mean_ci_low``, ``mean_ci_high``, ``mean_p``, ``mean_q`` (op, region): mean over the subjects
        that have the region, for new stimuli and new subjects; for new stimuli only where a region has one subject.
        p: one-sided, of a score above 0; q: Benjamini-Hochberg over all ops, regions (and subjects).
        ``freedom``, ``n_subjects``, ``ceiling_lower``, ``ceiling_upper`` (region). ``draws`` (resampled, bootstrap,
        op, region): means under "both", "subjects", "stimuli". Unit of scores: that of the comparator, in [-1, 1].

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_rdms``; ``n_bootstrap`` below 2.

    Notes
    -----
    Drawing stimulus i c_i times is a weight c_i c_j on the pair (i, j), so no RDM is ever copied; pairs of a stimulus
    with its own copy are dropped, and draws of fewer than three different stimuli left out. With few subjects the
    interval is wide, as it should be: report each subject too. A cosine of dissimilarities is above 0 for any two
    RDMs, so its p says nothing: use ``permute_scores``. Time O(draws ops brains n^2), three bootstraps for one.

    References
    ----------
    Schuett et al. (2023) eLife 12:e82566, Methods, "2-factor bootstrap"; Benjamini & Hochberg (1995) J. R. Stat. Soc.
    B 57:289. Checked against rsatoolbox ``eval_dual_bootstrap`` with identical draws (``test_bootstrap.py``).

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
    >>> scores = bootstrap_scores(model, brain, n_bootstrap=100)
    >>> scores.mean_p.dims, bool(scores.mean_p[0, 0] < 0.05), int(scores.freedom[0])
    (('op', 'region'), True, 2)
    """
    kernel = find_comparator(comparator)
    model = take_model_pairs(model_rdms)
    brain = take_brain_pairs(brain_rdms, model.ids)
    n_stimuli, n_ops, present = len(model.ids), len(model.ops), brain.present
    if not isinstance(n_bootstrap, int | np.integer) or n_bootstrap < 2:
        raise InputError(f"n_bootstrap must be a whole number, 2 or more, got {n_bootstrap!r}. Pass n_bootstrap=1000.")
    if not 0 < confidence < 1:
        raise InputError(f"confidence must lie between 0 and 1, got {confidence!r}. Pass e.g. confidence=0.95.")

    stimulus_rng, subject_rng = np.random.default_rng(rng).spawn(2)
    counts = draw_stimuli(n_stimuli, n_bootstrap, stimulus_rng)
    shares = draw_subjects(present, n_bootstrap, subject_rng)
    score, variance = np.full((2, n_ops, *present.shape), np.nan)
    draws = np.full((3, n_bootstrap, n_ops, len(present)), np.nan)
    n_subjects = present.sum(axis=1)
    places = np.split(np.arange(n_subjects.sum()), np.cumsum(n_subjects)[:-1])
    width = max(1, BLOCK_DRAWS // (n_bootstrap * int(n_subjects.sum())))
    for ops in (slice(start, start + width) for start in range(0, n_ops, width)):
        whole, drawn = _score_draws(model.pairs[ops], brain.pairs[present], counts, kernel)
        score[ops][:, present] = whole
        variance[ops][:, present] = vary_draws(drawn) * n_stimuli / (n_stimuli - 1)
        for region, columns in enumerate(places):
            if len(columns):
                members = shares[:, region, present[region]]
                draws[:, :, ops, region] = resample_means(whole[:, columns], drawn[:, :, columns], members)
    warn_undefined(model.ops[np.isnan(score[:, present]).any(axis=1)])

    mean = mean_subjects(score, present)
    mean_variance = np.stack(
        [
            combine_variances(np.diagonal(covary_means(draws[..., region]), axis1=1, axis2=2), n_here, n_stimuli)
            for region, n_here in enumerate(n_subjects)
        ],
        axis=-1,
    )
    freedom = np.array([count_freedom(n_here, n_stimuli) for n_here in n_subjects])
    by_subject, by_region = (OP, REGION, SUBJECT), (OP, REGION)
    low, high = find_interval(score, variance, n_stimuli - 1, confidence)
    mean_low, mean_high = find_interval(mean, mean_variance, freedom, confidence)
    p, mean_p = find_p_above(score, variance, n_stimuli - 1), find_p_above(mean, mean_variance, freedom)
    ceilings = bound_scores(brain, kernel, comparator)
    return xr.Dataset(
        {
            "score": (by_subject, score),
            "ci_low": (by_subject, low),
            "ci_high": (by_subject, high),
            "p": (by_subject, p),
            "q": (by_subject, control_discoveries(p)),
            "score_mean": (by_region, mean),
            "mean_ci_low": (by_region, mean_low),
            "mean_ci_high": (by_region, mean_high),
            "mean_p": (by_region, mean_p),
            "mean_q": (by_region, control_discoveries(mean_p)),
            "freedom": (REGION, freedom),
            "draws": ((RESAMPLE, "bootstrap", *by_region), draws),
            **ceilings.data_vars,
        },
        coords={OP: model.ops, REGION: brain.regions, SUBJECT: brain.subjects, RESAMPLE: list(RESAMPLED)},
        attrs={
            **ceilings.attrs,
            "method": "rsa",
            "metric": str(model_rdms.attrs.get("metric", "unknown")),
            "n_stimuli": n_stimuli,
            "n_bootstrap": int(n_bootstrap),
            "confidence": float(confidence),
            "rng": "generator" if isinstance(rng, np.random.Generator) else int(rng),
        },
    )


def _score_draws(x: np.ndarray, y: np.ndarray, counts: np.ndarray, kernel: Comparator) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores (m, b) of ``x`` (m, pair) with ``y`` (b, pair), and (d, m, b) under ``counts`` (d, stimulus).

    Ops with NaN are NaN throughout, and so is a draw of fewer than three different stimuli: it has at most one pair.
    """
    usable = ~np.isnan(x).any(axis=1)
    enough = (counts > 0).sum(axis=1) >= 3
    whole, drawn = np.full((len(x), len(y)), np.nan), np.full((len(counts), len(x), len(y)), np.nan)
    whole[usable] = compare_pairs(x[usable], y, np.ones_like(counts[:1]), kernel)[0]
    drawn[np.ix_(enough, usable)] = compare_pairs(x[usable], y, counts[enough], kernel)
    return whole, drawn
