"""Two sides get the same stimuli by id, and what is left out is said."""

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import neurolens as nl
from neurolens import align_stimuli
from neurolens.errors import InputError, LabelError, UnknownNameError

A = ["cat", "dog", "cup", "car"]
B = ["car", "cup", "dog", "cat"]


def value(name):
    """Return the number that stands for a stimulus, so that a wrong match shows."""
    return sum(ord(letter) * 7**k for k, letter in enumerate(str(name)))


def make_features(ids):
    values = np.array([[value(name), 1.0] for name in ids])
    return xr.DataArray(values, dims=("stimulus", "feature"), coords={"stimulus": ids})


def make_rdms(ids, others=None):
    others = ids if others is None else others
    values = np.array([[abs(value(x) - value(y)) for y in others] for x in ids], dtype=float)
    return xr.DataArray(
        values, dims=("stimulus", "stimulus_2"), coords={"stimulus": ids, "stimulus_2": others}
    )


def make_responses(ids):
    values = np.array([[value(name), k] for k, name in enumerate(ids)], dtype=float)
    coords = {"stimulus_id": ("presentation", np.array(ids, dtype=object))}
    return xr.DataArray(values, dims=("presentation", "neuroid"), coords=coords)


def make_stimuli(ids):
    pictures = np.zeros((len(ids), 3, 4, 4), np.float32)
    pictures[:, 0, 0, 0] = [value(name) for name in ids]
    return nl.load_stimuli(pictures, ids=ids)


def make_tree(ids):
    features = xr.Dataset({"activation": make_features(ids).drop_vars("stimulus")})
    return xr.DataTree.from_dict({"/": xr.Dataset(coords={"stimulus": ids}), "/op": features})


MAKERS = {
    "features": make_features,
    "dataset": lambda ids: make_rdms(ids).to_dataset(name="gram"),
    "rdms": make_rdms,
    "rdms in two orders": lambda ids: make_rdms(ids, sorted(ids)),
    "tree": make_tree,
    "stimuli": make_stimuli,
    "table": lambda ids: pd.DataFrame({"value": [value(name) for name in ids]}, index=ids),
    "list": list,
    "array": lambda ids: np.array(ids),
}


def read_ids(side):
    """Return the ids of a side in its order, and check that its numbers are still theirs."""
    if isinstance(side, xr.DataTree):
        side = side["op/activation"]
    if isinstance(side, xr.Dataset):
        side = side["gram"]
    if isinstance(side, xr.DataArray):
        ids = side.stimulus.values.tolist()
        if "stimulus_2" in side.dims:
            assert side.stimulus_2.values.tolist() == ids
            xr.testing.assert_equal(side, make_rdms(ids))
        else:
            xr.testing.assert_equal(side, make_features(ids))
        return ids
    if isinstance(side, pd.DataFrame):
        assert side["value"].tolist() == [value(name) for name in side.index]
        return side.index.tolist()
    if isinstance(side, nl.StimulusSet):
        assert [float(side[name][0, 0, 0]) for name in side.ids] == [value(n) for n in side.ids]
        return list(side.ids)
    return list(side)


@pytest.mark.parametrize("first", MAKERS)
@pytest.mark.parametrize("second", MAKERS)
def test_every_kind_with_every_other(first, second):
    a, b, report = align_stimuli(MAKERS[first](A), MAKERS[second](B))
    assert read_ids(a) == read_ids(b) == A == report.ids
    assert report.table.empty
    assert str(report) == "4 stimuli are in a and b."
    with pytest.warns(
        RuntimeWarning, match="3 stimuli are in a and b. 1 of 4 left out of a: 'cat'"
    ):
        a, b, report = align_stimuli(MAKERS[first](A), MAKERS[second]([*B[:3], "emu"]), "inner")
    assert read_ids(a) == read_ids(b) == ["dog", "cup", "car"]
    assert report.dropped == (["cat"], ["emu"])


@pytest.mark.parametrize("kind", MAKERS)
def test_presentations_stay_in_the_order_of_recording(kind):
    shown = ["dog", "cat", "emu", "dog", "cup"]
    with pytest.warns(RuntimeWarning, match="1 of 4 left out of brain: 'emu'"):
        a, b, report = align_stimuli(
            MAKERS[kind](A), make_responses(shown), "inner", names=("model", "brain")
        )
    assert read_ids(a) == ["cat", "dog", "cup"]
    assert b.stimulus_id.values.tolist() == ["dog", "cat", "dog", "cup"]
    np.testing.assert_array_equal(b[:, 1], [0, 1, 3, 4])
    assert report.names == ("model", "brain")
    with pytest.warns(RuntimeWarning, match="left out"):
        b, a, _ = align_stimuli(make_responses(shown), MAKERS[kind](A), "inner")
    assert read_ids(a) == ["dog", "cat", "cup"]
    assert b.sizes["presentation"] == 4


@given(
    st.sets(st.integers(0, 30), min_size=3), st.sets(st.integers(0, 30), min_size=3), st.randoms()
)
def test_the_ids_are_the_intersection(ids, others, random):
    a = [f"s{k}" for k in ids]
    b = [f"s{k}" for k in others]
    random.shuffle(a)
    random.shuffle(b)
    common = [name for name in a if name in b]
    if len(common) < 2:
        with pytest.raises(LabelError, match="must share 2 stimuli or more"):
            align_stimuli(make_features(a), make_rdms(b), "inner")
        return
    if set(a) == set(b):
        left, right, _ = align_stimuli(make_features(a), make_rdms(b))
    else:
        with pytest.raises(LabelError, match="must hold the same stimuli"):
            align_stimuli(make_features(a), make_rdms(b))
        with pytest.warns(RuntimeWarning, match="left out"):
            left, right, report = align_stimuli(make_features(a), make_rdms(b), "inner")
        assert len(report.table) == len(set(a) ^ set(b))
    assert read_ids(left) == read_ids(right) == common


def test_exact_says_what_differs_and_what_to_do():
    with pytest.raises(
        LabelError,
        match=r"model and brain must hold the same stimuli. Only in model: 'cat'; only in brain: "
        r"'emu'. Keep the 3 that both have with join='inner'",
    ):
        align_stimuli(A, [*B[:3], "emu"], names=("model", "brain"))
    with pytest.raises(LabelError, match="only in b: 'x', 'y'. They share too few to compare"):
        align_stimuli(["cat", "dog"], ["x", "y"])


def test_ids_written_in_two_ways_are_told_and_never_matched():
    files = [f"{name}.png" for name in A]
    for join in ("exact", "inner"):
        with pytest.raises(
            LabelError, match="4 ids would be the same .* suffix, such as 'cat.png'"
        ):
            align_stimuli(files, make_rdms(B), join)
    mixed = ["cat", "dog", "Cup", "CAR"]
    with pytest.warns(RuntimeWarning, match="2 in case, such as 'Cup' and 'cup'"):
        a, _, report = align_stimuli(mixed, make_rdms(B), "inner")
    assert a == ["cat", "dog"]
    table = report.table.set_index(["side", "id"])
    assert table.loc[("a", "Cup"), "written_alike"] == "cup"
    assert table.loc[("b", "car"), "differs_in"] == "case"
    assert repr(report).startswith("<AlignmentReport: 2 stimuli are in a and b.")


def test_numbers_counted_from_0_and_from_1_are_told():
    message = "a counts from 's0' to 's9', b from 's1' to 's10': one may count from 0"
    a = [f"s{k}" for k in range(10)]
    b = [f"s{k}" for k in range(1, 11)]
    with pytest.raises(LabelError, match=message):
        align_stimuli(a, b)
    with pytest.warns(RuntimeWarning, match=message):
        _, _, report = align_stimuli(a, b, "inner")
    assert "counts from" in report.offset


def test_too_few_in_common_are_refused():
    for other in (["x", "y", "z"], ["cat", "y", "z"]):
        with pytest.raises(LabelError, match="a and b must share 2 stimuli or more"):
            align_stimuli(A, other, "inner")


@pytest.mark.parametrize(
    ("side", "message"),
    [
        (make_features(A).drop_vars("stimulus"), "a has no labels along 'stimulus'"),
        (make_features(["cat", "cat", "dog"]), "must be unique, but these repeat: 'cat'"),
        (make_responses(A).drop_vars("stimulus_id"), "a has presentations without 'stimulus_id'"),
        (make_responses(["cat", None, "dog"]), "the ids of a must all be known, and number 1"),
        (make_rdms(A, [*A[:3], "emu"]), "other ids along 'stimulus_2' than along 'stimulus'"),
        (["cat", float("nan")], "the ids of a must all be known"),
        (["cat", "cat"], "the ids of a must be unique"),
        (xr.DataArray(np.zeros(3), dims="op"), "a is of no stimuli: it has the dimensions"),
        ([["cat"]], "the ids of a must be texts or numbers"),
        ("cat", "a must be stimuli, responses, .* got str. Of a data set pass a part"),
        (None, "a must be stimuli"),
    ],
)
def test_sides_without_ids_are_refused(side, message):
    with pytest.raises((InputError, LabelError), match=message):
        align_stimuli(side, A)


def test_joins_have_names():
    with pytest.raises(UnknownNameError, match="no join named 'outer'"):
        align_stimuli(A, B, "outer")


def test_aligned_sides_are_compared(rng):
    ids = [f"s{k}" for k in range(8)]
    stimuli = nl.load_stimuli(rng.normal(size=(8, 4)).astype(np.float32), ids=ids)
    net = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh())
    acts = nl.extract_activations(net, stimuli, quiet=True)
    grams = nl.extract_grams(net, stimuli, quiet=True)
    responses = xr.DataArray(
        rng.normal(size=(8, 5)),
        dims=("presentation", "neuroid"),
        coords={"stimulus_id": ("presentation", [*ids[:0:-1], "extra"])},
    )
    found = []
    for model in (acts, grams):
        with pytest.warns(RuntimeWarning, match="1 of 8 left out of b: 'extra'"):
            shown, measured, _ = align_stimuli(model, responses, "inner")
        rdms = nl.compute_rdms(shown, metric="euclidean")
        brain = nl.compute_rdms(measured)
        found.append(nl.compare_rdms(rdms, brain, n_splits=0, n_bootstrap=0).score)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    some = nl.extract_activations(net, stimuli.select(ids[1:]), quiet=True)
    alone = nl.compute_rdms(some, metric="euclidean")
    scores = nl.compare_rdms(alone, brain, n_splits=0, n_bootstrap=0).score
    np.testing.assert_allclose(scores, found[0], atol=1e-6)


def test_series_of_values_by_stimulus_are_ambiguous():
    """Ratings of stimuli, in whole numbers, are no ids."""
    ratings = pd.Series([3, 1, 2], index=["cat", "dog", "cup"])
    with pytest.raises(
        InputError, match="b is a Series, whose stimuli may be its values or its in"
    ):
        align_stimuli([1, 2, 3], ratings)
    assert align_stimuli(["cup", "dog", "cat"], ratings.to_frame())[1][0].tolist() == [2, 1, 3]
    assert align_stimuli(["a", "b"], pd.Series(["b", "a"]))[1] == ["a", "b"]
