"""Stimuli in the document: one sheet of small pictures, with ids and categories."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neurolens.errors import InputError, LabelError
from neurolens.labels import list_names
from neurolens.view.page.document.budget import MOST_TILES
from neurolens.view.style import read_hex

if TYPE_CHECKING:
    from PIL.Image import Image

# Side of a tile, in pixels.
TILE = 44
MOST_COLUMNS = 12
QUALITY = 60
BACKGROUND = (243, 245, 248)
# Of numbered tiles, one color per category; they repeat after ten.
CATEGORY_COLORS = (
    "#3B6FB6", "#B4652B", "#4D8B57", "#8E5BA6", "#B0475B", "#4A8A96", "#8A7A2E", "#6A6F7B",
    "#2F7F6E", "#A85B8E",
)  # fmt: skip


class Shown(NamedTuple):
    """Stimuli to show: ids, a category of each or None, and small pictures where there are any."""

    ids: list[str]
    category: list[str] | None
    pictures: "list[Image] | None"


def describe_stimuli(
    stimuli: Any, ids: Sequence[Any] | None, category: Sequence[Any] | None = None
) -> tuple[dict[str, Any] | None, list[str]]:
    """Return the sheet of small pictures, and sentences on what is left out.

    Where pictures cannot be shown, tiles have numbers, colored by category.

    Parameters
    ----------
    stimuli : StimulusSet, array (stimulus, row, column[, 3]), or None
        An array has the stimuli in the order of ``ids``, as whole numbers from 0 to 255 or
        fractions from 0 to 1.
    ids : sequence, optional
        Those to show, in this order; by default those of ``stimuli``.
    category : sequence, optional
        One per id; by default the column ``category`` of the set's metadata.

    Raises
    ------
    InputError
        For anything else.
    LabelError
        When the set lacks an id.
    """
    if stimuli is None and ids is None:
        return None, []
    shown = read_stimuli(stimuli, ids, category)
    n = len(shown.ids)
    if n > MOST_TILES:
        return None, [f"Pictures of {n} stimuli are not in this file: they would be too many."]
    columns = min(MOST_COLUMNS, n)
    described = {
        "ids": shown.ids,
        "category": shown.category,
        "tile": TILE,
        "columns": columns,
        "numbered": shown.pictures is None,
        "sprite": _write_sheet(shown, columns),
    }
    return described, []


def read_stimuli(
    stimuli: Any, ids: Sequence[Any] | None, category: Sequence[Any] | None = None
) -> Shown:
    """Return ids, categories and small pictures of stimuli."""
    names = None if ids is None else [str(one) for one in ids]
    groups = None if category is None else [str(one) for one in category]
    if stimuli is None:
        return Shown(names or [], groups, None)
    if hasattr(stimuli, "ids") and hasattr(stimuli, "get_thumbnail"):
        return _read_set(stimuli, names, groups)
    pictures = read_pictures(stimuli)
    names = names or [str(i) for i in range(len(pictures))]
    if len(names) != len(pictures):
        raise LabelError(
            f"stimuli must be one picture for each of the {len(names)} stimuli of rdms, in their "
            f"order, got {len(pictures)}. Pass load_stimuli(pictures, ids=ids), which is matched "
            "by id."
        )
    return Shown(names, groups, pictures)


def read_pictures(stimuli: Any) -> "list[Image]":
    """Return the pictures of an array (stimulus, row, column[, 3])."""
    from PIL import Image

    array = np.asarray(stimuli)
    is_gray = array.ndim == 3
    is_color = array.ndim == 4 and array.shape[-1] == 3
    if not (is_gray or is_color) or array.dtype.kind not in "uif":
        raise InputError(
            "stimuli must be a StimulusSet or an array (stimulus, row, column) or (stimulus, row, "
            f"column, 3), got {type(stimuli).__name__} of {array.dtype} with shape {array.shape}. "
            "Pass load_stimuli(...)."
        )
    if array.dtype.kind == "f":
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise InputError(
                "stimuli as fractions must be from 0 to 1, without NaN. Pass whole numbers from 0 "
                "to 255, or load_stimuli(...)."
            )
        array = np.rint(255 * array)
    elif array.min() < 0 or array.max() > 255:
        raise InputError(
            f"stimuli as whole numbers must be from 0 to 255, got {array.min()} to {array.max()}. "
            "Scale them."
        )
    return [Image.fromarray(one) for one in array.astype(np.uint8)]


def _read_set(stimuli: Any, names: list[str] | None, groups: list[str] | None) -> Shown:
    held = [str(one) for one in stimuli.ids]
    names = names or held
    missing = sorted(set(names) - set(held))
    if missing:
        raise LabelError(
            f"stimuli must hold every stimulus of rdms, but there is no {list_names(missing)}. "
            "Pass the StimulusSet that the RDMs were made from."
        )
    if len(names) > MOST_TILES:
        return Shown(names, groups, None)
    chosen = stimuli.select(names)
    if groups is None and "category" in chosen.metadata:
        groups = [str(one) for one in chosen.metadata["category"]]
    return Shown(names, groups, _list_thumbnails(chosen))


def _list_thumbnails(stimuli: Any) -> "list[Image] | None":
    """Return a small picture of each stimulus; None where one is no picture, or cannot be read."""
    pictures = []
    for name in stimuli.ids:
        try:
            picture = stimuli.get_thumbnail(name)
        except InputError:
            return None
        if isinstance(picture, str):
            return None
        pictures.append(picture)
    return pictures


def _write_sheet(shown: Shown, columns: int) -> str:
    """Return all tiles as one picture, in rows of ``columns``, as a data address."""
    from PIL import Image, ImageOps

    n_rows = -(-len(shown.ids) // columns)
    sheet = Image.new("RGB", (columns * TILE, n_rows * TILE), BACKGROUND)
    tiles = _draw_numbers(shown) if shown.pictures is None else shown.pictures
    for i, tile in enumerate(tiles):
        fitted = ImageOps.pad(tile.convert("RGB"), (TILE, TILE), color=BACKGROUND)
        row, column = divmod(i, columns)
        sheet.paste(fitted, (column * TILE, row * TILE))
    buffer = io.BytesIO()
    if shown.pictures is None:
        sheet.quantize(64).save(buffer, "PNG", optimize=True)
        return _embed(buffer, "png")
    sheet.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return _embed(buffer, "jpeg")


def _draw_numbers(shown: Shown) -> "list[Image]":
    """Return one tile per stimulus with its number from 1, in the color of its category."""
    from PIL import Image, ImageDraw

    groups = shown.category or [""] * len(shown.ids)
    kinds = list(dict.fromkeys(groups))
    colors = (255 * read_hex(CATEGORY_COLORS)).astype(int).tolist()
    tiles = []
    for number, group in enumerate(groups, 1):
        color = tuple(colors[kinds.index(group) % len(colors)])
        tile = Image.new("RGB", (TILE, TILE), color)
        middle = (TILE / 2, TILE / 2)
        ImageDraw.Draw(tile).text(middle, str(number), fill="white", anchor="mm", font_size=17)
        tiles.append(tile)
    return tiles


def _embed(buffer: io.BytesIO, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
