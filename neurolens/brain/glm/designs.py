"""Predicted time series: events convolved with a hemodynamic response, drifts and confounds."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from neurolens.brain.labelling.onsets import DURATION, EARLY, ONSET
from neurolens.errors import InputError, MissingToolError
from neurolens.labels import check_name

HRFS = ("glover", "spm")
DRIFTS = ("cosine", "polynomial")
# Directions of nuisance regressors that are this small beside the largest are rounding.
RANK_TOLERANCE = 1e-10


class Model(NamedTuple):
    """How series are predicted: ``hrf``, and ``drift`` with its period in s, or its order.

    ``t_r``: seconds between volumes. ``start``: when the first volume was taken, in s.
    """

    hrf: str
    drift: tuple[str, float] | None
    t_r: float
    start: float

    def describe_drift(self) -> str:
        """Return the drift in words."""
        if self.drift is None:
            return "no drift but the mean"
        kind, number = self.drift
        if kind == "cosine":
            return f"cosine drift with periods of {number:g} s and more"
        return f"polynomial drift of order {number:g}"


class Design(NamedTuple):
    """``regressors`` (volume, response) without what ``nuisance`` (volume, direction) explains.

    ``energy`` (response,): the sum of squares of each about its mean, before that.
    """

    regressors: np.ndarray
    nuisance: np.ndarray
    energy: np.ndarray


def check_drift(drift: Any) -> tuple[str, float] | None:
    """Return a drift, ("cosine", period) or ("polynomial", order), checked."""
    if drift is None:
        return None
    is_pair = isinstance(drift, tuple | list) and len(drift) == 2
    is_number = is_pair and isinstance(drift[1], int | float | np.number)
    if not is_number or isinstance(drift[1], bool) or not drift[1] > 0:
        raise InputError(
            "drift must be ('cosine', the shortest period in s), ('polynomial', order) or None, "
            f"got {drift!r}. Type e.g. drift=('cosine', 128).",
            anchor="time-series",
        )
    check_name(drift[0], DRIFTS, "drift")
    if drift[0] == "polynomial" and drift[1] != int(drift[1]):
        raise InputError(
            f"the order of a polynomial drift must be a whole number, got {drift[1]}.",
            anchor="time-series",
        )
    return (drift[0], float(drift[1]))


def build_design(
    model: Model,
    table: pd.DataFrame,
    codes: np.ndarray,
    n_responses: int,
    confounds: np.ndarray,
) -> Design:
    """Return the design of one series.

    Parameters
    ----------
    model : Model
    table : DataFrame
        Events, with onset and duration in s.
    codes : array (event,)
        The response that each event is part of.
    n_responses : int
        Of all series; those without an event here are 0.
    confounds : array (volume, confound)
    """
    n_volumes = len(confounds)
    times = model.start + model.t_r * np.arange(n_volumes)
    regressors = np.zeros((n_volumes, n_responses))
    for code in np.unique(codes):
        part = table[codes == code]
        regressors[:, code] = _convolve(part, model.hrf, times)
    nuisance = _span(np.column_stack([_make_drifts(model, times), confounds]))
    centered = regressors - regressors.mean(axis=0)
    energy = (centered**2).sum(axis=0)
    cleaned = centered - nuisance @ (nuisance.T @ centered)
    return Design(cleaned, nuisance, energy)


def _convolve(events: pd.DataFrame, hrf: str, times: np.ndarray) -> np.ndarray:
    """Return the series (volume,) that events of one response predict."""
    compute_regressor = _import_nilearn().compute_regressor
    condition = np.stack([events[ONSET], events[DURATION], np.ones(len(events))])
    # Events that begin long before the first volume are kept.
    min_onset = min(-24.0, EARLY - times[0])
    return compute_regressor(condition, hrf, times, min_onset=min_onset)[0][:, 0]


def _make_drifts(model: Model, times: np.ndarray) -> np.ndarray:
    """Return the drifts and the constant (volume, regressor)."""
    kind, number = model.drift or (None, 1.0)
    settings: dict[str, Any] = {"drift_model": kind}
    if kind == "cosine":
        settings["high_pass"] = 1.0 / number
    if kind == "polynomial":
        settings["drift_order"] = int(number)
    make = _import_nilearn().make_first_level_design_matrix
    return make(times, **settings).to_numpy()


def _span(columns: np.ndarray) -> np.ndarray:
    """Return orthonormal directions (volume, direction) that span ``columns``."""
    size = np.sqrt((columns**2).sum(axis=0))
    scaled = columns / np.where(size > 0, size, 1.0)
    directions, strength, _ = np.linalg.svd(scaled, full_matrices=False)
    return directions[:, strength > RANK_TOLERANCE * strength[0]]


def _import_nilearn() -> Any:
    """Return nilearn's module of first-level models, or raise saying what to install."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from nilearn.glm import first_level
    except ImportError as error:
        raise MissingToolError(
            "estimating responses needs nilearn, which is not installed. Type pip install nilearn."
        ) from error
    return first_level
