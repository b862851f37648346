import tracemalloc
from types import SimpleNamespace

import numpy as np
import oracles
import pytest
import scipy.stats
import xarray as xr
from form import check_form
from hypothesis import given
from hypothesis import strategies as st
from rsatoolbox.rdm import compare
from squares import draw_square, label_squares, measure_square

from neurolens.compare import (
    COMPARATORS,
    assign_regions,
    compare_rdms,
    compute_rdm_ceilings,
    to_rsatoolbox,
)
from neurolens.compare.rdms.vectors import read_model_rdms
from neurolens.compare.rsa.comparators.table import compare_pairs
from neurolens.errors import InputError, LabelError, UnknownNameError

RSATOOLBOX_NAMES = {
    "spearman": "spearman",
    "pearson": "corr",
    "cosine": "cosine",
    "rho-a": "rho-a",
    "tau-a": "tau-a",
    "whitened-pearson": "corr_cov",
    "whitened-cosine": "cosine_cov",
    "bures": "bures",
}
# The root of a rounding error: eigenvalues that should be 0.
PRECISION = dict.fromkeys(COMPARATORS, 1e-12) | {"bures": 2e-7}
QUICK = {"n_bootstrap": 0, "n_splits": 0}
OPS, REGIONS, SUBJECTS = ["conv", "relu", "fc"], ["V1", "IT"], ["A", "B"]


def build_sides(rng, n=7, *, ties=False) -> tuple[xr.DataArray, xr.DataArray]:
    """Return model (3 ops) and brain (2 regions, 2 subjects; subject B has no IT)."""
    model = label_squares([draw_square(rng, n, ties=ties) for _ in OPS], op=OPS)
    squares = [[draw_square(rng, n, ties=ties) for _ in SUBJECTS] for _ in REGIONS]
    brain = label_squares(squares, region=REGIONS, subject=SUBJECTS)
    brain[1, 1] = np.nan
    return model, brain


def take_triangles(rdms) -> np.ndarray:
    return np.array(
        [oracles.triangle(square) for square in rdms.values.reshape(-1, *rdms.shape[-2:])]
    )


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("comparator", COMPARATORS)
class TestOracles:
    def test_scores(self, rng, comparator, ties):
        model, brain = build_sides(rng, ties=ties)
        scores = compare_rdms(model, brain, comparator=comparator, **QUICK)
        for (m, r, s), value in np.ndenumerate(scores.score.values):
            if (r, s) == (1, 1):
                assert np.isnan(value)
                continue
            x, y = oracles.triangle(model.values[m]), oracles.triangle(brain.values[r, s])
            assert value == pytest.approx(
                oracles.SIMILARITIES[comparator](x, y), abs=PRECISION[comparator]
            )
        np.testing.assert_allclose(
            scores.score_mean.sel(region="V1"), scores.score.sel(region="V1").mean("subject")
        )
        np.testing.assert_allclose(
            scores.score_mean.sel(region="IT"), scores.score.sel(region="IT", subject="A")
        )

    def test_rsatoolbox(self, rng, comparator, ties):
        model, brain = build_sides(rng, n=9, ties=ties)
        if (
            comparator == "bures"
        ):  # rsatoolbox takes no other than distances of points: it keeps negative eigenvalues
            model, brain = (
                np.sqrt(model) + 3 * (1 - np.eye(9)),
                np.sqrt(brain) + 3 * (1 - np.eye(9)),
            )
        expected = compare(to_rsatoolbox(model), to_rsatoolbox(brain), RSATOOLBOX_NAMES[comparator])
        scores = compare_rdms(model, brain, comparator=comparator, **QUICK)
        found = scores.score.stack(rdm=("region", "subject")).values[:, :3]
        np.testing.assert_allclose(found, expected, atol=PRECISION[comparator])

    def test_resampled_rows(self, rng, comparator, ties):
        n = 6
        model, brain = build_sides(rng, n, ties=ties)
        x, y = take_triangles(model), take_triangles(brain)[:3]
        counts = np.array(
            [[1, 1, 1, 1, 1, 1], [2, 0, 1, 3, 0, 0], [1, 2, 0, 1, 1, 1], [0, 0, 3, 1, 1, 1]]
        )
        found = compare_pairs(x, y, counts, COMPARATORS[comparator])
        for (d, m, b), value in np.ndenumerate(found):
            expected = oracles.resampled_score(
                model.values[m], brain.values.reshape(-1, n, n)[b], counts[d], comparator
            )
            assert value == pytest.approx(expected, abs=PRECISION[comparator], nan_ok=True)

    @pytest.mark.filterwarnings("ignore:Draws.*score higher in bures:RuntimeWarning")
    def test_bootstrap_and_halves(self, rng, comparator, ties):
        n = 8
        model, brain = build_sides(rng, n, ties=ties)
        settings = {"n_bootstrap": 12, "n_splits": 3, "rng": 5, "interval": "bootstrap"}
        scores = compare_rdms(model, brain, comparator=comparator, **settings)
        draws = np.random.default_rng(5).spawn(2)[0].multinomial(n, np.full(n, 1 / n), size=12)
        drawn = np.array(
            [
                [
                    [
                        oracles.resampled_score(x, y, counts, comparator)
                        for y in brain.values.reshape(-1, n, n)[:3]
                    ]
                    for x in model.values
                ]
                for counts in draws
            ]
        )
        v1 = drawn[..., :2].mean(axis=-1)
        np.testing.assert_allclose(scores.bootstrap_mean.sel(region="V1"), v1, atol=1e-6)
        np.testing.assert_allclose(scores.bootstrap_mean.sel(region="IT"), drawn[..., 2], atol=1e-6)
        np.testing.assert_allclose(
            scores.mean_ci_low.sel(region="V1"),
            np.quantile(v1, 0.025, axis=0),
            atol=PRECISION[comparator],
        )
        np.testing.assert_allclose(
            scores.mean_ci_high.sel(region="V1"),
            np.quantile(v1, 0.975, axis=0),
            atol=PRECISION[comparator],
        )
        np.testing.assert_allclose(
            scores.ci_high.sel(region="IT", subject="A"),
            np.quantile(drawn[..., 2], 0.975, axis=0),
            atol=PRECISION[comparator],
        )
        assert scores.split_member.sum("stimulus").values.tolist() == [4, 4, 4]
        for split in range(3):
            for half, member in zip("ab", (True, False), strict=True):
                kept = scores.stimulus.values[scores.split_member.values[split] == member]
                part = {"stimulus": kept, "stimulus_2": kept}
                there = compare_rdms(
                    model.sel(part), brain.sel(part), comparator=comparator, **QUICK
                )
                np.testing.assert_allclose(
                    scores.split_score.sel(split=split, half=half), there.score_mean, atol=1e-12
                )


@pytest.mark.parametrize("comparator", COMPARATORS)
def test_blocks_do_not_change_numbers(rng, comparator, monkeypatch):
    model, brain = build_sides(rng, 8, ties=True)
    whole = compare_rdms(model, brain, comparator=comparator, n_bootstrap=9, n_splits=2)
    for block in (
        "comparators.ranks.BLOCK_RANKS",
        "comparators.moments.BLOCK_WEIGHTS",
        "sides.BLOCK_PAIRS",
    ):
        monkeypatch.setattr(f"neurolens.compare.rsa.{block}", 60)
        xr.testing.assert_allclose(
            compare_rdms(model, brain, comparator=comparator, n_bootstrap=9, n_splits=2), whole
        )


def test_pairs_are_taken_op_by_op(rng, monkeypatch):
    """They are for whole numbers too, in any order.

    Beside the RDMs and their pairs only a few squares are in memory.
    """
    square, order = draw_square(rng, 40), rng.permutation(40)
    model = label_squares(np.round([k * square for k in range(1, 61)]), op=range(60))
    moved = model.isel(stimulus=order).astype("int8")
    monkeypatch.setattr("neurolens.compare.rdms.vectors.BLOCK_NUMBERS", 2 * 40**2)
    tracemalloc.start()
    pairs = read_model_rdms(moved).pairs
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(
        pairs, take_triangles(model.isel(stimulus=order, stimulus_2=order))
    )
    assert peak < pairs.nbytes + 24 * model[0].nbytes


def test_scipy(rng):
    model, brain = build_sides(rng, 12)
    x, y = oracles.triangle(model.values[0]), oracles.triangle(brain.values[0, 0])
    for comparator, function in (
        ("spearman", scipy.stats.spearmanr),
        ("pearson", scipy.stats.pearsonr),
    ):
        scores = compare_rdms(model, brain, comparator=comparator, **QUICK)
        assert float(scores.score[0, 0, 0]) == pytest.approx(function(x, y).statistic, abs=1e-12)


def test_known_answers():
    model = label_squares([[0, 1, 2], [1, 0, 3], [2, 3, 0]])
    brain = label_squares([[0, 1, 4], [1, 0, 2], [4, 2, 0]])
    values = {
        c: compare_rdms(model, brain, comparator=c, **QUICK).score.item() for c in COMPARATORS
    }
    # Pairs (1, 2, 3) against (1, 4, 2); ranks (1, 2, 3) against (1, 3, 2).
    assert values["spearman"] == pytest.approx(0.5)
    assert values["rho-a"] == pytest.approx(0.5)
    assert values["cosine"] == pytest.approx(15 / np.sqrt(14 * 21))
    assert values["pearson"] == pytest.approx(1 / np.sqrt(2 * 14 / 3))


def test_rho_a_is_the_mean_over_broken_ties():
    x, y = [1, 1, 2, 2, 2, 5], [3, 1, 3, 4, 4, 9]
    model, brain = (label_squares(np.zeros((4, 4))) for _ in range(2))
    for rdm, values in ((model, x), (brain, y)):
        rdm.values[np.triu_indices(4, 1)] = values
        rdm.values += rdm.values.T
    score = compare_rdms(model, brain, comparator="rho-a", **QUICK).score
    assert score.item() == pytest.approx(oracles.rho_a_by_breaking_ties(x, y), abs=1e-12)


def test_names_where_there_are_none(rng):
    square = label_squares(draw_square(rng, 4))
    scores = compare_rdms(square, square, **QUICK)
    assert scores.op.values.tolist() == ["model"]
    assert scores.region.values.tolist() == ["brain"]
    assert scores.subject.values.tolist() == ["group"]
    named = square.assign_coords(op="relu", region="IT", subject="A")
    scores = compare_rdms(named.drop_vars(["region", "subject"]), named.drop_vars("op"), **QUICK)
    assert (scores.op.item(), scores.region.item(), scores.subject.item()) == ("relu", "IT", "A")
    by_subject = label_squares([draw_square(rng, 4)] * 2, subject=["A", "B"])
    assert dict(compare_rdms(square, by_subject, **QUICK).score.sizes) == {
        "op": 1,
        "region": 1,
        "subject": 2,
    }


def test_result_says_how_it_was_made_and_survives_a_file(rng, tmp_path):
    model, brain = build_sides(rng)
    scores = compare_rdms(
        model.assign_attrs(metric="cosine"), brain, n_bootstrap=5, n_splits=2, rng=3
    )
    expected = {
        "method": "rsa",
        "measure": "rho-a",
        "dissimilarity": "cosine",
        "interval_kind": "bootstrap percentile",
        "interval_over": "stimuli",
        "interval_level": 0.95,
        "ceiling_bound": "exact",
        "n_stimuli": 7,
        "n_bootstrap": 5,
        "n_splits": 2,
        "rng": 3,
    }
    assert expected.items() <= scores.attrs.items()
    assert (
        "Subjects per region: V1 2, IT 1. No ceiling, for fewer than two subjects, in: IT. If a "
        "subject saw stimuli repeatedly, compute_split_ceilings(responses)"
    ) in scores.attrs["ceiling_note"]
    assert scores.bootstrap_mean.dtype == np.float32
    scores.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "scores.nc", engine="h5netcdf") as reread:
        xr.testing.assert_equal(reread.load(), scores)
        assert reread.attrs == scores.attrs


@pytest.mark.parametrize("draws", [0, 4])
def test_form(rng, draws, tmp_path):
    model, brain = build_sides(rng)
    model = model.assign_attrs(metric="euclidean")
    scores = compare_rdms(model, brain, n_bootstrap=draws, n_splits=2, comparator="cosine")
    check_form(scores, "split_score", "split_member")
    assert scores.attrs["dissimilarity"] == "euclidean"
    assert "(euclidean)" in scores.attrs["methods_text"]
    assert scores.attrs["interval_over"] == ("stimuli" if draws else "")
    assert scores.attrs["ceiling_bound"] == "exact"
    scores.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "scores.nc", engine="h5netcdf") as reread:
        check_form(reread, "split_score", "split_member")
    timed = compare_rdms(
        model.drop_attrs(), brain.expand_dims(time_bin=[10, 20]), n_bootstrap=draws, n_splits=2
    )
    check_form(timed, "split_score", "split_member", timed=True)
    assert "dissimilarity" not in timed.attrs


def test_without_a_second_subject_nothing_is_bounded(rng):
    square = label_squares(draw_square(rng, 6))
    scores = compare_rdms(square, square, comparator="pearson", **QUICK)
    check_form(scores, "split_score", "split_member")
    assert scores.ceiling_upper.isnull().all()
    assert scores.attrs["ceiling_bound"] == "none"
    assert scores.attrs["ceiling_note"].startswith("No noise ceiling: ")


def test_seed(rng):
    model, brain = build_sides(rng)
    first = compare_rdms(model, brain, n_bootstrap=5, n_splits=2, rng=1)
    xr.testing.assert_identical(first, compare_rdms(model, brain, n_bootstrap=5, n_splits=2, rng=1))
    other = compare_rdms(model, brain, n_bootstrap=5, n_splits=2, rng=2)
    assert not first.bootstrap_mean.equals(other.bootstrap_mean)
    more = compare_rdms(model, brain, n_bootstrap=9, n_splits=2, rng=1)
    xr.testing.assert_equal(first.split_score, more.split_score)
    drawn = compare_rdms(model, brain, n_bootstrap=5, n_splits=2, rng=np.random.default_rng(1))
    xr.testing.assert_equal(first, drawn)


def test_without_draws(rng):
    scores = compare_rdms(*build_sides(rng), **QUICK)
    assert np.isnan(scores.ci_low.values).all()
    assert np.isnan(scores.mean_ci_high.values).all()
    assert scores.sizes["bootstrap"] == scores.sizes["split"] == 0


def test_draws_without_a_score_are_left_out(rng):
    # Many draws of 4 stimuli hold only two different ones: one pair, which has no correlation.
    model, brain = build_sides(rng, 4)
    scores = compare_rdms(model, brain, n_bootstrap=60, n_splits=0)
    assert np.isnan(scores.bootstrap_mean.sel(region="V1").values).any()
    assert np.isfinite(scores.mean_ci_low.values).all()


@pytest.mark.parametrize("comparator", ["spearman", "pearson"])
def test_no_score_for_a_draw_without_variance(rng, comparator):
    values = draw_square(rng, 9)
    values[:5, :5] = 0.1 * (1 - np.eye(5))
    counts = np.array([[2, 1, 1, 3, 2, 0, 0, 0, 0], [1] * 9, [9] + [0] * 8])
    x, y = (np.array([oracles.triangle(square)]) for square in (values, draw_square(rng, 9)))
    found = compare_pairs(x, y, counts, COMPARATORS[comparator])
    assert np.isnan(found[:, 0, 0]).tolist() == [True, False, True]


@given(seed=st.integers(0, 2**32 - 1), comparator=st.sampled_from(list(COMPARATORS)))
def test_order_of_the_brain_changes_no_score(seed, comparator):
    rng = np.random.default_rng(seed)
    model, brain = build_sides(rng)
    order = rng.permutation(7)
    moved = brain.isel(stimulus=order, stimulus_2=rng.permutation(7))
    xr.testing.assert_equal(
        compare_rdms(model, brain, comparator=comparator, n_bootstrap=3, n_splits=1),
        compare_rdms(model, moved, comparator=comparator, n_bootstrap=3, n_splits=1),
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    comparator=st.sampled_from(list(COMPARATORS)),
    scale=st.floats(1e-3, 1e3),
)
def test_scale_changes_no_score(seed, comparator, scale):
    model, brain = build_sides(np.random.default_rng(seed))
    first = compare_rdms(model, brain, comparator=comparator, n_bootstrap=3, n_splits=1)
    second = compare_rdms(model * scale, brain, comparator=comparator, n_bootstrap=3, n_splits=1)
    xr.testing.assert_allclose(first, second, rtol=1e-5)


@given(seed=st.integers(0, 2**32 - 1))
def test_rank_comparators_see_only_order(seed):
    model, brain = build_sides(np.random.default_rng(seed), ties=True)
    for comparator in ("spearman", "rho-a"):
        first = compare_rdms(model, brain, comparator=comparator, n_bootstrap=3, n_splits=1)
        xr.testing.assert_equal(
            first, compare_rdms(model**3, brain, comparator=comparator, n_bootstrap=3, n_splits=1)
        )


@pytest.mark.parametrize("comparator", ["pearson", "spearman"])
def test_intervals_cover_the_planted_truth(rng, comparator):
    """The score over infinitely many stimuli lies in about 95 of 100 intervals.

    Each interval is from 24 stimuli.
    """
    region = rng.normal(size=(4, 30))
    op = np.array([[1.0], [0.7], [0.3], [0.0]]) * rng.normal(size=(4, 60))

    def measure(n):
        latent = rng.normal(size=(n, 4))
        return [
            label_squares(measure_square(rng, latent, readout, 0.5)) for readout in (op, region)
        ]

    truth = np.mean(
        [
            compare_rdms(*measure(250), comparator=comparator, **QUICK).score.item()
            for _ in range(12)
        ]
    )
    hits = []
    for k in range(40):
        scores = compare_rdms(
            *measure(24), comparator=comparator, n_bootstrap=100, n_splits=0, rng=k
        )
        hits.append(scores.mean_ci_low.item() <= truth <= scores.mean_ci_high.item())
    assert np.mean(hits) >= 0.85


class TestTime:
    @pytest.mark.parametrize("comparator", ["spearman", "whitened-cosine"])
    def test_each_time_bin_as_if_alone(self, rng, comparator):
        model, _ = build_sides(rng)
        bins = [build_sides(rng)[1] for _ in range(3)]
        brain = xr.concat(bins, "time_bin").assign_coords(
            time_bin=[100, 50, 200], time_bin_start=("time_bin", [95, 45, 195])
        )
        scores = compare_rdms(model, brain, comparator=comparator, n_bootstrap=6, n_splits=2, rng=3)
        assert scores.score.dims == ("op", "region", "subject", "time_bin")
        assert scores.region.values.tolist() == REGIONS
        assert scores.time_bin_start.values.tolist() == [95, 45, 195]
        for time, alone in zip([100, 50, 200], bins, strict=True):
            expected = compare_rdms(
                model, alone, comparator=comparator, n_bootstrap=6, n_splits=2, rng=3
            )
            xr.testing.assert_allclose(
                scores.sel(time_bin=time, drop=True).drop_attrs(), expected.drop_attrs()
            )
        ceilings = compute_rdm_ceilings(brain, comparator=comparator)
        xr.testing.assert_equal(ceilings.ceiling_lower, scores.ceiling_lower)

    def test_one_region_without_a_name_or_times(self, rng):
        model, brain = build_sides(rng)
        timed = brain.sel(region="V1", drop=True).expand_dims(time_bin=2)
        scores = compare_rdms(model, timed, **QUICK)
        assert scores.score.sizes == {"op": 3, "region": 1, "subject": 2, "time_bin": 2}
        assert scores.time_bin.values.tolist() == [0, 1]

    def test_time_of_the_effect(self, rng):
        model, _ = build_sides(rng, 10)
        noise = [label_squares(draw_square(rng, 10), ids=None) for _ in range(4)]
        noise[2] = noise[2] * 0.1 + model.sel(op="relu", drop=True)
        scores = compare_rdms(model, xr.concat(noise, "time_bin"), **QUICK)
        assert scores.score_mean.sel(op="relu").argmax("time_bin").item() == 2

    def test_regions_are_assigned_at_one_time(self, rng):
        model, brain = build_sides(rng)
        scores = compare_rdms(
            model, brain.expand_dims(time_bin=[10, 20]), n_bootstrap=3, n_splits=2
        )
        with pytest.raises(
            InputError, match=r"takes one time bin. Select with scores.isel\(time_bin=0"
        ):
            assign_regions(scores)
        chosen = assign_regions(scores.isel(time_bin=1, drop=True))
        xr.testing.assert_allclose(
            chosen, assign_regions(compare_rdms(model, brain, n_bootstrap=3, n_splits=2))
        )

    def test_errors_name_the_time(self, rng):
        model, brain = build_sides(rng)
        timed = brain.expand_dims(time_bin=[10, 20]).copy()
        timed[1, 0, 0] = 1 - np.eye(7)
        with pytest.raises(
            InputError, match="do not vary over pairs, but for rounding: 'V1 at 20, A'"
        ):
            compare_rdms(model, timed, **QUICK)


class TestUndefined:
    def test_op_that_is_nan_throughout(self, rng):
        model, brain = build_sides(rng)
        model[1] = np.nan
        with pytest.warns(RuntimeWarning, match="no score for 'relu': the RDM does not vary"):
            scores = compare_rdms(model, brain, n_bootstrap=4, n_splits=1)
        assert np.isnan(scores.score.sel(op="relu").values).all()
        assert np.isnan(scores.split_score.sel(op="relu").values).all()
        rest = compare_rdms(model.sel(op=["conv", "fc"]), brain, n_bootstrap=4, n_splits=1)
        xr.testing.assert_equal(scores.sel(op=["conv", "fc"]), rest)

    @pytest.mark.parametrize("comparator", COMPARATORS)
    def test_constant_op(self, rng, comparator):
        model, brain = build_sides(rng)
        model[0] = 0.1 * (1 - np.eye(7))
        with pytest.warns(RuntimeWarning, match=r"no score for 'conv'.*does not vary"):
            scores = compare_rdms(model, brain, comparator=comparator, n_bootstrap=4, n_splits=1)
        assert np.isnan(scores.ci_low.sel(op="conv").values).all()

    def test_every_op_with_nan(self, rng):
        model, brain = build_sides(rng)
        with pytest.warns(RuntimeWarning, match="no score for 'conv', 'relu', 'fc'"):
            assert np.isnan(
                compare_rdms(model * np.nan, brain, n_bootstrap=4, n_splits=1).score.values
            ).all()


class TestErrors:
    def test_other_stimuli(self, rng):
        model, brain = build_sides(rng)
        other = ["x", *brain.stimulus.values[1:]]
        with pytest.raises(
            LabelError,
            match=r"brain_rdms and model_rdms must hold the same 7 ids.*only in brain_rdms: 'x'",
        ):
            compare_rdms(model, brain.assign_coords(stimulus=other, stimulus_2=other), **QUICK)

    def test_subset_of_stimuli(self, rng):
        model, brain = build_sides(rng)
        with pytest.raises(LabelError, match="Missing from brain_rdms: 's6'"):
            compare_rdms(model, brain.isel(stimulus=slice(6), stimulus_2=slice(6)), **QUICK)

    def test_no_labels(self, rng):
        model, brain = build_sides(rng)
        with pytest.raises(LabelError, match="brain_rdms has no labels along 'stimulus'"):
            compare_rdms(model, brain.drop_vars(["stimulus", "stimulus_2"]), **QUICK)
        with pytest.raises(LabelError, match="model_rdms has no labels along 'op'"):
            compare_rdms(model.drop_vars("op"), brain, **QUICK)

    def test_dimensions(self, rng):
        model, brain = build_sides(rng)
        with pytest.raises(LabelError, match=r"model_rdms must have dimensions .* got \('layer', "):
            compare_rdms(model.rename(op="layer"), brain, **QUICK)
        with pytest.raises(LabelError, match="brain_rdms must have dimensions"):
            compare_rdms(model, brain.isel(stimulus_2=0), **QUICK)
        with pytest.raises(InputError, match=r"got SimpleNamespace. Pass its RDMs: dataset.rdms"):
            compare_rdms(model, SimpleNamespace(rdms=brain))
        with pytest.raises(InputError, match=r"model_rdms must be a DataArray .* got ndarray"):
            compare_rdms(model.values, brain, **QUICK)

    def test_swapped_sides_are_told(self, rng):
        model, brain = build_sides(rng)
        for other in (brain, brain.isel(subject=0), brain.isel(region=0)):
            with pytest.raises(
                LabelError, match=r"of a brain: the two sides are swapped\. Pass th"
            ):
                compare_rdms(other, model, **QUICK)
        with pytest.raises(LabelError, match=r"of a model: the two sides are swapped\. Pass those"):
            compare_rdms(brain.isel(region=0, subject=0), model, **QUICK)
        with pytest.raises(LabelError, match=r"Rename with brain_rdms\.rename"):
            compare_rdms(model, brain.expand_dims(op=["a"]), **QUICK)

    def test_brain_with_too_few_pairs(self, rng):
        model, brain = build_sides(rng)
        brain[0, 1, 2:] = brain[0, 1, :, 2:] = np.nan
        with pytest.raises(InputError, match="hold fewer than 3 numbers: 'V1, B'"):
            compare_rdms(model, brain, **QUICK)

    def test_brain_constant_or_empty(self, rng):
        model, brain = build_sides(rng)
        with pytest.raises(InputError, match=r"NaN throughout. Pass at least one"):
            compare_rdms(model, brain * np.nan, **QUICK)
        brain[0, 0] = 1 - np.eye(7)
        with pytest.raises(InputError, match="do not vary over pairs, but for rounding: 'V1, A'"):
            compare_rdms(model, brain, **QUICK)

    def test_not_a_dissimilarity(self, rng):
        model, brain = build_sides(rng)
        with pytest.raises(
            InputError, match="model_rdms must be dissimilarities: square and zero on the diagonal"
        ):
            compare_rdms(1 - model, brain, **QUICK)
        skew = brain.copy()
        skew[0, 0, 1, 2] += 0.01
        with pytest.raises(
            InputError, match=r"brain_rdms .* square and symmetric.*\(x \+ x.T\) / 2"
        ):
            compare_rdms(model, skew, **QUICK)
        for wrong in (np.nan, np.inf):
            skew = model.copy()
            skew[2, 3, 1] = wrong
            with pytest.raises(
                InputError, match="model_rdms must be dissimilarities: square and symmetric"
            ):
                compare_rdms(skew, brain, **QUICK)
        model[0, 0, 1] = model[0, 1, 0] = np.inf
        with pytest.raises(InputError, match="model_rdms must be finite"):
            compare_rdms(model, brain, **QUICK)

    def test_numbers(self, rng):
        model, brain = build_sides(rng)
        with pytest.raises(InputError, match="real numbers, got dtype complex128"):
            compare_rdms(model + 0j, brain, **QUICK)
        two = {"stimulus": slice(2), "stimulus_2": slice(2)}
        with pytest.raises(InputError, match="at least 3 stimuli, got 2"):
            compare_rdms(model.isel(two), brain.isel(two), **QUICK)

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"n_bootstrap": -1}, "n_bootstrap must be a whole number, 0 or more, got -1"),
            ({"n_splits": 2.5}, "n_splits must be a whole number, 0 or more, got 2.5"),
            ({"confidence": 95}, "confidence must lie between 0 and 1, got 95"),
        ],
    )
    def test_settings(self, rng, setting, message):
        with pytest.raises(InputError, match=message):
            compare_rdms(*build_sides(rng), **setting)

    def test_too_few_stimuli_for_halves(self, rng):
        with pytest.raises(
            InputError, match=r"half splits need at least 6 stimuli.*got 5. Pass n_splits=0"
        ):
            compare_rdms(*build_sides(rng, 5))

    def test_too_few_stimuli_for_draws(self, rng):
        sides = build_sides(rng, 3)
        with pytest.raises(
            InputError,
            match=r"needs at least 4 stimuli, got 3\. Pass more, or n_bootstrap=0 to compare_",
        ):
            compare_rdms(*sides, n_splits=0)
        assert np.isnan(compare_rdms(*sides, **QUICK).mean_ci_low).all()
        four = compare_rdms(*build_sides(rng, 4), n_splits=0)
        assert (four.mean_ci_high > four.mean_ci_low).all()

    def test_unknown_comparator(self, rng):
        with pytest.raises(
            UnknownNameError, match=r"no comparator named 'spearmann'. Closest: 'spearman'"
        ):
            compare_rdms(*build_sides(rng), comparator="spearmann")
