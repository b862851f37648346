"""What stands along matrices: strips of category colors, names of categories, small pictures."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neurolens.errors import InputError, LabelError
from neurolens.labels import list_names
from neurolens.view.plots.canvas.panels import SMALL
from neurolens.view.plots.canvas.texts import LINE, POINTS, fit_text, measure_panel, measure_text
from neurolens.view.style import Theme

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# Light and dark: neighbors in the list are far apart in hue and lightness, so that runs of many
# categories, whose colors repeat, are still seen.
CATEGORY_COLORS = {
    "light": (
        "#3B6FB6", "#E2A33B", "#3A8F6A", "#C0504D", "#8FC1E3", "#6B4C9A",
        "#B5BD4C", "#8A5A3C", "#E39AC0", "#4D5866", "#7FCBB5", "#9C2F6F",
    ),
    "dark": (
        "#7FA9E6", "#F0C06A", "#66C79B", "#F08A84", "#3F7FB0", "#B296E6",
        "#D5DC7A", "#C08A64", "#F2B9D6", "#8F9BAB", "#3F9C84", "#D867A6",
    ),
}  # fmt: skip
# Widths in inches: of a strip, of a picture, and what stands between things.
STRIP = 0.05
GAP = 0.03
PICTURE = 0.2
LONGEST_NAME = 1.1
# Names take this share of the width of a figure at most.
LARGEST_SHARE = 0.2
# In pixels: a picture with the space around it, and without.
TILE = 64
INNER = 60


class Run(NamedTuple):
    """Stimuli of one category, ``first`` to ``last``, and the number of the category."""

    name: str
    number: int
    first: int
    last: int


def find_runs(categories: Sequence[str]) -> list[Run]:
    """Return runs of one category in stimuli that are ordered by it; none without categories."""
    if not any(categories):
        return []
    numbers = {name: i for i, name in enumerate(dict.fromkeys(categories))}
    runs = []
    for name, group in groupby(range(len(categories)), key=categories.__getitem__):
        members = list(group)
        runs.append(Run(name, numbers[name], members[0], members[-1]))
    return runs


def has_room(runs: Sequence[Run], n: int, height: float) -> bool:
    """Return whether the names of all runs fit one below the other beside ``n`` rows."""
    line = SMALL * LINE / POINTS
    middles = [(run.first + run.last) / 2 * height / n for run in runs]
    return bool(runs) and (len(runs) == 1 or float(np.diff(middles).min()) >= line)


def color_run(run: Run, theme: Theme) -> str:
    """Return the color of a category; colors repeat after twelve."""
    colors = CATEGORY_COLORS[theme.name]
    return colors[run.number % len(colors)]


def draw_strips(axis: "Axes", runs: Sequence[Run], n: int, theme: Theme) -> "dict[str, Artist]":
    """Draw strips of colors at the left of and below a matrix; return what stands for each name."""
    from matplotlib.patches import Rectangle

    width, height = measure_panel(axis)
    side = min(width, height) or 1.0
    start = -(GAP + STRIP) / side
    thick = STRIP / side
    handles: dict[str, Artist] = {}
    for run in runs:
        length = (run.last - run.first + 1) / n
        color = color_run(run, theme)
        left = Rectangle((start, 1 - (run.last + 1) / n), thick, length)
        below = Rectangle((run.first / n, start), length, thick)
        for patch in (left, below):
            patch.set(transform=axis.transAxes, clip_on=False, facecolor=color, linewidth=0)
            patch.set_gid("strip")
            axis.add_artist(patch)
        handles.setdefault(run.name, left)
    return handles


def write_names(axis: "Axes", runs: Sequence[Run], color: str, offset: float) -> float:
    """Write the names of categories at the left of a matrix; return how wide they are in inches."""
    texts = [fit_text(run.name, LONGEST_NAME) for run in runs]
    for run, text in zip(runs, texts, strict=True):
        axis.annotate(
            text,
            (0, (run.first + run.last) / 2),
            xytext=(-(offset + GAP) * POINTS, 0),
            xycoords=axis.get_yaxis_transform(),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=SMALL,
            color=color,
            annotation_clip=False,
        )
    return max(map(measure_text, texts)) + GAP


def read_images(images: Any, ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Return pictures (row, column, rgb) by stimulus, of a StimulusSet or a mapping of ids."""
    get = getattr(images, "get_thumbnail", None)
    if get is None and not isinstance(images, Mapping):
        raise InputError(
            "images must be a StimulusSet, or a mapping of stimulus id to picture, got "
            f"{type(images).__name__}. Pass the stimuli that load_stimuli returned."
        )
    known = set(images.ids if get is not None else images)
    missing = [name for name in ids if name not in known]
    if missing:
        raise LabelError(
            f"images lack the stimuli {list_names(missing)}. Pass the set that RDMs are of.",
            anchor="ids-differ",
        )
    pictures = {}
    for name in ids:
        picture = np.asarray(get(name) if get is not None else images[name])
        if picture.ndim not in (2, 3) or picture.dtype.kind not in "uif":
            raise InputError(
                f"the stimulus {name!r} is no picture, so it has no thumbnail. Leave out images=."
            )
        pictures[name] = picture
    return pictures


def choose_pictures(n: int, height: float) -> list[int]:
    """Return which of ``n`` stimuli have room for a picture, evenly spread, their middles first."""
    count = min(n, max(1, int(height / PICTURE)))
    return ((np.arange(count) + 0.5) * n / count - 0.5).round().astype(int).tolist()


def draw_pictures(axis: "Axes", pictures: Sequence[np.ndarray], offset: float) -> float:
    """Draw pictures one below the other at the left of a matrix; return how wide they are.

    They are one image, because every axes more makes the layout of a figure slower.
    """
    width, height = measure_panel(axis)
    side = min(width, height) or 1.0
    wide = min(PICTURE / side, 1 / len(pictures))
    place = axis.inset_axes((-(offset + GAP) / side - wide, 0, wide, 1))
    pixels = round(TILE / (wide * len(pictures)))
    column = np.zeros((pixels * len(pictures), TILE, 4), dtype=np.uint8)
    for i, picture in enumerate(pictures):
        start = i * pixels + (pixels - INNER) // 2
        inset = (TILE - INNER) // 2
        column[start : start + INNER, inset : inset + INNER] = _make_tile(picture)
    place.imshow(column, aspect="auto", interpolation="antialiased")
    place.set_axis_off()
    place.set_gid("pictures")
    return wide * side + GAP


def _make_tile(picture: np.ndarray) -> np.ndarray:
    """Return a picture as a square (INNER, INNER, rgba), its shape kept, the rest transparent."""
    from PIL import Image

    levels = picture
    if levels.dtype.kind == "f":
        levels = np.rint(255 * np.clip(levels, 0, 1))
    image = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8)).convert("RGBA")
    image.thumbnail((INNER, INNER))
    factor = INNER / max(image.size)
    image = image.resize([max(1, round(factor * one)) for one in image.size])
    tile = Image.new("RGBA", (INNER, INNER))
    tile.paste(image, ((INNER - image.width) // 2, (INNER - image.height) // 2))
    return np.asarray(tile)
