"""Annotations of ops from a table of best ops, matched to the scores by label."""

import numpy as np
import pytest
import xarray as xr
from graphs import build_residual, fake_best, fake_scores, name_best

from neurolens.errors import InputError, LabelError
from neurolens.view.annotation.reading import annotate_ops


@pytest.fixture
def scores(rng):
    return fake_scores(build_residual(), rng)


@pytest.fixture
def best(scores):
    return fake_best(scores)


def test_best_ops_and_ties_are_told_by_position_of_the_region(scores, best):
    a, b, c = scores.op.values[:3].tolist()
    best = name_best(best, scores, [a, b, a, ""])
    tied = best["indistinguishable"] & False
    tied.loc["V1", [a, c]] = True
    tied.loc["V2", [a, b]] = True
    tied.loc["IT", c] = True
    note = annotate_ops(scores, best=best.assign(indistinguishable=tied))
    assert note.best == {a: (0, 2), b: (1,)}
    assert note.ties == {a: (1,), c: (0, 3)}


def test_the_order_of_best_does_not_matter(scores, best):
    turned = best.isel(region=[2, 0, 3, 1], op=slice(None, None, -1)).transpose("op", "region")
    there, expected = annotate_ops(scores, best=turned), annotate_ops(scores, best=best)
    assert there.best == expected.best
    assert there.ties == expected.ties
    assert len(expected.ties) > 0


def test_best_of_other_regions_is_refused(scores, best):
    with pytest.raises(
        LabelError,
        match="best and scores must hold the same 4 .* 'region'. Missing from best: 'V4'",
    ):
        annotate_ops(scores, best=best.drop_sel(region="V4"))
    with pytest.raises(
        LabelError, match="best and scores must hold the same 3 .* 'region'.*only in best: 'V4'"
    ):
        annotate_ops(scores.drop_sel(region="V4"), best=best)
    with pytest.raises(
        LabelError, match="the 'region' labels of best must be unique, but these repeat: 'V1'"
    ):
        annotate_ops(scores, best=xr.concat([best, best.sel(region=["V1"])], "region"))


def test_best_of_other_ops_is_refused(scores, best):
    best["best_op"] = ("region", ["nope/relu", *best.best_op.values[1:]])
    with pytest.raises(
        LabelError, match="best must name ops of this graph, but it has no 'nope/relu'"
    ):
        annotate_ops(scores, best=best)


def test_best_of_other_scores_is_refused(scores, best, rng):
    other = fake_scores(build_residual(), rng)
    with pytest.raises(InputError, match=r"chosen from other scores: its best op of 'V1'.* scored"):
        annotate_ops(other, best=best)
    with pytest.raises(
        InputError, match="from scores of measure 'r2', and these scores are of 'rho"
    ):
        annotate_ops(scores, best=best.assign_attrs(measure="r2"))
    kept = best.assign(naive_score=best.naive_score.astype("float32"))  # as a file may hold it
    assert annotate_ops(scores, best=kept).best == annotate_ops(scores, best=best).best
    nothing = name_best(best, scores, [""] * 4)
    assert annotate_ops(other, best=nothing).best == {}


def test_infinite_scores_are_refused(scores):
    scores["score_mean"][3, 1] = np.inf
    with pytest.raises(InputError, match="scores are infinite for some op. Replace these by NaN"):
        annotate_ops(scores)


def test_without_best_nothing_is_marked(scores):
    note = annotate_ops(scores)
    assert (note.best, note.ties) == ({}, {})
    assert np.isnan(note.get_means("no such op")).all()


def test_regions_are_shown_in_the_order_asked_for(scores, best):
    whole = annotate_ops(scores, best=best)
    note = annotate_ops(scores, best=best, regions=["IT", "V2"])
    assert note.regions == ("IT", "V2")
    op = str(scores.op.values[5])
    np.testing.assert_array_equal(note.get_means(op), whole.get_means(op)[[3, 1]])
    np.testing.assert_array_equal(note.heldout, whole.heldout[[3, 1]])
    chosen = str(best.best_op.sel(region="IT").item())
    assert note.best[chosen] == (0,)
    assert annotate_ops(scores, regions="V4").regions == ("V4",)


def test_other_regions_are_refused(scores):
    with pytest.raises(LabelError, match="have no 'V3', 'it'. They have 'V1', 'V2', 'V4', 'IT'"):
        annotate_ops(scores, regions=["V1", "V3", "it"])
    with pytest.raises(LabelError, match="regions must be unique, but these repeat: 'V1'"):
        annotate_ops(scores, regions=["V1", "V1"])
    with pytest.raises(InputError, match="regions is empty.*Leave regions out"):
        annotate_ops(scores, regions=[])
    with pytest.raises(InputError, match=r"regions must be one name or several, got 2.*'V1', 'V2'"):
        annotate_ops(scores, regions=2)


def make_timed(scores):
    bins = [scores * factor for factor in (1.0, 0.5, 0.25)]
    timed = xr.concat(bins, xr.DataArray([50, 100, 150], dims="time_bin", name="time_bin"))
    return timed.assign_attrs(scores.attrs)


def test_one_time_bin_is_chosen_by_its_label(scores):
    timed = make_timed(scores)
    note = annotate_ops(timed, time_bin=100)
    op = str(scores.op.values[2])
    np.testing.assert_array_equal(note.get_means(op), scores.score_mean.sel(op=op) * 0.5)
    assert note.time_bin == "100"
    for one in (timed.sel(time_bin=[150]), timed.sel(time_bin=150)):
        assert annotate_ops(one).time_bin == "150"
        np.testing.assert_array_equal(annotate_ops(one).get_means(op), note.get_means(op) / 2)
    assert annotate_ops(scores).time_bin == ""


def test_time_bins_are_never_chosen_for_the_user(scores):
    timed = make_timed(scores)
    with pytest.raises(
        InputError,
        match=r"3 time bins.*50, 100, 150. Choose with time_bin=50.*scores.sel\(time_bin=50\)",
    ):
        annotate_ops(timed)
    with pytest.raises(
        LabelError, match="time_bin=60: scores have no such time bin, only 50, 100, 150"
    ):
        annotate_ops(timed, time_bin=60)
    with pytest.raises(LabelError, match="time_bin=50: these scores have no time bins"):
        annotate_ops(scores, time_bin=50)


def test_tests_and_held_out_intervals_are_read(scores, best):
    op = str(scores.op.values[1])
    assert np.isnan(annotate_ops(scores).get_qs(op)).all()
    assert not annotate_ops(scores).has_tests
    scores["q"] = scores.score_mean / 10
    note = annotate_ops(scores, best=best.assign(heldout_p=("region", [0.1, 0.2, 0.3, 0.4])))
    assert note.has_tests
    np.testing.assert_array_equal(note.get_qs(op), scores.q.sel(op=op))
    np.testing.assert_array_equal(note.top_ops.p, [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(note.top_ops.low, best.heldout_ci_low)
    np.testing.assert_array_equal(note.top_ops.high, best.heldout_ci_high)
    assert np.isnan(annotate_ops(scores).top_ops.p).all()


def test_what_is_missing_is_told(scores):
    with pytest.raises(InputError, match="score_mean, ceiling_lower is missing from these scores"):
        annotate_ops(scores.drop_vars(["score_mean", "ceiling_lower"]))
    with pytest.raises(InputError, match="best must be the Dataset .* got dict without best_op"):
        annotate_ops(scores, best={})
    with pytest.raises(
        LabelError, match="scores must name ops of this graph, but it has no 'fc/linear'"
    ):
        annotate_ops(scores, ops=scores.op.values.tolist()[:-1])
