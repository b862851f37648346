"""Algonauts 2023, on a copy of the published layout made here."""

import numpy as np
import pytest
from PIL import Image

import neurolens as nl
from neurolens.errors import DataError, InputError

# Vertices of a small fsaverage that are in visual cortex, and what the atlases say of them.
VERTICES = {"lh": [2, 3, 7], "rh": [0, 5]}
VISUAL = {"lh": [1, 2, 7], "rh": [0, 3]}  # V1v V1d hV4, none V2v
FACES = {"lh": [0, 2, 0], "rh": [2, 0]}  # FFA-1
PICTURES = {"train": [13, 20, 72999], "test": [5, 845]}


def plant(subject, hemi, kind):
    """Return values (picture, vertex); subject, hemisphere, picture and vertex are digits."""
    vertices = np.array(VERTICES[hemi])
    pictures = np.array(PICTURES[kind]) % 100 + subject
    base = 1000.0 * subject + (500 if hemi == "rh" else 0)
    return (base + 10 * pictures[:, None] + vertices / 10).astype(np.float32)


def write_subject(folder, number, *, with_test=False):
    root = folder / f"subj{number:02d}"
    for hemi in ("lh", "rh"):
        masks = root / "roi_masks"
        masks.mkdir(parents=True, exist_ok=True)
        everywhere = np.zeros(9, dtype=int)
        everywhere[VERTICES[hemi]] = 1
        np.save(masks / f"{hemi}.all-vertices_fsaverage_space.npy", everywhere)
        np.save(masks / f"{hemi}.prf-visualrois_challenge_space.npy", np.array(VISUAL[hemi]))
        np.save(masks / f"{hemi}.floc-faces_challenge_space.npy", np.array(FACES[hemi]))
        # As published: a pickled dict, which must stay closed.
        np.save(masks / "mapping_prf-visualrois.npy", {0: "Unknown", 1: "not V1v"})
        values = root / "training_split/training_fmri"
        values.mkdir(parents=True, exist_ok=True)
        np.save(values / f"{hemi}_training_fmri.npy", plant(number, hemi, "train"))
        if with_test:
            values = root / "test_split/test_fmri"
            values.mkdir(parents=True, exist_ok=True)
            np.save(values / f"{hemi}_test_fmri.npy", plant(number, hemi, "test"))
            ceilings = root / "test_split/noise_ceiling"
            ceilings.mkdir(exist_ok=True)
            np.save(ceilings / f"{hemi}_noise_ceiling.npy", np.array(VERTICES[hemi]) / 10)
    for kind, split in (("train", "training"), ("test", "test")):
        images = root / f"{split}_split/{split}_images"
        images.mkdir(parents=True, exist_ok=True)
        for row, picture in enumerate(PICTURES[kind]):
            shown = picture + number if picture < 72999 else picture
            name = f"{kind}-{row + 1:04d}_nsd-{shown:05d}.png"
            Image.new("RGB", (4, 4), (80 * row, 0, 0)).save(images / name)
    return root


def load(folder, **options):
    return nl.load_dataset("algonauts2023", folder=folder, accept_terms=True, **options)


def test_responses_are_the_planted_numbers(tmp_path):
    write_subject(tmp_path, 1)
    brain = load(tmp_path)
    responses = brain.responses
    expected = np.hstack([plant(1, "lh", "train"), plant(1, "rh", "train")])
    np.testing.assert_array_equal(responses, expected)
    assert list(responses.stimulus_id.values) == ["nsd00015", "nsd00022", "nsd73000"]
    assert list(brain.stimuli.ids) == list(responses.stimulus_id.values)
    assert brain.stimuli.metadata.file["nsd00015"] == "train-0001_nsd-00014.png"
    reds = [brain.stimuli[name][0].mean().item() for name in brain.stimuli.ids]
    assert reds == sorted(reds)
    assert list(responses.neuroid_id.values) == [
        "subj01.lh.2", "subj01.lh.3", "subj01.lh.7", "subj01.rh.0", "subj01.rh.5",
    ]  # fmt: skip
    assert list(responses.vertex.values) == [2, 3, 7, 0, 5]
    assert list(responses.hemisphere.values) == ["lh"] * 3 + ["rh"] * 2
    assert set(responses.region.values) == {"all-vertices"}
    assert brain.splits["subj01"] == {
        "train": ["nsd00015", "nsd00022", "nsd73000"], "test": ["nsd00007", "nsd00847"],
    }  # fmt: skip
    assert np.isnan(responses.noise_ceiling).all()


def test_regions_are_those_of_nsd(tmp_path):
    write_subject(tmp_path, 1)
    responses = load(tmp_path, regions=["V1", "hV4", "V2v"]).responses
    assert list(responses.region.values) == ["V1", "V1", "hV4", "V2v"]
    assert list(responses.vertex.values) == [2, 3, 7, 5]
    np.testing.assert_array_equal(responses[:, 3], plant(1, "rh", "train")[:, 1])
    overlapping = load(tmp_path, regions=["V1d", "FFA-1"]).responses
    assert list(overlapping.vertex.values) == [3, 0]
    assert list(overlapping["region_V1d"].values) == [True, False]
    assert list(overlapping["region_FFA-1"].values) == [True, True]


def test_responses_to_test_on_come_after_those_to_train_on(tmp_path):
    write_subject(tmp_path, 1, with_test=True)
    responses = load(tmp_path, regions="hV4").responses
    expected = [*plant(1, "lh", "train")[:, 2], *plant(1, "lh", "test")[:, 2]]
    np.testing.assert_array_equal(responses[:, 0], expected)
    assert list(responses.stimulus_id.values)[3:] == ["nsd00007", "nsd00847"]
    np.testing.assert_array_equal(responses.noise_ceiling, [0.7])


def test_of_several_subjects_a_picture_that_one_did_not_see_is_nan(tmp_path):
    for number in (1, 2):
        write_subject(tmp_path, number)
    with pytest.raises(InputError, match="holds 'subj01', 'subj02', which saw different pictures"):
        load(tmp_path)
    responses = load(tmp_path, subjects=["subj01", "subj02"], regions="hV4").responses
    assert list(responses.stimulus_id.values) == [
        "nsd00015", "nsd00022", "nsd73000", "nsd00016", "nsd00023",
    ]  # fmt: skip
    nan = np.nan
    own = [plant(number, "lh", "train")[:, 2] for number in (1, 2)]
    expected = [[*own[0], nan, nan], [nan, nan, own[1][2], *own[1][:2]]]
    np.testing.assert_array_equal(responses, np.transpose(expected))
    assert list(responses.subject.values) == ["subj01", "subj02"]


def test_axes_the_wrong_way_round_are_named(tmp_path):
    root = write_subject(tmp_path, 1)
    path = root / "training_split/training_fmri/rh_training_fmri.npy"
    np.save(path, plant(1, "rh", "train").T)
    with pytest.raises(
        DataError,
        match=r"rh_training_fmri.npy must be \(picture, vertex\) = \(3, 2\).*got \(2, 3\)",
    ):
        load(tmp_path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match="rh_training_fmri.npy cannot be read"):
        load(tmp_path)
    np.save(path, {"a": 1}, allow_pickle=True)
    with pytest.raises(DataError, match=r"rh_training_fmri.npy cannot be read \(ValueError"):
        load(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="needs one file subj01/.*/rh_training_fmri.npy.*none"):
        load(tmp_path)


def test_pictures_that_do_not_match_the_responses_are_named(tmp_path):
    root = write_subject(tmp_path, 1)
    images = root / "training_split/training_images"
    second = images / "train-0002_nsd-00021.png"
    kept = second.read_bytes()
    second.unlink()
    with pytest.raises(DataError, match="subj01/training_split must be numbered from 1 without a"):
        load(tmp_path)
    (images / "0002.png").write_bytes(kept)
    with pytest.raises(DataError, match="0002.png must be called like train-0001_nsd-00013.png"):
        load(tmp_path)
    (images / "0002.png").rename(second)
    test_images = root / "test_split/test_images"
    (test_images / "test-0003_nsd-00021.png").write_bytes(kept)
    with pytest.raises(DataError, match="'nsd00022' of subj01 are to train and to test on"):
        load(tmp_path)


def test_atlases_that_do_not_match_the_vertices_are_named(tmp_path):
    root = write_subject(tmp_path, 1, with_test=True)
    path = root / "roi_masks/lh.prf-visualrois_challenge_space.npy"
    np.save(path, np.array([1, 2]))
    with pytest.raises(DataError, match="lh.prf-visualrois_challenge_space.npy must have 3 vertic"):
        load(tmp_path, regions="V1")
    np.save(path, np.array([[1, 2, 7]]))
    with pytest.raises(DataError, match="lh.prf-visualrois_challenge_space.npy must have one axis"):
        load(tmp_path, regions="V1")
    path.unlink()
    with pytest.raises(DataError, match="needs one file .*lh.prf-visualrois_challenge_space.npy"):
        load(tmp_path, regions="V1")
    with pytest.raises(DataError, match="subj01 has no vertex of 'OFA'"):
        load(tmp_path, regions="OFA")
    np.save(root / "test_split/noise_ceiling/lh_noise_ceiling.npy", np.zeros(2))
    with pytest.raises(DataError, match="lh_noise_ceiling.npy must have 3 vertices"):
        load(tmp_path)


def test_an_empty_folder_says_where_to_get_the_data(tmp_path):
    with pytest.raises(DataError, match="there is no subj01.*Fill in the form at algonautsproject"):
        load(tmp_path)
