"""The cost of recording every operation, beside hooks, torchvision's extraction and TorchLens.

    python benchmarks/capture.py            # all rounds: some ten minutes on two cores
    python benchmarks/capture.py --quick    # fewer rounds, batch 1 only
    python benchmarks/capture.py --device cuda

Everything is a ratio to the bare forward pass of the same round. Peak memory is measured in
processes of its own, and so is TorchLens, which leaves torch's functions wrapped after its first
use. The tables are kept in benchmarks/results/."""

import argparse
import importlib.util
import itertools
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import metadata
from typing import Any, NamedTuple

import torch
import torchvision
from deadlines import MESSAGE, Deadline, add_minutes
from machine import GrowingResult, compare_times, describe_machine, read_peak, time_rounds
from processes import fork_call, import_rooms
from scaling_studies.networks import Blocks
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names
from zoo_models import RecurrentNet

import neurolens as nl
from neurolens.extract.capture.trees import iterate_tensors

CHAIN = 300
LEAST = "*a mode and hooks that only keep results*"
MODELS: dict[str, Callable[[], nn.Module]] = {
    "resnet50": torchvision.models.resnet50,
    "vit_b_16": torchvision.models.vit_b_16,
    "recurrent": RecurrentNet,
}


class Chain(nn.Module):
    """Tiny ops in a row with hardly any arithmetic, so that the cost of recording is visible."""

    def forward(self, x):
        for _ in range(CHAIN // 3):
            x = torch.sin(x)
            x = x * 1.01
            x = torch.relu(x)
        return x


# Rows of tiny ops: bare, and inside small modules.
CHAINS: dict[str, Callable[[], nn.Module]] = {
    "chain": Chain,
    "chain in small modules": lambda: Blocks(CHAIN),
}


def count_bytes(tensors: Any) -> int:
    """Return the bytes of the distinct memories behind tensors."""
    storages = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


class Hooks:
    """Forward hooks on all leaf modules that keep the outputs, the usual way to get activations.

    With ``total`` bytes to reach on ``example``, they keep what a trace keeps: outputs of batch
    norms and inputs of in-place ReLUs are cloned, since later ops overwrite them, and each hook
    allocates new memory and writes to its pages, in place of the results that hooks do not see.
    """

    def __init__(
        self, model: nn.Module, total: int = 0, example: torch.Tensor | None = None
    ) -> None:
        self.kept: list[torch.Tensor] = []
        self._model, self._n_calls, self._extra, self._safe = model, 0, 0, bool(total)
        for module in model.modules():
            if not list(module.children()):
                module.register_forward_hook(self._keep)
                if self._safe and getattr(module, "inplace", False):
                    module.register_forward_pre_hook(self._keep_input)
        if total:
            missing = total - count_bytes(self(example))
            self._extra = max(missing, 0) // self._n_calls

    def _keep_input(self, module: nn.Module, args: tuple) -> None:
        if not isinstance(self._last, nn.BatchNorm2d):
            self.kept.append(args[0].clone())

    def _keep(self, module: nn.Module, args: Any, output: Any) -> None:
        self._n_calls += 1
        self._last = module
        safe = self._safe and isinstance(module, nn.BatchNorm2d)
        self.kept += [output.clone()] if safe else iterate_tensors(output)
        if self._extra:
            filler = torch.empty(self._extra, dtype=torch.uint8, device=self.kept[-1].device)
            filler[::4096].fill_(0)
            self.kept.append(filler)

    def __call__(self, x: torch.Tensor) -> list[torch.Tensor]:
        self.kept = []
        try:
            self._model(x)
            return self.kept
        finally:
            self.kept = []


class Least(TorchFunctionMode):
    """A function mode that does the least imaginable: it keeps what each call returns.

    What is called by torch's own Python functions stays inside them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Any] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.kept.append(result)
        return result


def run_least(model: nn.Module, x: torch.Tensor) -> list[Any]:
    """Run a model in a `Least` mode, with hooks that do nothing before and after each module."""
    handles = []
    try:
        for module in model.modules():
            handles.append(module.register_forward_pre_hook(lambda module, args: None))
            handles.append(module.register_forward_hook(lambda module, args, output: None))
        with Least() as least:
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return least.kept


EXAMPLE = (1, 3, 224, 224)


def measure_chain(name: str, rounds: int, device: str, deadline: Deadline) -> list[str]:
    """Return a table of the time per op that recording one of `CHAINS` adds."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model, x = CHAINS[name]().eval().to(device), torch.randn(2, 8, device=device)
    extractor = create_feature_extractor(model, get_graph_node_names(model)[1][1:])
    methods = {
        "bare forward": lambda: model(x),
        "torchvision feature extraction": lambda: extractor(x),
        LEAST: lambda: run_least(model, x),
        "neurolens trace": lambda: nl.trace(model, x),
        "neurolens trace, graph put together": lambda: nl.trace(model, x).graph,
    }
    with torch.no_grad():
        half = deadline.share_time(2)
        times = time_rounds(methods, rounds, time.process_time, repeats=10, deadline=half)
    torch.set_num_threads(threads)
    best = {name: min(row) / CHAIN * 1e6 for name, row in times.items()}
    bare = best["bare forward"]
    lens = {
        name: min(row) / CHAIN * 1e6
        for name, row in run_peer(name, 1, rounds, device, deadline).items()
    }
    best |= {
        name: bare + cost - lens["bare forward"] for name, cost in lens.items() if "Lens" in name
    }
    peer = best.get("TorchLens trace", float("nan")) - bare
    lines = [
        f"## A {name}: {CHAIN} tiny ops (process time, one thread, best of at most {rounds})",
        "",
        "| method | added per op, us | added per op / bare op | of the least that a mode adds | "
        "TorchLens trace adds this many times as much |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, cost in best.items():
        if name != "bare forward":
            added = cost - bare
            of_least = added / (best[LEAST] - bare)
            lines.append(
                f"| {name} | {added:.1f} | {added / bare:.1f} | {of_least:.1f} | "
                f"{peer / added:.0f} |"
            )
    return lines


def measure_model(
    name: str, batch: int, rounds: int, peer_rounds: int, device: str, deadline: Deadline
) -> list[str]:
    """Return rows of a table: time of each method over the bare forward in the same round.

    Rows also hold the bytes that each method keeps.
    """
    torch.manual_seed(0)
    model = MODELS[name]().eval().to(device)
    x = torch.randn(batch, *EXAMPLE[1:], device=device)
    with torch.no_grad():
        traced = count_bytes(t for op in nl.trace(model, x) for t in op.values)
        hooks = Hooks(model)
        hooked = count_bytes(hooks(x))
        nodes = get_graph_node_names(model)[1]
        extractor = create_feature_extractor(model, nodes[1:])
        try:
            featured = count_bytes(iterate_tensors(extractor(x)))
        except RuntimeError as error:
            featured, failure = 0, str(error).splitlines()[0]
        # A bare model without hooks, because hooks stay on the model they were put on.
        bare = MODELS[name]().eval().to(device)
        bare.load_state_dict(model.state_dict())
        same = MODELS[name]().eval().to(device)
        filled = Hooks(same, total=traced, example=x)
        methods = {
            "bare forward": (lambda: bare(x), 0),
            "hooks on leaf modules": (lambda: hooks(x), hooked),
            "hooks that keep as much": (lambda: filled(x), count_bytes(filled(x))),
            "neurolens trace": (lambda: nl.trace(bare, x), traced),
        }
        if featured:
            methods["torchvision feature extraction"] = (lambda: extractor(x), featured)
        calls = {method: call for method, (call, _) in methods.items()}
        times = time_rounds(calls, rounds, deadline=deadline.share_time(2))
        ratios = compare_times(times, "bare forward")
        paired = compare_times(times, "hooks that keep as much")["neurolens trace"]
    rows = [
        f"| {name} | {batch} | {method} | {middle:.2f} ({low:.2f}-{high:.2f}) | "
        + (f"{methods[method][1] / 2**20:.0f} |" if method in methods else " |")
        for method, (middle, low, high) in ratios.items()
        if method != "bare forward"
    ]
    if not featured:
        rows.append(f"| {name} | {batch} | torchvision feature extraction | fails: {failure} | |")
    peers = run_peer(name, batch, peer_rounds, device, deadline)
    for method, (middle, low, high) in (
        compare_times(peers, "bare forward").items() if peers else ()
    ):
        if method != "bare forward":
            rows.append(f"| {name} | {batch} | {method} | {middle:.2f} ({low:.2f}-{high:.2f}) | |")
    middle, low, high = paired
    return [
        *rows,
        f"| {name} | {batch} | *trace / hooks that keep as much* | {middle:.2f} "
        f"({low:.2f}-{high:.2f}) | |",
    ]


def measure_peaks(batches: Sequence[int], device: str, deadline: Deadline) -> Iterator[str]:
    """Yield rows: peak memory of a trace over (bytes kept + the bare forward's own peak).

    Each is measured in a process of its own, which is forked before any tensor was made.
    """
    import_rooms()
    for name, batch in itertools.product(MODELS, batches):
        found = [
            fork_call(partial(find_peak, is_trace, name, batch, device), deadline.seconds)
            for is_trace in (False, True)
        ]
        if None in found:
            yield f"| {name} | {batch} | {MESSAGE} | | | |"
            continue
        bare, trace = found
        mib = 2**20
        yield (
            f"| {name} | {batch} | {trace.kept / mib:.0f} | {bare.peak / mib:.0f} | "
            f"{trace.peak / mib:.0f} | {trace.peak / (trace.kept + bare.peak):.3f} |"
        )


class Peak(NamedTuple):
    """The rise of memory above that of model and inputs, and the bytes that are kept."""

    peak: int
    kept: int


def find_peak(is_trace: bool, name: str, batch: int, device: str) -> Peak:
    """Return the peak of a trace, or of a bare forward pass, in this process."""
    torch.manual_seed(0)
    model = MODELS[name]().eval().to(device)
    x = torch.randn(batch, *EXAMPLE[1:], device=device)
    with torch.no_grad():
        nl.trace(model, x[:1, :, :64, :64] if name != "vit_b_16" else x[:1])
        before = read_peak(device, reset=True)
        made = nl.trace(model, x) if is_trace else model(x)
        after = read_peak(device)
    kept = count_bytes(t for op in made for t in op.values) if is_trace else 0
    return Peak(after - before, kept)


def run_peer(
    name: str, batch: int, rounds: int, device: str, deadline: Deadline
) -> dict[str, list[float]]:
    """Return what `print_peer` prints in a process of its own."""
    seconds = f"{deadline.seconds:.0f}"
    command = [sys.executable, __file__, "--peer", name, str(batch), str(rounds), seconds]
    command += ["--device", device]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def print_peer(name: str, batch: int, rounds: int, device: str, deadline: Deadline) -> None:
    """Print TorchLens's times beside the bare forward's, as JSON.

    It prints nothing where TorchLens is not installed.
    """
    found = {}
    if importlib.util.find_spec("torchlens"):
        torchlens = importlib.import_module("torchlens")

        torch.manual_seed(0)
        is_chain = name in CHAINS
        model = (CHAINS | MODELS)[name]().eval().to(device)
        shape = (2, 8) if is_chain else (batch, *EXAMPLE[1:])
        x = torch.randn(shape, device=device)
        if is_chain:
            torch.set_num_threads(1)
        methods = {
            "bare forward": lambda: model(x),
            "TorchLens record": lambda: torchlens.record(model, x, default_op=True),
            "TorchLens trace": lambda: torchlens.trace(model, x),
        }
        with torch.no_grad():
            clock = time.process_time if is_chain else time.perf_counter
            found = time_rounds(methods, rounds, clock, deadline=deadline)
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--peer",
        nargs=4,
        metavar=("MODEL", "BATCH", "ROUNDS", "SECONDS"),
        help=argparse.SUPPRESS,
    )
    add_minutes(parser)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.peer:
        name, batch, rounds, seconds = options.peer
        deadline = Deadline(float(seconds) / 60)
        print_peer(name, int(batch), int(rounds), options.device, deadline)
        return
    deadline = Deadline(options.minutes)
    # Rounds of chains, and of models at each batch size.
    rounds, model_rounds = (5, {1: 5}) if options.quick else (15, {1: 11, 8: 5})
    peer_rounds = 1 if options.quick else 3
    has_peer = importlib.util.find_spec("torchlens")
    peer = (
        f"TorchLens {metadata.version('torchlens')}" if has_peer else "TorchLens is not installed"
    )
    result = GrowingResult(None if options.quick else f"capture-{options.device}")
    result.add(
        "# What recording costs",
        "",
        f"{describe_machine(options.device)}; {peer}",
        "",
        "## Peak memory above the model and its inputs, MiB",
        "",
        "| model | batch | kept | bare peak | trace peak | trace peak / (kept + bare peak) |",
        "|---|---:|---:|---:|---:|---:|",
    )
    # First, because processes are forked from one that has run nothing.
    for row in measure_peaks(list(model_rounds), options.device, deadline):
        result.add(row)
    n_parts = len(CHAINS) + len(MODELS) * len(model_rounds)
    for name in CHAINS:
        part = deadline.share_time(n_parts)
        result.add("", *measure_chain(name, rounds, options.device, part))
        n_parts -= 1
    result.add(
        "",
        "## Whole models, as ratios to the bare forward pass of the same round (median, range)",
        "",
        "| model | batch | method | time / bare | MiB kept |",
        "|---|---:|---|---:|---:|",
    )
    for name, (batch, n) in itertools.product(MODELS, model_rounds.items()):
        part = deadline.share_time(n_parts)
        result.add(*measure_model(name, batch, n, peer_rounds, options.device, part))
        n_parts -= 1


if __name__ == "__main__":
    main()
