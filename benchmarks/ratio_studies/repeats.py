"""Repeats of each ratio as JSON, with the machine and the commit."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Repeats(NamedTuple):
    """The machine, with versions and commit, and the repeats of each ratio."""

    machine: str
    ratios: dict[str, list[float]]


def read_repeats(path: Path) -> Repeats:
    """Return what was written, or no ratios where nothing was."""
    if not path.exists():
        return Repeats("", {})
    content = json.loads(path.read_text())
    return Repeats(content["machine"], content["ratios"])


def write_repeats(path: Path, machine: str, ratios: Mapping[str, Sequence[float]]) -> None:
    """Write four digits of each repeat."""
    rounded = {
        name: [float(f"{value:.4g}") for value in repeats] for name, repeats in ratios.items()
    }
    content = {
        "machine": machine,
        "what": "cost of ours over that of the base, in processor time unless it says bytes; "
        "one value per repeat, each in a process of its own",
        "ratios": rounded,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
