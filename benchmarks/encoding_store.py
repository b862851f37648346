"""Ridge for a large fMRI set from a store of features: hours for a whole network, and peak memory.

    python benchmarks/encoding_store.py              # under three and a half minutes
    python benchmarks/encoding_store.py --ops 17     # a tenth of the ops: encoding_store_tenth.md
    python benchmarks/encoding_store.py --himalaya   # beside himalaya too
    python benchmarks/encoding_store.py --quick      # small, printed only

The shape of NSD-like sets: 5,833 training images, two test sets of 371, 4 regions of 4,000 voxels in
each of 5 subjects, and 1,024 features per op in a store that `extract_activations` writes. Responses
are simulated. The time from the end of one op to that of the next is the cost per op, by which the
hours of the 175 ops of ResNet-50 are extrapolated. Peaks are those of the whole process tree, with
Python, PyTorch and the responses. Then one op and one region of one subject, beside scikit-learn and
himalaya, at equal held-out r. Linux only."""

import argparse
import itertools
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from unittest import mock

import xarray as xr
from deadlines import MESSAGE, Deadline, add_minutes
from machine import GrowingResult, describe_machine, read_peak
from processes import fork_measured, import_rooms
from store_studies.peers import COLUMNS as PEER_COLUMNS
from store_studies.peers import compare_peers
from store_studies.problem import FULL, QUICK, Shape, list_paths, make_responses, make_store

import neurolens as nl
from neurolens.compare.encoding.encoders import generalization
from neurolens.compare.encoding.ops import fits

N_OPS_OF_RESNET = 175
MOST_GIB = 16
# Seconds after which a part is ended, and those that each op has more.
PATIENCE = 460.0
PATIENCE_PER_OP = 60.0
COLUMNS = (
    "| call | ops | responses | solver | s | s per op | hours of 175 ops | peak, GiB | above imports "
    "and responses, GiB |",
    "|---|---:|---|---|---:|---:|---:|---:|---:|",
)


class Spent(NamedTuple):
    """The seconds of a call, and those at which ops ended; ``held`` bytes were in use before it."""

    whole: float
    ends: list[float]
    solver: str
    held: int

    @property
    def per_op(self) -> float:
        """The seconds of an op after the first, with which responses are read."""
        gaps = [after - before for before, after in itertools.pairwise(self.ends)]
        return statistics.mean(gaps) if gaps else self.whole

    @property
    def hours(self) -> float:
        """The hours that all ops would take."""
        return (self.whole + (N_OPS_OF_RESNET - len(self.ends)) * self.per_op) / 3600


def time_ops(
    fit: Callable[[xr.DataTree], object],
    features: xr.DataTree,
    n_ops: int,
    module: ModuleType,
    read_solver: Callable[[object], str],
) -> Spent:
    """Return what ``fit``, which ``module`` computes, takes of the first ops of ``features``."""
    ops = list_paths(features)[:n_ops]
    chosen = features.filter(lambda node: node.path in ops)
    held = read_peak("cpu", reset=True)
    start = time.perf_counter()
    ends: list[float] = []

    def note_end() -> None:
        ends.append(time.perf_counter() - start)

    with mock.patch.object(module, "count_steps", note_end):
        solver = read_solver(fit(chosen))
    return Spent(time.perf_counter() - start, ends, solver, held)


def measure_test_sets(store: Path, shape: Shape, n_ops: int, memory: str) -> Spent:
    """Return what `fit_test_sets` takes from the store."""
    warnings.simplefilter("ignore")
    responses = make_responses(store, shape)
    settings = {"split": "set", "memory": memory, "quiet": True}
    return time_ops(
        lambda features: nl.compare.fit_test_sets(features, responses, **settings),
        nl.open_activations(store),
        n_ops,
        generalization,
        lambda found: found["test_a"].attrs["solver"],
    )


def measure_folds(store: Path, shape: Shape, n_ops: int, memory: str) -> Spent:
    """Return what `fit_encoding` with intervals takes for one region of one subject."""
    warnings.simplefilter("ignore")
    responses = make_responses(store, shape)
    return time_ops(
        lambda features: nl.fit_encoding(features, responses, memory=memory, quiet=True),
        nl.open_activations(store),
        n_ops,
        fits,
        lambda found: found.attrs["solver"],
    )


def write_row(call: str, shape: Shape, n_ops: int, spent: Spent, peak: int) -> str:
    """Return a row of the table."""
    held = f"{shape.n_stimuli:,} x {shape.n_voxels:,}"
    return (
        f"| {call} | {n_ops} | {held} | {spent.solver} | {spent.whole:.1f} | {spent.per_op:.1f} | "
        f"{spent.hours:.2f} | {peak / 2**30:.1f} | {(peak - spent.held) / 2**30:.1f} |"
    )


def measure_whole(
    store: Path, shape: Shape, n_ops: int, memory: str, deadline: Deadline
) -> Iterator[str]:
    """Yield the rows of both calls, and raise where a peak is above what is allowed."""
    one = shape._replace(n_subjects=1, n_regions=1)
    for call, measure, size, count in (
        ("fit_encoding, 5 folds and intervals", measure_folds, one, 1),
        ("fit_test_sets", measure_test_sets, shape, n_ops),
    ):
        found = fork_measured(
            lambda measure=measure, size=size, count=count: measure(store, size, count, memory),
            min(PATIENCE + PATIENCE_PER_OP * count, deadline.seconds),
        )
        if found is None:
            yield f"| {call} | {MESSAGE} | | | | | | | |"
            continue
        yield write_row(call, size, count, found.value, found.peak)
        assert found.peak < MOST_GIB * 2**30, f"{call} took {found.peak / 2**30:.1f} GiB"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ops", type=int, default=2, help="how many of 175 are measured")
    parser.add_argument("--memory", default="1GiB", help="budget for the features of an op")
    parser.add_argument("--himalaya", action="store_true", help="needs it; 40 s more")
    parser.add_argument("--quick", action="store_true", help="small, printed only")
    add_minutes(parser)
    # A method that hangs ends with it.
    parser.set_defaults(minutes=60.0)
    options = parser.parse_args()
    shape = QUICK if options.quick else FULL
    import_rooms()
    machine = describe_machine()
    deadline = Deadline(options.minutes)
    is_tenth = options.ops >= N_OPS_OF_RESNET // 10
    name = "encoding_store_tenth" if is_tenth else "encoding_store"
    result = GrowingResult(None if options.quick else name)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "features.zarr"
        made = fork_measured(lambda: make_store(store, shape, options.ops), PATIENCE)
        assert made is not None, "the store was not written in time"
        share = "a tenth" if is_tenth else "less than a tenth"
        result.add(
            "# Ridge for a large fMRI set from a store",
            "",
            machine,
            "",
            f"{shape.n_train:,} training images and {len(shape.tests)} test sets of "
            f"{shape.tests[0]}, {shape.n_features:,} features per op, a budget of "
            f"{options.memory} for them; {options.ops} of {N_OPS_OF_RESNET} ops are measured, "
            f"{share} of ResNet-50. Seconds are of the clock; those of an op are without reading "
            "the responses, which the hours hold once.",
            "",
            f"One op and one region of one subject, {shape.voxels_of_region:,} voxels: a penalty "
            "per voxel is chosen among 10 on the training images, and the test images are "
            "predicted.",
            "",
            *PEER_COLUMNS,
        )
        half = deadline.share_time(2)
        for row in compare_peers(store, shape, options.memory, options.himalaya, half):
            result.add(row)
        result.add("", "Whole calls.", "", *COLUMNS)
        for row in measure_whole(store, shape, options.ops, options.memory, deadline):
            result.add(row)


if __name__ == "__main__":
    main()
