"""Activation maps in the document: how strongly each place of an op responds to a stimulus."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurolens.errors import InputError, LabelError, UnknownNameError
from neurolens.extract.graph.graph import Graph
from neurolens.extract.graph.ops import Op
from neurolens.labels import list_names
from neurolens.view.page.document.budget import ACTIVATION_CHARACTERS
from neurolens.view.page.document.numbers import encode_bytes

# Sides of maps, the first that fits.
SIDES = (14, 10, 7, 5)
MOST_STIMULI = 6
# Of a map's proportions, by strides that do not divide a picture's sides.
MOST_DISTORTION = 0.2
# Ops whose output (stimulus, channel, row, column) has rows and columns by what they do.
SPATIAL = frozenset({
    "conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "lp_pool2d", "adaptive_avg_pool2d",
    "adaptive_max_pool2d", "fractional_max_pool2d", "interpolate", "pixel_shuffle",
})  # fmt: skip
# Ops that leave every value in its row and column.
KEEPING = frozenset({
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu", "gelu", "silu", "mish",
    "sigmoid", "hardsigmoid", "hardswish", "hardtanh", "tanh", "softplus", "threshold", "clamp",
    "dropout", "feature_dropout", "add", "sub", "mul", "div", "neg", "abs", "exp", "maximum",
    "minimum", "cat", "chunk", "split", "contiguous", "clone", "batch_norm", "group_norm",
    "instance_norm", "local_response_norm",
})  # fmt: skip
# Four characters of base64 hold three bytes.
BYTES = 3 * ACTIVATION_CHARACTERS // 4


def describe_activations(
    activations: Any, graph: Graph, ids: Sequence[str], *, hidden: bool = False
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the mean absolute activation over channels of some stimuli, and what is left out.

    Parameters
    ----------
    activations : (trace, ids of its stimuli) or None
        ``trace[op].value`` (stimulus, channel, row, column) holds the values of an op. The trace is
        of the same model. Only ops as `find_maps` has them are shown, of the first six stimuli.
    graph : Graph
        Of the page.
    ids : sequence of str
        Those of the page's stimuli.
    hidden : bool
        Whether these are too many for the file, so that none can be chosen.

    Raises
    ------
    InputError
        For anything else.
    LabelError
        When the page has no such stimuli, or there are not as many ids as stimuli in the trace.
    """
    if activations is None:
        return None, []
    if hidden:
        why = "its stimuli cannot be shown to choose one"
        return None, [f"Activation maps are not in this file: {why}."]
    trace, names = read_activations(activations)
    check_model(trace.graph, graph)
    positions = {name: i for i, name in enumerate(ids)}
    strange = [name for name in names if name not in positions]
    if strange:
        raise LabelError(
            f"activations must be of stimuli of the page, but it has no {list_names(strange)}. "
            "Pass the StimulusSet as stimuli=..., and ids of its stimuli.",
            anchor="ids-differ",
        )
    shown = names[:MOST_STIMULI]
    maps = _list_maps(trace, graph, len(names), len(shown))
    if not maps:
        return None, [
            "There are no activation maps: of no op it is sure that it has rows and columns."
        ]
    side = _choose_side(maps)
    if side is None:
        return None, ["Activation maps are not in this file: they would make it too large."]
    small = {op: shrink_maps(values, side) for op, values in maps.items()}
    blocks = [_scale(values).ravel() for values in small.values()]
    return {
        "ops": list(small),
        "stimuli": [positions[name] for name in shown],
        "side": [list(values.shape[1:]) for values in small.values()],
        "data": encode_bytes(np.concatenate(blocks)),
        "caption": "Mean absolute activation over channels, the second axis; the last two are rows "
        "and columns, averaged over blocks. The full color is the largest of that operation over "
        "these stimuli. Only convolution, pooling, and what keeps their rows and columns have "
        "maps; others, as attention, are left out.",
    }, []


def _list_maps(trace: Any, graph: Graph, n: int, n_shown: int) -> dict[int, np.ndarray]:
    """Return the maps (stimulus, row, column) of ops whose values are of ``n`` stimuli."""
    maps = {}
    sizes = set()
    for op in find_maps(graph):
        value = _find_value(trace, op.name)
        if value is None:
            continue
        sizes.add(value.shape[0])
        if value.shape[0] == n:
            values = value[:n_shown].detach().float().cpu().numpy()
            maps[op.index] = np.abs(values).mean(axis=1)
    if sizes and not maps:
        raise LabelError(
            f"activations came with {n} ids in the order of the batch, but the trace is of "
            f"{list_names(sorted(sizes))} stimuli. Pass one id for each."
        )
    return maps


def read_activations(activations: Any) -> tuple[Any, list[str]]:
    """Return the trace and the ids that were passed."""
    is_pair = isinstance(activations, tuple) and len(activations) == 2
    if not is_pair or isinstance(activations[1], str) or not hasattr(activations[0], "graph"):
        raise InputError(
            "activations must be a trace and the ids of its stimuli, in the order of its batch, "
            f"got {type(activations).__name__}. Write activations=(trace(model, "
            "stimuli.read_rows(range(6))), stimuli.ids[:6])."
        )
    trace, ids = activations
    return trace, [str(one) for one in ids]


def shrink_maps(maps: np.ndarray, side: int) -> np.ndarray:
    """Return ``maps`` (stimulus, row, column) averaged over at most ``side`` blocks a side."""
    for axis in (1, 2):
        length = maps.shape[axis]
        n_blocks = min(side, length)
        edges = np.arange(n_blocks) * length // n_blocks
        sizes = np.diff(np.append(edges, length))
        shape = [1, 1, 1]
        shape[axis] = n_blocks
        maps = np.add.reduceat(maps, edges, axis=axis) / sizes.reshape(shape)
    return maps


def check_model(traced: Graph, graph: Graph) -> None:
    """Raise LabelError unless ``traced`` has the ops of ``graph``, with as many channels."""
    theirs = {op.name: op.shape[1:2] for op in traced}
    strange = [op.name for op in graph if op.name not in theirs]
    shared = [op for op in find_maps(graph) if op.name in theirs]
    strange += [op.name for op in shared if op.shape[1:2] != theirs[op.name]]
    if strange:
        raise LabelError(
            f"activations must be of the model of the page, but their trace has no "
            f"{list_names(strange)} as here. Trace the same model: activations=(trace(model, "
            "stimuli.read_rows(range(6))), stimuli.ids[:6]).",
            anchor="scores-of-another-network",
        )


def find_maps(graph: Graph) -> list[Op]:
    """Return the ops whose output is for sure (stimulus, channel, row, column), in order.

    They are convolution and pooling, and pointwise ops of these. Square matrices of attention and
    outputs with channels last can have the same shape, and are not among them. Where the model saw
    pictures, a map has their proportions.
    """
    pictures = [spec.shape[2:] for spec in graph.inputs.values() if len(spec.shape) == 4]
    maps: dict[str, Op] = {}
    for op in graph:
        if len(op.shape) != 4 or 0 in op.shape or not _is_alike(op.shape[2:], pictures):
            continue
        if op.function in SPATIAL or (op.function in KEEPING and _keeps_maps(op, graph, maps)):
            maps[op.name] = op
    return list(maps.values())


def _keeps_maps(op: Op, graph: Graph, maps: Mapping[str, Op]) -> bool:
    """Return whether all that a pointwise op reads are maps of its size, or the same everywhere."""
    sizes = set()
    for name in op.parent_ops:
        shape = graph.by_name[name].shape
        if len(shape) < 2 or set(shape[-2:]) == {1}:
            continue
        if name not in maps:
            return False
        sizes.add(shape[2:])
    return sizes == {op.shape[2:]}


def _is_alike(sides: tuple[int, ...], pictures: Sequence[tuple[int, ...]]) -> bool:
    """Return whether a map has the proportions of one of the pictures, if there are any."""
    height, width = sides
    turned = [height * columns / (width * rows) for rows, columns in pictures if rows and columns]
    return not pictures or any(abs(ratio - 1) <= MOST_DISTORTION for ratio in turned)


def _find_value(trace: Any, name: str) -> Any:
    """Return the value of an op (stimulus, channel, row, column), None where there is none."""
    try:
        value = trace[name].value
    except UnknownNameError:
        return None
    return value if value.ndim == 4 else None


def _choose_side(maps: dict[int, np.ndarray]) -> int | None:
    """Return the largest side with which all maps fit."""
    for side in SIDES:
        total = 0
        for values in maps.values():
            n, height, width = values.shape
            total += n * min(side, height) * min(side, width)
        if total <= BYTES:
            return side
    return None


def _scale(maps: np.ndarray) -> np.ndarray:
    """Return maps from 0 to 255, the largest of all stimuli being 255."""
    largest = np.nanmax(maps, initial=0.0)
    scaled = maps / largest if 0 < largest < np.inf else np.zeros_like(maps)
    return np.rint(255 * np.nan_to_num(scaled, posinf=0.0).clip(0, 1)).astype(np.uint8)
