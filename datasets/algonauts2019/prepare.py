"""Algonauts Project 2019: RDMs of fMRI and MEG for one of the two sets of training pictures."""

import numpy as np
import xarray as xr

from neurolens.datasets.rdms import close_rdms, label_rdms, open_named_pictures, read_variable
from neurolens.errors import DataError, UnknownNameError

SETS = ("92", "118")
# Region -> its file, its variable, and the start of its subjects' names.
SOURCES = {
    "EVC": ("fmri", "EVC_RDMs", "fmri"),
    "IT": ("fmri", "IT_RDMs", "fmri"),
    "MEG early": ("meg", "MEG_RDMs_early", "meg"),
    "MEG late": ("meg", "MEG_RDMs_late", "meg"),
}
# MATLAB's axes, of which MEG's time is averaged over.
AXES = {
    "fmri": ("subject", "stimulus", "stimulus"),
    "meg": ("subject", "time", "stimulus", "stimulus"),
}
N_SUBJECTS = (15, 16)


def prepare(raw, *, subjects=None, regions=None, image_set="118"):
    """Return the pictures of a set, and RDMs (region, subject, stimulus, stimulus_2).

    Parameters
    ----------
    raw : Folder
    subjects, regions : tuple of str or None
        Default: all. Those of fMRI and of MEG have names of their own.
    image_set : {"92", "118"}
    """
    if str(image_set) not in SETS:
        raise UnknownNameError(f"no set of {image_set!r} pictures. Choose one of {SETS}.")
    entities = {"set": str(image_set)}
    stimuli = open_named_pictures(raw, raw.find_one("images", **entities))
    ids = list(stimuli.ids)
    held = {}
    for region in regions or SOURCES:
        part, variable, kind = SOURCES[region]
        values = read_rdms(raw, raw.find_one(part, **entities), variable, kind, len(ids))
        names = [f"{kind}{number:02d}" for number in range(1, len(values) + 1)]
        held[region] = dict(zip(names, values, strict=True))
    known = list(dict.fromkeys(name for by_subject in held.values() for name in by_subject))
    chosen = [name for name in known if subjects is None or name in subjects]
    lost = [name for name in subjects or () if name not in known]
    if lost:
        raise DataError(
            f"{', '.join(lost)} have no RDM of {', '.join(held)}. Those that have: {known[0]} to "
            f"{known[-1]}."
        )
    return {"stimuli": stimuli, "rdms": join_rdms(held, chosen, ids)}


def read_rdms(raw, name, variable, kind, n_stimuli):
    """Return RDMs (subject, stimulus, stimulus_2), the mean over time where there is any."""
    values = np.asarray(read_variable(raw, name, variable))
    axes = AXES[kind]
    path = raw.path / name
    is_square = values.shape[-2:] == (n_stimuli, n_stimuli)
    if values.ndim != len(axes) or not is_square or len(values) not in N_SUBJECTS:
        raise DataError(
            f"{variable} in {path} must be ({', '.join(axes)}) in MATLAB, with {N_SUBJECTS[0]} or "
            f"{N_SUBJECTS[1]} subjects and {n_stimuli} stimuli, got {values.shape}"
        )
    if kind == "meg":
        values = values.mean(axis=1, dtype=np.float64)
    return close_rdms(values.astype(np.float64), path)


def join_rdms(held, subjects, ids):
    """Return one array over regions and subjects, NaN where a region is not of a subject."""
    values = np.full((len(held), len(subjects), len(ids), len(ids)), np.nan)
    for row, by_subject in enumerate(held.values()):
        for column, name in enumerate(subjects):
            if name in by_subject:
                values[row, column] = by_subject[name]
    rdms = xr.DataArray(
        values,
        dims=("region", "subject", "stimulus", "stimulus_2"),
        coords={"region": np.array(list(held), dtype=object)},
        attrs={"units": "fMRI: 1 - Pearson r; MEG: as published, the mean over the interval"},
    )
    return label_rdms(rdms, subjects, ids)
