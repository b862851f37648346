"""Stimuli on the page of a notebook, as HTML that needs nothing else."""

import base64
import html
import io
from collections.abc import Sequence

from PIL import Image

from neurolens.stimuli.views.thumbnails import Thumbnail

_CELL = "display:inline-block;vertical-align:top;width:110px;margin:4px;font-size:11px"
_TEXT = "overflow-wrap:anywhere;color:#5B6675"


def write_html(thumbnails: Sequence[Thumbnail], ids: Sequence[str], heading: str) -> str:
    """Return the thumbnails of stimuli, each above its id, under a heading."""
    cells = []
    for thumbnail, name in zip(thumbnails, ids, strict=True):
        shown = _write_thumbnail(thumbnail)
        cells.append(
            f'<div style="{_CELL}">{shown}'
            f'<div style="overflow-wrap:anywhere">{html.escape(name)}</div></div>'
        )
    return f"<div><div>{html.escape(heading)}</div>{''.join(cells)}</div>"


def _write_thumbnail(thumbnail: Thumbnail) -> str:
    if isinstance(thumbnail, str):
        return f'<div style="{_TEXT}">{html.escape(thumbnail)}</div>'
    return f'<img style="max-width:100%" alt="" src="data:image/png;base64,{_encode(thumbnail)}">'


def _encode(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
