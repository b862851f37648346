"""Every op of a trained network beside human IT and early visual cortex, by every comparator."""

import numpy as np
import torch
import xarray as xr

import neurolens as nl
from neurolens.compare import COMPARATORS
from real_data.tables import SEED, extract_wide, write_range, write_table

REGIONS = {"IT": "human IT", "EVA": "early visual"}
# Draws of stimuli and subjects for an interval, and fewer where they are slow.
N_BOOTSTRAP = 1000
SLOW = {"tau-a": 200, "bures": 100}
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
            what = "halves: chosen on one, scored on the other" if k else "all stimuli: biased"
            title = f"{name}, {what}"
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
        rdms.sel(op=chosen),
        human,
        comparator=name,
        interval="bootstrap",
        n_bootstrap=n_bootstrap,
        rng=SEED,
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
