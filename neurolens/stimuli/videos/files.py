"""Files of videos: when their frames are shown, how they are turned, whether they are whole."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.errors import InputError, MissingToolError
from neurolens.stimuli.media import name_errors, update_file_hash

SUFFIXES = (".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm")
# Names of containers, as FFmpeg has them; none of these reads other files or addresses.
_FORMATS = {
    ".mp4": "mov",
    ".m4v": "mov",
    ".mov": "mov",
    ".avi": "avi",
    ".mkv": "matroska",
    ".webm": "matroska",
}
WHAT = "a video"
# Of the announced duration, what may be lacking at the end, beside so many seconds.
_LACKING = 0.02
_EARLIER = 0.1
# Of the first frames, whose times must be in order: more than codecs reorder.
_N_CHECKED = 17


@dataclass(frozen=True)
class VideoFile:
    """What a file of a video holds: when it begins and ends, and how it is shown.

    Attributes
    ----------
    path : Path
    first : Fraction
        Seconds at which the first frame is shown, from which times count.
    duration : float
        Seconds from there to the end of the last frame.
    n_frames : int
    size : tuple of int
        Height and width as stored.
    turns : int
        Quarter turns, counterclockwise, by which frames are shown.
    aspect : str
        Width to height of a stored pixel, "1" where they are square.
    codec, pixels : str
        Of the stored frames: how they are coded, and the form of their pixels.
    has_alpha : bool
        Whether frames say what is transparent.
    """

    path: Path
    first: Fraction
    duration: float
    n_frames: int
    size: tuple[int, int]
    turns: int
    aspect: str
    codec: str
    pixels: str
    has_alpha: bool
    _hashes: dict[tuple[int, int], bytes] = field(default_factory=dict, compare=False, repr=False)

    @property
    def name(self) -> str:
        """The path, for messages."""
        return repr(str(self.path))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of frames as shown."""
        height, width = self.size if self.turns % 2 == 0 else self.size[::-1]
        return (height, width, 3)

    def update_hash(self, digest: Any) -> None:
        """Add the content of the file to a hash; clips of one file share the hash of its bytes.

        It is taken again where the file has been written to since.
        """
        import hashlib

        with name_errors(self.path, WHAT):
            state = self.path.stat()
        key = (state.st_mtime_ns, state.st_size)
        if key not in self._hashes:
            content = hashlib.sha256()
            update_file_hash(self.path, content, WHAT)
            self._hashes[key] = content.digest()
        digest.update(self._hashes[key])


def read_video(path: Path) -> VideoFile:
    """Return what a file of a video holds, checked to be whole without decoding it.

    The first frames are decoded; of the others, the container is read through.

    Raises
    ------
    InputError
        Naming the file, where it is broken, empty, cut short, mirrored or turned by other than
        quarter turns, or does not say when frames are shown.
    """
    with open_video(path) as (container, stream):
        n_frames, end = _scan(container, stream)
    with open_video(path) as (container, stream):
        first_frames = list(itertools.islice(iterate_frames(container, stream), _N_CHECKED))
        if not first_frames:
            raise ValueError("it holds no frames")
        first_frame = first_frames[0]
        turns = _read_turns(first_frame)
        size = (first_frame.height, first_frame.width)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        codec = stream.codec_context.name
        form = first_frame.format
        has_alpha = any(component.is_alpha for component in form.components)
        first = first_frame.pts * stream.time_base
    return VideoFile(
        path=path,
        first=first,
        duration=float(end - first),
        n_frames=n_frames,
        size=size,
        turns=turns,
        aspect=str(aspect),
        codec=codec,
        pixels=form.name,
        has_alpha=has_alpha,
    )


@contextmanager
def open_video(path: Path) -> Iterator[tuple[Any, Any]]:
    """Yield a container of PyAV and its video stream; name the file in every error."""
    av = import_av()
    with name_errors(path, WHAT):
        if path.stat().st_size == 0:
            raise ValueError("it is empty, 0 bytes")
        # The container is the one that the suffix says, so that no playlist is followed.
        with av.open(str(path.absolute()), format=_FORMATS[path.suffix.lower()]) as container:
            if not container.streams.video:
                raise ValueError("it holds no video")
            stream = container.streams.video[0]
            yield container, stream


def iterate_frames(container: Any, stream: Any) -> Iterator[Any]:
    """Yield frames in the order in which they are shown.

    Raises
    ------
    ValueError
        Where a time lacks, or is earlier than that of the frame before, as in AVI files of codecs
        whose frames are stored in another order than shown.
    """
    latest = None
    for frame in container.decode(stream):
        if frame.pts is None:
            raise ValueError("it does not say when its frames are shown; write it anew")
        if latest is not None and frame.pts < latest:
            raise ValueError(
                "the times of its frames are those in which they are stored, not shown; write it "
                "anew, e.g. as MP4"
            )
        latest = frame.pts
        yield frame


def _scan(container: Any, stream: Any) -> tuple[int, Fraction]:
    """Return the number of frames that are shown and the second at which the last ends.

    Raises
    ------
    ValueError
        Where there are fewer than the file announces.
    """
    n_frames = 0
    n_trimmed = 0
    end = Fraction(0)
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if packet.is_discard:  # before the beginning of a video that was trimmed
            n_trimmed += 1
            continue
        if packet.is_corrupt:
            raise ValueError("a frame in it is damaged or cut short")
        n_frames += 1
        start = packet.pts if packet.pts is not None else packet.dts
        if start is not None:
            end = max(end, (start + (packet.duration or 0)) * stream.time_base)
    announced = _read_end(container, stream)
    n_lacking = stream.frames - n_trimmed - n_frames
    if n_frames == 0 or (announced and float(end) < announced * (1 - _LACKING) - _EARLIER):
        raise ValueError(
            f"it announces {announced or 0:.6g} s and holds {float(end):.6g} s: it was cut short"
        )
    if stream.frames and n_lacking > max(2, _LACKING * stream.frames):
        raise ValueError(
            f"it announces {stream.frames} frames and holds {n_frames}: it was cut short"
        )
    return n_frames, end


def _read_end(container: Any, stream: Any) -> float | None:
    """Return the second at which a file says that its video ends, None where it does not say."""
    if stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    tag = stream.metadata.get("DURATION")  # of Matroska: when the last frame ends
    if tag is not None:
        try:
            hours, minutes, seconds = tag.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        except ValueError:
            return None
    is_alone = len(container.streams) == 1
    return container.duration / 1_000_000 if is_alone and container.duration else None


def _read_turns(frame: Any) -> int:
    """Return by how many quarter turns, counterclockwise, a frame is to be turned.

    Raises
    ------
    ValueError
        Where it is to be mirrored, or turned by another angle.
    """
    for data in frame.side_data:
        if "DISPLAYMATRIX" in str(data.type):
            matrix = np.frombuffer(bytes(data), np.int32).reshape(3, 3) / 65536
            if np.linalg.det(matrix[:2, :2]) < 0:
                raise ValueError("it is to be shown mirrored; write it anew as it is to be seen")
    angle = int(frame.rotation)
    if angle % 90:
        raise ValueError(
            f"it is to be shown turned by {angle} degrees; write it anew as it is to be seen"
        )
    return angle // 90 % 4


def import_av() -> Any:
    """Return the library that reads videos; raise MissingToolError where it is not installed."""
    try:
        import av
    except (ImportError, OSError) as error:
        raise MissingToolError(
            f"videos are read by PyAV, which cannot be imported ({error}): pip install av"
        ) from error
    return av


def check_suffix(path: Path) -> None:
    """Raise InputError for a file whose suffix is not that of a container that is read."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{str(path)!r} has none of the suffixes of videos: {', '.join(SUFFIXES)}. Rename it, "
            "or write it as MP4."
        )
