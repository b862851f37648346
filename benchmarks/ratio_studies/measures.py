"""The ratios: each is the cost of ours over that of a base, by turns in the same process.

Each function returns ratios by name, of one thread and processor time unless the name says bytes.
What they need beside the package is imported by each, and a package that is not installed leaves
its ratios out.
"""

import importlib
import importlib.util
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
import torchvision
import xarray as xr
from capture import CHAIN, Chain, Hooks, count_bytes
from machine import compare_times, read_peak, time_rounds
from scaling_studies.comparisons import make_brain, make_grams, make_models
from scaling_studies.encodings import make_problem
from scaling_studies.networks import Blocks, make_stimuli
from torch import nn

import neurolens as nl

ROUNDS = 2
Ratios = dict[str, float]
BATCH, N_BATCHES = 16, 5


def divide_times(
    methods: Mapping[str, Callable[[], object]], base: str, repeats: int = 1
) -> Ratios:
    """Return the median ratio of each method to ``base`` over the rounds."""
    times = time_rounds(dict(methods), ROUNDS, time.process_time, repeats)
    ratios = compare_times(times, base)
    return {f"{name} / {base}": ratios[name][0] for name in methods if name != base}


def measure_trace(name: str, build: Callable[..., nn.Module]) -> Ratios:
    """Return the time of a trace over hooks that keep as much, and its peak over what it keeps."""
    torch.manual_seed(0)
    model, hooked = build(weights=None).eval(), build(weights=None).eval()
    x = torch.randn(1, 3, 224, 224)
    start = read_peak("cpu", reset=True)
    made = nl.trace(model, x)
    peak = read_peak("cpu") - start
    kept = count_bytes(value for op in made for value in op.values)
    del made
    hooks = Hooks(hooked, total=kept, example=x)
    base = f"hooks that keep as much, {name}, batch 1"
    found = divide_times({"trace": lambda: nl.trace(model, x), base: lambda: hooks(x)}, base)
    return found | {f"bytes: peak of a trace / what it keeps, {name}": peak / kept}


def measure_resnet() -> Ratios:
    return measure_trace("ResNet-50", torchvision.models.resnet50)


def measure_vit() -> Ratios:
    return measure_trace("ViT-B/16", torchvision.models.vit_b_16)


def measure_chain() -> Ratios:
    """Return the time of recording tiny ops over running them, and over TorchLens's."""
    model, x = Chain().eval(), torch.randn(2, 8)
    base = f"bare, {CHAIN} tiny ops"
    methods = {
        "trace": lambda: nl.trace(model, x),
        "trace with its graph": lambda: nl.trace(model, x).graph,
        base: lambda: model(x),
    }
    found = divide_times(methods, base, repeats=10)
    blocks = Blocks(CHAIN).eval()
    base = f"bare, {CHAIN} tiny ops in modules"
    methods = {
        "trace with its graph": lambda: nl.trace(blocks, x).graph,
        base: lambda: blocks(x),
    }
    found |= divide_times(methods, base, repeats=10)
    return found


def measure_torchlens() -> Ratios:
    """Return the time of recording tiny ops with their graph over that of TorchLens."""
    if not importlib.util.find_spec("torchlens"):
        return {}
    torchlens = importlib.import_module("torchlens")
    model, x = Chain().eval(), torch.randn(2, 8)
    base = f"TorchLens trace, {CHAIN} tiny ops"
    return divide_times(
        {
            "trace with its graph": lambda: nl.trace(model, x).graph,
            base: lambda: torchlens.trace(model, x),
        },
        base,
    )


def measure_streams() -> Ratios:
    """Return the time of ResNet-18 over a set, pooled ReLUs and one op, over bare forwards."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None).eval()
    stimuli = make_stimuli(N_BATCHES * BATCH, 3, 80, 80)
    batches = [torch.from_numpy(part) for part in np.split(read_values(stimuli), N_BATCHES)]
    settings = {"batch_size": BATCH, "quiet": True}
    base = f"bare forwards, ResNet-18, {N_BATCHES * BATCH} pictures"

    def run_bare() -> None:
        for batch in batches:
            model(batch)

    def extract(**how: object) -> Callable[[], object]:
        return lambda: nl.extract_activations(model, stimuli, **how, **settings)

    return divide_times(
        {
            "all ReLUs, pooled": extract(ops="*relu*", reducer="mean"),
            "one op": extract(ops="layer4.1.conv2/conv2d"),
            "Grams of all ops in 128MiB": lambda: nl.extract_grams(
                model, stimuli, memory="128MiB", **settings
            ),
            base: run_bare,
        },
        base,
    )


def read_values(stimuli: nl.StimulusSet) -> np.ndarray:
    return np.stack([np.asarray(stimuli[name]) for name in stimuli.ids])


def measure_rdms() -> Ratios:
    """Return the time of RDMs and their comparison over that of rsatoolbox."""
    rsatoolbox = importlib.import_module("rsatoolbox")
    calc_rdm = importlib.import_module("rsatoolbox.rdm").calc_rdm
    compare = importlib.import_module("rsatoolbox.rdm").compare
    n_ops, n_stimuli = 10, 92
    rows = np.random.default_rng(0).standard_normal((n_stimuli, 2_000))
    features = xr.DataArray(
        rows, {"stimulus": [f"s{i}" for i in range(n_stimuli)]}, ("stimulus", "feature")
    )
    grams, dataset = make_grams(n_ops, n_stimuli), rsatoolbox.data.Dataset(rows)
    base = f"rsatoolbox calc_rdm, {n_stimuli} stimuli"
    found = divide_times(
        {
            "RDM from 2,000 features": lambda: nl.compute_rdms(features),
            f"RDMs of {n_ops} ops from Grams": lambda: nl.compute_rdms(grams),
            base: lambda: calc_rdm(dataset, method="correlation"),
        },
        base,
        repeats=5,
    )
    n_ops, n_stimuli = 5, 60
    model, brain = make_models(n_ops, n_stimuli), make_brain(4, n_stimuli)
    models, brains = nl.compare.to_rsatoolbox(model), nl.compare.to_rsatoolbox(brain)
    base = f"rsatoolbox compare without intervals, {n_ops} ops, {n_stimuli} stimuli"
    return found | divide_times(
        {
            "compare_rdms with intervals": lambda: nl.compare_rdms(model, brain),
            "bootstrap_rdms, 200 draws": lambda: nl.compare.bootstrap_rdms(
                model, brain, interval="bootstrap", n_bootstrap=200
            ),
            "permute_rdms, 1,000 permutations": lambda: nl.compare.permute_rdms(model, brain),
            base: lambda: compare(models, brains, method="rho-a"),
        },
        base,
    )


def measure_ridge() -> Ratios:
    """Return the time of cross-validated ridge over that of scikit-learn, for both solvers."""
    if not importlib.util.find_spec("sklearn"):
        return {}
    found: Ratios = {}
    for n_features in (64, 1_000):
        features, responses = make_problem(300, n_features, 1_000)
        found |= divide_ridge(features, responses, n_features)
    return found


def divide_ridge(features: xr.DataTree, responses: xr.DataArray, n_features: int) -> Ratios:
    linear_model = importlib.import_module("sklearn.linear_model")
    x = features["op0"]["activation"].values.astype(np.float64)
    y = responses.values.astype(np.float64)
    alphas = np.logspace(-2, 4, 10)
    fold = np.arange(len(x)) % 5
    base = f"scikit-learn RidgeCV, 5 folds, {n_features} features, 1,000 voxels"

    def fit_peer() -> None:
        for k in range(5):
            model = linear_model.RidgeCV(alphas=alphas, alpha_per_target=True)
            model.fit(x[fold != k], y[fold != k]).predict(x[fold == k])

    methods = {
        "fit_encoding with intervals": lambda: nl.fit_encoding(features, responses, alphas=alphas),
        base: fit_peer,
    }
    return divide_times(methods, base)


def measure_drawing() -> Ratios:
    """Return the time of a drawing of 1,000 ops over that of the trace."""
    model, x = Blocks(1_000).eval(), torch.randn(2, 8)
    graph = nl.trace(model, x).graph
    base = "trace with its graph, 1,000 ops"
    return divide_times(
        {
            "drawing of every op": lambda: nl.draw_graph(graph, fold="ops").render_svg(),
            base: lambda: nl.trace(model, x).graph,
        },
        base,
    )


MEASURES = (
    measure_chain,
    measure_resnet,
    measure_vit,
    measure_streams,
    measure_rdms,
    measure_ridge,
    measure_drawing,
)
# TorchLens refuses to run in a process that was forked.
UNFORKED = (measure_torchlens,)
