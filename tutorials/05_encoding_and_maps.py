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
# # Encoding models and maps on the brain
#
# An encoding model predicts the response of each voxel from features of the stimulus, here from the result of an operation of a network. It is
# fitted to some stimuli and scored on others. This tutorial fits one, asks how good it could be, shows how the score depends on what is
# held out, and writes numbers of voxels back to where the voxels are.
#
# **Needs** the extra `brain` (nibabel); less than a minute, 1 GiB of memory. Data: 20 simple figures with 967 voxels of one subject's visual
# cortex (Miyawaki et al. 2008), and half a slice of a subject of Haxby et al. (2001). They are fetched on first use, or taken from the folder
# that `NEUROLENS_MIRROR` names, as are trained weights of SqueezeNet. What cannot be reached is simulated, and the first line printed
# says so. The numbers in the text are those of the real data.

# %%
# %matplotlib inline
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchvision
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

import neurolens as nl
from neurolens.errors import DataError

RUNS = {"A": [21, 22, 23, 24], "B": [25, 26], "C": [27, 28], "D": [29, 30, 31, 32]}


def simulate_figures(rng):
    """Twenty figures in four sets that were shown in runs of their own; voxels see few pixels."""
    likely = np.where(rng.random((4, 7, 7)) < 0.4, 0.8, 0.2)  # figures of a set are alike
    coarse = rng.random((20, 7, 7)) < np.repeat(likely, 5, axis=0)
    pixels = np.kron(coarse, np.ones((4, 4)))
    pictures = [Image.fromarray((255 * one).astype(np.uint8)) for one in pixels]
    fields = rng.random((300, 28 * 28)) < 0.01
    signal = pixels.reshape(20, -1) @ fields.T
    shown = [
        (figure, number)
        for place, numbers in enumerate(RUNS.values())
        for number in numbers
        for figure in 2 * list(range(5 * place, 5 * place + 5))
    ]
    rng.shuffle(shown)
    index = np.array([figure for figure, _ in shown])
    noise = rng.normal(size=(len(index), 300)) * signal.std(axis=0)
    names = np.array([f"figure-{number + 1:02d}" for number in range(20)], dtype=object)
    responses = xr.DataArray(
        signal[index] + noise,
        dims=("presentation", "neuroid"),
        coords={
            "stimulus_id": ("presentation", names[index]),
            "run": ("presentation", [number for _, number in shown]),
            "neuroid_id": ("neuroid", np.array([f"voxel-{k:03d}" for k in range(300)], object)),
        },
    )
    return nl.load_stimuli(pictures, ids=list(names)), responses


def simulate_slice(rng):
    """A slice of 12 x 10 voxels in 12 runs; only its left half tells eight categories apart."""
    names = "bottle cat chair face house scissors scrambled shoe".split()
    signal = rng.normal(size=(12, 10, 1, 8)) * (np.arange(12) < 6)[:, None, None, None]
    betas = np.concatenate([signal + 2 * rng.normal(size=signal.shape) for _ in range(12)], axis=3)
    import nibabel

    path = Path("slice.nii.gz")
    nibabel.save(nibabel.Nifti1Image(betas.astype(np.float32), np.diag([3.0, 3, 3, 1])), path)
    table = pd.DataFrame({"stimulus_id": names * 12, "run": np.repeat(np.arange(12), 8)})
    return nl.read_responses(path, events=table, mask=np.ones(signal.shape[:3]))


rng = np.random.default_rng(0)
try:
    figures = nl.load_dataset("miyawaki2008_figures", quiet=True)
    stimuli = figures.stimuli
    responses = figures.responses
    source = "Miyawaki et al. (2008)"
except DataError:
    stimuli, responses = simulate_figures(rng)
    source = "simulated figures"
try:
    slice_responses = nl.load_dataset("haxby2001_slice", quiet=True).responses
    slice_source = "Haxby et al. (2001)"
except DataError:
    slice_responses = simulate_slice(rng)
    slice_source = "simulated slice"

model = torchvision.models.squeezenet1_0(weights=None).eval()
file = Path(os.environ.get("NEUROLENS_MIRROR", ".")) / "weights" / "squeezenet1_0.pth"
weights = "trained" if file.is_file() else "random"
if weights == "trained":
    model.load_state_dict(torch.load(file, weights_only=True))
print(f"data: {source}; {slice_source}; SqueezeNet with {weights} weights")
print(f"{dict(responses.sizes)}, {len(stimuli)} figures")

# %% [markdown]
# ## 1. How well could any model do?
#
# A figure was shown four to eight times. What differs between its presentations is noise to a model that sees only the figure. From it
# follows for each voxel the share of the variance of the mean response that repeats: its noise ceiling. A correlation with the mean
# response can reach the root of that share.

# %%
ncsnr = nl.compare.compute_ncsnr(responses)
share = ncsnr**2 / (ncsnr**2 + ncsnr.attrs["inverse_repeats"])
figure = Figure(figsize=(6, 2.4), layout="constrained")
axis = figure.subplots()
axis.hist(share, bins=40, range=(0, 1))
axis.axvline(0.6, color="0.3", linewidth=1)
axis.set(xlabel="share of variance that repeats", ylabel="voxels", title="Noise ceilings")
figure

# %% [markdown]
# Half of the voxels, 482, lie above .6; the rest of the tutorial is about these. They are chosen by their noise alone and not by any model. Such
# a choice is part of the result: scores of chosen voxels are higher than scores of all.

# %%
good = (share > 0.6).values
responses = responses.isel(neuroid=good)
ncsnr = ncsnr.isel(neuroid=good)
print(f"{good.sum()} of {good.size} voxels")

# %% [markdown]
# ## 2. Fit and score
#
# `nl.extract_grams` computes what ridge regression needs of every ReLU, and `nl.fit_encoding` fits each of them to all voxels, with a penalty of its
# own for each voxel, and predicts figures that were held out: four of the 20 at a time. As a model to compare with, the 784 pixels themselves.

# %%
transform = torchvision.models.SqueezeNet1_0_Weights.DEFAULT.transforms()
grams = nl.extract_grams(model, stimuli.use_transform(transform), ops="*relu*", quiet=True)
pixels = xr.DataArray(
    stimuli.use_transform(pil_to_tensor).read_rows(range(20))[:, 0].double().numpy(),
    dims=("stimulus", "y", "x"),
    coords={"stimulus": list(stimuli.ids)},
)
lowest = -3 if weights == "trained" else -9  # features of random weights are smaller
settings = {"ceiling": ncsnr, "alphas": 10.0 ** np.arange(lowest, 13)}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    random_folds = nl.fit_encoding(grams, responses, cv=5, select="loo", **settings)
    pixels_random = nl.fit_encoding(pixels, responses, cv=5, select="loo", **settings)
for one in caught[:1]:
    print(one.message)

# %% [markdown]
# The warning is about these data. The figures were shown in four sets of five, each set in runs of its own, and figures of a set resemble each
# other. If figures are held out at random, the model is fitted to others of the same set and the same runs. Whole sets held out ask for more:

# %%
by_set = nl.fit_encoding(grams, responses, cv="run", select="folds", **settings)
pixels_by_set = nl.fit_encoding(pixels, responses, cv="run", select="folds", **settings)


def read_scores(scores):
    """Return the mean score over voxels of each operation."""
    return scores.score_mean.squeeze("region").to_series()


figure = Figure(figsize=(8, 3), layout="constrained")
axis = figure.subplots()
for color, name, ours, low in (
    ("C0", "figures", random_folds, pixels_random),
    ("C1", "whole sets", by_set, pixels_by_set),
):
    axis.plot(read_scores(ours).to_numpy(), "o-", color=color, label=f"{name} held out")
    axis.axhline(low.score_mean.item(), color=color, linestyle=":", label=f"{name}: pixels")
axis.set(xlabel="ReLU, in order of execution", ylabel="mean r over voxels", ylim=(0, 1))
axis.axhline(random_folds.ceiling_upper.item(), color="0.3", label="noise ceiling")
axis.legend(fontsize=8, frameon=False, ncols=3)
figure

# %% [markdown]
# The score of the first ReLU falls from .61 to .47, and the order of operations hardly changes: earlier ones predict better. Neither number is
# wrong. They answer different questions, and only the second one is about figures of another kind. Both lie well below the ceiling of .91. And
# **pixels predict as well as the best operation**, so nothing here says that these voxels represent what the network computes.

# %% [markdown]
# ## 3. The best of many, honestly
#
# The largest of 26 scores is large partly by luck. To score the choice, it is made on three sets, by `nl.fit_encoding` within them, and
# scored on the fourth, by `nl.compare.fit_test_sets`, which fits training stimuli and scores named test sets. Its interval is over the test
# stimuli, of which there are five: it says how little five figures can tell.

# %%
name_of_run = {run: name for name, runs in RUNS.items() for run in runs}
shown = zip(responses.stimulus_id.values, responses.run.values, strict=True)
sets = {one: name_of_run[run] for one, run in shown}
rows = {}
for name in RUNS:
    inside = [one for one in stimuli.ids if sets[one] != name]
    training = responses.isel(presentation=responses.stimulus_id.isin(inside).values)
    part = grams.sel(stimulus=inside, stimulus_2=inside)
    chosen = read_scores(nl.fit_encoding(part, training, cv="run", select="folds", **settings))
    split = {"split": sets, "test": name, "by": "run"}
    tested = nl.compare.fit_test_sets(
        grams.sel(op=[chosen.idxmax()]), responses, **split, **settings
    )
    low = nl.compare.fit_test_sets(pixels, responses, **split, **settings)
    rows[name] = {
        "chosen on the others": chosen.idxmax(),
        "there": chosen.max(),
        "r in this set": tested[name].score.item(),
        "low": tested[name].ci_low.item(),
        "high": tested[name].ci_high.item(),
        "pixels": low[name].score.item(),
    }
honest = pd.DataFrame(rows).T.infer_objects()
honest.round(2)

# %% [markdown]
# ## 4. Voxel by voxel
#
# Each point is a voxel: its held-out correlation, with whole sets held out, against the root of its ceiling. Voxels on the line would be
# predicted as well as their noise allows; that a few lie above it shows that both are estimates, from 20 figures.

# %%
r = by_set.r.sel(op=read_scores(by_set).idxmax())
limit = np.sqrt(share[good])
figure = Figure(figsize=(3.6, 3.4), layout="constrained")
axis = figure.subplots()
axis.plot(limit, r, "o", markersize=2)
axis.plot([0.75, 1], [0.75, 1], color="0.3", linewidth=1)
axis.set(xlabel="largest possible r", ylabel="held-out r", ylim=(None, 1))
figure

# %% [markdown]
# ## 5. A map on the brain
#
# Where these voxels lie was not published. The second data set has the places of its voxels: 530 of half a slice, in which eight categories were
# shown once in each of 12 runs. There are no pictures, so the features are the categories themselves. The model is fitted to the even runs and
# scored on the odd ones: it predicts for each category what it evoked in other runs. Presentations are named by category and half, since
# training and test stimuli need different names.

# %%
half = np.where(slice_responses.run.values % 2 == 0, "even", "odd")
named = [
    f"{name} {part}" for name, part in zip(slice_responses.stimulus_id.values, half, strict=True)
]
renamed = slice_responses.assign_coords(stimulus_id=("presentation", np.array(named, dtype=object)))
labels = sorted(set(named))
kinds = sorted({label.rsplit(" ", 1)[0] for label in labels})
features = xr.DataArray(
    np.array([[float(label.rsplit(" ", 1)[0] == kind) for kind in kinds] for label in labels]),
    dims=("stimulus", "feature"),
    coords={"stimulus": labels},
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # no penalty is best for categories: the lowest one
    mapped = nl.compare.fit_test_sets(
        features, renamed, split={label: label.rsplit(" ", 1)[1] for label in labels}, test="odd"
    )["odd"]
nl.view.plot_slices(mapped.r.squeeze("op").rename("r in odd runs"), like=slice_responses)

# %% [markdown]
# The color is the correlation, over eight categories, of what was predicted with what was measured. Over eight values of noise, correlations spread
# with a standard deviation of .38 around 0, so single voxels of .5 mean little; the mean over all voxels is .25, where
# 0 is expected without any relation. `nl.brain.write_map` writes any numbers of voxels into an image with the affine of the data, which other programs show too, and
# `nl.brain.read_map` reads them back.

# %%
path = nl.brain.write_map(mapped.r, "r.nii.gz", like=slice_responses, overwrite=True)
back = nl.brain.read_map(path, like=slice_responses)
print(
    f"{path}: {path.stat().st_size / 1000:.0f} kB; read back, largest difference {abs(back.values - mapped.r.values).max():.0e}"
)

# %% [markdown]
# ## 6. What an encoding score does not say
#
# - *That the operation does what the region does.* Ridge regression weights features anew for each voxel, so an operation needs only contain
#   what the voxel responds to; pixels do here. RDMs, which weight all features alike, are stricter ([tutorial 3](03_comparing_with_fmri.ipynb)).
# - *That it holds for other stimuli.* A score is about stimuli like those held out: figures of the same sets, or of others.
# - *That the region is explained.* Compare with the ceiling, and with a model that is too simple to be interesting.
# - *How large an effect is across studies.* Scores depend on the choice of voxels and on the number of presentations.

# %% [markdown]
# ## What was asserted
#
# The numbers of the text for the real data; for simulated data, what was put into them.

# %%
random_scores = read_scores(random_folds)
set_scores = read_scores(by_set)
assert random_scores.max() > set_scores.max()
assert pixels_by_set.score_mean.item() > set_scores.max() - 0.03
assert honest["r in this set"].mean() < 0.95
assert np.allclose(back, mapped.r.values, atol=1e-6)
if source == "Miyawaki et al. (2008)":
    assert good.sum() == 482
    assert good.size == 967
    assert "resemble each other" in str(caught[0].message)
    assert round(random_folds.ceiling_upper.item(), 2) == 0.91
    if weights == "trained":
        assert random_scores.idxmax() == "features.1/relu"
        assert round(random_scores["features.1/relu"], 2) == 0.61
        assert round(set_scores["features.1/relu"], 2) == 0.47
        assert random_scores.corr(set_scores) > 0.9
        assert abs(honest["r in this set"].mean() - honest["pixels"].mean()) < 0.05
if slice_source == "Haxby et al. (2001)":
    assert mapped.r.size == 530
    assert round(mapped.r.mean().item(), 2) == 0.25
else:
    left = slice_responses.index_i.values < 6
    assert mapped.r.squeeze("op").values[left].mean() > 0.3
    assert abs(mapped.r.squeeze("op").values[~left].mean()) < 0.2

# %% [markdown]
# ## Where to go next
#
# - [Your own data](04_your_own_data.ipynb): the same from pictures, NIfTI betas, events and an atlas.
# - [What real data say](../docs/real_data.md): these data with permutations and 20 random foldings, neurons of monkey IT, and more.
# - `nl.compare.fit_banded` and `partition_variance` for several feature spaces, `compute_encoding_weights` for an encoder that can be saved,
#   `compare_predicted` for RDMs of held-out predictions, `nl.view.plot_surface` for maps on a cortical surface.
