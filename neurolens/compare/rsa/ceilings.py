"""Noise ceilings: how similar to the subjects the best possible model RDM would be."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.time_bins import over_time_bins
from neurolens.compare.rdms.vectors import BrainRDMs, mean_subjects, read_brain_rdms
from neurolens.compare.rsa.comparators.table import Comparator, compare_whole, find_comparator
from neurolens.errors import warn_user
from neurolens.labels import REGION, SUBJECT, list_names
from neurolens.scores import Ceiling

# The largest number of regions that a note lists.
MAX_LISTED = 20


@over_time_bins("brain_rdms")
def compute_rdm_ceilings(brain_rdms: xr.DataArray, *, comparator: str = "spearman") -> xr.Dataset:
    """Compute bounds on the mean similarity over subjects that a model RDM can reach per region.

    lower = mean_s sim(d_s, pool(others)), upper = mean_s sim(d_s, pool(all)), where d_s is the RDM
    of subject s and pool averages RDMs as the comparator sees them: ranked (spearman, rho-a,
    tau-a), z-scored (pearson), divided by the root mean square (cosine), by the whitened norm
    (whitened ones) or the mean (bures). Averaging raw RDMs under a rank comparator would give an
    "upper" that is no bound. No model can exceed upper (``ceiling_bound`` "exact") with pearson,
    cosine, rho-a and the whitened ones. With spearman no model RDM without ties can, but one with
    ties can; for tau-a and bures no pool in closed form is best: there ``ceiling_bound`` is "none",
    and ``ceiling_note`` says why.

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
        the lower bound. ``n_subjects`` (region). Attributes: ``measure``, ``ceiling_note``,
        ``ceiling_bound``; on each bound ``kind`` "r" (it bounds the score itself) and ``measure``,
        for ``normalize_scores``.

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
    Time O(subjects^2 n^2) per region.

    References
    ----------
    Nili et al. (2014) PLoS Comput. Biol. 10:e1003553, on the noise ceiling. Checked against
    rsatoolbox ``boot_noise_ceiling``.

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
    (0.5, 0.866)
    """
    return bound_scores(read_brain_rdms(brain_rdms), find_comparator(comparator))


def bound_scores(brain: BrainRDMs, comparator: Comparator) -> xr.Dataset:
    """Return the ceilings of checked pairs; attributes say what they are."""
    left_out = np.full(brain.present.shape, np.nan)
    upper = np.full(len(brain.present), np.nan)
    for region, present in enumerate(brain.present):
        bounds = bound_region(brain.pairs[region, present], comparator)
        left_out[region, present] = bounds.left_out
        upper[region] = bounds.upper
    undefined = _list_undefined(brain, left_out, upper)
    if undefined:
        _warn_undefined(comparator.name, undefined)
    attrs = {"kind": "r", "n_repeats": "as in the RDMs", "measure": comparator.name}
    return xr.Dataset(
        {
            "ceiling_lower": (REGION, mean_subjects(left_out, brain.present), attrs),
            "ceiling_upper": (REGION, upper, attrs),
            "left_out": ((REGION, SUBJECT), left_out, attrs),
            "n_subjects": (REGION, brain.present.sum(axis=1)),
        },
        coords={REGION: brain.regions, SUBJECT: brain.subjects},
        attrs={
            "measure": comparator.name,
            "ceiling_note": _describe_ceilings(brain, comparator, undefined),
            "ceiling_bound": "none" if np.isnan(upper).all() else comparator.bound,
        },
    )


def read_ceiling(ceilings: xr.Dataset) -> Ceiling:
    """Return the description of ceilings that ``bound_scores`` wrote into the attributes."""
    return Ceiling(note=ceilings.attrs["ceiling_note"], bound=ceilings.attrs["ceiling_bound"])


class RegionBounds(NamedTuple):
    """The ceilings of one region: lower for each subject (subject,), and upper."""

    left_out: np.ndarray
    upper: float


def bound_region(pairs: np.ndarray, comparator: Comparator) -> RegionBounds:
    """Return the ceilings of the RDMs (subject, pair) of one region; NaN for fewer than two."""
    n_subjects = len(pairs)
    if n_subjects < 2:
        return RegionBounds(np.full(n_subjects, np.nan), np.nan)
    scaled = comparator.standardize(pairs)
    total = scaled.sum(axis=0)
    upper = compare_whole(total[None] / n_subjects, pairs, comparator)  # (1, subject)
    others = (total - scaled) / (n_subjects - 1)
    lower = [
        compare_whole(other[None], one[None], comparator)
        for other, one in zip(others, pairs, strict=True)
    ]
    return RegionBounds(np.ravel(lower), float(upper.mean()))


def _list_undefined(brain: BrainRDMs, left_out: np.ndarray, upper: np.ndarray) -> list[str]:
    """Return the regions and subjects whose similarity to a pool is undefined."""
    pooled = brain.present & (brain.present.sum(axis=1) > 1)[:, None]
    names = [
        f"{brain.regions[region]}, {brain.subjects[subject]}"
        for region, subject in np.argwhere(pooled & np.isnan(left_out))
    ]
    no_upper = brain.regions[pooled.any(axis=1) & np.isnan(upper)]
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
        return "No noise ceiling: every region has fewer than two subjects."
    counts = [f"{region} {n}" for region, n in zip(brain.regions, n_subjects, strict=True)]
    caveat = f" ({comparator.exceeds})" if comparator.exceeds else ""
    notes = [
        f"RDM ceiling of Nili et al. 2014 on the mean {name} over subjects, averaged as {name} "
        f"sees the RDMs; lower leaves the subject out, upper includes it{caveat}. "
        f"Subjects per region: {_shorten(counts)}."
    ]
    if len(single):
        notes.append(f"No ceiling, for fewer than two subjects, in: {_shorten(single.tolist())}.")
    if undefined:
        notes.append(_explain_undefined(name, undefined))
    return " ".join(notes)


def _shorten(entries: list[str]) -> str:
    """Return the first ``MAX_LISTED`` entries and how many more there are."""
    listed = [str(entry) for entry in entries[:MAX_LISTED]]
    if len(entries) > MAX_LISTED:
        listed.append(f"and {len(entries) - MAX_LISTED} more")
    return ", ".join(listed)
