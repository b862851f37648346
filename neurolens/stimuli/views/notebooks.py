"""Stimuli on the page of a notebook, as HTML that needs nothing else."""

import base64
import html
import io
from collections.abc import Sequence

import pandas as pd
from PIL import Image

from neurolens.stimuli.views.thumbnails import Thumbnail
from neurolens.support.tables import MOST_ROWS, clip_text, write_block, write_folded, write_table

_CELL = "display:inline-block;vertical-align:top;width:84px;margin:4px;font-size:11px"
_WRAP = "overflow-wrap:anywhere"
_SIDE = 64
# Letters of an id and of a text under each other.
_ID_LETTERS = 40
_TEXT_LETTERS = 170
_MOST_COLUMNS = 8
# Characters of all pictures together; where they do not fit, they are left out.
_MOST_PICTURES = 36_000


def write_html(
    thumbnails: Sequence[Thumbnail], ids: Sequence[str], heading: str, metadata: pd.DataFrame
) -> str:
    """Return the thumbnails of stimuli, each above its id, and their metadata, folded."""
    cells = []
    left = _MOST_PICTURES
    for thumbnail, name in zip(thumbnails, ids, strict=True):
        shown = _write_thumbnail(thumbnail)
        if len(shown) > left:
            shown = ""
        left -= len(shown)
        text = html.escape(clip_text(name, _ID_LETTERS))
        cells.append(f'<div style="{_CELL}">{shown}<div style="{_WRAP}">{text}</div></div>')
    parts = [f"<div>{''.join(cells)}</div>"]
    if len(metadata.columns):
        columns = [str(name) for name in metadata.columns[:_MOST_COLUMNS]]
        rows = metadata.iloc[:MOST_ROWS, :_MOST_COLUMNS].itertuples(name=None)
        n_more = len(metadata.columns) - len(columns)
        table = write_table(["stimulus", *columns], rows, len(metadata))
        more = f", {n_more} more columns" if n_more > 0 else ""
        parts.append(write_folded(f"metadata ({len(metadata):,} stimuli{more})", table))
    return write_block(heading, parts)


def _write_thumbnail(thumbnail: Thumbnail) -> str:
    if isinstance(thumbnail, str):
        text = html.escape(clip_text(thumbnail, _TEXT_LETTERS))
        return f'<div style="{_WRAP};opacity:.75">{text}</div>'
    kind, data = _encode(thumbnail)
    return f'<img style="max-width:100%" alt="" src="data:image/{kind};base64,{data}">'


def _encode(image: Image.Image) -> tuple[str, str]:
    """Return a picture of at most 64 pixels, and its format: what takes less of PNG and JPEG."""
    small = image.copy()
    small.thumbnail((_SIDE, _SIDE))
    written = {"png": _write(small, "PNG")}
    if small.mode in ("L", "RGB"):
        written["jpeg"] = _write(small, "JPEG")
    kind = min(written, key=lambda name: len(written[name]))
    return kind, base64.b64encode(written[kind]).decode()


def _write(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()
