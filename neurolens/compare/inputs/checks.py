"""Settings checked alike everywhere, and what scores tell of how they were made."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import list_names

Seed = int | np.random.Generator


def check_whole(number: Any, name: str, least: int, example: int) -> None:
    """Raise InputError unless ``number`` is whole and ``least`` or more."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
        raise InputError(
            f"{name} must be a whole number, {least} or more, got {number!r}. Pass e.g. "
            f"{name}={example}."
        )


def check_share(number: float, name: str, example: float) -> None:
    """Raise InputError unless ``number`` lies between 0 and 1."""
    if not 0 < number < 1:
        raise InputError(
            f"{name} must lie between 0 and 1, got {number!r}. Pass e.g. {name}={example}."
        )


def check_draws(n_bootstrap: Any) -> None:
    """Raise InputError unless ``n_bootstrap`` is 0, for no draws.

    Or a whole number of 2 or more.
    """
    check_whole(n_bootstrap, "n_bootstrap", 0, 1000)
    if n_bootstrap == 1:
        raise InputError(
            "n_bootstrap must be 2 or more, or 0 for no draws, got 1: one draw has no spread, so "
            "its "
            "interval would have width 0. Pass e.g. n_bootstrap=1000."
        )


def make_generator(rng: Any) -> np.random.Generator:
    """Return the generator of a seed, or raise InputError for what is neither a seed nor one."""
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise InputError(
            f"rng must be a whole number, 0 or more, or a numpy Generator, got {rng!r}. Pass e.g. "
            f"rng=0."
        )
    return np.random.default_rng(int(rng))


def check_device(device: Any) -> None:
    """Raise InputError unless torch can compute in float64 on ``device``."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"device must be one that torch can compute on in float64 here, got {device!r}: "
            f"{reason}. "
            "Pass device='cpu', or 'cuda' where there is a GPU."
        ) from None


def rank_ids(ids: np.ndarray) -> np.ndarray:
    """Return the place (n,) of each of ``ids`` in sorted order.

    Random numbers are drawn for places in sorted order and taken at these ranks, so that they
    belong to the ids and not to the order in which the data hold them.
    """
    known = ids.tolist()
    try:
        order = sorted(range(len(known)), key=lambda k: known[k])
    except TypeError:
        # Ids of several types have no order of their own.
        order = sorted(range(len(known)), key=lambda k: repr(known[k]))
    rank = np.empty(len(known), dtype=int)
    rank[order] = np.arange(len(known))
    return rank


def warn_user(message: str, depth: int = 4) -> None:
    """Warn the caller of a public function.

    Which called the function that calls this one (or ``depth`` frames up).
    """
    warnings.warn(message, RuntimeWarning, stacklevel=depth)


def describe_rng(rng: Seed) -> str | int:
    """Return what attributes say of a seed."""
    return "generator" if isinstance(rng, np.random.Generator) else int(rng)


def put_on(dims: Any, **values: Any) -> dict[str, xr.Variable]:
    """Return each of ``values`` as a variable on ``dims``."""
    return {name: xr.Variable(dims, value) for name, value in values.items()}


def find_ops(mapping: Mapping[str, Any] | None, ops: np.ndarray, name: str, what: str) -> list[Any]:
    """Return what ``mapping`` has for each of ``ops``, None where it has nothing.

    LabelError for ops not there.
    """
    unknown = [op for op in mapping or () if op not in set(ops)]
    if unknown or not mapping:
        raise LabelError(
            f"{name} must map ops of scores to {what}, got {len(mapping or ())} ops of which "
            f"scores lack "
            f"{list_names(unknown)}. Pass e.g. {name}={{op: ... for op in scores.op.values}}."
        )
    return [mapping.get(op) for op in ops]


def describe_rsa(
    model_rdms: xr.DataArray, n_stimuli: int, rng: Seed, **more: Any
) -> dict[str, Any]:
    """Return the attributes of scores of RDMs."""
    metric = str(model_rdms.attrs.get("metric", "unknown"))
    return {
        "method": "rsa",
        "metric": metric,
        "n_stimuli": n_stimuli,
        **more,
        "rng": describe_rng(rng),
    }
