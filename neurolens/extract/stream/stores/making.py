"""The files of a new store: all headers, and the arrays that are known before a run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.extract.stream.metadata import pack_columns, read_columns
from neurolens.extract.stream.passes import BatchDeviation
from neurolens.extract.stream.plan import Plan, find_numpy_dtype
from neurolens.extract.stream.stores.headers import (
    FORMAT,
    HEADER,
    list_partial,
    list_written,
    write_file,
)
from neurolens.extract.stream.stores.provenance import Parts
from neurolens.extract.stream.stores.writer import CHECKS, KEPT_UNIT, describe_nodes, name_samples
from neurolens.labels import OP, SAMPLE, STIMULUS

# The places in a store of the deviations of each step (a batch in one sample) from the recorded
# pass, of which steps are complete, and of what the provenance was computed from.
DEVIATIONS = "checks/note"
DONE = "checks/done"
PARTS = "checks/parts"
# The metadata of the stimuli.
METADATA = "checks/metadata"


def make_files(plan: Plan, provenance: Mapping[str, Any], parts: Parts) -> dict[str, bytes]:
    """Return the content of the files of a store in which nothing is done yet, by path within it.

    The provenance stands in two headers, so that one of them can be repaired.
    """
    import zarr
    from zarr.storage import MemoryStore

    memory: dict[str, Any] = {}
    record = {"format": FORMAT, "provenance": provenance}
    root = zarr.create_group(MemoryStore(memory), attributes=record)
    ids = plan.stimuli.ids
    ops = root.create_group("ops")
    _write_strings(ops, STIMULUS, ids)
    if plan.n_rounds > 1:
        numbers = np.arange(plan.n_rounds)
        create_array(ops, SAMPLE, numbers.dtype, numbers.shape, (SAMPLE,))[:] = numbers
    for node in describe_nodes(plan):
        group = ops.create_group(node.path)
        kept = node.output.kept
        dtype = find_numpy_dtype(kept.dtype)
        samples = name_samples(node.output)
        shape = (len(ids), *samples.values(), *kept.shape)
        chunks = (plan.batch_size, *[1 for _ in samples], *kept.shape)
        create_array(group, "activation", dtype, shape, node.dims, chunks, node.attributes)
        for key, value in node.output.arrays.items():
            create_array(group, key, value.dtype, value.shape, (KEPT_UNIT,))[:] = value
    names = [output.name for output in plan.outputs]
    checks = root.create_group("checks", attributes=record)
    _write_strings(checks, OP, names)
    _write_strings(checks, STIMULUS, ids)
    for key, kind in CHECKS.items():
        counted = {SAMPLE: plan.n_rounds} if plan.n_rounds > 1 else {}
        shape = (len(names), *counted.values(), len(ids))
        chunks = (len(names), *[1 for _ in counted], plan.batch_size)
        create_array(checks, key, np.dtype(kind), shape, (OP, *counted, STIMULUS), chunks)
    shape = (len(names), plan.n_steps)
    create_array(root, DONE, np.dtype(bool), shape, (OP, "step"), (len(names), 1))
    create_array(root, DEVIATIONS, str, (plan.n_steps,), ("step",), (1,))
    _write_bytes(root, PARTS, json.dumps(parts).encode(), "byte")
    _write_bytes(root, METADATA, pack_columns(read_columns(plan.stimuli.metadata)), "text_byte")
    return {key: buffer.to_bytes() for key, buffer in memory.items()}


def create_store(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a new store in place of those of one whose making was cut off.

    Its header says first that it is a store, and last how it was made. Other files stay.
    """
    remove_files(path, list(list_written(path)) if (path / HEADER).exists() else [])
    header = json.loads(files[HEADER])
    record = {**header, "attributes": {"format": FORMAT}}
    write_file(path / HEADER, json.dumps(record, indent=2).encode())
    for key, content in files.items():
        if key != HEADER:
            write_file(path / key, content)
    write_file(path / HEADER, files[HEADER])


def remove_partial(path: Path) -> None:
    """Remove what was being written when a run was cut off."""
    remove_files(path, list(list_partial(path)))


def remove_files(path: Path, files: Sequence[Path]) -> None:
    """Remove files of a store, and the folders within it that are empty then."""
    for file in files:
        file.unlink(missing_ok=True)
        folder = file.parent
        while folder != path and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def create_array(
    group: Any,
    name: str,
    dtype: Any,
    shape: tuple,
    dims: tuple,
    chunks: tuple | None = None,
    attrs: dict | None = None,
) -> Any:
    """Make an array that stores every chunk, uncompressed with a checksum; one chunk by default."""
    from zarr.codecs import Crc32cCodec

    return group.create_array(
        name,
        shape=shape,
        dtype=dtype,
        chunks=tuple(max(1, min(c, s)) for c, s in zip(chunks or shape, shape, strict=True)),
        dimension_names=dims,
        compressors=[Crc32cCodec()],
        attributes=attrs or {},
        config={"write_empty_chunks": True},
    )


def _write_strings(group: Any, name: str, values: Sequence[str]) -> None:
    create_array(group, name, str, (len(values),), (name,))[:] = np.array(values, dtype=object)


def _write_bytes(group: Any, name: str, content: bytes, dim: str) -> None:
    packed = np.frombuffer(content, np.uint8)
    create_array(group, name, packed.dtype, packed.shape, (dim,))[:] = packed


def pack_deviation(deviation: BatchDeviation) -> str:
    """Return how a batch deviated as text, "" where it did not."""
    return "" if deviation == BatchDeviation() else json.dumps(asdict(deviation))


def unpack_deviation(text: str) -> BatchDeviation:
    """Return what `pack_deviation` was given."""
    if not text:
        return BatchDeviation()
    fields = json.loads(text)
    return BatchDeviation(
        changed=fields["changed"],
        unlisted=tuple(fields["unlisted"]),
        unplaced=tuple((name, reason) for name, reason in fields["unplaced"]),
        mixing=tuple(fields["mixing"]),
    )
