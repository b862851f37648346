"""RDMs as files: a table of one, or an HDF5 file of rsatoolbox with any number."""

import csv
import os
from pathlib import Path

import numpy as np
import xarray as xr

from neurolens.brain.rdms.hdf5 import write_hdf5
from neurolens.brain.rdms.reading import HDF5, TABLES
from neurolens.errors import DataError, InputError, LabelError
from neurolens.labels import STIMULUS, STIMULUS_2, align_labels, get_ids


def write_rdms(rdms: xr.DataArray, path: str | Path) -> Path:
    r"""Write RDMs to a table, or to an HDF5 file that rsatoolbox can open.

    Parameters
    ----------
    rdms : DataArray (..., stimulus, stimulus_2)
        For HDF5, leading dimensions are among op, region, subject and time_bin; a (region, subject)
        that is NaN throughout is left out. A table holds a single RDM.
    path : path
        Ends in .csv, .tsv, .h5 or .hdf5. An existing file is replaced once the new one is whole.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        The file cannot be written.
    InputError
        The name ends otherwise, or several RDMs are for one table.
    LabelError
        A dimension has another name, or no labels.

    Notes
    -----
    `read_rdms` gives the same numbers back; of a table not the region, subject and other labels.
    rsatoolbox opens HDF5 with ``rsatoolbox.rdm.load_rdm(str(path), "hdf5")``; it refuses names
    beyond ASCII, which are written with escapes (``\xe9``) that `read_rdms` restores. Ids in tables
    are text.
    """
    if not isinstance(rdms, xr.DataArray):
        raise InputError(
            f"rdms must be a DataArray (..., stimulus, stimulus_2), got {type(rdms).__name__}. "
            "compute_rdms and read_rdms return such.",
            anchor="wrong-object",
        )
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in HDF5:
        write_hdf5(rdms, path)
    elif suffix in TABLES:
        _write_table(rdms, path, "," if suffix == ".csv" else "\t")
    else:
        raise InputError(
            f"RDMs are written to {', '.join((*TABLES, *HDF5))}, got {path.name!r}. Name the file "
            "rdms.h5, for instance.",
            anchor="unknown-format",
        )
    return path


def _write_table(rdms: xr.DataArray, path: Path, separator: str) -> None:
    """Write one RDM as a square with the ids above and before it."""
    single = rdms.squeeze([dim for dim in rdms.dims if rdms.sizes[dim] == 1], drop=True)
    if set(single.dims) != {STIMULUS, STIMULUS_2}:
        raise InputError(
            f"a table holds a single RDM, got {dict(rdms.sizes)}. Select one, or write to .h5."
        )
    ids = get_ids(single, STIMULUS, "rdms").tolist()
    texts = [str(one) for one in ids]
    if len(set(texts)) < len(texts) or any(text != text.strip() or not text for text in texts):
        raise LabelError(
            "ids in a table must differ as text, without spaces around them. Write to .h5 instead."
        )
    single = align_labels(single, ids, name="rdms", other="its 'stimulus' labels")
    values = single.transpose(STIMULUS, STIMULUS_2).values
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=separator)
            writer.writerow(["", *texts])
            for name, row in zip(texts, values.tolist(), strict=True):
                writer.writerow([name, *("" if np.isnan(x) else repr(x) for x in row)])
        os.replace(part, path)
    except OSError as error:
        raise DataError(
            f"cannot write {str(path)!r} ({error}). Pass a path in a folder that can be written.",
            anchor="cannot-write",
        ) from None
    finally:
        part.unlink(missing_ok=True)
