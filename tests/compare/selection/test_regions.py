import numpy as np
import pytest
import scipy.stats
import xarray as xr
from hypothesis import example, given
from hypothesis import strategies as st
from scores import make_scores
from squares import draw_square, label_squares, measure_square

from neurolens.compare import (
    assign_regions,
    bootstrap_rdms,
    compare_choices,
    compare_rdms,
    locate_peaks,
)
from neurolens.errors import InputError, LabelError
from neurolens.scores import Intervals


def build_scores(splits, overall, draws, level=0.9) -> xr.Dataset:
    """Return scores of ops "a", "b", "c" in regions "V1", "IT"."""
    per_region = ("op", "region")
    return make_scores(
        overall,
        variables={
            "split_score": xr.DataArray(
                np.array(splits, dtype=float),
                dims=("split", "half", *per_region),
                coords={"half": ["a", "b"], "op": list("abc"), "region": ["V1", "IT"]},
            ),
            "bootstrap_mean": (("bootstrap", *per_region), np.array(draws, dtype=np.float32)),
        },
        intervals=Intervals("bootstrap percentile", "stimuli", level),
    )


@pytest.fixture
def scores() -> xr.Dataset:
    splits = [
        [[[0.5, 0.1], [0.3, 0.6], [0.1, 0.2]], [[0.2, 0.3], [0.4, 0.5], [0.1, 0.1]]],
        [[[0.1, 0.2], [0.2, 0.4], [0.6, 0.1]], [[0.7, 0.3], [0.1, 0.6], [0.2, 0.2]]],
    ]
    draws = np.stack(
        [
            np.array([[0.4 + k, 0.1], [0.4 - k, 0.5], [0.1, 0.5 + k]])
            for k in np.linspace(-0.2, 0.2, 21)
        ]
    )
    return build_scores(splits, [[0.35, 0.2], [0.4, 0.55], [0.2, 0.3]], draws)


def test_known_answer(scores):
    best = assign_regions(scores)
    assert best.best_op.values.tolist() == ["b", "b"]
    assert best.naive_score.values.tolist() == [0.4, 0.55]
    # V1: the four halves choose a, b, c, a; scored on the other half .2, .3, .2, .1.
    np.testing.assert_allclose(best.heldout_mean, [0.2, (0.5 + 0.6 + 0.6 + 0.4) / 4])
    np.testing.assert_allclose(
        best.selection_score, [(0.5 + 0.4 + 0.6 + 0.7) / 4, (0.6 + 0.5 + 0.4 + 0.6) / 4]
    )
    assert best.agreement.values.tolist() == [0.25, 1.0]
    assert best.doubtful.values.tolist() == [True, False]
    assert best.indistinguishable.dims == ("region", "op")
    assert best.indistinguishable.sel(region="V1").values.tolist() == [True, True, True]
    assert best.indistinguishable.sel(region="IT").values.tolist() == [False, True, False]
    assert 0.2 < best.margin.sel(region="IT") < 0.25
    assert best.attrs["measure"] == "spearman"


def test_notes_say_what_was_done(scores):
    best = assign_regions(scores)
    assert "largest spearman on all stimuli" in best.best_note
    assert "mean over 2 random splits" in best.best_note
    assert "simultaneous 90 % set over stimuli" in best.set_note
    assert "in doubt in 'V1'" in best.doubt_note
    assert best.interval_over == "stimuli"
    assert best.indistinguishable.attrs["level"] == 0.9
    bare = assign_regions(scores.sel(region=["IT"]).drop_vars("bootstrap_mean"))
    assert bare.doubt_note == bare.interval_over == ""
    assert "too few draws or none" in bare.set_note


def test_agreement_of_a_half_is_no_doubt(scores):
    scores["split_score"].loc[{"region": "V1", "op": "b"}] = np.array([[0.6, 0.5], [0, 0]])
    best = assign_regions(scores)
    assert best.agreement.values.tolist() == [0.5, 1.0]
    assert not best.doubtful.any()


def test_order_of_dimensions(scores):
    xr.testing.assert_identical(assign_regions(scores.transpose()), assign_regions(scores))


def test_op_without_score_is_never_chosen(scores):
    for name in ("split_score", "score_mean", "bootstrap_mean"):
        scores[name].loc[{"op": "a"}] = np.nan
    best = assign_regions(scores)
    assert best.best_op.values.tolist() == ["b", "b"]
    assert not best.indistinguishable.sel(op="a").any()


def test_region_without_scores(scores):
    for name in ("split_score", "score_mean", "bootstrap_mean"):
        scores[name].loc[{"region": "V1"}] = np.nan
    with pytest.warns(RuntimeWarning, match=r"no op could be chosen, .* in: 'V1'"):
        best = assign_regions(scores)
    assert best.best_op.values.tolist() == ["", "b"]
    assert np.isnan(best.heldout_mean.values[0])
    assert best.doubtful.values.tolist() == [False, False]
    assert not best.indistinguishable.sel(region="V1").any()


def test_without_enough_draws_nothing_is_told_apart(scores):
    """The 90 % point of a range takes nine draws."""
    for n_draws, is_enough in ((0, False), (8, False), (9, True)):
        best = assign_regions(scores.isel(bootstrap=slice(n_draws)))
        assert best.indistinguishable.all() != is_enough
        assert best.margin.isnull().all() != is_enough


def test_errors(scores):
    with pytest.raises(InputError, match=r"missing: 'split_score'.*n_splits=40"):
        assign_regions(scores.drop_vars("split_score"))
    with pytest.raises(InputError, match="missing: none, number of splits: 0"):
        assign_regions(scores.isel(split=slice(0)))


@given(seed=st.integers(0, 2**32 - 1))
@example(seed=4095)
def test_order_of_ops_changes_no_choice(seed):
    rng = np.random.default_rng(seed)
    scores = build_scores(rng.random((2, 2, 3, 2)), rng.random((3, 2)), rng.random((5, 3, 2)))
    depth = {"a": 1, "b": 2, "c": 3}
    moved = assign_regions(scores.isel(op=rng.permutation(3)), depth=depth).sel(op=["a", "b", "c"])
    xr.testing.assert_equal(assign_regions(scores, depth=depth), moved)


def test_choosing_among_noise_inflates_only_the_naive_score(rng):
    """Thirty ops are unrelated: the true score of each is 0, the largest score is above it.

    The held-out score is not.
    """
    naive, selected, heldout = [], [], []
    for k in range(15):
        model = label_squares(
            [draw_square(rng, 14) for _ in range(30)], op=[f"op{i}" for i in range(30)]
        )
        brain = label_squares([draw_square(rng, 14) for _ in "AB"], subject=["A", "B"])
        scores = compare_rdms(model, brain, comparator="pearson", n_bootstrap=0, n_splits=5, rng=k)
        best = assign_regions(scores)
        naive.append(best.naive_score.item())
        selected.append(best.selection_score.item())
        heldout.append(best.heldout_mean.item())
    spread = np.std(heldout) / np.sqrt(len(heldout))
    assert abs(np.mean(heldout)) < 4 * spread
    assert np.mean(naive) > 0.1
    assert np.mean(selected) > np.mean(naive)


def test_planted_op_is_found(rng):
    truth = draw_square(rng, 20)
    squares = [draw_square(rng, 20) for _ in range(9)]
    squares.insert(4, truth + 0.3 * draw_square(rng, 20))
    model = label_squares(squares, op=[f"op{i}" for i in range(10)])
    brain = label_squares([truth + draw_square(rng, 20) for _ in "ABC"], subject=list("ABC"))
    best = assign_regions(compare_rdms(model, brain, n_bootstrap=200))
    assert best.best_op.item() == "op4"
    assert best.agreement.item() == 1
    assert best.indistinguishable.sum().item() == 1


def build_sides(rng) -> tuple[xr.DataArray, xr.DataArray]:
    """Return six ops, of which the second makes V1 and the fifth IT, in three subjects.

    Subject C has no IT.
    """
    squares = [draw_square(rng, 16) for _ in range(6)]
    model = label_squares(squares, op=[f"op{k}" for k in range(6)])
    sides = [[squares[k] + 0.7 * draw_square(rng, 16) for _ in "ABC"] for k in (1, 4)]
    brain = label_squares(sides, region=["V1", "IT"], subject=list("ABC"))
    brain[1, 2] = np.nan
    return model, brain


def test_heldout_interval_is_that_of_the_ops_chosen(rng):
    """Its variance is the mean of those of bootstrap_rdms over the choices of the halves.

    By influences it is to first order over the draws, and that of bootstrap_rdms over infinitely
    many.
    """
    draws = {"interval": "bootstrap", "n_bootstrap": 40}
    model, brain = build_sides(rng)
    brain = brain.isel(subject=[0, 1])
    brain[1] = brain[1] + 20 * draw_square(rng, 16)
    scores = compare_rdms(model, brain, n_splits=3, **draws)
    best = assign_regions(scores, rdms=(model.isel(stimulus=slice(None, None, -1)), brain))
    alone = bootstrap_rdms(model, brain, **draws)
    for region in ("V1", "IT"):
        here, drawn = best.sel(region=region), alone.sel(region=region)
        halves = scores.split_score.sel(region=region)
        choices = halves.idxmax("op").values.ravel().tolist()
        reach = [
            float(drawn.mean_ci_high.sel(op=op) - drawn.score_mean.sel(op=op)) for op in choices
        ]
        expected = np.sqrt(np.mean(np.square(reach)))
        assert float(here.heldout_ci_high - here.heldout_mean) == pytest.approx(expected)
        assert float(here.heldout_mean - here.heldout_ci_low) == pytest.approx(expected)
        assert here.agreement.item() == np.mean([op == here.best_op.item() for op in choices])
    assert best.interval_over == "stimuli and subjects"
    assert len(set(choices)) > 1
    assert best.peak_depth_low.equals(locate_peaks(alone).peak_depth_low)


def test_heldout_interval_without_rdms_is_over_stimuli(rng):
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain.isel(subject=[0]), n_bootstrap=40, n_splits=3)
    best = assign_regions(scores)
    assert best.best_op.values.tolist() == ["op1", "op4"]
    for region, op in (("V1", "op1"), ("IT", "op4")):
        drawn = scores.bootstrap_mean.sel(region=region, op=op).values.astype(float)
        error = np.sqrt(drawn.var(ddof=1) * 16 / 15)
        here = best.sel(region=region)
        assert here.agreement == 1
        reach = scipy.stats.t.ppf(0.975, 15) * error
        assert here.heldout_ci_low.item() == pytest.approx(here.heldout_mean.item() - reach)
        p = scipy.stats.t.sf(here.heldout_mean.item() / error, 15)
        assert here.heldout_p.item() == pytest.approx(p)
    assert best.interval_over == "stimuli"
    bare = assign_regions(compare_rdms(model, brain, n_bootstrap=0, n_splits=3))
    assert bare.heldout_p.isnull().all()


def test_heldout_interval_in_another_order_or_of_some_regions(rng):
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain, n_bootstrap=40, n_splits=3)
    whole = assign_regions(scores, rdms=(model, brain))
    names = ["heldout_ci_low", "heldout_ci_high", "heldout_p"]
    again = (model.isel(op=slice(None, None, -1)), brain)
    moved = assign_regions(scores.sel(region=["IT", "V1"]), rdms=again)
    xr.testing.assert_identical(moved[names], whole[names].sel(region=["IT", "V1"]))
    # Products of fewer ops may be rounded differently.
    one = assign_regions(scores.sel(region=["IT"]), rdms=again)
    xr.testing.assert_allclose(one[names], whole[names].sel(region=["IT"]), rtol=1e-13)
    with pytest.raises(
        LabelError, match="brain_rdms must hold each region of scores, and lack 'IT'"
    ):
        assign_regions(scores, rdms=(model, brain.sel(region=["V1"])))
    with pytest.raises(LabelError, match="model_rdms must hold each op of scores, and lack 'op4'"):
        assign_regions(scores, rdms=(model.drop_sel(op="op4"), brain))


def test_heldout_interval_of_rdms_without_op_and_region(rng):
    model, brain = build_sides(rng)
    sides = model[1], brain.sel(region="V1")
    bare = [side.drop_vars(["op", "region"], errors="ignore") for side in sides]
    best = [
        assign_regions(compare_rdms(*x, n_bootstrap=40, n_splits=2), rdms=x) for x in (sides, bare)
    ]
    assert [x.best_op.item() for x in best] == ["op1", "model"]
    assert best[1].heldout_p.item() == best[0].heldout_p.item() < 0.1


def test_op_without_a_score_on_the_other_half_is_not_chosen(scores):
    scores["split_score"].loc[{"split": 0, "half": "b", "op": "a", "region": "V1"}] = np.nan
    best = assign_regions(scores)
    assert best.best_op.values.tolist() == ["b", "b"]
    # The halves of V1 choose b, b; c, a, scored on the other half with .4, .3; .2, .1.
    np.testing.assert_allclose(best.heldout_mean[0], 0.25)
    # An op that no split can choose is not named, however large its score.
    scores["split_score"].loc[{"half": "b", "op": "b", "region": "V1"}] = np.nan
    best = assign_regions(scores)
    assert best.best_op.values.tolist() == ["a", "b"]
    assert best.naive_score.values[0] == 0.35


def test_region_without_choice_has_no_interval(rng):
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain, n_bootstrap=20, n_splits=2)
    for missing in (["V1"], ["V1", "IT"]):
        for name in ("split_score", "split_subject_score", "score_mean", "bootstrap_mean"):
            scores[name].loc[{"region": missing}] = np.nan
        with pytest.warns(RuntimeWarning, match="no op could be chosen"):
            best = assign_regions(scores, rdms=(model, brain))
        assert best.heldout_p.isnull().values.tolist() == [True, "IT" in missing]


def test_nested_score_leaves_a_subject_and_a_half_out(rng):
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain, n_bootstrap=0, n_splits=4)
    found = assign_regions(scores).nested_score
    for region, members in (("V1", "ABC"), ("IT", "AB")):
        halves = scores.split_subject_score.sel(region=region)
        values = []
        for split in range(4):
            for here, there in (("a", "b"), ("b", "a")):
                for left_out in members:
                    others = [s for s in members if s != left_out]
                    choice = (
                        halves.isel(split=split)
                        .sel(half=here, subject=others)
                        .mean("subject")
                        .idxmax("op")
                        .item()
                    )
                    values.append(
                        float(halves.isel(split=split).sel(half=there, subject=left_out, op=choice))
                    )
        assert float(found.sel(region=region)) == pytest.approx(np.mean(values))
    alone = compare_rdms(model, brain.isel(subject=[0]), n_bootstrap=0, n_splits=4)
    assert assign_regions(alone).nested_score.isnull().all()
    for op, subject in zip(scores.op.values, "ABCABC", strict=True):
        scores.split_subject_score.loc[{"op": op, "subject": subject, "region": "V1"}] = np.nan
    assert assign_regions(scores).nested_score.isnull().values.tolist() == [True, False]


def test_control_goes_through_the_same_procedure(rng):
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain, n_bootstrap=0, n_splits=4)
    others = [
        compare_rdms(
            build_sides(rng)[0], brain.isel(region=[1, 0]), n_bootstrap=0, n_splits=4, rng=k
        )
        for k in range(2)
    ]
    best = assign_regions(scores, control=others)
    assert best.control_score.dims == ("control", "region")
    for k, other in enumerate(others):
        np.testing.assert_allclose(best.control_score[k], assign_regions(other).heldout_mean[::-1])
    assert (best.control_score < best.heldout_mean).all()
    with pytest.raises(
        LabelError, match="control and scores must hold the same 2 ids along 'region'"
    ):
        assign_regions(scores, control=[others[0].isel(region=[0])])


def test_depths_are_those_of_locate_peaks(scores):
    depth = {"a": 3.0, "b": 5.0, "c": 8.0}
    best, peaks = assign_regions(scores, depth=depth), locate_peaks(scores, depth=depth)
    for name in ("peak_depth", "peak_depth_low", "peak_depth_high", "hierarchy"):
        xr.testing.assert_equal(best[name], peaks[name])


def test_one_control_is_a_control(scores):
    control = scores.assign(split_score=scores.split_score / 2)
    alone = assign_regions(scores, control=control)
    assert alone.control_score.dims == ("control", "region")
    np.testing.assert_allclose(alone.control_score[0], assign_regions(scores).heldout_mean / 2)
    xr.testing.assert_identical(alone, assign_regions(scores, control=[control]))
    both = assign_regions(scores, control=(control, scores))
    np.testing.assert_allclose(both.control_score[1], both.heldout_mean)


@pytest.mark.parametrize("wrong", [None, "untrained", xr.DataArray([1.0]), {"a": 1}])
def test_a_control_that_is_no_scores_is_refused(scores, wrong):
    with pytest.raises(InputError, match=r"assign_regions\(control=\.\.\.\) takes scores"):
        assign_regions(scores, control=wrong)


def test_controls_keep_their_labels(scores):
    other = scores.assign_attrs(label="random weights")
    assert assign_regions(scores, control=scores).control.values.tolist() == ["control"]
    assert assign_regions(scores, control=other).control.values.tolist() == ["random weights"]
    both = assign_regions(scores, control=[scores, other])
    assert both.control.values.tolist() == ["control 1", "random weights"]
    named = assign_regions(scores, control={"seed 0": other, "seed 1": other})
    assert named.control.values.tolist() == ["seed 0", "seed 1"]
    with pytest.raises(LabelError, match=r"labels of controls must differ, got 'random weights'"):
        assign_regions(scores, control=[other, other])


def test_a_control_made_otherwise_is_refused(scores):
    other = scores.assign_attrs(measure="pearson")
    with pytest.raises(InputError, match="with the measure 'spearman', got 'pearson'"):
        assign_regions(scores, control=other)
    with pytest.raises(InputError, match="with the method 'rsa', got 'encoding'"):
        assign_regions(scores, control=scores.assign_attrs(method="encoding"))
    with pytest.raises(InputError, match=r"assign_regions\(control=\.\.\.\) chooses and scores"):
        assign_regions(scores, control=scores.drop_vars("split_score"))
    with pytest.raises(LabelError, match=r"control and scores must hold the same 2 ids"):
        assign_regions(scores, control=scores.sel(region=["V1"]))


def test_scores_without_draws_of_any_kind(scores):
    best = assign_regions(scores.drop_vars("bootstrap_mean"))
    assert best.indistinguishable.all()
    assert best.peak_depth_low.isnull().all()
    xr.testing.assert_equal(best.best_op, assign_regions(scores).best_op)


def test_draws_of_subjects_too_tell_ops_apart(scores):
    """Ops are compared under draws of both stimuli and subjects, the first on the axis."""
    drawn = scores.bootstrap_mean.values
    dims = ("resampled", "bootstrap", "op", "region")
    both = scores.drop_vars("bootstrap_mean").assign(
        draws=(dims, np.stack([drawn, drawn, 0.1 * drawn])), n_subjects=("region", [20, 20])
    )
    best = assign_regions(both)
    assert best.interval_over == "stimuli and subjects"
    # 20 subjects have as many degrees of freedom as 20 stimuli.
    np.testing.assert_allclose(
        best.margin / assign_regions(scores).margin, np.sqrt(19 / 20), rtol=0.02
    )
    assert not best.indistinguishable.all()


def test_rdms_are_for_scores_of_rdms(scores):
    rdms = (xr.DataArray(), xr.DataArray())
    for method in ("alignment", "predicted-rsa"):
        with pytest.raises(InputError, match=f"these are of {method}. Leave rdms= out"):
            assign_regions(scores.assign_attrs(method=method), rdms=rdms)
    with pytest.raises(InputError, match="assign_regions needs 'split_member'"):
        assign_regions(scores, rdms=rdms)


def test_a_single_region_that_was_selected(scores):
    best = assign_regions(scores.sel(region="IT"))
    assert best.best_op.values.tolist() == ["b"]
    assert best.region.values.tolist() == ["IT"]


def test_equal_ops_stay_together_and_an_unrelated_one_is_left_out(rng):
    """Twenty ops are one geometry with noise of their own; the interval of each gap would not do.

    Leaving out each op whose own 95 % interval of the gap is above 0 breaks the group up.
    """
    n_whole, n_without, n_broken = 0, 0, 0
    for k in range(20):
        points = rng.normal(size=(24, 6))
        layers = [points + 0.7 * rng.normal(size=points.shape) for _ in range(20)]
        layers.append(rng.normal(size=points.shape))
        squares = [measure_square(rng, layer, np.eye(6), 0.0) for layer in layers]
        model = label_squares(squares, op=[f"op{i}" for i in range(21)])
        sides = [measure_square(rng, points, rng.normal(size=(6, 20)), 1.0) for _ in "ABCD"]
        brain = label_squares(sides, subject=list("ABCD"))
        scores = compare_rdms(
            model, brain, comparator="pearson", n_bootstrap=100, n_splits=1, rng=k
        )
        best = assign_regions(scores)
        member = best.indistinguishable.values[0]
        n_whole += member[:20].all()
        n_without += not member[20]
        drawn = scores.bootstrap_mean.squeeze("region").transpose("bootstrap", "op").values
        gap = drawn[:, [np.argmax(scores.score_mean.values)]] - drawn
        n_broken += (np.quantile(gap, 0.025, axis=0)[:20] > 0).any()
    assert n_whole >= 18
    assert n_without >= 15
    assert n_broken >= 8


def test_groups_that_were_resampled_set_the_degrees_of_freedom(rng):
    model, brain = build_sides(rng)
    by = xr.DataArray(np.arange(16) // 2, dims="stimulus", coords={"stimulus": model.stimulus})
    scores = compare_rdms(model, brain, by=by, n_bootstrap=40, n_splits=3)
    best = assign_regions(scores)
    assert best.interval_over == "groups of stimuli"
    drawn = scores.bootstrap_mean.sel(region="V1", op="op1").values.astype(float)
    assert best.agreement[0] == 1
    reach = scipy.stats.t.ppf(0.975, 7) * np.sqrt(drawn.var(ddof=1) * 8 / 7)
    assert (best.heldout_ci_high - best.heldout_mean).values[0] == pytest.approx(reach)
    with pytest.raises(InputError, match=r"resampled groups of stimuli, .* Pass by="):
        assign_regions(scores, rdms=(model, brain))
    both = assign_regions(scores, rdms=(model, brain), by=by)
    assert both.interval_over == "groups of stimuli and subjects"
    alone = bootstrap_rdms(model, brain, by=by, n_bootstrap=40).sel(region="V1", op="op1")
    reach = float(alone.mean_ci_high - alone.score_mean)
    assert (both.heldout_ci_high - both.heldout_mean).values[0] == pytest.approx(reach)


def build_controls(rng, brain) -> list[xr.DataArray]:
    """Return the RDMs of two networks of five ops that know nothing of the brain."""
    names = [f"op{k}" for k in range(5)]
    n = brain.sizes["stimulus"]
    return [label_squares([draw_square(rng, n) for _ in names], op=names) for _ in range(2)]


def test_difference_to_controls_is_that_of_networks(rng):
    """It is that of compare_choices, but for p, which is of one side."""
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain, n_bootstrap=40, n_splits=3)
    rdms = build_controls(rng, brain)
    # Regions in another order are matched by name.
    drawn = [
        compare_rdms(one, brain.isel(region=[1, 0]), n_bootstrap=40, n_splits=3) for one in rdms
    ]
    best = assign_regions(scores, control=drawn)
    assert best.control_paired.values.tolist() == [True, True]
    assert best.control_over == "stimuli"
    assert "over stimuli, P values one-sided, paired by stimuli." in best.control_note
    for k, other in enumerate(drawn):
        here = best.isel(control=k)
        found = compare_choices({"a": scores, "b": other}).isel(network=0, network_2=1)
        gap = best.heldout_mean - here.control_score
        np.testing.assert_allclose(here.control_difference, gap)
        np.testing.assert_allclose(here.control_difference_ci_low, found.ci_low)
        np.testing.assert_allclose(here.control_difference_ci_high, found.ci_high)
        assert (gap > 0).all()
        np.testing.assert_allclose(here.control_difference_p, found.p / 2)
    both = assign_regions(scores, rdms=(model, brain), control=drawn, control_rdms=rdms)
    assert both.control_over == both.interval_over == "stimuli and subjects"
    sides = {"a": (model, brain), "b": (rdms[0], brain)}
    found = compare_choices({"a": scores, "b": drawn[0]}, rdms=sides).isel(network=0, network_2=1)
    np.testing.assert_allclose(both.control_difference_ci_low[0], found.ci_low)
    assert both.control_paired.all()
    # Without the RDMs of the controls nothing is known of other subjects.
    half = assign_regions(scores, rdms=(model, brain), control=drawn)
    assert half.control_over == "stimuli"
    xr.testing.assert_identical(half.control_difference_p, best.control_difference_p)
    assert half.interval_over == "stimuli and subjects"


def test_difference_to_the_mean_of_controls_by_hand(rng):
    model, brain = build_sides(rng)
    scores, *drawn = (
        compare_rdms(one, brain, n_bootstrap=40, n_splits=3)
        for one in (model, *build_controls(rng, brain))
    )
    best = assign_regions(scores, control=drawn)
    for region in ("V1", "IT"):
        variances = []
        for split, half in np.ndindex(3, 2):
            errors = []
            for one in (scores, *drawn):
                op = one.split_score[split, half].sel(region=region).idxmax("op").item()
                errors.append(one.bootstrap_mean.sel(op=op, region=region).values.astype(float))
            gap = errors[0] - (errors[1] + errors[2]) / 2
            variances.append(gap.var(ddof=1) * 16 / 15)
        here = best.sel(region=region)
        value = float(here.heldout_mean - here.control_score.mean())
        assert float(here.control_mean_difference) == pytest.approx(value)
        error = np.sqrt(np.mean(variances))
        p = scipy.stats.t.sf(value / error, 15)
        assert float(here.control_mean_difference_p) == pytest.approx(p)
        reach = scipy.stats.t.ppf(0.975, 15) * error
        assert float(here.control_mean_difference_ci_low) == pytest.approx(value - reach)
        assert float(here.control_mean_difference_ci_high) == pytest.approx(value + reach)


def test_controls_of_other_draws_are_compared_with_care(rng):
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain, n_bootstrap=40, n_splits=3)
    rdms = build_controls(rng, brain)
    drawn = [
        compare_rdms(one, brain, n_bootstrap=40, n_splits=3, rng=k) for k, one in enumerate(rdms)
    ]
    best = assign_regions(scores, control=drawn)
    assert best.control_paired.values.tolist() == [True, False]
    assert "Not paired by stimuli, and wider for it: 'control 2'" in best.control_note
    reach = [
        assign_regions(one).heldout_ci_high - assign_regions(one).heldout_mean
        for one in (scores, *drawn)
    ]
    wide = best.control_difference_ci_high[1] - best.control_difference[1]
    np.testing.assert_allclose(wide, reach[0] + reach[2])
    wide = best.control_mean_difference_ci_high - best.control_mean_difference
    np.testing.assert_allclose(wide, reach[0] + (reach[1] + reach[2]) / 2)


def test_controls_without_draws_have_no_interval(rng):
    model, brain = build_sides(rng)
    rdms = build_controls(rng, brain)[0]
    for n_draws in ((0, 40), (40, 0), (0, 0)):
        scores, control = (
            compare_rdms(one, brain, n_bootstrap=n, n_splits=3)
            for one, n in zip((model, rdms), n_draws, strict=True)
        )
        best = assign_regions(scores, control=control)
        assert best.control_difference.notnull().all()
        assert best.control_difference_p.isnull().all()
        assert best.control_mean_difference_ci_low.isnull().all()
        assert "no intervals" in best.control_note
        assert best.control_over == ""


def test_rdms_of_controls_that_do_not_fit_are_refused(rng):
    model, brain = build_sides(rng)
    rdms = build_controls(rng, brain)
    scores, *drawn = (
        compare_rdms(one, brain, n_bootstrap=20, n_splits=2) for one in (model, *rdms)
    )
    with pytest.raises(InputError, match=r"got 2 of them for 2 controls, without rdms="):
        assign_regions(scores, control=drawn, control_rdms=rdms)
    with pytest.raises(InputError, match=r"got 1 of them for 2 controls, with rdms="):
        assign_regions(scores, control=drawn, control_rdms=rdms[0], rdms=(model, brain))
    with pytest.raises(InputError, match=r"got 1 of them for 0 controls, with rdms="):
        assign_regions(scores, control_rdms=rdms[0], rdms=(model, brain))
    other = compare_rdms(rdms[0], brain + 5 * build_sides(rng)[1], n_bootstrap=20, n_splits=2)
    with pytest.raises(InputError, match="control and scores have different noise ceilings"):
        assign_regions(scores, control=other)


def test_a_control_without_scores_in_a_region(rng):
    model, brain = build_sides(rng)
    scores, control = (
        compare_rdms(one, brain, n_bootstrap=20, n_splits=2)
        for one in (model, build_controls(rng, brain)[0])
    )
    for name in ("score", "split_score", "score_mean", "bootstrap_mean"):
        control[name].loc[{"region": "V1"}] = np.nan
    with pytest.warns(RuntimeWarning, match=r"no op could be chosen, .* in: 'V1'"):
        best = assign_regions(scores, control=control)
    for name in ("score", "difference", "difference_p", "difference_ci_low"):
        assert best[f"control_{name}"][0].isnull().values.tolist() == [True, False]
    assert best.control_mean_difference_p.isnull().values.tolist() == [True, False]
