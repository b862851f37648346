"""A copy of the Natural Scenes Dataset in its published layout, with planted responses."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import nibabel
import numpy as np
import scipy.io

N_TRIALS = 750
N_IMAGES = 10_000
N_SHARED = 1000
AFFINE = np.diag([1.8, 1.8, 1.8, 1.0])
VERSION = "betas_fithrf_GLMdenoise_RR"
LABELS = {
    "prf-visualrois": {
        "Unknown": 0,
        "V1v": 1,
        "V1d": 2,
        "V2v": 3,
        "V2d": 4,
        "V3v": 5,
        "V3d": 6,
        "hV4": 7,
    },
    "floc-faces": {"Unknown": 0, "OFA": 1, "FFA-1": 2, "FFA-2": 3, "mTL-faces": 4, "aTL-faces": 5},
}


@dataclass
class Copy:
    """What was written: the folder, and by subject the truth."""

    folder: Path
    # subject -> (session, trial, x, y, z) in % signal change, rounded to 1 / 300.
    betas: dict[str, np.ndarray]
    # subject -> (x, y, z)
    ncsnr: dict[str, np.ndarray]
    # subject -> 73k ID of each trial, counted from 1
    shown: dict[str, np.ndarray]
    # atlas -> (x, y, z)
    atlases: dict[str, np.ndarray]
    shared: np.ndarray

    def path(self, name):
        return self.folder / name

    def betas_path(self, subject="subj01", session=1, suffix=".hdf5"):
        return self.path(
            f"nsddata_betas/ppdata/{subject}/func1pt8mm/{VERSION}/betas_session{session:02d}{suffix}"
        )


def make_design(rng, n_first):
    """Return masterordering, subjectim and sharedix, as MATLAB holds them: counted from 1.

    The first trials show ``n_first`` images, each three times.
    """
    first = rng.permutation(np.repeat(np.arange(n_first), 3))
    rest = rng.permutation(np.repeat(np.arange(n_first, N_IMAGES), 3))
    ordering = np.concatenate([first, rest]) + 1
    ids = rng.permutation(73_000) + 1
    shared = np.sort(ids[:N_SHARED])
    own = ids[N_SHARED : N_SHARED + 8 * (N_IMAGES - N_SHARED)].reshape(8, -1)
    subjectim = np.concatenate([np.tile(shared, (8, 1)), own], axis=1)
    return ordering, subjectim, shared


def make_atlases(shape):
    """Return the atlases: regions are boxes, -1 is outside cortex as published."""
    visual = np.full(shape, -1.0)
    visual[1:-1, 1:-1, 1:-1] = 0
    visual[1:4, 1:4, 1:3] = 1
    visual[1:4, 1:4, 3:-1] = 2
    visual[-3:-1, 1:3, 1:3] = 7
    faces = np.where(visual < 0, -1.0, 0.0)
    faces[-4:-1, 2:4, 1:3] = 2
    general = np.where((visual > 0) | (faces > 0), 1.0, 0.0)
    return {"prf-visualrois": visual, "floc-faces": faces, "nsdgeneral": general}


def save_volume(path, values, dtype=np.float32):
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.astype(dtype), AFFINE), path)


def save_betas(path, stored):
    """Write int16 (trial, x, y, z) as MATLAB's h5write of (x, y, z, trial) in chunks of a voxel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.ascontiguousarray(stored.transpose(0, 3, 2, 1))
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=values, chunks=(len(stored), 1, 1, 1))


def make_copy(folder, rng, *, shape=(7, 6, 5), n_sessions=1, n_first=250, subjects=("subj01",)):
    """Write a copy and return what is in it."""
    ordering, subjectim, shared = make_design(rng, n_first)
    path = folder / "nsddata/experiments/nsd/nsd_expdesign.mat"
    path.parent.mkdir(parents=True)
    scipy.io.savemat(
        path,
        {
            "masterordering": ordering[None].astype(float),
            "subjectim": subjectim.astype(float),
            "sharedix": shared[None].astype(float),
        },
        do_compression=True,
    )
    copy = Copy(folder, {}, {}, {}, make_atlases(shape), shared)
    n_shown = n_sessions * N_TRIALS
    for number in range(1, 9):
        subject = f"subj{number:02d}"
        if subject in subjects:
            shown = subjectim[number - 1][ordering - 1]
            copy.shown[subject] = shown
            write_subject(copy, subject, shown[:n_shown], rng)
    return copy


def write_subject(copy, subject, shown, rng):
    shape = copy.atlases["nsdgeneral"].shape
    ncsnr = rng.uniform(0.1, 1.2, shape)
    names, codes = np.unique(shown, return_inverse=True)
    signal = ncsnr * rng.standard_normal((len(names), *shape))
    values = 0.5 + signal[codes] + rng.standard_normal((len(shown), *shape))
    stored = np.rint(300 * values).astype(np.int16)
    copy.ncsnr[subject] = ncsnr.astype(np.float32)
    copy.betas[subject] = (stored / 300).reshape(-1, N_TRIALS, *shape)
    for session, part in enumerate(stored.reshape(-1, N_TRIALS, *shape), 1):
        save_betas(copy.betas_path(subject, session), part)
    folder = copy.betas_path(subject).parent
    save_volume(folder / "ncsnr.nii.gz", ncsnr)
    for atlas, numbers in copy.atlases.items():
        save_volume(copy.path(f"nsddata/ppdata/{subject}/func1pt8mm/roi/{atlas}.nii.gz"), numbers)
    labels = copy.path(f"nsddata/freesurfer/{subject}/label")
    labels.mkdir(parents=True)
    for atlas, numbers in LABELS.items():
        lines = [f"{number} {name}" for name, number in numbers.items()]
        (labels / f"{atlas}.mgz.ctab").write_text("\n".join(lines) + "\n")


def save_pictures(copy, size=4):
    """Write the brick: each pixel of the picture of 73k ID n is made of n."""
    path = copy.path("nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5")
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w") as file:
        file["imgBrick"] = draw_pictures(np.arange(1, 73_001), size)


def draw_pictures(numbers, size=4):
    channels = np.stack([numbers % 256, numbers // 256 % 256, numbers // 65536], axis=-1)
    pixels = np.repeat(channels[:, None], size * size, axis=1)
    return pixels.reshape(len(numbers), size, size, 3).astype(np.uint8)
