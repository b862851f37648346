"""Check that no model of torchvision loses an op to the test of rows: a false alarm each.

    python benchmarks/rows.py                    # about a quarter of an hour on two cores
    python benchmarks/rows.py --only "resnet*"

Every model of torchvision that takes a batch of images or clips is planned over ten stimuli of
random numbers, with its initial weights. Listed are the ops left out, with the reason, and those
that random numbers feed. The table is kept in benchmarks/results/.
"""

import argparse
import fnmatch
import gc
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import torch
from machine import describe_machine, write_result
from tqdm import tqdm
from zoo_models import build_model, list_names

import neurolens as nl
from neurolens.errors import NeuroLensError
from neurolens.extract.stream.layouts.rows import MIXES
from neurolens.extract.stream.plan import RunSettings, open_plan

N_STIMULI = 10
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
    values = np.random.default_rng(0).standard_normal((N_STIMULI, *shape)).astype(np.float32)
    size = "x".join(map(str, shape))
    try:
        settings = RunSettings(batch_size=N_STIMULI)
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


def write_table(rows: list[Row]) -> str:
    """Return the rows as a table, after what they add up to."""
    tested = [row for row in rows if row.n_ops]
    alarmed = [row.model for row in tested if "**" in row.left_out]
    lines = [
        f"{len(rows)} models; {len(tested)} take a batch of one tensor and were planned over "
        f"{N_STIMULI} stimuli, {sum(row.n_ops for row in tested)} ops. Models with an op left out "
        f"because its rows do not follow their stimuli: {len(alarmed)} ({', '.join(alarmed)}).",
        "",
        "| model | input | ops | results kept | left out | random |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Plan all models and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="*")
    arguments = parser.parse_args()
    names = fnmatch.filter(list_names(GROUP), arguments.only)
    rows: list[Any] = []
    for name in tqdm(names, desc="planning"):
        rows.append(plan_model(name))
        gc.collect()
    text = f"{describe_machine()}\n\n{write_table(rows)}\n"
    print(text)
    if arguments.only == "*":
        write_result("rows", text)


if __name__ == "__main__":
    main()
