"""Responses to events, estimated from time series by a general linear model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.brain.glm.designs import HRFS, Design, Model, build_design, check_drift
from neurolens.brain.glm.grouping import PER, Grouping, group_events
from neurolens.brain.glm.least_squares import (
    Fit,
    Products,
    find_confused,
    fit_all,
    fit_separate,
    multiply,
)
from neurolens.brain.glm.timing import find_timing
from neurolens.brain.images.numbers import make_single
from neurolens.brain.images.opening import Image, list_paths, names_image, open_images
from neurolens.brain.images.values import label_neuroids, read_values
from neurolens.brain.labelling.agreement import check_recorded
from neurolens.brain.labelling.confounds import Confounds, list_confound_files, read_confounds
from neurolens.brain.labelling.entities import check_entities, find_entity, name_subject
from neurolens.brain.labelling.events import (
    join_tables,
    label_presentations,
    list_event_files,
)
from neurolens.brain.labelling.found_files import Files, take_files
from neurolens.brain.labelling.onsets import read_onsets
from neurolens.brain.steps import STEPS
from neurolens.errors import InputError, warn_user
from neurolens.labels import NEUROID, PRESENTATION, check_name, list_names

METHODS = {"lsa": fit_all, "lss": fit_separate}
# Above this many times the variance of a response by itself, the user is told.
INFLATED = 10.0
INFLATION = "variance_inflation"


def estimate_responses(
    bold: Any,
    *,
    events: Any = None,
    mask: Any = None,
    regions: Any = None,
    subject: str | None = None,
    t_r: float | None = None,
    slice_time_ref: float | None = None,
    hrf: str = "glover",
    drift: tuple[str, float] | None = ("cosine", 128.0),
    confounds: Any = None,
    per: str = "event",
    method: str = "lsa",
) -> xr.DataArray:
    """Estimate the response to each event of one subject from time series (GLM).

    >>> files = find_files("derivatives/fmriprep", sub="01", space="T1w")  # doctest: +SKIP
    >>> motion = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    >>> responses = estimate_responses(files, regions=atlas, confounds=motion)  # doctest: +SKIP

    Parameters
    ----------
    bold : path, list of paths, or DataFrame from `find_files`
        One image for each run, as for `read_responses`: NIfTI, GIFTI or CIFTI, with at least three
        volumes.
    events : path, DataFrame, or list of these; not needed for found files that have some
        One table for each run, with ``onset`` and ``duration`` in s, 0 for impulses, and the
        stimulus as for `read_responses`. All rows are modeled: drop those that are no events.
    mask, regions, subject
        As for `read_responses`.
    t_r : float, optional
        Seconds between volumes. Default: from the header, or the JSON file beside the image, which
        must agree.
    slice_time_ref : float, optional
        When slices were taken, or are corrected to, as a fraction of ``t_r``: 0 first, 0.5 middle.
        Default: ``StartTime`` in the JSON, as fMRIPrep writes it, else 0.
    hrf : str
        Hemodynamic response, "glover" or "spm".
    drift : pair, optional
        ``("cosine", 128)``: cosines with periods of 128 s and more; ``("polynomial", 3)``: up to
        order 3; None: the mean of each run only.
    confounds : table, list of tables, (tables, columns) or list of columns, optional
        A table for each run with a row for each volume, paths or DataFrames. Names of columns alone
        are those of the tables that ``find_files`` found. A missing value in the first row, as
        derivatives have, becomes the mean of the column.
    per : str
        "event": a response to each event; "run": to each stimulus in each run; "stimulus": to each
        stimulus in all runs together.
    method : str
        "lsa": all responses in one model; "lss": for each response a model with its regressor and
        one for all others (Mumford et al., NeuroImage 2012), whose bias by neighbors is larger and
        whose variance is smaller where events overlap.

    Returns
    -------
    DataArray (presentation, neuroid), float32
        As from `read_responses`, in units of the series per unit of the regressor, which is that
        of an event that lasts. On presentation: the columns of events, ``run`` and ``session`` of
        their images, ``n_events`` where several share a response, and ``variance_inflation``: how
        many times larger the variance of each is than that of the same events without others,
        drifts and confounds. Attribute ``steps`` says how they were estimated;
        ``hrf``, ``drift``, ``t_r``, ``slice_time_ref``, ``confounds``, ``per`` and ``method`` hold
        the settings.

    Raises
    ------
    DataError
        A file is missing or damaged.
    InputError
        Events are outside their series; tables are of another run than their image; ``t_r`` is 0,
        unknown, or not that of the header; confounds have another length or missing values; there
        are more regressors than volumes, or some cannot be told apart; and as for `read_responses`.
    LabelError
        A stimulus is not named.
    MissingToolError
        nilearn is not installed.
    UnknownNameError
        ``hrf``, ``per`` or ``method`` is unknown.

    Warns
    -----
    RuntimeWarning
        Events overlap so that the variance of their responses is inflated tenfold or more; events
        are within 4 s of the end of their series.

    Notes
    -----
    Regressors are those of nilearn's first-level models, sampled at ``slice_time_ref``; the fit is
    ordinary least squares (FirstLevelModel with ``noise_model="ols"`` and without scaling gives the
    same). Noise that is correlated in time leaves responses unbiased. Only neuroids of the mask or
    the regions are read. Time O(volumes responses neuroids), memory that of the series of the
    neuroids.
    """
    check_name(hrf, HRFS, "hemodynamic response")
    check_name(per, PER, "grouping of events")
    check_name(method, METHODS, "method")
    drift = check_drift(drift)
    files = _list_series(bold, events)
    images = open_images(files.paths)
    models = _find_models(images, files, hrf, drift, (t_r, slice_time_ref))
    names = [image.name for image in images]
    counts = [image.n_volumes for image in images]
    firsts = [image.paths[0] for image in images]
    check_entities(firsts, list_event_files(files.events))
    check_entities(firsts, list_confound_files(confounds), "confounds")
    seconds = [model.t_r * n for model, n in zip(models, counts, strict=True)]
    tables = read_onsets(files.events, seconds, names)
    check_recorded(join_tables(tables), firsts, [len(table) for table in tables])
    known = files.table["confounds"].tolist() if "confounds" in files.table else None
    noise = read_confounds(confounds, counts, names, known)
    grouping = group_events(tables, per)
    n_responses = len(grouping.table)
    designs = []
    for model, table, codes, own in zip(models, tables, grouping.codes, noise, strict=True):
        designs.append(build_design(model, table, codes, n_responses, own.values))
    _check_sizes(designs, grouping, names)
    subject = name_subject(subject, files.paths)
    values, neuroids, attrs = read_values(images, mask, regions, what="series", whole=True)
    fit = _fit(designs, values, grouping, names, method)
    coords = label_neuroids(neuroids, images[0].space, subject)
    coords |= _label_responses(grouping, images, fit)
    attrs["source"] = [path.name for path in files.paths]
    attrs |= _describe(models[0], noise, per, method)
    return xr.DataArray(fit.betas, dims=(PRESENTATION, NEUROID), coords=coords, attrs=attrs)


def _list_series(bold: Any, events: Any) -> Files:
    """Return the images of series, with their events."""
    if isinstance(bold, pd.DataFrame) and "path" in bold:
        return take_files(bold, events)
    if not names_image(bold):
        raise InputError(
            "bold must be images of time series, .nii, .nii.gz, .func.gii or .dtseries.nii, or the "
            f"table that find_files returns, got {type(bold).__name__} {str(bold)[:60]!r}.",
            anchor="time-series",
        )
    if events is None:
        raise InputError(
            "events must say what was shown when: pass a table for each run, with onset, duration "
            "and the stimulus.",
            anchor="time-series",
        )
    return Files(list_paths(bold), events, pd.DataFrame())


def _find_models(
    images: Sequence[Image],
    files: Files,
    hrf: str,
    drift: tuple[str, float] | None,
    given: tuple[float | None, float | None],
) -> list[Model]:
    """Return how each series is predicted, with its own timing."""
    models = []
    for k, image in enumerate(images):
        if image.n_volumes < 3:
            raise InputError(
                f"{image.name} must be a time series of three or more volumes, got "
                f"{image.n_volumes}. Read betas with read_responses.",
                anchor="time-series",
            )
        row = files.table.iloc[k] if len(files.table) else None
        timing = find_timing(image, row, *given)
        models.append(Model(hrf, drift, timing.t_r, timing.start))
    if len({(round(model.t_r, 6), round(model.start, 6)) for model in models}) > 1:
        raise InputError(
            "all series must be sampled alike, and they have volumes every "
            f"{list_names(sorted({model.t_r for model in models}))} s, the first at "
            f"{list_names(sorted({model.start for model in models}))} s. Estimate each by itself.",
            anchor="time-series",
        )
    return models


def _check_sizes(designs: Sequence[Design], grouping: Grouping, names: Sequence[str]) -> None:
    """Raise InputError where a series has no more volumes than regressors."""
    for design, codes, name in zip(designs, grouping.codes, names, strict=True):
        n_volumes, n_nuisance = design.nuisance.shape
        n_own = len(np.unique(codes))
        if n_own + n_nuisance >= n_volumes:
            raise InputError(
                f"{name} has {n_volumes} volumes for {n_own} responses and {n_nuisance} drifts and "
                "confounds. Pass fewer confounds, a longer period of drift, or per='stimulus'.",
                anchor="time-series",
            )


def _fit(
    designs: Sequence[Design],
    values: Sequence[np.ndarray],
    grouping: Grouping,
    names: Sequence[str],
    method: str,
) -> Fit:
    """Return the responses: of each series by itself, unless a response is of several."""
    parts = _part_series(grouping)
    n_responses = len(grouping.table)
    betas = np.empty((n_responses, values[0].shape[1]), dtype=np.float32)
    inflation = np.empty(n_responses)
    for series in parts:
        rows = np.unique(np.concatenate([grouping.codes[k] for k in series]))
        products = _add_products([designs[k] for k in series], [values[k] for k in series], rows)
        _refuse_confused(products, grouping.table.iloc[rows], [names[k] for k in series])
        fit = METHODS[method](products)
        betas[rows] = make_single(fit.betas, "the estimated responses")
        inflation[rows] = fit.inflation
    _tell_inflated(inflation, grouping.table, method)
    return Fit(betas, inflation)


def _part_series(grouping: Grouping) -> list[list[int]]:
    """Return which series are fitted together."""
    every = list(range(len(grouping.codes)))
    if (grouping.series < 0).any():
        return [every]
    return [[k] for k in every]


def _add_products(
    designs: Sequence[Design], values: Sequence[np.ndarray], rows: np.ndarray
) -> Products:
    """Return the sums over series of products of the responses ``rows``."""
    inner = np.zeros((len(rows), len(rows)))
    outer = np.zeros((len(rows), values[0].shape[1]))
    energy = np.zeros(len(rows))
    for design, block in zip(designs, values, strict=True):
        regressors = design.regressors[:, rows]
        inner += regressors.T @ regressors
        outer += multiply(regressors, block)
        energy += design.energy[rows]
    return Products(inner, outer, energy)


def _refuse_confused(products: Products, table: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise InputError for responses that the design cannot tell apart."""
    confused = find_confused(products.inner, products.energy)
    if not len(confused):
        return
    events = [_name_response(table.iloc[k]) for k in confused]
    raise InputError(
        f"the responses to {list_names(events)} in {list_names(names)} cannot be told from each "
        "other, or from drifts and confounds: their predicted series are sums of others. Join "
        "events that always come together, pass per='stimulus', or fewer confounds and a longer "
        "period of drift.",
        anchor="time-series",
    )


def _name_response(row: pd.Series) -> str:
    """Return the stimulus of a response, with its time where it has one."""
    time = f" at {row['onset']:g} s" if "onset" in row else ""
    return f"{row['stimulus_id']}{time}"


def _tell_inflated(inflation: np.ndarray, table: pd.DataFrame, method: str) -> None:
    """Warn where responses are told apart with much noise."""
    inflated = np.flatnonzero(inflation > INFLATED)
    if not len(inflated):
        return
    worst = int(np.argmax(inflation))
    remedy = "" if method == "lss" else " method='lss' has less variance and more bias;"
    warn_user(
        f"events overlap: {len(inflated)} of {len(inflation)} responses have {INFLATED:g} times or "
        f"more the variance that they would have by themselves, {_name_response(table.iloc[worst])}"
        f" {inflation[worst]:.3g} times.{remedy} per='run' or 'stimulus' averages more events. See "
        f"the coordinate {INFLATION!r}."
    )


def _label_responses(grouping: Grouping, images: Sequence[Image], fit: Fit) -> dict[str, Any]:
    """Return the coordinates of responses."""
    series = grouping.series
    coords: dict[str, Any] = dict(label_presentations(grouping.table))
    if (grouping.n_events > 1).any():
        coords["n_events"] = (PRESENTATION, grouping.n_events)
    coords[INFLATION] = (PRESENTATION, fit.inflation)
    if len(images) > 1 and (series >= 0).all():
        coords["image"] = (PRESENTATION, series)
        for name, key in (("run", "run"), ("session", "ses")):
            named = [find_entity(image.paths[0], key) for image in images]
            if name not in coords and all(named):
                coords[name] = (PRESENTATION, np.array(named, dtype=object)[series])
    return coords


def _describe(model: Model, noise: Sequence[Confounds], per: str, method: str) -> dict[str, Any]:
    """Return the attributes that say how responses were estimated."""
    names = noise[0].names
    filled = sorted({name for one in noise for name in one.filled})
    reference = model.start / model.t_r
    note = (
        f"responses estimated by least squares ({method}), one per {per}: {model.hrf} response, "
        f"{model.describe_drift()}, {len(names)} confounds, volumes every {model.t_r:g} s, slices "
        f"at {reference:g} of that, {len(noise)} runs"
    )
    if filled:
        note += f"; the first row of {', '.join(filled)} was missing and is the mean of the others"
    return {
        STEPS: [note],
        "hrf": model.hrf,
        "drift": model.describe_drift(),
        "t_r": model.t_r,
        "slice_time_ref": reference,
        "confounds": names,
        "per": per,
        "method": method,
    }
