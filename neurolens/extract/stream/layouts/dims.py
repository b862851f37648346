"""Names of the axes of results, followed from op to op.

They are followed through reshapes, permutations, products and indexing.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, NamedTuple

from neurolens.extract.capture.events import Event, Value
from neurolens.extract.graph.ops import Op
from neurolens.labels import STIMULUS


class Factor(NamedTuple):
    """One of the factors that make up an axis, and its size."""

    name: str
    size: int


class StimulusAxis(NamedTuple):
    """The position of the stimuli in a result, according to its values.

    ``axis`` holds ``group`` entries per stimulus, one stimulus after the other when ``major``, else
    interleaved.
    """

    axis: int
    group: int
    major: bool


Axis = tuple[Factor, ...]
Axes = tuple[Axis, ...]
"""What makes up each axis of a result, the slowest first; sizes multiply to the axis's length."""

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
_RESIZING = frozenset(
    "cat concat pad chunk split tensor_split narrow index_select getitem take_along_dim gather "
    "repeat tile topk repeat_interleave lstm gru rnn_tanh rnn_relu cumsum diff".split()
)
# The result of these may have the shape of a parent and other axes.
_MIXING = frozenset(
    "tensordot cdist as_strided unfold fold kron outer chain_matmul multi_dot inner".split()
)
_BY_NDIM = {0: (), 1: ("feature",), 2: ("token", "feature")}
_SPATIAL_BY_NDIM = {
    2: ("channel", "x"),
    3: ("channel", "y", "x"),
    4: ("channel", "frame", "y", "x"),
}
_INPUT_BY_NDIM = {**_BY_NDIM, 3: ("channel", "y", "x"), 4: ("channel", "frame", "y", "x")}
_POSITIONS = frozenset(("token", "frame", "y", "x", "window", "key"))


def name_input(shape: Sequence[int]) -> Axes | None:
    """Return the axes of a batch of stimuli (stimulus, ...), if their number determines them."""
    names = _INPUT_BY_NDIM.get(len(shape) - 1)
    return None if names is None else _pair_names((STIMULUS, *names), shape)


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
    by_argument = {
        parent.position: axes
        for parent, axes in zip(op.parents, parents, strict=True)
        if axes is not None
    }
    axes = _follow(op, event, by_argument, tuple(shape), stimuli)
    if axes is not None and _fits_values(axes, shape, stimuli):
        return axes
    n_dims = len(shape) - 1
    if stimuli.group > 1 or n_dims not in _BY_NDIM or not by_argument:
        return None
    parent_names = {
        name for axis in itertools.chain.from_iterable(by_argument.values()) for name, _ in axis
    }
    if not parent_names <= {STIMULUS, "token", "feature"}:
        return None
    names = [*_BY_NDIM[n_dims]]
    names.insert(stimuli.axis, STIMULUS)
    return _pair_names(names, shape)


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


def _pair_names(names: Sequence[str], shape: Sequence[int]) -> Axes:
    """Return axes of one factor each."""
    return tuple((Factor(name, size),) for name, size in zip(names, shape, strict=True))


def _measure_axis(axis: Axis) -> int:
    return math.prod(size for _, size in axis)


def measure_axes(axes: Axes) -> list[int]:
    """Return the shape of a result with these axes."""
    return [_measure_axis(axis) for axis in axes]


def name_dims(axes: Axes | None, n_dims: int) -> tuple[str, ...]:
    """Return the names of a result's axes beside the stimuli's, each once; ``dim_k`` if unknown."""
    if n_dims == 1:
        return _BY_NDIM[1]
    names: list[str] = []
    for axis in axes or ((),) * n_dims:
        rest = [factor for factor in axis if factor.name != STIMULUS]
        if rest or len(rest) == len(axis):
            names.append(_merge_names(rest) or f"dim_{len(names) + 1}")
    distinct = []
    for i, name in enumerate(names):
        n_before = names[:i].count(name)
        distinct.append(name if n_before == 0 else f"{name}_{n_before + 1}")
    return tuple(distinct)


def _merge_names(factors: Iterable[Factor]) -> str:
    """Return one name for an axis of several factors."""
    factors = list(factors)
    names = {name for name, size in factors if size > 1} or {name for name, _ in factors}
    if len(names) > 1:
        names -= {"window"} if names & _POSITIONS - {"window"} else {"group"}
    if len(names) > 1:
        return "token" if names <= _POSITIONS else "feature"
    return names.pop() if names else ""


def _merge_factors(axis: Axis) -> Axis:
    """Return the factors of an axis, those on one side of the stimuli merged into one."""
    merged = []
    for _, factors in itertools.groupby(axis, lambda factor: factor.name == STIMULUS):
        side = tuple(factors)
        merged.append(Factor(_merge_names(side), _measure_axis(side)))
    return tuple(merged)


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
        return _regroup(first, shape) or _regroup(tuple(map(_merge_factors, first)), shape)
    if function in _PERMUTING:
        return _permute(function, first, event)
    if function == "einsum":
        return _follow_einsum(event, by_argument, shape)
    if function in _MULTIPLYING:
        return _follow_product(function, by_argument, shape)
    if function == "linear":
        name = "channel" if _merge_names(first[-1]) == "channel" else "feature"
        return *first[:-1], (Factor(name, shape[-1]),)
    if function == "getitem":
        return _index(first, event.args[1], shape)
    if function in _REDUCING and len(first) > len(shape):
        return _reduce(function, first, event)
    return _match(by_argument.values(), shape, resize=function in _RESIZING | _REDUCING)


def _follow_spatial(
    op: Op, before: Axes | None, shape: tuple[int, ...], stimuli: StimulusAxis
) -> Axes | None:
    """Return the axes of convolutions and poolings: (stimulus, channel, ...) by their number."""
    of_input = any(parent.kind == "input" for parent in op.parents)
    is_conv = "conv" in op.function
    if before is not None and not of_input and not is_conv and len(before) == len(shape):
        return _match([before], shape, resize=True)
    n_dims = len(shape) - 1
    names = _SPATIAL_BY_NDIM.get(n_dims, _BY_NDIM.get(n_dims))
    if names is None:
        return None
    if before:
        return before[0], *_pair_names(names, shape[1:])
    if stimuli == StimulusAxis(axis=0, group=1, major=True):
        return (Factor(STIMULUS, shape[0]),), *_pair_names(names, shape[1:])
    return None


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
                name = "window" if name in _POSITIONS else "group"
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
    names = [_merge_names(axis) for axis in axes]
    for i, name in enumerate(names):
        if name in names[:i] and name in _POSITIONS - {"window"}:
            named[i] = (Factor("key", _measure_axis(axes[i])),)
        elif name == "key" and not _POSITIONS - {"window", "key"} & set(names):
            named[i] = (Factor("token", _measure_axis(axes[i])),)
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
            matched.append((Factor(_merge_names(axis) or "feature", size),))
    return tuple(matched)
