"""RDMs to and from rsatoolbox, with labels intact."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError, MissingToolError
from neurolens.labels import OP, REGION, STIMULUS, STIMULUS_2, SUBJECT, check_unique, get_ids, list_names

if TYPE_CHECKING:
    from rsatoolbox.rdm import RDMs

LEADING = (OP, REGION, SUBJECT)


def to_rsatoolbox(rdms: xr.DataArray) -> "RDMs":
    """Hand RDMs over to rsatoolbox, its pattern and RDM descriptors filled from the labels.

    Parameters
    ----------
    rdms : DataArray (..., stimulus, stimulus_2)
        As ``compute_rdms`` returns; leading dimensions among op, region, subject. A (region, subject) that is NaN
        throughout is left out.

    Returns
    -------
    rsatoolbox.rdm.RDMs
        ``pattern_descriptors["stimulus"]``, one entry of ``rdm_descriptors`` per leading dimension,
        ``dissimilarity_measure`` = the metric.

    Raises
    ------
    LabelError
        A dimension is not one of these, or has no labels.
    MissingToolError
        rsatoolbox is not installed.

    Notes
    -----
    rsatoolbox matches stimuli by position: put both sides in the same order before its ``compare``. Coordinates
    other than the dimensions' own labels are not carried over.

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
    return rsa_class(
        np.stack([rdms.values[place] for place in places]),
        dissimilarity_measure=rdms.attrs.get("metric"),
        rdm_descriptors={
            dim: [values[place[k]].item() for place in places]
            for k, (dim, values) in enumerate(zip(lead, labels, strict=True))
        },
        pattern_descriptors={STIMULUS: ids.tolist()},
    )


def from_rsatoolbox(rsa_rdms: "RDMs", *, stimulus: str = STIMULUS) -> xr.DataArray:
    """Take RDMs over from rsatoolbox, labelled by its descriptors.

    Parameters
    ----------
    rsa_rdms : rsatoolbox.rdm.RDMs
        With an ``rdm_descriptors`` entry "op", "region" or "subject" (any of them) when it holds more than one RDM.
    stimulus : str
        The pattern descriptor that holds the stimulus ids.

    Returns
    -------
    DataArray (..., stimulus, stimulus_2)
        Named "rdm", leading dimensions in the order op, region, subject; NaN where a combination does not occur.

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
    return rdms.assign_attrs({"metric": rsa_rdms.dissimilarity_measure} if rsa_rdms.dissimilarity_measure else {})


def _load_rdms_class() -> type:
    """Return rsatoolbox.rdm.RDMs, imported only when asked for: it is optional and slow to import."""
    try:
        from rsatoolbox.rdm import RDMs
    except ImportError as error:
        raise MissingToolError("rsatoolbox is not installed; pip install rsatoolbox") from error
    return RDMs
