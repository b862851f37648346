"""Files of tensors: safetensors with text in the header, replaced only once they are complete.

They hold data and no code. What a file is, a trace or an encoder, its header says as ``format``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from neurolens.errors import DataError


class FileKind(NamedTuple):
    """A kind of file: its ``format``, its ``name`` in a sentence, how to ``make`` it (again)."""

    format: str
    name: str
    make: str
    repair: str


class TensorFile(NamedTuple):
    """The content of a file; tensors are mapped to it and read when they are used."""

    header: dict[str, str]
    tensors: dict[str, torch.Tensor]


def write_tensors(
    path: Path, kind: FileKind, header: Mapping[str, str], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Write a file, which replaces an existing one only once it is complete.

    Raises
    ------
    DataError
        When the file cannot be written.
    """
    # Tensors read from a file are still mapped to it, so an existing file must not be written over.
    partial = Path(f"{path}.partial")
    try:
        save_file(dict(tensors), partial, metadata={"format": kind.format, **header})
        partial.replace(path)
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise DataError(
            f"the {kind.name} could not be written to {str(path)!r}: {error}. Give a path you may "
            "write to.",
            anchor="cannot-write",
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()


def read_tensors(path: Path, kind: FileKind) -> TensorFile:
    """Return the content of a file of `write_tensors`; to be called within `explain_damage`.

    Raises
    ------
    DataError
        When the file is of another kind.
    """
    with safe_open(path, "pt") as file:
        header = file.metadata() or {}
    if header.get("format") != kind.format:
        raise DataError(
            f"{str(path)!r} is not a NeuroLens {kind.name} (format {header.get('format')!r}, not "
            f"{kind.format!r})"
        )
    return TensorFile(header, load_file(path))


@contextmanager
def explain_damage(path: Path, kind: FileKind) -> Iterator[None]:
    """Raise DataError, with what to do, for whatever goes wrong while a file is read."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(
            f"no {kind.name} file {str(path)!r}; {kind.make}", anchor="file-not-found"
        ) from None
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"{str(path)!r} is damaged or not a NeuroLens {kind.name}: {error}. {kind.repair}"
        ) from error
