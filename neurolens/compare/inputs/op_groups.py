"""Comparisons spread over the workers of a dask cluster, a group of ops each."""

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import Seed, warn_user
from neurolens.compare.inputs.features import Features, list_arrays, list_ops
from neurolens.errors import InputError
from neurolens.labels import OP, STIMULUS, align_stimuli, check_unique
from neurolens.parallel import count_shards, run_tasks, split_evenly

Result = TypeVar("Result", xr.Dataset, xr.DataArray)


def map_ops(
    client: Any,
    function: Callable[..., Result],
    features: Features,
    *,
    rng: Seed | None = None,
    **common: Any,
) -> Result:
    """Return ``function(features, **common)`` with the ops of ``features`` divided among the workers of ``client``.

    Results that have no dimension op must not depend on the ops, and are taken from the first
    group. What workers warn of, the user is warned of. Equal to the whole up to rounding.
    Activations in a store are read by the workers.

    Raises
    ------
    InputError
        ``rng`` is a Generator, of which each worker would have a copy; what ``run_tasks`` raises.
    """
    if isinstance(rng, np.random.Generator):
        raise InputError(
            "with client= each group of ops must draw the same numbers: pass rng= a whole number, "
            "such as 0"
        )
    if isinstance(features, xr.DataTree) or OP in getattr(features, "dims", ()):
        ops = (
            features[OP].values.tolist()
            if isinstance(features, xr.DataArray)
            else list_ops(features)
        )
        check_unique(ops, "the names of the ops")
    common |= {} if rng is None else {"rng": rng}
    parts = _split_ops(features, count_shards(client))
    if len(parts) < 2:
        return function(features, **common)
    made = run_tasks(client, _compare_part, (function, common), parts, None)
    for message in dict.fromkeys(message for _, messages in made for message in messages):
        warn_user(message)
    results = [result for result, _ in made]
    if isinstance(results[0], xr.DataArray) and STIMULUS in results[0].dims:
        ids = results[0][STIMULUS].values.tolist()
        results = [
            align_stimuli(result, ids, name="an op", other="the first op") for result in results
        ]
    settings: Any = {"data_vars": "minimal"} if isinstance(results[0], xr.Dataset) else {}
    settings |= {
        "coords": "minimal",
        "compat": "override",
        "join": "exact",
        "combine_attrs": "override",
    }
    return xr.concat(results, OP, **settings)


def _split_ops(features: Features, n_parts: int) -> list[Features]:
    """Return groups of consecutive ops, as the same kind of data.

    All of it where there is no more than one op.
    """
    if isinstance(features, xr.DataTree):
        nodes = [
            array.assign_attrs(op=op, position=i).to_dataset(name="activation")
            for i, (op, array) in enumerate(list_arrays(features))
        ]
        parts = split_evenly(range(len(nodes)), n_parts)
        return [xr.DataTree.from_dict({str(i): nodes[i] for i in part}) for part in parts]
    if OP not in getattr(features, "dims", ()):
        return [features]
    parts = split_evenly(range(features.sizes[OP]), n_parts)
    return [features.isel({OP: slice(part[0], part[-1] + 1)}) for part in parts]


def _compare_part(
    common: tuple[Callable[..., Any], dict[str, Any]], part: Features
) -> tuple[Any, list[str]]:
    """Return the result of a group of ops, and what was warned of."""
    function, settings = common
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = function(part, **settings)
    return result, [
        str(warning.message) for warning in told if issubclass(warning.category, RuntimeWarning)
    ]
