"""Runs from a file: the same bytes again, from Python too, and nothing left where one fails."""

import os
import re
import subprocess
import sys
from pathlib import Path

import filelock
import numpy as np
import pytest
import torch
import xarray as xr
from analyses import ENCODING, MODEL, RSA, write_analysis

import neurolens as nl
from neurolens.cli.analysis import running
from neurolens.cli.analysis.running import check_analysis, run_analysis
from neurolens.cli.analysis.templates import read_template
from neurolens.errors import DataError, DifferenceError, InputError, LabelError

MIRROR = os.environ.get("NEUROLENS_MIRROR")
WEIGHTS = Path(MIRROR or "") / "weights" / "squeezenet1_0.pth"
WITH_REPORT = RSA.replace("page = false\ngraph = false\nprofile = false", "rdms = true")
DATE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC")


def read_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def list_tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def run_script(folder, script):
    """Run a script as a user would, in a process of its own."""
    settings = {"MPLBACKEND": "Agg", "PYTHONPATH": str(Path(nl.__file__).parents[1])}
    subprocess.run([sys.executable, script], cwd=folder, check=True, env=os.environ | settings)
    return read_files(folder / "from_python")


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Return the folder of an analysis with everything written, and what the run returned."""
    folder = tmp_path_factory.mktemp("reported")
    return folder, run_analysis(write_analysis(folder, WITH_REPORT), quiet=True)


def test_all_that_is_asked_for_is_written(reported):
    folder, result = reported
    assert set(read_files(folder / "results")) == {
        "analysis.lock.json", "analysis.py", "best_ops.csv", "graph.svg", "profile.png", "rdms.nc",
        "report.html", "scores.nc",
    }  # fmt: skip
    xr.testing.assert_identical(xr.load_dataset(folder / "results" / "scores.nc"), result.scores)
    assert result.reproduced is None
    assert list_tree(folder)[-1] == "results/scores.nc"  # nothing besides, hidden or not
    assert not [name for name in list_tree(folder) if name.startswith(".")]


def test_a_second_run_gives_the_same_bytes_and_another_date_only(reported, monkeypatch):
    folder, _ = reported
    before = read_files(folder / "results")
    result = run_analysis(folder / "analysis.toml", quiet=True)
    after = read_files(folder / "results")
    assert result.reproduced is True
    assert result.differences == []
    for name in set(before) - {"analysis.lock.json", "report.html"}:
        assert after[name] == before[name], name
    assert len(DATE.findall(before["report.html"])) == 1
    assert DATE.sub(b"", after["report.html"]) == DATE.sub(b"", before["report.html"])


@pytest.mark.slow
def test_the_script_gives_the_same_numbers_to_the_last_bit(reported):
    folder, _ = reported
    own = read_files(folder / "results")
    again = run_script(folder, "results/analysis.py")
    for name in ("scores.nc", "rdms.nc", "best_ops.csv", "graph.svg", "profile.png"):
        assert again[name] == own[name], name
    assert DATE.sub(b"", again["report.html"]) == DATE.sub(b"", own["report.html"])


def test_scores_are_those_of_the_functions_called_by_hand(reported):
    folder, result = reported
    space = {}
    exec(MODEL, space)
    model = space["make_model"]().eval()
    stimuli = nl.load_stimuli(np.load(folder / "pictures.npy"))
    brain = nl.brain.read_rdms(folder / "rdm.csv", regions="V1")
    rdms = nl.compute_rdms(nl.extract_grams(model, stimuli, quiet=True))
    scores = nl.compare_rdms(rdms, brain, n_bootstrap=20, n_splits=4)
    xr.testing.assert_identical(scores, result.scores)
    xr.testing.assert_identical(nl.assign_regions(scores), result.best)


def test_encoding_from_a_file_is_fit_encoding(tmp_path):
    result = run_analysis(write_analysis(tmp_path, ENCODING), quiet=True)
    stimuli = nl.load_stimuli(np.load(tmp_path / "pictures.npy"))
    responses = nl.read_responses(tmp_path / "responses.npy", events=tmp_path / "events.tsv")
    space = {}
    exec(MODEL, space)
    grams = nl.extract_grams(space["make_model"](), stimuli, quiet=True)
    ceiling = nl.compare.compute_ncsnr(responses)
    scores = nl.fit_encoding(grams, responses, cv=2, n_splits=2, n_bootstrap=20, ceiling=ceiling)
    xr.testing.assert_identical(scores, result.scores)


def test_reducers_controls_and_other_settings_reach_the_functions(tmp_path):
    text = RSA + '[extract]\nreducer = "mean"\nops = ["0", "1"]\n[control]\nrandom_weights = true\n'
    text = text.replace("[compare]", '[compare]\nmetric = "euclidean"\ncomparator = "spearman"')
    result = run_analysis(write_analysis(tmp_path, text), quiet=True)
    assert result.scores.attrs["measure"] == "spearman"
    assert result.scores.attrs["dissimilarity"] == "euclidean"
    assert list(result.scores.op.values) == ["0/conv2d", "1/relu"]
    assert list(result.best.control.values) == ["random weights"]


def test_overrides_take_the_place_of_what_the_file_says(tmp_path):
    path = write_analysis(tmp_path)
    result = run_analysis(path, overrides=["compare.comparator=cosine", "analysis.seed=3"])
    assert result.scores.attrs["measure"] == "cosine"
    assert result.lock["settings"]["analysis"]["seed"] == 3


def test_nothing_tells_where_on_the_machine_it_ran(reported, tmp_path):
    folder, _ = reported
    for name, content in read_files(folder / "results").items():
        assert str(folder).encode() not in content, name
    text = RSA.replace('"rdm.csv"', f'"{tmp_path}/rdm.csv"')
    result = run_analysis(write_analysis(tmp_path, text), quiet=True)
    assert str(tmp_path) not in (tmp_path / "results" / "analysis.lock.json").read_text()
    assert result.lock["settings"]["brain"]["rdms"] == "rdm.csv"


def test_a_locked_run_goes_on_where_nothing_differs(tmp_path):
    path = write_analysis(tmp_path)
    with pytest.raises(DataError, match="there is no analysis.lock.json in .*Run without --locked"):
        run_analysis(path, locked=True)
    run_analysis(path, quiet=True)
    assert run_analysis(path, locked=True, quiet=True).reproduced is True


def test_a_locked_run_names_all_that_differs_and_keeps_the_results(tmp_path, monkeypatch):
    path = write_analysis(tmp_path)
    run_analysis(path, quiet=True)
    before = read_files(tmp_path / "results")
    (tmp_path / "my_model.py").write_text(MODEL.replace("manual_seed(1)", "manual_seed(2)"))
    np.save(tmp_path / "pictures.npy", np.load(tmp_path / "pictures.npy") + 1)
    path.write_text(RSA.replace("n_bootstrap = 20", "n_bootstrap = 30"))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    with pytest.raises(DifferenceError, match="analysis.toml does not use what") as caught:
        run_analysis(path, locked=True, quiet=True)
    text = "\n".join(caught.value.differences)
    assert "settings, compare, n_bootstrap: 20 then, 30 now" in text
    assert "inputs, model, sha256 of the state dict" in text
    assert "inputs, stimuli, sha256 of ids" in text
    assert "inputs, files, model.file: my_model.py" in text
    assert "machine, threads" in text
    assert "inputs, brain" not in text
    assert read_files(tmp_path / "results") == before


def test_a_locked_run_keeps_the_results_where_scores_differ(tmp_path, monkeypatch):
    path = write_analysis(tmp_path)
    run_analysis(path, quiet=True)
    before = read_files(tmp_path / "results")
    compare = nl.compare_rdms
    monkeypatch.setattr(
        nl, "compare_rdms", lambda *data, **settings: compare(*data, **settings) + 0
    )
    with pytest.raises(DifferenceError, match="the scores are not those of analysis.lock.json"):
        run_analysis(path, locked=True, overrides=[], quiet=True)
    assert read_files(tmp_path / "results") == before


def test_a_run_with_other_inputs_says_what_changed(tmp_path):
    path = write_analysis(tmp_path)
    run_analysis(path, quiet=True)
    (tmp_path / "my_model.py").write_text(MODEL.replace("manual_seed(1)", "manual_seed(2)"))
    result = run_analysis(path, quiet=True)
    assert result.reproduced is False
    assert any("state dict" in line for line in result.differences)


def test_results_of_other_settings_are_never_mixed(tmp_path):
    path = write_analysis(tmp_path, WITH_REPORT.replace("rdms = true", "rdms = true\npage = false"))
    run_analysis(path, overrides=["report.graph=false", "report.profile=false"], quiet=True)
    (tmp_path / "results" / "notes.txt").write_text("mine")
    other = ["analysis.seed=1", "report.rdms=false", "report.graph=false", "report.profile=false"]
    before = read_files(tmp_path / "results")
    with pytest.raises(DataError, match="holds the results of other settings.*--overwrite"):
        run_analysis(path, overrides=other, quiet=True)
    assert read_files(tmp_path / "results") == before
    run_analysis(path, overrides=other, overwrite=True, quiet=True)
    assert set(read_files(tmp_path / "results")) == set(before) - {"rdms.nc"}


def test_folders_that_hold_something_else_are_refused_before_anything_is_computed(tmp_path):
    path = write_analysis(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.txt").touch()
    with pytest.raises(DataError, match="'cat.txt', and no analysis.lock.json.*another folder"):
        run_analysis(path, output=tmp_path / "photos")
    with pytest.raises(DataError, match="is a file; give the results another folder"):
        run_analysis(path, output=path)
    before = list_tree(tmp_path)
    with pytest.raises(DataError, match="is a file|cannot make the folder"):
        run_analysis(path, output=path / "results")
    assert list_tree(tmp_path) == before


def test_two_runs_cannot_write_into_one_folder(tmp_path):
    path = write_analysis(tmp_path)
    lock = filelock.FileLock(tmp_path / ".results.lock", is_singleton=False)
    with lock, pytest.raises(DataError, match="another run writes into .*results"):
        run_analysis(path)


@pytest.mark.parametrize("stage", ["extract_grams", "assign_regions"])
def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch, stage):
    path = write_analysis(tmp_path)
    before = list_tree(tmp_path)

    def interrupt(*data, **settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(nl, stage, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_analysis(path, output=tmp_path / "deep" / "er", quiet=True)
    assert [name for name in list_tree(tmp_path) if "__pycache__" not in name] == before


def test_stimuli_and_brain_that_do_not_match_are_told_before_extraction(tmp_path, monkeypatch):
    path = write_analysis(tmp_path)
    table = (tmp_path / "rdm.csv").read_text()
    (tmp_path / "rdm.csv").write_text(table.replace("stim003", "stim999"))
    monkeypatch.setattr(nl, "extract_grams", None)
    with pytest.raises(LabelError, match="stimuli and brain must hold the same.*'stim003'"):
        run_analysis(path, quiet=True)
    assert not (tmp_path / "results").exists()


def test_own_models_that_are_none_are_named(tmp_path):
    path = write_analysis(tmp_path)
    (tmp_path / "my_model.py").write_text("def make_model():\n    return 3\n")
    with pytest.raises(InputError, match="my_model.py made no model: AttributeError"):
        run_analysis(path, quiet=True)
    (tmp_path / "my_model.py").write_text("def make_model():\n    return 1 / 0\n")
    with pytest.raises(InputError, match="my_model.py made no model: ZeroDivisionError"):
        run_analysis(path, quiet=True)


def test_an_error_on_the_way_shows_the_line_of_the_script(tmp_path, monkeypatch):
    path = write_analysis(tmp_path)
    monkeypatch.setattr(nl, "trace", None)
    with pytest.raises(TypeError) as caught:
        run_analysis(path, quiet=True)
    last = caught.traceback[-1]
    script = running.write_sections(running.check_document(running.read_document(path)), path.name)
    text = running.join_sections(script, path.name)
    assert "trace = nl.trace" in text.splitlines()[last.lineno]


def test_checking_computes_nothing_and_tells_all_settings(tmp_path):
    resolved = check_analysis(write_analysis(tmp_path))
    assert resolved["compare"]["comparator"] == "rho-a"
    assert resolved["model"] == {"file": "my_model.py", "function": "make_model"}
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rsa", "encoding"])
def test_examples_run_as_they_stand_and_find_what_was_planted(tmp_path, kind):
    path = tmp_path / "analysis.toml"
    path.write_text(read_template(kind), encoding="utf-8")
    result = run_analysis(path, quiet=True)
    planted = nl.load_dataset("planted").responses
    for region in result.best.region.values:
        op = str(planted.planted_op.values[planted.region.values == region][0])
        row = result.best.sel(region=region)
        assert op in (row.best_op.item(), *row.op.values[row.indistinguishable.values]), region


@pytest.mark.slow
@pytest.mark.skipif(
    not (MIRROR and WEIGHTS.is_file()), reason="needs NEUROLENS_MIRROR with data and weights"
)
def test_the_92_photographs_twice_and_from_python(tmp_path):
    path = tmp_path / "analysis.toml"
    text = read_template("real").replace('"pretrained"', f'"{WEIGHTS}"')
    # Of some operations, and with few draws: this is about bytes, whatever their number.
    text = text.replace("[compare]", '[extract]\nops = "*squeeze*"\n\n[compare]\nn_bootstrap = 200')
    path.write_text(text, encoding="utf-8")
    first = run_analysis(path, quiet=True)
    before = read_files(tmp_path / "results")
    second = run_analysis(path, quiet=True)
    after = read_files(tmp_path / "results")
    assert second.reproduced is True
    assert after["scores.nc"] == before["scores.nc"]
    assert DATE.sub(b"", after["report.html"]) == DATE.sub(b"", before["report.html"])
    assert run_script(tmp_path, "results/analysis.py")["scores.nc"] == before["scores.nc"]
    assert first.scores.sizes["op"] == 16
    for name, content in before.items():
        if name != "analysis.py":
            assert str(WEIGHTS.parent).encode() not in content, name
