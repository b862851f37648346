"""Which positions of padded stimuli count: those within their lengths, or kept by their mask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from neurolens.errors import InputError
from neurolens.stimuli.batches.inputs import Key, Padding, Shape, is_compound, list_inputs
from neurolens.stimuli.sets import StimulusSet

# The name of the input that says which positions count, with 1, in models of language.
MASK = "attention_mask"
# The input that the mask is of, and those that hold something on each of its positions.
_MASKED = "input_ids"
_BESIDE = frozenset(("token_type_ids", "position_ids", "special_tokens_mask", "word_ids"))
# How the names of inputs of a decoder begin, which has positions of its own.
_OF_DECODER = ("decoder", "labels")


@dataclass(frozen=True)
class Positions:
    """The axis along which stimuli are padded: its ``size``, and the ``inputs`` that have it.

    Beside a mask these are ``input_ids``, or the only other input of its shape, what is known to
    hold something on each position (``token_type_ids``), and inputs of the mask's own lengths where
    these differ. Another input of its shape may be padded otherwise, as those of a decoder are.

    ``has_mask`` says whether an input named ``attention_mask`` tells which positions count;
    otherwise those within the lengths of the stimuli do.
    """

    size: int
    inputs: frozenset[Key]
    has_mask: bool

    def read_counted(self, stimuli: StimulusSet, rows: Sequence[int]) -> torch.Tensor:
        """Return which positions count (row, position), as booleans.

        Raises
        ------
        InputError
            When the mask holds something else than zeros and ones.
        """
        if not self.has_mask:
            key = min(self.inputs, key=str)
            lengths = torch.tensor([stimuli.padding.lengths[key][row] for row in rows])
            return torch.arange(self.size) < lengths[:, None]
        mask = stimuli.read_input(rows, MASK)
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise InputError(
                f"the input {MASK!r} must hold 1 where a position counts and 0 where it does not, "
                "got other numbers. Give them another name, or leave the reducer out."
            )
        return mask == 1


def find_positions(stimuli: StimulusSet) -> Positions | None:
    """Return the axis along which stimuli are padded, None where none is or it cannot be told.

    It cannot where inputs are padded to different sizes, or from different lengths to one size.
    """
    first = stimuli[stimuli.ids[0]]
    padding = stimuli.padding
    if not is_compound(first):
        if not padding.shapes:
            return None
        first = {None: first}
    shapes = {key: tuple(tensor.shape) for key, tensor in list_inputs(first)}
    mask = shapes.get(MASK, ())
    if len(mask) == 1:
        return Positions(mask[0], _find_masked(shapes, padding), has_mask=True)
    sizes = {padding.shapes[key][axis] for key, axis in padding.axes.items()}
    lengths = {tuple(of_all) for of_all in padding.lengths.values()}
    if len(sizes) != 1 or len(lengths) != 1:
        return None
    return Positions(sizes.pop(), frozenset(padding.shapes), has_mask=False)


def _find_masked(shapes: Mapping[Key, Shape], padding: Padding) -> frozenset[Key]:
    """Return the inputs, of these shapes, whose positions are those of the mask; it is among them.

    Where the lengths of an input are known and differ from the mask's, it is none of them.
    """
    alike = {key for key, shape in shapes.items() if shape == shapes[MASK] and key != MASK}
    masked = {MASK, *alike & _BESIDE}
    others = {key for key in alike - _BESIDE if not str(key).startswith(_OF_DECODER)}
    if _MASKED in others:
        masked.add(_MASKED)
    elif len(others) == 1:
        masked |= others
    lengths = padding.lengths.get(MASK)
    if lengths is None:
        return frozenset(masked)
    known = {key: list(of_all) == list(lengths) for key, of_all in padding.lengths.items()}
    masked = {key for key in masked if known.get(key, True)}
    return frozenset(masked.union(key for key, is_same in known.items() if is_same))
