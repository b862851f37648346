"""Every picture of 8 bits reaches a transform in RGB, upright and without transparency."""

import numpy as np
import pytest
import torch
from picture_files import write_png
from PIL import Image, ImageOps
from torchvision.models import ResNet18_Weights

import neurolens as nl
from neurolens.errors import DataError, InputError


def to_numbers(image):
    """Return a picture as a tensor (y, x, colour) of bytes."""
    assert image.mode == "RGB"
    return torch.from_numpy(np.array(image))


@pytest.fixture
def colors(rng):
    return rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)


def load(path, transform=to_numbers, **settings):
    return nl.load_stimuli([path], transform=transform, **settings)[path.stem].numpy()


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("1", "png"), ("L", "png"), ("P", "png"), ("P", "gif"), ("CMYK", "tif"), ("CMYK", "jpg")],
)
def test_modes_reach_transforms_in_rgb(mode, suffix, colors, tmp_path):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(colors).convert(mode).save(path)
    with Image.open(path) as image:
        expected = image.convert("RGB")
    assert np.array_equal(load(path), np.array(expected))
    preset = ResNet18_Weights.IMAGENET1K_V1.transforms()
    assert np.array_equal(load(path, preset), preset(expected).numpy())


def test_numbers_of_gray_files_without_a_transform(colors, tmp_path):
    Image.fromarray(colors[..., 0]).save(tmp_path / "a.png")
    assert np.array_equal(load(tmp_path / "a.png", None), colors[..., 0])


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 128, 7)])
@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_alpha_is_composed_onto_the_background(background, suffix, rng, tmp_path):
    pixels = rng.integers(0, 256, (6, 8, 4)).astype(np.uint8)
    pixels[0, :, 3] = 0
    settings = {"lossless": True, "exact": True} if suffix == "webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}", **settings)
    alpha = pixels[..., 3:] / 255
    expected = alpha * pixels[..., :3] + (1 - alpha) * np.array(background)
    shown = load(tmp_path / f"a.{suffix}", background=background)
    np.testing.assert_allclose(shown, expected, atol=1)
    assert (shown[0] == background).all()


@pytest.mark.parametrize("mode", ["L", "P", "LA"])
def test_transparency_outside_of_rgba(mode, tmp_path):
    image = Image.fromarray(np.array([[0, 100], [100, 200]], np.uint8)).convert(mode)
    if mode == "LA":
        image.putalpha(Image.fromarray(np.array([[255, 0], [0, 255]], np.uint8)))
        image.save(tmp_path / "a.png")
    else:
        image.save(tmp_path / "a.png", transparency=100)
    shown = load(tmp_path / "a.png", background=(1, 2, 3))
    assert shown[0, 0].tolist() == [0, 0, 0]
    assert shown[0, 1].tolist() == [1, 2, 3]


def test_the_transparent_gray_of_4_bits(tmp_path):
    """The file holds grays 5 and 10, of which 5 is transparent."""
    packed = np.array([[[0x5A]]], np.uint8)
    (tmp_path / "a.png").write_bytes(write_png(packed, bits=4, key=[5]))
    assert load(tmp_path / "a.png")[0].tolist() == [[255] * 3, [170] * 3]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_followed(orientation, suffix, tmp_path):
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16] = 250
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    settings = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(pixels).save(path, exif=exif, **settings)
    with Image.open(path) as image:
        expected = ImageOps.exif_transpose(image)
    np.testing.assert_allclose(load(path), np.asarray(expected), atol=3)


def test_orientation_of_a_picture_of_16_bits(rng, tmp_path):
    values = rng.integers(0, 65536, (6, 8)).astype(np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    exact = nl.ImageTransform(6, 6, (0, 0, 0), (1, 1, 1))
    np.testing.assert_allclose(
        load(tmp_path / "a.png", exact)[0], np.rot90(values, -1)[1:-1] / 65535, atol=1e-6
    )
    assert np.array_equal(load(tmp_path / "a.png", None), np.rot90(values, -1))


def test_ordinary_files_keep_their_values_without_a_word(colors, tmp_path):
    Image.fromarray(colors).save(tmp_path / "color.png")
    Image.fromarray(colors[..., 0]).save(tmp_path / "gray.png")
    Image.fromarray(np.dstack([colors, np.full((6, 8), 255, np.uint8)])).save(tmp_path / "full.png")
    stimuli = nl.load_stimuli(tmp_path, transform=to_numbers)
    assert np.array_equal(stimuli["color"], colors)
    assert np.array_equal(stimuli["full"], colors)
    assert np.array_equal(stimuli["gray"], np.repeat(colors[..., :1], 3, 2))


def test_what_is_done_to_pictures_is_recorded(colors, tmp_path):
    Image.fromarray(colors).save(tmp_path / "color.png")
    Image.fromarray(colors).convert("RGBA").save(tmp_path / "clear.png")
    Image.fromarray(np.full((6, 8), 65535, np.uint16)).save(tmp_path / "deep.png")
    stimuli = nl.load_stimuli(tmp_path, background=(0, 0, 0))
    parts = stimuli.preprocessing.parts
    assert parts["pictures"] == "turned as EXIF says"
    assert parts["pictures of RGB, 8 bits"] == "RGB"
    assert parts["pictures of RGBA, 8 bits, with alpha"] == "composed onto (0, 0, 0), RGB"
    assert parts["pictures of I, 16 bits"] == "scaled from 16 bits, floats, RGB"
    mine = stimuli.use_transform(to_numbers).preprocessing.parts
    assert mine["pictures of I, 16 bits"] == "scaled from 16 bits, rounded to 8 bits, RGB"
    assert "pictures of I, 16 bits" not in stimuli.select(["color"]).preprocessing.parts
    assert "pictures" not in nl.load_stimuli(np.ones((2, 3))).preprocessing.parts


def test_another_background_is_another_provenance(colors, tmp_path):
    (tmp_path / "files").mkdir()
    for name in "ab":
        Image.fromarray(colors).convert("RGBA").save(tmp_path / "files" / f"{name}.png")
    cut = nl.ImageTransform(4, 4)
    white = nl.load_stimuli(tmp_path / "files", transform=cut)
    black = nl.load_stimuli(tmp_path / "files", transform=cut, background=(0, 0, 0))
    assert white.hash_content() != black.hash_content()
    model = torch.nn.Flatten()
    nl.extract_activations(model, white, store=tmp_path / "a.zarr", quiet=True)
    with pytest.raises(
        DataError, match=r"composed onto \(255, 255, 255\), RGB, is now composed onto \(0, 0, 0\)"
    ):
        nl.extract_activations(model, black, store=tmp_path / "a.zarr", quiet=True)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"background": "white"}, "background must be three whole numbers from 0 to 255"),
        ({"background": (0, 0, 256)}, "background must be three whole numbers"),
        ({"background": (0, 0, 0.5)}, "background must be three whole numbers"),
        ({"value_range": (1, 0)}, "value_range must be the values of black and white"),
        ({"value_range": 4095}, "value_range must be the values of black and white"),
        ({"value_range": (0, np.inf)}, "value_range must be the values of black and white"),
        ({"max_pixels": 0}, "max_pixels must be a whole number, at least 1"),
        ({"max_pixels": 1.5}, "max_pixels must be a whole number, at least 1"),
        ({"max_pixels": True}, "max_pixels must be a whole number, at least 1"),
    ],
)
def test_settings_that_no_picture_can_be_shown_with(settings, sentence, colors, tmp_path):
    Image.fromarray(colors).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=sentence):
        nl.load_stimuli(tmp_path, **settings)


def test_a_list_of_pictures_is_shown_like_their_files(colors, rng, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colors).save(tmp_path / "a.png", exif=exif)
    clear = Image.fromarray(rng.integers(0, 256, (8, 6, 4)).astype(np.uint8))
    clear.save(tmp_path / "b.png")
    Image.fromarray(colors.swapaxes(0, 1)).convert("P").save(tmp_path / "c.png")
    files = nl.load_stimuli(tmp_path, transform=to_numbers)
    opened = [Image.open(tmp_path / f"{name}.png") for name in "abc"]
    pictures = nl.load_stimuli(opened, transform=to_numbers)
    assert pictures.ids == ("stim000", "stim001", "stim002")
    assert torch.equal(pictures.read_rows(range(3)), files.read_rows(range(3)))
    copied = nl.load_stimuli([image.copy() for image in opened], transform=to_numbers)
    assert copied.hash_content() == pictures.hash_content()


def test_pictures_of_16_bits_in_memory_ask_for_their_range():
    with pytest.raises(InputError, match="range of picture 0 cannot be told"):
        nl.load_stimuli([Image.fromarray(np.full((4, 4), 4000, np.uint16))])


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_16_bits_in_memory_are_refused(channels, tmp_path):
    (tmp_path / "a.png").write_bytes(write_png(np.full((4, 4, channels), 65535)))
    with (
        Image.open(tmp_path / "a.png") as image,
        pytest.raises(InputError, match="Pillow keeps 8 of the 16 bits of its colours; pass"),
    ):
        nl.load_stimuli([image])


def test_animated_and_large_pictures_in_memory_are_refused(colors, tmp_path):
    frames = [Image.fromarray(colors + np.uint8(i)) for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with (
        Image.open(tmp_path / "a.gif") as image,
        pytest.raises(InputError, match="picture 0 cannot be shown .it holds 3 pictures"),
    ):
        nl.load_stimuli([image])
    with pytest.raises(InputError, match=r"picture 0 holds 8 x 6 = 48 pixels.*max_pixels=48"):
        nl.load_stimuli([frames[0]], max_pixels=47)
