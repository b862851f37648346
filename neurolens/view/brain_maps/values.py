"""What of scores a map shows: a score, its share of the ceiling, the best op, or its depth."""

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.errors import InputError, LabelError
from neurolens.labels import NEUROID, NEUROID_ID, OP, REGION, check_name, get_ids, suggest_name
from neurolens.scores import read_scores
from neurolens.view.annotation import describe_method

KINDS = ("score", "share", "best op", "depth")
# Of neuroids, by fit_encoding with a ceiling.
NORMALIZED = "normalised"


class Shown(NamedTuple):
    """Values over neuroid or region, and the words that go with them.

    ``order``: of texts, their names in order, else None. ``label``: what a color stands for.
    ``limits``: where the scale ends, None where the values decide. ``notes``: sentences.
    """

    values: xr.DataArray
    order: list[str] | None
    label: str
    limits: tuple[float, float] | None
    notes: list[str]


def choose_values(
    data: Any,
    *,
    show: str = "score",
    op: str | None = None,
    alpha: float | None = 0.05,
    where: xr.DataArray | None = None,
) -> Shown:
    """Return what a map shows of scores, or of values over neuroid or region.

    Parameters
    ----------
    data : Dataset or DataArray
        Scores, or one number or text for each neuroid or region.
    show : {"score", "share", "best op", "depth"}
        Of scores: the score; score ÷ noise ceiling; the op with the largest score; its position
        among the ops, 0 the first and 1 the last.
    op : str, optional
        The op whose score or share is shown; default: the largest at each place.
    alpha : float or None
        Places are left out where ``q`` of the op that is shown is above it.
    where : DataArray of bool, optional
        True where values are shown.

    Raises
    ------
    InputError
        Data are neither; a setting cannot be used, or does not go with the data.
    UnknownNameError
        There is no such op or kind of map.
    LabelError
        ``where`` is of other places.
    """
    check_name(show, KINDS, "kind of map")
    _check_alpha(alpha)
    if isinstance(data, xr.Dataset):
        shown = _choose_from_scores(data, show, op, alpha)
    elif isinstance(data, xr.DataArray):
        if show != "score" or op is not None:
            raise InputError(
                "show= and op= choose from scores, and these are values already. Pass the Dataset "
                "of scores, or leave them out."
            )
        shown = Shown(data, None, str(data.name or "value"), None, [])
    else:
        raise InputError(
            "a map is of scores, or of a DataArray over 'neuroid' or 'region', got "
            f"{type(data).__name__}. Pass what fit_encoding or compare_searchlight returned.",
            anchor="wrong-object",
        )
    return shown if where is None else _leave_out(shown, where)


def _check_alpha(alpha: Any) -> None:
    is_number = isinstance(alpha, int | float | np.number) and not isinstance(alpha, bool)
    if alpha is not None and not (is_number and 0 < alpha <= 1):
        raise InputError(f"alpha must be a number above 0 and up to 1, or None, got {alpha!r}.")


def _choose_from_scores(data: xr.Dataset, show: str, op: str | None, alpha: Any) -> Shown:
    """Return what is shown of scores."""
    scores = read_scores(data, "a brain map")
    table = _pick_table(scores, show)  # (op, place)
    names = [str(name) for name in get_ids(scores, OP, "scores")]
    best = _find_best(table)
    method = describe_method(scores.attrs)
    if show in ("score", "share"):
        values, notes = _choose_scores(table, names, op)
        chosen = best if op is None else xr.where(values.notnull(), names.index(op), -1)
        label = str(scores.attrs["measure"])
        if show == "share":
            label = f"{label} ÷ noise ceiling"
            if NORMALIZED in scores and NEUROID in table.dims:
                label = str(scores[NORMALIZED].attrs.get("normalization", label))
        limits = (0.0, 1.0) if show == "share" else None
        shown = Shown(values.rename(label), None, label, limits, [method, *notes])
    else:
        if op is not None:
            raise InputError(f"op= chooses one op, and show={show!r} compares all. Leave it out.")
        chosen = best
        shown = _choose_best(best, names, show, method)
    return _leave_out_insignificant(shown, scores, chosen, alpha)


def _pick_table(scores: xr.Dataset, show: str) -> xr.DataArray:
    """Return scores or shares (op, place), of neuroids where they are known."""
    measure = scores.attrs["measure"]
    by_neuroid = measure in scores and set(scores[measure].dims) == {OP, NEUROID}
    if show != "share":
        table = scores[measure] if by_neuroid else scores["score_mean"]
        return table.transpose(OP, ...)
    if by_neuroid and NORMALIZED in scores:
        return scores[NORMALIZED].transpose(OP, ...)
    ceiling = scores["ceiling_lower"]
    if by_neuroid or not bool((ceiling > 0).any()):
        raise InputError(
            "show='share' needs noise ceilings, which these scores lack. Make them with "
            "fit_encoding(..., ceiling=compute_ncsnr(responses)), or show='score'.",
            anchor="scores-incomplete",
        )
    return (scores["score_mean"] / ceiling.where(ceiling > 0)).transpose(OP, ...)


def _find_best(table: xr.DataArray) -> xr.DataArray:
    """Return the position of the op with the largest score at each place, -1 where none has one."""
    filled = table.fillna(-np.inf)
    best = filled.argmax(OP)
    return best.where(table.notnull().any(OP), -1)


def _choose_scores(
    table: xr.DataArray, names: list[str], op: str | None
) -> tuple[xr.DataArray, list[str]]:
    """Return the score of one op at each place, or the largest."""
    if op is not None:
        if op not in names:
            raise suggest_name(str(op), names, "op among the scores")
        return table.isel({OP: names.index(op)}, drop=True), [f"op: {op}"]
    if len(names) == 1:
        return table.isel({OP: 0}, drop=True), [f"op: {names[0]}"]
    note = (
        f"the largest score of {len(names)} ops at each place, chosen and measured on the same "
        "stimuli: too high on average"
    )
    return table.max(OP), [note]


def _choose_best(best: xr.DataArray, names: list[str], show: str, method: str) -> Shown:
    """Return the name or the depth of the best op at each place."""
    note = (
        f"at each place the op with the largest score, of {len(names)}; whether ops differ there "
        "was not tested"
    )
    if len(names) < 2:
        raise InputError(f"show={show!r} compares ops, and the scores are of one, {names[0]!r}.")
    if show == "depth":
        depth = (best / (len(names) - 1)).where(best >= 0)
        label = "place of the best op in the order of the scores (0 first, 1 last)"
        return Shown(depth.rename("depth"), None, label, (0.0, 1.0), [method, note])
    texts = np.array([*names, ""], dtype=object)[best.values.astype(int)]
    used = sorted(set(best.values.astype(int).tolist()) - {-1})
    order = [names[position] for position in used]
    values = best.copy(data=texts).rename("best op")
    return Shown(values, order, "best op, in the order of the scores", None, [method, note])


def _leave_out_insignificant(
    shown: Shown, scores: xr.Dataset, chosen: xr.DataArray, alpha: float | None
) -> Shown:
    """Return values without the places where q of the op that is shown is above ``alpha``."""
    if alpha is None:
        return shown._replace(notes=[*shown.notes, "all places are shown, tested or not"])
    if "q" not in scores or chosen.dims != (REGION,) or scores["q"].isnull().all():
        return shown._replace(notes=[*shown.notes, "no place was tested for significance"])
    q = scores["q"].transpose(OP, REGION).values
    rows = np.maximum(chosen.values.astype(int), 0)
    with_score = chosen.values >= 0
    is_low = (q[rows, np.arange(len(rows))] <= alpha) & with_score
    note = (
        f"{int((with_score & ~is_low).sum())} of {int(with_score.sum())} places with q > {alpha:g} "
        "are not colored"
    )
    kept = chosen.copy(data=is_low)
    return shown._replace(values=_blank(shown.values, kept), notes=[*shown.notes, note])


def _leave_out(shown: Shown, where: xr.DataArray) -> Shown:
    """Return values without the places where ``where`` is False."""
    values = shown.values
    dim = NEUROID if NEUROID in values.dims else REGION
    if not isinstance(where, xr.DataArray) or where.dims != (dim,) or where.dtype != bool:
        raise InputError(
            f"where must be a DataArray of True and False over {dim!r}, as the values are. Make it "
            "by comparing an array with labels, e.g. ceiling > 0.1.",
            anchor="wrong-object",
        )
    key = NEUROID_ID if dim == NEUROID else REGION
    position = {str(one): row for row, one in enumerate(where[key].values.tolist())}
    ids = [str(one) for one in values[key].values.tolist()]
    lacking = [one for one in ids if one not in position]
    if lacking:
        raise LabelError(
            f"where lacks {len(lacking)} of the {len(ids)} places of the values, e.g. "
            f"{lacking[0]!r}. Make it from the same responses.",
            anchor="ids-differ",
        )
    kept = where.values[[position[one] for one in ids]]
    note = f"{int((~kept).sum())} of {len(kept)} places are left out by where="
    mask = xr.DataArray(kept, dims=dim)
    return shown._replace(values=_blank(values, mask), notes=[*shown.notes, note])


def _blank(values: xr.DataArray, kept: xr.DataArray) -> xr.DataArray:
    """Return values without those that are not kept: NaN, or "" of text."""
    mask = xr.DataArray(kept.values, dims=kept.dims)
    is_text = values.dtype.kind in "OUS"
    return values.where(mask, "") if is_text else values.where(mask)
