"""Scores divided by their noise ceilings."""

from typing import Any, NamedTuple

import xarray as xr

from neurolens.compare.encoding.explainable import CEILINGS, fits_repeats, refuse_percent
from neurolens.compare.encoding.normalized import RATIOS
from neurolens.compare.inputs.repeats import NEUROID_REPEATS
from neurolens.compare.inputs.responses import match_neuroids
from neurolens.errors import InputError, LabelError, warn_user
from neurolens.labels import NEUROID, NEUROID_ID, SUBJECT
from neurolens.scores import read_scores

# Measures that follow from the kind of a ceiling, which therefore need not name them.
PREDICTION = (None, "r", "r2")


class Kind(NamedTuple):
    """The kind of a score or a ceiling.

    ``name`` is a kind ("r", "reliability" ...), ``n_repeats`` the number of presentations behind a
    response, or a sentence on it, ``measure`` that of the score, None where nothing names it.
    """

    name: str
    n_repeats: float | str
    measure: str | None


def normalize_scores(
    scores: xr.Dataset | xr.DataArray,
    ceilings: xr.DataArray | None = None,
    *,
    min_ceiling: float = 0.0,
) -> xr.DataArray:
    """Divide scores by their ceilings, or raise an error if the two do not belong together.

    A score r is divided by the root of a ceiling on r^2 ("reliability", "r2", "ncsnr" turned into
    NC(n)) or by one on r ("r"); a score r2 by a ceiling on r^2, or by the square of one on r.

    Parameters
    ----------
    scores : Dataset or DataArray
        Any scores that hold ceilings, of which ``score`` is divided by ``ceiling_upper``. Or an
        array with attributes ``kind``, "r" or "r2", and ``n_repeats``: how many presentations the
        responses it was computed with are the mean of (1 for single trials, the harmonic mean where
        that differs).
    ceilings : DataArray, optional
        Only with an array of scores, and then required. With attributes ``kind`` (reliability,
        ncsnr, r, r2) and ``n_repeats``; its dimensions are among those of ``scores``. Neuroids are
        matched by ``neuroid_id`` (and ``subject``) where either side has it.
    min_ceiling : float
        The least ceiling to divide by, in the unit of the scores ("r": the root of the share of
        variance that can be explained). A ratio to next to nothing is noise.

    Returns
    -------
    DataArray
        1 where the score is all that the noise allows; NaN where the ceiling is NaN, 0 or below, or
        below ``min_ceiling``: such a neuroid is excluded, never divided. Above 1 where the score
        exceeds the estimate of its ceiling. The attribute ``normalization`` says what was divided
        by what, ``normalization_note`` how many had no ceiling to divide by.

    Raises
    ------
    InputError
        Scores hold no ceiling; a kind is missing or unknown; the two are of different numbers of
        repeats, or of different measures.
    LabelError
        Labels of a shared dimension differ, the ceilings have a dimension that the scores lack, or
        one side lacks ``neuroid_id``.

    Warns
    -----
    RuntimeWarning
        Over half of the neuroids, with ceilings of their own, have none that is high enough.

    Notes
    -----
    Ceilings of single neuroids are noisy, and a mean of ratios to them is not what a perfect model
    would get: for regions take ``score_normalised`` of ``fit_encoding``, a ratio of means.

    Examples
    --------
    >>> import xarray as xr
    >>> r = xr.DataArray([0.6, 0.3], dims="neuroid", attrs={"kind": "r", "n_repeats": 4})
    >>> reliability = xr.DataArray([0.64, 0.0], dims="neuroid",
    ...                            attrs={"kind": "reliability", "n_repeats": 4})
    >>> normalize_scores(r, reliability).round(3).values.tolist()
    [0.75, nan]
    """
    if isinstance(scores, xr.DataArray):
        if not isinstance(ceilings, xr.DataArray):
            raise InputError(
                "normalize_scores takes the whole Dataset of scores, or an array of scores with "
                f"its ceilings, got an array with {type(ceilings).__name__}. Pass "
                "normalize_scores(scores), or normalize_scores(scores['score'], "
                "scores['ceiling_upper'])."
            )
        return _divide(scores, ceilings, min_ceiling)
    scores = read_scores(scores, "normalize_scores", needs=["ceiling_upper"], over_time=True)
    if ceilings is not None:
        raise InputError(
            "normalize_scores takes ceilings with an array of scores only; a Dataset holds its "
            "own. Pass normalize_scores(scores), or normalize_scores(scores['score'], ceilings)."
        )
    # Both are in the same unit, whatever it is.
    upper = scores["ceiling_upper"]
    bound = upper.where((upper > 0) & (upper >= min_ceiling))
    return _describe_share(scores["score"], bound, "upper", "score / ceiling_upper", min_ceiling)


def _divide(scores: xr.DataArray, ceilings: xr.DataArray, min_ceiling: float) -> xr.DataArray:
    """Return ``scores`` as a share of ``ceilings``, after checking that they belong together."""
    kind = _read_kind(scores, "scores", ("r", "r2"))
    ceiling_kind = _read_kind(ceilings, "ceilings", tuple(CEILINGS))
    _check_kinds(kind, ceiling_kind)
    refuse_percent(ceiling_kind.name, ceilings.values)
    repeats: Any = kind.n_repeats
    if NEUROID_REPEATS in scores.coords:
        repeats = scores[NEUROID_REPEATS].variable
    share = CEILINGS[ceiling_kind.name](_match_labels(ceilings, scores).variable, repeats)
    bound = share.where(share > 0) ** (0.5 if kind.name == "r" else 1)
    bound = bound.where(bound >= min_ceiling)
    return _describe_share(scores, bound, ceiling_kind.name, RATIOS[kind.name], min_ceiling)


def _check_kinds(scores: Kind, ceilings: Kind) -> None:
    """Raise InputError unless a ceiling of this kind bounds a score of this kind."""
    is_prediction = ceilings.measure is None and scores.measure in PREDICTION
    if not is_prediction and scores.measure != ceilings.measure:
        raise InputError(
            f"scores are of measure {scores.measure!r}, ceilings of {ceilings.measure!r}. Compute "
            "the ceilings with the measure of the scores.",
            anchor="ceiling-kind",
        )
    if not fits_repeats(ceilings.name, ceilings.n_repeats, scores.n_repeats):
        raise InputError(
            f"scores are of the mean of {_format_repeats(scores.n_repeats)} presentations, "
            f"ceilings of {_format_repeats(ceilings.n_repeats)}. Compute both with the same "
            "responses, or use compute_ncsnr, which serves any number.",
            anchor="ceiling-kind",
        )


def _match_labels(bound: xr.DataArray, scores: xr.DataArray) -> xr.DataArray:
    """Return ``bound`` with its neuroids in the order of ``scores``; other labels must agree."""
    if extra := [dim for dim in bound.dims if dim not in scores.dims]:
        raise LabelError(
            f"ceilings have the dimensions {extra}, which scores with {list(scores.dims)} lack. "
            "Pass ceilings of the regions, e.g. scores['ceiling_upper'], with scores of regions, "
            "and ceilings of neuroids with scores of neuroids, e.g. scores['r'].",
            anchor="wrong-dimensions",
        )
    shared = set(bound.dims)
    if NEUROID in shared and (NEUROID_ID in scores.coords or NEUROID_ID in bound.coords):
        renamed = {f"{NEUROID}_{SUBJECT}": SUBJECT}
        named = scores.rename({old: new for old, new in renamed.items() if old in scores.coords})
        bound = bound.isel({NEUROID: match_neuroids(bound, named, "ceilings", "scores")})
        shared.remove(NEUROID)
    for dim in shared & set(scores.coords) & set(bound.coords):
        if scores[dim].values.tolist() != bound[dim].values.tolist():
            raise LabelError(
                f"scores and ceilings differ in their labels along {dim!r}. Align them first, by "
                "label.",
                anchor="ids-differ",
            )
    return bound


def _describe_share(
    scores: xr.DataArray,
    bound: xr.DataArray | xr.Variable,
    kind: str,
    ratio: str,
    min_ceiling: float,
) -> xr.DataArray:
    """Return ``scores`` / ``bound`` under the name and the attributes of ``scores``, and how."""
    n_lost = int(bound.isnull().sum())
    note = f"{n_lost} of {bound.size} ceilings are none, 0 or below, or below {min_ceiling:g}."
    if NEUROID in bound.dims and n_lost > bound.size / 2:
        warn_user(
            f"{note} Normalised scores are those of the other neuroids, whose ceilings are the "
            "higher for being chosen; for a region take score_normalised of fit_encoding, over all."
        )
    attrs = scores.attrs | {
        "kind": f"share of ceiling ({kind})",
        "normalization": ratio,
        "normalization_note": note,
    }
    return (scores / bound).rename(scores.name).assign_attrs(attrs)


def _format_repeats(n_repeats: float | str) -> str:
    """Return a number of presentations in words; it may be a sentence already."""
    return n_repeats if isinstance(n_repeats, str) else f"{n_repeats:g}"


def _read_kind(array: xr.DataArray, name: str, kinds: tuple[str, ...]) -> Kind:
    """Return the kind that the attributes of ``array`` state."""
    kind = array.attrs.get("kind")
    if kind not in kinds or "n_repeats" not in array.attrs:
        raise InputError(
            f"{name} must say what they are: attrs['kind'] one of {kinds} and attrs['n_repeats'], "
            f"got kind {kind!r} and n_repeats {array.attrs.get('n_repeats')!r}. Set them with "
            f"{name}.assign_attrs(kind='...', n_repeats=...).",
            anchor="ceiling-kind",
        )
    return Kind(str(kind), array.attrs["n_repeats"], array.attrs.get("measure"))
