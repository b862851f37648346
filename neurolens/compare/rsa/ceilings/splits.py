"""Noise ceilings from repeated presentations: RDMs of split halves, also of a single subject."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import Seed, check_kind, check_whole, make_generator, rank_ids
from neurolens.compare.inputs.responses import Presented, number_labels, read_presented
from neurolens.compare.inputs.time_bins import expand_leading
from neurolens.compare.rdms.crossnobis import NOISE_METRICS, choose_noise
from neurolens.compare.rdms.dissimilarity import compute_rdms
from neurolens.compare.rsa.comparators.table import Comparator, compare_whole, find_comparator
from neurolens.errors import InputError, warn_user
from neurolens.labels import (
    PRESENTATION,
    REGION,
    STIMULUS,
    STIMULUS_2,
    SUBJECT,
    UNNAMED,
    align_labels,
    check_name,
    list_names,
)

# An RDM of fewer stimuli has fewer than six pairs.
MIN_STIMULI = 4
# Halves less similar than this have noise that falls faster than the formula assumes.
LOW_SIMILARITY = 0.3


def compute_split_ceilings(
    responses: xr.DataArray,
    *,
    comparator: str = "rho-a",
    metric: str = "correlation",
    runs: str | None = None,
    noise: str | None = None,
    n_splits: int = 50,
    rng: Seed = 0,
) -> xr.Dataset:
    """Compute noise ceilings from repeated presentations, also of a single subject.

    The presentations are split into halves, and r is the similarity between the RDMs of both,
    averaged over splits. rho = k r / (1 + (k - 1) r) (Spearman-Brown), where k is the number of all
    presentations over that of a half, is the reliability of the RDM of all presentations. lower =
    rho: what the RDM of another measurement like this one would score. upper = sqrt(rho): what the
    RDM without noise would score, the best of all model RDMs, on average.

    Parameters
    ----------
    responses : DataArray (presentation, neuroid) or (presentation, neuroid, time_bin)
        Those that the brain RDMs were made from, with ``stimulus_id`` on presentation.
    comparator : str
        A key of ``COMPARATORS`` that is a correlation or a cosine: not tau-a or bures, whose
        noise the formula does not describe.
    metric, runs, noise
        As for ``compute_rdms``, but that ``runs`` is for every metric: it names the coordinate on
        presentation whose values are kept together in a half, because noise that presentations of
        one run share would otherwise count as signal. Default: "run" where there is one, for noise
        metrics "repetition" else, and without any the presentations of each stimulus are split on
        their own.
    n_splits : int
        Random splits.
    rng : int or Generator
        Seed of the splits, which belong to the runs; or to the stimulus ids and, within a stimulus,
        to ``repetition`` on presentation, or without it to the order in which they stand.

    Returns
    -------
    Dataset
        ``ceiling_lower``, ``ceiling_upper`` (region), means over subjects, as
        ``compute_rdm_ceilings`` returns them, for ``add_ceilings``; ``subject_lower``,
        ``subject_upper``, and ``half_similarity``, r (region, subject); all over ``time_bin`` where
        the responses are. NaN where the halves are not similar (r <= 0). Attributes: ``measure``,
        ``dissimilarity``, ``ceiling_note``, ``ceiling_bound`` ("expected": an estimate, which
        scores can exceed); on each bound ``kind`` "r", ``measure``, ``n_repeats``.

    Raises
    ------
    InputError
        Fewer than 4 stimuli are in both halves, in runs that share no stimuli or without repeats;
        noise metrics without repeats, or two runs, within a half; the comparator has no ceiling;
        else as for brain responses in ``compute_rdms``.
    LabelError, UnknownNameError
        As for ``compute_rdms``; there is no coordinate ``runs``.

    Warns
    -----
    RuntimeWarning
        Regions and subjects whose halves are not similar, named.

    Notes
    -----
    With several subjects each has the ceilings of its own RDM, which one model cannot reach in all
    of them where they differ: ``compute_rdm_ceilings`` then tells more. Stimuli that are not in
    both halves are left out. The noise of squared distances falls faster than with the number of
    presentations, so that ceilings of noisy RDMs are low. In simulations (rho-a, 24 stimuli, 6
    presentations) the true RDM scored .97, .87 and .72 on average, and upper was low by at most
    .006, by .01 to .04 (most for crossnobis) and by .03 to .05; a second measurement scored .95,
    .78 and .55, and lower was low by .01, .05 to .08 and .07 to .11. With crossnobis and six runs
    of 24 presentations, whose halves estimate the noise of 30 neuroids less well, upper was low by
    .07 and lower by .11 where the true RDM scored .84 (docs/simulation.md). Noise biases distances
    that are not cross-validated, which a cosine counts as signal: its upper ceiling is that of an
    RDM with the same bias. Time is 2 n_splits times that of ``compute_rdms``.

    References
    ----------
    Spearman (1910); Brown (1910) Br. J. Psychol. 3:271-322; Nili et al. (2014) on noise ceilings.
    Checked against loops and planted RDMs.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.normal(size=(12, 30))
    >>> responses = xr.DataArray(
    ...     np.concatenate([signal + rng.normal(size=signal.shape) for _ in range(4)]),
    ...     dims=("presentation", "neuroid"),
    ...     coords={"stimulus_id": ("presentation", [f"s{i}" for i in range(12)] * 4)})
    >>> ceilings = compute_split_ceilings(responses)
    >>> bool(0 < ceilings.ceiling_lower.item() < ceilings.ceiling_upper.item() < 1)
    True
    """
    row = find_comparator(comparator)
    if not row.has_reliability:
        raise InputError(
            f"split halves give no ceiling for {comparator!r}, which is no correlation. Pass "
            "comparator='rho-a', and the same to compare_rdms."
        )
    check_kind(responses, "responses", "responses")
    check_whole(n_splits, "n_splits", 1, 50)
    choose_noise(metric, None, noise)
    generator = make_generator(rng)
    design = _read_design(responses, metric, runs)
    settings: dict[str, Any] = {"metric": metric, "noise": noise}
    if metric == "crossnobis":
        settings["runs"] = design.name
    splits = [_split(design, generator) for _ in range(n_splits)]
    halves = [both for both in splits if both is not None]
    if not halves:
        raise InputError(_explain_no_split(design), anchor="repeats-needed")
    similarity = []
    for both in halves:
        first = _compute_half(responses, both.first, settings)
        second = _compute_half(responses, both.second, settings)
        similarity.append(_compare_halves(first, second, row))
    mean = sum(similarity[1:], similarity[0]) / len(similarity)
    times = float(np.mean([_count_times(design.codes, both) for both in halves]))
    present = first.notnull().any([STIMULUS, STIMULUS_2])
    attrs = {
        "measure": comparator,
        "dissimilarity": metric,
        "ceiling_note": _describe(mean, times, design, comparator, metric),
        "ceiling_bound": "expected",
    }
    return _label_ceilings(mean, present, times, attrs)


class Design(NamedTuple):
    """The stimulus ``codes`` (presentation,), positions among ``ids``, and what is kept together.

    ``order`` (presentation,) sorts the presentations by ``repetition``, where there is one.
    ``runs`` (presentation,) are positions among the sorted values of the coordinate ``name``, or
    None where each presentation is by itself.
    """

    codes: np.ndarray
    ids: np.ndarray
    order: np.ndarray
    runs: np.ndarray | None
    name: str | None


class Halves(NamedTuple):
    """The presentations of two halves, as positions."""

    first: np.ndarray
    second: np.ndarray


def _read_design(responses: xr.DataArray, metric: str, runs: str | None) -> Design:
    """Return what each presentation showed, and which belong to one run."""
    presented = read_presented(responses, "responses")
    if presented.dim != PRESENTATION or len(presented.codes) == len(presented.ids):
        raise InputError(
            "split halves need repeated presentations, and responses hold each stimulus once. Pass "
            "them before averaging, with the dimension 'presentation' and the coordinate "
            "'stimulus_id', or use compute_rdm_ceilings on the RDMs of two subjects or more.",
            anchor="repeats-needed",
        )
    order = np.arange(len(presented.codes))
    if "repetition" in presented.columns:
        order = np.argsort(rank_ids(presented.columns["repetition"]), kind="stable")
    name = _choose_runs(presented, metric, runs)
    if name is None:
        return Design(presented.codes, presented.ids, order, None, None)
    codes, values = number_labels(presented.columns[name], f"{name!r} of presentations")
    return Design(presented.codes, presented.ids, order, rank_ids(values)[codes], name)


def _choose_runs(presented: Presented, metric: str, runs: str | None) -> str | None:
    """Return the coordinate whose values are kept together, None if there is none."""
    columns = presented.columns
    if runs is not None:
        check_name(runs, list(columns), "coordinate on presentation")
        return runs
    usual = ("run", "repetition") if metric in NOISE_METRICS else ("run",)
    return next((name for name in usual if name in columns), None)


def _split(design: Design, generator: np.random.Generator) -> Halves | None:
    """Return random halves that hold the same stimuli, None where these are too few."""
    if design.runs is None:
        halves = _split_stimuli(design, generator)
    else:
        halves = _split_runs(design.runs, generator)
    shared = np.intersect1d(design.codes[halves.first], design.codes[halves.second])
    if len(shared) < MIN_STIMULI:
        return None
    return Halves(*(rows[np.isin(design.codes[rows], shared)] for rows in halves))


def _split_runs(runs: np.ndarray, generator: np.random.Generator) -> Halves:
    """Return two random halves of the runs, of an odd number without one."""
    order = generator.permutation(runs.max() + 1)
    size = len(order) // 2
    parts = (order[:size], order[size : 2 * size])
    return Halves(*(np.flatnonzero(np.isin(runs, part)) for part in parts))


def _split_stimuli(design: Design, generator: np.random.Generator) -> Halves:
    """Return two random halves of the presentations of each stimulus, of an odd number without one.

    Random numbers are drawn in the sorted order of the ids.
    """
    first = []
    second = []
    for stimulus in np.argsort(rank_ids(design.ids)):
        shown = design.order[design.codes[design.order] == stimulus]
        rows = generator.permutation(shown)
        size = len(rows) // 2
        first.append(rows[:size])
        second.append(rows[size : 2 * size])
    return Halves(np.sort(np.concatenate(first)), np.sort(np.concatenate(second)))


def _explain_no_split(design: Design) -> str:
    """Return why there are no halves, and what to do."""
    if design.name is None:
        return (
            f"split halves need {MIN_STIMULI} stimuli or more that were presented twice or more. "
            "Pass all presentations, or use compute_rdm_ceilings on two subjects or more."
        )
    return (
        f"no half of the values of {design.name!r} shares {MIN_STIMULI} stimuli or more with the "
        "other half. Name another coordinate with runs='...', or, if no noise is shared within "
        f"them, leave it out: responses.drop_vars({design.name!r})."
    )


def _count_times(codes: np.ndarray, halves: Halves) -> float:
    """Return how many times as many presentations there are as in a half, in terms of noise.

    Noise is proportional to the mean over stimuli of 1 / presentations.
    """
    shown = np.bincount(codes)
    parts = [np.bincount(codes[rows], minlength=len(shown)) for rows in halves]
    kept = parts[0] > 0
    return float(np.mean([(1 / part[kept]).mean() for part in parts]) / (1 / shown[kept]).mean())


def _compute_half(
    responses: xr.DataArray, rows: np.ndarray, settings: dict[str, Any]
) -> xr.DataArray:
    """Return the RDMs (region, subject, ..., stimulus, stimulus_2) of presentations ``rows``."""
    try:
        rdms = compute_rdms(responses.isel({PRESENTATION: rows}), **settings)
    except InputError as error:
        raise InputError(
            f"a half of the presentations has no RDM: {error}", anchor="repeats-needed"
        ) from None
    return expand_leading(rdms, UNNAMED).transpose(REGION, SUBJECT, ..., STIMULUS, STIMULUS_2)


def _compare_halves(first: xr.DataArray, second: xr.DataArray, row: Comparator) -> xr.DataArray:
    """Return the similarity (region, subject, ...) of the RDMs of two halves."""
    ids = first[STIMULUS].values.tolist()
    second = align_labels(second, ids, name="the second half", other="the first half")
    pairs = [half.values[..., *np.triu_indices(len(ids), 1)] for half in (first, second)]
    similarity = np.full(pairs[0].shape[:-1], np.nan)
    for place in np.ndindex(similarity.shape):
        similarity[place] = compare_whole(pairs[0][place][None], pairs[1][place][None], row)[0, 0]
    template = first.isel({STIMULUS: 0, STIMULUS_2: 0}, drop=True)
    return template.copy(data=similarity)


def _label_ceilings(
    similarity: xr.DataArray, present: xr.DataArray, times: float, attrs: dict[str, str]
) -> xr.Dataset:
    """Return the ceilings that follow from the mean ``similarity`` of halves.

    All presentations are ``times`` as many as those of a half. ``present`` (region, subject, ...)
    marks the RDMs that exist.
    """
    half = similarity.where(similarity > 0)
    reliability = times * half / (1 + (times - 1) * half)
    without_noise = reliability**0.5
    _warn_unreliable(similarity)
    arrays = {
        "ceiling_lower": _mean_present(reliability, present),
        "ceiling_upper": _mean_present(without_noise, present),
        "subject_lower": reliability,
        "subject_upper": without_noise,
        "half_similarity": similarity,
    }
    kind = {"kind": "r", "n_repeats": "as in the RDMs", "measure": attrs["measure"]}
    return xr.Dataset(
        {name: array.drop_attrs().assign_attrs(kind) for name, array in arrays.items()}, attrs=attrs
    )


def _mean_present(values: xr.DataArray, present: xr.DataArray) -> xr.DataArray:
    """Return the mean over the subjects that have the region, NaN if that of any is unknown."""
    count = present.sum(SUBJECT)
    return values.where(present, 0.0).sum(SUBJECT, skipna=False) / count.where(count > 0)


def _name_places(marked: xr.DataArray) -> list[str]:
    """Return the region, subject (and time bin) of each entry that is ``marked``."""
    names = []
    for place in np.argwhere(marked.values):
        labels = [marked[dim].values[k] for dim, k in zip(marked.dims, place, strict=True)]
        names.append(", ".join(str(label) for label in labels))
    return names


def _warn_unreliable(similarity: xr.DataArray) -> None:
    """Warn once, naming the regions and subjects whose halves are not similar."""
    if names := _name_places(similarity <= 0):
        warn_user(
            f"no ceiling for {list_names(names)}: the RDMs of two halves are not similar (r <= 0), "
            "so there is no signal that repeats. Leave those out."
        )


def _describe(
    similarity: xr.DataArray, times: float, design: Design, name: str, metric: str
) -> str:
    """Return sentences on what the ceilings are, and on where they are known to be off."""
    parts = "the presentations of each stimulus"
    if design.name is not None:
        parts = f"the values of {design.name!r}"
    notes = [
        f"Ceiling from split halves of {parts}: rho is the Spearman-Brown reliability, of the "
        f"{metric} RDM of all presentations ({times:.3g} times those of a half), from {name} "
        "between the RDMs of both halves. Lower is rho, what a second measurement would score, "
        "upper sqrt(rho), what the RDM without noise would; means over subjects, each of its own "
        "RDM."
    ]
    if low := _name_places((similarity > 0) & (similarity < LOW_SIMILARITY)):
        notes.append(
            f"Too low by up to a fifth where halves are hardly similar (r < {LOW_SIMILARITY}): "
            f"{list_names(low)}."
        )
    return " ".join(notes)
