"""Names of dimensions that responses of other tools have, and the code that makes them ours.

A suggestion is made only where that code, run on the very array, gives the dimensions needed.
"""

from collections.abc import Hashable, Sequence

import xarray as xr

from neurolens.compare.inputs.regions import MEMBER
from neurolens.errors import LabelError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    OP,
    PRESENTATION,
    REGION,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    SUBJECT,
    TIME_BIN,
    list_names,
)

# What other tools call the dimensions of responses, in the singular.
SYNONYMS: dict[str, tuple[str, ...]] = {
    NEUROID: (
        "voxel", "unit", "neuron", "cell", "channel", "electrode", "sensor", "vertex", "site",
        "roi", "parcel", "feature",
    ),
    TIME_BIN: ("time", "t", "timepoint", "time_point", "time_step", "latency", "bin"),
    STIMULUS: (
        "image", "image_id", "stimulus_id", "stim", "condition", "picture", "item", "object",
        "category",
    ),
}  # fmt: skip
REPEATS = ("repetition", "repeat", "rep", "trial", "run", "session", "block")
# Names of presentations where the stimulus is a coordinate of them.
TRIALS = ("trial", "event", "epoch", "observation", "obs", "sample")
# Dimensions of a plain array that cannot be features of one op.
NO_FEATURES = (OP, STIMULUS_2, REGION, SUBJECT, "time", *REPEATS[:-1])


def check_response_dims(array: xr.DataArray, *more: str) -> None:
    """Raise LabelError unless ``array`` is (presentation or stimulus, neuroid) and ``more``.

    The error holds the code that makes such an array of this one, where there is any.
    """
    if _fits(array, more):
        return
    code = suggest_code(array, "responses", more)
    rows = [(row, NEUROID, *more) for row in (PRESENTATION, STIMULUS)]
    fix = f"Make it so: responses = {code}"
    if not code and TIME_BIN in array.dims and TIME_BIN not in more:
        fix = "Select one time bin: responses.isel(time_bin=0, drop=True)"
    elif not code:
        fix = "Rename with responses.rename(old='new') or select with responses.isel(...)"
    raise LabelError(
        f"responses must have dimensions {rows[0]} or {rows[1]}, got {tuple(array.dims)} with "
        f"sizes {dict(array.sizes)}. {fix}.",
        anchor="wrong-dimensions",
    )


def suggest_code(array: xr.DataArray, name: str, more: Sequence[str] = ()) -> str:
    """Return the code that makes (presentation or stimulus, neuroid, ...) of ``array``.

    It is empty where names do not tell how. ``name`` is that of the array in the code.
    """
    renamed = _find_names(array)
    changed = array.rename(renamed) if renamed else array
    code = name
    if renamed:
        pairs = ", ".join(f"{old}={new!r}" for old, new in renamed.items())
        code += f".rename({pairs})"
    repeats = [str(dim) for dim in changed.dims if _is_called(dim, REPEATS)]
    if repeats and STIMULUS in changed.dims:
        if STIMULUS not in changed.coords and STIMULUS_ID not in changed.coords:
            changed = changed.assign_coords({STIMULUS: range(changed.sizes[STIMULUS])})
            code += ".assign_coords(stimulus=ids)"
        stacked = (STIMULUS, *repeats)
        changed = changed.stack({PRESENTATION: stacked}, create_index=False)
        code += f".stack(presentation={stacked!r}, create_index=False)"
        if STIMULUS in changed.coords and STIMULUS_ID not in changed.coords:
            changed = changed.rename({STIMULUS: STIMULUS_ID})
            code += ".rename(stimulus='stimulus_id')"
    needed = more if TIME_BIN not in changed.dims else (TIME_BIN,)
    return code if code != name and _fits(changed, needed) else ""


def refuse_brain(array: xr.DataArray, name: str) -> None:
    """Raise LabelError where an array of features has labels or dimensions of brain responses.

    Those would count as features, and regions and subjects be lost.
    """
    labels = [
        str(key)
        for key, coord in array.coords.items()
        if (key in (REGION, SUBJECT, NEUROID_ID) or str(key).startswith(MEMBER))
        and coord.ndim == 1
        and coord.dims[0] not in (STIMULUS, PRESENTATION, NEUROID)
    ]
    no_features = NO_FEATURES if PRESENTATION in array.dims else (*NO_FEATURES, TIME_BIN)
    dims = [str(dim) for dim in array.dims if dim in no_features]
    if not labels and not dims:
        return
    if labels:
        dim = str(array[labels[0]].dims[0])
        reason = f"'{dim}' has the labels {list_names(labels)} of brain responses"
    else:
        reason = f"{list_names(dims)} is no axis of features"
    code = suggest_code(array, "x")
    fix = (
        f"Brain responses have the dimension 'neuroid': make it so by x = {code}. " if code else ""
    )
    raise LabelError(
        f"{name} must be features of one op, got dimensions {tuple(array.dims)}, of which "
        f"{reason}. {fix}Pass Grams as the Dataset they came in, of several arrays one, or a "
        f"DataTree; features that belong together as one axis: x.stack(feature=[...]).",
        anchor="wrong-dimensions",
    )


def _fits(array: xr.DataArray, more: Sequence[str]) -> bool:
    """Return whether ``array`` has the dimensions of responses."""
    return any(
        set(array.dims) == {row, NEUROID, *more} and len(array.dims) == 2 + len(more)
        for row in (PRESENTATION, STIMULUS)
    )


def _find_names(array: xr.DataArray) -> dict[str, str]:
    """Return the new name of each dimension of ``array`` that one of ``SYNONYMS`` is short of."""
    renamed = _find_rows(array)
    dims = [str(dim) for dim in array.dims]
    for wanted, names in SYNONYMS.items():
        has_rows = wanted == STIMULUS and PRESENTATION in (*dims, *renamed.values())
        if wanted in dims or has_rows:
            continue
        found = [dim for dim in dims if dim not in renamed and _is_called(dim, names)]
        # With both, as (stimulus, channel, feature), names do not tell which is meant.
        if len(found) == 1:
            renamed[found[0]] = wanted
    return renamed


def _find_rows(array: xr.DataArray) -> dict[str, str]:
    """Return the new name of a dimension of presentations, or of one that only seems to be."""
    dims = [str(dim) for dim in array.dims]
    if STIMULUS in dims:
        return {PRESENTATION: "repetition"} if PRESENTATION in dims else {}
    if PRESENTATION in dims or STIMULUS_ID not in array.coords:
        return {}
    shown = array[STIMULUS_ID].dims
    trials = [dim for dim in dims if shown == (dim,) and _is_called(dim, TRIALS)]
    return dict.fromkeys(trials, PRESENTATION)


def _is_called(dim: Hashable, names: Sequence[str]) -> bool:
    """Return whether a dimension has one of ``names``, in the plural too."""
    text = str(dim).lower()
    return text in names or text.removesuffix("s") in names or text == "vertices"
