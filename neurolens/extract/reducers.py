"""What makes each stimulus's result of one op smaller, on the device, before anything is copied or stored."""

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from neurolens.errors import InputError
from neurolens.labels import check_name, check_unique

Function = Callable[[torch.Tensor], torch.Tensor]
DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
POOLED = {
    "mean": ("frame", "y", "x", "token", "window"),
    "max": ("frame", "y", "x", "token", "window"),
    "cls": ("token",),
}
_CHUNK = 2**16  # features taken to float64 at once
_NIL = 1e-6  # a singular value this much smaller than the first is rounding of float32 values


@dataclass(frozen=True, slots=True)
class Rows:
    """What each stimulus's result looks like: ``shape`` and ``dims`` without the stimulus axis."""

    shape: tuple[int, ...]
    dims: tuple[str, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Number of units, p."""
        return math.prod(self.shape)


class Reducer:
    """Base of all reducers: frozen settings. What one has nothing to do for stays whole, and `explain` says why."""

    fit_on: tuple[str, ...] | None = None

    def plan(self, rows: Rows, n_stimuli: int) -> Rows:
        """Return what each result looks like afterwards; InputError when results of this dtype cannot be reduced so."""
        found = self._shrink(rows, n_stimuli)
        return rows if isinstance(found, str) else found

    def explain(self, rows: Rows, n_stimuli: int) -> dict[str, Any]:
        """Return what was done to an op in JSON's types, but for ``kept_units``: kind, settings, before and after.

        ``stayed_whole`` is the reason where nothing was done.
        """
        after, found = self.plan(rows, n_stimuli), self._shrink(rows, n_stimuli)
        shapes = {"shape_before": list(rows.shape), "shape_after": list(after.shape)}
        dtypes = {"dtype_before": str(rows.dtype), "dtype_after": str(after.dtype)}
        details = {"stayed_whole": found} if isinstance(found, str) else self._add_details(rows)
        return {"kind": type(self).__name__.lower(), **vars(self), **shapes, **dtypes, **details}

    def open(self, rows: Rows, n_stimuli: int, device: torch.device, shared: dict) -> Function:
        """Return the function that reduces (batch, *shape); ``shared`` keeps what ops of one run have in common."""
        found = self._shrink(rows, n_stimuli)
        return (lambda tensor: tensor) if isinstance(found, str) else self._make(rows, found, device, shared)

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        """Return what comes out, or why the op stays whole."""
        raise NotImplementedError

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        raise NotImplementedError

    def _add_details(self, rows: Rows) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Cast(Reducer):
    """Make floating-point results ``"float16"`` (ends at 65504: `count_overflow`), ``"bfloat16"`` or ``"float32"``."""

    dtype: str

    def __post_init__(self) -> None:
        check_name(self.dtype, DTYPES, "dtype to cast to")

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        if not rows.dtype.is_floating_point:
            return f"only floating-point results are cast, this is {rows.dtype}"
        after = replace(rows, dtype=DTYPES[self.dtype])
        return f"is {rows.dtype} already" if rows == after else after

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        return lambda tensor: tensor.to(after.dtype)


@dataclass(frozen=True)
class Pool(Reducer):
    """Take the ``"mean"`` or ``"max"`` over space, frames and tokens, or the first token only (``"cls"``).

    Axes are found by name: ``y``, ``x``, ``frame``, ``token``, ``window`` (of tokens), ``window_2``; not ``key``, the
    tokens that each token attends to, nor ``group``, such as the heads of an attention. The mean of integers and
    booleans is float32.
    """

    how: str

    def __post_init__(self) -> None:
        check_name(self.how, POOLED, "way to pool")

    def _find_axes(self, rows: Rows) -> list[int]:
        names = [re.sub(r"^window_\d+$", "window", dim) for dim in rows.dims]
        return [i for i, name in enumerate(names) if name in POOLED[self.how] and rows.shape[i] > 0]

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        axes, real = self._find_axes(rows), not rows.dtype.is_complex
        if not axes:
            return f"has no axis named {' or '.join(POOLED[self.how])}"
        if self.how == "max" and not real:
            raise InputError(f"'max' wants values that can be ordered, got {rows.dtype}. Type reducer='mean'.")
        kept = [i for i in range(len(rows.dims)) if i not in axes]
        counts = self.how == "mean" and real and not rows.dtype.is_floating_point
        dtype = torch.float32 if counts else rows.dtype
        return Rows(tuple(rows.shape[i] for i in kept), tuple(rows.dims[i] for i in kept), dtype)

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        axes = [i + 1 for i in self._find_axes(rows)]
        if self.how == "cls":
            return lambda tensor: tensor.select(axes[0], 0)
        return lambda tensor: tensor.amax(axes) if self.how == "max" else tensor.to(after.dtype).mean(axes)

    def _add_details(self, rows: Rows) -> dict[str, Any]:
        return {"pooled": [rows.dims[i] for i in self._find_axes(rows)]}


@dataclass(frozen=True)
class Subsample(Reducer):
    """Keep ``n_units`` units drawn without replacement, in their order; the same ones for ops of equal size."""

    n_units: int
    seed: int = 0

    def __post_init__(self) -> None:
        _check_count("n_units", self.n_units)

    def draw_units(self, p: int) -> torch.Tensor:
        """Return the kept positions (n_units,) among p units, ascending, int64 on the CPU."""
        return torch.randperm(p, generator=torch.Generator().manual_seed(self.seed))[: self.n_units].sort().values

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        return _take_units(rows, self.n_units, "unit", rows.dtype)

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        key = (self, rows.size, device)
        if key not in shared:
            shared[key] = self.draw_units(rows.size).to(device)
        return lambda tensor: _flatten(tensor).index_select(1, shared[key])

    def _add_details(self, rows: Rows) -> dict[str, Any]:
        return {"kept_units": self.draw_units(rows.size).numpy()}


@dataclass(frozen=True)
class Project(Reducer):
    """Project results on k = ``n_components`` random directions that keep the distances between stimuli.

    ``R x`` for x (p,) with R (k, p) very sparse: each entry is ``+-sqrt(sqrt(p) / k)``, either sign with probability
    ``1 / (2 sqrt(p))``, else 0. R depends on (p, k, seed) only. By default k is `count_components` of the number of
    stimuli and ``epsilon``: squared distances are kept within a factor 1 +- epsilon. Where p <= k results stay whole.

    Notes
    -----
    Cost: k sqrt(p) products per stimulus, and 8 bytes each for R. On one CPU core the product with CSR was 9 times and
    more faster than ``index_add_`` (p 25,088 to 802,816, k 5,920, batches of 16). Directions this sparse want p in the
    thousands and variance that is not all in a handful of units.

    References
    ----------
    Li, Hastie & Church 2006, Very sparse random projections, KDD: s = sqrt(p).
    """

    n_components: int | None = None
    epsilon: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        _check_count("n_components", 1 if self.n_components is None else self.n_components)
        if not isinstance(self.epsilon, float) or not 0 < self.epsilon < 1:
            raise InputError(f"epsilon must be a float between 0 and 1, got {self.epsilon!r}. The usual is 0.1.")

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        k = self.n_components or count_components(n_stimuli, self.epsilon)
        return _take_units(rows, k, "component", torch.float32)

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        key = ("project", rows.size, after.size, self.seed, device)
        if key not in shared:
            shared[key] = draw_projection(rows.size, after.size, self.seed).to(device)
        return lambda tensor: (shared[key] @ _flatten(tensor).float().T).T


@dataclass(frozen=True)
class PCA(Reducer):
    """Keep the ``n_components`` principal components of the stimuli ``fit_on``, for all stimuli: see `PrincipalAxes`.

    Fit on stimuli that no later test uses. Results with no more than ``n_components`` units stay whole. Components are
    exact where ``fit_on`` is one batch; fitted in several they are those of incremental PCA, which forgets after each
    batch what lies outside the first ``n_components``, and depend on ``batch_size`` by much more than rounding does.
    """

    n_components: int
    fit_on: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _check_count("n_components", self.n_components)
        ids = () if self.fit_on is None or isinstance(self.fit_on, str) else tuple(map(str, self.fit_on))
        object.__setattr__(self, "fit_on", ids)
        check_unique(ids, "the ids in fit_on")
        if self.n_components >= len(ids):
            told = f"more ids in fit_on than n_components, got {len(ids)} ids for {self.n_components} components"
            raise InputError(f"PCA must have {told}. Type PCA({self.n_components}, fit_on=stimuli.ids[:...]).")

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        return _take_units(rows, self.n_components, "component", torch.float32)

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        return PrincipalAxes(self.n_components, len(self.fit_on or ()), rows.size, device)


class PrincipalAxes:
    """Principal components of p units, fitted batch by batch; exact after one batch, and else as incremental PCA is.

    ``mean`` is (p,); ``components`` (n_components, p), orthonormal, the largest entry of each positive, zero where the
    stimuli do not vary in so many directions; ``singular_values`` (n_components,) are those of the centred stimuli.

    Notes
    -----
    A batch of b stimuli, however small, costs the SVD of (n_components + b + 1, p), taken through its Gram in float64:
    4 times faster than ``torch.linalg.svd`` at (117, 100352). Time ``4 (n_components + b)^2 p``, memory about
    ``16 (n_components + b) p`` bytes, of which ``4 n_components p`` stay held per op.

    References
    ----------
    Ross, Lim, Lin & Yang 2008, Incremental learning for robust visual tracking, IJCV, without forgetting.
    """

    def __init__(self, n_components: int, n_stimuli: int, n_units: int, device: torch.device) -> None:
        self.mean = torch.zeros(n_units, device=device)
        self.components = torch.zeros((0, n_units), device=device)
        self.singular_values = torch.zeros(0, device=device)
        self._n_components, self._n_stimuli, self._n_seen = n_components, n_stimuli, 0

    def fit(self, tensor: torch.Tensor) -> None:
        """Learn from a batch (b, *shape) of the stimuli to fit on; InputError when a value is not finite."""
        rows, k, old, new = _flatten(tensor).float(), self._n_components, self._n_seen, len(tensor)
        mean = rows.mean(0)
        step = mean - self.mean
        shift = step[None] * math.sqrt(old * new / (old + new))
        stacked = torch.cat([self.singular_values[:, None] * self.components, rows - mean, shift])
        chunks = stacked.split(_CHUNK, 1)
        gram = torch.stack([chunk.double() @ chunk.double().T for chunk in chunks]).sum(0)
        if not gram.isfinite().all():
            raise InputError("PCA wants finite values, and a stimulus of fit_on has others. Leave this op out of ops=.")
        squares, vectors = torch.linalg.eigh(gram)
        scale = squares.flip(0)[:k].clamp_min(0).sqrt()
        varies = scale > _NIL * scale[0]
        weights = vectors.flip(1)[:, :k].T * torch.where(varies, 1 / scale, 0)[:, None]
        components = torch.cat([(weights @ chunk.double()).float() for chunk in chunks], 1)
        largest = components.gather(1, components.abs().argmax(1, keepdim=True))
        self.components = components * torch.where(largest < 0, -1.0, 1.0)
        self.singular_values = torch.where(varies, scale, 0).float()
        self.mean = self.mean + step * (new / (old + new))
        self._n_seen = old + new

    def finish(self) -> None:
        """End the fit; InputError when it has not seen each stimulus of ``fit_on``."""
        if self._n_seen != self._n_stimuli:
            counts = f"fitted on {self._n_seen} stimuli, expected the {self._n_stimuli} of fit_on"
            raise InputError(f"PCA was {counts}. Where the op does not run for all of them, leave it out of ops=.")

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the components (batch, n_components), float32, of results (batch, *shape); raises as `finish`."""
        self.finish()
        return (_flatten(tensor).float() - self.mean) @ self.components.T


def draw_projection(p: int, k: int, seed: int) -> torch.Tensor:
    """Return R (k, p) of `Project`: CSR, float32, on the CPU. Nonzeros by their geometric gaps: time k sqrt(p)."""
    generator = torch.Generator().manual_seed(seed)
    expected = k * math.sqrt(p)
    n_draws = int(expected + 10 * math.sqrt(expected) + 100)  # enough, but for one matrix in 10^23
    gaps = torch.empty(n_draws, dtype=torch.float64).geometric_(1 / math.sqrt(p), generator=generator)
    places = gaps.cumsum(0).long() - 1
    places = places[places < k * p]
    starts = torch.bincount(places // p + 1, minlength=k + 1).cumsum(0)
    signs = torch.randint(0, 2, places.shape, generator=generator).float() * 2 - 1
    values = signs * math.sqrt(math.sqrt(p) / k)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(starts.int(), (places % p).int(), values, (k, p), check_invariants=False)


def count_components(n_stimuli: int, epsilon: float) -> int:
    """Return the least k >= 4 ln n / (e^2 / 2 - e^3 / 3) (Dasgupta & Gupta 2003, theorem 2.1): 5921 for 1000, 0.1."""
    return max(1, math.ceil(4 * math.log(n_stimuli) / (epsilon**2 / 2 - epsilon**3 / 3)))


def _flatten(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.reshape(len(tensor), math.prod(tensor.shape[1:]))


def _take_units(rows: Rows, n_units: int, dim: str, dtype: torch.dtype) -> Rows | str:
    if rows.size <= n_units:
        return f"has {rows.size} units, no more than {n_units}"
    if rows.dtype.is_complex and not dtype.is_complex:
        raise InputError(f"wants real values, got {rows.dtype}. Leave this op out of ops=, or use Subsample.")
    return Rows((n_units,), (dim,), dtype)


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name} must be an int of at least 1, got {value!r}. Type e.g. {name}=100.")


REDUCERS: dict[str, Reducer | type[Reducer]] = {
    **{name: Cast(name) for name in DTYPES},
    **{how: Pool(how) for how in POOLED},
    "subsample": Subsample,
    "project": Project(),
    "pca": PCA,
}
