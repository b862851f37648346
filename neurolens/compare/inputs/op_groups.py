"""Comparisons divided among the workers of a dask cluster, a group of ops each.

`over_ops` gives a public function its argument ``client``.
"""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import Seed
from neurolens.compare.inputs.features import FeatureData, list_arrays, list_ops
from neurolens.errors import InputError, warn_user
from neurolens.labels import OP, SAMPLES, STIMULUS, align_labels, check_unique
from neurolens.scores import PARTIAL_PAIRS
from neurolens.support.parallel import count_shards, run_tasks, split_evenly
from neurolens.support.progress import count_steps, show_progress

Result = TypeVar("Result", xr.Dataset, xr.DataArray)
Settings = ParamSpec("Settings")
# The one attribute of results that depends on their ops.
SOLVER = "solver"


def over_ops(data: str) -> Callable[[Callable[Settings, Result]], Callable[Settings, Result]]:
    """Divide the ops of the argument called ``data`` among the workers of ``client``, if given.

    The decorated function has a parameter ``client`` that it need not use: here and on each worker
    it is called without one. Its result has the dimension op or does not depend on the ops, and
    equals that of an undivided call up to rounding. With a client an argument ``rng`` must be a
    number. See `map_ops`.

    Parameters
    ----------
    data : str
        The name of the argument that holds ops: Grams, activations or RDMs.
    """

    def decorate(function: Callable[Settings, Result]) -> Callable[Settings, Result]:
        signature = inspect.signature(function)

        def divide(*args: Settings.args, **kwargs: Settings.kwargs) -> Result:
            settings = dict(signature.bind(*args, **kwargs).arguments)
            client = settings.pop("client", None)
            if client is None:
                return function(*args, **kwargs)
            # Workers find the decorated function under its name.
            return map_ops(client, divide, settings.pop(data), argument=data, **settings)

        functools.update_wrapper(divide, function)
        return divide

    return decorate


def map_ops(
    client: Any,
    function: Callable[..., Result],
    features: FeatureData,
    *,
    argument: str | None = None,
    rng: Seed | None = None,
    quiet: bool = False,
    **common: Any,
) -> Result:
    """Return ``function(features, **common)``, the ops of ``features`` divided among workers.

    ``features`` are passed as ``argument``, by default the first. Results that have no dimension op
    must not depend on the ops, and are taken from the first group. Warnings of workers are passed
    on to the user. The result equals that of an undivided call up to rounding. Activations in a
    store are read by the workers. Progress is shown here, unless ``quiet``, and not by the workers.

    Raises
    ------
    InputError
        ``rng`` is a Generator, of which each worker would have a copy; what ``run_tasks`` raises.
    """
    if isinstance(rng, np.random.Generator):
        raise InputError(
            "with client= each group of ops must draw the same numbers: pass rng= a whole number, "
            "such as 0",
            anchor="cluster-settings",
        )
    _check_ops(features)
    common |= {} if rng is None else {"rng": rng}
    shows_progress = "quiet" in inspect.signature(function).parameters
    parts = _split_ops(features, count_shards(client))
    if len(parts) < 2:
        common |= {"quiet": quiet} if shows_progress else {}
        return _call(function, argument, features, common)
    common |= {"quiet": True} if shows_progress else {}
    with show_progress(len(parts), "on the cluster", quiet=quiet):
        products = run_tasks(
            client, _compare_part, (function, argument, common), parts, lambda part: count_steps()
        )
    messages = [message for _, part_messages in products for message in part_messages]
    for message in dict.fromkeys(messages):
        warn_user(message)
    return _join_ops([result for result, _ in products])


def _check_ops(features: FeatureData) -> None:
    """Raise LabelError where two ops share a name."""
    if not isinstance(features, xr.DataTree) and OP not in getattr(features, "dims", ()):
        return
    is_rdms = isinstance(features, xr.DataArray)
    ops = np.asarray(features[OP]).tolist() if is_rdms else list_ops(features)
    check_unique(ops, "the names of the ops")


def _call(
    function: Callable[..., Result], argument: str | None, features: Any, common: dict[str, Any]
) -> Result:
    """Return ``function`` of ``features``, passed as ``argument`` or as the first."""
    if argument is None:
        return function(features, **common)
    return function(**{argument: features}, **common)


def _split_ops(features: FeatureData, n_parts: int) -> list[Any]:
    """Return groups of consecutive ops, as the same kind of data.

    Data with no more than one op are one group.
    """
    if isinstance(features, xr.DataTree):
        nodes = [
            array.assign_attrs(op=op, position=i).to_dataset(name="activation")
            for i, (op, array) in enumerate(list_arrays(features))
        ]
        parts = split_evenly(range(len(nodes)), n_parts)
        return [_join_nodes(nodes, part, features.attrs) for part in parts]
    if OP not in getattr(features, "dims", ()):
        return [features]
    parts = split_evenly(range(features.sizes[OP]), n_parts)
    return [features.isel({OP: slice(part[0], part[-1] + 1)}) for part in parts]


def _join_nodes(nodes: list[xr.Dataset], part: Any, attributes: dict[Any, Any]) -> xr.DataTree:
    """Return a tree, with these attributes, of those of ``nodes`` at the positions ``part``."""
    tree = xr.DataTree.from_dict({str(i): nodes[i] for i in part})
    tree.attrs = dict(attributes)
    return tree


def _join_ops(results: list[Result]) -> Result:
    """Return the results of groups of ops joined into one, stimuli in the order of the first."""
    first = results[0]
    if isinstance(first, xr.DataArray) and STIMULUS in first.dims:
        ids = first[STIMULUS].values.tolist()
        results = [
            align_labels(result, ids, name="an op", other="the first op") for result in results
        ]
    settings: Any = {"data_vars": "minimal"} if isinstance(first, xr.Dataset) else {}
    joined = xr.concat(
        results,
        OP,
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs=_choose_attrs,
        **settings,
    )
    if SOLVER in first.attrs:
        # It says which ops were solved how, and the groups have different ops.
        joined.attrs[SOLVER] = "; ".join(dict.fromkeys(one.attrs[SOLVER] for one in results))
    return joined


def _choose_attrs(attributes: list[dict[str, Any]], context: Any = None) -> dict[str, Any]:
    """Return those of the first group, or of the first whose scores are of some pairs only.

    Only some groups may have ops with samples.
    """
    partial = [one for one in attributes if str(one.get("pairs", "")).startswith(PARTIAL_PAIRS)]
    sampled = [one for one in attributes if SAMPLES in one]
    chosen = dict((partial or attributes)[0])
    if sampled:
        chosen[SAMPLES] = sampled[0][SAMPLES]
    return chosen


def _compare_part(
    common: tuple[Callable[..., Any], str | None, dict[str, Any]], part: FeatureData
) -> tuple[Any, list[str]]:
    """Return the result of a group of ops, and the warnings that were raised."""
    function, argument, settings = common
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        result = _call(function, argument, part, settings)
    return result, [
        str(record.message) for record in records if issubclass(record.category, RuntimeWarning)
    ]
