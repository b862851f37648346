"""Depth of each region's best op in the network, and whether depth follows the regions."""

from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr

from neurolens.compare.inputs.checks import find_ops
from neurolens.compare.rsa.comparators.table import rank_rows
from neurolens.compare.selection.choice import find_peaks
from neurolens.compare.selection.draws import read_draws, read_level
from neurolens.compare.stats.correlation import correlate_columns
from neurolens.compare.stats.intervals import percentile_interval
from neurolens.compare.stats.orders import MOST_EXACT, count_orders, permute_order
from neurolens.errors import InputError
from neurolens.labels import OP, REGION
from neurolens.scores import read_scores


def locate_peaks(scores: xr.Dataset, *, depth: Mapping[str, float] | None = None) -> xr.Dataset:
    """Locate the op with the largest score in each region, and relate its depth to the regions.

    Parameters
    ----------
    scores : Dataset
        Any scores that hold draws: from ``bootstrap_rdms`` (intervals over stimuli and subjects),
        or from ``compare_rdms``, or ``fit_encoding`` with ``n_splits`` above 0 (over stimuli; with
        ``n_bootstrap=0`` they are NaN). Regions in the order that a hierarchy would have:
        ``scores.sel(region=["V1", "V4", "IT"])``.
    depth : mapping of op to number, optional
        Any unit; ops not named cannot be the peak. None: position along ``op``, 0 for the first and
        1 for the last.

    Returns
    -------
    Dataset
        ``peak_op``, ``peak_depth``, ``peak_depth_low``, ``peak_depth_high`` (region): percentiles
        of the depth of the largest score in each draw, NaN where an op has a score and no draws, so
        that they do not say where the peak is. ``hierarchy``, ``hierarchy_low``,
        ``hierarchy_high``: Spearman correlation over regions of their order with the depth of their
        peak, in [-1, 1]; NaN for fewer than three regions. ``hierarchy_p``: the share of all orders
        of the regions whose correlation is as large, one-sided; its smallest value is 1 / R! for R
        regions, 0.17 for three and 0.04 for four. Attributes ``interval_level`` and
        ``hierarchy_note``, which says how the test was made.

    Raises
    ------
    InputError
        ``scores`` are no scores, hold no draws, a single one, or several time bins; a depth is not
        a finite number.
    LabelError
        ``depth`` names an op that ``scores`` lacks, or none.

    Notes
    -----
    Taking the largest score biases that score upwards, but does not bias the depth in one
    direction, so the depth needs no held-out data. Resampled data are noisier than the data, so the
    interval errs on the wide side. ``hierarchy_p`` tests whether depth has nothing to do with the
    order of the regions: then each order of their peaks is as likely as any other, and p <= .05
    occurs in 5 % of data sets or fewer, whatever the number of regions, noise that all regions
    share, and ties. It takes regions as independent: where neighbors in the order share noise that
    others do not, it is too small (depths of five regions correlated by .5 with the next one: p <=
    .05 in 9 % of simulations without any order). Time O(draws ops regions).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.scores import build_scores
    >>> mean = xr.DataArray([[0.9, 0.1, 0.2], [0.2, 0.8, 0.1], [0.1, 0.3, 0.7]],
    ...                     dims=("op", "region"),
    ...                     coords={"op": ["conv", "relu", "fc"], "region": ["V1", "V4", "IT"]})
    >>> draws = mean.expand_dims(bootstrap=2)
    >>> scores = build_scores(mean, method="rsa", measure="spearman", n_stimuli=20,
    ...                       variables={"bootstrap_mean": draws})
    >>> peaks = locate_peaks(scores)
    >>> peaks.peak_depth.values.tolist(), round(float(peaks.hierarchy), 2)
    ([0.0, 0.5, 1.0], 1.0)
    """
    scores = read_scores(scores, "locate_peaks")
    draws = read_draws(scores, "locate_peaks", least=0)
    ops = scores[OP].values.astype(str)
    depths = _list_depths(ops, depth)
    observed = scores["score_mean"].transpose(OP, REGION).values
    peak = find_peaks(observed[None], np.isfinite(depths))  # (1, region)
    drawn_peak = find_peaks(draws.values[0], np.isfinite(depths))  # (draw, region)
    peak_depth = _take_depths(depths, peak)
    drawn_depth = _take_depths(depths, drawn_peak)
    # Draws of the other ops do not say where the peak would be.
    can_peak = np.isfinite(observed) & np.isfinite(depths)[:, None]  # (op, region)
    is_lost = can_peak & np.isnan(draws.values[0]).all(axis=0)
    drawn_depth[:, is_lost.any(axis=0)] = np.nan
    level = read_level(scores)
    low, high = percentile_interval(drawn_depth, level)
    hierarchy_low, hierarchy_high = percentile_interval(order_depths(drawn_depth), level)
    return xr.Dataset(
        {
            "peak_op": (REGION, np.where(peak[0] >= 0, ops[peak[0]], "")),
            "peak_depth": (REGION, peak_depth[0]),
            "peak_depth_low": (REGION, low),
            "peak_depth_high": (REGION, high),
            "hierarchy": order_depths(peak_depth)[0],
            "hierarchy_low": ((), hierarchy_low),
            "hierarchy_high": ((), hierarchy_high),
            "hierarchy_p": permute_order(peak_depth[0]),
        },
        coords={REGION: scores[REGION].values},
        attrs={"interval_level": level, "hierarchy_note": _describe_test(peak_depth[0])},
    )


def order_depths(depths: np.ndarray) -> np.ndarray:
    """Return Spearman's r (draw,) of the order of regions with ``depths`` (draw, region).

    It is NaN where undefined.
    """
    n_draws, n_regions = depths.shape
    if n_regions < 3 or not n_draws:
        return np.full(n_draws, np.nan)
    order = torch.arange(n_regions, dtype=torch.float64)
    ranks = torch.from_numpy(rank_rows(depths).T)  # (region, draw)
    return correlate_columns(ranks, order[:, None]).numpy()


def _describe_test(depths: np.ndarray) -> str:
    """Return in a sentence how the order of ``depths`` (region,) was tested, or why it was not."""
    n_regions = len(depths)
    if n_regions < 3:
        return "The order of depths is not tested: that takes three regions or more."
    if np.isnan(depths).any():
        return "The order of depths is not tested: a region has no op with a score."
    n_orders = count_orders(n_regions)
    orders = f"all {n_orders:,}" if n_regions <= MOST_EXACT else f"{n_orders:,} random"
    return (
        f"One-sided permutation test of depth against the order of {n_regions} regions, over "
        f"{orders} orders; p cannot be below {1 / n_orders:.2g}."
    )


def _take_depths(depths: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Return the depth of each of ``peaks`` (draw, region), NaN where there is none."""
    return np.where(peaks >= 0, depths[peaks], np.nan)


def _list_depths(ops: np.ndarray, depth: Mapping[str, float] | None) -> np.ndarray:
    """Return the depth of each op, NaN for those that ``depth`` does not name."""
    if depth is None:
        return np.linspace(0.0, 1.0, len(ops))
    if not np.isfinite(list(depth.values())).all():
        raise InputError("depth must map ops to finite numbers. Leave out ops that have no depth.")
    return np.array(find_ops(depth, ops, "depth", "numbers"), dtype=float)
