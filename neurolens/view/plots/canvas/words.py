"""What measures of scores are called on an axis."""

from collections.abc import Mapping
from typing import Any

SYMBOLS = {
    "spearman": "Spearman ρ",
    "pearson": "Pearson r",
    "cosine": "cosine similarity",
    "rho-a": "ρ-a",
    "tau-a": "Kendall τ-a",
    "whitened-pearson": "whitened Pearson r",
    "whitened-cosine": "whitened cosine",
    "bures": "Bures similarity",
    "partial-spearman": "partial Spearman ρ",
    "partial-pearson": "partial Pearson r",
    "beta": "standardized β",
    "r": "Pearson r",
    "r2": "R²",
    "cka": "CKA",
    "cka-unbiased": "unbiased CKA",
    "procrustes": "Procrustes similarity",
    "linear-predictivity": "linear predictivity R²",
    "cca": "mean CCA",
    "svcca": "mean SVCCA",
    "pwcca": "mean PWCCA",
}


def name_measure(attrs: Mapping[str, Any]) -> str:
    """Return what the measure in the attributes of scores is called on an axis."""
    measure = str(attrs.get("measure", ""))
    return SYMBOLS.get(measure, f"score ({measure})" if measure else "score")
