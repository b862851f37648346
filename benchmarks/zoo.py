"""Trace and validate models with random weights, offline: torchvision, timm, transformers and more.

    python benchmarks/zoo.py --group torchvision --only "resnet*" --results zoo_results.jsonl
    python benchmarks/zoo.py --write        # the table in docs/conformance.md, from all results so
    far

Each model is built, traced and validated in a process of its own, so that a crash or a lack of
memory ends that model and not the run. Results are appended to a JSON-lines file; models found
there are not run again."""

import argparse
import fnmatch
import gc
import hashlib
import importlib
import json
import multiprocessing
import os
import re
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from zoo_models import GROUPS, build_model, list_names

ENGINE = Path(__file__).resolve().parent.parent / "neurolens" / "extract"
TABLE = Path(__file__).resolve().parent.parent / "docs" / "conformance.md"


def hash_engine() -> str:
    """Return a short hash of the extraction package's source.

    Results of two versions of it must not be put into one table.
    """
    return hashlib.sha256(
        b"".join(p.read_bytes() for p in sorted(ENGINE.rglob("*.py")))
    ).hexdigest()[:8]


VERSIONS = {"torch": torch.__version__, "engine": hash_engine()}


def describe_inputs(inputs: Any, kwargs: dict | None) -> str:
    from neurolens.extract.capture.trees import iterate_tensors

    tensors = [*iterate_tensors(inputs), *iterate_tensors(kwargs)]
    return ", ".join("x".join(map(str, t.shape)) for t in tensors)


def shorten_reasons(reasons: Any) -> str:
    """Return the findings in a line: equal ones are counted, file paths are cut to their names."""
    texts = [f"{r.check}: {r.reason}" for r in reasons.itertuples() if r.status != "exempt"]
    texts = [re.sub(r"\S*/([^/\s]+\.py):\d+.*", r"\1", text) for text in texts]
    counts = Counter(texts)
    shown = [text if n == 1 else f"{text} (x{n})" for text, n in counts.most_common(3)]
    return "; ".join(shown) + (f"; and {len(counts) - 3} more kinds" if len(counts) > 3 else "")


def check_model(group: str, name: str) -> dict:
    """Build, trace and validate one model; return its row."""
    import neurolens as nl
    from neurolens.extract import validate
    from neurolens.extract.capture.forward import prepare_call, run_plain

    row: dict[str, Any] = {
        "group": group,
        "model": name,
        "family": "",
        "input": "",
        "ops": 0,
        "seconds": 0.0,
    }
    row |= VERSIONS
    try:
        model, inputs, kwargs, row["family"] = build_model(group, name)
        # An input that the model itself refuses is no finding.
        run_plain(prepare_call(model, inputs, kwargs))
        row["input"] = describe_inputs(inputs, kwargs)
        row["parameters"] = sum(p.numel() for p in model.parameters())
    except Exception as error:
        reason = f"does not build or run by itself: {type(error).__name__}: {error}"
        return row | {"verdict": "skipped", "reason": " ".join(reason.split())[:300]}
    start = time.perf_counter()
    try:
        trace = nl.trace(model, inputs, kwargs=kwargs)
        names = [op.name for op in trace.graph]
        row["ops"], row["host_reads"] = len(names), len(trace.graph.host_reads)
        assert len(set(names)) == len(names), "two ops have one name"
        assert len(trace.table()) == len(names)
        del trace
        gc.collect()
        verdict = validate(model, inputs, kwargs=kwargs)
        row |= {
            "verdict": verdict.status,
            "replayed": verdict.n_replayed,
            "reason": shorten_reasons(verdict.reasons),
        }
    except Exception as error:
        row |= {
            "verdict": "error",
            "reason": " ".join(f"{type(error).__name__}: {error}".split())[:400],
        }
    row["seconds"] = round(time.perf_counter() - start, 2)
    return row


def run_child(group: str, name: str, gigabytes: float, path: str) -> None:
    """Check one model with a bound on its memory and append its row to the results."""
    try:
        import resource

        limit = int(gigabytes * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ImportError, ValueError):
        pass  # Windows has no such bound; macOS refuses it
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    append_row(path, check_model(group, name))


def append_row(path: str, row: dict) -> None:
    with open(path, "a") as file:
        file.write(json.dumps(row) + "\n")


def read_rows(path: str) -> list[dict]:
    """Return the last row of each model."""
    rows = {}
    if os.path.exists(path):
        with open(path) as file:
            for line in file:
                row = json.loads(line)
                rows[row["group"], row["model"]] = row
    return list(rows.values())


def run_group(group: str, options: argparse.Namespace) -> None:
    # Imported here and not in each child, which is a fork where the system has them.
    for needed in ("neurolens", "torchvision", group):
        if needed == "recurrent":
            continue
        try:
            importlib.import_module(needed)
        except ImportError as error:
            row = {"group": group, "family": "", "input": "", "ops": 0, "seconds": 0.0} | VERSIONS
            for name in list_names(group):
                append_row(
                    options.results,
                    row | {"model": name, "verdict": "skipped", "reason": str(error)},
                )
            return
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    done = {
        (r["group"], r["model"]) for r in read_rows(options.results) if r["verdict"] != "skipped"
    }
    for name in list_names(group):
        if not fnmatch.fnmatch(name, options.only) or ((group, name) in done and not options.again):
            continue
        process = context.Process(
            target=run_child, args=(group, name, options.memory, options.results)
        )
        process.start()
        process.join(options.limit)
        if process.exitcode is None:
            process.kill()
            process.join()
            reason = f"stopped after {options.limit} s"
        else:
            reason = f"its process ended with code {process.exitcode}"
        if process.exitcode != 0:
            row = {
                "group": group,
                "model": name,
                "family": "",
                "input": "",
                "ops": 0,
                "seconds": 0.0,
            }
            append_row(options.results, row | VERSIONS | {"verdict": "crashed", "reason": reason})
        last = next(
            r for r in read_rows(options.results) if (r["group"], r["model"]) == (group, name)
        )
        print(
            f"{last['verdict']:<11}{name:<36}{last['ops']:>6} ops {last['seconds']:>7} s  "
            f"{last['reason'][:150]}",
            flush=True,
        )


def write_table(rows: list[dict]) -> None:
    """Write docs/conformance.md from the results."""
    counts = Counter(row["verdict"] for row in rows)
    lines = [
        "# Conformance: models traced and validated",
        "",
        "Written by `make conformance`. Every model has random weights, is in evaluation mode and "
        "gets a small input.",
        "It is traced and validated: outputs bit-equal to a plain run, every kernel inside a "
        "recorded op, each op run",
        "again from its parents' saved values and with others, and the recorded ops run on two new "
        "inputs against the",
        "model. *unverified* means that nothing was found wrong but something steers the pass that "
        "the graph does not",
        "hold: a value that left torch (`item`, `bool`, numpy), or a size that follows from "
        "values, such as the number",
        "of boxes that a detector finds; or that a pass changes weights of the model, which later "
        "passes follow. That",
        "lies in the model. Seconds (trace and validation, one thread, on a shared machine) only "
        "tell small from large.",
        "",
        f"torch {', '.join(sorted({row['torch'] for row in rows}))}; "
        + ", ".join(f"{n} {verdict}" for verdict, n in counts.most_common()),
    ]
    engines = Counter(row.get("engine", "an earlier one") for row in rows)
    if len(engines) > 1:
        lines += [
            "",
            f"The rows come from {len(engines)} states of the engine; run again with `--again`.",
        ]
    for group in GROUPS:
        part = sorted(
            (r for r in rows if r["group"] == group), key=lambda r: (r["family"], r["model"])
        )
        if not part:
            continue
        lines += [
            "",
            f"## {group}",
            "",
            "| model | family | input | ops | verdict | seconds | reason |",
        ]
        lines += ["|---|---|---|---:|---|---:|---|"]
        lines += [
            f"| {r['model']} | {r['family']} | {r['input']} | {r['ops']} | {r['verdict']} | "
            f"{r['seconds']:.1f} | {r['reason'].replace('|', '/')} |"
            for r in part
        ]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(lines) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--group", choices=GROUPS, action="append", help="all four by default; may be repeated"
    )
    parser.add_argument("--only", default="*", help="glob pattern of model names")
    parser.add_argument("--results", default="zoo_results.jsonl")
    parser.add_argument("--again", action="store_true", help="also run models that have a result")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one model")
    parser.add_argument("--memory", type=float, default=20, help="address space of one model, GiB")
    parser.add_argument(
        "--write", action="store_true", help="write docs/conformance.md and run nothing"
    )
    options = parser.parse_args()
    if not options.write:
        for group in options.group or GROUPS:
            run_group(group, options)
    rows = read_rows(options.results)
    if options.write:
        write_table(rows)
    print(dict(Counter(row["verdict"] for row in rows)))
    return int(any(row["verdict"] in ("failed", "error", "crashed") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
