"""Every function that makes scores, combined with every function that takes them.

One table says which pairs work. All others refuse, in a sentence that names the function that was
called and what to do instead.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import xarray as xr
from brains import build_grams, label_features, label_responses

import neurolens as nl
from neurolens import compare
from neurolens.errors import NeuroLensError
from neurolens.scores import ALWAYS, METHODS, VARIABLES

matplotlib.use("Agg")
N_STIMULI = 24


@dataclass(frozen=True)
class Problem:
    """A traced model, its Grams, and responses of two subjects in two regions, shown twice."""

    trace: nl.extract.Trace
    grams: xr.Dataset
    responses: xr.DataArray
    timed: xr.DataArray

    @property
    def rdms(self):
        return nl.compute_rdms(self.grams)

    @property
    def brain(self):
        return nl.compute_rdms(self.responses, metric="euclidean")

    @property
    def spaces(self):
        first, *_, last = self.grams.op.values
        return {"first": self.grams.sel(op=[first]), "last": self.grams.sel(op=[last])}


@pytest.fixture(scope="module")
def problem() -> Problem:
    rng = np.random.default_rng(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 4))
    trace = nl.trace(net.eval(), torch.zeros(1, 6))
    arrays = {
        op.name: label_features(rng.normal(size=(N_STIMULI, 4)), prefix="image")
        for op in trace.graph
    }
    ids = [f"image{k}" for k in range(N_STIMULI)]
    source = np.concatenate([one.values for one in arrays.values()], axis=1)
    signal = source @ rng.normal(size=(source.shape[1], 12))
    shown = [signal + rng.normal(size=signal.shape) for _ in range(2)]
    responses = label_responses(
        np.concatenate(shown),
        ids=ids * 2,
        region=["V1"] * 6 + ["IT"] * 6,
        subject=(["A"] * 3 + ["B"] * 3) * 2,
    )
    later = responses + rng.normal(size=responses.shape)
    timed = xr.concat([responses, later], "time_bin").assign_coords(time_bin=[70, 90])
    return Problem(trace, build_grams(arrays), responses, timed)


def predict(problem):
    fitted = nl.fit_encoding(problem.grams, problem.responses, cv=3, predictions=True)
    return compare.compare_predicted(fitted["prediction"], problem.responses)


def score_sets(problem, responses):
    ids = problem.grams.stimulus.values.tolist()
    split = dict(zip(ids, ["train"] * 8 + ["test"] * 8 + ["sketch"] * 8, strict=True))
    ceiling = compare.compute_ncsnr(responses)
    return compare.fit_test_sets(problem.grams, responses, split=split, ceiling=ceiling)


def encode(problem, **settings):
    ceiling = compare.compute_ncsnr(problem.responses)
    return nl.fit_encoding(problem.grams, problem.responses, cv=3, ceiling=ceiling, **settings)


DRAWN = {"n_bootstrap": 20, "n_splits": 3}
PLAIN = {"n_bootstrap": 0, "n_splits": 0}
PRODUCERS = {
    "bootstrap_rdms": lambda p: compare.bootstrap_rdms(p.rdms, p.brain, n_bootstrap=20),
    "compare_grams": lambda p: compare.compare_grams(p.grams, compare.compute_grams(p.responses)),
    "compare_partial_rdms": lambda p: compare.compare_partial_rdms(
        p.rdms.isel(op=slice(1, None)), p.brain, p.rdms[:1], n_permutations=9, **DRAWN
    ),
    "compare_predicted": predict,
    "compare_rdms": lambda p: nl.compare_rdms(p.rdms, p.brain, **DRAWN),
    "compare_rdms, plain": lambda p: nl.compare_rdms(p.rdms, p.brain, **PLAIN),
    "compare_rdms over time": lambda p: nl.compare_rdms(
        p.rdms, nl.compute_rdms(p.timed, metric="euclidean"), **DRAWN
    ),
    "fit_banded": lambda p: compare.fit_banded(p.spaces, p.responses, cv=3, n_iter=2),
    "fit_encoding": lambda p: encode(p, **DRAWN),
    "fit_encoding, plain": lambda p: encode(p, **PLAIN),
    "fit_encoding over time": lambda p: nl.fit_encoding(p.grams, p.timed, cv=3, **DRAWN),
    "fit_rdm_regression": lambda p: compare.fit_rdm_regression(
        p.rdms, p.brain, n_bootstrap=20, n_permutations=9
    ),
    "fit_reweighted_rdms": lambda p: compare.fit_reweighted_rdms(p.rdms, p.brain),
    "fit_test_sets": lambda p: score_sets(p, p.responses)["sketch"],
    "fit_test_sets over time": lambda p: score_sets(p, p.timed)["test"],
    "permute_encoding": lambda p: compare.permute_encoding(
        p.grams, p.responses, cv=3, n_permutations=9
    ),
    "permute_rdms": lambda p: compare.permute_rdms(p.rdms, p.brain, n_permutations=9),
}
CONSUMERS = {
    "assign_regions": lambda scores, p, folder: nl.assign_regions(scores),
    "locate_peaks": lambda scores, p, folder: compare.locate_peaks(scores),
    "compare_ops": lambda scores, p, folder: compare.compare_ops(scores),
    "compare_choices": lambda scores, p, folder: compare.compare_choices(
        {"a": scores, "b": scores}
    ),
    "tabulate_models": lambda scores, p, folder: compare.tabulate_models(scores),
    "normalize_scores": lambda scores, p, folder: compare.normalize_scores(scores),
    "draw_graph": lambda scores, p, folder: nl.draw_graph(p.trace, scores=scores),
    "plot_profile": lambda scores, p, folder: nl.plot_profile(scores),
    "write_report": lambda scores, p, folder: nl.write_report(
        folder / "page.html", trace=p.trace, scores=scores
    ),
}
TIMED = {"compare_rdms over time", "fit_encoding over time", "fit_test_sets over time"}
# Their one op is made of several, so it is not in any graph.
JOINT = {"fit_banded", "fit_reweighted_rdms"}
SPLIT = {"compare_partial_rdms", "compare_rdms", "fit_encoding", "fit_test_sets"}
CEILED = {"bootstrap_rdms", "compare_rdms", "compare_rdms, plain", "compare_rdms over time"}
CEILED |= {"compare_partial_rdms", "fit_encoding", "fit_encoding, plain"}
CEILED |= {"fit_test_sets", "fit_test_sets over time"}
ON_GRAPHS = {"draw_graph", "write_report"}
ONE_TIME = set(PRODUCERS) - TIMED
# The scores that each function can use.
WORKS = {
    "assign_regions": SPLIT,
    "locate_peaks": SPLIT | {"bootstrap_rdms", "compare_rdms, plain", "fit_rdm_regression"},
    "compare_choices": SPLIT,
    "compare_ops": SPLIT | {"bootstrap_rdms", "fit_rdm_regression"},
    "tabulate_models": SPLIT | {"bootstrap_rdms", "fit_rdm_regression"},
    "normalize_scores": CEILED,
    "draw_graph": ONE_TIME - JOINT,
    "plot_profile": ONE_TIME,
    "write_report": set(PRODUCERS) - JOINT,
}
REMEDY = re.compile(r"\b(Make|Pass|Select|Trace|Use|Leave)\b.+\.$", re.DOTALL)


@pytest.fixture(scope="module")
def scores_of(problem):
    """Return a function that returns the scores of a producer, made once."""
    made_once = {}

    def make(name):
        if name == "fit_banded":
            pytest.importorskip("himalaya")
        if name not in made_once:
            made_once[name] = PRODUCERS[name](problem)
        return made_once[name]

    return make


@pytest.mark.filterwarnings("ignore:the best penalty ends the grid:RuntimeWarning")
@pytest.mark.parametrize("producer", PRODUCERS)
class TestEveryProducer:
    def test_answers_in_the_one_form(self, producer, scores_of):
        scores = scores_of(producer)
        timed = ("time_bin",) if producer in TIMED else ()
        for name in VARIABLES:
            if name in scores and name != "split_member":
                assert scores[name].dims == (*VARIABLES[name], *timed), name
        assert set(ALWAYS) <= set(scores.data_vars)
        assert scores.region.values.tolist() == ["V1", "IT"]
        assert scores.subject.values.tolist() == ["A", "B"]
        assert scores.attrs["method"] in METHODS
        in_set = "fit_test_sets" in producer
        assert scores.attrs["n_stimuli"] == (N_STIMULI // 3 if in_set else N_STIMULI)
        assert scores.attrs["methods_text"].endswith(".")
        mean = scores.score.mean("subject").transpose(*scores.score_mean.dims)
        np.testing.assert_allclose(scores.score_mean, mean)

    def test_claims_intervals_and_ceilings_where_they_are(self, producer, scores_of):
        scores = scores_of(producer)
        text = scores.attrs["methods_text"]
        has_intervals = bool(scores.mean_ci_low.notnull().any())
        assert has_intervals == (scores.attrs["interval_kind"] != "none")
        assert has_intervals == ("Intervals: " in text)
        assert bool(scores.ceiling_upper.notnull().any()) == (producer in CEILED)
        cited = scores.attrs["reference"].split(",")
        assert ("schuett2023" in cited) == (producer == "bootstrap_rdms")
        assert ("nili2014" in cited) == (producer in CEILED and "rdms" in producer)

    @pytest.mark.parametrize("consumer", CONSUMERS)
    def test_is_read_or_refused(self, consumer, producer, problem, scores_of, tmp_path):
        scores = scores_of(producer)
        before = scores.copy(deep=True)
        consume = CONSUMERS[consumer]
        if producer in WORKS[consumer]:
            assert consume(scores, problem, tmp_path) is not None
        else:
            named = "ops of this graph" if producer in JOINT and consumer in ON_GRAPHS else consumer
            with pytest.raises(NeuroLensError, match=named) as refusal:
                consume(scores, problem, tmp_path)
            assert REMEDY.search(refusal.value.message), refusal.value
            assert list(Path(tmp_path).iterdir()) == []
        xr.testing.assert_identical(scores, before)
        plt.close("all")


def test_every_pair_is_in_the_table():
    assert set(WORKS) == set(CONSUMERS)
    assert set().union(*WORKS.values()) <= set(PRODUCERS)


@pytest.mark.parametrize("producer", ["compare_rdms", "fit_encoding"])
def test_pictures_of_scores_from_a_file_are_the_same(producer, problem, scores_of, tmp_path):
    """Attributes come back from netCDF as numbers of NumPy, and texts as arrays."""
    scores = scores_of(producer)
    best = nl.assign_regions(scores)
    scores.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    best.to_netcdf(tmp_path / "best.nc", engine="h5netcdf")
    read_scores = xr.load_dataset(tmp_path / "scores.nc", engine="h5netcdf")
    read_best = xr.load_dataset(tmp_path / "best.nc", engine="h5netcdf")
    pages = []
    pictures = []
    for pair in ({"scores": scores, "best": best}, {"scores": read_scores, "best": read_best}):
        page = nl.write_report(tmp_path / "page.html", trace=problem.trace, **pair)
        pages.append(page.read_text())
        pictures.append(nl.draw_graph(problem.trace, **pair).render_svg())
    assert pages[0] == pages[1]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("producer", sorted(CEILED - TIMED))
def test_shares_of_ceilings_are_alike_by_both_ways(producer, scores_of):
    """Scores over upper ceilings above 0 are equal from the whole Dataset and from its parts."""
    scores = scores_of(producer)
    whole = compare.normalize_scores(scores)
    parts = compare.normalize_scores(scores["score"], scores["ceiling_upper"])
    upper = scores.ceiling_upper.where(scores.ceiling_upper > 0)
    np.testing.assert_allclose(whole, (scores.score / upper).transpose(*whole.dims))
    np.testing.assert_allclose(parts.transpose(*whole.dims), whole)


def test_what_to_read_with_care_goes_on_into_rdms_and_scores(rng):
    class Mixes(torch.nn.Module):
        def forward(self, x):
            return (x * 2 + torch.randn_like(x)).cumsum(0).relu()

    ids = [f"s{i}" for i in range(12)]
    stimuli = nl.load_stimuli(rng.standard_normal((12, 8)).astype(np.float32), ids=ids)
    with pytest.warns(RuntimeWarning, match="depend on the other stimuli of their batch"):
        grams = nl.extract_grams(Mixes(), stimuli, batch_dependent=True, quiet=True)
    assert grams.attrs["batch_dependent_ops"] == ["/cumsum", "/relu"]
    rdms = nl.compute_rdms(grams)
    responses = xr.DataArray(
        rng.standard_normal((12, 9)),
        dims=("stimulus", "neuroid"),
        coords={"stimulus": ids, "neuroid_id": ("neuroid", [f"n{i}" for i in range(9)])},
    )
    brain = nl.compute_rdms(responses)
    scores = [
        nl.compare_rdms(rdms, brain, n_bootstrap=0, n_splits=0),
        nl.compare.permute_rdms(rdms, brain, n_permutations=20),
        nl.compare.compare_grams(grams, nl.compare.compute_grams(responses)),
        nl.fit_encoding(grams, responses, cv=2, n_splits=0),
    ]
    for result in (rdms, *scores):
        assert result.attrs["batch_dependent_ops"] == ["/cumsum", "/relu"]
        assert "/add" in result.attrs["random_ops"]
    for result in scores:
        assert "Values of 2 operations depend on the other stimuli" in result.attrs["methods_text"]
