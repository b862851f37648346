"""118 photographs, on a copy of the published layout made here."""

import h5py
import numpy as np
import pytest
import scipy.io

import neurolens as nl
from neurolens.errors import DataError, InputError

NAMES = ["image_001.jpg", "image_002.jpg", "image_010.jpg"]
# Which pair of photographs each place of an RDM belongs to.
PAIRS = np.array([[0, 12, 13], [12, 0, 23], [13, 23, 0]]) / 100


def plant_fmri(variable):
    """Return values (subject, stimulus, stimulus): region, subject and pair are digits."""
    base = 0.1 if variable == "EVC_RDMs" else 0.5
    subjects = np.arange(1, 16)[:, None, None] / 1000
    return (base + PAIRS / 10 + subjects) * (PAIRS > 0)


def plant_meg(n_sessions=1):
    """Return values (subject, session, time, stimulus, stimulus)."""
    subjects = np.arange(1, 3)[:, None, None, None, None]
    sessions = np.arange(n_sessions)[:, None, None, None]
    times = np.arange(1101)[:, None, None] / 1024
    values = 50.0 + subjects + 4 * sessions + times + 100 * PAIRS
    values[..., np.arange(3), np.arange(3)] = np.nan
    return values


def write_copy(folder):
    root = folder / "118_Image_Set"
    root.mkdir()
    stimuli = np.empty((1, 3), dtype=[("names", "O"), ("pixels", "O")])
    for row, name in enumerate(NAMES):
        stimuli[0, row] = (name, np.full((6, 6, 3), 80 * row, dtype=np.uint8))
    scipy.io.savemat(root / "118images.mat", {"visual_stimuli": stimuli})
    with h5py.File(root / "target_fmri.mat", "w", userblock_size=512) as file:
        for variable in ("EVC_RDMs", "IT_RDMs"):
            file[variable] = plant_fmri(variable).T
    scipy.io.savemat(folder / "MEG_decoding_RDMs.mat", {"MEG_decoding_RDMs": plant_meg()})
    return root


def load(folder, **options):
    return nl.load_dataset("cichy2016_118", folder=folder, **options)


def test_fmri_is_the_planted_rdms(tmp_path):
    write_copy(tmp_path)
    brain = load(tmp_path)
    rdms = brain.rdms
    assert rdms.dims == ("region", "subject", "stimulus", "stimulus_2")
    assert list(rdms.region.values) == ["EVC", "IT"]
    assert list(rdms.subject.values) == [f"fmri{number:02d}" for number in range(1, 16)]
    assert list(rdms.stimulus.values) == ["image_001", "image_002", "image_010"]
    for region, variable in (("EVC", "EVC_RDMs"), ("IT", "IT_RDMs")):
        expected = plant_fmri(variable)
        np.testing.assert_array_equal(rdms.sel(region=region), expected)
    assert rdms.attrs["metric"] == "correlation"
    assert list(brain.stimuli.ids) == list(rdms.stimulus.values)
    reds = [brain.stimuli[name][0].mean().item() for name in brain.stimuli.ids]
    assert reds == sorted(reds)
    assert reds[0] < reds[2]


def test_regions_and_subjects_are_chosen_by_name(tmp_path):
    write_copy(tmp_path)
    (tmp_path / "MEG_decoding_RDMs.mat").write_bytes(b"not read")
    rdms = load(tmp_path, regions="IT", subjects=["fmri07", "fmri02"]).rdms
    assert list(rdms.subject.values) == ["fmri07", "fmri02"]
    np.testing.assert_array_equal(rdms[0], plant_fmri("IT_RDMs")[[6, 1]])


def test_meg_is_over_time(tmp_path):
    write_copy(tmp_path)
    rdms = load(tmp_path, regions="MEG", times=(-100, -98)).rdms
    assert rdms.dims == ("region", "subject", "time_bin", "stimulus", "stimulus_2")
    assert list(rdms.time_bin.values) == [-100, -99, -98]
    assert list(rdms.subject.values) == ["meg01", "meg02"]
    expected = np.nan_to_num(plant_meg()[:, 0, :3])
    np.testing.assert_array_equal(rdms[0], expected.astype("f4"))
    assert rdms.attrs["units"] == "% correct"
    everything = load(tmp_path, regions="MEG", subjects="meg02").rdms
    assert everything.sizes["time_bin"] == 1101
    assert list(everything.time_bin.values[[0, 100, -1]]) == [-100, 0, 1000]
    at_onset = everything.sel(time_bin=0)[0, 0]
    np.testing.assert_array_equal(at_onset, np.nan_to_num(plant_meg()[1, 0, 100]).astype("f4"))


def test_sessions_of_meg_are_averaged_and_a_file_of_version_7_3_is_read(tmp_path):
    write_copy(tmp_path)
    with h5py.File(tmp_path / "MEG_decoding_RDMs.mat", "w") as file:
        file["MEG_decoding_RDMs"] = plant_meg(2).T
    rdms = load(tmp_path, regions="MEG", times=(10, 10)).rdms
    expected = np.nan_to_num(plant_meg(2)[:, :, 110].mean(axis=1))
    np.testing.assert_array_equal(rdms[0, :, 0], expected.astype("f4"))


def test_what_cannot_be_asked_for_is_refused(tmp_path):
    write_copy(tmp_path)
    with pytest.raises(InputError, match="MEG is over time: ask for regions='MEG' alone"):
        load(tmp_path, regions=["IT", "MEG"])
    with pytest.raises(InputError, match="times= is of MEG: type regions='MEG'"):
        load(tmp_path, times=(0, 10))
    with pytest.raises(InputError, match=r"times=\(2000, 3000\): MEG is from -100 to 1000 ms"):
        load(tmp_path, regions="MEG", times=(2000, 3000))
    for times in (5, (1, 2, 3), "ab", ("a", "b")):
        with pytest.raises(InputError, match="times must be two numbers, the first and last ms"):
            load(tmp_path, regions="MEG", times=times)
    with pytest.raises(InputError, match="'meg01' have no such data: choose from fmri01 to fmri15"):
        load(tmp_path, subjects="meg01")


def test_axes_in_another_order_are_named(tmp_path):
    root = write_copy(tmp_path)
    with h5py.File(root / "target_fmri.mat", "w") as file:
        file["EVC_RDMs"] = plant_fmri("EVC_RDMs")
        file["IT_RDMs"] = plant_fmri("IT_RDMs")
    problem = r"target_fmri.mat must be \(subject, stimulus, stimulus\) = \(subject, 3, 3\) in MATL"
    with pytest.raises(DataError, match=problem):
        load(tmp_path)
    turned = plant_meg().transpose(2, 1, 0, 3, 4)
    scipy.io.savemat(tmp_path / "MEG_decoding_RDMs.mat", {"MEG_decoding_RDMs": turned})
    with pytest.raises(DataError, match="MEG_decoding_RDMs.mat must be .* got .1101, 1, 2, 3, 3."):
        load(tmp_path, regions="MEG")


def test_rdms_that_are_not_symmetric_are_named(tmp_path):
    root = write_copy(tmp_path)
    values = plant_fmri("EVC_RDMs")
    values[4, 0, 1] += 0.01
    with h5py.File(root / "target_fmri.mat", "a") as file:
        del file["EVC_RDMs"]
        file["EVC_RDMs"] = values.T
    with pytest.raises(DataError, match="target_fmri.mat are not symmetric or not finite"):
        load(tmp_path)


def test_a_damaged_copy_is_named(tmp_path):
    root = write_copy(tmp_path)
    with h5py.File(root / "target_fmri.mat", "a") as file:
        del file["IT_RDMs"]
    with pytest.raises(DataError, match="target_fmri.mat is not the published file.* 'IT_RDMs'"):
        load(tmp_path)
    scipy.io.savemat(tmp_path / "MEG_decoding_RDMs.mat", {"other": np.zeros(2)})
    with pytest.raises(
        DataError, match="MEG_decoding_RDMs.mat is not the published file.*'MEG_decoding_RDMs'"
    ):
        load(tmp_path, regions="MEG")
    (tmp_path / "MEG_decoding_RDMs.mat").write_bytes(b"cut short")
    with pytest.raises(DataError, match="MEG_decoding_RDMs.mat cannot be read as a MATLAB file"):
        load(tmp_path, regions="MEG")
    (root / "target_fmri.mat").unlink()
    with pytest.raises(DataError, match="needs one file 118_Image_Set/target_fmri.mat.*Algonauts"):
        load(tmp_path)
    scipy.io.savemat(root / "118images.mat", {"visual_stimuli": np.zeros(3)})
    with pytest.raises(DataError, match="118images.mat must hold the struct visual_stimuli"):
        load(tmp_path)
