"""RDMs that lack pairs: scores are those of the pairs that both have."""

import numpy as np
import oracles
import pytest
import xarray as xr
from scipy.stats import spearmanr
from squares import draw_square, label_squares

from neurolens.compare import (
    COMPARATORS,
    bootstrap_rdms,
    compare_models,
    compare_rdms,
    compute_rdm_ceilings,
    permute_rdms,
)
from neurolens.compare.rsa.comparators.table import compare_pairs
from neurolens.errors import InputError

QUICK = {"n_bootstrap": 0, "n_splits": 0}
PARTIAL = [row.name for row in COMPARATORS.values() if row.partial]
WHOLE = [row.name for row in COMPARATORS.values() if not row.partial]
FIRST, SECOND = np.triu_indices(9, 1)


def build_sides(rng, n=9, *, ties=False) -> tuple[xr.DataArray, xr.DataArray]:
    model = label_squares([draw_square(rng, n, ties=ties) for _ in "ab"], op=["a", "b"])
    brain = label_squares([draw_square(rng, n, ties=ties) for _ in "AB"], subject=["A", "B"])
    return model, brain


def drop_pairs(rdms, k, pairs) -> None:
    """Set ``pairs`` (i, j) of the RDM at position ``k`` to NaN."""
    for i, j in pairs:
        rdms.values[k, i, j] = rdms.values[k, j, i] = np.nan


def take_pairs(square) -> np.ndarray:
    return np.asarray(square)[FIRST, SECOND]


@pytest.fixture
def gapped(rng):
    """Op b lacks two pairs, subject A three, one of them the same."""
    model, brain = build_sides(rng, ties=True)
    drop_pairs(model, 1, [(0, 1), (3, 7)])
    drop_pairs(brain, 0, [(0, 1), (2, 4), (5, 8)])
    return model, brain


@pytest.mark.parametrize("comparator", PARTIAL)
class TestScores:
    def test_of_the_pairs_that_both_have(self, gapped, comparator):
        model, brain = gapped
        message = "some pairs are NaN in the RDMs of 'op b', 'brain, A'. Each score is of the pairs"
        with pytest.warns(RuntimeWarning, match=message):
            scores = compare_rdms(model, brain, comparator=comparator, **QUICK)
        for (k, _, s), value in np.ndenumerate(scores.score.values):
            x, y = take_pairs(model[k]), take_pairs(brain[s])
            kept = ~np.isnan(x) & ~np.isnan(y)
            expected = oracles.SIMILARITIES[comparator](x[kept].tolist(), y[kept].tolist())
            assert value == pytest.approx(expected, abs=1e-12)
            assert scores.n_pairs.values[k, 0, s] == kept.sum()
        assert scores.attrs["pairs"] == "those that both RDMs have, of 36; see n_pairs"
        assert "of the pairs of stimuli that both matrices have" in scores.attrs["methods_text"]

    def test_of_draws(self, rng, gapped, comparator):
        """Each draw is compared over the drawn pairs that both have."""
        model, brain = gapped
        counts = rng.multinomial(9, np.full(9, 1 / 9), size=12)
        # Of three stimuli the two that subject A and op b do not relate leave two pairs.
        counts[0] = [4, 3, 0, 0, 2, 0, 0, 0, 0]
        found = compare_pairs(
            np.array([take_pairs(square) for square in model.values]),
            np.array([take_pairs(square) for square in brain.values]),
            counts,
            COMPARATORS[comparator],
        )
        for (d, m, b), value in np.ndenumerate(found):
            expected = score_draw(model.values[m], brain.values[b], counts[d], comparator)
            assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)


def score_draw(x, y, counts, comparator):
    """Return the similarity of the drawn pairs that both squares have, one by one."""
    drawn = [i for i, times in enumerate(counts) for _ in range(times)]
    pairs = [(i, j) for a, i in enumerate(drawn) for j in drawn[a + 1 :] if i != j]
    kept = [pair for pair in pairs if not np.isnan(x[pair] + y[pair])]
    different = {tuple(sorted(pair)) for pair in kept}
    if len(different) < 3:
        return np.nan
    return oracles.SIMILARITIES[comparator]([x[p] for p in kept], [y[p] for p in kept])


@pytest.mark.parametrize("comparator", COMPARATORS)
@pytest.mark.filterwarnings("ignore:some pairs are NaN|a ceiling is NaN:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:A ceiling is NaN:RuntimeWarning")
def test_stimuli_that_one_side_lacks_are_left_out(rng, comparator):
    """It is the comparison of the other stimuli, with its intervals and halves, for any."""
    model, brain = build_sides(rng)
    seen = {"A": [0, 1, 2, 3, 4, 5, 6], "B": [2, 3, 4, 5, 6, 7, 8]}
    for k, kept in enumerate(seen.values()):
        rest = [i for i in range(9) if i not in kept]
        brain.values[k, rest] = brain.values[k, :, rest] = np.nan
    scores = compare_rdms(model, brain, comparator=comparator, n_bootstrap=0, n_splits=2)
    for subject, kept in seen.items():
        part = {"stimulus": kept, "stimulus_2": kept}
        alone = compare_rdms(
            model.isel(part), brain.sel(subject=subject).isel(part), comparator=comparator, **QUICK
        )
        found = scores.score.sel(subject=subject).values[:, 0]
        np.testing.assert_allclose(found, alone.score.values[:, 0, 0], atol=1e-6)
        assert (scores.n_pairs.sel(subject=subject) == 21).all()
    np.testing.assert_allclose(scores.score_mean, scores.score.mean("subject"))


@pytest.mark.parametrize("comparator", WHOLE)
def test_comparators_that_need_every_pair_say_so(gapped, comparator):
    with (
        pytest.warns(RuntimeWarning, match="some pairs are NaN"),
        pytest.raises(InputError, match=f"'{comparator}' needs every pair .* one of 'spearman'"),
    ):
        compare_rdms(*gapped, comparator=comparator, **QUICK)


def test_nothing_is_said_where_nothing_is_missing(rng):
    scores = compare_rdms(*build_sides(rng), **QUICK)
    assert scores.attrs["pairs"] == "all 36"
    assert (scores.n_pairs == 36).all()
    assert "pairs" not in scores.attrs["methods_text"]


def test_too_few_pairs_in_common_are_no_score(rng):
    model, brain = build_sides(rng)
    model.values[1, 3:] = model.values[1, :, 3:] = np.nan
    drop_pairs(model, 1, [(0, 1)])
    with pytest.warns(RuntimeWarning, match=r"no score for 'b'|NaN in the RDMs of 'op b'\."):
        scores = compare_rdms(model, brain, **QUICK)
    assert scores.score.sel(op="b").isnull().all()
    assert (scores.n_pairs.sel(op="b") == 2).all()


@pytest.mark.filterwarnings("ignore:some pairs are NaN")
@pytest.mark.parametrize("interval", ["bootstrap", "influence"])
@pytest.mark.parametrize("comparator", PARTIAL)
def test_a_single_op_that_is_constant_has_no_score(gapped, comparator, interval):
    model, brain = gapped
    flat = xr.ones_like(model[:1])
    for k in range(9):
        flat[0, k, k] = 0.0
    with pytest.warns(RuntimeWarning, match="does not vary over pairs"):
        scores = compare_rdms(
            flat, brain, comparator=comparator, interval=interval, n_bootstrap=5, n_splits=0
        )
    assert scores.score.isnull().all()
    assert scores.ci_low.isnull().all()


def test_an_op_that_is_constant_over_the_common_pairs_has_no_score(rng):
    model, brain = build_sides(rng)
    model.values[1] = 1 - np.eye(9)
    model.values[1, 0, 1] = model.values[1, 1, 0] = 2
    drop_pairs(brain, 0, [(0, 1)])
    with pytest.warns(RuntimeWarning, match="no score for 'b'|some pairs are NaN"):
        scores = compare_rdms(model, brain, comparator="cosine", **QUICK)
    assert scores.score.isnull().sel(op="b").values.tolist() == [[True, False]]


@pytest.mark.filterwarnings("ignore:some pairs are NaN:RuntimeWarning")
class TestInference:
    def test_bootstrap(self, gapped):
        model, brain = gapped
        scores = bootstrap_rdms(model, brain, n_bootstrap=30)
        assert np.isfinite(scores[["score", "ci_low", "p"]].to_dataarray()).all()
        assert scores.n_pairs.values.tolist() == [[[33, 36]], [[32, 34]]]
        draws = compare_rdms(model, brain, n_bootstrap=30, n_splits=0)
        assert np.isfinite(draws.ci_low).all()

    def test_permutation_is_over_the_pairs_present_in_both(self, gapped):
        model, brain = gapped
        found = permute_rdms(model, brain, comparator="spearman", n_permutations=9, rng=2)
        orders = [np.arange(9)]
        generator = np.random.default_rng(2)
        orders += [generator.permutation(9) for _ in range(9)]
        scores = np.empty((10, 2))
        for k, order in enumerate(orders):
            for op in range(2):
                by_subject = []
                for square in brain.values:
                    x, y = take_pairs(model.values[op]), take_pairs(square[np.ix_(order, order)])
                    kept = ~np.isnan(x) & ~np.isnan(y)
                    by_subject.append(spearmanr(x[kept], y[kept]).statistic)
                scores[k, op] = np.mean(by_subject)
        np.testing.assert_allclose(found.score_mean.values[:, 0], scores[0], atol=1e-12)
        np.testing.assert_allclose(found.null_mean.values[:, 0], scores.mean(axis=0), atol=1e-12)
        hits = (scores >= scores[0] - 1e-12).mean(axis=0)
        np.testing.assert_allclose(found.p.values[:, 0], hits)

    def test_models(self, gapped):
        model, _ = gapped
        found = compare_models(model, model, comparator="spearman")
        x, y = take_pairs(model.values[0]), take_pairs(model.values[1])
        kept = ~np.isnan(y)
        expected = spearmanr(x[kept], y[kept]).statistic
        assert found.sel(op="a", op_2="b").item() == pytest.approx(expected, abs=1e-12)

    @pytest.mark.filterwarnings("ignore:A ceiling is NaN:RuntimeWarning")
    def test_ceilings_do_not_fail(self, gapped):
        assert "ceiling_upper" in compute_rdm_ceilings(gapped[1])


@pytest.mark.filterwarnings("ignore:some pairs are NaN|all distances:RuntimeWarning")
def test_time_bins_and_groups_of_ops(gapped):
    model, brain = gapped
    timed = xr.concat([brain, brain * 2], "time_bin").assign_coords(time_bin=[10, 20])
    found = compare_rdms(model, timed, n_bootstrap=3, n_splits=1)
    alone = compare_rdms(model, brain, n_bootstrap=3, n_splits=1)
    xr.testing.assert_allclose(found.score.sel(time_bin=20, drop=True), alone.score)
    xr.testing.assert_equal(found.n_pairs.sel(time_bin=10, drop=True), alone.n_pairs)
