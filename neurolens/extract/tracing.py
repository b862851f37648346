"""Trace: the graph of one pass together with its values."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from neurolens.errors import InputError, UnknownNameError
from neurolens.extract.capture.calls.attention import FUSED, use_attention
from neurolens.extract.capture.events import Recording
from neurolens.extract.capture.forward import (
    ModelCall,
    prepare_call,
    record_forward,
    record_kernels,
    run_with_needed,
)
from neurolens.extract.capture.recorder import detach_values
from neurolens.extract.graph.build import assemble_graph
from neurolens.extract.graph.files import StoredTrace, read_trace, write_trace
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Costs, Op
from neurolens.extract.graph.select import OpSelection, select_ops
from neurolens.extract.graph.summaries import summarize_graph, write_graph
from neurolens.extract.graph.table import build_table
from neurolens.extract.sources import RecordedSource, StoredSource, TraceSource


@dataclass(frozen=True, slots=True)
class TracedOp:
    """One op of a trace and its results.

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
        self, source: TraceSource, values: dict[str, tuple[torch.Tensor, ...]], model_name: str
    ) -> None:
        self.output = source.output
        self.model_name = model_name
        self._source = source
        self._values = values

    @cached_property
    def graph(self) -> Graph:  # noqa: D102 - described with the class
        return self._source.build_graph()

    @cached_property
    def _costs(self) -> Costs:
        return self._source.count_costs()

    def __getitem__(self, key: str | int) -> TracedOp:
        op = self.graph.find_op(key)
        if op.name not in self._values:
            raise UnknownNameError(
                f"the value of {op.name!r} was not kept; trace again with ops='all' or this name",
                anchor="unknown-op",
            )
        return TracedOp(op, self._values[op.name])

    def __len__(self) -> int:
        return len(self.graph)

    def __iter__(self) -> Iterator[TracedOp]:
        return (TracedOp(op, self._values[op.name]) for op in self.graph if op.name in self._values)

    def __repr__(self) -> str:
        hints = ".summary(), .table(), trace[name].value"
        return f"<Trace of {self.model_name}: {len(self)} ops; see {hints}>"

    def _repr_html_(self) -> str:
        n_kept = len(self._values)
        facts = {
            "values": "of all ops" if n_kept == len(self) else f"of {n_kept:,} ops",
            "see": ".table(), trace[name].value, .save(path), draw_graph(trace)",
        }
        return write_graph(f"Trace of {self.model_name}: {len(self):,} ops", self.graph, facts)

    def table(self) -> pd.DataFrame:
        """Return one row per op with everything known about it.

        Returns
        -------
        DataFrame
            Indexed by op name, in execution order: function and exact call, composite, module and
            its call, layer and pass, ``time_step`` (the step, from 1, of the loop that it belongs
            to; NA outside of loops), parents with their positions, children, ``shape`` (batch axis
            included), dtype, device, ``n_bytes`` of all outputs, parameters and buffers used,
            ``alias_of``, shortest and longest path in ops from an input and to an output,
            ``seconds``, ``source`` line; ``n_parameters`` and ``flops`` (torch's formulas, counted
            here, and once by `save`), NA where unknown: ``flops`` of an op whose shape follows from
            values, and both in a file that was written before files held them.
        """
        return build_table(self.graph, self._costs)

    def count_costs(self) -> Costs:
        """Return by op name the number of its parameters and its floating-point operations.

        Both are those of `table`; None is unknown, and a name that is missing has neither.
        """
        return self._costs

    def save(self, path: str | Path) -> Path:
        """Write the trace to one file (usually ``.safetensors``).

        Metadata are JSON, values safetensors; there is no pickle.

        Raises
        ------
        DataError
            When the file cannot be written.
        """
        content = StoredTrace(self.graph, self._values, self.model_name, self._costs)
        write_trace(Path(path), content)
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
        edges = self._source.find_gradient_edges()
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
        """Return a few lines: counts, memory, the commonest functions, values that left torch."""
        return summarize_graph(self.model_name, self.graph)


def load_trace(path: str | Path) -> Trace:
    """Read a trace written by ``trace.save(path)``; the file holds data only and no code.

    Raises
    ------
    DataError
        When the file is missing, damaged, or not a trace.
    """
    stored = read_trace(Path(path))
    return Trace(StoredSource(stored), stored.values, stored.model_name)


def trace(
    model: nn.Module,
    inputs: Any,
    *,
    kwargs: dict | None = None,
    ops: OpSelection = "all",
    stop_after: str | None = None,
    grad: bool = False,
    level: str = "function",
    attention: str = FUSED,
) -> Trace:
    """Run a model once and record the result of every operation.

    The model runs as it is: in the mode (train or eval) it is in, unmodified. When this returns or
    raises, its hooks, its buffers, the plain attributes of its modules (hidden states, counters)
    and the random states (torch's, numpy's, Python's, and those of generators that its modules
    hold) are as before; the inputs are as before too, since the model runs on copies of their
    tensors. Lazy modules get their sizes and weights first, as in a plain call. A PyTorch
    transformer layer runs op by op rather than through its fused path, whose result differs in the
    last bits. Compiled and data-parallel models are unwrapped and run eagerly. A model that
    differentiates in its forward (energy models, predictive coding) runs with gradients.

    Parameters
    ----------
    model : Module or LoadedModel
        Any eager PyTorch module.
    inputs : tensor, tuple or other
        A tuple is the positional arguments, anything else the single argument.
    kwargs : dict, optional
        Keyword arguments of the model's forward.
    ops : str, list or other
        Whose values to keep: ``"all"``, ``"modules"``, names, module addresses (a module's output
        in every call; ``"V1@2"``, ``"V1@last"``, ``"V1@1:3"``: in some), glob patterns,
        ``re.compile(...)``, slices, or predicates over `Op` records. All ops are in the graph.
    stop_after : str, optional
        Op or module after which to end the pass: after the first call of a module, unless another
        is named, as ``"V1@last"``.
    grad : bool
        Keep the values in the autograd graph, for losses on ``trace[...].value`` and for
        ``trace.gradients(loss)``.
    level : str
        ``"function"``: the torch calls that Python makes. ``"aten"``: the kernels below, each named
        after the function that ran it (its ``composite``).
    attention : str
        ``"fused"``: ``scaled_dot_product_attention`` is one op, as PyTorch runs it. ``"open"``: it
        runs as the ops that it stands for (scores, scale, mask, softmax, weighted sum), which equal
        it up to rounding.

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
    after a first pass. With ``stop_after``, a model that has users' hooks before and after modules,
    which may belong together, runs to its end all the same. Threads that run one model take turns.
    Random numbers that another thread draws from torch meanwhile do not come again unless the
    model draws too; those from numpy's and Python's global generators do.

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
    with use_attention(attention):
        call = prepare_call(model, inputs, kwargs)
        record = partial(_record, ops=ops, stop_after=stop_after, grad=grad, level=level)
        recording = run_with_needed(record, call)
    return Trace(RecordedSource(recording), _collect_values(recording), type(call.model).__name__)


def _record(
    call: ModelCall, ops: OpSelection, stop_after: str | None, grad: bool, level: str
) -> Recording:
    """Record the pass of a trace, whose values are outside of autograd without ``grad``."""
    names: set[str] | None = None
    if ops != "all" or stop_after is not None:
        graph = _list_ops(call, level)
        names = set(select_ops(graph, ops))
        if stop_after is not None:
            stop_after = graph.find_op(stop_after).name
    copied = call.copy_inputs()
    settings: dict[str, Any] = {} if names is None else {"keep": names.__contains__}
    if level == "aten":
        recording = record_kernels(copied, **settings)
    else:
        recording = record_forward(copied, **settings, stop_after=stop_after, gradients=grad)
    if call.gradients and not grad:
        detach_values(recording)
    return recording


def _list_ops(call: ModelCall, level: str) -> Graph:
    """Return the graph of a pass that keeps no values."""
    if level == "aten":
        recording = record_kernels(call.copy_inputs(), keep=None)
    else:
        recording = record_forward(call.copy_inputs(), keep=lambda name: False)
    return assemble_graph(recording)


def _collect_values(recording: Recording) -> dict[str, tuple[torch.Tensor, ...]]:
    """Return the kept results of each op."""
    values = {}
    for event in recording.events:
        results = [value.tensor for value in event.outputs if value.tensor is not None]
        if len(results) == len(event.outputs):
            values[event.name] = tuple(results)
    return values
