"""Clips: the frames of a video that are shown at certain times, decoded when they are used."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from PIL import Image

from neurolens.errors import InputError
from neurolens.stimuli.media import THUMBNAIL, Medium
from neurolens.stimuli.pictures.images import ImageTransform
from neurolens.stimuli.videos.files import VideoFile, iterate_frames, open_video

# Modules of torchvision whose presets take one picture, and a clip (frame, channel, y, x).
_PRESETS = "torchvision.transforms._presets"
_PICTURE_PRESETS = ("ImageClassification", "ObjectDetection", "SemanticSegmentation")
_CLIP_PRESETS = ("VideoClassification",)
_N_SHOWN = 3
# How many times its duration the last frame of a video may be shown.
_MOST_LATE = 3
# Seconds by which containers, and times as floats, round.
_MOST_EARLY = Fraction(1, 2000)
_ROUNDING = Fraction(1, 1_000_000)


@dataclass(frozen=True)
class Clip(Medium):
    """Frames of a video at some times.

    Attributes
    ----------
    file : VideoFile
    times : tuple of float
        Seconds from the first frame of the file, ascending; each stands for the frame that is
        shown at that time.
    per_frame : bool or None
        Whether a transform takes each frame as a picture; None: where it is known to.
    is_ragged : bool
        Whether clips of the set differ in their number of frames.
    """

    file: VideoFile
    times: tuple[float, ...]
    per_frame: bool | None
    is_ragged: bool = False

    noun = "videos"

    @property
    def name(self) -> str:  # type: ignore[override]
        """The path, for messages."""
        return self.file.name

    def read_frames(self, times: Sequence[float] | None = None) -> np.ndarray:
        """Return the frames at the clip's times, or others, in RGB: uint8 (frame, y, x, 3).

        Raises
        ------
        InputError
            When the file is broken, or is not the one that was loaded.
        """
        wanted = self.times if times is None else tuple(times)
        with open_video(self.file.path) as (container, stream):
            frames = list(_pick_frames(container, stream, self.file.first, wanted))
            shapes = {frame.shape for frame in frames}
            if shapes != {(*self.file.size, 3)}:
                raise ValueError(
                    f"its frames were {self.file.size} when it was loaded, and are now of shapes "
                    f"{sorted(shapes)}"
                )
        return np.ascontiguousarray(np.rot90(np.stack(frames), self.file.turns, axes=(1, 2)))

    def read_shape(self) -> tuple[int, ...]:
        """Return the shape of the frames, without decoding them."""
        return (len(self.times), *self.file.shape)

    def prepare(self, transform: Any) -> Any:
        """Return the frames (frame, y, x, 3); for None a tensor."""
        frames = self.read_frames()
        return torch.from_numpy(frames) if transform is None else frames

    def apply(self, transform: Any) -> Any:
        """Return what a transform makes of the clip, or of each frame of it, (frame, ...)."""
        frames = self.prepare(transform)
        if transform is None:
            return frames
        if takes_frames(transform, self.per_frame):
            made = [transform(Image.fromarray(frame)) for frame in frames]
            if not all(isinstance(one, torch.Tensor) for one in made):
                raise InputError(
                    "a transform of single frames must return a tensor for each, got "
                    f"{type(made[0]).__name__} for {self.name}. Pass "
                    "kind=nl.stimuli.Video(per_frame=False) for one that takes (frame, y, x, 3)."
                )
            return torch.stack(made)
        if is_preset(transform, _CLIP_PRESETS):
            return transform(torch.from_numpy(frames).permute(0, 3, 1, 2))
        return transform(frames)

    def update_hash(self, digest: Any) -> None:
        """Add the content of the file, and which frames are taken, to a hash."""
        self.file.update_hash(digest)
        digest.update(f"frames at {self.times!r}".encode())

    @staticmethod
    def describe_set(media: Sequence[Any], transform: Any) -> dict[str, str]:
        """Return what is done to videos, by codec and size."""
        parts: dict[str, str] = {"videos": "the frame shown at each time, from the first frame on"}
        for clip in media:
            height, width = clip.file.size
            steps = ["RGB of 8 bits by PyAV"]
            if clip.file.has_alpha:
                steps.append("transparency left out")
            if clip.file.turns:
                steps.append(f"turned by {90 * clip.file.turns} degrees counterclockwise")
            if clip.file.aspect != "1":
                steps.append(f"pixels of {clip.file.aspect} not stretched")
            if transform is not None and takes_frames(transform, clip.per_frame):
                steps.append("each frame transformed as a picture")
            name = f"videos of {clip.file.codec}, {clip.file.pixels}, {width} x {height}"
            parts[name] = ", ".join(steps)
        return parts

    def make_thumbnail(self) -> Image.Image:
        """Return some frames of the clip side by side."""
        rows = np.unique(np.linspace(0, len(self.times) - 1, _N_SHOWN).round().astype(int))
        frames = self.read_frames([self.times[row] for row in rows])
        strip = Image.fromarray(np.concatenate(list(frames), axis=1))
        strip.thumbnail((THUMBNAIL[0] * len(rows), THUMBNAIL[1]))
        return strip


def takes_frames(transform: Any, per_frame: bool | None) -> bool:
    """Return whether a transform takes single frames of a clip, as pictures."""
    if per_frame is not None:
        return per_frame
    return type(transform) is ImageTransform or is_preset(transform, _PICTURE_PRESETS)


def is_preset(transform: Any, names: Sequence[str]) -> bool:
    """Return whether a transform is one of the presets of torchvision's weights."""
    kind = type(transform)
    return kind.__module__ == _PRESETS and kind.__name__ in names


def _pick_frames(
    container: Any, stream: Any, first: Fraction, times: Sequence[float]
) -> Iterator[np.ndarray]:
    """Yield the frame that is shown at each time, in RGB (y, x, 3).

    A frame is shown from its own time until that of the next; since containers round times, from
    half a unit of their clock before, at most half a millisecond. Decoding begins at the last
    keyframe before the first time, where the container finds it, and else at the beginning.
    """
    stream.thread_type = "AUTO"
    early = min(stream.time_base / 2, _MOST_EARLY) + _ROUNDING
    wanted = [first + Fraction(time) + early for time in times]
    position = 0
    shown = None
    for frame in decode_from(container, stream, wanted[0]):
        time = frame.pts * stream.time_base
        while position < len(wanted) and shown is not None and wanted[position] < time:
            yield shown.to_ndarray(format="rgb24")
            position += 1
        if position == len(wanted):
            return
        shown = frame
    if shown is None:
        raise ValueError("it holds no frames")
    end = (shown.pts + _MOST_LATE * (shown.duration or 0)) * stream.time_base
    if shown.duration and position < len(wanted) and wanted[-1] > end:
        raise ValueError(f"its last frame is shown before {float(wanted[-1] - first):.6g} s")
    for _ in wanted[position:]:
        yield shown.to_ndarray(format="rgb24")


def decode_from(container: Any, stream: Any, time: Fraction) -> Iterator[Any]:
    """Yield frames in the order in which they are shown, from one at or before a time on."""
    target = int(time / stream.time_base)
    container.seek(target, stream=stream, backward=True)
    frames = iterate_frames(container, stream)
    frame = next(frames, None)
    if frame is None or frame.pts > target:
        container.seek(stream.start_time or 0, stream=stream, backward=True)
        yield from iterate_frames(container, stream)
        return
    yield frame
    yield from frames
