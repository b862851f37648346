"""RDMs in HDF5 files of rsatoolbox."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.rdms.rsatoolbox import from_rsatoolbox, to_rsatoolbox
from neurolens.errors import DataError, LabelError
from neurolens.labels import STIMULUS, list_names

# Marks a file whose names are escaped, because rsatoolbox reads ASCII only.
ESCAPED = "neurolens_escaped_names"
GROUPS = ("rdm_descriptors", "pattern_descriptors")
# The second byte of a pickle: its protocol.
PICKLES = (b"\x02", b"\x03", b"\x04", b"\x05")
# What rsatoolbox numbers stimuli with, which names none.
INDEX = "index"


def write_hdf5(rdms: xr.DataArray, path: Path) -> None:
    """Write RDMs as rsatoolbox does; raise DataError where the file cannot be written."""
    content = to_rsatoolbox(rdms).to_dict()
    from rsatoolbox.io.hdf5 import write_dict_hdf5

    names = [v for group in GROUPS for values in content[group].values() for v in values]
    if not all(str(name).isascii() for name in names):
        _map_names(content, lambda v: v.encode("unicode_escape").decode("ascii"))
        content[ESCAPED] = "yes"
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.unlink(missing_ok=True)
        write_dict_hdf5(str(part), content)
        os.replace(part, path)
    except OSError as error:
        raise DataError(
            f"cannot write {str(path)!r} ({error}). Pass a path in a folder that can be written.",
            anchor="cannot-write",
        ) from None
    finally:
        part.unlink(missing_ok=True)


def read_hdf5(path: Path, stimulus: str | None) -> xr.DataArray:
    """Return the RDMs in a file, their ids from the pattern descriptor called ``stimulus``.

    By default that is "stimulus", or else the only one.

    Raises
    ------
    DataError
        The file is missing, holds no RDMs or is a pickle, which would run code when it is opened.
    LabelError
        The descriptor is missing, or the RDMs are not apart.
    """
    refuse_pickle(path)
    from rsatoolbox.io.hdf5 import read_dict_hdf5
    from rsatoolbox.rdm.rdms import rdms_from_dict

    try:
        content = read_dict_hdf5(str(path))
        if content.pop(ESCAPED, None):
            _map_names(content, lambda v: v.encode("ascii").decode("unicode_escape"))
        rsa_rdms = rdms_from_dict(content)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{str(path)!r} is no HDF5 file of RDMs ({type(error).__name__}: {reason}). Write one "
            "with neurolens.brain.write_rdms or RDMs.save of rsatoolbox."
        ) from error
    if isinstance(rsa_rdms.dissimilarity_measure, np.ndarray | bytes):
        rsa_rdms.dissimilarity_measure = None
    try:
        return from_rsatoolbox(rsa_rdms, stimulus=_choose_descriptor(rsa_rdms, stimulus, path))
    except LabelError as error:
        raise LabelError(
            f"{error} To change what a file holds open it as rdms = "
            f"rsatoolbox.rdm.load_rdm({str(path)!r}, 'hdf5'), and pass it to from_rsatoolbox(rdms)."
        ) from None


def _choose_descriptor(rsa_rdms: Any, stimulus: str | None, path: Path) -> str:
    """Return the name of the pattern descriptor that holds the ids of stimuli."""
    names = [name for name in rsa_rdms.pattern_descriptors if name != INDEX]
    if stimulus is not None:
        return stimulus
    if STIMULUS in names:
        return STIMULUS
    if len(names) != 1:
        raise LabelError(
            f"{path.name} has no pattern descriptor 'stimulus' and {len(names)} others, "
            f"{list_names(names)}. Say which holds the ids of stimuli, variable='...'."
        )
    return names[0]


def refuse_pickle(path: Path) -> None:
    """Raise DataError for a pickle, by its name or its first bytes."""
    with open(path, "rb") as file:
        start = file.read(2)
    if path.suffix.lower() in (".pkl", ".pickle") or (
        start[:1] == b"\x80" and start[1:] in PICKLES
    ):
        raise DataError(
            f"{str(path)!r} is a pickle, and opening one runs whatever code it holds. If you trust "
            f"it, convert it: from_rsatoolbox(rsatoolbox.rdm.load_rdm({str(path)!r}, 'pkl')).",
            anchor="not-opened-for-safety",
        )


def _map_names(content: dict[str, Any], change: Callable[[str], str]) -> None:
    """Apply ``change`` to every text in the descriptors of ``content``."""
    for group in GROUPS:
        for name, values in content[group].items():
            content[group][name] = [change(str(v)) if isinstance(v, str) else v for v in values]
