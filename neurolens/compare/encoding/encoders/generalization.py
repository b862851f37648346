"""Encoding models fitted to training stimuli and scored on test sets by name."""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr

from neurolens.compare.encoding.aggregate import NeuroidScores, aggregate_scores
from neurolens.compare.encoding.cross_validation import METHODS, Source
from neurolens.compare.encoding.encoders.named_sets import (
    NamedSets,
    SplitBy,
    read_inner,
    read_sets,
)
from neurolens.compare.encoding.encoders.set_scores import (
    HeldOutSet,
    SetScores,
    add_halves,
    add_intervals,
    describe_intervals,
    open_set,
    warn_serial,
)
from neurolens.compare.encoding.explainable import describe_ceiling, read_ceiling
from neurolens.compare.encoding.models.accuracy import SCORES
from neurolens.compare.encoding.models.penalties import (
    Settings,
    count_ends,
    fit_penalties,
    read_alphas,
    warn_ends,
)
from neurolens.compare.encoding.models.ridge import iterate_blocks
from neurolens.compare.encoding.models.spectrum import Size, describe_solvers
from neurolens.compare.encoding.normalized import describe_normalization, read_explainable
from neurolens.compare.encoding.ops.records import hash_fit
from neurolens.compare.encoding.ops.sources import iterate_ops
from neurolens.compare.inputs.checks import (
    Seed,
    check_device,
    check_share,
    check_whole,
    describe_rng,
    make_generator,
    rank_ids,
)
from neurolens.compare.inputs.dependence import KernelSum, warn_dependent
from neurolens.compare.inputs.features import FeatureData, Features, open_features
from neurolens.compare.inputs.folds import Folds
from neurolens.compare.inputs.responses import Targets, read_targets
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.labels import NEUROID, OP, STIMULUS, check_name, get_marks
from neurolens.scores import build_scores
from neurolens.support.progress import count_steps, show_progress
from neurolens.support.sizes import read_bytes

# Halves of test stimuli, and draws, cost next to nothing, since the fit is not repeated.
N_SPLITS = 20
N_DRAWS = 1000


class Problem(NamedTuple):
    """Checked input: responses, the test sets and the inner folds of the training stimuli."""

    targets: Targets
    sets: NamedSets
    inner: Folds
    tests: list[HeldOutSet]
    settings: Settings
    measure: str
    device: str | torch.device
    memory: int


class Fits(NamedTuple):
    """Results of all ops: ``scores`` of each test set, penalties, and how they were solved.

    ``alpha`` (op, neuroid); ``ends`` (op, 2) are the shares of penalties at the ends of the grid.
    """

    scores: list[SetScores]
    alpha: np.ndarray
    ends: np.ndarray
    sides: list[Size]
    n_blocks: list[int]


@over_time_bins("responses", "ceiling")
def fit_test_sets(
    features: FeatureData,
    responses: xr.DataArray,
    *,
    split: SplitBy,
    test: Hashable | Sequence[Hashable] | None = None,
    by: str | None = None,
    metric: str = "r",
    alphas: Sequence[float] | None = None,
    ceiling: xr.DataArray | None = None,
    block: int = 1,
    confidence: float = 0.95,
    rng: Seed = 0,
    device: str | torch.device = "cpu",
    memory: str | int = "4GiB",
    quiet: bool = False,
) -> dict[Any, xr.Dataset]:
    """Fit ridge to training stimuli and score it on each named test set.

    Test sets may be further draws of the same stimuli, or others: silhouettes, sketches, another
    run. The penalty of each neuroid is chosen within the training stimuli alone, and one fit
    predicts all sets. ``compare_test_sets`` gives the differences between sets.

    Parameters
    ----------
    features : Dataset, DataTree or DataArray
        As for ``fit_encoding``, of training and test stimuli together.
    responses : DataArray (presentation, neuroid) or (stimulus, neuroid)
        As for ``fit_encoding``; presentations of a stimulus are averaged, so that test stimuli may
        have more of them. With ``time_bin`` besides, results have it too.
    split : str or mapping
        The set of each stimulus: the name of a coordinate of ``responses`` ("set", "run"), or a
        mapping of stimulus ids to names. No stimulus may be in two sets.
    test : label or sequence of labels, optional
        The test sets; all other stimuli train. Default: every set but "train".
    by : str, optional
        A coordinate of ``responses``, such as "run": the penalty is the one with the least error
        over the training groups, each left out in turn (exact), as runs share drifts. Default:
        generalized cross-validation over training stimuli.
    metric : str
        What ``score`` is: "r" (Pearson over the stimuli of the set) or "r2" (1 - residual / total
        sum of squares, the latter about training means).
    alphas, ceiling, device, memory, quiet
        As for ``fit_encoding``. A ceiling of kind "ncsnr" is taken for the number of presentations
        of each test set.
    block : int
        How many consecutive test stimuli, in the order of the rows of ``responses``, are left out
        together for the intervals. More than 1 for a series in which neighbors resemble each other.
    confidence : float
        Of the intervals, in (0, 1).
    rng : int or Generator
        Seed of the halves and draws; both belong to the stimulus ids.

    Returns
    -------
    dict of Dataset, by the name of the test set
        Each in the form of ``neurolens.scores``, as from ``fit_encoding``, for the stimuli of that
        set alone: ``score``, ``score_mean``, ``r``, ``r2``, ``n_neuroids``, ceilings and normalised
        scores. Intervals, ``score_se`` and ``score_mean_se`` are over test stimuli, given the fit
        (Notes); ``bootstrap_mean`` are 1000 draws with the covariance of the ops. Where the set has
        6 stimuli or more, ``split_score`` ... of 20 random halves of its stimuli, for
        ``assign_regions``. ``alpha`` (op, neuroid). Attributes ``test_set``, ``n_stimuli`` of the
        set, ``n_training``.

    Raises
    ------
    InputError
        A stimulus is in two sets, as where every run shows the same stimuli (the message says how
        to name presentations where training and test may share stimuli); the training groups share
        all stimuli; a set holds fewer than 3 stimuli; nothing is left to train on; as for
        ``fit_encoding``.
    LabelError
        No coordinate ``split`` or ``by``, or a stimulus has no set; as for ``fit_encoding``.
    UnknownNameError
        No stimulus is in a set of ``test``.

    Warns
    -----
    RuntimeWarning
        As for ``fit_encoding``; neighbors are predicted alike, so that intervals need a ``block``.

    Notes
    -----
    Intervals are score -+ t s, with s^2 the jackknife variance over test stimuli (blocks of them)
    and t of as many degrees of freedom less one. They take the fit as it is: they are for other
    stimuli of the same kind as the set, the same training stimuli, neuroids and subjects. Another
    training set would give another fit; ``fit_encoding`` has intervals that include that.

    In 300 simulations each (100 training stimuli, 20 neuroids that share noise, a set like training
    and a shifted one), intervals of 95 % held the mean r of the fit over 2,000 other stimuli in 94,
    94 % (20 test stimuli), 95, 94 % (50) and 96, 95 % (100), those of R^2 in 93, 94 % (20) and 95,
    97 % (100), differences between the sets in 94 to 97 %. For series of 200 test stimuli whose
    neighbors correlate by .8 they did in 66, 64 and 62 % with ``block=1``, of which a warning
    tells, and in 92, 93 and 92 % with ``block=10``.

    Time O(n k^2 + n k v) per op as for one fold of ``fit_encoding``, and O(t v) per set of t
    stimuli. Memory beside ``responses`` themselves: as for ``fit_encoding`` with one copy of the
    responses, in float64, p v numbers, and a few arrays of test stimuli by neuroids.

    References
    ----------
    Efron & Stein (1981) Ann. Stat. 9:586, on the jackknife; Kuensch (1989) Ann. Stat. 17:1217, on
    blocks. Checked against scikit-learn (``LeaveOneGroupOut``) and slow loops.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(0)
    >>> features = xr.DataArray(rng.normal(size=(60, 4)), dims=("stimulus", "feature"),
    ...                         coords={"stimulus": [f"s{i}" for i in range(60)]})
    >>> weights = xr.DataArray(rng.normal(size=(4, 5)), dims=("feature", "neuroid"))
    >>> responses = features @ weights
    >>> responses[50:] = rng.normal(size=(10, 5))
    >>> names = ["train"] * 30 + ["test"] * 20 + ["silhouette"] * 10
    >>> responses = responses.assign_coords(set=("stimulus", names))
    >>> fits = fit_test_sets(features, responses, split="set")
    >>> [(name, bool(scores.score_mean.item() > 0.9)) for name, scores in fits.items()]
    [('test', True), ('silhouette', False)]
    """
    check_name(metric, SCORES, "metric")
    check_whole(block, "block", 1, 10)
    check_share(confidence, "confidence", 0.95)
    check_device(device)
    budget = read_bytes(memory)
    generator = make_generator(rng)
    grid = None if alphas is None else read_alphas(alphas)
    by_op = open_features(features)
    targets = read_targets(responses)
    sets = read_sets(split, test, targets.presented)
    inner = read_inner(by, sets, targets.presented, rng)
    settings = Settings("ridge", grid, "gcv" if by is None else "folds", 0)
    # Random numbers are assigned to sets in sorted order of their names.
    rank = rank_ids(np.array(sets.names, dtype=object))
    spawned = generator.spawn(len(rank))
    children = [spawned[k] for k in rank]
    tests = []
    for k, child in enumerate(children):
        part = targets.select(sets.number == k, responses)
        tests.append(open_set(part, block, N_SPLITS, child))
    problem = Problem(targets, sets, inner, tests, settings, metric, device, budget)
    with show_progress(len(by_op.ops), "encoding", quiet=quiet):
        fits = _fit_ops(by_op, problem)
    warn_ends(by_op.ops, fits.ends)
    details = {
        "n_training": len(sets.train),
        "fit_sha256": hash_fit(targets.ids, targets.values, sets.train, fits.alpha),
        "select": settings.select,
        "by": by or "none",
        "block": block,
        "solver": describe_solvers(fits.sides, fits.n_blocks),
        "n_bootstrap": N_DRAWS,
        "rng": describe_rng(rng),
        "aggregate": "mean",
        **get_marks(features),
    }
    found = {}
    for k, child in enumerate(children):
        warn_serial(sets.names[k], fits.scores[k], in_catalog=targets.presented.dim == STIMULUS)
        scores = _share_ceiling(problem, k, fits, by_op.ops, responses, ceiling)
        found[sets.names[k]] = _build_set(problem, k, fits, scores, confidence, child, details)
    return found


def _fit_ops(features: Features, problem: Problem) -> Fits:
    """Return the scores of every op on every test set, one op in memory at a time.

    Each op is a step of the work.
    """
    targets = problem.targets
    known = targets.values if targets.usable.all() else targets.values[:, targets.usable]
    values = torch.from_numpy(known).to(problem.device)
    n_ops = len(features.ops)
    fits = Fits(
        [SetScores.allocate(test_set, n_ops) for test_set in problem.tests],
        np.full((n_ops, len(targets.usable)), np.nan),
        np.zeros((n_ops, 2)),
        [],
        [],
    )
    kernels = KernelSum(len(targets.ids))
    n_train = len(problem.sets.train)
    ops = iterate_ops(
        features, targets.ids, n_train, problem.settings, problem.device, problem.memory
    )
    for op in ops:
        source = op.open()
        kernels.add(source.compute_kernel(kernels.size), op.rounding)
        _fit_op(len(fits.sides), source, values, problem, fits)
        fits.sides.append(source.size)
        fits.n_blocks.append(op.n_blocks)
        count_steps()
        # The next op is read only after this one is gone; `enumerate` would hold it.
        del op, source
    warn_dependent(kernels, targets, problem.sets.folds)
    return fits


def _fit_op(i: int, source: Source, values: torch.Tensor, problem: Problem, fits: Fits) -> None:
    """Write the scores of the ``i``-th op into ``fits``: one fit predicts all test stimuli."""
    sets = problem.sets
    train = torch.from_numpy(sets.train).to(values.device)
    test = torch.from_numpy(sets.test).to(values.device)
    spectrum = source.begin(values, sets.train).split(sets.train, sets.test)
    mean = torch.empty_like(values[0])
    predicted = values.new_empty((len(test), values.shape[1]))
    alpha = np.empty(values.shape[1])
    for voxels in iterate_blocks(len(train), values.shape[1], problem.settings.select):
        targets = values[:, voxels][train]  # a copy
        mean[voxels] = targets.mean(0)
        targets -= mean[voxels]
        fit = fit_penalties(spectrum.select(voxels), targets, problem.inner, problem.settings)
        predicted[:, voxels] = spectrum.test @ fit.coefficients + mean[voxels]
        alpha[voxels] = fit.alphas[fit.chosen].cpu().numpy()
        fits.ends[i] += count_ends(spectrum, fit) * targets.shape[1] / values.shape[1]
    fits.alpha[i, problem.targets.usable] = alpha
    number = sets.number[sets.test]
    for k, test_set in enumerate(problem.tests):
        rows = torch.from_numpy(np.flatnonzero(number == k)).to(values.device)
        fits.scores[k].write_op(
            i, test_set, values[test[rows]], predicted[rows], mean, problem.measure
        )


def _share_ceiling(
    problem: Problem,
    k: int,
    fits: Fits,
    ops: list[str],
    responses: xr.DataArray,
    ceiling: xr.DataArray | None,
) -> NeuroidScores:
    """Return the scores of neuroids on the ``k``-th test set, with its ceilings."""
    targets = problem.tests[k].targets
    share = read_ceiling(ceiling, targets)
    explainable = None
    if share is not None:
        rows = problem.targets.presented.find_rows(problem.sets.number == k)
        shown = responses.isel({targets.presented.dim: rows})
        explainable = read_explainable(share, shown, targets)
    return NeuroidScores(
        ops,
        targets,
        fits.scores[k].by_neuroid,
        problem.measure,
        np.zeros(len(targets.ids), dtype=int),
        share,
        explainable,
        held_out=f"test set {problem.sets.names[k]!r}",
    )


def _build_set(
    problem: Problem,
    k: int,
    fits: Fits,
    scores: NeuroidScores,
    confidence: float,
    rng: np.random.Generator,
    details: dict[str, Any],
) -> xr.Dataset:
    """Return the scores of the ``k``-th test set in the common form."""
    test_set = problem.tests[k]
    found = fits.scores[k]
    result = aggregate_scores(scores).drop_vars("stimulus_fold")
    result["alpha"] = ((OP, NEUROID), fits.alpha)
    result = add_intervals(result, test_set, found, confidence, N_DRAWS, rng)
    result = add_halves(result, test_set, found.halves)
    n_stimuli = len(test_set.block)
    settings = {
        "test_set": problem.sets.names[k],
        "n_units": test_set.n_blocks,
        "n_folds": 1,
        "n_splits": len(test_set.member),
        "n_repeats": scores.targets.n_repeats,
        "score_note": _describe_set(problem, k, details["by"]),
    }
    if scores.explainable is not None:
        settings |= describe_normalization(
            scores.explainable, scores.measure, scores.min_ceiling, scores.targets.usable
        )
    return build_scores(
        result["score"],
        method="encoding",
        measure=scores.measure,
        n_stimuli=n_stimuli,
        variables={str(name): result[name] for name in result.data_vars if name != "score"},
        estimator=METHODS["ridge"],
        intervals=describe_intervals(details["block"], confidence),
        ceiling=describe_ceiling(scores.ceiling, scores.targets),
        details=details | settings,
    )


def _describe_set(problem: Problem, k: int, by: str) -> str:
    """Return what was fitted and scored, as sentences for a paper."""
    choice = "generalized cross-validation within them"
    if problem.settings.select == "folds":
        choice = f"leaving out each {by} of them in turn"
    return (
        f"The model was fitted to {len(problem.sets.train)} training stimuli, with penalties "
        f"chosen by {choice}, and scored on those of the test set {problem.sets.names[k]!r}; the "
        "mean over neuroids was taken."
    )
