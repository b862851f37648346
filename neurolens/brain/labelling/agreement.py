"""Runs, sessions and subjects that tables of events and the names of images both say."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from neurolens.brain.labelling.entities import find_entity
from neurolens.errors import InputError

# Entity in the names of files -> columns of events that say the same.
COLUMNS = {
    "run": ("run", "run_id"),
    "ses": ("session", "ses", "session_id"),
    "sub": ("participant_id", "subject", "sub"),
}
PREFIX = re.compile(r"^(run|session|ses|subject|sub)[-_ ]?(?=.)", re.IGNORECASE)
WHOLE = re.compile(r"0*([0-9]+)(\.0+)?")


def check_recorded(table: pd.DataFrame, images: Sequence[Path], counts: Sequence[int]) -> None:
    """Raise InputError where rows of events are of another run, session or subject than images.

    Parameters
    ----------
    table : DataFrame
        A row for each response, in the order of the images.
    images : sequence of path
    counts : sequence of int
        The rows of each image.
    """
    numbers = np.repeat(np.arange(len(images)), counts)
    has_sessions = all(find_entity(path, "ses") for path in images)
    for entity, columns in COLUMNS.items():
        named = [find_entity(path, entity) for path in images]
        column = next((name for name in columns if name in table.columns), None)
        if column is None or not all(named):
            continue
        own = [_read_plain(one) for one in table[column].tolist()]
        theirs = [_read_plain(named[k]) for k in numbers]
        differing = [
            k for k, (one, other) in enumerate(zip(own, theirs, strict=True)) if one != other
        ]
        may_continue = entity == "run" and has_sessions
        if differing and not _is_renamed(own, theirs, may_continue=may_continue):
            row = differing[0]
            raise InputError(
                f"events must be in the order of the images, and row {row} has {column} "
                f"{str(table[column].iloc[row])!r} beside {images[numbers[row]].name}. Sort the "
                f"rows, or the tables, as the images; if {column!r} means something else, rename "
                "the column.",
                anchor="order-differs",
            )


def _read_plain(label: object) -> str | int:
    """Return a label as a number where it is one: 1 of 1.0, "01" and "run-1"."""
    text = PREFIX.sub("", str(label).strip())
    whole = WHOLE.fullmatch(text)
    return int(whole[1]) if whole else text


def _is_renamed(own: list, theirs: list, *, may_continue: bool) -> bool:
    """Return whether labels that differ may be other names of the same, rather than of others.

    Numbers may count from 0 instead of 1, and runs may be counted on over sessions.
    """
    shared = set(own) & set(theirs)
    if not all(isinstance(one, int) for one in own + theirs):
        return not shared
    gaps = {one - other for one, other in zip(own, theirs, strict=True)}
    if (gaps == {-1} and min(own) == 0) or (gaps == {1} and min(theirs) == 0):
        return True
    return may_continue and (not shared or len(set(own)) > len(set(theirs)))
