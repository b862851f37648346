"""A table of everything known about each op."""

from typing import Any, NamedTuple

import pandas as pd

from neurolens.extract.capture.events import Recording
from neurolens.extract.graph.flops import count_flops
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Costs, Op

# The shortest and the longest of the paths of an op to one side, None without any.
Path = tuple[int, int] | None
_AS_THEY_ARE = tuple("function call settings composite module module_class module_call".split())
COLUMNS = (
    *_AS_THEY_ARE,
    *"layer pass time_step parents parent_positions children".split(),
    *"shape dtype device n_outputs n_bytes".split(),
    *"parameters buffers alias_of is_input is_output is_generated".split(),
    *"min_from_input max_from_input min_to_output max_to_output seconds source".split(),
    *"n_parameters flops".split(),
)
_INTEGERS = (
    "time_step",
    *"min_from_input max_from_input min_to_output max_to_output".split(),
    *"n_parameters flops".split(),
)


def count_costs(recording: Recording) -> Costs:
    """Return what each op costs: the parameters it uses and its floating-point operations."""
    costs = {}
    for event in recording.events:
        sizes = {}
        for value, _ in event.parents:
            if value.kind == "parameter" and value.tensor is not None:
                sizes[id(value)] = value.tensor.numel()
        costs[event.name] = (sum(sizes.values()), count_flops(event, recording))
    return costs


def build_table(graph: Graph, costs: Costs) -> pd.DataFrame:
    """Return one row per op, in execution order, indexed by its name; NA for unknown costs."""
    distances = measure_distances(graph)
    layer_of = {}
    for layer in graph.layers:
        layer_of.update(dict.fromkeys(layer.ops, layer.name))
    rows: dict[str, dict[str, Any]] = {}
    for op in graph:
        n_parameters, flops = costs.get(op.name, (None, None))
        rows[op.name] = {
            **{key: getattr(op, key) for key in _AS_THEY_ARE},
            "layer": layer_of[op.name],
            "pass": op.pass_number,
            "time_step": op.time_step,
            **_describe_connections(graph, op),
            **_describe_results(op),
            **distances[op.name]._asdict(),
            "is_generated": distances[op.name].min_from_input is None,
            "seconds": op.seconds,
            "source": op.source,
            "n_parameters": n_parameters,
            "flops": flops,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")[list(COLUMNS)]
    table[list(_INTEGERS)] = table[list(_INTEGERS)].astype("Int64")
    return table.rename_axis("op")


def _describe_connections(graph: Graph, op: Op) -> dict[str, Any]:
    """Return what feeds an op and what it feeds, as columns."""
    return {
        "parents": op.parent_ops,
        "parent_positions": tuple(p.position for p in op.parents if p.kind == "op"),
        "children": graph.children[op.name],
        "parameters": tuple(p.source for p in op.parents if p.kind == "parameter"),
        "buffers": tuple(p.source for p in op.parents if p.kind == "buffer"),
        "alias_of": op.alias_of,
        "is_input": any(p.kind == "input" for p in op.parents),
        "is_output": op.name in graph.returned_ops,
    }


def _describe_results(op: Op) -> dict[str, Any]:
    """Return the shape, type and size of an op's results, as columns."""
    return {
        "shape": op.shape,
        "dtype": op.outputs[0].dtype,
        "device": op.outputs[0].device,
        "n_outputs": len(op.outputs),
        "n_bytes": sum(output.n_bytes for output in op.outputs),
    }


class Distances(NamedTuple):
    """Shortest and longest path of an op, in ops, from an input and to an output; None without."""

    min_from_input: int | None
    max_from_input: int | None
    min_to_output: int | None
    max_to_output: int | None


def measure_distances(graph: Graph) -> dict[str, Distances]:
    """Return the distances of each op from the inputs and to the outputs."""
    forward: dict[str, Path] = {}
    for op in graph:
        starts = any(parent.kind == "input" for parent in op.parents)
        forward[op.name] = _extend([forward.get(name) for name in op.parent_ops], starts)
    backward: dict[str, Path] = {}
    for op in reversed(graph.ops):
        ends = op.name in graph.returned_ops
        below = [backward.get(name) for name in graph.children[op.name]]
        backward[op.name] = _extend(below, ends)
    none = (None, None)
    return {
        op.name: Distances(*(forward[op.name] or none), *(backward[op.name] or none))
        for op in graph
    }


def _extend(neighbors: list[Path], is_end: bool) -> Path:
    """Return the shortest and longest path of an op from those of its neighbours on one side."""
    steps = [(low + 1, high + 1) for low, high in filter(None, neighbors)]
    if is_end:
        steps.append((0, 0))
    if not steps:
        return None
    return min(low for low, _ in steps), max(high for _, high in steps)
