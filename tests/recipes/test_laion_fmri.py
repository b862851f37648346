"""LAION-fMRI, on a copy of the published layout made here."""

import io
import json

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import neurolens as nl
from neurolens.errors import DataError, InputError, UnknownNameError

AFFINE = np.diag([1.8, 1.8, 1.8, 1.0])
SHAPE = (3, 2, 2)
BRAIN = [(0, 0, 0), (1, 0, 1), (2, 1, 0), (2, 1, 1)]
VISUAL = [(0, 1, 1), (1, 0, 1), (2, 1, 1)]
HLVIS = [(2, 1, 1)]
SHOWN = {
    1: ["shared_12rep_LAION_cluster_1003_i0.jpg", "unique_LAION_a.jpg"],
    2: ["shared_4rep_OOD_gabor_1.png", "shared_12rep_LAION_cluster_1003_i0.jpg", "unique_b.jpg"],
}
IDS = [*SHOWN[1], SHOWN[2][0], SHOWN[2][2]]


def plant(number, session):
    """Return betas (x, y, z, trial): subject, session, place and trial are digits."""
    n_trials = len(SHOWN[session])
    places = np.arange(12).reshape(SHAPE)[..., None]
    return 10_000.0 * number + 1000 * session + 10 * places + np.arange(n_trials)


def write_mask(path, places, values=None):
    volume = np.zeros(SHAPE, dtype=np.float32)
    volume[tuple(np.transpose(places))] = 1 if values is None else values
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(volume, AFFINE).to_filename(path)


def write_subject(folder, number=1, *, sessions=(1, 2)):
    subject = f"sub-{number:02d}"
    root = folder / f"derivatives/glmsingle-tedana/{subject}"
    stem = f"{subject}_task-images_space-T1w_desc-"
    write_mask(root / f"{stem}meanR2gt15mask_mask.nii.gz", BRAIN)
    write_mask(root / f"{stem}Noiseceiling12rep_statmap.nii.gz", BRAIN, [11, 22, 33, 44])
    rois = folder / f"derivatives/atlases/{subject}/rois"
    write_mask(rois / "visual.nii.gz", VISUAL)
    write_mask(rois / "hlvis.nii.gz", HLVIS)
    for session in sessions:
        func = root / f"ses-{session:02d}/func"
        func.mkdir(parents=True, exist_ok=True)
        stem = f"{subject}_ses-{session:02d}_task-images_"
        image = nibabel.Nifti1Image(plant(number, session).astype(np.float32), AFFINE)
        name = f"{stem}space-T1w_stat-effect_desc-SingletrialBetas_statmap.nii.gz"
        image.to_filename(func / name)
        table = pd.DataFrame({"label": SHOWN[session]})
        table.insert(0, "beta_index", range(len(table)))
        table.insert(0, "run", range(1, len(table) + 1))
        table.insert(0, "session", session)
        table.to_csv(func / f"{stem}desc-SingletrialBetas_trials.tsv", sep="\t", index=False)
    return root


def write_split(folder, pool, name, train, test):
    path = folder / f"laion_fmri/splits/data/{pool}/{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    variants = [{"variant_id": 0, "train_ids": train, "test_ids": test}]
    path.write_text(json.dumps({"name": name, "pool": pool, "variants": variants}))
    return path


def load(folder, **options):
    return nl.load_dataset("laion_fmri", folder=folder, accept_terms=True, **options)


def test_responses_are_the_planted_numbers(tmp_path):
    write_subject(tmp_path)
    responses = load(tmp_path).responses
    where = tuple(np.transpose([(1, 0, 1), (2, 1, 1)]))
    expected = np.hstack([plant(1, session)[where] for session in (1, 2)]).T
    np.testing.assert_array_equal(responses, expected)
    assert list(responses.stimulus_id.values) == SHOWN[1] + SHOWN[2]
    assert list(responses.repetition.values) == [0, 0, 0, 1, 0]
    assert list(responses.session.values) == [1, 1, 2, 2, 2]
    assert list(responses.run.values) == [1, 2, 1, 2, 3]
    assert list(responses.neuroid_id.values) == ["sub-01.1-0-1", "sub-01.2-1-1"]
    assert list(responses.region.values) == ["visual", "visual"]
    np.testing.assert_allclose(responses.voxel_x, [1.8, 3.6])
    np.testing.assert_array_equal(responses.nc_12rep, [22, 44])
    assert np.isnan(responses.nc_4rep).all()
    assert responses.attrs["shape"] == list(SHAPE)


def test_regions_overlap_and_are_cut_to_the_brain_mask(tmp_path):
    write_subject(tmp_path)
    responses = load(tmp_path, regions=["visual", "hlvis", "brain"]).responses
    assert responses.sizes["neuroid"] == 4
    assert list(responses.region_visual.values) == [False, True, False, True]
    assert list(responses.region_hlvis.values) == [False, False, False, True]
    assert responses.region_brain.values.all()


def test_sessions_are_chosen_and_repetitions_counted_over_all(tmp_path):
    write_subject(tmp_path)
    responses = load(tmp_path, sessions=[2], regions="hlvis").responses
    np.testing.assert_array_equal(responses[:, 0], plant(1, 2)[2, 1, 1])
    assert list(responses.repetition.values) == [0, 1, 0]
    one = load(tmp_path, sessions=2, regions="hlvis").responses
    np.testing.assert_array_equal(one, responses)
    with pytest.raises(InputError, match=r"sessions=\[3\]: the copy has '?1'?, '?2'? of sub-01"):
        load(tmp_path, sessions=[3])


def test_subjects_meet_by_stimulus_and_repetition(tmp_path):
    write_subject(tmp_path)
    write_subject(tmp_path, 3, sessions=(2,))
    with pytest.raises(InputError, match="holds 'sub-01', 'sub-03', which saw different pictures"):
        load(tmp_path)
    responses = load(tmp_path, subjects=["sub-01", "sub-03"], regions="hlvis").responses
    own = plant(3, 2)[2, 1, 1]
    # What sub-03 saw first of the shared photograph is its repetition 0.
    expected = [own[1], np.nan, own[0], np.nan, own[2]]
    np.testing.assert_array_equal(responses[:, 1], expected)


def test_the_published_splits_are_given(tmp_path):
    write_subject(tmp_path)
    write_split(tmp_path, "sub-01", "tau", [IDS[0], "unseen.jpg"], [IDS[1]])
    write_split(tmp_path, "sub-01", "cluster_k5_0", [IDS[1]], [IDS[0], IDS[3]])
    write_split(tmp_path, "sub-01", "random_0", IDS[:2], IDS[3:])
    write_split(tmp_path, "shared", "ood", [IDS[0]], [IDS[2]])
    splits = load(tmp_path).splits
    assert set(splits) == {"tau", "cluster_k5_0", "random_0"}
    assert splits["tau"] == {"train": [IDS[0]], "test": [IDS[1]]}
    assert splits["cluster_k5_0"] == {"train": [IDS[1]], "test": [IDS[0], IDS[3]]}
    assert load(tmp_path, pool="shared").splits == {"ood": {"train": [IDS[0]], "test": [IDS[2]]}}
    with pytest.raises(UnknownNameError, match="no pool 'sub-09' of splits. The copy has 'shared'"):
        load(tmp_path, pool="sub-09")
    path = write_split(tmp_path, "sub-01", "tau", [IDS[0]], [IDS[0]])
    with pytest.raises(DataError, match="tau.json has .* to train and to test on"):
        load(tmp_path)
    path.write_text("{}")
    with pytest.raises(DataError, match="tau.json is not a split as published"):
        load(tmp_path)


def test_pictures_come_along_where_there_are_any(tmp_path):
    write_subject(tmp_path)
    root = tmp_path / "stimuli"
    root.mkdir()
    names = ["unseen.jpg", *IDS[::-1]]
    with h5py.File(root / "task-images_stimuli.h5", "w") as file:
        held = file.create_dataset("images", (5,), dtype=h5py.vlen_dtype(np.uint8))
        for row in range(5):
            content = io.BytesIO()
            Image.new("RGB", (16, 16), (50 * row, 0, 0)).save(content, "JPEG")
            held[row] = np.frombuffer(content.getvalue(), dtype=np.uint8)
    table = pd.DataFrame({"image_name": names, "dataset": "LAION"})
    table.to_csv(root / "task-images_metadata.csv", index=False)
    stimuli = load(tmp_path, regions="hlvis").stimuli
    assert list(stimuli.ids) == IDS
    reds = [stimuli[name][0].mean().item() for name in stimuli.ids]
    assert reds == sorted(reds, reverse=True)
    assert reds[0] > reds[-1]
    table.iloc[:4].to_csv(root / "task-images_metadata.csv", index=False)
    with pytest.raises(DataError, match="task-images_stimuli.h5 holds 5 pictures, and .* lists 4"):
        load(tmp_path, regions="hlvis")
    table.replace(IDS[0], "other.jpg").to_csv(root / "task-images_metadata.csv", index=False)
    with pytest.raises(
        DataError, match="lacks the pictures 'shared_12rep_LAION_cluster_1003_i0.jpg"
    ):
        load(tmp_path, regions="hlvis")
    (root / "task-images_stimuli.h5").write_bytes(b"cut")
    with pytest.raises(DataError, match="task-images_stimuli.h5 must be HDF5 with images"):
        load(tmp_path, regions="hlvis")


def test_a_damaged_copy_is_named(tmp_path):
    with pytest.raises(
        DataError, match="there is no derivatives/glmsingle-tedana/sub-01 .*laion-fm"
    ):
        load(tmp_path)
    root = write_subject(tmp_path)
    func = root / "ses-02/func"
    trials = func / "sub-01_ses-02_task-images_desc-SingletrialBetas_trials.tsv"
    table = pd.read_csv(trials, sep="\t")
    table.iloc[:2].to_csv(trials, sep="\t", index=False)
    with pytest.raises(DataError, match="statmap.nii.gz holds 3 betas, and its table 2"):
        load(tmp_path)
    table.iloc[::-1].to_csv(trials, sep="\t", index=False)
    with pytest.raises(DataError, match="trials.tsv must count beta_index from 0 without a gap"):
        load(tmp_path)
    table.drop(columns="label").to_csv(trials, sep="\t", index=False)
    with pytest.raises(DataError, match="trials.tsv lacks the columns 'label'"):
        load(tmp_path)
    trials.unlink()
    with pytest.raises(
        DataError, match="needs one file .*ses-02_task-images_desc-SingletrialBetas"
    ):
        load(tmp_path)


def test_betas_on_another_grid_or_with_nan_are_told(tmp_path):
    root = write_subject(tmp_path, sessions=(1,))
    [path] = root.glob("ses-01/func/*.nii.gz")
    betas = plant(1, 1).astype(np.float32)
    betas[2, 1, 1, 0] = np.nan
    nibabel.Nifti1Image(betas, AFFINE).to_filename(path)
    with pytest.warns(RuntimeWarning, match="1 of 2 voxels of sub-01 have betas that are NaN"):
        responses = load(tmp_path).responses
    assert np.isnan(responses[0, 1])
    nibabel.Nifti1Image(betas.transpose(1, 0, 2, 3), AFFINE).to_filename(path)
    with pytest.raises(DataError, match="SingletrialBetas_statmap.nii.gz must be .x, y, z, row."):
        load(tmp_path)
    write_subject(tmp_path, sessions=(1,))
    roi = tmp_path / "derivatives/atlases/sub-01/rois/visual.nii.gz"
    write_mask(roi, [(0, 1, 1)])
    with pytest.raises(DataError, match="sub-01 has no voxel of 'visual' in the brain mask"):
        load(tmp_path)
    nibabel.Nifti1Image(np.ones((2, 2, 2), dtype="f4"), AFFINE).to_filename(roi)
    with pytest.raises(DataError, match="visual.nii.gz and the brain mask are on different grids"):
        load(tmp_path)
