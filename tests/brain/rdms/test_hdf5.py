import numpy as np
import pytest
import rsatoolbox
import xarray as xr
from rsatoolbox.rdm import RDMs
from rsatoolbox.rdm.rdms import load_rdm

from neurolens.brain import read_rdms, write_rdms
from neurolens.compare import from_rsatoolbox, to_rsatoolbox
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


def build_named(rng, **descriptors) -> RDMs:
    return RDMs(
        rng.random((4, 6)),
        rdm_descriptors={name: list(values) for name, values in descriptors.items()},
        pattern_descriptors={"stimulus": IDS},
    )


def describe(rdms):
    """Return ``rdms`` with a category per stimulus and the start of each time bin."""
    return rdms.assign_coords(
        category=("stimulus", ["thing", "animal", "animal", "ape"])
    ).assign_coords(time_bin_start=("time_bin", [0, 20]))


@pytest.mark.parametrize("lead", [(), ("op",), ("region", "subject"), ("region", "time_bin")])
def test_round_trip(rng, lead, tmp_path):
    rdms = build_rdms(rng, *lead)
    path = write_rdms(rdms, tmp_path / "rdms.h5")
    xr.testing.assert_identical(read_rdms(path), rdms)
    xr.testing.assert_identical(
        read_rdms(write_rdms(rdms * 2, path)), (rdms * 2).assign_attrs(rdms.attrs)
    )


def test_rsatoolbox_reads_ours(rng, tmp_path):
    rdms = describe(build_rdms(rng, "region", "time_bin"))
    theirs = load_rdm(str(write_rdms(rdms, tmp_path / "rdms.h5")))
    xr.testing.assert_identical(from_rsatoolbox(theirs), rdms)


def test_we_read_rsatoolbox(rng, tmp_path):
    rdms = build_rdms(rng, "region", "subject")
    to_rsatoolbox(rdms).save(str(tmp_path / "theirs.h5"))
    xr.testing.assert_identical(read_rdms(tmp_path / "theirs.h5"), rdms)


def test_files_of_participants_and_movies(rng, tmp_path):
    path = str(tmp_path / "theirs.h5")
    rsa = build_named(rng, participant=list("AABB"), time=[0.0, 0.5] * 2)
    rsa.save(path)
    rdms = read_rdms(path)
    assert dict(rdms.sizes) == {"subject": 2, "time_bin": 2, "stimulus": 4, "stimulus_2": 4}
    xr.testing.assert_identical(rdms, from_rsatoolbox(rsa))
    np.testing.assert_array_equal(rdms.sel(subject="B", time_bin=0.5), rsa.get_matrices()[3])
    build_named(rng, session=list("abcd")).save(path, overwrite=True)
    with pytest.raises(LabelError, match=r"load_rdm\('.*theirs.h5', 'hdf5'\)"):
        read_rdms(path)


@pytest.mark.parametrize("name", ["rdms.pkl", "rdms.pickle", "rdms.h5"])
@pytest.mark.filterwarnings("ignore:Exception ignored in")  # rsatoolbox leaves files open.
def test_pickles_are_refused_with_the_way_out(rng, tmp_path, name):
    path = tmp_path / name
    rsa = build_named(rng, subject=list("ABCD"))
    rsa.save(str(path), file_type="pkl")
    with pytest.raises(DataError, match="is a pickle, and opening one runs") as caught:
        read_rdms(path)
    code = caught.value.message.split("convert it: ")[1].rstrip(".")
    found = eval(code, {"from_rsatoolbox": from_rsatoolbox, "rsatoolbox": rsatoolbox})
    xr.testing.assert_identical(found, from_rsatoolbox(rsa))


def test_names_beyond_ascii_and_no_metric(rng, tmp_path):
    """rsatoolbox raises UnicodeEncodeError on these, and TypeError on a pathlib path."""
    ids = ["tête", "猫", "back\\slash", "plain"]
    rdms = build_rdms(rng, "subject").assign_coords(stimulus=ids, stimulus_2=ids).drop_attrs()
    path = write_rdms(rdms, tmp_path / "rdms.h5")
    xr.testing.assert_identical(read_rdms(path), rdms)
    assert load_rdm(str(path)).pattern_descriptors["stimulus"][0] == "t\\xeate"


def test_errors(rng, tmp_path):
    with pytest.raises(DataError, match="there is no file of RDMs at"):
        read_rdms(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("no")
    with pytest.raises(DataError, match="is no HDF5 file of RDMs .*Write one with neurolens.brain"):
        read_rdms(tmp_path / "text.h5")
    with pytest.raises(DataError, match="cannot write"):
        write_rdms(build_rdms(rng), tmp_path / "nowhere" / "x.h5")


def test_a_file_that_cannot_be_finished_leaves_the_old_one(rng, tmp_path, monkeypatch):
    path = write_rdms(build_rdms(rng), tmp_path / "rdms.h5")
    before = path.read_bytes()

    def fail(name, content):
        with open(name, "wb") as file:
            file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("rsatoolbox.io.hdf5.write_dict_hdf5", fail)
    with pytest.raises(DataError, match="cannot write .*no space left"):
        write_rdms(build_rdms(rng) * 2, path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["rdms.h5"]


def test_ids_are_found_under_another_name_or_asked_for(rng, tmp_path):
    path = tmp_path / "theirs.h5"
    rsa = RDMs(rng.random((1, 6)), pattern_descriptors={"conds": IDS})
    rsa.save(str(path))
    found = read_rdms(path, ids=IDS[::-1])
    assert found.stimulus.values.tolist() == IDS[::-1]
    np.testing.assert_array_equal(found[::-1, ::-1], rsa.get_matrices()[0])
    rsa.pattern_descriptors["other"] = list("abcd")
    rsa.save(str(path), overwrite=True)
    with pytest.raises(LabelError, match="2 others, 'conds', 'other'. Say which .* variable="):
        read_rdms(path)
    assert read_rdms(path, variable="other").stimulus.values.tolist() == list("abcd")
    with pytest.raises(InputError, match="names its RDMs itself. Leave out subjects="):
        read_rdms(path, variable="other", subjects="S1")
    with pytest.raises(LabelError, match="Missing from theirs.h5: 'emu'"):
        read_rdms(path, variable="conds", ids=[*IDS[:3], "emu"])
