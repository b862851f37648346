"""Weights of features from dual weights: which units and channels the model of a neuroid uses."""

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_kind
from neurolens.errors import InputError
from neurolens.labels import NEUROID, OP, STIMULUS, align_stimuli, get_ids, suggest_name


def compute_encoding_weights(
    scores: xr.Dataset, activation: xr.DataArray, *, op: str | None = None
) -> xr.Dataset:
    """Compute the weight of each feature of one op for each neuroid from dual weights.

    Dual weights come from ``fit_encoding(..., dual=True)``. With centered features Ac (stimulus,
    feature) and dual weights D (stimulus, neuroid): W = Ac' D; the intercept is mean(Y) - mean(A)
    W, so that A W + intercept predicts.

    Parameters
    ----------
    scores : Dataset
        With ``dual`` and ``response_mean``.
    activation : DataArray (stimulus, ...)
        The features that were fitted, the same stimuli in any order.
    op : str, optional
        Whose weights; default: ``activation.attrs["op"]``, or the only op of ``scores``.

    Returns
    -------
    Dataset
        ``weight`` (..., neuroid), with the feature axes of ``activation`` as they are, in units of
        the response per unit of the feature; ``intercept`` (neuroid). NaN for neuroids that were
        not fitted.

    Raises
    ------
    InputError
        ``scores`` hold no dual weights, or several ops and none is named.
    LabelError
        The stimuli differ from those fitted.
    UnknownNameError
        ``op`` is not in ``scores``.
    """
    check_kind(scores, "scores", "scores")
    check_kind(activation, "activation", "activation")
    get_ids(activation, STIMULUS, "activation")
    if "dual" not in scores:
        raise InputError(
            "scores hold no dual weights. Make them with fit_encoding(..., dual=True)."
        )
    ops = [str(name) for name in scores[OP].values]
    wanted = op or activation.attrs.get("op", ops[0] if len(ops) == 1 else None)
    if wanted is None:
        raise InputError(f"scores hold {len(ops)} ops. Name one with op=, e.g. op={ops[0]!r}.")
    if wanted not in ops:
        raise suggest_name(str(wanted), ops, "op in scores")
    ids = scores[STIMULUS].values.tolist()
    features = align_stimuli(
        activation, ids, name="activation", other="scores", dims=(STIMULUS,)
    ).astype(np.float64)
    mean = features.mean(STIMULUS)  # (...)
    dual = scores["dual"][ops.index(wanted)].drop_vars(OP)  # (stimulus, neuroid)
    weight = xr.dot(features - mean, dual, dim=STIMULUS)  # (..., neuroid)
    axes = [dim for dim in weight.dims if dim != NEUROID]
    intercept = scores["response_mean"] - (mean * weight).sum(axes, skipna=False)
    return xr.Dataset({"weight": weight, "intercept": intercept}, attrs={"op": wanted})
