"""The package as users get it: importing has no side effects, the wheel is complete.

The code of the README runs.
"""

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torchvision
from hatchling.builders.sdist import SdistBuilder
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
late = {"matplotlib", "scipy.stats", "rsatoolbox", "requests", "zarr", "triton", "mne", "matio"} & set(sys.modules)
assert not late, late
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
    assert "neurolens/view/page/assets/page.html" in names
    assert "neurolens/view/page/assets/layout/scene.js" in names
    assert "neurolens/view/layout/advances.json" in names
    assert "neurolens/py.typed" in names
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


def test_no_message_or_page_installs_a_package_of_another_project():
    texts = [*(ROOT / "neurolens").rglob("*.py"), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    for path in texts:
        assert not re.search(r"pip install ['\"]?neurolens", path.read_text()), path


def list_blocks():
    """Return the blocks of Python in the README: ten lines, own files, whole sets, drawing."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    return blocks


@pytest.mark.slow
@pytest.mark.skipif(not MIRROR, reason="needs NEUROLENS_MIRROR with the 92 photographs")
def test_the_readmes_ten_lines_run(tmp_path, monkeypatch):
    code, _, _, drawing = list_blocks()
    trained = 'resnet18(weights="IMAGENET1K_V1")'
    assert trained in code
    monkeypatch.chdir(tmp_path)
    # Trained weights would be fetched; a small random network runs the same code.
    names = {}
    exec(compile(code.replace(trained, "alexnet(weights=None)"), "README.md", "exec"), names)
    assert (tmp_path / "report.html").stat().st_size > 10_000
    module = 'unfold="layer3.1"'
    assert module in drawing
    exec(compile(drawing.replace(module, 'unfold="features"'), "README.md", "exec"), names)
    assert (tmp_path / "it.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "stages.svg").exists()


@pytest.mark.slow
def test_the_readmes_lines_on_whole_sets_run(tmp_path, monkeypatch, rng):
    _, _, code, _ = list_blocks()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for name in "abc":
        pixels = rng.integers(0, 255, (60, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"images/{name}.png")
    names = {"nl": neurolens, "model": torchvision.models.resnet18(weights=None)}
    exec(compile(code, "README.md", "exec"), names)
    assert names["acts"]["layer4.1.relu/relu@2"]["activation"].dims == ("stimulus", "channel")
    assert names["grams"].sizes["op"] == 69


def write_subject(folder, rng):
    """Write 15 pictures, betas of two runs with tables of events, and an atlas of two regions."""
    nibabel = pytest.importorskip("nibabel", reason="needs the extra 'brain'")
    names = [f"picture{k:02d}" for k in range(15)]
    (folder / "pictures").mkdir()
    for name in names:
        pixels = rng.integers(0, 255, (60, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"pictures/{name}.png")
    atlas = np.arange(24, dtype=np.int16).reshape(2, 3, 4) % 3
    nibabel.save(nibabel.Nifti1Image(atlas, np.eye(4)), folder / "atlas.nii.gz")
    (folder / "atlas.tsv").write_text("index\tname\n1\tV1\n2\tIT\n")
    signal = rng.standard_normal((2, 3, 4, 15))
    for run in (1, 2):
        order = rng.permutation(15)
        betas = signal[..., order] + rng.standard_normal(signal.shape)
        image = nibabel.Nifti1Image(betas.astype(np.float32), np.eye(4))
        nibabel.save(image, folder / f"run-{run}_betas.nii.gz")
        lines = ["trial_type", *[names[k] for k in order]]
        (folder / f"run-{run}_events.tsv").write_text("\n".join(lines) + "\n")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the best penalty ends the grid")  # noise has no best penalty
def test_the_readmes_lines_on_own_files_run(tmp_path, monkeypatch, rng):
    _, code, _, _ = list_blocks()
    assert len(code.strip().splitlines()) == 9
    trained = 'load_model("torchvision/resnet18")'
    assert trained in code
    monkeypatch.chdir(tmp_path)
    write_subject(tmp_path, rng)
    names = {
        "nl": neurolens,
        "betas": sorted(tmp_path.glob("*_betas.nii.gz")),
        "tables": sorted(tmp_path.glob("*_events.tsv")),
    }
    # Trained weights would be fetched; a small random network runs the same code.
    small = 'load_model("torchvision/alexnet", weights=None)'
    exec(compile(code.replace(trained, small), "README.md", "exec"), names)
    assert names["scores"].score.sizes == {"op": 22, "region": 2, "subject": 1}
    again = neurolens.brain.read_map("r.nii.gz", like=names["responses"])
    assert again.op.values.tolist() == names["fit"].op.values.tolist()
    assert "V1" in (tmp_path / "graph.svg").read_text()
