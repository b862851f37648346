"""What a map shows of scores: the right number, with words for what makes it too high."""

import numpy as np
import pytest
import xarray as xr
from brains import label_features, label_responses
from maps import OPS, make_volume, score_places
from scores import make_scores

import neurolens as nl
from neurolens.errors import InputError, LabelError, UnknownNameError
from neurolens.view.brain_maps.values import choose_values

LIKE = make_volume(shape=(2, 2, 1))
TABLE = np.array([[0.1, 0.5, np.nan, -0.2], [0.3, 0.2, np.nan, -0.1], [np.nan, 0.4, np.nan, -0.3]])


@pytest.fixture
def scores():
    return score_places(LIKE, TABLE)


def test_the_largest_score_says_that_it_is_too_high(scores):
    shown = choose_values(scores)
    assert np.array_equal(shown.values, [0.3, 0.5, np.nan, -0.1], equal_nan=True)
    assert shown.label == "rho-a"
    assert "too high on average" in shown.notes[1]
    assert shown.notes[0] == "RSA · rho-a · 92 stimuli"
    assert shown.notes[-1] == "no place was tested for significance"


def test_the_score_of_one_op(scores):
    shown = choose_values(scores, op=OPS[2])
    assert np.array_equal(shown.values, TABLE[2], equal_nan=True)
    assert "too high" not in " ".join(shown.notes)
    with pytest.raises(UnknownNameError, match="op among the scores named 'fc'"):
        choose_values(scores, op="fc")


def test_the_best_op_and_its_depth(scores):
    best = choose_values(scores, show="best op")
    assert best.values.values.tolist() == [OPS[1], OPS[0], "", OPS[1]]
    assert best.order == [OPS[0], OPS[1]]
    depth = choose_values(scores, show="depth")
    assert np.array_equal(depth.values, [0.5, 0, np.nan, 0.5], equal_nan=True)
    assert depth.limits == (0, 1)
    # Nothing says that ops of scores stand in order of execution.
    turned = choose_values(scores.isel(op=[1, 0, 2]), show="depth")
    assert np.array_equal(turned.values, [0, 0.5, np.nan, 0], equal_nan=True)
    assert {"in the order of the scores" in one.label for one in (best, depth)} == {True}
    with pytest.raises(InputError, match="compares all. Leave it out"):
        choose_values(scores, show="depth", op=OPS[0])
    with pytest.raises(InputError, match="the scores are of one"):
        choose_values(scores.isel(op=[0]), show="best op")


def test_places_that_are_not_significant_are_left_out_by_the_q_of_the_op_shown(scores):
    q = np.array([[0.2, 0.01, np.nan, 0.9], [0.04, 0.3, np.nan, 0.9], [0.01, 0.01, np.nan, 0.9]])
    tested = scores.assign(q=(("op", "region"), q))
    shown = choose_values(tested)
    assert np.array_equal(shown.values, [0.3, 0.5, np.nan, np.nan], equal_nan=True)
    assert shown.notes[-1] == "1 of 3 places with q > 0.05 are not colored"
    one = choose_values(tested, op=OPS[0])
    assert np.array_equal(one.values, [np.nan, 0.5, np.nan, np.nan], equal_nan=True)
    best = choose_values(tested, show="best op", alpha=0.02)
    assert best.values.values.tolist() == ["", OPS[0], "", ""]
    everything = choose_values(tested, alpha=None)
    assert np.isfinite(everything.values).sum() == 3
    assert everything.notes[-1] == "all places are shown, tested or not"


def test_where_is_matched_by_label(scores):
    where = xr.DataArray(
        [False, True, True, True], {"region": scores.region.values[::-1]}, ("region",)
    )
    shown = choose_values(scores, where=where)
    assert np.array_equal(shown.values, [0.3, 0.5, np.nan, np.nan], equal_nan=True)
    assert shown.notes[-1] == "1 of 4 places are left out by where="
    with pytest.raises(LabelError, match="where lacks 1 of the 4 places"):
        choose_values(scores, where=where.isel(region=slice(0, 3)))
    with pytest.raises(InputError, match="True and False over 'region'"):
        choose_values(scores, where=where.astype(int))


def test_shares_are_of_ceilings():
    ceiling = xr.DataArray([0.5, -0.1], {"region": ["V1", "IT"]}, ("region",))
    scores = make_scores(
        [[0.1, 0.2], [0.3, 0.2], [0.2, 0.4]],
        variables={"ceiling_lower": ceiling, "ceiling_upper": ceiling},
    )
    shown = choose_values(scores, show="share")
    assert np.allclose(shown.values, [0.6, np.nan], equal_nan=True)
    assert shown.limits == (0, 1)
    with pytest.raises(InputError, match="needs noise ceilings, which these scores lack"):
        choose_values(make_scores([[0.1, 0.2]] * 3), show="share")


def test_scores_of_neuroids_are_those_of_encoding(rng):
    features = label_features(rng.normal(size=(20, 3)))
    weights = rng.normal(size=(3, 4))
    responses = label_responses(features.values @ weights + rng.normal(size=(20, 4)))
    scores = nl.fit_encoding(features, responses, n_splits=0)
    shown = choose_values(scores)
    assert shown.values.dims == ("neuroid",)
    assert np.array_equal(shown.values, scores["r"].isel(op=0))
    assert shown.label == "r"


def test_values_are_shown_as_they_are():
    values = xr.DataArray([0.1, 0.2], {"region": ["V1", "IT"]}, ("region",), name="p")
    shown = choose_values(values)
    assert shown.label == "p"
    assert shown.values.identical(values)
    with pytest.raises(InputError, match="these are values already"):
        choose_values(values, show="depth")


def test_bad_settings_are_told(scores):
    with pytest.raises(UnknownNameError, match="no kind of map named 'winner'"):
        choose_values(scores, show="winner")
    with pytest.raises(InputError, match="alpha must be a number above 0"):
        choose_values(scores, alpha=0)
    with pytest.raises(InputError, match="a map is of scores, or of a DataArray"):
        choose_values([1, 2])
    with pytest.raises(InputError, match="takes one time bin"):
        choose_values(scores.expand_dims(time_bin=[0, 1]))
