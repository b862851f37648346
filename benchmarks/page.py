"""Size and speed of the interactive page: benchmarks/results/page.md.

Needs Playwright and an installed Chromium (NEUROLENS_CHROMIUM, or chromium or google-chrome on the
PATH). Documents are invented; one is as large as that of SqueezeNet and the 92 photographs.
"""

import base64
import io
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import RESULTS, describe_machine
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from neurolens.view.page import build_page  # noqa: E402
from tests.helpers.browser import open_browser, open_page  # noqa: E402
from tests.helpers.pages import LEVELS, make_document  # noqa: E402

REPEATS = 5
N_STIMULI = 92
TILE = 44
# Fold a module and unfold it again, until it is on the screen.
UNFOLD = """async () => {
  const page = neurolens;
  const run = page.view.runs[Math.floor(page.view.runs.length / 2)];
  const card = () => page.scene.items.find((item) => item.run === run);
  const paint = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  page.press(card());
  await paint();
  const start = performance.now();
  page.press(card());
  const script = performance.now() - start;
  await paint();
  return [script, performance.now() - start];
}"""
PAINTED = "performance.getEntriesByName('first-contentful-paint')"


def make_photographs() -> dict[str, Any]:
    """Return a document with 66 ops, 92 stimuli with pictures, and an RDM for 62 of the ops."""
    rng = np.random.default_rng(0)
    document = make_document(11, 6, regions=("IT", "EVA"), n_subjects=4, report=True)
    names = [f"stimulus {i + 1}" for i in range(N_STIMULI)]
    n_pairs = N_STIMULI * (N_STIMULI - 1) // 2
    draw = lambda n: "".join(np.array(list(LEVELS))[rng.integers(0, 64, n)])  # noqa: E731
    document["rdms"] = {
        "n": N_STIMULI, "ids": names, "ops": list(range(62)), "model": draw(62 * n_pairs),
        "brain": {"IT": draw(n_pairs), "EVA": draw(n_pairs)}, "leftOut": [],
    }  # fmt: skip
    small = rng.integers(0, 255, (8 * 6, 12 * 6, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((12 * TILE, 8 * TILE)).save(buffer, "JPEG", quality=72)
    sprite = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    document["stimuli"] = {
        "ids": names, "category": [f"category {i // 16}" for i in range(N_STIMULI)],
        "tile": TILE, "columns": 12, "numbered": False, "sprite": sprite,
    }  # fmt: skip
    return document


DOCUMENTS = {
    "66 ops, 92 stimuli with RDMs, a report": (make_photographs, ""),
    "100 ops, all visible": (lambda: make_document(10, 10), "#detail=ops"),
    "500 ops, all visible": (lambda: make_document(50, 10), "#detail=ops"),
    "500 ops, 8 regions, all visible": (
        lambda: make_document(50, 10, regions=[f"area {i}" for i in range(8)]), "#detail=ops",
    ),
    "3,000 ops, folded": (lambda: make_document(300, 10), "#detail=modules"),
    "3,000 ops, all visible": (lambda: make_document(300, 10), "#detail=ops"),
}  # fmt: skip


def measure_page(browser: Any, path: Path, address: str) -> dict[str, float]:
    """Return medians in milliseconds of opening the page and of unfolding a module."""
    paints, scripts, calls, unfolds = [], [], [], []
    for _ in range(REPEATS):
        with open_page(browser, path, address=address) as page:
            page.wait_for_function("() => document.querySelector('#busy').hidden")
            page.wait_for_function(f"() => {PAINTED}.length")
            paints.append(page.evaluate(f"{PAINTED}[0].startTime"))
            scripts.append(page.evaluate("neurolens.scriptTime"))
            call, unfold = page.evaluate(UNFOLD)
            calls.append(call)
            unfolds.append(unfold)
    return {
        "paint": statistics.median(paints),
        "script": statistics.median(scripts),
        "call": statistics.median(calls),
        "unfold": statistics.median(unfolds),
    }


def write_rows() -> list[str]:
    """Return the table's rows, a document each."""
    rows = []
    with open_browser() as browser, tempfile.TemporaryDirectory() as folder:
        for number, (name, (make, address)) in enumerate(DOCUMENTS.items()):
            path = Path(folder) / f"{number}.html"
            path.write_text(build_page(make()), encoding="utf-8")
            times = measure_page(browser, path, address)
            size = path.stat().st_size / 1000
            row = f"| {name} | {size:.0f} kB | {times['paint']:.0f} | {times['script']:.0f} "
            rows.append(f"{row}| {times['call']:.0f} | {times['unfold']:.0f} |")
            print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    rows = write_rows()
    head = f"""# The interactive page

{describe_machine()}; headless Chromium without a GPU; load average {os.getloadavg()[1]:.0f} meanwhile. Medians of
{REPEATS}, in milliseconds. Script: from reading the data to the drawn graph; that of more than 1,500 boxes is drawn
after it, in steps. Unfold: of one module among all that is visible; its script, and until the next frame was painted.
`python benchmarks/page.py`

| document | file | first paint | script | unfold, script | unfold, painted |
|---|---|---|---|---|---|
"""
    (RESULTS / "page.md").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
