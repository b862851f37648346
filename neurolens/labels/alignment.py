"""Two sides of an analysis selected to the same stimuli, with a report of what was left out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels.differences import Difference, describe_differences, find_differences
from neurolens.labels.matching import check_unique, get_ids, tell_offset
from neurolens.labels.names import (
    PRESENTATION,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    check_name,
    list_names,
)

JOINS = ("exact", "inner")
LABELLED = (xr.DataArray, xr.Dataset, xr.DataTree)
# Fewer stimuli have no distance between them.
LEAST = 2


class AlignmentReport(NamedTuple):
    """What `align_stimuli` kept and left out.

    Attributes
    ----------
    join : str
    names : tuple of str
        Of the two sides.
    ids : list
        The stimuli that both sides have, in the order of the first.
    dropped : tuple of lists
        The ids that were left out of each side.
    differences : list of Difference
        Pairs of ids left out that would be the same if they were written alike.
    offset : str
        What to do where one side seems to count from 0 and the other from 1; else empty.
    """

    join: str
    names: tuple[str, str]
    ids: list[Any]
    dropped: tuple[list[Any], list[Any]]
    differences: list[Difference]
    offset: str

    @property
    def table(self) -> pd.DataFrame:
        """A row for each id that was left out: its side, its counterpart and how they differ."""
        columns = ("side", "id", "written_alike", "differs_in")
        of_a = {one.id_a: (one.id_b, one.written) for one in self.differences}
        of_b = {one.id_b: (one.id_a, one.written) for one in self.differences}
        rows = []
        for side, ids, twins in zip(self.names, self.dropped, (of_a, of_b), strict=True):
            rows += [(side, name, *twins.get(name, (None, None))) for name in ids]
        return pd.DataFrame(rows, columns=list(columns), dtype=object)

    def __str__(self) -> str:
        """Return the report in sentences."""
        first, second = self.names
        parts = [f"{len(self.ids)} stimuli are in {first} and {second}."]
        for name, ids in zip(self.names, self.dropped, strict=True):
            if ids:
                parts.append(
                    f"{len(ids)} of {len(ids) + len(self.ids)} left out of {name}: "
                    f"{list_names(ids)}."
                )
        parts += [describe_differences(self.differences), self.offset]
        return " ".join(part for part in parts if part)

    def __repr__(self) -> str:
        return f"<AlignmentReport: {self}>"


def align_stimuli(
    a: Any, b: Any, join: str = "exact", *, names: tuple[str, str] = ("a", "b")
) -> tuple[Any, Any, AlignmentReport]:
    """Select the same stimuli on two sides, in one order, and report what was left out.

    Parameters
    ----------
    a, b : StimulusSet, DataArray, Dataset, DataTree, DataFrame or list of ids
        Stimuli; responses with ``stimulus_id`` on presentation; whatever has the dimension
        stimulus, as activations, Grams and RDMs; a table indexed by stimulus.
    join : {"exact", "inner"}
        With "exact" both sides must hold the same stimuli; "inner" keeps those that both have.
    names : pair of str
        What to call the two sides in messages.

    Returns
    -------
    a, b : as given
        The stimuli in the order of ``a``. Presentations stay in the order in which they were
        recorded, also of repeated stimuli; those of other stimuli are left out.
    report : AlignmentReport
        ``print(report)``; ``report.table``.

    Raises
    ------
    InputError
        A side has no stimuli by id.
    LabelError
        The sides differ under "exact", or share fewer than two stimuli; ids repeat or are missing.

    Warns
    -----
    RuntimeWarning
        Stimuli were left out, under "inner".

    Notes
    -----
    Ids are compared as they are: 7 and "7", ``a.png`` and ``a``, ``A`` and ``a``, ``x01`` and
    ``x1`` are different. Such pairs are told, and never matched. What has been computed over all
    stimuli, as a mean that was subtracted, stays so after a selection.

    Examples
    --------
    >>> a, b, report = align_stimuli(["cat", "dog", "cup"], ["dog", "cat", "cup"])
    >>> b, len(report.table)
    (['cat', 'dog', 'cup'], 0)
    """
    check_name(join, JOINS, "join")
    ids_a = _find_ids(a, names[0])
    ids_b = _find_ids(b, names[1])
    in_a = set(ids_a)
    in_b = set(ids_b)
    common = [one for one in ids_a if one in in_b]
    dropped = (
        [one for one in ids_a if one not in in_b],
        [one for one in ids_b if one not in in_a],
    )
    differences = find_differences(*dropped)
    offset = ""
    if any(dropped):
        offset = tell_offset(ids_a, ids_b, STIMULUS, *names)
    report = AlignmentReport(join, (names[0], names[1]), common, dropped, differences, offset)
    if any(dropped) and join == "exact":
        raise LabelError(_explain_exact(report), anchor="ids-differ")
    if len(common) < LEAST:
        raise LabelError(
            f"{names[0]} and {names[1]} must share {LEAST} stimuli or more. {report} Name the same "
            "stimuli alike on both sides.",
            anchor="ids-differ",
        )
    if any(dropped):
        warn_user(str(report))
    return _select(a, common, ids_a), _select(b, common, ids_b), report


def _explain_exact(report: AlignmentReport) -> str:
    """Return the message for sides that differ."""
    first, second = report.names
    told = " ".join(x for x in (describe_differences(report.differences), report.offset) if x)
    if not told and len(report.ids) >= LEAST:
        told = f"Keep the {len(report.ids)} that both have with join='inner'."
    return (
        f"{first} and {second} must hold the same stimuli. Only in {first}: "
        f"{list_names(report.dropped[0])}; only in {second}: {list_names(report.dropped[1])}. "
        f"{told or 'They share too few to compare.'}"
    )


def _find_ids(side: Any, name: str) -> list[Any]:
    """Return the stimuli of a side, each once, in their order."""
    if isinstance(side, LABELLED):
        return _find_labels(side, name)
    if isinstance(side, pd.DataFrame):
        ids = side.index.tolist()
    elif hasattr(side, "ids") and hasattr(side, "select"):
        ids = list(side.ids)
    elif isinstance(side, pd.Series) and side.index.dtype.kind not in "iu":
        raise InputError(
            f"{name} is a Series, whose stimuli may be its values or its index. Pass ids, as "
            "list(x) or list(x.index), or a table indexed by stimulus, x.to_frame().",
            anchor="wrong-object",
        )
    elif isinstance(side, list | tuple | np.ndarray | pd.Index | pd.Series):
        ids = [one.item() if isinstance(one, np.generic) else one for one in side]
    else:
        raise InputError(
            f"{name} must be stimuli, responses, activations, Grams, RDMs or a list of ids, got "
            f"{type(side).__name__}. Of a data set pass a part: .stimuli, .responses or .rdms.",
            anchor="wrong-object",
        )
    if any(not isinstance(one, str | bytes | int | float) for one in ids):
        raise InputError(
            f"the ids of {name} must be texts or numbers, got {list_names(ids)}.",
            anchor="wrong-object",
        )
    _refuse_missing(ids, name)
    check_unique(ids, f"the ids of {name}")
    return ids


def _find_labels(side: Any, name: str) -> list[Any]:
    """Return the stimuli that a labelled array, Dataset or tree is of."""
    if PRESENTATION in side.dims:
        if STIMULUS_ID not in side.coords:
            raise LabelError(
                f"{name} has presentations without 'stimulus_id'. Add it with "
                f"{name}.assign_coords(stimulus_id=('presentation', ids)).",
                anchor="ids-missing",
            )
        ids = list(dict.fromkeys(side[STIMULUS_ID].values.tolist()))
    elif STIMULUS in side.dims:
        ids = get_ids(side, STIMULUS, name).tolist()
        if STIMULUS_2 in side.dims and set(get_ids(side, STIMULUS_2, name).tolist()) != set(ids):
            raise LabelError(
                f"{name} has other ids along 'stimulus_2' than along 'stimulus'.",
                anchor="ids-differ",
            )
    else:
        raise InputError(
            f"{name} is of no stimuli: it has the dimensions {tuple(side.dims)}, without "
            "'stimulus' or 'presentation'. Pass responses, activations, Grams or RDMs.",
            anchor="wrong-object",
        )
    _refuse_missing(ids, name)
    return ids


def _refuse_missing(ids: Sequence[Any], name: str) -> None:
    """Raise LabelError where an id is missing: those would be matched with each other."""
    missing = [k for k, one in enumerate(ids) if one is None or one != one]
    if missing:
        raise LabelError(
            f"the ids of {name} must all be known, and number {missing[0]} is missing. Drop it.",
            anchor="ids-missing",
        )


def _select(side: Any, ids: list[Any], present: list[Any]) -> Any:
    """Return a side with these stimuli only."""
    if isinstance(side, LABELLED) and PRESENTATION in side.dims:
        kept = set(ids)
        shown: Any = side[STIMULUS_ID]
        inside = [one in kept for one in shown.values.tolist()]
        return side if all(inside) else side.isel({PRESENTATION: np.flatnonzero(inside)})
    if ids == present:
        return _match_second(side, ids)
    if isinstance(side, LABELLED):
        return _match_second(side.sel({STIMULUS: ids}), ids)
    if isinstance(side, pd.DataFrame):
        return side.loc[ids]
    if hasattr(side, "select"):
        return side.select(ids)
    return list(ids)


def _match_second(side: Any, ids: list[Any]) -> Any:
    """Return squares with their second stimuli in the order of the first."""
    if not isinstance(side, LABELLED) or STIMULUS_2 not in side.dims:
        return side
    second: Any = side[STIMULUS_2]
    return side if second.values.tolist() == ids else side.sel({STIMULUS_2: ids})
