"""StimulusSet: the stimuli shown to the model and the brain, by id."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd
import torch
from PIL import Image

from neurolens.errors import InputError
from neurolens.labels import list_names
from neurolens.stimuli.ids import order_metadata, refuse_id, write_id, write_ids
from neurolens.stimuli.images import ImageTransform, is_picture
from neurolens.stimuli.pictures import Picture, describe_display, describe_pictures
from neurolens.stimuli.preprocessing import Description, describe_preprocessing
from neurolens.stimuli.rows import choose_rows, iterate_items, read_block, wrap_items


class StimulusSet:
    """An ordered set of stimuli with unique ids; read one batch at a time.

    Attributes
    ----------
    ids : tuple of str
    metadata : DataFrame
        One row per stimulus, indexed by id (categories, flags, anything).
    transform : callable or None
        Turns one stimulus (a PIL image, or the array entry) into a tensor.

    Notes
    -----
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
    ) -> None:
        self.ids = write_ids(ids)
        if len(self.ids) != len(items):
            raise InputError(
                f"{len(items)} stimuli but {len(self.ids)} ids; pass one id per stimulus"
            )
        if not self.ids:
            raise InputError("the stimulus set is empty; pass at least one stimulus")
        self.transform = transform
        self._items = wrap_items(items)
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

    def __getitem__(self, stimulus: Any) -> torch.Tensor:
        """Return one stimulus, by id (a number or its text), as the model sees it."""
        row = self._find_row(stimulus)
        return self._prepare(self._items[row], row)

    def select(self, ids: Sequence[Any]) -> "StimulusSet":
        """Return the stimuli with these ids, in this order."""
        rows = [self._find_row(i) for i in ids]
        chosen = choose_rows(self._items, rows)
        names = [self.ids[row] for row in rows]
        return StimulusSet(chosen, names, self.transform, self.metadata.iloc[rows])

    def use_transform(self, transform: Callable[[Any], torch.Tensor] | None) -> "StimulusSet":
        """Return the same stimuli with another preprocessing."""
        return StimulusSet(self._items, self.ids, transform, self.metadata)

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

    def read_rows(self, rows: Sequence[int]) -> torch.Tensor:
        """Return the stimuli of some rows, as the model sees them: (row, ...).

        Raises
        ------
        InputError
            When a file cannot be read as an image, or the stimuli differ in shape.
        """
        items = read_block(self._items, rows)
        tensors = [self._prepare(item, r) for item, r in zip(items, rows, strict=True)]
        shapes = {tuple(t.shape) for t in tensors}
        if len(shapes) > 1:
            raise InputError(
                f"stimuli of one set must have one shape, got {sorted(shapes)} between "
                f"{self.ids[rows[0]]!r} and {self.ids[rows[-1]]!r}. Pass transform= to resize "
                "them."
            )
        dtypes = {str(t.dtype) for t in tensors}
        if len(dtypes) > 1:
            raise InputError(
                f"stimuli of one set must have one dtype, got {list_names(sorted(dtypes))} between "
                f"{self.ids[rows[0]]!r} and {self.ids[rows[-1]]!r}. Pass transform= to cast them."
            )
        return torch.stack(tensors)

    def iterate_batches(self, batch_size: int) -> Iterator[tuple[tuple[str, ...], torch.Tensor]]:
        """Yield (ids, tensor of shape (batch, ...)) in order.

        Batches are those of `split_rows`, errors those of `read_rows`.
        """
        for rows in self.split_rows(batch_size):
            yield self.ids[rows[0] : rows[-1] + 1], self.read_rows(rows)

    @property
    def preprocessing(self) -> Description:
        """What the stimuli go through: how pictures are shown, and parts of the transform.

        See `describe_preprocessing` for the latter.
        """
        described = describe_preprocessing(self.transform)
        return Description(described.parts | self._describe_pictures(), described.unseen)

    def _describe_pictures(self) -> dict[str, str]:
        if not isinstance(self._items, list):
            display = getattr(self._items, "display", None)
            return {} if display is None else {"pictures": describe_display(display)}
        kinds = {item.kind for item in self._items}
        return describe_pictures(kinds, self._items[0].display, self.transform)

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

    def _prepare(self, item: Any, row: int) -> torch.Tensor:
        """Return an item as the model sees it."""
        name = self.ids[row]
        if isinstance(item, Picture):
            item = item.prepare(self.transform)
        elif self.transform is not None and is_picture(item):
            item = Image.fromarray(item)  # (height, width, 3)
        elif type(self.transform) is ImageTransform:
            raise InputError(
                f"ImageTransform takes pictures, and {name!r} is an array of {item.dtype} of shape "
                f"{item.shape}. Pass transform=None, or pictures (n, height, width, 3) of uint8."
            )
        tensor = torch.as_tensor(item) if self.transform is None else self.transform(item)
        if not isinstance(tensor, torch.Tensor):
            raise InputError(
                f"transform must return a tensor, got {type(tensor).__name__} for {name!r}"
            )
        return tensor


def _update_hash(digest: Any, item: Any) -> None:
    """Add the raw content of a stimulus to a hash: its file's, or an array's shape and values."""
    if isinstance(item, Picture):
        item.update_hash(digest)
    else:
        digest.update(f"{item.shape}{item.dtype}".encode() + item.tobytes())
