"""The report is one file, the same each time, safe with any name, and says what it lacks."""

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from graphs import HOSTILE, build_hostile, build_residual, fake_best, fake_scores
from maps import make_surface, score_gradient
from results import CARD, add_contrasts, fake_brain, fake_rdms

import neurolens as nl
from neurolens.errors import DataError, InputError, LabelError
from neurolens.report.page import write_report
from neurolens.scores import Intervals, build_scores


class Collector(HTMLParser):
    """Gathers tags and attributes, and the text of each script of JSON."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def read_data(page: str) -> dict:
    """Return the document inside a page."""
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text[1])


@pytest.fixture
def parts(rng):
    graph = build_residual()
    scores = fake_scores(graph, rng)
    best = add_contrasts(fake_best(scores), ["random weights"])
    return {
        "trace": SimpleNamespace(graph=graph, model_name="ResNet-18"),
        "scores": scores,
        "best": best,
        "rdms": fake_rdms(list(dict.fromkeys(best.best_op.values.tolist())), rng),
        "brain": fake_brain(scores.region.values, rng),
        "control": ("random weights", scores * 0.3),
        "notes": ["planted brain, random weights: not real data"],
        "facts": {"weights": "random", "command": "make demo"},
    }


@pytest.fixture
def write(parts, tmp_path):
    """Return a function that writes a report with some parts changed, and reads its document."""

    def run(**changes):
        return read_data(write_report(tmp_path / "report.html", **(parts | changes)).read_text())

    return run


def test_everything_is_inside_one_file(parts, tmp_path):
    page = write_report(tmp_path / "report.html", **parts).read_text()
    data = read_data(page)
    assert data["title"] == "ResNet-18 and Planted <data>"
    assert data["notes"] == parts["notes"]
    assert [section["id"] for section in data["sections"]] == ["rdms", "stimuli", "scores"]
    assert data["command"] == "make demo"
    provenance = dict(data["provenance"])
    assert provenance["weights"] == "random"
    assert provenance["data"] == CARD["title"]
    assert provenance["licence of the data"] == CARD["licence"]
    assert data["references"][-1] == {"text": f"Data: {CARD['citation']}", "bibtex": ""}
    markup = re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.DOTALL)
    # Addresses are text of references, never something that is fetched.
    assert not re.findall(r"(?:src|href|action|url)\s*[=(]\s*[\"']?\w+://", markup)
    for tag, attrs in Collector(page).tags:
        assert tag not in ("link", "iframe", "img")
        assert "src" not in attrs
        assert tag != "a" or "href" not in attrs


def test_same_input_gives_same_bytes_without_a_date(parts, tmp_path):
    one = write_report(tmp_path / "one.html", **parts).read_bytes()
    assert write_report(tmp_path / "two.html", **parts).read_bytes() == one
    assert not re.search(rb"20[0-9]{2}-[0-9]{2}-[0-9]{2}", one)


def test_the_star_and_the_summary_show_held_out_scores(write, parts):
    best = parts["best"].copy(deep=True)
    best["heldout_mean"] = best.heldout_mean.copy(data=[0.111, 0.122, 0.133, 0.144])
    data = write(best=best)
    assert [region["best"]["heldout"] for region in data["regions"]] == [0.111, 0.122, 0.133, 0.144]
    assert ".14" in json.dumps(data["summary"])
    naive = best.naive_score.values
    assert not any(f"{value:.2f}"[1:] in json.dumps(data["summary"]) for value in naive)


def test_every_name_is_escaped(rng, tmp_path):
    graph = build_hostile()
    scores = fake_scores(graph, rng, regions=("<b>V1", "I&T \U0001f9e0"))
    page = write_report(
        tmp_path / "report.html",
        trace=SimpleNamespace(graph=graph, model_name="</title><script>alert(1)</script>"),
        scores=scores,
        best=fake_best(scores),
        control=('"<i>', scores),
        notes=["<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>"],
        facts={"<u>": "</script>"},
    ).read_text()
    plain = write_report(
        tmp_path / "plain.html", trace=build_residual(), scores=fake_scores(build_residual(), rng)
    ).read_text()
    tags = [tag for tag, _ in Collector(page).tags]
    assert tags.count("script") == [tag for tag, _ in Collector(plain).tags].count("script")
    assert tags.count("img") == 0
    data = read_data(page)
    assert HOSTILE in [op["name"] for op in data["graph"]["ops"]]
    assert data["notes"][0] == "<img src=x onerror=alert(1)>"
    assert data["regions"][0]["id"] == "<b>V1"


def test_without_best_rdms_or_ceilings_the_page_says_so(rng, tmp_path):
    graph = build_residual()
    scores = fake_scores(graph, rng, without_ceiling=("V1", "V2", "V4", "IT"))
    page = write_report(tmp_path / "report.html", trace=graph, scores=scores).read_text()
    data = read_data(page)
    assert [section["id"] for section in data["sections"]] == ["scores"]
    assert all(region["best"] is None for region in data["regions"])
    assert {region["ceilingNote"] for region in data["regions"]} == {"no noise ceiling"}
    assert "No held-out scores were given" in json.dumps(data["summary"])
    assert "Nili" not in json.dumps(data["references"])


def test_an_encoding_analysis_is_not_described_as_rdms(rng, tmp_path):
    graph = build_residual()
    scores = build_scores(
        fake_scores(graph, rng).score,
        method="encoding",
        measure="r",
        estimator="ridge regression",
        n_stimuli=40,
    )
    data = read_data(write_report(tmp_path / "report.html", trace=graph, scores=scores).read_text())
    shown = [data[key] for key in ("facts", "methods", "references", "summary", "provenance")]
    text = json.dumps([*shown, data["sections"]])
    assert "features (ridge regression)" in text
    assert "There were 40 stimuli" in text
    assert "Naselaris" in text
    assert "naselaris2011" in data["references"][0]["bibtex"]
    for word in ("RDM", "issimilarit", "Kriegeskorte", "Nili", "Schütt", "intervals", "95 %"):
        assert word not in text, word


def test_alignment_scores_are_told_as_they_are(rng, tmp_path):
    graph = build_residual()
    scores = build_scores(
        fake_scores(graph, rng).score, method="alignment", measure="cka", n_stimuli=40
    )
    best = add_contrasts(fake_best(scores))
    data = read_data(
        write_report(tmp_path / "report.html", trace=graph, scores=scores, best=best).read_text()
    )
    assert data["measure"]["symbol"] == "CKA"
    assert "Kornblith" in data["references"][0]["text"]


def test_intervals_are_described_by_their_attributes(write, parts):
    assert (
        write()["measure"]["interval"]
        == "95 % intervals (bootstrap percentile) over stimuli and subjects"
    )
    halves = Intervals("t interval of halves", "stimuli", 0.9)
    scores = parts["scores"]
    names = ["ci_low", "ci_high", "mean_ci_low", "mean_ci_high"]
    scores = build_scores(
        scores.score,
        method="rsa",
        measure="rho-a",
        dissimilarity="correlation",
        n_stimuli=92,
        variables={name: scores[name] for name in names},
        intervals=halves,
    )
    data = write(scores=scores, best=None, control=None)
    assert data["measure"]["interval"] == "90 % intervals (t interval of halves) over stimuli"
    assert "95 %" not in json.dumps([data["facts"], data["methods"], data["sections"]])


def test_scores_over_time_are_written(write, parts):
    import xarray as xr

    scores = parts["scores"]
    timed = xr.concat([scores, scores * 0.5], xr.IndexVariable("time_bin", [100, 200]))
    data = write(scores=timed.assign_attrs(scores.attrs), best=None, control=None)
    assert data["models"][0]["scores"]["IT"]["times"]["labels"] == ["100", "200"]


def test_thirty_regions_are_written(rng, tmp_path):
    graph = build_residual()
    scores = fake_scores(graph, rng, regions=tuple(f"area {i}" for i in range(30)))
    best = add_contrasts(fake_best(scores))
    path = write_report(tmp_path / "report.html", trace=graph, scores=scores, best=best)
    assert len(read_data(path.read_text())["regions"]) == 30


def test_pictures_and_activation_maps_are_inside(parts, tmp_path, rng):
    import numpy as np
    import torch
    from torch import nn

    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    pictures = rng.integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    stimuli = nl.load_stimuli(pictures, ids=[f"s{i}" for i in range(6)])
    batch = torch.zeros(2, 3, 32, 32)
    traced = nl.trace(model, batch)
    scores = fake_scores(traced.graph, rng)
    rdms = fake_rdms(scores.op.values, rng)
    path = write_report(
        tmp_path / "report.html",
        trace=traced,
        scores=scores,
        rdms=rdms,
        stimuli=stimuli,
        activations=(traced, ["s4", "s1"]),
    )
    data = read_data(path.read_text())
    assert data["stimuli"]["sprite"].startswith("data:image/jpeg")
    assert data["activations"]["stimuli"] == [4, 1]
    assert data["graph"]["ops"][0]["params"] == 4 * 3 * 9 + 4


def test_pictures_of_the_brain_are_used_unless_none_are_wanted(parts, write, rng):
    import numpy as np

    pictures = rng.integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    parts["brain"].stimuli = nl.load_stimuli(pictures, ids=[f"s{i}" for i in range(6)])
    assert not write()["stimuli"]["numbered"]
    assert write(stimuli=())["stimuli"]["numbered"]


def test_a_page_of_66_ops_and_92_stimuli_is_under_600_kb(tmp_path, rng):
    import numpy as np
    import torch
    from PIL import Image
    from torch import nn

    layers = []
    for _ in range(33):
        layers += [nn.Conv2d(8 if layers else 3, 8, 3, padding=1), nn.ReLU()]
    model = nn.Sequential(*layers)
    ids = [f"s{i}" for i in range(92)]
    coarse = rng.integers(0, 255, (92, 9, 9, 3), dtype=np.uint8)  # as much detail as photographs
    pictures = [np.asarray(Image.fromarray(one).resize((44, 44))) for one in coarse]
    traced = nl.trace(model, torch.randn(6, 3, 44, 44))
    scores = fake_scores(traced.graph, rng)
    path = write_report(
        tmp_path / "report.html",
        trace=traced,
        scores=scores,
        best=add_contrasts(fake_best(scores), ["random weights"]),
        control={"random weights": scores},
        rdms=fake_rdms(scores.op.values, rng, n=92),
        brain=fake_brain(scores.region.values, rng, n=92),
        stimuli=nl.load_stimuli(np.stack(pictures), ids=ids),
        activations=(traced, ids[:6]),
    )
    data = read_data(path.read_text())
    assert len(data["rdms"]["ops"]) >= 45
    assert data["activations"]["side"][0][0] >= 7
    assert path.stat().st_size < 600_000


def test_what_does_not_match_is_refused_and_nothing_is_written(parts, tmp_path):
    path = tmp_path / "report.html"
    wrong = {
        "trace": ("model", InputError, "a Trace or a Graph is needed"),
        "scores": (path, InputError, "the page takes scores"),
        "notes": ("careful", InputError, r"Write notes=\['careful'\]"),
        "facts": ("weights", InputError, r"facts must map names to values, got str"),
        "rdms": (parts["rdms"].isel(stimulus=slice(5)), LabelError, "must hold the same 5 ids"),
        "stimuli": (["a"], InputError, "a StimulusSet or an array"),
        "brain": ("V1", InputError, "what load_dataset returned, or RDMs of the brain, got str"),
    }
    for name, (value, error, message) in wrong.items():
        with pytest.raises(error, match=message):
            write_report(path, **(parts | {name: value}))
    with pytest.raises(InputError, match="written as .html, got 'report.pdf'. Type 'report.html'"):
        write_report(tmp_path / "report.pdf", **parts)
    with pytest.raises(InputError, match="the report is written to a path, .* got Dataset"):
        write_report(parts["scores"], trace=parts["trace"], scores=path)
    with pytest.raises(DataError, match="existing folder"):
        write_report(tmp_path / "missing" / "report.html", **parts)
    assert not path.exists()


def test_maps_on_the_brain_stand_below_the_graph(write, rng):
    pytest.importorskip("nilearn", reason="needs the extra 'maps'")
    like = make_surface()
    maps = nl.view.view_surface(score_gradient(like, rng), like=like, show="depth")
    data = write(maps=maps)
    assert data["sections"][0] == {
        "id": "brain",
        "title": "Maps on the brain",
        "blocks": [{"kind": "brain"}],
    }
    assert data["brain"] == json.loads(json.dumps(maps.content))
    assert write()["brain"] is None
    with pytest.raises(InputError, match="maps must be what view_surface returned, got str"):
        write(maps="brain.html")
