"""Reading of finished stores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import DataError, InputError
from neurolens.extract.stream.metadata import label_nodes, unpack_columns
from neurolens.extract.stream.stores.chunks import ArrayForm, read_form, read_values
from neurolens.extract.stream.stores.headers import (
    EARLIER_FORMATS,
    FORMAT,
    HEADER,
    SEAL,
    check_local,
    is_sealed,
    list_headers,
    read_header,
)
from neurolens.extract.stream.stores.labels import Labels
from neurolens.extract.stream.stores.making import METADATA
from neurolens.extract.stream.stores.repair import read_file
from neurolens.extract.stream.stores.store import LEFT_OUT
from neurolens.extract.stream.stores.writer import name_paths
from neurolens.labels import OP, STIMULUS, LabelList


def open_activations(path: str | Path) -> xr.DataTree:
    """Open a store of ``extract_activations(store=...)``, labelled; arrays are read when used.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    DataTree
        As `extract_activations` returns it. ``.load()`` reads all of it; ``.attrs["provenance"]``
        says how it was made.

    Raises
    ------
    InputError
        When it is no path on this machine.
    DataError
        When there is no such store, it is not complete, or it is damaged. Chunks are checked when
        they are read, so that it is also raised by ``.load()``, ``.values`` and whatever else reads
        an array: by its checksum a chunk that is missing or has changed is known, and the message
        names the op and the stimuli. Stores of NeuroLens 0.1.0 have no checksums: of theirs, only
        chunks of another size are noticed.
    """
    if isinstance(path, xr.DataTree):
        raise InputError(
            "path must be that of a store, got a DataTree. Use it as it is: its arrays are read "
            "when they are used."
        )
    if not isinstance(path, (str, Path)):
        raise InputError(
            f"path must be that of a store, got {type(path).__name__}. Type e.g. "
            "open_activations('acts.zarr')."
        )
    check_local(path)
    path = Path(path)
    root = _read_root(path)
    headers = list_headers(root)
    forms = {}
    for folder, header in headers.items():
        if header["node_type"] == "array":
            forms[folder] = read_form(folder, header)
    return _open_tree(path, forms, root["attributes"]["provenance"])


def _open_tree(
    path: Path, forms: Mapping[str, ArrayForm], provenance: Mapping[str, Any]
) -> xr.DataTree:
    """Return the labelled tree of a finished store."""
    import zarr

    from neurolens.extract.stream.stores.checked import CheckedStore

    store = CheckedStore(path, forms, Labels({}, ()))
    checks: Any = zarr.open_consolidated(store, mode="r")["checks"]
    names = [str(name) for name in checks[OP][:]]
    folders = name_paths(names)
    store.labels.ops = {folder: name for name, folder in folders.items()}
    store.labels.ids = [str(name) for name in checks[STIMULUS][:]]
    source: Any = store
    stored = xr.open_datatree(source, engine="zarr", group="ops", consolidated=True)
    # zarr lists groups by name; ops are put in the order in which they ran.
    datasets = {node.path[1:]: node.to_dataset(inherit=False) for node in stored.subtree}
    nodes = {}
    for folder in folders.values():
        if not datasets[folder].attrs.get(LEFT_OUT):
            nodes[folder] = datasets[folder]
    if METADATA in forms:
        nodes = label_nodes(nodes, unpack_columns(checks[METADATA[7:]][:].tobytes()))
    tree = xr.DataTree.from_dict({"/": stored.to_dataset(), **nodes}, name="activations")
    tree.attrs["ops"] = LabelList(tree.attrs.get("ops", names))
    tree.attrs["provenance"] = provenance
    return tree


def _read_root(path: Path) -> dict[str, Any]:
    """Return the header of a finished store; raise DataError for anything else."""
    if not path.exists():
        raise DataError(
            f"no store {str(path)!r}; make one with extract_activations(..., store=path)",
            anchor="file-not-found",
        )
    root = read_header(path / HEADER)
    attributes = {} if root is None else root["attributes"]
    kind = attributes.get("format")
    if root is None or kind not in (FORMAT, *EARLIER_FORMATS):
        raise DataError(
            f"{str(path)!r} is damaged or not a NeuroLens store: its header {HEADER} "
            f"{'cannot be read' if root is None else 'does not say that it is one'}. If it was "
            "one, run the same extract_activations call again: it repairs what it can.",
            anchor="store-damaged",
        )
    if kind in EARLIER_FORMATS:
        if not _is_complete_earlier(root):
            raise DataError(
                f"{str(path)!r} is not complete, and an earlier version of NeuroLens wrote it. "
                "Finish it with that version, or extract again into another store.",
                anchor="store-incomplete",
            )
        return root
    if is_sealed(root):
        return root
    if SEAL in attributes:
        raise DataError(
            f"{str(path)!r} is damaged: its header {HEADER} has changed since it was written. Run "
            "the same extract_activations call again: it repairs it.",
            anchor="store-damaged",
        )
    done = _read_done(path)
    raise DataError(
        f"{str(path)!r} is not complete: {int(done.sum())} of {done.size} batches are done. "
        "Run the same extract_activations call again: it goes on from there.",
        anchor="store-incomplete",
    )


def _is_complete_earlier(root: Mapping[str, Any]) -> bool:
    """Return whether a store of the first version is complete."""
    held = root.get("consolidated_metadata") or {"metadata": {}}
    ops = held["metadata"].get("ops", {"attributes": {}})
    return bool(ops["attributes"].get("complete"))


def _read_done(path: Path) -> np.ndarray:
    """Return which batches of a store are done, (batch,); one that is not where none is known."""
    header = read_header(path / "checks/done" / HEADER)
    if header is None:
        return np.zeros(1, bool)
    form = read_form("checks/done", header)
    done = []
    for key in form.list_chunks():
        content = read_file(path / key)
        is_known = content is not None and not form.find_flaw(content)
        done.append(is_known and bool(read_values(form, bool, content or b"").all()))
    return np.array(done)
