"""Single neurons of monkey IT and 64 shapes: a trained network, random weights, and pixels."""

import numpy as np
import torch
import xarray as xr
from scipy.stats import spearmanr

import neurolens as nl
from real_data.tables import NETWORK, SEED, extract_wide, write_range, write_table
from real_data.voxels import read_pixels

KEY = "kalfas2018_shapes"
MONKEYS = ("monkey1", "monkey2")
N_RANDOM = 3
N_SPLITS = 20
COMPARATOR = "rho-a"
THIRDS = ("first third", "middle third", "last third")
# What is held out -> folds, how penalties are chosen.
SCHEMES = {
    "numbers": ("number", "folds"),
    "groups": ("category", "folds"),
    "random shapes": (8, "loo"),
}


def measure_shapes(model: torch.nn.Module) -> tuple[list[str], dict]:
    """Compare every op with the neurons of each monkey, by RDMs and by prediction."""
    data = nl.load_dataset(KEY, quiet=True)
    grams = {"trained": [extract_wide(model, data.stimuli)], "random": []}
    for seed in range(SEED, SEED + N_RANDOM):
        control = nl.load_model(f"torchvision/{NETWORK}", weights=None, rng=seed).model
        grams["random"].append(extract_wide(control, data.stimuli))
    rsa = {kind: [compare_monkeys(one, data) for one in some] for kind, some in grams.items()}
    encoding = {}
    for scheme in SCHEMES:
        encoding[scheme] = {
            kind: [fit_neurons(one, data, scheme) for one in some] for kind, some in grams.items()
        }
        encoding[scheme]["pixels"] = [fit_neurons(read_pixels(data.stimuli), data, scheme)]
    lines = [
        "## Neurons of monkey IT and shapes",
        "",
        f"{data.responses.sizes['neuroid']} neurons of two monkeys "
        f"({' and '.join(str(count_neurons(data, monkey)) for monkey in MONKEYS)}), "
        f"{len(data.stimuli)} shapes: four groups of 16, and in each eight numbers of two shapes, "
        "which resemble those of the same number in the other groups in orientation and "
        f"elongation. {NETWORK} trained on ImageNet, and with random weights ({N_RANDOM} seeds: "
        "mean, and range in brackets). Thirds are means over a third of the ops in their order.",
        "",
        "![Scores along the network by RDMs and by prediction, and of each neuron]"
        "(images/real_data_shapes.png)",
        "",
        f"### RDMs ({COMPARATOR}; correlation distance)",
        "",
        "Rise: rank correlation of an op's score with its place along the network. Held out: score "
        f"of the best op chosen on one half of the shapes, on the other ({N_SPLITS} halvings).",
        "",
        *write_rsa(rsa),
        "",
        describe_monkeys(data),
        "",
        "### Prediction of each neuron",
        "",
        "Ridge, one penalty per neuron; r within a fold, mean over folds and neurons. *Numbers* "
        "held out: whole numbers, of all groups, eight folds of eight. *Groups*: whole groups, four "
        "folds of 16. *Random shapes*: eight random folds, which have shapes of the same number and "
        "group in training; `fit_encoding` warns of them, and of shapes that resemble their "
        "neighbors in the table, which is sorted by group. There are no repeats, so no ceilings. The "
        "best op was chosen by the very scores of its row.",
        "",
        *write_encoding(encoding),
        "",
        describe_neurons(encoding["numbers"]),
    ]
    return lines, {"rsa": rsa, "encoding": encoding["numbers"]}


def count_neurons(data: nl.datasets.Dataset, monkey: str) -> int:
    return int((data.responses.subject == monkey).sum())


def compare_monkeys(grams: xr.Dataset, data: nl.datasets.Dataset) -> dict[str, xr.Dataset]:
    """Return, for each monkey, the scores of all ops and the held-out score of the best."""
    rdms = nl.compute_rdms(grams)
    brain = nl.compute_rdms(data.responses)
    found = {}
    for monkey in MONKEYS:
        scores = nl.compare_rdms(
            rdms,
            brain.sel(subject=[monkey]),
            comparator=COMPARATOR,
            n_bootstrap=0,
            n_splits=N_SPLITS,
            rng=SEED,
        )
        best = nl.assign_regions(scores)
        found[monkey] = xr.Dataset(
            {
                "score": scores.score.squeeze(drop=True),
                "heldout": best.heldout_mean.squeeze(drop=True),
            }
        )
    return found


def fit_neurons(
    features: xr.Dataset | xr.DataArray, data: nl.datasets.Dataset, scheme: str
) -> dict[str, xr.DataArray]:
    """Return, for each monkey, the held-out r (op, neuroid) of its neurons."""
    cv, select = SCHEMES[scheme]
    fit = nl.fit_encoding(
        features, data.responses, cv=cv, select=select, n_splits=0, n_bootstrap=0, rng=SEED
    )
    return {monkey: fit.r[:, fit.neuroid_subject.values == monkey] for monkey in MONKEYS}


def split_thirds(scores: np.ndarray) -> list[float]:
    """Return the mean score (op,) of each third of the ops."""
    return [float(np.nanmean(part)) for part in np.array_split(scores, 3)]


def write_cells(rows: list[list[float]]) -> list[object]:
    """Return the means over seeds of each column, with the range where there are several."""
    cells: list[object] = []
    for column in zip(*rows, strict=True):
        mean = float(np.mean(column))
        if len(column) == 1:
            cells.append(f"{mean:.3f}")
        else:
            cells.append(f"{mean:.3f} ({write_range(min(column), max(column))})")
    return cells


def write_rsa(rsa: dict[str, list[dict[str, xr.Dataset]]]) -> list[str]:
    rows = []
    for monkey in MONKEYS:
        for kind, found in rsa.items():
            numbers = []
            for one in found:
                score = one[monkey].score.values
                rise = float(spearmanr(np.arange(len(score)), score).statistic)
                held_out = one[monkey].heldout.item()
                numbers.append([*split_thirds(score), rise, float(score.max()), held_out])
            top = found[0][monkey].score
            name = f"`{top.op.values[top.values.argmax()]}`" if kind == "trained" else ""
            rows.append([monkey, kind, *write_cells(numbers), name])
    columns = ["neurons", "weights", *THIRDS, "rise", "best op, biased", "held out", "best op"]
    return write_table(columns, rows)


def describe_monkeys(data: nl.datasets.Dataset) -> str:
    """Return how well the RDM of one monkey predicts that of the other."""
    brain = nl.compute_rdms(data.responses)
    ceilings = nl.compare.compute_rdm_ceilings(brain, comparator=COMPARATOR)
    return (
        "The RDM of one monkey scores "
        f"{ceilings.ceiling_lower.item():.3f} on the other: this is the lower noise ceiling. It "
        "holds the noise of two samples of neurons, and ops, which have none, can score above it; "
        f"the upper one, with two monkeys a loose bound, is {ceilings.ceiling_upper.item():.3f}."
    )


def write_encoding(encoding: dict[str, dict[str, list[dict[str, xr.DataArray]]]]) -> list[str]:
    rows = []
    for scheme, kinds in encoding.items():
        for monkey in MONKEYS:
            for kind, found in kinds.items():
                means = [one[monkey].mean("neuroid").values for one in found]
                top = found[0][monkey].mean("neuroid")
                if kind == "pixels":
                    cells = [""] * 3 + [f"{means[0].item():.3f}", ""]
                else:
                    cells = write_cells([[*split_thirds(m), float(m.max())] for m in means])
                    name = f"`{top.op.values[top.values.argmax()]}`"
                    cells.append(name if kind == "trained" else "")
                rows.append([scheme, monkey, kind, *cells])
    columns = ["held out", "neurons", "features", *THIRDS, "best op, biased", "best op"]
    return write_table(columns, rows)


def average_last(found: dict[str, xr.DataArray]) -> np.ndarray:
    """Return the mean r (neuroid,) over the last third of the ops, of the neurons of both.

    It is NaN for a neuron that some op has no r for.
    """
    parts = []
    for monkey in MONKEYS:
        r = found[monkey].values
        parts.append(np.array_split(r, 3)[-1].mean(axis=0))
    return np.concatenate(parts)


def describe_neurons(kinds: dict[str, list[dict[str, xr.DataArray]]]) -> str:
    """Return how many neurons the trained network predicts better than random weights do."""
    trained = average_last(kinds["trained"][0])
    control = np.mean([average_last(one) for one in kinds["random"]], axis=0)
    known = np.isfinite(trained) & np.isfinite(control)
    better = int((trained > control)[known].sum())
    gain = (trained - control)[known]
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    return (
        f"With numbers held out, the last third of the trained network predicts {better} of "
        f"{known.sum()} neurons better than that of random weights (mean over seeds); the gain in r "
        f"is {gain.mean():.3f} ± {error:.3f} (mean and its standard error over neurons). "
        f"{(~known).sum()} of them has no r, because it does not vary over the shapes of some fold."
    )
