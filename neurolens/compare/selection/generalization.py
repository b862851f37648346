"""Differences between the scores of one fit on several test sets."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.selection.draws import count_units, read_level
from neurolens.compare.stats.intervals import infer_mean
from neurolens.compare.stats.null import control_discoveries
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, TIME_BIN, list_names
from neurolens.scores import read_scores

SET = "test_set"
SET_2 = "test_set_2"
ERROR = "score_mean_se"


def compare_test_sets(fits: Mapping[Any, xr.Dataset]) -> xr.Dataset:
    """Compare the scores of each op between test sets, such as new and out-of-distribution stimuli.

    Parameters
    ----------
    fits : mapping of name to Dataset
        Two or more test sets of one fit, as ``fit_test_sets`` returns them.

    Returns
    -------
    Dataset over test_set, test_set_2, op and region
        ``difference``: score_mean on ``test_set`` minus that on ``test_set_2``, in the unit of the
        scores; ``ci_low``, ``ci_high``, at the level of the scores; ``p``: two-sided, of no
        difference; ``q``: Benjamini-Hochberg over all pairs of sets, ops and regions. NaN on the
        diagonal, save ``difference``, and where a set has no interval. Antisymmetric. With
        ``time_bin`` where the scores have it. Attributes are those that all sets share.

    Raises
    ------
    InputError
        There are fewer than two sets; they are no scores of ``fit_test_sets``, or of several fits.

    Notes
    -----
    Given the fit, sets of different stimuli are independent, so that the variance of a difference
    is the sum of the variances; degrees of freedom are Welch's. As the intervals of the scores,
    those of differences are for other test stimuli and this fit. A lower score on other stimuli may
    have less signal behind it, not a worse model: compare shares of the noise ceilings too
    (``score_normalised``). A correlation over t stimuli is too small by a factor of about 1 - (1 -
    r^2) / (2 (t - 1)), which differs between sets of very different size.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.compare import fit_test_sets
    >>> rng = np.random.default_rng(0)
    >>> features = xr.DataArray(rng.normal(size=(90, 4)), dims=("stimulus", "feature"),
    ...                         coords={"stimulus": [f"s{i}" for i in range(90)]})
    >>> weights = xr.DataArray(rng.normal(size=(4, 5)), dims=("feature", "neuroid"))
    >>> responses = features @ weights + rng.normal(size=(90, 5))
    >>> responses[60:] = rng.normal(size=(30, 5))
    >>> names = np.repeat(["train", "test", "sketch"], 30)
    >>> sets = dict(zip(features.stimulus.values, names))
    >>> found = compare_test_sets(fit_test_sets(features, responses, split=sets))
    >>> one = found.sel(test_set="test", test_set_2="sketch").squeeze()
    >>> bool(one.ci_low > 0.4), bool(one.p < 0.001)
    (True, True)
    """
    names, scores = _read_sets(fits)
    first = scores[0]
    dims = [OP, REGION] + [TIME_BIN] * (TIME_BIN in first.dims)
    mean = np.stack([one["score_mean"].transpose(*dims).values for one in scores])
    variance = np.stack([_read_error(one, dims) ** 2 for one in scores])
    freedom = np.array([count_units(one) - 1.0 for one in scores])
    n_sets = len(names)
    difference = mean[:, None] - mean  # (set, set, op, region)
    low = np.full(difference.shape, np.nan)
    high = np.full(difference.shape, np.nan)
    p = np.full(difference.shape, np.nan)
    for i, j in zip(*np.nonzero(~np.eye(n_sets, dtype=bool)), strict=True):
        total = variance[i] + variance[j]
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = variance[i] ** 2 / freedom[i] + variance[j] ** 2 / freedom[j]
            welch = np.where(parts > 0, total**2 / parts, min(freedom[i], freedom[j]))
        found = infer_mean(difference[i, j], total, welch, read_level(first), two_sided=True)
        low[i, j] = found.low
        high[i, j] = found.high
        p[i, j] = found.p
    q = np.full(p.shape, np.nan)
    upper = np.triu_indices(n_sets, 1)
    q[upper] = control_discoveries(p[upper])
    q[upper[::-1]] = q[upper]
    values = {"difference": difference, "ci_low": low, "ci_high": high, "p": p, "q": q}
    labels = {name: c for name, c in first.coords.items() if c.ndim and set(c.dims) <= set(dims)}
    return xr.Dataset(
        {name: ((SET, SET_2, *dims), array) for name, array in values.items()},
        coords={SET: names, SET_2: names, **labels},
        attrs=share_attrs(scores),
    )


def _read_sets(fits: Any) -> tuple[list[Any], list[xr.Dataset]]:
    """Return the names of the sets and their scores, checked to be of one fit."""
    # A Dataset is a mapping too.
    is_named = isinstance(fits, Mapping) and not isinstance(fits, xr.Dataset | xr.DataTree)
    if not is_named or len(fits) < 2:
        n_sets = f"{len(fits)} sets" if is_named else type(fits).__name__
        raise InputError(
            "compare_test_sets takes the scores of two test sets or more, by name, got "
            f"{n_sets}. Pass what fit_test_sets returns for several sets.",
            anchor="scores-made-differently",
        )
    scores = [read_scores(one, "compare_test_sets", over_time=True) for one in fits.values()]
    hashes = {one.attrs.get("fit_sha256") for one in scores}
    if len(hashes) > 1 or None in hashes:
        raise InputError(
            f"compare_test_sets takes test sets of one fit, got {list_names(fits)}, which are not. "
            "Pass what one call of fit_test_sets returns, e.g. with test=['test', 'sketch'].",
            anchor="scores-made-differently",
        )
    return list(fits), scores


def _read_error(scores: xr.Dataset, dims: list[str]) -> np.ndarray:
    """Return the standard errors (op, region) of scores, NaN where there are none."""
    if ERROR not in scores:
        return np.full(scores["score_mean"].shape, np.nan)
    return scores[ERROR].transpose(*dims).values


def share_attrs(scores: list[xr.Dataset]) -> dict[str, Any]:
    """Return the attributes that all scores have alike."""
    shared = {}
    for key, value in scores[0].attrs.items():
        if all(key in one.attrs and one.attrs[key] == value for one in scores[1:]):
            shared[key] = value
    return shared
