"""From the events of one recording to plain records."""

import math

import torch

from neurolens.extract.graph import Graph, HostRead, Op, Parent, TensorSpec
from neurolens.extract.records import Event, Recording, Value
from neurolens.extract.sites import Site


def assemble_graph(recording: Recording) -> Graph:
    """Return the graph of a recording: ops in execution order, with names in place of events."""
    names = [event.name for event in recording.events]
    sources: dict[Site, str] = {}
    return Graph(
        ops=tuple(_assemble_op(i, event, names, sources) for i, event in enumerate(recording.events)),
        inputs={
            name: describe_tensor(value.tensor.shape, value.tensor.dtype, value.tensor.device)
            for name, value in recording.inputs.items()
            if value.tensor is not None
        },
        outputs=tuple(name_parent(value, position, names) for value, position in recording.outputs),
        modules=recording.modules,
        module_outputs={
            key: names[value.source] for key, value in recording.module_outputs.items() if value.kind == "op"
        },
        host_reads=tuple(
            HostRead(function, name_parent(value, "0", names).source, source, after, describe_read(result))
            for function, value, source, after, result in recording.host_reads
        ),
    )


def name_parent(value: Value, position: str, names: list[str]) -> Parent:
    """Return the record of a tensor argument, with the op's name in place of its index."""
    source = names[value.source] if value.kind == "op" else value.source
    return Parent(value.kind, source, value.output, position)


def describe_tensor(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> TensorSpec:
    """Return the plain record of a tensor's shape, dtype, device and size in bytes."""
    sizes = tuple(int(s) for s in shape)
    return TensorSpec(sizes, str(dtype).removeprefix("torch."), str(device), math.prod(sizes) * dtype.itemsize)


def describe_settings(event: Event) -> str:
    """Return the arguments other than tensors as text, with ``_`` for each tensor."""
    parts = [_describe_argument(a) for a in event.args]
    parts += [f"{name}={_describe_argument(a)}" for name, a in event.kwargs.items()]
    return ", ".join(parts)


def describe_read(result: object) -> str:
    """Return what a host read gave, shortened."""
    text = f"array {result.shape}" if hasattr(result, "shape") else repr(result)
    return text if len(text) <= 60 else text[:57] + "..."


def _describe_argument(arg: object) -> str:
    if isinstance(arg, Value):
        return "_"
    if isinstance(arg, (tuple, list)) and not isinstance(arg, torch.Size):
        text = ", ".join(_describe_argument(a) for a in arg)
        return f"[{text}]" if isinstance(arg, list) else f"({text})"
    if isinstance(arg, (bool, int, float, complex, str, bytes, slice, type(None), type(...), torch.Size)):
        return repr(arg)
    if isinstance(arg, (torch.dtype, torch.device, torch.layout, torch.memory_format)):
        return str(arg)
    return type(arg).__name__


def _assemble_op(index: int, event: Event, names: list[str], sources: dict[Site, str]) -> Op:
    if event.site not in sources:
        sources[event.site] = event.site.source
    storage = event.outputs[0].storage
    alias = next((v for v, _ in event.parents if storage and v.kind == "op" and v.storage == storage), None)
    return Op(
        index=index,
        name=event.name,
        function=event.call.function,
        call=event.call.exact,
        settings=describe_settings(event),
        composite=event.composite,
        module=event.scope.address,
        module_class=event.scope.module_class,
        module_call=event.scope.call,
        site=event.site.base,
        pass_number=event.pass_number,
        parents=tuple(name_parent(v, position, names) for v, position in event.parents),
        outputs=tuple(describe_tensor(*spec) for spec in event.specs),
        alias_of="" if alias is None else names[alias.source],
        source=sources[event.site],
        seconds=event.seconds,
    )
