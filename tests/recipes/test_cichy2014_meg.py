"""MEG of 92 photographs, on a copy of the published layout made here."""

import h5py
import numpy as np
import pytest
import scipy.io

import neurolens as nl
from neurolens.errors import DataError, InputError

CATEGORIES = ["human body", "human face", "animal body"]
PAIRS = np.array([[0, 12, 13], [12, 0, 23], [13, 23, 0]]) / 100


def plant():
    """Return values (subject, session, time, stimulus, stimulus): each axis is a digit."""
    subjects = np.arange(1, 3)[:, None, None, None, None]
    sessions = np.arange(2)[:, None, None, None]
    times = np.arange(1301)[:, None, None] / 2048
    values = 50.0 + subjects + 4 * sessions + times + 100 * PAIRS
    values[..., np.arange(3), np.arange(3)] = np.nan
    return values


def write_copy(folder):
    fields = [("category", "O"), ("human", "O"), ("face", "O"), ("pixel_values", "O")]
    stimuli = np.empty((1, 3), dtype=fields)
    for row, category in enumerate(CATEGORIES):
        pixels = np.full((6, 6, 3), 80 * row, dtype=np.uint8)
        stimuli[0, row] = (category, int("human" in category), int("face" in category), pixels)
    scipy.io.savemat(folder / "visual_stimuli.mat", {"visual_stimuli": stimuli})
    write_rdms(folder, plant().T)


def write_rdms(folder, values, variable="MEG_decoding_RDMs"):
    with h5py.File(folder / "MEG_decoding_RDMs.mat", "w", userblock_size=512) as file:
        file[variable] = values


def load(folder, **options):
    return nl.load_dataset("cichy2014_meg", folder=folder, **options)


def test_rdms_are_the_planted_numbers(tmp_path):
    write_copy(tmp_path)
    brain = load(tmp_path)
    rdms = brain.rdms
    assert rdms.dims == ("region", "subject", "time_bin", "stimulus", "stimulus_2")
    assert list(rdms.time_bin.values[[0, 100, -1]]) == [-100, 0, 1200]
    assert list(rdms.subject.values) == ["meg01", "meg02"]
    expected = np.nan_to_num(plant()).mean(axis=1).astype("f4")
    np.testing.assert_array_equal(rdms[0], expected)
    assert list(rdms.stimulus.values) == [
        "cichy01-human-body",
        "cichy02-human-face",
        "cichy03-animal-body",
    ]
    assert rdms.attrs["units"] == "% correct"
    assert list(brain.stimuli.ids) == list(rdms.stimulus.values)
    assert list(brain.stimuli.metadata.category) == CATEGORIES
    assert list(brain.stimuli.metadata.face) == [0, 1, 0]
    reds = [brain.stimuli[name][0].mean().item() for name in brain.stimuli.ids]
    assert reds == sorted(reds)
    assert reds[0] < reds[2]


def test_subjects_and_times_are_chosen(tmp_path):
    write_copy(tmp_path)
    rdms = load(tmp_path, subjects="meg02", times=(170, 171)).rdms
    assert list(rdms.time_bin.values) == [170, 171]
    expected = np.nan_to_num(plant()[1, :, 270:272]).mean(axis=0).astype("f4")
    np.testing.assert_array_equal(rdms[0, 0], expected)
    with pytest.raises(InputError, match="'meg09' have no such data: choose from meg01 to meg02"):
        load(tmp_path, subjects="meg09")
    for times in (5, (1, 2, 3), "ab", ("a", "b")):
        with pytest.raises(InputError, match="times must be two numbers, the first and last ms"):
            load(tmp_path, times=times)
    with pytest.raises(InputError, match="MEG is from -100 to 1200 ms"):
        load(tmp_path, times=(1300, 1400))


def test_time_points_compare_with_models(tmp_path, rng):
    """RDMs over time go into a comparison as they are."""
    write_copy(tmp_path)
    rdms = load(tmp_path, times=(100, 102)).rdms
    model = rdms.isel(region=0, subject=0, time_bin=0, drop=True).expand_dims(op=["layer"])
    scores = nl.compare_rdms(model, rdms, n_bootstrap=0, n_splits=0)
    np.testing.assert_allclose(scores.score.values, 1)
    assert scores.sizes["time_bin"] == 3


def test_axes_in_another_order_are_named(tmp_path):
    write_copy(tmp_path)
    write_rdms(tmp_path, plant())
    with pytest.raises(DataError, match=r"MEG_decoding_RDMs.mat must be \(subject, session, time"):
        load(tmp_path)


def test_a_damaged_copy_is_named(tmp_path):
    write_copy(tmp_path)
    values = plant()
    values[1, 0, 5, 0, 1] += 1
    write_rdms(tmp_path, values.T)
    with pytest.raises(DataError, match="MEG_decoding_RDMs.mat are not symmetric or not finite"):
        load(tmp_path)
    write_rdms(tmp_path, plant().T, "other")
    with pytest.raises(DataError, match="MEG_decoding_RDMs.mat holds no array 'MEG_decoding_RDMs'"):
        load(tmp_path)
    (tmp_path / "MEG_decoding_RDMs.mat").unlink()
    with pytest.raises(
        DataError, match="needs one file MEG_decoding_RDMs.mat.*fusion_project_page"
    ):
        load(tmp_path)
    scipy.io.savemat(tmp_path / "visual_stimuli.mat", {"visual_stimuli": np.zeros(3)})
    with pytest.raises(DataError, match="visual_stimuli.mat must hold the struct visual_stimuli"):
        load(tmp_path)
    (tmp_path / "visual_stimuli.mat").write_bytes(b"cut")
    with pytest.raises(DataError, match="visual_stimuli.mat cannot be read as a MATLAB file"):
        load(tmp_path)
