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
# # Two models, no brain
#
# How similar are the operations of two networks? CKA, Procrustes and RSA answer with a number for each pair of operations. This notebook makes
# these tables, and shows what the numbers do not say: with few stimuli some measures are large for representations that have nothing in
# common, and a best match is not a correspondence of layers.
#
# **Needs**: no brain data and no extras; half a minute and 3 GiB of memory. With `NEUROLENS_MIRROR` set to a folder that holds the
# 92 photographs of Kriegeskorte et al. (2008) and weights of SqueezeNet, or with a network connection for the photographs, it analyzes those;
# otherwise drawn pictures and random weights, and says so. The numbers in the text are those of the photographs and trained weights.

# %%
import os
from pathlib import Path

import matplotlib_inline.backend_inline
import numpy as np
import pandas as pd
import torch
import torchvision
import xarray as xr
from matplotlib.figure import Figure

import neurolens as nl
from neurolens.errors import DataError, NeuroLensError

matplotlib_inline.backend_inline.set_matplotlib_formats("png")
SEED = 0
OPS = "*relu*"


def make_network(name, weights=None, seed=SEED):
    """A network of torchvision with random weights, or those of a file."""
    torch.manual_seed(seed)
    model = getattr(torchvision.models, name)(weights=None).eval()
    if weights is not None:
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return model


file = Path(os.environ.get("NEUROLENS_MIRROR", "."), "weights", "squeezenet1_0.pth")
try:
    stimuli = nl.load_dataset("kriegeskorte2008", quiet=True).stimuli
    transform = torchvision.models.SqueezeNet1_0_Weights.DEFAULT.transforms()
    stimuli = stimuli.use_transform(transform)
    source = f"{len(stimuli)} photographs"
except DataError:
    stimuli = nl.load_dataset("planted", n_subjects=1, n_voxels=2).stimuli
    source = f"{len(stimuli)} drawn pictures"
weights = "trained" if file.is_file() else "random"
print(f"data: {source}; {weights} weights of SqueezeNet, random weights of the others")

# %% [markdown]
# ## 1. Every operation against every operation
#
# One Gram (stimulus by stimulus) for each operation of each network is all that is needed: `compare_models` takes two sets of them and returns
# a table of operation by operation. Stimuli are matched by id.
#
# Here: SqueezeNet, trained on ImageNet, in rows, and a ResNet-18 with random weights in columns. The measure is unbiased CKA: 1
# for representations that are equal up to rotation and scale, 0 on average for unrelated ones; it may be negative.

# %%
networks = {
    "SqueezeNet": make_network("squeezenet1_0", file if file.is_file() else None, SEED + 1),
    "SqueezeNet, random": make_network("squeezenet1_0"),
    "ResNet-18, random": make_network("resnet18"),
}
grams = {
    name: nl.extract_grams(network, stimuli, ops=OPS, memory="2GiB", batch_size=8, quiet=True)
    for name, network in networks.items()
}
squeezenet = grams["SqueezeNet"]
resnet = grams["ResNet-18, random"]
cka = nl.compare.compare_models(squeezenet, resnet)
nl.view.plot_op_matrix(cka, names=["SqueezeNet", "ResNet-18, random"])

# %% [markdown]
# Up to .80 between a trained and an untrained network: before anything is concluded about learning, remember that both see the same pictures.
# The first convolutions of any network pass on contrasts and mean colors, and representations of the same pictures resemble
# each other for this reason alone.
#
# ## 2. Other measures, other scales
#
# `comparator=` takes unbiased CKA, CKA, Procrustes, linear predictivity and canonical correlations of Grams; given RDMs, it takes the
# comparators of RSA (rho-a by default). Values of different measures are not on one scale: Procrustes similarity is 1 - d²/2 for the
# distance d after the best rotation, and is above .5 for nearly all pairs. What can be compared is the order of the pairs. Here
# the measures agree on it in part: rank correlations with unbiased CKA are .83 (CKA), .79 (RDMs) and .67 (Procrustes).

# %%
pairs = {
    "cka-unbiased": cka,
    "cka": nl.compare.compare_models(squeezenet, resnet, comparator="cka"),
    "procrustes": nl.compare.compare_models(squeezenet, resnet, comparator="procrustes"),
    "RDMs, rho-a": nl.compare.compare_models(nl.compute_rdms(squeezenet), nl.compute_rdms(resnet)),
}
values = pd.DataFrame({name: table.values.ravel() for name, table in pairs.items()})
summary = values.describe().loc[["min", "mean", "max"]].T
summary["rank correlation with cka-unbiased"] = values.corr("spearman")["cka-unbiased"]
summary.round(2)

# %% [markdown]
# ## 3. Few stimuli: how large are values of nothing?
#
# Shuffle the stimuli of one side, and nothing is left in common. A measure should then be near 0. CKA as published is not:
# it grows as features outnumber stimuli, which with networks is always so. With 8 stimuli, CKA between *unrelated* representations is
# .7 and more, with 92 it is still about a quarter; Procrustes similarity is larger still. Unbiased CKA is near 0 at every size.
#
# So use unbiased CKA (the default), and where another measure is wanted, print its value for shuffled stimuli beside it.

# %%
SIZES = (8, 16, 32, len(stimuli))
N_DRAWS = 5
FEW = {"op": slice(None, None, 4)}  # every fourth operation of each network is enough here


def select_stimuli(one, names):
    """Grams of some stimuli, in this order."""
    return one.sel(stimulus=names, stimulus_2=names)


def rename_stimuli(one, names):
    """The same Grams under other names: the correspondence is lost."""
    return one.assign_coords(stimulus=names, stimulus_2=names)


rng = np.random.default_rng(SEED)
ids = np.array(stimuli.ids, dtype=object)
found = []
for size in SIZES:
    for _ in range(N_DRAWS):
        names = rng.choice(ids, size, replace=False)
        a = select_stimuli(squeezenet.isel(FEW), names)
        b = select_stimuli(resnet.isel(FEW), names)
        shuffled = rename_stimuli(b, rng.permutation(names))
        for measure in ("cka", "cka-unbiased", "procrustes"):
            for kind, other in (("same stimuli", b), ("shuffled", shuffled)):
                mean = nl.compare.compare_models(a, other, comparator=measure).mean().item()
                found.append({"n": size, "measure": measure, "stimuli": kind, "mean": mean})
by_size = pd.DataFrame(found).groupby(["measure", "stimuli", "n"])["mean"].mean().unstack("n")
by_size.round(2)

# %%
figure = Figure(figsize=(8, 2.8), layout="constrained")
for axis, measure in zip(
    figure.subplots(1, 3, sharey=True), ("cka", "procrustes", "cka-unbiased"), strict=True
):
    for kind, color in (("same stimuli", "C0"), ("shuffled", "C3")):
        axis.plot(SIZES, by_size.loc[measure, kind], "o-", color=color, label=kind)
    axis.axhline(0, color="0.7", zorder=0)
    axis.set(title=measure, xlabel="number of stimuli", ylim=(-0.15, 1.05))
figure.axes[0].set_ylabel("mean over pairs of operations")
figure.axes[0].legend(fontsize=8)
figure

# %% [markdown]
# ## 4. Is a best match a correspondence?
#
# For each operation of SqueezeNet: which operation of ResNet-18 is most similar to it? If layers corresponded, the best match would be deeper
# for deeper operations. It is not: operations early and late have the same best match, one of three early ReLUs of the random
# network, whose representation is still close to the pictures. The maximum of each row always exists; whether it
# means anything must be asked of the whole table.
#
# The same holds for one architecture with and without training: the most similar operation is rarely the one at the same place.


# %%
def match_depths(table):
    """Depth of each operation, from 0 to 1, and that of its best match."""
    matches = table.argmax("op_2").values / (table.sizes["op_2"] - 1)
    return pd.DataFrame({"depth": np.linspace(0, 1, table.sizes["op"]), "match": matches})


untrained = grams["SqueezeNet, random"]
same_kind = nl.compare.compare_models(squeezenet, untrained)
matches = {
    "ResNet-18, random": match_depths(cka),
    "SqueezeNet, random": match_depths(same_kind),
}
figure = Figure(figsize=(7, 3.2), layout="constrained")
for axis, (name, depths) in zip(figure.subplots(1, 2, sharey=True), matches.items(), strict=True):
    axis.plot([0, 1], [0, 1], color="0.7", zorder=0)
    axis.plot(depths.depth, depths.match, "o", markersize=4)
    axis.set(title=f"best match in {name}", xlabel="depth in SqueezeNet")
figure.axes[0].set_ylabel("depth of best match")
figure

# %%
at_same_place = (matches["SqueezeNet, random"].diff(axis=1).match.abs() < 1e-9).mean()
n_matched = matches["ResNet-18, random"].match.nunique()
print(f"operations of ResNet-18 that are a best match: {n_matched} of {cka.sizes['op_2']}")
print(f"best match at the same place of the same architecture: {at_same_place:.0%}")

# %% [markdown]
# ## 5. What learning changed
#
# With one architecture there is a correspondence by construction: the operation at the same place. Its similarity before and after training
# says how much training changed it; here it falls from .9 at the first ReLU to below .3 at the last.
#
# Beside it: the similarity of each operation to the pixels. A network whose operations resemble the pixels less and less with depth also
# resembles *any other* network less and less, without learning anything alike.

# %%
pixels = xr.DataArray(
    stimuli.read_rows(range(len(stimuli))).flatten(1).numpy(),
    dims=("stimulus", "neuroid"),
    coords={"stimulus": list(stimuli.ids)},
)
pixel_gram = nl.compare.compute_grams(pixels).expand_dims(op=["pixels"])
profile = pd.DataFrame(
    {
        "trained against random": np.diag(same_kind),
        "trained against pixels": nl.compare.compare_models(squeezenet, pixel_gram).values[:, 0],
        "random against pixels": nl.compare.compare_models(untrained, pixel_gram).values[:, 0],
    },
    index=squeezenet.op.values,
)
figure = Figure(figsize=(7, 3), layout="constrained")
axis = figure.subplots()
for name, column in profile.items():
    axis.plot(column.to_numpy(), "o-", markersize=3, label=name)
axis.set(
    xlabel="operation of SqueezeNet, in order of execution", ylabel="unbiased CKA", ylim=(0, 1)
)
axis.legend(fontsize=8)
figure

# %% [markdown]
# ## 6. How sure?
#
# `compare_models` gives numbers without intervals. Whether a table would be the same with other pictures can be asked by halves: here the two tables
# of two halves of the stimuli are correlated over their pairs. Large differences between pairs repeat; small ones need not.

# %%
order = rng.permutation(ids)
halves = [
    nl.compare.compare_models(
        select_stimuli(squeezenet, half), select_stimuli(resnet, half)
    ).values.ravel()
    for half in (order[: len(ids) // 2], order[len(ids) // 2 :])
]
agreement = np.corrcoef(halves)[0, 1]
difference = np.abs(halves[0] - halves[1]).mean()
print(f"halves of the stimuli: r = {agreement:.2f}, mean difference {difference:.2f}")

# %% [markdown]
# *Which of two networks is better* cannot be asked without something to predict. `compare_choices`, `compare_ops` and `assign_regions` ask for scores
# against brain data, with their ceilings and halves; a table of operation by operation is refused:

# %%
try:
    nl.compare.compare_choices({"trained": cka, "random": same_kind})
except NeuroLensError as error:
    refused = str(error)
print(refused)

# %% [markdown]
# ## What was asserted
#
# The statements of the text, checked. Those on sizes hold for the photographs and trained weights.

# %%
assert cka.sizes["op"] == squeezenet.sizes["op"]
assert by_size.loc[("cka-unbiased", "shuffled"), len(stimuli)] < 0.1
assert (by_size.loc[("cka", "shuffled")] > by_size.loc[("cka-unbiased", "shuffled")]).all()
assert (by_size.loc[("procrustes", "shuffled")] > by_size.loc[("cka", "shuffled")]).all()
assert "compare_models" in refused or "scores" in refused
if source == "92 photographs" and weights == "trained":
    assert abs(summary.loc["cka-unbiased", "max"] - 0.8) < 0.015
    ranks = summary["rank correlation with cka-unbiased"]
    assert np.allclose(ranks[["cka", "RDMs, rho-a", "procrustes"]], [0.83, 0.79, 0.67], atol=0.015)
    assert summary.loc["procrustes", "min"] > 0.5
    assert (by_size.loc[("cka-unbiased", "shuffled")].abs() < 0.15).all()
    assert by_size.loc[("cka", "shuffled")].is_monotonic_decreasing
    assert by_size.loc[("cka", "shuffled"), 8] > 0.7
    assert at_same_place < 0.2
    assert 0.2 < by_size.loc[("cka", "shuffled"), 92] < 0.3
    assert n_matched == 3
    assert matches["ResNet-18, random"].match.max() < 0.5
    assert profile["trained against random"].iloc[0] > 0.85
    assert profile["trained against random"].iloc[-1] < 0.3
    assert agreement > 0.8

# %% [markdown]
# ## Where to go next
#
# - [Comparing with fMRI](03_comparing_with_fmri.ipynb): two networks compared by how well they fit a brain region.
# - [A big set on a cluster](08_big_set_on_a_cluster.ipynb): Grams of many stimuli.
# - [Plots](../docs/plots.md): `plot_embedding` draws such a table as points in a plane.
