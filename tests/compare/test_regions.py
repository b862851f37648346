import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from squares import draw_square, label_squares

from neurolens.compare import assign_regions, compare_rdms
from neurolens.errors import InputError


def build_scores(splits, overall, draws, confidence=0.9) -> xr.Dataset:
    """Return scores of ops "a", "b", "c" in regions "V1", "IT"."""
    return xr.Dataset(
        {
            "split_score": (("split", "half", "op", "region"), np.array(splits, dtype=float)),
            "score_mean": (("op", "region"), np.array(overall, dtype=float)),
            "bootstrap_mean": (("bootstrap", "op", "region"), np.array(draws, dtype=np.float32)),
        },
        coords={"op": ["a", "b", "c"], "region": ["V1", "IT"]},
        attrs={"confidence": confidence, "method": "rsa", "comparator": "spearman"},
    )


@pytest.fixture
def scores() -> xr.Dataset:
    splits = [
        [[[0.5, 0.1], [0.3, 0.6], [0.1, 0.2]], [[0.2, 0.3], [0.4, 0.5], [0.1, 0.1]]],
        [[[0.1, 0.2], [0.2, 0.4], [0.6, 0.1]], [[0.7, 0.3], [0.1, 0.6], [0.2, 0.2]]],
    ]
    draws = np.stack([np.array([[0.4 + k, 0.1], [0.4 - k, 0.5], [0.1, 0.5 + k]]) for k in np.linspace(-0.2, 0.2, 21)])
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
    assert best.attrs["comparator"] == "spearman"


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
    with pytest.raises(InputError, match=r"missing: 'split_score'.*n_splits=20"):
        assign_regions(scores.drop_vars("split_score"))
    with pytest.raises(InputError, match="missing: none, number of splits: 0"):
        assign_regions(scores.isel(split=slice(0)))
    with pytest.raises(InputError, match=r"split must be in 0\.\.1, got 2"):
        assign_regions(scores, split=2)


@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_ops_changes_no_choice(seed):
    rng = np.random.default_rng(seed)
    scores = build_scores(rng.random((2, 2, 3, 2)), rng.random((3, 2)), rng.random((5, 3, 2)))
    xr.testing.assert_equal(
        assign_regions(scores), assign_regions(scores.isel(op=rng.permutation(3))).sel(op=["a", "b", "c"])
    )


def test_choosing_among_noise_inflates_only_the_naive_score(rng):
    """Thirty unrelated ops: the truth is 0 for each; the largest score is not, the held-out one is."""
    naive, selected, heldout = [], [], []
    for k in range(15):
        model = label_squares([draw_square(rng, 14) for _ in range(30)], op=[f"op{i}" for i in range(30)])
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
