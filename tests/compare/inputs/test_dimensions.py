"""Dimensions that other tools name: the code in each error makes what is needed."""

import re

import numpy as np
import pytest
import xarray as xr
from brains import label_features

from neurolens import compare
from neurolens.compare.inputs.dimensions import suggest_code
from neurolens.errors import LabelError

N = 6
IDS = [f"s{i}" for i in range(N)]


def build(dims, **coords):
    """Return an array with ``dims``, stimuli labelled where they are one of them."""
    sizes = {"stimulus": N, "image": N, "trial": 12, "repetition": 3, "run": 2}
    shape = [sizes.get(dim, 5) for dim in dims]
    values = np.random.default_rng(0).normal(size=shape)
    named = {dim: IDS for dim in ("stimulus", "image") if dim in dims}
    return xr.DataArray(values, dims=dims, coords=named | coords)


def follow(error, array):
    """Return what the code in ``error`` makes of ``array``."""
    code = re.search(r"(responses|x) = (.*?)\. ?(Pass|$)", error.message)[2]
    return eval(code, {"responses": array, "x": array, "ids": IDS})


CASES = {
    "repetitions": (("stimulus", "repetition", "neuroid"), {"presentation", "neuroid"}),
    "runs of trials": (("stimulus", "run", "repetition", "neuroid"), {"presentation", "neuroid"}),
    "voxels": (("stimulus", "voxel"), {"stimulus", "neuroid"}),
    "images": (("image", "unit"), {"stimulus", "neuroid"}),
    "channels": (("stimulus", "channel"), {"stimulus", "neuroid"}),
    "all at once": (
        ("image", "repetition", "electrodes", "time"),
        {"presentation", "neuroid", "time_bin"},
    ),
    "time": (("stimulus", "neuroid", "time"), {"stimulus", "neuroid", "time_bin"}),
    "presentations of a stimulus": (
        ("stimulus", "presentation", "neuroid"),
        {"presentation", "neuroid"},
    ),
}
READERS = {
    "compute_ncsnr": compare.compute_ncsnr,
    "compute_split_half": lambda data: compare.compute_split_half(data, n_splits=2),
    "compute_grams": compare.compute_grams,
    "fit_encoding": lambda data: compare.fit_encoding(
        label_features(np.arange(2.0 * N).reshape(N, 2)), data, cv=2
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize("name", sorted(READERS))
def test_the_code_makes_what_is_needed(name, case):
    dims, wanted = CASES[case]
    array = build(dims)
    with pytest.raises(LabelError, match="must have dimensions .*Make it so: responses = ") as told:
        READERS[name](array)
    made = follow(told.value, array)
    assert set(made.dims) == wanted
    if "presentation" in wanted:
        assert made.stimulus_id.dims == ("presentation",)
        assert set(made.stimulus_id.values.tolist()) == set(IDS)
    rdms = compare.compute_rdms(made)
    assert {"stimulus", "stimulus_2"} <= set(rdms.dims)


def test_repeats_are_those_of_their_stimulus():
    array = build(("stimulus", "repetition", "neuroid"))
    with pytest.raises(LabelError) as told:
        compare.compute_rdms(array)
    made = follow(told.value, array)
    expected = compare.compute_rdms(array.mean("repetition"))
    np.testing.assert_allclose(compare.compute_rdms(made), expected)
    with pytest.raises(LabelError, match=r"assign_coords\(stimulus=ids\)\.stack") as told:
        compare.compute_rdms(array.drop_vars("stimulus"))
    made = follow(told.value, array.drop_vars("stimulus"))
    np.testing.assert_allclose(compare.compute_rdms(made), expected)


def test_trials_with_stimulus_ids_are_presentations():
    ids = ("trial", IDS * 2)
    array = build(("trial", "cell"), stimulus_id=ids)
    with pytest.raises(LabelError, match="rename") as told:
        compare.compute_split_half(array)
    made = follow(told.value, array)
    assert made.stimulus_id.dims == ("presentation",)


@pytest.mark.parametrize("label", ["region", "subject", "neuroid_id", "region_V1"])
@pytest.mark.parametrize("rows", ["stimulus", "presentation"])
@pytest.mark.parametrize("column", ["voxel", "channel", "place"])
def test_labels_of_brains_are_no_features(label, rows, column):
    """An array with regions does not become one RDM without regions."""
    array = build(("stimulus", column)).rename(stimulus=rows)
    if rows == "presentation":
        array = array.drop_vars("presentation").assign_coords(stimulus_id=(rows, IDS))
    names = [True] * 3 + [False] * 2 if label == "region_V1" else ["a"] * 3 + ["b"] * 2
    array = array.assign_coords({label: (column, names)})
    with pytest.raises(LabelError, match=f"'{column}' has the labels '{label}' of brain") as told:
        compare.compute_rdms(array)
    if column != "place":
        found = compare.compute_rdms(follow(told.value, array))
        assert ("region" in found.dims) == label.startswith("region")


@pytest.mark.parametrize("dim", ["repetition", "trial", "session", "subject", "time", "time_bin"])
def test_what_is_no_feature_does_not_count_as_one(dim):
    array = build(("stimulus", dim, "feature"))
    for call in (
        compare.compute_rdms,
        lambda x: compare.fit_encoding(x, build(("stimulus", "neuroid")), cv=2),
    ):
        with pytest.raises(LabelError, match=f"'{dim}' is no axis of features.*x.stack"):
            call(array)


def test_features_with_any_other_axes_are_taken():
    for dims in (("stimulus", "channel", "y", "x"), ("stimulus", "token", "feature")):
        assert compare.compute_rdms(build(dims)).dims == ("stimulus", "stimulus_2")
    responses = build(("stimulus", "neuroid"), region=("neuroid", list("aabbb")))
    compare.fit_encoding(responses, build(("stimulus", "neuroid")) + 1, cv=2, n_splits=0)


def test_names_that_do_not_tell_make_no_code():
    assert suggest_code(build(("stimulus", "channel", "unit")), "x") == ""
    assert suggest_code(build(("stimulus", "here")), "x") == ""
    assert suggest_code(build(("stimulus", "neuroid")), "x") == ""
    with pytest.raises(LabelError, match=r"Rename with responses\.rename\(old='new'\)"):
        compare.compute_ncsnr(build(("stimulus", "here")))


def test_functions_of_one_time_bin_say_so():
    timed = build(("stimulus", "neuroid", "time_bin"))
    features = label_features(np.arange(2.0 * N).reshape(N, 2))
    with pytest.raises(LabelError, match=r"Select one time bin: responses\.isel\(time_bin=0"):
        compare.fit_banded({"a": features, "b": features**2}, timed, cv=3)
