"""RDMs to and from rsatoolbox, with labels intact."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.compare.inputs.responses import number_labels
from neurolens.errors import DataError, InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    TIME_BIN,
    check_unique,
    get_ids,
    list_names,
)

if TYPE_CHECKING:
    from rsatoolbox.rdm import RDMs

LEADING = (OP, REGION, SUBJECT, TIME_BIN)
# Written into a file whose names rsatoolbox could not read: it knows ASCII only.
ESCAPED = "neurolens_escaped_names"
GROUPS = ("rdm_descriptors", "pattern_descriptors")


def to_rsatoolbox(rdms: xr.DataArray) -> "RDMs":
    """Hand RDMs over to rsatoolbox, its pattern and RDM descriptors filled from the labels.

    Parameters
    ----------
    rdms : DataArray (..., stimulus, stimulus_2)
        As ``compute_rdms`` returns; leading dimensions among op, region, subject, time_bin. A
        (region, subject) that is NaN throughout is left out.

    Returns
    -------
    rsatoolbox.rdm.RDMs
        ``pattern_descriptors["stimulus"]``, one entry of ``rdm_descriptors`` per leading dimension,
        ``dissimilarity_measure`` = the metric. Other coordinates along one of these dimensions,
        such as ``category`` of stimuli or ``time_bin_start``, become descriptors too.

    Raises
    ------
    LabelError
        A dimension is not one of these, or has no labels.

    Notes
    -----
    rsatoolbox matches stimuli by position: put both sides in the same order before its ``compare``.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> ids = ["cat", "dog", "cup"]
    >>> rdm = xr.DataArray(1 - np.eye(3), dims=("stimulus", "stimulus_2"),
    ...                    coords={"stimulus": ids, "stimulus_2": ids}, attrs={"metric": "correlation"})
    >>> rsa = to_rsatoolbox(rdm)
    >>> rsa.n_rdm, rsa.n_cond, rsa.dissimilarity_measure
    (1, 3, 'correlation')
    >>> from_rsatoolbox(rsa).equals(rdm)
    True
    """
    from rsatoolbox.rdm import RDMs

    lead = [dim for dim in LEADING if dim in rdms.dims]
    if set(rdms.dims) != {*lead, STIMULUS, STIMULUS_2}:
        raise LabelError(
            f"rdms must have dimensions 'stimulus', 'stimulus_2' and any of {LEADING}, got "
            f"{tuple(rdms.dims)}. "
            "Select with rdms.isel(...) or rename with rdms.rename(...)."
        )
    for dim in (STIMULUS, *lead):
        get_ids(rdms, dim, "rdms")
    flat = rdms.stack(rdm=lead, create_index=False) if lead else rdms.expand_dims("rdm")
    flat = flat.transpose("rdm", STIMULUS, STIMULUS_2)
    flat = flat[~np.isnan(flat.values).all(axis=(1, 2))]
    if not len(flat):
        raise InputError(
            "rdms are NaN throughout, so there is nothing to hand over. Pass RDMs that hold "
            "numbers."
        )
    along = {str(name): (c.dims, c.values.tolist()) for name, c in flat.coords.items()}
    rdm, pattern = (
        {name: c for name, (dims, c) in along.items() if dims == (dim,)}
        for dim in ("rdm", STIMULUS)
    )
    return RDMs(
        flat.values, rdms.attrs.get("metric"), rdm_descriptors=rdm, pattern_descriptors=pattern
    )


def from_rsatoolbox(rsa_rdms: "RDMs", *, stimulus: str = STIMULUS) -> xr.DataArray:
    """Take RDMs over from rsatoolbox, labelled by its descriptors.

    Parameters
    ----------
    rsa_rdms : rsatoolbox.rdm.RDMs
        With an ``rdm_descriptors`` entry "op", "region", "subject" or "time_bin" (any of them) when
        it holds more than one RDM.
    stimulus : str
        The pattern descriptor that holds the stimulus ids.

    Returns
    -------
    DataArray (..., stimulus, stimulus_2)
        Named "rdm", leading dimensions in the order op, region, subject, time_bin; NaN where a
        combination does not occur. Other pattern descriptors become coordinates of stimulus, other
        RDM descriptors coordinates of the leading dimension that they follow; one that follows none
        is left out.

    Raises
    ------
    LabelError
        The pattern descriptor is not there, its ids repeat, or the RDM descriptors do not tell the
        RDMs apart.

    Examples
    --------
    >>> from rsatoolbox.rdm import RDMs
    >>> rsa = RDMs(np.ones((2, 3)), rdm_descriptors={"subject": ["A", "B"]},
    ...            pattern_descriptors={"conds": ["cat", "dog", "cup"]})
    >>> dict(from_rsatoolbox(rsa, stimulus="conds").sizes)
    {'subject': 2, 'stimulus': 3, 'stimulus_2': 3}
    """
    if stimulus not in rsa_rdms.pattern_descriptors:
        raise LabelError(
            f"no pattern descriptor {stimulus!r} holds the stimulus ids; there are "
            f"{list_names(rsa_rdms.pattern_descriptors)}. Name it: from_rsatoolbox(rdms, "
            f"stimulus='...')."
        )
    ids = np.asarray(list(rsa_rdms.pattern_descriptors[stimulus]))
    check_unique(ids.tolist(), f"the pattern descriptor {stimulus!r}")
    columns = {
        dim: list(rsa_rdms.rdm_descriptors[dim])
        for dim in LEADING
        if dim in rsa_rdms.rdm_descriptors
    }
    places = list(zip(*columns.values(), strict=True)) if columns else [()] * rsa_rdms.n_rdm
    if len(set(places)) < len(places):
        raise LabelError(
            f"the {len(places)} RDMs must differ in their descriptors {LEADING}, got "
            f"{list_names(places)}. Set e.g. "
            "rdms.rdm_descriptors['subject'] = [...] with one label per RDM."
        )
    numbered = {
        dim: number_labels(column, f"the descriptor {dim!r}") for dim, column in columns.items()
    }
    labels = {dim: known.tolist() for dim, (_, known) in numbered.items()}
    squares = np.full((*map(len, labels.values()), len(ids), len(ids)), np.nan)
    squares[tuple(codes for codes, _ in numbered.values())] = rsa_rdms.get_matrices()
    coords: dict[str, Any] = {**labels, STIMULUS: ids, STIMULUS_2: ids}
    rdms = xr.DataArray(squares, dims=tuple(coords), coords=coords, name="rdm")
    for name, values in rsa_rdms.pattern_descriptors.items():
        if name not in ("index", stimulus, *rdms.coords):
            rdms = rdms.assign_coords({name: (STIMULUS, list(values))})
    for name, values in rsa_rdms.rdm_descriptors.items():
        pairs = {dim: dict(zip(column, values, strict=True)) for dim, column in columns.items()}
        follows = [
            dim for dim in pairs if [pairs[dim][label] for label in columns[dim]] == list(values)
        ]
        if name not in ("index", *rdms.coords) and follows:
            rdms = rdms.assign_coords(
                {name: (follows[0], [pairs[follows[0]][label] for label in labels[follows[0]]])}
            )
    return rdms.assign_attrs(
        {"metric": rsa_rdms.dissimilarity_measure} if rsa_rdms.dissimilarity_measure else {}
    )


def write_rdms(path: str | Path, rdms: xr.DataArray) -> Path:
    r"""Write RDMs to an HDF5 file that rsatoolbox can open: ``rsatoolbox.rdm.load_rdm(str(path), "hdf5")``.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    rdms : DataArray (..., stimulus, stimulus_2)
        As for ``to_rsatoolbox``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        The file cannot be written.
    InputError, LabelError
        As for ``to_rsatoolbox``.

    Notes
    -----
    Names beyond ASCII, which rsatoolbox refuses, are written with escapes (``\xe9``): ``read_rdms``
    gives them back as they were, rsatoolbox shows the escapes.
    """
    content = to_rsatoolbox(rdms).to_dict()
    from rsatoolbox.io.hdf5 import write_dict_hdf5

    if any(
        not str(v).isascii()
        for group in GROUPS
        for values in content[group].values()
        for v in values
    ):
        _map_names(content, lambda v: v.encode("unicode_escape").decode("ascii"))
        content[ESCAPED] = "yes"
    try:
        Path(path).unlink(missing_ok=True)
        write_dict_hdf5(str(path), content)
    except OSError as error:
        raise DataError(
            f"cannot write {str(path)!r} ({error}). Pass a path in a folder that can be written."
        ) from None
    return Path(path)


def read_rdms(path: str | Path, *, stimulus: str = STIMULUS) -> xr.DataArray:
    """Read RDMs from an HDF5 file of ``write_rdms`` or of rsatoolbox's ``RDMs.save``.

    Parameters
    ----------
    path : path
    stimulus : str
        The pattern descriptor that holds the stimulus ids.

    Returns
    -------
    DataArray (..., stimulus, stimulus_2)
        As from ``from_rsatoolbox``.

    Raises
    ------
    DataError
        The file is missing, or holds no RDMs.
    LabelError
        As for ``from_rsatoolbox``.
    """
    from rsatoolbox.io.hdf5 import read_dict_hdf5
    from rsatoolbox.rdm.rdms import rdms_from_dict

    try:
        content = read_dict_hdf5(str(path))
        if content.pop(ESCAPED, None):
            _map_names(content, lambda v: v.encode("ascii").decode("unicode_escape"))
        rsa_rdms = rdms_from_dict(content)
    except (OSError, KeyError) as error:
        raise DataError(
            f"{str(path)!r} is no HDF5 file of RDMs ({error}). Write one with write_rdms."
        ) from None
    if isinstance(rsa_rdms.dissimilarity_measure, np.ndarray | bytes):
        rsa_rdms.dissimilarity_measure = None
    return from_rsatoolbox(rsa_rdms, stimulus=stimulus)


def _map_names(content: dict[str, Any], change: Callable[[str], str]) -> None:
    """Apply ``change`` to every text in the descriptors of ``content``."""
    for group in GROUPS:
        for name, values in content[group].items():
            content[group][name] = [change(str(v)) if isinstance(v, str) else v for v in values]
