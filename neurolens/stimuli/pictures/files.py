"""Files of pictures: finding and checking them, and reading one in the format of its suffix."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neurolens.errors import InputError
from neurolens.stimuli.media import name_errors, update_file_hash
from neurolens.stimuli.pictures.display import (
    Display,
    Picture,
    Pixels,
    check_size,
    read_orientation,
    refuse_animation,
)
from neurolens.stimuli.pictures.levels import Kind, find_kind, find_rawmode, read_colors

# Formats of Pillow by suffix. None of them hands what a file holds to another program.
_FORMATS = {
    ".png": ("PNG",),
    ".jpg": ("JPEG",),
    ".jpeg": ("JPEG",),
    ".bmp": ("BMP",),
    ".gif": ("GIF",),
    ".tif": ("TIFF",),
    ".tiff": ("TIFF",),
    ".webp": ("WEBP",),
}
SUFFIXES = tuple(_FORMATS)
_ANY_FORMAT = tuple(dict.fromkeys(name for names in _FORMATS.values() for name in names))
# The last bytes of a complete file of these formats, padding aside.
_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "GIF": b";"}
# Pillow stretches gray of 2 and 4 bits to 8, but not the gray that is transparent.
_KEY_STEPS = {"L;2": 85, "L;4": 17}


@dataclass(frozen=True)
class PictureFile(Picture):
    """A picture in a file, read when it is used."""

    path: Path
    file_kind: Kind
    display: Display

    @property
    def name(self) -> str:  # type: ignore[override]
        """The path, for messages."""
        return repr(str(self.path))

    @property
    def kind(self) -> Kind:
        """The kind of picture that the file held when it was loaded."""
        return self.file_kind

    def decode(self) -> Pixels:
        """Return the decoded picture; raise InputError where it is broken or was replaced."""
        with _open_picture(self.path, self.display) as image:
            kind = find_kind(image)
            if kind != self.file_kind:
                raise InputError(
                    f"{self.name} held a picture of {self.file_kind.name} when it was loaded, and "
                    f"now one of {kind.name}. Restore it, or load the stimuli again.",
                    anchor="stimulus-unreadable",
                )
            return _decode(image, kind, self.path, self.display)

    def update_hash(self, digest: Any) -> None:
        """Add the bytes of the file to a hash."""
        update_file_hash(self.path, digest, "an image")


def check_file(path: Path, display: Display, *, decode: bool) -> PictureFile:
    """Return the picture in a file, checked without decoding it where it has 8 bits.

    A PNG is checked by its checksums, a JPEG or GIF by its end (one that ends otherwise is decoded
    after all), other formats by their header alone. With ``decode`` pictures of more than 8 bits
    are read, so that a range that cannot be told is found here.

    Raises
    ------
    InputError
        Naming the file, where it is broken, empty, animated or too large.
    """
    with _open_picture(path, display) as image:
        kind = find_kind(image)
        picture = PictureFile(path, kind, display)
        if not _has_end(path, image.format):
            image.load()
        refuse_animation(image)
        if not kind.is_deep:
            image.verify()
            return picture
    if decode:
        picture.decode().read_levels(display)
    return picture


def _decode(image: Any, kind: Kind, path: Path, display: Display) -> Pixels:
    """Return the decoded picture of an open file."""
    values = None
    step = _KEY_STEPS.get(find_rawmode(image), 1)
    if kind.is_deep and kind.mode not in ("F", "I"):
        with _open_picture(path, display) as again:
            values = read_colors(image, lambda: again)
    image.load()
    if step > 1 and "transparency" in image.info:
        image.info["transparency"] *= step
    if kind.is_deep and values is None:
        values = np.array(image)
    return Pixels(repr(str(path)), kind, read_orientation(image), image, values)


@contextmanager
def _open_picture(path: Path, display: Display) -> Iterator[Any]:
    """Yield the picture in a file, of which the header is read; name the file in every error."""
    with name_errors(path, "an image"), open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise ValueError("it is empty, 0 bytes")
        image = _read_header(file, path)
        check_size(image, repr(str(path)), display)
        yield image


def _read_header(file: Any, path: Path) -> Any:
    """Return the undecoded picture in an open file.

    Pillow's own limit of pixels is not asked: that of the display is checked in its place.
    """
    Image.init()
    formats = _FORMATS.get(path.suffix.lower(), _ANY_FORMAT)
    start = file.read(16)
    found = []
    for name in _ANY_FORMAT:
        make, accepts = Image.OPEN[name]
        if accepts is None or accepts(start) is not True:
            continue
        if name in formats:
            file.seek(0)
            return make(file, str(path))
        found.append(name)
    if found:
        raise ValueError(f"its suffix is {path.suffix} and its content {found[0]}; rename it")
    raise ValueError(f"it does not begin as {' or '.join(formats)} does")


def _has_end(path: Path, image_format: str | None) -> bool:
    """Return whether a file ends as complete files of its format do; True for other formats."""
    end = _ENDS.get(image_format or "")
    if end is None:
        return True
    with open(path, "rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 4096))
        return file.read().rstrip(b"\0\r\n").endswith(end)
