"""Sounds from files and arrays: values, rates, lengths and what is recorded of them."""

import numpy as np
import pytest
import small_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

import neurolens as nl
from neurolens.errors import DataError, InputError
from neurolens.stimuli import Sound

soundfile = pytest.importorskip("soundfile")


def save(path, n_values=4410, rate=44100, channels=1, seed=0, **settings):
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = 0.3 * rng.standard_normal((n_values, channels))
    soundfile.write(path, values.clip(-1, 1), rate, **settings)
    return path


def read(path):
    """Return the values of a file as soundfile gives them, (time, channel)."""
    return soundfile.read(path, dtype="float32", always_2d=True)[0]


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_values_are_those_of_the_file(suffix, channels, tmp_path):
    path = save(tmp_path / f"a.{suffix}", channels=channels)
    made = nl.load_stimuli(tmp_path, kind="sound")["a"]
    assert made.dtype == torch.float32
    np.testing.assert_allclose(made, read(path).mean(1), atol=1e-7)
    kept = nl.load_stimuli(tmp_path, kind=Sound(mono=False))["a"]
    assert kept.shape[0] == channels if channels > 1 else kept.shape == (1, 4410)
    np.testing.assert_array_equal(kept, read(path).T)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_part_of_a_file_is_that_part_of_the_whole(suffix, tmp_path):
    path = save(tmp_path / f"a.{suffix}", 44100, channels=2)
    whole = nl.load_stimuli(path, kind=Sound(mono=False))["a"]
    part = nl.load_stimuli(path, kind=Sound(mono=False, offset=0.3, duration=0.2))["a"]
    np.testing.assert_allclose(part, whole[:, 13230:22050], atol=1e-6)


def test_suffixes_tell_the_kind(tmp_path):
    save(tmp_path / "x" / "a.wav")
    save(tmp_path / "y" / "a.flac", seed=1)
    stimuli = nl.load_stimuli(tmp_path)
    assert stimuli.ids == ("x/a", "y/a")
    assert list(stimuli.metadata.category) == ["x", "y"]
    assert nl.load_stimuli([tmp_path / "x" / "a.wav"]).ids == ("a",)


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 16000), (8000, 16000), (48000, 44100)])
def test_other_rates_are_those_of_scipy(rate, wanted, tmp_path):
    path = save(tmp_path / "a.wav", rate=rate)
    made = nl.load_stimuli(path, kind=Sound(rate=wanted))["a"]
    divisor = np.gcd(rate, wanted)
    expected = resample_poly(read(path)[:, 0].astype(float), wanted // divisor, rate // divisor)
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_a_tone_keeps_its_frequency_and_those_that_do_not_fit_go(tmp_path):
    times = np.arange(44100) / 44100
    for name, frequency in (("low", 1000), ("high", 15000)):
        wave = 0.5 * np.sin(2 * np.pi * frequency * times)
        soundfile.write(tmp_path / f"{name}.wav", wave, 44100)
    stimuli = nl.load_stimuli(tmp_path, kind=Sound(rate=16000))
    low, high = (stimuli[name].numpy() for name in ("low", "high"))
    assert np.abs(np.fft.rfft(low)).argmax() == 1000
    assert np.abs(low[100:-100]).max() == pytest.approx(0.5, abs=0.01)
    assert np.abs(high[100:-100]).max() < 0.01


@given(
    offset=st.integers(0, 40), duration=st.integers(1, 60), rate=st.sampled_from([8000, 11025, 101])
)
def test_an_excerpt_is_what_lies_between_two_times(offset, duration, rate):
    wave = np.arange(rate, dtype=np.float32)
    cut = Sound(offset=offset / 100, duration=duration / 100, array_rate=rate)
    if round(offset / 100 * rate) + np.ceil(duration / 100 * rate - 1e-6) > rate:
        with pytest.raises(InputError, match="which ends before offset="):
            nl.load_stimuli([wave], kind=cut)
        return
    if round(duration / 100 * rate) == 0:
        return
    made = nl.load_stimuli([wave], kind=cut)["stim000"].numpy()
    first = round(offset / 100 * rate)
    assert np.array_equal(made, wave[first : first + round(duration / 100 * rate)])


@given(st.sampled_from([8000, 22050, 44100, 48000]), st.integers(1, 99))
def test_sounds_of_one_duration_have_one_length_at_any_rate(rate, hundredths):
    wave = np.zeros(rate, np.float32)
    kind = Sound(rate=16000, duration=hundredths / 100, array_rate=rate)
    assert len(nl.load_stimuli([wave], kind=kind)["stim000"]) == 160 * hundredths


def test_sounds_of_several_lengths_are_padded_and_their_lengths_known(tmp_path):
    for name, n_values in (("a", 300), ("b", 500)):
        save(tmp_path / f"{name}.wav", n_values, rate=1000)
    stimuli = nl.load_stimuli(tmp_path)
    with pytest.warns(RuntimeWarning, match="stimuli: of length 300 to 500, padded with zeros"):
        batch = stimuli.read_rows(range(2))
    assert batch.shape == (2, 500)
    assert (batch[0, 300:] == 0).all()
    assert stimuli.lengths.length.to_dict() == {"a": 300, "b": 500}
    assert stimuli.select(["a"])["a"].shape == (500,)
    assert stimuli.select(["b", "a"]).select(["a"]).lengths.length.to_dict() == {"a": 300}
    net = torch.nn.Sequential(torch.nn.Unflatten(1, (1, -1)), torch.nn.Conv1d(1, 2, 1))
    acts = nl.extract_activations(net, stimuli, reducer="mean", ops="1", quiet=True)
    found = acts[acts.attrs["ops"][0]].activation.sel(stimulus="a").values
    with torch.no_grad():
        alone = net(stimuli["a"][None, :300])[0].mean(-1)
    np.testing.assert_allclose(found, alone, atol=1e-6)


def test_lengths_that_could_not_be_read_are_read_again(tmp_path):
    for name, n_values in (("a", 300), ("b", 500)):
        save(tmp_path / f"{name}.wav", n_values, rate=1000)
    fails = [True]

    def double(wave):
        if fails[0] and len(wave) == 500:
            raise KeyboardInterrupt
        return 2 * torch.as_tensor(np.asarray(wave))

    stimuli = nl.load_stimuli(tmp_path, transform=double)
    with pytest.raises(KeyboardInterrupt):
        stimuli["a"]
    fails[0] = False
    with pytest.warns(RuntimeWarning, match="stimuli: of length 300 to 500"):
        assert stimuli["a"].shape == (500,)


def test_what_was_done_is_recorded_and_is_provenance(tmp_path):
    (tmp_path / "files").mkdir()
    save(tmp_path / "files" / "a.wav", channels=2, rate=8000)
    save(tmp_path / "files" / "b.wav", n_values=2100, rate=4000)
    low = nl.load_stimuli(tmp_path / "files", kind=Sound(rate=2000, duration=0.5, offset=0.02))
    parts = low.preprocessing.parts
    assert parts["sounds of 8000 Hz, 2 channels"] == (
        "from value 160, 1000 values after resampling, mean of the channels, resampled to 2000 Hz "
        "by scipy.signal.resample_poly, float32"
    )
    assert parts["sounds of 4000 Hz, 1 channels"].startswith("from value 80, 1000 values")
    high = nl.load_stimuli(tmp_path / "files", kind=Sound(rate=4000, duration=0.25))
    assert low.hash_content() != high.hash_content()
    nl.extract_activations(torch.nn.ReLU(), low, store=tmp_path / "a.zarr", quiet=True)
    with pytest.raises(DataError, match="resampled to 2000 Hz by scipy.signal.resample_poly"):
        nl.extract_activations(torch.nn.ReLU(), high, store=tmp_path / "a.zarr", quiet=True)


def test_the_hash_follows_the_part_of_the_file(tmp_path):
    path = save(tmp_path / "a.wav")
    hashes = set()
    for settings in ({}, {"duration": 0.05}, {"offset": 0.01}):
        hashes.add(nl.load_stimuli(path, kind=Sound(**settings)).hash_items())
    assert len(hashes) == 3


def test_transforms_take_the_waveform_and_its_rate(tmp_path):
    save(tmp_path / "a.wav", rate=8000)
    rates = []

    def scale(wave):
        rates.append(wave.rate)
        assert (wave * 2).rate is None
        return torch.as_tensor(wave * 2)

    made = nl.load_stimuli(tmp_path, transform=scale)["a"]
    np.testing.assert_allclose(made, 2 * read(tmp_path / "a.wav")[:, 0], atol=1e-7)
    assert set(rates) == {8000}
    with pytest.raises(InputError, match="ImageTransform takes pictures, and .*a.wav' is a sound"):
        nl.load_stimuli(tmp_path, transform=nl.ImageTransform())["a"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0}, "rate must be a whole number, at least 1, got 0"),
        ({"rate": 16000.0}, "rate must be a whole number"),
        ({"array_rate": True}, "array_rate must be a whole number"),
        ({"duration": 0}, "duration must be a number, more than 0, got 0"),
        ({"duration": np.inf}, "duration must be a number, more than 0, got inf"),
        ({"offset": -1}, "offset must be a number, 0 or more, got -1"),
        ({"mono": 1}, "mono must be True or False, got 1"),
    ],
)
def test_settings_that_cannot_be_used(settings, message):
    with pytest.raises(InputError, match=message):
        Sound(**settings)


def test_files_whose_rates_differ_ask_for_one(tmp_path):
    save(tmp_path / "a.wav", rate=8000)
    save(tmp_path / "b.wav", rate=16000)
    with pytest.raises(InputError, match=r"differ in their rates: 8000 Hz \(1\), 16000 Hz \(1\)"):
        nl.load_stimuli(tmp_path)
    with pytest.raises(InputError, match="array_rate=8000 is for waveforms in arrays"):
        nl.load_stimuli(tmp_path, kind=Sound(array_rate=8000))
    save(tmp_path / "b.wav", rate=8000, channels=2)
    with pytest.raises(InputError, match=r"with mono=False all sounds need as many .*\[1, 2\]"):
        nl.load_stimuli(tmp_path, kind=Sound(mono=False))


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        (np.zeros((2, 5), np.float32), Sound(), "waveforms in arrays do not state their rate"),
        (np.zeros((2, 5), np.int16), Sound(array_rate=8), "of floats, got int16 of shape"),
        (np.zeros((2, 5, 2)), Sound(array_rate=8), r"\(time,\) of floats, got float32 of shape"),
        ([np.zeros(5), np.array([np.nan, 1])], Sound(array_rate=8), "sound 1 holds values that ar"),
    ],
    ids=lambda _: "",
)
@pytest.mark.filterwarnings("ignore:stimuli are padded")
def test_arrays_that_are_no_sounds(source, kind, message):
    with pytest.raises(InputError, match=message):
        nl.load_stimuli(source, kind=kind).read_rows(range(2))


def test_arrays_are_resampled_from_their_rate(rng):
    waves = rng.standard_normal((2, 800)).astype(np.float32)
    made = nl.load_stimuli(waves, kind=Sound(rate=4000, array_rate=8000))
    expected = resample_poly(waves.astype(float), 1, 2, axis=-1)
    np.testing.assert_allclose(made.read_rows(range(2)), expected, atol=1e-6)
    again = nl.load_stimuli(list(waves), kind=Sound(rate=4000, array_rate=8000))
    assert again.hash_content() == made.hash_content()


def test_a_processor_gets_its_rate(tmp_path):
    """The values are those of the extractor on what soundfile and scipy give."""
    transformers = pytest.importorskip("transformers")
    small_models.save_wav2vec(tmp_path / "model")
    loaded = nl.load_model(f"hf/{tmp_path / 'model'}")
    assert loaded.transform.sampling_rate == 16000
    paths = [save(tmp_path / "s" / f"{i}.wav", 8820, channels=2, seed=i) for i in range(3)]
    stimuli = nl.load_stimuli(tmp_path / "s", model=loaded)
    acts = nl.extract_activations(loaded.model, stimuli, ops="encoder.layer_norm", quiet=True)
    found = acts[acts.attrs["ops"][0]].activation
    extractor = transformers.Wav2Vec2FeatureExtractor.from_pretrained(tmp_path / "model")
    for path, name in zip(paths, stimuli.ids, strict=True):
        wave = resample_poly(read(path).mean(1, dtype=float), 160, 441).astype(np.float32)
        given = extractor(wave, sampling_rate=16000, return_tensors="pt")
        torch.testing.assert_close(stimuli[name]["input_values"], given["input_values"][0])
    kinds = {kind for kind in stimuli.preprocessing.parts if kind.startswith("sounds")}
    assert kinds == {"sounds of 44100 Hz, 2 channels"}
    assert found.sizes["stimulus"] == 3
    with pytest.raises(InputError, match=r"takes sounds of 16000 Hz, and Sound\(rate=8000\) asks"):
        nl.load_stimuli(tmp_path / "s", model=loaded, kind=Sound(rate=8000))


def test_rates_are_checked_wherever_a_waveform_comes_from(tmp_path):
    pytest.importorskip("transformers")
    small_models.save_wav2vec(tmp_path)
    transform = nl.load_model(f"hf/{tmp_path}").transform
    waves = np.zeros((2, 800), np.float32)
    with pytest.raises(InputError, match="in an array does not state its rate, and Wav2Vec2F"):
        nl.load_stimuli(waves, transform=transform)["stim000"]
    other = nl.load_stimuli(waves, kind=Sound(array_rate=8000))
    with pytest.raises(InputError, match="takes sounds of 16000 Hz, got one of 8000 Hz"):
        other.use_transform(transform)["stim000"]


def test_a_sound_that_the_processor_would_cut_is_refused(tmp_path):
    pytest.importorskip("transformers")
    small_models.save_whisper(tmp_path / "model")  # takes one second
    loaded = nl.load_model(f"hf/{tmp_path / 'model'}", part="encoder")
    path = save(tmp_path / "a.wav", 17000, rate=16000)
    with pytest.raises(InputError, match=r"takes 1 s of a sound and leaves out the rest, got 1.06"):
        nl.load_stimuli(path, model=loaded)["a"]
    cut = nl.load_stimuli(path, model=loaded, kind=Sound(duration=1))
    assert cut["a"]["input_features"].shape[-1] == 100


def test_sounds_with_texts(tmp_path):
    paths = [save(tmp_path / f"{i}.wav", seed=i) for i in range(2)]

    def join(item):
        return {
            "wave": torch.as_tensor(np.asarray(item["audio"])),
            "n": torch.tensor([len(item["text"])]),
        }

    source = {"audio": paths, "text": ["a", "bc"]}
    stimuli = nl.load_stimuli(source, transform=join)
    assert stimuli["stim001"]["n"] == 2
    slow = nl.load_stimuli(source, transform=join, kind={"audio": Sound(rate=22050)})
    assert slow["stim001"]["wave"].shape == (2205,)
    with pytest.raises(InputError, match="several inputs is a dict by their names, 'audio', 'text"):
        nl.load_stimuli(source, transform=join, kind="sound")
