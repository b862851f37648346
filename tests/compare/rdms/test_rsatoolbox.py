import numpy as np
import pytest
import xarray as xr
from rsatoolbox.rdm import RDMs
from rsatoolbox.rdm.rdms import load_rdm

from neurolens.compare import from_rsatoolbox, read_rdms, to_rsatoolbox, write_rdms
from neurolens.errors import DataError, InputError, LabelError

IDS = ["cup", "cat", "dog", "ape"]
LABELS = {
    "op": ["conv", "relu"],
    "region": ["V1", "IT"],
    "subject": ["B", "A", "C"],
    "time_bin": [70, 90],
}


def build_rdms(rng, *lead) -> xr.DataArray:
    coords = {dim: LABELS[dim] for dim in lead} | {"stimulus": IDS, "stimulus_2": IDS}
    values = rng.random(tuple(map(len, coords.values())))
    values = values + values.swapaxes(-1, -2)
    values[..., range(4), range(4)] = 0
    return xr.DataArray(
        values, dims=tuple(coords), coords=coords, name="rdm", attrs={"metric": "correlation"}
    )


@pytest.mark.parametrize(
    "lead", [(), ("op",), ("region",), ("subject",), ("region", "subject"), ("subject", "time_bin")]
)
def test_round_trip(rng, lead):
    rdms = build_rdms(rng, *lead)
    rsa = to_rsatoolbox(rdms)
    xr.testing.assert_identical(from_rsatoolbox(rsa), rdms)
    assert to_rsatoolbox(from_rsatoolbox(rsa)) == rsa


def test_labels_go_with_their_numbers(rng):
    rdms = build_rdms(rng, "region", "subject")
    rsa = to_rsatoolbox(rdms)
    assert rsa.dissimilarity_measure == "correlation"
    assert rsa.pattern_descriptors["stimulus"] == IDS
    assert rsa.rdm_descriptors["region"] == ["V1"] * 3 + ["IT"] * 3
    assert rsa.rdm_descriptors["subject"] == ["B", "A", "C"] * 2
    chosen = rsa.subset("region", "IT").subset("subject", "A")
    np.testing.assert_array_equal(
        chosen.get_matrices()[0], rdms.sel(region="IT", subject="A").values
    )


def test_absent_combination(rng):
    rdms = build_rdms(rng, "region", "subject")
    rdms[1, 2] = np.nan
    rsa = to_rsatoolbox(rdms)
    assert rsa.n_rdm == 5
    xr.testing.assert_identical(from_rsatoolbox(rsa), rdms)


def test_other_descriptor_holds_the_ids():
    rsa = RDMs(np.arange(6.0)[None], pattern_descriptors={"conds": IDS})
    rdms = from_rsatoolbox(rsa, stimulus="conds")
    assert float(rdms.sel(stimulus="cup", stimulus_2="ape")) == 2
    assert rdms.attrs == {}


def test_errors(rng):
    rsa = RDMs(rng.random((2, 6)), pattern_descriptors={"stimulus": IDS})
    with pytest.raises(LabelError, match=r"rdm_descriptors\['subject'\] ="):
        from_rsatoolbox(rsa)
    with pytest.raises(
        LabelError, match=r"no pattern descriptor 'conds' .* there are 'stimulus', 'index'"
    ):
        from_rsatoolbox(rsa, stimulus="conds")
    with pytest.raises(LabelError, match="must be unique"):
        from_rsatoolbox(
            RDMs(rng.random((1, 6)), pattern_descriptors={"stimulus": ["a", "a", "b", "c"]})
        )
    with pytest.raises(LabelError, match=r"got \('time', 'stimulus', 'stimulus_2'\)"):
        to_rsatoolbox(build_rdms(rng, "op").rename(op="time"))
    with pytest.raises(InputError, match="NaN throughout"):
        to_rsatoolbox(build_rdms(rng, "op") * np.nan)


def describe(rdms):
    """Return ``rdms`` with a category per stimulus and the start of each time bin."""
    return rdms.assign_coords(
        category=("stimulus", ["thing", "animal", "animal", "ape"])
    ).assign_coords(time_bin_start=("time_bin", [0, 20]))


def test_descriptors_survive(rng):
    rdms = describe(build_rdms(rng, "region", "time_bin"))
    rsa = to_rsatoolbox(rdms)
    assert rsa.pattern_descriptors["category"] == ["thing", "animal", "animal", "ape"]
    assert rsa.rdm_descriptors["time_bin_start"] == [0, 20, 0, 20]
    xr.testing.assert_identical(from_rsatoolbox(rsa), rdms)
    rsa.rdm_descriptors["session"] = [1, 2, 3, 4]
    assert "session" not in from_rsatoolbox(rsa).coords


class TestFiles:
    @pytest.mark.parametrize("lead", [(), ("op",), ("region", "subject"), ("region", "time_bin")])
    def test_round_trip(self, rng, lead, tmp_path):
        rdms = build_rdms(rng, *lead)
        path = write_rdms(tmp_path / "rdms.h5", rdms)
        xr.testing.assert_identical(read_rdms(path), rdms)
        xr.testing.assert_identical(
            read_rdms(write_rdms(path, rdms * 2)), (rdms * 2).assign_attrs(rdms.attrs)
        )

    def test_rsatoolbox_reads_ours(self, rng, tmp_path):
        rdms = describe(build_rdms(rng, "region", "time_bin"))
        theirs = load_rdm(str(write_rdms(tmp_path / "rdms.h5", rdms)))
        xr.testing.assert_identical(from_rsatoolbox(theirs), rdms)

    def test_we_read_rsatoolbox(self, rng, tmp_path):
        rdms = build_rdms(rng, "region", "subject")
        to_rsatoolbox(rdms).save(str(tmp_path / "theirs.h5"))
        xr.testing.assert_identical(read_rdms(tmp_path / "theirs.h5"), rdms)

    def test_names_beyond_ascii_and_no_metric(self, rng, tmp_path):
        """rsatoolbox raises UnicodeEncodeError on these, and TypeError on a pathlib path."""
        ids = ["tête", "猫", "back\\slash", "plain"]
        rdms = build_rdms(rng, "subject").assign_coords(stimulus=ids, stimulus_2=ids).drop_attrs()
        path = write_rdms(tmp_path / "rdms.h5", rdms)
        xr.testing.assert_identical(read_rdms(path), rdms)
        assert load_rdm(str(path)).pattern_descriptors["stimulus"][0] == "t\\xeate"

    def test_errors(self, rng, tmp_path):
        with pytest.raises(DataError, match="is no HDF5 file of RDMs"):
            read_rdms(tmp_path / "absent.h5")
        (tmp_path / "text.h5").write_text("no")
        with pytest.raises(DataError, match="Write one with write_rdms"):
            read_rdms(tmp_path / "text.h5")
        with pytest.raises(DataError, match="cannot write"):
            write_rdms(tmp_path / "nowhere" / "x.h5", build_rdms(rng))
