"""How deep in the network each region's best op lies, and whether depth follows the regions."""

from collections.abc import Mapping

import numpy as np
import torch
import xarray as xr

from neurolens.compare.inputs.checks import check_kind, find_ops, put_on
from neurolens.compare.inputs.time_bins import refuse_bins
from neurolens.compare.rsa.comparators.table import rank_rows
from neurolens.compare.stats.correlation import correlate_columns
from neurolens.compare.stats.intervals import percentile_interval
from neurolens.errors import InputError
from neurolens.labels import OP, REGION


def locate_peaks(scores: xr.Dataset, *, depth: Mapping[str, float] | None = None) -> xr.Dataset:
    """Depth of the op with the largest score in each region, and how depth follows the regions, with intervals.

    Parameters
    ----------
    scores : Dataset
        From ``bootstrap_rdms`` (intervals over stimuli and subjects), or from ``compare_rdms``, or
        ``fit_encoding`` with ``n_splits`` above 0 (over stimuli; with ``n_bootstrap=0`` they are
        NaN). Regions in the order that a hierarchy would have: ``scores.sel(region=["V1", "V4",
        "IT"])``.
    depth : mapping of op to number, optional
        Any unit; ops not named cannot be the peak. None: place along ``op``, 0 for the first and 1
        for the last.

    Returns
    -------
    Dataset
        ``peak_op``, ``peak_depth``, ``peak_depth_low``, ``peak_depth_high`` (region): percentiles
        of the depth of the largest score in each draw. ``hierarchy``, ``hierarchy_low``,
        ``hierarchy_high``: Spearman correlation over regions of their order with the depth of their
        peak, in [-1, 1]; NaN for fewer than three regions.

    Raises
    ------
    InputError
        ``scores`` holds no draws, a single one, or several time bins; a depth is not a finite
        number.
    LabelError
        ``depth`` names an op that ``scores`` lacks, or none.

    Notes
    -----
    Taking the largest makes its score too large, but does not move its depth one way: the depth
    needs no held-out data. Resampled data are noisier than the data, so the interval errs on the
    wide side. Time O(draws ops regions).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> mean = np.array([[0.9, 0.1, 0.2], [0.2, 0.8, 0.1], [0.1, 0.3, 0.7]])
    >>> scores = xr.Dataset(
    ...     {"score_mean": (("op", "region"), mean), "bootstrap_mean": (("bootstrap", "op", "region"), [mean, mean])},
    ...     coords={"op": ["conv", "relu", "fc"], "region": ["V1", "V4", "IT"]}, attrs={"confidence": 0.95})
    >>> peaks = locate_peaks(scores)
    >>> peaks.peak_depth.values.tolist(), round(float(peaks.hierarchy), 2)
    ([0.0, 0.5, 1.0], 1.0)
    """
    check_kind(scores, "scores", "scores")
    refuse_bins(scores, "locate_peaks")
    if "draws" not in scores and "bootstrap_mean" not in scores:
        raise InputError(
            "scores must hold 'draws' or 'bootstrap_mean'. Pass what bootstrap_rdms returns."
        )
    if scores.sizes["bootstrap"] == 1:
        raise InputError(
            "scores must hold two draws or more, got 1, whose interval would have width 0. Make "
            "them anew with "
            "e.g. n_bootstrap=1000."
        )
    draws = scores["draws"].sel(resampled="both") if "draws" in scores else scores["bootstrap_mean"]
    ops = scores[OP].values.astype(str)
    depths = _place_ops(ops, depth)
    observed = scores["score_mean"].transpose(OP, REGION).values
    peaks = [
        find_peaks(x, depths)
        for x in (observed[None], draws.transpose("bootstrap", OP, REGION).values)
    ]
    peak, peak_depth, drawn_depth = (
        peaks[0][0],
        *(np.where(found >= 0, depths[found], np.nan) for found in peaks),
    )
    confidence = float(scores.attrs.get("confidence", 0.95))
    low, high = percentile_interval(drawn_depth, confidence)
    hierarchy_low, hierarchy_high = percentile_interval(order_depths(drawn_depth), confidence)
    names = np.where(peak >= 0, ops[peak], "")
    return xr.Dataset(
        {
            **put_on(
                REGION,
                peak_op=names,
                peak_depth=peak_depth[0],
                peak_depth_low=low,
                peak_depth_high=high,
            ),
            "hierarchy": order_depths(peak_depth)[0],
            **put_on((), hierarchy_low=hierarchy_low, hierarchy_high=hierarchy_high),
        },
        coords={REGION: scores[REGION].values},
        attrs={"confidence": confidence},
    )


def find_peaks(scores: np.ndarray, depths: np.ndarray) -> np.ndarray:
    """Return which op (draw, region) has the largest of ``scores`` (draw, op, region); -1 where none has a score.

    Only ops that have one of ``depths`` (op,) count.
    """
    known = ~np.isnan(scores) & ~np.isnan(depths)[:, None]
    return np.where(known.any(axis=1), np.where(known, scores, -np.inf).argmax(axis=1), -1)


def order_depths(depths: np.ndarray) -> np.ndarray:
    """Return Spearman's r (draw,) of the order of regions with ``depths`` (draw, region).

    NaN where undefined.
    """
    if depths.shape[1] < 3 or not len(depths):
        return np.full(len(depths), np.nan)
    places = torch.arange(depths.shape[1], dtype=torch.float64)
    return correlate_columns(torch.from_numpy(rank_rows(depths).T), places[:, None]).numpy()


def _place_ops(ops: np.ndarray, depth: Mapping[str, float] | None) -> np.ndarray:
    """Return the depth of each op, NaN for those that ``depth`` does not name."""
    if depth is None:
        return np.linspace(0.0, 1.0, len(ops))
    if not np.isfinite(list(depth.values())).all():
        raise InputError("depth must map ops to finite numbers. Leave out ops that have no depth.")
    return np.array(find_ops(depth, ops, "depth", "numbers"), dtype=float)
