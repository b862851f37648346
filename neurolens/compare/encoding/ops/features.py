"""Features of one op, read in blocks of stimuli, so that they need not all be in memory."""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_numbers
from neurolens.compare.inputs.features import flatten_rows, list_ids
from neurolens.labels import STIMULUS, align_labels

Multiply = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
# Of the budget, what is kept of an op as it was read, what is held of one that is not while others
# of its stimuli are read, and what one block takes.
KEPT = 1 / 2
HELD = 1 / 2
BLOCK = 1 / 8
# Numbers of a block in float64, for which more would not make products faster.
MAX_NUMBERS = 2**23


class FeatureBlocks:
    """Features (stimulus, p) of one op about their mean, float64, read block by block.

    Stimuli are numbered in the order of ``ids``. An op that takes no more than half of the
    budget is read once and kept as it is; of others one block at a time is in memory, which is at
    least one chunk of a store.

    Parameters
    ----------
    array : DataArray (stimulus, ...)
        Not loaded, or in memory.
    ids : array (stimulus,)
        Exactly the stimuli of ``array``, in any order.
    name : str
        What to call it in an error.
    memory : int
        The budget in bytes.

    Attributes
    ----------
    n_stimuli, n_features, n_blocks : int
        ``n_blocks`` is the number of parts in which the array is read.
    spread : float
        The sum of squares of all features about their mean, 0 for an op that is constant up to
        rounding of its dtype.
    """

    def __init__(self, array: xr.DataArray, ids: np.ndarray, name: str, memory: int) -> None:
        self.name = name
        self.memory = memory
        self._array = array
        self._ids = list_ids(array, name)
        self.n_stimuli = len(self._ids)
        self._place = _find_rows(array, ids, name)
        self._kept: np.ndarray | None = None
        self._step = self.n_stimuli
        if array.nbytes <= KEPT * memory:
            self._kept = flatten_rows(array, name)
        else:
            self._step = _choose_step(array, memory)
        self.n_blocks = -(-self.n_stimuli // self._step)
        self._measure()

    @property
    def is_kept(self) -> bool:
        """Whether the features are in memory, as they were read."""
        return self._kept is not None

    def iterate(self, rows: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield positions (b,) in ``rows`` and the features (b, p) of these, in any order.

        ``rows`` (m,) are stimuli, by default all. Blocks that hold none of them are not read.
        """
        place = self._place if rows is None else self._place[rows]
        order = np.argsort(place, kind="stable")
        for start in range(0, self.n_stimuli, self._step):
            stop = start + self._step
            first, last = np.searchsorted(place[order], (start, stop))
            if first == last:
                continue
            values = self._read(start, stop)
            for part in self._cut(order[first:last]):
                yield part, self._center(values[place[part] - start])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return the features (m, p) of ``rows`` (m,), in this order."""
        values = np.empty((len(rows), self.n_features))
        for positions, part in self.iterate(rows):
            values[positions] = part
        return values

    def compute_kernel(self, multiply: Multiply) -> np.ndarray:
        """Return the kernel (n, n) of all stimuli, float64.

        ``multiply`` returns the products (a, b) of stored features (a, p) and (b, p) about a mean
        (p,). Half of the budget of rows is held while the rows after them are read: an array of m
        budgets is read about m + 1 times.
        """
        kernel = np.zeros((self.n_stimuli, self.n_stimuli))
        if self.spread == 0:
            return kernel
        by_stimulus = max(1, self._array.nbytes // self.n_stimuli)
        n_held = max(1, int(HELD * self.memory) // by_stimulus // self._step) * self._step
        for start in range(0, self.n_stimuli, n_held):
            stop = min(start + n_held, self.n_stimuli)
            held = self._read(start, stop)
            kernel[start:stop, start:stop] = multiply(held, held, self.mean)
            for first in range(stop, self.n_stimuli, self._step):
                last = min(first + self._step, self.n_stimuli)
                products = multiply(held, self._read(first, last), self.mean)
                kernel[start:stop, first:last] = products
                kernel[first:last, start:stop] = products.T
        if (np.diff(self._place) == 1).all():
            return kernel
        return kernel[np.ix_(self._place, self._place)]

    def hash_values(self) -> str:
        """Return a hash of the features and the order of the stimuli; reads all of them."""
        digest = hashlib.sha256(self._place.tobytes())
        for start in range(0, self.n_stimuli, self._step):
            values = self._read(start, start + self._step)
            if start == 0:
                digest.update(f"{values.dtype} {values.shape[1]}".encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()

    def _read(self, start: int, stop: int) -> np.ndarray:
        """Return the features (b, p) in the places ``start`` to ``stop`` of the array."""
        if self._kept is not None:
            return self._kept[start:stop]
        return flatten_rows(self._array.isel({STIMULUS: slice(start, stop)}), self.name)

    def _cut(self, positions: np.ndarray) -> list[np.ndarray]:
        """Return ``positions`` in parts whose features in float64 are no larger than a block."""
        numbers = min(MAX_NUMBERS, int(BLOCK * self.memory) // 8)
        step = max(1, numbers // self.n_features)
        return [positions[start : start + step] for start in range(0, len(positions), step)]

    def _center(self, values: np.ndarray) -> np.ndarray:
        """Return ``values`` (b, p) about the mean of all stimuli; 0 for an op that is constant."""
        if self.spread == 0:
            return np.zeros(values.shape)
        return np.subtract(values, self.mean, dtype=np.float64)

    def _measure(self) -> None:
        """Read all features once for their mean (p,) and spread, and check them."""
        shift = np.empty(0)
        for start in range(0, self.n_stimuli, self._step):
            stored = self._read(start, start + self._step)
            values = check_numbers(stored, self._ids[start : start + self._step], self.name)
            if start == 0:
                self.n_features = values.shape[1]
                # A mean of some stimuli, so that sums of squares keep their digits.
                shift = values.mean(axis=0, dtype=np.float64)
                eps = float(np.finfo(values.dtype if values.dtype.kind == "f" else float).eps)
                total = np.zeros(self.n_features)
                squares = 0.0
            for part in self._cut(np.arange(len(values))):
                moved = np.subtract(values[part[0] : part[-1] + 1], shift, dtype=np.float64)
                total += moved.sum(axis=0)
                squares += float(np.vdot(moved, moved))
        offset = total / self.n_stimuli
        self.mean = shift + offset
        spread = squares - self.n_stimuli * float(offset @ offset)
        level = self.n_stimuli * float(self.mean @ self.mean) * (16 * eps) ** 2
        self.spread = spread if spread > level else 0.0


def _find_rows(array: xr.DataArray, ids: np.ndarray, name: str) -> np.ndarray:
    """Return the place (n,) in ``array`` of each of ``ids``, which must be the same stimuli."""
    labels = array.coords[STIMULUS]
    places = xr.DataArray(np.arange(len(labels)), dims=STIMULUS, coords={STIMULUS: labels})
    return align_labels(
        places, ids.tolist(), name=name, other="the responses", dims=(STIMULUS,)
    ).values


def _choose_step(array: xr.DataArray, memory: int) -> int:
    """Return how many stimuli to read at once: whole chunks of a store, as the budget allows."""
    chunk = int(array.encoding.get("preferred_chunks", {}).get(STIMULUS, 1))
    by_stimulus = max(1, array.nbytes // array.sizes[STIMULUS])
    wanted = int(BLOCK * memory) // by_stimulus
    return max(1, wanted // chunk) * chunk
