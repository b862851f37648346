import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scores import make_scores
from squares import draw_square, label_squares

from neurolens.compare import assign_regions, bootstrap_rdms, compare_rdms, locate_peaks
from neurolens.errors import InputError, LabelError
from neurolens.scores import Intervals


def build_scores(splits, overall, draws, level=0.9) -> xr.Dataset:
    """Return scores of ops "a", "b", "c" in regions "V1", "IT"."""
    per_region = ("op", "region")
    return make_scores(
        overall,
        variables={
            "split_score": (("split", "half", *per_region), np.array(splits, dtype=float)),
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
    assert best.best_op.values.tolist() == ["a", "b"]
    assert best.selection_score.values.tolist() == [0.5, 0.6]
    assert best.heldout_score.values.tolist() == [0.2, 0.5]
    assert best.naive_op.values.tolist() == ["b", "b"]
    assert best.naive_score.values.tolist() == [0.4, 0.55]
    # V1: the four halves choose a, b, c, a; scored on the other half .2, .3, .2, .1.
    assert best.agreement.values.tolist() == [0.5, 1.0]
    np.testing.assert_allclose(best.heldout_mean, [0.2, (0.5 + 0.6 + 0.6 + 0.4) / 4])
    assert best.indistinguishable.dims == ("region", "op")
    assert best.indistinguishable.sel(region="V1").values.tolist() == [True, True, False]
    assert best.indistinguishable.sel(region="IT").values.tolist() == [False, True, True]
    assert best.attrs["split"] == 0
    assert best.attrs["measure"] == "spearman"


def test_another_split_and_order_of_dimensions(scores):
    best = assign_regions(scores.transpose(), split=1)
    assert best.best_op.values.tolist() == ["c", "b"]
    assert best.heldout_score.values.tolist() == [0.2, 0.6]


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
    assert np.isnan(best.heldout_score.values[0])
    assert not best.indistinguishable.sel(region="V1").any()


def test_without_draws_nothing_is_told_apart(scores):
    assert assign_regions(scores.isel(bootstrap=slice(0))).indistinguishable.all()


def test_errors(scores):
    with pytest.raises(InputError, match=r"missing: 'split_score'.*n_splits=40"):
        assign_regions(scores.drop_vars("split_score"))
    with pytest.raises(InputError, match="missing: none, number of splits: 0"):
        assign_regions(scores.isel(split=slice(0)))
    with pytest.raises(InputError, match=r"split must be in 0\.\.1, got 2"):
        assign_regions(scores, split=2)


@given(seed=st.integers(0, 2**32 - 1))
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


def test_heldout_interval_is_that_of_the_other_half(rng):
    model, brain = build_sides(rng)
    scores = compare_rdms(model, brain, n_bootstrap=40, n_splits=3)
    best = assign_regions(scores, rdms=(model.isel(stimulus=slice(None, None, -1)), brain), split=2)
    assert best.best_op.values.tolist() == ["op1", "op4"]
    kept = scores.stimulus.values[~scores.split_member.values[2]]
    half = {"stimulus": kept, "stimulus_2": kept}
    for region, op in (("V1", "op1"), ("IT", "op4")):
        alone = bootstrap_rdms(model.sel(half), brain.sel(half), n_bootstrap=40).sel(
            region=region, op=op
        )
        here = best.sel(region=region)
        assert float(here.heldout_score) == pytest.approx(float(alone.score_mean))
        assert float(here.heldout_ci_low) == pytest.approx(float(alone.mean_ci_low))
        assert float(here.heldout_ci_high) == pytest.approx(float(alone.mean_ci_high))
        assert float(here.heldout_p) == pytest.approx(float(alone.p))


def test_half_of_three_stimuli_has_no_interval(rng):
    six = {"stimulus": slice(6), "stimulus_2": slice(6)}
    sides = tuple(side.isel(six) for side in build_sides(rng))
    scores = compare_rdms(*sides, n_bootstrap=5, n_splits=2)
    with pytest.raises(
        InputError, match=r"at least 4 stimuli, got 3\..* or no rdms= to assign_regions"
    ):
        assign_regions(scores, rdms=sides)


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
    scores["split_score"].loc[{"split": 0, "half": 1, "op": "a", "region": "V1"}] = np.nan
    best = assign_regions(scores)
    assert best.best_op.values.tolist() == ["b", "b"]
    assert best.heldout_score.values.tolist() == [0.4, 0.5]
    # The halves of V1 choose b, b; c, a, scored on the other half with .4, .3; .2, .1.
    np.testing.assert_allclose(best.heldout_mean[0], 0.25)


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
    assert assign_regions(scores.isel(subject=[0])).nested_score.isnull().all()
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
    same = np.broadcast_to(scores.score_mean.values, (21, 3, 2))
    draws = np.stack([scores.bootstrap_mean.values, same, same])
    dims = ("resampled", "bootstrap", "op", "region")
    both = scores.drop_vars("bootstrap_mean").assign(draws=(dims, draws))
    expected = assign_regions(scores).indistinguishable
    assert not expected.all()
    xr.testing.assert_equal(assign_regions(both).indistinguishable, expected)


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
