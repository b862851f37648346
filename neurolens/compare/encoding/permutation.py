"""Permutation test of whether any op predicts the responses, with every fit repeated."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from neurolens.compare.encoding.aggregate import (
    AGGREGATES,
    BY_REGION,
    BY_SUBJECT,
    describe_score,
    mean_defined,
    pool_neuroids,
)
from neurolens.compare.encoding.cross_validation import METHODS
from neurolens.compare.encoding.explainable import describe_ceiling
from neurolens.compare.encoding.models.accuracy import SCORES, explain_variance, measure_fold
from neurolens.compare.encoding.models.penalties import (
    Settings,
    count_ends,
    fit_penalties,
    read_alphas,
    warn_ends,
)
from neurolens.compare.encoding.models.ridge import SELECTORS
from neurolens.compare.encoding.models.spectrum import Sides, split_predictors
from neurolens.compare.encoding.ops.sources import iterate_ops
from neurolens.compare.inputs.checks import (
    Seed,
    check_device,
    check_whole,
    describe_rng,
    make_generator,
    warn_no_score,
)
from neurolens.compare.inputs.dependence import KernelSum, find_exchanged, warn_dependent
from neurolens.compare.inputs.exchange import (
    Exchange,
    describe_exchange,
    read_exchange,
    warn_few_draws,
)
from neurolens.compare.inputs.features import FeatureData, Features, open_features
from neurolens.compare.inputs.folds import Folds, check_inner, read_folds
from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.inputs.responses import Targets, read_targets
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rsa.permutation import BLOCK_NUMBERS
from neurolens.compare.stats.null import NULL_DIMS, NULL_SCORE, rank_null
from neurolens.labels import OP, REGION, SUBJECT, check_name, get_marks
from neurolens.scores import build_scores
from neurolens.support.progress import count_steps, show_progress
from neurolens.support.sizes import read_bytes


class Problem(NamedTuple):
    """Checked input of every op; ``memory`` is the budget in bytes for the features of an op."""

    settings: Settings
    targets: Targets
    folds: Folds
    device: str | torch.device
    memory: int


@over_time_bins("responses")
def permute_encoding(
    features: FeatureData,
    responses: xr.DataArray,
    *,
    cv: int | str | xr.DataArray = 5,
    metric: str = "r",
    aggregate: str = "mean",
    alphas: Sequence[float] | None = None,
    select: str = "gcv",
    scheme: str | None = None,
    by: GroupsBy | None = None,
    n_permutations: int = 1000,
    keep_null: bool = False,
    rng: Seed = 0,
    device: str | torch.device = "cpu",
    memory: str | int = "4GiB",
    quiet: bool = False,
) -> xr.Dataset:
    """Test whether each op predicts each region, by permuting stimuli.

    The stimuli of the responses are permuted. A permutation is the same for all neuroids, regions,
    subjects and ops, so what they share stays as it is; the whole cross-validated ridge, choice of
    penalties included, is fitted anew to the permuted responses, while folds stay with the stimuli
    of the features. p = (1 + hits) / (1 + permutations), one-sided.

    Parameters
    ----------
    features, responses, metric, aggregate, alphas, select, device
        As for ``fit_encoding``. To test one subject, select it. With ``time_bin`` the result is
        over (op, region, time_bin), and so are ``q`` and the maximum.
    cv : int, str or DataArray
        As for ``fit_encoding``.
    scheme : str, optional
        What is permuted, as for ``permute_rdms``: "stimuli", all of them; "within", stimuli within
        their groups only; "groups", whole groups; "shift", circular shifts in the order of the rows
        of ``responses``. Default: "stimuli" with a number of folds; "within" the groups of a named
        coordinate, because stimuli of a group ("category", "run") may resemble each other on both
        sides without a relation; "groups" with folds from ``split_stimuli(..., by=...)``, because
        what is held out together is permuted together; "shift" with contiguous folds; "within" each
        fold with other ready folds.
    by : str or DataArray, optional
        The groups: a coordinate of ``responses``, or a label per stimulus or presentation. Default:
        those of ``cv``.
    n_permutations : int
        1 or more; the smallest possible p is 1 / (1 + n_permutations). A single series of n stimuli
        has n - 1 shifts, and no more are used.
    keep_null : bool
        Whether to return the scores under permutation, ``null_score`` (permutation, op, region), as
        float32, for ``plot_null``.
    rng : int or Generator
        Seed of the folds, as in ``fit_encoding``, and of the permutations. Both belong to the
        stimulus ids, whatever the order of presentations or stimuli.
    memory : str or int
        Budget for the features of an op, such as "4GiB". With no fewer features than training
        stimuli they are read in blocks of it, and their kernel is kept; fewer are held in memory,
        8 bytes each, and refused where they take more.
    quiet : bool
        Show no progress.

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
        As for ``fit_encoding``; a number of permutations that cannot be used; features of an op
        that must be in memory take more than ``memory``.

    Warns
    -----
    RuntimeWarning
        Neuroids that are constant or lack a stimulus take no part; a region varies within no fold,
        or an op predicts no change at all, and gets no p. Stimuli that are permuted or held out
        singly depend on each other on both sides (see ``fit_encoding``). A penalty for the
        responses as they are is at an end of ``alphas``, as in ``fit_encoding``. So few
        permutations for so many tests that a q, though its p is the smallest possible, is above
        .05; the message says how many are needed. Groups whose size no other has stay in place.

    Notes
    -----
    The test is exact if, without a relation, the stimuli (or groups) of the responses or of the
    features are exchangeable, and holds for these subjects, not for new ones. Whole groups exchange
    places with groups of the same size only, the first stimulus of one with the first of the other,
    in the order of the rows. Circular shifts are exact for stationary series but for the place
    where the end meets the beginning. Means of different numbers of presentations are not
    exchangeable if the features depend on which stimuli were shown more often. A neuroid counts in
    those folds in which its permuted
    responses vary; ``fit_encoding`` leaves it out if it is constant in one. Time O(n^3 +
    permutations n^2 v) per op and fold, with p < n features O(n p^2 + permutations n p v): one
    decomposition serves all permutations. Memory: ``memory``, the responses, a
    kernel of n^2 numbers where features are no fewer than training stimuli, a block of permutations
    and two numbers per permutation and neuroid.

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
    check_name(aggregate, AGGREGATES, "aggregate")
    check_name(select, SELECTORS, "select")
    check_whole(n_permutations, "n_permutations", 1, 1000)
    check_device(device)
    budget = read_bytes(memory)
    generator = make_generator(rng)
    settings = Settings("ridge", None if alphas is None else read_alphas(alphas), select, 0)
    by_op = open_features(features)
    targets = read_targets(responses)
    folds = read_folds(cv, targets.presented, targets.ids.tolist(), rng)
    if select == "folds":
        check_inner(folds)
    default = _choose_scheme(cv, folds)
    exchange = read_exchange(scheme, by, default, targets.ids, responses)
    orders = exchange.draw_orders(n_permutations, generator.spawn(1)[0])

    values = torch.from_numpy(targets.values[:, targets.usable]).to(device)
    moves = torch.from_numpy(orders).to(device)
    problem = Problem(settings, targets, folds, device, budget)
    kernels = KernelSum(len(targets.ids))
    total = len(by_op.ops) * len(folds.numbers)
    with show_progress(total, "permuting responses", quiet=quiet):
        parts = [
            score_orders(sides, values, folds, moves, settings, targets, metric, aggregate)
            for sides in _iterate_sides(by_op, problem, kernels)
        ]
    warn_dependent(kernels, targets, folds, find_exchanged(exchange.scheme, exchange.group))
    warn_ends(by_op.ops, np.array([part.ends for part in parts]))
    # (order, op, region, subject)
    scores = np.stack([part.scores for part in parts], axis=1)
    means = mean_defined(scores)
    _warn_undefined(np.isnan(means[0]), by_op.ops, targets, folds)
    coords = {OP: by_op.ops, REGION: targets.regions, SUBJECT: targets.subjects}
    variables = rank_null(means).variables
    warn_few_draws(variables["p"], variables["q"], len(orders), exchange)
    tested = xr.Dataset(
        {name: (BY_REGION, array) for name, array in variables.items()}
        | {"score": (BY_SUBJECT, scores[0])},
        coords=coords,
    )
    if keep_null:
        tested[NULL_SCORE] = (NULL_DIMS, means[1:].astype(np.float32))
    return build_scores(
        tested["score"],
        method="encoding",
        measure=metric,
        n_stimuli=len(folds),
        variables={str(name): tested[name] for name in tested.data_vars if name != "score"},
        estimator=METHODS["ridge"],
        ceiling=describe_ceiling(None, targets),
        details={
            "select": select,
            **describe_exchange(exchange, len(orders), variables["p"]),
            "n_folds": len(folds.numbers),
            "aggregate": aggregate,
            "score_note": describe_score(folds.number, metric, aggregate),
            "rng": describe_rng(rng),
            **get_marks(features),
        },
    )


def _choose_scheme(cv: int | str | xr.DataArray, folds: Folds) -> Exchange:
    """Return what is permuted by default, which is what ``cv`` holds out together."""
    if isinstance(cv, int | np.integer):
        return Exchange("stimuli", np.zeros(len(folds), dtype=int))
    if folds.position is not None and (folds.unit is None or folds.in_blocks):
        return Exchange("shift", np.zeros(len(folds), dtype=int))
    if isinstance(cv, str) or folds.unit is None:
        return Exchange("within", folds.number)
    return Exchange("groups", folds.unit)


def _iterate_sides(
    features: Features,
    problem: Problem,
    kernels: KernelSum,
) -> Iterator[Sides]:
    """Yield what each op predicts from, one op in memory at a time.

    Each is added to ``kernels``.
    """
    folds = problem.folds
    least = min(len(folds.find_train(number)) for number in folds.numbers)
    ids = problem.targets.ids
    ops = iterate_ops(features, ids, least, problem.settings, problem.device, problem.memory)
    for op in ops:
        sides = op.open_sides("permute_encoding")
        kernels.add(sides.compute_kernel(kernels.size), op.rounding)
        yield sides
        # The next op is read only after this one is gone.
        del op, sides


def _warn_undefined(undefined: np.ndarray, ops: list[str], targets: Targets, folds: Folds) -> None:
    """Warn, naming the regions and ops without any score, ``undefined`` (op, region)."""
    tests = [targets.values[folds.find_test(k)] for k in folds.numbers]
    varies = np.any([np.ptp(values, axis=0) > 0 for values in tests], axis=0)
    alive = ~np.isnan(mean_defined(pool_neuroids(np.where(varies, 1.0, np.nan), targets)))
    dead_ops = undefined[:, alive].all(axis=1) & alive.any()
    dead = {
        "responses": np.array(targets.regions)[~alive],
        "predictions": np.array(ops)[dead_ops],
    }
    for what, names in dead.items():
        warn_no_score(names, f"the {what} do not vary in any fold", "Leave those out")


class OrderScores(NamedTuple):
    """``scores`` (order, region, subject) of an op, the observed order first.

    ``ends`` (2,) are the shares of penalties of that order at the ends of the grid.
    """

    scores: np.ndarray
    ends: np.ndarray


def score_orders(
    sides: Sides,
    values: Tensor,
    folds: Folds,
    orders: Tensor,
    settings: Settings,
    targets: Targets,
    measure: str,
    aggregate: str = "mean",
) -> OrderScores:
    """Return ridge scores with the responses in each of ``orders`` (order, n).

    ``values`` (n, v) are those of usable neuroids.
    """
    numbers = folds.numbers
    n_voxels = values.shape[1]
    step = max(1, BLOCK_NUMBERS // values.numel())
    ends = np.zeros(2)
    # Over folds (2, order, v): residual and total sums of squares, or the sum of r and its number.
    sums = values.new_zeros((2, len(orders), n_voxels))
    for number in numbers:
        inside = folds.find_train(number)
        train = torch.from_numpy(inside).to(values.device)
        test = torch.from_numpy(folds.find_test(number)).to(values.device)
        spectrum = split_predictors(sides, train, test)
        for start in range(0, len(orders), step):
            block = orders[start : start + step]
            trained = _order_responses(values, block[:, train])  # (n_train, order and v)
            measured = _order_responses(values, block[:, test])  # (n_test, order and v)
            mean = trained.mean(0)
            fit = fit_penalties(spectrum, trained - mean, folds.select(inside), settings)
            if start == 0:
                observed = fit._replace(chosen=fit.chosen[:n_voxels])
                ends += count_ends(spectrum, observed) / len(numbers)
            accuracy = measure_fold(measured, spectrum.test @ fit.coefficients + mean, mean)
            parts = (accuracy.residual, accuracy.total)
            if measure == "r":
                parts = (accuracy.r.nan_to_num(), (~accuracy.r.isnan()).to(values))
            sums[:, start : start + step] += torch.stack(parts).reshape(2, len(block), -1)
            count_steps(len(block) / len(orders))
    if measure == "r":
        by_neuroid = sums[0] / torch.where(sums[1] > 0, sums[1], torch.nan)
    else:
        by_neuroid = explain_variance(*sums[:, None])  # one sum over all folds
    scores = np.full((len(orders), len(targets.usable)), np.nan)
    scores[:, targets.usable] = by_neuroid.cpu().numpy()
    return OrderScores(pool_neuroids(scores, targets, aggregate), ends)


def _order_responses(values: Tensor, orders: Tensor) -> Tensor:
    """Return ``values`` (n, v) in each of ``orders`` (order, m), side by side: (m, order * v)."""
    return values[orders].movedim(1, 0).flatten(1)
