"""The small analysis of the doctor finds the known answer, and sees wrong ones."""

from types import SimpleNamespace

import neurolens as nl
from neurolens.cli.doctor import trial


def test_a_small_analysis_works():
    for check in (trial.check_recording, trial.check_comparison, trial.check_drawing):
        [finding] = check()
        assert finding.state == "ok", finding


def test_a_recording_that_is_not_that_of_the_model_is_a_fault(monkeypatch):
    monkeypatch.setattr(
        nl, "validate", lambda *args: SimpleNamespace(status="failed"), raising=False
    )
    [finding] = trial.check_recording()
    assert finding.is_harmful
    assert "please report" in finding.advice.lower()


def test_a_wrong_answer_is_a_fault(monkeypatch):
    right = nl.compare_rdms

    def reverse(model_rdms, brain_rdms, **settings):
        return right(model_rdms, model_rdms[0].drop_vars("op"), **settings)

    monkeypatch.setattr(nl, "compare_rdms", reverse, raising=False)
    [finding] = trial.check_comparison()
    assert finding.is_harmful
    assert "expected" in finding.text


def test_a_picture_that_is_none_is_a_fault(monkeypatch):
    monkeypatch.setattr(
        nl, "draw_graph", lambda trace: SimpleNamespace(render_svg=lambda: ""), raising=False
    )
    [finding] = trial.check_drawing()
    assert finding.is_harmful
