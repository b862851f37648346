"""Tasks on the workers of a dask cluster; a task whose worker dies runs again elsewhere."""

import itertools
import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from neurolens.errors import InputError, MissingToolError, NeuroLensError

_SHARDS_PER_WORKER = 3
_RETRIES = 3


class Cluster(NamedTuple):
    """A dask client, and the resources of a worker that each task uses, such as ``{"GPU": 1}``.

    Wherever ``client=`` takes a client, it also takes one of these.
    """

    client: Any
    resources: Mapping[str, float] | None = None


def read_client(client: Any) -> Cluster:
    """Return the cluster that the argument ``client=`` stands for.

    Raises
    ------
    InputError
        When it is neither a dask client nor a `Cluster`.
    """
    cluster = client if isinstance(client, Cluster) else Cluster(client)
    if not hasattr(cluster.client, "nthreads"):
        raise InputError(
            f"client must be a dask.distributed.Client, got {type(cluster.client).__name__}. Type "
            "client=dask.distributed.Client(...).",
            anchor="cluster-settings",
        )
    return cluster


def run_tasks(
    client: Any,
    function: Callable,
    common: tuple,
    tasks: Sequence[Any],
    count: Callable[[Any], None] | None = None,
) -> list[Any]:
    """Return ``function(common, task)`` for each task, from the cluster.

    Parameters
    ----------
    client : dask.distributed.Client or Cluster
    function : callable
    common : tuple
        Sent to every worker once.
    tasks : sequence
    count : callable, optional
        Called with each task that is done.

    Raises
    ------
    InputError
        When a worker has several threads, where passes through one model, or warnings, would
        disturb each other; when no worker has the resources.
    MissingToolError
        When dask.distributed is not installed.
    """
    try:
        import cloudpickle
        from distributed import as_completed
    except ImportError:
        raise MissingToolError("client= needs dask.distributed: pip install distributed") from None
    cluster = read_client(client)
    _check_workers(cluster)

    def send(value: Any) -> Any:
        # Sent as bytes, because dask would unpack containers and replace the ordered dicts of
        # modules by plain ones. Sent as the result of a task, which the scheduler can repeat:
        # scattered data are lost with the worker that holds them.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            data = cloudpickle.dumps(value)
            return cluster.client.submit(_return_bytes, data, pure=False, retries=_RETRIES)

    shared = send(common)
    positions = {}
    for i, task in enumerate(tasks):
        future = cluster.client.submit(
            _run_task,
            function,
            shared,
            send(task),
            pure=False,
            retries=_RETRIES,
            resources=cluster.resources,
        )
        positions[future] = i
    results: list[Any] = [None] * len(tasks)
    try:
        for future in as_completed(list(positions)):
            result = future.result()
            if isinstance(result, NeuroLensError):
                raise result
            position = positions[future]
            results[position] = result
            if count is not None:
                count(tasks[position])
    finally:
        cluster.client.cancel([future for future in positions if not future.done()])
    return results


def _check_workers(cluster: Cluster) -> None:
    """Raise unless every worker has one thread and some worker has the resources."""
    threads = cluster.client.nthreads()
    crowded = [address for address, n_threads in threads.items() if n_threads > 1]
    if crowded:
        raise InputError(
            f"worker {crowded[0]} has several threads; start workers with threads_per_worker=1",
            anchor="cluster-settings",
        )
    workers = cluster.client.scheduler_info(n_workers=-1)["workers"].values()
    for name, amount in (cluster.resources or {}).items():
        if not any(worker["resources"].get(name, 0) >= amount for worker in workers):
            raise InputError(
                f"no worker has {amount} {name!r}; start workers with --resources "
                f"'{name}={amount:g}'",
                anchor="cluster-settings",
            )


def count_shards(client: Any) -> int:
    """Return into how many parts to divide the work of a cluster.

    There are several per worker, so that a lost or slow one costs little.
    """
    return _SHARDS_PER_WORKER * max(1, len(read_client(client).client.nthreads()))


def split_evenly(items: Sequence[int], n_parts: int) -> list[list[int]]:
    """Return consecutive parts of about equal length, none empty."""
    n_parts = max(1, min(n_parts, len(items)))
    edges = [i * len(items) // n_parts for i in range(n_parts + 1)]
    return [list(items[a:b]) for a, b in itertools.pairwise(edges) if b > a]


def _return_bytes(value: bytes) -> bytes:
    return value


def _run_task(function: Callable, common: bytes, task: bytes) -> Any:
    try:
        return function(pickle.loads(common), pickle.loads(task))
    except NeuroLensError as error:
        return error  # raised where the cluster was asked: dask would retry what cannot succeed
