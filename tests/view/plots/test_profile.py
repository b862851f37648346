"""Profiles show the values that were given, and drawing changes no global setting."""

import base64
import sys
import warnings

import matplotlib
import nbformat
import numpy as np
import pytest
from graphs import build_branches, build_chain, build_residual, fake_best, fake_scores
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from nbclient import NotebookClient
from plotted import find_cut, find_overlaps

from neurolens.errors import InputError, LabelError
from neurolens.scores import build_scores
from neurolens.view import plot_profile
from neurolens.view.style import DARK, LIGHT


@pytest.fixture
def scores(rng):
    return fake_scores(build_residual(), rng)


def find_by_gid(axis, gid):
    return [one for one in axis.get_children() if one.get_gid() == gid]


def add_tests(scores, level=0.2):
    """Return scores with q below .05 where they are above ``level``."""
    q = scores.score_mean.copy(data=np.where(scores.score_mean > level, 0.01, 0.5))
    return scores.assign(q=q)


def list_legend(axes):
    [legend] = axes[0].figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_profile_draws_the_means_and_marks_the_best(scores):
    best = fake_best(scores)
    axes = plot_profile(scores, best=best, graph=build_residual())
    assert [axis.get_title("left") for axis in axes] == ["V1", "V2", "V4", "IT"]
    for axis, region in zip(axes, scores.region.values, strict=True):
        np.testing.assert_array_equal(
            axis.lines[0].get_ydata(), scores.score_mean.sel(region=region)
        )
        [dot] = find_by_gid(axis, "heldout")
        assert scores.op.values[int(dot.get_xdata()[0])] == best.best_op.sel(region=region)
        assert str(best.best_op.sel(region=region).values) in [t.get_text() for t in axis.texts]


def test_the_dot_stands_at_the_held_out_score_with_its_interval(scores):
    best = fake_best(scores)
    best["heldout_mean"] = best.heldout_mean.copy(data=[0.11, 0.12, 0.13, 0.14])
    axes = plot_profile(scores, best=best)
    dots = [find_by_gid(axis, "heldout")[0] for axis in axes]
    assert [dot.get_ydata()[0] for dot in dots] == [0.11, 0.12, 0.13, 0.14]
    for axis, region in zip(axes, scores.region.values, strict=True):
        [line] = find_by_gid(axis, "interval")
        one = best.sel(region=region)
        assert list(line.get_ydata()) == [one.heldout_ci_low, one.heldout_ci_high]
    assert "best op, at its held-out score and interval" in list_legend(axes)
    axes = list(Figure().subplots(1, 4))
    plot_profile(scores, best=best.drop_vars("heldout_ci_low"), axes=axes)
    names = [text.get_text() for text in axes[0].get_legend().get_texts()]
    assert "best op, at its held-out score" in names


def test_rows_under_the_axis_hold_peaks_ties_and_significance(scores):
    best = fake_best(scores).assign_attrs(interval_level=0.95)
    places = [scores.op.values.tolist().index(name) for name in best.best_op.values]
    last = scores.sizes["op"] - 1
    for name, shift in (("", 0.0), ("_low", -2 / last), ("_high", 1 / last)):
        best[f"peak_depth{name}"] = ("region", np.array(places) / last + shift)
    tested = add_tests(scores)
    axes = plot_profile(tested, best=best)
    for axis, region, place in zip(axes, scores.region.values, places, strict=True):
        [peak] = find_by_gid(axis, "depth of the best op, 95 % interval")
        [segment] = peak.get_segments()
        np.testing.assert_allclose(segment[:, 0], [place - 2, place + 1])
        spans = list_covered(find_by_gid(axis, "not told apart from the best op"), last)
        np.testing.assert_array_equal(spans, best.indistinguishable.sel(region=region))
        spans = list_covered(find_by_gid(axis, "q ≤ .05"), last)
        np.testing.assert_array_equal(spans, tested.q.sel(region=region) <= 0.05)


def list_covered(lines, last):
    """Return which ops the bars of a row cover."""
    covered = np.zeros(last + 1, dtype=bool)
    for start, end in [segment[:, 0] for line in lines for segment in line.get_segments()]:
        covered |= (np.arange(last + 1) > start) & (np.arange(last + 1) < end)
    return covered


def test_peaks_of_another_unit_or_order_are_not_drawn_and_unknown_ties_neither(scores):
    best = fake_best(scores)
    for name in ("", "_low", "_high"):
        best[f"peak_depth{name}"] = ("region", [3.0, 9.0, 30.0, 100.0])
    best["margin"] = ("region", [np.nan] * 4)
    axes = plot_profile(scores, best=best)
    gids = {str(one.get_gid()) for axis in axes for one in axis.get_children()}
    assert not [gid for gid in gids if gid.startswith(("depth", "not told"))]


def test_figure_and_axes_say_what_the_attributes_say(scores):
    axes = plot_profile(scores)
    assert axes[0].get_ylabel() == "ρ-a"
    text = axes[0].figure.get_supxlabel()
    assert "RSA · rho-a · correlation dissimilarity · 92 stimuli" in text
    assert "95 % intervals (bootstrap percentile) over stimuli and subjects" in text
    encoding = build_scores(
        scores.score, method="encoding", measure="r", estimator="ridge regression", n_stimuli=40
    )
    axes = plot_profile(encoding)
    assert axes[0].get_ylabel() == "Pearson r"
    assert axes[0].figure.get_supxlabel() == "encoding · r · ridge regression · 40 stimuli"


def says(axis, sentence):
    """Return whether a sentence, cut in the middle where the machine's fonts are wide, stands."""
    for text in axis.texts:
        head, cut, tail = text.get_text().partition("…")
        if text.get_text() == sentence:
            return True
        if cut and sentence.startswith(head) and sentence.endswith(tail):
            return True
    return False


def test_subjects_that_do_not_agree_and_missing_ceilings_are_said_above_the_panel(rng):
    regions = ("V1", "V2", "V4", "IT")
    scores = fake_scores(build_branches(), rng, regions)
    scores["ceiling_lower"] = scores.ceiling_lower.copy(data=[0.5, -0.1, 0.0, np.nan])
    scores["ceiling_upper"] = scores.ceiling_upper.copy(data=[0.6, 0.6, 0.6, np.nan])
    axes = plot_profile(scores)
    assert not any(text.get_text() for text in axes[0].texts)
    for axis in axes[1:3]:
        assert says(axis, "subjects do not agree (ceiling ≤ 0)")
        assert not says(axis, "no noise ceiling")
    assert says(axes[3], "no noise ceiling")


def test_a_ceiling_with_one_end_is_a_line(rng):
    scores = fake_scores(build_branches(), rng, ("V1",))
    scores["ceiling_lower"] = scores.ceiling_lower * np.nan
    axes = plot_profile(scores)
    assert "noise ceiling, upper" in list_legend(axes)
    assert axes[0].lines[0].get_ydata()[0] == scores.ceiling_upper[0]
    assert axes[0].get_ylim()[1] > scores.ceiling_upper[0]


def test_time_bins_are_chosen_by_label_or_refused(scores):
    later = scores.copy(deep=True)
    later["score_mean"] = later.score_mean * 2
    timed = scores.expand_dims(time_bin=[100, 200]).copy(deep=True)
    timed["score_mean"][{"time_bin": 1}] = later.score_mean
    axes = plot_profile(timed, time_bin=200)
    np.testing.assert_array_equal(axes[0].lines[0].get_ydata(), later.score_mean[:, 0])
    with pytest.raises(InputError, match=r"2: 100, 200\. Pass time_bin=100, .*plot_times"):
        plot_profile(timed)
    with pytest.raises(LabelError, match="no time bin 300; they have 100, 200"):
        plot_profile(timed, time_bin=300)
    with pytest.raises(InputError, match="have no time bins, got time_bin=100. Leave it out"):
        plot_profile(scores, time_bin=100)


def test_scores_that_cannot_be_drawn_are_refused_in_a_sentence(scores):
    with pytest.raises(InputError, match="plot_profile takes scores, .* got ndarray"):
        plot_profile(scores.score.values)
    with pytest.raises(InputError, match="plot_profile takes scores, .* got a Dataset with"):
        plot_profile(fake_best(scores))
    with pytest.raises(InputError, match=r"plot_profile\(control=...\) takes scores, .* got str"):
        plot_profile(scores, control="random weights")
    with pytest.raises(InputError, match="graph must be a Trace or a Graph, got str"):
        plot_profile(scores, graph="profile.png")
    with pytest.raises(InputError, match="axes must be one per region, 4 .* got str"):
        plot_profile(scores, axes="four")
    with pytest.raises(InputError, match='theme must be "light" or "dark", got \'blue\''):
        plot_profile(scores, theme="blue")
    with pytest.raises(InputError, match="width must be inches from 1.5 to 60, got 700"):
        plot_profile(scores, width=700)


def test_models_are_drawn_over_each_other_by_relative_depth(rng):
    one = fake_scores(build_residual(), rng)
    other = fake_scores(build_branches(), rng).isel(region=[3, 1, 0, 2])
    axes = plot_profile(
        {"ResNet": one, "SqueezeNet": add_tests(other)}, best={"ResNet": fake_best(one)}
    )
    assert {"ResNet", "SqueezeNet", "q ≤ .05, SqueezeNet"} <= set(list_legend(axes))
    for axis, region in zip(axes, one.region.values, strict=True):
        first, second = (line for line in axis.lines if len(line.get_xdata()) > 2)
        np.testing.assert_array_equal(first.get_ydata(), one.score_mean.sel(region=region))
        np.testing.assert_array_equal(second.get_ydata(), other.score_mean.sel(region=region))
        np.testing.assert_allclose(second.get_xdata(), np.linspace(0, 1, other.sizes["op"]))
        assert first.get_color() != second.get_color()
    assert axes[0].get_xlabel() == "relative depth"


def test_several_models_are_refused_where_they_cannot_share_an_axis(scores):
    other = scores.assign_attrs(measure="spearman")
    with pytest.raises(InputError, match="one measure, got 'rho-a', 'spearman'"):
        plot_profile({"a": scores, "b": other})
    with pytest.raises(LabelError, match="Missing from b: 'IT'"):
        plot_profile({"a": scores, "b": scores.isel(region=slice(0, 3))})
    with pytest.raises(InputError, match="control and subjects go with one model"):
        plot_profile({"a": scores, "b": scores}, control=scores)
    with pytest.raises(InputError, match="best must be a mapping .* got Dataset"):
        plot_profile({"a": scores, "b": scores}, best=fake_best(scores))
    with pytest.raises(InputError, match="or several by name, got a list. Pass {'trained': scores"):
        plot_profile([scores, scores])
    with pytest.raises(InputError, match="draws 1 to 8 models"):
        plot_profile({str(i): scores for i in range(9)})


def test_ceilings_that_differ_between_models_are_not_drawn_but_said(scores):
    other = scores.assign(ceiling_lower=scores.ceiling_lower - 0.1)
    axes = plot_profile({"a": scores, "b": other})
    assert says(axes[0], "noise ceilings differ between models")
    assert "noise ceiling" not in list_legend(axes)


SHOWING = """
import sys
sys.path[:0] = {paths!r}
import numpy as np
from graphs import build_residual, fake_scores
from neurolens.view import plot_profile
scores = fake_scores(build_residual(), np.random.default_rng(0))
plot_profile(scores)
"""


@pytest.mark.slow
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
    axes = plot_profile(scores.isel(op=slice(None, None, -1)), graph=build_residual())
    np.testing.assert_array_equal(axes[0].lines[0].get_ydata(), scores.score_mean[:, 0])


def test_panels_share_their_range_and_wrap(rng):
    regions = ("V1", "V2", "V3", "V4", "LOC", "IT")
    axes = plot_profile(fake_scores(build_branches(), rng, regions, without_ceiling=("LOC",)))
    assert len({axis.get_ylim() for axis in axes}) == 1
    assert axes[0].get_subplotspec().get_gridspec().get_geometry() == (2, 3)


def test_very_many_ops_have_thin_lines_and_means_over_modules(rng):
    scores = fake_scores(build_chain(600), rng, ("V1",))
    [axis] = plot_profile(scores, width=3.5)
    [blocks] = find_by_gid(axis, "blocks")
    assert axis.lines[0].get_linewidth() < blocks.get_linewidth()
    names = [name.split("/")[0].rsplit(".", 1)[0] for name in scores.op.values]
    first = [i for i, name in enumerate(names) if name == "stage0"]
    assert blocks.get_ydata()[0] == pytest.approx(float(scores.score_mean[first, 0].mean()))


def name_deeply(n):
    parts = ("self_attention.out_proj/linear", "mlp.dropout/dropout@2", "ln_1/layer_norm")
    return [f"encoder.layers.encoder_layer_{i // 36}.{parts[i % 3]}{i}" for i in range(n)]


@pytest.mark.slow
@pytest.mark.parametrize("width", [3.5, 7.2])
@pytest.mark.parametrize("n_regions", [1, 4, 9])
def test_no_text_overlaps_or_is_cut_with_long_names(rng, n_regions, width):
    regions = tuple(f"lateral occipital area {i}" for i in range(n_regions))
    scores = fake_scores(build_chain(430), rng, regions).assign_coords(op=name_deeply(430))
    best = fake_best(scores)
    axes = plot_profile(add_tests(scores), best=best, width=width)
    assert find_overlaps(axes[0].figure) == []
    assert find_cut(axes[0].figure) == []


def test_control_and_subjects_are_extra_lines(scores):
    control = (scores * 0.5).assign_attrs(scores.attrs | {"label": "random weights"})
    axes = plot_profile(scores, control=control, subjects=True)
    named = plot_profile(scores, control={"untrained": control})
    assert "untrained" in list_legend(named)
    with pytest.raises(InputError, match="plot_profile draws one control, got 'a', 'b'"):
        plot_profile(scores, control={"a": control, "b": control})
    assert len(axes[0].lines) == 1 + 4 + 1
    assert {"random weights", "subjects"} <= set(list_legend(axes))
    with pytest.raises(InputError, match="control is of measure 'r', scores are of 'rho-a'"):
        plot_profile(scores, control=control.assign_attrs(measure="r"))
    with pytest.raises(InputError, match=r"plot_profile\(control=...\) takes scores, .* got tuple"):
        plot_profile(scores, control=("random weights", control))


def test_control_of_other_ops_is_refused(scores):
    with pytest.raises(
        LabelError, match=r"control and scores must hold the same \d+ ids along 'op'"
    ):
        plot_profile(scores, control=scores.isel(op=slice(0, 9)))
    with pytest.raises(LabelError, match="Missing from control: 'V4'; only in control: none"):
        plot_profile(scores, control=scores.drop_sel(region="V4"))


def test_control_is_matched_by_label_and_may_have_more_regions(scores):
    turned = scores.isel(op=slice(None, None, -1), region=[3, 1, 0, 2])
    axes = plot_profile(scores.sel(region=["V4", "V1"]), control=turned, graph=build_residual())
    for axis, region in zip(axes, ["V4", "V1"], strict=True):
        np.testing.assert_array_equal(
            axis.lines[1].get_ydata(), scores.score_mean.sel(region=region)
        )


def test_profile_draws_into_given_axes_and_styles_these_only(scores):
    figure = Figure(facecolor="#123456")
    axes = list(figure.subplots(1, 5))
    assert plot_profile(scores, axes=axes[:4], theme="dark") == axes[:4]
    assert to_hex(axes[0].get_facecolor()).upper() == DARK.page
    assert to_hex(axes[4].get_facecolor()).upper() != DARK.page
    assert to_hex(figure.get_facecolor()) == "#123456"
    assert not axes[0].spines["top"].get_visible()
    with pytest.raises(InputError, match="axes must be one per region, 4"):
        plot_profile(scores, axes=axes[:2])


def test_themes_color_the_page_of_a_new_figure(scores):
    for theme in (LIGHT, DARK):
        figure = plot_profile(scores, theme=theme.name)[0].figure
        assert to_hex(figure.get_facecolor()).upper() == theme.page


def test_global_settings_stay(scores):
    before = dict(matplotlib.rcParams)
    plot_profile(scores)
    assert dict(matplotlib.rcParams) == before


def test_models_that_share_no_axis_are_refused(scores, rng):
    other = fake_scores(build_chain(50), rng)
    with pytest.raises(InputError, match="relative=False counts ops on one axis"):
        plot_profile({"a": scores, "b": other}, relative=False)
    with pytest.raises(InputError, match="scores of one method, got 'encoding', 'rsa'"):
        plot_profile({"a": scores, "b": other.assign_attrs(method="encoding")})
    with pytest.raises(InputError, match="control is of method 'encoding', scores are of 'rsa'"):
        plot_profile(scores, control=scores.assign_attrs(method="encoding"))
    with pytest.raises(InputError, match="names of models must differ as text"):
        plot_profile({1: scores, "1": other})


def test_the_caption_says_how_each_model_was_scored(scores):
    axes = plot_profile({"a": scores, "b": scores.assign_attrs(n_stimuli=7)}, width=7.2)
    words = axes.figure._supxlabel.get_text()
    assert "a: RSA" in words
    assert "92 stimuli" in words
    assert "7 stimuli" in words.split("b: RSA")[1]


def test_names_with_dollar_signs_are_written_as_they_are(scores, tmp_path):
    names = [f"$m_{{{i}$.x/relu" for i in range(scores.sizes["op"])]
    odd = scores.assign_coords(op=names, region=["$V_1$", "a\nb", "V4", "IT"])
    axes = plot_profile(odd)
    axes.figure.savefig(tmp_path / "odd.png")
    assert [axis.title.get_parse_math() for axis in axes] == [False] * 4
    assert axes[1].get_title("left") == "a b"
