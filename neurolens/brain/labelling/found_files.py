"""Tables of files, as `find_files` returns them, as sources of responses."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from neurolens.errors import InputError
from neurolens.labels import list_names

LEFT = "L"


class Files(NamedTuple):
    """``paths`` of images, and for each image (not each hemisphere) what belongs to it.

    ``table`` holds one row for each image.
    """

    paths: list[Path]
    events: Any
    table: pd.DataFrame


def take_files(files: pd.DataFrame, events: Any) -> Files:
    """Return the paths in a table of files, with the events given or found.

    Raises
    ------
    InputError
        There are no files, or no events for some, and none are given.
    """
    if not len(files):
        raise InputError(
            "the table of files is empty. Find some with neurolens.brain.find_files.",
            anchor="events-table",
        )
    paths = [Path(one) for one in files["path"]]
    images = files
    if "hemi" in files and files["hemi"].nunique() > 1:
        # The right hemisphere of an image has the events of the left.
        images = files[files["hemi"] == LEFT]
    if events is None:
        column = images.get("events")
        missing = images["path"] if column is None else images["path"][column.isna()]
        if len(missing):
            raise InputError(
                "no table of events was found for "
                f"{list_names(Path(one).name for one in missing)}. Pass events=, or find_files("
                "..., raw=) with the folder that holds them.",
                anchor="events-table",
            )
        events = [Path(one) for one in images["events"]]
    return Files(paths, events, images.reset_index(drop=True))
