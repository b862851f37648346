"""Haxby et al. (2001), six subjects, in the published layout: fetched as archives, or a copy."""

import hashlib
import io
import re
import shutil
import tarfile

import nibabel
import numpy as np
import pytest
from web import Site, serve_site

import neurolens as nl
from neurolens.datasets import cards
from neurolens.errors import DataError, InputError

CATEGORIES = ["face", "house", "cat", "chair", "shoe", "scissors", "bottle", "scrambledpix"]
MASKS = {
    "mask4_vt": "VT",
    "mask8b_face_vt": "VT-faces",
    "mask8b_house_vt": "VT-houses",
    "mask8_face_vt": "VT-faces-small",
    "mask8_house_vt": "VT-houses-small",
}
SHAPE = (6, 7, 5)
AFFINE = np.array([[-3.5, 0, 0, 68], [0, 3.75, 0, -118], [0, 0, 3.75, -118], [0, 0, 0, 1.0]])


def write_subject(folder, rng, n_runs=3):
    """Write a subject, and return the labels, runs and series (time, x, y, z), and its masks."""
    folder.mkdir(parents=True)
    labels = []
    for _ in range(n_runs):
        labels += ["rest"] * 3
        for name in rng.permutation(CATEGORIES):
            labels += [name] * 3 + ["rest"] * 3
    runs = np.repeat(np.arange(n_runs), len(labels) // n_runs)
    lines = ["labels chunks", *(f"{a} {b}" for a, b in zip(labels, runs, strict=True))]
    (folder / "labels.txt").write_text("\n".join(lines) + "\n")
    series = rng.integers(400, 1500, (len(labels), *SHAPE)).astype(np.int16)
    image = nibabel.Nifti1Image(series.transpose(1, 2, 3, 0), AFFINE)
    nibabel.save(image, folder / "bold.nii.gz")
    masks = {"mask4_vt": rng.random(SHAPE) < 0.3}
    for name in list(MASKS)[1:]:
        masks[name] = masks["mask4_vt"] & (rng.random(SHAPE) < 0.5)
    for name, mask in masks.items():
        nibabel.save(nibabel.Nifti1Image(mask.astype(np.int16), AFFINE), folder / f"{name}.nii.gz")
    return np.array(labels), runs, series, masks


@pytest.fixture
def copy(tmp_path, rng):
    subjects = {
        name: write_subject(tmp_path / "haxby2001" / name, rng) for name in ("subj1", "subj3")
    }
    return tmp_path / "haxby2001", subjects


def check_block(responses, subject, truth, run, name):
    labels, runs, series, masks = truth
    here = np.flatnonzero(runs == run)
    values = series[here][:, masks["mask4_vt"]].astype(float)
    time = np.arange(len(here))
    slope = np.polyfit(time, values, 1)[0]
    flat = values - np.outer(time - time.mean(), slope)
    late = np.flatnonzero(labels[here] == name) + 2
    expected = 100 * (flat[late].mean(axis=0) / flat[labels[here] == "rest"].mean(axis=0) - 1)
    row = (responses.stimulus_id == name) & (responses.run == run)
    found = responses.values[row.values][:, (responses.subject == subject).values][0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_blocks_of_each_subject_are_the_mean_change_from_rest(copy):
    folder, subjects = copy
    data = nl.load_dataset("haxby2001", folder=folder)
    responses = data.responses
    assert list(dict.fromkeys(responses.subject.values)) == ["subj1", "subj3"]
    assert data.regions == ["VT"]
    assert responses.sizes["presentation"] == 3 * 8
    cells = set(zip(responses.stimulus_id.values, responses.run.values.tolist(), strict=True))
    assert cells == {(name, run) for name in CATEGORIES for run in range(3)}
    for subject, truth in subjects.items():
        for run, name in ((0, "face"), (2, "scrambledpix")):
            check_block(responses, subject, truth, run, name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_voxels_are_in_the_order_of_nilearns_masker(copy):
    from nilearn.maskers import NiftiMasker

    folder, _ = copy
    responses = nl.load_dataset("haxby2001", folder=folder, subjects="subj1").responses
    masker = NiftiMasker(folder / "subj1/mask4_vt.nii.gz", standardize=False)
    numbers = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    masked = masker.fit_transform(nibabel.Nifti1Image(numbers, AFFINE)).ravel()
    index = tuple(responses[f"index_{axis}"].values for axis in "ijk")
    np.testing.assert_array_equal(numbers[index], masked)


def test_regions_overlap(copy):
    folder, subjects = copy
    data = nl.load_dataset(
        "haxby2001", folder=folder, subjects="subj3", regions=list(MASKS.values())
    )
    masks = subjects["subj3"][3]
    index = tuple(data.responses[f"index_{axis}"].values for axis in "ijk")
    for name, region in MASKS.items():
        np.testing.assert_array_equal(data.responses[f"region_{region}"], masks[name][index])


def test_only_the_subjects_asked_for_are_read(copy):
    folder, _ = copy
    one = nl.load_dataset("haxby2001", folder=folder, subjects="subj1")
    both = nl.load_dataset("haxby2001", folder=folder)
    assert one.bytes_read < 0.7 * both.bytes_read
    sizes = [
        (folder / "subj1" / n).stat().st_size
        for n in ("bold.nii.gz", "labels.txt", "mask4_vt.nii.gz")
    ]
    assert one.bytes_read == sum(sizes)


def test_archives_are_fetched_as_the_card_says(copy, tmp_path, monkeypatch):
    """The card's own entries, with the server and checksums of the test."""
    folder, _ = copy
    for name in ("NEUROLENS_MIRROR", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.add(folder / "subj3", "subj3")
    content = stream.getvalue()
    recipes = tmp_path / "recipes"
    shutil.copytree(cards.find_recipes() / "haxby2001", recipes / "haxby2001")
    with serve_site(Site({"subj3-2010.01.14.tar.gz": content})) as site:
        path = recipes / "haxby2001" / "card.toml"
        text = path.read_text()
        text = re.sub(r'base_url = ".*"', f'base_url = "{site.url}"', text)
        digest = hashlib.md5(content).hexdigest()
        text = text.replace("fa6e21e52d161f108e5b45f9b6571d76", digest)
        path.write_text(text)
        monkeypatch.setattr(cards, "find_recipes", lambda: recipes)
        options = {"subjects": "subj3", "cache": tmp_path / "cache", "quiet": True}
        found = nl.load_dataset("haxby2001", **options).responses
        nl.load_dataset("haxby2001", **options)
        assert len(site.ranges) == 1
    expected = nl.load_dataset("haxby2001", folder=folder, subjects="subj3").responses
    np.testing.assert_array_equal(found.values, expected.values)
    kept = {p.name for p in (tmp_path / "cache/haxby2001/subj3").iterdir()}
    assert kept == {p.name for p in (folder / "subj3").iterdir()}


def test_a_run_without_labels_is_left_out(copy):
    """As run 8 of subj5."""
    folder, _ = copy
    path = folder / "subj1/labels.txt"
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([lines[0], *(re.sub(r"^\w+ 1$", "rest 1", line) for line in lines[1:])])
    )
    with pytest.warns(RuntimeWarning, match="the runs 1 show nothing but rest"):
        responses = nl.load_dataset("haxby2001", folder=folder, subjects="subj1").responses
    assert set(responses.run.values) == {0, 2}


def test_voxels_without_signal_are_left_out(copy):
    folder, subjects = copy
    _, _, series, masks = subjects["subj1"]
    series = series.copy()
    place = tuple(np.argwhere(masks["mask4_vt"])[4])
    series[(slice(None), *place)] = 0
    image = nibabel.Nifti1Image(series.transpose(1, 2, 3, 0), AFFINE)
    nibabel.save(image, folder / "subj1/bold.nii.gz")
    with pytest.warns(RuntimeWarning, match="1 voxels of subj1 have no signal"):
        responses = nl.load_dataset("haxby2001", folder=folder, subjects="subj1").responses
    assert responses.sizes["neuroid"] == masks["mask4_vt"].sum() - 1
    assert "subj1." + "-".join(map(str, place)) not in responses.neuroid_id.values


def test_what_cannot_be_read_is_told(copy, tmp_path):
    folder, _ = copy
    with pytest.raises(DataError, match=r"there is no subj1/bold.nii.gz .*fetch_haxby makes"):
        nl.load_dataset("haxby2001", folder=tmp_path)
    with pytest.raises(DataError, match=r"needs one file subj2/mask4_vt.nii.gz .*there is none"):
        nl.load_dataset("haxby2001", folder=folder, subjects="subj2")
    (folder / "subj1/labels.txt").write_text("face 0\nrest 0\n")
    with pytest.raises(DataError, match="labels.txt must have the columns labels and chunks"):
        nl.load_dataset("haxby2001", folder=folder, subjects="subj1")
    (folder / "subj1/labels.txt").write_text("labels chunks\nface 0\nrest 0\n")
    with pytest.raises(DataError, match=r"got \d+ volumes, 2 labels"):
        nl.load_dataset("haxby2001", folder=folder, subjects="subj1")
    (folder / "subj1/bold.nii.gz").write_bytes((folder / "subj1/bold.nii.gz").read_bytes()[:3000])
    with pytest.raises(DataError, match=r"bold.nii.gz cannot be read"):
        nl.load_dataset("haxby2001", folder=folder, subjects="subj1")
    with pytest.raises(InputError, match="takes no options, got 'lag'"):
        nl.load_dataset("haxby2001", folder=folder, lag=3)
