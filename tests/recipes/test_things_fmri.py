"""THINGS-fMRI, on a copy of the published layout made here: tables beside a frame of pandas."""

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import neurolens as nl
from neurolens.errors import DataError, UnknownNameError

PLACES = np.array([[0, 1, 2], [1, 0, 0], [1, 0, 3], [1, 2, 1], [2, 2, 0]])
TRIALS = [
    ("train", 1, 1, "dog_12s.jpg"),
    ("test", 1, 1, "ice_cream_14s.jpg"),
    ("train", 1, 2, "mango_12s.jpg"),
    ("test", 2, 1, "ice_cream_14s.jpg"),
]
VOXELS = {
    "V1": [1, 0, 1, 0, 0],
    "V2": [0, 0, 0, 1, 0],
    "lFFA": [0, 0, 1, 1, 0],
    "IT": [0, 0, 0, 0, 0],
    "glasser-p9-\n46v": [0, 0, 0, 0, 1],
}
TABLES = ("ResponseData.h5", "StimulusMetadata.csv", "VoxelMetadata.csv")
BIDS = ("voxel-wise-responses.h5", "stimulus-metadata.tsv", "voxel-metadata.tsv")


def plant(number):
    """Return values (voxel, trial) of a subject: subject, voxel and trial are its digits."""
    return 100.0 * number + 10 * np.arange(5)[:, None] + np.arange(4)[None]


def write_subject(folder, number, *, names=None):
    """Write the three tables of a subject, as pandas stores a frame in the format "fixed"."""
    names = names or [f"betas_csv/sub-{number:02d}_{table}" for table in TABLES]
    paths = [folder / name for name in names]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(paths[0], "w") as file:
        group = file.create_group("ResponseData")
        group["axis1"] = np.arange(5)
        group["block0_values"] = plant(number)
        group["block1_values"] = np.arange(5)[:, None]
        # What pandas writes for labels of mixed types: bytes of a pickle, which must stay closed.
        group["block0_items"] = np.frombuffer(b"cos\nsystem\n(S'exit 1'\ntR.", dtype="u1")
    stimuli = pd.DataFrame(TRIALS, columns=["trial_type", "session", "run", "stimulus"])
    stimuli["concept"] = stimuli["stimulus"].str.replace(r"_\d+s\.jpg", "", regex=True)
    stimuli.to_csv(paths[1], index=False)
    voxels = pd.DataFrame({"voxel_id": np.arange(5), "subject_id": number})
    voxels[["voxel_x", "voxel_y", "voxel_z"]] = PLACES
    voxels["nc_testset"] = [0, 1.5, 2.5, 3.5, 4.5]
    for region, members in VOXELS.items():
        voxels[region] = members
    voxels.to_csv(paths[2], index=False)
    return paths


def write_mask(folder, number):
    mask = np.zeros((3, 3, 4), dtype=np.uint8)
    mask[tuple(PLACES.T)] = 1
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-10, 5, 7]
    path = folder / f"brainmasks/sub-{number:02d}_space-T1w_brainmask.nii.gz"
    path.parent.mkdir(exist_ok=True)
    nibabel.Nifti1Image(mask, affine).to_filename(path)
    return path


def load(folder, **options):
    return nl.load_dataset("things_fmri", folder=folder, **options)


def test_responses_are_the_planted_numbers(tmp_path):
    write_subject(tmp_path, 1)
    write_mask(tmp_path, 1)
    brain = load(tmp_path, regions=["V1", "lFFA"])
    responses = brain.responses
    assert responses.dims == ("presentation", "neuroid")
    np.testing.assert_array_equal(responses, plant(1)[[0, 2, 3]].T)
    assert list(responses.neuroid_id.values) == ["sub-01.0-1-2", "sub-01.1-0-3", "sub-01.1-2-1"]
    assert list(responses.region_V1.values) == [True, True, False]
    assert list(responses.region_lFFA.values) == [False, True, True]
    assert list(responses.stimulus_id.values) == [
        "dog_12s", "ice_cream_14s", "mango_12s", "ice_cream_14s",
    ]  # fmt: skip
    assert list(responses.repetition.values) == [0, 0, 0, 1]
    assert list(responses.session.values) == [1, 1, 1, 2]
    assert list(responses.run.values) == [1, 1, 2, 1]
    np.testing.assert_array_equal(responses.nc_testset, [0, 2.5, 3.5])
    np.testing.assert_array_equal(responses.index_k, [2, 3, 1])
    np.testing.assert_array_equal(responses.voxel_x, [-10, -8, -8])
    np.testing.assert_array_equal(responses.voxel_z, [11, 13, 9])
    assert responses.attrs["units"] == "beta, in SD of the time series of a run"
    assert brain.splits["things"] == {
        "train": ["dog_12s", "mango_12s"], "test": ["ice_cream_14s"],
    }  # fmt: skip


def test_regions_apart_are_one_coordinate_and_without_a_mask_there_are_no_mm(tmp_path):
    write_subject(tmp_path, 1)
    responses = load(tmp_path, regions=["V2", "glasser-p9-46v"]).responses
    assert list(responses.region.values) == ["V2", "glasser-p9-46v"]
    np.testing.assert_array_equal(responses, plant(1)[[3, 4]].T)
    assert "voxel_x" not in responses.coords
    assert "affine" not in responses.attrs
    assert list(responses.index_i.values) == [1, 2]


def test_only_trials_asked_for_are_given_and_keep_their_repetition(tmp_path):
    write_subject(tmp_path, 1)
    brain = load(tmp_path, regions="V1", trials="test")
    np.testing.assert_array_equal(brain.responses, plant(1)[[0, 2]][:, [1, 3]].T)
    assert list(brain.responses.repetition.values) == [0, 1]
    assert brain.splits["things"] == {"train": [], "test": ["ice_cream_14s"]}
    with pytest.raises(UnknownNameError, match="no trials named 'catch'. Choose one of all, train"):
        load(tmp_path, trials="catch")


def test_the_copy_of_openneuro_gives_the_same(tmp_path):
    base = "derivatives/ICA-betas/sub-02/voxel-metadata/sub-02_task-things_"
    write_subject(tmp_path, 2, names=[base + name for name in BIDS])
    responses = load(tmp_path, subjects="sub-02", regions="V1").responses
    np.testing.assert_array_equal(responses, plant(2)[[0, 2]].T)


def test_subjects_are_apart_and_only_theirs_are_read(tmp_path):
    for number in (1, 3):
        write_subject(tmp_path, number)
    both = load(tmp_path, regions="V1").responses
    np.testing.assert_array_equal(both, np.hstack([plant(1)[[0, 2]].T, plant(3)[[0, 2]].T]))
    assert list(both.subject.values) == ["sub-01", "sub-01", "sub-03", "sub-03"]
    assert len(set(both.neuroid_id.values)) == 4
    (tmp_path / "betas_csv/sub-03_ResponseData.h5").write_bytes(b"not read")
    one = load(tmp_path, subjects="sub-01", regions="V1")
    assert one.bytes_read < both.attrs["bytes_read"]


def test_pictures_come_along_where_there_are_any(tmp_path):
    write_subject(tmp_path, 1)
    for number, name in enumerate(["dog/dog_12s", "ice_cream/ice_cream_14s", "mango/mango_12s"]):
        path = tmp_path / f"object_images/{name}.jpg"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (8, 8), (60 * number, 0, 0)).save(path)
    stimuli = load(tmp_path, regions="V1").stimuli
    assert list(stimuli.ids) == ["dog_12s", "ice_cream_14s", "mango_12s"]
    assert list(stimuli.metadata.concept) == ["dog", "ice_cream", "mango"]
    reds = [stimuli[name][0].mean().item() for name in stimuli.ids]
    assert reds == sorted(reds)
    assert reds[0] < reds[2]
    path.unlink()
    with pytest.raises(DataError, match="there is no object_images/mango/mango_12s.jpg"):
        load(tmp_path, regions="V1")


def change_frame(path, name, value):
    with h5py.File(path, "a") as file:
        del file[f"ResponseData/{name}"]
        if value is not None:
            file[f"ResponseData/{name}"] = value


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (
            "block0_values",
            plant(1).T,
            r"sub-01_ResponseData.h5 must be \(voxel, trial\) = \(5, 4\)",
        ),
        ("block1_values", np.arange(5)[::-1, None], "sub-01_ResponseData.h5 and the table of vox"),
        ("block0_values", None, "sub-01_ResponseData.h5 holds no array 'ResponseData/block0_val"),
        ("block1_values", None, "sub-01_ResponseData.h5 holds no array 'ResponseData/block1_val"),
    ],
)
def test_a_frame_unlike_the_published_one_is_named(tmp_path, name, value, problem):
    frame, _, _ = write_subject(tmp_path, 1)
    change_frame(frame, name, value)
    with pytest.raises(DataError, match=problem):
        load(tmp_path, regions="V1")


def test_a_damaged_copy_is_named(tmp_path):
    with pytest.raises(DataError, match="there is no sub-01_ResponseData.h5.*figshare"):
        load(tmp_path)
    frame, stimuli, voxels = write_subject(tmp_path, 1)
    stimuli.unlink()
    with pytest.raises(DataError, match="needs one file betas_csv/sub-01_StimulusMetadata.csv"):
        load(tmp_path)
    write_subject(tmp_path, 1)
    pd.read_csv(voxels).drop(columns="V1").to_csv(voxels, index=False)
    with pytest.raises(DataError, match="sub-01_VoxelMetadata.csv lacks the columns 'V1'"):
        load(tmp_path, regions="V1")
    write_subject(tmp_path, 1)
    with pytest.raises(DataError, match="sub-01 has no voxel of 'IT'"):
        load(tmp_path, regions="IT")
    with (
        pytest.warns(RuntimeWarning, match="sub-01 has no voxel of 'IT'"),
        pytest.raises(
            DataError, match=r"gives the regions \['V1'\], and \['V1', 'IT'\] were asked"
        ),
    ):
        load(tmp_path, regions=["V1", "IT"])
    pd.read_csv(stimuli).replace("train", "catch").to_csv(stimuli, index=False)
    with pytest.raises(
        DataError, match="sub-01_StimulusMetadata.csv must list trials of the types"
    ):
        load(tmp_path, regions="V1")
    write_subject(tmp_path, 1)
    frame.write_bytes(frame.read_bytes()[:300])
    with pytest.raises(DataError, match="sub-01_ResponseData.h5 cannot be read"):
        load(tmp_path, regions="V1")


def test_a_mask_of_other_voxels_is_refused(tmp_path):
    write_subject(tmp_path, 1)
    path = write_mask(tmp_path, 1)
    mask = nibabel.load(path)
    values = np.asarray(mask.dataobj)[::-1]
    nibabel.Nifti1Image(values, mask.affine).to_filename(path)
    with pytest.raises(
        DataError, match="sub-01_space-T1w_brainmask.nii.gz are not those of the tab"
    ):
        load(tmp_path, regions="V1")


def test_a_picture_both_to_train_and_to_test_on_is_refused(tmp_path):
    _, stimuli, _ = write_subject(tmp_path, 1)
    table = pd.read_csv(stimuli)
    table.loc[3, "trial_type"] = "train"
    table.to_csv(stimuli, index=False)
    with pytest.raises(DataError, match="'ice_cream_14s' in .* are to train on and to test on"):
        load(tmp_path, regions="V1")
