"""Features, activations and Grams of models to checked arrays: real, finite, enough stimuli, or an error that says why.

Features are what ``extract`` returns, Grams as a Dataset or activations as a DataTree, or one array
(stimulus, ...).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from neurolens.compare.stats.linalg import compute_gram
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    STIMULUS,
    STIMULUS_2,
    align_stimuli,
    check_dims,
    get_ids,
    list_names,
)

Features = xr.Dataset | xr.DataTree | xr.DataArray


def check_features(features: Any, *needed: str) -> None:
    """Raise InputError unless ``features`` can hold kernels or features.

    And a Dataset all that is ``needed``.
    """
    if isinstance(features, xr.Dataset):
        check_variables(features, "a Dataset of Grams", *(needed or ("gram",)))
    elif isinstance(features, xr.DataTree):
        if not any("activation" in node.data_vars for node in features.subtree):
            raise InputError(
                "the DataTree holds no variable 'activation'. Pass what extract_activations "
                "returns."
            )
    elif not isinstance(features, xr.DataArray):
        raise InputError(
            "features must be a Dataset of Grams, a DataTree of activations or a DataArray "
            f"(stimulus, feature), got "
            f"{type(features).__name__}. Label an array first: xr.DataArray(values, "
            f"dims=('stimulus', 'feature'), "
            "coords={'stimulus': ids})."
        )
    else:
        _check_axes(features, "the feature array")


def _check_axes(array: xr.DataArray, name: str) -> None:
    """Raise LabelError for dimensions that are labels, which would count as features."""
    labelled = [dim for dim in (OP, STIMULUS_2) if dim in array.dims]
    if labelled:
        raise LabelError(
            f"{name} must be features of one op, got dimensions {tuple(array.dims)}, of which "
            f"{list_names(labelled)} "
            "is no axis of features. Pass Grams as the Dataset they came in, and of several arrays "
            "one, or a DataTree."
        )


def check_variables(grams: xr.Dataset, name: str, *needed: str) -> None:
    """Raise InputError unless a Dataset of Grams holds all that is ``needed``."""
    missing = [variable for variable in needed if variable not in grams]
    if missing:
        raise InputError(
            f"{name} holds no {list_names(missing)}, only {list_names(map(str, grams.data_vars))}. "
            f"Pass what "
            "extract_grams returns, or one DataArray."
        )


def list_ops(features: Features) -> list[str]:
    """Return the names of the ops in ``features``; one array without a name is the op "model"."""
    if isinstance(features, xr.Dataset) and OP in features.dims:
        return [str(op) for op in features[OP].values]
    if isinstance(features, xr.DataTree):
        return [op for op, _ in list_arrays(features)]
    return [str(features.coords[OP].item())] if OP in features.coords else ["model"]


def list_arrays(tree: xr.DataTree) -> list[tuple[str, xr.DataArray]]:
    """Return the op and the activation (stimulus, ...) of each node, not loaded."""
    nodes = ((node.path, node.dataset) for node in tree.subtree)
    arrays = [
        (path, dataset["activation"])
        for path, dataset in nodes
        if "activation" in dataset.data_vars
    ]
    # A tree goes level by level; ops stand in the order in which they ran.
    arrays.sort(key=lambda held: held[1].attrs.get("position", 0))
    return [(str(array.attrs.get("op", path.strip("/"))), array) for path, array in arrays]


def iterate_kernels(features: Features, ids: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the Gram (stimulus, stimulus), float64, of each op in the order of ``list_ops``, its stimuli as ``ids``.

    Features are taken about their mean, which no kernel centred by training means depends on. The
    Gram of an op that does not vary but for rounding is 0. One op is in memory at a time.
    """
    if isinstance(features, xr.Dataset):
        for op, one in zip(
            list_ops(features), read_gram(features, "gram", ids, "the responses"), strict=True
        ):
            yield blank_rounding(
                check_numbers(one.values, ids, f"the Gram of op {op!r}"), read_eps(features)
            )
        return
    arrays = (
        [("the feature array", features)]
        if isinstance(features, xr.DataArray)
        else list_arrays(features)
    )
    for op, array in arrays:
        name = op if isinstance(features, xr.DataArray) else f"op {op!r}"
        if STIMULUS in array.dims:
            array = align_stimuli(
                array, ids.tolist(), name=name, other="the responses", dims=(STIMULUS,)
            )
        values = read_features(array, name)[1]
        yield compute_gram(values, values.mean(axis=0, dtype=np.float64, keepdims=True))[0]


def read_eps(grams: xr.Dataset) -> float:
    """Return the precision of the products behind ``gram``.

    Which may be less than that of its numbers.
    """
    dtype = grams["gram"].dtype
    return float(grams.attrs.get("eps", np.finfo(dtype if dtype.kind == "f" else np.float64).eps))


def blank_rounding(gram: np.ndarray, eps: float) -> np.ndarray:
    """Return ``gram`` (n, n) as float64.

    All 0 where nothing but rounding is left of it once it is centred.
    """
    gram = gram.astype(np.float64)
    spread = np.trace(gram) - gram.mean(axis=0).sum()
    return gram if spread > max(1e-12, 16 * eps) * np.trace(gram) else np.zeros_like(gram)


def read_gram(
    grams: xr.Dataset,
    name: str,
    ids: np.ndarray | None = None,
    other: str = "its 'stimulus' labels",
    least: int = 3,
) -> xr.DataArray:
    """Return the Gram (op, stimulus, stimulus_2) with stimuli in the order of ``ids``.

    Not loaded; an op if alone.
    """
    gram = grams["gram"]
    if OP not in gram.dims:
        gram = gram.expand_dims(OP if OP in gram.coords else {OP: [name]})
    check_dims(gram, (OP, STIMULUS, STIMULUS_2), name)
    ids = get_ids(gram, STIMULUS, name) if ids is None else ids
    check_count(ids, name, least)
    return align_stimuli(gram, ids.tolist(), name=name, other=other).transpose(
        OP, STIMULUS, STIMULUS_2
    )


def read_features(array: xr.DataArray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids and the features (n, p) of one array (stimulus, ...), all checked."""
    ids, values = flatten_features(array, name)
    return ids, check_numbers(values, ids, name)


def flatten_features(array: xr.DataArray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids and the features (n, p), checked but for NaN and infinities."""
    if STIMULUS not in array.dims:
        raise LabelError(
            f"{name} must have the dimension 'stimulus', got {tuple(array.dims)} with sizes "
            f"{dict(array.sizes)}. "
            "Rename with .rename(old='stimulus')."
        )
    _check_axes(array, name)
    ids = get_ids(array, STIMULUS, name)
    check_count(ids, name)
    values = array.variable.transpose(STIMULUS, ...).values.reshape(len(ids), -1)
    if values.shape[1] == 0:
        raise InputError(
            f"{name} has no features: sizes {dict(array.sizes)}. Pass at least one value per "
            f"stimulus."
        )
    check_real(values, name)
    return ids, values


def check_count(ids: Sequence[Any] | np.ndarray, name: str, least: int = 3) -> None:
    """Raise InputError for too few stimuli.

    Fewer than 3 have no pattern of distances to compare.
    """
    if len(ids) < least:
        raise InputError(
            f"{name} must hold at least {least} stimuli, got {len(ids)}: {list_names(ids)}. Pass "
            f"more."
        )


def check_real(values: np.ndarray | xr.DataArray, name: str) -> None:
    """Raise InputError for numbers that are not real."""
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
    """Return ``values`` (n, p, ...) if they are real and finite.

    Name the stimuli (and ``columns``) that are not.
    """
    check_real(values, name)
    finite = np.isfinite(values)
    if not finite.all():
        finite = finite.reshape(*values.shape[:2], -1).all(axis=-1)
        bad = dict.fromkeys(i for i, ok in zip(ids, finite.all(axis=1), strict=True) if not ok)
        where = f"stimuli {list_names(bad)}"
        if columns is not None:
            where += f"; neuroids {list_names(columns[~finite.all(axis=0)])}"
        raise InputError(
            f"{name} must be finite, but there is NaN or inf in {where}. Drop or repair those "
            f"first."
        )
    return values
