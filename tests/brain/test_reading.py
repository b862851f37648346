import gzip
import os
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

import neurolens as nl
from neurolens.brain.images import streams
from neurolens.errors import DataError, InputError, LabelError

MIRROR = os.environ.get("NEUROLENS_MIRROR")
SHAPE = (6, 5, 4)
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2.5, -72], [0, 0, 0, 1]])


def save(path, values, affine=AFFINE):
    nibabel.save(nibabel.Nifti1Image(np.asarray(values, dtype=np.float32), affine), path)
    return path


@pytest.fixture
def files(tmp_path, rng):
    """Return the paths of two runs of 8 betas, a mask, an atlas, two regions that overlap."""
    betas = rng.standard_normal((2, *SHAPE, 8)).astype(np.float32)
    paths = [save(tmp_path / f"sub-07_run-{k}_betas.nii", one) for k, one in enumerate(betas, 1)]
    mask = rng.random(SHAPE) < 0.5
    atlas = np.zeros(SHAPE)
    atlas[:2] = 3
    atlas[2:4] = 7
    first, second = np.zeros((2, *SHAPE))
    first[:3] = 1
    second[2:5] = 1
    events = []
    for k in range(2):
        table = pd.DataFrame(
            {"onset": np.arange(8.0), "trial_type": [f"pic{i}.png" for i in rng.permutation(8)]}
        )
        events.append(tmp_path / f"sub-07_run-{k + 1}_events.tsv")
        table.to_csv(events[-1], sep="\t", index=False)
    return {
        "betas": betas,
        "paths": paths,
        "mask": save(tmp_path / "mask.nii.gz", mask),
        "inside": mask,
        "atlas": save(tmp_path / "atlas.nii.gz", atlas),
        "regions": {
            "V1": save(tmp_path / "v1.nii.gz", first),
            "V2": save(tmp_path / "v2.nii.gz", second),
        },
        "events": events,
    }


def test_runs_of_betas_in_a_mask(files):
    """Voxels stand in C order of the image, with their places in mm."""
    found = nl.read_responses(files["paths"], events=files["events"], mask=files["mask"])
    inside = files["inside"]
    expected = np.concatenate([run[inside].T for run in files["betas"]])
    np.testing.assert_array_equal(found.values, expected)
    assert found.dims == ("presentation", "neuroid")
    assert found.run.values.tolist() == ["1"] * 8 + ["2"] * 8
    assert set(found.subject.values) == {"07"}
    index = np.argwhere(inside)
    places = nibabel.affines.apply_affine(AFFINE, index)
    found_places = np.stack([found[f"voxel_{axis}"] for axis in "xyz"], axis=1)
    np.testing.assert_allclose(found_places, places)
    assert found.neuroid_id.values[0] == "-".join(map(str, index[0]))
    ids = [pd.read_csv(path, sep="\t").trial_type for path in files["events"]]
    assert found.stimulus_id.values.tolist() == pd.concat(ids).tolist()
    assert found.onset.values.tolist() == [*range(8), *range(8)]


def test_an_atlas_with_names(files, tmp_path):
    table = tmp_path / "labels.tsv"
    table.write_text("index\tname\n3\tV1\n7\tIT\n")
    for labels in ({3: "V1", 7: "IT"}, table, pd.read_csv(table, sep="\t")):
        found = nl.read_responses(
            files["paths"][0], events=files["events"][0], regions=(files["atlas"], labels)
        )
        assert found.region.values.tolist() == ["V1"] * 40 + ["IT"] * 40
        np.testing.assert_array_equal(found.values, files["betas"][0][:4].reshape(80, 8).T)
    both = nl.read_responses(
        files["paths"][0], events=files["events"][0], regions=(files["atlas"], {3: "A", 7: "A"})
    )
    assert set(both.region.values) == {"A"}
    with pytest.raises(LabelError, match="holds the numbers 7, which labels do not name"):
        nl.read_responses(
            files["paths"][0], events=files["events"][0], regions=(files["atlas"], ["a", "b", "c"])
        )


def test_regions_that_overlap_work_throughout(files):
    found = nl.read_responses(files["paths"], events=files["events"], regions=files["regions"])
    assert "region" not in found.coords
    assert found.region_V1.values.sum() == 60
    assert (found.region_V1 & found.region_V2).values.sum() == 20
    rdms = nl.compute_rdms(found)
    assert rdms.region.values.tolist() == ["V1", "V2"]
    alone = nl.read_responses(
        files["paths"], events=files["events"], regions={"V2": files["regions"]["V2"]}
    )
    np.testing.assert_allclose(rdms.sel(region="V2"), nl.compute_rdms(alone).squeeze("region"))


def test_without_a_mask_voxels_that_change(files, tmp_path):
    betas = files["betas"][0].copy()
    betas[0] = 0
    betas[1] = np.nan
    path = save(tmp_path / "betas.nii.gz", betas)
    found = nl.read_responses(path, events=[f"s{i}" for i in range(8)])
    assert found.sizes["neuroid"] == 4 * 5 * 4
    assert "subject" not in found.coords
    with pytest.warns(RuntimeWarning) as told:
        chosen = nl.read_responses(
            path, events=[f"s{i}" for i in range(8)], mask=files["regions"]["V1"]
        )
    assert [str(one.message)[:51] for one in told] == [
        "20 voxels of 60 in the mask are NaN throughout, and",
        "20 voxels of 60 in the mask are 0 throughout, and l",
    ]
    np.testing.assert_array_equal(chosen, betas[2].reshape(-1, 8).T)


def test_regions_outside_of_the_brain(files, tmp_path):
    """Zeros outside the field of view are no responses: they would change correlations."""
    betas = files["betas"][0].copy()
    betas[4:] = 0
    outside = np.zeros(SHAPE)
    outside[5] = 1
    regions = files["regions"] | {"far": save(tmp_path / "far.nii.gz", outside)}
    path = save(tmp_path / "betas.nii.gz", betas)
    with pytest.warns(RuntimeWarning) as told:
        found = nl.read_responses(path, events=list("abcdefgh"), regions=regions)
    assert "40 voxels of 120 in the mask are 0 throughout" in str(told[0].message)
    assert "no voxels are left of the regions 'far'" in str(told[1].message)
    np.testing.assert_array_equal(found, betas[:4].reshape(-1, 8).T)
    assert [name for name in found.coords if name.startswith("region")] == [
        "region_V1",
        "region_V2",
    ]


def test_masks_with_fractions_are_told(files, tmp_path):
    blurred = np.zeros(SHAPE)
    blurred[1] = 1
    blurred[2] = 0.05
    path = save(tmp_path / "blurred.nii.gz", blurred)
    with pytest.warns(RuntimeWarning, match="blurred.nii.gz holds 20 fractions between 0 and 1, a"):
        found = nl.read_responses(files["paths"], events=files["events"], mask=path)
    assert found.sizes["neuroid"] == 40


def test_pieces_of_compressed_files_do_not_change_numbers(files, monkeypatch):
    whole = nl.read_responses(files["paths"], events=files["events"], mask=files["mask"])
    packed = []
    for path, run in zip(files["paths"], files["betas"], strict=True):
        packed.append(save(path.with_suffix(".nii.gz"), run))
    monkeypatch.setattr(streams, "READ_BYTES", 7)
    parts = nl.read_responses(packed, events=files["events"], mask=files["mask"])
    np.testing.assert_array_equal(whole, parts)


def test_images_of_single_volumes_and_scaled_numbers(files, tmp_path):
    """Whole numbers of 16 bits with a scale, as NSD has them."""
    paths = []
    for k in range(3):
        values = np.rint(300 * files["betas"][0][..., k]).astype(np.int16)
        image = nibabel.Nifti1Image(values, AFFINE)
        image.header.set_slope_inter(1 / 300, 0)
        paths.append(tmp_path / f"b{k}.nii.gz")
        nibabel.save(image, paths[-1])
    found = nl.read_responses(paths, events=["a", "b", "c"], mask=files["mask"])
    expected = files["betas"][0][..., :3][files["inside"]].T
    np.testing.assert_allclose(found, expected, atol=1 / 300)


class TestRefused:
    def test_grids(self, files, tmp_path):
        moved = save(tmp_path / "moved.nii", files["betas"][1], AFFINE + np.eye(4)[:, [3, 0, 1, 2]])
        with pytest.raises(InputError, match=r"moved.nii and sub-07.* must be on one grid: \(6, 5"):
            nl.read_responses([files["paths"][0], moved], events=files["events"])
        other = save(tmp_path / "other.nii", np.ones((5, 5, 4)))
        with pytest.raises(InputError, match=r"other.nii and the responses must be .*resample_to"):
            nl.read_responses(files["paths"], events=files["events"], mask=other)

    def test_events(self, files, tmp_path):
        with pytest.raises(InputError, match="one row for each response, got 7 rows for 8"):
            nl.read_responses(files["paths"][0], events=[str(i) for i in range(7)])
        bare = pd.DataFrame({"onset": range(8)})
        with pytest.raises(
            InputError, match="a column that names the stimuli, one of 'stimulus_id"
        ):
            nl.read_responses(files["paths"][0], events=bare)
        gap = pd.DataFrame({"trial_type": ["a", "n/a", *"cdefgh"]})
        with pytest.raises(LabelError, match="'trial_type' is empty in 1 rows, first in row 1"):
            nl.read_responses(files["paths"][0], events=gap)
        with pytest.raises(DataError, match="there is no table of events at .*none.tsv"):
            nl.read_responses(files["paths"][0], events=tmp_path / "none.tsv")
        with pytest.raises(InputError, match="1 tables of events for 2 files"):
            nl.read_responses(files["paths"], events=files["events"][:1])

    @pytest.mark.parametrize("damage", ["cut", "twice", "text", "missing", "empty"])
    def test_damaged_images(self, files, tmp_path, damage):
        path = tmp_path / "betas.nii.gz"
        save(path, files["betas"][0])
        whole = path.read_bytes()
        path.unlink()
        content = {
            "cut": whole[: len(whole) // 2],
            "twice": gzip.compress(whole),
            "text": b"no image",
            "empty": b"",
        }.get(damage)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match=r"betas\.nii\.gz"):
            nl.read_responses(path, events=[str(i) for i in range(8)], mask=files["mask"])

    def test_masks_and_regions(self, files, tmp_path):
        nothing = save(tmp_path / "nothing.nii", np.zeros(SHAPE))
        with pytest.raises(InputError, match="no voxels are in the mask or the regions"):
            nl.read_responses(files["paths"], events=files["events"], mask=nothing)
        with pytest.raises(InputError, match="no voxels of the mask are of the regions 'none'"):
            nl.read_responses(
                files["paths"],
                events=files["events"],
                mask=files["mask"],
                regions={"V1": files["regions"]["V1"], "none": nothing},
            )
        blurred = save(tmp_path / "blurred.nii", np.full(SHAPE, 0.5))
        with pytest.raises(DataError, match="must hold the whole numbers of labels"):
            nl.read_responses(files["paths"], events=files["events"], regions=(blurred, {1: "a"}))
        with pytest.raises(InputError, match=r"regions must be \{name: mask\}, or \(atlas"):
            nl.read_responses(files["paths"], events=files["events"], regions="v1.nii")

    def test_affines(self, files, tmp_path):
        broken = nibabel.Nifti1Image(files["betas"][0], None)
        broken.header["sform_code"] = 1
        broken.header["srow_x"] = broken.header["srow_y"] = broken.header["srow_z"] = 0
        nibabel.save(broken, tmp_path / "broken.nii")
        with pytest.raises(DataError, match="has no valid affine"):
            nl.read_responses(tmp_path / "broken.nii", events=list("abcdefgh"))

    def test_opened_images(self, files):
        opened = nibabel.load(files["paths"][0])
        with pytest.raises(
            InputError, match="source, Nifti1Image, is an opened image. Pass the pa"
        ):
            nl.read_responses(opened, events=list("abcdefgh"))

    def test_events_in_another_order_than_the_images(self, files):
        table = pd.DataFrame({"trial_type": [*"abcdefgh"] * 2, "run": [2] * 8 + [1] * 8})
        with pytest.raises(InputError, match=r"row 0 has run '2' beside sub-07_run-1_betas.nii"):
            nl.read_responses(files["paths"], events=table)
        with pytest.raises(InputError, match=r"row 0 has run '2' beside sub-07_run-1_betas.nii"):
            nl.read_responses(files["paths"], events=[table[:8], table[8:]])
        sorted_rows = nl.read_responses(files["paths"], events=[table[8:], table[:8]])
        assert sorted_rows.run.values.tolist() == [1] * 8 + [2] * 8

    def test_files_in_different_orders(self, files):
        with pytest.raises(InputError, match=r"run-1_betas.nii stands with sub-07_run-2_events"):
            nl.read_responses(files["paths"], events=files["events"][::-1])

    def test_several_subjects(self, files, tmp_path):
        other = save(tmp_path / "sub-08_run-2_betas.nii", files["betas"][1])
        events = [f"s{i}" for i in range(16)]
        with pytest.raises(InputError, match="the files are of several subjects, '07', '08'"):
            nl.read_responses([files["paths"][0], other], events=events)
        with pytest.raises(InputError, match="subject must be the label of one subject, got list"):
            nl.read_responses(files["paths"][0], events=events[:8], subject=["a"])

    @pytest.mark.parametrize(
        ("labels", "error", "message"),
        [
            (["Background", "V1", "V2"], InputError, "the first is the background"),
            (list("abcdefgh"), InputError, "there are 8 for numbers up to 7"),
            ({"V1": 3}, InputError, "name whole numbers, got 'V1'"),
            ({3: "V1", 7: None}, LabelError, "a label of an atlas has no name"),
            (pd.DataFrame({"index": [3, 3], "name": ["a", "b"]}), LabelError, "must be unique"),
        ],
    )
    def test_labels(self, files, labels, error, message):
        with pytest.raises(error, match=message):
            nl.read_responses(
                files["paths"][0], events=files["events"][0], regions=(files["atlas"], labels)
            )

    def test_files_of_another_kind(self, files, tmp_path):
        with pytest.raises(InputError, match="responses are read from images .* got 'a.doc'"):
            nl.read_responses("a.doc", events=["a"])
        with pytest.raises(InputError, match="responses are one array, or files"):
            nl.read_responses([files["paths"][0], np.zeros(3)], events=["a"])


@pytest.mark.skipif(not MIRROR, reason="NEUROLENS_MIRROR names no folder with data sets")
def test_the_half_slice_of_haxby():
    folder = Path(MIRROR) / "haxby2001_slice"
    table = pd.read_csv(folder / "attributes_literal.txt", sep=r"\s+", names=["trial_type", "run"])
    found = nl.read_responses(folder / "bold.nii.gz", events=table, mask=folder / "mask.nii.gz")
    inside = nibabel.load(folder / "mask.nii.gz").get_fdata() > 0
    expected = nibabel.load(folder / "bold.nii.gz").get_fdata()[inside].T
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.sizes["neuroid"] == 530
