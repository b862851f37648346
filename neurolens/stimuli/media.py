"""Stimuli that are prepared when they are used: what pictures, sounds and videos have in common."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from PIL import Image

from neurolens.errors import InputError

# Of pictures for people, width and height in pixels at most.
THUMBNAIL = (160, 160)
_BLOCK = 2**20


class Medium:
    """A stimulus that is a picture, a sound or a video; its subclasses say where it is.

    Attributes
    ----------
    name : str
        What to call it in a message.
    noun : str
        What such stimuli are, in the plural.
    is_ragged : bool
        Whether stimuli of one set may differ in length.
    """

    name: str
    noun = "stimuli"
    is_ragged = False

    def prepare(self, transform: Any) -> Any:
        """Return what a transform takes; for None a tensor of the numbers."""
        raise NotImplementedError

    def apply(self, transform: Any) -> Any:
        """Return what a transform makes of the stimulus; for None a tensor of the numbers."""
        shown = self.prepare(transform)
        return torch.as_tensor(shown) if transform is None else transform(shown)

    def read_shape(self) -> tuple[int, ...]:
        """Return the shape of the numbers, for stimuli that may differ in length."""
        raise NotImplementedError

    def update_hash(self, digest: Any) -> None:
        """Add the content to a hash."""
        raise NotImplementedError

    @staticmethod
    def describe_set(media: Sequence[Any], transform: Any) -> dict[str, str]:
        """Return what is done to stimuli of a kind before the transform, by names of parts."""
        raise NotImplementedError

    def make_thumbnail(self) -> Image.Image:
        """Return the stimulus as a small picture for people."""
        raise NotImplementedError


@dataclass(frozen=True)
class Parts:
    """Stimuli that are parts of what a source holds, as clips of a video and words of a text are.

    Attributes
    ----------
    sources : sequence of int
        Of each stimulus, the position of the file or text that it is a part of.
    marks : sequence of str
        What the id of each has behind the id of that file or text, such as ``"@1.5s"``.
    columns : dict
        Metadata of each stimulus by name of the column.
    origin : str
        The column of metadata that holds the id of that file or text.
    """

    sources: Sequence[int]
    marks: Sequence[str]
    columns: dict[str, Sequence[Any]]
    origin: str


@dataclass(frozen=True)
class Listing:
    """Stimuli of a source, and what it says of them.

    Attributes
    ----------
    items : list of Medium, or rows
    names : list of str, optional
        Ids by default, one for each file or text; None where the source has no names.
    table : DataFrame, optional
        Metadata that the source has, one row for each file or text, in order.
    parts : Parts, optional
        Where stimuli are parts of files or texts.
    n_sources : int, optional
        How many files or texts there are, where stimuli are parts of these.
    has_columns : bool
        Whether the source is a table, of which a column may hold the ids.
    """

    items: Any
    names: list[str] | None = None
    table: pd.DataFrame | None = None
    parts: Parts | None = None
    n_sources: int | None = None
    has_columns: bool = False


@contextmanager
def name_errors(path: Path, what: str) -> Iterator[None]:
    """Raise InputError naming the file, and what it should be, in place of any other error."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(
            f"stimulus file {str(path)!r} does not exist any more; restore it and run again",
            anchor="stimulus-unreadable",
        ) from None
    except Exception as error:
        raise InputError(
            f"{str(path)!r} cannot be read as {what} ({error}). Repair it or move it out of the "
            "folder.",
            anchor="stimulus-unreadable",
        ) from error


def update_file_hash(path: Path, digest: Any, what: str) -> None:
    """Add the bytes of a file to a hash, a part at a time."""
    with name_errors(path, what), open(path, "rb") as file:
        while part := file.read(_BLOCK):
            digest.update(part)
