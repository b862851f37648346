"""docs/images/scaling.svg: time and memory of each study against its sizes, in panels."""

import statistics
from collections.abc import Callable
from pathlib import Path

import matplotlib
from concept_figures.canvas import FAINT, GRID, SETTINGS
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from scaling_studies.files import Results
from scaling_studies.study import Measured

SLOPES = (1, 2, 3)
# Two strokes of ten colors tell up to twenty lines apart.
COLORS = plt.get_cmap("tab10").colors
STROKES = ("-", (0, (4, 1.5)))
Values = Callable[[Measured], list[float]]


def list_seconds(found: Measured) -> list[float]:
    return [statistics.median(found.seconds[size]) for size in found.sizes]


def list_peaks(found: Measured) -> list[float]:
    return [statistics.median(found.peaks[size]) for size in found.memory_sizes]


def draw_slopes(axes: Axes, most_sizes: float, most_values: float) -> None:
    """Draw lines of slope 1, 2 and 3 through the smallest size, as far as the data reach."""
    for slope in SLOPES:
        end = min(most_sizes, most_values ** (1 / slope))
        axes.plot([1, end], [1, end**slope], ls=(0, (1, 2)), lw=1, color=FAINT, zorder=1)
        if end > 1:
            axes.annotate(
                str(slope), (end, end**slope), (2, 2), textcoords="offset points",
                color=FAINT, fontsize=7,
            )  # fmt: skip


def draw_panel(axes: Axes, results: Results, read: Values, is_memory: bool) -> None:
    """Draw a line per study; a study keeps its color and stroke in both rows."""
    most_sizes = most_values = 1.0
    for number, (study, found) in enumerate(results):
        sizes = found.memory_sizes if is_memory else found.sizes
        values = read(found)
        if not values:
            continue
        x = [size / sizes[0] for size in sizes]
        y = [value / values[0] for value in values]
        most_sizes, most_values = max(most_sizes, *x), max(most_values, *y)
        stroke = STROKES[number // len(COLORS) % len(STROKES)]
        color = COLORS[number % len(COLORS)]
        axes.plot(x, y, "o", ls=stroke, ms=2.5, lw=1.2, color=color, label=study.name)
    draw_slopes(axes, most_sizes, most_values)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        # Some panels reach over less than a power of ten.
        axis.set_major_locator(LogLocator(subs=(1, 3), numticks=9))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(NullLocator())
    axes.grid(color=GRID, lw=0.6)
    axes.tick_params(labelsize=7)


def draw_picture(results: Results, path: Path) -> None:
    """Write the picture as SVG whose bytes follow from the measurements."""
    matplotlib.use("Agg")
    kinds = list(dict.fromkeys(study.against for study, _ in results))
    with plt.rc_context(SETTINGS):
        figure, rows = plt.subplots(
            3, len(kinds), figsize=(2.3 * len(kinds), 6.2), height_ratios=(1, 1, 0.75),
            layout="constrained", squeeze=False,
        )  # fmt: skip
        for column, against in enumerate(kinds):
            part = [(study, found) for study, found in results if study.against == against]
            draw_panel(rows[0, column], part, list_seconds, is_memory=False)
            draw_panel(rows[1, column], part, list_peaks, is_memory=True)
            rows[0, column].set_title(against)
            rows[1, column].set_xlabel(f"{against} / fewest")
            rows[2, column].axis("off")
            handles, labels = rows[0, column].get_legend_handles_labels()
            rows[2, column].legend(
                handles, labels, loc="upper left", fontsize=6.5, borderaxespad=0, handlelength=1.6
            )
        rows[0, 0].set_ylabel("time / that of the fewest")
        rows[1, 0].set_ylabel("peak memory / that of the fewest")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None, "Creator": None})
        plt.close(figure)
    # Matplotlib ends some lines with blanks.
    text = "\n".join(line.rstrip() for line in path.read_text().splitlines())
    path.write_text(text + "\n")
