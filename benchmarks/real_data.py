"""Results on real data for docs/real_data.md: a trained network beside human RDMs and voxels.

Files are taken from the folder that NEUROLENS_MIRROR names, which has <data set>/<file> and
weights/squeezenet1_0.pth, ImageNet-trained weights of SqueezeNet 1.0 as torchvision's state dict.
"""

import argparse
import hashlib
import os
import subprocess
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torchvision
import xarray as xr
from machine import describe_machine
from real_data_picture import draw_figures
from torchvision.transforms.functional import pil_to_tensor

import neurolens as nl
from neurolens.compare import COMPARATORS
from neurolens.demo import load_model
from neurolens.errors import DataError

ROOT = Path(__file__).resolve().parents[1]
PAGE, PICTURE = ROOT / "docs" / "real_data.md", ROOT / "docs" / "images" / "real_data.png"
NETWORK, SEED = "squeezenet1_0", 0
REGIONS = {"IT": "human IT", "EVA": "early visual"}
# Draws of stimuli and subjects for an interval, and fewer where they are slow.
N_BOOTSTRAP, SLOW = 1000, {"tau-a": 200, "bures": 100}
N_SPLITS = 20
WHOLE = ("op", "naive score", "95 % interval", "noise ceiling")
HALVES = (
    "halves that chose it",
    "naive",
    "held out",
    "and other subjects",
    "random weights, held out",
    "noise ceiling of halves",
)
# A voxel is explainable where a perfect model of the mean over repeats would explain more than
# this.
EXPLAINABLE = 0.6
N_FOLDINGS, N_CHANCE, N_SHUFFLES = 20, 100, 100
FAMILIES = ["ledoit-wolf-per-run", "ledoit-wolf", "identity"]


def write_table(columns: list[str], rows: list[list[object]]) -> list[str]:
    """Return the lines of a table, with numbers aligned on the right."""
    sides = ["---:" if isinstance(cell, float) else "---" for cell in rows[0]]
    cells = [[write_cell(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (columns, sides, *cells)]


def write_cell(cell: object) -> str:
    if isinstance(cell, float):
        return "none" if np.isnan(cell) else f"{cell:.3f}"
    return str(cell)


def extract_wide(model: torch.nn.Module, stimuli: nl.StimulusSet) -> xr.Dataset:
    """Return the Grams of all ops that have more than one feature."""
    transform = torchvision.models.get_model_weights(NETWORK).DEFAULT.transforms()
    grams = nl.extract_grams(model, stimuli.use_transform(transform), quiet=True)
    return grams.isel(op=(grams.n_features > 1).values)


def measure_rsa(model: torch.nn.Module, control: torch.nn.Module) -> tuple[list[str], dict]:
    """Compare every op with human IT and early visual cortex, by every comparator."""
    brain = nl.load_dataset("kriegeskorte2008", quiet=True)
    grams = extract_wide(model, brain.stimuli)
    rdms, random_rdms = (nl.compute_rdms(g) for g in (grams, extract_wide(control, brain.stimuli)))
    human = brain.rdms.sel(region=list(REGIONS)).dropna("subject", how="all")
    found = {name: measure_comparator(name, rdms, random_rdms, human) for name in COMPARATORS}
    lines = [
        f"## {rdms.sizes['op']} ops of SqueezeNet 1.0 and human cortex",
        "",
        f"RDMs (correlation distance) of {rdms.sizes['stimulus']} photographs; human IT: 4 "
        "subjects; early visual: the RDM of the group, which has no ceiling and no other subjects.",
        "",
        "*All stimuli*: the naive score is the largest over ops, **biased upwards** because it was "
        "chosen for being the largest. Its interval (t, over stimuli and, in IT, subjects; "
        f"{N_BOOTSTRAP} draws, {list_slow()}) does not know of the choice.",
        "",
        f"*Halves*: means over {N_SPLITS} random halves of the stimuli, both ways. Naive: the "
        "largest score on the half that chose. Held out: the score, on the other half, of the op "
        "that the first half chose; then the same with the op chosen by the other subjects; and "
        "held out for random weights (one seed). The op is the one that half a of the first split "
        "chose, with the share of halves that agree. whitened-cosine and bures depend on the "
        "number of stimuli: compare their halves with halves only.",
    ]
    for region, name in REGIONS.items():
        for k, part in enumerate((WHOLE, HALVES)):
            rows = [
                [comparator, *(row[region][key] for key in part)]
                for comparator, row in found.items()
            ]
            title = f"{name}, {'halves: chosen on one, scored on the other' if k else 'all stimuli: biased'}"
            lines += ["", f"### {title}", "", *write_table(["comparator", *part], rows)]
    lines += ["", "No CKA here: these brain data are RDMs, and CKA compares responses. See below."]
    return lines, found


def list_slow() -> str:
    return ", ".join(f"{n} for {name}" for name, n in SLOW.items())


def measure_comparator(
    name: str, rdms: xr.DataArray, random_rdms: xr.DataArray, human: xr.DataArray
) -> dict:
    """Return, for each region, the cells of the tables of ``measure_rsa`` by column."""
    settings = {"comparator": name, "n_bootstrap": 0, "n_splits": N_SPLITS, "rng": SEED}
    scores, control = (nl.compare_rdms(x, human, **settings) for x in (rdms, random_rdms))
    best = nl.assign_regions(scores, control=[control])
    chosen = list(dict.fromkeys(best.best_op.values.tolist()))
    n_bootstrap = SLOW.get(name, N_BOOTSTRAP)
    draws = nl.compare.bootstrap_rdms(
        rdms.sel(op=chosen), human, comparator=name, n_bootstrap=n_bootstrap, rng=SEED
    )
    naive = scores.split_score.max("op").mean(("split", "half"))
    parts = [human.sel(stimulus=ids, stimulus_2=ids) for ids in list_halves(scores.split_member)]
    halves = xr.concat(
        [nl.compare.compute_rdm_ceilings(part, comparator=name) for part in parts], "part"
    ).mean("part")
    rows = {}
    for region in REGIONS:
        here, op = best.sel(region=region), best.best_op.sel(region=region).item()
        interval = [
            draws[f"mean_ci_{end}"].sel(region=region, op=op).item() for end in ("low", "high")
        ]
        whole, half = (
            [x[f"ceiling_{end}"].sel(region=region).item() for end in ("lower", "upper")]
            for x in (scores, halves)
        )
        cells = [f"`{op}`", here.naive_score.item(), write_range(*interval), write_range(*whole)]
        cells += [
            f"{here.agreement.item():.0%}",
            naive.sel(region=region).item(),
        ]
        cells += [here.heldout_mean.item(), here.nested_score.item()]
        cells += [here.control_score.item(), write_range(*half)]
        rows[region] = dict(zip((*WHOLE, *HALVES), cells, strict=True))
    return rows


def list_halves(members: xr.DataArray) -> list[np.ndarray]:
    """Return the stimuli of both halves of each split."""
    ids = members.stimulus.values
    return [
        ids[half]
        for member in members.transpose("split", "stimulus").values
        for half in (member, ~member)
    ]


def write_range(low: float, high: float) -> str:
    return "none" if np.isnan(low) else f"{low:.3f} to {high:.3f}"


def measure_encoding(model: torch.nn.Module) -> tuple[list[str], dict]:
    """Predict voxels of early visual cortex from pixels and from every op.

    The predicted responses are to figures never shown in training.
    """
    brain = nl.load_dataset("miyawaki2008_figures", quiet=True)
    responses, ids = brain.responses, list(brain.stimuli.ids)
    images = (
        brain.stimuli.use_transform(pil_to_tensor).read_rows(range(len(ids)))[:, 0].double().numpy()
    )
    pixels = xr.DataArray(images, dims=("stimulus", "y", "x"), coords={"stimulus": ids})
    grams = extract_wide(model, brain.stimuli)
    ncsnr = nl.compare.compute_ncsnr(responses)
    share = ncsnr.values**2 / (ncsnr.values**2 + ncsnr.attrs["inverse_repeats"])
    good = share > EXPLAINABLE
    found = {}
    for what, features in (("pixels", pixels), ("ops", grams)):
        runs = [
            nl.fit_encoding(features, responses, cv=5, select="loo", ceiling=ncsnr, rng=seed)
            for seed in range(N_FOLDINGS)
        ]
        found[what] = xr.concat([run[["r", "normalised"]] for run in runs], "folding")
    rows = [write_voxels("pixels", found["pixels"].isel(op=0), share, good)]
    means = found["ops"].r.values[:, :, good].mean(axis=(0, 2))
    top = int(means.argmax())
    rows.append(
        write_voxels(
            f"`{grams.op.values[top]}`, the best op", found["ops"].isel(op=top), share, good
        )
    )
    rows.append(
        ["pixels of other figures", *measure_chance(pixels, responses.isel(neuroid=good)), "", ""]
    )
    nested = [
        choose_nested(grams, pixels, responses.isel(neuroid=good), seed)
        for seed in range(N_FOLDINGS)
    ]
    other, low = np.mean(nested, axis=0)
    regional = nl.compare.compute_grams(responses.isel(neuroid=good))
    cka = nl.compare.compare_grams(grams, regional).score.squeeze()
    ours = nl.compare.compute_grams(
        pixels.stack(neuroid=("y", "x"), create_index=False)
    ).expand_dims(op=["pixels"])
    cells = [
        "features",
        "mean r, explainable",
        "over foldings",
        "mean r, the others",
        "share of explainable variance",
    ]
    lines = [
        "## Voxels of early visual cortex",
        "",
        f"{len(good)} voxels, {len(ids)} figures of {images.shape[1]} x {images.shape[2]} pixels, "
        f"{responses.sizes['presentation']} presentations. Explainable, with a noise ceiling "
        f"(ncsnr) of the mean over repeats above {EXPLAINABLE}: **{good.sum()}**; with 20 figures "
        "a ceiling near 0 is a rough estimate. Ridge, one penalty per voxel (LOO), 5 folds of 4 "
        "figures, so that no figure is in both training and test; r within a fold, mean over folds "
        f"and over {N_FOLDINGS} random foldings, whose spread shows how little 4 figures can tell. "
        "Share: r|r| over the ceiling, of the explainable voxels. The best op was chosen by these "
        f"very scores. Other figures: shuffled {N_CHANCE} times, mean and range of one folding "
        "each.",
        "",
        *write_table(cells, rows),
        "",
        "Chosen on 10 figures (3 folds) and fitted to them, scored on the other 10, both ways, "
        f"{N_FOLDINGS} random halves: mean r of the chosen op **{other:.3f}**; of pixels, fitted "
        f"and scored alike, {low:.3f}.",
        "",
        "Unbiased CKA with the explainable voxels, from Grams: best op "
        f"`{cka.op.values[cka.values.argmax()]}` {cka.max():.3f} (chosen by it), pixels "
        f"{nl.compare.compare_grams(ours, regional).score.item():.3f}, last op "
        f"`{cka.op.values[-1]}` {cka[-1]:.3f}.",
    ]
    return lines, {
        "explainable": EXPLAINABLE,
        "share": share,
        "r": found["pixels"].r.values[:, 0].mean(axis=0),
    }


def write_voxels(
    name: str, scores: xr.Dataset, share: np.ndarray, good: np.ndarray
) -> list[object]:
    """Return a row of the table of ``measure_encoding``.

    ``r`` and ``normalised`` are (folding, neuroid).
    """
    by_folding = scores.r.values[:, good].mean(axis=1)
    ratio = scores.normalised.values[:, good]  # r / sqrt(NC)
    normalised = np.average((ratio * abs(ratio)).mean(axis=0), weights=share[good])
    spread = write_range(by_folding.min(), by_folding.max())
    return [
        name,
        float(by_folding.mean()),
        spread,
        float(scores.r.values[:, ~good].mean()),
        float(normalised),
    ]


def measure_chance(pixels: xr.DataArray, responses: xr.DataArray) -> tuple[float, str]:
    """Return mean r, and its range, where responses are to shuffled figures."""
    found = []
    for seed in range(N_CHANCE):
        order = np.random.default_rng(seed).permutation(pixels.stimulus.values)
        shuffled = pixels.assign_coords(stimulus=order)
        found.append(
            nl.fit_encoding(shuffled, responses, cv=5, select="loo", rng=seed).score.item()
        )
    return float(np.mean(found)), write_range(min(found), max(found))


def choose_nested(
    grams: xr.Dataset, pixels: xr.DataArray, responses: xr.DataArray, seed: int
) -> list[float]:
    """Return mean r, on half the stimuli, of the op chosen on the other half.

    The same is returned for pixels, which are fitted alike.
    """
    ids = grams.stimulus.values[np.random.default_rng(seed).permutation(grams.sizes["stimulus"])]
    found = []
    for half in (ids[::2], ids[1::2]):
        part = {"stimulus": half, "stimulus_2": half}
        inner = responses.isel(presentation=np.isin(responses.stimulus_id, half))
        settings = {"select": "loo", "rng": seed}
        inside = nl.fit_encoding(grams.sel(part), inner, cv=3, **settings).score.squeeze()
        folds = xr.DataArray(
            np.where(np.isin(ids, half), -1, 0), dims="stimulus", coords={"stimulus": ids}
        )
        other = nl.fit_encoding(
            grams.sel(op=[inside.idxmax().item()]), responses, cv=folds, **settings
        )
        low = nl.fit_encoding(pixels, responses, cv=folds, **settings)
        found.append([other.score.item(), low.score.item()])
    return np.mean(found, axis=0).tolist()


def measure_crossnobis() -> tuple[list[str], dict]:
    """Compare noise measured for each run on the others with noise of the same presentations.

    The comparison is made where nothing differs.
    """
    responses = nl.load_dataset("haxby2001_slice", quiet=True).responses
    n_runs = len(np.unique(responses.run))
    # Two runs make one fold in which each category occurs twice, as two stimuli that do not differ.
    twice = [
        f"{name} {'ab'[run % 2]}"
        for name, run in zip(responses.stimulus_id.values, responses.run.values, strict=True)
    ]
    split = responses.assign_coords(stimulus_id=("presentation", twice), run=responses.run // 2)
    found, rows = {}, []
    for noise in FAMILIES:
        real = measure_pairs(responses, noise)
        halves = nl.compute_rdms(split, metric="crossnobis", noise=noise).squeeze()
        names = np.array([str(name)[:-2] for name in halves.stimulus.values])
        same = (names[:, None] == names) & ~np.eye(len(names), dtype=bool)
        rng = np.random.default_rng(SEED)
        chance = [
            measure_pairs(shuffle_labels(responses, rng), noise).mean() for _ in range(N_SHUFFLES)
        ]
        found[noise] = real, np.array(chance)
        ratio = float(np.mean(chance) / real.mean())
        spread = f"{np.mean(chance):.4f} ± {np.std(chance):.4f}"
        rows.append(
            [
                f"`{noise}`",
                float(real.mean()),
                float(real.min()),
                halves.values[same].mean(),
                spread,
                ratio,
            ]
        )
    cells = [
        "noise",
        "between categories",
        "smallest of 28",
        "within a category",
        "labels shuffled",
        "of the real mean",
    ]
    lines = [
        "## Crossnobis distances of eight categories",
        "",
        f"{responses.sizes['neuroid']} voxels of one subject, {n_runs} runs, squared units per "
        "voxel (of noise, where it whitens). Where nothing differs the expected distance is 0: "
        f"within a category ({n_runs // 2} folds of two runs, the category's block of one run "
        "against that of the other, 16 stimuli with half as many repeats each), and between "
        f"categories whose labels are shuffled within runs ({N_SHUFFLES} times, mean and SD of the "
        "mean over pairs).",
        "",
        *write_table(cells, rows),
        "",
        "Noise of the same presentations (`ledoit-wolf`) leaves a distance where there is none, "
        "the more so the fewer repeats; noise per run, the default, does not. Without whitening "
        "(`identity`) there is no bias either, and the spread is wider.",
    ]
    return lines, found


def measure_pairs(responses: xr.DataArray, noise: str) -> np.ndarray:
    """Return the crossnobis distances of all pairs of stimuli."""
    rdm = nl.compute_rdms(responses, metric="crossnobis", noise=noise).squeeze().values
    return rdm[np.triu_indices(len(rdm), 1)]


def shuffle_labels(responses: xr.DataArray, rng: np.random.Generator) -> xr.DataArray:
    """Return ``responses`` with the stimuli of each run in random order."""
    names = responses.stimulus_id.values.copy()
    for run in np.unique(responses.run):
        here = responses.run.values == run
        names[here] = rng.permutation(names[here])
    return responses.assign_coords(stimulus_id=("presentation", names))


def describe_run(weights: Path) -> list[str]:
    """Return the lines that describe the versions and machine with which the page was made."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    )
    keys = ("kriegeskorte2008", "miyawaki2008_figures", "haxby2001_slice")
    files = [
        f"| {key}/{f['name']} | `{f['sha256']}` |"
        for key in keys
        for f in nl.describe_dataset(key)["files"]
    ]
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("torchvision", "numpy", "scipy", "xarray")
    )
    return [
        "## How it was made",
        "",
        f"Code `{commit.stdout.strip()}`; {describe_machine()}, {packages}; every seed from {SEED} "
        "on. Random weights: torchvision's initialisation from the same seed. What to cite: "
        "`neurolens datasets`.",
        "",
        "| file | sha256 |",
        "|---|---|",
        *files,
        f"| weights/{weights.name} | `{hashlib.sha256(weights.read_bytes()).hexdigest()}` |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--weights", type=Path, help="state dict; default: weights/squeezenet1_0.pth of the mirror"
    )
    options = parser.parse_args()
    mirror = os.environ.get("NEUROLENS_MIRROR")
    if not mirror:
        print(
            "Skipped: set NEUROLENS_MIRROR to a folder with the real data, <data set>/<file>, to "
            "measure on them."
        )
        return
    weights = options.weights or Path(mirror) / "weights" / f"{NETWORK}.pth"
    if not weights.is_file():
        print(
            f"Skipped: there are no weights {weights}. Name a state dict of {NETWORK} with "
            f"--weights."
        )
        return
    # With so few figures some ops predict best with almost no penalty.
    warnings.filterwarnings("ignore", message="the best penalty ends the grid")
    model, _ = load_model(NETWORK, weights, SEED, trained=True)
    control, _ = load_model(NETWORK, None, SEED, trained=False)
    parts: list[Callable[[], tuple[list[str], dict]]] = [
        lambda: measure_rsa(model, control),
        lambda: measure_encoding(model),
        measure_crossnobis,
    ]
    picture = "![Best op by comparator; voxels predicted from pixels; crossnobis distances](images/real_data.png)"
    lines, found = ["# What real data say", "", "Written by `make figures`.", "", picture], []
    for part in parts:
        start = time.perf_counter()
        try:
            text, numbers = part()
        except DataError as error:
            print(f"Skipped, and the page is left as it is: {error}")
            return
        print("\n".join(text), f"\n\n{time.perf_counter() - start:.0f} s\n", flush=True)
        lines += ["", *text]
        found.append(numbers)
    draw_figures(*found, PICTURE)
    PAGE.write_text("\n".join([*lines, "", *describe_run(weights)]) + "\n")


if __name__ == "__main__":
    main()
