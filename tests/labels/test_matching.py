"""Matching by label is exact, or raises an error that says what differs."""

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from neurolens.errors import LabelError, UnknownNameError
from neurolens.labels import align_labels, check_dims, check_name, suggest_name, tell_files


def make_square(ids):
    values = np.arange(len(ids) ** 2, dtype=float).reshape(len(ids), -1)
    return xr.DataArray(
        values, dims=("stimulus", "stimulus_2"), coords={"stimulus": ids, "stimulus_2": ids}
    )


@given(st.permutations(list("abcde")))
def test_alignment_undoes_any_order(order):
    square = make_square(list("abcde"))
    shuffled = square.sel(stimulus=order, stimulus_2=order)
    xr.testing.assert_identical(align_labels(shuffled, list("abcde")), square)


def test_one_id_that_differs_is_named_on_both_sides():
    with pytest.raises(
        LabelError, match=r"Missing from brain: 'c'; only in brain: 'x'.*brain.sel\("
    ):
        align_labels(make_square(["a", "b", "x"]), ["a", "b", "c"], name="brain")


def test_an_extra_id_is_not_dropped_silently():
    with pytest.raises(LabelError, match="only in array: 'c'"):
        align_labels(make_square(["a", "b", "c"]), ["a", "b"])


def test_labels_must_exist_and_be_unique():
    with pytest.raises(
        LabelError, match=r"has no labels along 'stimulus'.*assign_coords\(stimulus=ids\)"
    ):
        align_labels(xr.DataArray(np.eye(2), dims=("stimulus", "stimulus_2")), ["a", "b"])
    with pytest.raises(LabelError, match="these repeat: 'a'"):
        align_labels(make_square(["a", "a"]), ["a", "b"])


@given(st.permutations(list("abc")))
def test_a_dataset_is_aligned_whole(order):
    table = xr.Dataset({"x": ("op", [1, 2, 3]), "y": (("op", "k"), np.eye(3))}, {"op": list("abc")})
    xr.testing.assert_identical(align_labels(table.sel(op=order), list("abc"), dims=["op"]), table)
    with pytest.raises(
        LabelError,
        match="best and scores .* along 'op'. Missing from best: 'c'; only in best: none",
    ):
        align_labels(table.isel(op=[0, 1]), list("abc"), name="best", other="scores", dims=["op"])


def test_wrong_dimensions_show_the_rename():
    with pytest.raises(
        LabelError,
        match=r"responses must have dimensions \('stimulus', 'neuroid'\), got \('a', 'b'\)",
    ):
        check_dims(xr.DataArray(np.eye(2), dims=("a", "b")), ("stimulus", "neuroid"), "responses")


def test_an_unknown_name_lists_the_closest():
    assert "Closest: 'conv1/conv2d'" in str(
        suggest_name("conv1/conv", ["conv1/conv2d", "fc/linear"], "op")
    )


def test_a_name_that_is_none_of_a_table_lists_all_of_them():
    check_name("mean", {"mean": 1, "max": 2}, "way to pool")
    with pytest.raises(
        UnknownNameError, match="no way to pool named 'mena'.*'mean'.* Choose one of mean, max"
    ):
        check_name("mena", {"mean": 1, "max": 2}, "way to pool")


def test_numbers_and_text_that_name_the_same_are_told_apart():
    """The message does not advise to keep the common ids: none are until both are of one type."""
    numbered = make_square([7, 11])
    with pytest.raises(LabelError, match=r"one type along 'stimulus', got int 7 in brain and str "):
        align_labels(numbered, ["7", "11"], name="brain")
    with pytest.raises(LabelError, match=r"got str '7' .* int 7 .*astype\(str\)\)\.\n"):
        align_labels(make_square(["7", "11"]), [7, 11], name="brain")
    with pytest.raises(LabelError, match="one type along 'stimulus', got int 7 in brain"):
        align_labels(numbered, ["7", "12"], name="brain")


ALIKE = {
    "int and text": ([46002, 46003], ["46002", "46003"], r"int 46002 .* str '46002'.*both text"),
    "float and text": ([7.0, 8.0], ["7", "8"], r"float 7.0 .* str '7'.*both whole numbers"),
    "leading zeros": (["007", "008"], [7, 8], r"str '007' .* int 7 .*both whole numbers"),
    "two texts": (["007", "008"], ["7", "8"], "both whole numbers"),
    "bytes": ([b"cat", b"dog"], ["cat", "dog"], r"bytes b'cat' .* str 'cat' .*both text"),
    "some of them": ([1, 2, 3], ["2", "3", "9"], "both text"),
}


@pytest.mark.parametrize("case", sorted(ALIKE))
def test_ids_written_in_two_ways_are_told_how_to_become_one(case):
    """The code in the message makes them the same, where both sides hold the same ids."""
    ids, wanted, message = ALIKE[case]
    square = make_square(ids)
    with pytest.raises(LabelError, match=f"ids of one type along 'stimulus', got {message}"[:30]):
        align_labels(square, wanted, name="brain")
    with pytest.raises(LabelError, match=message) as told:
        align_labels(square, wanted, name="brain")
    assert "common" not in str(told.value)
    code = told.value.message.split(": ", 1)[1].rstrip(".")
    made = [
        eval(code, {"x": side}).stimulus.values.tolist() for side in (square, make_square(wanted))
    ]
    shared = 2 if case == "some of them" else len(ids)
    assert len(set(made[0]) & set(made[1])) == shared


OFFSET = {
    "numbers": (range(10), range(1, 11)),
    "numbers, the other way": (range(1, 11), range(10)),
    "names": ([f"img_{i:02}.png" for i in range(10)], [f"img_{i:02}.png" for i in range(1, 11)]),
    "text": ([str(i) for i in range(10)], [str(i) for i in range(1, 11)]),
    "some of them": (range(20), [1, 4, 9, 20]),
    "some of them from 0": (range(1, 21), [0, 4, 9, 19]),
    "other numbers": (range(100, 110), range(101, 111)),
}


@pytest.mark.parametrize("case", sorted(OFFSET))
def test_ids_counted_from_0_and_from_1_are_not_advised_to_be_shifted(case):
    """To keep those that are on both sides would match each stimulus to its neighbor."""
    ids, wanted = map(list, OFFSET[case])
    with pytest.raises(LabelError, match="from 0 and the other from 1") as told:
        align_labels(make_square(ids), wanted, name="brain", other="model")
    assert "common" not in str(told.value)
    lower = "brain" if str(ids[0]) < str(wanted[0]) else "model"
    assert f"Rename those of {lower} if so" in str(told.value)


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        ([3, 5, 8], [3, 6, 8]),
        (["a1", "b2"], ["a2", "b2"]),
        ([2, 4], [7, 9]),
        (list(range(15)), list(range(16))),
        (list(range(1, 17)), list(range(1, 16))),
    ],
)
def test_other_ids_are_not_taken_for_counted(ids, wanted):
    with pytest.raises(LabelError) as told:
        align_labels(make_square(ids), wanted)
    assert "from 1" not in str(told.value)


def test_advice_names_the_side_that_has_too_many():
    brain = make_square(list("abcd"))
    with pytest.raises(LabelError, match="Select those of model in brain") as told:
        align_labels(brain, list("dba"), name="brain", other="model")
    code = told.value.message.split("model in brain: ")[1].rstrip(".")
    selected = eval(code, {"brain": brain, "ids": list("dba")})
    assert align_labels(selected, list("dba")).stimulus.values.tolist() == list("dba")
    with pytest.raises(LabelError, match="Select the 4 ids of brain in model, or add the others"):
        align_labels(brain, list("abcdef"), name="brain", other="model")
    with pytest.raises(LabelError, match="share none: name what is the same"):
        align_labels(brain, list("wxyz"), name="brain", other="model")
    with pytest.raises(
        LabelError, match=r"common ones on both sides, e\.g\. x\.sel\(stimulus=common_ids, stim"
    ):
        align_labels(brain, list("abcx"), name="op 'a'", other="model")


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (["cat", "dog"], ["dog.png", "cat.jpeg"]),
        (["cat", "dog"], ["stim/cat", "stim/dog"]),
        (["cat", "dog"], ["a/b/cat.png", "a/dog.png"]),
    ],
)
def test_names_of_files_are_pointed_out(ids, wanted):
    for one, two, side in ((ids, wanted, "model"), (wanted, ids, "brain")):
        with pytest.raises(LabelError, match=f"The ids of {side} are the same with a folder or"):
            align_labels(make_square(one), two, name="brain", other="model")
    with pytest.raises(LabelError) as told:
        align_labels(make_square(["cat", "dog.png"]), ["cat.v2", "fox"])
    assert "suffix" not in str(told.value)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (["a/x.png", "b/y.png"], "Path(i).with_suffix('').as_posix()"),
        (["p/a/x", "p/b/y"], None),
        (["x.png", "y.png"], "Path(i).with_suffix('').as_posix()"),
        (["a/x", "b/y"], "Path(i).name"),
        (["a/x.jpg", "b/y.jpg"], "Path(i).stem"),
    ],
)
def test_the_code_that_leaves_out_a_folder_or_suffix_works(files, code):
    """It is run as it stands in the message, and makes the ids of the other side."""
    ids = {"a/x.png": ["a/x", "b/y"]}.get(files[0], ["x", "y"])
    said = tell_files(ids, files, "stimulus", "ours", "theirs")
    assert "The ids of theirs are the same with a folder or a suffix" in said
    written = re.search(r"ids = \[(.*?) for i in", said)[1]
    assert code is None or written == code
    assert [eval(written, {"Path": Path, "i": one}) for one in files] == ids
    assert "stimulus_2=ids too" in said
    mirrored = tell_files(files, ids, "stimulus", "ours", "theirs")
    assert "The ids of ours are the same" in mirrored
