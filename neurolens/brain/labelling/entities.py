"""Entities in the names of files, as BIDS has them: ``sub-01_ses-2_run-3_betas.nii.gz``."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from neurolens.errors import InputError
from neurolens.labels import list_names

# Those that must agree between an image and its table of events.
ENTITIES = ("sub", "ses", "task", "run")
PART = re.compile(r"([a-zA-Z]+)-([A-Za-z0-9+]+)")


class FileName(NamedTuple):
    """The name of a file in its parts: ``sub-01_task-x_bold.nii.gz``.

    ``entities``: {"sub": "01", "task": "x"}; ``suffix``: "bold"; ``extension``: ".nii.gz".
    """

    entities: dict[str, str]
    suffix: str
    extension: str


def parse_name(name: str) -> FileName | None:
    """Return the parts of the name of a file, None where it is not made as BIDS says."""
    stem, dot, extension = name.partition(".")
    *parts, suffix = stem.split("_")
    found = [PART.fullmatch(part) for part in parts]
    matches = [match for match in found if match]
    entities = {match[1]: match[2] for match in matches}
    if len(matches) < len(parts) or len(entities) < len(parts) or not suffix.isalnum():
        return None
    return FileName(entities, suffix, dot + extension)


def find_entity(path: Path, key: str) -> str | None:
    """Return the value of an entity in the name of a file, such as "01" of ``sub-01``."""
    found = re.search(rf"(?:^|_){key}-([A-Za-z0-9]+)", path.name)
    return found.group(1) if found else None


def is_same(key: str, one: str | None, other: str | None) -> bool:
    """Return whether two values of an entity are the same: run-1 and run-01 are."""
    if one is None or other is None:
        return one is other
    return _plain(one) == _plain(other) if key == "run" else one == other


def _plain(value: str) -> str:
    """Return the value of an entity without leading zeros."""
    return value.lstrip("0")


def check_entities(images: Sequence[Path], tables: Sequence[Path], what: str = "events") -> None:
    """Raise InputError where a table, of events or ``what``, is for another run than its image."""
    if len(tables) != len(images):
        return
    for image, table in zip(images, tables, strict=True):
        for key in ENTITIES:
            one = find_entity(image, key)
            other = find_entity(table, key)
            if one and other and _plain(one) != _plain(other):
                raise InputError(
                    f"images and tables of {what} must be in one order, and {image.name} stands "
                    f"with {table.name}. Sort both in the same way.",
                    anchor="order-differs",
                )


def name_subject(subject: Any, paths: Sequence[Path]) -> str | None:
    """Return the label of a subject: as given, or as all names of files have it."""
    if subject is not None:
        if not isinstance(subject, str | int):
            raise InputError(
                f"subject must be the label of one subject, got {type(subject).__name__}. Read "
                "subjects one by one."
            )
        return str(subject)
    named = {find_entity(path, "sub") for path in paths}
    if len(named - {None}) > 1:
        raise InputError(
            f"the files are of several subjects, {list_names(sorted(named - {None}, key=str))}. "
            "Read subjects one by one, and join them with xr.concat(..., 'neuroid').",
            anchor="several-subjects",
        )
    return named.pop() if len(named) == 1 else None
