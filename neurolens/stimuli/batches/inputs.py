"""Stimuli of several inputs, dicts and tuples: padded to one shape, and made into batches."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from neurolens.errors import InputError, warn_user
from neurolens.labels import SAMPLE, STIMULUS, list_names

# Name or position of an input; None for stimuli that are one tensor.
Key = str | int | None
Shape = tuple[int, ...]
Batch = torch.Tensor | dict[str, torch.Tensor] | tuple[torch.Tensor, ...]
"""Stimuli of a batch: one tensor, or one of each input, (stimulus, ...)."""


def is_compound(item: Any) -> bool:
    """Return whether a stimulus consists of several inputs."""
    return isinstance(item, (dict, tuple))


def list_inputs(item: Any) -> list[tuple[Key, Any]]:
    """Return the inputs of a dict by name, those of a tuple by position."""
    return list(item.items()) if isinstance(item, dict) else list(enumerate(item))


def map_inputs(function: Callable[[Any], Any], item: Any) -> Any:
    """Return a dict or tuple with a function applied to each input."""
    if isinstance(item, dict):
        return {key: function(part) for key, part in item.items()}
    return tuple(function(part) for part in item)


@dataclass(frozen=True)
class Padding:
    """How the inputs of a set that differ in length are padded with zeros, at their ends.

    ``shapes`` says to which shape, for each such input, and ``axes`` along which axis; ``lengths``
    holds the length of each stimulus (stimulus,) along that axis.
    """

    shapes: Mapping[Key, Shape]
    axes: Mapping[Key, int]
    lengths: Mapping[Key, Sequence[int]]

    def select(self, rows: Sequence[int]) -> "Padding":
        """Return the padding of some stimuli, which are padded to the same shapes."""
        lengths = {}
        for key, all_lengths in self.lengths.items():
            lengths[key] = [all_lengths[row] for row in rows]
        return Padding(self.shapes, self.axes, lengths)

    def describe(self) -> list[str]:
        """Return a sentence for each input that is padded."""
        sentences = []
        for key, shape in self.shapes.items():
            lengths = self.lengths[key]
            what = "stimuli" if key is None else f"input {key!r}"
            sentences.append(
                f"{what}: of length {min(lengths)} to {max(lengths)}, padded with zeros to "
                f"the shape {shape}"
            )
        return sentences

    def pad(self, key: Key, tensor: torch.Tensor) -> torch.Tensor:
        """Return an input of a stimulus in the shape that it has for all of them."""
        shape = self.shapes.get(key, tuple(tensor.shape))
        if shape == tuple(tensor.shape):
            return tensor
        padded = tensor.new_zeros(shape)
        padded[tuple(slice(size) for size in tensor.shape)] = tensor
        return padded


NO_PADDING = Padding({}, {}, {})


def measure_inputs(stimuli: Iterable[Mapping[Key, Shape | None]], ids: Sequence[str]) -> Padding:
    """Return how the inputs of a set are padded; warn where some are.

    Parameters
    ----------
    stimuli : iterable of dict
        Of each stimulus, the shape of each input; None where it is the same for all.
    ids : sequence of str

    Raises
    ------
    InputError
        When stimuli have other inputs, or an input differs in more than one length.
    """
    seen: dict[Key, list[Shape | None]] = {}
    for name, shapes in zip(ids, stimuli, strict=True):
        if seen and seen.keys() != shapes.keys():
            _refuse_kinds(seen, shapes, ids[0], name)
            raise InputError(
                f"stimuli of one set must have the same inputs, got {list_names(seen)} in "
                f"{ids[0]!r} and {list_names(shapes)} in {name!r}",
                anchor="stimuli-differ-in-form",
            )
        for key, shape in shapes.items():
            seen.setdefault(key, []).append(shape)
    padded = {}
    axes = {}
    lengths = {}
    for key, of_all in seen.items():
        distinct = [shape for shape in set(of_all) if shape is not None]
        if len(distinct) > 1:
            axis = _find_ragged_axis(key, distinct)
            longest = list(distinct[0])
            longest[axis] = max(shape[axis] for shape in distinct)
            padded[key] = tuple(longest)
            axes[key] = axis
            lengths[key] = [longest[axis] if shape is None else shape[axis] for shape in of_all]
    padding = Padding(padded, axes, lengths)
    if padded:
        warn_user(
            f"stimuli are padded, {'; '.join(padding.describe())}. Results include the padded "
            "positions, beyond the lengths in stimuli.lengths, which reducer='mean' leaves out "
            "where results have the positions of the inputs: give the model a mask of what counts, "
            "without which all values can depend on the longest stimulus"
        )
    return padding


def _refuse_kinds(seen: Mapping, shapes: Mapping, first: str, name: str) -> None:
    """Raise InputError where one of two stimuli has several inputs and the other is one tensor."""
    if None in seen or None in shapes:
        has = {True: "is one tensor", False: "has several inputs"}
        raise InputError(
            f"stimuli of one set must be of one kind: {first!r} {has[None in seen]}, {name!r} "
            f"{has[None in shapes]}",
            anchor="stimuli-differ-in-form",
        )


def _find_ragged_axis(key: Key, shapes: Sequence[Shape]) -> int:
    """Return the one axis along which shapes differ."""
    axes = []
    if len({len(shape) for shape in shapes}) == 1:
        columns = enumerate(zip(*shapes, strict=True))
        axes = [axis for axis, sizes in columns if len(set(sizes)) > 1]
    if len(axes) != 1:
        what = "the stimuli" if key is None else f"input {key!r} of the stimuli"
        raise InputError(
            f"{what} may differ in length along one axis, got shapes {sorted(shapes)[:5]}. "
            "Pass transform= to give them one shape.",
            anchor="stimuli-differ-in-form",
        )
    return axes[0]


def read_layout(layout: Any) -> dict[Key | None, tuple[str, ...]]:
    """Return the names of the axes of each input that a user named; of a single input under None.

    Raises
    ------
    InputError
        For something else than a text of names, or a dict or tuple of these by input.
    """
    if layout is None:
        return {}
    texts: dict[Any, Any] = {None: layout}
    if isinstance(layout, Mapping):
        texts = dict(layout)
    elif isinstance(layout, (tuple, list)):
        texts = dict(enumerate(layout))
    names = {}
    for key, text in texts.items():
        words = tuple(text.split()) if isinstance(text, str) else ()
        is_named = all(word.isidentifier() and word not in (STIMULUS, SAMPLE) for word in words)
        if not words or not is_named or len(set(words)) < len(words):
            raise InputError(
                "layout must hold a name for each axis of one stimulus, each once, without "
                f"{STIMULUS!r} and {SAMPLE!r}, which are axes of results, got {text!r}. Type e.g. "
                "layout='frame channel y x'.",
                anchor="stimuli-differ-in-form",
            )
        names[key] = words
    return names


def check_inputs(item: Any, name: str) -> Any:
    """Return what a transform made of a stimulus as a tensor, or a dict or tuple of tensors.

    Raises
    ------
    InputError
        When it is something else.
    """
    if isinstance(item, torch.Tensor):
        return item
    made = item
    if isinstance(item, Mapping):
        made = dict(item)
    elif isinstance(item, tuple):
        made = tuple(item)
    wrong = [item]
    if is_compound(made) and made:
        wrong = [part for _, part in list_inputs(made) if not isinstance(part, torch.Tensor)]
    if wrong:
        raise InputError(
            "transform must return a tensor, or a dict or tuple of tensors, got "
            f"{type(wrong[0]).__name__} for {name!r}",
            anchor="stimuli-differ-in-form",
        )
    return made


def stack_stimuli(stimuli: Sequence[Any], ids: Sequence[str]) -> Batch:
    """Return the batch of stimuli: a tensor, or a dict or tuple of them, (stimulus, ...).

    Raises
    ------
    InputError
        When they differ in their inputs, or in shape or dtype of one.
    """
    first = stimuli[0]
    kinds = {type(item) if is_compound(item) else torch.Tensor for item in stimuli}
    if len(kinds) > 1:
        raise InputError(
            "stimuli of one set must be of one kind, got "
            f"{list_names(sorted(kind.__name__ for kind in kinds))} between {ids[0]!r} and "
            f"{ids[-1]!r}",
            anchor="stimuli-differ-in-form",
        )
    if not is_compound(first):
        return _stack_tensors(stimuli, ids, "stimuli of one set")
    keys = [key for key, _ in list_inputs(first)]
    stacked = []
    for key in keys:
        parts = [dict(list_inputs(item))[key] for item in stimuli]
        stacked.append(_stack_tensors(parts, ids, f"input {key!r} of the stimuli"))
    return dict(zip(first, stacked, strict=True)) if isinstance(first, dict) else tuple(stacked)


def _stack_tensors(tensors: Sequence[torch.Tensor], ids: Sequence[str], what: str) -> torch.Tensor:
    shapes = {tuple(t.shape) for t in tensors}
    if len(shapes) > 1:
        raise InputError(
            f"{what} must have one shape, got {sorted(shapes)} between {ids[0]!r} and "
            f"{ids[-1]!r}. Pass transform= to resize them.",
            anchor="stimuli-differ-in-form",
        )
    dtypes = {str(t.dtype) for t in tensors}
    if len(dtypes) > 1:
        raise InputError(
            f"{what} must have one dtype, got {list_names(sorted(dtypes))} between {ids[0]!r} and "
            f"{ids[-1]!r}. Pass transform= to cast them.",
            anchor="stimuli-differ-in-form",
        )
    return torch.stack(list(tensors))
