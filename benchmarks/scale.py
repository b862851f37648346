"""The cost of large runs, from the plans that NeuroLens itself makes; writes docs/scale.md.

Arguments: images, FLOP, bytes per second; memory= of extract_grams; hours a run may take; seconds
for the zoo."""

import argparse
import math
import sys
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision

from neurolens.errors import InputError
from neurolens.extract.capture.forward import prepare_call, record_forward
from neurolens.extract.graph.flops import count_flops
from neurolens.extract.reducers.base import Rows
from neurolens.extract.reducers.chain import plan_chain, read_reducer
from neurolens.extract.reducers.project import count_components
from neurolens.extract.stream.grams.plan import plan_grams
from neurolens.extract.stream.grams.products import find_sketch_error
from neurolens.extract.stream.grams.slices import predict_overhead, split_passes
from neurolens.extract.stream.plan import (
    RunSettings,
    count_elements,
    find_numpy_dtype,
    make_plan,
    read_bytes,
)
from neurolens.stimuli import StimulusSet

PAGE = Path(__file__).resolve().parents[1] / "docs" / "scale.md"
TEN = "alexnet vgg16 resnet18 resnet50 resnet101 densenet121 convnext_base efficientnet_b0 swin_t vit_b_16".split()
NSD, SHARED, BATCH, SKETCH, EPSILON = 73_000, 1000, 32, 8192, 0.1
WAYS = {
    "raw": [],
    "pooled": ["mean"],
    "projected": ["project"],
    "pooled, projected": ["mean", "project"],
}
DEFAULTS = {
    "images": 500.0,
    "flops": 1e13,
    "disk": 1e9,
    "memory": "64GiB",
    "deadline": 24.0,
    "seconds": 360.0,
}


class Size(NamedTuple):
    """The work of one model: its results, those with a Gram of their own, FLOP per image.

    It also has the bytes that a batch takes.
    """

    raw: list[Rows]
    own: list
    flops: int
    overhead: int

    def count_kept(self, way: str, n: int) -> int:
        """Return the bytes kept per image of n."""
        rows = [plan_chain(read_reducer(WAYS[way]), one, n).kept for one in self.raw]
        return sum(row.size * find_numpy_dtype(row.dtype).itemsize for row in rows)

    def find_hours(self, way: str | None, n: int, options: argparse.Namespace) -> float:
        """Return the hours of one pass over n images.

        They are those of the slowest of reading, computing and writing.
        """
        chain, k = WAYS[way] if way else [], count_components(n, EPSILON)
        before = read_reducer([one for one in chain if one != "project"])
        sizes = (
            [plan_chain(before, one, n).kept.size for one in self.raw] if "project" in chain else []
        )
        flops = self.flops + sum(2 * k * math.sqrt(p) for p in sizes if p > k)
        kept = self.count_kept(way, n) if way else 0
        return n / 3600 * max(1 / options.images, flops / options.flops, kept / options.disk)

    def count_passes(self, n: int, options: argparse.Namespace, sketch: int | None = None) -> int:
        """Return the passes that the Grams of all ops take, 0 where memory does not hold them."""
        shared = (
            (len(self.raw) - len(self.own)) * 8 * n**2
        )  # results that share a Gram get a copy of it
        try:
            return len(
                split_passes(
                    self.own, n, read_bytes(options.memory), self.overhead + shared, sketch
                )
            )
        except InputError:
            return 0

    def find_product_hours(self, n: int, options: argparse.Namespace) -> float:
        """Return the hours that the products of the Grams of all ops take."""
        return (
            1.25
            * n**2
            * sum(count_elements(layout.shape) for layout in self.own)
            / options.flops
            / 3600
        )


def measure_model(name: str) -> Size:
    """Return the size of a model.

    It is measured by the two small passes of a plan and one whose operations are counted.
    """
    torch.manual_seed(0)
    images = list(torch.randn(4, 3, 224, 224).numpy()) * (
        NSD // 4
    )  # four that differ, again and again
    stimuli = StimulusSet(images, [f"nsd{i:05d}" for i in range(NSD)], None)
    model = torchvision.models.get_model(name, weights=None).eval()
    with torch.no_grad():
        plan = make_plan(model, stimuli, RunSettings(batch_size=BATCH, device="cpu"))
        recording = record_forward(
            prepare_call(model, stimuli.read_rows(range(1))), keep=lambda op: False
        )
    flops = sum(count_flops(event, recording) or 0 for event in recording.events)
    return Size(
        [output.raw for output in plan.outputs],
        list(plan_grams(plan).own),
        flops,
        predict_overhead(plan),
    )


def show_bytes(n: float) -> str:
    """Return a number of bytes with three digits, in powers of 1000."""
    power = min(5, int(math.log10(max(n, 1)) // 3))
    return f"{n / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[power]}"


def show_table(titles: list[str], rows: list[list[Any]]) -> str:
    """Return a Markdown table."""
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def show_run(hours: float, disk: float, options: argparse.Namespace) -> str:
    """Return disk, hours and workers of a run as one cell."""
    return f"{show_bytes(disk)}, {hours:.2g} h, {math.ceil(hours / options.deadline)}"


def list_runs(models: list[Size], n: int, options: argparse.Namespace) -> list[str]:
    """Return the cost of running these models over n images in each way, as cells."""
    costs = {
        way: [(s.find_hours(way, n, options), n * s.count_kept(way, n)) for s in models]
        for way in WAYS
    }
    return [
        show_run(sum(h for h, _ in cost), sum(d for _, d in cost), options)
        for cost in costs.values()
    ]


def list_nsd(sizes: dict[str, Size], options: argparse.Namespace) -> str:
    """Return the table of ten models over NSD."""
    rows: list[list[Any]] = []
    for name, size in sizes.items():
        cells = [
            name,
            len(size.raw),
            show_bytes(size.count_kept("raw", NSD)),
            f"{size.flops / 1e9:.1f}",
        ]
        rows.append(
            [*cells, show_bytes(len(size.own) * 8 * NSD**2), *list_runs([size], NSD, options)]
        )
    rows.append(["together", *[""] * 4, *list_runs(list(sizes.values()), NSD, options)])
    return show_table(
        ["model", "results", "per image", "GFLOP per image", "Grams: memory", *WAYS], rows
    )


def list_zoo(sizes: dict[str, Size], options: argparse.Namespace) -> str:
    """Return the table of many models over 1,000 images."""
    passes = {name: size.count_passes(SHARED, options) for name, size in sizes.items()}
    fit = [(n, sizes[name]) for name, n in passes.items() if n]
    hours = sum(
        n * s.find_hours(None, SHARED, options) + s.find_product_hours(SHARED, options)
        for n, s in fit
    )
    grams = show_run(hours, sum(len(size.raw) * 8 * SHARED**2 for _, size in fit), options)
    most = max(passes, key=passes.__getitem__)
    cells = [
        *list_runs(list(sizes.values()), SHARED, options),
        grams,
        sum(passes.values()),
        f"{passes[most]}, {most}",
    ]
    return show_table(
        [*WAYS, f"Grams only ({len(fit)} models fit)", "their passes", "most passes"], [cells]
    )


def list_rdms(size: Size, options: argparse.Namespace) -> str:
    """Return the table of one model's sizes over numbers of stimuli."""
    rows: list[list[Any]] = []
    for n in (92, SHARED, 3000, 10_000, NSD):
        cells = [
            f"{n:,}",
            f"{n**2:,} ({show_bytes(8 * n**2)})",
            show_bytes(len(size.own) * 8 * n**2),
        ]
        passes = [
            size.count_passes(n, options, sketch) or "do not fit" for sketch in (None, SKETCH)
        ]
        kept = [show_bytes(n * size.count_kept(way, n)) for way in WAYS]
        told = f"{size.find_product_hours(n, options):.2g}", f"{count_components(n, EPSILON):,}"
        rows.append([*cells, *passes, *told, *kept])
    titles = f"stimuli|n x n of one op|Grams of all ops|passes|passes, sketch={SKETCH}|hours of products|k".split(
        "|"
    )
    return show_table([*titles, *WAYS], rows)


def write_page(
    ten: dict[str, Size], zoo: dict[str, Size], left: list[str], options: argparse.Namespace
) -> str:
    """Return the page; ``left`` are the models for which no time was left."""
    told = (
        f"Left out, the largest, when {options.seconds:g} s were over: {', '.join(left)}."
        if left
        else ""
    )
    k = count_components(NSD, EPSILON)
    return f"""# What large runs cost

Written by `{" ".join(["python benchmarks/scale.py", *sys.argv[1:]])}` from the plans that `nl.forecast` and the runs
follow, with random weights and noise of 224 x 224 pixels. Assumed: {options.images:g} images/s are read,
{options.flops:.3g} FLOP/s reached, {options.disk:.3g} bytes/s written, Grams get {options.memory}, a run may take
{options.deadline:g} h. FLOP: matrix products, convolutions, attention; 2 per multiplication.
How measured time and memory grow: [scaling.md](scaling.md).

- disk = n x bytes kept per image, float32; half of it with `"float16"` as the last reducer
- hours = passes x n x max(1 / images/s, FLOP per image / FLOP/s, bytes kept per image / bytes/s) / 3600
- workers, the third number = hours / {options.deadline:g}, each with reading, computing and writing of its own
- pooled: `reducer="mean"`; heads and keys of attention stay; axes without a name too
- projected: `reducer="project"`, k = 4 ln n / (e^2 / 2 - e^3 / 3), e = {EPSILON}; per op of p > k units k sqrt(p)
  multiplications, sparse and so slower than counted, and 8 k sqrt(p) bytes of memory for each p
- Grams: 8 n^2 bytes of memory and 1.25 n^2 p FLOP per op; one pass per group of ops whose activations of all n stimuli
  fit beside the Grams; nothing else is kept

## {NSD:,} images (NSD) x every op of {len(ten)} models: disk, hours, workers

{list_nsd(ten, options)}

## {SHARED:,} images x every op of {len(zoo)} models

A hundred such models take {100 / len(zoo):.3g} times as much. {told or "These are all classifiers that torchvision has."}

{list_zoo(zoo, options)}

## Where RDMs stop making sense: resnet50

{list_rdms(ten["resnet50"], options)}

Grams and RDMs grow with n^2, projected features with n k: beyond n = k / 2 stimuli they are smaller than a Gram. Of
{NSD:,} stimuli, one op's Gram takes {show_bytes(8 * NSD**2)}. Instead:

- **Shared images**: Grams and RDMs of the {SHARED:,} images shared between NSD's subjects
- **Sketches**: `extract_grams(sketch={SKETCH})` takes fewer passes, for an error of sqrt(2 / {SKETCH}) =
  {find_sketch_error(SKETCH):.1%} of two rows' norms per entry (standard deviation); Grams stay n x n
- **Features**: pooled or projected, in a store. Ridge and linear CKA need only their products, k x k and k x voxels,
  summed over blocks of stimuli: k is {k:,}, {show_bytes(8 * k**2)} per op in float64, whatever n
- **Blocks**: `fit_encoding` of Grams and CKA work on n x n matrices, so give them one subject's 10,000 images
  ({show_bytes(8 * 10_000**2)} per op), or random blocks of the store, and average
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    for name, default in DEFAULTS.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=" ")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    ten, end = {name: measure_model(name) for name in TEN}, time.monotonic() + options.seconds
    names = torchvision.models.list_models(module=torchvision.models)
    names.sort(
        key=lambda name: torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
    )
    zoo = {name: ten.get(name) or measure_model(name) for name in names if time.monotonic() < end}
    PAGE.write_text(write_page(ten, zoo, [name for name in names if name not in zoo], options))


if __name__ == "__main__":
    main()
