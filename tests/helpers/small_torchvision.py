"""Models of torchvision with random weights, the transformers among them with few of their blocks."""

import torch
import torchvision
from torch import nn
from torchvision.models.swin_transformer import SwinTransformer
from torchvision.models.vision_transformer import VisionTransformer

SMALL = {
    "swin_t": lambda: SwinTransformer([4, 4], 24, [2, 2, 2], [3, 6, 12], [7, 7]),
    "vit_b_16": lambda: VisionTransformer(64, 16, 3, 4, 64, 128),
}


def build_small(name: str) -> nn.Module:
    """Return a classifier of torchvision that takes pictures of 64 x 64 pixels, in evaluation."""
    torch.manual_seed(0)
    if name in SMALL:
        return SMALL[name]().eval()
    return torchvision.models.get_model(name, weights=None).eval()
