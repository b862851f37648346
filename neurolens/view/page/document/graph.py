"""The graph in the document: ops with what is known of each, and one or two views of them."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import HostRead, Op
from neurolens.view import style
from neurolens.view.structure.building import build_structure
from neurolens.view.structure.records import Structure

# Of a source file: what tells it apart, and no folders of the machine.
KEPT_FOLDERS = 3
UNKNOWN_COSTS = (None, None)


def describe_graph(trace: Any, graph: Graph) -> dict[str, Any]:
    """Return the graph of a trace; parameters and FLOPs are None where ``trace`` is a Graph."""
    costs = trace.count_costs() if hasattr(trace, "count_costs") else {}
    index = {op.name: op.index for op in graph}
    reads: dict[str, list[dict[str, str]]] = {}
    for read in graph.host_reads:
        reads.setdefault(read.parent, []).append(_describe_read(read))
    ops = []
    for op in graph:
        ops.append(_describe_op(op, costs, reads.get(op.name, [])))
    structures = build_structures(graph)
    return {
        "inputs": [
            {"name": name, "shape": style.format_shape(spec.shape)}
            for name, spec in graph.inputs.items()
        ],
        "outputs": [op.index for op in graph if op.name in graph.returned_ops],
        "root": structures[0].root,
        "modules": dict(graph.modules),
        "ops": ops,
        "views": [describe_view(structure, index) for structure in structures],
    }


def build_structures(graph: Graph) -> list[Structure]:
    """Return the view to open with, and the unrolled one where that is another."""
    structure = build_structure(graph)
    return [structure, build_structure(graph, rolled=False)] if structure.rolled else [structure]


def describe_view(structure: Structure, index: Mapping[str, int]) -> dict[str, Any]:
    """Return the nodes, runs and edges of a structure; ``index`` has the positions of ops."""
    nodes = []
    for node in structure.nodes:
        ops = [index[name] for name in node.ops]
        shown = [node.kind, node.name, node.label, ops, node.run, node.shape, node.generated]
        nodes.append([*shown, node.n_outputs, list(node.steps)])
    runs = []
    for run in structure.runs:
        place = [run.parent, run.depth, run.first, run.last]
        names = [run.key, run.address, run.module_class, run.title]
        runs.append([*names, run.call, run.part, *place])
    return {
        "rolled": structure.rolled,
        "root": structure.root,
        "nodes": nodes,
        "runs": runs,
        "edges": [[edge.tail, edge.head, edge.role, edge.left_out] for edge in structure.edges],
    }


def _describe_op(
    op: Op,
    costs: Mapping[str, tuple[int, int | None]],
    reads: list[dict[str, str]],
) -> dict[str, Any]:
    n_parameters, flops = costs.get(op.name, UNKNOWN_COSTS)
    return {
        "name": op.name,
        "site": op.site,
        "pass": op.pass_number,
        "function": op.function,
        "settings": op.settings,
        "label": op.module.rpartition(".")[2],
        "module": op.module,
        "moduleClass": op.module_class,
        "shape": style.format_shape(op.shape),
        "dtype": op.outputs[0].dtype.removeprefix("torch."),
        "params": n_parameters,
        "flops": flops,
        "source": _shorten_source(op.source),
        "shares": op.alias_of,
        "reads": reads,
    }


def _describe_read(read: HostRead) -> dict[str, str]:
    return {
        "function": read.function,
        "value": read.value,
        "source": _shorten_source(read.source),
    }


def _shorten_source(source: str) -> str:
    """Return ``file:line`` with the innermost folders only."""
    return "/".join(PurePath(source).parts[-KEPT_FOLDERS:])
