"""Files of traces: one safetensors file each, with the graph as JSON in its header and no code."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch

from neurolens.errors import DataError
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Costs, HostRead, Op, Parent, TensorSpec
from neurolens.extract.graph.steps import number_steps
from neurolens.support.tensor_files import FileKind, explain_damage, read_tensors, write_tensors

TRACE = FileKind(
    "neurolens-trace-1", "trace", "write one with trace.save(path)", "Trace the model again."
)


class StoredTrace(NamedTuple):
    """The content of a file of a trace; ``costs`` are empty in older files, which lack them."""

    graph: Graph
    values: dict[str, tuple[torch.Tensor, ...]]
    model_name: str
    costs: Costs


def write_trace(path: Path, trace: StoredTrace) -> None:
    """Write a trace to one file, which replaces an existing one only once it is complete.

    Raises
    ------
    DataError
        When the file cannot be written, or a value cannot be stored (sparse, quantised, complex128
        or meta tensors).
    """
    tensors = {}
    for name, results in trace.values.items():
        for k, tensor in enumerate(results):
            tensors[f"{name}#{k}"] = _pack(name, tensor)
    header = {
        "model": trace.model_name,
        "graph": json.dumps(_describe_graph(trace.graph)),
        "costs": json.dumps(trace.costs),
    }
    write_tensors(path, TRACE, header, tensors)


def read_trace(path: Path) -> StoredTrace:
    """Return the content of a file of `write_trace`.

    Raises
    ------
    DataError
        When the file is missing, damaged, or not a trace.
    """
    with explain_damage(path, TRACE):
        header, tensors = read_tensors(path, TRACE)
        graph = _read_graph(json.loads(header["graph"]))
        costs = _read_costs(json.loads(header.get("costs", "{}")), graph)
        values = _group_values(tensors, graph)
    return StoredTrace(graph, values, str(header.get("model", "")), costs)


def _read_costs(described: dict[str, list], graph: Graph) -> Costs:
    costs = {}
    for op in graph:
        if op.name in described:
            n_parameters, flops = described[op.name]
            costs[op.name] = (n_parameters, flops)
    return costs


def _group_values(
    tensors: dict[str, torch.Tensor], graph: Graph
) -> dict[str, tuple[torch.Tensor, ...]]:
    """Return the results of each op whose values the file holds."""
    values = {}
    for op in graph:
        if f"{op.name}#0" in tensors:
            names = [f"{op.name}#{k}" for k in range(len(op.outputs))]
            values[op.name] = tuple(tensors[name] for name in names)
    return values


def _pack(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Return a value of the op ``name`` as its elements in memory, which is all a file holds."""
    plain = tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_meta
    if not plain or tensor.dtype == torch.complex128:
        raise DataError(
            f"the value of {name!r} cannot be stored: {tensor.layout}, {tensor.dtype}, on "
            f"{tensor.device}. Trace with ops= that leave it out.",
            anchor="cannot-write",
        )
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _describe_graph(graph: Graph) -> dict[str, Any]:
    described = dataclasses.asdict(graph)
    described["module_outputs"] = [
        [address, call, op] for (address, call), op in graph.module_outputs.items()
    ]
    described["other_outputs"] = [
        [address, call, described["other_outputs"][address, call]]
        for address, call in graph.other_outputs
    ]
    return described


def _read_graph(described: dict[str, Any]) -> Graph:
    ops = []
    for fields in described["ops"]:
        fields["parents"] = tuple(Parent(**p) for p in fields["parents"])
        fields["outputs"] = tuple(_read_spec(o) for o in fields["outputs"])
        ops.append(Op(**fields))
    other_outputs = {}
    for address, call, returned in described.get("other_outputs", []):
        other_outputs[address, call] = returned and Parent(**returned)
    return Graph(
        ops=number_steps(ops),
        inputs={name: _read_spec(spec) for name, spec in described["inputs"].items()},
        outputs=tuple(Parent(**p) for p in described["outputs"]),
        modules=described["modules"],
        module_outputs={(address, call): op for address, call, op in described["module_outputs"]},
        other_outputs=other_outputs,
        host_reads=tuple(HostRead(**r) for r in described["host_reads"]),
    )


def _read_spec(fields: dict[str, Any]) -> TensorSpec:
    return TensorSpec(**{**fields, "shape": tuple(fields["shape"])})
