"""Sums of products between all stimuli: exact, or of features hashed into fewer."""

import math

import numpy as np
import torch

from neurolens.extract.capture.restore import full_precision

CHUNK_BYTES = 16 * 2**20
# Up to here a Gram is summed in float64 throughout; beyond, products are float32 and their sums
# float64.
EXACT_STIMULI = 512
_BAND = 64
# How many stimuli tell the pattern over features that all share.
_N_SAMPLED = 64
# Between these, float32 holds the squares of values and of what rounding leaves of them.
_SAFE_LOW = 1e-9
_SAFE_HIGH = 1e15


def count_chunk_bytes(budget: int | None = None) -> int:
    """Return the size, as float64, of what is multiplied at once within a budget."""
    return CHUNK_BYTES if budget is None else min(CHUNK_BYTES, budget // 8)


def count_chunk_features(n_stimuli: int, budget: int | None = None) -> int:
    """Return how many features are multiplied at once.

    With a budget that leaves whole chunks it depends on the number of stimuli only, so that the
    order of sums does too.
    """
    return max(1, count_chunk_bytes(budget) // (8 * n_stimuli))


def add_products(
    rows: torch.Tensor, gram: np.ndarray, total: np.ndarray, step: int | None = None
) -> None:
    """Add A A' to the upper triangle of ``gram`` and A 1 to ``total``, A (stimulus, feature).

    Both sums are float64. Products are float64 up to 512 stimuli. Beyond, they are float32 of
    doubly centered rows, chunk by chunk: the mean of each row and of each feature is put back in
    float64, since an offset or a pattern that all stimuli share would cost digits, and values are
    scaled by a power of 2, since float32 holds squares of 1e-22 to 1e19 only. Autocast and
    reduced-precision products that the caller has set for the model (TF32, bfloat16) do not apply
    here.

    Parameters
    ----------
    rows : Tensor (stimulus, feature)
        Real; values that are not finite stay so in ``gram``.
    gram : ndarray (stimulus, stimulus), float64
    total : ndarray (stimulus,), float64
    step : int, optional
        Features that are multiplied at once; by default those of 16 MiB.

    Notes
    -----
    About ``1.25 n^2 p`` floating-point operations: the square is taken in four bands, of which
    those below the diagonal are left out.
    """
    n_stimuli, n_features = rows.shape
    on_mps = rows.device.type == "mps"  # which has no float64
    is_double = n_stimuli <= EXACT_STIMULI and not on_mps
    step = count_chunk_features(n_stimuli) if step is None else step
    with full_precision(rows.device):
        for start in range(0, n_features, step):
            chunk = rows[:, start : start + step]  # (stimulus, feature of the chunk)
            part = chunk.to("cpu" if on_mps else rows.device, torch.float64)
            total += part.sum(1).cpu().numpy()
            if is_double:
                _add_bands(part, gram, 1.0)
            else:
                _add_centered(part.clone() if part is chunk else part, gram, rows.device)


def _add_bands(rows: torch.Tensor, gram: np.ndarray, scale: float) -> None:
    """Add the products of rows (stimulus, feature), times ``scale``, to the upper triangle."""
    n_stimuli = len(gram)
    height = n_stimuli if n_stimuli < 4 * _BAND else -(-n_stimuli // 4)
    sums = torch.from_numpy(gram)
    for top in range(0, n_stimuli, height):
        band = rows[top : top + height] @ rows[top:].T  # (row of the band, stimulus)
        sums[top : top + height, top:] += band.to("cpu", torch.float64).mul_(scale)


def _add_centered(values: torch.Tensor, gram: np.ndarray, device: torch.device) -> None:
    """Add the products of values (stimulus, feature), float64, taken in float32.

    With r the mean of each row, m about that of each feature of what is left, and B the rest,
    ``A A' = B B' + (B m) 1' + 1 (B m)' + m'm + r (A 1)' + (A 1 - p r) r'`` with p features.
    ``values`` are overwritten.
    """
    n_features = values.shape[1]
    sums = values.sum(1)  # (stimulus,)
    row_means = sums / n_features
    rest = values.sub_(row_means[:, None])  # (stimulus, feature)
    # The equation holds for any m; some stimuli tell what all share.
    sample = rest[:: -(-len(rest) // _N_SAMPLED)]
    pattern = sample.mean(0).nan_to_num_(0, 0, 0)  # (feature,)
    rest -= pattern
    cross = (rest @ pattern).cpu().numpy()  # (stimulus,)
    left = cross + float(pattern @ pattern)
    deviations = (sums - n_features * row_means).cpu().numpy()
    means = row_means.cpu().numpy()
    totals = sums.cpu().numpy()
    with np.errstate(invalid="ignore", over="ignore"):
        for top in range(0, len(gram), _BAND):
            band = slice(top, top + _BAND)
            gram[band] += left[band, None] + cross
            gram[band] += np.outer(means[band], totals)
            gram[band] += np.outer(deviations[band], means)
    single = rest.float()
    exponent = _find_exponent(rest, single)
    if exponent:
        single = rest.mul_(float(np.ldexp(1.0, -exponent))).float()
    _add_bands(single.to(device), gram, float(np.ldexp(1.0, 2 * exponent)))


def _find_exponent(values: torch.Tensor, single: torch.Tensor) -> int:
    """Return the power of 2 by which to divide values so that float32 holds their squares.

    It is 0 where float32 holds them as they are (``single``), and where some are not finite.
    """
    largest = _find_largest(single)
    if _SAFE_LOW < largest < _SAFE_HIGH:
        return 0
    largest = _find_largest(values)
    return max(-1000, math.frexp(largest)[1]) if 0 < largest < math.inf else 0


def _find_largest(values: torch.Tensor) -> float:
    return max(abs(float(value)) for value in torch.aminmax(values))


def mirror_triangle(gram: np.ndarray) -> None:
    """Copy the upper triangle of a Gram onto the lower one."""
    for top in range(0, len(gram), _BAND):
        bottom = min(top + _BAND, len(gram))
        gram[top:bottom, :top] = gram[:top, top:bottom].T
        square = gram[top:bottom, top:bottom]
        square[:] = np.triu(square) + np.triu(square, 1).T


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
