"""Stories, on a copy of the published layout made here."""

import h5py
import numpy as np
import pytest

import neurolens as nl
from neurolens.errors import DataError, InputError

N_VOLUMES = {"wheretheressmoke": 3, "souls": 2}


def plant(subject, story, n_voxels=5):
    """Return values (repetition, volume, voxel); every axis, subject and story are digits."""
    base = 1000.0 * int(subject[3:]) + 100 * list(N_VOLUMES).index(story)
    volumes = 10 * np.arange(N_VOLUMES[story])[:, None]
    return base + volumes + np.arange(n_voxels) + np.array([0.25, 0.75])[:, None, None]


def write_subject(folder, subject, n_voxels=5):
    root = folder / f"derivative/preprocessed_data/{subject}"
    root.mkdir(parents=True, exist_ok=True)
    for story in N_VOLUMES:
        values = plant(subject, story, n_voxels)
        with h5py.File(root / f"{story}.hf5", "w") as file:
            file["data"] = values.mean(axis=0)
            if story == "wheretheressmoke":
                file["individual_repeats"] = values
    return root


def load(folder, **options):
    return nl.load_dataset("lebel2023", folder=folder, **options)


def test_responses_are_the_planted_numbers(tmp_path):
    write_subject(tmp_path, "UTS02")
    brain = load(tmp_path, stories=["souls", "wheretheressmoke"])
    responses = brain.responses
    parts = [plant("UTS02", story).mean(axis=0) for story in ("souls", "wheretheressmoke")]
    np.testing.assert_array_equal(responses, np.concatenate(parts))
    assert list(responses.stimulus_id.values) == [
        "souls.0000", "souls.0001", "wheretheressmoke.0000", "wheretheressmoke.0001",
        "wheretheressmoke.0002",
    ]  # fmt: skip
    assert list(responses.story.values[1:3]) == ["souls", "wheretheressmoke"]
    assert list(responses.volume.values) == [0, 1, 0, 1, 2]
    assert list(responses.neuroid_id.values[:2]) == ["UTS02.000000", "UTS02.000001"]
    assert brain.regions == ["cortex"]
    split = brain.splits["lebel2023"]
    assert split["train"] == ["souls.0000", "souls.0001"]
    assert len(split["test"]) == 3


def test_the_default_is_the_test_story_and_its_repeats_can_be_had(tmp_path):
    write_subject(tmp_path, "UTS02")
    values = plant("UTS02", "wheretheressmoke")
    np.testing.assert_array_equal(load(tmp_path).responses, values.mean(axis=0))
    repeats = load(tmp_path, repeats=True).responses
    np.testing.assert_array_equal(repeats, values.reshape(6, 5))
    assert list(repeats.repetition.values) == [0, 0, 0, 1, 1, 1]
    assert list(repeats.volume.values) == [0, 1, 2, 0, 1, 2]
    with pytest.raises(InputError, match="only 'wheretheressmoke' was repeated"):
        load(tmp_path, stories="souls", repeats=True)


def test_subjects_have_voxels_of_their_own(tmp_path):
    write_subject(tmp_path, "UTS01")
    root = write_subject(tmp_path, "UTS03", n_voxels=4)
    with h5py.File(root / "wheretheressmoke.hf5", "w") as file:
        file["data"] = plant("UTS03", "wheretheressmoke", 4).mean(axis=0)[:2]
    both = load(tmp_path).responses
    assert both.sizes == {"presentation": 3, "neuroid": 9}
    np.testing.assert_array_equal(both[:, :5], plant("UTS01", "wheretheressmoke").mean(axis=0))
    expected = plant("UTS03", "wheretheressmoke", 4).mean(axis=0)[:2]
    np.testing.assert_array_equal(both[:2, 5:], expected)
    assert np.isnan(both[2, 5:]).all()
    assert list(both.subject.values) == ["UTS01"] * 5 + ["UTS03"] * 4


def test_only_the_stories_asked_for_are_read(tmp_path):
    root = write_subject(tmp_path, "UTS02")
    (root / "souls.hf5").write_bytes(b"not read")
    assert load(tmp_path).responses.sizes["presentation"] == 3
    with pytest.raises(DataError, match="souls.hf5 cannot be read"):
        load(tmp_path, stories="souls")


@pytest.mark.parametrize("stories", [[], "../souls", ["souls", 3], None])
def test_stories_are_names(tmp_path, stories):
    write_subject(tmp_path, "UTS02")
    with pytest.raises(InputError, match="stories must be a name or names like 'wheretheressmoke'"):
        load(tmp_path, stories=stories)


def test_a_damaged_copy_is_named(tmp_path):
    with pytest.raises(DataError, match="there is no UTS01 .*OpenNeuro ds003020"):
        load(tmp_path)
    root = write_subject(tmp_path, "UTS02")
    with pytest.raises(InputError, match="names one twice"):
        load(tmp_path, stories=["souls", "souls"])
    with pytest.raises(DataError, match="UTS02 has no story 'life' in .*It has 'souls', 'whereth"):
        load(tmp_path, stories="life")
    path = root / "wheretheressmoke.hf5"
    values = plant("UTS02", "wheretheressmoke")
    with h5py.File(path, "w") as file:
        file["data"] = values.mean(axis=0).T
    with pytest.raises(
        DataError, match=r"wheretheressmoke.hf5 must be \(volume, voxel\).*\(5, 3\)"
    ):
        load(tmp_path)
    with h5py.File(path, "w") as file:
        file["data"] = values.mean(axis=0)
        file["individual_repeats"] = values.swapaxes(0, 1)
    with pytest.raises(DataError, match="'individual_repeats' in .*wheretheressmoke.hf5 must be"):
        load(tmp_path, repeats=True)
    with h5py.File(path, "w") as file:
        file["other"] = values
    with pytest.raises(DataError, match="wheretheressmoke.hf5 holds no array 'data'"):
        load(tmp_path)
    with h5py.File(path, "w") as file:
        file["data"] = values.mean(axis=0)[:, :4]
    with pytest.raises(DataError, match="the stories of UTS02 in .* have different voxels"):
        load(tmp_path, stories=["souls", "wheretheressmoke"])
