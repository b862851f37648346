"""RDMs in the document are the ranks of the dissimilarities, matched by id."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from results import fake_brain, fake_rdms
from scipy.stats import rankdata

from neurolens.errors import InputError, LabelError
from neurolens.view.page.document import rdms as module
from neurolens.view.page.document.numbers import LEVELS
from neurolens.view.page.document.rdms import choose_ops, code_ranks, describe_rdms

INDEX = {"a": 0, "b": 3, "c": 5}


def decode(text, n):
    """Return ranks (matrix, pair) of a text."""
    return np.array([LEVELS.index(character) for character in text]).reshape(-1, n * (n - 1) // 2)


def test_each_character_is_the_rank_of_a_pair(rng):
    rdms = fake_rdms(INDEX, rng)
    brain = fake_brain(["V1", "IT"], rng, subjects=3).rdms
    shown, notes = describe_rdms(rdms, brain, INDEX)
    assert notes == []
    assert shown["n"] == 6
    assert shown["ops"] == [0, 3, 5]
    upper = np.triu_indices(6, 1)
    for name, row in zip(INDEX, decode(shown["model"], 6), strict=True):
        ranks = rankdata(rdms.sel(op=name).values[upper])
        assert row.tolist() == np.rint(63 * (ranks - 1) / 14).tolist()
    for region in ("V1", "IT"):
        mean = brain.sel(region=region).mean("subject").values[upper]
        wanted = np.rint(63 * (rankdata(mean) - 1) / 14).tolist()
        assert decode(shown["brain"][region], 6)[0].tolist() == wanted


def test_the_brain_is_matched_by_id(rng):
    rdms = fake_rdms(INDEX, rng)
    brain = fake_brain(["IT"], rng).rdms
    turned = brain.isel(stimulus=[3, 1, 0, 2, 5, 4], stimulus_2=[5, 0, 1, 2, 4, 3])
    assert describe_rdms(rdms, turned, INDEX) == describe_rdms(rdms, brain, INDEX)
    crossed = rdms.isel(stimulus_2=[5, 0, 1, 2, 4, 3])
    assert describe_rdms(crossed, brain, INDEX) == describe_rdms(rdms, brain, INDEX)
    alone = brain.sel(region="IT", drop=True).mean("subject")
    assert list(describe_rdms(rdms, alone, INDEX)[0]["brain"]) == ["brain"]
    with pytest.raises(LabelError, match="brain.rdms and rdms must hold the same 6 ids"):
        describe_rdms(rdms, brain.isel(stimulus=slice(5), stimulus_2=slice(5)), INDEX)


@given(st.lists(st.integers(0, 5), min_size=3, max_size=3))
def test_equal_dissimilarities_have_equal_ranks(values):
    matrix = np.zeros((3, 3))
    matrix[np.triu_indices(3, 1)] = values
    ranks = decode(code_ranks(matrix), 3)[0]
    for i in range(3):
        for j in range(3):
            assert (ranks[i] < ranks[j]) <= (values[i] < values[j])
            assert (ranks[i] == ranks[j]) == (values[i] == values[j])


def test_a_subject_without_a_region_is_left_out_and_unknown_pairs_are_in_the_middle(rng):
    brain = fake_brain(["IT"], rng).rdms
    lacking = brain.copy(deep=True)
    lacking[0, 1] = np.nan
    rdms = fake_rdms(INDEX, rng)
    assert (
        describe_rdms(rdms, lacking, INDEX)[0]["brain"]
        == (describe_rdms(rdms, brain.isel(subject=[0]), INDEX)[0]["brain"])
    )
    matrix = np.array([[0, 1.0, np.nan], [0, 0, 2.0], [0, 0, 0]])
    assert decode(code_ranks(matrix), 3)[0].tolist() == [0, 32, 63]


def test_ops_that_do_not_vary_have_no_rdm_and_it_says_why(rng):
    rdms = fake_rdms(INDEX, rng)
    rdms[1] = np.nan
    rdms[1].values[range(6), range(6)] = 0
    shown, _ = describe_rdms(rdms, None, INDEX)
    assert shown["ops"] == [0, 5]
    assert shown["leftOut"] == [["undefined, because its values do not vary", [3]]]
    assert shown["brain"] == {}


def test_what_does_not_fit_is_left_out_and_told(rng, monkeypatch):
    rdms = fake_rdms(INDEX, rng)
    brain = fake_brain(["IT"], rng).rdms
    monkeypatch.setattr(module, "RDM_CHARACTERS", 3 * 15)
    shown, notes = describe_rdms(rdms, brain, INDEX, first=[5])
    assert shown["ops"] == [0, 5]
    assert shown["leftOut"] == [["left out to keep the file small", [3]]]
    assert "the RDMs of 2 of 3 ops" in notes[0]
    monkeypatch.setattr(module, "RDM_CHARACTERS", 20)
    assert describe_rdms(rdms, brain, INDEX)[0] is None
    assert "those of 6 stimuli would make it too large" in describe_rdms(rdms, brain, INDEX)[1][0]


def test_ops_to_keep_come_first_and_others_are_spread():
    assert choose_ops(range(5), [], 9) == [0, 1, 2, 3, 4]
    assert choose_ops(range(10), [7, 3, 7, 99], 4) == [0, 3, 7, 9]
    assert choose_ops(range(10), [7, 3, 1], 2) == [3, 7]
    assert choose_ops(range(10), [7], 0) == []


def test_what_is_no_rdm_is_refused(rng):
    rdms = fake_rdms(INDEX, rng)
    with pytest.raises(InputError, match="rdms must be a DataArray .* got str"):
        describe_rdms("rdms", None, INDEX)
    with pytest.raises(InputError, match="brain.rdms must be a DataArray .* got ndarray"):
        describe_rdms(rdms, rdms.values, INDEX)
    with pytest.raises(LabelError, match="rdms must have dimensions"):
        describe_rdms(rdms.isel(op=0), None, INDEX)
    with pytest.raises(LabelError, match="it has no 'c'.*Trace the model"):
        describe_rdms(rdms, None, {"a": 0, "b": 1})
    assert describe_rdms(None, None, INDEX) == (None, [])


def test_pairs_without_a_value_and_outputs_of_ops_are_told(rng):
    ids = list("abcd")
    values = rng.random((2, 4, 4))
    values = values + values.transpose(0, 2, 1)
    coords = {"op": ["conv", "chunk.1"], "stimulus": ids, "stimulus_2": ids}
    rdms = xr.DataArray(values, dims=("op", "stimulus", "stimulus_2"), coords=coords)
    index = {"conv": 0, "chunk": 1}
    described, notes = describe_rdms(rdms, None, index)
    assert described["ops"] == [0]
    assert notes == ["RDMs of ops with several outputs are not in this file."]
    brain = rdms.isel(op=[0]).rename(op="region").assign_coords(region=["IT"]).copy()
    brain[0, 0, 1] = brain[0, 1, 0] = np.nan
    _, notes = describe_rdms(rdms.isel(op=[0]), brain, index)
    assert notes == [
        "Some pairs of stimuli have no dissimilarity (IT): RDMs show them in the middle of the "
        "scale."
    ]
