"""Warnings where stimuli are no independent draws: features and responses without any relation."""

import warnings

import numpy as np
import pytest
from brains import label_features, label_responses

from neurolens import fit_encoding
from neurolens.compare import permute_encoding, split_stimuli

SERIES = "both autocorrelated in order of presentation"
COPIES = r"features under different ids .*split_stimuli\(responses, by=\.\.\.\)"


def autoregress(rng, n=60, k=10, phi=0.9):
    series = rng.normal(size=(n, k))
    for i in range(1, n):
        series[i] = phi * series[i - 1] + np.sqrt(1 - phi**2) * series[i]
    return series


def fit(features, responses, **settings):
    return fit_encoding(features, responses, n_splits=0, **settings)


def test_a_series_is_told_and_how_to_hold_out_blocks(rng):
    features = label_features(autoregress(rng))
    responses = label_responses(autoregress(rng))
    with pytest.warns(RuntimeWarning, match=rf"{SERIES}.*contiguous=True, gap=.*scheme='shift'"):
        leaked = fit(features, responses)
    folds = split_stimuli(responses, n_folds=4, contiguous=True, gap=8)
    apart = fit(features, responses, cv=folds)
    assert leaked.score_mean.item() > 0.3 > apart.score_mean.item()
    # Permuting single stimuli of a series is wrong in these folds too.
    permute_encoding(features, responses, cv=folds, n_permutations=3)
    with pytest.warns(RuntimeWarning, match=SERIES):
        permute_encoding(features, responses, cv=folds, scheme="stimuli", n_permutations=3)


def test_rows_that_are_stimuli_must_change_gradually(rng):
    series = [label_features(autoregress(rng, 100, 20)) for _ in range(2)]
    with pytest.warns(RuntimeWarning, match=SERIES):
        fit(series[0], series[1].rename(axis_0="neuroid"))
    category = np.repeat(np.arange(6), 10)
    hidden = rng.normal(size=(60, 8)) + 3 * rng.normal(size=(6, 8))[category]
    responses = label_features(hidden @ rng.normal(size=(8, 10)) + rng.normal(size=(60, 10)))
    fit(label_features(hidden), responses.rename(axis_0="neuroid"))


@pytest.mark.parametrize("side", ["features", "responses", "neither"])
def test_one_side_alone_is_no_harm(rng, side):
    features = label_features(autoregress(rng, phi=0.9 if side == "features" else 0.0))
    responses = label_responses(autoregress(rng, phi=0.9 if side == "responses" else 0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(features, responses)


def test_stimuli_shown_in_random_order_are_no_series(rng):
    order = rng.permutation(60)
    features = label_features(autoregress(rng))
    ids = features.stimulus.values[order].tolist()
    responses = label_responses(autoregress(rng)[order], ids=ids)
    fit(features, responses)


def test_runs_that_differ_on_both_sides(rng):
    run = rng.permutation(np.repeat(np.arange(6), 10))
    features = label_features(rng.normal(size=(60, 8)) + 2 * rng.normal(size=(6, 8))[run])
    values = rng.normal(size=(60, 8)) + 2 * rng.normal(size=(6, 8))[run]
    responses = label_responses(values).assign_coords(run=("presentation", run))
    with pytest.warns(RuntimeWarning, match=r"of the same 'run' resemble each other.*cv='run'"):
        fit(features, responses)
    fit(features, responses, cv="run")
    permute_encoding(features, responses, cv="run", n_permutations=3)
    # Category, unlike run, is what stimuli show.
    fit(features, responses.rename(run="category"))


def test_copies_under_different_ids(rng):
    picture = np.arange(40) % 20
    features = label_features(rng.normal(size=(20, 6))[picture])
    responses = label_responses(rng.normal(size=(40, 6))).assign_coords(
        picture=("presentation", picture)
    )
    with pytest.warns(RuntimeWarning, match=rf"pairs of stimuli have the same {COPIES}"):
        fit(features, responses)
    fit(features, responses, cv=split_stimuli(responses, by="picture"))


def test_near_copies_count_where_responses_agree(rng):
    picture = rng.permutation(np.arange(60) % 15)
    features = label_features(rng.normal(size=(15, 9))[picture] + 0.05 * rng.normal(size=(60, 9)))
    fit(features, label_responses(rng.normal(size=(60, 6))))
    alike = label_responses(rng.normal(size=(15, 6))[picture] + 0.5 * rng.normal(size=(60, 6)))
    with pytest.warns(RuntimeWarning, match=f"have nearly the same {COPIES}"):
        fit(features, alike)


def test_each_presentation_named_is_said_to_share_stimuli(rng):
    """The way to leave out runs of the same stimuli, as the refusal of cv="run" describes it."""
    features = label_features(rng.normal(size=(8, 6)))
    ids = [f"s{i}" for i in range(8)] * 4
    responses = label_responses(rng.normal(size=(32, 3)), ids=ids).assign_coords(
        run=("presentation", np.repeat(np.arange(4), 8))
    )
    own = [f"{s}, {g}" for s, g in zip(ids, responses.run.values, strict=True)]
    shown = features.sel(stimulus=ids).assign_coords(stimulus=own)
    responses = responses.assign_coords(stimulus_id=("presentation", own))
    with pytest.warns(RuntimeWarning, match="training and test share stimuli"):
        found = fit(shown, responses, cv="run")
    assert found.attrs["n_folds"] == 4
