"""From scores per neuroid to scores per region and subject, beside their ceilings."""

import numpy as np
import xarray as xr

from neurolens.compare.encoding.accuracy import SCORES
from neurolens.compare.inputs.checks import Seed, describe_rng, put_on, warn_user
from neurolens.compare.inputs.responses import Targets
from neurolens.labels import NEUROID, OP, REGION, STIMULUS, SUBJECT, list_names


def gather_scores(
    ops: list[str],
    targets: Targets,
    found: dict[str, np.ndarray],
    metric: str,
    fold: np.ndarray,
    rng: Seed,
    explainable: xr.DataArray | None,
) -> xr.Dataset:
    """Return means over folds of ``found`` (op, fold, neuroid), and over the neuroids of each region and subject.

    ``explainable`` is what ``read_ceiling`` returns. Warns once, naming the ops without a
    correlation for some neuroid.
    """
    by_subject = (OP, REGION, SUBJECT)
    by_neuroid = (OP, NEUROID)
    lost = np.isnan(found["r"][:, :, targets.usable]).any(axis=1)
    names = [
        f"{op}: {bad.sum()} of {len(bad)} neuroids"
        for op, bad in zip(ops, lost, strict=True)
        if bad.any()
    ]
    if names:
        warn_user(
            "no score, because responses or predictions do not vary in some fold: "
            f"{list_names(names)}. Leave those "
            "out, or use fewer folds."
        )
    mean = {name: found[name].mean(axis=1) for name in SCORES}
    score = pool_neuroids(mean[metric], targets)
    none = np.full(len(targets.regions), np.nan)
    count = np.zeros(score.shape[1:], dtype=int)
    for place, group in targets.groups.items():
        count[place] = targets.usable[group].sum()
    # What normalize_scores asks of scores and of what bounds them.
    kinds = {name: {"kind": name, "n_repeats": targets.n_repeats} for name in SCORES}
    kind = kinds[metric]
    numbers = {
        "n_stimuli": len(fold),
        "n_folds": found["r"].shape[1],
        "n_repeats": targets.n_repeats,
    }
    notes = {"ceiling_kind": "none", "ceiling_note": "No ceiling was given: the ceilings are NaN."}
    notes["interval_note"] = "No intervals are computed: ci_low and ci_high are NaN."
    attrs = {"method": "encoding", "metric": metric, **numbers, "rng": describe_rng(rng), **notes}
    result = xr.Dataset(
        {
            "score": (by_subject, score, kind),
            **put_on(by_subject, ci_low=score * np.nan, ci_high=score * np.nan),
            "score_mean": ((OP, REGION), mean_known(score), kind),
            "ceiling_lower": (REGION, none, kind),
            "ceiling_upper": (REGION, none, kind),
            "n_neuroids": ((REGION, SUBJECT), count),
            **{name: (by_neuroid, values, kinds[name]) for name, values in mean.items()},
            "stimulus_fold": (STIMULUS, fold),
        },
        coords={
            OP: ops,
            REGION: targets.regions,
            SUBJECT: targets.subjects,
            STIMULUS: targets.ids,
            **targets.coords,
        },
        attrs=attrs,
    )
    if explainable is None:
        return result
    most = explainable.values
    # What bounds a correlation is the square root of what bounds its square.
    bound, share = (
        (np.sqrt(most), mean["r"] * np.abs(mean["r"])) if metric == "r" else (most, mean["r2"])
    )
    # A neuroid that cannot be explained counts among the scores, so it counts here; where none can,
    # nothing is known.
    known, bound = (np.where(targets.usable, x, np.nan) for x in (most, np.nan_to_num(bound)))
    bound = np.where(np.isnan(pool_neuroids(known, targets)), np.nan, pool_neuroids(bound, targets))
    result["ceiling_upper"] = (REGION, mean_known(bound), kind)
    result["normalised"] = (by_neuroid, share / most)
    # A mean of ratios would be ruled by the neuroids with the least to explain.
    known = np.where(np.isnan(share / most), np.nan, 1.0)
    result["score_normalised"] = (
        by_subject,
        pool_neuroids(share * known, targets) / pool_neuroids(most * known, targets),
    )
    lost = int((np.isnan(most) & targets.usable).sum())
    return result.assign_attrs(
        ceiling_kind=f"{explainable.attrs['kind']} per neuroid, for the mean of {targets.n_repeats:g} presentations.",
        ceiling_note=(
            "ceiling_upper is the mean over neuroids, then over subjects; there is no "
            f"ceiling_lower. {lost} neuroids "
            "have nothing that could be explained: 0 in ceiling_upper, no normalised score."
        ),
    )


def pool_neuroids(values: np.ndarray, targets: Targets) -> np.ndarray:
    """Return the mean of those ``values`` (..., neuroid) that are not NaN, as (..., region.

    Subject).
    """
    result = np.full((*values.shape[:-1], len(targets.regions), len(targets.subjects)), np.nan)
    for (region, subject), group in targets.groups.items():
        result[..., region, subject] = mean_known(values[..., group])
    return result


def mean_known(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    return np.where(known, values, 0.0).sum(axis=-1) / np.where(count > 0, count, np.nan)
