"""Noise ceilings put into scores that have none, or others."""

from typing import Any

import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import REGION, TIME_BIN, align_labels
from neurolens.scores import CEILINGS, Ceiling, read_scores, replace_ceilings


def add_ceilings(scores: xr.Dataset, ceilings: xr.Dataset) -> xr.Dataset:
    """Return scores with other noise ceilings, such as those of one subject's repeats.

    Parameters
    ----------
    scores : Dataset
        Any scores.
    ceilings : Dataset
        Of ``compute_split_ceilings`` or ``compute_rdm_ceilings``, of the same measure and regions,
        and time bins where the scores have some. That they are of the same responses and
        dissimilarity is yours to see to.

    Returns
    -------
    Dataset
        A copy of the scores with ``ceiling_lower`` and ``ceiling_upper`` of the ceilings, and their
        description in ``ceiling_note``, ``ceiling_bound``, ``reference`` and ``methods_text``.
        Intervals and draws of the ceilings that were replaced are left out.

    Raises
    ------
    InputError
        One of both is something else, or they are of different measures.
    LabelError
        Regions or time bins differ.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.compare import compare_rdms, compute_rdms, compute_split_ceilings
    >>> rng = np.random.default_rng(0)
    >>> ids = [f"s{i}" for i in range(12)]
    >>> signal = rng.normal(size=(12, 30))
    >>> model = xr.DataArray(signal, dims=("stimulus", "feature"), coords={"stimulus": ids})
    >>> responses = xr.DataArray(
    ...     np.concatenate([signal + rng.normal(size=signal.shape) for _ in range(4)]),
    ...     dims=("presentation", "neuroid"), coords={"stimulus_id": ("presentation", ids * 4)})
    >>> scores = compare_rdms(compute_rdms(model), compute_rdms(responses), n_bootstrap=0)
    >>> bool(scores.ceiling_upper.isnull())
    True
    >>> scores = add_ceilings(scores, compute_split_ceilings(responses))
    >>> bool(scores.ceiling_upper.notnull()), scores.ceiling_bound
    (True, 'expected')
    """
    scores = read_scores(scores, "add_ceilings", over_time=True)
    _check_ceilings(ceilings, str(scores.attrs["measure"]))
    arrays = {}
    for name in CEILINGS:
        array = ceilings[name]
        if set(array.dims) != {dim for dim in (REGION, TIME_BIN) if dim in scores.dims}:
            raise LabelError(
                f"scores with {list(scores.dims)} need ceilings over region and the same time "
                f"bins, got {list(array.dims)}. Compute both from the same responses.",
                anchor="ceiling-kind",
            )
        for dim in array.dims:
            labels = scores[dim].values.tolist()
            array = align_labels(array, labels, name="ceilings", other="scores", dims=[str(dim)])
        arrays[name] = array.variable
    ceiling = Ceiling(ceilings.attrs["ceiling_note"], ceilings.attrs["ceiling_bound"])
    return replace_ceilings(scores, arrays, ceiling)


def _check_ceilings(ceilings: Any, measure: str) -> None:
    """Raise InputError unless these are ceilings of scores of this ``measure``."""
    is_dataset = isinstance(ceilings, xr.Dataset) and set(CEILINGS) <= set(ceilings.data_vars)
    if not is_dataset or not {"measure", "ceiling_note", "ceiling_bound"} <= set(ceilings.attrs):
        raise InputError(
            "add_ceilings takes the Dataset that compute_split_ceilings or compute_rdm_ceilings "
            f"returns, got {type(ceilings).__name__}. Pass it as it is.",
            anchor="ceiling-kind",
        )
    if ceilings.attrs["measure"] != measure:
        raise InputError(
            f"scores are of measure {measure!r}, ceilings of {ceilings.attrs['measure']!r}. "
            f"Compute them with comparator={measure!r}.",
            anchor="ceiling-kind",
        )
