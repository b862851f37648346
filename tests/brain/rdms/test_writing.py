import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import squareform

from neurolens.brain import read_rdms, write_rdms
from neurolens.errors import DataError, InputError, LabelError

WORDS = st.text("abcäß, ;\t\"'-_.0123456789", min_size=1, max_size=6).map(str.strip).filter(bool)


def make_rdm(rng, ids, region="IT", subject="S1"):
    square = squareform(rng.uniform(0.1, 1, len(ids) * (len(ids) - 1) // 2))
    return read_rdms(square, ids=ids, regions=region, subjects=subject)


@given(st.lists(WORDS, min_size=4, max_size=8, unique=True), st.sampled_from([".csv", ".tsv"]))
def test_tables_come_back_as_they_were(tmp_path_factory, ids, suffix):
    ids = [f"x{one}" for one in ids]
    rdm = make_rdm(np.random.default_rng(len(ids)), ids)
    path = write_rdms(rdm, tmp_path_factory.mktemp("rdms") / f"rdm{suffix}")
    xr.testing.assert_identical(read_rdms(path, regions="IT", subjects="S1"), rdm)


def test_pairs_that_are_nan_come_back(rng, tmp_path):
    rdm = make_rdm(rng, list("abcd"))
    rdm[0, 0, 1, 3] = rdm[0, 0, 3, 1] = np.nan
    path = write_rdms(rdm, tmp_path / "rdm.csv")
    with pytest.warns(RuntimeWarning, match="1 pairs of rdm.csv are NaN"):
        xr.testing.assert_identical(read_rdms(path, regions="IT", subjects="S1"), rdm)


def test_both_orders_of_stimuli_are_kept_by_id(rng, tmp_path):
    rdm = make_rdm(rng, list("abcd"))
    turned = rdm.isel(stimulus_2=[3, 1, 0, 2])
    path = write_rdms(turned, tmp_path / "rdm.csv")
    xr.testing.assert_identical(read_rdms(path, regions="IT", subjects="S1"), rdm)


def test_what_a_table_cannot_hold(rng, tmp_path):
    both = xr.concat([make_rdm(rng, list("abcd"), subject=s) for s in "AB"], "subject")
    with pytest.raises(InputError, match="a table holds a single RDM, got .*'subject': 2"):
        write_rdms(both, tmp_path / "rdm.csv")
    spaces = make_rdm(rng, ["a", " a", "b", "c"])
    with pytest.raises(LabelError, match="ids in a table must differ as text, without spaces"):
        write_rdms(spaces, tmp_path / "rdm.csv")
    with pytest.raises(InputError, match="written to .csv, .tsv, .h5, .hdf5, got 'rdm.npy'"):
        write_rdms(both, tmp_path / "rdm.npy")
    with pytest.raises(InputError, match="rdms must be a DataArray .*, got ndarray"):
        write_rdms(both.values, tmp_path / "rdm.csv")
    assert not list(tmp_path.iterdir())


def test_tables_in_folders_that_are_not_there(rng, tmp_path):
    with pytest.raises(DataError, match="cannot write .*nowhere"):
        write_rdms(make_rdm(rng, list("abcd")), tmp_path / "nowhere" / "rdm.csv")
