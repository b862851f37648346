"""Predicted responses to new stimuli."""

import numpy as np
import xarray as xr

from neurolens.compare.encoding.encoders.sources import (
    Source,
    arrange_features,
    flatten_source,
    list_sources,
)
from neurolens.compare.inputs.checks import check_kind
from neurolens.errors import InputError
from neurolens.labels import NEUROID, OP, STIMULUS, get_marks, list_names, suggest_name

NEEDED = ("weight", "intercept")


def predict_responses(
    encoder: xr.Dataset | xr.DataTree, features: xr.DataArray | xr.Dataset | xr.DataTree
) -> xr.DataArray:
    """Predict the responses of each neuroid to new stimuli.

    Parameters
    ----------
    encoder : Dataset, or DataTree of several
        From ``compute_encoding_weights`` or ``load_encoder``.
    features : DataTree, or Dataset or DataArray (stimulus, ...)
        Activations of the op of the encoder, or of all its ops, for one stimulus or more, made as
        those of the fit were: same model and reducer. Of a DataTree the op is found by name. One
        array without attributes needs the axes of the fit, by name and size, and by label where
        they have labels.

    Returns
    -------
    DataArray (stimulus, neuroid), or (op, stimulus, neuroid) for a DataTree of encoders
        Named "prediction", in units of the responses, with ``time_bin`` besides where the responses
        of the fit had it. Stimuli and their labels are those of ``features``, neuroids and theirs
        (``neuroid_id``, ``region``, ``subject``) those of the fit; NaN for neuroids that were not
        fitted. ``compare_predicted`` and ``compute_rdms`` take it as it is. Marks of the features
        go on in the attributes.

    Raises
    ------
    InputError
        The features are of another op, or known to be of another model, preprocessing or reducer;
        there are more or fewer; they are NaN or infinite; ``encoder`` is none.
    LabelError
        The axes of the features have other names or labels, or stimuli have no labels.
    UnknownNameError
        A DataTree lacks the op.

    Warns
    -----
    Never of stimuli unlike those of the fit, whose predictions are extrapolations.

    Notes
    -----
    Models are known by the name of their class and, where both sides were extracted into stores, by
    hashes of their weights and preprocessing. Features of a PCA are the same only with the same
    ``fit_on=``: extract all stimuli in one call, and select. Time O(n p v), memory that of the
    features and weights of one op, in float64, and of the result.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> from neurolens.compare import compute_encoding_weights, fit_encoding
    >>> rng = np.random.default_rng(0)
    >>> features = xr.DataArray(rng.normal(size=(40, 4)), dims=("stimulus", "feature"),
    ...                         coords={"stimulus": [f"s{i}" for i in range(40)]})
    >>> weights = xr.DataArray(rng.normal(size=(4, 2)), dims=("feature", "neuroid"))
    >>> responses = (features @ weights).assign_coords(neuroid_id=("neuroid", ["n1", "n2"]))
    >>> scores = fit_encoding(features[:30], responses[:30], dual=True)
    >>> encoder = compute_encoding_weights(scores, features[:30])
    >>> predicted = predict_responses(encoder, features[30:])
    >>> predicted.dims, predicted.neuroid_id.values.tolist()
    (('stimulus', 'neuroid'), ['n1', 'n2'])
    >>> bool((abs(predicted - responses[30:]) < 0.02).all())
    True
    """
    encoders = list_encoders(encoder)
    sources = list_sources(features)
    if isinstance(encoder, xr.DataTree):
        lacking = [op for op in encoders if op not in sources]
        if lacking:
            raise suggest_name(lacking[0], sources, "op in the features")
        predicted = [_predict_one(one, sources[op]) for op, one in encoders.items()]
        joined = xr.concat(
            predicted, OP, coords="minimal", compat="override", join="exact", combine_attrs="drop"
        )
        attrs = predicted[0].attrs
    else:
        joined = _predict_one(encoder, _choose_source(sources, str(encoder.attrs[OP])))
        attrs = joined.attrs
    return joined.assign_attrs(attrs | get_marks(features)).rename("prediction")


def list_encoders(encoder: xr.Dataset | xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the encoder of each op, by its name, checked to be encoders."""
    check_kind(encoder, "encoder", "encoder")
    found = [encoder] if isinstance(encoder, xr.Dataset) else list_nodes(encoder).values()
    encoders = {}
    for one in found:
        missing = [name for name in NEEDED if name not in one]
        missing += [f"attrs[{OP!r}]"] * (OP not in one.attrs)
        if missing:
            raise InputError(
                f"an encoder holds {list_names(NEEDED)} and says its op, and this one lacks "
                f"{list_names(missing)}. Pass what compute_encoding_weights returns, as it is.",
                anchor="wrong-object",
            )
        encoders[str(one.attrs[OP])] = one
    if not encoders:
        raise InputError(
            "the DataTree holds no encoder. Pass what compute_encoding_weights returns.",
            anchor="wrong-object",
        )
    return encoders


def list_nodes(tree: xr.DataTree) -> dict[str, xr.Dataset]:
    """Return the Datasets of a tree that hold variables, by path."""
    return {
        node.path: node.to_dataset(inherit=False) for node in tree.subtree if len(node.data_vars)
    }


def _choose_source(sources: dict[str, Source], op: str) -> Source:
    """Return the features of ``op``, or the only ones there are."""
    if len(sources) == 1:
        return next(iter(sources.values()))
    if op not in sources:
        raise suggest_name(op, sources, "op in the features")
    return sources[op]


def _predict_one(encoder: xr.Dataset, source: Source) -> xr.DataArray:
    """Return predictions (stimulus, neuroid, ...) from one op."""
    source = arrange_features(source, encoder)
    flat = flatten_source(source)
    weight = encoder["weight"].transpose(*flat.axes, NEUROID, ...)
    dims = weight.dims[len(flat.axes) :]  # (neuroid,) or (neuroid, time_bin)
    shape = weight.shape[len(flat.axes) :]
    by_feature = weight.values.reshape(flat.values.shape[1], -1)  # (feature, neuroid * time_bin)
    values = (flat.values.astype(np.float64) @ by_feature).reshape(len(flat.ids), *shape)
    values += encoder["intercept"].transpose(*dims).values
    coords = {
        name: coord.variable
        for name, coord in source.array.coords.items()
        if coord.dims == (STIMULUS,)
    }
    coords |= {
        name: coord.variable
        for name, coord in encoder.coords.items()
        if coord.ndim and set(coord.dims) <= set(dims)
    }
    predicted = xr.DataArray(values, dims=(STIMULUS, *dims), coords=coords)
    attrs = {key: encoder.attrs[key] for key in ("estimator",) if key in encoder.attrs}
    attrs |= get_marks(encoder)
    return predicted.assign_coords({OP: str(encoder.attrs[OP])}).assign_attrs(attrs)
