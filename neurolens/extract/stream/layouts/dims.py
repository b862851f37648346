"""Names of the axes of results, followed from op to op.

They are followed through reshapes, permutations, products and indexing.
"""

import itertools
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

from neurolens.extract.capture.events import Event, Value
from neurolens.extract.graph.ops import Op
from neurolens.extract.stream.layouts.axes import (
    BY_NDIM,
    NAMES,
    POSITIONS,
    UNKNOWN,
    Axes,
    Axis,
    Factor,
    StimulusAxis,
    measure_axes,
    measure_axis,
    merge_factors,
    merge_names,
    pair_names,
)
from neurolens.labels import STIMULUS

_SPATIAL = frozenset(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d max_pool1d max_pool2d "
    "max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d adaptive_max_pool2d batch_norm instance_norm group_norm interpolate "
    "upsample_nearest2d upsample_bilinear2d".split()
)
_RESHAPING = frozenset(
    "reshape view flatten unflatten squeeze unsqueeze reshape_as view_as".split()
)
_PERMUTING = frozenset(
    "permute transpose swapaxes swapdims movedim moveaxis t T mT H mH adjoint".split()
)
_REDUCING = frozenset(
    "mean sum prod amax amin max min std var logsumexp median argmax argmin any all nanmean nansum "
    "var_mean std_mean norm linalg_vector_norm select unbind".split()
)
_MULTIPLYING = frozenset("matmul bmm scaled_dot_product_attention einsum".split())
# Besides broadcasting, only these change the size of an axis and keep its meaning.
RESIZING = frozenset(
    "cat concat pad chunk split tensor_split narrow index_select getitem take_along_dim gather "
    "repeat tile topk repeat_interleave cumsum diff".split()
)
_RECURRENT = frozenset("lstm gru rnn_tanh rnn_relu".split())
_LAYERS = _RECURRENT | {"linear", "embedding"}
# The result of these may have the shape of a parent and other axes.
_MIXING = frozenset(
    "tensordot cdist as_strided unfold fold kron outer chain_matmul multi_dot inner".split()
)
_SPATIAL_BY_NDIM = {
    2: ("channel", "x"),
    3: ("channel", "y", "x"),
    4: ("channel", "frame", "y", "x"),
}


def follow_axes(
    op: Op,
    event: Event,
    parents: Sequence[Axes | None],
    shape: Sequence[int],
    stimuli: StimulusAxis,
) -> Axes | None:
    """Return the axes of a result, or None where they cannot be determined.

    Parameters
    ----------
    parents : sequence of Axes or None
        Of each of the op's tensor arguments.
    stimuli : StimulusAxis
    """
    axes = follow_arguments(op, event, parents, shape, stimuli)
    if axes is not None:
        return axes
    known = [axes for axes in parents if axes is not None]
    n_dims = len(shape) - 1
    if stimuli.group > 1 or n_dims not in BY_NDIM or not known:
        return None
    factors = itertools.chain.from_iterable(itertools.chain.from_iterable(known))
    if not {name for name, _ in factors} <= {STIMULUS, "token", "feature"}:
        return None
    names = [*BY_NDIM[n_dims]]
    names.insert(stimuli.axis, STIMULUS)
    return pair_names(names, shape)


def follow_arguments(
    op: Op,
    event: Event,
    parents: Sequence[Axes | None],
    shape: Sequence[int],
    stimuli: StimulusAxis,
) -> Axes | None:
    """Return the axes that what an op does leaves of its arguments', or None.

    They are not looked for in the shape alone; see `follow_axes`.
    """
    by_argument = {}
    for parent, axes in zip(op.parents, parents, strict=True):
        if axes is not None:
            by_argument[parent.position] = axes
    followed = _follow(op, event, by_argument, tuple(shape), stimuli)
    return followed if followed and _fits_values(followed, shape, stimuli) else None


def _fits_values(axes: Axes, shape: Sequence[int], stimuli: StimulusAxis) -> bool:
    """Return whether axes agree with the sizes of a result, and with its stimuli where known."""
    if measure_axes(axes) != list(shape):
        return False
    shared = axes[stimuli.axis]
    names = [name for name, _ in shared]
    end = names[:1] if stimuli.major else names[-1:]
    n_stimulus_factors = sum(name == STIMULUS for axis in axes for name, _ in axis)
    n_entries = stimuli.group * dict(shared).get(STIMULUS, 0)
    return n_entries == shape[stimuli.axis] and end == [STIMULUS] and n_stimulus_factors == 1


def _follow(
    op: Op,
    event: Event,
    by_argument: dict[str, Axes],
    shape: tuple[int, ...],
    stimuli: StimulusAxis,
) -> Axes | None:
    function = op.function
    first = next(iter(by_argument.values()), None)
    if function in _SPATIAL:
        return _follow_spatial(op, first, shape, stimuli)
    if first is None or function in _MIXING:
        return None
    if function in _RESHAPING:
        return _regroup(first, shape) or _regroup(tuple(map(merge_factors, first)), shape)
    if function in _PERMUTING:
        return _permute(function, first, event)
    if function == "einsum":
        return _follow_einsum(event, by_argument, shape)
    if function in _MULTIPLYING:
        return _follow_product(function, by_argument, shape)
    if function in _LAYERS:
        return _follow_layer(function, by_argument, shape, stimuli)
    if function == "getitem":
        return _index(first, event.args[1], shape)
    if function in _REDUCING and len(first) > len(shape):
        return _reduce(function, first, event)
    return _match(by_argument.values(), shape, resize=function in RESIZING | _REDUCING)


def _follow_spatial(
    op: Op, before: Axes | None, shape: tuple[int, ...], stimuli: StimulusAxis
) -> Axes | None:
    """Return the axes of convolutions and poolings: (stimulus, channel, ...) by their number."""
    of_input = any(parent.kind == "input" for parent in op.parents)
    is_conv = "conv" in op.function
    if before is not None and not of_input and not is_conv and len(before) == len(shape):
        return _match([before], shape, resize=True)
    n_dims = len(shape) - 1
    names = _SPATIAL_BY_NDIM.get(n_dims, BY_NDIM.get(n_dims))
    if names is None:
        return None
    if before:
        if is_conv and len(before) == len(shape) and names[0] == "channel":
            names = ("channel", *_name_positions(before[2:], names[1:]))
        return before[0], *pair_names(names, shape[1:])
    if stimuli == StimulusAxis(axis=0, group=1, major=True):
        return (Factor(STIMULUS, shape[0]),), *pair_names(names, shape[1:])
    return None


def _follow_layer(
    function: str, by_argument: dict[str, Axes], shape: tuple[int, ...], stimuli: StimulusAxis
) -> Axes | None:
    """Return the axes of the results of layers that make new features."""
    first = next(iter(by_argument.values()))
    if function in _RECURRENT:
        return _follow_recurrent(by_argument, shape, stimuli)
    if function == "embedding":
        return *first, (Factor("feature", shape[-1]),)
    name = "channel" if merge_names(first[-1]) == "channel" else "feature"
    return *first[:-1], (Factor(name, shape[-1]),)


def _follow_recurrent(
    by_argument: dict[str, Axes], shape: tuple[int, ...], stimuli: StimulusAxis
) -> Axes | None:
    """Return the axes of a recurrent layer's outputs, or of its last states (layer, ...)."""
    before = _pick(by_argument, ("0", "input"))
    feature = (Factor("feature", shape[-1]),)
    if before is not None and measure_axes(before)[:-1] == list(shape[:-1]):
        outputs = (*before[:-1], feature)
        if _fits_values(outputs, shape, stimuli):
            return outputs
    if len(shape) != 3 or stimuli.axis != 1 or stimuli.group > 1:
        return None
    return (Factor(UNKNOWN, shape[0]),), (Factor(STIMULUS, shape[1]),), feature


def _name_positions(axes: Sequence[Axis], usual: Sequence[str]) -> list[str]:
    """Return the names of the axes along which a convolution moves.

    Names that a user gave are kept, and those of tokens and frames where there is one such axis:
    pictures may be made of tokens, but are not named after them.
    """
    kept = ("token", "frame") if len(axes) == 1 else ()
    names = []
    for axis, usual_name in zip(axes, usual, strict=True):
        name = merge_names(axis)
        keeps = name in kept or (name not in NAMES and name != "")
        names.append(name if keeps else usual_name)
    return names


def _reduce(function: str, axes: Axes, event: Event) -> Axes:
    """Return the axes that a sum, mean or selection leaves."""
    position = 2 if "norm" in function else 1
    default: Any = 0 if function in ("select", "unbind") else None
    positional = event.args[position] if len(event.args) > position else default
    dim = event.kwargs.get("dim", event.kwargs.get("axis", positional))
    dims = dim if isinstance(dim, (tuple, list)) else [dim]
    reduced = [int(i) % len(axes) for i in dims if _is_whole(i)]
    return tuple(axis for i, axis in enumerate(axes) if i not in reduced)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _regroup(axes: Axes, shape: Sequence[int]) -> Axes | None:
    """Return the same elements, in the same order, in another shape."""
    factors = [factor for axis in axes for factor in axis]
    # The next factor is the last.
    remaining = [f for f in factors if f.size > 1 or f.name == STIMULUS][::-1]
    regrouped = []
    for size in shape:
        axis: list[Factor] = []
        while size > 1:
            if not remaining:
                return None
            name, available = remaining.pop()
            if available > size:
                if available % size or name == STIMULUS:
                    return None
                remaining.append(Factor(name, available // size))
                if name != UNKNOWN:
                    name = "window" if name in POSITIONS else "group"
                available = size
            elif size % available:
                return None
            axis.append(Factor(name, available))
            size //= available
        regrouped.append(tuple(axis))
    return tuple(regrouped)


def _permute(function: str, axes: Axes, event: Event) -> Axes | None:
    order = list(range(len(axes)))
    if function in ("movedim", "moveaxis"):
        positional = [*event.args, None, None]
        source = event.kwargs.get("source", positional[1])
        destination = event.kwargs.get("destination", positional[2])
        if not (_is_whole(source) and _is_whole(destination)):
            return None
        order.insert(int(destination) % len(axes), order.pop(int(source)))
        return tuple(axes[i] for i in order)
    dims: list[int] = []
    for value in (*event.args[1:], *event.kwargs.values()):
        values = value if isinstance(value, (tuple, list)) else [value]
        dims += [int(i) for i in values if _is_whole(i)]
    if function == "permute":
        order = [order[i] for i in dims]
    elif len(axes) > 1:
        i, j = dims if len(dims) == 2 else (-2, -1)
        order[i], order[j] = order[j], order[i]
    return tuple(axes[i] for i in order)


def _follow_einsum(
    event: Event, by_argument: dict[str, Axes], shape: tuple[int, ...]
) -> Axes | None:
    terms, _, result = str(event.args[0]).replace(" ", "").partition("->")
    by_letter: dict[str, Axis] = {}
    for i, term in enumerate(terms.split(",")):
        axes = by_argument.get(f"1.{i}", by_argument.get(str(i + 1)))
        if axes is not None:
            by_letter |= dict(zip(term, axes, strict=False))
    if "." in terms or len(result) != len(shape):
        return None
    axes_of_result = [
        by_letter.get(letter, (Factor("feature", size),))
        for letter, size in zip(result, shape, strict=True)
    ]
    return _name_keys(axes_of_result)


def _follow_product(
    function: str, by_argument: dict[str, Axes], shape: tuple[int, ...]
) -> Axes | None:
    """Return the axes of a matrix product: those of the left, and the last of the right."""
    is_attention = function == "scaled_dot_product_attention"
    left = _pick(by_argument, ("0", "query", "input"))
    right = _pick(by_argument, ("2", "value") if is_attention else ("1", "other", "mat2"))
    if left is None:
        if right is None or len(right) < 2:
            return None
        left = (*right[:-2], (Factor("feature", shape[-2]),), ())
    if len(shape) == len(left) - 1:
        return left[:-1]
    last = (Factor("feature", shape[-1]),) if right is None else right[-1]
    return _name_keys([*left[:-1], last])


def _pick(by_argument: dict[str, Axes], names: Sequence[str]) -> Axes | None:
    return next((by_argument[name] for name in names if name in by_argument), None)


def _name_keys(axes: list[Axis]) -> Axes:
    """Return axes of a product in which a second axis of positions is called the keys.

    Keys are the positions that those of the first axis are compared with.
    """
    named = list(axes)
    names = [merge_names(axis) for axis in axes]
    for i, name in enumerate(names):
        if name in names[:i] and name in POSITIONS - {"window"}:
            named[i] = (Factor("key", measure_axis(axes[i])),)
        elif name == "key" and not POSITIONS - {"window", "key"} & set(names):
            named[i] = (Factor("token", measure_axis(axes[i])),)
    return tuple(named)


def _index(axes: Axes, index: Any, shape: Sequence[int]) -> Axes | None:
    """Return the axes of ``x[index]``.

    The index consists of whole numbers, slices, None, one ellipsis and one list or tensor.
    """
    entries = list(index) if isinstance(index, tuple) else [index]
    lists = [entry for entry in entries if isinstance(entry, (list, Value))]
    if len(lists) > 1 or any(isinstance(entry, bool) for entry in entries):
        return None
    n_indexed = sum(entry is not None and entry is not Ellipsis for entry in entries)
    ellipses = [i for i, entry in enumerate(entries) if entry is Ellipsis]
    start = ellipses[0] if ellipses else len(entries)
    entries[start : start + 1] = [slice(None)] * (len(axes) - n_indexed)
    remaining = list(axes)
    indexed: list[Axis] = []
    for entry in entries:
        if entry is None:
            indexed.append(())
            continue
        axis = remaining.pop(0)
        if not _is_whole(entry):
            indexed.append(axis)
    return _match([tuple(indexed)], shape, resize=True)


def _count_equal(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(x == y for x, y in zip(a, b, strict=True))


def _match(parents: Iterable[Axes], shape: Sequence[int], resize: bool) -> Axes | None:
    """Return the axes of the parent that the result is most like.

    With ``resize`` an axis of another size keeps its name.
    """
    alike = [axes for axes in parents if len(axes) == len(shape)]
    if not alike:
        return None
    shapes = [measure_axes(axes) for axes in alike]
    n_equal = [_count_equal(other, shape) for other in shapes]
    best = n_equal.index(max(n_equal))
    matched = []
    for i, size in enumerate(shape):
        fitting = [axes[i] for axes, other in zip(alike, shapes, strict=True) if other[i] == size]
        axis = alike[best][i]
        if shapes[best][i] == size:
            matched.append(axis)
        elif fitting and shapes[best][i] == 1:
            matched.append(fitting[0])
        elif not resize and shapes[best][i] != 1:
            return None
        else:
            matched.append((Factor(merge_names(axis) or "feature", size),))
    return tuple(matched)
