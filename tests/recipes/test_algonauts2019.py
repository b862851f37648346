"""Algonauts 2019, on a copy of the published layout made here."""

import h5py
import numpy as np
import pytest
import scipy.io

import neurolens as nl
from neurolens.errors import DataError, UnknownNameError

NAMES = ["image_01.jpg", "image_02.jpg", "image_03.jpg"]
PAIRS = np.array([[0, 12, 13], [12, 0, 23], [13, 23, 0]]) / 100
REGIONS = {
    "EVC": "EVC_RDMs",
    "IT": "IT_RDMs",
    "MEG early": "MEG_RDMs_early",
    "MEG late": "MEG_RDMs_late",
}
VARIABLES = list(REGIONS.values())


def plant(variable, n_subjects=15):
    """Return values with MATLAB's axes: variable, subject, time and pair are digits."""
    subjects = 1 + np.arange(n_subjects)
    base = 0.1 + VARIABLES.index(variable) / 5
    if variable.startswith("MEG"):
        times = np.array([0, 0.25, 1.0])[:, None, None]
        values = base + subjects[:, None, None, None] / 1000 + PAIRS + times
        values[..., np.arange(3), np.arange(3)] = np.nan
        return values
    return (base + subjects[:, None, None] / 1000 + PAIRS) * (PAIRS > 0)


def write_copy(folder, name="118", *, n_meg=15, as_hdf5=True):
    root = folder / f"Training_Data/{name}_Image_Set"
    root.mkdir(parents=True, exist_ok=True)
    stimuli = np.empty((1, 3), dtype=[("names", "O"), ("pixels", "O")])
    for row, file in enumerate(NAMES):
        stimuli[0, row] = (file, np.full((6, 6, 3), 80 * row, dtype=np.uint8))
    scipy.io.savemat(root / f"{name}images.mat", {"visual_stimuli": stimuli})
    held = {variable: plant(variable) for variable in VARIABLES[:2]}
    write_arrays(root / "target_fmri.mat", held, as_hdf5)
    held = {variable: plant(variable, n_meg) for variable in VARIABLES[2:]}
    write_arrays(root / "target_meg.mat", held, as_hdf5)
    return root


def write_arrays(path, held, as_hdf5=True):
    if not as_hdf5:
        scipy.io.savemat(path, held)
        return
    with h5py.File(path, "w", userblock_size=512) as file:
        for variable, values in held.items():
            file[variable] = values.T


def load(folder, **options):
    return nl.load_dataset("algonauts2019", folder=folder, **options)


def expect(variable, n_subjects=15):
    values = np.nan_to_num(plant(variable, n_subjects))
    return values.mean(axis=1) if values.ndim == 4 else values


@pytest.mark.parametrize("as_hdf5", [True, False])
def test_rdms_are_the_planted_numbers(tmp_path, as_hdf5):
    write_copy(tmp_path, as_hdf5=as_hdf5)
    brain = load(tmp_path)
    rdms = brain.rdms
    assert rdms.dims == ("region", "subject", "stimulus", "stimulus_2")
    assert list(rdms.region.values) == list(REGIONS)
    assert list(rdms.stimulus.values) == ["image_01", "image_02", "image_03"]
    for region, variable in REGIONS.items():
        kind = "meg" if region.startswith("MEG") else "fmri"
        own = [name.startswith(kind) for name in rdms.subject.values]
        assert list(rdms.subject.values[own]) == [f"{kind}{k:02d}" for k in range(1, 16)]
        held = rdms.sel(region=region).values
        np.testing.assert_allclose(held[own], expect(variable), rtol=1e-14)
        assert np.isnan(held[np.logical_not(own)]).all()
    assert list(brain.stimuli.ids) == list(rdms.stimulus.values)
    reds = [brain.stimuli[name][0].mean().item() for name in brain.stimuli.ids]
    assert reds == sorted(reds)
    assert reds[0] < reds[2]


def test_only_what_is_asked_for_is_read(tmp_path):
    root = write_copy(tmp_path)
    (root / "target_meg.mat").write_bytes(b"not read")
    rdms = load(tmp_path, regions="IT", subjects=["fmri03", "fmri09"]).rdms
    assert rdms.sizes == {"region": 1, "subject": 2, "stimulus": 3, "stimulus_2": 3}
    np.testing.assert_allclose(rdms[0], expect("IT_RDMs")[[2, 8]], rtol=1e-14)
    with pytest.raises(
        DataError, match="meg01 have no RDM of IT. Those that have: fmri01 to fmri1"
    ):
        load(tmp_path, regions="IT", subjects="meg01")


def test_the_other_set_is_in_its_own_folder(tmp_path):
    write_copy(tmp_path, "92", n_meg=16)
    rdms = load(tmp_path, image_set="92").rdms
    assert rdms.sizes["subject"] == 31
    last = rdms.sel(region="MEG late", subject="meg16")
    np.testing.assert_allclose(last, expect("MEG_RDMs_late", 16)[15], rtol=1e-14)
    with pytest.raises(DataError, match="needs one file Training_Data/118_Image_Set/118images.mat"):
        load(tmp_path)
    with pytest.raises(UnknownNameError, match="no set of '78' pictures"):
        load(tmp_path, image_set="78")


@pytest.mark.parametrize("variable", ["EVC_RDMs", "MEG_RDMs_early"])
def test_axes_in_another_order_are_named(tmp_path, variable):
    root = write_copy(tmp_path)
    part = "meg" if variable.startswith("MEG") else "fmri"
    values = plant(variable)
    turned = values.swapaxes(0, 1) if part == "meg" else values.T
    write_arrays(root / f"target_{part}.mat", {variable: turned})
    region = [name for name, held in REGIONS.items() if held == variable]
    with pytest.raises(DataError, match=f"{variable} in .*target_{part}.mat must be .subject, "):
        load(tmp_path, regions=region)


def test_a_damaged_copy_is_named(tmp_path):
    root = write_copy(tmp_path)
    values = plant("IT_RDMs")
    values[3, 0, 1] += 0.01
    write_arrays(root / "target_fmri.mat", {"IT_RDMs": values})
    with pytest.raises(
        DataError, match="the RDMs in .*target_fmri.mat are not symmetric or not fin"
    ):
        load(tmp_path, regions="IT")
    with pytest.raises(DataError, match="target_fmri.mat is not the published file.* 'EVC_RDMs'"):
        load(tmp_path, regions="EVC")
    write_arrays(root / "target_meg.mat", {"other": values}, as_hdf5=False)
    with pytest.raises(
        DataError, match="target_meg.mat is not the published file.* 'MEG_RDMs_late'"
    ):
        load(tmp_path, regions="MEG late")
    (root / "target_meg.mat").write_bytes(b"cut")
    with pytest.raises(DataError, match="target_meg.mat cannot be read as a MATLAB file"):
        load(tmp_path, regions="MEG late")
    (root / "118images.mat").write_bytes(b"cut")
    with pytest.raises(DataError, match="118images.mat cannot be read as a MATLAB file"):
        load(tmp_path)
    scipy.io.savemat(root / "118images.mat", {"visual_stimuli": np.zeros(3)})
    with pytest.raises(DataError, match="118images.mat must hold the struct visual_stimuli"):
        load(tmp_path)
