"""Epochs and evoked responses: numbers, labels, and rows of events that belong to them."""

import sys

import mne
import numpy as np
import pandas as pd
import pytest

import neurolens as nl
from neurolens.brain import read_epochs
from neurolens.errors import DataError, InputError, LabelError, MissingToolError

RATE = 100.0
NAMES = ["cat", "dog", "cup", "car"]
CODES = {"cat": 1, "dog": 2, "cup": 3, "car": 4}


def make_info(types=("eeg",) * 3, bads=()):
    info = mne.create_info([f"{kind}{k}" for k, kind in enumerate(types)], RATE, list(types))
    info["bads"] = list(bads)
    for k, channel in enumerate(info["chs"]):
        channel["loc"][:3] = [0.01 * k, 0.02, -0.03]
    return info


def make_epochs(rng, types=("eeg",) * 3, bads=(), metadata=None, **settings):
    """Return epochs from -0.1 to 0.5 s of events at every second of a recording of 12 s."""
    info = make_info(types, bads)
    raw = mne.io.RawArray(rng.normal(size=(len(types), 1250)) * 1e-6, info, verbose="error")
    codes = np.array([1, 2, 3, 4] * 3)
    events = np.stack([np.arange(12) * 100 + 20, np.zeros(12, int), codes], axis=1)
    return mne.Epochs(
        raw,
        events,
        CODES,
        tmin=-0.1,
        tmax=0.5,
        baseline=None,
        preload=True,
        metadata=metadata,
        verbose="error",
        **settings,
    )


def test_numbers_and_labels(rng):
    epochs = make_epochs(rng)
    found = read_epochs(epochs, subject="S1")
    assert found.dims == ("presentation", "neuroid", "time_bin")
    np.testing.assert_array_equal(found, epochs.get_data().astype(np.float32))
    assert found.stimulus_id.values.tolist() == NAMES * 3
    assert found.neuroid_id.values.tolist() == ["eeg0", "eeg1", "eeg2"]
    assert set(found.channel_type.values) == {"eeg"}
    assert set(found.channel_unit.values) == {"V"}
    assert set(found.channel_frame.values) == {"head"}
    np.testing.assert_allclose(found.channel_x, [0, 10, 20], atol=1e-5)
    np.testing.assert_allclose(found.channel_z, [-30] * 3, rtol=1e-6)
    np.testing.assert_allclose(found.time_bin, np.arange(-100, 501, 10), atol=1e-6)
    np.testing.assert_allclose(found.time_bin_end - found.time_bin_start, 10, atol=1e-6)
    assert set(found.subject.values) == {"S1"}
    assert nl.compute_rdms(found.isel(time_bin=[3, 9])).sizes["time_bin"] == 2


def test_places_that_are_not_known_are_nan(rng):
    epochs = make_epochs(rng)
    epochs.info["chs"][1]["loc"][:] = np.nan
    found = read_epochs(epochs)
    assert np.isnan(found.channel_y.values).tolist() == [False, True, False]
    assert found.channel_frame.values.tolist() == ["head", "unknown", "head"]


def test_projections_that_are_not_applied_are_told(rng):
    epochs = make_epochs(rng)
    epochs.set_eeg_reference("average", projection=True, verbose="error")
    with pytest.warns(RuntimeWarning, match=r"projections \(SSP\) that are not applied"):
        read_epochs(epochs)
    epochs.apply_proj(verbose="error")
    np.testing.assert_allclose(read_epochs(epochs).mean("neuroid"), 0, atol=1e-12)


def test_samples_are_averaged_in_bins(rng):
    epochs = make_epochs(rng)
    data = epochs.get_data()
    found = read_epochs(epochs, bins=0.1)
    assert found.time_bin_start.values.tolist() == [-100, 0, 100, 200, 300, 400]
    for k in range(6):
        expected = data[..., 10 * k : 10 * k + 10].mean(axis=-1)
        np.testing.assert_allclose(found[..., k], expected, rtol=1e-5, atol=1e-12)
    assert found.attrs["steps"] == ["samples averaged in 6 bins of 10 to 10, 1 samples left out"]
    edges = read_epochs(epochs, bins=[0.0, 0.05, 0.2])
    np.testing.assert_allclose(edges[..., 1], data[..., 15:30].mean(axis=-1), rtol=1e-5, atol=1e-12)
    assert edges.time_bin.values.tolist() == [25, 125]
    with pytest.raises(InputError, match="bins must lie between -0.1 and 0.51 s, got -0.2"):
        read_epochs(epochs, bins=[-0.2, 0.1])
    with pytest.raises(InputError, match="from 0.001 to 0.002 s holds no sample at 100 Hz"):
        read_epochs(epochs, bins=[0.001, 0.002])
    with pytest.warns(RuntimeWarning, match="bins of 0.025 s hold 2 to 3 samples at 100 Hz"):
        read_epochs(epochs, bins=0.025)


def test_samples_are_left_out(rng):
    epochs = make_epochs(rng)
    with pytest.warns(RuntimeWarning, match="filtered below 50 Hz, and at 20 Hz"):
        found = read_epochs(epochs, decimate=5)
    np.testing.assert_array_equal(found, epochs.get_data()[..., ::5].astype(np.float32))
    with epochs.info._unlock():
        epochs.info["lowpass"] = None
    with pytest.warns(RuntimeWarning, match="filtered below 50 Hz, and at 20 Hz"):
        read_epochs(epochs, decimate=5)
    for wrong in (0, 1.5, True):
        with pytest.raises(InputError, match="decimate must be a whole number, 1 or more"):
            read_epochs(epochs, decimate=wrong)
    with pytest.raises(InputError, match="and 1 with bins="):
        read_epochs(epochs, decimate=2, bins=0.1)


def test_types_are_picked_where_there_are_several(rng):
    epochs = make_epochs(rng, ("mag", "grad", "grad", "eeg", "eog"))
    with pytest.raises(InputError, match="types 'mag', 'grad', 'eeg', which are in .*picks='grad'"):
        read_epochs(epochs)
    assert read_epochs(epochs, picks="grad").neuroid_id.values.tolist() == ["grad1", "grad2"]
    named = read_epochs(epochs, picks=["grad2"])
    np.testing.assert_array_equal(named[:, 0], epochs.get_data()[:, 2].astype(np.float32))
    with pytest.warns(RuntimeWarning, match="different units, 'T', 'T/m', .*Standardize"):
        both = read_epochs(epochs, picks=["mag", "grad"])
    assert both.channel_unit.values.tolist() == ["T", "T/m", "T/m"]
    assert read_epochs(epochs, picks="eog").channel_type.values.tolist() == ["eog"]
    with pytest.raises(InputError, match="picks must be types or names of channels, got 'meg'"):
        read_epochs(epochs, picks="meg")
    with pytest.raises(InputError, match="picks must be types or names of channels, got none"):
        read_epochs(epochs, picks=[])
    one = read_epochs(make_epochs(rng, ("eeg", "eog", "stim")))
    assert one.neuroid_id.values.tolist() == ["eeg0"]


def test_bad_channels_are_left_out_and_told(rng):
    epochs = make_epochs(rng, bads=["eeg1"])
    with pytest.warns(RuntimeWarning, match="1 bad channels are left out: 'eeg1'"):
        found = read_epochs(epochs)
    np.testing.assert_array_equal(found, epochs.get_data()[:, [0, 2]].astype(np.float32))
    assert read_epochs(epochs, picks=["eeg1"]).neuroid_id.values.tolist() == ["eeg1"]
    all_bad = make_epochs(rng, bads=["eeg0", "eeg1", "eeg2"])
    with (
        pytest.warns(RuntimeWarning, match="3 bad channels"),
        pytest.raises(InputError, match="no channel is left of 'eeg'"),
    ):
        read_epochs(all_bad)


def test_rows_of_dropped_epochs_are_left_out(rng):
    table = pd.DataFrame({"stimulus": [f"p{k}" for k in range(12)], "block": np.arange(12) // 6})
    epochs = make_epochs(rng).drop([2, 7], verbose="error")
    kept = [f"p{k}" for k in range(12) if k not in (2, 7)]
    found = read_epochs(epochs, events=table)
    assert found.stimulus_id.values.tolist() == kept
    assert found.block.values.tolist() == [0] * 5 + [1] * 5
    short = table.drop([2, 7])
    assert read_epochs(epochs, events=short).stimulus_id.values.tolist() == kept
    ids = read_epochs(epochs, events=table.stimulus.tolist())
    assert ids.stimulus_id.values.tolist() == kept
    with pytest.raises(InputError, match="row for each of the 10 epochs .*the 12 events .*got 11"):
        read_epochs(epochs, events=table[:11])


def test_rows_of_ignored_events_are_left_out(rng):
    """Events without a name make no epochs, and may have rows or not."""
    table = pd.DataFrame({"stimulus": [f"p{k}" for k in range(12)]})
    whole = make_epochs(rng)
    raw = mne.io.RawArray(rng.normal(size=(3, 1250)), make_info(), verbose="error")
    some = {"cat": 1, "cup": 3}
    epochs = mne.Epochs(raw, whole.events, some, 0, 0.5, None, preload=True, verbose="error")
    epochs.drop([1], verbose="error")
    kept = ["p0", "p4", "p6", "p8", "p10"]
    assert read_epochs(epochs, events=table).stimulus_id.values.tolist() == kept
    named = table[::2].reset_index(drop=True)
    assert read_epochs(epochs, events=named).stimulus_id.values.tolist() == kept
    later = epochs[[0, 4]]
    assert read_epochs(later, events=table).stimulus_id.values.tolist() == ["p0", "p10"]


def test_epochs_of_arrays(rng):
    values = rng.normal(size=(4, 3, 20)) * 1e-6
    epochs = mne.EpochsArray(values, make_info(), tmin=-0.1, verbose="error")
    with pytest.raises(InputError, match="all 4 epochs are of the event '1'"):
        read_epochs(epochs)
    table = pd.DataFrame({"stimulus": NAMES, "onset": [3.0, 9.0, 1.0, 4.0]})
    found = read_epochs(epochs, events=table)
    assert found.stimulus_id.values.tolist() == NAMES
    np.testing.assert_array_equal(found, values.astype(np.float32))
    assert found.time_bin.values[0] == -100
    with pytest.raises(InputError, match="events must be a table, its path, or a list .* got dict"):
        read_epochs(epochs, events=dict.fromkeys(NAMES))


def test_onsets_that_do_not_fit_are_told(rng):
    epochs = make_epochs(rng)
    onsets = epochs.events[:, 0] / RATE + 3.5
    table = pd.DataFrame({"stimulus": NAMES * 3, "onset": onsets})
    read_epochs(epochs, events=table)
    with pytest.warns(
        RuntimeWarning, match="the onsets of [0-9]+ rows of events differ from those"
    ):
        read_epochs(epochs, events=table.assign(onset=np.roll(onsets, 1)))


def test_stimuli_are_named_by_metadata(rng):
    metadata = pd.DataFrame(
        {"image": [f"p{k}" for k in range(12)], "word": list("abcdefghijkl"), "channel_x": 1}
    )
    epochs = make_epochs(rng, metadata=metadata)
    found = read_epochs(epochs)
    assert found.stimulus_id.values.tolist() == metadata.image.tolist()
    assert found.event_name.values.tolist() == NAMES * 3
    assert found.event_channel_x.dims == ("presentation",)
    assert found.channel_x.dims == ("neuroid",)
    words = read_epochs(epochs, stimulus="word")
    assert words.stimulus_id.values.tolist() == list("abcdefghijkl")
    half = read_epochs(epochs["cat", "cup"])
    assert half.stimulus_id.values.tolist() == [f"p{k}" for k in range(0, 12, 2)]
    with pytest.raises(InputError, match="no column 'nam' that names stimuli; there are 'image'"):
        read_epochs(epochs, stimulus="nam")


def test_one_event_for_all_names_no_stimulus(rng):
    epochs = make_epochs(rng)
    epochs.events[:, 2] = 1
    epochs.event_id = {"picture": 1}
    with pytest.raises(
        InputError, match="all 12 epochs are of the event 'picture', which says not"
    ):
        read_epochs(epochs)
    epochs.event_id = {"picture": 1, "photo": 1}
    with pytest.raises(LabelError, match="the event 1 has two names, 'picture' and 'photo'"):
        read_epochs(epochs)


def test_evoked_responses(rng):
    epochs = make_epochs(rng)
    evoked = [epochs[name].average() for name in NAMES]
    found = read_epochs(evoked)
    assert found.stimulus_id.values.tolist() == NAMES
    assert found.n_averaged.values.tolist() == [3] * 4
    data = epochs.get_data()
    for k, name in enumerate(NAMES):
        mean = data[k::4].mean(axis=0)
        np.testing.assert_allclose(found.sel(presentation=k), mean, rtol=1e-5, atol=1e-13)
        assert found.stimulus_id.values[k] == name
    renamed = read_epochs(evoked, events=["w", "x", "y", "z"])
    assert renamed.stimulus_id.values.tolist() == ["w", "x", "y", "z"]
    assert read_epochs(evoked[0]).sizes["presentation"] == 1


def test_evoked_responses_that_are_not_alike(rng):
    epochs = make_epochs(rng)
    one, other = epochs["cat"].average(), epochs["dog"].average()
    with pytest.raises(LabelError, match="named by their comments, and 'cat' repeat"):
        read_epochs([one, one.copy()])
    nameless = other.copy()
    nameless.comment = ""
    with pytest.raises(LabelError, match="named by their comments, and number 1 has none"):
        read_epochs([one, nameless])
    with pytest.raises(InputError, match="evoked 'dog' and 'cat' have different channels"):
        read_epochs([one, other.copy().pick(["eeg0", "eeg2"])])
    with pytest.raises(InputError, match="evoked 'dog' and 'cat' have different times"):
        read_epochs([one, other.copy().crop(0, 0.5)])
    with pytest.raises(InputError, match="evoked 'dog' is a standard error, not an average"):
        read_epochs([one, epochs["dog"].standard_error()])
    bad = other.copy()
    bad.info["bads"] = ["eeg1"]
    with pytest.raises(InputError, match="evoked 'dog' and 'cat' have different bad channels"):
        read_epochs([one, bad])


def test_files(rng, tmp_path):
    epochs = make_epochs(rng, metadata=pd.DataFrame({"stimulus": [f"p{k}" for k in range(12)]}))
    epochs.drop([3], verbose="error")
    path = tmp_path / "sub-07_task-x-epo.fif"
    epochs.save(path, verbose="error")
    found = read_epochs(path)
    expected = read_epochs(epochs)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.stimulus_id.values.tolist() == expected.stimulus_id.values.tolist()
    assert set(found.subject.values) == {"07"}
    evoked = [epochs[name].average() for name in NAMES]
    mne.write_evokeds(tmp_path / "sub-07-ave.fif", evoked, verbose="error")
    found = read_epochs(tmp_path / "sub-07-ave.fif")
    assert found.stimulus_id.values.tolist() == NAMES
    np.testing.assert_allclose(found, read_epochs(evoked), rtol=1e-6)


def test_files_that_cannot_be_read(rng, tmp_path):
    epochs = make_epochs(rng)
    path = tmp_path / "whole-epo.fif"
    epochs.save(path, verbose="error")
    whole = path.read_bytes()
    for share in (0.05, 0.4, 0.8):
        (tmp_path / "cut-epo.fif").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match="cut-epo.fif cannot be read by MNE-Python"):
            read_epochs(tmp_path / "cut-epo.fif")
    (tmp_path / "text-ave.fif").write_text("no recording")
    with pytest.raises(DataError, match="text-ave.fif cannot be read by MNE-Python"):
        read_epochs(tmp_path / "text-ave.fif")
    with pytest.raises(DataError, match="there is no file of epochs or evoked at"):
        read_epochs(tmp_path / "none-epo.fif")
    (tmp_path / "x.fif").write_bytes(whole)
    with pytest.raises(InputError, match="x.fif must end in -epo.fif or -ave.fif"):
        read_epochs(tmp_path / "x.fif")


def test_what_is_neither(rng, monkeypatch):
    raw = mne.io.RawArray(np.zeros((3, 1250)), make_info(), verbose="error")
    with pytest.raises(InputError, match="source must be epochs or evoked .* got RawArray"):
        read_epochs(raw)
    events = make_epochs(rng).events
    lazy = mne.Epochs(raw, events, CODES, 0, 0.5, None, reject={"eeg": 1}, verbose="error")
    with pytest.raises(InputError, match=r"these are not checked yet. Type epochs.drop_bad\(\)"):
        read_epochs(lazy)
    with pytest.raises(
        InputError, match=r"is a recording of MNE-Python.*neurolens.brain.read_epoc"
    ):
        nl.read_responses(make_epochs(rng), events=NAMES * 3)
    with pytest.raises(InputError, match=r"a-epo.fif.*neurolens.brain.read_epochs"):
        nl.read_responses("a-epo.fif", events=NAMES)
    with pytest.raises(InputError, match=r"a.nc is read by another.*neurolens.brain.read_assembly"):
        nl.read_responses("a.nc", events=NAMES)
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(MissingToolError, match="pip install mne"):
        read_epochs("a-epo.fif")
