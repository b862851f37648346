"""Encoding.

How well each op's features predict each neuroid's responses to stimuli that were held out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from neurolens.compare.encoding.accuracy import SCORES, read_ceiling
from neurolens.compare.encoding.aggregate import gather_scores
from neurolens.compare.encoding.cross_validation import (
    METHODS,
    Settings,
    fit_dual,
    read_alphas,
    score_heldout,
)
from neurolens.compare.encoding.ridge import SELECTORS
from neurolens.compare.encoding.split_half import add_halves, halve_folds, score_halves
from neurolens.compare.inputs.checks import (
    Seed,
    check_device,
    check_draws,
    check_share,
    check_whole,
    make_generator,
    rank_ids,
    warn_user,
)
from neurolens.compare.inputs.features import FeatureData, check_features, iterate_kernels, list_ops
from neurolens.compare.inputs.folds import check_inner, read_folds
from neurolens.compare.inputs.op_groups import map_ops
from neurolens.compare.inputs.responses import read_targets
from neurolens.compare.inputs.time_bins import fit_bins, merge_bins
from neurolens.errors import InputError
from neurolens.labels import NEUROID, OP, STIMULUS, TIME_BIN, align_stimuli, check_name, list_names


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
    n_splits: int = 0,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    rng: Seed = 0,
    device: str | torch.device = "cpu",
    client: Any = None,
) -> xr.Dataset:
    """Held-out prediction of each neuroid from each op, with one penalty per neuroid.

    Ridge minimises ``|Y - 1 b' - A W|^2 + alpha |W|^2`` over training stimuli, features A
    (stimulus, feature), with a free intercept b; only the kernel A A' is used, centred by training
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
        "gcv" (generalised cross-validation), "loo" (leave one stimulus out) or "folds" (leave each
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
    n_splits : int
        Random splits of the stimuli of every fold into halves, for intervals and
        ``assign_regions``; 20 will do. Each fold needs 6 stimuli. 0, the default, leaves them out:
        20 are 40 more fits, each to half of the stimuli.
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
        ``score`` (op, region, subject): mean over neuroids that can be predicted at all,
        ``score_mean`` (op, region): mean over subjects; ``r``, ``r2`` (op, neuroid): means over
        folds; ``alpha`` (op, fold, neuroid), absolute; ``n_neuroids`` (region, subject);
        ``stimulus_fold`` (stimulus). ``ceiling_upper`` (region) in units of the score, NaN without
        ``ceiling``; ``ceiling_lower`` (region): NaN. ``r``, ``r2``, the scores and the ceilings
        carry ``kind`` and ``n_repeats``, for ``normalize_scores``. ``ci_low``, ``ci_high`` (op,
        region, subject): NaN without ``n_splits``; with it also ``mean_ci_low``, ``mean_ci_high``,
        ``bootstrap_mean``, ``split_score``, ``split_subject_score`` and ``split_member``, as in
        ``compare_rdms``; the score of a half is that of the whole fit repeated within that half
        alone. With ``ceiling``: ``normalised`` (op, neuroid), the share of explainable variance,
        r|r| / NC or R^2 / NC, and ``score_normalised`` (op, region, subject), its mean weighted by
        NC. With ``dual``: ``dual`` (op, stimulus, neuroid) and ``response_mean`` (neuroid). With
        ``predictions``: ``prediction`` (op, stimulus, neuroid), each stimulus predicted by the fit
        that did not see it, NaN for those in no fold and for neuroids that cannot be predicted;
        ``stimulus_fold`` is then a coordinate. Labels of neuroids are kept, ``region`` and
        ``subject`` as ``neuroid_region`` and ``neuroid_subject``.

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
    Resampling the held-out predictions would not do, because other stimuli would also have been
    other training stimuli. Intervals here are score -+ t sqrt(mean of (a - b)^2 / 4) over halvings
    into a and b, with degrees of freedom f, 1 / f = 1 / splits + 1 / (stimuli - folds): half the
    stimuli have twice the variance, and everything is fitted anew. They are for new stimuli, the
    same neuroids and subjects, and, with ``cv`` by groups, the same groups. docs/simulation.md
    gives the share of simulations in which 95 % intervals hold the expected score: of r at 36 and
    100 stimuli, and of R^2, for which they are too wide, at 100. ``bootstrap_mean`` are draws from
    the t distribution that these intervals come from. For p use ``permute_encoding``.

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
    >>> responses = (features @ xr.DataArray(rng.normal(size=(4, 2)), dims=("feature", "neuroid"))) + 1
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
    check_whole(n_splits, "n_splits", 0, 20)
    check_draws(n_bootstrap)
    generator = make_generator(rng)
    check_share(confidence, "confidence", 0.95)
    again: Any = {
        "cv": cv,
        "method": method,
        "metric": metric,
        "alphas": alphas,
        "select": select,
        "dual": dual,
    }
    again["predictions"] = predictions
    again |= {
        "n_components": n_components,
        "n_splits": n_splits,
        "n_bootstrap": n_bootstrap,
        "confidence": confidence,
    }
    if client is not None:
        again |= {"responses": responses, "ceiling": ceiling, "device": device}
        return map_ops(client, fit_encoding, features, rng=rng, **again)
    if isinstance(responses, xr.DataArray) and TIME_BIN in responses.dims:
        if ceiling is not None and TIME_BIN in ceiling.dims:
            if TIME_BIN in responses.coords:
                times = responses[TIME_BIN].values.tolist()
                ceiling = align_stimuli(
                    ceiling, times, name="ceiling", other="the responses", dims=[TIME_BIN]
                )
            ceiling = merge_bins(ceiling)
        again |= {"ceiling": ceiling, "rng": rng, "device": device}
        return fit_bins(lambda flat: fit_encoding(features, flat, **again), responses)
    check_device(device)
    settings = Settings(
        method, None if alphas is None else read_alphas(alphas), select, int(n_components)
    )
    check_features(features)
    ops = list_ops(features)
    targets = read_targets(responses)
    fold = read_folds(cv, targets.presented, targets.ids.tolist(), rng)
    if method == "ridge" and select == "folds":
        check_inner(fold)
    explainable = read_ceiling(ceiling, targets)
    split_rng, draw_rng = generator.spawn(2)
    rank = rank_ids(targets.ids)
    member = halve_folds(fold[np.argsort(rank)], n_splits, split_rng)[:, rank]

    usable = targets.usable
    columns = targets.columns
    values = torch.from_numpy(targets.values[:, usable]).to(device)
    places = torch.from_numpy(fold).to(device)
    shape = (len(ops), len(np.unique(fold[fold >= 0])), len(usable))
    found = {name: np.full(shape, np.nan) for name in (*SCORES, "alpha")}
    if predictions:
        found["prediction"] = np.full((len(ops), *targets.values.shape), np.nan)
    weights = np.full((len(ops), *targets.values.shape), np.nan) if dual else None
    ends = np.zeros((len(ops), 2))
    halves = np.empty((n_splits, 2, len(ops), len(targets.regions), len(targets.subjects)))
    for i, kernel in enumerate(iterate_kernels(features, targets.ids)):
        square = torch.from_numpy(kernel).to(device)
        scores, ends[i] = score_heldout(
            square, values, places, settings, columns, predictions=predictions
        )
        for name, score in scores.items():
            found[name][i][:, usable] = score
        halves[:, :, i] = score_halves(square, values, places, settings, targets, member, metric)
        if weights is not None:
            weights[i][:, usable] = fit_dual(square, values, places, settings).cpu().numpy()
    _warn_ends(ops, ends)
    result = gather_scores(ops, targets, found, metric, fold, rng, explainable)
    if n_splits:
        result["split_member"] = (("split", STIMULUS), member)
        result = add_halves(result, halves, n_bootstrap, confidence, draw_rng)
    result["alpha"] = ((OP, "fold", NEUROID), found["alpha"])
    if weights is not None:
        result["dual"] = ((OP, STIMULUS, NEUROID), weights)
        result["response_mean"] = (NEUROID, targets.values.mean(axis=0))
    if predictions:
        result["prediction"] = ((OP, STIMULUS, NEUROID), found["prediction"])
        result = result.set_coords("stimulus_fold")
    numbers = {"n_splits": n_splits, "n_bootstrap": n_bootstrap, "confidence": float(confidence)}
    select = select if method == "ridge" else "none"
    return result.assign_attrs(comparator=f"{method} {metric}", select=select, **numbers)


def _warn_ends(ops: list[str], ends: np.ndarray) -> None:
    """Warn once, naming the ops with fits (op.

    Lowest and highest) whose penalty a wider grid would change.
    """
    found = []
    for end, shares in zip(("lowest", "highest"), ends.T, strict=True):
        names = [
            f"{op}: {share:.1%} of the fits" for op, share in zip(ops, shares, strict=True) if share
        ]
        found += [f"the {end} in {list_names(names)}"] if names else []
    if found:
        warn_user(
            f"the best penalty ends the grid: {'; '.join(found)}. A better one may lie beyond; "
            f"widen it."
        )
