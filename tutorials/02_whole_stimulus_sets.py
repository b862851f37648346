# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Whole stimulus sets
#
# A network's results for thousands of pictures do not fit into memory. This tutorial goes from one picture to a set: what a run costs, known before
# it starts; what to keep of each result, and what that changes; a store that survives an interruption; and matrices of all operations
# at full size within a memory budget.
#
# **Needs** no extras; about half a minute, 1 GiB of memory. Stimuli: the 92 photographs of Kriegeskorte et al. (2008), fetched on first
# use or taken from the folder that `NEUROLENS_MIRROR` names, as are trained weights of SqueezeNet. Where they cannot be reached, 72 made
# pictures and random weights take their place, and the first line printed says so. The numbers in the text are those of the photographs.

# %%
# %matplotlib inline
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchvision
from matplotlib.figure import Figure
from scipy.stats import spearmanr

import neurolens as nl
from neurolens.errors import DataError

torch.manual_seed(0)
model = torchvision.models.squeezenet1_0(weights=None).eval()
file = Path(os.environ.get("NEUROLENS_MIRROR", ".")) / "weights" / "squeezenet1_0.pth"
weights = "trained" if file.is_file() else "random"
if weights == "trained":
    model.load_state_dict(torch.load(file, weights_only=True))
try:
    shown = {"resize_size": 128, "crop_size": 112}
    transform = torchvision.models.SqueezeNet1_0_Weights.DEFAULT.transforms(**shown)
    stimuli = nl.load_dataset("kriegeskorte2008", quiet=True).stimuli.use_transform(transform)
    source = "92 photographs"
except DataError:
    coarse = torch.randn(72, 3, 14, 14)
    stimuli = nl.load_stimuli(torch.nn.functional.interpolate(coarse, scale_factor=8).numpy())
    source = "72 made pictures"
print(f"data: {source}; SqueezeNet with {weights} weights")

# %% [markdown]
# ## 1. What will it cost?
#
# `nl.forecast` runs a few stimuli and then knows the bytes of every result, how many passes over the stimuli a memory budget asks for, the
# disk, the peak of memory, and about how long it takes. The run itself follows the same plan. A *reducer* says what is kept of each
# result: here all of it, its mean over space, or random projections of it. To be quick, this tutorial shows the pictures at 112 x 112
# pixels, and keeps nine of the network's 66 operations, selected by patterns of their names.

# %%
reducers = {
    "whole": None,
    "mean over space": "mean",
    "512 projections": nl.extract.Project(512),
    "4096 projections": nl.extract.Project(4096),
}
OPS = ["*squeeze*relu*", "*classifier.2/relu"]
forecasts = {
    name: nl.forecast(model, stimuli, ops=OPS, reducer=reducer, batch_size=8, memory="1GiB")
    for name, reducer in reducers.items()
}
print(forecasts["mean over space"].summarize())
pd.Series(
    {name: one.activations.disk_bytes / 2**20 for name, one in forecasts.items()},
    name="MiB of disk",
).round(2)

# %%
figure = Figure(figsize=(7, 3), layout="constrained")
axis = figure.subplots()
for name, one in forecasts.items():
    axis.plot(one.kept_bytes.to_numpy() / len(stimuli) / 1024, "o-", markersize=3, label=name)
axis.set(
    yscale="log",
    ylim=(0.03, 1500),
    xlabel="kept operation, in order of execution",
    ylabel="KiB kept per stimulus",
)
axis.legend(fontsize=8, frameon=False, ncols=4, loc="upper center")
figure

# %% [markdown]
# A row of a forecast is one result: its shape for one stimulus, and what would be kept of it.

# %%
forecasts["mean over space"][["function", "shape", "n_bytes", "kept_shape", "kept_bytes"]].head(4)

# %% [markdown]
# ## 2. A store that survives
#
# With `store=`, every batch is written as it comes, and a batch is there as a whole or not at all. Below, Ctrl-C comes in the fourth batch of
# the run. The message says what is safe, a store that is not complete says so when it is opened, and the same call computes only what is
# missing.

# %%
batches = []


class Impatient(torch.nn.Module):
    """The model, and somebody who presses Ctrl-C during a batch of a whole run."""

    def __init__(self, model, stop):
        super().__init__()
        self.model = model
        self.stop = stop

    def forward(self, x):
        if len(x) == settings["batch_size"]:
            batches.append(len(x))
            if len(batches) == self.stop:
                raise KeyboardInterrupt
        return self.model(x)


settings = {"ops": OPS, "reducer": ["mean", "float16"], "batch_size": 8, "quiet": True}
impatient = Impatient(model, stop=5)  # the first batch of this size plans the run
try:
    nl.extract_activations(impatient, stimuli, store="acts.zarr", **settings)
except KeyboardInterrupt as interrupt:
    print(interrupt.__notes__[0].replace(str(Path.cwd()), "."))
try:
    nl.open_activations("acts.zarr")
except DataError as error:
    unfinished = str(error).replace(str(Path.cwd()), ".")
print(unfinished)

# %%
activations = nl.extract_activations(impatient, stimuli, store="acts.zarr", **settings)
activations["model.classifier.2/relu"]["activation"]

# %% [markdown]
# What came back is read from the store when it is used. A store knows how it was made: asked for anything else, such as another reducer, it says
# what differs instead of mixing the two.

# %%
try:
    nl.extract_activations(impatient, stimuli, store="acts.zarr", **(settings | {"reducer": "max"}))
except DataError as error:
    refused = str(error).replace(str(Path.cwd()), ".")
print(refused)

# %% [markdown]
# ## 3. All operations at full size, within a budget
#
# RDMs, CKA and ridge regression need only one stimulus-by-stimulus matrix per operation: the inner products of its results for each pair
# of stimuli, called its Gram matrix. `nl.extract_grams` computes those of all operations at full size, without storing activations. If
# the results of all stimuli do not fit into the budget, it runs the stimuli through the network more than once. The result is the same, bit for bit,
# from 128 MiB on; below that, results are the same but for rounding.

# %%
ask = {"ops": "*relu*", "batch_size": 8, "quiet": True}
grams = nl.extract_grams(model, stimuli, memory="1GiB", **ask)
thrifty = nl.extract_grams(model, stimuli, memory="160MiB", **ask)
same = bool((grams.gram == thrifty.gram).all())
print(f"{grams.n_passes} pass or {thrifty.n_passes} passes, the same Gram matrices: {same}")

# %% [markdown]
# ## 4. What a reducer changes
#
# A mean over space keeps what is in the picture and drops where it is. Random projections keep all features a little. How much does either
# change the RDM of an operation? The figure shows the rank correlation of the RDM at full size with that of what was kept, for two
# measures of dissimilarity: one minus the correlation of two patterns, and their euclidean distance.

# %%
kept = {"mean over space": activations}
for name in ("512 projections", "4096 projections"):
    kept[name] = nl.extract_activations(
        model, stimuli, ops=OPS, reducer=reducers[name], batch_size=8, quiet=True
    )
full = grams.sel(op=list(forecasts["whole"].index))
pairs = np.triu_indices(len(stimuli), 1)
agreement = {}
warned = {}
for metric in ("correlation", "euclidean"):
    wanted = nl.compute_rdms(full, metric=metric).values
    for name, data in kept.items():
        with warnings.catch_warnings(record=True) as warned[metric, name]:
            warnings.simplefilter("always")
            found = nl.compute_rdms(data, metric=metric).values
        agreement[metric, name] = [
            spearmanr(a[pairs], b[pairs]).statistic for a, b in zip(wanted, found, strict=True)
        ]
agreement = pd.DataFrame(agreement, index=full.op.values)
figure = Figure(figsize=(8, 3), layout="constrained")
axes = figure.subplots(1, 2, sharey=True)
for axis, metric in zip(axes, ("correlation", "euclidean"), strict=True):
    for name in kept:
        axis.plot(agreement[metric, name].to_numpy(), "o-", markersize=3, label=name)
    axis.set(title=f"{metric} distance", xlabel="kept operation, in order", ylim=(0, 1.02))
axes[0].set_ylabel("rank correlation with\nthe RDM at full size")
axes[0].legend(fontsize=8, frameon=False)
figure

# %% [markdown]
# `compute_rdms` warned of two of these six, and why:

# %%
for (metric, name), found in warned.items():
    for one in found:
        print(f"{name}, {metric}: {one.message}"[:110], "...")

# %% [markdown]
# The means over operations:

# %%
means = agreement.mean().unstack(level=0)
means.round(2)

# %% [markdown]
# **Random projections keep euclidean distances**, with 512 of them nearly perfectly. They do not keep correlation distances, for which the mean of each
# pattern over its features is subtracted first: a projection does not know that mean. Use `metric="euclidean"` for what was projected, and
# Gram matrices for correlation distances. The mean over space makes another RDM with either, and nothing that is computed from it later can
# mend that. Whether position should count is a question about the brain region; it is not decided by what is convenient to store.

# %% [markdown]
# ## What was asserted

# %%
disk = {name: one.activations.disk_bytes for name, one in forecasts.items()}
assert disk["mean over space"] < disk["whole"] / 50
assert disk["512 projections"] < disk["4096 projections"] < disk["whole"]
assert "batches are done" in unfinished
assert "reducer" in refused
assert activations["model.classifier.2/relu"]["activation"].dtype == np.float16
assert grams.n_passes == 1 < thrifty.n_passes
assert same
assert [key for key, found in warned.items() if found] == [
    ("correlation", "512 projections"),
    ("correlation", "4096 projections"),
]
projections = means.loc[["512 projections", "4096 projections"]]
assert (means <= 1).all(axis=None)
if source == "92 photographs" and weights == "trained":
    assert (projections.euclidean > 0.9).all()
    assert (projections.correlation < projections.euclidean).all()
    assert projections.round(2).to_dict("list") == {
        "correlation": [0.75, 0.84],
        "euclidean": [0.98, 1.0],
    }
    assert (means.loc["mean over space"] < 0.8).all()

# %% [markdown]
# ## Where to go next
#
# - [Comparing with fMRI](03_comparing_with_fmri.ipynb): what the RDMs of these 92 photographs say about two regions.
# - [What large sets cost](../docs/scale.md): passes, hours and disk for 73,000 pictures and ten networks. With `client=`, the same calls divide
#   batches and operations among the workers of a `dask.distributed` client.
# - [Every row is its stimulus](../docs/rows.md): operations that mix the stimuli of a batch are found and left out.
