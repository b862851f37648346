"""Loading stimuli: ids, preprocessing and metadata of a set, from any source."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurolens.errors import InputError
from neurolens.labels import list_names
from neurolens.stimuli.files import PictureFile
from neurolens.stimuli.ids import order_metadata, write_ids
from neurolens.stimuli.images import ImageTransform, is_picture
from neurolens.stimuli.inputs import is_compound, list_inputs
from neurolens.stimuli.pictures import MAX_PIXELS, Display, Picture
from neurolens.stimuli.rows import ColumnRows, ItemRows, check_pictures, list_pictures
from neurolens.stimuli.sets import StimulusSet
from neurolens.stimuli.sources import read_source, read_texts


def load_stimuli(
    source: Any,
    *,
    ids: Sequence[Any] | None = None,
    model: Any = None,
    kind: str | None = None,
    transform: Callable[[Any], torch.Tensor] | str | None = "auto",
    metadata: pd.DataFrame | None = None,
    value_range: tuple[float, float] | None = None,
    background: tuple[int, int, int] = (255, 255, 255),
    max_pixels: int = MAX_PIXELS,
    layout: str | dict[str, str] | Sequence[str] | None = None,
) -> StimulusSet:
    """Return stimuli with ids, from a folder, a list of files, an array, or several inputs each.

    Parameters
    ----------
    source : path, sequence, array or Dataset
        A folder of images (read in sorted order of their names); a list of image files, of pictures
        of Pillow or of arrays; an array with stimuli along its first axis (NumPy, torch, HDF5,
        Zarr, a memory map); or anything with ``len`` and items, such as a torch ``Dataset``, whose
        items are stimuli or pairs of one and a label, which is left out. A stimulus of several
        inputs is a dict of the model's keyword arguments or a tuple of its positional ones, such as
        token ids and a mask: in a list or a Dataset, or as a dict or tuple of arrays or lists with
        one row per stimulus. Numbers and texts at the end of a tuple are labels, and left out; in a
        dict, every entry goes to the model. Arrays and Datasets are read when they are used.
        Entries of type uint8 and shape (height, width, 3) are pictures; others go to the model as
        they are, float64 and bfloat16 as float32.
    ids : sequence, optional
        Text, numbers or bytes, which become text. Default: file names without suffix (bytes that
        are not UTF-8 read as Latin-1); ``stim000``, ``stim001`` ... for others.
    model : LoadedModel, optional
        What ``load_model`` returned: its transform is used.
    kind : str, optional
        "text" for a list of texts, which are otherwise taken for the names of files. Their
        transform turns each into a tensor or a dict of tensors. Pictures with texts are a dict of
        both, ``{"images": files, "text": texts}``, without ``kind``.
    transform : callable, None or "auto"
        Turns a PIL image (or an array's entry) into a tensor. ``"auto"``: `ImageTransform` for
        pictures, nothing for other arrays. Pass the one your model was trained with, e.g.
        ``weights.transforms()``. It takes pictures in RGB of 8 bits; `ImageTransform` takes those
        of more bits without rounding. With None, the numbers of a picture are handed on: gray of
        shape (height, width), others in RGB. Of several inputs, ``"auto"``, None and an
        `ImageTransform` concern the pictures; any other function takes the whole dict or tuple. It
        may return a tensor, or a dict or tuple of tensors.
    metadata : DataFrame, optional
        One row per stimulus, indexed by id; rows are put into the stimuli's order by id.
    value_range : tuple of float, optional
        Values of black and white in pictures of more than 8 bits, e.g. (0, 4095). Default: 0 and
        65535 for 16 bits, 0 and 1 for floats; where the values do not tell, an error asks for it.
    background : tuple of int
        RGB, 0 to 255, that is seen through transparent pixels. Default: white.
    max_pixels : int
        Width times height of the largest picture to decode.
    layout : str, dict or sequence, optional
        Names of the axes of one stimulus as the model sees it, such as ``"frame channel y x"`` for
        clips; of several inputs a dict by name or a tuple by position. Results name their
        dimensions after them, and reducers pool by these names. Default: the model tells, by what
        it does with each axis; where it does not, ``dim_k``.

    Returns
    -------
    StimulusSet

    Raises
    ------
    InputError
        When the source does not exist, is empty, or holds a broken image: every file is opened
        here, in the format of its suffix. A PNG, JPEG or GIF that was cut short is found; other
        damage inside a picture (and any in formats such as WebP or TIFF) only when the picture is
        read, which may be late in a long run. Also where a file is animated or too large, where the
        range of a picture cannot be told or its values are beyond ``value_range``, and where a
        Dataset gives another first item each time.
    LabelError
        When ids repeat, or differ by type only, such as 7 and "7".

    Notes
    -----
    Of several inputs, one that differs in length along one axis is padded with zeros, at its end,
    to the longest of the set, with a warning: results then include the padded positions, which
    ``reducer="mean"`` leaves out. ``stimuli.lengths`` holds the lengths. To find them, Datasets and
    transforms are run over the set once. An input named ``attention_mask``, 1 where a position
    counts, says the same of stimuli that were padded before.

    Pictures are turned as their EXIF data says. What is done to each kind of picture is in
    ``.preprocessing.parts``, and so in the provenance of results.

    Examples
    --------
    >>> import numpy as np
    >>> stimuli = load_stimuli(np.zeros((2, 3, 8, 8), np.float32), ids=["cat", "dog"])
    >>> [(ids, tuple(batch.shape)) for ids, batch in stimuli.iterate_batches(2)]
    [(('cat', 'dog'), (2, 3, 8, 8))]
    >>> tokens = np.array([[5, 7, 2], [4, 0, 0]])
    >>> load_stimuli({"input_ids": tokens, "attention_mask": tokens != 0})["stim001"]
    {'input_ids': tensor([4, 0, 0]), 'attention_mask': tensor([ True, False, False])}
    """
    _check_settings(ids, transform, metadata)
    if model is not None:
        transform = _take_transform(model, transform)
    display = Display(_make_tuple(background), _make_tuple(value_range), max_pixels)
    if kind is None:
        items = read_source(source, display, decode=transform is not None)
    else:
        items = read_texts(source, kind)
    _check_range(items, display)
    first = items[0] if len(items) > 0 else None
    check_pictures(first, transform)
    chosen: Any = transform
    if isinstance(transform, str):
        parts = [part for _, part in list_inputs(first)] if is_compound(first) else [first]
        shows_pictures = any(isinstance(part, Picture) or is_picture(part) for part in parts)
        chosen = ImageTransform() if shows_pictures else None
    if ids is None:
        ids = _name_items(items)
    texts = write_ids(ids)
    if metadata is not None:
        metadata = order_metadata(metadata, texts)
    return StimulusSet(items, texts, chosen, metadata, layout)


def _take_transform(model: Any, transform: Any) -> Any:
    """Return the transform of what ``load_model`` returned; "auto" where its source states none."""
    if not hasattr(model, "identity") or not hasattr(model, "transform"):
        raise InputError(
            f"model must be what load_model returned, got {type(model).__name__}. Pass transform= "
            "for a model of your own."
        )
    if transform != "auto":
        raise InputError(
            "model= and transform= both say how stimuli are prepared. Pass one of the two."
        )
    return transform if model.transform is None else model.transform


def _name_items(items: Any) -> list[str]:
    """Return the ids of stimuli by default."""
    if len(items) > 0 and isinstance(items, list) and isinstance(items[0], PictureFile):
        return [item.path.stem for item in items]
    return [f"stim{i:03d}" for i in range(len(items))]


def _make_tuple(value: Any) -> Any:
    """Return a list or array as a tuple, others as they are."""
    return tuple(value) if isinstance(value, (list, np.ndarray)) else value


def _check_range(items: Any, display: Display) -> None:
    """Raise InputError for a range that holds for no picture, or for pictures of several kinds."""
    pictures = list_pictures(items)
    may_hold_others = isinstance(items, (ItemRows, ColumnRows)) and not pictures
    if display.value_range is None or may_hold_others:
        return
    kinds = {item.kind.depth for item in pictures if item.kind.is_deep}
    if len(kinds) == 0:
        raise InputError(
            f"value_range={display.value_range} is for pictures of more than 8 bits, and there are "
            "none here. Leave it out."
        )
    if len(kinds) > 1:
        raise InputError(
            f"value_range={display.value_range} cannot hold for pictures of "
            f"{list_names(sorted(kinds))}. Load them separately."
        )


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
