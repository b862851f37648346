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
# # A big set on a cluster
#
# Ten thousand pictures through all operations of a network: what will it take, what should be kept, and how do several machines share
# the work? This notebook plans such a run, and then runs a small one on two worker processes of this machine. The calls are
# those of a run on many machines.
#
# **Needs**: the extra `[cluster]` (dask.distributed); no data, no network connection; one minute and 2 GiB of memory.

# %%
import logging
import os
import tempfile
from pathlib import Path

import dask
import matplotlib_inline.backend_inline
import numpy as np
import pandas as pd
import torch
import torchvision
from dask.distributed import Client, LocalCluster
from matplotlib.figure import Figure
from PIL import Image

import neurolens as nl
from neurolens.errors import DataError

matplotlib_inline.backend_inline.set_matplotlib_formats("png")
torch.manual_seed(0)
network = torchvision.models.alexnet(weights=None).eval()
print("data: random pictures; random weights")

# %% [markdown]
# ## 1. Plan: 10,000 pictures
#
# `nl.forecast` runs a few stimuli, measures what the results of each operation take, and makes the plan that the run itself would follow. It needs the
# set, but reads little of it. So a set that is not there yet can stand in: here an array that claims to hold 10,000 pictures, all
# of them views of one.

# %%
N = 10_000
one = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
claimed = np.broadcast_to(one, (N, *one.shape[1:]))
planned = nl.load_stimuli(claimed, ids=[f"picture{k:05d}" for k in range(N)])
whole = nl.forecast(network, planned, memory="16GiB", batch_size=8)
pooled = nl.forecast(network, planned, reducer="mean", memory="16GiB", batch_size=8)
costs = pd.Series(
    {
        "operations": len(whole),
        "activations, GB": whole.kept_bytes.sum() / 1e9,
        "pooled over space, GB": pooled.kept_bytes.sum() / 1e9,
        "pooled, float16, GB": pooled.kept_bytes.sum() / 2e9,
        "Gram of one operation, GB": 8 * N**2 / 1e9,
        "Grams of all, GB": 8 * N**2 * len(whole) / 1e9,
    }
)
print("Grams within 16 GiB:", "do not fit" if whole.grams is None else "fit")
costs.round(2)

# %% [markdown]
# ## 2. What to keep
#
# - **Activations** grow with the number of stimuli n, and are large: all of AlexNet takes 44 GB, and of the largest network in docs/scale.md nearly a hundred times as much. Hardly anybody needs them whole.
# - **Grams** (stimulus by stimulus, for RDMs, CKA and ridge regression) do not depend on the size of the network, but grow with n²: 0.8 GB
#   for each operation at 10,000 stimuli. At 1,000 they are a hundredth of that.
# - **Reduced activations** grow with n, and with the few numbers kept of each operation: 1.7 GB for all. But pooling over space is a decision about the
#   representation (where something was is lost), unlike a Gram, which is exact.
#
# An operation's Gram is larger than its float32 features once n exceeds half the number of features.
#
# | you want | keep |
# | --- | --- |
# | RDMs, CKA, encoding of up to some thousand stimuli | Grams: exact, nothing else stored |
# | encoding or RDMs of subsets of a large set, chosen later | pooled or projected activations in a store |
# | the values themselves (maps, receptive fields) | few operations whole, `ops=` |
#
# In the first figure, the curves of Grams and of pooled activations cross at about 1,000 stimuli. [What large runs cost](../docs/scale.md) has such numbers for ten networks and up to
# 73,000 images.

# %%
sizes = np.geomspace(100, 100_000, 40)
figure = Figure(figsize=(6, 3.4), layout="constrained")
axis = figure.subplots()
axis.plot(sizes, sizes * costs["activations, GB"] / N, label="activations")
axis.plot(sizes, sizes * costs["pooled over space, GB"] / N, label="pooled over space")
axis.plot(sizes, 8e-9 * sizes**2 * len(whole), label="Grams")
axis.axvline(N, color="0.7", linewidth=1)
crossing = costs["pooled over space, GB"] * 1e9 / N / (8 * len(whole))
axis.set(xscale="log", yscale="log", xlabel="stimuli", ylabel="GB, all operations of AlexNet")
axis.legend(fontsize=8)
figure

# %% [markdown]
# Operation by operation, at 10,000 stimuli: the Gram is smaller than the activations of the large early operations, and larger than those of the small
# late ones, whose activations may be kept whole.

# %%
figure = Figure(figsize=(6, 3), layout="constrained")
axis = figure.subplots()
axis.plot(whole.kept_bytes.to_numpy() / 1e9, "o-", markersize=4, label="activations")
axis.plot(pooled.kept_bytes.to_numpy() / 1e9, "o-", markersize=4, label="pooled over space")
axis.axhline(costs["Gram of one operation, GB"], color="C2", label="Gram")
axis.set(yscale="log", xlabel="operation of AlexNet, in order of execution", ylabel="GB")
axis.legend(fontsize=8)
figure

# %% [markdown]
# ## 3. A small set, and a run without a cluster
#
# A small network and 48 small random pictures as files. Workers read files themselves, so the folder must be one that all of them reach. The
# model writes a line for each of its passes into a log named by the process, to show below who did what.
#
# The run is interrupted after some batches, as by Ctrl-C or a time limit of a queue. What is done stays in the store.

# %%
folder = Path(tempfile.mkdtemp())
(folder / "pictures").mkdir()
(folder / "passes").mkdir()
rng = np.random.default_rng(0)
for k in range(48):
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    coarse.resize((96, 96), Image.Resampling.BICUBIC).save(folder / "pictures" / f"p{k:02d}.png")
stimuli = nl.load_stimuli(folder / "pictures")


class Logged(torch.nn.Module):
    """A network that logs each pass, and is stopped in one of them if so told."""

    def __init__(self, network, log):
        super().__init__()
        self.network = network
        self.log = str(log)

    def forward(self, pictures):
        file = Path(self.log, f"{os.getpid()}.txt")
        with file.open("a") as log:
            log.write(f"{len(pictures)}\n")
        stop = Path(self.log, "stop")
        if stop.is_file() and len(file.read_text().splitlines()) >= int(stop.read_text()):
            stop.unlink()
            raise KeyboardInterrupt
        return self.network(pictures)


def count_passes():
    """Passes of each process since the last call; "here" is the process of this notebook."""
    counts = {}
    for file in sorted((folder / "passes").glob("*.txt")):
        name = "here" if file.stem == str(os.getpid()) else file.stem
        counts[name] = len(file.read_text().splitlines())
        file.unlink()
    return counts


layers = []
for n_in, n_out in ((3, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 64)):
    layers += [torch.nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), torch.nn.ReLU()]
model = Logged(torch.nn.Sequential(*layers).eval(), folder / "passes")
settings = {
    "ops": "*relu*",
    "reducer": "mean",
    "batch_size": 8,
    "quiet": True,
}
torch.set_num_threads(1)
alone = nl.extract_activations(model, stimuli, store=folder / "alone.zarr", **settings)
n_alone = count_passes()["here"]
(folder / "passes" / "stop").write_text(str(n_alone - 3))
try:
    nl.extract_activations(model, stimuli, store=folder / "shared.zarr", **settings)
except KeyboardInterrupt as interrupt:
    print(interrupt.__notes__[0].replace(str(folder), "<folder>"))
try:
    nl.open_activations(folder / "shared.zarr")
except DataError as error:
    unfinished = str(error).replace(str(folder), "<folder>")
print(unfinished)
n_interrupted = count_passes()["here"]

# %% [markdown]
# ## 4. The same store, continued by a cluster
#
# A `LocalCluster` starts worker processes on this machine. Workers must have one thread each: two passes through one model at once would disturb each
# other. The same call with `client=` continues the store: batches that are there are not computed again, the others are divided among the
# workers, each of which writes its batches. If a worker is lost, its batches are run by others.
#
# `with` closes cluster and client, also after an error. `torch.set_num_threads(1)` on the workers makes sums have the same order
# everywhere; without it the last bits may differ between machines of different size.

# %%
dask.config.set({"temporary-directory": str(folder)})
# Workers that take long to stop are told on stderr; that is not of interest here.
logging.getLogger("distributed.nanny").setLevel(logging.CRITICAL)
with (
    LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        silence_logs=logging.CRITICAL,
    ) as cluster,
    Client(cluster) as client,
):
    client.wait_for_workers(2)
    client.run(torch.set_num_threads, 1)
    shared = nl.extract_activations(
        model, stimuli, store=folder / "shared.zarr", client=client, **settings
    )
    store_workers = set(count_passes()) - {"here"}
    grams = nl.extract_grams(
        model, stimuli, ops="*relu*", memory="1GiB", batch_size=8, client=client, quiet=True
    )
print(f"workers that ran passes for the store: {len(store_workers)}")

# %% [markdown]
# ## 5. The same numbers?
#
# Bit for bit: activations of the run that was interrupted and continued by others are those of the run in one go on one process. So are
# the Grams. If they were not, a result would depend on the queue.
#
# The table of unbiased CKA between all operations is 1 on its diagonal, as it must be.

# %%
names = alone.attrs["ops"]
same_activations = all(
    np.array_equal(alone[op].activation.values, shared[op].activation.values) for op in names
)
local_grams = nl.extract_grams(model, stimuli, ops="*relu*", batch_size=8, quiet=True)
same_grams = bool((grams.gram == local_grams.gram).all())
print(f"{len(names)} operations; activations equal: {same_activations}; Grams equal: {same_grams}")

# %%
by_op = nl.compare.compare_models(local_grams, grams)
nl.view.plot_op_matrix(by_op, names=["one process", "two workers"])

# %% [markdown]
# A store knows which model, stimuli and settings made it. A call that differs is refused, whoever makes it:

# %%
try:
    nl.extract_activations(
        model, stimuli, store=folder / "shared.zarr", **(settings | {"reducer": "max"})
    )
except DataError as error:
    refused = str(error).replace(str(folder), "<folder>")
print(refused)

# %% [markdown]
# ## 6. On Slurm
#
# `dask_jobqueue` submits the workers as jobs of the queue; everything else stays. The lines below are not run here; names of
# partitions and limits are those of your cluster.
#
# ```python
# from dask.distributed import Client
# from dask_jobqueue import SLURMCluster
#
# cluster = SLURMCluster(
#     queue="gpu", cores=1, processes=1, memory="32GB", walltime="04:00:00",
#     job_extra_directives=["--gres=gpu:1"], worker_extra_args=["--resources", "GPU=1"],
# )
# cluster.scale(jobs=8)
# client = Client(cluster)
# nl.extract_activations(
#     model, stimuli, reducer="mean", store="/shared/acts.zarr", client=client, device="cuda"
# )
# ```
#
# - `cores=1, processes=1`: one thread in each worker, as above. Model and set are sent to each worker once.
# - Pictures and store lie on a disk that all nodes reach.
# - A job that reaches its time limit costs the batches it was computing. When all are gone, type the same call again: it goes on.
# - `client=Cluster(client, {"GPU": 1})` from `neurolens.support.parallel` lets each task take one GPU of a worker that has several.
# - `compute_rdms`, `compare_rdms`, `fit_encoding` and others take `client=` too.

# %% [markdown]
# ## What was asserted
#
# The numbers of the text, checked.

# %%
assert costs["operations"] == 22
assert round(costs["activations, GB"]) == 44
assert round(costs["pooled over space, GB"], 1) == 1.7
assert costs["Gram of one operation, GB"] == 0.8
assert whole.grams is None
assert 900 < crossing < 1100
assert whole.kept_bytes.iloc[0] > 8 * N**2 > whole.kept_bytes.iloc[-1]
assert "of 6 batches are done" in unfinished
assert n_interrupted < n_alone
assert len(store_workers) == 2
assert np.allclose(np.diag(by_op), 1)
assert same_activations
assert same_grams
assert "reducer" in refused

# %% [markdown]
# ## Where to go next
#
# - [What large runs cost](../docs/scale.md): passes, hours and disk for 73,000 images and ten networks.
# - [Whole stimulus sets](02_whole_stimulus_sets.ipynb): forecasts, stores and budgets on one machine.
# - [Writing a recipe](09_writing_a_recipe.ipynb): the data set that goes with the stimuli.
