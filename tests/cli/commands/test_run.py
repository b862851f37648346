"""``neurolens run`` and ``init`` as they are typed: exit statuses, and what is printed."""

import json
import tomllib

import pytest
from analyses import MODEL, RSA, write_analysis

from neurolens.cli.analysis.running import AnalysisResult
from neurolens.cli.analysis.templates import TEMPLATES
from neurolens.cli.app import main
from neurolens.cli.commands.run import write_comparison


def test_a_run_prints_the_answer_and_where_to_look(tmp_path, capsys):
    path = write_analysis(tmp_path)
    assert main(["run", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("The model\nStimuli and brain data\n")
    assert "V1" in out
    assert str(tmp_path / "results" / "scores.nc") in out
    assert "report.html" not in out
    assert main(["run", str(path), "--quiet"]) == 0
    out = capsys.readouterr().out
    assert not out.startswith("The model")
    assert "The scores are those of the earlier results in the folder, byte for byte." in out


def test_json_is_one_document(tmp_path, capsys):
    path = write_analysis(tmp_path)
    assert main(["run", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts["best"]) == {"V1"}
    assert facts["reproduced"] is None
    assert "scores.nc" in facts["files"]
    (tmp_path / "my_model.py").write_text(MODEL.replace("manual_seed(1)", "manual_seed(2)"))
    assert main(["run", str(path), "--json", "--locked"]) == 3
    assert any("state dict" in line for line in json.loads(capsys.readouterr().out)["differences"])


def test_checks_end_with_their_status(tmp_path, capsys):
    path = write_analysis(tmp_path)
    assert main(["run", str(path), "--check"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("analysis.toml can be run; it means:")
    assert "compare.comparator = 'rho-a'" in out
    assert not (tmp_path / "results").exists()
    path.write_text(RSA.replace("n_splits", "n_split"))
    assert main(["run", str(path)]) == 1
    error = capsys.readouterr().err
    assert "neurolens: analysis.toml has 1 problem; nothing was run:" in error
    assert "compare.n_split: there is no such key. Closest: 'n_splits'" in error
    assert main(["run"]) == 2
    assert main(["run", str(path), "--set", "compare"]) == 1
    assert "--set takes section.key=value" in capsys.readouterr().err


def test_a_locked_run_that_differs_ends_with_3(tmp_path, capsys):
    path = write_analysis(tmp_path)
    assert main(["run", str(path), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["run", str(path), "--locked", "--set", "analysis.seed=1"]) == 3
    captured = capsys.readouterr()
    assert "settings, analysis, seed: 0 then, 1 now" in captured.err
    assert main(["run", str(path), "--locked", "--quiet"]) == 0


@pytest.mark.parametrize("kind", TEMPLATES)
def test_examples_are_written_and_never_over_something(tmp_path, monkeypatch, capsys, kind):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--kind", kind]) == 0
    assert "next: neurolens run analysis.toml" in capsys.readouterr().out
    text = (tmp_path / "analysis.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["model"]
    (tmp_path / "analysis.toml").write_text("mine")
    assert main(["init", "--kind", kind]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "analysis.toml").read_text() == "mine"
    assert main(["init", "--kind", "none"]) == 2
    assert main(["init", "deep/a.toml"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["analysis.toml"]


def test_differences_are_told_after_a_run(tmp_path):
    settings = {"scores": None, "best": None, "folder": tmp_path, "lock": {}}
    result = AnalysisResult(
        **settings, differences=["versions, torch: 1 then, 2 now"], reproduced=True
    )
    told = write_comparison(result)
    assert "are those" in told
    assert "torch: 1 then, 2 now" in told
    assert "differ from those" in write_comparison(AnalysisResult(**settings, reproduced=False))
    assert write_comparison(AnalysisResult(**settings)) == ""
