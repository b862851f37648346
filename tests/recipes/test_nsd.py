"""NSD in its published layout: planted betas at the right stimulus and voxel, and little else read."""

import re
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io
from nsd_copy import AFFINE, draw_pictures, make_copy, save_betas, save_pictures, save_volume
from torchvision.transforms.functional import pil_to_tensor

import neurolens as nl
from neurolens.errors import DataError, InputError, LabelError, UnknownNameError

OPTIONS = {"accept_terms": True, "quiet": True}


def load(copy, **options):
    return nl.load_dataset("nsd", folder=copy.folder, **OPTIONS, **options)


@pytest.fixture
def copy(tmp_path, rng):
    """Return one session of one subject on a small grid."""
    return make_copy(tmp_path, rng)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Return 2,000 stimuli, three times each, in eight sessions."""
    folder = tmp_path_factory.mktemp("nsd")
    return make_copy(
        folder, np.random.default_rng(1), shape=(14, 11, 9), n_sessions=8, n_first=2000
    )


def find_place(responses, k):
    return tuple(int(responses[f"index_{axis}"][k]) for axis in "ijk")


def check_values(copy, responses, subject="subj01"):
    """Assert that every response is the planted one of its trial and voxel."""
    shape = copy.atlases["nsdgeneral"].shape
    flat = copy.betas[subject].reshape(-1, *shape)
    rows = (responses.session.values - 1) * 750 + responses.trial.values - 1
    names = [f"nsd{number:05d}" for number in copy.shown[subject][rows]]
    assert responses.stimulus_id.values.tolist() == names
    for k in range(responses.sizes["neuroid"]):
        expected = flat[(rows, *find_place(responses, k))]
        np.testing.assert_allclose(responses.values[:, k], expected, atol=1e-6)


def test_every_beta_is_at_its_stimulus_and_voxel(copy):
    data = load(copy, regions="V1")
    check_values(copy, data.responses)
    inside = np.isin(copy.atlases["prf-visualrois"], [1, 2])
    places = [find_place(data.responses, k) for k in range(data.responses.sizes["neuroid"])]
    assert places == [tuple(place) for place in np.argwhere(inside).tolist()]
    assert data.responses.attrs["units"] == "% signal change"
    assert data.responses.dtype == np.float32
    expected = nibabel.affines.apply_affine(AFFINE, np.argwhere(inside))
    found = np.stack([data.responses[f"voxel_{axis}"] for axis in "xyz"], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_ncsnr_is_written_as_a_map_where_the_voxels_are(copy, tmp_path):
    responses = load(copy, regions=["V1", "hV4"]).responses
    path = nl.brain.write_map(responses.ncsnr, tmp_path / "ncsnr.nii.gz", like=responses)
    image = nibabel.load(path)
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-6)
    inside = np.isin(copy.atlases["prf-visualrois"], [1, 2, 7])
    np.testing.assert_allclose(image.get_fdata()[inside], copy.ncsnr["subj01"][inside], rtol=1e-6)
    assert np.isnan(image.get_fdata()[~inside]).all()


def test_repetitions_are_counted_over_the_whole_experiment(copy):
    responses = load(copy).responses
    for name in set(responses.stimulus_id.values[:40]):
        trials = np.flatnonzero(copy.shown["subj01"] == int(name[3:]))
        here = responses.stimulus_id.values == name
        numbers = responses.trial.values[here] - 1
        assert (
            responses.repetition.values[here].tolist() == np.searchsorted(trials, numbers).tolist()
        )


def test_the_general_mask_is_the_default(copy):
    data = load(copy)
    assert data.regions == ["nsdgeneral"]
    assert data.responses.sizes["neuroid"] == (copy.atlases["nsdgeneral"] == 1).sum()


def test_2000_stimuli_of_a_region_are_read_with_little_more_than_its_box(large):
    data = load(large, regions=["V1", "FFA-1", "hV4"])
    responses = data.responses
    assert responses.sizes["presentation"] == 6000
    assert len(set(responses.stimulus_id.values)) == 2000
    index = np.stack([responses[f"index_{axis}"] for axis in "ijk"], axis=1)
    box = np.prod(np.ptp(index, axis=0) + 1) * 6000 * 2
    whole = sum(large.betas_path(session=k).stat().st_size for k in range(1, 9))
    assert data.bytes_read <= 1.2 * box < 0.7 * whole
    assert responses.attrs["bytes_read"] == data.bytes_read
    assert "MB of files" in repr(data)


def test_the_planted_ncsnr_is_found_again(large):
    responses = load(large, regions="V1").responses
    planted = np.array(
        [large.ncsnr["subj01"][find_place(responses, k)] for k in range(responses.sizes["neuroid"])]
    )
    np.testing.assert_allclose(responses.ncsnr, planted, rtol=1e-6)
    found = nl.compare.compute_ncsnr(responses)
    assert np.corrcoef(found.values, planted)[0, 1] > 0.98
    np.testing.assert_allclose(found.values, planted, atol=0.08)


def test_the_lines_of_the_page_run(large):
    page = (Path(nl.__file__).parents[1] / "docs" / "datasets.md").read_text()
    [code] = [
        part for part in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "folder=" in part
    ]
    names = {"nl": nl}
    exec(compile(code.replace("/data/nsd", str(large.folder)), "datasets.md", "exec"), names)
    assert set(names["responses"].stimulus_id.values) == {f"nsd{n:05d}" for n in large.shared}
    ncsnr = names["ncsnr"]
    assert np.corrcoef(ncsnr.values, names["nsd"].responses.ncsnr)[0, 1] > 0.95


def test_sessions_and_stimuli_are_chosen(large):
    some = load(large, regions="hV4", sessions=[3, 2]).responses
    assert sorted(set(some.session.values.tolist())) == [2, 3]
    check_values(large, some)
    data = load(large, regions="hV4", stimuli="shared")
    shared = {f"nsd{number:05d}" for number in large.shared}
    assert set(data.responses.stimulus_id.values) == shared
    assert data.responses.sizes["presentation"] == 3000
    check_values(large, data.responses)
    wanted = data.responses.stimulus_id.values[:3].tolist()
    few = load(large, regions="hV4", stimuli=wanted).responses
    assert set(few.stimulus_id.values) == set(wanted)
    assert few.sizes["presentation"] == 9
    check_values(large, few)


def test_the_shared_pictures_are_a_published_split(large):
    data = load(large, regions="hV4", sessions=[1])
    split = data.splits["shared"]
    shared = {f"nsd{number:05d}" for number in large.shared}
    shown = set(data.responses.stimulus_id.values)
    assert set(split["test"]) == shown & shared
    assert set(split["train"]) == shown - shared
    assert set(data.card["splits"]) == set(data.splits)


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"stimuli": "all"}, InputError, "stimuli must be 'shared' or a list of ids, got 'all'"),
        ({"stimuli": ["nsd00000"]}, InputError, "counted from 1, got 'nsd00000'"),
        ({"stimuli": [1, "nsd73001"]}, InputError, "got '1', 'nsd73001'"),
        ({"stimuli": []}, InputError, "stimuli must be ids"),
        ({"sessions": [1, 9]}, InputError, r"sessions=\[1, 9\]: the copy has 1 of subj01"),
        ({"sessions": []}, InputError, "sessions="),
        ({"version": "betas"}, UnknownNameError, "no betas named 'betas'"),
        (
            {"subjects": "subj02"},
            DataError,
            "needs one file .*subj02.*there is none|no betas_fithrf",
        ),
        (
            {"regions": ["OFA", "aTL-faces"]},
            DataError,
            "'subj01' has no voxel of 'OFA'. Leave it out",
        ),
        ({"regions": "V5"}, UnknownNameError, "no region of data set 'nsd' named 'V5'"),
        ({"regions": "EBA"}, DataError, "needs one file .*roi/floc-bodies.nii.gz"),
    ],
)
def test_what_cannot_be_read_is_told(copy, options, error, told):
    with pytest.raises(error, match=told):
        load(copy, **options)


def test_stimuli_that_were_not_shown_are_told(copy):
    absent = set(range(1, 73_001)) - set(copy.shown["subj01"].tolist())
    with pytest.raises(DataError, match="none of the pictures asked for was shown to subj01"):
        load(copy, stimuli=[f"nsd{min(absent):05d}"])


def test_terms_come_first_and_then_where_to_get_the_data(copy, monkeypatch, capsys):
    monkeypatch.delenv("NEUROLENS_MIRROR", raising=False)
    with pytest.raises(InputError, match=r"Pass accept_terms=True to load_dataset"):
        nl.load_dataset("nsd", folder=copy.folder)
    assert "naturalscenesdataset.org" in capsys.readouterr().out
    with pytest.raises(
        DataError, match=r"cannot be fetched\. Get access at naturalscenesdataset.org"
    ):
        nl.load_dataset("nsd", accept_terms=True)


def test_nifti_gives_what_hdf5_gives(copy):
    expected = load(copy, regions="V1").responses
    stored = np.rint(300 * copy.betas["subj01"][0]).astype(np.int16)
    path = copy.betas_path(suffix=".nii.gz")
    nibabel.save(nibabel.Nifti1Image(stored.transpose(1, 2, 3, 0), AFFINE), path)
    copy.betas_path().unlink()
    found = load(copy, regions="V1").responses
    np.testing.assert_array_equal(found.values, expected.values)
    assert found.neuroid_id.values.tolist() == expected.neuroid_id.values.tolist()


def test_betas_that_are_not_as_published_are_refused(copy):
    stored = np.rint(300 * copy.betas["subj01"][0]).astype(np.int16)
    path = copy.betas_path()
    with h5py.File(path, "w") as file:
        file["betas"] = stored
    with pytest.raises(DataError, match=r"the mask's axes reversed, got int16 \(750, 7, 6, 5\)"):
        load(copy)
    with h5py.File(path, "w") as file:
        file["betas"] = copy.betas["subj01"][0].transpose(0, 3, 2, 1).astype(np.float32)
    with pytest.raises(DataError, match="must be int16"):
        load(copy)
    save_betas(path, stored[:700])
    with pytest.raises(
        DataError, match="betas_session01.hdf5 holds 700 trials, and trial 750 is wanted"
    ):
        load(copy)
    path.write_bytes(b"no hdf5")
    with pytest.raises(DataError, match="betas_session01.hdf5 cannot be read"):
        load(copy)


def test_voxels_without_data_are_nan_in_their_session(tmp_path, rng):
    copy = make_copy(tmp_path, rng, n_sessions=2, n_first=500)
    stored = np.rint(300 * copy.betas["subj01"]).astype(np.int16)
    # One voxel lacks session 2, another both.
    stored[1, :, 1, 1, 1] = 0
    stored[:, :, 2, 2, 1] = 0
    for session in (1, 2):
        save_betas(copy.betas_path(session=session), stored[session - 1])
    with pytest.warns(RuntimeWarning) as caught:
        responses = load(copy, regions="V1").responses
    told = [str(one.message) for one in caught]
    n_voxels = np.isin(copy.atlases["prf-visualrois"], [1, 2]).sum()
    assert any(
        f"1 of {n_voxels} voxels of subj01 hold no data in the sessions read" in t for t in told
    )
    assert any("1 voxels of subj01 hold no data in some of the sessions" in t for t in told)
    assert responses.sizes["neuroid"] == n_voxels - 1
    lost = responses.values[:, responses.neuroid_id.values == "subj01.1-1-1"][:, 0]
    np.testing.assert_array_equal(np.isnan(lost), responses.session.values == 2)
    kept = responses[:, responses.neuroid_id != "subj01.1-1-1"]
    check_values(copy, kept)


def test_the_published_masks_of_valid_voxels_are_believed(copy):
    """A voxel of theirs may be 0 in all trials read, and one that is not theirs may be not."""
    stored = np.rint(300 * copy.betas["subj01"][0]).astype(np.int16)
    stored[:, 1, 1, 1] = 0
    save_betas(copy.betas_path(), stored)
    valid = np.ones(stored.shape[1:])
    valid[2, 2, 1] = 0
    folder = copy.path("nsddata/ppdata/subj01/func1pt8mm")
    save_volume(folder / "valid_session01.nii.gz", valid, np.int16)
    with pytest.warns(RuntimeWarning, match=r"1 of \d+ voxels of subj01 hold no data"):
        responses = load(copy, regions="V1").responses
    names = responses.neuroid_id.values.tolist()
    assert "subj01.2-2-1" not in names
    assert (responses.values[:, names.index("subj01.1-1-1")] == 0).all()


def test_regions_overlap_and_join_their_parts(copy):
    responses = load(copy, regions=["V1", "V1v", "FFA-1"]).responses
    visual, faces = copy.atlases["prf-visualrois"], copy.atlases["floc-faces"]
    for k in range(responses.sizes["neuroid"]):
        place = find_place(responses, k)
        assert responses.region_V1.values[k] == (visual[place] in (1, 2))
        assert responses.region_V1v.values[k] == (visual[place] == 1)
        assert responses["region_FFA-1"].values[k] == (faces[place] == 2)
    rdms = nl.compute_rdms(responses.isel(presentation=slice(0, 30)))
    assert set(rdms.region.values) == {"V1", "V1v", "FFA-1"}
    plain = load(copy, regions=["V1v", "V1d"]).responses
    assert set(plain.region.values) == {"V1v", "V1d"}


def test_a_region_that_a_subject_lacks_is_told(tmp_path, rng):
    copy = make_copy(tmp_path, rng, subjects=("subj01", "subj02"))
    path = copy.path("nsddata/ppdata/subj02/func1pt8mm/roi/floc-faces.nii.gz")
    faces = copy.atlases["floc-faces"].copy()
    save_volume(path, np.where(faces == 2, 1, faces))
    with pytest.warns(RuntimeWarning) as caught:
        data = load(copy, regions=["OFA", "FFA-1", "hV4"], subjects=["subj01", "subj02"])
    told = [str(one.message) for one in caught]
    assert told == ["'subj01' has no voxel of 'OFA'.", "'subj02' has no voxel of 'FFA-1'."]
    assert set(data.regions) == {"OFA", "FFA-1", "hV4"}
    responses = data.responses
    assert set(responses.subject.values[responses.region_OFA.values]) == {"subj02"}
    with pytest.raises(DataError, match="subj02 has no voxel of 'FFA-1'. Leave it out"):
        load(copy, regions="FFA-1", subjects=["subj01", "subj02"])


def test_numbers_of_regions_are_those_of_the_table(copy):
    path = copy.path("nsddata/freesurfer/subj01/label/prf-visualrois.mgz.ctab")
    path.write_text("# made anew\n0\tUnknown\n7 V1v 10 20 30 0\n2 V1d\n1 hV4\n")
    found = load(copy, regions="V1v").responses
    assert found.sizes["neuroid"] == (copy.atlases["prf-visualrois"] == 7).sum()
    path.write_text("0 Unknown\n1 hV4\n")
    with pytest.raises(DataError, match="labels of prf-visualrois of subj01 .* lack 'V1v'"):
        load(copy, regions="V1v")
    path.write_text("V1v 1\n")
    with pytest.raises(DataError, match="a number and a name of its own in a line: 'V1v 1'"):
        load(copy, regions="V1v")
    path.unlink()
    with pytest.raises(
        DataError, match=r"needs one file .*prf-visualrois.mgz.ctab .*there is none"
    ):
        load(copy, regions="V1v")


def test_subjects_share_the_presentations_of_shared_pictures(tmp_path, rng):
    copy = make_copy(tmp_path, rng, n_first=1250, subjects=("subj01", "subj03"))
    with pytest.raises(
        InputError, match=r"holds 'subj01', 'subj03', which saw different pictures\. Say"
    ):
        load(copy, regions="hV4")
    data = load(copy, regions="hV4", subjects=["subj01", "subj03"])
    responses = data.responses
    shape = copy.atlases["nsdgeneral"].shape
    for k in range(responses.sizes["neuroid"]):
        subject = str(responses.subject.values[k])
        flat = copy.betas[subject].reshape(-1, *shape)[(slice(None), *find_place(responses, k))]
        names = [f"nsd{number:05d}" for number in copy.shown[subject][:750]]
        seen = {}
        for trial, name in enumerate(names):
            repetition = names[:trial].count(name)
            seen[name, repetition] = flat[trial]
        for row in range(responses.sizes["presentation"]):
            key = (responses.stimulus_id.values[row], int(responses.repetition.values[row]))
            if key in seen:
                assert responses.values[row, k] == pytest.approx(seen[key], abs=1e-6)
            else:
                assert np.isnan(responses.values[row, k])
    together = ~np.isnan(responses.values).any(axis=1)
    shared = {f"nsd{number:05d}" for number in copy.shared}
    assert set(responses.stimulus_id.values[together]) <= shared
    assert together.any()
    assert len(set(responses.neuroid_id.values)) == responses.sizes["neuroid"]


def test_pictures_are_those_of_their_ids_and_read_when_used(copy):
    assert load(copy).stimuli is None
    save_pictures(copy)
    data = load(copy, regions="hV4")
    shown = list(dict.fromkeys(data.responses.stimulus_id.values.tolist()))
    assert list(data.stimuli.ids) == shown
    stimuli = data.stimuli.use_transform(pil_to_tensor)
    for name in shown[:20]:
        expected = draw_pictures(np.array([int(name[3:])]))[0]
        np.testing.assert_array_equal(stimuli[name].permute(1, 2, 0).numpy(), expected)
        row = data.stimuli.metadata.loc[name]
        assert (row.nsd_73k_id, row.brick_row) == (int(name[3:]), int(name[3:]) - 1)
        assert row.shared == (int(name[3:]) in copy.shared)
    path = copy.path("nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5")
    data.stimuli._items._items._source.file.close()
    with h5py.File(path, "w") as file:
        file["imgBrick"] = np.zeros((10, 4, 4, 3), dtype=np.uint8)
    with pytest.raises(
        DataError,
        match=r"imgBrick in .* must be uint8 \(73000, height, width, 3\), got uint8 \(10,",
    ):
        load(copy)


def test_another_design_is_refused(copy):
    path = copy.path("nsddata/experiments/nsd/nsd_expdesign.mat")
    content = scipy.io.loadmat(path)
    kept = {k: content[k] for k in ("masterordering", "subjectim", "sharedix")}
    scipy.io.savemat(path, {**kept, "masterordering": kept["masterordering"] - 1})
    with pytest.raises(DataError, match="names pictures that do not exist"):
        load(copy)
    scipy.io.savemat(path, {"masterordering": kept["masterordering"]})
    with pytest.raises(DataError, match="lacks 'subjectim', 'sharedix'"):
        load(copy)
    path.write_bytes(b"no mat")
    with pytest.raises(DataError, match="nsd_expdesign.mat cannot be read as a MATLAB file"):
        load(copy)


def test_a_subject_is_asked_for_once(copy):
    with pytest.raises(LabelError, match=r"subjects= must be unique"):
        load(copy, subjects=["subj01", "subj01"])
