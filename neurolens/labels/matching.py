"""Exact matching by label, never by position or inner join."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from neurolens.errors import LabelError
from neurolens.labels.names import PRESENTATION, STIMULUS, STIMULUS_2, STIMULUS_ID, list_names

Labelled = TypeVar("Labelled", xr.DataArray, xr.Dataset)
# A whole number as text, also of a float, and a name with one number in it.
_WHOLE = re.compile(r"[0-9]+(\.0+)?")
# A folder before, or a suffix after, the name of a file.
_FILE = re.compile(r"^.*[/\\\\]|\.[A-Za-z]\w{0,4}$")
_COUNTED = re.compile(r"([^0-9]*)([0-9]+)([^0-9]*)")


def check_dims(array: xr.DataArray, dims: Sequence[str], name: str) -> None:
    """Raise LabelError unless ``array`` has exactly the dimensions ``dims``, in any order."""
    if set(array.dims) != set(dims) or len(array.dims) != len(dims):
        raise LabelError(
            f"{name} must have dimensions {tuple(dims)}, got {tuple(array.dims)} with sizes "
            f"{dict(array.sizes)}. Rename with {name}.rename(old='new') or select with "
            f"{name}.isel(...).",
            anchor="wrong-dimensions",
        )


def check_unique(ids: Iterable, what: str) -> None:
    """Raise LabelError naming the values that occur more than once in ``ids``."""
    repeated = [value for value, times in Counter(ids).items() if times > 1]
    if repeated:
        raise LabelError(
            f"{what} must be unique, but these repeat: {list_names(repeated)}. Rename or drop "
            "them.",
            anchor="ids-repeat",
        )


def get_ids(array: xr.DataArray | xr.Dataset, dim: str, name: str) -> np.ndarray:
    """Return the labels of ``array`` along ``dim``, checked to exist and to be unique."""
    if dim not in array.coords:
        raise LabelError(
            f"{name} has no labels along '{dim}', so its entries cannot be matched. "
            f"Add them with {name}.assign_coords({dim}=ids).",
            anchor="ids-missing",
        )
    ids = np.asarray(array[dim].values)
    check_unique(ids.tolist(), f"the '{dim}' labels of {name}")
    return ids


def align_labels(
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
        When either side has an id that the other lacks, or an id repeats; the two sides write the
        same ids in two ways, as 7 and "7".
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
            refuse_forms(present, wanted, dim, name, other)
            fix = (
                tell_offset(present, wanted, dim, name, other)
                or tell_files(present, wanted, dim, name, other)
                or _suggest_selection(array, dim, present, wanted, name, other)
            )
            raise LabelError(
                f"{name} and {other} must hold the same {len(wanted)} ids along '{dim}'. "
                f"Missing from {name}: {list_names(missing)}; only in {name}: {list_names(extra)}. "
                f"{fix}",
                anchor="ids-differ",
            )
        array = array.sel({dim: wanted})
    return array


def _subtract_ids(ids: list, others: list) -> list:
    """Return those of ``ids`` that are not among ``others``, in their order."""
    excluded = set(others)
    return [i for i in ids if i not in excluded]


def _suggest_selection(
    array: Labelled, dim: str, present: list, wanted: list, name: str, other: str
) -> str:
    """Return the sentence that says on which side to select which ids."""
    common = len(set(present) & set(wanted))
    if common == 0:
        return f"They share none: name what is the same by the same '{dim}' on both sides."
    if common == len(present):
        return f"Select the {common} ids of {name} in {other}, or add the others to {name}."
    dims = [side for side in (STIMULUS, STIMULUS_2) if side in array.dims and dim == STIMULUS]
    ids = "common_ids" if common < len(wanted) else "ids"
    selection = ", ".join(f"{side}={ids}" for side in dims or [dim])
    code = f"{name if name.isidentifier() else 'x'}.sel({selection})"
    if common == len(wanted):
        return f"Select those of {other} in {name}: {code}."
    return f"Keep the common ones on both sides, e.g. {code}."


def _read_plain(label: Any) -> int | str:
    """Return the whole number that a label is written for, or else its text."""
    if isinstance(label, bytes):
        label = label.decode(errors="replace")
    if isinstance(label, int | np.integer):
        return int(label)
    text = str(label)
    return int(float(text)) if _WHOLE.fullmatch(text) else text


def refuse_forms(present: list, wanted: list, dim: str, name: str, other: str) -> None:
    """Raise LabelError where more ids are the same by what they mean than as they are written.

    The same are 7, 7.0, "7" and "007". A selection of the common ids would lose the others.
    """
    plain = {_read_plain(label): label for label in present}
    written = set(present)
    differing = [x for x in wanted if x not in written and _read_plain(x) in plain]
    if not differing:
        return
    theirs = differing[0]
    ours = plain[_read_plain(theirs)]
    # Text is the safer form, unless the same number is written in two ways, as 7.0 and "007".
    is_text = str(ours) == str(theirs) or isinstance(_read_plain(theirs), str)
    form = "text" if is_text else "whole numbers"
    change = "astype(str)" if is_text else "astype(float).astype(int)"
    raise LabelError(
        f"{name} and {other} must hold ids of one type along '{dim}', got {type(ours).__name__} "
        f"{list_names([ours])} in {name} and {type(theirs).__name__} {list_names([theirs])} in "
        f"{other}. Make both {form}: x.assign_coords({dim}=x.{dim}.{change}).",
        anchor="ids-differ",
    )


def tell_offset(present: list, wanted: list, dim: str, name: str, other: str) -> str:
    """Return what to do where ids look as if counted from 0 on one side and from 1 on the other.

    A selection of the common ids would match each to its neighbor. It is empty for other ids.
    """
    ours = _read_counts(present)
    theirs = _read_counts(wanted)
    if not ours or not theirs or ours[0] != theirs[0] or not _differ_by_one(ours[1], theirs[1]):
        return ""
    low_name = name if min(ours[1]) <= min(theirs[1]) else other
    return (
        f"{name} counts {_name_ends(present, ours[1])}, {other} {_name_ends(wanted, theirs[1])}: "
        f"one may count from 0 and the other from 1, so that the same id is another {dim} on each "
        f"side. Rename those of {low_name} if so, for numbers x.assign_coords({dim}=x.{dim} + 1); "
        f"if not, leave out on each side what the other lacks."
    )


def tell_files(present: list, wanted: list, dim: str, name: str, other: str) -> str:
    """Return what to do where ids have a folder or a suffix on one side only.

    It is empty for other ids.
    """
    ours = [_FILE.sub("", str(label)) for label in present]
    theirs = [_FILE.sub("", str(label)) for label in wanted]
    if set(ours) != set(theirs) or len(set(ours)) < len(ours) or len(set(theirs)) < len(theirs):
        return ""
    file_side = other
    code = _find_cut(wanted, present)
    if code is None:
        code = _find_cut(present, wanted) or "Path(i).stem"
        file_side = name if ours != [str(label) for label in present] else other
    more = ""
    if dim == STIMULUS:
        more = (
            " (of RDMs stimulus_2=ids too; of responses read x.stimulus_id, and assign "
            f"{STIMULUS_ID}=('{PRESENTATION}', ids))"
        )
    return (
        f"The ids of {file_side} are the same with a folder or a suffix. If these name the same "
        f"{dim}, leave it out there, with pathlib's Path: ids = [{code} for i in "
        f"x.{dim}.values]; x.assign_coords({dim}=ids){more}."
    )


def _find_cut(files: list, ids: list) -> str | None:
    """Return the code that makes ``ids`` of the names of ``files``, None where none of these does.

    It leaves out a suffix, or a folder, or both.
    """
    wanted = {str(label) for label in ids}
    paths = [PurePosixPath(str(label)) for label in files]
    if not all(path.name for path in paths):
        return None
    cuts = {
        "Path(i).with_suffix('').as_posix()": [path.with_suffix("").as_posix() for path in paths],
        "Path(i).name": [path.name for path in paths],
        "Path(i).stem": [path.stem for path in paths],
    }
    return next((code for code, cut in cuts.items() if set(cut) == wanted), None)


def _read_counts(ids: list) -> tuple[tuple[str, str], list[int]] | None:
    """Return the text before and after the number in all ``ids``, and those numbers.

    None where an id is not a number, or not one name with a number in it.
    """
    found = [_COUNTED.fullmatch(str(_read_plain(label))) for label in ids]
    matches = [match for match in found if match]
    around = {(match[1], match[3]) for match in matches}
    if len(matches) < len(ids) or len(around) != 1:
        return None
    return around.pop(), [int(match[2]) for match in matches]


def _name_ends(ids: list, counts: list[int]) -> str:
    first = ids[int(np.argmin(counts))]
    last = ids[int(np.argmax(counts))]
    return f"from {first!r} to {last!r}"


def _differ_by_one(ours: list[int], theirs: list[int]) -> bool:
    """Return whether numbers look like the same ones counted from 0 and from 1.

    They start at 0 and at 1; or all of one side are one more than those of the other; or those of
    one side have no gap, and the other reaches beyond one end by one and lacks the other end.
    """
    if {min(ours), min(theirs)} == {0, 1}:
        return True
    for some, others in ((ours, theirs), (theirs, ours)):
        if {number + 1 for number in some} == set(others):
            return True
        first = min(some)
        last = max(some)
        if first not in (0, 1) or set(range(first, last + 1)) != set(some):
            continue
        beyond = set(others) - set(some)
        is_later = beyond == {last + 1} and first not in others
        is_earlier = beyond == {first - 1} and last not in others
        if is_later or is_earlier:
            return True
    return False
