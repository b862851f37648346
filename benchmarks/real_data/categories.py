"""Models of categories beside human IT: what ties are worth, and who reaches the ceiling."""

import xarray as xr

import neurolens as nl
from neurolens.compare import bootstrap_rdms, compare_ops, compute_metadata_rdms
from real_data.tables import SEED, write_range, write_table

# Name -> columns of the metadata; whether a picture shows a face tells the model "face".
MODELS = {
    "animate or not": ["animate"],
    "human or not": ["human"],
    "face or not": ["face"],
    "six categories": ["category"],
}
COMPARED = ("spearman", "rho-a", "tau-a", "pearson")
N_BOOTSTRAP = 2000
SLOW = {"tau-a": 500}


def measure_categories() -> tuple[list[str], dict]:
    """Return the scores of categories by comparators that do, and do not, reward ties."""
    brain = nl.load_dataset("kriegeskorte2008", quiet=True)
    metadata = brain.stimuli.metadata
    metadata = metadata.assign(animate=metadata["set_animate"].astype(bool))
    models = compute_metadata_rdms(metadata, MODELS)
    human = brain.rdms.sel(region=["IT"]).dropna("subject", how="all")
    rows = []
    found = {}
    for comparator in COMPARED:
        settings = {"comparator": comparator, "n_bootstrap": SLOW.get(comparator, N_BOOTSTRAP)}
        settings["interval"] = "bootstrap"
        over_both = bootstrap_rdms(models, human, rng=SEED, **settings)
        over_stimuli = nl.compare_rdms(models, human, n_splits=0, rng=SEED, **settings)
        tests = [compare_ops(one, against="ceiling") for one in (over_stimuli, over_both)]
        found[comparator] = over_both
        for model in models.op.values:
            rows.append([comparator, *write_model(over_both, model, tests)])
    columns = [
        "comparator",
        "model",
        "score",
        "95 % interval",
        "noise ceiling",
        "reaches the lower",
        "p, stimuli",
        "p, stimuli and subjects",
    ]
    lines = [
        "## Categories and human IT",
        "",
        "Models that only tell which pictures are of one category: most of their dissimilarities "
        "are tied. 92 photographs, 4 subjects; intervals (t) for new stimuli and subjects; p of a "
        "score that is not below the lower ceiling, by `compare_ops(against='ceiling')`.",
        "",
        *write_table(columns, rows),
        "",
        *describe_flip(found),
    ]
    return lines, {}


def write_model(scores: xr.Dataset, model: str, tests: list[xr.Dataset]) -> list[object]:
    """Return the cells of one model in human IT."""
    here = scores.sel(op=model).isel(region=0)
    return [
        model,
        here.score_mean.item(),
        write_range(here.mean_ci_low.item(), here.mean_ci_high.item()),
        write_range(here.ceiling_lower.item(), here.ceiling_upper.item()),
        "yes" if reaches(here) else "no",
        *(write_p(test.p.sel(op=model).item()) for test in tests),
    ]


def write_p(p: float) -> str:
    """Return a p with three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def reaches(here: xr.Dataset) -> bool:
    """Return whether a model scores as much as the lower noise ceiling."""
    return bool(here.score_mean >= here.ceiling_lower)


def describe_flip(found: dict[str, xr.Dataset]) -> list[str]:
    """Return sentences on the models that reach the ceiling by some comparators only."""
    lines = []
    for model in MODELS:
        here = {name: one.sel(op=model).isel(region=0) for name, one in found.items()}
        verdicts = {name: reaches(one) for name, one in here.items()}
        if len(set(verdicts.values())) > 1:
            parts = [
                f"{'reaches' if verdicts[name] else 'misses'} it by {name} "
                f"({one.score_mean.item():.3f} of {one.ceiling_lower.item():.3f})"
                for name, one in here.items()
            ]
            lines.append(
                f"**What the comparator decides**: '{model}', beside the lower ceiling, "
                f"{', '.join(parts)}. Spearman rewards the ties; rho-a and tau-a score a tied model "
                "as if its ties were broken at random."
            )
    return lines
