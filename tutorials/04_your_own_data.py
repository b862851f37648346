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
# # Your own data: a folder of pictures and NIfTI betas
#
# What you have is a folder of pictures, betas of one subject as NIfTI images (one for each run), tables that say which picture each volume
# belongs to, and an atlas. This tutorial goes from there to the annotated graph and to a map of scores as an image, on the grid of the
# betas.
#
# **Needs** the extra `brain` (nibabel); less than a minute, 2 GiB of memory. The data are simulated here, as files: 30 pictures of shapes, and
# a small brain in which "V1" reads an early operation of a network with random weights and "IT" a late one, with noise, in four runs.
# The numbers say nothing about a real brain; what is right is known. Replace the folder by your own.

# %%
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

import neurolens as nl

FOLDER = Path("own_data")
N_RUNS = 4
EARLY = "features.1/relu"
LATE = "features.10/cat"


def draw_pictures(folder, rng):
    """Thirty pictures of shapes: three kinds, in random colors, sizes and places."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in ("circle", "square", "stripes"):
        for number in range(10):
            picture = Image.new("RGB", (160, 160), tuple(rng.integers(90, 160, 3)))
            pen = ImageDraw.Draw(picture)
            color = tuple(rng.integers(0, 256, 3))
            x, y = rng.integers(20, 80, 2)
            side = int(rng.integers(30, 70))
            if kind == "circle":
                pen.ellipse((x, y, x + side, y + side), fill=color)
            elif kind == "square":
                pen.rectangle((x, y, x + side, y + side), fill=color)
            else:
                for start in range(0, 160, int(rng.integers(8, 24))):
                    pen.line((start, 0, start + side, 160), fill=color, width=5)
            picture.save(folder / f"{kind}{number:02d}.png")


def scan(folder, model, rng):
    """Write betas, tables of events and an atlas of a subject who saw the pictures."""
    stimuli = nl.load_stimuli(folder / "pictures", model=model)
    atlas = np.zeros((10, 12, 8), dtype=np.int16)
    atlas[1:4, 2:10, 1:7] = 1
    atlas[6:9, 2:10, 1:7] = 2
    # Each voxel reads all features of an operation through random weights of its own.
    readout = nl.extract.Project(int((atlas == 1).sum()))
    acts = nl.extract_activations(model, stimuli, ops=[EARLY, LATE], reducer=readout, quiet=True)
    signal = np.zeros((*atlas.shape, len(stimuli)))
    for number, op in ((1, EARLY), (2, LATE)):
        seen = acts[op].activation.values
        signal[atlas == number] = seen.T / seen.std(axis=0).mean()
    affine = np.array([[-3.0, 0, 0, 15], [0, 3, 0, -18], [0, 0, 3, -12], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(atlas, affine), folder / "atlas.nii.gz")
    (folder / "atlas.tsv").write_text("index\tname\n1\tV1\n2\tIT\n")
    for run in range(1, N_RUNS + 1):
        order = rng.permutation(len(stimuli))
        betas = signal[..., order] + 1.5 * rng.normal(size=signal.shape)
        name = folder / f"sub-01_task-shapes_run-{run}"
        nibabel.save(nibabel.Nifti1Image(betas.astype(np.float32), affine), f"{name}_betas.nii.gz")
        shown = [stimuli.ids[k] for k in order]
        table = pd.DataFrame({"onset": 4.0 * np.arange(len(shown)), "trial_type": shown})
        table.to_csv(f"{name}_events.tsv", sep="\t", index=False)


rng = np.random.default_rng(0)
draw_pictures(FOLDER / "pictures", rng)
scan(FOLDER, nl.load_model("torchvision/squeezenet1_1", weights=None, rng=1), rng)
print("data: simulated files; SqueezeNet 1.1 with random weights")
print(*sorted(str(path) for path in FOLDER.glob("*")), sep="\n")

# %% [markdown]
# ## 1. From the files to the graph and a map, in eight lines
#
# `load_model` knows the preprocessing of the model, and `load_stimuli` uses it. `read_responses` reads the voxels of the atlas, names them,
# and takes the stimulus of each volume from the tables (of time series, `nl.brain.estimate_responses` makes responses first, and
# `nl.brain.find_files` finds both in a BIDS dataset). Stimuli are matched by id: the names of the pictures without their suffix, on both
# sides. If they were not the same, an error would say which differ. Then every operation's RDM is compared with that of each region, and two
# of them predict each voxel; the graph carries the scores, and the map the held-out correlations, one volume for each operation.
# (With `weights="pretrained"`, the default, the network is the trained one; random weights make this notebook the same everywhere.)

# %%
betas = sorted(FOLDER.glob("*_betas.nii.gz"))
events = sorted(FOLDER.glob("*_events.tsv"))
atlas = (FOLDER / "atlas.nii.gz", FOLDER / "atlas.tsv")

# %%
model = nl.load_model("torchvision/squeezenet1_1", weights=None, rng=1)
stimuli = nl.load_stimuli(FOLDER / "pictures", model=model)
responses = nl.read_responses(betas, events=events, regions=atlas)
grams = nl.extract_grams(model, stimuli, quiet=True)
scores = nl.compare_rdms(nl.compute_rdms(grams), nl.compute_rdms(responses))
graph = nl.draw_graph(nl.trace(model, stimuli[stimuli.ids[0]][None]), scores=scores)
fit = nl.fit_encoding(grams.sel(op=[EARLY, LATE]), responses, n_splits=0)
path = nl.brain.write_map(fit["r"], FOLDER / "r.nii.gz", like=responses, overwrite=True)

# %%
print(model.identity.describe())
print(f"{path}: {nibabel.load(path).shape}, a volume for each of {fit.sizes['op']} operations")
responses

# %%
stimuli.show(columns=6, n=12)

# %% [markdown]
# ## 2. What the scores say
#
# One subject has no noise ceiling from other subjects. The repeated presentations give one: each half of the runs is compared with the
# other, and the result is corrected for the length of the halves (Spearman-Brown).

# %%
ceilings = nl.compare.compute_split_ceilings(responses, comparator="rho-a")
scores = nl.compare.add_ceilings(scores, ceilings)
best = nl.assign_regions(scores)
for region in ("V1", "IT"):
    here = best.sel(region=region)
    print(
        f"{region}: {here.best_op.item()}, held-out rho-a {here.heldout_mean.item():.2f}, ceiling {scores.ceiling_upper.sel(region=region).item():.2f}"
    )

# %% [markdown]
# V1 reads `features.1/relu` and IT `features.10/cat` in truth. Operations next to these hold nearly the same, and cannot be told from them:
# `indistinguishable` lists the set.

# %%
for region, true_op in (("V1", EARLY), ("IT", LATE)):
    same = best.indistinguishable.sel(region=region)
    print(
        f"{region}: {int(same.sum())} of {same.size} operations cannot be told apart; the true one is among them: {bool(same.sel(op=true_op))}"
    )

# %%
trace = nl.trace(model, stimuli[stimuli.ids[0]][None])
nl.draw_graph(
    trace, scores=scores, best=best, title="SqueezeNet, random weights; a made-up subject"
)

# %%
nl.plot_profile(scores)

# %% [markdown]
# ## 3. A map of scores, as an image
#
# The held-out correlations of an encoding model went back into an image with the affine of the betas, for any program that shows brains.
# Voxels outside the atlas are NaN, and the volumes carry the names of the operations, which `read_map` gives back. Steps between reading
# and fitting are explicit, and say in the data what they did.

# %%
clean = nl.brain.standardize_responses(responses, by="run")
fit = nl.fit_encoding(grams.sel(op=[EARLY, LATE]), clean, n_splits=0)
path = nl.brain.write_map(fit["r"], FOLDER / "r.nii.gz", like=clean, overwrite=True)
again = nl.brain.read_map(path, like=clean)
print(clean.attrs["steps"])
print(f"the numbers are the same when read back: {bool(np.allclose(again, fit['r'], atol=1e-6))}")
again

# %%
print(fit.score.squeeze("subject").to_pandas().round(2).to_string())
late = fit.r.sel(op=LATE, drop=True).rename("held-out r")
nl.view.plot_slices(late, like=clean, slices=4)

# %% [markdown]
# Each region is predicted best by the operation that it reads. The map shows the correlations of the late one: the voxels that it predicts
# are those of "IT", on one side.
#
# ## What was asserted

# %%
assert model.identity.describe().startswith("torchvision/squeezenet1_1")
assert dict(responses.sizes) == {"presentation": 120, "neuroid": 288}
chosen = best.indistinguishable
assert bool(chosen.sel(region="V1", op=EARLY))
assert bool(chosen.sel(region="IT", op=LATE))
assert scores.ceiling_upper.notnull().all()
assert (best.heldout_mean < scores.ceiling_upper).all()
assert np.allclose(again, fit["r"], atol=1e-6)
by_region = fit.score.squeeze("subject").to_pandas()
assert by_region.idxmax().to_dict() == {"IT": LATE, "V1": EARLY}

# %% [markdown]
# ## Where to go next
#
# - [Comparing with fMRI](03_comparing_with_fmri.ipynb): what such scores mean, with real data.
# - [Encoding models and maps on the brain](05_encoding_and_maps.ipynb): what is held out, noise ceilings of voxels, maps.
# - `nl.read_responses` reads GIFTI, CIFTI, tables and arrays too, and `nl.brain` epochs of MNE-Python, spikes, BrainIO assemblies and published
#   RDMs ([README](../README.md)); [graphs and scores for other programs](../docs/exchange.md).
