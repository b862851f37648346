"""Every function whose result can be drawn, and its plot: one table.

Each plot is drawn in both themes and two widths, into new figures and given axes, without texts
that overlap or are cut off; anything else is refused in a sentence that names the function.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import pytest
import xarray as xr
from brains import build_grams, label_features, label_responses
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from plotted import find_cut, find_overlaps

import neurolens as nl
from neurolens import compare, view
from neurolens.errors import InputError, LabelError, NeuroLensError
from neurolens.view.style import THEMES

N_STIMULI = 24
REGIONS = ("V1", "V4", "IT")
TIMES = np.arange(-50, 250, 50)
OPS = [
    f"encoder.layers.encoder_layer_{i // 2}.{('self_attention.out_proj/linear', 'mlp/dropout@2')[i % 2]}"
    for i in range(6)
]


@dataclass
class Data:
    """Grams of six ops, responses of three regions and three subjects, with and without time."""

    grams: xr.Dataset
    responses: xr.DataArray
    timed: xr.DataArray
    features: dict = field(default_factory=dict)

    @property
    def rdms(self):
        return nl.compute_rdms(self.grams)

    @property
    def brain(self):
        return nl.compute_rdms(self.responses, metric="correlation")

    @property
    def brain_over_time(self):
        return nl.compute_rdms(self.timed, metric="correlation")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    ids = [f"s{i}" for i in range(N_STIMULI)]
    features = {}
    values = rng.normal(size=(N_STIMULI, 20))
    for op in OPS:
        values = 0.7 * values + 0.7 * rng.normal(size=values.shape)
        features[op] = label_features(values.copy())
    columns, region, subject = [], [], []
    for name, op in zip(REGIONS, OPS[::2], strict=True):
        for who in "ABC":
            columns.append(features[op].values @ rng.normal(size=(20, 8)) / 4)
            region += [name] * 8
            subject += [who] * 8
    signal = np.concatenate(columns, axis=1)

    def record(gain):
        shown = [gain * signal + rng.normal(size=signal.shape) for _ in range(2)]
        return label_responses(np.concatenate(shown), ids=ids * 2, region=region, subject=subject)

    gains = np.exp(-(((TIMES - 100) / 60) ** 2))
    timed = xr.concat([record(gain) for gain in gains], "time_bin").assign_coords(time_bin=TIMES)
    return Data(build_grams(features), record(1.0), timed, features)


def permute_over_time(data):
    edges = list(pairwise(OPS))
    return compare.permute_rdms(data.rdms, data.brain_over_time, edges=edges, n_permutations=39)


def embed(data):
    sides = (data.rdms, data.brain.mean("subject").rename(region="op"))
    both = xr.concat([one.reset_coords(drop=True) for one in sides], "op")
    return compare.compare_models(both, both)


def generalize(data):
    rdms = data.brain_over_time.sel(region="IT").mean("subject").rename(time_bin="op")
    return compare.compare_models(rdms, rdms)


def partition(data):
    pytest.importorskip("himalaya")
    spaces = {"the first op": data.features[OPS[0]], "the last op": data.features[OPS[-1]]}
    return compare.partition_variance(spaces, data.responses, cv=3, n_iter=2)


def compare_drawn(data):
    return nl.compare_rdms(data.rdms, data.brain, n_bootstrap=100, n_splits=3)


PRODUCERS = {
    "compare_rdms": compare_drawn,
    "compare_rdms over time": lambda d: nl.compare_rdms(
        d.rdms, d.brain_over_time, n_bootstrap=0, n_splits=0
    ),
    "permute_rdms over time": permute_over_time,
    "permute_rdms": lambda d: compare.permute_rdms(
        d.rdms, d.brain, n_permutations=99, keep_null=True
    ),
    "permute_encoding": lambda d: compare.permute_encoding(
        d.grams, d.responses, cv=3, n_permutations=19, keep_null=True
    ),
    "compare_models": lambda d: compare.compare_models(d.grams, d.grams),
    "compare_models of times": generalize,
    "compare_models of ops and regions": embed,
    "compare_ops": lambda d: compare.compare_ops(compare_drawn(d)),
    "tabulate_models": lambda d: compare.tabulate_models(compare_drawn(d)),
    "partition_variance": partition,
    "compute_ncsnr": lambda d: compare.compute_ncsnr(d.responses),
    "compute_ncsnr over time": lambda d: compare.compute_ncsnr(d.timed),
    "compute_split_half": lambda d: compare.compute_split_half(d.responses),
    "compute_spectrum": lambda d: compare.compute_spectrum(d.grams),
    "compute_rdms": lambda d: d.rdms,
}
# The plot of each producer's result, and how many axes it takes, 0 for a single ``ax``.
PLOTS = {
    "compare_rdms": (view.plot_profile, 3),
    "compare_rdms over time": (view.plot_times, 3),
    "permute_rdms over time": (view.plot_times, 3),
    "permute_rdms": (view.plot_null, 3),
    "permute_encoding": (view.plot_null, 3),
    "compare_models": (view.plot_op_matrix, 0),
    "compare_models of times": (view.plot_generalization, 0),
    "compare_models of ops and regions": (view.plot_embedding, 0),
    "compare_ops": (view.plot_model_matrix, 3),
    "tabulate_models": (view.plot_models, 3),
    "partition_variance": (view.plot_partition, 0),
    "compute_ncsnr": (view.plot_reliability, 0),
    "compute_ncsnr over time": (view.plot_reliability, 0),
    "compute_split_half": (view.plot_reliability, 0),
    "compute_spectrum": (view.plot_scree, 2),
    "compute_rdms": (view.plot_rdms, 6),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "compare_models of ops and regions": {"regions": list(REGIONS)},
}


@pytest.fixture(scope="module")
def result_of(data):
    """Return a function that returns the result of a producer, made once."""
    made_once = {}

    def make(name):
        if name not in made_once:
            made_once[name] = PRODUCERS[name](data)
        return made_once[name]

    return make


few_draws = pytest.mark.filterwarnings("ignore:.*permutations:RuntimeWarning")
unreliable = pytest.mark.filterwarnings("ignore:.*halves do not correlate:RuntimeWarning")
grid_end = pytest.mark.filterwarnings("ignore:the best penalt:RuntimeWarning")


@few_draws
@unreliable
@grid_end
@pytest.mark.parametrize("producer", PLOTS)
class TestEveryPlot:
    @pytest.mark.slow
    @pytest.mark.parametrize("width", [3.5, 7.2])
    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_texts_stand_apart_in_a_new_figure(self, producer, theme, width, result_of):
        plot, _ = PLOTS[producer]
        result = result_of(producer)
        before = result.copy(deep=True)
        settings = dict(matplotlib.rcParams)
        drawn = plot(result, theme=theme, width=width, **OPTIONS.get(producer, {}))
        figure = drawn.figure
        assert drawn._repr_png_().startswith(b"\x89PNG")
        assert figure.get_figwidth() == width
        assert to_hex(figure.get_facecolor()).upper() == THEMES[theme].page
        assert find_overlaps(figure) == []
        assert find_cut(figure) == []
        assert dict(matplotlib.rcParams) == settings
        xr.testing.assert_identical(result, before)

    def test_given_axes_are_drawn_into_and_returned(self, producer, result_of):
        plot, n_axes = PLOTS[producer]
        figure = Figure(figsize=(3 * max(1, n_axes), 3), layout="constrained")
        axes = list(figure.subplots(1, max(1, n_axes), squeeze=False).flat)
        given = {"axes": axes} if n_axes else {"ax": axes[0]}
        drawn = plot(result_of(producer), **given, **OPTIONS.get(producer, {}))
        assert drawn == (axes if n_axes else axes[0])
        assert find_overlaps(figure) == []

    def test_anything_else_is_refused_by_the_name_of_the_function(self, producer, result_of):
        plot, _ = PLOTS[producer]
        for wrong in (np.zeros((3, 3)), "path", xr.Dataset({"x": 1}), None):
            if wrong is None and plot is view.plot_rdms:
                continue
            with pytest.raises(NeuroLensError) as refusal:
                plot(wrong)
            assert re.search(r"Pass .+\.$", refusal.value.message, re.DOTALL), refusal.value
        with pytest.raises(InputError, match="theme must be"):
            plot(result_of(producer), theme="blue")


@few_draws
def test_outlines_are_those_of_clusters_and_else_of_q(result_of):
    tested = result_of("permute_rdms over time")
    for one, name in ((tested, "p_cluster"), (tested.drop_vars(["p_cluster", "cluster"]), "q")):
        for axis, region in zip(view.plot_times(one), REGIONS, strict=True):
            inside = (one[name].sel(region=region) <= 0.05).transpose("op", "time_bin").values
            padded = np.pad(inside.astype(int), 1)
            n_borders = int(np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded)).sum())
            lines = [c for c in axis.collections if c.get_gid() == "outline"]
            assert sum(len(line.get_segments()) for line in lines) == n_borders
        assert ("p_cluster" in axis.figure.get_supxlabel()) == (name == "p_cluster")


def test_scores_without_time_are_refused_by_times(result_of):
    with pytest.raises(InputError, match="these have none. Make scores with compare_rdms"):
        view.plot_times(result_of("compare_rdms"))


def test_dots_of_models_and_letters_are_those_of_the_table(result_of):
    table = result_of("tabulate_models")
    scores = result_of("compare_rdms")
    for axis, region in zip(view.plot_models(table, scores=scores), REGIONS, strict=True):
        one = table.sel(region=region)
        assert any(np.array_equal(line.get_xdata(), one.score_mean) for line in axis.lines)
        subjects = [line for line in axis.lines if line.get_gid() == "subjects"]
        for line, op in zip(subjects, one.op.values, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), scores.score.sel(region=region, op=op))
        assert [t.get_text() for t in axis.texts if t.get_text()] == one.letters.values.tolist()


def test_bars_of_parts_add_up_to_the_whole(result_of):
    parts = result_of("partition_variance")
    axis = view.plot_partition(parts)
    totals = [line for line in axis.lines if line.get_gid() == "total"]
    widths = np.array([[bar.get_width() for bar in bars] for bars in axis.containers])
    np.testing.assert_allclose(widths.sum(axis=0), parts.r2_mean.mean("subject"))
    np.testing.assert_allclose([line.get_xdata()[0] for line in totals], widths.sum(axis=0))


@few_draws
def test_null_is_kept_on_demand_and_gives_p(result_of, data):
    for name, variable in (("permute_rdms", "score_mean"), ("permute_encoding", "score_mean")):
        tested = result_of(name)
        hits = (tested.null_score >= tested[variable].astype("float32")).sum("permutation")
        np.testing.assert_allclose(tested.p, (1 + hits) / (1 + tested.sizes["permutation"]))
    plain = compare.permute_rdms(data.rdms, data.brain, n_permutations=19)
    assert "null_score" not in plain
    with pytest.raises(InputError, match=r"Make scores with permute_rdms\(..., keep_null=True\)"):
        view.plot_null(plain)
    with pytest.raises(LabelError, match="scores have no 'nope'"):
        view.plot_null(result_of("permute_rdms"), ops={"V1": "nope"})
    [axis] = view.plot_null(result_of("permute_rdms"), ops={"IT": OPS[0]})
    assert axis.get_title("left") == "IT"


def test_tables_that_are_no_distances_are_not_embedded(result_of, data):
    table = result_of("compare_models")
    with pytest.raises(LabelError, match="rows and columns of this table differ"):
        view.plot_embedding(table[:, ::-1])
    with pytest.raises(LabelError, match="the table, which lacks 'V9'"):
        view.plot_embedding(table, regions=["V9"])
    with pytest.raises(InputError, match="three|3 points or more, got 2"):
        view.plot_embedding(table[:2, :2])
    one_way = compare.compare_models(data.grams, data.grams, comparator="linear-predictivity")
    with pytest.raises(InputError, match="a symmetric measure, and 'linear-predictivity' is not"):
        view.plot_embedding(one_way)
    unknown = table.copy()
    unknown[1] = unknown[:, 1] = np.nan
    with pytest.raises(NeuroLensError, match="no similarity of .*mlp/dropout"):
        view.plot_embedding(unknown)


def test_times_must_be_numbers_in_order(result_of):
    with pytest.raises(InputError, match="takes times, numbers in increasing order"):
        view.plot_generalization(result_of("compare_models"))
    with pytest.raises(InputError, match="takes times, numbers in increasing order"):
        view.plot_generalization(result_of("compare_models of times")[::-1])


def test_neuroids_without_any_repeat_have_no_reliability_to_draw(data):
    once = data.responses.isel(presentation=slice(0, N_STIMULI))
    with pytest.raises(InputError, match="the reliability of no neuroid is known"):
        view.plot_reliability(compare.compute_ncsnr(once))


def test_names_are_exported_once_and_two_of_them_at_the_top():
    names = {plot.__name__ for plot, _ in PLOTS.values()}
    assert names == set(view.plots.__all__)
    assert names <= set(view.__all__)
    assert {name for name in nl.__all__ if name.startswith("plot_")} == {
        "plot_profile",
        "plot_rdms",
    }
