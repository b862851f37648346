"""Pictures as shown: in RGB, upright, without transparency, in the range of their values."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from neurolens.errors import InputError, warn_user
from neurolens.stimuli.media import THUMBNAIL, Medium
from neurolens.stimuli.pictures.images import ImageTransform
from neurolens.stimuli.pictures.levels import Kind, find_kind, find_range, has_alpha, split_alpha

# Pillow makes twice as many pixels an error.
MAX_PIXELS = 89_478_485
_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Share of a picture's contrast (SD) that rounding to 8 bits may change without a word.
_MOST_ROUNDING = 0.05


@dataclass(frozen=True)
class Display:
    """How pictures are shown; see `load_stimuli`."""

    background: tuple[int, int, int] = (255, 255, 255)
    value_range: tuple[float, float] | None = None
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        _check_background(self.background)
        _check_range(self.value_range)
        _check_limit(self.max_pixels)


def _check_background(background: Any) -> None:
    is_color = isinstance(background, tuple) and len(background) == 3
    if not is_color or not all(_is_byte(level) for level in background):
        raise InputError(
            f"background must be three whole numbers from 0 to 255, got {background!r}. Type e.g. "
            "background=(128, 128, 128)."
        )


def _is_byte(level: Any) -> bool:
    return isinstance(level, (int, np.integer)) and bool(0 <= level <= 255)


def _check_range(value_range: Any) -> None:
    if value_range is None:
        return
    is_pair = isinstance(value_range, tuple) and len(value_range) == 2
    are_numbers = is_pair and all(_is_finite(value) for value in value_range)
    if not are_numbers or value_range[0] >= value_range[1]:
        raise InputError(
            "value_range must be the values of black and white, the lower first, got "
            f"{value_range!r}. Type e.g. value_range=(0, 4095).",
            anchor="value-range",
        )


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(value)


def _check_limit(max_pixels: Any) -> None:
    is_whole = isinstance(max_pixels, (int, np.integer)) and not isinstance(max_pixels, bool)
    if not is_whole or max_pixels < 1:
        raise InputError(
            f"max_pixels must be a whole number, at least 1, got {max_pixels!r}. Type e.g. "
            f"max_pixels={MAX_PIXELS}.",
            anchor="stimulus-unreadable",
        )


@dataclass
class Pixels:
    """A decoded picture, as its file holds it.

    Attributes
    ----------
    name : str
        What to call it in a message.
    kind : Kind
    orientation : int
        That of EXIF: 1 for upright.
    image : PIL.Image.Image
        The picture, of use where it has 8 bits.
    values : array (height, width) or (height, width, channel) or None
        Its numbers where it has more than 8 bits.
    """

    name: str
    kind: Kind
    orientation: int
    image: Image.Image
    values: np.ndarray | None = None

    def read_image(self, display: Display) -> Image.Image:
        """Return the picture in RGB of 8 bits; warn where rounding costs much of its contrast."""
        if self.values is None:
            return self._turn(_convert_rgb(self.image, display.background))
        levels = self._scale(display)
        bytes_ = np.rint(levels * 255).astype(np.uint8)
        lost = float((bytes_ / np.float32(255) - levels).std())
        contrast = float(levels.std())
        if lost > _MOST_ROUNDING * contrast:
            warn_user(
                f"{self.name} is rounded to the 8 bits that a transform takes, which changes it by "
                f"{lost / contrast:.0%} of its contrast. Use ImageTransform, which takes every "
                "value, or stretch the contrast in the file."
            )
        return self._turn(Image.fromarray(bytes_))

    def read_levels(self, display: Display) -> torch.Tensor:
        """Return a picture of more than 8 bits as float32 (3, height, width) in 0..1."""
        channels = [Image.fromarray(channel) for channel in self._scale(display).transpose(2, 0, 1)]
        turned = [np.asarray(self._turn(channel)) for channel in channels]
        return torch.from_numpy(np.stack(turned))

    def read_numbers(self, display: Display) -> torch.Tensor:
        """Return the numbers of the file: (height, width) for gray, else (height, width, 3).

        Those of 8 bits are uint8; longer ones int32, and floats float32, as they are.

        Raises
        ------
        InputError
            Where more than 8 bits are transparent, so that there are no numbers to show.
        """
        if self.values is None:
            is_gray = self.image.mode in ("1", "L") and not self.kind.transparent
            shown = self.image.convert("L") if is_gray else None
            picture = self.read_image(display) if shown is None else self._turn(shown)
            return torch.from_numpy(np.array(picture))
        if self.kind.transparent:
            raise InputError(
                f"{self.name} is transparent in places; pass a transform, so that its background "
                "is shown",
                anchor="stimulus-unreadable",
            )
        whole = self.values.astype(np.float32 if self.values.dtype.kind == "f" else np.int32)
        planes = whole[..., None] if whole.ndim == 2 else whole
        images = [self._turn(Image.fromarray(plane.copy())) for plane in planes.transpose(2, 0, 1)]
        turned = np.stack([np.asarray(image) for image in images], axis=-1)
        return torch.from_numpy(turned[..., 0].copy() if whole.ndim == 2 else turned)

    def _turn(self, image: Image.Image) -> Image.Image:
        method = _TURNS.get(self.orientation)
        return image if method is None else image.transpose(method)

    def _scale(self, display: Display) -> np.ndarray:
        """Return the values in 0..1 on the background: float32 (height, width, 3)."""
        assert self.values is not None
        key = self.image.info.get("transparency")
        values, alpha = split_alpha(self.values, self.kind, key)
        visible = values if alpha is None else values[np.broadcast_to(alpha, values.shape) > 0]
        black, white = find_range(visible, self.kind.depth, display.value_range, self.name)
        levels = ((values.astype(np.float64) - black) / (white - black)).astype(np.float32)
        shape = (*levels.shape[:2], 3)
        levels = np.broadcast_to(levels[..., None] if levels.ndim == 2 else levels, shape)
        if alpha is None:
            return np.ascontiguousarray(levels)
        weights = np.broadcast_to(alpha[..., None] if alpha.ndim == 2 else alpha, shape)
        behind = np.array(display.background, np.float32) / 255
        return np.where(weights > 0, weights * levels, 0) + (1 - weights) * behind


def _convert_rgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Return a picture of 8 bits in RGB, a new one, composed onto the background."""
    if not has_alpha(image):
        return image.convert("RGB")
    if image.mode in ("La", "RGBa"):  # premultiplied
        image = image.convert(image.mode.upper())
    shown = Image.new("RGBA", image.size, (*background, 255))
    shown.alpha_composite(image.convert("RGBA"))
    return shown.convert("RGB")


def read_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a decoded picture; 1 where it has none that can be read."""
    try:
        found = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        return 1
    return found if found in _TURNS else 1


class Picture(Medium):
    """A stimulus that is a picture; its subclasses say where it is."""

    noun = "pictures"
    display: Display

    @property
    def kind(self) -> Kind:
        """The kind of picture."""
        raise NotImplementedError

    def decode(self) -> Pixels:
        """Return the decoded picture."""
        raise NotImplementedError

    def prepare(self, transform: Any) -> Any:
        """Return what a transform takes: RGB, or floats (3, y, x) where it takes more than 8 bits.

        For None it is a tensor of the numbers in the file.
        """
        pixels = self.decode()
        if transform is None:
            return pixels.read_numbers(self.display)
        if type(transform) is ImageTransform and pixels.kind.is_deep:
            return pixels.read_levels(self.display)
        return pixels.read_image(self.display)

    @staticmethod
    def describe_set(media: Sequence[Any], transform: Any) -> dict[str, str]:
        """Return what is done to each kind of picture before the transform, by its name."""
        return describe_pictures({one.kind for one in media}, media[0].display, transform)

    def make_thumbnail(self) -> Image.Image:
        """Return the picture small; one of which the range cannot be told from black to white."""
        pixels = self.decode()
        if pixels.values is None:
            image = pixels.read_image(self.display)
        else:
            display = self.display
            finite = pixels.values[np.isfinite(pixels.values)]
            if display.value_range is None and finite.size and finite.min() < finite.max():
                display = replace(display, value_range=(float(finite.min()), float(finite.max())))
            levels = pixels.read_levels(display).numpy()  # (3, height, width)
            image = Image.fromarray(np.rint(levels.transpose(1, 2, 0) * 255).astype(np.uint8))
        image.thumbnail(THUMBNAIL)
        return image


class MemoryPicture(Picture):
    """A picture that Pillow holds in memory."""

    def __init__(self, image: Image.Image, name: str, display: Display) -> None:
        self.name = name
        self.display = display
        self._image = image
        try:
            check_size(image, name, display)
            refuse_animation(image)
            self._kind = find_kind(image)
            if self._kind.is_deep and self._kind.mode not in ("F", "I"):
                raise ValueError("Pillow keeps 8 of the 16 bits of its colours; pass the file")
            image.load()  # a file that two processes share cannot be read by both
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{name} cannot be shown ({error}). Leave it out.", anchor="stimulus-unreadable"
            ) from error

    @property
    def kind(self) -> Kind:
        """The kind of picture."""
        return self._kind

    def decode(self) -> Pixels:
        """Return the picture as it is."""
        values = np.asarray(self._image) if self.kind.is_deep else None
        return Pixels(self.name, self.kind, read_orientation(self._image), self._image, values)

    def update_hash(self, digest: Any) -> None:
        """Add the picture as shown to a hash."""
        pixels = self.decode()
        array = pixels.values
        if array is None:
            array = np.asarray(pixels.read_image(self.display))
        digest.update(f"{array.shape}{array.dtype}{pixels.orientation}".encode() + array.tobytes())


def check_size(image: Image.Image, name: str, display: Display) -> None:
    """Raise InputError where a picture has more pixels than are to be decoded."""
    n_pixels = image.width * image.height
    if n_pixels > display.max_pixels:
        raise InputError(
            f"{name} holds {image.width} x {image.height} = {n_pixels} pixels, more than "
            f"max_pixels={display.max_pixels}. Type max_pixels={n_pixels} to read it all the same.",
            anchor="stimulus-unreadable",
        )


def refuse_animation(image: Any) -> None:
    """Raise ValueError where a file holds several pictures.

    The first of those that a camera stores in a JPEG is the photograph.
    """
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise ValueError(f"it holds {image.n_frames} pictures; save the one to show on its own")


def describe_pictures(kinds: Iterable[Kind], display: Display, transform: Any) -> dict[str, str]:
    """Return what is done to each kind of picture before the transform takes it, by its name."""
    parts = {"pictures": "turned as EXIF says"}
    for kind in sorted(set(kinds)):
        parts[f"pictures of {kind.name}"] = _describe_kind(kind, display, transform)
    return parts


def _describe_kind(kind: Kind, display: Display, transform: Any) -> str:
    if transform is None and (kind.is_deep or (kind.mode in ("1", "L") and not kind.transparent)):
        return "numbers as they are"
    steps = [f"composed onto {display.background}"] if kind.transparent else []
    if kind.is_deep:
        black_white = display.value_range or ("of floats" if kind.depth == "floats" else kind.depth)
        steps.insert(0, f"scaled from {black_white}")
        steps.append("floats" if type(transform) is ImageTransform else "rounded to 8 bits")
    return ", ".join([*steps, "RGB"])


def describe_display(display: Display) -> str:
    """Return how pictures are shown whose kinds are not known before they are read."""
    black_white = display.value_range or "the range that they tell"
    return (
        f"turned as EXIF says, transparent ones composed onto {display.background}, those of more "
        f"than 8 bits scaled from {black_white}"
    )
