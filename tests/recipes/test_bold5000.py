"""BOLD5000, on a copy of the published layout made here."""

import numpy as np
import pytest
from PIL import Image

import neurolens as nl
from neurolens.errors import DataError

# Session and run -> what was shown; repeated pictures have a prefix in the lists of runs.
RUNS = {
    (1, 1): ["n01930112_19568.JPEG", "rep_COCO_train2014_000000292845.jpg"],
    (1, 2): ["concert5.jpg"],
    (2, 1): ["rep_COCO_train2014_000000292845.jpg"],
    (10, 1): ["church6.jpg"],
}
SHOWN = [name for names in RUNS.values() for name in names]
IDS = [
    "n01930112_19568", "COCO_train2014_000000292845", "concert5", "COCO_train2014_000000292845",
    "church6",
]  # fmt: skip
AREAS = ["LHEarlyVis", "RHEarlyVis", "LHLOC", "RHLO", "LHOPA", "RHOPA", "LHPPA", "RHPPA", "LHRSC"]


def plant(subject, area, n_trials=5):
    """Return values (trial, voxel); subject, area, trial and voxel are digits."""
    base = 1000.0 * int(subject[3]) + 100 * (AREAS.index(area) + 1)
    return (base + 10 * np.arange(n_trials)[:, None] + np.arange(2)).astype(np.float32)


def write_betas(folder, subject, n_trials=5):
    root = folder / "BOLD5000_GLMsingle_ROI_betas/py"
    root.mkdir(parents=True, exist_ok=True)
    for area in AREAS:
        name = f"{subject}_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_allses_{area}.npy"
        np.save(root / name, plant(subject, area, n_trials))
    return root


def write_names(folder, subject, n_trials=5):
    names = [name.removeprefix("rep_") for name in SHOWN[:n_trials]]
    path = folder / f"{subject}_imgnames.txt"
    path.write_text("\n".join(names) + "\n")
    return path


def write_lists(folder, subject, width=2):
    for (session, run), names in RUNS.items():
        root = folder / f"BOLD5000_Stimuli/Stimuli_Presentation_Lists/{subject}"
        root = root / f"{subject}_sess{session:0{width}d}"
        root.mkdir(parents=True, exist_ok=True)
        path = root / f"CSI_sess{session:0{width}d}_run{run:02d}.txt"
        path.write_text("\n".join(names) + "\n")
    return path


def load(folder, **options):
    return nl.load_dataset("bold5000", folder=folder, **options)


def test_responses_are_the_planted_numbers(tmp_path):
    write_betas(tmp_path, "CSI1")
    write_lists(tmp_path, "CSI1")
    responses = load(tmp_path, regions=["LOC", "EarlyVis"]).responses
    parts = ["LHLOC", "RHLO", "LHEarlyVis", "RHEarlyVis"]
    np.testing.assert_array_equal(responses, np.hstack([plant("CSI1", area) for area in parts]))
    assert list(responses.stimulus_id.values) == IDS
    assert list(responses.repetition.values) == [0, 0, 0, 1, 0]
    assert list(responses.session.values) == [1, 1, 1, 2, 10]
    assert list(responses.run.values) == [1, 1, 2, 1, 1]
    assert list(responses.region.values) == ["LOC"] * 4 + ["EarlyVis"] * 4
    assert list(responses.hemisphere.values) == ["LH", "LH", "RH", "RH"] * 2
    assert list(responses.neuroid_id.values[:3]) == [
        "CSI1.LHLOC.0000", "CSI1.LHLOC.0001", "CSI1.RHLOC.0000",
    ]  # fmt: skip
    assert list(responses.index_in_area.values) == [0, 1] * 4


def test_the_list_of_all_trials_will_do(tmp_path):
    write_betas(tmp_path, "CSI1")
    write_names(tmp_path, "CSI1")
    responses = load(tmp_path, regions="PPA").responses
    assert list(responses.stimulus_id.values) == IDS
    assert "session" not in responses.coords
    # Sessions are in the order of their numbers, not of their names.
    write_lists(tmp_path, "CSI1", width=1)
    assert "session" in load(tmp_path, regions="PPA").responses.coords


def test_a_region_of_one_hemisphere_is_warned_of(tmp_path):
    write_betas(tmp_path, "CSI1")
    write_names(tmp_path, "CSI1")
    with pytest.warns(RuntimeWarning, match="CSI1 has no betas of RHRSC"):
        responses = load(tmp_path, regions="RSC").responses
    np.testing.assert_array_equal(responses, plant("CSI1", "LHRSC"))


def test_subjects_meet_by_stimulus_and_repetition(tmp_path):
    write_betas(tmp_path, "CSI1")
    write_names(tmp_path, "CSI1")
    write_betas(tmp_path, "CSI4", n_trials=3)
    path = write_names(tmp_path, "CSI4", n_trials=3)
    path.write_text("\n".join(path.read_text().split()[::-1]))
    responses = load(tmp_path, regions="OPA").responses
    assert responses.sizes == {"presentation": 5, "neuroid": 8}
    np.testing.assert_array_equal(responses[:, 0], plant("CSI1", "LHOPA")[:, 0])
    expected = [*plant("CSI4", "LHOPA", 3)[::-1, 0], np.nan, np.nan]
    np.testing.assert_array_equal(responses[:, 4], expected)
    assert len(set(responses.neuroid_id.values)) == 8
    one = load(tmp_path, regions="OPA", subjects="CSI4").responses
    assert list(one.stimulus_id.values) == IDS[2::-1]


def test_pictures_and_the_split_come_along_where_they_are(tmp_path):
    write_betas(tmp_path, "CSI1")
    write_lists(tmp_path, "CSI1")
    root = tmp_path / "BOLD5000_Stimuli/Scene_Stimuli"
    origins = {"n0": "ImageNet", "CO": "COCO", "co": "Scene", "ch": "Scene"}
    for number, name in enumerate(sorted(set(SHOWN))):
        file = name.removeprefix("rep_")
        path = root / f"Presented_Stimuli/{origins[file[:2]]}/{file}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (60 * number, 0, 0)).save(path)
    (root / "repeated_stimuli_113_list.txt").write_text("COCO_train2014_000000292845.jpg\n")
    brain = load(tmp_path, regions="PPA")
    assert list(brain.stimuli.ids) == [IDS[0], IDS[1], IDS[2], IDS[4]]
    assert list(brain.stimuli.metadata.origin) == ["ImageNet", "COCO", "Scene", "Scene"]
    reds = {name: brain.stimuli[name][0].mean().item() for name in brain.stimuli.ids}
    assert sorted(reds, key=reds.get) == ["church6", "concert5", IDS[0], IDS[1]]
    assert brain.splits["bold5000"] == {"test": [IDS[1]], "train": [IDS[0], IDS[2], IDS[4]]}
    (root / "Presented_Stimuli/Scene/church6.jpg").unlink()
    with pytest.raises(DataError, match="Presented_Stimuli lacks the pictures 'church6.jpg'"):
        load(tmp_path, regions="PPA")


def test_a_damaged_copy_is_named(tmp_path):
    with pytest.raises(DataError, match="there are no betas of CSI1.*bold5000-dataset.github.io"):
        load(tmp_path)
    root = write_betas(tmp_path, "CSI1")
    with pytest.raises(DataError, match="needs one file CSI1_imgnames.txt"):
        load(tmp_path)
    names = write_names(tmp_path, "CSI1", n_trials=4)
    with pytest.raises(DataError, match="LHEarlyVis.npy must be .trial, voxel. with 4 trials"):
        load(tmp_path, regions="EarlyVis")
    names.write_text("0 1\n")
    with pytest.raises(DataError, match="CSI1_imgnames.txt must list pictures like n01930112_195"):
        load(tmp_path)
    names.write_text("concert5.jpg\nconcert5.JPEG\na.jpg\nb.jpg\nc.jpg\n")
    with pytest.raises(DataError, match="two pictures of CSI1 differ in their suffix only"):
        load(tmp_path)
    write_names(tmp_path, "CSI1")
    path = root / "CSI1_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_allses_LHEarlyVis.npy"
    np.save(path, plant("CSI1", "LHEarlyVis").T)
    with pytest.raises(DataError, match=r"LHEarlyVis.npy must be .* got \(2, 5\)"):
        load(tmp_path, regions="EarlyVis")
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="LHEarlyVis.npy cannot be read"):
        load(tmp_path, regions="EarlyVis")
    for area in ("LHPPA", "RHPPA"):
        (root / path.name.replace("LHEarlyVis", area)).unlink()
    with pytest.raises(DataError, match="needs one file .*allses_LHPPA.npy"):
        load(tmp_path, regions="PPA")


def test_lists_that_differ_are_refused(tmp_path):
    write_betas(tmp_path, "CSI1")
    write_names(tmp_path, "CSI1")
    last = write_lists(tmp_path, "CSI1")
    last.write_text("other1.jpg\n")
    with pytest.raises(
        DataError, match="CSI1_imgnames.txt and the lists of the runs of CSI1 are in"
    ):
        load(tmp_path)
    last.rename(last.with_name("CSI_sess10_runX.txt"))
    with pytest.raises(DataError, match="CSI_sess10_runX.txt must be called like CSI_sess01_run01"):
        load(tmp_path)
