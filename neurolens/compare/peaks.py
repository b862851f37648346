"""How deep in the network each region's best op lies, and whether depth follows the regions."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from neurolens.compare.comparators import rank_rows
from neurolens.compare.embeddings import centre_rows
from neurolens.compare.weights import percentile_interval
from neurolens.errors import InputError, LabelError
from neurolens.labels import OP, REGION, list_names


def locate_peaks(scores: xr.Dataset, *, depth: Mapping[str, float] | None = None) -> xr.Dataset:
    """Depth of the op with the largest score in each region, and how depth follows the regions, with intervals.

    Parameters
    ----------
    scores : Dataset
        From ``bootstrap_scores`` (intervals over stimuli and subjects) or ``compare_rdms`` (over stimuli). Regions
        in the order that a hierarchy would have: ``scores.sel(region=["V1", "V4", "IT"])``.
    depth : mapping of op to number, optional
        Any unit; ops not named cannot be the peak. None: place along ``op``, 0 for the first and 1 for the last.

    Returns
    -------
    Dataset
        ``peak_op``, ``peak_depth``, ``peak_depth_low``, ``peak_depth_high`` (region): percentiles of the depth of the
        largest score in each draw. ``hierarchy``, ``hierarchy_low``, ``hierarchy_high``: Spearman correlation over
        regions of their order with the depth of their peak, in [-1, 1]; NaN for fewer than three regions.

    Raises
    ------
    InputError
        ``scores`` holds no draws, or a depth is not a finite number.
    LabelError
        ``depth`` names an op that ``scores`` lacks, or none.

    Notes
    -----
    Taking the largest makes its score too large, but does not move its depth one way: the depth needs no held-out
    data. Resampled data are noisier than the data, so the interval errs on the wide side. Time O(draws ops regions).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> mean = np.array([[0.9, 0.1, 0.2], [0.2, 0.8, 0.1], [0.1, 0.3, 0.7]])
    >>> scores = xr.Dataset(
    ...     {"score_mean": (("op", "region"), mean), "bootstrap_mean": (("bootstrap", "op", "region"), mean[None])},
    ...     coords={"op": ["conv", "relu", "fc"], "region": ["V1", "V4", "IT"]}, attrs={"confidence": 0.95})
    >>> peaks = locate_peaks(scores)
    >>> peaks.peak_depth.values.tolist(), round(float(peaks.hierarchy), 2)
    ([0.0, 0.5, 1.0], 1.0)
    """
    if "draws" in scores:
        draws = scores["draws"].sel(resampled="both", drop=True)
    elif "bootstrap_mean" in scores:
        draws = scores["bootstrap_mean"]
    else:
        raise InputError("scores must hold 'draws' or 'bootstrap_mean'. Pass what bootstrap_scores returns.")
    ops = scores[OP].values.astype(str)
    depths = _place_ops(ops, depth)
    observed = scores["score_mean"].transpose(OP, REGION).values
    peak = find_peaks(observed[None], depths)[0]
    drawn = find_peaks(draws.transpose("bootstrap", OP, REGION).values, depths)
    confidence = float(scores.attrs.get("confidence", 0.95))
    peak_depth = np.where(peak >= 0, depths[peak], np.nan)
    drawn_depth = np.where(drawn >= 0, depths[drawn], np.nan)
    low, high = percentile_interval(drawn_depth, confidence)
    order = order_depths(np.concatenate([peak_depth[None], drawn_depth]))
    hierarchy_low, hierarchy_high = percentile_interval(order[1:, None], confidence)
    return xr.Dataset(
        {
            "peak_op": (REGION, np.where(peak >= 0, ops[peak], "")),
            "peak_depth": (REGION, peak_depth),
            "peak_depth_low": (REGION, low),
            "peak_depth_high": (REGION, high),
            "hierarchy": order[0],
            "hierarchy_low": hierarchy_low[0],
            "hierarchy_high": hierarchy_high[0],
        },
        coords={REGION: scores[REGION].values},
        attrs={"confidence": confidence},
    )


def find_peaks(scores: np.ndarray, depths: np.ndarray) -> np.ndarray:
    """Return which op (draw, region) has the largest of ``scores`` (draw, op, region); -1 where none has a score.

    Ops whose depth is NaN are passed over.
    """
    known = ~np.isnan(scores) & ~np.isnan(depths)[:, None]
    return np.where(known.any(axis=1), np.where(known, scores, -np.inf).argmax(axis=1), -1)


def order_depths(depths: np.ndarray) -> np.ndarray:
    """Return Spearman's r (draw,) of the order of regions with ``depths`` (draw, region); NaN where undefined."""
    if depths.shape[1] < 3:
        return np.full(len(depths), np.nan)
    ranks = centre_rows(rank_rows(depths))
    places = centre_rows(np.arange(depths.shape[1], dtype=float)[None])
    scale = np.sqrt((ranks**2).sum(axis=1) * (places**2).sum())
    return (ranks * places).sum(axis=1) / np.where(scale > 0, scale, np.nan)


def _place_ops(ops: np.ndarray, depth: Mapping[str, float] | None) -> np.ndarray:
    """Return the depth of each op, NaN for those that ``depth`` does not name."""
    if depth is None:
        return np.linspace(0.0, 1.0, len(ops))
    unknown = [op for op in depth if op not in set(ops)]
    if unknown or not depth:
        raise LabelError(
            f"depth must map ops of scores to numbers, got {len(depth)} ops of which scores lack "
            f"{list_names(unknown)}. Keep only ops in scores.op.values."
        )
    if not np.isfinite(list(depth.values())).all():
        raise InputError("depth must map ops to finite numbers. Leave out ops that have no depth.")
    return np.array([depth.get(op, np.nan) for op in ops], dtype=float)
