"""Images of BIDS datasets and derivatives, found by the entities in their names."""

import json
import os

import nibabel
import numpy as np
import pandas as pd
import pytest

import neurolens as nl
from neurolens.brain import estimate_responses, find_files
from neurolens.errors import DataError, InputError, UnknownNameError

AFFINE = np.diag([2.0, 2, 2, 1])
SHAPE = (2, 3, 2)
N_VOLUMES = 60


def touch(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_events(path, names="abcab"):
    table = pd.DataFrame(
        {"onset": 5 + 20.0 * np.arange(len(names)), "duration": 1, "trial_type": list(names)}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False)
    return path


@pytest.fixture
def dataset(tmp_path):
    """Return a raw dataset of two subjects with fMRIPrep-like derivatives, of empty images."""
    raw = tmp_path / "ds"
    for sub in ("01", "02"):
        for ses in ("1", "2"):
            for run in ("1", "2"):
                name = f"sub-{sub}_ses-{ses}_task-faces_run-{run}"
                func = raw / f"sub-{sub}/ses-{ses}/func"
                touch(func / f"{name}_bold.nii.gz")
                write_events(func / f"{name}_events.tsv")
                prep = raw / f"derivatives/fmriprep/sub-{sub}/ses-{ses}/func"
                for space in ("T1w", "MNI152NLin2009cAsym"):
                    image = prep / f"{name}_space-{space}_desc-preproc_bold.nii.gz"
                    touch(image)
                    touch(prep / image.name.replace(".nii.gz", ".json"), '{"StartTime": 0.5}')
                for side in "LR":
                    touch(prep / f"{name}_hemi-{side}_space-fsaverage_bold.func.gii")
                touch(prep / f"{name}_desc-confounds_timeseries.tsv", "trans_x\n0\n")
    touch(raw / "task-faces_bold.json", '{"RepetitionTime": 1.5, "StartTime": 0}')
    return raw


def test_files_of_one_subject(dataset):
    files = find_files(
        dataset / "derivatives/fmriprep", sub="01", task="faces", space="T1w", extension=".nii.gz"
    )
    assert files.ses.tolist() == ["1", "1", "2", "2"]
    assert files.run.tolist() == ["1", "2", "1", "2"]
    assert [one.name for one in files.events] == [
        f"sub-01_ses-{s}_task-faces_run-{r}_events.tsv" for s in "12" for r in "12"
    ]
    assert all("derivatives" not in str(one) for one in files.events)
    assert [one.name[:28] for one in files.confounds] == [one.name[:28] for one in files.events]
    # Seconds between volumes from the raw dataset; times of slices from the derivatives.
    assert set(files.t_r) == {1.5}
    assert set(files.start_time) == {0.5}


def test_the_time_of_slices_is_that_of_the_derivatives(dataset):
    """Slices of the raw series are not yet at one time, whatever its JSON says."""
    root = dataset / "derivatives/fmriprep"
    for path in root.rglob("*.json"):
        path.write_text("{}")
    files = find_files(root, sub="01", space="T1w")
    assert set(files.t_r) == {1.5}
    assert "start_time" not in files


def test_choices_are_listed(dataset):
    root = dataset / "derivatives/fmriprep"
    with pytest.raises(InputError, match=r"8 images .* differ in sub: '01', '02'. Choose with sub"):
        find_files(root, space="T1w")
    with pytest.raises(InputError, match=r"differ in space: 'MNI152NLin2009cAsym', 'T1w'"):
        find_files(root, sub="01", extension=".nii.gz")
    with pytest.raises(InputError, match=r"differ in desc: 'preproc' and none \(None\). Choose wi"):
        find_files(root, sub="01", space=["T1w", "fsaverage"], extension="*")
    with pytest.raises(InputError, match=r"differ in extension: '.func.gii', '.nii.gz'"):
        find_files(root, sub="01", space=["T1w", "fsaverage"], desc="*")
    with pytest.raises(InputError, match=r"no image in .* has space='T2w' \(there are 'MNI152"):
        find_files(root, sub="01", space="T2w")
    with pytest.raises(
        InputError, match="has all of these together: sub='01', task='faces', desc="
    ):
        find_files(root, sub="01", task="faces", desc=None, space="T1w")
    with pytest.raises(InputError, match="there is no image named ..._betas in .* of subject '01'"):
        find_files(root, sub="01", suffix="betas")
    with pytest.raises(UnknownNameError, match="no entity named 'subject'. Closest: 'sub'|'su"):
        find_files(root, subject="01")
    with pytest.raises(DataError, match="there is no folder at"):
        find_files(root / "none", sub="01")


def test_a_raw_dataset_and_its_derivatives_are_not_mixed(dataset):
    with pytest.raises(InputError, match="images have these entities, and they differ in desc"):
        find_files(dataset, sub="01", extension=".nii.gz")
    raw = find_files(dataset, sub="01", space=None)
    assert len(raw) == 4
    assert all("derivatives" not in str(path) for path in raw.path)


def test_pipelines_with_the_same_names_are_not_mixed(dataset):
    other = dataset / "derivatives/other/sub-01/ses-1/func"
    touch(other / "sub-01_ses-1_task-faces_run-1_space-T1w_desc-preproc_bold.nii.gz")
    with pytest.raises(InputError, match="is in .*fmriprep.* and in .*other"):
        find_files(dataset, sub="01", space="T1w")


def test_events_by_inheritance(tmp_path):
    """A table at the root is for all images of its task; a closer one comes first."""
    root = tmp_path / "ds"
    for run in ("01", "02", "10"):
        touch(root / f"sub-1/func/sub-1_task-x_run-{run}_bold.nii")
    shared = write_events(root / "task-x_events.tsv")
    write_events(root / "task-y_events.tsv")
    own = write_events(root / "sub-1/func/sub-1_task-x_run-2_events.tsv")
    files = find_files(root, sub="1")
    assert files.run.tolist() == ["01", "02", "10"]
    assert files.events.tolist() == [shared, own, shared]
    write_events(root / "sub-1/func/sub-1_task-x_events.tsv")
    with pytest.raises(InputError, match=r"several tables of events in .*func are for .*run-02"):
        find_files(root, sub="1")


def test_events_of_another_run_are_not_taken(tmp_path):
    root = tmp_path / "ds"
    touch(root / "sub-1/func/sub-1_task-x_run-1_bold.nii")
    write_events(root / "sub-1/func/sub-1_task-x_run-2_events.tsv")
    write_events(root / "sub-2/func/sub-2_task-x_run-1_events.tsv")
    files = find_files(root, sub="1")
    assert "events" not in files
    with pytest.raises(
        InputError, match=r"no table of events was found for 'sub-1_task-x_run-1_bo"
    ):
        nl.read_responses(files)


def test_derivatives_elsewhere_name_the_raw_dataset(dataset, tmp_path):
    func = tmp_path / "out/sub-01/ses-1/func"
    touch(func / "sub-01_ses-1_task-faces_run-1_desc-glm_betas.nii.gz")
    alone = find_files(tmp_path / "out", sub="01", suffix="betas")
    assert "events" not in alone
    files = find_files(tmp_path / "out", sub="01", suffix="betas", raw=dataset)
    assert files.events[0].parent == dataset / "sub-01/ses-1/func"
    assert "t_r" not in files  # the JSON of the raw series is not of betas


def test_links_that_lead_nowhere(tmp_path):
    path = tmp_path / "ds/sub-1/func/sub-1_task-x_bold.nii.gz"
    path.parent.mkdir(parents=True)
    os.symlink(tmp_path / "annex/none", path)
    with pytest.raises(DataError, match="is a link to a file that is not here. Fetch it first"):
        find_files(tmp_path / "ds", sub="1")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read as JSON"), ("[1]", "must hold names and values, got list"),
     ('{"RepetitionTime": "2"}', "RepetitionTime in the JSON of .* must be a number, got '2'")],
)  # fmt: skip
def test_damaged_json(tmp_path, text, message):
    root = tmp_path / "ds"
    touch(root / "sub-1/func/sub-1_task-x_bold.nii")
    touch(root / "task-x_bold.json", text)
    with pytest.raises(DataError, match=message):
        find_files(root, sub="1")


def save(path, values, t_r=1.5):
    image = nibabel.Nifti1Image(np.asarray(values, dtype=np.float32), AFFINE)
    image.header.set_zooms((2, 2, 2, t_r)[: image.ndim])
    image.header.set_xyzt_units("mm", "sec")
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


def test_found_files_are_a_source_of_responses(tmp_path, rng):
    """The same as with paths and events written out, in the order of runs."""
    root = tmp_path / "ds"
    func = root / "sub-1/func"
    for run in (10, 9):
        save(func / f"sub-1_task-x_run-{run}_betas.nii.gz", rng.standard_normal((*SHAPE, 5)))
        write_events(func / f"sub-1_task-x_run-{run}_events.tsv", "abcab" if run == 9 else "ccbba")
    files = find_files(root, sub="1", suffix="betas")
    found = nl.read_responses(files)
    expected = nl.read_responses(
        [func / f"sub-1_task-x_run-{run}_betas.nii.gz" for run in (9, 10)],
        events=[func / f"sub-1_task-x_run-{run}_events.tsv" for run in (9, 10)],
    )
    assert found.identical(expected)
    assert found.run.values.tolist() == ["9"] * 5 + ["10"] * 5
    assert found.stimulus_id.values.tolist() == list("abcabccbba")
    with pytest.raises(InputError, match="the table of files is empty"):
        nl.read_responses(files[:0])


def test_found_series_with_confounds_by_name(tmp_path, rng):
    root = tmp_path / "derivatives/prep"
    func = root / "sub-1/func"
    events = write_events(tmp_path / "task-x_events.tsv")
    tables = []
    for run in (1, 2):
        stem = f"sub-1_task-x_run-{run}"
        values = 100 + rng.standard_normal((*SHAPE, N_VOLUMES))
        save(func / f"{stem}_space-T1w_desc-preproc_bold.nii.gz", values, t_r=2.0)
        sidecar = {"RepetitionTime": 2.0, "StartTime": 1.0}
        touch(func / f"{stem}_space-T1w_desc-preproc_bold.json", json.dumps(sidecar))
        table = pd.DataFrame(rng.standard_normal((N_VOLUMES, 3)), columns=["x", "y", "z"])
        table.astype(object).to_csv(
            func / f"{stem}_desc-confounds_timeseries.tsv", sep="\t", index=False
        )
        tables.append(table)
    files = find_files(root, sub="1", space="T1w")
    assert files.events.tolist() == [events, events]
    found = estimate_responses(files, confounds=["z", "x"])
    assert found.attrs["slice_time_ref"] == 0.5
    assert found.attrs["confounds"] == ["z", "x"]
    paths = files.path.tolist()
    expected = estimate_responses(
        paths, events=[events, events], slice_time_ref=0.5, confounds=(tables, ["z", "x"])
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
