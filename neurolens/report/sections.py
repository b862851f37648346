"""Tables and pictures of the report, ready for its template."""

import base64
import io
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from neurolens.errors import DataError, MissingToolError
from neurolens.labels import OP, REGION, STIMULUS
from neurolens.view import style
from neurolens.view.annotation import Annotation
from neurolens.view.graph.dot import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PACKAGES = ("neurolens-brain", "torch", "numpy", "xarray")
# CSS pixels per inch of a figure, so that its letters have the size of the page's small text.
PIXELS_PER_INCH = 125


class BestRow(NamedTuple):
    """One region's row in the table of best ops, as text."""

    region: str
    op: str
    naive: str
    held_out: str
    interval: str
    ceiling: str
    agreement: str
    n_ties: str


class ScoreCell(NamedTuple):
    """One score in the table of all: its text, the value to sort by, its colors."""

    text: str
    value: str
    fill: str
    ink: str


def list_best_ops(scores: xr.Dataset, best: xr.Dataset) -> list[BestRow]:
    """Return the row of each region."""
    rows = []
    for region in scores[REGION].values:
        row = best.sel({REGION: region})
        bounds = [
            scores[f"ceiling_{side}"].sel({REGION: region}).item() for side in ("lower", "upper")
        ]
        known = [style.format_score(bound, 3) for bound in bounds if np.isfinite(bound)]
        agreement = row["agreement"].item()
        doubt = " (in doubt)" if row["doubtful"].item() else ""
        ends = [row[f"heldout_ci_{end}"].item() for end in ("low", "high")]
        rows.append(
            BestRow(
                region=str(region),
                op=str(row["best_op"].item()),
                naive=style.format_score(row["naive_score"].item(), 3),
                held_out=style.format_score(row["heldout_mean"].item(), 3),
                interval=style.format_interval(ends[0], ends[1], 3).strip() or "none",
                ceiling="–".join(dict.fromkeys(known)) or "none",
                agreement=f"{agreement:.0%}{doubt}" if np.isfinite(agreement) else "–",
                n_ties=str(int(row["indistinguishable"].sum())),
            )
        )
    return rows


def list_cells(annotation: Annotation, op: str) -> list[ScoreCell]:
    """Return the scores of an op, one cell per region."""
    cells = []
    for i, share in enumerate(annotation.get_shares(op)):
        mean = annotation.means[op][i]
        interval = style.format_interval(annotation.lows[op][i], annotation.highs[op][i])
        star = "★ " if i in annotation.best.get(op, ()) else ""
        fill = style.pick_color(share)
        cells.append(
            ScoreCell(
                text=star + style.format_score(mean) + interval,
                value="" if np.isnan(mean) else f"{mean:.6g}",
                fill=fill,
                ink=style.pick_text_color(fill),
            )
        )
    return cells


def embed_drawing(drawing: Drawing) -> dict[str, str]:
    """Return the graph as SVG, or its DOT text and the reason why it could not be drawn."""
    try:
        # Inside HTML an svg element needs no declarations, which would be the only addresses in the
        # page.
        svg = drawing.render_svg().replace(' xmlns="http://www.w3.org/2000/svg"', "")
        return {"svg": svg.replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")}
    except (MissingToolError, DataError) as error:
        return {"svg": "", "reason": str(error), "source": drawing.source}


def embed_figure(figure: "Figure", fmt: str) -> dict[str, Any]:
    """Return a figure as a data address, and its width on the page."""
    buffer = io.BytesIO()
    # No date and no program version, so that the same input gives the same bytes.
    keys = ("Date", "Creator", "Format", "Type") if fmt == "svg" else ("Software",)
    with style.apply_style():
        figure.savefig(buffer, format=fmt, dpi=180, metadata=dict.fromkeys(keys))
    kind = "svg+xml" if fmt == "svg" else fmt
    data = base64.b64encode(buffer.getvalue()).decode()
    return {
        "width": round(figure.get_figwidth() * PIXELS_PER_INCH),
        "source": f"data:image/{kind};base64,{data}",
    }


def pick_matrices(annotation: Annotation, rdms: xr.DataArray) -> dict[str, str] | None:
    """Return the best op of each region that has an RDM; None when there is none."""
    names = {str(name) for name in rdms[OP].values}
    chosen: dict[int, str] = {}
    for name, regions in annotation.best.items():
        if name in names:
            chosen |= dict.fromkeys(regions, name)
    return {annotation.regions[i]: chosen[i] for i in sorted(chosen)} or None


def find_categories(brain: Any, rdms: xr.DataArray) -> Sequence[str] | None:
    """Return the category of each stimulus of ``rdms``, where the data set has them."""
    table = getattr(getattr(brain, "stimuli", None), "metadata", None)
    ids = rdms[STIMULUS].values.tolist()
    if table is None or "category" not in table or not set(ids) <= set(table.index):
        return None
    return [str(value) for value in table["category"].loc[ids]]


def list_versions() -> list[str]:
    """Return the versions of Python and of the packages that made the page."""
    return [f"python {platform.python_version()}", *map(_name_version, PACKAGES)]


def _name_version(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package} (not installed as a package)"
