"""Differences between the scores of ops, layers or models, or to a noise ceiling, with tests."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import find_ops
from neurolens.compare.selection.draws import Draws, count_units, read_draws, read_level
from neurolens.compare.stats.bootstrap import RESAMPLED, combine_variances, covary_means
from neurolens.compare.stats.intervals import count_freedom, infer_mean
from neurolens.compare.stats.null import control_discoveries
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, check_name
from neurolens.scores import BOOTSTRAP, find_remedy, read_scores

OP_2 = "op_2"
# Differences between ops that differ by a constant vary only by rounding error.
ROUNDING = 1e-13
# What scores can be compared with.
AGAINST = ("ops", "ceiling")


class Groups(NamedTuple):
    """Groups that are compared: ``names``, and ``members``, the positions of each group's ops."""

    names: list[str]
    members: list[np.ndarray]


def compare_ops(
    scores: xr.Dataset, *, groups: Mapping[str, str] | None = None, against: str = "ops"
) -> xr.Dataset:
    """Compare the scores of ops, layers or models, with each other or with the noise ceiling.

    For ops i and j the variance of score_i - score_j comes from the draws that both share, V_ii +
    V_jj - 2 V_ij under each kind of resampling, and is combined as in ``bootstrap_rdms``: for new
    stimuli and subjects. The lower ceiling is drawn with the scores and takes the place of op j.

    Parameters
    ----------
    scores : Dataset
        Any scores that hold two draws or more: from ``bootstrap_rdms``; or, over new stimuli only
        and not new subjects, from ``compare_rdms``, or from ``fit_encoding`` with ``n_splits``
        above 0, both with ``n_bootstrap`` 2 or more. Any unit.
    groups : mapping of op to group
        The layer, or the model, that an op belongs to: then means over the ops of each group are
        compared, under the group's name. Ops not named are left out. None compares op with op.
    against : str
        "ops": each with each other. "ceiling": each with the lower noise ceiling of its region, of
        scores from ``bootstrap_rdms`` or ``compare_rdms``.

    Returns
    -------
    Dataset over op, op_2 and region
        ``difference`` (op, op_2, region): score of ``op`` minus that of ``op_2``; ``ci_low``,
        ``ci_high``; ``p``: two-sided, of no difference; ``q``: Benjamini-Hochberg over all pairs
        and regions. NaN on the diagonal, save ``difference``. Antisymmetric. Against the ceiling
        without op_2: ``difference`` (op, region) is the score minus ``ceiling_lower``, below 0
        where an op falls short; ``p`` is one-sided, of a score that is not below the ceiling, and
        ``q`` over all ops and regions; NaN in regions without a ceiling.

    Raises
    ------
    InputError
        ``scores`` are no scores, hold no draws, or only one, or, against the ceiling, no draws of
        it; there are several time bins.
    LabelError
        ``groups`` names an op that ``scores`` lacks, or none at all.
    UnknownNameError
        ``against`` is neither "ops" nor "ceiling".

    Notes
    -----
    The test holds for ops and groups fixed in advance. The best of many ops is not fixed in
    advance: see ``assign_regions``. The lower ceiling is what the mean RDM of the other subjects
    scores, and the true RDM scores no less on average: few true models are called worse than the
    ceiling, fewer than the level of the test. An op that is not may still be far below the upper
    ceiling. Time O(draws ops^2 regions), memory O(ops^2 regions).

    References
    ----------
    Schuett et al. (2023) eLife 12:e82566, Methods, on both tests. Checked against rsatoolbox
    ``Result.test_pairwise``.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.scores import build_scores
    >>> labels = {"op": ["conv", "relu"], "region": ["IT"]}
    >>> mean = xr.DataArray([[0.2], [0.8]], dims=("op", "region"), coords=labels)
    >>> noise = np.random.default_rng(0).normal(0, 0.1, size=(50, 2, 1))
    >>> draws = (("bootstrap", "op", "region"), mean.values + noise)
    >>> scores = build_scores(mean, method="rsa", measure="spearman", n_stimuli=20,
    ...                       variables={"bootstrap_mean": draws})
    >>> differences = compare_ops(scores)
    >>> float(differences.difference.sel(op="relu", op_2="conv", region="IT").round(1))
    0.6
    """
    scores = read_scores(scores, "compare_ops")
    check_name(against, AGAINST, "side of compare_ops")
    draws = read_draws(scores, "compare_ops", least=2)
    names, members = _find_groups(scores[OP].values.astype(str), groups)
    if against == "ceiling":
        return _compare_ceiling(scores, draws, Groups(names, members))
    mean = _average(scores["score_mean"].transpose(REGION, OP).values, members).T  # (group, region)
    difference = mean[:, None] - mean  # (group, group, region)
    n_stimuli = count_units(scores)
    low = np.full(difference.shape, np.nan)
    high = np.full(difference.shape, np.nan)
    p = np.full(difference.shape, np.nan)
    for region, n_subjects in enumerate(draws.n_subjects):
        drawn = _average(draws.values[..., region], members)  # (resampled, draw, group)
        variance = _vary_differences(drawn, n_subjects, n_stimuli)
        low[..., region], high[..., region], p[..., region] = infer_mean(
            difference[..., region],
            variance,
            count_freedom(n_subjects, n_stimuli),
            read_level(scores),
            two_sided=True,
        )
    dims = (OP, OP_2, REGION)
    return xr.Dataset(
        {
            "difference": (dims, difference),
            "ci_low": (dims, low),
            "ci_high": (dims, high),
            "p": (dims, p),
            "q": (dims, _control_pairs(p)),
        },
        coords={OP: names, OP_2: names, REGION: scores[REGION].values},
        attrs=_describe_contrasts(scores, "differences of ops, two-sided"),
    )


def _compare_ceiling(scores: xr.Dataset, draws: Draws, groups: Groups) -> xr.Dataset:
    """Return the scores of ``groups`` minus the lower ceiling, with intervals and tests."""
    ceiling = scores["ceiling_lower"].values.astype(np.float64)  # (region,)
    ceiling_draws = _read_ceiling_draws(scores)  # (resampled, draw, region)
    mean = _average(scores["score_mean"].transpose(REGION, OP).values, groups.members).T
    difference = mean - ceiling  # (group, region)
    n_stimuli = count_units(scores)
    low = np.full(difference.shape, np.nan)
    high = np.full(difference.shape, np.nan)
    p = np.full(difference.shape, np.nan)
    for region, n_subjects in enumerate(draws.n_subjects):
        drawn = _average(draws.values[..., region], groups.members)  # (resampled, draw, group)
        gaps = ceiling_draws[..., region, None] - drawn
        power = np.diagonal(covary_means(gaps), axis1=1, axis2=2)  # (resampled, group)
        inferred = infer_mean(
            -difference[:, region],
            combine_variances(power, n_subjects, n_stimuli),
            count_freedom(n_subjects, n_stimuli),
            read_level(scores),
        )
        low[:, region] = -inferred.high
        high[:, region] = -inferred.low
        p[:, region] = inferred.p
    values = {"difference": difference, "ci_low": low, "ci_high": high, "p": p}
    values["q"] = control_discoveries(p)
    return xr.Dataset(
        {name: ((OP, REGION), array) for name, array in values.items()},
        coords={OP: groups.names, REGION: scores[REGION].values},
        attrs=_describe_contrasts(scores, "scores below the lower ceiling, one-sided")
        | {"against": "ceiling_lower"},
    )


def _describe_contrasts(scores: xr.Dataset, tested: str) -> dict[str, Any]:
    """Return the attributes of scores, with what is tested in place of what concerns scores."""
    attrs = {k: v for k, v in scores.attrs.items() if not k.startswith("normalization")}
    kind = "t interval of draws"
    sentence = f" Intervals and P values of {tested}: t tests on the draws."
    return attrs | {"interval_kind": kind, "methods_text": scores.attrs["methods_text"] + sentence}


def _read_ceiling_draws(scores: xr.Dataset) -> np.ndarray:
    """Return the draws (resampled, draw, region) of the lower ceiling, which are those of scores.

    All three kinds are the same where only stimuli were drawn.
    """
    name = "ceiling_draws" if "draws" in scores else "bootstrap_ceiling"
    if name not in scores or not scores[name].notnull().any():
        raise InputError(
            'compare_ops(..., against="ceiling") needs draws of the noise ceiling, which these '
            f"scores ({scores.attrs['method']}) do not hold. {scores.attrs['ceiling_note']} Make "
            f"scores with {find_remedy(name, scores.attrs['method'])}.",
            anchor="scores-incomplete",
        )
    draws = scores[name].transpose(..., BOOTSTRAP, REGION).values.astype(np.float64)
    return np.broadcast_to(draws, (len(RESAMPLED), *draws.shape[-2:]))


def _vary_differences(drawn: np.ndarray, n_subjects: int, n_stimuli: int) -> np.ndarray:
    """Return the variance (group, group) of differences, NaN on the diagonal.

    Differences are between the means ``drawn`` (resampled, draw, group).
    """
    covariance = covary_means(drawn)  # (resampled, group, group)
    power = np.diagonal(covariance, axis1=1, axis2=2)  # (resampled, group)
    kinds = power[:, :, None] + power[:, None, :] - 2 * covariance
    variance = combine_variances(kinds, n_subjects, n_stimuli)
    np.fill_diagonal(variance, np.nan)
    variance[variance <= ROUNDING * (power[0][:, None] + power[0])] = 0.0
    return variance


def _control_pairs(p: np.ndarray) -> np.ndarray:
    """Return q (group, group, region) over all pairs, each counted once, and regions."""
    q = np.full(p.shape, np.nan)
    first, second = np.triu_indices(len(p), 1)
    q[first, second] = control_discoveries(p[first, second])
    q[second, first] = q[first, second]
    return q


def _find_groups(ops: np.ndarray, groups: Mapping[str, str] | None) -> Groups:
    """Return the groups that are compared, by default each op by itself."""
    if groups is None:
        return Groups(ops.tolist(), list(np.arange(len(ops))[:, None]))
    group_of = find_ops(groups, ops, "groups", "names")
    names = list(dict.fromkeys(groups.values()))
    return Groups(names, [_find_members(group_of, name) for name in names])


def _find_members(group_of: list[str | None], name: str) -> np.ndarray:
    """Return the positions of the ops whose group has this name."""
    return np.flatnonzero([group == name for group in group_of])


def _average(values: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
    """Return the mean over each of ``members`` of the last axis (..., op): (..., group)."""
    return np.stack([values[..., positions].mean(axis=-1) for positions in members], axis=-1)
