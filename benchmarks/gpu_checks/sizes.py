"""How much is measured: on a GPU, and in a test of the same steps on a CPU."""

from typing import NamedTuple

import torch


class Sizes(NamedTuple):
    """Numbers of pictures, stimuli, features and voxels; ``memory`` is for Grams on a CPU."""

    model: str
    side: int
    few_pictures: int
    pictures: int
    batch_size: int
    rounds: int
    ridge: tuple[int, int, int]
    memory: str


# Stimuli, features and voxels of `ridge`, in this order.
FULL = Sizes("resnet50", 224, 24, 1_000, 32, 3, (10_000, 1_024, 20_000), "64GiB")
QUICK = Sizes("resnet18", 64, 12, 12, 6, 1, (60, 16, 40), "512MiB")

# What the rest of a run takes of the memory that is free: weights, results of a batch, workspace.
SHARE_FOR_GRAMS = 0.8


def find_memory(sizes: Sizes, device: str) -> str | int:
    """Return the budget of Grams: most of what is free on a GPU."""
    if not device.startswith("cuda"):
        return sizes.memory
    free, _ = torch.cuda.mem_get_info()
    return int(SHARE_FOR_GRAMS * free)
