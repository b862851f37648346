"""RDMs, brains, controls and stimuli that fit the graphs and scores of ``graphs.py``."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import xarray as xr

CARD = {"title": "Planted <data>", "citation": "Nobody & co (2024)", "licence": "CC0"}


def label_stimuli(n: int) -> list[str]:
    """Return ids of ``n`` stimuli."""
    return [f"s{i}" for i in range(n)]


def fake_rdms(names, rng, n: int = 6) -> xr.DataArray:
    """Return RDMs of ops for ``n`` stimuli, with a category of each."""
    ids = label_stimuli(n)
    values = rng.random((len(names), n, n))
    values = values + values.transpose(0, 2, 1)
    values[:, range(n), range(n)] = 0
    coords = {
        "op": list(names),
        "stimulus": ids,
        "stimulus_2": ids,
        "category": ("stimulus", ["face", "house"] * (n // 2) + ["face"] * (n % 2)),
    }
    return xr.DataArray(values, coords, ("op", "stimulus", "stimulus_2"))


def fake_brain(regions, rng, n: int = 6, subjects: int = 2) -> SimpleNamespace:
    """Return a data set with RDMs and a card, without stimuli."""
    ids = label_stimuli(n)
    values = rng.random((len(regions), subjects, n, n))
    values = values + values.transpose(0, 1, 3, 2)
    coords = {
        "region": list(regions),
        "subject": [f"p{i}" for i in range(subjects)],
        "stimulus": ids,
        "stimulus_2": ids,
    }
    rdms = xr.DataArray(values, coords, tuple(coords))
    return SimpleNamespace(rdms=rdms, responses=None, card=CARD, stimuli=None)


def add_contrasts(best: xr.Dataset, labels: Sequence[str] = ("control",)) -> xr.Dataset:
    """Return best ops with p values, depths, and tests against controls."""
    held_out = best.heldout_mean.values
    regions = len(held_out)
    control = np.outer(np.linspace(0.3, 0.6, len(labels)), held_out)  # (control, region)
    difference = held_out - control
    values = {
        "heldout_p": ("region", np.full(regions, 0.004)),
        "margin": ("region", np.full(regions, 0.012)),
        "peak_depth": ("region", np.linspace(0.2, 0.9, regions)),
        "peak_depth_low": ("region", np.linspace(0.1, 0.8, regions)),
        "peak_depth_high": ("region", np.linspace(0.3, 1.0, regions)),
        "hierarchy": 1.0 if regions > 2 else np.nan,
        "hierarchy_low": 0.8 if regions > 2 else np.nan,
        "hierarchy_high": 1.0 if regions > 2 else np.nan,
        "hierarchy_p": 0.0417 if regions > 2 else np.nan,
        "control_score": (("control", "region"), control),
        "control_difference": (("control", "region"), difference),
        "control_difference_ci_low": (("control", "region"), difference - 0.05),
        "control_difference_ci_high": (("control", "region"), difference + 0.05),
        "control_difference_p": (("control", "region"), np.full(control.shape, 0.0123)),
    }
    attrs = {"interval_level": 0.95, "interval_over": "stimuli and subjects", "n_splits": 20}
    best = best.assign(values).assign_attrs(attrs)
    return best.assign_coords(control=list(labels))
