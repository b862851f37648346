"""Ids are text; numbers and bytes find their text, and a difference in type only is told."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import neurolens as nl
from neurolens.errors import InputError, LabelError, UnknownNameError
from neurolens.stimuli.ids import write_id

VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)
TABLE = pd.DataFrame({"a": [1], "b": [2], "c": [3]})


def load(ids, **settings):
    return nl.load_stimuli(VALUES, ids=ids, **settings)


@pytest.mark.parametrize(
    "ids",
    [
        [7, 3, 11],
        np.array([7, 3, 11]),
        np.array([7, 3, 11], np.uint8),
        torch.tensor([7, 3, 11]),
        pd.Series([7, 3, 11]),
        ["7", "3", "11"],
        [b"7", b"3", b"11"],
    ],
    ids=lambda ids: type(ids).__name__,
)
@pytest.mark.parametrize("wanted", [3, "3", np.int64(3), b"3", torch.tensor(3)], ids=repr)
def test_a_stimulus_is_found_by_its_number_and_by_its_text(ids, wanted):
    stimuli = load(ids)
    assert stimuli.ids == ("7", "3", "11")
    assert np.array_equal(stimuli[wanted], VALUES[1])
    assert stimuli.select([wanted, 7]).ids == ("3", "7")
    assert np.array_equal(stimuli.select([wanted])["3"], VALUES[1])


@pytest.mark.parametrize("index", [[3, 7, 11], ["3", "7", "11"], [b"3", b"7", b"11"]])
@pytest.mark.parametrize("ids", [[7, 3, 11], ["7", "3", "11"]])
def test_rows_of_metadata_are_matched_by_number_or_text(index, ids):
    table = pd.DataFrame({"kind": list("abc")}, index=pd.Index(index, name="image"))
    stimuli = load(ids, metadata=table)
    assert stimuli.metadata.kind.to_dict() == {"7": "b", "3": "a", "11": "c"}
    assert stimuli.metadata.index.name == "image"
    assert list(table.index) == index


def test_ids_that_differ_by_type_only_are_told():
    with pytest.raises(LabelError, match=r"but 7 \(int\) and '7' \(str\) differ by type only"):
        load([7, "7", 3])
    with pytest.raises(UnknownNameError, match=r"'7.0' \(float\); '7' is the same number in"):
        load([7, 3, 11])[7.0]
    with pytest.raises(UnknownNameError, match=r"'7' \(int\); '7.0' is the same number in"):
        load([7.0, 3.0, 11.0])[7]
    with pytest.raises(LabelError, match=r"rows of metadata must be unique as text, but 7 \(int\)"):
        load([7, 3, 11], metadata=pd.DataFrame(index=[7, "7", 3, 11]))
    with pytest.raises(InputError, match=r"'7' and '7.0' differ by type .* holds float64"):
        load([7, 3, 11], metadata=pd.DataFrame(index=[7.0, 3.0, 11.0]))


def test_rows_that_lack_or_repeat_are_named():
    with pytest.raises(InputError, match=r"without a row: '11'; rows of no stimulus: '12'"):
        load([7, 3, 11], metadata=pd.DataFrame(index=[7, 3, 12]))
    with pytest.raises(InputError, match=r"without a row: none; rows of no stimulus: '12'"):
        load([7, 3, 11], metadata=pd.DataFrame(index=[7, 3, 11, 12]))
    with pytest.raises(LabelError, match=r"rows of metadata must be unique, but .* repeat: '7'"):
        load([7, 3, 11], metadata=pd.DataFrame(index=[7, 3, 11, 7]))


def test_a_number_is_no_position():
    with pytest.raises(UnknownNameError, match="no stimulus named '0'"):
        load([7, 3, 11])[0]


def test_ids_that_no_file_can_store_are_refused():
    with pytest.raises(InputError, match=r"the id 'a\\ud800' holds half of a pair"):
        load(["a\ud800", "b", "c"])


@given(st.binary())
def test_bytes_become_text_that_can_be_stored(data):
    text = write_id(data)
    assert text.encode().decode() == text
    assert write_id(text) == text
    assert write_id(data.decode("utf-8", "surrogateescape")) == text


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_an_id_that_is_missing(missing):
    with pytest.raises(InputError, match="an id is missing: got .*Give every stimulus one"):
        load([1.0, missing, 3.0])
    with pytest.raises(InputError, match="an id is missing"):
        load([1, 2, 3], metadata=pd.DataFrame(index=pd.Index([1, 2, missing], dtype=object)))


@pytest.mark.parametrize(
    "ids",
    [{"a", "b", "c"}, frozenset("abc"), {"x.png": "a", "y.png": "b", "z.png": "c"}, TABLE],
    ids=lambda ids: type(ids).__name__,
)
def test_ids_without_an_order_are_refused(ids):
    with pytest.raises(InputError, match=rf"in the order of the stimuli, got {type(ids).__name__}"):
        load(ids)


def test_ids_in_another_form_of_unicode_are_told_and_not_taken():
    stimuli = load(["cafe\u0301", "dog", "cat"])
    assert stimuli.ids[0] == "cafe\u0301"
    with pytest.raises(
        UnknownNameError, match=r"same text in .* of a Mac .*Type 'cafe\\u0301', or"
    ):
        stimuli["caf\xe9"]
    with pytest.raises(InputError, match=r"'cafe\\u0301' and 'caf\\xe9' are the same text in"):
        load(["cafe\u0301", "dog", "cat"], metadata=pd.DataFrame(index=["caf\xe9", "dog", "cat"]))
    with pytest.raises(UnknownNameError, match=r"no stimulus named 'caf\xe8'. Closest"):
        stimuli["caf\xe8"]
