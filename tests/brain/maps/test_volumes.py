"""Maps as NIfTI: names, header fields, and every producer of values."""

import json

import nibabel
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import neurolens as nl
from neurolens.brain import read_map, write_map
from neurolens.errors import DataError, InputError, LabelError

AFFINE = np.diag([2.0, 2, 3, 1])
SHAPE = (4, 5, 3)
ATLAS = np.zeros(SHAPE, dtype=np.int16)
ATLAS[:2] = 1
ATLAS[2:3] = 2


@pytest.fixture
def responses(tmp_path, rng):
    """Return responses to 12 stimuli of 45 voxels in two regions."""
    nibabel.save(nibabel.Nifti1Image(rng.standard_normal((*SHAPE, 12)), AFFINE), tmp_path / "b.nii")
    nibabel.save(nibabel.Nifti1Image(ATLAS, AFFINE), tmp_path / "atlas.nii")
    return nl.read_responses(
        tmp_path / "b.nii",
        events=list("abcdefghijkl"),
        regions=(tmp_path / "atlas.nii", {1: "V1", 2: "IT"}),
        subject="01",
    )


def build_values(responses, values, **coords):
    return xr.DataArray(
        values,
        dims=(*coords, "neuroid"),
        coords={**coords, "neuroid_id": ("neuroid", responses.neuroid_id.values)},
        name="r",
    )


@given(
    numbers=st.lists(st.floats(width=32), min_size=1, max_size=9),
    labels=st.lists(st.text(min_size=1), min_size=3, max_size=3, unique=True),
    outside=st.sampled_from([np.nan, 0.0]),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
)
def test_what_is_written_is_read_back(tmp_path_factory, numbers, labels, outside, suffix):
    folder = tmp_path_factory.mktemp("maps")
    values = np.resize(np.array(numbers, dtype=np.float32), (3, 45))
    index = np.argwhere(ATLAS > 0)
    like = xr.DataArray(
        np.zeros((1, 45)),
        dims=("presentation", "neuroid"),
        coords={
            "neuroid_id": ("neuroid", ["-".join(map(str, one)) for one in index.tolist()]),
            **{f"index_{k}": ("neuroid", index[:, n]) for n, k in enumerate("ijk")},
        },
        attrs={"affine": AFFINE.ravel().tolist(), "shape": list(SHAPE)},
    )
    written = build_values(like, values, op=labels)
    path = write_map(written, folder / f"m{suffix}", like=like, outside=outside)
    found = read_map(path, like=like)
    np.testing.assert_array_equal(found, values)
    assert found.op.values.tolist() == labels
    assert found.name == "r"


@pytest.mark.parametrize("labels", [["a", "b"], ["0", "1"], [3, 7], [0.5, 1.25]])
def test_names_of_maps_are_kept(responses, tmp_path, rng, labels):
    values = build_values(responses, rng.random((2, 45)), step=labels)
    path = write_map(values, tmp_path / "m.nii.gz", like=responses)
    found = read_map(path, like=responses)
    assert found.dims == ("step", "neuroid")
    assert found.step.values.tolist() == labels
    extension = nibabel.load(path).header.extensions[0]
    assert json.loads(extension.get_content())["neurolens_map"]["dim"] == "step"


def test_a_file_of_another_program_has_numbered_volumes(responses, tmp_path, rng):
    values = rng.random((*SHAPE, 2))
    nibabel.save(nibabel.Nifti1Image(values, AFFINE), tmp_path / "m.nii")
    found = read_map(tmp_path / "m.nii", like=responses)
    assert found.dims == ("volume", "neuroid")
    np.testing.assert_array_equal(found, values[ATLAS > 0].T.astype(np.float32))


def test_a_file_that_another_program_changed(responses, tmp_path, rng):
    values = build_values(responses, rng.random((2, 45)), op=["a", "b"])
    image = nibabel.load(write_map(values, tmp_path / "m.nii", like=responses))
    nibabel.save(image.slicer[..., :1], tmp_path / "one.nii")
    with pytest.raises(DataError, match="one.nii holds 1 maps and names 'a', 'b'. It was changed"):
        read_map(tmp_path / "one.nii", like=responses)
    names = build_values(responses, np.resize(["a", "b"], 45))
    image = nibabel.load(write_map(names, tmp_path / "n.nii", like=responses))
    half = nibabel.Nifti1Image(image.get_fdata() * 0.5, AFFINE, image.header)
    half.set_data_dtype(np.float32)
    nibabel.save(half, tmp_path / "half.nii")
    with pytest.raises(DataError, match="must hold the whole numbers up to 2 that it names"):
        read_map(tmp_path / "half.nii", like=responses)
    content = b'{"neurolens_map": {"dim": "op"}}'
    image.header.extensions[:] = [nibabel.nifti1.Nifti1Extension(6, content)]
    nibabel.save(image, tmp_path / "bad.nii")
    with pytest.raises(DataError, match="the names of the maps in bad.nii are damaged"):
        read_map(tmp_path / "bad.nii", like=responses)


def test_texts_are_numbers_with_names(responses, tmp_path):
    ops = np.resize(["relu", "", "conv", "relu"], 45)
    values = build_values(responses, ops)
    path = write_map(values, tmp_path / "best.nii.gz", like=responses)
    image = nibabel.load(path)
    assert image.header.get_intent()[0] == "label"
    assert image.get_data_dtype() == np.int32
    expected = np.select([ops == "relu", ops == "conv"], [1, 2])
    np.testing.assert_array_equal(np.asarray(image.dataobj)[ATLAS > 0], expected)
    assert (np.asarray(image.dataobj)[ATLAS == 0] == 0).all()
    assert read_map(path, like=responses).values.tolist() == ops.tolist()
    order = write_map(values, path, like=responses, labels=["conv", "pool", "relu"], overwrite=True)
    expected = np.select([ops == "relu", ops == "conv"], [3, 1])
    np.testing.assert_array_equal(nibabel.load(order).get_fdata()[ATLAS > 0], expected)
    assert read_map(order, like=responses).values.tolist() == ops.tolist()
    with pytest.raises(LabelError, match="labels lack 'conv', which values hold"):
        write_map(values, tmp_path / "x.nii", like=responses, labels=["relu"])
    with pytest.raises(InputError, match="labels= is for values that are text"):
        write_map(responses[0], tmp_path / "x.nii", like=responses, labels=["relu"])


def test_names_that_are_all_empty(responses, tmp_path):
    values = build_values(responses, np.full(45, "", dtype=object))
    with pytest.raises(InputError, match="no neuroid has a name in values: all are empty"):
        write_map(values, tmp_path / "n.nii", like=responses)


def test_whole_numbers(responses, tmp_path):
    values = build_values(responses, np.arange(45))
    path = write_map(values, tmp_path / "n.nii", like=responses)
    np.testing.assert_array_equal(read_map(path, like=responses), values)
    with pytest.raises(InputError, match="whole numbers exactly up to 16777216, and values go be"):
        write_map(values + 2**24, path, like=responses, overwrite=True)


@pytest.mark.parametrize(("q_code", "s_code"), [(1, 1), (1, 0), (0, 4), (3, 2)])
def test_transforms_of_the_input_are_kept(tmp_path, rng, q_code, s_code):
    """Oblique images too, and a qform that differs from the sform."""
    turn = np.array([[0.8, -0.6, 0, 1], [0.6, 0.8, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
    affine = turn @ np.diag([-2, 2, 3.5, 1])
    image = nibabel.Nifti1Image(rng.standard_normal((*SHAPE, 4)), affine)
    image.set_sform(affine, s_code)
    image.set_qform(affine, q_code)
    nibabel.save(image, tmp_path / "b.nii")
    like = nl.read_responses(tmp_path / "b.nii", events=list("abcd"))
    path = write_map(like[0], tmp_path / "m.nii.gz", like=like)
    before = nibabel.load(tmp_path / "b.nii").header
    after = nibabel.load(path).header
    for key in ("qform_code", "sform_code"):
        assert before[key] == after[key]
    np.testing.assert_allclose(before.get_best_affine(), after.get_best_affine(), atol=1e-5)
    np.testing.assert_allclose(before.get_qform(), after.get_qform(), atol=1e-5)
    np.testing.assert_allclose(before.get_zooms()[:3], after.get_zooms()[:3], rtol=1e-6)
    assert after.get_xyzt_units()[0] == "mm"
    assert b"nan where there is none" in after["descrip"].tobytes()
    np.testing.assert_array_equal(read_map(path, like=like), like[0])


def test_two_transforms_are_both_kept(tmp_path, rng):
    image = nibabel.Nifti1Image(rng.standard_normal((*SHAPE, 4)), AFFINE)
    moved = AFFINE.copy()
    moved[:3, 3] = 4
    image.set_sform(AFFINE, 4)
    image.set_qform(moved, 1)
    nibabel.save(image, tmp_path / "b.nii")
    with pytest.warns(RuntimeWarning, match="places its voxels in two ways"):
        like = nl.read_responses(tmp_path / "b.nii", events=list("abcd"))
    header = nibabel.load(write_map(like[0], tmp_path / "m.nii", like=like)).header
    np.testing.assert_allclose(header.get_qform(), moved)
    np.testing.assert_allclose(header.get_sform(), AFFINE)


def test_responses_that_went_through_a_file(responses, tmp_path):
    """Attributes of netCDF come back as arrays and single values."""
    responses.to_netcdf(tmp_path / "r.nc", engine="h5netcdf")
    again = xr.load_dataarray(tmp_path / "r.nc", engine="h5netcdf")
    path = write_map(again[0], tmp_path / "m.nii", like=again)
    np.testing.assert_array_equal(read_map(path, like=responses), responses[0])


class TestProducers:
    """Whatever function makes values of neuroids or regions, they can be written."""

    @pytest.fixture
    def features(self, rng):
        return [
            xr.DataArray(
                rng.normal(size=(12, 4)),
                dims=("stimulus", "feature"),
                coords={"stimulus": list("abcdefghijkl")},
            )
            for _ in range(3)
        ]

    def test_encoding_per_voxel_and_its_best_op(self, responses, features, tmp_path):
        fits = [nl.fit_encoding(one, responses, cv=3, n_splits=0) for one in features]
        r = xr.concat([one["r"] for one in fits], "op").assign_coords(op=["a", "b", "c"])
        path = write_map(r, tmp_path / "r.nii.gz", like=responses)
        found = read_map(path, like=responses)
        np.testing.assert_array_equal(found, r.astype(np.float32))
        assert found.op.values.tolist() == ["a", "b", "c"]
        best = r.idxmax("op")
        path = write_map(best, tmp_path / "best.nii.gz", like=responses, labels=list("abc"))
        assert read_map(path, like=responses).values.tolist() == best.values.tolist()
        score = fits[0]["score"].isel(op=0)
        found = read_map(write_map(score, tmp_path / "s.nii", like=responses), like=responses)
        assert set(found.values[responses.region == "V1"]) == {
            np.float32(score.sel(region="V1").item())
        }

    def test_regions(self, responses, features, tmp_path):
        models = dict(zip("abc", features, strict=True))
        rdms = xr.concat([nl.compute_rdms(one) for one in models.values()], "op")
        rdms = rdms.assign_coords(op=list("abc"))
        scores = nl.compare_rdms(rdms, nl.compute_rdms(responses))
        best = nl.assign_regions(scores)
        for name in ("naive_score", "heldout_mean", "heldout_p", "peak_depth", "doubtful"):
            path = write_map(best[name], tmp_path / f"{name}.nii", like=responses)
            found = read_map(path, like=responses)
            expected = best[name].sel(region=responses.region.values).astype(np.float32)
            np.testing.assert_array_equal(found, expected)
        path = write_map(best["best_op"], tmp_path / "best.nii", like=responses)
        expected = best.best_op.sel(region=responses.region.values).values
        assert read_map(path, like=responses).values.tolist() == expected.tolist()
        path = write_map(scores["score_mean"], tmp_path / "all.nii", like=responses)
        assert read_map(path, like=responses).op.values.tolist() == list("abc")
        peaks = nl.compare.locate_peaks(scores)
        write_map(peaks["peak_depth"], tmp_path / "depth.nii", like=responses)
        only = best["peak_depth"].sel(region=["V1"])
        found = read_map(write_map(only, tmp_path / "v1.nii", like=responses), like=responses)
        assert found[responses.region.values == "IT"].isnull().all()

    def test_searchlights(self, responses, features, tmp_path):
        model = nl.compute_rdms(features[0])
        scores = nl.compare.compare_searchlight(model, responses, radius=3.5)
        for values in (scores["score"], scores["score_mean"], scores["n_voxels"]):
            found = read_map(
                write_map(values, tmp_path / "a.nii", like=responses, overwrite=True),
                like=responses,
            )
            expected = values.squeeze().sel(region=responses.neuroid_id.values)
            np.testing.assert_array_equal(found.squeeze(), expected.astype(np.float32))

    def test_the_best_op_of_searchlights(self, responses, features, tmp_path):
        """Centers without a score have no best op."""
        rdms = xr.concat([nl.compute_rdms(one) for one in features], "op")
        rdms = rdms.assign_coords(op=["a", "b", "c"])
        scores = nl.compare.compare_searchlight(rdms, responses, radius=3.5)
        mean = scores["score_mean"].copy()
        mean[:, :5] = np.nan
        best = mean.idxmax("op")
        path = write_map(best, tmp_path / "best.nii.gz", like=responses, labels=rdms.op.values)
        found = read_map(path, like=responses)
        assert found[:5].values.tolist() == [""] * 5
        expected = best.sel(region=responses.neuroid_id.values[5:])
        assert found[5:].values.tolist() == expected.values.tolist()

    def test_p_of_permutations(self, responses, features, tmp_path):
        tested = nl.compare.permute_encoding(features[0], responses, cv=3, n_permutations=19)
        path = write_map(tested["p"], tmp_path / "p.nii", like=responses)
        found = read_map(path, like=responses)
        expected = tested["p"].sel(region=responses.region.values).astype(np.float32)
        np.testing.assert_array_equal(found.squeeze(), expected.squeeze())


class TestSubjects:
    def test_one_file_for_each(self, responses, tmp_path):
        two = xr.concat(
            [responses, responses.assign_coords(subject=("neuroid", ["02"] * 45))], "neuroid"
        )
        with pytest.raises(InputError, match="like is of several subjects, '01', '02', whose brai"):
            write_map(responses[0], tmp_path / "a.nii", like=two)
        with pytest.raises(
            InputError, match="values are of several subjects, '01', '02'. Write one"
        ):
            write_map(two[0], tmp_path / "a.nii", like=responses)
        scores = xr.DataArray(
            np.ones((2, 2)),
            dims=("region", "subject"),
            coords={"region": ["V1", "IT"], "subject": ["01", "02"]},
        )
        with pytest.raises(
            InputError, match=r"Write one file for each: values.sel\(subject='01'\)"
        ):
            write_map(scores, tmp_path / "a.nii", like=responses)
        write_map(scores.sel(subject="01"), tmp_path / "a.nii", like=responses)
        with pytest.raises(LabelError, match="values are of subject '02' and like of '01'"):
            write_map(scores.sel(subject=["02"]), tmp_path / "b.nii", like=responses)


def test_regions_that_are_not_there_or_overlap(responses, tmp_path):
    scores = xr.DataArray([1.0, 2.0], dims="region", coords={"region": ["V1", "V4"]})
    with pytest.raises(LabelError, match="of regions that like lacks: 'V4'; it has 'V1', 'IT'"):
        write_map(scores, tmp_path / "a.nii", like=responses)
    members = responses.drop_vars("region").assign_coords(
        region_V1=("neuroid", np.arange(45) < 20), region_V4=("neuroid", np.arange(45) > 15)
    )
    with pytest.raises(InputError, match="4 neuroids are in several of the regions"):
        write_map(scores, tmp_path / "a.nii", like=members)
    found = read_map(write_map(scores[:1], tmp_path / "a.nii", like=members), like=members)
    assert found.notnull().sum() == 20


def test_regions_that_are_called_as_neuroids_are(responses, tmp_path):
    names = responses.neuroid_id.values[:2]
    scores = xr.DataArray([1.0, 2.0], dims="region", coords={"region": names})
    same = responses.assign_coords(region=("neuroid", np.resize(names, 45)))
    with pytest.raises(
        LabelError, match="are ids of neuroids of like, and names of its regions to"
    ):
        write_map(scores, tmp_path / "a.nii", like=same)


def test_values_without_regions_are_of_all_neuroids(responses, tmp_path):
    scores = xr.DataArray([1.5], dims="region", coords={"region": ["brain"]})
    bare = responses.drop_vars("region")
    found = read_map(write_map(scores, tmp_path / "a.nii", like=bare), like=bare)
    assert (found == 1.5).all()
