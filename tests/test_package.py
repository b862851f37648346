"""The package as users get it: importing has no side effects, the wheel is complete."""

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from page_blocks import list_blocks

import neurolens

PACKAGE = Path(neurolens.__file__).parent
ROOT = PACKAGE.parent
MIRROR = os.environ.get("NEUROLENS_MIRROR")

# What `import neurolens` alone must not import: it would take seconds.
HEAVY = ("torch", "torchvision", "numpy", "xarray", "pandas", "scipy", "matplotlib", "click")
# What no name of the package needs before it is called.
LATE = ("matplotlib", "scipy.stats", "rsatoolbox", "requests", "zarr", "triton", "mne", "matio")

IMPORTING = f"""
import sys, warnings
import neurolens
found = set({HEAVY}) & set(sys.modules)
assert not found, found
assert "compare" in dir(neurolens) and "trace" in dir(neurolens)
# Tools that list a package's modules find the rooms before any has been used.
assert {{"brain", "compare", "extract", "report", "stimuli", "view"}} <= set(vars(neurolens))

import torch

def look():
    return (torch.get_num_threads(), torch.get_default_dtype(), torch.nn.functional.relu, torch.nn.Module.__call__,
            sys.excepthook, torch.initial_seed(), torch.backends.mha.get_fastpath_enabled())

before = look()
for package in (neurolens, *(getattr(neurolens, name) for name in dir(neurolens))):
    for name in getattr(package, "__all__", ()):
        getattr(package, name)
assert look() == before, (before, look())
found = set({LATE}) & set(sys.modules)
assert not found, found
"""
# A room whose names are used first, before anything else of the package.
ROOM_FIRST = """
import neurolens
room = neurolens.{room}
for name in getattr(room, "__all__", ()):
    getattr(room, name)
"""


def run_alone(code):
    """Run code in a new process, warnings being errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def test_importing_prints_nothing_and_changes_nothing():
    done = run_alone(IMPORTING)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="No neurolens attribute computed_rdms"):
        _ = neurolens.computed_rdms


@pytest.mark.slow
@pytest.mark.parametrize("room", [n for n in dir(neurolens) if (PACKAGE / n).is_dir()])
def test_each_room_may_be_the_first_that_is_used(room):
    done = run_alone(ROOM_FIRST.format(room=room))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_wheel_holds_the_package_its_template_and_the_recipes(tmp_path):
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "neurolens/_recipes/kriegeskorte2008/card.toml" in names
    assert "neurolens/_recipes/planted/prepare.py" in names
    assert "neurolens/_errors.md" in names
    assert "neurolens/view/page/assets/page.html" in names
    assert "neurolens/view/page/assets/layout/scene.js" in names
    assert "neurolens/view/layout/advances.json" in names
    assert "neurolens/py.typed" in names
    assert {"neurolens/__init__.pyi", "neurolens/compare/__init__.pyi"} <= names
    assert "neurolens/extract/capture/recorder.py" in names
    assert not [n for n in names if n.startswith(("tests", "datasets"))]


def test_the_wheel_is_neurolens_brain_and_names_what_it_imports(tmp_path):
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    assert Path(wheel).name.startswith("neurolens_brain-")
    archive = zipfile.ZipFile(wheel)
    [path] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
    headers = email.message_from_bytes(archive.read(path))
    assert headers["Name"] == "neurolens-brain"
    assert headers.get_all("Project-URL") is None
    required = {re.match(r"[\w-]+", line).group() for line in headers.get_all("Requires-Dist")}
    assert "neurolens" not in required
    assert {"pillow", "matplotlib", "torch"} <= required


def test_the_source_distribution_holds_docs_and_changes(tmp_path):
    [path] = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"CHANGELOG.md", "docs/conformance.md", "docs/images/real_data.png"} <= names
    assert {"datasets/planted/card.toml", "tests/test_package.py", "Makefile"} <= names
    assert {"CITATION.cff", "CONTRIBUTING.md", "mkdocs.yml", "docs/start.md"} <= names


def test_the_source_distribution_makes_the_same_wheel(tmp_path):
    [source] = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    roots = {"clone": ROOT, "unpacked": Path(source.removesuffix(".tar.gz"))}
    held = {}
    for name, root in roots.items():
        folder = str(tmp_path / name)
        [wheel] = WheelBuilder(str(root)).build(directory=folder, versions=["standard"])
        with zipfile.ZipFile(wheel) as archive:
            held[name] = {info.filename: info.CRC for info in archive.infolist()}
    assert held["clone"] == held["unpacked"]


def test_no_message_or_page_installs_a_package_of_another_project():
    texts = [*(ROOT / "neurolens").rglob("*.py"), *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    for path in texts:
        assert not re.search(r"pip install ['\"]?neurolens", path.read_text()), path


@pytest.mark.slow
@pytest.mark.skipif(not MIRROR, reason="needs NEUROLENS_MIRROR with the 92 photographs")
def test_the_readmes_ten_lines_run_on_the_92_photographs(tmp_path, monkeypatch):
    first = next(b for b in list_blocks(ROOT / "README.md") if b.language == "python")
    trained = 'resnet18(weights="IMAGENET1K_V1")'
    assert trained in first.code
    monkeypatch.chdir(tmp_path)
    # Trained weights would be fetched; a small random network runs the same code.
    code = first.code.replace(trained, "alexnet(weights=None)")
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "graph.svg").exists()
