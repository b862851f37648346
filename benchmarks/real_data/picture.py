"""The picture of docs/real_data.md, from the numbers that the studies measure."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def draw_figures(rsa: dict, voxels: dict, distances: dict, path: Path) -> None:
    """Draw the results of ``measure_rsa``, ``measure_encoding`` and ``measure_crossnobis``."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    draw_comparators(left, {name: row["IT"] for name, row in rsa.items()})
    middle.scatter(voxels["share"], voxels["r"], s=6, color="#3b6ea5", linewidths=0)
    grid = np.linspace(0, 1, 100)
    middle.plot(grid, np.sqrt(grid), color="#222222", label="bound of r: root of the ceiling")
    middle.axvline(
        voxels["explainable"], color="#999999", linewidth=0.8, label="explainable from here"
    )
    middle.set(
        xlabel="noise ceiling of the mean response (variance)",
        ylabel="r from pixels, sets held out",
    )
    middle.set_title(
        f"{len(voxels['r'])} voxels: what noise allows, what pixels predict", fontsize=10
    )
    middle.set_ylim(-1.0, 1.05)
    middle.legend(frameon=False, fontsize=8, loc="lower right")
    for k, found in enumerate(distances.values()):
        for values, colour, shift in zip(found, ("#c8431b", "#3b6ea5"), (-0.18, 0.18), strict=True):
            label = (
                ("28 pairs of categories", "mean of pairs, labels shuffled")[shift > 0]
                if k == 0
                else None
            )
            spots = k + shift + np.linspace(-0.1, 0.1, len(values))
            right.scatter(spots, values, s=8, color=colour, linewidths=0, label=label)
    right.axhline(0, color="#222222", linewidth=0.8)
    right.set_xticks(range(len(distances)), [name.replace("-per", "\nper") for name in distances])
    right.set(ylabel="crossnobis distance", ylim=(None, right.get_ylim()[1] * 1.2))
    right.set_title("Crossnobis by how noise is measured", fontsize=10)
    right.legend(frameon=False, fontsize=8, loc="upper left")
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def draw_shapes(found: dict, path: Path) -> None:
    """Draw the results of ``measure_shapes``."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    colours = {"monkey1": "#c8431b", "monkey2": "#3b6ea5"}
    for monkey, colour in colours.items():
        curves = {
            left: [
                [one[monkey].score.values for one in found["rsa"][kind]]
                for kind in ("trained", "random")
            ],
            middle: [
                [one[monkey].mean("neuroid").values for one in found["encoding"][kind]]
                for kind in ("trained", "random")
            ],
        }
        for axes, (trained, control) in curves.items():
            depth = np.linspace(0, 1, len(trained[0]))
            axes.plot(depth, trained[0], color=colour, label=f"{monkey}, trained")
            axes.fill_between(
                depth,
                np.min(control, axis=0),
                np.max(control, axis=0),
                color=colour,
                alpha=0.25,
                linewidth=0,
                label=f"{monkey}, random weights",
            )
    pixels = found["encoding"]["pixels"][0]
    for monkey, colour in colours.items():
        level = pixels[monkey].mean().item()
        middle.axhline(level, color=colour, linestyle=":", linewidth=1, label=f"{monkey}, pixels")
        values = []
        for kind in ("trained", "random"):
            rows = [one[monkey].values for one in found["encoding"][kind]]
            values.append(np.mean([np.array_split(r, 3)[-1].mean(axis=0) for r in rows], axis=0))
        right.scatter(values[1], values[0], s=12, color=colour, linewidths=0, label=monkey)
    right.plot([-0.4, 0.9], [-0.4, 0.9], color="#999999", linewidth=0.8)
    left.set(xlabel="place along the network", ylabel="rho-a with the monkey's RDM", ylim=(0, None))
    left.set_title("RDMs of 64 shapes", fontsize=10)
    middle.set(xlabel="place along the network", ylabel="r, mean over neurons", ylim=(0, None))
    middle.set_title("Prediction of neurons, numbers held out", fontsize=10)
    right.set(xlabel="r, random weights", ylabel="r, trained", aspect="equal")
    right.set_title("Each neuron: last third of the network", fontsize=10)
    for axes in (left, middle, right):
        axes.legend(frameon=False, fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def draw_comparators(axes: Axes, rows: dict) -> None:
    """Draw, for human IT, the result of each comparator on halves of the stimuli.

    Results for random weights and the ceilings are drawn beside it.
    """
    names = list(rows)
    for k, name in enumerate(names):
        low, high = map(float, rows[name]["noise ceiling of halves"].split(" to "))
        axes.barh(
            k,
            high - low,
            left=low,
            height=0.5,
            color="#dddddd",
            label=None if k else "noise ceiling",
        )
    columns = {
        "held out": ("held out", "#c8431b"),
        "random weights, held out": ("random weights, held out", "#777777"),
    }
    for column, (label, colour) in columns.items():
        axes.scatter(
            [rows[name][column] for name in names],
            range(len(names)),
            s=25,
            color=colour,
            label=label,
        )
    values = [rows[name]["naive"] for name in names]
    axes.scatter(
        values,
        range(len(names)),
        s=70,
        facecolors="none",
        edgecolors="#c8431b",
        label="naive, biased",
    )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set(xlabel="score on half of the stimuli, human IT", xlim=(0, 1))
    axes.set_title("Best op of SqueezeNet, chosen and held out", fontsize=10)
    axes.legend(frameon=False, fontsize=8, loc="lower left")
