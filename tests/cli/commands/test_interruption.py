"""Ctrl-C, and a reader that goes away, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from commands import SIZE, call, list_files, make_workspace

from neurolens.extract import open_activations

# A shell that starts tests in the background has SIGINT ignored, here too if nothing is done.
MAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from neurolens.cli.app import main
sys.exit(main())
"""
# A network that takes its time and tells when it runs.
SLOW = """
import os, time
from torch import nn
import my_model

class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = my_model.build()

    def forward(self, x):
        if os.environ.get("SLOWLY"):
            with open(os.environ["SLOWLY"], "a") as file:
                file.write("pass\\n")
            time.sleep(0.3)
        return self.inner(x)

def build():
    return Slow()
"""
TIMEOUT = 240

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    make_workspace(folder)
    (folder / "slow.py").write_text(SLOW)
    return folder


def start(folder, *words, **settings):
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def interrupt(folder, log, begun, *words):
    """Send SIGINT to a command two passes after it has ``begun``; return status and errors."""
    deadline = time.monotonic() + TIMEOUT
    first = None
    with start(folder, *words, env={**os.environ, "SLOWLY": str(log)}) as process:
        while first is None or count_passes(log) < first + 2:
            if first is None and begun():
                first = count_passes(log)
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT)
    return process.returncode, errors


def count_passes(log):
    return log.read_text().count("pass") if log.exists() else 0


def test_an_interrupted_store_is_continued(workspace, tmp_path, monkeypatch, capsys):
    words = ["extract", "slow.py:build", "images", *SIZE, "--batch-size", "2", "-o"]
    status, errors = interrupt(
        workspace, tmp_path / "log", (workspace / "acts.zarr").exists, *words, "acts.zarr"
    )
    assert status == 130
    assert "interrupted; nothing was left half-written" in errors
    assert "Traceback" not in errors
    monkeypatch.chdir(workspace)
    _, err = call(capsys, "rdms", "acts.zarr", "-o", "rdms.nc", status=1)
    assert "is not complete" in err
    call(capsys, *words, "acts.zarr")
    call(capsys, *words, "whole.zarr")
    first = open_activations(workspace / "acts.zarr")
    second = open_activations(workspace / "whole.zarr")
    for name in second.attrs["ops"]:
        assert np.array_equal(first[name]["activation"], second[name]["activation"]), name


def test_an_interrupted_file_is_not_there(workspace, tmp_path):
    before = list_files(workspace)
    words = ["grams", "slow.py:build", "images", *SIZE, "--batch-size", "2", "-o", "grams.nc"]
    log = tmp_path / "log"
    status, errors = interrupt(workspace, log, lambda: count_passes(log) >= 5, *words)
    assert status == 130
    assert "Traceback" not in errors
    left = {one for one in list_files(workspace) if "__pycache__" not in one}
    assert left == before


def test_a_reader_that_goes_away_is_no_error(workspace):
    with start(workspace, "models", "--source", "torchvision") as process:
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 0
    assert errors == ""


def test_nothing_but_the_answer_where_there_is_no_terminal(workspace):
    process = start(workspace, "grams", "my_model.py:build", "images", *SIZE, "-o", "grams.nc")
    out, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert errors == ""
    assert out.startswith("grams.nc: Grams of 7 operations over 14 stimuli")


def test_terminals_of_few_letters_are_written_to(workspace):
    few = {**os.environ, "PYTHONIOENCODING": "ascii"}
    words = ["datasets", "describe", "haxby2001"]
    with start(workspace, *words, env=few) as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, errors
    with start(workspace, "models", "--json", "--source", "torchvision", env=few) as process:
        out, errors = process.communicate(timeout=TIMEOUT)
    assert json.loads(out)
    with start(workspace, "ops", "größe.py:build", env=few) as process:
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert "gr\\xf6\\xdfe.py" in errors
