"""Sounds in files and arrays: a part of each, mono or not, at the rate that was asked for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from neurolens.errors import InputError, MissingToolError
from neurolens.stimuli.media import Medium, name_errors, update_file_hash
from neurolens.stimuli.pictures.images import ImageTransform
from neurolens.stimuli.sounds.containers import check_whole
from neurolens.stimuli.sounds.waveforms import (
    Waveform,
    check_finite,
    count_resampled,
    draw_waveform,
    make_waveform,
    resample,
)

# Of the library that decodes, in the spelling of soundfile.
FORMATS = {
    ".wav": ("WAV", "WAVEX", "RF64"),
    ".flac": ("FLAC",),
    ".ogg": ("OGG",),
    ".oga": ("OGG",),
    ".opus": ("OGG",),
    ".mp3": ("MP3", "MPEG"),
}
SUFFIXES = tuple(FORMATS)
WHAT = "a sound"


@dataclass(frozen=True)
class Excerpt:
    """The part of a sound that is taken, and what is made of it.

    Attributes
    ----------
    first, n_values : int
        Of the recording, before it is resampled.
    n_channels, rate : int
        Of the recording.
    wanted : int
        The rate of the stimulus.
    longest : int or None
        How many values the stimulus has at most, where its duration was given.
    mono : bool
    """

    first: int
    n_values: int
    n_channels: int
    rate: int
    wanted: int
    longest: int | None
    mono: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the stimulus: (time,), or (channel, time)."""
        n_values = count_resampled(self.n_values, self.rate, self.wanted)
        if self.longest is not None:
            n_values = min(n_values, self.longest)
        return (n_values,) if self.mono else (self.n_channels, n_values)

    def make(self, values: np.ndarray) -> Waveform:
        """Return the stimulus from values of the recording (time, channel)."""
        channels = values.T  # (channel, time)
        if self.mono and self.n_channels > 1:
            channels = channels.mean(0, dtype=np.float64)[None]
        made = resample(channels, self.rate, self.wanted)[..., : self.longest]
        return make_waveform(made[0] if self.mono else made, self.wanted)

    def describe(self) -> str:
        """Return what is done to the recording."""
        steps = [f"from value {self.first}" if self.first else "from the beginning"]
        if self.longest is not None:
            steps.append(f"{self.longest} values after resampling")
        if self.n_channels > 1:
            steps.append("mean of the channels" if self.mono else "channels kept")
        if self.rate == self.wanted:
            steps.append("not resampled")
        else:
            steps.append(f"resampled to {self.wanted} Hz by scipy.signal.resample_poly")
        return ", ".join([*steps, "float32"])


@dataclass(frozen=True)
class SoundStimulus(Medium):
    """A sound that is read when it is used; its subclasses say where it is."""

    excerpt: Excerpt

    noun = "sounds"
    is_ragged = True

    def read_values(self) -> np.ndarray:
        """Return the values of the excerpt as they were recorded: float32 (time, channel)."""
        raise NotImplementedError

    def read_waveform(self) -> Waveform:
        """Return the stimulus: float32 (time,), or (channel, time)."""
        values = self.read_values()
        check_finite(values, self.name)
        return self.excerpt.make(values)

    def read_shape(self) -> tuple[int, ...]:
        """Return the shape of the stimulus, without reading it."""
        return self.excerpt.shape

    def prepare(self, transform: Any) -> Any:
        """Return the waveform, which knows its rate; for None a tensor."""
        if type(transform) is ImageTransform:
            raise InputError(
                f"ImageTransform takes pictures, and {self.name} is a sound. Pass "
                "model=load_model(...), or transform=None.",
                anchor="stimuli-do-not-fit-model",
            )
        waveform = self.read_waveform()
        return torch.from_numpy(waveform.view(np.ndarray)) if transform is None else waveform

    @staticmethod
    def describe_set(media: Sequence[Any], transform: Any) -> dict[str, str]:
        """Return what is done to the recordings, by their rate and channels."""
        parts: dict[str, set[str]] = {}
        for sound in media:
            excerpt = sound.excerpt
            name = f"sounds of {excerpt.rate} Hz, {excerpt.n_channels} channels"
            parts.setdefault(name, set()).add(excerpt.describe())
        return {name: "; ".join(sorted(steps)) for name, steps in parts.items()}

    def make_thumbnail(self) -> Image.Image:
        """Return a picture of the recording, the mean of its channels."""
        return draw_waveform(self.read_values().mean(1))


@dataclass(frozen=True)
class SoundFile(SoundStimulus):
    """A sound in a file."""

    path: Path

    @property
    def name(self) -> str:  # type: ignore[override]
        """The path, for messages."""
        return repr(str(self.path))

    def read_values(self) -> np.ndarray:
        """Return the values of the excerpt; raise InputError where the file was changed."""
        excerpt = self.excerpt
        soundfile = import_soundfile()
        with name_errors(self.path, WHAT), soundfile.SoundFile(self.path) as file:
            if (file.samplerate, file.channels) != (excerpt.rate, excerpt.n_channels):
                raise ValueError(
                    f"it held {excerpt.n_channels} channels of {excerpt.rate} Hz when it was "
                    f"loaded, and now {file.channels} of {file.samplerate} Hz"
                )
            stop = excerpt.first + excerpt.n_values
            if excerpt.longest is None and file.frames != stop:
                raise ValueError(f"it held {stop} values when it was loaded, and now {file.frames}")
            file.seek(excerpt.first)
            values = file.read(excerpt.n_values, dtype="float32", always_2d=True)
            if len(values) != excerpt.n_values:
                raise ValueError(
                    f"{len(values)} values can be decoded where {excerpt.n_values} were when it "
                    "was loaded"
                )
        return values

    def update_hash(self, digest: Any) -> None:
        """Add the bytes of the file to a hash, and which of its values are taken."""
        digest.update(f"sound {self.excerpt.first}:{self.excerpt.n_values}:".encode())
        update_file_hash(self.path, digest, WHAT)


@dataclass(frozen=True, eq=False)
class SoundArray(SoundStimulus):
    """A sound in a row of an array or list, whose rate was stated."""

    rows: Any
    row: int

    @property
    def name(self) -> str:  # type: ignore[override]
        """The position, for messages."""
        return f"sound {self.row}"

    def read_values(self) -> np.ndarray:
        """Return the values of the excerpt."""
        values = check_waveform(self.rows[self.row], self.row)
        excerpt = self.excerpt
        return values[excerpt.first : excerpt.first + excerpt.n_values, None]

    def update_hash(self, digest: Any) -> None:
        """Add the values of the excerpt, and their rate, to a hash."""
        values = self.read_values()
        digest.update(f"sound of {self.excerpt.rate} Hz, {values.shape}".encode())
        digest.update(values.tobytes())


def check_waveform(values: np.ndarray, row: int) -> np.ndarray:
    """Return a waveform (time,) of an array as float32; raise InputError for anything else."""
    if values.ndim != 1 or values.dtype.kind != "f":
        raise InputError(
            "a sound in an array must be a waveform (time,) of floats, got "
            f"{values.dtype} of shape {values.shape} for number {row + 1}. Take the mean of "
            "channels, and divide whole numbers by their largest value, e.g. wave / 32768."
        )
    return values.astype(np.float32, copy=False)


@dataclass(frozen=True)
class Recording:
    """What the header of a sound says: its length in values, channels and rate."""

    name: str
    n_values: int
    n_channels: int
    rate: int


def read_recording(path: Path) -> Recording:
    """Return what the header of a file says, which is checked to be whole.

    Raises
    ------
    InputError
        Naming the file, where it is broken, empty or cut short.
    """
    soundfile = import_soundfile()
    with name_errors(path, WHAT):
        if path.stat().st_size == 0:
            raise ValueError("it is empty, 0 bytes")
        with soundfile.SoundFile(path) as file:
            expected = FORMATS.get(path.suffix.lower())
            if expected is not None and file.format not in expected:
                raise ValueError(
                    f"its suffix is {path.suffix} and its content {file.format}; rename it"
                )
            check_whole(path, file)
            if file.frames == 0:
                raise ValueError("it holds no sound")
            return Recording(repr(str(path)), file.frames, file.channels, file.samplerate)


def import_soundfile() -> Any:
    """Return the library that reads sounds; raise MissingToolError where it is not installed."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise MissingToolError(
            f"sounds are read by soundfile, which cannot be imported ({error}): pip install "
            "soundfile"
        ) from error
    return soundfile


def count_rates(recordings: Sequence[Recording]) -> str:
    """Return the rates of recordings and how many have each, for a message."""
    counts = Counter(recording.rate for recording in recordings)
    return ", ".join(f"{rate} Hz ({n})" for rate, n in sorted(counts.items()))
