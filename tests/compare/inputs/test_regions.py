"""Regions that overlap: each gives what selecting it alone gives, in everything that has regions."""

import numpy as np
import pytest
import xarray as xr
from brains import label_features, label_responses

from neurolens import compare
from neurolens.compare.inputs.regions import group_neuroids, number_labels
from neurolens.errors import InputError, LabelError

N = 12
INSIDE = {
    "V1": [True] * 10 + [False] * 6,
    "IT": [False] * 4 + [True] * 10 + [False] * 2,
}


def build_overlapping(rng) -> xr.DataArray:
    """Return 16 neuroids of two subjects: six in both regions, two in none."""
    values = rng.normal(size=(2 * N, 16))
    ids = [f"s{i}" for i in range(N)] * 2
    data = label_responses(values, ids=ids, subject=list("AB" * 8))
    return data.assign_coords({f"region_{k}": ("neuroid", x) for k, x in INSIDE.items()})


def select_region(data, region):
    """Return the neuroids of one region, labelled as such."""
    names = [name for name in data.coords if str(name).startswith("region_")]
    one = data.isel(neuroid=np.array(INSIDE[region])).drop_vars(names)
    return one.assign_coords(region=("neuroid", [region] * one.sizes["neuroid"]))


def score_alignment(features, responses):
    grams = compare.compute_grams(features.rename(axis_0="neuroid"))
    return compare.compare_grams(grams, compare.compute_grams(responses))["score"]


def score_prediction(features, responses):
    fit = compare.fit_encoding(features, responses, cv=3, predictions=True)
    return compare.compare_predicted(fit["prediction"], responses)["score"]


ANSWERS = {
    "compute_rdms": lambda f, r: compare.compute_rdms(r),
    "crossnobis": lambda f, r: compare.compute_rdms(r, metric="crossnobis", noise="identity"),
    "compare_grams": score_alignment,
    "fit_encoding": lambda f, r: compare.fit_encoding(f, r, cv=3)["score"],
    "fit_banded": lambda f, r: compare.fit_banded(
        {"a": f, "b": f**2}, r, cv=3, n_iter=1, metric="r"
    )["score"],
    "permute_encoding": lambda f, r: compare.permute_encoding(f, r, cv=3, n_permutations=9)["p"],
    "compare_predicted": score_prediction,
}


@pytest.mark.parametrize(
    ("name", "timed"),
    [(name, False) for name in ANSWERS]
    + [(name, True) for name in ANSWERS if name not in ("compare_grams", "fit_banded")],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_each_region_is_as_if_it_were_alone(rng, name, timed):
    data = build_overlapping(rng)
    features = label_features(rng.normal(size=(N, 3)))
    if timed:
        data = xr.concat([data, data + rng.normal(size=data.shape)], "time_bin")
        data = data.assign_coords(time_bin=[70, 90])
    found = ANSWERS[name](features, data)
    assert found.region.values.tolist() == ["V1", "IT"]
    for region in INSIDE:
        alone = ANSWERS[name](features, select_region(data, region))
        np.testing.assert_allclose(
            found.sel(region=region), alone.sel(region=region), atol=1e-9, err_msg=region
        )


@pytest.mark.filterwarnings("ignore:no ceiling for:RuntimeWarning")
def test_ceilings_keep_the_regions(rng):
    for function in (compare.compute_ncsnr, compare.compute_split_half):
        assert function(build_overlapping(rng)).region_V1.values.tolist() == INSIDE["V1"]


def test_partial_least_squares_refuses_overlap(rng):
    data = build_overlapping(rng)
    features = label_features(rng.normal(size=(N, 3)))
    with pytest.raises(InputError, match=r"some neuroid is in several or in none\. Select one"):
        compare.fit_encoding(features, data, cv=3, method="pls", n_components=2)
    apart = data.isel(neuroid=[0, 1, 12, 13])
    labelled = apart.drop_vars(["region_V1", "region_IT"]).assign_coords(
        region=("neuroid", ["V1", "V1", "IT", "IT"])
    )
    settings = {"cv": 3, "method": "pls", "n_components": 2}
    np.testing.assert_array_equal(
        compare.fit_encoding(features, apart, **settings)["score"],
        compare.fit_encoding(features, labelled, **settings)["score"],
    )


def test_two_ways_to_name_regions_are_refused(rng):
    data = build_overlapping(rng)
    with pytest.raises(LabelError, match=r"got 'region' and 'region_V1', 'region_IT'"):
        compare.compute_rdms(data.assign_coords(region="V1"))
    counted = data.assign_coords(region_V1=("neuroid", [1] * 10 + [0] * 6))
    with pytest.raises(LabelError, match=r"region_V1=x\.region_V1\.astype\(bool\)"):
        compare.compute_rdms(counted)
    labelled = data.drop_vars("region_IT").assign_coords(
        region="V1", region_V1=("neuroid", list("abcdefghijklmnop"))
    )
    assert compare.compute_rdms(labelled).region.values.tolist() == ["V1"]


@pytest.mark.parametrize(
    "values",
    [
        np.array([True, False, None], dtype=object),
        np.array([True, False, np.nan], dtype=object),
        np.array([1.0, 0.0, np.nan]),
    ],
    ids=["None", "NaN", "numbers"],
)
@pytest.mark.parametrize("other", [True, False])
def test_a_region_that_says_nothing_of_some_neuroids(rng, values, other):
    """Joining subjects of whom one lacks a region makes such a coordinate."""
    responses = label_responses(rng.normal(size=(8, 3)))
    responses = responses.assign_coords(region_V1=("neuroid", values))
    if other:
        responses = responses.assign_coords(region_IT=("neuroid", [True, True, False]))
    with pytest.raises(
        LabelError,
        match=r"'region_V1' must be True or False for every .*, got (object|float64) with missing "
        r"values\. Make it so: x\.assign_coords\(region_V1=x\.region_V1\.fillna\(False\)",
    ):
        compare.compute_rdms(responses)


def test_a_region_written_as_text(rng):
    values = ["True", "False", "true"]
    responses = label_responses(rng.normal(size=(8, 3)))
    responses = responses.assign_coords(region_V1=("neuroid", values))
    with pytest.raises(LabelError, match=r"astype\(str\)\.str\.lower\(\) == 'true'"):
        compare.compute_rdms(responses)


def test_regions_without_neuroids_are_left_out(rng):
    data = build_overlapping(rng).isel(neuroid=[0, 1, 2, 3])
    assert compare.compute_rdms(data, metric="euclidean").region.values.tolist() == ["V1"]
    with pytest.raises(InputError, match="hold no neuroid of a region"):
        compare.compute_rdms(build_overlapping(rng).isel(neuroid=[14, 15]))


@pytest.mark.parametrize("missing", [np.nan, None, "nan", "<NA>"])
@pytest.mark.parametrize("dim", ["region", "subject"])
def test_labels_are_known(rng, missing, dim):
    labels = np.array(["A", "B", missing, "A"], dtype=object)
    data = label_responses(rng.normal(size=(4, 4))).assign_coords({dim: ("neuroid", labels)})
    with pytest.raises(LabelError, match=rf"'{dim}' of neuroids must be known throughout, and 1"):
        group_neuroids(data)


def test_labels_are_numbered_as_they_appear():
    codes, names = number_labels(["b", "a", "b"])
    assert codes.tolist() == [0, 1, 0]
    assert names.tolist() == ["b", "a"]
