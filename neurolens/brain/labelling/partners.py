"""Files that belong to an image of a BIDS dataset: events, confounds, timing."""

import json
from pathlib import Path
from typing import Any

from neurolens.brain.labelling.entities import FileName, is_same, parse_name
from neurolens.errors import DataError, InputError

CONFOUNDS = ("timeseries", "regressors")
TIMING = {"t_r": "RepetitionTime", "start_time": "StartTime"}


def find_events(path: Path, name: FileName, root: Path, raw: Path | None) -> Path | None:
    """Return the table of events of an image, by the inheritance principle, None without one.

    Raises
    ------
    InputError
        Several tables in one folder are for the image.
    """
    for folder in [*_list_above(path, root), *_list_raw(path, root, raw)]:
        found = _list_matching(folder, "events", ".tsv", name.entities)
        if len(found) > 1:
            raise InputError(
                f"several tables of events in {folder} are for {path.name}: "
                f"{', '.join(one.name for one in found)}. Pass events= for each image.",
                anchor="events-table",
            )
        if found:
            return found[0]
    return None


def find_confounds(path: Path, name: FileName) -> Path | None:
    """Return the table of confounds beside an image, None without one."""
    entities = {**name.entities, "desc": "confounds"}
    for suffix in CONFOUNDS:
        found = _list_matching(path.parent, suffix, ".tsv", entities)
        named = [one for one in found if "_desc-confounds_" in one.name]
        if len(named) == 1:
            return named[0]
    return None


def find_timing(path: Path, name: FileName, root: Path, raw: Path | None) -> dict[str, float]:
    """Return ``t_r`` and ``start_time`` (s) of an image, as the JSON files for it say them.

    Raises
    ------
    DataError
        A file is no JSON of names and values.
    """
    above = _list_above(path, root)
    fields: dict[str, Any] = {}
    for folder in reversed([*above, *_list_raw(path, root, raw)]):
        for file in _list_matching(folder, name.suffix, ".json", name.entities):
            own = read_json(file)
            if folder not in above:
                # Slices of the raw series are not yet at one time.
                own.pop(TIMING["start_time"], None)
            fields |= own
    return {key: _read_seconds(fields, field, path) for key, field in TIMING.items()}


def read_timing(path: Path) -> dict[str, float]:
    """Return ``t_r`` and ``start_time`` (s) from the JSON file beside an image, NaN without one."""
    beside = path.with_name(path.name.partition(".")[0] + ".json")
    fields = read_json(beside) if beside.is_file() else {}
    return {key: _read_seconds(fields, field, path) for key, field in TIMING.items()}


def read_json(path: Path) -> dict[str, Any]:
    """Return the names and values in a JSON file."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}).") from error
    if not isinstance(fields, dict):
        raise DataError(f"{path} must hold names and values, got {type(fields).__name__}.")
    return fields


def _read_seconds(fields: dict[str, Any], field: str, path: Path) -> float:
    """Return a field as seconds, NaN where there is none."""
    value = fields.get(field)
    if value is None:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{field} in the JSON of {path.name} must be a number, got {value!r}.")
    return float(value)


def _list_above(path: Path, root: Path) -> list[Path]:
    """Return the folder of a file and those above, up to that which holds ``sub-...``."""
    folders = []
    for folder in path.parents:
        folders.append(folder)
        if folder == root or folder.name.startswith("sub-"):
            break
    if folders[-1] != root:
        folders.append(folders[-1].parent)
    return folders


def _list_raw(path: Path, root: Path, raw: Path | None) -> list[Path]:
    """Return the folders of the raw dataset in which tables for an image may be."""
    top = _list_above(path, root)[-1]
    if raw is None:
        above = [folder for folder in top.absolute().parents if folder.name == "derivatives"]
        if not above:
            return []
        raw = above[-1].parent
    inner = path.parent.relative_to(top)
    folders = [raw / inner, *((raw / part) for part in inner.parents)]
    return [folder for folder in folders if folder.is_dir()]


def _list_matching(
    folder: Path, suffix: str, extension: str, entities: dict[str, str]
) -> list[Path]:
    """Return the files in a folder whose entities are all among ``entities``."""
    found = []
    for path in sorted(folder.glob(f"*{suffix}{extension}")):
        name = parse_name(path.name)
        if name is None or name.suffix != suffix or name.extension != extension:
            continue
        if all(is_same(key, value, entities.get(key)) for key, value in name.entities.items()):
            found.append(path)
    return found
