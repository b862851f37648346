"""Reading of finished stores."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from neurolens.errors import DataError, InputError
from neurolens.extract.stream.stores.store import FORMAT, LEFT_OUT
from neurolens.extract.stream.stores.writer import name_paths
from neurolens.labels import LabelList


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
        When it is no path.
    DataError
        When there is no such store, or it is not complete.
    """
    import zarr

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
    path = Path(path)
    provenance = _read_provenance(path)
    root: Any = zarr.open_group(path, mode="r")
    if "ops" not in root or not root["ops"].attrs.get("complete"):
        has_checks = "checks/done" in root
        done = np.asarray(root["checks/done"][:]).all(0) if has_checks else np.zeros(1, bool)
        raise DataError(
            f"{str(path)!r} is not complete: {int(done.sum())} of {done.size} batches are done. "
            "Run the same extract_activations call again: it goes on from there."
        )
    try:
        stored = xr.open_datatree(path, engine="zarr", group="ops", consolidated=True)
    except ValueError as error:
        raise DataError(
            f"{str(path)!r} was not finished ({error}). Run the same extract_activations call "
            "again."
        ) from error
    # zarr lists groups by name; ops are put in the order in which they ran.
    names = [str(name) for name in root["checks/op"][:]]
    datasets = {node.path[1:]: node.to_dataset(inherit=False) for node in stored.subtree}
    nodes = {}
    for node_path in name_paths(names).values():
        if not datasets[node_path].attrs.get(LEFT_OUT):
            nodes[node_path] = datasets[node_path]
    tree = xr.DataTree.from_dict({"/": stored.to_dataset(), **nodes}, name="activations")
    tree.attrs["ops"] = LabelList(tree.attrs.get("ops", names))
    tree.attrs["provenance"] = provenance
    return tree


def _read_provenance(path: Path) -> dict[str, Any] | None:
    """Return how a store was made, None for an interrupted one; raise DataError for no store."""
    try:
        attrs = json.loads((path / "zarr.json").read_text())["attributes"]
        if attrs["format"] != FORMAT:
            raise KeyError(attrs["format"])
        return attrs.get("provenance")
    except FileNotFoundError:
        raise DataError(
            f"no store {str(path)!r}; make one with extract_activations(..., store=path)"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{str(path)!r} is damaged or not a NeuroLens store: {error}") from error
