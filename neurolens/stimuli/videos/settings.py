"""How videos are read: which windows of each are stimuli, and which frames of these are taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.errors import InputError, warn_user
from neurolens.labels import list_names
from neurolens.stimuli.media import Listing, Parts
from neurolens.stimuli.sources.checks import check_count, check_seconds
from neurolens.stimuli.videos.clips import Clip
from neurolens.stimuli.videos.files import SUFFIXES, VideoFile, check_suffix, read_video

# Seconds that times are rounded to in ids, and by which windows may be longer than what is left.
_DIGITS = 6
_ROUNDING = 10.0**-_DIGITS


@dataclass(frozen=True)
class Video:
    """How videos are read, for ``load_stimuli(source, kind=Video(...))``.

    Files are MP4, MOV, AVI, MKV and WebM, read by PyAV (``pip install av``).
    Times are those at which frames are shown, from the first on, so that files of variable frame
    rate are read rightly; the frame at a time is the one that is shown then. Frames are decoded
    when they are used, one stimulus at a time, in RGB of 8 bits and turned as the file says.

    Parameters
    ----------
    frames : int or None
        Frames of each stimulus. Without ``rate``, they are those in the middles of as many equal
        parts of its window. None: as many as ``rate`` gives in the window.
    rate : float, optional
        Frames per second, from the beginning of the window on; with ``frames``, as many of them.
    start, duration : float
        Seconds of each file that are used; by default from its beginning to its end.
    clips : int
        Divide these into as many windows of equal length, each a stimulus.
    window, step : float, optional
        Seconds: a stimulus for each window of this length, every ``step`` (default: ``window``),
        such as the repetition time of a scanner. What is left at the end is told.
    per_frame : bool, optional
        Whether the transform takes each frame as a picture of Pillow, and returns a tensor for
        each, which are stacked (frame, ...). Otherwise it takes the frames (frame, y, x, 3), uint8;
        the presets of torchvision's video models theirs. Default: True for `ImageTransform` and the
        presets of torchvision's image models.

    Raises
    ------
    InputError
        For settings that cannot be used.

    Notes
    -----
    With ``window``, or more than one of ``clips``, ids are ``name@1.5s``, after the onset of the
    window in seconds from the first frame, which the metadata hold as ``onset``, with ``duration``
    and ``video``, the id of the file.
    """

    frames: int | None = 16
    rate: float | None = None
    start: float = 0
    duration: float | None = None
    clips: int = 1
    window: float | None = None
    step: float | None = None
    per_frame: bool | None = None

    noun = "videos"
    suffixes = SUFFIXES

    def __post_init__(self) -> None:
        if self.frames is not None:
            check_count("frames", self.frames)
        check_count("clips", self.clips)
        check_seconds("start", self.start, is_positive=False)
        for name in ("rate", "duration", "window", "step"):
            if getattr(self, name) is not None:
                check_seconds(name, getattr(self, name), is_positive=True)
        if self.frames is None and self.rate is None:
            raise InputError("frames=None needs rate=, in frames per second. Type e.g. rate=4.")
        if self.window is None and self.step is not None:
            raise InputError("step= needs window=, in seconds. Type e.g. window=2, step=1.")
        if self.window is not None and self.clips != 1:
            raise InputError("clips= and window= both divide a video. Pass one of the two.")
        if self.per_frame is not None and not isinstance(self.per_frame, bool):
            raise InputError(f"per_frame must be True, False or None, got {self.per_frame!r}.")

    def read_files(self, paths: Sequence[Path], model_rate: int | None) -> Listing:
        """Return the clips of files, each checked to be whole.

        Raises
        ------
        InputError
            Naming the file, where it is broken, or too short for a window or its frames.
        """
        for path in paths:
            check_suffix(path)
        files = [read_video(path) for path in paths]
        clips: list[Clip] = []
        sources: list[int] = []
        onsets: list[float] = []
        lengths: list[float] = []
        left: list[str] = []
        for i, file in enumerate(files):
            stop = self._find_stop(file)
            windows = self._divide(file, stop)
            length = self.window or (stop - self.start) / self.clips
            rest = stop - (windows[-1] + length)
            if rest > _ROUNDING:
                left.append(f"{rest:.3g} s of {file.name}")
            for onset in windows:
                times = self._list_times(file, onset, length)
                clips.append(Clip(file, times, self.per_frame, self.frames is None))
                sources.append(i)
                onsets.append(float(round(onset, _DIGITS)))
                lengths.append(float(round(length, _DIGITS)))
        if left:
            warn_user(f"no window holds the end of {len(left)} videos: {list_names(left)}")
        return Listing(
            clips, parts=self._name_parts(sources, onsets, lengths), n_sources=len(files)
        )

    def read_rows(self, rows: Any, model_rate: int | None) -> Listing:
        """Raise InputError: arrays of frames are loaded without a kind."""
        raise InputError(
            "Video is for files; arrays of frames (stimulus, frame, y, x, 3) are loaded without "
            "kind=, with transform= or model=."
        )

    @property
    def has_parts(self) -> bool:
        """Whether stimuli are named after windows of their files."""
        return self.window is not None or self.clips > 1

    def _name_parts(
        self, sources: Sequence[int], onsets: Sequence[float], lengths: Sequence[float]
    ) -> Parts | None:
        if not self.has_parts:
            return None
        marks = [f"@{onset:.{_DIGITS}f}".rstrip("0").rstrip(".") + "s" for onset in onsets]
        return Parts(sources, marks, {"onset": onsets, "duration": lengths}, origin="video")

    def _find_stop(self, file: VideoFile) -> float:
        """Return the second at which what is used of a file ends."""
        stop = file.duration if self.duration is None else self.start + self.duration
        if stop > file.duration + _ROUNDING or self.start >= stop:
            asked = "" if self.duration is None else f" and duration={self.duration}"
            raise InputError(
                f"{file.name} lasts {file.duration:.6g} s, which ends before start={self.start}"
                f"{asked}. Choose less."
            )
        return min(stop, file.duration)

    def _divide(self, file: VideoFile, stop: float) -> list[float]:
        """Return the onsets of the windows of a file."""
        if self.window is None:
            length = (stop - self.start) / self.clips
            return [self.start + i * length for i in range(self.clips)]
        step = self.step or self.window
        n_windows = int((stop - self.start - self.window + _ROUNDING) / step) + 1
        if stop - self.start + _ROUNDING < self.window:
            raise InputError(
                f"{file.name} has {stop - self.start:.6g} s to use, less than window={self.window}"
                ". Choose less, or leave the file out."
            )
        return [self.start + i * step for i in range(n_windows)]

    def _list_times(self, file: VideoFile, onset: float, length: float) -> tuple[float, ...]:
        """Return the times of the frames of a window."""
        if self.rate is None:
            assert self.frames is not None
            middles = (np.arange(self.frames) + 0.5) / self.frames
            return tuple((onset + length * middles).tolist())
        # The last frame begins before the end of the window.
        n_fitting = int(np.ceil(length * self.rate - _ROUNDING))
        n_frames = n_fitting if self.frames is None else self.frames
        if n_frames > n_fitting or n_frames < 1:
            raise InputError(
                f"{length:.6g} s of {file.name} hold {n_fitting} frames at rate={self.rate}, and "
                f"frames={self.frames} asks for more. Choose fewer, or a higher rate."
            )
        return tuple((onset + np.arange(n_frames) / self.rate).tolist())
