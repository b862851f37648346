"""Is there any similarity at all? Permutation of the stimuli, over many ops and regions.

And on the graph.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import (
    Seed,
    check_share,
    check_whole,
    describe_rsa,
    make_generator,
    put_on,
    rank_ids,
)
from neurolens.compare.inputs.time_bins import compare_bins
from neurolens.compare.rdms.vectors import BrainPairs, ModelPairs, mean_subjects
from neurolens.compare.rsa.comparators.quadratic import EMBEDDINGS
from neurolens.compare.rsa.comparators.table import compare_whole, find_comparator
from neurolens.compare.rsa.compare import read_sides, warn_undefined
from neurolens.compare.stats.graph_clusters import label_clusters, sum_clusters
from neurolens.compare.stats.linalg import expand_pairs
from neurolens.compare.stats.null import rank_among, rank_null
from neurolens.errors import LabelError
from neurolens.labels import OP, REGION, TIME_BIN, list_names

# Numbers in the squares that one block holds: permuted ones of regions, and those of ops that meet
# them.
BLOCK_NUMBERS = 2**23
BLOCK_OPS = 2**25


def permute_rdms(
    model_rdms: xr.DataArray,
    brain_rdms: xr.DataArray,
    *,
    comparator: str = "spearman",
    edges: Iterable[tuple[str, str]] = (),
    cluster_p: float = 0.05,
    n_permutations: int = 1000,
    rng: Seed = 0,
) -> xr.Dataset:
    """Test of no relation between each op and each region, by permuting the stimuli of the brain RDMs.

    A permutation moves rows and columns together, the same in all regions, times and subjects, so
    pairs that share a stimulus and the dependence among regions stay as they are. p = (1 + hits) /
    (1 + permutations), one-sided.

    Parameters
    ----------
    model_rdms, brain_rdms : DataArray
        As for ``compare_rdms``. To test one subject, select it. With ``time_bin`` besides, every
        result has it too, and whatever is over all regions is over all regions and times; clusters
        do not reach from one time to another.
    comparator : str
        A key of ``COMPARATORS``.
    edges : iterable of (op, op)
        Which ops are neighbours, either way round; both must be in ``model_rdms``. With edges,
        clusters are tested.
    cluster_p : float
        An op may join a cluster where its own p is at most this; chosen in advance, it changes
        power, not error rate.
    n_permutations : int
        1 or more; the smallest possible p is 1 / (1 + n_permutations).
    rng : int or Generator
        Seed of the permutations, which belong to the stimulus ids, whatever the order of the RDMs'
        stimuli.

    Returns
    -------
    Dataset over (op, region)
        ``score_mean``: mean over subjects, unit of the comparator; ``null_mean``, ``null_sd``:
        under permutation. ``p``: of this op and region alone; ``q``: Benjamini-Hochberg over all of
        them; ``p_max``: against the largest (score - null_mean) / null_sd of all ops and regions,
        which bounds the chance of any false finding. With edges: ``cluster``: number of the cluster
        within its region, 0 for none, and ``p_cluster``: against the largest cluster anywhere, NaN
        outside clusters.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for ``compare_rdms``; a number of permutations or a ``cluster_p`` that cannot be used; an
        unknown op in ``edges``.

    Notes
    -----
    Clusters on the graph of operations are new here: ops joined by an edge form clusters as
    neighbouring times do in MEG. A cluster's mass is the sum of its standardised scores, compared
    with the largest under each permutation, over all regions. It says that the region is related to
    some op in the cluster, not to which, nor where the cluster ends. ``benchmarks/simulate.py``
    measures its error rate. The null is that no stimulus of one side belongs to a stimulus of the
    other: a low p says that there is a relation, not that it is specific. Time O(permutations ops
    regions n^2), memory O(permutations ops regions); time bins count as regions do.

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
    >>> rdm = xr.DataArray(square, dims=("stimulus", "stimulus_2"), coords={"stimulus": ids, "stimulus_2": ids})
    >>> tested = permute_rdms(rdm, rdm, n_permutations=99)
    >>> tested.p.dims, round(float(tested.p[0, 0]), 2)
    (('op', 'region'), 0.01)
    """
    generator = make_generator(rng)
    if isinstance(brain_rdms, xr.DataArray) and TIME_BIN in brain_rdms.dims:
        again: Any = {"comparator": comparator, "edges": edges, "cluster_p": cluster_p, "rng": rng}
        again["n_permutations"] = n_permutations
        return compare_bins(partial(permute_rdms, model_rdms, **again), brain_rdms)
    _, model, brain = read_sides(model_rdms, brain_rdms, comparator)
    check_whole(n_permutations, "n_permutations", 1, 1000)
    check_share(cluster_p, "cluster_p", 0.05)
    links = _index_edges(edges, model.ops)
    places = np.arange(len(model.ids))
    drawn = (generator.permutation(len(places)) for _ in range(n_permutations))
    orders = follow_ids(np.stack([places, *drawn]), model.ids)
    score = score_embedded if comparator in EMBEDDINGS else score_pairs
    scores = score(model, brain, orders, comparator)
    warn_undefined(model.ops[np.isnan(scores[0][:, brain.present.any(axis=1)]).any(axis=1)])
    found, deviation, reached = rank_null(scores)
    if len(links):
        inside = reached <= cluster_p
        labels = label_clusters(inside, links)
        mass = sum_clusters(labels, deviation)
        found["cluster"] = labels[0]
        found["p_cluster"] = np.where(inside[0], rank_among(mass[0], mass.max(axis=(1, 2))), np.nan)
    numbers = {
        "comparator": comparator,
        "n_permutations": int(n_permutations),
        "cluster_p": float(cluster_p),
    }
    return xr.Dataset(
        put_on((OP, REGION), **found),
        coords={OP: model.ops, REGION: brain.regions},
        attrs=describe_rsa(model_rdms, len(places), rng, **numbers),
    )


def follow_ids(orders: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Return ``orders`` (order, n), which are of sorted ``ids``.

    As orders of ``ids`` as they stand.
    """
    rank = rank_ids(ids)
    return np.argsort(rank)[orders][:, rank]


def score_embedded(
    model: ModelPairs, brain: BrainPairs, orders: np.ndarray, comparator: str
) -> np.ndarray:
    """Return the mean over subjects (order, op, region) with the brain's stimuli in each of ``orders`` (order, n).

    Sums of products of embedded RDMs: the mean over subjects is that with the mean of their
    embeddings.
    """
    n_ops = len(model.ops)
    n_regions = len(brain.regions)
    n = orders.shape[1]
    embed = EMBEDDINGS[comparator]
    y = np.full((n_regions, n, n), np.nan)
    for region, here in enumerate(brain.present):
        if here.any():
            y[region] = embed(brain.pairs[region, here]).mean(axis=0)
    scores = np.empty((len(orders), n_ops, n_regions))
    step = max(1, BLOCK_NUMBERS // y.size)
    width = max(1, BLOCK_OPS // n**2)
    for ops in (slice(low, low + width) for low in range(0, n_ops, width)):
        x = embed(model.pairs[ops]).reshape(-1, n * n)
        for start in range(0, len(orders), step):
            block = orders[start : start + step]
            moved = y[:, block[:, :, None], block[:, None, :]].reshape(n_regions * len(block), -1)
            scores[start : start + step, ops] = (
                (x @ moved.T).reshape(len(x), n_regions, -1).transpose(2, 0, 1)
            )
    return scores


def score_pairs(
    model: ModelPairs, brain: BrainPairs, orders: np.ndarray, comparator: str
) -> np.ndarray:
    """Return what ``score_embedded`` does for any comparator.

    Comparing anew under each of ``orders``.
    """
    kernel = find_comparator(comparator)
    squares = expand_pairs(brain.pairs[brain.present])
    first, second = np.triu_indices(orders.shape[1], 1)
    scores = np.full((len(orders), len(model.ops), *brain.present.shape), np.nan)
    for place, order in enumerate(orders):
        scores[place][:, brain.present] = compare_whole(
            model.pairs, squares[:, order[first], order[second]], kernel
        )
    return mean_subjects(scores, brain.present)


def _index_edges(edges: Iterable[tuple[str, str]], ops: np.ndarray) -> np.ndarray:
    """Return ``edges`` as places (edge, 2) in ``ops``."""
    place = {str(op): i for i, op in enumerate(ops)}
    pairs = list(edges)
    unknown = dict.fromkeys(op for pair in pairs for op in pair if op not in place)
    if unknown:
        raise LabelError(
            f"edges must join ops of model_rdms, which lack {list_names(unknown)}. "
            "Pass [(a, b) for a, b in edges if {a, b} <= set(model_rdms.op.values)]."
        )
    return np.array([[place[op] for op in pair] for pair in pairs], dtype=int).reshape(-1, 2)
