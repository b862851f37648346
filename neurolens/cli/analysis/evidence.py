"""What an analysis was made of, as hashes and versions, without a path of the machine."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from neurolens.cli.analysis.checks import find_file, holds_paths, list_paths
from neurolens.cli.analysis.settings import Settings, hide_model
from neurolens.models.identity import hash_state
from neurolens.support.versions import __version__

# Whose versions can change numbers, or bytes of files.
PACKAGES = (
    "torch", "torchvision", "numpy", "scipy", "xarray", "pandas", "h5netcdf", "h5py", "pillow",
)  # fmt: skip
# Source of models -> the package whose version counts too.
LIBRARIES = {"timm": "timm", "hf": "transformers"}
# Numbers of an array that are hashed at once.
BLOCK = 1 << 20


def describe_inputs(settings: Settings, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was used: model, stimuli and brain data by hashes of their content, and files.

    Parameters
    ----------
    settings : Settings
    parts : mapping
        ``loaded``, ``model``, ``weights``, ``stimuli``, ``brain_rdms`` or ``responses``, as the
        script of the analysis makes them.
    """
    identity = parts["loaded"].identity
    model = {
        "name": hide_model(settings["model.name"] or settings["model.function"]),
        "weights": parts["weights"],
        "sha256 of the state dict": hash_state(parts["model"]),
    }
    if identity is not None:
        model |= {"source": identity.source, "preprocessing": identity.preprocessing}
    data = parts.get("responses")
    if data is None:
        data = parts["brain_rdms"]
    return {
        "model": model,
        "stimuli": {
            "number": len(parts["stimuli"]),
            "sha256 of ids, content and preprocessing": parts["stimuli"].hash_content(),
        },
        "brain": {"size": dict(data.sizes), "sha256 of labels and values": hash_array(data)},
        "files": hash_files(settings),
    }


def hash_files(settings: Settings) -> dict[str, str]:
    """Return the sha256 of each single file that the analysis names, by its key and its name.

    Folders are left out: what is read of them is in the hash of the stimuli.
    """
    hashes = {}
    for address in sorted(settings.given):
        value = settings[address]
        if address == "analysis.output" or not holds_paths(address, value):
            continue
        for one in list_paths(value):
            path = find_file(settings.folder, one)
            if path.is_file():
                hashes[f"{address}: {path.name}"] = hash_file(path)
    return hashes


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_array(array: xr.DataArray) -> str:
    """Return the sha256 of an array's dimensions, coordinates and values, as hex."""
    digest = hashlib.sha256()
    digest.update(json.dumps([str(dim) for dim in array.dims]).encode())
    for name in sorted(array.coords, key=str):
        coord = array.coords[name]
        digest.update(json.dumps([str(name), *map(str, coord.dims)]).encode())
        _update(digest, coord.values)
    _update(digest, array.values)
    return digest.hexdigest()


def _update(digest: Any, values: np.ndarray) -> None:
    """Add an array to a digest: texts as texts, numbers as their bytes."""
    if values.dtype.kind in "biufc":
        digest.update(f"{values.dtype.str}{values.shape}".encode())
        for block in _split(np.ascontiguousarray(values).reshape(-1)):
            digest.update(block.tobytes())
    else:
        digest.update(json.dumps([repr(one) for one in values.reshape(-1).tolist()]).encode())


def _split(values: np.ndarray) -> Iterable[np.ndarray]:
    return (values[start : start + BLOCK] for start in range(0, len(values), BLOCK))


def describe_versions(settings: Settings) -> dict[str, str]:
    """Return the versions of all that computes."""
    packages = list(PACKAGES)
    source = (settings["model.name"] or "").partition("/")[0]
    if source in LIBRARIES:
        packages.append(LIBRARIES[source])
    versions = {"neurolens": __version__, "python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def describe_machine(settings: Settings) -> dict[str, Any]:
    """Return what of the machine can change the last bits of numbers."""
    device = settings["extract.device"] or "cpu"
    facts = {
        "system": platform.system(),
        "processor": platform.machine(),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": device,
    }
    if device.startswith("cuda") and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name(torch.device(device))
    return facts
