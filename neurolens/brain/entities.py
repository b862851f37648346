"""Entities in the names of files, as BIDS has them: ``sub-01_ses-2_run-3_betas.nii.gz``."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neurolens.errors import InputError
from neurolens.labels import list_names

ENTITIES = ("sub", "ses", "task", "run")


def find_entity(path: Path, key: str) -> str | None:
    """Return the value of an entity in the name of a file, such as "01" of ``sub-01``."""
    found = re.search(rf"(?:^|_){key}-([A-Za-z0-9]+)", path.name)
    return found.group(1) if found else None


def _plain(value: str | None) -> str:
    """Return the value of an entity without leading zeros: run-1 and run-01 are one run."""
    return str(value).lstrip("0")


def check_entities(images: Sequence[Path], events: Sequence[Path]) -> None:
    """Raise InputError where a table of events is named for another run than its image."""
    if len(events) != len(images):
        return
    for image, table in zip(images, events, strict=True):
        for key in ENTITIES:
            values = (find_entity(image, key), find_entity(table, key))
            if None not in values and _plain(values[0]) != _plain(values[1]):
                raise InputError(
                    f"images and tables of events must be in one order, and {image.name} stands "
                    f"with {table.name}. Sort both in the same way."
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
            "Read subjects one by one, and join them with xr.concat(..., 'neuroid')."
        )
    return named.pop() if len(named) == 1 else None
