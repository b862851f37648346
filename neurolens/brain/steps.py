"""Steps between reading and comparing: each says in the attributes what it did."""

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    PRESENTATION,
    STIMULUS,
    STIMULUS_ID,
    align_labels,
    list_names,
    refuse_mixed_subjects,
)

STEPS = "steps"


def average_repeats(responses: xr.DataArray) -> xr.DataArray:
    """Average the presentations of each stimulus.

    Parameters
    ----------
    responses : DataArray (presentation, neuroid, ...)
        NaN, which was not recorded, is left out of the means of its neuroid.

    Returns
    -------
    DataArray (stimulus, neuroid, ...)
        In order of first presentation, float32, with ``n_repeats`` (stimulus) and the coordinates
        of presentations that agree within stimuli.

    Raises
    ------
    InputError
        Presentations of several subjects would be averaged.
    LabelError
        There is no ``stimulus_id`` on presentation, or it is missing for some.
    """
    _check_responses(responses)
    refuse_mixed_subjects(responses)
    ids = _read_stimuli(responses)
    values = responses.transpose(PRESENTATION, ...).values.astype(np.float64)
    names = list(dict.fromkeys(ids.tolist()))
    position = {name: row for row, name in enumerate(names)}
    codes = np.array([position[name] for name in ids.tolist()])
    total = np.zeros((len(names), *values.shape[1:]))
    count = np.zeros(total.shape)
    np.add.at(total, codes, np.where(np.isnan(values), 0.0, values))
    np.add.at(count, codes, ~np.isnan(values))
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    repeats = np.bincount(codes)
    coords = {name: c for name, c in responses.coords.items() if PRESENTATION not in c.dims}
    coords |= {STIMULUS: names, "n_repeats": (STIMULUS, repeats)}
    for name, column in responses.coords.items():
        if column.dims == (PRESENTATION,) and name != STIMULUS_ID:
            kept = _agree(column.values, codes, len(names))
            if kept is not None:
                coords[name] = (STIMULUS, kept)
    dims = (STIMULUS, *(dim for dim in responses.dims if dim != PRESENTATION))
    averaged = xr.DataArray(mean.astype(np.float32), dims=dims, coords=coords)
    note = (
        f"presentations averaged, {repeats.min()} to {repeats.max()} of each of {len(names)} "
        "stimuli"
    )
    return note_step(averaged, responses, note)


def standardize_responses(responses: xr.DataArray, *, by: str | None = None) -> xr.DataArray:
    """Subtract the mean and divide by the standard deviation of each neuroid.

    Parameters
    ----------
    responses : DataArray (presentation, neuroid, ...)
    by : str, optional
        A coordinate of presentations, such as "run" or "session": within each of its groups.
        Groups of fewer than two presentations are refused, and runs that are in several sessions
        or images.

    Returns
    -------
    DataArray
        The same, float32, in standard deviations. NaN where a neuroid does not change in a group.

    Raises
    ------
    InputError
        A group holds a single presentation, or a run is in several sessions or images.
    LabelError
        There is no such coordinate.

    Warns
    -----
    RuntimeWarning
        Neuroids do not change in some group; so many are named.

    Notes
    -----
    Means of stimuli that are shown in one run only then depend on the other stimuli of that run.
    """
    _check_responses(responses)
    groups = _read_groups(responses, by)
    values = responses.transpose(PRESENTATION, ...).values.astype(np.float64)
    result = np.empty_like(values)
    n_flat = 0
    for group in np.unique(groups):
        inside = groups == group
        if inside.sum() < 2:
            raise InputError(
                f"a group of {by!r} holds a single presentation, which has no deviation. Join "
                "groups, or leave out by=.",
                anchor="groups",
            )
        block = values[inside]
        known = ~np.isnan(block)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, block, 0.0).sum(axis=0) / count
        away = np.where(known, block - mean, 0.0)
        spread = np.sqrt((away**2).sum(axis=0) / count)
        flat = ~(spread > 1e-7 * np.where(known, np.abs(block), 0.0).max(axis=0))
        n_flat += int(flat.sum())
        result[inside] = (block - mean) / np.where(flat, np.nan, spread)
    if n_flat:
        warn_user(f"{n_flat} neuroids do not change within some group, and are NaN there.")
    within = "over all presentations" if by is None else f"within each {by}"
    dims = (PRESENTATION, *(dim for dim in responses.dims if dim != PRESENTATION))
    standard = xr.DataArray(result.astype(np.float32), dims=dims, coords=responses.coords)
    return note_step(standard, responses, f"standardized {within}")


def detrend_responses(
    responses: xr.DataArray, *, by: str | None = None, order: int = 1
) -> xr.DataArray:
    """Subtract slow changes: the polynomial of a low order that fits each neuroid best.

    Parameters
    ----------
    responses : DataArray (presentation, neuroid, ...)
        Presentations in the order in which they were shown.
    by : str, optional
        A coordinate of presentations, such as "run": within each of its groups.
    order : int
        1: a line; 2: a parabola; 0: the mean only. The mean of each group stays.

    Returns
    -------
    DataArray
        The same, float32. The abscissa is ``onset`` where all presentations have one that increases
        within groups, else their number; the attribute ``steps`` says which.

    Raises
    ------
    InputError
        A group, or a neuroid in one, has no more presentations than ``order`` and 1; ``order`` is
        below 0; a run is in several sessions or images.
    LabelError
        There is no such coordinate.

    Notes
    -----
    Least squares over the presentations of a neuroid that are not NaN. Differences between stimuli
    that happen to change in time go too, so that few presentations in a group lose much of their
    signal: ``order`` of every ``n`` degrees of freedom.
    """
    _check_responses(responses)
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or order < 0:
        raise InputError(f"order must be a whole number from 0 on, got {order!r}.")
    groups = _read_groups(responses, by)
    values = responses.transpose(PRESENTATION, ...).values.astype(np.float64)
    times, told = _read_times(responses, groups)
    flat = values.reshape(len(values), -1)
    result = np.empty_like(flat)
    for group in np.unique(groups):
        inside = groups == group
        result[inside] = _subtract_trend(flat[inside], times[inside], int(order), by)
    dims = (PRESENTATION, *(dim for dim in responses.dims if dim != PRESENTATION))
    detrended = xr.DataArray(
        result.reshape(values.shape).astype(np.float32), dims=dims, coords=responses.coords
    )
    within = "over all presentations" if by is None else f"within each {by}"
    note = f"trend of order {order} over {told} subtracted {within}, means kept"
    return note_step(detrended, responses, note)


def _read_times(responses: xr.DataArray, groups: np.ndarray) -> tuple[np.ndarray, str]:
    """Return when presentations were shown (presentation,), and what that is."""
    numbers = np.arange(len(groups), dtype=float)
    onset = responses.coords.get("onset")
    if onset is None or onset.dims != (PRESENTATION,) or onset.dtype.kind not in "iuf":
        return numbers, "the numbers of presentations"
    times = onset.values.astype(float)
    for group in np.unique(groups):
        if not (np.diff(times[groups == group]) > 0).all():
            return numbers, "the numbers of presentations"
    return times, "onset"


def _subtract_trend(block: np.ndarray, times: np.ndarray, order: int, by: str | None) -> np.ndarray:
    """Return values (presentation, neuroid) of a group without their trend."""
    known = ~np.isnan(block)
    counts = known.sum(axis=0)
    if len(block) <= order + 1 or ((counts > 0) & (counts <= order + 1)).any():
        raise InputError(
            f"a trend of order {order} needs more than {order + 1} presentations in each group, "
            f"and {'all together' if by is None else f'a group of {by!r}'} has {len(block)}, of "
            f"some neuroids {counts[counts > 0].min(initial=len(block))}. Join groups, or pass a "
            "smaller order."
        )
    spread = max(float(np.ptp(times)), np.finfo(float).tiny)
    abscissa = 2 * (times - times.min()) / spread - 1
    columns = np.polynomial.legendre.legvander(abscissa, order)
    result = np.full_like(block, np.nan)
    # Neuroids that miss the same presentations are fitted together.
    patterns, codes = np.unique(known.T, axis=0, return_inverse=True)
    for code, pattern in enumerate(patterns):
        here = codes.ravel() == code
        if not pattern.any():
            continue
        own = block[pattern][:, here]
        mean = own.mean(axis=0)
        design = columns[pattern]
        fitted = design @ np.linalg.lstsq(design, own - mean, rcond=None)[0]
        result[np.ix_(pattern, here)] = own - fitted
    return result


def select_reliable(
    responses: xr.DataArray, reliability: xr.DataArray, *, least: float
) -> xr.DataArray:
    """Keep the neuroids whose reliability is ``least`` or more.

    Parameters
    ----------
    responses : DataArray (..., neuroid)
    reliability : DataArray (neuroid)
        From ``compute_split_half`` or ``compute_ncsnr``, of data that are not tested later, or the
        choice favors noise that happens to repeat. Matched by ``neuroid_id``.
    least : float

    Returns
    -------
    DataArray
        With the attribute ``steps`` saying how many were kept.

    Raises
    ------
    InputError
        None is so reliable.
    LabelError
        The neuroids differ.
    """
    for array, name in ((responses, "responses"), (reliability, "reliability")):
        if NEUROID_ID not in array.coords:
            raise LabelError(
                f"{name} need the coordinate 'neuroid_id' to be matched. Add it with "
                ".assign_coords(neuroid_id=('neuroid', ids)).",
                anchor="ids-missing",
            )
    ids = responses[NEUROID_ID].values.tolist()
    own = reliability.swap_dims({NEUROID: NEUROID_ID})
    matched = align_labels(own, ids, name="reliability", other="responses", dims=[NEUROID_ID])
    inside = matched.values >= least
    if not inside.any():
        raise InputError(
            f"no neuroid has a reliability of {least:g} or more; the largest is "
            f"{np.nanmax(matched.values):g}. Pass a smaller one."
        )
    note = f"{int(inside.sum())} of {len(ids)} neuroids kept, of reliability {least:g} or more"
    return note_step(responses.isel({NEUROID: inside}), responses, note)


def _check_responses(responses: xr.DataArray) -> None:
    """Raise for anything but real responses of presentations."""
    if not isinstance(responses, xr.DataArray):
        raise InputError(
            f"responses must be a DataArray (presentation, neuroid), got "
            f"{type(responses).__name__}. Make one with read_responses."
        )
    if PRESENTATION not in responses.dims:
        raise LabelError(
            f"responses need the dimension 'presentation', got {tuple(responses.dims)}. Take this "
            "step before averaging repeats.",
            anchor="wrong-dimensions",
        )
    if responses.dtype.kind not in "biuf":
        raise InputError(f"responses must be real numbers, got {responses.dtype}.")


def _read_groups(responses: xr.DataArray, by: str | None) -> np.ndarray:
    """Return the group (presentation,) of each presentation by the coordinate ``by``."""
    if by is None:
        return np.zeros(responses.sizes[PRESENTATION], dtype=int)
    if not isinstance(by, str):
        raise InputError(f"by must be the name of one coordinate, got {by!r}.", anchor="groups")
    if by not in responses.coords or responses[by].dims != (PRESENTATION,):
        there = [n for n, c in responses.coords.items() if c.dims == (PRESENTATION,)]
        raise LabelError(
            f"there is no coordinate {by!r} on presentations; there are {list_names(there)}. "
            f"Add it with .assign_coords({by}=('presentation', labels)).",
            anchor="wrong-dimensions",
        )
    labels = responses[by].to_series()
    if labels.isna().any():
        raise LabelError(
            f"{by!r} is missing for some presentations. Name the group of each.", anchor="groups"
        )
    if by == "run":
        _refuse_restarted(responses, labels.astype(str))
    return np.unique(labels.astype(str).to_numpy(), return_inverse=True)[1]


def _refuse_restarted(responses: xr.DataArray, runs: pd.Series) -> None:
    """Raise InputError where runs of one name are several: in several sessions, or images."""
    sessions = responses.coords.get("session")
    if sessions is not None and sessions.dims == (PRESENTATION,):
        table = runs.to_frame("run").assign(session=sessions.values)
        repeated = table.groupby("run")["session"].nunique() > 1
        if repeated.any():
            raise InputError(
                f"run {repeated.index[repeated][0]!r} is in several sessions. Name runs by both: "
                "x.assign_coords(run=x.session.astype(str) + '-' + x.run.astype(str)).",
                anchor="groups",
            )
    images = responses.coords.get("image")
    if images is None or images.dims != (PRESENTATION,):
        return
    sizes = runs.to_frame("run").assign(image=images.values).value_counts()
    # Images of one response each, as of single trials, are parts of a run.
    repeated = sizes[sizes > 1].groupby("run").size() > 1
    if repeated.any():
        raise InputError(
            f"run {repeated.index[repeated][0]!r} is in several images, as where sessions or tasks "
            "begin with run 1 again. Pass by='image'; or, if they are parts of one run, leave out "
            "which image is which: x.drop_vars('image').",
            anchor="groups",
        )


def _read_stimuli(responses: xr.DataArray) -> np.ndarray:
    """Return the stimulus of each presentation."""
    if STIMULUS_ID not in responses.coords:
        raise LabelError(
            "responses need the coordinate 'stimulus_id' on presentations. Add it with "
            ".assign_coords(stimulus_id=('presentation', ids)).",
            anchor="wrong-dimensions",
        )
    ids = responses[STIMULUS_ID].values
    missing = [k for k, one in enumerate(ids.tolist()) if one is None or one != one]
    if missing:
        raise LabelError(
            f"'stimulus_id' is missing for {len(missing)} presentations, first for {missing[0]}. "
            "Select those that have one.",
            anchor="ids-missing",
        )
    return ids


def _agree(values: np.ndarray, codes: np.ndarray, n_stimuli: int) -> np.ndarray | None:
    """Return the value of each stimulus where all its presentations have the same, else None."""
    first = np.empty(n_stimuli, dtype=int)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    own = values[first]
    same = [value == own[code] for value, code in zip(values, codes, strict=True)]
    return own if all(same) else None


def note_step(changed: xr.DataArray, before: xr.DataArray, note: str) -> xr.DataArray:
    """Return ``changed`` with the attributes of ``before`` and one more step."""
    # A file gives a single step back as text.
    steps = [*np.atleast_1d(before.attrs.get(STEPS, [])).tolist(), note]
    return changed.assign_attrs(before.attrs | {STEPS: steps})
