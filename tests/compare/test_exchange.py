import numpy as np
import pytest
import xarray as xr
from rsatoolbox.rdm import RDMs

from neurolens.compare import from_rsatoolbox, to_rsatoolbox
from neurolens.errors import InputError, LabelError

IDS = ["cup", "cat", "dog", "ape"]
LABELS = {"op": ["conv", "relu"], "region": ["V1", "IT"], "subject": ["B", "A", "C"]}


def build_rdms(rng, *lead) -> xr.DataArray:
    coords = {dim: LABELS[dim] for dim in lead} | {"stimulus": IDS, "stimulus_2": IDS}
    values = rng.random(tuple(map(len, coords.values())))
    values = values + values.swapaxes(-1, -2)
    values[..., range(4), range(4)] = 0
    return xr.DataArray(values, dims=tuple(coords), coords=coords, name="rdm", attrs={"metric": "correlation"})


@pytest.mark.parametrize("lead", [(), ("op",), ("region",), ("subject",), ("region", "subject")])
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
    np.testing.assert_array_equal(chosen.get_matrices()[0], rdms.sel(region="IT", subject="A").values)


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
    with pytest.raises(LabelError, match=r"no pattern descriptor 'conds' .* there are 'stimulus', 'index'"):
        from_rsatoolbox(rsa, stimulus="conds")
    with pytest.raises(LabelError, match="must be unique"):
        from_rsatoolbox(RDMs(rng.random((1, 6)), pattern_descriptors={"stimulus": ["a", "a", "b", "c"]}))
    with pytest.raises(LabelError, match=r"got \('time', 'stimulus', 'stimulus_2'\)"):
        to_rsatoolbox(build_rdms(rng, "op").rename(op="time"))
    with pytest.raises(InputError, match="NaN throughout"):
        to_rsatoolbox(build_rdms(rng, "op") * np.nan)
