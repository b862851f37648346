"""Notebooks show a few small pictures, whatever ids are called and however many there are."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import neurolens as nl


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = []
        self.texts = []
        self.images = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            data = dict(attrs)["src"].split(";base64,")[1]
            self.images.append(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))))

    def handle_data(self, data):
        self.texts.append(data)


def read_page(stimuli):
    page = Page()
    page.feed(stimuli._repr_html_())
    return page


def test_small_pictures_above_their_ids(rng):
    pixels = rng.integers(0, 256, (3, 8, 9, 3)).astype(np.uint8)
    ids = ["<script>alert(1)</script>", "a & b", 'c"']
    page = read_page(nl.load_stimuli(pixels, ids=ids))
    assert [np.array_equal(a, b) for a, b in zip(page.images, pixels, strict=True)] == [True] * 3
    assert page.texts == ["3 stimuli; metadata: none", *ids]
    assert "script" not in page.tags


def test_of_many_stimuli_a_few_are_read(tmp_path, monkeypatch):
    for i in range(40):
        Image.new("RGB", (400, 300), (i, 0, 0)).save(tmp_path / f"{i:02d}.png")
    stimuli = nl.load_stimuli(tmp_path)
    decoded = []
    kind = type(stimuli._items[0])
    plain = kind.decode
    monkeypatch.setattr(kind, "decode", lambda self: decoded.append(self) or plain(self))
    page = read_page(stimuli)
    assert len(decoded) == 12
    assert page.texts[0] == "40 stimuli, 12 shown; metadata: none"
    assert page.texts[1] == "00"
    assert page.texts[-1] == "39"
    assert max(max(image.shape) for image in page.images) == 64


def test_texts_are_escaped():
    page = read_page(nl.load_stimuli(["<b>bold</b>"], kind="text"))
    assert page.texts[1] == "<b>bold</b>"
    assert page.tags.count("b") == 1  # the title


def test_sounds_are_waveforms(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    wave = np.concatenate([np.zeros(4000), 0.5 * np.sin(np.arange(4000))])
    soundfile.write(tmp_path / "a.wav", wave, 8000)
    [image] = read_page(nl.load_stimuli(tmp_path)).images
    ink = (image[..., 0] < 128).sum(0)  # of each column
    assert ink[:30].max() <= 1
    assert ink[34:].min() > 30


def test_a_photograph_takes_few_characters(rng):
    noise = rng.integers(0, 256, (40, 500, 400, 3)).astype(np.uint8)
    ids = [f"<{i}>" + "&" * 5000 for i in range(40)]
    metadata = {f"column {k}": ["<" * 1000] * 40 for k in range(30)}
    stimuli = nl.load_stimuli(noise, ids=ids)
    stimuli.metadata = pd.DataFrame(metadata, index=ids)
    assert 20_000 < len(stimuli._repr_html_()) <= 100_000
    page = read_page(stimuli)
    assert 3 <= len(page.images) <= 12
    assert "and 30 more" not in page.texts
    assert any(text.startswith("metadata (40 stimuli, 22 more columns)") for text in page.texts)


def test_pictures_of_few_colors_are_exact():
    pixels = np.zeros((1, 30, 30, 3), np.uint8)
    pixels[:, :15] = (200, 10, 90)
    [image] = read_page(nl.load_stimuli(pixels)).images
    assert np.array_equal(image, pixels[0])
