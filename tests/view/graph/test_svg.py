"""SVG text: well-formed for any name, complete by itself, drawn by other programs."""

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import SVG, read_svg

from neurolens.view.graph.shapes.records import Group, Line, Picture, Polygon, Rect, Text
from neurolens.view.graph.svg import write_svg


def draw(*shapes, label="a graph", size=(100.0, 50.0)):
    return write_svg(Picture(*size, tuple(shapes), label))


@given(st.text(max_size=60))
def test_any_text_is_written_as_it_is(text):
    shapes = Group((Text(1, 2, text, "#000000", room=40.0),), text, text, "card op")
    root, texts = read_svg(draw(shapes, label=text))
    shown = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    # XML readers normalize line ends.
    shown = shown.replace("\r\n", "\n").replace("\r", "\n")
    assert texts == [shown]
    titles = [node.text or "" for node in root.iter(f"{SVG}title")]
    assert titles[-1] == shown


def test_a_picture_says_what_it_is_and_shrinks_with_its_page():
    root, _ = read_svg(draw(label='ResNet & "IT"', size=(1400.0, 900.5)))
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'ResNet & "IT"'
    assert root.get("width") == "100%"
    assert root.get("style") == "max-width:1400px;height:auto"
    assert root.get("viewBox") == "0 0 1400 900.5"
    assert root.get("font-family").startswith("Arial,")


def test_shapes_become_elements_with_attributes_only():
    svg = draw(
        Rect(1, 2, 30, 10, "#FFFFFF", "#000000", 2, 4),
        Rect(1, 2, 30, 10, "#FFFFFF", radius=4, is_top_square=True),
        Polygon(((0, 0), (4, 0), (2, 3.456)), "#FF0000"),
        Line(((0, 0), (0, 20), (20, 20)), "#00FF00", 1.5, 6, True),
        Text(5, 9, "name", "#112233", 12, True, "end", 40),
    )
    assert '<rect x="1" y="2" width="30" height="10" rx="4" fill="#FFFFFF" stroke="#000000"' in svg
    assert 'd="M1 2h30v6a4 4 0 0 1 -4 4h-22a4 4 0 0 1 -4 -4z" fill="#FFFFFF"' in svg
    assert 'd="M0 0L4 0L2 3.46z" fill="#FF0000"' in svg
    assert 'd="M0 0L0 14Q0 20 6 20L20 20" fill="none" stroke="#00FF00"' in svg
    assert 'stroke-dasharray="4 3"' in svg
    assert 'font-size="12" font-weight="bold" text-anchor="end" textLength="40"' in svg
    assert "<style" not in svg


def test_only_text_of_known_width_is_fitted():
    assert "textLength" in draw(Text(0, 0, "64×56²", "#000000", room=30))
    assert "textLength" not in draw(Text(0, 0, "★ best", "#000000", room=30))
    assert "textLength" not in draw(Text(0, 0, ".38", "#000000"))


@pytest.mark.parametrize("value", [12345.678, 0.004, -0.001, 99999.0, 100.0, 7e6])
def test_numbers_are_short_and_never_in_exponents(value):
    svg = draw(Text(value, 0, "a", "#000000"))
    written = re.search(r'<text x="([^"]+)"', svg).group(1)
    assert re.fullmatch(r"-?\d+(\.\d{1,2})?", written)
    assert float(written) == pytest.approx(value, abs=0.0051)
    assert written != "-0"


@pytest.mark.skipif(not shutil.which("rsvg-convert"), reason="needs the program rsvg-convert")
def test_another_program_draws_it(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text(draw(Rect(0, 0, 100, 50, "#10151D", radius=10)))
    done = subprocess.run(["rsvg-convert", str(path), "-w", "100"], capture_output=True, check=True)
    assert done.stdout.startswith(b"\x89PNG")
