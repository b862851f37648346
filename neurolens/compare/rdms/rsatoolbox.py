"""RDMs to and from rsatoolbox, with labels intact."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_kind
from neurolens.compare.inputs.regions import number_labels
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    TIME_BIN,
    align_labels,
    check_unique,
    get_ids,
    list_names,
)

if TYPE_CHECKING:
    from rsatoolbox.rdm import RDMs

LEADING = (OP, REGION, SUBJECT, TIME_BIN)
# What rsatoolbox and its users call these descriptors: "time" in RDMs of movies, "participant" in
# those of Meadows.
ALIASES: dict[str, tuple[str, ...]] = {
    REGION: ("roi", "ROI", "area"),
    SUBJECT: ("participant", "participants", "participant_id", "subject_id", "subj", "sub"),
    TIME_BIN: ("time", "times", "time_point"),
}


def to_rsatoolbox(rdms: xr.DataArray) -> "RDMs":
    """Convert RDMs to those of rsatoolbox, with pattern and RDM descriptors from the labels.

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
    ...                    coords={"stimulus": ids, "stimulus_2": ids},
    ...                    attrs={"metric": "correlation"})
    >>> rsa = to_rsatoolbox(rdm)
    >>> rsa.n_rdm, rsa.n_cond, rsa.dissimilarity_measure
    (1, 3, 'correlation')
    >>> from_rsatoolbox(rsa).equals(rdm)
    True
    """
    from rsatoolbox.rdm import RDMs

    check_kind(rdms, "rdms", "rdms")
    lead = [dim for dim in LEADING if dim in rdms.dims]
    if set(rdms.dims) != {*lead, STIMULUS, STIMULUS_2}:
        raise LabelError(
            f"rdms must have dimensions 'stimulus', 'stimulus_2' and any of {LEADING}, got "
            f"{tuple(rdms.dims)}. Select with rdms.isel(...) or rename with rdms.rename(...).",
            anchor="wrong-dimensions",
        )
    for dim in (STIMULUS, *lead):
        get_ids(rdms, dim, "rdms")
    ids = rdms[STIMULUS].values.tolist()
    rdms = align_labels(rdms, ids, name="rdms", other="its 'stimulus' labels")
    flat = rdms.stack(rdm=lead, create_index=False) if lead else rdms.expand_dims("rdm")
    flat = flat.transpose("rdm", STIMULUS, STIMULUS_2)  # leading dimensions -> rdm
    flat = flat[~np.isnan(flat.values).all(axis=(1, 2))]
    if not len(flat):
        raise InputError(
            "rdms are NaN throughout, so there is nothing to hand over. Pass RDMs that hold "
            "numbers."
        )
    return RDMs(
        flat.values,
        rdms.attrs.get("metric"),
        rdm_descriptors=_list_descriptors(flat, "rdm"),
        pattern_descriptors=_list_descriptors(flat, STIMULUS),
    )


def _list_descriptors(flat: xr.DataArray, dim: str) -> dict[str, list]:
    """Return the coordinates of ``flat`` along ``dim``."""
    return {str(name): c.values.tolist() for name, c in flat.coords.items() if c.dims == (dim,)}


def from_rsatoolbox(rsa_rdms: "RDMs", *, stimulus: str = STIMULUS) -> xr.DataArray:
    """Convert RDMs of rsatoolbox to a DataArray labelled by their descriptors.

    Parameters
    ----------
    rsa_rdms : rsatoolbox.rdm.RDMs
        With an ``rdm_descriptors`` entry "op", "region", "subject" or "time_bin" (any of them) when
        it holds more than one RDM. Taken for these are also "roi" and "area"; "participant",
        "subject_id", "subj" and "sub"; "time", as ``calc_rdm_movie`` calls it.
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
        RDMs apart; the error names descriptors that do.

    Examples
    --------
    >>> from rsatoolbox.rdm import RDMs
    >>> rsa = RDMs(np.ones((2, 3)), rdm_descriptors={"subject": ["A", "B"]},
    ...            pattern_descriptors={"conds": ["cat", "dog", "cup"]})
    >>> dict(from_rsatoolbox(rsa, stimulus="conds").sizes)
    {'subject': 2, 'stimulus': 3, 'stimulus_2': 3}
    """
    patterns = getattr(rsa_rdms, "pattern_descriptors", None)
    if patterns is None or not hasattr(rsa_rdms, "get_matrices"):
        source = "what rsatoolbox.rdm.calc_rdm or to_rsatoolbox returns"
        if isinstance(rsa_rdms, list | tuple):
            source += ", of several rsatoolbox.rdm.concat(rdms)"
        raise InputError(
            f"rsa_rdms must be rsatoolbox.rdm.RDMs, got {type(rsa_rdms).__name__}. Pass {source}.",
            anchor="wrong-object",
        )
    if stimulus not in patterns:
        raise LabelError(
            f"no pattern descriptor {stimulus!r} holds the stimulus ids; there are "
            f"{list_names(patterns)}. Name it: from_rsatoolbox(rdms, stimulus='...').",
            anchor="ids-missing",
        )
    ids = np.asarray(list(patterns[stimulus]))
    check_unique(ids.tolist(), f"the pattern descriptor {stimulus!r}")
    sources = _find_descriptors(rsa_rdms)
    columns = {dim: list(rsa_rdms.rdm_descriptors[name]) for dim, name in sources.items()}
    _check_apart(rsa_rdms, columns)
    numbered = {
        dim: number_labels(column, f"the descriptor {dim!r}") for dim, column in columns.items()
    }
    coords: dict[str, Any] = {dim: names.tolist() for dim, (_, names) in numbered.items()}
    coords |= {STIMULUS: ids, STIMULUS_2: ids}
    squares = np.full([len(names) for names in coords.values()], np.nan)
    squares[tuple(codes for codes, _ in numbered.values())] = rsa_rdms.get_matrices()
    rdms = xr.DataArray(squares, dims=tuple(coords), coords=coords, name="rdm")
    for name, values in patterns.items():
        if name not in ("index", stimulus, *rdms.coords):
            rdms = rdms.assign_coords({name: (STIMULUS, list(values))})
    for name, values in rsa_rdms.rdm_descriptors.items():
        if name not in ("index", *sources.values(), *rdms.coords):
            rdms = _follow_column(rdms, columns, name, list(values))
    measure = rsa_rdms.dissimilarity_measure
    return rdms.assign_attrs({"metric": measure} if measure else {})


def _find_descriptors(rsa_rdms: "RDMs") -> dict[str, str]:
    """Return the name of the RDM descriptor of each leading dimension that there is."""
    sources = {}
    for dim in LEADING:
        names = [n for n in (dim, *ALIASES.get(dim, ())) if n in rsa_rdms.rdm_descriptors]
        if names:
            sources[dim] = names[0]
    return sources


def _check_apart(rsa_rdms: "RDMs", columns: dict[str, list]) -> None:
    """Raise LabelError unless the ``columns`` of leading dimensions tell the RDMs apart."""
    places = list(zip(*columns.values(), strict=True)) if columns else [()] * rsa_rdms.n_rdm
    if len(set(places)) == len(places):
        return
    others = {
        str(name): list(values)
        for name, values in rsa_rdms.rdm_descriptors.items()
        if name != "index" and list(values) not in columns.values() and len({*values}) > 1
    }
    fix = "Set e.g. rdms.rdm_descriptors['subject'] = [...] with one label per RDM"
    if others and columns:
        name = next(iter(others))
        fix = f"Average over {list_names(others)}, or select with rdms.subset({name!r}, value)"
    elif others:
        name = next(iter(others))
        fix = f"Set e.g. rdms.rdm_descriptors['subject'] = rdms.rdm_descriptors[{name!r}]"
    raise LabelError(
        f"the {len(places)} RDMs must differ in their descriptors {LEADING}, got "
        f"{list_names(places)}. {fix}."
    )


def _follow_column(
    rdms: xr.DataArray, columns: dict[str, list], name: str, values: list
) -> xr.DataArray:
    """Return ``rdms`` with ``values``, one per RDM, along the first dimension that they follow.

    They follow a dimension if RDMs with the same label along it have the same value.
    """
    for dim, column in columns.items():
        by_label = dict(zip(column, values, strict=True))
        if [by_label[label] for label in column] == values:
            in_order = [by_label[label] for label in rdms[dim].values.tolist()]
            return rdms.assign_coords({name: (dim, in_order)})
    return rdms
