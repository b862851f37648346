"""Files of sounds that are broken, cut short, or were changed: the file is named."""

import sys

import numpy as np
import pytest

import neurolens as nl
from neurolens.errors import InputError, MissingToolError

soundfile = pytest.importorskip("soundfile")


def save(path, n_values=30000, rate=44100):
    values = 0.3 * np.random.default_rng(0).standard_normal(n_values)
    soundfile.write(path, values.clip(-1, 1), rate)
    return path


@pytest.mark.parametrize("content", [b"", b"no sound at all" * 50])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_what_is_no_sound_is_named(content, suffix, tmp_path):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=rf"a.{suffix}' cannot be read as a sound \("):
        nl.load_stimuli(tmp_path)


def test_a_file_of_another_format_than_its_suffix_says(tmp_path):
    save(tmp_path / "a.wav").rename(tmp_path / "a.flac")
    with pytest.raises(InputError, match=r"its suffix is .flac and its content WAV; rename it"):
        nl.load_stimuli(tmp_path)


def test_a_sound_of_no_length_is_refused(tmp_path):
    save(tmp_path / "a.wav", n_values=0)
    with pytest.raises(InputError, match="a.wav' cannot be read as a sound .it holds no sound"):
        nl.load_stimuli(tmp_path)


def test_a_file_that_was_changed_is_told(tmp_path):
    stimuli = nl.load_stimuli(save(tmp_path / "a.wav"))
    save(tmp_path / "a.wav", n_values=20000)
    with pytest.raises(InputError, match="it held 30000 values when it was loaded, and now 20000"):
        stimuli["a"]
    save(tmp_path / "a.wav", rate=8000)
    with pytest.raises(InputError, match="it held 1 channels of 44100 Hz .*now 1 of 8000 Hz"):
        stimuli["a"]
    (tmp_path / "a.wav").unlink()
    with pytest.raises(InputError, match="a.wav' (does not exist any more|cannot be read)"):
        stimuli["a"]


def test_values_that_are_not_finite_are_told(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([0, np.inf, 0]), 8000, subtype="FLOAT")
    with pytest.raises(InputError, match=r"a.wav' holds values that are not finite"):
        nl.load_stimuli(tmp_path)["a"]


def test_the_package_is_named(tmp_path, monkeypatch):
    save(tmp_path / "a.wav")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingToolError, match=r"pip install soundfile"):
        nl.load_stimuli(tmp_path)


def test_a_sound_that_was_replaced_by_a_longer_one(tmp_path):
    path = save(tmp_path / "a.wav", 3000)
    whole = nl.load_stimuli(path)
    part = nl.load_stimuli(path, kind=nl.stimuli.Sound(duration=2000 / 44100))
    save(path, 4000)
    with pytest.raises(InputError, match="it held 3000 values when it was loaded, and now 4000"):
        whole["a"]
    assert len(part["a"]) == 2000
    save(path, 1000)
    with pytest.raises(InputError, match="1000 values can be decoded where 2000 were"):
        part["a"]
