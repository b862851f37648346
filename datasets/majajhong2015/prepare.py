"""Majaj, Hong et al. (2015): sites of V4 and IT of two macaques, from the public assembly."""

import contextlib

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.errors import DataError
from neurolens.labels import check_unique, list_names

DIMS = ("presentation", "neuroid", "time_bin")
# Names in the assembly, which may be old ones -> names here.
RENAMED = {"image_id": "stimulus_id", "animal": "subject"}
NEEDED = {
    "presentation": ("stimulus_id", "repetition"),
    "neuroid": ("neuroid_id", "subject", "region"),
    "time_bin": ("time_bin_start", "time_bin_end"),
}
# What each presentation has a number or a name of.
PRESENTATIONS = ("stimulus_id", "repetition", "object_name", "category_name", "variation")


def prepare(raw, *, subjects=None, regions=None):
    """Return responses (presentation, neuroid), and pictures where there are any.

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: all.
    """
    parts = {"responses": read_responses(raw, subjects, regions)}
    stimuli = open_stimuli(raw, parts["responses"])
    if stimuli is not None:
        parts["stimuli"] = stimuli
    return parts


@contextlib.contextmanager
def open_assembly(raw, name):
    """Open the only array in a file of BrainIO, with its labels renamed; bytes are counted."""
    path = raw.path / name
    with raw.open(name) as stream:
        try:
            dataset = xr.open_dataset(
                stream, engine="h5netcdf", decode_times=False, decode_timedelta=False
            )
        except Exception as error:
            raise DataError(
                f"{path} cannot be read as netCDF ({type(error).__name__}: {error}). It may have "
                "been cut short: fetch or copy it again."
            ) from error
        with dataset:
            labels = [key for key, held in dataset.data_vars.items() if held.ndim <= 1]
            dataset = dataset.set_coords(labels)
            arrays = list(dataset.data_vars.values())
            if len(arrays) != 1 or set(arrays[0].dims) != set(DIMS):
                raise DataError(
                    f"{path} must hold one array ({', '.join(DIMS)}), got "
                    f"{[tuple(map(str, array.dims)) for array in arrays]}"
                )
            array = arrays[0].drop_vars([dim for dim in DIMS if dim in arrays[0].coords])
            for old, new in RENAMED.items():
                if new in array.coords and old in array.coords:
                    array = array.drop_vars(old)
                elif old in array.coords:
                    array = array.rename({old: new})
            check_labels(array, path)
            yield array.transpose(*DIMS)


def check_labels(array, path):
    """Raise DataError where an assembly lacks a label."""
    for dim, names in NEEDED.items():
        missing = [name for name in names if name not in array.coords or array[name].dims != (dim,)]
        if missing:
            raise DataError(f"{path} lacks the labels {list_names(missing)} along {dim}")


def read_responses(raw, subjects, regions):
    """Return the responses of the sites asked for (presentation, neuroid), in one time bin."""
    name = raw.find_one("assembly")
    path = raw.path / name
    with open_assembly(raw, name) as array:
        if array.sizes["time_bin"] != 1:
            raise DataError(f"{path} must have one time bin, got {array.sizes['time_bin']}")
        inside = np.ones(array.sizes["neuroid"], dtype=bool)
        for label, chosen in (("subject", subjects), ("region", regions)):
            if chosen is not None:
                inside &= np.isin(array[label].values.astype(str), chosen)
        if not inside.any():
            raise DataError(f"{path} has no site of {list_names([*(subjects or ()), *regions])}")
        window = [int(array[edge].values[0]) for edge in NEEDED["time_bin"]]
        part = array.isel(neuroid=np.flatnonzero(inside), time_bin=0, drop=True)
        values = part.values
        labels = {}
        for key, held in part.coords.items():
            if held.dims == ("neuroid",) or (held.dims and key in PRESENTATIONS):
                column = held.values
                is_text = column.dtype.kind not in "biuf"
                labels[key] = (held.dims, column.astype(str).astype(object) if is_text else column)
    check_unique(labels["neuroid_id"][1].tolist(), f"neuroid_id in {path}")
    return xr.DataArray(
        values,
        dims=DIMS[:2],
        coords=labels,
        attrs={
            "units": "spike rate, normalized",
            "time_bin_start": window[0],
            "time_bin_end": window[1],
            "time_units": "ms",
        },
    )


def open_stimuli(raw, responses):
    """Return the pictures that were shown, None where there is no table of them."""
    import neurolens as nl

    if not raw.find("table"):
        return None
    path = raw.locate_whole(raw.find_one("table"))
    # Ids are hashes, some of which read as numbers.
    table = pd.read_csv(path, dtype={"image_id": str, "stimulus_id": str})
    table = table.rename(columns={"image_id": "stimulus_id"})
    table = table.loc[:, ~table.columns.duplicated()]
    missing = [column for column in ("stimulus_id", "filename") if column not in table.columns]
    if missing:
        raise DataError(
            f"{path} lacks the columns {list_names(missing)}. Is it the published file?"
        )
    table = table.set_index(table["stimulus_id"].astype(str))
    check_unique(table.index.tolist(), f"the ids in {path}")
    shown = list(dict.fromkeys(responses["stimulus_id"].values.tolist()))
    lost = [name for name in shown if name not in table.index]
    if lost:
        raise DataError(f"{path} lacks the pictures {list_names(lost)}, which were shown")
    table = table.loc[shown]
    folder = raw.card["layout"]["pictures"].partition("/")[0]
    files = [raw.locate(f"{folder}/{file}") for file in table["filename"]]
    metadata = table.drop(columns="stimulus_id").rename_axis("stimulus")
    return nl.load_stimuli(files, ids=shown, metadata=metadata)
