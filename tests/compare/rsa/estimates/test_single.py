"""Intervals of ``compare_rdms`` from influences: those of the bootstrap, without its draws."""

import numpy as np
import oracles
import pytest
import scipy.stats
import xarray as xr
from form import check_form
from squares import draw_square, label_squares, measure_square

from neurolens.compare import (
    COMPARATORS,
    assign_regions,
    bootstrap_rdms,
    compare_ops,
    compare_rdms,
    locate_peaks,
)
from neurolens.compare.selection.heldout import resample_subjects
from neurolens.errors import InputError, UnknownNameError
from neurolens.scores import list_references

INFLUENCED = [name for name in COMPARATORS if name != "tau-a"]
OPS, REGIONS, SUBJECTS = ["conv", "relu", "fc"], ["V1", "IT"], ["A", "B", "C"]
WIDTHS = [("ci_low", "ci_high"), ("mean_ci_low", "mean_ci_high")]


def build_sides(rng, n=12, noise=1.0):
    """Return RDMs of three ops and two regions of three subjects; subject C has no IT."""
    latent = rng.normal(size=(n, 4))
    readout = rng.normal(size=(4, 30))

    def measure():
        return measure_square(rng, latent, readout, noise)

    model = label_squares([measure() for _ in OPS], op=OPS)
    brain = label_squares(
        [[measure() for _ in SUBJECTS] for _ in REGIONS], region=REGIONS, subject=SUBJECTS
    )
    brain[1, 2] = np.nan
    return model, brain


def derive(squares, comparator):
    """Return influences less their mean: numerical derivatives by the weight of each stimulus."""
    slope = oracles.differentiate(lambda w: oracles.weighted_score(*squares, w, comparator), 8)
    return slope - slope.mean()


def leave_out(squares, comparator):
    """Return influences less their mean: what leaving each stimulus out changes."""
    compare = oracles.SIMILARITIES[comparator]
    left = []
    for i in range(8):
        kept = np.delete(np.arange(8), i)
        left.append(compare(*(oracles.triangle(one[np.ix_(kept, kept)]) for one in squares)))
    return (np.mean(left) - np.array(left)) * 7 / 8


@pytest.mark.parametrize("comparator", INFLUENCED)
def test_intervals_are_t_intervals_of_the_jackknife(rng, comparator):
    model, brain = build_sides(rng, n=8)
    scores = compare_rdms(model, brain, comparator=comparator, interval="influence", n_splits=0)
    find = leave_out if COMPARATORS[comparator].leaves_out else derive
    for region, members in ((0, 3), (1, 2)):
        changes = []
        for subject in range(members):
            changes.append(find((model.values[0], brain.values[region, subject]), comparator))
            reach = scipy.stats.t.ppf(0.975, 7) * np.sqrt(8 / 7 * (changes[-1] ** 2).sum())
            low = float(scores.score[0, region, subject]) - reach
            assert float(scores.ci_low[0, region, subject]) == pytest.approx(low, abs=1e-8)
        mean = np.mean(changes, axis=0)
        reach = scipy.stats.t.ppf(0.975, 7) * np.sqrt(8 / 7 * (mean**2).sum())
        high = float(scores.score_mean[0, region]) + reach
        assert float(scores.mean_ci_high[0, region]) == pytest.approx(high, abs=1e-8)
    assert scores.ci_low[:, 1, 2].isnull().all()


@pytest.mark.parametrize("comparator", ["rho-a", "spearman", "whitened-cosine"])
def test_standard_errors_are_those_of_many_draws(rng, comparator):
    """With little noise, so that copies of stimuli add little to what draws vary by."""
    model, brain = build_sides(rng, n=80, noise=0.5)
    settings = {"comparator": comparator, "n_bootstrap": 2000, "n_splits": 0}
    by_draws = compare_rdms(model, brain, **settings)
    by_influence = compare_rdms(model, brain, interval="influence", **settings)
    expected = by_draws.bootstrap_mean.std("bootstrap")
    t = scipy.stats.t.ppf(0.975, 79)
    found = (by_influence.mean_ci_high - by_influence.mean_ci_low) / 2 / t
    np.testing.assert_allclose(found / expected, 1, atol=0.1)
    drawn = by_influence.bootstrap_mean.std("bootstrap")
    np.testing.assert_allclose(drawn / expected, 1, atol=0.1)
    gaps = [compare_ops(one) for one in (by_draws, by_influence)]
    reach = [(gap.ci_high - gap.difference).values[0, 1] for gap in gaps]
    np.testing.assert_allclose(reach[1] / reach[0], 1, atol=0.1)
    # Draws of the same stimuli go up and down together.
    both = [one.bootstrap_mean[:, 0, 0] for one in (by_draws, by_influence)]
    assert np.corrcoef(*both)[0, 1] > 0.9
    assert by_draws.draws_sha256 == by_influence.draws_sha256


def test_only_intervals_and_draws_are_others(rng):
    model, brain = build_sides(rng)
    by_draws = compare_rdms(model, brain, n_bootstrap=10)
    by_influence = compare_rdms(model, brain, n_bootstrap=10, interval="influence")
    for name in ("score", "score_mean", "split_score", "ceiling_lower", "ceiling_upper"):
        xr.testing.assert_allclose(by_draws[name], by_influence[name])
    assert set(by_draws) == set(by_influence)


def test_result_says_what_was_done(rng):
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain, interval="influence", n_bootstrap=0)
    check_form(scores, "split_score", "split_member")
    assert scores.interval_kind == "t interval of the infinitesimal jackknife"
    assert scores.interval_over == "stimuli"
    assert (
        " Intervals: t interval of the infinitesimal jackknife, 95 %, over stimuli."
        in scores.methods_text
    )
    assert any("biomet/68.3.589" in one for one in list_references(scores.attrs))
    assert "interval_note" not in scores.attrs
    other = compare_rdms(model, brain, comparator="pearson", interval="influence", n_bootstrap=0)
    assert other.interval_kind == "t interval of the jackknife"
    # Intervals need no draws; what is made of draws does.
    assert scores.mean_ci_low.notnull().all()
    assert scores.sizes["bootstrap"] == 0


@pytest.mark.parametrize("n", [12, 40])
def test_bures_intervals_hold_their_score(n, rng):
    """Its draws repeat stimuli and score higher, so that percentiles need not hold it."""
    settings = {"comparator": "bures", "n_bootstrap": 100, "n_splits": 0}
    sides = build_sides(rng, n, noise=3.0)
    scores = compare_rdms(*sides, **settings)
    assert scores.interval_kind == "t interval of the infinitesimal jackknife"
    assert ("somewhat too narrow" in scores.attrs.get("interval_note", "")) == (n < 16)
    there = scores.score.notnull()
    assert (scores.ci_low < scores.score).where(there, True).all()
    assert (scores.score < scores.ci_high).where(there, True).all()
    assert scores.attrs.get("interval_note", "") in scores.methods_text
    with pytest.warns(RuntimeWarning, match="so intervals from them can be wrong"):
        drawn = compare_rdms(*sides, interval="bootstrap", **settings)
    assert (drawn.score < drawn.ci_low).any()
    assert "score higher in bures" in drawn.interval_note
    assert drawn.interval_note in drawn.methods_text


def test_consumers_take_the_draws(rng):
    model, brain = build_sides(rng, n=30)
    scores = compare_rdms(model, brain, interval="influence", n_bootstrap=400)
    peaks = locate_peaks(scores)
    assert (peaks.peak_depth_low <= peaks.peak_depth).all()
    best = assign_regions(scores)
    assert best.indistinguishable.attrs["over"] == "stimuli"
    assert (best.margin > 0).all()
    # New subjects too: from influences as well, whose draws bootstrap_rdms makes.
    both = assign_regions(scores, rdms=(model, brain))
    assert both.indistinguishable.attrs["over"] == "stimuli and subjects"
    drawn = resample_subjects(scores, (model, brain), None, "assign_regions")
    expected = bootstrap_rdms(model, brain, interval="influence", n_bootstrap=400)
    xr.testing.assert_allclose(drawn.draws, expected.draws)


def test_groups_are_the_units(rng):
    """Six copies of five stimuli say no more than the five."""
    model, brain = build_sides(rng, n=10)
    copies = np.repeat(np.arange(10), 2)
    sides = [
        label_squares(side.values[..., copies, :][..., copies], **labels)
        for side, labels in (
            (model, {"op": OPS}),
            (brain, {"region": REGIONS, "subject": SUBJECTS}),
        )
    ]
    group = xr.DataArray(copies, dims="stimulus", coords={"stimulus": sides[0].stimulus})
    settings = {"interval": "influence", "n_bootstrap": 20, "comparator": "cosine", "n_splits": 0}
    grouped = compare_rdms(*sides, by=group, **settings)
    single = compare_rdms(model, brain, **settings)
    assert grouped.n_units == 10
    assert grouped.interval_over == "groups of stimuli"
    for low, high in WIDTHS:
        np.testing.assert_allclose(grouped[high] - grouped[low], single[high] - single[low])
    np.testing.assert_allclose(grouped.bootstrap_mean, single.bootstrap_mean, atol=1e-6)


def test_stimuli_that_a_subject_lacks_count_for_nothing(rng):
    """As if its score were of the others only; the mean is as sure as the least sure of them."""
    model, brain = build_sides(rng, n=14)
    brain[:, 0, 9:] = np.nan
    brain[:, 0, :, 9:] = np.nan
    settings = {"interval": "influence", "n_bootstrap": 6, "n_splits": 0}
    with pytest.warns(RuntimeWarning, match="some pairs are NaN in the RDMs of 'V1, A', 'IT, A'"):
        scores = compare_rdms(model, brain, **settings)
    first = {"stimulus": slice(9), "stimulus_2": slice(9)}
    alone = compare_rdms(model.isel(first), brain[:, :1].isel(first), **settings)
    for name in ("score", "ci_low", "ci_high"):
        np.testing.assert_allclose(scores[name][:, :, 0], alone[name][:, :, 0])
    one = brain.isel(subject=[0])
    with pytest.warns(RuntimeWarning, match="some pairs are NaN"):
        mean = compare_rdms(model, one, **settings)
    np.testing.assert_allclose(mean.mean_ci_low, alone.mean_ci_low)


def test_order_and_blocks_change_nothing(rng, monkeypatch):
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain, interval="influence", n_bootstrap=5)
    order = rng.permutation(12)
    moved = brain.isel(stimulus=order, stimulus_2=order)
    monkeypatch.setattr("neurolens.compare.rsa.sides.BLOCK_INFLUENCES", 1)
    again = compare_rdms(model, moved, interval="influence", n_bootstrap=5)
    xr.testing.assert_allclose(scores, again)


def test_each_time_bin_as_if_alone(rng):
    model, brain = build_sides(rng)
    settings = {"interval": "influence", "n_bootstrap": 5, "n_splits": 0}
    timed = xr.concat([brain, 2 - brain], "time_bin").where(brain.notnull())
    timed = timed * (1 - np.eye(12))
    found = compare_rdms(model, timed, **settings)
    alone = compare_rdms(model, timed.isel(time_bin=1), **settings)
    for name in ("mean_ci_low", "ci_high", "bootstrap_mean"):
        np.testing.assert_allclose(found[name].isel(time_bin=1), alone[name])


def test_an_op_without_a_score_has_no_interval(rng):
    model, brain = build_sides(rng)
    model[1] = 1 - np.eye(12)
    with pytest.warns(RuntimeWarning, match="no score for 'relu'"):
        scores = compare_rdms(model, brain, interval="influence", n_bootstrap=5)
    assert scores.mean_ci_low[1].isnull().all()
    assert scores.mean_ci_low[[0, 2]].notnull().all()


def test_a_perfect_score_has_no_width(rng):
    square = label_squares(draw_square(rng, 8))
    scores = compare_rdms(square, square, interval="influence", n_bootstrap=3, n_splits=0)
    assert float(scores.ci_low[0, 0, 0]) == float(scores.ci_high[0, 0, 0]) == 1


def test_errors(rng):
    model, brain = build_sides(rng, n=3)
    quick = {"n_bootstrap": 0, "n_splits": 0}
    with pytest.raises(InputError, match="influences need at least 4 stimuli, got 3"):
        compare_rdms(model, brain, interval="influence", **quick)
    compare_rdms(model, brain, **quick)
    with pytest.raises(UnknownNameError, match="no interval named 'jackknife'"):
        compare_rdms(model, brain, interval="jackknife", **quick)


@pytest.mark.parametrize("comparator", ["pearson", "whitened-cosine"])
def test_a_score_that_needs_one_stimulus_has_no_interval_and_no_draws(rng, comparator):
    """Without its one odd stimulus an RDM is constant; other ops are compared all the same."""
    model, brain = build_sides(rng)
    settings = {"comparator": comparator, "interval": "influence", "n_splits": 0}
    expected = compare_ops(compare_rdms(model[1:], brain, **settings))
    model[0] = 0.0
    model[0, 0, 1:] = 1.0
    model[0, 1:, 0] = 1.0
    with pytest.warns(RuntimeWarning, match="no interval for 'conv': without one .*bootstrap"):
        scores = compare_rdms(model, brain, **settings)
    assert scores.score_mean.notnull().all()
    for name in ("ci_low", "mean_ci_low", "mean_ci_high", "bootstrap_mean"):
        assert scores[name].sel(op="conv").isnull().all()
        assert scores[name].sel(op="relu", region="V1").notnull().all()
    found = compare_ops(scores)
    assert found.p.sel(op="conv").isnull().all()
    same = found.sel(op=expected.op, op_2=expected.op_2)
    xr.testing.assert_allclose(same.ci_low, expected.ci_low)


@pytest.mark.parametrize("comparator", INFLUENCED)
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.filterwarnings("ignore:some pairs are NaN")
def test_too_few_units_of_a_subject_say_nothing(rng, comparator, size):
    """Three stimuli, or groups of them, are scored, and nothing says how the score varies."""
    model, brain = build_sides(rng)
    brain[0, 0, 3:] = np.nan
    brain[0, 0, :, 3:] = np.nan
    groups = model.stimulus.copy(data=np.arange(12) * size // 3)
    with pytest.warns(RuntimeWarning, match="no interval for 'conv'.*a subject has too few"):
        scores = compare_rdms(
            model, brain, comparator=comparator, interval="influence", n_splits=0, by=groups
        )
    few = scores.sel(region="V1", subject="A")
    assert few.score.notnull().all()
    assert few.ci_low.isnull().all()
    assert scores.ci_low.sel(region="V1", subject="B").notnull().all()
    assert scores.mean_ci_low.sel(region="V1").isnull().all()
    assert scores.bootstrap_mean.sel(region="V1").isnull().all()
    assert scores.bootstrap_ceiling.sel(region="V1").isnull().all()
    assert scores.bootstrap_mean.sel(region="IT").notnull().all()
