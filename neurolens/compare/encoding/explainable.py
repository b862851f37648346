"""The share of variance that a perfect model would explain, from any kind of noise ceiling."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.inputs.repeats import NEUROID_REPEATS
from neurolens.compare.inputs.responses import Targets, match_neuroids
from neurolens.errors import InputError
from neurolens.labels import NEUROID, SUBJECT, check_dims, check_name
from neurolens.scores import Ceiling

# Kind of ceiling -> the share of variance that can be explained, given the value and the number of
# presentations behind a response.
CEILINGS: dict[str, Callable] = {
    "ncsnr": lambda value, n_repeats: value**2 / (value**2 + 1 / n_repeats),
    "reliability": lambda value, n_repeats: value,
    "r": lambda value, n_repeats: np.sign(value) * value**2,
    "r2": lambda value, n_repeats: value,
}
# Kind of ceiling -> what it is called in a sentence.
CEILING_NAMES: dict[str, str] = {
    "ncsnr": "the noise ceiling signal-to-noise ratio (ncsnr)",
    "reliability": "split-half reliability (reliability)",
    "r": "the largest correlation a model can have, as given (r)",
    "r2": "the largest share of variance a model can explain, as given (r2)",
}


def read_ceiling(ceiling: xr.DataArray | None, targets: Targets) -> xr.DataArray | None:
    """Return the share of variance (neuroid) that a perfect model would explain, NaN for none.

    ``ncsnr`` c of single trials gives NC = c^2 / (c^2 + 1/n) for the mean of n presentations; a
    ``reliability`` or ``r2`` is that share itself; an ``r`` is its square root. Allen et al. (2022)
    Nat. Neurosci. 25:116, Methods.

    Raises
    ------
    InputError
        ``ceiling.attrs["kind"]`` is missing or unknown; values are in percent; the ceiling is for
        the mean of another number of presentations than the responses.
    LabelError
        The neuroids are not exactly those of the responses.
    """
    if ceiling is None:
        return None
    kind = _read_kind(ceiling, targets.n_repeats)
    check_dims(ceiling, (NEUROID,), "ceiling")
    coords = {
        name.replace(f"neuroid_{SUBJECT}", SUBJECT): labels
        for name, labels in targets.coords.items()
    }
    order = match_neuroids(ceiling, xr.Dataset(coords=coords), "ceiling", "responses")
    values = ceiling.values[order].astype(np.float64)
    refuse_percent(kind, values)
    share = CEILINGS[kind](values, targets.repeats)
    return xr.DataArray(np.where(share > 0, share, np.nan), dims=NEUROID, attrs={"kind": kind})


def refuse_percent(kind: str, values: np.ndarray) -> None:
    """Raise InputError for ceilings above 1 of a kind that is at most 1."""
    largest = np.nanmax(values, initial=0.0)
    if kind != "ncsnr" and largest > 1 + 1e-6:
        raise InputError(
            f"a ceiling of kind {kind!r} is at most 1, got {largest:g}. Divide percent by 100.",
            anchor="ceiling-kind",
        )


def _read_kind(ceiling: Any, n_repeats: float) -> str:
    """Return the kind of a ceiling that fits responses that are means of ``n_repeats``."""
    if not isinstance(ceiling, xr.DataArray) or "kind" not in ceiling.attrs:
        raise InputError(
            "a ceiling must say what kind it is, or dividing by it means nothing. Pass a "
            "DataArray (neuroid) with ceiling.attrs['kind'] one of "
            f"{', '.join(CEILINGS)}.",
            anchor="ceiling-kind",
        )
    kind = str(ceiling.attrs["kind"])
    check_name(kind, CEILINGS, "kind of ceiling")
    ceiling_repeats = ceiling.attrs.get("n_repeats")
    if not fits_repeats(kind, ceiling_repeats, n_repeats):
        raise InputError(
            f"a ceiling of kind {kind!r} holds for the mean of as many presentations as it was "
            f"made for, given in ceiling.attrs['n_repeats']: got {ceiling_repeats}, and the "
            f"responses are means of {n_repeats:g}. Give the ceiling of such means, or an "
            "'ncsnr', which fits any number.",
            anchor="ceiling-kind",
        )
    return kind


def fits_repeats(
    kind: str, ceiling_repeats: float | str | None, score_repeats: float | str
) -> bool:
    """Return whether a ceiling bounds scores, given the numbers of presentations behind each.

    They may differ by a hundredth, as where few presentations were not recorded, which changes a
    ceiling by less than that.
    """
    if isinstance(ceiling_repeats, str) or isinstance(score_repeats, str):
        return kind != "ncsnr" and ceiling_repeats == score_repeats
    if kind == "ncsnr":
        return True
    return ceiling_repeats is not None and bool(
        np.isclose(ceiling_repeats, score_repeats, rtol=0.01)
    )


def describe_ceiling(explainable: xr.DataArray | None, targets: Targets) -> Ceiling:
    """Return a description of the ceilings of scores, given what ``read_ceiling`` returned."""
    if explainable is None:
        return Ceiling("No noise ceiling was given.", "none")
    fewer = " (other numbers where some were not recorded)" * (NEUROID_REPEATS in targets.coords)
    n_lost = int((np.isnan(explainable.values) & targets.usable).sum())
    note = (
        f"The noise ceiling is {CEILING_NAMES[explainable.attrs['kind']]} of each neuroid, for the "
        f"mean of {targets.n_repeats:g} presentations{fewer}, averaged over neuroids, then over "
        f"subjects; there is no lower one. {n_lost} neuroids have nothing that could be explained: "
        "they count as 0 in the ceiling and have no normalized score."
    )
    return Ceiling(note, "expected")
