"""What a bar figure of several models shows: scores, intervals, ceilings and pairwise tests."""

import itertools
from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_share
from neurolens.compare.selection.contrasts import OP_2, compare_ops
from neurolens.compare.selection.draws import read_draws
from neurolens.compare.stats.null import control_discoveries, control_families
from neurolens.errors import InputError
from neurolens.labels import OP, REGION, check_name
from neurolens.scores import PER_REGION, read_scores

CORRECTIONS = {"holm": control_families, "fdr": control_discoveries}
# p at or below which a bar has one, two, three stars.
STARS = (0.05, 0.01, 0.001)
# More bars than this are no figure, and letters would take long to find.
MOST_BARS = 30
KEPT = ("score_mean", "mean_ci_low", "mean_ci_high")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Bars(NamedTuple):
    """The bars of one region: their ``scores`` (op,), and which ``differ`` (op, op)."""

    scores: np.ndarray
    differ: np.ndarray


def tabulate_models(
    scores: xr.Dataset, *, alpha: float = 0.05, correction: str = "holm"
) -> xr.Dataset:
    """Tabulate what a bar figure shows: each op's score, interval, ceiling, tests and letters.

    Parameters
    ----------
    scores : Dataset
        Any scores that hold draws, of 30 ops or fewer: those to compare, such as one of each model,
        chosen in advance. Select with ``scores.sel(op=[...])``.
    alpha : float
        Corrected p of a difference at or below this is a difference, for the letters.
    correction : str
        Over all pairs of ops and all regions: ``"holm"`` bounds the chance of any false
        difference, ``"fdr"`` their expected share (Benjamini-Hochberg).

    Returns
    -------
    Dataset
        Over (op, region): ``score_mean``, ``mean_ci_low``, ``mean_ci_high``; ``letters``: two ops
        differ where they have no letter in common, and "a" is among those of the best; empty
        without a score; where ``scores`` hold p of a score above chance, ``p`` and ``stars``, one
        for p <= .05, two for .01, three for .001, not corrected. Over (region): ``ceiling_lower``,
        ``ceiling_upper``. Over (op, op_2, region): ``difference``, ``p_pair`` of ``compare_ops``,
        and ``p_corrected``. ``table[["score_mean", "letters"]].to_dataframe()`` is a table to
        print. Attributes are those of ``scores``, with ``alpha`` and ``correction``.

    Raises
    ------
    InputError
        As for ``compare_ops``; there are more than 30 ops.
    UnknownNameError
        ``correction`` is neither of the two.

    Notes
    -----
    Ops that share a letter were not shown to differ, which is not to say that they are equal. Time
    as ``compare_ops``.

    References
    ----------
    Holm (1979) Scand. J. Stat. 6:65; Piepho (2004) J. Comput. Graph. Stat. 13:456, on letters.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.scores import build_scores
    >>> labels = {"op": ["resnet", "vit", "random"], "region": ["IT"]}
    >>> mean = xr.DataArray([[0.50], [0.48], [0.1]], dims=("op", "region"), coords=labels)
    >>> noise = np.random.default_rng(0).normal(0, 0.05, size=(200, 3, 1))
    >>> draws = (("bootstrap", "op", "region"), mean.values + noise)
    >>> scores = build_scores(mean, method="rsa", measure="spearman", n_stimuli=40,
    ...                       variables={"bootstrap_mean": draws})
    >>> tabulate_models(scores).letters.sel(region="IT").values.tolist()
    ['a', 'a', 'b']
    """
    scores = read_scores(scores, "tabulate_models")
    check_name(correction, CORRECTIONS, "correction")
    check_share(alpha, "alpha", 0.05)
    n_ops = scores.sizes[OP]
    if n_ops > MOST_BARS:
        raise InputError(
            f"tabulate_models takes {MOST_BARS} ops or fewer, got {n_ops}. Select those to compare "
            "with scores.sel(op=[...])."
        )
    read_draws(scores, "tabulate_models", least=2)
    pairs = compare_ops(scores)
    p = pairs["p"].transpose(OP, OP_2, REGION).values
    corrected = _correct_pairs(p, correction)
    mean = scores["score_mean"].transpose(*PER_REGION).values
    columns = [
        _letter_bars(Bars(mean[:, region], corrected[..., region] <= alpha))
        for region in range(mean.shape[1])
    ]
    held = {name: scores[name] for name in (*KEPT, "ceiling_lower", "ceiling_upper")}
    table = xr.Dataset(held).assign(
        letters=(PER_REGION, np.array(columns, dtype=object).reshape(mean.T.shape).T),
        difference=pairs["difference"],
        p_pair=pairs["p"],
        p_corrected=((OP, OP_2, REGION), corrected),
    )
    if "p" in scores:
        table["p"] = scores["p"]
        stars = (table["p"].values[..., None] <= STARS).sum(axis=-1)
        table["stars"] = (table["p"].dims, np.array(["", "*", "**", "***"], dtype=object)[stars])
    return table.assign_attrs(scores.attrs | {"alpha": float(alpha), "correction": correction})


def _correct_pairs(p: np.ndarray, correction: str) -> np.ndarray:
    """Return corrected p (op, op, region), each pair counted once, NaN on the diagonal."""
    corrected = np.full(p.shape, np.nan)
    first, second = np.triu_indices(len(p), 1)
    corrected[first, second] = CORRECTIONS[correction](p[first, second])
    corrected[second, first] = corrected[first, second]
    return corrected


def _letter_bars(bars: Bars) -> list[str]:
    """Return the letters of each op, of the groups within which none differ, the best first."""
    known = np.flatnonzero(~np.isnan(bars.scores))
    groups = _group_alike(known.tolist(), bars.differ)
    groups.sort(key=lambda group: sorted(-bars.scores[k] for k in group))
    letters = [""] * len(bars.scores)
    for letter, group in zip(LETTERS, groups, strict=False):
        for k in group:
            letters[k] += letter
    return letters


def _group_alike(ops: list[int], differ: np.ndarray) -> list[frozenset[int]]:
    """Return the largest sets of ``ops`` within which no two ``differ`` (op, op)."""
    groups = {frozenset(ops)} if ops else set()
    for first, second in itertools.combinations(ops, 2):
        if differ[first, second]:
            groups = _split_groups(groups, first, second)
    return list(groups)


def _split_groups(groups: set[frozenset[int]], first: int, second: int) -> set[frozenset[int]]:
    """Return ``groups`` none of which holds both ops, without those inside another."""
    split = set()
    for group in groups:
        both = {first, second} <= group
        split |= {group - {first}, group - {second}} if both else {group}
    inside = set()
    for group, other in itertools.permutations(split, 2):
        if group < other:
            inside.add(group)
    return split - inside
