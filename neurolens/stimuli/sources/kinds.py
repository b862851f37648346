"""Kinds of stimuli: their names, their settings, and the suffixes of their files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from neurolens.errors import InputError
from neurolens.labels import check_name, list_names
from neurolens.stimuli.media import Listing
from neurolens.stimuli.pictures.display import Display
from neurolens.stimuli.pictures.files import SUFFIXES, check_file
from neurolens.stimuli.sounds.settings import Sound
from neurolens.stimuli.texts.settings import Text
from neurolens.stimuli.videos.settings import Video


@dataclass(frozen=True)
class Pictures:
    """Pictures in files, as a kind of stimuli; see `check_file` for ``decode``."""

    display: Display
    decode: bool

    noun = "images"
    suffixes = SUFFIXES

    def read_files(self, paths: Sequence[Path], model_rate: int | None) -> Listing:
        """Return the pictures in files, each checked."""
        return Listing([check_file(path, self.display, decode=self.decode) for path in paths])


# Kinds that are told by the suffixes of files; texts are not.
_TOLD: dict[str, Any] = {"picture": Pictures, "sound": Sound, "video": Video}
KINDS = (*_TOLD, "text")
Kind = Pictures | Sound | Video | Text


@dataclass(frozen=True)
class Reading:
    """How a source is read.

    Attributes
    ----------
    display : Display
    decode : bool
        See `check_file`.
    kind : str, Sound, Video, Text or None
        Of the stimuli, checked; None where the source tells.
    kinds : dict
        Of the inputs of stimuli, by name, where they were given.
    model_rate : int, optional
        Of the sounds that the model's processor takes.
    id_column : str, optional
        Of a table.
    """

    display: Display = field(default_factory=Display)
    decode: bool = True
    kind: Any = None
    kinds: Mapping[Any, Any] = field(default_factory=dict)
    model_rate: int | None = None
    id_column: str | None = None

    def make_kind(self, name: str) -> Kind:
        """Return a kind with its usual settings."""
        if name == "picture":
            return Pictures(self.display, self.decode)
        return {"sound": Sound, "video": Video, "text": Text}[name]()

    def choose_kind(self, paths: Iterable[Path], where: str) -> Kind:
        """Return the kind of some files: the one that was asked for, or the one of their suffixes.

        Raises
        ------
        InputError
            Where they are of several kinds.
        """
        if self.kind is not None:
            return self.make_kind(self.kind) if isinstance(self.kind, str) else self.kind
        examples: dict[str, str] = {}
        for path in paths:
            name = find_kind(path)
            if name is not None:
                examples.setdefault(name, path.name)
        if len(examples) > 1:
            found = ", ".join(f"{name} ({example!r})" for name, example in examples.items())
            raise InputError(
                f"{where} holds stimuli of several kinds: {found}. Choose one, e.g. "
                f"kind={min(examples)!r}.",
                anchor="stimuli-differ-in-form",
            )
        return self.make_kind(next(iter(examples), "picture"))

    def read_files(self, paths: Sequence[Path], where: str) -> Listing:
        """Return the stimuli in files."""
        return self.choose_kind(paths, where).read_files(paths, self.model_rate)


def find_kind(path: Path) -> str | None:
    """Return the name of the kind that a file is by its suffix, None where it tells none."""
    suffix = path.suffix.lower()
    return next((name for name, kind in _TOLD.items() if suffix in kind.suffixes), None)


def list_suffixes() -> str:
    """Return the suffixes of all files that are told by them, for a message."""
    return ", ".join(sorted(suffix for kind in _TOLD.values() for suffix in kind.suffixes))


def check_kind(kind: Any) -> Any:
    """Return a kind as its name or settings, None where it is to be told; InputError for others."""
    if kind is None or isinstance(kind, (Sound, Video, Text)):
        return kind
    if not isinstance(kind, str):
        raise InputError(
            f"kind must be one of {list_names(KINDS)}, or their settings, got "
            f"{type(kind).__name__}. Type e.g. kind=nl.stimuli.Sound(rate=16000)."
        )
    check_name(kind, KINDS, "kind of stimuli")
    return {"sound": Sound(), "video": Video(), "text": Text()}.get(kind, kind)
