"""Scores divided by what reliability allows."""

import xarray as xr

from neurolens.compare.encoding.accuracy import CEILINGS, fits_repeats
from neurolens.compare.encoding.ceilings import _round
from neurolens.compare.inputs.checks import check_kind
from neurolens.compare.inputs.responses import match_neuroids
from neurolens.errors import InputError, LabelError
from neurolens.labels import NEUROID, NEUROID_ID, SUBJECT


def normalize_scores(scores: xr.DataArray, ceilings: xr.DataArray) -> xr.DataArray:
    """Scores as a share of their ceilings, if the two belong together; an error if they do not.

    A score r is divided by the root of a ceiling on r^2 ("reliability", "r2", "ncsnr" turned into
    NC(n)) or by one on r ("r"); a score r2 by a ceiling on r^2, or by the square of one on r.

    Parameters
    ----------
    scores : DataArray
        With attributes ``kind``, "r" or "r2", and ``n_repeats``: how many presentations the
        responses it was computed with are the mean of (1 for single trials, the harmonic mean where
        that differs).
    ceilings : DataArray
        With attributes ``kind`` (reliability, ncsnr, r, r2) and ``n_repeats``; shares dimensions
        with ``scores``. Neuroids are matched by ``neuroid_id`` (and ``subject``) where either side
        has it.

    Returns
    -------
    DataArray
        1 where the score is all that the noise allows; NaN where the ceiling is NaN, 0 or below:
        such a neuroid is excluded, never divided. Above 1 where the score exceeds the estimate of
        its ceiling.

    Raises
    ------
    InputError
        A kind is missing or unknown; the two are of different numbers of repeats, or of different
        comparators.
    LabelError
        Labels of a shared dimension differ, or one side lacks ``neuroid_id``.

    Examples
    --------
    >>> import xarray as xr
    >>> r = xr.DataArray([0.6, 0.3], dims="neuroid", attrs={"kind": "r", "n_repeats": 4})
    >>> rho = xr.DataArray([0.64, 0.0], dims="neuroid", attrs={"kind": "reliability", "n_repeats": 4})
    >>> normalize_scores(r, rho).round(3).values.tolist()
    [0.75, nan]
    """
    check_kind(scores, "score", "scores")
    check_kind(ceilings, "ceiling", "ceilings")
    kind, n_repeats = _read_kind(scores, "scores", ("r", "r2"))
    ceiling_kind, ceiling_repeats = _read_kind(ceilings, "ceilings", tuple(CEILINGS))
    if scores.attrs.get("comparator") != ceilings.attrs.get("comparator"):
        raise InputError(
            f"scores are of comparator {scores.attrs.get('comparator')!r}, ceilings of "
            f"{ceilings.attrs.get('comparator')!r}. Compute the ceilings with the comparator of "
            f"the scores."
        )
    if not fits_repeats(ceiling_kind, ceiling_repeats, n_repeats):
        raise InputError(
            f"scores are of the mean of {_round(n_repeats)} presentations, ceilings of "
            f"{_round(ceiling_repeats)}. Compute both with the same responses, or use "
            f"compute_ncsnr, which "
            "serves any number."
        )
    bound = CEILINGS[ceiling_kind](ceilings, n_repeats)
    bound = bound.where(bound > 0) ** (0.5 if kind == "r" else 1)
    shared = set(scores.dims) & set(bound.dims)
    if NEUROID in shared and (NEUROID_ID in scores.coords or NEUROID_ID in bound.coords):
        named = scores.rename(dict.fromkeys({f"{NEUROID}_{SUBJECT}"} & set(scores.coords), SUBJECT))
        bound = bound.isel({NEUROID: match_neuroids(bound, named, "ceilings", "scores")})
        shared.remove(NEUROID)
    for dim in shared:
        if (
            dim in scores.coords
            and dim in bound.coords
            and scores[dim].values.tolist() != bound[dim].values.tolist()
        ):
            raise LabelError(
                f"scores and ceilings differ in their labels along {dim!r}. Align them first, by "
                f"label."
            )
    share = scores / bound.drop_vars(bound.coords)
    return share.rename(scores.name).assign_attrs(
        {**scores.attrs, "kind": f"share of ceiling ({ceiling_kind})"}
    )


def _read_kind(array: xr.DataArray, name: str, known: tuple[str, ...]) -> tuple[str, float | str]:
    """Return the kind and the number of repeats that ``array`` says it has."""
    kind = array.attrs.get("kind")
    if kind not in known or "n_repeats" not in array.attrs:
        raise InputError(
            f"{name} must say what they are: attrs['kind'] one of {known} and attrs['n_repeats'], "
            f"got kind {kind!r} "
            f"and n_repeats {array.attrs.get('n_repeats')!r}. Set them with "
            f"{name}.assign_attrs(kind='...', n_repeats=...)."
        )
    return str(kind), array.attrs["n_repeats"]
