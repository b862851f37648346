"""How sounds are read: the rate of the stimuli, and the part of each recording that is taken."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurolens.errors import InputError
from neurolens.stimuli.media import Listing
from neurolens.stimuli.sounds.files import (
    SUFFIXES,
    Excerpt,
    Recording,
    SoundArray,
    SoundFile,
    check_waveform,
    count_rates,
    read_recording,
)
from neurolens.stimuli.sources.checks import check_count, check_seconds

# Of a number of values, which follows from seconds.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Sound:
    """How sounds are read, for ``load_stimuli(source, kind=Sound(...))``.

    Files are WAV, FLAC, OGG (Vorbis and Opus) and MP3, read by ``soundfile`` (``pip install
    soundfile``); a stimulus is a waveform (time,) of float32, in -1 to 1 where files
    hold whole numbers. It is cut first, then made mono, then resampled by
    ``scipy.signal.resample_poly``; what was done is in ``stimuli.preprocessing``.

    Parameters
    ----------
    rate : int, optional
        Values per second of the stimuli. Default: what the model's processor takes, where one is
        passed; else that of the files, which must be one.
    duration : float, optional
        Seconds of each recording, from ``offset`` on; default: to its end. A recording that ends
        before is refused. Whole recordings that differ in length are padded with zeros to the
        longest, with a warning; ``stimuli.lengths`` holds their lengths.
    offset : float
        Seconds of each recording to leave out at its beginning.
    mono : bool
        Average the channels; otherwise stimuli are (channel, time).
    array_rate : int, optional
        Values per second of waveforms in arrays, (stimulus, time), or a list of (time,), which do
        not say it themselves. They must be floats.

    Raises
    ------
    InputError
        For a setting that cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from neurolens.stimuli import load_stimuli
    >>> waves = np.zeros((2, 44100), np.float32)
    >>> load_stimuli(waves, kind=Sound(rate=16000, array_rate=44100))["stim000"].shape
    torch.Size([16000])
    """

    rate: int | None = None
    duration: float | None = None
    offset: float = 0
    mono: bool = True
    array_rate: int | None = None

    noun = "sounds"
    suffixes = SUFFIXES

    def __post_init__(self) -> None:
        for name in ("rate", "array_rate"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        if self.duration is not None:
            check_seconds("duration", self.duration, is_positive=True)
        check_seconds("offset", self.offset, is_positive=False)
        if not isinstance(self.mono, bool):
            raise InputError(f"mono must be True or False, got {self.mono!r}.")

    def read_files(self, paths: Sequence[Path], model_rate: int | None) -> Listing:
        """Return the sounds in files, each checked to be whole.

        Raises
        ------
        InputError
            Naming the file, where it is broken or too short, and where rates or channels differ.
        """
        if self.array_rate is not None:
            raise InputError(
                f"array_rate={self.array_rate} is for waveforms in arrays; files state their "
                "rate. Leave it out.",
                anchor="stimuli-do-not-fit-model",
            )
        recordings = [read_recording(path) for path in paths]
        excerpts = self._cut(recordings, model_rate)
        files = zip(paths, excerpts, strict=True)
        return Listing([SoundFile(excerpt, path) for path, excerpt in files])

    def read_rows(self, rows: Any, model_rate: int | None) -> Listing:
        """Return the sounds in rows of an array or list, whose rate was stated."""
        if self.array_rate is None:
            raise InputError(
                "waveforms in arrays do not state their rate. Type e.g. "
                "kind=nl.stimuli.Sound(array_rate=44100).",
                anchor="stimuli-do-not-fit-model",
            )
        recordings = []
        for row in range(len(rows)):
            wave = check_waveform(np.asarray(rows[row]), row)
            recordings.append(Recording(f"sound {row}", len(wave), 1, self.array_rate))
        excerpts = self._cut(recordings, model_rate)
        return Listing([SoundArray(excerpt, rows, row) for row, excerpt in enumerate(excerpts)])

    def _cut(self, recordings: Sequence[Recording], model_rate: int | None) -> list[Excerpt]:
        wanted = self._choose_rate(recordings, model_rate)
        if not self.mono and len({one.n_channels for one in recordings}) > 1:
            counts = sorted({one.n_channels for one in recordings})
            raise InputError(
                f"with mono=False all sounds need as many channels, got {counts}. Load them "
                "separately, or leave mono=False out.",
                anchor="stimuli-do-not-fit-model",
            )
        return [self._cut_one(recording, wanted) for recording in recordings]

    def _choose_rate(self, recordings: Sequence[Recording], model_rate: int | None) -> int:
        """Return the rate of the stimuli."""
        if self.rate is not None and model_rate is not None and self.rate != model_rate:
            raise InputError(
                f"the model takes sounds of {model_rate} Hz, and Sound(rate={self.rate}) asks for "
                "others. Leave rate= out.",
                anchor="stimuli-do-not-fit-model",
            )
        wanted = self.rate or model_rate
        rates = {recording.rate for recording in recordings}
        if wanted is None and len(rates) > 1:
            raise InputError(
                f"the sounds differ in their rates: {count_rates(recordings)}. Choose that of the "
                "stimuli, e.g. kind=nl.stimuli.Sound(rate=16000).",
                anchor="stimuli-do-not-fit-model",
            )
        return wanted if wanted is not None else next(iter(rates), 1)

    def _cut_one(self, recording: Recording, wanted: int) -> Excerpt:
        first = round(self.offset * recording.rate)
        n_values = recording.n_values - first
        longest = None
        if self.duration is not None:
            needed = math.ceil(self.duration * recording.rate - _ROUNDING)
            longest = round(self.duration * wanted)
            if needed < 1 or longest < 1:
                raise InputError(
                    f"duration={self.duration} holds no value at {min(recording.rate, wanted)} Hz."
                    " Take more.",
                    anchor="stimuli-do-not-fit-model",
                )
            n_values = needed if needed <= n_values else 0
        if n_values < 1:
            asked = "" if self.duration is None else f" and duration={self.duration}"
            raise InputError(
                f"{recording.name} lasts {recording.n_values / recording.rate:.6g} s, which ends "
                f"before offset={self.offset}{asked}. Choose less; without duration=, shorter "
                "sounds are padded.",
                anchor="stimuli-do-not-fit-model",
            )
        return Excerpt(
            first, n_values, recording.n_channels, recording.rate, wanted, longest, self.mono
        )
