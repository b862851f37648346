"""The main analysis from end to end, and every wrong way to call it."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import neurolens as nl
from neurolens.cli.app import main
from neurolens.cli.demo import analysis, run_demo
from neurolens.errors import DataError, InputError, UnknownNameError

MIRROR = os.environ.get("NEUROLENS_MIRROR")
WEIGHTS = Path(MIRROR or "") / "weights" / "squeezenet1_0.pth"


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return folder, run_demo(output=folder, offline=True, quiet=True)


@pytest.mark.slow
def test_the_offline_demo_writes_everything(planted):
    folder, _ = planted
    written = {p.name for p in folder.iterdir()}
    assert {"report.html", "graph.gv", "graph.svg", "profile.png", "scores.nc"} <= written
    assert "NOT REAL DATA" not in (folder / "graph.gv").read_text()
    report = (folder / "report.html").read_text()
    assert "noisy random readouts of known ops" in report
    assert "was never trained" in report
    scores = xr.load_dataset(folder / "scores.nc")
    assert list(scores.region.values) == ["V1", "V4", "IT"]


@pytest.mark.slow
def test_the_planted_op_is_found_or_one_that_cannot_be_told_from_it(planted):
    _, found = planted
    right = nl.load_dataset("planted").responses
    for region in found.best.region.values:
        op = str(right.planted_op.values[right.region.values == region][0])
        row = found.best.sel(region=region)
        chosen = str(row.best_op.item())
        same = np.allclose(found.rdms.sel(op=chosen), found.rdms.sel(op=op), atol=1e-6)
        assert chosen == op or same or bool(row.indistinguishable.sel(op=op)), (region, op, chosen)
        assert row.heldout_mean > 0.5


@pytest.mark.slow
def test_the_first_line_says_what_is_used_and_the_last_where_to_look(tmp_path, capsys):
    assert (
        main(["demo", "--offline", "--model", "alexnet", "--output", str(tmp_path), "--quiet"]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "neurolens demo: NOT REAL DATA. alexnet with random weights (seed 0)"
    )
    assert any(line.startswith("region") and "held-out" in line for line in lines)
    assert any("report.html" in line for line in lines[-5:])


@pytest.mark.slow
@pytest.mark.skipif(
    not (MIRROR and WEIGHTS.is_file()), reason="needs NEUROLENS_MIRROR with data and weights"
)
def test_trained_squeezenet_against_human_it_and_early_visual_cortex(tmp_path):
    found = run_demo(output=tmp_path, model="squeezenet1_0", weights=WEIGHTS, quiet=True)
    scores, control = found.scores, found.control
    assert scores.sizes["op"] == 66
    assert found.verdict.status == "verified"
    human_it = scores.score_mean.sel(region="IT").values
    third = len(human_it) // 3
    assert (
        human_it[:third].mean() < human_it[third : 2 * third].mean() < human_it[2 * third :].mean()
    )
    assert human_it.max() > 2 * float(control.score_mean.sel(region="IT").max())
    early = scores.score_mean.sel(region="EVA").values
    assert 0.25 < early.argmax() / len(early) < 0.75
    assert np.isnan(float(scores.ceiling_lower.sel(region="EVA")))


@pytest.mark.slow
def test_without_data_or_network_it_says_why_and_goes_on_planted(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NEUROLENS_MIRROR", str(tmp_path / "nothing"))
    run_demo(output=tmp_path / "out", model="alexnet")
    out, err = capsys.readouterr()
    assert err == ""  # progress is for terminals
    assert out.startswith("neurolens demo: NOT REAL DATA")
    assert "Why not real data" in out
    assert "lacks" in out


def test_addresses_in_its_notes_stay_whole(monkeypatch, tmp_path, capsys):
    address = "https://example.org/" + "long-" * 40 + "name.mat"
    setup = analysis.Setup(
        None, "m", "w", None, "headline", notes=(f"Not fetched: {address} (no)",)
    )

    def stop(*found):
        raise InputError("stopped")

    monkeypatch.setattr(analysis, "_prepare_setup", lambda *found: setup)
    monkeypatch.setattr(analysis, "_find_best_ops", stop)
    with pytest.raises(InputError, match="stopped"):
        run_demo(output=tmp_path)
    assert address in capsys.readouterr().out


def test_an_unwritable_folder_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot write into .*Pass another folder with --output"):
        run_demo(output=tmp_path / "file", offline=True)


def test_wrong_requests_end_with_a_sentence(tmp_path, capsys, monkeypatch):
    with pytest.raises(
        UnknownNameError, match="no torchvision classifier named 'resnet19'. Closest:.*'resnet1"
    ):
        run_demo(output=tmp_path, model="resnet19")
    with pytest.raises(DataError, match=r"no weights file 'none.pth'.* or --offline"):
        run_demo(output=tmp_path, weights="none.pth")
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="--weights needs real data"):
        run_demo(output=tmp_path, weights=tmp_path / "other.pth", offline=True)
    assert main(["demo", "--model", "resnet19", "--output", str(tmp_path)]) == 1
    assert "neurolens: no torchvision classifier named 'resnet19'" in capsys.readouterr().err

    def interrupt(**kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("neurolens.cli.demo.run_demo", interrupt)
    assert main(["demo"]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_weights_of_another_model_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(analysis, "load_dataset", lambda *names, **settings: None)
    torch.save({"a": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="other.pth is the state dict of another model than Squee"):
        run_demo(output=tmp_path, weights=tmp_path / "other.pth")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    with pytest.raises(DataError, match="junk.pth cannot be read as weights"):
        run_demo(output=tmp_path, weights=tmp_path / "junk.pth")


def test_datasets_are_listed_with_their_licences(capsys):
    assert main(["datasets"]) == 0
    out = capsys.readouterr().out
    assert "kriegeskorte2008" in out
    assert "licence" in out


def test_the_command_says_its_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"neurolens {nl.__version__}"
