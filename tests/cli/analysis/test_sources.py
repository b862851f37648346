"""Sources of data of a user's own: images with an atlas, arrays with time bins, other stimuli."""

import sys

import nibabel
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from analyses import ENCODING, IDS, RSA, write_analysis
from PIL import Image

from neurolens.cli.analysis.running import run_analysis
from neurolens.cli.parameters.networks import NetworkChoice, load_network
from neurolens.errors import DataError, UnknownNameError

IMAGES = """\
[model]
file = "my_model.py"

[stimuli]
source = "pictures/"
preprocessing = "default"

[brain]
responses = ["sub-01_run-1_betas.nii.gz", "sub-01_run-2_betas.nii.gz"]
events = ["sub-01_run-1_events.tsv", "sub-01_run-2_events.tsv"]
atlas = "atlas.nii.gz"
labels = "atlas.tsv"
regions = ["IT"]

[extract]
ops = ["0", "1"]

[compare]
brain_metric = "crossnobis"
runs = "run"
noise = "identity"
n_bootstrap = 10
n_splits = 2

[report]
page = false
graph = false
profile = false
"""
MODEL = '''\
import torch


def make_model():
    """Return a network for pictures."""
    return torch.nn.Sequential(torch.nn.AvgPool2d(56), torch.nn.Flatten())
'''


def write_images(folder, rng):
    """Write pictures, images of two runs, their events, and an atlas of two regions."""
    (folder / "pictures").mkdir()
    for name in IDS:
        pixels = rng.integers(0, 255, size=(40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / f"{name}.png")
    shape = (4, 3, 2)
    atlas = np.zeros(shape, dtype=np.int16)
    atlas[:2] = 1
    atlas[2:] = 2
    nibabel.save(nibabel.Nifti1Image(atlas, np.eye(4)), folder / "atlas.nii.gz")
    labels = pd.DataFrame({"index": [1, 2], "name": ["V1", "IT"]})
    labels.to_csv(folder / "atlas.tsv", sep="\t", index=False)
    for run in (1, 2):
        betas = rng.normal(size=(*shape, len(IDS))).astype(np.float32)
        name = f"sub-01_run-{run}"
        nibabel.save(nibabel.Nifti1Image(betas, np.eye(4)), folder / f"{name}_betas.nii.gz")
        shown = pd.DataFrame({"stimulus_id": IDS})
        shown.to_csv(folder / f"{name}_events.tsv", sep="\t", index=False)


@pytest.fixture
def images(tmp_path, rng):
    """Return the path of an analysis of images."""
    path = write_analysis(tmp_path, IMAGES)
    write_images(tmp_path, rng)
    (tmp_path / "my_model.py").write_text(MODEL)
    return path


def test_images_with_an_atlas_and_runs(images):
    path = images
    path.write_text(IMAGES.replace('ops = ["0", "1"]', 'ops = "all"'))
    result = run_analysis(path, quiet=True)
    assert result.scores.region.values.tolist() == ["IT"]
    assert result.scores.subject.values.tolist() == ["01"]
    assert result.lock["inputs"]["brain"]["size"] == {"presentation": 24, "neuroid": 12}
    names = set(result.lock["inputs"]["files"])
    assert "brain.responses: sub-01_run-2_betas.nii.gz" in names
    assert "brain.labels: atlas.tsv" in names


def test_pictures_for_an_own_model_without_preprocessing_are_told(images):
    images.write_text(IMAGES.replace('preprocessing = "default"', ""))
    with pytest.warns(RuntimeWarning, match="source of Sequential does not say how pictures"):
        result = run_analysis(images, quiet=True)
    assert result.scores.sizes["op"] == 2


DRAWN = """\
import widths_beside
import torch


def make_model():
    import widths_beside

    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, widths_beside.WIDTH))
"""


def test_an_own_model_draws_from_the_seed_and_imports_what_lies_beside(tmp_path):
    path = write_analysis(tmp_path)
    (tmp_path / "my_model.py").write_text(DRAWN)
    (tmp_path / "widths_beside.py").write_text("WIDTH = 6")
    searched = list(sys.path)
    first = run_analysis(path, quiet=True)
    assert run_analysis(path, quiet=True).reproduced
    other = run_analysis(path, overrides=["analysis.seed=1"], overwrite=True, quiet=True)
    assert not other.reproduced
    assert sys.path == searched
    chosen = NetworkChoice(f"{tmp_path / 'my_model.py'}:make_model")
    named = first.lock["inputs"]["model"]["sha256 of the state dict"]
    assert load_network(chosen).identity.sha256 == named


def test_operations_that_are_left_out_are_in_the_scores(tmp_path):
    path = write_analysis(tmp_path)
    text = "import torch\n\n\nclass make_model(torch.nn.Module):\n    def forward(self, x):\n"
    text += "        flat = x.flatten(1)\n        single = flat.sum(1)\n"
    text += "        return flat - flat.mean(0), single\n"
    (tmp_path / "my_model.py").write_text(text)
    left_out = run_analysis(path, quiet=True).scores.attrs["left_out"]
    assert [one.partition(":")[0] for one in left_out] == ["/mean", "/sub", "/sum"]


def test_regions_that_the_atlas_lacks_are_told_before_anything_is_computed(images):
    with pytest.raises(UnknownNameError, match="no region in the data named 'V7'.*'V1', 'IT'"):
        run_analysis(images, overrides=['brain.regions=["IT", "V7"]'], quiet=True)
    assert not (images.parent / "results").exists()


def test_damaged_files_are_told_by_name(images):
    (images.parent / "sub-01_run-2_betas.nii.gz").write_bytes(b"junk")
    with pytest.raises(DataError, match="sub-01_run-2_betas.nii.gz"):
        run_analysis(images, quiet=True)


def test_stimuli_that_both_have_are_compared_where_asked(tmp_path):
    text = RSA.replace('region_names = "V1"', 'region_names = "V1"\njoin = "inner"')
    path = write_analysis(tmp_path, text)
    table = pd.read_csv(tmp_path / "rdm.csv", index_col=0)
    table.iloc[:8, :8].to_csv(tmp_path / "rdm.csv")
    with pytest.warns(RuntimeWarning, match="4 of 12 left out of stimuli"):
        result = run_analysis(path, quiet=True)
    assert result.scores.attrs["n_stimuli"] == 8


@pytest.mark.parametrize("method", ["rsa", "encoding"])
def test_time_bins_are_scored_one_by_one_and_nothing_is_chosen(tmp_path, rng, method):
    brain = 'responses = "meg.npy"\nevents = "shown.tsv"\n'
    brain += 'dims = ["stimulus", "neuroid", "time_bin"]'
    text = ENCODING.replace('responses = "responses.npy"\nevents = "events.tsv"', brain)
    text = text.replace("profile = false", "profile = true").replace("ceiling = true", "")
    text = text.replace("page = false", "page = true").replace("graph = false", "graph = true")
    if method == "rsa":
        text = text.replace('method = "encoding"\ncv = 2', "")
    path = write_analysis(tmp_path, text)
    np.save(tmp_path / "meg.npy", rng.normal(size=(len(IDS), 5, 3)))
    shown = pd.DataFrame({"stimulus_id": [f"stim{number:03d}" for number in range(len(IDS))]})
    shown.to_csv(tmp_path / "shown.tsv", sep="\t", index=False)
    result = run_analysis(path, quiet=True)
    assert result.scores.sizes["time_bin"] == 3
    assert result.best is None
    written = {file.name for file in (tmp_path / "results").iterdir()}
    assert {"scores.nc", "profile.png", "report.html"} <= written
    assert not {"best_ops.csv", "graph.svg"} & written
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "results" / "scores.nc"), result.scores)
