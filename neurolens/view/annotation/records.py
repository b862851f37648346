"""What scores say about each op: means, intervals, and the regions whose best op it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neurolens.view.annotation.outputs import OUTPUTS_NOTE
from neurolens.view.style import assign_region_colors, format_score

# The end of the color scale is a multiple of this.
SCALE_STEP = 0.05
# Scores whose q is above it are written in parentheses.
LEVEL = 0.05
MOST_NAMES = 6
Marks = dict[str, tuple[int, ...]]
Rows = dict[str, np.ndarray]


@dataclass(frozen=True)
class BestOps:
    """The best op of each region, as ``assign_regions`` found it.

    Attributes
    ----------
    chosen, ties : dict of op name to tuple of int
        The regions (by position) whose best op this is, or whose best op cannot be told apart from
        it.
    score, low, high, p : array (region,)
        Of the choice on stimuli that did not choose: score, interval, p of one above 0; NaN where
        unknown.
    doubtful : array (region,)
        Whether the choice is in doubt.
    notes : dict of str
        What best ops, those that cannot be told apart from them, and doubts are, in sentences.
    """

    chosen: Marks
    ties: Marks
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    doubtful: np.ndarray
    notes: dict[str, str]


@dataclass(frozen=True)
class Annotation:
    """Scores by op, ready to draw; every array has one entry per region.

    Attributes
    ----------
    regions : tuple of str
    means, lows, highs, qs : dict of op name to array
        Mean score, its interval, and q of its test; NaN where there is none.
    ceiling_lower, ceiling_upper : array
        NaN for a region without a noise ceiling.
    attrs : dict
        How the scores were made, as the Dataset of scores says it.
    top_ops : BestOps
    time_bin : str
        The time bin that the scores are of, ``""`` for scores without time.
    """

    regions: tuple[str, ...]
    means: Rows
    lows: Rows
    highs: Rows
    qs: Rows
    ceiling_lower: np.ndarray
    ceiling_upper: np.ndarray
    attrs: dict[str, Any]
    top_ops: BestOps
    time_bin: str = ""

    @property
    def best(self) -> Marks:
        """The regions (by position) whose best op each op is."""
        return self.top_ops.chosen

    @property
    def ties(self) -> Marks:
        """The regions (by position) whose best op cannot be told apart from each op."""
        return self.top_ops.ties

    @property
    def heldout(self) -> np.ndarray:
        """The score of each region's choice on stimuli that did not choose."""
        return self.top_ops.score

    @property
    def doubtful(self) -> np.ndarray:
        """Whether the best op of each region is in doubt."""
        return self.top_ops.doubtful

    @property
    def notes(self) -> dict[str, str]:
        """What best ops, ties and doubts are, in sentences."""
        found = dict(self.top_ops.notes)
        if OUTPUTS_NOTE in self.attrs:
            found[OUTPUTS_NOTE] = str(self.attrs[OUTPUTS_NOTE])
        return found

    @cached_property
    def colors(self) -> dict[str, str]:
        """One color per region; from the seventh on they repeat."""
        return assign_region_colors(self.regions)

    @property
    def has_ceiling(self) -> np.ndarray:
        """Which regions have a positive lower ceiling."""
        return self.ceiling_lower > 0

    @property
    def disagrees(self) -> np.ndarray:
        """Which regions have a lower ceiling of 0 or less: their subjects do not agree."""
        return self.ceiling_lower <= 0

    @cached_property
    def scale_end(self) -> float:
        """The raw score with the full color, the same for all regions; the scale begins at 0.

        It is the largest mean score or lower ceiling, rounded up to a multiple of `SCALE_STEP`;
        1 where nothing is above 0.
        """
        values = [self.ceiling_lower[np.isfinite(self.ceiling_lower)]]
        values += [row[np.isfinite(row)] for row in self.means.values()]
        largest = max((float(row.max()) for row in values if row.size), default=0.0)
        if largest <= 0:
            return 1.0
        # Rounding first keeps .35 / .05 from becoming 8 steps.
        return round(math.ceil(round(largest / SCALE_STEP, 9)) * SCALE_STEP, 9)

    @property
    def has_intervals(self) -> bool:
        """Whether any score has an interval."""
        return any(np.isfinite(row).any() for row in self.lows.values())

    @property
    def has_tests(self) -> bool:
        """Whether any score was tested."""
        return any(np.isfinite(row).any() for row in self.qs.values())

    def get_means(self, op: str) -> np.ndarray:
        """Return the mean score per region, NaN for an op without scores."""
        return self._get(self.means, op)

    def get_intervals(self, op: str) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper ends of the interval per region, NaN where there is none."""
        return self._get(self.lows, op), self._get(self.highs, op)

    def get_qs(self, op: str) -> np.ndarray:
        """Return q per region, NaN where there was no test."""
        return self._get(self.qs, op)

    def get_shares(self, op: str) -> np.ndarray:
        """Return the score as a share of the color scale per region, unclamped."""
        return self.get_means(op) / self.scale_end

    def describe_colors(self) -> str:
        """Return in a few words what the color of a cell stands for."""
        if not any(np.isfinite(row).any() for row in self.means.values()):
            return "no op has a score"
        words = f"score ({self.attrs['measure']})"
        if len(self.regions) > 1:
            words += ", one scale for all regions"
        marked = int(self.has_ceiling.sum())
        if marked:
            words += ", marked at " + (
                "the lower noise ceiling" if marked == 1 else "each lower noise ceiling"
            )
        return words

    def describe_gaps(self) -> list[str]:
        """Return sentences on regions without a ceiling and regions whose subjects disagree."""
        sentences = []
        lacking = self._name_regions(np.isnan(self.ceiling_lower))
        if lacking and not np.isnan(self.ceiling_lower).all():
            sentences.append(f"no lower noise ceiling: {lacking}")
        elif lacking:
            sentences.append("no region has a lower noise ceiling")
        disagreeing = self._name_regions(self.disagrees)
        if disagreeing:
            sentences.append(f"subjects do not agree (lower noise ceiling ≤ 0): {disagreeing}")
        return sentences

    def describe_ceiling(self, i: int) -> str:
        """Return the ceiling of region ``i`` as a number, or a range of two."""
        bounds = [self.ceiling_lower[i], self.ceiling_upper[i]]
        known = [format_score(bound) for bound in bounds if np.isfinite(bound)]
        return "–".join(dict.fromkeys(known)) or "none"

    def _get(self, rows: Rows, op: str) -> np.ndarray:
        return rows.get(op, np.full(len(self.regions), np.nan))

    def _name_regions(self, mask: Sequence[bool] | np.ndarray) -> str:
        pairs = zip(self.regions, mask, strict=True)
        names = [region for region, is_meant in pairs if is_meant]
        rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        return ", ".join(names[:MOST_NAMES]) + rest
