"""Check that no model of torchvision loses an op to the test of rows: a false alarm each.

    python benchmarks/rows.py                    # about a quarter of an hour on two cores
    python benchmarks/rows.py --only "resnet*"

Every model of torchvision that takes a batch of images or clips is planned over ten images, or four
clips, of random numbers, with its initial weights. What was found is kept in --results, so that an
interrupted run goes on; --again plans these models anew. Listed are the ops left out, with the reason, and those
that random numbers feed. Besides, what the test costs a run of ResNet-50 over 512 images. The table
is kept in benchmarks/results/.
"""

import argparse
import fnmatch
import gc
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from machine import describe_machine, write_result
from tqdm import tqdm
from zoo_models import build_model, list_names

import neurolens as nl
from neurolens.errors import NeuroLensError
from neurolens.extract.stream import plan as planning
from neurolens.extract.stream.layouts.rows import MIXES, KnownRows
from neurolens.extract.stream.plan import RunSettings, open_plan

# By the number of axes of a batch.
N_STIMULI = {4: 10, 5: 4}
N_COST = 512
GROUP = "torchvision"


class Row(NamedTuple):
    """What was found of one model."""

    model: str
    input: str
    n_ops: int
    n_results: int
    left_out: str
    n_random: int


def plan_model(name: str) -> Row:
    """Return what planning a run of a model finds."""
    try:
        model, inputs, kwargs, _ = build_model(GROUP, name)
    except Exception as error:
        return Row(name, "", 0, 0, f"does not build: {type(error).__name__}", 0)
    tensor = inputs[0] if isinstance(inputs, tuple) and len(inputs) == 1 else inputs
    if not isinstance(tensor, torch.Tensor) or kwargs or tensor.ndim < 4:
        return Row(name, "", 0, 0, "takes no batch of one tensor", 0)
    shape = tuple(tensor.shape[1:])
    n_stimuli = N_STIMULI[tensor.ndim]
    values = np.random.default_rng(0).standard_normal((n_stimuli, *shape), dtype=np.float32)
    size = "x".join(map(str, shape))
    try:
        settings = RunSettings(batch_size=n_stimuli)
        with open_plan(model.float(), nl.load_stimuli(values), settings) as plan:
            layouts = plan.layouts
    except NeuroLensError as error:
        return Row(name, size, 0, 0, f"refused: {' '.join(str(error).split())[:120]}", 0)
    mixing = set(layouts.mixing)
    n_others = Counter(reason for op, reason in layouts.skipped.items() if op not in mixing)
    sentences = [f"{count} x {reason}" for reason, count in n_others.most_common(2)]
    if mixing:
        sentences.insert(0, f"**{len(mixing)} x {MIXES}**: {', '.join(sorted(mixing)[:3])}")
    n_results = len(layouts.by_name) - len(mixing)
    return Row(name, size, len(layouts.graph), n_results, "; ".join(sentences), len(layouts.random))


class Stopwatch:
    """Processor time spent in functions of a class, while it is open."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, owner: Any, name: str) -> Any:
        """Return a patch of a function of a class that adds its time up."""
        function = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - start

        return mock.patch.object(owner, name, timed)


def measure_cost() -> str:
    """Return a sentence on what the test of rows costs, in processor time."""
    model = build_model(GROUP, "resnet50")[0].float().eval()
    images = np.random.default_rng(0).random((N_COST, 3, 224, 224), dtype=np.float32)
    stimuli = nl.load_stimuli(images)
    planned = Stopwatch()
    compared = Stopwatch()
    start = time.process_time()
    with (
        planned.wrap(planning, "make_plan"),
        compared.wrap(KnownRows, "differ"),
    ):
        nl.extract_activations(model, stimuli, ops="*relu*", reducer="mean", quiet=True)
    total = time.process_time() - start
    shares = [100 * watch.seconds / total for watch in (planned, compared)]
    return (
        f"ResNet-50, {N_COST} images, all ReLUs pooled: of the processor time of the run, "
        f"{shares[0]:.1f} % went into planning, the test of rows included, and "
        f"{shares[1]:.2f} % into the comparison of batches with it."
    )


def write_table(rows: list[Row]) -> str:
    """Return the rows as a table, after what they add up to."""
    tested = [row for row in rows if row.n_ops]
    alarmed = [row.model for row in tested if "**" in row.left_out]
    lines = [
        f"{len(rows)} models; {len(tested)} take a batch of one tensor and were planned over "
        f"{N_STIMULI[4]} images or {N_STIMULI[5]} clips, {sum(row.n_ops for row in tested)} ops. Models with an op left out "
        f"because its rows do not follow their stimuli: {len(alarmed)} ({', '.join(alarmed)}).",
        "",
        "| model | input | ops | results kept | left out | random |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


def read_rows(path: Path) -> dict[str, Row]:
    """Return what was found before, by model."""
    if not path.exists():
        return {}
    rows = [Row(**json.loads(line)) for line in path.read_text().splitlines()]
    return {row.model: row for row in rows}


def main() -> None:
    """Plan all models and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="*")
    parser.add_argument("--results", type=Path, default=Path("rows_results.jsonl"))
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
    if arguments.again:
        arguments.results.unlink(missing_ok=True)
    names = fnmatch.filter(list_names(GROUP), arguments.only)
    planned = read_rows(arguments.results)
    for name in tqdm(names, desc="planning"):
        if name not in planned:
            planned[name] = plan_model(name)
            with arguments.results.open("a") as file:
                file.write(json.dumps(planned[name]._asdict()) + "\n")
            gc.collect()
    rows = [planned[name] for name in names]
    title = "# Models of torchvision that lose no op to the test of rows"
    text = f"{title}\n\n{describe_machine()}\n\n{measure_cost()}\n\n{write_table(rows)}\n"
    print(text)
    if arguments.only == "*":
        write_result("rows", text)


if __name__ == "__main__":
    main()
