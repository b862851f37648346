"""Sections name what the page draws, and leave out what it has no data for."""

import pytest

from neurolens.report import sections
from neurolens.report.sections import make_rdms, make_scores, make_stimuli


@pytest.fixture
def document():
    best = {"op": 4}
    regions = [{"id": "V1", "best": best}, {"id": "V4", "best": None}, {"id": "IT", "best": best}]
    return {
        "regions": regions,
        "rdms": {"ops": [4], "brain": {"V1": "", "V4": ""}},
        "stimuli": {"ids": ["a", "b"], "numbered": True},
        "graph": {"ops": [{}] * 6},
        "measure": {"name": "Spearman's rank correlation", "symbol": "ρ", "interval": "95 %"},
    }


def test_rdms_are_pairs_of_regions_and_best_ops_that_have_one(document):
    assert make_rdms(document)["pairs"] == [{"region": "V1", "op": 4}]
    document["rdms"]["ops"] = [3]
    assert make_rdms(document) is None
    document["rdms"] = None
    assert make_rdms(document) is None


def test_stimuli_say_whether_they_are_pictures(document):
    assert (
        make_stimuli(document)["caption"] == "2 stimuli, numbered, in the color of their category."
    )
    document["stimuli"]["numbered"] = False
    assert make_stimuli(document)["caption"] == "2 stimuli, as shown."
    document["stimuli"] = None
    assert make_stimuli(document) is None


def test_scores_are_a_table_or_too_many(document, monkeypatch):
    table = make_scores(document)
    assert table["kind"] == "scores"
    assert (
        "Spearman's rank correlation (ρ), mean over subjects, on all stimuli; 95 %."
        in (table["caption"])
    )
    monkeypatch.setattr(sections, "MOST_CELLS", 17)
    assert "6 operations for 3 regions, too many for a table" in make_scores(document)["text"]
