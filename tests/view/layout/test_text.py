"""Widths of text are those of Liberation Sans, which are Arial's."""

from pathlib import Path

import pytest
from layout_vectors import read_cases

from neurolens.view.layout.text import measure_text, shorten_text

FONTS = Path("/usr/share/fonts/truetype/liberation")
LETTERS = "conv2d batch_norm 64×112² ρ ≈ … – − ≤ ≥ → Ωé"


@pytest.mark.parametrize(("bold", "name"), [(False, "Regular"), (True, "Bold")])
def test_widths_are_those_of_the_font(bold, name):
    path = FONTS / f"LiberationSans-{name}.ttf"
    if not path.exists():
        pytest.skip("Liberation Sans is not installed: its widths are not compared with the table")
    fonts = pytest.importorskip("fontTools.ttLib")
    font = fonts.TTFont(path)
    widths = font["hmtx"]
    glyphs = font.getBestCmap()
    expected = sum(widths[glyphs[ord(c)]][0] for c in LETTERS) / font["head"].unitsPerEm
    assert measure_text(LETTERS, 1, bold) == pytest.approx(expected)


def test_widths_are_known_ones():
    for case in read_cases("texts"):
        arguments = (case["size"], case["bold"])
        if case["ask"] == "width":
            assert measure_text(case["text"], *arguments) == case["answer"]
        else:
            assert shorten_text(case["text"], case["width"], *arguments) == case["answer"]


def test_marks_take_no_room_and_unknown_characters_a_whole_em():
    assert measure_text("e\u0301\ufe0f", 10) == measure_text("e", 10)
    assert measure_text("★日", 10) == 20
    assert measure_text("🧠", 10) == 12.5
    assert measure_text("", 10) == 0


@pytest.mark.parametrize("width", [0, 5, 20, 60, 1000])
def test_shortened_text_fits(width):
    found = shorten_text("batch_norm layer1", width, 11)
    assert measure_text(found, 11) <= width
    assert found == "batch_norm layer1" or found.endswith("…") or not found
