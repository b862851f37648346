"""Freeman, Ziemba et al. (2013): spike rates of V1 and V2 neurons to textures and noise."""

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.datasets.volumes import find_array, open_hdf5
from neurolens.errors import DataError, InputError

VARIABLES = {"V1": "v1", "V2": "v2"}
# Axes as HDF5 has them: MATLAB's, turned round.
AXES = ("cell", "millisecond", "repetition", "sample", "type", "family")
# The order of families and types in the file, from its readme.
FAMILIES = (327, 336, 393, 402, 13, 18, 23, 30, 38, 48, 52, 56, 60, 71, 99)
TYPES = ("noise", "tex")
N_SAMPLES = 15
# Milliseconds after the picture's onset; the first and the one after the last.
WINDOW = (50, 200)


def prepare(raw, *, subjects=None, regions=None, window=WINDOW):
    """Return responses (presentation, neuroid), and pictures where there are any.

    Parameters
    ----------
    raw : Folder
    subjects : None
        The file does not say which monkey a cell is of.
    regions : tuple of str or None
        Default: V1 and V2.
    window : tuple of int
        Milliseconds after the picture's onset, the first and the one after the last.
    """
    name = raw.find_one("responses")
    values = {region: read_rates(raw, name, region, window) for region in regions or VARIABLES}
    shapes = {rates.shape[:-1] for rates in values.values()}
    if len(shapes) > 1:
        raise DataError(f"the arrays in {raw.path / name} have different repetitions: {shapes}")
    responses = label_responses(values, window)
    parts = {"responses": responses}
    stimuli = open_stimuli(raw)
    if stimuli is not None:
        parts["stimuli"] = stimuli
    return parts


def read_rates(raw, name, region, window):
    """Return spikes per second (family, type, sample, repetition, cell)."""
    path = raw.path / name
    variable = VARIABLES[region]
    with open_hdf5(raw, name) as file:
        spikes = find_array(file, variable, path)
        sizes = (N_SAMPLES, len(TYPES), len(FAMILIES))
        if spikes.ndim != len(AXES) or spikes.shape[3:] != sizes:
            raise DataError(
                f"{variable} in {path} must be ({', '.join(AXES[::-1])}) in MATLAB, with "
                f"{sizes[2]} families, {sizes[1]} types and {sizes[0]} samples, got "
                f"{spikes.shape[::-1]}"
            )
        start, stop = check_window(window, spikes.shape[1])
        rates = []
        for cell in range(spikes.shape[0]):
            counts = spikes[cell, start:stop].sum(axis=0, dtype=np.float64)
            rates.append(counts * 1000 / (stop - start))
    return np.stack(rates).T


def check_window(window, n_times):
    """Return the first millisecond and the one after the last."""
    whole = isinstance(window, tuple | list) and len(window) == 2
    if not whole or not all(isinstance(edge, int) for edge in window):
        raise InputError(f"window must be two whole numbers, in ms, got {window!r}.")
    if not 0 <= window[0] < window[1] <= n_times:
        raise InputError(f"window={window!r}: responses are from 0 to {n_times} ms.")
    return tuple(window)


def list_stimuli():
    """Return the family, type and sample of each picture, in the order of the responses."""
    rows = [
        {"family": family, "type": kind, "sample": sample}
        for family in FAMILIES
        for kind in TYPES
        for sample in range(1, N_SAMPLES + 1)
    ]
    ids = [f"{row['type']}-320x320-im{row['family']}-smp{row['sample']}" for row in rows]
    return pd.DataFrame(rows, index=pd.Index(ids, name="stimulus"))


def label_responses(values, window):
    """Return the rates of all cells (presentation, neuroid)."""
    n_repetitions = next(iter(values.values())).shape[3]
    flat = {region: rates.reshape(-1, rates.shape[-1]) for region, rates in values.items()}
    table = list_stimuli()
    table = table.loc[np.repeat(table.index, n_repetitions)]
    counts = {region: rates.shape[1] for region, rates in flat.items()}
    names = [f"{region}.{number:03d}" for region, n in counts.items() for number in range(1, n + 1)]
    regions = np.repeat(np.array(list(counts), dtype=object), list(counts.values()))
    n_stimuli = len(table) // n_repetitions
    return xr.DataArray(
        np.concatenate(list(flat.values()), axis=1),
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", table.index.to_numpy(dtype=object)),
            "repetition": ("presentation", np.tile(np.arange(n_repetitions), n_stimuli)),
            "texture_type": ("presentation", table["type"].to_numpy(dtype=object)),
            "texture_family": ("presentation", table["family"].to_numpy()),
            "neuroid_id": ("neuroid", np.array(names, dtype=object)),
            "region": ("neuroid", regions),
            "subject": ("neuroid", np.full(len(names), "monkeys", dtype=object)),
        },
        attrs={
            "units": "spikes/s",
            "time_bin_start": window[0],
            "time_bin_end": window[1],
            "time_units": "ms",
        },
    )


def open_stimuli(raw):
    """Return the pictures, None where there is none."""
    import neurolens as nl

    table = list_stimuli()
    names = [f"stim/{name}.png" for name in table.index]
    if not any(raw.has(name) for name in names):
        return None
    files = [raw.locate(name) for name in names]
    return nl.load_stimuli(files, ids=list(table.index), metadata=table)
