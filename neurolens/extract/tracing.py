"""Trace: the graph of one pass together with its values."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from neurolens.errors import InputError, UnknownNameError
from neurolens.extract.capture.events import Recording
from neurolens.extract.capture.forward import record_forward, record_kernels, unwrap_model
from neurolens.extract.capture.restore import preserve_buffers
from neurolens.extract.graph.build import assemble_graph
from neurolens.extract.graph.files import Costs, read_trace, write_trace
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op
from neurolens.extract.graph.select import OpSelection, select_ops
from neurolens.extract.graph.table import build_table, count_costs


@dataclass(frozen=True, slots=True)
class TracedOp:
    """One op of a trace and what it computed.

    ``values`` holds all its results; ``value`` is the first (the only one, for most ops), as it was
    when the op returned, whatever was later written over it in place.
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
        Unrolled (``graph.ops``: every execution) and rolled (``graph.layers``: layers with their
        passes); put together when it is first asked for.
    model_name : str
        Class of the model.
    output
        What the model returned; None for a trace that was stopped early or read from a file.
    """

    def __init__(
        self,
        made: Graph | Recording,
        values: dict[str, tuple[torch.Tensor, ...]],
        output: Any,
        model_name: str,
        costs: Costs | None = None,
    ) -> None:
        self.output = output
        self.model_name = model_name
        self._made = made
        self._values = values
        self._read_costs = costs or {}

    @cached_property
    def graph(self) -> Graph:  # noqa: D102 - described with the class
        return self._made if isinstance(self._made, Graph) else assemble_graph(self._made)

    @cached_property
    def _costs(self) -> Costs:
        return self._read_costs if isinstance(self._made, Graph) else count_costs(self._made)

    def __getitem__(self, key: str | int) -> TracedOp:
        op = self.graph.find_op(key)
        if op.name not in self._values:
            raise UnknownNameError(
                f"the value of {op.name!r} was not kept; trace again with ops='all' or this name"
            )
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
            Indexed by op name, in execution order: function and exact call, composite, module and
            its call, layer and pass, parents with their positions, children, ``shape`` (batch axis
            included), dtype, device, ``n_bytes`` of all outputs, parameters and buffers used,
            ``alias_of``, shortest and longest path in ops from an input and to an output,
            ``seconds``, ``source`` line; ``n_parameters`` and ``flops`` (torch's formulas, counted
            here, and once by `save`), NA where unknown: ``flops`` of an op whose shape follows from
            values, and both in a file that was written before files held them.
        """
        return build_table(self.graph, self._costs)

    def save(self, path: str | Path) -> Path:
        """Write the trace to one file (usually ``.safetensors``): metadata as JSON, values as safetensors, no pickle.

        Raises
        ------
        DataError
            When the file cannot be written.
        """
        write_trace(Path(path), self.graph, self._values, self.model_name, self._costs)
        return Path(path)

    def gradients(self, loss: torch.Tensor) -> dict[str, torch.Tensor | None]:
        """Return the gradient of a loss at every op's first result, by op name.

        Parameters
        ----------
        loss : Tensor
            A scalar computed from ``output`` or from values of a trace made with ``grad=True``.

        Returns
        -------
        dict of Tensor or None
            Shaped as the ops' results; None where the loss does not depend on the op.

        Raises
        ------
        InputError
            When the trace was made without ``grad=True``, or the loss is not a scalar that needs
            gradients.
        """
        events = [] if isinstance(self._made, Graph) else self._made.events
        edges = {e.name: e.outputs[0].edge for e in events if e.outputs[0].edge is not None}
        if not edges:
            raise InputError("this trace holds no gradients; trace again with grad=True")
        if not isinstance(loss, torch.Tensor):
            raise InputError(
                f"loss must be a tensor computed from the trace, got {type(loss).__name__}. "
                "Pass e.g. trace.output.sum()."
            )
        if loss.numel() != 1 or not loss.requires_grad:
            raise InputError(
                f"loss must be one number that depends on the trace, got shape {tuple(loss.shape)}"
            )
        found = torch.autograd.grad(
            loss, list(edges.values()), retain_graph=True, allow_unused=True
        )
        return dict(zip(edges, found, strict=True))

    def summary(self) -> str:
        """Return a few lines on what ran: counts, memory, the commonest functions.

        Values that left torch.
        """
        ops = self.graph.ops
        n_bytes = sum(o.n_bytes for op in ops for o in op.outputs if not op.alias_of)
        common = Counter(op.function for op in ops).most_common(8)
        modules = {op.module for op in ops}
        repeated = sum(op.pass_number > 1 for op in ops)
        lines = [
            f"{self.model_name}: {len(ops)} ops in {len(modules)} modules, {n_bytes / 2**20:.1f} "
            f"MiB of results",
            "inputs   "
            + ", ".join(f"{k} {list(v.shape)} {v.dtype}" for k, v in self.graph.inputs.items()),
            "ops      " + ", ".join(f"{name} x{n}" for name, n in common),
            f"repeats  {repeated} ops are second or later executions of the same call",
        ]
        if self.graph.host_reads:
            lines.append(
                f"left torch {len(self.graph.host_reads)} times (item, bool, numpy ...): see "
                f".graph.host_reads"
            )
        return "\n".join(lines)


def load_trace(path: str | Path) -> Trace:
    """Read a trace written by ``trace.save(path)``; the file is data only and cannot run anything.

    Raises
    ------
    DataError
        When the file is missing, damaged, or not a trace.
    """
    graph, values, model_name, costs = read_trace(Path(path))
    return Trace(graph, values, None, model_name, costs)


def trace(
    model: nn.Module,
    inputs: Any,
    *,
    kwargs: dict | None = None,
    ops: OpSelection = "all",
    stop_after: str | None = None,
    grad: bool = False,
    level: str = "function",
) -> Trace:
    """Run a model once and record the result of every operation.

    The model runs as it is: in the mode (train or eval) it is in, unmodified. Its hooks and the
    random states (torch's, numpy's, Python's, and those of generators that its modules hold) are as
    before when this returns or raises. A PyTorch transformer layer runs op by op rather than
    through its fused path, whose result differs in the last bits. Compiled and data-parallel models
    are unwrapped and run eagerly.

    Parameters
    ----------
    model : Module
        Any eager PyTorch module.
    inputs : tensor, tuple or other
        A tuple is the positional arguments, anything else the single argument.
    kwargs : dict, optional
        Keyword arguments of the model's forward.
    ops : str, list or other
        Whose values to keep: ``"all"``, ``"modules"``, names, module addresses, glob patterns,
        ``re.compile(...)``, slices, or predicates over `Op` records. All ops are in the graph.
    stop_after : str, optional
        Op or module after which to end the pass.
    grad : bool
        Keep the values in the autograd graph, for losses on ``trace[...].value`` and for
        ``trace.gradients(loss)``.
    level : str
        ``"function"``: the torch calls that Python makes. ``"aten"``: the kernels below, each named
        after the function that ran it (its ``composite``).

    Returns
    -------
    Trace

    Raises
    ------
    InputError
        When the model is not an eager nn.Module, or the level is unknown.
    RecordingError
        When the model raises; the message says while recording which op.
    UnknownNameError
        When ``ops`` or ``stop_after`` names none of the model's ops.

    Notes
    -----
    Costs some microseconds per op over a plain pass, and the memory of the values kept. With
    ``ops`` other than ``"all"``, or ``stop_after``, the model runs twice: the names are known only
    after a first pass.

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
    if level not in ("function", "aten"):
        raise InputError(f"level must be 'function' or 'aten', got {level!r}")
    if level == "aten" and (grad or stop_after):
        raise InputError(
            "level='aten' records whole passes without gradients; leave out grad= and stop_after="
        )
    model = unwrap_model(model)
    keep: Callable[[str], bool] = lambda name: True  # noqa: E731
    if ops != "all" or stop_after is not None:
        # For the names alone, putting back what the pass changes.
        with preserve_buffers(model):
            if level == "aten":
                first = record_kernels(model, inputs, kwargs, keep=None)
            else:
                first = record_forward(model, inputs, kwargs, keep=lambda name: False)
        graph = assemble_graph(first)
        if ops != "all":
            keep = set(select_ops(graph, ops)).__contains__
        if stop_after is not None:
            stop_after = graph.find_op(stop_after).name
    if level == "aten":
        recording = record_kernels(model, inputs, kwargs, keep=keep)
    else:
        recording = record_forward(
            model, inputs, kwargs, keep=keep, stop_after=stop_after, gradients=grad
        )
    values = {
        event.name: tuple([v.tensor for v in event.outputs])
        for event in recording.events
        if event.outputs[0].tensor is not None
    }
    return Trace(recording, values, recording.result, type(model).__name__)  # type: ignore[arg-type]
