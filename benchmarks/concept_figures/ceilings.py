"""Noise ceilings of RDMs beside the scores of the true geometry, as noise grows."""

import numpy as np
import xarray as xr

import neurolens as nl
from concept_figures.canvas import BAND, BLUE, FAINT, GREEN, ORANGE, open_figure, save_figure

N_STIMULI = 24
N_SUBJECTS = 6
N_FEATURES = 30
N_RUNS = 40
NOISE = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


def stack_rdms(features: np.ndarray, dim: str) -> xr.DataArray:
    """Return the RDM of each (stimulus, feature) array along the first axis, named ``dim``."""
    ids = [f"s{i:02d}" for i in range(features.shape[1])]
    rdms = [
        nl.compute_rdms(xr.DataArray(one, dims=("stimulus", "feature"), coords={"stimulus": ids}))
        for one in features
    ]
    return xr.concat(rdms, xr.Variable(dim, [f"{dim} {i}" for i in range(len(rdms))]))


def simulate_scores(rng: np.random.Generator, noise: float) -> list[float]:
    """Return lower and upper ceiling, and the scores of the truth, of half of it and of the mean.

    Subjects are the true features with noise of this standard deviation beside a signal of 1.
    """
    truth = rng.normal(size=(N_STIMULI, N_FEATURES))
    other = rng.normal(size=truth.shape)
    half = np.concatenate([truth[:, :15], other[:, 15:]], axis=1)
    subjects = truth + noise * rng.normal(size=(N_SUBJECTS, *truth.shape))
    brain = stack_rdms(subjects, "subject")
    models = stack_rdms(np.stack([truth, half]), "op")
    mean = brain.mean("subject").expand_dims(op=["mean of subjects"])
    models = xr.concat([models, mean], "op")
    scores = nl.compare_rdms(models, brain, n_bootstrap=0, n_splits=0)
    bounds = [scores.ceiling_lower.item(), scores.ceiling_upper.item()]
    return bounds + scores.score_mean.values[:, 0].tolist()


def draw_ceilings() -> dict[str, float]:
    """Draw the figure, and return how many scores there are and exceed the upper ceiling."""
    rng = np.random.default_rng(0)
    runs = np.array([[simulate_scores(rng, noise) for _ in range(N_RUNS)] for noise in NOISE])
    above = int((runs[:, :, 2:] > runs[:, :, 1:2] + 1e-12).sum())
    lower, upper, truth, half, mean = runs.mean(axis=1).T
    figure, (axes,) = open_figure(6.2, 3.3, [1])
    axes.fill_between(NOISE, lower, upper, color=BAND, label="between lower and upper ceiling")
    axes.plot(NOISE, mean, "--", color=FAINT, label="mean RDM of these subjects")
    axes.plot(NOISE, truth, "o-", color=GREEN, markersize=4, label="the true geometry")
    axes.plot(NOISE, half, "o-", color=ORANGE, markersize=4, label="a model with half of it")
    axes.axhline(1, color=BLUE, linewidth=0.8, linestyle=":")
    axes.text(NOISE[-1], 1.02, "a perfect score, if there were no noise", color=BLUE, ha="right")
    axes.set_ylim(0, 1.1)
    axes.set_xlabel("noise of a subject, standard deviations of the signal")
    axes.set_ylabel("score (rho-a)")
    axes.set_title("Simulated: six subjects who share one geometry")
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.92))
    for i, noise in enumerate(NOISE):
        print(
            f"noise {noise}: lower {lower[i]:.2f}, upper {upper[i]:.2f}, truth {truth[i]:.2f}, "
            f"half {half[i]:.2f}, mean of subjects {mean[i]:.2f}"
        )
    save_figure(figure, "ceiling")
    return {"data sets": N_RUNS, "scores": runs[:, :, 2:].size, "above the upper ceiling": above}
