"""Permutation tests of similarity between RDMs, over ops, regions and the graph."""

from collections.abc import Callable, Iterable

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import (
    Seed,
    check_share,
    check_whole,
    describe_rng,
    make_generator,
)
from neurolens.compare.inputs.exchange import Exchange, describe_exchange, warn_few_draws
from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rdms.vectors import BrainRDMs, ModelRDMs, mean_subjects
from neurolens.compare.rsa.comparators.table import Comparator, compare_whole
from neurolens.compare.rsa.dependence import (
    TESTED_SERIES,
    read_sides_exchange,
    remove_lags,
)
from neurolens.compare.rsa.sides import (
    Sides,
    describe_pairs,
    has_gaps,
    name_dissimilarity,
    name_variables,
    read_sides,
    score_whole,
    warn_ops,
)
from neurolens.compare.stats.graph_clusters import label_clusters, sum_clusters
from neurolens.compare.stats.linalg import expand_pairs
from neurolens.compare.stats.null import NULL_DIMS, NULL_SCORE, rank_among, rank_null
from neurolens.errors import InputError, LabelError
from neurolens.labels import OP, REGION, SUBJECT, get_marks, list_names
from neurolens.scores import PER_REGION, PER_SUBJECT, build_scores
from neurolens.support.progress import count_steps, show_progress

# Numbers in the squares that one block holds: permuted squares of regions, and squares of the ops
# that are compared with them.
BLOCK_NUMBERS = 2**23
BLOCK_OPS = 2**25


@over_time_bins("brain_rdms")
def permute_rdms(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "rho-a",
    scheme: str | None = None,
    by: GroupsBy | None = None,
    edges: Iterable[tuple[str, str]] = (),
    cluster_p: float = 0.05,
    n_permutations: int = 1000,
    keep_null: bool = False,
    rng: Seed = 0,
    quiet: bool = False,
) -> xr.Dataset:
    """Test whether each op is related to each region, by permuting the brain's stimuli.

    A permutation moves rows and columns together, the same in all regions, times and subjects, so
    pairs that share a stimulus and the dependence among regions stay as they are. p = (1 + hits) /
    (1 + permutations), one-sided. The test is of these subjects, whose number it does not depend
    on: a small p does not generalize to new subjects (for that see ``bootstrap_rdms``).

    Parameters
    ----------
    model_rdms, brain_rdms : DataArray
        As for ``compare_rdms``. To test one subject, select it. With ``time_bin`` besides, every
        result has it too, and whatever is over all regions is over all regions and times; clusters
        do not reach from one time to another.
    comparator : str
        A key of ``COMPARATORS``; ``rho-a``, the default, does not reward models for ties.
    scheme : str, optional
        What may be exchanged without a relation. "stimuli": all of them, the default without
        ``by``. "within": stimuli within their groups only, where groups (runs, categories) resemble
        each other on both sides for another reason. "groups": whole groups, the default with
        ``by``, where stimuli of a group (views of a picture, a run) belong together; they exchange
        places with groups of the same size only. "shift": circular shifts, for a series (frames, a
        story), in the order of the rows of ``brain_rdms``; with ``by`` each group is shifted on its
        own.
    by : str or DataArray, optional
        The groups: a label per stimulus or presentation, such as ``responses["run"]``, or the name
        of such a coordinate of either side's RDMs.
    edges : iterable of (op, op)
        Which ops are neighbors, either way round; both must be in ``model_rdms``. With edges,
        clusters are tested.
    cluster_p : float
        An op may join a cluster where its own p is at most this; chosen in advance, it changes
        power, not error rate.
    n_permutations : int
        1 or more; the smallest possible p is 1 / (1 + n_permutations). A single series of n stimuli
        has n - 1 shifts, and no more are used.
    keep_null : bool
        Whether to return the scores under permutation, ``null_score`` (permutation, op, region), as
        float32, for ``plot_null``.
    rng : int or Generator
        Seed of the permutations, which belong to the stimulus ids, whatever the order of the RDMs'
        stimuli.
    quiet : bool
        Show no progress.

    Returns
    -------
    Dataset
        Scores in the form that ``build_scores`` defines, in the unit of the comparator: ``score``
        (op, region, subject) and, over (op, region), ``score_mean``: mean over subjects; ``p``: of
        this op and region alone; ``q``: Benjamini-Hochberg over all of them; ``p_max``: against the
        largest (score - null_mean) / null_sd of all ops and regions, which bounds the chance of any
        false finding. Without intervals and ceilings. Besides, over (op, region): ``null_mean``,
        ``null_sd`` under permutation; with shifts ``tested_score``, which all tests are of then
        (Notes); with edges ``cluster``: number of the cluster within its region, 0 for none, and
        ``p_cluster``: against the largest cluster anywhere, NaN outside clusters.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_rdms``; a number of permutations or a ``cluster_p`` that cannot be used; an
        unknown op in ``edges``, an unknown ``scheme``; groups that cannot be permuted.

    Warns
    -----
    RuntimeWarning
        An op has no score. Stimuli that are permuted singly are a series that changes slowly on
        both sides, or copies of each other. So few permutations for so many tests that a q, though
        its p is the smallest possible, is above .05; the message says how many are needed. There
        are fewer than 20 different permutations; groups whose size no other has stay in place.

    Notes
    -----
    Ops joined by an edge form clusters as neighboring times do in MEG. A cluster's mass is the sum
    of its standardized scores, compared with the largest under each permutation, over all regions.
    It says that the region is related to some op in the cluster, not to which, nor where the
    cluster ends. The null is that no stimulus of one side belongs to a stimulus of the
    other: a low p says that there is a relation, not that it is specific.

    Distances of a slow series grow with time on both sides, and a circular shift breaks that where
    the end meets the beginning. So with "shift" all tests are of ``tested_score``: the score of
    brain RDMs less their mean over all pairs at the same distance in time (with ``by``, pairs of
    one group or of different ones); ``score`` and ``score_mean`` are of the RDMs as they are. For
    unrelated series of 30 to 80 stimuli, autocorrelation .6 to .95, 3 to 20 features, p was at most
    .05 in 4 to 6 %, with tau-a and with four runs of 30 stimuli in 8 % (6 to 64 % without taking
    the means out). Series must be stationary: of two random walks, which drift, p was at most .05
    in 46 %. Remove drift from responses and features first, or exchange whole pieces, ``by=...``.

    Attributes: ``permuted``, ``tested`` (with shifts), ``inference_over``, ``permutations_for_q``
    (how many let one test among all have a q of .05). Time O(permutations ops regions n^2), memory
    O(permutations ops regions); time bins count as regions do.

    References
    ----------
    Kriegeskorte et al. (2008) Front. Syst. Neurosci. 2:4, on permuting stimuli; Phipson & Smyth
    (2010) Stat. Appl. Genet. Mol. Biol. 9:39, on p; Nichols & Holmes (2002) Hum. Brain Mapp. 15:1,
    on the maximum; Maris & Oostenveld (2007) J. Neurosci. Methods 164:177, on clusters in time.
    Checked against loops (``test_permutation.py``).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> ids = [f"s{i}" for i in range(8)]
    >>> square = np.abs(np.subtract.outer(np.arange(8.0) ** 2, np.arange(8.0) ** 2))
    >>> rdm = xr.DataArray(square, dims=("stimulus", "stimulus_2"),
    ...                    coords={"stimulus": ids, "stimulus_2": ids})
    >>> tested = permute_rdms(rdm, rdm, n_permutations=99)
    >>> tested.p.dims, round(float(tested.p[0, 0]), 2)
    (('op', 'region'), 0.01)
    """
    generator = make_generator(rng)
    sides = read_sides(model_rdms, brain_rdms, comparator)
    check_whole(n_permutations, "n_permutations", 1, 1000)
    check_share(cluster_p, "cluster_p", 0.05)
    links = _index_edges(edges, sides.model.ops)

    exchange = read_sides_exchange(scheme, by, sides.model, sides.brain, brain_rdms, model_rdms)
    orders = exchange.draw_orders(n_permutations, generator)
    is_series = exchange.scheme == "shift"
    compared = _remove_lags(sides, exchange) if is_series else sides
    with show_progress(len(orders), "permuting RDMs", quiet=quiet):
        null_scores = _score_orders(compared, orders)
    _warn_unscored(sides, null_scores[0])
    tests = _test_scores(null_scores, links, cluster_p)
    if is_series:
        tests["tested_score"] = tests["score_mean"]
        tests["score_mean"] = mean_subjects(score_whole(sides), sides.brain.present)
    warn_few_draws(tests["p"], tests["q"], len(orders), exchange)
    values = _label_tests(sides, tests)
    if keep_null:
        values[NULL_SCORE] = (NULL_DIMS, null_scores[1:].astype(np.float32))
    return build_scores(
        values["score"],
        method="rsa",
        measure=comparator,
        n_stimuli=len(sides.model.ids),
        variables=name_variables(values, sides),
        dissimilarity=name_dissimilarity(model_rdms),
        details={
            **describe_exchange(exchange, len(orders), tests["p"]),
            **({"tested": TESTED_SERIES} if is_series else {}),
            "cluster_p": float(cluster_p),
            "rng": describe_rng(rng),
            **describe_pairs(sides),
            **get_marks(model_rdms),
        },
    )


def _remove_lags(sides: Sides, exchange: Exchange) -> Sides:
    """Return ``sides`` with what shifts compare, or refuse a comparator that cannot."""
    if sides.comparator.name == "bures":
        raise InputError(
            "scheme='shift' compares brain RDMs less their mean at each distance in time, which "
            "comparator='bures' cannot. Pass comparator='rho-a', or whole pieces of the series "
            "with by=."
        )
    return sides._replace(brain=remove_lags(sides.brain, exchange))


def _score_orders(sides: Sides, orders: np.ndarray) -> np.ndarray:
    """Return the mean over subjects (order, op, region), by the fastest method that applies."""
    comparator, model, brain = sides
    if comparator.embed and not has_gaps(sides):
        return score_embedded(model, brain, orders, comparator.embed)
    return score_pairs(model, brain, orders, comparator)


def score_embedded(
    model: ModelRDMs,
    brain: BrainRDMs,
    orders: np.ndarray,
    embed: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return the mean over subjects (order, op, region), the brain's stimuli in each of ``orders``.

    ``orders`` is (order, n). Scores are sums of products of RDMs that ``embed`` turns into squares,
    so the mean over subjects is the score of the mean of their squares.
    """
    n_ops = len(model.ops)
    n_regions = len(brain.regions)
    n = orders.shape[1]
    y = np.full((n_regions, n, n), np.nan)
    for region, present in enumerate(brain.present):
        if present.any():
            y[region] = embed(brain.pairs[region, present]).mean(axis=0)
    scores = np.empty((len(orders), n_ops, n_regions))
    step = max(1, BLOCK_NUMBERS // y.size)
    width = max(1, BLOCK_OPS // n**2)
    for first_op in range(0, n_ops, width):
        ops = slice(first_op, first_op + width)
        x = embed(model.pairs[ops]).reshape(-1, n * n)
        for start in range(0, len(orders), step):
            block = orders[start : start + step]
            permuted = y[:, block[:, :, None], block[:, None, :]]  # (region, order, n, n)
            products = x @ permuted.reshape(n_regions * len(block), -1).T
            by_region = products.reshape(len(x), n_regions, -1)  # (op, region, order)
            scores[start : start + step, ops] = by_region.transpose(2, 0, 1)
            count_steps(len(block) * len(x) / n_ops)
    return scores


def score_pairs(
    model: ModelRDMs, brain: BrainRDMs, orders: np.ndarray, comparator: Comparator
) -> np.ndarray:
    """Return the mean over subjects (order, op, region) for any comparator.

    The brain's stimuli are compared in each of ``orders`` (order, n).
    """
    squares = expand_pairs(brain.pairs[brain.present])
    first, second = np.triu_indices(orders.shape[1], 1)
    scores = np.full((len(orders), len(model.ops), *brain.present.shape), np.nan)
    for k, order in enumerate(orders):
        permuted = squares[:, order[first], order[second]]  # (brain RDM, pair)
        scores[k][:, brain.present] = compare_whole(model.pairs, permuted, comparator)
    return mean_subjects(scores, brain.present)


def _warn_unscored(sides: Sides, score_mean: np.ndarray) -> None:
    """Warn once, naming the ops without a ``score_mean`` (op, region) where there are RDMs."""
    has_rdm = sides.brain.present.any(axis=1)
    warn_ops(sides.model.ops[np.isnan(score_mean[:, has_rdm]).any(axis=1)])


def _test_scores(
    null_scores: np.ndarray, links: np.ndarray, cluster_p: float
) -> dict[str, np.ndarray]:
    """Return the tests of ops and regions, and with ``links`` (edge, 2) those of clusters."""
    tests, deviation, p_of_draws = rank_null(null_scores)
    if len(links):
        inside = p_of_draws <= cluster_p
        labels = label_clusters(inside, links)
        mass = sum_clusters(labels, deviation)
        p_cluster = rank_among(mass[0], mass.max(axis=(1, 2)))
        tests["cluster"] = labels[0]
        tests["p_cluster"] = np.where(inside[0], p_cluster, np.nan)
    return tests


def _label_tests(sides: Sides, tests: dict[str, np.ndarray]) -> xr.Dataset:
    """Return the score of each subject and the tests of their mean, on labelled dimensions."""
    return xr.Dataset(
        {
            "score": (PER_SUBJECT, score_whole(sides)),
            **{name: (PER_REGION, values) for name, values in tests.items()},
        },
        coords={OP: sides.model.ops, REGION: sides.brain.regions, SUBJECT: sides.brain.subjects},
    )


def _index_edges(edges: Iterable[tuple[str, str]], ops: np.ndarray) -> np.ndarray:
    """Return ``edges`` as positions (edge, 2) in ``ops``."""
    position = {str(op): i for i, op in enumerate(ops)}
    pairs = [_read_edge(edge) for edge in edges]
    unknown = dict.fromkeys(op for pair in pairs for op in pair if op not in position)
    if unknown:
        raise LabelError(
            f"edges must join ops of model_rdms, which lack {list_names(unknown)}. "
            "Pass [(a, b) for a, b in edges if {a, b} <= set(model_rdms.op.values)].",
            anchor="unknown-op",
        )
    links = [(position[first], position[second]) for first, second in pairs]
    return np.array(links, dtype=int).reshape(-1, 2)


def _read_edge(edge: Iterable[str]) -> tuple[str, str]:
    """Return the two ops of an edge, or raise InputError."""
    ops = () if isinstance(edge, str) else tuple(edge)
    if len(ops) != 2:
        raise InputError(
            f"edges must be pairs of names of ops, got {edge!r}. Pass e.g. "
            f"edges=[('conv1', 'relu1')]."
        )
    return ops[0], ops[1]
