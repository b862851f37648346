"""Exponents that are planted are found, and judged."""

import pytest

SIZES = [100, 300, 1_000, 3_000, 10_000]


@pytest.fixture
def growth(load):
    return load("scaling_studies.growth")


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
def test_the_exponent_of_a_power_is_found(growth, exponent):
    rounds = [[7.0 * size**exponent for size in SIZES]]
    found = growth.fit_growth(SIZES, rounds)
    assert found == pytest.approx((exponent, exponent, exponent), abs=1e-9)


def test_fixed_costs_at_small_sizes_do_not_flatten_the_exponent(growth):
    values = [50_000 + size**2 for size in SIZES]
    assert growth.fit_slope(SIZES, values) < 1.7
    assert growth.fit_growth(SIZES, [values]).exponent > 1.95


def test_the_range_is_that_of_the_rounds(growth):
    rounds = [[size**power for size in SIZES] for power in (1.3, 1.0, 1.1)]
    assert growth.fit_growth(SIZES, rounds) == pytest.approx((1.1, 1.0, 1.3))


def test_two_sizes_are_not_fitted(growth):
    assert growth.fit_growth(SIZES[:2], [[1.0, 2.0]]) is None
    assert growth.judge_growth(None, 1) == growth.TOO_FEW


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ((1.0, 0.9, 1.1), "as expected"),
        ((1.14, 1.1, 1.5), "as expected"),
        ((1.3, 1.2, 1.4), "**above**"),
        ((2.0, 2.0, 2.0), "**above**"),
        # Some rounds are above, not all.
        ((1.3, 1.1, 1.4), "unclear"),
        ((0.5, 0.4, 0.6), "below"),
        ((0.5, 0.4, 0.9), "as expected"),
    ],
)
def test_verdicts_on_an_expected_exponent_of_one(growth, found, verdict):
    assert growth.judge_growth(growth.Growth(*found), 1.0) == verdict


def test_a_squared_cost_is_told_from_a_linear_one(growth):
    found = growth.fit_growth(SIZES, [[1e-6 * size**2 + size for size in SIZES]] * 3)
    assert growth.judge_growth(found, 1.0) == growth.EXPECTED
    found = growth.fit_growth(SIZES, [[1e-2 * size**2 + size for size in SIZES]] * 3)
    assert growth.judge_growth(found, 1.0) == growth.ABOVE
