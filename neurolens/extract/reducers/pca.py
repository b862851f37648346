"""Principal components of named stimuli."""

import math
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

_CHUNK = 2**16  # features taken to float64 at once

_NIL = 1e-6  # a singular value this much smaller than the first is rounding of float32 values


@dataclass(frozen=True)
class PCA(Reducer):
    """Keep the ``n_components`` principal components of the stimuli ``fit_on``, for all stimuli.

    See `PrincipalAxes`. Fit on stimuli that no later test uses. Results with no more than
    ``n_components`` units stay whole. Components are exact where ``fit_on`` is one batch; fitted in
    several they are those of incremental PCA, which forgets after each batch what lies outside the
    first ``n_components``, and depend on ``batch_size`` by much more than rounding does.
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
                "fit_on=stimuli.ids[:...])."
            )

    def _shrink(self, rows: Rows, n_stimuli: int) -> Rows | str:
        return take_units(rows, self.n_components, "component", torch.float32)

    def _make(self, rows: Rows, after: Rows, device: torch.device, shared: dict) -> Function:
        return PrincipalAxes(self.n_components, len(self.fit_on or ()), rows.size, device)


class PrincipalAxes:
    """Principal components of p units, fitted batch by batch; exact after one batch.

    ``mean`` is (p,); ``components`` (n_components, p), orthonormal, the largest entry of each
    positive, zero where the stimuli do not vary in so many directions; ``singular_values``
    (n_components,) are those of the centred stimuli.

    Notes
    -----
    A batch of b stimuli, however small, costs the SVD of (n_components + b + 1, p), taken through
    its Gram in float64: 4 times faster than ``torch.linalg.svd`` at (117, 100352). Time ``4
    (n_components + b)^2 p``, memory about ``16 (n_components + b) p`` bytes, of which ``4
    n_components p`` stay held per op.

    References
    ----------
    Ross, Lim, Lin & Yang 2008, Incremental learning for robust visual tracking, IJCV, without
    forgetting.
    """

    def __init__(
        self, n_components: int, n_stimuli: int, n_units: int, device: torch.device
    ) -> None:
        self.mean = torch.zeros(n_units, device=device)
        self.components = torch.zeros((0, n_units), device=device)
        self.singular_values = torch.zeros(0, device=device)
        self._n_components = n_components
        self._n_stimuli = n_stimuli
        self._n_seen = 0

    def fit(self, tensor: torch.Tensor) -> None:
        """Fit to a batch (b, *shape) of the stimuli to fit on.

        Raises InputError when a value is not finite.
        """
        rows = flatten_rows(tensor).float()
        k = self._n_components
        old = self._n_seen
        new = len(tensor)
        mean = rows.mean(0)
        step = mean - self.mean
        shift = step[None] * math.sqrt(old * new / (old + new))
        stacked = torch.cat([self.singular_values[:, None] * self.components, rows - mean, shift])
        chunks = stacked.split(_CHUNK, 1)
        gram = torch.stack([chunk.double() @ chunk.double().T for chunk in chunks]).sum(0)
        if not gram.isfinite().all():
            raise InputError(
                "PCA wants finite values, and a stimulus of fit_on has others. Leave this op out "
                "of ops=."
            )
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
            raise InputError(
                f"PCA was {counts}. Where the op does not run for all of them, leave it out of "
                f"ops=."
            )

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the components (batch, n_components), float32, of results (batch, *shape).

        Raises as `finish`.
        """
        self.finish()
        return (flatten_rows(tensor).float() - self.mean) @ self.components.T
