"""Colors of values: the ramp from end to end, ends told where values lie beyond."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolens.errors import InputError
from neurolens.view.brain_maps.places import PlacedMap
from neurolens.view.brain_maps.scales import DIVERGING, build_scale, choose_ticks
from neurolens.view.style import DARK, LIGHT, measure_contrast, read_hex


def place(values, names=(), limits=None):
    return PlacedMap({"left": np.asarray(values, float)}, list(names), "r", limits, [])


def test_scores_go_from_zero_to_the_largest():
    scale = build_scale(place([0.1, np.nan, 0.4]), LIGHT)
    assert (scale.low, scale.high) == (0, 0.4)
    colors = scale.color(np.array([0.0, 0.4, np.nan]))
    assert np.array_equal(colors[:2], read_hex((LIGHT.ramp[0], LIGHT.ramp[-1])))
    assert np.isnan(colors[2]).all()
    assert scale.list_ticks()[1] == [".00", ".10", ".20", ".30", ".40"]


def test_ends_beyond_which_values_lie_are_told():
    scale = build_scale(place([-0.1, 0.9]), LIGHT, (0, 0.5))
    assert scale.list_ticks()[1][0] == "≤ .00"
    assert scale.list_ticks()[1][-1] == "≥ .50"
    assert np.array_equal(scale.color(np.array([-3.0, 5.0])), scale.color(np.array([0.0, 0.5])))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_values_below_zero_get_two_colors(theme):
    scale = build_scale(place([-0.2, 0.1]), theme)
    assert (scale.low, scale.high) == (-0.2, 0.2)
    ends = scale.color(np.array([-0.2, 0.0, 0.2]))
    assert np.allclose(ends, read_hex(np.array(DIVERGING[theme.name])[[0, 2, 4]].tolist()))


@pytest.mark.parametrize("name", ["light", "dark"])
def test_two_colors_become_equally_strong(name):
    ramp = DIVERGING[name]
    for k in range(2):
        one = measure_contrast(ramp[k], ramp[2])
        other = measure_contrast(ramp[4 - k], ramp[2])
        assert 0.6 <= one / other <= 1.7
        assert one > 1.4


def test_names_are_spread_evenly():
    scale = build_scale(place([1, 3], "abc"), LIGHT)
    assert np.array_equal(
        scale.color(np.array([1.0, 3.0])), read_hex((LIGHT.ramp[0], LIGHT.ramp[-1]))
    )
    assert scale.list_ticks() == ([1, 2, 3], ["a", "b", "c"])
    with pytest.raises(InputError, match="this map is of names"):
        build_scale(place([1], "a"), LIGHT, (0, 1))


@given(st.integers(1, 500))
def test_some_of_many_names_stand_beside_the_bar(n):
    ticks = choose_ticks(n)
    assert ticks[0] == 1
    assert ticks[-1] == n
    assert n > 12 or ticks == list(range(1, n + 1))
    assert min(n, 7) <= len(ticks) <= 12
    gaps = np.diff(ticks)
    assert n == 1 or gaps.min() >= n // 12


def test_one_value_and_zeros_have_a_scale():
    assert build_scale(place([0.0, 0.0]), LIGHT).high == 1
    assert build_scale(place([0.3], limits=(0.0, 1.0)), LIGHT).high == 1
    assert np.isfinite(build_scale(place([1], "a"), LIGHT).color(np.array([1.0]))).all()


@pytest.mark.parametrize("limits", [(1, 0), (0, 0), 3, (0, np.nan), "ab", (0, 1, 2)])
def test_limits_must_increase(limits):
    with pytest.raises(InputError, match="limits must be two numbers that increase"):
        build_scale(place([0.1]), LIGHT, limits)
