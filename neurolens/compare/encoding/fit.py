"""Encoding models: prediction of each neuroid's responses to held-out stimuli from each op."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from neurolens.compare.encoding.aggregate import (
    AGGREGATES,
    MIN_CEILING,
    NeuroidScores,
    aggregate_scores,
    build_encoding,
)
from neurolens.compare.encoding.cross_validation import (
    METHODS,
)
from neurolens.compare.encoding.explainable import read_ceiling
from neurolens.compare.encoding.models.accuracy import SCORES
from neurolens.compare.encoding.models.penalties import Settings, read_alphas, warn_ends
from neurolens.compare.encoding.models.ridge import SELECTORS
from neurolens.compare.encoding.models.spectrum import describe_solvers
from neurolens.compare.encoding.normalized import check_least, read_explainable
from neurolens.compare.encoding.ops.fits import Problem, add_fits, fit_ops
from neurolens.compare.encoding.split_half import (
    Halves,
    add_halves,
    count_splits,
    describe_intervals,
    find_units,
    halve_folds,
)
from neurolens.compare.inputs.checks import (
    Seed,
    check_device,
    check_draws,
    check_share,
    check_whole,
    make_generator,
    rank_ids,
)
from neurolens.compare.inputs.features import FeatureData, open_features
from neurolens.compare.inputs.folds import check_inner, read_folds
from neurolens.compare.inputs.op_groups import over_ops
from neurolens.compare.inputs.responses import Targets, read_targets
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.errors import InputError
from neurolens.labels import check_name, get_marks, list_names
from neurolens.support.progress import show_progress
from neurolens.support.sizes import read_bytes


@over_ops("features")
@over_time_bins("responses", "ceiling")
def fit_encoding(
    features: FeatureData,
    responses: xr.DataArray,
    *,
    cv: int | str | xr.DataArray = 5,
    method: str = "ridge",
    metric: str = "r",
    aggregate: str = "mean",
    alphas: Sequence[float] | None = None,
    select: str = "gcv",
    n_components: int = 25,
    ceiling: xr.DataArray | None = None,
    min_ceiling: float = MIN_CEILING,
    dual: bool = False,
    predictions: bool = False,
    n_splits: int | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: Seed = 0,
    device: str | torch.device = "cpu",
    memory: str | int = "4GiB",
    checkpoint: str | Path | None = None,
    client: Any = None,
    quiet: bool = False,
) -> xr.Dataset:
    """Predict the held-out responses of each neuroid from each op, with one penalty per neuroid.

    Ridge minimizes ``|Y - 1 b' - A W|^2 + alpha |W|^2`` over training stimuli, features A
    (stimulus, feature), centered by training means, with a free intercept b. With fewer features
    than training stimuli it is solved from the features, otherwise from the kernel A A', with the
    same answer. The penalty of each neuroid is the one with the least cross-validated error within
    the training stimuli (``select``), all from one decomposition per op and fold. Correlations are
    measured in each fold and averaged over folds, because those of predictions pooled over folds
    would be biased below zero; R^2 is that of all held-out stimuli, because a fold of few stimuli
    has no variance to divide by.

    Parameters
    ----------
    features : Dataset, DataTree or DataArray
        Grams (``gram`` (op, stimulus, stimulus_2)) from ``extract_grams``, activations from
        ``extract_activations``, or one array (stimulus, ...), the op "model". Real, finite; any
        unit. Those of a store (``open_activations``) are read in blocks of stimuli. Not scaled:
        z-score features beforehand, with training means and deviations, if they should be.
    responses : DataArray (presentation, neuroid) or (stimulus, neuroid)
        Any unit. ``stimulus_id`` on presentation, exactly the stimuli of the features in any order;
        ``region``, ``subject`` on neuroid where known (else "brain", "group"). Regions that overlap
        are coordinates of True and False, ``region_V1``, ``region_FFA``, instead of ``region``;
        not with "pls". Presentations of a stimulus are averaged first, of each neuroid those that
        are not NaN. With ``time_bin`` besides, all that has region or neuroid has
        time_bin too: maps of op by time.
    cv : int, str or DataArray
        Number of folds over stimuli; the name of a coordinate of ``responses`` to leave out group
        by group ("category", "run", "subject"), which must not share stimuli; or folds from
        ``split_stimuli``, such as contiguous blocks with gaps for a series.
    method : str
        "ridge", or "pls": partial least squares without feature scaling, ``n_components`` shared by
        the neuroids of each region and subject.
    metric : str
        What ``score`` is: "r" (Pearson, mean over folds) or "r2" (1 - residual / total sum of
        squares, each summed over all held-out stimuli, the total about training means: 0 for what
        predicts the training mean, below 0 for worse).
    aggregate : str
        How the scores of neuroids become that of a region and subject: "mean" or "median".
    alphas : sequence of float, optional
        Penalties to choose from, above 0, as in scikit-learn's Ridge. Default: 1e-4 to 1e5 by tens,
        times the mean eigenvalue of each training kernel; in these units a penalty is a ratio of
        noise to signal and fits any op.
    select : str
        "gcv" (generalized cross-validation), "loo" (leave one stimulus out) or "folds" (leave each
        other fold out in turn, exact). The first two take stimuli as exchangeable: choose "folds"
        when ``cv`` keeps groups together.
    n_components : int
        Of "pls"; an op with fewer dimensions uses as many as it has.
    ceiling : DataArray (neuroid), optional
        How well a perfect model would do. ``attrs["kind"]``: "ncsnr" (of single trials), or
        "reliability", "r", "r2" with ``attrs["n_repeats"]``, the number of presentations averaged.
        Matched by ``neuroid_id`` (and ``subject``).
    min_ceiling : float
        Neuroids of which less variance than this can be explained have no ``normalised`` score of
        their own: a ratio to next to nothing is noise. ``score_normalised`` is over all neuroids.
    dual : bool
        Also return dual weights, fitted to all stimuli, for ``compute_encoding_weights``. Only with
        "ridge".
    predictions : bool
        Also return the held-out predictions, for ``compare_predicted`` (veRSA); 8 bytes per op,
        stimulus and neuroid.
    n_splits : int, optional
        Random splits of the stimuli of every fold into halves, for intervals and
        ``assign_regions``. Default: 5 if every fold has 6 stimuli or more, otherwise 0. Each split
        is two more fits, each to half of the stimuli; with more the intervals are narrower, and 0
        leaves them out.
    n_bootstrap : int
        Draws of the scores made from the halves, for ``assign_regions``, ``locate_peaks`` and
        ``compare_ops``; cheap. 2 or more, or 0 for none.
    confidence : float
        Of the intervals, in (0, 1).
    rng : int or Generator
        Seed of the folds, the halves and the draws. Folds and halves belong to the stimulus ids:
        the same ids and seed give the same ones in any order of presentations, stimuli or ops.
    device : str or device
        Where to compute in float64: "cpu" or "cuda".
    memory : str or int
        Budget for the features of an op, such as "4GiB": half of it for those that are kept, and a
        chunk of a store at least. The answer does not depend on it. Besides, memory is taken by the
        responses, by a square of the features or of the stimuli, and by products of features and
        neuroids (Notes).
    checkpoint : str or Path, optional
        Folder where the fit of each op is kept as soon as it is there. The same call after one that
        was stopped goes on from there; fits of other features, responses or settings are never
        taken. With neuroids (op, stimulus, neuroid) asked for by ``dual`` or ``predictions`` it
        takes as much disk as these. Delete it afterwards.
    client : dask.distributed.Client, optional
        Divide the ops among its workers, each with one thread; ``rng`` must then be a number.
    quiet : bool
        Show no progress.

    Returns
    -------
    Dataset
        In the form of ``neurolens.scores``. ``score`` (op, region, subject): mean, or median,
        over neuroids that can be predicted at all, ``score_mean`` (op, region): mean over subjects;
        ``r``, ``r2`` (op, neuroid); ``alpha`` (op, fold, neuroid), absolute; ``n_neuroids``
        (region, subject); ``stimulus_fold`` (stimulus). ``ceiling_upper`` (region) in units of the
        score, NaN without ``ceiling``; ``ceiling_lower`` (region): NaN. ``r``, ``r2``, the scores
        and the ceilings carry ``kind`` and ``n_repeats``, for ``normalize_scores``. ``ci_low``,
        ``ci_high`` (op, region, subject), ``mean_ci_low``, ``mean_ci_high`` (op, region): NaN
        without ``n_splits``; with it also ``bootstrap_mean``, ``split_score``,
        ``split_subject_score`` and ``split_member``, as in ``compare_rdms``; the score of a half is
        that of the whole fit repeated within that half alone. With ``ceiling``: ``normalised`` (op,
        neuroid), r / sqrt(NC) or R^2 / NC, as the attribute ``normalization`` says, with NC the
        share of variance that can be explained; ``score_normalised`` (op, region, subject),
        sqrt(sum of r|r| / sum of NC) or sum of R^2 / sum of NC over neuroids, about 1 for a perfect
        model whatever the reliability (Notes), and ``score_normalised_se``, its standard error over
        neuroids.
        With ``dual``: ``dual`` (op, stimulus, neuroid), their penalties ``dual_alpha`` (op,
        neuroid), ``response_mean`` (neuroid) and ``feature_power`` (op, stimulus), by which
        ``compute_encoding_weights`` knows the features again. With ``predictions``: ``prediction``
        (op, stimulus, neuroid), each stimulus predicted by the fit that did not see it, NaN for
        those in no fold and for neuroids that cannot be predicted; ``stimulus_fold`` is then a
        coordinate.
        ``neuroid_repeats`` (neuroid): presentations behind a response, where neuroids differ.
        Labels of neuroids are kept, ``region`` and ``subject`` as ``neuroid_region`` and
        ``neuroid_subject``.

    Raises
    ------
    InputError
        Features are complex, NaN or infinite; a stimulus has no response at all; there are too few
        stimuli or groups for the folds or their halves; a setting or ceiling cannot be used;
        features that must be in memory (Notes) take more than ``memory``; with ``alphas`` so small
        that a fit goes through single stimuli, their left-out error is lost in rounding.
    LabelError
        Labels are missing, repeated, or differ between features and responses.
    UnknownNameError
        ``method``, ``metric``, ``select`` or the kind of ceiling is unknown.

    Warns
    -----
    RuntimeWarning
        Neuroids that are constant, infinite or without any response to a stimulus get NaN; an op
        predicts no change in some fold; a neuroid's penalty is at an end of ``alphas`` beyond which
        the fit would still change (by over one degree of freedom); a half of the stimuli has no
        score, so there is no interval; hardly anything can be explained in a region of ten neuroids
        or more, so there is no normalised score. Stimuli that folds tear apart depend on each other
        on both sides: neighbors in the order of the rows of ``responses`` resemble each other more
        than in any of 999 random orders (where rows are stimuli, which may be sorted by category,
        they must change gradually on one side too), stimuli of one run or session do, or stimuli
        under different ids have the same features, or nearly (the first 1000 stimuli are looked
        at). For stimuli in random order the chance of the first two is 1/1000 at most.

    Notes
    -----
    Resampling the held-out predictions would not be enough, because with other stimuli the training
    stimuli would have been others too. Intervals here are score -+ t sqrt(mean of (a - b)^2 / 4)
    over halvings into a and b, with degrees of freedom f, 1 / f = 1 / splits + 1 / (stimuli -
    folds): half the stimuli have twice the variance, and everything is fitted anew. They are for
    new stimuli, the same neuroids and subjects, and, with the name of a group as ``cv``, the same
    groups. With folds of several groups, ``split_stimuli(..., n_folds=..., by=...)``, or contiguous
    folds, halves keep groups, or blocks of the series, whole, and intervals are for new ones
    (``interval_over``). Those
    of R^2 are too wide; docs/simulation.md gives the coverage of both. ``bootstrap_mean`` are draws
    from the t distribution that these intervals come from. For p use ``permute_encoding``.

    The attribute ``score_note`` says over what scores are averaged. Within t held-out stimuli a
    correlation is too small, by a factor of about 1 - (1 - r^2) / (2 (t - 1)): for a true r of .71
    the mean over folds of 5 stimuli was .65, of 10 .68, of 20 .69 and of 50 .69, with 100 stimuli
    (4,000 voxels). Compare scores of folds of about the same size.

    The noise ceiling of a neuroid is a noisy estimate, cut at 0. A mean of ratios to it can be
    anything, and a ratio of means is too low where many neuroids are noise. For
    ``score_normalised`` NC is estimated from the repeats in ``responses`` without the cut (for a
    ceiling of kind "ncsnr" or "reliability"). A perfect model then got .99 to 1.01 at NC from .1 to
    .8 with two repeats of 100 stimuli, .99 where half of the neuroids were noise (.77 with the cut)
    and 1.06 at NC .05; with 40 stimuli .97 to 1.07, .99, and at .05 1.26 (standard deviation .35).

    With fewer features p than training stimuli, their products X'X and X'Y are summed over blocks
    of stimuli, in float64, and those of a fold are subtracted (or, where that would lose digits,
    the training stimuli are summed): O(n p^2 + n p v) for all folds, O(p^3 + p^2 v) per fold with
    "gcv", for each of the other folds with "folds", and O(n p v) per fold and penalty with "loo".
    Otherwise the kernel of n stimuli is computed from pairs of blocks: O(n^2 p), then O(n^3 + n^2
    v) per fold. ``solver`` says which of these it was, and in how many blocks features were read.
    For "pls", and for ``alphas`` so small that rounding of X'X would be more than a millionth of
    them, features are in memory and solved by a QR decomposition, "primal by QR"; those that take
    more than ``memory`` are refused. All regions and subjects in one call share what is computed of
    the features. Memory beside ``responses`` themselves: ``memory``, one copy of the responses in
    float64, p squared or n squared numbers, 2 p v, and the result.

    References
    ----------
    Golub, Heath & Wahba (1979) Technometrics 21:215 (GCV); Allen (1974) Technometrics 16:125 (LOO);
    Dupre la Tour et al. (2022) NeuroImage 264:119728 (penalties per voxel). Checked against
    scikit-learn, himalaya and slow loops.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(0)
    >>> features = xr.DataArray(rng.normal(size=(30, 4)), dims=("stimulus", "feature"),
    ...                         coords={"stimulus": [f"s{i}" for i in range(30)]})
    >>> weights = xr.DataArray(rng.normal(size=(4, 2)), dims=("feature", "neuroid"))
    >>> responses = features @ weights + 1
    >>> scores = fit_encoding(features, responses[::-1])
    >>> scores.score.dims, float(scores.score.squeeze().round(2))
    (('op', 'region', 'subject'), 1.0)
    """
    check_name(method, METHODS, "method")
    check_name(metric, SCORES, "metric")
    check_name(aggregate, AGGREGATES, "aggregate")
    check_name(select, SELECTORS, "select")
    if dual and method != "ridge":
        raise InputError(
            f"dual weights are those of method='ridge', got method={method!r}. Leave dual= out."
        )
    check_whole(n_components, "n_components", 1, 25)
    if n_splits is not None:
        check_whole(n_splits, "n_splits", 0, 20)
    check_draws(n_bootstrap)
    generator = make_generator(rng)
    check_share(confidence, "confidence", 0.95)
    check_device(device)
    budget = read_bytes(memory)
    grid = None if alphas is None else read_alphas(alphas)
    settings = Settings(method, grid, select, int(n_components))
    by_op = open_features(features)
    targets = read_targets(responses)
    if method == "pls":
        _refuse_overlap(targets)
    folds = read_folds(cv, targets.presented, targets.ids.tolist(), rng)
    if method == "ridge" and select == "folds":
        check_inner(folds)
    share = read_ceiling(ceiling, targets)
    explainable = None if share is None else read_explainable(share, responses, targets)
    n_splits = count_splits(n_splits, folds)
    split_rng, draw_rng = generator.spawn(2)
    # Random numbers are assigned to stimuli in sorted order of their ids.
    rank = rank_ids(targets.ids)
    by_id = folds.select(np.argsort(rank))
    member = halve_folds(by_id.number, find_units(by_id), n_splits, split_rng)[:, rank]

    problem = Problem(settings, targets, folds, member, metric, aggregate, device, budget)
    with show_progress(len(by_op.ops), "encoding", quiet=quiet):
        fits = fit_ops(by_op, problem, dual=dual, predictions=predictions, checkpoint=checkpoint)
    warn_ends(by_op.ops, fits.ends)
    scores = NeuroidScores(
        by_op.ops,
        targets,
        fits.by_neuroid,
        metric,
        folds.number,
        share,
        explainable,
        aggregate,
        check_least(min_ceiling),
    )
    result = aggregate_scores(scores)
    units = find_units(folds)
    n_units = len(targets.ids) if units is None else len(set(units))
    if n_splits:
        halves = Halves(member, fits.halves, n_units, n_bootstrap, confidence, draw_rng)
        result = add_halves(result, halves)
    result = build_encoding(
        add_fits(result, fits, targets, METHODS[method]),
        scores,
        estimator=METHODS[method],
        rng=rng,
        intervals=describe_intervals(n_splits, confidence, folds),
        details={
            "select": select if method == "ridge" else "none",
            "solver": describe_solvers(fits.sides, fits.n_blocks),
            "n_splits": n_splits,
            "n_units": n_units,
            "n_bootstrap": n_bootstrap,
            **get_marks(features),
        },
    )
    return result.set_coords("stimulus_fold") if predictions else result


def _refuse_overlap(targets: Targets) -> None:
    """Raise InputError where a neuroid is not in one region, with whose neuroids it is fitted."""
    if targets.overlap:
        region = targets.regions[0]
        raise InputError(
            f"method='pls' fits the neuroids of a region together, so each must be in one region, "
            f"and of {list_names(targets.regions)} some neuroid is in several or in none. Select "
            f"one at a time: responses.isel(neuroid=responses['region_{region}'].values)."
        )
