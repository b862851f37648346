"""Trace: the graph of one pass together with its values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import nn

from neurolens.errors import UnknownNameError
from neurolens.extract.assemble import assemble_graph
from neurolens.extract.forward import record_forward
from neurolens.extract.graph import Graph, Op


@dataclass(frozen=True, slots=True)
class TracedOp:
    """One op of a trace and what it computed.

    ``values`` holds all its results; ``value`` is the first (the only one, for most ops), as it was when
    the op returned, whatever was later written over it in place.
    """

    op: Op
    values: tuple[torch.Tensor, ...]

    @property
    def value(self) -> torch.Tensor:
        """The first result."""
        return self.values[0]

    @property
    def name(self) -> str:
        """The op's name."""
        return self.op.name

    def __repr__(self) -> str:
        shapes = ", ".join("x".join(map(str, o.shape)) or "scalar" for o in self.op.outputs)
        return f"<{self.op.name}: {self.op.call} -> {shapes}>"


class Trace:
    """Every op of one forward pass, by name.

    Attributes
    ----------
    graph : Graph
    model_name : str
        Class of the model.
    output
        What the model returned.
    """

    def __init__(self, graph: Graph, values: dict[str, tuple[torch.Tensor, ...]], output: Any, model_name: str) -> None:
        self.graph = graph
        self.output = output
        self.model_name = model_name
        self._values = values

    def __getitem__(self, key: str | int) -> TracedOp:
        op = self.graph.find_op(key)
        if op.name not in self._values:
            raise UnknownNameError(f"the value of {op.name!r} was not kept; trace again with ops='all' or this name")
        return TracedOp(op, self._values[op.name])

    def __len__(self) -> int:
        return len(self.graph)

    def __iter__(self) -> Iterator[TracedOp]:
        return (TracedOp(op, self._values[op.name]) for op in self.graph if op.name in self._values)

    def __repr__(self) -> str:
        return f"<Trace of {self.model_name}: {len(self)} ops; see .summary(), .table(), trace[name].value>"

    def table(self) -> pd.DataFrame:
        """Return one row per op with everything known about it.

        Returns
        -------
        DataFrame
            Indexed by op name, in execution order; ``shape`` includes the batch axis, ``n_bytes`` is the memory of
            all outputs.
        """
        children = self.graph.children
        rows = [
            {
                "op": op.name,
                "function": op.function,
                "call": op.call,
                "composite": op.composite,
                "module": op.module,
                "module_class": op.module_class,
                "module_call": op.module_call,
                "pass": op.pass_number,
                "shape": op.shape,
                "dtype": op.outputs[0].dtype,
                "device": op.outputs[0].device,
                "n_outputs": len(op.outputs),
                "n_bytes": sum(o.n_bytes for o in op.outputs),
                "parents": op.parent_ops,
                "children": children[op.name],
                "parameters": tuple(p.source for p in op.parents if p.kind == "parameter"),
                "alias_of": op.alias_of,
                "source": op.source,
            }
            for op in self.graph
        ]
        return pd.DataFrame(rows).set_index("op") if rows else pd.DataFrame(rows)

    def summary(self) -> str:
        """Return a few lines on what ran: counts, memory, the commonest functions, values that left torch."""
        ops = self.graph.ops
        n_bytes = sum(o.n_bytes for op in ops for o in op.outputs if not op.alias_of)
        counts: dict[str, int] = {}
        for op in ops:
            counts[op.function] = counts.get(op.function, 0) + 1
        common = sorted(counts.items(), key=lambda item: -item[1])[:8]
        modules = {op.module for op in ops}
        repeated = sum(op.pass_number > 1 for op in ops)
        lines = [
            f"{self.model_name}: {len(ops)} ops in {len(modules)} modules, {n_bytes / 2**20:.1f} MiB of results",
            "inputs   " + ", ".join(f"{k} {list(v.shape)} {v.dtype}" for k, v in self.graph.inputs.items()),
            "ops      " + ", ".join(f"{name} x{n}" for name, n in common),
            f"repeats  {repeated} ops are second or later executions of the same call",
        ]
        if self.graph.host_reads:
            lines.append(
                f"left torch {len(self.graph.host_reads)} times (item, bool, numpy ...): see .graph.host_reads"
            )
        return "\n".join(lines)


def trace(model: nn.Module, inputs: Any, *, kwargs: dict | None = None, ops: str | list[str] = "all") -> Trace:
    """Run a model once and record the result of every operation.

    The model runs as it is: in the mode (train or eval) it is in, without gradients, unmodified. Its hooks and
    the random state are as before when this returns or raises. A PyTorch transformer layer runs op by op
    rather than through its fused path, whose result differs in the last bits.

    Parameters
    ----------
    model : Module
        Any eager PyTorch module.
    inputs : tensor, tuple or other
        A tuple is the positional arguments, anything else the single argument.
    kwargs : dict, optional
        Keyword arguments of the model's forward.
    ops : str or list of str
        Whose values to keep: ``"all"``, names, module addresses or glob patterns. All ops are in the graph.

    Returns
    -------
    Trace

    Raises
    ------
    InputError
        When the model is not an eager nn.Module.
    RecordingError
        When the model raises; the message says while recording which op.
    UnknownNameError
        When ``ops`` names none of the model's ops.

    Notes
    -----
    Costs some microseconds per op over a plain pass, and the memory of the values kept. With ``ops`` other than
    ``"all"`` the model runs twice: the names are known only after a first pass.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    >>> t = trace(net, torch.ones(2, 4))
    >>> [op.name for op in t.graph]
    ['0/linear', '1/relu']
    >>> t["1"].value.shape
    torch.Size([2, 3])
    """
    if ops == "all":
        recording = record_forward(model, inputs, kwargs)
    else:
        graph = assemble_graph(record_forward(model, inputs, kwargs, keep=lambda name: False))
        wanted = set(graph.select_names(ops))
        recording = record_forward(model, inputs, kwargs, keep=wanted.__contains__)
    graph = assemble_graph(recording)
    values = {
        event.name: tuple(v.tensor for v in event.outputs)
        for event in recording.events
        if event.outputs[0].tensor is not None
    }
    return Trace(graph, values, recording.result, type(model).__name__)  # type: ignore[arg-type]
