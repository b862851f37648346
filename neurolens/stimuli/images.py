"""Pictures: finding and opening their files, and the usual preprocessing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from neurolens.errors import InputError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})
# The last bytes of a complete file of these formats, padding aside.
_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "GIF": b";"}


@dataclass(eq=False)
class ImageTransform:
    """Preprocessing of ImageNet-trained networks: resize, center crop, scale, normalize.

    Parameters
    ----------
    resize, crop : int
        Pixels: length of the shorter side after resizing (bilinear, antialiased); side of the
        square cut out.
    mean, std : tuple of float
        Per channel, for RGB in [0, 1].
    """

    resize: int = 256
    crop: int = 224
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        self.mean = tuple(self.mean)
        self.std = tuple(self.std)

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return a float32 tensor (3, crop, crop)."""
        from torchvision.transforms import functional as tv

        image = tv.center_crop(
            tv.resize(image.convert("RGB"), [self.resize]), [self.crop, self.crop]
        )
        return tv.normalize(tv.to_tensor(image), self.mean, self.std)


def open_image(path: Path, *, verify_only: bool = False) -> Image.Image:
    """Return the image in a file, fully read; raise InputError naming a file that is broken.

    With ``verify_only`` the file is checked without decoding it: a PNG by its checksums, a JPEG or
    GIF by its end (one that ends otherwise is decoded after all), other formats by their header
    alone.
    """
    try:
        with Image.open(path) as image:
            if not verify_only or not _has_end(path, image.format):
                image.load()
                return image.copy()
            image.verify()
            return image
    except FileNotFoundError:
        raise InputError(
            f"stimulus file {str(path)!r} does not exist any more; restore it and run again"
        ) from None
    except Exception as error:
        raise InputError(
            f"{str(path)!r} cannot be read as an image ({error}). Repair it or move it out of the "
            "folder."
        ) from error


def _has_end(path: Path, image_format: str | None) -> bool:
    """Return whether a file ends as complete files of its format do; True for other formats."""
    end = _ENDS.get(image_format or "")
    if end is None:
        return True
    with open(path, "rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - 4096))
        return file.read().rstrip(b"\0\r\n").endswith(end)


def list_images(folder: Path) -> list[Path]:
    """Return the image files of a folder, sorted by name; InputError where there is none."""
    if not folder.is_dir():
        raise InputError(
            f"no folder {str(folder)!r}; pass a folder of images, a list of files, or an array"
        )
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )
    if not paths:
        raise InputError(
            f"no images in {str(folder)!r}; looked for {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return paths


def is_picture(item: Any) -> bool:
    """Return whether an item is an RGB picture (height, width, 3) of bytes."""
    return (
        isinstance(item, np.ndarray)
        and item.dtype == np.uint8
        and item.ndim == 3
        and item.shape[-1] == 3
    )
