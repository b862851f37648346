"""Whether files of sounds are whole: what their headers promise against what is there.

The library that decodes them reads files that were cut short without a word, as shorter sounds.
Sources: the RIFF specification (Microsoft and IBM, 1991) and its extension RF64 (EBU Tech 3306);
RFC 3533 for Ogg.
"""

import struct
from pathlib import Path
from typing import Any

# Sizes that stand for "unknown" or "see another chunk" in files written as a stream.
_UNKNOWN = (0, 0xFFFFFFFF, 0x7FFFFFFF)
_OGG_PAGE = b"OggS"
_LAST_PAGE = 4
# An Ogg page has at most 27 + 255 + 255 * 255 bytes.
_LONGEST_PAGE = 65_307
_BLOCK = 2**16


def check_whole(path: Path, sound: Any) -> None:
    """Raise ValueError where a file ends before the sound that it announces.

    WAV files are checked by the sizes in their headers and Ogg files by their last page; others
    are decoded once, a block at a time. ``sound`` is the open file of soundfile.
    """
    if sound.format in ("WAV", "WAVEX", "RF64"):
        _check_wav(path)
        return
    if sound.format == "OGG":
        _check_ogg(path)
        return
    n_values = 0
    while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
        n_values += len(block)
    if n_values != sound.frames:
        raise ValueError(
            f"it announces {sound.frames} values and holds {n_values}: it was cut short"
        )


def _check_wav(path: Path) -> None:
    """Raise ValueError where the data of a WAV file are shorter than their header says."""
    n_bytes = path.stat().st_size
    with open(path, "rb") as file:
        form = file.read(12)[:4]
        order = ">" if form == b"RIFX" else "<"
        size_64 = None
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack(f"{order}4sI", head)
            start = file.tell()
            if name == b"ds64":
                size_64 = struct.unpack("<QQ", file.read(16))[1]
            if name == b"data":
                if size in _UNKNOWN:
                    size = size_64 or 0
                if start + size > n_bytes:
                    raise ValueError(
                        f"it announces {size} bytes of sound and holds {n_bytes - start}: it was "
                        "cut short"
                    )
                return
            file.seek(start + size + size % 2)


def _check_ogg(path: Path) -> None:
    """Raise ValueError where the last page of an Ogg file is not the last of its stream."""
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * _LONGEST_PAGE))
        end = file.read()
    start = end.rfind(_OGG_PAGE)
    page = end[start:]
    is_complete = start >= 0 and len(page) >= 27
    if is_complete:
        n_segments = page[26]
        lengths = page[27 : 27 + n_segments]
        is_complete = len(page) >= 27 + n_segments + sum(lengths) and len(lengths) == n_segments
    if not is_complete or not page[5] & _LAST_PAGE:
        raise ValueError("its last page is missing: it was cut short")
