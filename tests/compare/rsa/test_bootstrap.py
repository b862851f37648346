import numpy as np
import oracles
import pytest
import rsatoolbox.inference.evaluate
import scipy.stats
import xarray as xr
from form import check_form
from rsatoolbox.inference import eval_dual_bootstrap
from rsatoolbox.model import ModelFixed
from squares import draw_square, label_squares, measure_square

from neurolens.compare import (
    COMPARATORS,
    bootstrap_rdms,
    compare_ops,
    compare_rdms,
    normalize_scores,
    to_rsatoolbox,
    to_rsatoolbox_result,
)
from neurolens.compare.rsa import bootstrap
from neurolens.compare.stats.bootstrap import (
    combine_variances,
    covary_means,
    draw_groups,
    draw_subjects,
    halve_units,
    resample_means,
)
from neurolens.compare.stats.null import control_discoveries
from neurolens.errors import InputError, LabelError, UnknownNameError

pytestmark = pytest.mark.filterwarnings("ignore:RDMs that have nothing to do with each other")
OPS, SUBJECTS = ["conv", "relu", "fc"], ["A", "B", "C", "D"]


def build_sides(rng, n=9, regions=("V1", "IT"), signal=1.0) -> tuple[xr.DataArray, xr.DataArray]:
    """Return three ops, the first two related to every region of four subjects.

    Subject D has no IT.
    """
    truth = draw_square(rng, n)
    model = label_squares(
        [truth * k + draw_square(rng, n) for k in (2 * signal, signal, 0)], op=OPS
    )
    squares = [[signal * truth + draw_square(rng, n) for _ in SUBJECTS] for _ in regions]
    brain = label_squares(squares, region=list(regions), subject=SUBJECTS)
    if "IT" in regions:
        brain.loc[{"region": "IT", "subject": "D"}] = np.nan
    return model, brain


def run_rsatoolbox(model, brain, comparator, n_draws, monkeypatch):
    """Return rsatoolbox's dual bootstrap and its draws.

    Draws are counts of stimuli and shares of subjects.
    """
    drawn = []
    original = rsatoolbox.inference.evaluate.bootstrap_sample

    def remember(*args, **kwargs):
        made = original(*args, **kwargs)
        drawn.append(made[1:])
        return made

    monkeypatch.setattr(rsatoolbox.inference.evaluate, "bootstrap_sample", remember)
    monkeypatch.setattr(rsatoolbox.inference.evaluate.tqdm, "trange", range)
    data = to_rsatoolbox(brain)
    models = [ModelFixed(op, square) for op, square in zip(OPS, model.values, strict=True)]
    result = eval_dual_bootstrap(models, data, method=COMPARATORS[comparator].rsatoolbox, N=n_draws)
    counts = np.array([np.bincount(stimuli, minlength=data.n_cond) for _, stimuli in drawn])
    shares = (
        np.array([np.bincount(subjects, minlength=data.n_rdm) for subjects, _ in drawn])
        / data.n_rdm
    )
    return result, counts, shares


@pytest.mark.parametrize("comparator", sorted(set(COMPARATORS) - {"bures", "tau-a"}))
def test_rsatoolbox_with_identical_draws(rng, comparator, monkeypatch):
    """Evaluations, variances, and tests of ops and of pairs agree.

    Bures fails in rsatoolbox's own bootstrap.
    """
    model, brain = build_sides(rng, 12, ["V1"])
    np.random.seed(3)  # noqa: NPY002
    expected, counts, shares = run_rsatoolbox(model, brain, comparator, 40, monkeypatch)
    # Stimuli are drawn in sorted order of their ids, s0 to s11, which is theirs.
    monkeypatch.setattr(bootstrap, "draw_stimuli", lambda *_: counts)
    monkeypatch.setattr(bootstrap, "draw_subjects", lambda *_: shares[:, None])
    scores = bootstrap_rdms(model, brain, comparator=comparator, n_bootstrap=40)

    evaluations = expected.evaluations[:, :, 0, 0]
    draws = scores.draws.isel(region=0).transpose("bootstrap", "op", "resampled")
    np.testing.assert_allclose(draws, evaluations, atol=1e-10)
    deviation = scores.mean_ci_high - scores.score_mean
    np.testing.assert_allclose(
        deviation.values[:, 0] / scipy.stats.t.ppf(0.975, 3),
        np.sqrt(expected.model_var),
        atol=1e-10,
    )
    gap = compare_ops(scores).isel(region=0)
    reach = (gap.ci_high - gap.difference).values[np.triu_indices(3, 1)]
    np.testing.assert_allclose(
        reach / scipy.stats.t.ppf(0.975, 3), np.sqrt(expected.diff_var), atol=1e-10
    )

    ours = to_rsatoolbox_result(scores, model)
    np.testing.assert_allclose(ours.model_var, expected.model_var, atol=1e-12)
    np.testing.assert_allclose(ours.test_pairwise(), expected.test_pairwise(), atol=1e-9)
    np.testing.assert_allclose(ours.test_zero(), expected.test_zero(), atol=1e-9)
    assert ours.dof == expected.dof


@pytest.mark.parametrize("comparator", ["spearman", "cosine"])
def test_slow_loop(rng, comparator):
    """The loop draws rows and uses textbook variances and the formula of the paper."""
    model, brain = build_sides(rng, 8)
    scores = bootstrap_rdms(model, brain, comparator=comparator, n_bootstrap=25, rng=4)
    stimulus_rng, subject_rng = np.random.default_rng(4).spawn(2)
    counts = stimulus_rng.multinomial(8, np.full(8, 1 / 8), size=25)
    shares = draw_subjects(~np.isnan(brain.values).all(axis=(2, 3)), 25, subject_rng)
    for region, members in ((0, 4), (1, 3)):
        for op in range(3):
            whole = [
                oracles.resampled_score(model.values[op], y, [1] * 8, comparator)
                for y in brain.values[region]
            ]
            whole = whole[:members]
            drawn = [
                [
                    oracles.resampled_score(model.values[op], y, c, comparator)
                    for y in brain.values[region, :members]
                ]
                for c in counts
            ]
            weights = shares[:, region, :members]
            means = [
                [
                    sum(d * w for d, w in zip(row, share, strict=True))
                    for row, share in zip(drawn, weights, strict=True)
                ],
                [sum(s * w for s, w in zip(whole, share, strict=True)) for share in weights],
                [oracles.mean(row) for row in drawn],
            ]
            variance = oracles.dual_variance(*map(oracles.sample_variance, means), members, 8)
            reach = scipy.stats.t.ppf(0.975, min(members, 8) - 1) * np.sqrt(variance)
            assert float(scores.score_mean[op, region]) == pytest.approx(
                oracles.mean(whole), abs=1e-12
            )
            assert float(scores.mean_ci_low[op, region]) == pytest.approx(
                oracles.mean(whole) - reach, abs=1e-10
            )
            p = scipy.stats.t.sf(oracles.mean(whole) / np.sqrt(variance), min(members, 8) - 1)
            assert float(scores.p[op, region]) == pytest.approx(p, abs=1e-10)
            alone = oracles.sample_variance([row[0] for row in drawn]) * 8 / 7
            reach = scipy.stats.t.ppf(0.975, 7) * np.sqrt(alone)
            assert float(scores.ci_high[op, region, 0]) == pytest.approx(
                whole[0] + reach, abs=1e-10
            )
    np.testing.assert_allclose(
        scores.q.values.ravel(), oracles.discoveries(scores.p.values.ravel())
    )


def test_variance_is_clipped():
    # Below: the corrected sum is less than the larger single term; above: it exceeds the variance
    # of both.
    assert combine_variances(np.array([10.0, 1.0, 4.0]), 5, 9) == pytest.approx(4 * 9 / 8)
    assert combine_variances(np.array([4.0, 3.0, 3.0]), 5, 9) == 4
    assert combine_variances(np.array([6.5, 2.0, 4.0]), 5, 9) == pytest.approx(
        2.5 + 4.5 - 45 / 32 * 0.5
    )
    assert combine_variances(np.array([6.5, 2.0, 4.0]), 1, 9) == pytest.approx(4.5)


def test_subjects_are_drawn_from_those_present(rng):
    present = np.array([[True, True, True], [True, False, True], [True, True, True]])
    shares = draw_subjects(present, 400, rng)
    np.testing.assert_allclose(shares.sum(axis=-1), 1)
    assert (shares[:, 1, 1] == 0).all()
    np.testing.assert_array_equal(shares[:, 0], shares[:, 2])
    np.testing.assert_allclose(
        shares.mean(axis=0), present / present.sum(axis=1, keepdims=True), atol=0.06
    )


def test_undefined_draws_are_left_out_for_all_ops(rng):
    drawn = rng.random((6, 2, 2))
    drawn[2, 1, 0] = np.nan
    means = resample_means(rng.random((2, 2)), drawn, np.full((6, 2), 0.5))
    kept = means[:, [0, 1, 3, 4, 5]]
    np.testing.assert_allclose(covary_means(means)[2], np.cov(kept[2].T), atol=1e-14)


def test_draws_of_two_stimuli_are_left_out(rng, monkeypatch):
    """Their one pair, however often it occurs, has a cosine of 1 with any other."""
    model, brain = build_sides(rng, 6)
    counts = np.array([[3, 3, 0, 0, 0, 0], [2, 2, 2, 0, 0, 0], [1, 2, 0, 1, 1, 1]])
    monkeypatch.setattr(bootstrap, "draw_stimuli", lambda *_: counts)
    scores = bootstrap_rdms(model, brain, comparator="cosine", n_bootstrap=3)
    by_stimuli = scores.draws.sel(resampled="stimuli", region="V1")
    assert by_stimuli.isnull().values[:, 0].tolist() == [True, False, False]
    alone = oracles.sample_variance(
        [
            oracles.resampled_score(model.values[0], brain.values[0, 0], c, "cosine")
            for c in counts[1:]
        ]
    )
    reach = scipy.stats.t.ppf(0.975, 5) * np.sqrt(alone * 6 / 5)
    assert float((scores.ci_high - scores.score)[0, 0, 0]) == pytest.approx(reach)


def test_one_subject_is_tested_over_stimuli(rng):
    model, brain = build_sides(rng, 10)
    scores = bootstrap_rdms(model, brain.isel(subject=[0]), n_bootstrap=50)
    np.testing.assert_allclose(scores.mean_ci_low, scores.ci_low.isel(subject=0), atol=1e-12)
    assert scores.freedom.values.tolist() == [9, 9]


def test_each_time_bin_as_if_alone(rng):
    model, brain = build_sides(rng)
    bins = [brain, build_sides(rng)[1], build_sides(rng)[1]]
    timed = xr.concat(bins, "time_bin").assign_coords(
        time_bin=[100, 50, 200], time_bin_start=("time_bin", [95, 45, 195])
    )
    found = bootstrap_rdms(model, timed, n_bootstrap=30, rng=5)
    assert found.draws.dims == ("resampled", "bootstrap", "op", "region", "time_bin")
    assert found.region.values.tolist() == ["V1", "IT"]
    assert found.time_bin_start.values.tolist() == [95, 45, 195]
    over_all = ["q", "subject_q"]
    for time, alone in zip([100, 50, 200], bins, strict=True):
        expected = bootstrap_rdms(model, alone, n_bootstrap=30, rng=5).drop_vars(over_all)
        xr.testing.assert_allclose(
            found.sel(time_bin=time, drop=True).drop_vars(over_all), expected
        )
    for p, q in ((found.p, found.q), (found.subject_p, found.subject_q)):
        known = p.notnull().values
        np.testing.assert_allclose(q.values[known], oracles.discoveries(p.values[known]))


def test_form(rng):
    model, brain = build_sides(rng)
    scores = bootstrap_rdms(model, brain, n_bootstrap=5)
    check_form(scores, "p", "q")
    assert scores.subject_p.dims == scores.subject_q.dims == ("op", "region", "subject")
    assert scores.attrs["interval_over"] == "stimuli and subjects"
    assert "schuett2023" in scores.attrs["reference"]
    timed = bootstrap_rdms(model, brain.expand_dims(time_bin=[10, 20]), n_bootstrap=5)
    check_form(timed, "p", "q", timed=True)
    alone = bootstrap_rdms(model, brain.isel(subject=[0]), n_bootstrap=5)
    assert alone.attrs["interval_over"] == "stimuli"
    assert "schuett2023" not in alone.attrs["reference"]


def test_blocks_and_order_change_nothing(rng, monkeypatch):
    model, brain = build_sides(rng)
    whole = bootstrap_rdms(model, brain, n_bootstrap=20)
    monkeypatch.setattr("neurolens.compare.rsa.sides.BLOCK_DRAWS", 1)
    blocked = bootstrap_rdms(model, brain.isel(stimulus=slice(None, None, -1)), n_bootstrap=20)
    xr.testing.assert_allclose(whole, blocked)


def test_op_with_nan_has_no_score_and_spoils_no_other(rng):
    model, brain = build_sides(rng)
    clean = bootstrap_rdms(model.isel(op=[0, 2]), brain, n_bootstrap=20)
    model[1] = np.nan
    with pytest.warns(RuntimeWarning, match="no score for 'relu'"):
        scores = bootstrap_rdms(model, brain, n_bootstrap=20)
    assert scores.p.sel(op="relu").isnull().all()
    names = ["score_mean", "mean_ci_low", "p"]
    xr.testing.assert_allclose(scores[names].sel(op=["conv", "fc"]), clean[names])
    kept = {"op": ["conv", "fc"], "op_2": ["conv", "fc"]}
    xr.testing.assert_allclose(compare_ops(scores).sel(kept), compare_ops(clean))


def test_differences_of_groups(rng):
    model, brain = build_sides(rng)
    scores = bootstrap_rdms(model, brain, n_bootstrap=60)
    grouped = compare_ops(scores, groups={"conv": "early", "relu": "early", "fc": "late"})
    means = np.stack([scores.draws[:, :, :2].mean("op"), scores.draws[:, :, 2]])
    gaps = (means[0] - means[1])[..., 0]
    variance = oracles.dual_variance(*map(oracles.sample_variance, gaps), 4, 9)
    gap = float(scores.score_mean[:2, 0].mean() - scores.score_mean[2, 0])
    assert float(grouped.difference[0, 1, 0]) == pytest.approx(gap)
    assert float(grouped.p[0, 1, 0]) == pytest.approx(
        2 * scipy.stats.t.sf(abs(gap) / np.sqrt(variance), 3)
    )
    np.testing.assert_allclose(
        grouped.difference, -grouped.difference.transpose("op_2", "op", "region").values
    )
    assert grouped.op.values.tolist() == ["early", "late"]


def test_ops_that_never_differ_have_no_p(rng):
    model, brain = build_sides(rng)
    twins = label_squares([model.values[0], 2 * model.values[0]], op=["a", "b"])
    assert compare_ops(bootstrap_rdms(twins, brain, n_bootstrap=20)).p.isnull().all()


@pytest.mark.parametrize("comparator", sorted(set(COMPARATORS) - {"rho-a", "tau-a"}))
def test_a_score_that_never_varies_has_no_p(rng, comparator):
    """The score is the best possible, and in every draw the same up to rounding.

    Rho-a and tau-a are lower with pairs drawn twice.
    """
    square = measure_square(rng, rng.normal(size=(9, 3)), rng.normal(size=(3, 5)), 0.1)
    scores = bootstrap_rdms(
        label_squares(square / 3), label_squares(square), comparator=comparator, n_bootstrap=20
    )
    assert np.isnan(
        [scores.p.item(), scores.subject_p.item(), scores.q.item(), scores.subject_q.item()]
    ).all()
    assert scores.mean_ci_low.item() == scores.mean_ci_high.item() == scores.score_mean.item()


def test_discoveries():
    p = np.array([[0.01, np.nan], [0.04, 0.03]])
    np.testing.assert_allclose(
        control_discoveries(p)[[0, 1, 1], [0, 0, 1]], oracles.discoveries([0.01, 0.04, 0.03])
    )
    assert np.isnan(control_discoveries(p)[0, 1])
    assert np.isnan(control_discoveries(np.full(2, np.nan))).all()


def test_result_is_drawn_and_saved(rng, tmp_path):
    import matplotlib.pyplot as plt
    from rsatoolbox.inference import load_results
    from rsatoolbox.vis import plot_model_comparison

    model, brain = build_sides(rng, 12)
    result = to_rsatoolbox_result(bootstrap_rdms(model, brain, n_bootstrap=50), model, region="V1")
    figure = plot_model_comparison(result)[0]
    assert figure.axes
    plt.close("all")
    result.save(str(tmp_path / "result.h5"))
    np.testing.assert_allclose(
        load_results(str(tmp_path / "result.h5")).evaluations, result.evaluations
    )
    assert "conv" in result.summary()


def test_a_result_needs_two_subjects_and_a_score_for_every_op(rng):
    model, brain = build_sides(rng)
    two = bootstrap_rdms(model, brain.isel(subject=[0, 1]), n_bootstrap=10)
    result = to_rsatoolbox_result(two, model, region="IT")
    assert (result.n_rdm, result.dof) == (2, 1)
    message = "region 'V1' has {} subjects and {} ops without a score"
    alone = bootstrap_rdms(model, brain.isel(subject=[0]), n_bootstrap=10)
    with pytest.raises(InputError, match=message.format(1, 0)):
        to_rsatoolbox_result(alone, model, region="V1")
    model[1] = np.nan
    with pytest.warns(RuntimeWarning, match="no score for"):
        lost = bootstrap_rdms(model, brain, n_bootstrap=10)
    with pytest.raises(InputError, match=message.format(4, 1)):
        to_rsatoolbox_result(lost, model, region="V1")


def test_differences_need_draws_and_no_halves(rng):
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain, n_bootstrap=40, n_splits=0)
    gap = compare_ops(scores)
    drawn = scores.bootstrap_mean.astype(float).sel(region="V1")
    variance = float((drawn[:, 0] - drawn[:, 1]).var(ddof=1)) * 9 / 8
    reach = scipy.stats.t.ppf(0.975, 8) * np.sqrt(variance)
    assert float((gap.ci_high - gap.difference)[0, 1, 0]) == pytest.approx(reach, rel=1e-5)
    with pytest.raises(InputError, match=r"compare_rdms\(\.\.\., n_bootstrap=1000\)"):
        compare_ops(compare_rdms(model, brain, n_bootstrap=0, n_splits=2))


def test_scores_go_with_their_ceilings(rng):
    model, brain = build_sides(rng)
    scores = bootstrap_rdms(model, brain, n_bootstrap=4)
    share = normalize_scores(scores.score_mean, scores.ceiling_upper)
    np.testing.assert_allclose(share, scores.score_mean.values / scores.ceiling_upper.values)


def test_errors(rng):
    model, brain = build_sides(rng)
    scores = bootstrap_rdms(model, brain, n_bootstrap=10)
    with pytest.raises(InputError, match="n_bootstrap must be a whole number, 2 or more, got 1"):
        bootstrap_rdms(model, brain, n_bootstrap=1)
    three = {"stimulus": slice(3), "stimulus_2": slice(3)}
    with pytest.raises(
        InputError, match=r"a bootstrap needs at least 4 stimuli, got 3\. Pass more"
    ):
        bootstrap_rdms(model.isel(three), brain.isel(three))
    with pytest.raises(InputError, match=r"confidence must lie between 0 and 1, got 95"):
        bootstrap_rdms(model, brain, confidence=95)
    with pytest.raises(UnknownNameError, match="no comparator named 'pearsons'"):
        bootstrap_rdms(model, brain, comparator="pearsons")
    with pytest.raises(InputError, match="must hold 'draws' or 'bootstrap_mean'"):
        compare_ops(scores.drop_vars("draws"))
    with pytest.raises(LabelError, match="of which scores lack 'conv9'"):
        compare_ops(scores, groups={"conv9": "early"})
    with pytest.raises(InputError, match=r"scores hold 2\. Pass region='V1'"):
        to_rsatoolbox_result(scores, model)
    with pytest.raises(UnknownNameError, match="no region named 'V2'"):
        to_rsatoolbox_result(scores, model, region="V2")
    with pytest.raises(InputError, match="needs draws of stimuli and subjects, got scores with"):
        to_rsatoolbox_result(scores.drop_vars("draws"), model)
    with pytest.raises(LabelError, match="model_rdms and scores must hold the same 3 ids"):
        to_rsatoolbox_result(scores, model.isel(op=[0, 1]), region="V1")
    alone = bootstrap_rdms(model, brain.isel(subject=[0]), n_bootstrap=10)
    with pytest.raises(InputError, match="has 1 subjects and 0 ops without a score"):
        to_rsatoolbox_result(alone, model, region="V1")


class TestGroups:
    def build_views(self, rng):
        """Return RDMs of 8 pictures in 3 views each, two subjects, and the picture of each."""
        picture = np.repeat(np.arange(8), 3)
        hidden = rng.normal(size=(8, 5))[picture]
        points = hidden + 0.7 * rng.normal(size=(3, 24, 5))
        gap = points[:, :, None] - points[:, None]
        squares = (gap**2).sum(axis=-1)
        model = label_squares(squares[:1], op=["a"])
        brain = label_squares(squares[1:], subject=["A", "B"])
        by = xr.DataArray(picture, dims="stimulus", coords={"stimulus": model.stimulus})
        return model, brain, by

    def test_whole_groups_are_drawn(self, rng):
        counts = draw_groups(np.array([0, 0, 1, 2, 2, 2, 3]), 200, rng)
        assert (counts[:, 0] == counts[:, 1]).all()
        assert (counts[:, 3:6] == counts[:, [3]]).all()
        assert (counts[:, [0, 2, 3, 6]].sum(axis=1) == 4).all()

    def test_halves_keep_groups_whole_and_are_even(self, rng):
        unit = rng.permutation(np.repeat(np.arange(7), [4, 3, 3, 3, 2, 2, 1]))
        for _ in range(20):
            half = halve_units(unit, rng)
            assert half.sum() == 9
            assert all(len(set(half[unit == k])) == 1 for k in range(7))

    def test_intervals_are_for_new_groups(self, rng):
        model, brain, by = self.build_views(rng)
        single = bootstrap_rdms(model, brain, n_bootstrap=200)
        whole = bootstrap_rdms(model, brain, by=by, n_bootstrap=200)
        assert whole.attrs["interval_over"] == "groups of stimuli and subjects"
        width = [float((one.ci_high - one.ci_low).mean()) for one in (single, whole)]
        assert width[1] > width[0]
        compared = compare_rdms(model, brain, by=by, n_bootstrap=20, n_splits=4)
        assert compared.attrs["interval_over"] == "groups of stimuli"
        members = compared.split_member.values.reshape(4, 8, 3)
        assert (members == members[:, :, :1]).all()

    def test_every_stimulus_alone_is_no_group(self, rng):
        model, brain, by = self.build_views(rng)
        alone = by.copy(data=np.arange(24))
        single = bootstrap_rdms(model, brain, n_bootstrap=20)
        xr.testing.assert_identical(
            bootstrap_rdms(model, brain, by=alone, n_bootstrap=20).score, single.score
        )

    def test_too_few_groups(self, rng):
        model, brain, by = self.build_views(rng)
        with pytest.raises(InputError, match="at least 4 of them, got 3"):
            bootstrap_rdms(model, brain, by=by % 3)
        with pytest.raises(LabelError, match=r"no coordinate 'run' along the stimuli"):
            compare_rdms(model, brain, by="run")


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_p_of_scores_that_are_above_0_by_chance_is_told_to_be_no_test(comparator, rng):
    """The RDMs are of patterns that have nothing to do with each other."""
    points = rng.normal(size=(5, 20, 15))
    squares = ((points[:, :, None] - points[:, None]) ** 2).sum(-1)
    model = label_squares(squares[:1], op=["a"])
    brain = label_squares(squares[None, 1:], region=["V1"], subject=SUBJECTS)
    settings = {"comparator": comparator, "n_bootstrap": 10}
    if comparator in ("cosine", "whitened-cosine", "bures"):
        with pytest.warns(
            RuntimeWarning, match="p of a score above 0 is no test of a relation; permute_rdms"
        ):
            scores = bootstrap_rdms(model, brain, **settings)
        assert scores.p < 0.01
        assert f"score above 0 in {comparator}" in scores.methods_text
    else:
        scores = bootstrap_rdms(model, brain, **settings)
        assert scores.p > 0.01
        assert "score_note" not in scores.attrs
