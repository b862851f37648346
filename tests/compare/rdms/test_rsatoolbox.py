import numpy as np
import pytest
import xarray as xr
from rsatoolbox.rdm import RDMs

from neurolens.compare import from_rsatoolbox, to_rsatoolbox
from neurolens.errors import InputError, LabelError

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


def build_named(rng, **descriptors):
    """Return four RDMs of rsatoolbox with ``descriptors``."""
    return RDMs(
        rng.random((4, 6)),
        rdm_descriptors=descriptors,
        pattern_descriptors={"stimulus": IDS},
    )


@pytest.mark.parametrize("name", ["participant", "subj", "subject_id", "sub"])
def test_participants_by_any_name_are_subjects(rng, name):
    rsa = build_named(rng, **{name: list("ABCD")})
    rdms = from_rsatoolbox(rsa)
    assert rdms.subject.values.tolist() == list("ABCD")
    assert rdms.dims == ("subject", "stimulus", "stimulus_2")
    np.testing.assert_array_equal(rdms.values, rsa.get_matrices())


def test_movies_have_time_bins(rng):
    """RDMs of calc_rdm_movie, as they are and through a file."""
    from rsatoolbox.data import TemporalDataset
    from rsatoolbox.rdm import calc_rdm_movie

    data = TemporalDataset(
        rng.normal(size=(4, 7, 5)),
        obs_descriptors={"stimulus": IDS},
        time_descriptors={"time": [0.0, 0.1, 0.2, 0.3, 0.4]},
    )
    movie = calc_rdm_movie(data, method="euclidean", descriptor="stimulus")
    rdms = from_rsatoolbox(movie)
    assert rdms.dims == ("time_bin", "stimulus", "stimulus_2")
    assert rdms.time_bin.values.tolist() == [0.0, 0.1, 0.2, 0.3, 0.4]
    ids = list(movie.pattern_descriptors["stimulus"])
    squares = rdms.sel(stimulus=ids, stimulus_2=ids)
    np.testing.assert_allclose(squares, movie.get_matrices())


def test_what_tells_rdms_apart_is_named(rng):
    rsa = build_named(rng, session=[1, 2, 3, 4], task=["arrange"] * 4)
    with pytest.raises(LabelError, match=r"\['subject'\] = rdms.rdm_descriptors\['session'\]"):
        from_rsatoolbox(rsa)
    rsa = build_named(rng, participant=list("AABB"), session=[1, 2, 1, 2])
    with pytest.raises(
        LabelError, match=r"Average over 'session', or select with rdms.subset\('session', value\)"
    ):
        from_rsatoolbox(rsa)
    rsa.rdm_descriptors["participant"] = ["A", "B", "C", np.nan]
    with pytest.raises(LabelError, match="'subject' must be known throughout"):
        from_rsatoolbox(rsa)
    with pytest.raises(InputError, match=r"got list\. Pass .*concat\(rdms\)"):
        from_rsatoolbox([rsa, rsa])


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


def test_columns_in_another_order_than_rows(rng):
    """Rows and columns of the same stimuli are matched by id."""
    rdms = build_rdms(rng, "op")
    moved = rdms.isel(stimulus_2=[2, 0, 3, 1])
    expected = to_rsatoolbox(rdms)
    np.testing.assert_array_equal(to_rsatoolbox(moved).dissimilarities, expected.dissimilarities)
