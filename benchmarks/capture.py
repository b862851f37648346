"""The cost of recording every operation, beside hooks, torchvision's extraction and TorchLens.

    python benchmarks/capture.py            # about five minutes
    python benchmarks/capture.py --quick    # fewer rounds, batch 1 only
    python benchmarks/capture.py --device cuda

Everything is a ratio to the bare forward pass of the same round. Peak memory is measured in
processes of its own, and so is TorchLens, which leaves torch's functions wrapped after its first
use. The tables are kept in benchmarks/results/."""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

import torch
import torchvision
from machine import RESULTS, compare_times, describe_machine, read_peak, time_rounds
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


def measure_chain(name: str, rounds: int, device: str) -> str:
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
        times = time_rounds(methods, rounds, time.process_time, repeats=10)
    torch.set_num_threads(threads)
    best = {name: min(row) / CHAIN * 1e6 for name, row in times.items()}
    bare = best["bare forward"]
    lens = {
        name: min(row) / CHAIN * 1e6
        for name, row in run_child("--peer", name, "1", str(rounds), device).items()
    }
    best |= {
        name: bare + cost - lens["bare forward"] for name, cost in lens.items() if "Lens" in name
    }
    peer = best.get("TorchLens trace", float("nan")) - bare
    lines = [
        f"## A {name}: {CHAIN} tiny ops (process time, one thread, best of {rounds})",
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
    return "\n".join(lines)


def measure_model(name: str, batch: int, rounds: int, peer_rounds: int, device: str) -> list[str]:
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
        times = time_rounds({k: call for k, (call, _) in methods.items()}, rounds)
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
    peers = run_child("--peer", name, str(batch), str(peer_rounds), device)
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


def measure_peak(name: str, batch: int, device: str) -> str:
    """Return a row: peak memory of a trace over (bytes kept + the bare forward's own peak).

    Each is measured in its own process.
    """
    found = {}
    for method in ("bare", "trace"):
        found[method] = run_child("--peak", method, name, str(batch), device)
    kept, bare, trace = found["trace"]["kept"], found["bare"]["peak"], found["trace"]["peak"]
    mib = 2**20
    return f"| {name} | {batch} | {kept / mib:.0f} | {bare / mib:.0f} | {trace / mib:.0f} | {trace / (kept + bare):.3f} |"


def run_child(*arguments: str) -> Any:
    """Return the JSON that this script prints when run with the arguments.

    The last argument is the device.
    """
    command = [sys.executable, __file__, *arguments[:-1], "--device", arguments[-1]]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def print_peer(name: str, batch: int, rounds: int, device: str) -> None:
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
            found = time_rounds(
                methods, rounds, time.process_time if is_chain else time.perf_counter
            )
    print(json.dumps(found))


def print_peak(method: str, name: str, batch: int, device: str) -> None:
    """Print the rise of memory above that of model and inputs, and the bytes kept, as JSON."""
    torch.manual_seed(0)
    model = MODELS[name]().eval().to(device)
    x = torch.randn(batch, *EXAMPLE[1:], device=device)
    with torch.no_grad():
        nl.trace(model, x[:1, :, :64, :64] if name != "vit_b_16" else x[:1])
        before = read_peak(device, reset=True)
        made = nl.trace(model, x) if method == "trace" else model(x)
        after = read_peak(device)
    kept = 0 if method == "bare" else count_bytes(t for op in made for t in op.values)
    print(json.dumps({"peak": after - before, "kept": kept}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--peak", nargs=3, metavar=("METHOD", "MODEL", "BATCH"), help=argparse.SUPPRESS
    )
    parser.add_argument(
        "--peer", nargs=3, metavar=("MODEL", "BATCH", "ROUNDS"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.peak:
        method, name, batch = options.peak
        print_peak(method, name, int(batch), options.device)
        return
    if options.peer:
        name, batch, rounds = options.peer
        print_peer(name, int(batch), int(rounds), options.device)
        return
    # Rounds of chains, and of models at each batch size.
    rounds, model_rounds = (5, {1: 5}) if options.quick else (15, {1: 11, 8: 5})
    peer_rounds = 1 if options.quick else 3
    has_peer = importlib.util.find_spec("torchlens")
    peer = (
        f"TorchLens {metadata.version('torchlens')}" if has_peer else "TorchLens is not installed"
    )
    lines: list[str] = []

    def store(*more: str) -> None:
        """Print more lines of the table, and write it as far as it is made."""
        print(*more, sep="\n", flush=True)
        lines.extend(more)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"capture-{options.device}.md").write_text("\n".join(lines) + "\n")

    store("# What recording costs", "", f"{describe_machine(options.device)}; {peer}", "")
    for name in CHAINS:
        store(measure_chain(name, rounds, options.device), "")
    store(
        "## Whole models, as ratios to the bare forward pass of the same round (median, range)",
        "",
        "| model | batch | method | time / bare | MiB kept |",
        "|---|---:|---|---:|---:|",
    )
    for name in MODELS:
        for batch, n in model_rounds.items():
            store(*measure_model(name, batch, n, peer_rounds, options.device))
    store(
        "",
        "## Peak memory above the model and its inputs, MiB",
        "",
        "| model | batch | kept | bare peak | trace peak | trace peak / (kept + bare peak) |",
        "|---|---:|---:|---:|---:|---:|",
    )
    for name in MODELS:
        for batch in model_rounds:
            store(measure_peak(name, batch, options.device))


if __name__ == "__main__":
    main()
