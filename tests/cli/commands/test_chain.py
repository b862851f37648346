"""From a network to a report by the command line: the same numbers as in Python."""

import json

import numpy as np
import pytest
import torch
import xarray as xr
from commands import N_STIMULI, SIDE, SIZE, call, call_json, list_files, make_workspace

import neurolens as nl
from neurolens.cli.parameters.functions import FunctionName, load_function
from neurolens.cli.parameters.results import ORIGIN, open_result


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a folder in which every step of the chain was run."""
    from neurolens.cli.app import main

    folder = make_workspace(tmp_path_factory.mktemp("chain"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        network = ["my_model.py:build", "images", *SIZE]
        for words in (
            ["grams", *network, "-o", "grams.nc", "--seed", "3"],
            ["grams", *network, "-o", "grams4.nc", "--seed", "4"],
            ["extract", *network, "-o", "acts.zarr", "--seed", "3"],
            ["rdms", "grams.nc", "-o", "rdms.nc"],
            ["rdms", "grams4.nc", "-o", "rdms4.nc"],
            ["rdms", "responses.nc", "-o", "brain.nc"],
            ["compare", "rdms.nc", "responses.nc", "--control", "seed 4=rdms4.nc",
             "-o", "scores.nc", "--seed", "8", "--bootstrap", "50", "--splits", "6"],
            ["encode", "grams.nc", "responses.nc", "-o", "encoding.nc", "--cv", "2"],
            ["report", "scores.nc", "-o", "report.html"],
        ):  # fmt: skip
            assert main([*words, "--quiet"]) == 0, words
    return folder


def load_in_python(folder, seed):
    build = load_function(FunctionName(folder / "my_model.py", "build"))
    torch.manual_seed(seed)
    transform = nl.ImageTransform(resize=round(SIDE * 256 / 224), crop=SIDE)
    return build().eval(), nl.load_stimuli(folder / "images", transform=transform)


def make_in_python(folder, seed):
    grams = nl.extract_grams(*load_in_python(folder, seed), quiet=True, rng=seed)
    rdms = nl.compute_rdms(grams.isel(op=(grams.n_features > 1).values))
    return grams, rdms


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_the_chain_gives_the_numbers_of_python(made):
    grams, rdms = make_in_python(made, 3)
    _, others = make_in_python(made, 4)
    responses = xr.load_dataarray(made / "responses.nc", engine="h5netcdf")
    brain = nl.compute_rdms(responses)
    settings = {"rng": 8, "n_bootstrap": 50, "n_splits": 6}
    scores = nl.compare_rdms(rdms, brain, **settings)
    control = nl.compare_rdms(others, brain, **settings)
    encoding = nl.fit_encoding(grams, responses, cv=2)

    assert np.array_equal(open_result(made / "grams.nc").data.gram, grams.gram)
    assert np.array_equal(open_result(made / "rdms.nc").data, rdms)
    assert np.array_equal(open_result(made / "brain.nc").data, brain)
    found = open_result(made / "scores.nc")
    for name in scores.data_vars:
        assert np.array_equal(found.data[name], scores[name], equal_nan=True), name
    for name in control.data_vars:
        assert np.array_equal(found.controls["seed 4"][name], control[name], equal_nan=True), name
    fitted = open_result(made / "encoding.nc").data
    for name in encoding.data_vars:
        if encoding[name].dtype.kind in "fiub":
            assert np.array_equal(fitted[name], encoding[name], equal_nan=True), name


def test_the_report_is_that_of_python(made, tmp_path):
    model, stimuli = load_in_python(made, 3)
    found = open_result(made / "scores.nc")
    regions = ", ".join(found.data.region.values)
    six = [stimuli.ids[i * N_STIMULI // 6] for i in range(6)]
    nl.write_report(
        tmp_path / "report.html",
        trace=nl.trace(model, stimuli.read_rows(range(1))),
        scores=found.data,
        best=nl.assign_regions(found.data, control=found.controls),
        control=found.controls,
        rdms=open_result(made / "rdms.nc").data,
        brain=open_result(made / "brain.nc").data,
        stimuli=stimuli,
        activations=(nl.trace(model, stimuli.select(six).read_rows(range(6))), six),
        title=f"my_model.py:build: fit to {regions}",
        facts={
            "scores": "scores.nc",
            "model": "my_model.py:build",
            "weights": "as my_model.py:build makes them, seed 3",
            "sha256 of the state dict": found.origin["network"]["sha256"],
            "recording": "verified: 7 of 7 ops replayed bit for bit",
        },
    )
    text = (made / "report.html").read_text(encoding="utf-8")
    assert text == (tmp_path / "report.html").read_text(encoding="utf-8")
    assert str(made) not in text


def test_files_say_what_they_were_made_with(made):
    origin = open_result(made / "scores.nc").origin
    assert origin["network"]["model"] == "my_model.py:build"
    assert origin["network"]["seed"] == 3
    assert origin["network"]["image_size"] == SIDE
    assert origin["stimuli"]["source"] == "images"
    assert origin["brain"]["source"] == "responses.nc"
    assert origin["rdms"]["path"] == "rdms.nc"
    assert ORIGIN not in open_result(made / "scores.nc").data.attrs
    assert open_result(made / "acts.zarr").origin["network"]["seed"] == 3


def test_plain_xarray_reads_what_is_written(made):
    scores = xr.load_dataset(made / "scores.nc", engine="h5netcdf")
    assert nl.assign_regions(scores).best_op.dims == ("region",)
    assert json.loads(scores.attrs[ORIGIN])["brain"]["source"] == "responses.nc"
    rdms = xr.load_dataarray(made / "rdms.nc", engine="h5netcdf")
    assert rdms.attrs["metric"] == "correlation"


def test_rdms_of_activations_are_those_of_grams(made, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(made)
    ops = open_result(made / "rdms.nc").data.op.values
    facts = call_json(capsys, "rdms", "acts.zarr", "-o", tmp_path / "r.nc", "--metric", "euclidean")
    call(capsys, "rdms", "grams.nc", "-o", tmp_path / "g.nc", "--metric", "euclidean")
    first = open_result(tmp_path / "r.nc").data.sel(op=ops)
    second = open_result(tmp_path / "g.nc").data.sel(op=ops)
    assert np.allclose(first, second, rtol=1e-4)
    assert facts["n_stimuli"] == N_STIMULI
    assert facts["left_out"] == []


def test_ops_of_a_single_number_are_left_out_and_named(made, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(made)
    facts = call_json(capsys, "rdms", "grams.nc", "-o", tmp_path / "r.nc")
    assert facts["left_out"] == ["6/linear"]
    assert "6/linear" not in open_result(tmp_path / "r.nc").data.op.values


def test_json_has_the_numbers_of_the_scores(made, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(made)
    words = ["compare", "rdms.nc", "brain.nc", "-o", tmp_path / "s.nc", "--bootstrap", "20"]
    facts = call_json(capsys, *words, "--splits", "4")
    scores = open_result(tmp_path / "s.nc").data
    best = nl.assign_regions(scores)
    for row in facts["regions"]:
        one = best.sel(region=row["region"])
        assert row["best_op"] == one.best_op.item()
        assert row["heldout_mean"] == one.heldout_mean.item()
        assert row["ceiling_lower"] == scores.ceiling_lower.sel(region=row["region"]).item()
    without = call_json(capsys, *words, "--splits", "0", "--overwrite")
    largest = without["regions"][0]
    region = open_result(tmp_path / "s.nc").data.score_mean.sel(region=largest["region"])
    assert largest["best_op"] == str(region.idxmax("op").item())
    assert "heldout_mean" not in largest


def test_controls_are_named_and_shown(made, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(made)
    out, _ = call(
        capsys, "compare", "rdms.nc", "brain.nc", "--control", "rdms4.nc", "-o",
        tmp_path / "s.nc", "--bootstrap", "20", "--splits", "4",
    )  # fmt: skip
    assert "Control: held-out score of 'my_model.py:build'" in " ".join(out.split())
    _, err = call(
        capsys, "compare", "rdms.nc", "brain.nc", "--control", "rdms4.nc", "--control",
        "rdms.nc", "-o", tmp_path / "t.nc", status=1,
    )  # fmt: skip
    assert "two controls have the label 'my_model.py:build'" in err
    assert list_files(tmp_path) == {"s.nc"}


def test_a_report_says_what_it_lacks(made, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(made)
    whole = call_json(capsys, "report", "scores.nc", "-o", tmp_path / "a.html")
    assert whole["left_out"] == []
    assert whole["controls"] == ["seed 4"]
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("scores.nc", "my_model.py"):
        (moved / name).write_bytes((made / name).read_bytes())
    monkeypatch.chdir(moved)
    out, _ = call(
        capsys, "report", "scores.nc", "-o", tmp_path / "b.html", "--input-shape", "1", status=2
    )
    out, _ = call(capsys, "report", "scores.nc", "-o", tmp_path / "b.html")
    for what in ("the stimuli", "the brain data", "the model's RDMs"):
        assert f"Left out: {what}" in out


def test_changed_rdms_are_not_shown(made, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(made)
    for name in ("rdms.nc", "responses.nc"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    scores = tmp_path / "s.nc"
    call(capsys, "compare", tmp_path / "rdms.nc", "responses.nc", "-o", scores, "--bootstrap", "0")
    call(capsys, "rdms", "grams4.nc", "-o", tmp_path / "rdms.nc", "--overwrite")
    facts = call_json(capsys, "report", scores, "-o", tmp_path / "a.html")
    [sentence] = facts["left_out"]
    assert "has changed since the scores were made" in sentence


def test_scores_of_other_weights_are_refused(made, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(made)
    model = ["--model", "my_model.py:build", *SIZE, "--seed", "5"]
    _, err = call(capsys, "report", "scores.nc", *model, "-o", tmp_path / "a.html", status=1)
    assert "was made with other weights" in err
    assert list_files(tmp_path) == set()


def test_reports_of_encoding_models_are_written(made, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(made)
    facts = call_json(capsys, "report", "encoding.nc", "-o", tmp_path / "a.html", "--no-stimuli")
    assert facts["left_out"] == []
    assert (tmp_path / "a.html").stat().st_size > 10_000


def test_a_finished_store_is_read_again_and_other_settings_refused(
    made, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(made)
    network = ["my_model.py:build", "images", *SIZE, "-o", tmp_path / "acts.zarr"]
    call(capsys, "extract", *network, "--ops", "*relu*", "--reducer", "mean")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    facts = call_json(capsys, "extract", *network, "--ops", "*relu*", "--reducer", "mean")
    assert facts["ops"] == ["1/relu", "3/relu"]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    _, err = call(capsys, "extract", *network, "--ops", "*relu*", status=1)
    assert "reducer" in err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_rdms_of_other_weights_are_not_shown_beside_scores(made, monkeypatch, capsys):
    from neurolens.cli.app import main

    monkeypatch.chdir(made)
    words = ["report", "scores.nc", "--rdms", "rdms4.nc", "-o", "other.html"]
    assert main(words) == 1
    assert "holds RDMs of another network, or of other weights" in capsys.readouterr().err
    assert not (made / "other.html").exists()
