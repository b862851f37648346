"""Figures on a white ground, as SVG whose bytes follow from what is drawn."""

from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images" / "concepts"
INK = "#20242c"
FAINT = "#8a919e"
GRID = "#e3e6eb"
BLUE = "#1f5fbf"
ORANGE = "#c8571b"
GREEN = "#2b7a4b"
BAND = "#cfd6e3"
SETTINGS = {
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "font.size": 9,
    # It comes with matplotlib, so that text has the same outlines on every machine.
    "font.family": "DejaVu Sans",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "neurolens",
    "svg.fonttype": "path",
}


def open_figure(width: float, height: float, widths: list[float]) -> tuple[Figure, list[Axes]]:
    """Return a figure of a row of panels with these relative widths; sizes in inches."""
    matplotlib.use("Agg")
    plt.rcParams.update(SETTINGS)
    figure, axes = plt.subplots(
        1,
        len(widths),
        figsize=(width, height),
        width_ratios=widths,
        layout="constrained",
        squeeze=False,
    )
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08, wspace=0.06)
    return figure, list(axes[0])


def save_figure(figure: Figure, name: str) -> None:
    """Write docs/images/concepts/NAME.svg."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    # Matplotlib ends some lines with blanks.
    text = "\n".join(line.rstrip() for line in path.read_text().splitlines())
    path.write_text(text + "\n")
