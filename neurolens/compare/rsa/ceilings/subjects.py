"""Noise ceilings: how similar to the subjects the best possible model RDM would be."""

import numpy as np
import xarray as xr

from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rdms.vectors import (
    BrainRDMs,
    ModelRDMs,
    mean_subjects,
    read_brain_rdms,
)
from neurolens.compare.rsa.ceilings.bounds import Bounds, bound_subjects
from neurolens.compare.rsa.comparators.table import Comparator, find_comparator
from neurolens.compare.rsa.sides import find_gaps
from neurolens.compare.stats.linalg import count_stimuli
from neurolens.errors import warn_user
from neurolens.labels import REGION, SUBJECT, list_names
from neurolens.scores import Ceiling

# The largest number of regions that a note lists.
MAX_LISTED = 20
FROM_REPEATS = (
    "If a subject saw stimuli repeatedly, compute_split_ceilings(responses) makes one from split "
    "halves of the presentations."
)


@over_time_bins("brain_rdms")
def compute_rdm_ceilings(brain_rdms: xr.DataArray, *, comparator: str = "rho-a") -> xr.Dataset:
    """Compute bounds on the mean similarity over subjects that a model RDM can reach per region.

    lower = mean_s sim(d_s, pool(others)), where d_s is the RDM of subject s and pool averages RDMs
    as the comparator sees them: ranked (spearman, rho-a, tau-a), z-scored (pearson), divided by the
    root mean square (cosine), by the whitened norm (whitened ones) or by the trace of the positive
    part of its Gram (bures). No model RDM, with ties or without, can exceed upper:

    - pearson, cosine, rho-a and the whitened ones: upper = mean_s sim(d_s, pool(all)), for no RDM
      is closer to all subjects than that pool;
    - spearman, tau-a and bures: upper = sqrt(mean_st sim(d_s, d_t)) over all s and t, s = t too.
      For spearman it is the norm of the mean of the subjects' ranks, each z-scored to length 1.
      The pool itself scores less, and other RDMs, such as those with ties, exceed it.

    Where subjects lack single pairs, each similarity is of the pairs that both sides have, and
    upper is an estimate (``ceiling_bound`` "expected").

    Parameters
    ----------
    brain_rdms : DataArray (region, subject, stimulus, stimulus_2)
        Dissimilarities in any unit; NaN throughout where a subject lacks the region. May have
        ``time_bin`` besides.
    comparator : str
        A key of ``COMPARATORS``; the one the scores were made with.

    Returns
    -------
    Dataset
        ``ceiling_lower``, ``ceiling_upper`` (region), in units of the comparator, for the mean over
        subjects; NaN where a region has fewer than two subjects or a similarity is undefined: a
        mean over the other subjects would not bound scores that are means over all. ``left_out``
        (region, subject): the similarity of each subject to the pool of the others, whose mean is
        the lower bound; ``kept_in``: each subject's part of the upper bound, whose mean it is.
        ``n_subjects`` (region). Attributes: ``measure``, ``ceiling_note``, ``ceiling_bound``
        ("exact": no model can exceed upper); on each bound ``kind`` "r" (it bounds the score
        itself) and ``measure``, for ``normalize_scores``.

    Raises
    ------
    InputError, LabelError, UnknownNameError
        As for the brain side of ``compare_rdms``.

    Warns
    -----
    RuntimeWarning
        The similarity of a subject to its pool is undefined, such as that to a pool whose ranks
        cancel: named.

    Notes
    -----
    Why upper bounds: each similarity is a product of two vectors of length 1 or less (tau-a: the
    signs of all comparisons; bures: the points, rotated to fit), so its mean over subjects is at
    most the length of their mean vector, and the root above is that length, or more for bures. For
    rho-a no ranking, tied or not, has a larger product with the mean ranks than their own order.
    One subject with repeated presentations: ``compute_split_ceilings``. Intervals of ceilings:
    ``compare_rdms``, ``bootstrap_rdms``. Time O(subjects^2 n^2) per region.

    References
    ----------
    Nili et al. (2014) PLoS Comput. Biol. 10:e1003553, on the noise ceiling. Checked against
    rsatoolbox ``boot_noise_ceiling``, which has no bound for tied models under Spearman.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> ids = ["cat", "dog", "cup"]
    >>> squares = np.array([[[0, 1, 2], [1, 0, 3], [2, 3, 0]], [[0, 1, 3], [1, 0, 2], [3, 2, 0]]])
    >>> rdms = xr.DataArray(squares, dims=("subject", "stimulus", "stimulus_2"),
    ...                     coords={"subject": ["A", "B"], "stimulus": ids, "stimulus_2": ids})
    >>> ceilings = compute_rdm_ceilings(rdms)
    >>> ceilings.ceiling_lower.dims, ceilings.left_out.dims
    (('region',), ('region', 'subject'))
    >>> round(float(ceilings.ceiling_lower[0]), 3), round(float(ceilings.ceiling_upper[0]), 3)
    (0.5, 0.75)
    """
    return bound_scores(read_brain_rdms(brain_rdms), find_comparator(comparator))


def bound_scores(
    brain: BrainRDMs, comparator: Comparator, whole: Bounds | None = None
) -> xr.Dataset:
    """Return the ceilings of checked pairs; attributes say what they are.

    ``whole`` is what subjects add to them, where that is known: (1, region, subject).
    """
    if whole is None:
        once = np.ones((1, count_stimuli(brain.pairs.shape[-1])), dtype=int)
        whole = bound_subjects(brain, comparator, once)
    left_out = whole.lower[0]
    kept_in = whole.upper[0]
    undefined = _list_undefined(brain, left_out, kept_in)
    if undefined:
        _warn_undefined(comparator.name, undefined)
    upper = mean_subjects(kept_in, brain.present)
    attrs = {"kind": "r", "n_repeats": "as in the RDMs", "measure": comparator.name}
    return xr.Dataset(
        {
            "ceiling_lower": (REGION, mean_subjects(left_out, brain.present), attrs),
            "ceiling_upper": (REGION, upper, attrs),
            "left_out": ((REGION, SUBJECT), left_out, attrs),
            "kept_in": ((REGION, SUBJECT), kept_in, attrs),
            "n_subjects": (REGION, brain.present.sum(axis=1)),
        },
        coords={REGION: brain.regions, SUBJECT: brain.subjects},
        attrs={
            "measure": comparator.name,
            "ceiling_note": _describe_ceilings(brain, comparator, undefined),
            "ceiling_bound": _name_bound(brain, upper),
        },
    )


def _name_bound(brain: BrainRDMs, upper: np.ndarray) -> str:
    """Return whether no model can exceed ``upper`` (region,): only where no pairs are missing."""
    if np.isnan(upper).all():
        return "none"
    return "expected" if _list_gaps(brain) else "exact"


def _list_gaps(brain: BrainRDMs) -> list[str]:
    """Return the regions and subjects whose RDMs lack some pairs."""
    partial = brain.present & np.isnan(brain.pairs).any(axis=-1)
    places = np.argwhere(partial)
    return [f"{brain.regions[region]}, {brain.subjects[subject]}" for region, subject in places]


def read_ceiling(ceilings: xr.Dataset, model: ModelRDMs) -> Ceiling:
    """Return the description of ceilings that ``bound_scores`` wrote into the attributes.

    They bound no op of ``model`` that is compared on fewer pairs.
    """
    note = ceilings.attrs["ceiling_note"]
    bound = ceilings.attrs["ceiling_bound"]
    if bound == "exact" and find_gaps(model.has_pair).any():
        note += " They are of all pairs that the brain's matrices have; some ops lack pairs."
        bound = "expected"
    return Ceiling(note=note, bound=bound)


def _list_undefined(brain: BrainRDMs, left_out: np.ndarray, kept_in: np.ndarray) -> list[str]:
    """Return the regions and subjects whose similarity to a pool is undefined."""
    pooled = brain.present & (brain.present.sum(axis=1) > 1)[:, None]
    names = [
        f"{brain.regions[region]}, {brain.subjects[subject]}"
        for region, subject in np.argwhere(pooled & np.isnan(left_out))
    ]
    no_upper = brain.regions[(pooled & np.isnan(kept_in)).any(axis=1)]
    return names + [f"{region}, all subjects" for region in no_upper]


def _warn_undefined(name: str, undefined: list[str]) -> None:
    """Warn once, naming the regions and subjects without a ceiling."""
    warn_user(
        f"{_explain_undefined(name, undefined)} Leave that subject out of scores and ceilings "
        f"alike, or use another comparator."
    )


def _explain_undefined(name: str, undefined: list[str]) -> str:
    return (
        f"A ceiling is NaN where {name} between a subject and its pool is undefined: "
        f"{list_names(undefined)}."
    )


def _describe_ceilings(brain: BrainRDMs, comparator: Comparator, undefined: list[str]) -> str:
    """Return sentences on what the ceilings are, and on which there are none."""
    name = comparator.name
    n_subjects = brain.present.sum(axis=1)
    single = brain.regions[n_subjects < 2]
    if len(single) == len(brain.regions):
        return f"No noise ceiling: every region has fewer than two subjects. {FROM_REPEATS}"
    counts = [f"{region} {n}" for region, n in zip(brain.regions, n_subjects, strict=True)]
    upper = "upper includes it"
    if not comparator.mean_is_best:
        upper = f"upper is the root of the mean {name} over all pairs of subjects, equal ones too"
    notes = [
        f"RDM ceiling of Nili et al. 2014 on the mean {name} over subjects, averaged as {name} "
        f"sees the RDMs; lower leaves the subject out, {upper}. "
        f"Subjects per region: {_shorten(counts)}."
    ]
    if len(single):
        names = _shorten(single.tolist())
        notes.append(f"No ceiling, for fewer than two subjects, in: {names}. {FROM_REPEATS}")
    if gaps := _list_gaps(brain):
        notes.append(
            f"Pairs are missing in {list_names(gaps)}: the mean RDM of a pair is that of the "
            "subjects who have it, each similarity is of the pairs that both sides have "
            "(whitened and Bures: of the stimuli that all subjects have), and upper is no strict "
            "bound."
        )
    if undefined:
        notes.append(_explain_undefined(name, undefined))
    return " ".join(notes)


def _shorten(entries: list[str]) -> str:
    """Return the first ``MAX_LISTED`` entries and how many more there are."""
    listed = [str(entry) for entry in entries[:MAX_LISTED]]
    if len(entries) > MAX_LISTED:
        listed.append(f"and {len(entries) - MAX_LISTED} more")
    return ", ".join(listed)
