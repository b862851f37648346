import numpy as np
import pytest
import scipy.stats
import xarray as xr
from scores import make_scores
from squares import draw_square, label_squares

from neurolens.compare import assign_regions, bootstrap_rdms, compare_rdms, locate_peaks
from neurolens.compare.selection.depth import order_depths
from neurolens.errors import InputError, LabelError
from neurolens.scores import METHODS, Intervals

OPS, REGIONS = ["a", "b", "c", "d"], ["V1", "V4", "IT"]


@pytest.fixture
def scores(rng) -> xr.Dataset:
    """Return means and draws; region IT has no score."""
    mean = np.array([[0.9, 0.1, 1], [0.2, 0.3, 1], [0.1, 0.8, 1], [0.1, 0.2, 1]])
    mean[:, 2] = np.nan
    draws = mean + 0.5 * rng.normal(size=(41, 4, 3))
    return make_scores(
        mean,
        labels={"ops": OPS, "regions": REGIONS},
        variables={"bootstrap_mean": (("bootstrap", "op", "region"), draws)},
        intervals=Intervals("bootstrap percentile", "stimuli", 0.8),
    )


def test_known_answer(scores):
    depth = {"a": 10.0, "b": 20.0, "d": 40.0}
    found = locate_peaks(scores, depth=depth)
    assert found.peak_op.values.tolist() == ["a", "b", ""]
    np.testing.assert_array_equal(found.peak_depth, [10, 20, np.nan])
    for region in ("V1", "V4"):
        chosen = [
            max(depth, key=lambda op, draw=draw: float(draw.sel(op=op)))
            for draw in scores.bootstrap_mean.sel(region=region)
        ]
        low, high = np.quantile([depth[op] for op in chosen], [0.1, 0.9])
        assert float(found.peak_depth_low.sel(region=region)) == pytest.approx(low)
        assert float(found.peak_depth_high.sel(region=region)) == pytest.approx(high)
    assert np.isnan(found.hierarchy)
    assert np.isnan(found.hierarchy_p)
    assert locate_peaks(scores).peak_depth.values[1] == pytest.approx(2 / 3)


def test_hierarchy_is_spearman(rng):
    depths = rng.integers(0, 4, (20, 5)).astype(float)
    expected = [
        scipy.stats.spearmanr(np.arange(5), row).statistic for row in depths if np.ptp(row) > 0
    ]
    found = order_depths(depths)
    np.testing.assert_allclose(found[~np.isnan(found)], expected, atol=1e-12)
    assert np.isnan(order_depths(np.ones((1, 5)))).all()
    assert np.isnan(order_depths(depths[:, :2])).all()


def test_planted_hierarchy(rng):
    """Each region is made from one op, at increasing depth; both kinds of draws find them."""
    squares = [draw_square(rng, 16) for _ in OPS]
    model = label_squares(squares, op=OPS)
    sides = [[squares[k] + 0.3 * draw_square(rng, 16) for _ in "ABC"] for k in (0, 1, 3)]
    brain = label_squares(sides, region=REGIONS, subject=list("ABC"))
    for found in (
        locate_peaks(bootstrap_rdms(model, brain, n_bootstrap=60)),
        locate_peaks(compare_rdms(model, brain, n_bootstrap=60, n_splits=0)),
    ):
        assert found.peak_op.values.tolist() == ["a", "b", "d"]
        assert float(found.hierarchy) == pytest.approx(1)
        assert float(found.hierarchy_low) == pytest.approx(1)
        assert float(found.hierarchy_p) == pytest.approx(1 / 6)
        assert "over all 6 orders; p cannot be below 0.17" in found.hierarchy_note
        np.testing.assert_allclose(found.peak_depth_low, found.peak_depth)


def test_two_regions_are_not_tested(scores):
    found = locate_peaks(scores.sel(region=["V1", "V4"]))
    assert np.isnan(found.hierarchy_p)
    assert "not tested: that takes three regions" in found.hierarchy_note


def test_errors(scores):
    with pytest.raises(InputError, match="scores must hold 'draws' or 'bootstrap_mean'"):
        locate_peaks(scores.drop_vars("bootstrap_mean"))
    with pytest.raises(LabelError, match="of which scores lack 'z'"):
        locate_peaks(scores, depth={"z": 1.0})
    with pytest.raises(InputError, match="finite numbers"):
        locate_peaks(scores, depth={"a": np.nan})


def test_scores_of_any_method_and_a_selected_region(scores):
    whole = locate_peaks(scores)
    for method in METHODS:
        one = locate_peaks(scores.assign_attrs(method=method).sel(region="V4"))
        assert one.peak_op.values.tolist() == [whole.peak_op.sel(region="V4").item()]
        assert float(one.peak_depth_low[0]) == float(whole.peak_depth_low.sel(region="V4"))
    assert whole.attrs["interval_level"] == 0.8
    with pytest.raises(InputError, match="locate_peaks takes scores, the Dataset that"):
        locate_peaks(scores["score_mean"])


@pytest.mark.parametrize("function", [locate_peaks, assign_regions])
def test_a_single_draw_is_refused(scores, function):
    """Its interval would have width 0; no draws at all give no interval."""
    halves = np.broadcast_to(scores.score_mean.values, (1, 2, 4, 3))
    scores = scores.assign(split_score=(("split", "half", "op", "region"), halves))
    scores = scores.sel(region=["V1", "V4"])
    with pytest.raises(InputError, match=rf"{function.__name__} needs.*two of them or more, got 1"):
        function(scores.isel(bootstrap=[3]))
    assert function(scores.isel(bootstrap=[])).peak_depth_low.isnull().all()


def test_a_region_without_scores_leaves_the_order_untested(scores):
    found = locate_peaks(scores)
    assert np.isnan(found.hierarchy_p)
    assert found.attrs["hierarchy_note"].endswith("not tested: a region has no op with a score.")


def test_an_op_without_draws_leaves_the_interval_open(scores):
    """It may be the peak: draws of the others do not say where that lies."""
    expected = locate_peaks(scores)
    lost = scores.copy(deep=True)
    lost["bootstrap_mean"].loc[{"op": "a", "region": "V1"}] = np.nan
    peaks = locate_peaks(lost)
    for bound in ("peak_depth_low", "peak_depth_high"):
        assert np.isnan(peaks[bound].sel(region="V1"))
        assert peaks[bound].sel(region="V4") == expected[bound].sel(region="V4")
    assert peaks.peak_depth.equals(expected.peak_depth)
    named = locate_peaks(lost, depth={"b": 1.0, "c": 2.0})
    assert named.peak_depth_low.sel(region="V1").notnull()
