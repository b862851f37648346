"""Pictures of docs/plots.md: every plot, of real data where NEUROLENS_MIRROR has them.

The real ones are of SqueezeNet 1.0 (ImageNet-trained, weights/squeezenet1_0.pth) on the 92
photographs of Kriegeskorte et al. (2008), against human IT and early visual cortex (EVA). The
others are of simulated responses, and their names say so.
"""

import os
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import xarray as xr

import neurolens as nl
from neurolens import compare, view

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "images" / "plots"
REGIONS = ["IT", "EVA"]
DPI = 100
SEED = 0


def save_plot(name: str, drawn) -> None:
    """Write a picture with few colors, which is small."""
    from PIL import Image

    path = FOLDER / f"{name}.png"
    drawn.figure.savefig(path, dpi=DPI)
    picture = Image.open(path).convert("RGB")
    picture.quantize(160, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1000:.0f} kB")


def draw_real(mirror: Path) -> None:
    """Draw what SqueezeNet and human visual cortex give."""
    brain = nl.load_dataset("kriegeskorte2008")
    weights = mirror / "weights" / "squeezenet1_0.pth"
    model, transform, _ = nl.load_model("torchvision/squeezenet1_0", weights=weights)
    random = nl.load_model("torchvision/squeezenet1_0", weights=None, rng=SEED).model
    stimuli = brain.stimuli.use_transform(transform)
    grams = nl.extract_grams(model, stimuli, quiet=True)
    grams = grams.isel(op=(grams.n_features > 1).values)
    rdms = nl.compute_rdms(grams)
    regions = brain.rdms.sel(region=REGIONS).dropna("subject", how="all")
    scores = nl.compare_rdms(rdms, regions, rng=SEED)
    control_rdms = nl.compute_rdms(nl.extract_grams(random, stimuli, quiet=True).sel(op=grams.op))
    control = nl.compare_rdms(control_rdms, regions, rng=SEED)
    control.attrs["label"] = "random weights"
    best = nl.assign_regions(scores, control=control)
    tested = compare.permute_rdms(rdms, regions, n_permutations=999, keep_null=True, rng=SEED)
    graph = nl.trace(model, stimuli[stimuli.ids[0]][None]).graph
    categories = list(brain.stimuli.metadata.loc[list(rdms.stimulus.values), "category"])
    chosen = dict(zip(best.region.values.tolist(), best.best_op.values.tolist(), strict=True))

    shown = scores.assign(q=tested.q)
    for theme in ("light", "dark"):
        drawn = view.plot_profile(shown, best=best, graph=graph, control=control, theme=theme)
        save_plot(f"profile_{theme}", drawn)
    models = {"trained": scores, "random weights": control}
    save_plot("profile_models", view.plot_profile(models, best={"trained": best}))
    # Without images=: the photographs are not ours to publish.
    drawn = view.plot_rdms(rdms, ops=chosen, brain=regions, categories=categories, scores=scores)
    save_plot("rdms", drawn)
    save_plot("op_matrix", view.plot_op_matrix(compare.compare_models(grams, grams)))
    sides = (rdms, regions.mean("subject").rename(region="op"))
    both = xr.concat([one.reset_coords(drop=True) for one in sides], "op")
    table = compare.compare_models(both, both)
    save_plot("embedding", view.plot_embedding(table, regions=REGIONS))
    some = scores.sel(op=[name for name in scores.op.values if name.endswith("/cat")])
    models = compare.tabulate_models(some)
    save_plot("models", view.plot_models(models, scores=scores))
    save_plot("model_matrix", view.plot_model_matrix(models))
    save_plot("null", view.plot_null(tested))
    save_plot("scree", view.plot_scree(compare.compute_spectrum(grams)))


def draw_simulated() -> None:
    """Draw responses that are noisy readouts of known ops, at their largest after 120 ms."""
    rng = np.random.default_rng(SEED)
    ids = [f"s{i}" for i in range(60)]
    net = torch.nn.Sequential()
    for i in range(6):
        net.add_module(f"stage{i}", torch.nn.Sequential(torch.nn.Linear(40, 40), torch.nn.GELU()))
    stimuli = nl.load_stimuli(rng.normal(size=(60, 40)).astype(np.float32), ids=ids)
    torch.manual_seed(SEED)
    grams = nl.extract_grams(net.eval(), stimuli, quiet=True)
    activations = nl.extract_activations(net, stimuli, quiet=True)
    ops = grams.op.values.tolist()
    features = {op: activations[op]["activation"] for op in ops}
    columns = []
    labels: dict[str, list[str]] = {"region": [], "subject": []}
    for region, op in {"early": ops[1], "middle": ops[5], "late": ops[11]}.items():
        for subject in "ABC":
            signal = features[op].values @ rng.normal(size=(40, 10))
            columns.append((signal - signal.mean(axis=0)) / signal.std(axis=0))
            labels["region"] += [region] * 10
            labels["subject"] += [subject] * 10
    signal = np.concatenate(columns, axis=1)
    signal *= rng.uniform(0.4, 1.6, size=signal.shape[1])

    def record(gain: float) -> xr.DataArray:
        shown = [gain * signal + rng.normal(size=signal.shape) for _ in range(3)]
        coords = {"stimulus_id": ("presentation", ids * 3)}
        coords |= {name: ("neuroid", column) for name, column in labels.items()}
        return xr.DataArray(np.concatenate(shown), dims=("presentation", "neuroid"), coords=coords)

    times = np.arange(-100, 400, 25)
    gains = np.exp(-(((times - 120) / 80) ** 2))
    timed = xr.concat([record(gain) for gain in gains], "time_bin").assign_coords(time_bin=times)
    timed.time_bin.attrs["units"] = "ms"
    rdms = nl.compute_rdms(grams)
    brain = nl.compute_rdms(timed, metric="correlation")
    edges = list(pairwise(ops))
    tested = compare.permute_rdms(rdms, brain, edges=edges, n_permutations=199, rng=SEED)
    save_plot("times_simulated", view.plot_times(tested))
    late = brain.sel(region="late").mean("subject").rename(time_bin="op")
    table = compare.compare_models(late, late)
    save_plot("generalization_simulated", view.plot_generalization(table, unit="ms"))
    still = record(1.0)
    spaces = {"op 2": features[ops[1]], "op 12": features[ops[11]]}
    parts = compare.partition_variance(spaces, still, cv=4, n_iter=10, rng=SEED)
    save_plot("partition_simulated", view.plot_partition(parts))
    save_plot("reliability_simulated", view.plot_reliability(compare.compute_ncsnr(still)))


def main() -> None:
    """Draw all; what is real only where the data are."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", RuntimeWarning)
    draw_simulated()
    mirror = os.environ.get("NEUROLENS_MIRROR")
    if mirror is None:
        print("Set NEUROLENS_MIRROR to a folder with the real data to draw the others.")
        return
    draw_real(Path(mirror))


if __name__ == "__main__":
    main()
