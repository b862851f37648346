import numpy as np
import pytest
import scipy.stats
import xarray as xr
from scores import make_scores

from neurolens.compare import compare_ops
from neurolens.errors import InputError, UnknownNameError
from neurolens.scores import METHODS, Intervals

VALUES = [[0.2, 0.3], [0.4, 0.5], [0.6, 0.1]]
PER_REGION = ("op", "region")


def draw(rng, n_draws=30):
    return np.array(VALUES) + 0.1 * rng.normal(size=(n_draws, 3, 2))


def bound_by_hand(gaps, gap, level, n_stimuli):
    """Return the t interval of ``gap`` from the spread of its draws over new stimuli."""
    spread = np.sqrt(np.var(gaps, ddof=1) * n_stimuli / (n_stimuli - 1))
    reach = scipy.stats.t.ppf((1 + level) / 2, n_stimuli - 1) * spread
    return gap - reach, gap + reach


@pytest.mark.parametrize("method", METHODS)
def test_draws_of_any_method_give_intervals(rng, method):
    draws = draw(rng)
    scores = make_scores(
        VALUES,
        method=method,
        variables={"bootstrap_mean": (("bootstrap", *PER_REGION), draws)},
        intervals=Intervals("any", "stimuli", 0.8),
    )
    # The level is kept although these scores have no intervals of their own.
    found = compare_ops(scores.transpose()).sel(op="c", op_2="a", region="V1")
    low, high = bound_by_hand(draws[:, 2, 0] - draws[:, 0, 0], 0.4, 0.8, 20)
    assert float(found.difference) == pytest.approx(0.4)
    assert float(found.ci_low) == pytest.approx(low)
    assert float(found.ci_high) == pytest.approx(high)


@pytest.mark.parametrize("counted", [False, True])
def test_number_of_subjects_is_read_or_counted(rng, counted):
    """Three subjects have V1 and one has IT: the draws of IT are over stimuli only."""
    draws = np.stack([draw(rng) for _ in range(3)])
    values = np.repeat(np.array(VALUES)[:, :, None], 3, axis=2)
    values[:, 1, 1:] = np.nan
    more = {"draws": (("resampled", "bootstrap", *PER_REGION), draws)}
    if counted:
        more["n_subjects"] = ("region", [3, 1])
    scores = make_scores(values, labels={"subjects": "ABC"}, variables=more)
    found = compare_ops(scores).sel(op="b", op_2="a", region="IT")
    low, high = bound_by_hand(draws[2, :, 1, 1] - draws[2, :, 0, 1], 0.2, 0.95, 20)
    assert float(found.ci_low) == pytest.approx(low)
    assert float(found.ci_high) == pytest.approx(high)
    both, subjects, stimuli = np.var(draws[:, :, 1, 0] - draws[:, :, 0, 0], axis=1, ddof=1)
    by_subjects = 3 / 2 * subjects
    by_stimuli = 20 / 19 * stimuli
    variance = by_subjects + by_stimuli - 60 / 38 * (both - subjects - stimuli)
    variance = min(max(variance, by_subjects, by_stimuli), both)
    reach = scipy.stats.t.ppf(0.975, 2) * np.sqrt(variance)
    wide = compare_ops(scores).sel(op="b", op_2="a", region="V1")
    assert float(wide.ci_high) == pytest.approx(0.2 + reach)


def test_groups_are_means_of_their_ops(rng):
    draws = draw(rng)
    scores = make_scores(VALUES, variables={"bootstrap_mean": (("bootstrap", *PER_REGION), draws)})
    found = compare_ops(scores, groups={"a": "early", "c": "late", "b": "early"})
    assert found.op.values.tolist() == ["early", "late"]
    pair = found.sel(op="late", op_2="early", region="V1")
    gaps = draws[:, 2, 0] - draws[:, :2, 0].mean(axis=1)
    low, _ = bound_by_hand(gaps, 0.3, 0.95, 20)
    assert float(pair.difference) == pytest.approx(0.3)
    assert float(pair.ci_low) == pytest.approx(low)


def test_against_the_ceiling_by_hand(rng):
    """The ceiling takes the place of another op; p is of the side below it."""
    draws = draw(rng)
    ceiling = np.array([0.5, 0.2]) + 0.1 * rng.normal(size=(30, 2))
    variables = {
        "bootstrap_mean": (("bootstrap", *PER_REGION), draws),
        "bootstrap_ceiling": (("bootstrap", "region"), ceiling),
        "ceiling_lower": ("region", [0.5, 0.2]),
    }
    scores = make_scores(VALUES, variables=variables)
    found = compare_ops(scores.transpose(), against="ceiling")
    assert found.p.dims == ("op", "region")
    low, high = bound_by_hand(draws[:, 0, 0] - ceiling[:, 0], 0.2 - 0.5, 0.95, 20)
    one = found.sel(op="a", region="V1")
    assert float(one.difference) == pytest.approx(-0.3)
    assert float(one.ci_low) == pytest.approx(low)
    assert float(one.ci_high) == pytest.approx(high)
    spread = np.sqrt(np.var(draws[:, 0, 0] - ceiling[:, 0], ddof=1) * 20 / 19)
    assert float(one.p) == pytest.approx(scipy.stats.t.cdf(-0.3 / spread, 19))
    assert float(found.p.sel(op="b", region="IT")) > 0.5
    q = scipy.stats.false_discovery_control(found.p.values.ravel())
    np.testing.assert_allclose(found.q.values.ravel(), q)
    assert found.attrs["against"] == "ceiling_lower"


@pytest.mark.parametrize("against", ["ops", "ceiling"])
def test_draws_of_groups_of_stimuli_count_groups(rng, against):
    """Twenty stimuli of six groups say as much of new groups as six stimuli of new stimuli."""
    variables = {
        "bootstrap_mean": (("bootstrap", *PER_REGION), draw(rng)),
        "bootstrap_ceiling": (("bootstrap", "region"), np.full((30, 2), 0.5)),
        "ceiling_lower": ("region", [0.5, 0.5]),
    }
    grouped = make_scores(VALUES, variables=variables, details={"n_units": 6})
    single = make_scores(VALUES, variables=variables, n_stimuli=6)
    found = compare_ops(grouped, against=against)
    xr.testing.assert_allclose(found, compare_ops(single, against=against))


def test_groups_are_compared_with_the_ceiling(rng):
    draws = draw(rng)
    variables = {
        "bootstrap_mean": (("bootstrap", *PER_REGION), draws),
        "bootstrap_ceiling": (("bootstrap", "region"), np.full((30, 2), 0.5)),
        "ceiling_lower": ("region", [0.5, 0.5]),
    }
    groups = {"a": "early", "c": "late", "b": "early"}
    scores = make_scores(VALUES, variables=variables)
    found = compare_ops(scores, groups=groups, against="ceiling").sel(op="early", region="V1")
    low, _ = bound_by_hand(draws[:, :2, 0].mean(axis=1), 0.3 - 0.5, 0.95, 20)
    assert float(found.difference) == pytest.approx(-0.2)
    assert float(found.ci_low) == pytest.approx(low)


@pytest.mark.parametrize("method", METHODS)
def test_a_ceiling_without_draws_is_refused(rng, method):
    variables = {"bootstrap_mean": (("bootstrap", *PER_REGION), draw(rng))}
    scores = make_scores(VALUES, method=method, variables=variables)
    with pytest.raises(InputError, match=r"draws of the noise ceiling.*scores with compare_rdms"):
        compare_ops(scores, against="ceiling")
    with pytest.raises(UnknownNameError, match="no side of compare_ops named 'ceilings'"):
        compare_ops(scores, against="ceilings")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_draws", [None, 0, 1])
def test_too_few_draws_are_refused_with_a_remedy(method, n_draws):
    more = {}
    if n_draws is not None:
        draws = np.zeros((n_draws, 3, 2))
        more = {"bootstrap_mean": (("bootstrap", *PER_REGION), draws)}
    scores = make_scores(VALUES, method=method, variables=more)
    message = rf"compare_ops needs .*two of them or more, got {n_draws or 0}\. Make scores with \w+"
    with pytest.raises(InputError, match=message):
        compare_ops(scores)


def test_anything_but_scores_is_refused():
    with pytest.raises(InputError, match="compare_ops takes scores, the Dataset that"):
        compare_ops(xr.Dataset({"draws": ("bootstrap", [1.0])}))


def test_attributes_are_of_the_differences(rng):
    """Not of the scores, whose intervals are of another kind."""
    scores = make_scores(
        VALUES,
        variables={"bootstrap_mean": (("bootstrap", *PER_REGION), draw(rng))},
        intervals=Intervals("bootstrap percentile", "stimuli", 0.8),
    ).assign_attrs(normalization="r / sqrt(NC)")
    found = compare_ops(scores)
    assert found.attrs["interval_kind"] == "t interval of draws"
    assert "differences of ops, two-sided: t tests on the draws" in found.attrs["methods_text"]
    assert "normalization" not in found.attrs
