"""StimulusSet: the stimuli shown to the model and the brain, by id."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
import torch

from neurolens.errors import InputError
from neurolens.stimuli.batches.inputs import (
    NO_PADDING,
    Batch,
    Key,
    Padding,
    Shape,
    is_compound,
    list_inputs,
    measure_inputs,
    read_layout,
    stack_stimuli,
)
from neurolens.stimuli.batches.preparation import (
    prepare_item,
    read_shape,
    show_input,
    takes_all_inputs,
)
from neurolens.stimuli.descriptions.preprocessing import Description, describe_preprocessing
from neurolens.stimuli.ids import order_metadata, refuse_id, write_id, write_ids
from neurolens.stimuli.media import Medium
from neurolens.stimuli.pictures.display import describe_display
from neurolens.stimuli.rows import (
    ColumnRows,
    choose_rows,
    has_one_shape,
    is_ragged,
    iterate_items,
    list_media,
    read_block,
    update_hash,
    wrap_items,
)
from neurolens.stimuli.sources.checks import check_count
from neurolens.stimuli.views.notebooks import write_html
from neurolens.stimuli.views.thumbnails import choose_shown, make_thumbnail, try_thumbnail

# Of stimuli shown to people.
N_IN_NOTEBOOK = 12
MOST_COLUMNS = 6


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
                f"{len(items)} stimuli but {len(self.ids)} ids; pass one id per stimulus",
                anchor="ids-missing",
            )
        if not self.ids:
            raise InputError(
                "the stimulus set is empty; pass at least one stimulus", anchor="no-stimuli-found"
            )
        self.transform = transform
        self._items = wrap_items(items)
        self._is_ragged = is_ragged(self._items)
        self._padding: Padding | None = None
        self._metadata: pd.DataFrame
        self._rows = {name: row for row, name in enumerate(self.ids)}
        table = metadata
        if table is None:
            table = pd.DataFrame(index=pd.Index(self.ids, name="stimulus"))
        self.metadata = table

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        columns = ", ".join(map(str, self.metadata.columns)) or "none"
        return f"<StimulusSet: {len(self)} stimuli, metadata: {columns}>"

    def _repr_html_(self) -> str:
        """Return a few stimuli as small pictures, for notebooks."""
        rows = choose_shown(len(self), N_IN_NOTEBOOK)
        shown = [try_thumbnail(self._items[row]) for row in rows]
        names = [self.ids[row] for row in rows]
        return write_html(shown, names, self._summarize(len(rows)), self.metadata)

    def show(self, n: int = 12, columns: int | None = None) -> Any:
        """Return a figure of some stimuli as they are, each under its id.

        Pictures are seen, of videos some frames, of sounds the waveform, texts as text, and of
        other arrays the shape. They are read, and nothing else is.

        Parameters
        ----------
        n : int
            How many, spread evenly over the set.
        columns : int, optional
            How many in a row; by default up to 6.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        InputError
            When a file cannot be read.
        """
        from neurolens.stimuli.views.figures import draw_stimuli

        check_count("n", n)
        if columns is not None:
            check_count("columns", columns)
        rows = choose_shown(len(self), n)
        shown = [make_thumbnail(self._items[row]) for row in rows]
        names = [self.ids[row] for row in rows]
        return draw_stimuli(shown, names, columns or MOST_COLUMNS, self._summarize(len(rows)))

    def get_thumbnail(self, stimulus: Any) -> Any:
        """Return one stimulus, by id, as a small PIL image, or in words where it is no picture.

        Raises
        ------
        UnknownNameError
            There is no stimulus of this id.
        InputError
            When its file cannot be read.
        """
        return make_thumbnail(self._items[self._find_row(stimulus)])

    def _summarize(self, n_shown: int) -> str:
        """Return how many stimuli there are, and what is known of them."""
        columns = ", ".join(map(str, self.metadata.columns)) or "none"
        shown = "" if n_shown == len(self) else f", {n_shown} shown"
        return f"{len(self)} stimuli{shown}; metadata: {columns}"

    def __getitem__(self, stimulus: Any) -> Any:
        """Return one stimulus, by id (a number or its text), as the model sees it.

        It is a tensor, or a dict or tuple of tensors.
        """
        row = self._find_row(stimulus)
        return self._pad(self._prepare(self._items[row], row))

    @property
    def metadata(self) -> pd.DataFrame:
        """One row per stimulus, in the order of the stimuli, indexed by id.

        Rows are matched by id wherever metadata are used: a table that was sorted, here or before
        it is assigned, is put back in the order of the stimuli. `InputError` tells of one that
        lacks a stimulus or has another index.
        """
        if list(self._metadata.index) != list(self.ids):
            self._metadata = order_metadata(self._metadata, self.ids)
        return self._metadata

    @metadata.setter
    def metadata(self, table: pd.DataFrame) -> None:
        if not isinstance(table, pd.DataFrame):
            raise InputError(
                f"metadata must be a DataFrame indexed by stimulus id, got {type(table).__name__}. "
                "Type e.g. stimuli.metadata = pandas.DataFrame(columns, index=stimuli.ids).",
                anchor="wrong-object",
            )
        self._metadata = order_metadata(table, self.ids)

    @property
    def lengths(self) -> pd.DataFrame:
        """The length of each stimulus in each input that is padded; no column where none is."""
        columns = {}
        for key, values in self.padding.lengths.items():
            columns["length" if key is None else str(key)] = list(values)
        return pd.DataFrame(columns, index=pd.Index(self.ids, name="stimulus"))

    @property
    def padding(self) -> Padding:
        """How inputs that differ in length are padded; the lengths of all stimuli are read once."""
        if self._padding is None:
            padding = NO_PADDING
            if self._may_differ():
                shapes = map(self._read_shapes, iterate_items(self._items), range(len(self)))
                padding = measure_inputs(shapes, self.ids)
            self._padding = padding
        return self._padding

    def _may_differ(self) -> bool:
        """Return whether stimuli may differ in length and are padded then."""
        if self._is_ragged:
            return True
        if takes_all_inputs(self.transform):
            return is_compound(self._prepare(self._items[0], 0))
        return not has_one_shape(self._items) and is_compound(self._items[0])

    def select(self, ids: Sequence[Any]) -> "StimulusSet":
        """Return the stimuli with these ids, in this order."""
        rows = [self._find_row(i) for i in ids]
        chosen = choose_rows(self._items, rows)
        names = [self.ids[row] for row in rows]
        selected = StimulusSet(chosen, names, self.transform, self.metadata.iloc[rows])
        selected.layout = self.layout
        first = self._items[rows[0]]
        selected._is_ragged = self._is_ragged
        if self._padding is not None or not isinstance(first, Medium) or self._is_ragged:
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
        if not isinstance(self._items, ColumnRows) or takes_all_inputs(self.transform):
            return self.read_rows(rows)[key]
        parts = []
        for part in read_block(self._items.columns[key], rows):
            parts.append(self.padding.pad(key, show_input(part, self.transform)))
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
        parts = described.parts | self._describe_media()
        for key, names in self.layout.items():
            parts["layout" if key is None else f"layout of {key!r}"] = " ".join(names)
        return Description(parts, described.unseen)

    def _describe_media(self) -> dict[str, str]:
        """Return what is done to pictures, sounds and videos before the transform."""
        by_noun: dict[str, list[Medium]] = {}
        for medium in list_media(self._items):
            by_noun.setdefault(medium.noun, []).append(medium)
        parts: dict[str, str] = {}
        for media in by_noun.values():
            parts |= media[0].describe_set(media, self.transform)
        display = getattr(self._items, "display", None)
        if not parts and display is not None:
            parts["pictures"] = describe_display(display)
        return parts

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
            update_hash(digest, item)
        return digest.hexdigest()

    def hash_each(self) -> list[str]:
        """Return the sha256 of the raw content of each stimulus, as hex."""
        hashes = []
        for item in iterate_items(self._items):
            digest = hashlib.sha256()
            update_hash(digest, item)
            hashes.append(digest.hexdigest())
        return hashes

    def _find_row(self, stimulus: Any) -> int:
        row = self._rows.get(write_id(stimulus))
        if row is None:
            raise refuse_id(stimulus, self._rows)
        return row

    def _prepare(self, item: Any, row: int) -> Any:
        """Return an item as the model sees it, before it is padded."""
        return prepare_item(item, self.transform, self.ids[row])

    def _pad(self, stimulus: Any) -> Any:
        """Return a stimulus with its inputs in the shapes that they have for all of the set."""
        if not is_compound(stimulus):
            return self.padding.pad(None, stimulus) if self._is_ragged else stimulus
        padding = self.padding
        padded = {key: padding.pad(key, part) for key, part in list_inputs(stimulus)}
        return padded if isinstance(stimulus, dict) else tuple(padded.values())

    def _read_shapes(self, item: Any, row: int) -> dict[Key, Shape | None]:
        """Return the shape of each input of an item; None where the transform makes it the same."""
        if takes_all_inputs(self.transform):
            item = self._prepare(item, row)
        if not is_compound(item):
            return {None: read_shape(item, self.transform)}
        return {key: read_shape(part, self.transform) for key, part in list_inputs(item)}
