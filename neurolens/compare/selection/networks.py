"""Differences between the held-out scores of networks, paired by stimuli where that is possible."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import put_on
from neurolens.compare.inputs.groups import GroupsBy
from neurolens.compare.selection.draws import Errors, read_errors, read_level
from neurolens.compare.selection.generalization import share_attrs
from neurolens.compare.selection.halves import choose_ops, read_halves, warn_empty
from neurolens.compare.selection.heldout import resample_subjects, vary_heldout
from neurolens.compare.stats.intervals import infer_mean
from neurolens.compare.stats.null import control_discoveries
from neurolens.errors import InputError, LabelError
from neurolens.labels import OP, REGION, STIMULUS, SUBJECT, align_labels, list_names
from neurolens.scores import BOOTSTRAP, CEILINGS, DRAWS_HASH, SPLIT, Intervals

NETWORK = "network"
NETWORK_2 = "network_2"
# Differences between scores that differ by a constant vary only by the rounding of draws.
ROUNDING = 1e-13
# Ceilings of the same brain data differ by less than this share, whatever the precision of RDMs.
SAME_CEILING = 1e-3


class Choice(NamedTuple):
    """What one network's halves chose: its ``scores``, ``best`` of ``choose_ops``, ``errors``."""

    scores: xr.Dataset
    best: xr.Dataset
    errors: Errors


class Difference(NamedTuple):
    """A difference (region,) with its interval and p, and whether it is of the same draws."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    is_paired: bool


def compare_choices(
    scores: Mapping[Any, xr.Dataset],
    *,
    rdms: Mapping[Any, tuple[xr.DataArray, xr.DataArray]] | None = None,
    by: GroupsBy | None = None,
) -> xr.Dataset:
    """Compare networks by the held-out score of their best ops, in each region.

    Both networks choose an op on the same half of the stimuli and are scored on the other half, for
    all halves: the difference is the mean of s_a - s_b over halves, a and b being the ops that the
    networks chose there. It is not biased by the choices, however many ops a network has.

    Parameters
    ----------
    scores : mapping of name to Dataset
        Two networks or more: scores of the same regions, subjects and stimuli, of the same method
        and measure, that hold half splits. Made with the same ``rng``, ``n_splits`` and
        ``n_bootstrap`` they are paired by stimuli, and differences are told much more sharply.
    rdms : mapping of name to (model_rdms, brain_rdms), optional
        Those that the scores of each network were made from; with them intervals are over stimuli
        and subjects, as for ``assign_regions``. Not for encoding scores.
    by : str or DataArray, optional
        Groups of stimuli, with ``rdms`` only, as for ``assign_regions``.

    Returns
    -------
    Dataset over network, network_2 and region
        ``difference``: held-out score of ``network`` minus that of ``network_2``, in the unit of
        the scores; ``ci_low``, ``ci_high``, at the level of the scores; ``p``: two-sided, of no
        difference; ``q``: Benjamini-Hochberg over all pairs and regions; ``paired`` (network,
        network_2). Antisymmetric; NaN on the diagonal, save ``difference`` and ``paired``. NaN
        where a network has no choice, and, save ``difference``, where scores hold no draws.
        ``best_op``, ``heldout_mean`` (network, region): as from ``assign_regions``. The attributes
        ``interval_over`` and ``difference_note`` say over what intervals are, and what is paired.

    Raises
    ------
    InputError
        There are fewer than two networks; scores hold no half splits, or differ in method, measure,
        noise ceilings (which tell the brain data) or in what was resampled; ``rdms`` go with scores
        of another method or lack a network.
    LabelError
        Regions, subjects or stimuli differ.

    Warns
    -----
    RuntimeWarning
        A network has no score at all in a region; the message names it.

    Notes
    -----
    With errors e of the scores, from draws of stimuli (and subjects) that both networks share, the
    variance of a difference is taken to be the mean over halves of Var(e_a - e_b) = V_aa + V_bb - 2
    V_ab, which bounds that of the mean over halves; it is combined over stimuli and subjects as in
    ``bootstrap_rdms``, with the same degrees of freedom. For encoding, Var(e_a - e_b) is the mean
    over splits of ((s_a - s_b on half 1) - (s_a - s_b on half 2))^2 / 4. Where halves choose
    different ops, intervals are too wide: in simulations of encoding a true difference of .13 was
    never found with 36 stimuli, one of .18 in 56 % with 100 (docs/simulation.md). Without shared
    draws the variance is (sd_a + sd_b)^2, the largest that any correlation between the scores
    allows: larger than that of independent scores, because scores of two networks can be correlated
    negatively.

    A network of more ops has more to choose from, and more that lead it astray: what is compared is
    networks, each with its choice. For ops fixed in advance use ``compare_ops``. Time O(draws
    splits networks^2 regions); with ``rdms`` that of ``bootstrap_rdms``.

    References
    ----------
    Schuett et al. (2023) eLife 12:e82566, Methods, on paired tests of two models; checked by
    simulation (docs/simulation.md).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.compare import compare_rdms
    >>> rng = np.random.default_rng(0)
    >>> def make_rdms(points):
    ...     ids = [f"s{i}" for i in range(points.shape[1])]
    ...     squares = ((points[:, :, None] - points[:, None]) ** 2).sum(-1)
    ...     return xr.DataArray(squares, dims=("op", "stimulus", "stimulus_2"),
    ...                         coords={"op": ["a", "b"], "stimulus": ids, "stimulus_2": ids})
    >>> seen = rng.normal(size=(24, 5))
    >>> brain = make_rdms(seen + 0.5 * rng.normal(size=(2, 24, 5))).rename(op="subject")
    >>> trained = make_rdms(seen + 0.5 * rng.normal(size=(2, 24, 5)))
    >>> random = make_rdms(rng.normal(size=(2, 24, 5)))
    >>> found = compare_choices({"trained": compare_rdms(trained, brain),
    ...                          "random": compare_rdms(random, brain)})
    >>> one = found.sel(network="trained", network_2="random", region="brain")
    >>> bool(one.paired), bool(one.ci_low > 0), bool(one.p < 0.01)
    (True, True, True)
    """
    names, choices = _read_networks(scores, rdms, by)
    regions = choices[0].scores[REGION].values
    heldout = np.stack([one.best["heldout_mean"].values for one in choices])
    difference = heldout[:, None] - heldout  # (network, network, region)
    low, high, p, q = np.full((4, *difference.shape), np.nan)
    paired = np.ones(difference.shape[:2], dtype=bool)
    for i, j in itertools.combinations(range(len(names)), 2):
        one = contrast_choices(choices[i], [choices[j]], two_sided=True)
        low[i, j] = one.low
        low[j, i] = -one.high
        high[i, j] = one.high
        high[j, i] = -one.low
        p[i, j] = p[j, i] = one.p
        paired[i, j] = paired[j, i] = one.is_paired
    upper = np.triu_indices(len(names), 1)
    q[upper] = control_discoveries(p[upper])
    q[upper[::-1]] = q[upper]
    over = find_over(choices, low)
    dims = (NETWORK, NETWORK_2, REGION)
    best_op = np.stack([one.best["best_op"].values for one in choices])
    pairs = [f"{names[i]} and {names[j]}" for i, j in np.argwhere(~paired) if i < j]
    return xr.Dataset(
        {
            **put_on(dims, difference=difference, ci_low=low, ci_high=high, p=p, q=q),
            "paired": (dims[:2], paired),
            **put_on((NETWORK, REGION), best_op=best_op, heldout_mean=heldout),
        },
        coords={NETWORK: names, NETWORK_2: names, REGION: regions},
        attrs=_describe_choices(choices, over, describe_pairing(over, pairs, "two-sided")),
    )


def _read_networks(scores: Any, rdms: Any, by: GroupsBy | None) -> tuple[list[Any], list[Choice]]:
    """Return the names of networks, and their choices in the same regions."""
    # A Dataset is a mapping too.
    is_named = isinstance(scores, Mapping) and not isinstance(scores, xr.Dataset | xr.DataTree)
    if not is_named or len(scores) < 2:
        count = f"{len(scores)} of them" if is_named else type(scores).__name__
        raise InputError(
            f"compare_choices takes the scores of two networks or more, by name, got {count}. Pass "
            'e.g. {"resnet": scores, "vit": other_scores}.'
        )
    names = list(scores)
    if rdms is not None and (not isinstance(rdms, Mapping) or set(rdms) != set(names)):
        raise InputError(
            "rdms must hold (model_rdms, brain_rdms) of each network by name, of "
            f"{list_names(names)}. Pass them so, or leave rdms= out."
        )
    read = [read_halves(scores[name], "compare_choices") for name in names]
    other = f"scores of {names[0]!r}"
    matched = [read[0]] + [
        match_scores(one, read[0], name=f"scores of {name!r}", other=other)
        for name, one in zip(names[1:], read[1:], strict=True)
    ]
    if rdms is not None:
        sides = zip(matched, names, strict=True)
        matched = [resample_subjects(one, rdms[name], by, "compare_choices") for one, name in sides]
    choices = [read_choice(one, "compare_choices") for one in matched]
    for one in choices:
        warn_empty(one.best)
    return names, choices


def read_choice(scores: xr.Dataset, consumer: str) -> Choice:
    """Return what the halves of ``scores`` choose, and the errors of the scores."""
    return Choice(scores, choose_ops(scores), read_errors(scores, consumer))


def match_scores(scores: xr.Dataset, first: xr.Dataset, *, name: str, other: str) -> xr.Dataset:
    """Return ``scores`` with regions in the order of ``first``, checked to be comparable with it.

    Raises InputError or LabelError where method, measure, regions, subjects, stimuli, brain data or
    what was resampled differ; ``name`` and ``other`` call both in messages.
    """
    for key in ("method", "measure"):
        if scores.attrs.get(key) != first.attrs.get(key):
            raise InputError(
                f"{name} must be made like {other}, with the {key} {first.attrs.get(key)!r}, "
                f"got {scores.attrs.get(key)!r}. Make both with the same function and settings.",
                anchor="scores-made-differently",
            )
    regions = first[REGION].values.tolist()
    scores = align_labels(scores, regions, name=name, other=other, dims=[REGION])
    _check_subjects(scores, first, name, other)
    if "split_member" in scores and "split_member" in first:
        ids = first["split_member"][STIMULUS].values.tolist()
        align_labels(scores["split_member"], ids, name=name, other=other)
    _check_brain(scores, first, name, other)
    over = [one.attrs.get("interval_over", "") for one in (scores, first)]
    if all(over) and over[0] != over[1]:
        raise InputError(
            f"intervals of {name} are over {over[0]}, those of {other} over {over[1]}. Make both "
            "with the same by= (of encoding: cv=).",
            anchor="scores-made-differently",
        )
    return scores


def _check_subjects(scores: xr.Dataset, first: xr.Dataset, name: str, other: str) -> None:
    """Raise LabelError where means are of other subjects."""
    ids = first[SUBJECT].values.tolist()
    score = align_labels(scores["score"], ids, name=name, other=other, dims=[SUBJECT])
    here, there = (
        one.notnull().any(OP).transpose(REGION, SUBJECT).values for one in (score, first["score"])
    )
    # A region in which one side has no score at all is NaN in the result.
    differs = (here != there).any(axis=1) & here.any(axis=1) & there.any(axis=1)
    if differs.any():
        regions = first[REGION].values[differs]
        raise LabelError(
            f"{name} and {other} must be of the same subjects in each region, and are not in "
            f"{list_names(regions)}. Score both on the same brain data.",
            anchor="scores-made-differently",
        )


def _check_brain(scores: xr.Dataset, first: xr.Dataset, name: str, other: str) -> None:
    """Raise InputError where noise ceilings of the same kind show that brain data differ."""
    if scores.attrs.get("ceiling_note") != first.attrs.get("ceiling_note"):
        return
    for end in CEILINGS:
        here, there = (one[end].values for one in (scores, first))
        differs = np.abs(here - there) > SAME_CEILING * np.abs(there)
        if differs.any():
            raise InputError(
                f"{name} and {other} have different noise ceilings in "
                f"{list_names(first[REGION].values[differs])}, so they are of other brain data. "
                "Score both on the same brain data.",
                anchor="scores-made-differently",
            )


def contrast_choices(
    first: Choice, others: Sequence[Choice], *, two_sided: bool = False
) -> Difference:
    """Return the held-out score of ``first`` minus the mean of those of ``others``.

    p is of a difference above 0, or ``two_sided`` of any.
    """
    value = first.best["heldout_mean"].values - np.mean(
        [one.best["heldout_mean"].values for one in others], axis=0
    )
    is_paired = all(are_paired(first, one) for one in others)
    if is_paired:
        variance = _vary_pairs(first, others)
    else:
        sizes = [np.sqrt(_vary_choice(one)) for one in others]
        variance = (np.sqrt(_vary_choice(first)) + np.mean(sizes, axis=0)) ** 2
    freedom = np.min([one.errors.freedom for one in (first, *others)], axis=0)
    level = read_level(first.scores)
    found = infer_mean(value, variance, freedom, level, two_sided=two_sided)
    return Difference(value, found.low, found.high, found.p, is_paired)


def are_paired(first: Choice, second: Choice) -> bool:
    """Return whether halves, and draws, of both are known to be of the same stimuli.

    Halves are compared; draws are known by the hash of the stimuli drawn. Errors that come from
    halves need no more.
    """
    if "split_member" not in first.scores or "split_member" not in second.scores:
        return False
    member = first.scores["split_member"].transpose(SPLIT, STIMULUS)
    other = align_labels(second.scores["split_member"], member[STIMULUS].values.tolist())
    if not np.array_equal(member.values, other.transpose(SPLIT, STIMULUS).values):
        return False
    return first.errors.from_halves or _find_hash(first) == _find_hash(second) != ""


def _find_hash(choice: Choice) -> str:
    """Return the hash of the stimuli drawn, "" where it is unknown or draws were left out since."""
    attrs = choice.scores.attrs
    is_whole = choice.scores.sizes.get(BOOTSTRAP) == attrs.get("n_bootstrap")
    return str(attrs.get(DRAWS_HASH, "")) if is_whole else ""


def _vary_choice(choice: Choice) -> np.ndarray:
    """Return an upper bound (region,) of the variance of the held-out score of one network."""
    return vary_heldout(choice.best["share"].values, choice.errors)


def _vary_pairs(first: Choice, others: Sequence[Choice]) -> np.ndarray:
    """Return an upper bound (region,) of the variance of a difference, from shared draws.

    It is the mean over halves of the variance of the difference between the ops chosen there.
    """
    networks = (first, *others)
    variance = np.full(first.best.sizes[REGION], np.nan)
    for region in range(len(variance)):
        # Which op each network chose on each half: (half, network).
        chosen = np.stack([_list_chosen(one, region) for one in networks], axis=1)
        if (chosen < 0).any():
            continue
        pairs, counts = np.unique(chosen, axis=0, return_counts=True)
        # (network, kind, sample, pair)
        errors = [
            one.errors.series[:, :, ops, region] for one, ops in zip(networks, pairs.T, strict=True)
        ]
        of_pairs = first.errors.vary(errors[0] - np.mean(errors[1:], axis=0), region)
        variance[region] = np.average(of_pairs, weights=counts)
    scale = _vary_choice(first) + np.mean([_vary_choice(one) for one in others], axis=0)
    variance[variance <= ROUNDING * scale] = 0.0
    return variance


def _list_chosen(choice: Choice, region: int) -> np.ndarray:
    """Return the positions of the ops that halves choose in a region, (half,) of all splits."""
    return choice.best["chosen"].isel({REGION: region}).values.ravel()


def find_over(choices: Sequence[Choice], low: np.ndarray) -> str:
    """Return over what intervals of differences are, "" where no bound ``low`` is a number."""
    names = [one.errors.over for one in choices if one.errors.over]
    return names[0] if np.isfinite(low).any() else ""


def describe_pairing(over: str, unpaired: Sequence[str], sided: str) -> str:
    """Return in sentences ``over`` what differences are, and which are ``unpaired``."""
    if not over:
        return "Differences of held-out scores have no intervals: scores hold no draws."
    note = f"Differences of held-out scores: t intervals over {over}, P values {sided}"
    if not unpaired:
        return f"{note}, paired by stimuli."
    return (
        f"{note}. Not paired by stimuli, and wider for it: {list_names(unpaired)}, whose halves or "
        "draws are not known to be the same. Make scores with the same rng, n_splits and "
        "n_bootstrap."
    )


def _describe_choices(choices: Sequence[Choice], over: str, note: str) -> dict[str, Any]:
    """Return the attributes that all scores share, with what concerns the differences."""
    shared = share_attrs([one.scores for one in choices])
    attrs = {k: v for k, v in shared.items() if not k.startswith("normalization")}
    first = choices[0]
    kind = "t interval of halves" if first.errors.from_halves else "t interval of draws"
    return attrs | {
        "interval_kind": kind if over else Intervals().kind,
        "interval_over": over,
        "interval_level": read_level(first.scores),
        "difference_note": note,
        "methods_text": f"{first.scores.attrs['methods_text']} {note}",
    }
