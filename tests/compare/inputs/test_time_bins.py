"""Responses over time: each time bin gives the same result as it would alone."""

import numpy as np
import pytest
import xarray as xr
from brains import label_responses

from neurolens.compare import (
    assign_regions,
    bootstrap_rdms,
    compare_ops,
    compare_predicted,
    compare_rdms,
    compute_ncsnr,
    compute_rdm_ceilings,
    compute_rdms,
    fit_encoding,
    locate_peaks,
    permute_encoding,
    to_rsatoolbox_result,
)
from neurolens.compare.inputs.responses import read_responses, read_targets
from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.errors import InputError, LabelError

IDS = [f"s{i}" for i in range(24)]


@pytest.fixture
def features(rng):
    return xr.DataArray(
        rng.normal(size=(24, 4)), dims=("stimulus", "feature"), coords={"stimulus": IDS}
    )


@pytest.fixture
def responses(rng, features):
    """Return responses of six neuroids at three times, each stimulus shown twice.

    The second time bin holds what the features predict.
    """
    weights = xr.DataArray(rng.normal(size=(4, 6)), dims=("feature", "neuroid"))
    once = (features @ weights).expand_dims(time_bin=3, axis=2).copy()
    once[..., [0, 2]] = 0
    twice = np.concatenate([once + rng.normal(size=once.shape) for _ in range(2)])
    return xr.DataArray(
        twice,
        dims=("presentation", "neuroid", "time_bin"),
        coords={
            "stimulus_id": ("presentation", IDS * 2),
            "neuroid_id": ("neuroid", np.arange(6)),
            "region": ("neuroid", ["V1", "V1", "IT", "IT", "IT", "V1"]),
            "subject": ("neuroid", ["b", "a"] * 3),
            "time_bin": [-50, 100, 250],
            "time_bin_start": ("time_bin", [-60, 90, 240]),
        },
    )


def test_each_time_bin_is_fitted_as_if_alone(features, responses):
    ceiling = compute_ncsnr(responses)
    settings = {"cv": 4, "n_splits": 2, "n_bootstrap": 20, "predictions": True}
    found = fit_encoding(features, responses, ceiling=ceiling, dual=True, **settings)
    assert found.score.dims == ("op", "region", "subject", "time_bin")
    assert found.r.dims == ("op", "neuroid", "time_bin")
    assert found.prediction.dims == ("op", "stimulus", "neuroid", "time_bin")
    for time in responses.time_bin.values:
        one = responses.sel(time_bin=time, drop=True).drop_vars("time_bin_start", errors="ignore")
        alone = fit_encoding(
            features, one, ceiling=ceiling.sel(time_bin=time, drop=True), dual=True, **settings
        )
        here = found.sel(time_bin=time, drop=True).drop_vars("time_bin_start", errors="ignore")
        xr.testing.assert_allclose(here, alone)
    assert found.score_mean.idxmax("time_bin").values.tolist() == [[100, 100]]


def test_tests_know_of_all_time_bins(features, responses):
    found = permute_encoding(features, responses, cv=4, n_permutations=60)
    one = permute_encoding(
        features, responses.sel(time_bin=100, drop=True), cv=4, n_permutations=60
    )
    np.testing.assert_allclose(found.score_mean.sel(time_bin=100), one.score_mean)
    np.testing.assert_array_equal(found.p.sel(time_bin=100), one.p)
    assert (found.p_max.sel(time_bin=100) == 1 / 61).all()
    assert (found.p_max.sel(time_bin=[-50, 250]) > 0.05).all()


def test_groups_are_the_places_of_their_neuroids(rng):
    """The reference is a loop over neuroids; two of them never vary."""
    values, regions, subjects = (
        rng.normal(size=(5, 40)),
        rng.choice([*"VIM"], 40),
        rng.choice([*"ba"], 40),
    )
    values[:, [3, 17]] = 1.0
    with pytest.warns(RuntimeWarning, match="no change over presentations in 2: 'n3', 'n17'"):
        targets = read_targets(label_responses(values, region=regions, subject=subjects))
    expected = {}
    for k, labels in enumerate(zip(regions, subjects, strict=True)):
        place = targets.regions.index(labels[0]), targets.subjects.index(labels[1])
        expected.setdefault(place, []).append(k)
    assert {place: group.tolist() for place, group in targets.groups.items()} == expected
    assert list(targets.groups) == sorted(expected)
    usable = np.flatnonzero(targets.usable)
    for place, column in zip(targets.groups, targets.columns, strict=True):
        assert usable[column].tolist() == [k for k in expected[place] if k not in (3, 17)]
    assert read_responses(label_responses(values)).members[()].tolist() == list(range(40))


def test_geometry_of_predictions_at_each_time_as_if_alone(features, responses):
    """The first neuroid of V1 cannot be predicted at the first time.

    The whole of IT cannot be predicted at the second.
    """
    settings = {"metric": "euclidean", "comparator": "spearman"}
    responses[:, 0, 0] = responses[:, 2:5, 1] = 1.0
    with pytest.warns(
        RuntimeWarning, match="no change over presentations in 4: '0 at 0', '2 at 1'"
    ):
        predicted = fit_encoding(features, responses, cv=4, predictions=True).prediction
    found = compare_predicted(predicted[..., ::-1], responses, **settings).score
    assert found.dims == ("op", "region", "subject", "time_bin")
    assert found.sel(region="IT", time_bin=100).isnull().all()
    assert found.sel(region="V1", subject="b", time_bin=-50).isnull().all()
    assert found.isnull().sum() == 3
    for time in responses.time_bin.values:
        one, part = (
            side.sel(time_bin=time).drop_vars(["time_bin", "time_bin_start"])
            for side in (predicted, responses)
        )
        alone = compare_predicted(one, part, **settings).score
        np.testing.assert_allclose(found.sel(time_bin=time), alone)
        assert alone.region.values.tolist() == found.region.values.tolist() == ["V1", "IT"]
    with pytest.raises(
        LabelError, match="predicted and the measured must hold the same 3 ids along 'time_bin'"
    ):
        compare_predicted(predicted.assign_coords(time_bin=[0, 1, 2]), responses)
    with pytest.raises(LabelError, match=r"predicted must have dimensions .*'time_bin'\)"):
        compare_predicted(predicted.isel(time_bin=0), responses)


def test_responses_without_labels_have_them_after(features, rng):
    bare = xr.DataArray(
        rng.normal(size=(24, 2, 2)),
        dims=("stimulus", "neuroid", "time_bin"),
        coords={"stimulus": IDS},
    )
    found = fit_encoding(features, bare)
    assert found.region.values.tolist() == ["brain"]
    assert found.time_bin.values.tolist() == [0, 1]
    assert dict(found.r.sizes) == {"op": 1, "neuroid": 2, "time_bin": 2}


def test_labels_come_back_as_they_were(features, responses):
    numbered = responses.assign_coords(
        region=("neuroid", [1, 1, 3, 3, 3, 1]), neuroid=list("abcdef")
    )
    found = fit_encoding(features, numbered)
    assert found.region.values.tolist() == [1, 3]
    for name in ("neuroid", "neuroid_id", "neuroid_region", "neuroid_subject", "time_bin_start"):
        np.testing.assert_array_equal(
            found[name], numbered[name.replace("neuroid_r", "r").replace("neuroid_s", "s")]
        )
    words = fit_encoding(features, responses.assign_coords(time_bin=["1 at 2", "at", ""]))
    assert words.region.values.tolist() == ["V1", "IT"]


def test_indexes_of_many_levels_are_read(features, responses):
    expected = fit_encoding(features, responses).score
    ends = responses.assign_coords(time_bin_end=("time_bin", [-40, 110, 260])).drop_vars("time_bin")
    for stacked in (
        responses.set_index(neuroid=["neuroid_id", "region"]),
        ends.set_index(time_bin=["time_bin_start", "time_bin_end"]),
    ):
        found = fit_encoding(features, stacked)
        np.testing.assert_array_equal(found.score, expected)
        np.testing.assert_array_equal(found.time_bin_start, responses.time_bin_start)
        permute_encoding(features, stacked, n_permutations=1)


def test_one_region_and_subject_may_be_a_single_label(features, responses):
    one = responses.drop_vars("region").assign_coords(region="V1", neuroid_id="a")
    assert fit_encoding(features, one).region.values.tolist() == ["V1"]
    assert permute_encoding(features, one, n_permutations=1).region.values.tolist() == ["V1"]
    alone = responses.drop_vars("subject").assign_coords(subject="a")
    assert fit_encoding(features, alone).subject.values.tolist() == ["a"]
    brains = compute_rdms(responses, metric="euclidean")
    models = compute_rdms(features)
    settings = {"n_bootstrap": 0, "n_splits": 0}
    for which in ({"subject": 0}, {"region": 0}):
        whole = compare_rdms(models, brains, **settings).score.isel(which)
        np.testing.assert_allclose(
            compare_rdms(models, brains.isel(which), **settings).score.squeeze(), whole.squeeze()
        )
        compute_rdm_ceilings(brains.isel(which))


def test_times_that_repeat_are_refused(features, responses):
    for call in (fit_encoding, permute_encoding):
        with pytest.raises(
            LabelError,
            match="the 'time_bin' labels of responses must be unique, but these repeat: 70",
        ):
            call(features, responses.assign_coords(time_bin=[70, 70, 90]))


def test_what_takes_one_time_says_so(features, responses):
    brains = compute_rdms(responses, metric="euclidean")
    models = compute_rdms(features).expand_dims(op=["a"])
    scores = bootstrap_rdms(models, brains, n_bootstrap=3)
    for call in (compare_ops, locate_peaks, assign_regions, to_rsatoolbox_result):
        more = (models,) if call is to_rsatoolbox_result else ()
        message = rf"{call.__name__} takes one time bin\. Select with scores\.isel\(time_bin=0, drop=True\)"
        with pytest.raises(InputError, match=message):
            call(scores, *more)
    for call in (compare_ops, locate_peaks):
        call(scores.isel(time_bin=1, drop=True))


def test_a_ceiling_is_matched_by_its_times(features, responses):
    ceiling = compute_ncsnr(responses)
    found = [
        fit_encoding(features, responses, ceiling=one)
        for one in (ceiling, ceiling.isel(time_bin=[2, 0, 1]))
    ]
    xr.testing.assert_identical(*found)
    with pytest.raises(
        LabelError, match="ceiling and the responses must hold the same 3 ids along 'time_bin'"
    ):
        fit_encoding(features, responses, ceiling=ceiling.assign_coords(time_bin=[0, 1, 2]))


class TestDecorator:
    """Decorated functions of one time give the same for each time as they would for it alone."""

    @pytest.fixture
    def brains(self, responses):
        return compute_rdms(responses, metric="euclidean")

    def drop_time(self, scores, k):
        return scores.isel(time_bin=k, drop=True).drop_vars("time_bin_start", errors="ignore")

    def test_rdms(self, brains):
        shapes = []

        @over_time_bins("brain_rdms")
        def rank(factor, brain_rdms, *, comparator):
            """Say it."""
            shapes.append(brain_rdms.dims)
            return factor * compute_rdm_ceilings(brain_rdms, comparator=comparator)

        found = rank(2.0, brains, comparator="cosine")
        assert shapes == [("subject", "stimulus", "stimulus_2", "region")]
        assert found.left_out.dims == ("region", "subject", "time_bin")
        assert found.time_bin_start.values.tolist() == [-60, 90, 240]
        for k in range(3):
            one = self.drop_time(brains, k)
            alone = 2.0 * compute_rdm_ceilings(one, comparator="cosine")
            xr.testing.assert_allclose(self.drop_time(found, k), alone)
        assert rank.__doc__ == "Say it."
        assert rank(brain_rdms=one, factor=2.0, comparator="cosine").identical(alone)

    @pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
    def test_responses_and_what_is_matched_to_them(self, features, responses, order):
        calls = []

        @over_time_bins("responses", "ceiling")
        def fit(features, responses, *, ceiling=None, **settings):
            assert "time_bin" not in responses.dims
            calls.append(responses.sizes["neuroid"])
            return fit_encoding(features, responses, ceiling=ceiling, **settings)

        ceiling = compute_ncsnr(responses)
        found = fit(features, responses, ceiling=ceiling.isel(time_bin=order), cv=4)
        assert calls == [18]
        assert found.r.dims == ("op", "neuroid", "time_bin")
        for k in range(3):
            one = self.drop_time(responses, k)
            alone = fit_encoding(features, one, ceiling=self.drop_time(ceiling, k), cv=4)
            xr.testing.assert_allclose(self.drop_time(found, k), alone)
        assert "normalised" not in fit(features, responses, cv=4, ceiling=None)
        with pytest.raises(LabelError, match="ceiling and the responses must hold the same 3 ids"):
            fit(features, responses, ceiling=ceiling.assign_coords(time_bin=[0, 1, 2]))
        with pytest.raises(
            LabelError, match=r"ceiling must have dimensions \('neuroid', 'time_bin'"
        ):
            fit(features, responses, ceiling=ceiling.isel(time_bin=0))

    def test_a_result_may_be_one_array(self, responses):
        @over_time_bins("responses")
        def average(responses):
            names = responses.region.values
            regions = list(dict.fromkeys(names))
            means = [float(responses.values[:, names == region].mean()) for region in regions]
            return xr.DataArray(means, dims="region", coords={"region": regions}, name="mean")

        found = average(responses)
        assert found.dims == ("region", "time_bin")
        expected = responses.groupby("region").mean(["presentation", "neuroid"])
        xr.testing.assert_allclose(found.sel(region=["IT", "V1"]), expected.rename("mean"))

    def test_what_has_no_time_is_passed_on(self, responses):
        @over_time_bins("data")
        def name(data, **settings):
            return type(data).__name__, settings

        assert name(3, a=1) == ("int", {"a": 1})
        assert name(data=responses.isel(time_bin=0)) == ("DataArray", {})
