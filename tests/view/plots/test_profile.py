"""Profiles: what is drawn is what was given, and nothing global changes."""

from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from graphs import build_branches, build_chain, build_residual, fake_best, fake_scores
from matplotlib.figure import Figure

from neurolens.errors import InputError, LabelError
from neurolens.view import plot_profile


@pytest.fixture
def scores(rng):
    return fake_scores(build_residual(), rng)


def test_profile_draws_the_means_and_marks_the_best(scores):
    best = fake_best(scores)
    figure = plot_profile(scores, best=best, graph=build_residual())
    assert isinstance(figure, Figure)
    assert [axis.get_title("left") for axis in figure.axes] == ["V1", "V2", "V4", "IT"]
    for axis, region in zip(figure.axes, scores.region.values, strict=True):
        line, dot = axis.get_lines()
        np.testing.assert_array_equal(line.get_ydata(), scores.score_mean.sel(region=region))
        assert scores.op.values[int(dot.get_xdata()[0])] == best.best_op.sel(region=region)


def test_profile_follows_the_order_of_the_graph(scores):
    figure = plot_profile(scores.isel(op=slice(None, None, -1)), graph=build_residual())
    np.testing.assert_array_equal(
        figure.axes[0].get_lines()[0].get_ydata(), scores.score_mean[:, 0]
    )


def test_panels_share_their_range_and_wrap(rng):
    regions = ("V1", "V2", "V3", "V4", "LOC", "IT")
    figure = plot_profile(fake_scores(build_branches(), rng, regions, without_ceiling=("LOC",)))
    assert len({axis.get_ylim() for axis in figure.axes}) == 1
    assert figure.axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 3)
    assert "no noise ceiling" in [text.get_text() for text in figure.axes[4].texts]


def test_a_ceiling_with_one_end_is_a_line(rng):
    scores = fake_scores(build_branches(), rng, ("V1",))
    scores["ceiling_lower"] = scores.ceiling_lower * np.nan
    axis = plot_profile(scores).axes[0]
    assert "noise ceiling, upper" in [text.get_text() for text in axis.texts]
    assert axis.get_lines()[0].get_ydata()[0] == scores.ceiling_upper[0]
    assert axis.get_ylim()[1] > scores.ceiling_upper[0]


def test_module_labels_do_not_overlap(rng):
    graph = build_chain(600)
    figure = plot_profile(fake_scores(graph, rng), graph=graph)
    figure.draw_without_rendering()
    for axis in figure.axes:
        boxes = sorted(
            (t.get_window_extent().x0, t.get_window_extent().x1) for t in axis.get_xticklabels()
        )
        assert len(boxes) > 2
        assert all(left[1] <= right[0] for left, right in pairwise(boxes))


def test_control_and_subjects_are_extra_lines(scores):
    control = (scores * 0.5).assign_attrs(label="random weights")
    figure = plot_profile(scores, control=control, subjects=True)
    assert len(figure.axes[0].get_lines()) == 1 + 4 + 1
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "random weights"
    ]


def test_control_of_other_ops_is_refused(scores):
    with pytest.raises(
        LabelError, match=r"control and scores must hold the same \d+ ids along 'op'"
    ):
        plot_profile(scores, control=scores.isel(op=slice(0, 9)))
    with pytest.raises(LabelError, match="Missing from control: 'V4'; only in control: none"):
        plot_profile(scores, control=scores.drop_sel(region="V4"))


def test_control_is_matched_by_label_and_may_have_more_regions(scores):
    turned = scores.isel(op=slice(None, None, -1), region=[3, 1, 0, 2])
    figure = plot_profile(scores.sel(region=["V4", "V1"]), control=turned, graph=build_residual())
    for axis, region in zip(figure.axes, ["V4", "V1"], strict=True):
        np.testing.assert_array_equal(
            axis.get_lines()[1].get_ydata(), scores.score_mean.sel(region=region)
        )


def test_profile_draws_into_given_axes(scores):
    figure = Figure()
    axes = list(figure.subplots(1, 4))
    assert plot_profile(scores, axes=axes) is figure
    with pytest.raises(InputError, match="axes must be one per region, 4"):
        plot_profile(scores, axes=axes[:2])


def test_global_settings_stay(scores):
    before = dict(matplotlib.rcParams)
    plot_profile(scores)
    assert dict(matplotlib.rcParams) == before
