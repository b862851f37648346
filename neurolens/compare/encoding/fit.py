"""Encoding models: prediction of each neuroid's responses to held-out stimuli from each op."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from neurolens.compare.encoding.accuracy import SCORES
from neurolens.compare.encoding.aggregate import NeuroidScores, aggregate_scores, build_encoding
from neurolens.compare.encoding.cross_validation import (
    METHODS,
    Settings,
    fit_dual,
    read_alphas,
    score_heldout,
)
from neurolens.compare.encoding.explainable import read_ceiling
from neurolens.compare.encoding.ridge import SELECTORS
from neurolens.compare.encoding.split_half import (
    Halves,
    add_halves,
    count_splits,
    describe_intervals,
    halve_folds,
    score_halves,
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
from neurolens.compare.inputs.features import FeatureData, Features, open_features
from neurolens.compare.inputs.folds import check_inner, read_folds
from neurolens.compare.inputs.op_groups import over_ops
from neurolens.compare.inputs.responses import Targets, read_targets
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.errors import InputError, warn_user
from neurolens.labels import NEUROID, OP, STIMULUS, check_name, get_marks, list_names


@over_ops("features")
@over_time_bins("responses", "ceiling")
def fit_encoding(
    features: FeatureData,
    responses: xr.DataArray,
    *,
    cv: int | str | xr.DataArray = 5,
    method: str = "ridge",
    metric: str = "r",
    alphas: Sequence[float] | None = None,
    select: str = "gcv",
    n_components: int = 25,
    ceiling: xr.DataArray | None = None,
    dual: bool = False,
    predictions: bool = False,
    n_splits: int | None = None,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: Seed = 0,
    device: str | torch.device = "cpu",
    client: Any = None,
) -> xr.Dataset:
    """Predict the held-out responses of each neuroid from each op, with one penalty per neuroid.

    Ridge minimizes ``|Y - 1 b' - A W|^2 + alpha |W|^2`` over training stimuli, features A
    (stimulus, feature), with a free intercept b; only the kernel A A' is used, centered by training
    means. The penalty of each neuroid is the one with the least cross-validated error within the
    training stimuli (``select``), all from one eigendecomposition per op and fold. Scores are
    measured in each fold of held-out stimuli and then averaged over folds: correlating predictions
    pooled over folds would be biased below zero.

    Parameters
    ----------
    features : Dataset, DataTree or DataArray
        Grams (``gram`` (op, stimulus, stimulus_2)) from ``extract_grams``, activations from
        ``extract_activations``, or one array (stimulus, ...), the op "model". Real, finite; any
        unit. Not scaled: z-score features beforehand, with training means and deviations, if they
        should be.
    responses : DataArray (presentation, neuroid) or (stimulus, neuroid)
        Any unit. ``stimulus_id`` on presentation, exactly the stimuli of the features in any order;
        ``region``, ``subject`` on neuroid where known (else "brain", "group"). Presentations of a
        stimulus are averaged first. With ``time_bin`` besides, all that has region or neuroid has
        time_bin too: maps of op by time.
    cv : int, str or DataArray
        Number of folds over stimuli; the name of a coordinate of ``responses`` to leave out group
        by group ("category", "run", "subject"); or folds from ``split_stimuli``.
    method : str
        "ridge", or "pls": partial least squares without feature scaling, ``n_components`` shared by
        the neuroids of each region and subject.
    metric : str
        What ``score`` is: "r" (Pearson) or "r2" (1 - residual / total sum of squares, below 0 for
        bad predictions).
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
    client : dask.distributed.Client, optional
        Divide the ops among its workers, each with one thread; ``rng`` must then be a number.

    Returns
    -------
    Dataset
        In the form of ``neurolens.scores``. ``score`` (op, region, subject): mean over neuroids
        that can be predicted at all, ``score_mean`` (op, region): mean over subjects; ``r``, ``r2``
        (op, neuroid): means over folds; ``alpha`` (op, fold, neuroid), absolute; ``n_neuroids``
        (region, subject); ``stimulus_fold`` (stimulus). ``ceiling_upper`` (region) in units of the
        score, NaN without ``ceiling``; ``ceiling_lower`` (region): NaN. ``r``, ``r2``, the scores
        and the ceilings carry ``kind`` and ``n_repeats``, for ``normalize_scores``. ``ci_low``,
        ``ci_high`` (op, region, subject), ``mean_ci_low``, ``mean_ci_high`` (op, region): NaN
        without ``n_splits``; with it also ``bootstrap_mean``, ``split_score``,
        ``split_subject_score`` and ``split_member``, as in ``compare_rdms``; the score of a half is
        that of the whole fit repeated within that half alone. With ``ceiling``: ``normalized`` (op,
        neuroid), the share of explainable variance, r|r| / NC or R^2 / NC, and ``score_normalized``
        (op, region, subject), its mean weighted by NC. With ``dual``: ``dual`` (op, stimulus,
        neuroid) and ``response_mean`` (neuroid). With ``predictions``: ``prediction`` (op,
        stimulus, neuroid), each stimulus predicted by the fit that did not see it, NaN for those in
        no fold and for neuroids that cannot be predicted; ``stimulus_fold`` is then a coordinate.
        Labels of neuroids are kept, ``region`` and ``subject`` as ``neuroid_region`` and
        ``neuroid_subject``.

    Raises
    ------
    InputError
        Features are complex, NaN or infinite; a stimulus has no response at all; there are too few
        stimuli or groups for the folds or their halves; a setting or ceiling cannot be used.
    LabelError
        Labels are missing, repeated, or differ between features and responses.
    UnknownNameError
        ``method``, ``metric``, ``select`` or the kind of ceiling is unknown.

    Warns
    -----
    RuntimeWarning
        Neuroids that are NaN or constant get NaN; an op predicts no change in some fold; a
        neuroid's penalty is at an end of ``alphas`` beyond which the fit would still change (by
        over one degree of freedom); a half of the stimuli has no score, so there is no interval.

    Notes
    -----
    Resampling the held-out predictions would not be enough, because with other stimuli the training
    stimuli would have been others too. Intervals here are score -+ t sqrt(mean of (a - b)^2 / 4)
    over halvings into a and b, with degrees of freedom f, 1 / f = 1 / splits + 1 / (stimuli -
    folds): half the stimuli have twice the variance, and everything is fitted anew. They are for
    new stimuli, the same neuroids and subjects, and, with ``cv`` by groups, the same groups. Those
    of R^2 are too wide; docs/simulation.md gives the coverage of both. ``bootstrap_mean`` are draws
    from the t distribution that these intervals come from. For p use ``permute_encoding``.

    Time O(n^3 + n^2 v) per op and fold with "gcv"; a factor of the number of penalties on n^2 v
    with the others. Memory: the responses, a block of voxels and the result.

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
    grid = None if alphas is None else read_alphas(alphas)
    settings = Settings(method, grid, select, int(n_components))
    by_op = open_features(features)
    targets = read_targets(responses)
    fold = read_folds(cv, targets.presented, targets.ids.tolist(), rng)
    if method == "ridge" and select == "folds":
        check_inner(fold)
    explainable = read_ceiling(ceiling, targets)
    n_splits = count_splits(n_splits, fold)
    split_rng, draw_rng = generator.spawn(2)
    # Random numbers are assigned to stimuli in sorted order of their ids.
    rank = rank_ids(targets.ids)
    member = halve_folds(fold[np.argsort(rank)], n_splits, split_rng)[:, rank]

    problem = Problem(settings, targets, fold, member, metric, device)
    fits = _fit_ops(by_op, problem, dual=dual, predictions=predictions)
    _warn_ends(by_op.ops, fits.ends)
    scores = NeuroidScores(by_op.ops, targets, fits.by_fold, metric, fold, explainable)
    result = aggregate_scores(scores)
    if n_splits:
        halves = Halves(member, fits.halves, n_bootstrap, confidence, draw_rng)
        result = add_halves(result, halves)
    result = build_encoding(
        _add_fits(result, fits, targets, METHODS[method]),
        scores,
        estimator=METHODS[method],
        rng=rng,
        intervals=describe_intervals(n_splits, confidence),
        details={
            "select": select if method == "ridge" else "none",
            "n_splits": n_splits,
            "n_bootstrap": n_bootstrap,
            **get_marks(features),
        },
    )
    return result.set_coords("stimulus_fold") if predictions else result


class Problem(NamedTuple):
    """Checked input of every op: settings of the fits, responses, and the fold of each stimulus.

    ``fold`` (stimulus,), ``member`` (split, stimulus); ``measure`` is that of the scores of halves.
    """

    settings: Settings
    targets: Targets
    fold: np.ndarray
    member: np.ndarray
    measure: str
    device: str | torch.device


class Fits(NamedTuple):
    """Results of the fits of all ops.

    ``by_fold`` has (op, fold, neuroid) for each of `SCORES` and for "alpha", ``ends`` (op, 2) the
    shares of penalties at the ends of the grid, ``halves`` (split, half, op, region, subject) the
    scores within halves, ``dual`` and ``prediction`` (op, stimulus, neuroid) where asked for.
    """

    by_fold: dict[str, np.ndarray]
    ends: np.ndarray
    halves: np.ndarray
    dual: np.ndarray | None
    prediction: np.ndarray | None


def _fit_ops(features: Features, problem: Problem, *, dual: bool, predictions: bool) -> Fits:
    """Return the fits of every op of ``features``, one op in memory at a time."""
    settings, targets, fold, member, measure, device = problem
    usable = targets.usable
    values = torch.from_numpy(targets.values[:, usable]).to(device)
    folds = torch.from_numpy(fold).to(device)
    n_ops = len(features.ops)
    by_fold_shape = (n_ops, len(np.unique(fold[fold >= 0])), len(usable))
    by_stimulus_shape = (n_ops, *targets.values.shape)
    fits = Fits(
        {name: np.full(by_fold_shape, np.nan) for name in (*SCORES, "alpha")},
        np.zeros((n_ops, 2)),
        np.empty((len(member), 2, n_ops, len(targets.regions), len(targets.subjects))),
        np.full(by_stimulus_shape, np.nan) if dual else None,
        np.full(by_stimulus_shape, np.nan) if predictions else None,
    )
    for i, gram in enumerate(features.iterate_kernels(targets.ids)):
        kernel = torch.from_numpy(gram).to(device)
        heldout = score_heldout(
            kernel, values, folds, settings, targets.columns, predictions=predictions
        )
        fits.ends[i] = heldout.ends
        for name, score in heldout.scores.items():
            fits.by_fold[name][i][:, usable] = score
        if fits.prediction is not None:
            fits.prediction[i][:, usable] = heldout.prediction
        fits.halves[:, :, i] = score_halves(
            kernel, values, folds, settings, targets, member, measure
        )
        if fits.dual is not None:
            fits.dual[i][:, usable] = fit_dual(kernel, values, folds, settings).cpu().numpy()
    return fits


def _add_fits(result: xr.Dataset, fits: Fits, targets: Targets, estimator: str) -> xr.Dataset:
    """Return ``result`` with the penalties, and with dual weights and predictions if asked for."""
    result["alpha"] = ((OP, "fold", NEUROID), fits.by_fold["alpha"])
    if fits.dual is not None:
        result["dual"] = ((OP, STIMULUS, NEUROID), fits.dual)
        result["response_mean"] = (NEUROID, targets.values.mean(axis=0))
    if fits.prediction is not None:
        # The name by which compare_predicted describes the model behind the predictions.
        attrs = {"estimator": estimator}
        result["prediction"] = ((OP, STIMULUS, NEUROID), fits.prediction, attrs)
    return result


def _warn_ends(ops: list[str], ends: np.ndarray) -> None:
    """Warn once, naming the ops whose penalty a wider grid would change.

    ``ends`` (op, 2) are the shares of fits at the lowest and the highest penalty.
    """
    sentences = []
    for end, shares in zip(("lowest", "highest"), ends.T, strict=True):
        names = [
            f"{op}: {share:.1%} of the fits" for op, share in zip(ops, shares, strict=True) if share
        ]
        if names:
            sentences.append(f"the {end} in {list_names(names)}")
    if sentences:
        warn_user(
            f"the best penalty ends the grid: {'; '.join(sentences)}. A better one may lie beyond; "
            f"widen it."
        )
