"""Colors of a map: which value has which, and where the scale ends."""

from typing import Any, NamedTuple

import numpy as np

from neurolens.errors import InputError
from neurolens.view.brain_maps.places import PlacedMap
from neurolens.view.style import Theme, format_score, read_hex

# Below 0 and above, for values that are no scores, such as differences: blue and orange, which stay
# apart for color-blind readers; the middle is near the gray of the brain's own shade.
DIVERGING = {
    "light": ("#1F5FA8", "#7FB0DC", "#F3F2EE", "#EFA85E", "#B4530A"),
    "dark": ("#8CC4FF", "#3C78B5", "#1E242C", "#B0641C", "#FFBE7A"),
}
N_TICKS = 5
MOST_NAMES = 12


class Scale(NamedTuple):
    """``ramp`` (color, rgb) from ``low`` to ``high``; ``names`` of the numbers 1, 2, ... of text.

    ``clips``: whether values lie below and above the ends.
    """

    ramp: np.ndarray
    low: float
    high: float
    names: list[str]
    label: str
    clips: tuple[bool, bool]

    def color(self, values: np.ndarray) -> np.ndarray:
        """Return the color (value, rgb) of each value, NaN where there is none."""
        colors = np.full((len(values), 3), np.nan)
        known = np.isfinite(values)
        shares = np.clip((values[known] - self.low) / (self.high - self.low), 0, 1)
        stops = np.linspace(0, 1, len(self.ramp))
        for channel in range(3):
            colors[known, channel] = np.interp(shares, stops, self.ramp[:, channel])
        return colors

    def list_ticks(self) -> tuple[list[float], list[str]]:
        """Return where ticks of the color bar stand, and what is written there."""
        if self.names:
            numbers = choose_ticks(len(self.names))
            return [float(k) for k in numbers], [self.names[k - 1] for k in numbers]
        places = np.linspace(self.low, self.high, N_TICKS).tolist()
        step = (self.high - self.low) / (N_TICKS - 1)
        digits = int(max(2, np.ceil(1 - np.log10(step)))) if step > 0 else 2
        texts = [format_score(place, digits) for place in places]
        if self.clips[0]:
            texts[0] = f"≤ {texts[0]}"
        if self.clips[1]:
            texts[-1] = f"≥ {texts[-1]}"
        return places, texts


def choose_ticks(n_names: int) -> list[int]:
    """Return which of the numbers 1 ... n are named beside the bar: all, or some evenly spread."""
    if n_names <= MOST_NAMES:
        return list(range(1, n_names + 1))
    step = -(-n_names // MOST_NAMES)
    ticks = list(range(n_names, step, -step))
    return [1, *reversed(ticks)]


def build_scale(placed: PlacedMap, theme: Theme, limits: Any = None) -> Scale:
    """Return the scale of a map.

    Scores begin at 0; values that are no scores and go below 0 get two colors, equally far to both
    sides. Text is colored in its order, evenly.

    Raises
    ------
    InputError
        ``limits`` are no two numbers that increase, or the map is of text.
    """
    values = np.concatenate([one.ravel() for one in placed.values.values()])
    values = values[np.isfinite(values)]
    if placed.names:
        if limits is not None:
            raise InputError("limits= are for numbers, and this map is of names. Leave them out.")
        last = float(max(len(placed.names), 2))
        return Scale(read_hex(theme.ramp), 1.0, last, placed.names, placed.label, (False, False))
    chosen = placed.limits or find_limits(values)
    if limits is not None:
        chosen = _read_limits(limits)
    is_signed = chosen[0] < 0 < chosen[1] and np.isclose(-chosen[0], chosen[1])
    ramp = read_hex(DIVERGING[theme.name] if is_signed else theme.ramp)
    clips = (bool((values < chosen[0]).any()), bool((values > chosen[1]).any()))
    return Scale(ramp, *chosen, [], placed.label, clips)


def find_limits(values: np.ndarray) -> tuple[float, float]:
    """Return where the scale of values ends: from 0, or equally far to both sides of 0."""
    low = float(values.min())
    high = float(values.max())
    if low >= 0:
        return 0.0, high or 1.0
    reach = max(-low, high)
    return -reach, reach


def _read_limits(limits: Any) -> tuple[float, float]:
    try:
        low, high = (float(one) for one in limits)
    except (TypeError, ValueError):
        low = high = float("nan")
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(f"limits must be two numbers that increase, such as (0, .5), got {limits}")
    return low, high
