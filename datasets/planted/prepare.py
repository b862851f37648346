"""A brain made on the spot, whose right answer is known.

Each region reads out one op of one model.
"""

import json

import numpy as np
import pandas as pd
import torch
import torchvision
import xarray as xr

DEPTHS = {"V1": 0.1, "V4": 0.45, "IT": 0.9}
CATEGORIES = ("grating", "rings", "blobs", "polygon", "checks", "clouds")
SIZE = 224


def prepare(
    raw,
    *,
    subjects=None,
    regions=None,
    model=None,
    ops=None,
    seed=0,
    n_per_category=12,
    n_subjects=4,
    n_voxels=150,
    n_repetitions=2,
    noise=1.0,
):
    """Return pictures, and responses that are noisy random readouts of known ops.

    Parameters
    ----------
    raw, subjects, regions
        Not used: nothing is downloaded, and there is nothing to choose from.
    model : Module or str
        The network to plant; a torchvision name makes one with random weights from ``seed``.
        Default: resnet18.
    ops : dict, optional
        Region -> op name. Default: the ReLUs nearest to a tenth, 45 % and nine tenths of the depth
        as V1, V4, IT.
    noise : float
        Standard deviation of each trial's noise, in units of the signal's over stimuli.
    """
    import neurolens as nl

    rng = np.random.default_rng(seed)
    if model is None or isinstance(model, str):
        name = model or "resnet18"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = torchvision.models.get_model(name, weights=None)
    stimuli = make_stimuli(rng, n_per_category)
    ops = ops or choose_ops(model, stimuli)
    acts = nl.extract_activations(model, stimuli, ops=list(ops.values()), quiet=True)
    blocks = []
    for region, op in ops.items():
        for subject in range(1, n_subjects + 1):
            responses = read_out(acts[op]["activation"].values, rng, n_voxels, n_repetitions, noise)
            blocks.append((region, f"sub-{subject:02d}", op, responses))
    return {
        "stimuli": stimuli,
        "responses": label_responses(blocks, stimuli.ids, n_repetitions, seed),
    }


def choose_ops(model, stimuli):
    """Return region -> op: the ReLUs (or, without any.

    All ops) nearest to the depths of the regions.
    """
    import neurolens as nl

    training = model.training
    try:
        _, batch = next(stimuli.iterate_batches(1))
        graph = nl.trace(model.eval(), batch).graph
    finally:
        model.train(training)
    candidates = [
        op for op in graph if op.function in ("relu", "gelu", "silu", "hardtanh")
    ] or list(graph)
    return {r: candidates[round(d * (len(candidates) - 1))].name for r, d in DEPTHS.items()}


def read_out(features, rng, n_voxels, n_repetitions, noise):
    """Return (repetition, stimulus, voxel): random readouts of normalised patterns, plus noise.

    Each stimulus's pattern is centred over features and scaled to unit length, so that noise adds
    the same share to every stimulus and the order of correlation distances is, in expectation, that
    of the op. Gaussian readout weights then amount to drawing each voxel from a normal distribution
    whose covariance is the patterns' correlation matrix.
    """
    flat = features.reshape(len(features), -1).astype(np.float64)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    signal = root @ rng.standard_normal((len(flat), n_voxels))
    scale = (signal - signal.mean(axis=0)).std()
    return (signal + noise * scale * rng.standard_normal((n_repetitions, *signal.shape))) / scale


def label_responses(blocks, ids, n_repetitions, seed):
    """Return (presentation, neuroid) with the coordinates of a BrainIO assembly."""
    neuroid = [
        (f"{subject}.{region}.{v}", subject, region, op)
        for region, subject, op, responses in blocks
        for v in range(responses.shape[-1])
    ]
    columns = [np.array(c, dtype=object) for c in zip(*neuroid, strict=True)]
    data = np.concatenate([r.reshape(-1, r.shape[-1]) for *_, r in blocks], axis=1)
    return xr.DataArray(
        data.astype(np.float32),
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", np.array(list(ids) * n_repetitions, dtype=object)),
            "repetition": ("presentation", np.repeat(np.arange(n_repetitions), len(ids))),
            "neuroid_id": ("neuroid", columns[0]),
            "subject": ("neuroid", columns[1]),
            "region": ("neuroid", columns[2]),
            "planted_op": ("neuroid", columns[3]),
        },
        name="responses",
        attrs={
            "units": "SD of the signal over stimuli",
            "seed": seed,
            "planted_ops": json.dumps({r: op for r, _, op, _ in blocks}),
        },
    )


def make_stimuli(rng, n_per_category):
    """Return pictures of six kinds, each drawn with its own colours, place and scale."""
    import neurolens as nl

    pictures, ids, categories = [], [], []
    for category in CATEGORIES:
        for i in range(n_per_category):
            pictures.append(draw_picture(category, rng))
            ids.append(f"{category}-{i:02d}")
            categories.append(category)
    metadata = pd.DataFrame({"category": categories}, index=pd.Index(ids, name="stimulus"))
    return nl.load_stimuli(np.stack(pictures), ids=ids, metadata=metadata)


def draw_picture(category, rng):
    """Return one uint8 picture (SIZE, SIZE, 3)."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE - 0.5
    cx, cy = rng.uniform(-0.2, 0.2, 2)
    angle, scale = rng.uniform(0, np.pi), rng.uniform(0.6, 1.4)
    u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    v = -(x - cx) * np.sin(angle) + (y - cy) * np.cos(angle)
    radius = np.hypot(u, v)
    if category == "grating":
        mask = (np.sin(2 * np.pi * u * 12 * scale) + 1) / 2
    elif category == "rings":
        mask = (np.sin(2 * np.pi * radius * 14 * scale) + 1) / 2
    elif category == "blobs":
        centres = rng.uniform(-0.4, 0.4, (6, 2))
        mask = sum(
            np.exp(-((x - a) ** 2 + (y - b) ** 2) / (0.006 * scale)) for a, b in centres
        ).clip(0, 1)
    elif category == "polygon":
        sides = rng.integers(3, 7)
        theta = np.arctan2(v, u) % (2 * np.pi / sides) - np.pi / sides
        mask = (radius * np.cos(theta) < 0.22 * scale).astype(float)
    elif category == "checks":
        mask = ((np.floor(u * 10 * scale) + np.floor(v * 10 * scale)) % 2).astype(float)
    else:
        spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE)))
        frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
        cloud = np.fft.irfft2(spectrum / np.maximum(frequency, 1 / SIZE) ** 1.3, s=(SIZE, SIZE))
        mask = (cloud - cloud.min()) / np.ptp(cloud)
    front, back = rng.uniform(0, 255, (2, 3))
    return (mask[..., None] * front + (1 - mask[..., None]) * back).clip(0, 255).astype(np.uint8)
