"""Low reliability: noise ceilings of neuroids, and scores divided by them.

A perfect model has the one feature that every neuroid follows, so that what it lacks is noise:
100 stimuli shown twice, 300 neuroids whose mean over repeats can be explained to a share NC, or
half of them to that share and the others to nothing. ``score_normalised`` should be 1, and is
missing, with a warning, where neuroids do not show that there is anything to explain. By R^2 it is
less where little can be explained: the size of each weight is learned from 80 noisy stimuli, and
what that costs is not the fault of the ceiling (the .7 was set after pilot runs). For r^2 and its
ceiling, 200 stimuli are shown three times and the true responses are known.
"""

from functools import partial

import numpy as np
import xarray as xr

from neurolens.compare import compute_ncsnr, compute_split_half, fit_encoding
from simulations.table import Row, judge_mean, repeat

SHARES = (0.1, 0.2, 0.4, 0.8)
N_SHOWN = 100
N_REPEATS = 2
N_NEUROIDS = 300
# R^2 loses what it costs to learn a weight from 80 noisy stimuli; r does not see its size.
LEAST = {"r": 0.97, "r2": 0.7}


def run_normalised(rng: np.random.Generator, share: float, half: bool) -> dict[str, float]:
    """Return the normalised scores of the feature that all neuroids follow."""
    feature = rng.normal(size=(N_SHOWN, 1))
    # NC = s^2 / (s^2 + 1 / repeats)
    strength = np.full(N_NEUROIDS, np.sqrt(share / (1 - share) / N_REPEATS))
    if half:
        strength[::2] = 0
    signal = feature * strength
    values = np.concatenate([signal + rng.normal(size=signal.shape) for _ in range(N_REPEATS)])
    ids = np.tile([f"s{i}" for i in range(N_SHOWN)], N_REPEATS)
    responses = xr.DataArray(
        values,
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", ids),
            "neuroid_id": ("neuroid", np.arange(N_NEUROIDS)),
        },
    )
    features = xr.DataArray(
        feature, dims=("stimulus", "feature"), coords={"stimulus": ids[:N_SHOWN]}
    )
    ncsnr = compute_ncsnr(responses)
    found = {}
    for metric in ("r", "r2"):
        scores = fit_encoding(
            features, responses, ceiling=ncsnr, metric=metric, n_splits=0, rng=rng
        )
        found[metric] = scores.score_normalised[0, 0, 0]
    return found


def run_ceilings(rng: np.random.Generator) -> dict[str, float]:
    """Return the mean r^2 of true with measured responses over the mean of their ceilings.

    Measured responses are means of three presentations.
    """
    n, repeats, v = 200, 3, 40
    signal = rng.uniform(0.5, 1.5, v) * rng.normal(size=(n, v))
    shown = np.repeat(np.arange(n), repeats)
    responses = xr.DataArray(
        signal[shown] + rng.normal(size=(len(shown), v)),
        dims=("presentation", "neuroid"),
        coords={"stimulus_id": ("presentation", shown)},
    )
    means = responses.values.reshape(n, repeats, v).mean(axis=1)
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(signal.T, means.T, strict=True)]
    ncsnr = compute_ncsnr(responses)
    ceilings = {
        "split half": compute_split_half(responses, n_splits=20),
        "ncsnr": ncsnr**2 / (ncsnr**2 + 1 / repeats),
    }
    return {name: np.mean(np.square(r)) / ceiling.mean() for name, ceiling in ceilings.items()}


def list_rows(times: int) -> list[Row]:
    """Return the rows on noise ceilings of neuroids."""
    rows = []
    for k, share in enumerate(SHARES):
        for half in (False, True):
            run = partial(run_normalised, share=share, half=half)
            who = "half of the neuroids" if half else "all neuroids"
            for metric, values in repeat(run, times // 5, 60 + k).items():
                name = f"normalised {metric} of a perfect model, NC {share} of {who}"
                known = np.isfinite(values)
                if not known.all():
                    name += f"; none, with a warning, in {1 - known.mean():.1%} of runs"
                rows.append(judge_mean(name, values[known], LEAST[metric], 1.03))
    for name, values in repeat(run_ceilings, times // 5, 7).items():
        rows.append(judge_mean(f"r^2 of the truth over its ceiling: {name}", values, 0.98, 1.02))
    return rows
