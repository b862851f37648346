"""What encoding starts from: a kernel per op and a column per neuroid, matched by stimulus id."""

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from neurolens.compare.distances import compute_gram
from neurolens.compare.features import average_repeats, check_numbers, read_features
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    NEUROID,
    NEUROID_ID,
    OP,
    PRESENTATION,
    REGION,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    SUBJECT,
    align_stimuli,
    check_dims,
    get_ids,
    list_names,
)


class Targets(NamedTuple):
    """Responses to predict: ``values`` (stimulus, neuroid), float64, the mean over each stimulus' presentations.

    ``usable`` (neuroid,) is False for those that are NaN somewhere or never vary. ``n_repeats`` is the number of
    presentations behind a value, the harmonic mean where it differs. ``groups`` holds the (region, subject) that exist,
    with their neuroids. ``coords`` are the labels along neuroid; "region" and "subject" become "neuroid_region" and
    "neuroid_subject", because the answer has dimensions of those names.
    """

    ids: np.ndarray
    values: np.ndarray
    usable: np.ndarray
    n_repeats: float
    names: np.ndarray
    regions: list
    subjects: list
    groups: dict[tuple[int, int], np.ndarray]
    coords: dict[str, Any]


def read_targets(responses: xr.DataArray) -> Targets:
    """Return checked responses (presentation, neuroid) or (stimulus, neuroid).

    Raises
    ------
    InputError
        Values are complex or not numbers; a stimulus is NaN in every neuroid; no neuroid can be used.
    LabelError
        Dimensions or stimulus labels are missing.

    Warns
    -----
    RuntimeWarning
        Neuroids that are NaN somewhere, infinite or constant, named; they get no score.
    """
    if not isinstance(responses, xr.DataArray):
        raise InputError(
            f"responses must be a DataArray (presentation, neuroid) or (stimulus, neuroid), got "
            f"{type(responses).__name__}. Label an array first: xr.DataArray(values, dims=('stimulus', 'neuroid'), "
            "coords={'stimulus': ids})."
        )
    rows = PRESENTATION if PRESENTATION in responses.dims else STIMULUS
    check_dims(responses, (rows, NEUROID), "responses")
    if isinstance(responses.indexes.get(NEUROID), pd.MultiIndex):
        responses = responses.reset_index(NEUROID)
    responses = responses.transpose(rows, NEUROID)
    if rows == STIMULUS:
        presented = get_ids(responses, STIMULUS, "responses").tolist()
    elif STIMULUS_ID in responses.coords:
        presented = responses[STIMULUS_ID].values.tolist()
    else:
        raise LabelError(
            "responses have no 'stimulus_id' on 'presentation', so they cannot be matched to stimuli. "
            "Add it with responses.assign_coords(stimulus_id=('presentation', ids))."
        )
    values = responses.values
    if values.dtype.kind not in "fiub":
        raise InputError(f"responses must be real numbers, got dtype {values.dtype}. Pass amplitudes, e.g. abs(x).")
    names = responses[NEUROID_ID].values if NEUROID_ID in responses.coords else np.arange(values.shape[1])
    finite = np.isfinite(values)
    dead = [stimulus for stimulus, row in zip(presented, finite, strict=True) if not row.any()]
    if dead:
        raise InputError(
            f"responses must hold numbers, but every neuroid is NaN or inf for stimuli "
            f"{list_names(dict.fromkeys(dead))}. Drop those presentations first."
        )
    varies = np.zeros(values.shape[1], dtype=bool)
    whole = finite.all(axis=0)
    varies[whole] = (values[:, whole] != values[:1, whole]).any(axis=0)
    _warn_unusable(names[~whole], names[whole & ~varies])
    if not varies.any():
        raise InputError(f"responses hold no neuroid that can be predicted, of {len(names)}. Pass some that vary.")
    ids = list(dict.fromkeys(presented))
    counts = np.unique(presented, return_counts=True)[1]
    means = np.full((len(ids), len(names)), np.nan)
    means[:, varies] = average_repeats(values[:, varies], presented, ids)
    regions, region_of = _read_groups(responses, REGION, "brain")
    subjects, subject_of = _read_groups(responses, SUBJECT, "group")
    pairs = sorted(set(zip(region_of.tolist(), subject_of.tolist(), strict=True)))
    return Targets(
        ids=np.asarray(ids),
        values=means,
        usable=varies,
        n_repeats=float(1 / np.mean(1 / counts)),
        names=names,
        regions=regions,
        subjects=subjects,
        groups={(r, s): np.flatnonzero((region_of == r) & (subject_of == s)) for r, s in pairs},
        coords={
            f"neuroid_{name}" if name in (REGION, SUBJECT) else str(name): (NEUROID, coord.values)
            for name, coord in responses.coords.items()
            if coord.dims == (NEUROID,)
        },
    )


def list_ops(features: xr.Dataset | xr.DataTree | xr.DataArray) -> list[str]:
    """Return the names of the ops in ``features``; one array without a name is the op "model"."""
    if isinstance(features, xr.DataTree):
        return [str(node.dataset["activation"].attrs.get("op", node.path.strip("/"))) for node in _find_nodes(features)]
    if isinstance(features, xr.Dataset) and OP in features.dims:
        return [str(op) for op in features[OP].values]
    return [str(features.coords[OP].item())] if OP in features.coords else ["model"]


def iterate_kernels(features: xr.Dataset | xr.DataTree | xr.DataArray, ids: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the Gram (stimulus, stimulus), float64, of each op in the order of ``list_ops``, its stimuli as ``ids``.

    Gram or features may be offset by anything that is constant over stimuli: a centred kernel does not depend on it.
    """
    if isinstance(features, xr.Dataset):
        yield from _read_grams(features, ids)
    elif isinstance(features, xr.DataTree):
        for op, node in zip(list_ops(features), _find_nodes(features), strict=True):
            yield _compute_kernel(node.dataset["activation"], ids, f"op {op!r}")
    else:
        yield _compute_kernel(features, ids, "the feature array")


def check_features(features: Any) -> None:
    """Raise InputError unless ``features`` can hold kernels or features."""
    if isinstance(features, xr.Dataset) and "gram" not in features:
        raise InputError(
            f"a Dataset of Grams holds 'gram', got {list_names(map(str, features.data_vars))}. Pass what extract_grams "
            "returns, or one DataArray."
        )
    if isinstance(features, xr.DataTree) and not _find_nodes(features):
        raise InputError("the DataTree holds no variable 'activation'. Pass what extract_activations returns.")
    if not isinstance(features, xr.Dataset | xr.DataTree | xr.DataArray):
        raise InputError(
            f"features must be a Dataset of Grams, a DataTree of activations or a DataArray (stimulus, feature), got "
            f"{type(features).__name__}. Label an array first: xr.DataArray(values, dims=('stimulus', 'feature'), "
            "coords={'stimulus': ids})."
        )


def _read_grams(grams: xr.Dataset, ids: np.ndarray) -> Iterator[np.ndarray]:
    gram = grams["gram"] if OP in grams["gram"].dims else grams["gram"].expand_dims(OP)
    check_dims(gram, (OP, STIMULUS, STIMULUS_2), "gram")
    gram = align_stimuli(gram, ids.tolist(), name="gram", other="the responses")
    for op, one in zip(list_ops(grams), gram.transpose(OP, STIMULUS, STIMULUS_2), strict=True):
        yield check_numbers(one.values, ids, f"the Gram of op {op!r}").astype(np.float64)


def _compute_kernel(array: xr.DataArray, ids: np.ndarray, name: str) -> np.ndarray:
    if STIMULUS in array.dims:
        array = align_stimuli(array, ids.tolist(), name=name, other="the responses", dims=(STIMULUS,))
    values = read_features(array, name)[1]
    return compute_gram(values, values.mean(axis=0, dtype=np.float64, keepdims=True))[0]


def _find_nodes(tree: xr.DataTree) -> list[xr.DataTree]:
    return [node for node in tree.subtree if "activation" in node.data_vars]


def _read_groups(responses: xr.DataArray, dim: str, default: str) -> tuple[list, np.ndarray]:
    """Return the labels of ``dim`` in order of appearance, and the place of each neuroid's label among them."""
    n_neuroids = responses.sizes[NEUROID]
    column = np.broadcast_to(responses[dim].values if dim in responses.coords else default, n_neuroids).tolist()
    labels = list(dict.fromkeys(column))
    place = {label: k for k, label in enumerate(labels)}
    return labels, np.array([place[label] for label in column], dtype=int)


def _warn_unusable(broken: np.ndarray, constant: np.ndarray) -> None:
    found = [
        f"{what} in {len(names)}: {list_names(names)}"
        for what, names in (("NaN or inf", broken), ("no change over presentations", constant))
        if len(names)
    ]
    if found:
        warnings.warn(
            f"some neuroids cannot be predicted and get NaN ({'; '.join(found)}). Drop or repair them.",
            RuntimeWarning,
            stacklevel=4,
        )
