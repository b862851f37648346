"""A small analysis from a file: a model of two layers, eight pictures, and a simulated brain."""

import numpy as np
import pandas as pd

MODEL = '''\
import torch


def make_model():
    """Return a network of two layers with fixed weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 6)
        )
'''
IDS = [f"s{number:02d}" for number in range(12)]
N_VOXELS = 6


def write_inputs(folder):
    """Write a model, stimuli, responses with two regions and two repeats, and RDMs."""
    rng = np.random.default_rng(0)
    (folder / "my_model.py").write_text(MODEL)
    pictures = rng.normal(size=(len(IDS), 3, 8, 8)).astype(np.float32)
    np.save(folder / "pictures.npy", pictures)
    flat = pictures.reshape(len(IDS), -1)
    signal = flat @ rng.normal(size=(flat.shape[1], N_VOXELS))
    responses = np.concatenate([signal, signal]) + rng.normal(size=(2 * len(IDS), N_VOXELS))
    np.save(folder / "responses.npy", responses)
    shown = [f"stim{number:03d}" for number in range(len(IDS))]
    events = pd.DataFrame({"stimulus_id": shown * 2, "run": [1] * len(IDS) + [2] * len(IDS)})
    events.to_csv(folder / "events.tsv", sep="\t", index=False)
    distances = np.square(signal[:, None] - signal[None]).sum(axis=-1)
    names = pd.Index(shown)
    pd.DataFrame(distances, index=names, columns=names).to_csv(folder / "rdm.csv")


RSA = """\
[analysis]
title = "small"

[model]
file = "my_model.py"

[stimuli]
source = "pictures.npy"

[brain]
rdms = "rdm.csv"
region_names = "V1"

[compare]
n_bootstrap = 20
n_splits = 4

[report]
page = false
graph = false
profile = false
"""
ENCODING = RSA.replace(
    'rdms = "rdm.csv"\nregion_names = "V1"', 'responses = "responses.npy"\nevents = "events.tsv"'
).replace("n_splits = 4", 'method = "encoding"\ncv = 2\nn_splits = 2\nceiling = true')


def write_analysis(folder, text=RSA, name="analysis.toml"):
    """Write the inputs and the file of an analysis; return the path of the latter."""
    if not (folder / "my_model.py").exists():
        write_inputs(folder)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
