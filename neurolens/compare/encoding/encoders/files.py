"""Files of encoders: numbers as safetensors, labels and attributes as JSON, and a checksum."""

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from neurolens.compare.encoding.encoders.prediction import list_encoders, list_nodes
from neurolens.compare.inputs.checks import check_path
from neurolens.errors import DataError, InputError
from neurolens.labels import LabelList
from neurolens.support.tensor_files import FileKind, explain_damage, read_tensors, write_tensors

ENCODER = FileKind(
    "neurolens-encoder-1",
    "encoder",
    "write one with save_encoder(path, encoder)",
    "Write it again with save_encoder(path, encoder), or take a sound copy.",
)
EXAMPLE = "'encoder.safetensors', before the encoder where there is one"
# Types whose JSON is read as the same type again.
PLAIN = (str, bool, int, float, type(None))


def save_encoder(
    path: str | Path, encoder: xr.Dataset | xr.DataTree, *, overwrite: bool = False
) -> Path:
    """Write an encoder, or a DataTree of several, to one file.

    Parameters
    ----------
    path : path
        Usually ending in ``.safetensors``.
    encoder : Dataset or DataTree
        From ``compute_encoding_weights``. Coordinates are numbers, dates or text, attributes plain
        numbers, text, lists and dicts of these.
    overwrite : bool
        Replace an existing file, once the new one is complete.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        The file exists, or cannot be written.
    InputError
        ``encoder`` is none, or holds labels or attributes that a file of plain data cannot hold.

    Notes
    -----
    There is no pickle and no code in the file: numbers are safetensors, which other tools read, the
    rest is JSON in its header. A sha256 of all of it tells damage when it is read.

    Examples
    --------
    >>> import numpy as np, tempfile, xarray as xr
    >>> from neurolens.compare import compute_encoding_weights, fit_encoding
    >>> rng = np.random.default_rng(0)
    >>> features = xr.DataArray(rng.normal(size=(30, 4)), dims=("stimulus", "feature"),
    ...                         coords={"stimulus": [f"s{i}" for i in range(30)]})
    >>> responses = xr.DataArray(rng.normal(size=(30, 2)), dims=("stimulus", "neuroid"),
    ...                          coords={"stimulus": features.stimulus})
    >>> encoder = compute_encoding_weights(fit_encoding(features, responses, dual=True), features)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_encoder(f"{folder}/encoder.safetensors", encoder)
    ...     load_encoder(path).identical(encoder)
    True
    """
    check_path(path, EXAMPLE)
    list_encoders(encoder)
    path = Path(path)
    if path.exists() and not overwrite:
        raise DataError(
            f"{str(path)!r} exists and is not replaced. Give another path, or pass overwrite=True.",
            anchor="file-exists",
        )
    is_tree = isinstance(encoder, xr.DataTree)
    nodes = list_nodes(encoder) if isinstance(encoder, xr.DataTree) else {"/": encoder}
    tensors: dict[str, torch.Tensor] = {}
    described = []
    for number, (place, dataset) in enumerate(nodes.items()):
        variables = {}
        for name, variable in dataset.variables.items():
            variables[str(name)] = _pack_variable(f"{number}/{name}", variable, tensors)
        described.append(
            {
                "path": place,
                "variables": variables,
                "coords": [str(name) for name in dataset.coords],
                "attrs": _pack_attrs(dataset.attrs),
            }
        )
    content = {
        "is_tree": is_tree,
        "name": encoder.name if isinstance(encoder, xr.DataTree) else None,
        "attrs": _pack_attrs(encoder.attrs) if is_tree else {},
        "nodes": described,
        "neurolens_version": metadata.version("neurolens-brain"),
    }
    text = json.dumps(content)
    header = {"content": text, "sha256": _hash_content(text, tensors)}
    write_tensors(path, ENCODER, header, tensors)
    return path


def load_encoder(path: str | Path) -> xr.Dataset | xr.DataTree:
    """Read an encoder written by ``save_encoder``, as it was, bit for bit.

    Raises
    ------
    DataError
        The file is missing, damaged, or no encoder.
    InputError
        ``path`` is no path.
    """
    check_path(path, EXAMPLE)
    path = Path(path)
    with explain_damage(path, ENCODER):
        header, tensors = read_tensors(path, ENCODER)
        if header.get("sha256") != _hash_content(header["content"], tensors):
            raise ValueError("its content does not fit its checksum")
        content = json.loads(header["content"])
        nodes = {}
        for number, node in enumerate(content["nodes"]):
            nodes[node["path"]] = _read_dataset(number, node, tensors)
        if not content["is_tree"]:
            return nodes["/"]
        tree = xr.DataTree.from_dict(nodes, name=content["name"])
        tree.attrs.update(content["attrs"])
        return tree


def _hash_content(text: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the sha256, as hex, of the JSON ``text`` and of all numbers with their form."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _pack_variable(
    key: str, variable: xr.Variable, tensors: dict[str, torch.Tensor]
) -> dict[str, Any]:
    """Return a variable as JSON, its numbers among ``tensors`` under ``key``."""
    values = np.asarray(variable.values)
    described = {
        "dims": list(variable.dims),
        "attrs": _pack_attrs(variable.attrs),
        "dtype": values.dtype.str,
        "shape": list(values.shape),
    }
    if values.dtype.kind in "UO":
        tensors[key] = torch.from_numpy(_store_text(key, values))
        return described
    if values.dtype.kind not in "fiubmM" or values.dtype.itemsize > 8:
        raise InputError(
            f"{_name_variable(key)} of an encoder must be numbers, dates or text to be written, "
            f"got {values.dtype}. Drop it with encoder.drop_vars({_name_variable(key)}).",
            anchor="cannot-write",
        )
    tensors[key] = torch.from_numpy(_store_numbers(values))
    return described


def _name_variable(key: str) -> str:
    return repr(key.partition("/")[2])


def _store_text(key: str, values: np.ndarray) -> np.ndarray:
    """Return labels as the bytes of a JSON list; there may be more than a header can hold."""
    labels = [_plain_scalar(label) for label in values.ravel().tolist()]
    odd = [label for label in labels if not isinstance(label, PLAIN)]
    if odd:
        raise InputError(
            f"{_name_variable(key)} of an encoder must be numbers, dates or text to be written, "
            f"got {type(odd[0]).__name__}. Make it text with .astype(str), or drop it with "
            f"encoder.drop_vars({_name_variable(key)}).",
            anchor="cannot-write",
        )
    return np.frombuffer(json.dumps(labels).encode(), dtype=np.uint8).copy()


def _store_numbers(values: np.ndarray) -> np.ndarray:
    """Return a copy of numbers, or dates, in a form that files of tensors hold."""
    native = np.array(values, dtype=values.dtype.newbyteorder("="), order="C")
    if native.dtype.kind in "mM" or (native.dtype.kind == "u" and native.dtype.itemsize > 1):
        return native.view(f"i{native.dtype.itemsize}")
    return native


def _read_dataset(
    number: int, node: dict[str, Any], tensors: Mapping[str, torch.Tensor]
) -> xr.Dataset:
    """Return the Dataset of one node."""
    variables = {}
    for name, described in node["variables"].items():
        variables[name] = _read_variable(f"{number}/{name}", described, tensors)
    coords = {name: variables.pop(name) for name in node["coords"]}
    return xr.Dataset(variables, coords=coords, attrs=node["attrs"])


def _read_variable(
    key: str, described: dict[str, Any], tensors: Mapping[str, torch.Tensor]
) -> xr.Variable:
    """Return one variable."""
    dtype = np.dtype(described["dtype"])
    shape = described["shape"]
    stored = tensors[key].numpy()
    if dtype.kind in "UO":
        labels = json.loads(stored.tobytes())
        values = np.empty(len(labels), dtype=dtype)
        values[:] = labels
    else:
        values = stored.view(dtype.newbyteorder("=")).astype(dtype)
    return xr.Variable(described["dims"], values.reshape(shape), described["attrs"])


def _pack_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes in types that JSON reads as they were, or raise InputError naming one."""
    packed = {}
    for name, value in attrs.items():
        try:
            packed[name] = _pack_value(value)
        except TypeError as error:
            raise InputError(
                f"the attribute {name!r} must be a number, text, or a list or dict of these to be "
                f"written, got {error}. Change it, or drop it: del encoder.attrs[{name!r}].",
                anchor="cannot-write",
            ) from None
    return packed


def _pack_value(value: Any) -> Any:
    """Return a value in plain types, or raise TypeError naming its type."""
    value = _plain_scalar(value)
    if isinstance(value, PLAIN):
        return value
    if type(value) in (list, LabelList):
        return [_pack_value(part) for part in value]
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {key: _pack_value(part) for key, part in value.items()}
    raise TypeError(type(value).__name__)


def _plain_scalar(value: Any) -> Any:
    """Return a scalar of NumPy as Python's; other values as they are."""
    return value.item() if isinstance(value, np.generic) else value
