"""Images in a folder laid out as BIDS says, by the entities in their names."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from neurolens.brain.labelling.entities import FileName, is_same, parse_name
from neurolens.brain.labelling.partners import find_confounds, find_events, find_timing
from neurolens.errors import DataError, InputError
from neurolens.labels import check_name, list_names

EXTENSIONS = (
    ".nii.gz", ".nii", ".func.gii", ".shape.gii", ".label.gii", ".dtseries.nii", ".dscalar.nii",
    ".dlabel.nii",
)  # fmt: skip
# All entities of BIDS that names of images may have.
KNOWN = (
    "sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "mod", "echo", "flip", "inv", "part",
    "proc", "hemi", "space", "cohort", "split", "chunk", "seg", "res", "den", "label", "desc",
    "atlas", "stat", "contrast", "model",
)  # fmt: skip
# What the files of one answer may differ in without being asked for.
VARYING = ("ses", "run", "hemi")
EXTENSION = "extension"


class Found(NamedTuple):
    """A file and the parts of its name."""

    path: Path
    name: FileName

    def get_value(self, key: str) -> str | None:
        """Return the value of an entity, or the extension; None where the name has none."""
        return self.name.extension if key == EXTENSION else self.name.entities.get(key)


def find_files(
    root: str | Path,
    *,
    suffix: str = "bold",
    extension: str | None = None,
    raw: str | Path | None = None,
    **entities: Any,
) -> pd.DataFrame:
    """Find the images of one subject in a BIDS dataset, or in derivatives of one.

    Parameters
    ----------
    root : path
        The folder of the dataset or of the derivatives, which holds folders ``sub-...``.
    suffix : str
        The last part of the names: "bold", "betas", "statmap" ...
    extension : str, optional
        Such as ".nii.gz" or ".func.gii", where there are several.
    raw : path, optional
        The dataset that derivatives were made from, for events. Default: the folder that holds
        ``derivatives``.
    **entities
        ``sub="01"``, ``task=``, ``ses=``, ``run=``, ``space=``, ``desc=`` ...: a value, a list of
        values, None for names without that entity, or "*" for any.

    Returns
    -------
    DataFrame
        One row for each image, in order of session, run and hemisphere: ``path``, its entities, and
        where they were found ``events``, the path of its table of events, ``confounds``, ``t_r``
        and ``start_time`` in s. `read_responses` and `estimate_responses` take it as source.

    Raises
    ------
    DataError
        There is no such folder; a table or a JSON file cannot be read; a link leads nowhere.
    InputError
        No file has these entities, or those that have them differ in another than session, run and
        hemisphere: the message lists the choices.
    UnknownNameError
        There is no such entity in BIDS.

    Notes
    -----
    Events are found by BIDS' inheritance principle: the closest table, from the folder of the image
    up to the root, all of whose entities are those of the image; then the same in ``raw``. JSON
    files are found in the same way, and closer ones add to those above. Runs are compared as
    numbers, run-1 and run-01 are one run; other entities as they are written. Only names are read,
    and JSON files of the images found.

    Examples
    --------
    >>> files = find_files("ds000117", sub="01", task="faces")  # doctest: +SKIP
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"there is no folder at {root}", anchor="file-not-found")
    for key in entities:
        check_name(key, KNOWN, "entity")
    wanted = {**entities, **({EXTENSION: extension} if extension else {})}
    there = list(_walk_images(root, suffix, entities.get("sub")))
    if not there:
        raise InputError(
            f"there is no image named ..._{suffix} in {root}"
            f"{_tell_subject(entities)}. Pass suffix= of the images, or another folder.",
            anchor="choose-files",
        )
    found = [one for one in there if _has_all(one, wanted)]
    if not found:
        raise InputError(_tell_choices(there, wanted, root), anchor="choose-files")
    _refuse_several(found, wanted)
    _refuse_broken(found)
    found.sort(key=_order)
    return _list_files(found, root, None if raw is None else Path(raw))


def _walk_images(root: Path, suffix: str, subject: Any) -> Iterator[Found]:
    """Yield the images with a suffix in a folder, only those of one subject where it is named."""
    own = f"sub-{subject}" if isinstance(subject, str) and subject != "*" else None
    for folder, names, files in os.walk(root):
        names[:] = sorted(
            name
            for name in names
            if not name.startswith((".", "sourcedata"))
            and not (own and name.startswith("sub-") and name != own)
        )
        for file in sorted(files):
            name = parse_name(file)
            if name and name.suffix == suffix and name.extension in EXTENSIONS:
                yield Found(Path(folder) / file, name)


def _has_all(one: Found, wanted: dict[str, Any]) -> bool:
    """Return whether a file has the values that are wanted."""
    return all(_has_value(one, key, value) for key, value in wanted.items())


def _has_value(one: Found, key: str, value: Any) -> bool:
    """Return whether a file has one of the values wanted of an entity."""
    if isinstance(value, str) and value == "*":
        return True
    values = list(value) if isinstance(value, list | tuple | set) else [value]
    texts = [None if choice is None else str(choice) for choice in values]
    return any(is_same(key, one.get_value(key), text) for text in texts)


def _tell_subject(entities: dict[str, Any]) -> str:
    return f" of subject {entities['sub']!r}" if "sub" in entities else ""


def _tell_choices(there: list[Found], wanted: dict[str, Any], root: Path) -> str:
    """Return the message where no file has all that is wanted."""
    told = []
    for key, value in wanted.items():
        if not any(_has_value(one, key, value) for one in there):
            told.append(f"{key}={value!r} (there are {_list_values(there, key)})")
    what = "; ".join(told) or "all of these together: " + ", ".join(
        f"{key}={value!r}" for key, value in wanted.items()
    )
    return f"no image in {root} has {what}. Leave out one, or pass what there is."


def _list_values(found: list[Found], key: str) -> str:
    """Return the values that files have of an entity, for a message."""
    values = {one.get_value(key) for one in found}
    known = sorted(value for value in values if value is not None)
    parts = [list_names(known, limit=20)] if known else []
    return " and ".join([*parts, *(["none (None)"] if None in values else [])])


def _refuse_several(found: list[Found], wanted: dict[str, Any]) -> None:
    """Raise InputError where files differ in what was not asked for."""
    keys = sorted({EXTENSION, *(key for one in found for key in one.name.entities)})
    chosen = {
        key
        for key, value in wanted.items()
        if value == "*" or isinstance(value, list | tuple | set)
    }
    for key in keys:
        values = {one.get_value(key) for one in found}
        if len(values) > 1 and key not in VARYING and key not in chosen:
            raise InputError(
                f"{len(found)} images have these entities, and they differ in {key}: "
                f"{_list_values(found, key)}. Choose with {key}=, or pass {key}='*' for all.",
                anchor="choose-files",
            )
    by_name: dict[str, Path] = {}
    for one in found:
        other = by_name.setdefault(one.path.name, one.path)
        if other != one.path:
            raise InputError(
                f"{one.path.name} is in {other.parent} and in {one.path.parent}. Pass one of the "
                "pipelines' folders as root.",
                anchor="choose-files",
            )


def _refuse_broken(found: list[Found]) -> None:
    """Raise DataError for links to files that are not there."""
    for one in found:
        if not one.path.is_file():
            raise DataError(
                f"{one.path} is a link to a file that is not here. Fetch it first, e.g. with "
                "datalad get or git annex get.",
                anchor="file-not-found",
            )


def _order(one: Found) -> tuple:
    """Return what files are sorted by: numbers of runs and sessions as numbers."""
    keys = []
    for key in (*KNOWN[:2], "task", *KNOWN[3:7], "run", *KNOWN[8:]):
        value = one.get_value(key) or ""
        keys.append((int(value) if value.isdigit() else 0, value))
    return tuple(keys)


def _list_files(found: list[Found], root: Path, raw: Path | None) -> pd.DataFrame:
    """Return the table of the files found, with what belongs to them."""
    rows = []
    for one in found:
        row: dict[str, Any] = {"path": one.path, **one.name.entities}
        row["events"] = find_events(one.path, one.name, root, raw)
        row["confounds"] = find_confounds(one.path, one.name)
        row |= find_timing(one.path, one.name, root, raw)
        rows.append(row)
    table = pd.DataFrame(rows)
    for column in ("events", "confounds", "t_r", "start_time"):
        if column in table and table[column].isna().all():
            table = table.drop(columns=column)
    return table
