"""Checks of the arguments of public functions, and attributes that record settings of scores.

Checked are the kind of an argument (`check_kind`), numbers in an array, settings, seeds and
devices.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr

from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels import list_names

Seed = int | np.random.Generator
_NUMBER = re.compile("([0-9]+)")
# What a missing label becomes when an array of names is made of it.
UNKNOWN = ("nan", "NaT", "<NA>")


class Kind(NamedTuple):
    """What an argument may be: its ``types``, the same in words, and where to get one.

    ``dims`` are those to label a bare array with; none where an array cannot become one.
    """

    types: tuple[type, ...]
    words: str
    source: str
    dims: tuple[str, ...] = ()


KINDS = {
    "responses": Kind(
        (xr.DataArray,),
        "a DataArray (presentation, neuroid) or (stimulus, neuroid)",
        "a labelled array, such as load_dataset returns, or one variable of a Dataset",
        ("stimulus", "neuroid"),
    ),
    "features": Kind(
        (xr.Dataset, xr.DataTree, xr.DataArray),
        "a Dataset of Grams, a DataTree of activations or a DataArray (stimulus, feature)",
        "what extract_grams or extract_activations returns",
        ("stimulus", "feature"),
    ),
    "activations": Kind(
        (xr.DataArray, xr.Dataset, xr.DataTree),
        "a DataTree of activations, or the DataArray (stimulus, ...) of one op",
        "what extract_activations returns",
        ("stimulus", "feature"),
    ),
    "encoder": Kind(
        (xr.Dataset, xr.DataTree),
        "an encoder, a Dataset with 'weight' and 'intercept', or a DataTree of several",
        "what compute_encoding_weights returns",
    ),
    "rdms": Kind(
        (xr.DataArray,),
        "a DataArray (..., stimulus, stimulus_2)",
        "what compute_rdms returns",
        ("stimulus", "stimulus_2"),
    ),
    "reweightable": Kind(
        (xr.DataArray,),
        "a DataArray (stimulus, feature) or RDMs (op, stimulus, stimulus_2)",
        "one variable 'activation', or what compute_rdms returns",
        ("stimulus", "feature"),
    ),
    "grams": Kind(
        (xr.Dataset,),
        "a Dataset with 'gram' (..., stimulus, stimulus_2)",
        "what extract_grams returns for a model, or compute_grams(responses) for a brain",
    ),
    "scores": Kind(
        (xr.Dataset,),
        "a Dataset of scores",
        "what compare_rdms, bootstrap_rdms or fit_encoding returns",
    ),
    "score": Kind(
        (xr.DataArray,),
        "a DataArray of scores",
        "one variable of what compare_rdms or fit_encoding returns, such as scores['score_mean']",
    ),
    "ceiling": Kind(
        (xr.DataArray,),
        "a DataArray of ceilings",
        "what compute_ncsnr or compute_split_half returns, or scores['ceiling_upper']",
    ),
    "shown": Kind(
        (xr.DataArray, xr.Dataset),
        "a DataArray or Dataset with 'stimulus', or with 'stimulus_id' on 'presentation'",
        "the responses",
        ("stimulus", "neuroid"),
    ),
    "spaces": Kind(
        (Mapping,),
        "a mapping of names to features, two or more",
        "{'name': features, 'other': features}",
    ),
}


def check_kind(value: Any, kind: str, name: str) -> None:
    """Raise InputError unless the argument called ``name`` is of a ``kind`` of ``KINDS``.

    The message says what was expected, what came and what to type next.
    """
    expected = KINDS[kind]
    if not isinstance(value, expected.types):
        raise InputError(
            f"{name} must be {expected.words}, got {type(value).__name__}. "
            f"{_suggest_labels(value, expected)}",
            anchor="wrong-object",
        )


def _suggest_labels(value: Any, expected: Kind) -> str:
    """Return the sentence that says how to make what was ``expected`` of ``value``."""
    if expected is KINDS["rdms"] and isinstance(getattr(value, "rdms", None), xr.DataArray):
        return "Pass its RDMs: dataset.rdms."
    arrays = np.ndarray | list | tuple | pd.DataFrame | torch.Tensor
    if not expected.dims or not isinstance(value, arrays):
        return f"Pass {expected.source}."
    is_table = isinstance(value, pd.DataFrame)
    numbers = "table.values" if is_table else "values"
    if isinstance(value, torch.Tensor):
        numbers = "values.numpy(force=True)"
    ids = "table.index" if is_table else "ids"
    names = [f"'{dim}': {ids}" for dim in expected.dims if dim.startswith("stimulus")]
    what = "a table" if is_table else "an array"
    return (
        f"Label {what} first: xr.DataArray({numbers}, dims={expected.dims!r}, "
        f"coords={{{', '.join(names)}}})."
    )


def check_labels_known(column: Any, name: str) -> None:
    """Raise LabelError where a label is missing, because all without one would form one group.

    Parameters
    ----------
    column : array (n,)
        Labels of subjects, regions, runs, sessions or stimuli.
    name : str
        What to call them, such as "'run' of presentations".

    Raises
    ------
    LabelError
        Labels are NaN, None, NaT or NA, or the text that NumPy and pandas make of these among
        names: "nan", "NaT", "<NA>".
    """
    labels = np.asarray(column).astype(object).ravel()
    unknown = np.array([isinstance(x, str) and x in UNKNOWN for x in labels], dtype=bool)
    unknown |= np.asarray(pd.isna(labels), dtype=bool)
    if unknown.any():
        first = int(np.argmax(unknown))
        raise LabelError(
            f"{name} must be known throughout, and {unknown.sum()} of {len(labels)} are NaN or "
            f"None, or the text of one, the first in place {first}: {list_names(labels[[first]])}. "
            f"Drop those, or name them.",
            anchor="ids-missing",
        )


def check_path(path: Any, example: str) -> None:
    """Raise InputError unless ``path`` can name a file, such as that of the ``example``."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(
            f"path must be the path of a file, got {type(path).__name__}. Pass e.g. {example}."
        )
    if not os.fspath(path):
        raise InputError(
            f"path must be the path of a file, got an empty text. Pass e.g. {example}."
        )


def check_count(ids: Sequence[Any] | np.ndarray, name: str, least: int = 3) -> None:
    """Raise InputError for too few stimuli.

    Fewer than 3 have no pattern of distances to compare.
    """
    if len(ids) < least:
        raise InputError(
            f"{name} must hold at least {least} stimuli, got {len(ids)}: {list_names(ids)}. Pass "
            f"more.",
            anchor="too-few-stimuli",
        )


def check_real(values: np.ndarray | xr.DataArray, name: str) -> None:
    """Raise InputError for numbers that are not real; True and False count as 1 and 0."""
    if values.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be real numbers, got dtype {values.dtype}. Take e.g. abs(x) or x.real "
            f"first."
        )


def check_numbers(
    values: np.ndarray,
    ids: Sequence[Any] | np.ndarray,
    name: str,
    columns: np.ndarray | None = None,
) -> np.ndarray:
    """Return ``values`` (n, p, ...) if they are real and finite, True and False as 1 and 0.

    The error names the stimuli (and ``columns``) that hold other values.
    """
    check_real(values, name)
    if values.dtype.kind == "b":
        return values.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        finite = finite.reshape(*values.shape[:2], -1).all(axis=-1)
        whole = finite.all(axis=1)
        bad = dict.fromkeys(i for i, ok in zip(ids, whole, strict=True) if not ok)
        where = f"stimuli {list_names(bad)}"
        if columns is not None:
            where += f"; neuroids {list_names(columns[~finite.all(axis=0)])}"
        raise InputError(
            f"{name} must be finite, but there is NaN or inf in {where}. Drop or repair those "
            f"first.",
            anchor="missing-values",
        )
    return values


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
    """Raise InputError unless ``n_bootstrap`` is 0, for no draws, or a whole number above 1."""
    check_whole(n_bootstrap, "n_bootstrap", 0, 1000)
    if n_bootstrap == 1:
        raise InputError(
            "n_bootstrap must be 2 or more, or 0 for no draws, got 1: one draw has no spread, so "
            "its interval would have width 0. Pass e.g. n_bootstrap=1000."
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
            f"{reason}. Pass device='cpu', or 'cuda' where there is a GPU.",
            anchor="device-unavailable",
        ) from None


def rank_ids(ids: np.ndarray) -> np.ndarray:
    """Return the rank (n,) of each of ``ids`` in sorted order, from 0.

    Random numbers are drawn for positions in sorted order and taken at these ranks, so that they
    belong to the ids and not to the order in which the data hold them. Numbers within names are
    compared as numbers: "s2" comes before "s10".
    """
    names = ids.tolist()
    try:
        order = sorted(range(len(names)), key=lambda k: _split_numbers(names[k]))
    except TypeError:
        # Ids of several types cannot be compared with each other.
        order = sorted(range(len(names)), key=lambda k: repr(names[k]))
    rank = np.empty(len(names), dtype=int)
    rank[order] = np.arange(len(names))
    return rank


def _split_numbers(name: Any) -> Any:
    """Return a key that sorts names by their numbers, and names that differ in zeros apart."""
    if not isinstance(name, str):
        return name
    parts = _NUMBER.split(name)
    key = [int(part) if i % 2 else part for i, part in enumerate(parts)]
    return key, name


def warn_no_score(names: Iterable[Any], reason: str, fix: str) -> None:
    """Warn the user of everything without a score: "no score for NAMES: REASON. FIX."."""
    lost = list(names)
    if lost:
        warn_user(f"no score for {list_names(lost)}: {reason}. {fix}.")


def describe_rng(rng: Seed) -> str | int:
    """Return a seed as an attribute can record it."""
    return "generator" if isinstance(rng, np.random.Generator) else int(rng)


def put_on(dims: Any, **values: Any) -> dict[str, xr.Variable]:
    """Return each of ``values`` as a variable with dimensions ``dims``."""
    return {name: xr.Variable(dims, value) for name, value in values.items()}


def find_ops(mapping: Mapping[str, Any] | None, ops: np.ndarray, name: str, what: str) -> list[Any]:
    """Return the entry of ``mapping`` for each of ``ops``, None where there is none.

    Raises LabelError if ``mapping`` is empty or names an op that is not among ``ops``.
    """
    if mapping is not None and not isinstance(mapping, Mapping):
        raise InputError(
            f"{name} must map ops of scores to {what}, got {type(mapping).__name__}. Pass e.g. "
            f"{name}={{op: ... for op in scores.op.values}}."
        )
    unknown = [op for op in mapping or () if op not in set(ops)]
    if unknown or not mapping:
        raise LabelError(
            f"{name} must map ops of scores to {what}, got {len(mapping or ())} ops of which "
            f"scores lack {list_names(unknown)}. Pass e.g. "
            f"{name}={{op: ... for op in scores.op.values}}.",
            anchor="unknown-op",
        )
    return [mapping.get(op) for op in ops]
