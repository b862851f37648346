"""Simulated stimuli, brains and networks.

Stimuli are random points. A subject reads them through weights and noise of its own; an op reads
them, or others, through fixed weights; neighbouring ops share most of their variance, as in a
network. Every run draws new stimuli and new subjects, so that error rates and coverage are those
over both.
"""

import numpy as np
import xarray as xr

N_STIMULI = 24
N_SUBJECTS = 6
N_OPS = 12
N_FEATURES = 8
REGIONS = ["V1", "IT"]
# Encoding: stimuli and neuroids of the null and of the choice.
N_SHOWN = 36
N_NEUROIDS = 8


def label_rdms(points: np.ndarray, **labels: list[str]) -> xr.DataArray:
    """Return squared euclidean RDMs of ``points`` (..., stimulus, feature)."""
    power = (points**2).sum(axis=-1)
    squares = power[..., :, None] + power[..., None, :] - 2 * points @ np.swapaxes(points, -1, -2)
    squares = np.maximum(squares, 0) * (1 - np.eye(points.shape[-2]))
    ids = [f"s{i}" for i in range(points.shape[-2])]
    coords = {**labels, "stimulus": ids, "stimulus_2": ids}
    return xr.DataArray(squares, dims=tuple(coords), coords=coords)


def read_points(rng: np.random.Generator, points: np.ndarray, noise: float) -> np.ndarray:
    """Return ``points`` (stimulus, feature) through random weights, with noise."""
    seen = points @ rng.normal(size=(points.shape[1], N_FEATURES)) / np.sqrt(points.shape[1])
    return seen + noise * rng.normal(size=seen.shape)


def build_brain(
    rng: np.random.Generator,
    points: list[np.ndarray],
    n_subjects: int = N_SUBJECTS,
    noise: np.ndarray | None = None,
) -> xr.DataArray:
    """Return RDMs (region, subject) of one set of points per region.

    ``noise`` (subject,) is 1 unless given.
    """
    size = np.ones(n_subjects) if noise is None else noise
    seen = []
    for here in points:
        seen.append([read_points(rng, here, each) for each in size])
    return label_rdms(
        np.array(seen), region=REGIONS[: len(points)], subject=[f"S{i}" for i in range(n_subjects)]
    )


def build_same_brain(
    rng: np.random.Generator, points: np.ndarray, n_subjects: int = N_SUBJECTS
) -> xr.DataArray:
    """Return RDMs of ``points`` in subjects who are the same in every run; noise is not."""
    subjects = np.random.default_rng(5)
    seen = []
    for _ in range(n_subjects):
        weights = subjects.normal(size=(points.shape[1], N_FEATURES)) / np.sqrt(points.shape[1])
        seen.append(points @ weights + rng.normal(size=(len(points), N_FEATURES)))
    names = [f"S{i}" for i in range(n_subjects)]
    return label_rdms(np.array([seen]), region=REGIONS[:1], subject=names)


def build_network(rng: np.random.Generator, n_ops: int = N_OPS) -> xr.DataArray:
    """Return RDMs of ops that are unrelated to any brain, each similar to the one before."""
    layer = rng.normal(size=(N_STIMULI, N_FEATURES))
    layers = []
    for _ in range(n_ops):
        layer = 0.8 * layer + 0.6 * rng.normal(size=layer.shape)
        layers.append(layer)
    return label_rdms(np.array(layers), op=[f"op{i}" for i in range(n_ops)])


def build_encoding(
    rng: np.random.Generator, layers: np.ndarray, signal: np.ndarray
) -> tuple[xr.Dataset, xr.DataArray]:
    """Return Grams of ``layers`` (op, stimulus, feature) and noisy responses (stimulus, neuroid).

    Responses are of two regions. Neuroids share some noise, as those of a region do.
    """
    n, v = signal.shape
    ids, ops = [f"s{i}" for i in range(n)], [f"op{i}" for i in range(len(layers))]
    noise = rng.normal(size=signal.shape) + 0.5 * rng.normal(size=(n, 1))
    coords = {"stimulus": ids, "region": ("neuroid", np.repeat(REGIONS, v // 2))}
    responses = xr.DataArray(signal + noise, dims=("stimulus", "neuroid"), coords=coords)
    dims = ("op", "stimulus", "stimulus_2")
    gram = xr.DataArray(
        layers @ np.swapaxes(layers, 1, 2),
        dims=dims,
        coords=dict(zip(dims, (ops, ids, ids), strict=True)),
    )
    return gram.to_dataset(name="gram"), responses


def show_once(responses: xr.DataArray) -> xr.DataArray:
    """Return ``responses`` (stimulus, neuroid) as presentations, in the order of their rows."""
    ids = responses.stimulus.values
    shown = responses.drop_vars("stimulus").rename(stimulus="presentation")
    return shown.assign_coords(stimulus_id=("presentation", ids))


def build_halves(rng: np.random.Generator, points: np.ndarray) -> xr.DataArray:
    """Return RDMs of two ops, each of which reads one half of what the brain reads, ``points``.

    Which fits the brain better is chance: they fit it equally well.
    """
    half = points.shape[1] // 2
    weights = np.random.default_rng(0).normal(size=(half, N_FEATURES))
    sides = [
        side @ weights + 0.3 * rng.normal(size=(len(points), N_FEATURES))
        for side in (points[:, :half], points[:, half:])
    ]
    return label_rdms(np.array(sides), op=["a", "b"])
