"""Executions by name: every form of a choice, what it leaves out, and what cannot be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolens.errors import UnknownNameError
from neurolens.extract.graph.executions import Executions, read_executions, split_choice

CONV = ("V1/conv2d", "V1/conv2d@2", "V1/conv2d@3", "V1/conv2d@4")


@pytest.fixture
def executions():
    return Executions({"V1/conv2d": CONV}, {"V1": CONV, "idle": (), "half": (None, "V1/conv2d")})


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("V1", [1, 2, 3, 4]),
        ("V1@*", [1, 2, 3, 4]),
        ("V1@1", [1]),
        ("V1@last", [4]),
        ("V1@-1", [4]),
        ("V1@-3", [2]),
        ("V1@1:3", [1, 2]),
        ("V1@2:", [2, 3, 4]),
        ("V1@:3", [1, 2]),
        ("V1@:", [1, 2, 3, 4]),
        ("V1@-2:", [3, 4]),
        ("V1@:-1", [1, 2, 3]),
        ("V1@::2", [1, 3]),
        ("V1@3:99", [3, 4]),
        ("V1@-99:2", [1]),
        ("V1/conv2d", [1]),
        ("V1/conv2d@*", [1, 2, 3, 4]),
        ("V1/conv2d@3:", [3, 4]),
        ("V1/conv2d_1@2", [2]),
        ("idle", []),
        ("half", [1, 2]),
    ],
)
def test_a_choice_takes_executions_by_number(executions, text, numbers):
    assert list(executions.find(text)) == numbers


def test_each_number_is_the_op_of_that_name(executions):
    assert executions.find("V1/conv2d@*") == dict(enumerate(CONV, 1))
    assert executions.find("half") == {1: None, 2: "V1/conv2d"}


@pytest.mark.parametrize("text", ["V2", "V2@2", "V1/relu@*", "V1/conv2d@[23]", "*@2"])
def test_what_is_no_place_is_left_to_others(executions, text):
    assert executions.find(text) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("V1@5", "'V1@5' takes none of the executions: 'V1' ran 4 times. Type 'V1@4'"),
        ("V1@-5", "takes none of the executions"),
        ("V1@2:2", "takes none of the executions"),
        ("V1@9:", "takes none of the executions"),
        ("V1@0", "'V1@0' asks for number 0, but executions are numbered from 1"),
        ("V1@0:2", "numbered from 1"),
        ("V1@1:0", "numbered from 1"),
        ("V1@::0", "numbered from 1"),
        ("V1@first", "'V1@first' cannot be read: after '@' comes a number"),
        ("V1@1.5", "cannot be read"),
        ("V1@", "cannot be read"),
    ],
)
def test_what_cannot_be_taken_says_why(executions, text, message):
    with pytest.raises(UnknownNameError, match=message):
        executions.find(text)


@given(n=st.integers(1, 6), start=st.integers(1, 8), stop=st.integers(1, 8))
def test_a_slice_is_the_numbers_from_its_start_to_before_its_end(n, start, stop):
    executions = Executions({}, {"V1": [f"V1/relu@{k}" for k in range(1, n + 1)]})
    expected = [k for k in range(1, n + 1) if start <= k < stop]
    if expected:
        assert list(executions.find(f"V1@{start}:{stop}")) == expected
    else:
        with pytest.raises(UnknownNameError, match="takes none"):
            executions.find(f"V1@{start}:{stop}")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("V1@2:", ("V1", "2:")),
        ("V1", ("V1", "")),
        ("a@b@last", ("a@b", "last")),
        ("V1@x", ("V1", "")),
        ("@1", ("", "1")),
    ],
)
def test_a_text_is_a_place_and_a_choice(text, parts):
    assert split_choice(text) == parts


def test_what_was_kept_is_found_by_its_number_among_all(executions):
    described = executions.describe()
    kept = {name: described[name] for name in ("V1/conv2d@2", "V1/conv2d@4")}
    read = read_executions(kept)
    assert read.find("V1@last") == {4: "V1/conv2d@4"}
    assert read.find("V1") == {1: None, 2: "V1/conv2d@2", 3: None, 4: "V1/conv2d@4"}
    assert read.find("V1/conv2d@2") == {2: "V1/conv2d@2"}
    assert read.find("half") is None
    assert read_executions(described) == Executions(
        {"V1/conv2d": list(CONV)}, {"V1": list(CONV), "half": [None, "V1/conv2d"]}
    )


def test_an_op_without_a_description_is_known_by_its_name():
    assert read_executions({"fc/linear": ""}).find("fc/linear@last") == {1: "fc/linear"}
