"""Pictures of more than 8 bits keep their values, in a range that is told or asked for."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from picture_files import write_png, write_tiff
from PIL import Image

import neurolens as nl
from neurolens.errors import InputError
from neurolens.stimuli.pictures.levels import find_range

PLAIN = {"mean": (0, 0, 0), "std": (1, 1, 1)}
EXACT = nl.ImageTransform(resize=6, crop=6, **PLAIN)


def to_numbers(image):
    """Return a picture as a tensor (y, x, colour) of bytes."""
    assert image.mode == "RGB"
    return torch.from_numpy(np.array(image))


def load(path, transform=to_numbers, **settings):
    return nl.load_stimuli([path], transform=transform, **settings)[path.stem].numpy()


@pytest.fixture
def values(rng):
    """Values of 16 bits, which use their range."""
    made = rng.integers(0, 65536, (6, 6, 4)).astype(np.uint16)
    made[0, 0] = 65535
    return made


@pytest.mark.parametrize("kind", ["png", "tif<", "tif>"])
@pytest.mark.parametrize("channels", [1, 3])
def test_values_of_16_bits_are_kept(kind, channels, values, tmp_path):
    values = values[..., :channels]
    path = tmp_path / f"deep.{kind[:3]}"
    path.write_bytes(write_png(values) if kind == "png" else write_tiff(values, kind[-1]))
    levels = np.broadcast_to(values / 65535, (6, 6, 3))
    np.testing.assert_allclose(load(path, EXACT), levels.transpose(2, 0, 1), atol=1e-6)
    assert np.array_equal(load(path), np.rint(levels * 255))
    raw = load(path, None)
    assert np.array_equal(raw, values[..., 0] if channels == 1 else values)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_alpha_of_16_bits_is_composed(kind, values, tmp_path):
    path = tmp_path / f"deep.{kind}"
    path.write_bytes(write_png(values) if kind == "png" else write_tiff(values, extra=2))
    alpha = values[..., 3:] / 65535
    expected = alpha * values[..., :3] / 65535 + (1 - alpha) * np.array([10, 20, 30]) / 255
    shown = load(path, EXACT, background=(10, 20, 30))
    np.testing.assert_allclose(shown, expected.transpose(2, 0, 1), atol=1e-6)
    with pytest.raises(InputError, match=r"deep.* is transparent in places; pass a transform"):
        load(path, None)


def test_gray_with_alpha_of_16_bits(values, tmp_path):
    path = tmp_path / "deep.png"
    path.write_bytes(write_png(values[..., :2]))
    alpha = values[..., 1:2] / 65535
    expected = np.broadcast_to(alpha * values[..., :1] / 65535 + 1 - alpha, (6, 6, 3))
    np.testing.assert_allclose(load(path, EXACT), expected.transpose(2, 0, 1), atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_colour_of_16_bits_that_is_transparent(channels, values, tmp_path):
    values = values[..., :channels]
    path = tmp_path / "deep.png"
    path.write_bytes(write_png(values, key=values[2, 3]))
    shown = load(path, EXACT, background=(255, 0, 0))
    assert shown[:, 2, 3].tolist() == [1, 0, 0]
    np.testing.assert_allclose(shown[-1, 3:], values[3:, :, -1] / 65535, atol=1e-6)


def test_low_contrast_reaches_the_usual_transform_and_others_are_told(rng, tmp_path):
    values = rng.integers(35000, 35100, (6, 6)).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "faint.png")
    np.testing.assert_allclose(load(tmp_path / "faint.png", EXACT)[0], values / 65535, atol=1e-6)
    with pytest.warns(RuntimeWarning, match=r"faint.png' is rounded to the 8 bits .* by \d+%"):
        load(tmp_path / "faint.png")


def test_12_bits_in_16_ask_for_their_range(rng, tmp_path):
    values = rng.integers(0, 4096, (6, 6)).astype(np.uint16)
    path = tmp_path / "camera.png"
    Image.fromarray(values).save(path)
    with pytest.raises(
        InputError, match=r"camera.png.*cannot be told .* value_range=\(0, 4095\) or .*\(0, 65535\)"
    ):
        nl.load_stimuli([path])
    stretched = load(path, EXACT, value_range=(0, 4095))
    np.testing.assert_allclose(stretched[0], values / 4095, atol=1e-6)
    dark = load(path, EXACT, value_range=[0, 65535])
    np.testing.assert_allclose(dark[0], values / 65535, atol=1e-6)
    with pytest.raises(InputError, match=r"camera.png' holds values .* beyond value_range=\(0, 99"):
        load(path, value_range=(0, 99))


def test_a_range_is_asked_for_when_a_transform_comes_later(rng, tmp_path):
    Image.fromarray(rng.integers(0, 4096, (6, 6)).astype(np.uint16)).save(tmp_path / "a.png")
    stimuli = nl.load_stimuli(tmp_path, transform=None)
    with pytest.raises(InputError, match=r"a.png' cannot be told from its values"):
        stimuli.use_transform(EXACT)["a"]


@pytest.mark.parametrize(
    ("values", "settings", "sentence"),
    [
        ([0.0, 0.5, 1.0], {}, None),
        ([0.0, 0.1, 0.2], {}, None),
        ([0.0, 127.5, 255.0], {"value_range": (0, 255)}, None),
        ([-1.0, 0.0, 1.0], {"value_range": (-1, 1)}, None),
        ([0.0, 127.5, 255.0], {}, r"cannot be told .*value_range=\(0, 255\)"),
        ([-1.0, 0.0, 0.5], {}, r"cannot be told .*value_range=\(-1, 1\)"),
        ([0.0, np.nan, 1.0], {}, "not finite"),
        ([0.0, np.inf, 1.0], {"value_range": (0, 1)}, "not finite"),
    ],
)
def test_floats_keep_their_values(values, settings, sentence, tmp_path):
    picture = np.tile(np.array(values, np.float32), (6, 2))
    path = tmp_path / "exact.tif"
    Image.fromarray(picture).save(path)
    if sentence is not None:
        with pytest.raises(InputError, match=sentence):
            load(path, EXACT, **settings)
        return
    low, high = settings.get("value_range", (0, 1))
    expected = (picture - low) / (high - low)
    np.testing.assert_allclose(load(path, EXACT, **settings)[0], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"photometric": 0}, "0 is white in its 16 bits"),
        ({"sample": 2}, "cannot be told from its values, .* in whole numbers"),
        ({"sample": 2, "bits": 8}, "its numbers are signed"),
    ],
)
def test_numbers_of_a_tiff_that_mean_something_else(content, sentence, values, tmp_path):
    (tmp_path / "a.tif").write_bytes(write_tiff(values[..., :1] // 1024, **content))
    with pytest.raises(InputError, match=rf"a.tif'.*{sentence}"):
        nl.load_stimuli(tmp_path)


def test_premultiplied_colours_of_16_bits_are_refused(values, tmp_path):
    (tmp_path / "a.tif").write_bytes(write_tiff(values, extra=1))
    with pytest.raises(InputError, match=r"a.tif'.*RGBa of 16 bits is not read"):
        nl.load_stimuli(tmp_path)


def test_a_range_is_for_one_kind_of_deep_pictures(values, tmp_path):
    Image.fromarray(np.zeros((6, 6), np.uint8)).save(tmp_path / "plain.png")
    with pytest.raises(InputError, match="for pictures of more than 8 bits, and there are none"):
        nl.load_stimuli(tmp_path, value_range=(0, 4095))
    (tmp_path / "deep.png").write_bytes(write_png(values))
    Image.fromarray(np.zeros((6, 6), np.float32)).save(tmp_path / "exact.tif")
    with pytest.raises(InputError, match="cannot hold for pictures of '16 bits', 'floats'"):
        nl.load_stimuli(tmp_path, value_range=(0, 65535))


@given(high=st.integers(0, 65535))
def test_values_of_16_bits_are_told_by_their_upper_half(high):
    values = np.array([0, high], np.uint16)
    if high == 0 or high > 32767:
        assert find_range(values, "16 bits", None, "x") == (0, 65535)
    else:
        with pytest.raises(InputError, match=f"0 to {high} in 16 bits|cannot be told"):
            find_range(values, "16 bits", None, "x")
