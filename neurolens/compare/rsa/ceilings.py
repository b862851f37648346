"""Noise ceilings: how similar to the subjects the best possible model would be."""

from functools import partial

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import warn_user
from neurolens.compare.inputs.time_bins import compare_bins
from neurolens.compare.rdms.vectors import BrainPairs, mean_subjects, take_brain_pairs
from neurolens.compare.rsa.comparators.table import Comparator, compare_whole, find_comparator
from neurolens.labels import REGION, SUBJECT, TIME_BIN, list_names

NO_NOTE = "Every region has a ceiling."


def compute_rdm_ceilings(brain_rdms: xr.DataArray, *, comparator: str = "spearman") -> xr.Dataset:
    """Bounds on the mean similarity over subjects that a model RDM can reach in each region.

    lower = mean_s sim(d_s, pool(others)), upper = mean_s sim(d_s, pool(all)), where d_s is the RDM
    of subject s and pool averages RDMs as the comparator sees them: ranked (spearman, rho-a,
    tau-a), z-scored (pearson), divided by the root mean square (cosine), by the whitened norm
    (whitened ones) or the mean (bures). Pooling raw RDMs under a rank comparator would give an
    "upper" that is no bound. For tau-a and bures no pool in closed form is best: their upper is
    close to a bound, and ``ceiling_kind`` says so.

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
        subjects; NaN where a region has fewer than two subjects, of whom nothing can be said, or a
        similarity is undefined: a mean over the others would be no bound on scores that are means
        over all. ``left_out`` (region, subject): the similarity of each subject to the pool of the
        others, whose mean is the lower bound. ``n_subjects`` (region). Attributes:
        ``ceiling_kind``, a sentence; on each bound ``kind`` "r" (it bounds the score itself) and
        ``comparator``, for ``normalize_scores``.

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
    if isinstance(brain_rdms, xr.DataArray) and TIME_BIN in brain_rdms.dims:
        return compare_bins(partial(compute_rdm_ceilings, comparator=comparator), brain_rdms)
    return bound_scores(take_brain_pairs(brain_rdms), find_comparator(comparator), comparator)


def bound_scores(brain: BrainPairs, comparator: Comparator, name: str) -> xr.Dataset:
    """Return the ceilings of checked pairs, with a sentence on what kind they are."""
    left_out = np.full(brain.present.shape, np.nan)
    upper = np.full(len(brain.present), np.nan)
    for k, here in enumerate(brain.present):
        left_out[k, here], upper[k] = bound_region(brain.pairs[k, here], comparator)
    n_subjects = brain.present.sum(axis=1)
    counts = [f"{region} {n}" for region, n in zip(brain.regions, n_subjects, strict=True)]
    counts[20:] = [f"and {len(counts) - 20} more"] if len(counts) > 20 else []
    single = ", ".join(map(str, brain.regions[n_subjects < 2]))
    notes = [f"No ceiling, for fewer than two subjects, in: {single}."] if single else []
    pooled = brain.present & (n_subjects > 1)[:, None]
    lost = [
        f"{brain.regions[r]}, {brain.subjects[s]}"
        for r, s in np.argwhere(pooled & np.isnan(left_out))
    ]
    lost += [
        f"{region}, all subjects" for region in brain.regions[pooled.any(axis=1) & np.isnan(upper)]
    ]
    if lost:
        notes.append(
            f"A ceiling is NaN where {name} between a subject and its pool is undefined: "
            f"{list_names(lost)}."
        )
        warn_user(
            f"{notes[-1]} Leave that subject out of scores and ceilings alike, or use another "
            f"comparator."
        )
    bound = {"kind": "r", "n_repeats": "as in the RDMs", "comparator": name}
    return xr.Dataset(
        {
            "ceiling_lower": (REGION, mean_subjects(left_out, brain.present), bound),
            "ceiling_upper": (REGION, upper, bound),
            "left_out": ((REGION, SUBJECT), left_out, bound),
            "n_subjects": (REGION, n_subjects),
        },
        coords={REGION: brain.regions, SUBJECT: brain.subjects},
        attrs={
            "comparator": name,
            "ceiling_kind": (
                f"RDM ceiling of Nili et al. 2014 on the mean {name} over subjects, pooled as "
                f"{name} sees the RDMs; "
                "lower leaves the subject out, upper includes "
                f"it{'' if comparator.exact else ' (close to a bound)'}. "
                f"Subjects per region: {', '.join(counts)}."
            ),
            "ceiling_note": " ".join(notes) or NO_NOTE,
        },
    )


def bound_region(pairs: np.ndarray, comparator: Comparator) -> tuple[np.ndarray, float]:
    """Return (lower of each subject, upper) for the RDMs (subject, pair) of one region.

    NaN for fewer than two.
    """
    n_subjects = len(pairs)
    if n_subjects < 2:
        return np.full(n_subjects, np.nan), np.nan
    scaled = comparator.standardise(pairs)
    total = scaled.sum(axis=0)
    upper = compare_whole(total[None] / n_subjects, pairs, comparator)
    others = (total - scaled) / (n_subjects - 1)
    lower = [
        compare_whole(other[None], one[None], comparator)
        for other, one in zip(others, pairs, strict=True)
    ]
    return np.ravel(lower), float(upper.mean())
