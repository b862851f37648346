"""From scores per neuroid to scores per region and subject, beside their ceilings."""

import warnings

import numpy as np
import xarray as xr

from neurolens.compare.accuracy import SCORES
from neurolens.compare.sources import Targets
from neurolens.labels import NEUROID, OP, REGION, SUBJECT, list_names


def gather_scores(
    ops: list[str], targets: Targets, found: dict[str, np.ndarray], metric: str, explainable: np.ndarray | None
) -> xr.Dataset:
    """Return means over folds of ``found`` (op, fold, neuroid), and over the neuroids of each region and subject.

    ``explainable`` (neuroid,) is the share of variance that a perfect model would explain; NaN where there is none.
    """
    by_subject, by_neuroid = (OP, REGION, SUBJECT), (OP, NEUROID)
    mean = {name: found[name].mean(axis=1) for name in SCORES}
    score = pool_neuroids(mean[metric], targets)
    count = np.zeros(score.shape[1:], dtype=int)
    for place, group in targets.groups.items():
        count[place] = targets.usable[group].sum()
    result = xr.Dataset(
        {
            "score": (by_subject, score),
            "ci_low": (by_subject, np.full(score.shape, np.nan)),
            "ci_high": (by_subject, np.full(score.shape, np.nan)),
            "score_mean": ((OP, REGION), mean_known(score)),
            "ceiling_lower": (REGION, np.full(len(targets.regions), np.nan)),
            "ceiling_upper": (REGION, np.full(len(targets.regions), np.nan)),
            "n_neuroids": ((REGION, SUBJECT), count),
            **{name: (by_neuroid, values) for name, values in mean.items()},
        },
        coords={OP: ops, REGION: targets.regions, SUBJECT: targets.subjects, **targets.coords},
    )
    if explainable is not None:
        # What bounds a correlation is the square root of what bounds its square.
        bound = np.sqrt(explainable) if metric == "r" else explainable
        share = mean["r"] * np.abs(mean["r"]) if metric == "r" else mean["r2"]
        result["ceiling_upper"] = (REGION, mean_known(pool_neuroids(np.where(targets.usable, bound, np.nan), targets)))
        result["normalised"] = (by_neuroid, share / explainable)
        # A mean of ratios would be ruled by the neuroids with the least to explain.
        lost = np.isnan(share / explainable)
        top, bottom = (pool_neuroids(np.where(lost, np.nan, x), targets) for x in (share, explainable))
        result["score_normalised"] = (by_subject, top / bottom)
    return result


def pool_neuroids(values: np.ndarray, targets: Targets) -> np.ndarray:
    """Return the mean of those ``values`` (..., neuroid) that are not NaN, as (..., region, subject)."""
    result = np.full((*values.shape[:-1], len(targets.regions), len(targets.subjects)), np.nan)
    for (region, subject), group in targets.groups.items():
        result[..., region, subject] = mean_known(values[..., group])
    return result


def mean_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    return np.where(known, values, 0.0).sum(axis=-1) / np.where(count > 0, count, np.nan)


def describe_ceiling(ceiling: xr.DataArray | None, explainable: np.ndarray | None, targets: Targets) -> dict[str, str]:
    """Return the attributes that say what the ceiling is."""
    if ceiling is None or explainable is None:
        return {"ceiling_kind": "none", "ceiling_note": "No ceiling was given: the ceilings are NaN."}
    lost = int((np.isnan(explainable) & targets.usable).sum())
    return {
        "ceiling_kind": f"{ceiling.attrs['kind']} per neuroid, for the mean of {targets.n_repeats:g} presentations.",
        "ceiling_note": (
            f"ceiling_upper is the mean over neuroids, then over subjects; there is no ceiling_lower. {lost} neuroids "
            "have nothing that could be explained, so no normalised score."
        ),
    }


def warn_undefined(ops: list[str], r: np.ndarray) -> None:
    """Warn once, naming the ops without a correlation ``r`` (op, fold, neuroid) for some neuroid."""
    lost = np.isnan(r).any(axis=1).sum(axis=1)
    found = [f"{op}: {count} of {r.shape[2]} neuroids" for op, count in zip(ops, lost, strict=True) if count]
    if found:
        warnings.warn(
            f"no score, because responses or predictions do not vary in some fold: {list_names(found)}. Leave those "
            "out, or use fewer folds.",
            RuntimeWarning,
            stacklevel=3,
        )
