"""Sums of products between all stimuli: exact, or of features hashed into fewer."""

import math

import numpy as np
import torch

CHUNK_BYTES = 64 * 2**20
# Up to here a Gram is summed in float64 throughout; beyond, products are float32 and their sums float64.
EXACT_STIMULI = 512
_BAND = 64


def count_chunk_features(n_stimuli: int) -> int:
    """Return how many features are multiplied at once; it depends on nothing else, so that sums do not either."""
    return max(1, CHUNK_BYTES // (8 * n_stimuli))


def add_products(rows: torch.Tensor, gram: np.ndarray, total: np.ndarray) -> None:
    """Add A A' to the upper triangle of ``gram`` and A 1 to ``total``, A (stimulus, feature); both are float64.

    Products are float64 up to 512 stimuli. Beyond, they are float32 of rows freed from their means chunk by chunk,
    which are put back exactly: a large common offset would cost digits.

    Notes
    -----
    About ``1.25 n^2 p`` floating-point operations: the square is taken in four bands, of which those below the diagonal
    are left out.
    """
    n, p = rows.shape
    double = n <= EXACT_STIMULI and rows.device.type != "mps"
    found, step = torch.from_numpy(gram), count_chunk_features(n)
    height = n if n < 4 * _BAND else -(-n // 4)
    for start in range(0, p, step):
        chunk = rows[:, start : start + step]
        # Values that are not finite stay so, and the caller tells of them.
        part = chunk.to("cpu" if rows.device.type == "mps" else rows.device, torch.float64)
        sums = part.sum(1).cpu().numpy()
        if not double:
            mean = (sums / chunk.shape[1]).astype(np.float32)
            part = chunk.float() - torch.from_numpy(mean).to(rows.device)[:, None]
            mean64 = mean.astype(np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                gram += np.outer(mean64, sums) + np.outer(sums - chunk.shape[1] * mean64, mean64)
        total += sums
        for top in range(0, n, height):
            found[top : top + height, top:] += (part[top : top + height] @ part[top:].T).to("cpu", torch.float64)


def mirror_triangle(gram: np.ndarray) -> None:
    """Copy the upper triangle of a Gram onto the lower one."""
    upper = np.triu(gram, 1)
    gram[:] = upper + upper.T + np.diag(np.diag(gram))


class Sketch:
    """Features hashed into ``k`` sums with random signs, so that products between stimuli stay as they are on average.

    An entry of the Gram of sketches differs from the exact one by at most ``sqrt(2 / k)`` times the two rows' norms, as
    a standard deviation over hashes.

    References
    ----------
    Charikar, Chen & Farach-Colton 2002, Finding frequent items in data streams (CountSketch); variance as in Weinberger
    et al. 2009, Feature hashing for large scale multitask learning, lemma 2.
    """

    def __init__(self, n_features: int, k: int, device: torch.device, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self._bucket = torch.randint(0, k, (n_features,), generator=generator).to(device)
        self._sign = (torch.randint(0, 2, (n_features,), generator=generator) * 2.0 - 1).to(device)
        self._k = k

    def reduce(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the sketch (stimulus, k), float32, of rows (stimulus, feature) freed from their means."""
        rows = rows.float() - rows.double().mean(1, keepdim=True).float()
        return rows.new_zeros((len(rows), self._k)).index_add_(1, self._bucket, rows * self._sign)


def find_sketch_error(k: int) -> float:
    """Return the bound on a sketched Gram's error, in units of the product of the two rows' norms."""
    return math.sqrt(2 / k)
