"""Maps as GIFTI and CIFTI."""

import nibabel
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from surface_files import (
    AFFINE,
    LEFT,
    N_LEFT,
    N_RIGHT,
    RIGHT,
    SHAPE,
    build_axis,
    save_gifti,
    save_labels,
    save_scalars,
)

import neurolens as nl
from neurolens.brain import read_map, write_map
from neurolens.errors import DataError, InputError

N_VERTICES = len(LEFT) + len(RIGHT)


def read_surfaces(folder, sides=("left", "right")):
    """Return responses to 4 stimuli of the vertices outside the medial wall."""
    rng = np.random.default_rng(3)
    paths = []
    for side, vertices, n in (("left", LEFT, N_LEFT), ("right", RIGHT, N_RIGHT)):
        maps = np.zeros((4, n))
        maps[:, vertices] = rng.standard_normal((4, len(vertices)))
        if side in sides:
            paths.append(save_gifti(folder / f"{side}.func.gii", maps, side))
    return nl.read_responses(paths, events=list("abcd"))


def read_grayordinates(folder):
    rng = np.random.default_rng(4)
    maps = rng.standard_normal((4, N_VERTICES + 8))
    return nl.read_responses(
        save_scalars(folder / "b.dscalar.nii", maps, build_axis()), events=list("abcd")
    )


def build_values(like, values, **coords):
    return xr.DataArray(
        values,
        dims=(*coords, "neuroid"),
        coords={**coords, "neuroid_id": ("neuroid", like.neuroid_id.values)},
        name="r",
    )


@given(
    numbers=st.lists(st.floats(width=32), min_size=1, max_size=9),
    labels=st.lists(st.text("abc/.: é1", min_size=1), min_size=2, max_size=2, unique=True),
    suffix=st.sampled_from([".func.gii", ".shape.gii", ".dscalar.nii", ".csv"]),
    outside=st.sampled_from([np.nan, 0.0]),
)
def test_what_is_written_is_read_back(tmp_path_factory, numbers, labels, suffix, outside):
    folder = tmp_path_factory.mktemp("maps")
    like = read_surfaces(folder)
    values = np.resize(np.array(numbers, dtype=np.float32), (2, N_VERTICES))
    # Tables are read without outer spaces.
    labels = [f"{k}{label}." for k, label in enumerate(labels)]
    written = build_values(like, values, op=labels)
    # The order of neuroids does not matter.
    shuffled = written.isel(neuroid=np.random.default_rng(0).permutation(N_VERTICES))
    path = folder / f"m{suffix}"
    write_map(shuffled, path, like=like, outside=outside)
    found = read_map(path, like=like)
    np.testing.assert_array_equal(found, values)
    assert found.op.values.tolist() == labels


def test_one_file_for_each_hemisphere(tmp_path):
    like = read_surfaces(tmp_path)
    paths = write_map(like[0], tmp_path / "sub-01_r.func.gii", like=like)
    assert [path.name for path in paths] == ["sub-01_r_hemi-L.func.gii", "sub-01_r_hemi-R.func.gii"]
    left, right = (nibabel.load(path) for path in paths)
    assert left.meta["AnatomicalStructurePrimary"] == "CortexLeft"
    assert right.meta["AnatomicalStructurePrimary"] == "CortexRight"
    whole = left.darrays[0].data
    assert whole.shape == (N_LEFT,)
    np.testing.assert_array_equal(whole[LEFT], like[0, : len(LEFT)])
    assert np.isnan(np.delete(whole, LEFT)).all()
    for one in (tmp_path / "sub-01_r.func.gii", paths, paths[::-1]):
        np.testing.assert_array_equal(read_map(one, like=like), like[0])
    with pytest.raises(DataError, match="sub-01_r_hemi-L.func.gii exists. Pass overwrite=True"):
        write_map(like[0], tmp_path / "sub-01_r.func.gii", like=like)
    with pytest.raises(DataError, match="there is no map at .*none.func.gii, nor .*none_hemi-L"):
        read_map(tmp_path / "none.func.gii", like=like)
    with pytest.raises(InputError, match="'r_hemi-L.func.gii' names a hemisphere, and there are t"):
        write_map(like[0], tmp_path / "r_hemi-L.func.gii", like=like)
    paths[1].unlink()
    with pytest.raises(InputError, match="lacks 6 of the 14 neuroids of the responses"):
        read_map(tmp_path / "sub-01_r.func.gii", like=like)


def test_one_hemisphere(tmp_path):
    like = read_surfaces(tmp_path, ["right"])
    [path] = write_map(like[0], tmp_path / "lone.func.gii", like=like)
    assert path.name == "lone_hemi-R.func.gii"
    [path] = write_map(like[0], tmp_path / "rh.lone.func.gii", like=like)
    assert path.name == "rh.lone.func.gii"
    np.testing.assert_array_equal(read_map(path, like=like), like[0])


def test_texts_are_labels(tmp_path):
    like = read_surfaces(tmp_path)
    ops = np.resize(["relu", "conv", ""], N_VERTICES)
    best = build_values(like, ops)
    paths = write_map(best, tmp_path / "best.label.gii", like=like)
    left = nibabel.load(paths[0])
    assert left.labeltable.get_labels_as_dict() == {0: "???", 1: "relu", 2: "conv"}
    assert left.darrays[0].intent == nibabel.nifti1.intent_codes["NIFTI_INTENT_LABEL"]
    assert read_map(paths, like=like).values.tolist() == ops.tolist()
    # The labels are regions.
    regions = nl.read_responses(
        [tmp_path / "left.func.gii", tmp_path / "right.func.gii"],
        events=list("abcd"),
        regions=paths,
    )
    kept = {one: op for one, op in zip(like.neuroid_id.values, ops, strict=True) if op}
    assert dict(zip(regions.neuroid_id.values, regions.region.values, strict=True)) == kept
    with pytest.raises(InputError, match="values are texts, and 'best.func.gii' is the name of nu"):
        write_map(best, tmp_path / "best.func.gii", like=like)
    with pytest.raises(InputError, match="is the name of labels, and values are numbers. Write 'r"):
        write_map(like[0], tmp_path / "r.label.gii", like=like)


def test_cifti_of_vertices_and_voxels(tmp_path, rng):
    like = read_grayordinates(tmp_path)
    values = build_values(like, rng.random((2, N_VERTICES + 8)).astype(np.float32), op=["a", "b"])
    path = write_map(values, tmp_path / "r.dscalar.nii", like=like)
    image = nibabel.load(path)
    names = image.header.get_axis(0)
    places = image.header.get_axis(1)
    assert names.name.tolist() == ["a", "b"]
    assert places == build_axis()
    np.testing.assert_array_equal(image.get_fdata(), values)
    found = read_map(path, like=like)
    np.testing.assert_array_equal(found, values)
    assert found.op.values.tolist() == ["a", "b"]


def test_neuroids_in_any_order(tmp_path, rng):
    """CIFTI keeps the places of a structure together; they are matched when read."""
    whole = read_grayordinates(tmp_path)
    like = whole.isel(neuroid=rng.permutation(whole.sizes["neuroid"])[:15])
    path = write_map(like[1], tmp_path / "r.dscalar.nii", like=like)
    np.testing.assert_array_equal(read_map(path, like=like), like[1])
    assert nibabel.load(path).shape == (1, 15)
    with pytest.raises(InputError, match="r.dscalar.nii lacks 7 of the 22 neuroids"):
        read_map(path, like=whole)
    [n_left] = [
        len(one)
        for name, _, one in nibabel.load(path).header.get_axis(1).iter_structures()
        if name.endswith("CORTEX_LEFT")
    ]
    assert n_left == (like.structure == "CORTEX_LEFT").sum()


def test_cifti_labels(tmp_path):
    like = read_grayordinates(tmp_path)
    ops = np.resize(["relu", "conv"], like.sizes["neuroid"])
    path = write_map(build_values(like, ops), tmp_path / "best.dlabel.nii", like=like)
    table = nibabel.load(path).header.get_axis(0).label[0]
    assert {number: entry[0] for number, entry in table.items()} == {0: "???", 1: "relu", 2: "conv"}
    assert read_map(path, like=like).values.tolist() == ops.tolist()
    again = nl.read_responses(tmp_path / "b.dscalar.nii", events=list("abcd"), regions=path)
    assert again.region.values.tolist() == ops.tolist()


def test_maps_by_region_and_of_other_programs(tmp_path):
    like = read_grayordinates(tmp_path)
    labels = save_labels(
        tmp_path / "a.dlabel.nii",
        np.resize([1, 2], N_VERTICES),
        {1: "V1", 2: "V2"},
        build_axis(False),
    )
    like = nl.read_responses(tmp_path / "b.dscalar.nii", events=list("abcd"), regions=labels)
    scores = xr.DataArray(
        [[0.25, 0.5], [0.75, 1.0]],
        dims=("op", "region"),
        coords={"op": ["a", "b"], "region": ["V2", "V1"]},
    )
    found = read_map(write_map(scores, tmp_path / "s.dscalar.nii", like=like), like=like)
    expected = scores.sel(region=like.region.values)
    np.testing.assert_array_equal(found, expected)
    other = read_map(tmp_path / "b.dscalar.nii", like=like)
    assert other.dims == ("map", "neuroid")
    assert other["map"].values.tolist() == ["map 0", "map 1", "map 2", "map 3"]
    np.testing.assert_array_equal(other, like)


def test_surfaces_in_both_forms(tmp_path):
    """Vertices of GIFTI can be written as CIFTI, and those of CIFTI as GIFTI, but for voxels."""
    like = read_surfaces(tmp_path)
    path = write_map(like[0], tmp_path / "r.dscalar.nii", like=like)
    np.testing.assert_array_equal(read_map(path, like=like), like[0])
    assert nibabel.load(path).header.get_axis(1).nvertices == {
        "CIFTI_STRUCTURE_CORTEX_LEFT": N_LEFT,
        "CIFTI_STRUCTURE_CORTEX_RIGHT": N_RIGHT,
    }
    gray = read_grayordinates(tmp_path)
    with pytest.raises(InputError, match="8 neuroids are of no cortical surface, such as THALAMUS"):
        write_map(gray[0], tmp_path / "r.func.gii", like=gray)
    cortex = gray.isel(neuroid=slice(0, N_VERTICES))
    write_map(cortex[0], tmp_path / "c.func.gii", like=cortex)
    np.testing.assert_array_equal(read_map(tmp_path / "c.func.gii", like=cortex), cortex[0])


def test_scores_of_vertices(tmp_path, rng):
    """Labels of vertices stay with them through encoding."""
    maps = {
        side: rng.standard_normal((12, n)) for side, n in (("left", N_LEFT), ("right", N_RIGHT))
    }
    paths = [save_gifti(tmp_path / f"{side}.func.gii", one, side) for side, one in maps.items()]
    like = nl.read_responses(paths, events=list("abcdefghijkl"))
    features = xr.DataArray(
        rng.normal(size=(12, 3)),
        dims=("stimulus", "feature"),
        coords={"stimulus": list("abcdefghijkl")},
    )
    fit = nl.fit_encoding(features, like, cv=3, n_splits=0)
    assert fit["r"].hemisphere.values.tolist() == like.hemisphere.values.tolist()
    write_map(fit["r"], tmp_path / "r.func.gii", like=like)
    found = read_map(tmp_path / "r.func.gii", like=like)
    np.testing.assert_array_equal(found, fit["r"].astype(np.float32))


def test_forms_that_do_not_fit(tmp_path):
    like = read_surfaces(tmp_path)
    with pytest.raises(InputError, match="which 'a.nii.gz' cannot hold. Write .func.gii or .dscal"):
        write_map(like[0], tmp_path / "a.nii.gz", like=like)
    nibabel.save(
        nibabel.Nifti1Image(np.random.default_rng(0).random((*SHAPE, 4)), AFFINE),
        tmp_path / "b.nii",
    )
    volume = nl.read_responses(tmp_path / "b.nii", events=list("abcd"))
    with pytest.raises(InputError, match="which 'a.func.gii' cannot hold. Write .nii.gz, or .csv"):
        write_map(volume[0], tmp_path / "a.func.gii", like=volume)
    write_map(volume[0], tmp_path / "v.nii", like=volume)
    with pytest.raises(InputError, match="v.nii and the responses must be of one kind"):
        read_map(tmp_path / "v.nii", like=like)


def test_attributes_of_one_hemisphere_go_through_files(tmp_path):
    """netCDF gives a list of one back as its entry."""
    like = read_surfaces(tmp_path, ["left"])
    like.to_netcdf(tmp_path / "r.nc", engine="h5netcdf")
    again = xr.load_dataarray(tmp_path / "r.nc", engine="h5netcdf")
    write_map(again[0], tmp_path / "r.func.gii", like=again)
    np.testing.assert_array_equal(read_map(tmp_path / "r.func.gii", like=like), like[0])
