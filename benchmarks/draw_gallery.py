"""Pictures of networks of many kinds, with scores against real brain regions: docs/gallery.

Scores are those of every op against the 92 photographs of Kriegeskorte et al. (2008), whose files
are in the folder that NEUROLENS_MIRROR names; without it, pictures have no scores. Screens are
taken where Playwright and a Chromium are installed, pictures of peers where the peers and Graphviz
are.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from gallery.entries import Entry, list_entries, make_input
from gallery.pages import take_screens
from gallery.peers import draw_peers
from gallery.pictures import pick_theme, shrink_png
from gallery.scores import Results, load_brain, score_network
from gallery.words import write_page
from machine import describe_machine

import neurolens as nl

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "gallery"
# Networks that are drawn in dark as well, and unrolled.
DARK = {"squeezenet1_0", "resnet50", "recurrent"}
UNROLLED = {"recurrent"}
SCREENS = {"squeezenet1_0", "resnet50", "vit_b_16", "recurrent"}
COMPARED = ("resnet18", "densenet121", "recurrent", "branches")


class Row(NamedTuple):
    """One network on the page: its pictures, and what is said of them."""

    entry: Entry
    n_ops: int
    n_boxes: int
    n_left_out: int
    seconds: float
    results: Results | None
    files: list[str]


def main() -> None:
    """Draw the gallery, or those networks that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these networks; the page stays as it is")
    parser.add_argument("--cache", type=Path, help="a folder that keeps scores between runs")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    mirror = os.environ.get("NEUROLENS_MIRROR")
    brain = load_brain() if mirror else None
    weights = Path(mirror) / "weights" / "squeezenet1_0.pth" if mirror else None
    with tempfile.TemporaryDirectory() as scratch:
        cache = arguments.cache or Path(scratch)
        rows = []
        for entry in list_entries(weights):
            if not arguments.names or entry.name in arguments.names:
                rows.append(draw_entry(entry, brain, cache))
                print(f"{entry.name}: {rows[-1].n_boxes} boxes", flush=True)
    if not arguments.names:
        (FOLDER / "README.md").write_text(write_page(rows, describe_machine(), FOLDER))


def draw_entry(entry: Entry, brain: Any, cache: Path) -> Row:
    """Draw one network in every way that the gallery shows it."""
    model, transform = entry.make()
    results = None
    if brain is not None and entry.is_scored:
        results = score_network(model, transform, brain, cache / entry.name)
        inputs = next(brain.stimuli.use_transform(transform).iterate_batches(1))[1]
    else:
        inputs = make_input(transform)
    torch.manual_seed(0)
    trace = nl.trace(model, inputs)
    title = f"{entry.name}, {entry.weights}"
    scored = {} if results is None else {"scores": results.scores, "best": results.best}
    started = time.perf_counter()
    drawing = nl.draw_graph(trace, title=title, **scored)
    drawing.render_svg()
    seconds = time.perf_counter() - started
    files = [save_small(drawing, f"{entry.name}.png")]
    if entry.name in DARK:
        dark = nl.draw_graph(trace, title=title, theme="dark", **scored)
        files.append(save_small(dark, f"{entry.name}_dark.png"))
    if entry.name in UNROLLED:
        unrolled = nl.draw_graph(trace, title=title, rolled=False, **scored)
        files.append(save_small(unrolled, f"{entry.name}_unrolled.png"))
    if entry.name in SCREENS:
        files += take_screens(drawing, FOLDER, entry.name)
    if entry.name in COMPARED:
        files += draw_peers(model, inputs, FOLDER / files[0], FOLDER, entry.name)
    n_left_out = drawing.structure.n_left_out
    return Row(entry, len(trace), drawing.n_boxes, n_left_out, seconds, results, files)


def save_small(drawing: Any, name: str) -> str:
    """Save a drawing as a small PNG in the gallery, and return its name."""
    path = drawing.save(FOLDER / name)
    shrink_png(path, theme=pick_theme(name))
    return name


if __name__ == "__main__":
    main()
