"""Matching by label is exact, or raises an error that says what differs."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from neurolens.errors import LabelError, UnknownNameError
from neurolens.labels import align_stimuli, check_dims, check_name, suggest_name


def make_square(ids):
    values = np.arange(len(ids) ** 2, dtype=float).reshape(len(ids), -1)
    return xr.DataArray(
        values, dims=("stimulus", "stimulus_2"), coords={"stimulus": ids, "stimulus_2": ids}
    )


@given(st.permutations(list("abcde")))
def test_alignment_undoes_any_order(order):
    square = make_square(list("abcde"))
    shuffled = square.sel(stimulus=order, stimulus_2=order)
    xr.testing.assert_identical(align_stimuli(shuffled, list("abcde")), square)


def test_one_id_that_differs_is_named_on_both_sides():
    with pytest.raises(
        LabelError, match=r"Missing from brain: 'c'; only in brain: 'x'.*brain.sel\("
    ):
        align_stimuli(make_square(["a", "b", "x"]), ["a", "b", "c"], name="brain")


def test_an_extra_id_is_not_dropped_silently():
    with pytest.raises(LabelError, match="only in array: 'c'"):
        align_stimuli(make_square(["a", "b", "c"]), ["a", "b"])


def test_labels_must_exist_and_be_unique():
    with pytest.raises(
        LabelError, match=r"has no labels along 'stimulus'.*assign_coords\(stimulus=ids\)"
    ):
        align_stimuli(xr.DataArray(np.eye(2), dims=("stimulus", "stimulus_2")), ["a", "b"])
    with pytest.raises(LabelError, match="these repeat: 'a'"):
        align_stimuli(make_square(["a", "a"]), ["a", "b"])


@given(st.permutations(list("abc")))
def test_a_dataset_is_aligned_whole(order):
    table = xr.Dataset({"x": ("op", [1, 2, 3]), "y": (("op", "k"), np.eye(3))}, {"op": list("abc")})
    xr.testing.assert_identical(align_stimuli(table.sel(op=order), list("abc"), dims=["op"]), table)
    with pytest.raises(
        LabelError,
        match="best and scores .* along 'op'. Missing from best: 'c'; only in best: none",
    ):
        align_stimuli(table.isel(op=[0, 1]), list("abc"), name="best", other="scores", dims=["op"])


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
        align_stimuli(numbered, ["7", "11"], name="brain")
    with pytest.raises(LabelError, match=r"got str '7' .* int 7 .*astype\(str\)\)\.$"):
        align_stimuli(make_square(["7", "11"]), [7, 11], name="brain")
    with pytest.raises(LabelError, match="Missing from brain: '7', '12'; only in brain: 7, 11"):
        align_stimuli(numbered, ["7", "12"], name="brain")
