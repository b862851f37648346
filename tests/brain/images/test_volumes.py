"""Images that are damaged, stored in unusual ways, or whose header contradicts itself."""

import gzip
import warnings

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurolens as nl
from neurolens.errors import DataError, InputError

SHAPE = (4, 3, 5)
AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 2.5, -72], [0, 0, 0, 1]])
MASK = np.arange(60).reshape(SHAPE) % 3 == 0


def make_image(values, affine=AFFINE, header=None):
    return nibabel.Nifti1Image(values, affine, header)


@pytest.fixture
def betas(rng):
    return (100 * rng.standard_normal((*SHAPE, 6))).astype(np.float32)


def read(path, mask=MASK, n=6):
    return nl.read_responses(path, events=[f"s{i}" for i in range(n)], mask=mask)


class TestFlippedBits:
    """A compressed file has a checksum: what was flipped is found, or did not matter."""

    @staticmethod
    def write(folder):
        rng = np.random.default_rng(1)
        values = np.rint(50 * rng.standard_normal((3, 2, 2, 4))).astype(np.int16)
        image = nibabel.Nifti1Image(values, AFFINE)
        image.header.set_slope_inter(0.5, 3)
        path = folder / "small.nii.gz"
        nibabel.save(image, path)
        return path, 0.5 * values.reshape(12, 4).T + 3

    @given(data=st.data())
    def test_the_numbers_are_right_or_refused(self, data, tmp_path_factory):
        folder = tmp_path_factory.mktemp("flips")
        path, expected = self.write(folder)
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(raw)
        self.check(path, expected)

    def test_every_byte(self, tmp_path):
        path, expected = self.write(tmp_path)
        raw = path.read_bytes()
        n_refused = 0
        for place in range(len(raw)):
            damaged = bytearray(raw)
            damaged[place] ^= 1 << (place % 8)
            path.write_bytes(damaged)
            n_refused += self.check(path, expected)
        # A few bytes of gzip's header, such as the time, do not matter.
        assert n_refused >= len(raw) - 20

    @staticmethod
    def check(path, expected):
        mask = np.ones((3, 2, 2), dtype=bool)
        message = ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = nl.read_responses(path, events=list("abcd"), mask=mask)
        except (DataError, InputError) as error:
            message = str(error)
        if message:
            assert "small.nii.gz" in message
        else:
            np.testing.assert_array_equal(found, expected.astype(np.float32))
        return bool(message)


def test_a_checksum_that_fails_behind_numbers_that_decode(betas, tmp_path):
    """The numbers are stored, not compressed, so that a wrong one decodes without an error."""
    nibabel.save(make_image(betas), tmp_path / "betas.nii")
    path = tmp_path / "betas.nii.gz"
    path.write_bytes(gzip.compress((tmp_path / "betas.nii").read_bytes(), compresslevel=0))
    np.testing.assert_array_equal(read(path), betas[MASK].T)
    raw = bytearray(path.read_bytes())
    raw[-100] ^= 1
    path.write_bytes(raw)
    wrong = nibabel.load(path).dataobj[..., :5]
    np.testing.assert_array_equal(wrong, betas[..., :5])  # a reader of slices sees nothing
    with pytest.raises(DataError, match=r"betas\.nii\.gz cannot be read .*CRC check failed"):
        read(path)
    mask = tmp_path / "mask.nii.gz"
    nibabel.save(make_image(MASK.astype(np.uint8)), tmp_path / "mask.nii")
    raw = bytearray(gzip.compress((tmp_path / "mask.nii").read_bytes(), compresslevel=0))
    raw[-9] ^= 1
    mask.write_bytes(raw)
    with pytest.raises(DataError, match=r"mask\.nii\.gz cannot be read .*CRC check failed"):
        read(tmp_path / "betas.nii", mask=mask)


@pytest.mark.parametrize("end", [100, 360, -1, -9, -1000])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_files_that_were_cut_short(betas, tmp_path, suffix, end):
    path = tmp_path / f"betas{suffix}"
    nibabel.save(make_image(betas), path)
    path.write_bytes(path.read_bytes()[:end])
    ends = "ends before the last volume" if suffix == ".nii" and end not in (100,) else ""
    with pytest.raises(DataError, match=rf"betas\{suffix} .*{ends}"):
        read(path)


def test_files_whose_names_say_otherwise(betas, tmp_path):
    nibabel.save(make_image(betas), tmp_path / "a.nii")
    nibabel.save(make_image(betas), tmp_path / "b.nii.gz")
    packed = tmp_path / "packed.nii"
    packed.write_bytes((tmp_path / "b.nii.gz").read_bytes())
    with pytest.raises(DataError, match=r"is compressed. Rename it to packed.nii.gz"):
        read(packed)
    plain = tmp_path / "plain.nii.gz"
    plain.write_bytes((tmp_path / "a.nii").read_bytes())
    with pytest.raises(DataError, match=r"is named .gz and is not compressed"):
        read(plain)
    twice = tmp_path / "twice.nii.gz"
    twice.write_bytes(gzip.compress((tmp_path / "b.nii.gz").read_bytes()))
    with pytest.raises(DataError, match=r"is compressed twice. Unpack it once: gunzip twice"):
        read(twice)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8"])
def test_numbers_of_all_kinds(betas, tmp_path, order, kind, suffix):
    values = np.abs(np.rint(betas)).clip(0, 250).astype(order + kind)
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(values.dtype)
    path = tmp_path / f"a{suffix}"
    nibabel.save(make_image(values, header=header), path)
    assert nibabel.load(path).header.endianness == order
    np.testing.assert_array_equal(read(path), values[MASK].T.astype(np.float32))


@pytest.mark.parametrize(("slope", "inter"), [(0.25, -7), (0, 5), (np.nan, 0), (np.inf, 0)])
def test_scaling(betas, tmp_path, slope, inter):
    """Whole numbers of 16 bits; a slope that is 0 or not finite means none, as in the standard."""
    stored = np.rint(betas).astype(np.int16)
    path = tmp_path / "a.nii"
    nibabel.save(make_image(stored), path)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([slope, inter], dtype="<f4").tobytes()
    path.write_bytes(raw)
    expected = slope * stored.astype(float) + inter if slope == 0.25 else stored
    np.testing.assert_array_equal(read(path), expected[MASK].T.astype(np.float32))


def test_an_intercept_that_is_no_number(betas, tmp_path):
    path = tmp_path / "a.nii"
    nibabel.save(make_image(np.rint(betas).astype(np.int16)), path)
    raw = bytearray(path.read_bytes())
    raw[112:120] = np.array([2, np.nan], dtype="<f4").tobytes()
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"a\.nii cannot be read as an image .*intercept"):
        read(path)


def test_headers_that_place_voxels_in_two_ways(betas, tmp_path):
    image = make_image(betas)
    image.set_sform(AFFINE, 1)
    moved = AFFINE.copy()
    moved[0, 3] += 5
    image.set_qform(moved, 1)
    nibabel.save(image, tmp_path / "two.nii")
    with pytest.warns(RuntimeWarning, match=r"two.nii places its voxels in two ways, up to 5 mm"):
        found = read(tmp_path / "two.nii")
    assert found.voxel_x.values[0] == 90
    image.set_qform(AFFINE, 1)
    nibabel.save(image, tmp_path / "same.nii")
    assert read(tmp_path / "same.nii").sizes["neuroid"] == MASK.sum()


def test_headers_that_do_not_place_voxels(betas, tmp_path):
    image = make_image(betas)
    image.set_sform(AFFINE, 0)
    image.set_qform(AFFINE, 0)
    nibabel.save(image, tmp_path / "none.nii")
    with pytest.warns(RuntimeWarning, match=r"header of none.nii says nothing about where"):
        read(tmp_path / "none.nii")


def test_units_other_than_millimeters(betas, tmp_path):
    image = make_image(betas, AFFINE @ np.diag([1e3, 1e3, 1e3, 1]))
    image.header.set_xyzt_units("micron", "sec")
    nibabel.save(image, tmp_path / "micron.nii")
    found = read(tmp_path / "micron.nii")
    np.testing.assert_allclose(np.abs(np.diff(np.unique(found.voxel_y))), 2)


def test_files_that_are_longer_than_their_header_says(betas, tmp_path):
    for suffix in (".nii", ".nii.gz"):
        path = tmp_path / f"a{suffix}"
        nibabel.save(make_image(betas), path)
        raw = path.read_bytes() if suffix == ".nii" else gzip.decompress(path.read_bytes())
        longer = raw + bytes(240)
        path.write_bytes(longer if suffix == ".nii" else gzip.compress(longer))
        with pytest.warns(RuntimeWarning, match=r"holds 240 bytes more than its header says"):
            found = read(path)
        np.testing.assert_array_equal(found, betas[MASK].T)


def test_colors_are_no_responses(tmp_path):
    colors = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(make_image(colors), tmp_path / "rgb.nii")
    with pytest.raises(DataError, match=r"rgb.nii must hold real numbers"):
        read(tmp_path / "rgb.nii", n=1)


def test_only_the_voxels_asked_for_are_scaled(betas, tmp_path):
    """Numbers outside the mask that are too large do not matter."""
    values = betas.astype(np.float64)
    values[~MASK] = 1e300
    nibabel.save(make_image(values), tmp_path / "a.nii")
    np.testing.assert_array_equal(read(tmp_path / "a.nii"), betas[MASK].T)
