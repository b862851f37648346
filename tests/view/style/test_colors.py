"""Colors: readable text, a ramp that orders scores for everyone, regions that stay apart."""

import itertools

import numpy as np
import pytest
from color_vision import MACHADO, find_lab, measure_ciede2000

from neurolens.view.style import (
    THEMES,
    assign_region_colors,
    measure_contrast,
    pick_color,
    pick_text_color,
)

SIX = ("V1", "V2", "V4", "IT", "FFA", "PPA")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # Pairs 1, 7, 10, 13, 17, 24 and 31 of Sharma, Wu & Dalal (2005), Table 1.
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, -0.001, 2.49), (50, 0.0009, -2.49), 4.8045),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (50, 3.2592, 0.335), 1.0),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ],
)
def test_the_oracle_of_color_differences_gives_published_values(one, other, expected):
    difference = measure_ciede2000(np.array(one), np.array(other))
    assert difference == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_on_every_color_of_the_ramp_is_readable(theme):
    for share in np.linspace(0, 1, 1025):
        fill = pick_color(share, theme)
        assert measure_contrast(pick_text_color(fill), fill) >= 4.5
    assert [pick_color(i / 16, theme) for i in range(17)] == list(theme.ramp)


@pytest.mark.parametrize("vision", MACHADO)
@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_lightness_orders_scores_for_every_kind_of_vision(theme, vision):
    lightness = [find_lab(color, vision)[0] for color in theme.ramp]
    steps = np.diff(lightness) * (1 if theme.is_dark else -1)
    assert (steps > 0).all()


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_words_are_readable_on_everything_they_stand_on(theme):
    grounds = (theme.page, theme.card, theme.sunk, *theme.areas)
    for ground in grounds:
        assert measure_contrast(theme.ink, ground) >= 4.5
        assert measure_contrast(theme.soft, ground) >= 4.5
    for ground in (theme.page, theme.card):
        assert measure_contrast(theme.accent, ground) >= 4.5
        assert measure_contrast(theme.branch, ground) >= 3
    assert measure_contrast(theme.soft, theme.empty) >= 4.5


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_region_names_are_readable_on_cards_and_words_on_their_tags(theme):
    for color in assign_region_colors(SIX, theme).values():
        assert measure_contrast(color, theme.card) >= 4.5
        assert measure_contrast(color, theme.page) >= 4.5
        assert measure_contrast(theme.page, color) >= 4.5


@pytest.mark.parametrize("vision", MACHADO)
@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_six_regions_stay_apart_for_every_kind_of_vision(theme, vision):
    colors = assign_region_colors(SIX, theme).values()
    labs = [find_lab(color, vision) for color in colors]
    differences = [measure_ciede2000(*pair) for pair in itertools.combinations(labs, 2)]
    assert min(differences) >= 10


def test_more_regions_than_colors_repeat_them():
    names = [f"region {i}" for i in range(30)]
    colors = assign_region_colors([*names, "V1"])
    assert colors["V1"] == "#5D0703"
    assert len(set(colors.values())) == 6
