"""What a permutation test exchanges: all stimuli, within groups, whole groups, or shifts."""

import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import rank_ids
from neurolens.compare.inputs.groups import GroupsBy, read_groups
from neurolens.compare.stats.permutations import (
    SCHEMES,
    count_fixed,
    count_orders,
    draw_orders,
)
from neurolens.errors import InputError, warn_user
from neurolens.labels import check_name

# What a permutation of stimuli generalizes over.
INFERENCE = "stimuli, for these subjects (fixed)"
# The share of false discoveries that a q is compared with, and the level of a test.
LEVEL = 0.05


class Exchange(NamedTuple):
    """A key of `SCHEMES`, and the ``group`` (n,) of each stimulus, in the order of the data.

    ``ids`` are the stimuli where permutations belong to them rather than to their order; ``rows``
    (n,) are the positions of the stimuli in order of presentation.
    """

    scheme: str
    group: np.ndarray
    ids: np.ndarray | None = None
    rows: np.ndarray | None = None

    def draw_orders(self, n_permutations: int, rng: np.random.Generator) -> np.ndarray:
        """Return orders (1 + permutation, n) of the stimuli, the first of which changes nothing.

        Single stimuli are permuted in the order of their ids, so that permutations do not depend on
        that of the data; groups and series keep the order of ``rows``.
        """
        if self.scheme in ("groups", "shift"):
            sequence = self.rows
        else:
            sequence = None if self.ids is None else np.argsort(rank_ids(self.ids))
        if sequence is None:
            sequence = np.arange(len(self.group))
        drawn = draw_orders(self.scheme, self.group[sequence], n_permutations, rng)
        return sequence[drawn][:, np.argsort(sequence)]


def read_exchange(
    scheme: str | None,
    by: GroupsBy | None,
    default: Exchange,
    ids: np.ndarray,
    *data: xr.DataArray,
    rows: np.ndarray | None = None,
) -> Exchange:
    """Return what is permuted, checked: ``scheme`` of groups ``by``, by ``default`` where None.

    ``rows`` are the positions of ``ids`` in order of presentation, by default as they stand.
    """
    group = default.group if by is None else read_groups(by, ids, *data)
    if scheme is None:
        scheme = default.scheme if by is None or default.scheme == "shift" else "groups"
    check_name(scheme, SCHEMES, "scheme")
    exchange = Exchange(scheme, group, ids, rows)
    if scheme in ("within", "groups") and len(np.unique(group)) < 2:
        raise InputError(
            f"scheme={scheme!r} needs two or more groups of stimuli. Name them, e.g. by='run' or "
            f"by=responses['run'].",
            anchor="groups",
        )
    _warn_few_orders(exchange)
    return exchange


def _warn_few_orders(exchange: Exchange) -> None:
    """Raise InputError where nothing can be permuted; warn where little can."""
    scheme = exchange.scheme
    n_orders = count_orders(scheme, exchange.group)
    if n_orders < 2:
        raise InputError(
            f"scheme={scheme!r} cannot permute anything: "
            + (
                "no two groups have the same size, and only those can exchange places"
                if scheme == "groups"
                else "every group holds a single stimulus"
            )
            + ". Pass another scheme=, or by=.",
            anchor="groups",
        )
    if n_orders * LEVEL < 1:
        warn_user(
            f"there are only {n_orders:.0f} different permutations of {SCHEMES[scheme]}, so p "
            f"cannot be below {1 / n_orders:.3g}. Pass more groups, or another scheme=."
        )
    n_fixed = count_fixed(exchange.group) if scheme == "groups" else 0
    if n_fixed:
        warn_user(
            f"{n_fixed} groups have a size that no other group has, and stay in place in every "
            f"permutation, because only groups of the same size can exchange places. Make groups "
            f"equally large to permute all."
        )


def warn_few_draws(p: np.ndarray, q: np.ndarray, n_draws: int, exchange: Exchange) -> None:
    """Warn where a ``p`` is as small as it can be and its ``q`` is above .05 for want of draws.

    ``n_draws`` counts the permutations and the data as they are.
    """
    floor = 1 / n_draws
    is_least = p <= floor * (1 + 1e-9)
    if floor > LEVEL or not is_least.any() or np.nanmin(q[is_least]) <= LEVEL:
        return
    needed = count_needed(p)
    if needed >= count_orders(exchange.scheme, exchange.group):
        fix = (
            f"There are not enough different permutations of {SCHEMES[exchange.scheme]}; use p_max"
        )
    else:
        fix = f"Pass n_permutations={needed} or more, or use p_max"
    warn_user(
        f"with {n_draws - 1} permutations p cannot be below {floor:.3g}, and with "
        f"{np.isfinite(p).sum()} tests the q of a single finding cannot be below "
        f"{min(1.0, np.isfinite(p).sum() * floor):.3g}: {is_least.sum()} tests have the smallest "
        f"possible p, and none a q of {LEVEL:g}. {fix}."
    )


def count_needed(p: np.ndarray) -> int:
    """Return how many permutations let the q of one of the tests ``p`` be as small as .05."""
    return max(1, math.ceil(np.isfinite(p).sum() / LEVEL) - 1)


def describe_exchange(exchange: Exchange, n_draws: int, p: np.ndarray) -> dict[str, Any]:
    """Return attributes that say what was permuted and what the test is about."""
    return {
        "permuted": SCHEMES[exchange.scheme],
        "n_permutations": n_draws - 1,
        "permutations_for_q": count_needed(p),
        "inference_over": INFERENCE,
    }
