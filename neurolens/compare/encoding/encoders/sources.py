"""Features of single ops, with what is known of how they were made, and the refusal of others."""

import json
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.compare.inputs.checks import check_kind, check_numbers
from neurolens.compare.inputs.dimensions import refuse_brain
from neurolens.compare.inputs.features import list_arrays
from neurolens.compare.inputs.repeats import average_samples
from neurolens.errors import InputError, LabelError
from neurolens.labels import (
    NEUROID,
    OP,
    STIMULUS,
    TIME_BIN,
    align_labels,
    get_ids,
    get_marks,
    list_names,
)

MODEL = "model"
# The name that ``fit_encoding`` gives to features without one.
UNNAMED_OP = "model"
REDUCERS = "reducers"
# What a store says of the model and its input, on which every number depends.
PARTS = ("weights_sha256", "constants_sha256", "kwargs_sha256", "preprocessing")
# Of the code and versions that a preprocessing names, only the code counts.
VERSION = "version of"
# Attributes of an op's activations that go on into an encoder.
KEPT = ("batch_dependent", "random", "n_samples")


class Source(NamedTuple):
    """The features of one op: ``array`` (stimulus, ...), not loaded.

    ``op`` is "" where the features do not name one; ``origin`` are the attributes that say how the
    features were made, as far as it is known.
    """

    op: str
    array: xr.DataArray
    origin: dict[str, Any]

    @property
    def name(self) -> str:
        """What to call the features in a message."""
        return f"op {self.op!r}" if self.op else "the feature array"


class Flat(NamedTuple):
    """Features as numbers: ``ids`` (stimulus,), ``axes``, ``values`` (stimulus, feature)."""

    ids: np.ndarray
    axes: list[str]
    values: np.ndarray


def list_sources(features: Any) -> dict[str, Source]:
    """Return the features of each op, by its name, of whatever ``extract_activations`` returns.

    Raises
    ------
    InputError
        ``features`` are Grams or nothing that holds activations.
    """
    check_kind(features, "activations", "features")
    if isinstance(features, xr.DataTree):
        origin = _read_run(features.root.attrs) | get_marks(features)
        sources = {op: _read_source(array, origin, op) for op, array in list_arrays(features)}
        if not sources:
            raise InputError(
                "the DataTree holds no variable 'activation'. Pass what extract_activations "
                "returns.",
                anchor="wrong-object",
            )
        return sources
    origin = _read_run(features.attrs) | get_marks(features)
    if isinstance(features, xr.Dataset):
        if "activation" not in features:
            raise InputError(
                f"an encoder takes activations, and the Dataset holds {list_names(features)} but "
                "no 'activation'. Pass what extract_activations returns for the same op.",
                anchor="wrong-object",
            )
        features = features["activation"]
    source = _read_source(features, origin, "")
    return {source.op: source}


def _read_run(attrs: dict[Any, Any]) -> dict[str, Any]:
    """Return what the attributes of a whole extraction say of the model and its input."""
    provenance = attrs.get("provenance", {})
    run = {key: provenance[key] for key in PARTS if key in provenance}
    if MODEL in attrs:
        run[MODEL] = str(attrs[MODEL])
    return run


def _read_source(array: xr.DataArray, run: dict[str, Any], op: str) -> Source:
    """Return the features of one op; those that ``extract`` named say how they were reduced."""
    attrs = array.attrs
    named = str(attrs.get(OP, op))
    if not named and OP in array.coords and array[OP].ndim == 0:
        named = str(array[OP].item())
    origin = run | {key: attrs[key] for key in KEPT if key in attrs}
    if OP in attrs:
        origin[REDUCERS] = str(attrs.get(REDUCERS, "[]"))
    return Source(named, array, origin)


def flatten_source(source: Source) -> Flat:
    """Return the features of one op, checked: real, finite, with ids; any number of stimuli.

    Of samples of a stochastic model the mean is taken, as in a fit.
    """
    array = source.array
    name = source.name
    if STIMULUS not in array.dims:
        raise LabelError(
            f"{name} must have the dimension 'stimulus', got {tuple(array.dims)} with sizes "
            f"{dict(array.sizes)}. Rename with .rename(old='stimulus').",
            anchor="wrong-dimensions",
        )
    refuse_brain(array, name)
    ids = get_ids(array, STIMULUS, name)
    array = average_samples(array, name)
    axes = [str(dim) for dim in array.dims if dim != STIMULUS]
    values = array.variable.transpose(STIMULUS, *axes).values.reshape(len(ids), -1)
    return Flat(ids, axes, check_numbers(values, ids, name))


def arrange_features(source: Source, encoder: xr.Dataset) -> Source:
    """Return features with the axes of an encoder, in their order, or raise an error.

    Axes with labels are matched by label.

    Raises
    ------
    InputError
        The features are those of another op, model or reducer, or of another number.
    LabelError
        The features have other axes, or other labels along them.
    """
    refuse_origin(source, encoder)
    weight = encoder["weight"]
    axes = [str(dim) for dim in weight.dims if dim not in (NEUROID, TIME_BIN)]
    array = average_samples(source.array, source.name)
    if set(array.dims) != {STIMULUS, *axes}:
        raise LabelError(
            f"{source.name} must have the dimensions {('stimulus', *axes)} that the encoder was "
            f"fitted to, got {tuple(array.dims)} with sizes {dict(array.sizes)}. Rename them with "
            f".rename(old='new'), or extract them as those were.",
            anchor="encoder-of-other-features",
        )
    expected = {axis: weight.sizes[axis] for axis in axes}
    given = {axis: array.sizes[axis] for axis in axes}
    if given != expected:
        raise InputError(
            f"{source.name} must have as many features as the encoder was fitted to, {expected}, "
            f"got {given}. Extract them from stimuli of the same size, with the same reducer=.",
            anchor="encoder-of-other-features",
        )
    for axis in axes:
        if axis in weight.coords:
            array = align_labels(
                array,
                weight[axis].values.tolist(),
                name=source.name,
                other="the encoder",
                dims=[axis],
            )
    return source._replace(array=array.transpose(STIMULUS, *axes))


def refuse_origin(source: Source, encoder: xr.Dataset) -> None:
    """Raise InputError where features are known to be made otherwise than those of the fit."""
    op = str(encoder.attrs[OP])
    if source.op and op not in (source.op, UNNAMED_OP):
        raise InputError(
            f"the encoder predicts from op {op!r}, got features of op {source.op!r}. Extract them "
            f"with extract_activations(model, stimuli, ops={op!r}), or fit an encoder to "
            f"{source.op!r}.",
            anchor="encoder-of-other-features",
        )
    for key in {MODEL, *PARTS} & encoder.attrs.keys() & source.origin.keys():
        fitted = _drop_versions(encoder.attrs[key])
        given = _drop_versions(source.origin[key])
        if fitted != given:
            raise InputError(
                f"{source.name} is of another model or preprocessing than the encoder was fitted "
                f"to: {key} was {fitted!r}, is now {given!r}. Extract the new stimuli with the "
                "same model, weights, preprocessing and kwargs=.",
                anchor="encoder-of-other-features",
            )
    if REDUCERS in encoder.attrs and REDUCERS in source.origin:
        _refuse_reducers(source, encoder.attrs[REDUCERS])


def _drop_versions(value: Any) -> Any:
    """Return a part of a provenance without the versions of packages in it."""
    if not isinstance(value, dict):
        return value
    return {key: part for key, part in value.items() if not str(key).startswith(VERSION)}


def _refuse_reducers(source: Source, fitted: str) -> None:
    """Raise InputError where the reducers of features differ from those of the fit."""
    before = json.loads(fitted)
    now = json.loads(source.origin[REDUCERS])
    if before == now:
        return
    difference = f"{_name_kinds(before)}, is now {_name_kinds(now)}"
    if _name_kinds(before) == _name_kinds(now):
        parts = []
        for old, new in zip(before, now, strict=True):
            parts += [
                f"{key} of {old['kind']} was {old.get(key)!r}, is now {new.get(key)!r}"
                for key in {**old, **new}
                if old.get(key) != new.get(key)
            ]
        difference = "; ".join(parts)
    fix = ""
    if "pca" in _name_kinds(before):
        fix = (
            " A PCA is the same only with the same fit_on=: extract all stimuli in one call with "
            "PCA(..., fit_on=training_ids), and select from the result."
        )
    raise InputError(
        f"{source.name} was reduced otherwise than the features that the encoder was fitted to: "
        f"{difference}. Extract the new stimuli with the same reducer=.{fix}",
        anchor="encoder-of-other-features",
    )


def _name_kinds(steps: list[dict[str, Any]]) -> str:
    return " then ".join(step["kind"] for step in steps) or "none"
