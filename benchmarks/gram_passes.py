"""What Grams within a budget cost beside bare forward passes; writes benchmarks/results/gram_passes.md.

    python benchmarks/gram_passes.py
    python benchmarks/gram_passes.py --model resnet18 --images 100 --memory 400MiB

Times are processor time of this process; bare passes are timed before and after each extraction.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torchvision
from machine import describe_machine

import neurolens as nl
from neurolens.extract.capture.memory import watch_memory

RESULTS = Path(__file__).parent / "results" / "gram_passes.md"
HEAD = "| model | images | budget | passes | forward passes | over bare | peak MiB | spilled GB |"


def measure_bare(model: torch.nn.Module, images: np.ndarray, batch_size: int) -> float:
    """Return the seconds of forward passes of all images."""
    start = time.process_time()
    with torch.no_grad():
        for row in range(0, len(images), batch_size):
            model(torch.from_numpy(images[row : row + batch_size]))
    return time.process_time() - start


def measure_grams(name: str, images: np.ndarray, memory: str, batch_size: int) -> str:
    """Return a row of the table: Grams of all ops of a torchvision model with random weights."""
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None).eval()
    stimuli = nl.load_stimuli(images)
    measure_bare(model, images[:batch_size], batch_size)
    bare = [measure_bare(model, images, batch_size)]
    start = time.process_time()
    with watch_memory(torch.device("cpu")) as peak:
        grams = nl.extract_grams(model, stimuli, memory=memory, batch_size=batch_size, quiet=True)
    seconds = time.process_time() - start
    bare.append(measure_bare(model, images, batch_size))
    cells = [
        name,
        str(len(images)),
        memory,
        str(grams.attrs["n_passes"]),
        f"{grams.attrs['forward_passes']:.2f}",
        f"{seconds / np.mean(bare):.2f} ({seconds / max(bare):.2f} to {seconds / min(bare):.2f})",
        "not known" if peak.n_bytes is None else f"{peak.n_bytes / 2**20:.0f}",
        f"{grams.attrs.get('spilled_bytes', 0) / 1e9:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet50")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--memory", nargs="+", default=["2GiB", "8GiB"])
    parser.add_argument("--batch-size", type=int, default=20)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    images = rng.standard_normal((arguments.images, 3, 224, 224)).astype(np.float32)
    rows = []
    for memory in arguments.memory:
        rows.append(measure_grams(arguments.model, images, memory, arguments.batch_size))
        print(rows[-1], flush=True)
    rule = "|---|---:|---:|---:|---:|---|---:|---:|"
    machine = describe_machine()
    title = "# Grams of all operations within a budget, beside bare forward passes"
    RESULTS.write_text("\n".join([title, "", machine, "", HEAD, rule, *rows, ""]))


if __name__ == "__main__":
    main()
