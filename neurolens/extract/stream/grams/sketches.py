"""Features hashed into fewer sums, whose products are those of all features on average."""

import math

import torch


class Sketch:
    """Features hashed into ``k`` sums with random signs, which keep products on average.

    References
    ----------
    Charikar, Chen & Farach-Colton 2002, Finding frequent items in data streams (CountSketch);
    variance as in Weinberger et al. 2009, Feature hashing for large scale multitask learning, lemma
    2.
    """

    def __init__(self, n_features: int, k: int, device: torch.device, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._bucket = torch.randint(0, k, (n_features,), generator=generator).to(device)
        signs = torch.randint(0, 2, (n_features,), generator=generator).float() * 2 - 1
        self._sign = signs.to(device)
        self._k = k

    def reduce(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the sketch (stimulus, k), float32, of mean-centered rows (stimulus, feature)."""
        rows = rows.float() - rows.double().mean(1, keepdim=True).float()
        return rows.new_zeros((len(rows), self._k)).index_add_(1, self._bucket, rows * self._sign)


def find_sketch_error(k: int) -> float:
    """Return the bound on a sketched Gram's error, relative to the product of two rows' norms."""
    return math.sqrt(2 / k)
