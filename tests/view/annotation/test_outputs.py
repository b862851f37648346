"""Scores of ops with several outputs are drawn on the one node of such an op."""

import numpy as np
import pytest
import torch
import xarray as xr

import neurolens as nl
from neurolens.errors import LabelError
from neurolens.scores import build_scores
from neurolens.view.annotation import annotate_ops, fold_best, fold_outputs


class Splits(torch.nn.Module):
    def forward(self, x):
        one, other = torch.chunk(x, 2, 1)
        return torch.relu(one) + other


def make_scores(table, ops, regions=("V1", "IT")):
    """Return scores of a table (op, region), with draws of splits that favor the same ops."""
    mean = xr.DataArray(
        np.array(table), dims=("op", "region"), coords={"op": ops, "region": list(regions)}
    )
    halves = np.broadcast_to(np.array(table), (1, 2, *np.shape(table))).copy()
    splits = {"split_score": (("split", "half", "op", "region"), halves)}
    return build_scores(mean, method="rsa", measure="rho-a", n_stimuli=20, variables=splits)


@pytest.fixture
def trace():
    return nl.trace(Splits(), torch.randn(1, 4))


@pytest.fixture
def scores(trace):
    assert list(trace.graph.by_name) == ["/chunk", "/relu", "/add"]
    ops = ["/chunk.0", "/chunk.1", "/relu", "/add"]
    return make_scores([[0.1, 0.5], [0.3, 0.2], [0.2, 0.3], [0.15, 0.1]], ops)


def test_an_op_has_the_score_of_its_best_output_in_each_region(scores, trace):
    folded = fold_outputs(scores, list(trace.graph.by_name))
    assert folded.op.values.tolist() == ["/chunk", "/relu", "/add"]
    np.testing.assert_array_equal(folded.score_mean.sel(op="/chunk"), [0.3, 0.5])
    np.testing.assert_array_equal(folded.score_mean.sel(op="/relu"), [0.2, 0.3])
    # halves go with the output that was taken, not with the largest of each half
    np.testing.assert_array_equal(folded.split_score.sel(op="/chunk")[0, 0], [0.3, 0.5])
    assert "several scored outputs (/chunk)" in folded.attrs["outputs_note"]
    for name in scores:
        assert folded[name].dims == scores[name].dims, name


def test_best_ops_are_those_of_the_graph(scores, trace):
    best = nl.assign_regions(scores)
    assert best.best_op.values.tolist() == ["/chunk.1", "/chunk.0"]
    folded = fold_best(best, list(trace.graph.by_name))
    assert folded.best_op.values.tolist() == ["/chunk", "/chunk"]
    assert folded.op.values.tolist() == ["/chunk", "/relu", "/add"]
    np.testing.assert_array_equal(folded.heldout_mean, best.heldout_mean)
    tied = best.indistinguishable.sel(op=["/chunk.0", "/chunk.1"]).any("op")
    np.testing.assert_array_equal(folded.indistinguishable.sel(op="/chunk"), tied)


def test_an_op_is_tied_if_one_of_its_outputs_is(scores, trace):
    best = nl.assign_regions(scores)
    best["indistinguishable"].loc[{"op": ["/chunk.0", "/chunk.1"]}] = False
    best["indistinguishable"].loc[{"op": "/chunk.1", "region": "V1"}] = True
    folded = fold_best(best, list(trace.graph.by_name))
    tied = folded.indistinguishable.sel(op="/chunk")
    assert tied.sel(region=["V1", "IT"]).values.tolist() == [True, False]


def test_pictures_show_them_and_say_so(scores, trace, tmp_path):
    best = nl.assign_regions(scores)
    svg = nl.draw_graph(trace, scores=scores, best=best).render_svg()
    assert "several scored outputs" in svg
    page = nl.write_report(tmp_path / "page.html", trace=trace, scores=scores, best=best)
    assert "several scored outputs" in page.read_text()
    panels = nl.plot_profile(scores, best=best, graph=trace)
    assert panels[0].lines


def test_nothing_changes_without_several_outputs(trace, rng):
    ops = list(trace.graph.by_name)
    scores = make_scores(rng.random((3, 2)), ops)
    assert fold_outputs(scores, ops) is scores
    assert annotate_ops(scores, ops=ops).notes == {}


def test_one_scored_output_is_the_ops(trace):
    scores = make_scores([[0.1, 0.5], [0.2, 0.3]], ["/chunk.1", "/relu"])
    folded = fold_outputs(scores, list(trace.graph.by_name))
    assert folded.op.values.tolist() == ["/chunk", "/relu"]
    assert "outputs_note" not in folded.attrs


def test_outputs_of_ops_that_are_not_there_are_refused(trace):
    scores = make_scores([[0.1, 0.5]], ["/unbind.0"])
    with pytest.raises(LabelError, match=r"no '/unbind.0'.*if name in trace.graph.by_name"):
        nl.draw_graph(trace, scores=scores)


def test_an_output_without_a_score_is_never_taken(trace):
    scores = make_scores([[np.nan, 0.1], [0.2, np.nan]], ["/chunk.0", "/chunk.1"])
    folded = fold_outputs(scores, list(trace.graph.by_name))
    np.testing.assert_array_equal(folded.score_mean.values, [[0.2, 0.1]])
