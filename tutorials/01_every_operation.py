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
# # Every operation of a network
#
# A deep network turns a picture into an answer by dozens or hundreds of operations: convolutions, normalizations, additions. Which of them
# represents pictures as a brain region does is the question of the other tutorials. This one is about what comes before: recording the
# result of every operation, finding it by name, and knowing that the record is right.
#
# **Needs** no data, no extras and no network; about half a minute, 1 GiB of memory. The network is a ResNet-18 with random weights, since
# structure and names do not depend on weights.

# %%
# %matplotlib inline
from functools import partial

import pandas as pd
import torch
import torchvision
from matplotlib.figure import Figure
from torch import nn

import neurolens as nl

print("data: two pictures of noise; ResNet-18 with random weights")
torch.manual_seed(0)
model = torchvision.models.resnet18(weights=None).eval()
pictures = torch.randn(2, 3, 224, 224)
trace = nl.trace(model, pictures)
print(trace.summary())

# %% [markdown]
# `nl.trace` ran the model once, as it is, and recorded what each operation returned. Below is the graph. A box is one operation with its
# function, the shape of its result for one stimulus, and its place; a frame is a module. Columns are read from top to bottom and from left
# to right. Dashed lines are shortcuts, here the residual connections.

# %%
nl.draw_graph(trace, title="ResNet-18")

# %% [markdown]
# ## 1. Names
#
# A name says where an operation stands: `<module>/<function>[_<n>][@<pass>]`. `layer1.0/add` is the residual addition in the first block of
# `layer1`. Each block has one ReLU module and calls it twice: `layer1.0.relu/relu@1` and `layer1.0.relu/relu@2`. `/flatten` belongs to no
# module but the model itself. The table of the trace has one row per operation and some 30 columns; here are a few, for the first block.

# %%
table = trace.table()
first_block = table[table.index.str.startswith("layer1.0")]
first_block[["function", "module", "shape", "parents", "alias_of"]]

# %% [markdown]
# `alias_of` names the operation whose memory the result shares: a ReLU that writes in place overwrites the result of the batch
# normalization before it. The recorded values are those that each operation returned, from before they were overwritten.
#
# Every function that takes `ops=` understands the same patterns. The number of operations that some of them select:

# %%
patterns = ["all", "modules", "layer1.0", "*/add", "*relu*", "layer1.0.relu@2", "layer1.*"]
selected = {name: [op.name for op in nl.trace(model, pictures, ops=name)] for name in patterns}
pd.DataFrame(
    {name: [len(names), names[0], names[-1]] for name, names in selected.items()},
    index=["operations", "first", "last"],
).T

# %% [markdown]
# ## 2. What hooks on modules miss
#
# The usual way to record a network is a forward hook on each module that keeps the module's output under the module's name. This is it:

# %%
kept = {}


def keep(name, module, inputs, output):
    kept[name] = output


hooks = [
    module.register_forward_hook(partial(keep, name))
    for name, module in model.named_modules()
    if name
]
with torch.no_grad():
    model(pictures)
for hook in hooks:
    hook.remove()
print(f"{len(kept)} results by hooks, {len(trace)} operations in the trace")

# %% [markdown]
# How many of the operations did the hooks keep with the value that the operation returned?

# %%
returned = set(trace.graph.module_outputs.values())


def judge(op):
    """Return what the hook on an operation's module has of it."""
    if op.name not in returned:
        return "no module returns it"
    same = torch.equal(kept[table.module[op.name]], op.value)
    return "kept as it was" if same else "replaced by a later result"


verdicts = pd.Series({op.name: judge(op) for op in trace}, name="by hooks")
counts = pd.crosstab(table.function, verdicts)
counts.loc["sum"] = counts.sum()
counts

# %% [markdown]
# About half. Nine, the residual additions and the flattening, are no module's output. Another 25 are there, but *with the values of a later
# operation*: each batch normalization that a ReLU or an addition overwrites in place, and the first call of each block's ReLU, of which
# the dictionary has the last. Nothing warns about it. The figure shows one of them: as returned, the batch normalization has negative
# values; what the hook kept has none.

# %%
name = "layer1.0.bn1/batch_norm"
figure = Figure(figsize=(7, 2.6), layout="constrained")
axis = figure.subplots()
settings = {"bins": 80, "range": (-3, 3), "histtype": "step"}
axis.hist(trace[name].value.flatten().numpy(), label="as the operation returned it", **settings)
axis.hist(kept["layer1.0.bn1"].flatten().numpy(), label="as the hook has it", **settings)
axis.set(title=name, xlabel="value", ylabel="count", yscale="log")
axis.legend(fontsize=8, frameon=False)
figure

# %% [markdown]
# ## 3. Is the record right?
#
# `nl.validate` runs the model plainly and recorded and compares the outputs; then it runs each operation again from the recorded values of
# its parents and compares the result. Both must be equal bit for bit.

# %%
verdict = nl.validate(model, pictures)
print(verdict)

# %% [markdown]
# There are three verdicts. *Verified*: everything that was checked holds. *Failed*: something recorded is wrong. *Unverified*: nothing is
# wrong, but something could not be checked. An example of the last is a model that reads a number into Python and decides by it: the
# record holds the path that these pictures took, and others may take another.


# %%
class Gate(nn.Module):
    """A second convolution only where the first one responds."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5)
        self.second = nn.Conv2d(8, 8, 5)

    def forward(self, x):
        x = self.first(x).relu()
        return self.second(x) if x.mean() > 0.1 else x


gated = nl.validate(Gate().eval(), pictures)
print(gated)

# %% [markdown]
# ## 4. What an operation costs
#
# The trace also counts parameters, bytes and floating-point operations. By stage of the network, for the two pictures (a
# result that shares the memory of another is counted once):

# %%
stage = table.module.str.split(".").str[0].replace("", "(model)")
table["own_bytes"] = table.n_bytes.where(table.alias_of == "", 0)
costs = table.groupby(stage, sort=False).agg(
    operations=("function", "size"),
    MiB=("own_bytes", "sum"),
    parameters=("n_parameters", "sum"),
    GFLOPs=("flops", "sum"),
)
costs["MiB"] /= 2**20
costs["GFLOPs"] /= 1e9
costs.astype({"MiB": float, "GFLOPs": float}).round(2)

# %% [markdown]
# The results of all operations take 20 MiB for each picture, 85 % of it before `layer3`. For thousands of pictures this is too much to keep;
# the next tutorial is about that. A large graph can be folded: here all but one block of it.

# %%
nl.draw_graph(trace, fold=1, unfold="layer2.0", title="ResNet-18, folded but for layer2.0")

# %% [markdown]
# ## What was asserted
#
# The numbers in the text above, checked. Run the notebook after a change, and it tells what no longer holds.

# %%
assert len(trace) == len(table) == 69
assert verdict.status == "verified"
assert verdict.n_replayed == verdict.n_ops == 69
assert gated.status == "unverified"
assert {name: len(names) for name, names in selected.items()}["*/add"] == 8
assert counts.loc["sum"].to_dict() == {
    "kept as it was": 35,
    "no module returns it": 9,
    "replaced by a later result": 25,
}
assert counts.loc[["add", "flatten"], "no module returns it"].sum() == 9
assert counts.loc[["batch_norm", "relu"], "replaced by a later result"].sum() == 25
assert trace[name].value.min() < 0 == kept["layer1.0.bn1"].min()
early = ~table.module.str.startswith(("layer3", "layer4", "avgpool", "fc")) & (table.module != "")
assert round(table.own_bytes.sum() / 2**20 / 2) == 20
assert round(table.own_bytes[early].sum() / table.own_bytes.sum(), 2) == 0.85

# %% [markdown]
# ## Where to go next
#
# - [Whole stimulus sets](02_whole_stimulus_sets.ipynb): what a run costs, and how it stays within memory and survives a stop.
# - [Recurrent and conditional models](06_recurrent_and_time.ipynb): operations that run several times, and paths that depend on values.
# - [Models that were traced and validated](../docs/conformance.md), and [how the picture is laid out](../docs/layout.md).
# - In a terminal, `neurolens ops resnet18` prints the operations of a model.
