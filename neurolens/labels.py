"""Names of dimensions, and exact matching by label, never by position or inner join."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from neurolens.errors import LabelError, UnknownNameError

STIMULUS = "stimulus"
STIMULUS_2 = "stimulus_2"
OP = "op"
REGION = "region"
SUBJECT = "subject"
PRESENTATION = "presentation"
NEUROID = "neuroid"
STIMULUS_ID = "stimulus_id"
NEUROID_ID = "neuroid_id"
TIME_BIN = "time_bin"
# Labels of a region and of a subject where the data name none.
UNNAMED = {REGION: "brain", SUBJECT: "group"}
Labelled = TypeVar("Labelled", xr.DataArray, xr.Dataset)


def check_dims(array: xr.DataArray, dims: Sequence[str], name: str) -> None:
    """Raise LabelError unless ``array`` has exactly the dimensions ``dims``, in any order."""
    if set(array.dims) != set(dims) or len(array.dims) != len(dims):
        raise LabelError(
            f"{name} must have dimensions {tuple(dims)}, got {tuple(array.dims)} with sizes "
            f"{dict(array.sizes)}. Rename with {name}.rename(old='new') or select with "
            f"{name}.isel(...)."
        )


def check_unique(ids: Iterable, what: str) -> None:
    """Raise LabelError naming the values that occur more than once in ``ids``."""
    repeated = [value for value, times in Counter(ids).items() if times > 1]
    if repeated:
        raise LabelError(
            f"{what} must be unique, but these repeat: {list_names(repeated)}. Rename or drop them."
        )


def get_ids(array: xr.DataArray | xr.Dataset, dim: str, name: str) -> np.ndarray:
    """Return the labels of ``array`` along ``dim``, checked to exist and to be unique."""
    if dim not in array.coords:
        raise LabelError(
            f"{name} has no labels along '{dim}', so its entries cannot be matched. "
            f"Add them with {name}.assign_coords({dim}=ids)."
        )
    ids = np.asarray(array[dim].values)
    check_unique(ids.tolist(), f"the '{dim}' labels of {name}")
    return ids


def align_stimuli(
    array: Labelled,
    ids: Sequence,
    *,
    name: str = "array",
    other: str = "the model's stimuli",
    dims: Sequence[str] = (STIMULUS, STIMULUS_2),
) -> Labelled:
    """Put ``array`` into the order of ``ids`` along each of ``dims`` it has, matched by label.

    The two sides must hold exactly the same labels.

    Parameters
    ----------
    array : DataArray or Dataset
        Labelled along the dimensions to align; its order does not matter.
    ids : sequence
        The wanted order; every id must be in ``array`` and every id of ``array`` in it.
    name, other : str
        What to call the two sides in an error.

    Raises
    ------
    LabelError
        When either side has an id that the other lacks, or an id repeats; when one side holds
        numbers and the other text.
    """
    wanted = list(ids)
    check_unique(wanted, f"the ids of {other}")
    for dim in dims:
        if dim not in array.dims:
            continue
        present = get_ids(array, dim, name).tolist()
        if present == wanted:
            continue
        missing = _subtract_ids(wanted, present)
        extra = _subtract_ids(present, wanted)
        if missing or extra:
            _refuse_types(present, wanted, dim, name, other)
            raise LabelError(
                f"{name} and {other} must hold the same {len(wanted)} ids along '{dim}'. "
                f"Missing from {name}: {list_names(missing)}; only in {name}: {list_names(extra)}. "
                f"Keep the common ones on both sides, e.g. {name}.sel({dim}=common_ids)."
            )
        array = array.sel({dim: wanted})
    return array


def _subtract_ids(ids: list, others: list) -> list:
    """Return those of ``ids`` that are not among ``others``, in their order."""
    excluded = set(others)
    return [i for i in ids if i not in excluded]


def _refuse_types(present: list, wanted: list, dim: str, name: str, other: str) -> None:
    """Raise LabelError where the ids are the same but for their type, such as 7 and "7"."""
    if {*map(str, present)} != {*map(str, wanted)}:
        return
    raise LabelError(
        f"{name} and {other} must hold ids of one type along '{dim}', got "
        f"{type(present[0]).__name__} {list_names(present[:1])} in {name} and "
        f"{type(wanted[0]).__name__} {list_names(wanted[:1])} in {other}. Make both text: "
        f"x.assign_coords({dim}=x.{dim}.astype(str))."
    )


def check_name(name: str, choices: Collection[str], what: str) -> None:
    """Raise UnknownNameError unless ``name`` is one of ``choices``."""
    if name not in choices:
        raise suggest_name(str(name), choices, what, f"Choose one of {', '.join(choices)}.")


def suggest_name(wanted: str, names: Iterable[str], what: str, hint: str = "") -> UnknownNameError:
    """Return the error for an unknown name, which lists the closest of ``names``."""
    choices = list(names)
    close = difflib.get_close_matches(wanted, choices, n=5, cutoff=0.4)
    if not close:
        close = [n for n in choices if wanted.lower() in n.lower()][:5] or choices[:5]
    tail = f" {hint}" if hint else ""
    return UnknownNameError(f"no {what} named {wanted!r}. Closest: {list_names(close)}.{tail}")


# Attributes of results that say which ops to read with care; they go on into RDMs and scores.
MARKS = ("batch_dependent_ops", "random_ops", "random_numbers_from", "depends_on_history")


def get_marks(data: Any) -> dict[str, Any]:
    """Return the attributes of extracted data that say which ops to read with care."""
    attributes = getattr(data, "attrs", {})
    return {key: attributes[key] for key in MARKS if key in attributes}


class LabelList(list):
    """Many labels in an attribute, of which a representation tells only the number."""

    def __repr__(self) -> str:
        return f"<{len(self)} labels>"


def list_names(names: Iterable, limit: int = 5) -> str:
    """Return up to ``limit`` names for a message, with a count of the rest."""
    quoted = [repr(n.item() if isinstance(n, np.generic) else n) for n in names]
    if not quoted:
        return "none"
    rest = len(quoted) - limit
    return ", ".join(quoted[:limit]) + (f" and {rest} more" if rest > 0 else "")
