"""Recipes: found, fetched with sha256, checked against their cards."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pooch
import pytest
import scipy.io
import xarray as xr

import neurolens as nl
from neurolens.errors import DataError, InputError, UnknownNameError

MIRROR = os.environ.get("NEUROLENS_MIRROR")
needs_mirror = pytest.mark.skipif(
    not (MIRROR and (Path(MIRROR) / "kriegeskorte2008").is_dir()),
    reason="the real files are not here: set NEUROLENS_MIRROR to a folder that has kriegeskorte2008/",
)


@pytest.mark.parametrize("key", nl.list_datasets())
def test_every_card_says_what_users_must_know(key):
    card = nl.describe_dataset(key)
    assert card["key"] == key
    for field in ("title", "description", "citation", "licence", "terms", "species", "holds"):
        assert card[field], field
    for entry in card["files"]:
        assert len(entry["sha256"]) == 64
        assert card["base_url"].startswith("https://")


def test_an_unknown_key_lists_the_closest():
    with pytest.raises(
        UnknownNameError, match="no data set named 'kriegeskorte'. Closest: 'kriegeskorte2008'"
    ):
        nl.load_dataset("kriegeskorte")


@needs_mirror
def test_kriegeskorte2008_is_the_published_data():
    brain = nl.load_dataset("kriegeskorte2008")
    assert len(brain.stimuli) == 92
    assert list(brain.stimuli.metadata.category.value_counts(sort=False)) == [
        12,
        12,
        12,
        12,
        23,
        21,
    ]
    assert brain.regions == ["IT", "EVA", "monkey IT", "behaviour"]
    present = brain.rdms.isel(stimulus=0, stimulus_2=1).notnull().sum("subject")
    assert dict(zip(brain.regions, present.values.tolist(), strict=True)) == {
        "IT": 4,
        "EVA": 1,
        "monkey IT": 1,
        "behaviour": 16,
    }
    assert list(brain.rdms.subject.values[:4]) == ["BE", "KO", "SN", "TI"]
    # The mean over subjects is the matrix of the paper's figure 1, an independent file.
    content = scipy.io.loadmat(
        Path(MIRROR) / "kriegeskorte2008/Kriegeskorte_Neuron2008_supplementalData.mat",
        simplify_cells=True,
    )
    published = content["RDMs_mIT_hIT_fig1"][1]["RDM"]
    mean = brain.rdms.sel(region="IT").mean("subject").values[np.triu_indices(92, 1)]
    np.testing.assert_allclose(mean, published, atol=2e-7)
    # Flags of the published file agree with the groups, which were assigned by position.
    table = brain.stimuli.metadata
    assert (table.face == table.category.isin(["human face", "non-human face"])).all()
    assert (table.set_artiObj == (table.category == "artificial object")).all()


@needs_mirror
def test_the_human_it_ceiling_is_the_known_one():
    rdms = nl.load_dataset("kriegeskorte2008").rdms
    ceilings = nl.compare.compute_rdm_ceilings(rdms, comparator="spearman")
    assert 0.35 < ceilings.ceiling_lower.sel(region="IT") < 0.40
    assert 0.63 < ceilings.ceiling_upper.sel(region="IT") < 0.70
    assert ceilings.ceiling_lower.sel(region="EVA").isnull()


def test_a_mirror_that_lacks_files_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROLENS_MIRROR", str(tmp_path))
    with pytest.raises(
        DataError, match=r"lacks 'Kriegeskorte_Neuron2008_supplementalData.mat'.*Put the files into"
    ):
        nl.load_dataset("kriegeskorte2008")


def test_a_wrong_file_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "kriegeskorte2008"
    folder.mkdir()
    for entry in nl.describe_dataset("kriegeskorte2008")["files"]:
        (folder / entry["name"]).write_bytes(b"something else")
    monkeypatch.setenv("NEUROLENS_MIRROR", str(tmp_path))
    found = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(
        DataError, match=rf"sha256 {found}, expected 06f21214.*Delete it and load again"
    ):
        nl.load_dataset("kriegeskorte2008")


def test_what_cannot_be_fetched_is_explained(tmp_path, monkeypatch):
    monkeypatch.delenv("NEUROLENS_MIRROR", raising=False)

    def refuse(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    with pytest.raises(
        DataError, match=r"could not be fetched from https://.*no route to host.*put the file into"
    ):
        nl.load_dataset("kriegeskorte2008", cache=tmp_path)


def test_fetched_files_are_kept_and_not_fetched_again(tmp_path, monkeypatch):
    fetched = []

    def fetch(url, known_hash, fname, path, downloader):
        fetched.append(url)
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).write_bytes(b"x")

    monkeypatch.delenv("NEUROLENS_MIRROR", raising=False)
    monkeypatch.setattr(pooch, "retrieve", fetch)
    for _ in range(2):
        with pytest.raises(DataError, match="is not the file the recipe names"):
            nl.load_dataset("kriegeskorte2008", cache=tmp_path, quiet=True)
    assert len(fetched) == len(nl.describe_dataset("kriegeskorte2008")["files"])


def test_the_planted_brain_is_made_from_its_seed():
    options = {"model": "alexnet", "n_per_category": 2, "n_voxels": 4, "n_subjects": 2}
    a, b = (nl.load_dataset("planted", seed=3, **options) for _ in range(2))
    np.testing.assert_array_equal(a.responses, b.responses)
    assert a.stimuli.hash_content() == b.stimuli.hash_content()
    other = nl.load_dataset("planted", seed=4, **options)
    assert not np.array_equal(a.responses, other.responses)
    assert a.responses.sizes == {"presentation": 24, "neuroid": 24}
    assert set(a.responses.subject.values) == {"sub-01", "sub-02"}


def test_an_unknown_option_says_where_they_are_listed():
    with pytest.raises(
        InputError, match=r"unexpected keyword argument 'voxels'.*datasets/planted/prepare.py"
    ):
        nl.load_dataset("planted", voxels=3)


def has_mirror(key):
    return pytest.mark.skipif(
        not (MIRROR and (Path(MIRROR) / key).is_dir()),
        reason=f"the real files are not here: set NEUROLENS_MIRROR to a folder that has {key}/",
    )


@has_mirror("haxby2001_slice")
def test_haxby2001_slice_has_a_block_of_each_category_per_run():
    responses = nl.load_dataset("haxby2001_slice").responses
    assert dict(responses.sizes) == {"presentation": 96, "neuroid": 530}
    cells = list(zip(responses.stimulus_id.values, responses.run.values, strict=True))
    assert len(set(cells)) == 96
    assert set(responses.run.values) == set(range(12))
    assert abs(float(responses.mean())) < 1
    steps = np.diff(np.unique(responses.voxel_x)), np.diff(np.unique(responses.voxel_y))
    np.testing.assert_allclose([step.min() for step in steps], [3.1, 3.75], atol=1e-5)


@has_mirror("haxby2001_slice")
def test_categories_of_haxby2001_slice_differ():
    """Crossnobis is 0 on average without a difference, as with shuffled labels.

    With the real labels it is not.
    """
    responses = nl.load_dataset("haxby2001_slice").responses
    pairs = np.triu_indices(8, 1)
    options = {"metric": "crossnobis", "runs": "run"}
    rdm = nl.compute_rdms(responses, **options)
    assert rdm.values[0, 0][pairs].min() > 0
    rng = np.random.default_rng(0)
    shuffled = responses.copy(deep=True)
    for run in range(12):
        here = np.flatnonzero(responses.run.values == run)
        shuffled["stimulus_id"].values[here] = responses.stimulus_id.values[rng.permutation(here)]
    by_chance = nl.compute_rdms(shuffled, **options).values[0, 0][pairs]
    assert abs(by_chance.mean()) < 0.2 * rdm.values[0, 0][pairs].mean()


@has_mirror("miyawaki2008_figures")
def test_miyawaki2008_figures_are_twenty_and_drive_early_visual_cortex():
    brain = nl.load_dataset("miyawaki2008_figures")
    responses = brain.responses
    assert dict(responses.sizes) == {"presentation": 119, "neuroid": 967}
    repeats = np.unique(responses.stimulus_id, return_counts=True)[1]
    assert (repeats.min(), repeats.max()) == (4, 8)
    assert set(responses.stimulus_id.values) == set(brain.stimuli.ids)
    rdms = nl.compute_rdms(responses, metric="crossnobis", runs="repetition")
    pixels = np.stack(
        [np.asarray(brain.stimuli[i], dtype=float).ravel() for i in rdms.stimulus.values]
    )
    model = xr.DataArray(
        pixels, dims=("stimulus", "pixel"), coords={"stimulus": rdms.stimulus.values}
    )
    scores = nl.compare_rdms(
        nl.compute_rdms(model, metric="euclidean"), rdms, n_bootstrap=0, n_splits=0
    )
    assert scores.score.item() > 0.3
