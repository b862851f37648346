"""Names of the axes of inputs, told by what the model does with them, and of all results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from neurolens.errors import InputError
from neurolens.extract.capture.events import Event, Value
from neurolens.extract.graph.ops import Op, Parent
from neurolens.extract.stream.layouts.axes import (
    UNKNOWN,
    Axes,
    Axis,
    StimulusAxis,
    measure_axes,
    pair_names,
)
from neurolens.extract.stream.layouts.dims import follow_axes
from neurolens.labels import STIMULUS, list_names

# Names where the model does not tell others, by the number of axes of a stimulus.
_USUAL = {
    0: (),
    1: ("feature",),
    2: ("token", "feature"),
    3: ("channel", "y", "x"),
}
_MOVING = frozenset(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d max_pool2d max_pool3d "
    "avg_pool2d avg_pool3d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d "
    "adaptive_max_pool3d".split()
)
_POSITIONS = {1: ("x",), 2: ("y", "x"), 3: ("frame", "y", "x")}
_RECURRENT = frozenset("lstm gru rnn_tanh rnn_relu".split())
_SEQUENCE = "sequence"
_ALIKE = {"channel", "feature"}


class Result(NamedTuple):
    """The k-th result of an op, with the position of the stimuli in it."""

    op: Op
    event: Event
    k: int
    shape: tuple[int, ...]
    stimuli: StimulusAxis


AxesByResult = dict[tuple[str, int], Axes | None]


def name_results(
    results: Sequence[Result],
    inputs: Mapping[str, Sequence[int]],
    given: Mapping[str, Sequence[str]],
) -> AxesByResult:
    """Return the axes of all results, by op and number; None where they are unknown.

    Parameters
    ----------
    results : sequence of Result
        In the order of execution.
    inputs : dict of str
        Input -> its shape, (stimulus, ...).
    given : dict of str
        Input -> names of its axes beside the stimuli's, where the user gave them.

    Raises
    ------
    InputError
        When a user's names do not fit an input.

    Notes
    -----
    The first op that uses an axis of an input as its channels, features, positions or tokens tells
    its name. Where none does, inputs of up to three axes get the usual names, unless another of
    their axes is told to be something else; others are unknown.
    """
    _check_given(inputs, given)
    open_axes = open_inputs(inputs, given)
    told: dict[str, str] = {}

    def note(op: Op, by_argument: Mapping[str, Axes]) -> None:
        for mark, role in _list_roles(op, by_argument):
            told.setdefault(mark, role)

    _follow_results(results, open_axes, note)
    named: dict[str, Axes | None] = {}
    for name, shape in inputs.items():
        names = given.get(name) or _choose_names(name, len(shape) - 1, told)
        named[name] = pair_names((STIMULUS, *names), shape)
    return _follow_results(results, named, lambda op, by_argument: None)


def open_inputs(
    inputs: Mapping[str, Sequence[int]], given: Mapping[str, Sequence[str]]
) -> dict[str, Axes | None]:
    """Return the axes of inputs, as for `name_results`, while their names are looked for."""
    open_axes: dict[str, Axes | None] = {}
    for name, shape in inputs.items():
        marks = [_mark_axis(name, i) for i in range(1, len(shape))]
        open_axes[name] = pair_names((STIMULUS, *given.get(name, marks)), shape)
    return open_axes


def _mark_axis(name: str, position: int) -> str:
    """Return what an axis of an input is called while its name is looked for."""
    return f"{name}:{position}"


def _is_open(axis: Axis) -> bool:
    """Return whether an axis is one of an input, or several, whose names are looked for."""
    return any(":" in factor.name for factor in axis)


def _check_given(inputs: Mapping[str, Sequence[int]], given: Mapping[str, Sequence[str]]) -> None:
    """Raise InputError where a user's names do not fit the inputs."""
    for name, names in given.items():
        if name not in inputs:
            raise InputError(
                f"layout= names the axes of {name!r}, and the inputs are {list_names(inputs)}. "
                "Type a text for a single input, a dict by name or a tuple by position for "
                "several.",
                anchor="stimuli-do-not-fit-model",
            )
        shape = tuple(inputs[name][1:])
        if len(names) != len(shape):
            raise InputError(
                f"layout={' '.join(names)!r} names {len(names)} axes, and a stimulus has the shape "
                f"{shape}. Name each of its axes, e.g. layout='frame channel y x' for clips.",
                anchor="stimuli-do-not-fit-model",
            )


def _follow_results(
    results: Sequence[Result],
    inputs: Mapping[str, Axes | None],
    note: Callable[[Op, Mapping[str, Axes]], None],
) -> AxesByResult:
    """Follow axes from the inputs through all results; ``note`` is told of each op's arguments."""
    found: AxesByResult = {}
    for op, event, k, shape, stimuli in results:
        parents = []
        for parent, (value, _) in zip(op.parents, event.parents, strict=True):
            parents.append(find_axes(parent, value, inputs, found))
        pairs = zip(op.parents, parents, strict=True)
        note(op, {parent.position: axes for parent, axes in pairs if axes is not None})
        found[op.name, k] = follow_axes(op, event, parents, shape, stimuli)
    return found


def find_axes(
    parent: Parent, value: Value, inputs: Mapping[str, Axes | None], found: AxesByResult
) -> Axes | None:
    """Return the axes of an argument; None where they are unknown or those of another shape.

    The latter are those of a view whose base was written to: it counts as a result of the op that
    wrote, whose own result has the shape of the base.
    """
    if parent.kind == "input":
        axes = inputs.get(parent.source)
    else:
        axes = found.get((parent.source, parent.output))
    if axes is None:
        return None
    return axes if measure_axes(axes) == list(value.shape) else None


def _list_roles(op: Op, by_argument: Mapping[str, Axes]) -> Iterator[tuple[str, str]]:
    """Yield (name of an axis, what an op uses it as), for axes that are not merged with others."""
    first = next(iter(by_argument.values()), None)
    if first is None:
        return
    for i, role in _find_roles(op.function, first).items():
        factors = [factor for factor in first[i] if factor.size > 1] or list(first[i])
        if len(factors) == 1 and factors[0].name != STIMULUS:
            yield factors[0].name, role


def _find_roles(function: str, axes: Axes) -> dict[int, str]:
    """Return what an op uses the axes of its first argument as, by position."""
    n_axes = len(axes)
    if function in _MOVING:
        positions = _POSITIONS[int(function[-2])]
        roles = dict(enumerate(("channel", *positions), n_axes - len(positions) - 1))
        if len(positions) == 1 and not _is_open(axes[-2]):
            roles[n_axes - 1] = _SEQUENCE  # of features that another op made
        return roles if n_axes > len(positions) else {}
    if function == "linear":
        return {n_axes - 1: "feature"}
    if function == "embedding":
        return {n_axes - 1: _SEQUENCE}
    if function in _RECURRENT:
        return {**dict.fromkeys(range(n_axes - 1), _SEQUENCE), n_axes - 1: "feature"}
    if function == "scaled_dot_product_attention" and n_axes > 1:
        return {n_axes - 2: _SEQUENCE}
    return {}


def _choose_names(name: str, n_axes: int, told: Mapping[str, str]) -> list[str]:
    """Return the names of an input's axes beside the stimuli's, from what ops told of them."""
    roles = [told.get(_mark_axis(name, i), UNKNOWN) for i in range(1, n_axes + 1)]
    sequence = "frame" if {"y", "x"} <= set(roles) else "token"
    names = [sequence if role == _SEQUENCE else role for role in roles]
    usual = _USUAL.get(n_axes)
    if usual is None or not all(map(_agree, names, usual)):
        return names
    return list(usual)


def _agree(name: str, usual: str) -> bool:
    """Return whether what was told of an axis may be what is usual."""
    return name in (usual, UNKNOWN) or {name, usual} == _ALIKE
