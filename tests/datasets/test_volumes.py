"""Volumes: the right numbers of the right voxels, from NIfTI and HDF5, and no more than the box."""

import functools
import gzip

import h5py
import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolens.datasets import volumes
from neurolens.datasets.folders import Folder
from neurolens.datasets.volumes import Volume, read_hdf5_series, read_series, read_volume
from neurolens.errors import DataError, MissingToolError

SHAPE = (7, 6, 5)
AFFINE = np.diag([1.8, 1.8, 1.8, 1.0])
GRID = Volume(np.zeros(SHAPE), AFFINE)


@pytest.fixture
def raw(tmp_path):
    return Folder(tmp_path, {"key": "small"})


@pytest.fixture
def series(rng):
    return rng.integers(-3000, 3000, (*SHAPE, 9)).astype(np.int16)


@pytest.fixture
def voxels(rng):
    inside = np.zeros(SHAPE, dtype=bool)
    inside[2:6, 1:4, 1:3] = rng.random((4, 3, 2)) < 0.5
    inside[2, 1, 1] = inside[5, 3, 2] = True
    return np.argwhere(inside)


def save_nifti(raw, name, values, affine=AFFINE):
    nibabel.save(nibabel.Nifti1Image(values, affine), raw.path / name)


def save_hdf5(raw, series, name="b.hdf5", **options):
    """Write as MATLAB does: (x, y, z, row) there is (row, z, y, x) for others."""
    with h5py.File(raw.path / name, "w") as file:
        file.create_dataset("betas", data=series.transpose(3, 2, 1, 0), **options)


def pick(series, voxels, rows=slice(None)):
    return series[tuple(voxels.T)].T[rows]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("rows", [None, [0, 3, 4, 8]])
def test_a_series_is_read_at_its_voxels(raw, series, voxels, suffix, rows):
    save_nifti(raw, f"b{suffix}", series)
    found = read_series(raw, f"b{suffix}", voxels, GRID, rows, dtype="int16")
    np.testing.assert_array_equal(
        found, pick(series, voxels, slice(None) if rows is None else rows)
    )


def test_scaled_numbers_are_scaled(raw, rng, voxels):
    values = rng.standard_normal((*SHAPE, 3)).astype(np.float32)
    image = nibabel.Nifti1Image(values, AFFINE)
    image.set_data_dtype(np.int16)
    nibabel.save(image, raw.path / "b.nii.gz")
    found = read_series(raw, "b.nii.gz", voxels, GRID)
    np.testing.assert_allclose(found, pick(values, voxels), atol=1e-3)
    with pytest.raises(
        DataError, match="must hold int16 without a scale, as published, got int16 with slope"
    ):
        read_series(raw, "b.nii.gz", voxels, GRID, dtype="int16")


def test_big_endian_files_are_read(raw, series, voxels):
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(">i2")
    nibabel.save(nibabel.Nifti1Image(series, AFFINE, header), raw.path / "b.nii")
    np.testing.assert_array_equal(read_series(raw, "b.nii", voxels, GRID), pick(series, voxels))


@pytest.mark.parametrize("chunks", [None, (9, 1, 1, 1), (1, 5, 6, 7), (4, 2, 3, 2), True])
@pytest.mark.parametrize("rows", [None, [0, 3, 4, 8], [5]])
def test_an_hdf5_series_is_read_at_its_voxels(raw, series, voxels, chunks, rows):
    save_hdf5(raw, series, chunks=chunks)
    found = read_hdf5_series(raw, "b.hdf5", "betas", voxels, GRID, rows)
    np.testing.assert_array_equal(
        found, pick(series, voxels, slice(None) if rows is None else rows)
    )
    assert found.dtype == np.int16


def test_nifti_and_hdf5_of_the_same_betas_agree(raw, series, voxels):
    save_nifti(raw, "b.nii.gz", series)
    save_hdf5(raw, series)
    first = read_series(raw, "b.nii.gz", voxels, GRID, dtype="int16")
    np.testing.assert_array_equal(first, read_hdf5_series(raw, "b.hdf5", "betas", voxels, GRID))


@given(data=st.data())
def test_runs_of_rows_cover_each_row_once(data):
    rows = sorted(data.draw(st.sets(st.integers(0, 40), min_size=1)))
    depth = data.draw(st.integers(1, 12))
    runs = list(volumes._list_runs(rows, (depth, 1, 1, 1)))
    places = [k for place, _ in runs for k in range(len(rows))[place]]
    assert places == list(range(len(rows)))
    needed = {row // depth for row in rows}
    for place, run in runs:
        chosen = rows[place]
        assert (run.start, run.stop) == (chosen[0], chosen[-1] + 1)
        # No chunk is read of which no row is wanted.
        assert {row // depth for row in range(run.start, run.stop)} <= needed


@pytest.mark.parametrize("rows", [None, list(range(0, 750, 2))])
def test_little_more_than_the_box_is_read_where_each_voxel_is_a_chunk(raw, rng, rows):
    """As the authors of NSD chunk their files, [1 1 1 n_trials] in MATLAB's order.

    The index of the file is read too, and counted.
    """
    shape = (12, 10, 8)
    series = rng.integers(-9, 9, (*shape, 750)).astype(np.int16)
    save_hdf5(raw, series, chunks=(750, 1, 1, 1))
    inside = np.zeros(shape, dtype=bool)
    inside[2:10, 2:8, 2:7] = rng.random((8, 6, 5)) < 0.6
    voxels = np.argwhere(inside)
    box = np.prod(np.ptp(voxels, axis=0) + 1) * 750 * 2
    read_hdf5_series(raw, "b.hdf5", "betas", voxels, Volume(np.zeros(shape), AFFINE), rows)
    assert 0.6 * box < raw.bytes_read <= 1.2 * box
    assert raw.bytes_read < 0.3 * (raw.path / "b.hdf5").stat().st_size


def test_little_more_than_the_box_is_read_of_a_file_that_is_not_compressed(raw, rng):
    shape = (20, 18, 16)
    series = rng.integers(-9, 9, (*shape, 50)).astype(np.int16)
    save_nifti(raw, "b.nii", series)
    voxels = np.argwhere(np.ones(shape, dtype=bool))[:40]
    read_series(raw, "b.nii", voxels, Volume(np.zeros(shape), AFFINE), [3, 7])
    assert raw.bytes_read < 0.2 * (raw.path / "b.nii").stat().st_size


def test_another_grid_is_refused(raw, series, voxels):
    save_nifti(raw, "b.nii.gz", series)
    save_hdf5(raw, series)
    other = Volume(np.zeros((7, 6, 4)), AFFINE)
    with pytest.raises(
        DataError, match=r"b.nii.gz must be \(x, y, z, row\), \(7, 6, 4\) as its mask"
    ):
        read_series(raw, "b.nii.gz", voxels, other)
    with pytest.raises(
        DataError, match=r"int16 \(row, z, y, x\) = \(row, 4, 6, 7\), the mask's axes reversed"
    ):
        read_hdf5_series(raw, "b.hdf5", "betas", voxels, other)
    moved = Volume(np.zeros(SHAPE), AFFINE + np.eye(4, k=3))
    with pytest.raises(DataError, match="in different places: their affines differ"):
        read_series(raw, "b.nii.gz", voxels, moved)
    read_series(raw, "b.nii.gz", voxels, moved, checks_affine=False)


def test_axes_that_are_not_reversed_are_refused(raw, series, voxels):
    with h5py.File(raw.path / "b.hdf5", "w") as file:
        file["betas"] = series.transpose(3, 0, 1, 2)
    with pytest.raises(DataError, match=r"the mask's axes reversed, got int16 \(9, 7, 6, 5\)"):
        read_hdf5_series(raw, "b.hdf5", "betas", voxels, GRID)


@pytest.mark.parametrize("rows", [[0, 9], [-1, 0], []])
def test_rows_that_do_not_exist_are_refused(raw, series, voxels, rows):
    save_nifti(raw, "b.nii", series)
    save_hdf5(raw, series)
    with pytest.raises(DataError, match="holds 9 volumes, from 0 on, and .* wanted"):
        read_series(raw, "b.nii", voxels, GRID, rows)
    with pytest.raises(DataError, match="holds 9 volumes, from 0 on, and .* wanted"):
        read_hdf5_series(raw, "b.hdf5", "betas", voxels, GRID, rows)


def test_other_numbers_than_int16_are_refused(raw, series, voxels):
    save_hdf5(raw, series.astype(np.float32))
    with pytest.raises(DataError, match="must be int16 .*got float32"):
        read_hdf5_series(raw, "b.hdf5", "betas", voxels, GRID)
    save_nifti(raw, "b.nii", series.astype(np.float32))
    with pytest.raises(
        DataError, match="must hold int16 without a scale, as published, got float32"
    ):
        read_series(raw, "b.nii", voxels, GRID, dtype="int16")


def test_a_variable_that_is_missing_is_told_with_those_that_are_there(raw, series, voxels):
    save_hdf5(raw, series)
    with pytest.raises(DataError, match=r"b.hdf5 holds no array 'beta'. It holds betas"):
        read_hdf5_series(raw, "b.hdf5", "beta", voxels, GRID)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("name", ["b.nii", "b.nii.gz", "b.hdf5"])
def test_files_that_are_cut_short_are_told(raw, series, voxels, name, share):
    if name.endswith("hdf5"):
        save_hdf5(raw, series)
    else:
        save_nifti(raw, name, series)
    path = raw.path / name
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    corner = np.array([[6, 5, 4], [0, 0, 0]])
    read = read_series
    if name.endswith("hdf5"):
        read = functools.partial(read_hdf5_series, variable="betas")
    with pytest.raises(DataError, match=rf"{name} cannot be read \(.*fetch or copy it again"):
        read(raw, name, voxels=corner, grid=GRID)


def test_a_changed_byte_of_a_compressed_file_is_found(raw, series, voxels, rng):
    """Its checksum stands at its end, which is read to."""
    save_nifti(raw, "b.nii.gz", series)
    path = raw.path / "b.nii.gz"
    whole = gzip.decompress(path.read_bytes())
    stored = bytearray(gzip.compress(whole, compresslevel=0))
    stored[len(stored) // 2] ^= 4
    path.write_bytes(stored)
    with pytest.raises(DataError, match="b.nii.gz cannot be read .*CRC"):
        read_series(raw, "b.nii.gz", voxels, GRID)
    save_nifti(raw, "m.nii.gz", series[..., 0])
    path = raw.path / "m.nii.gz"
    stored = bytearray(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=0))
    stored[-20] ^= 4
    path.write_bytes(stored)
    with pytest.raises(DataError, match="m.nii.gz cannot be read .*CRC"):
        read_volume(raw, "m.nii.gz")


def test_a_single_volume_is_read(raw, series):
    save_nifti(raw, "m.nii.gz", series[..., :1])
    volume = read_volume(raw, "m.nii.gz")
    np.testing.assert_array_equal(volume.values, series[..., 0])
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-6)
    save_nifti(raw, "b.nii.gz", series)
    with pytest.raises(
        DataError, match=r"b.nii.gz must hold one volume \(x, y, z\), got shape \(7, 6, 5, 9\)"
    ):
        read_volume(raw, "b.nii.gz")


def test_a_package_that_is_missing_is_named(raw, monkeypatch):
    def refuse(name):
        raise ImportError

    monkeypatch.setattr(volumes.importlib, "import_module", refuse)
    (raw.path / "m.nii").write_bytes(b"")
    with pytest.raises(MissingToolError, match="images need nibabel.*Type pip install nibabel"):
        read_volume(raw, "m.nii")
