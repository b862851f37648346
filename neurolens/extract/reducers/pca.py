"""Principal components of named stimuli."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from neurolens.errors import InputError
from neurolens.extract.reducers.base import (
    Function,
    Reducer,
    Rows,
    check_count,
    flatten_rows,
    take_units,
)
from neurolens.labels import check_unique

MAX_FITTED = 10_000  # stimuli whose products, 800 MB, are decomposed in minutes

_CHUNK_BYTES = 2**26  # of values taken to float64 at once

_NIL = 1e-6  # a singular value this much smaller than the first is rounding of float32 values


@dataclass(frozen=True)
class PCA(Reducer):
    """Keep the ``n_components`` principal components of the stimuli ``fit_on``, for all stimuli.

    See `PrincipalAxes`. Fit on stimuli that no later test uses, 10,000 at most. Results with no
    more than ``n_components`` units stay whole. Components are those of all of ``fit_on`` at once,
    up to rounding: they do not depend on ``batch_size``, ``memory`` or ``workers``. The results of
    the fitted stimuli are held within ``memory``, of some ops at a time; where those of one op
    exceed it, the model runs the fitted stimuli several times.
    """

    n_components: int
    fit_on: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_count("n_components", self.n_components)
        ids = (
            ()
            if self.fit_on is None or isinstance(self.fit_on, str)
            else tuple(map(str, self.fit_on))
        )
        object.__setattr__(self, "fit_on", ids)
        check_unique(ids, "the ids in fit_on")
        if self.n_components >= len(ids):
            raise InputError(
                f"PCA must have more ids in fit_on than n_components, got {len(ids)} ids for "
                f"{self.n_components} components. Type PCA({self.n_components}, "
                "fit_on=stimuli.ids[:...]).",
                anchor="reducer-settings",
            )
        if len(ids) > MAX_FITTED:
            step = math.ceil(len(ids) / MAX_FITTED)
            raise InputError(
                f"PCA is fitted on {MAX_FITTED:,} stimuli at most, got {len(ids):,} ids in fit_on. "
                f"Choose some of them, e.g. fit_on=stimuli.ids[::{step}].",
                anchor="reducer-settings",
            )

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        return take_units(rows, self.n_components, "component", torch.float32)

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        return PrincipalAxes(self.n_components, len(self.fit_on or ()), rows.size, device)


class PrincipalAxes:
    """Principal components of n stimuli with p units each.

    ``mean`` is (p,), float64; ``components`` (n_components, p), float32, orthonormal, the largest
    entry of each positive, zero where the stimuli do not vary in so many directions;
    ``singular_values`` (n_components,), float64, are those of the centred stimuli.

    The stimuli are shown ``n_passes`` times, in batches in any order, each time followed by
    `end_pass`: once where all their values are held, else once for each slice of units that is
    held, and once more for the components.

    Notes
    -----
    With the centred stimuli X (n, p) and ``X X' = V S^2 V'``, the components are the rows of
    ``S^-1 V' X``; where p < n they are taken from ``X' X``, at less cost. Nothing is approximated.
    Products are made and added up in float64. Singular values below 1e-6 of the first, which are
    rounding where values are float32, count as zero. Time ``2 n p min(n, p)`` and about ``10 min(n,
    p)^3``; memory ``n p`` values, of which `hold_units` holds a slice, and ``8 min(n, p)^2`` bytes;
    ``(4 n_components + 8) p`` bytes stay held per op.

    References
    ----------
    Sirovich 1987, Turbulence and the dynamics of coherent structures, part I, Quarterly of Applied
    Mathematics 45 (the method of snapshots); Jolliffe 2002, Principal Component Analysis, 2nd
    edition, chapter 3.
    """

    def __init__(
        self, n_components: int, n_stimuli: int, n_units: int, device: torch.device
    ) -> None:
        self.mean = torch.zeros(n_units, dtype=torch.float64, device=device)
        self.components = torch.zeros(0, device=device)
        self.singular_values = torch.zeros(0, dtype=torch.float64, device=device)
        self._n_components = n_components
        self._width = n_units
        self._pass = 0
        self._is_seen = torch.zeros(n_stimuli, dtype=torch.bool)
        self._held: torch.Tensor | None = None
        self._gram: torch.Tensor | None = None
        self._weights: torch.Tensor | None = None

    @property
    def n_passes(self) -> int:
        """The number of times that the stimuli are shown."""
        return 1 if self._n_slices == 1 else self._n_slices + 1

    @property
    def _n_slices(self) -> int:
        return math.ceil(len(self.mean) / self._width)

    def hold_units(self, width: int) -> None:
        """Hold no more than so many units of the stimuli at once, in `end_pass` as before."""
        self._width = max(1, min(width, len(self.mean)))

    def fit(self, tensor: torch.Tensor, start: int) -> None:
        """Take a batch (b, *shape) of the stimuli to fit on, beginning with row ``start``."""
        rows = flatten_rows(tensor)
        stop = start + len(rows)
        self._is_seen[start:stop] = True
        if self._weights is not None:
            for units in self._split_units(slice(0, len(self.mean)), len(rows)):
                centered = rows[:, units].double() - self.mean[units]
                self.components[:, units] += self._weights[:, start:stop] @ centered
            return
        part = rows[:, self._find_slice()]
        if self._held is None:
            self._held = part.new_zeros((len(self._is_seen), part.shape[1]))
        self._held[start:stop] = part

    def end_pass(self) -> None:
        """End a pass over the stimuli to fit on.

        Raises InputError when some were not shown, or a value is not finite.
        """
        self._check_seen()
        units = self._find_slice()
        self._pass += 1
        if self._weights is not None:
            self._finish()
        elif self._held is not None:
            held = self._held
            self._held = None
            self._end_slice(held, units)
        if self._pass < self.n_passes:
            self._is_seen[:] = False

    def finish(self) -> None:
        """Raise InputError where the fit has not ended."""
        if self._pass < self.n_passes:
            self._check_seen()
            raise InputError(
                f"PCA was shown its stimuli {self._pass} times, expected {self.n_passes}.",
                anchor="reducer-settings",
            )

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the components (batch, n_components), float32, of results (batch, *shape).

        Raises as `finish`.
        """
        self.finish()
        rows = flatten_rows(tensor)
        scores = torch.zeros(
            (len(rows), self._n_components), dtype=torch.float64, device=rows.device
        )
        for units in self._split_units(slice(0, len(self.mean)), len(rows)):
            centered = rows[:, units].double() - self.mean[units]
            scores += centered.float() @ self.components[:, units].T
        return scores.float()

    def _check_seen(self) -> None:
        n_seen = int(self._is_seen.sum())
        if n_seen != len(self._is_seen):
            raise InputError(
                f"PCA was fitted on {n_seen} stimuli, expected the {len(self._is_seen)} of fit_on. "
                "Where the op does not run for all of them, leave it out of ops=.",
                anchor="reducer-settings",
            )

    def _find_slice(self) -> slice:
        """Return the units that are held in this pass."""
        start = self._pass * self._width
        return slice(start, min(start + self._width, len(self.mean)))

    def _split_units(self, units: slice, n_rows: int) -> Iterator[slice]:
        """Yield parts of units of which so many rows are taken to float64 at once."""
        step = max(1, _CHUNK_BYTES // (8 * n_rows))
        for start in range(units.start, units.stop, step):
            yield slice(start, min(start + step, units.stop))

    def _end_slice(self, held: torch.Tensor, units: slice) -> None:
        """Add the products of the units that are held, (stimulus, unit); decompose the sum."""
        n_stimuli, n_units = held.shape
        is_whole = n_units == len(self.mean)
        by_unit = is_whole and n_units < n_stimuli
        if self._gram is None:
            size = n_units if by_unit else n_stimuli
            self._gram = torch.zeros((size, size), dtype=torch.float64, device=held.device)
        for part in self._split_units(units, n_units if by_unit else n_stimuli):
            values = held[:, part.start - units.start : part.stop - units.start].double()
            self.mean[part] = values.mean(0)
            if not by_unit:
                values -= self.mean[part]
                self._gram += values @ values.T
        if by_unit:
            for rows in held.split(max(1, _CHUNK_BYTES // (8 * n_units))):
                centered = rows.double() - self.mean
                self._gram += centered.T @ centered
        if units.stop < len(self.mean):
            return
        vectors = self._decompose()
        if by_unit:
            self.components = vectors.T.contiguous()
            self._finish()
            return
        inverse = torch.where(self.singular_values > 0, 1 / self.singular_values, 0)
        self._weights = (vectors * inverse).T  # (component, stimulus)
        shape = (self._n_components, len(self.mean))
        self.components = torch.zeros(shape, dtype=torch.float64, device=held.device)
        if is_whole:
            self.fit(held, 0)
            self._finish()

    def _decompose(self) -> torch.Tensor:
        """Set the singular values, and return the vectors (row, component) of the sum of products.

        They are zero where the stimuli do not vary.
        """
        gram = self._gram
        self._gram = None
        if gram is None or not gram.isfinite().all():
            raise InputError(
                "PCA wants finite values, and a stimulus of fit_on has others. Leave this op out "
                "of ops=.",
                anchor="reducer-settings",
            )
        squares, vectors = torch.linalg.eigh(gram)
        scale = squares.flip(0)[: self._n_components].clamp_min(0).sqrt()
        varies = scale > _NIL * scale[0]
        self.singular_values = torch.where(varies, scale, 0)
        return vectors.flip(1)[:, : self._n_components] * varies

    def _finish(self) -> None:
        """Give the components unit length and definite signs, in float32."""
        self._weights = None
        components = self.components
        largest = components.gather(1, components.abs().argmax(1, keepdim=True))
        length = components.norm(dim=1, keepdim=True)
        factor = torch.where(largest < 0, -1.0, 1.0) / torch.where(length > 0, length, 1)
        self.components = (components * factor).float()
