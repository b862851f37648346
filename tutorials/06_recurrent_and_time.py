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
# # Recurrent and conditional models against time
#
# A recurrent network computes the same operations several times with the same weights. A brain region responds over some hundred
# milliseconds. Which iteration of the network goes with which part of the response? And what if the network decides, stimulus by
# stimulus, how many iterations it takes?
#
# **Needs**: no data, no network connection, no extras; half a minute and 1 GiB of memory.
#
# The responses are **simulated**: each site reads one area of the network, early iterations early and late iterations late, with noise. So
# the right answer is known, and nothing here says anything about a real brain.

# %%
import matplotlib_inline.backend_inline
import numpy as np
import pandas as pd
import torch
import xarray as xr
from matplotlib.figure import Figure

import neurolens as nl
from neurolens.errors import InputError

matplotlib_inline.backend_inline.set_matplotlib_formats("png")
SEED = 0
N_STEPS = 5


class Area(torch.nn.Module):
    """A convolution of the area below, plus one of the area's own last state."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.input = torch.nn.Conv2d(n_in, n_out, 5, stride=2, padding=2)
        self.lateral = torch.nn.Conv2d(n_out, n_out, 3, padding=1)
        self.relu = torch.nn.ReLU()

    def forward(self, below, state):
        drive = self.input(below)
        if state is not None:
            drive = drive + self.lateral(state)
        return self.relu(drive)


class RecurrentNet(torch.nn.Module):
    """Three areas, run several times with the same weights."""

    def __init__(self):
        super().__init__()
        self.V1 = Area(3, 16)
        self.V4 = Area(16, 32)
        self.IT = Area(32, 64)
        self.readout = torch.nn.Linear(64, 10)

    def is_done(self, decision):
        return False

    def forward(self, picture):
        v1 = v4 = it = None
        for _ in range(N_STEPS):
            v1 = self.V1(picture, v1)
            v4 = self.V4(v1, v4)
            it = self.IT(v4, it)
            decision = self.readout(it.mean((2, 3)))
            if self.is_done(decision):
                break
        return decision


def make_network(kind):
    """Random weights, twice as large as by default, so that recurrence changes something."""
    torch.manual_seed(SEED)
    model = kind().eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.mul_(2)
    return model


network = make_network(RecurrentNet)
planted = nl.load_dataset("planted", model=network, ops={"IT": "IT.relu/relu"}, n_subjects=1)
stimuli = planted.stimuli  # the responses are made below
print(f"data: {len(stimuli)} drawn pictures, simulated responses; random weights")

# %% [markdown]
# ## 1. Names of iterations
#
# Each execution of an operation is recorded. The first has the plain name, later ones `@2`, `@3`, ...: `V1.relu/relu@3` is the third
# time that the ReLU of V1 runs. `time_step` is the iteration of the loop that an operation belongs to. The two differ where something starts
# late: the lateral convolution has no state to read in the first iteration, so its first execution belongs to time step 2.

# %%
trace = nl.trace(network, stimuli[stimuli.ids[0]][None])
table = trace.table()
shown = ["V1.relu/relu", "V1.lateral/conv2d", "V1.relu/relu@2", "V1.lateral/conv2d@4"]
print(trace.summary())
table.loc[shown, ["function", "time_step", "shape"]]

# %% [markdown]
# Modules are addressed by the same words: `"V1"` is the output of V1 in every call, `"V1@2"` that of the second, `"V1@last"` that of the last,
# `"V1@1:3"` those of the first and second (the end is left out, as in Python). In the picture, an operation that runs several times
# with the same weights is one card with a row per pass.

# %%
acts = nl.extract_activations(
    network, stimuli, ops=["V1", "IT"], reducer=nl.extract.Project(120, seed=SEED), quiet=True
)
addresses = pd.Series(
    {
        words: ", ".join(nl.extract.select_results(acts, words).attrs["ops"])
        for words in ("IT@2", "IT@last", "IT@1:3")
    }
)
print(addresses.to_string())
nl.draw_graph(trace, title="Recurrent network, 5 passes")

# %% [markdown]
# `stack_steps` makes one array of all executions of a layer, with the dimension `step`. Here each result was projected on 120 random
# directions, the same ones in every step. Below they serve as the recording sites of the simulated region.

# %%
steps = {region: nl.extract.stack_steps(acts, region) for region in ("V1", "IT")}
steps["IT"]

# %% [markdown]
# ## 2. Do the iterations differ at all?
#
# Before any comparison with time: are the representations of the iterations different? If not, no data can tell them apart.
# `compare_models` compares the RDM of each iteration of IT with that of each other one (rho-a, which is Spearman's correlation without ties).
# The first iterations differ from the last; iterations 4 and 5 are nearly the same, and whatever fits one of them fits the other as well.
#
# The distances are euclidean. Why not the usual correlation distance is shown in section 5.

# %%
grams = nl.extract_grams(network, stimuli, ops=["V1", "V4", "IT"], quiet=True)
METRIC = "euclidean"
rdms = nl.compute_rdms(grams, metric=METRIC)
it_rdms = nl.extract.select_results(rdms, "IT")
between = nl.compare.compare_models(it_rdms, it_rdms)
nl.view.plot_op_matrix(between)

# %%
step_likeness = between.values
print(f"step 1 with 5: {step_likeness[0, 4]:.2f}; step 4 with 5: {step_likeness[3, 4]:.2f}")

# %% [markdown]
# ## 3. Responses over time
#
# The simulated recording: two regions, three subjects with 40 sites each, three presentations of each picture, bins of 25 ms. V1 begins to
# respond at 50 ms, IT at 90 ms, and both go through the network's iterations, one every 30 ms. Each response has noise.
#
# `responses` has the dimensions (time_bin, presentation, neuroid). Data of your own come into this form by
# `nl.brain.read_epochs` (MEG and EEG of MNE-Python) or `nl.brain.count_spikes` (spike times and bins).

# %%
TIMES = np.arange(-25, 300, 25)
ONSETS = {"V1": 50, "IT": 90}
STEP_MS = 30
SUBJECTS = ("s1", "s2", "s3")


def simulate(rng):
    """Return responses (time_bin, presentation, neuroid) that go through the steps of an area."""
    bins = []
    for time in TIMES:
        columns = []
        for region, onset in ONSETS.items():
            sites = steps[region].values  # (stimulus, step, site)
            sites = sites / sites.std(axis=0).mean(axis=-1)[:, None]
            peaks = onset + STEP_MS * np.arange(N_STEPS)
            gains = np.exp(-0.5 * ((time - peaks) / (STEP_MS / 2)) ** 2)
            columns.append(np.einsum("nts,t->ns", sites, gains))
        signal = np.concatenate(columns, axis=1)
        shown = [signal + 1.5 * rng.normal(size=signal.shape) for _ in range(3)]
        bins.append(np.concatenate(shown))
    n_sites = steps["V1"].sizes["component"]
    coords = {
        "time_bin": TIMES,
        "stimulus_id": ("presentation", np.tile(np.array(stimuli.ids, dtype=object), 3)),
        "region": ("neuroid", np.repeat(list(ONSETS), n_sites).astype(object)),
        "subject": ("neuroid", np.tile(np.repeat(SUBJECTS, n_sites // 3), 2).astype(object)),
    }
    responses = xr.DataArray(
        np.stack(bins), dims=("time_bin", "presentation", "neuroid"), coords=coords
    )
    responses.time_bin.attrs["units"] = "ms"
    return responses


responses = simulate(np.random.default_rng(SEED))
brain_rdms = nl.compute_rdms(responses, metric=METRIC)
print(dict(brain_rdms.sizes))

# %% [markdown]
# ## 4. Which iteration fits when?
#
# `permute_rdms` scores every iteration in every time bin, and tests each score against the scores under shuffled stimuli; `q` bounds the expected
# share of false findings among all cells that are called significant (outlined: q of at most .05). So an outlined cell before the stimulus
# or long after the response may be one of these.
#
# In IT the largest score moves from the first iteration to the last ones as time goes on. In V1 it moves as well, but the iterations
# of V1 resemble each other more. Rows are iterations 1 to 5 of V1, then of IT, from top to bottom.

# %%
areas = [nl.extract.select_results(rdms, area) for area in ("V1", "IT")]
tested = nl.compare.permute_rdms(xr.concat(areas, "op"), brain_rdms, n_permutations=199, rng=SEED)
nl.view.plot_times(tested)

# %% [markdown]
# The largest score has no interval, and its place may be chance. Intervals of `bootstrap_rdms` are over new stimuli and new subjects, `locate_peaks` gives for each
# time bin the iteration with the largest score and the interval of its place. `depth` says in what the place is counted: here, the number of
# the iteration. It takes one time bin at a time, and only bins with a score above chance are worth asking about.
#
# Early bins exclude the last iteration and late bins the first. Neighboring iterations cannot always be told apart: section 2
# said so before there were any data.

# %%
drawn = nl.compare.bootstrap_rdms(it_rdms, brain_rdms.sel(region=["IT"]), n_bootstrap=300, rng=SEED)
step_of_op = dict(zip(it_rdms.op.values, it_rdms.time_step.values, strict=True))
rows = {}
for time in TIMES[(TIMES >= 75) & (TIMES <= 225)]:
    peak = nl.compare.locate_peaks(drawn.sel(time_bin=time), depth=step_of_op).squeeze("region")
    rows[int(time)] = {
        "step": peak.peak_depth.item(),
        "low": peak.peak_depth_low.item(),
        "high": peak.peak_depth_high.item(),
        "score": drawn.score_mean.sel(time_bin=time).max().item(),
        "simulated": float(np.clip(1 + (time - ONSETS["IT"]) / STEP_MS, 1, N_STEPS)),
    }
peaks = pd.DataFrame(rows).T.rename_axis("ms")
peaks.round(2)

# %%
figure = Figure(figsize=(6, 3), layout="constrained")
axis = figure.subplots()
axis.vlines(peaks.index, peaks.low, peaks.high, color="0.7", linewidth=5, label="95 % interval")
axis.plot(peaks.index, peaks.step, "o", color="C0", label="largest score")
axis.plot(peaks.index, peaks.simulated, color="C1", label="simulated")
axis.set(xlabel="time after stimulus onset, ms", ylabel="iteration of IT", yticks=range(1, 6))
axis.legend(fontsize=8, loc="lower right")
figure

# %% [markdown]
# ## 5. A common mistake: centering one side only
#
# Responses are often centered: the mean of each site over all stimuli is subtracted (so does z-scoring over stimuli). Correlation distances change
# by that, since the pattern that all stimuli share is removed; euclidean distances do not, since they only depend on differences between
# stimuli. With correlation distances, centered responses and a model that is not centered, the answer is wrong in the late bins: the
# first or second iteration seems to fit best.
#
# So use euclidean (or crossnobis) distances, or treat both sides alike.

# %%
centered = responses - responses.mean("presentation")
rows = {}
for metric in ("euclidean", "correlation"):
    model_side = nl.extract.select_results(nl.compute_rdms(grams, metric=metric), "IT")
    for name, brain_side in (("as recorded", responses), ("centered", centered)):
        there = nl.compute_rdms(brain_side, metric=metric).sel(region=["IT"])
        means = nl.compare_rdms(model_side, there, n_bootstrap=0, n_splits=0).score_mean
        best_steps = 1 + means.squeeze("region").argmax("op").to_series()
        rows[f"{metric}, {name}"] = best_steps.loc[75:225]
mistake = pd.DataFrame({"simulated": peaks.simulated.round(1)} | rows).T
mistake

# %% [markdown]
# ## 6. The brain against itself: does a representation last?
#
# Without any model: the RDM at each time against that at each other time, `compare_models` of RDMs whose operations are time bins. A
# square of high values says that the representation lasts, a narrow diagonal that it keeps changing. Noise makes all values smaller; the
# diagonal is 1 because each RDM is compared with itself, noise included, so it says nothing.

# %%
over_time = brain_rdms.sel(region="IT").mean("subject").rename(time_bin="op")
generalization = nl.compare.compare_models(over_time, over_time)
nl.view.plot_generalization(generalization, unit="ms")

# %% [markdown]
# ## 7. A model that decides how long it computes
#
# The same network, but it stops as soon as its two largest outputs differ by more than .35. Which operations run is now a property of the stimulus.
#
# `validate` replays every operation bit for bit and yet calls the recording *unverified*: the model read a value into Python to
# choose its path, and what it would have done with another value cannot be seen in this pass. The reads are listed with their lines
# in `verdict.reasons`. Nothing is wrong; the recording holds for this path.


# %%
class Deciding(RecurrentNet):
    """Stops when the decision is clear."""

    def is_done(self, decision):
        best = decision.topk(2, dim=1).values
        return bool((best[:, 0] - best[:, 1]).min() > 0.35)


deciding = make_network(Deciding)
few = stimuli.select(stimuli.ids[::3])
verdict = nl.validate(deciding, few[few.ids[0]][None])
print(f"{verdict.status}; {verdict.n_replayed} of {verdict.n_ops} ops replayed bit for bit")
verdict.reasons.drop(columns="reason")

# %% [markdown]
# With `batch_size=1` every stimulus takes its own path (in larger batches, one undecided stimulus keeps all others going). The
# activations of an iteration that did not run for a stimulus are missing, and the variable `ran` says for which stimuli it did.
#
# A limit to know: which operations there are is found from the first three stimuli. Iterations that none of them reaches, after the end of their
# path, are not extracted; the attribute `ops_only_some_stimuli_have` lists them. So put a stimulus with the longest path among them, as here.

# %%
own_paths = nl.extract_activations(
    deciding, few, ops="IT.relu/relu*", reducer="mean", batch_size=1, quiet=True
)
n_ran = pd.Series(
    {
        op: int(own_paths[op].ran.sum()) if "ran" in own_paths[op] else len(few)
        for op in own_paths.attrs["ops"]
    }
)
print(n_ran.to_string())

# %% [markdown]
# A Gram or an RDM needs a value for every stimulus. Asked for by pattern, iterations that some stimuli lack are left out and named with the
# reason; asked for by name, they are refused.

# %%
own_grams = nl.extract_grams(deciding, few, ops="IT.relu/relu*", batch_size=1, quiet=True)
left_out = [reason for reason in own_grams.attrs["skipped_ops"] if "does not run" in reason]
print("kept:", ", ".join(own_grams.op.values))
print(*left_out, sep="\n")
try:
    nl.extract_grams(deciding, few, ops="IT@2", batch_size=1, quiet=True)
except InputError as error:
    refused = str(error)
print(refused)

# %% [markdown]
# For comparisons with time, let the loop run to its end for every stimulus, as in sections 1 to 4, and use the number of iterations as what it is:
# one number per stimulus, which may be compared with reaction times.

# %%
n_steps = {}
for name in few.ids:
    path = nl.trace(deciding, few[name][None]).graph
    n_steps[name] = sum(op.name.startswith("IT.relu/relu") for op in path)
counts = pd.Series(n_steps).value_counts().sort_index()
print("stimuli by number of iterations:", counts.to_dict())

# %% [markdown]
# ## What was asserted
#
# The numbers of the text, checked.

# %%
assert table.loc["V1.lateral/conv2d", "time_step"] == 2
assert addresses["IT@2"] == "IT.relu/relu@2"
assert addresses["IT@last"] == f"IT.relu/relu@{N_STEPS}"
assert steps["IT"].sizes == {"stimulus": 72, "step": N_STEPS, "component": 120}
assert step_likeness[0, 4] < 0.8 < 0.95 < step_likeness[3, 4]
assert (tested.q.sel(region="IT", time_bin=100, op=list(it_rdms.op.values)) <= 0.05).all()
assert peaks.step[75] == 1
assert peaks.high[75] < N_STEPS
assert peaks.step[225] == N_STEPS
assert peaks.low[225] > 1
assert ((peaks.step - peaks.simulated).abs() < 1).all()
assert (mistake.loc["euclidean, as recorded"] == peaks.step).all()
assert (mistake.loc["euclidean, centered"] == mistake.loc["euclidean, as recorded"]).all()
assert (mistake.loc["correlation, centered", [175, 200, 225]] <= 2).all()
assert np.allclose(np.diag(generalization), 1)
assert verdict.status == "unverified"
assert verdict.n_replayed == verdict.n_ops
assert n_ran.iloc[0] == len(few)
assert n_ran.is_monotonic_decreasing
assert own_grams.sizes["op"] == 1
assert "does not run for" in refused
assert counts.sum() == len(few)
assert max(n_steps[name] for name in few.ids[:3]) == max(n_steps.values())
assert len(counts) > 1

# %% [markdown]
# ## Where to go next
#
# - [Two models, no brain](07_two_models_no_brain.ipynb): the same comparison between all operations of two networks.
# - [Rows that are not their stimulus's own](../docs/rows.md): which operations are left out, and why.
# - [Plots](../docs/plots.md): what each figure draws.
