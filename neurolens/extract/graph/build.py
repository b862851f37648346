"""Plain records made from the events of one recording."""

import math
from functools import cache
from operator import attrgetter

import numpy as np
import torch

from neurolens.extract.capture.events import Event, Recording, Value
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import HostRead, Op, Parent, TensorSpec
from neurolens.extract.graph.steps import number_steps


def assemble_graph(recording: Recording) -> Graph:
    """Return the graph of a recording: ops in execution order, with names in place of events.

    Records that are equal are made once.
    """
    names = recording.list_names()
    describe_tensor = cache(_describe_tensor)
    find_source = cache(attrgetter("source"))

    def assemble_op(index: int, event: Event) -> Op:
        site = event.site
        scope = event.scope
        call = event.call
        memory = event.outputs[0].memory
        alias = ""
        parents = []
        for value, position in event.parents:
            parents.append(name_parent(value, position, names))
            if memory and not alias and value.kind == "op" and value.memory == memory:
                alias = names[value.source]
        return Op(
            index,
            event.name,
            call.function,
            call.exact,
            describe_settings(event),
            event.composite,
            scope.address,
            scope.module_class,
            scope.call,
            site.base,
            event.pass_number,
            tuple(parents),
            tuple([describe_tensor(spec) for spec in event.specs]),
            alias,
            find_source(site),
            event.seconds,
        )

    inputs = {}
    for name, value in recording.inputs.items():
        if value.tensor is not None:
            tensor = value.tensor
            inputs[name] = describe_tensor((tensor.shape, tensor.dtype, tensor.device))
    module_outputs = {}
    other_outputs: dict[tuple[str, int], Parent | None] = {}
    for call, returned in recording.module_outputs.items():
        if returned is None:
            other_outputs[call] = None
        elif returned.kind == "op":
            module_outputs[call] = names[returned.source]
        else:
            other_outputs[call] = name_parent(returned, "0", names)
    return Graph(
        ops=number_steps([assemble_op(i, event) for i, event in enumerate(recording.events)]),
        inputs=inputs,
        outputs=tuple(
            [name_parent(value, position, names) for value, position in recording.outputs]
        ),
        modules=recording.modules,
        module_outputs=module_outputs,
        other_outputs=other_outputs,
        host_reads=tuple(
            HostRead(
                function,
                name_parent(value, "0", names).source,
                source,
                after,
                describe_read(result),
            )
            for function, value, source, after, result in recording.host_reads
        ),
    )


def _describe_tensor(spec: tuple[torch.Size, torch.dtype, torch.device]) -> TensorSpec:
    shape, dtype, device = spec
    sizes = tuple([int(s) for s in shape])
    return TensorSpec(
        sizes, str(dtype).removeprefix("torch."), str(device), math.prod(sizes) * dtype.itemsize
    )


def name_parent(value: Value, position: str, names: list[str]) -> Parent:
    """Return the record of a tensor argument, with the op's name in place of its index."""
    source = names[value.source] if value.kind == "op" else value.source
    return Parent(value.kind, source, value.output, position)


def describe_settings(event: Event) -> str:
    """Return the arguments other than tensors as text, with ``_`` for each tensor."""
    parts = ["_" if type(a) is Value else _describe_argument(a) for a in event.args]
    if event.kwargs:
        parts += [f"{name}={_describe_argument(a)}" for name, a in event.kwargs.items()]
    return ", ".join(parts)


def describe_read(result: object) -> str:
    """Return the value of a host read, shortened."""
    text = f"array {result.shape}" if hasattr(result, "shape") else repr(result)
    return text if len(text) <= 60 else text[:57] + "..."


def _describe_argument(arg: object) -> str:
    if isinstance(arg, Value):
        return "_"
    if isinstance(arg, (tuple, list)) and not isinstance(arg, torch.Size):
        text = ", ".join(_describe_argument(a) for a in arg)
        return f"[{text}]" if isinstance(arg, list) else f"({text})"
    if isinstance(arg, slice):
        return f"slice({', '.join(_describe_argument(a) for a in (arg.start, arg.stop, arg.step))})"
    if isinstance(
        arg, (bool, int, float, complex, str, bytes, np.generic, type(None), type(...), torch.Size)
    ):
        return repr(arg)
    if isinstance(arg, (torch.dtype, torch.device, torch.layout, torch.memory_format)):
        return str(arg)
    return type(arg).__name__
