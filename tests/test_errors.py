"""Warnings point at the line of the user's code that led to them."""

import contextlib
import warnings

import numpy as np
import pytest
import xarray as xr
from brains import label_features, label_responses
from squares import draw_square, label_squares
from torch import nn

import neurolens as nl
from neurolens import compare
from neurolens.errors import warn_user


def build_responses(rng):
    values = rng.normal(size=(12, 3))
    values[:, 1] = 1.0
    return label_responses(values)


def fit_constant(rng):
    compare.fit_encoding(label_features(rng.normal(size=(12, 4))), build_responses(rng), cv=2)


def fit_constant_over_time(rng):
    timed = xr.concat([build_responses(rng)] * 2, "time_bin")
    compare.fit_encoding(label_features(rng.normal(size=(12, 4))), timed, cv=2)


def correlate_constant(rng):
    compare.compute_rdms(label_features(np.ones((4, 3))))


def score_constant(rng):
    model = label_squares([draw_square(rng, 6), 1 - np.eye(6)], op=["a", "b"])
    compare.compare_rdms(model, label_squares(draw_square(rng, 6)), n_bootstrap=0, n_splits=0)


def score_constant_over_time(rng):
    model = label_squares([draw_square(rng, 6), 1 - np.eye(6)], op=["a", "b"])
    brain = xr.concat([label_squares(draw_square(rng, 6)) for _ in "xy"], "time_bin")
    compare.compare_rdms(model, brain, n_bootstrap=0, n_splits=0)


def measure_constant(rng):
    compare.compute_ncsnr(label_responses(np.ones((12, 2)), ids=[f"s{i % 6}" for i in range(12)]))


def weigh_constant(rng):
    compare.fit_reweighted_rdms(
        label_features(np.ones((12, 2))), label_squares(draw_square(rng, 12)), n_folds=3
    )


@pytest.mark.parametrize(
    "cause",
    [
        fit_constant,
        fit_constant_over_time,
        correlate_constant,
        score_constant,
        score_constant_over_time,
        measure_constant,
        weigh_constant,
    ],
    ids=lambda cause: cause.__name__,
)
def test_a_warning_points_at_the_line_of_the_user(rng, cause):
    first = cause.__code__.co_firstlineno
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        cause(rng)
    assert records
    for record in records:
        assert record.filename == __file__
        assert first < record.lineno < first + 6


def test_a_warning_of_code_without_a_user_is_still_told():
    """In a thread or a callback no frame but the caller's own is outside the package."""
    with pytest.warns(RuntimeWarning, match="^so$") as records, contextlib.ExitStack() as stack:
        stack.callback(warn_user, "so")
    assert records[0].filename == contextlib.__file__


class Logs(nn.Module):
    def forward(self, x):
        return x.log()


@pytest.mark.parametrize("store", [None, "a.zarr"])
def test_a_warning_is_at_the_users_line(store, tmp_path):
    stimuli = nl.load_stimuli(np.zeros((4, 3), np.float32))
    store = store and tmp_path / store
    with pytest.warns(RuntimeWarning, match="hold NaN or infinite values") as caught:
        nl.extract_activations(Logs(), stimuli, store=store, quiet=True)
    assert [warning.filename for warning in caught] == [__file__]
