"""What the axes of results are called, followed from op to op through reshapes.

Products and indexing.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

from neurolens.extract.capture.events import Event, Value
from neurolens.extract.graph.ops import Op
from neurolens.labels import STIMULUS

Factor = tuple[str, int]
Axes = tuple[tuple[Factor, ...], ...]
"""For each axis of a result what it is made of: (name, size), the slowest first. Sizes multiply to that of the axis."""

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
    "var_mean std_mean "
    "norm linalg_vector_norm select unbind".split()
)
_MULTIPLYING = frozenset("matmul bmm scaled_dot_product_attention einsum".split())
# Only these give an axis another size and leave it what it was, beside broadcasting.
_RESIZING = frozenset(
    "cat concat pad chunk split tensor_split narrow index_select getitem take_along_dim gather "
    "repeat tile topk "
    "repeat_interleave lstm gru rnn_tanh rnn_relu cumsum diff".split()
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
_POSITIONS = frozenset(("token", "frame", "y", "x", "window", "key"))


def name_input(shape: Sequence[int]) -> Axes | None:
    """Return the axes of a batch of stimuli (stimulus, ...).

    Where their number says what they are.
    """
    names = {**_BY_NDIM, 3: ("channel", "y", "x"), 4: ("channel", "frame", "y", "x")}.get(
        len(shape) - 1
    )
    return None if names is None else _pair_names((STIMULUS, *names), shape)


def follow_axes(
    op: Op,
    event: Event,
    parents: Sequence[Axes | None],
    shape: Sequence[int],
    place: tuple[int, int, bool],
) -> Axes | None:
    """Return the axes of a result, or None where they cannot be told.

    Parameters
    ----------
    parents : sequence of Axes or None
        Of each of the op's tensor arguments.
    place : (int, int, bool)
        Where the values say the stimuli are: axis, how many other things share it with each,
        stimulus by stimulus.
    """
    axis, group, major = place
    known = {
        parent.position: axes
        for parent, axes in zip(op.parents, parents, strict=True)
        if axes is not None
    }
    found = _follow(op, event, known, tuple(shape), place)
    if found is not None and [math.prod(size for _, size in factors) for factors in found] == list(
        shape
    ):
        names = [name for name, _ in found[axis]]
        ends = names[:1] if major else names[-1:]
        others = sum(name == STIMULUS for factors in found for name, _ in factors) - 1
        if (
            group * dict(found[axis]).get(STIMULUS, 0) == shape[axis]
            and ends == [STIMULUS]
            and not others
        ):
            return found
    told = {name for axes in known.values() for factors in axes for name, _ in factors} - {STIMULUS}
    if group > 1 or len(shape) - 1 not in _BY_NDIM or not known or not told <= {"token", "feature"}:
        return None
    named = [*_BY_NDIM[len(shape) - 1]]
    named.insert(axis, STIMULUS)
    return _pair_names(named, shape)


def _pair_names(names: Sequence[str], shape: Sequence[int]) -> Axes:
    """Return axes of one factor each."""
    return tuple(((name, size),) for name, size in zip(names, shape, strict=True))


def name_dims(axes: Axes | None, n_dims: int) -> tuple[str, ...]:
    """Return the names of a result's axes beside the stimuli's, each once.

    ``dim_k`` where there is nothing to say.
    """
    if n_dims == 1:
        return _BY_NDIM[1]
    names: list[str] = []
    for factors in axes or ((),) * n_dims:
        rest = [factor for factor in factors if factor[0] != STIMULUS]
        if rest or len(rest) == len(factors):
            names.append(_merge_names(rest) or f"dim_{len(names) + 1}")
    return tuple(
        name if (n := names[:i].count(name)) == 0 else f"{name}_{n + 1}"
        for i, name in enumerate(names)
    )


def _merge_names(factors: Iterable[Factor]) -> str:
    """Return one name for an axis that several things make up."""
    factors = list(factors)
    names = {name for name, size in factors if size > 1} or {name for name, _ in factors}
    if len(names) > 1:
        names -= {"window"} if names & _POSITIONS - {"window"} else {"group"}
    if len(names) > 1:
        return "token" if names <= _POSITIONS else "feature"
    return names.pop() if names else ""


def _merge_factors(factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
    """Return what makes up an axis, taking what stands on one side of the stimuli as one."""
    parts = [
        [*held] for _, held in itertools.groupby(factors, lambda factor: factor[0] == STIMULUS)
    ]
    return tuple((_merge_names(held), math.prod(size for _, size in held)) for held in parts)


def _follow(
    op: Op,
    event: Event,
    known: dict[str, Axes],
    shape: tuple[int, ...],
    place: tuple[int, int, bool],
) -> Axes | None:
    first = next(iter(known.values()), None)
    if op.function in _SPATIAL:
        raw = any(parent.kind == "input" for parent in op.parents)
        if first is not None and not raw and "conv" not in op.function and len(first) == len(shape):
            return _match([first], shape, resize=True)
        names = _SPATIAL_BY_NDIM.get(len(shape) - 1, _BY_NDIM.get(len(shape) - 1))
        before = first[0] if first else ((STIMULUS, shape[0]),) if place == (0, 1, True) else None
        return None if names is None or before is None else (before, *_pair_names(names, shape[1:]))
    if first is None or op.function in _MIXING:
        return None
    if op.function in _RESHAPING:
        return _regroup(first, shape) or _regroup(
            tuple(_merge_factors(factors) for factors in first), shape
        )
    if op.function in _PERMUTING:
        return _permute(op.function, first, event)
    if op.function in _MULTIPLYING:
        return _multiply(op, event, known, shape)
    if op.function == "linear":
        name = _merge_names(first[-1])
        return *first[:-1], ((name if name == "channel" else "feature", shape[-1]),)
    if op.function == "getitem":
        return _index(first, event.args[1], shape)
    if op.function in _REDUCING and len(first) > len(shape):
        at = 2 if "norm" in op.function else 1
        default: Any = 0 if op.function in ("select", "unbind") else None
        dim = event.kwargs.get(
            "dim", event.kwargs.get("axis", event.args[at] if len(event.args) > at else default)
        )
        gone = [
            int(i) % len(first)
            for i in (dim if isinstance(dim, (tuple, list)) else [dim])
            if _is_whole(i)
        ]
        return tuple(factors for i, factors in enumerate(first) if i not in gone)
    return _match(known.values(), shape, resize=op.function in _RESIZING | _REDUCING)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _regroup(axes: Axes, shape: Sequence[int]) -> Axes | None:
    """Return the same elements, in the same order, in another shape."""
    left = [
        factor for factors in axes for factor in factors if factor[1] > 1 or factor[0] == STIMULUS
    ][::-1]
    made = []
    for size in shape:
        factors: list[Factor] = []
        while size > 1:
            if not left:
                return None
            name, have = left.pop()
            if have > size:
                if have % size or name == STIMULUS:
                    return None
                left.append((name, have // size))
                name = "window" if name in _POSITIONS else "group"
                have = size
            elif size % have:
                return None
            factors.append((name, have))
            size //= have
        made.append(tuple(factors))
    return tuple(made)


def _permute(function: str, axes: Axes, event: Event) -> Axes | None:
    order = list(range(len(axes)))
    if function in ("movedim", "moveaxis"):
        ends = [
            event.kwargs.get(key, [*event.args, None, None][i])
            for i, key in ((1, "source"), (2, "destination"))
        ]
        if not all(map(_is_whole, ends)):
            return None
        order.insert(int(ends[1]) % len(axes), order.pop(int(ends[0])))
        return tuple(axes[i] for i in order)
    held = (*event.args[1:], *event.kwargs.values())
    places = [
        int(i)
        for arg in held
        for i in (arg if isinstance(arg, (tuple, list)) else [arg])
        if _is_whole(i)
    ]
    if function == "permute":
        order = [order[i] for i in places]
    elif len(axes) > 1:
        i, j = places if len(places) == 2 else (-2, -1)
        order[i], order[j] = order[j], order[i]
    return tuple(axes[i] for i in order)


def _multiply(op: Op, event: Event, known: dict[str, Axes], shape: tuple[int, ...]) -> Axes | None:
    """Return the axes of a product.

    The positions that those of a result are compared with are its keys.
    """
    if op.function == "einsum":
        terms, _, kept = str(event.args[0]).replace(" ", "").partition("->")
        held: dict[str, tuple[Factor, ...]] = {}
        for place, term in enumerate(terms.split(",")):
            axes = known.get(f"1.{place}", known.get(str(place + 1)))
            held |= dict(zip(term, axes, strict=False)) if axes is not None else {}
        if "." in terms or len(kept) != len(shape):
            return None
        made = [
            held.get(letter, (("feature", size),)) for letter, size in zip(kept, shape, strict=True)
        ]
    else:
        right = {"scaled_dot_product_attention": ("2", "value")}.get(
            op.function, ("1", "other", "mat2")
        )
        a = next((known[name] for name in ("0", "query", "input") if name in known), None)
        b = next((known[name] for name in right if name in known), None)
        if a is None:
            if b is None or len(b) < 2:
                return None
            a = (*b[:-2], (("feature", shape[-2]),), ())
        if len(shape) == len(a) - 1:
            return a[:-1]
        made = [*a[:-1], b[-1] if b is not None else (("feature", shape[-1]),)]
    names = [_merge_names(factors) for factors in made]
    for i, name in enumerate(names):
        if name in names[:i] and name in _POSITIONS - {"window"}:
            made[i] = (("key", math.prod(size for _, size in made[i])),)
        elif name == "key" and not _POSITIONS - {"window", "key"} & set(names):
            made[i] = (("token", math.prod(size for _, size in made[i])),)
    return tuple(made)


def _index(axes: Axes, index: Any, shape: Sequence[int]) -> Axes | None:
    """Return the axes of ``x[index]`` for whole numbers, slices, None.

    One ellipsis and one list or tensor.
    """
    asked = list(index) if isinstance(index, tuple) else [index]
    picks = [i for i in asked if isinstance(i, (list, Value))]
    if len(picks) > 1 or any(isinstance(i, bool) for i in asked):
        return None
    taken = sum(i is not None and i is not Ellipsis for i in asked)
    place = next((k for k, i in enumerate(asked) if i is Ellipsis), len(asked))
    asked[place : place + 1] = [slice(None)] * (len(axes) - taken)
    left = list(axes)
    made = list[tuple[Factor, ...]]()
    for i in asked:
        if i is None:
            made.append(())
            continue
        factors = left.pop(0)
        if not _is_whole(i):
            made.append(factors)
    return _match([tuple(made)], shape, resize=True)


def _match(parents: Iterable[Axes], shape: Sequence[int], resize: bool) -> Axes | None:
    """Return the axes of that parent which the result is most like.

    An axis of another size may keep its name.
    """
    alike = [axes for axes in parents if len(axes) == len(shape)]
    sizes = [[math.prod(size for _, size in factors) for factors in axes] for axes in alike]
    if not alike:
        return None
    same = [sum(a == b for a, b in zip(held, shape, strict=True)) for held in sizes]
    best = same.index(max(same))
    made = []
    for i, size in enumerate(shape):
        fitting = [axes[i] for axes, held in zip(alike, sizes, strict=True) if held[i] == size]
        factors = alike[best][i]
        if sizes[best][i] == size:
            made.append(factors)
        elif fitting and sizes[best][i] == 1:
            made.append(fitting[0])
        elif not resize and sizes[best][i] != 1:
            return None
        else:
            made.append(((_merge_names(factors) or "feature", size),))
    return tuple(made)
