"""The package as its users get it: importing is harmless, the wheel is complete, the README runs."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

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
    done = subprocess.run([sys.executable, "-W", "error", "-c", IMPORTING], capture_output=True, text=True, check=False)
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
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    trained = 'resnet18(weights="IMAGENET1K_V1")'
    assert trained in code
    monkeypatch.chdir(tmp_path)
    # Trained weights would be fetched; a small random network walks the same path.
    exec(compile(code.replace(trained, "alexnet(weights=None)"), "README.md", "exec"), {})
    assert (tmp_path / "report.html").stat().st_size > 10_000
