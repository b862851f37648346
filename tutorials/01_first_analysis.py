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
# # A first analysis: which operation goes with which brain region?
#
# A deep network turns a picture into a decision through dozens or hundreds of operations: convolutions, normalisations, additions.
# A brain region turns the same picture into a pattern over voxels. This notebook takes one network and three regions and asks, for
# every operation, whether it represents the pictures as the region does.
#
# Everything here runs offline. The brain is **planted**: its voxels are noisy random readouts of three operations of this very network,
# whose weights are random. So we know the right answer, and can watch the analysis find it. Nothing here says anything about a real
# brain; at the end you will find the three lines to change for real data.

# %%
import matplotlib_inline.backend_inline
import torch
import torchvision

import neurolens as nl

matplotlib_inline.backend_inline.set_matplotlib_formats("png")
torch.manual_seed(0)
model = torchvision.models.resnet18(weights=None).eval()
brain = nl.load_dataset("planted", model=model, seed=0)
brain

# %% [markdown]
# ## 1. Every operation of one pass
#
# `nl.trace` runs the model once and records the result of *every* operation, not only of modules. Each has a name that says where it
# stands: `layer1.0/add` is the residual addition in the first block of `layer1`, and `layer1.0.relu/relu@2` the second time that block's
# one ReLU module runs. Hooks on modules would have missed the addition, and a dictionary
# of their results by module name would have kept only the last of the two ReLU calls.
#
# The values are safe: torchvision's ReLUs write in place, over the result of the batch norm before them. The trace still has that
# result as it was, negative numbers included. The table below has one row per operation.

# %%
pictures = torch.stack([brain.stimuli[name] for name in brain.stimuli.ids[:2]])
trace = nl.trace(model, pictures)
print(trace.summary())
trace.table()[["function", "module_class", "shape", "parents", "alias_of"]].iloc[4:12]

# %%
before_relu = trace["layer1.0.bn1/batch_norm"].value
print(f"smallest value before the in-place ReLU: {before_relu.min():.2f}")

# %% [markdown]
# ## 2. Is the recording right?
#
# A recording that is wrong looks like one that is right. `nl.validate` runs the model plainly and recorded and wants the outputs equal bit
# for bit; then it runs each operation again from the saved values of its parents and wants the saved result, bit for bit.
#
# The verdict has three values. *Verified* means everything checked holds. *Failed* means something recorded is wrong. *Unverified* means
# that nothing is wrong but not everything could be checked, for example because the model read a number into Python to decide what to do.

# %%
verdict = nl.validate(model, pictures)
verdict

# %% [markdown]
# ## 3. One dissimilarity matrix per operation
#
# To compare a network with a brain we need a form that both have. A representational dissimilarity matrix (RDM) is one: for every pair
# of stimuli, how differently are they represented? Here, one minus the correlation of the two patterns. It does not matter that an
# operation has 800,000 units and a region 150 voxels.
#
# `nl.extract_grams` runs the whole stimulus set and keeps one small stimulus-by-stimulus matrix per operation, within a memory budget.
# Nothing else is stored. The figure shows the RDMs of three operations above those of the three regions; bright cells are pairs of pictures
# represented alike. With random weights the kinds of pictures hardly form blocks, but each region's matrix resembles the one above it.

# %%
grams = nl.extract_grams(model, brain.stimuli, memory="2GiB", quiet=True)
rdms = nl.compute_rdms(grams, metric="correlation")
region_rdms = nl.compute_rdms(brain.responses, metric="correlation")
print(dict(rdms.sizes), dict(region_rdms.sizes))

# %%
nl.plot_rdms(
    rdms,
    ops={"V1": "layer1.0.relu/relu@2", "V4": "layer2.1.relu/relu", "IT": "layer4.0.relu/relu@2"},
    brain=region_rdms,
    categories=list(brain.stimuli.metadata.category),
)

# %% [markdown]
# ## 4. Scores, with the best that any model could reach
#
# `nl.compare_rdms` correlates the ranks of each operation's RDM with those of each subject's. The default, rho-a, is the mean of Spearman's
# correlation when ties are broken at random: without ties both are the same, and a model with ties is not rewarded for them. A score alone
# says little: the data are noisy, and even the true model would not reach 1. The grey band is the noise ceiling: between the score of the
# other subjects (its lower edge) and that of the average over all subjects (its upper edge, which no model can exceed) lies what a perfect
# model would score. Ribbons are 95 % intervals over stimuli.
#
# Each region's curve peaks at another depth: V1 early, V4 in the middle, IT late. Near each peak the curve is flat: neighbouring
# operations represent the pictures almost alike, so the data cannot tell them apart. This is normal, and worth reporting.

# %%
scores = nl.compare_rdms(rdms, region_rdms, comparator="rho-a", rng=0)
best = nl.assign_regions(scores)
nl.plot_profile(scores, best=best, graph=trace.graph)

# %% [markdown]
# ## 5. Which operation for which region?
#
# Taking the operation with the highest score and reporting that score is too good to be true: among many noisy numbers the largest is
# large partly by luck. `nl.assign_regions` names that operation, and scores the choice honestly: random halves of the stimuli choose, and
# the other halves score. It also says how often halves choose the operation that is named, and which operations cannot be told from it.
#
# In this table the best operation is the planted one in all three regions, and the held-out score lies near the ceiling.

# %%
planted = dict(zip(brain.responses.region.values, brain.responses.planted_op.values, strict=True))
table = best[["best_op", "heldout_mean", "agreement", "doubtful", "naive_score"]].to_dataframe()
table["planted_op"] = [planted[region] for region in table.index]
table["ceiling"] = [
    f"{low:.2f}-{high:.2f}"
    for low, high in zip(scores.ceiling_lower.values, scores.ceiling_upper.values, strict=True)
]
table.round(2)

# %% [markdown]
# ## 6. The network, annotated
#
# The graph shows where in the network the fit is. Each box is one operation, its strip of cells the regions in fixed order, coloured by the
# score, on one scale for all regions, on which each lower noise ceiling is marked. Framed in a region's colour with a star: the operation chosen for it.
#
# Columns are read from top to bottom and left to right, as in a newspaper. Dashed lines are shortcuts: residual connections that skip what
# lies between.

# %%
drawing = nl.draw_graph(
    trace, scores=scores, best=best, title="ResNet-18, random weights, planted brain"
)
drawing

# %% [markdown]
# ## 7. What this notebook claims
#
# The text above states numbers; here they are checked. Run the notebook after changing something and it will tell you what no longer holds.

# %%
assert len(trace) == 69
assert before_relu.min() < 0
assert verdict.status == "verified"
assert dict(rdms.sizes) == {"op": 69, "stimulus": 72, "stimulus_2": 72}
for region in best.region.values:
    row = best.sel(region=region)
    assert row.best_op.item() == planted[region] or bool(
        row.indistinguishable.sel(op=planted[region])
    )
    assert row.heldout_mean > 0.9 * scores.ceiling_lower.sel(region=region)
depth = [[op.name for op in trace.graph].index(str(op)) for op in best.best_op.values]
assert depth == sorted(depth)

# %% [markdown]
# ## With real data
#
# Three lines change. Replace the planted brain by the 92 photographs of Kriegeskorte et al. (2008), fetched on first use, its
# RDMs by those of their regions, and the random weights by trained ones:
#
# ```python
# brain = nl.load_dataset("kriegeskorte2008")
# model = torchvision.models.resnet18(weights="IMAGENET1K_V1").eval()
# region_rdms = brain.rdms.sel(region=["IT", "EVA"]).dropna("subject", how="all")
# ```
#
# or run `neurolens demo`, which does all of this and writes one report: an interactive page that begins with the answer in sentences, and
# holds the graph, all scores, methods, references and settings. `nl.write_report("report.html", trace=trace, scores=scores, best=best)`
# writes one of your own results; it takes RDMs, stimuli and scores of random weights as well.
