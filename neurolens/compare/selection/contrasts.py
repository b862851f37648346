"""Which op, layer or model is better than which other, with intervals and p values."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_kind, find_ops, put_on
from neurolens.compare.inputs.time_bins import refuse_bins
from neurolens.compare.stats.bootstrap import RESAMPLED, combine_variances, covary_means
from neurolens.compare.stats.intervals import count_freedom, infer_mean
from neurolens.compare.stats.null import control_discoveries
from neurolens.errors import InputError
from neurolens.labels import OP, REGION

OP_2 = "op_2"


def compare_ops(scores: xr.Dataset, *, groups: Mapping[str, str] | None = None) -> xr.Dataset:
    """Differences between the scores of ops, or of layers or models, over new stimuli and subjects.

    For ops i and j the variance of score_i - score_j comes from the draws that both share, V_ii +
    V_jj - 2 V_ij under each kind of resampling, and is combined as in ``bootstrap_rdms``.

    Parameters
    ----------
    scores : Dataset
        From ``bootstrap_rdms``; or, over new stimuli only and not new subjects, from
        ``compare_rdms``, or from ``fit_encoding`` with ``n_splits`` above 0, both with
        ``n_bootstrap`` 2 or more. Any unit.
    groups : mapping of op to group
        The layer, or the model, that an op belongs to: then means over the ops of each group are
        compared, under the group's name. Ops not named are left out. None compares op with op.

    Returns
    -------
    Dataset over op, op_2 and region
        ``difference`` (op, op_2, region): score of ``op`` minus that of ``op_2``; ``ci_low``,
        ``ci_high``; ``p``: two-sided, of no difference; ``q``: Benjamini-Hochberg over all pairs
        and regions. NaN on the diagonal, save ``difference``. Antisymmetric.

    Raises
    ------
    InputError
        ``scores`` holds no draws, or only one; there are several time bins.
    LabelError
        ``groups`` names an op that ``scores`` lacks, or none at all.

    Notes
    -----
    The test holds for ops and groups fixed in advance. The best of many ops is not one: see
    ``assign_regions``. Time O(draws ops^2 regions), memory O(ops^2 regions).

    References
    ----------
    Schuett et al. (2023) eLife 12:e82566, Methods. Checked against rsatoolbox
    ``Result.test_pairwise``.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> draws = np.random.default_rng(0).normal([0.2, 0.8], 0.1, size=(3, 50, 2))[..., None]
    >>> scores = xr.Dataset(
    ...     {"draws": (("resampled", "bootstrap", "op", "region"), draws),
    ...      "score_mean": (("op", "region"), [[0.2], [0.8]]), "n_subjects": ("region", [6])},
    ...     coords={"op": ["conv", "relu"], "region": ["IT"]}, attrs={"confidence": 0.95, "n_stimuli": 20})
    >>> found = compare_ops(scores)
    >>> float(found.difference.sel(op="relu", op_2="conv", region="IT").round(1))
    0.6
    """
    check_kind(scores, "scores", "scores")
    refuse_bins(scores, "compare_ops")
    drawn = "draws" if "draws" in scores else "bootstrap_mean"
    if drawn not in scores or scores.sizes["bootstrap"] < 2:
        raise InputError(
            "scores must hold 'draws' or 'bootstrap_mean', two of them or more. Pass what "
            "bootstrap_rdms, "
            "compare_rdms(..., n_bootstrap=1000) or fit_encoding(..., n_splits=20) returns."
        )
    draws = scores[drawn].transpose(..., "bootstrap", OP, REGION).values.astype(np.float64)
    draws = np.broadcast_to(draws, (len(RESAMPLED), *draws.shape[-3:]))
    # Draws over stimuli alone are combined as those of one subject are.
    counts = (
        scores["n_subjects"].values.astype(int)
        if drawn == "draws"
        else np.ones(draws.shape[-1], dtype=int)
    )
    names, members = _find_groups(scores[OP].values.astype(str), groups)
    mean = _average(scores["score_mean"].transpose(REGION, OP).values, members).T
    n_stimuli = int(scores.attrs["n_stimuli"])
    confidence = float(scores.attrs["confidence"])
    shape = (len(names), len(names), mean.shape[1])
    gap = mean[:, None] - mean
    found = np.full((3, *shape), np.nan)
    q = np.full(shape, np.nan)
    for region, n_subjects in enumerate(counts):
        covariance = covary_means(_average(draws[..., region], members))
        power = np.diagonal(covariance, axis1=1, axis2=2)
        kinds = power[:, :, None] + power[:, None, :] - 2 * covariance
        variance = combine_variances(kinds, n_subjects, n_stimuli)
        np.fill_diagonal(variance, np.nan)
        # Ops that differ by a constant leave rounding, which is not a variance.
        variance[variance <= 1e-13 * (power[0][:, None] + power[0])] = 0.0
        freedom = count_freedom(n_subjects, n_stimuli)
        found[..., region] = infer_mean(
            gap[..., region], variance, freedom, confidence, two_sided=True
        )
    low, high, p = found
    above = np.triu_indices(len(names), 1)
    q[above] = control_discoveries(p[above])
    q[above[::-1]] = q[above]
    return xr.Dataset(
        put_on((OP, OP_2, REGION), difference=gap, ci_low=low, ci_high=high, p=p, q=q),
        coords={OP: names, OP_2: names, REGION: scores[REGION].values},
        attrs=dict(scores.attrs),
    )


def _find_groups(
    ops: np.ndarray, groups: Mapping[str, str] | None
) -> tuple[list[str], list[np.ndarray]]:
    """Return the names of what is compared and the places among ``ops`` of each."""
    if groups is None:
        return ops.tolist(), list(np.arange(len(ops))[:, None])
    found = find_ops(groups, ops, "groups", "names")
    names = list(dict.fromkeys(groups.values()))
    return names, [np.flatnonzero([other == name for other in found]) for name in names]


def _average(values: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
    """Return the mean over each of ``members`` of the last axis (..., op): (..., group)."""
    return np.stack([values[..., places].mean(axis=-1) for places in members], axis=-1)
