"""Activations and Grams of models, read once: real, finite, enough stimuli, or an error.

Features are what ``extract`` returns, Grams as a Dataset or activations as a DataTree, or one array
(stimulus, ...). `open_features` reads their labels; numbers are read op by op, as they are used.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import (
    check_count,
    check_kind,
    check_numbers,
    check_real,
)
from neurolens.compare.inputs.dimensions import refuse_brain
from neurolens.compare.inputs.repeats import average_samples
from neurolens.compare.stats.linalg import blank_rounding, bound_rounding, compute_gram
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    OP,
    REGION,
    SAMPLE,
    STIMULUS,
    STIMULUS_2,
    STIMULUS_ID,
    SUBJECT,
    TIME_BIN,
    align_labels,
    check_dims,
    get_ids,
    list_names,
)

# Coordinates along the stimuli that RDMs have for themselves.
_LABELS_OF_RDMS = (STIMULUS, STIMULUS_2, STIMULUS_ID, OP, REGION, SUBJECT, TIME_BIN, SAMPLE)
# What users pass.
FeatureData = xr.Dataset | xr.DataTree | xr.DataArray


class Predictors(NamedTuple):
    """What one op predicts from: its features (stimulus, p), or their kernel, a square.

    ``values`` are float64. Features are less their mean; a kernel need not be. Whatever is centered
    by means of some of the stimuli does not depend on that. ``rounding`` is the largest eigenvalue
    that a kernel can have because its products are float32, 0 where they are not.
    """

    values: np.ndarray
    is_kernel: bool
    rounding: float = 0.0

    def compute_kernel(self, n_stimuli: int) -> np.ndarray:
        """Return the kernel of the first stimuli."""
        if self.is_kernel:
            return self.values[:n_stimuli, :n_stimuli]
        return self.values[:n_stimuli] @ self.values[:n_stimuli].T


class Activations(NamedTuple):
    """The activations of each of ``ops``: ``arrays`` (stimulus, ...), not loaded.

    ``names`` are used in error messages; ``alone`` is True for a single array rather than a tree.
    """

    ops: list[str]
    arrays: list[xr.DataArray]
    names: list[str]
    alone: bool

    def iterate_kernels(self, ids: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the Gram (stimulus, stimulus) of each op about the mean, in order of ``ids``."""
        for predictors in self.iterate_predictors(ids, 0):
            yield predictors.values

    def iterate_predictors(self, ids: np.ndarray, n_train: int) -> Iterator[Predictors]:
        """Yield the features of ops that have fewer than ``n_train``, the kernel of others.

        Stimuli stand in the order of ``ids``. All is 0 for an op that is constant up to rounding.
        """
        for array, name in zip(self.arrays, self.names, strict=True):
            if STIMULUS in array.dims:
                array = align_labels(
                    array, ids.tolist(), name=name, other="the responses", dims=(STIMULUS,)
                )
            yield center_features(read_features(array, name)[1], n_train)


class Product(NamedTuple):
    """Products of the features of one op: ``gram`` (n, n), ``row_sum`` (n,), float64."""

    gram: np.ndarray
    row_sum: np.ndarray
    n_features: int


class Products(NamedTuple):
    """Grams whose labels are checked: ``gram`` (op, stimulus, stimulus_2), not loaded.

    ``row_sum`` (op, stimulus) and ``n_features`` (op,) belong to it, ``eps`` is its precision,
    relative to ``residual`` (op, stimulus) where there is one. ``alone`` is True if the user's Gram
    had no dimension op.
    """

    gram: xr.DataArray
    row_sum: xr.DataArray
    n_features: np.ndarray
    eps: float
    residual: np.ndarray | None
    alone: bool

    def iterate(self) -> Iterator[Product]:
        """Yield the numbers of each op, checked."""
        ids = self.gram[STIMULUS].values
        for k, op in enumerate(self.gram[OP].values):
            square = check_numbers(self.gram[k].values, ids, f"the Gram of op {str(op)!r}")
            sums = self.row_sum[k].values[:, None]  # (n,) -> (n, 1)
            sums = check_numbers(sums, ids, f"the row sums of op {str(op)!r}")[:, 0]
            yield Product(
                square.astype(np.float64), sums.astype(np.float64), int(self.n_features[k])
            )


class Grams(NamedTuple):
    """The Gram of each of ``ops``: ``grams`` as the user passed them, not loaded."""

    ops: list[str]
    grams: xr.Dataset

    def read(self) -> Products:
        """Return the Grams with the row sums and numbers of features that RDMs need."""
        gram = read_gram(self.grams, "gram")
        get_ids(gram, OP, "gram")
        sums = self.grams["row_sum"]
        if OP not in sums.dims:
            sums = sums.expand_dims(OP)
        alone = OP not in self.grams["gram"].dims
        n_features = np.atleast_1d(self.grams["n_features"].values)
        sums = sums.transpose(OP, STIMULUS)
        eps = read_eps(self.grams)
        residual = read_residual(self.grams, gram)
        return Products(gram, sums, n_features, eps, residual, alone)

    def iterate_kernels(self, ids: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the Gram (stimulus, stimulus) of each op, in the order of ``ids``.

        It is all 0 where centering leaves only rounding error.
        """
        for predictors in self.iterate_predictors(ids, 0):
            yield predictors.values

    def iterate_predictors(self, ids: np.ndarray, n_train: int) -> Iterator[Predictors]:
        """Yield the kernel of each op, which is all that is known of its features."""
        gram = read_gram(self.grams, "gram", ids, "the responses")
        eps = read_eps(self.grams)
        residual = read_residual(self.grams, gram)
        for i, op in enumerate(self.ops):
            square = check_numbers(gram[i].values, ids, f"the Gram of op {op!r}")
            rounding = bound_rounding(square, eps, None if residual is None else residual[i])
            kernel = blank_rounding(square, rounding)
            yield Predictors(kernel, True, 0.0 if residual is None else float(rounding.sum()))


Features = Activations | Grams


def open_features(data: Any, *needed: str) -> Features:
    """Return the activations or the Grams of a model by op, without loading them.

    Raises
    ------
    InputError
        ``data`` is none of these, or holds no activations; a Dataset lacks what is ``needed``, by
        default "gram".
    LabelError
        One array has dimensions that are labels and no axis of features.
    """
    if isinstance(data, xr.Dataset):
        check_variables(data, "a Dataset of Grams", *(needed or ("gram",)))
        ops = data[OP].values if OP in data.dims else [_name_op(data)]
        return Grams([str(op) for op in ops], data)
    if isinstance(data, xr.DataTree):
        pairs = list_arrays(data)
        if not pairs:
            raise InputError(
                "the DataTree holds no variable 'activation'. Pass what extract_activations "
                "returns.",
                anchor="wrong-object",
            )
        ops = [op for op, _ in pairs]
        return Activations(ops, [array for _, array in pairs], [f"op {op!r}" for op in ops], False)
    check_kind(data, "features", "features")
    refuse_brain(data, "the feature array")
    return Activations([_name_op(data)], [data], ["the feature array"], True)


def check_features(features: Any, *needed: str) -> None:
    """Raise InputError unless ``features`` can hold kernels or features.

    A Dataset must hold all that is ``needed``.
    """
    open_features(features, *needed)


def _name_op(features: xr.Dataset | xr.DataArray) -> str:
    """Return the name of a single op, "model" where it has none."""
    return str(features.coords[OP].item()) if OP in features.coords else "model"


def check_variables(grams: xr.Dataset, name: str, *needed: str) -> None:
    """Raise InputError unless a Dataset of Grams holds all that is ``needed``."""
    missing = [variable for variable in needed if variable not in grams]
    if missing:
        raise InputError(
            f"{name} holds no {list_names(missing)}, only {list_names(map(str, grams.data_vars))}. "
            f"Pass what extract_grams returns, or one DataArray.",
            anchor="wrong-object",
        )


def list_ops(features: FeatureData) -> list[str]:
    """Return the names of the ops in ``features``; one array without a name is the op "model"."""
    return open_features(features).ops


def list_arrays(tree: xr.DataTree) -> list[tuple[str, xr.DataArray]]:
    """Return the op and the activation (stimulus, ...) of each node, not loaded."""
    arrays = [
        (node.path, node.dataset["activation"])
        for node in tree.subtree
        if "activation" in node.data_vars
    ]
    # A tree is walked level by level; ops are listed in the order in which they ran.
    arrays.sort(key=lambda pair: pair[1].attrs.get("position", 0))
    return [(str(array.attrs.get("op", path.strip("/"))), array) for path, array in arrays]


def iterate_kernels(features: FeatureData, ids: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the Gram (stimulus, stimulus), float64, of each op, in the order of ``ids``.

    Features are taken about their mean, which no kernel centred by training means depends on. The
    Gram of an op that is constant up to rounding is 0. One op is in memory at a time.
    """
    yield from open_features(features).iterate_kernels(ids)


def read_eps(grams: xr.Dataset) -> float:
    """Return the precision of the products behind ``gram``, which can be less than its dtype's."""
    dtype = grams["gram"].dtype
    return float(grams.attrs.get("eps", np.finfo(dtype if dtype.kind == "f" else np.float64).eps))


def read_residual(grams: xr.Dataset, gram: xr.DataArray) -> np.ndarray | None:
    """Return the squared lengths (op, stimulus) that ``eps`` is relative to.

    None stands for the diagonal of ``gram`` (op, stimulus, stimulus_2), whose labels are a
    selection of those of ``grams``.
    """
    if "residual" not in grams:
        return None
    residual = grams["residual"]
    if OP not in residual.dims:
        residual = residual.expand_dims({OP: gram[OP].values})
    residual = align_labels(
        residual,
        gram[STIMULUS].values.tolist(),
        name="residual",
        other="the Gram",
        dims=(STIMULUS,),
    )
    return residual.transpose(OP, STIMULUS).values


def center_features(values: np.ndarray, n_train: int) -> Predictors:
    """Return ``values`` (n, p) about their mean, or their Gram unless p is below ``n_train``.

    All is 0 where what is left by the mean is rounding of the dtype of ``values``.
    """
    mean = values.mean(axis=0, dtype=np.float64, keepdims=True)  # (1, p)
    # A Python float: numbers of the features' own type could overflow below.
    eps = float(np.finfo(values.dtype if values.dtype.kind == "f" else np.float64).eps)
    level = len(values) * float((mean**2).sum()) * (16 * eps) ** 2
    if values.shape[1] < n_train:
        centered = np.subtract(values, mean, dtype=np.float64)
        spread = float(np.vdot(centered, centered))
        return Predictors(centered if spread > level else np.zeros_like(centered), False)
    gram = compute_gram(values, mean)[0]
    return Predictors(gram if np.trace(gram) > level else np.zeros_like(gram), True)


def read_gram(
    grams: xr.Dataset,
    name: str,
    ids: np.ndarray | None = None,
    other: str = "its 'stimulus' labels",
    least: int = 3,
) -> xr.DataArray:
    """Return the Gram (op, stimulus, stimulus_2), not loaded, stimuli in the order of ``ids``.

    The Gram of a single op gets the dimension op.
    """
    gram = grams["gram"]
    if OP not in gram.dims:
        gram = gram.expand_dims(OP if OP in gram.coords else {OP: [name]})
    check_dims(gram, (OP, STIMULUS, STIMULUS_2), name)
    ids = get_ids(gram, STIMULUS, name) if ids is None else ids
    gram = align_labels(gram, ids.tolist(), name=name, other=other)
    check_count(ids, name, least)
    return gram.transpose(OP, STIMULUS, STIMULUS_2)


def read_features(array: xr.DataArray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids and the features (n, p) of one array (stimulus, ...), all checked."""
    ids, values = flatten_features(array, name)
    return ids, check_numbers(values, ids, name)


def flatten_features(array: xr.DataArray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids and the features (n, p), checked but for NaN and infinities.

    Of samples of a stochastic model the mean is taken.
    """
    ids = list_ids(array, name)
    return ids, flatten_rows(array, name)


def list_ids(array: xr.DataArray, name: str) -> np.ndarray:
    """Return the ids of the stimuli of one array (stimulus, ...), checked."""
    if STIMULUS not in array.dims:
        raise LabelError(
            f"{name} must have the dimension 'stimulus', got {tuple(array.dims)} with sizes "
            f"{dict(array.sizes)}. Rename with .rename(old='stimulus').",
            anchor="wrong-dimensions",
        )
    refuse_brain(array, name)
    ids = get_ids(array, STIMULUS, name)
    check_count(ids, name)
    return ids


def flatten_rows(array: xr.DataArray, name: str) -> np.ndarray:
    """Return the features (n, p) of stimuli of an array (stimulus, ...), real."""
    array = average_samples(array, name)
    values = array.variable.transpose(STIMULUS, ...).values.reshape(array.sizes[STIMULUS], -1)
    if values.shape[1] == 0:
        raise InputError(
            f"{name} has no features: sizes {dict(array.sizes)}. Pass at least one value per "
            f"stimulus."
        )
    check_real(values, name)
    return values


def list_metadata(array: xr.DataArray) -> dict[str, Any]:
    """Return what is known of the stimuli of an array, by name, as coordinates of its RDM."""
    known = {}
    for name, coord in array.coords.items():
        if coord.dims == (STIMULUS,) and name not in _LABELS_OF_RDMS:
            known[str(name)] = (STIMULUS, coord.values)
    return known
