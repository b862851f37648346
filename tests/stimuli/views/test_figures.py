"""Figures show stimuli as they are, read those alone, and name each by its id."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import neurolens as nl
from neurolens.errors import InputError


def list_shown(figure):
    """Return the images and texts of a figure by the title of their axes."""
    shown = {}
    for axes in figure.axes:
        if axes.get_title():
            images = [np.asarray(image.get_array()) for image in axes.images]
            shown[axes.get_title()] = images or [text.get_text() for text in axes.texts]
    return shown


def test_pictures_are_shown_under_their_ids(rng):
    pixels = rng.integers(0, 256, (5, 8, 9, 3)).astype(np.uint8)
    figure = nl.load_stimuli(pixels, ids=list("abcde")).show(n=3, columns=2)
    assert isinstance(figure, Figure)
    shown = list_shown(figure)
    assert list(shown) == ["a", "c", "e"]
    for name, row in zip("ace", (0, 2, 4), strict=True):
        assert np.array_equal(shown[name][0], pixels[row])
    assert figure._suptitle.get_text() == "5 stimuli, 3 shown; metadata: none"
    assert len(figure.axes) == 4


def test_pictures_of_more_bits_are_stretched(tmp_path):
    values = np.linspace(100, 300, 64).reshape(8, 8).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    stimuli = nl.load_stimuli(tmp_path, transform=None)
    [image] = list_shown(stimuli.show())["a"]
    assert (image.min(), image.max()) == (0, 255)


def test_texts_and_numbers_are_written():
    words = nl.load_stimuli(["the $cat$", "b " * 200], kind="text")
    shown = list_shown(words.show())
    assert shown["stim000"] == ["the $cat$"]
    assert shown["stim001"][0].startswith("...")
    arrays = nl.load_stimuli(np.zeros((2, 3, 4), np.float32))
    assert list_shown(arrays.show())["stim000"] == ["float32, 3 x 4"]
    tokens = nl.load_stimuli({"ids": np.zeros((2, 3), int)})
    assert list_shown(tokens.show())["stim000"] == ["ids: int64, 3"]


def test_of_several_inputs_the_picture_is_shown(rng):
    pixels = rng.integers(0, 256, (2, 8, 9, 3)).astype(np.uint8)
    stimuli = nl.load_stimuli({"text": ["a", "b"], "images": list(pixels)}, transform=lambda x: x)
    assert np.array_equal(list_shown(stimuli.show())["stim001"][0], pixels[1])


def test_figures_are_written_and_shown_in_notebooks(tmp_path):
    names = ["a" * 50, "$x_", "c"]
    figure = nl.load_stimuli(np.zeros((3, 8, 8, 3), np.uint8), ids=names).show()
    figure.savefig(tmp_path / "a.png")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert len(list_shown(figure)) == 3


def test_a_file_that_broke_is_told(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    stimuli = nl.load_stimuli(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match="a.png' cannot be read as an image"):
        stimuli.show()
    assert "cannot be read as an image" in stimuli._repr_html_()


@pytest.mark.parametrize("settings", [{"n": 0}, {"columns": 0}, {"n": 2.0}])
def test_settings_that_cannot_be_used(settings):
    stimuli = nl.load_stimuli(np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(InputError, match="must be a whole number, at least 1"):
        stimuli.show(**settings)
