import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurolens as nl
from neurolens.brain import count_spikes
from neurolens.errors import InputError, LabelError

ONSETS = pd.DataFrame({"onset": [1.0, 3.0, 2.0], "stimulus_id": ["a", "b", "a"], "run": [1, 2, 1]})


@pytest.fixture
def spikes(rng):
    """Return spikes of three neurons over ten seconds, unsorted, one of them silent."""
    return {"n1": rng.uniform(0, 10, 300), "n2": rng.uniform(0, 10, 90), "silent": []}


def count_slowly(spikes, onsets, start, stop):
    return [
        [sum(onset + start <= t < onset + stop for t in train) for train in spikes.values()]
        for onset in onsets
    ]


def test_counts_are_those_of_a_loop(spikes):
    found = count_spikes(spikes, ONSETS, window=(0.05, 0.35))
    assert found.dims == ("presentation", "neuroid")
    np.testing.assert_array_equal(found, count_slowly(spikes, ONSETS.onset, 0.05, 0.35))
    assert found.stimulus_id.values.tolist() == ["a", "b", "a"]
    assert found.run.values.tolist() == [1, 2, 1]
    assert found.neuroid_id.values.tolist() == list(spikes)
    assert found.attrs == {"units": "spikes", "window": "50 to 350 ms after the onset"}


@pytest.mark.parametrize("origin", ["probe", "Session", "subject"])
def test_neurons_of_the_same_name(origin):
    """Numbers of clusters begin again on each probe."""
    table = pd.DataFrame({"unit": [1, 1, 2, 1], "time": [0.1, 1.1, 0.2, 0.15]})
    table[origin] = ["A", "A", "A", "B"]
    onsets = pd.DataFrame({"onset": [0.0, 1.0], "stimulus_id": ["x", "y"]})
    window = {"window": (0.05, 0.25), "recorded": (0, 3)}
    with pytest.raises(LabelError, match=f"unit '1' has spikes in several of '{origin}'"):
        count_spikes(table, onsets, **window)
    apart = table.assign(neuron=table[origin].astype(str) + "-" + table["unit"].astype(str))
    found = count_spikes(apart, onsets, **window)
    assert found.neuroid_id.values.tolist() == ["A-1", "A-2", "B-1"]
    assert found.values.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert count_spikes(table[:3], onsets, **window).sizes["neuroid"] == 2


def test_fractions_of_milliseconds_taken_for_seconds(rng):
    spikes = {name: rng.uniform(0, 60_000, 600) for name in "ab"}
    onsets = pd.DataFrame({"onset": np.arange(1000, 59_000, 500.0), "stimulus_id": "x"})
    with pytest.raises(InputError, match="have 0.01 spikes per s, with 500 s between onsets"):
        count_spikes(spikes, onsets, window=(0.07, 0.17))
    assert count_spikes(spikes, onsets, window=(70, 170), unit="ms").sum() > 100


def test_onsets_that_begin_again(spikes):
    """The second run would get the spikes of the first."""
    onsets = pd.DataFrame(
        {"onset": [1.0, 2, 3, 1, 2, 3], "stimulus_id": list("abcabc"), "run": [1, 1, 1, 2, 2, 2]}
    )
    with pytest.raises(InputError, match="onsets of presentations begin again in each run, such"):
        count_spikes(spikes, onsets, window=(0.05, 0.35))
    later = onsets.assign(onset=onsets.onset + 3.5 * (onsets.run - 1), session="x")
    assert count_spikes(spikes, later, window=(0.05, 0.35)).sizes["presentation"] == 6
    twice = later.assign(run=[1, 2, 3, 1, 2, 3], session=[1, 1, 1, 2, 2, 2])
    assert count_spikes(spikes, twice, window=(0.05, 0.35)).sizes["presentation"] == 6


def test_bins_and_rates(spikes):
    found = count_spikes(spikes, ONSETS, window=(0.0, 0.4), bins=0.1, rates=True, subject="M1")
    assert found.dims == ("presentation", "neuroid", "time_bin")
    assert found.time_bin_start.values.tolist() == [0, 100, 200, 300]
    for k, start in enumerate([0.0, 0.1, 0.2, 0.3]):
        counts = count_slowly(spikes, ONSETS.onset, start, start + 0.1)
        np.testing.assert_allclose(found[..., k], np.array(counts) / 0.1, rtol=1e-6)
    assert set(found.subject.values) == {"M1"}
    assert found.attrs["units"] == "spikes/s"


@given(
    st.lists(st.integers(0, 2000), min_size=11, max_size=60),
    st.lists(st.integers(0, 1500), min_size=1, max_size=5),
)
def test_adjacent_bins_add_up_and_edges_belong_to_the_later_bin(ticks, onsets):
    """Spikes and onsets lie on a grid of 1 ms, so that many spikes are at edges."""
    table = pd.DataFrame({"onset": np.array(onsets) / 1000, "stimulus": "x"})
    spikes = {"n": np.array(ticks) / 1000 + 1e-13, "grid": [-0.0004, 2.9]}
    window = {"window": (0.1, 0.4), "recorded": (-1, 3)}
    whole = count_spikes(spikes, table, **window)
    bins = count_spikes(spikes, table, bins=0.1, **window)
    np.testing.assert_array_equal(bins.sum("time_bin"), whole)
    for row, onset in enumerate(onsets):
        expected = sum(onset + 100 <= tick < onset + 400 for tick in ticks)
        assert whole[row, 0] == expected


def test_tables_of_spikes(spikes, tmp_path):
    rows = [(name, time) for name, train in spikes.items() for time in train]
    table = pd.DataFrame(rows, columns=["unit", "spike_time"])
    table.to_csv(tmp_path / "sub-M2_spikes.tsv", sep="\t", index=False)
    ONSETS.to_csv(tmp_path / "events.tsv", sep="\t", index=False)
    whole = count_spikes(spikes, ONSETS, window=(0, 0.3))[:, :2]
    for source in (table, tmp_path / "sub-M2_spikes.tsv"):
        found = count_spikes(source, tmp_path / "events.tsv", window=(0, 0.3))
        np.testing.assert_array_equal(found, whole)
        assert found.neuroid_id.values.tolist() == ["n1", "n2"]
    assert set(found.subject.values) == {"M2"}
    with pytest.raises(InputError, match="a table of spikes needs a column of neurons"):
        count_spikes(table.rename(columns={"unit": "x"}), ONSETS, window=(0, 0.3))
    with pytest.raises(LabelError, match="column 'unit' of the spikes must name a neuron"):
        count_spikes(table.assign(unit=[None, *table.unit[1:]]), ONSETS, window=(0, 0.3))


def test_milliseconds_give_the_same_where_they_are_said(spikes):
    in_ms = {name: np.asarray(train) * 1000 for name, train in spikes.items()}
    onsets = ONSETS.assign(onset=ONSETS.onset * 1000)
    found = count_spikes(in_ms, onsets, window=(50, 350), bins=100, unit="ms")
    expected = count_spikes(spikes, ONSETS, window=(0.05, 0.35), bins=0.1)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found.time_bin_start, expected.time_bin_start)


def test_times_in_other_units_are_told(spikes):
    in_ms = {name: np.asarray(train) * 1000 for name, train in spikes.items()}
    onsets = ONSETS.assign(onset=ONSETS.onset * 1000)
    window = {"window": (0.05, 0.35)}
    with pytest.raises(
        InputError, match="the last spike is at 99[0-9.]+ s and the last onset at 3 s"
    ):
        count_spikes(in_ms, ONSETS, **window)
    with pytest.raises(
        InputError, match="the last spike is at 9.9[0-9]* s and the last onset at 3000"
    ):
        count_spikes(spikes, onsets, **window)
    with pytest.raises(InputError, match="the window reaches 350 s after the onset"):
        count_spikes(spikes, ONSETS, window=(50, 350))
    rounded = {name: np.rint(train) for name, train in in_ms.items()}
    with pytest.raises(InputError, match="all spikes are at whole seconds, as if in milliseconds"):
        count_spikes(rounded, onsets, **window)
    long = {name: np.asarray(train) * 20 for name, train in in_ms.items()}
    with pytest.raises(InputError, match="times reach 1994[0-9]+ s.*Pass unit='ms'"):
        count_spikes(long, onsets.assign(onset=onsets.onset * 20), **window)
    with pytest.raises(InputError, match="must all be in ms, .* the last spike is at 9.9.* ms"):
        count_spikes(spikes, ONSETS, unit="ms", window=(0.05, 0.35))
    with pytest.raises(InputError, match="unit must be one of 's', 'ms', got 'min'"):
        count_spikes(spikes, ONSETS, unit="min", **window)


def test_presentations_beyond_the_recording_are_told():
    spikes = {"n": [0.4, 0.51, 1.02, 2.6]}
    onsets = pd.DataFrame({"onset": [0.5, 1.0, 2.55], "stimulus": list("abc")})
    with pytest.warns(RuntimeWarning, match="1 presentations of 3 reach beyond the first or last"):
        found = count_spikes(spikes, onsets, window=(0.0, 0.1))
    assert found[:, 0].values.tolist() == [1, 1, 1]
    assert count_spikes(spikes, onsets, window=(0.0, 0.1), recorded=(0, 4)).sum() == 3
    with pytest.raises(InputError, match="reach beyond the recording, 0 to 2.6 s: rows 2"):
        count_spikes(spikes, onsets, window=(0.0, 0.1), recorded=(0, 2.6))


@pytest.mark.parametrize(
    ("spikes", "message"),
    [
        ([[0.1, 0.2]], "times must map neurons to spike times, .* got list"),
        ({}, "times must map neurons"),
        ({"a": []}, "times hold no spike at all"),
        ({"a": [0.1, np.nan]}, "spike times of 'a' must be finite, and 1 of 2 are not"),
        ({"a": ["x"]}, "spike times of 'a' must be numbers"),
        ({1: [0.1], "1": [0.2]}, "two neurons are called '1'"),
    ],
)
def test_spikes_that_cannot_be_used(spikes, message):
    with pytest.raises((InputError, LabelError), match=message):
        count_spikes(spikes, ONSETS, window=(0, 0.1))


@pytest.mark.parametrize(
    ("onsets", "message"),
    [
        (ONSETS.drop(columns="onset"), "onsets need the column 'onset', got 'stimulus_id', 'run'"),
        (ONSETS.drop(columns="stimulus_id"), "need a column that names the stimuli"),
        (ONSETS.assign(onset=["n/a", 1, 2]), "onset 0 is 'n/a', and must be a time"),
        (ONSETS.assign(stimulus_id=[None, "a", "b"]), "'stimulus_id' is empty in 1 rows"),
        ([1.0, 2.0], "onsets must be a table with the columns"),
        (ONSETS[:0], "onsets hold no presentation"),
    ],
)
def test_onsets_that_cannot_be_used(spikes, onsets, message):
    with pytest.raises((InputError, LabelError), match=message):
        count_spikes(spikes, onsets, window=(0, 0.1))


def test_counts_serve_as_responses(rng):
    onsets = pd.DataFrame({"onset": np.arange(40.0), "stimulus": list("abcdefgh") * 5})
    spikes = {f"n{k}": rng.uniform(0, 40.5, 900) for k in range(6)}
    found = count_spikes(spikes, onsets, window=(0, 0.5), bins=0.25, recorded=(0, 41))
    rdms = nl.compute_rdms(found, metric="euclidean")
    assert dict(rdms.sizes) == {"stimulus": 8, "stimulus_2": 8, "time_bin": 2}
