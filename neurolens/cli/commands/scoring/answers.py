"""What subcommands that make scores print: the best operation of each region."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurolens.cli.console import Console
from neurolens.cli.tables import format_rows

if TYPE_CHECKING:
    import xarray as xr

# Of the result of assign_regions, what JSON has for each region.
COLUMNS = (
    *"best_op naive_score heldout_mean heldout_ci_low heldout_ci_high heldout_p".split(),
    *"agreement doubtful nested_score".split(),
)
WIDTH = 100
CEILINGS = ("ceiling_lower", "ceiling_upper")


def choose_best(scores: "xr.Dataset", controls: "Mapping[str, xr.Dataset]") -> "xr.Dataset | None":
    """Return the best op of each region, None where scores have no halves or have time bins."""
    from neurolens.compare import assign_regions

    if "time_bin" in scores.dims or scores.sizes.get("split", 0) == 0:
        return None
    return assign_regions(scores, control=dict(controls))


def answer_scores(
    console: Console,
    output: Path,
    scores: "xr.Dataset",
    best: "xr.Dataset | None",
    advice: Sequence[str],
) -> None:
    """Print the table of best ops, and where scores are; ``advice`` is for people only."""
    from neurolens.cli.demo.tables import format_best

    lines = [format_largest(scores) if best is None else format_best(scores, best)]
    if not console.quiet:
        lines += ["", f"{output}: scores of {scores.sizes['op']} operations", *advice]
    facts = {
        "output": output,
        "method": scores.attrs["method"],
        "measure": scores.attrs["measure"],
        "n_ops": scores.sizes["op"],
        "n_stimuli": scores.attrs["n_stimuli"],
        "methods_text": scores.attrs["methods_text"],
        "regions": _list_regions(scores, best),
    }
    console.answer("\n".join(lines), facts)


def _list_regions(scores: "xr.Dataset", best: "xr.Dataset | None") -> list[dict[str, Any]]:
    """Return the facts on each region."""
    regions = []
    for name in scores["region"].values:
        facts: dict[str, Any] = {"region": str(name)}
        for side in CEILINGS:
            facts[side] = scores[side].sel(region=name).values
        if best is None:
            facts |= find_largest(scores, str(name))
        else:
            row = best.sel(region=name)
            facts |= {column: row[column].item() for column in COLUMNS if column in row}
            ties = row["indistinguishable"]
            facts["indistinguishable"] = ties["op"].values[ties.values]
            if "control_score" in row:
                pairs = zip(row["control"].values, row["control_score"].values, strict=True)
                facts["control_scores"] = {str(label): score for label, score in pairs}
        regions.append(facts)
    return regions


def find_largest(scores: "xr.Dataset", region: str) -> dict[str, Any]:
    """Return the op (and time bin) with the largest score in a region, and that score."""
    values = scores["score_mean"].sel(region=region)
    if not bool(values.notnull().any()):
        return {"best_op": None, "naive_score": None}
    place = values.argmax(dim=list(values.dims))
    largest = values.isel(place)
    facts = {"best_op": str(largest["op"].item()), "naive_score": largest.item()}
    if "time_bin" in scores.dims:
        facts["time_bin"] = largest["time_bin"].values if "time_bin" in largest.coords else None
    return facts


def format_largest(scores: "xr.Dataset") -> str:
    """Return the op with the largest score in each region as a table that says what it lacks."""
    over_time = "time_bin" in scores.dims
    rows = []
    for name in scores["region"].values:
        facts = find_largest(scores, str(name))
        score = facts["naive_score"]
        row = [str(name), facts["best_op"], None if score is None else f"{score:.3f}"]
        rows.append([*row, facts["time_bin"] if over_time else _format_ceiling(scores, str(name))])
    heads = ("region", "largest score", "biased", "time bin" if over_time else "ceiling")
    why = (
        "they have time bins"
        if over_time
        else "there are no random halves of the stimuli (see --splits)"
    )
    sentence = (
        f"The largest of many scores is biased upwards, and no held-out score is given, for {why}."
    )
    return f"{format_rows(heads, rows)}\n{textwrap.fill(sentence, WIDTH)}"


def _format_ceiling(scores: "xr.Dataset", region: str) -> str | None:
    """Return the noise ceiling of a region, None where there is none."""
    bounds = [scores[side].sel(region=region).item() for side in CEILINGS]
    return "–".join(f"{bound:.3f}" for bound in bounds if np.isfinite(bound)) or None
