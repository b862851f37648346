"""StimulusSet: the stimuli shown to the model and the brain, by id."""

import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from PIL import Image
from torch import nn

from neurolens.errors import InputError
from neurolens.labels import check_unique, list_names, suggest_name
from neurolens.stimuli.images import ImageTransform, is_picture, list_images, open_image
from neurolens.stimuli.preprocessing import Description, describe_preprocessing


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
        self.ids = tuple(str(i) for i in ids)
        if len(self.ids) != len(items):
            raise InputError(
                f"{len(items)} stimuli but {len(self.ids)} ids; pass one id per stimulus"
            )
        if not self.ids:
            raise InputError("the stimulus set is empty; pass at least one stimulus")
        check_unique(self.ids, "stimulus ids")
        self.transform = transform
        self._items = items
        self.metadata = (
            pd.DataFrame(index=pd.Index(self.ids, name="stimulus"))
            if metadata is None
            else metadata
        )
        if list(self.metadata.index) != list(self.ids):
            raise InputError(
                "metadata must have one row per stimulus, indexed by stimulus id in the same order"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        columns = ", ".join(self.metadata.columns) or "none"
        return f"<StimulusSet: {len(self)} stimuli, metadata: {columns}>"

    def __getitem__(self, stimulus: str) -> torch.Tensor:
        """Return one stimulus, by id, as the model sees it."""
        if stimulus not in self.ids:
            raise suggest_name(str(stimulus), self.ids, "stimulus")
        return self._read(self.ids.index(stimulus))

    def select(self, ids: Sequence[str]) -> "StimulusSet":
        """Return the stimuli with these ids, in this order."""
        position = {name: i for i, name in enumerate(self.ids)}
        unknown = [i for i in ids if i not in position]
        if unknown:
            raise suggest_name(str(unknown[0]), self.ids, "stimulus")
        rows = [position[i] for i in ids]
        return StimulusSet(
            [self._items[r] for r in rows], list(ids), self.transform, self.metadata.iloc[rows]
        )

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

    def read_rows(self, rows: range) -> torch.Tensor:
        """Return the stimuli of some rows, as the model sees them: (row, ...).

        Raises
        ------
        InputError
            When a file cannot be read as an image, or the stimuli differ in shape.
        """
        tensors = [self._read(r) for r in rows]
        shapes = {tuple(t.shape) for t in tensors}
        if len(shapes) > 1:
            raise InputError(
                f"stimuli of one set must have one shape, got {sorted(shapes)} between "
                f"{self.ids[rows[0]]!r} and {self.ids[rows[-1]]!r}. Pass transform= to resize "
                "them."
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
        """The parts that the preprocessing computes from; see `describe_preprocessing`."""
        return describe_preprocessing(self.transform)

    def hash_content(self) -> str:
        """Return the sha256 of ids, raw content and preprocessing, as hex."""
        return hashlib.sha256(
            f"{self.hash_items()}\n{self.preprocessing.text}".encode()
        ).hexdigest()

    def hash_items(self) -> str:
        """Return the sha256 of ids and raw content, as hex."""
        digest = hashlib.sha256()
        for name, item in zip(self.ids, self._items, strict=True):
            digest.update(name.encode() + b"\0" + _read_raw(item))
        return digest.hexdigest()

    def hash_each(self) -> list[str]:
        """Return the sha256 of the raw content of each stimulus, as hex."""
        return [hashlib.sha256(_read_raw(item)).hexdigest() for item in self._items]

    def _read(self, row: int) -> torch.Tensor:
        item = self._items[row]
        if isinstance(item, Path):
            item = open_image(item)
        elif is_picture(item) and self.transform is not None:
            item = Image.fromarray(np.asarray(item))  # (height, width, 3)
        tensor = torch.as_tensor(np.array(item)) if self.transform is None else self.transform(item)
        if not isinstance(tensor, torch.Tensor):
            raise InputError(
                f"transform must return a tensor, got {type(tensor).__name__} for {self.ids[row]!r}"
            )
        return tensor


def _read_raw(item: Any) -> bytes:
    """Return the raw content of a stimulus: of its file, or of an array with its shape and type."""
    if isinstance(item, Path):
        return item.read_bytes()
    array = np.ascontiguousarray(item)
    return f"{array.shape}{array.dtype}".encode() + array.tobytes()


def load_stimuli(
    source: Any,
    *,
    ids: Sequence[str] | None = None,
    transform: Callable[[Any], torch.Tensor] | str | None = "auto",
    metadata: pd.DataFrame | None = None,
) -> StimulusSet:
    """Return stimuli with ids, from a folder, a list of files, or an array.

    Parameters
    ----------
    source : path, sequence of paths, array or tensor
        A folder of images (read in sorted order of their names), image files, or an array with
        stimuli along its first axis. Arrays of type uint8 and shape (n, height, width, 3) are
        pictures; other arrays go to the model as they are, float64 and bfloat16 as float32.
    ids : sequence of str, optional
        Default: file names without suffix; ``stim000``, ``stim001`` ... for arrays.
    transform : callable, None or "auto"
        Turns a PIL image (or an array's entry) into a tensor. ``"auto"``: `ImageTransform` for
        pictures, nothing for other arrays. Pass the one your model was trained with, e.g.
        ``weights.transforms()``.
    metadata : DataFrame, optional
        One row per stimulus, indexed by id; rows are put into the stimuli's order by id.

    Returns
    -------
    StimulusSet

    Raises
    ------
    InputError
        When the source does not exist, is empty, or holds a broken image: every file is opened
        here. A PNG, JPEG or GIF that was cut short is found; other damage inside a picture (and any
        in formats such as WebP or TIFF) only when the picture is read, which may be late in a long
        run.
    LabelError
        When ids repeat.

    Examples
    --------
    >>> import numpy as np
    >>> stimuli = load_stimuli(np.zeros((2, 3, 8, 8), np.float32), ids=["cat", "dog"])
    >>> [(ids, tuple(batch.shape)) for ids, batch in stimuli.iterate_batches(2)]
    [(('cat', 'dog'), (2, 3, 8, 8))]
    """
    _check_settings(ids, transform, metadata)
    items = _read_source(source, transform)
    from_files = len(items) > 0 and isinstance(items[0], Path)
    if from_files:
        for path in items:
            open_image(path, verify_only=True)
    if ids is None and from_files:
        ids = [path.stem for path in items]
    elif ids is None:
        ids = [f"stim{i:03d}" for i in range(len(items))]
    chosen: Any = transform
    if isinstance(transform, str):
        of_pictures = from_files or (len(items) > 0 and is_picture(items[0]))
        chosen = ImageTransform() if of_pictures else None
    if metadata is not None:
        metadata = _order_metadata(metadata, [str(i) for i in ids])
    return StimulusSet(items, ids, chosen, metadata)


def _check_settings(ids: Any, transform: Any, metadata: Any) -> None:
    """Raise InputError for settings of another kind than `load_stimuli` takes."""
    if ids is not None and (isinstance(ids, str) or not isinstance(ids, Iterable)):
        raise InputError(
            f"ids must be a list with one id per stimulus, got {ids!r}. Type e.g. "
            "ids=['cat', 'dog']."
        )
    is_known = transform == "auto" if isinstance(transform, str) else callable(transform)
    if transform is not None and not is_known:
        raise InputError(
            f"transform must be a function of one stimulus, None or 'auto', got {transform!r}. "
            "Type e.g. transform=weights.transforms()."
        )
    if metadata is not None and not isinstance(metadata, pd.DataFrame):
        raise InputError(
            f"metadata must be a DataFrame indexed by stimulus id, got {type(metadata).__name__}. "
            "Type metadata=pandas.DataFrame(columns, index=ids)."
        )


def _read_source(source: Any, transform: Any) -> Sequence[Any]:
    """Return the stimuli of a source: paths of files, or array entries."""
    if isinstance(source, StimulusSet):
        raise InputError("this is a StimulusSet already; use it as it is, or .select(ids)")
    if isinstance(source, (str, Path)):
        return list_images(Path(source))
    if isinstance(source, (np.ndarray, torch.Tensor)):
        return _split_array(source, transform)
    if not isinstance(source, (list, tuple)):
        source = _list_paths(source)
    if source and isinstance(source[0], (np.ndarray, torch.Tensor)):
        raise InputError(
            "a list of arrays was passed; stack them into one with numpy.stack or torch.stack"
        )
    wrong = [item for item in source if not isinstance(item, (str, os.PathLike))]
    if wrong:
        raise InputError(
            f"a list of stimuli must hold paths of image files, got {type(wrong[0]).__name__}. "
            "Stack arrays into one with numpy.stack."
        )
    paths = [Path(item) for item in source]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputError(f"these stimulus files do not exist: {list_names(missing)}")
    return paths


def _list_paths(source: Any) -> list[Any]:
    """Return the paths in a source that is no list or array; raise InputError if it holds none."""
    is_labelled = isinstance(source, (xr.DataArray, xr.Dataset, xr.DataTree, pd.DataFrame, dict))
    if is_labelled or isinstance(source, nn.Module) or not isinstance(source, Iterable):
        fix = " Type load_stimuli(array.values)." if isinstance(source, xr.DataArray) else ""
        raise InputError(
            "stimuli are loaded from a folder of images, a list of image files or an array, got "
            f"{type(source).__name__}.{fix or ' Type e.g. load_stimuli(numpy.stack(images)).'}"
        )
    return list(source)


def _order_metadata(metadata: pd.DataFrame, ids: list[str]) -> pd.DataFrame:
    """Return metadata with its rows in the order of the stimuli."""
    unknown = [i for i in ids if i not in metadata.index]
    if unknown or len(metadata) != len(ids):
        raise InputError(
            f"metadata needs exactly one row per stimulus id; without a row: {list_names(unknown)}"
        )
    return metadata.loc[ids]


def _split_array(source: np.ndarray | torch.Tensor, transform: Any) -> list[np.ndarray]:
    """Return an array's entries along its first axis, float64 and bfloat16 as float32."""
    if isinstance(source, torch.Tensor):
        source = source.detach().cpu()
        source = source.float().numpy() if source.dtype == torch.bfloat16 else source.numpy()
    if source.dtype.kind not in "biufc":
        raise InputError(
            f"an array of stimuli must hold numbers, got {source.dtype}. Pass files as a list of "
            "paths, and stack arrays with numpy.stack."
        )
    if source.ndim < 2:
        raise InputError(
            f"an array of stimuli needs them along its first axis, got shape {source.shape}"
        )
    is_picture_like = source.dtype == np.uint8 and source.ndim > 2
    if is_picture_like and source.shape[-1] != 3 and isinstance(transform, str):
        raise InputError(
            "uint8 arrays are read as pictures of shape (n, height, width, 3), got "
            f"{source.shape}. Move the axes, or pass transform=None to give the numbers to the "
            "model as they are."
        )
    return list(source.astype(np.float32) if source.dtype == np.float64 else source)
