"""The report page is self-contained, the same each time, and safe with any name."""

import importlib.util
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from graphs import HOSTILE, build_hostile, build_residual, fake_best, fake_scores

from neurolens.errors import DataError, InputError
from neurolens.report.page import write_report
from neurolens.scores import Intervals, build_scores
from neurolens.view import draw_graph
from neurolens.view.graph import engines


class Collector(HTMLParser):
    """Gathers tags and attributes; ``opened`` ends empty when every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture
def parts(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng)
    best = fake_best(scores)
    ids = [f"s{i}" for i in range(6)]
    coords = {"stimulus": ids, "stimulus_2": ids}
    names = list(dict.fromkeys(best.best_op.values.tolist()))
    rdms = xr.DataArray(
        rng.random((len(names), 6, 6)), {"op": names, **coords}, ("op", "stimulus", "stimulus_2")
    )
    brain = xr.DataArray(
        rng.random((4, 2, 6, 6)),
        {"region": scores.region.values, "subject": ["x", "y"], **coords},
        ("region", "subject", "stimulus", "stimulus_2"),
    )
    card = {"title": "Planted <data>", "citation": "Nobody & co (2024)", "licence": "CC0"}
    return {
        "trace": SimpleNamespace(graph=graph, model_name="ResNet-18"),
        "scores": scores,
        "best": best,
        "rdms": rdms,
        "brain": SimpleNamespace(rdms=brain, responses=None, card=card, stimuli=None),
        "control": scores * 0.3,
        "notes": ["planted brain, random weights: not real data"],
    }


def test_page_holds_everything_and_refers_to_nothing(parts, tmp_path):
    page = write_report(tmp_path / "report.html", **parts).read_text()
    found = Collector(page)
    text = " ".join(found.text)
    for needed in (
        *parts["notes"],
        "ResNet-18 and Planted <data>",
        "biased",
        "Kriegeskorte",
        "Schütt",
        "CC0",
    ):
        assert needed in text
    for tag, attrs in found.tags:
        assert tag not in ("link", "iframe", "object", "base")
        for key in ("src", "href", "xlink:href", "action", "srcset"):
            assert (attrs.get(key) or "data:").startswith("data:")
    outside = re.sub(r"https://doi\.org/\S+", "", page)
    assert "http" not in outside
    assert "@import" not in page
    assert "url(" not in re.sub(r"base64,\S+", "", page)
    assert sum(tag == "img" for tag, _ in found.tags) == 2


def test_table_lists_every_op_and_region(parts, tmp_path):
    page = write_report(tmp_path / "report.html", **parts).read_text()
    body = page[page.index('class="sortable"') :]
    assert body.count("<tr>") == 1 + len(parts["trace"].graph)
    mean = parts["scores"].score_mean.sel(op="layer1.0/add", region="V1").item()
    assert f'data-value="{mean:.6g}"' in body


def test_same_input_gives_same_bytes(parts, tmp_path):
    one = write_report(tmp_path / "one.html", **parts).read_bytes()
    engines.render_dot.cache_clear()
    assert write_report(tmp_path / "two.html", **parts).read_bytes() == one


def test_every_name_is_escaped(rng, tmp_path):
    graph = build_hostile()
    scores = fake_scores(graph, rng, regions=("<b>V1", "I&T")).assign_attrs(
        comparator="<script>alert(1)</script>"
    )
    trace = SimpleNamespace(graph=graph, model_name="</title><script>")
    page = write_report(
        tmp_path / "report.html",
        trace=trace,
        scores=scores,
        best=fake_best(scores),
        notes=["<img src=x>"],
    ).read_text()
    found = Collector(page)
    assert sum(tag == "script" for tag, _ in found.tags) == 1
    assert not [tag for tag, attrs in found.tags if tag == "img" and attrs.get("src") == "x"]
    assert HOSTILE in [attrs.get("data-value") for tag, attrs in found.tags if tag == "td"]
    assert "<b>V1" in "".join(found.text)


def test_without_best_rdms_or_ceilings_the_page_says_so(rng, tmp_path):
    graph = build_residual()
    scores = fake_scores(graph, rng, without_ceiling=("V1", "V2", "V4", "IT"))
    page = write_report(tmp_path / "report.html", trace=graph, scores=scores).read_text()
    assert "No region has a lower noise ceiling" in page
    assert "Best op per region" not in page
    assert "Dissimilarity matrices" not in page
    assert "Nili" not in page


def test_an_encoding_analysis_is_not_described_as_rdms(rng, tmp_path):
    graph = build_residual()
    scores = build_scores(
        fake_scores(graph, rng).score,
        method="encoding",
        measure="r",
        estimator="ridge regression",
        n_stimuli=40,
    )
    page = write_report(tmp_path / "report.html", trace=graph, scores=scores).read_text()
    text = " ".join("".join(Collector(page).text).split())
    assert "features (ridge regression)" in text
    assert "There were 40 stimuli" in text
    assert "Naselaris" in text
    for word in ("RDM", "issimilarit", "Kriegeskorte", "Nili", "Schütt", "intervals", "95 %"):
        assert word not in text, word


def test_intervals_are_described_by_their_attributes(parts, tmp_path):
    page = write_report(tmp_path / "report.html", **parts).read_text()
    assert "95 % intervals (bootstrap percentile) over stimuli and subjects" in page
    halves = Intervals("t interval of halves", "stimuli", 0.9)
    scores = parts["scores"]
    others = ["ci_low", "ci_high", "mean_ci_low", "mean_ci_high"]
    scores = build_scores(
        scores.score,
        method="rsa",
        measure="rho-a",
        n_stimuli=92,
        variables={name: scores[name] for name in others},
        intervals=halves,
    )
    page = write_report(tmp_path / "report.html", **(parts | {"scores": scores})).read_text()
    assert "90 % intervals (t interval of halves) over stimuli" in page
    assert "Schütt" not in page
    assert "95 %" not in page


def test_stars_on_the_page_agree_with_its_table(parts, tmp_path):
    best = parts["best"]
    best["heldout_mean"] = best.heldout_mean.copy(data=[0.111, 0.122, 0.133, 0.144])
    page = write_report(tmp_path / "report.html", **parts).read_text()
    for number in (".111", ".122", ".133", ".144"):
        assert f"<td><b>{number}</b></td>" in page
    drawn = draw_graph(parts["trace"], scores=parts["scores"], best=best).source
    assert sorted(re.findall(r"held out (\.\d+)", drawn)) == [".11", ".12", ".13", ".14"]


def test_swapped_arguments_are_told_in_a_sentence(parts, tmp_path):
    path = tmp_path / "report.html"
    with pytest.raises(InputError, match="the report is written to a path, .* got Dataset"):
        write_report(parts["scores"], trace=parts["trace"], scores=path)
    with pytest.raises(InputError, match="a Trace or a Graph is needed to draw, got str"):
        write_report(path, trace="model", scores=parts["scores"])
    with pytest.raises(InputError, match="write_report takes scores, .* got PosixPath"):
        write_report(path, trace=parts["trace"], scores=path)
    timed = parts["scores"].expand_dims(time_bin=[100, 200])
    with pytest.raises(InputError, match=r"write_report takes .*isel\(time_bin=0"):
        write_report(path, trace=parts["trace"], scores=timed)
    assert not path.exists()


def test_without_engine_the_dot_text_is_inside(parts, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    engines.render_dot.cache_clear()
    page = write_report(tmp_path / "report.html", **parts).read_text()
    assert "The graph is not drawn here" in page
    assert "<details>" in page
    assert "digraph model" in page


def test_missing_scores_stay_empty(parts, tmp_path):
    scores = parts["scores"].copy(deep=True)
    scores["score_mean"][0] = np.nan
    page = write_report(tmp_path / "report.html", trace=parts["trace"], scores=scores).read_text()
    assert page.count('data-value=""') == 4


def test_errors_say_what_to_do(parts, tmp_path):
    with pytest.raises(DataError, match="existing folder"):
        write_report(tmp_path / "missing" / "report.html", **parts)
    with pytest.raises(InputError, match=r"Write notes=\['careful'\]"):
        write_report(tmp_path / "report.html", **(parts | {"notes": "careful"}))
