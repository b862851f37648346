"""Pictures: the usual preprocessing of networks, and arrays that are pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image


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

    def __call__(self, image: Image.Image | torch.Tensor) -> torch.Tensor:
        """Return a float32 tensor (3, crop, crop).

        Parameters
        ----------
        image : PIL.Image.Image or tensor
            A picture, or its RGB in [0, 1] as float32 (3, height, width), which is not rounded to 8
            bits.
        """
        from torchvision.transforms import functional as tv

        picture = image if isinstance(image, torch.Tensor) else image.convert("RGB")
        cut = tv.center_crop(
            tv.resize(picture, [self.resize], antialias=True), [self.crop, self.crop]
        )
        levels = cut if isinstance(cut, torch.Tensor) else tv.to_tensor(cut)
        return tv.normalize(levels, self.mean, self.std)


def is_picture(item: Any) -> bool:
    """Return whether an item is an RGB picture (height, width, 3) of bytes."""
    return (
        isinstance(item, np.ndarray)
        and item.dtype == np.uint8
        and item.ndim == 3
        and item.shape[-1] == 3
    )
