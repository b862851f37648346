"""Check that Grams are those of all features at any budget: runs beside one pass, and plans.

    python benchmarks/gram_budgets.py            # about a quarter of an hour on two cores
    python benchmarks/gram_budgets.py --only "resnet*" --sizes 50:400:10 --budgets 3

Runs: Grams of all ops of three networks at budgets drawn between that for about eight passes and
that for one, against one pass. Plans: for every classifier of torchvision, set sizes and
usual budgets, whether the slices of each op cover its features once; no pass over a set is run.
Ends with status 1 when an op is short of features or differs. The table is kept in
benchmarks/results/.
"""

import argparse
import fnmatch
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torchvision
from machine import describe_machine, write_result
from torch import nn
from tqdm import tqdm

import neurolens as nl
from neurolens.errors import InputError
from neurolens.extract.stream.grams.plan import GramPlan, plan_grams
from neurolens.extract.stream.grams.slices import FeatureSlice, predict_overhead, split_passes
from neurolens.extract.stream.plan import (
    Plan,
    RunSettings,
    choose_batch_size,
    count_elements,
    open_plan,
)

SIDE = 224
GIB = 2**30
PLAN_BUDGETS = (GIB, 2 * GIB, 4 * GIB, 8 * GIB)
RUN_MODELS = ("squeezenet1_0", "resnet50", "vit_b_16")
RUN_STIMULI = 160
RUN_SIDE = 64
RUN_BATCH = 20
# Budgets are drawn between that for about so many passes and that for one.
MOST_PASSES = 8
# The search for the smallest budget starts here and ends where 5 % more is accepted.
SMALLEST = 2**20


@dataclass
class Tested:
    """Plans of one model, those that a budget refuses, ops short of features, and passes."""

    plans: int = 0
    refused: int = 0
    short: int = 0
    doubled: int = 0
    passes: int = 0


def build_model(name: str, side: int) -> nn.Module:
    """Return a torchvision model with random weights for images of a side."""
    torch.manual_seed(0)
    settings = {"image_size": side} if name.startswith("vit_") else {}
    return torchvision.models.get_model(name, weights=None, **settings).eval()


def list_classifiers(pattern: str) -> list[str]:
    names = torchvision.models.list_models(module=torchvision.models)
    return [name for name in names if fnmatch.fnmatch(name, pattern)]


def count_batch(n_stimuli: int, batch_size: int) -> int:
    """Return the length of the longest batch: a last batch of one is joined to the one before."""
    longest = min(n_stimuli, batch_size)
    return longest + 1 if n_stimuli > batch_size > 1 and n_stimuli % batch_size == 1 else longest


def check_slices(groups: list[list[FeatureSlice]], gram_plan: GramPlan) -> tuple[int, int]:
    """Return how many ops lack features or have some twice.

    The second number is of slices that share a pass with another of the same op.
    """
    ends: dict[str, int] = {}
    wrong = set()
    doubled = 0
    for group in groups:
        names = [part.name for part in group]
        doubled += len(names) - len(set(names))
        for part in group:
            if ends.get(part.name, 0) != part.start:
                wrong.add(part.name)
            ends[part.name] = part.stop
    for layout in gram_plan.own:
        if ends.get(layout.name) != count_elements(layout.shape):
            wrong.add(layout.name)
    return len(wrong), doubled


def check_plans(name: str, sizes: range) -> dict[int, Tested]:
    """Plan the Grams of all ops of a model for every set size and budget."""
    images = np.random.default_rng(0).standard_normal((4, 3, SIDE, SIDE)).astype(np.float32)
    model = build_model(name, SIDE)
    settings = RunSettings(batch_size=1, memory=GIB)
    found = {budget: Tested() for budget in PLAN_BUDGETS}
    with open_plan(model, nl.load_stimuli(images), settings) as plan:
        gram_plan = plan_grams(plan)
        for budget, tested in found.items():
            batch_size = choose_batch_size(plan.layouts, budget)
            for n_stimuli in sizes:
                tested.plans += 1
                groups = plan_run(plan, gram_plan, n_stimuli, batch_size, budget)
                if groups is None:
                    tested.refused += 1
                    continue
                short, doubled = check_slices(groups, gram_plan)
                tested.short += short
                tested.doubled += doubled
                tested.passes += len(groups)
    return found


def plan_run(
    plan: Plan, gram_plan: GramPlan, n_stimuli: int, batch_size: int, budget: int
) -> list[list[FeatureSlice]] | None:
    """Return the passes that `extract_grams` would make, or None where the budget is refused."""
    plan = replace(plan, batches=(range(count_batch(n_stimuli, batch_size)),))
    overhead = predict_overhead(plan) + len(gram_plan.shared) * 8 * n_stimuli**2
    try:
        return split_passes(gram_plan.own, n_stimuli, budget, overhead)
    except InputError:
        return None


def draw_budgets(name: str, smallest: int, largest: int, n_budgets: int) -> list[int]:
    """Return budgets drawn between two, evenly in their logarithm, the same in every run."""
    rng = np.random.default_rng([len(name), *name.encode()])
    exponents = rng.uniform(math.log(smallest), math.log(largest), n_budgets)
    return sorted(int(math.exp(exponent)) for exponent in exponents)


def run_budgets(name: str, n_budgets: int) -> Iterator[tuple[int, int, float, int]]:
    """Yield (budget, passes, largest difference from one pass, ops that differ at all)."""
    model = build_model(name, RUN_SIDE)
    shape = (RUN_STIMULI, 3, RUN_SIDE, RUN_SIDE)
    stimuli = nl.load_stimuli(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))
    settings = {"batch_size": RUN_BATCH, "quiet": True}
    whole = nl.extract_grams(model, stimuli, memory=64 * GIB, **settings)
    assert whole.attrs["n_passes"] == 1
    n_bytes = 4 * RUN_STIMULI * int(whole.n_features[(whole.alias_of == "").values].sum())
    smallest = find_smallest_budget(model, stimuli) + n_bytes // MOST_PASSES
    for budget in draw_budgets(name, smallest, smallest + n_bytes, n_budgets):
        grams = nl.extract_grams(model, stimuli, memory=budget, **settings)
        difference = np.abs(grams.gram - whole.gram).max(("stimulus", "stimulus_2"))
        scale = np.abs(whole.gram).max(("stimulus", "stimulus_2"))
        relative = (difference / scale.where(scale > 0, 1)).values
        differs = relative > 0
        differs |= (grams.row_sum != whole.row_sum).any("stimulus").values
        yield budget, grams.attrs["n_passes"], float(relative.max()), int(differs.sum())


def find_smallest_budget(model: nn.Module, stimuli: nl.StimulusSet) -> int:
    """Return a budget that is just accepted and leaves a chunk of products for activations."""
    settings = RunSettings(batch_size=RUN_BATCH, memory=GIB)
    with open_plan(model, stimuli, settings) as plan:
        gram_plan = plan_grams(plan)
        budget = SMALLEST
        while plan_run(plan, gram_plan, RUN_STIMULI, RUN_BATCH, budget) is None:
            budget = int(budget * 1.05)
    return budget + 64 * 2**20


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="*", help="glob pattern of classifiers to plan")
    parser.add_argument("--sizes", default="50:4001:50", help="start:stop:step of set sizes")
    parser.add_argument("--budgets", type=int, default=10, help="budgets of each run")
    parser.add_argument("--dry", action="store_true", help="do not write the table")
    options = parser.parse_args()
    start, stop, step = map(int, options.sizes.split(":"))
    sizes = range(start, stop, step)
    lines = [
        "# Grams at any budget",
        "",
        describe_machine(),
        "",
        f"## Runs: all ops over {RUN_STIMULI} images of {RUN_SIDE} pixels, against one pass",
        "",
        "| model | budget, MiB | passes | largest difference / largest entry | ops that differ |",
        "|---|---:|---:|---:|---:|",
    ]
    is_right = True
    for name in RUN_MODELS:
        for budget, passes, difference, n_differing in run_budgets(name, options.budgets):
            is_right &= n_differing == 0
            lines.append(
                f"| {name} | {budget / 2**20:.1f} | {passes} | {difference:.1e} | {n_differing} |"
            )
            print(lines[-1], flush=True)
    names = list_classifiers(options.only)
    total = {budget: Tested() for budget in PLAN_BUDGETS}
    for name in tqdm(names, desc="plans", unit=" models"):
        for budget, tested in check_plans(name, sizes).items():
            for key, value in vars(tested).items():
                setattr(total[budget], key, getattr(total[budget], key) + value)
            if tested.short or tested.doubled:
                print(f"{name} at {budget / GIB:.0f} GiB: {tested.short} ops short", flush=True)
    lines += [
        "",
        f"## Plans: {len(names)} classifiers of torchvision, {len(sizes)} set sizes from {start} "
        f"to {sizes[-1]}",
        "",
        "| budget, GiB | plans | refused as too small | passes | ops short of features | "
        "slices that share a pass with another of their op |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for budget, tested in total.items():
        is_right &= tested.short == tested.doubled == 0
        lines.append(
            f"| {budget / GIB:.0f} | {tested.plans} | {tested.refused} | {tested.passes} | "
            f"{tested.short} | {tested.doubled} |"
        )
    text = "\n".join(lines)
    if options.dry:
        print(text)
    else:
        write_result("gram_budgets", text)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
