"""64 shapes, and the mean responses of 119 neurons of two monkeys to each."""

import re

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.errors import DataError
from neurolens.labels import list_names

TABLE = "regular_irregular_SPIKES_yannis.mat"
VARIABLE = "regular_irregular_SPIKES_yannis"
MONKEY = "mnky_1_Yelko_2_Joeri"
CELL = "cell"
GROUPS = {
    "R": "regular",
    "IC": "irregular, complex",
    "ISC": "irregular, simple, curved",
    "ISS": "irregular, simple, straight",
}
_NAME = re.compile(r"(R|IC|ISC|ISS)([1-8])([ab])")


def prepare(raw, *, subjects=None, regions=None):
    """Return the shapes with groups, pairs and numbers, and responses (presentation, neuroid).

    There is one region, whichever is asked for.
    """
    import neurolens as nl

    files = {}
    for entry in raw.card["files"]:
        if entry["name"].endswith(".bmp"):
            files[entry["name"].rpartition("/")[2].removesuffix(".bmp")] = entry["name"]
    ids = list(files)
    matches = [_NAME.fullmatch(name) for name in ids]
    columns = {
        "category": [match[1] for match in matches],
        "group": [GROUPS[match[1]] for match in matches],
        "pair": [f"{match[1]}{match[2]}" for match in matches],
        "number": [int(match[2]) for match in matches],
    }
    metadata = pd.DataFrame(columns, index=pd.Index(ids, name="stimulus"))
    stimuli = nl.load_stimuli(
        [raw.locate(name) for name in files.values()], ids=ids, metadata=metadata
    )
    responses = read_responses(raw, ids, subjects)
    # Columns of what was shown, by which stimuli are held out.
    for name in ("category", "number"):
        responses[name] = ("presentation", metadata[name].to_numpy())
    return {"stimuli": stimuli, "responses": responses}


def read_responses(raw, ids, subjects):
    """Return the mean responses to the shapes ``ids`` of the neurons of the monkeys asked for."""
    import neurolens as nl

    table = nl.brain.read_matlab(raw.locate_whole(TABLE), VARIABLE)
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"{VARIABLE} in {TABLE} is no table of MATLAB")
    if set(table.columns) != {MONKEY, CELL, *ids}:
        others = set(table.columns) ^ {MONKEY, CELL, *ids}
        raise DataError(f"the columns of {TABLE} are not the shapes: {list_names(sorted(others))}")
    monkeys = np.array([f"monkey{int(number)}" for number in table[MONKEY]], dtype=object)
    if subjects is not None:
        inside = np.isin(monkeys, subjects)
        table = table[inside]
        monkeys = monkeys[inside]
    names = [
        f"{monkey}-cell{int(cell):02d}" for monkey, cell in zip(monkeys, table[CELL], strict=True)
    ]
    counts = table[ids].to_numpy()
    if counts.dtype.kind not in "biuf":
        raise DataError(f"the columns of {TABLE} must be numbers, got {counts.dtype}")
    return xr.DataArray(
        counts.astype(np.float64).T,
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", np.array(ids, dtype=object)),
            "neuroid_id": ("neuroid", np.array(names, dtype=object)),
            "subject": ("neuroid", monkeys),
            "region": ("neuroid", np.full(len(names), "IT", dtype=object)),
        },
        attrs={"units": "mean number of spikes"},
    )
