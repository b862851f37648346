"""Which intervals ``interval="auto"`` takes, of ``compare_rdms`` and ``bootstrap_rdms``."""

import numpy as np
import pytest
import xarray as xr
from squares import draw_square, label_squares

from neurolens.compare import bootstrap_rdms, compare_rdms
from neurolens.errors import UnknownNameError

DRAWS = {"n_bootstrap": 20, "quiet": True}


def build_sides(rng, n):
    model = label_squares([draw_square(rng, n) for _ in "ab"], op=["a", "b"])
    return model, label_squares([draw_square(rng, n) for _ in "ABC"], subject=list("ABC"))


@pytest.mark.parametrize("compare", [compare_rdms, bootstrap_rdms])
@pytest.mark.parametrize(("n", "taken"), [(16, "influence"), (15, "bootstrap")])
def test_influences_of_enough_stimuli(rng, compare, n, taken):
    sides = build_sides(rng, n)
    scores = compare(*sides, **DRAWS)
    explicit = compare(*sides, interval=taken, **DRAWS)
    xr.testing.assert_equal(scores, explicit)
    assert scores.interval_kind == explicit.interval_kind
    assert ("jackknife" in scores.interval_kind) == (taken == "influence")
    assert "interval_note" not in explicit.attrs
    if taken == "influence":
        assert "interval_note" not in scores.attrs
    else:
        note = "An RDM has pairs of fewer than 16 stimuli or groups of them: draws were scored."
        assert scores.interval_note == note


@pytest.mark.filterwarnings("ignore:some pairs are NaN")
@pytest.mark.parametrize("compare", [compare_rdms, bootstrap_rdms])
@pytest.mark.parametrize(("n", "taken"), [(16, False), (15, True)])
def test_the_subject_with_the_fewest_stimuli_decides(rng, compare, n, taken):
    model, brain = build_sides(rng, 20)
    brain[1, n:] = np.nan
    brain[1, :, n:] = np.nan
    scores = compare(model, brain, **DRAWS)
    assert ("jackknife" not in scores.interval_kind) == taken
    assert ("interval_note" in scores.attrs) == taken


@pytest.mark.filterwarnings("ignore:some pairs are NaN")
def test_stimuli_that_both_sides_have_count(rng):
    model, brain = build_sides(rng, 30)
    model[1, 20:] = np.nan
    model[1, :, 20:] = np.nan
    brain[0, :6] = np.nan
    brain[0, :, :6] = np.nan
    scores = compare_rdms(model, brain, n_splits=0, **DRAWS)
    assert scores.interval_kind == "bootstrap percentile"
    assert "jackknife" in compare_rdms(model[:1], brain, n_splits=0, **DRAWS).interval_kind


def test_no_draws_need_no_note(rng):
    sides = build_sides(rng, 16)
    scores = compare_rdms(
        *sides, comparator="bures", interval="bootstrap", n_bootstrap=0, n_splits=0
    )
    assert scores.interval_kind == "none"
    assert "interval_note" not in scores.attrs


def test_groups_count_not_their_stimuli(rng):
    model, brain = build_sides(rng, 20)
    pairs = xr.DataArray(np.arange(20) // 2, dims="stimulus", coords={"stimulus": model.stimulus})
    scores = compare_rdms(model, brain, by=pairs, n_splits=0, **DRAWS)
    assert scores.interval_kind == "bootstrap percentile"
    assert scores.interval_over == "groups of stimuli"


@pytest.mark.parametrize("n", [6, 16])
def test_comparators_whose_draws_are_biased_are_not_resampled(n, rng):
    scores = compare_rdms(*build_sides(rng, n), comparator="bures", n_splits=0, **DRAWS)
    assert "jackknife" in scores.interval_kind
    assert ("interval_note" in scores.attrs) == (n < 16)
    sides = build_sides(rng, n)
    settings = {"comparator": "bures", "interval": "influence", "n_bootstrap": 0, "n_splits": 0}
    assert ("interval_note" in compare_rdms(*sides, **settings).attrs) == (n < 16)


@pytest.mark.parametrize("comparator", ["rho-a", "bures"])
def test_no_draws_are_no_intervals(rng, comparator):
    sides = build_sides(rng, 16)
    scores = compare_rdms(*sides, comparator=comparator, n_bootstrap=0, n_splits=0)
    assert scores.interval_kind == "none"
    assert scores.mean_ci_low.isnull().all()
    assert "interval_note" not in scores.attrs


def test_unknown_kind(rng):
    with pytest.raises(UnknownNameError, match="interval.*auto.*bootstrap.*influence"):
        compare_rdms(*build_sides(rng, 6), interval="jackknife")
