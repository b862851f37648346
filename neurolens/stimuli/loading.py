"""Loading stimuli: ids, preprocessing and metadata of a set, from any source."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurolens.errors import InputError, warn_user
from neurolens.labels import list_names
from neurolens.stimuli.batches.inputs import is_compound, list_inputs
from neurolens.stimuli.media import Listing
from neurolens.stimuli.pictures.display import MAX_PIXELS, Display, Picture
from neurolens.stimuli.pictures.images import ImageTransform, is_picture
from neurolens.stimuli.rows import ColumnRows, ItemRows, check_pictures, list_media
from neurolens.stimuli.sets import StimulusSet
from neurolens.stimuli.sources.kinds import Reading, check_kind
from neurolens.stimuli.sources.labelling import label_stimuli
from neurolens.stimuli.sources.reading import read_source
from neurolens.stimuli.videos.clips import Clip


def load_stimuli(
    source: Any,
    *,
    ids: Sequence[Any] | str | None = None,
    model: Any = None,
    kind: Any = None,
    transform: Callable[[Any], torch.Tensor] | str | None = "auto",
    metadata: pd.DataFrame | None = None,
    value_range: tuple[float, float] | None = None,
    background: tuple[int, int, int] = (255, 255, 255),
    max_pixels: int = MAX_PIXELS,
    layout: str | dict[str, str] | Sequence[str] | None = None,
) -> StimulusSet:
    """Return stimuli with ids, from a folder, a table, files, arrays, or several inputs each.

    ::

        load_stimuli("images/")                                     # sub-folders are categories
        load_stimuli("words/", kind="sound", model=load_model("hf/openai/whisper-tiny"))
        load_stimuli("movie.mp4", kind=nl.stimuli.Video(window=2))  # a stimulus every 2 s

    Parameters
    ----------
    source : path, sequence, array, table or Dataset
        - A folder of images, sounds or videos, with its sub-folders; a file, or a list of these.
        - A table (CSV, TSV, Parquet or a DataFrame) with a column of files named ``path``,
          ``file``, ``stim_file``, ``image`` or the like, relative to the table's folder, to
          ``images`` or ``stimuli`` in it, or to ``stimuli`` of its BIDS data set; other columns
          become metadata. A stimulus in several rows, as in a table of events, is loaded once.
        - An array with stimuli along its first axis (NumPy, torch, HDF5, Zarr, a memory map);
          ``"file.hdf5::name"`` for one in an HDF5 file, of which only rows that are used are read.
        - A list of pictures of Pillow, or of arrays; anything with ``len`` and items, such as a
          torch ``Dataset``, whose items are stimuli or pairs of one and a label, which is left out.
        - Stimuli of several inputs: dicts of the model's keyword arguments or tuples of its
          positional ones, in a list or Dataset, or as a dict or tuple of arrays or lists with one
          row per stimulus. Numbers and texts at the end of a tuple are labels, and left out; in a
          dict, every entry goes to the model.

        Arrays of type uint8 and shape (stimulus, height, width, 3) are pictures; others go to the
        model as they are, float64 and bfloat16 as float32.
    ids : sequence, or name of a column of the table, optional
        Text, numbers or bytes, which become text. Default: of a folder, the path of each file below
        it without suffix (``cat``, ``animals/cat``); of a table, its column ``stimulus_id``, or the
        names of its files without folder and suffix, as of a list of files; ``stim000``,
        ``stim001`` ... for others. Bytes of names that are not UTF-8 are read as Latin-1.
    model : LoadedModel, optional
        What ``load_model`` returned: its transform is used, and its rate of sounds.
    kind : str, Sound, Video or Text, optional
        "picture", "sound", "video" or "text", or one of `Sound`, `Video` and `Text` with settings.
        Default: what the suffixes of the files say; a list of texts needs "text". Of several
        inputs, a dict by their names, for those that are not told.
    transform : callable, None or "auto"
        Turns a PIL image, a waveform, the frames of a video, a text or an array's entry into a
        tensor, or a dict or tuple of tensors. ``"auto"``: `ImageTransform` for pictures and frames
        of videos, nothing for others. Pass the one your model was trained with, e.g.
        ``weights.transforms()``. It takes pictures in RGB of 8 bits; `ImageTransform` takes those
        of more bits without rounding. With None, the numbers are handed on: gray of shape (height,
        width), others in RGB. Of several inputs, ``"auto"``, None and an `ImageTransform` concern
        the pictures; any other function takes the whole dict or tuple.
    metadata : DataFrame, optional
        One row per stimulus (per file or text, where stimuli are parts of these), indexed by id;
        rows are matched by id.
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
        Its metadata have a column ``category``, the sub-folder, where a folder has some.

    Raises
    ------
    InputError
        When the source does not exist, is empty, or holds a broken file: every file is opened here,
        in the format of its suffix. Files that were cut short are found; other damage inside a
        picture only when it is read, which may be late in a long run. Also where files are of
        several kinds, where a picture is animated or too large, or its range cannot be told, and
        where a Dataset gives another first item each time.
    LabelError
        When ids repeat, or differ by type only, such as 7 and "7".
    MissingToolError
        When sounds, videos or Parquet files need a package that is not installed.

    Notes
    -----
    Of a folder, hidden files are left out; of others that are not of the kind, a warning tells.

    Inputs of a dict or tuple, and sounds, that differ in length along one axis are padded with
    zeros, at their end, to the longest of the set, with a warning: results then include the padded
    positions, which ``reducer="mean"`` leaves out where results have the positions of the inputs.
    A transform that makes one tensor of each stimulus has to make tensors of one shape.
    ``stimuli.lengths`` holds the lengths. To find them, Datasets and transforms are run over the
    set once. An input named ``attention_mask``, 1 where a position counts, says the same of stimuli
    that were padded before.

    Pictures are turned as their EXIF data says. What is done to each kind of picture, sound and
    video is in ``.preprocessing.parts``, and so in the provenance of results.

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
    column = ids if isinstance(ids, str) else None
    reading = Reading(
        display=display,
        decode=transform is not None,
        kind=None if isinstance(kind, Mapping) else check_kind(kind),
        kinds=_list_kinds(kind),
        model_rate=getattr(transform, "sampling_rate", None),
        id_column=column,
    )
    listing = read_source(source, reading)
    items = listing.items
    _check_inputs(listing, reading)
    _check_range(items, display)
    first = items[0] if len(items) > 0 else None
    check_pictures(first, transform)
    chosen: Any = _choose_transform(first) if isinstance(transform, str) else transform
    if model is not None and type(chosen) is ImageTransform and isinstance(transform, str):
        _warn_of_default(model)
    if layout is None and isinstance(first, Clip) and type(chosen) is ImageTransform:
        layout = "frame channel y x"
    names, table = label_stimuli(listing, None if column else ids, metadata)
    return StimulusSet(items, names, chosen, table, layout)


def _list_kinds(kind: Any) -> dict[Any, Any]:
    """Return the kinds of several inputs, where they were given."""
    named = kind if isinstance(kind, Mapping) else {}
    return {key: check_kind(one) for key, one in named.items()}


def _choose_transform(first: Any) -> ImageTransform | None:
    """Return the usual transform of stimuli such as the first."""
    parts = [part for _, part in list_inputs(first)] if is_compound(first) else [first]
    shows = any(isinstance(part, (Picture, Clip)) or is_picture(part) for part in parts)
    return ImageTransform() if shows else None


def _check_inputs(listing: Listing, reading: Reading) -> None:
    """Raise InputError for settings of inputs or of a table where there are none."""
    if reading.kinds and not isinstance(listing.items, ColumnRows):
        raise InputError(
            "kind= as a dict is for stimuli of several inputs, by their names. Type e.g. "
            "kind='sound'."
        )
    if reading.id_column is not None and not listing.has_columns:
        raise InputError(
            f"ids must be a list with one id per stimulus, got {reading.id_column!r}, which would "
            "be a column of a table. Type e.g. ids=['cat', 'dog'].",
            anchor="ids-missing",
        )


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


def _warn_of_default(model: Any) -> None:
    """Warn that pictures are prepared as for ImageNet: the model's source does not say how."""
    name = type(model.model).__name__ if model.identity is None else model.identity.name
    warn_user(
        f"the source of {name} does not say how pictures are prepared: "
        "ImageTransform is used, as for networks trained on ImageNet. Pass transform= instead of "
        "model= with what the network was trained with."
    )


def _make_tuple(value: Any) -> Any:
    """Return a list or array as a tuple, others as they are."""
    return tuple(value) if isinstance(value, (list, np.ndarray)) else value


def _check_range(items: Any, display: Display) -> None:
    """Raise InputError for a range that holds for no picture, or for pictures of several kinds."""
    pictures = [medium for medium in list_media(items) if isinstance(medium, Picture)]
    may_hold_others = isinstance(items, (ItemRows, ColumnRows)) and not pictures
    if display.value_range is None or may_hold_others:
        return
    kinds = {item.kind.depth for item in pictures if item.kind.is_deep}
    if len(kinds) == 0:
        raise InputError(
            f"value_range={display.value_range} is for pictures of more than 8 bits, and there are "
            "none here. Leave it out.",
            anchor="value-range",
        )
    if len(kinds) > 1:
        raise InputError(
            f"value_range={display.value_range} cannot hold for pictures of "
            f"{list_names(sorted(kinds))}. Load them separately.",
            anchor="value-range",
        )


def _check_settings(ids: Any, transform: Any, metadata: Any) -> None:
    """Raise InputError for settings of another kind than `load_stimuli` takes."""
    has_order = isinstance(ids, Iterable) and not isinstance(ids, (Set, Mapping, pd.DataFrame))
    if ids is not None and not has_order:
        raise InputError(
            "ids must be a list with one id per stimulus, in the order of the stimuli, got "
            f"{ids if not isinstance(ids, Iterable) else type(ids).__name__}. Type e.g. "
            "ids=['cat', 'dog'].",
            anchor="ids-missing",
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
            "Type metadata=pandas.DataFrame(columns, index=ids).",
            anchor="wrong-object",
        )
