import itertools

import numpy as np
import oracles
import pytest
import xarray as xr
from form import check_form
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from squares import draw_square, label_squares

from neurolens.compare import COMPARATORS, compare_rdms, permute_rdms
from neurolens.compare.rsa import permutation
from neurolens.compare.stats.autocorrelation import drift_together
from neurolens.compare.stats.graph_clusters import label_clusters, sum_clusters
from neurolens.compare.stats.permutations import draw_orders as stimulus_orders
from neurolens.errors import InputError, LabelError, UnknownNameError

# Few permutations are enough for numbers, and too few for a small q.
pytestmark = pytest.mark.filterwarnings("ignore:with .* permutations p cannot be below")

OPS = ["a", "b", "c", "d"]
EMBEDDED = [name for name, row in COMPARATORS.items() if row.embed]
CHAIN = list(itertools.pairwise(OPS))


def build_sides(rng, n=8, *, ties=False) -> tuple[xr.DataArray, xr.DataArray]:
    """Return four ops and two regions of two subjects; subject B has no IT."""
    model = label_squares([draw_square(rng, n, ties=ties) for _ in OPS], op=OPS)
    squares = [[draw_square(rng, n, ties=ties) for _ in "AB"] for _ in "VI"]
    brain = label_squares(squares, region=["V1", "IT"], subject=["A", "B"])
    brain[1, 1] = np.nan
    return model, brain


def draw_series(rng, n=40, n_features=20, carry=0.9) -> np.ndarray:
    """Return a stationary series (n, feature), each stimulus like the one before."""
    series = rng.normal(size=(n, n_features))
    for k in range(1, n):
        series[k] = carry * series[k - 1] + np.sqrt(1 - carry**2) * series[k]
    return series


def correlate_square(series) -> np.ndarray:
    return squareform(pdist(series, "correlation"))


def draw_orders(n, n_permutations, seed=0):
    group = np.zeros(n, dtype=int)
    return stimulus_orders("stimuli", group, n_permutations, np.random.default_rng(seed)).tolist()


def score_slowly(model, brain, comparator, orders):
    """Return means over subjects (order, op, region), rows and columns permuted by hand."""
    similarity, scores = oracles.SIMILARITIES[comparator], np.empty((len(orders), 4, 2))
    for (k, m, region), _ in np.ndenumerate(scores):
        moved = [y[np.ix_(orders[k], orders[k])] for y in brain.values[region, : (2, 1)[region]]]
        x = oracles.triangle(model.values[m])
        scores[k, m, region] = oracles.mean([similarity(x, oracles.triangle(y)) for y in moved])
    return scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("comparator", sorted(set(COMPARATORS) - {"bures"}))
def test_slow_loop(rng, comparator, ties):
    """The loop permutes rows and columns by hand, and counts scores that reach the observed one."""
    model, brain = build_sides(rng, 6, ties=ties)
    found = permute_rdms(model, brain, comparator=comparator, n_permutations=19)
    scores = score_slowly(model, brain, comparator, draw_orders(6, 19))
    np.testing.assert_allclose(found.score_mean, scores[0], atol=1e-12)
    np.testing.assert_allclose(found.null_mean, scores.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.null_sd, scores.std(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.p, (scores >= scores[0] - 1e-12).sum(axis=0) / 20, atol=1e-12)
    np.testing.assert_allclose(found.q.values.ravel(), oracles.discoveries(found.p.values.ravel()))
    deviation = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    largest = deviation.max(axis=(1, 2))
    expected = [[(largest >= deviation[0, m, r] - 1e-9).mean() for r in range(2)] for m in range(4)]
    np.testing.assert_allclose(found.p_max, expected, atol=1e-12)


@pytest.mark.parametrize("comparator", EMBEDDED)
def test_both_routes_agree(rng, comparator, monkeypatch):
    model, brain = build_sides(rng, ties=True)
    fast = permute_rdms(
        model, brain, comparator=comparator, n_permutations=15, edges=CHAIN, cluster_p=0.4
    )
    monkeypatch.setitem(COMPARATORS, comparator, COMPARATORS[comparator]._replace(embed=None))
    slow = permute_rdms(
        model, brain, comparator=comparator, n_permutations=15, edges=CHAIN, cluster_p=0.4
    )
    xr.testing.assert_allclose(fast, slow, atol=1e-12)


def test_clusters_of_a_slow_loop(rng):
    """The loop grows clusters, and takes the largest mass over regions in each permutation."""
    model, brain = build_sides(rng, 7)
    edges = [("a", "b"), ("d", "b")]
    found = permute_rdms(model, brain, edges=edges, cluster_p=0.5, n_permutations=39)
    model_pairs = [oracles.mid_ranks(oracles.triangle(x)) for x in model.values]
    scores = np.empty((40, 4, 2))
    for k, order in enumerate(draw_orders(7, 39)):
        for region, members in ((0, 2), (1, 1)):
            moved = [
                oracles.triangle(y[np.ix_(order, order)]) for y in brain.values[region, :members]
            ]
            scores[k, :, region] = [
                oracles.mean([oracles.pearson(x, oracles.mid_ranks(y)) for y in moved])
                for x in model_pairs
            ]
    deviation = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    inside = np.array([(scores >= row - 1e-12).mean(axis=0) <= 0.5 for row in scores])
    places = [(OPS.index(a), OPS.index(b)) for a, b in edges]
    sets = [[oracles.clusters(inside[k, :, r], places) for r in range(2)] for k in range(40)]
    mass = [
        [[sum(deviation[k, list(c), r]) for c in sets[k][r]] for r in range(2)] for k in range(40)
    ]
    largest = np.array([max([0, *mass[k][0], *mass[k][1]]) for k in range(40)])
    assert inside[0].any(axis=0).all()
    for region in range(2):
        for cluster, weight in zip(sets[0][region], mass[0][region], strict=True):
            expected = (largest >= weight - 1e-9).mean()
            np.testing.assert_allclose(found.p_cluster.values[list(cluster), region], expected)
            assert len(set(found.cluster.values[list(cluster), region])) == 1
    np.testing.assert_array_equal(found.cluster.values > 0, inside[0])
    np.testing.assert_array_equal(found.p_cluster.isnull(), ~inside[0])


def test_one_maximum_over_regions_and_times(rng):
    """Each time bin has the results that it has alone, but for q, p_max and p_cluster.

    Loops compute these over all regions and times.
    """
    (model, first), (_, second) = build_sides(rng, 6), build_sides(rng, 6)
    settings = {"n_permutations": 19, "edges": CHAIN, "cluster_p": 0.4, "rng": 0}
    timed = xr.concat([first, second], "time_bin").assign_coords(time_bin=[50, 20])
    found = permute_rdms(model, timed, **settings)
    assert found.p.dims == ("op", "region", "time_bin")
    kept = ["score_mean", "null_mean", "null_sd", "p", "cluster"]
    for time, brain in ((50, first), (20, second)):
        xr.testing.assert_allclose(
            found[kept].sel(time_bin=time, drop=True), permute_rdms(model, brain, **settings)[kept]
        )
    np.testing.assert_allclose(found.q.values.ravel(), oracles.discoveries(found.p.values.ravel()))

    scores = np.stack(
        [score_slowly(model, brain, "spearman", draw_orders(6, 19)) for brain in (first, second)],
        -1,
    )
    deviation = (scores - scores.mean(axis=0)) / scores.std(axis=0)
    largest = deviation.max(axis=(1, 2, 3))
    for place, value in np.ndenumerate(found.p_max.values):
        assert value == pytest.approx((largest >= deviation[0][place] - 1e-9).mean())
    links = [(OPS.index(a), OPS.index(b)) for a, b in CHAIN]
    mass = np.zeros_like(scores)
    for k, region, time in np.ndindex(20, 2, 2):
        inside = (scores >= scores[k] - 1e-12).mean(axis=0)[:, region, time] <= 0.4
        for cluster in map(list, oracles.clusters(inside, links)):
            mass[k, cluster, region, time] = deviation[k, cluster, region, time].sum()
    largest = mass.max(axis=(1, 2, 3))
    assert (found.cluster > 0).any(("op", "region")).all()
    for place in np.argwhere(found.cluster.values > 0):
        expected = (largest >= mass[0, *place] - 1e-9).mean()
        assert found.p_cluster.values[*place] == pytest.approx(expected)


@given(seed=st.integers(0, 2**32 - 1), n_edges=st.integers(1, 8))
def test_labels_are_connected_sets(seed, n_edges):
    rng = np.random.default_rng(seed)
    inside = rng.random((3, 6, 2)) < 0.6
    links = rng.integers(0, 6, (n_edges, 2))
    values = rng.random(inside.shape)
    labels = label_clusters(inside, links)
    mass = sum_clusters(labels, values)
    for draw, region in itertools.product(range(3), range(2)):
        sets = oracles.clusters(inside[draw, :, region], [tuple(edge) for edge in links.tolist()])
        sets.sort(key=min)
        for number, cluster in enumerate(sets, 1):
            assert set(np.flatnonzero(labels[draw, :, region] == number)) == cluster
            np.testing.assert_allclose(
                mass[draw, list(cluster), region], values[draw, list(cluster), region].sum()
            )
        assert (labels[draw, ~inside[draw, :, region], region] == 0).all()


def test_an_op_at_the_threshold_is_inside(rng):
    """One in twenty is exactly 0.05, without a rounding error."""
    square = draw_square(rng, 12)
    model = label_squares([square, square], op=["a", "b"])
    found = permute_rdms(model, label_squares(square), edges=[("a", "b")], n_permutations=19)
    assert (found.p == 0.05).all()
    assert (found.p_max == 0.05).all()
    assert found.cluster.values.ravel().tolist() == [1, 1]
    assert (found.p_cluster == 0.05).all()


def test_score_is_that_of_compare_rdms(rng):
    model, brain = build_sides(rng)
    scores = compare_rdms(
        model, brain.isel(stimulus=slice(None, None, -1)), n_bootstrap=0, n_splits=0
    )
    found = permute_rdms(model, brain, n_permutations=1)
    np.testing.assert_allclose(found.score_mean, scores.score_mean, atol=1e-12)


@pytest.mark.parametrize("comparator", ["spearman", "tau-a", "whitened-cosine"])
def test_score_of_each_subject(rng, comparator):
    model, brain = build_sides(rng, 6, ties=True)
    whole = compare_rdms(model, brain, comparator=comparator, n_bootstrap=0, n_splits=0)
    tested = permute_rdms(model, brain, comparator=comparator, n_permutations=1)
    xr.testing.assert_allclose(tested.score, whole.score)
    np.testing.assert_allclose(tested.score.mean("subject"), tested.score_mean, atol=1e-12)


def test_form(rng):
    model, brain = build_sides(rng)
    for edges in ((), CHAIN):
        scores = permute_rdms(model, brain, edges=edges, n_permutations=4)
        check_form(scores, "p", "q", "p_max")
        assert ("p_cluster" in scores) is bool(edges)
        assert scores.attrs["interval_kind"] == "none"
        assert (scores.attrs["n_permutations"], scores.attrs["rng"]) == (4, 0)
    timed = permute_rdms(model, brain.expand_dims(time_bin=[10, 20]), n_permutations=4)
    check_form(timed, "p", "q", "p_max", timed=True)


@pytest.mark.parametrize("edge", ["ab", ("a",), ("a", "b", "c")])
def test_edges_that_are_no_pairs(rng, edge):
    with pytest.raises(
        InputError, match=r"edges must be pairs of names of ops, got .*Pass e\.g\. "
    ):
        permute_rdms(*build_sides(rng), edges=[edge], n_permutations=1)


def test_planted_chain_is_one_cluster(rng):
    truth = draw_square(rng, 16)
    squares = [
        truth + draw_square(rng, 16),
        truth + draw_square(rng, 16),
        draw_square(rng, 16),
        draw_square(rng, 16),
    ]
    brain = label_squares(truth + 0.5 * draw_square(rng, 16))
    found = permute_rdms(label_squares(squares, op=OPS), brain, edges=CHAIN, n_permutations=199)
    assert found.cluster.values[:, 0].tolist() == [1, 1, 0, 0]
    assert found.p_cluster.values[0, 0] == pytest.approx(1 / 200)
    assert (found.p_max[:2] <= 0.02).all()


@pytest.mark.parametrize(
    ("block", "size"), [("BLOCK_NUMBERS", 1), ("BLOCK_OPS", 1), ("BLOCK_OPS", 200)]
)
def test_blocks_do_not_change_numbers(rng, monkeypatch, block, size):
    model, brain = build_sides(rng)
    whole = permute_rdms(model, brain, n_permutations=9)
    monkeypatch.setattr(permutation, block, size)
    xr.testing.assert_allclose(permute_rdms(model, brain, n_permutations=9), whole)


@pytest.mark.parametrize("comparator", ["spearman", "tau-a"])
def test_op_with_nan_has_no_p_and_spoils_no_other(rng, comparator):
    model, brain = build_sides(rng, 6)
    clean = permute_rdms(model.isel(op=[0, 1, 2]), brain, comparator=comparator, n_permutations=9)
    model[3] = np.nan
    with pytest.warns(RuntimeWarning, match="no score for 'd'"):
        found = permute_rdms(model, brain, comparator=comparator, n_permutations=9, edges=CHAIN)
    assert found[["p", "p_max", "p_cluster"]].sel(op="d").to_dataarray().isnull().all()
    xr.testing.assert_allclose(found[list(clean)].isel(op=slice(3)), clean)


def test_errors(rng):
    model, brain = build_sides(rng)
    with pytest.raises(LabelError, match=r"edges must join ops of model_rdms, which lack 'e'"):
        permute_rdms(model, brain, edges=[("a", "e")])
    with pytest.raises(InputError, match="n_permutations must be a whole number, 1 or more, got 0"):
        permute_rdms(model, brain, n_permutations=0)
    with pytest.raises(InputError, match="cluster_p must lie between 0 and 1, got 5"):
        permute_rdms(model, brain, cluster_p=5)
    with pytest.raises(UnknownNameError, match="no comparator named 'rho'"):
        permute_rdms(model, brain, comparator="rho")


class TestSchemes:
    def build_groups(self, rng, n_groups=6, n_each=4):
        n = n_groups * n_each
        group = np.repeat(np.arange(n_groups), n_each)
        model = label_squares(draw_square(rng, n))
        brain = label_squares(draw_square(rng, n))
        return (
            model,
            brain,
            xr.DataArray(group, dims="stimulus", coords={"stimulus": model.stimulus}),
        )

    @pytest.mark.parametrize("scheme", ["within", "groups", "shift"])
    @pytest.mark.parametrize("comparator", ["spearman", "tau-a"])
    def test_slow_loop(self, rng, scheme, comparator):
        model, brain, group = self.build_groups(rng)
        found = permute_rdms(
            model, brain, comparator=comparator, scheme=scheme, by=group, n_permutations=9
        )
        orders = stimulus_orders(scheme, group.values, 9, np.random.default_rng(0))
        similarity = oracles.SIMILARITIES[comparator]
        square = brain.values
        if scheme == "shift":
            square = oracles.subtract_lag_means(square, group.values)
        expected = [
            similarity(
                oracles.triangle(model.values), oracles.triangle(square[np.ix_(order, order)])
            )
            for order in orders
        ]
        assert found.null_mean.item() == pytest.approx(np.mean(expected))
        assert found.null_sd.item() == pytest.approx(np.std(expected))
        observed = similarity(oracles.triangle(model.values), oracles.triangle(brain.values))
        assert found.score_mean.item() == pytest.approx(observed)
        if scheme == "shift":
            assert found.tested_score.item() == pytest.approx(expected[0])

    def test_whole_groups_are_the_default_with_by(self, rng):
        model, brain, group = self.build_groups(rng)
        found = permute_rdms(model, brain, by=group, n_permutations=9)
        named = brain.assign_coords(view=("stimulus", group.values))
        same = permute_rdms(model, named, by="view", scheme="groups", n_permutations=9)
        xr.testing.assert_identical(found, same)
        assert found.attrs["permuted"] == "whole groups"

    def test_shifts_follow_the_rows_of_the_brain(self, rng):
        model, brain, _ = self.build_groups(rng)
        order = rng.permutation(24)
        shuffled = model.isel(stimulus=order, stimulus_2=order)
        whole = permute_rdms(model, brain, scheme="shift")
        xr.testing.assert_allclose(permute_rdms(shuffled, brain, scheme="shift"), whole)
        assert whole.attrs["n_permutations"] == 23

    def test_series_on_both_sides_are_told(self, rng):
        steps = [rng.normal(size=(40, 12)) for _ in range(2)]
        points = [np.cumsum(step, axis=0) for step in steps]
        model, brain = (label_squares(((x[:, None] - x) ** 2).sum(axis=-1)) for x in points)
        with pytest.warns(RuntimeWarning, match=r"both autocorrelated .*scheme='shift'"):
            permute_rdms(model, brain, n_permutations=9)
        with pytest.warns(RuntimeWarning, match=r"both autocorrelated .*Resample whole groups"):
            compare_rdms(model, brain, n_bootstrap=4, n_splits=0)
        compare_rdms(model, brain, n_bootstrap=0, n_splits=0)
        permute_rdms(model, brain, scheme="shift", n_permutations=9)

    def test_shifts_of_unrelated_slow_series(self, rng):
        """Distances that grow with time on both sides make no relation."""
        p = []
        for _ in range(60):
            model, brain = (label_squares(correlate_square(draw_series(rng))) for _ in range(2))
            p.append(permute_rdms(model, brain, scheme="shift").p.item())
        assert np.mean(np.array(p) <= 0.05) < 0.15

    def test_shifts_find_a_relation_of_slow_series(self, rng):
        series = draw_series(rng)
        model = label_squares(correlate_square(series))
        brain = label_squares(correlate_square(series + 0.2 * draw_series(rng)))
        found = permute_rdms(model, brain, scheme="shift")
        assert found.p.item() == 1 / 40
        assert (
            "(circular shifts of brain RDMs less their mean at each distance in time)"
            in (found.attrs["methods_text"])
        )

    def test_shifts_of_several_times_and_regions_without_a_pair(self, rng):
        model, _, _ = self.build_groups(rng)
        _, brain = build_sides(rng, 24)
        brain[0, 0, 2, 5] = np.nan
        brain[0, 0, 5, 2] = np.nan
        timed = xr.concat([brain, 2 * brain], "time_bin").assign_coords(time_bin=[1, 2])
        with pytest.warns(RuntimeWarning, match="some pairs are NaN in the RDMs of .V1 at 1, A"):
            found = permute_rdms(model, timed, scheme="shift")
        assert found.tested_score.dims == ("op", "region", "time_bin")
        assert found.tested_score.notnull().all()
        np.testing.assert_allclose(found.p.sel(time_bin=1), found.p.sel(time_bin=2))

    def test_what_shifts_cannot_test(self, rng):
        model, brain, _ = self.build_groups(rng)
        with pytest.raises(InputError, match=r"which comparator='bures' cannot\. Pass comparator="):
            permute_rdms(model, brain, scheme="shift", comparator="bures")
        times = np.arange(24.0)
        lags = label_squares(np.abs(times[:, None] - times) ** 0.5)
        with pytest.raises(
            InputError, match=r"more than a function of .* time, .*not: .brain, group"
        ):
            permute_rdms(model, lags, scheme="shift")

    def test_a_series_is_told_where_noise_hides_how_the_brain_changes(self, rng):
        points = np.cumsum(rng.normal(size=(2, 60, 12)), axis=1)
        points[1] += 5 * rng.normal(size=points[1].shape)
        model, brain = (label_squares(((x[:, None] - x) ** 2).sum(axis=-1)) for x in points)
        assert not drift_together([-brain.values])
        with pytest.warns(RuntimeWarning, match=r"both autocorrelated .*scheme='shift'"):
            permute_rdms(model, brain, n_permutations=9)

    def test_subjects_are_fixed(self, rng):
        model, brain, _ = self.build_groups(rng)
        found = permute_rdms(model, brain, n_permutations=9)
        assert "for these subjects (fixed)" in found.attrs["methods_text"]
