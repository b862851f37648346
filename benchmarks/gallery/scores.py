"""Scores of the gallery's networks against the brain regions of Kriegeskorte et al. (2008)."""

from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

import neurolens as nl

REGIONS = ["IT", "EVA"]
N_BOOTSTRAP = 500
BUDGET = "4GiB"


class Results(NamedTuple):
    """Scores of a network's ops, and the best ops."""

    scores: xr.Dataset
    best: xr.Dataset


def load_brain() -> Any:
    """Return the data set of 92 photographs, its RDMs of the regions that are shown."""
    return nl.load_dataset("kriegeskorte2008", quiet=True)


def score_network(model: Any, transform: Any, brain: Any, cache: Path) -> Results:
    """Return the scores of every op; files of ``cache``, a folder and a name, keep them."""
    kept = cache.with_name(f"{cache.name}_scores.nc")
    if kept.exists():
        scores = xr.load_dataset(kept, engine="h5netcdf")
        return Results(scores, nl.assign_regions(scores))
    stimuli = brain.stimuli.use_transform(transform)
    grams = nl.extract_grams(model, stimuli, memory=BUDGET, quiet=True)
    rdms = nl.compute_rdms(grams.isel(op=(grams.n_features > 1).values), metric="correlation")
    target = brain.rdms.sel(region=REGIONS).dropna("subject", how="all")
    scores = nl.compare_rdms(rdms, target, n_bootstrap=N_BOOTSTRAP, rng=0)
    kept.parent.mkdir(parents=True, exist_ok=True)
    scores.to_netcdf(kept, engine="h5netcdf")
    return Results(scores, nl.assign_regions(scores))
