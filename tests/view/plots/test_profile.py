"""Profiles show the values that were given, and drawing changes no global setting."""

import base64
import sys
import warnings
from itertools import pairwise

import matplotlib
import nbformat
import numpy as np
import pytest
from graphs import build_branches, build_chain, build_residual, fake_best, fake_scores
from matplotlib.figure import Figure
from nbclient import NotebookClient

from neurolens.errors import InputError, LabelError
from neurolens.scores import build_scores
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


def test_the_dot_stands_at_the_held_out_score_and_the_legend_says_so(scores):
    best = fake_best(scores)
    best["heldout_mean"] = best.heldout_mean.copy(data=[0.11, 0.12, 0.13, 0.14])
    figure = plot_profile(scores, best=best)
    dots = [axis.get_lines()[-1] for axis in figure.axes]
    assert [dot.get_ydata()[0] for dot in dots] == [0.11, 0.12, 0.13, 0.14]
    [legend] = figure.legends
    names = ["best op, at the held-out score", "noise ceiling"]
    assert [text.get_text() for text in legend.get_texts()] == names
    axes = list(Figure().subplots(1, 4))
    plot_profile(scores, best=best, axes=axes)
    legend = axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == names


def test_figure_and_axes_say_what_the_attributes_say(scores):
    figure = plot_profile(scores)
    assert figure.axes[0].get_ylabel() == "score (rho-a)"
    text = figure.get_supxlabel()
    assert "RSA · rho-a · correlation dissimilarity · 92 stimuli" in text
    assert "95 % intervals (bootstrap percentile) over stimuli and subjects" in text
    encoding = build_scores(
        scores.score, method="encoding", measure="r", estimator="ridge regression", n_stimuli=40
    )
    figure = plot_profile(encoding)
    assert figure.axes[0].get_ylabel() == "score (r)"
    assert figure.get_supxlabel() == "encoding · r · ridge regression · 40 stimuli"


def test_subjects_that_do_not_agree_are_said_once(scores):
    scores["ceiling_lower"] = scores.ceiling_lower.copy(data=[0.5, -0.1, 0.0, 0.5])
    figure = plot_profile(scores)
    texts = [[text.get_text() for text in axis.texts] for axis in figure.axes]
    assert texts == [
        [],
        ["subjects do not agree (ceiling ≤ 0)"],
        ["subjects do not agree (ceiling ≤ 0)"],
        [],
    ]


def test_scores_that_cannot_be_drawn_are_refused_in_a_sentence(scores):
    timed = scores.expand_dims(time_bin=[100, 200])
    with pytest.raises(InputError, match=r"plot_profile takes .*isel\(time_bin=0"):
        plot_profile(timed)
    with pytest.raises(InputError, match="plot_profile takes scores, .* got ndarray"):
        plot_profile(scores.score.values)
    with pytest.raises(InputError, match="plot_profile takes scores, .* got a Dataset with"):
        plot_profile(fake_best(scores))
    with pytest.raises(InputError, match="plot_profile takes scores, .* got str"):
        plot_profile(scores, control="random weights")
    with pytest.raises(InputError, match="a Trace or a Graph is needed to draw, got str"):
        plot_profile(scores, graph="profile.png")
    with pytest.raises(InputError, match="axes must be one per region, 4 .* got str"):
        plot_profile(scores, axes="four")


SHOWING = """
import sys
sys.path[:0] = {paths!r}
import numpy as np
from graphs import build_residual, fake_scores
from neurolens.view import plot_profile
scores = fake_scores(build_residual(), np.random.default_rng(0))
plot_profile(scores)
"""


def test_a_profile_shows_itself_as_the_last_line_of_a_cell_of_a_new_notebook():
    source = SHOWING.format(paths=[path for path in sys.path if path])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    [output] = notebook.cells[0].outputs
    assert output.output_type == "execute_result"
    picture = base64.b64decode(output.data["image/png"])
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


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
    [legend] = figure.legends
    assert "random weights" in [text.get_text() for text in legend.get_texts()]


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
