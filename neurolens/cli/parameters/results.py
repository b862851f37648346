"""Files that subcommands write and read again: Grams, activations, RDMs and scores."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurolens.cli.files import write_whole
from neurolens.errors import DataError, InputError

if TYPE_CHECKING:
    import xarray as xr

SUFFIX = ".nc"
ENGINE: Any = "h5netcdf"
# The attribute that says, as JSON, which model, stimuli and brain data a file was made with.
ORIGIN = "neurolens_origin"
STORE_ORIGIN = f"{ORIGIN}.json"
CONTROL = "control"
# What a file can hold, and how it is made.
MAKERS = {
    "Grams": "neurolens grams MODEL STIMULI --output grams.nc",
    "activations": "neurolens extract MODEL STIMULI --output acts.zarr",
    "model RDMs": "neurolens rdms grams.nc --output rdms.nc",
    "brain RDMs": "neurolens rdms BRAIN --output brain.nc",
    "responses": "nl.read_responses(...).to_netcdf('responses.nc', engine='h5netcdf')",
    "scores": "neurolens compare rdms.nc BRAIN --output scores.nc",
}


@dataclass(frozen=True)
class Result:
    """What a file holds.

    Attributes
    ----------
    path : Path
    kind : str
        A key of `MAKERS`, or a few words on what is none of these.
    data : Dataset, DataTree or DataArray
    origin : dict
        What it was made with: ``network``, ``stimuli``, ``brain`` ..., as far as it says.
    controls : dict
        Scores of controls that were saved with scores, by label.
    """

    path: Path
    kind: str
    data: Any
    origin: dict[str, Any] = field(default_factory=dict)
    controls: "dict[str, xr.Dataset]" = field(default_factory=dict)

    def take(self, *kinds: str) -> "Result":
        """Return this result; raise InputError where it is none of the kinds that are needed."""
        if self.kind not in kinds:
            makers = "; ".join(f"{kind}: {MAKERS[kind]}" for kind in kinds)
            raise InputError(
                f"{str(self.path)!r} holds {self.kind}, and {' or '.join(kinds)} are needed here. "
                f"These are made by: {makers}.",
                anchor="wrong-object",
            )
        return self


def is_saved(path: Path) -> bool:
    """Return whether a path is that of a file or store that `open_result` opens."""
    return path.suffix.lower() in (SUFFIX, ".zarr")


def open_result(path: Path) -> Result:
    """Open a file that a subcommand, or `to_netcdf`, wrote.

    Raises
    ------
    DataError
        There is no such file, or it is damaged or of another format.
    """
    if not path.exists():
        raise DataError(f"there is no file {str(path)!r}", anchor="file-not-found")
    if path.is_dir():
        from neurolens.extract import open_activations

        tree = open_activations(path)
        return Result(path, "activations", tree, _read_store_origin(path))
    try:
        whole = _read_groups(path)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise DataError(
            f"{str(path)!r} cannot be read as netCDF ({type(error).__name__}: {reason}); pass a "
            "file that neurolens has written"
        ) from error
    root = whole.pop("/")
    origin = _read_origin(root.attrs.pop(ORIGIN, "{}"))
    kind, data = _recognize(root)
    controls = {}
    for group in whole.values():
        if "label" in group.attrs and "score" in group:
            group.attrs.pop(ORIGIN, None)
            controls[str(group.attrs["label"])] = group
    return Result(path, kind, data, origin, controls)


def _read_groups(path: Path) -> "dict[str, xr.Dataset]":
    """Return the Datasets of a file, the first under "/", in memory."""
    import xarray as xr

    groups = xr.open_groups(path, engine=ENGINE)
    try:
        return {name: group.load() for name, group in groups.items()}
    finally:
        for group in groups.values():
            group.close()


def _recognize(root: "xr.Dataset") -> tuple[str, Any]:
    """Return what a Dataset from a file holds, in words, and its data."""
    from neurolens.scores import METHODS

    if {"gram", "row_sum", "n_features"} <= set(root.data_vars):
        return "Grams", root
    if "score" in root and root.attrs.get("method") in METHODS:
        return "scores", root
    if len(root.data_vars) == 1:
        [array] = root.data_vars.values()
        if {"stimulus", "stimulus_2"} <= set(array.dims):
            return ("model RDMs" if "op" in array.dims else "brain RDMs"), array
        if "neuroid" in array.dims and {"presentation", "stimulus"} & set(array.dims):
            return "responses", array
        return f"an array of dimensions {', '.join(map(str, array.dims))}", array
    names = ", ".join(map(str, list(root.data_vars)[:5])) or "nothing"
    return f"a Dataset of {names}", root


def _read_origin(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(str(text))
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def write_store_origin(store: Path, origin: Mapping[str, Any]) -> None:
    """Write what a store was made with into a file beside its arrays."""
    with write_whole(store / STORE_ORIGIN) as partial:
        partial.write_text(json.dumps(dict(origin), ensure_ascii=False), encoding="utf-8")


def _read_store_origin(store: Path) -> dict[str, Any]:
    path = store / STORE_ORIGIN
    return _read_origin(path.read_text(encoding="utf-8")) if path.is_file() else {}


def save_result(
    path: Path,
    data: "xr.Dataset | xr.DataArray",
    origin: Mapping[str, Any],
    controls: "Mapping[str, xr.Dataset] | None" = None,
) -> None:
    """Write a result whole, with what it was made with.

    Parameters
    ----------
    path : Path
    data : Dataset or DataArray
    origin : mapping
        Plain values, which are written as JSON.
    controls : mapping of Dataset, optional
        Scores of controls, each in a group of the file of its own.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    import xarray as xr

    whole = data.to_dataset(name=data.name) if isinstance(data, xr.DataArray) else data
    text = json.dumps(dict(origin), ensure_ascii=False)
    with write_whole(path) as partial:
        whole.assign_attrs({ORIGIN: text}).to_netcdf(partial, engine=ENGINE)
        for number, (label, scores) in enumerate((controls or {}).items(), 1):
            labelled = scores.assign_attrs(label=label)
            labelled.to_netcdf(partial, mode="a", group=f"{CONTROL}_{number}", engine=ENGINE)
