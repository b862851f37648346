import nibabel
import numpy as np
import pytest
import xarray as xr

import neurolens as nl
from neurolens.brain import read_map, write_map
from neurolens.errors import DataError, InputError, LabelError

AFFINE = np.diag([2.0, 2, 3, 1])
SHAPE = (4, 5, 3)


@pytest.fixture
def responses(tmp_path, rng):
    betas = rng.standard_normal((*SHAPE, 6)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(betas, AFFINE), tmp_path / "betas.nii")
    mask = rng.random(SHAPE) < 0.4
    return nl.read_responses(tmp_path / "betas.nii", events=list("abcdef"), mask=mask)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("outside", [np.nan, 0.0])
def test_a_map_is_read_back(responses, tmp_path, rng, suffix, outside):
    values = responses.isel(presentation=0, drop=True)
    moved = values.isel(neuroid=rng.permutation(values.sizes["neuroid"]))
    path = write_map(moved, tmp_path / f"map{suffix}", like=responses, outside=outside)
    image = nibabel.load(path)
    np.testing.assert_array_equal(image.affine, AFFINE)
    assert image.shape == SHAPE
    np.testing.assert_array_equal(read_map(path, like=responses), values)
    rest = np.ones(SHAPE, dtype=bool)
    rest[responses.index_i, responses.index_j, responses.index_k] = False
    np.testing.assert_array_equal(image.get_fdata()[rest], outside)


def test_scores_of_ops_are_volumes(responses, tmp_path, rng):
    features = xr.DataArray(
        rng.normal(size=(6, 3)), dims=("stimulus", "feature"), coords={"stimulus": list("abcdef")}
    )
    scores = nl.fit_encoding(features, responses, cv=2, n_splits=0)
    path = write_map(scores["r"], tmp_path / "r.nii.gz", like=responses)
    again = read_map(path, like=responses)
    np.testing.assert_allclose(again, scores["r"], rtol=1e-6)
    assert again.dims == scores["r"].dims


def test_voxels_that_are_not_there_stay_empty(responses, tmp_path):
    some = responses.isel(presentation=0, neuroid=slice(3), drop=True)
    path = write_map(some, tmp_path / "some.nii", like=responses)
    back = read_map(path, like=responses)
    np.testing.assert_array_equal(back[:3], some)
    assert back[3:].isnull().all()


def test_errors(responses, tmp_path):
    values = responses.isel(presentation=0, drop=True)
    path = write_map(values, tmp_path / "map.nii", like=responses)
    with pytest.raises(DataError, match="map.nii exists. Pass overwrite=True"):
        write_map(values, path, like=responses)
    write_map(values, path, like=responses, overwrite=True)
    with pytest.raises(InputError, match=r"written as \.nii or \.nii\.gz, .* got 'map.png'"):
        write_map(values, tmp_path / "map.png", like=responses)
    with pytest.raises(InputError, match="there is no affine, shape"):
        write_map(values, tmp_path / "a.nii", like=responses.drop_attrs())
    with pytest.raises(LabelError, match="values need the coordinate 'neuroid_id'"):
        write_map(values.drop_vars("neuroid_id"), tmp_path / "a.nii", like=responses)
    with pytest.raises(LabelError, match="hold 1 neuroids that like lacks"):
        write_map(values, tmp_path / "a.nii", like=responses.isel(neuroid=slice(1, None)))
    with pytest.raises(InputError, match="at most one other dimension, got"):
        write_map(responses.expand_dims("op"), tmp_path / "a.nii", like=responses)
    nibabel.save(nibabel.Nifti1Image(np.zeros(SHAPE), np.eye(4)), tmp_path / "other.nii")
    with pytest.raises(InputError, match="other.nii and the responses must be on one grid"):
        read_map(tmp_path / "other.nii", like=responses)
    assert not list(tmp_path.glob("tmp*"))


def test_arguments_of_other_kinds(responses, tmp_path):
    for like in (None, responses.values, responses.mean("neuroid")):
        with pytest.raises(
            InputError, match="like must be responses over 'neuroid', from read_res"
        ):
            write_map(responses[0], tmp_path / "a.nii", like=like)
        with pytest.raises(InputError, match="like must be responses over 'neuroid'"):
            read_map(tmp_path / "a.nii", like=like)
    with pytest.raises(InputError, match="outside must be a number, NaN or 0, got 'nan'"):
        write_map(responses[0], tmp_path / "a.nii", like=responses, outside="nan")


def test_maps_of_another_subject_are_refused(responses, tmp_path):
    values = responses.isel(presentation=0, drop=True)
    one, two = (
        array.assign_coords(subject=("neuroid", [name] * array.sizes["neuroid"]))
        for array, name in ((values, "01"), (responses, "02"))
    )
    with pytest.raises(LabelError, match="values are of subject '01' and like of '02'"):
        write_map(one, tmp_path / "a.nii", like=two)


def test_searchlights_have_their_centers_as_regions(responses, tmp_path, rng):
    ids = responses.neuroid_id.values
    scores = xr.DataArray(
        rng.normal(size=(2, len(ids))),
        dims=("op", "region"),
        coords={"op": ["a", "b"], "region": ids},
    )
    path = write_map(scores, tmp_path / "search.nii", like=responses)
    again = read_map(path, like=responses)
    np.testing.assert_allclose(again, scores.values, rtol=1e-6)
    assert again.dims == ("op", "neuroid")
    assert again.op.values.tolist() == ["a", "b"]


def test_numbers_that_single_precision_does_not_hold(responses, tmp_path):
    values = responses.isel(presentation=0, drop=True).astype(float) * 1e300
    with pytest.raises(InputError, match="the map holds numbers beyond single precision"):
        write_map(values, tmp_path / "a.nii", like=responses)
    with pytest.raises(InputError, match="a map holds real numbers or text, got complex128"):
        write_map(values * 1j, tmp_path / "a.nii", like=responses)
