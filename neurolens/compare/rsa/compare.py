"""Model RDMs against brain RDMs: scores, intervals and halves, one comparator for all."""

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import (
    Seed,
    check_draws,
    check_share,
    check_whole,
    describe_rsa,
    make_generator,
    put_on,
    rank_ids,
    warn_user,
)
from neurolens.compare.inputs.op_groups import map_ops
from neurolens.compare.inputs.time_bins import compare_bins
from neurolens.compare.rdms.vectors import (
    BrainPairs,
    ModelPairs,
    mean_subjects,
    take_brain_pairs,
    take_model_pairs,
)
from neurolens.compare.rsa.ceilings import bound_scores
from neurolens.compare.rsa.comparators.table import Comparator, compare_pairs, find_comparator
from neurolens.compare.stats.bootstrap import draw_stimuli
from neurolens.compare.stats.intervals import percentile_interval
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, STIMULUS, SUBJECT, TIME_BIN, list_names

# Pairs times ops that one block may hold, of which comparators make several copies; draws times ops
# times brain RDMs.
BLOCK_PAIRS = 2**22
BLOCK_DRAWS = 2**23


def compare_rdms(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "spearman",
    n_bootstrap: int = 1000,
    n_splits: int = 20,
    confidence: float = 0.95,
    rng: Seed = 0,
    client: Any = None,
) -> xr.Dataset:
    """Similarity of each op's RDM to each region's, per subject, with intervals and noise ceilings.

    Over the pairs p of stimuli, x = model and y = brain dissimilarities: ``pearson`` r(x, y);
    ``spearman`` r of their mid-ranks; ``cosine`` sum x y / sqrt(sum x^2 sum y^2); ``rho-a`` = 12 /
    (N^3 - N) sum (R_x - mean)(R_y - mean) for N pairs and mid-ranks R, the mean Spearman under
    random tie breaking: fair to models that predict ties; ``tau-a`` = (concordant - discordant) /
    all comparisons of pairs, for the same need, slowly; ``whitened-pearson``, ``whitened-cosine``:
    of RDMs freed of the covariance of pairs that share a stimulus; ``bures``: fidelity of the Grams
    behind squared distances, which is the Procrustes similarity of the points.

    Parameters
    ----------
    model_rdms : DataArray (op, stimulus, stimulus_2) or (stimulus, stimulus_2)
        Dissimilarities in any unit, symmetric, 0 on the diagonal. An op with NaN gets NaN scores,
        with a warning.
    brain_rdms : DataArray (region, subject, stimulus, stimulus_2)
        The same stimuli by id, in any order; region, subject or both may be missing (then "brain",
        "group"). A (region, subject) that does not exist is NaN throughout. With ``time_bin``
        besides, every result that has region has time_bin too: maps of op by time.
    comparator : str
        A key of ``COMPARATORS``.
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
        ``score``, ``ci_low``, ``ci_high`` (op, region, subject); ``score_mean``, ``mean_ci_low``,
        ``mean_ci_high`` (op, region), mean over the subjects that have the region;
        ``ceiling_lower``, ``ceiling_upper`` (region), see ``compute_rdm_ceilings``;
        ``bootstrap_mean`` (bootstrap, op, region), float32; ``split_score`` (split, half, op,
        region), mean over subjects; ``split_subject_score`` (split, half, op, region, subject);
        ``split_member`` (split, stimulus), True in half a. Unit: that of the comparator, in [-1,
        1]. Attributes say how it was made.

    Raises
    ------
    LabelError
        Dimensions differ from these, or the two sides do not hold exactly the same stimuli.
    InputError
        An RDM is asymmetric, not 0 on the diagonal, infinite; a brain RDM is NaN in part or
        constant; a number of draws, splits or a confidence cannot be used.
    UnknownNameError
        ``comparator`` is not in ``COMPARATORS``.

    Warns
    -----
    RuntimeWarning
        The score of an op is undefined: its RDM holds NaN or does not vary. The message names it.

    Notes
    -----
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
    settings: Any = {
        "comparator": comparator,
        "n_bootstrap": n_bootstrap,
        "n_splits": n_splits,
        "confidence": confidence,
    }
    generator = make_generator(rng)
    if client is not None:
        return map_ops(client, compare_rdms, model_rdms, rng=rng, brain_rdms=brain_rdms, **settings)
    if isinstance(brain_rdms, xr.DataArray) and TIME_BIN in brain_rdms.dims:
        return compare_bins(partial(compare_rdms, model_rdms, rng=rng, **settings), brain_rdms)
    kernel, model, brain = read_sides(model_rdms, brain_rdms, comparator)
    n_stimuli = len(model.ids)
    shape = (len(model.ops), *brain.present.shape)
    check_draws(n_bootstrap)
    check_whole(n_splits, "n_splits", 0, 20)
    if n_splits and n_stimuli < 6:
        raise InputError(
            f"half splits need at least 6 stimuli, got {n_stimuli}. Pass n_splits=0 or more "
            f"stimuli."
        )
    check_share(confidence, "confidence", 0.95)

    draw_rng, split_rng = generator.spawn(2)
    rank = rank_ids(model.ids)
    draws = draw_stimuli(n_stimuli, n_bootstrap, draw_rng).take(rank, axis=1)
    member = np.zeros((n_splits, n_stimuli), dtype=bool)
    for row in member:
        row[split_rng.permutation(n_stimuli)[: n_stimuli // 2]] = True
    member = member.take(rank, axis=1)
    halves = np.stack([member, ~member], axis=1).reshape(-1, n_stimuli)

    score, low, high = np.full((3, *shape), np.nan)
    mean_low, mean_high = np.full((2, *shape[:2]), np.nan)
    boot_mean = np.full((n_bootstrap, *shape[:2]), np.nan, dtype=np.float32)
    split_score = np.full((len(halves), *shape), np.nan)
    usable = np.flatnonzero(~np.isnan(model.pairs).any(axis=1))
    width = count_ops(model, brain, n_bootstrap)
    for ops in np.split(usable, range(width, len(usable), width)):
        score[ops] = compare_draws(
            model.pairs[ops], brain, np.ones((1, n_stimuli), dtype=int), kernel
        )[0]
        split_score[:, ops] = compare_draws(model.pairs[ops], brain, halves, kernel)
        drawn = compare_draws(model.pairs[ops], brain, draws, kernel)
        drawn_mean = mean_subjects(drawn, brain.present)
        low[ops], high[ops] = percentile_interval(drawn, confidence)
        mean_low[ops], mean_high[ops] = percentile_interval(drawn_mean, confidence)
        boot_mean[:, ops] = drawn_mean
    warn_undefined(model.ops[np.isnan(score[:, brain.present]).any(axis=1)])

    ceilings = bound_scores(brain, kernel, comparator)
    kind = ceilings["ceiling_lower"].attrs
    by_region = (OP, REGION)
    by_subject = (OP, REGION, SUBJECT)
    split_mean, mean = (mean_subjects(x, brain.present) for x in (split_score, score))
    split_mean, split_score = (
        x.reshape(n_splits, 2, *x.shape[1:]) for x in (split_mean, split_score)
    )
    numbers = {
        "n_bootstrap": int(n_bootstrap),
        "n_splits": int(n_splits),
        "confidence": float(confidence),
    }
    return xr.Dataset(
        {
            "score": (by_subject, score, kind),
            **put_on(by_subject, ci_low=low, ci_high=high),
            "score_mean": (by_region, mean, kind),
            **put_on(by_region, mean_ci_low=mean_low, mean_ci_high=mean_high),
            **ceilings[["ceiling_lower", "ceiling_upper"]].data_vars,
            "bootstrap_mean": (("bootstrap", *by_region), boot_mean),
            "split_score": (("split", "half", *by_region), split_mean),
            "split_subject_score": (("split", "half", *by_subject), split_score),
            "split_member": (("split", STIMULUS), member),
        },
        coords={
            OP: model.ops,
            REGION: brain.regions,
            SUBJECT: brain.subjects,
            STIMULUS: model.ids,
            "half": ["a", "b"],
        },
        attrs=ceilings.attrs | describe_rsa(model_rdms, n_stimuli, rng, **numbers),
    )


def read_sides(
    model_rdms: xr.DataArray, brain_rdms: xr.DataArray, comparator: str
) -> tuple[Comparator, ModelPairs, BrainPairs]:
    """Return what compares, and both sides as pairs with their stimuli in one order."""
    kernel = find_comparator(comparator)
    model = take_model_pairs(model_rdms)
    return kernel, model, take_brain_pairs(brain_rdms, model.ids)


def count_ops(model: ModelPairs, brain: BrainPairs, n_draws: int) -> int:
    """Return how many ops to compare at once, so that memory does not grow with their number."""
    return max(
        1,
        min(
            BLOCK_PAIRS // model.pairs.shape[1],
            BLOCK_DRAWS // (max(1, n_draws) * int(brain.present.sum())),
        ),
    )


def compare_draws(
    x: np.ndarray, brain: BrainPairs, counts: np.ndarray, comparator: Comparator
) -> np.ndarray:
    """Return the similarity (d, m, region, subject) of ``x`` (m, p) to each brain RDM under ``counts`` (d, n).

    NaN for those of ``x`` with NaN, for a subject without the region, and for draws of fewer than
    three stimuli.
    """
    usable = ~np.isnan(x).any(axis=1)
    enough = (counts > 0).sum(axis=1) >= 3
    scores = np.full((len(counts), len(x), brain.present.sum()), np.nan)
    scores[np.ix_(enough, usable)] = compare_pairs(
        x[usable], brain.pairs[brain.present], counts[enough], comparator
    )
    result = np.full((*scores.shape[:2], *brain.present.shape), np.nan)
    result[:, :, brain.present] = scores
    return result


def warn_undefined(ops: np.ndarray) -> None:
    """Warn once, naming the ops without a score."""
    if len(ops):
        warn_user(
            f"no score for {list_names(ops)}: the RDM holds NaN or does not vary over pairs. Leave "
            f"those ops out, or "
            "drop the stimuli that compute_rdms warned about."
        )
