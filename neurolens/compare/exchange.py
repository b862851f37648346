"""RDMs to and from rsatoolbox, with labels intact."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import DataError, InputError, LabelError, MissingToolError
from neurolens.labels import OP, REGION, STIMULUS, STIMULUS_2, SUBJECT, TIME_BIN, check_unique, get_ids, list_names

if TYPE_CHECKING:
    from rsatoolbox.rdm import RDMs

LEADING = (OP, REGION, SUBJECT, TIME_BIN)
# Written into a file whose names rsatoolbox could not read: it knows ASCII only.
ESCAPED = "neurolens_escaped_names"


def to_rsatoolbox(rdms: xr.DataArray) -> "RDMs":
    """Hand RDMs over to rsatoolbox, its pattern and RDM descriptors filled from the labels.

    Parameters
    ----------
    rdms : DataArray (..., stimulus, stimulus_2)
        As ``compute_rdms`` returns; leading dimensions among op, region, subject, time_bin. A (region,
        subject) that is NaN throughout is left out.

    Returns
    -------
    rsatoolbox.rdm.RDMs
        ``pattern_descriptors["stimulus"]``, one entry of ``rdm_descriptors`` per leading dimension,
        ``dissimilarity_measure`` = the metric. Other coordinates along one of these dimensions, such as ``category``
        of stimuli or ``time_bin_start``, become descriptors too.

    Raises
    ------
    LabelError
        A dimension is not one of these, or has no labels.
    MissingToolError
        rsatoolbox is not installed.

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
    rsa_class = _load_rdms_class()
    lead = [dim for dim in LEADING if dim in rdms.dims]
    if set(rdms.dims) != {*lead, STIMULUS, STIMULUS_2}:
        raise LabelError(
            f"rdms must have dimensions 'stimulus', 'stimulus_2' and any of {LEADING}, got {tuple(rdms.dims)}. "
            "Select with rdms.isel(...) or rename with rdms.rename(...)."
        )
    rdms = rdms.transpose(*lead, STIMULUS, STIMULUS_2)
    ids = get_ids(rdms, STIMULUS, "rdms")
    labels = [get_ids(rdms, dim, "rdms") for dim in lead]
    places = [place for place in np.ndindex(rdms.shape[:-2]) if not np.isnan(rdms.values[place]).all()]
    if not places:
        raise InputError("rdms are NaN throughout, so there is nothing to hand over. Pass RDMs that hold numbers.")
    columns = {dim: (k, values) for k, (dim, values) in enumerate(zip(lead, labels, strict=True))}
    others = {str(name): c for name, c in rdms.coords.items() if len(c.dims) == 1 and name not in rdms.dims}
    columns |= {name: (lead.index(c.dims[0]), c.values) for name, c in others.items() if c.dims[0] in lead}
    return rsa_class(
        np.stack([rdms.values[place] for place in places]),
        dissimilarity_measure=rdms.attrs.get("metric"),
        rdm_descriptors={name: [values[place[k]].item() for place in places] for name, (k, values) in columns.items()},
        pattern_descriptors={STIMULUS: ids.tolist()}
        | {name: c.values.tolist() for name, c in others.items() if c.dims == (STIMULUS,)},
    )


def from_rsatoolbox(rsa_rdms: "RDMs", *, stimulus: str = STIMULUS) -> xr.DataArray:
    """Take RDMs over from rsatoolbox, labelled by its descriptors.

    Parameters
    ----------
    rsa_rdms : rsatoolbox.rdm.RDMs
        With an ``rdm_descriptors`` entry "op", "region", "subject" or "time_bin" (any of them) when it holds
        more than one RDM.
    stimulus : str
        The pattern descriptor that holds the stimulus ids.

    Returns
    -------
    DataArray (..., stimulus, stimulus_2)
        Named "rdm", leading dimensions in the order op, region, subject, time_bin; NaN where a combination does
        not occur. Other pattern descriptors become coordinates of stimulus, other RDM descriptors coordinates of the
        leading dimension that they follow; one that follows none is left out.

    Raises
    ------
    LabelError
        The pattern descriptor is not there, its ids repeat, or the RDM descriptors do not tell the RDMs apart.

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
            f"{list_names(rsa_rdms.pattern_descriptors)}. Name it: from_rsatoolbox(rdms, stimulus='...')."
        )
    ids = np.asarray(list(rsa_rdms.pattern_descriptors[stimulus]))
    check_unique(ids.tolist(), f"the pattern descriptor {stimulus!r}")
    columns = {dim: list(rsa_rdms.rdm_descriptors[dim]) for dim in LEADING if dim in rsa_rdms.rdm_descriptors}
    places = list(zip(*columns.values(), strict=True)) if columns else [()] * rsa_rdms.n_rdm
    if len(set(places)) < len(places):
        raise LabelError(
            f"the {len(places)} RDMs must differ in their descriptors {LEADING}, got {list_names(places)}. Set e.g. "
            "rdms.rdm_descriptors['subject'] = [...] with one label per RDM."
        )
    labels = {dim: list(dict.fromkeys(column)) for dim, column in columns.items()}
    squares = np.full((*map(len, labels.values()), len(ids), len(ids)), np.nan)
    for place, square in zip(places, rsa_rdms.get_matrices(), strict=True):
        squares[tuple(known.index(value) for known, value in zip(labels.values(), place, strict=True))] = square
    coords: dict[str, Any] = {**labels, STIMULUS: ids, STIMULUS_2: ids}
    rdms = xr.DataArray(squares, dims=tuple(coords), coords=coords, name="rdm")
    for name, values in rsa_rdms.pattern_descriptors.items():
        if name not in ("index", stimulus, *rdms.coords):
            rdms = rdms.assign_coords({name: (STIMULUS, list(values))})
    for name, values in rsa_rdms.rdm_descriptors.items():
        pairs = {dim: dict(zip(column, values, strict=True)) for dim, column in columns.items()}
        follows = [dim for dim in pairs if [pairs[dim][label] for label in columns[dim]] == list(values)]
        if name not in ("index", *rdms.coords) and follows:
            rdms = rdms.assign_coords({name: (follows[0], [pairs[follows[0]][label] for label in labels[follows[0]]])})
    return rdms.assign_attrs({"metric": rsa_rdms.dissimilarity_measure} if rsa_rdms.dissimilarity_measure else {})


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
    InputError, LabelError, MissingToolError
        As for ``to_rsatoolbox``.

    Notes
    -----
    Names beyond ASCII, which rsatoolbox refuses, are written with escapes (``\xe9``): ``read_rdms`` gives them back as
    they were, rsatoolbox shows the escapes.
    """
    content = to_rsatoolbox(rdms).to_dict()
    from rsatoolbox.io.hdf5 import write_dict_hdf5

    groups = ("rdm_descriptors", "pattern_descriptors")
    if any(not str(v).isascii() for g in groups for values in content[g].values() for v in values):
        content[ESCAPED] = "yes"
        for group in groups:
            content[group] = _map_names(content[group], lambda v: v.encode("unicode_escape").decode("ascii"))
    try:
        Path(path).unlink(missing_ok=True)
        write_dict_hdf5(str(path), content)
    except OSError as error:
        raise DataError(f"cannot write {str(path)!r} ({error}). Pass a path in a folder that can be written.") from None
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
    LabelError, MissingToolError
        As for ``from_rsatoolbox``.
    """
    _load_rdms_class()
    from rsatoolbox.io.hdf5 import read_dict_hdf5
    from rsatoolbox.rdm.rdms import rdms_from_dict

    try:
        content = read_dict_hdf5(str(path))
        if content.pop(ESCAPED, None):
            for group in ("rdm_descriptors", "pattern_descriptors"):
                content[group] = _map_names(content[group], lambda v: v.encode("ascii").decode("unicode_escape"))
        rsa_rdms = rdms_from_dict(content)
    except (OSError, KeyError) as error:
        raise DataError(
            f"{str(path)!r} is no HDF5 file of RDMs ({error}). Write one with write_rdms(path, rdms)."
        ) from None
    if isinstance(rsa_rdms.dissimilarity_measure, np.ndarray | bytes):
        rsa_rdms.dissimilarity_measure = None
    return from_rsatoolbox(rsa_rdms, stimulus=stimulus)


def _map_names(descriptors: dict[str, Any], change: Callable[[str], str]) -> dict[str, list]:
    """Return ``descriptors`` with ``change`` applied to every text in them."""
    return {name: [change(str(v)) if isinstance(v, str) else v for v in values] for name, values in descriptors.items()}


def _load_rdms_class() -> type:
    """Return rsatoolbox.rdm.RDMs, imported only when asked for: it is optional and slow to import."""
    try:
        from rsatoolbox.rdm import RDMs
    except ImportError as error:
        raise MissingToolError("rsatoolbox is not installed; pip install rsatoolbox") from error
    return RDMs
