"""Files are opened in the format of their suffix, within a bound, and refused by name."""

import os
import warnings

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image

import neurolens as nl
from neurolens.errors import InputError

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
SUFFIXES = ("png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp")


def to_numbers(image):
    return torch.from_numpy(np.array(image))


@pytest.fixture
def picture(rng):
    return Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file_is_named(suffix, tmp_path):
    (tmp_path / f"a.{suffix}").write_bytes(b"")
    with pytest.raises(InputError, match=rf"a.{suffix}' cannot be read .*it is empty, 0 bytes"):
        nl.load_stimuli(tmp_path)


@pytest.mark.parametrize("suffix", [*SUFFIXES, "PNG", "eps", ""])
def test_postscript_is_never_interpreted(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: pytest.fail("interpreted"))
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(POSTSCRIPT)
    with pytest.raises(InputError, match=rf"a.{suffix}' cannot be read .*does not begin as"):
        nl.load_stimuli([path])


def test_a_file_of_another_format_than_its_suffix_says_is_refused(picture, tmp_path):
    picture.save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a.png'.*suffix is .png and its content JPEG; rename"):
        nl.load_stimuli(tmp_path)


def test_files_without_a_suffix_are_told_by_their_content(picture, tmp_path):
    picture.save(tmp_path / "plain", "PNG")
    stimuli = nl.load_stimuli([tmp_path / "plain"], transform=to_numbers)
    assert np.array_equal(stimuli["plain"], np.asarray(picture))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_files_of_several_pictures_are_refused(suffix, rng, tmp_path):
    frames = [Image.fromarray(rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)) for _ in range(3)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=rf"a.{suffix}' cannot be read .*it holds 3 pictures"):
        nl.load_stimuli(tmp_path)


def test_a_photograph_with_others_in_its_file_is_read(rng, tmp_path):
    frames = [Image.fromarray(np.full((16, 16, 3), level, np.uint8)) for level in (200, 10)]
    frames[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=frames[1:])
    shown = nl.load_stimuli(tmp_path, transform=to_numbers)["a"]
    assert (shown == 200).all()


def test_pixels_are_bounded_before_they_are_decoded(picture, tmp_path, monkeypatch):
    picture.save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"a.png' holds 8 x 6 = 48 pixels, .*max_pixels=48 to"):
        nl.load_stimuli(tmp_path, max_pixels=47)


def test_the_bound_can_be_raised_beyond_that_of_pillow(picture, tmp_path, monkeypatch):
    picture.save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stimuli = nl.load_stimuli(tmp_path, transform=to_numbers, max_pixels=48)
        assert stimuli["a"].shape == (6, 8, 3)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_a_picture_that_was_replaced_by_another_kind_is_told(picture, tmp_path):
    picture.save(tmp_path / "a.png")
    stimuli = nl.load_stimuli(tmp_path)
    picture.convert("RGBA").save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a.png' held a picture of RGB, 8 bits when .* now one"):
        stimuli["a"]


def test_modes_that_are_not_turned_into_rgb_are_refused(picture, tmp_path):
    Image.merge("LAB", picture.split()).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a.tif'.*mode LAB are not turned into RGB"):
        nl.load_stimuli(tmp_path)


def test_a_file_that_is_gone_is_named_when_it_is_hashed(picture, tmp_path):
    picture.save(tmp_path / "a.png")
    stimuli = nl.load_stimuli(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"a.png' does not exist any more; restore it"):
        stimuli.hash_content()


def test_names_that_are_not_utf8_work_from_reading_to_results(rng, tmp_path):
    """The bytes of a name that are no UTF-8 are read as Latin-1."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in (b"caf\xe9.png", b"plain.png", "\u00fcber.png".encode()):
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            Image.fromarray(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)).save(file, "PNG")
    transform = nl.ImageTransform(6, 6)
    for source in (folder, os.fsencode(folder), sorted(folder.iterdir())):
        stimuli = nl.load_stimuli(source, transform=transform)
        assert set(stimuli.ids) == {"caf\u00e9", "plain", "\u00fcber"}
    assert torch.equal(stimuli["caf\u00e9"], stimuli["caf\udce9"])
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(108, 2))
    grams = nl.extract_grams(model, stimuli, quiet=True)
    assert set(grams.stimulus.values) == set(stimuli.ids)
    nl.extract_activations(model, stimuli, store=tmp_path / "a.zarr", quiet=True)
    stored = nl.open_activations(tmp_path / "a.zarr")
    assert set(next(iter(stored.children.values())).stimulus.values) == set(stimuli.ids)
