"""NSD-synthetic in its published layout: planted betas, and pictures of their numbers."""

import h5py
import numpy as np
import pytest
import scipy.io
from nsd_copy import AFFINE, LABELS, make_atlases, save_betas, save_volume
from torchvision.transforms.functional import pil_to_tensor

import neurolens as nl
from neurolens.errors import DataError, InputError, UnknownNameError

SHAPE = (7, 6, 5)
VERSION = "nsdsyntheticbetas_fithrf_GLMdenoise_RR"
N_TRIALS = 744


def write_pictures(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.repeat(np.array(values, dtype=np.uint8)[:, None], 3 * 5 * 3, axis=1)
    with h5py.File(path, "w") as file:
        file["imgBrick"] = pixels.reshape(len(values), 3, 5, 3)


@pytest.fixture
def copy(tmp_path, rng):
    """Return the folder, the order of pictures, and the betas of each subject."""
    ordering = rng.permutation(
        np.concatenate([np.arange(1, 285), rng.integers(1, 285, N_TRIALS - 284)])
    )
    path = tmp_path / "nsddata/experiments/nsdsynthetic/nsdsynthetic_expdesign.mat"
    path.parent.mkdir(parents=True)
    scipy.io.savemat(path, {"masterordering": ordering[None].astype(float)})
    betas = {}
    for subject in ("subj01", "subj02"):
        stored = rng.integers(-900, 900, (N_TRIALS, *SHAPE)).astype(np.int16)
        betas[subject] = stored / 300
        name = f"nsddata_betas/ppdata/{subject}/func1pt8mm/{VERSION}/betas_nsdsynthetic.hdf5"
        save_betas(tmp_path / name, stored)
        for atlas, values in make_atlases(SHAPE).items():
            save_volume(
                tmp_path / f"nsddata/ppdata/{subject}/func1pt8mm/roi/{atlas}.nii.gz", values
            )
        labels = tmp_path / f"nsddata/freesurfer/{subject}/label"
        labels.mkdir(parents=True)
        lines = [f"{number} {name}" for name, number in LABELS["prf-visualrois"].items()]
        (labels / "prf-visualrois.mgz.ctab").write_text("\n".join(lines))
    return tmp_path, ordering, betas


def load(copy, **options):
    return nl.load_dataset("nsd_synthetic", folder=copy[0], accept_terms=True, **options)


def test_every_beta_is_at_its_picture_and_voxel(copy):
    _, ordering, betas = copy
    responses = load(copy, subjects="subj02", regions="V1").responses
    assert responses.sizes["presentation"] == N_TRIALS
    expected_names = [
        f"nsdsynthetic{n:03d}" if n <= 220 else f"subj02-nsdsynthetic{n}" for n in ordering
    ]
    assert responses.stimulus_id.values.tolist() == expected_names
    assert responses.trial.values.tolist() == list(range(1, N_TRIALS + 1))
    index = [responses[f"index_{axis}"].values for axis in "ijk"]
    expected = betas["subj02"][:, index[0], index[1], index[2]]
    np.testing.assert_allclose(responses.values, expected, atol=1e-6)
    inside = np.isin(make_atlases(SHAPE)["prf-visualrois"], [1, 2])
    np.testing.assert_array_equal(np.stack(index, axis=1), np.argwhere(inside))


def test_subjects_share_220_pictures(copy):
    responses = load(copy, regions="hV4").responses
    assert set(responses.subject.values) == {"subj01", "subj02"}
    own = np.array(["-" in name for name in responses.stimulus_id.values])
    first = responses.subject.values == "subj01"
    for row in np.flatnonzero(own):
        subject = responses.stimulus_id.values[row][:6]
        is_own = responses.subject.values == subject
        assert np.isfinite(responses.values[row, is_own]).all()
        assert np.isnan(responses.values[row, ~is_own]).all()
    assert np.isfinite(responses.values[~own]).all()
    assert first.any()


def test_pictures_are_those_of_their_numbers(copy):
    folder = copy[0] / "nsddata_stimuli/stimuli/nsdsynthetic"
    assert load(copy, subjects="subj01").stimuli is None
    write_pictures(folder / "nsdsynthetic_stimuli.hdf5", range(220))
    with pytest.raises(DataError, match=r"needs one file .*nsdsynthetic_colorstimuli_subj01.hdf5"):
        load(copy, subjects="subj01")
    write_pictures(folder / "nsdsynthetic_colorstimuli_subj01.hdf5", range(100, 164))
    data = load(copy, subjects="subj01")
    stimuli = data.stimuli.use_transform(pil_to_tensor)
    assert len(stimuli) == 284
    assert set(data.responses.stimulus_id.values) == set(stimuli.ids)
    assert (stimuli["nsdsynthetic001"] == 0).all()
    assert (stimuli["nsdsynthetic220"] == 219).all()
    assert (stimuli["subj01-nsdsynthetic221"] == 100).all()
    assert (stimuli["subj01-nsdsynthetic284"] == 163).all()
    assert stimuli["nsdsynthetic007"].shape == (3, 3, 5)
    assert stimuli.metadata.colored.sum() == 64
    write_pictures(folder / "nsdsynthetic_stimuli.hdf5", range(219))
    with pytest.raises(
        DataError, match=r"must hold imgBrick \(220, height, width, 3\), got \(219,"
    ):
        load(copy, subjects="subj01")


def test_what_cannot_be_read_is_told(copy):
    with pytest.raises(InputError, match="asks you to accept its terms"):
        nl.load_dataset("nsd_synthetic", folder=copy[0])
    with pytest.raises(UnknownNameError, match="no betas named 'b3'"):
        load(copy, version="b3")
    with pytest.raises(DataError, match="there are no nsdsyntheticbetas_fithrf in .*Get access"):
        load(copy, version="nsdsyntheticbetas_fithrf")
    path = copy[0] / "nsddata/experiments/nsdsynthetic/nsdsynthetic_expdesign.mat"
    scipy.io.savemat(path, {"masterordering": copy[1][None, :-1].astype(float)})
    with pytest.raises(DataError, match="holds 744 trials, and the design 743"):
        load(copy)
    scipy.io.savemat(path, {"masterordering": copy[1][None] + 1.0})
    with pytest.raises(DataError, match="names pictures that do not exist"):
        load(copy)


def test_nifti_is_read_where_there_is_no_hdf5(copy):
    import nibabel

    expected = load(copy, subjects="subj01", regions="V1").responses
    folder = copy[0] / f"nsddata_betas/ppdata/subj01/func1pt8mm/{VERSION}"
    stored = np.rint(300 * copy[2]["subj01"]).astype(np.int16).transpose(1, 2, 3, 0)
    nibabel.save(nibabel.Nifti1Image(stored, AFFINE), folder / "betas_nsdsynthetic.nii.gz")
    (folder / "betas_nsdsynthetic.hdf5").unlink()
    found = load(copy, subjects="subj01", regions="V1").responses
    np.testing.assert_array_equal(found.values, expected.values)
