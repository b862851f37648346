"""118 photographs of objects: RDMs of two regions by fMRI, or of MEG over time."""

import numpy as np
import xarray as xr

from neurolens.datasets.rdms import (
    check_shape,
    choose_subjects,
    choose_times,
    close_rdms,
    label_rdms,
    open_named_pictures,
    read_variable,
)
from neurolens.errors import DataError, InputError

VARIABLES = {"EVC": "EVC_RDMs", "IT": "IT_RDMs"}
MEG = "MEG"
MEG_VARIABLE = "MEG_decoding_RDMs"
# Milliseconds after the picture's onset, one point each.
TIMES = np.arange(-100, 1001)


def prepare(raw, *, subjects=None, regions=None, times=None):
    """Return the photographs, and RDMs (region, subject[, time_bin], stimulus, stimulus_2).

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: all of fMRI. MEG is over time, and is asked for alone.
    times : tuple of two numbers, optional
        First and last millisecond of MEG.
    """
    chosen = list(regions or VARIABLES)
    if MEG in chosen and len(chosen) > 1:
        raise InputError(f"{MEG} is over time: ask for regions={MEG!r} alone, or without it.")
    if times is not None and MEG not in chosen:
        raise InputError(f"times= is of MEG: type regions={MEG!r}, or leave it out.")
    stimuli = open_named_pictures(raw, raw.find_one("images"))
    ids = list(stimuli.ids)
    if MEG in chosen:
        rdms = read_meg(raw, ids, subjects, times)
    else:
        rdms = read_fmri(raw, ids, subjects, chosen)
    return {"stimuli": stimuli, "rdms": rdms}


def read_fmri(raw, ids, subjects, regions):
    """Return RDMs (region, subject, stimulus, stimulus_2)."""
    name = raw.find_one("fmri")
    axes = ("subject", "stimulus", "stimulus")
    shape = (None, len(ids), len(ids))
    read = [read_array(raw, name, VARIABLES[r], axes, shape, subjects, "fmri") for r in regions]
    names = read[0][1]
    if any(other != names for _, other in read):
        raise DataError(f"the arrays in {raw.path / name} are of different subjects")
    rdms = xr.DataArray(
        close_rdms(np.stack([values for values, _ in read]), raw.path / name),
        dims=("region", "subject", "stimulus", "stimulus_2"),
        coords={"region": np.array(regions, dtype=object)},
        attrs={"metric": "correlation", "units": "1 - Pearson r"},
    )
    return label_rdms(rdms, names, ids)


def read_meg(raw, ids, subjects, times):
    """Return RDMs (region, subject, time_bin, stimulus, stimulus_2), the mean over sessions."""
    wanted = choose_times(times, TIMES)
    name = raw.find_one("meg")
    axes = ("subject", "session", "time", "stimulus", "stimulus")
    shape = (None, None, len(TIMES), len(ids), len(ids))
    values, names = read_array(raw, name, MEG_VARIABLE, axes, shape, subjects, "meg")
    means = [sessions[:, wanted].mean(axis=0, dtype=np.float32) for sessions in values]
    rdms = xr.DataArray(
        close_rdms(np.stack(means)[None], raw.path / name),
        dims=("region", "subject", "time_bin", "stimulus", "stimulus_2"),
        coords={"region": np.array([MEG], dtype=object), "time_bin": TIMES[wanted]},
        attrs={"metric": "decoding accuracy", "units": "% correct", "time_units": "ms"},
    )
    return label_rdms(rdms, names, ids)


def read_array(raw, name, variable, axes, shape, subjects, kind):
    """Return the arrays of some subjects, with MATLAB's axes, and these' names.

    ``shape`` is None where any size will do.
    """
    array = np.asarray(read_variable(raw, name, variable))
    check_shape(raw.path / name, variable, axes, array.shape, shape)
    places, names = choose_subjects(subjects, kind, len(array))
    return [array[place] for place in places], names
