"""Annotations of ops from a table of best ops, matched to the scores by label."""

import numpy as np
import pytest
import xarray as xr
from graphs import build_residual, fake_best, fake_scores

from neurolens.errors import LabelError
from neurolens.view.annotation import annotate_ops


@pytest.fixture
def scores(rng):
    return fake_scores(build_residual(), rng)


@pytest.fixture
def best(scores):
    return fake_best(scores)


def test_best_ops_and_ties_are_told_by_position_of_the_region(scores, best):
    a, b, c = scores.op.values[:3].tolist()
    best["best_op"] = ("region", [a, b, a, ""])
    tied = best["indistinguishable"] & False
    tied.loc["V1", [a, c]] = True
    tied.loc["V2", [a, b]] = True
    tied.loc["IT", c] = True
    note = annotate_ops(scores, best=best.assign(indistinguishable=tied))
    assert note.best == {a: (0, 2), b: (1,)}
    assert note.ties == {a: (1,), c: (0, 3)}


def test_the_order_of_best_does_not_matter(scores, best):
    turned = best.isel(region=[2, 0, 3, 1], op=slice(None, None, -1)).transpose("op", "region")
    there, expected = annotate_ops(scores, best=turned), annotate_ops(scores, best=best)
    assert there.best == expected.best
    assert there.ties == expected.ties
    assert len(expected.ties) > 0


def test_best_of_other_regions_is_refused(scores, best):
    with pytest.raises(
        LabelError,
        match="best and scores must hold the same 4 .* 'region'. Missing from best: 'V4'",
    ):
        annotate_ops(scores, best=best.drop_sel(region="V4"))
    with pytest.raises(
        LabelError, match="best and scores must hold the same 3 .* 'region'.*only in best: 'V4'"
    ):
        annotate_ops(scores.drop_sel(region="V4"), best=best)
    with pytest.raises(
        LabelError, match="the 'region' labels of best must be unique, but these repeat: 'V1'"
    ):
        annotate_ops(scores, best=xr.concat([best, best.sel(region=["V1"])], "region"))


def test_best_of_other_ops_is_refused(scores, best):
    best["best_op"] = ("region", ["nope/relu", *best.best_op.values[1:]])
    with pytest.raises(
        LabelError, match="best must name ops of this graph, but it has no 'nope/relu'"
    ):
        annotate_ops(scores, best=best)


def test_without_best_nothing_is_marked(scores):
    note = annotate_ops(scores)
    assert (note.best, note.ties) == ({}, {})
    assert np.isnan(note.get_means("no such op")).all()
