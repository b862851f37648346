"""The package as its users get it: importing is harmless, the wheel is complete.

The README runs.
"""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torchvision
from hatchling.builders.wheel import WheelBuilder
from PIL import Image

import neurolens

ROOT = Path(neurolens.__file__).parents[1]
MIRROR = os.environ.get("NEUROLENS_MIRROR")

IMPORTING = """
import sys, warnings, numpy, torch

def look():
    return (torch.get_num_threads(), torch.get_default_dtype(), torch.nn.functional.relu, torch.nn.Module.__call__,
            sys.excepthook, torch.initial_seed(), torch.backends.mha.get_fastpath_enabled())

before = look()
import neurolens
assert look() == before, (before, look())
assert "matplotlib.pyplot" not in sys.modules
"""


def test_importing_prints_nothing_and_changes_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORTING],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_wheel_holds_the_package_its_template_and_the_recipes(tmp_path):
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "neurolens/_recipes/kriegeskorte2008/card.toml" in names
    assert "neurolens/_recipes/planted/prepare.py" in names
    assert "neurolens/view/assets/report.html" in names
    assert "neurolens/extract/recorder.py" in names
    assert not [n for n in names if n.startswith(("tests", "datasets"))]


@pytest.mark.slow
@pytest.mark.skipif(not MIRROR, reason="needs NEUROLENS_MIRROR with the 92 photographs")
def test_the_readmes_ten_lines_run(tmp_path, monkeypatch):
    code, _ = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    trained = 'resnet18(weights="IMAGENET1K_V1")'
    assert trained in code
    monkeypatch.chdir(tmp_path)
    # Trained weights would be fetched; a small random network walks the same path.
    exec(compile(code.replace(trained, "alexnet(weights=None)"), "README.md", "exec"), {})
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_the_readmes_lines_on_whole_sets_run(tmp_path, monkeypatch, rng):
    _, code = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for name in "abc":
        pixels = rng.integers(0, 255, (60, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{name}.png")
    names = {"nl": neurolens, "model": torchvision.models.resnet18(weights=None)}
    exec(compile(code, "README.md", "exec"), names)
    assert names["acts"]["layer4.1.relu/relu@2"]["activation"].dims == ("stimulus", "channel")
    assert names["grams"].sizes["op"] == 69
