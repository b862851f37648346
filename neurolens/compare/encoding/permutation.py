"""Permutation test of whether any op predicts the responses, with every fit repeated."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neurolens.compare.encoding.accuracy import SCORES
from neurolens.compare.encoding.aggregate import BY_REGION, BY_SUBJECT, mean_defined, pool_neuroids
from neurolens.compare.encoding.cross_validation import (
    METHODS,
    Settings,
    fit_penalties,
    read_alphas,
)
from neurolens.compare.encoding.explainable import describe_ceiling
from neurolens.compare.encoding.ridge import SELECTORS, split_kernel
from neurolens.compare.inputs.checks import (
    Seed,
    check_device,
    check_whole,
    describe_rng,
    make_generator,
    rank_ids,
    warn_no_score,
)
from neurolens.compare.inputs.features import FeatureData, Features, open_features
from neurolens.compare.inputs.folds import check_inner, read_folds
from neurolens.compare.inputs.responses import Targets, read_targets
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rsa.permutation import BLOCK_NUMBERS, follow_ids
from neurolens.compare.stats.null import rank_null
from neurolens.labels import OP, REGION, SUBJECT, check_name, get_marks
from neurolens.scores import build_scores


@over_time_bins("responses")
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
    """Test whether each op predicts each region, by permuting stimuli.

    The stimuli of the responses are permuted. A permutation is the same for all neuroids, regions,
    subjects and ops, so what they share stays as it is; the whole cross-validated ridge, choice of
    penalties included, is fitted anew to the permuted responses, while folds stay with the stimuli
    of the features. p = (1 + hits) / (1 + permutations), one-sided.

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
    Dataset
        In the form of ``neurolens.scores``. ``score`` (op, region, subject), ``score_mean`` (op,
        region): as ``fit_encoding`` gives them, unit of ``metric``; ``null_mean``, ``null_sd``
        (op, region): of the subject mean under permutation. ``p`` (op, region): of this op and
        region alone; ``q``: Benjamini-Hochberg over all of them; ``p_max``: against the largest
        (score - null_mean) / null_sd of all ops and regions, which bounds the chance of any false
        finding. Intervals and ceilings are NaN.

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
    The test is exact if, without a relation, the stimuli of the responses or of the features are
    exchangeable. Means of different numbers of presentations are not if the features depend on
    which stimuli were shown more often. A neuroid counts in those folds in which its permuted
    responses vary; ``fit_encoding`` leaves it out if it is constant in one. Time O(n^3 +
    permutations n^2 v) per op and fold: one eigendecomposition serves all permutations. Memory: a
    block of permutations and, per op, the score of each permutation, fold, region and subject.

    References
    ----------
    Phipson & Smyth (2010) Stat. Appl. Genet. Mol. Biol. 9:39, on p; Nichols & Holmes (2002) Hum.
    Brain Mapp. 15:1, on the maximum. Checked against loops (``test_permutation.py``) and by
    simulation (``benchmarks/simulate.py``).

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
    settings = Settings("ridge", None if alphas is None else read_alphas(alphas), select, 0)
    by_op = open_features(features)
    targets = read_targets(responses)
    fold = read_folds(cv, targets.presented, targets.ids.tolist(), rng)
    if select == "folds":
        check_inner(fold)
    within_groups = not isinstance(cv, int | np.integer)
    group = fold if within_groups else np.zeros_like(fold)
    by_id = np.argsort(rank_ids(targets.ids))
    drawn = draw_orders(group[by_id], n_permutations, generator.spawn(1)[0])
    orders = follow_ids(drawn, targets.ids)

    values = torch.from_numpy(targets.values[:, targets.usable]).to(device)
    folds = torch.from_numpy(fold).to(device)
    moves = torch.from_numpy(orders).to(device)
    parts = [
        score_orders(kernel, values, folds, moves, settings, targets, metric)
        for kernel in _iterate_tensors(by_op, targets, device)
    ]
    scores = np.stack(parts, axis=1)  # (order, op, region, subject)
    means = mean_defined(scores)
    _warn_undefined(np.isnan(means[0]), by_op.ops, targets, fold)
    coords = {OP: by_op.ops, REGION: targets.regions, SUBJECT: targets.subjects}
    tested = xr.Dataset(
        {name: (BY_REGION, array) for name, array in rank_null(means).variables.items()}
        | {"score": (BY_SUBJECT, scores[0])},
        coords=coords,
    )
    return build_scores(
        tested["score"],
        method="encoding",
        measure=metric,
        n_stimuli=len(fold),
        variables={str(name): tested[name] for name in tested.data_vars if name != "score"},
        estimator=METHODS["ridge"],
        ceiling=describe_ceiling(None, targets),
        details={
            "select": select,
            "permuted": "within groups" if within_groups else "all stimuli",
            "n_folds": len(np.unique(fold[fold >= 0])),
            "n_permutations": int(n_permutations),
            "rng": describe_rng(rng),
            **get_marks(features),
        },
    )


def _iterate_tensors(
    features: Features, targets: Targets, device: str | torch.device
) -> Iterator[Tensor]:
    """Yield the kernel (stimulus, stimulus) of each op on ``device``, one in memory at a time."""
    for kernel in features.iterate_kernels(targets.ids):
        yield torch.from_numpy(kernel).to(device)


def _warn_undefined(
    undefined: np.ndarray, ops: list[str], targets: Targets, fold: np.ndarray
) -> None:
    """Warn, naming the regions and ops without any score, ``undefined`` (op, region)."""
    numbers = np.unique(fold[fold >= 0])
    varies = np.any([np.ptp(targets.values[fold == k], axis=0) > 0 for k in numbers], axis=0)
    alive = ~np.isnan(mean_defined(pool_neuroids(np.where(varies, 1.0, np.nan), targets)))
    dead_ops = undefined[:, alive].all(axis=1) & alive.any()
    dead = {
        "responses": np.array(targets.regions)[~alive],
        "predictions": np.array(ops)[dead_ops],
    }
    for what, names in dead.items():
        warn_no_score(names, f"the {what} do not vary in any fold", "Leave those out")


def draw_orders(group: np.ndarray, n_permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Return orders (1 + permutation, n) of stimuli: as they are, then permuted.

    Stimuli are permuted only within each ``group`` (n,).
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
    measure: str,
) -> np.ndarray:
    """Return ridge scores (order, region, subject) with the responses in each of ``orders``.

    ``values`` (n, v) are those of usable neuroids, ``orders`` (order, n).
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
            trained = _order_responses(values, block[:, train])  # (n_train, order and v)
            measured = _order_responses(values, block[:, test])  # (n_test, order and v)
            mean = trained.mean(0)
            fit = fit_penalties(spectrum, trained - mean, fold[train], settings)
            score = SCORES[measure](measured, spectrum.test @ fit.coefficients + mean)
            by_neuroid = np.full((len(block), len(targets.usable)), np.nan)
            by_neuroid[:, targets.usable] = score.reshape(len(block), -1).cpu().numpy()
            scores[start : start + step, ..., k] = pool_neuroids(by_neuroid, targets)
    return mean_defined(scores)


def _order_responses(values: Tensor, orders: Tensor) -> Tensor:
    """Return ``values`` (n, v) in each of ``orders`` (order, m), side by side: (m, order * v)."""
    return values[orders].movedim(1, 0).flatten(1)
