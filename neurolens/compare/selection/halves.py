"""Choices of ops on halves of the stimuli, and scores on the halves that did not choose."""

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import put_on
from neurolens.compare.selection.choice import find_peaks, share_choices
from neurolens.errors import InputError, warn_user
from neurolens.labels import OP, REGION, list_names
from neurolens.scores import BOOTSTRAP, HALF, PER_REGION, SPLIT, find_remedy, read_scores


def read_halves(scores: xr.Dataset, consumer: str) -> xr.Dataset:
    """Return scores that hold half splits, and draws or an empty set of them."""
    scores = read_scores(scores, consumer)
    n_splits = scores.sizes.get(SPLIT, 0)
    missing = [name for name in ("split_score", "bootstrap_mean") if name not in scores]
    if "split_score" in missing or n_splits == 0:
        raise InputError(
            f"{consumer} chooses and scores on different halves of the stimuli, so scores must "
            f"hold half splits; missing: {list_names(missing)}, number of splits: {n_splits}. "
            f"Make scores with {find_remedy('split_score', scores.attrs['method'])}.",
            anchor="scores-incomplete",
        )
    if "bootstrap_mean" in missing and "draws" not in scores:
        shape = (0, *(scores.sizes[dim] for dim in PER_REGION))
        scores = scores.assign(bootstrap_mean=((BOOTSTRAP, *PER_REGION), np.empty(shape)))
    return scores


def choose_ops(scores: xr.Dataset) -> xr.Dataset:
    """Return the choices of all stimuli and of halves, and their scores.

    ``share`` (op, region) is the fraction of halves that choose each op, and ``chosen`` (split,
    half, region) its position, -1 where a half chooses none.
    """
    ops = scores[OP].values.astype(str)
    halves = _list_halves(scores)
    n_ops, n_regions = halves.shape[2:]
    every = np.arange(n_regions)
    eligible = np.ones(n_ops, dtype=bool)
    chosen = find_peaks(halves.reshape(-1, n_ops, n_regions), eligible)
    chosen = chosen.reshape(-1, 2, n_regions)  # (split, half, region)
    overall = scores["score_mean"].transpose(OP, REGION).values
    overall = np.where(np.isnan(halves).all(axis=(0, 1)), np.nan, overall)
    best = find_peaks(overall[None], eligible)[0]
    is_known = (chosen >= 0).all(axis=(0, 1)) & (best >= 0)
    own = np.take_along_axis(halves, chosen[:, :, None], axis=2)
    # Half a scores the op that half b chose, and the other way round.
    crossed = np.take_along_axis(halves, chosen[:, ::-1, None], axis=2)
    share = share_choices(chosen.reshape(-1, n_regions), n_ops)
    numbers = {
        "naive_score": overall[best, every],
        "selection_score": own.mean(axis=(0, 1, 2)),
        "heldout_mean": crossed.mean(axis=(0, 1, 2)),
        "agreement": share[best, every],
    }
    return xr.Dataset(
        {
            **put_on(REGION, best_op=np.where(is_known, ops[best], "")),
            **put_on(REGION, **{k: np.where(is_known, v, np.nan) for k, v in numbers.items()}),
            "share": ((OP, REGION), np.where(is_known, share, np.nan)),
            "chosen": ((SPLIT, HALF, REGION), np.where(is_known, chosen, -1)),
        },
        coords={REGION: scores[REGION].values, OP: ops},
    )


def warn_empty(best: xr.Dataset) -> None:
    """Warn, naming the regions in which nothing could be chosen."""
    empty = best[REGION].values[best["best_op"].values == ""]
    if len(empty):
        warn_user(
            "no op could be chosen, because no op has a score in every half, in: "
            f"{list_names(empty)}. Drop those regions, or look at their RDMs."
        )


def _list_halves(scores: xr.Dataset) -> np.ndarray:
    """Return scores on halves (split, half, op, region)."""
    halves = pair_halves(scores["split_score"])
    return halves.transpose(SPLIT, HALF, OP, REGION).values


def pair_halves(halves: xr.DataArray) -> xr.DataArray:
    """Return ``halves`` with NaN where the other half has none.

    An op that cannot be scored on the other half must not be chosen.
    """
    return halves.where(halves.notnull().all(HALF))
