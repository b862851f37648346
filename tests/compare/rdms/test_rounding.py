"""Distances that are 0, equal or constant but for rounding, against exact arithmetic."""

import numpy as np
import pytest
import xarray as xr
from brains import build_grams, label_features
from scipy.spatial.distance import squareform
from scipy.stats import rankdata, spearmanr
from squares import draw_square, label_squares

from neurolens.compare import METRICS, compare_rdms, compute_rdms
from neurolens.compare.rdms.rounding import find_constant, level_rows, merge_duplicates

ROUTES = {
    "features": lambda values: label_features(values),
    "doubles": lambda values: label_features(values.astype(np.float64)),
    "gram": lambda values: _multiply(values),
}


def _multiply(values) -> xr.Dataset:
    grams = build_grams({"op": label_features(values)})
    return grams.assign(gram=grams.gram.astype(values.dtype))


def take_pairs(rdms) -> np.ndarray:
    first, second = np.triu_indices(rdms.sizes["stimulus"], 1)
    return rdms.values[..., first, second].ravel()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
class TestZeros:
    def test_one_row_for_all_stimuli(self, rng, metric, route, dtype):
        for p in (3, 700):
            values = np.repeat(rng.normal(0.3, 1, size=(1, p)), 40, axis=0).astype(dtype)
            with pytest.warns(
                RuntimeWarning, match="all distances are equal, but for rounding, in"
            ):
                rdms = compute_rdms(ROUTES[route](values), metric=metric)
            assert not rdms.values.any()

    def test_rounding_of_a_network(self, rng, metric, route, dtype):
        """Rows of one product computed in parts differ in the last bits of single precision."""
        row = rng.normal(size=(1, 500))
        noise = 3e-7 if dtype == np.float32 else 0.0
        values = (row * (1 + noise * rng.normal(size=(20, 500)))).astype(dtype)
        with pytest.warns(RuntimeWarning, match="all distances are equal"):
            assert not compute_rdms(ROUTES[route](values), metric=metric).values.any()

    def test_small_differences_are_kept(self, rng, metric, route, dtype):
        """They are far above the rounding of what was passed, features or their products."""
        size = 1e-2 if route == "gram" and dtype == np.float32 else 1e-5
        values = np.repeat(rng.normal(size=(1, 400)), 12, axis=0)
        values = (values + size * rng.normal(size=values.shape)).astype(dtype)
        exact = compute_exactly(values.astype(np.longdouble), metric)
        found = take_pairs(compute_rdms(ROUTES[route](values), metric=metric))
        # Some are closer than their rounding.
        assert len(found) - len(np.unique(found)) <= 2
        np.testing.assert_allclose(found, exact, rtol=0.3)

    def test_continuous_data_have_no_ties(self, rng, metric, route, dtype):
        found = take_pairs(compute_rdms(ROUTES[route](self.draw(rng, dtype)), metric=metric))
        # A Gram in single precision holds some numbers twice.
        allowed = 5 if route == "gram" and dtype == np.float32 else 0
        assert len(found) - len(np.unique(found)) <= allowed
        assert (found > 0).all()

    def draw(self, rng, dtype):
        return rng.normal(size=(200, 60)).astype(dtype)


def compute_exactly(values, metric):
    """Return the pairs without a difference of large numbers."""
    if metric == "correlation":
        values = values - values.mean(axis=1, keepdims=True)
    if metric != "euclidean":
        values = values / np.sqrt((values**2).sum(axis=1, keepdims=True))
    first, second = np.triu_indices(len(values), 1)
    power = ((values[first] - values[second]) ** 2).sum(axis=1)
    return (power / (values.shape[1] if metric == "euclidean" else 2)).astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gain_and_offset_are_no_correlation_distance(rng, dtype):
    gains = rng.uniform(0.5, 2, size=(60, 1))
    rows = (gains * rng.normal(size=400) + rng.normal(size=(60, 1))).astype(dtype)
    for route in ROUTES.values():
        with pytest.warns(RuntimeWarning, match="all distances are equal"):
            assert not compute_rdms(route(rows)).values.any()


def multiply_ranks(x, y):
    """Return rho-a: of ties less than Spearman, which divides by what they leave to vary."""
    n = len(x)
    return 12 / (n**3 - n) * ((rankdata(x) - (n + 1) / 2) @ (rankdata(y) - (n + 1) / 2))


def count_order(x, y):
    """Return tau-a: all comparisons of two pairs, one by one."""
    return (np.sign(x[:, None] - x) * np.sign(y[:, None] - y)).sum() / len(x) / (len(x) - 1)


RANKED = {
    "spearman": lambda x, y: spearmanr(x, y).statistic,
    "rho-a": multiply_ranks,
    "tau-a": count_order,
}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_of_categories_have_ties(rng, metric, dtype):
    label = rng.permutation(np.repeat(np.arange(6), 8))
    vectors = rng.normal(size=(6, 300)).astype(dtype)
    small = squareform(compute_exactly(vectors.astype(np.longdouble), metric))
    exact = small[np.ix_(label, label)][np.triu_indices(48, 1)]
    brain = label_squares(draw_square(rng, 48))
    for route in ROUTES.values():
        rdms = compute_rdms(route(vectors[label]), metric=metric)
        assert len(np.unique(take_pairs(rdms))) == 16
        for comparator, compare in RANKED.items():
            scores = compare_rdms(rdms, brain, comparator=comparator, n_bootstrap=0, n_splits=0)
            expected = compare(exact, take_pairs(brain))
            assert scores.score.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_rounding_of_a_network_breaks_no_ties(rng, metric):
    """The distances of two categories differ by the rounding of features, not of its square."""
    label = np.repeat(np.arange(4), 6)
    vectors = rng.normal(size=(4, 300))[label]
    values = (vectors * (1 + 3e-7 * rng.normal(size=vectors.shape))).astype(np.float32)
    for route in (ROUTES["features"], ROUTES["doubles"]):
        assert len(np.unique(take_pairs(compute_rdms(route(values), metric=metric)))) == 7


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_distances_between_different_rows(dtype, metric):
    rows = (0.3 + 0.1 * np.eye(40)).astype(dtype)
    for route in ROUTES.values():
        with pytest.warns(RuntimeWarning, match="all distances are equal"):
            found = take_pairs(compute_rdms(route(rows), metric=metric))
        assert found[0] > 0
        assert len(np.unique(found)) == 1


def test_places_on_a_line_have_ties(rng):
    places = 0.1 * rng.permutation(30)[:, None]
    rdms = compute_rdms(label_features(places), metric="euclidean")
    assert len(np.unique(take_pairs(rdms))) == 29


def test_warning_names_ops(rng):
    arrays = {
        "token": np.repeat(rng.normal(size=(1, 7)), 5, axis=0),
        "conv": rng.normal(size=(5, 7)),
    }
    grams = build_grams({op: label_features(values) for op, values in arrays.items()})
    with pytest.warns(RuntimeWarning, match="for rounding, in op 'token': such an RDM tells no"):
        compute_rdms(grams)


class TestMergeDuplicates:
    def test_stimuli_at_no_distance_share_their_distances(self):
        square = squareform([0.0, 2, 1, 1, 3, 1, 1, 4, 4, 9])
        found = merge_duplicates(square)
        assert np.array_equal(found, found.T)
        assert found[0, 2] == found[1, 2] == 2.5

    def test_a_chain_of_neighbors_is_no_group(self):
        square = squareform([0.0, 1e-3, 1.0, 0.0, 1.1, 1.2])
        np.testing.assert_array_equal(merge_duplicates(square), square)


class TestLevelRows:
    """Dissimilarities that users bring, whose precision is read from the numbers."""

    def level(self, values):
        return np.unique(level_rows(np.sort(values)[None])[0])

    def test_rounding_of_doubles(self, rng):
        levels = rng.random(6)
        noisy = levels[rng.integers(6, size=500)] * (1 + 1e-15 * rng.normal(size=500))
        np.testing.assert_allclose(self.level(noisy), np.sort(levels), rtol=1e-13)
        assert len(self.level(noisy)) == 6

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_rounding_of_singles(self, rng, dtype):
        levels = rng.random(6)
        noisy = levels[rng.integers(6, size=500)] * (1 + 1e-7 * rng.normal(size=500))
        assert len(np.unique(noisy.astype(np.float32))) > 6
        assert len(self.level(noisy.astype(np.float32).astype(dtype))) == 6

    @pytest.mark.parametrize("spread", [1.0, 0.01])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_continuous_data(self, rng, dtype, spread):
        values = (1 + spread * rng.random(19900)).astype(dtype).astype(np.float64)
        assert len(self.level(values)) == len(np.unique(values))

    def test_small_differences_of_doubles(self, rng):
        values = 1 + 1e-9 * rng.random(1000)
        assert len(self.level(values)) == len(np.unique(values))

    def test_dense_whole_numbers(self, rng):
        for values in (np.arange(1.0, 500_000), 1e6 + rng.integers(3, size=500)):
            assert len(self.level(values)) == len(np.unique(values))

    def test_differences_from_1_are_as_exact_as_1(self, rng):
        r = 1 - 1e-4 * (1 + np.arange(5)[rng.integers(5, size=400)])
        noisy = 1 - (r + 2.0**-52 * rng.integers(-2, 3, size=400))
        assert len(np.unique(noisy)) > 5
        assert len(self.level(noisy)) == 5


class TestFindConstant:
    def test_rounding(self, rng):
        noise = rng.normal(size=(1, 66))
        assert find_constant(1 + 1e-15 * noise).all()
        assert find_constant((0.7 * (1 + 1e-8 * noise)).astype(np.float32).astype(float)).all()
        assert find_constant(1 - (1 - 2.0**-53 * rng.integers(0, 5, size=(1, 66)))).all()
        assert find_constant(np.zeros((1, 66))).all()

    def test_what_varies(self, rng):
        noise = rng.random(size=(1, 66))
        for values in (noise, 1 + 1e-9 * noise, 1e-24 * noise, -1 - 1e-9 * noise):
            assert not find_constant(values).any()
        assert not find_constant((1 + 1e-5 * noise).astype(np.float32).astype(float)).any()

    def test_pairs_that_are_missing(self):
        values = np.array([[np.nan, 2, 2], [np.nan, 2, 3], [np.nan] * 3])
        assert find_constant(values).tolist() == [True, False, False]


@pytest.mark.parametrize("comparator", ["spearman", "rho-a", "tau-a"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ties_of_published_rdms(rng, comparator, dtype):
    """They are saved in single precision, or were computed by a route with rounding."""
    exact = draw_square(rng, 20, ties=True) * 0.1
    noise = 1e-7 if dtype == np.float32 else 1e-16
    noisy = (exact * (1 + noise * np.abs(rng.normal(size=exact.shape)))).astype(dtype)
    noisy = np.triu(noisy) + np.triu(noisy).T
    assert len(np.unique(noisy)) > len(np.unique(exact))
    brain = label_squares(draw_square(rng, 20))
    scores = [
        compare_rdms(label_squares(square).astype(dtype), brain, comparator=comparator,
                     n_bootstrap=20, n_splits=2, rng=1)
        for square in (exact, noisy)
    ]  # fmt: skip
    for name in ("score", "ci_low", "split_score"):
        xr.testing.assert_allclose(scores[0][name], scores[1][name], atol=1e-12)


@pytest.mark.parametrize("comparator", ["spearman", "cosine", "rho-a", "bures", "whitened-cosine"])
def test_rdms_that_are_constant_up_to_rounding_have_no_score(rng, comparator):
    noise = draw_square(rng, 12)
    model = label_squares([noise, 1e-17 * noise + 0.3 * (1 - np.eye(12))], op=["conv", "flat"])
    model[1] *= 1 + 1e-16 * (noise > 0.6)
    brain = label_squares(draw_square(rng, 12))
    with pytest.warns(RuntimeWarning, match="^no score for 'flat': the RDM does not vary"):
        scores = compare_rdms(model, brain, comparator=comparator, n_bootstrap=3, n_splits=1)
    assert scores.score_mean.isnull().values.ravel().tolist() == [False, True]
