"""The sheet of small pictures holds each stimulus at its place."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

import neurolens as nl
from neurolens.errors import InputError, LabelError
from neurolens.view.page.document import stimuli as module
from neurolens.view.page.document.stimuli import TILE, describe_stimuli

GRAYS = (10, 120, 240)


def open_sheet(described):
    """Return the sheet as an array (row, column, rgb)."""
    data = base64.b64decode(described["sprite"].split(",")[1])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def take_middle(described, i):
    row, column = divmod(i, described["columns"])
    return open_sheet(described)[row * TILE + TILE // 2, column * TILE + TILE // 2]


def gray_pictures(n=3, shape=(60, 80)):
    levels = [GRAYS[i % 3] for i in range(n)]
    return np.stack([np.full((*shape, 3), level, dtype=np.uint8) for level in levels])


def test_each_picture_is_at_the_place_of_its_id():
    stimuli = nl.load_stimuli(gray_pictures(), ids=["a", "b", "c"])
    shown, notes = describe_stimuli(stimuli, ["c", "a", "b"])
    assert notes == []
    assert shown["ids"] == ["c", "a", "b"]
    assert not shown["numbered"]
    assert shown["sprite"].startswith("data:image/jpeg;base64,")
    for i, level in enumerate((240, 10, 120)):
        assert np.abs(take_middle(shown, i) - level).max() < 12


def test_rows_of_many_pictures():
    shown, _ = describe_stimuli(gray_pictures(25), None)
    assert shown["columns"] == 12
    assert open_sheet(shown).shape == (3 * TILE, 12 * TILE, 3)
    assert np.abs(take_middle(shown, 13) - GRAYS[13 % 3]).max() < 12
    assert shown["ids"][:2] == ["0", "1"]


def test_arrays_of_fractions_and_of_gray_levels_are_pictures():
    fractions, _ = describe_stimuli(gray_pictures() / 255, ["a", "b", "c"])
    levels, _ = describe_stimuli(gray_pictures()[..., 0], ["a", "b", "c"])
    whole, _ = describe_stimuli(gray_pictures(), ["a", "b", "c"])
    assert fractions["sprite"] == whole["sprite"] == levels["sprite"]


def test_without_pictures_tiles_are_numbered_and_colored_by_category():
    shown, _ = describe_stimuli(None, ["a", "b", "c"], ["face", "house", "face"])
    assert shown["numbered"]
    assert shown["sprite"].startswith("data:image/png;base64,")
    sheet = open_sheet(shown)
    corners = [tuple(sheet[2, i * TILE + 2]) for i in range(3)]
    assert corners[0] == corners[2] != corners[1]
    words = nl.load_stimuli(["one", "two"], ids=["a", "b"], kind="text")
    assert describe_stimuli(words, ["b", "a"])[0]["numbered"]


def test_categories_come_from_the_metadata_of_the_set():
    stimuli = nl.load_stimuli(gray_pictures(), ids=["a", "b", "c"])
    stimuli.metadata = stimuli.metadata.assign(category=["x", "y", "z"])
    assert describe_stimuli(stimuli, ["c", "a"])[0]["category"] == ["z", "x"]
    assert describe_stimuli(stimuli, ["c", "a"], ["p", "q"])[0]["category"] == ["p", "q"]


def test_too_many_stimuli_are_left_out_and_told(monkeypatch):
    monkeypatch.setattr(module, "MOST_TILES", 2)
    stimuli = nl.load_stimuli(gray_pictures(), ids=["a", "b", "c"])
    shown, notes = describe_stimuli(stimuli, None)
    assert shown is None
    assert "3 stimuli" in notes[0]
    assert describe_stimuli(None, None) == (None, [])


def test_what_does_not_match_is_refused():
    stimuli = nl.load_stimuli(gray_pictures(), ids=["a", "b", "c"])
    with pytest.raises(LabelError, match="there is no 'd'"):
        describe_stimuli(stimuli, ["a", "d"])
    with pytest.raises(LabelError, match="one picture for each of the 2 stimuli .* got 3"):
        describe_stimuli(gray_pictures(), ["a", "b"])
    with pytest.raises(InputError, match="must be a StimulusSet or an array"):
        describe_stimuli("pictures", None)
    with pytest.raises(InputError, match="fractions must be from 0 to 1"):
        describe_stimuli(gray_pictures() / 100, None)
    with pytest.raises(InputError, match="whole numbers must be from 0 to 255, got 10 to 300"):
        describe_stimuli(np.where(gray_pictures() > 200, 300, 10), None)
