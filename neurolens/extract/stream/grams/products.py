"""Sums of products between all stimuli: exact, or of features hashed into fewer."""

import math

import numpy as np
import torch

from neurolens.extract.capture.restore import full_precision

CHUNK_BYTES = 64 * 2**20
# Up to here a Gram is summed in float64 throughout; beyond, products are float32 and their sums
# float64.
EXACT_STIMULI = 512
_BAND = 64


def count_chunk_features(n_stimuli: int) -> int:
    """Return how many features are multiplied at once.

    It depends on the number of stimuli only, so that the order of sums does too.
    """
    return max(1, CHUNK_BYTES // (8 * n_stimuli))


def add_products(rows: torch.Tensor, gram: np.ndarray, total: np.ndarray) -> None:
    """Add A A' to the upper triangle of ``gram`` and A 1 to ``total``, A (stimulus, feature).

    Both sums are float64. Products are float64 up to 512 stimuli. Beyond, they are float32 of
    mean-centered rows, chunk by chunk; the means are put back in float64, since a large common
    offset would cost digits. Autocast and reduced-precision products that the caller has set for
    the model (TF32, bfloat16) do not apply here.

    Parameters
    ----------
    rows : Tensor (stimulus, feature)
        Real; values that are not finite stay so in ``gram``.
    gram : ndarray (stimulus, stimulus), float64
    total : ndarray (stimulus,), float64

    Notes
    -----
    About ``1.25 n^2 p`` floating-point operations: the square is taken in four bands, of which
    those below the diagonal are left out.
    """
    n_stimuli, n_features = rows.shape
    on_mps = rows.device.type == "mps"  # which has no float64
    is_double = n_stimuli <= EXACT_STIMULI and not on_mps
    sums_of_products = torch.from_numpy(gram)
    step = count_chunk_features(n_stimuli)
    height = n_stimuli if n_stimuli < 4 * _BAND else -(-n_stimuli // 4)
    with full_precision(rows.device):
        for start in range(0, n_features, step):
            chunk = rows[:, start : start + step]  # (stimulus, feature of the chunk)
            width = chunk.shape[1]
            part = chunk.to("cpu" if on_mps else rows.device, torch.float64)
            sums = part.sum(1).cpu().numpy()
            if not is_double:
                mean = (sums / width).astype(np.float32)
                part = _center_rows(chunk, part, torch.from_numpy(mean))
                mean = mean.astype(np.float64)
                with np.errstate(invalid="ignore", over="ignore"):
                    gram += np.outer(mean, sums) + np.outer(sums - width * mean, mean)
            total += sums
            for top in range(0, n_stimuli, height):
                band = part[top : top + height] @ part[top:].T  # (row of the band, stimulus)
                sums_of_products[top : top + height, top:] += band.to("cpu", torch.float64)


def _center_rows(chunk: torch.Tensor, double: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """Return the rows (stimulus, feature) less their means (stimulus,), as float32.

    Where float32 does not hold the values themselves, the difference is taken in float64.
    """
    if chunk.dtype in (torch.float32, torch.float16, torch.bfloat16):
        return chunk.float() - mean.to(chunk.device)[:, None]
    return (double - mean.to(double.device, torch.float64)[:, None]).float().to(chunk.device)


def mirror_triangle(gram: np.ndarray) -> None:
    """Copy the upper triangle of a Gram onto the lower one."""
    upper = np.triu(gram, 1)
    gram[:] = upper + upper.T + np.diag(np.diag(gram))


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
        self._sign = (torch.randint(0, 2, (n_features,), generator=generator) * 2.0 - 1).to(device)
        self._k = k

    def reduce(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the sketch (stimulus, k), float32, of mean-centered rows (stimulus, feature)."""
        rows = rows.float() - rows.double().mean(1, keepdim=True).float()
        return rows.new_zeros((len(rows), self._k)).index_add_(1, self._bucket, rows * self._sign)


def find_sketch_error(k: int) -> float:
    """Return the bound on a sketched Gram's error, relative to the product of two rows' norms."""
    return math.sqrt(2 / k)
