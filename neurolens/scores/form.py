"""The form of scores: their variables, dimensions and attributes, and how they are built."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    SUBJECT,
    TIME_BIN,
    UNNAMED,
    align_labels,
    check_name,
)
from neurolens.scores.methods import METHODS, Ceiling, Intervals, cite_sources, write_methods

SPLIT = "split"
HALF = "half"
BOOTSTRAP = "bootstrap"
RESAMPLED = "resampled"
# The attribute that is the same for scores whose draws are of the same stimuli, draw by draw.
DRAWS_HASH = "draws_sha256"
BRAIN = UNNAMED[REGION]
GROUP = UNNAMED[SUBJECT]
PER_SUBJECT = (OP, REGION, SUBJECT)
PER_REGION = (OP, REGION)
PER_HALF = (SPLIT, HALF)

# Variables with one meaning everywhere, and their dimensions; any may have ``time_bin`` as well.
VARIABLES: dict[str, tuple[str, ...]] = {
    "score": PER_SUBJECT,
    "score_mean": PER_REGION,
    "ci_low": PER_SUBJECT,
    "ci_high": PER_SUBJECT,
    "mean_ci_low": PER_REGION,
    "mean_ci_high": PER_REGION,
    "ceiling_lower": (REGION,),
    "ceiling_upper": (REGION,),
    "ceiling_lower_ci_low": (REGION,),
    "ceiling_lower_ci_high": (REGION,),
    "ceiling_upper_ci_low": (REGION,),
    "ceiling_upper_ci_high": (REGION,),
    "split_score": (*PER_HALF, *PER_REGION),
    "split_subject_score": (*PER_HALF, *PER_SUBJECT),
    "split_member": (SPLIT, STIMULUS),
    "bootstrap_mean": (BOOTSTRAP, *PER_REGION),
    "bootstrap_ceiling": (BOOTSTRAP, REGION),
    "draws": (RESAMPLED, BOOTSTRAP, *PER_REGION),
    "ceiling_draws": (RESAMPLED, BOOTSTRAP, REGION),
    "p": PER_REGION,
    "q": PER_REGION,
    "p_max": PER_REGION,
    "n_pairs": PER_SUBJECT,
}
ALWAYS = (
    "score",
    "score_mean",
    "ci_low",
    "ci_high",
    "mean_ci_low",
    "mean_ci_high",
    "ceiling_lower",
    "ceiling_upper",
)
INTERVALS = ("ci_low", "mean_ci_low")
CEILINGS = ("ceiling_lower", "ceiling_upper")
# What each subject adds to the means that ceilings are.
OF_CEILINGS = ("left_out", "kept_in")


def build_scores(
    score: xr.DataArray,
    *,
    method: str,
    measure: str,
    n_stimuli: int,
    variables: Mapping[str, Any] | None = None,
    dissimilarity: str = "",
    estimator: str = "",
    intervals: Intervals | None = None,
    ceiling: Ceiling | None = None,
    details: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Return scores in the form that all functions that take scores read.

    Parameters
    ----------
    score : DataArray (op, region, subject)
        In any order of dimensions, optionally with ``time_bin``; a missing ``region`` becomes
        ``"brain"`` and a missing ``subject`` ``"group"``. NaN where a subject lacks the region.
        Its attributes ``kind`` and ``n_repeats`` are what ``normalize_scores`` asks for.
    method : str
        A key of `METHODS`.
    measure : str
        What the score is: ``"spearman"``, ``"rho-a"``, ``"r"``, ``"r2"``, ``"cka-unbiased"`` ...
    n_stimuli : int
    variables : mapping of DataArray, Variable or (dims, values)
        Others of `VARIABLES`, with their dimensions, or of the function's own. They are matched
        with the score by label, and lack region and subject where the score does. ``score_mean``
        is the mean over the subjects that have the region where it is left out; intervals and
        ceilings are NaN where they are left out.
    dissimilarity, estimator : str
        How RDMs were made ("correlation"), how responses were predicted ("ridge regression"); only
        where that was done.
    intervals, ceiling
        Descriptions of those among ``variables``. Where these hold no number, only the reason is
        kept.
    details : mapping
        Further attributes: settings, seeds. They replace none of those below.

    Returns
    -------
    Dataset
        With the attributes ``method``, ``measure``, ``dissimilarity`` (where given),
        ``interval_kind``, ``interval_over``, ``interval_level``, ``ceiling_note``,
        ``ceiling_bound``, ``reference`` (keys of `REFERENCES`, comma-separated), ``n_stimuli``,
        ``subjects`` and ``methods_text``. Scores and ceilings have the attributes ``measure``,
        ``kind`` and ``n_repeats``.

    Raises
    ------
    LabelError
        For a variable of `VARIABLES` that has other dimensions than those, scores without op, or
        labels that differ from those of the score.
    UnknownNameError
        ``method`` is not in `METHODS`.
    """
    check_name(method, METHODS, "method of scores")
    scores = _gather_variables(score, variables or {})
    units = {
        "measure": measure,
        "kind": score.attrs.get("kind", "r2" if measure == "r2" else "r"),
        "n_repeats": score.attrs.get("n_repeats", "as in the scores"),
    }
    for name in ("score", "score_mean", *CEILINGS):
        scores[name].attrs = units | scores[name].attrs
    has_ceiling = has_numbers(scores, CEILINGS)
    intervals = _describe_intervals(intervals, has_numbers(scores, INTERVALS))
    ceiling = _describe_ceiling(ceiling, has_ceiling)
    attrs: dict[str, Any] = {"method": method, "measure": measure}
    if dissimilarity:
        attrs["dissimilarity"] = dissimilarity
    if estimator:
        attrs["estimator"] = estimator
    names = [str(name) for name in scores[SUBJECT].values]
    attrs |= {
        "interval_kind": intervals.kind,
        "interval_over": intervals.over,
        "interval_level": intervals.level,
        "ceiling_note": ceiling.note,
        "ceiling_bound": ceiling.bound,
        "reference": ",".join(cite_sources(METHODS[method], intervals, ceiling, has_ceiling)),
        "n_stimuli": int(n_stimuli),
        # A single one as text, as files give it back.
        "subjects": names[0] if len(names) == 1 else names,
    }
    attrs["methods_text"] = write_methods({**(details or {}), **attrs})
    scores.attrs = attrs | dict(details or {}) | attrs
    return scores


def replace_ceilings(
    scores: xr.Dataset, ceilings: Mapping[str, xr.Variable], ceiling: Ceiling
) -> xr.Dataset:
    """Return ``scores`` with other ``ceilings``, by the names of `CEILINGS`.

    Their attributes say so; whatever was made from the former ceilings is left out.
    """
    outdated = [name for name in scores if name not in CEILINGS and "ceiling" in str(name)]
    outdated += [name for name in OF_CEILINGS if name in scores]
    scores = scores.drop_vars(outdated).assign(ceilings)
    there = has_numbers(scores, CEILINGS)
    ceiling = _describe_ceiling(ceiling, there)
    attrs = scores.attrs
    intervals = Intervals(attrs["interval_kind"], attrs["interval_over"], attrs["interval_level"])
    sources = cite_sources(METHODS[attrs["method"]], intervals, ceiling, there)
    attrs = attrs | {
        "ceiling_note": ceiling.note,
        "ceiling_bound": ceiling.bound,
        "reference": ",".join(sources),
    }
    return scores.assign_attrs(attrs | {"methods_text": write_methods(attrs)})


def _gather_variables(score: xr.DataArray, variables: Mapping[str, Any]) -> xr.Dataset:
    """Return the Dataset of ``score`` and ``variables``, with variables that every score has."""
    added = {dim: name for dim, name in UNNAMED.items() if dim not in score.dims}
    score = _add_dims(score, added)
    if OP not in score.dims:
        raise LabelError(
            f"scores need the dimension 'op', got {score.dims}. Add it with "
            "score.expand_dims(op=[...]).",
            anchor="wrong-dimensions",
        )
    arrays = {"score": score}
    for name, values in variables.items():
        array = _label(values, score)
        dims = VARIABLES.get(name, ())
        array = _add_dims(array, {dim: added[dim] for dim in added if dim in dims})
        arrays[name] = _match_labels(name, array, score)
    if "score_mean" not in arrays:
        arrays["score_mean"] = score.mean(SUBJECT, keep_attrs=True)
    for name in ALWAYS:
        if name not in arrays:
            arrays[name] = _make_unknown(VARIABLES[name], score)
    for name in [name for name in VARIABLES if name in arrays]:
        arrays[name] = _order_dims(name, arrays[name], VARIABLES[name])
    try:
        xr.align(*arrays.values(), join="exact", copy=False)
    except ValueError as error:
        raise LabelError(f"variables of scores must have the same labels: {error}") from None
    return xr.Dataset(arrays)


def _add_dims(array: xr.DataArray, names: Mapping[str, str]) -> xr.DataArray:
    """Return ``array`` with each dimension of ``names`` that it lacks, with the one label given."""
    for dim, name in names.items():
        if dim not in array.dims:
            label = str(array[dim].values) if dim in array.coords else name
            array = array.drop_vars(dim, errors="ignore").expand_dims({dim: [label]})
    return array


def _label(values: Any, score: xr.DataArray) -> xr.DataArray:
    """Return ``values`` as a DataArray, labeled like ``score`` where they have no labels."""
    if isinstance(values, xr.DataArray):
        return values
    variable = xr.as_variable(values)
    labels = {dim: score[dim] for dim in variable.dims if dim in score.coords}
    return xr.DataArray(variable, coords=labels)


def _match_labels(name: str, array: xr.DataArray, score: xr.DataArray) -> xr.DataArray:
    """Return ``array`` in the order of the ops, regions, subjects and times of ``score``."""
    for dim in (*PER_SUBJECT, TIME_BIN):
        if dim in array.coords and dim in array.dims and dim in score.coords:
            ids = score[dim].values.tolist()
            array = align_labels(array, ids, name=repr(name), other="the scores", dims=[dim])
    return array


def _make_unknown(dims: tuple[str, ...], score: xr.DataArray) -> xr.DataArray:
    """Return NaN with ``dims`` of ``score``, and with its time bins."""
    kept = [dim for dim in score.dims if dim in (*dims, TIME_BIN)]
    sizes = [score.sizes[dim] for dim in kept]
    labels = {name: c for name, c in score.coords.items() if set(c.dims) <= set(kept)}
    return xr.DataArray(np.full(sizes, np.nan), dims=kept, coords=labels)


def _order_dims(name: str, array: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
    """Return ``array`` with ``dims`` in that order, time bins last."""
    if set(array.dims) - {TIME_BIN} != set(dims):
        raise LabelError(
            f"{name!r} of scores has dimensions {list(dims)}, got {list(array.dims)}",
            anchor="wrong-dimensions",
        )
    return array.transpose(*dims, ...)


def has_numbers(scores: xr.Dataset, names: Sequence[str]) -> bool:
    """Return whether any variable of ``names`` holds a number."""
    return any(bool(scores[name].notnull().any()) for name in names if name in scores)


def _describe_intervals(intervals: Intervals | None, there: bool) -> Intervals:
    """Return the description of the intervals, without a kind where there are none."""
    intervals = intervals or Intervals()
    return intervals if there else Intervals(level=intervals.level)


def _describe_ceiling(ceiling: Ceiling | None, there: bool) -> Ceiling:
    """Return the description of the ceilings, without a bound where there are none."""
    ceiling = ceiling or Ceiling()
    if not there:
        return Ceiling(ceiling.note)
    if ceiling.note == Ceiling.note:
        return Ceiling("Noise ceilings were computed.", ceiling.bound)
    return ceiling
