"""A graph in a few lines of text, and what notebooks show of it.

A graph here is anything with the ``ops``, ``inputs``, ``outputs`` and ``host_reads`` of a Graph.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from neurolens.extract.graph.ops import Op, TensorSpec
from neurolens.support.tables import MOST_ROWS, write_block, write_facts, write_folded, write_table

COLUMNS = ("op", "function", "module", "shape", "settings")
MOST_NAMES = 8


def summarize_graph(model_name: str, graph: Any) -> str:
    """Return a few lines: counts, memory, the commonest functions, values that left torch."""
    ops = graph.ops
    n_bytes = sum(o.n_bytes for op in ops for o in op.outputs if not op.alias_of)
    common = Counter(op.function for op in ops).most_common(MOST_NAMES)
    modules = {op.module for op in ops}
    repeated = sum(op.pass_number > 1 for op in ops)
    lines = [
        f"{model_name}: {len(ops)} ops in {len(modules)} modules, {n_bytes / 2**20:.1f} MiB of "
        "results",
        "inputs   " + ", ".join(f"{k} {list(v.shape)} {v.dtype}" for k, v in graph.inputs.items()),
        "ops      " + ", ".join(f"{name} x{n}" for name, n in common),
        f"repeats  {repeated} ops are second or later executions of the same call",
    ]
    if graph.host_reads:
        lines.append(
            f"left torch {len(graph.host_reads)} times (item, bool, numpy ...): see "
            ".graph.host_reads"
        )
    return "\n".join(lines)


def write_graph(title: str, graph: Any, facts: Mapping[str, Any] | None = None) -> str:
    """Return a title, inputs and outputs, and a folded table of ops, as HTML."""
    inputs = [f"{name} {_write_shape(spec)}" for name, spec in graph.inputs.items()]
    outputs = [parent.source for parent in graph.outputs]
    pairs = {
        "inputs": _join(inputs),
        "outputs": _join(outputs),
        "functions": _count_functions(graph.ops),
        "read by Python": f"{len(graph.host_reads)} values" if graph.host_reads else "",
        **(facts or {}),
    }
    rows = [
        (op.name, op.function, op.module_class, _write_shape(op.outputs[0]), op.settings)
        for op in graph.ops[:MOST_ROWS]
    ]
    table = write_table(COLUMNS, rows, len(graph.ops))
    parts = [write_facts(pairs.items())]
    if graph.ops:
        parts.append(write_folded(f"ops ({len(graph.ops):,})", table))
    return write_block(title, parts)


def _write_shape(spec: TensorSpec) -> str:
    return " × ".join(map(str, spec.shape)) or "scalar"


def _join(names: Sequence[str]) -> str:
    """Return some names, and how many more there are."""
    rest = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def _count_functions(ops: Sequence[Op]) -> str:
    """Return the most frequent functions, with how often each ran."""
    counts = Counter(op.function for op in ops).most_common()
    return _join([f"{name} {n:,}" for name, n in counts])
