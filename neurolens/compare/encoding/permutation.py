"""Does any op predict the responses at all? Every fit repeated with the stimuli of the responses permuted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neurolens.compare.encoding.accuracy import SCORES
from neurolens.compare.encoding.aggregate import mean_known, pool_neuroids
from neurolens.compare.encoding.cross_validation import Settings, fit_penalties, read_alphas
from neurolens.compare.encoding.ridge import SELECTORS, split_kernel
from neurolens.compare.inputs.checks import (
    Seed,
    check_device,
    check_whole,
    describe_rng,
    make_generator,
    put_on,
    rank_ids,
    warn_user,
)
from neurolens.compare.inputs.features import FeatureData, check_features, iterate_kernels, list_ops
from neurolens.compare.inputs.folds import check_inner, read_folds
from neurolens.compare.inputs.responses import Targets, read_targets
from neurolens.compare.inputs.time_bins import fit_bins
from neurolens.compare.rsa.permutation import BLOCK_NUMBERS, follow_ids
from neurolens.compare.stats.null import rank_null
from neurolens.labels import OP, REGION, TIME_BIN, check_name, list_names


def permute_encoding(
    features: FeatureData,
    responses: xr.DataArray,
    *,
    cv: int | str | xr.DataArray = 5,
    metric: str = "r",
    alphas: Sequence[float] | None = None,
    select: str = "gcv",
    n_permutations: int = 1000,
    rng: Seed = 0,
    device: str | torch.device = "cpu",
) -> xr.Dataset:
    """Test of no relation between each op and each region, by permuting the stimuli of the responses.

    A permutation is the same for all neuroids, regions, subjects and ops, so what they share stays
    as it is; the whole cross-validated ridge, choice of penalties included, is fitted anew to the
    permuted responses, while folds stay with the stimuli of the features. p = (1 + hits) / (1 +
    permutations), one-sided.

    Parameters
    ----------
    features, responses, metric, alphas, select, device
        As for ``fit_encoding``. To test one subject, select it. With ``time_bin`` the result is
        over (op, region, time_bin), and so are ``q`` and the maximum.
    cv : int, str or DataArray
        As for ``fit_encoding``. With a number of folds all stimuli are permuted. With the name of a
        coordinate they are permuted within its groups only, because stimuli of a group ("category",
        "run") may resemble each other on both sides without a relation; with ready folds, within
        each fold (give the name if folds hold several groups).
    n_permutations : int
        1 or more; the smallest possible p is 1 / (1 + n_permutations).
    rng : int or Generator
        Seed of the folds, as in ``fit_encoding``, and of the permutations. Both belong to the
        stimulus ids, whatever the order of presentations or stimuli.

    Returns
    -------
    Dataset over (op, region)
        ``score_mean``: as ``fit_encoding`` gives it, unit of ``metric``; ``null_mean``,
        ``null_sd``: under permutation. ``p``: of this op and region alone; ``q``:
        Benjamini-Hochberg over all of them; ``p_max``: against the largest (score - null_mean) /
        null_sd of all ops and regions, which bounds the chance of any false finding.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``fit_encoding``; a number of permutations that cannot be used.

    Warns
    -----
    RuntimeWarning
        Neuroids that are NaN or constant take no part; a region varies within no fold, or an op
        predicts no change at all, and gets no p.

    Notes
    -----
    Exact if stimuli of the responses, or of the features, could be exchanged were there no
    relation. Means of unlike numbers of presentations could not if the features know which were
    shown more often. A neuroid counts in those folds in which its permuted responses vary;
    ``fit_encoding`` leaves it out if it is constant in one. Time O(n^3 + permutations n^2 v) per op
    and fold: one eigendecomposition serves all permutations. Memory: a block of permutations and,
    per op, the score of each permutation, fold, region and subject.

    References
    ----------
    Phipson & Smyth (2010) Stat. Appl. Genet. Mol. Biol. 9:39, on p; Nichols & Holmes (2002) Hum.
    Brain Mapp. 15:1, on the maximum. Checked against loops (``test_nulls.py``) and by simulation
    (``benchmarks/simulate.py``).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(0)
    >>> features = xr.DataArray(rng.normal(size=(30, 4)), dims=("stimulus", "feature"),
    ...                         coords={"stimulus": [f"s{i}" for i in range(30)]})
    >>> responses = features @ xr.DataArray(rng.normal(size=(4, 2)), dims=("feature", "neuroid"))
    >>> tested = permute_encoding(features, responses, n_permutations=99)
    >>> tested.p.dims, float(tested.p[0, 0])
    (('op', 'region'), 0.01)
    """
    check_name(metric, SCORES, "metric")
    check_name(select, SELECTORS, "select")
    check_whole(n_permutations, "n_permutations", 1, 1000)
    check_device(device)
    generator = make_generator(rng)
    if isinstance(responses, xr.DataArray) and TIME_BIN in responses.dims:
        again: Any = {
            "cv": cv,
            "metric": metric,
            "alphas": alphas,
            "select": select,
            "rng": rng,
            "device": device,
        }
        again["n_permutations"] = n_permutations
        return fit_bins(lambda flat: permute_encoding(features, flat, **again), responses)
    settings = Settings("ridge", None if alphas is None else read_alphas(alphas), select, 0)
    check_features(features)
    ops = list_ops(features)
    targets = read_targets(responses)
    fold = read_folds(cv, targets.presented, targets.ids.tolist(), rng)
    if select == "folds":
        check_inner(fold)
    free = isinstance(cv, int | np.integer)
    group = (np.zeros_like(fold) if free else fold)[np.argsort(rank_ids(targets.ids))]
    orders = follow_ids(draw_orders(group, n_permutations, generator.spawn(1)[0]), targets.ids)
    values, places, moves = (
        torch.from_numpy(x).to(device) for x in (targets.values[:, targets.usable], fold, orders)
    )
    kernels = (
        torch.from_numpy(kernel).to(device) for kernel in iterate_kernels(features, targets.ids)
    )
    by_subject = [
        score_orders(kernel, values, places, moves, settings, targets, metric) for kernel in kernels
    ]
    scores = mean_known(np.stack(by_subject, axis=1))
    _warn_undefined(np.isnan(scores[0]), ops, targets, fold)
    numbers = {
        "n_stimuli": len(fold),
        "n_folds": len(np.unique(fold[fold >= 0])),
        "n_permutations": int(n_permutations),
    }
    return xr.Dataset(
        put_on((OP, REGION), **rank_null(scores)[0]),
        coords={OP: ops, REGION: targets.regions},
        attrs={
            "method": "encoding",
            "comparator": f"ridge {metric}",
            "metric": metric,
            "select": select,
        }
        | {
            "permuted": "all stimuli" if free else "within groups",
            **numbers,
            "rng": describe_rng(rng),
        },
    )


def _warn_undefined(lost: np.ndarray, ops: list[str], targets: Targets, fold: np.ndarray) -> None:
    """Warn, naming the regions and ops without any score, ``lost`` (op, region)."""
    varies = np.any(
        [np.ptp(targets.values[fold == k], axis=0) > 0 for k in set(fold[fold >= 0])], axis=0
    )
    alive = ~np.isnan(mean_known(pool_neuroids(np.where(varies, 1.0, np.nan), targets)))
    dead = lost[:, alive].all(axis=1) & alive.any()
    for names, what in (
        (np.array(targets.regions)[~alive], "responses"),
        (np.array(ops)[dead], "predictions"),
    ):
        if len(names):
            warn_user(
                f"no score for {list_names(names)}: the {what} do not vary in any fold. Leave "
                f"those out."
            )


def draw_orders(group: np.ndarray, n_permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Return places (1 + permutation, n): as they are.

    Then each time permuted within every ``group`` (n,).
    """
    orders = np.tile(np.arange(len(group)), (1 + n_permutations, 1))
    for number in np.unique(group):
        inside = np.flatnonzero(group == number)
        orders[1:, inside] = rng.permuted(orders[1:, inside], axis=1)
    return orders


def score_orders(
    kernel: Tensor,
    values: Tensor,
    fold: Tensor,
    orders: Tensor,
    settings: Settings,
    targets: Targets,
    metric: str,
) -> np.ndarray:
    """Return ridge's scores (order, region, subject) of ``values`` (n, v), usable ones.

    Taken in each of ``orders``.
    """
    numbers = fold[fold >= 0].unique()
    step = max(1, BLOCK_NUMBERS // values.numel())
    scores = np.empty((len(orders), len(targets.regions), len(targets.subjects), len(numbers)))
    for k, number in enumerate(numbers):
        train = (fold != number).nonzero()[:, 0]
        test = (fold == number).nonzero()[:, 0]
        spectrum = split_kernel(kernel, train, test)
        for start in range(0, len(orders), step):
            block = orders[start : start + step]
            known, measured = (
                values[block[:, part]].movedim(1, 0).flatten(1) for part in (train, test)
            )
            mean = known.mean(0)
            fit = fit_penalties(spectrum, known - mean, fold[train], settings)[0]
            found = np.full((len(block), len(targets.usable)), np.nan)
            score = SCORES[metric](measured, spectrum.test @ fit.coefficients + mean)
            found[:, targets.usable] = score.reshape(len(block), -1).cpu().numpy()
            scores[start : start + step, ..., k] = pool_neuroids(found, targets)
    return mean_known(scores)
