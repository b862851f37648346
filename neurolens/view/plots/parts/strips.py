"""What stands under the axis of a profile: peaks, ties and significance, in rows of thin bars."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from neurolens.labels import OP, REGION
from neurolens.view.plots.canvas.panels import find_figure
from neurolens.view.plots.canvas.texts import POINTS
from neurolens.view.plots.parts.curves import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import LineCollection

# In points: from row to row, of the first below the axis, and how high bars are.
ROW = 4.5
FIRST = 3.5
HEIGHT = 2.6
ALPHA = 0.05


class Strip(NamedTuple):
    """A row of bars: the ``name`` of what they say, ``spans`` (start, end) per region, in ops."""

    name: str
    spans: dict[str, list[tuple[float, float]]]
    is_thin: bool = False
    color: str = ""


def find_strips(curves: Sequence[Curve], colors: Sequence[str], ink: str) -> list[Strip]:
    """Return the rows that hold anything; of several models only what is significant."""
    if len(curves) > 1:
        strips = []
        for curve, color in zip(curves, colors, strict=True):
            tested = _find_significant(curve, color)
            strips.append(tested._replace(name=f"{tested.name}, {curve.label}"))
        return [strip for strip in strips if any(strip.spans.values())]
    curve = curves[0]
    found = [_find_peaks(curve), _find_ties(curve), _find_significant(curve, ink)]
    return [strip for strip in found if any(strip.spans.values())]


def _find_peaks(curve: Curve) -> Strip:
    """Return the interval of the depth of each region's peak, where it is in positions of ops."""
    spans: dict[str, list[tuple[float, float]]] = {}
    last = curve.scores.sizes[OP] - 1
    if curve.best is None or "peak_depth_low" not in curve.best or not _counts_ops(curve):
        return Strip("", spans)
    for region in map(str, curve.best[REGION].values):
        one = curve.best.sel({REGION: region})
        ends = (float(one["peak_depth_low"]) * last, float(one["peak_depth_high"]) * last)
        spans[region] = [ends] if np.isfinite(ends).all() else []
    level = float(curve.best.attrs.get("interval_level", np.nan))
    name = f"{100 * level:g} % interval" if np.isfinite(level) else "interval"
    return Strip(f"depth of the best op, {name}", spans, is_thin=True)


def _counts_ops(curve: Curve) -> bool:
    """Return whether ``peak_depth`` is the position of the largest score from 0 to 1.

    Users can give depths of another unit, and draw ops in another order.
    """
    assert curve.best is not None
    mean = curve.scores["score_mean"].transpose(REGION, OP).values
    depth = curve.best["peak_depth"].values.astype(float)
    known = np.isfinite(depth) & ~np.isnan(mean).all(axis=1)
    if not curve.in_order or not known.any():
        return False
    places = np.rint(depth[known] * (mean.shape[1] - 1)).astype(int)
    if (places < 0).any() or (places >= mean.shape[1]).any():
        return False
    largest = np.nanmax(mean[known], axis=1)
    return bool(np.allclose(mean[known, places], largest))


def _find_ties(curve: Curve) -> Strip:
    spans: dict[str, list[tuple[float, float]]] = {}
    if curve.best is not None and np.isfinite(_get_margins(curve)).any():
        tied = curve.best["indistinguishable"].sel({OP: curve.ops}).transpose(REGION, OP)
        margins = _get_margins(curve)
        for region, row, margin in zip(tied[REGION].values, tied.values, margins, strict=True):
            spans[str(region)] = list_spans(row.astype(bool)) if np.isfinite(margin) else []
    return Strip("not told apart from the best op", spans)


def _get_margins(curve: Curve) -> np.ndarray:
    """Return the margin of each region, NaN where nothing could be told apart."""
    assert curve.best is not None
    if "margin" not in curve.best:
        return np.zeros(curve.best.sizes[REGION])
    return curve.best["margin"].values.astype(float)


def _find_significant(curve: Curve, color: str) -> Strip:
    spans: dict[str, list[tuple[float, float]]] = {}
    if "q" in curve.scores:
        q = curve.scores["q"].transpose(REGION, OP)
        for region, row in zip(q[REGION].values, q.values, strict=True):
            spans[str(region)] = list_spans(row <= ALPHA)
    return Strip("q ≤ .05", spans, color=color)


def list_spans(inside: np.ndarray) -> list[tuple[float, float]]:
    """Return where runs of True start and end, half an op around them.

    Examples
    --------
    >>> list_spans(np.array([True, True, False, True]))
    [(-0.5, 1.5), (2.5, 3.5)]
    """
    steps = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    return [(float(a) - 0.5, float(b) - 0.5) for a, b in zip(steps[::2], steps[1::2], strict=True)]


def draw_strip(
    axis: "Axes", spans: Sequence[tuple[float, float]], row: int, color: str, *, is_thin: bool
) -> "LineCollection":
    """Draw bars below the axis, in data units along x; ``row`` 0 is the upper one."""
    from matplotlib.collections import LineCollection
    from matplotlib.transforms import ScaledTranslation

    below = -(FIRST + ROW * row) / POINTS
    shift = ScaledTranslation(0, below, find_figure(axis).dpi_scale_trans)
    lines = LineCollection(
        [[(start, 0.0), (end, 0.0)] for start, end in spans],
        colors=color,
        linewidths=0.9 if is_thin else HEIGHT,
        capstyle="round" if is_thin else "butt",
        transform=axis.get_xaxis_transform() + shift,
        clip_on=False,
        zorder=3,
    )
    axis.add_collection(lines, autolim=False)
    return lines


def measure_strips(n_rows: int) -> float:
    """Return how far below the axis labels must stand, in points."""
    return FIRST + ROW * n_rows if n_rows else 3.0
