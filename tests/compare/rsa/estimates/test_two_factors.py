"""Intervals of ``bootstrap_rdms`` from influences."""

import numpy as np
import oracles
import pytest
import scipy.stats
import xarray as xr
from form import check_form
from squares import label_squares, measure_square

from neurolens.compare import bootstrap_rdms, compare_ops
from neurolens.errors import InputError
from neurolens.scores import list_references

pytestmark = pytest.mark.filterwarnings("ignore:RDMs that have nothing to do with each other")
OPS, SUBJECTS = ["conv", "relu"], ["A", "B", "C", "D"]


def build_sides(rng, n=10, noise=1.0):
    """Return RDMs of two ops and two regions of four subjects; subject D has no IT."""
    latent = rng.normal(size=(n, 4))

    def measure():
        return measure_square(rng, latent, rng.normal(size=(4, 8)), noise)

    model = label_squares([measure() for _ in OPS], op=OPS)
    squares = [[measure() for _ in SUBJECTS] for _ in range(2)]
    brain = label_squares(squares, region=["V1", "IT"], subject=SUBJECTS)
    brain[1, 3] = np.nan
    return model, brain


@pytest.mark.parametrize("comparator", ["spearman", "rho-a"])
def test_variances_are_those_of_the_linear_score(rng, comparator):
    """Numerical derivatives by loops, and the formulas of the paper."""
    model, brain = build_sides(rng, n=7)
    scores = bootstrap_rdms(model, brain, comparator=comparator, interval="influence")
    for region, members in ((0, 4), (1, 3)):
        whole, changes = [], []
        for subject in range(members):
            squares = model.values[0], brain.values[region, subject]

            def score(weights, squares=squares):
                return oracles.weighted_score(*squares, weights, comparator)

            slope = oracles.differentiate(score, 7)
            whole.append(score(np.ones(7)))
            changes.append(slope - slope.mean())
        mean = np.mean(changes, axis=0)
        of_subjects = np.var(whole) / members
        of_stimuli = (mean**2).sum()
        extra = ((np.array(changes) - mean) ** 2).sum() / members**2
        both = of_subjects + of_stimuli + extra
        variance = oracles.dual_variance(both, of_subjects, of_stimuli, members, 7)
        reach = scipy.stats.t.ppf(0.975, members - 1) * np.sqrt(variance)
        low = np.mean(whole) - reach
        assert float(scores.mean_ci_low[0, region]) == pytest.approx(low, abs=1e-8)
        alone = scipy.stats.t.ppf(0.975, 6) * np.sqrt(7 / 6 * (changes[0] ** 2).sum())
        high = whole[0] + alone
        assert float(scores.ci_high[0, region, 0]) == pytest.approx(high, abs=1e-8)


def test_intervals_are_those_of_many_draws(rng):
    model, brain = build_sides(rng, n=60, noise=0.5)
    by_draws = bootstrap_rdms(model, brain, n_bootstrap=2000)
    by_influence = bootstrap_rdms(model, brain, n_bootstrap=2000, interval="influence")
    spreads = [one.draws.std("bootstrap") for one in (by_draws, by_influence)]
    np.testing.assert_allclose(spreads[1] / spreads[0], 1, atol=0.1)
    gaps = [compare_ops(one) for one in (by_draws, by_influence)]
    reach = [(gap.ci_high - gap.difference).values[0, 1] for gap in gaps]
    np.testing.assert_allclose(reach[1] / reach[0], 1, atol=0.15)
    subject = [(one.ci_high - one.ci_low).values[0, 0] for one in (by_draws, by_influence)]
    np.testing.assert_allclose(subject[1] / subject[0], 1, atol=0.1)
    np.testing.assert_array_equal(by_draws.score, by_influence.score)


def test_result_says_what_was_done(rng):
    model, brain = build_sides(rng)
    scores = bootstrap_rdms(model, brain, interval="influence", n_bootstrap=20)
    check_form(scores, "p", "q")
    assert scores.interval_kind == "t interval of the two-factor infinitesimal jackknife"
    assert scores.interval_over == "stimuli and subjects"
    cited = list_references(scores.attrs)
    assert any("biomet/68.3.589" in one for one in cited)
    assert any("e82566" in one for one in cited)
    with pytest.warns(RuntimeWarning) as caught:
        drawn = bootstrap_rdms(
            model, brain, interval="bootstrap", n_bootstrap=20, comparator="bures"
        )
    assert any("score higher in bures" in str(one.message) for one in caught)
    assert drawn.interval_kind == "t interval of the two-factor bootstrap"
    assert "score higher in bures" in drawn.interval_note


def test_one_subject_is_tested_over_stimuli(rng):
    model, brain = build_sides(rng)
    one = bootstrap_rdms(model, brain[:, :1], interval="influence", n_bootstrap=20)
    np.testing.assert_allclose(one.p, one.subject_p[..., 0])
    np.testing.assert_allclose(one.mean_ci_low, one.ci_low[..., 0])
    assert one.interval_over == "stimuli"


def test_groups_are_the_units(rng):
    model, brain = build_sides(rng, n=8)
    copies = np.repeat(np.arange(8), 2)
    doubled = [
        label_squares(side.values[..., copies, :][..., copies], **labels)
        for side, labels in (
            (model, {"op": OPS}),
            (brain, {"region": ["V1", "IT"], "subject": SUBJECTS}),
        )
    ]
    group = xr.DataArray(copies, dims="stimulus", coords={"stimulus": doubled[0].stimulus})
    settings = {"interval": "influence", "n_bootstrap": 9, "comparator": "cosine"}
    grouped = bootstrap_rdms(*doubled, by=group, **settings)
    single = bootstrap_rdms(model, brain, **settings)
    for name in ("mean_ci_low", "p", "subject_p", "draws"):
        np.testing.assert_allclose(grouped[name], single[name], atol=1e-9)


def test_blocks_change_nothing(rng, monkeypatch):
    model, brain = build_sides(rng)
    scores = bootstrap_rdms(model, brain, interval="influence", n_bootstrap=9)
    monkeypatch.setattr("neurolens.compare.rsa.sides.BLOCK_INFLUENCES", 1)
    xr.testing.assert_allclose(
        scores, bootstrap_rdms(model, brain, interval="influence", n_bootstrap=9)
    )


def test_too_few_stimuli(rng):
    model, brain = build_sides(rng, n=3)
    with pytest.raises(InputError, match="at least 4 stimuli, got 3"):
        bootstrap_rdms(model, brain, interval="influence")


@pytest.mark.parametrize("comparator", ["pearson", "whitened-cosine"])
def test_a_score_that_needs_one_stimulus_has_no_interval_and_no_draws(rng, comparator):
    """Without its one odd stimulus an RDM is constant; other ops are compared all the same."""
    model, brain = build_sides(rng)
    settings = {"comparator": comparator, "interval": "influence"}
    expected = compare_ops(bootstrap_rdms(model[1:], brain, **settings))
    model[0] = 0.0
    model[0, 0, 1:] = 1.0
    model[0, 1:, 0] = 1.0
    with pytest.warns(RuntimeWarning, match="no interval for 'conv': without one .*bootstrap"):
        scores = bootstrap_rdms(model, brain, **settings)
    assert scores.score_mean.notnull().all()
    for name in ("ci_low", "mean_ci_low", "mean_ci_high", "p", "draws"):
        assert scores[name].sel(op="conv").isnull().all()
        assert scores[name].sel(op="relu", region="V1").notnull().all()
    found = compare_ops(scores)
    assert found.p.sel(op="conv").isnull().all()
    same = found.sel(op=expected.op, op_2=expected.op_2)
    xr.testing.assert_allclose(same.ci_low, expected.ci_low)
