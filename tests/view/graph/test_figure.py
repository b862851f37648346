"""PDF and PNG through Matplotlib: no program, fonts inside, labels in their room."""

import io

import numpy as np
import pytest
from graphs import build_branches, build_hostile, fake_best, fake_scores
from matplotlib import image

from neurolens.view.graph.drawing import draw_graph
from neurolens.view.graph.figure import build_figure, write_figure
from neurolens.view.graph.shapes.records import Line, Picture, Polygon, Rect, Text
from neurolens.view.style import apply_style


@pytest.fixture
def no_programs(monkeypatch, tmp_path):
    """Hide every program."""
    monkeypatch.setenv("PATH", str(tmp_path))


def read_png(data):
    return np.round(255 * image.imread(io.BytesIO(data))).astype(int)


@pytest.mark.parametrize(("suffix", "start"), [("pdf", b"%PDF"), ("png", b"\x89PNG")])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_graphs_are_written_without_any_program(no_programs, suffix, start, theme, tmp_path, rng):
    graph = build_branches(3)
    scores = fake_scores(graph, rng)
    drawing = draw_graph(graph, scores=scores, best=fake_best(scores), theme=theme)
    data = drawing.save(tmp_path / f"graph.{suffix}").read_bytes()
    assert data.startswith(start)


@pytest.mark.parametrize("suffix", ["pdf", "png"])
def test_letters_that_no_font_has_do_not_stop_it(suffix):
    title = Text(5, 20, "🧠 視 $x_1$ <&>", "#000000", 12, True, "start", 80)
    assert write_figure(Picture(100, 40, (title,), "a"), suffix)
    assert write_figure(draw_graph(build_hostile()).picture, suffix)


def test_pdf_files_hold_their_fonts_as_truetype_and_no_date():
    picture = Picture(100, 40, (Text(5, 20, "conv2d", "#000000"),), "a")
    data = write_figure(picture, "pdf")
    assert b"/FontFile2" in data
    assert b"/Type3" not in data
    assert b"CreationDate" not in data
    assert data == write_figure(picture, "pdf")


def test_pixels_have_the_colors_of_their_shapes():
    shapes = (
        Rect(0, 0, 100, 60, "#10151D"),
        Rect(10, 10, 30, 20, "#FF0000", radius=4),
        Rect(9.9, 35.1, 30, 20, "#00FF00", radius=6, is_top_square=True),
        Polygon(((60, 10), (80, 10), (80, 30)), "#0000FF"),
        Line(((50, 50), (90, 50)), "#FFFFFF", 4),
    )
    pixels = read_png(write_figure(Picture(100, 60, shapes, "a"), "png"))
    assert pixels.shape == (120, 200, 4)
    assert (pixels[..., 3] == 255).all()
    assert pixels[40, 50, :3].tolist() == [255, 0, 0]
    assert pixels[20, 20, :3].tolist() != [255, 0, 0]  # a round corner
    assert pixels[71, 21, :3].tolist() == [0, 255, 0]  # a square one
    assert pixels[109, 20, :3].tolist() == [16, 21, 29]
    assert pixels[30, 154, :3].tolist() == [0, 0, 255]
    assert pixels[100, 140, :3].tolist() == [255, 255, 255]


def test_outside_a_round_backing_it_is_transparent():
    pixels = read_png(
        write_figure(Picture(60, 60, (Rect(0, 0, 60, 60, "#FFFFFF", radius=10),), "a"), "png")
    )
    assert pixels[0, 0, 3] == 0
    assert pixels[60, 60].tolist() == [255] * 4


def test_text_wider_than_its_room_is_made_smaller():
    texts = (
        Text(0, 20, "batch_norm", "#000000", 12, room=40.0),
        Text(0, 40, "batch_norm", "#000000"),
    )
    with apply_style():
        figure = build_figure(Picture(200, 60, texts, "a"))
        fitted, free = figure.axes[0].texts
        renderer = figure.canvas.get_renderer()
        assert fitted.get_window_extent(renderer).width <= 41
        assert free.get_window_extent(renderer).width > 45
    assert free.get_size() == pytest.approx(11 * 0.75)


def test_shapes_keep_their_place_and_order():
    shapes = (Rect(0, 0, 60, 60, "#FF0000"), Rect(0, 0, 60, 60, "#0000FF"))
    pixels = read_png(write_figure(Picture(60, 60, shapes, "a"), "png"))
    assert pixels[60, 60, :3].tolist() == [0, 0, 255]
