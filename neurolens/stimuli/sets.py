"""StimulusSet: the stimuli shown to the model and the brain, by id."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from neurolens.errors import InputError
from neurolens.stimuli.ids import order_metadata, refuse_id, write_id, write_ids
from neurolens.stimuli.images import ImageTransform, is_picture
from neurolens.stimuli.inputs import (
    NO_PADDING,
    Batch,
    Key,
    Padding,
    Shape,
    check_inputs,
    is_compound,
    list_inputs,
    map_inputs,
    measure_inputs,
    read_layout,
    stack_stimuli,
)
from neurolens.stimuli.pictures import Picture, describe_display, describe_pictures
from neurolens.stimuli.preprocessing import Description, describe_preprocessing
from neurolens.stimuli.rows import (
    ColumnRows,
    choose_rows,
    has_one_shape,
    iterate_items,
    list_pictures,
    read_block,
    wrap_items,
)


class StimulusSet:
    """An ordered set of stimuli with unique ids; read one batch at a time.

    Attributes
    ----------
    ids : tuple of str
    metadata : DataFrame
        One row per stimulus, indexed by id (categories, flags, anything).
    transform : callable or None
        Turns one stimulus (a PIL image, or the array entry) into a tensor, or into a dict or tuple
        of tensors.
    layout : dict
        Input -> names of its axes beside the stimuli's, where they were given; of a single input
        under None.

    Notes
    -----
    A stimulus of several inputs is a dict of the model's keyword arguments or a tuple of its
    positional ones. Where an input differs in length between stimuli, it is padded with zeros, at
    its end, to the longest of the set, so that results do not depend on the batch; a selection
    keeps that length. The first time that batches are read, the lengths of the whole set are.

    Make one with `load_stimuli`, which checks every file once. The content of a file is read with
    its batch, and not kept: if a file is damaged later, or in a way that `load_stimuli` does not
    see, reading the batch raises `InputError`.
    """

    def __init__(
        self,
        items: Sequence[Any],
        ids: Sequence[str],
        transform: Callable[[Any], torch.Tensor] | None,
        metadata: pd.DataFrame | None = None,
        layout: Any = None,
    ) -> None:
        self.layout = read_layout(layout)
        self.ids = write_ids(ids)
        if len(self.ids) != len(items):
            raise InputError(
                f"{len(items)} stimuli but {len(self.ids)} ids; pass one id per stimulus"
            )
        if not self.ids:
            raise InputError("the stimulus set is empty; pass at least one stimulus")
        self.transform = transform
        self._items = wrap_items(items)
        self._padding: Padding | None = None
        self._rows = {name: row for row, name in enumerate(self.ids)}
        table = metadata
        if table is None:
            table = pd.DataFrame(index=pd.Index(self.ids, name="stimulus"))
        if [write_id(i) for i in table.index] != list(self.ids):
            raise InputError(
                "metadata must have one row per stimulus, indexed by stimulus id in the same order"
            )
        self.metadata = order_metadata(table, self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        columns = ", ".join(map(str, self.metadata.columns)) or "none"
        return f"<StimulusSet: {len(self)} stimuli, metadata: {columns}>"

    def __getitem__(self, stimulus: Any) -> Any:
        """Return one stimulus, by id (a number or its text), as the model sees it.

        It is a tensor, or a dict or tuple of tensors.
        """
        row = self._find_row(stimulus)
        return self._pad(self._prepare(self._items[row], row))

    @property
    def lengths(self) -> pd.DataFrame:
        """The length of each stimulus in each input that is padded; no column where none is."""
        columns = {str(key): list(values) for key, values in self.padding.lengths.items()}
        return pd.DataFrame(columns, index=pd.Index(self.ids, name="stimulus"))

    @property
    def padding(self) -> Padding:
        """How inputs that differ in length are padded; the lengths of all stimuli are read once."""
        if self._padding is None:
            first = self._items[0]
            is_uniform = False
            if self._takes_all_inputs:
                first = self._prepare(first, 0)
            else:
                is_uniform = has_one_shape(self._items)
            self._padding = NO_PADDING
            if is_compound(first) and not is_uniform:
                shapes = map(self._read_shapes, iterate_items(self._items), range(len(self)))
                self._padding = measure_inputs(shapes, self.ids)
        return self._padding

    @property
    def _takes_all_inputs(self) -> bool:
        """Whether the transform takes whole stimuli, and not just the pictures among inputs."""
        return self.transform is not None and type(self.transform) is not ImageTransform

    def select(self, ids: Sequence[Any]) -> "StimulusSet":
        """Return the stimuli with these ids, in this order."""
        rows = [self._find_row(i) for i in ids]
        chosen = choose_rows(self._items, rows)
        names = [self.ids[row] for row in rows]
        selected = StimulusSet(chosen, names, self.transform, self.metadata.iloc[rows])
        selected.layout = self.layout
        if self._padding is not None or not isinstance(self._items[rows[0]], Picture):
            selected._padding = self.padding.select(rows)
        return selected

    def use_transform(self, transform: Callable[[Any], torch.Tensor] | None) -> "StimulusSet":
        """Return the same stimuli with another preprocessing."""
        changed = StimulusSet(self._items, self.ids, transform, self.metadata)
        changed.layout = self.layout
        return changed

    def split_rows(self, batch_size: int) -> list[range]:
        """Return the rows of each batch, in order.

        A last batch of one stimulus is joined to the one before, because some models treat a batch
        of one differently.
        """
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size must be a whole number, at least 1, got {batch_size!r}")
        edges = [*range(0, len(self), batch_size), len(self)]
        if batch_size > 1 and len(edges) > 2 and edges[-1] - edges[-2] == 1:
            del edges[-2]
        return [range(start, stop) for start, stop in itertools.pairwise(edges)]

    def read_rows(self, rows: Sequence[int]) -> Any:
        """Return the stimuli of some rows, as the model sees them.

        They are a tensor (row, ...), or a dict or tuple of such tensors.

        Raises
        ------
        InputError
            When a file cannot be read as an image, or the stimuli differ in shape.
        """
        items = read_block(self._items, rows)
        stimuli = []
        for item, row in zip(items, rows, strict=True):
            stimuli.append(self._pad(self._prepare(item, row)))
        return stack_stimuli(stimuli, [self.ids[row] for row in rows])

    def read_input(self, rows: Sequence[int], key: Key) -> torch.Tensor:
        """Return one input of the stimuli of some rows (row, ...), and read no other if possible.

        Raises what `read_rows` raises.
        """
        if not isinstance(self._items, ColumnRows) or self._takes_all_inputs:
            return self.read_rows(rows)[key]
        parts = []
        for part in read_block(self._items.columns[key], rows):
            parts.append(self.padding.pad(key, self._show_input(part)))
        return torch.stack(parts)

    def iterate_batches(self, batch_size: int) -> Iterator[tuple[tuple[str, ...], Batch]]:
        """Yield (ids, tensor of shape (batch, ...), or a dict or tuple of these) in order.

        Batches are those of `split_rows`, errors those of `read_rows`.
        """
        for rows in self.split_rows(batch_size):
            yield self.ids[rows[0] : rows[-1] + 1], self.read_rows(rows)

    @property
    def preprocessing(self) -> Description:
        """What the stimuli go through: how pictures are shown, parts of the transform, the layout.

        See `describe_preprocessing` for the parts of the transform.
        """
        described = describe_preprocessing(self.transform)
        parts = described.parts | self._describe_pictures()
        for key, names in self.layout.items():
            parts["layout" if key is None else f"layout of {key!r}"] = " ".join(names)
        return Description(parts, described.unseen)

    def _describe_pictures(self) -> dict[str, str]:
        pictures = list_pictures(self._items)
        if not pictures:
            display = getattr(self._items, "display", None)
            return {} if display is None else {"pictures": describe_display(display)}
        kinds = {picture.kind for picture in pictures}
        return describe_pictures(kinds, pictures[0].display, self.transform)

    def hash_content(self) -> str:
        """Return the sha256 of ids, raw content and preprocessing, as hex."""
        return hashlib.sha256(
            f"{self.hash_items()}\n{self.preprocessing.text}".encode()
        ).hexdigest()

    def hash_items(self) -> str:
        """Return the sha256 of ids and raw content, as hex."""
        digest = hashlib.sha256()
        for name, item in zip(self.ids, iterate_items(self._items), strict=True):
            digest.update(name.encode() + b"\0")
            _update_hash(digest, item)
        return digest.hexdigest()

    def hash_each(self) -> list[str]:
        """Return the sha256 of the raw content of each stimulus, as hex."""
        hashes = []
        for item in iterate_items(self._items):
            digest = hashlib.sha256()
            _update_hash(digest, item)
            hashes.append(digest.hexdigest())
        return hashes

    def _find_row(self, stimulus: Any) -> int:
        row = self._rows.get(write_id(stimulus))
        if row is None:
            raise refuse_id(stimulus, self._rows)
        return row

    def _prepare(self, item: Any, row: int) -> Any:
        """Return an item as the model sees it, before it is padded."""
        name = self.ids[row]
        if is_compound(item):
            shown = map_inputs(self._show_input, item)
            if not self._takes_all_inputs:
                return shown
            return check_inputs(self.transform(shown), name)  # type: ignore[misc]
        if isinstance(item, Picture):
            item = item.prepare(self.transform)
        elif self.transform is not None and is_picture(item):
            item = Image.fromarray(item)  # (height, width, 3)
        elif isinstance(item, str):
            self._check_text(item)
        elif type(self.transform) is ImageTransform:
            raise InputError(
                f"ImageTransform takes pictures, and {name!r} is an array of {item.dtype} of shape "
                f"{item.shape}. Pass transform=None, or pictures (n, height, width, 3) of uint8."
            )
        made = torch.as_tensor(item) if self.transform is None else self.transform(item)
        return check_inputs(made, name)

    def _show_input(self, part: Any) -> Any:
        """Return one of several inputs as the model sees it, or as the transform takes it."""
        shown = part
        if isinstance(part, str):
            self._check_text(part)
        elif isinstance(part, Picture):
            shown = part.prepare(self.transform)
        elif self.transform is not None and is_picture(part):
            shown = Image.fromarray(part)
        if self._takes_all_inputs:
            return shown
        if isinstance(shown, np.ndarray) or self.transform is None:
            return torch.as_tensor(shown)
        return self.transform(shown)

    def _check_text(self, text: str) -> None:
        """Raise InputError for a text that no transform turns into what the model takes."""
        if not self._takes_all_inputs:
            raise InputError(
                f"{text[:40]!r} is a text, and no transform turns it into what the model takes. "
                "Pass model=load_model(...), or transform=, such as a tokenizer's."
            )

    def _pad(self, stimulus: Any) -> Any:
        """Return a stimulus with its inputs in the shapes that they have for all of the set."""
        if not is_compound(stimulus):
            return stimulus
        padding = self.padding
        padded = {key: padding.pad(key, part) for key, part in list_inputs(stimulus)}
        return padded if isinstance(stimulus, dict) else tuple(padded.values())

    def _read_shapes(self, item: Any, row: int) -> dict[Key, Shape | None]:
        """Return the shape of each input of an item; None where the transform makes it the same."""
        if self._takes_all_inputs:
            item = self._prepare(item, row)
        if not is_compound(item):
            raise InputError(
                f"stimuli of one set must be of one kind: {self.ids[0]!r} has several inputs, "
                f"{self.ids[row]!r} is {type(item).__name__}"
            )
        shapes: dict[Key, Shape | None] = {}
        for key, part in list_inputs(item):
            is_cropped = self.transform is not None and not self._takes_all_inputs
            if is_cropped and (isinstance(part, Picture) or is_picture(part)):
                shapes[key] = None
            elif isinstance(part, Picture):
                shapes[key] = tuple(part.prepare(None).shape)
            else:
                shapes[key] = tuple(part.shape)
        return shapes


def _update_hash(digest: Any, item: Any) -> None:
    """Add the raw content of a stimulus to a hash: its file's, or an array's shape and values."""
    if is_compound(item):
        for key, part in list_inputs(item):
            digest.update(f"{key!r}:".encode())
            _update_hash(digest, part)
    elif isinstance(item, Picture):
        item.update_hash(digest)
    elif isinstance(item, str):
        digest.update(f"text of {len(item)}:".encode() + item.encode())
    else:
        digest.update(f"{item.shape}{item.dtype}".encode() + item.tobytes())
