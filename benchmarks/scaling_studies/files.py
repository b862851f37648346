"""Measurements as JSON, so that the page and the picture can be made again without measuring."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scaling_studies.study import Measured, Study

Results = list[tuple[Study, Measured]]


def write_measurements(path: Path, results: Results, settings: dict[str, Any]) -> None:
    """Write settings and all measurements."""
    rows = [
        {
            "name": study.name,
            "against": study.against,
            "sizes": found.sizes,
            "seconds": [found.seconds[size] for size in found.sizes],
            "peaks": [found.peaks[size] for size in found.sizes],
            "left_out": found.left_out,
        }
        for study, found in results
    ]
    path.write_text(json.dumps(settings | {"measured": rows}, indent=1) + "\n")


def read_measurements(path: Path, studies: Iterable[Study]) -> tuple[Results, dict[str, Any]]:
    """Return the measurements of the studies that still exist, and the settings."""
    content = json.loads(path.read_text())
    known = {(study.name, study.against): study for study in studies}
    results = []
    for row in content.pop("measured"):
        study = known.get((row["name"], row["against"]))
        if study is not None:
            seconds = dict(zip(row["sizes"], row["seconds"], strict=True))
            peaks = dict(zip(row["sizes"], row["peaks"], strict=True))
            results.append((study, Measured(seconds, peaks, row["left_out"])))
    return results, content
