"""Voxels of early visual cortex, predicted from pixels and from every op of a network."""

import numpy as np
import torch
import xarray as xr
from torchvision.transforms.functional import pil_to_tensor

import neurolens as nl
from neurolens.compare import compare_grams, compute_grams, permute_encoding
from real_data.tables import SEED, extract_wide, write_range, write_table

# A voxel is explainable where a perfect model of the mean over repeats would explain more than
# this.
EXPLAINABLE = 0.6
N_FOLDINGS = 20
N_PERMUTATIONS = 199
COLUMNS = [
    "features",
    "held out",
    "mean r, explainable",
    "over foldings",
    "mean r, the others",
    "share of explainable variance",
]


def measure_encoding(model: torch.nn.Module) -> tuple[list[str], dict]:
    """Predict voxels from pixels and from every op, for figures and sets never shown in training."""
    brain = nl.load_dataset("miyawaki2008_figures", quiet=True)
    responses = brain.responses
    pixels = read_pixels(brain.stimuli)
    grams = extract_wide(model, brain.stimuli)
    ncsnr = nl.compare.compute_ncsnr(responses)
    share = ncsnr.values**2 / (ncsnr.values**2 + ncsnr.attrs["inverse_repeats"])
    good = share > EXPLAINABLE
    rows = []
    by_set = {}
    for what, features in (("pixels", pixels), ("ops", grams)):
        runs = [
            nl.fit_encoding(features, responses, cv=5, select="loo", ceiling=ncsnr, rng=seed)
            for seed in range(N_FOLDINGS)
        ]
        figures = xr.concat([run[["r", "normalised"]] for run in runs], "folding")
        whole = nl.fit_encoding(features, responses, cv="run", select="folds", ceiling=ncsnr)
        sets = whole[["r", "normalised"]].expand_dims("folding")
        by_set[what] = whole.r.values
        for held_out, scores in (("figures", figures), ("sets", sets)):
            rows.append(write_voxels(what, held_out, scores, share, good))
    best = responses.isel(neuroid=good)
    lines = [
        "## Voxels of early visual cortex",
        "",
        f"{len(good)} voxels, {pixels.sizes['stimulus']} figures of {pixels.sizes['y']} x "
        f"{pixels.sizes['x']} pixels, {responses.sizes['presentation']} presentations. "
        "Explainable, with a noise ceiling (ncsnr) of the mean over repeats above "
        f"{EXPLAINABLE}: **{good.sum()}**; with 20 figures a ceiling near 0 is a rough estimate. "
        "Ridge, one penalty per voxel. *Figures* held out: 5 folds of 4 figures (LOO), so that no "
        f"figure is in both training and test, {N_FOLDINGS} random foldings, whose spread shows "
        "how little 4 figures can tell. *Sets* held out: four sets of five figures were shown in "
        "runs of their own. Figures of a set resemble each other more than those of others, and so "
        "do responses of the same runs; `fit_encoding` warns of random folds here. Sets are left "
        "out one at a time (penalties by the other sets). r within a fold, mean over folds. Share: "
        "r|r| over the ceiling, of the explainable voxels. The best op was chosen by the very "
        "scores of its row.",
        "",
        *write_table(COLUMNS, rows),
        "",
        *describe_choice(grams, pixels, best),
        "",
        *describe_chance(pixels, best),
        "",
        *describe_alignment(grams, pixels, best),
    ]
    return lines, {
        "explainable": EXPLAINABLE,
        "share": share,
        "r": by_set["pixels"][0],
    }


def read_pixels(stimuli: nl.StimulusSet) -> xr.DataArray:
    """Return the figures (stimulus, y, x)."""
    ids = list(stimuli.ids)
    images = stimuli.use_transform(pil_to_tensor).read_rows(range(len(ids)))[:, 0]
    return xr.DataArray(
        images.double().numpy(), dims=("stimulus", "y", "x"), coords={"stimulus": ids}
    )


def write_voxels(
    what: str, held_out: str, scores: xr.Dataset, share: np.ndarray, good: np.ndarray
) -> list[object]:
    """Return a row of the table: of pixels, or of the best op.

    ``r`` and ``normalised`` are (folding, op, neuroid).
    """
    top = int(scores.r.values[:, :, good].mean(axis=(0, 2)).argmax())
    name = what if scores.sizes["op"] == 1 else f"`{scores.op.values[top]}`, the best op"
    here = scores.isel(op=top)
    by_folding = here.r.values[:, good].mean(axis=1)
    ratio = here.normalised.values[:, good]  # r / sqrt(NC)
    normalised = np.average((ratio * abs(ratio)).mean(axis=0), weights=share[good])
    spread = write_range(by_folding.min(), by_folding.max()) if len(by_folding) > 1 else ""
    return [
        name,
        held_out,
        float(by_folding.mean()),
        spread,
        float(here.r.values[:, ~good].mean()),
        float(normalised),
    ]


def describe_choice(grams: xr.Dataset, pixels: xr.DataArray, responses: xr.DataArray) -> list[str]:
    """Return what an op chosen on some sets of figures predicts of the others."""
    sets = nl.compare.split_stimuli(responses, by="run", n_folds=None)
    found = []
    for number in np.unique(sets):
        inside = sets.stimulus.values[sets.values != number]
        part = {"stimulus": inside, "stimulus_2": inside}
        inner = responses.isel(presentation=np.isin(responses.stimulus_id, inside))
        chosen = nl.fit_encoding(grams.sel(part), inner, cv="run", select="loo").score.squeeze()
        folds = xr.where(sets == number, 0, -1).drop_vars("group", errors="ignore")
        settings = {"cv": folds, "select": "loo"}
        other = nl.fit_encoding(grams.sel(op=[chosen.idxmax().item()]), responses, **settings)
        low = nl.fit_encoding(pixels, responses, **settings)
        found.append([other.score.item(), low.score.item(), chosen.idxmax().item()])
    names = ", ".join(f"`{name}`" for name in dict.fromkeys(one[2] for one in found))
    other, low = (np.mean([one[k] for one in found]) for k in range(2))
    return [
        f"Chosen on three sets ({names}) and fitted to them, scored on the fourth, each set in "
        f"turn: mean r of the chosen op **{other:.3f}**; of pixels, fitted and scored alike, "
        f"{low:.3f}."
    ]


def describe_chance(pixels: xr.DataArray, responses: xr.DataArray) -> list[str]:
    """Return how much pixels of other figures predict."""
    lines = []
    for cv, select, what in (
        (5, "loo", "Of all other figures, with figures held out"),
        ("run", "folds", "Of other figures of the same set, with sets held out"),
    ):
        found = permute_encoding(
            pixels, responses, cv=cv, select=select, n_permutations=N_PERMUTATIONS, rng=SEED
        )
        lines.append(
            f"{what}: pixels predict r = {found.null_mean.item():.3f} ± {found.null_sd.item():.3f} "
            f"(mean and SD of {N_PERMUTATIONS} permutations), of their own "
            f"{found.score_mean.item():.3f} (p = {found.p.item():.3f})."
        )
    return [" ".join(lines)]


def describe_alignment(
    grams: xr.Dataset, pixels: xr.DataArray, responses: xr.DataArray
) -> list[str]:
    """Return the unbiased CKA of ops and of pixels with the voxels."""
    regional = compute_grams(responses)
    cka = compare_grams(grams, regional).score.squeeze()
    ours = compute_grams(pixels.stack(neuroid=("y", "x"), create_index=False))
    low = compare_grams(ours.expand_dims(op=["pixels"]), regional).score.item()
    return [
        "Unbiased CKA with the explainable voxels, from Grams: best op "
        f"`{cka.op.values[cka.values.argmax()]}` {cka.max():.3f} (chosen by it), pixels {low:.3f}, "
        f"last op `{cka.op.values[-1]}` {cka[-1]:.3f}."
    ]
