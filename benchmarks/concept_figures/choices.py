"""The largest of many scores where no operation is related to the brain, and its held-out score."""

import numpy as np
import xarray as xr

import neurolens as nl
from concept_figures.canvas import BLUE, FAINT, ORANGE, open_figure, save_figure
from concept_figures.ceilings import stack_rdms

N_OPS = (1, 3, 10, 30, 100, 175)
N_STIMULI = 24
N_SUBJECTS = 4
N_FEATURES = 20
N_RUNS = 400


def simulate_choice(rng: np.random.Generator, n_ops: int, seed: int) -> list[float]:
    """Return the best score, that on the half that chose it, and that on the other half."""
    brain = stack_rdms(rng.normal(size=(N_SUBJECTS, N_STIMULI, N_FEATURES)), "subject")
    centered = rng.normal(size=(n_ops, N_STIMULI, N_FEATURES))
    # compute_rdms of all ops at once: a Gram each.
    grams = xr.Dataset(
        {
            "gram": (("op", "stimulus", "stimulus_2"), centered @ centered.transpose(0, 2, 1)),
            "row_sum": (("op", "stimulus"), centered.sum(axis=2)),
            "n_features": (("op",), np.full(n_ops, N_FEATURES)),
        },
        coords={
            "op": [f"op{i}" for i in range(n_ops)],
            "stimulus": brain.stimulus.values,
            "stimulus_2": brain.stimulus.values,
        },
    )
    scores = nl.compare_rdms(nl.compute_rdms(grams), brain, n_bootstrap=0, n_splits=10, rng=seed)
    best = nl.assign_regions(scores)
    return [best[name].item() for name in ("naive_score", "selection_score", "heldout_mean")]


def draw_choices() -> dict[str, float]:
    """Draw the figure, and return the mean scores of the best of 175 operations."""
    rng = np.random.default_rng(0)
    runs = np.array([[simulate_choice(rng, n, seed) for seed in range(N_RUNS)] for n in N_OPS])
    means = runs.mean(axis=1)
    errors = 2 * runs.std(axis=1, ddof=1) / np.sqrt(N_RUNS)
    figure, (axes,) = open_figure(6.2, 3.1, [1])
    axes.axhline(0, color=FAINT, linewidth=0.8)
    for i, (label, color, style) in enumerate(
        [
            ("largest score on all stimuli", ORANGE, "o-"),
            ("on the half of the stimuli that chose", ORANGE, "o:"),
            ("on the other half: held out", BLUE, "o-"),
        ]
    ):
        axes.errorbar(
            N_OPS, means[:, i], errors[:, i], fmt=style, color=color, markersize=4, capsize=2,
            label=label,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(N_OPS, [str(n) for n in N_OPS])
    axes.minorticks_off()
    axes.set_xlabel("number of operations to choose from, none of them related to the brain")
    axes.set_ylabel("score (rho-a), truth 0")
    axes.set_title("Simulated: the best of many is too good")
    axes.set_ylim(-0.03, 0.25)
    axes.legend(loc="upper left")
    for n, row, error in zip(N_OPS, means, errors, strict=True):
        print(
            f"{n:4} ops: all {row[0]:.3f} ± {error[0]:.3f}, choosing half {row[1]:.3f} ± "
            f"{error[1]:.3f}, held out {row[2]:.3f} ± {error[2]:.3f}"
        )
    save_figure(figure, "honest_choice")
    return {
        "data sets": N_RUNS,
        "largest of 175": float(means[-1, 0]),
        "held out of 175": float(means[-1, 2]),
        "two standard errors of that": float(errors[-1, 2]),
    }
