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
# # Comparing with fMRI: what a score says, and what it does not
#
# A representational dissimilarity matrix (RDM) says for each pair of stimuli how differently they are represented. A network has one for every
# operation, and a brain region one for every subject; how well they agree is a score. This tutorial computes such scores and asks what
# they mean: how large one could be, how sure it is and over what, what choosing the best of many operations does to it, and what pixels,
# categories and random weights explain as well.
#
# **Needs** no extras; about a minute, 3 GiB of memory. Data: the 92 photographs of Kriegeskorte et al. (2008), with the RDMs of human
# inferior temporal cortex (IT) of four subjects and of early visual cortex (EVA). They are fetched on first use, or taken from the folder that
# `NEUROLENS_MIRROR` names, as are trained weights of SqueezeNet. Where they cannot be reached, a **planted** brain takes their place,
# noisy readouts of operations of the network itself, and the first line printed says so. The text is about the photographs.

# %%
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torchvision
import xarray as xr

import neurolens as nl
from neurolens.errors import DataError

SEED = 0


def make_network(weights):
    """SqueezeNet 1.0 from a file of weights, or with random ones."""
    torch.manual_seed(SEED)
    model = torchvision.models.squeezenet1_0(weights=None).eval()
    if weights is not None:
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return model


mirror = Path(os.environ.get("NEUROLENS_MIRROR", "."))
trained = mirror / "weights" / "squeezenet1_0.pth"
network = make_network(trained if trained.is_file() else None)
try:
    brain = nl.load_dataset("kriegeskorte2008", quiet=True)
    brain_rdms = brain.rdms.sel(region=["EVA", "IT"]).dropna("subject", how="all")
    source = "92 photographs"
except DataError:
    brain = nl.load_dataset("planted", model=network, seed=SEED)
    brain_rdms = nl.compute_rdms(brain.responses)
    source = "planted brain"
weights = "trained" if trained.is_file() else "random"
print(f"data: {source}; SqueezeNet with {weights} weights")

# %%
transform = torchvision.models.SqueezeNet1_0_Weights.DEFAULT.transforms()
stimuli = brain.stimuli.use_transform(transform) if source == "92 photographs" else brain.stimuli
grams = nl.extract_grams(network, stimuli, ops="*relu*", quiet=True)
rdms = nl.compute_rdms(grams)
IT = str(brain_rdms.region.values[-1])
print(
    f"{len(stimuli)} stimuli, {rdms.sizes['op']} operations, regions {', '.join(brain_rdms.region.values)}"
)

# %% [markdown]
# ## 1. Comparators: why rho-a
#
# `compare_rdms` correlates the ranks of dissimilarities. What if a model predicts ties? The simplest theory of IT has two values: 0 between two
# pictures of one category, 1 between two categories. `compute_metadata_rdms` makes such RDMs from a column of metadata.
#
# Spearman's correlation divides by the spread of the model's ranks, and ties make that spread smaller: a model with ties gets a
# better score than one that says more and is right about as much. **rho-a**, the default, is the mean Spearman
# correlation when ties are broken at random: it compares what was predicted. For a model without ties the two are equal. So models with
# and without ties are compared by rho-a.

# %%
category = "category"
categories = nl.compare.compute_metadata_rdms(brain.stimuli.metadata, category)
both = xr.concat([rdms.reset_coords(drop=True), categories], dim="op", join="exact")
rows = {}
for comparator in ("spearman", "rho-a"):
    one = nl.compare_rdms(both, brain_rdms, comparator=comparator, n_bootstrap=0, n_splits=0)
    best_op = one.score_mean.sel(region=IT, op=rdms.op.values).idxmax("op").item()
    rows[comparator] = {
        "categories": one.score_mean.sel(region=IT, op=category).item(),
        "best operation": one.score_mean.sel(region=IT, op=best_op).item(),
        "ceiling, lower": one.ceiling_lower.sel(region=IT).item(),
        "ceiling, upper": one.ceiling_upper.sel(region=IT).item(),
    }
comparators = pd.DataFrame(rows).T
comparators.round(3)

# %% [markdown]
# ## 2. Noise ceilings
#
# No model can predict noise. The upper ceiling is the largest mean score over subjects that *any* RDM can have; the lower one is what the
# mean of the other subjects scores. A perfect model lies between the two, and both are estimates: they have intervals of their own.
#
# Early visual cortex has one RDM, that of the group. One RDM says nothing on how much subjects differ, so there is no ceiling, and the result
# says so instead of drawing one at 1.

# %%
scores = nl.compare_rdms(rdms, brain_rdms, rng=SEED)
print(scores.attrs["ceiling_note"])
nl.plot_profile(scores)

# %% [markdown]
# Is the best operation as good as the noise allows? `compare_ops(..., against="ceiling")` tests each operation's distance to the lower ceiling
# with the same draws. Here even the best operation falls short: something in IT is left to explain. A large p would not say that an operation *is*
# as good as the ceiling, only that these stimuli and subjects cannot tell.

# %%
drawn = nl.compare.bootstrap_rdms(rdms, brain_rdms.sel(region=[IT]), n_bootstrap=300, rng=SEED)
to_ceiling = nl.compare.compare_ops(drawn, against="ceiling")
best_op = drawn.score_mean.sel(region=IT).idxmax("op").item()
gap = to_ceiling.sel(region=IT, op=best_op)
print(f"{best_op}: {gap.difference.item():.2f} from the lower ceiling, p = {gap.p.item():.3f}")

# %% [markdown]
# ## 3. Intervals: over what?
#
# Would other pictures give the same score? Other people? The intervals of `compare_rdms` are over new stimuli, for these subjects; those of `bootstrap_rdms` over both.
# With four subjects the second interval is wider, and only it speaks of people in general. The attributes of a result say which it is, and
# figures and reports print them.

# %%
intervals = {}
for made in (scores, drawn):
    here = made.sel(region=IT, op=best_op)
    intervals[made.attrs["interval_over"]] = [here.mean_ci_low.item(), here.mean_ci_high.item()]
widths = pd.DataFrame(intervals, index=["low", "high"]).T
widths.round(3)

# %% [markdown]
# ## 4. The best of many
#
# The largest of many noisy numbers is large partly by luck. `assign_regions` names the operation that all stimuli choose, and gives as its
# honest score `heldout_mean`: chosen on one half of the pictures, scored on the other. `indistinguishable` is the set of operations
# that these data cannot tell from the best one, all of them at once; report the set, not the winner. Where fewer than half of the halves agree on
# the choice, the result is marked as doubtful.
#
# A network with **random weights** goes through the same choice: what it reaches is due to architecture and pictures, not to learning. In IT
# little is; in early visual cortex random weights reach as much as trained ones, and no less: the score there says nothing on what was learned.

# %%
random_grams = nl.extract_grams(make_network(None), stimuli, ops="*relu*", quiet=True)
control = nl.compare_rdms(nl.compute_rdms(random_grams), brain_rdms, rng=SEED)
untrained = {"random weights": control}
best = nl.assign_regions(scores, control=untrained)
table = best[["best_op", "naive_score", "heldout_mean", "agreement", "doubtful"]].to_dataframe()
table["set"] = best.indistinguishable.sum("op").values
table["random weights"] = best.control_score.isel(control=0).values
table.round(3)

# %%
nl.plot_profile(scores, best=best, control=control)

# %% [markdown]
# ## 5. What else explains it: control RDMs
#
# A score of .3 may be due to something simple that the network and the brain share. Two candidates: the pixels, and the categories. Partial RSA
# scores an operation after what control RDMs explain has been taken out of both sides; it asks for ranks without ties, so the comparator is
# Spearman.

# %%
pixels = stimuli.read_rows(range(len(stimuli))).flatten(1).numpy()
ids = list(stimuli.ids)
pixel_rdm = nl.compute_rdms(
    xr.DataArray(pixels, dims=("stimulus", "feature"), coords={"stimulus": ids})
).expand_dims(op=["pixels"])
controls = {"pixels": pixel_rdm, "categories": categories}
shares = {}
for name, control_rdms in controls.items():
    partial = nl.compare.compare_partial_rdms(
        rdms.sel(op=[best_op]), brain_rdms, control_rdms, n_bootstrap=0, n_splits=0
    )
    shares[f"without {name}"] = partial.score_mean.squeeze("op").to_series()
plain = nl.compare_rdms(
    rdms.sel(op=[best_op]), brain_rdms, comparator="spearman", n_bootstrap=0, n_splits=0
)
shares = pd.DataFrame({"plain": plain.score_mean.squeeze("op").to_series()} | shares)
shares.round(3)

# %% [markdown]
# Pixels take away little of the score in IT, categories some more: part of what this operation shares with IT is which pictures are of one
# kind, and most of it is not. The RDM of the operation, above that of IT:

# %%
nl.plot_rdms(
    rdms,
    ops={IT: best_op},
    brain=brain_rdms.sel(region=[IT]),
    categories=list(brain.stimuli.metadata[category]),
)

# %% [markdown]
# ## 6. The network with its scores, and a report
#
# In the graph, each operation has a cell for each region, colored by the score on all stimuli; a star marks the operation chosen for a region, with
# its held-out score, and ≈ those that cannot be told from it. `nl.write_report` writes one HTML file with this graph, to be explored,
# the scores, intervals, ceilings, methods, references and settings.

# %%
trace = nl.trace(network, stimuli[stimuli.ids[0]][None])
report = nl.write_report(
    "report.html",
    trace=trace,
    scores=scores,
    best=best,
    rdms=rdms,
    control={"random weights": control},
)
print(f"{report}: {report.stat().st_size / 1e6:.1f} MB")
nl.draw_graph(trace, scores=scores, best=best, title=f"SqueezeNet, {weights} weights")

# %% [markdown]
# ## What was asserted
#
# The claims of the text. Those on sizes hold for the photographs and trained weights.

# %%
upper = scores.ceiling_upper.sel(region=IT).item()
assert comparators.loc["spearman", "categories"] > comparators.loc["rho-a", "categories"]
operation = comparators["best operation"]
assert abs(operation["spearman"] - operation["rho-a"]) < 0.01
assert (both.op.values == [*rdms.op.values, category]).all()
assert comparators.loc["rho-a", "categories"] <= upper
assert (scores.score_mean.sel(region=IT) <= upper).all()
width = widths.high - widths.low
assert width["stimuli and subjects"] > width["stimuli"]
assert (table.heldout_mean <= table.naive_score + 0.02).all()
assert best.indistinguishable.sel(region=IT, op=best.best_op.sel(region=IT)).item()
if source == "92 photographs":
    assert np.isnan(scores.ceiling_upper.sel(region="EVA"))
if source == "92 photographs" and weights == "trained":
    assert 0.2 < table.loc["IT", "heldout_mean"] < 0.35
    assert table.loc["IT", "random weights"] < 0.1
    assert table.loc["EVA", "random weights"] > table.loc["EVA", "heldout_mean"] - 0.02
    assert gap.p < 0.05
    assert round(gap.difference.item(), 2) == -0.13
    assert shares.loc["IT", "without categories"] < shares.loc["IT", "without pixels"]

# %% [markdown]
# ## Where to go next
#
# - [Your own data](04_your_own_data.ipynb): from pictures, NIfTI betas and an atlas to the same scores.
# - [Encoding models and maps on the brain](05_encoding_and_maps.ipynb): prediction of single voxels instead of RDMs.
# - [What real data say](../docs/real_data.md) about these comparators and controls, and [error rates in simulations](../docs/simulation.md).
# - In a terminal, `neurolens demo` runs this analysis and writes the report.
