"""Where the numbers come from: settings, seeds, hashes and versions."""

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

PACKAGES = ("neurolens-brain", "torch", "numpy", "xarray")
# Attributes that are sentences or lists of labels, told elsewhere.
TOLD_ELSEWHERE = (
    "methods_text", "ceiling_note", "score_note", "interval_note", "subjects", "reference", "label",
    "best_note", "set_note", "doubt_note", "control_note", "hierarchy_note", "batch_dependent_ops",
)  # fmt: skip
# Of longer values only the beginning would be read.
MOST_CHARACTERS = 200
NAMES = {
    "rng": "seed",
    "n_stimuli": "stimuli",
    "n_bootstrap": "bootstrap draws",
    "n_splits": "half splits",
    "n_permutations": "permutations",
    "n_units": "resampled units",
    "interval_kind": "interval",
    "interval_over": "interval over",
    "interval_level": "level of intervals",
    "ceiling_bound": "upper noise ceiling",
}


def list_provenance(
    facts: Mapping[str, Any], scores: Mapping[str, Any], rdms: Mapping[str, Any]
) -> list[list[str]]:
    """Return pairs of name and value: facts of the user, then attributes of scores and RDMs."""
    pairs = {str(key): write_value(value) for key, value in facts.items()}
    for attrs in (scores, rdms):
        for key, value in attrs.items():
            name = NAMES.get(str(key), str(key).replace("_", " "))
            if str(key) not in TOLD_ELSEWHERE and name not in pairs:
                pairs[name] = write_value(value)
    return [[name, value] for name, value in pairs.items() if value]


def write_value(value: Any) -> str:
    """Return a setting as text; a long one shortened, "" for None and NaN."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if isinstance(value, list | tuple | np.ndarray):
        text = ", ".join(write_value(one) for one in value)
    elif isinstance(value, float | np.floating):
        text = f"{value:g}"
    else:
        text = str(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def list_versions() -> list[str]:
    """Return the versions of Python and of the packages that made the page."""
    return [f"python {platform.python_version()}", *map(_name_version, PACKAGES)]


def _name_version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} (not installed as a package)"
