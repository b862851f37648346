"""What stands around panels: headers above each, one legend, one caption."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from neurolens.view.plots.canvas.panels import SMALL, Canvas
from neurolens.view.plots.canvas.texts import (
    LINE,
    POINTS,
    fit_text,
    measure_panel,
    measure_text,
    wrap_text,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# What a legend needs beside each of its texts, in inches.
HANDLE = 0.42
MARGIN = 0.15
TITLE = 9
LEGEND_ROW = 0.15


def write_header(
    canvas: Canvas,
    axis: "Axes",
    title: str,
    notes: Sequence[str] = (),
    color: str = "",
    lift: float = 0.0,
) -> None:
    """Write a title above a panel, and small lines of notes between both, ``lift`` points up.

    All are cut to the width of the panel.
    """
    room = measure_panel(axis)[0]
    pad = lift + 4 + len(notes) * LINE * SMALL
    axis.set_title(
        fit_text(title, room, TITLE, bold=True),
        loc="left",
        pad=pad,
        fontsize=TITLE,
        fontweight="bold",
        color=color or canvas.theme.ink,
    )
    for i, note in enumerate(notes):
        axis.annotate(
            fit_text(note, room),
            (0, 1),
            xytext=(0, lift + 3 + (len(notes) - 1 - i) * LINE * SMALL),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="left",
            va="bottom",
            fontsize=SMALL,
            color=canvas.theme.soft,
            annotation_clip=False,
        )


def place_legend(canvas: Canvas, entries: "Mapping[str, Artist]") -> None:
    """Name what is drawn: above all panels of an own figure, in the first panel otherwise."""
    if not entries:
        return
    if not canvas.is_own:
        canvas.panels[0].legend(list(entries.values()), list(entries), fontsize=SMALL)
        return
    room = canvas.figure.get_figwidth() - MARGIN
    names = [fit_text(name, room - HANDLE) for name in entries]
    n_columns = len(names)
    while n_columns > 1 and _measure_columns(names, n_columns) > room:
        n_columns -= 1
    _add_height(canvas, LEGEND_ROW * -(-len(names) // n_columns))
    canvas.figure.legend(
        list(entries.values()),
        names,
        loc="outside upper left",
        ncols=n_columns,
        columnspacing=1.2,
        handletextpad=0.5,
        borderaxespad=0.1,
    )


def _add_height(canvas: Canvas, inches: float) -> None:
    """Make a new figure higher, so that what stands around panels does not make these lower."""
    canvas.figure.set_figheight(canvas.figure.get_figheight() + inches)


def _measure_columns(names: Sequence[str], n_columns: int) -> float:
    """Return the width of a legend in inches; its first columns may have one name more."""
    n_rows, n_longer = divmod(len(names), n_columns)
    total = 0.0
    start = 0
    for i in range(n_columns):
        end = start + n_rows + (i < n_longer)
        total += max(map(measure_text, names[start:end])) + HANDLE
        start = end
    return total


def write_caption(canvas: Canvas, lines: Sequence[str]) -> None:
    """Write lines below the panels of an own figure, wrapped to its width."""
    if not canvas.is_own:
        return
    room = canvas.figure.get_figwidth() - MARGIN
    wrapped = [part for line in lines if line for part in wrap_text(line, room)]
    _add_height(canvas, SMALL * LINE / POINTS * len(wrapped))
    canvas.figure.supxlabel(
        "\n".join(wrapped), x=0.01, ha="left", fontsize=SMALL, color=canvas.theme.soft
    )
