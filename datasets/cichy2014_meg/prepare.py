"""92 photographs: RDMs of MEG in each millisecond."""

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.datasets.rdms import (
    check_shape,
    choose_subjects,
    choose_times,
    close_rdms,
    label_rdms,
    list_pictures,
    read_structs,
)
from neurolens.datasets.volumes import find_array, open_hdf5

MEG = "MEG"
MEG_VARIABLE = "MEG_decoding_RDMs"
# Milliseconds after the picture's onset, one point each.
TIMES = np.arange(-100, 1201)
FLAGS = ("human", "face", "animal", "natural")


def prepare(raw, *, subjects=None, regions=None, times=None):
    """Return the photographs, and RDMs (region, subject, time_bin, stimulus, stimulus_2).

    Parameters
    ----------
    raw : Folder
    subjects : tuple of str or None
        Default: all.
    regions : tuple of str or None
        There is one, whichever is asked for.
    times : tuple of two numbers, optional
        First and last millisecond; default: all.
    """
    stimuli = open_stimuli(raw)
    return {"stimuli": stimuli, "rdms": read_meg(raw, list(stimuli.ids), subjects, times)}


def open_stimuli(raw):
    """Return the photographs with their flags; ids are their number from 1 and category.

    They are unlike those of kriegeskorte2008, which has the same photographs in another order.
    """
    import neurolens as nl

    name = raw.find_one("images")
    entries = read_structs(raw, name, "visual_stimuli", ("category", "pixel_values"))
    pictures = list_pictures(entries, "pixel_values", raw.path / name)
    ids = []
    for number, entry in enumerate(entries, start=1):
        ids.append(f"cichy{number:02d}-{'-'.join(str(entry['category']).split())}")
    columns = {"category": [str(entry["category"]) for entry in entries]}
    for flag in FLAGS:
        if all(np.size(entry.get(flag, ())) == 1 for entry in entries):
            columns[flag] = [np.ravel(entry[flag])[0] for entry in entries]
    metadata = pd.DataFrame(columns, index=pd.Index(ids, name="stimulus"))
    return nl.load_stimuli(pictures, ids=ids, metadata=metadata)


def read_meg(raw, ids, subjects, times):
    """Return RDMs (region, subject, time_bin, stimulus, stimulus_2), the mean over sessions."""
    wanted = choose_times(times, TIMES)
    name = raw.find_one("meg")
    axes = ("subject", "session", "time", "stimulus", "stimulus")
    shape = (None, None, len(TIMES), len(ids), len(ids))

    def average_sessions(values):
        return values[:, wanted].mean(axis=0).astype(np.float32)

    values, names = read_array(
        raw, name, MEG_VARIABLE, axes, shape, subjects, "meg", average_sessions
    )
    rdms = xr.DataArray(
        close_rdms(values[None], raw.path / name),
        dims=("region", "subject", "time_bin", "stimulus", "stimulus_2"),
        coords={"region": np.array([MEG], dtype=object), "time_bin": TIMES[wanted]},
        attrs={"metric": "decoding accuracy", "units": "% correct", "time_units": "ms"},
    )
    return label_rdms(rdms, names, ids)


def read_array(raw, name, variable, axes, shape, subjects, kind, take):
    """Return what ``take`` makes of an array of each of some subjects, and these' names.

    The file is of MATLAB 7.3, which is HDF5 with all axes turned round, so that subjects can be
    read one by one. Arrays have MATLAB's axes; ``shape`` is None where any size will do.
    """
    path = raw.path / name
    with open_hdf5(raw, name) as file:
        array = find_array(file, variable, path)
        check_shape(path, variable, axes, array.shape[::-1], shape)
        places, names = choose_subjects(subjects, kind, array.shape[-1])
        return np.stack([take(array[..., place].T) for place in places]), names
