"""Labels of voxels: ids over subjects, places in mm, regions that overlap."""

import nibabel
import numpy as np

from neurolens.datasets.neuroids import find_voxels, label_voxels

AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2.5, 0.1, -120], [0, 0, 3, -70], [0, 0, 0, 1]])


def make_masks(rng, shape=(4, 5, 3)):
    first = rng.random(shape) < 0.3
    return {"V1": first, "V2": (rng.random(shape) < 0.3) & ~first}


def test_voxels_are_in_c_order_with_their_regions(rng):
    masks = make_masks(rng)
    voxels = find_voxels(masks, AFFINE)
    whole = masks["V1"] | masks["V2"]
    np.testing.assert_array_equal(voxels.places, np.argwhere(whole))
    np.testing.assert_array_equal(voxels.members["V2"], masks["V2"][whole])
    assert voxels.shape == (4, 5, 3)
    usable = np.arange(len(voxels.places)) % 2 == 0
    some = voxels.select(usable)
    np.testing.assert_array_equal(some.places, voxels.places[usable])
    np.testing.assert_array_equal(some.members["V1"], voxels.members["V1"][usable])
    assert some.shape == voxels.shape


def test_labels_say_subject_place_and_region(rng):
    voxels = find_voxels(make_masks(rng), AFFINE)
    coords = label_voxels({"s1": voxels, "s2": voxels.select(voxels.members["V1"])})
    names = coords["neuroid_id"][1]
    assert len(set(names)) == len(names) == len(voxels.places) + voxels.members["V1"].sum()
    subjects = coords["subject"][1].tolist()
    for k, (i, j, z) in enumerate(voxels.places):
        assert names[k] == f"s1.{i}-{j}-{z}"
        assert subjects[k] == "s1"
    expected = nibabel.affines.apply_affine(AFFINE, voxels.places)
    found = np.stack([coords[f"voxel_{axis}"][1] for axis in "xyz"], axis=1)
    np.testing.assert_allclose(found[: len(expected)], expected)
    assert set(coords["region"][1][len(expected) :]) == {"V1"}
    assert not [name for name in coords if name.startswith("region_")]


def test_regions_that_overlap_or_are_missing_in_a_subject_are_true_and_false(rng):
    whole = np.ones((2, 2, 2), dtype=bool)
    half = np.zeros_like(whole)
    half[0] = True
    first = find_voxels({"big": whole, "small": half}, AFFINE)
    coords = label_voxels({"s1": first, "s2": find_voxels({"big": half}, AFFINE)})
    assert "region" not in coords
    assert coords["region_big"][1].tolist() == [True] * 12
    assert coords["region_small"][1].tolist() == [True] * 4 + [False] * 8
