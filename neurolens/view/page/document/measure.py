"""What scores are, in a few words, from their attributes."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from neurolens.scores import MEASURES, SPLIT
from neurolens.view.annotation import describe_interval

# How measures are written in formulas; others keep their name.
SYMBOLS = {
    "spearman": "ρ",
    "pearson": "r",
    "cosine": "cosine",
    "rho-a": "ρₐ",
    "tau-a": "τₐ",
    "whitened-pearson": "whitened r",
    "whitened-cosine": "whitened cosine",
    "bures": "Bures",
    "partial-spearman": "partial ρ",
    "partial-pearson": "partial r",
    "beta": "β",
    "r": "r",
    "r2": "R²",
    "cka": "CKA",
    "cka-unbiased": "CKA",
    "procrustes": "Procrustes",
    "linear-predictivity": "R²",
    "cca": "CCA",
    "svcca": "SVCCA",
    "pwcca": "PWCCA",
}


def describe_measure(
    scores: xr.Dataset, best: xr.Dataset | None = None, control: str | None = None
) -> dict[str, Any]:
    """Return name and symbol of the measure, and what intervals, splits and p values are of.

    ``control`` is the label of the control, None without.
    """
    attrs = scores.attrs
    n_splits = scores.sizes.get(SPLIT) or None
    if best is not None:
        n_splits = best.attrs.get("n_splits", n_splits)
    n_permutations = attrs.get("n_permutations")
    return {
        "name": name_measure(attrs),
        "symbol": write_symbol(attrs),
        "stimuli": attrs.get("n_stimuli"),
        "interval": describe_interval(attrs),
        "heldoutInterval": "" if best is None else describe_heldout(best),
        "splits": None if n_splits is None else int(n_splits),
        "permutations": None if n_permutations is None else int(n_permutations),
        "control": control,
    }


def describe_heldout(best: xr.Dataset) -> str:
    """Return what intervals of held-out scores are, "" where there are none.

    They can be over more than those of the scores: over subjects as well as stimuli.
    """
    if "heldout_ci_low" not in best or not best["heldout_ci_low"].notnull().any():
        return ""
    level = best.attrs.get("interval_level")
    over = best.attrs.get("interval_over")
    if level is None and not over:
        return ""
    text = "intervals" if level is None else f"{100 * float(level):g} % intervals"
    return f"{text} over {over}" if over else text


def name_measure(attrs: Mapping[str, Any]) -> str:
    """Return what the measure is called in a paper."""
    measure = str(attrs["measure"])
    return MEASURES.get(measure, measure)


def write_symbol(attrs: Mapping[str, Any]) -> str:
    """Return the symbol of the measure."""
    measure = str(attrs["measure"])
    return SYMBOLS.get(measure, measure)
