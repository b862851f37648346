"""A sound that was cut short is found when it is loaded, whatever its container."""

import struct

import numpy as np
import pytest

import neurolens as nl
from neurolens.errors import InputError

soundfile = pytest.importorskip("soundfile")
SETTINGS = {
    "wav": {},
    "flac": {},
    "ogg": {},
    "mp3": {},
    "opus": {"format": "OGG", "subtype": "OPUS"},
}


def save(path, **settings):
    values = 0.3 * np.random.default_rng(0).standard_normal((30000, 2))
    rate = 48000 if settings else 44100
    soundfile.write(path, values.clip(-1, 1), rate, **settings)
    return path.read_bytes()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97, 0.999])
@pytest.mark.parametrize("suffix", SETTINGS)
def test_cut_files_are_found(suffix, share, tmp_path, capfd):
    path = tmp_path / f"a.{suffix}"
    content = save(path, **SETTINGS[suffix])
    assert nl.load_stimuli(tmp_path)["a"].shape == (30000,)
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=rf"a.{suffix}' cannot be read as a sound"):
        nl.load_stimuli(tmp_path)


def test_sizes_of_wav_files_that_were_written_as_a_stream(tmp_path):
    content = save(tmp_path / "a.wav")
    place = content.index(b"data") + 4
    for size in (0xFFFFFFFF, 0x7FFFFFFF):
        stream = content[:place] + struct.pack("<I", size) + content[place + 4 :]
        (tmp_path / "a.wav").write_bytes(stream)
        assert nl.load_stimuli(tmp_path)["a"].shape == (30000,)


def test_long_wav_files_have_sizes_of_64_bits(tmp_path):
    values = np.zeros((500, 1))
    soundfile.write(tmp_path / "a.wav", values, 8000, format="RF64", subtype="PCM_16")
    content = (tmp_path / "a.wav").read_bytes()
    assert nl.load_stimuli(tmp_path)["a"].shape == (500,)
    (tmp_path / "a.wav").write_bytes(content[:-100])
    with pytest.raises(InputError, match="a.wav' cannot be read as a sound .it announces"):
        nl.load_stimuli(tmp_path)


def test_chunks_of_odd_length_before_the_data(tmp_path):
    content = save(tmp_path / "a.wav")
    place = content.index(b"data")
    odd = b"note" + struct.pack("<I", 3) + b"abc\0"
    size = struct.pack("<I", len(content) + len(odd) - 8)
    whole = content[:4] + size + content[8:place] + odd + content[place:]
    (tmp_path / "a.wav").write_bytes(whole)
    assert nl.load_stimuli(tmp_path)["a"].shape == (30000,)
    (tmp_path / "a.wav").write_bytes(whole[:-4])
    with pytest.raises(InputError, match="announces 120000 bytes of sound and holds 119996"):
        nl.load_stimuli(tmp_path)
