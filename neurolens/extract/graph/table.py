"""Everything known about each op, as a table."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from neurolens.extract.capture.events import Recording
from neurolens.extract.graph.flops import count_flops
from neurolens.extract.graph.graph import Graph

_AS_THEY_ARE = "function call settings composite module module_class module_call".split()


def count_costs(recording: Recording) -> dict[str, tuple[int, int | None]]:
    """Return the number of parameters that each op uses and its floating-point operations (see `count_flops`)."""
    costs = {}
    for event in recording.events:
        used = {
            id(v): v.tensor
            for v, _ in event.parents
            if v.kind == "parameter" and v.tensor is not None
        }
        costs[event.name] = (
            sum(tensor.numel() for tensor in used.values()),
            count_flops(event, recording),
        )
    return costs


def build_table(graph: Graph, costs: Mapping[str, tuple[int, int | None]]) -> pd.DataFrame:
    """Return one row per op, in execution order, indexed by its name.

    NA where an op has no costs.
    """
    children = graph.children
    from_input, to_output = measure_distances(graph)
    returned = {p.source for p in graph.outputs if p.kind == "op"}
    layer_of = {name: layer.name for layer in graph.layers for name in layer.ops}
    rows: dict[str, dict[str, Any]] = {}
    for op in graph:
        low, high = from_input[op.name]
        before, after = to_output[op.name]
        rows[op.name] = {
            **{key: getattr(op, key) for key in _AS_THEY_ARE},
            "layer": layer_of[op.name],
            "pass": op.pass_number,
            "parents": op.parent_ops,
            "parent_positions": tuple(p.position for p in op.parents if p.kind == "op"),
            "children": children[op.name],
            "shape": op.shape,
            "dtype": op.outputs[0].dtype,
            "device": op.outputs[0].device,
            "n_outputs": len(op.outputs),
            "n_bytes": sum(o.n_bytes for o in op.outputs),
            "parameters": tuple(p.source for p in op.parents if p.kind == "parameter"),
            "buffers": tuple(p.source for p in op.parents if p.kind == "buffer"),
            "alias_of": op.alias_of,
            "is_input": any(p.kind == "input" for p in op.parents),
            "is_output": op.name in returned,
            "is_generated": low is None,
            "min_from_input": low,
            "max_from_input": high,
            "min_to_output": before,
            "max_to_output": after,
            "seconds": op.seconds,
            "source": op.source,
        }
        rows[op.name]["n_parameters"], rows[op.name]["flops"] = costs.get(op.name, (None, None))
    table = pd.DataFrame.from_dict(rows, orient="index")
    integers = [
        c for c in table if str(c).startswith(("min_", "max_")) or c in ("flops", "n_parameters")
    ]
    table[integers] = table[integers].astype("Int64")
    return table.rename_axis("op")


def measure_distances(graph: Graph) -> tuple[dict[str, tuple], dict[str, tuple]]:
    """Return for each op the shortest and longest path, in ops, from an input and to an output.

    None without one.
    """
    forward: dict[str, tuple] = {}
    for op in graph:
        above = [
            forward[name]
            for name in op.parent_ops
            if name in forward and forward[name][0] is not None
        ]
        starts = [(0, 0)] if any(p.kind == "input" for p in op.parents) else []
        forward[op.name] = _extend(above, starts)
    returned = {p.source for p in graph.outputs if p.kind == "op"}
    backward: dict[str, tuple] = {}
    for op in reversed(graph.ops):
        below = [
            backward[name]
            for name in graph.children[op.name]
            if backward.get(name, (None,))[0] is not None
        ]
        backward[op.name] = _extend(below, [(0, 0)] if op.name in returned else [])
    return forward, backward


def _extend(neighbours: list[tuple], starts: list[tuple[int, int]]) -> tuple:
    steps = [(low + 1, high + 1) for low, high in neighbours] + starts
    return (min(low for low, _ in steps), max(high for _, high in steps)) if steps else (None, None)
