"""JSON without NaN, written whole."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolens.errors import DataError, InputError
from neurolens.view.exchange.documents import JsonDocument, make_plain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_anything_becomes_json_and_comes_back(value):
    plain = make_plain(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_numbers_that_json_lacks_are_null():
    values = {
        "a": float("nan"),
        "b": np.array([1.5, np.inf]),
        "c": np.float32("nan"),
        2: np.int8(3),
    }
    assert make_plain(values) == {"a": None, "b": [1.5, None], "c": None, "2": 3}


def test_a_document_is_saved_as_utf8(tmp_path):
    path = JsonDocument(a="é ★").save(tmp_path / "a.json")
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": "é ★"}
    assert repr(JsonDocument(a=1)) == "<JsonDocument with a; .save('graph.json') writes it>"


def test_wrong_paths_are_told(tmp_path):
    with pytest.raises(InputError, match=r"ends in \.json, got"):
        JsonDocument().save(tmp_path / "a.txt")
    with pytest.raises(DataError, match="existing folder"):
        JsonDocument().save(tmp_path / "nowhere" / "a.json")
