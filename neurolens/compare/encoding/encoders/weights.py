"""Weights of features from dual weights: an encoder, which predicts responses to any stimuli."""

import numpy as np
import xarray as xr

from neurolens.compare.encoding.encoders.sources import (
    UNNAMED_OP,
    Source,
    flatten_source,
    list_sources,
)
from neurolens.compare.inputs.checks import check_kind
from neurolens.errors import InputError
from neurolens.labels import (
    NEUROID,
    OP,
    REGION,
    STIMULUS,
    SUBJECT,
    align_labels,
    get_marks,
    suggest_name,
)

# Share of the mean squared length of features by which they may differ from those of the fit: the
# rounding of float32 Grams, or of another batch size.
TOLERANCE = 1e-3
# Share of the squared length of their mean, of which Grams keep so many digits.
ROUNDING = 1e-5
# Attributes of scores that an encoder keeps.
SETTINGS = ("estimator", "select", "n_repeats")


def compute_encoding_weights(
    scores: xr.Dataset,
    features: xr.DataArray | xr.Dataset | xr.DataTree,
    *,
    op: str | None = None,
) -> xr.Dataset | xr.DataTree:
    """Compute the weight of each feature for each neuroid from dual weights: an encoder.

    Dual weights come from ``fit_encoding(..., dual=True)``, which fits them to all its stimuli.
    With centered features Ac (stimulus, feature) and dual weights D (stimulus, neuroid): W = Ac' D;
    the intercept is mean(Y) - mean(A) W, so that A W + intercept predicts. ``predict_responses``
    does so for new stimuli, ``save_encoder`` writes what is returned here to a file.

    Parameters
    ----------
    scores : Dataset
        With dual weights.
    features : DataTree, or Dataset or DataArray (stimulus, ...)
        The activations of one op, or those of all ops of ``scores`` in a DataTree: the features
        that were fitted, or those of the Grams that were, the same stimuli in any order.
    op : str, optional
        Whose weights; default: all of ``scores`` from a DataTree, otherwise the op that the
        features name, or the only one of ``scores``.

    Returns
    -------
    Dataset, or a DataTree with one for each op
        ``weight`` (..., neuroid), with the feature axes and their labels as they are, in units of
        the response per unit of the feature; ``intercept`` (neuroid); ``alpha`` (neuroid), the
        penalty. NaN for neuroids that were not fitted. All with ``time_bin`` besides where the
        responses had it. Neuroids keep their labels (``neuroid_id``, ``region``, ``subject`` ...).
        Attributes say what the features are and how they were made, as far as they tell: ``op``,
        ``model``, ``reducers``, hashes of weights and preprocessing (of a store), marks such as
        ``batch_dependent_ops``; and how the fit was made.

    Raises
    ------
    InputError
        ``scores`` hold no dual weights, or several ops and none is named; the features are not
        those that were fitted; they are NaN or infinite.
    LabelError
        The stimuli differ from those fitted.
    UnknownNameError
        ``op`` is not in ``scores``, or an op of ``scores`` not in the DataTree.

    Notes
    -----
    The features are known again by their distances from the mean, which scores with dual weights
    hold: those of another op or reducer are refused. Memory 8 bytes per feature and neuroid.
    Time O(n p v) for n stimuli, p features and v neuroids.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.compare import fit_encoding
    >>> rng = np.random.default_rng(0)
    >>> features = xr.DataArray(rng.normal(size=(30, 4)), dims=("stimulus", "feature"),
    ...                         coords={"stimulus": [f"s{i}" for i in range(30)]})
    >>> weights = xr.DataArray(rng.normal(size=(4, 2)), dims=("feature", "neuroid"))
    >>> scores = fit_encoding(features, features @ weights + 1, dual=True)
    >>> encoder = compute_encoding_weights(scores, features)
    >>> bool((abs(encoder.weight - weights) < 0.01).all()), encoder.weight.dims
    (True, ('feature', 'neuroid'))
    """
    check_kind(scores, "scores", "scores")
    if "dual" not in scores:
        raise InputError(
            "scores hold no dual weights. Make them with fit_encoding(..., dual=True).",
            anchor="scores-incomplete",
        )
    sources = list_sources(features)
    fitted = [str(name) for name in scores[OP].values]
    if isinstance(features, xr.DataTree) and op is None and len(sources) > 1:
        encoders = {}
        for name in fitted:
            path = name.removeprefix("/")
            encoders[path] = _weigh_features(scores, _find_source(sources, name), name)
        return xr.DataTree.from_dict(encoders, name="encoders")
    name = _choose_op(fitted, list(sources), op)
    source = next(iter(sources.values())) if len(sources) == 1 else _find_source(sources, name)
    return _weigh_features(scores, source, name)


def _find_source(sources: dict[str, Source], op: str) -> Source:
    """Return the features of ``op``."""
    if op not in sources:
        raise suggest_name(op, sources, "op in the features")
    return sources[op]


def _choose_op(fitted: list[str], named: list[str], op: str | None) -> str:
    """Return the op of ``fitted`` whose weights are wanted; ``named`` are those of the features."""
    wanted = op or (named[0] if len(named) == 1 else "")
    if fitted == [UNNAMED_OP] or (not wanted and len(fitted) == 1):
        # Features of one op, which need not name it.
        wanted = op or fitted[0]
    if not wanted:
        raise InputError(
            f"scores hold {len(fitted)} ops. Name one with op=, e.g. op={fitted[0]!r}."
        )
    if wanted not in fitted:
        raise suggest_name(wanted, fitted, "op in scores")
    return wanted


def _weigh_features(scores: xr.Dataset, source: Source, op: str) -> xr.Dataset:
    """Return the encoder of one op."""
    ids = scores[STIMULUS].values.tolist()
    array = source.array
    if STIMULUS in array.dims:
        array = align_labels(array, ids, name=source.name, other="scores", dims=(STIMULUS,))
    flat = flatten_source(source._replace(array=array))
    mean = flat.values.mean(axis=0, dtype=np.float64)  # (feature,)
    centered = np.subtract(flat.values, mean, dtype=np.float64)  # (stimulus, feature)
    fit = scores.sel({OP: op}, drop=True)
    _refuse_others(centered, mean, fit["feature_power"].values, source.name)
    dual = fit["dual"].transpose(STIMULUS, NEUROID, ...)
    shape = dual.shape[1:]  # (neuroid,) or (neuroid, time_bin)
    weight = centered.T @ dual.values.reshape(len(ids), -1)  # (feature, neuroid * time_bin)
    shift = (mean @ weight).reshape(shape)
    dims = [str(dim) for dim in dual.dims[1:]]
    sizes = [array.sizes[axis] for axis in flat.axes]
    encoder = xr.Dataset(
        {
            "weight": ((*flat.axes, *dims), weight.reshape(*sizes, *shape)),
            "intercept": (dims, fit["response_mean"].transpose(*dims).values - shift),
            "alpha": (dims, fit["dual_alpha"].transpose(*dims).values),
        },
        coords=_list_axes(array, flat.axes) | _list_neuroids(fit, dims),
    )
    named = source.op or op
    settings = {key: scores.attrs[key] for key in SETTINGS if key in scores.attrs}
    return encoder.assign_attrs(
        {OP: named, **source.origin, **get_marks(scores), **settings, "n_stimuli": len(ids)}
    )


def _refuse_others(centered: np.ndarray, mean: np.ndarray, power: np.ndarray, name: str) -> None:
    """Raise InputError unless ``centered`` features (n, p) have the squared lengths ``power`` (n,).

    Those of the fit do, up to rounding, which grows with the ``mean`` (p,) that was subtracted.
    """
    found = np.einsum("np,np->n", centered, centered)
    size = max(power.mean(), found.mean())
    worst = float(np.abs(found - power).max(initial=0.0))
    if worst > TOLERANCE * size + ROUNDING * float(mean @ mean):
        raise InputError(
            f"{name} is not what was fitted: squared distances of stimuli from their mean differ "
            f"by up to {worst / size:.2g} of the average one. Pass the activations that "
            "fit_encoding got, or those of its Grams, of the same op and reducer.",
            anchor="encoder-of-other-features",
        )


def _list_axes(array: xr.DataArray, axes: list[str]) -> dict[str, xr.Variable]:
    """Return the labels along the axes of features."""
    found = {}
    for name, coord in array.coords.items():
        if coord.ndim and set(coord.dims) <= set(axes):
            found[str(name)] = coord.variable
    return found


def _list_neuroids(fit: xr.Dataset, dims: list[str]) -> dict[str, xr.Variable]:
    """Return the labels of neuroids and time bins, by the names that responses give them."""
    names = {f"neuroid_{name}": name for name in (REGION, SUBJECT)}
    found = {}
    for name, coord in fit.coords.items():
        if coord.ndim and set(coord.dims) <= set(dims):
            found[names.get(str(name), str(name))] = coord.variable
    return found
