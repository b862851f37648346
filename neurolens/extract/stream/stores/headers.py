"""Headers of a store: the files ``zarr.json``, and the seal on the first of them.

The header of the whole store holds all others too. A store is finished when that header is sealed:
it then holds the sha256 of itself without the seal.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from neurolens.errors import InputError
from neurolens.support.disk import DiskWriter, write_cached

FORMAT = "neurolens-activations-2"
# Formats of earlier versions, which can be read but not continued.
EARLIER_FORMATS = ("neurolens-activations-1",)
HEADER = "zarr.json"
SEAL = "sha256"
# The name that zarr gives to a file while it is being written.
_PARTIAL = re.compile(r"(zarr|\d+)\.[0-9a-f]{32}\.partial")
_CHUNK = re.compile(r"c(/\d+)+")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def check_local(path: str | Path) -> None:
    """Raise InputError for an address such as ``s3://...``, which is no path on this machine."""
    if _ADDRESS.match(str(path)):
        raise InputError(
            f"a store must be a folder on this machine's disks, got the address {str(path)!r}. "
            "Write it to a path such as 'acts.zarr' and copy the finished folder, or mount the "
            "bucket and give the path of the mount."
        )


def read_header(path: Path) -> dict[str, Any] | None:
    """Return a header, decoded; None where the file is missing or damaged."""
    try:
        header = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    is_header = isinstance(header, dict) and isinstance(header.get("attributes"), dict)
    return header if is_header else None


def write_file(path: Path, *content: bytes | memoryview, disk: DiskWriter | None = None) -> None:
    """Write a file of a store, in one piece, from parts; a large one by ``disk``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{uuid.uuid4().hex}.partial")
    if disk is None:
        write_cached(partial, content)
    else:
        disk.write(partial, *content)
    partial.replace(path)


def compute_seal(header: Mapping[str, Any]) -> str:
    """Return the sha256, as hex, of the header of a store without its seal."""
    attributes = {key: value for key, value in header["attributes"].items() if key != SEAL}
    text = json.dumps({**header, "attributes": attributes}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def seal_store(path: Path, folders: Iterable[str]) -> None:
    """Say in the header of a store that the store is finished.

    From then on it holds the headers of all its folders, as zarr consolidates them.
    """
    metadata = {}
    for folder in sorted(folders, key=lambda name: (name.count("/"), name)):
        header = json.loads((path / folder / HEADER).read_bytes())
        if header["node_type"] == "group":
            header["consolidated_metadata"] = _consolidate({})
        metadata[folder] = header
    root = json.loads((path / HEADER).read_bytes())
    root["consolidated_metadata"] = _consolidate(metadata)
    root["attributes"][SEAL] = compute_seal(root)
    write_file(path / HEADER, json.dumps(root, indent=2).encode())


def _consolidate(metadata: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "inline", "must_understand": False, "metadata": metadata}


def is_sealed(header: Mapping[str, Any] | None) -> bool:
    """Return whether a header of a store is that of a finished one, as it was written."""
    return header is not None and header["attributes"].get(SEAL) == compute_seal(header)


def list_headers(root: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the headers that the header of a finished store holds, by folder."""
    held = root["consolidated_metadata"]["metadata"]
    headers = {}
    for folder, header in held.items():
        headers[folder] = {
            key: value for key, value in header.items() if key != "consolidated_metadata"
        }
    return headers


def list_partial(path: Path) -> Iterator[Path]:
    """Yield the files of a store that were being written when a run was cut off."""
    for folder in (path, *list_rooms(path)):
        found = folder.rglob("*.partial") if folder != path else folder.glob("*.partial")
        for file in found:
            if _PARTIAL.fullmatch(file.name) and file.is_file():
                yield file


def list_written(path: Path) -> Iterator[Path]:
    """Yield the files below a store that have names such as the store gives."""
    yield from list_partial(path)
    for folder in list_rooms(path):
        for file in folder.rglob("*"):
            if file.is_file() and (file.name == HEADER or _is_chunk(file)):
                yield file


def list_rooms(path: Path) -> list[Path]:
    """Return the two folders of a store."""
    return [path / "ops", path / "checks"]


def _is_chunk(file: Path) -> bool:
    """Return whether a file is named as a chunk of an array whose header is there."""
    parts = file.parts
    for i in range(len(parts) - 1, 0, -1):
        if parts[i] == "c" and _CHUNK.fullmatch("/".join(parts[i:])):
            return (Path(*parts[:i]) / HEADER).is_file()
    return False
