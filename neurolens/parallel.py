"""Tasks on the workers of a dask cluster, each run again elsewhere when its worker dies."""

import itertools
import pickle
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from neurolens.errors import InputError, MissingToolError, NeuroLensError

_SHARDS_PER_WORKER = 3
_RETRIES = 3


def run_tasks(
    client: Any,
    function: Callable,
    common: tuple,
    tasks: Sequence[Any],
    resources: dict[str, float] | None,
    count: Callable[[Any], None] = lambda task: None,
) -> list[Any]:
    """Return ``function(common, task)`` for each task, from the cluster; ``common`` is sent to every worker once.

    Raises
    ------
    InputError
        When a worker has several threads, where passes through one model, or warnings, would
        disturb each other; when no worker has the resources.
    """
    try:
        import cloudpickle
        from distributed import as_completed
    except ImportError:
        raise MissingToolError("client= needs dask.distributed: pip install distributed") from None
    crowded = [address for address, threads in client.nthreads().items() if threads > 1]
    if crowded:
        raise InputError(
            f"worker {crowded[0]} has several threads; start workers with threads_per_worker=1"
        )
    offered = client.scheduler_info(n_workers=-1)["workers"].values()
    for name, amount in (resources or {}).items():
        if not any(worker["resources"].get(name, 0) >= amount for worker in offered):
            raise InputError(
                f"no worker has {amount} {name!r}; start workers with --resources "
                f"'{name}={amount:g}'"
            )

    def send(value: Any) -> Any:
        # As bytes: dask would take containers apart and hand modules plain dicts in place of their
        # ordered ones. As the result of a task, which the scheduler can repeat: what is scattered
        # is lost with the worker that holds it.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            return client.submit(_keep, cloudpickle.dumps(value), pure=False, retries=_RETRIES)

    shared = send(common)
    found = {}
    futures = {
        client.submit(
            _run_task,
            function,
            shared,
            send(task),
            pure=False,
            retries=_RETRIES,
            resources=resources,
        ): i
        for i, task in enumerate(tasks)
    }
    try:
        for future in as_completed(list(futures)):
            result = future.result()
            if isinstance(result, NeuroLensError):
                raise result
            found[futures[future]] = result
            count(tasks[futures[future]])
    finally:
        client.cancel([future for future in futures if not future.done()])
    return [found[i] for i in range(len(tasks))]


def count_shards(client: Any) -> int:
    """Return into how many parts to divide the work of a cluster.

    So that a lost or slow one costs little.
    """
    return _SHARDS_PER_WORKER * max(1, len(client.nthreads()))


def split_evenly(items: Sequence[int], n_parts: int) -> list[list[int]]:
    """Return consecutive parts of about equal length, none empty."""
    n_parts = max(1, min(n_parts, len(items)))
    edges = [i * len(items) // n_parts for i in range(n_parts + 1)]
    return [list(items[a:b]) for a, b in itertools.pairwise(edges) if b > a]


def _keep(value: bytes) -> bytes:
    return value


def _run_task(function: Callable, common: bytes, task: bytes) -> Any:
    try:
        return function(pickle.loads(common), pickle.loads(task))
    except NeuroLensError as error:
        return error  # raised where the cluster was asked: dask would try again what cannot succeed
