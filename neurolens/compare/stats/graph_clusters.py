"""Connected sets of ops on a graph, in many draws at once: pure arrays (draw, op, region)."""

import numpy as np


def label_clusters(inside: np.ndarray, links: np.ndarray) -> np.ndarray:
    """Return the number of each op's cluster, from 1 within each draw and region.

    Ops that are not ``inside`` get 0. Ops belong together if a chain of ``links`` (edge, 2) between
    ops that are inside joins them. Clusters are numbered by their first op. Time and memory
    O(inside.size + draws regions edges).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    draws, n_ops, n_regions = inside.shape
    members = inside.transpose(0, 2, 1).reshape(-1, n_ops)  # (draw * region, op)
    layer, edge = np.nonzero(members[:, links[:, 0]] & members[:, links[:, 1]])
    ends = layer[:, None] * n_ops + links[edge]
    shape = (members.size, members.size)
    graph = coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=shape)
    component = connected_components(graph, directed=False)[1].reshape(members.shape)
    # Within a layer the first member of a component is the one whose component was not met before
    # it.
    first = np.zeros(members.size, dtype=bool)
    first[np.unique(component, return_index=True)[1]] = True
    first = first.reshape(members.shape) & members
    number = np.zeros(component.max() + 1, dtype=int)
    number[component[first]] = np.cumsum(first, axis=1)[first]
    labels = np.where(members, number[component], 0)
    return labels.reshape(draws, n_regions, n_ops).transpose(0, 2, 1)  # (draw, op, region)


def sum_clusters(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return for each op the sum of ``values`` over its cluster in ``labels``, 0 if in none."""
    draws, n_ops, n_regions = labels.shape
    layer = np.arange(draws)[:, None, None] * n_regions + np.arange(n_regions)
    cluster = layer * (n_ops + 1) + labels
    inside = labels > 0
    total = np.bincount(
        cluster[inside], weights=values[inside], minlength=draws * n_regions * (n_ops + 1)
    )
    return np.where(inside, total[cluster], 0.0)
